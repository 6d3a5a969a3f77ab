//! Being refused: a thousand times at once, and after that each time a second later.

use std::net::IpAddr;
use std::time::Duration;

use lovejoy::server::Input;
use lovejoy::system::Mono;

use super::assert_refused;
use super::support::{Answer, Line, World, request};

const SECOND: Duration = Duration::from_secs(1);

/// So many refusals are told to an address at once.
const AT_ONCE: usize = 1000;

fn flooder() -> IpAddr {
    "192.0.2.66".parse().expect("an address")
}

/// Asks without a token, by a connection of its own.
fn ask(world: &mut World, from: IpAddr) -> Line {
    let line = world.connect_from(from);
    world.send(line, request("GET", "/api/me", "nonsense", None).as_bytes());
    line
}

/// A world in which an address has been refused as often as it is told at once.
fn tired_world() -> World {
    let mut world = World::with(|config| config.requests_per_turn_max = 100);
    let line = world.connect_from(flooder());
    for _ in 0..AT_ONCE {
        world.send(line, request("GET", "/api/me", "nonsense", None).as_bytes());
        let answers = world.settle();
        assert_refused(&answers[0], 401, "unauthorized");
    }
    world
}

fn lines(answers: &[Answer]) -> Vec<Line> {
    answers.iter().map(|answer| answer.line).collect()
}

#[test]
fn who_is_refused_again_and_again_hears_it_later_and_nobody_else_does() {
    let mut world = tired_world();
    let line = ask(&mut world, flooder());
    // What is sent behind it waits for it.
    world.send(line, request("GET", "/api/server", "", None).as_bytes());
    assert!(world.settle().is_empty());
    let stranger = ask(&mut world, "192.0.2.67".parse().unwrap());
    assert_eq!(lines(&world.settle()), [stranger]);
    let welcome = world.connect_from(flooder());
    world.send(welcome, request("GET", "/api/server", "", None).as_bytes());
    assert_eq!(lines(&world.settle()), [welcome], "what is not refused is answered at once");
    assert!(world.pass(Duration::from_millis(999)).is_empty());
    let answers = world.pass(Duration::from_millis(1));
    assert_eq!(lines(&answers), [line, line]);
    assert_refused(&answers[0], 401, "unauthorized");
    assert_eq!(answers[1].status, 200);
}

#[test]
fn an_address_that_does_something_else_for_a_while_is_told_at_once_again() {
    let mut world = tired_world();
    world.pass(SECOND);
    for _ in 0..100 {
        let line = ask(&mut world, flooder());
        assert_eq!(lines(&world.settle()), [line]);
    }
    ask(&mut world, flooder());
    assert!(world.settle().is_empty());
}

#[test]
fn who_goes_before_they_are_told_is_forgotten() {
    let mut world = tired_world();
    let line = ask(&mut world, flooder());
    world.settle();
    world.hang_up(line);
    assert!(world.pass(2 * SECOND).is_empty());
}

#[test]
fn a_server_that_stops_lets_nobody_wait_to_be_refused() {
    let mut world = tired_world();
    let line = ask(&mut world, flooder());
    assert!(world.settle().is_empty());
    world.input(Input::Drain);
    let answers = world.settle();
    assert_eq!(lines(&answers), [line]);
    assert_refused(&answers[0], 401, "unauthorized");
    assert_ne!(world.server().next_deadline(), Some(Mono(0)));
}

#[test]
fn where_there_are_no_limits_nobody_waits() {
    let mut world = World::with(|config| config.rate_limits = false);
    for _ in 0..=AT_ONCE {
        let line = ask(&mut world, flooder());
        assert_eq!(lines(&world.settle()), [line]);
        world.hang_up(line);
    }
}
