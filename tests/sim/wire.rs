//! Writes requests and reads responses, as strictly as the contract allows.
//!
//! A second, small implementation of both sides' HTTP: it shares nothing with the server's, so that
//! the one checks the other.

mod stream;

use std::fmt;
use std::rc::Rc;

use serde_json::{Value, json};

pub use stream::{Frame, Piece};

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
    AddMember { group: i64, user: i64 },
    AskFriend { name: &'static str },
    CreateGroup { title: String, members: Vec<i64> },
    Delete { message: i64 },
    Edit { message: i64, body: String },
    History { conversation: i64 },
    LogIn { name: &'static str },
    LogOut,
    Me,
    Poll(Poll),
    Read { conversation: i64, message: i64 },
    Register { name: &'static str },
    RemoveMember { group: i64, user: i64 },
    Rename { group: i64, title: String },
    Send { conversation: i64, body: String, nonce: Option<String> },
    State,
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

    fn media_type(self) -> &'static str {
        match self {
            Self::Poll => "application/json",
            Self::EventStream => "text/event-stream",
            Self::Lines => "application/x-ndjson",
        }
    }
}

impl Poll {
    /// One whose answer nobody goes on from.
    pub fn probe(cursor: Rc<str>, wait: u64) -> Self {
        let (cursor, wait, manner) = (Some(cursor), Some(wait), Manner::Poll);
        Self { cursor, wait, manner, began_behind: None, is_probe: true }
    }

    /// How long the contract says it is held, in microseconds.
    pub fn wait_micros(&self) -> u64 {
        self.wait.unwrap_or(25).min(60) * 1_000_000
    }
}

impl Request {
    /// Whether its answer may take some turns: a password is hashed.
    pub fn is_slow(&self) -> bool {
        matches!(self.what, What::Register { .. } | What::LogIn { .. })
    }

    pub fn poll(&self) -> Option<&Poll> {
        if let What::Poll(poll) = &self.what { Some(poll) } else { None }
    }

    /// The bytes of the request.
    pub fn encode(&self) -> Vec<u8> {
        let (method, path, body) = self.parts();
        let mut text = format!("{method} {path} HTTP/1.1\r\nHost: sim\r\n");
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
        let secret = |name: &str| json!({ "name": name, "password": "secret" });
        match &self.what {
            What::Accept { user } => ("POST", format!("/api/friends/{user}/accept"), None),
            What::AskFriend { name } => {
                ("POST", "/api/friends".into(), Some(json!({ "name": name })))
            }
            What::AddMember { group, user } => {
                let path = format!("/api/conversations/{group}/members");
                ("POST", path, Some(json!({ "user_id": user })))
            }
            What::CreateGroup { title, members } => {
                let body = json!({ "title": title, "member_ids": members });
                ("POST", "/api/conversations".into(), Some(body))
            }
            What::Delete { message } => ("DELETE", format!("/api/messages/{message}"), None),
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
            What::LogIn { name } => ("POST", "/api/sessions".into(), Some(secret(name))),
            What::LogOut => ("DELETE", "/api/sessions/current".into(), None),
            What::Me => ("GET", "/api/me".into(), None),
            What::Poll(Poll { cursor, wait, began_behind, .. }) => {
                let cursor = began_behind.as_ref().or(cursor.as_ref()).map(|cursor| format!("cursor={cursor}&"));
                let wait = wait.map(|wait| format!("wait={wait}"));
                let (cursor, wait) = (cursor.unwrap_or_default(), wait.unwrap_or_default());
                let path = format!("/api/events?{cursor}{wait}");
                ("GET", path, None)
            }
            What::Read { conversation, message } => {
                let path = format!("/api/conversations/{conversation}/read");
                ("PUT", path, Some(json!({ "message_id": message })))
            }
            What::Register { name } => ("POST", "/api/users".into(), Some(secret(name))),
            What::Send { conversation, body, nonce } => {
                let path = format!("/api/conversations/{conversation}/messages");
                ("POST", path, Some(json!({ "body": body, "nonce": nonce })))
            }
            What::State => ("GET", "/api/state".into(), None),
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

/// A whole response.
#[derive(Clone, Debug, PartialEq)]
pub struct Response {
    pub status: u16,
    /// Whether it says that the connection ends with it.
    pub closes: bool,
    /// Its body comes in pieces, of which `body` is none.
    pub stream: Option<Manner>,
    pub body: Value,
}

impl Response {
    /// Reads the response at the front of `bytes`, and says how long it is. The server writes each
    /// as a whole, so that a part of one is a fault like any other. Of a stream it is the head.
    pub fn read(bytes: &[u8]) -> Result<(Self, usize), String> {
        let end = find(bytes, b"\r\n\r\n").ok_or("a response whose head does not end")? + 4;
        let head = str::from_utf8(&bytes[..end]).map_err(|_| "a head that is no text")?;
        let status = head.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3));
        let status: u16 = status.and_then(|text| text.parse().ok()).ok_or("no status line")?;
        let closes = field(head, "Connection").is_some_and(|value| value == "close");
        if field(head, "Cache-Control") != Some("no-store") {
            return Err("an answer that may be kept in a cache".into());
        }
        if field(head, "Transfer-Encoding") == Some("chunked") {
            let media_type = field(head, "Content-Type");
            let streams = [Manner::EventStream, Manner::Lines].into_iter();
            let mut stream = streams.filter(|manner| media_type == Some(manner.media_type()));
            let stream = Some(stream.next().ok_or("a stream of another kind")?);
            return Ok((Self { status, closes, stream, body: Value::Null }, end));
        }
        let length = match field(head, "Content-Length") {
            Some(length) => length.parse().map_err(|_| "a length that is no number")?,
            None if status == 204 => 0,
            None => return Err("a response without a length".into()),
        };
        let body = bytes.get(end..end + length).ok_or("a body that is shorter than it says")?;
        let is_json = field(head, "Content-Type").is_some_and(|value| value.contains("json"));
        let body = match (length, is_json) {
            (0, _) => Value::Null,
            (_, true) => serde_json::from_slice(body).map_err(|error| error.to_string())?,
            (_, false) => return Err("an answer of the web service that is no JSON".into()),
        };
        Ok((Self { status, closes, stream: None, body }, end + length))
    }

    /// What comes behind the last frame of a stream.
    pub fn stream_end(code: &str) -> Self {
        Self { status: 200, closes: false, stream: None, body: json!({ "code": code }) }
    }

    pub fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or("")
    }

    pub fn events(&self) -> &[Value] {
        self.body["events"].as_array().map_or(&[], Vec::as_slice)
    }
}

impl fmt::Display for Response {
    /// For the trace.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.status, shortened(&self.body.to_string()))
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = head.lines().skip(1).filter_map(|line| line.split_once(": "));
    lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

/// Long texts are mostly the padding of messages.
fn shortened(text: &str) -> String {
    let mut short = String::new();
    let (mut last, mut run) = (' ', 0);
    for c in text.chars() {
        run = if c == last { run + 1 } else { 0 };
        last = c;
        if run < 8 {
            short.push(c);
        }
    }
    short
}
