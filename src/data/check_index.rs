//! Checks that what leads to messages leads to each of them, and nowhere else: the index (see
//! [`super::index`]) has each message once, under its conversation and under its nonce, and the
//! signatures (see [`super::search`]) let a search find whatever is said.
//!
//! Reads everything and believes nothing: where each message should be is worked out anew.

use rusqlite::{Connection, OptionalExtension as _, Statement};

use super::check::FAULTS_MAX;
use super::index::{Key, LEVELS, Level, entries_of};
use super::search::{Signature, block_of};
use super::{pragma, sql_integer};
use crate::entity::{ConversationId, MessageId};

/// How much of the database is kept in memory meanwhile, in KiB: the entries of nonces may lie
/// anywhere.
const CACHE_KIB: i64 = 64 * 1024;

/// What is wrong with the ways to messages, one line each.
pub(super) fn check_index(
    connection: &Connection,
    faults: &mut Vec<String>,
) -> rusqlite::Result<()> {
    pragma::set(connection, "cache_size", -CACHE_KIB)?;
    let mut levels = connection.prepare(LEVELS)?;
    let levels = levels.query_map([], Level::read)?;
    let forgotten =
        connection.query_row("SELECT forgotten_id FROM identity", [], |row| row.get(0))?;
    let check = Check {
        connection,
        levels: levels.collect::<rusqlite::Result<_>>()?,
        forgotten: MessageId(forgotten),
    };
    if !check.levels.is_sorted_by(|upper, lower| upper.newest >= lower.newest) {
        faults.push("the levels of the index are out of order".to_owned());
        return Ok(());
    }
    check.messages(faults)?;
    check.entries(faults)?;
    check.signatures(faults)
}

struct Check<'a> {
    connection: &'a Connection,
    levels: Vec<Level>,
    forgotten: MessageId,
}

impl Check<'_> {
    /// Each message is where it will be looked for.
    fn messages(&self, faults: &mut Vec<String>) -> rusqlite::Result<()> {
        let mut has_entry = self.connection.prepare(
            "SELECT 1 FROM message_index WHERE level = ?1 AND key = ?2 AND message_id = ?3",
        )?;
        let mut rows = self.connection.prepare(
            "SELECT id, conversation_id, changes IS NOT NULL, sender_id, nonce FROM messages
             WHERE id > ?1 AND id <= ?2 ORDER BY id",
        )?;
        let placed = self.levels.first().map_or(MessageId(0), |level| level.newest);
        let mut rows = rows.query((self.forgotten.0, placed.0))?;
        let faults_max = faults.len() + FAULTS_MAX;
        while let Some(row) = rows.next()?
            && faults.len() < faults_max
        {
            let (id, key, nonce) = entries_of(row)?;
            // The last level that reaches that far. There is one, since the first reaches
            // everywhere.
            let level = sql_integer(self.levels.partition_point(|level| level.newest >= id) - 1);
            if !has_entry.exists((level, key.0, id.0))? {
                faults.push(format!("message {id} is not in the index of its conversation"));
            }
            if let Some(nonce) = nonce
                && !has_entry.exists((level, nonce.0, id.0))?
            {
                faults.push(format!("message {id} is not found by its nonce"));
            }
        }
        Ok(())
    }

    /// Each entry that counts is of a message that belongs there.
    fn entries(&self, faults: &mut Vec<String>) -> rusqlite::Result<()> {
        let mut message = self.connection.prepare(
            "SELECT id, conversation_id, changes IS NOT NULL, sender_id, nonce FROM messages
             WHERE id = ?1",
        )?;
        let mut rows =
            self.connection.prepare("SELECT level, key, message_id FROM message_index")?;
        let mut rows = rows.query([])?;
        let faults_max = faults.len() + FAULTS_MAX;
        while let Some(row) = rows.next()?
            && faults.len() < faults_max
        {
            let (place, key, id) =
                (row.get::<_, u32>(0)?, Key(row.get(1)?), MessageId(row.get(2)?));
            let Some(level) = self.levels.get(place as usize).filter(|_| id > self.forgotten)
            else {
                continue;
            };
            if id <= level.swept {
                faults.push(format!("message {id} is in two levels of the index"));
            } else if id <= level.newest && !is_right(&mut message, key, id)? {
                faults.push(format!("the index leads to message {id} from where it is not"));
            }
        }
        Ok(())
    }

    /// Whatever is said is found by it.
    fn signatures(&self, faults: &mut Vec<String>) -> rusqlite::Result<()> {
        let mut bits_of =
            self.connection.prepare("SELECT bits FROM signatures WHERE block = ?1")?;
        let newest = "SELECT max(block) FROM signatures";
        let newest: Option<i64> = self.connection.query_row(newest, [], |row| row.get(0))?;
        let mut rows = self.connection.prepare(
            "SELECT id, conversation_id, body FROM messages WHERE id > ?1 AND changes IS NULL
             ORDER BY id",
        )?;
        let mut rows = rows.query([self.forgotten.0])?;
        let (mut block, mut signature) = (-1, Signature::empty());
        let faults_max = faults.len() + FAULTS_MAX;
        while let Some(row) = rows.next()?
            && faults.len() < faults_max
        {
            let id = MessageId(row.get(0)?);
            if block_of(id) > newest.unwrap_or(-1) {
                break;
            }
            if block_of(id) != block {
                block = block_of(id);
                let found = bits_of.query_row([block], Signature::read).optional()?;
                signature = found.unwrap_or_else(Signature::empty);
            }
            if !signature.covers(ConversationId(row.get(1)?), row.get_ref(2)?.as_str()?) {
                faults.push(format!("message {id} is not found by what is said in it"));
            }
        }
        Ok(())
    }
}

/// Whether a message belongs under a key. Entries may be left of changes that have given their
/// numbers up.
fn is_right(message: &mut Statement<'_>, key: Key, id: MessageId) -> rusqlite::Result<bool> {
    let entries = message.query_row([id.0], entries_of).optional()?;
    Ok(match entries {
        Some((_, own, nonce)) => own == key || nonce == Some(key),
        None => key.is_of_changes(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Forget, NewMessage, Store};
    use crate::entity::{Timestamp, UserId};

    /// A store with messages in several levels, some changed often, some forgotten.
    fn store() -> Store {
        let mut store = Store::in_memory().unwrap();
        store.set_index_batch(16);
        let keep_up = |store: &mut Store| {
            while store.upkeep_is_due(false) {
                store.keep_up().unwrap();
            }
        };
        let say = |store: &mut Store| {
            let number = store.newest_id().0 + 1;
            let (body, nonce) = (format!("hello {number}"), format!("n{number}"));
            let new = NewMessage {
                conversation_id: ConversationId(1 + number % 3),
                sender_id: UserId(1),
                body: &body,
                nonce: Some(&nonce),
                sent_at: Timestamp(0),
            };
            store.add_message(&new).unwrap();
            store.commit().unwrap();
        };
        for _ in 0..2400 {
            say(&mut store);
            keep_up(&mut store);
        }
        for round in 0..60 {
            let mut message = store.message(MessageId(2000 + round % 5)).unwrap().unwrap();
            message.body = format!("漠然 {round}");
            store.change_message(&message, Timestamp(0)).unwrap();
            store.commit().unwrap();
            keep_up(&mut store);
        }
        let forget = Forget { sent_before: None, bytes_max: Some(0) };
        assert_eq!(store.forget_some(forget).unwrap(), Some(MessageId(256)));
        say(&mut store);
        assert!(store.connection.query_row(HAS_LEVELS, [], |row| row.get::<_, bool>(0)).unwrap());
        store
    }

    /// What is wrong with it after a statement, which is then rolled back.
    fn faults_after(store: &Store, sql: &str) -> Vec<String> {
        let transaction = store.connection.unchecked_transaction().unwrap();
        transaction.execute_batch(sql).unwrap();
        let mut faults = Vec::new();
        check_index(&transaction, &mut faults).unwrap();
        faults
    }

    /// There is something in several levels.
    const HAS_LEVELS: &str = "SELECT count(DISTINCT level) > 1 FROM message_index";

    #[test]
    fn what_leads_astray_is_found() {
        let store = store();
        assert_eq!(faults_after(&store, ""), [""; 0]);
        for (sql, fault) in [
            (
                "DELETE FROM message_index WHERE message_id = 700 AND key > 0",
                "message 700 is not in the index of its conversation",
            ),
            (
                "DELETE FROM message_index WHERE message_id = 700 AND key < 0",
                "message 700 is not found by its nonce",
            ),
            (
                "UPDATE messages SET nonce = 'another' WHERE id = 700",
                "message 700 is not found by its nonce",
            ),
            (
                "UPDATE message_index SET message_id = 701 WHERE message_id = 700 AND key > 0",
                "the index leads to message 701 from where it is not",
            ),
            (
                "INSERT INTO message_index VALUES (0, 2, 700)",
                "message 700 is in two levels of the index",
            ),
            ("DELETE FROM messages WHERE id = 700", "the index leads to message 700 from where"),
            ("UPDATE index_levels SET newest_id = 1 WHERE level = 0", "are out of order"),
            (
                "UPDATE messages SET body = 'another' WHERE id = 700",
                "message 700 is not found by what is said in it",
            ),
            ("DELETE FROM signatures WHERE block = 5", "message 650 is not found by what is said"),
            (
                "UPDATE signatures SET bits = zeroblob(1984) WHERE block = 5",
                "message 640 is not found by what is said in it",
            ),
        ] {
            let faults = faults_after(&store, sql);
            assert!(faults.iter().any(|line| line.contains(fault)), "{sql}: {faults:?}");
            assert!(faults.len() <= 3 * FAULTS_MAX, "not more than anybody reads");
        }
    }
}
