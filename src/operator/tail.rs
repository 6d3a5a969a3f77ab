//! Prints what a user is told, as it comes: a client of the comet in a terminal.
//!
//! It asks with a cursor, prints, and asks again with the next, which tells the server that
//! everything arrived. While the server is being restarted it tries to reach it, and then goes on
//! where it was:
//!
//! ```text
//!               state, and where to begin
//! [Connecting] ---------------------------> [Asking] --answer: print, ask again--+
//!      ^                                     |    ^                              |
//!      +---- the server stops, or is gone ---+    +------------------------------+
//! ```
//!
//! It ends when nobody reads what it prints, when it is refused, or if no server is running when it
//! begins. The user as whom it listens is online meanwhile, as with any of their clients.
//!
//! For people each message is a line of fields separated by tabs: time, conversation, sender, text.
//! Further lines of its text follow, each after a tab. Whatever could control a terminal is made
//! visible.

use std::error::Error;
use std::io::{self, ErrorKind, Write as _};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::link::{Link, Refused, granted};
use super::speaker::{find, other_name};
use super::{text, time};
use crate::config::{Config, Since};
use crate::entity::characters::{breaks_line, turns_direction};
use crate::event_loop::wait_for_hangup;
use crate::system::Clock;

/// How soon to look for the server again.
const PAUSE: Duration = Duration::from_millis(250);

/// Prints until nobody reads it.
pub(super) fn run(
    config: &Config,
    user: &str,
    whom: Option<&str>,
    since: Option<&Since>,
    json: bool,
) -> Result<(), Box<dyn Error>> {
    let link = Link::to_server(config)?;
    thread::spawn(|| {
        if wait_for_hangup(io::stdout()).is_ok() {
            std::process::exit(0);
        }
    });
    let mut tail = Tail { config, user, link, state: Value::Null, only: None, json };
    tail.load_state()?;
    tail.only = whom.map(|whom| find(&tail.state, whom)).transpose()?;
    match tail.follow(since) {
        Err(error) if is_broken_pipe(error.as_ref()) => Ok(()),
        ended => ended,
    }
}

/// Whether whoever read this has read enough. Errors from the server are not I/O errors here.
fn is_broken_pipe(error: &(dyn Error + 'static)) -> bool {
    let error = error.downcast_ref::<io::Error>();
    error.is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
}

struct Tail<'a> {
    config: &'a Config,
    user: &'a str,
    link: Link,
    /// Who has which name.
    state: Value,
    /// The conversation that is listened to, if not to all.
    only: Option<i64>,
    json: bool,
}

impl Tail<'_> {
    /// Asks until there is an answer.
    fn ask(&mut self, path: &str) -> Result<Value, Refused> {
        loop {
            match self.link.ask(self.user, "GET", path, &[]) {
                Ok((503, _)) | Err(_) => self.reconnect(),
                Ok((status, answer)) => return granted(status, answer),
            }
        }
    }

    fn reconnect(&mut self) {
        // It does not matter whether anybody reads this.
        let _ = writeln!(io::stderr(), "lovejoy: the server has stopped; waiting for the next");
        loop {
            thread::sleep(PAUSE);
            if let Ok(link) = Link::to_server(self.config) {
                self.link = link;
                return;
            }
        }
    }

    fn load_state(&mut self) -> Result<(), Refused> {
        self.state = self.ask("/api/state")?;
        Ok(())
    }

    fn follow(&mut self, since: Option<&Since>) -> Result<(), Box<dyn Error>> {
        let mut cursor = text(&self.state["cursor"]).to_owned();
        // In order.
        let mut known = Vec::new();
        match since {
            Some(Since::Cursor(since)) => cursor.clone_from(since),
            Some(Since::Ago(time)) => {
                let history = self.history(*time)?;
                known.extend(history.iter().map(|event| event["message"]["id"].as_i64()));
                self.print(history, &cursor)?;
            }
            None => {}
        }
        loop {
            let mut answer = self.ask(&format!("/api/events?cursor={cursor}"))?;
            text(&answer["cursor"]).clone_into(&mut cursor);
            let mut events = match answer["events"].take() {
                Value::Array(events) => events,
                _ => Vec::new(),
            };
            if events.iter().any(|event| renames(text(&event["type"]))) {
                self.load_state()?;
            }
            // What was said while the history was being read is in both.
            events.retain(|event| {
                event["type"] != "message"
                    || known.binary_search(&event["message"]["id"].as_i64()).is_err()
            });
            events.retain(|event| self.concerns(event));
            self.print(events, &cursor)?;
            if answer["released"] == true {
                let retry = answer["retry_ms"].as_u64().unwrap_or_default();
                thread::sleep(Duration::from_millis(retry));
            }
        }
    }

    /// Whether an event belongs to the conversation that is listened to.
    fn concerns(&self, event: &Value) -> bool {
        let ids = [
            &event["message"]["conversation_id"],
            &event["conversation_id"],
            &event["conversation"]["id"],
        ];
        self.only.is_none_or(|only| ids.iter().any(|id| id.as_i64() == Some(only)))
    }

    /// What was said that long ago or later, as events, in order.
    fn history(&mut self, ago: Duration) -> Result<Vec<Value>, Refused> {
        let ago = i64::try_from(ago.as_millis()).unwrap_or(i64::MAX);
        let from = Clock::new().now().wall.plus_millis(-ago).0;
        let is_late = |message: &Value| message["sent_at"].as_i64().is_some_and(|at| at >= from);
        let mut events = Vec::new();
        for id in self.conversations_with(is_late) {
            let mut before = i64::MAX;
            loop {
                let path = format!("/api/conversations/{id}/messages?limit=200&before={before}");
                let mut page = self.ask(&path)?;
                let Value::Array(messages) = page["messages"].take() else { break };
                let is_last = page["more"] != true || !messages.first().is_some_and(is_late);
                before = messages.first().and_then(|first| first["id"].as_i64()).unwrap_or(0);
                let late = messages.into_iter().filter(is_late);
                events.extend(late.map(|message| json!({ "type": "message", "message": message })));
                if is_last {
                    break;
                }
            }
        }
        events.sort_unstable_by_key(|event| event["message"]["id"].as_i64());
        Ok(events)
    }

    /// The conversations that are listened to, and whose last message is one of these.
    fn conversations_with(&self, is_meant: impl Fn(&Value) -> bool) -> Vec<i64> {
        let conversations = self.state["conversations"].as_array().into_iter().flatten();
        let meant = conversations.filter(|conversation| is_meant(&conversation["last_message"]));
        let ids = meant.filter_map(|conversation| conversation["id"].as_i64());
        ids.filter(|&id| self.only.is_none_or(|only| only == id)).collect()
    }

    /// Prints what came together. The last line of JSON tells the place after all of them.
    fn print(&self, events: Vec<Value>, cursor: &str) -> io::Result<()> {
        let mut out = String::new();
        let count = events.len();
        for (index, mut event) in events.into_iter().enumerate() {
            if !self.json {
                out += &self.line(&event);
                continue;
            }
            if index + 1 == count {
                event["cursor"] = cursor.into();
            }
            out += &event.to_string();
            out.push('\n');
        }
        let mut stdout = io::stdout().lock();
        stdout.write_all(out.as_bytes())?;
        stdout.flush()
    }

    /// A message, for people; nothing for other events.
    fn line(&self, event: &Value) -> String {
        let message = &event["message"];
        if message.is_null() {
            return String::new();
        }
        let conversations = self.state["conversations"].as_array().into_iter().flatten();
        let mut its_own = conversations.filter(|one| one["id"] == message["conversation_id"]);
        let conversation = its_own.next().unwrap_or(&Value::Null);
        let label = match &conversation["title"] {
            Value::String(title) => title,
            _ => other_name(&self.state, conversation),
        };
        let mark = match (&event["type"], &message["deleted_at"]) {
            (_, Value::Number(_)) => "(deleted)",
            (kind, _) if kind == "message_updated" => "(edited) ",
            _ => "",
        };
        let sender = name_in(conversation, &message["sender_id"]);
        let body = visible(text(&message["body"]));
        format!("{}\t{label}\t{sender}\t{mark}{body}\n", time(&message["sent_at"]))
    }
}

/// Whether somebody or something may have another name after such an event.
fn renames(kind: &str) -> bool {
    !matches!(kind, "message" | "message_updated" | "delivered" | "read" | "typing" | "presence")
}

/// The name of somebody who is in a conversation or was.
fn name_in<'a>(conversation: &'a Value, id: &Value) -> &'a str {
    let list = |name: &str| conversation[name].as_array().into_iter().flatten();
    let members = list("members").map(|member| &member["user"]);
    let mut users = members.chain(list("former_members"));
    users.find(|user| user["id"] == *id).map(|user| text(&user["name"])).unwrap_or_default()
}

/// A text as it can be shown in a terminal: further lines after a tab, and whatever else controls a
/// terminal, or reorders what it shows, as a number.
fn visible(body: &str) -> String {
    let mut shown = String::with_capacity(body.len());
    for character in body.chars() {
        match character {
            '\n' => shown.push_str("\n\t"),
            '\t' => shown.push('\t'),
            // The other half of an end of line.
            '\r' => {}
            _ if breaks_line(character) || turns_direction(character) => {
                shown.extend(character.escape_unicode());
            }
            _ => shown.push(character),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_is_shown_commands_a_terminal() {
        let shown = visible("a\tb\r\nc \u{1b}[2J\u{9b}1m\u{7f} \u{202e}漠然");
        assert_eq!(shown, "a\tb\n\tc \\u{1b}[2J\\u{9b}1m\\u{7f} \\u{202e}漠然");
    }
}
