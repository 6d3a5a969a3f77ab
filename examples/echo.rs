//! Serves HTTP without the chat: the same loop, the same connections, another handler. To be looked
//! at with a browser, `curl`, or a suite that tests how well a server speaks HTTP.
//!
//! ```text
//! GET  /            a page
//! POST /            the body, byte for byte, up to 1 MiB; at /post too
//! GET  /echo        the field lines of the request, as text (POST too)
//! GET  /poll?wait=N held for N seconds (25 unless given, at most 60), then 200 with an empty list
//! ```
//!
//! HEAD is GET without the body, and never held; OPTIONS tells what a path has.
//!
//! `cargo run --release --example echo -- --listen 127.0.0.1:8081`; the other options are those of
//! `lovejoy`.

use std::error::Error;
use std::rc::Rc;
use std::time::Duration;

use lovejoy::comet::{Comet, ConnectionId, Hold, HoldId, Left};
use lovejoy::config::{self, Command, Config};
use lovejoy::entity::{MessageId, Place, SessionId, UserId};
use lovejoy::event_loop::EventLoop;
use lovejoy::http::{Body, Method, Payload, Request, Response};
use lovejoy::logger;
use lovejoy::logic::{Caller, Manner};
use lovejoy::server::{Answer, Answers, Client, Decision, Handler, Refused, Server, TICK, TICKS};
use lovejoy::system::{self, Clock, Mono, Now};
use lovejoy::timers::Wheel;

/// The longest body that is echoed.
const BODY_BYTES_MAX: usize = 1024 * 1024;

fn main() -> Result<(), Box<dyn Error>> {
    let Command::Serve(mut config) =
        config::parse(std::env::args_os().skip(1), [], |file| std::fs::read_to_string(file))?
    else {
        return Ok(());
    };
    logger::start(config.log, config.log_format);
    config.body_bytes_max = BODY_BYTES_MAX;
    config.fit_into(system::raise_descriptors_max()?);
    let config = Rc::new(*config);
    let server = Server::new(Rc::clone(&config), Echo::new(Rc::clone(&config)));
    let event_loop = EventLoop::bind(server, Clock::new(), system::signals()?, &config)?;
    println!("Echo is listening on http://{}", event_loop.local_address()?);
    Ok(event_loop.run()?)
}

/// Gives back what it gets, now or later.
struct Echo {
    config: Rc<Config>,
    comet: Comet,
    /// The answers of this turn.
    turn: Vec<(ConnectionId, Response)>,
    /// Polls whose clients will send nothing more.
    half_closed: Vec<HoldId>,
}

impl Echo {
    fn new(config: Rc<Config>) -> Self {
        let comet = Comet::new(Wheel::new(TICK, TICKS));
        Self { config, comet, turn: Vec::new(), half_closed: Vec::new() }
    }

    /// How long a request is to be held.
    fn wait(&self, request: &Request<'_>) -> Duration {
        // Nobody waits for the head of an answer.
        if request.method == Method::Head {
            return Duration::ZERO;
        }
        let given = request.target.query_pairs().find(|(name, _)| name == "wait");
        let wait = given.and_then(|(_, value)| value.parse().ok()).map(Duration::from_secs);
        wait.unwrap_or(self.config.wait_default).min(self.config.wait_max)
    }

    /// Holds a request: nothing will come for it but its deadline.
    fn hold(&mut self, now: Now, client: Client, wait: Duration) -> HoldId {
        let hold = Hold {
            connection: client.connection,
            caller: Caller { user_id: UserId(0), session_id: SessionId(0) },
            manner: Manner::Poll,
            blocked: false,
            place: Place { stored: MessageId(0), live: 0 },
            wait_ms: u32::try_from(wait.as_millis()).unwrap_or(u32::MAX),
        };
        self.comet.hold(hold, now.mono.plus(wait))
    }

    fn leave(&mut self, id: HoldId, left: Left) {
        if let Some(hold) = self.comet.release(id, left) {
            self.turn.push((hold.connection, nothing()));
        }
    }
}

impl Handler for Echo {
    fn decide(&mut self, now: Now, client: Client, request: &Request<'_>) -> Decision {
        let response = match (request.target.path(), request.method) {
            ("/poll", Method::Get | Method::Head) => match self.wait(request) {
                Duration::ZERO => nothing(),
                wait => return Decision::Held(self.hold(now, client, wait)),
            },
            ("/", Method::Get | Method::Head) => page(),
            ("/echo", Method::Get | Method::Head | Method::Post) => fields(request),
            ("/" | "/post", Method::Post) => body(request),
            (path, method) => match allow(path) {
                Some(allow) if method == Method::Options => Response::new(204).with("Allow", allow),
                Some(allow) => text(405, "This cannot be done here.\n").with("Allow", allow),
                None => text(404, "There is nothing here.\n"),
            },
        };
        self.turn.push((client.connection, response));
        Decision::Later
    }

    fn refuse(&mut self, why: &Refused) -> Response {
        match why {
            Refused::Malformed(error) => text(error.status(), &format!("{error}\n")),
            Refused::TimedOut => text(408, "The request took too long to arrive.\n"),
            Refused::TooMany => text(503, "There are too many connections.\n"),
        }
    }

    fn half_closed(&mut self, _: Now, hold: HoldId) {
        self.half_closed.push(hold);
    }

    fn blocked(&mut self, _: HoldId, _: bool) {}

    fn gone(&mut self, _: Now, _: ConnectionId, hold: Option<HoldId>) {
        if let Some(hold) = hold {
            self.comet.release(hold, Left::HungUp);
        }
    }

    fn drain(&mut self, _: Now) {
        let polls: Vec<HoldId> = self.comet.all().collect();
        for id in polls {
            self.leave(id, Left::Draining);
        }
    }

    fn end_turn(&mut self, now: Now, answers: &mut Answers) {
        while let Some(id) = self.comet.next_overdue(now.mono) {
            self.leave(id, Left::Expired);
        }
        for id in self.half_closed.drain(..) {
            if let Some(hold) = self.comet.get(id) {
                answers.push((hold.connection, Answer::Close));
            }
        }
        for (connection, response) in self.turn.drain(..) {
            answers.push((connection, Answer::Whole(response)));
        }
    }

    fn next_deadline(&self) -> Option<Mono> {
        self.comet.next_deadline()
    }

    fn finish(&mut self, _: Now) {}
}

/// The methods of a path, if it is one.
fn allow(path: &str) -> Option<&'static str> {
    match path {
        "/poll" => Some("GET, HEAD, OPTIONS"),
        "/post" => Some("POST, OPTIONS"),
        "*" | "/" | "/echo" => Some("GET, HEAD, POST, OPTIONS"),
        _ => None,
    }
}

fn page() -> Response {
    const PAGE: &[u8] = b"<!doctype html>\n<title>Echo</title>\n<h1>It answers.</h1>\n";
    Response::new(200).body("text/html; charset=utf-8", Payload::Static(PAGE))
}

fn fields(request: &Request<'_>) -> Response {
    let mut lines = Vec::new();
    for field in request.fields() {
        lines.extend_from_slice(field.name.as_bytes());
        lines.extend_from_slice(b": ");
        lines.extend_from_slice(field.value);
        lines.push(b'\n');
    }
    Response::new(200).body("text/plain; charset=utf-8", Payload::Owned(lines))
}

fn body(request: &Request<'_>) -> Response {
    match request.body {
        Body::Bytes(bytes) => {
            Response::new(200).body("application/octet-stream", Payload::Owned(bytes.to_vec()))
        }
        Body::TooLarge => text(413, "The body is longer than 1 MiB.\n"),
    }
}

fn nothing() -> Response {
    Response::new(200).json(b"[]".to_vec())
}

fn text(status: u16, text: &str) -> Response {
    Response::new(status).body("text/plain; charset=utf-8", Payload::Owned(text.into()))
}
