//! Follows a message on its way through the server, step by step, each with its moment.
//!
//! Knows to whom it is given, but not what it says. Of those to whom a message is given the first
//! [`ARRIVALS_MAX`] are remembered.

use std::collections::VecDeque;

use super::observer::{TIMELINES_MAX, Viewer};
use crate::comet::ConnectionId;
use crate::entity::{ConversationId, Message, MessageId, UserId};
use crate::system::Mono;

/// For how many polls it is remembered when they got a message.
const ARRIVALS_MAX: usize = 16;

/// The way of one message.
#[derive(Clone, Debug)]
pub struct Timeline {
    number: u64,
    /// Which message.
    pub id: MessageId,
    /// Where it was said.
    pub conversation_id: ConversationId,
    /// By whom.
    pub sender_id: UserId,
    /// When the turn began that read it from its socket.
    pub read_at: Mono,
    /// When it was decided that it may be said, and it was put into the transaction.
    pub decided_at: Mono,
    /// When it was on the disk.
    pub committed_at: Option<Mono>,
    /// When the answer to its sender was with the socket.
    pub written_at: Option<Mono>,
    /// Whose polls it has left by.
    pub arrivals: Vec<Arrival>,
}

/// A poll or stream that a message has left by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// Whose.
    pub user_id: UserId,
    /// On which connection.
    pub connection: ConnectionId,
    /// When it was taken out of the comet.
    pub released_at: Mono,
    /// When its answer was with the socket.
    pub written_at: Option<Mono>,
    /// When its user came back with a cursor after the message: that acknowledges it.
    pub returned_at: Option<Mono>,
}

impl Timeline {
    /// When it last changed, as the lab counts.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// What has happened, by name, each with its moment, and which poll it belongs to, if to any.
    pub fn steps(&self) -> Vec<(&'static str, Mono, Option<&Arrival>)> {
        let own = [
            ("read", Some(self.read_at)),
            ("decided", Some(self.decided_at)),
            ("committed", self.committed_at),
            ("written", self.written_at),
        ];
        let own = own.into_iter().filter_map(|(step, at)| Some((step, at?, None)));
        let arrived = self.arrivals.iter().flat_map(|arrival| {
            let steps = [
                ("released", Some(arrival.released_at)),
                ("written", arrival.written_at),
                ("returned", arrival.returned_at),
            ];
            steps.into_iter().filter_map(move |(step, at)| Some((step, at?, Some(arrival))))
        });
        let mut steps: Vec<_> = own.chain(arrived).collect();
        steps.sort_unstable_by_key(|&(_, at, _)| at);
        steps
    }

    fn concerns(&self, viewer: Viewer) -> bool {
        let mut arrivals = self.arrivals.iter();
        viewer.sees(self.sender_id) || arrivals.any(|arrival| viewer.sees(arrival.user_id))
    }
}

/// The newest messages, in order.
#[derive(Debug, Default)]
pub(super) struct Timelines {
    list: VecDeque<Timeline>,
}

impl Timelines {
    pub(super) fn begin(&mut self, read_at: Mono, at: Mono, number: u64, message: &Message) {
        if self.list.len() == TIMELINES_MAX {
            self.list.pop_front();
        }
        self.list.push_back(Timeline {
            number,
            id: message.id,
            conversation_id: message.conversation_id,
            sender_id: message.sender_id,
            read_at,
            decided_at: at,
            committed_at: None,
            written_at: None,
            arrivals: Vec::new(),
        });
    }

    pub(super) fn awaits_commit(&self) -> bool {
        self.list.back().is_some_and(|last| last.committed_at.is_none())
    }

    pub(super) fn committed(&mut self, at: Option<Mono>) {
        let open = self.list.iter_mut().rev().take_while(|it| it.committed_at.is_none());
        open.for_each(|timeline| timeline.committed_at = at);
        // What was not committed was not said.
        while self.awaits_commit() {
            self.list.pop_back();
        }
    }

    /// Whether the message is one of these, and was not given to more than are remembered.
    pub(super) fn released(
        &mut self,
        at: Mono,
        number: u64,
        (user_id, connection): (UserId, ConnectionId),
        id: MessageId,
    ) -> bool {
        let found = self.list.iter_mut().rev().find(|timeline| timeline.id == id);
        let Some(timeline) = found.filter(|it| it.arrivals.len() < ARRIVALS_MAX) else {
            return false;
        };
        timeline.number = number;
        let (released_at, written_at, returned_at) = (at, None, None);
        timeline.arrivals.push(Arrival {
            user_id,
            connection,
            released_at,
            written_at,
            returned_at,
        });
        true
    }

    pub(super) fn written(&mut self, at: Mono) {
        for timeline in &mut self.list {
            // What has been decided or released since then is for the next time.
            if timeline.committed_at.is_some_and(|committed_at| committed_at <= at) {
                timeline.written_at.get_or_insert(at);
            }
            for arrival in timeline.arrivals.iter_mut().filter(|it| it.released_at <= at) {
                arrival.written_at.get_or_insert(at);
            }
        }
    }

    /// A poll has come that knows everything up to a message: that acknowledges it.
    pub(super) fn came(&mut self, at: Mono, number: u64, user: UserId, stored: MessageId) {
        let known = self.list.iter_mut().filter(|timeline| timeline.id <= stored);
        for timeline in known {
            let awaited = |it: &&mut Arrival| it.user_id == user && it.returned_at.is_none();
            for arrival in timeline.arrivals.iter_mut().filter(awaited) {
                arrival.returned_at = Some(at);
                timeline.number = number;
            }
        }
    }

    pub(super) fn newest(&self, viewer: Viewer) -> Option<&Timeline> {
        self.list.iter().rev().find(|timeline| timeline.concerns(viewer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entity::Timestamp;

    const ALL: Viewer = Viewer { user_id: UserId(0), sees_all: true };

    fn message(id: i64) -> Message {
        Message {
            id: MessageId(id),
            conversation_id: ConversationId(1),
            sender_id: UserId(1),
            body: String::new(),
            sent_at: Timestamp(0),
            edited_at: None,
            deleted_at: None,
            nonce: None,
        }
    }

    #[test]
    fn what_is_not_committed_was_not_said() {
        let mut timelines = Timelines::default();
        timelines.begin(Mono(1), Mono(2), 1, &message(1));
        timelines.committed(Some(Mono(3)));
        timelines.begin(Mono(4), Mono(5), 2, &message(2));
        assert!(timelines.awaits_commit());
        timelines.committed(None);
        assert_eq!(timelines.newest(ALL).map(|timeline| timeline.id), Some(MessageId(1)));
    }

    #[test]
    fn what_a_turn_has_written_is_not_what_the_next_one_will() {
        let mut timelines = Timelines::default();
        timelines.begin(Mono(1), Mono(2), 1, &message(1));
        timelines.committed(Some(Mono(3)));
        timelines.begin(Mono(5), Mono(6), 2, &message(2));
        timelines.written(Mono(4));
        timelines.committed(Some(Mono(7)));
        let written = |timelines: &Timelines| -> Vec<_> {
            timelines.list.iter().map(|timeline| timeline.written_at).collect()
        };
        assert_eq!(written(&timelines), [Some(Mono(4)), None]);
        timelines.written(Mono(8));
        assert_eq!(written(&timelines), [Some(Mono(4)), Some(Mono(8))]);
    }

    #[test]
    fn a_poll_with_the_cursor_behind_a_message_acknowledges_it() {
        let mut timelines = Timelines::default();
        let whose = (UserId(2), ConnectionId(7));
        timelines.begin(Mono(1), Mono(2), 1, &message(5));
        timelines.committed(Some(Mono(3)));
        assert!(timelines.released(Mono(4), 2, whose, MessageId(5)));
        assert!(!timelines.released(Mono(4), 2, whose, MessageId(4)), "nobody saw it come");
        timelines.came(Mono(5), 3, UserId(2), MessageId(4));
        assert_eq!(timelines.list[0].arrivals[0].returned_at, None);
        timelines.came(Mono(6), 3, UserId(2), MessageId(5));
        timelines.came(Mono(9), 4, UserId(2), MessageId(5));
        assert_eq!(timelines.list[0].arrivals[0].returned_at, Some(Mono(6)), "the first");
        for _ in 0..2 * ARRIVALS_MAX {
            timelines.released(Mono(7), 5, whose, MessageId(5));
        }
        assert_eq!(timelines.list[0].arrivals.len(), ARRIVALS_MAX);
    }
}
