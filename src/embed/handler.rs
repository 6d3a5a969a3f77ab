//! Stands in front of the chat in a program that embeds it: answers the program's own routes, and
//! the users that live in this process. Everything else is the chat's.
//!
//! A letter takes the way of a request, without HTTP: it is read and decided before the turn's
//! commit, and answered after it. A poll of such a user is held in a comet like any other, and by
//! the same rules: held first and asked about afterwards, asked about again when its user is woken.
//!
//! ```text
//!    letter --> decide --> [ told ] ---- commit ----> answer
//!                  | wait
//!                  v
//!               [ held ] -- asked: something, expired, draining --> answer
//! ```
//!
//! A letter is answered even if nobody waits for the answer any more. One that is not answered when
//! the server ends is dropped, which tells whoever waits.

use std::fmt;
use std::net::Ipv4Addr;
use std::rc::Rc;
use std::sync::mpsc::Receiver;

use super::CallError;
use super::mailbox::{Answer as Tell, Asks, Letter};
use super::routes::{Asked, Routes};
use crate::chat::{self, Chat, Turned};
use crate::comet::{Comet, ConnectionId, Hold, HoldId, Left};
use crate::config::Config;
use crate::entity::UserId;
use crate::http::{Body, Request, Response, client_address};
use crate::lab::recorder::Recorder;
use crate::logic::{Answer as Decided, Batch, Caller, Origin, Refusal, Reply, Ticket, Wait};
use crate::map::Map;
use crate::metrics::Metrics;
use crate::server::{Answer, Answers, Client, Decision, Handler, Refused, TICK, TICKS};
use crate::system::{Mono, Now};
use crate::timers::Wheel;
use crate::web::{self, Problem};

/// The chat, and those who speak with it in this process.
#[derive(Debug)]
pub(super) struct Embedded {
    chat: Chat,
    config: Rc<Config>,
    routes: Routes,
    /// `None` once the server has ended.
    letters: Option<Receiver<Letter>>,
    /// There may be more of them than this turn has read.
    more_letters: bool,
    /// The answers of this turn to requests for the program's own routes.
    routed: Vec<(ConnectionId, Response)>,
    /// The answers of this turn to letters.
    told: Vec<Told>,
    /// Polls that came by letter, each under a number of its own instead of a connection's.
    polls: Comet,
    /// Whom to answer, by that number.
    waiting: Map<ConnectionId, Waiting>,
    numbers: u32,
    draining: bool,
}

/// An answer that waits for the commit.
#[derive(Debug)]
struct Told {
    tell: Waiting,
    result: Result<Reply, Refusal>,
    /// Whether it tells of something that is not committed yet.
    depends_on_commit: bool,
}

/// Somebody who waits for the answer to a letter.
struct Waiting(Tell);

impl fmt::Debug for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Waiting")
    }
}

/// How many letters are read in a turn: a few milliseconds at most, even if each is a search.
const LETTERS_PER_TURN: usize = 32;

/// No connection has a number as high as this.
const LOCAL: u32 = 1 << 31;

impl Embedded {
    pub(super) fn new(
        chat: Chat,
        config: Rc<Config>,
        routes: Routes,
        letters: Receiver<Letter>,
    ) -> Self {
        Self {
            chat,
            config,
            routes,
            letters: Some(letters),
            more_letters: false,
            routed: Vec::new(),
            told: Vec::new(),
            polls: Comet::new(Wheel::new(TICK, TICKS)),
            waiting: Map::default(),
            numbers: 0,
            draining: false,
        }
    }

    // Decide.

    /// Reads what has come since the last turn, but not for longer than others would like to wait.
    fn read_letters(&mut self, now: Now) {
        let Some(letters) = &self.letters else { return };
        let letters: Vec<Letter> = letters.try_iter().take(LETTERS_PER_TURN).collect();
        self.more_letters = letters.len() == LETTERS_PER_TURN;
        for letter in letters {
            self.decide_letter(now, letter);
        }
    }

    fn decide_letter(&mut self, now: Now, Letter { asks, answer }: Letter) {
        if self.draining {
            return answer(Err(CallError::Stopped));
        }
        let number = self.next_number();
        let logic = self.chat.logic();
        let decided = match asks {
            Asks::User(name) => {
                logic.local_user(now, &name).map(|user| Decided::Now(Reply::Me(user)))
            }
            Asks::Call(user_id, call) => {
                let caller = Caller { user_id, session_id: Caller::NO_SESSION };
                let origin = Origin { address: Ipv4Addr::LOCALHOST.into(), caller: Some(caller) };
                // The account may have been deleted since somebody began to act as it.
                logic
                    .may_go_on(now, caller)
                    .and_then(|()| logic.decide(now, origin, call, ticket(number)))
            }
        };
        let result = match decided {
            Ok(Decided::Wait(wait)) => return self.hold(now, number, &wait, answer),
            Ok(Decided::Now(reply)) => Ok(reply),
            Ok(Decided::Later) => unreachable!("nobody in this process needs a password"),
            Err(refusal) => {
                self.chat.note_refusal(&refusal);
                Err(refusal)
            }
        };
        let depends_on_commit = self.chat.logic().is_writing();
        self.told.push(Told { tell: Waiting(answer), result, depends_on_commit });
    }

    /// Parks a poll. Whether there is already something for it is asked at the end of the turn.
    fn hold(&mut self, now: Now, number: ConnectionId, wait: &Wait, answer: Tell) {
        let id = self.polls.hold(Hold::new(number, wait), now.mono.plus(wait.wait));
        self.chat.logic().poll_came(wait.caller.user_id, now);
        self.waiting.insert(number, Waiting(answer));
        self.polls.wake(id);
    }

    /// Answers a request for one of the program's own routes; `None` if it is not for one.
    fn decide_routed(
        &mut self,
        now: Now,
        client: Client,
        request: &Request<'_>,
    ) -> Option<Response> {
        // Where only the figures can be read there is nothing of the program's.
        if client.is_monitor {
            return None;
        }
        let answerer = self.routes.find(&request.target.decoded_path())?;
        if self.draining {
            return Some(chat::stopping().respond());
        }
        if request.body == Body::TooLarge {
            return Some(Problem::body_too_large(self.config.body_bytes_max).respond());
        }
        let address = client_address(client.peer, request, &self.config.trusted_proxy);
        let user = web::bearer_token(request).ok().and_then(|token| {
            let known = self.chat.logic().authenticate(now, token);
            known.inspect_err(|refusal| self.chat.note_refusal(refusal)).ok()
        });
        let user = user.map(|caller| caller.user_id);
        Some(answerer(&Asked { request, address, user }))
    }

    fn next_number(&mut self) -> ConnectionId {
        self.numbers = (self.numbers + 1) % LOCAL;
        ConnectionId(LOCAL | self.numbers)
    }

    // Release.

    fn release(&mut self, now: Now, turned: &Turned) {
        for Told { tell, result, depends_on_commit } in std::mem::take(&mut self.told) {
            (tell.0)(if depends_on_commit && !turned.committed {
                Err(CallError::NotCommitted)
            } else {
                result.map_err(CallError::Refused)
            });
        }
        for &user in &turned.woken {
            self.polls.wake_user(user);
        }
        for _ in 0..self.config.polls_per_turn_max {
            let Some(id) = self.polls.next_woken() else { break };
            self.ask(now, id);
        }
        for _ in 0..self.config.polls_per_turn_max {
            let Some(id) = self.polls.next_overdue(now.mono) else { break };
            self.leave_empty_handed(now, id, Left::Expired);
        }
        if self.draining {
            let all: Vec<HoldId> = self.polls.all().collect();
            for id in all {
                self.leave_empty_handed(now, id, Left::Draining);
            }
        }
    }

    /// Asks the logic what there is for a poll. It leaves if there is something.
    fn ask(&mut self, now: Now, id: HoldId) {
        // It may have left since it was noted.
        let Some(hold) = self.polls.get(id) else { return };
        let user: UserId = hold.caller.user_id;
        match self.chat.logic().ask(now, user, hold.place, ticket(hold.connection)) {
            Ok(Some(batch)) => self.leave(now, id, Left::News, Ok(batch)),
            Ok(None) => {}
            Err(error) => self.leave(now, id, Left::News, Err(Refusal::Store(error))),
        }
    }

    fn leave_empty_handed(&mut self, now: Now, id: HoldId, left: Left) {
        let Some(hold) = self.polls.get(id) else { return };
        let user = hold.caller.user_id;
        let batch = self.chat.logic().ask_last(now, user, hold.place, ticket(hold.connection));
        self.leave(now, id, left, Ok(batch));
    }

    fn leave(&mut self, now: Now, id: HoldId, left: Left, result: Result<Batch, Refusal>) {
        let Some(hold) = self.polls.release(id, left) else { return };
        self.chat.logic().poll_ended(hold.caller.user_id, now);
        let Some(waiting) = self.waiting.remove(&hold.connection) else { return };
        let events = |batch| chat::reply(&hold, batch, None, false);
        (waiting.0)(result.map(events).map_err(CallError::Refused));
    }
}

impl Handler for Embedded {
    fn decide(&mut self, now: Now, client: Client, request: &Request<'_>) -> Decision {
        match self.decide_routed(now, client, request) {
            Some(response) => {
                self.routed.push((client.connection, response));
                Decision::Later
            }
            None => self.chat.decide(now, client, request),
        }
    }

    fn refuse(&mut self, why: &Refused) -> Response {
        self.chat.refuse(why)
    }

    fn half_closed(&mut self, now: Now, hold: HoldId) {
        self.chat.half_closed(now, hold);
    }

    fn blocked(&mut self, hold: HoldId, blocked: bool) {
        self.chat.blocked(hold, blocked);
    }

    fn gone(&mut self, now: Now, connection: ConnectionId, hold: Option<HoldId>) {
        self.chat.gone(now, connection, hold);
    }

    fn broken(&mut self, connection: ConnectionId) {
        self.chat.broken(connection);
    }

    fn drain(&mut self, now: Now) {
        self.draining = true;
        self.chat.drain(now);
    }

    fn end_turn(&mut self, now: Now, answers: &mut Answers) {
        self.read_letters(now);
        let turned = self.chat.turn(now, answers);
        self.release(now, &turned);
        let whole = |(connection, response)| (connection, Answer::Whole(response));
        answers.extend(self.routed.drain(..).map(whole));
    }

    fn keep_up(&mut self, now: Now) {
        self.chat.keep_up(now);
    }

    fn is_writing(&self) -> bool {
        self.chat.is_writing()
    }

    fn pending_bytes(&self) -> usize {
        self.chat.pending_bytes()
    }

    fn next_deadline(&self) -> Option<Mono> {
        if self.more_letters || !self.routed.is_empty() || self.polls.has_woken() {
            return Some(Mono(0));
        }
        let deadlines = [self.chat.next_deadline(), self.polls.next_deadline()];
        deadlines.into_iter().flatten().min()
    }

    fn finish(&mut self, now: Now) {
        self.read_letters(now);
        self.letters = None;
        self.chat.finish(now);
    }

    fn metrics(&self) -> Rc<Metrics> {
        self.chat.metrics()
    }

    fn recorder(&self) -> Rc<Recorder> {
        self.chat.recorder()
    }
}

/// Tells the logic who has caused what.
fn ticket(number: ConnectionId) -> Ticket {
    Ticket(number.0)
}
