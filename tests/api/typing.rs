//! Typing: told to the other members at once, and to nobody later.

use std::time::Duration;

use serde_json::json;

use super::support::{Answer, Person, World};
use super::{assert_done, assert_refused, said};

const SECOND: Duration = Duration::from_secs(1);

fn path(conversation: i64) -> String {
    format!("/api/conversations/{conversation}/typing")
}

fn type_in(world: &mut World, person: &Person, conversation: i64) -> Answer {
    world.call("POST", &path(conversation), &person.token, None)
}

fn polled(world: &mut World, person: &Person, cursor: &str) -> Answer {
    world.get(&format!("/api/events?wait=0&cursor={cursor}"), person)
}

#[test]
fn the_other_member_is_told_at_once_and_ones_own_polls_are_not() {
    let mut world = World::new();
    let (anna, ben, conversation) = world.friends();
    // Both come online first, so that nothing else is to be told.
    for person in [&anna, &ben] {
        world.poll(person, "", 0);
    }
    world.settle();
    let cursors = [&anna, &ben].map(|person| world.cursor(person));
    let own = world.poll(&anna, &cursors[0], 25);
    let other = world.poll(&ben, &cursors[1], 25);
    assert!(world.settle().is_empty());
    let line = world.ask("POST", &path(conversation), &anna.token, None);
    let answers = world.settle();
    assert_done(answers.iter().find(|answer| answer.line == line).expect("an answer"));
    assert!(!answers.iter().any(|answer| answer.line == own));
    let told = answers.iter().find(|answer| answer.line == other).expect("it was told");
    let event = json!({ "type": "typing", "conversation_id": conversation, "user_id": anna.id });
    assert_eq!(told.body["events"], json!([event]));
    let again = polled(&mut world, &ben, &told.cursor());
    assert_eq!(again.body["events"], json!([]));
}

#[test]
fn what_is_older_than_five_seconds_is_told_to_nobody() {
    let mut world = World::new();
    let (anna, ben, conversation) = world.friends();
    let cursor = world.cursor(&ben);
    type_in(&mut world, &anna, conversation);
    world.pass(5 * SECOND);
    assert_eq!(polled(&mut world, &ben, &cursor).events(), ["typing"], "old cursor, still news");
    world.pass(Duration::from_millis(1));
    assert_eq!(polled(&mut world, &ben, &cursor).body["events"], json!([]));
    // Nothing was missed by that: neither what came with it nor what comes then.
    let id = said(&mut world, &anna, conversation, "done");
    let answer = polled(&mut world, &ben, &cursor);
    assert_eq!(answer.events(), [r#"message "done""#]);
    assert_eq!(answer.body["events"][0]["message"]["id"], id);
}

#[test]
fn a_poll_that_is_held_behind_an_old_sign_is_woken_by_a_new_one() {
    let mut world = World::new();
    let (anna, ben, conversation) = world.friends();
    let cursor = world.cursor(&ben);
    type_in(&mut world, &anna, conversation);
    world.pass(20 * SECOND);
    let line = world.poll(&ben, &cursor, 25);
    assert!(world.settle().is_empty(), "nothing to tell");
    world.ask("POST", &path(conversation), &anna.token, None);
    let answers = world.settle();
    let told = answers.iter().find(|answer| answer.line == line).expect("it was told");
    assert_eq!(told.events(), ["typing"], "once");
}

#[test]
fn it_is_kept_nowhere() {
    let mut world = World::new();
    let (anna, ben, conversation) = world.friends();
    let cursor = world.cursor(&ben);
    type_in(&mut world, &anna, conversation);
    world.restart();
    assert_eq!(polled(&mut world, &ben, &cursor).events(), ["reset"]);
}

#[test]
fn who_may_not_write_does_not_type() {
    let mut world = World::with(|config| config.rate_limits = false);
    let (anna, ben, conversation) = world.friends();
    let carl = world.register("carl");
    let refused = type_in(&mut world, &carl, conversation);
    assert_refused(&refused, 404, "not_found");
    assert_refused(&type_in(&mut world, &anna, 99), 404, "not_found");
    assert_refused(&world.call("POST", &path(conversation), "", None), 401, "unauthorized");
    let answer = world.get(&path(conversation), &anna);
    assert_refused(&answer, 405, "method_not_allowed");
    assert_eq!(answer.field("Allow"), Some("POST, OPTIONS"));
    world.delete(&format!("/api/friends/{}", ben.id), &anna);
    let cursor = world.cursor(&anna);
    assert_refused(&type_in(&mut world, &ben, conversation), 403, "not_friends");
    assert_eq!(polled(&mut world, &anna, &cursor).body["events"], json!([]));
}

#[test]
fn once_a_second_is_enough() {
    let mut world = World::new();
    let (anna, ben, conversation) = world.friends();
    assert_done(&type_in(&mut world, &anna, conversation));
    let refused = type_in(&mut world, &anna, conversation);
    assert_refused(&refused, 429, "rate_limited");
    assert_eq!(refused.field("Retry-After"), Some("1"));
    assert_done(&type_in(&mut world, &ben, conversation));
    world.pass(SECOND);
    assert_done(&type_in(&mut world, &anna, conversation));
    said(&mut world, &anna, conversation, "messages are counted for themselves");
}
