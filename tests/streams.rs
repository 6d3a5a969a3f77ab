//! Scripts of the streams: the comet's polls that stay, as server-sent events and as lines.

mod support;

use std::time::Duration;

use lovejoy::connection::Then;
use lovejoy::server::Input;
use serde_json::{Value, json};
use support::{Answer, Line, Person, World};

const SECOND: Duration = Duration::from_secs(1);

/// Begins a stream, behind the cursor.
fn stream(world: &mut World, person: &Person, accept: &str, cursor: &str, more: &str) -> Line {
    let line = world.connect();
    let request = format!(
        "GET /api/events?cursor={cursor} HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer {}\r\n\
         Accept: {accept}\r\n{more}\r\n",
        person.token
    );
    world.send(line, request.as_bytes());
    line
}

fn lines_from_now(world: &mut World, person: &Person) -> Line {
    let line = stream(world, person, "application/x-ndjson", "", "");
    let begun = only(world.turn(), line);
    assert_eq!((begun.status, text(&begun)), (200, "\n"));
    line
}

fn only(answers: Vec<Answer>, line: Line) -> Answer {
    let mut of_line: Vec<_> = answers.into_iter().filter(|answer| answer.line == line).collect();
    assert_eq!(of_line.len(), 1, "one thing for this connection: {of_line:?}");
    of_line.remove(0)
}

fn text(answer: &Answer) -> &str {
    answer.body.as_str().expect("a text")
}

/// The objects of a piece of lines; empty lines are signs of life.
fn objects(text: &str) -> Vec<Value> {
    let lines = text.lines().filter(|line| !line.is_empty());
    lines.map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// Whoever speaks for a user over the control socket has no session that could end.
#[test]
fn the_operators_stream_goes_on_until_the_account_is_gone() {
    let mut world = World::new();
    let anna = world.register("anna");
    let line = world.connect_operator();
    let request = b"GET /api/events HTTP/1.1\r\nHost: test\r\nAuthorization: User anna\r\n\
        Accept: application/x-ndjson\r\n\r\n";
    world.send(line, request);
    assert_eq!(only(world.settle(), line).status, 200);
    let alive = world.pass(60 * SECOND);
    assert!(alive.iter().filter(|said| said.line == line).count() > 2, "signs of life");
    assert!(alive.iter().all(|said| text(said) == "\n"), "{alive:?}");
    let password = json!({ "password": "secret" });
    assert_eq!(world.post("/api/me/delete", &anna, &password).status, 204);
    let end = world.pass(20 * SECOND);
    let said: String = end.iter().filter(|said| said.line == line).map(text).collect();
    assert!(said.contains(r#"{"type":"end","code":"unauthorized"}"#), "{said}");
}

#[test]
fn server_sent_events_carry_type_data_and_the_cursor_behind_them() {
    let mut world = World::new();
    let (anna, ben, conversation) = world.friends();
    let cursor = world.cursor(&ben);
    let line = stream(&mut world, &ben, "text/event-stream", &cursor, "");
    let begun = only(world.turn(), line);
    assert_eq!(begun.status, 200);
    for field in [
        "Content-Type: text/event-stream",
        "Cache-Control: no-store",
        "X-Accel-Buffering: no",
        "Transfer-Encoding: chunked",
    ] {
        assert!(begun.head.contains(field), "{}", begun.head);
    }
    assert_eq!(text(&begun), ": keep-alive\n\n");
    world.say(&anna, conversation, "hello");
    let piece = only(world.turn(), line);
    let (id, rest) = text(&piece).split_once('\n').expect("an id");
    let cursor = id.strip_prefix("id: ").expect("an id");
    let data = rest.strip_prefix("event: message\ndata: ").expect("a message");
    let event: Value = serde_json::from_str(data.trim_end_matches('\n')).expect("JSON");
    assert!(data.ends_with("}\n\n"));
    assert_eq!((&event["type"], &event["message"]["body"]), (&json!("message"), &json!("hello")));

    // Whoever goes on from there has missed nothing and gets nothing twice.
    world.hang_up(line);
    world.say(&anna, conversation, "meanwhile");
    world.turn();
    let id = format!("Last-Event-ID: {cursor}\r\n");
    let line = stream(&mut world, &ben, "text/event-stream", "nonsense", &id);
    let begun = only(world.turn(), line);
    assert_eq!(text(&begun).matches("event: ").count(), 1);
    assert!(text(&begun).contains("meanwhile"));
}

#[test]
fn lines_are_one_event_each_with_its_cursor() {
    let mut world = World::new();
    let (anna, ben, conversation) = world.friends();
    let cursor = world.cursor(&ben);
    for body in ["one", "two", "three"] {
        world.say(&anna, conversation, body);
        world.turn();
    }
    let line = stream(&mut world, &ben, "application/x-ndjson", &cursor, "");
    let begun = only(world.turn(), line);
    assert!(begun.head.contains("Content-Type: application/x-ndjson"), "{}", begun.head);
    let events = objects(text(&begun));
    let bodies: Vec<_> = events.iter().map(|event| event["message"]["body"].clone()).collect();
    assert_eq!(bodies, ["one", "two", "three"]);
    // The cursor in the middle leads to what comes behind it, also by a poll.
    world.poll(&ben, events[0]["cursor"].as_str().expect("a cursor"), 0);
    let answer = world.turn().remove(0);
    assert_eq!(answer.events(), [r#"message "two""#, r#"message "three""#]);
}

#[test]
fn typing_reaches_a_stream_at_once_and_not_too_late() {
    let mut world = World::new();
    let (anna, ben, conversation) = world.friends();
    world.poll(&anna, "", 25);
    world.turn();
    let path = format!("/api/conversations/{conversation}/typing");
    let streams = [
        stream(&mut world, &ben, "application/x-ndjson", "", ""),
        stream(&mut world, &ben, "text/event-stream", "", ""),
    ];
    world.turn();
    world.ask("POST", &path, &anna.token, None);
    let answers = world.turn();
    let lines = only(answers.clone(), streams[0]);
    let mut event = objects(text(&lines)).remove(0);
    let cursor = event["cursor"].take();
    let typing = json!({ "type": "typing", "conversation_id": conversation, "user_id": anna.id });
    event.as_object_mut().expect("an object").remove("cursor");
    assert_eq!(event, typing);
    let piece = only(answers, streams[1]);
    let (cursor, typing) = (cursor.as_str().expect("a cursor"), typing.to_string());
    let (id, rest) = text(&piece).split_once('\n').expect("an id");
    assert_eq!(id, format!("id: {cursor}"));
    let data = rest.strip_prefix("event: typing\ndata: ").expect("its type");
    assert_eq!(data.parse::<Value>().unwrap().to_string(), typing);

    // A reader that was slow meanwhile is told of what is still true.
    world.input(Input::Blocked { connection: streams[0] });
    world.pass(SECOND);
    world.ask("POST", &path, &anna.token, None);
    world.pass(6 * SECOND);
    world.input(Input::Flushed { connection: streams[0] });
    assert!(world.turn().is_empty(), "too late");
}

#[test]
fn a_silent_stream_gives_signs_of_life() {
    let mut world = World::new();
    let (_, ben, _) = world.friends();
    let line = lines_from_now(&mut world, &ben);
    assert!(world.pass(13 * SECOND).is_empty());
    for _ in 0..3 {
        assert_eq!(text(&only(world.pass(14 * SECOND), line)), "\n");
    }
    assert_eq!(world.chat().held(), 1);
}

/// A stream that had something to tell at once was one more than its user may have, and stayed.
#[test]
fn one_stream_too_many_releases_the_oldest_also_when_there_is_something_to_tell() {
    let mut world = World::with(|config| config.polls_per_user_max = 1);
    let (anna, ben, conversation) = world.friends();
    let cursor = world.cursor(&ben);
    let first = lines_from_now(&mut world, &ben);
    world.say(&anna, conversation, "hello");
    world.turn();
    let second = stream(&mut world, &ben, "application/x-ndjson", &cursor, "");
    let answers = world.turn();
    assert!(answers.iter().any(|a| a.line == second && text(a).contains("hello")), "{answers:?}");
    let released = only(answers.into_iter().filter(|a| a.line == first).collect(), first);
    assert!(text(&released).contains("released"), "{released:?}");
    assert_eq!(world.chat().held(), 1);
}

/// A stream that was in line to be asked for, and whose socket had no room when its turn came, was one
/// more than its user may have as long as that.
#[test]
fn one_stream_too_many_releases_the_oldest_also_when_its_socket_is_full() {
    let mut world = World::with(|config| {
        config.polls_per_user_max = 1;
        config.polls_per_turn_max = 1;
    });
    let (ben, cara) = (world.register("ben"), world.register("cara"));
    let first = lines_from_now(&mut world, &ben);
    stream(&mut world, &cara, "application/x-ndjson", "", "");
    let second = stream(&mut world, &ben, "application/x-ndjson", "", "");
    world.turn();
    assert_eq!(world.chat().held(), 3, "the second is in line");
    world.input(Input::Blocked { connection: second });
    let said: Vec<_> = world.settle().into_iter().filter(|answer| answer.line == first).collect();
    assert!(said.iter().any(|said| text(said).contains("released")), "{said:?}");
    assert_eq!(world.chat().held(), 2, "one of each");
}

#[test]
fn a_stream_that_has_to_end_says_why() {
    let mut world = World::with(|config| config.polls_per_user_max = 1);
    let (_, ben, _) = world.friends();
    let end = |code: &str| format!("{{\"type\":\"end\",\"code\":\"{code}\"}}\n<end>");

    let first = lines_from_now(&mut world, &ben);
    let second = stream(&mut world, &ben, "application/x-ndjson", "", "");
    let released = only(world.turn().into_iter().filter(|a| a.line == first).collect(), first);
    assert_eq!((text(&released), released.then), (&*end("released"), Then::Keep));

    let elsewhere = world.log_in("ben");
    world.ask("DELETE", "/api/sessions/current", &ben.token, None);
    let ended = only(world.turn(), second);
    assert_eq!(text(&ended), end("unauthorized"));

    let third = stream(&mut world, &elsewhere, "text/event-stream", "", "");
    world.turn();
    world.input(Input::Drain);
    let drained = only(world.turn(), third);
    let expected = "event: end\ndata: {\"type\":\"end\",\"code\":\"draining\"}\n\n<end>";
    assert_eq!((text(&drained), drained.then), (expected, Then::Close));
    assert_eq!(world.chat().held(), 0);
}

#[test]
fn a_slow_reader_costs_one_piece_and_loses_nothing() {
    let mut world = World::with(|config| config.events_page_max = 2);
    let (anna, ben, conversation) = world.friends();
    let line = lines_from_now(&mut world, &ben);
    world.say(&anna, conversation, "0");
    let mut got = objects(text(&only(world.turn(), line)));
    world.input(Input::Blocked { connection: line });
    for number in 1..=5 {
        world.say(&anna, conversation, &number.to_string());
        let answers = world.settle();
        assert!(answers.iter().all(|answer| answer.line != line), "its socket is full");
    }
    world.input(Input::Flushed { connection: line });
    for piece in world.settle().iter().filter(|answer| answer.line == line) {
        let events = objects(text(piece));
        assert!(events.len() <= 2 || world.chat().held() == 1);
        got.extend(events);
    }
    let bodies: Vec<_> = got.iter().map(|event| event["message"]["body"].clone()).collect();
    assert_eq!(bodies, ["0", "1", "2", "3", "4", "5"]);
}

#[test]
fn a_reader_that_takes_nothing_for_long_is_cut_off() {
    let mut world = World::new();
    let (anna, ben, conversation) = world.friends();
    let line = lines_from_now(&mut world, &ben);
    world.say(&anna, conversation, "hello");
    world.turn();
    world.input(Input::Blocked { connection: line });
    world.pass(11 * SECOND);
    assert_eq!(world.chat().held(), 0);
}

#[test]
fn a_stream_keeps_its_user_online_and_its_session_alive() {
    let mut world = World::with(|config| config.token_lifetime = 60 * SECOND);
    let (anna, ben, _) = world.friends();
    let line = lines_from_now(&mut world, &ben);
    let signs = world.pass(300 * SECOND).into_iter().filter(|answer| answer.line == line);
    assert!(signs.count() >= 19, "one in 15 seconds");
    assert_eq!(world.get("/api/me", &ben).status, 200);
    let answer = world.get("/api/friends", &anna);
    assert_eq!(answer.code(), "unauthorized", "Anna did nothing for so long");
    let elsewhere = world.log_in("anna");
    let friends = world.get("/api/friends", &elsewhere);
    assert_eq!(friends.body["friends"][0]["user"]["online"], true);
}

#[test]
fn to_an_old_client_a_stream_ends_with_the_connection() {
    let mut world = World::new();
    let (_, ben, _) = world.friends();
    let line = world.connect();
    let request = format!(
        "GET /api/events HTTP/1.0\r\nAuthorization: Bearer {}\r\n\
         Accept: application/x-ndjson\r\nConnection: keep-alive\r\n\r\n",
        ben.token
    );
    world.send(line, request.as_bytes());
    let begun = only(world.turn(), line);
    assert!(!begun.head.contains("chunked"), "{}", begun.head);
    assert!(begun.head.contains("Connection: close"), "{}", begun.head);
    assert_eq!(text(&begun), "\n");
}

#[test]
fn acknowledging_tells_the_sender_that_it_arrived() {
    let mut world = World::new();
    let (anna, ben, conversation) = world.friends();
    let of_ben = lines_from_now(&mut world, &ben);
    let of_anna = lines_from_now(&mut world, &anna);
    world.turn();
    world.say(&anna, conversation, "hello");
    let answers = world.turn();
    let piece = answers.iter().find(|answer| answer.line == of_ben).expect("a piece");
    let cursor = objects(text(piece)).last().expect("a message")["cursor"].clone();
    let body = json!({ "cursor": cursor });
    let acknowledge = world.ask("POST", "/api/events/ack", &ben.token, Some(&body));
    let answers = world.turn();
    assert!(answers.iter().any(|answer| answer.line == acknowledge && answer.status == 204));
    let told = answers.iter().find(|answer| answer.line == of_anna).expect("Anna is told");
    let told = &objects(text(told))[0];
    assert_eq!((&told["type"], &told["user_id"]), (&json!("delivered"), &json!(ben.id)));

    let bad = world.post("/api/events/ack", &ben, &json!({ "cursor": "nonsense" }));
    assert_eq!((bad.status, bad.code()), (400, "bad_cursor"));
    let conversations = world.get("/api/conversations", &anna);
    let members = conversations.body["conversations"][0]["members"].as_array().expect("members");
    let ben_is = members.iter().find(|member| member["user"]["id"] == ben.id).expect("Ben");
    assert_eq!(ben_is["last_delivered_id"], told["message_id"]);
}

#[test]
fn who_takes_neither_json_nor_a_stream_is_told_so() {
    let mut world = World::new();
    let (_, ben, _) = world.friends();
    let line = stream(&mut world, &ben, "image/png", "", "");
    let answer = only(world.turn(), line);
    assert_eq!((answer.status, answer.code()), (406, "not_acceptable"));
}
