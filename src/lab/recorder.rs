//! Keeps the exact bytes of a session's exchanges while that session asks for it, and counts them:
//! for the lab's pages about the wire and the race.
//!
//! Whose request it is becomes known only when its head has been read. So while anybody records,
//! the bytes of every request are gathered, and thrown away at once if it turns out to be somebody
//! else's:
//!
//! ```text
//!  first byte             complete: whose is it?                answered, or the connection is gone
//! ----------> [Reading] -------------------------> [Answering] ------------------------------------> ended
//!                 | of no session that records          bytes of the answer, each with its time
//!                 +--> forgotten
//! ```
//!
//! Rules:
//! 1. *While nobody records*, which is always the case if the lab is off, all of this costs one
//!    comparison.
//! 2. *A session sees itself, and nobody else*: not even another session of its user.
//! 3. *No secret is kept*: it is overwritten before anything is kept, see `tape.rs`.
//! 4. *Everything is bounded*: the tapes, and what is on them; and a tape that nobody looks at
//!    ends.
//! 5. What the lab itself asks is not recorded: looking at the tape would make it longer.
//!
//! Knows who records and what is going on; the tape knows what is kept of it. Neither knows JSON,
//! or has a clock of its own.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use super::tape::{Ended, Exchange, Sent, Tape};
use crate::chunks::Sparse;
use crate::comet::ConnectionId;
use crate::logic::Caller;
use crate::metrics::Metrics;
use crate::system::{Mono, Now};

/// How many sessions record at a time.
const TAPES_MAX: usize = 8;

/// How long a tape that nobody looks at goes on.
const IDLE_MAX: Duration = Duration::from_secs(120);

/// All tapes, and what is going on at the moment.
#[derive(Debug, Default)]
pub struct Recorder {
    /// Whether there is a tape.
    is_armed: Cell<bool>,
    state: RefCell<State>,
    /// For its clock.
    metrics: Rc<Metrics>,
}

#[derive(Debug, Default)]
struct State {
    tapes: Vec<Tape>,
    /// By connection.
    open: Sparse<Open>,
}

/// What is going on on a connection; see the head of this file.
#[derive(Debug)]
enum Open {
    Reading(Box<Exchange>),
    Answering { caller: Caller, exchange: u64, lane: usize },
}

impl Recorder {
    /// Nobody records yet. Times are taken from the clock that durations are measured with, if
    /// there is one, and otherwise from the turn.
    pub fn new(metrics: Rc<Metrics>) -> Self {
        Self { metrics, ..Self::default() }
    }

    /// Whether anybody records.
    pub fn is_armed(&self) -> bool {
        self.is_armed.get()
    }

    /// Begins a tape, in place of what the session has recorded. `false` if too many are recording.
    pub fn arm(&self, now: Now, caller: Caller) -> bool {
        let state = &mut *self.state.borrow_mut();
        state.forget(caller);
        self.settle(state, now);
        let has_room = state.tapes.len() < TAPES_MAX;
        if has_room {
            state.tapes.push(Tape::new(caller, now));
            self.is_armed.set(true);
        }
        has_room
    }

    /// Ends a session's tape, and forgets it.
    pub fn disarm(&self, now: Now, caller: Caller) {
        if self.is_armed() {
            let state = &mut *self.state.borrow_mut();
            state.forget(caller);
            self.settle(state, now);
        }
    }

    /// Shows a session its own tape, if it has one.
    pub fn look<T>(&self, now: Now, caller: Caller, show: impl FnOnce(&Tape) -> T) -> Option<T> {
        let state = &mut *self.state.borrow_mut();
        self.settle(state, now);
        let tape = state.tape(caller)?;
        tape.looked_at = now.mono;
        Some(show(tape))
    }

    /// Bytes of a request were read; they are its first, or follow those before.
    pub fn read(&self, now: Now, connection: ConnectionId, bytes: &[u8], are_first: bool) {
        if !self.is_armed() || bytes.is_empty() {
            return;
        }
        let state = &mut *self.state.borrow_mut();
        self.settle(state, now);
        if are_first && self.is_armed() {
            let begun = Now { mono: self.now(now), ..now };
            let exchange = Box::new(Exchange::new(begun, connection));
            state.open.put(connection.0, Open::Reading(exchange));
        }
        if let Some(Open::Reading(exchange)) = state.open.get_mut(connection.0) {
            exchange.request.push(self.now(now), &[bytes]);
        }
    }

    /// The request that was read is a session's. `is_secret`: its body is not to be kept.
    pub fn claim(&self, connection: ConnectionId, caller: Caller, lane: &str, is_secret: bool) {
        let state = &mut *self.state.borrow_mut();
        let Some(Open::Reading(exchange)) = state.open.take(connection.0) else { return };
        let Some(tape) = state.tape(caller) else { return };
        let (exchange, lane) = tape.begin(*exchange, lane, is_secret);
        state.open.put(connection.0, Open::Answering { caller, exchange, lane });
    }

    /// The request that was read has been handed to whoever answers it. If nobody has claimed it,
    /// it is not recorded.
    pub fn decided(&self, connection: ConnectionId) {
        if self.is_armed() {
            let open = &mut self.state.borrow_mut().open;
            if let Some(Open::Reading(_)) = open.get(connection.0) {
                open.take(connection.0);
            }
        }
    }

    /// Bytes of an answer go to the socket.
    pub fn sent(&self, now: Now, connection: ConnectionId, sent: Sent<'_>) {
        if !self.is_armed() {
            return;
        }
        let at = self.now(now);
        self.with_answering(connection, |tape, exchange, lane| {
            tape.sent(exchange, lane, at, sent);
        });
    }

    /// An interim response goes out, before the request is complete (RFC 9110, section 15.2).
    pub fn sent_interim(&self, now: Now, connection: ConnectionId, bytes: &[u8]) {
        if self.is_armed()
            && let Some(Open::Reading(exchange)) =
                self.state.borrow_mut().open.get_mut(connection.0)
        {
            exchange.response.push(self.now(now), &[bytes]);
        }
    }

    /// The answer says that there is nothing new.
    pub fn empty(&self, connection: ConnectionId) {
        if self.is_armed() {
            let count = |tape: &mut Tape, _, lane| tape.lane_mut(lane).empty_answers += 1;
            self.with_answering(connection, count);
        }
    }

    /// The poll on this connection is asked about, since there may be news.
    pub fn woken(&self, connection: ConnectionId) {
        if self.is_armed() {
            let count = |tape: &mut Tape, _, lane| tape.lane_mut(lane).wake_ups += 1;
            self.with_answering(connection, count);
        }
    }

    /// What was going on on a connection is over.
    pub fn ended(&self, now: Now, connection: ConnectionId, how: Ended) {
        if !self.is_armed() {
            return;
        }
        let ended = (self.now(now), how);
        self.with_answering(connection, |tape, exchange, _| {
            tape.ended(exchange, ended);
        });
        self.state.borrow_mut().open.take(connection.0);
    }

    /// Acts on the exchange that is going on on a connection, if it is recorded, with its id and
    /// its lane.
    fn with_answering(&self, connection: ConnectionId, act: impl FnOnce(&mut Tape, u64, usize)) {
        let state = &mut *self.state.borrow_mut();
        if let Some(&Open::Answering { caller, exchange, lane }) = state.open.get(connection.0)
            && let Some(tape) = state.tape(caller)
        {
            act(tape, exchange, lane);
        }
    }

    fn now(&self, now: Now) -> Mono {
        self.metrics.begin().unwrap_or(now.mono)
    }

    /// Ends the tapes that nobody looks at.
    fn settle(&self, state: &mut State, now: Now) {
        state.tapes.retain(|tape| now.mono.since(tape.looked_at) <= IDLE_MAX);
        if state.tapes.is_empty() {
            *state = State::default();
        }
        self.is_armed.set(!state.tapes.is_empty());
    }
}

impl State {
    fn tape(&mut self, caller: Caller) -> Option<&mut Tape> {
        self.tapes.iter_mut().find(|tape| tape.caller == caller)
    }

    /// Forgets the tape of a session, and what is going on for it.
    fn forget(&mut self, caller: Caller) {
        self.tapes.retain(|tape| tape.caller != caller);
        let is_theirs =
            |open: &Open| matches!(open, Open::Answering { caller: whose, .. } if *whose == caller);
        let theirs: Vec<u32> = self
            .open
            .iter()
            .filter(|(_, open)| is_theirs(open))
            .map(|(number, _)| number)
            .collect();
        for number in theirs {
            self.open.take(number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tape::{Lane, Track};
    use super::*;
    use crate::entity::{SessionId, Timestamp, UserId};
    use crate::system::Entropy;

    const ANNA: Caller = Caller { user_id: UserId(1), session_id: SessionId(1) };
    const PHONE: Caller = Caller { user_id: UserId(1), session_id: SessionId(2) };
    const LINE: ConnectionId = ConnectionId(7);
    const ASKED: &[u8] = b"GET /api/me HTTP/1.1\r\nAuthorization: Bearer abcdef\r\n\r\n";

    fn at(micros: u64) -> Now {
        Now { mono: Mono(micros), wall: Timestamp(0) }
    }

    fn whole(bytes: &[u8], payload: usize) -> Sent<'_> {
        Sent { bytes: [bytes, b""], has_head: true, payload }
    }

    fn exchange(recorder: &Recorder, caller: Caller, request: &[u8]) {
        recorder.read(at(1), LINE, request, true);
        recorder.claim(LINE, caller, "", false);
        recorder.decided(LINE);
        recorder.sent(at(2), LINE, whole(b"HTTP/1.1 204 No Content\r\n\r\n", 0));
        recorder.ended(at(2), LINE, Ended::Answered);
    }

    fn kept(recorder: &Recorder, caller: Caller) -> Option<Vec<String>> {
        let text = |track: &Track| String::from_utf8_lossy(&track.bytes).into_owned();
        recorder.look(at(3), caller, |tape| {
            tape.changed_after(0).map(|exchange| text(&exchange.request)).collect()
        })
    }

    #[test]
    fn a_session_has_its_own_exchanges_without_its_token_and_nobody_elses() {
        let recorder = Recorder::default();
        exchange(&recorder, ANNA, ASKED);
        assert_eq!(kept(&recorder, ANNA), None);
        assert!(recorder.arm(at(0), ANNA));
        exchange(&recorder, ANNA, ASKED);
        exchange(&recorder, PHONE, ASKED);
        let masked = "GET /api/me HTTP/1.1\r\nAuthorization: Bearer ******\r\n\r\n";
        assert_eq!(kept(&recorder, ANNA), Some(vec![masked.to_owned()]));
        assert_eq!(kept(&recorder, PHONE), None);
        recorder.disarm(at(3), ANNA);
        assert!(!recorder.is_armed() && recorder.state.borrow().open.is_empty());
    }

    #[test]
    fn a_request_that_nobody_claims_is_not_kept_while_it_is_answered() {
        let recorder = Recorder::default();
        recorder.arm(at(0), ANNA);
        recorder.read(at(1), LINE, ASKED, true);
        recorder.decided(LINE);
        assert!(recorder.state.borrow().open.is_empty());
        recorder.read(at(1), LINE, ASKED, true);
        recorder.ended(at(1), LINE, Ended::Cut);
        assert!(recorder.state.borrow().open.is_empty());
    }

    #[test]
    fn what_came_in_pieces_is_counted_to_the_byte_and_masked_as_a_whole() {
        let recorder = Recorder::default();
        recorder.arm(at(0), ANNA);
        let (one, other) = ASKED.split_at(45);
        recorder.read(at(1), LINE, one, true);
        recorder.read(at(5), LINE, other, false);
        recorder.claim(LINE, ANNA, "1", false);
        let first = b"HTTP/1.1 200 OK\r\n\r\n2\r\n\n\n\r\n";
        recorder.sent(at(6), LINE, whole(first, 2));
        let piece = Sent { bytes: [b"1\r\nx\r\n", b""], has_head: false, payload: 1 };
        recorder.sent(at(9), LINE, piece);
        recorder.woken(LINE);
        recorder.ended(at(9), LINE, Ended::Cut);
        let seen = recorder.look(at(9), ANNA, |tape| {
            let exchange = tape.changed_after(0).next().expect("one");
            assert_eq!(exchange.request.pieces, [(Mono(1), 45), (Mono(5), ASKED.len() - 45)]);
            assert_eq!(exchange.response.pieces, [(Mono(6), first.len()), (Mono(9), 6)]);
            assert_eq!(exchange.ended, Some((Mono(9), Ended::Cut)));
            assert!(!exchange.request.bytes.windows(3).any(|bytes| bytes == b"abc"));
            tape.lanes()[1].clone()
        });
        let expected = Lane {
            name: "1".to_owned(),
            requests: 1,
            head_up: ASKED.len(),
            head_down: 19,
            framing_down: 5 + 5,
            body_down: 3,
            writes: 2,
            wake_ups: 1,
            ..Lane::default()
        };
        assert_eq!(seen, Some(expected));
    }

    #[test]
    fn only_so_many_record_and_a_tape_that_nobody_looks_at_ends() {
        let recorder = Recorder::default();
        let caller = |id| Caller { user_id: UserId(id), session_id: SessionId(id) };
        for id in (0..).take(TAPES_MAX) {
            assert!(recorder.arm(at(0), caller(id)));
        }
        assert!(!recorder.arm(at(0), caller(99)));
        assert!(recorder.arm(at(0), caller(0)), "again");
        let late = Now { mono: Mono(0).plus(IDLE_MAX), ..at(0) };
        assert_eq!(recorder.look(late, caller(1), |_| ()), Some(()));
        let later = Now { mono: late.mono.plus(Duration::from_micros(1)), ..late };
        assert_eq!(recorder.look(later, caller(2), |_| ()), None);
        assert!(recorder.arm(later, caller(99)));
        recorder.read(Now { mono: later.mono.plus(2 * IDLE_MAX), ..at(0) }, LINE, ASKED, true);
        assert!(!recorder.is_armed());
    }

    /// Everything that can happen, in any order, compared with a plain count of what has to be on
    /// the tapes.
    #[test]
    fn whatever_happens_it_stays_bounded_and_counts_every_request() {
        let mut entropy = Entropy::seeded(1);
        let recorder = Recorder::default();
        let callers = [ANNA, PHONE, Caller { user_id: UserId(2), session_id: SessionId(3) }];
        let lines = [0, 1, 64, 129].map(ConnectionId);
        let (mut reading, mut counted) = ([false; 4], [None; 3]);
        for step in 0..20_000 {
            let [what, line, who, more] = entropy.bytes();
            let (line, who) = (usize::from(line % 4), usize::from(who % 3));
            let (id, caller, now) = (lines[line], callers[who], at(step));
            let is_armed = recorder.is_armed();
            match what % 32 {
                0 => {
                    counted[who] = None;
                    if counted == [None; 3] {
                        // What began before there was any tape is on none.
                        reading = [false; 4];
                    }
                    counted[who] = recorder.arm(now, caller).then_some(0);
                }
                1 => {
                    recorder.disarm(now, caller);
                    counted[who] = None;
                }
                2..8 => {
                    recorder.read(now, id, ASKED, true);
                    reading[line] = is_armed;
                }
                8..10 => recorder.read(now, id, ASKED, false),
                10..16 => {
                    recorder.claim(id, caller, "1", more % 5 == 0);
                    if std::mem::take(&mut reading[line]) {
                        counted[who] = counted[who].map(|count| count + 1);
                    }
                }
                16..18 => {
                    recorder.decided(id);
                    reading[line] &= !is_armed;
                }
                18..24 => recorder.sent(now, id, whole(ASKED, usize::from(more))),
                24 => recorder.sent_interim(now, id, ASKED),
                25 => recorder.empty(id),
                26 => recorder.woken(id),
                _ => {
                    recorder.ended(now, id, Ended::Cut);
                    reading[line] &= !is_armed;
                }
            }
            if !recorder.is_armed() {
                reading = [false; 4];
            }
            assert!(recorder.state.borrow().open.len() <= 4);
            for (caller, expected) in callers.iter().zip(counted) {
                let requests = |tape: &Tape| tape.lanes().iter().map(|lane| lane.requests).sum();
                let told: Option<usize> = recorder.look(now, *caller, requests);
                assert_eq!(told, expected, "step {step}");
            }
        }
    }
}
