//! Carries out the operator's commands: accounts, invitations, who may register, backups; and, for
//! scripts, talks and listens as a user.
//!
//! A command is a client like any other, except for the door it comes in by: it speaks HTTP with
//! the server that holds the data folder, over the control socket there. If no server is running,
//! the command becomes the server itself for a moment (see `operator/link.rs`). So each thing is
//! done in only one place, the same whether a server is running or not, and takes effect at once if
//! one is.
//!
//! What is printed on stdout is for programs as well: lines of fields separated by tabs.

mod doctor;
mod files;
mod link;
mod speaker;
mod tail;
mod terminal;

use std::error::Error;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::time::Duration;

use serde_json::Value;

use crate::config::{Config, Operation, Registration};
use crate::entity::Timestamp;
use crate::web::Said;
use link::{Link, Need, granted};

/// Does what was asked for, and prints what there is to say.
pub fn run(config: &Config, operation: &Operation) -> Result<(), Box<dyn Error>> {
    if let Operation::Doctor { url } = operation {
        return doctor::run(config, url.as_deref());
    }
    if config.is_in_memory() {
        return Err(
            "a server with --data :memory: has no folder for a command to find it by".into()
        );
    }
    let text = match operation {
        Operation::AddUser { name, display_name } => {
            add_user(config, name, display_name.as_deref())?
        }
        Operation::SetPassword { name } => set_password(config, name)?,
        Operation::ListUsers => list_users(config)?,
        Operation::RemoveUser { name } => remove_user(config, name)?,
        Operation::Befriend { name, other } => befriend(config, name, other)?,
        Operation::Send { user, whom, text, nonce } => {
            speaker::send(config, user, whom, text.as_deref(), nonce.as_deref())?;
            String::new()
        }
        Operation::Tail { user, whom, since, json } => {
            return tail::run(config, user, whom.as_deref(), since.as_ref(), *json);
        }
        Operation::Invite { lifetime } => invite(config, *lifetime)?,
        Operation::Backup { file } => files::back_up(config, file)?,
        // It prints as it goes along: see above.
        Operation::Doctor { .. } => String::new(),
        Operation::Restore { file } => files::restore(config, file)?,
        Operation::Check { file } => files::check(config, file.as_deref())?,
        Operation::Registration { mode } => registration(config, *mode)?,
    };
    io::stdout().write_all(text.as_bytes())?;
    Ok(())
}

fn add_user(
    config: &Config,
    name: &str,
    display_name: Option<&str>,
) -> Result<String, Box<dyn Error>> {
    // This comes first, since a server does not wait long for somebody who is typing.
    let password = terminal::new_password(name)?;
    let mut link = Link::open(config, Need::Nothing)?;
    let body = [
        ("name", Said::Text(Some(name))),
        ("password", Said::Text(Some(&password))),
        ("display_name", Said::Text(display_name)),
    ];
    let added = link.call("POST", "/control/users", &body)?;
    Ok(format!("{} is added, with id {}\n", text(&added["user"]["name"]), added["user"]["id"]))
}

fn set_password(config: &Config, name: &str) -> Result<String, Box<dyn Error>> {
    let password = terminal::new_password(name)?;
    let mut link = Link::open(config, Need::Database)?;
    let body = [("name", Said::Text(Some(name))), ("password", Said::Text(Some(&password)))];
    link.call("POST", "/control/users/password", &body)?;
    Ok(format!("{name} has another password, and is signed in nowhere\n"))
}

fn remove_user(config: &Config, name: &str) -> Result<String, Box<dyn Error>> {
    let mut link = Link::open(config, Need::Database)?;
    link.call("POST", "/control/users/remove", &[("name", Said::Text(Some(name)))])?;
    Ok(format!("{name} is removed\n"))
}

fn invite(config: &Config, lifetime: Duration) -> Result<String, Box<dyn Error>> {
    let body = [("lifetime_seconds", Said::Number(lifetime.as_secs()))];
    let mut link = Link::open(config, Need::Nothing)?;
    let invited = link.call("POST", "/control/invites", &body)?;
    Ok(format!("{}\tuntil {}\n", text(&invited["code"]), time(&invited["expires_at"])))
}

fn registration(config: &Config, mode: Option<Registration>) -> Result<String, Box<dyn Error>> {
    let mut link = Link::open(config, Need::Server)?;
    let answer = match mode {
        None => link.call("GET", "/control/registration", &[])?,
        Some(mode) => {
            let body = [("registration", Said::Text(Some(mode.word())))];
            link.call("PUT", "/control/registration", &body)?
        }
    };
    Ok(format!("{}\n", text(&answer["registration"])))
}

/// One asks and the other agrees, as both could do themselves.
fn befriend(config: &Config, name: &str, other: &str) -> Result<String, Box<dyn Error>> {
    let mut link = Link::open(config, Need::Database)?;
    let (status, me) = link.ask(name, "GET", "/api/me", &[])?;
    let me = granted(status, me)?;
    let asked = [("name", Said::Text(Some(other)))];
    let (status, answer) = link.ask(name, "POST", "/api/friends", &asked)?;
    if answer["code"] != "already_friends" {
        granted(status, answer)?;
        let path = format!("/api/friends/{}/accept", me["user"]["id"]);
        let (status, answer) = link.ask(other, "POST", &path, &[])?;
        granted(status, answer)?;
    }
    Ok(format!("{name} and {other} are friends\n"))
}

fn list_users(config: &Config) -> Result<String, Box<dyn Error>> {
    let mut link = Link::open(config, Need::Database)?;
    let mut list = "id\tname\tdisplay name\tcreated\tlast seen\tsessions\n".to_owned();
    let mut after = 0;
    loop {
        let page = link.call("GET", &format!("/control/users?after={after}"), &[])?;
        for row in page["users"].as_array().into_iter().flatten() {
            let user = &row["user"];
            after = user["id"].as_i64().unwrap_or(i64::MAX);
            let seen = match (&user["online"], &user["last_seen_at"]) {
                (Value::Bool(true), _) => "now".to_owned(),
                (_, Value::Null) => "never".to_owned(),
                (_, at) => time(at),
            };
            let (name, display_name) = (text(&user["name"]), text(&user["display_name"]));
            let (created, sessions) = (time(&row["created_at"]), &row["sessions"]);
            // Writing to a String cannot fail.
            let _ =
                writeln!(list, "{after}\t{name}\t{display_name}\t{created}\t{seen}\t{sessions}");
        }
        if page["more"] != true {
            return Ok(list);
        }
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn time(value: &Value) -> String {
    value.as_i64().map(|at| Timestamp(at).to_string()).unwrap_or_default()
}
