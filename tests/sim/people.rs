//! Plays the users: what they do of themselves, and what they do to their connections.
//!
//! A tab does one thing at a time, as the page does, beside the poll. What it does is drawn from
//! what its view offers: it accepts who asked, and writes to who is a friend. In the calm it only
//! does what keeps it up to date.

use std::collections::BTreeSet;
use std::rc::Rc;

use crate::network::{LinkId, Network, Seen};
use crate::plan::Plan;
use crate::random::Random;
use crate::tab::{Sent, Tab};
use crate::trace::Trace;
use crate::wire::{Manner, Poll, Request, What};

pub const NAMES: [&str; 4] = ["anna", "ben", "漠然", "dora"];

/// All users with all their tabs.
#[derive(Debug)]
pub struct People {
    pub tabs: Vec<Tab>,
    /// Who has an account already, as far as they know.
    registered: BTreeSet<usize>,
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
            registered: BTreeSet::new(),
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
                if let What::Register { .. } = request.what
                    && (response.status == 201 || response.code() == "name_taken")
                {
                    self.registered.insert(request.person);
                }
                self.tabs[request.tab].answered(link, &request, response, now);
            }
            Seen::Frame(request, frame) => self.tabs[request.tab].streamed(link, frame, now),
            Seen::Lost(request) => {
                self.trace.line(|| format!("     {} lost: {request}", self.name(request.tab)));
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
        let tab = &mut self.tabs[tab];
        for sent in [tab.poll.take(), tab.command.take()].into_iter().flatten() {
            network.hang_up(sent.link, false);
        }
    }

    fn name(&self, tab: usize) -> String {
        format!("{}/{tab}", NAMES[self.tabs[tab].person])
    }

    fn lose_patience(&mut self, tab: usize, network: &mut Network, now: u64) {
        let tab = &mut self.tabs[tab];
        for sent in [tab.poll, tab.command].into_iter().flatten() {
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
            let name = NAMES[me.person];
            let is_known = self.registered.contains(&me.person);
            let what = match &me.token {
                None if is_known => Some(What::LogIn { name }),
                None => Some(What::Register { name }),
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
                self.command(tab, network, what, now);
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
        Poll { cursor, wait: None, manner, began_behind, is_probe: false }
    }

    fn do_something(&mut self, tab: usize, network: &mut Network, now: u64) {
        if self.tabs[tab].command.is_some() {
            return;
        }
        let open = self.tabs[tab].view.open_conversations();
        let repeats = self.random.chance(self.plan.repeat);
        let what = match self.random.below(100) {
            _ if repeats && !self.said.is_empty() => self.repetition(tab),
            0..46 if !open.is_empty() => {
                let conversation = self.random.pick(&open);
                Some(self.saying(conversation))
            }
            0..60 => self.friendship(tab),
            60..68 => self.grouping(tab),
            68..74 => self.changing(tab),
            74..86 if !open.is_empty() => self.reading(tab),
            86..88 => {
                self.tabs[tab].view.friends.keys().next_back().map(|&user| What::Unfriend { user })
            }
            88..90 => {
                self.reload(tab, network);
                None
            }
            90..93 => Some(What::Me),
            93..96 => self.tabs[tab].unsure.pop(),
            _ => self.tabs[tab].old_cursor.clone().map(|cursor| {
                What::Poll(Poll::probe(cursor, 0))
            }),
        };
        if let Some(what) = what {
            self.command(tab, network, what, now);
        }
        if self.random.chance(self.plan.log_out) {
            self.stray(tab, network, What::LogOut);
        }
    }

    /// Something new.
    fn saying(&mut self, conversation: i64) -> What {
        self.sayings += 1;
        let number = self.sayings;
        let padding = match self.random.below(20) {
            0 => 4000,
            1..4 => 700,
            _ => 0,
        };
        let body = format!("saying {number}{}", ".".repeat(padding));
        let nonce = self.random.chance(700).then(|| format!("n{number}"));
        let what = What::Send { conversation, body, nonce };
        self.said.push(what.clone());
        what
    }

    /// Something that was said before, or something else under its nonce.
    fn repetition(&mut self, tab: usize) -> Option<What> {
        let said = self.said[self.random.index(self.said.len())].clone();
        let What::Send { conversation, body, nonce } = said else { return None };
        nonce.as_ref()?;
        // To others it is not known.
        if !self.tabs[tab].view.conversations().any(|known| known == conversation) {
            return None;
        }
        self.sayings += 1;
        let other = format!("saying {} under an old nonce", self.sayings);
        let body = if self.random.chance(700) { body } else { other };
        Some(What::Send { conversation, body, nonce })
    }

    fn friendship(&mut self, tab: usize) -> Option<What> {
        let tab = &self.tabs[tab];
        let asked = tab.view.friends.iter().find(|(_, friend)| friend.state == "incoming");
        if let Some((&user, _)) = asked
            && self.random.chance(800)
        {
            return Some(What::Accept { user });
        }
        let other = self.random.index(self.persons);
        (other != tab.person).then_some(What::AskFriend { name: NAMES[other] })
    }

    /// Begins a group, or changes one; now and then in a way that is not allowed.
    fn grouping(&mut self, tab: usize) -> Option<What> {
        let view = &self.tabs[tab].view;
        let anybody: Vec<i64> = view.friends.keys().copied().chain([view.me]).collect();
        let groups: Vec<i64> = view.groups().collect();
        let user = self.random.pick(&anybody);
        let title = format!("group {}", self.random.below(1000));
        if groups.is_empty() || (groups.len() < 3 && self.random.chance(100)) {
            let mut members = vec![user];
            members.extend(anybody.iter().filter(|_| self.random.chance(400)));
            return Some(What::CreateGroup { title, members });
        }
        let group = self.random.pick(&groups);
        let known = &self.tabs[tab].view.conversations[&group];
        let is_mine = known.owner == Some(self.tabs[tab].view.me);
        let members: Vec<i64> = known.marks.keys().copied().collect();
        let strangers: Vec<i64> =
            anybody.iter().copied().filter(|user| !members.contains(user)).collect();
        match self.random.below(10) {
            0..4 if is_mine || self.random.chance(200) => {
                let user = if strangers.is_empty() { user } else { self.random.pick(&strangers) };
                Some(What::AddMember { group, user })
            }
            4..6 if is_mine || self.random.chance(200) => {
                Some(What::RemoveMember { group, user: self.random.pick(&members) })
            }
            6 => Some(What::RemoveMember { group, user: self.tabs[tab].view.me }),
            7..9 => Some(What::Rename { group, title }),
            _ => None,
        }
    }

    /// Edits or deletes something that one has said.
    fn changing(&mut self, tab: usize) -> Option<What> {
        let view = &self.tabs[tab].view;
        // In a group not everybody has seen what is old.
        let groups: Vec<i64> = view.groups().filter(|_| self.random.chance(500)).collect();
        let (mut own, mut in_groups) = (Vec::new(), Vec::new());
        for (conversation, shown) in &self.tabs[tab].transcript {
            let own_here = shown.iter().filter(|(_, shown)| shown.sender == view.me);
            let list = if groups.contains(conversation) { &mut in_groups } else { &mut own };
            list.extend(own_here.map(|(&id, _)| id));
        }
        let message = match (in_groups.first(), own.is_empty()) {
            (Some(&oldest), _) => oldest,
            (None, true) => return None,
            (None, false) => self.random.pick(&own),
        };
        if self.random.chance(300) {
            return Some(What::Delete { message });
        }
        self.sayings += 1;
        let body = format!("change {} of {message}", self.sayings);
        Some(What::Edit { message, body })
    }

    fn reading(&mut self, tab: usize) -> Option<What> {
        let transcript = &self.tabs[tab].transcript;
        let all: Vec<_> = transcript.iter().flat_map(|(c, m)| m.keys().map(|m| (*c, *m))).collect();
        if all.is_empty() {
            return None;
        }
        let (conversation, message) = self.random.pick(&all);
        Some(What::Read { conversation, message })
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
            let time = self.random.pick(&[1, 12, 40, 400, 1000]) * 1_000_000;
            self.trace.line(|| format!("     {} sleeps for {time} us", self.name(tab)));
            self.tabs[tab].asleep_until = now + time;
            if self.random.chance(500) {
                for sent in [self.tabs[tab].poll, self.tabs[tab].command].into_iter().flatten() {
                    network.hang_up(sent.link, true);
                }
            }
        }
    }

    /// A poll that asks what was asked before, or what is being asked: that one most likely waits.
    fn probe(&mut self, tab: usize, wait: u64) -> What {
        let waits = self.random.chance(500);
        let me = &self.tabs[tab];
        match if waits { &me.cursor } else { &me.old_cursor } {
            Some(cursor) => What::Poll(Poll::probe(Rc::clone(cursor), wait)),
            None => What::Me,
        }
    }

    fn repetition_or_me(&mut self, tab: usize) -> What {
        let repetition = if self.said.is_empty() { None } else { self.repetition(tab) };
        repetition.unwrap_or(What::Me)
    }

    // Requests.

    /// Sends a request whose answer the tab waits for.
    fn command(&mut self, tab: usize, network: &mut Network, what: What, now: u64) {
        let twice = !self.calm
            && matches!(what, What::Send { nonce: Some(_), .. })
            && self.random.chance(self.plan.repeat);
        if twice {
            self.stray(tab, network, what.clone());
        }
        let last = self.last_link(tab, network);
        match self.ask(tab, network, last, what) {
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
        let is_free = matches!(what, What::Register { .. } | What::LogIn { .. });
        let token = match &self.tabs[tab].token {
            Some(token) if !is_free => Rc::clone(token),
            _ => Rc::from(""),
        };
        let link = link.or_else(|| network.connect(tab))?;
        let request = Request { tab, person: self.tabs[tab].person, token, what };
        self.trace.line(|| format!("     {} asks on #{link}: {request}", self.name(tab)));
        network.ask(link, request);
        Some(link)
    }
}
