//! Carries readiness in and bytes out. It and the files of its folder are the only ones that know
//! the sockets of clients.
//!
//! Decides nothing. It tells the [`Server`] what has happened, as [`Input`], and does what the
//! server wants done. One round of the loop is one turn of the server.
//!
//! `mio` is edge-triggered: it says once that a socket has become ready. From that follow the
//! rules:
//! 1. *Read until there is nothing left, or remember that you stopped early* (`unread`). A read
//!    that does not fill the buffer has emptied the socket, and what comes later is a new edge;
//!    only if the peer has closed is the end still to be read.
//! 2. *Write until the socket is full, and keep the rest*; an edge says when there is plenty of
//!    room, and full sockets are also tried again now and then, for those who read slowly.
//! 3. *A readiness may be false.* Reading or writing then finds nothing, and that is all.
//! 4. *A number is free when its socket is closed*, and connections are accepted only after all
//!    outputs of the turn are carried out: no output reaches a newer connection than it was meant
//!    for.
//!
//! Every socket is registered once, for reading and writing, and never again: a change of interest
//! costs a system call, and an edge that nobody waits for costs nothing.

mod door;
mod hangup;
mod rest;
#[cfg(feature = "tls")]
mod session;
#[cfg(feature = "tls")]
mod tls;
mod wire;
mod writing;

use std::io::{self, ErrorKind, Read};
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, RawFd};
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use mio::net::UnixStream;
use mio::{Events as ReadinessList, Interest, Poll as Selector, Token, Waker};

use crate::chunks::Slots;
use crate::comet::ConnectionId;
use crate::config::{Config, Listen};
use crate::server::{Handler, Input, Output, Outputs, Server};
use crate::service::Inherited;
use crate::system::{Clock, Mono, Now};
pub use door::BindError;
use door::{Door, Kind, Visitor};
pub use hangup::wait_for_hangup;
use rest::Rest;
use wire::Wire;

/// The loop, with all sockets of one server.
#[derive(Debug)]
pub struct EventLoop<H> {
    server: Server<H>,
    clock: Clock,
    selector: Selector,
    readiness: ReadinessList,
    /// The list above was full: there may be more than it held.
    more_ready: bool,
    /// Empty once the server drains.
    doors: Vec<Door>,
    signals: UnixStream,
    /// The number of a connection is its key here.
    sockets: Slots<Socket>,
    /// Sockets that may have more to read, although no edge will say so.
    unread: Vec<ConnectionId>,
    /// Sockets that were full when last tried.
    full: Vec<ConnectionId>,
    /// When to try those again, if there are any.
    full_at: Mono,
    accepting: Accepting,
    /// Accepting has failed, and has not worked since.
    cannot_accept: bool,
    /// When to stop draining.
    drained_by: Option<Mono>,
    /// One for all connections: what is read is looked at before the next read.
    buffer: Box<[u8]>,
    outputs: Outputs,
    #[cfg(feature = "tls")]
    tls: Option<tls::Tls>,
    config: Rc<Config>,
}

/// One connection's socket.
#[derive(Debug)]
struct Socket {
    wire: Wire,
    /// What the socket would not take yet. A box, since most have none.
    rest: Option<Box<Rest>>,
    /// Nothing is read from it for now.
    paused: bool,
    /// It is in the list of those that may have more to read.
    unread: bool,
    /// It is in the list of those that did not take all they were to be sent.
    full: bool,
}

/// Whether there may be connections to accept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Accepting {
    /// Not until the next edge.
    Idle,
    /// There may be.
    Ready,
    /// There are, but there is no descriptor for them: try again then.
    Paused(Mono),
}

/// For all doors: no edge says which, so all are tried.
const DOORS: Token = Token(usize::MAX - 1);
const SIGNALS: Token = Token(usize::MAX - 2);
const WAKER: Token = Token(usize::MAX - 3);
#[cfg(feature = "tls")]
const RELOADS: Token = Token(usize::MAX - 4);

/// The size of the read buffer: more than most requests, and a whole body at its limit.
const BUFFER_BYTES: usize = 64 * 1024;

/// How many sockets' readiness is taken from the system at once.
const READINESS_MAX: usize = 1024;

/// How old a turn that writes may get before it goes to the disk: half of what a turn may take.
const GATHERING_MAX: Duration = Duration::from_millis(1);

/// How long to wait for a descriptor before trying to accept again.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

impl<H: Handler> EventLoop<H> {
    /// Listens wherever the configuration says. The server is not reachable before
    /// [`EventLoop::run`].
    pub fn bind(
        server: Server<H>,
        clock: Clock,
        signals: std::os::unix::net::UnixStream,
        config: &Rc<Config>,
    ) -> Result<Self, BindError> {
        Self::inherit(server, clock, signals, config, Vec::new())
    }

    /// The same, but takes over sockets that somebody else has made to listen, if there are any, in
    /// place of everything that is public. What has connected to them before is served, too.
    pub fn inherit(
        server: Server<H>,
        clock: Clock,
        signals: std::os::unix::net::UnixStream,
        config: &Rc<Config>,
        inherited: Vec<Inherited>,
    ) -> Result<Self, BindError> {
        let mut event_loop = Self::new(server, clock, signals, Rc::clone(config))?;
        if inherited.is_empty() {
            event_loop.open_all(&config.listen, Kind::Public)?;
        }
        for listener in inherited {
            let door = Door::inherited(listener, event_loop.selector.registry(), DOORS)?;
            event_loop.doors.push(door);
        }
        event_loop.open_all(&config.metrics_listen, Kind::Metrics)?;
        Ok(event_loop)
    }

    fn open_all(&mut self, places: &[Listen], kind: Kind) -> Result<(), BindError> {
        for at in places {
            let door = Door::open(at, kind, self.selector.registry(), DOORS);
            self.doors.push(door.map_err(|error| BindError { at: Some(at.clone()), error })?);
        }
        Ok(())
    }

    fn new(
        server: Server<H>,
        clock: Clock,
        signals: std::os::unix::net::UnixStream,
        config: Rc<Config>,
    ) -> io::Result<Self> {
        let selector = Selector::new()?;
        server.metrics().measure_with(clock);
        let mut signals = UnixStream::from_std(signals);
        selector.registry().register(&mut signals, SIGNALS, Interest::READABLE)?;
        Ok(Self {
            server,
            clock,
            selector,
            readiness: ReadinessList::with_capacity(READINESS_MAX),
            more_ready: false,
            doors: Vec::new(),
            signals,
            sockets: Slots::default(),
            unread: Vec::new(),
            full: Vec::new(),
            full_at: Mono(0),
            accepting: Accepting::Idle,
            cannot_accept: false,
            drained_by: None,
            buffer: vec![0; BUFFER_BYTES].into_boxed_slice(),
            outputs: Outputs::default(),
            #[cfg(feature = "tls")]
            tls: tls::Tls::of(&config)?,
            config,
        })
    }

    /// Lets the operator in, too, by a socket at this path. Nobody uses what may be there: the
    /// caller holds the folder's lock.
    pub fn open_control(&mut self, path: &Path) -> io::Result<()> {
        self.doors.push(Door::control(path, self.selector.registry(), DOORS)?);
        Ok(())
    }

    /// The first address at which it listens: the port is the system's choice where 0 was asked
    /// for.
    pub fn local_address(&self) -> io::Result<SocketAddr> {
        let address = |at: Listen| match at {
            Listen::Tcp(address) => Some(address),
            Listen::Unix(_) => None,
        };
        let address = self.listens_at()?.into_iter().find_map(address);
        Ok(address.ok_or(ErrorKind::AddrNotAvailable)?)
    }

    /// All places where it listens in public.
    pub fn listens_at(&self) -> io::Result<Vec<Listen>> {
        self.doors.iter().filter_map(Door::public).collect()
    }

    /// Ends the wait of a turn from another thread. There is one waker for each loop.
    pub fn waker(&self) -> io::Result<Waker> {
        Waker::new(self.selector.registry(), WAKER)
    }

    /// Serves until a signal comes and everything that waits is answered.
    pub fn run(mut self) -> io::Result<()> {
        while self.turn(None)? {}
        Ok(())
    }

    /// Waits until something happens, but no longer than `wait`, and does one turn. Returns `false`
    /// if it was the last: everything that waited is answered.
    pub fn turn(&mut self, wait: Option<Duration>) -> io::Result<bool> {
        let wait = [wait, self.timeout()].into_iter().flatten().min();
        match self.selector.poll(&mut self.readiness, wait) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
            Err(_) => return Ok(true),
            Ok(()) => {}
        }
        let now = self.clock.now();
        self.take_readiness(now);
        for id in std::mem::take(&mut self.unread) {
            if let Some(socket) = self.sockets.get_mut(id.0) {
                socket.unread = false;
                self.read(now, id, true);
            }
        }
        self.gather(now)?;
        self.retry_full(now);
        #[cfg(feature = "tls")]
        self.give_up_handshakes(now);
        self.server.handle(now, Input::EndOfTurn, &mut self.outputs);
        self.carry_out(now);
        self.server.metrics().delivered();
        if self.is_drained(now) {
            self.server.finish(now);
            return Ok(false);
        }
        self.accept(now);
        self.server.handle(now, Input::CarriedOut, &mut self.outputs);
        self.server.metrics().turned(now.mono);
        Ok(true)
    }

    /// Before a turn waits for the disk, it takes along what has come since it began: one `fsync`
    /// serves all of it. Clients that react fast would otherwise be served a few at a time.
    fn gather(&mut self, begun: Now) -> io::Result<()> {
        while self.server.is_writing() && self.clock.now().mono.since(begun.mono) < GATHERING_MAX {
            match self.selector.poll(&mut self.readiness, Some(Duration::ZERO)) {
                Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
                Err(_) => {}
                Ok(()) if self.readiness.is_empty() => return Ok(()),
                Ok(()) => self.take_readiness(begun),
            }
        }
        Ok(())
    }

    /// Looks at everything that has become ready.
    fn take_readiness(&mut self, now: Now) {
        let readiness = std::mem::replace(&mut self.readiness, ReadinessList::with_capacity(0));
        let mut count = 0;
        for ready in &readiness {
            count += 1;
            match ready.token() {
                DOORS => self.accepting = Accepting::Ready,
                SIGNALS => self.signalled(now),
                // The turn that it was meant to start has started.
                WAKER => {}
                #[cfg(feature = "tls")]
                RELOADS => self.reload(),
                Token(key) => {
                    let id = connection_id(key);
                    if ready.is_writable() {
                        self.flush(now, id);
                    }
                    if ready.is_readable() || ready.is_read_closed() || ready.is_error() {
                        self.read(now, id, ready.is_read_closed() || ready.is_error());
                    }
                }
            }
        }
        self.more_ready = count == readiness.capacity();
        self.readiness = readiness;
    }

    /// For how long nothing needs to be done.
    pub fn timeout(&self) -> Option<Duration> {
        if self.more_ready || !self.unread.is_empty() || self.accepting == Accepting::Ready {
            return Some(Duration::ZERO);
        }
        let accept_at = match self.accepting {
            Accepting::Paused(until) => Some(until),
            Accepting::Idle | Accepting::Ready => None,
        };
        let deadlines = [self.server.next_deadline(), accept_at, self.drained_by];
        let next = deadlines.into_iter().flatten().min();
        #[cfg(feature = "tls")]
        let handshakes = self.tls.as_ref().and_then(tls::Tls::next_deadline);
        #[cfg(feature = "tls")]
        let next = next.into_iter().chain(handshakes).min();
        let next = next?;
        Some(next.since(self.clock.now().mono))
    }

    fn accept(&mut self, now: Now) {
        if let Accepting::Paused(until) = self.accepting
            && until <= now.mono
        {
            self.accepting = Accepting::Ready;
        }
        if self.accepting != Accepting::Ready {
            return;
        }
        self.accepting = Accepting::Idle;
        let doors = std::mem::take(&mut self.doors);
        for door in &doors {
            self.accept_by(now, door);
        }
        self.doors = doors;
    }

    /// Accepts what waits at one door. Afterwards `accepting` says whether that was all.
    fn accept_by(&mut self, now: Now, door: &Door) {
        for _ in 0..self.config.accepts_per_turn_max {
            match door.accept() {
                Ok((mut stream, visitor)) => {
                    if std::mem::take(&mut self.cannot_accept) {
                        log::info!("connections are accepted again");
                    }
                    let number = self.sockets.next_number();
                    let token = Token(number as usize);
                    let interest = Interest::READABLE | Interest::WRITABLE;
                    let registry = self.selector.registry();
                    if let Err(error) = registry.register(&mut stream, token, interest) {
                        log::debug!("a new connection broke: {error}");
                        continue;
                    }
                    let connection = ConnectionId(number);
                    #[cfg(feature = "tls")]
                    let wire = self.wire(now, connection, stream, door.is_of_the_network());
                    #[cfg(not(feature = "tls"))]
                    let wire = Wire::new(stream);
                    self.sockets.insert(Socket {
                        wire,
                        rest: None,
                        paused: false,
                        unread: false,
                        full: false,
                    });
                    let input = match visitor {
                        Visitor::Peer(peer) => Input::Accepted { connection, peer },
                        Visitor::Monitor => Input::AcceptedMonitor { connection },
                        Visitor::Operator => Input::AcceptedOperator { connection },
                    };
                    self.server.handle(now, input, &mut self.outputs);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    // Said once, and not again until somebody was accepted.
                    if !std::mem::replace(&mut self.cannot_accept, true) {
                        log::warn!("cannot accept connections: {error}");
                    }
                    self.accepting = Accepting::Paused(now.mono.plus(ACCEPT_PAUSE));
                    return;
                }
            }
        }
        self.accepting = Accepting::Ready;
    }

    /// Reads what there is, but not for longer than the others would like to wait.
    /// `to_the_end`: a read that does not fill the buffer may not have been the last.
    fn read(&mut self, now: Now, id: ConnectionId, to_the_end: bool) {
        #[cfg(feature = "tls")]
        let was_shaking = self.shaking_until(id).is_some();
        self.read_some(now, id, to_the_end);
        #[cfg(feature = "tls")]
        self.flush_opened(now, id, was_shaking);
    }

    fn read_some(&mut self, now: Now, id: ConnectionId, to_the_end: bool) {
        for _ in 0..self.config.reads_per_turn_max {
            let Some(socket) = self.sockets.get_mut(id.0) else { return };
            if socket.paused {
                return;
            }
            // What the server could not look at in this turn is better left with the system.
            if self.server.is_full(&self.outputs) {
                break;
            }
            match socket.wire.read(&mut self.buffer) {
                Ok(0) => {
                    let input = Input::Ended { connection: id };
                    return self.server.handle(now, input, &mut self.outputs);
                }
                Ok(count) => {
                    let bytes = &self.buffer[..count];
                    let input = Input::Received { connection: id, bytes };
                    self.server.handle(now, input, &mut self.outputs);
                    // A pause is obeyed at once: what it bounds would grow until the turn ends.
                    if self.outputs.list.last() == Some(&Output::Pause { connection: id }) {
                        socket.paused = true;
                        return;
                    }
                    if socket.wire.is_emptied_by(count, self.buffer.len()) && !to_the_end {
                        return;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return self.gone(now, id),
            }
        }
        self.remember_unread(id);
    }

    fn remember_unread(&mut self, id: ConnectionId) {
        if let Some(socket) = self.sockets.get_mut(id.0)
            && !std::mem::replace(&mut socket.unread, true)
        {
            self.unread.push(id);
        }
    }

    fn gone(&mut self, now: Now, id: ConnectionId) {
        self.server.handle(now, Input::Gone { connection: id }, &mut self.outputs);
        drop(self.take(id));
    }

    /// Takes the socket out, to be closed. The selector forgets it by itself.
    fn take(&mut self, id: ConnectionId) -> Option<Socket> {
        self.sockets.take(id.0)
    }

    /// SIGINT or SIGTERM: the first is obeyed with manners, the second at once.
    fn signalled(&mut self, now: Now) {
        let mut byte = [0; 16];
        while matches!(self.signals.read(&mut byte), Ok(1..)) {}
        if self.drained_by.is_some() {
            self.drained_by = Some(now.mono);
            return;
        }
        log::info!("stopping");
        self.doors.clear();
        self.accepting = Accepting::Idle;
        self.drained_by = Some(now.mono.plus(self.config.drain_time_max));
        self.server.handle(now, Input::Drain, &mut self.outputs);
    }

    fn is_drained(&self, now: Now) -> bool {
        self.drained_by.is_some_and(|by| by <= now.mono || self.sockets.is_empty())
    }
}

impl<H> AsRawFd for EventLoop<H> {
    /// The selector's, which becomes readable when there is something for a turn to do. So one loop
    /// can be a source of another.
    fn as_raw_fd(&self) -> RawFd {
        self.selector.as_raw_fd()
    }
}

/// Whether an error of `accept` is about the one connection that was to be accepted.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset | ErrorKind::Interrupted
    )
}

fn connection_id(key: usize) -> ConnectionId {
    // invariant: a process has fewer than 2^32 descriptors.
    ConnectionId(u32::try_from(key).expect("fewer than 2^32 connections"))
}
