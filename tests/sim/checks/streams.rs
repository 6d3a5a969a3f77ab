//! What must be true of streams: each is told what came after its cursor, once and in order, says
//! where it stands, and gives a sign of life.

use std::collections::BTreeSet;
use std::rc::Rc;

use super::log::Told;
use super::polls::stored_in;
use super::{Checks, Circumstances, Place};
use crate::network::Given;
use crate::wire::{Frame, Manner, Request, Response};

/// How long a stream may be silent; and what the wheel may be late.
const SILENCE: u64 = 15_000_000 + 50_000;

/// A stream that goes on.
#[derive(Debug)]
pub struct Stream {
    pub manner: Manner,
    /// The last number that it has been told, or needs not to be.
    number: i64,
    /// When something was last written to it.
    written_at: u64,
    /// Nothing but signs of life was.
    is_new: bool,
    /// The conversations that its user was told to have left, and not to be back in.
    left: BTreeSet<i64>,
    /// The word by which it ended.
    pub end: Option<String>,
}

impl Checks {
    /// A stream begins.
    pub fn begun(
        &mut self,
        request: &Request,
        given: Given,
        response: &Response,
        c: Circumstances,
    ) -> Stream {
        self.trace.count("streams");
        let poll = request.poll().expect("nothing else is streamed");
        assert_eq!((response.status, response.stream), (200, Some(poll.manner)), "to {request}");
        assert!(response.closes || !poll.is_old, "to {request}");
        if poll.is_old {
            self.trace.count("streams of HTTP/1.0");
        }
        if let Some(turn) = self.accounts.ended(&request.token) {
            assert!(turn >= given.turn, "a session that has ended is not served: {request}");
        }
        let number = self.last_behind(poll, given, self.user(request));
        let (manner, written_at, left) = (poll.manner, c.now, BTreeSet::new());
        Stream { manner, number, written_at, is_new: true, left, end: None }
    }

    /// Something is written to it.
    pub fn streamed(
        &mut self,
        request: &Request,
        stream: &mut Stream,
        frame: &Frame,
        c: Circumstances,
    ) {
        assert_eq!(stream.end, None, "nothing follows the last event: {frame}");
        stream.written_at = c.now;
        // A session that cannot be looked up is not known to be used.
        if *frame == Frame::KeepAlive && c.unreadable {
            self.lifetimes.may_be_used(&request.token, c.now);
        } else if *frame == Frame::KeepAlive {
            self.lifetimes.used(&request.token, c.now);
        }
        let Frame::Event { event, cursor } = frame else { return };
        self.trace.count("events streamed");
        self.accounts.check_names(event, c.turn);
        let user = self.user(request);
        let Some(cursor) = cursor else { return self.ended(request, stream, frame, c) };
        let is_first = std::mem::take(&mut stream.is_new);
        match event["type"].as_str() {
            Some(kind @ ("message" | "message_updated")) => {
                let id = self.check_message(user, &event["message"]).id;
                let told = Told { id, is_update: kind == "message_updated" };
                self.told_next(user, stream, told, cursor, c);
            }
            kind => {
                if kind == Some("reset") {
                    self.trace.count("resets");
                    stream.left.clear();
                } else {
                    self.check_live_event(user, event, c);
                    stream.left.extend(
                        event["conversation_id"]
                            .as_i64()
                            .filter(|_| kind == Some("conversation_removed")),
                    );
                    let changed = event["conversation"]["id"].as_i64();
                    changed.map(|id| stream.left.remove(&id));
                }
                self.moved(user, stream, cursor, c);
            }
        }
        let is_reset = event["type"] == "reset";
        if is_first {
            let poll = request.poll().expect("nothing else is streamed");
            self.check_reset(poll, is_reset, c);
        } else {
            assert!(!is_reset || c.inbox_is_bounded, "a reset without a reason: {frame}");
        }
        self.place(cursor, Place { user, number: stream.number, start: c.start, at: c.now });
    }

    /// What is told is what comes next, as far as that can be known.
    fn told_next(
        &self,
        user: i64,
        stream: &mut Stream,
        told: Told,
        cursor: &Rc<str>,
        c: Circumstances,
    ) {
        let is_vague = !c.exact && self.is_unsettled();
        if is_vague {
            stream.number = stored_in(cursor);
            return;
        }
        let next = self.log.told(&self.members, user, stream.number, i64::MAX).next();
        assert_eq!(next, Some(told), "a stream is told what comes next after {}", stream.number);
        stream.number = self.log.number(told);
    }

    /// What is stored nowhere passes over nothing that is.
    fn moved(&self, user: i64, stream: &mut Stream, cursor: &Rc<str>, c: Circumstances) {
        let number = stored_in(cursor);
        let passed = self.log.told(&self.members, user, stream.number, number).next();
        let is_vague = !c.exact && self.is_unsettled();
        assert!(is_vague || passed.is_none(), "a stream passes over {passed:?}");
        stream.number = number;
    }

    /// The last event says why.
    fn ended(&self, request: &Request, stream: &mut Stream, frame: &Frame, c: Circumstances) {
        let code = frame.end().unwrap_or_else(|| panic!("an event without a cursor: {frame}"));
        let (reason, what) = match code {
            "unauthorized" => (self.has_ended(request, c), "streams logged out"),
            "draining" => (c.draining, "streams drained"),
            "released" => (c.may_be_released(request), "streams released"),
            _ => (false, "streams ended"),
        };
        self.trace.count(what);
        assert!(reason, "a stream ends without a reason: {frame}");
        stream.end = Some(code.to_owned());
    }

    /// A stream goes on at the end of a turn. `free_since`: when its socket had room again.
    pub fn streaming(
        &mut self,
        request: &Request,
        stream: &Stream,
        free_since: u64,
        c: Circumstances,
    ) {
        self.lifetimes.may_be_used(&request.token, c.now);
        let silent = c.now.saturating_sub(stream.written_at.max(free_since));
        assert!(silent <= SILENCE, "a stream is silent for {silent} us");
        let user = self.user(request);
        let missed = self.log.told(&self.members, user, stream.number, i64::MAX).next();
        assert_eq!(missed, None, "a stream is told what there is");
        let is_back = stream.left.iter().find(|&&id| self.members.is_member(id, user));
        assert_eq!(is_back, None, "{user} is told to be back");
        if let Some(turn) = self.accounts.ended(&request.token) {
            panic!("a stream goes on of a session that ended in turn {turn}");
        }
        let poll = request.poll().expect("nothing else is streamed");
        let begun_behind = poll.cursor.as_ref().map(|cursor| self.places[&**cursor]);
        let is_reset = !stream.is_new || begun_behind.is_none_or(|place| place.start == c.start);
        assert!(is_reset, "a cursor from before a restart is reset");
    }
}
