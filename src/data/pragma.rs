//! The settings of SQLite, and what it tells about a database.

use std::fmt::Display;

use rusqlite::Connection;

/// Sets what is a number or a word. SQLite's answer, if there is one, is not looked at: it is what is in
/// force now.
pub(super) fn set(
    connection: &Connection,
    name: &str,
    value: impl Display,
) -> rusqlite::Result<()> {
    connection.execute_batch(&format!("PRAGMA {name} = {value}"))
}

/// Asks for a number.
pub(super) fn get(connection: &Connection, name: &str) -> rusqlite::Result<i64> {
    connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get(0))
}
