//! Decides who may see what, and who may do what. Everybody else asks here.
//!
//! For those who are not in a conversation there is nothing of it, and no refusal tells them
//! anything: it does not exist (404).
//!
//! | who                          | sees                    | writes        | manages       | leaves |
//! |------------------------------|-------------------------|---------------|---------------|--------|
//! | an owner of a group          | what came after joining | yes           | yes           | yes    |
//! | another member of it         | what came after joining | yes           | `not_owner`   | yes    |
//! | one of two friends           | all                     | yes           | `not_a_group` | `not_a_group` |
//! | one of two who once were     | all                     | `not_friends` | `not_a_group` | `not_a_group` |
//! | a former member, or a friend of a member, or anybody else | nothing | 404 | 404 | 404 |
//!
//! Whoever has left a group and comes back sees what came after they last joined. Senders may edit
//! a message as long as they may write, and delete it as long as they see it. Changes to a user are
//! told to their friends and to those with whom they share a conversation; whether they are online,
//! to friends alone. What two users are to each other is in the table of `friends`.

use std::rc::Rc;

use super::{Logic, Refusal};
use crate::data::{MemberRow, Seat, StoreError};
use crate::entity::{ConversationId, Kind, Message, MessageId, Role, UserId};

/// A conversation and those who are in it: everything that is needed to decide.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Room {
    /// Which.
    pub(super) id: ConversationId,
    /// Direct or group.
    pub(super) kind: Kind,
    /// Everybody in it, the longest-standing first.
    pub(super) seats: Vec<Seat>,
    /// Whether its members may write now: in a direct one only friends do.
    pub(super) is_open: bool,
}

impl Room {
    /// A member's place.
    pub(super) fn seat(&self, user: UserId) -> Option<&Seat> {
        self.seats.iter().find(|seat| seat.user_id == user)
    }

    /// Whether a user may see a message that was said here.
    pub(super) fn shows(&self, message: MessageId, user: UserId) -> bool {
        self.seat(user).is_some_and(|seat| seat.after_id < message)
    }

    /// Everybody in it.
    pub(super) fn members(&self) -> impl Iterator<Item = UserId> {
        self.seats.iter().map(|seat| seat.user_id)
    }
}

impl Logic {
    /// A conversation, if it exists. Does not ask whom it concerns: see [`Logic::enter`].
    pub(super) fn room(&mut self, id: ConversationId) -> Result<Option<Rc<Room>>, StoreError> {
        if let Some(room) = self.cache.room(id) {
            return Ok(Some(room));
        }
        let Some(kind) = self.store.conversation_kind(id)? else { return Ok(None) };
        let seats = self.store.seats(id)?;
        let is_open = match (kind, &seats[..]) {
            (Kind::Direct, [one, other]) => self.are_friends(one.user_id, other.user_id)?,
            (Kind::Direct, _) => false,
            (Kind::Group, _) => true,
        };
        let room = Rc::new(Room { id, kind, seats, is_open });
        self.cache.keep_room(Rc::clone(&room));
        Ok(Some(room))
    }

    /// A conversation of which the caller is a member.
    pub(super) fn enter(&mut self, me: UserId, id: ConversationId) -> Result<Rc<Room>, Refusal> {
        let room = self.room(id)?.ok_or(Refusal::NotFound)?;
        if room.seat(me).is_some() { Ok(room) } else { Err(Refusal::NotFound) }
    }

    /// The same, with what a member sees of it.
    pub(super) fn member(&self, me: UserId, id: ConversationId) -> Result<MemberRow, Refusal> {
        self.store.membership(id, me)?.ok_or(Refusal::NotFound)
    }

    /// A conversation in which the caller may write.
    pub(super) fn enter_to_write(
        &mut self,
        me: UserId,
        id: ConversationId,
    ) -> Result<Rc<Room>, Refusal> {
        let room = self.enter(me, id)?;
        if room.is_open { Ok(room) } else { Err(Refusal::NotFriends) }
    }

    /// A group of which the caller is a member.
    pub(super) fn enter_group(
        &mut self,
        me: UserId,
        id: ConversationId,
    ) -> Result<Rc<Room>, Refusal> {
        let room = self.enter(me, id)?;
        if room.kind == Kind::Group { Ok(room) } else { Err(Refusal::NotAGroup) }
    }

    /// A group that the caller manages.
    pub(super) fn enter_to_manage(
        &mut self,
        me: UserId,
        id: ConversationId,
    ) -> Result<Rc<Room>, Refusal> {
        let room = self.enter_group(me, id)?;
        let is_owner = room.seat(me).is_some_and(|seat| seat.role == Role::Owner);
        if is_owner { Ok(room) } else { Err(Refusal::NotOwner) }
    }

    /// A message that the caller has sent and still sees, and where it is.
    pub(super) fn own_message(
        &mut self,
        me: UserId,
        id: MessageId,
    ) -> Result<(Rc<Room>, Message), Refusal> {
        let message = self.store.message(id)?.ok_or(Refusal::NotFound)?;
        let room = self.enter(me, message.conversation_id)?;
        match () {
            () if !room.shows(id, me) => Err(Refusal::NotFound),
            () if message.sender_id != me => Err(Refusal::NotSender),
            () => Ok((room, message)),
        }
    }

    /// Those who may know how a user is shown: friends, and all with whom they share a
    /// conversation.
    pub(super) fn acquaintances(&mut self, user: UserId) -> Result<Vec<UserId>, StoreError> {
        let mut known = self.fellow_members(user)?;
        known.extend(self.store.friend_ids(user)?);
        known.sort_unstable();
        known.dedup();
        Ok(known)
    }

    /// All with whom a user shares a conversation.
    pub(super) fn fellow_members(&mut self, user: UserId) -> Result<Vec<UserId>, StoreError> {
        let mut known = Vec::new();
        for place in self.store.memberships(user)? {
            if let Some(room) = self.room(place.conversation_id)? {
                known.extend(room.members());
            }
        }
        known.retain(|&other| other != user);
        known.sort_unstable();
        known.dedup();
        Ok(known)
    }
}
