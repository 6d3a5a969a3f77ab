//! Writes JSON as bytes, without building a tree: the objects of the web service, one function
//! each.

use std::io::Write as _;

use crate::digits::push_decimal;
use crate::entity::{
    Conversation, Cursor, CursorTag, Event, Friend, FriendState, Kind, LastSeen, Member, Message,
    Role, Session, Timestamp, User,
};
use crate::logic::ListedAccount;

/// An object that is being written.
#[derive(Debug)]
pub(super) struct Object<'a> {
    out: &'a mut Vec<u8>,
    empty: bool,
}

impl<'a> Object<'a> {
    pub(super) fn begin(out: &'a mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, empty: true }
    }

    pub(super) fn end(self) {
        self.out.push(b'}');
    }

    /// Writes a member's name, and lets the caller write its value.
    pub(super) fn member(&mut self, name: &str) -> &mut Vec<u8> {
        let before: &[u8] = if std::mem::take(&mut self.empty) { b"\"" } else { b",\"" };
        self.out.extend_from_slice(before);
        // Our own names need no escaping.
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
        self.out
    }

    pub(super) fn text(&mut self, name: &str, value: &str) {
        text(self.member(name), value);
    }

    pub(super) fn cursor(&mut self, cursor: Cursor, tag: CursorTag) {
        let out = self.member("cursor");
        out.push(b'"');
        cursor.push(tag, out);
        out.push(b'"');
    }

    pub(super) fn optional_text(&mut self, name: &str, value: Option<&str>) {
        match value {
            Some(value) => self.text(name, value),
            None => self.null(name),
        }
    }

    pub(super) fn integer(&mut self, name: &str, value: i64) {
        integer(self.member(name), value);
    }

    pub(super) fn size(&mut self, name: &str, value: usize) {
        self.integer(name, i64::try_from(value).unwrap_or(i64::MAX));
    }

    pub(super) fn time(&mut self, name: &str, value: Option<Timestamp>) {
        time(self.member(name), value);
    }

    pub(super) fn boolean(&mut self, name: &str, value: bool) {
        boolean(self.member(name), value);
    }

    pub(super) fn null(&mut self, name: &str) {
        self.member(name).extend_from_slice(b"null");
    }

    /// An array, each of whose items is written by `write`.
    pub(super) fn array<T>(&mut self, name: &str, items: &[T], write: impl Fn(&mut Vec<u8>, &T)) {
        array(self.member(name), items, write);
    }
}

/// An array, each of whose items is written by `write`.
fn array<T>(out: &mut Vec<u8>, items: &[T], write: impl Fn(&mut Vec<u8>, &T)) {
    out.push(b'[');
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write(out, item);
    }
    out.push(b']');
}

fn boolean(out: &mut Vec<u8>, value: bool) {
    out.extend_from_slice(if value { b"true" } else { b"false" });
}

fn time(out: &mut Vec<u8>, value: Option<Timestamp>) {
    match value {
        Some(time) => integer(out, time.0),
        None => out.extend_from_slice(b"null"),
    }
}

fn integer(out: &mut Vec<u8>, value: i64) {
    if value < 0 {
        out.push(b'-');
    }
    push_decimal(value.unsigned_abs(), out);
}

/// Escapes what must be escaped, and nothing else (RFC 8259, section 7).
fn text(out: &mut Vec<u8>, value: &str) {
    out.push(b'"');
    let mut rest = value.as_bytes();
    loop {
        let (plain, others) = rest.split_at(plain_length(rest));
        out.extend_from_slice(plain);
        let Some((escaped, behind)) = others.split_first() else { break };
        match *escaped {
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            control @ 0..b' ' => {
                write!(out, "\\u{control:04x}").expect("a Vec takes everything");
            }
            byte => out.extend_from_slice(&[b'\\', byte]),
        }
        rest = behind;
    }
    out.push(b'"');
}

/// How many bytes come before the first that must be escaped. Eight at a time are looked at, as a
/// word: messages are long.
fn plain_length(bytes: &[u8]) -> usize {
    const LOW: u64 = u64::from_le_bytes([0x01; 8]);
    const HIGH: u64 = u64::from_le_bytes([0x80; 8]);
    // A smaller byte borrows, which sets its highest bit.
    let less = |word: u64, than: u8| word.wrapping_sub(LOW * u64::from(than)) & !word;
    let mut plain = 0;
    for word in bytes.as_chunks::<8>().0 {
        let word = u64::from_le_bytes(*word);
        let (quotes, backslashes) =
            (word ^ (LOW * u64::from(b'"')), word ^ (LOW * u64::from(b'\\')));
        if (less(word, b' ') | less(quotes, 1) | less(backslashes, 1)) & HIGH != 0 {
            break;
        }
        plain += 8;
    }
    let rest = &bytes[plain..];
    let is_escaped = |byte: &u8| matches!(byte, 0..b' ' | b'"' | b'\\');
    plain + rest.iter().position(is_escaped).unwrap_or(rest.len())
}

pub(super) fn user(out: &mut Vec<u8>, user: &User) {
    person(out, user, None);
}

fn person(out: &mut Vec<u8>, user: &User, last_seen: Option<LastSeen>) {
    let mut object = Object::begin(out);
    object.integer("id", user.id.0);
    object.text("name", &user.name);
    object.text("display_name", &user.display_name);
    if user.deleted {
        object.boolean("deleted", true);
    }
    if let Some(last_seen) = last_seen {
        presence(&mut object, last_seen);
    }
    object.end();
}

fn presence(object: &mut Object<'_>, last_seen: LastSeen) {
    object.boolean("online", last_seen.online);
    object.time("last_seen_at", last_seen.at);
}

pub(super) fn account(out: &mut Vec<u8>, account: &ListedAccount) {
    let ListedAccount { row, last_seen } = account;
    let mut object = Object::begin(out);
    person(object.member("user"), &row.user, Some(*last_seen));
    object.integer("created_at", row.created_at.0);
    object.size("sessions", row.sessions);
    object.end();
}

pub(super) fn session(out: &mut Vec<u8>, session: &Session) {
    let mut object = Object::begin(out);
    object.integer("id", session.id.0);
    object.integer("created_at", session.created_at.0);
    object.integer("last_used_at", session.last_used_at.0);
    object.text("user_agent", &session.user_agent);
    object.boolean("current", session.current);
    object.end();
}

pub(super) fn friend(out: &mut Vec<u8>, friend: &Friend) {
    let mut object = Object::begin(out);
    person(object.member("user"), &friend.user, friend.last_seen);
    object.text(
        "state",
        match friend.state {
            FriendState::Friends => "friends",
            FriendState::Incoming => "incoming",
            FriendState::Outgoing => "outgoing",
            FriendState::Blocked => "blocked",
        },
    );
    match friend.conversation_id {
        Some(id) => object.integer("conversation_id", id.0),
        None => object.null("conversation_id"),
    }
    object.end();
}

pub(super) fn message(out: &mut Vec<u8>, message: &Message) {
    let mut object = Object::begin(out);
    object.integer("id", message.id.0);
    object.integer("conversation_id", message.conversation_id.0);
    object.integer("sender_id", message.sender_id.0);
    object.text("body", &message.body);
    object.integer("sent_at", message.sent_at.0);
    object.time("edited_at", message.edited_at);
    object.time("deleted_at", message.deleted_at);
    if let Some(nonce) = &message.nonce {
        object.text("nonce", nonce);
    }
    object.end();
}

pub(super) fn conversation(out: &mut Vec<u8>, conversation: &Conversation) {
    let mut object = Object::begin(out);
    object.integer("id", conversation.id.0);
    object.text(
        "kind",
        match conversation.kind {
            Kind::Direct => "direct",
            Kind::Group => "group",
        },
    );
    object.optional_text("title", conversation.title.as_deref());
    object.array("members", &conversation.members, member);
    object.array("former_members", &conversation.former_members, user);
    match &conversation.last_message {
        Some(last) => message(object.member("last_message"), last),
        None => object.null("last_message"),
    }
    object.integer("unread", conversation.unread.cast_signed());
    object.end();
}

fn member(out: &mut Vec<u8>, member: &Member) {
    let mut object = Object::begin(out);
    user(object.member("user"), &member.user);
    object.text(
        "role",
        match member.role {
            Role::Owner => "owner",
            Role::Member => "member",
        },
    );
    object.integer("last_read_id", member.last_read_id.0);
    object.integer("last_delivered_id", member.last_delivered_id.0);
    object.end();
}

pub(super) fn event(out: &mut Vec<u8>, event: &Event) {
    let mut object = Object::begin(out);
    event_members(&mut object, event);
    object.end();
}

/// What an event says, for an object that may say more.
pub(super) fn event_members(object: &mut Object<'_>, event: &Event) {
    object.text("type", event.name());
    match event {
        Event::Reset => {}
        Event::Message(changed) | Event::MessageUpdated(changed) => {
            message(object.member("message"), changed);
        }
        Event::Delivered { conversation_id, user_id, message_id }
        | Event::Read { conversation_id, user_id, message_id } => {
            object.integer("conversation_id", conversation_id.0);
            object.integer("user_id", user_id.0);
            object.integer("message_id", message_id.0);
        }
        Event::Typing { conversation_id, user_id } => {
            object.integer("conversation_id", conversation_id.0);
            object.integer("user_id", user_id.0);
        }
        Event::Presence { user_id, last_seen } => {
            object.integer("user_id", user_id.0);
            presence(object, *last_seen);
        }
        Event::Friend(changed) => friend(object.member("friend"), changed),
        Event::FriendRemoved(user_id) => object.integer("user_id", user_id.0),
        Event::Conversation(changed) => conversation(object.member("conversation"), changed),
        Event::ConversationRemoved(id) => object.integer("conversation_id", id.0),
        Event::UserUpdated(changed) => user(object.member("user"), changed),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::entity::{ConversationId, MessageId, UserId};

    #[test]
    fn every_character_and_number_is_read_back() {
        let text: String = (0..=0x2fff_u32).chain([0x1_f600]).filter_map(char::from_u32).collect();
        for value in [i64::MIN, -1, 0, 9, 10, 1234, i64::MAX] {
            let mut out = Vec::new();
            let mut object = Object::begin(&mut out);
            object.text("text", &text);
            object.integer("value", value);
            object.end();
            let read: Value = serde_json::from_slice(&out).unwrap();
            assert_eq!((&read["text"], &read["value"]), (&text.as_str().into(), &value.into()));
        }
    }

    #[test]
    fn a_message_is_written_as_the_contract_says() {
        let mut out = Vec::new();
        message(
            &mut out,
            &Message {
                id: MessageId(7),
                conversation_id: ConversationId(2),
                sender_id: UserId(1),
                body: "\"漠然\"\n\u{1}".to_owned(),
                sent_at: Timestamp(5),
                edited_at: None,
                deleted_at: Some(Timestamp(6)),
                nonce: Some("n".to_owned()),
            },
        );
        assert_eq!(
            String::from_utf8(out).unwrap(),
            r#"{"id":7,"conversation_id":2,"sender_id":1,"body":"\"漠然\"\n\u0001","sent_at":5,"edited_at":null,"deleted_at":6,"nonce":"n"}"#
        );
    }
}
