//! What must be true of rate limits: nobody is let in too often, nobody is refused too early, and
//! whoever is told to wait is told for how long.
//!
//! Of a request whose answer was lost nobody knows whether it took a token. So each bucket is known
//! from two sides: by those that are certain, and by all that there may have been.

use std::collections::BTreeMap;

use lovejoy::config::Config;

use crate::wire::{Request, Response, What};

const SECOND: u64 = 1_000_000;

/// The buckets of a process.
#[derive(Debug, Default)]
pub struct Limits {
    is_on: bool,
    messages: Rate,
    friends: Rate,
    typing: Rate,
    /// For each kind and each user, when the bucket is full again: at the earliest, and at the latest.
    full_at: BTreeMap<(Kind, i64), (u64, u64)>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Rate {
    /// From one token to the next.
    pause: u64,
    burst: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Friend,
    Message,
    Typing,
}

impl Limits {
    pub fn new(config: &Config) -> Self {
        let rate = |count: u32, time: u64| Rate {
            pause: time / u64::from(count),
            burst: u64::from(count),
        };
        let messages = rate(config.messages_per_second_max, SECOND);
        Self {
            is_on: config.rate_limits,
            messages: Rate { burst: u64::from(config.messages_burst_max), ..messages },
            friends: rate(config.friend_requests_max, 3600 * SECOND),
            typing: rate(config.typing_per_second_max, SECOND),
            full_at: BTreeMap::new(),
        }
    }

    /// Another process knows nothing of this one's.
    pub fn restart(&mut self) {
        self.full_at.clear();
    }

    /// Whether a request was let in will never be known.
    pub fn lost(&mut self, request: &Request, user: i64, now: u64) {
        let Some(kind) = kind(&request.what) else { return };
        let pause = self.rate(kind).pause;
        let (_, latest) = self.full_at.entry((kind, user)).or_default();
        *latest = now.max(*latest) + pause;
    }

    /// A request was answered.
    pub fn answered(&mut self, request: &Request, user: i64, response: &Response, now: u64) {
        let Some(kind) = kind(&request.what) else {
            return assert_ne!(response.status, 429, "{request} is not limited");
        };
        let Rate { pause, burst } = self.rate(kind);
        let (earliest, latest) = self.full_at.get(&(kind, user)).copied().unwrap_or_default();
        let wait = |full_at: u64| (now.max(full_at) + pause).saturating_sub(now + burst * pause);
        match response.status {
            429 => {
                assert!(self.is_on && wait(latest) > 0, "{request} got {response} too early");
                let told = response.retry_after.expect("a limit says until when") * SECOND;
                let range = wait(earliest)..wait(latest) + SECOND;
                assert!(range.contains(&told), "{request}: {response}, and {range:?} us is true");
            }
            // Whose session has ended is not counted; and one that is stopped or could not be
            // committed may be.
            401 => {}
            503 => self.lost(request, user, now),
            _ => {
                let may_be = !self.is_on || wait(earliest) == 0;
                assert!(may_be, "{request} is let in, {} us too early", wait(earliest));
                let (earliest, latest) = (now.max(earliest) + pause, now.max(latest) + pause);
                self.full_at.insert((kind, user), (earliest, latest));
            }
        }
    }

    fn rate(&self, kind: Kind) -> Rate {
        match kind {
            Kind::Friend => self.friends,
            Kind::Message => self.messages,
            Kind::Typing => self.typing,
        }
    }
}

fn kind(what: &What) -> Option<Kind> {
    match what {
        What::AskFriend { .. } => Some(Kind::Friend),
        // What all members are told of counts as a message.
        What::Send { .. }
        | What::Edit { .. }
        | What::CreateGroup { .. }
        | What::AddMember { .. }
        | What::RemoveMember { .. }
        | What::Rename { .. } => Some(Kind::Message),
        What::Type { .. } => Some(Kind::Typing),
        _ => None,
    }
}
