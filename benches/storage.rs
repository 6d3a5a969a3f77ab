//! Measures the store by itself: what a message costs the disk, and how long questions take when there
//! are many messages.
//!
//! ```text
//! cargo bench --bench storage                         300,000 messages
//! MESSAGES=10000000 cargo bench --bench storage       as many as that
//! ```
//!
//! One user is in a thousand conversations of two, who say some words to each other, at random and each
//! with a nonce: the worst that can happen to an index. One of the conversations has a tenth of all.
//!
//! Bytes are what the kernel has sent towards the disk on behalf of this process (`write_bytes` in
//! `/proc/self/io`): whole blocks of the file system, of the log and of the database; its own journal is
//! not counted. What a commit costs is measured on the finished database, as the server writes it: one
//! `fdatasync` each. What upkeep costs is measured while the last million of messages is written, since much
//! of it is done seldom; it is the same in the long run however messages come. It is synced when the log
//! is brought into the database, twice.

use std::fmt;
use std::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use lovejoy::config::{Config, Durability};
use lovejoy::data::{HistoryPage, Job, NewAccount, NewMessage, Store, StoreError, back_up, check};
use lovejoy::entity::{ConversationId, MessageId, Needle, Timestamp, UserId};

/// How many messages are written in one transaction where only their number matters.
const BATCH: u32 = 500;

/// Of how many messages, the last ones, it is measured what they cost.
const MEASURED_MAX: u32 = 1_000_000;

/// See `fill_fast`.
const LONG_LOG_BYTES: usize = 256 * 1024 * 1024;

const CONVERSATIONS: i64 = 1000;
const READER: UserId = UserId(1);

/// Somebody else in as many conversations, in which nothing is ever said.
const HERMIT: UserId = UserId(CONVERSATIONS + 2);

/// Said once, by the first message of all.
const NEEDLE: &str = "Schwarzwälder 漠然";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let messages: u32 = match std::env::var("MESSAGES") {
        Ok(text) => text.parse()?,
        Err(_) => 300_000,
    };
    // Not in /tmp, which is often in memory.
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("storage");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder)?;
    let path = folder.join("lovejoy.db");
    let mut talk = Talk::begin(Store::open(&path, Durability::Normal, 1)?)?;
    println!("{CONVERSATIONS} conversations, {messages} messages with nonces");
    talk.fill_fast(messages.saturating_sub(MEASURED_MAX))?;
    let upkeep = talk.fill(messages.min(MEASURED_MAX))?;
    talk.store.end_epoch()?;
    drop(talk.store);

    let start = Instant::now();
    talk.store = Store::open(&path, Durability::Full, 1)?;
    talk.store.begin_epoch(2, Timestamp(0))?;
    println!("{:>10.1} ms to start on that", millis(start.elapsed()));
    talk.measure_reading()?;
    println!("\nTo the disk, per message");
    for batch in [1, 10, 100] {
        talk.measure_writing(batch, &upkeep)?;
    }
    talk.measure_long_log()?;
    drop(talk);
    let copy = folder.join("copy.db");
    let start = Instant::now();
    back_up(&path, &copy, || Ok(()))?;
    println!("{:>10.1} s to back it up", start.elapsed().as_secs_f64());
    let start = Instant::now();
    let faults = check(&copy)?;
    println!(
        "{:>10.1} s to check the copy: {} faults",
        start.elapsed().as_secs_f64(),
        faults.len()
    );
    let size: u64 = ["lovejoy.db", "lovejoy.db-wal"]
        .iter()
        .filter_map(|name| fs::metadata(folder.join(name)).ok())
        .map(|file| file.len())
        .sum();
    println!("{:>10} bytes of disk per message", size / u64::from(messages));
    fs::remove_dir_all(&folder)?;
    Ok(())
}

/// How long many slices took. The longest are those in which the disk or somebody else had the machine.
#[derive(Default)]
struct Slices(Vec<Duration>);

impl Slices {
    fn measure<T, E>(&mut self, act: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        let start = Instant::now();
        let done = act();
        self.0.push(start.elapsed());
        done
    }
}

impl fmt::Display for Slices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut times = self.0.clone();
        times.sort_unstable();
        let at = |percent: usize| {
            millis(times.get(times.len() * percent / 100).copied().unwrap_or_default())
        };
        let longest = millis(times.last().copied().unwrap_or_default());
        let (half, most) = (at(50), at(99));
        write!(
            f,
            "{} slices, half of them within {half:.2} ms, 99 of 100 within {most:.2}, all within {longest:.1}",
            times.len()
        )
    }
}

/// What upkeep has cost.
#[derive(Default)]
struct Upkeep {
    /// Bytes to the disk, and syncs, a message.
    bytes: f64,
    syncs: f64,
}

/// A database, and what is said in it.
struct Talk {
    store: Store,
    random: u64,
    conversations: Vec<ConversationId>,
}

impl Talk {
    fn begin(mut store: Store) -> Result<Self, StoreError> {
        for number in 0..=CONVERSATIONS + 1 {
            let name = format!("user{number}");
            let new = NewAccount {
                name: &name,
                name_key: &name,
                display_name: &name,
                display_key: &name,
                salt: &[0; 16],
                iterations: 1,
                password: &[0; 32],
            };
            store.add_account(&new, Timestamp(0))?;
        }
        let mut conversations = Vec::new();
        for other in 2..CONVERSATIONS + 2 {
            conversations.push(store.add_direct_conversation(
                READER,
                UserId(other),
                Timestamp(0),
            )?);
        }
        for other in 2..CONVERSATIONS + 2 {
            store.add_direct_conversation(HERMIT, UserId(other), Timestamp(0))?;
        }
        store.commit()?;
        store.begin_epoch(1, Timestamp(0))?;
        let mut talk = Self { store, random: 88_172_645_463_325_252, conversations };
        talk.say(NEEDLE)?;
        talk.store.commit()?;
        Ok(talk)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % bound
    }

    /// Some words, the first ones of the vocabulary oftener than the last.
    fn words(&mut self) -> String {
        let mut text = String::new();
        for _ in 0..3 + self.below(12) {
            let range = 1 + self.below(4000);
            let mut word = self.below(range) + 30;
            while word > 0 {
                let letters = ["a", "ne", "ti", "ro", "s", "el", "mu", "d", "ki", "po", "ra"];
                text.push_str(letters[usize::try_from(word % 11).expect("small")]);
                word /= 11;
            }
            text.push(' ');
        }
        text
    }

    fn say(&mut self, body: &str) -> Result<(), StoreError> {
        let place = match self.below(10) {
            0 => 0,
            _ => usize::try_from(self.below(CONVERSATIONS.cast_unsigned())).expect("small"),
        };
        let other = UserId(i64::try_from(place).expect("small") + 2);
        let sender_id = if self.below(2) == 0 { READER } else { other };
        let nonce = format!("{:016x}{:016x}", self.random, self.random.wrapping_mul(31));
        let conversation_id = self.conversations[place];
        let (nonce, sent_at) = (Some(nonce.as_str()), Timestamp(1_700_000_000_000));
        assert!(self.store.message_by_nonce(sender_id, nonce.unwrap_or_default())?.is_none());
        let new = NewMessage { conversation_id, sender_id, body, nonce, sent_at };
        self.store.add_message(&new).map(drop)
    }

    /// Writes messages where only their number matters: the log grows long before it is brought in.
    fn fill_fast(&mut self, messages: u32) -> Result<(), StoreError> {
        for number in 1..=messages {
            if !self.store.is_still() {
                self.store.hold_still(LONG_LOG_BYTES)?;
            }
            let body = self.words();
            self.say(&body)?;
            if number % BATCH == 0 || number == messages {
                self.store.commit()?;
                while self.store.upkeep_is_due(false) {
                    self.store.keep_up()?;
                }
            }
        }
        self.store.let_go();
        Ok(())
    }

    /// Writes messages, and does the upkeep of each batch behind it, as a server does when it is quiet.
    #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52")]
    fn fill(&mut self, messages: u32) -> Result<Upkeep, Box<dyn std::error::Error>> {
        let (mut slices, mut checkpoints) = (Slices::default(), Slices::default());
        let (mut commit_time, mut upkeep_time, mut bytes) = (Duration::ZERO, Duration::ZERO, 0);
        for number in 1..=messages {
            let start = Instant::now();
            let body = self.words();
            self.say(&body)?;
            if number % BATCH == 0 || number == messages {
                self.store.set_marked(self.store.newest_id())?;
                self.store.commit()?;
                commit_time += start.elapsed();
                let (start, before) = (Instant::now(), bytes_written()?);
                while self.store.upkeep_is_due(false) {
                    let slice = Instant::now();
                    let job = self.store.keep_up()?;
                    let kind =
                        if job == Some(Job::Checkpoint) { &mut checkpoints } else { &mut slices };
                    kind.0.push(slice.elapsed());
                }
                upkeep_time += start.elapsed();
                bytes += bytes_written()? - before;
            } else {
                commit_time += start.elapsed();
            }
        }
        let each = |time: Duration| time.as_secs_f64() * 1e6 / f64::from(messages);
        println!(
            "{:>10.1} us a message to write it, in batches of {BATCH}, without syncs",
            each(commit_time)
        );
        println!("{:>10.1} us a message for its upkeep: {slices}", each(upkeep_time));
        println!("{:>10} checkpoints of the log: {checkpoints}", "");
        let syncs = 2.0 * checkpoints.0.len() as f64 / f64::from(messages);
        Ok(Upkeep { bytes: bytes as f64 / f64::from(messages), syncs })
    }

    /// What it costs to write messages, so many in a transaction; and with their upkeep, which is the same
    /// in the long run.
    #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52")]
    fn measure_writing(
        &mut self,
        batch: u32,
        upkeep: &Upkeep,
    ) -> Result<(), Box<dyn std::error::Error>> {
        let batches = 2000;
        let before = bytes_written()?;
        let start = Instant::now();
        for _ in 0..batches {
            for _ in 0..batch {
                let body = self.words();
                self.say(&body)?;
            }
            self.store.commit()?;
        }
        let messages = f64::from(batches * batch);
        let bytes = (bytes_written()? - before) as f64 / messages;
        let time = start.elapsed().as_secs_f64() * 1e6 / messages;
        let (all, syncs) = (bytes + upkeep.bytes, 1.0 / f64::from(batch) + upkeep.syncs);
        println!(
            "{all:>10.0} bytes ({bytes:.0} for the commit, {:.0} of upkeep), {syncs:.3} syncs, {time:.0} us, in batches of {batch}",
            upkeep.bytes
        );
        Ok(())
    }

    /// What everybody waits for when a backup has taken long while much was said.
    fn measure_long_log(&mut self) -> Result<(), Box<dyn std::error::Error>> {
        let log_bytes_max = Config::default().backup_log_bytes_max;
        self.store.hold_still(log_bytes_max)?;
        loop {
            for _ in 0..50 {
                let body = self.words();
                self.say(&body)?;
            }
            self.store.commit()?;
            let start = Instant::now();
            if self.store.keep_up()? == Some(Job::Checkpoint) {
                let (mib, time) = (log_bytes_max >> 20, millis(start.elapsed()));
                println!("\n{time:>10.1} ms to bring in a log of {mib} MiB at once");
                return Ok(());
            }
        }
    }

    fn measure_reading(&mut self) -> Result<(), StoreError> {
        let store = &self.store;
        let newest = store.newest_id();
        let half = MessageId(newest.0 / 2);
        let mut turn = self.conversations.iter().cycle();
        let mut next = || *turn.next().expect("endless");
        let joined = MessageId(0);
        for (what, page) in [
            ("the newest 50 messages of a conversation", HistoryPage::Newest),
            ("50 from the middle", HistoryPage::Before(half)),
            ("50 after one in the middle", HistoryPage::After(half)),
        ] {
            measure(what, || store.history(next(), joined, page, 50).map(drop))?;
        }
        let large = self.conversations[0];
        measure("the newest 50 of the largest conversation", || {
            store.history(large, joined, HistoryPage::Newest, 50).map(drop)
        })?;
        measure("all of it unread, a tenth of everything", || {
            store.unread(large, joined).map(drop)
        })?;
        let near = MessageId(newest.0 - 150);
        measure("catching up with 150 messages in 1000 conversations", || {
            store.changes_after(READER, near, 201).map(drop)
        })?;
        measure("the first 200 of half of all", || {
            store.changes_after(READER, half, 201).map(drop)
        })?;
        measure("the same of 1000 conversations in which nothing is said", || {
            store.changes_after(HERMIT, half, 201).map(drop)
        })?;
        measure("what has reached somebody in 1000 conversations", || {
            store.undelivered(READER, half, newest).map(drop)
        })?;
        let week = MessageId(newest.0 - 1000);
        let conversations = self.conversations.clone();
        measure("unread counts of 1000 conversations, 1000 messages in all", || {
            conversations.iter().try_for_each(|&id| store.unread(id, week).map(drop))
        })?;
        let mut number = 0;
        measure("whether a nonce is new", || {
            number += 1;
            store.message_by_nonce(READER, &number.to_string()).map(drop)
        })?;
        for (what, text) in [
            ("search: a frequent word", "nero"),
            ("search: two letters", "ro"),
            ("search: a word said once, long ago", "schwarzwälder"),
            ("search: one Chinese character, the same", "漠"),
            ("search: nothing like it", "xylophone"),
        ] {
            measure_search(store, what, text)?;
        }
        Ok(())
    }
}

/// The middle of some times.
fn measure(what: &str, mut act: impl FnMut() -> Result<(), StoreError>) -> Result<(), StoreError> {
    let mut times = Vec::new();
    for _ in 0..51 {
        let start = Instant::now();
        act()?;
        times.push(start.elapsed());
    }
    times.sort_unstable();
    println!("{:>10.3} ms {what}", millis(times[25]));
    Ok(())
}

fn measure_search(store: &Store, what: &str, text: &str) -> Result<(), StoreError> {
    let needle = Needle::parse(text).ok().flatten().expect("something");
    let start = Instant::now();
    let mut slices = Slices::default();
    let mut search = store.begin_search(READER, needle, MessageId(i64::MAX), 20)?;
    while !slices.measure(|| store.go_on(&mut search))? {}
    let all = millis(start.elapsed());
    let found = search.into_found().messages.len();
    println!("{all:>10.3} ms {what}: {found} found, {slices}");
    Ok(())
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn bytes_written() -> io::Result<u64> {
    let counters = fs::read_to_string("/proc/self/io")?;
    let value = counters.lines().find_map(|line| line.strip_prefix("write_bytes: "));
    let value = value.and_then(|value| value.parse().ok());
    value.ok_or_else(|| io::Error::other("the kernel counts no bytes"))
}
