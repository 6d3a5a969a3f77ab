//! Tells what is said in which conversation, to those who are in it.

use std::rc::Rc;

use super::live::News;
use super::{Logic, Notice, Refusal, Reply};
use crate::data::{HistoryPage, MemberRow, StoreError};
use crate::entity::{
    Conversation, ConversationId, Event, Kind, Member, Message, MessageId, User, UserId,
};

/// What all members see alike of who is in a conversation.
#[derive(Clone, Debug)]
pub(super) struct People {
    members: Rc<[Member]>,
    former: Rc<[User]>,
}

impl Logic {
    pub(super) fn conversations(&self, me: UserId) -> Result<Vec<Conversation>, StoreError> {
        let mut conversations = Vec::new();
        for member in self.store.memberships(me)? {
            let people = self.people(&member)?;
            conversations.push(self.seen_conversation(me, member, people)?);
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
        let Some(member) = self.store.membership(id, me)? else { return Ok(None) };
        let people = self.people(&member)?;
        self.seen_conversation(me, member, people).map(Some)
    }

    /// Tells the members of a conversation that it is new or has changed.
    pub(super) fn tell_of(&mut self, id: ConversationId) -> Result<(), StoreError> {
        self.cache.forget_rooms();
        if let Some(room) = self.room(id)? {
            for user in room.members() {
                self.outbox.push((user, Notice { news: News::Conversation(id), except: None }));
            }
        }
        Ok(())
    }

    /// What a member is told of a conversation, at the end of a turn: what all see alike is looked up
    /// once.
    pub(super) fn told_conversation(
        &mut self,
        me: UserId,
        id: ConversationId,
    ) -> Result<Option<Event>, StoreError> {
        let Some(member) = self.store.membership(id, me)? else { return Ok(None) };
        let people = match &self.told_of {
            Some((known, people)) if *known == id => people.clone(),
            _ => self.told_of.insert((id, self.people(&member)?)).1.clone(),
        };
        let conversation = self.seen_conversation(me, member, people)?;
        Ok(Some(Event::Conversation(Box::new(conversation))))
    }

    pub(super) fn history(
        &mut self,
        me: UserId,
        id: ConversationId,
        page: HistoryPage,
        limit: usize,
    ) -> Result<Reply, Refusal> {
        let room = self.enter(me, id)?;
        let after_id = room.seat(me).map_or(MessageId(i64::MAX), |seat| seat.after_id);
        let (messages, more) = self.store.history(id, after_id, page, limit)?;
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
            for user in room.members() {
                self.tell(user, event.clone());
            }
        }
        Ok(Reply::Done)
    }

    /// The other members hear of it now or never: it is stored nowhere.
    pub(super) fn type_in(&mut self, me: UserId, id: ConversationId) -> Result<Reply, Refusal> {
        let room = self.enter_to_write(me, id)?;
        for user in room.members().filter(|&user| user != me) {
            self.tell(user, Event::Typing { conversation_id: id, user_id: me });
        }
        Ok(Reply::Done)
    }

    fn seen_conversation(
        &self,
        me: UserId,
        member: MemberRow,
        people: People,
    ) -> Result<Conversation, StoreError> {
        let last_message = self.last_message(me, &member)?;
        let id = member.conversation_id;
        let read = self.notes.read(id, me, member.read_id);
        Ok(Conversation {
            id,
            kind: member.kind,
            members: people.members,
            former_members: people.former,
            unread: self.store.unread(id, me, member.after_id.max(read))?,
            title: member.title,
            last_message,
        })
    }

    fn people(&self, member: &MemberRow) -> Result<People, StoreError> {
        let id = member.conversation_id;
        let former = match member.kind {
            // Nobody leaves a conversation of two.
            Kind::Direct => Vec::new(),
            Kind::Group => self.store.former_members(id)?,
        };
        Ok(People { members: self.members(id)?.into(), former: former.into() })
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
