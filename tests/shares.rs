//! Scripts of a flood: who asks too much waits for themselves, and nobody else for them.

mod support;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use lovejoy::server::Input;
use lovejoy::system::Mono;
use serde_json::json;
use support::{Answer, Line, World, request};

/// How many requests a turn reads here.
const PORTION: usize = 4;

const LOOPBACK: &str = "127.0.0.1";

fn world() -> World {
    World::with(|config| {
        config.requests_per_turn_max = PORTION;
        config.rate_limits = false;
    })
}

fn connect(world: &mut World, address: &str) -> Line {
    world.connect_from(address.parse::<IpAddr>().expect("an address"))
}

fn ask(world: &mut World, line: Line) {
    world.send(line, request("GET", "/api/server", "", None).as_bytes());
}

fn lines(answers: &[Answer]) -> Vec<Line> {
    answers.iter().map(|answer| answer.line).collect()
}

/// Connections that ask again as soon as they are answered. How often each was, after so many turns
/// in every so many of which somebody else asks, who is answered at once each time.
fn flood(from: &str, other: &str, turns: usize, every: usize) -> Vec<usize> {
    let mut world = world();
    let flood: Vec<_> = (0..20).map(|_| connect(&mut world, from)).collect();
    let other = connect(&mut world, other);
    let mut served: BTreeMap<Line, usize> = flood.iter().map(|&line| (line, 0)).collect();
    for &line in &flood {
        ask(&mut world, line);
    }
    for turn in 1..turns {
        let asks = turn % every == 0;
        if asks {
            ask(&mut world, other);
        }
        let answers = lines(&world.turn());
        assert_eq!(answers.contains(&other), asks, "at once: {turn}");
        assert!(answers.len() <= 2 * PORTION, "a turn is short");
        for line in answers.into_iter().filter(|line| *line != other) {
            *served.get_mut(&line).expect("one of them") += 1;
            ask(&mut world, line);
        }
    }
    served.into_values().collect()
}

#[test]
fn a_flood_from_an_address_leaves_others_alone_and_is_served_evenly() {
    for (other, every) in [("192.0.2.2", 3), ("192.0.2.2", 2), (LOOPBACK, 3)] {
        let served = flood("192.0.2.1", other, 100, every);
        let (least, most) = (served.iter().min().unwrap(), served.iter().max().unwrap());
        assert!(*least >= 7 && most - least <= 2, "{served:?}");
    }
}

#[test]
fn a_flood_through_a_proxy_leaves_others_alone_who_come_by_it_too() {
    let served = flood(LOOPBACK, LOOPBACK, 100, 12);
    assert!(served.iter().all(|&count| count >= 15), "{served:?}");
}

#[test]
fn who_pipelines_waits_while_others_are_answered_but_not_for_ever() {
    let mut world = world();
    let (busy, other) = (connect(&mut world, LOOPBACK), connect(&mut world, LOOPBACK));
    let many = request("GET", "/api/server", "", None).repeat(30);
    world.send(busy, many.as_bytes());
    assert_eq!(lines(&world.turn()), [busy; PORTION]);
    ask(&mut world, other);
    assert_eq!(lines(&world.turn()), [other], "in a turn of its own");
    let third = connect(&mut world, LOOPBACK);
    ask(&mut world, third);
    let answers = lines(&world.turn());
    assert_eq!((answers[0], answers.len()), (third, PORTION), "the queue has every other turn");
    assert_eq!(world.settle().len(), 30 - PORTION - (PORTION - 1));
    assert_ne!(world.server().next_deadline(), Some(Mono(0)));
}

#[test]
fn a_request_counts_for_what_its_answer_costs() {
    let mut world = world();
    let (anna, _, conversation) = world.friends();
    for _ in 0..100 {
        world.say(&anna, conversation, &"long ".repeat(1000));
        world.settle();
    }
    let history = format!("/api/conversations/{conversation}/messages?limit=100");
    let dear = request("GET", &history, &anna.token, None);
    let ask_dear = |world: &mut World, line| world.send(line, dear.as_bytes());
    let greedy: Vec<_> = (0..8).map(|_| connect(&mut world, LOOPBACK)).collect();
    for &line in &greedy {
        ask_dear(&mut world, line);
    }
    for _ in &greedy {
        assert_eq!(world.turn().len(), 1, "one is more than a portion");
    }
    for &line in &greedy {
        ask_dear(&mut world, line);
    }
    let modest = connect(&mut world, LOOPBACK);
    ask(&mut world, modest);
    let (mut large, mut small) = (0, 0);
    while large < 8 {
        for line in lines(&world.turn()) {
            if line == modest {
                small += 1;
                ask(&mut world, modest);
            } else {
                large += 1;
            }
        }
    }
    assert!(small > 12, "small ones go first: {small}");
}

#[test]
fn who_asks_now_and_then_is_free_although_the_time_of_dear_ones_passes_by_leaps() {
    let mut world = world();
    let (anna, _, conversation) = world.friends();
    for _ in 0..100 {
        world.say(&anna, conversation, &"long ".repeat(100));
        world.settle();
    }
    let history = format!("/api/conversations/{conversation}/messages?limit=100");
    let dear = request("GET", &history, &anna.token, None);
    let modest = connect(&mut world, LOOPBACK);
    let greedy: Vec<_> = (0..40).map(|_| connect(&mut world, LOOPBACK)).collect();
    for &line in &greedy {
        world.send(line, dear.as_bytes());
    }
    for turn in 0..60 {
        let asks = turn % 6 == 5;
        if asks {
            ask(&mut world, modest);
        }
        let answered = lines(&world.turn());
        assert_eq!(answered.contains(&modest), asks, "at once: {turn}");
        for line in answered.into_iter().filter(|line| *line != modest) {
            world.send(line, dear.as_bytes());
        }
    }
}

#[test]
fn a_turn_that_waits_for_the_disk_takes_everybody_along_and_nobody_twice() {
    let mut world = world();
    let (anna, _, conversation) = world.friends();
    let path = format!("/api/conversations/{conversation}/messages");
    let message = request("POST", &path, &anna.token, Some(&json!({ "body": "hello" })));
    let crowd: Vec<_> = (0..50).map(|_| connect(&mut world, LOOPBACK)).collect();
    for &line in &crowd {
        world.send(line, message.repeat(2).as_bytes());
    }
    let answered = lines(&world.turn());
    assert!(crowd.iter().all(|line| answered.contains(line)), "each once");
    assert!(answered.len() <= crowd.len() + PORTION, "and few twice: {}", answered.len());
    let office: Vec<_> = (0..50).map(|_| connect(&mut world, "192.0.2.1")).collect();
    world.settle();
    for &line in &office {
        world.send(line, message.as_bytes());
    }
    assert!(world.turn().len() <= 2 * PORTION, "an address has one share");
}

#[test]
fn who_goes_while_queued_leaves_nothing_behind() {
    let mut world = world();
    let flood: Vec<_> = (0..20).map(|_| connect(&mut world, LOOPBACK)).collect();
    for &line in &flood {
        ask(&mut world, line);
    }
    world.hang_up(flood[7]);
    world.half_close(flood[8]);
    let answers = world.settle();
    assert_eq!(answers.len(), 19, "who has only closed their side is answered");
    assert_eq!(world.server().connections(), 18);
    assert_ne!(world.server().next_deadline(), Some(Mono(0)));
}

#[test]
fn a_server_that_stops_answers_those_who_are_queued() {
    let mut world = world();
    let flood: Vec<_> = (0..20).map(|_| connect(&mut world, LOOPBACK)).collect();
    for &line in &flood {
        ask(&mut world, line);
    }
    assert_eq!(world.turn().len(), PORTION);
    world.input(Input::Drain);
    let answers = world.settle();
    assert_eq!(answers.len(), 20 - PORTION);
    assert!(answers.iter().all(|answer| answer.status == 503));
}

#[test]
fn a_poll_that_is_queued_is_held_when_its_turn_comes() {
    let mut world = world();
    let (anna, ben, conversation) = world.friends();
    let cursor = world.cursor(&ben);
    let polls: Vec<_> = (0..10).map(|_| world.poll(&ben, &cursor, 25)).collect();
    assert!(world.settle().is_empty());
    assert_eq!(world.chat().held(), polls.len());
    world.say(&anna, conversation, "hello");
    assert_eq!(world.settle().len(), 1 + polls.len());
}

#[test]
fn who_waits_for_a_server_that_is_late_is_not_late() {
    let mut world = world();
    let flood: Vec<_> = (0..20).map(|_| connect(&mut world, LOOPBACK)).collect();
    let whole = request("POST", "/api/nothing", "", Some(&json!({})));
    for &line in &flood {
        world.send(line, whole.as_bytes());
        world.send(line, whole.as_bytes());
    }
    world.turn();
    world.stall(Duration::from_secs(600));
    let statuses: Vec<_> = world.settle().iter().map(|answer| answer.status).collect();
    assert_eq!(statuses, [404; 40 - PORTION]);
    assert_eq!(world.server().connections(), 20);
}
