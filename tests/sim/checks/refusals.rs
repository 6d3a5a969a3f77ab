//! What must be true of refusals: each has a reason, at some moment of its turn.

use super::{Checks, Circumstances};
use crate::wire::{Request, Response, What};

impl Checks {
    /// It did not happen, and there was a reason.
    pub(super) fn failed(&self, request: &Request, response: &Response, c: Circumstances) {
        self.trace.count("answers 503");
        assert_eq!(response.code(), "unavailable");
        // A poll only reads; but that its session has ended, too, may not have been committed.
        let may_write = request.poll().is_none() || self.ending.contains_key(&request.token);
        let busy = request.is_slow() && c.hashing_is_bounded;
        let reason = c.draining || (c.full && may_write) || busy;
        assert!(reason, "{request} is answered with {response} for no reason");
    }

    /// It is not allowed, and there are only so many ways of that.
    pub(super) fn refused(&self, request: &Request, response: &Response) {
        let allowed: &[&str] = match &request.what {
            What::Accept { .. } => &["no_such_request"],
            What::AskFriend { .. } => &["already_friends", "no_such_user"],
            What::Register { .. } => &["name_taken"],
            What::Send { .. } => &["not_friends", "nonce_reused", "not_found"],
            What::Unfriend { .. }
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
        self.refused_among(request, response);
        if let What::Send { conversation, .. } = &request.what
            && response.code() == "not_friends"
        {
            let me = self.user(request);
            let others = self.members.of(*conversation);
            let may_be_refused = self.members.is_direct(*conversation)
                && others.into_iter().any(|other| self.may_be_strangers(me, other));
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
            assert!(is_other || (entry.body != *body && !entry.has_changed()), "{response}");
        }
    }

    /// Who is refused was not a member, or no owner, or no friend, at some moment of the turn.
    fn refused_among(&self, request: &Request, response: &Response) {
        let me = self.user(request);
        let (group, others): (i64, &[i64]) = match &request.what {
            What::History { conversation }
            | What::Read { conversation, .. }
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
            "not_friends" if !matches!(request.what, What::Send { .. }) => {
                others.iter().any(|&other| self.may_be_strangers(me, other))
            }
            "already_member" => others.iter().any(|&user| self.members.may_be_member(group, user)),
            _ => true,
        };
        assert!(reason, "{request} is answered with {response} for no reason");
    }

    /// Whether two were no friends at some moment of this turn.
    fn may_be_strangers(&self, one: i64, other: i64) -> bool {
        let pair = (one, other);
        let were = self.friends_before.contains(&pair) && self.friends.contains(&pair);
        one != other && (!were || self.parted.contains(&pair))
    }

    /// Whether two were friends at some moment of this turn.
    pub(super) fn may_be_friends(&self, one: i64, other: i64) -> bool {
        let sets = [&self.friends, &self.friends_before, &self.friends_briefly];
        one == other || sets.iter().any(|friends| friends.contains(&(one, other)))
    }
}
