//! Queries about groups: who comes, who goes, and what the group is called. Knows nothing of who
//! may do that.

use super::people::user;
use super::{Store, StoreError};
use crate::entity::{ConversationId, MessageId, Role, Timestamp, User, UserId};

/// Somebody who joins a group.
#[derive(Clone, Copy, Debug)]
pub struct NewMember {
    /// Where.
    pub conversation_id: ConversationId,
    /// Who.
    pub user_id: UserId,
    /// With which rights.
    pub role: Role,
    /// They see what comes after this number.
    pub after_id: MessageId,
    /// And have nothing to read before this message.
    pub read_id: MessageId,
}

impl Store {
    /// Begins a group, with nobody in it.
    pub fn add_group(&mut self, title: &str, now: Timestamp) -> Result<ConversationId, StoreError> {
        self.insert(
            "INSERT INTO conversations (kind, title, created_at) VALUES ('group', ?1, ?2)",
            (title, now.0),
        )
        .map(ConversationId)
    }

    /// Changes what a group is called.
    pub fn set_title(&mut self, id: ConversationId, title: &str) -> Result<(), StoreError> {
        self.write("UPDATE conversations SET title = ?2 WHERE id = ?1", (id.0, title)).map(drop)
    }

    /// Adds somebody who is not a member, after all others.
    pub fn add_member(&mut self, new: &NewMember) -> Result<(), StoreError> {
        let whose = (new.conversation_id.0, new.user_id.0);
        self.write(
            "INSERT INTO members (conversation_id, user_id, role, after_id, read_id, delivered_id,
                                  place, has_said)
             VALUES (?1, ?2, ?3, ?4, ?5, ?5,
                     (SELECT coalesce(max(place), 0) + 1 FROM members WHERE conversation_id = ?1),
                     EXISTS (SELECT 1 FROM former_members
                             WHERE conversation_id = ?1 AND user_id = ?2))",
            (whose.0, whose.1, role(new.role), new.after_id.0, new.read_id.0),
        )?;
        self.write("DELETE FROM former_members WHERE conversation_id = ?1 AND user_id = ?2", whose)
            .map(drop)
    }

    /// Somebody is no longer a member; whoever has said something remains as a former member.
    pub fn remove_member(&mut self, id: ConversationId, user: UserId) -> Result<(), StoreError> {
        let whose = (id.0, user.0);
        self.write(
            "INSERT INTO former_members (conversation_id, user_id)
             SELECT conversation_id, user_id FROM members
             WHERE conversation_id = ?1 AND user_id = ?2 AND has_said",
            whose,
        )?;
        self.write("DELETE FROM members WHERE conversation_id = ?1 AND user_id = ?2", whose)
            .map(drop)
    }

    /// Changes what a member may do.
    pub fn set_role(
        &mut self,
        id: ConversationId,
        user: UserId,
        new: Role,
    ) -> Result<(), StoreError> {
        self.write(
            "UPDATE members SET role = ?3 WHERE conversation_id = ?1 AND user_id = ?2",
            (id.0, user.0, role(new)),
        )
        .map(drop)
    }

    /// A member says something for the first time.
    pub fn set_has_said(&mut self, id: ConversationId, user: UserId) -> Result<(), StoreError> {
        self.write(
            "UPDATE members SET has_said = 1 WHERE conversation_id = ?1 AND user_id = ?2",
            (id.0, user.0),
        )
        .map(drop)
    }

    /// Those who are no longer members and have left messages behind.
    pub fn former_members(&self, id: ConversationId) -> Result<Vec<User>, StoreError> {
        self.all(
            "SELECT u.id, u.name, u.display_name, u.deleted_at IS NOT NULL
             FROM former_members AS f JOIN users AS u ON u.id = f.user_id
             WHERE f.conversation_id = ?1 ORDER BY u.id",
            [id.0],
            |row| user(row, 0),
        )
    }
}

fn role(role: Role) -> &'static str {
    match role {
        Role::Owner => "owner",
        Role::Member => "member",
    }
}
