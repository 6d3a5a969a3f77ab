//! What must be true of answers that say that something was done, or tell what there is.

use std::rc::Rc;

use serde_json::Value;

use super::log::Entry;
use super::{Checks, Circumstances};
use crate::network::Given;
use crate::wire::{Request, Response, What};

impl Checks {
    pub(super) fn fulfilled(
        &mut self,
        request: &Request,
        given: Given,
        response: &Response,
        c: Circumstances,
    ) {
        let body = &response.body;
        match &request.what {
            What::LogOut => {
                assert_eq!(response.status, 204);
                assert!(self.accounts.ended(&request.token).is_some(), "the session goes on");
            }
            What::Register { .. } if request.is_for_another() => {
                self.trace.count("accounts of nobody");
                assert_eq!(response.status, 201, "to {request}");
            }
            What::Register { password, .. } | What::LogIn { password, .. } => {
                assert!(!request.is_for_another(), "a guess lets nobody in: {request}");
                assert_eq!(response.status, 201, "to {request}");
                let id = body["user"]["id"].as_i64().expect("an id");
                let token = body["token"].as_str().expect("a token");
                self.accounts.logged_in(request.person, id, token, password, c.turn);
                self.lifetimes.used(&Rc::from(token), c.now);
                let is_right = self.accounts.may_prove(id, password, c.turn);
                assert!(is_right, "a wrong password lets nobody in: {request}");
            }
            What::ChangePassword { current, .. } => {
                self.trace.count("passwords changed");
                let may_prove = self.accounts.may_prove(self.user(request), current, c.turn);
                assert!(may_prove, "a wrong password changes nothing: {request}");
                let are_ended = self.accounts.are_others_ended(&request.token);
                assert!(are_ended, "other sessions end with the password");
            }
            What::DeleteAccount { .. } => {
                self.trace.count("accounts deleted");
                self.deleted(self.user(request));
            }
            What::Block { user } => {
                self.trace.count("blocks");
                let me = self.user(request);
                let is_blocked = self.relations.may_see(me, *user, Some("blocked"));
                assert!(is_blocked && response.status == 204, "to {request}");
            }
            What::Acknowledge { cursor } => {
                self.trace.count("cursors acknowledged");
                let is_ones_own = self.places[&**cursor].user == self.user(request);
                assert!(is_ones_own && response.status == 204, "to {request}");
            }
            What::Unblock { .. } | What::Type { .. } => {
                assert_eq!(response.status, 204, "to {request}");
            }
            What::ShowAs { .. } => assert_eq!(body["user"]["id"], self.user(request)),
            What::Me => assert_eq!(body["user"]["id"], self.user(request), "to {request}"),
            What::State => self.state_answered(self.user(request), body, c),
            What::History { conversation } => {
                self.history_answered(self.user(request), *conversation, body);
            }
            What::Send { .. } => self.send_answered(request, given, response),
            What::Poll(poll) => self.answered_poll(request, poll, given, response, c),
            What::Accept { user } => assert_eq!(body["friend"]["user"]["id"], *user),
            What::AskFriend { name } => assert_eq!(body["friend"]["user"]["name"], *name),
            What::Read { conversation, .. } => {
                assert!(self.members.may_be_member(*conversation, self.user(request)), "{request}");
                assert_eq!(response.status, 204);
            }
            What::Unfriend { .. } => assert_eq!(response.status, 204),
            What::CreateGroup { .. } | What::AddMember { .. } | What::Rename { .. } => {
                self.trace.count("groups changed");
                self.check_conversation(self.user(request), &body["conversation"]);
                self.managed(request);
            }
            What::RemoveMember { .. } => {
                self.trace.count("members removed");
                assert_eq!(response.status, 204);
                self.managed(request);
            }
            What::Delete { .. } | What::Edit { .. } => self.change_answered(request, response),
        }
    }

    /// Of somebody who is gone, what they have said is left, and nothing else.
    fn deleted(&self, user: i64) {
        assert!(self.accounts.is_gone(user), "user {user} is still there");
        assert_eq!(self.relations.of(user).next(), None, "nobody is a friend of {user}");
        let mut groups = self.members.conversations_of(user);
        assert!(groups.all(|group| self.members.is_direct(group)), "{user} has left all groups");
    }

    /// Groups are managed by those who may, and friends alone are taken in.
    fn managed(&self, request: &Request) {
        let me = self.user(request);
        let (group, taken_in): (_, &[i64]) = match &request.what {
            What::RemoveMember { user, .. } if *user == me => return,
            What::RemoveMember { group, .. } | What::Rename { group, .. } => (*group, &[]),
            What::AddMember { group, user } => (*group, std::slice::from_ref(user)),
            What::CreateGroup { members, .. } => (0, members),
            _ => unreachable!("it manages nothing"),
        };
        assert!(
            group == 0 || self.members.may_be_owner(group, me),
            "only owners manage: {request}"
        );
        let are_friends = taken_in.iter().all(|&other| self.relations.may_be_friends(me, other));
        assert!(are_friends, "only friends are taken in: {request}");
    }

    fn change_answered(&self, request: &Request, response: &Response) {
        self.trace.count("messages changed");
        let (id, body) = match &request.what {
            What::Edit { message, body } => (*message, body.as_str()),
            What::Delete { message } => (*message, ""),
            _ => unreachable!("it changes nothing"),
        };
        let entry = self.check_message(self.user(request), &response.body["message"]);
        assert_eq!((response.status, entry.id), (200, id));
        assert_eq!(entry.sender, self.user(request), "one changes one's own messages: {request}");
        assert_eq!(response.body["message"]["body"], body, "to {request}");
    }

    fn state_answered(&mut self, user: i64, body: &Value, c: Circumstances) {
        assert_eq!(body["user"]["id"], user, "a state is the caller's own");
        let friends = body["friends"].as_array().expect("friends");
        for other in self.accounts.users() {
            let mut of_other = friends.iter().filter(|friend| friend["user"]["id"] == other);
            let state = of_other.next().map(|friend| friend["state"].as_str().expect("a state"));
            let may_see = self.relations.may_see(user, other, state);
            assert!(may_see, "{user} sees {other} as {state:?}");
        }
        // It may lie between two messages of its own turn.
        let cursor = body["cursor"].as_str().expect("a cursor");
        let stored = cursor.split('-').nth(2).and_then(|number| number.parse().ok());
        let number: i64 = stored.expect("a cursor tells what is stored");
        let possible = self.newest_before..=self.newest();
        assert!(possible.contains(&number), "a snapshot is of its turn: {number}, {possible:?}");
        for conversation in body["conversations"].as_array().expect("conversations") {
            self.check_conversation(user, conversation);
            self.check_last(user, conversation, number);
        }
        self.hand_out(body, user, number, c);
    }

    /// The last message that a snapshot shows is the last before its cursor.
    fn check_last(&self, user: i64, conversation: &Value, number: i64) {
        if self.is_unsettled() || self.accounts.is_unsettled(user) {
            return;
        }
        let id = conversation["id"].as_i64().expect("an id");
        let last = conversation["last_message"]["id"].as_i64();
        let shown = self.log.entries.iter().filter(|entry| {
            entry.conversation == id && entry.id <= number && self.members.shows(entry, user)
        });
        assert_eq!(last, shown.map(|entry| entry.id).max(), "the last of {id} before {number}");
    }

    fn history_answered(&self, user: i64, conversation: i64, body: &Value) {
        let messages = body["messages"].as_array().expect("messages");
        assert!(self.members.may_be_member(conversation, user), "of {conversation} to {user}");
        let got: Vec<_> =
            messages.iter().map(|message| self.check_message(user, message).id).collect();
        if self.members.is_unsettled() {
            return;
        }
        let of_this = self.log.entries.iter().filter(|entry| entry.conversation == conversation);
        let all: Vec<_> = of_this.filter(|entry| self.members.shows(entry, user)).collect();
        let before = all.iter().filter(|entry| entry.id <= self.newest_before).count();
        let newest = got.last().copied().unwrap_or(0);
        let end = all.iter().filter(|entry| entry.id <= newest).count();
        assert!(end >= before, "a history knows all that was committed before it was asked for");
        let start = end.saturating_sub(200);
        let ids: Vec<_> = all[start..end].iter().map(|entry| entry.id).collect();
        assert_eq!(got, ids, "a history is what was committed, in order");
        assert_eq!(body["more"], start > 0);
    }

    fn send_answered(&self, request: &Request, given: Given, response: &Response) {
        let What::Send { conversation, body, nonce } = &request.what else { unreachable!() };
        let message = &response.body["message"];
        let me = self.user(request);
        let entry = self.log.entry(message["id"].as_i64().expect("an id"));
        assert_eq!((entry.sender, entry.conversation, &entry.nonce), (me, *conversation, nonce));
        if response.status == 201 {
            self.trace.count("messages written");
            self.check_message(me, message);
            assert_eq!(message["body"], *body, "to {request}");
            assert!(entry.id > given.newest, "a message that is written now is new");
            let mut others = self.members.of(*conversation);
            let is_open = !self.members.is_direct(*conversation)
                || others.all(|other| self.relations.may_be_friends(me, other));
            assert!(is_open, "only friends may write to each other: {entry:?}");
        } else {
            // Also to one who has left since.
            self.trace.count("messages sent again");
            self.check_copy(me, message);
            assert!(nonce.is_some(), "only a nonce tells that something was said before");
            assert!(entry.has_changed() || entry.body == *body, "another body: {request}");
        }
    }

    pub(super) fn check_conversation(&self, user: i64, conversation: &Value) {
        let id = conversation["id"].as_i64().expect("an id");
        // Who makes a group and is gone in the same turn was a member in between.
        let may_be_gone = self.accounts.is_unsettled(user);
        let is_member = may_be_gone || self.members.may_be_member(id, user);
        assert!(is_member, "user {user} sees no conversation of others: {conversation}");
        if !conversation["last_message"].is_null() {
            self.check_message(user, &conversation["last_message"]);
        }
        if !self.is_unsettled() && !may_be_gone {
            self.check_unread(user, id, conversation);
        }
    }

    /// Unread is what others have said behind one's own mark; of this turn, perhaps not all.
    fn check_unread(&self, user: i64, id: i64, conversation: &Value) {
        let mut members = conversation["members"].as_array().expect("members").iter();
        let me = members.find(|member| member["user"]["id"] == user).expect("the caller is one");
        let read = me["last_read_id"].as_i64().expect("a mark");
        let is_unread = |entry: &&Entry| {
            let is_there = entry.conversation == id && entry.deleted_at.is_none();
            is_there && entry.sender != user && self.members.shows(entry, user)
        };
        let log = &self.log.entries;
        let behind = log.iter().rev().take_while(|entry| entry.id > read);
        let unread: Vec<i64> = behind.filter(is_unread).map(|entry| entry.id).collect();
        // What one has said in this turn moves the mark, which may not be told yet.
        let is_own = |entry: &&Entry| entry.conversation == id && entry.sender == user;
        let own = log.iter().rev().find(is_own).map_or(0, |entry| entry.id);
        let may_be_read = own > self.newest_before;
        let surely = |&&id: &&i64| id <= self.newest_before && !(may_be_read && id < own);
        let least = unread.iter().filter(surely).count() as u64;
        let told = conversation["unread"].as_u64().expect("a count");
        let may_be = (least..=unread.len() as u64).contains(&told);
        assert!(may_be, "{told} are unread, and these are: {unread:?} of {conversation}");
    }

    /// A message that leaves the server is meant for its reader.
    pub(super) fn check_message(&self, reader: i64, message: &Value) -> &Entry {
        let entry = self.check_copy(reader, message);
        let reads = self.members.may_show(entry, reader, self.newest_before);
        assert!(reads, "nobody sees a message of others: {entry:?} to {reader}");
        entry
    }

    /// And it is committed, and unaltered.
    fn check_copy(&self, reader: i64, message: &Value) -> &Entry {
        let entry = self.log.entry(message["id"].as_i64().expect("an id"));
        let body = message["body"].as_str().expect("a body");
        assert!(self.log.may_be(entry, body), "{message} is {entry:?}");
        assert_eq!(message["conversation_id"], entry.conversation);
        assert_eq!(message["sender_id"], entry.sender);
        assert_eq!(message["sent_at"], entry.sent_at);
        let nonce = if reader == entry.sender { entry.nonce.as_deref() } else { None };
        assert_eq!(message["nonce"].as_str(), nonce, "a nonce is between sender and server");
        entry
    }
}
