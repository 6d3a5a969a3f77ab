//! Says what a server asks of the handler that answers its requests, and what that can give it to
//! write. Knows no handler.

use std::net::IpAddr;
use std::rc::Rc;

use crate::comet::{ConnectionId, HoldId};
use crate::http::{ParseError, Request, Response};
use crate::lab::recorder::Recorder;
use crate::metrics::Metrics;
use crate::system::{Mono, Now};

/// Decides what requests are answered. Everything else about a connection is done by the
/// [`Server`](super::Server).
pub trait Handler {
    /// A request has come.
    fn decide(&mut self, now: Now, client: Client, request: &Request<'_>) -> Decision;

    /// A connection has to be turned away, with this answer.
    fn refuse(&mut self, why: &Refused) -> Response;

    /// The client of a held poll will send nothing more. If there is nothing to answer it at the
    /// end of the turn, it is taken for gone.
    fn half_closed(&mut self, now: Now, hold: HoldId);

    /// The socket of a stream is full, or has room again.
    fn blocked(&mut self, hold: HoldId, blocked: bool);

    /// The client has gone before it was answered; for an operator this is said after an answer,
    /// too.
    fn gone(&mut self, now: Now, connection: ConnectionId, hold: Option<HoldId>);

    /// A connection did not end in order: perhaps the last answer on it has not arrived.
    fn broken(&mut self, _: ConnectionId) {}

    /// The server is to stop: what is kept is to be answered at the end of this turn.
    fn drain(&mut self, now: Now);

    /// Nothing else has happened: commit, release, and answer what can be answered.
    fn end_turn(&mut self, now: Now, answers: &mut Answers);

    /// All answers have left: what nobody waits for can be done.
    fn keep_up(&mut self, _: Now) {}

    /// Whether the end of this turn will wait for the disk. Then it is better to take whatever else
    /// has come into this turn than to let it wait for this one and the next.
    fn is_writing(&self) -> bool {
        false
    }

    /// How many bytes of answers this turn has already. Past a bound, further requests wait for the
    /// next turn.
    fn pending_bytes(&self) -> usize {
        0
    }

    /// When to end a turn even if nothing happens.
    fn next_deadline(&self) -> Option<Mono>;

    /// The last thing to be called.
    fn finish(&mut self, now: Now);

    /// Where the server counts what it does, too.
    fn metrics(&self) -> Rc<Metrics> {
        Rc::default()
    }

    /// Where the server records what it does, for sessions that want that.
    fn recorder(&self) -> Rc<Recorder> {
        Rc::default()
    }
}

/// Who sends a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client {
    /// The connection that it came on, and that its answer leaves on.
    pub connection: ConnectionId,
    /// Who is on the other side of it.
    pub peer: IpAddr,
    /// Whether it came by the control socket, which only the operator can reach.
    pub is_operator: bool,
    /// Whether it came where only the figures can be read.
    pub is_monitor: bool,
}

/// What becomes of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It will be answered at the end of this turn or a later one.
    Later,
    /// The same; it is a poll, or will be a stream, and is held.
    Held(HoldId),
}

/// Why a connection is turned away without asking what it wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// What it sends is not a request.
    Malformed(ParseError),
    /// Its request does not come to an end.
    TimedOut,
    /// There are as many as there may be.
    TooMany,
}

/// What a handler answers in a turn, in order.
pub type Answers = Vec<(ConnectionId, Answer)>;

/// For how many answers a turn leaves memory to the next: for all of a busy one.
pub(crate) const KEPT_ANSWERS_MAX: usize = 512;

/// What leaves on a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// A response.
    Whole(Response),
    /// The head of a response whose body comes in pieces, and the first of them.
    Begin(Response, Vec<u8>),
    /// A further piece.
    Piece(Vec<u8>),
    /// The last piece.
    End(Vec<u8>),
    /// A response without the last so many bytes of its body (which is not a page), after which the
    /// connection closes: a fault that was asked for.
    Cut(Response, usize),
    /// Nothing: the client waits for no answer. The connection closes.
    Close,
}
