//! Lets users change what is their own: how they are shown, their password, their sessions.
//!
//! A new password costs two derivations, one after the other: first the present one is proved, then
//! the new one is made (see `hashing`). What happened in between counts: a session that ended
//! meanwhile changes nothing any more.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::call::PasswordChange;
use super::hashing::Task;
use super::limits::Guess;
use super::passwords::{Derivation, equal_in_constant_time};
use super::{Answer, Caller, Logic, Refusal, Reply, Ticket};
use crate::data::{Account, StoreError};
use crate::entity::{DisplayName, Event, Password, Session, SessionId, UserId, UserName};
use crate::system::Now;

/// Who wants another password, and proves the present one first.
#[derive(Debug)]
pub(super) struct Proof {
    caller: Caller,
    account: Account,
    guess: Guess,
    /// No password at all: it has to be refused, and costs the same.
    hopeless: bool,
    new: Password,
}

impl Logic {
    pub(super) fn update_me(
        &mut self,
        me: UserId,
        display_name: Option<&DisplayName>,
    ) -> Result<Reply, Refusal> {
        let mut user = self.user(me)?;
        if let Some(new) = display_name.filter(|new| new.as_str() != user.display_name) {
            new.as_str().clone_into(&mut user.display_name);
            self.store.set_display_name(me, &user.display_name)?;
            for other in self.acquaintances(me)? {
                self.tell(other, Event::UserUpdated(Box::new(user.clone())));
            }
        }
        Ok(Reply::Me(user))
    }

    pub(super) fn change_password(
        &mut self,
        now: Now,
        address: IpAddr,
        caller: Caller,
        change: PasswordChange,
        ticket: Ticket,
    ) -> Result<Answer, Refusal> {
        let PasswordChange { current, new } = change;
        let account = self.store.account(caller.user_id)?.ok_or(Refusal::Unauthorized)?;
        let guess = Guess::new(UserName::parse(&account.user.name).ok().as_ref(), address);
        self.limits.guess(now.mono, &guess)?;
        self.look_for_room()?;
        let current = Password::parse(&current.0).ok();
        let typed = current.as_ref().map_or("", Password::as_str);
        let derivation = Derivation::new(typed.as_bytes(), &account.salt, account.iterations);
        let hopeless = current.is_none();
        let proof = Proof { caller, account, guess, hopeless, new };
        self.hashing.begin(ticket, derivation, Task::ProvePassword(Box::new(proof)));
        Ok(Answer::Later)
    }

    /// The present password's key is there. Goes on with the new one if it is right.
    pub(super) fn proved(
        &mut self,
        now: Now,
        ticket: Ticket,
        proof: Proof,
        key: &[u8; 32],
    ) -> Result<(), Refusal> {
        let Proof { caller, account, guess, hopeless, new } = proof;
        self.limits.guess(now.mono, &guess)?;
        if hopeless || !equal_in_constant_time(&account.password, key) {
            self.limits.guessed_wrong(now.mono, guess);
            return Err(Refusal::WrongPassword);
        }
        let salt = self.entropy.bytes();
        let iterations = self.config.password_iterations;
        let derivation = Derivation::new(new.as_str().as_bytes(), &salt, iterations);
        self.hashing.begin(ticket, derivation, Task::SetPassword { caller, salt, iterations });
        Ok(())
    }

    /// The new password's key is there, too.
    pub(super) fn set_password(
        &mut self,
        caller: Caller,
        salt: &[u8; 16],
        iterations: u32,
        key: &[u8; 32],
    ) -> Result<Reply, Refusal> {
        let sessions = self.store.sessions(caller.user_id)?;
        if !sessions.iter().any(|session| session.id == caller.session_id) {
            return Err(Refusal::Unauthorized);
        }
        self.store.set_password(caller.user_id, salt, iterations, key)?;
        for session in sessions.into_iter().filter(|session| session.id != caller.session_id) {
            self.end(Caller { session_id: session.id, ..caller })?;
        }
        Ok(Reply::Done)
    }

    pub(super) fn sessions(&self, now: Now, caller: Caller) -> Result<Reply, StoreError> {
        let mut sessions = self.store.sessions(caller.user_id)?;
        for session in &mut sessions {
            if session.id == caller.session_id {
                session.current = true;
                session.last_used_at = now.wall;
            } else if let Some(used_at) = self.notes.used(session.id) {
                session.last_used_at = used_at;
            }
        }
        sessions.retain(|session| !self.has_expired(now, session.last_used_at));
        Ok(Reply::Sessions(sessions))
    }

    /// Ends one of the caller's sessions, perhaps the one by which they ask.
    pub(super) fn end_session(&mut self, caller: Caller, id: SessionId) -> Result<Reply, Refusal> {
        let sessions: Vec<Session> = self.store.sessions(caller.user_id)?;
        if !sessions.iter().any(|session| session.id == id) {
            return Err(Refusal::NotFound);
        }
        self.end(Caller { session_id: id, ..caller })?;
        Ok(Reply::Done)
    }

    /// Ends a session, and with it its polls.
    pub(super) fn end(&mut self, session: Caller) -> Result<(), StoreError> {
        self.store.remove_session(session.session_id)?;
        self.cache.forget_sessions();
        self.ended.push(session);
        Ok(())
    }

    /// Those who may know what becomes of a user: friends, and all with whom they share a
    /// conversation.
    fn acquaintances(&self, me: UserId) -> Result<BTreeSet<UserId>, StoreError> {
        let mut known = BTreeSet::from_iter(self.store.friend_ids(me)?);
        for place in self.store.memberships(me)? {
            let members = self.store.members_after(place.conversation_id)?;
            known.extend(members.into_iter().map(|(member, _)| member));
        }
        known.remove(&me);
        Ok(known)
    }
}
