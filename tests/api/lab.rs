//! The lab is there where it was asked for, and nowhere else; and who looks sees what they may.

use std::time::Duration;

use lovejoy::entity::UserName;
use lovejoy::lab::observer::PACE;
use lovejoy::server::Input;
use serde_json::Value;

use super::support::{Answer, Line, Person, World};
use super::{HERE, assert_good, assert_refused, members};

const MS: Duration = Duration::from_millis(1);
const NOBODY: &str = "";

fn lab() -> World {
    World::with(|config| config.lab = true)
}

#[test]
fn without_the_setting_there_is_no_lab_whatever_the_method() {
    let mut world = World::new();
    let anna = world.register("anna");
    for path in ["/lab", "/lab/", "/lab/lab.js", "/lab/none", "/api/lab/polls"] {
        for method in ["GET", "POST", "DELETE", "OPTIONS"] {
            assert_refused(&world.call(method, path, &anna.token, None), 404, "not_found");
        }
    }
    let nobody = Person { id: 0, token: String::new() };
    assert_eq!(world.get("/api/server", &nobody).body.get("lab"), None);
}

#[test]
fn with_it_the_pages_are_there_and_the_server_says_so() {
    for mut world in [lab(), World::with(|config| config.demo = true)] {
        let door = world.call("GET", "/lab", NOBODY, None);
        assert_eq!((door.status, door.field("Location")), (308, Some("lab/")));
        for path in ["/lab/", "/lab/lab.js", "/lab/lab.css"] {
            let page =
                world.exchange(HERE, format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n").as_bytes());
            assert_eq!(page.status, 200, "{path}");
            assert!(page.field("Content-Security-Policy").is_some(), "{path}");
        }
        assert_refused(&world.call("GET", "/lab/none", NOBODY, None), 404, "not_found");
        assert_eq!(world.call("GET", "/api/server", NOBODY, None).body["lab"], true);
    }
}

/// Asks the lab on a connection of its own, in this turn.
fn watch(world: &mut World, person: &Person, cursor: &str, wait: u32) -> Line {
    let path = format!("/api/lab/live?cursor={cursor}&wait={wait}");
    world.ask("GET", &path, &person.token, None)
}

/// What the lab says at once.
fn look(world: &mut World, person: &Person) -> Value {
    world.pass(PACE);
    let answer = world.get("/api/lab/live?wait=0", person);
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.body
}

/// The kinds of what is held, and whose each is.
fn held(seen: &Value) -> Vec<String> {
    let polls = seen["polls"].as_array().expect("polls").iter();
    polls.map(|poll| format!("{} {}", poll["user_id"], poll["kind"].as_str().unwrap())).collect()
}

/// What came, and what left by which exit.
fn moments(seen: &Value) -> Vec<String> {
    let moments = seen["moments"].as_array().expect("moments").iter();
    let text = |moment: &Value| {
        let exit = moment["exit"].as_str().unwrap_or("held");
        format!("{} {} {exit}", moment["user_id"], moment["kind"].as_str().unwrap())
    };
    moments.map(text).collect()
}

fn of(answers: &[Answer], line: Line) -> Option<&Answer> {
    answers.iter().find(|answer| answer.line == line)
}

#[test]
fn who_looks_sees_their_own_polls_and_the_one_by_which_they_look() {
    let mut world = lab();
    let (anna, ben, _) = world.friends();
    let cursor = world.cursor(&anna);
    world.poll(&anna, &cursor, 25);
    world.settle();
    let answer = world.get("/api/lab/live?wait=0", &anna);
    assert_good(&answer, 200, "cursor moments now_at polls total users wait");
    let poll = &answer.body["polls"][0];
    assert_eq!(
        members(poll),
        "connection held_ms kind left_ms live stored user_id wait_ms",
        "and no more than that"
    );
    assert_eq!(poll["wait_ms"], 25_000);
    // Deadlines are kept to a step of the wheel.
    assert!((25_000..=25_050).contains(&poll["left_ms"].as_i64().unwrap()));
    assert_eq!(
        held(&look(&mut world, &anna)),
        [format!("{} poll", anna.id), format!("{} lab", anna.id)]
    );
    let seen = look(&mut world, &ben);
    assert_eq!((held(&seen), &seen["total"]), (vec![format!("{} lab", ben.id)], &1.into()));
    assert!(moments(&seen).iter().all(|moment| moment.starts_with(&ben.id.to_string())));
    assert_refused(&world.call("GET", "/api/lab/live", NOBODY, None), 401, "unauthorized");
}

#[test]
fn an_administrator_sees_everybody() {
    let mut world = World::with(|config| {
        config.lab = true;
        config.lab_admin = vec![UserName::parse("ANNA").unwrap()];
    });
    let (anna, ben, conversation) = world.friends();
    let carol = world.register("carol");
    let cursor = world.cursor(&ben);
    world.poll(&ben, &cursor, 25);
    world.settle();
    let seen = look(&mut world, &anna);
    assert_eq!(held(&seen), [format!("{} poll", ben.id), format!("{} lab", anna.id)]);
    assert_eq!(seen["users"][1]["name"], "ben");
    world.say(&ben, conversation, "hello");
    world.settle();
    assert!(look(&mut world, &anna).get("message").is_some());
    let seen = look(&mut world, &carol);
    assert_eq!((held(&seen), seen.get("message")), (vec![format!("{} lab", carol.id)], None));
}

#[test]
fn a_poll_of_the_lab_is_held_until_something_happens_that_is_not_its_own_doing() {
    let mut world = lab();
    let anna = world.register("anna");
    let cursor = look(&mut world, &anna)["cursor"].as_str().unwrap().to_owned();
    let first = watch(&mut world, &anna, &cursor, 25);
    // Another one, too, is the doing of who looks.
    let second = watch(&mut world, &anna, &cursor, 20);
    let answers = world.pass(Duration::from_secs(15));
    assert!(answers.is_empty(), "{answers:?}");

    let chat = world.cursor(&anna);
    world.poll(&anna, &chat, 25);
    assert!(world.pass(PACE.saturating_sub(MS)).is_empty());
    let answers = world.pass(MS);
    for line in [first, second] {
        let seen = &of(&answers, line).expect("an answer").body;
        assert_eq!(moments(seen).last(), Some(&format!("{} poll held", anna.id)));
        assert_eq!(held(seen).last(), Some(&format!("{} poll", anna.id)));
    }
}

#[test]
fn when_its_time_is_over_a_poll_of_the_lab_says_what_there_is() {
    let mut world = lab();
    let anna = world.register("anna");
    let cursor = look(&mut world, &anna)["cursor"].as_str().unwrap().to_owned();
    let line = watch(&mut world, &anna, &cursor, 2);
    let answers = world.pass(Duration::from_millis(2_100));
    let answer = of(&answers, line).expect("an answer");
    assert_eq!(answer.cursor(), cursor, "nothing has happened");
    assert_eq!((&answer.body["wait"], held(&answer.body).len()), (&2.into(), 1));
}

#[test]
fn who_looks_is_not_online_for_that() {
    let mut world = lab();
    let (anna, ben, _) = world.friends();
    watch(&mut world, &anna, "", 25);
    world.settle();
    let friends = world.get("/api/friends", &ben);
    assert_eq!(friends.body["friends"][0]["user"]["online"], false);
}

#[test]
fn a_poll_of_the_lab_leaves_by_the_other_exits_too() {
    let mut world = World::with(|config| {
        config.lab = true;
        config.polls_per_user_max = 1;
    });
    let anna = world.register("anna");
    let cursor = look(&mut world, &anna)["cursor"].as_str().unwrap().to_owned();
    let oldest = watch(&mut world, &anna, &cursor, 25);
    let newer = watch(&mut world, &anna, &cursor, 25);
    let answers = world.settle();
    assert!(of(&answers, oldest).expect("released").body["retry_ms"].is_u64());
    world.call("DELETE", "/api/sessions/current", &anna.token, None);
    let ben = world.register("ben");
    let last = watch(&mut world, &ben, &cursor, 25);
    world.settle();
    world.input(Input::Drain);
    let answers = world.settle();
    assert!(of(&answers, last).expect("drained").body["retry_ms"].is_u64());
    assert!(of(&answers, newer).is_none());
}

#[test]
fn a_session_that_ends_takes_its_look_with_it() {
    let mut world = lab();
    let anna = world.register("anna");
    let cursor = look(&mut world, &anna)["cursor"].as_str().unwrap().to_owned();
    let line = watch(&mut world, &anna, &cursor, 25);
    world.settle();
    world.ask("DELETE", "/api/sessions/current", &anna.token, None);
    let answers = world.settle();
    assert_refused(of(&answers, line).expect("an answer"), 401, "unauthorized");
}

#[test]
fn the_way_of_a_message_is_told_to_whom_it_concerns() {
    let mut world = lab();
    let (anna, ben, conversation) = world.friends();
    let cursor = world.cursor(&ben);
    let poll = world.poll(&ben, &cursor, 25);
    world.settle();
    world.stall(MS);
    world.say(&anna, conversation, "a secret");
    let answers = world.settle();
    world.stall(3 * MS);
    let next = of(&answers, poll).expect("news").cursor();
    world.poll(&ben, &next, 25);
    world.settle();
    for (person, connection) in [(&anna, Value::Null), (&ben, poll.0.into())] {
        let seen = look(&mut world, person);
        let message = &seen["message"];
        assert_eq!(members(message), "conversation_id id read_at sender_id steps");
        let steps = message["steps"].as_array().unwrap().iter();
        let steps: Vec<_> = steps
            .map(|step| (step["step"].as_str().unwrap(), &step["micros"], &step["connection"]))
            .collect();
        assert_eq!(
            steps,
            [
                ("read", &0.into(), &Value::Null),
                ("decided", &0.into(), &Value::Null),
                ("committed", &0.into(), &Value::Null),
                ("released", &0.into(), &connection),
                ("returned", &3_000.into(), &connection),
            ]
        );
        assert!(!seen.to_string().contains("secret"));
    }
}
