//! Notes how far what was said has reached its readers: the second tick.
//!
//! A client that sends a cursor back has got everything before it. That is worth telling the others
//! in the conversation, and worth keeping, but not a write of its own: it is a note (see `notes`),
//! which a crash may forget until the client asks again.

use super::live::News;
use super::{Logic, Notice, Ticket, Unwritten};
use crate::data::StoreError;
use crate::entity::{ConversationId, Event, MessageId, UserId};

impl Logic {
    /// Everything stored up to this number has reached a client of the user.
    pub(super) fn arrived(
        &mut self,
        user: UserId,
        stored: MessageId,
        ticket: Option<Ticket>,
    ) -> Result<(), StoreError> {
        let (known, newest) = (self.live.arrived(user), self.live.newest_stored(user));
        if stored <= known || newest <= known {
            return Ok(());
        }
        let arrived = match self.tail.newest_from_others(user, known, stored, newest) {
            Some(arrived) => arrived,
            None => self.store.undelivered(user, known, stored)?,
        };
        for (conversation_id, message_id) in arrived {
            self.notes.deliver(conversation_id, user, message_id);
            self.unwritten.push(Unwritten::Arrived(conversation_id, user, message_id, ticket));
        }
        self.live.arrive(user, stored);
        Ok(())
    }

    /// Tells the members; of the user's own polls not the one that said so.
    pub(super) fn tell_delivered(
        &mut self,
        conversation_id: ConversationId,
        user_id: UserId,
        message_id: MessageId,
        ticket: Option<Ticket>,
    ) -> Result<(), StoreError> {
        let news = News::Event(Event::Delivered { conversation_id, user_id, message_id });
        let Some(room) = self.room(conversation_id)? else { return Ok(()) };
        for member in room.members() {
            let except = ticket.filter(|_| member == user_id);
            self.outbox.push((member, Notice { news: news.clone(), except }));
        }
        Ok(())
    }
}
