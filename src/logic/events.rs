//! Answers "what came after this cursor?": the one question behind every poll.
//!
//! [`Logic::ask`] is asked when a poll comes, asked again whenever its user is woken, and asked a
//! last time when its time is over. It takes nothing away and so gives the same answer twice; what
//! moves is the client's cursor.
//!
//! An answer is made of two parts. What is stored (messages, and their changes) comes from the
//! store, by number, and so survives everything that the store survives. What is not (see `live`)
//! comes from memory; a cursor that memory cannot serve, because it is from before a restart or too
//! old, gets a first event `reset`.

use std::time::Duration;

use super::live::Since;
use super::{Batch, Caller, Logic, Refusal, Reply, Wait};
use crate::data::StoreError;
use crate::entity::{Cursor, CursorTag, Event, MessageId, UserId};
use crate::system::Now;

impl Logic {
    /// A poll comes: where does it stand?
    pub(super) fn events(
        &mut self,
        now: Now,
        caller: Caller,
        cursor: Option<&str>,
        wait: Duration,
    ) -> Result<Wait, Refusal> {
        // From here on live events are remembered, also those of this turn.
        self.live.open(caller.user_id, self.newest_id, now.mono);
        let cursor = match cursor {
            Some(text) => Cursor::parse(text, self.cursor_tag(caller.user_id))
                .map_err(|_| Refusal::BadCursor)?,
            None => self.current_cursor(),
        };
        Ok(Wait { caller, cursor, wait })
    }

    /// What came for the user after the cursor; `None` where nothing did.
    pub fn ask(&self, user: UserId, cursor: Cursor) -> Result<Option<Batch>, StoreError> {
        let (mut events, stored) = self.live_part(user, cursor)?;
        let limit = self.config.events_page_max;
        let mut changes = Vec::new();
        if self.live.may_be_stored_after(user, stored) {
            changes = self.store.changes_after(user, stored, limit + 1)?;
        }
        if events.is_empty() && changes.is_empty() {
            return Ok(None);
        }
        let more = changes.len() > limit;
        changes.truncate(limit);
        let mut behind = self.current_cursor();
        if more && let Some(last) = changes.last() {
            behind.stored = last.number;
        }
        events.extend(changes.into_iter().map(|change| {
            let message = change.message.seen_by(user);
            if change.is_update { Event::MessageUpdated(message) } else { Event::Message(message) }
        }));
        Ok(Some(Batch { events, cursor: self.cursor_text(user, behind), more }))
    }

    /// What to say to a poll that has to leave now, whether or not something came.
    pub fn ask_last(&self, user: UserId, cursor: Cursor) -> Batch {
        let behind = match self.ask(user, cursor) {
            Ok(Some(batch)) => return batch,
            Ok(None) => self.current_cursor(),
            Err(error) => {
                log::error!("what there is for a poll could not be read: {error}");
                cursor
            }
        };
        Batch { events: Vec::new(), cursor: self.cursor_text(user, behind), more: false }
    }

    /// A poll came: its user is here.
    pub fn poll_came(&mut self, user: UserId, now: Now) {
        if self.presence.hold(user, now)
            && let Err(error) = self.came_online(user, now.wall)
        {
            log::error!("the friends of {user} were not told that they came: {error}");
        }
    }

    /// A poll ended: its user may be gone.
    pub fn poll_ended(&mut self, user: UserId, now: Now) {
        self.presence.release(user, now);
    }

    /// Everything there is to know, and the place in the events at which it was true.
    pub(super) fn state(&mut self, now: Now, me: UserId) -> Result<Reply, Refusal> {
        // From here on live events are remembered, so that none is missing between this snapshot
        // and the first poll.
        self.live.open(me, self.newest_id, now.mono);
        Ok(Reply::State {
            user: self.user(me)?,
            friends: self.friends(me)?,
            conversations: self.conversations(me)?,
            cursor: self.cursor_text(me, self.current_cursor()),
        })
    }

    /// The live events after the cursor, and from which number on the store is to be asked.
    fn live_part(
        &self,
        user: UserId,
        cursor: Cursor,
    ) -> Result<(Vec<Event>, MessageId), StoreError> {
        let Cursor { epoch, mark, stored, live } = cursor;
        if (epoch, mark) != (self.epoch.id, self.epoch.mark) {
            let common = self.store.common_past(epoch, mark, stored)?;
            return Ok((vec![Event::Reset], common));
        }
        Ok(match self.live.since(user, live) {
            Since::Events(events) => (events, stored),
            Since::Missed => (vec![Event::Reset], stored),
        })
    }

    /// The place behind everything.
    fn current_cursor(&self) -> Cursor {
        Cursor {
            epoch: self.epoch.id,
            mark: self.epoch.mark,
            stored: self.newest_id,
            live: self.live.newest(),
        }
    }

    fn cursor_text(&self, user: UserId, cursor: Cursor) -> String {
        cursor.display(self.cursor_tag(user)).to_string()
    }

    fn cursor_tag(&self, user: UserId) -> CursorTag {
        CursorTag::new(self.store.database(), user)
    }
}
