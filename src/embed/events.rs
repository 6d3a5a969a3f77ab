//! Tells a user of this process what happens: polls by letter, one after the other.
//!
//! A poll brings events, each with the place after it. When all of them have been handed out,
//! whoever asks for more posts the next poll. Its cursor says that they arrived, and so the others
//! see them as delivered.

use std::collections::VecDeque;
use std::time::Duration;

use super::CallError;
use super::mailbox::Pending;
use super::user::LocalUser;
use crate::entity::{Cursor, Event};
use crate::logic::{Call, Manner, Reply};
use crate::system::Clock;

/// The events of one user, in order: each once, and none left out.
///
/// As an iterator it waits for the next, and ends when the server does. A program that runs the
/// server in its own loop checks what is there ([`try_next`](Self::try_next)) after each step.
#[derive(Debug)]
pub struct Events {
    user: LocalUser,
    /// What came with the last poll and has not been handed out yet.
    ready: VecDeque<Placed>,
    /// The place after what has been handed out; `None` before the first answer.
    cursor: Option<String>,
    /// What is waited for; `None` while there is something to hand out.
    poll: Option<Pending<Batch>>,
}

/// An event, and the place after it.
type Placed = (Event, String);

/// What a poll brings.
#[derive(Debug)]
struct Batch {
    events: VecDeque<Placed>,
    behind: String,
}

/// How long a poll waits. After its [`Events`] are dropped, its user may stay online for that long.
const WAIT: Duration = Duration::from_secs(25);

impl Events {
    pub(super) fn begin(user: LocalUser, cursor: Option<String>) -> Self {
        // "From now on" begins here, not when somebody first looks.
        let poll = Some(ask(&user, cursor.clone()));
        Self { user, ready: VecDeque::new(), cursor, poll }
    }

    /// The place after the last event that was handed out, from which to go on after a restart of
    /// the program. `None` before anything is known.
    pub fn cursor(&self) -> Option<&str> {
        self.cursor.as_deref()
    }

    /// The next event, if it is there.
    pub fn try_next(&mut self) -> Result<Option<Event>, CallError> {
        self.next_within(Duration::ZERO)
    }

    /// The next event; `None` if none comes within this time.
    pub fn next_within(&mut self, time: Duration) -> Result<Option<Event>, CallError> {
        let clock = Clock::new();
        let begun = clock.now().mono;
        loop {
            if let Some((event, behind)) = self.ready.pop_front() {
                self.cursor = Some(behind);
                return Ok(Some(event));
            }
            let mut poll = self.poll.take().unwrap_or_else(|| ask(&self.user, self.cursor.clone()));
            let left = time.saturating_sub(clock.now().mono.since(begun));
            let answer = if left.is_zero() { poll.take() } else { poll.wait_for(left) };
            let Some(batch) = answer else {
                self.poll = Some(poll);
                return Ok(None);
            };
            let Batch { events, behind } = batch?;
            if events.is_empty() {
                self.cursor = Some(behind);
            }
            self.ready = events;
        }
    }
}

impl Iterator for Events {
    type Item = Result<Event, CallError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.next_within(WAIT) {
                Ok(Some(event)) => return Some(Ok(event)),
                Ok(None) => {}
                Err(CallError::Stopped) => return None,
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

fn ask(user: &LocalUser, cursor: Option<String>) -> Pending<Batch> {
    user.call(Call::Events { cursor, wait: WAIT, manner: Manner::Poll }, |reply| match reply {
        Reply::Events { batch, .. } => {
            let text = |cursor: Cursor| cursor.text(batch.tag);
            let behind = text(batch.behind);
            let placed = |(event, cursor)| (event, text(cursor));
            Batch { events: batch.events.into_iter().map(placed).collect(), behind }
        }
        other => unreachable!("events, not {other:?}"),
    })
}
