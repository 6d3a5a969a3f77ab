//! Keeps one deadline per key: a hashed timing wheel (Varghese and Lauck 1987, scheme 6).
//!
//! Knows neither what a key stands for nor what time it is. Keys are small dense numbers, in
//! Lovejoy the slots of connections and of held polls. Rules:
//! 1. Time is cut into ticks. A deadline is rounded up to the end of its tick and so is late by
//!    less than one tick, never early; one that has passed already is due with the next tick.
//! 2. *Near*: a deadline less than one revolution ahead hangs in the slot `tick % slots`. Within a
//!    revolution no two ticks share a slot, so all entries of a slot are due together, a slot is
//!    emptied without being searched, and which tick a slot stands for need not be kept.
//! 3. *Far*: a deadline a revolution or more ahead goes into an ordered set and stays there. On the
//!    wheel it would be passed over once a revolution, and each time the server would wake up for
//!    nothing. A far deadline costs O(log n); choose the wheel so that what is set often is near.
//! 4. So [`Wheel::next_deadline`] is exact: a server that sleeps until then and asks has something
//!    to do.
//!
//! Cost: `set` and `cancel` of a near deadline are O(1), and it takes 12 bytes while it is set;
//! `expired` is O(1) per entry; finding the next slot reads at most one bit per slot, 64 of them at
//! a time.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::chunks::Sparse;
use crate::system::Mono;

/// The deadlines of keys `0..n`, at most one each.
#[derive(Debug)]
pub struct Wheel {
    /// Length of a tick in microseconds.
    tick_micros: u64,
    /// The last tick whose end has been passed; everything still set is due later.
    passed: u64,
    /// First key of each slot's list.
    heads: Vec<u32>,
    /// One bit for each slot: whether its list has entries.
    occupied: Vec<u64>,
    /// One node for each key that has a deadline.
    nodes: Sparse<Node>,
    /// Deadlines a revolution or more ahead when they were set.
    far: BTreeSet<(u64, u32)>,
}

/// A key's place.
#[derive(Clone, Copy, Debug)]
enum Node {
    /// In the list of a slot.
    Near {
        slot: u16,
        /// The key before it, `NONE` for the first.
        previous: u32,
        /// The key after it, `NONE` for the last.
        next: u32,
    },
    /// In the far set, under this tick. In two halves, since a whole `u64` would be aligned to 8
    /// bytes and make each node larger.
    Far { tick: [u32; 2] },
}

impl Wheel {
    /// An empty wheel at time 0, whose revolution lasts `tick * slots`.
    ///
    /// # Panics
    /// Unless a tick lasts at least a microsecond and `slots` is a multiple of 64, 65,536 at most.
    pub fn new(tick: Duration, slots: usize) -> Self {
        let tick_micros = u64::try_from(tick.as_micros()).unwrap_or(u64::MAX);
        assert!(tick_micros > 0, "a tick lasts at least a microsecond");
        assert!(slots > 0 && slots.is_multiple_of(64), "slots come in words of 64");
        assert!(slots <= 1 << 16, "slots are numbered in 16 bits");
        Self {
            tick_micros,
            passed: 0,
            heads: vec![NONE; slots],
            occupied: vec![0; slots / 64],
            nodes: Sparse::default(),
            far: BTreeSet::new(),
        }
    }

    /// Gives `key` this deadline instead of the one it had.
    pub fn set(&mut self, key: u32, deadline: Mono) {
        assert!(key < NONE, "keys are dense");
        self.cancel(key);
        let tick = deadline.0.div_ceil(self.tick_micros).clamp(self.passed + 1, u64::MAX - 1);
        if tick - self.passed < self.heads.len() as u64 {
            self.hang(key, self.slot(tick));
        } else {
            self.nodes.put(key, Node::Far { tick: halves(tick) });
            self.far.insert((tick, key));
        }
    }

    /// The end of the tick in which `key` is due, if it has a deadline.
    pub fn get(&self, key: u32) -> Option<Mono> {
        let tick = match self.nodes.get(key)? {
            Node::Near { slot, .. } => self.tick(usize::from(*slot)),
            Node::Far { tick } => whole(*tick),
        };
        Some(Mono(tick.saturating_mul(self.tick_micros)))
    }

    /// Takes the deadline of `key` away, if it has one.
    pub fn cancel(&mut self, key: u32) {
        match self.nodes.take(key) {
            Some(Node::Near { slot, previous, next }) => self.unhang(slot, previous, next),
            Some(Node::Far { tick }) => drop(self.far.remove(&(whole(tick), key))),
            None => {}
        }
    }

    /// Moves the wheel on to `now` and appends the keys that have come due, earlier ticks first;
    /// they have no deadline any more. Within a tick the order is that of the wheel and means
    /// nothing, but it is always the same.
    pub fn expired(&mut self, now: Mono, keys: &mut Vec<u32>) {
        let now_tick = now.0 / self.tick_micros;
        if now_tick <= self.passed {
            return;
        }
        while let Some(tick) = self.next_tick().filter(|&tick| tick <= now_tick) {
            self.take_near(tick, keys);
            self.take_far(tick, keys);
        }
        self.passed = now_tick;
    }

    /// When `expired` will next have something to say.
    pub fn next_deadline(&self) -> Option<Mono> {
        self.next_tick().map(|tick| Mono(tick.saturating_mul(self.tick_micros)))
    }

    /// How many keys have a deadline.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether no key has a deadline.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    fn next_tick(&self) -> Option<u64> {
        let far = self.far.first().map(|&(tick, _)| tick);
        match (self.next_near_tick(), far) {
            (Some(near), Some(far)) => Some(near.min(far)),
            (near, far) => near.or(far),
        }
    }

    /// The tick of the first occupied slot after the current one, found a word of the bitmap at a
    /// time.
    fn next_near_tick(&self) -> Option<u64> {
        let start = self.slot(self.passed + 1);
        let (mut word, words) = (start / 64, self.occupied.len());
        let mut bits = self.occupied[word] & (u64::MAX << (start % 64));
        if bits == 0 {
            // The word we started in comes up again at the end, for its slots before the start.
            let mut behind = self.occupied[word + 1..].iter().chain(&self.occupied[..=word]);
            word = (word + 1 + behind.position(|&bits| bits != 0)?) % words;
            bits = self.occupied[word];
        }
        Some(self.tick(word * 64 + bits.trailing_zeros() as usize))
    }

    /// Takes what is due in a tick. Nothing is due before it any more, so what hangs in its slot is
    /// not of another revolution.
    fn take_near(&mut self, tick: u64, keys: &mut Vec<u32>) {
        let slot = self.slot(tick);
        let mut key = std::mem::replace(&mut self.heads[slot], NONE);
        self.occupied[slot / 64] &= !(1 << (slot % 64));
        while key != NONE {
            keys.push(key);
            key = match self.nodes.take(key) {
                Some(Node::Near { next, .. }) => next,
                // invariant: lists are made of near nodes.
                Some(Node::Far { .. }) | None => unreachable!("a list of what is near"),
            };
        }
    }

    fn take_far(&mut self, tick: u64, keys: &mut Vec<u32>) {
        while let Some(&(first, key)) = self.far.first()
            && first == tick
        {
            self.far.pop_first();
            self.nodes.take(key);
            keys.push(key);
        }
    }

    /// Puts a key at the front of a slot's list.
    fn hang(&mut self, key: u32, slot: usize) {
        let next = std::mem::replace(&mut self.heads[slot], key);
        self.occupied[slot / 64] |= 1 << (slot % 64);
        // invariant: see `new`.
        let slot = u16::try_from(slot).expect("a slot fits into 16 bits");
        self.nodes.put(key, Node::Near { slot, previous: NONE, next });
        if let Some(Node::Near { previous, .. }) = self.nodes.get_mut(next) {
            *previous = key;
        }
    }

    /// Closes the gap that a key has left in a slot's list.
    fn unhang(&mut self, slot: u16, before: u32, after: u32) {
        if let Some(Node::Near { previous, .. }) = self.nodes.get_mut(after) {
            *previous = before;
        }
        if let Some(Node::Near { next, .. }) = self.nodes.get_mut(before) {
            *next = after;
            return;
        }
        let slot = usize::from(slot);
        self.heads[slot] = after;
        if after == NONE {
            self.occupied[slot / 64] &= !(1 << (slot % 64));
        }
    }

    /// The next tick that a slot stands for.
    fn tick(&self, slot: usize) -> u64 {
        let (slots, start) = (self.heads.len(), self.slot(self.passed + 1));
        self.passed + 1 + ((slot + slots - start) % slots) as u64
    }

    fn slot(&self, tick: u64) -> usize {
        // The remainder of a division by a usize fits into one.
        #[expect(clippy::cast_possible_truncation, reason = "less than `heads.len()`")]
        let slot = (tick % self.heads.len() as u64) as usize;
        slot
    }
}

/// No key: the end of a list.
const NONE: u32 = u32::MAX;

fn halves(tick: u64) -> [u32; 2] {
    #[expect(clippy::cast_possible_truncation, reason = "each half by itself")]
    [(tick >> 32) as u32, tick as u32]
}

fn whole([upper, lower]: [u32; 2]) -> u64 {
    u64::from(upper) << 32 | u64::from(lower)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::system::Entropy;

    const TICK: Duration = Duration::from_millis(50);

    fn millis(millis: u64) -> Mono {
        Mono(millis * 1000)
    }

    fn expired(wheel: &mut Wheel, now: Mono) -> Vec<u32> {
        let mut keys = Vec::new();
        wheel.expired(now, &mut keys);
        keys
    }

    #[test]
    fn a_deadline_is_never_early_and_less_than_a_tick_late() {
        let mut wheel = Wheel::new(TICK, 64);
        wheel.set(3, millis(101));
        assert_eq!(wheel.next_deadline(), Some(millis(150)));
        assert_eq!(expired(&mut wheel, Mono(149_999)), Vec::<u32>::new());
        assert_eq!(expired(&mut wheel, millis(150)), [3]);
        assert_eq!(wheel.next_deadline(), None);
    }

    #[test]
    fn a_deadline_in_the_past_is_due_with_the_next_tick() {
        let mut wheel = Wheel::new(TICK, 64);
        expired(&mut wheel, millis(1000));
        wheel.set(0, millis(10));
        assert_eq!(wheel.next_deadline(), Some(millis(1050)));
        assert_eq!(expired(&mut wheel, millis(1050)), [0]);
    }

    #[test]
    fn setting_replaces_and_cancelling_forgets() {
        let mut wheel = Wheel::new(TICK, 64);
        wheel.set(1, millis(100));
        wheel.set(1, millis(900_000));
        wheel.set(1, millis(200));
        wheel.set(2, millis(200));
        wheel.cancel(2);
        wheel.cancel(2);
        wheel.cancel(4_000_000);
        assert_eq!((wheel.len(), wheel.is_empty()), (1, false));
        assert_eq!(expired(&mut wheel, millis(1_000_000)), [1]);
        assert!(wheel.is_empty());
    }

    #[test]
    fn nobody_is_woken_for_a_deadline_of_a_later_revolution() {
        let mut wheel = Wheel::new(TICK, 64);
        wheel.set(0, millis(64 * 50 * 7));
        assert_eq!(wheel.next_deadline(), Some(millis(64 * 50 * 7)));
        assert_eq!(expired(&mut wheel, millis(64 * 50 * 7 - 1)), Vec::<u32>::new());
        // One near entry in the very slot and tick of the far one.
        wheel.set(1, millis(64 * 50 * 7));
        let mut both = expired(&mut wheel, millis(64 * 50 * 7));
        both.sort_unstable();
        assert_eq!(both, [0, 1]);
    }

    #[test]
    fn the_end_of_time_is_a_deadline_like_any_other() {
        let mut wheel = Wheel::new(Duration::from_micros(1), 64);
        wheel.set(0, Mono(u64::MAX - 1));
        wheel.set(1, Mono(u64::MAX - 2));
        assert_eq!(expired(&mut wheel, Mono(u64::MAX - 2)), [1]);
        wheel.set(2, Mono(u64::MAX));
        assert_eq!(wheel.next_deadline(), Some(Mono(u64::MAX - 1)));
    }

    #[test]
    fn a_deadline_costs_twelve_bytes() {
        assert_eq!(size_of::<Option<Node>>(), 12);
    }

    /// The obvious way to do it, to compare the wheel with.
    #[derive(Default)]
    struct Model {
        ticks: BTreeMap<u32, u64>,
        passed: u64,
    }

    impl Model {
        fn set(&mut self, key: u32, deadline: Mono) {
            self.ticks.insert(key, deadline.0.div_ceil(50_000).max(self.passed + 1));
        }

        fn expired(&mut self, now: Mono) -> Vec<u32> {
            self.passed = self.passed.max(now.0 / 50_000);
            let due: Vec<u32> = self
                .ticks
                .iter()
                .filter(|(_, tick)| **tick <= self.passed)
                .map(|(key, _)| *key)
                .collect();
            self.ticks.retain(|_, tick| *tick > self.passed);
            due
        }

        fn next_deadline(&self) -> Option<Mono> {
            self.ticks.values().min().map(|tick| Mono(tick * 50_000))
        }
    }

    /// Sets, cancels and lets time pass at random, over lengths from nothing to many revolutions.
    fn compare_with_model(seed: u64) {
        let mut entropy = Entropy::seeded(seed);
        let mut random = |below: u64| u64::from_be_bytes(entropy.bytes()) % below;
        let (mut wheel, mut model) = (Wheel::new(TICK, 128), Model::default());
        let mut now = Mono(0);
        for _ in 0..2000 {
            let key = u32::try_from(random(40)).unwrap();
            let span = [0, 40, 3_000, 6_399, 6_401, 30_000][usize::try_from(random(6)).unwrap()];
            match random(4) {
                0 | 1 => {
                    let deadline = now.plus(Duration::from_micros(random(span * 1000 + 1)));
                    wheel.set(key, deadline);
                    model.set(key, deadline);
                }
                2 => {
                    wheel.cancel(key);
                    model.ticks.remove(&key);
                }
                _ => {
                    now = now.plus(Duration::from_micros(random(span * 1000 + 1)));
                    let mut keys = expired(&mut wheel, now);
                    keys.sort_unstable();
                    assert_eq!(keys, model.expired(now), "seed {seed} at {now}");
                }
            }
            assert_eq!(wheel.next_deadline(), model.next_deadline(), "seed {seed} at {now}");
            assert_eq!(wheel.len(), model.ticks.len(), "seed {seed} at {now}");
        }
    }

    #[test]
    fn the_wheel_does_what_an_ordered_map_does() {
        (0..50).for_each(compare_with_model);
    }
}
