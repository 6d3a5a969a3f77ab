//! Forgets the oldest messages, if the operator wants that.
//!
//! What is forgotten is the beginning of the one sequence: everything up to a number. So one number
//! says what is gone, and nobody looks below it; entries of the index that are left there are
//! dropped when it is merged. The newest row always stays, since the next number follows from it.

use super::{Store, StoreError, pragma, sql_integer};
use crate::config::Durability;
use crate::entity::{MessageId, Timestamp};

/// How many messages are forgotten at a time: this takes a millisecond or two.
const SLICE: usize = 256;

/// What is to be forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forget {
    /// What was sent before this.
    pub sent_before: Option<Timestamp>,
    /// What is oldest, as long as the database holds more bytes than this.
    pub bytes_max: Option<u64>,
}

impl Store {
    /// Forgets some messages, if there are any to be forgotten; there may be more. Returns up to
    /// which. Not within a turn that writes. An error leaves everything as it was.
    pub fn forget_some(&mut self, what: Forget) -> Result<Option<MessageId>, StoreError> {
        assert!(!self.writing, "a turn's transaction is its own");
        let Some(up_to) = self.to_be_forgotten(what)? else { return Ok(None) };
        // After a power cut it is merely done again: so it need not be synced by itself, like
        // everything that upkeep does.
        let written = self
            .begin_as(Durability::Normal)
            .and_then(|()| self.write("DELETE FROM messages WHERE id <= ?1", [up_to.0]))
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
            (self.newest.0, sql_integer(SLICE)),
            |row| Ok((MessageId(row.get(0)?), Timestamp(row.get(1)?))),
        )?;
        let is_old = |sent_at| what.sent_before.is_some_and(|before| sent_at < before);
        let old = oldest.iter().take_while(|(_, sent_at)| is_too_large || is_old(*sent_at));
        Ok(old.last().map(|&(id, _)| id))
    }

    /// The size of the database, without the free room in it.
    fn bytes_in_use(&self) -> Result<u64, StoreError> {
        let database = &self.connection;
        let pages = pragma::get(database, "page_count")? - pragma::get(database, "freelist_count")?;
        Ok((pages * pragma::get(database, "page_size")?).max(0).cast_unsigned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::NewMessage;
    use crate::entity::{ConversationId, UserId};

    fn talk(messages: usize) -> Store {
        let mut store = Store::in_memory().unwrap();
        let (conversation_id, sender_id, sent_at) = (ConversationId(1), UserId(1), Timestamp(0));
        for _ in 0..messages {
            let (body, nonce) = ("hello", None);
            let new = NewMessage { conversation_id, sender_id, body, nonce, sent_at };
            store.add_message(&new).unwrap();
        }
        store.commit().unwrap();
        store
    }

    const ALL: Forget = Forget { sent_before: None, bytes_max: Some(0) };

    #[test]
    fn to_forget_does_not_wait_for_the_disk() {
        let mut store = talk(2);
        assert_eq!(store.synchronous, Durability::Full);
        assert_eq!(store.forget_some(ALL).unwrap(), Some(MessageId(1)));
        assert_eq!(store.synchronous, Durability::Normal);
    }

    /// Where the next signature begins follows from the newest one, even after a restart.
    #[test]
    fn the_newest_signature_stays() {
        let mut store = talk(4100);
        while store.upkeep_is_due(false) {
            store.keep_up().unwrap();
        }
        let signed = store.upkeep.signed;
        assert!(signed > 1);
        while store.forget_some(ALL).unwrap().is_some() {}
        store.load_signed().unwrap();
        assert_eq!(store.upkeep.signed, signed);
    }
}
