//! Queries about what users are to each other. Knows nothing of what follows from it.

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ValueRef};

use super::people::user;
use super::{Store, StoreError};
use crate::entity::{Timestamp, User, UserId};

/// What one user thinks of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stance {
    /// Would like to be friends.
    Asked,
    /// Is a friend.
    Friend,
    /// Wants to hear nothing.
    Blocked,
}

/// Two related users, as one of them sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relation {
    /// The other one.
    pub other: User,
    /// What the user thinks of the other.
    pub mine: Option<Stance>,
    /// What the other thinks of the user.
    pub theirs: Option<Stance>,
}

impl Stance {
    fn as_sql(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::Friend => "friend",
            Self::Blocked => "blocked",
        }
    }
}

impl FromSql for Stance {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        match value.as_str()? {
            "asked" => Ok(Self::Asked),
            "friend" => Ok(Self::Friend),
            "blocked" => Ok(Self::Blocked),
            _ => Err(FromSqlError::InvalidType),
        }
    }
}

impl Store {
    /// What `user` thinks of `other`, and `other` of `user`.
    pub fn stances(
        &self,
        user: UserId,
        other: UserId,
    ) -> Result<(Option<Stance>, Option<Stance>), StoreError> {
        let stance = |of: UserId, on: UserId| {
            self.one(
                "SELECT stance FROM relations WHERE user_id = ?1 AND other_id = ?2",
                (of.0, on.0),
                |row| row.get(0),
            )
        };
        Ok((stance(user, other)?, stance(other, user)?))
    }

    /// Sets what `user` thinks of `other`.
    pub fn set_stance(
        &mut self,
        user: UserId,
        other: UserId,
        stance: Stance,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.write(
            "INSERT INTO relations (user_id, other_id, stance, since_at) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT DO UPDATE SET stance = excluded.stance, since_at = excluded.since_at",
            (user.0, other.0, stance.as_sql(), now.0),
        )
        .map(drop)
    }

    /// `user` thinks nothing of `other` any more.
    pub fn clear_stance(&mut self, user: UserId, other: UserId) -> Result<(), StoreError> {
        self.write("DELETE FROM relations WHERE user_id = ?1 AND other_id = ?2", (user.0, other.0))
            .map(drop)
    }

    /// Ends all relations of a user.
    pub fn clear_relations(&mut self, user: UserId) -> Result<(), StoreError> {
        self.write("DELETE FROM relations WHERE user_id = ?1 OR other_id = ?1", [user.0]).map(drop)
    }

    /// Everybody to whom a user is related.
    pub fn relations(&self, user_id: UserId) -> Result<Vec<Relation>, StoreError> {
        self.all(
            "SELECT u.id, u.name, u.display_name, u.deleted_at IS NOT NULL, mine.stance, theirs.stance
             FROM (SELECT other_id AS id FROM relations WHERE user_id = ?1
                   UNION SELECT user_id FROM relations WHERE other_id = ?1) AS known
             JOIN users AS u ON u.id = known.id
             LEFT JOIN relations AS mine ON mine.user_id = ?1 AND mine.other_id = u.id
             LEFT JOIN relations AS theirs ON theirs.user_id = u.id AND theirs.other_id = ?1
             ORDER BY u.id",
            [user_id.0],
            |row| Ok(Relation { other: user(row, 0)?, mine: row.get(4)?, theirs: row.get(5)? }),
        )
    }

    /// The friends of a user.
    pub fn friend_ids(&self, user: UserId) -> Result<Vec<UserId>, StoreError> {
        self.all(
            "SELECT other_id FROM relations WHERE user_id = ?1 AND stance = 'friend'",
            [user.0],
            |row| row.get(0).map(UserId),
        )
    }
}
