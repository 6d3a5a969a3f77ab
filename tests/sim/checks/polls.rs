//! What must be true of polls: of those that are held, and of their answers.

use serde_json::Value;

use super::log::Told;
use super::{Checks, Circumstances, GRACE, KEPT, Place, TYPING};
use crate::network::Given;
use crate::wire::{Poll, Request, Response};

/// No process has this number.
const NO_START: u64 = 0;

impl Checks {
    /// A poll is held at the end of a turn.
    pub fn held(&mut self, request: &Request, poll: &Poll, given: Given, now: u64) {
        // The wheel is exact to a twentieth of a second.
        self.lifetimes.may_be_used(&request.token, given.at);
        let late = now.saturating_sub(given.at + poll.wait_micros());
        assert!(late < 50_000, "a poll is held {late} us past its deadline");
        let user = self.user(request);
        let after = self.last_behind(poll, given, user);
        let missed = self.log.told(&self.members, user, after, i64::MAX).next();
        assert_eq!(missed, None, "nobody waits while there is something for them");
        if let Some(turn) = self.accounts.ended(&request.token) {
            panic!("a poll is held of a session that ended in turn {turn}");
        }
    }

    /// A poll is answered.
    pub(super) fn answered_poll(
        &mut self,
        request: &Request,
        poll: &Poll,
        given: Given,
        response: &Response,
        c: Circumstances,
    ) {
        let user = self.user(request);
        let (body, events) = (&response.body, response.events());
        let more = body["more"] == true;
        let mut got = Vec::new();
        for (index, event) in events.iter().enumerate() {
            match event["type"].as_str() {
                Some(kind @ ("message" | "message_updated")) => {
                    let entry = self.check_message(user, &event["message"]);
                    let is_now = event["message"]["body"] == entry.body;
                    assert!(is_now || !c.exact, "a message is told as it is now: {event}");
                    got.push(Told { id: entry.id, is_update: kind == "message_updated" });
                }
                Some("reset") => {
                    self.trace.count("resets");
                    assert_eq!(index, 0, "reset comes first");
                }
                _ => {
                    assert!(got.is_empty(), "messages come last");
                    self.check_live_event(user, event, c);
                }
            }
        }
        let after = self.last_behind(poll, given, user);
        let is_vague = !c.exact && self.is_unsettled();
        let cursor = body["cursor"].as_str().expect("a cursor");
        let until = match got.last() {
            Some(&last) if more && !is_vague => self.log.number(last),
            // A poll that has to leave goes without what cannot be read.
            _ if c.unreadable => stored_in(cursor),
            _ if c.exact => self.newest(),
            Some(_) if more => stored_in(cursor),
            // Pipelined requests are answered in one turn, with a commit after each. Which of them
            // came before this answer, only its cursor tells.
            _ => stored_in(cursor).clamp(self.newest_before, self.newest()),
        };
        let expected: Vec<_> = self.log.told(&self.members, user, after, until).collect();
        if !is_vague {
            let range = format!("{after} to {until}");
            assert_eq!(got, expected, "a poll is told what came after its cursor ({range})");
        }
        assert!(got.len() <= c.events_page_max, "a page has its size");
        assert!(!more || got.len() == c.events_page_max, "a page is full where there is more");
        let asked = poll.cursor.as_ref().map(|cursor| self.places[&**cursor]);
        if let Some(asked) = asked.filter(|_| c.unreadable && events.is_empty()) {
            // What could not be read is told the next time, a reset among it.
            let start = if asked.start == c.start { c.start } else { NO_START };
            self.place(cursor, Place { number: until, start, ..asked });
        } else {
            self.hand_out(body, user, until, c);
            let is_reset = events.first().is_some_and(|event| event["type"] == "reset");
            self.check_reset(poll, is_reset, c);
            if let Some(asked) = asked.filter(|_| !is_reset) {
                self.check_left(user, asked, events, c);
            }
        }

        let released = body["released"] == true;
        assert!(!released || c.may_be_released(request), "{request} is released too early");
        self.trace.count(match () {
            () if released => "polls released",
            () if c.draining => "polls drained",
            () if events.is_empty() => "polls expired",
            () if more => "polls answered with a page",
            () => "polls answered",
        });
        let over = given.at + poll.wait_micros() <= c.now;
        let reason = !events.is_empty() || over || released || c.draining;
        assert!(reason, "an empty answer to {request} before its time");
        assert_eq!(
            body["retry_ms"].is_i64(),
            released || c.draining,
            "who is sent away hears for how long"
        );
        assert_eq!(
            body["wait"],
            poll.wait_micros() / 1_000_000,
            "the wait that was applied is told"
        );
    }

    /// An event that is stored nowhere tells a user of what is theirs.
    pub(super) fn check_live_event(&self, user: i64, event: &Value, c: Circumstances) {
        let other = || event["user_id"].as_i64().expect("a user");
        match event["type"].as_str().expect("a type") {
            "presence" => {
                let are_friends = if c.exact {
                    self.relations.seen(user, other()) == Some("friends")
                } else {
                    self.relations.may_be_friends(user, other())
                };
                assert!(are_friends, "presence is a matter among friends: {event} to {user}");
                self.check_presence(event, c);
            }
            "read" | "delivered" | "typing" => {
                let id = event["conversation_id"].as_i64().expect("an id");
                let is_member = if c.exact {
                    self.members.is_member(id, user)
                } else {
                    self.members.may_be_member(id, user)
                };
                assert!(is_member, "marks are a matter among members: {event} to {user}");
                self.check_mark(event, c);
            }
            "conversation" => {
                let id = event["conversation"]["id"].as_i64().expect("an id");
                let is_member = self.members.is_member(id, user) || !c.exact;
                assert!(is_member, "{event} to {user}, who is no member");
                self.check_conversation(user, &event["conversation"]);
            }
            "conversation_removed" => {
                let id = event["conversation_id"].as_i64().expect("an id");
                let has_left = self.members.may_have_left(id, user);
                assert!(has_left, "{event} to {user}, who has never left");
            }
            "friend" => {
                let other = event["friend"]["user"]["id"].as_i64().expect("a user");
                self.check_friend(user, other, event["friend"]["state"].as_str(), c);
            }
            "friend_removed" => self.check_friend(user, other(), None, c),
            "user_updated" => {}
            unknown => panic!("an event of type {unknown}"),
        }
    }

    /// Whoever has left a conversation since is told so, and whoever came back that they did: what
    /// they know of it is of an earlier stay.
    fn check_left(&self, user: i64, asked: Place, events: &[Value], c: Circumstances) {
        let told: Vec<i64> = events
            .iter()
            .filter(|event| event["type"] == "conversation_removed")
            .map(|event| event["conversation_id"].as_i64().expect("an id"))
            .collect();
        for (id, _, at) in self.members.left_at().filter(|(_, who, _)| *who == user) {
            let must_be = asked.at < at && (at < c.now || c.exact);
            let is_told = told.contains(&id) || !must_be;
            assert!(is_told, "{user} is not told to have left {id}");
        }
        for id in told.into_iter().filter(|id| c.exact && self.members.is_member(*id, user)) {
            self.trace.count("told to be back");
            let mut after = events.iter().skip_while(|event| event["conversation_id"] != id);
            let is_back = after.any(|event| event["conversation"]["id"] == id);
            assert!(is_back, "{user} is not told to be back in {id}");
        }
    }

    /// Users are told what others are to them, and that is all that they may know.
    fn check_friend(&self, user: i64, other: i64, state: Option<&str>, c: Circumstances) {
        let now = self.relations.seen(user, other);
        let may_see =
            if c.exact { now == state } else { self.relations.may_see(user, other, state) };
        assert!(may_see, "{user} is told that {other} is {state:?}, and not {now:?}");
    }

    /// How far something has come is not told before it has come so far, nor what is old by then.
    fn check_mark(&self, event: &Value, c: Circumstances) {
        let id = |name: &str| event[name].as_i64().expect("an id");
        let (conversation, user) = (id("conversation_id"), id("user_id"));
        if event["type"] == "typing" {
            let typed_at = self.typed.get(&(conversation, user));
            let is_news = typed_at.is_some_and(|at| c.now <= at + TYPING);
            assert!(is_news, "nobody is typing: {event}");
            return;
        }
        let entry = self.log.entry(id("message_id"));
        assert_eq!(entry.conversation, conversation, "{event}");
        if event["type"] == "delivered" {
            let arrived = self.arrived.get(&user).is_some_and(|&number| entry.id <= number);
            let is_others = entry.sender != user;
            assert!(arrived && is_others, "it has not been delivered: {event}");
        }
    }

    /// One is there while a poll is held and for a while after, and not any longer.
    fn check_presence(&self, event: &Value, c: Circumstances) {
        let mut ids = self.accounts.of.iter();
        let person = ids.find(|&(_, id)| event["user_id"] == *id).expect("an account");
        let recently = |at: Option<u64>| at.is_some_and(|at| c.now < at + GRACE);
        if event["online"] == true {
            assert!(recently(c.may_have_polled[*person.0]), "nobody is there: {event}");
        } else {
            assert!(!recently(c.polled[*person.0]), "somebody is there: {event}");
        }
    }

    /// The state is to be reloaded where something was missed, and only there: after a restart, a
    /// long absence, or too many events.
    pub(super) fn check_reset(&self, poll: &Poll, is_reset: bool, c: Circumstances) {
        let Some(place) = poll.cursor.as_ref().map(|cursor| self.places[&**cursor]) else {
            let reason = !is_reset || c.inbox_is_bounded;
            return assert!(reason, "who begins now has missed nothing: {poll:?}");
        };
        let is_old = place.start != c.start;
        assert!(is_reset || !is_old, "a cursor from before a restart is reset: {poll:?}");
        let was_away = place.at + KEPT <= c.now;
        let reason = is_old || was_away || c.inbox_is_bounded;
        assert!(!is_reset || reason, "a reset without a reason: {poll:?}");
    }

    /// The last number behind a poll.
    pub(super) fn last_behind(&self, poll: &Poll, given: Given, user: i64) -> i64 {
        let Some(cursor) = &poll.cursor else { return given.newest };
        let place = self.places.get(&**cursor).expect("a cursor that was handed out");
        assert_eq!(place.user, user, "tabs use their own cursors");
        place.number
    }
}

/// The newest number behind a cursor. To clients it is opaque.
pub(super) fn stored_in(cursor: &str) -> i64 {
    let part = cursor.split('-').nth(2).expect("a cursor has four parts");
    part.parse().expect("a number")
}
