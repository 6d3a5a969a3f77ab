//! The least that a comet server which keeps its messages can do. What it costs is the price of the
//! system and of the disk; what a real server costs beyond that is its own.
//!
//! It takes what a publisher says, writes all of a turn to a file and waits for the disk once, tells
//! the publishers so, and answers the polls that wait for it. It reads of a request whether it is
//! `POST` or `GET` and the number of its channel, believes everything, and forgets a message once it is
//! told. It must be asked one thing at a time on a connection.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

/// For how long a turn takes along what comes before it waits for the disk: as Lovejoy does.
const GATHERING_MAX: Duration = Duration::from_millis(1);

/// More than is said in one turn.
const LOG_BYTES: usize = 1 << 20;

const LISTENER: Token = Token(usize::MAX);

const CREATED: &[u8] = b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n";

struct Floor {
    selector: Poll,
    ready: Events,
    listener: TcpListener,
    connections: Vec<Option<Connection>>,
    /// Numbers of connections that are closed.
    free: Vec<usize>,
    channels: HashMap<u32, Channel>,
    log: File,
    buffer: Box<[u8]>,
    /// Somebody waits to be accepted.
    is_visited: bool,
    /// Of this turn: the publisher's connection, the channel, and the answer for its polls.
    published: Vec<(usize, u32, Vec<u8>)>,
    /// Of this turn: what goes to the log.
    unwritten: Vec<u8>,
}

struct Connection {
    stream: TcpStream,
    /// Where its poll is held, or was.
    channel: Option<u32>,
}

#[derive(Default)]
struct Channel {
    /// The connections of its polls.
    held: Vec<usize>,
    /// An answer that found no poll waiting: the next one takes it.
    missed: Option<Vec<u8>>,
}

/// Serves until it is killed. Says where it listens in one line on the standard output.
pub(crate) fn serve(log: &Path) -> io::Result<()> {
    let selector = Poll::new()?;
    let mut listener = TcpListener::bind(([127, 0, 0, 1], 0).into())?;
    selector.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let log = File::create(log)?;
    // A file that does not grow is all that a turn has to write.
    log.write_all_at(&vec![0; LOG_BYTES], 0)?;
    log.sync_all()?;
    println!("floor: http://{}", listener.local_addr()?);
    let mut floor = Floor {
        selector,
        ready: Events::with_capacity(1024),
        listener,
        connections: Vec::new(),
        free: Vec::new(),
        channels: HashMap::new(),
        log,
        buffer: vec![0; 64 * 1024].into_boxed_slice(),
        is_visited: false,
        published: Vec::new(),
        unwritten: Vec::new(),
    };
    loop {
        floor.turn()?;
    }
}

impl Floor {
    fn turn(&mut self) -> io::Result<()> {
        self.selector.poll(&mut self.ready, None)?;
        let begin = Instant::now();
        self.take_readiness();
        while !self.published.is_empty() && begin.elapsed() < GATHERING_MAX {
            self.selector.poll(&mut self.ready, Some(Duration::ZERO))?;
            if self.ready.is_empty() {
                break;
            }
            self.take_readiness();
        }
        if !self.published.is_empty() {
            self.commit()?;
        }
        // Last, so that nobody new has the number of somebody to whom something is sent.
        self.accept()
    }

    /// Writes what was published, and tells it.
    fn commit(&mut self) -> io::Result<()> {
        self.log.write_all_at(&self.unwritten, 0)?;
        self.log.sync_data()?;
        self.unwritten.clear();
        for (publisher, channel, answer) in std::mem::take(&mut self.published) {
            self.send(publisher, CREATED);
            let channel = self.channels.entry(channel).or_default();
            let held = std::mem::take(&mut channel.held);
            if held.is_empty() {
                channel.missed = Some(answer);
                continue;
            }
            for poll in held {
                self.send(poll, &answer);
            }
        }
        Ok(())
    }

    fn take_readiness(&mut self) {
        let ready = std::mem::replace(&mut self.ready, Events::with_capacity(0));
        for event in &ready {
            match event.token() {
                LISTENER => self.is_visited = true,
                Token(number) => self.read(number),
            }
        }
        self.ready = ready;
    }

    fn accept(&mut self) -> io::Result<()> {
        while self.is_visited {
            let mut stream = match self.listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.is_visited = false;
                    break;
                }
                Err(error) => return Err(error),
            };
            stream.set_nodelay(true)?;
            let number = self.free.pop().unwrap_or_else(|| {
                self.connections.push(None);
                self.connections.len() - 1
            });
            self.selector.registry().register(&mut stream, Token(number), Interest::READABLE)?;
            self.connections[number] = Some(Connection { stream, channel: None });
        }
        Ok(())
    }

    /// A request, or the end.
    fn read(&mut self, number: usize) {
        let Some(connection) = &mut self.connections[number] else { return };
        match connection.stream.read(&mut self.buffer) {
            Ok(count @ 1..) => self.take_request(number, count),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Ok(0) | Err(_) => self.forget(number),
        }
    }

    fn take_request(&mut self, number: usize, count: usize) {
        let request = &self.buffer[..count];
        let name = channel(request);
        if request.starts_with(b"POST") {
            let head = request.windows(4).position(|end| end == b"\r\n\r\n").map_or(0, |at| at + 4);
            let body = &request[head..];
            self.unwritten.extend_from_slice(body);
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
            self.published.push((number, name, [head.as_bytes(), body].concat()));
            return;
        }
        let channel = self.channels.entry(name).or_default();
        if let Some(answer) = channel.missed.take() {
            return self.send(number, &answer);
        }
        channel.held.push(number);
        if let Some(connection) = &mut self.connections[number] {
            connection.channel = Some(name);
        }
    }

    /// Every answer is small, and so fits into the socket.
    fn send(&mut self, number: usize, answer: &[u8]) {
        if let Some(connection) = &mut self.connections[number]
            && connection.stream.write_all(answer).is_err()
        {
            self.forget(number);
        }
    }

    fn forget(&mut self, number: usize) {
        let Some(connection) = self.connections[number].take() else { return };
        self.free.push(number);
        if let Some(channel) = connection.channel.and_then(|it| self.channels.get_mut(&it)) {
            channel.held.retain(|held| *held != number);
        }
    }
}

/// The number behind `id=`.
fn channel(request: &[u8]) -> u32 {
    let name = request.windows(3).position(|name| name == b"id=").expect("a channel");
    let digits = request[name + 3..].iter().take_while(|byte| byte.is_ascii_digit());
    digits.fold(0, |number, digit| number * 10 + u32::from(digit - b'0'))
}
