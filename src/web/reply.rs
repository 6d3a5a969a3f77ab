//! Writes a reply of the logic as a response. Decides nothing about what is in it.

use super::json::{self, Object};
use crate::config::Config;
use crate::entity::MessageBody;
use crate::http::{Payload, Response};
use crate::logic::{Batch, DEMO_ACCOUNTS, DemoAccount, Reply, ServerInfo};

/// Room for a message of usual length, with everything around it in the answer to a poll.
const BODY_BYTES_USUAL: usize = 512;

/// The response that carries a reply.
pub fn respond(reply: &Reply) -> Response {
    if matches!(reply, Reply::Done) {
        return Response::new(204).cache_control("no-store");
    }
    let mut body = Vec::with_capacity(BODY_BYTES_USUAL);
    let mut object = Object::begin(&mut body);
    members(&mut object, reply);
    object.end();
    Response::new(status(reply)).json(body)
}

/// Its status: whether the call has made something.
fn status(reply: &Reply) -> u16 {
    match reply {
        Reply::SignedIn { .. } | Reply::Account(_) | Reply::Invited { .. } => 201,
        Reply::Friend { created, .. }
        | Reply::Conversation { created, .. }
        | Reply::Message { created, .. } => 200 + u16::from(*created),
        _ => 200,
    }
}

/// The members of its body.
fn members(object: &mut Object<'_>, reply: &Reply) {
    match reply {
        Reply::Done => {}
        Reply::Server(info) => server(object, info),
        Reply::SignedIn { user, token, expires_at } => {
            json::user(object.member("user"), user);
            object.text("token", token);
            object.integer("expires_at", expires_at.0);
        }
        Reply::Accounts { accounts, more } => {
            object.array("users", accounts, json::account);
            object.boolean("more", *more);
        }
        Reply::Invited { code, expires_at } => {
            object.text("code", code);
            object.integer("expires_at", expires_at.0);
        }
        Reply::Registration(registration) => object.text("registration", registration.word()),
        Reply::Copying { number } => object.integer("copy", number.cast_signed()),
        Reply::Sessions(sessions) => object.array("sessions", sessions, json::session),
        Reply::Me(user) | Reply::Account(user) => json::user(object.member("user"), user),
        Reply::Users(users) => object.array("users", users, json::user),
        Reply::Friends(friends) => object.array("friends", friends, json::friend),
        Reply::Friend { friend, .. } => json::friend(object.member("friend"), friend),
        Reply::Conversations(conversations) => {
            object.array("conversations", conversations, json::conversation);
        }
        Reply::History { messages, more } => {
            object.array("messages", messages, json::message);
            object.boolean("more", *more);
        }
        Reply::Found(found) => {
            object.array("messages", &found.messages, json::message);
            object.boolean("more", found.before.is_some());
            // Usually the last message says where to go on.
            let last = found.messages.last().map(|message| message.id);
            if let Some(before) = found.before.filter(|&before| Some(before) != last) {
                object.integer("before", before.0);
            }
        }
        Reply::Conversation { conversation, .. } => {
            json::conversation(object.member("conversation"), conversation);
        }
        Reply::Message { message, .. } => json::message(object.member("message"), message),
        Reply::State { user, friends, conversations, cursor } => {
            json::user(object.member("user"), user);
            object.array("friends", friends, json::friend);
            object.array("conversations", conversations, json::conversation);
            object.text("cursor", cursor);
        }
        Reply::Events { batch, wait_seconds, retry, released } => {
            events(object, batch);
            object.integer("wait", i64::from(*wait_seconds));
            if *released {
                object.boolean("released", true);
            }
            if let Some(retry) = retry {
                let retry_ms = i64::try_from(retry.as_millis()).unwrap_or(i64::MAX);
                object.integer("retry_ms", retry_ms);
            }
        }
    }
}

/// The server is alive and well.
pub fn health() -> Response {
    Response::new(200)
        .cache_control("no-store")
        .body("text/plain; charset=utf-8", Payload::Static(b"ok\n"))
}

fn events(object: &mut Object<'_>, batch: &Batch) {
    object.array("events", &batch.events, |out, (event, _)| json::event(out, event));
    object.cursor(batch.behind, batch.tag);
    object.boolean("more", batch.more);
}

fn server(object: &mut Object<'_>, info: &ServerInfo) {
    let config: &Config = &info.config;
    object.text("name", &config.name);
    object.text("version", env!("CARGO_PKG_VERSION"));
    object.text("registration", info.registration.word());
    let mut limits = Object::begin(object.member("limits"));
    limits.size("message_bytes", MessageBody::BYTES_MAX);
    limits.size("body_bytes", config.body_bytes_max);
    limits.integer("wait_seconds", config.wait_max.as_secs().cast_signed());
    limits.size("group_members", config.group_members_max);
    limits.size("history_messages", config.history_page_max);
    limits.size("polls", config.polls_per_user_max);
    limits.end();
    if config.demo {
        object.array("demo", &DEMO_ACCOUNTS, demo_account);
    }
    if config.has_lab() {
        object.boolean("lab", true);
    }
}

fn demo_account(out: &mut Vec<u8>, account: &DemoAccount) {
    let mut object = Object::begin(out);
    object.text("name", account.name);
    object.text("password", account.password);
    object.end();
}
