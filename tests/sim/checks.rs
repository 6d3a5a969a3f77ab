//! Says what must be true, whatever happens. Each check is a sentence; a run in which one of them is
//! false has found a fault.
//!
//! The checks see what the server is given and what it sends, at the moment it does, and look into
//! the store behind its back: into the tables of messages, members and friends, through other
//! queries than those that answer polls. From that they know exactly what each poll must be
//! answered with, and which must not be waiting any more. They know nothing of how the server
//! comes to its answers.

mod polls;

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use lovejoy::data::{HistoryPage, Store};
use lovejoy::entity::{ConversationId, MessageId, UserId};
use serde_json::Value;

use crate::network::Given;
use crate::people::NAMES;
use crate::trace::Trace;
use crate::wire::{Request, Response, What};

/// What is known of the truth.
#[derive(Debug)]
pub struct Checks {
    trace: Trace,
    /// All messages that are committed, in order.
    pub log: Vec<Entry>,
    /// The newest message at the beginning of the turn.
    pub newest_before: i64,
    /// Who is in which conversation.
    pub members: BTreeMap<i64, Vec<i64>>,
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

/// A message that is committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub id: i64,
    pub conversation: i64,
    pub sender: i64,
    pub body: String,
    pub nonce: Option<String>,
    pub sent_at: i64,
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
    /// The last message behind it.
    message: i64,
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
            log: Vec::new(),
            newest_before: 0,
            members: BTreeMap::new(),
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

    /// A request is the server's to answer from now on.
    pub fn given(&mut self, request: &Request, turn: u64) {
        match &request.what {
            What::Send { body, .. } => self.sayings.entry(body.clone()).or_default().given += 1,
            What::LogOut => drop(self.ending.entry(Rc::clone(&request.token)).or_insert(turn)),
            What::Accept { user } => self.friendship_given(request, Some(*user), false),
            What::AskFriend { name } => {
                let other = NAMES.iter().position(|known| known == name).expect("a person");
                let other = self.ids.get(&other).copied();
                self.friendship_given(request, other, false);
            }
            What::Unfriend { user } => self.friendship_given(request, Some(*user), true),
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
        loop {
            let next = i64::try_from(self.members.len()).expect("few conversations") + 1;
            let members = store.members(ConversationId(next)).expect("readable");
            if members.is_empty() {
                break;
            }
            self.members.insert(next, members.into_iter().map(|member| member.user.id.0).collect());
        }
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
        let known = self.newest();
        if store.newest_id().0 == known {
            return;
        }
        let mut new = Vec::new();
        for &conversation in self.members.keys() {
            new.extend(entries_after(store, conversation, known));
        }
        new.sort_by_key(|entry| entry.id);
        for entry in new {
            self.committed(entry);
        }
    }

    fn committed(&mut self, entry: Entry) {
        if let Some(last) = self.log.last() {
            assert!(last.id < entry.id, "ids grow");
            assert!(last.sent_at <= entry.sent_at, "{entry:?} was sent before {last:?}");
        }
        if let Some(nonce) = entry.nonce.clone() {
            let other = self.nonces.insert((entry.sender, nonce), entry.id);
            assert_eq!(other, None, "the same nonce gives one message, not also {entry:?}");
        }
        let saying = self.sayings.get_mut(&entry.body);
        let saying = saying.unwrap_or_else(|| panic!("nobody has said {entry:?}"));
        saying.committed += 1;
        saying.check(&entry.body);
        self.log.push(entry);
    }

    /// The newest message that is committed.
    pub fn newest(&self) -> i64 {
        self.log.last().map_or(0, |entry| entry.id)
    }

    /// The messages that a user may see, after one and up to another.
    pub fn seen_by(&self, user: i64, after: i64, until: i64) -> impl Iterator<Item = &Entry> {
        let start = self.log.partition_point(|entry| entry.id <= after);
        let range = self.log[start..].iter().take_while(move |entry| entry.id <= until);
        range.filter(move |entry| self.members[&entry.conversation].contains(&user))
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

    /// It did not happen, and there was a reason.
    fn failed(&self, request: &Request, response: &Response, c: Circumstances) {
        self.trace.count("answers 503");
        assert_eq!(response.code(), "unavailable");
        // A poll only reads; but that its session has ended, too, may not have been committed.
        let may_write = request.poll().is_none() || self.ending.contains_key(&request.token);
        let busy = request.is_slow() && c.hashing_is_bounded;
        let reason = c.draining || (c.full && may_write) || busy;
        assert!(reason, "{request} is answered with {response} for no reason");
    }

    /// It is not allowed, and there are only so many ways of that.
    fn refused(&self, request: &Request, response: &Response) {
        let allowed: &[&str] = match &request.what {
            What::Accept { .. } => &["no_such_request"],
            What::AskFriend { .. } => &["already_friends", "no_such_user"],
            What::Register { .. } => &["name_taken"],
            What::Send { .. } => &["not_friends", "nonce_reused"],
            What::Unfriend { .. } => &["not_found"],
            _ => &[],
        };
        assert!(allowed.contains(&response.code()), "{request} is answered with {response}");
        if let What::Send { conversation, .. } = &request.what
            && response.code() == "not_friends"
        {
            let me = self.user(request);
            let mut pairs = self.members[conversation].iter().map(|&other| (me, other));
            let may_be_refused = pairs.any(|pair| {
                let were = self.friends_before.contains(&pair) && self.friends.contains(&pair);
                pair.0 != pair.1 && (!were || self.parted.contains(&pair))
            });
            assert!(may_be_refused, "friends may write to each other: {request}");
        }
        if let What::Send { conversation, body, nonce } = &request.what
            && response.code() == "nonce_reused"
        {
            self.trace.count("nonces refused");
            let nonce = nonce.clone().expect("a nonce that is used again");
            let id = self.nonces.get(&(self.user(request), nonce)).expect("a nonce that was used");
            let entry = self.entry(*id);
            assert!(entry.body != *body || entry.conversation != *conversation, "{response}");
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
            What::History { conversation } => self.history_answered(*conversation, body),
            What::Send { .. } => self.send_answered(request, given, response),
            What::Poll(poll) => self.answered_poll(request, poll, given, response, c),
            What::Accept { user } => assert_eq!(body["friend"]["user"]["id"], *user),
            What::AskFriend { name } => assert_eq!(body["friend"]["user"]["name"], *name),
            What::Read { .. } | What::Unfriend { .. } => assert_eq!(response.status, 204),
        }
    }

    fn state_answered(&mut self, user: i64, body: &Value, c: Circumstances) {
        assert_eq!(body["user"]["id"], user, "a state is the caller's own");
        for conversation in body["conversations"].as_array().expect("conversations") {
            self.check_conversation(user, conversation);
        }
        // The snapshot may know of messages of its own turn; its cursor lies before all of them.
        self.hand_out(body, user, self.newest_before, c);
    }

    fn history_answered(&self, conversation: i64, body: &Value) {
        let messages = body["messages"].as_array().expect("messages");
        let all: Vec<_> = self.log.iter().filter(|e| e.conversation == conversation).collect();
        let before = all.iter().filter(|entry| entry.id <= self.newest_before).count();
        let newest = messages.last().map_or(0, |message| message["id"].as_i64().expect("an id"));
        let end = all.iter().filter(|entry| entry.id <= newest).count();
        assert!(end >= before, "a history knows all that was committed before it was asked for");
        let start = end.saturating_sub(200);
        let ids: Vec<_> = all[start..end].iter().map(|entry| entry.id).collect();
        let got: Vec<_> = messages.iter().map(|m| m["id"].as_i64().expect("an id")).collect();
        assert_eq!(got, ids, "a history is what was committed, in order");
        assert_eq!(body["more"], start > 0);
    }

    fn send_answered(&self, request: &Request, given: Given, response: &Response) {
        let What::Send { conversation, body, nonce } = &request.what else { unreachable!() };
        let message = &response.body["message"];
        let entry = self.check_message(self.user(request), message);
        assert_eq!((&entry.body, entry.conversation), (body, *conversation), "to {request}");
        assert_eq!((entry.sender, &entry.nonce), (self.user(request), nonce), "to {request}");
        if response.status == 201 {
            self.trace.count("messages written");
            assert!(entry.id > given.newest, "a message that is written now is new");
            let mut others = self.members[conversation].iter().filter(|id| **id != entry.sender);
            let are_friends = others.all(|&other| {
                let pair = (entry.sender, other);
                let sets = [&self.friends, &self.friends_before, &self.friends_briefly];
                sets.iter().any(|friends| friends.contains(&pair))
            });
            assert!(are_friends, "only friends may write to each other: {entry:?}");
        } else {
            self.trace.count("messages sent again");
            assert!(nonce.is_some(), "only a nonce tells that something was said before");
        }
    }

    fn check_conversation(&self, user: i64, conversation: &Value) {
        let id = conversation["id"].as_i64().expect("an id");
        let members = self.members.get(&id);
        let is_member = members.is_some_and(|members| members.contains(&user));
        assert!(is_member, "user {user} sees no conversation of others: {conversation}");
        if !conversation["last_message"].is_null() {
            self.check_message(user, &conversation["last_message"]);
        }
    }

    /// A message that leaves the server is committed, unaltered, and meant for its reader.
    fn check_message(&self, reader: i64, message: &Value) -> &Entry {
        let id = message["id"].as_i64().expect("an id");
        let entry = self.entry(id);
        let reads = self.members[&entry.conversation].contains(&reader);
        assert!(reads, "nobody sees a message of others: {entry:?} to {reader}");
        assert_eq!(message["body"], entry.body.as_str());
        assert_eq!(message["conversation_id"], entry.conversation);
        assert_eq!(message["sender_id"], entry.sender);
        assert_eq!(message["sent_at"], entry.sent_at);
        let nonce = if reader == entry.sender { entry.nonce.as_deref() } else { None };
        assert_eq!(message["nonce"].as_str(), nonce, "a nonce is between sender and server");
        entry
    }

    fn entry(&self, id: i64) -> &Entry {
        let index = self.log.binary_search_by_key(&id, |entry| entry.id);
        let index = index.unwrap_or_else(|_| panic!("message {id} left before it was committed"));
        &self.log[index]
    }

    fn hand_out(&mut self, body: &Value, user: i64, message: i64, c: Circumstances) {
        let cursor = body["cursor"].as_str().expect("a cursor").to_owned();
        let place = Place { user, message, start: c.start, at: c.now };
        if let Some(known) = self.places.insert(cursor, place) {
            let same = (known.user, known.message, known.start) == (user, message, c.start);
            assert!(same, "a cursor has one meaning, not {known:?} and {place:?}");
        }
    }

    fn user(&self, request: &Request) -> i64 {
        self.ids[&request.person]
    }

    /// In the end: the store holds what the log says, and nothing else.
    pub fn at_the_end(&self, store: &mut Store) {
        let mut stored = Vec::new();
        for &conversation in self.members.keys() {
            stored.extend(entries_after(store, conversation, 0));
        }
        stored.sort_by_key(|entry| entry.id);
        assert_eq!(stored, self.log, "what was committed stays as it is");
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

fn entries_after(store: &mut Store, conversation: i64, after: i64) -> Vec<Entry> {
    let page = HistoryPage::After(MessageId(after));
    let found = store.history(ConversationId(conversation), MessageId(0), page, 1_000_000);
    let (messages, _) = found.expect("readable");
    let entries = messages.into_iter().map(|message| Entry {
        id: message.id.0,
        conversation: message.conversation_id.0,
        sender: message.sender_id.0,
        body: message.body,
        nonce: message.nonce,
        sent_at: message.sent_at.0,
    });
    entries.collect()
}
