//! Lets users hear nothing of others, without those being told.
//!
//! To the one who is blocked, a block looks like this and nothing more: a friendship has ended, or
//! a request that had come was withdrawn. They may ask for friendship, and see their request wait;
//! they find the other one when they look for them; groups that both are in go on as before. See
//! the table in `friends` for what follows from the two stances.

use super::friends::seen_state;
use super::{Logic, Refusal, Reply};
use crate::data::{Relation, Stance, StoreError};
use crate::entity::{Event, UserId};
use crate::system::Now;

impl Logic {
    pub(super) fn block(&mut self, now: Now, me: UserId, other: UserId) -> Result<Reply, Refusal> {
        self.check_other(me, other)?;
        let (mine, theirs) = self.store.stances(me, other)?;
        if mine == Some(Stance::Blocked) {
            return Ok(Reply::Done);
        }
        self.store.set_stance(me, other, Stance::Blocked, now.wall)?;
        if theirs == Some(Stance::Friend) {
            self.store.clear_stance(other, me)?;
            self.cache.forget_rooms();
        }
        let before = seen_state((theirs, mine));
        if before.is_some() && seen_state(self.store.stances(other, me)?).is_none() {
            self.tell(other, Event::FriendRemoved(me));
        }
        self.tell_friend(me, other)?;
        Ok(Reply::Done)
    }

    /// A request that the other one made meanwhile is seen now.
    pub(super) fn unblock(&mut self, me: UserId, other: UserId) -> Result<Reply, Refusal> {
        self.check_other(me, other)?;
        let (mine, theirs) = self.store.stances(me, other)?;
        if mine != Some(Stance::Blocked) {
            return Ok(Reply::Done);
        }
        self.store.clear_stance(me, other)?;
        if seen_state((None, theirs)).is_some() {
            self.tell_friend(me, other)?;
        } else {
            self.tell(me, Event::FriendRemoved(other));
        }
        Ok(Reply::Done)
    }

    /// A user is gone: nobody is related to them any more.
    pub(super) fn remove_relations(&mut self, me: UserId) -> Result<(), StoreError> {
        for Relation { other, mine, theirs } in self.store.relations(me)? {
            if seen_state((theirs, mine)).is_some() {
                self.tell(other.id, Event::FriendRemoved(me));
            }
        }
        self.store.clear_relations(me)
    }

    fn check_other(&self, me: UserId, other: UserId) -> Result<(), Refusal> {
        if other == me {
            return Err(Refusal::BlockOneself);
        }
        match self.store.user(other)? {
            Some(user) if !user.deleted => Ok(()),
            _ => Err(Refusal::NotFound),
        }
    }
}
