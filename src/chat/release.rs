//! Releases polls: asks the logic on behalf of those that were woken, and lets each leave by its
//! exit.
//!
//! The comet says which polls to ask about, and the logic what there is; an answer waits for the
//! end of the turn. A turn asks about a few hundred polls at most. If more are woken, expire or are
//! told to leave, the rest follow in the next turns, which come at once: so one message to many
//! thousands delays nobody else by more than a portion, and takes the memory of a portion.

use std::time::Duration;

use super::{Chat, ticket};
use crate::comet::{Hold, HoldId, Left};
use crate::entity::UserId;
use crate::logic::{Batch, Manner, Published, Refusal, Reply};
use crate::server::{Answer, Answers};
use crate::system::Now;
use crate::web::{self, Problem};

/// When to come back to a server that is stopping.
pub(super) const DRAIN_RETRY: Duration = Duration::from_millis(500);

/// The clients of held polls come back spread over this time, so that the next server is not
/// overrun.
const DRAIN_RETRY_SPREAD: Duration = Duration::from_secs(5);

/// After this time a client comes back that lost its place to a newer poll of its user.
const RELEASED_RETRY: Duration = Duration::from_secs(10);

impl Chat {
    pub(super) fn release(&mut self, now: Now, published: &Published, answers: &mut Answers) {
        for caller in &published.ended {
            self.facade_ended(caller.session_id);
            let polls: Vec<HoldId> = self.comet.of_user(caller.user_id).collect();
            for id in polls {
                if self.comet.get(id).is_some_and(|hold| hold.caller == *caller) {
                    self.log_out(now, id);
                }
            }
        }
        published.ended.iter().for_each(|caller| self.recorder.disarm(now, *caller));
        if let Some(lab) = &mut self.lab {
            published.ended.iter().for_each(|caller| lab.faults.clear(caller.session_id));
        }
        for id in std::mem::take(&mut self.unfinished) {
            self.comet.wake(id);
        }
        if !self.comet.has_woken() {
            self.line_since = now.mono;
        }
        self.publish(now);
        for &user in &published.woken {
            self.metrics.wake_ups.add(self.comet.wake_user(user));
            if self.recorder.is_armed() {
                let woken = self.comet.of_user(user).filter_map(|id| self.comet.get(id));
                woken.for_each(|hold| self.recorder.woken(hold.connection));
            }
        }
        if self.leaving.is_some() {
            self.drain_some(now);
        } else {
            self.ask_some(now);
        }
        for id in std::mem::take(&mut self.turn.half_closed) {
            if let Some(hold) = self.comet.get(id) {
                answers.push((hold.connection, Answer::Close));
            }
        }
    }

    /// A portion of those who were woken, and of those whose time is over.
    fn ask_some(&mut self, now: Now) {
        // Polls whose clients have closed their side are not asked about again in a later turn.
        for id in self.turn.half_closed.clone() {
            self.ask(now, id);
        }
        for _ in 0..self.config.polls_per_turn_max {
            if self.turn.bytes > self.config.turn_bytes_max {
                return;
            }
            let Some(id) = self.comet.next_woken() else { break };
            self.ask(now, id);
        }
        for _ in 0..self.config.polls_per_turn_max {
            if self.turn.bytes > self.config.turn_bytes_max {
                return;
            }
            let Some(id) = self.comet.next_overdue(now.mono) else { break };
            self.expire(now, id);
        }
    }

    /// A portion of the polls, all of which are to leave: each is told a different time to come
    /// back.
    fn drain_some(&mut self, now: Now) {
        let Some((count, mut gone)) = self.leaving else { return };
        let portion = self.config.polls_per_turn_max;
        let mut polls = std::mem::take(&mut self.turn.half_closed);
        polls.extend(self.comet.all().take(portion));
        for id in polls {
            if self.turn.bytes > self.config.turn_bytes_max {
                break;
            }
            let spread = DRAIN_RETRY_SPREAD.mul_f64(f64::from(gone) / f64::from(count.max(1)));
            self.leave_empty_handed(now, id, Left::Draining, Some(DRAIN_RETRY + spread));
            gone += 1;
        }
        self.leaving = (!self.comet.is_empty()).then_some((count, gone));
    }

    /// Asks the logic what there is for a poll. It leaves if there is something, or if there is
    /// nothing to wait for; a stream stays.
    fn ask(&mut self, now: Now, id: HoldId) {
        // It may have left since it was noted.
        let Some(hold) = self.comet.get(id) else { return };
        // What a slow reader has not received yet is better kept in the store than in its socket.
        if hold.blocked {
            return self.make_room(now, hold.caller.user_id);
        }
        if hold.manner == Manner::Watch {
            return self.ask_lab(now, id, &hold);
        }
        match self.logic.ask(now, hold.caller.user_id, hold.place, ticket(hold.connection)) {
            Ok(Some(batch)) if hold.manner == Manner::Poll => {
                if self.lab.is_some() {
                    self.note_given(now, &hold, &batch);
                }
                let response = web::respond(&reply(&hold, batch, None, false));
                self.leave(now, id, Left::News, Answer::Whole(response));
            }
            Ok(Some(batch)) if hold.manner == Manner::Keepline => {
                self.ask_line(now, id, &hold, &batch);
            }
            Ok(Some(batch)) => {
                self.stream(now, id, &hold, &batch);
                self.make_room(now, hold.caller.user_id);
            }
            Ok(None) if hold.wait_ms == 0 && !hold.manner.is_stream() => self.expire(now, id),
            Ok(None) => self.make_room(now, hold.caller.user_id),
            Err(error) => {
                log::error!("what there is for a poll could not be read: {error}");
                let answer = match hold.manner {
                    Manner::Poll => Answer::Whole(Problem::not_readable().respond()),
                    Manner::Keepline => Answer::Whole(Problem::not_readable().in_2013().respond()),
                    // It comes back with its cursor, and is told everything then.
                    _ => Answer::Close,
                };
                self.leave(now, id, Left::News, answer);
            }
        }
    }

    /// Writes news to a stream, and moves its place on.
    fn stream(&mut self, now: Now, id: HoldId, hold: &Hold, batch: &Batch) {
        self.send(hold.connection, Answer::Piece(web::stream_events(hold.manner, batch)));
        self.metrics.deliver(self.line_since);
        if self.lab.is_some() {
            self.note_given(now, hold, batch);
        }
        self.comet.advance(id, batch.behind.place());
        if batch.more {
            self.unfinished.push(id);
        }
    }

    /// The time of a poll is over, or a stream has long been silent.
    pub(super) fn expire(&mut self, now: Now, id: HoldId) {
        let Some(hold) = self.comet.get(id) else { return };
        if !hold.manner.is_stream() {
            return self.leave_empty_handed(now, id, Left::Expired, None);
        }
        match self.logic.may_go_on(now, hold.caller) {
            Err(Refusal::Unauthorized) => return self.log_out(now, id),
            Err(error) => log::error!("whether a stream may go on is not known: {error}"),
            Ok(()) => {}
        }
        if !hold.blocked {
            self.send(hold.connection, Answer::Piece(web::keep_alive(hold.manner)));
        }
        self.comet.postpone(id, now.mono.plus(self.config.keep_alive));
    }

    /// A user who holds too many polls loses the oldest.
    pub(super) fn make_room(&mut self, now: Now, user: UserId) {
        if self.comet.len_of_user(user) <= self.config.polls_per_user_max {
            return;
        }
        let oldest = self.comet.of_user(user).next();
        if let Some(oldest) = oldest {
            self.leave_empty_handed(now, oldest, Left::Released, Some(RELEASED_RETRY));
        }
    }

    /// The session of a poll has ended.
    fn log_out(&mut self, now: Now, id: HoldId) {
        let Some(hold) = self.comet.get(id) else { return };
        let answer = match hold.manner {
            Manner::Poll | Manner::Watch => Answer::Whole(Problem::unauthorized().respond()),
            Manner::Keepline => Answer::Whole(Problem::unauthorized().in_2013().respond()),
            stream => Answer::End(web::end_stream(stream, "unauthorized")),
        };
        self.leave(now, id, Left::LoggedOut, answer);
    }

    /// A poll has to leave, and most likely there is nothing for it.
    pub(super) fn leave_empty_handed(
        &mut self,
        now: Now,
        id: HoldId,
        left: Left,
        retry: Option<Duration>,
    ) {
        let Some(hold) = self.comet.get(id) else { return };
        let released = left == Left::Released;
        let answer = if hold.manner == Manner::Watch {
            self.lab_answer(now, id, &hold, retry)
        } else if hold.manner == Manner::Poll {
            let user = hold.caller.user_id;
            let batch = self.logic.ask_last(now, user, hold.place, ticket(hold.connection));
            if batch.events.is_empty() {
                self.metrics.empty_answers.add(1);
                self.recorder.empty(hold.connection);
            }
            Answer::Whole(web::respond(&reply(&hold, batch, retry, released)))
        } else if hold.manner == Manner::Keepline {
            Answer::Whole(self.last_line(now, &hold, released))
        } else {
            let code = if released { "released" } else { "draining" };
            Answer::End(web::end_stream(hold.manner, code))
        };
        self.leave(now, id, left, answer);
    }

    /// A poll leaves the comet, with its answer.
    pub(super) fn leave(&mut self, now: Now, id: HoldId, left: Left, answer: Answer) {
        if let Some(hold) = self.take(now, id, left) {
            self.send(hold.connection, answer);
            if left == Left::News {
                self.metrics.deliver(self.line_since);
            }
        }
    }

    /// A poll leaves the comet, and nobody is left to answer.
    pub(super) fn hang_up(&mut self, now: Now, id: HoldId) {
        self.take(now, id, Left::HungUp);
    }

    fn take(&mut self, now: Now, id: HoldId, left: Left) -> Option<Hold> {
        if let Some(waited) = self.comet.waited(id, now.mono) {
            self.metrics.hold_time.add(waited, 1);
        }
        let hold = self.comet.release(id, left)?;
        self.metrics.left(left);
        if hold.manner != Manner::Watch {
            self.logic.poll_ended(hold.caller.user_id, now);
        }
        self.note_left(now, id, &hold, left);
        Some(hold)
    }
}

/// The answer to a poll.
pub(crate) fn reply(hold: &Hold, batch: Batch, retry: Option<Duration>, released: bool) -> Reply {
    Reply::Events { batch, wait_seconds: hold.wait_ms / 1000, retry, released }
}
