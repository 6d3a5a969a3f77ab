//! A session records its own exchanges in the lab, to the byte, and nobody else's.

use std::time::Duration;

use lovejoy::server::Input;
use serde_json::{Value, json};

use super::support::{Person, World, request};
use super::{assert_done, assert_refused};

const PATH: &str = "/api/lab/recording";

fn lab() -> World {
    World::with(|config| config.lab = true)
}

fn record(world: &mut World, person: &Person) {
    assert_done(&world.call("PUT", PATH, &person.token, None));
}

/// What is recorded, after so many changes.
fn tape(world: &mut World, person: &Person, after: u64) -> Value {
    let answer = world.get(&format!("{PATH}?after={after}"), person);
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.body
}

fn exchanges(world: &mut World, person: &Person) -> Vec<Value> {
    tape(world, person, 0)["exchanges"].as_array().expect("exchanges").clone()
}

fn bytes<'a>(exchange: &'a Value, direction: &str) -> &'a str {
    exchange[direction]["bytes"].as_str().expect("bytes")
}

/// Lines, so that a head can be compared as it is written.
fn masked(request: &str, person: &Person) -> String {
    request.replace(&person.token, &"*".repeat(person.token.len()))
}

#[test]
fn without_the_lab_or_a_session_there_is_nothing_to_record() {
    let mut world = World::new();
    let anna = world.register("anna");
    for method in ["GET", "PUT", "DELETE"] {
        assert_refused(&world.call(method, PATH, &anna.token, None), 404, "not_found");
    }
    world.restart_with(|config| config.lab = true);
    for method in ["GET", "PUT", "DELETE"] {
        assert_refused(&world.call(method, PATH, "", None), 401, "unauthorized");
    }
    assert_refused(&world.get(PATH, &anna), 404, "not_found");
    assert_refused(&world.call("POST", PATH, &anna.token, None), 405, "method_not_allowed");
}

#[test]
fn a_session_sees_its_own_exchanges_byte_for_byte_without_its_token() {
    let mut world = lab();
    let (anna, ben, room) = world.friends();
    let phone = world.log_in("anna");
    record(&mut world, &anna);
    for person in [&anna, &ben, &phone] {
        world.get("/api/me", person);
    }
    world.call("GET", "/api/server", &anna.token, None);
    world.call("GET", "/api/none", &anna.token, None);
    let path = format!("/api/conversations/{room}/messages");
    let said = json!({ "body": "漠然" });
    let answer = world.post(&path, &anna, &said);
    let seen = exchanges(&mut world, &anna);
    assert_eq!(seen.len(), 2, "{seen:?}");
    let asked = request("GET", "/api/me", &anna.token, None);
    assert_eq!(bytes(&seen[0], "request"), masked(&asked, &anna));
    assert_eq!(seen[0]["request"]["length"], asked.len());
    // Each byte is the character of its number.
    let sent = masked(&request("POST", &path, &anna.token, Some(&said)), &anna);
    let as_characters: String = sent.bytes().map(char::from).collect();
    assert_eq!(bytes(&seen[1], "request"), as_characters);
    let (head, body) = bytes(&seen[1], "response").split_once("\r\n\r\n").expect("a head");
    assert_eq!(head, answer.head);
    let body: Vec<u8> = body.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
    assert_eq!(serde_json::from_slice::<Value>(&body).unwrap(), answer.body);
    assert_eq!(seen[1]["ended"], "answered");
    for person in [&ben, &phone] {
        assert_refused(&world.get(PATH, person), 404, "not_found");
    }
    let all = tape(&mut world, &anna, 0).to_string();
    assert!(!all.contains(&anna.token) && !all.contains(&ben.token));
}

#[test]
fn a_password_is_counted_and_not_kept() {
    let mut world = lab();
    let anna = world.register("anna");
    record(&mut world, &anna);
    let body = json!({ "current": "secret", "new": "sesame" });
    assert_done(&world.put("/api/me/password", &anna, &body));
    let refused = json!({ "password": "wrong one" });
    assert_refused(&world.post("/api/me/delete", &anna, &refused), 403, "wrong_password");
    let seen = exchanges(&mut world, &anna);
    let bodies: Vec<&str> =
        seen.iter().map(|each| bytes(each, "request").split_once("\r\n\r\n").unwrap().1).collect();
    let hidden = |body: &Value| "*".repeat(body.to_string().len());
    assert_eq!(bodies, [hidden(&body), hidden(&refused)]);
    let counted = &tape(&mut world, &anna, 0)["lanes"][0];
    assert_eq!(counted["body_bytes_up"], body.to_string().len() + refused.to_string().len());
}

#[test]
fn a_held_poll_is_seen_while_it_waits_and_what_changes_is_told_once() {
    let mut world = lab();
    let (anna, ben, room) = world.friends();
    record(&mut world, &anna);
    let cursor = world.cursor(&anna);
    let path = format!("/api/events?cursor={cursor}&lane=long");
    world.ask("GET", &path, &anna.token, None);
    assert!(world.settle().is_empty());
    let before = tape(&mut world, &anna, 0);
    let held = &before["exchanges"][1];
    assert_eq!((&held["ended"], &held["lane"]), (&Value::Null, &json!("long")));
    assert_eq!(held["response"]["length"], 0);
    let changes = before["changes"].as_u64().unwrap();
    assert_eq!(tape(&mut world, &anna, changes)["exchanges"], json!([]));
    world.pass(Duration::from_millis(1234));
    world.say(&ben, room, "hello");
    world.settle();
    let after = tape(&mut world, &anna, changes);
    let answered = &after["exchanges"][0];
    assert_eq!((&answered["id"], &answered["ended"]), (&held["id"], &json!("answered")));
    assert_eq!(answered["response"]["pieces"][0][0], 1_234_000);
    assert!(bytes(answered, "response").contains(r#""body":"hello""#));
    let lanes = after["lanes"].as_array().unwrap();
    assert_eq!((&lanes[1]["lane"], &lanes[1]["wake_ups"]), (&json!("long"), &json!(1)));
    assert_eq!((&lanes[1]["writes"], &lanes[1]["empty_answers"]), (&json!(1), &json!(0)));

    let path = format!("/api/events?cursor={}&wait=0&lane=short", world.cursor(&anna));
    world.get(&path, &anna);
    let after = tape(&mut world, &anna, 0);
    assert_eq!(after["lanes"][2]["empty_answers"], 1);
    assert_eq!(after["lanes"][2]["requests"], 1);
}

#[test]
fn a_stream_is_kept_chunk_by_chunk_and_its_framing_counted_apart() {
    let mut world = lab();
    let (anna, ben, room) = world.friends();
    record(&mut world, &anna);
    let line = world.connect();
    let head = format!(
        "GET /api/events?lane=sse HTTP/1.1\r\nHost: h\r\nAccept: text/event-stream\r\nAuthorization: Bearer {}\r\n\r\n",
        anna.token
    );
    // In two pieces, the token cut in the middle.
    let (one, other) = head.split_at(head.len() - 20);
    world.send(line, one.as_bytes());
    world.settle();
    world.stall(Duration::from_micros(250));
    world.send(line, other.as_bytes());
    world.settle();
    world.stall(Duration::from_secs(1));
    world.say(&ben, room, "hello");
    world.settle();
    world.hang_up(line);
    world.settle();
    let seen = tape(&mut world, &anna, 0);
    let stream = &seen["exchanges"][0];
    assert_eq!(bytes(stream, "request"), masked(&head, &anna));
    let pieces = |direction: &str| stream[direction]["pieces"].as_array().unwrap().clone();
    assert_eq!(pieces("request"), [json!([0, one.len()]), json!([250, other.len()])]);
    assert_eq!(stream["ended"], "cut");
    let (sent_head, body) = bytes(stream, "response").split_once("\r\n\r\n").unwrap();
    let chunks = pieces("response").len();
    assert_eq!(chunks, 2, "{stream}");
    let counted = &seen["lanes"][1];
    assert_eq!(counted["head_bytes_up"], head.len());
    assert_eq!(counted["head_bytes_down"], sent_head.len() + 4);
    let (framing, payload) = (&counted["framing_bytes_down"], &counted["body_bytes_down"]);
    assert_eq!(framing.as_u64().unwrap() + payload.as_u64().unwrap(), body.len() as u64);
    // Two sizes, of two and of three digits where the event is long, and twice two line ends.
    let sizes: usize = body
        .split("\r\n")
        .filter(|line| line.bytes().all(|b| b.is_ascii_hexdigit()))
        .map(str::len)
        .sum();
    assert_eq!(framing.as_u64().unwrap(), (sizes + 4 * chunks) as u64);
    assert_eq!(counted["writes"], chunks);
}

#[test]
fn what_is_pipelined_is_kept_apart() {
    let mut world = lab();
    let anna = world.register("anna");
    record(&mut world, &anna);
    let (one, other) = (
        request("GET", "/api/me", &anna.token, None),
        request("GET", "/api/friends", &anna.token, None),
    );
    let line = world.connect();
    world.send(line, format!("{one}{other}").as_bytes());
    world.settle();
    let seen = exchanges(&mut world, &anna);
    let asked: Vec<&str> = seen.iter().map(|each| bytes(each, "request")).collect();
    assert_eq!(asked, [masked(&one, &anna), masked(&other, &anna)]);
    assert_eq!(seen[0]["connection"], seen[1]["connection"]);
}

#[test]
fn a_chunked_body_and_its_interim_response_are_kept_as_they_were() {
    let mut world = lab();
    let (anna, _, room) = world.friends();
    record(&mut world, &anna);
    let line = world.connect();
    let head = format!(
        "POST /api/conversations/{room}/messages HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nAuthorization: Bearer {}\r\nTransfer-Encoding: chunked\r\n\r\n",
        anna.token
    );
    world.send(line, head.as_bytes());
    world.settle();
    let body = "8\r\n{\"body\":\r\n4;x\r\n\"ho\"\r\n1\r\n}\r\n0\r\n\r\n";
    world.send(line, body.as_bytes());
    world.settle();
    let seen = exchanges(&mut world, &anna);
    assert_eq!(bytes(&seen[0], "request"), masked(&head, &anna) + body);
    let answer = bytes(&seen[0], "response");
    assert!(
        answer.starts_with("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\n"),
        "{answer}"
    );
    let counted = &tape(&mut world, &anna, 0)["lanes"][0];
    let (heads, _) = answer.rsplit_once("\r\n\r\n").unwrap();
    assert_eq!(counted["head_bytes_down"], heads.len() + 4);
    assert_eq!(counted["body_bytes_up"], body.len());
}

#[test]
fn a_recording_is_bounded_and_begins_anew_and_ends() {
    let mut world = lab();
    let anna = world.register("anna");
    record(&mut world, &anna);
    for _ in 0..300 {
        world.get("/api/me", &anna);
    }
    let seen = tape(&mut world, &anna, 0);
    assert_eq!(seen["exchanges"].as_array().unwrap().len(), 128);
    assert_eq!((&seen["begun"], &seen["lanes"][0]["requests"]), (&json!(300), &json!(300)));
    record(&mut world, &anna);
    let anew = tape(&mut world, &anna, 0);
    assert_eq!((&anew["exchanges"], &anew["begun"]), (&json!([]), &json!(0)));
    assert_done(&world.delete(PATH, &anna));
    assert_refused(&world.get(PATH, &anna), 404, "not_found");
    record(&mut world, &anna);
    world.pass(Duration::from_secs(121));
    assert_refused(&world.get(PATH, &anna), 404, "not_found");
    record(&mut world, &anna);
    assert_done(&world.delete("/api/sessions/current", &anna));
    let again = world.log_in("anna");
    assert_refused(&world.get(PATH, &again), 404, "not_found");
}

#[test]
fn only_so_many_record_at_a_time() {
    let mut world = lab();
    let people: Vec<Person> = (0..9).map(|each| world.register(&format!("user{each}"))).collect();
    for person in &people[..8] {
        record(&mut world, person);
    }
    let refused = world.call("PUT", PATH, &people[8].token, None);
    assert_refused(&refused, 503, "unavailable");
    assert!(refused.field("Retry-After").is_some());
    assert_done(&world.delete(PATH, &people[0]));
    record(&mut world, &people[8]);
}

#[test]
fn a_recording_that_began_within_a_request_does_not_have_half_of_it() {
    let mut world = lab();
    let anna = world.register("anna");
    let asked = request("GET", "/api/me", &anna.token, None);
    let line = world.connect();
    world.input(Input::Received { connection: line, bytes: &asked.as_bytes()[..30] });
    world.settle();
    record(&mut world, &anna);
    world.send(line, &asked.as_bytes()[30..]);
    assert_eq!(world.settle().len(), 1);
    assert_eq!(exchanges(&mut world, &anna).len(), 0);
}
