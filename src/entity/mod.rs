//! Names the things that everything here is about: ids and times, texts, users, friends,
//! conversations, messages, events and cursors.
//!
//! Everything here is a value. Texts are parsed once, at the edge, and are known to be valid from
//! then on. No file here knows SQL, HTTP or JSON.

pub(crate) mod characters;
mod cursor;
mod event;
mod ids;
mod needle;
mod people;
mod talk;
mod text;

pub use cursor::{Cursor, CursorError, CursorTag, Place};
pub use event::{Event, Subject};
pub use ids::{ConversationId, MessageId, SessionId, Timestamp, UserId};
pub use needle::{Needle, each_gram};
pub use people::{Friend, FriendState, LastSeen, Session, User};
pub use talk::{Conversation, Kind, Member, Message, Role};
pub use text::{DisplayName, MessageBody, NamePrefix, Nonce, Password, TextError, Title, UserName};
