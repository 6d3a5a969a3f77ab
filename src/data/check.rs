//! Checks a database: whether its file is whole, and whether what is in it can be true.
//!
//! Only reads; reports what it finds in lines for people. What the schema's constraints ensure need
//! not be checked; here is what no constraint says.

use std::path::Path;

use rusqlite::Connection;

use super::OpenError;
use super::check_index::check_index;
use super::files::{log_of, remove_new_log};
use super::open::{check_file, open_quietly};
use crate::entity::{DisplayName, UserName};

/// How many faults of one kind are reported.
pub(super) const FAULTS_MAX: usize = 20;

/// What must not be there, and a query that finds it: each row is a fault, with an id that says
/// which.
const INVARIANTS: &[(&str, &str)] = &[
    (
        "message {} is said in a conversation that is not there",
        "SELECT m.id FROM messages AS m LEFT JOIN conversations AS c ON c.id = m.conversation_id
         WHERE c.id IS NULL",
    ),
    (
        "message {} is said by a user who is not there",
        "SELECT m.id FROM messages AS m LEFT JOIN users AS u ON u.id = m.sender_id
         WHERE u.id IS NULL",
    ),
    (
        "message {} notes a change of one that is not there, or elsewhere",
        "SELECT m.id FROM messages AS m LEFT JOIN messages AS o ON o.id = m.changes
         WHERE m.changes > (SELECT forgotten_id FROM identity)
               AND (o.conversation_id IS NOT m.conversation_id OR o.id >= m.id)",
    ),
    (
        "message {} was sent before the one before it",
        "SELECT id FROM (SELECT id, sent_at, lag(sent_at) OVER (ORDER BY id) AS before
                         FROM messages WHERE changes IS NULL)
         WHERE sent_at < before",
    ),
    (
        "message {} has the nonce of another one of its sender",
        "SELECT min(id) FROM messages WHERE nonce IS NOT NULL
         GROUP BY sender_id, nonce HAVING count(*) > 1",
    ),
    (
        "message {} is forgotten, and still there",
        "SELECT id FROM messages WHERE id <= (SELECT forgotten_id FROM identity)",
    ),
    (
        "message {} is deleted, and still says something",
        "SELECT id FROM messages WHERE deleted_at IS NOT NULL AND body <> ''",
    ),
    (
        "direct conversation {} has not its two members",
        "SELECT c.id FROM conversations AS c WHERE c.kind = 'direct' AND 2 <> (
             SELECT count(*) FROM members AS m WHERE m.conversation_id = c.id
                    AND m.user_id IN (c.low_user_id, c.high_user_id))",
    ),
    (
        "group {} has members and no owner",
        "SELECT c.id FROM conversations AS c WHERE c.kind = 'group'
         AND EXISTS (SELECT 1 FROM members AS m WHERE m.conversation_id = c.id)
         AND NOT EXISTS (SELECT 1 FROM members AS m
                         WHERE m.conversation_id = c.id AND m.role = 'owner')",
    ),
    (
        "user {} is the friend of somebody who is not theirs",
        "SELECT r.user_id FROM relations AS r WHERE r.stance = 'friend' AND NOT EXISTS (
             SELECT 1 FROM relations AS o WHERE o.user_id = r.other_id
                    AND o.other_id = r.user_id AND o.stance = 'friend')",
    ),
    (
        "user {} is deleted, and has a name, a session or a friend",
        "SELECT u.id FROM users AS u WHERE u.deleted_at IS NOT NULL AND (
             u.name <> '' OR u.name_key IS NOT NULL OR u.display_name <> ''
             OR u.display_key IS NOT NULL
             OR EXISTS (SELECT 1 FROM sessions AS s WHERE s.user_id = u.id)
             OR EXISTS (SELECT 1 FROM relations AS r WHERE u.id IN (r.user_id, r.other_id)))",
    ),
];

/// Opens an existing database, only to look at it. Nothing is brought from its log into it.
pub(super) fn look_into(path: &Path) -> Result<Connection, OpenError> {
    let sqlite = |error| OpenError::Sqlite(path.to_path_buf(), error);
    let connection = open_quietly(path).map_err(sqlite)?;
    match check_file(&connection, path)? {
        0 => Err(OpenError::Foreign(path.to_path_buf())),
        _ => Ok(connection),
    }
}

/// What is wrong with the database at `path`, one line each. Nobody may be writing to it.
pub fn check(path: &Path) -> Result<Vec<String>, OpenError> {
    ask(path, faults)
}

/// Asks an existing database something, and leaves it and its log as they were.
pub(super) fn ask<T>(
    path: &Path,
    question: impl FnOnce(&Connection) -> rusqlite::Result<T>,
) -> Result<T, OpenError> {
    let had_log = log_of(path).exists();
    let answer = look_into(path).and_then(|connection| {
        question(&connection).map_err(|error| OpenError::Sqlite(path.to_path_buf(), error))
    });
    if !had_log {
        remove_new_log(path);
    }
    answer
}

fn faults(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut faults = integrity_faults(connection)?;
    if !faults.is_empty() {
        // Whatever else a broken file says is just noise.
        return Ok(faults);
    }
    let mut statement = connection.prepare("PRAGMA foreign_key_check")?;
    let rows = statement.query_map([], |row| {
        let (table, parent): (String, String) = (row.get(0)?, row.get(2)?);
        Ok(format!("a row of {table} points to one of {parent} that is not there"))
    })?;
    for row in rows.take(FAULTS_MAX) {
        faults.push(row?);
    }
    for (fault, sql) in INVARIANTS {
        let mut statement = connection.prepare(sql)?;
        for id in statement.query_map([], |row| row.get::<_, i64>(0))?.take(FAULTS_MAX) {
            faults.push(fault.replace("{}", &id?.to_string()));
        }
    }
    check_keys(connection, &mut faults)?;
    check_index(connection, &mut faults)?;
    Ok(faults)
}

/// What SQLite says about the file; nothing if it is whole.
pub(super) fn integrity_faults(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare("PRAGMA integrity_check(20)")?;
    let lines = statement.query_map([], |row| row.get::<_, String>(0))?;
    let lines = lines.collect::<rusqlite::Result<Vec<_>>>()?;
    if lines == ["ok"] { Ok(Vec::new()) } else { Ok(lines) }
}

/// Names are found and told apart by their keys; only this program can say whether those are right.
fn check_keys(connection: &Connection, faults: &mut Vec<String>) -> rusqlite::Result<()> {
    let mut statement = connection.prepare(
        "SELECT id, name, name_key, display_name, display_key FROM users WHERE deleted_at IS NULL",
    )?;
    let mut rows = statement.query([])?;
    let mut left = FAULTS_MAX;
    while let Some(row) = rows.next()?
        && left > 0
    {
        let text = |column| row.get::<_, Option<String>>(column);
        let name = UserName::parse(&text(1)?.unwrap_or_default()).map(|name| name.key()).ok();
        let shown = DisplayName::parse(&text(3)?.unwrap_or_default()).map(|name| name.key()).ok();
        if name.is_none() || name != text(2)? || shown.is_none() || shown != text(4)? {
            faults.push(format!(
                "user {} has names that are not found by their keys",
                row.get::<_, i64>(0)?
            ));
            left -= 1;
        }
    }
    Ok(())
}
