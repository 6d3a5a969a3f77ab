//! Decides who is served next when more comes than a turn may do, so that whoever asks for too much
//! waits, and nobody else waits because of them.
//!
//! A turn is short: it reads a limited number of requests (`requests_per_turn_max`), and whatever
//! else has come waits in this queue, unparsed. Everybody waits as long as a turn takes, and no
//! flood makes a turn longer. What remains is the order. Rules:
//! 1. *Shares are by flow.* A flow is everything that comes from one address; or from one
//!    connection, if the address speaks for many, as a proxy's does. Five hundred connections from
//!    one address are one flow.
//! 2. *A flow uses up its share.* The queue has a time of its own, which passes as the flows are
//!    served: by one when each that waits has had one small request. Each flow has a moment up to
//!    which it has used its share; a request moves that forward by what it cost, including its
//!    answer.
//! 3. *Whoever has used least goes first.* A request may be read at the moment of its flow, and the
//!    earliest is next. So an expensive request waits for as many cheap ones of each other flow as
//!    it costs.
//! 4. *Whoever has used no more than their due is free*: their request is read as it comes, and
//!    never enters the queue. The time passes in leaps, since what all wait for together moves it
//!    at once; being ahead by less than a leap does not count.
//! 5. *A server that is not busy forgives*: all are free again. Only what is scarce is shared out.
//!
//! This is start-time fair queueing (Goyal, Vin and Cheng 1996), which was made for packets. The
//! cost of an answer is not known before it is there, so a flow pays for it afterwards; and how
//! many requests make a turn is judged by what the last ones cost. All of it takes constant time,
//! except for the order of those who wait, which takes logarithmic time. A connection that waits
//! costs about 16 bytes here; one that does not, nothing.
//!
//! Knows neither what waits nor for what.

use std::collections::BTreeSet;

use crate::comet::ConnectionId;
use crate::connection::Share;

/// Connections with something to be read, in the order in which they will be read.
#[derive(Debug, Default)]
pub(super) struct Queue {
    /// See rule 2.
    time: u64,
    /// The latest moment up to which some flow has used its share.
    latest: u64,
    /// From which moment on each may be read.
    waiting: BTreeSet<(u64, ConnectionId)>,
    /// What the last requests cost on average, in `PARTS` of a small one.
    usual_cost: usize,
}

/// All who may be served at the same moment, which is each flow once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Round {
    moment: u64,
}

/// Costs are averaged in this many parts of a small request, and over this many requests.
const PARTS: usize = 16;

/// How many bytes of an answer take about as long to make as a whole small answer.
const BYTES_OF_COST: usize = 1024;

impl Queue {
    /// The share of a new flow, of which nothing is used.
    pub(super) fn new_share(&self) -> Share {
        share_until(self.time)
    }

    /// Whether a flow has used no more than its share: see rule 4.
    pub(super) fn is_free(&self, share: Share) -> bool {
        self.moment(share) < self.time + self.usual_cost() as u64
    }

    /// A flow is answered with so many bytes: it pays now for anything beyond a small answer.
    pub(super) fn charge_answer(&mut self, share: &mut Share, bytes: usize) {
        let extra = bytes / BYTES_OF_COST;
        self.usual_cost -= self.usual_cost / PARTS;
        self.usual_cost += 1 + extra;
        self.charge(share, extra);
    }

    /// What the next request is expected to cost, in small ones.
    pub(super) fn usual_cost(&self) -> usize {
        (self.usual_cost / PARTS).max(1)
    }

    /// A flow uses so much of its share.
    pub(super) fn charge(&mut self, share: &mut Share, cost: usize) {
        let moment = self.moment(*share) + cost as u64;
        self.latest = self.latest.max(moment);
        *share = share_until(moment);
    }

    /// A connection waits, and the cost of a small request is taken from its flow's share.
    pub(super) fn enter(&mut self, share: &mut Share, id: ConnectionId) {
        self.waiting.insert((self.moment(*share), id));
        self.charge(share, 1);
    }

    /// Takes out the next. It may have gone meanwhile, and another may have its number.
    pub(super) fn next(&mut self) -> Option<ConnectionId> {
        let (moment, id) = self.waiting.pop_first()?;
        self.time = self.time.max(moment);
        Some(id)
    }

    /// The round that begins now.
    pub(super) fn round(&self) -> Round {
        Round { moment: self.waiting.first().map_or(self.time, |(moment, _)| *moment) }
    }

    /// Whether the next to be served belongs to this round.
    pub(super) fn is_within(&self, round: Round) -> bool {
        self.waiting.first().is_some_and(|(moment, _)| *moment <= round.moment)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Nobody waits, and there was room for more: all flows are equal again.
    pub(super) fn forgive(&mut self) {
        self.time = self.latest;
    }

    /// When a flow may be served: not in the past. Only the low bits of a moment are kept; so a
    /// flow that was silent for billions of others' requests may have to wait once.
    fn moment(&self, share: Share) -> u64 {
        let Share(now) = share_until(self.time);
        let ahead = share.0.wrapping_sub(now);
        self.time + if ahead <= u32::MAX / 2 { u64::from(ahead) } else { 0 }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "only the end is kept")]
fn share_until(moment: u64) -> Share {
    Share(moment as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Flows that always have something to ask, each at its cost. Whose requests are read, in
    /// order.
    fn serve(queue: &mut Queue, costs: &[usize], count: usize) -> Vec<usize> {
        let mut shares = vec![queue.new_share(); costs.len()];
        let enter = |queue: &mut Queue, share: &mut Share, flow: usize| {
            queue.enter(share, ConnectionId(u32::try_from(flow).unwrap()));
        };
        shares.iter_mut().enumerate().for_each(|(flow, share)| enter(queue, share, flow));
        let order = std::iter::from_fn(|| {
            let flow = queue.next()?.0 as usize;
            queue.charge(&mut shares[flow], costs[flow] - 1);
            enter(queue, &mut shares[flow], flow);
            Some(flow)
        });
        order.take(count).collect()
    }

    #[test]
    fn flows_take_turns_and_who_asks_for_more_waits_for_more_of_the_others() {
        let mut queue = Queue::default();
        assert_eq!(serve(&mut queue, &[1, 1, 1], 6), [0, 1, 2, 0, 1, 2]);
        let mut queue = Queue::default();
        let order = serve(&mut queue, &[10, 1], 1100);
        assert_eq!(order.iter().filter(|&&flow| flow == 0).count(), 100);
        assert!(order.windows(12).all(|some| some.contains(&0)), "evenly");
    }

    #[test]
    fn what_is_usual_follows_what_was_answered() {
        let (mut queue, mut share) = (Queue::default(), Share(0));
        assert_eq!(queue.usual_cost(), 1);
        (0..100).for_each(|_| queue.charge_answer(&mut share, 40 * BYTES_OF_COST));
        assert!((39..=41).contains(&queue.usual_cost()), "{}", queue.usual_cost());
        (0..100).for_each(|_| queue.charge_answer(&mut share, 100));
        assert_eq!(queue.usual_cost(), 1);
    }

    #[test]
    fn one_flow_with_many_connections_gets_no_more_than_one_with_one() {
        let mut queue = Queue::default();
        let (mut flood, mut other) = (queue.new_share(), queue.new_share());
        for id in 0..500 {
            queue.enter(&mut flood, ConnectionId(id));
        }
        queue.enter(&mut other, ConnectionId(1000));
        let place = std::iter::from_fn(|| queue.next()).position(|id| id.0 == 1000);
        assert_eq!(place, Some(1));
    }

    #[test]
    fn who_was_served_is_free_again_when_the_others_have_been() {
        let mut queue = Queue { time: u64::from(u32::MAX), latest: 0, ..Queue::default() };
        let mut share = queue.new_share();
        let mut others = [share; 3];
        assert!(queue.is_free(share));
        queue.charge(&mut share, 2);
        for _ in 0..3 {
            for (id, other) in (0..).zip(&mut others) {
                queue.enter(other, ConnectionId(id));
            }
        }
        for count in 1..=9 {
            queue.next().unwrap();
            // Two of each of the others, and then one of a third round.
            assert_eq!(queue.is_free(share), count >= 7, "{count}");
        }
        queue.charge(&mut share, 100);
        assert!(!queue.is_free(share));
        queue.forgive();
        assert!(queue.is_free(share) && queue.is_free(others[0]));
    }
}
