//! How long tokens live: from their last use on, and that is not known to the moment. So of each the
//! time is known at which it was used for certain, and the last one at which it may have been.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

/// When each token was used.
#[derive(Debug)]
pub struct Lifetimes {
    lifetime: u64,
    used: BTreeMap<Rc<str>, Used>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Used {
    surely: u64,
    perhaps: u64,
}

/// As which part of its life the last use need not be known exactly; and for how long a full socket may
/// hide that a stream goes on.
const STEPS: u64 = 30;
const HIDDEN: u64 = 30_000_000;

impl Lifetimes {
    pub fn new(lifetime: Duration) -> Self {
        let lifetime = u64::try_from(lifetime.as_micros()).expect("not too long");
        Self { lifetime, used: BTreeMap::new() }
    }

    pub fn used(&mut self, token: &Rc<str>, at: u64) {
        let used = self.used.entry(Rc::clone(token)).or_default();
        *used = Used { surely: used.surely.max(at), perhaps: used.perhaps.max(at) };
    }

    pub fn may_be_used(&mut self, token: &Rc<str>, at: u64) {
        let used = self.used.entry(Rc::clone(token)).or_default();
        used.perhaps = used.perhaps.max(at);
    }

    pub fn may_be_over(&self, token: &Rc<str>, now: u64) -> bool {
        self.used.get(token).is_some_and(|used| used.surely + self.lifetime <= now + 1000)
    }

    pub fn is_over(&self, token: &Rc<str>, now: u64) -> bool {
        let most = self.lifetime + self.lifetime / STEPS + HIDDEN;
        self.used.get(token).is_some_and(|used| used.perhaps + most < now)
    }
}
