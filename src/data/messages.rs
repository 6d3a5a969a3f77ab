//! Queries about messages: the one append-only sequence.
//!
//! A row is a message, or, where `changes` is set, the note that an earlier message was edited or
//! deleted. Both take the next number of the same sequence.

use rusqlite::Row;

use super::{Store, StoreError};
use crate::entity::{ConversationId, Message, MessageId, Timestamp, UserId};

/// A message that is to be.
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

/// One entry of the sequence, as a client is told of it.
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

/// The columns that [`message`] reads.
macro_rules! message_columns {
    () => {
        "m.id, m.conversation_id, m.sender_id, m.body, m.sent_at, m.edited_at, m.deleted_at, m.nonce"
    };
}

impl Store {
    /// The newest number that was ever taken, also by a row that is gone.
    pub fn newest_id(&self) -> Result<MessageId, StoreError> {
        let newest =
            self.one("SELECT seq FROM sqlite_sequence WHERE name = 'messages'", [], |row| {
                row.get(0)
            })?;
        Ok(MessageId(newest.unwrap_or(0)))
    }

    /// When the newest message was sent.
    pub fn newest_sent_at(&self) -> Result<Timestamp, StoreError> {
        let sql = "SELECT sent_at FROM messages ORDER BY id DESC LIMIT 1";
        Ok(Timestamp(self.one(sql, [], |row| row.get(0))?.unwrap_or(0)))
    }

    /// Writes a message.
    pub fn add_message(&mut self, new: &NewMessage<'_>) -> Result<MessageId, StoreError> {
        self.insert(
            "INSERT INTO messages (conversation_id, sender_id, body, nonce, sent_at)
             VALUES (?1, ?2, ?3, ?4, ?5)",
            (new.conversation_id.0, new.sender_id.0, new.body, new.nonce, new.sent_at.0),
        )
        .map(MessageId)
    }

    /// The message with this id.
    pub fn message(&self, id: MessageId) -> Result<Option<Message>, StoreError> {
        self.one(
            concat!(
                "SELECT ",
                message_columns!(),
                " FROM messages AS m WHERE id = ?1 AND changes IS NULL"
            ),
            [id.0],
            |row| message(row, 0),
        )
    }

    /// Writes what has become of a message, and takes the next number for that. An earlier change
    /// need not be told any more, and gives its number up.
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
        self.write("DELETE FROM messages WHERE changes = ?1", [id.0])?;
        self.insert(
            "INSERT INTO messages (conversation_id, sender_id, body, sent_at, changes)
             VALUES (?1, ?2, '', ?3, ?4)",
            (conversation_id.0, sender_id.0, now.0, id.0),
        )
        .map(MessageId)
    }

    /// What a sender wrote under this nonce.
    pub fn message_by_nonce(
        &self,
        sender: UserId,
        nonce: &str,
    ) -> Result<Option<Message>, StoreError> {
        self.one(
            concat!(
                "SELECT ",
                message_columns!(),
                " FROM messages AS m WHERE sender_id = ?1 AND nonce = ?2"
            ),
            (sender.0, nonce),
            |row| message(row, 0),
        )
    }

    /// What came after `after`, in order, in all conversations of a user: at most `limit` entries.
    /// The entries are chosen first, and the bodies read of those alone.
    pub fn changes_after(
        &self,
        user: UserId,
        after: MessageId,
        limit: usize,
    ) -> Result<Vec<Change>, StoreError> {
        self.all(
            concat!(
                "SELECT ",
                message_columns!(),
                ", entry.id, entry.changes IS NOT NULL
                 FROM (SELECT e.id AS id FROM members AS mine
                       JOIN messages AS e ON e.conversation_id = mine.conversation_id
                            AND e.id > max(?2, mine.after_id)
                       WHERE mine.user_id = ?1
                             AND (mine.after_id = 0 OR coalesce(e.changes, e.id) > mine.after_id)
                       ORDER BY e.id LIMIT ?3) AS news
                 JOIN messages AS entry ON entry.id = news.id
                 JOIN messages AS m ON m.id = coalesce(entry.changes, entry.id)
                 ORDER BY news.id"
            ),
            (user.0, after.0, sql_limit(limit)),
            |row| {
                Ok(Change {
                    number: MessageId(row.get(8)?),
                    message: message(row, 0)?,
                    is_update: row.get(9)?,
                })
            },
        )
    }

    /// A page of a conversation's history, oldest first, of what came after `floor`; and whether
    /// there is more in that direction.
    pub fn history(
        &self,
        conversation: ConversationId,
        floor: MessageId,
        page: HistoryPage,
        limit: usize,
    ) -> Result<(Vec<Message>, bool), StoreError> {
        let (above, below, forward) = match page {
            HistoryPage::Newest => (floor, MessageId(i64::MAX), false),
            HistoryPage::Before(id) => (floor, id, false),
            HistoryPage::After(id) => (floor.max(id), MessageId(i64::MAX), true),
        };
        let sql = if forward { HISTORY_FORWARD } else { HISTORY_BACKWARD };
        let mut found =
            self.all(sql, (conversation.0, above.0, below.0, sql_limit(limit + 1)), |row| {
                message(row, 0)
            })?;
        let more = found.len() > limit;
        found.truncate(limit);
        if !forward {
            found.reverse();
        }
        Ok((found, more))
    }

    /// In each of a user's conversations the newest message of others in a range of numbers, after
    /// `after` and up to `up_to`, that is not marked as delivered yet.
    pub fn undelivered(
        &self,
        user: UserId,
        after: MessageId,
        up_to: MessageId,
    ) -> Result<Vec<(ConversationId, MessageId)>, StoreError> {
        self.all(
            "SELECT m.conversation_id, max(m.id) FROM members AS mine
             JOIN messages AS m ON m.conversation_id = mine.conversation_id
                  AND m.id > max(?2, mine.after_id, mine.delivered_id) AND m.id <= ?3
             WHERE mine.user_id = ?1 AND m.sender_id <> ?1 AND m.changes IS NULL
             GROUP BY m.conversation_id",
            (user.0, after.0, up_to.0),
            |row| Ok((ConversationId(row.get(0)?), MessageId(row.get(1)?))),
        )
    }

    /// How many messages of others, not deleted, came after `after`.
    pub fn unread(
        &self,
        conversation: ConversationId,
        reader: UserId,
        after: MessageId,
    ) -> Result<u64, StoreError> {
        let count = self.one(
            "SELECT count(*) FROM messages
             WHERE conversation_id = ?1 AND id > ?2 AND sender_id <> ?3
                   AND deleted_at IS NULL AND changes IS NULL",
            (conversation.0, after.0, reader.0),
            |row| row.get::<_, i64>(0),
        )?;
        Ok(count.map_or(0, i64::cast_unsigned))
    }
}

const HISTORY_BACKWARD: &str = concat!(
    "SELECT ",
    message_columns!(),
    " FROM messages AS m WHERE conversation_id = ?1 AND id > ?2 AND id < ?3 AND changes IS NULL
     ORDER BY id DESC LIMIT ?4"
);

const HISTORY_FORWARD: &str = concat!(
    "SELECT ",
    message_columns!(),
    " FROM messages AS m WHERE conversation_id = ?1 AND id > ?2 AND id < ?3 AND changes IS NULL
     ORDER BY id ASC LIMIT ?4"
);

/// Limits are small; SQL wants them signed.
pub(super) fn sql_limit(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// Reads [`message_columns`] from column `first` on.
fn message(row: &Row<'_>, first: usize) -> rusqlite::Result<Message> {
    Ok(Message {
        id: MessageId(row.get(first)?),
        conversation_id: ConversationId(row.get(first + 1)?),
        sender_id: UserId(row.get(first + 2)?),
        body: row.get(first + 3)?,
        sent_at: Timestamp(row.get(first + 4)?),
        edited_at: row.get::<_, Option<i64>>(first + 5)?.map(Timestamp),
        deleted_at: row.get::<_, Option<i64>>(first + 6)?.map(Timestamp),
        nonce: row.get(first + 7)?,
    })
}
