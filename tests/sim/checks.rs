//! Says what must be true, whatever happens. Each check is a sentence; a run in which one of them is
//! false has found a fault.
//!
//! The checks see what the server is given and what it sends, at the moment it does, and look into
//! the store behind its back: into the tables of messages, members and friends, through other
//! queries than those that answer polls. From that they know exactly what each poll must be
//! answered with, and which must not be waiting any more. They know nothing of how the server
//! comes to its answers.

mod log;
mod members;
mod polls;
mod refusals;
mod streams;

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use lovejoy::data::Store;
use lovejoy::entity::UserId;
use serde_json::Value;

use crate::network::Given;
use crate::people::NAMES;
use crate::trace::Trace;
use crate::wire::{Request, Response, What};
use log::{Entry, Log};
use members::Members;
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
    /// The users' ids, as far as they have been told to anybody.
    pub ids: BTreeMap<usize, i64>,
    /// Who has ever been whose friend.
    friends_ever: BTreeSet<(i64, i64)>,
    /// And who is now, and was at the beginning of the turn.
    friends: BTreeSet<(i64, i64)>,
    friends_before: BTreeSet<(i64, i64)>,
    /// Who wants in this turn to be whose friend, and who no longer.
    befriending: BTreeSet<(i64, i64)>,
    parting: BTreeSet<(i64, i64)>,
    /// Who may have been friends for a moment between two commits, and who may not have been.
    friends_briefly: BTreeSet<(i64, i64)>,
    parted: BTreeSet<(i64, i64)>,
    /// For each cursor that was handed out, what it stands for.
    places: BTreeMap<String, Place>,
    /// What has become of what was said, by its text, which is said once.
    sayings: BTreeMap<String, Saying>,
    /// The one message for each nonce of a sender.
    nonces: BTreeMap<(i64, String), i64>,
    /// Since which turn a session is being ended, and has been.
    ending: BTreeMap<Rc<str>, u64>,
    ended: BTreeMap<Rc<str>, u64>,
    friends_changed: bool,
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

/// For how long the events of one who is away are remembered at least.
const KEPT: u64 = 300_000_000;

impl Checks {
    /// Nothing has happened yet.
    pub fn new(trace: Trace) -> Self {
        Self {
            trace,
            log: Log::default(),
            newest_before: 0,
            members: Members::default(),
            ids: BTreeMap::new(),
            friends_ever: BTreeSet::new(),
            friends: BTreeSet::new(),
            friends_before: BTreeSet::new(),
            befriending: BTreeSet::new(),
            parting: BTreeSet::new(),
            friends_briefly: BTreeSet::new(),
            parted: BTreeSet::new(),
            places: BTreeMap::new(),
            sayings: BTreeMap::new(),
            nonces: BTreeMap::new(),
            ending: BTreeMap::new(),
            ended: BTreeMap::new(),
            friends_changed: false,
        }
    }

    /// A request may be read in this turn, and was not there before if it is new.
    pub fn given(&mut self, request: &Request, turn: u64, is_new: bool) {
        match &request.what {
            What::Send { body, .. } => {
                self.sayings.entry(body.clone()).or_default().given += usize::from(is_new);
            }
            What::LogOut if is_new => {
                self.ending.entry(Rc::clone(&request.token)).or_insert(turn);
            }
            What::Accept { user } => self.friendship_given(request, Some(*user), false),
            What::AskFriend { name } => {
                let other = NAMES.iter().position(|known| known == name).expect("a person");
                let other = self.ids.get(&other).copied();
                self.friendship_given(request, other, false);
            }
            What::Unfriend { user } => self.friendship_given(request, Some(*user), true),
            What::AddMember { group, .. } | What::RemoveMember { group, .. } => {
                self.members.changing(*group);
            }
            What::Delete { message } => self.log.changing(*message, ""),
            What::Edit { message, body } => self.log.changing(*message, body),
            _ => {}
        }
    }

    fn friendship_given(&mut self, request: &Request, other: Option<i64>, parts: bool) {
        self.friends_changed = true;
        let me = self.ids.get(&request.person).copied();
        if let (Some(me), Some(other)) = (me, other) {
            let pairs = if parts { &mut self.parting } else { &mut self.befriending };
            pairs.extend([(me, other), (other, me)]);
        }
    }

    /// Looks at what the turn has committed.
    pub fn look_into(&mut self, store: &mut Store) {
        assert!(!store.is_writing(), "a turn ends with its transaction");
        self.members.look_into(store);
        self.friends_before.clone_from(&self.friends);
        self.parted = std::mem::take(&mut self.parting);
        self.friends_briefly = std::mem::take(&mut self.befriending);
        self.friends_briefly.retain(|pair| self.parted.contains(pair));
        self.friends_ever.extend(&self.friends_briefly);
        if std::mem::take(&mut self.friends_changed) {
            self.friends.clear();
            for &user in self.ids.values() {
                for friend in store.friend_ids(UserId(user)).expect("readable") {
                    self.friends.insert((user, friend.0));
                }
            }
            self.friends_ever.extend(&self.friends);
        }
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
        if let Some(&turn) = self.ended.get(&request.token)
            && turn < given.turn
        {
            // A refusal, too, may hang on what the turn has written.
            let is_failed = response.status == 503 && (c.draining || c.full);
            let refused = response.status == 401 || is_failed;
            assert!(refused, "a session that has ended is not served: {request} got {response}");
            return;
        }
        match response.status {
            200 | 201 | 204 => self.fulfilled(request, given, response, c),
            401 => {
                self.trace.count(if request.poll().is_some() { "polls logged out" } else { "401" });
                assert_eq!(response.code(), "unauthorized", "to {request}");
                assert!(self.ending.contains_key(&request.token), "{request}: nobody logged out");
            }
            503 => self.failed(request, response, c),
            403 | 404 | 409 => self.refused(request, response),
            _ => panic!("{request} must not be answered with {response}"),
        }
    }

    fn fulfilled(
        &mut self,
        request: &Request,
        given: Given,
        response: &Response,
        c: Circumstances,
    ) {
        let body = &response.body;
        match &request.what {
            What::LogOut => {
                assert_eq!(response.status, 204);
                self.ended.entry(Rc::clone(&request.token)).or_insert(c.turn);
            }
            What::Register { .. } | What::LogIn { .. } => {
                assert_eq!(response.status, 201, "to {request}");
                let id = body["user"]["id"].as_i64().expect("an id");
                let known = *self.ids.entry(request.person).or_insert(id);
                assert_eq!(known, id, "an account has one id");
            }
            What::Me => assert_eq!(body["user"]["id"], self.user(request), "to {request}"),
            What::State => self.state_answered(self.user(request), body, c),
            What::History { conversation } => {
                self.history_answered(self.user(request), *conversation, body);
            }
            What::Send { .. } => self.send_answered(request, given, response),
            What::Poll(poll) => self.answered_poll(request, poll, given, response, c),
            What::Accept { user } => assert_eq!(body["friend"]["user"]["id"], *user),
            What::AskFriend { name } => assert_eq!(body["friend"]["user"]["name"], *name),
            What::Read { conversation, .. } => {
                assert!(self.members.may_be_member(*conversation, self.user(request)), "{request}");
                assert_eq!(response.status, 204);
            }
            What::Unfriend { .. } => assert_eq!(response.status, 204),
            What::CreateGroup { .. } | What::AddMember { .. } | What::Rename { .. } => {
                self.trace.count("groups changed");
                self.check_conversation(self.user(request), &body["conversation"]);
                self.managed(request);
            }
            What::RemoveMember { .. } => {
                self.trace.count("members removed");
                assert_eq!(response.status, 204);
                self.managed(request);
            }
            What::Delete { .. } | What::Edit { .. } => self.change_answered(request, response),
        }
    }

    /// Groups are managed by those who may, and friends alone are taken in.
    fn managed(&self, request: &Request) {
        let me = self.user(request);
        let (group, taken_in): (_, &[i64]) = match &request.what {
            What::RemoveMember { user, .. } if *user == me => return,
            What::RemoveMember { group, .. } | What::Rename { group, .. } => (*group, &[]),
            What::AddMember { group, user } => (*group, std::slice::from_ref(user)),
            What::CreateGroup { members, .. } => (0, members),
            _ => unreachable!("it manages nothing"),
        };
        assert!(
            group == 0 || self.members.may_be_owner(group, me),
            "only owners manage: {request}"
        );
        let are_friends = taken_in.iter().all(|&other| self.may_be_friends(me, other));
        assert!(are_friends, "only friends are taken in: {request}");
    }

    fn change_answered(&self, request: &Request, response: &Response) {
        self.trace.count("messages changed");
        let (id, body) = match &request.what {
            What::Edit { message, body } => (*message, body.as_str()),
            What::Delete { message } => (*message, ""),
            _ => unreachable!("it changes nothing"),
        };
        let entry = self.check_message(self.user(request), &response.body["message"]);
        assert_eq!((response.status, entry.id), (200, id));
        assert_eq!(entry.sender, self.user(request), "one changes one's own messages: {request}");
        assert_eq!(response.body["message"]["body"], body, "to {request}");
    }

    fn state_answered(&mut self, user: i64, body: &Value, c: Circumstances) {
        assert_eq!(body["user"]["id"], user, "a state is the caller's own");
        for conversation in body["conversations"].as_array().expect("conversations") {
            self.check_conversation(user, conversation);
        }
        // The snapshot may know of messages of its own turn; its cursor lies before all of them.
        self.hand_out(body, user, self.newest_before, c);
    }

    fn history_answered(&self, user: i64, conversation: i64, body: &Value) {
        let messages = body["messages"].as_array().expect("messages");
        assert!(self.members.may_be_member(conversation, user), "of {conversation} to {user}");
        let got: Vec<_> =
            messages.iter().map(|message| self.check_message(user, message).id).collect();
        if self.members.is_unsettled() {
            return;
        }
        let of_this = self.log.entries.iter().filter(|entry| entry.conversation == conversation);
        let all: Vec<_> = of_this.filter(|entry| self.members.shows(entry, user)).collect();
        let before = all.iter().filter(|entry| entry.id <= self.newest_before).count();
        let newest = got.last().copied().unwrap_or(0);
        let end = all.iter().filter(|entry| entry.id <= newest).count();
        assert!(end >= before, "a history knows all that was committed before it was asked for");
        let start = end.saturating_sub(200);
        let ids: Vec<_> = all[start..end].iter().map(|entry| entry.id).collect();
        assert_eq!(got, ids, "a history is what was committed, in order");
        assert_eq!(body["more"], start > 0);
    }

    fn send_answered(&self, request: &Request, given: Given, response: &Response) {
        let What::Send { conversation, body, nonce } = &request.what else { unreachable!() };
        let message = &response.body["message"];
        let me = self.user(request);
        let entry = self.log.entry(message["id"].as_i64().expect("an id"));
        assert_eq!((entry.sender, entry.conversation, &entry.nonce), (me, *conversation, nonce));
        if response.status == 201 {
            self.trace.count("messages written");
            self.check_message(me, message);
            assert_eq!(message["body"], *body, "to {request}");
            assert!(entry.id > given.newest, "a message that is written now is new");
            let mut others = self.members.of(*conversation);
            let is_open = !self.members.is_direct(*conversation)
                || others.all(|other| self.may_be_friends(me, other));
            assert!(is_open, "only friends may write to each other: {entry:?}");
        } else {
            // Also to one who has left since.
            self.trace.count("messages sent again");
            self.check_copy(me, message);
            assert!(nonce.is_some(), "only a nonce tells that something was said before");
            assert!(entry.has_changed() || entry.body == *body, "another body: {request}");
        }
    }

    fn check_conversation(&self, user: i64, conversation: &Value) {
        let id = conversation["id"].as_i64().expect("an id");
        let is_member = self.members.may_be_member(id, user);
        assert!(is_member, "user {user} sees no conversation of others: {conversation}");
        if !conversation["last_message"].is_null() {
            self.check_message(user, &conversation["last_message"]);
        }
    }

    /// A message that leaves the server is meant for its reader.
    fn check_message(&self, reader: i64, message: &Value) -> &Entry {
        let entry = self.check_copy(reader, message);
        let reads = self.members.may_show(entry, reader);
        assert!(reads, "nobody sees a message of others: {entry:?} to {reader}");
        entry
    }

    /// And it is committed, and unaltered.
    fn check_copy(&self, reader: i64, message: &Value) -> &Entry {
        let entry = self.log.entry(message["id"].as_i64().expect("an id"));
        let body = message["body"].as_str().expect("a body");
        assert!(self.log.may_be(entry, body), "{message} is {entry:?}");
        assert_eq!(message["conversation_id"], entry.conversation);
        assert_eq!(message["sender_id"], entry.sender);
        assert_eq!(message["sent_at"], entry.sent_at);
        let nonce = if reader == entry.sender { entry.nonce.as_deref() } else { None };
        assert_eq!(message["nonce"].as_str(), nonce, "a nonce is between sender and server");
        entry
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

    fn user(&self, request: &Request) -> i64 {
        self.ids[&request.person]
    }

    /// In the end: the store holds what the log says, and nothing else.
    pub fn at_the_end(&self, store: &Store) {
        self.log.compare(store, &self.members);
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
