//! Checks how SQLite goes about what it is asked: by an index, and not through a whole table.
//!
//! Every statement that the scenario below prepares is explained, and the scenario calls every
//! function of the store. So a query that loses its index fails here, and not on somebody's
//! millionth message.

use std::cell::RefCell;
use std::collections::BTreeSet;

use super::{Forget, HistoryPage, NewAccount, NewMember, NewMessage, Stance, Store};
use crate::entity::{
    ConversationId, DisplayName, MessageId, NamePrefix, Needle, Role, SessionId, Timestamp, UserId,
};

thread_local! {
    static PREPARED: RefCell<BTreeSet<String>> = const { RefCell::new(BTreeSet::new()) };
}

/// A statement is prepared.
pub(super) fn note(sql: &str) {
    PREPARED.with_borrow_mut(|prepared| {
        if !prepared.contains(sql) {
            prepared.insert(sql.to_owned());
        }
    });
}

const NOW: Timestamp = Timestamp(0);
const ANNA: UserId = UserId(1);
const BEN: UserId = UserId(2);

/// Enough for some blocks to be signed, and some not.
const MESSAGES: i64 = 1300;

/// What may look through a table, or sort, and why.
const EXCEPTIONS: [(&str, &str); 10] = [
    ("GROUP BY conversation_id, sender_id", "once at a start, of the messages of some seconds"),
    ("AS known", "the relations of one user"),
    ("ORDER BY m.place", "the members of one conversation"),
    ("FROM members\n             WHERE conversation_id = ?1 ORDER BY place", "the same"),
    ("FROM former_members AS f", "those who have left one conversation"),
    ("ORDER BY name_key < ?1", "two short walks along indexes: see people.rs"),
    ("FROM messages ORDER BY id DESC LIMIT 1", "the last row, at a start"),
    ("identity", "has one row"),
    ("FROM index_levels", "has a few rows"),
    ("FROM invites WHERE expires_at", "a few codes, when the operator makes another"),
];

/// The functions of the store that ask SQLite nothing, or are asked here without being named.
const SILENT: [&str; 14] = [
    "of",
    "open",
    "in_memory",
    "database",
    "is_writing",
    "newest_id",
    "set_pages_max",
    "set_index_batch",
    "into_found",
    "back_up",
    "restore",
    "check",
    "is_still",
    "let_go",
];

/// Asks what a server asks.
fn scenario(store: &mut Store) {
    people(store);
    let conversation_id = store.add_direct_conversation(ANNA, BEN, NOW).unwrap();
    group(store);
    talk(store, conversation_id);
    // Unplaced and unsigned, then the other way, then both.
    for (index_batch, said) in [(100_000, 0), (1, 0), (100_000, 200)] {
        store.set_index_batch(index_batch);
        while store.upkeep_is_due(false) {
            store.keep_up().unwrap();
        }
        for _ in 0..said {
            say(store, conversation_id, "more");
        }
        store.commit().unwrap();
        ask(store, conversation_id);
        search(store);
    }
    store.hold_still(0).unwrap();
    store.commit().unwrap();
    let forget = Forget { sent_before: None, bytes_max: Some(0) };
    assert!(store.forget_some(forget).unwrap().is_some());
    search(store);
    store.end_epoch().unwrap();
}

fn people(store: &mut Store) {
    for name in ["anna", "ben"] {
        let new = NewAccount {
            name,
            name_key: name,
            display_name: name,
            display_key: name,
            salt: &[0; 16],
            iterations: 1,
            password: &[0; 32],
        };
        store.add_account(&new, NOW).unwrap();
    }
    store.account_by_key("anna").unwrap();
    store.account(ANNA).unwrap();
    store.accounts(UserId(0), 10).unwrap();
    let prefix = NamePrefix::parse("an").unwrap();
    assert_eq!(store.find_users(BEN, &prefix, 10).unwrap().len(), 1);
    store.set_display_name(ANNA, &DisplayName::parse("Anna").unwrap()).unwrap();
    store.set_password(ANNA, &[0; 16], 1, &[0; 32]).unwrap();
    store.set_last_seen(ANNA, NOW).unwrap();
    store.last_seen(ANNA).unwrap();
    store.user(ANNA).unwrap();
    let session = store.add_session(ANNA, &[0; 32], "", NOW).unwrap();
    store.session_by_token(&[0; 32]).unwrap();
    store.session(session).unwrap();
    store.sessions(ANNA).unwrap();
    store.set_last_used(session, NOW).unwrap();
    store.remove_session(SessionId(9)).unwrap();
    store.remove_expired_sessions(SessionId(0), NOW, 10).unwrap();
    store.set_stance(ANNA, BEN, Stance::Friend, NOW).unwrap();
    store.stances(ANNA, BEN).unwrap();
    store.relations(ANNA).unwrap();
    store.friend_ids(ANNA).unwrap();
    store.clear_stance(ANNA, BEN).unwrap();
    store.clear_relations(BEN).unwrap();
    store.add_invite(&[0; 32], NOW, NOW).unwrap();
    store.has_invite(&[0; 32], NOW).unwrap();
    store.remove_invite(&[0; 32]).unwrap();
    store.delete_account(UserId(9), NOW).unwrap();
    store.commit().unwrap();
    store.try_write().unwrap();
}

fn group(store: &mut Store) {
    let conversation_id = store.add_group("crew", NOW).unwrap();
    let (role, after_id, read_id) = (Role::Member, MessageId(0), MessageId(0));
    let new = NewMember { conversation_id, user_id: ANNA, role, after_id, read_id };
    store.add_member(&new).unwrap();
    store.set_title(conversation_id, "team").unwrap();
    store.set_role(conversation_id, ANNA, Role::Owner).unwrap();
    store.set_has_said(conversation_id, ANNA).unwrap();
    store.seats(conversation_id).unwrap();
    store.remove_member(conversation_id, ANNA).unwrap();
    store.former_members(conversation_id).unwrap();
    store.commit().unwrap();
}

fn say(store: &mut Store, conversation_id: ConversationId, body: &str) {
    let nonce = (store.newest_id().0 + 1).to_string();
    let (sender_id, nonce, sent_at) = (ANNA, Some(nonce.as_str()), NOW);
    store.add_message(&NewMessage { conversation_id, sender_id, body, nonce, sent_at }).unwrap();
}

fn talk(store: &mut Store, conversation_id: ConversationId) {
    for _ in 0..MESSAGES {
        say(store, conversation_id, "hello");
    }
    for number in [1, 2] {
        let mut message = store.message(MessageId(number)).unwrap().unwrap();
        message.body = "changed".to_owned();
        store.change_message(&message, NOW).unwrap();
    }
    store.commit().unwrap();
    store.begin_epoch(1, NOW).unwrap();
}

fn ask(store: &mut Store, id: ConversationId) {
    let mut message = store.message(MessageId(1)).unwrap().unwrap();
    message.body.push_str(" again");
    store.change_message(&message, NOW).unwrap();
    assert!(store.message_by_nonce(ANNA, "7").unwrap().is_some());
    assert_eq!(store.changes_after(BEN, MessageId(0), 2000).unwrap().len() % 100, 2);
    for page in
        [HistoryPage::Newest, HistoryPage::After(MessageId(1)), HistoryPage::Before(MessageId(90))]
    {
        assert_eq!(store.history(id, MessageId(0), page, 10).unwrap().0.len(), 10);
        assert_eq!(store.history_within(id, MessageId(0), page, (9, 1)).unwrap().0.len(), 1);
    }
    assert_eq!(store.undelivered(BEN, MessageId(0), MessageId(20)).unwrap().len(), 1);
    assert!(store.unread(id, MessageId(0)).unwrap() >= 1300);
    store.newest_sent_at().unwrap();
    store.direct_conversation(ANNA, BEN).unwrap();
    store.membership(id, ANNA).unwrap();
    store.memberships(ANNA).unwrap();
    store.conversation_kind(id).unwrap();
    store.members(id).unwrap();
    store.set_delivered(id, BEN, MessageId(1)).unwrap();
    store.set_read(id, BEN, MessageId(1)).unwrap();
    store.set_marked(MessageId(20)).unwrap();
    store.common_past(1, 1, MessageId(1)).unwrap();
    store.roll_back();
}

fn search(store: &mut Store) {
    for text in ["hello", "xylophone"] {
        let needle = Needle::parse(text).unwrap().unwrap();
        let mut search = store.begin_search(BEN, needle, MessageId(i64::MAX), 20).unwrap();
        while !store.go_on(&mut search).unwrap() {}
        assert_eq!(search.into_found().messages.is_empty(), text == "xylophone");
    }
}

#[test]
fn nothing_that_is_asked_often_looks_through_a_table_or_sorts_one() {
    let mut store = Store::in_memory().unwrap();
    scenario(&mut store);
    let prepared = PREPARED.take();
    assert!(prepared.len() > 80, "the scenario asks {}", prepared.len());
    let mut excused = BTreeSet::new();
    for sql in prepared {
        let mut plan = store.connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        // What is bound does not matter (SQLITE_ENABLE_QPSG): here it is nothing.
        let mut steps = plan.raw_query();
        while let Some(step) = steps.next().unwrap() {
            let step: String = step.get(3).unwrap();
            if step.contains("SCAN") || step.contains("TEMP B-TREE") {
                let exception = EXCEPTIONS.iter().find(|(part, _)| sql.contains(part));
                excused.insert(exception.unwrap_or_else(|| panic!("{step}: {sql}")));
            }
        }
    }
    assert_eq!(excused.len(), EXCEPTIONS.len(), "each is needed: {excused:?}");
}

#[test]
fn the_scenario_calls_every_function_of_the_store() {
    let here = include_str!("plans.rs");
    for source in [
        include_str!("mod.rs"),
        include_str!("backup.rs"),
        include_str!("conversations.rs"),
        include_str!("groups.rs"),
        include_str!("invites.rs"),
        include_str!("messages.rs"),
        include_str!("open.rs"),
        include_str!("people.rs"),
        include_str!("relations.rs"),
        include_str!("retention.rs"),
        include_str!("search.rs"),
        include_str!("sessions.rs"),
        include_str!("upkeep.rs"),
    ] {
        for line in source.lines() {
            let Some((_, rest)) = line.split_once("pub fn ") else { continue };
            let name = rest.split(['(', '<']).next().unwrap();
            let is_called = here.contains(&format!("store.{name}("));
            assert!(is_called || SILENT.contains(&name), "{name} is not looked at");
        }
    }
}
