//! Carries out what the operator orders: makes, changes and removes accounts for others, and opens
//! and closes registration.
//!
//! Who may give orders is decided elsewhere: they come by the control socket, which only the
//! operator can open. So nothing here asks for a token, and nothing is limited in rate.

use std::time::Duration;

use sha2::{Digest, Sha256};

use super::call::{Caller, SignUp};
use super::hashing::Task;
use super::limits::Network;
use super::passwords::{Derivation, Parameters};
use super::{Answer, Logic, Refusal, Reply, Ticket};
use crate::config::Registration;
use crate::data::{Account, AccountRow, StoreError};
use crate::entity::{LastSeen, Password, Timestamp, UserId, UserName};
use crate::system::{Mono, Now};

/// What the operator wants. All texts in it are valid.
#[derive(Debug)]
pub enum Order {
    /// Who has an account?
    Accounts {
        /// Those after this one.
        after: UserId,
        /// At most so many.
        limit: usize,
    },
    /// Make an account.
    AddAccount(Box<SignUp>),
    /// Let that user use another password from now on.
    SetPassword {
        /// Who.
        name: String,
        /// With what from now on.
        password: Password,
    },
    /// Delete that user's account.
    RemoveAccount {
        /// Who.
        name: String,
    },
    /// Let one more person make an account.
    Invite {
        /// If they do so within this time.
        lifetime: Duration,
    },
    /// Who may make an account?
    Registration,
    /// From now on, these.
    SetRegistration(Registration),
    /// Leave the database's file alone for a while: it is being copied.
    HoldStill {
        /// The copy that goes on; a new one, if it is missing.
        copy: Option<u64>,
    },
}

/// Somebody who is making a copy of the database, on a connection that ends with it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Copier {
    ticket: Ticket,
    /// It is given up then, unless it goes on before.
    until: Mono,
}

/// How long a copy may be silent. Its process may have been stopped, and the log must not grow
/// forever.
const COPYING_SILENCE_MAX: Duration = Duration::from_secs(30);

impl Copier {
    pub(super) fn is_on(&self, ticket: Ticket) -> bool {
        self.ticket == ticket
    }

    /// By then it has to go on.
    pub(super) fn until(&self) -> Mono {
        self.until
    }
}

/// An account in the operator's list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedAccount {
    /// Whose it is, since when, and in how many sessions.
    pub row: AccountRow,
    /// Whether they are online.
    pub last_seen: LastSeen,
}

impl Logic {
    /// Does what the operator wants. `ticket` is handed back with the answer if that takes longer
    /// than this turn.
    pub fn obey(&mut self, now: Now, order: Order, ticket: Ticket) -> Result<Answer, Refusal> {
        let reply = match order {
            Order::Accounts { after, limit } => self.accounts(after, limit)?,
            Order::AddAccount(sign_up) => return self.begin_account(*sign_up, ticket),
            Order::SetPassword { name, password } => {
                return self.begin_password(&name, &password, ticket);
            }
            Order::RemoveAccount { name } => {
                let account = self.account_of(&name)?;
                self.remove_account(now, account.user.id)?;
                Reply::Done
            }
            Order::Invite { lifetime } => self.invite(now, lifetime)?,
            Order::Registration => Reply::Registration(self.registration),
            Order::SetRegistration(registration) => {
                self.registration = registration;
                Reply::Registration(registration)
            }
            Order::HoldStill { copy } => self.hold_still(now, copy, ticket)?,
        };
        Ok(Answer::Now(reply))
    }

    /// A list, and whether it goes on.
    fn accounts(&self, after: UserId, limit: usize) -> Result<Reply, Refusal> {
        let mut rows = self.store.accounts(after, limit + 1)?;
        let more = rows.len() > limit;
        rows.truncate(limit);
        let mut accounts = Vec::with_capacity(rows.len());
        for row in rows {
            accounts.push(ListedAccount { last_seen: self.last_seen(row.user.id)?, row });
        }
        Ok(Reply::Accounts { accounts, more })
    }

    fn begin_account(&mut self, sign_up: SignUp, ticket: Ticket) -> Result<Answer, Refusal> {
        self.check_name(&sign_up)?;
        let (parameters, derivation) = self.derive(&sign_up.password);
        let task = Task::AddAccount { sign_up: Box::new(sign_up), parameters };
        self.begin_order(ticket, derivation, task)
    }

    fn begin_password(
        &mut self,
        name: &str,
        password: &Password,
        ticket: Ticket,
    ) -> Result<Answer, Refusal> {
        let user_id = self.account_of(name)?.user.id;
        let (parameters, derivation) = self.derive(password);
        self.begin_order(ticket, derivation, Task::ReplacePassword { user_id, parameters })
    }

    fn begin_order(
        &mut self,
        ticket: Ticket,
        derivation: Derivation,
        task: Task,
    ) -> Result<Answer, Refusal> {
        self.look_for_room(Network::HERE.address())?;
        self.hashing.begin(ticket, Network::HERE, derivation, task);
        Ok(Answer::Later)
    }

    /// The key for a password that the operator has set is there. Whoever was signed in with the
    /// old one no longer is.
    pub(super) fn replace_password(
        &mut self,
        user_id: UserId,
        Parameters { salt, iterations }: Parameters,
        key: &[u8; 32],
    ) -> Result<Reply, Refusal> {
        self.store.account(user_id)?.ok_or(Refusal::NoSuchUser)?;
        self.store.set_password(user_id, &salt, iterations, key)?;
        self.end_sessions(user_id, None)?;
        Ok(Reply::Done)
    }

    /// For one more copy, or on behalf of one that goes on. The answer is the number of the period
    /// for which the database has held still: a different one, if it has moved since.
    fn hold_still(
        &mut self,
        now: Now,
        copy: Option<u64>,
        ticket: Ticket,
    ) -> Result<Reply, StoreError> {
        if !self.store.is_still() {
            // If they have not all gone, the log has grown too long.
            self.copiers.clear();
            if copy.is_some() {
                return Ok(Reply::Copying { number: 0 });
            }
            self.store.hold_still(self.config.backup_log_bytes_max)?;
            self.copies += 1;
        }
        self.copiers.retain(|copier| copier.ticket != ticket);
        self.copiers.push(Copier { ticket, until: now.mono.plus(COPYING_SILENCE_MAX) });
        Ok(Reply::Copying { number: self.copies })
    }

    /// Gives up copies that do not go on.
    pub(super) fn end_copying(&mut self, goes_on: impl Fn(&Copier) -> bool) {
        let count = self.copiers.len();
        self.copiers.retain(goes_on);
        if self.copiers.is_empty() && count > 0 {
            self.store.let_go();
        }
    }

    /// The caller on whose behalf the operator asks for something. There is no session behind it:
    /// nobody has logged in.
    pub fn speak_for(&self, name: &str) -> Result<Caller, Refusal> {
        let user_id = self.account_of(name)?.user.id;
        Ok(Caller { user_id, session_id: Caller::NO_SESSION })
    }

    fn account_of(&self, name: &str) -> Result<Account, Refusal> {
        let name = UserName::parse(name).map_err(|_| Refusal::NoSuchUser)?;
        self.store.account_by_key(&name.key())?.ok_or(Refusal::NoSuchUser)
    }

    fn invite(&mut self, now: Now, lifetime: Duration) -> Result<Reply, StoreError> {
        let code = invite_code(self.entropy.bytes());
        let lifetime = i64::try_from(lifetime.as_millis()).unwrap_or(i64::MAX);
        let expires_at: Timestamp = now.wall.plus_millis(lifetime);
        self.store.add_invite(&invite_hash(&code), now.wall, expires_at)?;
        Ok(Reply::Invited { code, expires_at })
    }

    /// Whether somebody with this code, or none, may make an account now.
    pub(super) fn check_registration(&self, now: Now, invite: Option<&str>) -> Result<(), Refusal> {
        let may = match (self.registration, invite) {
            (Registration::Open, _) => true,
            (Registration::Invite, Some(code)) => {
                self.store.has_invite(&invite_hash(code), now.wall)?
            }
            (Registration::Invite, None) | (Registration::Closed, _) => false,
        };
        if may { Ok(()) } else { Err(Refusal::RegistrationClosed) }
    }

    /// Uses up the code with which an account was made. If everybody may make one, it stays good.
    pub(super) fn use_invite(&mut self, invite: Option<&str>) -> Result<(), StoreError> {
        match invite {
            Some(code) if self.registration == Registration::Invite => {
                self.store.remove_invite(&invite_hash(code))
            }
            _ => Ok(()),
        }
    }
}

/// Digits and letters that are not mistaken for each other (Crockford's base 32).
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// 80 bits, to be read out: `7ktc-93qd-x0fm-2vah`.
fn invite_code(bytes: [u8; 16]) -> String {
    let digits = bytes.map(|byte| char::from(ALPHABET[usize::from(byte & 31)]));
    let groups: Vec<String> = digits.chunks(4).map(String::from_iter).collect();
    groups.join("-")
}

/// The hash of what somebody has typed as a code: in either case, with or without hyphens, and with
/// letters for the digits that they look like.
fn invite_hash(code: &str) -> [u8; 32] {
    let typed = code.chars().filter(char::is_ascii_alphanumeric);
    let digits = typed.map(|letter| match letter.to_ascii_lowercase() {
        'o' => '0',
        'i' | 'l' => '1',
        other => other,
    });
    Sha256::digest(digits.collect::<String>()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_what_was_meant_by_it() {
        let code = invite_code([31, 0, 1, 10, 255, 32, 33, 42, 2, 3, 4, 5, 6, 7, 8, 9]);
        assert_eq!(code, "z01a-z01a-2345-6789");
        for typed in ["z01a-z01a-2345-6789", "ZOIA ZOLA 23456789", " z01az01a23456789\n"] {
            assert_eq!(invite_hash(typed), invite_hash(&code), "{typed}");
        }
        assert_ne!(invite_hash("z01a-z01a-2345-678"), invite_hash(&code));
    }
}
