//! Describes one connection: where it stands between a request and its answer, and what it keeps
//! meanwhile.
//!
//! Knows the states and which may follow which. Knows no socket, no clock, and nothing of what is
//! asked or answered. The states:
//!
//! ```text
//!  accepted
//!     |            complete          is a poll
//!     v            request           and waits
//! [Reading] -----> [Deciding] ------------------> [Held]
//!   |   ^               |                           | released (see `comet`)
//!   |   |               +-------> answer <----------+
//!   |   |                           |
//!   |   +--- keep-alive ------------+----- the socket is full ----> [Writing]
//!   |   +----------------------------------- flushed, keep-alive -----|
//!   |                               |                                 |
//!   | malformed: answer             | close                           | flushed, close
//!   +-----------------------> [Lingering] <---------------------------+
//!                                   | the peer closes, or time is up
//!                                   v
//!                                 gone        (also from every state, when the socket breaks)
//! ```
//!
//! A stream is a held request whose answer has begun: `[Held] --> [Streaming]`, and from there as
//! from Held. If others are to be served before what has come, `[Reading] --> [Queued]`, and back
//! when its turn comes.
//!
//! Bytes that arrive while a request is being answered wait, unparsed: answers leave in
//! the order of requests because the next request is not even looked at before. A connection that
//! waits, idle or held, owns no buffer.

use std::rc::Rc;

use crate::comet::HoldId;
use crate::http::{Method, Phase, Reader, Request, Stream, Version};
use crate::pool::{Part, Pool};

/// One connection, as the server sees it.
#[derive(Debug)]
pub struct Connection {
    /// Who is on the other side.
    pub peer: PeerId,
    /// Where it stands.
    pub state: State,
    /// What has come and is not dealt with yet.
    inbound: Option<Box<Inbound>>,
    /// How the answer to the present request is framed.
    pub framing: Framing,
    /// How the pieces are framed, if its answer is a stream.
    pub stream: Stream,
    /// What the running deadline is for.
    pub timer: Timer,
    /// The peer will send nothing more.
    pub ended: bool,
    /// The event loop was asked to read nothing more.
    pub paused: bool,
    /// What it has used of its share, if it is a flow of its own.
    pub share: Share,
}

/// What has come and is not dealt with yet. Both at once if the socket did not take an answer, and
/// part of the next request had come by then.
#[derive(Debug)]
struct Inbound {
    /// The beginning of a request.
    begun: Reader,
    /// Bytes after that, to be looked at later.
    early: Vec<u8>,
    /// The part of the pool for both.
    part: Part,
}

impl Inbound {
    fn new(pool: &Rc<Pool>) -> Self {
        Self { begun: Reader::new(), early: Vec::new(), part: Part::new(pool) }
    }

    /// Tells the pool how much it is now.
    fn count(&mut self) {
        self.part.set(size_of::<Self>() + self.begun.buffered() + self.early.capacity());
    }
}

/// Names an address while anybody is connected from there: it is kept once for all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerId(pub u32);

/// Up to which moment somebody has used their share of the server: the low bits of a number that
/// grows as it serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share(pub u32);

impl PeerId {
    /// The operator, who comes in by the control socket and has no address.
    pub const OPERATOR: Self = Self(u32::MAX);

    /// Somebody who reads the figures, by a socket of their own.
    pub const MONITOR: Self = Self(u32::MAX - 1);

    /// Whether there may be others at the same address, who are counted together.
    pub fn is_counted(self) -> bool {
        self != Self::OPERATOR && self != Self::MONITOR
    }
}

/// Where a connection stands; see the head of this file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Waits for a request, or for the rest of one.
    Reading,
    /// Something has come, and waits until it may be looked at.
    Queued,
    /// Its request is with the handler, or it is about to be refused.
    Deciding,
    /// Its request is a poll that waits.
    Held(HoldId),
    /// Its request is answered by a stream that goes on.
    Streaming(HoldId),
    /// Its answer waits until the socket takes more.
    Writing(Then),
    /// Everything is written and our side is closed: what still comes is thrown away, so that the
    /// peer reads the answer instead of meeting a reset (RFC 9112, section 9.6).
    Lingering,
}

/// What follows an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// Everything ends: the peer has closed its side already, or will send nothing.
    Close,
    /// The next request.
    Keep,
    /// Our side is closed, and the peer's end is waited for.
    Linger,
}

/// What a deadline of a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timer {
    /// The rest of a body.
    Body,
    /// The rest of a head.
    Head,
    /// The next request.
    Idle,
    /// The peer's end.
    Linger,
    /// None is running.
    Off,
    /// Room in the socket.
    Write,
}

/// What the framing of an answer takes from its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Framing {
    /// The request's version.
    pub version: Version,
    /// Whether it was HEAD.
    pub head_only: bool,
    /// Whether another request may follow.
    pub keep_alive: bool,
}

impl Framing {
    /// If the request could not be read: the answer is whole, and the last one.
    pub const MALFORMED: Self =
        Self { version: Version::Http11, head_only: false, keep_alive: false };

    /// What this request asks for.
    pub fn of(request: &Request<'_>) -> Self {
        Self {
            version: request.version,
            head_only: request.method == Method::Head,
            keep_alive: request.keep_alive,
        }
    }
}

impl Connection {
    /// A connection that was just accepted.
    pub fn new(peer: PeerId, share: Share) -> Self {
        Self {
            peer,
            state: State::Reading,
            inbound: None,
            framing: Framing::MALFORMED,
            stream: Stream::Nothing,
            timer: Timer::Off,
            ended: false,
            paused: false,
            share,
        }
    }

    /// The server stops, so the present answer is the last. A client that was held has sent nothing
    /// after its poll but what is kept here: nothing is left unread in the socket, and the peer's
    /// end need not be waited for.
    pub fn make_last(&mut self) {
        self.framing.keep_alive = false;
        let was_held = matches!(self.state, State::Held(_) | State::Streaming(_));
        self.ended |= was_held && self.early().is_empty();
    }

    /// What follows the present answer.
    pub fn then(&self) -> Then {
        match (self.framing.keep_alive, self.ended) {
            (true, false) => Then::Keep,
            // The peer sends no more, but may have sent more than this request.
            (true, true) if !self.early().is_empty() => Then::Keep,
            (_, true) => Then::Close,
            (false, false) => Then::Linger,
        }
    }

    /// Bytes that came while the request before them was being answered.
    pub fn early(&self) -> &[u8] {
        self.inbound.as_ref().map_or(&[], |inbound| &inbound.early)
    }

    /// Appends bytes to those, at the cost of the pool.
    pub fn push_early(&mut self, bytes: &[u8], pool: &Rc<Pool>) {
        if !bytes.is_empty() {
            let inbound = self.inbound.get_or_insert_with(|| Box::new(Inbound::new(pool)));
            inbound.early.extend_from_slice(bytes);
            inbound.count();
        }
    }

    /// Takes all of them.
    pub fn take_early(&mut self) -> Vec<u8> {
        let early = self.inbound.as_mut().map(|inbound| std::mem::take(&mut inbound.early));
        self.drop_what_is_empty();
        early.unwrap_or_default()
    }

    /// Takes the reader that has begun the present request; a new one if none has.
    pub fn take_reader(&mut self) -> Reader {
        let begun = self.inbound.as_mut().map(|inbound| std::mem::take(&mut inbound.begun));
        self.drop_what_is_empty();
        begun.unwrap_or_default()
    }

    /// Keeps it for when more of the request comes, at the cost of the pool.
    pub fn keep_reader(&mut self, reader: Reader, pool: &Rc<Pool>) {
        if !reader.is_fresh() {
            let inbound = self.inbound.get_or_insert_with(|| Box::new(Inbound::new(pool)));
            inbound.begun = reader;
            inbound.count();
        }
    }

    fn drop_what_is_empty(&mut self) {
        self.inbound.take_if(|inbound| inbound.begun.is_fresh() && inbound.early.is_empty());
        if let Some(inbound) = &mut self.inbound {
            inbound.count();
        }
    }

    fn phase(&self) -> Phase {
        self.inbound.as_ref().map_or(Phase::Idle, |inbound| inbound.begun.phase())
    }

    /// Which deadline applies while its request is read.
    pub fn reading_timer(&self) -> Timer {
        match self.phase() {
            Phase::Idle => Timer::Idle,
            Phase::Head => Timer::Head,
            Phase::Body => Timer::Body,
        }
    }

    /// Whether a request has begun and is not complete.
    pub fn is_within_request(&self) -> bool {
        self.phase() != Phase::Idle
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_that_waits_is_small() {
        assert_eq!(size_of::<Option<Connection>>(), 32);
    }
}
