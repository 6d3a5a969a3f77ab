//! Computes the most memory that a server can ever use, and makes limits smaller until it is little
//! enough.
//!
//! Everything that grows has a limit, and each limit counts things of a bounded size. So the sum is
//! a bound that no peer can exceed, on what the process has for itself: that is, without the pages
//! of the program, which the system shares and takes back, and without the kernel's part (some KiB
//! for each socket, at most `net.ipv4.tcp_mem`). `tests/ceiling.rs` fills what can be filled and
//! checks that the bound holds.
//!
//! The sizes below are those of a 64-bit machine with what an allocator adds, rounded up. One thing
//! is not bounded here: an answer with a user's friends or groups is as long as their number makes
//! it.

use std::fmt;

use super::Config;

/// The most memory that a server can use, by what it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ceiling {
    /// For what, and how many bytes.
    pub parts: Vec<(&'static str, usize)>,
}

/// At rest: 0.7 MiB for the program, 0.25 for pages of the database, 0.7 for prepared statements;
/// and what a statement needs while it runs.
const REST: usize = 5 * MIB / 2;

/// A connection, its socket, its deadlines, its address, its poll with a place in each line.
const CONNECTION: usize = 512;

/// A user who is here or was lately: presence, and an inbox.
const USER: usize = 320;

/// An event in an inbox, half of which may be room.
const LIVE_EVENT: usize = 192;

/// A message with the longest body.
const MESSAGE: usize = 8 * 1024 + 512;

/// The same as JSON, each byte of its body written as `\u0001`.
const MESSAGE_JSON: usize = 6 * 8 * 1024 + 1024;

/// A session and a conversation of two.
const CACHED: usize = 256 + 384;

/// A place in each of the limits on rates, which have six kinds: twice the key, half-full nodes of
/// a tree.
const RATES: usize = 6 * 320;

/// A refusal that is to be told later.
const REFUSAL: usize = 384;

const NOTE: usize = 96;

/// A message's two entries in the index on average, in half-full nodes; four batches of them may
/// wait.
const INDEXED: usize = 4 * 2 * 48;

/// A password with the account that it is for.
const HASHING: usize = 4 * 1024;

/// What the lab keeps: eight tapes of 256 KiB, 512 KiB of delayed answers, twice as much of all
/// that where buffers have doubled, and what it remembers of polls and messages.
const LAB: usize = 6 * MIB;

/// While somebody records: what is known of a connection.
const RECORDED: usize = 48;

/// For pages of 2013: what each of ten thousand knows.
const FACADE: usize = 10_000 * 512;

/// And to whom the last answer on a connection went.
const FACADE_CONNECTION: usize = 96;

/// TLS on a connection: 3.5 KiB when all is silent, and more during the handshake. The records that
/// it keeps count among the bytes in flight.
const TLS: usize = 8 * 1024;

/// An answer is made, and copied to where all answers of a turn are, each time into a buffer that
/// has doubled.
const COPIES: usize = 4;

const MIB: usize = 1024 * 1024;

impl Ceiling {
    /// For these limits.
    pub fn of(config: &Config) -> Self {
        let of = |count: usize, bytes: usize| count.saturating_mul(bytes);
        // By number, or by bytes if those are bounded.
        let texts = of(config.events_page_bytes_max.saturating_add(MESSAGE), 6);
        let many =
            of(config.history_page_max.max(config.events_page_max), MESSAGE_JSON - 6 * 8 * 1024);
        let answer = of(config.search_page_max, MESSAGE_JSON).max(texts.saturating_add(many));
        let read = of(config.events_page_max + 1, MESSAGE);
        let request = 2 * (config.head_bytes_max + config.body_bytes_max);
        let found = (config.search_page_max + 1).saturating_mul(MESSAGE);
        let mut parts = vec![
            ("at rest", REST),
            ("reading messages for an answer", read),
            ("connections", of(config.connections_max, CONNECTION)),
            ("requests and answers on their way", config.buffers_bytes_max.saturating_add(request)),
            ("answers of a turn", of(config.turn_bytes_max.saturating_add(answer), COPIES)),
            ("users who are here, or were lately", of(config.users_remembered_max, USER)),
            ("what they are still to be told", of(config.live_events_max, LIVE_EVENT)),
            ("newest messages", config.tail_bytes_max.saturating_add(MESSAGE * 2)),
            ("sessions and conversations", of(config.cache_entries_max, CACHED)),
            ("limits on rates", of(config.rate_limit_entries_max, RATES)),
            ("refusals that wait", of(config.rate_limit_entries_max, REFUSAL)),
            ("notes", of(config.notes_max, NOTE)),
            ("index of new messages", of(config.index_batch, INDEXED)),
            ("passwords being hashed", of(config.hashing_max, HASHING)),
            ("searches", of(config.searches_max, found)),
        ];
        let connections = |each| of(config.connections_max, each);
        if config.scheme() == "https" {
            parts.push(("TLS", connections(TLS)));
        }
        if config.has_lab() {
            // While somebody records, requests that have begun are kept twice, in buffers that have
            // doubled.
            let begun = of(config.buffers_bytes_max, 2);
            parts
                .push(("the lab", LAB.saturating_add(connections(RECORDED)).saturating_add(begun)));
        }
        if config.seed_facade {
            parts.push(("pages of 2013", FACADE.saturating_add(connections(FACADE_CONNECTION))));
        }
        Self { parts }
    }

    /// All of it.
    pub fn bytes(&self) -> usize {
        self.parts.iter().fold(0, |sum, (_, bytes)| sum.saturating_add(*bytes))
    }
}

impl fmt::Display for Ceiling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        megabytes(self.bytes(), f)
    }
}

/// In MiB, rounded up to a tenth.
fn megabytes(bytes: usize, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let tenths = bytes.div_ceil(MIB / 10);
    write!(f, "{}.{} MiB", tenths / 10, tenths % 10)
}

impl Ceiling {
    /// As comments in a file of settings.
    pub(super) fn commented(&self) -> String {
        let line = |&(what, bytes): &(&'static str, usize)| {
            let part = Self { parts: vec![(what, bytes)] };
            format!("#   {part:>12} {what}\n", part = part.to_string())
        };
        let parts: String = self.parts.iter().map(line).collect();
        format!("\n# The most memory that a server can use so is {self}:\n{parts}")
    }
}

/// The most that one user can cause to be written to the disk in a day, in bytes: one message after
/// another, each on its own. Whoever says nothing costs nothing.
pub(super) fn written_a_day(config: &Config) -> u64 {
    u64::from(config.messages_per_second_max) * 24 * 60 * 60 * WRITTEN
}

/// For a message that is committed alone, all upkeep included (see `benches/storage.rs`).
const WRITTEN: u64 = 7_900;

/// A limit on which memory depends, and how small it may be made.
type Knob = (fn(&mut Config) -> &mut usize, usize);

const KNOBS: &[Knob] = &[
    (|config| &mut config.connections_max, 16),
    (|config| &mut config.buffers_bytes_max, 512 * 1024),
    (|config| &mut config.turn_bytes_max, 32 * 1024),
    (|config| &mut config.users_remembered_max, 64),
    (|config| &mut config.live_events_max, 512),
    (|config| &mut config.tail_bytes_max, 32 * 1024),
    (|config| &mut config.cache_entries_max, 64),
    (|config| &mut config.rate_limit_entries_max, 64),
    (|config| &mut config.notes_max, 64),
    (|config| &mut config.index_batch, 256),
    (|config| &mut config.hashing_max, 4),
    (|config| &mut config.searches_max, 1),
    (|config| &mut config.events_page_bytes_max, 16 * 1024),
    (|config| &mut config.events_page_max, 20),
    (|config| &mut config.search_page_max, 5),
];

/// With so little memory no server can run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TooLittle {
    /// With this one could.
    pub least: Ceiling,
}

impl fmt::Display for TooLittle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "--memory-max is too little: a server needs {} at least", self.least)
    }
}

impl std::error::Error for TooLittle {}

/// How finely limits are made smaller.
const STEPS: usize = 1 << 16;

impl Config {
    /// Makes limits smaller, all by one factor, until no more memory than `memory_max` can be used.
    /// If that is impossible, nothing changes.
    pub fn fit_memory(&mut self) -> Result<(), TooLittle> {
        let Some(max) = Some(self.memory_max.0).filter(|&max| max > 0) else { return Ok(()) };
        let fits = |step: usize| Ceiling::of(&self.scaled(step)).bytes() <= max;
        if !fits(0) {
            return Err(TooLittle { least: Ceiling::of(&self.scaled(0)) });
        }
        let (mut fitting, mut beyond) = (0, STEPS + 1);
        while fitting + 1 < beyond {
            let middle = usize::midpoint(fitting, beyond);
            if fits(middle) { fitting = middle } else { beyond = middle }
        }
        *self = self.scaled(fitting);
        Ok(())
    }

    /// With its limits scaled to `step` of [`STEPS`] parts.
    fn scaled(&self, step: usize) -> Self {
        let mut config = self.clone();
        for (limit, least) in KNOBS {
            let limit = limit(&mut config);
            let part = *limit as u128 * step as u128 / STEPS as u128;
            // A part of a number fits wherever the number does.
            let part = usize::try_from(part).unwrap_or(*limit);
            *limit = part.max((*least).min(*limit));
        }
        config
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Bytes;

    fn fitted(mebibytes: usize) -> Result<Config, TooLittle> {
        let mut config = Config { memory_max: Bytes(mebibytes * MIB), ..Config::default() };
        config.fit_memory().map(|()| config)
    }

    #[test]
    fn limits_are_made_smaller_until_all_of_it_fits_and_no_further() {
        let mut smaller = Config::default();
        for mebibytes in [256, 64, 16, 8] {
            let config = fitted(mebibytes).expect("it fits");
            let bytes = Ceiling::of(&config).bytes();
            assert!((mebibytes * MIB * 95 / 100..=mebibytes * MIB).contains(&bytes), "{bytes}");
            assert!(config.connections_max <= smaller.connections_max);
            assert_eq!(config.clone().fit_memory(), Ok(()));
            smaller = config;
        }
        assert!(smaller.connections_max >= 500, "{}", smaller.connections_max);
    }

    #[test]
    fn what_is_turned_on_counts() {
        let parts = |config: Config| Ceiling::of(&config).parts.len();
        let usual = parts(Config::default());
        for on in [
            Config { lab: true, ..Config::default() },
            Config { demo: true, ..Config::default() },
            Config { seed_facade: true, ..Config::default() },
            #[cfg(feature = "tls")]
            Config {
                tls_certificate: Some(crate::config::PemFile("a.pem".into())),
                ..Config::default()
            },
        ] {
            assert_eq!(parts(on), usual + 1);
        }
    }

    #[test]
    fn what_is_little_enough_stays_as_it_is_and_too_little_is_refused() {
        let config = fitted(100_000).expect("it fits");
        assert_eq!(Config { memory_max: Bytes(0), ..config }, Config::default());
        let least = fitted(2).expect_err("not even the rest fits").least.bytes();
        assert!((2 * MIB..8 * MIB).contains(&least), "{least}");
        assert_eq!(fitted(0).expect("no bound"), Config::default());
    }
}
