//! Answers "what came after this cursor?", the one question behind every poll. Does not know who
//! waits, nor for how long: the comet does.
//!
//! [`Logic::ask`] is called when a poll comes, again whenever its user is woken, and a last time
//! when its time is over. It takes nothing away and so gives the same answer twice; what moves is
//! the client's cursor.
//!
//! An answer is made of two parts. What is stored (messages, and their changes) comes from the
//! store, by number, and so survives everything that the store survives. What is not (see `live`)
//! comes from memory; a cursor that memory cannot serve, because it is too old or from before a
//! restart, gets the event `reset` first.

use std::sync::Arc;

use super::live::{News, Since};
use super::tail::Entry;
use super::{Batch, Caller, Logic, Refusal, Reply, Ticket};
use crate::data::{Change, StoreError};
use crate::entity::{Cursor, CursorTag, Event, Message, MessageId, Place, UserId};
use crate::system::Now;

impl Logic {
    /// A poll comes, and will be held: where does it stand? Its cursor says what has arrived.
    pub(super) fn events(
        &mut self,
        caller: Caller,
        cursor: Option<&str>,
        ticket: Ticket,
    ) -> Result<Place, Refusal> {
        let place = match cursor {
            Some(text) => self.acknowledged(caller.user_id, text, Some(ticket))?,
            None => self.current_cursor().place(),
        };
        // From here on live events are remembered, including those of this turn.
        self.live.open(caller.user_id, self.newest_id);
        Ok(place)
    }

    /// Reads a cursor that a client sends back, and notes that what came before it has arrived.
    pub(super) fn acknowledged(
        &mut self,
        user: UserId,
        text: &str,
        ticket: Option<Ticket>,
    ) -> Result<Place, Refusal> {
        let cursor = Cursor::parse(text, self.cursor_tag(user)).map_err(|_| Refusal::BadCursor)?;
        let place = self.place(cursor)?;
        self.arrived(user, place.stored, ticket)?;
        Ok(place)
    }

    /// What came for the user after the place; `None` if nothing did. `ticket` is the asker's: it
    /// is not told of what it has said itself.
    pub fn ask(
        &mut self,
        now: Now,
        user: UserId,
        place: Place,
        ticket: Ticket,
    ) -> Result<Option<Batch>, StoreError> {
        let mut events = self.live_part(now, user, place, ticket)?;
        let stored = place.stored;
        let mut behind = self.current_cursor();
        let mut more = false;
        let newest = self.live.newest_stored(user);
        if newest > stored {
            let mut changes = self.changes_after(user, stored, newest)?;
            let fitting = self.fitting(&changes);
            more = changes.len() > fitting;
            changes.truncate(fitting);
            if events.is_empty() {
                events = changes;
            } else {
                events.append(&mut changes);
            }
        }
        if events.is_empty() {
            return Ok(None);
        }
        if more && let Some((_, last)) = events.last() {
            behind = *last;
        }
        Ok(Some(Batch { events, behind, tag: self.cursor_tag(user), more }))
    }

    /// What to say to a poll that has to leave now, whether or not something came.
    pub fn ask_last(&mut self, now: Now, user: UserId, place: Place, ticket: Ticket) -> Batch {
        let behind = match self.ask(now, user, place, ticket) {
            Ok(Some(batch)) => return batch,
            Ok(None) => self.current_cursor(),
            Err(error) => {
                log::error!("what there is for a poll could not be read: {error}");
                let Place { stored, live } = place;
                Cursor { stored, live, ..self.current_cursor() }
            }
        };
        Batch { events: Vec::new(), behind, tag: self.cursor_tag(user), more: false }
    }

    /// What was stored for a user after a number, in order, each with the place after it: as much
    /// as fits into an answer, and a little more; nothing was stored after `newest`. From memory if
    /// that reaches back far enough.
    fn changes_after(
        &self,
        user: UserId,
        number: MessageId,
        newest: MessageId,
    ) -> Result<Vec<(Event, Cursor)>, StoreError> {
        let current = self.current_cursor();
        let place = |stored| Cursor { stored, ..current };
        let limit = self.config.events_page_max + 1;
        if let Some(entries) = self.tail.after(user, number, newest) {
            let event = |entry: &Entry| stored(Arc::clone(entry.seen_by(user)), entry.is_update);
            let entries = entries.into_iter().take(limit);
            return Ok(entries.map(|entry| (event(entry), place(entry.number))).collect());
        }
        let changes = self.store.changes_after(user, number, limit)?.into_iter();
        let event =
            |change: Change| stored(Arc::new(change.message.seen_by(user)), change.is_update);
        let with_place = |change: Change| {
            let place = place(change.number);
            (event(change), place)
        };
        Ok(changes.map(with_place).collect())
    }

    /// How many of these go into one answer: as many as its limits on number and bytes allow, and
    /// at least one.
    fn fitting(&self, changes: &[(Event, Cursor)]) -> usize {
        let mut bytes = 0;
        let fits = |(event, _): &&(Event, Cursor)| {
            if let Event::Message(message) | Event::MessageUpdated(message) = event {
                bytes += message.body.len();
            }
            bytes <= self.config.events_page_bytes_max
        };
        let count = changes.iter().take(self.config.events_page_max).take_while(fits).count();
        count.max(1).min(changes.len())
    }

    /// A poll came: its user is here.
    pub fn poll_came(&mut self, user: UserId, now: Now) {
        if self.presence.hold(user, now) {
            self.came_online(user, now.wall);
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
        self.live.open(me, self.newest_id);
        if self.presence.seen_at(me).is_none() {
            self.live.watch(me, now.mono);
        }
        // What this turn has written so far is in the snapshot, and so before its cursor. If it is
        // not committed, this answer does not leave.
        let cursor = Cursor { stored: self.store.newest_id(), ..self.current_cursor() };
        Ok(Reply::State {
            user: self.user(me)?,
            friends: self.friends(me)?,
            conversations: self.conversations(me)?,
            cursor: self.cursor_text(me, cursor),
        })
    }

    /// The live events after the place, each with the place after it.
    fn live_part(
        &mut self,
        now: Now,
        user: UserId,
        Place { stored, live }: Place,
        ticket: Ticket,
    ) -> Result<Vec<(Event, Cursor)>, StoreError> {
        let current = self.current_cursor();
        Ok(match self.live.since(user, live, Some(ticket), now.mono) {
            Since::Missed => vec![(Event::Reset, Cursor { stored, ..current })],
            Since::News(news) => {
                let mut events = Vec::with_capacity(news.len());
                for (live, news) in news {
                    let event = match news {
                        News::Event(event) => Some(event),
                        News::Conversation(id) => self.told_conversation(user, id)?,
                    };
                    events.extend(event.map(|event| (event, Cursor { stored, live, ..current })));
                }
                events
            }
        })
    }

    /// The place that a cursor names now. Its client really has what is stored up to there: nothing
    /// beyond what there is, nor beyond what the cursor's epoch has in common with this one. If
    /// that is less than it says, and from another epoch, it has missed live events.
    fn place(&self, cursor: Cursor) -> Result<Place, StoreError> {
        let Cursor { epoch, mark, stored, live } = cursor;
        if !self.is_of_this_epoch(cursor) {
            let stored = self.store.common_past(epoch, mark, stored)?;
            return Ok(Place { stored, live: Place::MISSED });
        }
        if stored > self.newest_id {
            return Ok(Place { stored: self.newest_id, live: Place::MISSED });
        }
        Ok(Place { stored, live })
    }

    fn is_of_this_epoch(&self, cursor: Cursor) -> bool {
        (cursor.epoch, cursor.mark) == (self.epoch.id, self.epoch.mark)
    }

    /// The place after everything.
    fn current_cursor(&self) -> Cursor {
        Cursor {
            epoch: self.epoch.id,
            mark: self.epoch.mark,
            stored: self.newest_id,
            live: self.live.newest(),
        }
    }

    fn cursor_text(&self, user: UserId, cursor: Cursor) -> String {
        cursor.text(self.cursor_tag(user))
    }

    fn cursor_tag(&self, user: UserId) -> CursorTag {
        CursorTag::new(self.store.database(), user)
    }
}

/// The event of what is stored.
fn stored(message: Arc<Message>, is_update: bool) -> Event {
    if is_update { Event::MessageUpdated(message) } else { Event::Message(message) }
}
