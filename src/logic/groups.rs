//! Begins groups, and changes who is in them and what they are called.
//!
//! A group has one owner at a time: whoever began it, and after them the longest-standing member. A
//! member who leaves is told so, and nothing more about the group; the others are told what it is
//! like then. A group that everybody has left stays, for nobody.

use std::collections::BTreeSet;

use super::access::Room;
use super::{Logic, Refusal, Reply};
use crate::data::{HistoryPage, NewMember, StoreError};
use crate::entity::{ConversationId, Event, Kind, MessageId, Role, Title, UserId};
use crate::system::Now;

impl Logic {
    pub(super) fn create_group(
        &mut self,
        now: Now,
        me: UserId,
        title: &Title,
        member_ids: &[UserId],
    ) -> Result<Reply, Refusal> {
        let mut known = BTreeSet::from([me]);
        let others = member_ids.iter().copied().filter(|&user| known.insert(user));
        let others: Vec<UserId> = others.take(self.config.group_members_max).collect();
        if others.len() >= self.config.group_members_max {
            return Err(Refusal::TooManyMembers);
        }
        for &other in &others {
            self.look_for_friend(me, other)?;
        }
        let after_id = self.store.newest_id();
        let conversation_id = self.store.add_group(title.as_str(), now.wall)?;
        for user_id in [me].into_iter().chain(others) {
            let role = if user_id == me { Role::Owner } else { Role::Member };
            let read_id = MessageId(0);
            let new = NewMember { conversation_id, user_id, role, after_id, read_id };
            self.store.add_member(&new)?;
        }
        self.tell_of(conversation_id)?;
        self.group_reply(me, conversation_id, true)
    }

    pub(super) fn rename_group(
        &mut self,
        me: UserId,
        id: ConversationId,
        title: &Title,
    ) -> Result<Reply, Refusal> {
        self.enter_to_manage(me, id)?;
        let member = self.member(me, id)?;
        if member.title.as_deref() != Some(title.as_str()) {
            self.store.set_title(id, title.as_str())?;
            self.tell_of(id)?;
        }
        self.group_reply(me, id, false)
    }

    pub(super) fn add_member(
        &mut self,
        me: UserId,
        id: ConversationId,
        user_id: UserId,
    ) -> Result<Reply, Refusal> {
        let room = self.enter_to_manage(me, id)?;
        if room.seat(user_id).is_some() {
            return Err(Refusal::AlreadyMember);
        }
        self.look_for_friend(me, user_id)?;
        if room.seats.len() >= self.config.group_members_max {
            return Err(Refusal::GroupFull);
        }
        // What was said before is not theirs to read, so it does not count as unread.
        let (newest, _) = self.store.history(id, MessageId(0), HistoryPage::Newest, 1)?;
        self.store.add_member(&NewMember {
            conversation_id: id,
            user_id,
            role: Role::Member,
            after_id: self.store.newest_id(),
            read_id: newest.first().map_or(MessageId(0), |message| message.id),
        })?;
        self.tell_of(id)?;
        self.group_reply(me, id, true)
    }

    /// Owners remove whomever they want; anyone may leave.
    pub(super) fn remove_member(
        &mut self,
        me: UserId,
        id: ConversationId,
        user: UserId,
    ) -> Result<Reply, Refusal> {
        let room =
            if user == me { self.enter_group(me, id)? } else { self.enter_to_manage(me, id)? };
        room.seat(user).ok_or(Refusal::NotFound)?;
        self.leave(&room, user)?;
        Ok(Reply::Done)
    }

    /// Somebody leaves all their groups; their account is about to be deleted.
    pub(super) fn leave_groups(&mut self, user: UserId) -> Result<(), StoreError> {
        for place in self.store.memberships(user)? {
            if place.kind == Kind::Group
                && let Some(room) = self.room(place.conversation_id)?
            {
                self.leave(&room, user)?;
            }
        }
        Ok(())
    }

    /// Somebody is no longer a member. If nobody owns the group any more, whoever has been in it
    /// longest inherits it.
    fn leave(&mut self, room: &Room, user: UserId) -> Result<(), StoreError> {
        self.store.remove_member(room.id, user)?;
        let mut others = room.seats.iter().filter(|seat| seat.user_id != user);
        if others.clone().all(|seat| seat.role != Role::Owner)
            && let Some(heir) = others.next()
        {
            self.store.set_role(room.id, heir.user_id, Role::Owner)?;
        }
        self.tell(user, Event::ConversationRemoved(room.id));
        self.tell_of(room.id)?;
        // The tail knows who was there when something was said, not who has left since.
        self.tail_is_stale = true;
        Ok(())
    }

    fn look_for_friend(&self, me: UserId, other: UserId) -> Result<(), Refusal> {
        if self.are_friends(me, other)? { Ok(()) } else { Err(Refusal::NotFriends) }
    }

    fn group_reply(
        &mut self,
        me: UserId,
        id: ConversationId,
        created: bool,
    ) -> Result<Reply, Refusal> {
        let conversation = self.conversation(me, id)?.ok_or(Refusal::NotFound)?;
        Ok(Reply::Conversation { conversation: Box::new(conversation), created })
    }
}
