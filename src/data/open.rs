//! Opens the database: sets SQLite up, and begins an epoch.
//!
//! `application_id` tells our files from others', `user_version` says which schema a file has. Both
//! are checked before anything is written, so that a foreign or newer file stays as it was.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use rusqlite::config::DbConfig;
use rusqlite::hooks::Wal;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::index::Index;
use super::migrate::{APPLICATION_ID, STEPS, migrate, newest_version};
use super::upkeep::{LOG_PAGES, Upkeep};
use super::{OpenError, Store, StoreError, files, pragma};
use crate::config::{Config, Durability};
use crate::entity::{MessageId, Timestamp};

/// One start of a server on this database; see [`crate::entity::Cursor`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Epoch {
    /// Counts the starts.
    pub id: u32,
    /// Random.
    pub mark: u32,
    /// The newest message when it began.
    pub newest_id: MessageId,
}

/// See [`configure`].
pub(super) const PAGE_BYTES: u32 = 2048;

/// More messages than can be written without a sync of the log: SQLite syncs it whenever it is
/// brought into the database, which happens every few megabytes.
const UNSYNCED_MAX: i64 = 1 << 20;

/// A log that has become longer than this is cut when it begins anew.
const LOG_BYTES_KEPT: i64 = 4 * 1024 * 1024;

/// How long the log gets before it begins anew: each page has a header, and so has the whole.
const LOG_BYTES: u64 = 32 + LOG_PAGES as u64 * (PAGE_BYTES as u64 + 24);

/// How many prepared statements are kept: more than there are, so that none is prepared twice.
const STATEMENTS_MAX: usize = 128;

impl Store {
    /// Opens the database that these settings ask for, in a file or in memory.
    pub fn of(config: &Config, seed: u64) -> Result<Self, OpenError> {
        if config.is_in_memory() {
            return Self::in_memory();
        }
        Self::open(&config.database(), config.durability, seed)
    }

    /// Opens the database file at `path`, and makes it if there is none.
    pub fn open(path: &Path, durability: Durability, seed: u64) -> Result<Self, OpenError> {
        let finished = files::finish_restoring(path);
        finished.map_err(|error| OpenError::File(path.to_path_buf(), error))?;
        make_private(path)?;
        let had_log = files::log_of(path).exists();
        let opened = open_quietly(path)
            .map_err(|error| OpenError::Sqlite(path.to_path_buf(), error))
            .and_then(|connection| Self::set_up(connection, path, durability, seed));
        if opened.is_err() && !had_log {
            files::remove_new_log(path);
        }
        opened
    }

    /// A database that ends with the process; for tests, and for those who want no file.
    pub fn in_memory() -> Result<Self, OpenError> {
        let path = Path::new(":memory:");
        Connection::open_in_memory()
            .map_err(|error| OpenError::Sqlite(path.to_path_buf(), error))
            .and_then(|connection| Self::set_up(connection, path, Durability::Full, 1))
    }

    /// Notes that a server begins its work, and returns the new epoch. Makes up for what the last
    /// one had only remembered: entries of the index, and read marks.
    ///
    /// No number is given twice, not even if the newest messages, of which somebody may know, are
    /// lost: to a power cut that has taken what was not synced, or because the database is a
    /// restored copy (see [`super::restore`]). Then the epoch begins above every number that can
    /// have been given.
    pub fn begin_epoch(&mut self, mark: u32, now: Timestamp) -> Result<Epoch, StoreError> {
        let newest_id = newest_given(&self.connection)?;
        self.load_index()?;
        // Numbers are counted from here on: that must not be forgotten.
        self.begin_as(Durability::Full)?;
        self.mark_own_messages_read()?;
        self.set_marked(newest_id)?;
        let id = self.insert(
            "INSERT INTO epochs (mark, newest_id, started_at) VALUES (?1, ?2, ?3)",
            (mark, newest_id.0, now.0),
        )?;
        let forgets = if self.durability == Durability::Normal { UNSYNCED_MAX } else { 0 };
        self.write("UPDATE identity SET forgets = ?1", [forgets])?;
        self.commit()?;
        self.lengthen_log();
        self.newest = newest_id;
        self.newest_committed = newest_id;
        // invariant: a server would have to start four thousand million times.
        Ok(Epoch { id: u32::try_from(id).expect("fewer epochs than 2^32"), mark, newest_id })
    }

    /// Gives the log its usual length at once, if the disk has room.
    fn lengthen_log(&self) {
        let path = self.connection.path().filter(|path| !path.is_empty());
        if let Some(path) = path
            && let Err(error) = files::lengthen_log(Path::new(path), LOG_BYTES)
        {
            log::debug!("the log of the database could not be made longer: {error}");
        }
    }

    /// A server ends its work: with this turn everything that it knows is written.
    pub fn end_epoch(&mut self) -> Result<(), StoreError> {
        if self.durability == Durability::Normal {
            self.write("UPDATE identity SET forgets = 0", [])?;
        }
        self.commit()
    }

    /// How much of an older epoch's cursor still holds: what its history and this one are known to
    /// have in common. That is what there was when the next epoch began.
    ///
    /// Nothing is known of an epoch that is missing here. Where its history parted from this one
    /// cannot be told from its number: a copy may have been restored several times, and each time
    /// epochs of the same numbers followed.
    pub fn common_past(
        &self,
        epoch: u32,
        mark: u32,
        stored: MessageId,
    ) -> Result<MessageId, StoreError> {
        let known = self.one(
            "SELECT 1 FROM epochs WHERE id = ?1 AND mark = ?2",
            (epoch, mark),
            |_| Ok(()),
        )?;
        if known.is_none() {
            return Ok(MessageId(0));
        }
        let next = "SELECT newest_id FROM epochs WHERE id > ?1 ORDER BY id LIMIT 1";
        let end = self.one(next, [epoch], |row| row.get(0).map(MessageId))?;
        Ok(stored.min(end.unwrap_or(self.newest)))
    }

    fn set_up(
        mut connection: Connection,
        path: &Path,
        durability: Durability,
        seed: u64,
    ) -> Result<Self, OpenError> {
        let sqlite = |error| OpenError::Sqlite(path.to_path_buf(), error);
        let version = check_file(&connection, path)?;
        configure(&connection, durability).map_err(sqlite)?;
        migrate(&connection, path, version, STEPS, seed)?;
        let database = connection
            .query_row("SELECT database_id FROM identity", [], |row| row.get::<_, [u8; 8]>(0))
            .map_err(sqlite)?;
        let newest = connection
            .query_row("SELECT max(id) FROM messages", [], |row| row.get::<_, Option<i64>>(0))
            .map_err(sqlite)?;
        let newest = MessageId(newest.unwrap_or(0));
        let forgotten = connection
            .query_row("SELECT forgotten_id FROM identity", [], |row| row.get(0).map(MessageId))
            .map_err(sqlite)?;
        let log_pages = Arc::new(AtomicU32::new(0));
        count_log_pages(&mut connection, Arc::clone(&log_pages)).map_err(sqlite)?;
        // It is good: from now on, when it is closed, its log is brought into it.
        connection
            .set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)
            .map_err(sqlite)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
        Ok(Self {
            connection,
            writing: false,
            durability,
            synchronous: durability,
            database: u64::from_le_bytes(database),
            newest,
            newest_committed: newest,
            forgotten,
            index: Index::default(),
            upkeep: Upkeep::default(),
            still: None,
            log_pages,
            unreadable: false,
        })
    }
}

/// The newest number that may have been given: none up to it is ever given again.
pub(super) fn newest_given(connection: &Connection) -> rusqlite::Result<MessageId> {
    let known = newest_known(connection)?;
    let forgets = connection.query_row("SELECT forgets FROM identity", [], |row| row.get(0))?;
    Ok(MessageId(known.0.saturating_add(forgets)))
}

/// The newest number that was given as far as this database knows: it has nothing beyond that.
pub(super) fn newest_known(connection: &Connection) -> rusqlite::Result<MessageId> {
    let newest = "SELECT max(coalesce((SELECT max(id) FROM messages), 0),
            coalesce((SELECT max(newest_id) FROM epochs), 0))";
    connection.query_row(newest, [], |row| row.get(0)).map(MessageId)
}

/// Makes the file, if there is none, readable for nobody else: SQLite would make it as readable as
/// the folder. An empty file is a new database, and its log gets the same rights.
pub(super) fn make_private(path: &Path) -> Result<(), OpenError> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600);
    let made = options.open(path);
    made.map(drop).map_err(|error| OpenError::File(path.to_path_buf(), error))
}

/// Opens an existing database file, so that neither it nor its log changes if it turns out to be no
/// good; and for us alone, so that no locks are taken and released at each turn, and no
/// shared-memory file is needed.
pub(super) fn open_quietly(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    pragma::set(&connection, "locking_mode", "EXCLUSIVE")?;
    Ok(connection)
}

/// Checks that the file is ours and not from the future, and returns its schema version.
pub(super) fn check_file(connection: &Connection, path: &Path) -> Result<i64, OpenError> {
    let sqlite = |error: rusqlite::Error| match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => OpenError::Foreign(path.to_path_buf()),
        _ => OpenError::Sqlite(path.to_path_buf(), error),
    };
    let tables: i64 = connection
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .map_err(sqlite)?;
    let version = pragma::get(connection, "user_version").map_err(sqlite)?;
    let ours = pragma::get(connection, "application_id").map_err(sqlite)? == APPLICATION_ID;
    let empty = tables == 0 && version == 0;
    if !ours && !empty {
        return Err(OpenError::Foreign(path.to_path_buf()));
    }
    if version > newest_version(STEPS) {
        return Err(OpenError::Newer(path.to_path_buf(), version));
    }
    Ok(version)
}

/// Makes SQLite report at each commit how long the log is, and no longer do anything about it by
/// itself.
fn count_log_pages(connection: &mut Connection, log_pages: Arc<AtomicU32>) -> rusqlite::Result<()> {
    connection.wal_hook(Some(move |_: &mut Wal, pages| {
        log_pages.store(u32::try_from(pages).unwrap_or(0), Ordering::Relaxed);
        Ok(())
    }))
}

/// What SQLite calls it.
pub(super) fn synchronous(durability: Durability) -> &'static str {
    match durability {
        Durability::Full => "FULL",
        Durability::Normal => "NORMAL",
    }
}

fn configure(connection: &Connection, durability: Durability) -> rusqlite::Result<()> {
    // For a database that is still to be made. A commit writes whole pages: for a single message
    // that is half of what it is with the usual 4096, and in batches it makes no difference.
    pragma::set(connection, "page_size", PAGE_BYTES)?;
    // The answer is the mode in force: a database in memory has no log, and needs none.
    pragma::set(connection, "journal_mode", "WAL")?;
    pragma::set(connection, "synchronous", synchronous(durability))?;
    pragma::set(connection, "foreign_keys", true)?;
    pragma::set(connection, "temp_store", "MEMORY")?;
    // For a log that was longer, because a backup was being made.
    pragma::set(connection, "journal_size_limit", LOG_BYTES_KEPT)?;
    // 256 KiB of pages: the operating system caches the file anyway.
    pragma::set(connection, "cache_size", -256)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_database_is_ours_and_has_the_newest_schema() {
        let store = Store::in_memory().unwrap();
        let version: i64 = pragma::get(&store.connection, "user_version").unwrap();
        assert_eq!(version, newest_version(STEPS));
        let check: String =
            store.connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(check, "ok");
    }

    #[test]
    fn foreign_and_newer_databases_are_left_alone() {
        let foreign = Connection::open_in_memory().unwrap();
        foreign.execute_batch("CREATE TABLE t (x)").unwrap();
        assert!(matches!(check_file(&foreign, Path::new("x")), Err(OpenError::Foreign(_))));

        let newer = Connection::open_in_memory().unwrap();
        pragma::set(&newer, "application_id", APPLICATION_ID).unwrap();
        pragma::set(&newer, "user_version", 99).unwrap();
        assert!(matches!(check_file(&newer, Path::new("x")), Err(OpenError::Newer(_, 99))));
    }

    #[test]
    fn a_cursor_of_an_older_epoch_holds_up_to_where_the_next_one_began() {
        let mut store = Store::in_memory().unwrap();
        let add = |store: &Store, mark: u32, newest: i64| {
            let sql = "INSERT INTO epochs (mark, newest_id, started_at) VALUES (?1, ?2, 0)";
            store.connection.execute(sql, (mark, newest)).unwrap();
        };
        add(&store, 0xa, 0);
        add(&store, 0xb, 100);
        let past = |store: &Store, epoch, mark, stored| {
            store.common_past(epoch, mark, MessageId(stored)).unwrap().0
        };
        assert_eq!(past(&store, 1, 0xa, 90), 90, "an honest cursor is taken at its word");
        assert_eq!(past(&store, 1, 0xa, 105), 100, "what a power cut took was never seen");
        assert_eq!(past(&store, 2, 0xdead, 150), 0, "nobody knows where the histories parted");
        assert_eq!(past(&store, 7, 0xb, 150), 0, "an epoch that is still to come");
        store.begin_epoch(1, Timestamp(0)).unwrap();
    }
}
