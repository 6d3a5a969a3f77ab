//! Finds messages by what is said in them, a slice at a time.
//!
//! Messages are numbered nearly without gaps, so a *block* is simply a fixed count of numbers in a
//! row. Where there is a gap (after what was forgotten, or what a power cut has taken) blocks are
//! empty, have no signature, and are jumped over. Each block of the past has a *signature*: a row
//! of bits, one set for each gram (see [`crate::entity::each_gram`]) of what is said in it, and one
//! for each conversation in which. A search goes back from block to block, skips those whose
//! signature lacks a bit of what is searched for, and reads the messages of the others. So whatever
//! is found is really there; a block may be read in vain, but seldom if the text searched for is
//! long or Chinese.
//!
//! Signatures are appended, each fills one page, and they cost 16 bytes per message: nothing is
//! merged or looked up to write them. An edited message adds its bits; those of deleted text stay.
//! The newest messages, which are not signed yet, are read through.

use std::ops::RangeInclusive;

use rusqlite::Row;

use super::messages::{Place, joined, read_message};
use super::{Store, StoreError};
use crate::entity::{ConversationId, Message, MessageId, Needle, UserId, each_gram};

/// How many numbers make a block: a power of two.
const BLOCK: i64 = 128;

/// With what SQLite adds, a signature fills a page.
const SIGNATURE_BYTES: usize = 1984;

/// What a slice of a search may cost: half a millisecond or less. A message counts one, and one
/// more for each so many bytes; a signature counts as several messages.
const COST_OF_SLICE: usize = 256;
const BYTES_PER_COST: usize = 256;
const COST_OF_SIGNATURE: usize = 4;

/// With more conversations than this, blocks are not asked whether they have one of them: most
/// have.
const CONVERSATIONS_ASKED_MAX: usize = 32;

/// The bits of a block.
pub(super) struct Signature([u8; SIGNATURE_BYTES]);

/// A search in progress.
#[derive(Debug)]
pub struct Search {
    needle: Needle,
    /// Whose copies of messages are found.
    user: UserId,
    /// The user's conversations.
    places: Vec<Place>,
    /// Bits that a block must have, and some of which it must have one.
    all_of: Vec<usize>,
    one_of: Vec<usize>,
    limit: usize,
    /// Everything from here on has been looked at.
    before: MessageId,
    found: Vec<Message>,
}

/// What a search has found.
#[derive(Debug, PartialEq, Eq)]
pub struct Found {
    /// Newest first.
    pub messages: Vec<Message>,
    /// Where to go on: everything from this number on has been looked at. `None`: there is no more.
    pub before: Option<MessageId>,
}

impl Search {
    /// What has been found so far.
    pub fn into_found(mut self) -> Found {
        let mut before = (self.before.0 > 1).then_some(self.before);
        if self.found.len() > self.limit {
            self.found.truncate(self.limit);
            before = self.found.last().map(|message| message.id);
        }
        Found { messages: self.found, before }
    }

    /// Takes a message if it is one that is searched for. Returns whether there is room for
    /// another.
    fn look_at(&mut self, message: Message) -> bool {
        let joined = joined(&self.places, message.conversation_id);
        let is_seen = joined.is_some_and(|joined| message.id > joined);
        if is_seen && message.deleted_at.is_none() && self.needle.is_in(&message.body) {
            self.found.push(message.seen_by(self.user));
        }
        // One more than is wanted shows that there is more.
        self.found.len() <= self.limit
    }
}

impl Signature {
    /// Of nothing.
    pub(super) fn empty() -> Self {
        Self([0; SIGNATURE_BYTES])
    }

    /// One that is stored.
    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        let mut signature = Self::empty();
        let bits = row.get_ref(0)?.as_blob()?;
        signature.0.iter_mut().zip(bits).for_each(|(own, bits)| *own = *bits);
        Ok(signature)
    }

    /// Whether a search by it finds this text in that conversation.
    pub(super) fn covers(&self, conversation: ConversationId, body: &str) -> bool {
        let mut wanted = Self::empty();
        wanted.add(conversation, body);
        wanted.0.iter().zip(&self.0).all(|(wanted, bits)| wanted & !bits == 0)
    }

    fn bit_of(hashed: u64) -> usize {
        // Fibonacci hashing: the high bits of the product depend on all bits.
        let hash = hashed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
        usize::try_from(hash).unwrap_or(0) % (SIGNATURE_BYTES * 8)
    }

    fn bit_of_conversation(id: ConversationId) -> usize {
        // Above every gram, which has 63 bits.
        Self::bit_of(id.0.cast_unsigned() | 1 << 63)
    }

    fn add(&mut self, conversation: ConversationId, body: &str) {
        self.set(Self::bit_of_conversation(conversation));
        each_gram(body, |gram| self.set(Self::bit_of(gram)));
    }

    fn set(&mut self, bit: usize) {
        self.0[bit / 8] |= 1 << (bit % 8);
    }
}

/// Whether a row of bits has one.
fn has(bits: &[u8], bit: usize) -> bool {
    bits.get(bit / 8).is_none_or(|byte| byte >> (bit % 8) & 1 == 1)
}

impl Store {
    /// Begins a search of a user's conversations for the newest `limit` messages before a number.
    pub fn begin_search(
        &self,
        user: UserId,
        needle: Needle,
        before: MessageId,
        limit: usize,
    ) -> Result<Search, StoreError> {
        let places = self.places(user)?;
        let all_of = needle.grams().into_iter().map(Signature::bit_of).collect();
        let is_asked = places.len() <= CONVERSATIONS_ASKED_MAX;
        let asked = places.iter().filter(|_| is_asked);
        let one_of =
            asked.map(|place| Signature::bit_of_conversation(place.conversation)).collect();
        let before = before.min(MessageId(self.newest.0 + 1));
        // If the user is in no conversation, everything has been looked at.
        let before = if places.is_empty() { MessageId(0) } else { before };
        Ok(Search { needle, user, places, all_of, one_of, limit, before, found: Vec::new() })
    }

    /// Does one slice of a search. Returns whether it is at its end: it has found enough, or there
    /// is nothing left to look at.
    pub fn go_on(&self, search: &mut Search) -> Result<bool, StoreError> {
        let mut cost = 0;
        // What was forgotten is no longer there.
        while search.before.0 > self.forgotten.0 + 1 {
            if search.found.len() > search.limit {
                return Ok(true);
            }
            if cost >= COST_OF_SLICE {
                return Ok(false);
            }
            let newest = search.before.0 - 1;
            let block = newest / BLOCK;
            match self.may_hold(block, search)? {
                Some(true) => {
                    cost += COST_OF_SIGNATURE;
                    cost += self.look_through(block, search, COST_OF_SLICE.saturating_sub(cost))?;
                }
                Some(false) => {
                    cost += COST_OF_SIGNATURE;
                    search.before = MessageId(block * BLOCK);
                }
                None => {
                    cost += COST_OF_SIGNATURE;
                    search.before = self.behind_newest_before(block * BLOCK)?;
                }
            }
        }
        search.before = MessageId(0);
        Ok(true)
    }

    /// The number after the newest message before this one; 0 if there is none.
    fn behind_newest_before(&self, number: i64) -> Result<MessageId, StoreError> {
        let sql = "SELECT max(id) FROM messages WHERE id < ?1";
        let newest: Option<i64> = self.one(sql, [number], |row| row.get(0))?.flatten();
        Ok(MessageId(newest.map_or(0, |newest| newest + 1)))
    }

    /// Whether a block may have what is searched for; `None` for an empty one.
    fn may_hold(&self, block: i64, search: &Search) -> Result<Option<bool>, StoreError> {
        if block >= self.upkeep.signed {
            let sql = "SELECT 1 FROM messages WHERE id >= ?1 AND id <= ?2 LIMIT 1";
            let numbers = numbers_of(block);
            return self.one(sql, (numbers.start(), numbers.end()), |_| Ok(true));
        }
        self.one("SELECT bits FROM signatures WHERE block = ?1", [block], |row| {
            let bits = row.get_ref(0)?.as_blob()?;
            let one_of = &search.one_of;
            let is_there = one_of.is_empty() || one_of.iter().any(|&bit| has(bits, bit));
            Ok(is_there && search.all_of.iter().all(|&bit| has(bits, bit)))
        })
    }

    /// Looks at the messages of a block, newest first, until enough is found, or it has cost
    /// enough: then the next slice goes on from there. Returns what it has cost.
    fn look_through(
        &self,
        block: i64,
        search: &mut Search,
        cost_max: usize,
    ) -> Result<usize, StoreError> {
        let mut cost = 0;
        let mut statement = self.statement(MESSAGES_BACK)?;
        let mut rows = statement.query((block * BLOCK, search.before.0))?;
        while let Some(row) = rows.next()? {
            let message = read_message(row)?;
            cost += 1 + message.body.len() / BYTES_PER_COST;
            search.before = message.id;
            if !search.look_at(message) || cost >= cost_max {
                return Ok(cost);
            }
        }
        search.before = MessageId(block * BLOCK);
        Ok(cost)
    }

    /// Finds out which blocks are signed: all before a number.
    pub(super) fn load_signed(&mut self) -> Result<(), StoreError> {
        let newest = self.one("SELECT max(block) FROM signatures", [], |row| row.get(0))?;
        self.upkeep.signed = newest.flatten().map_or(0, |block: i64| block + 1);
        Ok(())
    }

    /// The messages up to this one are forgotten: so are their signatures, except the newest one,
    /// from which the next follows.
    pub(super) fn forget_signatures(&mut self, up_to: MessageId) -> Result<(), StoreError> {
        let end = ((up_to.0 + 1) / BLOCK).min(self.upkeep.signed - 1);
        self.write("DELETE FROM signatures WHERE block < ?1", [end]).map(drop)
    }

    /// How many blocks are complete and not signed yet.
    pub(super) fn unsigned_blocks(&self) -> i64 {
        (self.newest.0 + 1) / BLOCK - self.upkeep.signed
    }

    /// Signs some blocks.
    pub(super) fn sign(&mut self, blocks: i64) -> Result<(), StoreError> {
        let complete = self.upkeep.signed + self.unsigned_blocks();
        let sql = "SELECT min(id) FROM messages WHERE id >= ?1";
        let next: Option<i64> =
            self.one(sql, [self.upkeep.signed * BLOCK], |row| row.get(0))?.flatten();
        // After a gap.
        let first = next.map_or(complete, |next| complete.min(next / BLOCK));
        let end = complete.min(first + blocks);
        for block in first..end {
            let signature = self.signature(numbers_of(block))?;
            self.write(
                "INSERT OR REPLACE INTO signatures (block, bits) VALUES (?1, ?2)",
                (block, &signature.0[..]),
            )?;
        }
        self.commit()?;
        self.upkeep.signed = end;
        Ok(())
    }

    fn signature(&self, numbers: RangeInclusive<i64>) -> Result<Signature, StoreError> {
        let mut signature = Signature::empty();
        let mut statement = self.statement(BODIES)?;
        let mut rows = statement.query((numbers.start(), numbers.end()))?;
        while let Some(row) = rows.next()? {
            let body = row.get_ref(1)?.as_str().map_err(rusqlite::Error::from)?;
            signature.add(ConversationId(row.get(0)?), body);
        }
        Ok(signature)
    }

    /// A message has another body: its block's signature gets the bits of both.
    pub(super) fn sign_again(&mut self, message: &Message) -> Result<(), StoreError> {
        let block = message.id.0 / BLOCK;
        if block >= self.upkeep.signed || message.body.is_empty() {
            return Ok(());
        }
        let mut signature = Signature::empty();
        signature.add(message.conversation_id, &message.body);
        self.one("SELECT bits FROM signatures WHERE block = ?1", [block], |row| {
            let bits = row.get_ref(0)?.as_blob()?;
            signature.0.iter_mut().zip(bits).for_each(|(own, bits)| *own |= bits);
            Ok(())
        })?;
        self.write("UPDATE signatures SET bits = ?2 WHERE block = ?1", (block, &signature.0[..]))
            .map(drop)
    }
}

/// The block that a message is in.
pub(super) fn block_of(id: MessageId) -> i64 {
    id.0 / BLOCK
}

fn numbers_of(block: i64) -> RangeInclusive<i64> {
    block * BLOCK..=block * BLOCK + (BLOCK - 1)
}

const BODIES: &str = "SELECT conversation_id, body FROM messages
     WHERE id >= ?1 AND id <= ?2 AND changes IS NULL";

const MESSAGES_BACK: &str = concat!(
    "SELECT ",
    super::messages::message_columns!(),
    " FROM messages AS m WHERE m.id >= ?1 AND m.id < ?2 AND m.changes IS NULL ORDER BY m.id DESC"
);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::NewMessage;
    use crate::entity::Timestamp;

    #[test]
    fn a_slice_ends_in_the_middle_of_long_messages_and_the_next_goes_on_there() {
        let mut store = Store::in_memory().unwrap();
        let (anna, ben) = (UserId(1), UserId(2));
        for name in ["anna", "ben"] {
            let [salt, password] = [&[0; 16][..], &[0; 32][..]];
            let sql =
                "INSERT INTO users (name, display_name, salt, iterations, password, created_at)
                       VALUES (?1, ?1, ?2, 1, ?3, 0)";
            store.write(sql, (name, salt, password)).unwrap();
        }
        let conversation_id = store.add_direct_conversation(anna, ben, Timestamp(0)).unwrap();
        for number in 0..BLOCK {
            let body = format!("number {number}.{}", "x".repeat(8000));
            let (sender_id, body, nonce, sent_at) = (anna, body.as_str(), None, Timestamp(0));
            let new = NewMessage { conversation_id, sender_id, body, nonce, sent_at };
            store.add_message(&new).unwrap();
        }
        store.commit().unwrap();
        let needle = Needle::parse("number").unwrap().unwrap();
        let mut search = store.begin_search(ben, needle, MessageId(i64::MAX), 1000).unwrap();
        let mut seen = vec![0];
        while !store.go_on(&mut search).unwrap() {
            seen.push(search.found.len());
        }
        let most = seen.windows(2).map(|two| two[1] - two[0]).max().unwrap_or(1000);
        assert!(most * 8000 / BYTES_PER_COST <= COST_OF_SLICE, "{seen:?}");
        let found: Vec<_> = search.into_found().messages.iter().map(|found| found.id.0).collect();
        assert_eq!(found, (1..=BLOCK).rev().collect::<Vec<_>>());
    }
}
