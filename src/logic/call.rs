//! Lists what can be asked of the logic, and what it can answer. Knows neither paths nor JSON.

use std::fmt;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::orders::ListedAccount;
use crate::config::{Config, Registration};
use crate::data::{Found, HistoryPage};
use crate::entity::{
    Conversation, ConversationId, Cursor, CursorTag, DisplayName, Event, Friend, Message,
    MessageBody, MessageId, NamePrefix, Needle, Nonce, Password, Place, Session, SessionId,
    Timestamp, Title, User, UserId, UserName,
};

/// Somebody whose token was good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Who it is.
    pub user_id: UserId,
    /// By which login, or [`Caller::NO_SESSION`].
    pub session_id: SessionId,
}

impl Caller {
    /// For whoever runs the server, or is a part of its program: they have not logged in. No
    /// session has this number.
    pub const NO_SESSION: SessionId = SessionId(0);
}

/// Where a call comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The other side of the connection.
    pub address: IpAddr,
    /// Who it is, if a token was shown.
    pub caller: Option<Caller>,
}

/// Leads the answer to a call that takes longer back to whoever made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket(pub u32);

/// What somebody wants. All texts in it are valid.
#[derive(Debug)]
pub enum Call {
    /// What kind of server is this?
    Server,
    /// Make an account, and log in.
    Register(Box<SignUp>),
    /// Begin a session.
    LogIn(Box<Credentials>),
    /// End this session.
    LogOut,
    /// In which sessions am I signed in?
    Sessions,
    /// End that one.
    EndSession {
        /// One of the caller's.
        session_id: SessionId,
    },
    /// Who am I?
    Me,
    /// Show me as this.
    UpdateMe {
        /// As before, if it is missing.
        display_name: Option<DisplayName>,
    },
    /// Let me use another password from now on.
    ChangePassword(Box<PasswordChange>),
    /// Delete my account.
    DeleteMe {
        /// For proof.
        password: Typed,
    },
    /// Whose name is like this?
    FindUsers {
        /// Nobody's, if it is missing.
        prefix: Option<NamePrefix>,
        /// At most so many.
        limit: usize,
    },
    /// Friends, requests and blocks.
    Friends,
    /// Would that user be my friend?
    AskFriend {
        /// Not parsed either.
        name: String,
    },
    /// Yes.
    AcceptFriend {
        /// Whose request.
        user_id: UserId,
    },
    /// No, or not any more.
    RemoveFriend {
        /// Whose friendship or request.
        user_id: UserId,
    },
    /// I want to hear nothing of that user.
    Block {
        /// Who is not told.
        user_id: UserId,
    },
    /// I do not mind that user any more.
    Unblock {
        /// Who is not told either.
        user_id: UserId,
    },
    /// In which conversations am I?
    Conversations,
    /// Begin a group with me as its owner.
    CreateGroup {
        /// What it is called.
        title: Title,
        /// Who else is in it; repeated ones, and one's own, count once.
        member_ids: Vec<UserId>,
    },
    /// Call it something else.
    RenameGroup {
        /// Which.
        conversation_id: ConversationId,
        /// From now on.
        title: Title,
    },
    /// Take them in.
    AddMember {
        /// Where.
        conversation_id: ConversationId,
        /// Whom.
        user_id: UserId,
    },
    /// Remove them, or let me leave.
    RemoveMember {
        /// From where.
        conversation_id: ConversationId,
        /// Whom; oneself to leave.
        user_id: UserId,
    },
    /// What was said?
    History {
        /// Where.
        conversation_id: ConversationId,
        /// From where on.
        page: HistoryPage,
        /// At most so many.
        limit: usize,
    },
    /// Where was that said?
    Search {
        /// What; nothing is found by nothing.
        needle: Option<Needle>,
        /// Only before this message.
        before: MessageId,
        /// At most so many.
        limit: usize,
    },
    /// Say this.
    Send {
        /// Where.
        conversation_id: ConversationId,
        /// What.
        body: MessageBody,
        /// The sender's own name for it, so that sending again does not say it twice.
        nonce: Option<Nonce>,
    },
    /// Say this instead.
    EditMessage {
        /// Of what I said.
        message_id: MessageId,
        /// From now on.
        body: MessageBody,
    },
    /// I did not want to say that.
    DeleteMessage {
        /// Of what I said.
        message_id: MessageId,
    },
    /// I have read up to here.
    MarkRead {
        /// Where.
        conversation_id: ConversationId,
        /// The newest that was read.
        message_id: MessageId,
    },
    /// I am writing something.
    Type {
        /// Where.
        conversation_id: ConversationId,
    },
    /// Everything, as it is at this moment.
    State,
    /// I have got everything up to here.
    Acknowledge {
        /// The place after it.
        cursor: String,
    },
    /// What is new, or will be?
    Events {
        /// The place up to which everything is known; if it is missing, events begin now.
        cursor: Option<String>,
        /// How long to wait if there is nothing.
        wait: Duration,
        /// How to be told.
        manner: Manner,
    },
}

/// What somebody logs in with.
#[derive(Debug)]
pub struct Credentials {
    /// Not parsed: what is no name is nobody's, and answered like it.
    pub name: String,
    /// The same.
    pub password: Typed,
    /// What the client says it is.
    pub user_agent: String,
}

/// What somebody typed as the password they have; perhaps none can be so.
pub struct Typed(pub String);

impl fmt::Debug for Typed {
    /// Says nothing, as a [`Password`].
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Typed(…)")
    }
}

/// Another password.
#[derive(Debug)]
pub struct PasswordChange {
    /// The present one, for proof.
    pub current: Typed,
    /// The one from now on.
    pub new: Password,
}

/// An account that is wanted.
#[derive(Debug)]
pub struct SignUp {
    /// To log in with.
    pub name: UserName,
    /// To be shown.
    pub display_name: DisplayName,
    /// To prove oneself with.
    pub password: Password,
    /// The code that one was given, as typed.
    pub invite: Option<String>,
    /// What the client says it is.
    pub user_agent: String,
}

/// When and how a call is answered.
#[derive(Debug)]
pub enum Answer {
    /// With this, once the turn is committed.
    Now(Reply),
    /// By [`super::Logic::work`], under the call's ticket.
    Later,
    /// When there is news, or the time is over.
    Wait(Wait),
}

/// A poll.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait {
    /// Who asks.
    pub caller: Caller,
    /// What is known already.
    pub place: Place,
    /// How long to wait.
    pub wait: Duration,
    /// How to be told.
    pub manner: Manner,
}

/// How a client that waits is told what comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// Once: with the answer the poll is over.
    Poll,
    /// Again and again, by server-sent events.
    EventStream,
    /// Again and again, by lines of JSON.
    Lines,
    /// Once, and with a single message: as pages of 2013 were, by the facade.
    Keepline,
    /// Once, and not of events but of what the lab has seen.
    Watch,
}

impl Manner {
    /// Whether the answer goes on.
    pub fn is_stream(self) -> bool {
        matches!(self, Self::EventStream | Self::Lines)
    }
}

/// A good answer.
#[derive(Debug)]
pub enum Reply {
    /// It is done, and there is nothing to say.
    Done,
    /// What kind of server this is.
    Server(ServerInfo),
    /// A session has begun.
    SignedIn {
        /// Who it is.
        user: User,
        /// The secret that proves it from now on.
        token: String,
        /// When the token dies if it is not used.
        expires_at: Timestamp,
    },
    /// Some accounts, for the operator.
    Accounts {
        /// In the order in which they were made.
        accounts: Vec<ListedAccount>,
        /// Whether there are more.
        more: bool,
    },
    /// The operator has made an account.
    Account(User),
    /// One more person may make an account.
    Invited {
        /// With this.
        code: String,
        /// Until when.
        expires_at: Timestamp,
    },
    /// Who may make an account.
    Registration(Registration),
    /// The database holds still.
    Copying {
        /// For this copy.
        number: u64,
    },
    /// The caller's sessions, the oldest first.
    Sessions(Vec<Session>),
    /// The caller.
    Me(User),
    /// Some users.
    Users(Vec<User>),
    /// Friends, requests and blocks.
    Friends(Vec<Friend>),
    /// What two users are to each other now.
    Friend {
        /// As the caller sees it.
        friend: Friend,
        /// Whether this is the doing of this call.
        created: bool,
    },
    /// The caller's conversations, the one with the newest message first.
    Conversations(Vec<Conversation>),
    /// A group, as it is now.
    Conversation {
        /// As the caller sees it.
        conversation: Box<Conversation>,
        /// Whether the call has created it, or has added somebody.
        created: bool,
    },
    /// A page of a conversation.
    History {
        /// Oldest first.
        messages: Vec<Message>,
        /// Whether there are more in that direction.
        more: bool,
    },
    /// What a search has found.
    Found(Found),
    /// The message is on the disk.
    Message {
        /// As it is stored.
        message: Arc<Message>,
        /// `false` if it had been sent before, or was changed.
        created: bool,
    },
    /// Everything, as it is at this moment.
    State {
        /// The caller.
        user: User,
        /// Friends, requests and blocks.
        friends: Vec<Friend>,
        /// The caller's conversations.
        conversations: Vec<Conversation>,
        /// The place in the events at which all this was true.
        cursor: String,
    },
    /// What a poll brings back.
    Events {
        /// In order.
        batch: Batch,
        /// How many seconds it was willing to wait.
        wait_seconds: u32,
        /// How long the client should wait before it comes back; `None` if it may come back at
        /// once.
        retry: Option<Duration>,
        /// Whether the poll had to leave for a newer one of the same user.
        released: bool,
    },
}

/// Some events of one user, and the place after them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// In order, each with the place after it; empty if there was nothing.
    pub events: Vec<(Event, Cursor)>,
    /// The place after all of them.
    pub behind: Cursor,
    /// Whose places these are.
    pub tag: CursorTag,
    /// Whether there are already more.
    pub more: bool,
}

/// What a server says of itself: its settings, of which the web shows the public ones.
#[derive(Clone, Debug)]
pub struct ServerInfo {
    /// All of them.
    pub config: Rc<Config>,
    /// Who may make an account at this moment.
    pub registration: Registration,
}

/// An account that anybody may try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DemoAccount {
    /// Its name.
    pub name: &'static str,
    /// No secret.
    pub password: &'static str,
}
