//! Brings a database to the newest schema, step by step.
//!
//! `user_version` says which schema a file has. Each step leads from one version to the next and is
//! a transaction of its own: a database is never between two versions, and a step that fails leaves
//! it as it was. Before the first step on a database that is not new, a copy is put beside it.

use std::path::Path;

use rusqlite::Connection;

use super::files::{self, beside, put_in_place};
use super::open::make_private;
use super::{OpenError, pragma};

/// "Love" in ASCII.
pub(super) const APPLICATION_ID: i64 = 0x4c6f_7665;

/// Step N leads from schema version N to N + 1. A released step is never changed.
pub(super) const STEPS: &[&str] = &[include_str!("../../schema.sql")];

/// The version to which these steps lead.
pub(super) fn newest_version(steps: &[&str]) -> i64 {
    i64::try_from(steps.len()).unwrap_or(i64::MAX)
}

/// Takes the steps that a database of this version has not taken yet. `seed` distinguishes a new
/// database from all others.
pub(super) fn migrate(
    connection: &Connection,
    path: &Path,
    version: i64,
    steps: &[&str],
    seed: u64,
) -> Result<(), OpenError> {
    if version > 0 && version < newest_version(steps) {
        keep(connection, path, version)?;
    }
    for (number, sql) in (0..).zip(steps).skip_while(|(number, _)| *number < version) {
        let done = step(connection, number, sql, seed);
        done.map_err(|error| OpenError::Sqlite(path.to_path_buf(), error))?;
    }
    Ok(())
}

/// Puts a copy beside the database: `lovejoy.db.v1`, one whole file.
fn keep(connection: &Connection, path: &Path, version: i64) -> Result<(), OpenError> {
    let kept = beside(path, &format!(".v{version}"));
    let part = beside(&kept, ".tmp");
    let failed = |error| OpenError::File(kept.clone(), error);
    files::remove(&part).map_err(failed)?;
    make_private(&part)?;
    let name = part.to_string_lossy();
    let copied = connection.execute("VACUUM INTO ?1", [&name]);
    copied.map_err(|error| OpenError::Sqlite(kept.clone(), error))?;
    put_in_place(&part, &kept).map_err(failed)?;
    log::info!("the database is brought to a newer schema; as it was, it is {}", kept.display());
    Ok(())
}

fn step(connection: &Connection, number: i64, sql: &str, seed: u64) -> rusqlite::Result<()> {
    let transaction = connection.unchecked_transaction()?;
    transaction.execute_batch(sql)?;
    if number == 0 {
        transaction
            .execute("INSERT INTO identity (database_id) VALUES (?1)", [seed.to_le_bytes()])?;
        pragma::set(&transaction, "application_id", APPLICATION_ID)?;
    }
    pragma::set(&transaction, "user_version", number + 1)?;
    transaction.commit()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::PathBuf;

    use super::super::open::check_file;
    use super::*;

    /// The schema as it is, and two steps that might come.
    const LATER: &[&str] = &[
        STEPS[0],
        "ALTER TABLE users ADD COLUMN mood TEXT; UPDATE users SET mood = 'old';",
        "CREATE TABLE moods (mood TEXT PRIMARY KEY) STRICT; INSERT INTO moods VALUES ('old');",
    ];

    /// A database of the schema as it is, with a user in it, in a folder of its own.
    fn database(name: &str) -> (PathBuf, Connection) {
        let folder = std::env::temp_dir().join(format!("lovejoy-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("lovejoy.db");
        let connection = Connection::open(&path).unwrap();
        pragma::set(&connection, "journal_mode", "WAL").unwrap();
        migrate(&connection, &path, 0, STEPS, 7).unwrap();
        let user = "INSERT INTO users (name, display_name, salt, iterations, password, created_at)
                    VALUES ('anna', 'Anna', x'', 1, x'', 0)";
        connection.execute_batch(user).unwrap();
        (path, connection)
    }

    fn version(connection: &Connection) -> i64 {
        pragma::get(connection, "user_version").unwrap()
    }

    fn text(connection: &Connection, sql: &str) -> String {
        connection.query_row(sql, [], |row| row.get(0)).unwrap()
    }

    fn names(path: &Path) -> Vec<String> {
        let entries = fs::read_dir(path.parent().unwrap()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.filter(|name| name.contains(".v")).collect();
        names.sort();
        names
    }

    #[test]
    fn a_database_takes_the_steps_that_it_has_not_taken_and_is_kept_as_it_was() {
        let (path, connection) = database("migrated");
        migrate(&connection, &path, version(&connection), STEPS, 7).unwrap();
        assert_eq!(names(&path), [""; 0], "there was nothing to do");

        migrate(&connection, &path, version(&connection), LATER, 7).unwrap();
        assert_eq!(version(&connection), 3);
        assert_eq!(text(&connection, "SELECT name || mood FROM users"), "annaold");
        assert_eq!(text(&connection, "SELECT mood FROM moods"), "old");
        assert_eq!(names(&path), ["lovejoy.db.v1"]);

        let kept = beside(&path, ".v1");
        assert_eq!(fs::metadata(&kept).unwrap().permissions().mode() & 0o777, 0o600);
        let kept = Connection::open(kept).unwrap();
        assert_eq!(check_file(&kept, &path).unwrap(), 1);
        assert_eq!(text(&kept, "SELECT name FROM users"), "anna");
        assert_eq!(text(&kept, "PRAGMA integrity_check"), "ok");
        fs::remove_dir_all(path.parent().unwrap()).unwrap();
    }

    #[test]
    fn a_step_that_fails_leaves_the_database_where_it_was() {
        let (path, connection) = database("half-migrated");
        let broken =
            [LATER[0], LATER[1], "CREATE TABLE moods (mood TEXT); INSERT INTO mods VALUES (1);"];
        assert!(migrate(&connection, &path, 1, &broken, 7).is_err());
        assert_eq!(version(&connection), 2);
        assert_eq!(text(&connection, "SELECT name || mood FROM users"), "annaold");
        let tables = "SELECT CAST(count(*) AS TEXT) FROM sqlite_schema WHERE name = 'moods'";
        assert_eq!(text(&connection, tables), "0");
        // A later program goes on from there.
        migrate(&connection, &path, 2, LATER, 7).unwrap();
        assert_eq!((version(&connection), text(&connection, tables)), (3, "1".to_owned()));
        assert_eq!(names(&path), ["lovejoy.db.v1", "lovejoy.db.v2"]);
        fs::remove_dir_all(path.parent().unwrap()).unwrap();
    }

    #[test]
    fn without_room_for_a_copy_no_step_is_taken() {
        let (path, connection) = database("unmigrated");
        fs::create_dir(beside(&path, ".v1.tmp")).unwrap();
        assert!(migrate(&connection, &path, 1, LATER, 7).is_err());
        assert_eq!(version(&connection), 1);
        fs::remove_dir_all(path.parent().unwrap()).unwrap();
    }
}
