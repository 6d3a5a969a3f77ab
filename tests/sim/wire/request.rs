//! What can be asked, and how it is written.

use std::fmt;
use std::rc::Rc;

use serde_json::{Value, json};

use super::shortened;
use crate::people::NAMES;

/// Something asked by a tab, from the moment it is sent until nobody cares for its answer.
#[derive(Clone, Debug)]
pub struct Request {
    /// Which tab asks.
    pub tab: usize,
    /// Whose tab it is.
    pub person: usize,
    /// The token it asks with; empty where none is needed.
    pub token: Rc<str>,
    pub what: What,
}

/// What can be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    Accept { user: i64 },
    Acknowledge { cursor: Rc<str> },
    AddMember { group: i64, user: i64 },
    AskFriend { name: &'static str },
    Block { user: i64 },
    ChangePassword { current: Rc<str>, new: Rc<str> },
    CreateGroup { title: String, members: Vec<i64> },
    Delete { message: i64 },
    DeleteAccount { password: Rc<str> },
    Edit { message: i64, body: String },
    History { conversation: i64 },
    LogIn { name: &'static str, password: Rc<str> },
    LogOut,
    Me,
    Poll(Poll),
    Read { conversation: i64, message: i64 },
    Register { name: &'static str, password: Rc<str> },
    RemoveMember { group: i64, user: i64 },
    Rename { group: i64, title: String },
    Send { conversation: i64, body: String, nonce: Option<String> },
    ShowAs { display_name: String },
    State,
    Type { conversation: i64 },
    Unblock { user: i64 },
    Unfriend { user: i64 },
}

/// A question for events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Poll {
    pub cursor: Option<Rc<str>>,
    /// In seconds, where it says.
    pub wait: Option<u64>,
    pub manner: Manner,
    /// Where an `EventSource` began: its URL stays as it was.
    pub began_behind: Option<Rc<str>>,
    /// It only looks whether the same question gets the same answer: the tab does not go on from it.
    pub is_probe: bool,
    /// In HTTP/1.0, whose streams end with the connection, even if the client wants to keep it.
    pub is_old: bool,
}

/// How the answer comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// Once, and whole.
    Poll,
    /// Piece by piece: server-sent events, or lines.
    EventStream,
    Lines,
}

impl Manner {
    pub fn is_stream(self) -> bool {
        self != Self::Poll
    }

    pub(super) fn media_type(self) -> &'static str {
        match self {
            Self::Poll => "application/json",
            Self::EventStream => "text/event-stream",
            Self::Lines => "application/x-ndjson",
        }
    }
}

impl Poll {
    /// One whose answer nobody goes on from.
    pub fn probe(cursor: Option<Rc<str>>, wait: u64) -> Self {
        let (wait, manner) = (Some(wait), Manner::Poll);
        Self { cursor, wait, manner, began_behind: None, is_probe: true, is_old: false }
    }

    /// How long the contract says it is held, in microseconds.
    pub fn wait_micros(&self) -> u64 {
        self.wait.unwrap_or(25).min(60) * 1_000_000
    }
}

impl Request {
    /// Whether its answer may take some turns: a password is hashed.
    pub fn is_slow(&self) -> bool {
        let proves = matches!(self.what, What::ChangePassword { .. } | What::DeleteAccount { .. });
        proves || self.is_login()
    }

    /// Whether it has no token yet.
    pub fn is_login(&self) -> bool {
        matches!(self.what, What::Register { .. } | What::LogIn { .. })
    }

    /// Whether it is about another name than its person's.
    pub fn is_for_another(&self) -> bool {
        match self.what {
            What::Register { name, .. } | What::LogIn { name, .. } => name != NAMES[self.person],
            _ => false,
        }
    }

    pub fn poll(&self) -> Option<&Poll> {
        if let What::Poll(poll) = &self.what { Some(poll) } else { None }
    }

    /// The bytes of the request.
    pub fn encode(&self) -> Vec<u8> {
        let (method, path, body) = self.parts();
        let is_old = self.poll().is_some_and(|poll| poll.is_old);
        let version = if is_old { "1.0\r\nConnection: keep-alive" } else { "1.1" };
        let mut text = format!("{method} {path} HTTP/{version}\r\nHost: sim\r\n");
        if !self.token.is_empty() {
            text = text + "Authorization: Bearer " + &self.token + "\r\n";
        }
        if let Some(Poll { manner, cursor, .. }) = self.poll()
            && manner.is_stream()
        {
            text = text + "Accept: " + manner.media_type() + "\r\n";
            if let (Manner::EventStream, Some(cursor)) = (manner, cursor) {
                text = text + "Last-Event-ID: " + cursor + "\r\n";
            }
        }
        let content = match body.map(|body| body.to_string()) {
            Some(body) => format!("Content-Length: {}\r\n\r\n{body}", body.len()),
            None => "\r\n".to_owned(),
        };
        (text + &content).into_bytes()
    }

    fn parts(&self) -> (&'static str, String, Option<Value>) {
        let secret = |name: &str, secret: &str| json!({ "name": name, "password": secret });
        match &self.what {
            What::Acknowledge { cursor } => {
                ("POST", "/api/events/ack".into(), Some(json!({ "cursor": &**cursor })))
            }
            What::Accept { user } => ("POST", format!("/api/friends/{user}/accept"), None),
            What::AskFriend { name } => {
                ("POST", "/api/friends".into(), Some(json!({ "name": name })))
            }
            What::AddMember { group, user } => {
                let path = format!("/api/conversations/{group}/members");
                ("POST", path, Some(json!({ "user_id": user })))
            }
            What::Block { user } => ("PUT", format!("/api/blocks/{user}"), None),
            What::ChangePassword { current, new } => {
                let body = json!({ "current": &**current, "new": &**new });
                ("PUT", "/api/me/password".into(), Some(body))
            }
            What::CreateGroup { title, members } => {
                let body = json!({ "title": title, "member_ids": members });
                ("POST", "/api/conversations".into(), Some(body))
            }
            What::Delete { message } => ("DELETE", format!("/api/messages/{message}"), None),
            What::DeleteAccount { password } => {
                ("POST", "/api/me/delete".into(), Some(json!({ "password": &**password })))
            }
            What::Edit { message, body } => {
                ("PATCH", format!("/api/messages/{message}"), Some(json!({ "body": body })))
            }
            What::RemoveMember { group, user } => {
                ("DELETE", format!("/api/conversations/{group}/members/{user}"), None)
            }
            What::Rename { group, title } => {
                ("PATCH", format!("/api/conversations/{group}"), Some(json!({ "title": title })))
            }
            What::History { conversation } => {
                ("GET", format!("/api/conversations/{conversation}/messages?limit=200"), None)
            }
            What::LogIn { name, password } => {
                ("POST", "/api/sessions".into(), Some(secret(name, password)))
            }
            What::LogOut => ("DELETE", "/api/sessions/current".into(), None),
            What::Me => ("GET", "/api/me".into(), None),
            What::Poll(Poll { cursor, wait, began_behind, .. }) => {
                let cursor = began_behind
                    .as_ref()
                    .or(cursor.as_ref())
                    .map(|cursor| format!("cursor={cursor}&"));
                let wait = wait.map(|wait| format!("wait={wait}"));
                let (cursor, wait) = (cursor.unwrap_or_default(), wait.unwrap_or_default());
                let path = format!("/api/events?{cursor}{wait}");
                ("GET", path, None)
            }
            What::Read { conversation, message } => {
                let path = format!("/api/conversations/{conversation}/read");
                ("PUT", path, Some(json!({ "message_id": message })))
            }
            What::Register { name, password } => {
                ("POST", "/api/users".into(), Some(secret(name, password)))
            }
            What::Send { conversation, body, nonce } => {
                let path = format!("/api/conversations/{conversation}/messages");
                ("POST", path, Some(json!({ "body": body, "nonce": nonce })))
            }
            What::ShowAs { display_name } => {
                ("PATCH", "/api/me".into(), Some(json!({ "display_name": display_name })))
            }
            What::State => ("GET", "/api/state".into(), None),
            What::Type { conversation } => {
                ("POST", format!("/api/conversations/{conversation}/typing"), None)
            }
            What::Unblock { user } => ("DELETE", format!("/api/blocks/{user}"), None),
            What::Unfriend { user } => ("DELETE", format!("/api/friends/{user}"), None),
        }
    }
}

impl fmt::Display for Request {
    /// For the trace.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (method, path, body) = self.parts();
        write!(f, "{method} {path}")?;
        match body {
            Some(body) => write!(f, " {}", shortened(&body.to_string())),
            None => Ok(()),
        }
    }
}
