//! Slows down whoever does too much: guesses passwords, makes accounts, asks for friends, talks,
//! types.
//!
//! Knows how often who may do what, and nothing of what that does; the time is an argument. Rules:
//! 1. *Token buckets.* Each key has a bucket of tokens, which is refilled one by one at an even
//!    pace; whoever finds none left waits for the next. A refusal takes nothing, so that the
//!    waiting time told is true, and trying in vain does not prolong it.
//! 2. *A bucket is one moment*: when it will be full again. How much is in it follows from that and
//!    the present time, exactly and without rounding (the generic cell rate algorithm).
//! 3. *A full bucket is no bucket*: it is dropped, and nothing is lost.
//! 4. *Memory is bounded.* Each kind has a fixed number of places; when all are taken, the bucket
//!    that would be full first makes room. That favours strangers, and never locks anybody out.
//! 5. An IPv6 address counts as the /64 it is in, since whoever has one of these addresses has all
//!    of them.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use super::{Origin, Refusal};
use crate::config::Config;
use crate::entity::{UserId, UserName};
use crate::map::{Key, Map, secret_hash};
use crate::system::Mono;

/// What is limited before it is even looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limited {
    /// Per user.
    FriendRequest,
    /// Per user, including messages that are sent again.
    Message,
    /// Per address. Only an attempt that gets as far as hashing a password takes a token: mistyping
    /// is not punished.
    Registration,
    /// Per user.
    Typing,
    /// Per address: refusals that are told at once.
    Refusal,
}

/// The buckets of everybody.
#[derive(Debug)]
pub(super) struct RateLimits {
    enabled: bool,
    failed_passwords: Buckets<Guess>,
    friend_requests: Buckets<UserId>,
    messages: Buckets<UserId>,
    refusals: Buckets<Network>,
    registrations: Buckets<Network>,
    typing: Buckets<UserId>,
}

/// For which account and from where a password was tried: so nobody can lock somebody else out from
/// elsewhere, and one address guesses at one account only at that pace.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Guess {
    /// As names are compared; empty for what is not a valid name, and so nobody's.
    name_key: Box<str>,
    network: Network,
}

impl RateLimits {
    pub(super) fn new(config: &Config) -> Self {
        let buckets = |count: u32, time: Duration| Rate { pause: time / count, burst: count };
        let places = config.rate_limit_entries_max;
        let messages = Rate {
            burst: config.messages_burst_max,
            ..buckets(config.messages_per_second_max, SECOND)
        };
        Self {
            enabled: config.rate_limits,
            failed_passwords: Buckets::new(
                buckets(config.failed_passwords_max, FAILED_PASSWORDS_TIME),
                places,
            ),
            friend_requests: Buckets::new(buckets(config.friend_requests_max, HOUR), places),
            messages: Buckets::new(messages, places),
            refusals: Buckets::new(REFUSALS, places),
            registrations: Buckets::new(buckets(config.registrations_max, HOUR), places),
            typing: Buckets::new(buckets(config.typing_per_second_max, SECOND), places),
        }
    }

    /// Lets in or refuses what somebody is about to do.
    pub(super) fn admit(
        &mut self,
        now: Mono,
        origin: Origin,
        what: Limited,
    ) -> Result<(), Refusal> {
        if !self.enabled {
            return Ok(());
        }
        let user = origin.caller.map(|caller| caller.user_id);
        match (what, user) {
            (Limited::FriendRequest, Some(user)) => self.friend_requests.take(now, user),
            (Limited::Message, Some(user)) => self.messages.take(now, user),
            (Limited::Typing, Some(user)) => self.typing.take(now, user),
            (Limited::Refusal, _) => self.refusals.take(now, Network::of(origin.address)),
            (Limited::Registration, _) => {
                self.registrations.look(now, &Network::of(origin.address))
            }
            // Without a caller nobody is let in anyway; there is nothing to count.
            (Limited::FriendRequest | Limited::Message | Limited::Typing, None) => Ok(()),
        }
    }

    /// An account is about to be made.
    pub(super) fn registration(&mut self, now: Mono, address: IpAddr) -> Result<(), Refusal> {
        if !self.enabled {
            return Ok(());
        }
        self.registrations.take(now, Network::of(address))
    }

    /// Whether a password may be tried, and whether the outcome may be told. Asked before it is
    /// hashed and again after, so that trying many at once gets no more answers than trying them
    /// one after another.
    pub(super) fn guess(&self, now: Mono, guess: &Guess) -> Result<(), Refusal> {
        if self.enabled { self.failed_passwords.look(now, guess) } else { Ok(()) }
    }

    /// A password was wrong.
    pub(super) fn guessed_wrong(&mut self, now: Mono, guess: Guess) {
        if self.enabled {
            // Without a token left it would have been refused before.
            let _ = self.failed_passwords.take(now, guess);
        }
    }
}

impl Key for Guess {
    fn hash(&self) -> u64 {
        secret_hash(self)
    }
}

impl Guess {
    pub(super) fn network(&self) -> Network {
        self.network
    }

    pub(super) fn new(name: Option<&UserName>, address: IpAddr) -> Self {
        let name_key = name.map(UserName::key).unwrap_or_default().into_boxed_str();
        Self { name_key, network: Network::of(address) }
    }
}

/// Addresses that belong to one customer of a provider, as far as can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Network(IpAddr);

impl Key for Network {
    fn hash(&self) -> u64 {
        secret_hash(self)
    }
}

impl Network {
    /// This machine's own.
    pub(super) const HERE: Self = Self(IpAddr::V4(Ipv4Addr::LOCALHOST));

    /// One of its addresses.
    pub(super) fn address(self) -> IpAddr {
        self.0
    }

    pub(super) fn of(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V4(address) => IpAddr::V4(address),
            IpAddr::V6(address) => {
                IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)))
            }
        })
    }
}

/// How fast a bucket is refilled, and how much it holds.
#[derive(Clone, Copy, Debug)]
struct Rate {
    /// From one token to the next.
    pause: Duration,
    /// At least 1.
    burst: u32,
}

/// One bucket for each key.
#[derive(Debug)]
struct Buckets<K> {
    rate: Rate,
    places: usize,
    /// When each is full again.
    full_at: Map<K, Mono>,
    /// The places of these, by time.
    order: BTreeSet<(Mono, u32)>,
}

impl<K: Clone + Key> Buckets<K> {
    fn new(rate: Rate, places: usize) -> Self {
        Self { rate, places, full_at: Map::default(), order: BTreeSet::new() }
    }

    /// Whether there is a token.
    fn look(&self, now: Mono, key: &K) -> Result<(), Refusal> {
        let missing = self.full_at.get(key).map_or(Duration::ZERO, |full_at| full_at.since(now));
        let retry = missing.saturating_sub(self.rate.pause * (self.rate.burst - 1));
        if retry.is_zero() { Ok(()) } else { Err(Refusal::RateLimited { retry }) }
    }

    /// Takes one.
    fn take(&mut self, now: Mono, key: K) -> Result<(), Refusal> {
        self.look(now, &key)?;
        let place = self.full_at.place_or_insert_with(key, || now);
        // While it is in no order, no room is made of it.
        let before = self.full_at.at(place).map_or(now, |(_, &before)| before);
        self.order.remove(&(before, place));
        self.make_room(now);
        let full_at = before.max(now).plus(self.rate.pause);
        if let Some(known) = self.full_at.at_mut(place) {
            *known = full_at;
        }
        self.order.insert((full_at, place));
        assert_eq!(self.order.len(), self.full_at.len(), "two indexes of one thing");
        Ok(())
    }

    /// Drops full buckets, more than come where possible, and always enough to make room.
    fn make_room(&mut self, now: Mono) {
        for _ in 0..2 {
            let has_room = self.order.len() < self.places;
            if self.order.first().is_some_and(|(full_at, _)| !has_room || *full_at <= now)
                && let Some((_, place)) = self.order.pop_first()
                && let Some((key, _)) = self.full_at.at(place)
            {
                self.full_at.remove(&key.clone());
            }
        }
    }
}

/// The window in which `failed_passwords_max` counts.
const FAILED_PASSWORDS_TIME: Duration = Duration::from_secs(300);

/// For refusals that are told at once: more than anybody gets by mistake, and too few to be a
/// burden.
const REFUSALS: Rate = Rate { pause: Duration::from_millis(10), burst: 1000 };

const SECOND: Duration = Duration::from_secs(1);

const HOUR: Duration = Duration::from_secs(3600);

#[cfg(test)]
mod tests {
    use super::*;

    const START: Mono = Mono(5_000_000);

    fn seconds(seconds: u64) -> Mono {
        START.plus(Duration::from_secs(seconds))
    }

    /// Three at once, then one every ten seconds.
    fn buckets(places: usize) -> Buckets<u32> {
        Buckets::new(Rate { pause: Duration::from_secs(10), burst: 3 }, places)
    }

    fn retry(result: Result<(), Refusal>) -> Option<Duration> {
        match result {
            Ok(()) => None,
            Err(Refusal::RateLimited { retry }) => Some(retry),
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn a_bucket_gives_what_it_holds_and_then_one_at_a_time() {
        let mut buckets = buckets(8);
        for _ in 0..3 {
            assert_eq!(retry(buckets.take(START, 1)), None);
        }
        assert_eq!(retry(buckets.take(START, 1)), Some(Duration::from_secs(10)));
        let almost = Mono(seconds(10).0 - 1);
        assert_eq!(retry(buckets.take(almost, 1)), Some(Duration::from_micros(1)), "exactly");
        assert_eq!(retry(buckets.take(seconds(10), 1)), None);
        assert_eq!(retry(buckets.take(seconds(10), 1)), Some(Duration::from_secs(10)));
        assert_eq!(retry(buckets.take(seconds(10), 2)), None, "others have their own");
    }

    #[test]
    fn after_a_rest_a_bucket_is_full_and_not_fuller() {
        let mut buckets = buckets(8);
        for round in 0..3 {
            let now = seconds(round * 1000);
            for _ in 0..3 {
                assert_eq!(retry(buckets.take(now, 1)), None);
            }
            assert!(buckets.take(now, 1).is_err());
        }
    }

    #[test]
    fn to_look_and_to_be_refused_takes_nothing() {
        let mut buckets = buckets(8);
        for _ in 0..9 {
            assert_eq!(retry(buckets.look(START, &1)), None);
        }
        for _ in 0..9 {
            let _ = buckets.take(START, 1);
        }
        assert_eq!(retry(buckets.look(seconds(10), &1)), None);
    }

    #[test]
    fn full_buckets_leave() {
        let mut buckets = buckets(100);
        for key in 0..50 {
            buckets.take(START, key).unwrap();
        }
        for round in 0..50 {
            buckets.take(seconds(30 + 10 * round), 99).unwrap();
        }
        assert_eq!(buckets.full_at.len(), 1);
    }

    #[test]
    fn there_are_never_more_buckets_than_places_and_the_fullest_goes_first() {
        let mut buckets = buckets(4);
        for _ in 0..3 {
            buckets.take(START, 0).unwrap();
        }
        for key in 1..1000 {
            assert_eq!(retry(buckets.take(START, key)), None);
            assert!(buckets.full_at.len() <= 4);
        }
        assert!(buckets.look(START, &0).is_err(), "the emptiest is remembered");
    }

    #[test]
    fn an_ipv6_address_counts_with_its_neighbours() {
        let network = |text: &str| Network::of(text.parse().unwrap());
        assert_eq!(network("2001:db8:1:2::1"), network("2001:db8:1:2:ffff::"));
        assert_ne!(network("2001:db8:1:2::1"), network("2001:db8:1:3::1"));
        assert_eq!(network("::ffff:192.0.2.1"), network("192.0.2.1"));
        assert_ne!(network("192.0.2.1"), network("192.0.2.2"));
        assert_ne!(network("::ffff:192.0.2.1"), network("::ffff:192.0.2.2"));
    }
}
