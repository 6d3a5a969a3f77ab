//! Answers requests in every way that a handler may: at once, a few turns later, when a held one has
//! waited for some seconds, or by a stream that ends then.

use std::time::Duration;

use lovejoy::comet::{Comet, ConnectionId, Hold, HoldId, Left};
use lovejoy::entity::{MessageId, Place, SessionId, UserId};
use lovejoy::http::{Payload, Request, Response};
use lovejoy::logic::{Caller, Manner};
use lovejoy::server::{Answer, Answers, Client, Decision, Handler, Refused, TICK, TICKS};
use lovejoy::system::{Mono, Now};
use lovejoy::timers::Wheel;

/// How long `/hold` is held.
const HOLD: Duration = Duration::from_secs(5);

/// Turns that `/later` takes.
const TURNS: u32 = 3;

/// What is to be answered.
pub(super) struct Playful {
    comet: Comet,
    half_closed: Vec<HoldId>,
    /// Streams that begin at the end of this turn.
    begun: Vec<ConnectionId>,
    /// Each with the turns until then.
    later: Vec<(ConnectionId, u32)>,
}

impl Playful {
    pub(super) fn new() -> Self {
        let comet = Comet::new(Wheel::new(TICK, TICKS));
        Self { comet, half_closed: Vec::new(), begun: Vec::new(), later: Vec::new() }
    }
}

impl Handler for Playful {
    fn decide(&mut self, now: Now, client: Client, request: &Request<'_>) -> Decision {
        let connection = client.connection;
        assert!(self.later.iter().all(|(other, _)| *other != connection), "one at a time");
        let manner = match request.target.path() {
            "/hold" => Some(Manner::Poll),
            "/stream" => Some(Manner::Lines),
            _ => None,
        };
        if let Some(manner) = manner {
            let hold = Hold {
                connection,
                manner,
                blocked: false,
                caller: Caller { user_id: UserId(0), session_id: SessionId(0) },
                place: Place { stored: MessageId(0), live: 0 },
                wait_ms: 5_000,
            };
            let hold = self.comet.hold(hold, now.mono.plus(HOLD));
            if manner == Manner::Lines {
                self.begun.push(connection);
            }
            return Decision::Held(hold);
        }
        let turns = if request.target.path() == "/later" { TURNS } else { 0 };
        self.later.push((connection, turns));
        Decision::Later
    }

    fn refuse(&mut self, why: &Refused) -> Response {
        Response::new(match why {
            Refused::Malformed(error) => error.status(),
            Refused::TimedOut => 408,
            Refused::TooMany => 503,
        })
    }

    fn half_closed(&mut self, _: Now, hold: HoldId) {
        self.half_closed.push(hold);
    }

    fn blocked(&mut self, hold: HoldId, blocked: bool) {
        self.comet.set_blocked(hold, blocked);
    }

    fn gone(&mut self, _: Now, connection: ConnectionId, hold: Option<HoldId>) {
        self.later.retain(|(other, _)| *other != connection);
        self.begun.retain(|other| *other != connection);
        if let Some(hold) = hold {
            let left = self.comet.release(hold, Left::HungUp);
            assert!(left.is_none_or(|left| left.connection == connection), "its own hold");
        }
    }

    fn drain(&mut self, _: Now) {}

    fn end_turn(&mut self, now: Now, answers: &mut Answers) {
        for connection in self.begun.drain(..) {
            let head = Response::new(200).body("text/plain", Payload::Empty);
            answers.push((connection, Answer::Begin(head, b"first\n".to_vec())));
            answers.push((connection, Answer::Piece(b"second\n".to_vec())));
        }
        while let Some(id) = self.comet.next_overdue(now.mono) {
            let hold = self.comet.release(id, Left::Expired).expect("it is held");
            let answer = match hold.manner {
                Manner::Poll | Manner::Keepline | Manner::Watch => {
                    Answer::Whole(Response::new(200).json(b"[]".to_vec()))
                }
                Manner::Lines | Manner::EventStream => Answer::End(b"last\n".to_vec()),
            };
            answers.push((hold.connection, answer));
        }
        for id in self.half_closed.drain(..) {
            if let Some(hold) = self.comet.get(id) {
                answers.push((hold.connection, Answer::Close));
            }
        }
        for (connection, turns) in &mut self.later {
            if *turns == 0 {
                answers.push((*connection, Answer::Whole(Response::new(204))));
            }
            *turns = turns.wrapping_sub(1);
        }
        self.later.retain(|(_, turns)| *turns != u32::MAX);
    }

    fn next_deadline(&self) -> Option<Mono> {
        if self.later.is_empty() { self.comet.next_deadline() } else { Some(Mono(0)) }
    }

    fn finish(&mut self, _: Now) {}
}
