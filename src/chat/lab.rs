//! Tells the lab what happens in a turn, and answers those who ask it. Without the lab none of this
//! runs, except the check whether there is one.

use std::time::Duration;

use super::Chat;
use super::faults::Faults;
use crate::comet::{ConnectionId, Hold, HoldId, Left};
use crate::entity::{Event, Message, MessageId, Place, UserId, UserName};
use crate::http::{Request, Response};
use crate::lab::fault::{LASTS, Target};
use crate::lab::observer::{Observer, Viewer};
use crate::logic::{Batch, Caller, Manner, Refusal, Wait};
use crate::server::{Answer, Answers, Decision};
use crate::system::{Mono, Now};
use crate::web::{self, LabRoute, LabView, Problem, Route};

/// How many polls one answer lists.
const POLLS_PAGE: usize = 100;

/// What there is if the lab is on.
#[derive(Debug, Default)]
pub(super) struct Lab {
    pub(super) observer: Observer,
    pub(super) faults: Faults,
}

impl Lab {
    /// When it has something to do.
    pub(super) fn next_deadline(&self) -> Option<Mono> {
        let deadlines = [self.observer.next_deadline(), self.faults.next_deadline()];
        deadlines.into_iter().flatten().min()
    }
}

impl Chat {
    // What is asked of it.

    pub(super) fn consider_lab(
        &mut self,
        now: Now,
        connection: ConnectionId,
        route: LabRoute,
        request: &Request<'_>,
        caller: Option<Caller>,
    ) -> Result<Decision, Problem> {
        if route == LabRoute::Door {
            return Ok(self.respond(connection, web::lab_door()));
        }
        let caller = caller.ok_or_else(Problem::unauthorized)?;
        match route {
            LabRoute::Door => unreachable!("see above"),
            LabRoute::Fault | LabRoute::SetFault | LabRoute::ClearFault => {
                let response = self.consider_fault(now, route, request, caller)?;
                Ok(self.respond(connection, response))
            }
            LabRoute::Live => {
                let (live, wait) = web::read_lab_poll(request, &self.config)?;
                let user_id = caller.user_id;
                let sees_all = self.is_lab_admin(user_id).map_err(|it| self.refused(it))?;
                let place = Place { stored: MessageId(0), live };
                let wait = Wait { caller, place, wait, manner: Manner::Watch };
                let id = self.hold(now, connection, &wait);
                if let Some(lab) = &mut self.lab {
                    lab.observer.watch(id, Viewer { user_id, sees_all });
                }
                Ok(Decision::Held(id))
            }
        }
    }

    /// What is to go wrong for one's own session.
    fn consider_fault(
        &mut self,
        now: Now,
        route: LabRoute,
        request: &Request<'_>,
        Caller { session_id, .. }: Caller,
    ) -> Result<Response, Problem> {
        let Some(lab) = &mut self.lab else { return Err(Problem::not_found()) };
        let set = match route {
            LabRoute::SetFault => {
                let setting = web::read_fault(request, &self.config)?;
                let set = lab.faults.set(now.mono, session_id, setting);
                let full = || Problem::unavailable("Too many sessions have a fault set.", LASTS);
                Some(set.ok_or_else(full)?)
            }
            LabRoute::ClearFault => {
                lab.faults.clear(session_id);
                None
            }
            _ => lab.faults.get(now.mono, session_id),
        };
        Ok(web::fault(set, now))
    }

    /// A request comes whose answer a fault may be meant for. Returns what to answer at once, if
    /// that is the fault.
    pub(super) fn aim(
        &mut self,
        now: Now,
        connection: ConnectionId,
        (route, request): (Route, &Request<'_>),
        caller: Option<Caller>,
    ) -> Option<Response> {
        let faults = &mut self.lab.as_mut()?.faults;
        let session = caller?.session_id;
        let target = match route {
            Route::Events if web::wants_json(request) => Target::Polls,
            Route::Events => Target::Streams,
            Route::Send => Target::Sends,
            _ => return None,
        };
        let replay = if target == Target::Polls { faults.replay(now.mono, session) } else { None };
        if replay.is_none() {
            faults.ask(connection, session, target);
        }
        replay
    }

    /// What the turn answers leaves, except for what is to go wrong.
    pub(super) fn let_pass(&mut self, now: Now, answers: &mut Answers) {
        let Some(lab) = &mut self.lab else { return };
        lab.faults.release(now.mono, self.draining, answers);
        for (connection, answer) in self.turn.answers.drain(..) {
            lab.faults.pass(now.mono, connection, answer, answers);
        }
    }

    fn is_lab_admin(&self, user: UserId) -> Result<bool, Refusal> {
        if self.config.lab_admin.is_empty() {
            return Ok(false);
        }
        let name = UserName::parse(&self.logic.user(user)?.name);
        let is_same = |admin: &UserName| name.as_ref().is_ok_and(|it| it.key() == admin.key());
        Ok(self.config.lab_admin.iter().any(is_same))
    }

    /// Asks the lab what there is for a poll of its own.
    pub(super) fn ask_lab(&mut self, now: Now, id: HoldId, hold: &Hold) {
        let Some(lab) = &self.lab else { return };
        let news = lab
            .observer
            .viewer(id)
            .is_some_and(|viewer| lab.observer.has_news(viewer, hold.place.live));
        if news {
            let answer = self.lab_answer(now, id, hold, None);
            self.leave(now, id, Left::News, answer);
        } else if hold.wait_ms == 0 {
            self.leave_empty_handed(now, id, Left::Expired, None);
        } else {
            self.make_room(now, hold.caller.user_id);
        }
    }

    /// How a poll of the lab is answered, whatever there is.
    pub(super) fn lab_answer(
        &self,
        now: Now,
        id: HoldId,
        hold: &Hold,
        retry: Option<Duration>,
    ) -> Answer {
        let Some(lab) = self.lab.as_ref().map(|lab| &lab.observer) else { return Answer::Close };
        let user_id = hold.caller.user_id;
        let viewer = lab.viewer(id).unwrap_or(Viewer { user_id, sees_all: false });
        let ids: Vec<HoldId> = if viewer.sees_all {
            self.comet.all().take(POLLS_PAGE).collect()
        } else {
            self.comet.of_user(user_id).take(POLLS_PAGE).collect()
        };
        let all = if viewer.sees_all { self.comet.len() } else { self.comet.len_of_user(user_id) };
        let polls = ids.into_iter().filter_map(|id| {
            let hold = self.comet.get(id)?;
            let since = || Some(now.mono.since(lab.held_since(hold.connection)?));
            let waited = self.comet.waited(id, now.mono).or_else(since);
            Some((hold, waited, self.comet.remaining(id, now.mono)))
        });
        let polls: Vec<_> = polls.collect();
        let (total, users) = (all, Vec::new());
        let mut view = LabView { lab, viewer, hold, polls, total, users, now, retry };
        let mut ids: Vec<UserId> = view.polls.iter().map(|it| it.0.caller.user_id).collect();
        ids.extend(view.moments().iter().map(|moment| moment.hold.caller.user_id));
        if let Some(timeline) = lab.timeline(viewer) {
            ids.push(timeline.sender_id);
            ids.extend(timeline.arrivals.iter().map(|arrival| arrival.user_id));
        }
        ids.sort_unstable();
        ids.dedup();
        view.users = ids.into_iter().filter_map(|id| self.logic.user(id).ok()).collect();
        Answer::Whole(view.respond())
    }

    // What it is told.

    /// The present moment, as exactly as the clock that there is tells it.
    fn moment(&self, now: Now) -> Mono {
        self.metrics.begin().unwrap_or(now.mono)
    }

    pub(super) fn note_sent(&mut self, now: Now, message: &Message) {
        let at = self.moment(now);
        if let Some(lab) = &mut self.lab {
            lab.observer.sent(now.mono, at, message);
            self.metrics.mark();
        }
    }

    pub(super) fn note_commit(&mut self, now: Now, is_committed: bool) {
        let at = self.moment(now);
        if let Some(lab) = &mut self.lab {
            lab.observer.committed(is_committed.then_some(at));
        }
    }

    pub(super) fn note_held(&mut self, now: Now, hold: &Hold) {
        let at = self.moment(now);
        if let Some(lab) = &mut self.lab {
            lab.observer.held(at, hold);
        }
    }

    pub(super) fn note_given(&mut self, now: Now, hold: &Hold, batch: &Batch) {
        let at = self.moment(now);
        let Some(lab) = &mut self.lab else { return };
        for (event, _) in &batch.events {
            if let Event::Message(message) = event {
                lab.observer.released(at, hold, message.id);
                self.metrics.mark();
            }
        }
    }

    pub(super) fn note_left(&mut self, now: Now, id: HoldId, hold: &Hold, left: Left) {
        if let Some(lab) = &mut self.lab {
            lab.observer.left(now.mono, id, hold, left);
        }
    }

    /// The end of a turn begins: what the last turn answered has been written, and what is due is
    /// told.
    pub(super) fn publish(&mut self, now: Now) {
        let Some(lab) = &mut self.lab else { return };
        if let Some(at) = self.metrics.written_at() {
            lab.observer.written(at);
        }
        for id in lab.observer.publish(now.mono) {
            self.comet.wake(id);
        }
    }
}
