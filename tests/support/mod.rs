//! Plays the network and the time for the real server: fake connections, a fake clock, a real
//! database in a folder of its own. Everything that happens is what the test says, in its order.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]

pub mod openapi;
mod request;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use lovejoy::chat::Chat;
use lovejoy::comet::ConnectionId;
use lovejoy::config::Config;
use lovejoy::connection::Then;
use lovejoy::data::Store;
use lovejoy::entity::Timestamp;
use lovejoy::http::Pages;
use lovejoy::server::{Input, Output, Outputs, Server};
use lovejoy::system::{Entropy, Mono, Now};
use serde_json::{Value, json};

pub use request::request;

/// A server, its network and its clock.
pub struct World {
    server: Option<Server<Chat>>,
    config: Rc<Config>,
    folder: PathBuf,
    now: Now,
    connections: u32,
    open: BTreeSet<ConnectionId>,
    outputs: Outputs,
    starts: u64,
}

/// A fake connection.
pub type Line = ConnectionId;

/// Somebody with an account and a token.
#[derive(Clone, Debug)]
pub struct Person {
    pub id: i64,
    pub token: String,
}

/// What a connection was sent.
#[derive(Clone, Debug)]
pub struct Answer {
    pub line: Line,
    pub status: u16,
    pub head: String,
    pub body: Value,
    pub then: Then,
}

impl Answer {
    /// The types of the events in it, each with what tells it from others of its kind.
    pub fn events(&self) -> Vec<String> {
        let events = self.body["events"].as_array().expect("an answer with events");
        events.iter().map(summary).collect()
    }

    pub fn cursor(&self) -> String {
        self.body["cursor"].as_str().expect("a cursor").to_owned()
    }

    pub fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or("")
    }

    /// The status, and the code where there is one.
    pub fn outcome(&self) -> (u16, &str) {
        (self.status, self.code())
    }

    /// The value of a field of its head.
    pub fn field(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(given, _)| given.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

/// `message "hello"`, `presence 2 online`, `reset`, ...
fn summary(event: &Value) -> String {
    let kind = event["type"].as_str().expect("a type");
    match kind {
        "message" | "message_updated" => format!("{kind} {}", event["message"]["body"]),
        "presence" => {
            let state = if event["online"] == true { "online" } else { "offline" };
            format!("{kind} {} {state}", event["user_id"])
        }
        "read" | "delivered" => format!("{kind} {} {}", event["user_id"], event["message_id"]),
        "friend" => {
            format!("{kind} {} {}", event["friend"]["user"]["name"], event["friend"]["state"])
        }
        "friend_removed" => format!("{kind} {}", event["user_id"]),
        "conversation" => format!("{kind} {}", event["conversation"]["id"]),
        "conversation_removed" => format!("{kind} {}", event["conversation_id"]),
        _ => kind.to_owned(),
    }
}

impl World {
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    /// A world whose server has other settings.
    pub fn with(change: impl FnOnce(&mut Config)) -> Self {
        static WORLDS: AtomicU32 = AtomicU32::new(0);
        let number = WORLDS.fetch_add(1, Ordering::Relaxed);
        let name = format!("lovejoy-world-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).expect("a folder for the database");
        let mut config = Config { password_iterations: 1, ..Config::default() };
        change(&mut config);
        let mut world = Self {
            server: None,
            config: Rc::new(config),
            folder,
            // Some moment that is no round number of anything.
            now: Now { mono: Mono(7_000_003), wall: Timestamp(1_700_000_000_123) },
            connections: 0,
            open: BTreeSet::new(),
            outputs: Outputs::default(),
            starts: 0,
        };
        world.start();
        world
    }

    /// The process ends without warning, and another is started on its database.
    pub fn restart(&mut self) {
        self.server = None;
        self.open.clear();
        self.start();
    }

    /// The same with other settings from then on.
    pub fn restart_with(&mut self, change: impl FnOnce(&mut Config)) {
        change(Rc::make_mut(&mut self.config));
        self.restart();
    }

    fn start(&mut self) {
        self.starts += 1;
        let path = self.folder.join("lovejoy.db");
        let store = Store::open(&path, self.config.durability, 42).expect("a database");
        let entropy = Entropy::seeded(self.starts);
        let config = Rc::clone(&self.config);
        let pages = Pages::embedded();
        let chat = Chat::new(Rc::clone(&config), store, pages, entropy, self.now);
        self.server = Some(Server::new(config, chat.expect("a chat")));
    }

    pub fn chat(&mut self) -> &mut Chat {
        self.server().handler()
    }

    pub fn server(&mut self) -> &mut Server<Chat> {
        self.server.as_mut().expect("it was started")
    }

    pub fn now(&self) -> Now {
        self.now
    }

    // What happens.

    pub fn connect(&mut self) -> Line {
        self.connect_from(IpAddr::V4(Ipv4Addr::LOCALHOST))
    }

    pub fn connect_from(&mut self, peer: IpAddr) -> Line {
        let line = ConnectionId(self.connections);
        self.connections += 1;
        self.open.insert(line);
        self.input(Input::Accepted { connection: line, peer });
        line
    }

    /// By the control socket.
    pub fn connect_operator(&mut self) -> Line {
        let line = ConnectionId(self.connections);
        self.connections += 1;
        self.open.insert(line);
        self.input(Input::AcceptedOperator { connection: line });
        line
    }

    pub fn send(&mut self, line: Line, bytes: &[u8]) {
        self.input(Input::Received { connection: line, bytes });
    }

    /// A request on a connection of its own, in this turn.
    pub fn ask(&mut self, method: &str, path: &str, token: &str, body: Option<&Value>) -> Line {
        let line = self.connect();
        self.send(line, request(method, path, token, body).as_bytes());
        line
    }

    /// A poll on a connection of its own, in this turn.
    pub fn poll(&mut self, person: &Person, cursor: &str, wait: u32) -> Line {
        let path = format!("/api/events?cursor={cursor}&wait={wait}");
        self.ask("GET", &path, &person.token, None)
    }

    /// Says something, in this turn.
    pub fn say(&mut self, person: &Person, conversation: i64, body: &str) -> Line {
        let path = format!("/api/conversations/{conversation}/messages");
        self.ask("POST", &path, &person.token, Some(&json!({ "body": body })))
    }

    /// The client's side of the connection is closed.
    pub fn half_close(&mut self, line: Line) {
        self.input(Input::Ended { connection: line });
    }

    /// The connection breaks.
    pub fn hang_up(&mut self, line: Line) {
        self.open.remove(&line);
        self.input(Input::Gone { connection: line });
    }

    pub fn input(&mut self, input: Input<'_>) {
        let server = self.server.as_mut().expect("it was started");
        server.handle(self.now, input, &mut self.outputs);
    }

    /// The turn ends. Everything that leaves, in its order.
    pub fn turn(&mut self) -> Vec<Answer> {
        self.input(Input::EndOfTurn);
        let outputs = std::mem::take(&mut self.outputs);
        let mut bytes: BTreeMap<Line, (Vec<u8>, Then)> = BTreeMap::new();
        let mut order = Vec::new();
        for output in &outputs.list {
            match output {
                Output::Write { connection, bytes: range, tail, then } => {
                    assert!(self.open.contains(connection), "a write to an open connection");
                    let entry = bytes.entry(*connection).or_insert_with(|| {
                        order.push(*connection);
                        (Vec::new(), *then)
                    });
                    entry.0.extend_from_slice(&outputs.bytes[range.clone()]);
                    entry.0.extend_from_slice(tail);
                    entry.1 = *then;
                    if *then == Then::Close {
                        self.open.remove(connection);
                        self.input(Input::Gone { connection: *connection });
                    }
                }
                Output::Close { connection } => {
                    assert!(self.open.remove(connection), "an open connection is closed");
                }
                Output::Pause { .. } | Output::Resume { .. } => {}
            }
        }
        self.input(Input::CarriedOut);
        order.into_iter().flat_map(|line| answers(line, &bytes[&line])).collect()
    }

    /// Turns, until the server wants no more of them at once.
    pub fn settle(&mut self) -> Vec<Answer> {
        let mut answers = self.turn();
        while self.server().next_deadline().is_some_and(|deadline| deadline <= self.now.mono) {
            answers.extend(self.turn());
        }
        answers
    }

    /// Time passes; the server is called whenever it wants to be.
    pub fn pass(&mut self, time: Duration) -> Vec<Answer> {
        let end = self.now.mono.plus(time);
        let mut answers = self.settle();
        while let Some(deadline) = self.server().next_deadline().filter(|at| *at <= end) {
            self.advance(deadline);
            answers.extend(self.settle());
        }
        self.advance(end);
        answers
    }

    /// Time passes, and the server is not called.
    pub fn stall(&mut self, time: Duration) {
        self.advance(self.now.mono.plus(time));
    }

    /// Somebody sets the clock on the wall, by so much.
    pub fn set_clock(&mut self, ms: i64) {
        self.now.wall = self.now.wall.plus_millis(ms);
    }

    fn advance(&mut self, to: Mono) {
        let ms = i64::try_from(to.since(self.now.mono).as_millis()).expect("a test is short");
        self.now = Now { mono: to.max(self.now.mono), wall: self.now.wall.plus_millis(ms) };
    }

    // What is needed again and again.

    /// A request whose answer is the only thing that is waited for; as described, whatever it is.
    pub fn call(&mut self, method: &str, path: &str, token: &str, body: Option<&Value>) -> Answer {
        let line = self.ask(method, path, token, body);
        let answers = self.settle();
        let answer = answers.into_iter().find(|answer| answer.line == line).expect("an answer");
        openapi::check(method, path, body, &answer).unwrap_or_else(|why| panic!("{why}"));
        answer
    }

    /// The same for bytes of any kind, from anywhere.
    pub fn exchange(&mut self, peer: IpAddr, bytes: &[u8]) -> Answer {
        let line = self.connect_from(peer);
        self.send(line, bytes);
        let answers = self.settle();
        answers.into_iter().find(|answer| answer.line == line).expect("an answer")
    }

    /// The same for a request from another address, in JSON where it has a body.
    pub fn call_from(
        &mut self,
        peer: IpAddr,
        method: &str,
        path: &str,
        token: &str,
        body: Option<&Value>,
    ) -> Answer {
        self.exchange(peer, request(method, path, token, body).as_bytes())
    }

    pub fn get(&mut self, path: &str, person: &Person) -> Answer {
        self.call("GET", path, &person.token, None)
    }

    pub fn put(&mut self, path: &str, person: &Person, body: &Value) -> Answer {
        self.call("PUT", path, &person.token, Some(body))
    }

    pub fn delete(&mut self, path: &str, person: &Person) -> Answer {
        self.call("DELETE", path, &person.token, None)
    }

    pub fn post(&mut self, path: &str, person: &Person, body: &Value) -> Answer {
        self.call("POST", path, &person.token, Some(body))
    }

    /// An account.
    pub fn register(&mut self, name: &str) -> Person {
        let body = json!({ "name": name, "password": "secret" });
        let answer = self.call("POST", "/api/users", "", Some(&body));
        assert_eq!(answer.status, 201, "{}", answer.body);
        person(&answer)
    }

    /// Another session.
    pub fn log_in(&mut self, name: &str) -> Person {
        let body = json!({ "name": name, "password": "secret" });
        let answer = self.call("POST", "/api/sessions", "", Some(&body));
        assert_eq!(answer.status, 201, "{}", answer.body);
        person(&answer)
    }

    /// Makes two people friends, and returns their conversation.
    pub fn befriend(&mut self, one: &Person, other: &Person) -> i64 {
        let me = self.get("/api/me", other);
        let name = me.body["user"]["name"].clone();
        self.post("/api/friends", one, &json!({ "name": name }));
        let path = format!("/api/friends/{}/accept", one.id);
        let answer = self.call("POST", &path, &other.token, None);
        answer.body["friend"]["conversation_id"].as_i64().expect("a conversation")
    }

    /// Begins a group, and returns its id.
    pub fn group(&mut self, owner: &Person, title: &str, others: &[&Person]) -> i64 {
        let ids: Vec<i64> = others.iter().map(|person| person.id).collect();
        let body = json!({ "title": title, "member_ids": ids });
        let answer = self.post("/api/conversations", owner, &body);
        assert_eq!(answer.status, 201, "{}", answer.body);
        answer.body["conversation"]["id"].as_i64().expect("an id")
    }

    pub fn patch(&mut self, path: &str, person: &Person, body: &Value) -> Answer {
        self.call("PATCH", path, &person.token, Some(body))
    }

    /// What a person is told after a cursor.
    pub fn events_after(&mut self, person: &Person, cursor: &str) -> Vec<String> {
        let line = self.poll(person, cursor, 0);
        let answers = self.settle();
        answers.into_iter().find(|answer| answer.line == line).expect("an answer").events()
    }

    /// The same, but for what follows from asking: who is there, and what has reached them.
    pub fn news_after(&mut self, person: &Person, cursor: &str) -> Vec<String> {
        let mut events = self.events_after(person, cursor);
        events.retain(|event| !event.starts_with("presence") && !event.starts_with("delivered"));
        events
    }

    /// The place behind everything that has happened.
    pub fn cursor(&mut self, person: &Person) -> String {
        self.get("/api/state", person).cursor()
    }

    /// Two friends, Anna and Ben, and their conversation.
    pub fn friends(&mut self) -> (Person, Person, i64) {
        let (anna, ben) = (self.register("anna"), self.register("ben"));
        let conversation = self.befriend(&anna, &ben);
        (anna, ben, conversation)
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.server = None;
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn person(answer: &Answer) -> Person {
    Person {
        id: answer.body["user"]["id"].as_i64().expect("an id"),
        token: answer.body["token"].as_str().expect("a token").to_owned(),
    }
}

/// Reads what a connection was sent in one turn: responses, or pieces of a stream, which have no
/// status.
fn answers(line: Line, (bytes, then): &(Vec<u8>, Then)) -> Vec<Answer> {
    let text = String::from_utf8(bytes.clone()).expect("responses in UTF-8");
    let mut rest = text.as_str();
    let mut answers = Vec::new();
    while !rest.is_empty() {
        let (head, behind) = match rest.strip_prefix("HTTP/1.1 ") {
            Some(_) => rest.split_once("\r\n\r\n").expect("a head"),
            None => ("", rest),
        };
        let (body, behind) = behind.split_at(body_length(head, behind));
        answers.push(answer(line, head, body, *then));
        rest = behind;
    }
    answers
}

/// How much of what comes behind a head is its body: all, unless the head says less. The answer to
/// HEAD says more than there is, and so does one that is cut.
fn body_length(head: &str, behind: &str) -> usize {
    match content_length(head) {
        Some(length) if length > behind.len() && behind.starts_with("HTTP/1.1 ") => 0,
        Some(length) => length.min(behind.len()),
        None if behind.starts_with("HTTP/1.1 ") => 0,
        None => behind.len(),
    }
}

fn content_length(head: &str) -> Option<usize> {
    let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
    length.map(|length| length.parse().expect("a length"))
}

fn answer(line: Line, head: &str, body: &str, then: Then) -> Answer {
    let status = if head.is_empty() { 0 } else { head[9..12].parse().expect("a status") };
    let body = if head.is_empty() || head.contains("Transfer-Encoding: chunked") {
        Value::String(dechunk(body))
    } else if (head.contains("/json") || head.contains("+json"))
        && !body.is_empty()
        && content_length(head) == Some(body.len())
    {
        serde_json::from_str(body).expect("a body in JSON")
    } else {
        Value::String(body.to_owned())
    };
    Answer { line, status, head: head.to_owned(), body, then }
}

/// Undoes the chunked coding; what ends the body shows as `<end>`.
fn dechunk(mut coded: &str) -> String {
    let mut text = String::new();
    while let Some((size, rest)) = coded.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).expect("a size");
        text += if size == 0 { "<end>" } else { &rest[..size] };
        coded = rest[size..].strip_prefix("\r\n").expect("the end of a chunk");
    }
    assert!(coded.is_empty(), "whole chunks: {coded}");
    text
}
