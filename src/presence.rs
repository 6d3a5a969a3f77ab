//! Knows who is online, derived from the polls.
//!
//! A user is online while one of their polls is held and for a grace time after the last of them
//! ended, so that the gap between two polls does not flicker. None of this is stored here; who must
//! be told of a change, and what is kept of it, is not this file's business.
//!
//! The grace time is the same for all, so the ends of polls queue up in the order in which they
//! will matter, and each costs O(1): `leaving` holds one entry for each end of a last poll, and an
//! entry counts only if nothing has happened to its user since.

use std::collections::VecDeque;
use std::time::Duration;

use crate::chunks::{self, give_back};
use crate::entity::{Timestamp, UserId};
use crate::map::Map;
use crate::system::{Mono, Now};

/// Everybody who is online.
#[derive(Debug)]
pub struct Presence {
    grace: Duration,
    /// Past this number, those who hold no poll get no grace.
    here_max: usize,
    here: Map<UserId, Here>,
    leaving: VecDeque<(Mono, UserId)>,
}

/// One who is online.
#[derive(Debug)]
struct Here {
    /// How many of their polls are held.
    polls: u32,
    /// If no poll is held: offline from then on. 32 bits wrap after 71 minutes, and no grace time
    /// is longer than an hour.
    until_micros: u32,
    /// When a poll of theirs last came or ended.
    seen_at: Timestamp,
}

impl Here {
    /// Whether no poll is held, and the last of them ended so that this is its grace time's end.
    fn is_last_end(&self, until: Mono) -> bool {
        self.polls == 0 && self.until_micros == micros_of(until)
    }
}

/// The low bits of a time, which are those that change.
#[expect(clippy::cast_possible_truncation, reason = "that is what is wanted")]
fn micros_of(time: Mono) -> u32 {
    time.0 as u32
}

/// This many stale entries do no harm.
const SPARE: usize = 64;

impl Presence {
    /// Nobody is online yet.
    pub fn new(grace: Duration, here_max: usize) -> Self {
        Self { grace, here_max, here: Map::default(), leaving: VecDeque::new() }
    }

    /// A poll of the user came. Returns whether that brought them online.
    pub fn hold(&mut self, user: UserId, now: Now) -> bool {
        let mut came = false;
        let here = self.here.get_or_insert_with(user, || {
            came = true;
            Here { polls: 0, until_micros: 0, seen_at: now.wall }
        });
        here.polls += 1;
        here.seen_at = now.wall;
        came
    }

    /// A poll of the user ended, whichever way.
    pub fn release(&mut self, user: UserId, now: Now) {
        // invariant: `hold` came first, and whoever holds a poll is not forgotten.
        let here = self.here.get_mut(&user).expect("a poll that ends was held");
        here.polls = here.polls.checked_sub(1).expect("a poll ends once");
        here.seen_at = now.wall;
        if here.polls == 0 {
            let until = now.mono.plus(self.grace);
            here.until_micros = micros_of(until);
            chunks::push(&mut self.leaving, (until, user));
            self.forget_the_settled();
        }
    }

    /// Whoever comes and goes again and again leaves entries behind that no longer count: they
    /// never become more than twice as many as those who are here.
    fn forget_the_settled(&mut self) {
        if self.leaving.len() > 2 * self.here.len() + SPARE {
            let here = &self.here;
            self.leaving.retain(|&(until, user)| {
                here.get(&user).is_some_and(|here| here.is_last_end(until))
            });
        }
    }

    /// Takes out one of those whose grace time is over, with the time they were last seen.
    pub fn next_gone(&mut self, now: Mono) -> Option<(UserId, Timestamp)> {
        self.pass_over_the_settled();
        let &(until, user) = self.leaving.front()?;
        if until > now && self.here.len() <= self.here_max {
            return None;
        }
        let here = self.here.remove(&user)?;
        self.pass_over_the_settled();
        Some((user, here.seen_at))
    }

    /// What no longer counts must not stay in front: the server would wake up for nothing.
    fn pass_over_the_settled(&mut self) {
        while let Some(&(until, user)) = self.leaving.front() {
            if self.here.get(&user).is_some_and(|here| here.is_last_end(until)) {
                return;
            }
            self.leaving.pop_front();
            give_back(&mut self.leaving);
        }
    }

    /// When to look for those who are gone.
    pub fn next_deadline(&self) -> Option<Mono> {
        let is_full = self.here.len() > self.here_max;
        self.leaving.front().map(|&(until, _)| if is_full { Mono(0) } else { until })
    }

    /// How many are online.
    #[expect(clippy::len_without_is_empty, reason = "nobody asks")]
    pub fn len(&self) -> usize {
        self.here.len()
    }

    /// If the user is online, when a poll of theirs last came or ended.
    pub fn seen_at(&self, user: UserId) -> Option<Timestamp> {
        self.here.get(&user).map(|here| here.seen_at)
    }

    /// Everybody who is online, with the time a poll of theirs last came or ended.
    pub fn online(&self) -> impl Iterator<Item = (UserId, Timestamp)> + '_ {
        self.here.iter().map(|(&user, here)| (user, here.seen_at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANNA: UserId = UserId(1);

    fn at(seconds: u64) -> Now {
        Now { mono: Mono(seconds * 1_000_000), wall: Timestamp((seconds * 1_000).cast_signed()) }
    }

    fn presence() -> Presence {
        Presence::new(Duration::from_secs(10), 3)
    }

    #[test]
    fn one_is_online_while_a_poll_is_held() {
        let mut presence = presence();
        assert!(presence.hold(ANNA, at(0)));
        assert_eq!(presence.next_deadline(), None);
        assert_eq!(presence.next_gone(at(1000).mono), None);
        assert!(presence.seen_at(ANNA).is_some());
    }

    #[test]
    fn the_gap_between_two_polls_does_not_flicker() {
        let mut presence = presence();
        presence.hold(ANNA, at(0));
        presence.release(ANNA, at(25));
        assert!(!presence.hold(ANNA, at(34)), "came back within the grace time");
        assert_eq!(presence.next_gone(at(36).mono), None, "the first end no longer counts");
        presence.release(ANNA, at(59));
        assert_eq!(presence.next_gone(at(68).mono), None);
        assert_eq!(presence.next_gone(at(69).mono), Some((ANNA, Timestamp(59_000))));
        assert_eq!(presence.next_gone(at(69).mono), None, "told once");
        assert!(presence.hold(ANNA, at(70)), "came back from being offline");
    }

    #[test]
    fn where_too_many_are_here_those_without_a_poll_leave_at_once() {
        let mut presence = presence();
        for user in 1..=4 {
            presence.hold(UserId(user), at(0));
        }
        presence.release(UserId(2), at(1));
        presence.release(UserId(3), at(2));
        assert_eq!(presence.next_deadline(), Some(at(0).mono));
        assert_eq!(presence.next_gone(at(2).mono), Some((UserId(2), Timestamp(1_000))));
        assert_eq!(presence.next_gone(at(2).mono), None, "three are not too many");
    }

    #[test]
    fn behind_one_who_is_gone_an_end_that_no_longer_counts_wakes_nobody() {
        let mut presence = presence();
        for (user, end) in [(ANNA, at(1)), (UserId(2), at(2))] {
            presence.hold(user, at(0));
            presence.release(user, end);
        }
        presence.hold(UserId(2), at(3));
        assert_eq!(presence.next_gone(at(11).mono), Some((ANNA, Timestamp(1_000))));
        assert_eq!(presence.next_deadline(), None, "there is nobody who could leave");
    }

    #[test]
    fn who_comes_and_goes_leaves_no_trail() {
        let mut presence = presence();
        for _ in 0..1_000 {
            presence.hold(ANNA, at(0));
            presence.release(ANNA, at(0));
        }
        presence.hold(ANNA, at(1));
        presence.release(ANNA, at(1));
        assert!(presence.leaving.len() <= SPARE + 3, "{}", presence.leaving.len());
        assert_eq!(presence.next_gone(at(11).mono), Some((ANNA, Timestamp(1_000))));
    }

    #[test]
    fn with_two_polls_the_last_end_counts() {
        let mut presence = presence();
        presence.hold(ANNA, at(0));
        assert!(!presence.hold(ANNA, at(0)), "was online already");
        presence.release(ANNA, at(1));
        assert_eq!(presence.next_deadline(), None);
        presence.release(ANNA, at(5));
        assert_eq!(presence.next_deadline(), Some(at(15).mono));
    }
}
