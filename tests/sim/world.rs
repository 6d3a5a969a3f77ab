//! Runs the real server in a world of its own: fake sockets, a fake clock, a database in memory.
//!
//! A turn here is what a round of the event loop is there: sockets that have room take more, sockets
//! that have bytes are read, the turn is ended, what it wants done is done, and new connections are
//! accepted. After each turn everything is compared with what the checks know.
//!
//! What a round is made of is in `sockets` and `pieces`, what is compared in `watch`.
//!
//! A crash drops the server and keeps the database, rolled back to its last commit. The new process
//! has a clock that begins anew, as the real one has.

mod pieces;
mod sockets;
mod watch;

use std::rc::Rc;

use lovejoy::chat::Chat;
use lovejoy::config::Config;
use lovejoy::data::{Fault, Store};
use lovejoy::entity::Timestamp;
use lovejoy::http::Pages;
use lovejoy::server::{Input, Outputs, Server};
use lovejoy::system::{Entropy, Mono, Now};

use crate::checks::Checks;
use crate::network::{LinkId, Network};
use crate::people::NAMES;
use crate::plan::Plan;
use crate::random::Random;
use crate::trace::Trace;

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
    /// It was full, or failed, at some time of this turn.
    was_full: bool,
    /// It could not even be read.
    was_unreadable: bool,
    /// What fails, and until when.
    fault: Option<(Fault, u64)>,
    /// When to stop draining.
    drained_by: Option<u64>,
    /// Turns in a row that the server wanted at once, and in which nothing happened.
    at_once: u64,
    /// The most requests that had a password hashed at once.
    hashing_most: u64,
    /// What has happened in this turn.
    inputs: u64,
    written: u64,
    inputs_of_turn: u64,
    /// When a poll of each person was last held or answered; and when one last may have been, which
    /// may have been refused.
    polled: PerPerson,
    may_have_polled: PerPerson,
    /// The same until they are gone.
    leaving: PerPerson,
    may_be_leaving: PerPerson,
    /// How many polls and streams each has had in this turn.
    polls: [usize; NAMES.len()],
    /// Whose polls were released in this turn, and since which turn they had been there.
    released: Vec<(usize, u64)>,
    /// How often this process was woken for nothing that can be seen.
    unseen: u64,
    /// Nobody has pipelined in this turn.
    exact: bool,
}

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
            checks: Checks::new(&plan.config, trace.clone()),
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
            was_full: false,
            was_unreadable: false,
            fault: None,
            drained_by: None,
            at_once: 0,
            hashing_most: 0,
            inputs: 0,
            inputs_of_turn: 0,
            polled: PerPerson::default(),
            leaving: PerPerson::default(),
            may_be_leaving: PerPerson::default(),
            may_have_polled: PerPerson::default(),
            polls: [0; NAMES.len()],
            released: Vec::new(),
            unseen: 0,
            exact: true,
            written: 0,
        }
    }

    /// One round of the loop.
    pub fn turn(&mut self, gently: bool) {
        self.turn += 1;
        self.trace.count("turns");
        self.was_full = self.full_until.is_some() || self.fault.is_some();
        self.was_unreadable = self.is_unreadable();
        self.look_around();
        self.checks.newest_before = self.checks.newest();
        let mut links = self.network.alive.clone();
        self.random.shuffle(&mut links);
        // The disk may fail between two writes of a turn.
        let mut until_it_fails = self.random.index(links.len() + 1);
        for id in links {
            if until_it_fails == 0 && !gently {
                self.disk_faults();
            }
            until_it_fails = until_it_fails.wrapping_sub(1);
            if self.network.peek(id).number.is_some()
                && (gently || !self.random.chance(self.plan.delay))
            {
                self.flush(id);
                self.read(id, gently);
            }
        }
        if !gently {
            if until_it_fails == 0 {
                self.disk_faults();
            }
            self.faults();
        }
        self.give();
        let before = self.activity();
        let upkeep = self.server.handler().store().upkeep_is_due(false);
        let due = self.server_deadline().filter(|&due| due <= self.now && !upkeep);
        self.input(Input::EndOfTurn);
        self.look_into_store();
        self.carry_out();
        self.give_next();
        let is_alone = self.inputs_of_turn + 1 == self.inputs;
        let was_for_nothing = is_alone && before == self.activity();
        self.look(was_for_nothing);
        self.look_around();
        if let Some(due) = due
            && is_alone
        {
            self.woken(due, was_for_nothing);
        }
        self.accept(gently);
        self.input(Input::CarriedOut);
        self.inputs_of_turn = self.inputs;
        if self.drained_by.is_some_and(|by| by <= self.now || self.server.connections() == 0) {
            self.trace.line(|| "**   drained".into());
            let now = self.server_now();
            self.server.finish(now);
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
                let fault = self.fault.map(|(_, until)| until);
                let all = [own, stall, fault, self.full_until, self.drained_by, Some(people_next)];
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
        if self.fault.is_some() {
            self.set_fault(None);
        }
        if self.drained_by.is_some() {
            self.restart();
        }
        for id in self.network.alive.clone() {
            self.network.link(id).stalled_until = 0;
        }
    }

    /// For a while the store cannot be read, in worlds in which disks fail at all.
    pub fn hide_store(&mut self, is_hidden: bool) {
        if self.plan.fault > 0 {
            self.set_fault(is_hidden.then_some((Fault::Read, u64::MAX)));
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
        // What was written in a turn that comes to nothing is what may be lost; most turns write nothing.
        let often = if self.server.handler().store().is_writing() { 8 } else { 1 };
        if self.drained_by.is_none() && self.random.chance(self.plan.drain * often) {
            self.trace.count("drains");
            self.trace.line(|| "**   the server is told to stop".into());
            self.network.refuses = true;
            self.drained_by = Some(self.now + DRAIN_TIME);
            self.input(Input::Drain);
        } else if self.random.chance(self.plan.crash * often) {
            self.trace.count("crashes");
            self.trace.line(|| "**   the server is killed".into());
            self.restart();
        }
    }

    fn disk_faults(&mut self) {
        if self.full_until.is_some_and(|until| until <= self.now) {
            self.set_full(None);
        } else if self.full_until.is_none() && self.random.chance(self.plan.full) {
            let time = self.random.pick(&[10_000, 1_000_000, 20_000_000]);
            self.set_full(Some(self.now + time));
        }
        if self.fault.is_some_and(|(_, until)| until <= self.now) {
            self.set_fault(None);
        } else if self.fault.is_none() && self.random.chance(self.plan.fault) {
            let fault = self.random.pick(&[Fault::Commit, Fault::Write, Fault::Read]);
            let time = self.random.pick(&[10_000, 1_000_000, 20_000_000]);
            self.set_fault(Some((fault, self.now + time)));
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
        self.was_full |= until.is_some();
        let pages = until.map(|_| 1);
        self.server.handler().store().set_pages_max(pages);
    }

    fn set_fault(&mut self, fault: Option<(Fault, u64)>) {
        self.trace.line(|| format!("**   the disk gives errors: {fault:?}"));
        self.trace.count("disks that give errors");
        self.fault = fault;
        self.server.handler().store().set_fault(fault.map(|(fault, _)| fault));
        self.was_full |= fault.is_some();
        self.was_unreadable |= self.is_unreadable();
    }

    fn is_unreadable(&self) -> bool {
        matches!(self.fault, Some((Fault::Read, _)))
    }

    /// What the server cannot read the checks can.
    fn look_into_store(&mut self) {
        let is_unreadable = self.is_unreadable();
        let store = self.server.handler().store();
        if is_unreadable {
            store.set_fault(None);
        }
        self.checks.look_into(store, self.turn, self.now);
        if is_unreadable {
            store.set_fault(Some(Fault::Read));
        }
    }

    /// Another process on the same database; all connections are broken.
    fn restart(&mut self) {
        self.starts += 1;
        let mut store = Store::in_memory().expect("a database");
        std::mem::swap(self.server.handler().store(), &mut store);
        store.roll_back();
        store.set_pages_max(None);
        store.set_fault(None);
        self.full_until = None;
        self.fault = None;
        self.drained_by = None;
        self.polled = PerPerson::default();
        self.leaving = PerPerson::default();
        self.may_be_leaving = PerPerson::default();
        self.may_have_polled = PerPerson::default();
        self.unseen = 0;
        self.checks.limits.restart();
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

    fn input(&mut self, input: Input<'_>) {
        self.inputs += 1;
        let now = self.server_now();
        self.server.handle(now, input, &mut self.outputs);
    }

    fn server_now(&self) -> Now {
        now(self.now - self.started_at, self.wall)
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
