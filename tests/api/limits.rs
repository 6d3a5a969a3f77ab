//! Rates: who does too much has to wait, for as long as they are told, and nobody else does.

use std::net::IpAddr;
use std::time::Duration;

use lovejoy::server::Input;
use serde_json::{Value, json};

use super::support::{Answer, Person, World, request};
use super::{HERE, assert_refused};

const SECOND: Duration = Duration::from_secs(1);

fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn log_in_from(world: &mut World, peer: IpAddr, name: &str, password: &str) -> Answer {
    let body = json!({ "name": name, "password": password });
    world.call_from(peer, "POST", "/api/sessions", "", Some(&body))
}

fn register_from(world: &mut World, peer: IpAddr, name: &str) -> Answer {
    let body = json!({ "name": name, "password": "secret" });
    world.call_from(peer, "POST", "/api/users", "", Some(&body))
}

fn send(world: &mut World, person: &Person, conversation: i64, body: &Value) -> Answer {
    world.post(&format!("/api/conversations/{conversation}/messages"), person, body)
}

/// Waits as long as the answer says, and not a moment less is enough.
#[track_caller]
fn assert_retry_is_true(
    world: &mut World,
    refused: &Answer,
    mut again: impl FnMut(&mut World) -> u16,
) {
    assert_refused(refused, 429, "rate_limited");
    let seconds: u64 = refused.field("Retry-After").expect("when").parse().expect("a number");
    world.pass(Duration::from_secs(seconds - 1));
    assert_eq!(again(world), 429, "a second early");
    world.pass(SECOND);
    assert_ne!(again(world), 429, "in time");
}

#[test]
fn after_ten_wrong_passwords_even_the_right_one_waits() {
    let mut world = World::new();
    world.register("anna");
    for _ in 0..10 {
        assert_refused(&log_in_from(&mut world, HERE, "anna", "wrong"), 401, "bad_credentials");
    }
    assert_refused(&log_in_from(&mut world, HERE, "anna", "wrong"), 429, "rate_limited");
    assert_refused(&log_in_from(&mut world, HERE, "ANNA", "secret"), 429, "rate_limited");
    let refused = log_in_from(&mut world, HERE, "anna", "secret");
    assert_eq!(refused.field("Retry-After"), Some("30"));
    assert_retry_is_true(&mut world, &refused, |world| {
        log_in_from(world, HERE, "anna", "secret").status
    });
    assert_eq!(log_in_from(&mut world, HERE, "anna", "secret").status, 201);
}

#[test]
fn right_passwords_are_not_counted() {
    let mut world = World::new();
    world.register("anna");
    for _ in 0..5 {
        assert_eq!(log_in_from(&mut world, HERE, "anna", "wrong").status, 401);
        for _ in 0..5 {
            assert_eq!(log_in_from(&mut world, HERE, "anna", "secret").status, 201);
        }
    }
    // Also when they are all on their way at once.
    let body = json!({ "name": "anna", "password": "secret" });
    for _ in 0..40 {
        world.ask("POST", "/api/sessions", "", Some(&body));
    }
    assert!(world.settle().iter().all(|answer| answer.status == 201));
}

#[test]
fn guessing_many_at_once_tells_no_more_than_one_after_the_other() {
    let mut world = World::new();
    world.register("anna");
    let wrong = json!({ "name": "anna", "password": "wrong" });
    for _ in 0..40 {
        world.ask("POST", "/api/sessions", "", Some(&wrong));
    }
    let right = json!({ "name": "anna", "password": "secret" });
    let last = world.ask("POST", "/api/sessions", "", Some(&right));
    let answers = world.settle();
    assert_eq!(answers.iter().filter(|answer| answer.status == 401).count(), 10);
    assert_eq!(answers.iter().filter(|answer| answer.status == 429).count(), 31);
    assert!(answers.iter().any(|answer| answer.line == last && answer.status == 429));
}

#[test]
fn nobody_can_lock_another_out_from_elsewhere() {
    let mut world = World::new();
    world.register("anna");
    world.register("ben");
    let elsewhere = address("192.0.2.7");
    for _ in 0..20 {
        log_in_from(&mut world, elsewhere, "anna", "wrong");
    }
    assert_eq!(log_in_from(&mut world, elsewhere, "anna", "secret").status, 429);
    assert_eq!(log_in_from(&mut world, HERE, "anna", "secret").status, 201);
    assert_eq!(log_in_from(&mut world, elsewhere, "ben", "secret").status, 201);
    assert_eq!(log_in_from(&mut world, address("::ffff:192.0.2.7"), "anna", "secret").status, 429);
}

#[test]
fn a_name_that_nobody_has_waits_as_long_as_another() {
    let mut world = World::new();
    world.register("anna");
    for name in ["anna", "nobody", "no name"] {
        let statuses: Vec<_> =
            (0..12).map(|_| log_in_from(&mut world, HERE, name, "wrong").status).collect();
        assert_eq!(statuses, [[401; 10].as_slice(), &[429; 2]].concat(), "{name}");
    }
}

#[test]
fn twenty_accounts_an_hour_are_made_from_one_address() {
    let mut world = World::new();
    for number in 0..20 {
        assert_eq!(register_from(&mut world, HERE, &format!("anna{number}")).status, 201);
    }
    let refused = register_from(&mut world, HERE, "one-too-many");
    assert_eq!(refused.field("Retry-After"), Some("180"));
    assert_eq!(register_from(&mut world, address("192.0.2.7"), "ben").status, 201);
    assert_retry_is_true(&mut world, &refused, |world| {
        register_from(world, HERE, "one-too-many").status
    });
}

#[test]
fn what_makes_no_account_is_not_counted_as_one() {
    let mut world = World::new();
    world.register("anna");
    for _ in 0..30 {
        assert_eq!(register_from(&mut world, HERE, "no name").status, 422);
        assert_eq!(register_from(&mut world, HERE, "anna").status, 409);
    }
    assert_eq!(register_from(&mut world, HERE, "ben").status, 201);
}

#[test]
fn an_ipv6_address_counts_with_its_neighbours() {
    let mut world = World::new();
    for number in 0..20 {
        let peer = address(&format!("2001:db8:0:1::{number:x}"));
        assert_eq!(register_from(&mut world, peer, &format!("anna{number}")).status, 201);
    }
    assert_eq!(register_from(&mut world, address("2001:db8:0:1:ffff::"), "ben").status, 429);
    assert_eq!(register_from(&mut world, address("2001:db8:0:2::1"), "ben").status, 201);
}

#[test]
fn thirty_requests_for_friendship_an_hour_are_asked_by_one_user() {
    let mut world = World::new();
    let (anna, ben) = (world.register("anna"), world.register("ben"));
    let ask = |world: &mut World, person: &Person, name: &str| {
        world.post("/api/friends", person, &json!({ "name": name }))
    };
    for number in 0..30 {
        assert_eq!(ask(&mut world, &anna, &format!("nobody{number}")).status, 404);
    }
    let refused = ask(&mut world, &anna, "ben");
    assert_eq!(refused.field("Retry-After"), Some("120"));
    assert_eq!(ask(&mut world, &ben, "anna").status, 201);
    let path = format!("/api/friends/{}/accept", ben.id);
    assert_eq!(world.call("POST", &path, &anna.token, None).status, 200, "accepting is free");
    assert_retry_is_true(&mut world, &refused, |world| ask(world, &anna, "ben").status);
}

#[test]
fn fifty_messages_at_once_and_then_ten_a_second_are_sent_by_one_user() {
    let mut world = World::new();
    let (anna, ben, conversation) = world.friends();
    let body = json!({ "body": "x", "nonce": "n" });
    for _ in 0..50 {
        assert!(send(&mut world, &anna, conversation, &body).status < 300, "also sent again");
    }
    let refused = send(&mut world, &anna, conversation, &body);
    assert_refused(&refused, 429, "rate_limited");
    assert_eq!(refused.field("Retry-After"), Some("1"));
    let other_session = world.log_in("anna");
    assert_eq!(send(&mut world, &other_session, conversation, &body).status, 429);
    assert_eq!(send(&mut world, &ben, conversation, &body).status, 201);
    world.pass(SECOND);
    let sent = (0..20).filter(|_| send(&mut world, &anna, conversation, &body).status == 200);
    assert_eq!(sent.count(), 10);
}

#[test]
fn a_rate_comes_after_the_token_and_before_the_body() {
    let mut world = World::with(|config| {
        config.messages_burst_max = 1;
        config.friend_requests_max = 1;
        config.registrations_max = 2;
    });
    let (anna, _, conversation) = world.friends();
    let path = format!("/api/conversations/{conversation}/messages");
    send(&mut world, &anna, conversation, &json!({ "body": "x" }));
    for (path, token) in [(path.as_str(), &anna.token), ("/api/friends", &anna.token)] {
        assert_refused(&world.call("POST", path, "", None), 401, "unauthorized");
        for (fields, body) in [("Content-Length: 99999", ""), ("Content-Length: 1", "{")] {
            let request = format!(
                "POST {path} HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer {token}\r\n\
                 Content-Type: text/plain\r\n{fields}\r\n\r\n{body}"
            );
            assert_refused(&world.exchange(HERE, request.as_bytes()), 429, "rate_limited");
        }
    }
    let unread = b"POST /api/users HTTP/1.1\r\nHost: test\r\nContent-Length: 99999\r\n\r\n";
    assert_refused(&world.exchange(HERE, unread), 429, "rate_limited");
}

#[test]
fn nothing_else_is_counted() {
    let mut world = World::new();
    let (anna, ben, conversation) = world.friends();
    let read = format!("/api/conversations/{conversation}/read");
    for _ in 0..100 {
        for path in ["/api/events?wait=0", "/api/state", "/api/friends", "/api/me"] {
            assert_eq!(world.get(path, &anna).status, 200);
        }
        assert_eq!(world.put(&read, &anna, &json!({ "message_id": 1 })).status, 204);
        let path = format!("/api/friends/{}/accept", ben.id);
        assert_eq!(world.call("POST", &path, &anna.token, None).status, 200);
    }
}

#[test]
fn a_flood_from_one_address_leaves_the_others_alone() {
    let mut world = World::new();
    let (anna, ben, conversation) = world.friends();
    let flooder = world.register("flooder");
    let cursor = world.cursor(&ben);
    let poll = world.poll(&ben, &cursor, 25);
    assert!(world.settle().is_empty());
    let path = format!("/api/conversations/{conversation}/messages");
    let foreign = request("POST", &path, &flooder.token, Some(&json!({ "body": "x" })));
    let lines: Vec<_> = (0..400)
        .map(|number| {
            let line = world.connect_from(address("192.0.2.7"));
            let log_in = json!({ "name": "anna", "password": format!("guess {number}") });
            let guess = request("POST", "/api/sessions", "", Some(&log_in));
            let bytes = if number % 2 == 0 { &foreign } else { &guess };
            world.input(Input::Received { connection: line, bytes: bytes.as_bytes() });
            line
        })
        .collect();
    let post = world.say(&anna, conversation, "unmoved");
    let answers = world.settle();
    let of = |line| answers.iter().find(|answer| answer.line == line).expect("an answer");
    assert_eq!(of(post).status, 201);
    assert_eq!(of(poll).events(), [r#"message "unmoved""#]);
    let limited = lines.iter().filter(|line| matches!(of(**line).status, 429 | 503)).count();
    assert_eq!(limited, 400 - 50 - 10);
    assert_eq!(log_in_from(&mut world, HERE, "anna", "secret").status, 201);
}

#[test]
fn rates_can_be_set_and_turned_off() {
    let mut world = World::with(|config| config.failed_passwords_max = 2);
    world.register("anna");
    let statuses: Vec<_> =
        (0..3).map(|_| log_in_from(&mut world, HERE, "anna", "wrong").status).collect();
    assert_eq!(statuses, [401, 401, 429]);
    let mut world = World::with(|config| config.rate_limits = false);
    let (anna, _, conversation) = world.friends();
    for number in 0..60 {
        assert_eq!(log_in_from(&mut world, HERE, "anna", "wrong").status, 401);
        assert_eq!(register_from(&mut world, HERE, &format!("carl{number}")).status, 201);
        let ask = json!({ "name": format!("carl{number}") });
        assert_eq!(world.post("/api/friends", &anna, &ask).status, 201);
        assert_eq!(send(&mut world, &anna, conversation, &json!({ "body": "x" })).status, 201);
    }
}

/// Registers through a proxy that says for whom it asks.
fn register_through(world: &mut World, peer: IpAddr, client: &str, name: &str) -> u16 {
    let body = json!({ "name": name, "password": "secret" }).to_string();
    let request = format!(
        "POST /api/users HTTP/1.1\r\nHost: test\r\nX-Forwarded-For: {client}\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let line = world.connect_from(peer);
    world.send(line, request.as_bytes());
    let answers = world.settle();
    answers.iter().find(|answer| answer.line == line).expect("an answer").status
}

#[test]
fn behind_a_trusted_proxy_the_clients_address_counts_and_behind_others_their_own() {
    let proxy = address("192.0.2.1");
    let mut world = World::with(|config| {
        config.registrations_max = 1;
        config.trusted_proxy = vec!["192.0.2.1".parse().expect("a network")];
    });
    assert_eq!(register_through(&mut world, proxy, "203.0.113.7", "a"), 201);
    assert_eq!(register_through(&mut world, proxy, "203.0.113.8", "b"), 201);
    assert_eq!(register_through(&mut world, proxy, "203.0.113.7", "c"), 429);
    let stranger = address("192.0.2.2");
    assert_eq!(register_through(&mut world, stranger, "203.0.113.9", "d"), 201);
    assert_eq!(register_through(&mut world, stranger, "203.0.113.10", "e"), 429);
}
