//! Finds things by key, at a cost that never jumps: linear hashing (Litwin 1980).
//!
//! A map that doubles copies everything that it holds at that moment, and has room for twice as
//! much afterwards. This one grows by one bucket with each thing that is added, and shrinks
//! likewise. Rules:
//! 1. There are as many buckets as things, or a few more: so a bucket has one thing on average.
//! 2. The keys of bucket `b` are those whose hash ends in the bits of `b`: in as many bits as the
//!    number of the highest bucket has, or in one less if that bucket does not exist yet. So a new
//!    bucket takes its things from one other, and gives them back when it goes.
//! 3. A thing costs its own size and that of its key, plus 8 bytes: a link to the next in its
//!    bucket, and the bucket.
//!
//! Knows neither what is kept nor whose keys these are. The hash of our own numbers is not secret;
//! that of a key which a peer can choose has to be.

use std::hash::{BuildHasher as _, Hash, RandomState};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::LazyLock;

use crate::chunks::{Slots, Sparse};

/// What things can be found by.
pub trait Key: Eq {
    /// A number whose bits all depend on the key; equal for equal keys.
    fn hash(&self) -> u64;
}

/// What is random already, like the hash of a secret, needs no mixing.
impl Key for [u8; 16] {
    fn hash(&self) -> u64 {
        let (first, _) = self.as_chunks::<8>();
        u64::from_le_bytes(first[0])
    }
}

/// A peer with many addresses, as anybody with IPv6 is, could choose those that all fall into one
/// bucket. So their hash depends on a secret of this process.
impl Key for IpAddr {
    fn hash(&self) -> u64 {
        secret_hash(self)
    }
}

/// Two keys in one.
impl<A: Key, B: Key> Key for (A, B) {
    fn hash(&self) -> u64 {
        mix_with(self.0.hash(), self.1.hash())
    }
}

/// The hash of what a peer can choose: it depends on a secret of this process, so that nobody else
/// knows which keys share a bucket (`SipHash`, Aumasson and Bernstein 2012).
pub fn secret_hash(key: &impl Hash) -> u64 {
    static SECRET: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    SECRET.hash_one(key)
}

/// Mixes the bits of a number: close numbers become distant, and different numbers stay different.
#[expect(clippy::inline_always, reason = "smaller than a call")]
#[inline(always)]
pub fn mix(number: u64) -> u64 {
    mix_with(0, number)
}

/// The same, in another way for each `salt`: a step and the finalizer of `SplitMix64` (Steele, Lea,
/// Flood 2014).
#[expect(clippy::inline_always, reason = "smaller than a call")]
#[inline(always)]
pub fn mix_with(salt: u64, number: u64) -> u64 {
    let mut z = salt ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Things by key.
#[derive(Debug)]
pub struct Map<K, V> {
    records: Slots<Record<K, V>>,
    /// The first record of each bucket that has one.
    buckets: Sparse<Link>,
    /// How many buckets there are.
    buckets_len: u32,
    /// As many bits as the number of the highest bucket has.
    mask: u32,
}

#[derive(Debug)]
struct Record<K, V> {
    key: K,
    value: V,
    /// The next in its bucket.
    next: Link,
}

/// The number of a record, or none. It is never 0, which leaves that value for a place without a
/// record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Link(NonZeroU32);

impl Link {
    const NONE: Self = Self(NonZeroU32::MAX);

    fn to(number: u32) -> Self {
        // invariant: `Slots` gives 2^32 - 64 numbers at most, and far fewer fit into memory.
        Self(NonZeroU32::new(number + 1).expect("fewer than 2^32 records"))
    }

    fn number(self) -> Option<u32> {
        (self != Self::NONE).then(|| self.0.get() - 1)
    }
}

/// How many more buckets than things are kept: a thing that comes and goes again and again need not
/// move others.
const SPARE: usize = 64;

impl<K, V> Default for Map<K, V> {
    /// An empty map.
    fn default() -> Self {
        Self { records: Slots::default(), buckets: Sparse::default(), buckets_len: 0, mask: 0 }
    }
}

impl<K: Key, V> Map<K, V> {
    /// What there is for a key.
    pub fn get(&self, key: &K) -> Option<&V> {
        self.find(key).map(|(_, _, record)| &record.value)
    }

    /// Whether there is anything for a key.
    pub fn contains_key(&self, key: &K) -> bool {
        self.find(key).is_some()
    }

    /// What there is for a key, to be changed.
    pub fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        let (number, ..) = self.find(key)?;
        self.records.get_mut(number).map(|record| &mut record.value)
    }

    /// What there is for a key, or what is put there now.
    pub fn get_or_insert_with(&mut self, key: K, value: impl FnOnce() -> V) -> &mut V {
        let place = self.place_or_insert_with(key, value);
        &mut self.record_mut(place).value
    }

    /// The place of what there is for a key, or of what is put there now: its own until it is removed.
    pub fn place_or_insert_with(&mut self, key: K, value: impl FnOnce() -> V) -> u32 {
        match self.find(&key) {
            Some((number, ..)) => number,
            None => self.add(key, value()),
        }
    }

    /// Puts something there, and returns what was there before.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        if let Some((number, ..)) = self.find(&key) {
            return Some(std::mem::replace(&mut self.record_mut(number).value, value));
        }
        self.add(key, value);
        None
    }

    /// Takes out what there is for a key.
    pub fn remove(&mut self, key: &K) -> Option<V> {
        let (number, before, _) = self.find(key)?;
        let record = self.records.take(number)?;
        match before.number() {
            Some(before) => self.record_mut(before).next = record.next,
            None => self.set_first(self.bucket(key), record.next),
        }
        if self.buckets_len as usize > self.len() + SPARE {
            self.shrink();
        }
        Some(record.value)
    }

    /// What is at a place, with its key.
    pub fn at(&self, place: u32) -> Option<(&K, &V)> {
        self.records.get(place).map(|record| (&record.key, &record.value))
    }

    /// What is at a place, to be changed. Going through all places, from 0 up to [`Map::places`],
    /// comes to everything once, as long as nothing is added or removed.
    pub fn at_mut(&mut self, place: u32) -> Option<&mut V> {
        self.records.get_mut(place).map(|record| &mut record.value)
    }

    /// How many places there are, including those that have become empty.
    pub fn places(&self) -> u32 {
        self.records.places()
    }

    /// Keeps only what is wanted.
    pub fn retain(&mut self, is_wanted: impl Fn(&K, &V) -> bool)
    where
        K: Clone,
    {
        for place in 0..self.places() {
            let unwanted = self.at(place).filter(|(key, value)| !is_wanted(key, value));
            if let Some(key) = unwanted.map(|(key, _)| key.clone()) {
                self.remove(&key);
            }
        }
    }

    /// Forgets everything, and gives the memory back.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// How many things there are.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// All things with their keys, in no order that means anything.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.records.iter().map(|(_, record)| (&record.key, &record.value))
    }

    /// The record of a key, with its number, and a link to the one before it in its bucket.
    fn find(&self, key: &K) -> Option<(u32, Link, &Record<K, V>)> {
        if self.buckets_len == 0 {
            return None;
        }
        let (mut before, mut link) = (Link::NONE, self.first(self.bucket(key)));
        while let Some(number) = link.number() {
            let record = self.records.get(number)?;
            if record.key == *key {
                return Some((number, before, record));
            }
            (before, link) = (link, record.next);
        }
        None
    }

    /// Puts in what is not there yet.
    fn add(&mut self, key: K, value: V) -> u32 {
        if self.buckets_len as usize <= self.len() {
            self.grow();
        }
        let bucket = self.bucket(&key);
        let next = self.first(bucket);
        let number = self.records.insert(Record { key, value, next });
        self.set_first(bucket, Link::to(number));
        number
    }

    /// Adds a bucket, and moves into it what now belongs there.
    fn grow(&mut self) {
        let new = self.buckets_len;
        self.set_buckets_len(new + 1);
        if new == 0 {
            return;
        }
        let old = parent(new);
        let mut link = self.take_first(old);
        while let Some(number) = link.number() {
            // invariant: links lead to records.
            let key = &self.records.get(number).expect("a record behind each link").key;
            let bucket = self.bucket(key);
            let first = self.first(bucket);
            link = std::mem::replace(&mut self.record_mut(number).next, first);
            self.set_first(bucket, Link::to(number));
        }
    }

    /// Takes the last bucket away; what is in it goes back to where it came from.
    fn shrink(&mut self) {
        let last = self.buckets_len - 1;
        self.set_buckets_len(last);
        let mut link = self.take_first(last);
        let parent = parent(last);
        while let Some(number) = link.number() {
            let first = self.first(parent);
            link = std::mem::replace(&mut self.record_mut(number).next, first);
            self.set_first(parent, Link::to(number));
        }
    }

    fn set_buckets_len(&mut self, len: u32) {
        self.buckets_len = len;
        self.mask = len.next_power_of_two() - 1;
    }

    /// The bucket that a key belongs in.
    #[expect(clippy::inline_always, reason = "a fifth of what a look-up took was calls")]
    #[inline(always)]
    fn bucket(&self, key: &K) -> u32 {
        #[expect(clippy::cast_possible_truncation, reason = "the lower bits are what is wanted")]
        let bucket = key.hash() as u32 & self.mask;
        if bucket < self.buckets_len { bucket } else { bucket & (self.mask >> 1) }
    }

    #[expect(clippy::inline_always, reason = "a fifth of what a look-up took was calls")]
    #[inline(always)]
    fn first(&self, bucket: u32) -> Link {
        self.buckets.get(bucket).copied().unwrap_or(Link::NONE)
    }

    fn take_first(&mut self, bucket: u32) -> Link {
        self.buckets.take(bucket).unwrap_or(Link::NONE)
    }

    fn set_first(&mut self, bucket: u32, link: Link) {
        if link == Link::NONE {
            self.buckets.take(bucket);
        } else {
            self.buckets.put(bucket, link);
        }
    }

    fn record_mut(&mut self, number: u32) -> &mut Record<K, V> {
        // invariant: links lead to records.
        self.records.get_mut(number).expect("a record behind each link")
    }
}

/// The bucket whose things a bucket has taken over: the same number without its highest bit.
fn parent(bucket: u32) -> u32 {
    bucket & !(1 << bucket.ilog2())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::system::Entropy;

    impl Key for u32 {
        fn hash(&self) -> u64 {
            mix(u64::from(*self))
        }
    }

    /// Keys that all have the same hash.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
    struct Alike(u32);

    impl Key for Alike {
        fn hash(&self) -> u64 {
            3
        }
    }

    /// Puts in and takes out at random, and compares with the obvious way to do it.
    fn compare_with_model<K: Key + Copy + Ord + std::fmt::Debug>(
        key: impl Fn(u32) -> K,
        keys: u32,
    ) {
        let mut entropy = Entropy::seeded(7);
        let (mut map, mut model) = (Map::default(), BTreeMap::new());
        for step in 0..8 * keys {
            let random = u32::from_be_bytes(entropy.bytes());
            let it = key(random / 100 % keys);
            // More come than leave, then more leave than come.
            if (random % 100 < 75) == (step % (4 * keys) < 2 * keys) {
                assert_eq!(map.insert(it, step), model.insert(it, step));
            } else {
                assert_eq!(map.remove(&it), model.remove(&it));
            }
            let other = key(random / 7 % keys);
            assert_eq!(map.get(&other), model.get(&other));
            assert_eq!(map.len(), model.len());
        }
        map.retain(|_, value| value % 3 != 0);
        model.retain(|_, value| *value % 3 != 0);
        assert_eq!(map.len(), model.len());
        let mut all: Vec<_> = map.iter().map(|(&key, &value)| (key, value)).collect();
        all.sort_unstable();
        assert_eq!(all, model.into_iter().collect::<Vec<_>>());
    }

    #[test]
    fn it_does_what_an_ordered_map_does() {
        compare_with_model(|key| key, 3_000);
        compare_with_model(|key| key, 20);
    }

    #[test]
    fn it_does_so_with_the_worst_of_hashes_too() {
        compare_with_model(Alike, 60);
    }

    #[test]
    fn buckets_are_as_many_as_things_and_none_is_crowded() {
        let mut map = Map::default();
        for key in 0..100_000_u32 {
            *map.get_or_insert_with(key, || 0) += key;
            assert_eq!(map.buckets_len as usize, map.len());
        }
        let longest = (0..map.buckets_len).map(|bucket| {
            let next = |link: &Link| map.records.get(link.number()?).map(|record| record.next);
            std::iter::successors(Some(map.first(bucket)), next).count() - 1
        });
        assert!(longest.max().is_some_and(|longest| longest < 16));
        (0..100_000_u32).for_each(|key| assert_eq!(map.remove(&key), Some(key)));
        assert!(map.is_empty());
        assert!(map.buckets.is_empty() && map.buckets_len as usize <= SPARE);
    }

    #[test]
    fn a_thing_costs_eight_bytes_more_than_itself_and_its_key() {
        // One link here, and one bucket.
        assert_eq!(size_of::<Option<Record<u64, [u32; 5]>>>(), 8 + 20 + 4);
    }

    impl Key for u64 {
        fn hash(&self) -> u64 {
            *self
        }
    }
}
