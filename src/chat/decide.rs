//! Decides what becomes of a request: phase 2 of a turn.
//!
//! The order of the questions is that of the contract: is there such a thing, is the server
//! stopping, who asks, may they ask now, and only then what exactly they want. Knows neither what a
//! call means (the logic does) nor what it looks like (`web` does).

use std::net::IpAddr;

use super::{Chat, stopping, ticket};
use crate::comet::{ConnectionId, Hold, HoldId};
use crate::http::{Request, Response, client_address};
use crate::logic::{self, Limited, Manner, Origin, Refusal, Reply, Wait};
use crate::server::{Answer, Client, Decision};
use crate::system::Now;
use crate::web::{self, Match, OrderRoute, Problem, Proof, Reach, Route};

impl Chat {
    /// What becomes of a request, unless it is refused.
    pub(super) fn consider(
        &mut self,
        now: Now,
        client: Client,
        request: &Request<'_>,
    ) -> Result<Decision, Problem> {
        if self.facade.is_some() && !client.is_monitor && request.target.path() == web::facade::PATH
        {
            return self.consider_2013(now, client, request).map_err(Problem::in_2013);
        }
        let (operator, lab) = (client.is_operator, self.lab.is_some());
        let reach = Reach { operator, lab, probe: self.probe.is_some() };
        let matched = web::route(request, reach)?;
        if self.is_elsewhere(client, matched.route) {
            return Err(Problem::not_found());
        }
        let mut page = None;
        if matched.route == Route::Page {
            page = Some(self.pages.find(&request.target).ok_or_else(Problem::not_found)?);
            web::check_page_method(request.method)?;
        }
        if self.draining {
            return Err(stopping());
        }
        if let Some(page) = page {
            return Ok(self.respond(client.connection, page.respond(request)));
        }
        let response = match matched.route {
            Route::Health => self.health()?,
            Route::Metrics => self.count(),
            Route::Options => web::options(request, reach),
            Route::Probe => self.examine(now, client, matched.id, request)?,
            Route::Order(OrderRoute::BeginProbe) => self.begin_probe(now, request)?,
            Route::Order(order) => {
                let order = web::read_order(order, request, &self.config)?;
                let answer = self.logic.obey(now, order, ticket(client.connection));
                return self.considered(now, client.connection, answer);
            }
            _ => return self.consider_caller(now, client, matched, request),
        };
        Ok(self.respond(client.connection, response))
    }

    /// Answers at the end of this turn.
    pub(super) fn respond(&mut self, connection: ConnectionId, response: Response) -> Decision {
        self.answer(connection, response);
        Decision::Later
    }

    /// The same for what depends on who asks.
    fn consider_caller(
        &mut self,
        now: Now,
        client: Client,
        matched: Match,
        request: &Request<'_>,
    ) -> Result<Decision, Problem> {
        let address = client_address(client.peer, request, &self.config.trusted_proxy);
        let proof = web::proof(request, client.is_operator);
        let recorded = Some((client.connection, request));
        let origin = self.admit(now, address, matched.route, proof, recorded)?;
        if let Some(response) = self.record(now, origin, matched.route, request)? {
            return Ok(self.respond(client.connection, response));
        }
        let asked = (matched.route, request);
        if let Some(replay) = self.aim(now, client.connection, asked, origin.caller) {
            return Ok(self.respond(client.connection, replay));
        }
        if let Route::Lab(route) = matched.route {
            return self.consider_lab(now, client.connection, route, request, origin.caller);
        }
        let call = web::read_call(matched, request, &self.config)?;
        let answer = self.logic.decide(now, origin, call, ticket(client.connection));
        self.considered(now, client.connection, answer)
    }

    /// Whether there is such a thing, but not where this client came in: figures may be served at a
    /// place of their own, where there is nothing else.
    fn is_elsewhere(&self, client: Client, route: Route) -> bool {
        if client.is_monitor {
            return !matches!(route, Route::Metrics | Route::Health);
        }
        let have_a_place = !self.config.metrics_listen.is_empty();
        route == Route::Metrics && have_a_place && !client.is_operator
    }

    /// What becomes of the logic's answer.
    fn considered(
        &mut self,
        now: Now,
        connection: ConnectionId,
        answer: Result<logic::Answer, Refusal>,
    ) -> Result<Decision, Problem> {
        match answer {
            Ok(logic::Answer::Now(reply)) => {
                if let Reply::Message { message, created: true } = &reply
                    && self.lab.is_some()
                {
                    self.note_sent(now, message);
                }
                Ok(self.respond(connection, web::respond(&reply)))
            }
            Ok(logic::Answer::Later) => Ok(Decision::Later),
            Ok(logic::Answer::Wait(wait)) => Ok(Decision::Held(self.hold(now, connection, &wait))),
            Err(refusal) => Err(self.refused(refusal)),
        }
    }

    /// Whether the server can do everything that it is for. If it could not write before, it tries
    /// again.
    fn health(&mut self) -> Result<Response, Problem> {
        self.cannot_write = self.cannot_write && !self.logic.can_write();
        if self.cannot_write { Err(Problem::not_committed()) } else { Ok(web::health()) }
    }

    /// What was counted, and what there is now.
    fn count(&self) -> Response {
        let (resident, counted) = (self.logic.resident(), &self.metrics);
        let gauges = web::Gauges {
            held_polls: self.comet.len() - self.comet.streams(),
            held_streams: self.comet.streams(),
            connections: counted.connections_accepted.get() - counted.connections_closed.get(),
            users_online: resident.online,
            hashing: resident.hashing,
            inboxes: resident.inboxes,
            sessions_cached: resident.sessions,
            conversations_cached: resident.rooms,
        };
        web::metrics(counted, &gauges)
    }

    /// The answer to what is wrong; counted, if it is about a limit.
    pub(super) fn problem(&self, problem: Problem) -> Response {
        let response = problem.respond();
        match response.status() {
            429 => self.metrics.rate_limited.add(1),
            503 => self.metrics.unavailable.add(1),
            _ => {}
        }
        response
    }

    /// Says no; those who hear it too often hear it later.
    pub(super) fn say_no(
        &mut self,
        now: Now,
        client: Client,
        request: &Request<'_>,
        problem: Problem,
    ) {
        let address = client_address(client.peer, request, &self.config.trusted_proxy);
        let origin = Origin { address, caller: None };
        let is_too_often = problem.is_refusal()
            && !self.draining
            && self.logic.admit(now, origin, Limited::Refusal).is_err();
        let told = if is_too_often {
            self.tarpit.put_off(now.mono, client.connection, problem)
        } else {
            Some(problem)
        };
        if let Some(problem) = told {
            let response = self.problem(problem);
            self.answer(client.connection, response);
        }
    }

    /// Finds out who it is, and whether they may do this now, before anything else is looked at.
    pub(super) fn admit(
        &mut self,
        now: Now,
        address: IpAddr,
        route: Route,
        proof: Result<Proof<'_>, Problem>,
        recorded: Option<(ConnectionId, &Request<'_>)>,
    ) -> Result<Origin, Problem> {
        let is_operator = matches!(proof, Ok(Proof::Operator(_)));
        let mut caller = None;
        if route.needs_token() {
            let known = match proof? {
                Proof::Token(token) => self.logic.authenticate(now, token),
                Proof::Operator(name) => self.logic.speak_for(name),
            };
            let known = known.map_err(|refusal| self.refused(refusal))?;
            if let Some((connection, request)) = recorded
                && self.recorder.is_armed()
                && !route.is_recording()
            {
                let lane = web::lane(request);
                self.recorder.claim(connection, known, &lane, route.has_password());
            }
            caller = Some(known);
        }
        let origin = Origin { address, caller };
        if let Some(limited) = route.limited()
            && !is_operator
        {
            let admitted = self.logic.admit(now, origin, limited);
            admitted.map_err(|refusal| self.refused(refusal))?;
        }
        Ok(origin)
    }

    /// What somebody wants done with the recording of their own session, if this is about that.
    fn record(
        &mut self,
        now: Now,
        origin: Origin,
        route: Route,
        request: &Request<'_>,
    ) -> Result<Option<Response>, Problem> {
        let Some(caller) = origin.caller.filter(|_| route.is_recording()) else { return Ok(None) };
        match route {
            Route::Record if !self.recorder.arm(now, caller) => {
                return Err(Problem::too_many_record());
            }
            Route::StopRecording => self.recorder.disarm(now, caller),
            Route::Recording => {
                let after = web::changes_after(request)?;
                let show = |tape: &_| web::recording(tape, after);
                let shown = self.recorder.look(now, caller, show);
                return shown.map(Some).ok_or_else(Problem::not_found);
            }
            _ => {}
        }
        Ok(Some(web::respond(&logic::Reply::Done)))
    }

    /// Parks a poll, or begins a stream. Whether there is already something for it is asked at the
    /// end of the turn.
    pub(super) fn hold(&mut self, now: Now, connection: ConnectionId, wait: &Wait) -> HoldId {
        let time = match wait.manner {
            Manner::Poll | Manner::Keepline | Manner::Watch => wait.wait,
            Manner::EventStream | Manner::Lines => {
                let (head, first) = web::begin_stream(wait.manner);
                self.send(connection, Answer::Begin(head, first));
                self.config.keep_alive
            }
        };
        let hold = Hold::new(connection, wait);
        let id = self.comet.hold(hold, now.mono.plus(time));
        // Watching the lab does not make anybody present in the chat.
        if wait.manner != Manner::Watch {
            self.logic.poll_came(wait.caller.user_id, now);
        }
        self.comet.wake(id);
        if self.lab.is_some() {
            self.note_held(now, &hold);
        }
        id
    }
}
