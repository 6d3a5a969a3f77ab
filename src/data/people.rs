//! Queries about accounts.

use rusqlite::Row;

use super::{Store, StoreError, sql_integer};
use crate::entity::{DisplayName, NamePrefix, Timestamp, User, UserId};

/// An account with what only the server may know of it.
#[derive(Clone, Debug)]
pub struct Account {
    /// What others may see.
    pub user: User,
    /// Of the password.
    pub salt: [u8; 16],
    /// Of the derivation.
    pub iterations: u32,
    /// The derived key.
    pub password: [u8; 32],
}

/// An account, as the operator sees it in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountRow {
    /// Whose it is.
    pub user: User,
    /// When it was made.
    pub created_at: Timestamp,
    /// In how many sessions its user is signed in, expired ones included.
    pub sessions: usize,
}

/// An account to be written.
#[derive(Clone, Copy, Debug)]
pub struct NewAccount<'a> {
    /// As shown.
    pub name: &'a str,
    /// As compared.
    pub name_key: &'a str,
    /// As shown to others.
    pub display_name: &'a str,
    /// As looked up.
    pub display_key: &'a str,
    /// Random.
    pub salt: &'a [u8; 16],
    /// Of the derivation.
    pub iterations: u32,
    /// The derived key.
    pub password: &'a [u8; 32],
}

/// The query for an [`Account`], with its condition.
macro_rules! account_where {
    ($condition:literal) => {
        concat!(
            "SELECT id, name, display_name, deleted_at IS NOT NULL, salt, iterations, password
             FROM users WHERE ",
            $condition
        )
    };
}

impl Store {
    /// Writes a new account. The caller has checked that the name is free.
    pub fn add_account(
        &mut self,
        new: &NewAccount<'_>,
        now: Timestamp,
    ) -> Result<UserId, StoreError> {
        self.insert(
            "INSERT INTO users
                 (name, name_key, display_name, display_key, salt, iterations, password, created_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            (
                new.name,
                new.name_key,
                new.display_name,
                new.display_key,
                new.salt,
                new.iterations,
                new.password,
                now.0,
            ),
        )
        .map(UserId)
    }

    /// The account whose name, compared, is `key`.
    pub fn account_by_key(&self, key: &str) -> Result<Option<Account>, StoreError> {
        self.one(account_where!("name_key = ?1"), [key], account)
    }

    /// The account with this id, unless it is deleted.
    pub fn account(&self, id: UserId) -> Result<Option<Account>, StoreError> {
        self.one(account_where!("id = ?1 AND deleted_at IS NULL"), [id.0], account)
    }

    /// The accounts after this one, in the order in which they were made: at most `limit`.
    pub fn accounts(&self, after: UserId, limit: usize) -> Result<Vec<AccountRow>, StoreError> {
        self.all(
            "SELECT id, name, display_name, 0, created_at,
                    (SELECT count(*) FROM sessions WHERE user_id = users.id)
             FROM users WHERE id > ?1 AND deleted_at IS NULL ORDER BY id LIMIT ?2",
            (after.0, sql_integer(limit)),
            |row| {
                let (created_at, sessions) = (Timestamp(row.get(4)?), row.get::<_, u32>(5)?);
                Ok(AccountRow { user: user(row, 0)?, created_at, sessions: sessions as usize })
            },
        )
    }

    /// Changes how a user is shown.
    pub fn set_display_name(&mut self, id: UserId, new: &DisplayName) -> Result<(), StoreError> {
        self.write(
            "UPDATE users SET display_name = ?2, display_key = ?3 WHERE id = ?1",
            (id.0, new.as_str(), new.key()),
        )
        .map(drop)
    }

    /// Empties an account. Its row stays, since its messages do.
    pub fn delete_account(&mut self, id: UserId, now: Timestamp) -> Result<(), StoreError> {
        self.write(
            "UPDATE users SET name = '', name_key = NULL, display_name = '', display_key = NULL,
                    salt = x'', iterations = 0, password = x'', last_seen_at = NULL, deleted_at = ?2
             WHERE id = ?1",
            (id.0, now.0),
        )
        .map(drop)
    }

    /// At most `limit` users other than `asker` whose name or display name begins with the prefix:
    /// first those whose name does, then those whose display name does, each in the order of names.
    /// Costs two short walks along an index, however many users there are.
    pub fn find_users(
        &self,
        asker: UserId,
        prefix: &NamePrefix,
        limit: usize,
    ) -> Result<Vec<User>, StoreError> {
        // The last code point is in no key, and text is compared byte by byte.
        let end = format!("{}{}", prefix.as_str(), char::MAX);
        self.all(FIND_USERS, (prefix.as_str(), end, asker.0, sql_integer(limit)), |row| {
            user(row, 0)
        })
    }

    /// Changes the password that proves a user.
    pub fn set_password(
        &mut self,
        id: UserId,
        salt: &[u8; 16],
        iterations: u32,
        password: &[u8; 32],
    ) -> Result<(), StoreError> {
        self.write(
            "UPDATE users SET salt = ?2, iterations = ?3, password = ?4 WHERE id = ?1",
            (id.0, salt, iterations, password),
        )
        .map(drop)
    }

    /// The user with this id, deleted ones included.
    pub fn user(&self, id: UserId) -> Result<Option<User>, StoreError> {
        self.one(
            "SELECT id, name, display_name, deleted_at IS NOT NULL FROM users WHERE id = ?1",
            [id.0],
            |row| user(row, 0),
        )
    }

    /// When a user was last seen, as far as the disk knows.
    pub fn last_seen(&self, id: UserId) -> Result<Option<Timestamp>, StoreError> {
        let found =
            self.one("SELECT last_seen_at FROM users WHERE id = ?1", [id.0], |row| row.get(0))?;
        Ok(found.flatten().map(Timestamp))
    }

    /// Notes when a user was last seen.
    pub fn set_last_seen(&mut self, id: UserId, at: Timestamp) -> Result<(), StoreError> {
        self.write(
            "UPDATE users SET last_seen_at = ?2 WHERE id = ?1 AND deleted_at IS NULL",
            (id.0, at.0),
        )
        .map(drop)
    }
}

const FIND_USERS: &str = "
    SELECT id, name, display_name, deleted_at IS NOT NULL FROM users WHERE id IN (
        SELECT id FROM (
            SELECT id FROM users WHERE name_key >= ?1 AND name_key < ?2 AND id <> ?3
            ORDER BY name_key LIMIT ?4)
        UNION ALL
        SELECT id FROM (
            SELECT id FROM users WHERE display_key >= ?1 AND display_key < ?2 AND id <> ?3
            ORDER BY display_key LIMIT ?4))
    ORDER BY name_key < ?1 OR name_key >= ?2, name_key LIMIT ?4";

fn account(row: &Row<'_>) -> rusqlite::Result<Account> {
    Ok(Account {
        user: user(row, 0)?,
        salt: row.get(4)?,
        iterations: row.get(5)?,
        password: row.get(6)?,
    })
}

/// Reads `id, name, display_name, deleted` from four columns on.
pub(super) fn user(row: &Row<'_>, first: usize) -> rusqlite::Result<User> {
    Ok(User {
        id: UserId(row.get(first)?),
        name: row.get(first + 1)?,
        display_name: row.get(first + 2)?,
        deleted: row.get(first + 3)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever the rest of the program does.
    #[test]
    fn two_names_that_are_compared_alike_cannot_be_in_the_database() {
        let mut store = Store::in_memory().expect("a database in memory");
        let add = |store: &mut Store, name: &str| {
            let key = crate::entity::UserName::parse(name).expect("a name").key();
            let new = NewAccount {
                name,
                name_key: &key,
                display_name: name,
                display_key: &key,
                salt: &[0; 16],
                iterations: 1,
                password: &[0; 32],
            };
            store.add_account(&new, Timestamp(0))
        };
        let anna = add(&mut store, "Anna").expect("the first of that name");
        for name in ["anna", "ANNA", "Ａｎｎａ"] {
            assert!(add(&mut store, name).is_err(), "{name}");
            store.roll_back();
            add(&mut store, "Anna").expect("as before");
        }
        let ben = add(&mut store, "ben").expect("another name");
        let sql = "UPDATE users SET name_key = 'anna' WHERE id = ?1";
        assert!(store.write(sql, [ben.0]).is_err(), "nor does one become the other");
        store.roll_back();
        // A name that is given up is free; its number is not.
        add(&mut store, "Anna").expect("as before");
        store.delete_account(anna, Timestamp(1)).expect("deleted");
        let again = add(&mut store, "anna").expect("free again");
        assert!(again > anna);
    }

    #[test]
    fn looking_for_users_walks_along_two_indexes() {
        let store = Store::in_memory().expect("a database in memory");
        let plan =
            store.all(&format!("EXPLAIN QUERY PLAN {FIND_USERS}"), ("a", "b", 1, 20), |row| {
                row.get::<_, String>(3)
            });
        let plan = plan.expect("a plan").join("\n");
        assert!(plan.contains("(name_key>? AND name_key<?)"), "{plan}");
        assert!(plan.contains("(display_key>? AND display_key<?)"), "{plan}");
        assert!(!plan.contains("SCAN users"), "{plan}");
    }
}
