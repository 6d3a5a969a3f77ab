//! Shows conversations to those who are in them, and tells them of changes.

use std::sync::Arc;

use super::live::News;
use super::tail::Entry;
use super::{Logic, Notice, Refusal, Reply};
use crate::data::{HistoryPage, MemberRow, StoreError};
use crate::entity::{
    Conversation, ConversationId, Event, Kind, Member, Message, MessageId, User, UserId,
};
use crate::map::Map;

/// What all members see alike: who is in a conversation.
#[derive(Clone, Debug)]
pub(super) struct People {
    members: Arc<[Member]>,
    former: Arc<[User]>,
}

/// What is looked up once for all members who are told of a conversation at the end of a turn.
#[derive(Debug)]
pub(super) struct Told {
    people: People,
    /// How many messages are unread after a mark. It is the same for all whose mark stands there:
    /// whoever has said something after it has a later mark.
    unread: Map<MessageId, u64>,
}

impl Logic {
    pub(super) fn conversations(&self, me: UserId) -> Result<Vec<Conversation>, StoreError> {
        let mut conversations = Vec::new();
        for member in self.store.memberships(me)? {
            let people = self.people(&member)?;
            let unread = self.store.unread(member.conversation_id, self.mark(me, &member))?;
            conversations.push(self.seen_conversation(me, member, people, unread)?);
        }
        let newest = |c: &Conversation| c.last_message.as_ref().map(|message| message.id);
        conversations.sort_unstable_by_key(|c| std::cmp::Reverse((newest(c), c.id)));
        Ok(conversations)
    }

    pub(super) fn conversation(
        &self,
        me: UserId,
        id: ConversationId,
    ) -> Result<Option<Conversation>, StoreError> {
        let Some(member) = self.store.membership(id, me)? else { return Ok(None) };
        let people = self.people(&member)?;
        let unread = self.store.unread(id, self.mark(me, &member))?;
        self.seen_conversation(me, member, people, unread).map(Some)
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

    /// What a member is told about a conversation, at the end of a turn.
    pub(super) fn told_conversation(
        &mut self,
        me: UserId,
        id: ConversationId,
    ) -> Result<Option<Event>, StoreError> {
        let Some(member) = self.store.membership(id, me)? else { return Ok(None) };
        let (known, mark) = (self.told_of.get(&id), self.mark(me, &member));
        let people = match known {
            Some(told) => told.people.clone(),
            None => self.people(&member)?,
        };
        let unread = match known.and_then(|told| told.unread.get(&mark)) {
            Some(&unread) => unread,
            None => self.store.unread(id, mark)?,
        };
        let told = Told { people: people.clone(), unread: Map::default() };
        self.told_of.get_or_insert_with(id, || told).unread.insert(mark, unread);
        let conversation = self.seen_conversation(me, member, people, unread)?;
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
        let bounds = (limit, self.config.events_page_bytes_max);
        let (messages, more) = self.store.history_within(id, after_id, page, bounds)?;
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
        let read = self.read(id, me, member.read_id);
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

    /// Between whom a message was said, its sender first; `None` for a message in a group.
    pub fn said_between(&mut self, message: &Message) -> Result<Option<[User; 2]>, Refusal> {
        let Some(room) = self.room(message.conversation_id)? else { return Ok(None) };
        let other = room.members().find(|&user| user != message.sender_id);
        match other {
            Some(other) if room.kind == Kind::Direct => {
                Ok(Some([self.user(message.sender_id)?, self.user(other)?]))
            }
            _ => Ok(None),
        }
    }

    fn seen_conversation(
        &self,
        me: UserId,
        member: MemberRow,
        people: People,
        unread: u64,
    ) -> Result<Conversation, StoreError> {
        let last_message = self.last_message(me, &member)?;
        Ok(Conversation {
            id: member.conversation_id,
            kind: member.kind,
            members: people.members,
            former_members: people.former,
            unread,
            title: member.title,
            last_message,
        })
    }

    /// What came after this has not been read. None of it was said by the member.
    fn mark(&self, me: UserId, member: &MemberRow) -> MessageId {
        self.read(member.conversation_id, me, member.read_id).max(member.after_id)
    }

    /// Up to which message a member has read, if the disk knows only of `known`. Saying something
    /// moves the mark, even before it is committed.
    fn read(&self, id: ConversationId, user: UserId, known: MessageId) -> MessageId {
        let own = |entry: &&Entry| entry.room.id == id && entry.message.sender_id == user;
        let said = self.written.iter().filter(own).map(|entry| entry.message.id).max();
        self.notes.read(id, user, known).max(said.unwrap_or_default())
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
            member.last_read_id = self.read(id, user, member.last_read_id);
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
