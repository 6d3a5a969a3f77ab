//! Queries about accounts.

use rusqlite::Row;

use super::{Store, StoreError};
use crate::entity::{Timestamp, User, UserId};

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

/// An account that is to be.
#[derive(Clone, Copy, Debug)]
pub struct NewAccount<'a> {
    /// As shown.
    pub name: &'a str,
    /// As compared.
    pub name_key: &'a str,
    /// As shown to others.
    pub display_name: &'a str,
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
    /// Writes a new account. The caller has looked that the name is free.
    pub fn add_account(
        &mut self,
        new: &NewAccount<'_>,
        now: Timestamp,
    ) -> Result<UserId, StoreError> {
        self.insert(
            "INSERT INTO users
                 (name, name_key, display_name, salt, iterations, password, created_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            (
                new.name,
                new.name_key,
                new.display_name,
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

    /// Changes how a user is shown.
    pub fn set_display_name(&mut self, id: UserId, new: &str) -> Result<(), StoreError> {
        self.write("UPDATE users SET display_name = ?2 WHERE id = ?1", (id.0, new)).map(drop)
    }

    /// Changes what proves a user.
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
        self.write("UPDATE users SET last_seen_at = ?2 WHERE id = ?1", (id.0, at.0)).map(drop)
    }
}

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
