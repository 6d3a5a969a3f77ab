//! Moves bytes between the network and the server, as `event_loop.rs` does between sockets and the
//! server, in the same order and with the same care for numbers that are free again.

use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;

use lovejoy::comet::ConnectionId;
use lovejoy::connection::{State, Then};
use lovejoy::server::{Input, Output};

use super::World;
use crate::network::{Given, LinkId};
use crate::wire::Response;

impl World {
    pub(super) fn accept(&mut self, gently: bool) {
        while let Some(id) = self.network.backlog.pop_front() {
            let number = self.free.pop().unwrap_or_else(|| {
                self.sockets.push(None);
                u32::try_from(self.sockets.len() - 1).expect("few links")
            });
            self.sockets[number as usize] = Some(id);
            let connection = ConnectionId(number);
            self.network.link(id).number = Some(connection);
            self.trace.line(|| format!("  -> #{id} connects as {number}"));
            // Each tab has an address of its own.
            let place = u8::try_from(self.network.peek(id).tab).unwrap_or(u8::MAX);
            let peer = IpAddr::V4(Ipv4Addr::new(127, 0, 1, place));
            self.input(Input::Accepted { connection, peer });
            if !gently && self.random.chance(self.plan.delay) {
                break;
            }
        }
    }

    /// The socket may have room again.
    pub(super) fn flush(&mut self, id: LinkId) {
        let now = self.now;
        let link = self.network.link(id);
        let Some(connection) = link.number else { return };
        if link.taken == link.written || link.stalled_until > now {
            return;
        }
        if !self.random.chance(700) {
            let rest = link.written - link.taken;
            link.taken += if self.random.chance(500) { 1 } else { self.random.between(1, rest) };
            if link.taken < link.written {
                return self.blocked(id, connection);
            }
        }
        let link = self.network.link(id);
        link.taken = link.written;
        let then = link.then;
        self.taken(id, then, true);
    }

    pub(super) fn read(&mut self, id: LinkId, gently: bool) {
        loop {
            let link = self.network.link(id);
            let Some(connection) = link.number else { return };
            if link.broken {
                // Before it breaks, the end may have been read.
                if !link.end_told && self.random.chance(500) {
                    self.network.link(id).end_told = true;
                    self.input(Input::Ended { connection });
                }
                return self.gone(id);
            }
            if link.paused {
                return;
            }
            let left = link.up.len() - link.told;
            if left == 0 {
                if link.ended && !link.end_told {
                    link.end_told = true;
                    self.trace.count("connections half-closed");
                    self.trace.line(|| format!("  -> #{id} ends"));
                    self.input(Input::Ended { connection });
                }
                return;
            }
            let whole = gently || !self.random.chance(self.plan.split);
            // Between two requests is a place of its own.
            let at_an_end = !whole && self.random.chance(300);
            let link = self.network.link(id);
            let mut ends = link.unanswered.iter().map(|next| next.end);
            let count = match ends.find(|&end| end > link.told) {
                _ if whole => left,
                Some(end) if at_an_end => end - link.told,
                _ => self.random.index(left) + 1,
            };
            let link = self.network.link(id);
            let bytes = link.up[link.told..link.told + count].to_vec();
            link.told += count;
            self.trace.line(|| format!("  -> #{id} {count} of {left} bytes"));
            self.input(Input::Received { connection, bytes: &bytes });
            // A pause is obeyed at once.
            if self.outputs.list.last() == Some(&Output::Pause { connection }) {
                self.network.link(id).paused = true;
            }
            if count < left && self.random.chance(500) {
                return;
            }
        }
    }

    /// From now on the server owes an answer to what it has got: to the first request of each
    /// connection in this turn. The others may follow in the same turn.
    pub(super) fn give(&mut self) {
        let given = Given { at: self.now, turn: self.turn, newest: self.checks.newest() };
        self.exact = true;
        self.polls.fill(0);
        for &id in &self.network.alive.clone() {
            let link = self.network.link(id);
            if link.number.is_none() || link.shut {
                continue;
            }
            let state = link.number.and_then(|number| self.server.state(number));
            let (told, is_queued) = (link.told, state == Some(State::Queued));
            for (place, next) in link.unanswered.iter_mut().enumerate() {
                if told < next.end {
                    break;
                }
                // While it is queued, each turn may be the one in which it is read; and while a
                // password is hashed, the one in which that ends.
                if !next.has_come || is_queued || next.request.is_slow() {
                    self.checks.given(&next.request, self.now, !next.has_come);
                    next.has_come = true;
                }
                self.exact &= place == 0 && !is_queued;
                next.was_queued = place == 0 && is_queued;
                if place == 0 && is_being_answered(state) && next.given.is_none() {
                    next.given = Some(given);
                }
                // Behind others it may be held and gone again within the turn.
                if next.request.poll().is_some() {
                    self.polls[next.request.person] += 1;
                    self.may_have_polled[next.request.person] = Some(self.now);
                    self.may_be_leaving[next.request.person] = Some(self.now);
                }
            }
        }
    }

    /// What stood behind a request that was answered in this turn is the server's to answer, too; and
    /// what was queued, which it has read before the commit.
    pub(super) fn give_next(&mut self) {
        let (newest_before, newest) = (self.checks.newest_before, self.checks.newest());
        for &id in &self.network.alive.clone() {
            let link = self.network.link(id);
            if is_being_answered(link.number.and_then(|number| self.server.state(number)))
                && !link.shut
                && let Some(first) = link.unanswered.front_mut()
                && first.end <= link.told
                && first.has_come
            {
                let newest = if first.was_queued { newest_before } else { newest };
                first.given.get_or_insert(Given { at: self.now, turn: self.turn, newest });
            }
        }
    }

    pub(super) fn carry_out(&mut self) {
        while !self.outputs.list.is_empty() {
            let outputs = std::mem::take(&mut self.outputs);
            for output in outputs.list {
                match output {
                    Output::Write { connection, bytes, tail, then } => {
                        let bytes = [&outputs.bytes[bytes], tail].concat();
                        self.write(connection, &bytes, then);
                    }
                    Output::Close { connection } => self.close(connection),
                    Output::Pause { connection } => {
                        self.trace.count("connections paused");
                        self.set_paused(connection, true);
                    }
                    Output::Resume { connection } => self.set_paused(connection, false),
                }
            }
        }
    }

    fn set_paused(&mut self, connection: ConnectionId, paused: bool) {
        if let Some(id) = self.sockets[connection.0 as usize] {
            self.network.link(id).paused = paused;
        }
    }

    /// The server writes an answer, or several.
    fn write(&mut self, connection: ConnectionId, bytes: &[u8], then: Then) {
        self.trace.hash(bytes);
        let Some(id) = self.sockets[connection.0 as usize] else {
            panic!("nothing is written to a connection that is no more");
        };
        let link = self.network.link(id);
        assert!(!link.shut, "nothing follows a last answer");
        let was_full = link.taken < link.written;
        let mut rest = bytes;
        while !rest.is_empty() {
            let stream = self.network.link(id).stream.as_ref().map(|stream| stream.manner);
            let len = match stream {
                Some(manner) => self.piece(id, manner, rest, then),
                None => self.response(id, rest, then),
            };
            rest = &rest[len.unwrap_or_else(|error| panic!("{error}"))..];
        }
        let link = self.network.link(id);
        if was_full || link.stalled_until > self.now {
            self.trace.count("answers stalled");
            return self.blocked(id, connection);
        }
        link.taken = link.written;
        self.taken(id, then, false);
    }

    /// One answer: to the first request that has none. How long it is.
    fn response(&mut self, id: LinkId, bytes: &[u8], then: Then) -> Result<usize, String> {
        let (response, len) = Response::read(bytes)?;
        let then = if len == bytes.len() { then } else { Then::Keep };
        self.written += 1;
        self.trace.line(|| format!("<-   #{id} {response}"));
        let circumstances = self.circumstances();
        let newest = self.checks.newest_before;
        let late = Given { at: self.now, turn: self.turn, newest };
        let link = self.network.link(id);
        let asked = link.unanswered.pop_front();
        let mut asked = asked.unwrap_or_else(|| panic!("an answer without a request: {response}"));
        assert!(asked.end <= link.told, "{} is not at an end", asked.request);
        let given = *asked.given.get_or_insert(late);
        let request = Rc::clone(&asked.request);
        if response.stream.is_some() {
            // It stays the first one until its stream is over.
            link.unanswered.push_front(asked);
            link.write_frames(Vec::new(), len);
            link.stream = Some(self.checks.begun(&request, given, &response, circumstances));
            return Ok(len);
        }
        assert_eq!(
            response.closes,
            link_closes(&response, then, link.ended),
            "{response} {then:?}"
        );
        link.then = then;
        link.write(response.clone(), len);
        if then != Then::Keep {
            // What is still behind it will not be answered.
            link.unanswered.clear();
        }
        if request.poll().is_some() && response.status == 200 {
            self.has_polled(request.person);
        }
        if response.body["released"] == true {
            self.released.push((request.person, given.turn));
        }
        self.checks.answered(&request, given, &response, circumstances);
        Ok(len)
    }

    /// The socket has no room, or took a little.
    fn blocked(&mut self, id: LinkId, connection: ConnectionId) {
        self.network.link(id).full_since = Some((self.turn, self.now));
        self.input(Input::Blocked { connection });
    }

    /// The socket has taken everything.
    fn taken(&mut self, id: LinkId, then: Then, was_blocked: bool) {
        if self.network.link(id).full_since.take().is_some() {
            self.network.link(id).free_since = self.now;
        }
        match then {
            Then::Keep => {}
            Then::Linger => self.network.link(id).shut = true,
            Then::Close => return self.gone(id),
        }
        let link = self.network.link(id);
        if was_blocked && let Some(connection) = link.number {
            self.input(Input::Flushed { connection });
        }
    }

    /// The socket is broken, or closed behind the last answer.
    fn gone(&mut self, id: LinkId) {
        let Some(connection) = self.network.link(id).number else { return };
        self.trace.count("connections broken");
        self.trace.line(|| format!("  -> #{id} is gone"));
        self.input(Input::Gone { connection });
        self.let_go(id, connection);
    }

    /// The server closes a connection. It must have a reason if somebody waits for an answer there.
    fn close(&mut self, connection: ConnectionId) {
        // It may have broken before the turn came to closing it.
        let Some(id) = self.sockets[connection.0 as usize] else { return };
        self.trace.line(|| format!("<-   #{id} is closed"));
        let early_max = self.config.pipelined_bytes_max;
        let (turn, draining) = (self.turn, self.drained_by.is_some());
        let link = self.network.link(id);
        if let Some(first) = link.unanswered.front()
            && let Some(given) = first.given
        {
            self.trace.count("connections closed while a request waits");
            // What came early, and was not yet looked at when the server was told to stop.
            let is_too_late = draining && given.turn == turn;
            let is_poll = first.request.poll().is_some();
            let half_closed = is_poll && link.end_told;
            let too_much = is_poll && link.told - first.end > early_max;
            let is_slow = link.taken < link.written;
            if is_slow && link.stream.is_some() {
                self.trace.count("streams cut");
            }
            let is_unread = self.was_unreadable && link.stream.is_some();
            let why = half_closed || too_much || is_too_late || is_slow || is_unread;
            assert!(why, "#{id} is closed while {} waits", first.request);
        }
        self.let_go(id, connection);
    }

    fn let_go(&mut self, id: LinkId, connection: ConnectionId) {
        let link = self.network.peek(id);
        let lost = link.unanswered.iter().filter(|next| next.end <= link.told);
        lost.for_each(|next| self.checks.lost(&next.request, self.now));
        self.sockets[connection.0 as usize] = None;
        self.free.push(connection.0);
        self.network.close(id, &mut self.random);
    }
}

/// Whether the server has read a request, and answers no other one before it.
fn is_being_answered(state: Option<State>) -> bool {
    matches!(state, Some(State::Deciding | State::Held(_) | State::Streaming(_)))
}

/// An answer says that it is the last one, unless the client has said so before.
fn link_closes(response: &Response, then: Then, ended: bool) -> bool {
    match then {
        Then::Linger => true,
        Then::Keep => false,
        Then::Close => response.closes || !ended,
    }
}
