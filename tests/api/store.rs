//! How the store is used: what costs a write and what does not, that time never falls with the numbers,
//! and how long the database holds still for those who copy it.

use std::time::Duration;

use lovejoy::server::{Handler as _, Input};
use serde_json::{Value, json};

use super::support::{Line, Person, World, request};
use super::{assert_done, said};

const SECOND: Duration = Duration::from_secs(1);
const HOUR_MS: i64 = 3_600_000;

/// How many transactions there were.
fn commits(world: &mut World) -> u64 {
    world.chat().metrics().commits.get()
}

#[test]
fn presence_typing_and_what_arrives_cost_no_write_of_their_own() {
    let mut world = World::new();
    let (anna, ben, conversation) = world.friends();
    said(&mut world, &anna, conversation, "hello");
    let cursor = world.cursor(&ben);
    let before = commits(&mut world);
    for _ in 0..20 {
        for person in [&anna, &ben] {
            let cursor = world.cursor(person);
            world.poll(person, &cursor, 0);
            world.pass(40 * SECOND);
        }
        let path = format!("/api/conversations/{conversation}/typing");
        assert_done(&world.call("POST", &path, &anna.token, None));
    }
    world.poll(&ben, &cursor, 0);
    world.pass(600 * SECOND);
    assert_eq!(commits(&mut world), before);
    // It goes with the next message.
    said(&mut world, &anna, conversation, "again");
    assert_eq!(commits(&mut world), before + 1);
    let seen = last_seen(&mut world, &anna);
    assert!(seen.is_i64());
    world.restart();
    assert_eq!(last_seen(&mut world, &anna), seen);
}

/// When Ben was last seen, as Anna sees it.
fn last_seen(world: &mut World, anna: &Person) -> Value {
    world.get("/api/friends", anna).body["friends"][0]["user"]["last_seen_at"].clone()
}

#[test]
fn a_mark_that_moves_costs_one_write_and_one_that_does_not_costs_none() {
    let mut world = World::new();
    let (anna, ben, conversation) = world.friends();
    let ids: Vec<_> = (0..3).map(|_| said(&mut world, &anna, conversation, "x")).collect();
    let path = format!("/api/conversations/{conversation}/read");
    let before = commits(&mut world);
    for (id, writes) in [(ids[1], 1), (ids[1], 1), (ids[0], 1), (ids[2], 2), (ids[2] + 9, 2)] {
        assert_done(&world.put(&path, &ben, &json!({ "message_id": id })));
        assert_eq!(commits(&mut world), before + writes);
    }
    // Those of one turn cost one together.
    let ids: Vec<_> = (0..3).map(|_| said(&mut world, &anna, conversation, "x")).collect();
    let before = commits(&mut world);
    for id in ids {
        world.ask("PUT", &path, &ben.token, Some(&json!({ "message_id": id })));
    }
    assert_eq!(world.settle().len(), 3);
    assert_eq!(commits(&mut world), before + 1);
    // What was answered is kept, whatever happens then.
    world.restart();
    let unread = world.get("/api/conversations", &ben).body["conversations"][0]["unread"].clone();
    assert_eq!(unread, 0);
}

/// When the messages of a conversation were sent, in the order of their ids.
fn times(world: &mut World, person: &Person, conversation: i64) -> Vec<i64> {
    let path = format!("/api/conversations/{conversation}/messages");
    let answer = world.get(&path, person);
    let messages = answer.body["messages"].as_array().expect("messages");
    messages.iter().map(|message| message["sent_at"].as_i64().expect("a time")).collect()
}

#[test]
fn time_never_falls_with_the_ids_however_the_clock_is_set() {
    let mut world = World::new();
    let (anna, ben, conversation) = world.friends();
    let first = said(&mut world, &anna, conversation, "one");
    let jumps = [-HOUR_MS, 10, -48 * HOUR_MS, 5, -7];
    for (round, jump) in jumps.into_iter().enumerate() {
        world.set_clock(jump);
        said(&mut world, &ben, conversation, "two");
        if round % 2 == 0 {
            world.restart();
        }
        said(&mut world, &anna, conversation, "three");
        // An edit takes a number, too, and may be the newest of all at the next start.
        let edit = json!({ "body": format!("edited {round}") });
        let path = format!("/api/messages/{first}");
        let edited = world.call("PATCH", &path, &anna.token, Some(&edit));
        assert!(
            edited.body["message"]["edited_at"].as_i64()
                > edited.body["message"]["sent_at"].as_i64()
        );
    }
    let before = times(&mut world, &ben, conversation);
    assert_eq!(before.len(), 11);
    assert!(before.is_sorted(), "{before:?}");
    assert_eq!(before[1], before[0], "while the clock is behind, time stands");
    world.set_clock(100 * HOUR_MS);
    said(&mut world, &ben, conversation, "on");
    let now = world.now().wall.0;
    assert_eq!(times(&mut world, &ben, conversation).last(), Some(&now), "and then goes on");
}

#[test]
fn nobodys_number_is_given_again() {
    let mut world = World::new();
    let (anna, ben, conversation) = world.friends();
    let mut given = 0;
    for _ in 0..3 {
        let session = json!({ "name": "anna", "password": "secret" });
        let token = world.call("POST", "/api/sessions", "", Some(&session)).body["token"].clone();
        let newest = world.get("/api/sessions", &anna).body["sessions"]
            .as_array()
            .expect("sessions")
            .iter()
            .map(|session| session["id"].as_i64().expect("an id"))
            .max();
        assert!(newest > Some(given), "{newest:?} was given before");
        given = newest.expect("a session");
        let token = token.as_str().expect("a token");
        assert_done(&world.call("DELETE", "/api/sessions/current", token, None));
        world.restart();
    }
    let body = json!({ "password": "secret" });
    assert_done(&world.call("POST", "/api/me/delete", &ben.token, Some(&body)));
    world.restart();
    assert!(world.register("ben").id > ben.id);
    let group = json!({ "title": "crew", "member_ids": [] });
    let group = world.call("POST", "/api/conversations", &anna.token, Some(&group));
    assert!(group.body["conversation"]["id"].as_i64() > Some(conversation));
}

/// Asks for the database to hold still, or to go on so; the answer is 0 where it has not.
fn hold_still(world: &mut World, line: Line, copy: i64) -> i64 {
    let body = json!({ "copy": copy });
    world.send(line, request("POST", "/control/copy", "", Some(&body)).as_bytes());
    let answers = world.settle();
    let answer = answers.iter().find(|answer| answer.line == line).expect("an answer");
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.body["copy"].as_i64().expect("a number")
}

fn is_still(world: &mut World) -> bool {
    world.chat().store().is_still()
}

#[test]
fn the_database_goes_on_when_whoever_copies_it_is_gone() {
    let mut world = World::new();
    let (one, other) = (world.connect_operator(), world.connect_operator());
    let number = hold_still(&mut world, one, 0);
    assert!(number > 0);
    assert_eq!(hold_still(&mut world, other, 0), number, "one holding still is enough for both");
    assert_eq!(hold_still(&mut world, one, number), number);
    world.hang_up(one);
    world.settle();
    assert!(is_still(&mut world), "the other one is there");
    assert_eq!(hold_still(&mut world, other, number), number);
    world.half_close(other);
    world.settle();
    assert!(!is_still(&mut world));
    // Who believes to go on is told; who begins anew does.
    let line = world.connect_operator();
    assert_eq!(hold_still(&mut world, line, number), 0);
    assert!(!is_still(&mut world));
    assert_eq!(hold_still(&mut world, line, 0), number + 1);
    assert_eq!(hold_still(&mut world, line, number), number + 1, "that was another time");
}

#[test]
fn the_database_goes_on_when_a_copy_is_silent_for_too_long() {
    let mut world = World::new();
    let line = world.connect_operator();
    let number = hold_still(&mut world, line, 0);
    for _ in 0..5 {
        world.pass(29 * SECOND);
        assert_eq!(hold_still(&mut world, line, number), number);
    }
    world.pass(31 * SECOND);
    assert!(!is_still(&mut world));
    assert_eq!(hold_still(&mut world, line, number), 0);
}

#[test]
fn the_database_goes_on_when_its_log_has_grown_too_long() {
    let mut world = World::with(|config| {
        config.rate_limits = false;
        config.backup_log_bytes_max = 2_000_000;
    });
    let (anna, ben, conversation) = world.friends();
    let line = world.connect_operator();
    let number = hold_still(&mut world, line, 0);
    let long = "x".repeat(8000);
    let mut count = 0;
    while is_still(&mut world) {
        said(&mut world, &anna, conversation, &long);
        count += 1;
        assert!(count < 1000, "it has to give up");
    }
    assert!(count > 100, "not before");
    assert_eq!(hold_still(&mut world, line, number), 0);
    let (mut found, mut after) = (0, 0);
    loop {
        let path = format!("/api/conversations/{conversation}/messages?limit=200&after={after}");
        let page = world.get(&path, &ben).body;
        let messages = page["messages"].as_array().expect("a page");
        found += messages.len();
        after = messages.last().and_then(|last| last["id"].as_i64()).unwrap_or(after);
        if page["more"] == false {
            break;
        }
    }
    assert_eq!(found, count, "and everything that was said is there");
}

/// The server never has a quiet moment, and much to do in each turn: what it puts off does not pile up.
#[test]
fn upkeep_keeps_pace_with_whatever_is_said() {
    let mut world = World::with(|config| {
        config.rate_limits = false;
        config.index_batch = 32;
        config.requests_per_turn_max = 300;
    });
    let (anna, ben, conversation) = world.friends();
    let (mut said, mut pressing) = (0, 0);
    for _ in 0..40 {
        for person in [&anna, &ben] {
            for _ in 0..150 {
                world.say(person, conversation, "hello");
                said += 1;
            }
        }
        assert_eq!(world.turn().len(), 300, "all in one turn");
        pressing += usize::from(world.chat().store().upkeep_is_due(true));
    }
    assert!(pressing < 10, "it presses behind {pressing} turns of 40");
    let path = format!("/api/conversations/{conversation}/messages?limit=200&before=5000");
    let page = world.get(&path, &ben);
    let ids = page.body["messages"].as_array().expect("messages").iter().map(|m| m["id"].as_i64());
    assert_eq!(ids.collect::<Vec<_>>(), (4800..5000).map(Some).collect::<Vec<_>>());
    assert!(said > 5000);
}

#[test]
fn no_answer_waits_for_upkeep() {
    let mut world = World::with(|config| config.index_batch = 1);
    let (anna, _, conversation) = world.friends();
    for _ in 0..8 {
        world.say(&anna, conversation, "hello");
    }
    world.input(Input::EndOfTurn);
    assert!(world.chat().store().upkeep_is_due(true), "it presses, but the answers come first");
    world.input(Input::CarriedOut);
    assert!(!world.chat().store().upkeep_is_due(true), "then it is done");
    assert_eq!(world.turn().len(), 8);
}
