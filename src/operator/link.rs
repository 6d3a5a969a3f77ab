//! Reaches the server of a data folder: over its control socket, or by becoming it.
//!
//! Whoever holds the folder's lock is its server. If nobody does, this process takes the lock,
//! opens the database, and answers its own requests with the same code on a connection without a
//! socket.

use std::error::Error;
use std::fmt;
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::rc::Rc;
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::chat::Chat;
use crate::comet::ConnectionId;
use crate::config::Config;
use crate::data::Store;
use crate::http::Pages;
use crate::server::{Input, Output, Outputs, Server};
use crate::system::{Clock, DataLock, DataLockError, Entropy};
use crate::web::{self, Said};

/// A way to the server.
pub(super) struct Link(Kind);

enum Kind {
    /// It is another process.
    Socket(UnixStream),
    /// It is this one.
    Here(Box<Here>),
}

struct Here {
    server: Server<Chat>,
    clock: Clock,
    outputs: Outputs,
    /// Held until all is done.
    _lock: DataLock,
}

/// What has to exist before a command makes sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// Nothing: if there is no database, one is made.
    Nothing,
    /// A database.
    Database,
    /// A running server.
    Server,
}

/// Who holds the data folder.
pub(super) enum Holder {
    /// This process, from now on.
    Nobody(DataLock),
    /// A server.
    Server(Link),
}

impl Link {
    /// Finds the server of the data folder; if there is none, takes the folder for the caller.
    pub(super) fn find(config: &Config, need: Need) -> Result<Holder, Box<dyn Error>> {
        let unreachable =
            |lack| Box::<dyn Error>::from(Unreachable { folder: config.data.clone(), lack });
        if need != Need::Nothing && !config.database().exists() {
            return Err(unreachable(Lack::Database));
        }
        match DataLock::acquire(&config.data) {
            Ok(_) if need == Need::Server => Err(unreachable(Lack::Server)),
            Ok(lock) => Ok(Holder::Nobody(lock)),
            Err(DataLockError::InUse { .. }) => match connect(config) {
                Ok(stream) => Ok(Holder::Server(Self(Kind::Socket(stream)))),
                Err(error) => Err(unreachable(Lack::Answer(error))),
            },
            Err(error) => Err(error.into()),
        }
    }

    /// Finds the server of the data folder, or becomes it.
    pub(super) fn open(config: &Config, need: Need) -> Result<Self, Box<dyn Error>> {
        match Self::find(config, need)? {
            Holder::Server(link) => Ok(link),
            Holder::Nobody(lock) => Ok(Self(Kind::Here(Box::new(Here::open(config, lock)?)))),
        }
    }

    /// A way to a server that is running now. Nothing is locked, not even for a moment, so this may
    /// be tried again and again while another server starts.
    pub(super) fn to_server(config: &Config) -> Result<Self, Unreachable> {
        match UnixStream::connect(config.control_socket()) {
            Ok(stream) => Ok(Self(Kind::Socket(stream))),
            Err(error) => {
                let lack = match error.kind() {
                    ErrorKind::NotFound | ErrorKind::ConnectionRefused => Lack::Server,
                    _ => Lack::Answer(error),
                };
                Err(Unreachable { folder: config.data.clone(), lack })
            }
        }
    }

    /// Asks for something. A refusal is an error that says why.
    pub(super) fn call(
        &mut self,
        method: &str,
        path: &str,
        body: &[(&str, Said<'_>)],
    ) -> Result<Value, Box<dyn Error>> {
        let (status, body) = self.ask("", method, path, body)?;
        Ok(granted(status, body)?)
    }

    /// Asks for something as a user, or with an empty name as the operator. Returns status and
    /// body.
    pub(super) fn ask(
        &mut self,
        user: &str,
        method: &str,
        path: &str,
        body: &[(&str, Said<'_>)],
    ) -> io::Result<(u16, Value)> {
        let body = web::order_body(body);
        let length = body.len();
        let credentials = match user {
            "" => String::new(),
            user => format!("Authorization: User {user}\r\n"),
        };
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: control\r\n{credentials}Content-Length: {length}\r\n\r\n"
        );
        let request = [head.into_bytes(), body].concat();
        match &mut self.0 {
            Kind::Socket(stream) => exchange(stream, &request),
            Kind::Here(here) => Ok(here.exchange(&request)),
        }
    }
}

/// The body of an answer that is not a refusal.
pub(super) fn granted(status: u16, body: Value) -> Result<Value, Refused> {
    match status {
        200..=299 => Ok(body),
        _ => Err(Refused(body["detail"].as_str().unwrap_or_default().to_owned())),
    }
}

/// Whether there may soon be a way to a server: it has been started, or is stopping.
pub(super) fn may_come(error: &(dyn Error + 'static)) -> bool {
    let unreachable = error.downcast_ref::<Unreachable>();
    error.is::<io::Error>() || unreachable.is_some_and(|it| matches!(it.lack, Lack::Answer(_)))
}

/// A server that has just been started may not listen yet.
fn connect(config: &Config) -> io::Result<UnixStream> {
    let path = config.control_socket();
    let mut tries = 0..20;
    loop {
        match UnixStream::connect(&path) {
            Ok(stream) => return Ok(stream),
            Err(error) if tries.next().is_none() => return Err(error),
            Err(_) => thread::sleep(Duration::from_millis(100)),
        }
    }
}

fn exchange(stream: &mut UnixStream, request: &[u8]) -> io::Result<(u16, Value)> {
    stream.write_all(request)?;
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        if let Some(answer) = read_answer(&bytes) {
            return Ok(answer);
        }
        match stream.read(&mut buffer)? {
            0 => return Err(io::Error::new(ErrorKind::UnexpectedEof, "the server has stopped")),
            count => bytes.extend_from_slice(&buffer[..count]),
        }
    }
}

/// Status and body of a response, once it is whole. Our own server always says how long it is.
fn read_answer(bytes: &[u8]) -> Option<(u16, Value)> {
    let head_length = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let head = str::from_utf8(&bytes[..head_length]).ok()?;
    let status = head.get(9..12)?.parse().ok()?;
    let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
    let length: usize = length.unwrap_or("0").parse().ok()?;
    let body = bytes.get(head_length..head_length + length)?;
    Some((status, serde_json::from_slice(body).unwrap_or(Value::Null)))
}

impl Here {
    /// The one connection.
    const CONNECTION: ConnectionId = ConnectionId(0);

    fn open(config: &Config, lock: DataLock) -> Result<Self, Box<dyn Error>> {
        let config = Rc::new(Config { demo: false, ..config.clone() });
        let clock = Clock::new();
        let mut entropy = Entropy::system()?;
        let seed = u64::from_le_bytes(entropy.bytes());
        let store = Store::of(&config, seed)?;
        let pages = Pages::embedded();
        let chat = Chat::new(Rc::clone(&config), store, pages, entropy, clock.now())?;
        let mut server = Server::new(config, chat);
        let mut outputs = Outputs::default();
        let input = Input::AcceptedOperator { connection: Self::CONNECTION };
        server.handle(clock.now(), input, &mut outputs);
        Ok(Self { server, clock, outputs, _lock: lock })
    }

    /// Hands a request to the server, and gives it turns until it has answered.
    fn exchange(&mut self, request: &[u8]) -> (u16, Value) {
        let input = Input::Received { connection: Self::CONNECTION, bytes: request };
        self.server.handle(self.clock.now(), input, &mut self.outputs);
        let mut bytes = Vec::new();
        loop {
            self.server.handle(self.clock.now(), Input::EndOfTurn, &mut self.outputs);
            for output in &self.outputs.list {
                if let Output::Write { bytes: range, tail, .. } = output {
                    bytes.extend_from_slice(&self.outputs.bytes[range.clone()]);
                    bytes.extend_from_slice(tail);
                }
            }
            self.outputs.clear();
            self.server.handle(self.clock.now(), Input::CarriedOut, &mut self.outputs);
            if let Some(answer) = read_answer(&bytes) {
                return answer;
            }
        }
    }
}

impl Drop for Here {
    fn drop(&mut self) {
        self.server.finish(self.clock.now());
    }
}

/// The server has said no, and why.
#[derive(Debug)]
pub(super) struct Refused(String);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Refused {}

/// There is nobody to ask.
#[derive(Debug)]
pub(super) struct Unreachable {
    folder: PathBuf,
    lack: Lack,
}

/// What is missing.
#[derive(Debug)]
enum Lack {
    Database,
    Server,
    Answer(io::Error),
}

impl fmt::Display for Unreachable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let folder = self.folder.display();
        match &self.lack {
            Lack::Database => write!(f, "there is no database in {folder}; --data says where"),
            Lack::Server => write!(f, "no server is running on {folder}"),
            Lack::Answer(error) => write!(
                f,
                "the server that is using {folder} does not answer on its control socket: {error}"
            ),
        }
    }
}

impl Error for Unreachable {}
