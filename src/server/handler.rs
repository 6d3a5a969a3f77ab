//! Says what a server asks of whoever answers its requests, and what it can be given to write.

use std::net::IpAddr;
use std::rc::Rc;

use crate::comet::{ConnectionId, HoldId};
use crate::http::{ParseError, Request, Response};
use crate::lab::recorder::Recorder;
use crate::metrics::Metrics;
use crate::system::{Mono, Now};

/// What is done with requests. All else about a connection is done by the [`Server`](super::Server).
pub trait Handler {
    /// A request has come.
    fn decide(&mut self, now: Now, client: Client, request: &Request<'_>) -> Decision;

    /// A connection has to be turned away; these are the words.
    fn refuse(&mut self, why: &Refused) -> Response;

    /// The client that a poll is held for will send nothing more. If there is nothing to answer at
    /// the end of the turn, nobody waits for it either.
    fn half_closed(&mut self, now: Now, hold: HoldId);

    /// The socket of a stream is full, or has room again.
    fn blocked(&mut self, hold: HoldId, blocked: bool);

    /// The client is gone before it was answered; an operator also after that.
    fn gone(&mut self, now: Now, connection: ConnectionId, hold: Option<HoldId>);

    /// A connection has not ended in order: perhaps the last answer on it has not arrived.
    fn broken(&mut self, _: ConnectionId) {}

    /// The server is to stop: what is kept is to be answered at the end of this turn.
    fn drain(&mut self, now: Now);

    /// Nothing else has happened: commit, release, and answer what can be answered.
    fn end_turn(&mut self, now: Now, answers: &mut Answers);

    /// Whether the end of this turn will wait for the disk. Then it is better to take into the turn what
    /// else has come, than to let it wait for that and for the next.
    fn is_writing(&self) -> bool {
        false
    }

    /// How many bytes of answers there are already in this turn. Past a bound, further requests wait for
    /// the next one.
    fn pending_bytes(&self) -> usize {
        0
    }

    /// When to end a turn even if nothing happens.
    fn next_deadline(&self) -> Option<Mono>;

    /// The last thing to be called.
    fn finish(&mut self, now: Now);

    /// Where what is done for it is counted, too.
    fn metrics(&self) -> Rc<Metrics> {
        Rc::default()
    }

    /// By whom it is recorded, where a session wants that.
    fn recorder(&self) -> Rc<Recorder> {
        Rc::default()
    }
}

/// Who sends a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client {
    /// The connection it came on, and its answer leaves on.
    pub connection: ConnectionId,
    /// Who is on the other side of it.
    pub peer: IpAddr,
    /// Whether it came in by the control socket, which only the operator can reach.
    pub is_operator: bool,
    /// Whether it came in where the figures are to be read, and nothing else.
    pub is_monitor: bool,
}

/// What becomes of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It will be answered at the end of this turn or a later one.
    Later,
    /// The same; it is a poll, or will be a stream, and held.
    Held(HoldId),
}

/// Why a connection is turned away without asking what it wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// What it sends is no request.
    Malformed(ParseError),
    /// Its request does not come to an end.
    TimedOut,
    /// There are as many as there may be.
    TooMany,
}

/// What a handler answers in a turn, in order.
pub type Answers = Vec<(ConnectionId, Answer)>;

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
    /// A response of whose body, which is no page, the last so many bytes are missing, and then the
    /// connection closes: a fault that was asked for.
    Cut(Response, usize),
    /// Nothing: the client waits for no answer. The connection closes.
    Close,
}
