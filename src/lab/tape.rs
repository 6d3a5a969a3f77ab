//! Holds what one session has recorded of itself: the bytes of its exchanges, each with its time,
//! and counts of all of them.
//!
//! Everything is bounded. What does not fit is not kept, but counted all the same: so the counts
//! are exact to the byte, however little is still there. Knows where a head ends, and nothing else
//! about HTTP.

use std::collections::VecDeque;

use crate::comet::ConnectionId;
use crate::logic::Caller;
use crate::system::{Mono, Now};

/// How many exchanges a tape keeps.
const EXCHANGES_MAX: usize = 128;

/// How many bytes a tape keeps.
const TAPE_BYTES_MAX: usize = 256 * 1024;

/// How many bytes are kept of a request, and of an answer: more than a head may have.
const TRACK_BYTES_MAX: usize = 32 * 1024;

/// How many pieces they are kept in.
const PIECES_MAX: usize = 1024;

/// How many lanes are counted apart.
const LANES_MAX: usize = 8;

/// How many bytes the name of a lane may have.
const LANE_NAME_MAX: usize = 16;

/// What one session has recorded.
#[derive(Debug)]
pub struct Tape {
    /// Whose it is.
    pub(super) caller: Caller,
    /// When they last looked at it.
    pub(super) looked_at: Mono,
    /// Counts changes, to tell what is new to somebody who has looked before.
    changes: u64,
    begun: u64,
    /// In the order of their ids.
    exchanges: VecDeque<Exchange>,
    lanes: Vec<Lane>,
}

/// A request and its answer.
#[derive(Debug)]
pub struct Exchange {
    /// Ids grow.
    pub id: u64,
    /// The number of the last change of the tape that was a change of this.
    pub changed: u64,
    /// On which connection.
    pub connection: ConnectionId,
    /// What the client calls the lane it belongs to; empty if it says nothing.
    pub lane: String,
    /// When its first bytes were read.
    pub begun: Now,
    /// What came.
    pub request: Track,
    /// What was written.
    pub response: Track,
    /// When and how it ended, if it has.
    pub ended: Option<(Mono, Ended)>,
}

/// How an exchange has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// With the whole of an answer.
    Answered,
    /// With the connection.
    Cut,
}

/// The bytes of one direction.
#[derive(Debug, Default)]
pub struct Track {
    /// The bytes themselves, from the first on.
    pub bytes: Vec<u8>,
    /// In which pieces they came or went: when, and how many.
    pub pieces: Vec<(Mono, usize)>,
    /// How many there were, whether kept or not.
    pub len: usize,
}

/// What is counted of a lane.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the API's documentation says what each is")]
pub struct Lane {
    pub name: String,
    pub requests: usize,
    pub head_up: usize,
    pub body_up: usize,
    pub head_down: usize,
    pub framing_down: usize,
    pub body_down: usize,
    pub writes: usize,
    pub empty_answers: usize,
    pub wake_ups: usize,
}

/// What is written of an answer at a time.
#[derive(Clone, Copy, Debug)]
pub struct Sent<'a> {
    /// The bytes, and those that follow them.
    pub bytes: [&'a [u8]; 2],
    /// Whether they begin with a head.
    pub has_head: bool,
    /// How many of them are the body's own. What is neither that nor the head is framing.
    pub payload: usize,
}

impl Tape {
    pub(super) fn new(caller: Caller, now: Now) -> Self {
        // The first lane is for requests that name none.
        let lanes = vec![Lane::default()];
        let exchanges = VecDeque::new();
        Self { caller, looked_at: now.mono, changes: 0, exchanges, begun: 0, lanes }
    }

    /// What has changed since the tape had this number of changes.
    pub fn changed_after(&self, changes: u64) -> impl Iterator<Item = &Exchange> {
        self.exchanges.iter().filter(move |exchange| exchange.changed > changes)
    }

    /// How often it has changed.
    pub fn changes(&self) -> u64 {
        self.changes
    }

    /// How many exchanges have begun, whether kept or not.
    pub fn begun(&self) -> u64 {
        self.begun
    }

    /// What is counted, lane by lane; the first is for requests that name none.
    pub fn lanes(&self) -> &[Lane] {
        &self.lanes
    }

    /// The place of a lane. For lanes beyond the limit, or with too long a name, it is the first.
    fn lane(&mut self, name: &str) -> usize {
        if let Some(place) = self.lanes.iter().position(|lane| lane.name == name) {
            return place;
        }
        if self.lanes.len() > LANES_MAX || name.len() > LANE_NAME_MAX {
            return 0;
        }
        self.lanes.push(Lane { name: name.to_owned(), ..Lane::default() });
        self.lanes.len() - 1
    }

    /// Takes up an exchange whose request is complete, and returns its id, and the lane in which it
    /// counts. The token in it is overwritten with as many asterisks, and so is its body if that
    /// holds a password: no secret is kept, and the counts stay true.
    pub(super) fn begin(
        &mut self,
        mut exchange: Exchange,
        lane: &str,
        is_secret: bool,
    ) -> (u64, usize) {
        let head = head_length(&exchange.request.bytes);
        mask(&mut exchange.request.bytes, head, is_secret);
        let lane = self.lane(lane);
        let counted = &mut self.lanes[lane];
        counted.requests += 1;
        counted.head_up += head;
        counted.body_up += exchange.request.len - head;
        counted.head_down += exchange.response.len;
        self.begun += 1;
        let lane_name = counted.name.clone();
        self.exchanges.push_back(Exchange { id: self.begun, lane: lane_name, ..exchange });
        self.change(self.begun, |_| {});
        (self.begun, lane)
    }

    /// Bytes of an answer went to the socket.
    pub(super) fn sent(&mut self, id: u64, lane: usize, at: Mono, sent: Sent<'_>) {
        let total = sent.bytes[0].len() + sent.bytes[1].len();
        let head = if sent.has_head { head_length(sent.bytes[0]) } else { 0 };
        let counted = self.lane_mut(lane);
        counted.writes += 1;
        counted.head_down += head;
        counted.body_down += sent.payload;
        counted.framing_down += total.saturating_sub(head + sent.payload);
        self.change(id, |exchange| exchange.response.push(at, &sent.bytes));
    }

    /// Nothing more belongs to an exchange.
    pub(super) fn ended(&mut self, id: u64, ended: (Mono, Ended)) {
        self.change(id, |exchange| exchange.ended = Some(ended));
    }

    /// What is counted of a lane.
    pub(super) fn lane_mut(&mut self, lane: usize) -> &mut Lane {
        &mut self.lanes[lane]
    }

    /// Changes an exchange, if it is still kept.
    fn change(&mut self, id: u64, change: impl FnOnce(&mut Exchange)) {
        self.changes += 1;
        if let Ok(place) = self.exchanges.binary_search_by_key(&id, |exchange| exchange.id) {
            let exchange = &mut self.exchanges[place];
            change(exchange);
            exchange.changed = self.changes;
        }
        self.make_room();
    }

    /// What is over leaves first, the oldest of it first.
    fn make_room(&mut self) {
        let mut bytes: usize = self.exchanges.iter().map(Exchange::cost).sum();
        while self.exchanges.len() > EXCHANGES_MAX || bytes > TAPE_BYTES_MAX {
            let is_over = |exchange: &Exchange| exchange.ended.is_some();
            let oldest = self.exchanges.iter().position(is_over).unwrap_or(0);
            let Some(removed) = self.exchanges.remove(oldest) else { return };
            bytes -= removed.cost();
        }
    }
}

impl Exchange {
    pub(super) fn new(now: Now, connection: ConnectionId) -> Self {
        Self {
            id: 0,
            changed: 0,
            connection,
            lane: String::new(),
            begun: now,
            request: Track::default(),
            response: Track::default(),
            ended: None,
        }
    }

    /// In bytes of memory, more or less.
    fn cost(&self) -> usize {
        let of = |track: &Track| track.bytes.len() + size_of_val(&*track.pieces);
        size_of::<Self>() + of(&self.request) + of(&self.response)
    }
}

impl Track {
    /// Appends a piece. Once one has not fitted, no further one does.
    pub(super) fn push(&mut self, at: Mono, bytes: &[&[u8]]) {
        let len = bytes.iter().map(|part| part.len()).sum::<usize>();
        let has_all = self.bytes.len() == self.len;
        self.len += len;
        if has_all && self.pieces.len() < PIECES_MAX {
            let kept = len.min(TRACK_BYTES_MAX - self.bytes.len());
            self.bytes.extend(bytes.iter().copied().flatten().take(kept));
            self.pieces.push((at, kept));
        }
    }
}

/// How many bytes the head that begins here has, including empty lines before it; all of them if it
/// does not end.
fn head_length(bytes: &[u8]) -> usize {
    let skipped = bytes.iter().take_while(|byte| b"\r\n".contains(byte)).count();
    let end = bytes[skipped..].windows(4).position(|window| window == b"\r\n\r\n");
    end.map_or(bytes.len(), |end| skipped + end + 4)
}

/// Overwrites the token in a head, and the body after it if that is secret.
fn mask(bytes: &mut [u8], head: usize, is_secret: bool) {
    let (head, body) = bytes.split_at_mut(head);
    for line in head.split_mut(|&byte| byte == b'\n') {
        let Some(colon) = line.iter().position(|&byte| byte == b':') else { continue };
        let (name, value) = line.split_at_mut(colon + 1);
        if name.eq_ignore_ascii_case(b"authorization:") {
            let is_blank = |byte: &u8| byte.is_ascii_whitespace();
            // The scheme stays, and the end of the line.
            let start = value.iter().position(|byte| !is_blank(byte)).unwrap_or(0);
            let scheme = value[start..].iter().position(is_blank).unwrap_or(0);
            let is_of_token = |byte: &&mut u8| !byte.is_ascii_whitespace();
            value[start + scheme..].iter_mut().filter(is_of_token).for_each(|byte| *byte = b'*');
        }
    }
    if is_secret {
        body.fill(b'*');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entity::{SessionId, Timestamp, UserId};

    const NOW: Now = Now { mono: Mono(1), wall: Timestamp(0) };
    const ANNA: Caller = Caller { user_id: UserId(1), session_id: SessionId(1) };
    const LINE: ConnectionId = ConnectionId(7);

    fn asked() -> Exchange {
        let mut exchange = Exchange::new(NOW, LINE);
        exchange.request.push(NOW.mono, &[b"GET / HTTP/1.1\r\n\r\n"]);
        exchange
    }

    #[test]
    fn a_body_with_a_password_is_as_long_and_says_nothing() {
        let mut bytes = b"\r\nPUT / HTTP/1.1\r\nauthorization:bearer  t t \r\n\r\nsecret".to_vec();
        let head = head_length(&bytes);
        mask(&mut bytes, head, true);
        let masked = b"\r\nPUT / HTTP/1.1\r\nauthorization:bearer  * * \r\n\r\n******";
        assert_eq!(bytes, masked);
        let mut unended = b"GET / HTTP/1.1\r\nAuthorization: Bearer abc".to_vec();
        let head = head_length(&unended);
        mask(&mut unended, head, false);
        assert!(unended.ends_with(b"Bearer ***"));
    }

    #[test]
    fn a_tape_is_bounded_in_number_and_bytes_and_what_goes_on_stays_longest() {
        let mut tape = Tape::new(ANNA, NOW);
        tape.begin(asked(), "", false);
        for _ in 0..2 * EXCHANGES_MAX {
            let (id, _) = tape.begin(asked(), "", false);
            tape.ended(id, (Mono(2), Ended::Answered));
        }
        assert_eq!((tape.exchanges.len(), tape.exchanges[0].id), (EXCHANGES_MAX, 1));
        assert_eq!(tape.lanes[0].requests, 2 * EXCHANGES_MAX + 1);

        let long = vec![b'x'; 3 * TRACK_BYTES_MAX];
        let sent = |bytes, payload| Sent { bytes: [bytes, b""], has_head: false, payload };
        for _ in 0..32 {
            let (id, lane) = tape.begin(asked(), "", false);
            tape.sent(id, lane, Mono(2), sent(&long, long.len()));
            tape.sent(id, lane, Mono(2), sent(b"more", 4));
            tape.ended(id, (Mono(2), Ended::Answered));
            assert!(tape.exchanges.iter().map(Exchange::cost).sum::<usize>() <= TAPE_BYTES_MAX);
        }
        let last = &tape.exchanges.back().expect("one").response;
        let kept = (last.bytes.len(), last.pieces.len(), last.len);
        assert_eq!(kept, (TRACK_BYTES_MAX, 1, 3 * TRACK_BYTES_MAX + 4));
        assert_eq!(tape.lanes[0].body_down, 32 * (3 * TRACK_BYTES_MAX + 4));
    }

    #[test]
    fn lanes_are_few_and_their_names_short() {
        let mut tape = Tape::new(ANNA, NOW);
        let places: Vec<usize> = (0..12).map(|lane| tape.lane(&lane.to_string())).collect();
        assert_eq!(places, [1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 0]);
        assert_eq!((tape.lane("1"), tape.lane(""), tape.lane(&"x".repeat(17))), (2, 0, 0));
    }
}
