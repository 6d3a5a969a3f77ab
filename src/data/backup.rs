//! Makes one whole file of a database, and puts such a file in a database's place. Does not know
//! who asks for it, nor whether a server is running.
//!
//! See [`super::files`] for why a database can be copied while it is written to, and for what
//! happens if a restore is broken off.

use std::io;
use std::path::{Path, PathBuf};

use super::check::{integrity_faults, look_into};
use super::files::{self, beside};
use super::open::PAGE_BYTES;
use super::{OpenError, StoreError, pragma};

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
pub fn restore(backup: &Path, database: &Path) -> Result<Option<PathBuf>, OpenError> {
    let part = beside(database, ".restoring.tmp");
    let failed = |error| OpenError::File(backup.to_path_buf(), error);
    // First finish what was broken off before.
    files::finish_restoring(database).map_err(failed)?;
    let prepared = files::copy(backup, &part, || Ok(()))
        .map_err(failed)
        .and_then(|()| settle(&part))
        .and_then(|()| remember_to_forget(&part))
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

/// More messages than can have been written after a copy: two years of as many as a server takes.
/// There is room for eight thousand such steps, each restored from the last, below 2^53, up to
/// which every client can count.
const WRITTEN_SINCE_MAX: i64 = 1 << 40;

/// Notes in a copy that there may have been messages after it, whose numbers must not be given
/// again.
fn remember_to_forget(copy: &Path) -> Result<(), OpenError> {
    look_into(copy).and_then(|connection| {
        let done = connection.execute("UPDATE identity SET forgets = ?1", [WRITTEN_SINCE_MAX]);
        done.map(drop).map_err(|error| OpenError::Sqlite(copy.to_path_buf(), error))
    })
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
    use std::fs;

    use super::*;
    use crate::config::Durability;
    use crate::data::{NewMessage, Store};
    use crate::entity::{ConversationId, Timestamp, UserId};

    #[test]
    fn a_log_that_has_grown_while_all_held_still_becomes_short_again() {
        let name = format!("lovejoy-still-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
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
