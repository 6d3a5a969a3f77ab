//! What was said, edited and deleted: by whom, and who is told.

use std::time::Duration;

use serde_json::{Value, json};

use super::support::{Answer, Person, World};
use super::{assert_good, assert_refused, assert_wrong, said};

fn edit(world: &mut World, person: &Person, message: i64, body: &str) -> Answer {
    world.patch(&format!("/api/messages/{message}"), person, &json!({ "body": body }))
}

fn delete(world: &mut World, person: &Person, message: i64) -> Answer {
    world.delete(&format!("/api/messages/{message}"), person)
}

fn history(world: &mut World, person: &Person, conversation: i64) -> Vec<Value> {
    let answer = world.get(&format!("/api/conversations/{conversation}/messages"), person);
    answer.body["messages"].as_array().expect("a list").clone()
}

#[test]
fn an_edited_message_says_so_and_keeps_the_rest() {
    let mut world = World::new();
    let (anna, ben, conversation) = world.friends();
    let path = format!("/api/conversations/{conversation}/messages");
    let sent = world.post(&path, &anna, &json!({ "body": "helo", "nonce": "n" }));
    let mut expected = sent.body["message"].clone();
    let id = expected["id"].as_i64().expect("an id");
    world.pass(Duration::from_secs(60));
    let answer = edit(&mut world, &anna, id, "\nhello ");
    assert_good(&answer, 200, "message");
    expected["body"] = json!("hello");
    expected["edited_at"] = json!(world.now().wall.0);
    assert_eq!(answer.body["message"], expected);
    assert_eq!(history(&mut world, &anna, conversation), [expected.clone()]);
    expected.as_object_mut().expect("an object").remove("nonce");
    assert_eq!(history(&mut world, &ben, conversation), [expected.clone()]);
    world.restart();
    assert_eq!(history(&mut world, &ben, conversation), [expected]);
}

#[test]
fn a_deleted_message_keeps_its_place_and_loses_its_body() {
    let mut world = World::new();
    let (anna, ben, conversation) = world.friends();
    let id = said(&mut world, &anna, conversation, "secret");
    edit(&mut world, &anna, id, "a secret");
    let mut expected = history(&mut world, &ben, conversation).remove(0);
    world.pass(Duration::from_secs(60));
    let answer = delete(&mut world, &anna, id);
    assert_good(&answer, 200, "message");
    expected["body"] = json!("");
    expected["deleted_at"] = json!(world.now().wall.0);
    assert_eq!(answer.body["message"], expected);
    world.pass(Duration::from_secs(60));
    let again = delete(&mut world, &anna, id);
    assert_eq!((again.status, &again.body["message"]), (200, &expected), "deleted once");
    assert_eq!(history(&mut world, &ben, conversation), [expected]);
    assert_refused(&edit(&mut world, &anna, id, "back"), 409, "message_deleted");
    for person in [&anna, &ben] {
        let state = world.get("/api/state", person).body.to_string();
        assert!(!state.contains("secret"), "{state}");
    }
}

#[test]
fn what_is_not_there_or_not_ones_own_is_not_changed() {
    let mut world = World::new();
    let (anna, ben, conversation) = world.friends();
    let carl = world.register("carl");
    world.befriend(&anna, &carl);
    let id = said(&mut world, &anna, conversation, "hello");
    assert_refused(&edit(&mut world, &ben, id, "x"), 403, "not_sender");
    assert_refused(&delete(&mut world, &ben, id), 403, "not_sender");
    for (person, id) in [(&carl, id), (&anna, id + 1), (&anna, 0), (&anna, -1), (&anna, i64::MAX)] {
        assert_refused(&edit(&mut world, person, id, "x"), 404, "not_found");
        assert_refused(&delete(&mut world, person, id), 404, "not_found");
    }
    // The note that a message has changed is no message.
    edit(&mut world, &anna, id, "hello!");
    assert_refused(&edit(&mut world, &anna, id + 1, "x"), 404, "not_found");
    for body in ["", " \n", "a\0b", &"x".repeat(8193)] {
        assert_wrong(&edit(&mut world, &anna, id, body), "invalid_body", "body");
    }
    assert_eq!(history(&mut world, &ben, conversation)[0]["body"], "hello!");
}

#[test]
fn editing_needs_the_right_to_send_and_deleting_does_not() {
    let mut world = World::new();
    let (anna, ben, conversation) = world.friends();
    let [one, two] = ["one", "two"].map(|body| said(&mut world, &anna, conversation, body));
    delete(&mut world, &anna, two);
    world.delete(&format!("/api/friends/{}", anna.id), &ben);
    assert_refused(&edit(&mut world, &anna, one, "x"), 403, "not_friends");
    assert_refused(&edit(&mut world, &anna, two, "x"), 403, "not_friends");
    assert_good(&delete(&mut world, &anna, one), 200, "message");
    assert_eq!(history(&mut world, &ben, conversation)[0]["body"], "");
}

#[test]
fn the_same_again_is_no_change() {
    let mut world = World::new();
    let (anna, ben, conversation) = world.friends();
    let id = said(&mut world, &anna, conversation, "hello");
    let cursor = world.cursor(&ben);
    let answer = edit(&mut world, &anna, id, "hello\n");
    assert_eq!((answer.status, &answer.body["message"]["edited_at"]), (200, &json!(null)));
    let edited = edit(&mut world, &anna, id, "hello!");
    world.pass(Duration::from_secs(60));
    let again = edit(&mut world, &anna, id, "hello!");
    assert_eq!((again.status, again.body), (200, edited.body), "as one who asks again expects");
    assert_eq!(world.news_after(&ben, &cursor), ["message_updated \"hello!\""]);
}

/// Whoever has seen the message hears of the change; whoever has not, sees it as it is now. From
/// memory and from the store alike.
#[test]
fn changes_are_told_behind_what_was_said() {
    for tail in [0, 1000] {
        let mut world = World::with(|config| config.tail_messages_max = tail);
        let (anna, ben, conversation) = world.friends();
        let cursors = [world.cursor(&anna), world.cursor(&ben)];
        let one = said(&mut world, &anna, conversation, "one");
        let seen_one = world.cursor(&ben);
        said(&mut world, &anna, conversation, "two");
        edit(&mut world, &anna, one, "uno");
        let edited = world.cursor(&ben);
        let three = said(&mut world, &anna, conversation, "three");
        edit(&mut world, &anna, one, "eins");
        delete(&mut world, &anna, three);
        let [one, changed] = ["message \"eins\"", "message_updated \"eins\""];
        let (two, three, gone) = ("message \"two\"", "message \"\"", "message_updated \"\"");
        for (person, cursor) in [&anna, &ben].into_iter().zip(&cursors) {
            assert_eq!(world.news_after(person, cursor), [one, two, three, changed, gone]);
        }
        assert_eq!(world.news_after(&ben, &seen_one), [two, three, changed, gone]);
        assert_eq!(world.news_after(&ben, &edited), [three, changed, gone]);
        world.restart();
        assert_eq!(world.news_after(&ben, &edited), ["reset", three, changed, gone]);
    }
}

#[test]
fn a_poll_that_waits_is_answered_with_a_change() {
    let mut world = World::new();
    let (anna, ben, conversation) = world.friends();
    let id = said(&mut world, &anna, conversation, "hello");
    for person in [&anna, &ben] {
        // Now they are there, and have all that there is.
        let cursor = world.cursor(person);
        world.events_after(person, &cursor);
    }
    let cursors = [world.cursor(&anna), world.cursor(&ben)];
    let polls = [world.poll(&anna, &cursors[0], 25), world.poll(&ben, &cursors[1], 25)];
    assert!(world.settle().is_empty());
    let line = world.ask("DELETE", &format!("/api/messages/{id}"), &anna.token, None);
    let answers = world.settle();
    assert_eq!(answers.len(), 3);
    for answer in answers.iter().filter(|answer| answer.line != line) {
        assert!(polls.contains(&answer.line));
        assert_eq!(answer.events(), ["message_updated \"\""]);
    }
}

#[test]
fn who_joined_later_does_not_hear_of_changes_of_what_was_before() {
    for tail in [0, 1000] {
        let mut world = World::with(|config| config.tail_messages_max = tail);
        let (anna, ben, _) = world.friends();
        let carl = world.register("carl");
        world.befriend(&anna, &carl);
        let group = world.group(&anna, "x", &[&ben]);
        let id = said(&mut world, &anna, group, "before");
        let members = format!("/api/conversations/{group}/members");
        world.post(&members, &anna, &json!({ "user_id": carl.id }));
        let cursors = [world.cursor(&ben), world.cursor(&carl)];
        edit(&mut world, &anna, id, "changed");
        assert_eq!(world.news_after(&ben, &cursors[0]), ["message_updated \"changed\""]);
        assert_eq!(world.news_after(&carl, &cursors[1]), [""; 0]);
        world.restart();
        assert_eq!(world.news_after(&carl, &cursors[1]), ["reset"]);
    }
}

#[test]
fn a_nonce_confirms_what_has_been_changed_since() {
    let mut world = World::new();
    let (anna, _, conversation) = world.friends();
    let path = format!("/api/conversations/{conversation}/messages");
    let body = json!({ "body": "hello", "nonce": "n" });
    let first = world.post(&path, &anna, &body);
    let id = first.body["message"]["id"].as_i64().expect("an id");
    let edited = edit(&mut world, &anna, id, "goodbye");
    let again = world.post(&path, &anna, &body);
    assert_eq!((again.status, again.body), (200, edited.body));
    let deleted = delete(&mut world, &anna, id);
    let again = world.post(&path, &anna, &body);
    assert_eq!((again.status, again.body), (200, deleted.body));
}

#[test]
fn what_is_deleted_is_unread_no_more() {
    let mut world = World::new();
    let (anna, ben, conversation) = world.friends();
    let unread = |world: &mut World| {
        world.get("/api/conversations", &ben).body["conversations"][0]["unread"].clone()
    };
    let [one, two] = ["one", "two"].map(|body| said(&mut world, &anna, conversation, body));
    assert_eq!(unread(&mut world), 2);
    edit(&mut world, &anna, two, "two!");
    assert_eq!(unread(&mut world), 2, "a change is no message");
    delete(&mut world, &anna, one);
    assert_eq!(unread(&mut world), 1);
    let list = world.get("/api/conversations", &ben);
    assert_eq!(list.body["conversations"][0]["last_message"]["body"], "two!");
    let read = format!("/api/conversations/{conversation}/read");
    world.put(&read, &ben, &json!({ "message_id": i64::MAX }));
    let list = world.get("/api/conversations", &anna);
    let ben = &list.body["conversations"][0]["members"][1];
    assert_eq!(ben["last_read_id"], two, "a mark stands at a message");
}

#[test]
fn edits_count_as_messages_and_deleting_is_free() {
    let mut world = World::with(|config| config.messages_burst_max = 3);
    let (anna, _, conversation) = world.friends();
    let id = said(&mut world, &anna, conversation, "hello");
    assert_eq!(edit(&mut world, &anna, id, "hello!").status, 200);
    assert_eq!(edit(&mut world, &anna, id, "hello?").status, 200);
    assert_refused(&edit(&mut world, &anna, id, "hello."), 429, "rate_limited");
    assert_eq!(delete(&mut world, &anna, id).status, 200);
}

#[test]
fn a_change_that_cannot_be_written_has_not_happened() {
    let mut world = World::new();
    let (anna, ben, conversation) = world.friends();
    let id = said(&mut world, &anna, conversation, "hello");
    world.chat().store().set_pages_max(Some(1));
    for number in 0..60 {
        let before = history(&mut world, &ben, conversation).remove(0);
        let cursor = world.cursor(&ben);
        let answer = edit(&mut world, &anna, id, &format!("{number}{}", "x".repeat(8000)));
        if answer.status == 200 {
            world.pass(Duration::from_secs(1));
            world.say(&ben, conversation, &"y".repeat(8000));
            world.settle();
            continue;
        }
        assert_refused(&answer, 503, "unavailable");
        world.chat().store().set_pages_max(None);
        assert_eq!(history(&mut world, &ben, conversation)[0]["body"], before["body"]);
        assert_eq!(world.news_after(&ben, &cursor), [""; 0]);
        return;
    }
    panic!("the disk was never full");
}

/// A group that has changed is told as it is when it is told, not as it was.
#[test]
fn what_was_deleted_is_told_in_no_event_that_waits() {
    let mut world = World::new();
    let (anna, ben, _) = world.friends();
    let group = world.group(&anna, "x", &[&ben]);
    let cursor = world.cursor(&ben);
    let id = said(&mut world, &anna, group, "secret");
    world.patch(&format!("/api/conversations/{group}"), &anna, &json!({ "title": "y" }));
    delete(&mut world, &anna, id);
    let line = world.poll(&ben, &cursor, 0);
    let answers = world.settle();
    let answer = answers.iter().find(|answer| answer.line == line).expect("an answer");
    assert_eq!(answer.events()[0], format!("conversation {group}"));
    assert!(!answer.body.to_string().contains("secret"), "{}", answer.body);
}
