//! Serves HTTP on connections that others read and write, turn by turn.
//!
//! The whole server without its sockets and its clock. It is driven by two verbs:
//! [`Server::handle`] takes what has happened, one [`Input`] at a time, and at [`Input::EndOfTurn`]
//! says what is to be done; [`Server::next_deadline`] says when it wants to be called even if
//! nothing happens. So a test can play the network and the clock, and replay any run.
//!
//! The phases of a turn:
//!
//! 1. *Read.* Bytes become requests.
//! 2. *Decide.* Each request becomes an answer, or is kept to be answered later. Nothing leaves.
//! 3. *Commit.* What all of them have written becomes durable, together.
//! 4. *Release.* What was kept and can be answered now, is.
//! 5. *Write.* All answers leave.
//!
//! What nobody waits for is done behind that, at [`Input::CarriedOut`].
//!
//! The first and the last are done here, for any [`Handler`]; those between are the handler's. The
//! chat's handler is [`Chat`](crate::chat::Chat).
//!
//! A turn reads a limited number of requests: whatever else has come waits in the `queue`, whose
//! head comment says who is next. Those who are not in the queue come first. If there are some of
//! both, those outside it are answered in a turn of their own, so that they do not wait for what
//! the queue costs; but the queue gets at least every other turn. A turn that has to wait for the
//! disk is long whatever it reads, so it takes along everybody who is within their share.
//!
//! Knows connections and their deadlines (see [`crate::connection`] for their states). Does not
//! know what is asked, nor why an answer has to wait.

mod handler;
mod io;
mod peers;
mod queue;
mod writing;

pub(crate) use handler::KEPT_ANSWERS_MAX;
pub use handler::{Answer, Answers, Client, Decision, Handler, Refused};
pub use io::{Input, Output, Outputs};

use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use crate::chunks::Sparse;
use crate::comet::ConnectionId;
use crate::config::Config;
use crate::connection::{Connection, Framing, PeerId, State, Then, Timer};
use crate::http::{CONTINUE, DateCache, Limits, Reader, Request, Step};
use crate::lab::recorder::Recorder;
use crate::lab::tape::Ended;
use crate::metrics::Metrics;
use crate::pool::Pool;
use crate::system::{Mono, Now};
use crate::timers::Wheel;
use peers::Peers;
use queue::{Queue, Round};

/// The whole server without its sockets and its clock.
#[derive(Debug)]
pub struct Server<H> {
    metrics: Rc<Metrics>,
    recorder: Rc<Recorder>,
    handler: H,
    config: Rc<Config>,
    limits: Limits,
    pool: Rc<Pool>,
    /// By number.
    connections: Sparse<Connection>,
    peers: Peers,
    /// The deadlines of connections whose requests are not with the handler.
    deadlines: Wheel,
    /// Connections whose deadlines have passed, but which have not been dealt with yet.
    overdue: Vec<u32>,
    date: DateCache,
    draining: bool,
    /// Connections that were refused in this turn.
    refused: Vec<(ConnectionId, Refused)>,
    /// Connections with bytes that are looked at when it is their turn.
    queue: Queue,
    /// What this turn has read, in small requests.
    spent: usize,
    /// The last turn left the queue to this one.
    put_off: bool,
    answers: Answers,
}

/// How exactly deadlines are kept: each may be late by one such step.
pub const TICK: Duration = Duration::from_millis(50);

/// Steps in a revolution of a wheel: 102 s, so that every usual deadline is near.
pub const TICKS: usize = 2048;

/// How many times its portion a turn may read if it will wait for the disk anyway: one commit
/// serves a few hundred requests, and each takes ten microseconds.
const WRITING: usize = 32;

/// How many pipelined requests of one client are answered before it is the others' turn.
const ROUNDS_MAX: usize = 16;

impl<H: Handler> Server<H> {
    /// A server to which nobody has connected yet.
    pub fn new(config: Rc<Config>, handler: H) -> Self {
        Self {
            metrics: handler.metrics(),
            recorder: handler.recorder(),
            handler,
            limits: config.http_limits(),
            pool: Pool::new(config.buffers_bytes_max),
            connections: Sparse::default(),
            peers: Peers::default(),
            deadlines: Wheel::new(TICK, TICKS),
            overdue: Vec::new(),
            date: DateCache::new(),
            draining: false,
            refused: Vec::new(),
            queue: Queue::default(),
            spent: 0,
            put_off: false,
            answers: Answers::new(),
            config,
        }
    }

    /// Takes in what has happened. Outputs are to be carried out after the end of the turn.
    pub fn handle(&mut self, now: Now, input: Input<'_>, outputs: &mut Outputs) {
        match input {
            Input::Accepted { connection, peer } => self.accept(now, connection, peer),
            Input::AcceptedOperator { connection } => self.accept_operator(now, connection),
            Input::AcceptedMonitor { connection } => self.accept_monitor(now, connection),
            Input::Received { connection, bytes } => self.receive(now, connection, bytes, outputs),
            Input::Ended { connection } => self.end(now, connection, outputs),
            Input::Gone { connection } => {
                self.handler.broken(connection);
                self.remove(now, connection);
            }
            Input::Blocked { connection } => self.blocked(now, connection),
            Input::Flushed { connection } => self.flushed(now, connection, outputs),
            Input::Drain => self.drain(now, outputs),
            Input::EndOfTurn => self.end_turn(now, outputs),
            Input::CarriedOut => self.handler.keep_up(now),
        }
    }

    /// When to call [`Server::handle`] with the end of a turn, even if nothing happens before.
    pub fn next_deadline(&self) -> Option<Mono> {
        if !(self.queue.is_empty() && self.refused.is_empty() && self.overdue.is_empty()) {
            return Some(Mono(0));
        }
        match (self.handler.next_deadline(), self.deadlines.next_deadline()) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        }
    }

    /// Whether the end of this turn will wait for the disk; see [`Handler::is_writing`].
    pub fn is_writing(&self) -> bool {
        self.handler.is_writing()
    }

    /// What requests are handed to.
    pub fn handler(&mut self) -> &mut H {
        &mut self.handler
    }

    /// Where what is done here is counted.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// The bytes that all connections keep together; those still to be written count there, too.
    pub fn pool(&self) -> &Rc<Pool> {
        &self.pool
    }

    /// How many connections there are.
    pub fn connections(&self) -> usize {
        self.connections.len()
    }

    /// Where a connection stands.
    pub fn state(&self, id: ConnectionId) -> Option<State> {
        Some(self.connections.get(id.0)?.state)
    }

    /// The last thing to be called.
    pub fn finish(&mut self, now: Now) {
        self.handler.finish(now);
    }

    // Read.

    fn accept(&mut self, now: Now, id: ConnectionId, peer: IpAddr) {
        let speaks_for_others = self.config.speaks_for_others(peer);
        let share = (!speaks_for_others).then(|| self.queue.new_share());
        let (peer_id, of_address) = self.peers.enter(peer, share);
        self.add(id, peer_id);
        if self.connections.len() > self.config.connections_max
            || (of_address > self.config.connections_per_address_max && !speaks_for_others)
        {
            log::debug!("too many connections; one from {peer} is sent away");
            self.metrics.connections_refused.add(1);
            self.refuse(now, id, Refused::TooMany);
        } else {
            self.set_timer(now, id, Timer::Idle);
        }
    }

    fn accept_operator(&mut self, now: Now, id: ConnectionId) {
        self.add(id, PeerId::OPERATOR);
        self.set_timer(now, id, Timer::Idle);
    }

    fn accept_monitor(&mut self, now: Now, id: ConnectionId) {
        self.add(id, PeerId::MONITOR);
        if self.connections.len() > self.config.connections_max {
            self.metrics.connections_refused.add(1);
            self.refuse(now, id, Refused::TooMany);
        } else {
            self.set_timer(now, id, Timer::Idle);
        }
    }

    fn add(&mut self, id: ConnectionId, peer: PeerId) {
        let before = self.connections.put(id.0, Connection::new(peer, self.queue.new_share()));
        assert!(before.is_none(), "the number of a new connection is free");
        self.metrics.connections_accepted.add(1);
    }

    fn receive(&mut self, now: Now, id: ConnectionId, bytes: &[u8], outputs: &mut Outputs) {
        self.metrics.bytes_received.add(bytes.len());
        let is_full = self.is_full(outputs);
        let has_room = self.spent < self.portion(true);
        // Not `self.connection`: the queue is beside it.
        let Some(connection) = self.connections.get_mut(id.0) else { return };
        match connection.state {
            State::Reading => {
                // The rest of a request was paid for with its beginning.
                let new = usize::from(!connection.is_within_request());
                let share = self.peers.share(connection);
                let is_next = has_room && (new == 0 || self.queue.is_free(*share));
                // If there is no room for bytes to wait, nobody's do.
                if !is_full && (is_next || self.pool.is_over()) {
                    self.queue.charge(share, new);
                    self.spent += self.queue.usual_cost();
                    return self.read(now, id, bytes, outputs);
                }
                connection.push_early(bytes, &self.pool);
                self.enqueue(id);
                self.bound_early(now, id, outputs);
            }
            State::Lingering => {}
            State::Queued
            | State::Deciding
            | State::Held(_)
            | State::Streaming(_)
            | State::Writing(_) => {
                connection.push_early(bytes, &self.pool);
                self.bound_early(now, id, outputs);
            }
        }
    }

    /// Whether this turn already has so much to write that what comes must wait for the next.
    pub fn is_full(&self, outputs: &Outputs) -> bool {
        self.handler.pending_bytes() + outputs.bytes.len() > self.config.turn_bytes_max
    }

    /// Bytes that come early are bounded: past the limit nothing more is read from a connection
    /// until its answer has left. A poll's socket has to be read, or nobody would see it hang up;
    /// so its client is sent away. So is any client for whose bytes the pool has no room.
    fn bound_early(&mut self, now: Now, id: ConnectionId, outputs: &mut Outputs) {
        let early_max = self.config.pipelined_bytes_max;
        let is_over = self.pool.is_over();
        let Some(connection) = self.connection(id) else { return };
        if connection.early().is_empty() || (connection.early().len() <= early_max && !is_over) {
            return;
        }
        if is_over || matches!(connection.state, State::Held(_) | State::Streaming(_)) {
            log::debug!("too much was sent behind a held poll");
            self.close(now, id, outputs);
        } else if !connection.paused {
            connection.paused = true;
            outputs.list.push(Output::Pause { connection: id });
        }
    }

    /// Reads from the front of `bytes`, up to the end of the first complete request.
    fn read(&mut self, now: Now, id: ConnectionId, mut bytes: &[u8], outputs: &mut Outputs) {
        let Some(connection) = self.connection(id) else { return };
        let mut reader = connection.take_reader();
        loop {
            let is_fresh = reader.is_fresh();
            // Not taken apart: a request is moved about no more often than it must.
            let read = reader.read(bytes, &self.limits);
            let (begun, rest) = bytes.split_at(read.0);
            self.recorder.read(now, id, begun, is_fresh);
            bytes = rest;
            match &read.1 {
                Ok(Step::Partial) => return self.wait_for_more(now, id, reader),
                Ok(Step::Continue) => {
                    let start = outputs.bytes.len();
                    outputs.bytes.extend_from_slice(CONTINUE);
                    self.recorder.sent_interim(now, id, CONTINUE);
                    outputs.write(id, start, &[], Then::Keep);
                }
                Ok(Step::Complete(request)) => {
                    self.decide(now, id, request, bytes);
                    return self.bound_early(now, id, outputs);
                }
                Err(error) => return self.refuse(now, id, Refused::Malformed(*error)),
            }
        }
    }

    fn wait_for_more(&mut self, now: Now, id: ConnectionId, reader: Reader) {
        let Some(connection) = self.connections.get_mut(id.0) else { return };
        connection.keep_reader(reader, &self.pool);
        if self.pool.is_over() && connection.peer != PeerId::OPERATOR {
            connection.take_reader();
            log::debug!("there is no room for the beginning of a request");
            self.metrics.connections_refused.add(1);
            return self.refuse(now, id, Refused::TooMany);
        }
        let timer = connection.reading_timer();
        // A deadline runs from its beginning: further bytes do not extend it.
        if connection.timer != timer {
            self.set_timer(now, id, timer);
        }
    }

    /// Hands a request to the handler. What came after it waits until it is answered.
    fn decide(&mut self, now: Now, id: ConnectionId, request: &Request<'_>, early: &[u8]) {
        self.metrics.requests.add(1);
        self.set_timer(now, id, Timer::Off);
        let Some(connection) = self.connections.get_mut(id.0) else { return };
        connection.framing = Framing::of(request);
        connection.push_early(early, &self.pool);
        let peer = connection.peer;
        let (is_operator, is_monitor) = (peer == PeerId::OPERATOR, peer == PeerId::MONITOR);
        let peer = self.peers.address(peer);
        let client = Client { connection: id, peer, is_operator, is_monitor };
        let state = match self.handler.decide(now, client, request) {
            Decision::Later => State::Deciding,
            Decision::Held(hold) => State::Held(hold),
        };
        self.recorder.decided(id);
        let Some(connection) = self.connection(id) else { return };
        connection.state = state;
        if connection.ended
            && let State::Held(hold) = state
        {
            self.handler.half_closed(now, hold);
        }
    }

    /// What has come on a connection waits until it is its turn.
    fn enqueue(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(id.0) else { return };
        connection.state = State::Queued;
        let share = self.peers.share(connection);
        self.queue.enter(share, id);
    }

    /// What a turn may read, in small requests: the usual portion, or, if it waits for the disk
    /// anyway, more of those who are within their share.
    fn portion(&self, within_share: bool) -> usize {
        let portion = self.config.requests_per_turn_max;
        if within_share && self.is_writing() { portion.saturating_mul(WRITING) } else { portion }
    }

    /// Reads what has waited, up to the portion of this turn.
    fn read_queued(&mut self, now: Now, round: Round, outputs: &mut Outputs) {
        while self.spent < self.portion(self.queue.is_within(round)) && !self.is_full(outputs) {
            let Some(id) = self.queue.next() else { break };
            // It may be gone, and another may have its number.
            let Some(connection) = self.connections.get_mut(id.0) else { continue };
            if connection.state == State::Queued {
                self.spent += self.queue.usual_cost();
                connection.state = State::Reading;
                self.read_early(now, id, outputs);
            }
        }
    }

    /// Looks at the bytes that came before it was their turn.
    fn read_early(&mut self, now: Now, id: ConnectionId, outputs: &mut Outputs) {
        let Some(connection) = self.connection(id) else { return };
        let early = connection.take_early();
        self.read(now, id, &early, outputs);
        let early_max = self.config.pipelined_bytes_max;
        let Some(connection) = self.connection(id) else { return };
        if connection.paused && connection.early().len() <= early_max {
            connection.paused = false;
            outputs.list.push(Output::Resume { connection: id });
        }
        if connection.ended && connection.state == State::Reading {
            self.close(now, id, outputs);
        }
    }

    /// The peer will send nothing more. What it has asked for is still answered.
    fn end(&mut self, now: Now, id: ConnectionId, outputs: &mut Outputs) {
        let Some(connection) = self.connection(id) else { return };
        connection.ended = true;
        match connection.state {
            State::Reading | State::Lingering => self.close(now, id, outputs),
            State::Held(hold) | State::Streaming(hold) => self.handler.half_closed(now, hold),
            State::Queued | State::Deciding | State::Writing(_) => {}
        }
    }

    /// Turns a connection away. Nothing more of what it sends is looked at.
    fn refuse(&mut self, now: Now, id: ConnectionId, why: Refused) {
        self.set_timer(now, id, Timer::Off);
        let Some(connection) = self.connection(id) else { return };
        connection.state = State::Deciding;
        connection.framing = Framing::MALFORMED;
        self.refused.push((id, why));
    }

    // The end of a turn.

    fn end_turn(&mut self, now: Now, outputs: &mut Outputs) {
        self.metrics.turns.add(1);
        self.time_out(now, outputs);
        self.put_off = self.spent > 0 && !self.queue.is_empty() && !self.put_off;
        if self.put_off {
            self.finish_turn(now, outputs);
        } else {
            let round = self.queue.round();
            self.spent = self.spent.min(self.config.requests_per_turn_max / 2);
            let mut is_busy = false;
            for _ in 0..ROUNDS_MAX {
                self.read_queued(now, round, outputs);
                is_busy |= self.spent > self.portion(true) / 2;
                self.finish_turn(now, outputs);
                // Requests that were pipelined are waiting; a few of them need not wait for the
                // loop, unless something else does.
                let has_room = self.spent < self.portion(false) && !self.is_full(outputs);
                if self.queue.is_empty()
                    || !has_room
                    || self.handler.next_deadline() == Some(Mono(0))
                {
                    break;
                }
            }
            if self.queue.is_empty() && !is_busy {
                self.queue.forgive();
            }
        }
        self.spent = 0;
    }

    fn finish_turn(&mut self, now: Now, outputs: &mut Outputs) {
        let mut answers = std::mem::take(&mut self.answers);
        self.handler.end_turn(now, &mut answers);
        for (id, why) in std::mem::take(&mut self.refused) {
            answers.push((id, Answer::Whole(self.handler.refuse(&why))));
        }
        let before = outputs.len();
        for (id, answer) in answers.drain(..) {
            self.write(now, id, &answer, outputs);
        }
        self.metrics.bytes_sent.add(outputs.len() - before);
        // Empty, and kept for its memory.
        answers.shrink_to(KEPT_ANSWERS_MAX);
        self.answers = answers;
    }

    fn time_out(&mut self, now: Now, outputs: &mut Outputs) {
        if self.overdue.is_empty() {
            self.deadlines.expired(now.mono, &mut self.overdue);
        }
        // Those who came together may run out of time together: a portion each turn.
        let portion = self.overdue.len().min(self.config.polls_per_turn_max);
        let others = self.overdue.split_off(portion);
        for number in std::mem::replace(&mut self.overdue, others) {
            // Not one that was given more time meanwhile, or that has another's number.
            if self.deadlines.get(number).is_some() {
                continue;
            }
            let id = ConnectionId(number);
            let Some(connection) = self.connection(id) else { continue };
            if connection.state == State::Queued {
                // It is the server that is late, not the peer.
                let timer = connection.timer;
                self.set_timer(now, id, timer);
                continue;
            }
            let timer = std::mem::replace(&mut connection.timer, Timer::Off);
            log::debug!("a connection ran out of time: {timer:?}");
            match timer {
                Timer::Head | Timer::Body => self.refuse(now, id, Refused::TimedOut),
                Timer::Write => {
                    self.handler.broken(id);
                    self.close(now, id, outputs);
                }
                Timer::Idle | Timer::Linger => self.close(now, id, outputs),
                // It had its request ready just then.
                Timer::Off => {}
            }
        }
    }

    // Connections come and go.

    fn connection(&mut self, id: ConnectionId) -> Option<&mut Connection> {
        self.connections.get_mut(id.0)
    }

    fn set_timer(&mut self, now: Now, id: ConnectionId, timer: Timer) {
        let time = match timer {
            Timer::Body => self.config.body_time_max,
            Timer::Head => self.config.head_time_max,
            Timer::Idle => self.config.idle_time_max,
            Timer::Linger => self.config.linger_time_max,
            Timer::Write => self.config.write_time_max,
            Timer::Off => Duration::ZERO,
        };
        if let Some(connection) = self.connection(id) {
            connection.timer = timer;
            if timer == Timer::Off {
                self.deadlines.cancel(id.0);
            } else {
                self.deadlines.set(id.0, now.mono.plus(time));
            }
        }
    }

    fn close(&mut self, now: Now, id: ConnectionId, outputs: &mut Outputs) {
        self.remove(now, id);
        outputs.list.push(Output::Close { connection: id });
    }

    /// Forgets a connection, and whatever was going on for it.
    fn remove(&mut self, now: Now, id: ConnectionId) {
        let Some(connection) = self.connections.take(id.0) else { return };
        self.metrics.connections_closed.add(1);
        self.recorder.ended(now, id, Ended::Cut);
        self.peers.leave(connection.peer);
        self.deadlines.cancel(id.0);
        match connection.state {
            State::Held(hold) | State::Streaming(hold) => {
                self.handler.gone(now, id, Some(hold));
            }
            State::Deciding => self.handler.gone(now, id, None),
            // What an operator asks for may last as long as they stay.
            _ if connection.peer == PeerId::OPERATOR => self.handler.gone(now, id, None),
            State::Reading | State::Queued | State::Writing(_) | State::Lingering => {}
        }
    }

    /// The server is to stop. What is being answered still is answered; what waits is answered now.
    fn drain(&mut self, now: Now, outputs: &mut Outputs) {
        self.draining = true;
        self.handler.drain(now);
        let idle = |connection: &Connection| {
            connection.state == State::Reading && !connection.is_within_request()
        };
        let numbered = self.connections.iter().filter(|(_, connection)| idle(connection));
        let idle: Vec<_> = numbered.map(|(number, _)| ConnectionId(number)).collect();
        for id in idle {
            self.close(now, id, outputs);
        }
    }
}
