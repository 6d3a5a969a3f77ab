//! Notes how far messages have reached their readers: the second tick.
//!
//! A client that sends a cursor back has received everything before it. That is worth telling the
//! others in the conversation, and worth keeping, but not worth a write of its own: it is a note
//! (see `notes`), which a crash may lose until the client asks again.
//!
//! In a crowd everybody gets a message at about the same time, and everybody is told of everybody
//! else. If each mark were told by itself, each poll would be answered once for every other member:
//! so marks that come within a moment are told together, a bounded number per turn.

use std::collections::BTreeMap;
use std::time::Duration;

use super::access::Room;
use super::live::News;
use super::{Logic, Notice, Ticket, Unwritten};
use crate::data::StoreError;
use crate::entity::{ConversationId, Event, MessageId, UserId};
use crate::system::Mono;

/// In conversations larger than this, marks wait for each other.
const CROWD: usize = 16;

/// For how long, after some were told.
const TOGETHER: Duration = Duration::from_millis(50);

/// How many are told in a turn: some milliseconds in the largest group.
const TOLD_PER_TURN: usize = 32;

/// The marks of crowds that are still to be told.
#[derive(Debug, Default)]
pub(super) struct Marks {
    waiting: BTreeMap<(ConversationId, UserId), (MessageId, Option<Ticket>)>,
    /// Not to be told before.
    due: Mono,
}

impl Marks {
    /// When the next ones are told.
    pub(super) fn next_deadline(&self) -> Option<Mono> {
        (!self.waiting.is_empty()).then_some(self.due)
    }
}

impl Logic {
    /// Everything stored up to this number has reached a client of the user.
    pub(super) fn arrived(
        &mut self,
        user: UserId,
        stored: MessageId,
        ticket: Option<Ticket>,
    ) -> Result<(), StoreError> {
        let (known, newest) = self.live.arrived(user);
        if stored <= known || newest <= known {
            return Ok(());
        }
        // Where nothing is known, the disk may know more.
        let is_known = known > MessageId(0);
        let recent = || self.tail.newest_from_others(user, known, stored, newest);
        let arrived = match is_known.then(recent).flatten() {
            Some(arrived) => arrived,
            None => self.store.undelivered(user, known, stored)?,
        };
        for (conversation_id, message_id) in arrived {
            // What is told last replaces what was told before it, so it must not be less.
            if self.notes.deliver(conversation_id, user, message_id) {
                self.unwritten.push(Unwritten::Arrived(conversation_id, user, message_id, ticket));
            }
        }
        self.live.arrive(user, stored);
        Ok(())
    }

    /// Tells the members; but not the one of the user's own polls that said so.
    pub(super) fn tell_delivered(
        &mut self,
        conversation_id: ConversationId,
        user_id: UserId,
        message_id: MessageId,
        ticket: Option<Ticket>,
    ) -> Result<(), StoreError> {
        let Some(room) = self.room(conversation_id)? else { return Ok(()) };
        if room.seats.len() > CROWD {
            self.marks.waiting.insert((conversation_id, user_id), (message_id, ticket));
        } else {
            self.tell_members(&room, user_id, message_id, ticket);
        }
        Ok(())
    }

    /// Tells the members of crowds what has accumulated, if it is time.
    pub(super) fn tell_marks(&mut self, now: Mono) -> Result<(), StoreError> {
        if self.marks.waiting.is_empty() || now < self.marks.due {
            return Ok(());
        }
        self.marks.due = now.plus(TOGETHER);
        for _ in 0..TOLD_PER_TURN {
            let first = self.marks.waiting.first_key_value();
            let Some((&(conversation, user), &(message, ticket))) = first else { break };
            let room = self.room(conversation)?;
            self.marks.waiting.pop_first();
            // The user may have left meanwhile.
            if let Some(room) = room
                && room.seat(user).is_some()
            {
                self.tell_members(&room, user, message, ticket);
            }
        }
        Ok(())
    }

    fn tell_members(
        &mut self,
        room: &Room,
        user_id: UserId,
        message_id: MessageId,
        ticket: Option<Ticket>,
    ) {
        let conversation_id = room.id;
        let news = News::Event(Event::Delivered { conversation_id, user_id, message_id });
        for member in room.members() {
            let except = ticket.filter(|_| member == user_id);
            self.outbox.push((member, Notice { news: news.clone(), except }));
        }
    }
}
