//! Describes what is pushed to a user.
//!
//! Messages and their changes are stored, and found again by number. All other events only say that
//! something is different now; of several about the same subject only the newest is needed.

use std::sync::Arc;

use super::{
    Conversation, ConversationId, Friend, LastSeen, Message, MessageId, Timestamp, User, UserId,
};

/// Something that a user's clients should know. The large kinds are behind pointers, since many of
/// the small ones may wait in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// Presence, friends, groups and marks must be loaded anew; messages follow by themselves.
    Reset,
    /// Somebody said something (perhaps the user, in another tab).
    Message(Arc<Message>),
    /// A message was edited or deleted.
    MessageUpdated(Arc<Message>),
    /// Everything up to a message has reached a client of a member.
    Delivered {
        /// Where.
        conversation_id: ConversationId,
        /// Who.
        user_id: UserId,
        /// The newest that did.
        message_id: MessageId,
    },
    /// A member has read up to a message.
    Read {
        /// Where.
        conversation_id: ConversationId,
        /// Who.
        user_id: UserId,
        /// The newest that was read.
        message_id: MessageId,
    },
    /// A member is writing something.
    Typing {
        /// Where.
        conversation_id: ConversationId,
        /// Who.
        user_id: UserId,
    },
    /// A friend came or went.
    Presence {
        /// Who.
        user_id: UserId,
        /// There or gone, and since when.
        last_seen: LastSeen,
    },
    /// A friendship or a request is new or has changed.
    Friend(Box<Friend>),
    /// A friendship or a request has ended.
    FriendRemoved(UserId),
    /// A conversation is new or has changed.
    Conversation(Box<Conversation>),
    /// The user is no longer in a conversation.
    ConversationRemoved(ConversationId),
    /// Somebody the user knows has changed their name.
    UserUpdated(Box<User>),
}

/// What an event is about. A newer event about the same subject replaces an older one, unless that
/// says that the user has left a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// How far messages have reached a member.
    Delivered(ConversationId, UserId),
    /// How far a member has read.
    Read(ConversationId, UserId),
    /// Whether a member is writing.
    Typing(ConversationId, UserId),
    /// Whether a user is online.
    Presence(UserId),
    /// What a user is to whoever is told.
    Friend(UserId),
    /// What a conversation is like.
    Conversation(ConversationId),
    /// What a user is called.
    User(UserId),
}

impl Event {
    /// What clients call it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Reset => "reset",
            Self::Message(_) => "message",
            Self::MessageUpdated(_) => "message_updated",
            Self::Delivered { .. } => "delivered",
            Self::Read { .. } => "read",
            Self::Typing { .. } => "typing",
            Self::Presence { .. } => "presence",
            Self::Friend(_) => "friend",
            Self::FriendRemoved(_) => "friend_removed",
            Self::Conversation(_) => "conversation",
            Self::ConversationRemoved(_) => "conversation_removed",
            Self::UserUpdated(_) => "user_updated",
        }
    }

    /// The subject of an event that is stored nowhere; `None` for those the cursor finds again.
    pub fn subject(&self) -> Option<Subject> {
        Some(match self {
            Self::Reset | Self::Message(_) | Self::MessageUpdated(_) => return None,
            Self::Delivered { conversation_id, user_id, .. } => {
                Subject::Delivered(*conversation_id, *user_id)
            }
            Self::Read { conversation_id, user_id, .. } => {
                Subject::Read(*conversation_id, *user_id)
            }
            Self::Typing { conversation_id, user_id } => {
                Subject::Typing(*conversation_id, *user_id)
            }
            Self::Presence { user_id, .. } => Subject::Presence(*user_id),
            Self::Friend(friend) => Subject::Friend(friend.user.id),
            Self::FriendRemoved(user_id) => Subject::Friend(*user_id),
            Self::Conversation(conversation) => Subject::Conversation(conversation.id),
            Self::ConversationRemoved(id) => Subject::Conversation(*id),
            Self::UserUpdated(user) => Subject::User(user.id),
        })
    }
}

impl Subject {
    /// The conversation that it is about.
    pub fn conversation(self) -> Option<ConversationId> {
        match self {
            Self::Delivered(id, _)
            | Self::Read(id, _)
            | Self::Typing(id, _)
            | Self::Conversation(id) => Some(id),
            Self::Presence(_) | Self::Friend(_) | Self::User(_) => None,
        }
    }
}

impl LastSeen {
    /// Online at this moment.
    pub fn online(at: Timestamp) -> Self {
        Self { online: true, at: Some(at) }
    }
}
