//! Runs the real server in a world of its own: fake sockets, a fake clock, a database in memory.
//!
//! A turn here is what a round of the event loop is there: sockets that have room take more, sockets
//! that have bytes are read, the turn is ended, what it wants done is done, and new connections are
//! accepted. After each turn everything is compared with what the checks know.
//!
//! A crash drops the server and keeps the database, rolled back to its last commit. The new process
//! has a clock that begins anew, as the real one has.

use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;

use lovejoy::chat::Chat;
use lovejoy::comet::ConnectionId;
use lovejoy::config::Config;
use lovejoy::connection::Then;
use lovejoy::data::Store;
use lovejoy::entity::Timestamp;
use lovejoy::http::Pages;
use lovejoy::server::{Input, Output, Outputs, Server};
use lovejoy::system::{Entropy, Mono, Now};

use crate::checks::{Checks, Circumstances, GRACE};
use crate::network::{Given, LinkId, Network};
use crate::people::NAMES;
use crate::plan::Plan;
use crate::random::Random;
use crate::trace::Trace;
use crate::wire::Response;

/// The server and everything around it but people.
pub struct World {
    server: Server<Chat>,
    config: Rc<Config>,
    plan: Plan,
    pub random: Random,
    pub network: Network,
    pub checks: Checks,
    trace: Trace,
    outputs: Outputs,
    /// Microseconds since the beginning of the run.
    pub now: u64,
    /// The time of day, in milliseconds.
    wall: i64,
    /// When the present process began.
    started_at: u64,
    starts: u64,
    pub turn: u64,
    /// The link behind each number that is taken.
    sockets: Vec<Option<LinkId>>,
    /// Numbers that are free again, the last one to be used first, as in the slab of the loop.
    free: Vec<u32>,
    /// When the store is written to again.
    full_until: Option<u64>,
    /// When to stop draining.
    drained_by: Option<u64>,
    /// Turns in a row that the server wanted at once.
    at_once: u64,
    /// What has happened in this turn.
    inputs: u64,
    written: u64,
    inputs_of_turn: u64,
    /// When a poll of each person was last held or answered; the same until they are gone; and when
    /// one last may have been.
    polled: PerPerson,
    leaving: PerPerson,
    may_have_polled: PerPerson,
    /// How often this process was woken for nothing that can be seen.
    unseen: u64,
}

/// How often an inbox is looked after.
const INBOX_TIME: u64 = 300_000_000;

/// A moment for each person.
type PerPerson = [Option<u64>; NAMES.len()];

/// How long a drain may take.
const DRAIN_TIME: u64 = 2_000_000;

impl World {
    pub fn new(plan: &Plan, mut random: Random, trace: Trace) -> Self {
        let config = Rc::new(plan.config.clone());
        let store = Store::in_memory().expect("a database");
        let wall = 1_700_000_000_123;
        let mut entropy_seed = random.clone();
        random.next();
        let server = start(&config, store, entropy_seed.next(), now(0, wall));
        Self {
            server,
            config,
            plan: plan.clone(),
            random,
            network: Network::default(),
            checks: Checks::new(trace.clone()),
            trace,
            outputs: Outputs::default(),
            now: 0,
            wall,
            started_at: 0,
            starts: 1,
            turn: 0,
            sockets: Vec::new(),
            free: Vec::new(),
            full_until: None,
            drained_by: None,
            at_once: 0,
            inputs: 0,
            inputs_of_turn: 0,
            polled: PerPerson::default(),
            leaving: PerPerson::default(),
            may_have_polled: PerPerson::default(),
            unseen: 0,
            written: 0,
        }
    }

    /// One round of the loop.
    pub fn turn(&mut self, gently: bool) {
        self.turn += 1;
        self.trace.count("turns");
        self.look_around();
        self.checks.newest_before = self.checks.newest();
        let mut links = self.network.alive.clone();
        self.random.shuffle(&mut links);
        for id in links {
            if self.network.peek(id).number.is_some()
                && (gently || !self.random.chance(self.plan.delay))
            {
                self.flush(id);
                self.read(id, gently);
            }
        }
        if !gently {
            self.faults();
        }
        self.give();
        let before = self.activity();
        let due = self.server_deadline().filter(|&due| due <= self.now);
        self.input(Input::EndOfTurn);
        self.checks.look_into(self.server.handler().store());
        self.carry_out();
        self.look();
        self.look_around();
        if let Some(due) = due
            && self.inputs_of_turn + 1 == self.inputs
        {
            let was_for_nothing = before == self.activity();
            self.woken(due, was_for_nothing);
        }
        self.accept(gently);
        self.inputs_of_turn = self.inputs;
        if self.drained_by.is_some_and(|by| by <= self.now || self.server.connections() == 0) {
            self.trace.line(|| "**   drained".into());
            self.server.finish();
            self.restart();
        }
    }

    /// Time goes on to what happens next, or a little.
    pub fn pass(&mut self, people_next: u64, gently: bool) {
        let random = &mut self.random;
        let micros =
            if self.server.next_deadline() == Some(Mono(0)) || self.network.is_busy(self.now) {
                if random.chance(20) { random.below(40_000) } else { random.below(400) }
            } else {
                let own = self.server.next_deadline().map(|at| at.0 + self.started_at);
                let stall = self.network.next_deadline(self.now);
                let all = [own, stall, self.full_until, self.drained_by, Some(people_next)];
                let next = all.into_iter().flatten().min().unwrap_or(u64::MAX);
                let rest = next.saturating_sub(self.now).min(3_600_000_000);
                match random.below(10) {
                    0 | 1 => random.below(rest + 1),
                    _ if !gently && random.chance(self.plan.oversleep) => {
                        rest + random.below(3_000_000)
                    }
                    _ => rest,
                }
            };
        let before = self.now / 1000;
        self.now += micros;
        self.wall += (self.now / 1000 - before).cast_signed();
        self.trace.at(self.now);
    }

    /// What happens at the end of the last turn has been looked at; the server can be asked.
    pub fn held(&mut self) -> usize {
        self.server.handler().held()
    }

    /// Nothing has become of the store that nobody did.
    pub fn compare_store(&mut self) {
        self.checks.at_the_end(self.server.handler().store());
    }

    /// When the server wants its next turn.
    pub fn server_deadline(&self) -> Option<u64> {
        self.server.next_deadline().map(|at| at.0 + self.started_at)
    }

    /// The faults end: the store can be written to, and a server that stops is replaced.
    pub fn calm_down(&mut self) {
        self.trace.line(|| "**   calm".into());
        self.set_full(None);
        if self.drained_by.is_some() {
            self.restart();
        }
        for id in self.network.alive.clone() {
            self.network.link(id).stalled_until = 0;
        }
    }

    // Faults.

    fn faults(&mut self) {
        if self.random.chance(self.plan.set_clock) {
            let ms = self.random.between(0, 3_600_000).cast_signed();
            let ms = if self.random.chance(600) { -ms } else { ms };
            self.trace.line(|| format!("**   the clock is set by {ms} ms"));
            self.wall += ms;
        }
        if self.full_until.is_some_and(|until| until <= self.now) {
            self.set_full(None);
        } else if self.full_until.is_none() && self.random.chance(self.plan.full) {
            let time = self.random.pick(&[10_000, 1_000_000, 20_000_000]);
            self.set_full(Some(self.now + time));
        }
        if self.drained_by.is_none() && self.random.chance(self.plan.drain) {
            self.trace.count("drains");
            self.trace.line(|| "**   the server is told to stop".into());
            self.network.refuses = true;
            self.drained_by = Some(self.now + DRAIN_TIME);
            self.input(Input::Drain);
        } else if self.random.chance(self.plan.crash) {
            self.trace.count("crashes");
            self.trace.line(|| "**   the server is killed".into());
            self.restart();
        }
    }

    fn set_full(&mut self, until: Option<u64>) {
        if self.full_until == until {
            return;
        }
        self.trace.line(|| {
            format!("**   the store is {}", if until.is_some() { "full" } else { "writable" })
        });
        self.full_until = until;
        let pages = until.map(|_| 1);
        self.server.handler().store().set_pages_max(pages);
    }

    /// Another process on the same database; all connections are broken.
    fn restart(&mut self) {
        self.starts += 1;
        let mut store = Store::in_memory().expect("a database");
        std::mem::swap(self.server.handler().store(), &mut store);
        store.roll_back();
        store.set_pages_max(None);
        self.full_until = None;
        self.drained_by = None;
        self.polled = PerPerson::default();
        self.leaving = PerPerson::default();
        self.may_have_polled = PerPerson::default();
        self.unseen = 0;
        self.network.refuses = false;
        self.outputs = Outputs::default();
        self.started_at = self.now;
        self.server = start(&self.config, store, self.random.next(), now(0, self.wall));
        for id in std::mem::take(&mut self.sockets).into_iter().flatten() {
            self.network.close(id, &mut self.random);
        }
        self.free.clear();
        self.network.backlog.clear();
        for id in self.network.alive.clone() {
            self.network.link(id).shut = true;
        }
    }

    // The loop.

    fn input(&mut self, input: Input<'_>) {
        self.inputs += 1;
        let now = self.server_now();
        self.server.handle(now, input, &mut self.outputs);
    }

    fn server_now(&self) -> Now {
        now(self.now - self.started_at, self.wall)
    }

    fn accept(&mut self, gently: bool) {
        while let Some(id) = self.network.backlog.pop_front() {
            let number = self.free.pop().unwrap_or_else(|| {
                self.sockets.push(None);
                u32::try_from(self.sockets.len() - 1).expect("few links")
            });
            self.sockets[number as usize] = Some(id);
            let connection = ConnectionId(number);
            self.network.link(id).number = Some(connection);
            self.trace.line(|| format!("  -> #{id} connects as {number}"));
            let peer = IpAddr::V4(Ipv4Addr::LOCALHOST);
            self.input(Input::Accepted { connection, peer });
            if !gently && self.random.chance(self.plan.delay) {
                break;
            }
        }
    }

    /// The socket may have room again.
    fn flush(&mut self, id: LinkId) {
        let now = self.now;
        let link = self.network.link(id);
        let Some(connection) = link.number else { return };
        if link.taken == link.written || link.stalled_until > now {
            return;
        }
        if !self.random.chance(700) {
            let link = self.network.link(id);
            link.taken += 1;
            if link.taken < link.written {
                return self.input(Input::Blocked { connection });
            }
        }
        let link = self.network.link(id);
        link.taken = link.written;
        let then = link.then;
        self.taken(id, then, true);
    }

    fn read(&mut self, id: LinkId, gently: bool) {
        loop {
            let link = self.network.link(id);
            let Some(connection) = link.number else { return };
            if link.broken {
                // Before it breaks, the end may have been read.
                if !link.end_told && self.random.chance(500) {
                    self.network.link(id).end_told = true;
                    self.input(Input::Ended { connection });
                }
                return self.gone(id);
            }
            if link.paused {
                return;
            }
            let left = link.up.len() - link.told;
            if left == 0 {
                if link.ended && !link.end_told {
                    link.end_told = true;
                    self.trace.count("connections half-closed");
                    self.trace.line(|| format!("  -> #{id} ends"));
                    self.input(Input::Ended { connection });
                }
                return;
            }
            let count = match !gently && self.random.chance(self.plan.split) {
                true => self.random.index(left) + 1,
                false => left,
            };
            let link = self.network.link(id);
            let bytes = link.up[link.told..link.told + count].to_vec();
            link.told += count;
            self.trace.line(|| format!("  -> #{id} {count} of {left} bytes"));
            self.input(Input::Received { connection, bytes: &bytes });
            // A pause is obeyed at once.
            if self.outputs.list.last() == Some(&Output::Pause { connection }) {
                self.network.link(id).paused = true;
            }
            if count < left && self.random.chance(500) {
                return;
            }
        }
    }

    /// From now on the server owes an answer to what it has got.
    fn give(&mut self) {
        let given = Given { at: self.now, turn: self.turn, newest: self.checks.newest() };
        for &id in &self.network.alive.clone() {
            let link = self.network.link(id);
            let (told, is_free) = (link.told, link.taken == link.written && !link.shut);
            if link.number.is_some()
                && is_free
                && let Some(first) = link.unanswered.front_mut()
                && first.end <= told
                && first.given.is_none()
            {
                first.given = Some(given);
                if first.request.poll().is_some() {
                    self.may_have_polled[first.request.person] = Some(self.now);
                }
                self.checks.given(&first.request, self.turn);
            }
        }
    }

    fn carry_out(&mut self) {
        while !self.outputs.list.is_empty() {
            let outputs = std::mem::take(&mut self.outputs);
            for output in outputs.list {
                match output {
                    Output::Write { connection, bytes, tail, then } => {
                        let bytes = [&outputs.bytes[bytes], tail].concat();
                        self.write(connection, &bytes, then);
                    }
                    Output::Close { connection } => self.close(connection),
                    Output::Pause { connection } => {
                        self.trace.count("connections paused");
                        self.set_paused(connection, true);
                    }
                    Output::Resume { connection } => self.set_paused(connection, false),
                }
            }
        }
    }

    fn set_paused(&mut self, connection: ConnectionId, paused: bool) {
        if let Some(id) = self.sockets[connection.0 as usize] {
            self.network.link(id).paused = paused;
        }
    }

    fn write(&mut self, connection: ConnectionId, bytes: &[u8], then: Then) {
        self.trace.hash(bytes);
        self.written += 1;
        let Some(id) = self.sockets[connection.0 as usize] else {
            panic!("nothing is written to a connection that is no more");
        };
        let (response, len) = Response::read(bytes).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(len, bytes.len(), "one answer at a time");
        self.trace.line(|| format!("<-   #{id} {response}"));
        let circumstances = self.circumstances();
        let link = self.network.link(id);
        let asked = link.unanswered.pop_front();
        let asked = asked.unwrap_or_else(|| panic!("an answer without a request: {response}"));
        let given = asked.given.unwrap_or_else(|| panic!("{} is not at an end", asked.request));
        let stays = then == Then::Keep;
        assert_eq!(
            response.closes,
            link_closes(&response, then, link.ended),
            "{response} {then:?}"
        );
        assert!(!link.shut, "nothing follows a last answer");
        link.then = then;
        let was_full = link.taken < link.written;
        link.write(response.clone(), bytes.len());
        let link_is_closed = !stays;
        if link_is_closed {
            // What is still behind it will not be answered.
            link.unanswered.clear();
        }
        if asked.request.poll().is_some() && response.status == 200 {
            self.has_polled(asked.request.person);
        }
        self.checks.answered(&asked.request, given, &response, circumstances);
        let link = self.network.link(id);
        if was_full || link.stalled_until > self.now {
            self.trace.count("answers stalled");
            return self.input(Input::Blocked { connection });
        }
        link.taken = link.written;
        self.taken(id, then, false);
    }

    /// The socket has taken everything.
    fn taken(&mut self, id: LinkId, then: Then, was_blocked: bool) {
        match then {
            Then::Keep => {}
            Then::Linger => self.network.link(id).shut = true,
            Then::Close => return self.gone(id),
        }
        let link = self.network.link(id);
        if was_blocked && let Some(connection) = link.number {
            self.input(Input::Flushed { connection });
        }
    }

    /// The socket is broken, or closed behind the last answer.
    fn gone(&mut self, id: LinkId) {
        let Some(connection) = self.network.link(id).number else { return };
        self.trace.count("connections broken");
        self.trace.line(|| format!("  -> #{id} is gone"));
        self.input(Input::Gone { connection });
        self.let_go(id, connection);
    }

    /// The server closes a connection. It must have a reason if somebody waits for an answer there.
    fn close(&mut self, connection: ConnectionId) {
        // It may have broken before the turn came to closing it.
        let Some(id) = self.sockets[connection.0 as usize] else { return };
        self.trace.line(|| format!("<-   #{id} is closed"));
        let early_max = self.config.pipelined_bytes_max;
        let (turn, draining) = (self.turn, self.drained_by.is_some());
        let link = self.network.link(id);
        if let Some(first) = link.unanswered.front()
            && let Some(given) = first.given
        {
            self.trace.count("connections closed while a request waits");
            // What came early, and was not yet looked at when the server was told to stop.
            let is_too_late = draining && given.turn == turn;
            let is_poll = first.request.poll().is_some();
            let half_closed = is_poll && link.end_told;
            let too_much = is_poll && link.told - first.end > early_max;
            let why = half_closed || too_much || is_too_late || link.taken < link.written;
            assert!(why, "#{id} is closed while {} waits", first.request);
        }
        self.let_go(id, connection);
    }

    fn let_go(&mut self, id: LinkId, connection: ConnectionId) {
        self.sockets[connection.0 as usize] = None;
        self.free.push(connection.0);
        self.network.close(id, &mut self.random);
    }

    // Checks.

    fn circumstances(&self) -> Circumstances {
        Circumstances {
            now: self.now,
            turn: self.turn,
            start: self.starts,
            full: self.full_until.is_some(),
            draining: self.drained_by.is_some(),
            events_page_max: self.config.events_page_max,
            hashing_is_bounded: self.config.hashing_max < 10,
            polled: self.polled,
            may_have_polled: self.may_have_polled,
            inbox_is_bounded: self.config.live_events_per_user_max < 10,
        }
    }

    /// What one would see of a turn that had a reason.
    fn activity(&mut self) -> (u64, usize, usize) {
        (self.written, self.held(), self.server.connections())
    }

    /// A server that sleeps is woken when there is something to do. What cannot be seen from here
    /// is a slice of hashing, somebody without friends who is gone for good, and the inboxes, each
    /// of which is looked after once in a while.
    fn woken(&mut self, due: u64, for_nothing: bool) {
        self.trace.count("woken");
        let mut gone = false;
        for ended_at in &mut self.leaving {
            gone |= ended_at.take_if(|at| *at + GRACE <= self.now).is_some();
        }
        if !for_nothing || gone || due == self.started_at {
            return;
        }
        self.trace.count("woken for nothing");
        self.trace.line(|| "**   woken for nothing that can be seen".into());
        self.unseen += 1;
        let rounds = (self.now - self.started_at) / INBOX_TIME + 1;
        let most = NAMES.len() as u64 * rounds;
        assert!(self.unseen <= most, "the server is woken {} times for nothing", self.unseen);
    }

    fn has_polled(&mut self, person: usize) {
        self.polled[person] = Some(self.now);
        self.leaving[person] = Some(self.now);
        self.may_have_polled[person] = Some(self.now);
    }

    /// Those who wait are there.
    fn look_around(&mut self) {
        let polls = self.network.accepted().filter_map(|(_, link)| {
            let first = link.unanswered.front().filter(|first| first.given.is_some())?;
            first.request.poll().map(|_| first.request.person)
        });
        for person in polls.collect::<Vec<_>>() {
            self.has_polled(person);
        }
    }

    /// Compares the server with what it should be at the end of a turn.
    fn look(&mut self) {
        let mut held = 0;
        let mut of_person = [0; NAMES.len()];
        for (id, link) in self.network.accepted() {
            let first = link.unanswered.front();
            if link.paused && !link.shut && link.taken == link.written {
                let is_busy = first.is_some_and(|first| first.end <= link.told);
                assert!(is_busy, "#{id} is read again when there is nothing to answer");
            }
            let Some(first) = first else { continue };
            let Some(given) = first.given else { continue };
            match first.request.poll() {
                Some(poll) => {
                    held += 1;
                    of_person[first.request.person] += 1;
                    let early = link.told - first.end;
                    let early_max = self.config.pipelined_bytes_max;
                    assert!(early <= early_max, "#{id}: {early} bytes wait behind a poll");
                    assert!(
                        !link.end_told,
                        "#{id}: one who has closed their side is not waited for"
                    );
                    self.checks.held(&first.request, poll, given, self.now);
                }
                None => {
                    let may_take = if first.request.is_slow() { 500 } else { 0 };
                    let took = self.turn - given.turn;
                    assert!(took <= may_take, "{} is answered in its turn", first.request);
                }
            }
        }
        let most = of_person.into_iter().max().unwrap_or(0);
        assert!(most <= self.config.polls_per_user_max, "one user holds {most} polls");
        assert_eq!(held, self.server.handler().held(), "as many polls are held as clients wait");
        let sockets = self.sockets.iter().flatten().count();
        assert_eq!(sockets, self.server.connections(), "a connection for each socket");
        // Whoever is to be answered in time has to be thought of.
        self.at_once = match self.server.next_deadline() {
            Some(at) if at.0 + self.started_at <= self.now => self.at_once + 1,
            _ => 0,
        };
        assert!(self.at_once < 500, "the server goes in circles");
    }
}

/// An answer says that it is the last one, unless the client has said so before.
fn link_closes(response: &Response, then: Then, ended: bool) -> bool {
    match then {
        Then::Linger => true,
        Then::Keep => false,
        Then::Close => response.closes || !ended,
    }
}

fn start(config: &Rc<Config>, store: Store, seed: u64, now: Now) -> Server<Chat> {
    let pages = Pages::embedded();
    let entropy = Entropy::seeded(seed);
    let chat = Chat::new(Rc::clone(config), store, pages, entropy, now).expect("a chat");
    Server::new(Rc::clone(config), chat)
}

fn now(mono: u64, wall: i64) -> Now {
    Now { mono: Mono(mono), wall: Timestamp(wall) }
}
