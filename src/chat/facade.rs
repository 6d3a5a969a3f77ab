//! Lets a page of 2013 take part (see [`crate::web::facade`]): its requests become the calls that
//! today's clients make, and its Keepline becomes a poll that is held in the same comet.
//!
//! *How a poll without a cursor loses nothing.* A Keepline does not say what its page knows
//! already. In 2013 nobody knew: a message went to the request that was held at that moment, and if
//! there was none, or it had just been answered, the message was gone. Here the server keeps for
//! each session what the page cannot:
//!
//! - *known*: the cursor up to which the page has received everything;
//! - *written*: the cursor after the last answer, and the connection that it was written to.
//!
//! ```text
//!   Keepline     known := written, if that connection is not known to have broken; ask after `known`
//!   answered     written := the place after the one message that it carries
//!   broken       written := nothing: it may not have arrived
//!   Online       the same, where it shows the token again: "I may have missed the last one"
//! ```
//!
//! The page asks again when it has received an answer, in its `success`: so the next Keepline
//! acknowledges the last one, as a cursor that is sent back does today. What was written but not
//! followed by another question is written again: at least once, under the same `MessageId`. A page
//! that asks again after a failure, or keeps its token across a reload, says Online first; then
//! nothing is lost even if the server has not seen the connection break.
//!
//! None of this is stored. The token carries the cursor at which its session began, so a server
//! that has forgotten (it was restarted, or too many sessions came) tells everything since then
//! once more. A page is not told what its own user said, nor what is said in groups: it has the
//! one, and has no place for the other.
//!
//! A session has one Keepline. A newer one takes the place of the older, which is answered 409;
//! that ends its loop, so two loops never take each other's messages.

use super::{Chat, stopping, ticket};
use crate::comet::{ConnectionId, Hold, HoldId, Left};
use crate::entity::{Event, SessionId};
use crate::http::{Request, Response, client_address};
use crate::logic::{Answer, Batch, Call, Caller, Manner, Origin, Refusal, Reply};
use crate::map::Map;
use crate::server::{Answer as ToWrite, Client, Decision};
use crate::system::Now;
use crate::web::facade::{self, Action, Form};
use crate::web::{Problem, Proof};

/// What is kept for pages of 2013.
#[derive(Debug, Default)]
pub(super) struct Facade {
    lines: Map<SessionId, Line>,
    /// To which session a connection's last answer went, unless the connection is known to have
    /// broken since.
    written_to: Map<ConnectionId, SessionId>,
    /// The connections on which a password is being checked: few, since few are checked at a time.
    entering: Vec<ConnectionId>,
}

/// What one page knows, and the poll that it waits with.
#[derive(Debug, Default)]
struct Line {
    known: String,
    written: Option<(String, ConnectionId)>,
    poll: Option<HoldId>,
}

/// For how many sessions it is remembered where they are. Beyond that, all are forgotten, and told
/// again what they were told.
const LINES_MAX: usize = 10_000;

impl Facade {
    /// A connection broke: what was last written to it may not have arrived.
    pub(super) fn broken(&mut self, connection: ConnectionId) {
        let session = self.written_to.remove(&connection);
        if let Some(line) = session.and_then(|session| self.lines.get_mut(&session)) {
            line.written.take_if(|(_, written_to)| *written_to == connection);
        }
    }

    /// A Keepline is answered, and everything up to this place is then written.
    fn write(&mut self, hold: &Hold, behind: String) {
        let Caller { session_id, .. } = hold.caller;
        if let Some(line) = self.lines.get_mut(&session_id) {
            line.poll = None;
            line.written = Some((behind, hold.connection));
            self.written_to.insert(hold.connection, session_id);
        }
    }

    /// A Keepline comes. Returns the place to ask after, and the poll whose place it takes.
    fn ask(&mut self, session: SessionId, begun: &str) -> (String, Option<HoldId>) {
        let Some(line) = self.lines.get_mut(&session) else { return (begun.to_owned(), None) };
        if let Some((cursor, _)) = line.written.take() {
            line.known = cursor;
        }
        (line.known.clone(), line.poll.take())
    }

    /// It is held.
    fn wait(&mut self, session: SessionId, known: String, poll: HoldId) {
        if self.lines.len() >= LINES_MAX && !self.lines.contains_key(&session) {
            self.lines.clear();
        }
        self.lines.insert(session, Line { known, written: None, poll: Some(poll) });
    }
}

impl Chat {
    /// How a page of 2013 is answered, or what its request waits for.
    pub(super) fn consider_2013(
        &mut self,
        now: Now,
        client: Client,
        request: &Request<'_>,
    ) -> Result<Decision, Problem> {
        let form = Form::read(request, self.config.body_bytes_max)?;
        if self.draining {
            return Err(stopping());
        }
        let action = form.action()?;
        let address = client_address(client.peer, request, &self.config.trusted_proxy);
        let token = form.credential().map(|(token, _)| token);
        let origin = if action == Action::Online {
            // Perhaps it is a password, and perhaps one that looks like a token.
            let caller =
                token.ok().and_then(|token| self.logic.authenticate(now, token.as_bytes()).ok());
            Origin { address, caller }
        } else {
            // The token stands in the body, which the lab must not show: nothing is recorded.
            self.admit(
                now,
                address,
                action.route(),
                token.map(|token| Proof::Token(token.as_bytes())),
                None,
            )?
        };
        let call = match action {
            Action::Register => form.sign_up(request)?,
            Action::Online if origin.caller.is_some() => {
                return self.come_again(now, client.connection, origin, &form);
            }
            Action::Online => form.log_in(request)?,
            Action::Offline => Call::LogOut,
            Action::GetFriends => Call::Friends,
            Action::SendMsg => self.message_2013(now, origin, &form)?,
            Action::Keepline => return self.keep_line(now, client.connection, origin, &form),
        };
        self.call_2013(now, client.connection, origin, call)
    }

    fn call_2013(
        &mut self,
        now: Now,
        connection: ConnectionId,
        origin: Origin,
        call: Call,
    ) -> Result<Decision, Problem> {
        let answer = self.logic.decide(now, origin, call, ticket(connection));
        let reply = match answer.map_err(|refusal| self.refused(refusal))? {
            Answer::Now(reply) => reply,
            Answer::Later => {
                self.facade().entering.push(connection);
                return Ok(Decision::Later);
            }
            Answer::Wait(_) => unreachable!("a Keepline alone waits"),
        };
        let response = self.speak_2013(now, &reply)?;
        Ok(self.respond(connection, response))
    }

    /// A reply in the words of 2013.
    pub(super) fn speak_2013(&mut self, now: Now, reply: &Reply) -> Result<Response, Problem> {
        Ok(match reply {
            Reply::SignedIn { user, token, .. } => {
                let begun = self.place_of(now, token).map_err(|refusal| self.refused(refusal))?;
                facade::signed_in(user, token, &begun)
            }
            Reply::Friends(friends) => facade::friends(friends),
            Reply::Message { message, .. } => {
                let between = self.logic.said_between(message);
                let between = between.map_err(|refusal| self.refused(refusal))?;
                facade::message(message, &between.ok_or_else(Problem::not_found)?)
            }
            _ => facade::signed_out(),
        })
    }

    /// The place at which a session begins.
    fn place_of(&mut self, now: Now, token: &str) -> Result<String, Refusal> {
        let caller = Some(self.logic.authenticate(now, token.as_bytes())?);
        let origin = Origin { address: std::net::Ipv4Addr::UNSPECIFIED.into(), caller };
        match self.logic.decide(now, origin, Call::State, ticket(ConnectionId(0)))? {
            Answer::Now(Reply::State { cursor, .. }) => Ok(cursor),
            _ => unreachable!("a snapshot is there at once"),
        }
    }

    /// A page that has a token comes online again: it may have missed the last answer.
    fn come_again(
        &mut self,
        now: Now,
        connection: ConnectionId,
        origin: Origin,
        form: &Form,
    ) -> Result<Decision, Problem> {
        let (token, since) = form.credential()?;
        let session = origin.caller.map(|caller| caller.session_id);
        if let Some(line) = session.and_then(|id| self.facade().lines.get_mut(&id)) {
            line.written = None;
        }
        match self.logic.decide(now, origin, Call::Me, ticket(ConnectionId(0))) {
            Ok(Answer::Now(Reply::Me(user))) => {
                Ok(self.respond(connection, facade::signed_in(&user, token, since)))
            }
            Ok(_) => unreachable!("who one is, is known at once"),
            Err(refusal) => Err(self.refused(refusal)),
        }
    }

    /// What is said to whom, in the conversation of those two.
    fn message_2013(&mut self, now: Now, origin: Origin, form: &Form) -> Result<Call, Problem> {
        match self.logic.decide(now, origin, Call::Friends, ticket(ConnectionId(0))) {
            Ok(Answer::Now(Reply::Friends(friends))) => {
                let (friend, body) = form.message(&friends)?;
                let conversation_id = friend.conversation_id.ok_or_else(Problem::not_friends)?;
                Ok(Call::Send { conversation_id, body, nonce: None })
            }
            Ok(_) => unreachable!("friends are known at once"),
            Err(refusal) => Err(self.refused(refusal)),
        }
    }

    /// Holds a Keepline. The session's other one leaves.
    fn keep_line(
        &mut self,
        now: Now,
        connection: ConnectionId,
        origin: Origin,
        form: &Form,
    ) -> Result<Decision, Problem> {
        let (_, begun) = form.credential()?;
        let Caller { session_id, .. } = origin.caller.ok_or_else(Problem::unauthorized)?;
        let (known, older) = self.facade().ask(session_id, begun);
        if let Some(older) = older {
            self.leave_empty_handed(now, older, Left::Released, None);
        }
        let (cursor, wait) = (Some(known.clone()), self.config.wait_default);
        let call = Call::Events { cursor, wait, manner: Manner::Keepline };
        match self.logic.decide(now, origin, call, ticket(connection)) {
            Ok(Answer::Wait(wait)) => {
                let poll = self.hold(now, connection, &wait);
                self.facade().wait(session_id, known, poll);
                Ok(Decision::Held(poll))
            }
            Ok(_) => unreachable!("a poll waits"),
            Err(refusal) => Err(self.refused(refusal)),
        }
    }

    /// There is something for a Keepline: it leaves with the first message in it, or, if there is
    /// no message, waits on after it.
    pub(super) fn ask_line(&mut self, now: Now, id: HoldId, hold: &Hold, batch: &Batch) {
        let response = match self.next_message(hold, batch) {
            Ok(Some(response)) => response,
            Err(refusal) => too_late(refusal).in_2013().respond(),
            Ok(None) => {
                self.comet.advance(id, batch.behind.place());
                if batch.more {
                    self.unfinished.push(id);
                } else if hold.wait_ms == 0 {
                    self.expire(now, id);
                }
                return;
            }
        };
        self.leave(now, id, Left::News, ToWrite::Whole(response));
    }

    /// What to tell a Keepline that has to leave now.
    pub(super) fn last_line(&mut self, now: Now, hold: &Hold, released: bool) -> Response {
        if released {
            return Problem::released().in_2013().respond();
        }
        let Hold { caller, place, connection, .. } = *hold;
        let batch = self.logic.ask_last(now, caller.user_id, place, ticket(connection));
        match self.next_message(hold, &batch) {
            Ok(Some(response)) => response,
            Ok(None) => {
                self.facade().write(hold, batch.behind.text(batch.tag));
                facade::silence()
            }
            Err(refusal) => too_late(refusal).in_2013().respond(),
        }
    }

    /// Whether a password was being checked on this connection for a page of 2013. From now on none
    /// is.
    pub(super) fn has_entered(&mut self, connection: ConnectionId) -> bool {
        let Some(facade) = &mut self.facade else { return false };
        let place = facade.entering.iter().position(|&entering| entering == connection);
        place.is_some_and(|place| facade.entering.swap_remove(place) == connection)
    }

    /// The session has ended.
    pub(super) fn facade_ended(&mut self, session: SessionId) {
        if let Some(facade) = &mut self.facade {
            facade.lines.remove(&session);
        }
    }

    /// The next message for a Keepline among what there is, if there is one; and notes that it is
    /// written.
    fn next_message(&mut self, hold: &Hold, batch: &Batch) -> Result<Option<Response>, Refusal> {
        for (event, behind) in &batch.events {
            let Event::Message(message) = event else { continue };
            if message.sender_id == hold.caller.user_id {
                continue;
            }
            if let Some(between) = self.logic.said_between(message)? {
                self.facade().write(hold, behind.text(batch.tag));
                return Ok(Some(facade::message(message, &between)));
            }
        }
        Ok(None)
    }

    fn facade(&mut self) -> &mut Facade {
        // invariant: nobody comes here if it is off.
        self.facade.as_mut().expect("the facade is on")
    }
}

/// What goes wrong after the commit: it no longer fails the turn.
fn too_late(refusal: Refusal) -> Problem {
    log::error!("what there is for a page of 2013 could not be read: {refusal}");
    refusal.into()
}
