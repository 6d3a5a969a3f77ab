//! Does for the store what nobody should have to wait for: places, merges and sweeps the entries of
//! the index (see [`super::index`]), signs what can be searched (see [`super::search`]), and brings
//! the log into the database.
//!
//! One slice at a time, each a transaction of its own, preferably when there is nothing else to do.
//! What is put off for too long is *pressing*: then a slice is due even though there is something
//! else to do, so that memory and log stay within bounds.
//!
//! ```text
//! remembered --place--> level 0 --merge--> level 1 --merge--> level 2 ...
//!                          '----sweep        '----sweep
//! ```

use super::index::{Key, Level};
use super::{Store, StoreError, sql_integer};
use crate::config::Durability;
use crate::entity::MessageId;

/// How many times larger a level is than the one before. In each level an entry is rewritten half
/// that many times on average; and each level is one more place to look into.
const LEVEL_FACTOR: i64 = 8;

/// How many entries are moved in one slice: this takes a millisecond or two.
const SLICE: usize = 256;

/// How many blocks of messages are signed in one slice.
const BLOCKS_OF_SLICE: i64 = 8;

/// How many pages the log may have before it is brought into the database, if there is nothing else
/// to do: 256 KiB. A page that changes often is then written to the database only once. The
/// database is synced, and everybody waits for that: with this many pages, as long as for a few
/// commits. With four times as many a message would cost the disk a twentieth less, and everybody
/// would wait four times as long.
pub(super) const LOG_PAGES: u32 = 128;

/// How many times larger than it need be something gets before it is pressing.
const PRESSING: i64 = 4;

/// What is done, and how far it has got.
#[derive(Debug)]
pub(super) struct Upkeep {
    /// How many messages are placed together, at least.
    pub(super) index_batch: i64,
    /// All blocks before this one are signed; see [`super::search`].
    pub(super) signed: i64,
    placing: Option<Walk>,
    deepening: Option<(Job, Walk)>,
}

/// A walk through entries in the order of the table.
#[derive(Clone, Copy, Debug)]
struct Walk {
    /// Entries of messages up to this one.
    up_to: MessageId,
    /// How many messages and changes those are.
    messages: i64,
    /// The last entry of the previous slice.
    after: Option<(Key, MessageId)>,
}

/// What there is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Job {
    /// What is remembered goes into level 0.
    Place,
    /// A level goes into the next.
    Merge(usize),
    /// What the next level has is removed from this one.
    Sweep(usize),
    /// Messages get signatures.
    Sign,
    /// The log is brought into the database.
    Checkpoint,
}

impl Default for Upkeep {
    fn default() -> Self {
        Self { index_batch: 4096, signed: 0, placing: None, deepening: None }
    }
}

impl Store {
    /// How many messages are placed in the index together, at least.
    pub fn set_index_batch(&mut self, messages: usize) {
        self.upkeep.index_batch = i64::try_from(messages).unwrap_or(i64::MAX / 1024).max(1);
    }

    /// Whether there is something to do: if there is nothing else to do, or, if `pressing`, in any
    /// case.
    pub fn upkeep_is_due(&self, pressing: bool) -> bool {
        self.job(if pressing { PRESSING } else { 1 }).is_some()
    }

    /// Does one slice, and says of which job. Not within a turn that writes. An error leaves
    /// everything as it was.
    pub fn keep_up(&mut self) -> Result<Option<Job>, StoreError> {
        assert!(!self.writing, "a turn's transaction is its own");
        let job = self.job(1);
        let done = match job {
            None => Ok(()),
            Some(Job::Checkpoint) => self.checkpoint(),
            Some(job) => self.slice_of(job),
        };
        if done.is_err() {
            self.roll_back();
        }
        done.map(|()| job)
    }

    /// Nobody is told of it, and after a power cut it is merely done again: so it need not be
    /// synced by itself.
    fn slice_of(&mut self, job: Job) -> Result<(), StoreError> {
        self.begin_as(Durability::Normal)?;
        match job {
            Job::Place => self.place(),
            Job::Merge(level) => self.merge(level),
            Job::Sweep(level) => self.sweep(level),
            Job::Sign => self.sign(BLOCKS_OF_SLICE),
            Job::Checkpoint => unreachable!("it is no transaction"),
        }
    }

    /// What to do next, among what is this many times larger than it need be.
    fn job(&self, times: i64) -> Option<Job> {
        let Upkeep { index_batch, placing, deepening, .. } = &self.upkeep;
        let levels = &self.index.levels;
        let below = |level: usize| levels.get(level + 1).map_or(MessageId(0), |next| next.newest);
        let is_full = |level: usize| {
            let power = u32::try_from(level + 1).unwrap_or(u32::MAX);
            let room = index_batch.saturating_mul(LEVEL_FACTOR.saturating_pow(power));
            levels[level].messages >= room.saturating_mul(times)
        };
        let unplaced = self.newest.0 - self.index.placed().0;
        if placing.is_some() || unplaced >= index_batch.saturating_mul(times) {
            return Some(Job::Place);
        }
        let blocks = BLOCKS_OF_SLICE.max(*index_batch / 512);
        if self.unsigned_blocks() >= blocks.saturating_mul(times) {
            return Some(Job::Sign);
        }
        let pages_max = self.still.map_or(i64::from(LOG_PAGES) * times, i64::from);
        if i64::from(self.log_pages()) >= pages_max {
            return Some(Job::Checkpoint);
        }
        if let Some((job, _)) = deepening {
            return Some(*job);
        }
        let unswept = (0..levels.len()).find(|&level| levels[level].swept < below(level));
        let full = || (0..levels.len()).find(|&level| is_full(level)).map(Job::Merge);
        unswept.map(Job::Sweep).or_else(full)
    }

    fn place(&mut self) -> Result<(), StoreError> {
        let start = || Walk {
            up_to: self.newest,
            messages: self.index.count_up_to(self.newest),
            after: None,
        };
        let mut walk = self.upkeep.placing.take().unwrap_or_else(start);
        let entries = self.index.remembered_after(walk.after, walk.up_to);
        let slice: Vec<_> = entries.take(SLICE).collect();
        self.put(0, &slice)?;
        if walk.goes_on_behind(&slice) {
            self.commit()?;
            self.upkeep.placing = Some(walk);
            return Ok(());
        }
        let level = self.index.levels.first().copied().unwrap_or_default();
        let messages = level.messages + walk.messages;
        self.set_levels(&[(0, Level { newest: walk.up_to, messages, ..level })])?;
        self.index.forget_up_to(walk.up_to);
        Ok(())
    }

    fn merge(&mut self, level: usize) -> Result<(), StoreError> {
        let Level { newest, messages, .. } = self.index.levels[level];
        let start = Walk { up_to: newest, messages, after: None };
        let mut walk = self.upkeep.deepening.take().map_or(start, |(_, walk)| walk);
        let next = self.index.levels.get(level + 1).copied().unwrap_or_default();
        let slice = self.slice(level, walk, next.newest.max(self.forgotten))?;
        let mut kept = Vec::with_capacity(slice.len());
        for &(key, id) in &slice {
            // What has been forgotten is left behind, and so is what has since given its number up.
            if !key.is_of_changes() || self.is_taken(id)? {
                kept.push((key, id));
            }
        }
        self.put(level + 1, &kept)?;
        if walk.goes_on_behind(&slice) {
            self.commit()?;
            self.upkeep.deepening = Some((Job::Merge(level), walk));
            return Ok(());
        }
        // What was placed meanwhile stays.
        let mut this = self.index.levels[level];
        this.messages -= walk.messages;
        let messages = next.messages + walk.messages;
        self.set_levels(&[
            (level + 1, Level { newest: walk.up_to, messages, ..next }),
            (level, this),
        ])
    }

    fn sweep(&mut self, level: usize) -> Result<(), StoreError> {
        let start = Walk { up_to: self.index.levels[level + 1].newest, messages: 0, after: None };
        let mut walk = self.upkeep.deepening.take().map_or(start, |(_, walk)| walk);
        let (from, slice) = (walk.start(), self.slice(level, walk, MessageId(0))?);
        if let Some((key, id)) = slice.last() {
            let range = (sql_integer(level), from.0, from.1, key.0, id.0, walk.up_to.0);
            self.write(
                "DELETE FROM message_index WHERE level = ?1 AND (key, message_id) > (?2, ?3)
                 AND (key, message_id) <= (?4, ?5) AND message_id <= ?6",
                range,
            )?;
        }
        if walk.goes_on_behind(&slice) {
            self.commit()?;
            self.upkeep.deepening = Some((Job::Sweep(level), walk));
            return Ok(());
        }
        let this = self.index.levels[level];
        self.set_levels(&[(level, Level { swept: walk.up_to, ..this })])
    }

    /// The next entries of a level on a walk.
    fn slice(
        &self,
        level: usize,
        walk: Walk,
        above: MessageId,
    ) -> Result<Vec<(Key, MessageId)>, StoreError> {
        let (key, id) = walk.start();
        let bounds = (sql_integer(level), key, id, above.0, walk.up_to.0, sql_integer(SLICE));
        self.all(SLICE_OF_LEVEL, bounds, |row| Ok((Key(row.get(0)?), MessageId(row.get(1)?))))
    }

    /// Writes entries into a level. Some of them may already be there, from a walk that was broken
    /// off.
    fn put(&mut self, level: usize, entries: &[(Key, MessageId)]) -> Result<(), StoreError> {
        let sql =
            "INSERT OR IGNORE INTO message_index (level, key, message_id) VALUES (?1, ?2, ?3)";
        for (key, id) in entries {
            self.write(sql, (sql_integer(level), key.0, id.0))?;
        }
        Ok(())
    }

    /// Whether a number belongs to a message or a change. Of several changes of a message, all but
    /// the last have given their numbers up.
    fn is_taken(&self, id: MessageId) -> Result<bool, StoreError> {
        let found = self.one("SELECT 1 FROM messages WHERE id = ?1", [id.0], |_| Ok(()))?;
        Ok(found.is_some())
    }

    /// The last step of a walk moves borders.
    fn set_levels(&mut self, levels: &[(usize, Level)]) -> Result<(), StoreError> {
        for &(place, level) in levels {
            self.write(
                "INSERT INTO index_levels (level, newest_id, swept_id, messages)
                 VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (level) DO UPDATE SET newest_id = ?2, swept_id = ?3, messages = ?4",
                (sql_integer(place), level.newest.0, level.swept.0, level.messages),
            )?;
        }
        self.commit()?;
        for &(place, level) in levels {
            match self.index.levels.get_mut(place) {
                Some(known) => *known = level,
                None => self.index.levels.push(level),
            }
        }
        Ok(())
    }
}

impl Walk {
    /// The next slice begins after this key and number.
    fn start(&self) -> (i64, i64) {
        self.after.map_or((i64::MIN, 0), |(key, id)| (key.0, id.0))
    }

    /// Goes on after a slice. Returns whether there may be another.
    fn goes_on_behind(&mut self, slice: &[(Key, MessageId)]) -> bool {
        self.after = slice.last().copied();
        slice.len() == SLICE
    }
}

/// Entries of a level after one of them, of messages in a range.
pub(super) const SLICE_OF_LEVEL: &str = "SELECT key, message_id FROM message_index
     WHERE level = ?1 AND (key, message_id) > (?2, ?3) AND message_id > ?4 AND message_id <= ?5
     ORDER BY key, message_id LIMIT ?6";

#[cfg(test)]
mod tests {
    use super::super::index::Order;
    use super::*;
    use crate::data::NewMessage;
    use crate::data::pragma;
    use crate::entity::{ConversationId, Timestamp, UserId};

    /// Writes messages and notes of changes; now and then it takes a turn back, fails, or starts
    /// anew.
    struct Writer {
        store: Store,
        /// What is committed: each entry's key and number.
        truth: Vec<(Key, MessageId)>,
        random: u64,
    }

    impl Writer {
        fn new(index_batch: usize) -> Self {
            let mut store = Store::in_memory().unwrap();
            store.set_index_batch(index_batch);
            Self { store, truth: Vec::new(), random: 88_172_645_463_325_252 }
        }

        fn below(&mut self, bound: u64) -> u64 {
            self.random ^= self.random << 13;
            self.random ^= self.random >> 7;
            self.random ^= self.random << 17;
            self.random % bound
        }

        fn turn(&mut self) {
            let mut written = Vec::new();
            for _ in 0..self.below(4) {
                let conversation_id = ConversationId(1 + self.below(5).cast_signed());
                let sender_id = UserId(1);
                let nonce = (self.below(2) == 0).then(|| self.random.to_string());
                let (body, nonce) = ("", nonce.as_deref());
                let sent_at = Timestamp(0);
                let new = NewMessage { conversation_id, sender_id, body, nonce, sent_at };
                let id = self.store.add_message(&new).unwrap();
                written.push((Key::messages(conversation_id), id));
                written.extend(nonce.map(|nonce| (Key::nonce(sender_id, nonce), id)));
                if self.below(8) == 0 {
                    let message = self.store.message(id).unwrap().unwrap();
                    let change = self.store.change_message(&message, sent_at).unwrap();
                    written.push((Key::changes(conversation_id), change));
                }
            }
            if self.below(10) == 0 {
                self.store.roll_back();
            } else {
                self.store.commit().unwrap();
                self.truth.extend(written);
            }
        }

        /// Each key's entries are as they should be, from either end and in between.
        fn check(&mut self) {
            let newest = self.store.newest_id().0.cast_unsigned();
            let above = MessageId(self.below(newest + 1).cast_signed());
            let below = MessageId(self.below(newest + 3).cast_signed());
            let limit = usize::try_from(self.below(9)).unwrap();
            let mut keys: Vec<_> = self.truth.iter().map(|&(key, _)| key).collect();
            keys.sort_unstable();
            keys.dedup();
            for key in keys {
                let between = |&&(k, id): &&(Key, MessageId)| k == key && id > above && id < below;
                let mut ids: Vec<_> =
                    self.truth.iter().filter(between).map(|&(_, id)| id).collect();
                for order in [Order::OldestFirst, Order::NewestFirst] {
                    let found = self.store.ids(key, (above, below), order, limit).unwrap();
                    assert_eq!(found, ids[..limit.min(ids.len())], "{key:?} {above} {below}");
                    ids.reverse();
                }
            }
        }
    }

    #[test]
    fn entries_are_found_wherever_they_are_whatever_was_done_to_them() {
        for index_batch in [1, 7, 40, 100_000] {
            let mut writer = Writer::new(index_batch);
            for _ in 0..300 {
                writer.turn();
                for _ in 0..writer.below(4) {
                    writer.store.keep_up().unwrap();
                }
                match writer.below(50) {
                    0 => writer.store.load_index().unwrap(),
                    1 => {
                        pragma::set(&writer.store.connection, "query_only", true).unwrap();
                        let is_due = writer.store.upkeep_is_due(false);
                        assert_eq!(writer.store.keep_up().is_err(), is_due);
                        pragma::set(&writer.store.connection, "query_only", false).unwrap();
                    }
                    2..12 => writer.check(),
                    _ => {}
                }
            }
            writer.check();
            let is_placed = !writer.store.index.levels.is_empty();
            assert_eq!(is_placed, index_batch < 100_000, "the test does what it says");
        }
    }

    #[test]
    fn upkeep_ends_and_leaves_each_entry_once() {
        let mut writer = Writer::new(2);
        for _ in 0..200 {
            writer.turn();
        }
        while writer.store.upkeep_is_due(false) {
            writer.store.keep_up().unwrap();
        }
        assert!(writer.store.index.levels.len() > 1, "there was something to merge");
        let placed = writer.store.index.placed();
        let expected = writer.truth.iter().filter(|&&(_, id)| id <= placed).count();
        let sql = "SELECT count(*) FROM message_index";
        let count: i64 = writer.store.connection.query_row(sql, [], |row| row.get(0)).unwrap();
        assert_eq!(usize::try_from(count).unwrap(), expected);
        writer.check();
    }

    /// Whoever edits one message again and again leaves nothing behind that others must look
    /// through.
    #[test]
    fn changes_that_have_given_their_numbers_up_are_left_behind() {
        let mut writer = Writer::new(2);
        while writer.store.newest_id().0 == 0 {
            writer.turn();
        }
        let message = writer.store.message(MessageId(1)).unwrap().unwrap();
        for _ in 0..1000 {
            writer.store.change_message(&message, Timestamp(0)).unwrap();
            writer.store.commit().unwrap();
            while writer.store.upkeep_is_due(false) {
                writer.store.keep_up().unwrap();
            }
        }
        let sql = "SELECT count(*) FROM message_index WHERE key = ?1 AND level > 0";
        let key = Key::changes(message.conversation_id);
        let count = |sql| writer.store.one(sql, [key.0], |row| row.get::<_, i64>(0)).unwrap();
        // Only those that were the last when they came there.
        assert!(count(sql).unwrap() < 100, "{:?}", count(sql));
    }

    /// What a restored copy leaves out: the levels are as full as they were.
    #[test]
    fn a_gap_in_the_numbers_fills_no_level() {
        let mut writer = Writer::new(2);
        for round in 0..3 {
            for _ in 0..100 {
                writer.turn();
                while writer.store.upkeep_is_due(false) {
                    writer.store.keep_up().unwrap();
                }
            }
            writer.check();
            let forgets = "UPDATE identity SET forgets = 1 << 40";
            writer.store.connection.execute_batch(forgets).unwrap();
            writer.store.begin_epoch(round, Timestamp(0)).unwrap();
            assert!(writer.store.newest_id().0 > i64::from(round + 1) << 40);
        }
        assert!(writer.store.index.levels.len() < 5, "{:?}", writer.store.index.levels);
        let placed = writer.store.index.placed();
        let expected = writer.truth.iter().filter(|&&(key, id)| !key.is_of_nonce() && id <= placed);
        let counted: i64 = writer.store.index.levels.iter().map(|level| level.messages).sum();
        assert_eq!(usize::try_from(counted).unwrap(), expected.count());
    }

    #[test]
    fn a_walk_that_is_broken_off_begins_anew() {
        let mut writer = Writer::new(SLICE * 4);
        while !writer.store.upkeep_is_due(false) {
            writer.turn();
        }
        writer.store.keep_up().unwrap();
        writer.store.load_index().unwrap();
        writer.store.upkeep = Upkeep { index_batch: 1, ..Upkeep::default() };
        writer.check();
        while writer.store.upkeep_is_due(false) {
            writer.store.keep_up().unwrap();
        }
        writer.check();
    }
}
