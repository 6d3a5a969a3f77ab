//! Leads from a conversation to its messages, and from a sender's nonce to its one message: an
//! index that adds nothing to the cost of writing a message.
//!
//! A message is written by appending to one table, which touches one page. An entry of an ordinary
//! index may lie anywhere: one more page for each message, written twice. Here the entries of the
//! newest messages are only *remembered*; they follow from the messages, and a server that starts
//! reads those again. They are then *placed* into level 0 of a table, some thousands at a time, so
//! that each page takes many of them at once. When a level is full it is *merged* into the next
//! one, eight times as large, and what it held is *swept* out. That is the log-structured
//! merge-tree of O'Neil et al. (1996): each entry is written a few times in all, always together
//! with others.
//!
//! Each level answers for a range of message numbers, and memory for everything above:
//!
//! ```text
//! ... level 2 | level 1 | level 0 | remembered
//!             ^newest 2 ^newest 1 ^newest 0 = placed
//! ```
//!
//! A reader asks each only for its own range. So a merge may be half done, or be broken off by a
//! crash: what has already arrived is above the new place's range, and what has not yet been swept
//! is below the old one's. The borders move in the transaction of the last step.

use std::collections::BTreeSet;
use std::ops::Bound;

use rusqlite::Row;
use sha2::{Digest, Sha256};

use super::{Store, StoreError, sql_integer};
use crate::entity::{ConversationId, MessageId, UserId};

/// What an entry is found under.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key(pub(super) i64);

impl Key {
    /// The messages of a conversation.
    pub(super) fn messages(of: ConversationId) -> Self {
        Self(of.0 * 2)
    }

    /// The notes that messages of a conversation were edited or deleted.
    pub(super) fn changes(of: ConversationId) -> Self {
        Self(of.0 * 2 + 1)
    }

    /// Whether it leads to the message of a nonce.
    pub(super) fn is_of_nonce(self) -> bool {
        self.0 < 0
    }

    /// Whether it leads to changes.
    pub(super) fn is_of_changes(self) -> bool {
        self.0 >= 0 && self.0 % 2 == 1
    }

    /// A sender's nonce. Very rarely others have the same key, so nonces have to be compared. By a
    /// hash for which nobody can make collisions.
    pub(super) fn nonce(sender: UserId, nonce: &str) -> Self {
        let hash = Sha256::new().chain_update(sender.0.to_le_bytes()).chain_update(nonce);
        let hash: [u8; 32] = hash.finalize().into();
        let first: [u8; 8] = std::array::from_fn(|place| hash[place]);
        // Below zero, where no conversation is.
        Self(i64::from_le_bytes(first) | i64::MIN)
    }
}

/// In which order entries are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    OldestFirst,
    NewestFirst,
}

/// One level of the table.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Level {
    /// It answers for messages up to this one.
    pub(super) newest: MessageId,
    /// Up to this one it has been swept: it has no entries of messages that the next level answers
    /// for.
    pub(super) swept: MessageId,
    /// About how many messages and changes it answers for. The range of numbers does not tell:
    /// there are gaps, of more than a million million numbers where a copy was restored.
    pub(super) messages: i64,
}

impl Level {
    /// Reads one of [`LEVELS`].
    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        let (newest, swept) = (MessageId(row.get(0)?), MessageId(row.get(1)?));
        Ok(Self { newest, swept, messages: row.get(2)? })
    }
}

/// What is known of the index without asking the database.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// The entries of all messages above those of level 0.
    remembered: BTreeSet<(Key, MessageId)>,
    pub(super) levels: Vec<Level>,
}

/// A part of the index, and the range of message numbers that it is asked for, both ends excluded.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    /// `None`: what is remembered.
    pub(super) level: Option<usize>,
    pub(super) above: MessageId,
    pub(super) below: MessageId,
}

impl Index {
    /// A message was written.
    pub(super) fn remember(&mut self, key: Key, id: MessageId) {
        self.remembered.insert((key, id));
    }

    /// The newest messages were taken back.
    pub(super) fn forget_after(&mut self, newest: MessageId) {
        self.remembered.retain(|&(_, id)| id <= newest);
    }

    /// These are placed now.
    pub(super) fn forget_up_to(&mut self, placed: MessageId) {
        self.remembered.retain(|&(_, id)| id > placed);
    }

    /// How many messages and changes are remembered up to one of them.
    pub(super) fn count_up_to(&self, up_to: MessageId) -> i64 {
        let counted = |&&(key, id): &&(Key, MessageId)| !key.is_of_nonce() && id <= up_to;
        self.remembered.iter().filter(counted).map(|_| 1).sum()
    }

    /// The newest message that level 0 answers for.
    pub(super) fn placed(&self) -> MessageId {
        self.levels.first().map_or(MessageId(0), |level| level.newest)
    }

    /// What is remembered of messages up to one of them, in the order of the table, after an entry.
    pub(super) fn remembered_after(
        &self,
        after: Option<(Key, MessageId)>,
        up_to: MessageId,
    ) -> impl Iterator<Item = (Key, MessageId)> {
        let after = after.map_or(Bound::Unbounded, Bound::Excluded);
        let entries = self.remembered.range((after, Bound::Unbounded)).copied();
        entries.filter(move |&(_, id)| id <= up_to)
    }

    /// Which parts of the index answer for the messages between two numbers, both excluded.
    pub(super) fn parts(
        &self,
        above: MessageId,
        below: MessageId,
        order: Order,
    ) -> impl Iterator<Item = Part> {
        let len = self.levels.len();
        // From the last level to what is remembered, that is, oldest first.
        let part = move |place: usize| {
            let lower = self.levels.get(len - place).map_or(MessageId(0), |level| level.newest);
            let (level, upper) = match len.checked_sub(place + 1) {
                Some(level) => (Some(level), self.levels[level].newest),
                None => (None, MessageId(i64::MAX - 1)),
            };
            Part { level, above: above.max(lower), below: below.min(MessageId(upper.0 + 1)) }
        };
        let parts = (0..=len).map(move |place| match order {
            Order::OldestFirst => part(place),
            Order::NewestFirst => part(len - place),
        });
        parts.filter(|part| part.above.0.saturating_add(1) < part.below.0)
    }

    /// What is remembered under a key, between two numbers, both ends excluded.
    fn remembered(&self, key: Key, part: &Part, order: Order, limit: usize) -> Vec<MessageId> {
        let found = self.range(key, part);
        match order {
            Order::OldestFirst => found.take(limit).collect(),
            Order::NewestFirst => found.rev().take(limit).collect(),
        }
    }

    /// How much that is.
    fn count(&self, key: Key, part: &Part) -> u64 {
        self.range(key, part).map(|_| 1).sum()
    }

    fn range(&self, key: Key, part: &Part) -> impl DoubleEndedIterator<Item = MessageId> {
        let range = (Bound::Excluded((key, part.above)), Bound::Excluded((key, part.below)));
        self.remembered.range(range).map(|&(_, id)| id)
    }
}

impl Store {
    /// The messages under a key between two numbers, both excluded: the first `limit` in this
    /// order.
    pub(super) fn ids(
        &self,
        key: Key,
        (above, below): (MessageId, MessageId),
        order: Order,
        limit: usize,
    ) -> Result<Vec<MessageId>, StoreError> {
        let sql = match order {
            Order::OldestFirst => IDS_OLDEST_FIRST,
            Order::NewestFirst => IDS_NEWEST_FIRST,
        };
        let mut found = Vec::new();
        let above = above.max(self.forgotten);
        for part in self.index.parts(above, below, order) {
            let rest = limit - found.len();
            if rest == 0 {
                break;
            }
            match part.level {
                None => found.extend(self.index.remembered(key, &part, order, rest)),
                Some(level) => {
                    let range =
                        (sql_integer(level), key.0, part.above.0, part.below.0, sql_integer(rest));
                    found.append(&mut self.all(sql, range, |row| row.get(0).map(MessageId))?);
                }
            }
        }
        Ok(found)
    }

    /// How many messages there are under a key between two numbers, both excluded.
    pub(super) fn count(
        &self,
        key: Key,
        (above, below): (MessageId, MessageId),
    ) -> Result<u64, StoreError> {
        let mut count = 0;
        let above = above.max(self.forgotten);
        for part in self.index.parts(above, below, Order::OldestFirst) {
            count += match part.level {
                None => self.index.count(key, &part),
                Some(level) => {
                    let range = (sql_integer(level), key.0, part.above.0, part.below.0);
                    self.one(COUNT, range, |row| row.get::<_, i64>(0))?
                        .map_or(0, i64::cast_unsigned)
                }
            };
        }
        Ok(count)
    }

    /// How many messages of a conversation after a number are deleted. Each has left a change
    /// behind.
    pub(super) fn count_deleted(
        &self,
        conversation: ConversationId,
        above: MessageId,
    ) -> Result<u64, StoreError> {
        let (key, mut count) = (Key::changes(conversation), 0);
        let above = above.max(self.forgotten);
        for part in self.index.parts(above, MessageId(i64::MAX), Order::OldestFirst) {
            match part.level {
                None => {
                    for id in self.index.range(key, &part) {
                        let deleted = self.one(IS_DELETION, (id.0, above.0), |_| Ok(()))?;
                        count += u64::from(deleted.is_some());
                    }
                }
                Some(level) => {
                    let range = [sql_integer(level), key.0, part.above.0, part.below.0, above.0];
                    let counted = self.one(COUNT_DELETED, range, |row| row.get::<_, i64>(0))?;
                    count += counted.map_or(0, i64::cast_unsigned);
                }
            }
        }
        Ok(count)
    }

    /// Reads what the index has to remember, when a server begins its work.
    pub(super) fn load_index(&mut self) -> Result<(), StoreError> {
        let levels = self.all(LEVELS, [], Level::read)?;
        self.load_signed()?;
        self.index = Index { remembered: BTreeSet::new(), levels };
        let keys = self.all(
            "SELECT id, conversation_id, changes IS NOT NULL, sender_id, nonce FROM messages
             WHERE id > ?1",
            [self.index.placed().0],
            entries_of,
        )?;
        for (id, key, nonce) in keys {
            self.index.remember(key, id);
            if let Some(nonce) = nonce {
                self.index.remember(nonce, id);
            }
        }
        Ok(())
    }
}

/// The levels, the newest first.
pub(super) const LEVELS: &str =
    "SELECT newest_id, swept_id, messages FROM index_levels ORDER BY level";

/// A message or a change, its key, and that of its nonce; read from its number, its conversation,
/// whether it is a change, its sender and the nonce.
pub(super) fn entries_of(row: &Row<'_>) -> rusqlite::Result<(MessageId, Key, Option<Key>)> {
    let conversation = ConversationId(row.get(1)?);
    let key = if row.get(2)? { Key::changes(conversation) } else { Key::messages(conversation) };
    let sender = UserId(row.get(3)?);
    let nonce = row.get_ref(4)?.as_str_or_null()?;
    Ok((MessageId(row.get(0)?), key, nonce.map(|nonce| Key::nonce(sender, nonce))))
}

pub(super) const IDS_OLDEST_FIRST: &str = "SELECT message_id FROM message_index
     WHERE level = ?1 AND key = ?2 AND message_id > ?3 AND message_id < ?4
     ORDER BY message_id LIMIT ?5";

pub(super) const IDS_NEWEST_FIRST: &str = "SELECT message_id FROM message_index
     WHERE level = ?1 AND key = ?2 AND message_id > ?3 AND message_id < ?4
     ORDER BY message_id DESC LIMIT ?5";

/// Whether a change is the deletion of a message after a number: a row or none. None if it has
/// given its number up.
const IS_DELETION: &str = "SELECT 1 FROM messages AS c
     CROSS JOIN messages AS m ON m.id = c.changes
     WHERE c.id = ?1 AND c.changes > ?2 AND m.deleted_at IS NOT NULL";

/// The same for all changes in a part of a level.
const COUNT_DELETED: &str = "SELECT count(*) FROM message_index AS i
     CROSS JOIN messages AS c ON c.id = i.message_id
     CROSS JOIN messages AS m ON m.id = c.changes
     WHERE i.level = ?1 AND i.key = ?2 AND i.message_id > ?3 AND i.message_id < ?4
     AND c.changes > ?5 AND m.deleted_at IS NOT NULL";

pub(super) const COUNT: &str = "SELECT count(*) FROM message_index
     WHERE level = ?1 AND key = ?2 AND message_id > ?3 AND message_id < ?4";
