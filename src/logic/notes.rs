//! Remembers what is worth keeping but not worth a write of its own: when users were last seen and
//! sessions last used. It goes to the disk with the next transaction that is made anyway, and at
//! the latest when the server stops.

use std::collections::BTreeMap;

use crate::data::{Store, StoreError};
use crate::entity::{SessionId, Timestamp, UserId};

/// What the disk does not know yet.
#[derive(Debug, Default)]
pub(super) struct Notes {
    seen: BTreeMap<UserId, Timestamp>,
    used: BTreeMap<SessionId, Timestamp>,
}

impl Notes {
    /// A user was last seen then.
    pub(super) fn last_seen(&mut self, user: UserId, at: Timestamp) {
        self.seen.insert(user, at);
    }

    /// A session was last used then.
    pub(super) fn last_used(&mut self, session: SessionId, at: Timestamp) {
        self.used.insert(session, at);
    }

    /// When the user was last seen, if the disk does not know it yet.
    pub(super) fn seen(&self, user: UserId) -> Option<Timestamp> {
        self.seen.get(&user).copied()
    }

    /// When the session was last used, if the disk does not know it yet.
    pub(super) fn used(&self, session: SessionId) -> Option<Timestamp> {
        self.used.get(&session).copied()
    }

    /// Puts everything into the turn's transaction.
    pub(super) fn write(&self, store: &mut Store) -> Result<(), StoreError> {
        for (&user, &at) in &self.seen {
            store.set_last_seen(user, at)?;
        }
        for (&session, &at) in &self.used {
            store.set_last_used(session, at)?;
        }
        Ok(())
    }

    /// The disk knows it now.
    pub(super) fn clear(&mut self) {
        self.seen.clear();
        self.used.clear();
    }
}
