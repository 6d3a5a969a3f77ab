//! The snapshot and the polls: their shapes, and the cursors between them. What is pushed when, is
//! the matter of `tests/comet`.

use std::time::Duration;

use serde_json::json;

use super::support::World;
use super::{assert_good, assert_refused, members, said};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn the_state_is_everything_and_the_cursor_at_which_it_was_true() {
    let mut world = World::new();
    let (anna, _, conversation) = world.friends();
    said(&mut world, &anna, conversation, "hello");
    let state = world.get("/api/state", &anna);
    assert_good(&state, 200, "conversations cursor friends user");
    for (member, path) in
        [("friends", "/api/friends"), ("conversations", "/api/conversations"), ("user", "/api/me")]
    {
        assert_eq!(state.body[member], world.get(path, &anna).body[member], "{member}");
    }
    world.poll(&anna, &state.cursor(), 0);
    assert!(world.settle()[0].events().is_empty(), "nothing came since");
}

#[test]
fn a_poll_says_what_came_and_where_it_stands() {
    let mut world = World::new();
    let (anna, ben, conversation) = world.friends();
    let cursor = world.cursor(&ben);
    let id = said(&mut world, &anna, conversation, "hello");
    let path = format!("/api/events?cursor={cursor}");
    let answer = world.get(&path, &ben);
    assert_good(&answer, 200, "cursor events more wait");
    assert_eq!((&answer.body["more"], &answer.body["wait"]), (&json!(false), &json!(25)));
    let event = &answer.body["events"][0];
    assert_eq!(members(event), "message type");
    assert_eq!(event["type"], "message");
    let history = world.get(&format!("/api/conversations/{conversation}/messages"), &ben);
    assert_eq!(event["message"], history.body["messages"][0]);
    assert_eq!(event["message"]["id"], id);
    assert_eq!(world.get(&path, &ben).body, answer.body, "the same cursor, the same answer");
}

#[test]
fn a_cursor_is_safe_in_a_url() {
    let mut world = World::new();
    let (anna, _, _) = world.friends();
    let cursor = world.cursor(&anna);
    assert!((1..=64).contains(&cursor.len()));
    assert!(cursor.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)));
    let escaped = cursor.replace('-', "%2D").replace('0', "%30");
    assert_eq!(world.get(&format!("/api/events?wait=0&cursor={escaped}"), &anna).status, 200);
}

#[test]
fn a_cursor_is_good_for_its_user_alone() {
    let mut world = World::new();
    let (anna, ben, _) = world.friends();
    let bens = world.cursor(&ben);
    let annas = world.cursor(&anna);
    let long = "1".repeat(65);
    let longer = format!("{annas}-0");
    let bad = [&bens, "x", "0", "-1", "%E6%BC%A0", "%00", "latest", &long, &longer, &annas[1..]];
    for cursor in bad {
        let answer = world.get(&format!("/api/events?wait=0&cursor={cursor}"), &anna);
        assert_refused(&answer, 400, "bad_cursor");
    }
    assert_eq!(world.chat().held(), 0);
}

#[test]
fn a_poll_waits_as_long_as_it_says_within_bounds() {
    for (query, seconds) in [
        ("", 25),
        ("?wait=", 25),
        ("?wait=3", 3),
        ("?wait=60", 60),
        ("?wait=61", 60),
        ("?wait=99999999999999999999", 60),
    ] {
        let mut world = World::new();
        let anna = world.register("anna");
        let line = world.ask("GET", &format!("/api/events{query}"), &anna.token, None);
        assert!(world.settle().is_empty());
        assert!(world.pass((seconds - 1) * SECOND).is_empty(), "{query}");
        let answers = world.pass(2 * SECOND);
        let answer = answers.iter().find(|answer| answer.line == line).expect("an answer");
        assert_good(answer, 200, "cursor events more wait");
        assert_eq!(answer.body["wait"], seconds, "{query}");
        assert_eq!(answer.body["events"], json!([]));
    }
}

#[test]
fn a_poll_without_a_cursor_begins_now() {
    let mut world = World::new();
    let (anna, ben, conversation) = world.friends();
    said(&mut world, &anna, conversation, "before");
    for path in ["/api/events?wait=0", "/api/events?wait=0&cursor="] {
        let answer = world.get(path, &ben);
        assert_eq!(answer.body["events"], json!([]));
    }
}

/// A user has two tabs, and the one that is further behind comes last. The others are told the newest
/// event alone, so that must not be what it says: neither after a restart, nor when the server has
/// written the mark down and forgotten the user.
#[test]
fn what_has_arrived_is_told_as_far_as_the_furthest_cursor_says() {
    for is_restarted in [true, false] {
        let mut world = World::with(|config| config.users_remembered_max = 2);
        let (anna, ben, conversation) = world.friends();
        let [(_, first), (newest, second)] = ["one", "two"].map(|body| {
            let id = said(&mut world, &anna, conversation, body);
            (id, world.cursor(&ben))
        });
        if is_restarted {
            world.restart();
        }
        let annas = world.cursor(&anna);
        let acknowledge = |world: &mut World, cursor: &str| {
            let body = json!({ "cursor": cursor });
            world.ask("POST", "/api/events/ack", &ben.token, Some(&body));
        };
        acknowledge(&mut world, &second);
        if !is_restarted {
            world.pass(61 * SECOND);
            said(&mut world, &anna, conversation, "three");
            let carl = world.register("carl");
            world.cursor(&carl);
        }
        acknowledge(&mut world, &first);
        world.settle();
        let told = world.events_after(&anna, &annas);
        let marks: Vec<_> = told.iter().filter(|event| event.starts_with("delivered")).collect();
        assert_eq!(marks, [&format!("delivered {} {newest}", ben.id)], "{is_restarted}");
    }
}

#[test]
fn after_a_restart_a_first_event_tells_to_load_anew() {
    let mut world = World::new();
    let (anna, ben, conversation) = world.friends();
    let cursor = world.cursor(&ben);
    said(&mut world, &anna, conversation, "one");
    world.restart();
    let answer = world.get(&format!("/api/events?wait=0&cursor={cursor}"), &ben);
    assert_eq!(answer.events(), ["reset", r#"message "one""#]);
    assert_eq!(answer.body["events"][0], json!({ "type": "reset" }));
    let after = world.get(&format!("/api/events?wait=0&cursor={}", answer.cursor()), &ben);
    assert_eq!(after.body["events"], json!([]));
}

#[test]
fn a_long_absence_is_told_in_pages_with_one_reset() {
    let mut world = World::with(|config| config.rate_limits = false);
    let (anna, ben, conversation) = world.friends();
    let mut cursor = world.cursor(&ben);
    for number in 0..450 {
        world.say(&anna, conversation, &number.to_string());
    }
    world.settle();
    world.restart();
    let mut pages = Vec::new();
    let mut bodies = Vec::new();
    loop {
        let answer = world.get(&format!("/api/events?wait=0&cursor={cursor}"), &ben);
        cursor = answer.cursor();
        let events = answer.body["events"].as_array().expect("a list").clone();
        let resets = events.iter().filter(|event| event["type"] == "reset").count();
        let messages = events.iter().filter(|event| event["type"] == "message");
        let texts: Vec<_> =
            messages.map(|event| event["message"]["body"].as_str().unwrap().to_owned()).collect();
        pages.push((resets, texts.len(), answer.body["more"] == true));
        bodies.extend(texts);
        if answer.body["more"] == false {
            break;
        }
    }
    assert_eq!(pages, [(1, 200, true), (0, 200, true), (0, 50, false)]);
    let expected: Vec<_> = (0..450).map(|number| number.to_string()).collect();
    assert_eq!(bodies, expected);
}

#[test]
fn past_the_bound_of_polls_the_oldest_is_released() {
    let mut world = World::new();
    let anna = world.register("anna");
    let cursor = world.cursor(&anna);
    let oldest = world.poll(&anna, &cursor, 25);
    for _ in 1..16 {
        world.poll(&anna, &cursor, 25);
    }
    assert!(world.settle().is_empty());
    world.poll(&anna, &cursor, 25);
    let answers = world.settle();
    assert_eq!(answers.len(), 1);
    assert_eq!(answers[0].line, oldest);
    assert_good(&answers[0], 200, "cursor events more released retry_ms wait");
    assert_eq!(answers[0].body["released"], true);
    assert!(answers[0].body["retry_ms"].as_i64().is_some_and(|ms| ms > 0));
}
