//! Lists what can happen to a server and what it can want done: the whole of its interface to a
//! world of sockets. Knows nothing of HTTP.

use std::net::IpAddr;
use std::ops::Range;

use super::KEPT_ANSWERS_MAX;
use crate::comet::ConnectionId;
use crate::connection::Then;

/// Something that has happened.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// A connection was accepted; its number was free.
    Accepted {
        /// Its number from now on.
        connection: ConnectionId,
        /// Who is on the other side.
        peer: IpAddr,
    },
    /// The same on the control socket: the operator is on the other side, and is not kept out by
    /// any limit on connections.
    AcceptedOperator {
        /// Its number from now on.
        connection: ConnectionId,
    },
    /// The same where only the figures can be read.
    AcceptedMonitor {
        /// Its number from now on.
        connection: ConnectionId,
    },
    /// Bytes came.
    Received {
        /// On which connection.
        connection: ConnectionId,
        /// In the order they were sent.
        bytes: &'a [u8],
    },
    /// The peer has closed its side: nothing more will come.
    Ended {
        /// Of which connection.
        connection: ConnectionId,
    },
    /// The socket is gone: it broke, or it was closed after the last answer. The number is free
    /// again.
    Gone {
        /// Of which connection.
        connection: ConnectionId,
    },
    /// The socket did not take all of an answer, or took a little more of it.
    Blocked {
        /// Of which connection.
        connection: ConnectionId,
    },
    /// The socket has taken the rest.
    Flushed {
        /// Of which connection.
        connection: ConnectionId,
    },
    /// The server is to stop: no more connections will come.
    Drain,
    /// Nothing else has happened. Answer.
    EndOfTurn,
    /// The outputs of the turn are carried out. What could wait for that need not wait any longer.
    CarriedOut,
}

/// Something to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Write this, after what is still waiting to be written.
    Write {
        /// To which connection.
        connection: ConnectionId,
        /// What: a range of [`Outputs::bytes`].
        bytes: Range<usize>,
        /// And this after it.
        tail: &'static [u8],
        /// What to do when all of it is written: for [`Then::Linger`] shut down our side, for
        /// [`Then::Close`] close, and say [`Input::Gone`].
        then: Then,
    },
    /// Close the connection. Its number is free again.
    Close {
        /// Which.
        connection: ConnectionId,
    },
    /// Read nothing more from it.
    Pause {
        /// From which.
        connection: ConnectionId,
    },
    /// Read again, beginning with what has come meanwhile.
    Resume {
        /// From which.
        connection: ConnectionId,
    },
}

/// What a turn wants done, in order, and the bytes that it refers to.
#[derive(Debug, Default)]
pub struct Outputs {
    /// In order.
    pub list: Vec<Output>,
    /// The bytes of all [`Output::Write`].
    pub bytes: Vec<u8>,
    /// How many bytes their tails have.
    tails: usize,
}

impl Outputs {
    /// Writes what was appended to `bytes` from `start` on.
    pub(super) fn write(
        &mut self,
        connection: ConnectionId,
        start: usize,
        tail: &'static [u8],
        then: Then,
    ) {
        self.tails += tail.len();
        let end = self.bytes.len();
        // Answers to pipelined requests leave by one write.
        if let Some(Output::Write { connection: last, bytes, tail: last_tail, then: last_then }) =
            self.list.last_mut()
            && (*last, *last_then) == (connection, Then::Keep)
            && bytes.end == start
            && last_tail.is_empty()
        {
            bytes.end = end;
            *last_tail = tail;
            *last_then = then;
            return;
        }
        self.list.push(Output::Write { connection, bytes: start..end, tail, then });
    }

    /// How many bytes are to be written.
    pub(super) fn len(&self) -> usize {
        self.tails + self.bytes.len()
    }

    /// Forgets the turn, and keeps its memory for the next unless it was unusually large.
    pub fn clear(&mut self) {
        self.list.clear();
        self.bytes.clear();
        self.tails = 0;
        self.list.shrink_to(KEPT_ANSWERS_MAX);
        self.bytes.shrink_to(KEPT_BYTES_MAX);
    }
}

/// How much memory a turn leaves to the next: the answers of a few hundred polls.
const KEPT_BYTES_MAX: usize = 64 * 1024;
