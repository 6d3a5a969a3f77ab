//! Compares the server with what it should be, at the end of each turn.

use std::time::Duration;

use lovejoy::connection::State;
use lovejoy::logic::passwords::ROUNDS_PER_SLICE;

use super::World;
use crate::checks::{Circumstances, GRACE};
use crate::people::NAMES;

/// How late a deadline may be noticed.
const TICK: u64 = 50_000;

/// How often an inbox is looked after.
const INBOX_TIME: u64 = 300_000_000;

impl World {
    pub(super) fn circumstances(&self) -> Circumstances {
        Circumstances {
            now: self.now,
            turn: self.turn,
            exact: self.exact,
            start: self.starts,
            full: self.was_full,
            unreadable: self.was_unreadable,
            draining: self.drained_by.is_some(),
            events_page_max: self.config.events_page_max,
            hashing_is_bounded: self.config.hashing_max < 10,
            polled: self.polled,
            may_have_polled: self.may_have_polled,
            polls: self.polls,
            polls_max: self.config.polls_per_user_max,
            inbox_is_bounded: self.config.live_events_per_user_max < 10,
        }
    }

    /// What one would see of a turn that had a reason.
    pub(super) fn activity(&mut self) -> (u64, usize, usize) {
        (self.written, self.held(), self.server.connections())
    }

    /// A server that sleeps is woken when there is something to do. What cannot be seen from here
    /// is a slice of hashing, somebody without friends who is gone for good, and the inboxes, each
    /// of which is looked after once in a while.
    pub(super) fn woken(&mut self, due: u64, for_nothing: bool) {
        self.trace.count("woken");
        let mut gone = false;
        for ended_at in self.leaving.iter_mut().chain(&mut self.may_be_leaving) {
            gone |= ended_at.take_if(|at| *at + GRACE <= self.now).is_some();
        }
        if !for_nothing || gone || due == self.started_at {
            return;
        }
        self.trace.count("woken for nothing");
        self.trace.line(|| "**   woken for nothing that can be seen".into());
        self.unseen += 1;
        let rounds = (self.now - self.started_at) / INBOX_TIME + 1;
        let users = self.checks.accounts.users().count().max(NAMES.len());
        let most = users as u64 * rounds;
        assert!(self.unseen <= most, "the server is woken {} times for nothing", self.unseen);
    }

    pub(super) fn has_polled(&mut self, person: usize) {
        self.polled[person] = Some(self.now);
        self.leaving[person] = Some(self.now);
        self.may_be_leaving[person] = Some(self.now);
        self.may_have_polled[person] = Some(self.now);
    }

    /// Those who wait are there.
    pub(super) fn look_around(&mut self) {
        let polls = self.network.accepted().filter_map(|(_, link)| {
            let first = link.unanswered.front().filter(|first| first.given.is_some())?;
            first.request.poll().map(|_| first.request.person)
        });
        for person in polls.collect::<Vec<_>>() {
            self.has_polled(person);
        }
    }

    /// How many turns a request with a password may take: all that wait are hashed in rotation, a
    /// slice in each turn, and a request may need two hashes, one after the other.
    fn hashing_time(&mut self) -> u64 {
        let firsts = self.network.accepted().filter_map(|(_, link)| link.unanswered.front());
        let slow = firsts.filter(|first| first.given.is_some() && first.request.is_slow()).count();
        self.hashing_most = self.hashing_most.max(slow as u64);
        let slices = self.config.password_iterations.div_ceil(ROUNDS_PER_SLICE);
        2 * u64::from(slices) * self.hashing_most
    }

    /// Compares the server with what it should be at the end of a turn, in which perhaps nothing
    /// came and nothing left.
    pub(super) fn look(&mut self, was_for_nothing: bool) {
        let at_once =
            matches!(self.server.next_deadline(), Some(at) if at.0 + self.started_at <= self.now);
        // Where a turn answers some polls only, and cuts some connections, the others may be in line.
        let in_line = at_once && self.config.polls_per_turn_max < 10;
        let circumstances = self.circumstances();
        let released = std::mem::take(&mut self.released);
        let write_time = time(self.config.write_time_max) + TICK;
        let hashing_time = self.hashing_time();
        let mut held = 0;
        let mut of_person = [0; NAMES.len()];
        for (id, link) in self.network.accepted() {
            let first = link.unanswered.front();
            if link.paused && !link.shut && link.taken == link.written {
                let state = link.number.and_then(|number| self.server.state(number));
                let is_queued = state == Some(State::Queued);
                let is_busy = is_queued || first.is_some_and(|first| first.end <= link.told);
                assert!(is_busy, "#{id} is read again when there is nothing to answer");
            }
            let Some(first) = first else { continue };
            let Some(given) = first.given else {
                let may_be_read = first.has_come && link.taken == link.written && !link.shut;
                let state = link.number.and_then(|number| self.server.state(number));
                let is_queued = state == Some(State::Queued);
                assert!(is_queued || !may_be_read, "{} is forgotten", first.request);
                continue;
            };
            if let Some((_, since)) = link.full_since {
                let slow = self.now - since;
                assert!(
                    in_line || slow < write_time,
                    "#{id} takes nothing for {slow} us, and is not cut"
                );
            }
            let Some(poll) = first.request.poll() else {
                let took = self.turn - given.turn;
                let may_take = if first.request.is_slow() { hashing_time } else { 0 };
                assert!(took <= may_take, "{} is answered in its turn", first.request);
                continue;
            };
            held += 1;
            of_person[first.request.person] += 1;
            let mut released = released.iter().filter(|(of, _)| *of == first.request.person);
            let is_oldest = released.all(|(_, since)| *since <= given.turn);
            assert!(is_oldest, "{} is older than one that is released", first.request);
            assert!(!link.end_told, "#{id}: one who has closed their side is not waited for");
            let early = link.told - first.end;
            let early_max = self.config.pipelined_bytes_max;
            assert!(early <= early_max, "#{id}: {early} bytes wait behind a poll");
            if let Some(stream) = &link.stream {
                // More of it may be on its way.
                if !at_once && link.full_since.is_none() {
                    self.checks.streaming(&first.request, stream, link.free_since, circumstances);
                }
            } else if !in_line {
                self.checks.held(&first.request, poll, given, self.now);
            }
        }
        let most = of_person.into_iter().max().unwrap_or(0);
        assert!(in_line || most <= self.config.polls_per_user_max, "one user holds {most} polls");
        assert_eq!(held, self.server.handler().held(), "as many polls are held as clients wait");
        let sockets = self.sockets.iter().flatten().count();
        assert_eq!(sockets, self.server.connections(), "a connection for each socket");
        // Whoever is to be answered in time has to be thought of; and where there is much to do,
        // something comes of it.
        self.at_once = if at_once && was_for_nothing { self.at_once + 1 } else { 0 };
        assert!(self.at_once < 500, "the server goes in circles");
    }
}

fn time(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).expect("a short time")
}
