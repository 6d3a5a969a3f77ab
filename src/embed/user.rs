//! Defines the handle of a running server, and of a user who lives in its process.

use std::sync::Arc;

use super::events::Events;
use super::mailbox::{Asks, Mailbox, Pending};
use crate::data::HistoryPage;
use crate::entity::{
    Conversation, ConversationId, Friend, Message, MessageBody, MessageId, Nonce, Title, User,
    UserId, UserName,
};
use crate::logic::{Call, Reply};

/// A running server, as any thread may hold it.
#[derive(Clone, Debug)]
pub struct Handle(Mailbox);

impl Handle {
    pub(super) fn new(mailbox: Mailbox) -> Self {
        Self(mailbox)
    }

    /// The user of this name, to act as: a program that holds the database may be anybody in it. If
    /// there is no such account, one is made, with a password that nobody knows.
    pub fn user(&self, name: &str) -> Pending<LocalUser> {
        let mailbox = self.0.clone();
        match UserName::parse(name) {
            Ok(name) => self.0.ask(Asks::User(name), |reply| match reply {
                Reply::Me(user) => LocalUser { user, mailbox },
                other => unreachable!("a user, not {other:?}"),
            }),
            Err(error) => self.0.refuse(error.into()),
        }
    }

    /// Stops the server as SIGTERM would: whoever waits is answered, and told when to come back.
    /// Asking again changes nothing.
    pub fn stop(&self) {
        self.0.stop();
    }
}

/// A user who lives in the process of the server: a sensor, a bot, a bridge to somewhere else.
///
/// Whatever is asked is done in the next turn of the server, together with what came over the
/// network, by the same rules except the rate limits. Each answer comes once what it tells of is on
/// the disk.
#[derive(Clone, Debug)]
pub struct LocalUser {
    user: User,
    mailbox: Mailbox,
}

/// Everything that a user sees, as it was at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct State {
    /// Friends, requests and blocks.
    pub friends: Vec<Friend>,
    /// The one with the newest message first.
    pub conversations: Vec<Conversation>,
    /// The place in the user's events at which all this was true, for [`LocalUser::events_after`].
    pub cursor: String,
}

/// A part of what was said in a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct History {
    /// Oldest first.
    pub messages: Vec<Message>,
    /// Whether there are more in the direction that was asked for.
    pub more: bool,
}

impl LocalUser {
    /// Who it is.
    pub fn id(&self) -> UserId {
        self.user.id
    }

    /// The name of the account.
    pub fn name(&self) -> &str {
        &self.user.name
    }

    /// Says something. The answer comes once it is on the disk.
    pub fn send(&self, to: ConversationId, body: &str) -> Pending<Arc<Message>> {
        self.send_marked(to, body, None)
    }

    /// The same with a mark of the caller's own, at most 64 characters: whoever does not know
    /// whether a message was sent sends it again with the same mark, and it is there only once.
    pub fn send_once(&self, to: ConversationId, body: &str, nonce: &str) -> Pending<Arc<Message>> {
        match Nonce::parse(nonce) {
            Ok(nonce) => self.send_marked(to, body, Some(nonce)),
            Err(error) => self.mailbox.refuse(error.into()),
        }
    }

    fn send_marked(
        &self,
        conversation_id: ConversationId,
        body: &str,
        nonce: Option<Nonce>,
    ) -> Pending<Arc<Message>> {
        let body = match MessageBody::parse(body) {
            Ok(body) => body,
            Err(error) => return self.mailbox.refuse(error.into()),
        };
        self.call(Call::Send { conversation_id, body, nonce }, message)
    }

    /// Says something else instead of a message that it sent.
    pub fn edit(&self, message_id: MessageId, body: &str) -> Pending<Arc<Message>> {
        match MessageBody::parse(body) {
            Ok(body) => self.call(Call::EditMessage { message_id, body }, message),
            Err(error) => self.mailbox.refuse(error.into()),
        }
    }

    /// Takes back a message that it sent.
    pub fn delete(&self, message_id: MessageId) -> Pending<Arc<Message>> {
        self.call(Call::DeleteMessage { message_id }, message)
    }

    /// Begins a conversation with some friends, as its owner.
    pub fn create_group(&self, title: &str, members: &[UserId]) -> Pending<Conversation> {
        let title = match Title::parse(title) {
            Ok(title) => title,
            Err(error) => return self.mailbox.refuse(error.into()),
        };
        self.call(Call::CreateGroup { title, member_ids: members.to_vec() }, |reply| match reply {
            Reply::Conversation { conversation, .. } => *conversation,
            other => unreachable!("a conversation, not {other:?}"),
        })
    }

    /// Asks somebody to be a friend, or agrees if they have asked. Only friends may write to each
    /// other; their conversation is in the answer.
    pub fn befriend(&self, name: &str) -> Pending<Friend> {
        self.call(Call::AskFriend { name: name.to_owned() }, |reply| match reply {
            Reply::Friend { friend, .. } => friend,
            other => unreachable!("a friend, not {other:?}"),
        })
    }

    /// Friends, conversations, and the place in the events at which to go on.
    pub fn state(&self) -> Pending<State> {
        self.call(Call::State, |reply| match reply {
            Reply::State { friends, conversations, cursor, .. } => {
                State { friends, conversations, cursor }
            }
            other => unreachable!("a state, not {other:?}"),
        })
    }

    /// The newest messages of a conversation.
    pub fn history(&self, of: ConversationId, limit: usize) -> Pending<History> {
        self.read_history(of, HistoryPage::Newest, limit)
    }

    /// The newest messages before one of them.
    pub fn history_before(
        &self,
        of: ConversationId,
        message_id: MessageId,
        limit: usize,
    ) -> Pending<History> {
        self.read_history(of, HistoryPage::Before(message_id), limit)
    }

    fn read_history(
        &self,
        conversation_id: ConversationId,
        page: HistoryPage,
        limit: usize,
    ) -> Pending<History> {
        self.call(Call::History { conversation_id, page, limit }, |reply| match reply {
            Reply::History { messages, more } => History { messages, more },
            other => unreachable!("a history, not {other:?}"),
        })
    }

    /// Has read everything up to a message.
    pub fn mark_read(&self, of: ConversationId, message_id: MessageId) -> Pending<()> {
        self.call(Call::MarkRead { conversation_id: of, message_id }, done)
    }

    /// Lets the others see that something is being written.
    pub fn is_typing(&self, to: ConversationId) -> Pending<()> {
        self.call(Call::Type { conversation_id: to }, done)
    }

    /// What happens from now on. While somebody waits for it, the user is online.
    pub fn events(&self) -> Events {
        Events::begin(self.clone(), None)
    }

    /// What happened after a place in the events, and what happens from then on. A place that is
    /// too far back, or from before a restart, begins with [`Event::Reset`](crate::Event::Reset).
    pub fn events_after(&self, cursor: &str) -> Events {
        Events::begin(self.clone(), Some(cursor.to_owned()))
    }

    pub(super) fn call<T: Send + 'static>(
        &self,
        call: Call,
        read: impl FnOnce(Reply) -> T + Send + 'static,
    ) -> Pending<T> {
        self.mailbox.ask(Asks::Call(self.user.id, call), read)
    }
}

fn message(reply: Reply) -> Arc<Message> {
    match reply {
        Reply::Message { message, .. } => message,
        other => unreachable!("a message, not {other:?}"),
    }
}

fn done(_: Reply) {}
