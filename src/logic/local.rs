//! Lets a program that embeds the server be somebody in it.
//!
//! Such a user has an account like everybody else, so that friends see them and messages have a
//! sender, but never logs in: whoever runs the server needs no password.

use super::{Logic, Refusal};
use crate::data::NewAccount;
use crate::entity::{DisplayName, User, UserName};
use crate::system::Now;

impl Logic {
    /// The user of this name; if there is none, one is made, with a password that nobody knows.
    pub(crate) fn local_user(&mut self, now: Now, name: &UserName) -> Result<User, Refusal> {
        let name_key = name.key();
        if let Some(account) = self.store.account_by_key(&name_key)? {
            return Ok(account.user);
        }
        let display_name = DisplayName::from(name);
        let (salt, password) = (self.entropy.bytes(), self.entropy.bytes());
        let new = NewAccount {
            name: name.as_str(),
            name_key: &name_key,
            display_name: display_name.as_str(),
            display_key: &display_name.key(),
            salt: &salt,
            // Guessing at it takes as long as at any other, and finds nothing.
            iterations: self.config.password_iterations,
            password: &password,
        };
        let id = self.store.add_account(&new, now.wall)?;
        self.user(id)
    }
}
