//! What must be true of rate limits: nobody is let in too often, nobody is refused too early, and
//! whoever is told to wait is told for how long.
//!
//! Of a request whose answer was lost nobody knows whether it took a token. So each bucket is known
//! from two sides: by those that are certain, and by all that there may have been.

use std::collections::BTreeMap;

use lovejoy::config::Config;

use crate::people::NAMES;
use crate::wire::{Request, Response, What};

const SECOND: u64 = 1_000_000;

/// The buckets of a process.
#[derive(Debug, Default)]
pub struct Limits {
    is_on: bool,
    messages: Rate,
    friends: Rate,
    typing: Rate,
    passwords: Rate,
    registrations: Rate,
    /// For each kind and whoever it is limited for, when the bucket is full again: at the earliest, and at the latest.
    full_at: BTreeMap<(Kind, i64), (u64, u64)>,
    /// How many accounts each address is about to make: each may have its token.
    registering: BTreeMap<(Kind, i64), u64>,
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
    /// Wrong ones, for each name and each address.
    Password,
    /// For each address.
    Registration,
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
            passwords: rate(config.failed_passwords_max, 300 * SECOND),
            registrations: rate(config.registrations_max, 3600 * SECOND),
            full_at: BTreeMap::new(),
            registering: BTreeMap::new(),
        }
    }

    /// Another process knows nothing of this one's.
    pub fn restart(&mut self) {
        self.full_at.clear();
        self.registering.clear();
    }

    /// A request may be read from now on.
    pub fn given(&mut self, request: &Request) {
        if let What::Register { .. } = &request.what
            && let Some(bucket) = bucket(request, 0)
        {
            *self.registering.entry(bucket).or_default() += 1;
        }
    }

    /// It was answered, or its answer is lost.
    fn is_over(&mut self, bucket: (Kind, i64)) {
        if let Some(count) = self.registering.get_mut(&bucket) {
            *count = count.saturating_sub(1);
        }
    }

    /// Whether a request was let in will never be known.
    pub fn lost(&mut self, request: &Request, user: i64, now: u64) {
        if let Some(bucket) = bucket(request, user) {
            self.is_over(bucket);
            self.may_be_let_in(bucket, now);
        }
    }

    fn may_be_let_in(&mut self, bucket: (Kind, i64), now: u64) {
        let pause = self.rate(bucket.0).pause;
        let (_, latest) = self.full_at.entry(bucket).or_default();
        *latest = now.max(*latest) + pause;
    }

    /// A request, which was the server's to answer from some time on, was answered.
    pub fn answered(
        &mut self,
        request: &Request,
        user: i64,
        given_at: u64,
        response: &Response,
        now: u64,
    ) {
        let Some(bucket) = bucket(request, user) else {
            return assert_ne!(response.status, 429, "{request} is not limited");
        };
        self.is_over(bucket);
        let Rate { pause, burst } = self.rate(bucket.0);
        let (earliest, latest) = self.full_at.get(&bucket).copied().unwrap_or_default();
        let wait = |full_at: u64| (now.max(full_at) + pause).saturating_sub(now + burst * pause);
        match response.status {
            429 => {
                let others = self.registering.get(&bucket).copied().unwrap_or_default();
                let latest = now.max(latest) + others * pause;
                assert!(self.is_on && wait(latest) > 0, "{request} got {response} too early");
                let told = response.retry_after.expect("a limit says until when") * SECOND;
                let range = wait(earliest)..wait(latest) + SECOND;
                assert!(range.contains(&told), "{request}: {response}, and {range:?} us is true");
            }
            // Whose session has ended is not counted; and one that is stopped or could not be
            // committed may be. A name may have been taken before an account was about to be made.
            401 if !request.is_login() => {}
            503 => self.may_be_let_in(bucket, now),
            409 if request.is_login() => self.may_be_let_in(bucket, now),
            // Only what is wrong is counted; and of a change, the proof may be some time ago.
            200..=204 if bucket.0 == Kind::Password => {
                let may_be = !self.is_on || wait(earliest) == 0 || !request.is_login();
                assert!(may_be, "{request} is let in, {} us too early", wait(earliest));
            }
            _ => {
                let may_be = !self.is_on || wait(earliest) == 0;
                assert!(may_be, "{request} is let in, {} us too early", wait(earliest));
                // An account takes its token before its password is hashed.
                let is_early = bucket.0 == Kind::Registration;
                let taken_at = if is_early { given_at } else { now };
                let (earliest, latest) = (taken_at.max(earliest) + pause, now.max(latest) + pause);
                self.full_at.insert(bucket, (earliest, latest));
            }
        }
    }

    fn rate(&self, kind: Kind) -> Rate {
        match kind {
            Kind::Friend => self.friends,
            Kind::Message => self.messages,
            Kind::Typing => self.typing,
            Kind::Password => self.passwords,
            Kind::Registration => self.registrations,
        }
    }
}

/// What is limited, and for whom: a user; or an address, which each tab has of its own, and perhaps a
/// name.
fn bucket(request: &Request, user: i64) -> Option<(Kind, i64)> {
    let address = || i64::try_from(request.tab).expect("few tabs");
    let guess = |name: usize| (Kind::Password, address() * 100 + name.cast_signed() as i64);
    match &request.what {
        What::Register { .. } => Some((Kind::Registration, address())),
        What::LogIn { name, .. } => {
            Some(guess(NAMES.iter().position(|known| known == name).expect("a person")))
        }
        What::ChangePassword { .. } | What::DeleteAccount { .. } => Some(guess(request.person)),
        what => kind(what).map(|kind| (kind, user)),
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
