//! What was said and what has become of it, in the order in which a poll tells it: a message takes a
//! number, and the last change of it another one.

use std::collections::BTreeMap;

use lovejoy::data::{HistoryPage, Store};
use lovejoy::entity::{ConversationId, Message, MessageId, UserId};

use super::members::Members;

/// A message that is committed, as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub id: i64,
    pub conversation: i64,
    pub sender: i64,
    pub body: String,
    pub nonce: Option<String>,
    pub sent_at: i64,
    pub edited_at: Option<i64>,
    pub deleted_at: Option<i64>,
}

/// What a poll is told of a message: that it was said, or that it has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    pub id: i64,
    pub is_update: bool,
}

/// All that is committed.
#[derive(Debug, Default)]
pub struct Log {
    /// By id.
    pub entries: Vec<Entry>,
    /// By number.
    sequence: BTreeMap<i64, Told>,
    /// The number that the last change of a message took.
    changed: BTreeMap<i64, i64>,
    /// The newest number.
    pub newest: i64,
    /// The bodies that the messages which change in this turn had before, or are to get.
    changing: BTreeMap<i64, Vec<String>>,
    changed_now: BTreeMap<i64, Vec<String>>,
    /// Of those that have never changed before this turn, what was said.
    changed_first: BTreeMap<i64, String>,
}

impl Entry {
    fn of(message: Message) -> Self {
        Self {
            id: message.id.0,
            conversation: message.conversation_id.0,
            sender: message.sender_id.0,
            body: message.body,
            nonce: message.nonce,
            sent_at: message.sent_at.0,
            edited_at: message.edited_at.map(|at| at.0),
            deleted_at: message.deleted_at.map(|at| at.0),
        }
    }

    pub fn has_changed(&self) -> bool {
        self.edited_at.is_some() || self.deleted_at.is_some()
    }
}

impl Log {
    /// Somebody wants to change a message.
    pub fn changing(&mut self, id: i64, body: &str) {
        self.changing.entry(id).or_default().push(body.to_owned());
    }

    /// Whether a message may have changed in this turn.
    pub fn is_unsettled(&self) -> bool {
        !self.changed_now.is_empty()
    }

    /// Looks at what the turn has committed; what is new is handed to `check` first.
    pub fn look_into(&mut self, store: &Store, members: &Members, mut check: impl FnMut(&Entry)) {
        let before = self.newest;
        self.newest = store.newest_id().0;
        self.changed_now.clear();
        self.changed_first.clear();
        for (id, mut bodies) in std::mem::take(&mut self.changing) {
            bodies.push(self.entry(id).body.clone());
            self.changed_now.insert(id, bodies);
            self.look_at(store, members, id, before);
        }
        if self.newest == before {
            return;
        }
        let mut new = Vec::new();
        for conversation in members.conversations() {
            new.extend(entries_after(store, conversation, before));
        }
        new.sort_by_key(|entry| entry.id);
        for entry in new {
            if let Some(last) = self.entries.last() {
                assert!(last.id < entry.id, "ids grow");
                assert!(last.sent_at <= entry.sent_at, "{entry:?} was sent before {last:?}");
            }
            assert!(!entry.has_changed(), "nobody could have changed {entry:?}");
            check(&entry);
            self.sequence.insert(entry.id, Told { id: entry.id, is_update: false });
            self.entries.push(entry);
        }
    }

    /// A message that may have changed.
    fn look_at(&mut self, store: &Store, members: &Members, id: i64, newest_before: i64) {
        let index = self.index(id);
        let old = &self.entries[index];
        let page = HistoryPage::After(MessageId(id - 1));
        let found = store.history(ConversationId(old.conversation), MessageId(0), page, 1);
        let now = Entry::of(found.expect("readable").0.remove(0));
        if now == *old {
            return;
        }
        let fixed = |entry: &Entry| (entry.id, entry.conversation, entry.sender, entry.sent_at);
        assert_eq!((fixed(&now), &now.nonce), (fixed(old), &old.nonce), "an edit leaves the rest");
        assert_eq!(old.deleted_at, None, "what was deleted stays as it is: {now:?}");
        assert_ne!((now.edited_at, now.deleted_at), (old.edited_at, None), "a change has its time");
        assert!(now.deleted_at.is_none() || now.body.is_empty(), "nothing is left of {now:?}");
        // Where it stands in the sequence, only those who may see it can be told.
        let reader = members.of(now.conversation).find(|&user| members.shows(&now, user));
        if let Some(reader) = reader {
            let changes = store.changes_after(UserId(reader), MessageId(newest_before), 10_000);
            let changes = changes.expect("readable");
            let mut of_this = changes.iter().filter(|c| c.is_update && c.message.id.0 == id);
            let number = of_this.next().expect("a change takes a number").number.0;
            assert!(number <= self.newest && of_this.next().is_none(), "one, of this turn");
            if let Some(older) = self.changed.insert(id, number) {
                self.sequence.remove(&older);
            }
            let taken = self.sequence.insert(number, Told { id, is_update: true });
            assert_eq!(taken, None, "a number is taken once");
        }
        if !old.has_changed() {
            self.changed_first.insert(id, old.body.clone());
        }
        self.entries[index] = now;
    }

    /// What a user is to be told, after a number and up to another, with its numbers.
    pub fn told<'a>(
        &'a self,
        members: &'a Members,
        user: i64,
        after: i64,
        until: i64,
    ) -> impl Iterator<Item = Told> + 'a {
        let range = (after < until).then(|| self.sequence.range(after + 1..=until));
        let told = range.into_iter().flatten().map(|(_, told)| *told);
        told.filter(move |told| members.shows(self.entry(told.id), user))
    }

    /// The number under which this was told last.
    pub fn number(&self, told: Told) -> i64 {
        if told.is_update { self.changed[&told.id] } else { told.id }
    }

    /// What a message may be said to be in an answer of this turn.
    pub fn may_be(&self, entry: &Entry, body: &str) -> bool {
        let bodies = self.changed_now.get(&entry.id);
        entry.body == body || bodies.is_some_and(|bodies| bodies.iter().any(|one| one == body))
    }

    /// What was said, if nobody had changed it before this turn.
    pub fn first_body<'a>(&'a self, entry: &'a Entry) -> Option<&'a str> {
        let is_first = !entry.has_changed();
        if is_first { Some(&entry.body) } else { self.changed_first.get(&entry.id).map(|b| &**b) }
    }

    pub fn entry(&self, id: i64) -> &Entry {
        &self.entries[self.index(id)]
    }

    fn index(&self, id: i64) -> usize {
        let index = self.entries.binary_search_by_key(&id, |entry| entry.id);
        index.unwrap_or_else(|_| panic!("message {id} left before it was committed"))
    }

    /// In the end: the store holds what the log says, and nothing else.
    pub fn compare(&self, store: &Store, members: &Members) {
        let mut stored = Vec::new();
        for conversation in members.conversations() {
            stored.extend(entries_after(store, conversation, 0));
        }
        stored.sort_by_key(|entry| entry.id);
        assert_eq!(stored, self.entries, "what was committed stays as it is");
    }
}

fn entries_after(store: &Store, conversation: i64, after: i64) -> Vec<Entry> {
    let page = HistoryPage::After(MessageId(after));
    let found = store.history(ConversationId(conversation), MessageId(0), page, 1_000_000);
    found.expect("readable").0.into_iter().map(Entry::of).collect()
}
