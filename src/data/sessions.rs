//! Queries about sessions, that is, logins. Does not know when one has expired.

use super::{Store, StoreError, sql_integer};
use crate::entity::{Session, SessionId, Timestamp, UserId};

/// What a token leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionRow {
    /// The login.
    pub id: SessionId,
    /// Whose it is.
    pub user_id: UserId,
    /// As far as the disk knows.
    pub last_used_at: Timestamp,
}

impl Store {
    /// Writes a new session.
    pub fn add_session(
        &mut self,
        user_id: UserId,
        token_hash: &[u8; 32],
        user_agent: &str,
        now: Timestamp,
    ) -> Result<SessionId, StoreError> {
        self.insert(
            "INSERT INTO sessions (user_id, token_hash, user_agent, created_at, last_used_at)
             VALUES (?1, ?2, ?3, ?4, ?4)",
            (user_id.0, token_hash, user_agent, now.0),
        )
        .map(SessionId)
    }

    /// The session that a token leads to, expired or not.
    pub fn session_by_token(&self, hash: &[u8; 32]) -> Result<Option<SessionRow>, StoreError> {
        self.one(
            "SELECT id, user_id, last_used_at FROM sessions WHERE token_hash = ?1",
            [hash],
            session_row,
        )
    }

    /// The session of this id, expired or not.
    pub fn session(&self, id: SessionId) -> Result<Option<SessionRow>, StoreError> {
        self.one(
            "SELECT id, user_id, last_used_at FROM sessions WHERE id = ?1",
            [id.0],
            session_row,
        )
    }

    /// A user's sessions, expired or not, the oldest first. Which of them asks is not known here.
    pub fn sessions(&self, user_id: UserId) -> Result<Vec<Session>, StoreError> {
        self.all(
            "SELECT id, created_at, last_used_at, user_agent FROM sessions
             WHERE user_id = ?1 ORDER BY id",
            [user_id.0],
            |row| {
                Ok(Session {
                    id: SessionId(row.get(0)?),
                    created_at: Timestamp(row.get(1)?),
                    last_used_at: Timestamp(row.get(2)?),
                    user_agent: row.get(3)?,
                    current: false,
                })
            },
        )
    }

    /// Ends a session.
    pub fn remove_session(&mut self, id: SessionId) -> Result<(), StoreError> {
        self.write("DELETE FROM sessions WHERE id = ?1", [id.0]).map(drop)
    }

    /// Looks at the next sessions after `after`, and removes those that were not used after
    /// `used_up_to`. Returns where to go on; `None` at the end.
    pub fn remove_expired_sessions(
        &mut self,
        after: SessionId,
        used_up_to: Timestamp,
        count: usize,
    ) -> Result<Option<SessionId>, StoreError> {
        let looked_at = self.all(
            "SELECT id, user_id, last_used_at FROM sessions WHERE id > ?1 ORDER BY id LIMIT ?2",
            (after.0, sql_integer(count)),
            session_row,
        )?;
        for session in looked_at.iter().filter(|session| session.last_used_at <= used_up_to) {
            self.remove_session(session.id)?;
        }
        Ok(looked_at.last().filter(|_| looked_at.len() == count).map(|session| session.id))
    }

    /// Notes when a session was last used.
    pub fn set_last_used(&mut self, id: SessionId, at: Timestamp) -> Result<(), StoreError> {
        self.write("UPDATE sessions SET last_used_at = ?2 WHERE id = ?1", (id.0, at.0)).map(drop)
    }
}

fn session_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<SessionRow> {
    Ok(SessionRow {
        id: SessionId(row.get(0)?),
        user_id: UserId(row.get(1)?),
        last_used_at: Timestamp(row.get(2)?),
    })
}
