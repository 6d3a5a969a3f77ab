//! What passwords cost, and what is kept of logins: hashes, places, old sessions, notes.

use std::net::IpAddr;
use std::time::Duration;

use serde_json::json;

use super::support::{Line, World, request};
use super::{HERE, assert_refused};

const DAY: Duration = Duration::from_secs(24 * 3600);
/// Rounds that take this many turns.
const TURNS: u32 = 8;
const ITERATIONS: u32 = TURNS * 1024;

fn log_in(world: &mut World, name: &str, password: &str) -> Line {
    log_in_from(world, HERE, name, password)
}

fn log_in_from(world: &mut World, peer: IpAddr, name: &str, password: &str) -> Line {
    let body = json!({ "name": name, "password": password });
    let line = world.connect_from(peer);
    world.send(line, request("POST", "/api/sessions", "", Some(&body)).as_bytes());
    line
}

fn iterations(world: &mut World, name: &str) -> u32 {
    let account = world.chat().store().account_by_key(name).expect("readable");
    account.expect("an account").iterations
}

/// How many turns pass until a login is answered, and with which status.
fn turns_until_answered(world: &mut World, name: &str, password: &str) -> (u32, u16) {
    let line = log_in(world, name, password);
    for turn in 1.. {
        let answers = world.turn();
        if let Some(answer) = answers.iter().find(|answer| answer.line == line) {
            return (turn, answer.status);
        }
    }
    unreachable!("every login is answered")
}

#[test]
fn when_the_setting_rises_a_hash_does_at_the_next_login() {
    let mut world = World::with(|config| config.password_iterations = 1024);
    world.register("anna");
    world.register("ben");
    world.restart_with(|config| config.password_iterations = ITERATIONS);
    log_in(&mut world, "anna", "wrong one");
    world.settle();
    assert_eq!(iterations(&mut world, "anna"), 1024, "that was not her");
    let line = log_in(&mut world, "anna", "secret");
    let first = world.turn();
    assert!(first.iter().any(|answer| answer.line == line && answer.status == 201), "at once");
    assert_eq!(iterations(&mut world, "anna"), 1024, "it takes its time");
    world.settle();
    assert_eq!(iterations(&mut world, "anna"), ITERATIONS);
    assert_eq!(iterations(&mut world, "ben"), 1024);
    world.restart_with(|config| config.password_iterations = 2048);
    assert_eq!(turns_until_answered(&mut world, "anna", "secret").1, 201);
    world.settle();
    assert_eq!(iterations(&mut world, "anna"), ITERATIONS, "it does not fall");
    assert_eq!(turns_until_answered(&mut world, "anna", "wrong one").1, 401);
}

#[test]
fn a_password_that_is_changed_meanwhile_is_not_renewed() {
    let mut world = World::with(|config| config.password_iterations = 1);
    let anna = world.register("anna");
    world.restart_with(|config| config.password_iterations = ITERATIONS);
    let line = log_in(&mut world, "anna", "secret");
    assert!(world.turn().iter().any(|answer| answer.line == line && answer.status == 201));
    let salt = [7; 16];
    let store = world.chat().store();
    store.set_password(lovejoy::entity::UserId(anna.id), &salt, 9, &[9; 32]).expect("written");
    world.settle();
    let account = world.chat().store().account_by_key("anna").expect("readable");
    assert_eq!(account.expect("an account").password, [9; 32]);
}

#[test]
fn a_wrong_password_takes_as_long_as_a_name_that_nobody_has() {
    let mut world = World::with(|config| config.password_iterations = 3 * 1024);
    world.register("old");
    world.restart_with(|config| config.password_iterations = ITERATIONS);
    world.register("new");
    let nobody = turns_until_answered(&mut world, "nobody", "wrong");
    assert_eq!(nobody, (TURNS, 401));
    for (name, password) in [("new", "wrong"), ("old", "wrong"), ("no name", "x"), ("old", "")] {
        assert_eq!(turns_until_answered(&mut world, name, password), nobody, "{name} {password}");
    }
}

#[test]
fn one_address_cannot_take_all_places_for_hashing() {
    let mut world = World::with(|config| {
        config.hashing_max = 6;
        config.hashing_per_address_max = 2;
        config.password_iterations = 10 * ITERATIONS;
    });
    let [greedy, neighbour, other]: [IpAddr; 3] =
        ["2001:db8::1", "2001:db8::2", "192.0.2.7"].map(|text| text.parse().expect("an address"));
    let mut answers = Vec::new();
    let mut log_in = |peer| {
        let line = log_in_from(&mut world, peer, "anna", "secret");
        answers.extend(world.turn());
        line
    };
    let kept = [greedy, neighbour].map(&mut log_in);
    let refused = [greedy, neighbour].map(&mut log_in);
    let others = [other, other].map(&mut log_in);
    // A proxy on this machine speaks for many.
    let local = [HERE, HERE].map(&mut log_in);
    let too_many = log_in(HERE);
    assert_eq!(answers.len(), 3, "nobody else is done");
    for line in [refused[0], refused[1], too_many] {
        let answer = answers.iter().find(|answer| answer.line == line).expect("an answer");
        assert_refused(answer, 503, "unavailable");
    }
    let answers = world.settle();
    for line in kept.into_iter().chain(others).chain(local) {
        let answer = answers.iter().find(|answer| answer.line == line).expect("an answer");
        assert_refused(answer, 401, "bad_credentials");
    }
    log_in_from(&mut world, greedy, "anna", "secret");
    assert_eq!(world.settle().len(), 1, "there is room again");
}

#[test]
fn expired_sessions_are_deleted_little_by_little_with_what_is_written_anyway() {
    let mut world = World::with(|config| config.rate_limits = false);
    let (anna, ben, conversation) = world.friends();
    for _ in 0..100 {
        world.log_in("anna");
    }
    let rows = |world: &mut World| {
        let anna = lovejoy::entity::UserId(anna.id);
        world.chat().store().sessions(anna).expect("readable").len()
    };
    world.pass(20 * DAY);
    assert_eq!(world.get("/api/me", &anna).status, 200, "this one is in use");
    assert_eq!(world.get("/api/me", &ben).status, 200);
    world.pass(11 * DAY);
    assert_eq!(rows(&mut world), 101, "nothing is written for it");
    let mut before = 101;
    for round in 0..4 {
        super::said(&mut world, &ben, conversation, "x");
        let now = rows(&mut world);
        assert!(now < before && before - now <= 32, "round {round}: {before} to {now}");
        before = now;
        world.pass(Duration::from_secs(61));
    }
    assert_eq!(before, 1);
    assert_eq!(world.get("/api/me", &anna).status, 200);
    // Round again.
    world.pass(31 * DAY);
    let ben = world.log_in("ben");
    for _ in 0..2 {
        super::said(&mut world, &ben, conversation, "x");
        world.pass(Duration::from_secs(61));
    }
    assert_eq!(rows(&mut world), 0);
}

#[test]
fn more_notes_than_their_limit_are_written_by_themselves() {
    let seen = |notes_max| {
        let mut world = World::with(|config| config.notes_max = notes_max);
        let (anna, ben, _) = world.friends();
        let carl = world.register("carl");
        for person in [&anna, &ben, &carl] {
            world.poll(person, "", 0);
            world.settle();
        }
        world.pass(Duration::from_secs(60));
        let id = lovejoy::entity::UserId(carl.id);
        world.chat().store().last_seen(id).expect("readable").is_some()
    };
    assert!(seen(2));
    assert!(!seen(3));
}
