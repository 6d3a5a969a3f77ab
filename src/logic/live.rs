//! Remembers, for those who are around, the events that are stored nowhere. Does not know who waits
//! for them.
//!
//! Messages can be found again in the store. Everything else that is pushed only says that
//! something is different now, so it is enough to remember it while its user keeps coming back for
//! it, and to keep only the newest of several events about one subject. That one has left a
//! conversation is kept beside what came after it. Each live event takes the next number of one
//! counter, which a cursor carries beside the number of the newest stored message.
//!
//! That somebody is typing is news for only a few seconds. Such an event disappears by itself:
//! whoever comes later is not told, and has missed nothing.
//!
//! A user has an inbox from their first snapshot or poll until some minutes after going offline. An
//! inbox knows after which number it is complete (its floor). A cursor below the floor has missed
//! something that nobody remembers, and is answered with `reset`: everything that is not a message
//! must be loaded anew.

use std::collections::VecDeque;
use std::time::Duration;

use super::{Notice, Ticket};
use crate::chunks::{self, give_back};
use crate::config::Config;
use crate::entity::{ConversationId, Event, MessageId, Subject, UserId};
use crate::map::Map;
use crate::system::Mono;

/// How long, at least, an inbox outlives its user's presence: a short loss of the network costs no
/// reload. It is looked at once in this time, and dropped when its user was away twice in a row.
const KEPT: Duration = Duration::from_secs(300);

/// How long it is news that somebody is typing.
const TYPING: Duration = Duration::from_secs(5);

/// The inboxes of all who are around.
#[derive(Debug)]
pub(super) struct Live {
    /// The number of the newest live event of all.
    newest: u64,
    events_max: usize,
    inboxes_max: usize,
    /// The weight of all inboxes together, as [`News::weight`] counts it.
    weight: usize,
    weight_max: usize,
    inboxes: Map<UserId, Inbox>,
    /// The place of the inbox that gives something up next, when all together hold too much.
    hand: u32,
    /// When to check whether an inbox is still needed, for users who are not online: oldest first.
    retiring: VecDeque<(Mono, UserId)>,
}

#[derive(Debug)]
struct Inbox {
    floor: Floor,
    /// Oldest first; at most one for each subject, or two where somebody left and came back. A box,
    /// since most of those who wait have no events.
    #[expect(clippy::box_collection, reason = "8 bytes instead of 32 where there are none")]
    events: Option<Box<VecDeque<Entry>>>,
    /// Nothing newer than this is stored for the user; there may be less.
    stored: MessageId,
    /// Everything up to this number is known to have reached the user.
    arrived: MessageId,
}

/// Everything that came after this number is in the inbox. The number has two bits to spare, for
/// two flags of the inbox that would cost eight bytes by themselves; and there are as many inboxes
/// as users.
#[derive(Clone, Copy, Debug)]
struct Floor(u64);

impl Floor {
    /// It will be looked at: it is in `retiring`.
    const WATCHED: u64 = 1 << 63;
    /// Its user was away when it was last looked at, and has not come back since.
    const AWAY: u64 = 1 << 62;
    const FLAGS: u64 = Self::WATCHED | Self::AWAY;

    fn number(self) -> u64 {
        self.0 & !Self::FLAGS
    }

    fn raise(&mut self, number: u64) {
        self.0 = self.0 & Self::FLAGS | number;
    }

    /// Returns whether the flag was set.
    fn set(&mut self, flag: u64, on: bool) -> bool {
        let before = self.0;
        self.0 = if on { before | flag } else { before & !flag };
        before & flag != 0
    }
}

/// What waits for a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum News {
    /// This.
    Event(Event),
    /// A conversation is new or has changed. What it is like is looked up when it is told: whatever
    /// was deleted meanwhile must no longer be told.
    Conversation(ConversationId),
}

#[derive(Debug)]
struct Entry {
    number: u64,
    news: News,
    /// Whoever has caused it is not told.
    except: Option<Ticket>,
    /// Nobody is told after this.
    until: Mono,
}

/// What an inbox says to a cursor.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Since {
    /// The cursor has missed something: `reset`.
    Missed,
    /// What came after it, with its numbers.
    News(Vec<(u64, News)>),
}

impl Live {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            newest: 0,
            events_max: config.live_events_per_user_max,
            inboxes_max: config.users_remembered_max,
            weight: 0,
            weight_max: config.live_events_max,
            inboxes: Map::default(),
            hand: 0,
            retiring: VecDeque::new(),
        }
    }

    /// How many inboxes there are.
    pub(super) fn len(&self) -> usize {
        self.inboxes.len()
    }

    /// The number of the newest live event of all.
    pub(super) fn newest(&self) -> u64 {
        self.newest
    }

    /// From now on the user's events are remembered. `stored` is the newest number in the store. A
    /// user who is not online now, or goes offline later, has to be watched. If there are too many
    /// inboxes, the one goes whose user has been away longest.
    pub(super) fn open(&mut self, user: UserId, stored: MessageId) {
        if self.inboxes.len() >= self.inboxes_max && !self.inboxes.contains_key(&user) {
            let Some((_, away)) = self.retiring.pop_front() else { return };
            self.close(away);
        }
        let (floor, arrived) = (Floor(self.newest), MessageId(0));
        let new = || Inbox { floor, events: None, stored, arrived };
        let inbox = self.inboxes.get_or_insert_with(user, new);
        // To be away, come back and be away again is not to be away all the time.
        inbox.floor.set(Floor::AWAY, false);
    }

    /// The user is not online, and may never come back.
    pub(super) fn watch(&mut self, user: UserId, now: Mono) {
        if let Some(inbox) = self.inboxes.get_mut(&user)
            && !inbox.floor.set(Floor::WATCHED, true)
        {
            chunks::push(&mut self.retiring, (now.plus(KEPT), user));
        }
    }

    /// Puts something into a user's inbox. Without an inbox nobody could come back for it.
    pub(super) fn publish(&mut self, user: UserId, notice: Notice, now: Mono) {
        let Notice { news, except } = notice;
        self.newest += 1;
        let Some(inbox) = self.inboxes.get_mut(&user) else { return };
        let events = inbox.events.get_or_insert_default();
        events.retain(|older| {
            let stays = !news.replaces(&older.news) && now <= older.until;
            self.weight -= if stays { 0 } else { older.news.weight() };
            stays
        });
        let until = match news {
            News::Event(Event::Typing { .. }) => now.plus(TYPING),
            _ => Mono(u64::MAX),
        };
        self.weight += news.weight();
        events.push_back(Entry { number: self.newest, news, except, until });
        while events.len() > self.events_max {
            let Some(dropped) = events.pop_front() else { break };
            self.weight -= dropped.news.weight();
            inbox.floor.raise(dropped.number);
        }
        give_back(events);
        self.make_room();
    }

    /// If all inboxes together hold too much, those that hold more than half of a fair share lose
    /// their oldest events, one inbox after the other. So nobody has to reload because others have
    /// much to be told; what was published last stays; and since at least half of everything lies
    /// beyond the half shares, a round of the hand is paid for by as many events: each costs a
    /// constant.
    fn make_room(&mut self) {
        let half_share = self.weight_max / (2 * self.inboxes.len().max(1));
        for _ in 0..=self.inboxes.places() {
            if self.weight <= self.weight_max {
                return;
            }
            let too_much = self.weight - self.weight_max;
            if let Some(inbox) = self.inboxes.at_mut(self.hand) {
                self.weight -= inbox.give_up(too_much, half_share, self.newest);
            }
            if self.weight > self.weight_max {
                self.hand = (self.hand + 1) % self.inboxes.places();
            }
        }
    }

    /// Nobody will come back for this inbox.
    fn close(&mut self, user: UserId) {
        let events = self.inboxes.remove(&user).and_then(|inbox| inbox.events);
        let weights = events.iter().flat_map(|events| events.iter());
        self.weight -= weights.map(|entry| entry.news.weight()).sum::<usize>();
    }

    /// The store has something for the user, with this number. Returns the newest number that it
    /// may have had for them before.
    pub(super) fn stored(&mut self, user: UserId, number: MessageId) -> MessageId {
        match self.inboxes.get_mut(&user) {
            Some(inbox) => std::mem::replace(&mut inbox.stored, number),
            None => MessageId(number.0 - 1),
        }
    }

    /// What came for the user after a number of this epoch, and was not caused by the asker.
    pub(super) fn since(&self, user: UserId, live: u64, asker: Option<Ticket>, now: Mono) -> Since {
        let Some(inbox) = self.inboxes.get(&user) else { return Since::Missed };
        if live < inbox.floor.number() || live > self.newest {
            return Since::Missed;
        }
        let Some(events) = &inbox.events else { return Since::News(Vec::new()) };
        let newer = events.iter().rev().take_while(|entry| entry.number > live).count();
        let events = events.iter().skip(events.len() - newer);
        let told = events
            .filter(|entry| entry.except.is_none() || entry.except != asker)
            .filter(|entry| now <= entry.until);
        Since::News(told.map(|entry| (entry.number, entry.news.clone())).collect())
    }

    /// The store holds nothing for the user beyond this number; a number that does not exist if
    /// nothing is known of them.
    pub(super) fn newest_stored(&self, user: UserId) -> MessageId {
        self.inboxes.get(&user).map_or(MessageId(i64::MAX), |inbox| inbox.stored)
    }

    /// Up to the first number everything is known to have reached the user; up to the second there
    /// may be something for them, as [`Live::newest_stored`] says.
    pub(super) fn arrived(&self, user: UserId) -> (MessageId, MessageId) {
        let of = |inbox: &Inbox| (inbox.arrived, inbox.stored);
        self.inboxes.get(&user).map_or((MessageId(0), MessageId(i64::MAX)), of)
    }

    /// From now on that is known.
    pub(super) fn arrive(&mut self, user: UserId, stored: MessageId) {
        if let Some(inbox) = self.inboxes.get_mut(&user) {
            inbox.arrived = stored;
        }
    }

    /// Drops the inboxes of those who did not come back.
    pub(super) fn retire(&mut self, now: Mono, is_online: impl Fn(UserId) -> bool) {
        while let Some(&(due, user)) = self.retiring.front()
            && due <= now
        {
            self.retiring.pop_front();
            give_back(&mut self.retiring);
            let Some(inbox) = self.inboxes.get_mut(&user) else { continue };
            if is_online(user) {
                inbox.floor.set(Floor::WATCHED, false);
            } else if inbox.floor.set(Floor::AWAY, true) {
                self.close(user);
            } else {
                chunks::push(&mut self.retiring, (now.plus(KEPT), user));
            }
        }
    }

    /// When to call [`Live::retire`].
    pub(super) fn next_deadline(&self) -> Option<Mono> {
        self.retiring.front().map(|&(due, _)| due)
    }
}

impl Inbox {
    /// Drops the oldest until they weigh `weight`, or no more than `kept` is left, or the next is
    /// the newest of all. Returns how much was dropped.
    fn give_up(&mut self, weight: usize, kept: usize, newest: u64) -> usize {
        let Some(events) = &mut self.events else { return 0 };
        let has: usize = events.iter().map(|entry| entry.news.weight()).sum();
        let mut dropped = 0;
        while dropped < weight && has - dropped > kept {
            if events.front().is_none_or(|oldest| oldest.number == newest) {
                break;
            }
            let Some(oldest) = events.pop_front() else { break };
            dropped += oldest.news.weight();
            self.floor.raise(oldest.number);
        }
        give_back(events);
        dropped
    }
}

impl News {
    /// Whether older news need no longer be told. Whoever has left a conversation is told nothing
    /// of what happened there before, but that they have left is told even to those who came back:
    /// what they know of the conversation is of their earlier stay. And what users are to each
    /// other includes whether they are online.
    fn replaces(&self, older: &Self) -> bool {
        let (subject, about) = (self.subject(), older.subject());
        match (self, older) {
            (Self::Event(Event::ConversationRemoved(id)), _) => {
                about.is_some_and(|about| about.conversation() == Some(*id))
            }
            (_, Self::Event(Event::ConversationRemoved(_))) => false,
            _ => match (subject, about) {
                (Some(Subject::Friend(friend)), Some(Subject::Presence(user))) => friend == user,
                _ => subject == about,
            },
        }
    }

    /// How much memory it takes, in entries: 1 if nothing hangs on it.
    fn weight(&self) -> usize {
        match self {
            Self::Event(Event::Friend(_) | Event::Conversation(_)) => 8,
            _ => 1,
        }
    }

    fn subject(&self) -> Option<Subject> {
        match self {
            Self::Event(event) => event.subject(),
            Self::Conversation(id) => Some(Subject::Conversation(*id)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entity::{ConversationId, LastSeen, Timestamp};

    const ANNA: UserId = UserId(1);

    fn presence(of: i64, online: bool) -> News {
        let last_seen = LastSeen { online, at: Some(Timestamp(0)) };
        News::Event(Event::Presence { user_id: UserId(of), last_seen })
    }

    fn told(news: News) -> Notice {
        Notice { news, except: None }
    }

    fn live(events_max: usize) -> Live {
        let config = Config { live_events_per_user_max: events_max, ..Config::default() };
        let mut live = Live::new(&config);
        live.open(ANNA, MessageId(0));
        live.watch(ANNA, Mono(0));
        live
    }

    #[test]
    fn what_came_after_the_cursor_is_there_and_again_the_second_time() {
        let mut live = live(8);
        live.publish(ANNA, told(presence(2, true)), Mono(0));
        live.publish(ANNA, told(presence(3, true)), Mono(0));
        for _ in 0..2 {
            assert_eq!(
                live.since(ANNA, 1, None, Mono(0)),
                Since::News(vec![(2, presence(3, true))])
            );
        }
        assert_eq!(live.since(ANNA, 2, None, Mono(0)), Since::News(vec![]));
    }

    #[test]
    fn of_one_subject_only_the_newest_is_kept() {
        let mut live = live(8);
        live.publish(ANNA, told(presence(2, true)), Mono(0));
        live.publish(ANNA, told(presence(2, false)), Mono(0));
        assert_eq!(live.since(ANNA, 0, None, Mono(0)), Since::News(vec![(2, presence(2, false))]));
    }

    #[test]
    fn a_cursor_from_before_the_inbox_or_its_oldest_event_has_missed_something() {
        let mut live = live(2);
        assert_eq!(live.since(UserId(9), 0, None, Mono(0)), Since::Missed, "no inbox");
        for friend in 2..6 {
            live.publish(ANNA, told(presence(friend, true)), Mono(0));
        }
        assert_eq!(live.since(ANNA, 1, None, Mono(0)), Since::Missed);
        assert_eq!(
            live.since(ANNA, 2, None, Mono(0)),
            Since::News(vec![(3, presence(4, true)), (4, presence(5, true))])
        );
        assert_eq!(
            live.since(ANNA, 99, None, Mono(0)),
            Since::Missed,
            "a number that was never given"
        );
    }

    #[test]
    fn who_has_caused_an_event_is_not_told_and_others_are() {
        let mut live = live(8);
        live.publish(ANNA, Notice { except: Some(Ticket(7)), ..told(presence(2, true)) }, Mono(0));
        assert_eq!(live.since(ANNA, 0, Some(Ticket(7)), Mono(0)), Since::News(vec![]));
        let told = Since::News(vec![(1, presence(2, true))]);
        assert_eq!(live.since(ANNA, 0, Some(Ticket(8)), Mono(0)), told);
        assert_eq!(live.since(ANNA, 0, None, Mono(0)), told);
    }

    #[test]
    fn that_somebody_types_is_news_for_five_seconds() {
        let typing = |of| {
            let (conversation_id, user_id) = (ConversationId(1), UserId(of));
            News::Event(Event::Typing { conversation_id, user_id })
        };
        let mut live = live(8);
        live.publish(ANNA, told(typing(2)), Mono(0));
        live.publish(ANNA, told(presence(3, true)), Mono(0));
        let both = vec![(1, typing(2)), (2, presence(3, true))];
        let end = Mono(0).plus(TYPING);
        assert_eq!(live.since(ANNA, 0, None, end), Since::News(both));
        let later = Mono(end.0 + 1);
        let rest = Since::News(vec![(2, presence(3, true))]);
        assert_eq!(live.since(ANNA, 0, None, later), rest);
        live.publish(ANNA, told(typing(4)), later);
        assert_eq!(live.inboxes.get(&ANNA).unwrap().events.as_ref().unwrap().len(), 2, "it left");
    }

    #[test]
    fn who_came_back_between_two_looks_was_not_away() {
        let mut live = live(8);
        let look = |times| Mono(0).plus(times * KEPT);
        live.retire(look(1), |_| false);
        live.open(ANNA, MessageId(0));
        live.retire(look(2), |_| false);
        assert_eq!(live.since(ANNA, 0, None, Mono(0)), Since::News(vec![]));
        live.retire(look(3), |_| false);
        assert_eq!(live.since(ANNA, 0, None, Mono(0)), Since::Missed);
    }

    #[test]
    fn an_inbox_outlives_its_users_presence_for_a_while() {
        let mut live = live(8);
        let look = |times| Mono(0).plus(times * KEPT);
        assert_eq!(live.next_deadline(), Some(look(1)));
        live.retire(look(1), |_| true);
        assert_eq!(live.next_deadline(), None, "nobody looks after those who are online");
        live.watch(ANNA, look(7));
        live.watch(ANNA, look(7));
        assert_eq!(live.next_deadline(), Some(look(8)));
        live.retire(look(8), |_| false);
        assert_eq!(live.since(ANNA, 0, None, Mono(0)), Since::News(vec![]));
        live.retire(look(9), |_| false);
        assert_eq!(live.since(ANNA, 0, None, Mono(0)), Since::Missed);
        assert_eq!((live.next_deadline(), live.inboxes.len()), (None, 0));
    }

    #[test]
    fn all_inboxes_together_have_so_many_events_and_there_are_so_many_of_them() {
        let mut live = live(8);
        (live.weight_max, live.inboxes_max) = (3, 2);
        live.open(UserId(2), MessageId(0));
        for user in [1, 2, 1, 2] {
            live.publish(UserId(user), told(presence(live.newest.cast_signed(), true)), Mono(0));
        }
        // One of those who have most has lost its first.
        assert_eq!(live.since(ANNA, 0, None, Mono(0)), Since::Missed);
        assert_eq!(live.since(ANNA, 1, None, Mono(0)), Since::News(vec![(3, presence(2, true))]));
        let both = vec![(2, presence(1, true)), (4, presence(3, true))];
        assert_eq!(live.since(UserId(2), 0, None, Mono(0)), Since::News(both));
        assert_eq!(live.weight, 3);
        // Anna is watched, and so is the one who goes.
        live.open(UserId(3), MessageId(0));
        assert_eq!(live.since(ANNA, 4, None, Mono(0)), Since::Missed);
        assert_eq!((live.weight, live.inboxes.len()), (2, 2));
        live.open(UserId(4), MessageId(0));
        assert_eq!(live.since(UserId(4), 4, None, Mono(0)), Since::Missed, "nobody is away");
    }

    #[test]
    fn who_is_told_next_loses_nothing_because_others_have_much() {
        let mut live = live(1024);
        live.weight_max = 512;
        let others = 2..258;
        others.clone().for_each(|user| live.open(UserId(user), MessageId(0)));
        // Everything is full of what was told in a crowd that Anna is not in.
        for of in 0..16 {
            others.clone().for_each(|user| {
                live.publish(UserId(user), told(presence(of, true)), Mono(0));
            });
        }
        assert_eq!(live.weight, 512);
        for _ in 0..3 {
            let before = live.newest();
            live.publish(ANNA, told(presence(2, true)), Mono(0));
            let news = Since::News(vec![(before + 1, presence(2, true))]);
            assert_eq!(live.since(ANNA, before, None, Mono(0)), news);
            assert_eq!(live.since(ANNA, 0, None, Mono(0)), news, "and all that came before");
        }
        // Each of the others, too, has the newest that they were told.
        let newest = live.newest();
        others.for_each(|user| {
            live.publish(UserId(user), told(presence(99, true)), Mono(0));
            let cursor = live.newest() - 1;
            assert_ne!(live.since(UserId(user), cursor, None, Mono(0)), Since::Missed);
        });
        assert!(live.newest() > newest && live.weight <= 512);
    }

    #[test]
    fn to_make_room_costs_as_little_as_what_is_told() {
        let mut live = live(1024);
        live.weight_max = 1000;
        // Two have everything, among very many who have nothing.
        (2..2000).for_each(|user| live.open(UserId(user), MessageId(0)));
        let mut rounds = 0;
        for of in 0..4000 {
            let before = live.hand;
            live.publish(UserId(2 + of % 2), told(presence(of, true)), Mono(0));
            rounds += usize::from(live.hand < before);
        }
        assert!(rounds <= 4000 / 500, "{rounds} rounds of the hand");
        assert_eq!(live.weight, 1000);
    }

    #[test]
    fn who_has_left_a_conversation_is_told_nothing_of_it() {
        let mut live = live(8);
        let read = |id| {
            let (conversation_id, user_id) = (ConversationId(id), UserId(2));
            News::Event(Event::Read { conversation_id, user_id, message_id: MessageId(1) })
        };
        let removed = News::Event(Event::ConversationRemoved(ConversationId(1)));
        for news in [read(1), read(2), News::Conversation(ConversationId(1)), removed.clone()] {
            live.publish(ANNA, told(news), Mono(0));
        }
        let left = Since::News(vec![(2, read(2)), (4, removed)]);
        assert_eq!(live.since(ANNA, 0, None, Mono(0)), left);
    }

    #[test]
    fn who_left_and_came_back_is_told_both() {
        let mut live = live(8);
        let removed = News::Event(Event::ConversationRemoved(ConversationId(1)));
        let changed = News::Conversation(ConversationId(1));
        for news in [&removed, &changed, &changed, &removed, &changed, &changed] {
            live.publish(ANNA, told(news.clone()), Mono(0));
        }
        let back = (6, changed);
        let both = Since::News(vec![(4, removed), back.clone()]);
        assert_eq!(live.since(ANNA, 0, None, Mono(0)), both);
        assert_eq!(live.since(ANNA, 4, None, Mono(0)), Since::News(vec![back]));
    }
}
