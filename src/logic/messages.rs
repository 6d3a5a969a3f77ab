//! Accepts messages: each once, in order, from those who may write. And lets their senders edit and
//! delete them.

use std::rc::Rc;
use std::sync::Arc;

use super::access::Room;
use super::tail::Entry;
use super::{Logic, Refusal, Reply};
use crate::data::{NewMessage, StoreError};
use crate::entity::{
    ConversationId, Kind, Message, MessageBody, MessageId, Nonce, Timestamp, UserId,
};
use crate::system::Now;

impl Logic {
    pub(super) fn send(
        &mut self,
        now: Now,
        me: UserId,
        conversation_id: ConversationId,
        body: MessageBody,
        nonce: Option<&Nonce>,
    ) -> Result<Reply, Refusal> {
        // A message that is sent again was allowed the first time: this comes before the question
        // whether it still is. It tells nobody more than what they have said themselves.
        if let Some(nonce) = nonce
            && let Some(message) = self.store.message_by_nonce(me, nonce.as_str())?
        {
            if is_same(&message, conversation_id, &body) {
                return Ok(Reply::Message { message: Arc::new(message), created: false });
            }
            self.enter(me, conversation_id)?;
            return Err(Refusal::NonceReused);
        }
        let room = self.enter_to_write(me, conversation_id)?;
        let message = self.write_message(now, me, conversation_id, body, nonce)?;
        if room.kind == Kind::Group && room.seat(me).is_some_and(|seat| !seat.has_said) {
            self.store.set_has_said(conversation_id, me)?;
            self.cache.forget_rooms();
        }
        let message = Arc::new(message);
        self.written.push(Entry::said(room, Arc::clone(&message)));
        Ok(Reply::Message { message, created: true })
    }

    /// Says something else instead. The same text is no change.
    pub(super) fn edit_message(
        &mut self,
        now: Now,
        me: UserId,
        id: MessageId,
        body: &MessageBody,
    ) -> Result<Reply, Refusal> {
        let (room, message) = self.own_message(me, id)?;
        if !room.is_open {
            return Err(Refusal::NotFriends);
        }
        if message.deleted_at.is_some() {
            return Err(Refusal::MessageDeleted);
        }
        if message.body == body.as_str() {
            return Ok(Reply::Message { message: Arc::new(message), created: false });
        }
        // Each version has a time of its own, so that a client can tell which is later.
        let last = message.edited_at.unwrap_or(message.sent_at);
        let at = self.time_of_writing(now).max(last.plus_millis(1));
        let body = body.as_str().to_owned();
        self.change(room, Message { body, edited_at: Some(at), ..message }, at)
    }

    /// Takes it back: what remains is that something was said.
    pub(super) fn delete_message(
        &mut self,
        now: Now,
        me: UserId,
        id: MessageId,
    ) -> Result<Reply, Refusal> {
        let (room, message) = self.own_message(me, id)?;
        if message.deleted_at.is_some() {
            return Ok(Reply::Message { message: Arc::new(message), created: false });
        }
        let at = self.time_of_writing(now);
        self.change(room, Message { body: String::new(), deleted_at: Some(at), ..message }, at)
    }

    fn change(
        &mut self,
        room: Rc<Room>,
        changed: Message,
        at: Timestamp,
    ) -> Result<Reply, Refusal> {
        let number = self.store.change_message(&changed, at)?;
        self.newest_sent_at = at;
        let message = Arc::new(changed);
        self.written.push(Entry::changed(number, room, Arc::clone(&message)));
        Ok(Reply::Message { message, created: false })
    }

    /// What is written now is not older than what was written before, even if the clock was set
    /// back.
    fn time_of_writing(&self, now: Now) -> Timestamp {
        now.wall.max(self.newest_sent_at)
    }

    fn write_message(
        &mut self,
        now: Now,
        sender_id: UserId,
        conversation_id: ConversationId,
        body: MessageBody,
        nonce: Option<&Nonce>,
    ) -> Result<Message, StoreError> {
        let nonce = nonce.map(Nonce::as_str);
        let sent_at = self.time_of_writing(now);
        let new = NewMessage { conversation_id, sender_id, body: body.as_str(), nonce, sent_at };
        let id: MessageId = self.store.add_message(&new)?;
        self.newest_sent_at = sent_at;
        Ok(Message {
            id,
            conversation_id,
            sender_id,
            body: body.into_string(),
            sent_at,
            edited_at: None,
            deleted_at: None,
            nonce: nonce.map(str::to_owned),
        })
    }
}

/// Whether this repeats what was said before under the same nonce. What that was before it was
/// edited, nobody knows.
fn is_same(message: &Message, conversation_id: ConversationId, body: &MessageBody) -> bool {
    let changed = message.edited_at.is_some() || message.deleted_at.is_some();
    message.conversation_id == conversation_id && (changed || message.body == body.as_str())
}
