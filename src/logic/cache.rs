//! Keeps in memory what is asked again and again: who holds a token, and who is in a conversation.
//! Does not know who may see what.
//!
//! The database is the truth; everything here can be forgotten at any moment, and is forgotten as a
//! whole whenever something about it changes or a turn is rolled back. That is simpler than finding
//! the entry that changed, and such changes are rare compared with messages and polls. A full cache
//! is forgotten, too.

use std::rc::Rc;

use super::access::Room;
use crate::data::SessionRow;
use crate::entity::ConversationId;
use crate::map::Map;

/// What was read from the store and has not changed since.
#[derive(Debug)]
pub(super) struct Cache {
    /// By half of the token's hash: to find another token with the same half takes 2^128 guesses.
    sessions: Map<[u8; 16], SessionRow>,
    rooms: Map<ConversationId, Rc<Room>>,
    /// How much the conversations weigh, as [`weight`] counts it.
    rooms_weight: usize,
    entries_max: usize,
}

/// A conversation of two counts as one, and every four further members as one more.
fn weight(room: &Room) -> usize {
    1 + room.seats.len() / SEATS
}

/// How many members of a conversation take as much memory as the rest of an entry.
const SEATS: usize = 4;

impl Cache {
    pub(super) fn new(entries_max: usize) -> Self {
        Self { sessions: Map::default(), rooms: Map::default(), rooms_weight: 0, entries_max }
    }

    /// How many sessions and conversations there are.
    pub(super) fn len(&self) -> (usize, usize) {
        (self.sessions.len(), self.rooms.len())
    }

    pub(super) fn session(&self, token_hash: &[u8; 32]) -> Option<SessionRow> {
        self.sessions.get(&half(token_hash)).copied()
    }

    pub(super) fn keep_session(&mut self, token_hash: &[u8; 32], session: SessionRow) {
        if self.sessions.len() >= self.entries_max {
            self.sessions.clear();
        }
        self.sessions.insert(half(token_hash), session);
    }

    /// A session has ended, or is stored differently now.
    pub(super) fn forget_sessions(&mut self) {
        self.sessions.clear();
    }

    pub(super) fn room(&self, id: ConversationId) -> Option<Rc<Room>> {
        self.rooms.get(&id).map(Rc::clone)
    }

    pub(super) fn keep_room(&mut self, room: Rc<Room>) {
        self.rooms_weight += weight(&room);
        if self.rooms_weight > self.entries_max {
            self.forget_rooms();
            self.rooms_weight = weight(&room);
        }
        self.rooms.insert(room.id, room);
    }

    /// Somebody's friendships or memberships have changed.
    pub(super) fn forget_rooms(&mut self) {
        self.rooms.clear();
        self.rooms_weight = 0;
    }

    /// A turn was rolled back, and something may have been read that now never happened.
    pub(super) fn forget(&mut self) {
        self.forget_sessions();
        self.forget_rooms();
    }
}

fn half(token_hash: &[u8; 32]) -> [u8; 16] {
    let (halves, _) = token_hash.as_chunks();
    halves[0]
}
