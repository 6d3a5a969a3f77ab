//! Makes one whole file of a database, and puts such a file in a database's place. Does not know
//! who asks for it, nor whether a server is running.
//!
//! After a restore two histories have a beginning in common, and there are clients of both. What
//! keeps them apart is done here, in the copy, before it takes the other's place:
//! - *Numbers.* The next is above all that can have been given, by the database that is replaced
//!   and by any that there was before it ([`first_number`]).
//! - *Epochs.* The copy learns of those that followed it elsewhere, and that none of them has more
//!   in common with it than what it holds ([`adopt`]). So a client of theirs misses nothing, and
//!   needs not be sent everything again.
//!
//! See [`super::files`] for why a database can be copied while it is written to, and for what
//! happens if a restore is broken off.

use std::io;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension as _};

use super::check::{ask, integrity_faults, look_into};
use super::files::{self, beside};
use super::open::{PAGE_BYTES, newest_given, newest_known};
use super::{OpenError, StoreError, pragma};
use crate::entity::Timestamp;

/// Copies a database into one whole file at `target`, in place of one that may be there. The
/// database must hold still (see [`super::Store::hold_still`]): `go_on` asks for that again and
/// again, and is dropped when it is no longer needed.
pub fn back_up(
    database: &Path,
    target: &Path,
    mut go_on: impl FnMut() -> io::Result<()>,
) -> Result<(), OpenError> {
    let part = beside(target, ".tmp");
    let failed = |error| OpenError::File(part.clone(), error);
    let copied = files::copy(database, &part, &mut go_on).and_then(|()| go_on());
    drop(go_on);
    let made = copied
        .map_err(failed)
        .and_then(|()| settle(&part))
        .and_then(|()| files::put_in_place(&part, target).map_err(failed));
    if made.is_err() {
        // What is wrong has been told already.
        let _ = files::remove(&part);
    }
    made
}

/// Puts a copy of the file at `backup` in the place of a database that nobody uses. Returns where
/// the one that was there is kept.
pub fn restore(
    backup: &Path,
    database: &Path,
    now: Timestamp,
) -> Result<Option<PathBuf>, OpenError> {
    let part = beside(database, ".restoring.tmp");
    let failed = |error| OpenError::File(backup.to_path_buf(), error);
    // First finish what was broken off before.
    files::finish_restoring(database).map_err(failed)?;
    let prepared = files::copy(backup, &part, || Ok(()))
        .map_err(failed)
        .and_then(|()| settle(&part))
        .and_then(|()| begin_anew(&part, database, now))
        .and_then(|()| files::put_in_place(&part, &files::restoring(database)).map_err(failed));
    if let Err(error) = prepared {
        let _ = files::remove(&part);
        // The file that was given is the one that is wrong.
        return Err(error.of(backup));
    }
    files::finish_restoring(database).map_err(failed)
}

/// Brings the log of a copy into it, so that it is one file, and checks that it is whole.
fn settle(copy: &Path) -> Result<(), OpenError> {
    let sqlite = |error| OpenError::Sqlite(copy.to_path_buf(), error);
    let connection = look_into(copy)?;
    let faults = integrity_faults(&connection).map_err(sqlite)?;
    if let Some(fault) = faults.into_iter().next() {
        return Err(OpenError::Damaged(copy.to_path_buf(), fault));
    }
    pragma::set(&connection, "journal_mode", "DELETE").map_err(sqlite)?;
    connection.close().map_err(|(_, error)| sqlite(error))
}

/// What a database that is replaced knows, and its copy does not.
#[derive(Default)]
struct Replaced {
    /// See [`newest_given`].
    newest: i64,
    /// The id, the mark and the time of each epoch that followed the copy's last.
    epochs: Vec<(i64, i64, i64)>,
    /// What all of those are known to have in common with the copy, unless it ends earlier.
    common: Option<i64>,
}

/// Prepares a copy for going on in place of the database that it replaces.
fn begin_anew(copy: &Path, database: &Path, now: Timestamp) -> Result<(), OpenError> {
    let connection = look_into(copy)?;
    let replaced = replaced(&connection, database);
    adopt(&connection, &replaced, now)
        .and_then(|()| connection.close().map_err(|(_, error)| error))
        .map_err(|error| OpenError::Sqlite(copy.to_path_buf(), error))
}

/// Looks into the database that is to be replaced. It may be missing, broken or somebody else's:
/// then nothing is known.
fn replaced(copy: &Connection, database: &Path) -> Replaced {
    let found = ask(database, |old| what_followed(copy, old)).ok();
    found.filter(|found| found.newest < NUMBER_MAX).unwrap_or_default()
}

fn what_followed(copy: &Connection, old: &Connection) -> rusqlite::Result<Replaced> {
    let id = |connection: &Connection| {
        let id = "SELECT database_id FROM identity";
        connection.query_row(id, [], |row| row.get::<_, [u8; 8]>(0))
    };
    if id(copy)? != id(old)? {
        return Ok(Replaced::default());
    }
    let newest = newest_given(old)?.0;
    let last = "SELECT id, mark FROM epochs ORDER BY id DESC LIMIT 1";
    let last = copy
        .query_row(last, [], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))
        .optional()?;
    let shared = "SELECT 1 FROM epochs WHERE id = ?1 AND mark = ?2";
    let Some(last) = last.filter(|last| old.query_row(shared, *last, |_| Ok(())).is_ok()) else {
        return Ok(Replaced { newest, ..Replaced::default() });
    };
    let common =
        old.query_row("SELECT min(newest_id) FROM epochs WHERE id > ?1", [last.0], |row| {
            row.get(0)
        })?;
    let mut later = old.prepare("SELECT id, mark, started_at FROM epochs WHERE id > ?1")?;
    let epochs = later.query_map([last.0], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    Ok(Replaced { newest, epochs: epochs.collect::<Result<_, _>>()?, common })
}

/// Writes into a copy what sets its history off from the one that it replaces.
///
/// The restore itself is an epoch, too, in which nothing happened: so the end of the copy is known
/// even if nobody ever starts a server on it.
fn adopt(copy: &Connection, replaced: &Replaced, now: Timestamp) -> rusqlite::Result<()> {
    let add = "INSERT INTO epochs (id, mark, newest_id, started_at)
        VALUES (?1, coalesce(?2, random() & 0xffffffff), ?3, ?4)";
    let known = newest_known(copy)?.0;
    let common = replaced.common.map_or(known, |common| common.min(known));
    let forgets = first_number(newest_given(copy)?.0.max(replaced.newest), now) - known;
    let turn = copy.unchecked_transaction()?;
    for (id, mark, started_at) in &replaced.epochs {
        copy.execute(add, (Some(id), Some(mark), common, started_at))?;
    }
    copy.execute(add, (None::<i64>, None::<i64>, common, now.0))?;
    copy.execute("UPDATE identity SET forgets = ?1", [forgets])?;
    turn.commit()
}

/// Numbers stay below this, and far below 2^53, up to which every client can count.
const NUMBER_MAX: i64 = 1 << 52;

/// More messages than can be written in a millisecond.
const PER_MILLISECOND_MAX: i64 = 1 << 10;

/// More messages than can have been written after a copy: two years of as many as a server takes.
const WRITTEN_SINCE_MAX: i64 = 1 << 40;

/// The number after which a restored copy begins. Those up to `given` are known to be taken, but a
/// disk that broke may have held more, and the same copy may have been restored before. So the
/// time is the number: it passes faster than numbers are given. Only if the clock cannot be right
/// (it is behind what was given, or not between the years 2004 and 2109), it is a large step.
fn first_number(given: i64, now: Timestamp) -> i64 {
    let by_the_clock = now.0.saturating_mul(PER_MILLISECOND_MAX);
    if by_the_clock > given && (1 << 50..NUMBER_MAX).contains(&by_the_clock) {
        by_the_clock
    } else {
        given.saturating_add(WRITTEN_SINCE_MAX)
    }
}

impl super::Store {
    /// From now on the database's file is left alone and its log only grows, so that another
    /// process can copy both; but not beyond so many bytes.
    ///
    /// This is a write of this turn: if the log was to begin anew with the next write, it does so
    /// before anybody reads it.
    pub fn hold_still(&mut self, log_bytes_max: usize) -> Result<(), StoreError> {
        let pages_max = log_bytes_max / PAGE_BYTES as usize;
        self.still = Some(u32::try_from(pages_max).unwrap_or(u32::MAX));
        self.write("UPDATE identity SET marked_id = marked_id", []).map(drop)
    }

    /// The log may be brought into the database again.
    pub fn let_go(&mut self) {
        self.still = None;
    }

    /// Whether it has held still all the time since it was told to.
    pub fn is_still(&self) -> bool {
        self.still.is_some()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::fs;

    use super::*;
    use crate::config::Durability;
    use crate::data::{Epoch, NewMessage, Store};
    use crate::entity::{ConversationId, MessageId, UserId};
    use crate::map::mix_with;

    fn new_folder(name: &str) -> PathBuf {
        let name = format!("lovejoy-{name}-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    const NOW: i64 = 1_800_000_000_000;

    /// All messages of a history: the number of each, and what it says.
    type History = Vec<(MessageId, u64)>;

    /// A server that is restarted, backed up and restored, and clients that have seen what there
    /// was at some time.
    struct World {
        folder: PathBuf,
        store: Store,
        epoch: Epoch,
        history: History,
        copies: Vec<(PathBuf, History)>,
        clients: Vec<(Epoch, MessageId, History)>,
        given: HashMap<MessageId, u64>,
        drawn: u64,
        now: Timestamp,
        disk_breaks: bool,
    }

    impl World {
        fn new(seed: u64, disk_breaks: bool) -> Self {
            let folder = new_folder(&format!("histories-{disk_breaks}-{seed}"));
            let mut store =
                Store::open(&folder.join("lovejoy.db"), Durability::Normal, seed).unwrap();
            let epoch = store.begin_epoch(1, Timestamp(0)).unwrap();
            Self {
                folder,
                store,
                epoch,
                history: Vec::new(),
                copies: Vec::new(),
                clients: Vec::new(),
                given: HashMap::new(),
                drawn: seed << 32,
                // A clock that was never set goes well as long as no disk breaks.
                now: Timestamp(if disk_breaks { NOW } else { 0 }),
                disk_breaks,
            }
        }

        fn draw(&mut self, below: usize) -> usize {
            self.drawn += 1;
            usize::try_from(mix_with(self.drawn, 0) >> 32).unwrap() % below
        }

        fn step(&mut self) {
            match self.draw(10) {
                0..4 => self.say(),
                4..6 => {
                    let newest = self.history.last().map_or(MessageId(0), |last| last.0);
                    self.clients.push((self.epoch, newest, self.history.clone()));
                }
                6 => self.copy(),
                7 => self.start(),
                _ if self.copies.is_empty() => {}
                _ => self.restore(),
            }
        }

        fn say(&mut self) {
            let said = self.given.len() as u64;
            let new = NewMessage {
                conversation_id: ConversationId(1),
                sender_id: UserId(1),
                body: &said.to_string(),
                nonce: None,
                sent_at: self.now,
            };
            let id = self.store.add_message(&new).unwrap();
            self.store.commit().unwrap();
            assert_eq!(self.given.insert(id, said), None, "{id:?} is given twice");
            self.history.push((id, said));
        }

        fn copy(&mut self) {
            let copy = self.folder.join(self.copies.len().to_string());
            self.store.hold_still(1 << 20).unwrap();
            self.store.commit().unwrap();
            back_up(&self.folder.join("lovejoy.db"), &copy, || Ok(())).unwrap();
            self.store.let_go();
            self.copies.push((copy, self.history.clone()));
        }

        fn restore(&mut self) {
            let database = self.folder.join("lovejoy.db");
            self.store = Store::in_memory().unwrap();
            for _ in 0..=self.draw(2) {
                if self.disk_breaks && self.draw(2) == 0 {
                    files::remove(&database).unwrap();
                }
                let copy = self.draw(self.copies.len());
                let (copy, history) = self.copies[copy].clone();
                let kept = restore(&copy, &database, self.now).unwrap();
                if let Some(kept) = kept.filter(|kept| kept.exists()) {
                    self.copies.push((kept, std::mem::replace(&mut self.history, history)));
                } else {
                    self.history = history;
                }
                if self.disk_breaks {
                    self.now.0 += 60_000;
                }
            }
            self.start();
        }

        fn start(&mut self) {
            let mark = u32::try_from(self.draw(1 << 30)).unwrap();
            let database = self.folder.join("lovejoy.db");
            self.store = Store::in_memory().unwrap();
            self.store = Store::open(&database, Durability::Normal, 1).unwrap();
            self.epoch = self.store.begin_epoch(mark, self.now).unwrap();
            for (epoch, newest, seen) in &self.clients {
                let past = self.store.common_past(epoch.id, epoch.mark, *newest).unwrap();
                let same = self.history.iter().take_while(|(id, _)| *id <= past);
                assert!(same.eq(seen.iter().take_while(|(id, _)| *id <= past)), "{epoch:?}");
                let named = (epoch.id, epoch.mark);
                let sql = "SELECT 1 FROM epochs WHERE id = ?1 AND mark = ?2";
                let known = self.store.one(sql, named, |_| Ok(())).unwrap();
                assert!(known.is_some() || self.disk_breaks, "{epoch:?} is forgotten");
            }
        }
    }

    #[test]
    fn however_often_copies_are_restored_no_client_misses_a_message() {
        for (seed, disk_breaks) in [(1, false), (2, false), (3, false), (4, true), (5, true)] {
            let mut world = World::new(seed, disk_breaks);
            for _ in 0..120 {
                world.step();
            }
            assert!(world.clients.len() > 10 && world.copies.len() > 10);
            fs::remove_dir_all(&world.folder).unwrap();
        }
    }

    #[test]
    fn numbers_after_a_restore_are_above_all_that_can_have_been_given() {
        let step = 1 << 40;
        assert_eq!(first_number(7, Timestamp(0)), 7 + step, "a clock that was never set");
        assert_eq!(first_number(7, Timestamp(i64::MAX)), 7 + step, "one that is wrong");
        let first = first_number(7, Timestamp(NOW));
        assert!(first > 7 + step && first < NUMBER_MAX);
        assert_eq!(first_number(first + 9, Timestamp(NOW + 1)), first + 1024, "no larger step");
        assert_eq!(first_number(first, Timestamp(NOW)), first + step, "a clock that stands still");
    }

    #[test]
    fn a_log_that_has_grown_while_all_held_still_becomes_short_again() {
        let folder = new_folder("still");
        let path = folder.join("lovejoy.db");
        let mut store = Store::open(&path, Durability::Normal, 1).unwrap();
        let body = "x".repeat(8000);
        let new = NewMessage {
            conversation_id: ConversationId(1),
            sender_id: UserId(1),
            body: &body,
            nonce: None,
            sent_at: Timestamp(0),
        };
        let say = |store: &mut Store| {
            store.add_message(&new).unwrap();
            store.commit().unwrap();
            while store.upkeep_is_due(false) {
                store.keep_up().unwrap();
            }
        };
        let bytes = || {
            let bytes = |file: &Path| fs::metadata(file).unwrap().len();
            (bytes(&path), bytes(&files::log_of(&path)))
        };
        say(&mut store);
        store.hold_still(20_000_000).unwrap();
        let before = bytes().0;
        for _ in 0..1000 {
            say(&mut store);
        }
        assert!(store.is_still());
        let (database, log) = bytes();
        assert!(database == before && log > 8_000_000, "{database} {log}");
        store.let_go();
        say(&mut store);
        say(&mut store);
        let (database, log) = bytes();
        assert!(database > 8_000_000 && log < 5_000_000, "{database} {log}");
        // Nor does the log grow without bounds when nobody lets go.
        store.hold_still(3_000_000).unwrap();
        while store.is_still() {
            say(&mut store);
            assert!(bytes().1 < 5_000_000);
        }
        drop(store);
        fs::remove_dir_all(&folder).unwrap();
    }
}
