//! Remembers what is worth keeping but not worth a write of its own: when users were last seen,
//! sessions last used, and how far messages have reached their readers. It goes to the disk with a
//! transaction that is made anyway, but not with each one, and at the latest when the server stops.
//! A crash may lose what was noted in the last minute: that is only a time or a tick, and a tick
//! comes again with the next cursor. A reader who says what they have read gets an answer, so that
//! is not a note.

use std::time::Duration;

use crate::data::{Store, StoreError};
use crate::entity::{ConversationId, MessageId, SessionId, Timestamp, UserId};
use crate::map::Map;
use crate::system::Mono;

/// What the disk does not know yet.
#[derive(Debug, Default)]
pub(super) struct Notes {
    seen: Map<UserId, Timestamp>,
    used: Map<SessionId, Timestamp>,
    delivered: Map<(ConversationId, UserId), MessageId>,
    /// Only marks that follow from sending, and so from what is stored: a crash loses none of them.
    /// A mark that a reader sets is a write of its own.
    read: Map<(ConversationId, UserId), MessageId>,
    /// They are not written again before this.
    due: Mono,
}

/// How long notes wait for company: a mark that moves with each message is written once in this
/// time.
const WRITTEN_EVERY: Duration = Duration::from_secs(60);

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

    /// A message, and so what was said before it, has reached a member: perhaps by an older cursor
    /// than the last, and then it is no news.
    pub(super) fn deliver(
        &mut self,
        at: ConversationId,
        user: UserId,
        message_id: MessageId,
    ) -> bool {
        let noted = self.delivered.get_or_insert_with((at, user), MessageId::default);
        let is_news = message_id > *noted;
        *noted = message_id.max(*noted);
        is_news
    }

    /// Up to which message everything has reached a member, if the disk knows only of `known`.
    pub(super) fn delivered(
        &self,
        at: ConversationId,
        user: UserId,
        known: MessageId,
    ) -> MessageId {
        self.delivered.get(&(at, user)).map_or(known, |&noted| noted.max(known))
    }

    /// A member has said something, and so read everything before it.
    pub(super) fn has_said(&mut self, at: ConversationId, user: UserId, message_id: MessageId) {
        self.read.insert((at, user), message_id);
    }

    /// Up to which message a member has read, if the disk knows only of `known`.
    pub(super) fn read(&self, at: ConversationId, user: UserId, known: MessageId) -> MessageId {
        self.read.get(&(at, user)).map_or(known, |&noted| noted.max(known))
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.seen.len() + self.used.len() + self.delivered.len() + self.read.len()
    }

    /// Whether it is time to write, if something is written anyway.
    pub(super) fn are_due(&self, now: Mono) -> bool {
        now >= self.due
    }

    /// Puts everything into the turn's transaction. `newest` is the newest message that was
    /// committed, and so the newest that these notes know of.
    pub(super) fn write(&self, store: &mut Store, newest: MessageId) -> Result<(), StoreError> {
        for (&user, &at) in self.seen.iter() {
            store.set_last_seen(user, at)?;
        }
        for (&session, &at) in self.used.iter() {
            store.set_last_used(session, at)?;
        }
        for (&(conversation_id, user), &message_id) in self.delivered.iter() {
            store.set_delivered(conversation_id, user, message_id)?;
        }
        for (&(conversation_id, user), &message_id) in self.read.iter() {
            store.set_read(conversation_id, user, message_id)?;
        }
        store.set_marked(newest)?;
        Ok(())
    }

    /// The disk does not take the notes, and there are too many. Those that follow from what is
    /// stored are kept: they would be missing for good, and without a disk they do not become more.
    pub(super) fn forget(&mut self, now: Mono) {
        let read = std::mem::take(&mut self.read);
        self.clear(now);
        self.read = read;
    }

    /// The disk knows them now.
    pub(super) fn clear(&mut self, now: Mono) {
        self.due = now.plus(WRITTEN_EVERY);
        self.seen.clear();
        self.used.clear();
        self.delivered.clear();
        self.read.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_does_not_go_back() {
        let (at, user, mut notes) = (ConversationId(1), UserId(2), Notes::default());
        for (message, marked) in [(5, 5), (3, 5), (7, 7)] {
            assert_eq!(notes.deliver(at, user, MessageId(message)), message == marked);
            assert_eq!(notes.delivered(at, user, MessageId(1)), MessageId(marked));
        }
    }
}
