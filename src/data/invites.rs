//! Queries about codes that let people make accounts. Does not know the codes, only their hashes.

use super::{Store, StoreError};
use crate::entity::Timestamp;

impl Store {
    /// Writes a new code, and forgets those that nobody has used in time.
    pub fn add_invite(
        &mut self,
        code_hash: &[u8; 32],
        now: Timestamp,
        expires_at: Timestamp,
    ) -> Result<(), StoreError> {
        self.write("DELETE FROM invites WHERE expires_at <= ?1", [now.0])?;
        self.write(
            "INSERT INTO invites (code_hash, expires_at) VALUES (?1, ?2)",
            (code_hash, expires_at.0),
        )
        .map(drop)
    }

    /// Whether this code may still be used.
    pub fn has_invite(&self, code_hash: &[u8; 32], now: Timestamp) -> Result<bool, StoreError> {
        let sql = "SELECT 1 FROM invites WHERE code_hash = ?1 AND expires_at > ?2";
        Ok(self.one(sql, (code_hash, now.0), |_| Ok(()))?.is_some())
    }

    /// Uses up a code, which the caller has found to exist.
    pub fn remove_invite(&mut self, code_hash: &[u8; 32]) -> Result<(), StoreError> {
        self.write("DELETE FROM invites WHERE code_hash = ?1", [code_hash]).map(drop)
    }
}
