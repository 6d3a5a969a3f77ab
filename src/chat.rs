//! Answers the requests of the chat: pages at once, the web service through the logic, and polls
//! when there is news. Does phases 2 to 4 of a turn: decide, commit, release.
//!
//! *Durable before visible*: all that a turn writes is committed in one transaction. If that fails,
//! every answer that wrote, or was decided after something was written, becomes 503, and nothing is
//! pushed.
//!
//! *Wake means "ask again"*: the comet knows who waits, the logic knows what for; here the one is
//! asked on behalf of the other. The rules are at the head of [`crate::comet`].
//!
//! This file puts the phases in order; phase 2 has a file of its own, `decide`, and so has phase 4,
//! `release`. None of them parses, queries or formats anything.

mod decide;
mod facade;
mod faults;
mod lab;
mod probe;
mod release;
mod tarpit;

use std::rc::Rc;

use crate::comet::{Comet, ConnectionId, HoldId};
use crate::config::Config;
use crate::data::{Store, StoreError};
use crate::entity::UserId;
use crate::http::{Pages, Request, Response};
use crate::lab::recorder::Recorder;
use crate::logic::{Logic, Published, Refusal, Ticket};
use crate::metrics::Metrics;
use crate::server::{
    Answer, Answers, Client, Decision, Handler, KEPT_ANSWERS_MAX, Refused, TICK, TICKS,
};
use crate::system::{Entropy, Mono, Now};
use crate::timers::Wheel;
use crate::web::{self, Problem};
use facade::Facade;
use lab::Lab;
use probe::Probe;
use release::DRAIN_RETRY;
pub(crate) use release::reply;
use tarpit::Tarpit;

/// The chat: its rules, its pages, and those who wait.
#[derive(Debug)]
pub struct Chat {
    config: Rc<Config>,
    logic: Logic,
    pages: Pages,
    comet: Comet,
    draining: bool,
    /// A turn could not be committed, and no turn has been since.
    cannot_write: bool,
    metrics: Rc<Metrics>,
    recorder: Rc<Recorder>,
    /// When the first poll in line to be asked about got there.
    line_since: Mono,
    /// Streams for which there is already more than fits into one piece.
    unfinished: Vec<HoldId>,
    /// The operator's doctor is at work.
    probe: Option<Probe>,
    /// All polls are to leave: how many there were, and how many have left.
    leaving: Option<(u32, u32)>,
    /// Refusals that are to be told later.
    tarpit: Tarpit,
    /// For pages of 2013, if those are let in.
    facade: Option<Box<Facade>>,
    /// If the lab is on.
    lab: Option<Box<Lab>>,
    turn: Turn,
}

/// What a turn collects on its way to its end.
#[derive(Debug, Default)]
struct Turn {
    /// What will be answered, in order.
    answers: Answers,
    /// The places of those answers that depend on the commit.
    uncommitted: Vec<usize>,
    /// The size of all of them.
    bytes: usize,
    /// The polls whose clients have closed their side.
    half_closed: Vec<HoldId>,
    /// Something may be half written, so nothing of this turn is committed.
    failed: bool,
}

/// What came of a turn, for those who take part in it without HTTP.
#[derive(Debug)]
pub(crate) struct Turned {
    /// Whether everything that it wrote is durable now. If not, none of it exists.
    pub(crate) committed: bool,
    /// For whom there may be something new: each user once.
    pub(crate) woken: Vec<UserId>,
}

impl Chat {
    /// The chat over a store.
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
        let metrics = Rc::default();
        let facade = config.seed_facade.then(Box::default);
        Ok(Self {
            lab: config.has_lab().then(Box::default),
            tarpit: Tarpit::new(config.rate_limit_entries_max),
            config,
            logic,
            pages,
            comet: Comet::new(Wheel::new(TICK, TICKS)),
            draining: false,
            cannot_write: false,
            recorder: Rc::new(Recorder::new(Rc::clone(&metrics))),
            metrics,
            line_since: now.mono,
            unfinished: Vec::new(),
            probe: None,
            leaving: None,
            facade,
            turn: Turn::default(),
        })
    }

    /// How many polls are held.
    pub fn held(&self) -> usize {
        self.comet.len()
    }

    /// The store, for work on it as a whole.
    pub fn store(&mut self) -> &mut Store {
        self.logic.store()
    }

    /// The rules, for those who ask without HTTP. If a call of theirs fails in the store, they have
    /// to report that by [`Chat::note_refusal`].
    pub(crate) fn logic(&mut self) -> &mut Logic {
        &mut self.logic
    }

    /// The phases between reading and writing; see [`crate::server`].
    pub(crate) fn turn(&mut self, now: Now, answers: &mut Answers) -> Turned {
        self.logic.tick(now);
        self.work(now);
        let published = self.commit(now);
        let committed = published.is_some();
        // What does not concern the store is told all the same; there is nothing left to write.
        let published = published.unwrap_or_else(|| self.logic.commit(now).unwrap_or_default());
        self.release(now, &published, answers);
        if self.lab.is_some() {
            self.let_pass(now, answers);
        }
        self.turn.bytes = 0;
        self.turn.uncommitted.clear();
        answers.append(&mut self.turn.answers);
        self.turn.answers.shrink_to(KEPT_ANSWERS_MAX);
        Turned { committed, woken: published.woken }
    }

    fn refused(&mut self, refusal: Refusal) -> Problem {
        self.note_refusal(&refusal);
        refusal.into()
    }

    /// If the store has failed, so has the turn.
    pub(crate) fn note_refusal(&mut self, refusal: &Refusal) {
        if let Refusal::Store(error) = refusal {
            log::error!("a call failed: {error}");
            self.turn.failed = true;
        }
    }

    /// Notes an answer for the end of the turn.
    fn answer(&mut self, connection: ConnectionId, response: Response) {
        if self.logic.is_writing() {
            self.turn.uncommitted.push(self.turn.answers.len());
        }
        self.send(connection, Answer::Whole(response));
    }

    /// Notes an answer that depends on nothing that could still fail.
    fn send(&mut self, connection: ConnectionId, answer: Answer) {
        self.turn.bytes += match &answer {
            Answer::Whole(response) | Answer::Cut(response, _) => response.made_bytes(),
            Answer::Begin(_, bytes) | Answer::Piece(bytes) | Answer::End(bytes) => bytes.len(),
            Answer::Close => 0,
        };
        self.turn.answers.push((connection, answer));
    }

    /// What a turn does besides what it was asked: refusals whose time has come, and slices of work
    /// that takes longer than a turn may last.
    fn work(&mut self, now: Now) {
        while let Some((connection, problem)) = self.tarpit.next(now.mono) {
            let response = self.problem(problem);
            self.answer(connection, response);
        }
        let done: Vec<_> = self.logic.work(now).collect();
        for (ticket, result) in done {
            let result = result.map_err(|refusal| self.refused(refusal));
            let Some(Ticket(connection)) = ticket else { continue };
            let connection = ConnectionId(connection);
            let result = if self.has_entered(connection) {
                result.and_then(|reply| self.speak_2013(now, &reply)).map_err(Problem::in_2013)
            } else {
                result.map(|reply| web::respond(&reply))
            };
            let response = result.unwrap_or_else(|problem| self.problem(problem));
            self.answer(connection, response);
        }
    }

    // Commit.

    /// `None` where it failed.
    fn commit(&mut self, now: Now) -> Option<Published> {
        if std::mem::take(&mut self.turn.failed) {
            self.logic.roll_back();
            self.note_commit(now, false);
        } else {
            let is_writing = self.logic.is_writing();
            let begun = if is_writing { self.metrics.begin() } else { None };
            let committed = self.logic.commit(now);
            if self.lab.as_ref().is_some_and(|lab| lab.observer.awaits_commit()) {
                self.note_commit(now, committed.is_ok());
            }
            if is_writing || committed.is_err() {
                self.metrics.committed(begun, committed.is_ok());
            }
            match committed {
                Ok(published) => {
                    self.cannot_write &= !is_writing;
                    self.metrics.messages.add(published.messages);
                    return Some(published);
                }
                Err(error) => log::error!("a turn was not committed: {error}"),
            }
        }
        self.cannot_write = true;
        for place in self.turn.uncommitted.drain(..) {
            self.metrics.unavailable.add(1);
            self.turn.answers[place].1 = Answer::Whole(Problem::not_committed().respond());
        }
        None
    }
}

impl Handler for Chat {
    fn decide(&mut self, now: Now, client: Client, request: &Request<'_>) -> Decision {
        match self.consider(now, client, request) {
            Ok(decision) => decision,
            Err(problem) => {
                self.say_no(now, client, request, problem);
                Decision::Later
            }
        }
    }

    fn refuse(&mut self, why: &Refused) -> Response {
        let problem = match why {
            Refused::Malformed(error) => Problem::from(error),
            Refused::TimedOut => Problem::timeout(),
            Refused::TooMany => Problem::too_many_connections(),
        };
        self.problem(problem)
    }

    fn half_closed(&mut self, _: Now, hold: HoldId) {
        self.turn.half_closed.push(hold);
    }

    fn blocked(&mut self, hold: HoldId, blocked: bool) {
        self.comet.set_blocked(hold, blocked);
        if !blocked {
            self.comet.wake(hold);
        }
    }

    fn gone(&mut self, now: Now, connection: ConnectionId, hold: Option<HoldId>) {
        if let Some(lab) = &mut self.lab {
            lab.faults.forget(connection);
        }
        if let Some(hold) = hold {
            self.hang_up(now, hold);
        } else {
            self.has_entered(connection);
            self.tarpit.forget(connection);
            self.logic.cancel(ticket(connection));
        }
    }

    fn broken(&mut self, connection: ConnectionId) {
        if let Some(facade) = &mut self.facade {
            facade.broken(connection);
        }
    }

    fn drain(&mut self, _: Now) {
        self.draining = true;
        self.tarpit.open();
        // invariant: there are fewer than 2^32 polls.
        let count = u32::try_from(self.comet.len()).expect("fewer than 2^32 polls");
        self.leaving = Some((count, 0));
    }

    fn end_turn(&mut self, now: Now, answers: &mut Answers) {
        self.turn(now, answers);
    }

    fn keep_up(&mut self, now: Now) {
        self.logic.keep_up(now);
    }

    fn is_writing(&self) -> bool {
        self.logic.is_writing()
    }

    fn pending_bytes(&self) -> usize {
        self.turn.bytes
    }

    fn next_deadline(&self) -> Option<Mono> {
        let pending = !self.turn.answers.is_empty() || self.comet.has_woken();
        let going_on = !self.unfinished.is_empty() || self.leaving.is_some();
        if pending || going_on || self.logic.has_work() {
            return Some(Mono(0));
        }
        let lab = self.lab.as_ref().and_then(|lab| lab.next_deadline());
        let (comet, logic) = (self.comet.next_deadline(), self.logic.next_deadline());
        let deadlines = [comet, logic, self.tarpit.next_deadline(), lab];
        deadlines.iter().flatten().min().copied()
    }

    fn finish(&mut self, now: Now) {
        self.logic.finish(now);
    }

    fn metrics(&self) -> Rc<Metrics> {
        Rc::clone(&self.metrics)
    }

    fn recorder(&self) -> Rc<Recorder> {
        Rc::clone(&self.recorder)
    }
}

/// What requests that come too late are told.
pub(crate) fn stopping() -> Problem {
    Problem::unavailable("The server is stopping.", DRAIN_RETRY)
}

/// An answer finds its way back by the number of its connection.
fn ticket(connection: ConnectionId) -> Ticket {
    Ticket(connection.0)
}
