//! Counts what the server does, for whoever asks at `/metrics`.
//!
//! Plain integers, to which whoever does something adds; nothing is written out until somebody
//! asks, and even then nothing is allocated but the answer. What exists at the moment (who is held,
//! who is online) is not counted here: it is asked for where it is kept. Knows neither how the
//! figures are written nor a clock of its own: until it is given one, durations are not measured.

use std::cell::{Cell, OnceCell};
use std::time::Duration;

use crate::comet::Left;
use crate::system::{Clock, Mono};

/// Counts something that has happened.
#[derive(Debug, Default)]
pub struct Counter(Cell<u64>);

impl Counter {
    /// It has happened this many times more.
    pub fn add(&self, times: usize) {
        self.0.set(self.0.get() + times as u64);
    }

    /// How often it has happened.
    pub fn get(&self) -> u64 {
        self.0.get()
    }
}

/// Counts durations by their length.
#[derive(Debug)]
pub struct Histogram {
    /// Upper bounds, in microseconds.
    bounds: &'static [u64; BOUNDS],
    /// How many were within each bound, and above the one before; the last counts those above all
    /// bounds.
    counts: [Counter; BOUNDS + 1],
    /// The sum of all of them, in microseconds.
    sum: Counter,
}

/// How many bounds a histogram has.
const BOUNDS: usize = 10;

/// From a tenth of a millisecond to a second: for what a turn does.
const SHORT: [u64; BOUNDS] =
    [100, 250, 500, 1_000, 2_500, 5_000, 10_000, 50_000, 250_000, 1_000_000];

/// From a twentieth of a second to a minute: for what waits.
const LONG: [u64; BOUNDS] = [
    50_000, 250_000, 1_000_000, 2_500_000, 5_000_000, 10_000_000, 20_000_000, 25_000_000,
    30_000_000, 60_000_000,
];

impl Histogram {
    fn new(bounds: &'static [u64; BOUNDS]) -> Self {
        Self { bounds, counts: Default::default(), sum: Counter::default() }
    }

    /// Counts this many that took this long.
    pub fn add(&self, duration: Duration, times: usize) {
        let micros = duration.as_micros();
        let place = self.bounds.partition_point(|bound| u128::from(*bound) < micros);
        self.counts[place].add(times);
        self.sum.add(usize::try_from(micros).unwrap_or(usize::MAX).saturating_mul(times));
    }

    /// For each bound, in microseconds, how many were within it; and how many there are in all.
    pub fn cumulated(&self) -> (impl Iterator<Item = (u64, u64)>, u64) {
        let mut count = 0;
        let below = self.bounds.iter().zip(&self.counts).map(move |(bound, within)| {
            count += within.get();
            (*bound, count)
        });
        (below, self.counts.iter().map(Counter::get).sum())
    }

    /// How long all of them took together, in microseconds.
    pub fn sum(&self) -> u64 {
        self.sum.get()
    }
}

/// All that is counted.
#[derive(Debug)]
#[expect(missing_docs, reason = "`web::metrics` says what each is, to everybody who asks")]
pub struct Metrics {
    clock: OnceCell<Clock>,
    pub turns: Counter,
    pub turn_time: Histogram,
    pub connections_accepted: Counter,
    pub connections_refused: Counter,
    pub connections_closed: Counter,
    pub bytes_received: Counter,
    pub bytes_sent: Counter,
    pub requests: Counter,
    pub rate_limited: Counter,
    pub unavailable: Counter,
    pub messages: Counter,
    pub commits: Counter,
    pub commits_failed: Counter,
    pub commit_time: Histogram,
    pub wake_ups: Counter,
    pub empty_answers: Counter,
    /// By exit.
    left: [Counter; Left::ALL.len()],
    pub hold_time: Histogram,
    pub delivery_time: Histogram,
    /// The news on its way: how many pieces, and since when.
    delivering: Cell<(usize, Mono)>,
    /// Whether somebody wants to know when this turn's output has reached the sockets; and when it
    /// had.
    marked: Cell<bool>,
    written_at: Cell<Option<Mono>>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            clock: OnceCell::new(),
            turns: Counter::default(),
            turn_time: Histogram::new(&SHORT),
            connections_accepted: Counter::default(),
            connections_refused: Counter::default(),
            connections_closed: Counter::default(),
            bytes_received: Counter::default(),
            bytes_sent: Counter::default(),
            requests: Counter::default(),
            rate_limited: Counter::default(),
            unavailable: Counter::default(),
            messages: Counter::default(),
            commits: Counter::default(),
            commits_failed: Counter::default(),
            commit_time: Histogram::new(&SHORT),
            wake_ups: Counter::default(),
            empty_answers: Counter::default(),
            left: Default::default(),
            hold_time: Histogram::new(&LONG),
            delivery_time: Histogram::new(&SHORT),
            delivering: Cell::default(),
            marked: Cell::default(),
            written_at: Cell::default(),
        }
    }
}

impl Metrics {
    /// From now on durations are measured with this clock.
    pub fn measure_with(&self, clock: Clock) {
        // Set once: a second clock would start from another moment.
        let _ = self.clock.set(clock);
    }

    /// The moment at which something begins that is to be measured.
    pub fn begin(&self) -> Option<Mono> {
        self.clock.get().map(|clock| clock.now().mono)
    }

    /// A turn is over.
    pub fn turned(&self, begun: Mono) {
        if let Some(end) = self.begin() {
            self.turn_time.add(end.since(begun), 1);
        }
    }

    /// A turn was committed, or not.
    pub fn committed(&self, begun: Option<Mono>, is_committed: bool) {
        if is_committed { &self.commits } else { &self.commits_failed }.add(1);
        if let Some((begun, end)) = begun.zip(self.begin()) {
            self.commit_time.add(end.since(begun), 1);
        }
    }

    /// A poll or stream is no longer held.
    pub fn left(&self, left: Left) {
        self.left[left as usize].add(1);
    }

    /// How many have left by an exit.
    pub fn count_left(&self, left: Left) -> u64 {
        self.left[left as usize].get()
    }

    /// News leaves with this turn, and was not written before `since`.
    pub fn deliver(&self, since: Mono) {
        let (count, earliest) = self.delivering.get();
        let earliest = if count == 0 { since } else { earliest.min(since) };
        self.delivering.set((count + 1, earliest));
    }

    /// What left with this turn has reached the sockets.
    pub fn delivered(&self) {
        let (count, since) = self.delivering.take();
        if (count > 0 || self.marked.get())
            && let Some(end) = self.begin()
        {
            self.delivery_time.add(end.since(since), count);
            if self.marked.take() {
                self.written_at.set(Some(end));
            }
        }
    }

    /// Notes that somebody wants to know when this turn's output has reached the sockets.
    pub fn mark(&self) {
        self.marked.set(true);
    }

    /// When it had, told once.
    pub fn written_at(&self) -> Option<Mono> {
        self.written_at.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_counts_under_every_bound_that_it_does_not_exceed() {
        let histogram = Histogram::new(&SHORT);
        for micros in [1, 100, 101, 2_000_000] {
            histogram.add(Duration::from_micros(micros), 2);
        }
        let (below, count) = histogram.cumulated();
        let below: Vec<_> = below.collect();
        assert_eq!((below[0], below[1], below[9]), ((100, 4), (250, 6), (1_000_000, 6)));
        assert_eq!((count, histogram.sum()), (8, 2 * 2_000_202));
    }

    #[test]
    fn every_exit_has_a_place() {
        let metrics = Metrics::default();
        for (place, &left) in Left::ALL.iter().enumerate() {
            (0..=place).for_each(|_| metrics.left(left));
        }
        let counts: Vec<_> = Left::ALL.iter().map(|&left| metrics.count_left(left)).collect();
        assert_eq!(counts, [1, 2, 3, 4, 5, 6]);
    }

    #[test]
    fn without_a_clock_nothing_is_measured_and_with_one_every_delivery_is() {
        let metrics = Metrics::default();
        metrics.deliver(Mono(0));
        metrics.delivered();
        assert_eq!(metrics.delivery_time.cumulated().1, 0);
        metrics.measure_with(Clock::new());
        metrics.deliver(Mono(0));
        metrics.deliver(Mono(0));
        metrics.delivered();
        metrics.delivered();
        assert_eq!(metrics.delivery_time.cumulated().1, 2);
    }
}
