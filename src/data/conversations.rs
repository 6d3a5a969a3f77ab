//! Queries about conversations and who takes part in them. Knows nothing of who may ask.

use super::people::user;
use super::{Store, StoreError};
use crate::entity::{ConversationId, Kind, Member, MessageId, Role, Timestamp, UserId};

/// A user's place in one conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberRow {
    /// Which conversation.
    pub conversation_id: ConversationId,
    /// Direct or group.
    pub kind: Kind,
    /// A group's title.
    pub title: Option<String>,
    /// The member sees what came after this message.
    pub after_id: MessageId,
    /// The newest message the member has read.
    pub read_id: MessageId,
}

/// A member's place in a conversation, as far as it decides what they may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seat {
    /// Whose.
    pub user_id: UserId,
    /// What they may do.
    pub role: Role,
    /// They see what came after this number.
    pub after_id: MessageId,
    /// Whether they have ever said something here; noted only in groups.
    pub has_said: bool,
}

/// The query for [`MemberRow`]s, with its condition.
macro_rules! member_rows_where {
    ($condition:literal) => {
        concat!(
            "SELECT c.id, c.kind = 'group', c.title, m.after_id, m.read_id
             FROM members AS m JOIN conversations AS c ON c.id = m.conversation_id WHERE ",
            $condition
        )
    };
}

impl Store {
    /// The direct conversation of two users, if they have one.
    pub fn direct_conversation(
        &self,
        one: UserId,
        other: UserId,
    ) -> Result<Option<ConversationId>, StoreError> {
        self.one(
            "SELECT id FROM conversations WHERE low_user_id = ?1 AND high_user_id = ?2",
            (one.min(other).0, one.max(other).0),
            |row| row.get(0).map(ConversationId),
        )
    }

    /// Begins the direct conversation of two users.
    pub fn add_direct_conversation(
        &mut self,
        one: UserId,
        other: UserId,
        now: Timestamp,
    ) -> Result<ConversationId, StoreError> {
        let id = self.insert(
            "INSERT INTO conversations (kind, low_user_id, high_user_id, created_at)
             VALUES ('direct', ?1, ?2, ?3)",
            (one.min(other).0, one.max(other).0, now.0),
        )?;
        for (place, user_id) in [(1, one.min(other)), (2, one.max(other))] {
            self.write(
                "INSERT INTO members (conversation_id, user_id, role, after_id, place)
                 VALUES (?1, ?2, 'member', 0, ?3)",
                (id, user_id.0, place),
            )?;
        }
        Ok(ConversationId(id))
    }

    /// A user's place in a conversation; `None` for those who are not members.
    pub fn membership(
        &self,
        conversation_id: ConversationId,
        user_id: UserId,
    ) -> Result<Option<MemberRow>, StoreError> {
        self.one(
            member_rows_where!("m.conversation_id = ?1 AND m.user_id = ?2"),
            (conversation_id.0, user_id.0),
            member_row,
        )
    }

    /// A user's place in each of their conversations.
    pub fn memberships(&self, user_id: UserId) -> Result<Vec<MemberRow>, StoreError> {
        self.all(member_rows_where!("m.user_id = ?1"), [user_id.0], member_row)
    }

    /// Whether a conversation is direct or a group, if it exists.
    pub fn conversation_kind(&self, id: ConversationId) -> Result<Option<Kind>, StoreError> {
        self.one("SELECT kind = 'group' FROM conversations WHERE id = ?1", [id.0], |row| {
            Ok(if row.get(0)? { Kind::Group } else { Kind::Direct })
        })
    }

    /// The members of a conversation, the longest-standing first.
    pub fn seats(&self, id: ConversationId) -> Result<Vec<Seat>, StoreError> {
        self.all(
            "SELECT user_id, role = 'owner', after_id, has_said FROM members
             WHERE conversation_id = ?1 ORDER BY place",
            [id.0],
            |row| {
                Ok(Seat {
                    user_id: UserId(row.get(0)?),
                    role: role(row.get(1)?),
                    after_id: MessageId(row.get(2)?),
                    has_said: row.get(3)?,
                })
            },
        )
    }

    /// The same, with all that members may know of each other.
    pub fn members(&self, conversation_id: ConversationId) -> Result<Vec<Member>, StoreError> {
        self.all(
            "SELECT u.id, u.name, u.display_name, u.deleted_at IS NOT NULL,
                    m.role = 'owner', m.read_id, m.delivered_id
             FROM members AS m JOIN users AS u ON u.id = m.user_id
             WHERE m.conversation_id = ?1 ORDER BY m.place",
            [conversation_id.0],
            |row| {
                Ok(Member {
                    user: user(row, 0)?,
                    role: role(row.get(4)?),
                    last_read_id: MessageId(row.get(5)?),
                    last_delivered_id: MessageId(row.get(6)?),
                })
            },
        )
    }

    /// Notes that a message has reached a member. Marks never go back.
    pub fn set_delivered(
        &mut self,
        conversation_id: ConversationId,
        user_id: UserId,
        message_id: MessageId,
    ) -> Result<(), StoreError> {
        self.write(
            "UPDATE members SET delivered_id = ?3
             WHERE conversation_id = ?1 AND user_id = ?2 AND delivered_id < ?3",
            (conversation_id.0, user_id.0, message_id.0),
        )
        .map(drop)
    }

    /// Notes that up to this message the marks include what follows from sending.
    pub fn set_marked(&mut self, newest: MessageId) -> Result<(), StoreError> {
        self.write("UPDATE identity SET marked_id = ?1 WHERE marked_id <> ?1", [newest.0]).map(drop)
    }

    /// Moves the marks of all who have said something since they were last complete.
    pub(super) fn mark_own_messages_read(&mut self) -> Result<(), StoreError> {
        self.write(
            "UPDATE members
             SET read_id = own.newest_id, delivered_id = max(delivered_id, own.newest_id)
             FROM (SELECT conversation_id, sender_id, max(id) AS newest_id FROM messages
                   WHERE id > (SELECT marked_id FROM identity) AND changes IS NULL
                   GROUP BY conversation_id, sender_id) AS own
             WHERE members.conversation_id = own.conversation_id
                   AND members.user_id = own.sender_id AND members.read_id < own.newest_id",
            [],
        )
        .map(drop)
    }

    /// Notes that a member has read, and so received, everything up to a message. Marks never go
    /// back; the answer says whether this one moved.
    pub fn set_read(
        &mut self,
        conversation_id: ConversationId,
        user_id: UserId,
        message_id: MessageId,
    ) -> Result<bool, StoreError> {
        let moved = self.write(
            "UPDATE members SET read_id = ?3, delivered_id = max(delivered_id, ?3)
             WHERE conversation_id = ?1 AND user_id = ?2 AND read_id < ?3",
            (conversation_id.0, user_id.0, message_id.0),
        )?;
        Ok(moved > 0)
    }
}

fn role(is_owner: bool) -> Role {
    if is_owner { Role::Owner } else { Role::Member }
}

fn member_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<MemberRow> {
    Ok(MemberRow {
        conversation_id: ConversationId(row.get(0)?),
        kind: if row.get(1)? { Kind::Group } else { Kind::Direct },
        title: row.get(2)?,
        after_id: MessageId(row.get(3)?),
        read_id: MessageId(row.get(4)?),
    })
}
