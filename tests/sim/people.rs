//! Plays the users: what they do of themselves, and what they do to their connections.
//!
//! A tab does one thing at a time, as the page does, beside the poll. What it does is drawn from
//! what its view offers: it accepts who asked, and writes to who is a friend. In the calm it only
//! does what keeps it up to date.

mod doings;
mod keys;

use std::collections::BTreeSet;
use std::rc::Rc;

use crate::network::{LinkId, Network, Seen};
use crate::plan::Plan;
use crate::random::Random;
use crate::tab::{Sent, Tab};
use crate::trace::Trace;
use crate::wire::{Manner, Poll, Request, What};

use keys::Keys;

pub const NAMES: [&str; 4] = ["anna", "ben", "漠然", "dora"];

/// What accounts are called that nobody uses.
const NOBODY: [&str; 8] = ["n0", "n1", "n2", "n3", "n4", "n5", "n6", "n7"];

/// All users with all their tabs.
#[derive(Debug)]
pub struct People {
    pub tabs: Vec<Tab>,
    /// By what each person logs in.
    keys: Vec<Keys>,
    random: Random,
    plan: Plan,
    trace: Trace,
    /// Nothing is done but to keep up.
    pub calm: bool,
    sayings: u64,
    /// What was said with a nonce.
    said: Vec<What>,
    persons: usize,
}

/// How long a client waits beyond what it may have to.
const PATIENCE: u64 = 10_000_000;

impl People {
    pub fn new(plan: Plan, random: Random, trace: Trace) -> Self {
        let tabs = (0..plan.people * plan.tabs_each).map(|tab| Tab::new(tab % plan.people));
        Self {
            tabs: tabs.collect(),
            keys: (0..plan.people).map(|_| Keys::new()).collect(),
            random,
            trace,
            calm: false,
            sayings: 0,
            said: Vec::new(),
            persons: plan.people,
            plan,
        }
    }

    /// What the network has brought.
    pub fn see(&mut self, link: LinkId, seen: Seen, now: u64) {
        match seen {
            Seen::Answer(request, response) => {
                if !request.is_for_another() {
                    self.keys[request.person].answered(&request.what, &response);
                }
                self.tabs[request.tab].answered(link, &request, &response, now);
            }
            Seen::Frame(request, frame) => {
                self.tabs[request.tab].streamed(link, &request, frame, now);
            }
            Seen::Lost(request) => {
                self.trace.line(|| format!("     {} lost: {request}", self.name(request.tab)));
                self.keys[request.person].lost(&request.what);
                self.tabs[request.tab].lost(link, &request, now);
            }
        }
    }

    /// Everybody does what they want to do now.
    pub fn act(&mut self, network: &mut Network, now: u64) {
        for tab in 0..self.tabs.len() {
            if self.tabs[tab].asleep_until > now {
                continue;
            }
            self.lose_patience(tab, network, now);
            self.keep_up(tab, network, now);
            if !self.calm {
                if self.random.chance(self.plan.busy) && self.tabs[tab].token.is_some() {
                    self.do_something(tab, network, now);
                }
                self.misbehave(tab, network, now);
            }
        }
    }

    /// The tabs that are asleep.
    pub fn asleep(&self, now: u64) -> BTreeSet<usize> {
        (0..self.tabs.len()).filter(|&tab| self.tabs[tab].asleep_until > now).collect()
    }

    /// When somebody will do something even if nothing happens.
    pub fn next_deadline(&self, now: u64) -> u64 {
        self.tabs.iter().map(|tab| tab.next_deadline(now)).min().unwrap_or(u64::MAX)
    }

    /// Whether they sleep for so long now and then that short tokens end.
    pub fn sleep_long(&self) -> bool {
        self.plan.sleep > 0 && self.plan.are_tokens_short()
    }

    /// Says something in each conversation that is open.
    pub fn say_all(&mut self, tab: usize, network: &mut Network) {
        for conversation in self.tabs[tab].view.open_conversations() {
            let what = self.saying(conversation);
            self.stray(tab, network, what);
        }
    }

    /// Leaves for good.
    pub fn leave(&mut self, tab: usize, network: &mut Network) {
        self.tabs[tab].asleep_until = u64::MAX;
        for sent in self.tabs[tab].on_their_way() {
            network.hang_up(sent.link, false);
        }
        (self.tabs[tab].poll, self.tabs[tab].command) = (None, None);
    }

    fn name(&self, tab: usize) -> String {
        format!("{}/{tab}", NAMES[self.tabs[tab].person])
    }

    fn lose_patience(&mut self, tab: usize, network: &mut Network, now: u64) {
        for sent in self.tabs[tab].on_their_way() {
            if sent.give_up_at <= now {
                network.hang_up(sent.link, false);
            }
        }
    }

    /// What a page does without being asked to: log in, load what it lacks, and poll.
    fn keep_up(&mut self, tab: usize, network: &mut Network, now: u64) {
        let me = &self.tabs[tab];
        let is_first = me.cursor.is_none();
        if me.command.is_none() && me.pause_until <= now {
            let what = match &me.token {
                None => Some(self.keys[me.person].log_in(NAMES[me.person])),
                Some(_) if !me.pending.is_empty() => Some(What::State),
                Some(_) if is_first && me.poll.is_none() && self.random.chance(900) => {
                    Some(What::State)
                }
                Some(_) if !is_first => {
                    me.wants_history.first().map(|&conversation| What::History { conversation })
                }
                Some(_) => None,
            };
            if let Some(what) = what {
                self.command(tab, network, &what, now);
            }
        }
        let me = &self.tabs[tab];
        let may_ask = me.may_poll(now) && (!is_first || me.command.is_none());
        if may_ask && (!is_first || self.random.chance(200)) {
            let wait = match () {
                // It only wants to know where it stands.
                () if is_first => Some(0),
                () if self.calm => Some(25),
                () => self.random.pick(&[
                    None,
                    Some(25),
                    Some(25),
                    Some(60),
                    Some(90),
                    Some(3),
                    Some(0),
                ]),
            };
            let poll = Poll { wait, ..self.poll(tab, self.plan.stream) };
            let give_up_at = now + poll.wait_micros() + PATIENCE;
            let last = self.last_link(tab, network);
            if let Some(link) = self.ask(tab, network, last, What::Poll(poll)) {
                self.tabs[tab].poll = Some(Sent { link, give_up_at });
            } else {
                self.tabs[tab].pause_until = now + 500_000;
            }
        }
    }

    /// Asks for what comes next, perhaps as a stream.
    fn poll(&mut self, tab: usize, streams: u64) -> Poll {
        let me = &self.tabs[tab];
        let cursor = me.cursor.clone();
        let mut manner = Manner::Poll;
        if cursor.is_some() && self.random.chance(streams) {
            manner = self.random.pick(&[Manner::EventStream, Manner::Lines]);
        }
        let began_behind = me.old_cursor.clone().filter(|_| manner == Manner::EventStream);
        let is_old = manner.is_stream() && self.random.chance(100);
        Poll { cursor, wait: None, manner, began_behind, is_probe: false, is_old }
    }

    fn reload(&mut self, tab: usize, network: &mut Network) {
        let tab = &mut self.tabs[tab];
        if let Some(sent) = tab.poll {
            network.hang_up(sent.link, false);
        }
        tab.forget();
    }

    /// What tabs, networks and laptops do.
    fn misbehave(&mut self, tab: usize, network: &mut Network, now: u64) {
        if self.random.chance(self.plan.abandon) {
            let time = self.random.pick(&[1_000, 500_000, 20_000_000]);
            self.tabs[tab].abandon(now + time);
        }
        if self.random.chance(self.plan.stream / 100) && self.tabs[tab].token.is_some() {
            self.watch(tab, network, now);
        }
        let me = &self.tabs[tab];
        let sent = if self.random.chance(500) { me.poll } else { me.command };
        if let Some(Sent { link, .. }) = sent {
            if self.random.chance(self.plan.hang_up) {
                let hard = self.random.chance(500);
                self.trace.line(|| format!("     {} hangs up #{link}", self.name(tab)));
                return network.hang_up(link, hard);
            }
            let stalls = self.random.chance(self.plan.stall);
            if stalls {
                let time = self.random.pick(&[50_000, 3_000_000, 15_000_000]);
                network.link(link).stalled_until = now + time;
                self.trace.line(|| format!("     #{link} takes nothing for {time} us"));
            }
            // What stands behind an answer that does not leave is a matter of its own.
            let mut often = if stalls { 10 } else { 1 };
            if self.random.chance(self.plan.pipeline * often) && network.is_usable(link) {
                // So is what stands before the end.
                often = 10;
                for _ in 0..self.random.pick(&[1, 1, 2, 8]) {
                    let what = match self.random.below(4) {
                        0 => self.repetition_or_me(tab),
                        1 | 2 => self.probe(tab, 2),
                        _ => What::Me,
                    };
                    // More than the server answers in one turn is another matter.
                    if self.tabs[tab].token.is_some() && network.waits_for(link) < 12 {
                        self.ask(tab, network, Some(link), what);
                    }
                }
            }
            if self.random.chance(self.plan.half_close * often) {
                self.trace.line(|| format!("     {} closes its side of #{link}", self.name(tab)));
                network.half_close(link);
            }
        }
        if self.random.chance(self.plan.sleep) {
            let time = self.random.pick(&[1, 12, 40, 150, 400, 1000]) * 1_000_000;
            self.trace.line(|| format!("     {} sleeps for {time} us", self.name(tab)));
            self.tabs[tab].asleep_until = now + time;
            if self.random.chance(500) {
                for sent in [self.tabs[tab].poll, self.tabs[tab].command].into_iter().flatten() {
                    network.hang_up(sent.link, true);
                }
            }
        }
    }

    /// Streams of all that happens from now on, which somebody keeps for a while; perhaps without
    /// reading a byte.
    fn watch(&mut self, tab: usize, network: &mut Network, now: u64) {
        let (count, time) = (self.random.pick(&[1, 3]), self.random.pick(&[1_000, 40_000_000]));
        let stalled_until = if self.random.chance(500) { now + time } else { 0 };
        for _ in 0..count {
            let manner = self.random.pick(&[Manner::EventStream, Manner::Lines]);
            let is_old = self.random.chance(100);
            let what = What::Poll(Poll { manner, is_old, ..Poll::probe(None, 25) });
            let Some(link) = self.ask(tab, network, None, what) else { return };
            network.link(link).stalled_until = stalled_until;
            self.tabs[tab].abandoned.push(Sent { link, give_up_at: now + time });
        }
    }

    /// A poll that asks what was asked before, or what is being asked: that one most likely waits.
    fn probe(&mut self, tab: usize, wait: u64) -> What {
        let waits = self.random.chance(500);
        let me = &self.tabs[tab];
        match if waits { &me.cursor } else { &me.old_cursor } {
            Some(cursor) => What::Poll(Poll::probe(Some(Rc::clone(cursor)), wait)),
            None => What::Me,
        }
    }

    fn repetition_or_me(&mut self, tab: usize) -> What {
        let repetition = if self.said.is_empty() { None } else { self.repetition(tab) };
        repetition.unwrap_or(What::Me)
    }

    // Requests.

    /// Sends a request whose answer the tab waits for.
    fn command(&mut self, tab: usize, network: &mut Network, what: &What, now: u64) {
        let twice = !self.calm
            && matches!(what, What::Send { nonce: Some(_), .. })
            && self.random.chance(self.plan.repeat);
        if twice {
            self.stray(tab, network, what.clone());
        }
        let last = self.last_link(tab, network);
        match self.ask(tab, network, last, what.clone()) {
            Some(link) => {
                let give_up_at = now + PATIENCE;
                self.tabs[tab].command = Some(Sent { link, give_up_at });
            }
            None => self.tabs[tab].pause_until = now + 500_000,
        }
    }

    /// Sends a request on a connection of its own, and does not wait.
    fn stray(&mut self, tab: usize, network: &mut Network, what: What) {
        self.ask(tab, network, None, what);
    }

    /// A connection of the tab on which nothing is going on, perhaps.
    fn last_link(&mut self, tab: usize, network: &Network) -> Option<LinkId> {
        let idle = network.idle(tab)?;
        self.random.chance(700).then_some(idle)
    }

    fn ask(
        &mut self,
        tab: usize,
        network: &mut Network,
        link: Option<LinkId>,
        what: What,
    ) -> Option<LinkId> {
        let link = link.or_else(|| network.connect(tab))?;
        let person = self.tabs[tab].person;
        let mut request = Request { tab, person, token: Rc::from(""), what };
        if let Some(token) = &self.tabs[tab].token
            && !request.is_login()
        {
            request.token = Rc::clone(token);
        }
        self.trace.line(|| format!("     {} asks on #{link}: {request}", self.name(tab)));
        network.ask(link, request);
        Some(link)
    }
}
