//! Messages: what may be said, once each, and by whom.

use serde_json::{Value, json};

use super::support::{Answer, Person, World};
use super::{assert_good, assert_refused, assert_wrong};

fn send(world: &mut World, person: &Person, conversation: i64, body: &Value) -> Answer {
    world.post(&format!("/api/conversations/{conversation}/messages"), person, body)
}

fn history(world: &mut World, person: &Person, conversation: i64) -> Vec<Value> {
    let answer = world.get(&format!("/api/conversations/{conversation}/messages"), person);
    answer.body["messages"].as_array().expect("a list").clone()
}

#[test]
fn a_message_is_given_back_as_it_is_stored() {
    let mut world = World::new();
    let (anna, ben, conversation) = world.friends();
    let answer = send(&mut world, &anna, conversation, &json!({ "body": "hello", "nonce": "n-1" }));
    assert_good(&answer, 201, "message");
    let expected = json!({
        "id": 1,
        "conversation_id": conversation,
        "sender_id": anna.id,
        "body": "hello",
        "sent_at": world.now().wall.0,
        "edited_at": null,
        "deleted_at": null,
        "nonce": "n-1",
    });
    assert_eq!(answer.body["message"], expected);
    let mut theirs = expected.clone();
    assert_eq!(history(&mut world, &anna, conversation), [expected]);
    theirs.as_object_mut().expect("an object").remove("nonce");
    assert_eq!(history(&mut world, &ben, conversation), [theirs], "a nonce is the sender's own");
}

#[test]
fn a_page_of_history_has_so_many_bytes_and_says_that_there_is_more() {
    let mut world = World::with(|config| config.events_page_bytes_max = 25);
    let (anna, _, conversation) = world.friends();
    for body in ["0123456789", "1123456789", "2123456789", "3".repeat(40).as_str(), "4"] {
        send(&mut world, &anna, conversation, &json!({ "body": body }));
    }
    let path = format!("/api/conversations/{conversation}/messages");
    let mut page = |query: &str| {
        let answer = world.get(&format!("{path}?{query}"), &anna).body;
        let messages = answer["messages"].as_array().expect("a list").clone();
        let ids: Vec<i64> = messages.iter().filter_map(|message| message["id"].as_i64()).collect();
        (ids, answer["more"] == true)
    };
    assert_eq!(page(""), (vec![5], true));
    assert_eq!(page("before=5"), (vec![4], true), "one fits always");
    assert_eq!(page("before=4"), (vec![2, 3], true));
    assert_eq!(page("before=2"), (vec![1], false));
    assert_eq!(page("after=0"), (vec![1, 2], true));
    assert_eq!(page("after=4"), (vec![5], false));
}

#[test]
fn a_message_without_a_nonce_has_none() {
    let mut world = World::new();
    let (anna, _, conversation) = world.friends();
    for body in [json!({ "body": "x" }), json!({ "body": "x", "nonce": null })] {
        let answer = send(&mut world, &anna, conversation, &body);
        assert_eq!(answer.status, 201);
        assert_eq!(answer.body["message"].get("nonce"), None);
    }
}

#[test]
fn a_body_is_cut_around_and_otherwise_verbatim() {
    let mut world = World::with(|config| config.rate_limits = false);
    let (anna, _, conversation) = world.friends();
    let (longest, accents) = ("x".repeat(8192), "é".repeat(4096));
    for (given, stored) in [
        ("hello", "hello"),
        ("hello \t\r\n\u{2003}\u{3000}", "hello"),
        ("\n \n\r\n  indented", "  indented"),
        ("  indented", "  indented"),
        ("a\n\n\nb", "a\n\n\nb"),
        ("a\r\nb\u{7}\u{1b}[0m\u{202e}", "a\r\nb\u{7}\u{1b}[0m\u{202e}"),
        ("e\u{301}", "e\u{301}"),
        ("<b>&amp;</b>\\\"'", "<b>&amp;</b>\\\"'"),
        ("👩\u{200d}👧", "👩\u{200d}👧"),
        (&longest, &longest),
        (&accents, &accents),
        (&format!("\n{longest}\n "), &longest),
    ] {
        let answer = send(&mut world, &anna, conversation, &json!({ "body": given }));
        assert_eq!(answer.status, 201, "{given:?}: {}", answer.body);
        assert_eq!(answer.body["message"]["body"], *stored);
    }
    for body in ["", " ", "\n\t\u{a0}\u{2028}", "a\0b", &"x".repeat(8193), &"é".repeat(4097)] {
        let answer = send(&mut world, &anna, conversation, &json!({ "body": body }));
        assert_wrong(&answer, "invalid_body", "body");
    }
}

#[test]
fn the_same_again_says_nothing_twice() {
    let mut world = World::new();
    let (anna, ben, conversation) = world.friends();
    let cursor = world.cursor(&ben);
    let body = json!({ "body": "hello", "nonce": "n" });
    let first = send(&mut world, &anna, conversation, &body);
    let other_session = world.log_in("anna");
    for person in [&anna, &other_session] {
        for text in ["hello", "\nhello "] {
            let body = json!({ "body": text, "nonce": "n" });
            let again = send(&mut world, person, conversation, &body);
            assert_good(&again, 200, "message");
            assert_eq!(again.body, first.body);
        }
    }
    assert_eq!(history(&mut world, &ben, conversation).len(), 1);
    world.poll(&ben, &cursor, 0);
    assert_eq!(world.settle()[0].events(), [r#"message "hello""#]);
    world.restart();
    assert_eq!(send(&mut world, &anna, conversation, &body).status, 200, "after a restart, too");
}

#[test]
fn the_same_twice_in_one_turn_is_said_once() {
    let mut world = World::new();
    let (anna, _, conversation) = world.friends();
    let path = format!("/api/conversations/{conversation}/messages");
    let body = json!({ "body": "hello", "nonce": "n" });
    world.ask("POST", &path, &anna.token, Some(&body));
    world.ask("POST", &path, &anna.token, Some(&body));
    let answers = world.settle();
    assert_eq!((answers[0].status, answers[1].status), (201, 200));
    assert_eq!(answers[0].body, answers[1].body);
}

#[test]
fn a_nonce_stands_for_one_body_in_one_conversation() {
    let mut world = World::new();
    let (anna, ben, conversation) = world.friends();
    let carl = world.register("carl");
    let other = world.befriend(&anna, &carl);
    let body = json!({ "body": "hello", "nonce": "n" });
    assert_eq!(send(&mut world, &anna, conversation, &body).status, 201);
    let changed = json!({ "body": "goodbye", "nonce": "n" });
    assert_refused(&send(&mut world, &anna, conversation, &changed), 409, "nonce_reused");
    assert_refused(&send(&mut world, &anna, other, &body), 409, "nonce_reused");
    assert_eq!(send(&mut world, &ben, conversation, &body).status, 201, "Ben's nonces are his own");
    let upper = json!({ "body": "hello", "nonce": "N" });
    assert_eq!(send(&mut world, &anna, conversation, &upper).status, 201, "byte by byte");
    let longest = json!({ "body": "hello", "nonce": "漠".repeat(64) });
    assert_eq!(send(&mut world, &anna, conversation, &longest).status, 201);
    assert_eq!(send(&mut world, &anna, conversation, &longest).status, 200);
}

#[test]
fn what_was_sent_is_confirmed_also_when_sending_is_allowed_no_more() {
    let mut world = World::new();
    let (anna, ben, conversation) = world.friends();
    let body = json!({ "body": "hello", "nonce": "n" });
    let first = send(&mut world, &anna, conversation, &body);
    world.delete(&format!("/api/friends/{}", anna.id), &ben);
    let again = send(&mut world, &anna, conversation, &body);
    assert_eq!((again.status, &again.body), (200, &first.body));
    let changed = json!({ "body": "goodbye", "nonce": "n" });
    assert_refused(&send(&mut world, &anna, conversation, &changed), 409, "nonce_reused");
    let new = json!({ "body": "hello", "nonce": "new" });
    assert_refused(&send(&mut world, &anna, conversation, &new), 403, "not_friends");
}

#[test]
fn ids_grow_over_the_whole_server_and_times_never_fall() {
    let mut world = World::new();
    let (anna, ben, one) = world.friends();
    let carl = world.register("carl");
    let other = world.befriend(&ben, &carl);
    let mut sent = Vec::new();
    for (person, conversation) in [(&anna, one), (&carl, other), (&ben, one), (&ben, other)] {
        let answer = send(&mut world, person, conversation, &json!({ "body": "x" }));
        let message = &answer.body["message"];
        sent.push((message["id"].as_i64(), message["sent_at"].as_i64()));
        world.pass(std::time::Duration::from_millis(7));
    }
    assert!(sent.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 < pair[1].1));
}

/// A disk that is full refuses what would be written, and nothing else.
#[test]
fn what_cannot_be_written_is_unavailable_and_has_not_happened() {
    let mut world = World::new();
    let (anna, ben, conversation) = world.friends();
    world.chat().store().set_pages_max(Some(1));
    let body = json!({ "body": "x".repeat(8192), "nonce": "n" });
    let mut refused = None;
    for number in 0..40 {
        let body = json!({ "body": "x".repeat(8192), "nonce": format!("n{number}") });
        let answer = send(&mut world, &anna, conversation, &body);
        if answer.status != 201 {
            refused = Some(answer);
            break;
        }
    }
    let refused = refused.expect("the disk is full at some time");
    assert_refused(&refused, 503, "unavailable");
    let before = history(&mut world, &ben, conversation).len();
    assert_eq!(world.get("/api/state", &ben).status, 200, "reading goes on");
    world.chat().store().set_pages_max(None);
    assert_eq!(send(&mut world, &anna, conversation, &body).status, 201);
    assert_eq!(history(&mut world, &ben, conversation).len(), before + 1);
}
