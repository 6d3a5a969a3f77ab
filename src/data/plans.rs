//! Looks at how SQLite goes about what it is asked: by an index, and not through a table.
//!
//! Every statement that the scenario below has prepared is explained. So a query that loses its index
//! fails here, and not on somebody's millionth message.

use std::cell::RefCell;
use std::collections::BTreeSet;

use super::{NewAccount, NewMessage, Stance, Store};
use crate::entity::{ConversationId, MessageId, SessionId, Timestamp, UserId};

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

/// What may look through a table, or sort by itself, and why.
const EXCEPTIONS: [(&str, &str); 8] = [
    ("AS known", "the relations of one user"),
    ("WHERE m.conversation_id = ?1 ORDER BY m.", "the members of one conversation"),
    ("FROM messages ORDER BY id DESC LIMIT 1", "the last row, at a start"),
    ("FROM epochs ORDER BY id DESC LIMIT 1", "the last row, at a start"),
    ("FROM identity", "has one row"),
    ("UPDATE identity", "has one row"),
    ("FROM index_levels", "has a few rows"),
    ("GROUP BY conversation_id, sender_id", "once at a start, of the messages of some seconds"),
];

/// Asks what a server asks all day.
fn scenario(store: &mut Store) {
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
    store.set_last_seen(ANNA, NOW).unwrap();
    store.last_seen(ANNA).unwrap();
    store.user(ANNA).unwrap();
    let session = store.add_session(ANNA, &[0; 32], "", NOW).unwrap();
    store.session_by_token(&[0; 32]).unwrap();
    store.sessions(ANNA).unwrap();
    store.set_last_used(session, NOW).unwrap();
    store.remove_session(SessionId(9)).unwrap();
    store.set_stance(ANNA, BEN, Stance::Friend, NOW).unwrap();
    store.stances(ANNA, BEN).unwrap();
    store.relations(ANNA).unwrap();
    store.friend_ids(ANNA).unwrap();
    let conversation_id = store.add_direct_conversation(ANNA, BEN, NOW).unwrap();
    talk(store, conversation_id);
    store.set_index_batch(1);
    while store.upkeep_is_due(false) {
        store.keep_up().unwrap();
    }
    ask(store, conversation_id);
}

fn talk(store: &mut Store, conversation_id: ConversationId) {
    for number in 0..20 {
        let nonce = number.to_string();
        let new = NewMessage {
            conversation_id,
            sender_id: ANNA,
            body: "hello",
            nonce: Some(&nonce),
            sent_at: NOW,
        };
        store.add_message(&new).unwrap();
    }
    let message = store.message(MessageId(1)).unwrap().unwrap();
    store.change_message(&message, NOW).unwrap();
    store.commit().unwrap();
    store.begin_epoch(1, NOW).unwrap();
}

fn ask(store: &mut Store, id: ConversationId) {
    store.message_by_nonce(ANNA, "7").unwrap();
    store.changes_after(BEN, MessageId(0), 10).unwrap();
    for page in [super::HistoryPage::Newest, super::HistoryPage::After(MessageId(1))] {
        store.history(id, MessageId(0), page, 10).unwrap();
    }
    store.undelivered(BEN, MessageId(0), MessageId(20)).unwrap();
    store.unread(id, BEN, MessageId(0)).unwrap();
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

#[test]
fn nothing_that_is_asked_often_looks_through_a_table_or_sorts_one() {
    let mut store = Store::in_memory().unwrap();
    scenario(&mut store);
    let prepared = PREPARED.take();
    assert!(prepared.len() > 40, "the scenario asks");
    for sql in prepared {
        if EXCEPTIONS.iter().any(|(part, _)| sql.contains(part)) {
            continue;
        }
        let mut plan = store.connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        // What is bound does not matter (SQLITE_ENABLE_QPSG): here it is nothing.
        let mut steps = plan.raw_query();
        while let Some(step) = steps.next().unwrap() {
            let step: String = step.get(3).unwrap();
            let is_slow = step.contains("SCAN") || step.contains("TEMP B-TREE");
            assert!(!is_slow, "{step}: {sql}");
        }
    }
}
