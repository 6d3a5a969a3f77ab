//! Runs one turn: read, decide, commit, release, write.
//!
//! The whole server without its sockets and its clock. It is driven by two verbs: [`Server::handle`]
//! takes what has happened, one [`Input`] after the other, and with [`Input::EndOfTurn`] says what
//! is to be done; [`Server::next_deadline`] says when it wants to be called even if nothing happens.
//! So a test can be the network and the time, and replay any run.
//!
//! The phases of a turn:
//!
//! 1. *Read.* Bytes become requests.
//! 2. *Decide.* Each request becomes an answer, a poll, or a longer piece of work. Nothing leaves.
//! 3. *Commit.* What all of them have written becomes durable, together, by one `fsync`.
//! 4. *Release.* New polls, and those of users for whom something was written, are asked for. Those
//!    for which there is an answer leave the comet (see `polls`).
//! 5. *Write.* All answers leave.
//!
//! Durable before visible: if the commit fails, every answer that wrote, or that was decided after
//! something was written, becomes 503, and nothing is pushed.
//!
//! This file calls and orders. It parses nothing, queries nothing and formats nothing.

mod io;
mod polls;

pub use io::{Input, Output, Outputs};

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use crate::comet::{Comet, ConnectionId, HoldId};
use crate::config::Config;
use crate::connection::{Connection, Framing, State, Then, Timer};
use crate::data::{Store, StoreError};
use crate::http::{self, CONTINUE, DateCache, Limits, Pages, Reader, Request, Response, Step};
use crate::logic::{Answer, Logic, Published, Refusal, Ticket};
use crate::system::{Entropy, Mono, Now};
use crate::timers::Wheel;
use crate::web::{self, Problem, Route};

/// The whole server without its sockets and its clock.
#[derive(Debug)]
pub struct Server {
    config: Rc<Config>,
    limits: Limits,
    logic: Logic,
    pages: Pages,
    comet: Comet,
    /// By number.
    connections: Vec<Option<Connection>>,
    /// How many there are.
    connections_len: usize,
    per_address: BTreeMap<IpAddr, usize>,
    /// The deadlines of connections that are not held.
    deadlines: Wheel,
    date: DateCache,
    /// Counts connections.
    serial: u64,
    draining: bool,
    turn: Turn,
}

/// What a turn collects on its way to its end.
#[derive(Debug, Default)]
struct Turn {
    /// What will be answered, in order.
    answers: Vec<Pending>,
    /// The polls to be asked for.
    asking: Vec<HoldId>,
    /// Connections whose early bytes may be looked at now.
    ready: Vec<ConnectionId>,
    /// Something may be half written: nothing of this turn is committed.
    failed: bool,
}

/// An answer that waits for the end of the turn.
#[derive(Debug)]
struct Pending {
    connection: ConnectionId,
    /// The connection may be gone by then, and its number another's.
    serial: u64,
    response: Response,
    /// Whether it tells of something that is not committed yet.
    depends_on_commit: bool,
}

/// How exactly deadlines are kept: each may be late by one such step.
const TICK: Duration = Duration::from_millis(50);

/// Steps in a revolution of a wheel: 102 s, so that every usual deadline is near.
const TICKS: usize = 2048;

/// When to come back to a server that is stopping.
const DRAIN_RETRY: Duration = Duration::from_millis(500);

impl Server {
    /// A server over a store, which nobody has connected to yet.
    pub fn new(
        config: Rc<Config>,
        store: Store,
        pages: Pages,
        entropy: Entropy,
        now: Now,
    ) -> Result<Self, StoreError> {
        let mut logic = Logic::new(Rc::clone(&config), store, entropy, now)?;
        if config.demo {
            logic.make_demo_accounts(now)?;
        }
        Ok(Self {
            limits: config.http_limits(),
            logic,
            pages,
            comet: Comet::new(Wheel::new(TICK, TICKS)),
            connections: Vec::new(),
            connections_len: 0,
            per_address: BTreeMap::new(),
            deadlines: Wheel::new(TICK, TICKS),
            date: DateCache::new(),
            serial: 0,
            draining: false,
            turn: Turn::default(),
            config,
        })
    }

    /// Takes in what has happened. Outputs are to be carried out after the end of the turn.
    pub fn handle(&mut self, now: Now, input: Input<'_>, outputs: &mut Outputs) {
        match input {
            Input::Accepted { connection, peer } => self.accept(now, connection, peer),
            Input::Received { connection, bytes } => self.receive(now, connection, bytes, outputs),
            Input::Ended { connection } => self.end(now, connection, outputs),
            Input::Gone { connection } => self.remove(now, connection),
            Input::Blocked { connection } => self.blocked(now, connection),
            Input::Flushed { connection } => self.flushed(now, connection, outputs),
            Input::Drain => self.drain(now, outputs),
            Input::EndOfTurn => self.end_turn(now, outputs),
        }
    }

    /// When to call [`Server::handle`] with the end of a turn, even if nothing happens before.
    pub fn next_deadline(&self) -> Option<Mono> {
        let Turn { answers, ready, .. } = &self.turn;
        if self.logic.has_work() || !ready.is_empty() || !answers.is_empty() {
            return Some(Mono(0));
        }
        let deadlines = [
            self.comet.next_deadline(),
            self.deadlines.next_deadline(),
            self.logic.next_deadline(),
        ];
        deadlines.into_iter().flatten().min()
    }

    /// How many polls are held.
    pub fn held(&self) -> usize {
        self.comet.len()
    }

    /// How many connections there are.
    pub fn connections(&self) -> usize {
        self.connections_len
    }

    /// The store, for what is done to it as a whole.
    pub fn store(&mut self) -> &mut Store {
        self.logic.store()
    }

    /// Writes down what was only remembered; the last thing to be called.
    pub fn finish(&mut self) {
        self.logic.finish();
    }

    // Phase 1: read.

    fn accept(&mut self, now: Now, id: ConnectionId, peer: IpAddr) {
        let index = id.0 as usize;
        if self.connections.len() <= index {
            self.connections.resize_with(index + 1, || None);
        }
        assert!(self.connections[index].is_none(), "the number of a new connection is free");
        self.serial += 1;
        self.connections[index] = Some(Connection::new(peer, self.serial));
        self.connections_len += 1;
        let of_address = self.per_address.entry(peer).or_insert(0);
        *of_address += 1;
        if self.connections_len > self.config.connections_max
            || (*of_address > self.config.connections_per_address_max && !peer.is_loopback())
        {
            log::debug!("too many connections; one from {peer} is sent away");
            self.refuse(id, Problem::too_many_connections());
        } else {
            self.set_timer(now, id, Timer::Idle);
        }
    }

    fn receive(&mut self, now: Now, id: ConnectionId, bytes: &[u8], outputs: &mut Outputs) {
        let early_max = self.config.pipelined_bytes_max;
        let Some(connection) = self.connection(id) else { return };
        match connection.state {
            State::Reading if connection.early.is_empty() => self.read(now, id, bytes, outputs),
            State::Lingering => {}
            State::Reading | State::Deciding | State::Held(_) | State::Writing(_) => {
                connection.early.extend_from_slice(bytes);
                if connection.early.len() <= early_max || connection.paused {
                    return;
                }
                if let State::Held(_) = connection.state {
                    // A poll whose socket is not read cannot be seen to hang up.
                    log::debug!("too much was sent behind a held poll");
                    self.close(now, id, outputs);
                } else {
                    connection.paused = true;
                    outputs.list.push(Output::Pause { connection: id });
                }
            }
        }
    }

    /// Reads from the front of `bytes`, up to the end of the first complete request.
    fn read(&mut self, now: Now, id: ConnectionId, mut bytes: &[u8], outputs: &mut Outputs) {
        let Some(connection) = self.connection(id) else { return };
        let mut reader = std::mem::take(&mut connection.reader);
        loop {
            let (taken, step) = reader.read(bytes, &self.limits);
            bytes = &bytes[taken..];
            match step {
                Ok(Step::Partial) => return self.wait_for_more(now, id, reader),
                Ok(Step::Continue) => {
                    let start = outputs.bytes.len();
                    outputs.bytes.extend_from_slice(CONTINUE);
                    outputs.write(id, start, &[], Then::Keep);
                }
                Ok(Step::Complete(request)) => {
                    self.begin_request(now, id, Framing::of(&request), bytes);
                    return self.decide(now, id, &request);
                }
                Err(error) => return self.refuse(id, Problem::from(&error)),
            }
        }
    }

    fn wait_for_more(&mut self, now: Now, id: ConnectionId, reader: Reader) {
        let Some(connection) = self.connection(id) else { return };
        connection.reader = reader;
        let timer = connection.reading_timer();
        // A deadline runs from its beginning: further bytes do not extend it.
        if connection.timer != timer {
            self.set_timer(now, id, timer);
        }
    }

    fn begin_request(&mut self, now: Now, id: ConnectionId, framing: Framing, early: &[u8]) {
        self.set_timer(now, id, Timer::Off);
        let Some(connection) = self.connection(id) else { return };
        connection.state = State::Deciding;
        connection.framing = framing;
        connection.early.extend_from_slice(early);
    }

    /// Looks at the bytes that came while the request before them was being answered.
    fn read_early(&mut self, now: Now, id: ConnectionId, outputs: &mut Outputs) {
        let Some(connection) = self.connection(id) else { return };
        if connection.state != State::Reading || connection.early.is_empty() {
            return;
        }
        let early = std::mem::take(&mut connection.early);
        if std::mem::take(&mut connection.paused) {
            outputs.list.push(Output::Resume { connection: id });
        }
        self.read(now, id, &early, outputs);
        if let Some(connection) = self.connection(id)
            && connection.ended
            && connection.state == State::Reading
        {
            self.close(now, id, outputs);
        }
    }

    /// The peer will send no more. What it has asked for is still answered, but a poll that has to
    /// wait would wait for somebody who has left.
    fn end(&mut self, now: Now, id: ConnectionId, outputs: &mut Outputs) {
        let Some(connection) = self.connection(id) else { return };
        connection.ended = true;
        match connection.state {
            State::Reading if connection.early.is_empty() => self.close(now, id, outputs),
            State::Lingering => self.close(now, id, outputs),
            State::Held(hold) => self.turn.asking.push(hold),
            State::Reading | State::Deciding | State::Writing(_) => {}
        }
    }

    // Phase 2: decide.

    fn decide(&mut self, now: Now, id: ConnectionId, request: &Request<'_>) {
        match self.consider(now, id, request) {
            Ok(Some(response)) => self.answer(id, response),
            Ok(None) => {}
            Err(problem) => self.answer(id, problem.respond()),
        }
    }

    /// The answer, or `None` where it comes later.
    fn consider(
        &mut self,
        now: Now,
        id: ConnectionId,
        request: &Request<'_>,
    ) -> Result<Option<Response>, Problem> {
        let matched = web::route(request)?;
        if self.draining {
            return Err(Problem::unavailable("The server is stopping.", DRAIN_RETRY));
        }
        match matched.route {
            Route::Page => {
                let page = self.pages.find(&request.target).ok_or_else(Problem::not_found)?;
                return Ok(Some(page.respond(request)));
            }
            Route::Health => return Ok(Some(web::health())),
            _ => {}
        }
        let mut caller = None;
        if matched.route.needs_token() {
            let token = web::bearer_token(request)?;
            let known = self.logic.authenticate(now, token);
            caller = Some(known.map_err(|refusal| self.refused(refusal))?);
        }
        let call = web::read_call(matched, request, &self.config)?;
        match self.logic.decide(now, caller, call, Ticket(id.0)) {
            Ok(Answer::Now(reply)) => Ok(Some(web::respond(&reply))),
            Ok(Answer::Later) => Ok(None),
            Ok(Answer::Wait(wait)) => {
                self.hold(now, id, &wait);
                Ok(None)
            }
            Err(refusal) => Err(self.refused(refusal)),
        }
    }

    /// Notes an answer for the end of the turn.
    fn answer(&mut self, id: ConnectionId, response: Response) {
        let depends_on_commit = self.logic.is_writing();
        let Some(connection) = self.connection(id) else { return };
        let serial = connection.serial;
        self.turn.answers.push(Pending { connection: id, serial, response, depends_on_commit });
    }

    /// Answers bytes that are no request, or come too late or from one too many. Nothing after them
    /// is read.
    fn refuse(&mut self, id: ConnectionId, problem: Problem) {
        let Some(connection) = self.connection(id) else { return };
        connection.state = State::Deciding;
        connection.framing = Framing::MALFORMED;
        self.answer(id, problem.respond());
    }

    fn refused(&mut self, refusal: Refusal) -> Problem {
        if let Refusal::Store(error) = &refusal {
            log::error!("a call failed: {error}");
            self.turn.failed = true;
        }
        refusal.into()
    }

    // The end of a turn: the rest of phases 1 and 2, then 3, 4 and 5.

    fn end_turn(&mut self, now: Now, outputs: &mut Outputs) {
        for id in std::mem::take(&mut self.turn.ready) {
            self.read_early(now, id, outputs);
        }
        self.time_out(now, outputs);
        self.logic.tick(now);
        self.work(now);
        let published = self.commit();
        self.release(now, &published, outputs);
        for pending in std::mem::take(&mut self.turn.answers) {
            self.write(now, pending, outputs);
        }
    }

    fn time_out(&mut self, now: Now, outputs: &mut Outputs) {
        let mut due = Vec::new();
        self.deadlines.expired(now.mono, &mut due);
        for id in due.into_iter().map(ConnectionId) {
            let Some(connection) = self.connection(id) else { continue };
            let timer = std::mem::replace(&mut connection.timer, Timer::Off);
            log::debug!("a connection ran out of time: {timer:?}");
            match timer {
                Timer::Head | Timer::Body => self.refuse(id, Problem::timeout()),
                Timer::Idle | Timer::Linger | Timer::Write => self.close(now, id, outputs),
                Timer::Off => unreachable!("a deadline is for something"),
            }
        }
    }

    /// A slice of what takes longer than a turn may last.
    fn work(&mut self, now: Now) {
        if let Some((Ticket(id), result)) = self.logic.work(now) {
            let response = match result {
                Ok(reply) => web::respond(&reply),
                Err(refusal) => self.refused(refusal).respond(),
            };
            self.answer(ConnectionId(id), response);
        }
    }

    // Phase 3: commit.

    fn commit(&mut self) -> Published {
        if std::mem::take(&mut self.turn.failed) {
            self.logic.roll_back();
        } else {
            match self.logic.commit() {
                Ok(published) => return published,
                Err(error) => log::error!("a turn was not committed: {error}"),
            }
        }
        for pending in &mut self.turn.answers {
            if pending.depends_on_commit {
                pending.response = Problem::not_committed().respond();
            }
        }
        // What is no matter of the store is told all the same; there is nothing left to write.
        self.logic.commit().unwrap_or_default()
    }

    // Phase 4, release, is in `polls`. Phase 5: write.

    fn write(&mut self, now: Now, pending: Pending, outputs: &mut Outputs) {
        let id = pending.connection;
        let draining = self.draining;
        // Not `self.connection`: the date is borrowed beside it.
        let Some(Some(connection)) = self.connections.get_mut(id.0 as usize) else { return };
        if connection.serial != pending.serial {
            return;
        }
        connection.framing.keep_alive &= !draining;
        log::debug!("{} to {}", pending.response.status(), connection.peer);
        let framing = http::Framing {
            version: connection.framing.version,
            head_only: connection.framing.head_only,
            keep_alive: connection.framing.keep_alive,
            date: self.date.at(now.wall.0),
        };
        let start = outputs.bytes.len();
        let tail = pending.response.encode(&framing, &mut outputs.bytes);
        let then = connection.then();
        outputs.write(id, start, tail, then);
        self.answered(now, id, then, outputs);
    }

    /// The answer is with the socket. Where that did not take all of it, it will say so.
    fn answered(&mut self, now: Now, id: ConnectionId, then: Then, outputs: &mut Outputs) {
        match then {
            Then::Keep => self.set_timer(now, id, Timer::Idle),
            Then::Close | Then::Linger => self.set_timer(now, id, Timer::Linger),
        }
        let Some(connection) = self.connection(id) else { return };
        if then == Then::Keep {
            connection.state = State::Reading;
            if !connection.early.is_empty() {
                self.turn.ready.push(id);
            }
        } else {
            connection.state = State::Lingering;
            connection.early = Vec::new();
            if std::mem::take(&mut connection.paused) {
                outputs.list.push(Output::Resume { connection: id });
            }
        }
    }

    fn blocked(&mut self, now: Now, id: ConnectionId) {
        let Some(connection) = self.connection(id) else { return };
        match connection.state {
            State::Reading => connection.state = State::Writing(Then::Keep),
            State::Lingering => connection.state = State::Writing(Then::Linger),
            // It took a little, so it has time again.
            State::Writing(_) => {}
            State::Deciding | State::Held(_) => unreachable!("an answer comes after its request"),
        }
        self.set_timer(now, id, Timer::Write);
    }

    fn flushed(&mut self, now: Now, id: ConnectionId, outputs: &mut Outputs) {
        let Some(connection) = self.connection(id) else { return };
        if let State::Writing(then) = connection.state {
            let ended = connection.ended && connection.early.is_empty();
            self.answered(now, id, then, outputs);
            if ended {
                self.close(now, id, outputs);
            }
        }
    }

    // Connections come and go.

    fn connection(&mut self, id: ConnectionId) -> Option<&mut Connection> {
        self.connections.get_mut(id.0 as usize)?.as_mut()
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
        let taken = self.connections.get_mut(id.0 as usize).and_then(Option::take);
        let Some(connection) = taken else { return };
        self.connections_len -= 1;
        self.deadlines.cancel(id.0);
        match self.per_address.get_mut(&connection.peer) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(self.per_address.remove(&connection.peer)),
        }
        match connection.state {
            State::Held(hold) => self.abandon(now, hold),
            State::Deciding => self.logic.cancel(Ticket(id.0)),
            State::Reading | State::Writing(_) | State::Lingering => {}
        }
    }

    /// The server is to stop. What is being answered still is; what waits is answered now.
    fn drain(&mut self, now: Now, outputs: &mut Outputs) {
        self.draining = true;
        self.release_all(now);
        for index in 0..self.connections.len() {
            let Some(connection) = &self.connections[index] else { continue };
            if connection.state == State::Reading && !connection.is_within_request() {
                // invariant: as in `accept`.
                let id = u32::try_from(index).expect("fewer than 2^32 connections");
                self.close(now, ConnectionId(id), outputs);
            }
        }
    }
}
