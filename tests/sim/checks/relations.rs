//! Who is what to whom: now, and at the beginning of the turn.
//!
//! Each of two has a stance on the other, and what one of them sees follows from both. Whoever is
//! blocked sees nothing of it, and whoever blocks sees nothing of what the other one asks.

use std::collections::BTreeMap;

use lovejoy::data::{Stance, Store};
use lovejoy::entity::UserId;

/// All stances.
#[derive(Debug, Default)]
pub struct Relations {
    now: BTreeMap<(i64, i64), Stance>,
    before: BTreeMap<(i64, i64), Stance>,
    /// How often each two want to change in this turn what they are to each other.
    changing: BTreeMap<(i64, i64), u32>,
    changed: BTreeMap<(i64, i64), u32>,
    is_changing: bool,
    /// Somebody wants something of one who is not known.
    is_vague: bool,
    was_vague: bool,
}

impl Relations {
    /// One wants to change what two are to each other; whoever is not known yet is `None`.
    pub fn changing(&mut self, one: i64, other: Option<i64>) {
        self.is_changing = true;
        match other {
            Some(other) => *self.changing.entry(pair(one, other)).or_default() += 1,
            None => self.is_vague = true,
        }
    }

    /// Looks at what the turn has committed.
    pub fn look_into(&mut self, store: &Store, users: impl Iterator<Item = i64>) {
        self.before.clone_from(&self.now);
        self.changed = std::mem::take(&mut self.changing);
        self.was_vague = std::mem::take(&mut self.is_vague);
        if !std::mem::take(&mut self.is_changing) {
            return;
        }
        self.now.clear();
        for user in users {
            for relation in store.relations(UserId(user)).expect("readable") {
                let mine = relation.mine.map(|stance| ((user, relation.other.id.0), stance));
                self.now.extend(mine);
            }
        }
        let are_both = |(&(one, other), stance): (&(i64, i64), &Stance)| {
            *stance != Stance::Friend || self.now.get(&(other, one)) == Some(&Stance::Friend)
        };
        assert!(self.now.iter().all(are_both), "friends are two: {:?}", self.now);
    }

    /// What a user sees of another.
    pub fn seen(&self, user: i64, other: i64) -> Option<&'static str> {
        seen(&self.now, user, other)
    }

    /// Whether they may have seen that at some moment of this turn.
    pub fn may_see(&self, user: i64, other: i64, what: Option<&str>) -> bool {
        let moments = [seen(&self.now, user, other), seen(&self.before, user, other)];
        // Where two want something, there may have been anything in between.
        let is_unsettled = self.changed.get(&pair(user, other)).is_some_and(|&times| times > 1);
        is_unsettled || self.was_vague || moments.contains(&what)
    }

    /// Whether two were friends at some moment of this turn.
    pub fn may_be_friends(&self, one: i64, other: i64) -> bool {
        one == other || self.may_see(one, other, Some("friends"))
    }

    /// Whether they were none.
    pub fn may_be_strangers(&self, one: i64, other: i64) -> bool {
        let all = [None, Some("incoming"), Some("outgoing"), Some("blocked")];
        one != other && all.into_iter().any(|what| self.may_see(one, other, what))
    }

    /// All with whom a user has to do.
    pub fn of(&self, user: i64) -> impl Iterator<Item = i64> {
        self.now.keys().filter(move |(one, _)| *one == user).map(|(_, other)| *other)
    }
}

fn pair(one: i64, other: i64) -> (i64, i64) {
    (one.min(other), one.max(other))
}

fn seen(all: &BTreeMap<(i64, i64), Stance>, user: i64, other: i64) -> Option<&'static str> {
    match (all.get(&(user, other)), all.get(&(other, user))) {
        (Some(Stance::Blocked), _) => Some("blocked"),
        (Some(Stance::Friend), _) => Some("friends"),
        (Some(Stance::Asked), _) => Some("outgoing"),
        (None, Some(Stance::Asked)) => Some("incoming"),
        (None, _) => None,
    }
}
