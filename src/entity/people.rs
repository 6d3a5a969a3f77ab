//! Describes users and what they are to each other.

use super::{ConversationId, SessionId, Timestamp, UserId};

/// An account as others may see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Never reused.
    pub id: UserId,
    /// The name to log in with; empty once the account is deleted.
    pub name: String,
    /// The name that is shown; empty once the account is deleted.
    pub display_name: String,
    /// A deleted account can still be referred to, since its messages stay.
    pub deleted: bool,
}

/// A login, as its user may see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Never reused.
    pub id: SessionId,
    /// When it began.
    pub created_at: Timestamp,
    /// As far as is known: a use shortly after another is not noted.
    pub last_used_at: Timestamp,
    /// What the client called itself.
    pub user_agent: String,
    /// Whether it is the session that asks.
    pub current: bool,
}

/// Whether a user is online, or when they last were.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastSeen {
    /// One of the user's polls is held, or was until a moment ago.
    pub online: bool,
    /// `None` for somebody who never was online.
    pub at: Option<Timestamp>,
}

/// What another user is to whoever asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FriendState {
    /// Both agreed: they may write to each other and see whether the other is online.
    Friends,
    /// The other asked and waits for an answer.
    Incoming,
    /// The asker waits for the other's answer.
    Outgoing,
    /// The asker wants to hear nothing of the other.
    Blocked,
}

/// One row of a user's list of friends, requests and blocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Friend {
    /// The other one.
    pub user: User,
    /// Known only of friends.
    pub last_seen: Option<LastSeen>,
    /// What the two are to each other.
    pub state: FriendState,
    /// Their direct conversation, if they have one (it outlives the friendship).
    pub conversation_id: Option<ConversationId>,
}
