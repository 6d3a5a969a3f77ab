//! Forgets the oldest messages, where the operator wants it.
//!
//! What is forgotten is a beginning of the one sequence: everything up to a number. So to say what is
//! gone takes one number, below which nobody looks; entries of the index that are left there are dropped
//! when it is merged. The newest row stays in any case, since the next number follows from it.

use super::{Store, StoreError, search, sql_limit};
use crate::entity::{MessageId, Timestamp};

/// How many messages are forgotten at a time: a millisecond or two.
const SLICE: usize = 256;

/// What is to be forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forget {
    /// What was sent before.
    pub sent_before: Option<Timestamp>,
    /// What is oldest, while the database holds more bytes than this.
    pub bytes_max: Option<u64>,
}

impl Store {
    /// Forgets some messages, if there are such; there may be more of them. Returns up to which. Not
    /// within a turn that writes. An error leaves everything as it was.
    pub fn forget_some(&mut self, what: Forget) -> Result<Option<MessageId>, StoreError> {
        assert!(!self.writing, "a turn's transaction is its own");
        let Some(up_to) = self.to_be_forgotten(what)? else { return Ok(None) };
        let written = self
            .write("DELETE FROM messages WHERE id <= ?1", [up_to.0])
            .and_then(|_| {
                let sql = "DELETE FROM signatures WHERE block < ?1";
                self.write(sql, [search::block_of(up_to)])
            })
            .and_then(|_| self.write("UPDATE identity SET forgotten_id = ?1", [up_to.0]))
            .and_then(|_| self.forget_signatures(up_to))
            .and_then(|()| self.commit());
        if let Err(error) = written {
            self.roll_back();
            return Err(error);
        }
        self.forgotten = up_to;
        Ok(Some(up_to))
    }

    /// Up to which message this slice goes.
    fn to_be_forgotten(&self, what: Forget) -> Result<Option<MessageId>, StoreError> {
        let is_too_large = match what.bytes_max {
            Some(bytes_max) => self.bytes_in_use()? > bytes_max,
            None => false,
        };
        let oldest = self.all(
            "SELECT id, sent_at FROM messages WHERE id < ?1 ORDER BY id LIMIT ?2",
            (self.newest.0, sql_limit(SLICE)),
            |row| Ok((MessageId(row.get(0)?), Timestamp(row.get(1)?))),
        )?;
        let is_old = |sent_at| what.sent_before.is_some_and(|before| sent_at < before);
        let old = oldest.iter().take_while(|(_, sent_at)| is_too_large || is_old(*sent_at));
        Ok(old.last().map(|&(id, _)| id))
    }

    /// What the database takes, without the room in it that is free.
    fn bytes_in_use(&self) -> Result<u64, StoreError> {
        let pragma = |name: &str| -> Result<u64, StoreError> {
            let value = self.connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
            Ok(value?.max(0).cast_unsigned())
        };
        let pages = pragma("page_count")?.saturating_sub(pragma("freelist_count")?);
        Ok(pages * pragma("page_size")?)
    }
}
