//! Searches messages, one slice per turn, so that no search delays a poll. Does not know how texts
//! are found: the store does.
//!
//! A search ends when it has found enough, when there is nothing left to look at, or when its time
//! is over: then it answers with what it has, and says where to go on. One user has one search at a
//! time.

use std::collections::VecDeque;
use std::time::Duration;

use super::{Answer, Logic, Refusal, Reply, Ticket};
use crate::data::{Found, Search, Store, StoreError};
use crate::entity::{MessageId, Needle, UserId};
use crate::system::{Mono, Now};

/// How long a search may take: longer than most people wait for it.
const TIME_MAX: Duration = Duration::from_millis(500);

/// When to come back if there are too many.
const RETRY: Duration = Duration::from_secs(1);

/// The searches in progress.
#[derive(Debug, Default)]
pub(super) struct Searches(VecDeque<Job>);

#[derive(Debug)]
struct Job {
    ticket: Ticket,
    user: UserId,
    search: Box<Search>,
    until: Mono,
}

impl Searches {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn cancel(&mut self, ticket: Ticket) {
        self.0.retain(|job| job.ticket != ticket);
    }

    /// Does one slice for one of them, in rotation. Returns it if it is finished, or out of time.
    pub(super) fn work(
        &mut self,
        store: &Store,
        now: Now,
    ) -> Option<(Ticket, Result<Found, StoreError>)> {
        let mut job = self.0.pop_front()?;
        match store.go_on(&mut job.search) {
            Ok(false) if now.mono < job.until => {
                self.0.push_back(job);
                None
            }
            Ok(_) => Some((job.ticket, Ok(job.search.into_found()))),
            Err(error) => Some((job.ticket, Err(error))),
        }
    }
}

impl Logic {
    /// Begins a search of what the caller may see, for the newest messages before a number.
    pub(super) fn search(
        &mut self,
        now: Now,
        user: UserId,
        (needle, before): (Option<Needle>, MessageId),
        limit: usize,
        ticket: Ticket,
    ) -> Result<Answer, Refusal> {
        let Some(needle) = needle else {
            return Ok(Answer::Now(Reply::Found(Found { messages: Vec::new(), before: None })));
        };
        let searches = &mut self.searches.0;
        if searches.iter().any(|job| job.user == user) {
            return Err(Refusal::RateLimited { retry: RETRY });
        }
        if searches.len() >= self.config.searches_max {
            return Err(Refusal::Busy { retry: RETRY });
        }
        let search = Box::new(self.store.begin_search(user, needle, before, limit)?);
        searches.push_back(Job { ticket, user, search, until: now.mono.plus(TIME_MAX) });
        Ok(Answer::Later)
    }
}
