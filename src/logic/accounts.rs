//! Makes accounts, and begins, recognises and ends sessions.
//!
//! A password takes many thousand rounds of hashing, spread over turns (see `hashing`); the rest of
//! registering or logging in happens when the key is there. A token is 256 random bits; the store
//! keeps only its SHA-256. Since the token is random, one round of hashing is enough, and finding
//! it through an index tells nobody anything about it.

use std::net::IpAddr;

use sha2::{Digest, Sha256};

use super::call::{Credentials, SignUp};
use super::hashing::Task;
use super::limits::{Guess, Network};
use super::passwords::{Derivation, Parameters, equal_in_constant_time};
use super::{Answer, Caller, DemoAccount, Logic, Refusal, Reply, Ticket};
use crate::data::{Account, NewAccount, SessionRow, Stance, StoreError};
use crate::entity::{
    DisplayName, Password, SessionId, TextError, Timestamp, User, UserId, UserName,
};
use crate::system::Now;

/// The accounts that `--demo` makes, friends of each other; the same as in 2013.
pub const DEMO_ACCOUNTS: [DemoAccount; 2] = [
    DemoAccount { name: "liger_zql", password: "12345" },
    DemoAccount { name: "漠然", password: "12345" },
];

/// How exactly a session's last use is known, as a part of its lifetime: to the hour for 30 days.
/// Noting it costs a write at most that often, and the uncertainty is in favour of the user.
const LAST_USED_STEPS: i64 = 720;

/// How many sessions are checked for expiry at a time.
const SWEPT_AT_ONCE: usize = 32;

/// How much is kept of what a client calls itself.
const USER_AGENT_CHARS_MAX: usize = 256;

/// By then some of the derivations in progress will be done.
const BUSY_RETRY: std::time::Duration = std::time::Duration::from_secs(2);

impl Logic {
    /// Whose token this is, if it is good.
    pub fn authenticate(&mut self, now: Now, token: &[u8]) -> Result<Caller, Refusal> {
        let mut hash = [0; 32];
        // Not into an array of its own: that is written three times over.
        Sha256::new_with_prefix(token).finalize_into((&mut hash).into());
        if let Some(session) = self.cache.session(&hash) {
            return self.use_session(now, session);
        }
        let session = self.store.session_by_token(&hash)?.ok_or(Refusal::Unauthorized)?;
        self.cache.keep_session(&hash, session);
        self.use_session(now, session)
    }

    /// Whether a stream may go on; if it does, that counts as a use of its session. One without a
    /// session may go on as long as the account exists.
    pub fn may_go_on(&mut self, now: Now, caller: Caller) -> Result<(), Refusal> {
        if caller.session_id == Caller::NO_SESSION {
            let account = self.store.account(caller.user_id)?;
            return account.map(drop).ok_or(Refusal::Unauthorized);
        }
        let session = self.store.session(caller.session_id)?.ok_or(Refusal::Unauthorized)?;
        self.use_session(now, session).map(drop)
    }

    fn use_session(&mut self, now: Now, session: SessionRow) -> Result<Caller, Refusal> {
        let last_used_at = self.notes.used(session.id).unwrap_or(session.last_used_at);
        if self.has_expired(now, last_used_at) {
            return Err(Refusal::Unauthorized);
        }
        if now.wall >= last_used_at.plus_millis(self.last_used_step_ms()) {
            self.notes.last_used(session.id, now.wall);
        }
        Ok(Caller { user_id: session.user_id, session_id: session.id })
    }

    pub(super) fn register(
        &mut self,
        now: Now,
        address: IpAddr,
        sign_up: SignUp,
        ticket: Ticket,
    ) -> Result<Answer, Refusal> {
        self.check_registration(now, sign_up.invite.as_deref())?;
        self.check_name(&sign_up)?;
        self.look_for_room(address)?;
        self.limits.registration(now.mono, address)?;
        let (parameters, derivation) = self.derive(&sign_up.password);
        let task = Task::Register { sign_up: Box::new(sign_up), parameters };
        self.hashing.begin(ticket, Network::of(address), derivation, task);
        Ok(Answer::Later)
    }

    /// Begins to hash a new password: with a salt of its own, and as many rounds as the setting
    /// asks for.
    pub(super) fn derive(&mut self, password: &Password) -> (Parameters, Derivation) {
        let salt = self.entropy.bytes();
        let iterations = self.config.password_iterations;
        let derivation = Derivation::new(password.as_str().as_bytes(), &salt, iterations);
        (Parameters { salt, iterations }, derivation)
    }

    /// Refuses an account whose name is taken.
    pub(super) fn check_name(&self, sign_up: &SignUp) -> Result<(), Refusal> {
        match self.store.account_by_key(&sign_up.name.key())? {
            Some(_) => Err(Refusal::NameTaken { name: sign_up.name.as_str().to_owned() }),
            None => Ok(()),
        }
    }

    pub(super) fn log_in(
        &mut self,
        now: Now,
        address: IpAddr,
        credentials: Credentials,
        ticket: Ticket,
    ) -> Result<Answer, Refusal> {
        let Credentials { name, password, user_agent } = credentials;
        let name = UserName::parse(&name).ok();
        let guess = Guess::new(name.as_ref(), address);
        self.limits.guess(now.mono, &guess)?;
        self.look_for_room(address)?;
        let password = Password::parse(&password.0).ok();
        let account = match name.filter(|_| password.is_some()) {
            Some(name) => self.store.account_by_key(&name.key())?,
            None => None,
        };
        // Without an account, or with a password that none can have, the same work is done.
        let (salt, iterations) = match &account {
            Some(account) => (account.salt, account.iterations),
            None => ([0; 16], self.config.password_iterations),
        };
        let typed = password.as_ref().map_or("", Password::as_str);
        let derivation = Derivation::new(typed.as_bytes(), &salt, iterations);
        let renewing = password.filter(|_| iterations < self.config.password_iterations);
        let account = account.map(Box::new);
        let task = Task::LogIn { account, guess, renewing, user_agent };
        self.hashing.begin(ticket, Network::of(address), derivation, task);
        Ok(Answer::Later)
    }

    /// Goes on with what waited for a key; `None` if there is no answer, or not yet.
    pub(super) fn derived(
        &mut self,
        now: Now,
        ticket: Ticket,
        task: Task,
        key: &[u8; 32],
    ) -> Result<Option<Reply>, Refusal> {
        let reply = match task {
            Task::Register { sign_up, parameters } => {
                let invite = sign_up.invite.as_deref();
                self.check_registration(now, invite)?;
                self.check_name(&sign_up)?;
                self.use_invite(invite)?;
                let user = self.add_account(now, &sign_up, parameters, key)?;
                self.begin_session(now, user, &sign_up.user_agent)?
            }
            Task::LogIn { account, guess, renewing, user_agent } => {
                self.limits.guess(now.mono, &guess)?;
                match account {
                    Some(account) if self.is_proved(&account, key)? => {
                        if let Some(password) = renewing {
                            self.renew(ticket, &guess, &account, &password);
                        }
                        self.begin_session(now, account.user, &user_agent)?
                    }
                    account => return self.refuse_log_in(now, ticket, guess, account.as_deref()),
                }
            }
            Task::AddAccount { sign_up, parameters } => {
                self.check_name(&sign_up)?;
                Reply::Account(self.add_account(now, &sign_up, parameters, key)?)
            }
            Task::ReplacePassword { user_id, parameters } => {
                self.replace_password(user_id, parameters, key)?
            }
            Task::Refuse => return Err(Refusal::BadCredentials),
            Task::Renew { user_id, old, parameters } => {
                if self.has_password(user_id, &old)? {
                    let Parameters { salt, iterations } = parameters;
                    self.store.set_password(user_id, &salt, iterations, key)?;
                }
                return Ok(None);
            }
            Task::ProvePassword(proof) => return self.proved(now, ticket, *proof, key),
            Task::SetPassword { caller, old, parameters } => {
                self.set_password(caller, &old, parameters, key)?
            }
        };
        Ok(Some(reply))
    }

    /// A password was wrong. An account whose hash is cheaper than the setting has cost less than a
    /// name that nobody has; the difference is made up for, or the time taken would tell them
    /// apart.
    fn refuse_log_in(
        &mut self,
        now: Now,
        ticket: Ticket,
        guess: Guess,
        account: Option<&Account>,
    ) -> Result<Option<Reply>, Refusal> {
        let network = guess.network();
        self.limits.guessed_wrong(now.mono, guess);
        let done = account.map_or(u32::MAX, |account| account.iterations);
        let left = self.config.password_iterations.saturating_sub(done);
        if left == 0 {
            return Err(Refusal::BadCredentials);
        }
        let derivation = Derivation::new(b"", &[0; 16], left);
        self.hashing.begin(ticket, network, derivation, Task::Refuse);
        Ok(None)
    }

    /// Hashes a password that was right again, with as many rounds as the setting now asks for.
    /// Nobody waits for this.
    fn renew(&mut self, ticket: Ticket, guess: &Guess, account: &Account, password: &Password) {
        let (parameters, derivation) = self.derive(password);
        let (user_id, old) = (account.user.id, account.password);
        let task = Task::Renew { user_id, old, parameters };
        self.hashing.begin(ticket, guess.network(), derivation, task);
    }

    /// Whether a key proves an account, which since the derivation began may have got another
    /// password, or been deleted.
    pub(super) fn is_proved(&self, account: &Account, key: &[u8; 32]) -> Result<bool, StoreError> {
        let right = equal_in_constant_time(&account.password, key);
        Ok(right && self.has_password(account.user.id, &account.password)?)
    }

    /// Whether this is still the hash of a user's password.
    pub(super) fn has_password(&self, user: UserId, hash: &[u8; 32]) -> Result<bool, StoreError> {
        Ok(self.store.account(user)?.is_some_and(|account| account.password == *hash))
    }

    pub(super) fn log_out(&mut self, caller: Caller) -> Result<Reply, StoreError> {
        self.end(caller)?;
        Ok(Reply::Done)
    }

    /// An account, even a deleted one.
    pub fn user(&self, id: UserId) -> Result<User, Refusal> {
        self.store.user(id)?.ok_or(Refusal::NotFound)
    }

    /// Makes the demo accounts, unless their names are taken, and makes friends of the new ones.
    pub fn make_demo_accounts(&mut self, now: Now) -> Result<(), StoreError> {
        let mut made = Vec::new();
        for DemoAccount { name, password } in DEMO_ACCOUNTS {
            let parsed = SignUp::parse(name, password);
            // invariant: the demo accounts' texts are valid.
            let sign_up = parsed.expect("a demo account is well-formed");
            if self.store.account_by_key(&sign_up.name.key())?.is_some() {
                continue;
            }
            let (parameters, mut derivation) = self.derive(&sign_up.password);
            // invariant: no derivation has more rounds.
            let key = derivation.step(u32::MAX).expect("a derivation ends");
            made.push(self.add_account(now, &sign_up, parameters, &key)?.id);
        }
        if let [one, other] = made[..] {
            for (user, friend) in [(one, other), (other, one)] {
                self.store.set_stance(user, friend, Stance::Friend, now.wall)?;
            }
            self.store.add_direct_conversation(one, other, now.wall)?;
        }
        self.store.commit()
    }

    fn add_account(
        &mut self,
        now: Now,
        sign_up: &SignUp,
        Parameters { salt, iterations }: Parameters,
        password: &[u8; 32],
    ) -> Result<User, StoreError> {
        let new = NewAccount {
            name: sign_up.name.as_str(),
            name_key: &sign_up.name.key(),
            display_name: sign_up.display_name.as_str(),
            display_key: &sign_up.display_name.key(),
            salt: &salt,
            iterations,
            password,
        };
        let id = self.store.add_account(&new, now.wall)?;
        Ok(User {
            id,
            name: new.name.to_owned(),
            display_name: new.display_name.to_owned(),
            deleted: false,
        })
    }

    fn begin_session(&mut self, now: Now, user: User, user_agent: &str) -> Result<Reply, Refusal> {
        let token = base64(&self.entropy.bytes::<32>());
        let hash: [u8; 32] = Sha256::digest(&token).into();
        let user_agent: String = user_agent.chars().take(USER_AGENT_CHARS_MAX).collect();
        self.store.add_session(user.id, &hash, &user_agent, now.wall)?;
        let expires_at: Timestamp = now.wall.plus_millis(self.token_lifetime_ms());
        Ok(Reply::SignedIn { user, token, expires_at })
    }

    /// Deletes some sessions that have expired, when the turn writes anyway: a few at a time, from
    /// the oldest to the newest and round again. What the notes know of their use has been written
    /// by then.
    pub(super) fn sweep_sessions(&mut self, now: Now) -> Result<(), StoreError> {
        let lifetime = self.token_lifetime_ms().saturating_add(self.last_used_step_ms());
        let used_up_to = now.wall.plus_millis(lifetime.saturating_neg());
        let swept = self.store.remove_expired_sessions(self.swept, used_up_to, SWEPT_AT_ONCE)?;
        self.swept = swept.unwrap_or(SessionId(0));
        Ok(())
    }

    /// Whether a session that was last used then, as far as is known, is no longer good.
    pub(super) fn has_expired(&self, now: Now, last_used_at: Timestamp) -> bool {
        let lifetime = self.token_lifetime_ms().saturating_add(self.last_used_step_ms());
        now.wall >= last_used_at.plus_millis(lifetime)
    }

    fn last_used_step_ms(&self) -> i64 {
        self.token_lifetime_ms() / LAST_USED_STEPS
    }

    /// Whether another password can be hashed for somebody at this address. Those who speak for
    /// others may use all the room that there is.
    pub(super) fn look_for_room(&self, address: IpAddr) -> Result<(), Refusal> {
        let of_address = self.hashing.len_of(Network::of(address));
        let is_greedy = of_address >= self.config.hashing_per_address_max
            && !self.config.speaks_for_others(address);
        if self.hashing.is_full() || is_greedy {
            return Err(Refusal::Busy { retry: BUSY_RETRY });
        }
        Ok(())
    }

    fn token_lifetime_ms(&self) -> i64 {
        i64::try_from(self.config.token_lifetime.as_millis()).unwrap_or(i64::MAX)
    }
}

impl SignUp {
    /// An account whose display name is its name.
    pub fn parse(name: &str, password: &str) -> Result<Self, TextError> {
        Ok(Self {
            name: UserName::parse(name)?,
            display_name: DisplayName::parse(name)?,
            password: Password::parse(password)?,
            invite: None,
            user_agent: String::new(),
        })
    }
}

/// Bytes in URL-safe base64, without padding (RFC 4648, section 5). So a token has 43 characters,
/// which is one block for SHA-256: in hexadecimal digits it would be two, at each request.
fn base64(bytes: &[u8]) -> String {
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let byte = |place| usize::from(three.get(place).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for shift in [18, 12, 6, 0].iter().take(three.len() + 1) {
            text.push(char::from(DIGITS[bits >> shift & 63]));
        }
    }
    text
}

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_written_in_the_alphabet_for_urls() {
        // RFC 4648, section 10, and the last two digits.
        for (bytes, text) in
            [("", ""), ("f", "Zg"), ("fo", "Zm8"), ("foo", "Zm9v"), ("foob", "Zm9vYg")]
        {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
        assert_eq!(base64(&[0xfb, 0xff]), "-_8");
        assert_eq!(base64(&[0; 32]).len(), 43);
    }
}
