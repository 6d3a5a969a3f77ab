//! Knows the files of a database: copies them, and puts one in the place of another.
//!
//! A database in WAL mode is two files, the database itself and its log; one without the other is
//! not what was committed. *The log only grows, and the database does not change, until the former
//! is brought into the latter.* So whoever keeps that from happening can copy both, one after the
//! other, while messages are being written: whatever the log's copy holds beyond its last whole
//! commit does not count. That is how another process makes a backup of a running server, at no
//! cost to any turn.
//!
//! A restored database takes the place of another by one step: the renaming that makes it
//! `lovejoy.db.restoring`. From then on it is the one that counts. If what follows is broken off,
//! it is done again from the start before anybody opens the database ([`finish_restoring`]).

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// How much is copied in one go, before asking whether to go on.
const CHUNK_BYTES: u64 = 4 * 1024 * 1024;

/// A path with something appended to its last name.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    PathBuf::from(name)
}

/// The log of a database.
pub(super) fn log_of(database: &Path) -> PathBuf {
    beside(database, "-wal")
}

/// Makes the log of a database at least this long, by zeros after its end, which SQLite does not
/// take for a part of it. A commit then overwrites what is there. If a commit made the file longer,
/// the file system would have to write that down, too, and on some a sync then takes twenty times
/// as long.
pub(super) fn lengthen_log(database: &Path, bytes: u64) -> io::Result<()> {
    let mut log = OpenOptions::new().append(true).open(log_of(database))?;
    let length = log.metadata()?.len();
    if length < bytes {
        io::copy(&mut io::repeat(0).take(bytes - length), &mut log)?;
        log.sync_all()?;
    }
    Ok(())
}

/// Removes the empty log that SQLite has made for a database that nobody wrote to.
pub(super) fn remove_new_log(database: &Path) {
    let log = log_of(database);
    if fs::metadata(&log).is_ok_and(|metadata| metadata.len() == 0) {
        // It does no harm if it stays.
        let _ = fs::remove_file(log);
    }
}

/// Copies a database with its log, readable for nobody else. `go_on` is asked again and again
/// whether the database still holds still.
pub(super) fn copy(
    from: &Path,
    to: &Path,
    mut go_on: impl FnMut() -> io::Result<()>,
) -> io::Result<()> {
    remove(to)?;
    copy_file(from, to, &mut go_on)?;
    match copy_file(&log_of(from), &log_of(to), &mut go_on) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

fn copy_file(from: &Path, to: &Path, go_on: &mut impl FnMut() -> io::Result<()>) -> io::Result<()> {
    let mut source = File::open(from)?;
    let mut options = OpenOptions::new();
    let mut target = options.write(true).create_new(true).mode(0o600).open(to)?;
    while io::copy(&mut (&mut source).take(CHUNK_BYTES), &mut target)? > 0 {
        go_on()?;
    }
    target.flush()
}

/// Removes a database that nobody wants, and its log.
pub(super) fn remove(database: &Path) -> io::Result<()> {
    for file in [log_of(database), beside(database, "-shm"), database.to_owned()] {
        match fs::remove_file(file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// Gives a database that is one whole file its final name, and returns once a power failure would
/// not undo that.
pub(super) fn put_in_place(file: &Path, place: &Path) -> io::Result<()> {
    File::open(file)?.sync_all()?;
    fs::rename(file, place)?;
    sync_folder(place)
}

fn sync_folder(file: &Path) -> io::Result<()> {
    let folder = match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    File::open(folder)?.sync_all()
}

/// What is to take a database's place, and is whole.
pub(super) fn restoring(database: &Path) -> PathBuf {
    beside(database, ".restoring")
}

/// If a restored database waits to take another's place, puts it there, and keeps the other beside
/// it. Returns where that one is.
///
/// The log goes first: a database alone is never taken for one with that log.
pub(super) fn finish_restoring(database: &Path) -> io::Result<Option<PathBuf>> {
    let restoring = restoring(database);
    if !restoring.try_exists()? {
        return Ok(None);
    }
    let kept = free_name(database)?;
    for (file, kept) in [(log_of(database), log_of(&kept)), (database.to_owned(), kept.clone())] {
        match fs::rename(file, kept) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    remove(database)?;
    fs::rename(restoring, database)?;
    sync_folder(database)?;
    Ok(Some(kept))
}

/// Where to keep the database that was there before: not in place of one that was kept earlier.
fn free_name(database: &Path) -> io::Result<PathBuf> {
    for number in 1.. {
        let suffix = match number {
            1 => ".before-restore".to_owned(),
            _ => format!(".before-restore-{number}"),
        };
        let name = beside(database, &suffix);
        if !name.try_exists()? {
            return Ok(name);
        }
    }
    unreachable!("there is always another number")
}
