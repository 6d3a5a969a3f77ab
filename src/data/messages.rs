//! Queries about messages: the one append-only sequence.
//!
//! A row is a message, or, where `changes` is set, the note that an earlier message was edited or
//! deleted. Both take the next number of the same sequence, and are appended to one table. Where in
//! it the messages of a conversation lie, the index knows.

use rusqlite::Row;

use super::index::{Key, Order};
use super::{Store, StoreError, sql_integer};
use crate::entity::{ConversationId, Message, MessageId, Timestamp, UserId};

/// A message to be written.
#[derive(Clone, Copy, Debug)]
pub struct NewMessage<'a> {
    /// Where it is said.
    pub conversation_id: ConversationId,
    /// Who says it.
    pub sender_id: UserId,
    /// What is said.
    pub body: &'a str,
    /// The sender's own name for it.
    pub nonce: Option<&'a str>,
    /// When.
    pub sent_at: Timestamp,
}

/// One entry of the sequence, as clients are told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Its number, to which the cursor moves.
    pub number: MessageId,
    /// The message as it is now.
    pub message: Message,
    /// Whether this number was taken by an edit or a deletion.
    pub is_update: bool,
}

/// What a page of a conversation's history begins or ends with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HistoryPage {
    /// The newest messages.
    Newest,
    /// The newest of those before this one.
    Before(MessageId),
    /// The oldest of those after this one.
    After(MessageId),
}

/// The columns that [`read_message`] reads.
macro_rules! message_columns {
    () => {
        "m.id, m.conversation_id, m.sender_id, m.body, m.sent_at, m.edited_at, m.deleted_at, m.nonce"
    };
}
pub(super) use message_columns;

/// One of a user's conversations, as far as a query over all of them needs to know.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) conversation: ConversationId,
    /// The user sees what came after this number.
    pub(super) joined: MessageId,
    delivered: MessageId,
}

/// After which number a user sees a conversation, if it is among these places of theirs.
pub(super) fn joined(places: &[Place], id: ConversationId) -> Option<MessageId> {
    let at = places.binary_search_by_key(&id, |place| place.conversation).ok()?;
    Some(places[at].joined)
}

/// Above every number.
const END: MessageId = MessageId(i64::MAX);

/// How many numbers are looked at in a row before the index is asked: this takes half a
/// millisecond.
const LOOKED_AT: usize = 1024;

/// How many numbers are asked for at a time when it is not known how many are needed.
const CHUNK: usize = 64;

impl Store {
    /// The newest number that is taken, by this turn or before. No number is taken twice: the
    /// newest row is never removed.
    pub fn newest_id(&self) -> MessageId {
        self.newest
    }

    /// When the newest message was sent.
    pub fn newest_sent_at(&self) -> Result<Timestamp, StoreError> {
        let sql = "SELECT sent_at FROM messages ORDER BY id DESC LIMIT 1";
        Ok(Timestamp(self.one(sql, [], |row| row.get(0))?.unwrap_or(0)))
    }

    /// Writes a message.
    pub fn add_message(&mut self, new: &NewMessage<'_>) -> Result<MessageId, StoreError> {
        let id = MessageId(self.newest.0 + 1);
        let (conversation, sender) = (new.conversation_id, new.sender_id);
        self.write(
            "INSERT INTO messages (id, conversation_id, sender_id, body, nonce, sent_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            (id.0, conversation.0, sender.0, new.body, new.nonce, new.sent_at.0),
        )?;
        self.newest = id;
        self.index.remember(Key::messages(conversation), id);
        if let Some(nonce) = new.nonce {
            self.index.remember(Key::nonce(sender, nonce), id);
        }
        Ok(id)
    }

    /// Writes what has become of a message, and takes the next number for that. An earlier change
    /// need no longer be told, and gives its number up.
    pub fn change_message(
        &mut self,
        changed: &Message,
        now: Timestamp,
    ) -> Result<MessageId, StoreError> {
        let Message { id, conversation_id, sender_id, .. } = *changed;
        let times = [changed.edited_at, changed.deleted_at].map(|at| at.map(|at| at.0));
        self.write(
            "UPDATE messages SET body = ?2, edited_at = ?3, deleted_at = ?4 WHERE id = ?1",
            (id.0, &changed.body, times[0], times[1]),
        )?;
        self.sign_again(changed)?;
        self.write("DELETE FROM messages WHERE changes = ?1", [id.0])?;
        let number = MessageId(self.newest.0 + 1);
        self.write(
            "INSERT INTO messages (id, conversation_id, sender_id, body, sent_at, changes)
             VALUES (?1, ?2, ?3, '', ?4, ?5)",
            (number.0, conversation_id.0, sender_id.0, now.0, id.0),
        )?;
        self.newest = number;
        self.index.remember(Key::changes(conversation_id), number);
        Ok(number)
    }

    /// The message of this id; `None` for the number of a change.
    pub fn message(&self, id: MessageId) -> Result<Option<Message>, StoreError> {
        self.one(MESSAGE, [id.0], read_message)
    }

    /// What a sender wrote under this nonce.
    pub fn message_by_nonce(
        &self,
        sender: UserId,
        nonce: &str,
    ) -> Result<Option<Message>, StoreError> {
        let range = (MessageId(0), END);
        for id in self.ids(Key::nonce(sender, nonce), range, Order::OldestFirst, CHUNK)? {
            let is_it = |it: &Message| it.sender_id == sender && it.nonce.as_deref() == Some(nonce);
            if let Some(message) = self.message(id)?.filter(is_it) {
                return Ok(Some(message));
            }
        }
        Ok(None)
    }

    /// What came after `after`, in order, in all conversations of a user: at most `limit` entries.
    /// The entries are chosen first, and only their bodies are read.
    pub fn changes_after(
        &self,
        user: UserId,
        after: MessageId,
        limit: usize,
    ) -> Result<Vec<Change>, StoreError> {
        let places = self.places(user)?;
        let (mut found, after) = self.newest_changes(&places, after, limit)?;
        let is_all = after >= self.newest || found.len() >= limit;
        for place in places.iter().filter(|_| !is_all) {
            // Only what is older than the last of those found can still be among the first.
            let last = limit.checked_sub(1).and_then(|last| found.get(last));
            let range = (after.max(place.joined), last.copied().unwrap_or(END));
            let key = Key::messages(place.conversation);
            found.extend(self.ids(key, range, Order::OldestFirst, limit)?);
            found.extend(self.changes_seen(place, range, limit)?);
            found.sort_unstable();
            found.truncate(limit);
        }
        let mut changes = Vec::with_capacity(found.len());
        for number in found {
            changes.extend(self.one(CHANGE, [number.0], |row| {
                Ok(Change { number, message: read_message(row)?, is_update: row.get(8)? })
            })?);
        }
        Ok(changes)
    }

    /// The first numbers of what came after `after`, and up to which number that is all. Somebody
    /// who is not far behind, or is in many conversations, is served by looking at everything for a
    /// while: the index would have to be asked once for each conversation.
    fn newest_changes(
        &self,
        places: &[Place],
        after: MessageId,
        limit: usize,
    ) -> Result<(Vec<MessageId>, MessageId), StoreError> {
        let mut found = Vec::new();
        let mut statement = self.statement(
            "SELECT id, conversation_id, coalesce(changes, id) FROM messages
             WHERE id > ?1 ORDER BY id LIMIT ?2",
        )?;
        let mut rows = statement.query((after.0, sql_integer(LOOKED_AT)))?;
        let mut last = after;
        while let Some(row) = rows.next()?
            && found.len() < limit
        {
            last = MessageId(row.get(0)?);
            let message = MessageId(row.get(2)?);
            let joined = joined(places, ConversationId(row.get(1)?));
            if joined.is_some_and(|joined| message > joined.max(self.forgotten)) {
                found.push(last);
            }
        }
        Ok((found, last))
    }

    /// The numbers of changes of messages that a member may see. The index may still lead to
    /// changes that have given their numbers up.
    fn changes_seen(
        &self,
        place: &Place,
        (mut above, below): (MessageId, MessageId),
        limit: usize,
    ) -> Result<Vec<MessageId>, StoreError> {
        let key = Key::changes(place.conversation);
        let sql = "SELECT changes > ?2 FROM messages WHERE id = ?1";
        let mut seen = Vec::new();
        while seen.len() < limit {
            let found = self.ids(key, (above, below), Order::OldestFirst, limit)?;
            let Some(&last) = found.last() else { break };
            above = last;
            for number in found {
                let joined = place.joined.max(self.forgotten).0;
                if self.one(sql, (number.0, joined), |row| row.get(0))? == Some(true) {
                    seen.push(number);
                }
            }
        }
        Ok(seen)
    }

    /// A page of a conversation, oldest first, of the messages after `floor`; and whether there are
    /// more in the direction of the page.
    pub fn history(
        &self,
        conversation: ConversationId,
        floor: MessageId,
        page: HistoryPage,
        limit: usize,
    ) -> Result<(Vec<Message>, bool), StoreError> {
        self.history_within(conversation, floor, page, (limit, usize::MAX))
    }

    /// The same, with at most so many bytes of text, or one message.
    pub fn history_within(
        &self,
        conversation: ConversationId,
        floor: MessageId,
        page: HistoryPage,
        (limit, bytes_max): (usize, usize),
    ) -> Result<(Vec<Message>, bool), StoreError> {
        let (range, order) = match page {
            HistoryPage::Newest => ((floor, END), Order::NewestFirst),
            HistoryPage::Before(id) => ((floor, id), Order::NewestFirst),
            HistoryPage::After(id) => ((floor.max(id), END), Order::OldestFirst),
        };
        let mut found = self.ids(Key::messages(conversation), range, order, limit + 1)?;
        let mut more = found.len() > limit;
        found.truncate(limit);
        let mut messages = Vec::with_capacity(found.len());
        let mut bytes = 0;
        for id in found {
            let Some(message) = self.message(id)? else { continue };
            bytes += message.body.len();
            if bytes > bytes_max && !messages.is_empty() {
                more = true;
                break;
            }
            messages.push(message);
        }
        if order == Order::NewestFirst {
            messages.reverse();
        }
        Ok((messages, more))
    }

    /// In each of a user's conversations, the newest message of others after `after` and up to
    /// `up_to` that is not marked as delivered yet.
    pub fn undelivered(
        &self,
        user: UserId,
        after: MessageId,
        up_to: MessageId,
    ) -> Result<Vec<(ConversationId, MessageId)>, StoreError> {
        let mut newest = Vec::new();
        for place in self.places(user)? {
            let above = after.max(place.joined).max(place.delivered);
            let range = (above, MessageId(up_to.0.saturating_add(1)));
            let id = self.newest_of_others(place.conversation, user, range)?;
            newest.extend(id.map(|id| (place.conversation, id)));
        }
        Ok(newest)
    }

    fn newest_of_others(
        &self,
        conversation: ConversationId,
        user: UserId,
        (above, mut below): (MessageId, MessageId),
    ) -> Result<Option<MessageId>, StoreError> {
        let key = Key::messages(conversation);
        // Mostly it is one of the first.
        let mut limit = 2;
        loop {
            let found = self.ids(key, (above, below), Order::NewestFirst, limit)?;
            limit = CHUNK;
            let Some(&last) = found.last() else { return Ok(None) };
            below = last;
            for id in found {
                let sql = "SELECT sender_id <> ?2 FROM messages WHERE id = ?1";
                if self.one(sql, (id.0, user.0), |row| row.get(0))? == Some(true) {
                    return Ok(Some(id));
                }
            }
        }
    }

    /// How many messages that are not deleted came after `after`. The index alone tells how many
    /// came; those deleted are subtracted.
    pub fn unread(
        &self,
        conversation: ConversationId,
        after: MessageId,
    ) -> Result<u64, StoreError> {
        let count = self.count(Key::messages(conversation), (after, END))?;
        Ok(count.saturating_sub(self.count_deleted(conversation, after)?))
    }

    /// The conversations that a user is in, in the order of their numbers.
    pub(super) fn places(&self, user: UserId) -> Result<Vec<Place>, StoreError> {
        self.all(
            "SELECT conversation_id, after_id, delivered_id FROM members WHERE user_id = ?1
             ORDER BY conversation_id",
            [user.0],
            |row| {
                Ok(Place {
                    conversation: ConversationId(row.get(0)?),
                    joined: MessageId(row.get(1)?),
                    delivered: MessageId(row.get(2)?),
                })
            },
        )
    }
}

const MESSAGE: &str = concat!(
    "SELECT ",
    message_columns!(),
    " FROM messages AS m WHERE m.id = ?1 AND m.changes IS NULL"
);

/// An entry of the sequence, with the message that it is or changes.
const CHANGE: &str = concat!(
    "SELECT ",
    message_columns!(),
    ", entry.changes IS NOT NULL FROM messages AS entry
     CROSS JOIN messages AS m ON m.id = coalesce(entry.changes, entry.id) WHERE entry.id = ?1"
);

/// Reads [`message_columns`].
pub(super) fn read_message(row: &Row<'_>) -> rusqlite::Result<Message> {
    Ok(Message {
        id: MessageId(row.get(0)?),
        conversation_id: ConversationId(row.get(1)?),
        sender_id: UserId(row.get(2)?),
        body: row.get(3)?,
        sent_at: Timestamp(row.get(4)?),
        edited_at: row.get::<_, Option<i64>>(5)?.map(Timestamp),
        deleted_at: row.get::<_, Option<i64>>(6)?.map(Timestamp),
        nonce: row.get(7)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{NewAccount, NewMember};
    use crate::entity::Role;

    const NOW: Timestamp = Timestamp(0);
    const ANNA: UserId = UserId(1);

    fn join(store: &mut Store, conversation_id: ConversationId, after_id: MessageId) {
        let (user_id, role) = (ANNA, Role::Member);
        let read_id = after_id;
        store.add_member(&NewMember { conversation_id, user_id, role, after_id, read_id }).unwrap();
    }

    /// Messages and changes in five groups, of which Anna is in the first from the beginning and in
    /// the second from the middle; and which of the numbers she may see.
    fn talk(store: &mut Store) -> Vec<MessageId> {
        let new = NewAccount {
            name: "anna",
            name_key: "anna",
            display_name: "anna",
            display_key: "anna",
            salt: &[0; 16],
            iterations: 1,
            password: &[0; 32],
        };
        store.add_account(&new, NOW).unwrap();
        let groups: Vec<_> = (0..5).map(|_| store.add_group("crew", NOW).unwrap()).collect();
        join(store, groups[0], MessageId(0));
        let mut said: Vec<(usize, Message)> = Vec::new();
        let mut seen = Vec::new();
        let mut joined = MessageId(i64::MAX);
        for round in 0..4000_usize {
            if round == 2000 {
                joined = store.newest_id();
                join(store, groups[1], joined);
            }
            let may_see = |place: usize, id: MessageId| place == 0 || place == 1 && id > joined;
            let place = round * 7 / 3 % 5;
            if round % 11 == 10 {
                let (place, message) = &said[round * 13 % said.len()];
                let number = store.change_message(message, NOW).unwrap();
                // Only the last of several changes of a message is told.
                seen.retain(|&(_, changed)| changed != Some(message.id));
                if may_see(*place, message.id) {
                    seen.push((number, Some(message.id)));
                }
            } else {
                let new = NewMessage {
                    conversation_id: groups[place],
                    sender_id: UserId(2),
                    body: "hello",
                    nonce: None,
                    sent_at: NOW,
                };
                let id = store.add_message(&new).unwrap();
                said.push((place, store.message(id).unwrap().unwrap()));
                if may_see(place, id) {
                    seen.push((id, None));
                }
            }
        }
        store.commit().unwrap();
        seen.into_iter().map(|(number, _)| number).collect()
    }

    #[test]
    fn who_catches_up_gets_everything_they_may_see_once_and_in_order() {
        for index_batch in [100, 100_000] {
            let mut store = Store::in_memory().unwrap();
            store.set_index_batch(index_batch);
            let seen = talk(&mut store);
            while store.upkeep_is_due(false) {
                store.keep_up().unwrap();
            }
            for limit in [1, 50, 1000] {
                let (mut after, mut got) = (MessageId(0), Vec::new());
                loop {
                    let changes = store.changes_after(ANNA, after, limit).unwrap();
                    got.extend(changes.iter().map(|change| change.number));
                    let Some(last) = changes.last() else { break };
                    after = last.number;
                }
                assert!(got == seen, "by {limit}: {} of {}", got.len(), seen.len());
            }
        }
    }

    #[test]
    fn what_was_deleted_or_forgotten_is_not_unread_wherever_the_index_has_it() {
        for index_batch in [1, 100_000] {
            let mut store = Store::in_memory().unwrap();
            store.set_index_batch(index_batch);
            let conversation_id = store.add_group("crew", NOW).unwrap();
            let new = NewMessage {
                conversation_id,
                sender_id: ANNA,
                body: "hello",
                nonce: None,
                sent_at: NOW,
            };
            let ids: Vec<_> = (0..600).map(|_| store.add_message(&new).unwrap()).collect();
            for (place, deletes) in [(3, true), (7, false), (7, false), (9, false), (9, true)] {
                let message = store.message(ids[place]).unwrap().unwrap();
                let deleted_at = deletes.then_some(NOW);
                store.change_message(&Message { deleted_at, ..message }, NOW).unwrap();
            }
            store.commit().unwrap();
            while store.upkeep_is_due(false) {
                store.keep_up().unwrap();
            }
            let unread = |store: &Store, after: i64| {
                store.unread(conversation_id, MessageId(after)).unwrap()
            };
            assert_eq!(unread(&store, 0), 598);
            assert_eq!(unread(&store, ids[3].0 - 1), 595);
            assert_eq!(unread(&store, ids[3].0), 595);
            assert_eq!(unread(&store, ids[9].0), 590);
            assert_eq!(unread(&store, ids[599].0), 0);
            assert_eq!(store.unread(ConversationId(9), MessageId(0)).unwrap(), 0);
            let forget = crate::data::Forget { sent_before: None, bytes_max: Some(0) };
            let forgotten = store.forget_some(forget).unwrap().unwrap();
            assert_eq!(unread(&store, 0), ids.iter().filter(|&&id| id > forgotten).count() as u64);
        }
    }

    #[test]
    fn no_number_is_given_twice_whatever_was_taken_back() {
        let mut store = Store::in_memory().unwrap();
        let mut given = 0;
        let say = |store: &mut Store| {
            let (conversation_id, sender_id) = (ConversationId(1), ANNA);
            let (body, nonce, sent_at) = ("hello", None, NOW);
            let new = NewMessage { conversation_id, sender_id, body, nonce, sent_at };
            store.add_message(&new).unwrap()
        };
        for round in 0..5 {
            let id = say(&mut store);
            assert_eq!(id.0, given + 1);
            say(&mut store);
            store.roll_back();
            assert_eq!(say(&mut store), id, "what was taken back was never given");
            let message = store.message(id).unwrap().unwrap();
            store.change_message(&message, NOW).unwrap();
            given = store.change_message(&message, NOW).unwrap().0;
            store.commit().unwrap();
            store.begin_epoch(round, NOW).unwrap();
            assert_eq!(store.newest_id().0, given);
        }
    }
}
