//! Sends bytes to the whole server, on fake connections, and looks at what comes back and whether
//! the connection goes on: what RFC 9110 and 9112 want of a server beyond the reading of one
//! request.

mod support;

use std::time::Duration;

use lovejoy::connection::Then;
use lovejoy::server::Input;
use support::{Answer, World};

/// What came back: each answer's status, and after the last whether the connection goes on.
fn exchange(bytes: &str) -> String {
    let mut world = World::new();
    let line = world.connect();
    world.send(line, bytes.as_bytes());
    described(&world.settle())
}

fn described(answers: &[Answer]) -> String {
    let mut words: Vec<String> = answers.iter().map(|answer| answer.status.to_string()).collect();
    words.extend(answers.last().map(|answer| match answer.then {
        Then::Keep => "open".to_owned(),
        Then::Linger => "lingers".to_owned(),
        Then::Close => "closed".to_owned(),
    }));
    words.join(" ")
}

/// The one answer to these bytes.
fn answer(bytes: &str) -> Answer {
    let mut world = World::new();
    let line = world.connect();
    world.send(line, bytes.as_bytes());
    let mut answers = world.settle();
    assert_eq!(answers.len(), 1, "{bytes}: {answers:?}");
    answers.remove(0)
}

/// A request for something small, with these field lines.
fn get(fields: &str) -> String {
    format!("GET /api/server HTTP/1.1\r\nHost: h\r\n{fields}\r\n")
}

/// A request to log in, with this body after these field lines.
fn post(fields: &str, body: &str) -> String {
    format!("POST /api/sessions HTTP/1.1\r\nHost: h\r\n{fields}\r\n{body}")
}

#[test]
fn connections_go_on_or_end_as_was_asked() {
    let old = |fields: &str| format!("GET /api/server HTTP/1.0\r\n{fields}\r\n");
    for (bytes, expected) in [
        (get(""), "200 open"),
        (get("Connection: close\r\n"), "200 lingers"),
        (get("") + &get(""), "200 200 open"),
        (get("") + &get("Connection: close\r\n"), "200 200 lingers"),
        (get("Connection: close\r\n") + &get(""), "200 lingers"),
        (old(""), "200 lingers"),
        (old("Connection: keep-alive\r\n"), "200 open"),
        (old("") + &get(""), "200 lingers"),
        (get("Connection: upgrade\r\nUpgrade: h2c, websocket\r\n"), "200 open"),
        (format!("\r\n{}\r\n{}", get(""), get("")), "200 200 open"),
        (get("Content-Length: 5\r\n") + "hello" + &get(""), "200 200 open"),
        (
            get("Transfer-Encoding: chunked\r\n") + "1\r\na\r\n0\r\nX: y\r\n\r\n" + &get(""),
            "200 200 open",
        ),
    ] {
        assert_eq!(exchange(&bytes), expected, "{bytes}");
    }
    assert_eq!(answer(&get("Connection: close\r\n")).field("Connection"), Some("close"));
    assert_eq!(answer(&get("")).field("Connection"), None);
    let kept = answer(&old("Connection: keep-alive\r\n"));
    assert_eq!(kept.field("Connection"), Some("keep-alive"));
    assert!(kept.head.starts_with("HTTP/1.1 "));
}

#[test]
fn what_is_no_request_is_answered_and_nothing_behind_it_is_read() {
    let long = "a".repeat(9000);
    let chunked = "Transfer-Encoding: chunked\r\n";
    for (bytes, status) in [
        ("nonsense\r\n".to_owned(), 400),
        (get("Host: h\r\n"), 400),
        (get("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n"), 400),
        (get("Transfer-Encoding: gzip\r\n"), 400),
        (get("Transfer-Encoding: gzip, chunked\r\n"), 501),
        (get(" folded\r\n"), 400),
        (get(chunked) + "x\r\n", 400),
        (format!("GET /{long} HTTP/1.1\r\n"), 414),
        (get(&format!("A: {long}\r\nB: {long}\r\n")), 431),
        (get("Expect: tea\r\n"), 417),
        ("BREW / HTTP/1.1\r\nHost: h\r\n\r\n".to_owned(), 501),
        ("CONNECT h:80 HTTP/1.1\r\nHost: h\r\n\r\n".to_owned(), 501),
        ("GET / HTTP/2.0\r\nHost: h\r\n\r\n".to_owned(), 505),
    ] {
        let mut world = World::new();
        let line = world.connect();
        world.send(line, bytes.as_bytes());
        world.send(line, get("").as_bytes());
        let mut answers = world.settle();
        world.send(line, get("").as_bytes());
        answers.extend(world.settle());
        assert_eq!(described(&answers), format!("{status} lingers"), "{bytes}");
        assert_eq!(answers[0].field("Connection"), Some("close"), "{bytes}");
        assert!(!answers[0].body["detail"].as_str().expect("why").is_empty(), "{bytes}");
        assert_eq!(answers[0].field("Cache-Control"), Some("no-store"), "{bytes}");
    }
}

#[test]
fn methods_that_a_path_has_not_are_refused_with_those_it_has() {
    for (line, allow) in [
        ("DELETE /api/server", "GET, HEAD"),
        ("TRACE /", "GET, HEAD"),
        ("PUT /index.html", "GET, HEAD"),
        ("GET /api/events/ack", "POST"),
    ] {
        let refused = answer(&format!("{line} HTTP/1.1\r\nHost: h\r\n\r\n"));
        assert_eq!((refused.status, refused.then), (405, Then::Keep), "{line}");
        let allowed: Vec<&str> = refused.field("Allow").expect(line).split(", ").collect();
        assert!(allow.split(", ").all(|method| allowed.contains(&method)), "{line}: {allowed:?}");
    }
    let path = answer("OPTIONS /api/events/ack HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!((path.status, path.field("Allow")), (204, Some("POST, OPTIONS")));
    assert_eq!((path.then, path.field("Content-Length")), (Then::Keep, None));
    assert_eq!(answer("OPTIONS /nowhere HTTP/1.1\r\nHost: h\r\n\r\n").status, 404);
    let whole = answer("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!((whole.status, whole.field("Content-Length")), (204, None));
    assert!(whole.field("Allow").is_some_and(|allow| allow.contains("POST")));
}

#[test]
fn conditions_come_after_everything_else_that_may_be_wrong() {
    let status = |line: &str, condition: &str| {
        answer(&format!("{line} HTTP/1.1\r\nHost: h\r\n{condition}\r\n\r\n")).status
    };
    assert_eq!(status("GET /nowhere", "If-None-Match: *"), 404);
    assert_eq!(status("GET /nowhere", "If-Match: \"x\""), 404);
    assert_eq!(status("POST /", "If-Match: \"x\""), 405);
    assert_eq!(status("GET /", "If-Match: \"x\""), 412);
    assert_eq!(status("GET /", "If-None-Match: *"), 304);
}

#[test]
fn an_answer_to_head_is_that_to_get_without_its_body() {
    for path in ["/api/server", "/", "/nowhere", "/api/me", "/healthz"] {
        let get = answer(&format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n"));
        let head = answer(&format!("HEAD {path} HTTP/1.1\r\nHost: h\r\n\r\n"));
        assert_eq!((&head.head, head.body.as_str()), (&get.head, Some("")), "{path}");
        assert_ne!(get.body.as_str(), Some(""), "{path}");
    }
}

#[test]
fn every_answer_has_a_date_and_a_length() {
    for bytes in [get(""), post("", ""), "x\r\n".to_owned(), get("Expect: tea\r\n")] {
        let answer = answer(&bytes);
        let date = answer.field("Date").expect("a date");
        assert!(date.starts_with("Tue, 14 Nov 2023 22:13:2") && date.ends_with(" GMT"), "{date}");
        assert!(answer.field("Content-Length").is_some(), "{bytes}");
    }
}

#[test]
fn who_is_not_logged_in_is_told_how() {
    let refused = answer("GET /api/me HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!((refused.status, refused.field("WWW-Authenticate")), (401, Some("Bearer")));
}

#[test]
fn who_waits_to_send_a_body_is_told_to_go_on_or_gets_the_answer() {
    let mut world = World::new();
    let line = world.connect();
    let head = post("Expect: 100-continue\r\nContent-Length: 2\r\n", "");
    world.send(line, head.as_bytes());
    let answers = world.settle();
    assert_eq!(
        (described(&answers), &*answers[0].head),
        ("100 open".into(), "HTTP/1.1 100 Continue")
    );
    world.send(line, b"{}");
    assert_eq!(described(&world.settle()), "422 open");
    // What is too large is not asked for.
    let large = post("Expect: 100-continue\r\nContent-Length: 99999\r\n", "");
    assert_eq!(exchange(&large), "413 lingers");
}

#[test]
fn a_body_that_is_too_large_is_refused_before_it_has_come() {
    assert_eq!(exchange(&post("Content-Length: 65537\r\n", "{")), "413 lingers");
    assert_eq!(exchange(&post("Transfer-Encoding: chunked\r\n", "fffff\r\n")), "413 lingers");
}

#[test]
fn a_request_that_does_not_come_to_its_end_is_given_up() {
    for (bytes, seconds) in [("GET / HT", 10), ("G", 10), (&post("Content-Length: 9\r\n", "{"), 30)]
    {
        let mut world = World::new();
        let line = world.connect();
        world.send(line, bytes.as_bytes());
        assert_eq!(described(&world.pass(Duration::from_secs(seconds - 1))), "", "{bytes}");
        let answers = world.pass(Duration::from_secs(2));
        assert_eq!(described(&answers), "408 lingers", "{bytes}");
        assert_eq!(answers[0].field("Connection"), Some("close"), "{bytes}");
        // Nobody reads it: the connection does not stay for long.
        world.pass(Duration::from_secs(3));
        assert_eq!(world.server().connections(), 0, "{bytes}");
    }
}

#[test]
fn a_connection_that_asks_nothing_is_closed_without_a_word() {
    for bytes in ["", "\r\n", &get("")] {
        let mut world = World::new();
        let line = world.connect();
        world.send(line, bytes.as_bytes());
        world.settle();
        assert_eq!(world.server().connections(), 1);
        assert_eq!(described(&world.pass(Duration::from_secs(80))), "", "{bytes:?}");
        assert_eq!(world.server().connections(), 0, "{bytes:?}");
    }
}

#[test]
fn who_sends_nothing_more_still_gets_the_answer() {
    let mut world = World::new();
    let line = world.connect();
    world.send(line, (get("") + &get("")).as_bytes());
    world.half_close(line);
    assert_eq!(described(&world.settle()), "200 200 closed");
    assert_eq!(world.server().connections(), 0);
}

/// The part that had come before the socket was full was lost, and the rest read as a request.
#[test]
fn a_request_that_comes_in_two_parts_around_a_full_socket_is_one() {
    let mut world = World::new();
    let line = world.connect();
    let request = get("");
    let (begun, rest) = request.split_at(20);
    world.send(line, (get("") + begun).as_bytes());
    assert_eq!(described(&world.settle()), "200 open");
    world.input(Input::Blocked { connection: line });
    world.send(line, rest.as_bytes());
    world.input(Input::Flushed { connection: line });
    assert_eq!(described(&world.settle()), "200 open");
}
