//! Spreads the hashing of passwords over many turns, so that a login delays nobody's poll. Knows
//! what a key is wanted for, but not what is done with it.
//!
//! Each turn does one slice for one of those who wait, in rotation: with many logins at once each
//! takes longer, but the turns do not. The number of places is bounded, and one address gets only a
//! part of them.

use std::collections::VecDeque;

use super::call::SignUp;
use super::limits::{Guess, Network};
use super::own::Proof;
use super::passwords::{Derivation, Parameters, ROUNDS_PER_SLICE};
use super::{Caller, Ticket};
use crate::data::Account;
use crate::entity::{Password, UserId};

/// The derivations in progress.
#[derive(Debug)]
pub(super) struct Hashing {
    jobs: VecDeque<Job>,
    jobs_max: usize,
}

/// What a derived key is wanted for.
#[derive(Debug)]
pub(super) enum Task {
    /// To be stored with a new account.
    Register {
        /// The account.
        sign_up: Box<SignUp>,
        /// Of the derivation.
        parameters: Parameters,
    },
    /// The same for an account that the operator makes: nobody is signed in by it.
    AddAccount {
        /// The account.
        sign_up: Box<SignUp>,
        /// Of the derivation.
        parameters: Parameters,
    },
    /// To be stored with an account, by order of the operator.
    ReplacePassword {
        /// Whose it is; all their sessions end.
        user_id: UserId,
        /// Of the derivation.
        parameters: Parameters,
    },
    /// To be compared.
    LogIn {
        /// `None` for a name that nobody has, which costs the same.
        account: Option<Box<Account>>,
        /// What is counted if it was wrong.
        guess: Guess,
        /// To be hashed anew if it is right and the account's hash is cheaper than the setting.
        renewing: Option<Password>,
        /// What the client says it is.
        user_agent: String,
    },
    /// For nothing but the time that it takes: the password was wrong.
    Refuse,
    /// To be stored in place of a hash that is cheaper than the setting.
    Renew {
        /// Whose password it is.
        user_id: UserId,
        /// The hash until now.
        old: [u8; 32],
        /// Of the derivation.
        parameters: Parameters,
    },
    /// To be compared, before [`Task::SetPassword`].
    ProvePassword(Box<Proof>),
    /// To be stored with an existing account.
    SetPassword {
        /// Whose it is; all their other sessions end.
        caller: Caller,
        /// The hash that was proved.
        old: [u8; 32],
        /// Of the derivation.
        parameters: Parameters,
    },
}

impl Task {
    /// Whether somebody waits for the result. Somebody who has logged in is answered before their
    /// password is hashed anew, and their connection may be waiting for something else by then.
    pub(super) fn is_awaited(&self) -> bool {
        !matches!(self, Self::Renew { .. })
    }
}

#[derive(Debug)]
struct Job {
    ticket: Ticket,
    network: Network,
    derivation: Derivation,
    task: Task,
}

impl Hashing {
    pub(super) fn new(jobs_max: usize) -> Self {
        Self { jobs: VecDeque::new(), jobs_max }
    }

    /// How many keys are being derived.
    pub(super) fn len(&self) -> usize {
        self.jobs.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }

    pub(super) fn is_full(&self) -> bool {
        self.jobs.len() >= self.jobs_max
    }

    /// How many are in progress for a network.
    pub(super) fn len_of(&self, network: Network) -> usize {
        self.jobs.iter().filter(|job| job.network == network).count()
    }

    /// The caller has checked that there is room.
    pub(super) fn begin(
        &mut self,
        ticket: Ticket,
        network: Network,
        derivation: Derivation,
        task: Task,
    ) {
        assert!(!self.is_full(), "more derivations than the limit");
        self.jobs.push_back(Job { ticket, network, derivation, task });
    }

    /// One slice. Returns what it has finished.
    pub(super) fn work(&mut self) -> Option<(Ticket, Task, [u8; 32])> {
        let mut job = self.jobs.pop_front()?;
        let Some(key) = job.derivation.step(ROUNDS_PER_SLICE) else {
            self.jobs.push_back(job);
            return None;
        };
        Some((job.ticket, job.task, key))
    }

    pub(super) fn cancel(&mut self, ticket: Ticket) {
        self.jobs.retain(|job| job.ticket != ticket);
    }
}
