//! Takes in messages: each once, in order, from those who may write.

use super::{Logic, Notice, Refusal, Reply};
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
        let member = self.member(me, conversation_id)?;
        // Whoever sends again, sends what was allowed then: this comes before the question whether
        // it still is.
        if let Some(nonce) = nonce
            && let Some(message) = self.store.message_by_nonce(me, nonce.as_str())?
        {
            return sent_before(message, conversation_id, body);
        }
        let members = self.store.member_ids(conversation_id)?;
        if member.kind == Kind::Direct {
            for &other in members.iter().filter(|&&user| user != me) {
                if !self.are_friends(me, other)? {
                    return Err(Refusal::NotFriends);
                }
            }
        }
        let message = self.write_message(now, me, conversation_id, body, nonce)?;
        // One has read what one says.
        self.store.set_read(conversation_id, me, message.id)?;
        for user in members {
            self.outbox.push((user, Notice::Stored(message.id)));
        }
        Ok(Reply::Sent { message, created: true })
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
    Ok(Reply::Sent { message, created: false })
}
