//! By what a person logs in: a name, and a password that may be another one by now.
//!
//! All tabs of a person share it. A change whose answer was lost may have been made or not, so both
//! passwords are tried; and where none is right any more, the account is gone.

use std::collections::VecDeque;
use std::rc::Rc;

use crate::wire::{Response, What};

/// What a person knows of their account.
#[derive(Debug)]
pub struct Keys {
    /// There is one, as far as is known.
    has_account: bool,
    /// The passwords that it may have, the most likely one first.
    passwords: VecDeque<Rc<str>>,
    /// How many were tried in vain.
    refused: usize,
    /// How many there have been.
    count: u64,
    /// A change is on its way.
    pub is_changing: bool,
}

impl Keys {
    pub fn new() -> Self {
        let passwords = VecDeque::from([Rc::from("secret 0")]);
        Self { has_account: false, passwords, refused: 0, count: 0, is_changing: false }
    }

    pub fn log_in(&self, name: &'static str) -> What {
        let password = self.password();
        if self.has_account {
            What::LogIn { name, password }
        } else {
            What::Register { name, password }
        }
    }

    pub fn password(&self) -> Rc<str> {
        Rc::clone(&self.passwords[0])
    }

    pub fn change(&mut self) -> What {
        self.count += 1;
        let new = Rc::from(format!("secret {}", self.count));
        What::ChangePassword { current: self.password(), new }
    }

    pub fn answered(&mut self, what: &What, response: &Response) {
        self.is_changing &= !matches!(what, What::ChangePassword { .. });
        match (what, response.status) {
            (What::Register { password, .. } | What::LogIn { password, .. }, 201) => {
                self.has_account = true;
                self.refused = 0;
                self.prefer(password);
            }
            (What::Register { .. }, _) if response.code() == "name_taken" => {
                self.has_account = true;
            }
            (What::LogIn { password, .. }, 401) | (What::DeleteAccount { password }, 403) => {
                self.is_wrong(password);
            }
            (What::ChangePassword { new, .. }, 204) => self.prefer(new),
            (What::ChangePassword { current, .. }, 403) => self.is_wrong(current),
            (What::ChangePassword { .. }, 503) => self.lost(what),
            (What::DeleteAccount { .. }, 204) => self.has_account = false,
            _ => {}
        }
    }

    pub fn lost(&mut self, what: &What) {
        if let What::ChangePassword { new, .. } = what {
            self.is_changing = false;
            self.passwords.push_back(Rc::clone(new));
        }
    }

    fn prefer(&mut self, password: &Rc<str>) {
        self.passwords.retain(|other| other != password);
        self.passwords.push_front(Rc::clone(password));
        // A change that was lost may still be made.
        self.passwords.truncate(4);
    }

    fn is_wrong(&mut self, password: &Rc<str>) {
        if self.passwords[0] == *password {
            self.passwords.rotate_left(1);
            self.refused += 1;
        }
        if self.refused >= self.passwords.len() {
            self.refused = 0;
            // Or it has the password that is on its way.
            self.has_account = self.is_changing;
        }
    }
}
