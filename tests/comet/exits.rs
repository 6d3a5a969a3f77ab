//! How a poll ends that nothing came for: its time is over, its client is gone, its session has ended,
//! a newer one has its place, or the server stops. See `Left`.

use std::time::Duration;

use crate::support::World;
use crate::{SECOND, come_online, friends, held_poll, strings, told};
use lovejoy::connection::Then;
use lovejoy::server::Input;

#[test]
fn a_poll_expires_at_its_deadline_and_not_before() {
    let (mut world, _, ben, _) = friends();
    let cursor = world.cursor(&ben);
    let poll = world.poll(&ben, &cursor, 2);
    assert_eq!(told(&world.pass(Duration::from_millis(1_999))), []);
    let answers = world.pass(Duration::from_millis(51));
    assert_eq!(told(&answers), [(poll, 200, vec![])]);
    assert_eq!(answers[0].body["wait"], 2);
    assert_eq!(answers[0].body["more"], false);
    assert_eq!(answers[0].then, Then::Keep);
}

#[test]
fn a_short_poll_is_answered_in_its_turn() {
    let (mut world, _, ben, _) = friends();
    let cursor = world.cursor(&ben);
    let poll = world.poll(&ben, &cursor, 0);
    assert_eq!(told(&world.turn()), [(poll, 200, vec![])]);
}

#[test]
fn a_client_that_hangs_up_frees_its_place_and_nobody_else_notices() {
    let (mut world, anna, ben, conversation) = friends();
    let poll = held_poll(&mut world, &ben, 25);
    assert_eq!(world.chat().held(), 1);
    world.hang_up(poll);
    assert_eq!(world.chat().held(), 0);
    let post = world.say(&anna, conversation, "anybody there?");
    assert_eq!(told(&world.turn()), [(post, 201, vec![])]);
}

#[test]
fn a_held_client_that_closes_its_side_counts_as_gone() {
    let (mut world, _, ben, _) = friends();
    let poll = held_poll(&mut world, &ben, 25);
    world.half_close(poll);
    assert_eq!(told(&world.turn()), []);
    assert_eq!(world.chat().held(), 0);
    assert_eq!(world.server().connections(), connections_of_friends(&mut world));
}

/// Every call of the support leaves its connection open, idle.
fn connections_of_friends(world: &mut World) -> usize {
    let before = world.server().connections();
    world.pass(80 * SECOND);
    assert_eq!(world.server().connections(), 0, "idle connections are closed");
    before
}

#[test]
fn a_short_poll_that_closes_its_side_is_answered_all_the_same() {
    let (mut world, _, ben, _) = friends();
    let cursor = world.cursor(&ben);
    let poll = world.poll(&ben, &cursor, 0);
    world.half_close(poll);
    let answers = world.turn();
    assert_eq!(told(&answers), [(poll, 200, vec![])]);
    assert_eq!(answers[0].then, Then::Close);
}

#[test]
fn too_much_behind_a_held_poll_ends_it() {
    let (mut world, _, ben, _) = friends();
    let poll = held_poll(&mut world, &ben, 25);
    world.send(poll, &vec![b'x'; 100_000]);
    assert_eq!(told(&world.turn()), []);
    assert_eq!(world.chat().held(), 0);
}

#[test]
fn logging_out_answers_the_polls_of_that_session_alone() {
    let (mut world, anna, ben, conversation) = friends();
    let ben_elsewhere = world.log_in("ben");
    let here = held_poll(&mut world, &ben, 25);
    let elsewhere = held_poll(&mut world, &ben_elsewhere, 25);
    let bye = world.ask("DELETE", "/api/sessions/current", &ben.token, None);
    assert_eq!(told(&world.turn()), [(bye, 204, vec![]), (here, 401, vec![])]);
    let again = world.poll(&ben, "", 25);
    assert_eq!(told(&world.turn()), [(again, 401, vec![])], "the token is dead at once");
    let post = world.say(&anna, conversation, "still there?");
    let expected = strings([r#"message "still there?""#]);
    assert_eq!(told(&world.turn()), [(post, 201, vec![]), (elsewhere, 200, expected)]);
}

#[test]
fn one_poll_too_many_releases_the_oldest() {
    let mut world = World::with(|config| config.polls_per_user_max = 2);
    let (_, ben, _) = world.friends();
    let oldest = held_poll(&mut world, &ben, 25);
    held_poll(&mut world, &ben, 25);
    let cursor = world.cursor(&ben);
    world.poll(&ben, &cursor, 25);
    let answers = world.turn();
    assert_eq!(told(&answers), [(oldest, 200, vec![])]);
    assert_eq!(answers[0].body["released"], true);
    assert!(answers[0].body["retry_ms"].as_i64().is_some_and(|ms| ms > 0));
    assert_eq!(world.chat().held(), 2);
}

#[test]
fn a_server_that_stops_answers_everybody_and_sends_them_back_at_different_times() {
    let (mut world, anna, ben, _) = friends();
    come_online(&mut world, [&anna, &ben]);
    let of_ben = held_poll(&mut world, &ben, 25);
    let of_anna = held_poll(&mut world, &anna, 25);
    world.input(Input::Drain);
    let answers = world.turn();
    assert_eq!(told(&answers), [(of_ben, 200, vec![]), (of_anna, 200, vec![])]);
    let mut retries = Vec::new();
    for answer in &answers {
        assert_eq!(answer.then, Then::Close);
        assert!(answer.head.contains("Connection: close"), "{}", answer.head);
        retries.push(answer.body["retry_ms"].as_i64().expect("a time to come back"));
    }
    retries.dedup();
    assert_eq!(retries.len(), 2, "spread: {retries:?}");
    assert_eq!(world.chat().held(), 0);
    let late = world.ask("GET", "/api/me", &ben.token, None);
    let answers = world.turn();
    assert_eq!(told(&answers), [(late, 503, vec![])]);
    assert_eq!(answers[0].code(), "unavailable");
    assert!(answers[0].head.contains("Retry-After"));
}

#[test]
fn an_idle_server_sleeps_until_the_next_expiry() {
    let (mut world, _, ben, _) = friends();
    world.pass(1000 * SECOND);
    assert_eq!(world.server().next_deadline(), None, "nobody is there");
    let cursor = world.cursor(&ben);
    let start = world.now().mono;
    world.poll(&ben, &cursor, 25);
    world.turn();
    let deadline = world.server().next_deadline().expect("the poll expires");
    let sleep = deadline.since(start);
    assert!(sleep >= 25 * SECOND && sleep <= 25 * SECOND + Duration::from_millis(50), "{sleep:?}");
}
