//! Keeps what must outlive the process, in SQLite: one connection, one thread, one transaction per
//! turn.
//!
//! Knows SQL and nothing of what a user may do. The rules:
//! 1. *The first write of a turn opens the transaction, and [`Store::commit`] ends it.* Everything
//!    that a turn writes becomes durable together, by one `fsync`; reads before the first write
//!    need no transaction, reads after it see what the turn has written.
//! 2. *A failed write poisons its turn.* The caller rolls back and tells everybody who wrote, or
//!    may have seen what was written, that it did not happen.
//! 3. *The disk has it before anybody hears of it.* In WAL mode `synchronous=FULL` syncs the log at
//!    each commit; with `NORMAL` a power cut may lose the last commits (never tear one). Upkeep, of
//!    which nobody hears, is always committed with `NORMAL`, and becomes durable with the next turn
//!    that writes.
//! 4. *Reading needs no writable disk.*

mod backup;
mod check;
mod check_index;
mod conversations;
mod error;
mod fault;
mod files;
mod groups;
mod index;
mod invites;
mod messages;
mod migrate;
mod open;
mod people;
#[cfg(test)]
mod plans;
mod pragma;
mod relations;
mod retention;
mod search;
mod sessions;
mod upkeep;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use rusqlite::wal::CheckpointMode;
use rusqlite::{CachedStatement, Connection, Params, Row, ffi};

pub use backup::{back_up, restore};
pub use check::check;
pub use conversations::{MemberRow, Seat};
pub use error::{OpenError, StoreError};
pub use fault::Fault;
pub use groups::NewMember;
pub use messages::{Change, HistoryPage, NewMessage};
pub use open::Epoch;
pub use people::{Account, AccountRow, NewAccount};
pub use relations::{Relation, Stance};
pub use retention::Forget;
pub use search::{Found, Search};
pub use sessions::SessionRow;
pub use upkeep::Job;

use crate::config::Durability;
use crate::entity::MessageId;
use index::Index;
use upkeep::Upkeep;

/// More than the longest message.
const TRIED_BYTES: u32 = 16 * 1024;

/// The database of one server.
#[derive(Debug)]
pub struct Store {
    connection: Connection,
    /// Whether this turn has written: its transaction is open.
    writing: bool,
    /// How durable the writes of turns are.
    durability: Durability,
    /// As SQLite is set now.
    synchronous: Durability,
    database: u64,
    /// The newest number that is taken, including by this turn.
    newest: MessageId,
    /// The same, counting only what is committed.
    newest_committed: MessageId,
    /// Messages up to this one are forgotten.
    forgotten: MessageId,
    index: Index,
    upkeep: Upkeep,
    /// The log is not to be brought into the database for now, until it has this many pages.
    still: Option<u32>,
    /// How many pages of the log are not in the database yet; SQLite reports it at each commit.
    log_pages: Arc<AtomicU32>,
    /// See [`Fault::Read`].
    unreadable: bool,
}

impl Store {
    /// A number that is this database's own, for the tags of cursors.
    pub fn database(&self) -> u64 {
        self.database
    }

    /// Whether this turn has written something that is not committed yet.
    pub fn is_writing(&self) -> bool {
        self.writing
    }

    /// Makes durable what the turn has written. After an error none of it exists.
    pub fn commit(&mut self) -> Result<(), StoreError> {
        if !self.writing {
            return Ok(());
        }
        let done = self.statement("COMMIT").and_then(|mut s| Ok(s.execute([])?));
        if let Err(error) = done {
            self.roll_back();
            return Err(error);
        }
        self.writing = false;
        self.newest_committed = self.newest;
        Ok(())
    }

    /// Takes back what the turn has written.
    pub fn roll_back(&mut self) {
        // SQLite may have rolled back by itself, as it does when the disk is full.
        if !self.connection.is_autocommit()
            && let Err(error) = self.connection.execute_batch("ROLLBACK")
        {
            log::error!("the database did not roll back: {error}");
        }
        self.writing = false;
        if self.newest > self.newest_committed {
            self.newest = self.newest_committed;
            self.index.forget_after(self.newest);
        }
    }

    /// Finds out whether the disk takes what a turn may write, by writing that much. Not within a
    /// turn that writes: its commit will tell.
    pub fn try_write(&mut self) -> Result<(), StoreError> {
        assert!(!self.writing, "a turn's transaction is its own");
        for bytes in [TRIED_BYTES, 0] {
            let written = self.write("UPDATE identity SET room = zeroblob(?1)", [bytes]);
            if let Err(error) = written.and_then(|_| self.commit()) {
                self.roll_back();
                return Err(error);
            }
        }
        Ok(())
    }

    /// Bounds the size of the database, in pages (of 2 KiB): beyond it writing fails as on a full
    /// disk, and reading goes on. A bound below the present size is taken as that size.
    pub fn set_pages_max(&mut self, pages: Option<u32>) {
        let pages = pages.unwrap_or(u32::MAX - 1);
        if let Err(error) = pragma::set(&self.connection, "max_page_count", pages) {
            log::warn!("the size of the database could not be bounded: {error}");
        }
    }

    /// Brings the log into the database, as far as nothing else is reading it. Whatever is left
    /// comes with the next checkpoint.
    fn checkpoint(&mut self) -> Result<(), StoreError> {
        if self.still.take().is_some() {
            log::warn!("a copy of the database takes too long: its log has become too large");
        }
        self.connection.wal_checkpoint_v2(None::<&str>, CheckpointMode::PASSIVE)?;
        self.log_pages.store(0, Ordering::Relaxed);
        Ok(())
    }

    fn log_pages(&self) -> u32 {
        self.log_pages.load(Ordering::Relaxed)
    }

    /// Runs a statement that writes, within the turn's transaction, and counts the rows.
    fn write(&mut self, sql: &str, params: impl Params) -> Result<usize, StoreError> {
        self.begin()?;
        Ok(self.statement(sql)?.execute(params)?)
    }

    /// The same for an `INSERT` whose id is wanted.
    fn insert(&mut self, sql: &str, params: impl Params) -> Result<i64, StoreError> {
        self.write(sql, params)?;
        Ok(self.connection.last_insert_rowid())
    }

    fn begin(&mut self) -> Result<(), StoreError> {
        self.begin_as(self.durability)
    }

    /// Opens the transaction, unless it is open, with this durability. A less durable transaction
    /// stays so only until the next sync of the log, which takes along everything before it.
    fn begin_as(&mut self, durability: Durability) -> Result<(), StoreError> {
        // Not `self.writing`: SQLite may have rolled back by itself, as when the disk is full, and
        // what is written after that in this turn has to be taken back, too.
        if self.connection.is_autocommit() {
            if self.synchronous != durability {
                let word = open::synchronous(durability);
                pragma::set(&self.connection, "synchronous", word)?;
                self.synchronous = durability;
            }
            self.statement("BEGIN IMMEDIATE")?.execute([])?;
        }
        self.writing = true;
        Ok(())
    }

    /// At most one row.
    fn one<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, StoreError> {
        let mut statement = self.statement(sql)?;
        let mut rows = statement.query(params)?;
        Ok(rows.next()?.map(read).transpose()?)
    }

    /// All rows.
    fn all<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, StoreError> {
        let mut statement = self.statement(sql)?;
        let rows = statement.query_map(params, read)?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// Prepared once, kept for the next time.
    fn statement(&self, sql: &str) -> Result<CachedStatement<'_>, StoreError> {
        #[cfg(test)]
        plans::note(sql);
        if self.unreadable {
            let code = ffi::SQLITE_IOERR_READ;
            return Err(rusqlite::Error::SqliteFailure(ffi::Error::new(code), None).into());
        }
        Ok(self.connection.prepare_cached(sql)?)
    }
}

/// Limits and levels are small; SQL wants them signed.
fn sql_integer(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entity::Timestamp;

    const NOW: Timestamp = Timestamp(1_000);

    fn store() -> Store {
        Store::in_memory().expect("a database in memory")
    }

    /// Writes an account.
    fn try_account(store: &mut Store, name: &str) -> Result<(), StoreError> {
        let new = NewAccount {
            name,
            name_key: name,
            display_name: name,
            display_key: name,
            salt: &[0; 16],
            iterations: 1,
            password: &[0; 32],
        };
        store.add_account(&new, NOW).map(drop)
    }

    fn account(store: &mut Store, name: &str) {
        try_account(store, name).expect("written");
    }

    #[test]
    fn what_a_turn_wrote_is_gone_after_a_roll_back() {
        let mut store = store();
        account(&mut store, "a");
        assert!(store.is_writing());
        store.roll_back();
        assert!(!store.is_writing());
        assert!(store.account_by_key("a").unwrap().is_none());
    }

    #[test]
    fn the_turns_own_writes_are_seen_before_the_commit() {
        let mut store = store();
        account(&mut store, "a");
        assert!(store.account_by_key("a").unwrap().is_some());
        store.commit().unwrap();
        assert!(!store.is_writing());
        assert!(store.account_by_key("a").unwrap().is_some());
    }

    /// When the disk is full SQLite rolls back by itself. What was written after that in the same
    /// turn stood alone, was committed at once, and stayed when the turn was rolled back.
    #[test]
    fn what_a_turn_writes_after_a_failed_write_is_taken_back_too() {
        let mut store = store();
        account(&mut store, "a");
        store.commit().unwrap();
        store.set_pages_max(Some(1));
        assert!(try_account(&mut store, &"x".repeat(100_000)).is_err());
        account(&mut store, "b");
        store.roll_back();
        assert!(store.account_by_key("a").unwrap().is_some());
        assert!(store.account_by_key("b").unwrap().is_none());
    }

    #[test]
    fn trying_to_write_changes_nothing() {
        let mut store = store();
        account(&mut store, "a");
        store.commit().unwrap();
        store.try_write().unwrap();
        assert!(!store.is_writing());
        pragma::set(&store.connection, "query_only", true).unwrap();
        assert!(store.try_write().is_err());
        assert!(!store.is_writing());
        assert!(store.account_by_key("a").unwrap().is_some());
    }

    #[test]
    fn a_full_disk_fails_the_turn_and_not_the_reads() {
        let mut store = store();
        account(&mut store, "a");
        store.commit().unwrap();
        store.set_pages_max(Some(1));
        let mut names = (0..1000).map(|number| format!("{number:0>1000}"));
        let failed = names.any(|name| try_account(&mut store, &name).is_err());
        assert!(failed, "the disk was never full");
        store.roll_back();
        assert!(store.account_by_key("a").unwrap().is_some());
        store.set_pages_max(None);
        account(&mut store, "b");
        store.commit().unwrap();
    }
}
