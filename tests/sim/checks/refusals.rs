//! What must be true of refusals: each has a reason, at some moment of its turn.

use super::{Checks, Circumstances};
use crate::network::Given;
use crate::people::NAMES;
use crate::wire::{Request, Response, What};

impl Checks {
    /// It did not happen, and there was a reason.
    pub(super) fn failed(&self, request: &Request, response: &Response, c: Circumstances) {
        self.trace.count("answers 503");
        assert_eq!(response.code(), "unavailable");
        // A poll only reads; but that its session has ended, too, may not have been committed.
        let may_write = request.poll().is_none()
            || self.lifetimes.may_be_over(&request.token, c.now)
            || self.accounts.is_unsettled(self.user(request));
        let busy = request.is_slow() && c.hashing_is_bounded;
        let reason = c.draining || c.unreadable || (c.full && may_write) || busy;
        assert!(reason, "{request} is answered with {response} for no reason");
    }

    /// It is not allowed, and there are only so many ways of that.
    pub(super) fn refused(&self, request: &Request, given: Given, response: &Response) {
        let allowed: &[&str] = match &request.what {
            What::Accept { .. } => &["no_such_request"],
            What::AskFriend { .. } => &["already_friends", "blocked", "no_such_user"],
            What::ChangePassword { .. } | What::DeleteAccount { .. } => &["wrong_password"],
            What::Register { .. } => &["name_taken"],
            What::Send { .. } => &["not_friends", "nonce_reused", "not_found"],
            What::Type { .. } => &["not_friends", "not_found"],
            What::Unfriend { .. }
            | What::Block { .. }
            | What::Unblock { .. }
            | What::Delete { .. }
            | What::History { .. }
            | What::Read { .. } => &["not_found"],
            What::Edit { .. } => &["not_found", "not_friends", "message_deleted"],
            What::CreateGroup { .. } => &["not_friends"],
            What::Rename { .. } | What::RemoveMember { .. } => &["not_found", "not_owner"],
            What::AddMember { .. } => &["not_found", "not_owner", "not_friends", "already_member"],
            _ => &[],
        };
        assert!(allowed.contains(&response.code()), "{request} is answered with {response}");
        if request.is_login() {
            return;
        }
        self.refused_among(request, response);
        self.refused_by_relation(request, response);
        if let What::ChangePassword { current: password, .. } | What::DeleteAccount { password } =
            &request.what
        {
            let me = self.user(request);
            let is_wrong = self.accounts.may_not_prove(me, password, given.turn);
            assert!(is_wrong, "{request} is answered with {response} for no reason");
        }
        if let What::Send { conversation, .. } | What::Type { conversation } = &request.what
            && response.code() == "not_friends"
        {
            let me = self.user(request);
            let others = self.members.of(*conversation);
            let may_be_refused = self.members.is_direct(*conversation)
                && others.into_iter().any(|other| self.relations.may_be_strangers(me, other));
            assert!(may_be_refused, "friends may write to each other: {request}");
        }
        if let What::Send { conversation, body, nonce } = &request.what
            && response.code() == "nonce_reused"
        {
            self.trace.count("nonces refused");
            let nonce = nonce.clone().expect("a nonce that is used again");
            let id = self.nonces.get(&(self.user(request), nonce)).expect("a nonce that was used");
            let entry = self.log.entry(*id);
            let is_other = entry.conversation != *conversation;
            let was_said = self.log.first_body(entry);
            assert!(is_other || was_said.is_some_and(|said| said != body), "{request}: {response}");
        }
    }

    /// A name and a password that belong together let in.
    pub(super) fn not_let_in(&self, request: &Request, given: Given, response: &Response) {
        self.trace.count("logins refused");
        assert_eq!(response.code(), "bad_credentials", "to {request}");
        let What::LogIn { password, .. } = &request.what else { panic!("{request}: {response}") };
        let account = self.accounts.of.get(&request.person);
        let is_right = account
            .is_some_and(|&account| !self.accounts.may_not_prove(account, password, given.turn));
        assert!(!is_right, "{request} is answered with {response} for no reason");
    }

    /// What two are to each other is a reason where it is so.
    fn refused_by_relation(&self, request: &Request, response: &Response) {
        let other = match &request.what {
            What::AskFriend { name } => {
                let person = NAMES.iter().position(|known| known == name);
                person.and_then(|person| self.accounts.of.get(&person)).copied()
            }
            What::Accept { user }
            | What::Unfriend { user }
            | What::Block { user }
            | What::Unblock { user } => Some(*user),
            _ => return,
        };
        let Some(other) = other else { return };
        let me = self.user(request);
        let sees = |what| self.relations.may_see(me, other, what);
        let reason = match response.code() {
            "already_friends" => sees(Some("friends")),
            "blocked" => sees(Some("blocked")),
            "no_such_request" => sees(None) || sees(Some("outgoing")) || sees(Some("blocked")),
            "not_found" if matches!(request.what, What::Unfriend { .. }) => {
                sees(None) || sees(Some("blocked"))
            }
            // There is no such user.
            _ => self.accounts.is_gone(other),
        };
        assert!(reason, "{request} is answered with {response} for no reason");
    }

    /// Who is refused was not a member, or no owner, or no friend, at some moment of the turn.
    fn refused_among(&self, request: &Request, response: &Response) {
        let me = self.user(request);
        let (group, others): (i64, &[i64]) = match &request.what {
            What::History { conversation }
            | What::Read { conversation, .. }
            | What::Type { conversation }
            | What::Send { conversation, .. } => (*conversation, &[]),
            What::Rename { group, .. } => (*group, &[]),
            What::AddMember { group, user } | What::RemoveMember { group, user } => {
                (*group, std::slice::from_ref(user))
            }
            What::CreateGroup { members, .. } => (0, members),
            What::Delete { message } | What::Edit { message, .. } => {
                let entry = self.log.entry(*message);
                let gone = self.members.may_hide(entry, me);
                assert!(gone || response.code() != "not_found", "{request} got {response}");
                let deleted = entry.deleted_at.is_some();
                assert!(
                    deleted || response.code() != "message_deleted",
                    "{request} got {response}"
                );
                return;
            }
            _ => return,
        };
        let reason = match response.code() {
            "not_found" => {
                let mut whom = others.iter().chain([&me]);
                whom.any(|&user| self.members.may_be_none(group, user))
            }
            "not_owner" => self.members.may_be_no_owner(group, me),
            "not_friends" if !matches!(request.what, What::Send { .. } | What::Type { .. }) => {
                others.iter().any(|&other| self.relations.may_be_strangers(me, other))
            }
            "already_member" => others.iter().any(|&user| self.members.may_be_member(group, user)),
            _ => true,
        };
        assert!(reason, "{request} is answered with {response} for no reason");
    }
}
