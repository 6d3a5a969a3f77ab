//! One tab of a browser: the client half of the comet, as `www/poll.js` has it, over a network that
//! loses things.
//!
//! The rules are those of the file it mirrors: the cursor moves on only after an answer has been
//! read to its end and dealt with; what failed is asked again, after a pause; `reset` means to
//! reload the state and to go on with the cursor of that answer; 401 means to log in again.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use serde_json::Value;

use crate::network::LinkId;
use crate::view::{Shown, Transcript, View, id};
use crate::wire::{Frame, Request, Response, What};

/// A tab, and what it knows.
#[derive(Debug, Default)]
pub struct Tab {
    pub person: usize,
    /// Asleep until then: it neither asks nor reads nor reacts.
    pub asleep_until: u64,
    /// Its login, and whose it is.
    user: Option<i64>,
    pub token: Option<Rc<str>>,
    /// The place in the events that it knows everything up to.
    pub cursor: Option<Rc<str>>,
    /// The one before: to ask the same again.
    pub old_cursor: Option<Rc<str>>,
    /// It asks nothing before that time.
    pub pause_until: u64,
    /// Where its poll is on its way.
    pub poll: Option<Sent>,
    /// Polls that it cares for no more, and will hang up.
    pub abandoned: Vec<Sent>,
    /// Where its command is.
    pub command: Option<Sent>,
    /// An answer that begins with `reset`, or the first one, waits for the state to be reloaded; of
    /// a stream, all that comes meanwhile.
    pub pending: Vec<Batch>,
    pub wants_history: BTreeSet<i64>,
    /// Conversations that were left while something was on its way: what comes of them is old.
    left: BTreeSet<i64>,
    /// Messages that may not have arrived, to be sent again.
    pub unsure: Vec<What>,
    /// What is to be put right.
    pub regret: Option<What>,
    pub view: View,
    pub transcript: Transcript,
    /// The newest message that came behind the present snapshot.
    last_told: i64,
}

/// Some events, and the place behind them.
#[derive(Debug)]
pub struct Batch {
    events: Vec<Value>,
    cursor: Option<Rc<str>>,
    retry_ms: Option<u64>,
}

/// A request on its way.
#[derive(Clone, Copy, Debug)]
pub struct Sent {
    pub link: LinkId,
    /// When to lose patience.
    pub give_up_at: u64,
}

/// What people do not wait for longer.
const AGAIN_AFTER: u64 = 500_000;

/// How long it takes a stream to be given up that gives no sign of life.
const SILENCE: u64 = 25_000_000;

/// When one comes back whose stream was released for a newer one.
const RELEASED: u64 = 10_000_000;

impl Tab {
    pub fn new(person: usize) -> Self {
        Self { person, ..Self::default() }
    }

    /// Whether it may ask for events now.
    pub fn may_poll(&self, now: u64) -> bool {
        self.token.is_some()
            && self.poll.is_none()
            && self.pending.is_empty()
            && self.pause_until <= now
    }

    /// When it will do something by itself.
    pub fn next_deadline(&self, now: u64) -> u64 {
        if self.asleep_until > now {
            return self.asleep_until;
        }
        let patience = self.on_their_way().map(|sent| sent.give_up_at);
        let patience = patience.min().unwrap_or(u64::MAX);
        let idle = self.poll.is_none() || self.command.is_none();
        if idle && self.pause_until > now { patience.min(self.pause_until) } else { patience }
    }

    /// All that it has asked, and was not answered yet.
    pub fn on_their_way(&self) -> impl Iterator<Item = Sent> {
        let all = [self.poll, self.command].into_iter().flatten();
        all.chain(self.abandoned.iter().copied())
    }

    /// Cares for its poll no more, and may ask another one before the server knows.
    pub fn abandon(&mut self, hang_up_at: u64) {
        let poll = self.poll.take();
        self.abandoned.extend(poll.map(|sent| Sent { give_up_at: hang_up_at, ..sent }));
    }

    /// An answer was read to its end.
    pub fn answered(&mut self, link: LinkId, request: &Request, response: &Response, now: u64) {
        if !request.is_login() && self.token.as_ref() != Some(&request.token) {
            // The tab may be another user's by now.
            return self.lost(link, request, now);
        }
        self.abandoned.retain(|sent| sent.link != link);
        let was_command = take(&mut self.command, link);
        let was_poll = take(&mut self.poll, link);
        if was_command && !matches!(request.what, What::History { .. }) {
            self.left.clear();
        }
        if response.status == 401 && !request.is_login() {
            return self.log_out(now);
        }
        match &request.what {
            _ if request.is_for_another() => {}
            What::Register { .. } | What::LogIn { .. } => match response.status {
                201 => self.logged_in(&response.body),
                _ => self.pause_until = now + AGAIN_AFTER,
            },
            What::LogOut if response.status == 204 => self.log_out(now),
            What::State if was_command => self.state_came(response, now),
            What::History { conversation } if was_command => match response.status {
                200 => self.history_came(*conversation, &response.body),
                404 => drop(self.wants_history.remove(conversation)),
                _ => {}
            },
            What::Poll(poll) if was_poll && poll.manner.is_stream() => {
                let was_released = response.body["code"] == "released";
                self.pause_until = now + if was_released { RELEASED } else { AGAIN_AFTER };
            }
            What::Poll(poll) if was_poll && !poll.is_probe => {
                self.events_came(response, poll.cursor.is_none(), now);
            }
            What::Send { .. } if response.status == 503 => self.unsure.push(request.what.clone()),
            What::Send { nonce, .. } => self
                .unsure
                .retain(|what| !matches!(what, What::Send { nonce: other, .. } if other == nonce)),
            _ => {}
        }
    }

    /// More of a stream has come.
    pub fn streamed(&mut self, link: LinkId, request: &Request, frame: Frame, now: u64) {
        let is_asked = self.token.as_ref() == Some(&request.token);
        let poll = self.poll.as_mut().filter(|poll| is_asked && poll.link == link);
        let Some(poll) = poll else { return };
        poll.give_up_at = now + SILENCE;
        let Frame::Event { event, cursor: Some(cursor) } = frame else { return };
        let batch = Batch { events: vec![event], cursor: Some(cursor), retry_ms: None };
        if !self.pending.is_empty() || batch.is_reset() {
            self.pending.push(batch);
        } else {
            self.go_on(&batch, now);
        }
    }

    /// An answer will never come.
    pub fn lost(&mut self, link: LinkId, request: &Request, now: u64) {
        self.abandoned.retain(|sent| sent.link != link);
        if take(&mut self.poll, link) {
            self.pause_until = now + AGAIN_AFTER;
        }
        if take(&mut self.command, link) {
            self.left.clear();
            if request.what == What::State {
                self.give_up(now);
            }
        }
        if let What::Send { nonce: Some(_), .. } = &request.what {
            self.unsure.push(request.what.clone());
        }
    }

    /// Reloads everything, as one does who does not trust the page.
    pub fn forget(&mut self) {
        self.cursor = None;
        self.pending.clear();
    }

    fn logged_in(&mut self, body: &Value) {
        if self.token.is_some() {
            return;
        }
        self.token = body["token"].as_str().map(Rc::from);
        // It may be the second account of the name: to that, nothing of the first means anything.
        let user = body["user"]["id"].as_i64();
        if self.user.is_some_and(|before| Some(before) != user) {
            let (poll, command) = (self.poll, self.command);
            let token = self.token.take();
            *self = Self { token, poll, command, ..Self::new(self.person) };
        }
        self.user = user;
    }

    fn log_out(&mut self, now: u64) {
        self.token = None;
        self.pending.clear();
        self.pause_until = now + AGAIN_AFTER;
    }

    /// The question that came to nothing will be asked again.
    fn give_up(&mut self, now: u64) {
        self.pause_until = now + AGAIN_AFTER;
    }

    fn state_came(&mut self, response: &Response, now: u64) {
        if response.status != 200 {
            return self.give_up(now);
        }
        self.view = View::of(&response.body);
        // Each reset has a state of its own, which was asked for after it.
        let next = self.pending.iter().skip(1).position(Batch::is_reset);
        let rest = self.pending.split_off(next.map_or(self.pending.len(), |place| place + 1));
        let pending = std::mem::replace(&mut self.pending, rest);
        // While it was away it may have left a group and come again.
        let view = &self.view;
        self.transcript.retain(|id, _| view.conversations.get(id).is_some_and(|c| !c.is_group));
        if pending.is_empty() {
            self.cursor = cursor(&response.body);
            self.old_cursor = None;
            self.last_told = 0;
            self.transcript.clear();
        }
        let known: BTreeSet<i64> = self.view.conversations().collect();
        self.wants_history.retain(|id| known.contains(id));
        self.wants_history.extend(known.iter().filter(|id| !self.transcript.contains_key(id)));
        for batch in pending {
            self.go_on(&batch, now);
        }
    }

    fn history_came(&mut self, conversation: i64, body: &Value) {
        if std::mem::take(&mut self.left).contains(&conversation) {
            return;
        }
        self.wants_history.remove(&conversation);
        if !self.view.conversations.contains_key(&conversation) {
            return;
        }
        let shown = self.transcript.entry(conversation).or_default();
        for message in body["messages"].as_array().expect("messages") {
            show(shown, message);
        }
    }

    fn events_came(&mut self, response: &Response, is_first: bool, now: u64) {
        if response.status != 200 {
            self.pause_until = now + AGAIN_AFTER;
            return;
        }
        if is_first {
            self.last_told = 0;
            self.transcript.clear();
        }
        let batch = Batch {
            events: response.events().to_vec(),
            cursor: cursor(&response.body),
            retry_ms: response.body["retry_ms"].as_u64(),
        };
        if is_first || batch.is_reset() {
            self.pending.push(batch);
        } else {
            self.go_on(&batch, now);
        }
    }

    /// Deals with an answer, and only then moves on.
    fn go_on(&mut self, batch: &Batch, now: u64) {
        for event in &batch.events {
            self.view.apply(event);
            match event["type"].as_str() {
                Some("message") => {
                    let message = &event["message"];
                    let new = id(&message["id"]);
                    let last = self.last_told;
                    assert!(last < new, "each message comes once, in order: {new} after {last}");
                    self.last_told = new;
                    let conversation = id(&message["conversation_id"]);
                    show(self.transcript.entry(conversation).or_default(), message);
                }
                Some("message_updated") => {
                    let message = &event["message"];
                    let conversation = id(&message["conversation_id"]);
                    show(self.transcript.entry(conversation).or_default(), message);
                }
                Some("conversation") => {
                    self.transcript.entry(id(&event["conversation"]["id"])).or_default();
                }
                Some("conversation_removed") => {
                    let conversation = id(&event["conversation_id"]);
                    self.transcript.remove(&conversation);
                    self.wants_history.remove(&conversation);
                    self.left.extend(self.command.map(|_| conversation));
                }
                _ => {}
            }
        }
        let before = self.cursor.take();
        self.cursor.clone_from(&batch.cursor);
        if let Some(retry_ms) = batch.retry_ms {
            self.pause_until = now + retry_ms * 1000;
        } else if self.cursor == before {
            self.pause_until = now + 100_000;
        }
        self.old_cursor = before;
    }
}

impl Batch {
    /// Something was missed before it.
    fn is_reset(&self) -> bool {
        self.events.first().is_some_and(|event| event["type"] == "reset")
    }
}

/// What a tab shows of a message never goes back, and changes with its version alone.
fn show(shown: &mut BTreeMap<i64, Shown>, message: &Value) {
    let new = Shown::of(message);
    let old = shown.entry(id(&message["id"])).or_insert_with(|| new.clone());
    assert_eq!(old.sender, new.sender, "a message is its sender's: {message}");
    assert!(old.version != new.version || *old == new, "{message} was {old:?} before");
    if old.version < new.version {
        *old = new;
    }
}

fn cursor(body: &Value) -> Option<Rc<str>> {
    body["cursor"].as_str().map(Rc::from)
}

/// Whether this is what was on its way there; it no longer is.
fn take(sent: &mut Option<Sent>, link: LinkId) -> bool {
    sent.take_if(|sent| sent.link == link).is_some()
}
