//! Phase 4 of a turn: polls are held, asked for, and released by one of their exits.
//!
//! The comet knows who waits, the logic knows what for; here the one is asked for the other. See
//! the rules at the head of [`crate::comet`].

use std::time::Duration;

use super::{DRAIN_RETRY, Outputs, Server};
use crate::comet::{ConnectionId, Hold, HoldId, Left};
use crate::connection::State;
use crate::entity::UserId;
use crate::logic::{Batch, Published, Reply, Wait};
use crate::system::Now;
use crate::web::{self, Problem};

/// A client that lost its place to a newer poll of its user comes back after this time.
const RELEASED_RETRY: Duration = Duration::from_secs(10);

/// When a server stops, its clients come back spread over this time, so that the next one is not
/// run over.
const DRAIN_RETRY_SPREAD: Duration = Duration::from_secs(5);

impl Server {
    /// Parks a poll. Whether there is something for it already is asked at the end of the turn.
    pub(super) fn hold(&mut self, now: Now, connection: ConnectionId, wait: &Wait) {
        let id = self.comet.hold(Hold {
            connection,
            caller: wait.caller,
            cursor: wait.cursor,
            deadline: now.mono.plus(wait.wait),
            // invariant: the longest wait is some minutes.
            wait_seconds: u16::try_from(wait.wait.as_secs()).unwrap_or(u16::MAX),
        });
        self.logic.poll_came(wait.caller.user_id, now);
        if let Some(connection) = self.connection(connection) {
            connection.state = State::Held(id);
        }
        self.turn.asking.push(id);
    }

    pub(super) fn release(&mut self, now: Now, published: &Published, outputs: &mut Outputs) {
        for caller in &published.ended {
            let polls: Vec<HoldId> = self.comet.of_user(caller.user_id).collect();
            for id in polls {
                if self.comet.get(id).is_some_and(|hold| hold.caller == *caller) {
                    self.leave(now, id, Left::LoggedOut, Problem::unauthorized().respond());
                }
            }
        }
        for &user in &published.woken {
            self.turn.asking.extend(self.comet.of_user(user));
        }
        for id in std::mem::take(&mut self.turn.asking) {
            self.ask(now, id, outputs);
        }
        let mut expired = Vec::new();
        self.comet.expired(now.mono, &mut expired);
        for id in expired {
            self.leave_empty_handed(now, id, Left::Expired, None);
        }
    }

    /// The client is gone: nobody is left to answer.
    pub(super) fn abandon(&mut self, now: Now, id: HoldId) {
        let hold = self.comet.release(id, Left::HungUp);
        self.logic.poll_ended(hold.caller.user_id, now);
    }

    /// Releases everybody; each is told another time to come back.
    pub(super) fn release_all(&mut self, now: Now) {
        let polls: Vec<HoldId> = self.comet.all().collect();
        // invariant: there are fewer than 2^32 polls.
        let count = u32::try_from(polls.len()).expect("fewer than 2^32 polls");
        for (id, place) in polls.into_iter().zip(0..count) {
            let retry =
                DRAIN_RETRY + DRAIN_RETRY_SPREAD.mul_f64(f64::from(place) / f64::from(count));
            self.leave_empty_handed(now, id, Left::Draining, Some(retry));
        }
    }

    /// Asks the logic what there is for a poll. It leaves if there is something, or nothing to wait
    /// for.
    fn ask(&mut self, now: Now, id: HoldId, outputs: &mut Outputs) {
        // It may have left since it was noted, or be noted twice.
        let Some(&hold) = self.comet.get(id) else { return };
        let user = hold.caller.user_id;
        match self.logic.ask(user, hold.cursor) {
            Ok(Some(batch)) => {
                let response = web::respond(&reply(&hold, batch, None, false));
                self.leave(now, id, Left::News, response);
            }
            Ok(None) if hold.deadline <= now.mono => {
                self.leave_empty_handed(now, id, Left::Expired, None);
            }
            Ok(None) if self.has_ended(hold.connection) => {
                self.close(now, hold.connection, outputs);
            }
            Ok(None) => self.make_room(now, user),
            Err(error) => {
                log::error!("what there is for a poll could not be read: {error}");
                self.leave(now, id, Left::News, Problem::not_readable().respond());
            }
        }
    }

    /// A user who holds too many polls loses the oldest.
    fn make_room(&mut self, now: Now, user: UserId) {
        if self.comet.len_of_user(user) <= self.config.polls_per_user_max {
            return;
        }
        let oldest = self.comet.of_user(user).next();
        if let Some(oldest) = oldest {
            self.leave_empty_handed(now, oldest, Left::Released, Some(RELEASED_RETRY));
        }
    }

    /// A poll has to leave, and most likely there is nothing for it.
    fn leave_empty_handed(&mut self, now: Now, id: HoldId, left: Left, retry: Option<Duration>) {
        let Some(&hold) = self.comet.get(id) else { return };
        let batch = self.logic.ask_last(hold.caller.user_id, hold.cursor);
        let response = web::respond(&reply(&hold, batch, retry, left == Left::Released));
        self.leave(now, id, left, response);
    }

    /// A poll leaves the comet, with its answer.
    fn leave(&mut self, now: Now, id: HoldId, left: Left, response: crate::http::Response) {
        let hold = self.comet.release(id, left);
        self.logic.poll_ended(hold.caller.user_id, now);
        if let Some(connection) = self.connection(hold.connection) {
            connection.state = State::Deciding;
        }
        self.answer(hold.connection, response);
    }

    fn has_ended(&mut self, id: ConnectionId) -> bool {
        self.connection(id).is_none_or(|connection| connection.ended)
    }
}

fn reply(hold: &Hold, batch: Batch, retry: Option<Duration>, released: bool) -> Reply {
    Reply::Events { batch, wait_seconds: hold.wait_seconds, retry, released }
}
