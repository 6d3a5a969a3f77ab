//! Names what can go wrong with the database. All of it is our fault, none of it the peer's.

use std::fmt;
use std::path::{Path, PathBuf};

/// A query or a commit failed: the disk is full, read-only or broken, or we are.
#[derive(Debug)]
pub struct StoreError(rusqlite::Error);

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        Self(error)
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the database: {}", self.0)
    }
}

impl std::error::Error for StoreError {}

/// The database could not be opened. Each is one clear line for whoever starts the server.
#[derive(Debug)]
pub enum OpenError {
    /// The file cannot be opened for writing, or made.
    File(PathBuf, std::io::Error),
    /// The file is there and is not a database of Lovejoy's; it was not touched.
    Foreign(PathBuf),
    /// The file was written by a newer Lovejoy; it was not touched.
    Newer(PathBuf, i64),
    /// The file is a database of Lovejoy's, but not whole; SQLite says what is wrong.
    Damaged(PathBuf, String),
    /// SQLite could not open, read or write it.
    Sqlite(PathBuf, rusqlite::Error),
}

impl OpenError {
    /// The same, about the file of which another is a copy.
    pub(super) fn of(self, path: &Path) -> Self {
        let path = path.to_path_buf();
        match self {
            Self::File(_, error) => Self::File(path, error),
            Self::Foreign(_) => Self::Foreign(path),
            Self::Newer(_, version) => Self::Newer(path, version),
            Self::Damaged(_, fault) => Self::Damaged(path, fault),
            Self::Sqlite(_, error) => Self::Sqlite(path, error),
        }
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path, error) => {
                write!(f, "cannot open the database {}: {error}", path.display())
            }
            Self::Foreign(path) => {
                write!(f, "{} is not a database of Lovejoy; it was left as it is", path.display())
            }
            Self::Newer(path, version) => write!(
                f,
                "{} has schema version {version}, which is newer than this lovejoy knows; \
                 it was left as it is",
                path.display()
            ),
            Self::Damaged(path, fault) => {
                write!(f, "the database {} is damaged: {fault}", path.display())
            }
            Self::Sqlite(path, error) => {
                write!(f, "cannot open the database {}: {error}", path.display())
            }
        }
    }
}

impl std::error::Error for OpenError {}
