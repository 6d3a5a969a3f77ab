//! Remembers the newest messages of all conversations, and changes of messages, so that a poll that
//! is not far behind is answered without asking the store.
//!
//! An entry is added only once it is committed, in the order of the sequence. So the tail is the
//! end of what the store holds, and gives the same answer as the store would: messages as they are
//! now, and only the last of several changes of one message. What is further back than the tail
//! reaches, the store has to answer.
//!
//! Each entry is *linked*, for each of its readers, with the one before it that they may see. So a
//! reader's question goes back from their newest entry and looks only at their own, however much is
//! said elsewhere. A link may lead to an entry that is not theirs, or that has left; then
//! everything is looked through.

use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;

use super::access::Room;
use crate::data::Seat;
use crate::entity::{ConversationId, Message, MessageId, UserId};

/// The end of the sequence.
#[derive(Debug)]
pub(super) struct Tail {
    /// Everything stored after this number is here.
    floor: MessageId,
    /// Oldest first.
    entries: VecDeque<Entry>,
    entries_max: usize,
    /// How much memory the entries take, about.
    bytes: usize,
    bytes_max: usize,
}

/// A message or a change of one, and whom it concerns.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// The number it took.
    pub(super) number: MessageId,
    /// Whether the number was taken by an edit or a deletion.
    pub(super) is_update: bool,
    /// Its conversation, as it was when this was written.
    pub(super) room: Rc<Room>,
    /// The sender's copy.
    pub(super) message: Arc<Message>,
    /// Everybody else's.
    pub(super) for_others: Arc<Message>,
    /// The links, one for each seat of the room, or none at all: the user of the seat sees nothing
    /// between that number and this one.
    before: Vec<MessageId>,
}

impl Entry {
    /// A message was said.
    pub(super) fn said(room: Rc<Room>, message: Arc<Message>) -> Self {
        Self { is_update: false, ..Self::changed(message.id, room, message) }
    }

    /// A message was edited or deleted.
    pub(super) fn changed(number: MessageId, room: Rc<Room>, message: Arc<Message>) -> Self {
        let for_others = match message.nonce {
            None => Arc::clone(&message),
            Some(_) => Arc::new(Message { nonce: None, ..Message::clone(&message) }),
        };
        Self { number, is_update: true, room, message, for_others, before: Vec::new() }
    }

    /// How much memory it takes, about, if it shares nothing with others.
    fn bytes(&self) -> usize {
        let copies = if Arc::ptr_eq(&self.message, &self.for_others) { 1 } else { 2 };
        let seats = self.room.seats.len() * (size_of::<Seat>() + size_of::<MessageId>());
        ENTRY_BYTES + copies * self.message.body.len() + seats
    }

    /// Writes the links. `link` is told who may see this entry, and says up to which number they
    /// saw everything before.
    pub(super) fn link(&mut self, mut link: impl FnMut(UserId) -> MessageId) {
        let seats = self.room.seats.iter();
        let before = seats.map(|seat| {
            let sees = seat.after_id < self.message.id;
            if sees { link(seat.user_id) } else { MessageId(0) }
        });
        self.before = before.collect();
    }

    /// The link of a user; `None` if they may not see this entry.
    fn before(&self, user: UserId) -> Option<MessageId> {
        let is_theirs = |seat: &Seat| seat.user_id == user && seat.after_id < self.message.id;
        let seat = self.room.seats.iter().position(is_theirs)?;
        self.before.get(seat).copied()
    }

    /// The copy that a user may see.
    pub(super) fn seen_by(&self, user: UserId) -> &Arc<Message> {
        if self.message.sender_id == user { &self.message } else { &self.for_others }
    }
}

/// How many bytes an entry, its messages and its room take, without what varies in length.
const ENTRY_BYTES: usize = 344;

impl Tail {
    /// Everything up to `newest` is left to the store.
    pub(super) fn new(newest: MessageId, entries_max: usize, bytes_max: usize) -> Self {
        Self { floor: newest, entries: VecDeque::new(), entries_max, bytes: 0, bytes_max }
    }

    /// Something was committed.
    pub(super) fn push(&mut self, entry: Entry) {
        let newest = self.entries.back().map_or(self.floor, |last| last.number);
        assert!(entry.number > newest, "entries come in the order of their numbers");
        if entry.is_update {
            self.entries.retain(|older| !older.is_update || older.message.id != entry.message.id);
            self.amend(&entry);
            self.weigh();
        }
        self.bytes += entry.bytes();
        self.entries.push_back(entry);
        // The newest stays, however long it is.
        while self.entries.len() > self.entries_max.max(1)
            || (self.bytes > self.bytes_max && self.entries.len() > 1)
        {
            let Some(oldest) = self.entries.pop_front() else { break };
            self.bytes -= oldest.bytes();
            self.floor = oldest.number;
        }
    }

    /// Weighs everything again: entries were taken out, or changed.
    fn weigh(&mut self) {
        self.bytes = self.entries.iter().map(Entry::bytes).sum();
    }

    /// Whoever has not been told of the message yet will be told what it is now.
    fn amend(&mut self, change: &Entry) {
        let id = change.message.id;
        if let Ok(index) = self.entries.binary_search_by_key(&id, |entry| entry.number) {
            let said = &mut self.entries[index];
            said.message = Arc::clone(&change.message);
            said.for_others = Arc::clone(&change.for_others);
        }
    }

    /// Everything up to `newest` is left to the store again.
    pub(super) fn forget(&mut self, newest: MessageId) {
        self.floor = newest;
        self.entries.clear();
        self.bytes = 0;
    }

    /// Messages up to this one are forgotten, and with them their changes.
    pub(super) fn forget_up_to(&mut self, id: MessageId) {
        self.entries.retain(|entry| entry.message.id > id);
        self.weigh();
        self.floor = self.floor.max(id);
    }

    /// What came for a user after a number, in order; `None` if that is too far back. Nothing came
    /// after `newest`.
    pub(super) fn after(
        &self,
        user: UserId,
        number: MessageId,
        newest: MessageId,
    ) -> Option<Vec<&Entry>> {
        if number < self.floor {
            return None;
        }
        Some(self.linked(user, number, newest).unwrap_or_else(|| {
            let first = self.entries.partition_point(|entry| entry.number <= number);
            let newer = self.entries.range(first..);
            newer.filter(|entry| entry.room.shows(entry.message.id, user)).collect()
        }))
    }

    /// The same by the links; `None` if one leads to an entry that is not the user's.
    fn linked(&self, user: UserId, number: MessageId, newest: MessageId) -> Option<Vec<&Entry>> {
        // Mostly there is one.
        let (mut found, mut at) = (Vec::with_capacity(1), newest);
        while at > number {
            let index = self.entries.binary_search_by_key(&at, |entry| entry.number).ok()?;
            let entry = &self.entries[index];
            at = entry.before(user)?;
            found.push(entry);
        }
        found.reverse();
        Some(found)
    }

    /// In each conversation of a user, the newest message of others after `after` and up to
    /// `up_to`; `None` if that is too far back. Nothing came for the user after `newest`.
    pub(super) fn newest_from_others(
        &self,
        user: UserId,
        after: MessageId,
        up_to: MessageId,
        newest: MessageId,
    ) -> Option<Vec<(ConversationId, MessageId)>> {
        let mut found: Vec<(ConversationId, MessageId)> = Vec::new();
        let theirs = self.after(user, after, newest)?.into_iter();
        let theirs = theirs.take_while(|entry| entry.number <= up_to);
        for entry in theirs.filter(|entry| entry.message.sender_id != user && !entry.is_update) {
            match found.iter_mut().find(|(room, _)| *room == entry.room.id) {
                Some((_, newest)) => *newest = entry.number,
                None => found.push((entry.room.id, entry.number)),
            }
        }
        Some(found)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::entity::{Kind, Role, Timestamp};
    use crate::system::Entropy;

    const ANNA: UserId = UserId(1);
    const BEN: UserId = UserId(2);
    const CARA: UserId = UserId(3);

    /// There is no entry of this number.
    const UNKNOWN: MessageId = MessageId(i64::MAX);

    fn entry(number: i64, sender_id: UserId, members: &[UserId]) -> Entry {
        Entry::said(room(members), message(number, sender_id, "said"))
    }

    fn room(members: &[UserId]) -> Rc<Room> {
        let after_id = MessageId(0);
        let seat = |&user_id| Seat { user_id, role: Role::Member, after_id, has_said: true };
        let seats = members.iter().map(seat).collect();
        Rc::new(Room { id: ConversationId(1), kind: Kind::Group, seats, is_open: true })
    }

    fn message(number: i64, sender_id: UserId, body: &str) -> Arc<Message> {
        Arc::new(Message {
            id: MessageId(number),
            conversation_id: ConversationId(1),
            sender_id,
            body: body.to_owned(),
            sent_at: Timestamp(0),
            edited_at: None,
            deleted_at: None,
            nonce: Some("n".to_owned()),
        })
    }

    fn numbers(tail: &Tail, user: UserId, after: i64) -> Option<Vec<i64>> {
        let entries = tail.after(user, MessageId(after), UNKNOWN)?.into_iter();
        Some(entries.map(|entry| entry.number.0).collect())
    }

    #[test]
    fn it_has_so_many_bytes_and_the_newest_entry_in_any_case() {
        let long =
            |number| Entry::said(room(&[ANNA, BEN]), message(number, ANNA, &"x".repeat(1_000)));
        let mut tail = Tail::new(MessageId(0), 8, 2 * long(1).bytes());
        for number in 1..=5 {
            tail.push(long(number));
        }
        assert_eq!((tail.entries.len(), tail.floor), (2, MessageId(3)));
        tail.bytes_max = 1;
        tail.push(long(6));
        assert_eq!((tail.entries.len(), tail.bytes), (1, long(6).bytes()));
        tail.push(Entry::changed(MessageId(7), room(&[ANNA]), message(6, ANNA, "short")));
        assert_eq!((tail.entries.len(), tail.floor), (1, MessageId(6)));
        tail.forget(MessageId(7));
        assert_eq!(tail.bytes, 0);
    }

    #[test]
    fn members_find_what_came_after_their_number_and_others_nothing() {
        let mut tail = Tail::new(MessageId(10), 8, usize::MAX);
        tail.push(entry(11, ANNA, &[ANNA, BEN]));
        tail.push(entry(13, BEN, &[ANNA, BEN]));
        assert_eq!(numbers(&tail, BEN, 10), Some(vec![11, 13]));
        assert_eq!(numbers(&tail, BEN, 11), Some(vec![13]));
        assert_eq!(numbers(&tail, BEN, 12), Some(vec![13]), "12 is a number of something else");
        assert_eq!(numbers(&tail, UserId(3), 10), Some(vec![]));
    }

    #[test]
    fn what_is_too_far_back_is_left_to_the_store() {
        let mut tail = Tail::new(MessageId(10), 2, usize::MAX);
        assert_eq!(numbers(&tail, ANNA, 9), None);
        for number in 11..14 {
            tail.push(entry(number, ANNA, &[ANNA]));
        }
        assert_eq!(numbers(&tail, ANNA, 10), None);
        assert_eq!(numbers(&tail, ANNA, 11), Some(vec![12, 13]));
    }

    #[test]
    fn a_change_is_told_behind_what_was_said_and_both_as_it_is_now() {
        let mut tail = Tail::new(MessageId(0), 8, usize::MAX);
        tail.push(entry(1, ANNA, &[ANNA, BEN]));
        tail.push(entry(2, ANNA, &[ANNA, BEN]));
        for (number, body) in [(3, "edited"), (4, "edited again")] {
            let changed = message(1, ANNA, body);
            tail.push(Entry::changed(MessageId(number), room(&[ANNA, BEN]), changed));
        }
        let told = |after| -> Vec<_> {
            let entries = tail.after(BEN, MessageId(after), UNKNOWN).into_iter().flatten();
            let seen = |entry: &Entry| (entry.number.0, entry.seen_by(BEN).body.clone());
            entries.map(seen).collect()
        };
        let [said, other, changed] =
            [(1, "edited again"), (2, "said"), (4, "edited again")].map(|(n, b)| (n, b.to_owned()));
        assert_eq!(told(0), [said, other.clone(), changed.clone()]);
        assert_eq!(told(1), [other, changed.clone()]);
        assert_eq!(told(3), [changed]);
        let reached = tail.newest_from_others(BEN, MessageId(0), MessageId(4), UNKNOWN);
        assert_eq!(
            reached,
            Some(vec![(ConversationId(1), MessageId(2))]),
            "a change is no message"
        );
    }

    #[test]
    fn a_change_of_what_was_said_before_joining_is_not_told() {
        let mut tail = Tail::new(MessageId(1), 8, usize::MAX);
        let mut late = Room::clone(&room(&[ANNA, BEN]));
        late.seats[1].after_id = MessageId(1);
        tail.push(Entry::changed(MessageId(2), Rc::new(late), message(1, ANNA, "edited")));
        assert_eq!(numbers(&tail, BEN, 1), Some(vec![]));
        assert_eq!(numbers(&tail, ANNA, 1), Some(vec![2]));
    }

    #[test]
    fn what_was_forgotten_is_left_to_the_store() {
        let mut tail = Tail::new(MessageId(0), 8, usize::MAX);
        tail.push(entry(1, ANNA, &[ANNA]));
        tail.forget(MessageId(1));
        assert_eq!(numbers(&tail, ANNA, 0), None);
        assert_eq!(numbers(&tail, ANNA, 1), Some(vec![]));
    }

    /// Messages and changes in two rooms, where a member comes late, some are not known until
    /// later, and entries leave: the links lead to what is found without them.
    #[test]
    fn links_lead_to_what_is_found_without_them() {
        let mut entropy = Entropy::seeded(3);
        let mut random = |below: i64| i64::from(u32::from_be_bytes(entropy.bytes())) % below;
        let mut tail = Tail::new(MessageId(0), 60, usize::MAX);
        let (mut newest, mut linked) = (BTreeMap::new(), 0);
        for number in 1..2_000 {
            let members = if random(2) == 0 { &[ANNA, BEN][..] } else { &[CARA, BEN, ANNA] };
            let mut of = Room::clone(&room(members));
            of.seats[0].after_id = MessageId(number * random(2) * random(2));
            let changed = number - 1 - random(number.min(9));
            let mut entry = if random(5) == 0 && changed > 0 {
                let message = message(changed, BEN, "changed");
                Entry::changed(MessageId(number), Rc::new(of), message)
            } else {
                Entry::said(Rc::new(of), message(number, BEN, "said"))
            };
            let nothing_known = MessageId(number - 1);
            entry.link(|user| newest.insert(user, MessageId(number)).unwrap_or(nothing_known));
            tail.push(entry);
            if random(50) == 0 {
                // As if they had only just come, and nothing was known of them before.
                newest.insert(UserId(1 + random(3)), MessageId(number));
            }
            for user in [ANNA, BEN, CARA] {
                let after = MessageId(number - random(70));
                let newest = newest.get(&user).copied().unwrap_or(UNKNOWN);
                let numbers = |newest| -> Option<Vec<MessageId>> {
                    let found = tail.after(user, after, newest)?.into_iter();
                    Some(found.map(|entry| entry.number).collect())
                };
                assert_eq!(numbers(newest), numbers(UNKNOWN), "{user} after {after}");
                linked += usize::from(tail.linked(user, after, newest).is_some());
            }
        }
        assert!(linked > 1_000, "{linked}");
    }

    #[test]
    fn the_nonce_is_the_senders_alone() {
        let entry = entry(11, ANNA, &[ANNA, BEN]);
        assert!(entry.seen_by(ANNA).nonce.is_some());
        assert!(entry.seen_by(BEN).nonce.is_none());
    }

    #[test]
    fn what_has_reached_a_reader_is_what_others_wrote() {
        let mut tail = Tail::new(MessageId(0), 8, usize::MAX);
        for (number, sender) in [(1, ANNA), (2, ANNA), (3, BEN), (4, ANNA)] {
            tail.push(entry(number, sender, &[ANNA, BEN]));
        }
        let reached =
            |user, up_to| tail.newest_from_others(user, MessageId(0), MessageId(up_to), UNKNOWN);
        assert_eq!(reached(BEN, 3), Some(vec![(ConversationId(1), MessageId(2))]));
        assert_eq!(reached(ANNA, 2), Some(vec![]));
    }
}
