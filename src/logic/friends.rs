//! Decides who becomes and stays whose friend, and who may know.
//!
//! Each of two users has a stance on the other (see [`Stance`]). What one of them sees follows from
//! both; one's own comes first, so that a request to somebody who blocks looks like any other:
//!
//! | mine    | theirs | I see    |
//! |---------|--------|----------|
//! | blocked | any    | blocked  |
//! | friend  | friend | friends  |
//! | asked   | any    | outgoing |
//! | none    | asked  | incoming |
//! | none    | other  | nothing  |

use super::{Logic, Refusal, Reply, Unwritten};
use crate::data::{Relation, Stance, StoreError};
use crate::entity::{
    ConversationId, Event, Friend, FriendState, LastSeen, NamePrefix, Timestamp, User, UserId,
    UserName,
};
use crate::system::Now;

pub(super) type Stances = (Option<Stance>, Option<Stance>);

/// The table above.
pub(super) fn seen_state((mine, theirs): Stances) -> Option<FriendState> {
    match (mine, theirs) {
        (Some(Stance::Blocked), _) => Some(FriendState::Blocked),
        (Some(Stance::Friend), _) => Some(FriendState::Friends),
        (Some(Stance::Asked), _) => Some(FriendState::Outgoing),
        (None, Some(Stance::Asked)) => Some(FriendState::Incoming),
        (None, Some(Stance::Friend | Stance::Blocked) | None) => None,
    }
}

impl Logic {
    /// Whoever blocks is found like anybody else, even by those who are blocked: they are not told.
    pub(super) fn find_users(
        &self,
        me: UserId,
        prefix: Option<&NamePrefix>,
        limit: usize,
    ) -> Result<Reply, StoreError> {
        Ok(Reply::Users(match prefix {
            Some(prefix) => self.store.find_users(me, prefix, limit)?,
            None => Vec::new(),
        }))
    }

    pub(super) fn friends(&self, me: UserId) -> Result<Vec<Friend>, StoreError> {
        let mut friends = Vec::new();
        for Relation { other, mine, theirs } in self.store.relations(me)? {
            if let Some(state) = seen_state((mine, theirs)) {
                friends.push(self.friend(me, other, state)?);
            }
        }
        Ok(friends)
    }

    pub(super) fn ask_friend(
        &mut self,
        now: Now,
        me: UserId,
        name: &str,
    ) -> Result<Reply, Refusal> {
        let name = UserName::parse(name).map_err(|_| Refusal::NoSuchUser)?;
        let account = self.store.account_by_key(&name.key())?.ok_or(Refusal::NoSuchUser)?;
        let other = account.user.id;
        if other == me {
            return Err(Refusal::Oneself);
        }
        match self.store.stances(me, other)? {
            (Some(Stance::Blocked), _) => return Err(Refusal::Blocked),
            (Some(Stance::Friend), _) => return Err(Refusal::AlreadyFriends),
            (Some(Stance::Asked), _) => return self.friend_reply(me, other, false),
            (None, Some(Stance::Asked)) => self.befriend(now, me, other)?,
            (None, theirs) => {
                self.store.set_stance(me, other, Stance::Asked, now.wall)?;
                self.tell_friend(me, other)?;
                // Somebody who blocks sees no request.
                if theirs != Some(Stance::Blocked) {
                    self.tell_friend(other, me)?;
                }
            }
        }
        self.friend_reply(me, other, true)
    }

    pub(super) fn accept_friend(
        &mut self,
        now: Now,
        me: UserId,
        other: UserId,
    ) -> Result<Reply, Refusal> {
        match self.store.stances(me, other)? {
            (Some(Stance::Friend), _) => {}
            (None | Some(Stance::Asked), Some(Stance::Asked)) => self.befriend(now, me, other)?,
            _ => return Err(Refusal::NoSuchRequest),
        }
        self.friend_reply(me, other, false)
    }

    /// Unfriends, declines or withdraws, whichever it is.
    pub(super) fn remove_friend(&mut self, me: UserId, other: UserId) -> Result<Reply, Refusal> {
        let before = self.store.stances(me, other)?;
        match before {
            (Some(Stance::Friend), _) => {
                self.store.clear_stance(me, other)?;
                self.store.clear_stance(other, me)?;
                self.cache.forget_rooms();
            }
            (Some(Stance::Asked), _) => self.store.clear_stance(me, other)?,
            (None, Some(Stance::Asked)) => self.store.clear_stance(other, me)?,
            (Some(Stance::Blocked) | None, _) => return Err(Refusal::NotFound),
        }
        for (user, their, stances) in [(me, other, before), (other, me, (before.1, before.0))] {
            // Somebody who blocks saw no request, and hears of none that is withdrawn.
            if seen_state(stances).is_some_and(|state| state != FriendState::Blocked) {
                self.tell(user, Event::FriendRemoved(their));
            }
        }
        Ok(Reply::Done)
    }

    /// Whether two users are friends, and so may write to each other.
    pub(super) fn are_friends(&self, one: UserId, other: UserId) -> Result<bool, StoreError> {
        let stances = self.store.stances(one, other)?;
        Ok(stances == (Some(Stance::Friend), Some(Stance::Friend)))
    }

    /// When a user was last seen, and whether they are online now.
    pub(super) fn last_seen(&self, user: UserId) -> Result<LastSeen, StoreError> {
        if let Some(at) = self.presence.seen_at(user) {
            return Ok(LastSeen::online(at));
        }
        let at = match self.notes.seen(user) {
            Some(at) => Some(at),
            None => self.store.last_seen(user)?,
        };
        Ok(LastSeen { online: false, at })
    }

    /// A user's first poll came.
    pub(super) fn came_online(&mut self, user: UserId, at: Timestamp) {
        self.unwritten.push(Unwritten::Seen(user, LastSeen::online(at)));
    }

    /// A user's grace time is over.
    pub(super) fn went_offline(&mut self, user: UserId, seen_at: Timestamp) {
        self.notes.last_seen(user, seen_at);
        let last_seen = LastSeen { online: false, at: Some(seen_at) };
        self.unwritten.push(Unwritten::Seen(user, last_seen));
    }

    pub(super) fn tell_presence(
        &mut self,
        user: UserId,
        last_seen: LastSeen,
    ) -> Result<(), StoreError> {
        for friend in self.store.friend_ids(user)? {
            self.tell(friend, Event::Presence { user_id: user, last_seen });
        }
        Ok(())
    }

    fn befriend(&mut self, now: Now, me: UserId, other: UserId) -> Result<(), StoreError> {
        self.store.set_stance(me, other, Stance::Friend, now.wall)?;
        self.store.set_stance(other, me, Stance::Friend, now.wall)?;
        self.cache.forget_rooms();
        let conversation_id = self.direct_conversation(now, me, other)?;
        for (user, friend) in [(me, other), (other, me)] {
            self.tell_friend(user, friend)?;
        }
        self.tell_of(conversation_id)
    }

    fn direct_conversation(
        &mut self,
        now: Now,
        me: UserId,
        other: UserId,
    ) -> Result<ConversationId, StoreError> {
        match self.store.direct_conversation(me, other)? {
            Some(id) => Ok(id),
            None => self.store.add_direct_conversation(me, other, now.wall),
        }
    }

    /// Tells `user` what `other` is to them now, if there is anything to know.
    pub(super) fn tell_friend(&mut self, user: UserId, other: UserId) -> Result<(), StoreError> {
        if let Some(state) = seen_state(self.store.stances(user, other)?)
            && let Some(known) = self.store.user(other)?
        {
            let friend = self.friend(user, known, state)?;
            self.tell(user, Event::Friend(Box::new(friend)));
        }
        Ok(())
    }

    fn friend_reply(&self, me: UserId, other: UserId, created: bool) -> Result<Reply, Refusal> {
        let state = seen_state(self.store.stances(me, other)?).ok_or(Refusal::NotFound)?;
        let friend = self.friend(me, self.user(other)?, state)?;
        Ok(Reply::Friend { friend, created })
    }

    fn friend(&self, me: UserId, user: User, state: FriendState) -> Result<Friend, StoreError> {
        let last_seen = match state {
            FriendState::Friends => Some(self.last_seen(user.id)?),
            FriendState::Incoming | FriendState::Outgoing | FriendState::Blocked => None,
        };
        let conversation_id = self.store.direct_conversation(me, user.id)?;
        Ok(Friend { user, last_seen, state, conversation_id })
    }
}
