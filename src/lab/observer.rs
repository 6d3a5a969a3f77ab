//! Watches the comet, for those who study it: what is held, by which exit it leaves, and what
//! happens to a message on its way.
//!
//! [`crate::chat`] tells it what happens, and only if the lab is on; it knows neither HTTP nor SQL,
//! and keeps nobody's text. All that it keeps is bounded: the newest [`MOMENTS_MAX`] comings and
//! goings, and the newest [`TIMELINES_MAX`] messages.
//!
//! What it has seen is asked for by a poll like any other, held by the same comet. So the lab sees
//! itself, too: each answer to such a poll, and the next question, are things that have happened.
//! Lest it spin on the sight of itself:
//!
//! 1. *Its own polls are seen, but wake nobody.* They are told along with whatever else has
//!    happened.
//! 2. *What happens is told in portions*: [`PACE`] after the first thing that has not been told
//!    yet, everything up to then is *published*, and only what is published is news. So a watcher
//!    is answered five times a second at most, however much goes on and however fast it asks.
//! 3. *Users see what is theirs*, an administrator sees everything. What somebody may not see is
//!    not news for them either.
//!
//! ```text
//!    held, left, sent, ...        PACE later                  wake: ask again
//!   ----------> [ unpublished ] ------------> [ published ] -----------------> polls of the lab
//! ```

use std::collections::VecDeque;
use std::time::Duration;

use super::timeline::Timelines;
pub use super::timeline::{Arrival, Timeline};
use crate::comet::{ConnectionId, Hold, HoldId, Left};
use crate::entity::{Message, MessageId, UserId};
use crate::logic::Manner;
use crate::system::Mono;

/// How many comings and goings are remembered.
pub const MOMENTS_MAX: usize = 256;

/// How many messages are remembered.
pub const TIMELINES_MAX: usize = 32;

/// How long after it happened something is told, with all that has happened meanwhile.
pub const PACE: Duration = Duration::from_millis(200);

/// Whose eyes something is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Viewer {
    /// Who looks.
    pub user_id: UserId,
    /// Whether they see what is others', too.
    pub sees_all: bool,
}

impl Viewer {
    /// Whether this user's doings are for these eyes.
    pub fn sees(self, user: UserId) -> bool {
        self.sees_all || self.user_id == user
    }
}

/// Something that has happened to a poll.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Counts everything that the lab has seen.
    pub number: u64,
    /// When it happened.
    pub at: Mono,
    /// To which poll.
    pub hold: Hold,
    /// What it was: it came, or it left by an exit.
    pub left: Option<Left>,
}

/// All that was seen and is remembered.
#[derive(Debug, Default)]
pub struct Observer {
    /// The newest number.
    newest: u64,
    /// Up to which number everything has been told.
    published: u64,
    /// When the next is told.
    publish_at: Option<Mono>,
    moments: VecDeque<Moment>,
    timelines: Timelines,
    watchers: Vec<(HoldId, Viewer)>,
}

impl Observer {
    // Told by the chat.

    /// A poll is held.
    pub fn held(&mut self, at: Mono, hold: &Hold) {
        self.note(at, hold, None);
        if hold.manner != Manner::Watch {
            self.timelines.came(at, self.newest, hold.caller.user_id, hold.place.stored);
        }
    }

    /// It is no longer held.
    pub fn left(&mut self, at: Mono, id: HoldId, hold: &Hold, left: Left) {
        self.note(at, hold, Some(left));
        self.watchers.retain(|(watcher, _)| *watcher != id);
    }

    /// A message was read at one moment and decided upon at another; it is not committed yet.
    pub fn sent(&mut self, read_at: Mono, at: Mono, message: &Message) {
        self.changed(at);
        self.timelines.begin(read_at, at, self.newest, message);
    }

    /// Whether a message of this turn waits for its commit.
    pub fn awaits_commit(&self) -> bool {
        self.timelines.awaits_commit()
    }

    /// The turn was committed at this moment, or not at all.
    pub fn committed(&mut self, at: Option<Mono>) {
        self.timelines.committed(at);
    }

    /// A poll or a stream is given this message.
    pub fn released(&mut self, at: Mono, hold: &Hold, id: MessageId) {
        let whose = (hold.caller.user_id, hold.connection);
        if self.timelines.released(at, self.newest + 1, whose, id) {
            self.changed(at);
        }
    }

    /// By then the answers of earlier turns had reached the sockets.
    pub fn written(&mut self, at: Mono) {
        self.timelines.written(at);
    }

    // Asked by the lab's own polls.

    /// A poll of the lab itself is held.
    pub fn watch(&mut self, id: HoldId, viewer: Viewer) {
        self.watchers.push((id, viewer));
    }

    /// For whose eyes a poll of the lab is.
    pub fn viewer(&self, id: HoldId) -> Option<Viewer> {
        let (_, viewer) = self.watchers.iter().find(|(watcher, _)| *watcher == id)?;
        Some(*viewer)
    }

    /// Publishes what is due. Returns the polls of the watchers, to be asked about again.
    pub fn publish(&mut self, now: Mono) -> Vec<HoldId> {
        if self.publish_at.is_none_or(|at| at > now) {
            return Vec::new();
        }
        self.publish_at = None;
        self.published = self.newest;
        self.watchers.iter().map(|(id, _)| *id).collect()
    }

    /// When [`Observer::publish`] has something to do.
    pub fn next_deadline(&self) -> Option<Mono> {
        self.publish_at
    }

    /// Up to which number everything is published.
    pub fn published(&self) -> u64 {
        self.published
    }

    /// Whether something for these eyes was published after this number. Somebody without a number
    /// of ours knows nothing yet, so everything is news.
    pub fn has_news(&self, viewer: Viewer, after: u64) -> bool {
        let is_new = |number: u64| number > after && number <= self.published;
        let mut moments = self.moments_after(viewer, after);
        after > self.published
            || moments.any(|moment| moment.hold.manner != Manner::Watch)
            || self.timeline(viewer).is_some_and(|timeline| is_new(timeline.number()))
    }

    /// What was published after this number, for these eyes, in order.
    pub fn moments_after(&self, viewer: Viewer, after: u64) -> impl Iterator<Item = &Moment> {
        let after = if after > self.published { 0 } else { after };
        self.moments.iter().filter(move |moment| {
            moment.number > after
                && moment.number <= self.published
                && viewer.sees(moment.hold.caller.user_id)
        })
    }

    /// When the poll on a connection came, if that is remembered.
    pub fn held_since(&self, connection: ConnectionId) -> Option<Mono> {
        let mut moments = self.moments.iter().rev();
        let last = moments.find(|moment| moment.hold.connection == connection)?;
        last.left.is_none().then_some(last.at)
    }

    /// The newest message that concerns them.
    pub fn timeline(&self, viewer: Viewer) -> Option<&Timeline> {
        self.timelines.newest(viewer)
    }

    fn note(&mut self, at: Mono, hold: &Hold, left: Option<Left>) {
        if hold.manner == Manner::Watch {
            self.newest += 1;
        } else {
            self.changed(at);
        }
        if self.moments.len() == MOMENTS_MAX {
            self.moments.pop_front();
        }
        self.moments.push_back(Moment { number: self.newest, at, hold: *hold, left });
    }

    /// Something has happened that is worth telling.
    fn changed(&mut self, at: Mono) {
        self.newest += 1;
        self.publish_at.get_or_insert(at.plus(PACE));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entity::{Place, SessionId};
    use crate::logic::Caller;

    const ANA: Viewer = Viewer { user_id: UserId(1), sees_all: false };
    const BEN: Viewer = Viewer { user_id: UserId(2), sees_all: false };
    const ADMIN: Viewer = Viewer { user_id: UserId(3), sees_all: true };

    fn hold(user: i64, manner: Manner) -> Hold {
        Hold {
            connection: ConnectionId(u32::try_from(user).unwrap()),
            caller: Caller { user_id: UserId(user), session_id: SessionId(user) },
            manner,
            blocked: false,
            place: Place { stored: MessageId(0), live: 0 },
            wait_ms: 0,
        }
    }

    #[test]
    fn what_happens_is_news_when_it_is_published_and_for_those_who_may_see_it() {
        let mut lab = Observer::default();
        lab.held(Mono(5), &hold(1, Manner::Poll));
        assert!(!lab.has_news(ANA, 0), "not yet");
        let due = Mono(5).plus(PACE);
        assert_eq!(lab.next_deadline(), Some(due));
        lab.publish(due);
        assert_eq!([ANA, BEN, ADMIN].map(|viewer| lab.has_news(viewer, 0)), [true, false, true]);
        assert!(!lab.has_news(ANA, lab.published()), "once");
        assert!(lab.has_news(BEN, 99), "who comes from another start of the server knows nothing");
    }

    #[test]
    fn the_labs_own_polls_are_seen_and_wake_nobody() {
        let mut lab = Observer::default();
        lab.held(Mono(0), &hold(1, Manner::Watch));
        assert_eq!(lab.next_deadline(), None);
        lab.held(Mono(1), &hold(1, Manner::Poll));
        lab.publish(Mono(1).plus(PACE));
        let told: Vec<_> = lab.moments_after(ANA, 0).map(|moment| moment.hold.manner).collect();
        assert_eq!(told, [Manner::Watch, Manner::Poll]);
    }

    #[test]
    fn a_flood_is_told_in_portions_and_takes_a_bounded_place() {
        let mut lab = Observer::default();
        let mut told = 0;
        for tenth_of_millis in 0..10_000 {
            let now = Mono(tenth_of_millis * 100);
            told += usize::from(lab.next_deadline().is_some_and(|due| due <= now));
            lab.publish(now);
            lab.held(now, &hold(1, Manner::Poll));
        }
        assert_eq!(told, 4, "in a second");
        assert_eq!(lab.moments.len(), MOMENTS_MAX);
    }
}
