//! Holds polls and releases them. This is the comet: a request that stays unanswered until there is
//! something to say.
//!
//! Knows which connection waits, for whom, after which cursor and until when. Knows neither HTTP
//! nor SQL, and carries no payload. The rules, which this file and the server that calls it keep
//! together:
//!
//! 1. *No missed wake-up.* A poll is held first and asked about afterwards, at the end of the same
//!    turn, on the same thread. Nothing can be committed between the question that found nothing
//!    and the hold.
//! 2. *Wake means "ask again".* To wake a user is to ask again the very question that their poll
//!    came with. If the answer is still nothing, the poll stays, with its old deadline. So an
//!    answer given at once and one given later take the same path.
//! 3. *A held socket stays registered for reading*, so that a hang-up is noticed; bytes that arrive
//!    early wait unparsed, within a bound.
//! 4. *A poll leaves by exactly one exit*, and every exit has a name: see [`Left`].
//!
//! ```text
//!               hold                 asked: nothing, so it stays, with its old deadline
//!    request ----------> [ held ] <--------------------------------------+
//!                           |  |                                         |
//!                           |  +-- wake --> [ in line ] -- its turn --> asked
//!                           |               (once, however                |
//!      HungUp LoggedOut     |                often woken)                 | something
//!      Released Expired  <--+                                             v
//!      Draining                                                          News
//! ```
//!
//! A woken poll waits in a line, from which the caller takes as many as it likes
//! ([`Comet::next_woken`]), asks about each, and releases those for which there is something. The
//! server takes a portion each turn, so that one message to a crowd keeps nobody else waiting. A
//! poll in the line may leave by any exit; its place in the line is then skipped.
//!
//! A *stream* is a poll that stays: news is written to it piece by piece, and only its cursor moves
//! on. Its deadline is when the next sign of life is due, so it has the same exits except `News`
//! and `Expired`.
//! While its socket is full it is not asked about: what it has not received yet waits in the store,
//! not in memory.
//!
//! A held poll costs one entry here, and no buffer anywhere. Entries lie in chunks (see
//! [`crate::chunks`]): a crowd that arrives moves nobody, and one that has left leaves its memory
//! for others to use. Two indexes lead to an entry: the ring of its user's polls, oldest first
//! (whom to wake), and a timing wheel (whom to expire). Holding, releasing and expiring take
//! constant time.
//!
//! Of the rest it needs a timing wheel, chunks and some plain types: any program with something to
//! wait for can hold polls here.
//!
//! ```
//! use std::time::Duration;
//!
//! use lovejoy::comet::{Comet, ConnectionId, Hold, Left};
//! use lovejoy::entity::{MessageId, Place, SessionId, UserId};
//! use lovejoy::logic::{Caller, Manner};
//! use lovejoy::system::Mono;
//! use lovejoy::timers::Wheel;
//!
//! let mut comet = Comet::new(Wheel::new(Duration::from_millis(50), 2048));
//! let (ana, now) = (UserId(1), Mono(0));
//!
//! // Ana knows everything up to message 41. She asks twice for what comes, in two windows.
//! let poll = |connection, wait_ms| Hold {
//!     connection: ConnectionId(connection),
//!     caller: Caller { user_id: ana, session_id: SessionId(1) },
//!     manner: Manner::Poll,
//!     blocked: false,
//!     place: Place { stored: MessageId(41), live: 0 },
//!     wait_ms,
//! };
//! comet.hold(poll(7, 1_000), now.plus(Duration::from_secs(1)));
//! comet.hold(poll(8, 25_000), now.plus(Duration::from_secs(25)));
//!
//! // Nothing comes for a second, so the first is answered with nothing.
//! let id = comet.next_overdue(now.plus(Duration::from_millis(1_050))).expect("its time is over");
//! let hold = comet.release(id, Left::Expired).expect("it is held");
//! assert_eq!(hold.connection, ConnectionId(7));
//!
//! // Message 42 is written for her: every poll that she holds is asked about again, and answered.
//! comet.wake_user(ana);
//! while let Some(id) = comet.next_woken() {
//!     if comet.get(id).is_some_and(|hold| hold.place.stored < MessageId(42)) {
//!         let hold = comet.release(id, Left::News).expect("it is held");
//!         assert_eq!(hold.connection, ConnectionId(8));
//!     }
//! }
//! assert!(comet.is_empty());
//! ```

use std::collections::VecDeque;
use std::time::Duration;

use crate::chunks::{self, Slots, give_back};
use crate::entity::{Place, UserId};
use crate::logic::{Caller, Manner, Wait};
use crate::map::{Key, Map, mix};
use crate::system::Mono;
use crate::timers::Wheel;

/// Names a connection; see [`crate::event_loop`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConnectionId(pub u32);

impl Key for ConnectionId {
    fn hash(&self) -> u64 {
        mix(u64::from(self.0))
    }
}

/// Names a held poll; once that is released, it names nothing. Packed, so that one of these and a
/// byte take 9 bytes, not 12.
#[repr(Rust, packed)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HoldId {
    slot: u32,
    /// Tells apart the polls that occupy this slot one after another.
    serial: u32,
}

/// A poll that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hold {
    /// The socket to answer on.
    pub connection: ConnectionId,
    /// Who waits, and by which login.
    pub caller: Caller,
    /// As a single answer, or as a stream.
    pub manner: Manner,
    /// It is a stream whose socket has no room for the time being.
    pub blocked: bool,
    /// What they know already.
    pub place: Place,
    /// How long to wait, in milliseconds. The wheel knows when that ends.
    pub wait_ms: u32,
}

impl Hold {
    /// A poll that has just come on a connection.
    pub fn new(connection: ConnectionId, wait: &Wait) -> Self {
        Self {
            connection,
            caller: wait.caller,
            manner: wait.manner,
            blocked: false,
            place: wait.place,
            // invariant: the longest wait is an hour.
            wait_ms: u32::try_from(wait.wait.as_millis()).unwrap_or(u32::MAX),
        }
    }
}

/// Why a poll is no longer held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// The server stops.
    Draining,
    /// Its time is over.
    Expired,
    /// Its client is gone; nobody is left to answer.
    HungUp,
    /// Its session has ended.
    LoggedOut,
    /// There is something to say, if only that nobody knows, since the store could not be read.
    /// (That ends even a stream.)
    News,
    /// Its user holds too many, and it was the oldest.
    Released,
}

impl Left {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Draining, Self::Expired, Self::HungUp, Self::LoggedOut, Self::News, Self::Released];

    /// Its name, for programs to read.
    pub fn name(self) -> &'static str {
        match self {
            Self::Draining => "draining",
            Self::Expired => "expired",
            Self::HungUp => "hung_up",
            Self::LoggedOut => "logged_out",
            Self::News => "news",
            Self::Released => "released",
        }
    }

    /// What it means, for the log.
    pub fn explain(self) -> &'static str {
        match self {
            Self::Draining => "the server stops",
            Self::Expired => "its time is over",
            Self::HungUp => "its client is gone",
            Self::LoggedOut => "its session has ended",
            Self::News => "there is news",
            Self::Released => "a newer poll of its user took its place",
        }
    }
}

/// All polls that are held.
#[derive(Debug)]
pub struct Comet {
    holds: Slots<Entry>,
    users: Map<UserId, Ring>,
    /// By slot.
    deadlines: Wheel,
    /// The line of polls to be asked about, each once; some may have left meanwhile.
    woken: VecDeque<HoldId>,
    /// Polls whose time is over.
    overdue: VecDeque<HoldId>,
    /// Counts the polls that were ever held.
    serial: u32,
    /// How many of those that are held are streams.
    streams: usize,
}

/// A [`Hold`], and its neighbours in the ring of its user's polls. There are many of these, and
/// embedding a `Hold` would pad each a second time.
#[derive(Debug)]
struct Entry {
    caller: Caller,
    place: Place,
    connection: ConnectionId,
    wait_ms: u32,
    serial: u32,
    /// Slots. The ring is closed: the oldest follows the newest.
    older: u32,
    newer: u32,
    manner: Manner,
    blocked: bool,
    /// It is in the line of those to be asked about.
    woken: bool,
}

impl Entry {
    fn hold(&self) -> Hold {
        let &Self { caller, place, connection, wait_ms, manner, blocked, .. } = self;
        Hold { connection, caller, manner, blocked, place, wait_ms }
    }
}

/// The polls of one user: the slot of the newest, and how many there are.
#[derive(Clone, Copy, Debug)]
struct Ring {
    newest: u32,
    len: u32,
}

impl Comet {
    /// Nothing is held yet. The wheel decides how exactly deadlines are kept.
    pub fn new(deadlines: Wheel) -> Self {
        Self {
            holds: Slots::default(),
            users: Map::default(),
            deadlines,
            woken: VecDeque::new(),
            overdue: VecDeque::new(),
            serial: 0,
            streams: 0,
        }
    }

    /// Parks a request, until the deadline at the latest.
    pub fn hold(&mut self, hold: Hold, deadline: Mono) -> HoldId {
        let Hold { connection, caller, manner, blocked, place, wait_ms } = hold;
        self.serial = self.serial.wrapping_add(1);
        let (slot, serial) = (self.holds.next_number(), self.serial);
        let alone = || Ring { newest: slot, len: 0 };
        let ring = self.users.get_or_insert_with(caller.user_id, alone);
        let older = std::mem::replace(&mut ring.newest, slot);
        ring.len += 1;
        let newer = self.holds.get(older).map_or(slot, |newest| newest.newer);
        let entry = Entry {
            caller,
            place,
            connection,
            wait_ms,
            serial,
            older,
            newer,
            manner,
            blocked,
            woken: false,
        };
        let put_at = self.holds.insert(entry);
        assert_eq!(put_at, slot, "the next number is the one that is given");
        self.entry_mut(older).newer = slot;
        self.entry_mut(newer).older = slot;
        self.deadlines.set(slot, deadline);
        self.streams += usize::from(manner.is_stream());
        HoldId { slot, serial }
    }

    /// Takes a poll out, by one of the exits. The caller answers it. `None` if it has left already.
    pub fn release(&mut self, id: HoldId, left: Left) -> Option<Hold> {
        self.entry(id)?;
        let entry = self.holds.take(id.slot)?;
        let (hold, user) = (entry.hold(), entry.caller.user_id);
        if entry.older == id.slot {
            self.users.remove(&user);
        } else {
            // invariant: each held poll is in its user's ring.
            let ring = self.users.get_mut(&user).expect("a user with a poll has a ring");
            ring.len -= 1;
            if ring.newest == id.slot {
                ring.newest = entry.older;
            }
            self.entry_mut(entry.older).newer = entry.newer;
            self.entry_mut(entry.newer).older = entry.older;
        }
        self.deadlines.cancel(id.slot);
        self.streams -= usize::from(hold.manner.is_stream());
        assert!(self.deadlines.len() <= self.holds.len(), "a deadline without a poll");
        log::debug!("poll of user {user} left: {}", left.explain());
        Some(hold)
    }

    /// A stream has been sent everything up to here.
    pub fn advance(&mut self, id: HoldId, place: Place) {
        if self.entry(id).is_some() {
            self.entry_mut(id.slot).place = place;
        }
    }

    /// A stream has given a sign of life, and will give the next one at the deadline.
    pub fn postpone(&mut self, id: HoldId, deadline: Mono) {
        if self.entry(id).is_some() {
            self.deadlines.set(id.slot, deadline);
        }
    }

    /// The socket of a stream is full, or has room again.
    pub fn set_blocked(&mut self, id: HoldId, blocked: bool) {
        if self.entry(id).is_some() {
            self.entry_mut(id.slot).blocked = blocked;
        }
    }

    /// Puts a poll in line to be asked about.
    pub fn wake(&mut self, id: HoldId) {
        if self.entry(id).is_some() && !std::mem::replace(&mut self.entry_mut(id.slot).woken, true)
        {
            chunks::push(&mut self.woken, id);
        }
    }

    /// Puts all polls of a user in line, the oldest first. Returns how many there are.
    pub fn wake_user(&mut self, user: UserId) -> usize {
        let Some(&Ring { newest, len }) = self.users.get(&user) else { return 0 };
        let mut slot = newest;
        for _ in 0..len {
            slot = self.entry_mut(slot).newer;
            let serial = self.entry_mut(slot).serial;
            self.wake(HoldId { slot, serial });
        }
        len as usize
    }

    /// Whether anything is in that line, even if only the places of polls that have left.
    pub fn has_woken(&self) -> bool {
        !self.woken.is_empty()
    }

    /// Takes the next poll out of that line.
    pub fn next_woken(&mut self) -> Option<HoldId> {
        while let Some(id) = self.woken.pop_front() {
            give_back(&mut self.woken);
            if self.entry(id).is_some() {
                self.entry_mut(id.slot).woken = false;
                return Some(id);
            }
        }
        None
    }

    /// The next poll whose time is over; it must be released or postponed now.
    pub fn next_overdue(&mut self, now: Mono) -> Option<HoldId> {
        if self.overdue.is_empty() {
            let mut slots = Vec::new();
            self.deadlines.expired(now, &mut slots);
            let ids = slots.into_iter().filter_map(|slot| self.id(slot));
            self.overdue = ids.collect();
        }
        while let Some(id) = self.overdue.pop_front() {
            if self.entry(id).is_some() {
                return Some(id);
            }
        }
        None
    }

    /// When the next poll's time is over; a poll that was reported as overdue has no deadline any
    /// more.
    pub fn next_deadline(&self) -> Option<Mono> {
        if self.overdue.is_empty() { self.deadlines.next_deadline() } else { Some(Mono(0)) }
    }

    /// How long a poll has waited, as exactly as deadlines are kept. `None` for a stream.
    pub fn waited(&self, id: HoldId, now: Mono) -> Option<Duration> {
        let entry = self.entry(id).filter(|entry| !entry.manner.is_stream())?;
        let left = self.deadlines.get(id.slot).map_or(Duration::ZERO, |until| until.since(now));
        Some(Duration::from_millis(entry.wait_ms.into()).saturating_sub(left))
    }

    /// How long a poll may still wait, or a stream stay silent.
    pub fn remaining(&self, id: HoldId, now: Mono) -> Option<Duration> {
        self.entry(id)?;
        self.deadlines.get(id.slot).map(|until| until.since(now))
    }

    /// How many of those held are streams.
    pub fn streams(&self) -> usize {
        self.streams
    }

    /// How many polls and streams are held.
    pub fn len(&self) -> usize {
        self.holds.len()
    }

    /// Whether none is held.
    pub fn is_empty(&self) -> bool {
        self.holds.is_empty()
    }

    /// A held poll; `None` once it has been released.
    pub fn get(&self, id: HoldId) -> Option<Hold> {
        self.entry(id).map(Entry::hold)
    }

    /// The polls of a user, oldest first.
    pub fn of_user(&self, user: UserId) -> impl Iterator<Item = HoldId> + '_ {
        let mut next = self.oldest_of(user);
        (0..self.len_of_user(user)).filter_map(move |_| {
            let entry = self.holds.get(next)?;
            let id = HoldId { slot: next, serial: entry.serial };
            next = entry.newer;
            Some(id)
        })
    }

    /// How many polls a user holds.
    pub fn len_of_user(&self, user: UserId) -> usize {
        self.users.get(&user).map_or(0, |ring| ring.len as usize)
    }

    /// The slot of a user's oldest poll; of no meaning if there is none.
    fn oldest_of(&self, user: UserId) -> u32 {
        let newest = self.users.get(&user).and_then(|ring| self.holds.get(ring.newest));
        newest.map_or(0, |newest| newest.newer)
    }

    /// All polls.
    pub fn all(&self) -> impl Iterator<Item = HoldId> + '_ {
        self.holds.iter().map(|(slot, entry)| HoldId { slot, serial: entry.serial })
    }

    /// What is kept of a held poll; `None` once it has been released.
    fn entry(&self, id: HoldId) -> Option<&Entry> {
        self.holds.get(id.slot).filter(|entry| entry.serial == id.serial)
    }

    /// The poll that has this slot now.
    fn id(&self, slot: u32) -> Option<HoldId> {
        let entry = self.holds.get(slot)?;
        Some(HoldId { slot, serial: entry.serial })
    }

    fn entry_mut(&mut self, slot: u32) -> &mut Entry {
        // invariant: rings lead to what is held.
        self.holds.get_mut(slot).expect("a poll in each slot of a ring")
    }
}
