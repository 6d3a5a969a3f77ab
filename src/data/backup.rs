//! Makes one whole file of a database, and puts such a file in a database's place.
//!
//! See [`super::files`] for why a database can be copied while it is written to, and for what happens
//! where a restore is broken off.

use std::io;
use std::path::{Path, PathBuf};

use super::check::{integrity_faults, look_into};
use super::files::{self, beside};
use super::{OpenError, StoreError};

/// Copies a database into one whole file at `target`, in place of one that may be there. The database
/// must hold still (see [`super::Store::hold_still`]), which `go_on` asks again and again.
pub fn back_up(
    database: &Path,
    target: &Path,
    mut go_on: impl FnMut() -> io::Result<()>,
) -> Result<(), OpenError> {
    let part = beside(target, ".tmp");
    let failed = |error| OpenError::File(part.clone(), error);
    let made = files::copy(database, &part, &mut go_on)
        .and_then(|()| go_on())
        .map_err(failed)
        .and_then(|()| settle(&part))
        .and_then(|()| files::put_in_place(&part, target).map_err(failed));
    if made.is_err() {
        // What is wrong with it is told already.
        let _ = files::remove(&part);
    }
    made
}

/// Puts a copy of the file at `backup` in the place of a database that nobody uses. Returns where the
/// one that was there is kept.
pub fn restore(backup: &Path, database: &Path) -> Result<Option<PathBuf>, OpenError> {
    let part = beside(database, ".restoring.tmp");
    let failed = |error| OpenError::File(backup.to_path_buf(), error);
    // What was broken off before, is done before.
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

/// Brings the log of a copy into it, so that it is one file, and looks whether that is whole.
fn settle(copy: &Path) -> Result<(), OpenError> {
    let sqlite = |error| OpenError::Sqlite(copy.to_path_buf(), error);
    let connection = look_into(copy)?;
    let faults = integrity_faults(&connection).map_err(sqlite)?;
    if let Some(fault) = faults.into_iter().next() {
        return Err(OpenError::Damaged(copy.to_path_buf(), fault));
    }
    connection
        .pragma_update_and_check(None, "journal_mode", "DELETE", |_| Ok(()))
        .map_err(sqlite)?;
    connection.close().map_err(|(_, error)| sqlite(error))
}

/// Notes in a copy that there were messages after it, whose numbers are not to be given again.
fn remember_to_forget(copy: &Path) -> Result<(), OpenError> {
    look_into(copy).and_then(|connection| {
        let done = connection.execute_batch("UPDATE identity SET forgets = 1");
        done.map_err(|error| OpenError::Sqlite(copy.to_path_buf(), error))
    })
}

impl super::Store {
    /// From now on the database's file is left alone and its log only grows, so that another process
    /// can copy both.
    ///
    /// That is a write of this turn: if the log was to begin anew with the next write, it does before
    /// anybody reads it.
    pub fn hold_still(&mut self) -> Result<(), StoreError> {
        self.still = true;
        self.write("UPDATE identity SET marked_id = marked_id", []).map(drop)
    }

    /// The log may be brought into the database again.
    pub fn let_go(&mut self) {
        self.still = false;
    }
}
