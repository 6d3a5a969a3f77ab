//! Describes conversations and the messages in them.

use std::sync::Arc;

use super::{ConversationId, MessageId, Timestamp, User, UserId};

/// A chat message as stored; HTTP's messages are called requests and responses here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Grows in the order of commit, over the whole server.
    pub id: MessageId,
    /// Where it was said.
    pub conversation_id: ConversationId,
    /// Who said it.
    pub sender_id: UserId,
    /// What was said; empty once deleted.
    pub body: String,
    /// Never decreases from one id to the next, whatever the clock did.
    pub sent_at: Timestamp,
    /// When the text was last changed.
    pub edited_at: Option<Timestamp>,
    /// When it was taken back.
    pub deleted_at: Option<Timestamp>,
    /// The sender's own name for this message. Only the copies for the sender carry it.
    pub nonce: Option<String>,
}

impl Message {
    /// The copy that `viewer` may see: a nonce is between the sender and the server.
    #[must_use]
    pub fn seen_by(mut self, viewer: UserId) -> Self {
        if self.sender_id != viewer {
            self.nonce = None;
        }
        self
    }
}

/// Whether a conversation is between two friends or in a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Between exactly two.
    Direct,
    /// Between those whom its owners added.
    Group,
}

/// What a member may do in a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Adds, removes, renames.
    Owner,
    /// Reads and writes.
    Member,
}

/// Somebody who takes part in a conversation, and how far they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Who it is.
    pub user: User,
    /// What they may do.
    pub role: Role,
    /// The newest message they have read; 0 if there is none.
    pub last_read_id: MessageId,
    /// The newest message that reached one of their clients; 0 if there is none.
    pub last_delivered_id: MessageId,
}

/// A conversation as one of its members sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conversation {
    /// Never reused.
    pub id: ConversationId,
    /// Direct or group.
    pub kind: Kind,
    /// A group's title.
    pub title: Option<String>,
    /// Those who take part now, in the order of joining.
    pub members: Arc<[Member]>,
    /// Those who left messages behind.
    pub former_members: Arc<[User]>,
    /// The newest message that the member may see.
    pub last_message: Option<Message>,
    /// Others' undeleted messages that the member has not read.
    pub unread: u64,
}
