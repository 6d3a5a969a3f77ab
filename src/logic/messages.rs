//! Takes in messages: each once, in order, from those who may write.

use std::rc::Rc;

use super::cache::Room;
use super::tail::Entry;
use super::{Logic, Refusal, Reply};
use crate::data::{NewMessage, StoreError};
use crate::entity::{ConversationId, Kind, Message, MessageBody, MessageId, Nonce, UserId};
use crate::system::Now;

impl Logic {
    pub(super) fn send(
        &mut self,
        now: Now,
        me: UserId,
        conversation_id: ConversationId,
        body: &MessageBody,
        nonce: Option<&Nonce>,
    ) -> Result<Reply, Refusal> {
        let room = self.room(conversation_id)?.ok_or(Refusal::NotFound)?;
        room.after(me).ok_or(Refusal::NotFound)?;
        // Whoever sends again, sends what was allowed then: this comes before the question whether
        // it still is.
        if let Some(nonce) = nonce
            && let Some(message) = self.store.message_by_nonce(me, nonce.as_str())?
        {
            return sent_before(message, conversation_id, body);
        }
        if !room.is_open {
            return Err(Refusal::NotFriends);
        }
        let message = self.write_message(now, me, conversation_id, body, nonce)?;
        let entry = Entry::new(room, message);
        let message = Rc::clone(&entry.message);
        self.written.push(entry);
        Ok(Reply::Sent { message, created: true })
    }

    /// A conversation, as far as sending to it needs to know, if it exists.
    pub(super) fn room(&mut self, id: ConversationId) -> Result<Option<Rc<Room>>, StoreError> {
        if let Some(room) = self.cache.room(id) {
            return Ok(Some(room));
        }
        let Some(kind) = self.store.conversation_kind(id)? else { return Ok(None) };
        let members = self.store.members_after(id)?;
        let is_open = match (kind, &members[..]) {
            (Kind::Direct, &[(one, _), (other, _)]) => self.are_friends(one, other)?,
            (Kind::Direct, _) => false,
            (Kind::Group, _) => true,
        };
        let room = Rc::new(Room { id, kind, members, is_open });
        self.cache.keep_room(Rc::clone(&room));
        Ok(Some(room))
    }

    fn write_message(
        &mut self,
        now: Now,
        sender_id: UserId,
        conversation_id: ConversationId,
        body: &MessageBody,
        nonce: Option<&Nonce>,
    ) -> Result<Message, StoreError> {
        let (body, nonce) = (body.as_str(), nonce.map(Nonce::as_str));
        // The clock may have been set back.
        let sent_at = now.wall.max(self.newest_sent_at);
        let new = NewMessage { conversation_id, sender_id, body, nonce, sent_at };
        let id: MessageId = self.store.add_message(&new)?;
        self.newest_sent_at = sent_at;
        Ok(Message {
            id,
            conversation_id,
            sender_id,
            body: body.to_owned(),
            sent_at,
            edited_at: None,
            deleted_at: None,
            nonce: nonce.map(str::to_owned),
        })
    }
}

/// The same again is answered with what was stored; something else under the same nonce is not
/// what the client believes it to be.
fn sent_before(
    message: Message,
    conversation_id: ConversationId,
    body: &MessageBody,
) -> Result<Reply, Refusal> {
    let changed = message.edited_at.is_some() || message.deleted_at.is_some();
    let same =
        message.conversation_id == conversation_id && (changed || message.body == body.as_str());
    if !same {
        return Err(Refusal::NonceReused);
    }
    Ok(Reply::Sent { message: Rc::new(message), created: false })
}
