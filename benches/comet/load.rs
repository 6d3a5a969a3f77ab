//! Makes the load: connections with one request on each at a time, and the four ways to use them.
//!
//! All of it is one thread. Where it waits for one answer it blocks in `read`, as cheap as waiting can
//! be; where it waits for many it has a selector. It looks into answers no further than it must, so
//! that its own time counts little, and the same for every server.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::fd::AsRawFd;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use socket2::{Domain, Socket, Type};

use crate::peers::Channel;
use crate::support::Server;

/// How long nothing may come before something is wrong.
const PATIENCE: Duration = Duration::from_secs(10);

/// Polls come from here, and from the addresses behind it: all of 127.0.0.0/8 is this machine.
const FIRST_ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 1, 0, 1);

/// From so many, where it does not matter: those who poll are at home behind as many routers.
pub(crate) const ADDRESSES: u32 = 250;

/// After an answer is read, the server has this much time to hold the next poll, and to sleep.
pub(crate) const PAUSE: Duration = Duration::from_millis(2);

/// A kept connection.
pub(crate) struct Line {
    stream: TcpStream,
    /// What has come of an answer.
    answer: Vec<u8>,
}

impl Line {
    pub(crate) fn connect(address: &str) -> io::Result<Self> {
        Self::over(TcpStream::connect(address)?)
    }

    /// From this address of ours.
    fn connect_from(ours: Ipv4Addr, address: &str) -> io::Result<Self> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.bind(&SocketAddr::from((ours, 0)).into())?;
        let address: SocketAddr = address.parse().map_err(io::Error::other)?;
        socket.connect(&address.into())?;
        Self::over(socket.into())
    }

    fn over(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self { stream, answer: Vec::new() })
    }

    /// Sends a request, which is small and so fits into the socket.
    pub(crate) fn send(&mut self, request: &[u8]) -> io::Result<()> {
        self.stream.write_all(request)
    }

    /// Asks for something, and waits for the answer.
    pub(crate) fn ask(&mut self, request: &[u8]) -> io::Result<&[u8]> {
        self.send(request)?;
        self.receive()
    }

    /// Waits for the answer.
    pub(crate) fn receive(&mut self) -> io::Result<&[u8]> {
        self.answer.clear();
        while !self.read()? {}
        Ok(&self.answer)
    }

    /// Reads once. Whether an answer is complete now.
    fn read(&mut self) -> io::Result<bool> {
        let mut buffer = [0; 4096];
        let count = self.stream.read(&mut buffer)?;
        if count == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        self.answer.extend_from_slice(&buffer[..count]);
        let is_complete = length(&self.answer).is_some_and(|length| length == self.answer.len());
        if is_complete && !self.answer.starts_with(b"HTTP/1.1 2") {
            let answer = String::from_utf8_lossy(&self.answer).into_owned();
            return Err(io::Error::other(answer));
        }
        Ok(is_complete)
    }

    /// Takes what has come, without waiting. The answer, once it is complete.
    fn take(&mut self) -> io::Result<Option<Vec<u8>>> {
        match self.read() {
            Ok(true) => Ok(Some(std::mem::take(&mut self.answer))),
            Ok(false) => Ok(None),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Gives the memory of an answer back, for the next one.
    fn reuse(&mut self, mut answer: Vec<u8>) {
        answer.clear();
        self.answer = answer;
    }

    /// Whether the server still owes an answer: nothing has come, not even the end.
    pub(crate) fn is_held(&self) -> io::Result<bool> {
        self.stream.set_nonblocking(true)?;
        let peeked = self.stream.peek(&mut [0]);
        self.stream.set_nonblocking(false)?;
        Ok(peeked.is_err_and(|error| error.kind() == ErrorKind::WouldBlock))
    }

    fn register(&self, selector: &Poll, token: usize) -> io::Result<()> {
        self.stream.set_nonblocking(true)?;
        let descriptor = self.stream.as_raw_fd();
        let registry = selector.registry();
        registry.register(&mut SourceFd(&descriptor), Token(token), Interest::READABLE)
    }
}

/// How long an answer is, once its head has come.
fn length(answer: &[u8]) -> Option<usize> {
    let head = answer.windows(4).position(|end| end == b"\r\n\r\n")? + 4;
    Some(head + field(answer, "content-length").map_or(0, |value| value.parse().unwrap_or(0)))
}

/// The value of a field in the head of an answer.
pub(crate) fn field<'a>(answer: &'a [u8], name: &str) -> Option<&'a str> {
    let lines = answer.split(|byte| *byte == b'\n').take_while(|line| line.len() > 1);
    let value =
        lines.filter_map(|line| line.split_at_checked(name.len())).find_map(|(key, value)| {
            key.eq_ignore_ascii_case(name.as_bytes()).then(|| value.strip_prefix(b":")).flatten()
        })?;
    std::str::from_utf8(value).ok().map(str::trim)
}

/// Somebody who writes, and somebody whose poll is held.
pub(crate) struct Pair<'a> {
    channel: &'a Channel,
    sender: Line,
    receiver: Line,
    /// How many of the two are still to be answered.
    outstanding: u8,
}

impl<'a> Pair<'a> {
    pub(crate) fn new(address: &str, channel: &'a Channel) -> io::Result<Self> {
        let (sender, mut receiver) = (Line::connect(address)?, Line::connect(address)?);
        receiver.send(&channel.first_poll())?;
        Ok(Self { channel, sender, receiver, outstanding: 0 })
    }

    /// Sends messages one by one, each when nothing else goes on, and tells how long each took to
    /// come out of the poll.
    pub(crate) fn latencies(&mut self, count: usize) -> io::Result<Vec<Duration>> {
        let mut latencies = Vec::with_capacity(count);
        for _ in 0..count {
            thread::sleep(PAUSE);
            let begin = Instant::now();
            self.sender.send(&self.channel.publish)?;
            let answer = self.receiver.receive()?;
            latencies.push(begin.elapsed());
            let poll = self.channel.next_poll(answer);
            self.sender.receive()?;
            self.receiver.send(&poll)?;
        }
        Ok(latencies)
    }

    /// One of the two lines may have an answer. Whether the message is through.
    fn advance(&mut self, of_receiver: bool) -> io::Result<bool> {
        let line = if of_receiver { &mut self.receiver } else { &mut self.sender };
        let Some(answer) = line.take()? else { return Ok(false) };
        if of_receiver {
            self.receiver.send(&self.channel.next_poll(&answer))?;
            self.receiver.reuse(answer);
        } else {
            self.sender.reuse(answer);
        }
        self.outstanding -= 1;
        Ok(self.outstanding == 0)
    }

    fn publish(&mut self) -> io::Result<()> {
        self.outstanding = 2;
        self.sender.send(&self.channel.publish)
    }
}

/// Lets every pair send its next message as soon as the last one is answered and delivered, for so
/// long. How many messages that were, and how many seconds.
pub(crate) fn run_pairs(pairs: &mut [Pair<'_>], time: Duration) -> io::Result<(u32, f64)> {
    let mut selector = Poll::new()?;
    for (index, pair) in pairs.iter().enumerate() {
        pair.sender.register(&selector, 2 * index)?;
        pair.receiver.register(&selector, 2 * index + 1)?;
    }
    let mut ready = Events::with_capacity(1024);
    let begin = Instant::now();
    for pair in pairs.iter_mut() {
        pair.publish()?;
    }
    let (mut count, mut running) = (0, pairs.len());
    while running > 0 {
        wait(&mut selector, &mut ready)?;
        let goes_on = begin.elapsed() < time;
        for event in &ready {
            let Token(token) = event.token();
            let pair = &mut pairs[token / 2];
            if pair.advance(token % 2 == 1)? {
                count += 1;
                if goes_on {
                    pair.publish()?;
                } else {
                    running -= 1;
                }
            }
        }
    }
    Ok((count, begin.elapsed().as_secs_f64()))
}

/// Many polls on one channel.
pub(crate) struct Crowd<'a> {
    channel: &'a Channel,
    sender: Line,
    receivers: Vec<Line>,
    selector: Poll,
}

impl<'a> Crowd<'a> {
    pub(crate) fn new(address: &str, channel: &'a Channel, count: usize) -> io::Result<Self> {
        let sender = Line::connect(address)?;
        let receivers = hold((0..count).map(|_| channel), address, ADDRESSES)?;
        let selector = Poll::new()?;
        for (index, line) in receivers.iter().enumerate() {
            line.register(&selector, index)?;
        }
        Ok(Self { channel, sender, receivers, selector })
    }

    /// How long it takes until one message has reached everybody. They poll again behind it.
    pub(crate) fn tell_all(&mut self) -> io::Result<Duration> {
        let mut ready = Events::with_capacity(1024);
        let mut answers = Vec::with_capacity(self.receivers.len());
        let begin = Instant::now();
        self.sender.send(&self.channel.publish)?;
        while answers.len() < self.receivers.len() {
            wait(&mut self.selector, &mut ready)?;
            for event in &ready {
                let Token(index) = event.token();
                answers.extend(self.receivers[index].take()?.map(|answer| (index, answer)));
            }
        }
        let elapsed = begin.elapsed();
        self.sender.receive()?;
        for (index, answer) in answers {
            self.receivers[index].send(&self.channel.next_poll(&answer))?;
        }
        Ok(elapsed)
    }
}

/// How long it takes until a server that is told to stop has answered all of these, each of whom then
/// hangs up, and is gone.
pub(crate) fn stop(mut server: Server, lines: Vec<Line>) -> io::Result<Duration> {
    let mut selector = Poll::new()?;
    for (index, line) in lines.iter().enumerate() {
        line.register(&selector, index)?;
    }
    let mut lines: Vec<Option<Line>> = lines.into_iter().map(Some).collect();
    let (mut ready, mut left) = (Events::with_capacity(1024), lines.len());
    let begin = Instant::now();
    let told = Command::new("kill").arg(server.process.id().to_string()).status()?;
    assert!(told.success());
    while left > 0 {
        wait(&mut selector, &mut ready)?;
        for event in &ready {
            let Token(index) = event.token();
            let Some(line) = &mut lines[index] else { continue };
            if line.take()?.is_some() {
                lines[index] = None;
                left -= 1;
            }
        }
    }
    assert!(server.process.wait()?.success());
    Ok(begin.elapsed())
}

/// Holds a poll on each of these channels, each on a connection of its own, from so many addresses.
pub(crate) fn hold<'a>(
    channels: impl Iterator<Item = &'a Channel>,
    address: &str,
    addresses: u32,
) -> io::Result<Vec<Line>> {
    let mut lines = Vec::new();
    for (number, channel) in (0..addresses).cycle().zip(channels) {
        let ours = Ipv4Addr::from_bits(FIRST_ADDRESS.to_bits() + number);
        let mut line = Line::connect_from(ours, address)?;
        line.send(&channel.first_poll())?;
        lines.push(line);
    }
    Ok(lines)
}

/// Sends these requests, some at a time and never more, and collects the answers.
pub(crate) fn ask_all(
    address: &str,
    requests: impl Iterator<Item = Vec<u8>>,
) -> io::Result<Vec<Vec<u8>>> {
    const AT_A_TIME: usize = 32;
    let mut lines = Vec::new();
    for _ in 0..AT_A_TIME {
        lines.push(Line::connect(address)?);
    }
    let (mut answers, mut requests) = (Vec::new(), requests.peekable());
    while requests.peek().is_some() {
        let mut asked = 0;
        for (line, request) in lines.iter_mut().zip(&mut requests) {
            line.send(&request)?;
            asked += 1;
        }
        for line in &mut lines[..asked] {
            answers.push(line.receive()?.to_vec());
        }
    }
    Ok(answers)
}

fn wait(selector: &mut Poll, ready: &mut Events) -> io::Result<()> {
    selector.poll(ready, Some(PATIENCE))?;
    if ready.is_empty() {
        return Err(ErrorKind::TimedOut.into());
    }
    Ok(())
}
