//! Carries what other threads ask to the thread of the server, and the answers back. Does not know
//! how they are answered.
//!
//! A [`Letter`] is read at the end of the server's turn and answered after its commit. The mailbox
//! is bounded: whoever writes faster than the server reads is told so.

use std::error::Error;
use std::fmt;
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender, TryRecvError, TrySendError};
use std::thread::{self, ThreadId};
use std::time::Duration;

use mio::Waker;

use crate::entity::{TextError, UserId, UserName};
use crate::logic::{Call, Refusal, Reply};

/// How many letters may wait to be read.
pub(super) const LETTERS_MAX: usize = 1024;

/// Something that is asked.
pub(super) struct Letter {
    pub(super) asks: Asks,
    /// Called on the server's thread; dropped if the server ends before that.
    pub(super) answer: Answer,
}

/// What becomes of the reply.
pub(super) type Answer = Box<dyn FnOnce(Result<Reply, CallError>) + Send>;

/// What is asked.
#[derive(Debug)]
pub(super) enum Asks {
    /// Who has this name? Answered with [`Reply::Me`].
    User(UserName),
    /// Would you do this for that user?
    Call(UserId, Call),
}

/// Where letters are posted.
#[derive(Clone, Debug)]
pub(super) struct Mailbox {
    letters: SyncSender<Letter>,
    waker: Arc<Waker>,
    /// A byte in it asks the server to stop; a second one, to stop at once.
    stop: Arc<UnixStream>,
    has_stopped: Arc<AtomicBool>,
    /// The server's.
    thread: ThreadId,
}

impl Mailbox {
    /// A mailbox for the server of this thread.
    pub(super) fn new(letters: SyncSender<Letter>, waker: Waker, stop: UnixStream) -> Self {
        let thread = thread::current().id();
        let has_stopped = Arc::new(AtomicBool::new(false));
        Self { letters, waker: Arc::new(waker), stop: Arc::new(stop), has_stopped, thread }
    }

    /// Asks, and passes what `read` finds in the reply to whoever waits.
    pub(super) fn ask<T: Send + 'static>(
        &self,
        asks: Asks,
        read: impl FnOnce(Reply) -> T + Send + 'static,
    ) -> Pending<T> {
        let (sender, result) = mpsc::channel();
        let answer = move |reply: Result<Reply, CallError>| {
            // Nobody may be waiting any more.
            let _ = sender.send(reply.map(read));
        };
        match self.letters.try_send(Letter { asks, answer: Box::new(answer) }) {
            Ok(()) => self.wake(),
            Err(TrySendError::Full(letter)) => (letter.answer)(Err(CallError::Busy)),
            Err(TrySendError::Disconnected(letter)) => (letter.answer)(Err(CallError::Stopped)),
        }
        Pending { result, thread: self.thread }
    }

    /// An answer to what is known to be wrong before it is asked.
    pub(super) fn refuse<T>(&self, error: CallError) -> Pending<T> {
        let (sender, result) = mpsc::channel();
        // invariant: its other end is here.
        sender.send(Err(error)).expect("a receiver");
        Pending { result, thread: self.thread }
    }

    /// Asks the server to stop, politely: only once, since whoever drops it may have asked before.
    pub(super) fn stop(&self) {
        if self.has_stopped.swap(true, Ordering::Relaxed) {
            return;
        }
        // If it cannot be written, nobody reads it: the server has ended.
        let _ = (&*self.stop).write(&[0]);
    }

    fn wake(&self) {
        if let Err(error) = self.waker.wake() {
            log::warn!("the server could not be woken, and reads its letters later: {error}");
        }
    }
}

impl fmt::Debug for Letter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.asks.fmt(f)
    }
}

/// An answer that is on its way.
///
/// Another thread may [`wait`](Self::wait) for it. A program that runs the server in its own loop
/// checks whether it is there ([`take`](Self::take)) after each step.
#[derive(Debug)]
#[must_use = "whether it was done, it says"]
pub struct Pending<T> {
    result: Receiver<Result<T, CallError>>,
    /// The server's.
    thread: ThreadId,
}

impl<T> Pending<T> {
    /// Waits until it is there. On the server's own thread that would take forever: there the
    /// result is [`CallError::OwnThread`] unless the answer is there already.
    pub fn wait(mut self) -> Result<T, CallError> {
        if let Some(result) = self.take() {
            return result;
        }
        self.check_thread()?;
        self.result.recv().unwrap_or(Err(CallError::Stopped))
    }

    /// The answer, if it is there. It is given once.
    pub fn take(&mut self) -> Option<Result<T, CallError>> {
        match self.result.try_recv() {
            Ok(result) => Some(result),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => Some(Err(CallError::Stopped)),
        }
    }

    /// Waits for a limited time.
    pub(super) fn wait_for(&mut self, time: Duration) -> Option<Result<T, CallError>> {
        let taken = self.take();
        if taken.is_some() {
            return taken;
        }
        if let Err(error) = self.check_thread() {
            return Some(Err(error));
        }
        match self.result.recv_timeout(time) {
            Ok(result) => Some(result),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => Some(Err(CallError::Stopped)),
        }
    }

    fn check_thread(&self) -> Result<(), CallError> {
        if thread::current().id() == self.thread { Err(CallError::OwnThread) } else { Ok(()) }
    }
}

/// Why something was not done.
#[derive(Debug)]
#[non_exhaustive]
pub enum CallError {
    /// The rules do not allow it, or the store failed.
    Refused(Refusal),
    /// A text in it is not valid.
    Text(TextError),
    /// It was not committed, as when the disk is full: it has not happened.
    NotCommitted,
    /// More is asked than the server can read.
    Busy,
    /// The server has ended, or is about to.
    Stopped,
    /// Waiting here would take forever: this thread is the one that would answer.
    OwnThread,
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refusal) => refusal.fmt(f),
            Self::Text(error) => error.fmt(f),
            Self::NotCommitted => f.write_str("It could not be written, so it did not happen."),
            Self::Busy => f.write_str("The server is too busy."),
            Self::Stopped => f.write_str("The server has stopped."),
            Self::OwnThread => f.write_str("The server's own thread cannot wait for it."),
        }
    }
}

impl Error for CallError {}

impl From<Refusal> for CallError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<TextError> for CallError {
    fn from(error: TextError) -> Self {
        Self::Text(error)
    }
}
