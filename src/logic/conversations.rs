//! Tells what is said in which conversation, to those who are in it.

use super::{Logic, Refusal, Reply};
use crate::data::{HistoryPage, MemberRow, StoreError};
use crate::entity::{Conversation, ConversationId, Event, Member, Message, MessageId, UserId};

impl Logic {
    pub(super) fn conversations(&self, me: UserId) -> Result<Vec<Conversation>, StoreError> {
        let mut conversations = Vec::new();
        for member in self.store.memberships(me)? {
            conversations.push(self.seen_conversation(me, member)?);
        }
        let newest = |c: &Conversation| c.last_message.as_ref().map(|message| message.id);
        conversations.sort_by_key(|c| std::cmp::Reverse((newest(c), c.id)));
        Ok(conversations)
    }

    pub(super) fn conversation(
        &self,
        me: UserId,
        id: ConversationId,
    ) -> Result<Option<Conversation>, StoreError> {
        let member = self.store.membership(id, me)?;
        member.map(|member| self.seen_conversation(me, member)).transpose()
    }

    pub(super) fn history(
        &self,
        me: UserId,
        id: ConversationId,
        page: HistoryPage,
        limit: usize,
    ) -> Result<Reply, Refusal> {
        let member = self.member(me, id)?;
        let (messages, more) = self.store.history(id, member.after_id, page, limit)?;
        let messages = messages.into_iter().map(|message| message.seen_by(me)).collect();
        Ok(Reply::History { messages, more })
    }

    pub(super) fn mark_read(
        &mut self,
        me: UserId,
        id: ConversationId,
        message_id: MessageId,
    ) -> Result<Reply, Refusal> {
        let member = self.member(me, id)?;
        let newest = self.last_message(me, &member)?.map_or(MessageId(0), |message| message.id);
        let message_id = message_id.min(newest);
        let read = self.notes.read(id, me, member.read_id);
        if message_id > read && self.store.set_read(id, me, message_id)? {
            let event = Event::Read { conversation_id: id, user_id: me, message_id };
            let Some(room) = self.room(id)? else { return Ok(Reply::Done) };
            for &(user, _) in &room.members {
                self.tell(user, event.clone());
            }
        }
        Ok(Reply::Done)
    }

    /// The other members hear of it now or never: it is stored nowhere.
    pub(super) fn type_in(&mut self, me: UserId, id: ConversationId) -> Result<Reply, Refusal> {
        let room = self.room(id)?.ok_or(Refusal::NotFound)?;
        room.after(me).ok_or(Refusal::NotFound)?;
        if !room.is_open {
            return Err(Refusal::NotFriends);
        }
        for &(user, _) in room.members.iter().filter(|(user, _)| *user != me) {
            self.tell(user, Event::Typing { conversation_id: id, user_id: me });
        }
        Ok(Reply::Done)
    }

    /// The caller's place in a conversation. What one is not in, does not exist.
    pub(super) fn member(&self, me: UserId, id: ConversationId) -> Result<MemberRow, Refusal> {
        self.store.membership(id, me)?.ok_or(Refusal::NotFound)
    }

    fn seen_conversation(&self, me: UserId, member: MemberRow) -> Result<Conversation, StoreError> {
        let last_message = self.last_message(me, &member)?;
        let id = member.conversation_id;
        let read = self.notes.read(id, me, member.read_id);
        Ok(Conversation {
            id,
            kind: member.kind,
            members: self.members(id)?,
            // Nobody leaves a conversation of two.
            former_members: Vec::new(),
            unread: self.store.unread(id, me, member.after_id.max(read))?,
            title: member.title,
            last_message,
        })
    }

    /// The members, with the marks that the disk does not know yet.
    fn members(&self, id: ConversationId) -> Result<Vec<Member>, StoreError> {
        let mut members = self.store.members(id)?;
        for member in &mut members {
            let user = member.user.id;
            member.last_read_id = self.notes.read(id, user, member.last_read_id);
            let delivered = self.notes.delivered(id, user, member.last_delivered_id);
            // What was read has arrived.
            member.last_delivered_id = delivered.max(member.last_read_id);
        }
        Ok(members)
    }

    fn last_message(&self, me: UserId, member: &MemberRow) -> Result<Option<Message>, StoreError> {
        let id = member.conversation_id;
        let (newest, _) = self.store.history(id, member.after_id, HistoryPage::Newest, 1)?;
        Ok(newest.into_iter().next().map(|message| message.seen_by(me)))
    }
}
