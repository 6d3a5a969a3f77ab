//! Says what must be true, whatever happens. Each check is a sentence; a run in which one of them is
//! false has found a fault.
//!
//! The checks see what the server is given and what it sends, at the moment it does, and look into
//! the store behind its back: into the tables of messages, members and friends, through other
//! queries than those that answer polls. From that they know exactly what each poll must be
//! answered with, and which must not be waiting any more. They know nothing of how the server
//! comes to its answers.

mod accounts;
mod answers;
mod lifetimes;
mod limits;
mod log;
mod members;
mod polls;
mod refusals;
mod relations;
mod streams;

use std::collections::BTreeMap;

use lovejoy::config::Config;
use lovejoy::data::Store;
use serde_json::Value;

use crate::network::Given;
use crate::people::NAMES;
use crate::trace::Trace;
use crate::wire::{Poll, Request, Response, What};
use accounts::Accounts;
use lifetimes::Lifetimes;
use limits::Limits;
use log::Log;
use members::Members;
use relations::Relations;
pub use streams::Stream;

/// What is known of the truth.
#[derive(Debug)]
pub struct Checks {
    trace: Trace,
    /// All that is committed.
    pub log: Log,
    /// The newest number at the beginning of the turn.
    pub newest_before: i64,
    /// Who is in which conversation.
    pub members: Members,
    pub accounts: Accounts,
    pub relations: Relations,
    pub limits: Limits,
    lifetimes: Lifetimes,
    /// Up to which number each user has said that everything has arrived.
    arrived: BTreeMap<i64, i64>,
    /// When each was last typing in each conversation.
    typed: BTreeMap<(i64, i64), u64>,
    /// For each cursor that was handed out, what it stands for.
    places: BTreeMap<String, Place>,
    /// What has become of what was said, by its text, which is said once.
    sayings: BTreeMap<String, Saying>,
    /// The one message for each nonce of a sender.
    nonces: BTreeMap<(i64, String), i64>,
}

/// How often something was said, and with what success.
#[derive(Debug, Default)]
struct Saying {
    given: usize,
    /// Answered with anything but 201.
    not_written: usize,
    committed: usize,
}

/// What a cursor stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    user: i64,
    /// The last number behind it.
    number: i64,
    /// Which process handed it out.
    start: u64,
    /// When, for the last time.
    at: u64,
}

/// What is going on in a turn that an answer may depend on.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a circumstance of its own")]
pub struct Circumstances {
    pub now: u64,
    pub turn: u64,
    /// Nobody has pipelined: the turn has one commit.
    pub exact: bool,
    /// Counts the processes.
    pub start: u64,
    /// The store may have been full.
    pub full: bool,
    /// It may have given errors also to what only reads.
    pub unreadable: bool,
    /// The server was told to stop, in this turn or an earlier one.
    pub draining: bool,
    pub events_page_max: usize,
    /// There may be too many passwords to hash.
    pub hashing_is_bounded: bool,
    /// When a poll of each person was last held or answered, and when one last may have been.
    pub polled: [Option<u64>; NAMES.len()],
    pub may_have_polled: [Option<u64>; NAMES.len()],
    /// How many polls and streams each has had in this turn, and may have.
    pub polls: [usize; NAMES.len()],
    pub polls_max: usize,
    /// An inbox may overflow.
    pub inbox_is_bounded: bool,
}

/// For how long somebody is there after their last poll.
pub const GRACE: u64 = 10_000_000;

/// For how long it is news that somebody is typing.
const TYPING: u64 = 5_000_000;

/// For how long the events of one who is away are remembered at least.
const KEPT: u64 = 300_000_000;

impl Circumstances {
    /// Whether a user has more polls than they may have.
    fn may_be_released(&self, request: &Request) -> bool {
        self.polls[request.person] > self.polls_max
    }
}

impl Checks {
    /// Nothing has happened yet.
    pub fn new(config: &Config, trace: Trace) -> Self {
        Self {
            trace,
            log: Log::default(),
            newest_before: 0,
            members: Members::default(),
            accounts: Accounts::default(),
            relations: Relations::default(),
            limits: Limits::new(config),
            lifetimes: Lifetimes::new(config.token_lifetime),
            arrived: BTreeMap::new(),
            typed: BTreeMap::new(),
            places: BTreeMap::new(),
            sayings: BTreeMap::new(),
            nonces: BTreeMap::new(),
        }
    }

    /// A request may be read, or what it began may end, in this turn; it was not there before if it
    /// is new.
    pub fn given(&mut self, request: &Request, now: u64, is_new: bool) {
        if is_new {
            self.limits.given(request);
        }
        if request.token.is_empty() {
            return;
        }
        let me = self.user(request);
        match &request.what {
            What::Send { body, .. } => {
                self.sayings.entry(body.clone()).or_default().given += usize::from(is_new);
            }
            What::LogOut => self.accounts.leaving(&request.token),
            What::ChangePassword { new, .. } => self.accounts.thought_of(me, new),
            What::DeleteAccount { .. } => self.deleting(me),
            What::AskFriend { name } => {
                let other = NAMES.iter().position(|known| known == name).expect("a person");
                let other = self.accounts.of.get(&other).copied();
                self.relations.changing(me, other);
            }
            What::Accept { user }
            | What::Unfriend { user }
            | What::Block { user }
            | What::Unblock { user } => self.relations.changing(me, Some(*user)),
            What::AddMember { group, .. } => self.members.changing(*group),
            What::RemoveMember { group, user } => self.members.leaving(*group, *user),
            What::Delete { message } => self.log.changing(*message, ""),
            What::Edit { message, body } => self.log.changing(*message, body),
            What::Type { conversation } => drop(self.typed.insert((*conversation, me), now)),
            What::Acknowledge { cursor } | What::Poll(Poll { cursor: Some(cursor), .. }) => {
                self.sent_back(me, cursor);
            }
            _ => {}
        }
    }

    fn deleting(&mut self, user: i64) {
        self.accounts.changing(user);
        for conversation in self.members.conversations_of(user).collect::<Vec<_>>() {
            self.members.leaving(conversation, user);
        }
        for other in self.accounts.users() {
            self.relations.changing(user, Some(other));
        }
    }

    /// What came before a cursor that a client sends back has reached it.
    fn sent_back(&mut self, user: i64, cursor: &str) {
        let place = self.places[cursor];
        if place.user == user {
            let arrived = self.arrived.entry(user).or_default();
            *arrived = place.number.max(*arrived);
        }
    }

    /// Looks at what the turn has committed.
    pub fn look_into(&mut self, store: &mut Store, turn: u64, now: u64) {
        assert!(!store.is_writing(), "a turn ends with its transaction");
        self.members.look_into(store, now);
        let lifetimes = &self.lifetimes;
        self.accounts.look_into(store, turn, |token| lifetimes.may_be_over(token, now));
        self.relations.look_into(store, self.accounts.users());
        let Self { log, members, sayings, nonces, .. } = self;
        log.look_into(store, members, |entry| {
            if let Some(nonce) = entry.nonce.clone() {
                let other = nonces.insert((entry.sender, nonce), entry.id);
                assert_eq!(other, None, "the same nonce gives one message, not also {entry:?}");
            }
            let saying = sayings.get_mut(&entry.body);
            let saying = saying.unwrap_or_else(|| panic!("nobody has said {entry:?}"));
            saying.committed += 1;
            saying.check(&entry.body);
        });
    }

    /// The answer to a request that the server has, if there is one, is lost.
    pub fn lost(&mut self, request: &Request, now: u64) {
        self.limits.lost(request, self.user_or_nobody(request), now);
        if !request.is_login() {
            self.lifetimes.may_be_used(&request.token, now);
        }
    }

    /// Whether the session of a request is over, or may be.
    fn has_ended(&self, request: &Request, c: Circumstances) -> bool {
        let is_old = self.lifetimes.may_be_over(&request.token, c.now);
        is_old || self.accounts.ended(&request.token).is_some()
    }

    /// The newest number that is committed.
    pub fn newest(&self) -> i64 {
        self.log.newest
    }

    /// Whether what is told in this turn may have been true at another moment of it alone.
    fn is_unsettled(&self) -> bool {
        self.members.is_unsettled() || self.log.is_unsettled()
    }

    /// The server has answered.
    pub fn answered(
        &mut self,
        request: &Request,
        given: Given,
        response: &Response,
        c: Circumstances,
    ) {
        if let What::Send { body, .. } = &request.what
            && response.status != 201
        {
            let saying = self.sayings.get_mut(body).expect("it was given");
            saying.not_written += 1;
            saying.check(body);
        }
        if let Some(turn) = self.accounts.ended(&request.token)
            && turn < given.turn
        {
            // A refusal, too, may hang on what the turn has written.
            let is_failed = response.status == 503 && (c.draining || c.full);
            let refused = response.status == 401 || is_failed;
            assert!(refused, "a session that has ended is not served: {request} got {response}");
            return;
        }
        self.accounts.check_names(&response.body, c.turn);
        let user = self.user_or_nobody(request);
        let is_change = matches!(request.what, What::ChangePassword { .. });
        if is_change && response.status == 403 && self.accounts.has_changed(user, given.turn) {
            // The password may have been right when it was proved, and then nothing is counted.
            self.limits.lost(request, user, c.now);
        } else {
            self.limits.answered(request, user, given.at, response, c.now);
        }
        if !request.is_login() {
            let is_over = self.lifetimes.is_over(&request.token, c.now);
            assert!(!is_over || matches!(response.status, 401 | 503), "{request}: {response}");
            if !matches!(response.status, 401 | 503) {
                self.lifetimes.used(&request.token, given.at);
            }
        }
        match response.status {
            429 if request.is_slow() => self.trace.count("guesses limited"),
            429 => self.trace.count("requests limited"),
            200 | 201 | 204 => self.fulfilled(request, given, response, c),
            401 if request.is_login() => self.not_let_in(request, given, response),
            401 => {
                self.trace.count(if request.poll().is_some() { "polls logged out" } else { "401" });
                assert_eq!(response.code(), "unauthorized", "to {request}");
                let has_ended = self.has_ended(request, c);
                assert!(has_ended, "{request}: the session goes on");
            }
            400 => {
                let What::Acknowledge { cursor } = &request.what else {
                    panic!("{request} is good")
                };
                let is_ones_own = self.places[&**cursor].user == self.user(request);
                assert!(!is_ones_own && response.code() == "bad_cursor", "{request}: {response}");
            }
            503 => self.failed(request, response, c),
            403 | 404 | 409 => self.refused(request, given, response),
            _ => panic!("{request} must not be answered with {response}"),
        }
    }

    fn hand_out(&mut self, body: &Value, user: i64, number: i64, c: Circumstances) {
        let cursor = body["cursor"].as_str().expect("a cursor");
        self.place(cursor, Place { user, number, start: c.start, at: c.now });
    }

    /// A cursor says always the same.
    fn place(&mut self, cursor: &str, place: Place) {
        if let Some(known) = self.places.insert(cursor.to_owned(), place) {
            let same = Place { at: place.at, ..known } == place;
            assert!(same, "a cursor has one meaning, not {known:?} and {place:?}");
        }
    }

    /// Before somebody has logged in, they are nobody.
    fn user_or_nobody(&self, request: &Request) -> i64 {
        if request.is_login() { 0 } else { self.user(request) }
    }

    fn user(&self, request: &Request) -> i64 {
        self.accounts.user(&request.token)
    }

    /// In the end: the store holds what the log says, and nothing else.
    pub fn at_the_end(&self, store: &Store) {
        self.log.compare(store, &self.members);
        self.accounts.compare(store);
    }
}

impl Saying {
    /// What was refused is not there, and nothing is there more often than it was said.
    fn check(&self, body: &str) {
        let most = self.given - self.not_written;
        let times = self.committed;
        assert!(times <= most, "{body:.20} is there {times} times, and {most} would be right");
    }
}
