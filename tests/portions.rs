//! Scripts of a crowd: where many polls are to be answered, a turn answers a portion, and everybody
//! else is served in between.

mod support;

use std::time::Duration;

use lovejoy::server::Input;
use lovejoy::system::Mono;
use support::{Answer, Line, Person, World, request};

const SECOND: Duration = Duration::from_secs(1);

/// How many polls a turn asks for here.
const PORTION: usize = 3;

/// Anna and Ben, their conversation, and eight polls of Ben's, the oldest first.
fn crowd() -> (World, Person, Person, i64, Vec<Line>) {
    let mut world = World::with(|config| {
        config.polls_per_turn_max = PORTION;
        config.polls_per_user_max = 100;
    });
    let (anna, ben, conversation) = world.friends();
    let cursor = world.cursor(&ben);
    let polls = (0..8).map(|_| world.poll(&ben, &cursor, 25)).collect();
    assert!(world.settle().is_empty());
    assert_eq!(world.chat().held(), 8);
    (world, anna, ben, conversation, polls)
}

fn lines(answers: &[Answer]) -> Vec<Line> {
    answers.iter().map(|answer| answer.line).collect()
}

#[test]
fn one_message_to_many_is_told_in_portions_and_others_are_served_between_them() {
    let (mut world, anna, ben, conversation, polls) = crowd();
    let post = world.say(&anna, conversation, "hello");
    assert_eq!(lines(&world.turn()), [&[post], &polls[..3]].concat());
    assert_eq!(world.server().next_deadline(), Some(Mono(0)), "there is more to do");
    let other = world.ask("GET", "/api/me", &ben.token, None);
    assert_eq!(lines(&world.turn()), [&[other], &polls[3..6]].concat());
    assert_eq!(lines(&world.turn()), &polls[6..]);
    assert_eq!((world.turn().len(), world.chat().held()), (0, 0));
    assert_ne!(world.server().next_deadline(), Some(Mono(0)));
}

#[test]
fn what_comes_while_a_poll_is_in_line_is_in_its_one_answer() {
    let (mut world, anna, _, conversation, polls) = crowd();
    world.say(&anna, conversation, "one");
    world.turn();
    world.say(&anna, conversation, "two");
    let answers = world.settle();
    let of_last: Vec<_> = answers.iter().filter(|answer| answer.line == polls[7]).collect();
    assert_eq!(of_last.len(), 1);
    assert_eq!(of_last[0].events(), [r#"message "one""#, r#"message "two""#]);
}

#[test]
fn who_hangs_up_in_line_leaves_the_line() {
    let (mut world, anna, _, conversation, polls) = crowd();
    world.say(&anna, conversation, "hello");
    world.turn();
    world.hang_up(polls[4]);
    assert_eq!(lines(&world.turn()), [polls[3], polls[5], polls[6]]);
    assert_eq!(lines(&world.turn()), [polls[7]]);
}

#[test]
fn a_client_that_closes_its_side_in_line_is_answered_first() {
    let (mut world, anna, _, conversation, polls) = crowd();
    world.say(&anna, conversation, "hello");
    world.turn();
    world.half_close(polls[7]);
    let answers = world.turn();
    let answer = answers.iter().find(|answer| answer.line == polls[7]).expect("an answer");
    assert_eq!(answer.events(), [r#"message "hello""#]);
    assert_eq!(world.settle().len(), 1, "the one that is left");
}

#[test]
fn many_polls_expire_in_portions_each_once() {
    let (mut world, _, _, _, polls) = crowd();
    assert!(world.pass(24 * SECOND).is_empty());
    let mut expired = lines(&world.pass(2 * SECOND));
    expired.sort_unstable();
    assert_eq!(expired, polls);
}

#[test]
fn a_server_that_stops_sends_everybody_away_in_portions() {
    let (mut world, _, _, _, polls) = crowd();
    world.input(lovejoy::server::Input::Drain);
    assert_eq!(world.turn().len(), PORTION);
    let mut answers = world.turn();
    answers.extend(world.settle());
    assert_eq!(answers.len(), polls.len() - PORTION);
    let retries: Vec<_> = answers.iter().map(|it| it.body["retry_ms"].as_i64().unwrap()).collect();
    assert!(retries.is_sorted_by(|one, other| one < other), "each another time: {retries:?}");
    assert_ne!(world.server().next_deadline(), Some(Mono(0)));
}

#[test]
fn connections_run_out_of_time_in_portions_but_not_who_asks_in_between() {
    let mut world = World::with(|config| config.polls_per_turn_max = PORTION);
    let idle: Vec<_> = (0..8).map(|_| world.connect()).collect();
    world.settle();
    world.stall(600 * SECOND);
    world.turn();
    assert_eq!(world.server().connections(), 8 - PORTION);
    assert_eq!(world.server().next_deadline(), Some(Mono(0)), "there is more to do");
    let late = idle.into_iter().find(|&line| world.server().state(line).is_some()).unwrap();
    world.send(late, request("GET", "/api/server", "", None).as_bytes());
    assert_eq!(lines(&world.turn()), [late]);
    world.settle();
    assert_eq!(world.server().connections(), 1);
    assert!(world.server().state(late).is_some());
    world.pass(600 * SECOND);
    assert_eq!(world.server().connections(), 0);
}

#[test]
fn an_answer_that_leaves_late_is_the_last_where_the_server_stops() {
    let mut world = World::new();
    let line = world.connect();
    world.send(line, request("GET", "/api/server", "", None).as_bytes());
    assert_eq!(lines(&world.turn()), [line]);
    world.input(Input::Blocked { connection: line });
    world.input(Input::Drain);
    world.settle();
    assert_eq!(world.server().connections(), 1);
    world.input(Input::Flushed { connection: line });
    world.settle();
    assert_eq!(world.server().connections(), 0, "nobody is waited for");
}
