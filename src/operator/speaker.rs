//! Says something as a user, once: a script that is not sure whether it did may say it again.
//!
//! The message has a nonce, so it can be sent again until an answer comes. Passing obstacles, such
//! as a server that is being restarted or a full disk, are waited out; after half a minute they are
//! an error. If no server is running, this process becomes it for a moment, as for the other
//! commands.

use std::error::Error;
use std::fmt::Write as _;
use std::io::{self, Read as _};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use super::link::{self, Link, Need, granted};
use super::text;
use crate::config::Config;
use crate::entity::{MessageBody, TextError, UserName};
use crate::system::Entropy;
use crate::web::Said;

/// How often, and how soon again, to try something that may soon work.
const TRIES: usize = 60;
const PAUSE: Duration = Duration::from_millis(500);

/// More than this is not read: no message is that long.
const READ_BYTES_MAX: u64 = 1024 * 1024;

/// Says it, and returns when it is stored.
pub(super) fn send(
    config: &Config,
    user: &str,
    whom: &str,
    given: Option<&str>,
    nonce: Option<&str>,
) -> Result<(), Box<dyn Error>> {
    let body = match given {
        Some(given) => given.to_owned(),
        None => read()?,
    };
    // Checked here already, so that nobody waits half a minute to hear it.
    let body = MessageBody::parse(&body).map_err(|error| match error {
        TextError::BodyLength => format!("{error} This one has {}.", body.trim().len()),
        error => error.to_string(),
    })?;
    let nonce = match nonce {
        Some(nonce) => nonce.to_owned(),
        None => random()?,
    };
    let said = [("body", Said::Text(Some(body.as_str()))), ("nonce", Said::Text(Some(&nonce)))];
    let mut tries = 0..TRIES;
    loop {
        let Err(error) = try_to_send(config, user, whom, &said) else { return Ok(()) };
        if !error.may_pass || tries.next().is_none() {
            return Err(error.why);
        }
        thread::sleep(PAUSE);
    }
}

/// Why something was not sent, as far as is known.
struct Failure {
    why: Box<dyn Error>,
    /// Whether it may work soon.
    may_pass: bool,
}

impl<E: Into<Box<dyn Error>>> From<E> for Failure {
    fn from(why: E) -> Self {
        let why = why.into();
        Self { may_pass: link::may_come(why.as_ref()), why }
    }
}

fn try_to_send(
    config: &Config,
    user: &str,
    whom: &str,
    said: &[(&str, Said<'_>)],
) -> Result<(), Failure> {
    let mut link = Link::open(config, Need::Database)?;
    let mut ask = |method: &str, path: &str, body: &[(&str, Said<'_>)]| {
        let (status, answer) = link.ask(user, method, path, body)?;
        let mut granted = granted(status, answer).map_err(Failure::from);
        if let Err(failure) = &mut granted {
            // "Not now": it is stopping, or cannot write.
            failure.may_pass = status == 503;
        }
        granted
    };
    let state = ask("GET", "/api/state", &[])?;
    let id = find(&state, whom)?;
    ask("POST", &format!("/api/conversations/{id}/messages"), said).map(drop)
}

/// The conversation that a word means, among those in a user's state: the one with a friend of this
/// name, the group with this title, or after `id:` the one with this number. If it could mean two,
/// it means none.
pub(super) fn find(state: &Value, whom: &str) -> Result<i64, String> {
    let number = whom.strip_prefix("id:").and_then(|number| number.parse().ok());
    let key = UserName::parse(whom).ok().map(|name| name.key());
    let is_meant = |conversation: &&Value| match number {
        Some(number) => conversation["id"].as_i64() == Some(number),
        None if conversation["kind"] == "group" => text(&conversation["title"]) == whom,
        None => {
            let name = UserName::parse(other_name(state, conversation));
            key.is_some() && key == name.ok().map(|name| name.key())
        }
    };
    let conversations = state["conversations"].as_array().into_iter().flatten();
    let meant: Vec<_> = conversations.filter(is_meant).collect();
    let me = text(&state["user"]["name"]);
    match meant[..] {
        [conversation] => Ok(conversation["id"].as_i64().unwrap_or_default()),
        [] if number.is_some() => Err(format!("{me} has no conversation {whom}")),
        [] => Err(format!(
            "{me} is in no group called {whom}, and has no such friend; \
             `lovejoy user befriend {me} {whom}` makes them friends"
        )),
        _ => {
            let mut error = format!("{whom} may mean");
            for conversation in meant {
                // Writing to a String cannot fail.
                let _ = write!(error, " id:{}", conversation["id"]);
            }
            Err(error + "; say which")
        }
    }
}

/// With whom a user has a direct conversation.
pub(super) fn other_name<'a>(state: &'a Value, conversation: &'a Value) -> &'a str {
    let members = conversation["members"].as_array().into_iter().flatten();
    let mut users = members.map(|member| &member["user"]);
    let other = users.find(|user| user["id"] != state["user"]["id"]);
    other.map(|user| text(&user["name"])).unwrap_or_default()
}

/// What there is on stdin.
fn read() -> Result<String, Box<dyn Error>> {
    let mut bytes = Vec::new();
    io::stdin().lock().take(READ_BYTES_MAX).read_to_end(&mut bytes)?;
    let wrong = |error: std::string::FromUtf8Error| {
        let at = error.utf8_error().valid_up_to();
        format!("what was read is not UTF-8, from byte {at} on; `iconv` may make it so")
    };
    Ok(String::from_utf8(bytes).map_err(wrong)?)
}

/// A nonce that nobody has used.
fn random() -> io::Result<String> {
    let bytes: [u8; 16] = Entropy::system()?.bytes();
    Ok(format!("{:032x}", u128::from_be_bytes(bytes)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_word_means_one_conversation_or_none() {
        let direct = |id: i64, name: &str| {
            let members = json!([{ "user": { "id": 1, "name": "me" } },
                                 { "user": { "id": 50 + id, "name": name } }]);
            json!({ "id": id, "kind": "direct", "title": null, "members": members })
        };
        let group = |id: i64, title: &str| json!({ "id": id, "kind": "group", "title": title });
        let conversations = json!([
            direct(1, "Anna"),
            direct(2, "漠然"),
            group(3, "Crew"),
            group(4, "Crew"),
            group(5, "Ops at night"),
            group(6, "anna"),
            direct(7, ""),
            direct(8, "42"),
        ]);
        let state = json!({ "user": { "id": 1, "name": "me" }, "conversations": conversations });
        for (whom, found) in [("漠然", 2), ("Ops at night", 5), ("ANNA", 1), ("id:3", 3), ("42", 8)]
        {
            assert_eq!(find(&state, whom), Ok(found), "{whom}");
        }
        for (whom, error) in [
            ("Crew", "Crew may mean id:3 id:4; say which"),
            ("anna", "anna may mean id:1 id:6; say which"),
            ("id:9", "me has no conversation id:9"),
            ("", "me is in no group called "),
            ("id:x", "me is in no group called id:x, and has no such friend"),
        ] {
            assert!(find(&state, whom).unwrap_err().starts_with(error), "{whom}");
        }
    }
}
