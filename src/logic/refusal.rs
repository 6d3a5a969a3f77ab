//! Names every way in which the logic can say no. Knows neither statuses nor codes: the web gives
//! each its own.

use std::fmt;
use std::time::Duration;

use crate::data::StoreError;

/// Why a call was refused. The web gives each its status and code; [`fmt::Display`] is the sentence
/// for people.
#[derive(Debug)]
#[non_exhaustive]
pub enum Refusal {
    /// Those two are friends already.
    AlreadyFriends,
    /// That user is in the group already.
    AlreadyMember,
    /// No such name, or not its password: which of the two is not told.
    BadCredentials,
    /// The cursor is not one of this user's.
    BadCursor,
    /// The caller has blocked that user.
    Blocked,
    /// Too many passwords are being checked.
    Busy {
        /// When to come back.
        retry: Duration,
    },
    /// One more would be too many for a group.
    GroupFull,
    /// The message has been deleted.
    MessageDeleted,
    /// Somebody else has the name.
    NameTaken {
        /// As wanted.
        name: String,
    },
    /// The nonce stands for another message already.
    NonceReused,
    /// There is nobody of that name.
    NoSuchUser,
    /// That user has not asked.
    NoSuchRequest,
    /// It does not exist, or the caller may not know of it.
    NotFound,
    /// A conversation of two has nothing to manage, and cannot be left.
    NotAGroup,
    /// Only an owner of the group may do this.
    NotOwner,
    /// Somebody else has said it.
    NotSender,
    /// Only friends may write to each other, or take each other into a group.
    NotFriends,
    /// Nobody is their own friend.
    Oneself,
    /// Nobody escapes themselves.
    BlockOneself,
    /// Too much in too short a time.
    RateLimited {
        /// When the next is allowed.
        retry: Duration,
    },
    /// New accounts are not made here.
    RegistrationClosed,
    /// More than can be in one group.
    TooManyMembers,
    /// No token, or one that is no longer good.
    Unauthorized,
    /// That is not the caller's password.
    WrongPassword,
    /// The store did not do it.
    Store(StoreError),
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AlreadyFriends => "You are friends already.",
            Self::AlreadyMember => "This user is in the group already.",
            Self::BadCredentials => "There is no account with this name and password.",
            Self::BadCursor => "This cursor is not one that this server has given to you.",
            Self::BlockOneself => "You cannot block yourself.",
            Self::Blocked => "You have blocked this user.",
            Self::Busy { .. } => "Too many people are signing in. Try again in a moment.",
            Self::GroupFull | Self::TooManyMembers => "A group cannot have so many members.",
            Self::MessageDeleted => "This message has been deleted.",
            Self::NameTaken { name } => return write!(f, "The name {name} is taken."),
            Self::NonceReused => "This nonce was used for another message.",
            Self::NoSuchUser => "There is no user of this name.",
            Self::NoSuchRequest => "This user has not asked to be your friend.",
            Self::NotFound => "There is nothing here.",
            Self::NotAGroup => "This conversation is no group.",
            Self::NotOwner => "Only the owner of the group may do this.",
            Self::NotSender => "Somebody else has said this.",
            Self::NotFriends => "You are not friends.",
            Self::Oneself => "You cannot be your own friend.",
            Self::RateLimited { .. } => "That was too often in too short a time. Try again later.",
            Self::RegistrationClosed => "This server makes no new accounts.",
            Self::Unauthorized => "You are not signed in, or no longer.",
            Self::WrongPassword => "This is not your password.",
            Self::Store(_) => "The server cannot write at the moment. Try again later.",
        })
    }
}
