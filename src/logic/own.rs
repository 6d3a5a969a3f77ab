//! Lets users change what is their own: how they are shown, their password, their sessions; and
//! whether they have an account at all.
//!
//! A new password takes two derivations, one after the other: first the present one is proved, then
//! the new one is made (see `hashing`). To delete the account the first is enough. What happened in
//! between counts: a session that has ended meanwhile can change nothing.
//!
//! A deleted account leaves a tombstone, so that what its user has said keeps a sender: the row of
//! the user, without names, password, friends or sessions.

use std::net::IpAddr;

use super::call::{PasswordChange, Typed};
use super::hashing::Task;
use super::limits::{Guess, Network};
use super::passwords::{Derivation, Parameters};
use super::{Answer, Caller, Logic, Refusal, Reply, Ticket};
use crate::data::{Account, StoreError};
use crate::entity::{DisplayName, Event, Password, Session, SessionId, UserId, UserName};
use crate::system::Now;

/// Somebody who wants something that needs their password besides their token.
#[derive(Debug)]
pub(super) struct Proof {
    caller: Caller,
    account: Account,
    guess: Guess,
    /// What was typed cannot be a password: it will be refused, and costs the same.
    hopeless: bool,
    purpose: Purpose,
}

/// What they want.
#[derive(Debug)]
enum Purpose {
    /// This as their new password.
    ChangePassword(Password),
    /// No account any more.
    DeleteAccount,
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
            self.store.set_display_name(me, new)?;
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
        self.prove(now, address, caller, &current, Purpose::ChangePassword(new), ticket)
    }

    pub(super) fn delete_me(
        &mut self,
        now: Now,
        address: IpAddr,
        caller: Caller,
        password: &Typed,
        ticket: Ticket,
    ) -> Result<Answer, Refusal> {
        self.prove(now, address, caller, password, Purpose::DeleteAccount, ticket)
    }

    /// Begins to prove what somebody has typed as their password.
    fn prove(
        &mut self,
        now: Now,
        address: IpAddr,
        caller: Caller,
        typed: &Typed,
        purpose: Purpose,
        ticket: Ticket,
    ) -> Result<Answer, Refusal> {
        let account = self.store.account(caller.user_id)?.ok_or(Refusal::Unauthorized)?;
        let guess = Guess::new(UserName::parse(&account.user.name).ok().as_ref(), address);
        self.limits.guess(now.mono, &guess)?;
        self.look_for_room(address)?;
        let password = Password::parse(&typed.0).ok();
        let typed = password.as_ref().map_or("", Password::as_str);
        let derivation = Derivation::new(typed.as_bytes(), &account.salt, account.iterations);
        let hopeless = password.is_none();
        let proof = Proof { caller, account, guess, hopeless, purpose };
        let task = Task::ProvePassword(Box::new(proof));
        self.hashing.begin(ticket, Network::of(address), derivation, task);
        Ok(Answer::Later)
    }

    /// The present password's key is there. If it is right, does what it was asked for; `None` if
    /// that takes another derivation.
    pub(super) fn proved(
        &mut self,
        now: Now,
        ticket: Ticket,
        proof: Proof,
        key: &[u8; 32],
    ) -> Result<Option<Reply>, Refusal> {
        let Proof { caller, account, guess, hopeless, purpose } = proof;
        // Whose session has ended is not told whether the password was right.
        self.check_session(caller)?;
        let network = guess.network();
        self.limits.guess(now.mono, &guess)?;
        if hopeless || !self.is_proved(&account, key)? {
            self.limits.guessed_wrong(now.mono, guess);
            return Err(Refusal::WrongPassword);
        }
        let new = match purpose {
            Purpose::ChangePassword(new) => new,
            Purpose::DeleteAccount => {
                self.remove_account(now, caller.user_id)?;
                return Ok(Some(Reply::Done));
            }
        };
        let (parameters, derivation) = self.derive(&new);
        let task = Task::SetPassword { caller, old: account.password, parameters };
        self.hashing.begin(ticket, network, derivation, task);
        Ok(None)
    }

    /// The new password's key is there, too. If another took the place of the `old` one meanwhile,
    /// what was proved is true no longer.
    pub(super) fn set_password(
        &mut self,
        caller: Caller,
        old: &[u8; 32],
        Parameters { salt, iterations }: Parameters,
        key: &[u8; 32],
    ) -> Result<Reply, Refusal> {
        self.check_session(caller)?;
        if !self.has_password(caller.user_id, old)? {
            return Err(Refusal::WrongPassword);
        }
        self.store.set_password(caller.user_id, &salt, iterations, key)?;
        self.end_sessions(caller.user_id, Some(caller.session_id))?;
        Ok(Reply::Done)
    }

    /// Refuses a caller whose session has ended since they asked.
    fn check_session(&self, caller: Caller) -> Result<(), Refusal> {
        self.store.session(caller.session_id)?.map(drop).ok_or(Refusal::Unauthorized)
    }

    /// Turns an account into a tombstone, and tells all who may know.
    pub(super) fn remove_account(&mut self, now: Now, me: UserId) -> Result<(), StoreError> {
        let fellows = self.fellow_members(me)?;
        self.leave_groups(me)?;
        self.remove_relations(me)?;
        self.end_sessions(me, None)?;
        self.store.delete_account(me, now.wall)?;
        self.cache.forget_rooms();
        if let Some(tombstone) = self.store.user(me)? {
            for fellow in fellows {
                self.tell(fellow, Event::UserUpdated(Box::new(tombstone.clone())));
            }
        }
        Ok(())
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

    /// Ends all sessions of a user, except perhaps one.
    pub(super) fn end_sessions(
        &mut self,
        user_id: UserId,
        except: Option<SessionId>,
    ) -> Result<(), StoreError> {
        for Session { id: session_id, .. } in self.store.sessions(user_id)? {
            if Some(session_id) != except {
                self.end(Caller { user_id, session_id })?;
            }
        }
        Ok(())
    }

    /// Ends a session, and with it its polls.
    pub(super) fn end(&mut self, session: Caller) -> Result<(), StoreError> {
        self.store.remove_session(session.session_id)?;
        self.cache.forget_sessions();
        self.ended.push(session);
        Ok(())
    }
}
