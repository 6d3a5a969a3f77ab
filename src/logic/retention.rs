//! Forgets old messages little by little, when nobody waits for anything. Does not know how: the
//! store does.

use std::time::Duration;

use super::Logic;
use crate::data::Forget;
use crate::system::{Mono, Now};

/// How often to look whether something is old enough, or too much.
const LOOKED_EVERY: Duration = Duration::from_secs(60);

/// For how long it may be put off.
const PUT_OFF_MAX: Duration = Duration::from_secs(10);

impl Logic {
    /// Forgets a few of the oldest messages, if the operator wants it and it is time.
    pub(super) fn forget_old(&mut self, now: Now) {
        let Some(what) = self.to_be_forgotten(now) else { return };
        if now.mono < self.forgetting_at() {
            return;
        }
        match self.store.forget_some(what) {
            // The rest follows in the next turn.
            Ok(Some(up_to)) => self.tail.forget_up_to(up_to),
            Ok(None) => self.forget_at = now.mono.plus(LOOKED_EVERY),
            Err(error) => {
                log::error!("old messages could not be removed: {error}");
                self.forget_at = now.mono.plus(LOOKED_EVERY);
            }
        }
    }

    /// When [`Logic::forget_old`] has something to do.
    pub(super) fn next_forgetting(&self) -> Option<Mono> {
        self.forgets().then(|| self.forgetting_at())
    }

    /// Even if it is never quiet, it has to be done.
    fn forgetting_at(&self) -> Mono {
        self.forget_at.max(self.quiet_at).min(self.forget_at.plus(PUT_OFF_MAX))
    }

    fn forgets(&self) -> bool {
        !self.config.retention.is_zero() || self.config.retention_bytes > 0
    }

    fn to_be_forgotten(&self, now: Now) -> Option<Forget> {
        if !self.forgets() {
            return None;
        }
        let age = i64::try_from(self.config.retention.as_millis()).unwrap_or(i64::MAX);
        let sent_before = (age > 0).then(|| now.wall.plus_millis(age.saturating_neg()));
        let bytes = u64::try_from(self.config.retention_bytes).unwrap_or(u64::MAX);
        Some(Forget { sent_before, bytes_max: (bytes > 0).then_some(bytes) })
    }
}
