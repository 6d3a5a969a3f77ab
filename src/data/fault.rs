//! Makes SQLite fail, for those who want to see what happens then: above all the simulator.
//!
//! A full disk is another matter, and real: see [`Store::set_pages_max`].

use super::{Store, pragma};

/// What fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Every commit, as when the disk fails to write or sync the log. SQLite rolls back by itself.
    Commit,
    /// Every statement that writes, as when the file system has become read-only. What was written
    /// before it stays until it is rolled back.
    Write,
    /// Every statement, even those that only read, as when the disk returns nothing.
    Read,
}

impl Store {
    /// Makes something fail from now on, or nothing.
    pub fn set_fault(&mut self, fault: Option<Fault>) {
        self.unreadable = fault == Some(Fault::Read);
        let commit = (fault == Some(Fault::Commit)).then_some(|| true);
        let commits = self.connection.commit_hook(commit);
        let query_only = fault == Some(Fault::Write);
        let writes = pragma::set(&self.connection, "query_only", query_only);
        if let Err(error) = commits.and(writes) {
            log::warn!("the faults are not as they should be: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entity::UserId;

    #[test]
    fn what_cannot_be_read_is_an_error_and_not_nothing() {
        let mut store = Store::in_memory().expect("a database in memory");
        store.set_fault(Some(Fault::Read));
        assert!(store.user(UserId(1)).is_err() && store.try_write().is_err());
        store.set_fault(None);
        assert!(store.user(UserId(1)).expect("it can be read again").is_none());
    }

    #[test]
    fn what_is_to_fail_fails_and_nothing_after_it() {
        let mut store = Store::in_memory().expect("a database in memory");
        for fault in [Fault::Commit, Fault::Write] {
            store.set_fault(Some(fault));
            assert!(store.try_write().is_err() && !store.is_writing());
            assert!(store.user(UserId(1)).expect("reading goes on").is_none());
            store.set_fault(None);
            store.try_write().expect("writing goes on");
        }
    }
}
