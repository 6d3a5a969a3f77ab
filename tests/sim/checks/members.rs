//! Who is in which conversation, and since when: now, and at the beginning of the turn.

use std::collections::{BTreeMap, BTreeSet};

use lovejoy::data::Store;
use lovejoy::entity::{ConversationId, Kind, Role};

use super::log::Entry;

/// All memberships.
#[derive(Debug, Default)]
pub struct Members {
    /// After which number each member of each conversation came.
    now: BTreeMap<(i64, i64), i64>,
    before: BTreeMap<(i64, i64), i64>,
    /// When each last left each conversation.
    left_at: BTreeMap<(i64, i64), u64>,
    /// Who owns each group, now and at the beginning of the turn.
    owners: BTreeMap<i64, i64>,
    owners_before: BTreeMap<i64, i64>,
    direct: BTreeSet<i64>,
    /// How many conversations there are; their ids are the numbers from 1 on.
    count: i64,
    /// The groups that somebody wants to change in this turn.
    changing: BTreeSet<i64>,
    changed: BTreeSet<i64>,
    /// Who was to leave which conversation, if they did or not.
    leaving: BTreeSet<(i64, i64)>,
}

impl Members {
    /// Somebody wants to change who is in a group.
    pub fn changing(&mut self, conversation: i64) {
        self.changing.insert(conversation);
    }

    /// Somebody wants a user to leave.
    pub fn leaving(&mut self, conversation: i64, user: i64) {
        self.changing(conversation);
        self.leaving.insert((conversation, user));
    }

    /// Whether somebody may have come or gone in this turn.
    pub fn is_unsettled(&self) -> bool {
        !self.changed.is_empty()
    }

    /// Looks at what the turn has committed.
    pub fn look_into(&mut self, store: &Store, now: u64) {
        self.before.clone_from(&self.now);
        self.owners_before.clone_from(&self.owners);
        self.changed = std::mem::take(&mut self.changing);
        for conversation in self.changed.clone() {
            self.load(store, conversation);
        }
        while self.load(store, self.count + 1) {
            self.count += 1;
        }
        let left = self.before.iter().filter(|(place, after)| self.now.get(place) != Some(after));
        self.left_at.extend(left.map(|(place, _)| (*place, now)));
    }

    /// When each user last left each conversation, if they came back or not.
    pub fn left_at(&self) -> impl Iterator<Item = (i64, i64, u64)> {
        self.left_at.iter().map(|(&(conversation, user), &at)| (conversation, user, at))
    }

    /// Whether a user, who may have come back, even in the same turn, has left a conversation.
    pub fn may_have_left(&self, conversation: i64, user: i64) -> bool {
        self.leaving.contains(&(conversation, user))
    }

    /// Whether there is such a conversation.
    fn load(&mut self, store: &Store, conversation: i64) -> bool {
        let seats = store.seats(ConversationId(conversation)).expect("readable");
        let owners = seats.iter().filter(|seat| seat.role == Role::Owner);
        let owners: Vec<i64> = owners.map(|seat| seat.user_id.0).collect();
        let kind = store.conversation_kind(ConversationId(conversation)).expect("readable");
        if kind == Some(Kind::Direct) {
            self.direct.insert(conversation);
        }
        let is_group = kind == Some(Kind::Group) && !seats.is_empty();
        assert_eq!(owners.len(), usize::from(is_group), "a group has one owner");
        self.owners.remove(&conversation);
        self.owners.extend(owners.first().map(|owner| (conversation, *owner)));
        self.now.retain(|(place, _), _| *place != conversation);
        for seat in &seats {
            self.now.insert((conversation, seat.user_id.0), seat.after_id.0);
        }
        kind.is_some()
    }

    pub fn conversations(&self) -> impl Iterator<Item = i64> + use<> {
        1..=self.count
    }

    /// Who is in a conversation now.
    pub fn of(&self, conversation: i64) -> impl Iterator<Item = i64> {
        let all = self.now.range((conversation, i64::MIN)..=(conversation, i64::MAX));
        all.map(|((_, user), _)| *user)
    }

    /// The conversations that a user is in.
    pub fn conversations_of(&self, user: i64) -> impl Iterator<Item = i64> {
        let all = self.now.keys().filter(move |(_, member)| *member == user);
        all.map(|(conversation, _)| *conversation)
    }

    pub fn is_member(&self, conversation: i64, user: i64) -> bool {
        self.now.contains_key(&(conversation, user))
    }

    pub fn is_direct(&self, conversation: i64) -> bool {
        self.direct.contains(&conversation)
    }

    /// Whether a user owned a group at some moment of this turn.
    pub fn may_be_owner(&self, group: i64, user: i64) -> bool {
        let owned = [&self.owners, &self.owners_before].map(|owners| owners.get(&group));
        owned.contains(&Some(&user)) || self.changed.contains(&group)
    }

    /// Whether they did not at some moment.
    pub fn may_be_no_owner(&self, group: i64, user: i64) -> bool {
        let owned = [&self.owners, &self.owners_before].map(|owners| owners.get(&group));
        owned != [Some(&user); 2] || self.changed.contains(&group)
    }

    /// Whether a user was a member at some moment of this turn, as far as can be told.
    pub fn may_be_member(&self, conversation: i64, user: i64) -> bool {
        let place = (conversation, user);
        let is_unsettled = self.changed.contains(&conversation);
        is_unsettled || self.now.contains_key(&place) || self.before.contains_key(&place)
    }

    /// Whether they were none at some moment.
    pub fn may_be_none(&self, conversation: i64, user: i64) -> bool {
        let place = (conversation, user);
        let always = self.now.contains_key(&place) && self.before.contains_key(&place);
        self.changed.contains(&conversation) || !always
    }

    /// Whether a user is to see a message.
    pub fn shows(&self, entry: &Entry, user: i64) -> bool {
        let after = self.now.get(&(entry.conversation, user));
        after.is_some_and(|&after| after < entry.id)
    }

    /// Whether a message was out of a user's sight at some moment of this turn.
    pub fn may_hide(&self, entry: &Entry, user: i64) -> bool {
        let place = (entry.conversation, user);
        let sees = |all: &BTreeMap<_, i64>| all.get(&place).is_some_and(|&after| after < entry.id);
        !sees(&self.now) || !sees(&self.before) || self.changed.contains(&entry.conversation)
    }

    /// Whether they were to see it at some moment of this turn, before which there were messages up
    /// to `newest_before`. Who has come and gone in it was a member only of what was said in it.
    pub fn may_show(&self, entry: &Entry, user: i64, newest_before: i64) -> bool {
        let place = (entry.conversation, user);
        let sees = |all: &BTreeMap<_, i64>| all.get(&place).is_some_and(|&after| after < entry.id);
        let came_and_went =
            self.leaving.contains(&place) && self.changed.contains(&entry.conversation);
        sees(&self.now) || sees(&self.before) || came_and_went && entry.id > newest_before
    }
}
