//! Remembers the newest messages of all conversations, so that a poll that is not far behind is
//! answered without asking the store.
//!
//! An entry comes in only when it is committed, in the order of the sequence, so the tail is the end
//! of what the store holds, and gives the same answer as the store would. What is further back than
//! the tail reaches is the store's to answer.

use std::collections::VecDeque;
use std::rc::Rc;

use super::cache::Room;
use crate::entity::{ConversationId, Message, MessageId, UserId};

/// The end of the sequence.
#[derive(Debug)]
pub(super) struct Tail {
    /// Everything that was stored after this number is here.
    floor: MessageId,
    /// Oldest first.
    entries: VecDeque<Entry>,
    entries_max: usize,
}

/// One message, and whom it concerns.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// Its conversation, as it was when the message was written.
    pub(super) room: Rc<Room>,
    /// The sender's copy.
    pub(super) message: Rc<Message>,
    /// Everybody else's.
    pub(super) for_others: Rc<Message>,
}

impl Entry {
    pub(super) fn new(room: Rc<Room>, message: Message) -> Self {
        let message = Rc::new(message);
        let for_others = match message.nonce {
            None => Rc::clone(&message),
            Some(_) => Rc::new(Message { nonce: None, ..Message::clone(&message) }),
        };
        Self { room, message, for_others }
    }

    /// The number it took.
    pub(super) fn number(&self) -> MessageId {
        self.message.id
    }

    /// The copy that a user may see.
    pub(super) fn seen_by(&self, user: UserId) -> &Rc<Message> {
        if self.message.sender_id == user { &self.message } else { &self.for_others }
    }
}

impl Tail {
    /// Everything up to `newest` is left to the store.
    pub(super) fn new(newest: MessageId, entries_max: usize) -> Self {
        Self { floor: newest, entries: VecDeque::new(), entries_max }
    }

    /// A message was committed.
    pub(super) fn push(&mut self, entry: Entry) {
        let newest = self.entries.back().map_or(self.floor, Entry::number);
        assert!(entry.number() > newest, "messages come in the order of their numbers");
        if self.entries.len() >= self.entries_max
            && let Some(oldest) = self.entries.pop_front()
        {
            self.floor = oldest.number();
        }
        self.entries.push_back(entry);
    }

    /// What came for a user after a number, in order; `None` where that is too far back.
    pub(super) fn after(
        &self,
        user: UserId,
        number: MessageId,
    ) -> Option<impl Iterator<Item = &Entry>> {
        if number < self.floor {
            return None;
        }
        let first = self.entries.partition_point(|entry| entry.number() <= number);
        let newer = self.entries.range(first..);
        Some(newer.filter(move |entry| entry.room.after(user).is_some()))
    }

    /// In each conversation of a user the newest message of others after `after` and up to
    /// `up_to`; `None` where that is too far back.
    pub(super) fn newest_from_others(
        &self,
        user: UserId,
        after: MessageId,
        up_to: MessageId,
    ) -> Option<Vec<(ConversationId, MessageId)>> {
        let mut found: Vec<(ConversationId, MessageId)> = Vec::new();
        let theirs = self.after(user, after)?.take_while(|entry| entry.number() <= up_to);
        for entry in theirs.filter(|entry| entry.message.sender_id != user) {
            match found.iter_mut().find(|(room, _)| *room == entry.room.id) {
                Some((_, newest)) => *newest = entry.number(),
                None => found.push((entry.room.id, entry.number())),
            }
        }
        Some(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entity::{Kind, Timestamp};

    const ANNA: UserId = UserId(1);
    const BEN: UserId = UserId(2);

    fn entry(number: i64, sender_id: UserId, members: &[UserId]) -> Entry {
        let members = members.iter().map(|&user| (user, MessageId(0))).collect();
        let id = ConversationId(1);
        let room = Room { id, kind: Kind::Direct, members, is_open: true };
        let message = Message {
            id: MessageId(number),
            conversation_id: id,
            sender_id,
            body: String::new(),
            sent_at: Timestamp(0),
            edited_at: None,
            deleted_at: None,
            nonce: Some("n".to_owned()),
        };
        Entry::new(Rc::new(room), message)
    }

    fn numbers(tail: &Tail, user: UserId, after: i64) -> Option<Vec<i64>> {
        let entries = tail.after(user, MessageId(after))?;
        Some(entries.map(|entry| entry.number().0).collect())
    }

    #[test]
    fn members_find_what_came_after_their_number_and_others_nothing() {
        let mut tail = Tail::new(MessageId(10), 8);
        tail.push(entry(11, ANNA, &[ANNA, BEN]));
        tail.push(entry(13, BEN, &[ANNA, BEN]));
        assert_eq!(numbers(&tail, BEN, 10), Some(vec![11, 13]));
        assert_eq!(numbers(&tail, BEN, 11), Some(vec![13]));
        assert_eq!(numbers(&tail, BEN, 12), Some(vec![13]), "12 is a number of something else");
        assert_eq!(numbers(&tail, UserId(3), 10), Some(vec![]));
    }

    #[test]
    fn what_is_too_far_back_is_left_to_the_store() {
        let mut tail = Tail::new(MessageId(10), 2);
        assert_eq!(numbers(&tail, ANNA, 9), None);
        for number in 11..14 {
            tail.push(entry(number, ANNA, &[ANNA]));
        }
        assert_eq!(numbers(&tail, ANNA, 10), None);
        assert_eq!(numbers(&tail, ANNA, 11), Some(vec![12, 13]));
    }

    #[test]
    fn the_nonce_is_the_senders_alone() {
        let entry = entry(11, ANNA, &[ANNA, BEN]);
        assert!(entry.seen_by(ANNA).nonce.is_some());
        assert!(entry.seen_by(BEN).nonce.is_none());
    }

    #[test]
    fn what_has_reached_a_reader_is_what_others_wrote() {
        let mut tail = Tail::new(MessageId(0), 8);
        for (number, sender) in [(1, ANNA), (2, ANNA), (3, BEN), (4, ANNA)] {
            tail.push(entry(number, sender, &[ANNA, BEN]));
        }
        let reached = |user, up_to| tail.newest_from_others(user, MessageId(0), MessageId(up_to));
        assert_eq!(reached(BEN, 3), Some(vec![(ConversationId(1), MessageId(2))]));
        assert_eq!(reached(ANNA, 2), Some(vec![]));
    }
}
