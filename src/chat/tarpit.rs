//! Makes those wait who are refused again and again, so that being refused is no way to keep a
//! server busy.
//!
//! Knows who is to be told no, and when, but not why. Rules:
//! 1. *Some refusals are told at once*: a burst, and then so many a second, to each address (see
//!    [`crate::logic::Limited::Refusal`]). Whoever mistypes, or comes with an old token, never
//!    waits.
//! 2. *Any more are told a second later.* Meanwhile nothing is read from the connection that waits,
//!    as from any that is not answered yet: so each costs at most one refusal a second, however
//!    much is sent.
//! 3. *There is a limited number of places.* Whoever finds none is told at once: that costs time,
//!    which is shared fairly, and no memory, which is not.
//! 4. *A server that stops waits for nobody.*

use std::collections::VecDeque;
use std::time::Duration;

use crate::comet::ConnectionId;
use crate::map::Map;
use crate::system::Mono;
use crate::web::Problem;

/// The refusals that will be told later.
#[derive(Debug)]
pub(super) struct Tarpit {
    problems: Map<ConnectionId, Problem>,
    /// In order, since all wait equally long. Connections that are gone stay in it; if the number
    /// of one is used again, its new owner may get its refusal early.
    due: VecDeque<(Mono, ConnectionId)>,
    places: usize,
}

/// How long a refusal waits: at that pace the answers to one connection are no burden.
const PAUSE: Duration = Duration::from_secs(1);

impl Tarpit {
    pub(super) fn new(places: usize) -> Self {
        Self { problems: Map::default(), due: VecDeque::new(), places }
    }

    /// Puts a refusal off. Returns it if there is no place for it.
    pub(super) fn put_off(
        &mut self,
        now: Mono,
        id: ConnectionId,
        problem: Problem,
    ) -> Option<Problem> {
        if self.due.len() >= self.places {
            return Some(problem);
        }
        self.due.push_back((now.plus(PAUSE), id));
        self.problems.insert(id, problem);
        None
    }

    /// The client is gone.
    pub(super) fn forget(&mut self, id: ConnectionId) {
        self.problems.remove(&id);
    }

    /// The next that is to be told by now.
    pub(super) fn next(&mut self, now: Mono) -> Option<(ConnectionId, Problem)> {
        while self.due.front().is_some_and(|(at, _)| *at <= now) {
            let (_, id) = self.due.pop_front()?;
            if let Some(problem) = self.problems.remove(&id) {
                return Some((id, problem));
            }
        }
        None
    }

    /// From now on nobody waits.
    pub(super) fn open(&mut self) {
        self.due.iter_mut().for_each(|(at, _)| *at = Mono(0));
    }

    /// When the next is to be told.
    pub(super) fn next_deadline(&self) -> Option<Mono> {
        self.due.front().map(|(at, _)| *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(tarpit: &mut Tarpit, now: Mono) -> Vec<u32> {
        std::iter::from_fn(|| tarpit.next(now)).map(|(id, _)| id.0).collect()
    }

    #[test]
    fn refusals_are_told_in_order_each_after_its_time_and_once() {
        let mut tarpit = Tarpit::new(3);
        for (id, at) in [(7, 10), (5, 20), (6, 20)] {
            assert!(tarpit.put_off(Mono(at), ConnectionId(id), Problem::timeout()).is_none());
        }
        assert!(tarpit.put_off(Mono(20), ConnectionId(8), Problem::timeout()).is_some(), "full");
        assert_eq!(tarpit.next_deadline(), Some(Mono(10).plus(PAUSE)));
        assert!(ids(&mut tarpit, Mono(9).plus(PAUSE)).is_empty());
        assert_eq!(ids(&mut tarpit, Mono(10).plus(PAUSE)), [7]);
        assert_eq!(ids(&mut tarpit, Mono(90).plus(PAUSE)), [5, 6]);
        assert_eq!(tarpit.next_deadline(), None);
    }

    #[test]
    fn who_is_gone_is_told_nothing_and_who_waits_when_it_ends_is_told() {
        let mut tarpit = Tarpit::new(9);
        for id in 0..3 {
            tarpit.put_off(Mono(5), ConnectionId(id), Problem::timeout());
        }
        tarpit.forget(ConnectionId(1));
        tarpit.open();
        assert_eq!(ids(&mut tarpit, Mono(6)), [0, 2]);
    }
}
