//! Which accounts and sessions there are: what a token opens, what a password proves, and who is
//! gone.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use lovejoy::data::{Account, Store};
use lovejoy::entity::UserId;
use lovejoy::logic::passwords::Derivation;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::people::NAMES;

/// All accounts and sessions that anybody was told of.
#[derive(Debug, Default)]
pub struct Accounts {
    /// The newest account of each person.
    pub of: BTreeMap<usize, i64>,
    known: BTreeMap<i64, Known>,
    sessions: BTreeMap<Rc<str>, Session>,
    /// The accounts and the sessions that may end or change in this turn.
    changing: BTreeSet<i64>,
    leaving: BTreeSet<Rc<str>>,
    /// Those that might have changed in this turn.
    tried: BTreeSet<i64>,
}

#[derive(Debug)]
struct Known {
    name: &'static str,
    password: Rc<str>,
    salt: Option<[u8; 16]>,
    /// The turn in which the account was told of, or its password changed.
    since: u64,
    /// All passwords that it was to have.
    thought_of: BTreeSet<Rc<str>>,
    /// In which turn.
    deleted: Option<u64>,
}

#[derive(Debug)]
struct Session {
    user: i64,
    /// In which turn.
    ended: Option<u64>,
}

impl Accounts {
    /// Somebody has logged in, or made an account.
    pub fn logged_in(
        &mut self,
        person: usize,
        user: i64,
        token: &str,
        password: &Rc<str>,
        turn: u64,
    ) {
        let before = self.of.insert(person, user);
        if let Some(before) = before.filter(|&before| before != user) {
            assert!(self.is_gone(before), "an account has one id, not {before} and {user}");
        }
        self.sessions.insert(Rc::from(token), Session { user, ended: None });
        self.changing.insert(user);
        self.known.entry(user).or_insert_with(|| Known {
            name: NAMES[person],
            password: Rc::clone(password),
            salt: None,
            since: turn,
            thought_of: [Rc::clone(password)].into(),
            deleted: None,
        });
    }

    /// An account may change or end in this turn, or one of its sessions.
    pub fn changing(&mut self, user: i64) {
        self.changing.insert(user);
    }

    /// A session may end in this turn.
    pub fn leaving(&mut self, token: &Rc<str>) {
        self.changing.insert(self.user(token));
        self.leaving.insert(Rc::clone(token));
    }

    /// A user wants to have another password.
    pub fn thought_of(&mut self, user: i64, password: &Rc<str>) {
        self.known.get_mut(&user).expect("a user").thought_of.insert(Rc::clone(password));
        self.changing.insert(user);
    }

    /// Looks at what the turn has committed.
    pub fn look_into(&mut self, store: &Store, turn: u64, is_old: impl Fn(&Rc<str>) -> bool) {
        self.tried = std::mem::take(&mut self.changing);
        for &user in &self.tried {
            let mut before = self.sessions.iter().filter(|(_, session)| session.is_alive_of(user));
            let was_logged_in = before.any(|(token, _)| !is_old(token));
            let leaves = self.leaving.iter().any(|token| self.sessions[token].user == user);
            let known = self.known.get_mut(&user).expect("a user");
            match store.account(UserId(user)).expect("readable") {
                None => drop(known.deleted.get_or_insert(turn)),
                Some(account) => known.look_at(&account, turn),
            }
            let is_other = known.since == turn || known.deleted == Some(turn);
            for (token, session) in &mut self.sessions {
                if !session.is_alive_of(user) {
                    continue;
                }
                let hash: [u8; 32] = Sha256::digest(&**token).into();
                if store.session_by_token(&hash).expect("readable").is_none() {
                    session.ended = Some(turn);
                    let reason = is_other || self.leaving.contains(token) || is_old(token);
                    assert!(reason, "a session of user {user} ends, and nobody wanted that");
                }
            }
            let goes_on = self.sessions.values().any(|session| session.is_alive_of(user));
            let may_be_none = !was_logged_in || leaves || known.deleted.is_some();
            assert!(goes_on || may_be_none, "who changes a password goes on");
        }
        self.leaving.clear();
    }

    /// Whose a token is.
    pub fn user(&self, token: &Rc<str>) -> i64 {
        self.sessions[token].user
    }

    /// In which turn the session of a token has ended.
    pub fn ended(&self, token: &Rc<str>) -> Option<u64> {
        self.sessions.get(token).and_then(|session| session.ended)
    }

    /// Whether a user has no other session that began before this turn.
    pub fn are_others_ended(&self, token: &Rc<str>) -> bool {
        let user = self.user(token);
        let others = self.sessions.iter().filter(|(other, s)| *other != token && s.user == user);
        others.into_iter().all(|(_, session)| session.ended.is_some())
    }

    /// Whether something of a user's account was to change in this turn.
    pub fn is_unsettled(&self, user: i64) -> bool {
        self.tried.contains(&user)
    }

    /// Everybody who was ever known, by id.
    pub fn users(&self) -> impl Iterator<Item = i64> {
        self.known.keys().copied()
    }

    pub fn is_gone(&self, user: i64) -> bool {
        self.known.get(&user).is_some_and(|known| known.deleted.is_some())
    }

    /// Whether this was a user's password at some moment of this turn.
    pub fn may_prove(&self, user: i64, password: &str, turn: u64) -> bool {
        let known = &self.known[&user];
        *known.password == *password || known.since == turn || known.deleted == Some(turn)
    }

    /// Whether it was not at some moment from that turn on.
    pub fn may_not_prove(&self, user: i64, password: &str, since: u64) -> bool {
        let known = &self.known[&user];
        *known.password != *password || known.since >= since || known.deleted.is_some()
    }

    /// Whether a user has had another password since that turn.
    pub fn has_changed(&self, user: i64, since: u64) -> bool {
        self.known[&user].since >= since
    }

    /// In the end: of those who are gone, what they have said is left, and nothing else.
    pub fn compare(&self, store: &Store) {
        for (&user, known) in &self.known {
            let row = store.user(UserId(user)).expect("readable").expect("a row stays");
            assert_eq!(row.deleted, known.deleted.is_some(), "{row:?} is {known:?}");
            if row.deleted {
                assert!(row.name.is_empty() && row.display_name.is_empty(), "{row:?}");
                let sessions = store.sessions(UserId(user)).expect("readable");
                let relations = store.relations(UserId(user)).expect("readable");
                assert!(
                    sessions.is_empty() && relations.is_empty(),
                    "something is left of {row:?}"
                );
                let seen_at = store.last_seen(UserId(user)).expect("readable");
                assert_eq!(seen_at, None, "it is remembered when {user} was there");
            }
        }
    }

    /// Everybody is called as they are; of those who are gone, nothing is left to call them by.
    pub fn check_names(&self, value: &Value, turn: u64) {
        match value {
            Value::Array(values) => values.iter().for_each(|value| self.check_names(value, turn)),
            Value::Object(members) => {
                members.values().for_each(|value| self.check_names(value, turn));
                let id = members.get("id").and_then(Value::as_i64);
                if members.contains_key("display_name")
                    && let Some(known) = id.and_then(|id| self.known.get(&id))
                {
                    let is_gone = value["deleted"] == true;
                    let name = if is_gone { "" } else { known.name };
                    let may_be = known.deleted.is_some() == is_gone || known.deleted == Some(turn);
                    assert!(may_be && value["name"] == name, "{value} is {known:?}");
                    assert_eq!(value["display_name"] == "", is_gone, "{value}");
                }
            }
            _ => {}
        }
    }
}

impl Session {
    fn is_alive_of(&self, user: i64) -> bool {
        self.user == user && self.ended.is_none()
    }
}

impl Known {
    fn look_at(&mut self, account: &Account, turn: u64) {
        if self.salt.replace(account.salt) == Some(account.salt) {
            return;
        }
        let is_it = |password: &&Rc<str>| {
            let mut derivation =
                Derivation::new(password.as_bytes(), &account.salt, account.iterations);
            derivation.step(u32::MAX) == Some(account.password)
        };
        let password = self.thought_of.iter().find(is_it).expect("a password that was thought of");
        if *password != self.password {
            self.password = Rc::clone(password);
            self.since = turn;
        }
    }
}
