//! In the lab a session can have something go wrong with its own answers, for a while; and nobody
//! loses anything by it.

use std::time::Duration;

use lovejoy::connection::Then;
use lovejoy::lab::fault::{DELAY_MAX, LASTS, TIMES_MAX};
use lovejoy::server::Input;
use serde_json::{Value, json};

use super::support::{Answer, Line, Person, World, request};
use super::{assert_good, assert_refused, assert_wrong};

const PATH: &str = "/api/lab/fault";
const SECOND: Duration = Duration::from_secs(1);

/// A server with the lab, Anna and Ben, and the cursor at which Ben stands before anything is said.
struct Lab {
    world: World,
    anna: Person,
    ben: Person,
    conversation: i64,
    cursor: String,
}

impl Lab {
    fn new() -> Self {
        let mut world = World::with(|config| {
            config.lab = true;
            config.rate_limits = false;
        });
        let (anna, ben, conversation) = world.friends();
        let cursor = world.cursor(&ben);
        Self { world, anna, ben, conversation, cursor }
    }

    /// The same, with a fault set for Ben.
    fn with(fault: &Value) -> Self {
        let mut lab = Self::new();
        set(&mut lab.world, &lab.ben, fault);
        lab
    }

    /// What Ben's poll is answered when Anna says something, and the poll.
    fn news(&mut self) -> (Line, Vec<Answer>) {
        let line = self.world.poll(&self.ben, &self.cursor, 25);
        self.world.settle();
        self.world.say(&self.anna, self.conversation, "hello");
        let answers = self.world.settle();
        (line, answers.into_iter().filter(|answer| answer.line == line).collect())
    }

    /// What Ben is told in the end, by his old cursor.
    fn told_in_the_end(&mut self) -> Vec<String> {
        self.world.news_after(&self.ben, &self.cursor)
    }
}

fn set(world: &mut World, person: &Person, fault: &Value) {
    let answer = world.put(PATH, person, fault);
    assert_good(&answer, 200, "delay_ms fault target times until_at");
}

#[test]
fn a_fault_is_set_for_oneself_within_bounds_and_for_a_minute() {
    let Lab { mut world, anna, ben, .. } = Lab::new();
    let nothing = world.get(PATH, &anna);
    assert_eq!((nothing.status, &nothing.body), (200, &json!({ "fault": null })));
    let much = json!({ "fault": "delay", "times": 1_000_000, "delay_ms": 86_400_000 });
    let answer = world.put(PATH, &anna, &much);
    assert_eq!(answer.body["times"], TIMES_MAX);
    assert_eq!(answer.body["delay_ms"], DELAY_MAX.as_millis().to_string().parse::<i64>().unwrap());
    assert_eq!(world.get(PATH, &anna).body["fault"], "delay");
    assert_eq!(world.get(PATH, &ben).body["fault"], Value::Null);
    assert_wrong(&world.put(PATH, &anna, &json!({ "fault": "fire" })), "invalid_field", "fault");
    assert_wrong(&world.put(PATH, &anna, &json!({ "times": "1" })), "invalid_field", "times");
    assert_eq!(world.delete(PATH, &anna).body["fault"], Value::Null);
    set(&mut world, &anna, &json!({ "fault": "drop" }));
    world.stall(LASTS);
    assert_eq!(world.get(PATH, &anna).body["fault"], Value::Null);
}

#[test]
fn a_server_has_room_for_so_many_faults() {
    let Lab { mut world, .. } = Lab::new();
    let mut last = None;
    for number in 0..65 {
        let person = world.register(&format!("user{number}"));
        last = Some(world.put(PATH, &person, &json!({ "fault": "drop" })));
    }
    assert_refused(&last.unwrap(), 503, "unavailable");
}

#[test]
fn a_dropped_answer_is_no_answer_and_the_old_cursor_brings_it_again() {
    let Lab { mut world, anna, ben, conversation, cursor } = Lab::new();
    // What was asked before counts, too: it is the next answer that is meant.
    let line = world.poll(&ben, &cursor, 25);
    world.settle();
    set(&mut world, &ben, &json!({ "fault": "drop" }));
    world.say(&anna, conversation, "hello");
    let answers = world.settle();
    let dropped = answers.iter().find(|answer| answer.line == line).expect("its head");
    assert_eq!((dropped.body.as_str(), dropped.then), (Some(""), Then::Linger));
    assert_eq!(world.news_after(&ben, &cursor), ["message \"hello\""]);
}

#[test]
fn a_dropped_201_is_asked_for_again_with_its_nonce() {
    let Lab { mut world, anna, conversation, .. } = Lab::new();
    set(&mut world, &anna, &json!({ "fault": "drop", "target": "sends" }));
    let path = format!("/api/conversations/{conversation}/messages");
    let body = json!({ "body": "once", "nonce": "n" });
    world.ask("POST", &path, &anna.token, Some(&body));
    assert_eq!(world.settle()[0].body, "");
    assert_eq!(world.post(&path, &anna, &body).status, 200, "it had been said");
}

#[test]
fn a_cut_answer_lacks_half_of_its_body_and_ends_its_connection() {
    let mut lab = Lab::with(&json!({ "fault": "cut" }));
    let (_, answers) = lab.news();
    let length: usize = answers[0].field("Content-Length").unwrap().parse().unwrap();
    let body = answers[0].body.as_str().expect("no JSON");
    assert_eq!((body.len(), answers[0].then), (length - length / 2, Then::Linger));
    assert_eq!(lab.told_in_the_end(), ["message \"hello\""]);
}

#[test]
fn a_delayed_answer_comes_late_and_only_to_whom_it_was_meant_for() {
    let mut lab = Lab::with(&json!({ "fault": "delay", "delay_ms": 2_000, "times": 2 }));
    let (line, answers) = lab.news();
    assert!(answers.is_empty());
    assert!(lab.world.pass(Duration::from_millis(1_999)).is_empty());
    let answers = lab.world.pass(Duration::from_millis(1));
    assert_eq!(answers[0].line, line);
    assert_eq!(answers[0].events().last().unwrap(), "message \"hello\"");

    // A client that does not wait for it: the number of its connection is another's then.
    let (line, answers) = lab.news();
    assert!(answers.is_empty());
    lab.world.hang_up(line);
    lab.world.input(Input::Accepted { connection: line, peer: super::HERE });
    lab.world.send(line, request("GET", "/api/events?wait=25", &lab.anna.token, None).as_bytes());
    let answers = lab.world.pass(3 * SECOND);
    assert!(answers.iter().all(|answer| answer.line != line), "{answers:?}");
}

#[test]
fn what_is_kept_back_leaves_when_the_server_stops() {
    let mut lab = Lab::with(&json!({ "fault": "delay", "delay_ms": 10_000 }));
    let (line, answers) = lab.news();
    assert!(answers.is_empty());
    lab.world.input(Input::Drain);
    assert_eq!(lab.world.settle()[0].line, line);
}

#[test]
fn an_answer_that_comes_twice_is_the_answer_to_the_next_poll_too() {
    let mut lab = Lab::with(&json!({ "fault": "twice" }));
    let (_, answers) = lab.news();
    let next = answers[0].cursor();
    let again = lab.world.get(&format!("/api/events?cursor={next}&wait=25"), &lab.ben);
    assert_eq!(again.body, answers[0].body);
    let line = lab.world.poll(&lab.ben, &next, 25);
    assert!(lab.world.settle().iter().all(|answer| answer.line != line), "once more, and no more");
}

#[test]
fn what_was_to_come_twice_does_not_after_a_minute() {
    let mut lab = Lab::with(&json!({ "fault": "twice" }));
    let (_, answers) = lab.news();
    let next = answers[0].cursor();
    lab.world.stall(LASTS);
    let line = lab.world.poll(&lab.ben, &next, 25);
    assert!(lab.world.settle().iter().all(|answer| answer.line != line), "the poll is held");
}

#[test]
fn a_buffered_stream_comes_in_one_piece_when_it_is_late() {
    let fault = json!({ "fault": "buffer", "target": "streams", "delay_ms": 5_000 });
    let Lab { mut world, anna, ben, conversation, cursor } = Lab::with(&fault);
    let line = world.connect();
    let head = format!(
        "GET /api/events?cursor={cursor} HTTP/1.1\r\nHost: test\r\nAccept: text/event-stream\r\n\
         Authorization: Bearer {}\r\n\r\n",
        ben.token
    );
    world.send(line, head.as_bytes());
    let of = |answers: Vec<Answer>| {
        let pieces = answers.into_iter().filter(|answer| answer.line == line);
        pieces.map(|piece| piece.body.as_str().unwrap().to_owned()).collect::<String>()
    };
    assert_eq!(of(world.settle()), ": keep-alive\n\n");
    for text in ["one", "two"] {
        world.say(&anna, conversation, text);
        assert_eq!(of(world.pass(SECOND)), "");
    }
    let late = of(world.pass(4 * SECOND));
    assert!(late.contains("\"one\"") && late.contains("\"two\""), "{late}");
}
