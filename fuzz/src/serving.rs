//! Feeds the whole server on fake connections with a fake clock, as the bytes say: with the chat
//! behind it, or with a handler that is quick and answers now, later, or holds.
//!
//! Most bytes are sent as they are, on the present one of three connections. Those that no UTF-8 has
//! are orders:
//!
//! | byte | order |
//! |---|---|
//! | `f8` `f9` `fa` | go on with connection 0, 1, 2 |
//! | `fb` | end the turn |
//! | `fc` | the client closes its side |
//! | `fd` | the connection breaks |
//! | `fe` *n* | *n* times 200 ms pass |
//! | `ff` | cut here: what follows is another piece |
//! | `f7` | the socket takes nothing from now on, or again |
//!
//! What must hold: nothing is written to a connection that is closed or whose last answer has been;
//! every complete request gets one answer, in order; in the end no connection is left.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;
use std::time::Duration;

use lovejoy::chat::Chat;
use lovejoy::comet::ConnectionId;
use lovejoy::config::Config;
use lovejoy::connection::Then;
use lovejoy::data::Store;
use lovejoy::entity::Timestamp;
use lovejoy::http::{Limits, Method, Pages, Reader, Step, Version};
use lovejoy::server::{Handler, Input, Output, Outputs, Server};
use lovejoy::system::{Entropy, Mono, Now};

use super::playful::Playful;

/// A script of bytes and orders, for a server without a chat.
pub fn server(data: &[u8]) {
    play(data, |_, _| Playful::new());
}

/// A script of bytes and orders, for the chat over an empty database.
pub fn chat(data: &[u8]) {
    play(data, |config, now| {
        let store = Store::in_memory().expect("a database");
        let chat = Chat::new(config, store, Pages::embedded(), Entropy::seeded(1), now);
        chat.expect("a chat")
    });
}

fn play<H: Handler>(data: &[u8], handler: impl FnOnce(Rc<Config>, Now) -> H) {
    let mut world = World::new(handler);
    let mut line = 0;
    let mut piece = Vec::new();
    let mut rest = data.iter();
    while let Some(&byte) = rest.next() {
        if byte < 0xf7 {
            piece.push(byte);
            continue;
        }
        world.send(line, &std::mem::take(&mut piece));
        match byte {
            0xf7 => world.toggle_full(line),
            0xf8..=0xfa => line = usize::from(byte - 0xf8),
            0xfb => world.turn(),
            0xfc => world.half_close(line),
            0xfd => world.hang_up(line),
            0xfe => world.pass(Duration::from_millis(200) * u32::from(*rest.next().unwrap_or(&1))),
            _ => {}
        }
    }
    world.send(line, &piece);
    world.settle();
    // One after the other, what is held comes to its end, before an idle connection does.
    let holds = world.lines.iter().map(|line| line.holds).max().unwrap_or(0);
    world.pass(HOLD_WITH_SLACK * holds.min(HOLDS_MAX));
    for line in 0..LINES {
        world.judge(line);
    }
    // Whatever is still there has waited long enough.
    world.pass(Duration::from_secs(600));
    assert_eq!(world.server.connections(), 0, "all connections have ended");
}

const LINES: usize = 3;

/// How long a request for `/hold` waits at most, and how many of them are waited for.
const HOLD_WITH_SLACK: Duration = Duration::from_millis(5_200);
const HOLDS_MAX: u32 = 12;

struct World<H> {
    server: Server<H>,
    limits: Limits,
    now: Now,
    lines: [Line; LINES],
    connections: u32,
    outputs: Outputs,
}

/// Whether a socket takes what is written.
#[derive(Clone, Copy, Default)]
enum Socket {
    #[default]
    Open,
    Full,
    /// Something waits in it, and this follows.
    Waiting(Then),
}

/// One connection and what is to be expected of it.
#[derive(Default)]
#[allow(clippy::struct_excessive_bools, reason = "each is seen by itself")]
struct Line {
    /// `None` where nothing is connected.
    id: Option<ConnectionId>,
    /// Reads what the server reads.
    reader: Reader,
    /// The requests that were sent; for each, whether it was HEAD.
    requests: VecDeque<bool>,
    /// How many of them are held.
    holds: u32,
    /// Nothing more is read after the last of them.
    last_sent: bool,
    /// A part of a request was sent, which may be given up.
    within: bool,
    ended: bool,
    received: Vec<u8>,
    /// Whether the last answer has been.
    last_received: bool,
    socket: Socket,
    /// What is answered depends on what is not modelled here: pauses, deadlines, full sockets.
    unsure: bool,
}

impl<H: Handler> World<H> {
    fn new(handler: impl FnOnce(Rc<Config>, Now) -> H) -> Self {
        let config = Rc::new(Config {
            password_iterations: 1,
            rate_limits: false,
            pipelined_bytes_max: 256,
            ..Config::default()
        });
        let now = Now { mono: Mono(1_000), wall: Timestamp(1_700_000_000_000) };
        let handler = handler(Rc::clone(&config), now);
        Self {
            limits: config.http_limits(),
            server: Server::new(config, handler),
            now,
            lines: Default::default(),
            connections: 0,
            outputs: Outputs::default(),
        }
    }

    fn input(&mut self, input: Input<'_>) {
        self.server.handle(self.now, input, &mut self.outputs);
    }

    fn send(&mut self, line: usize, bytes: &[u8]) {
        if bytes.is_empty() || self.lines[line].ended {
            return;
        }
        let connection = if let Some(id) = self.lines[line].id {
            id
        } else {
            let connection = ConnectionId(self.connections);
            self.connections += 1;
            self.lines[line] = Line { id: Some(connection), ..Line::default() };
            let peer = IpAddr::V4(Ipv4Addr::LOCALHOST);
            self.input(Input::Accepted { connection, peer });
            connection
        };
        self.lines[line].expect(bytes, &self.limits);
        self.input(Input::Received { connection, bytes });
    }

    fn half_close(&mut self, line: usize) {
        let Some(connection) = self.lines[line].id.filter(|_| !self.lines[line].ended) else {
            return;
        };
        self.lines[line].ended = true;
        self.input(Input::Ended { connection });
    }

    fn hang_up(&mut self, line: usize) {
        if let Some(connection) = self.lines[line].id.take() {
            self.lines[line] = Line::default();
            self.input(Input::Gone { connection });
        }
    }

    fn toggle_full(&mut self, line: usize) {
        let Some(connection) = self.lines[line].id else { return };
        self.lines[line].unsure = true;
        match std::mem::take(&mut self.lines[line].socket) {
            Socket::Open => self.lines[line].socket = Socket::Full,
            Socket::Full => {}
            Socket::Waiting(Then::Close) => {
                self.lines[line].id = None;
                self.input(Input::Gone { connection });
            }
            Socket::Waiting(Then::Keep | Then::Linger) => {
                self.input(Input::Flushed { connection });
            }
        }
    }

    fn turn(&mut self) {
        self.input(Input::EndOfTurn);
        while !self.outputs.list.is_empty() {
            let mut outputs = std::mem::take(&mut self.outputs);
            for output in outputs.list.drain(..) {
                self.carry_out(&output, &outputs.bytes);
            }
        }
        self.input(Input::CarriedOut);
    }

    fn carry_out(&mut self, output: &Output, bytes: &[u8]) {
        let (Output::Write { connection, .. }
        | Output::Close { connection }
        | Output::Pause { connection }
        | Output::Resume { connection }) = output;
        let connection = *connection;
        let line = self.lines.iter_mut().find(|line| line.id == Some(connection));
        // Bytes may be on their way to one that has just broken; the loop drops those.
        let Some(line) = line else { return };
        match output {
            Output::Close { .. } => line.id = None,
            Output::Pause { .. } => line.unsure = true,
            Output::Resume { .. } => {}
            Output::Write { bytes: range, tail, then, .. } => {
                assert!(!line.last_received, "nothing after the last answer");
                line.received.extend_from_slice(&bytes[range.clone()]);
                line.received.extend_from_slice(tail);
                line.last_received = *then != Then::Keep;
                if !matches!(line.socket, Socket::Open) {
                    line.socket = Socket::Waiting(*then);
                    self.input(Input::Blocked { connection });
                } else if *then == Then::Close {
                    line.id = None;
                    self.input(Input::Gone { connection });
                }
            }
        }
    }

    fn settle(&mut self) {
        self.turn();
        for _ in 0..10_000 {
            if self.server.next_deadline().is_none_or(|deadline| deadline > self.now.mono) {
                return;
            }
            self.turn();
        }
        panic!("the server is never done");
    }

    fn pass(&mut self, time: Duration) {
        // A request that is within may be given up by then, and what follows it not be read.
        for line in &mut self.lines {
            line.unsure |= (line.within && time > Duration::ZERO) || line.holds > HOLDS_MAX;
        }
        let end = self.now.mono.plus(time);
        self.settle();
        while let Some(deadline) = self.server.next_deadline().filter(|at| *at <= end) {
            self.advance(deadline);
            self.settle();
        }
        self.advance(end);
    }

    fn advance(&mut self, to: Mono) {
        let ms = i64::try_from(to.since(self.now.mono).as_millis()).expect("a short time");
        self.now = Now { mono: to.max(self.now.mono), wall: self.now.wall.plus_millis(ms) };
    }

    /// Compares what a connection was sent with what it asked for.
    fn judge(&mut self, index: usize) {
        let line = &mut self.lines[index];
        let mut answers = 0;
        let mut rest = &line.received[..];
        while !rest.is_empty() {
            let end = rest.windows(4).position(|four| four == b"\r\n\r\n").expect("a head") + 4;
            let head = str::from_utf8(&rest[..end]).expect("a head in UTF-8");
            let status: u16 = head[9..12].parse().expect("a status");
            assert!(head.starts_with("HTTP/1.1 ") && status < 506 && status != 500, "{head}");
            rest = &rest[end..];
            if status < 200 {
                continue;
            }
            let head_only = line.requests.get(answers).is_some_and(|head_only| *head_only);
            answers += 1;
            let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
            let closes = head.contains("Connection: close\r\n");
            let is_chunked = head.contains("Transfer-Encoding: chunked\r\n");
            match length {
                _ if head_only => {}
                Some(length) => rest = &rest[length.parse::<usize>().expect("a number")..],
                None if is_chunked => rest = behind_chunks(rest),
                None if matches!(status, 204 | 304) => {}
                None => {
                    assert!(closes, "{head}");
                    rest = &[];
                }
            }
            assert!(!closes || rest.is_empty(), "nothing behind the last answer: {head}");
        }
        let expected = line.requests.len();
        let given_up = usize::from(line.within);
        assert!(answers <= expected + given_up, "{answers} answers to {expected} requests");
        if !line.unsure && line.id.is_some() {
            assert!(answers >= expected, "{answers} answers to {expected} requests");
        }
    }
}

/// What follows a body in chunks; nothing, where its end has not come.
fn behind_chunks(mut rest: &[u8]) -> &[u8] {
    while let Some(end) = rest.windows(2).position(|two| two == b"\r\n") {
        let size = str::from_utf8(&rest[..end]).expect("digits");
        let size = usize::from_str_radix(size, 16).expect("a size");
        let chunk = end + 2 + size;
        assert_eq!(&rest[chunk..chunk + 2], b"\r\n");
        rest = &rest[chunk + 2..];
        if size == 0 {
            break;
        }
    }
    rest
}

impl Line {
    /// Reads along: what will be answered?
    fn expect(&mut self, mut bytes: &[u8], limits: &Limits) {
        while !bytes.is_empty() && !self.last_sent {
            let (taken, step) = self.reader.read(bytes, limits);
            bytes = &bytes[taken..];
            match step {
                Ok(Step::Partial | Step::Continue) => self.within = true,
                Ok(Step::Complete(request)) => {
                    self.within = false;
                    let path = request.target.path();
                    let head_only = request.method == Method::Head;
                    // To HTTP/1.0 a stream ends with its connection.
                    let ends = request.version == Version::Http10 && path == "/stream";
                    self.last_sent = !request.keep_alive || (ends && !head_only);
                    self.holds += u32::from(matches!(path, "/hold" | "/stream"));
                    self.requests.push_back(head_only);
                }
                Err(_) => {
                    self.last_sent = true;
                    self.requests.push_back(false);
                }
            }
        }
    }
}
