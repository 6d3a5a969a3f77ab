//! The facade of 2013: its forms and shapes, and that a Keepline without a cursor loses nothing.

use std::fmt::Write as _;
use std::time::Duration;

use lovejoy::server::Input;
use serde_json::{Value, json};

use super::support::{Answer, Line, World};
use super::{HERE, members, said};

fn world() -> World {
    World::with(|config| config.seed_facade = true)
}

/// What a browser sends for `$.post("comet_broadcast.asyn", {…})`.
fn form(fields: &[(&str, &str)]) -> String {
    request("POST", "/comet_broadcast.asyn", "", &body(fields))
}

fn body(fields: &[(&str, &str)]) -> String {
    let mut body = String::new();
    for (name, value) in fields {
        let _ = write!(body, "{}{name}=", if body.is_empty() { "" } else { "&" });
        for byte in value.bytes() {
            let _ = write!(body, "%{byte:02X}");
        }
    }
    body
}

fn request(method: &str, path: &str, lines: &str, body: &str) -> String {
    format!(
        "{method} {path} HTTP/1.1\r\nHost: test\r\n{lines}\
         Content-Type: application/x-www-form-urlencoded; charset=UTF-8\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn post(world: &mut World, fields: &[(&str, &str)]) -> Answer {
    world.exchange(HERE, form(fields).as_bytes())
}

/// The data of what was done.
#[track_caller]
fn done(answer: &Answer) -> &Value {
    assert_eq!((answer.status, members(&answer.body)), (200, "ResponseData ResponseStatus".into()));
    assert_eq!(answer.body["ResponseStatus"], 1, "{}", answer.body);
    assert_eq!(answer.field("Cache-Control"), Some("no-store"));
    &answer.body["ResponseData"]
}

#[track_caller]
fn refused(answer: &Answer, status: u16, code: &str) {
    assert_eq!(answer.outcome(), (status, code), "{}", answer.body);
    assert_eq!(answer.body["ResponseStatus"], 0);
    assert!(answer.body["ResponseDetails"].as_str().is_some_and(|text| !text.is_empty()));
}

fn online(world: &mut World, name: &str) -> String {
    let fields = [("Action", "Online"), ("UserId", name), ("PassWord", "secret")];
    let answer = post(world, &fields);
    done(&answer)["PassWord"].as_str().expect("a token").to_owned()
}

/// A Keepline on a connection of its own, in this turn.
fn keepline(world: &mut World, token: &str) -> Line {
    let line = world.connect();
    again(world, line, token);
    line
}

fn again(world: &mut World, line: Line, token: &str) {
    world.send(
        line,
        form(&[("Action", "Keepline"), ("UserId", "ben"), ("PassWord", token)]).as_bytes(),
    );
}

/// What a Keepline is told, if it is answered.
fn told(answers: &[Answer], line: Line) -> Option<&Value> {
    let answer = answers.iter().find(|answer| answer.line == line)?;
    Some(&done(answer)["Content"])
}

#[test]
fn off_there_is_nothing_there() {
    let mut world = World::new();
    assert_eq!(post(&mut world, &[("Action", "Keepline")]).outcome(), (404, "not_found"));
}

#[test]
fn the_page_of_2013_chats_with_todays_app() {
    let mut world = world();
    let fields =
        [("Action", "Register"), ("UserId", "漠然"), ("UserName", "Mo Ran"), ("PassWord", "12345")];
    let answer = post(&mut world, &fields);
    let data = done(&answer);
    assert_eq!(members(data), "PassWord UserId UserName");
    assert_eq!((&data["UserId"], &data["UserName"]), (&json!("漠然"), &json!("Mo Ran")));
    let token = data["PassWord"].as_str().expect("a token").to_owned();

    // Today's app.
    let anna = world.register("anna");
    world.post("/api/friends", &anna, &json!({ "name": "漠然" }));
    let bearer = token.split('~').next().expect("a token");
    let path = format!("/api/friends/{}/accept", anna.id);
    let befriended = world.call("POST", &path, bearer, None);
    let conversation = befriended.body["friend"]["conversation_id"].as_i64().expect("an id");

    let answer = post(&mut world, &[("action", "GetFriends"), ("password", &token)]);
    let friends = done(&answer);
    assert_eq!(members(friends), "OfflineFriends OnlineFriends");
    let friend = json!({ "UserId": "anna", "UserName": "anna", "Status": "离线" });
    assert_eq!(friends["OfflineFriends"], json!([friend]));
    let cursor = world.cursor(&anna);
    world.poll(&anna, &cursor, 25);
    world.settle();
    let answer = post(&mut world, &[("Action", "GetFriends"), ("PassWord", &token)]);
    assert_eq!(done(&answer)["OnlineFriends"][0]["Status"], "在线");

    let waiting = keepline(&mut world, &token);
    assert!(world.settle().iter().all(|answer| answer.line != waiting), "it is held");
    let id = said(&mut world, &anna, conversation, "你好 & <b>");
    // `said` has taken the answers of that turn; the next Keepline goes on behind.
    let fields = [
        ("Action", "SendMsg"),
        ("UserId", "漠然"),
        ("PassWord", &token),
        ("ReciveUserId", "ANNA"),
        ("Content", "a+b = 100%"),
    ];
    let answer = post(&mut world, &fields);
    let sent = done(&answer);
    assert_eq!(members(sent), "Content MessageId ReciveUserId SendTime SendUserId");
    assert_eq!((&sent["SendUserId"], &sent["ReciveUserId"]), (&json!("漠然"), &json!("anna")));
    assert_eq!(sent["Content"], "a+b = 100%");
    let events = world.news_after(&anna, &cursor);
    assert_eq!(events.last().map(String::as_str), Some("message \"a+b = 100%\""));

    // Shown again since the page says that it may have missed it.
    post(&mut world, &[("Action", "Online"), ("UserId", "漠然"), ("PassWord", &token)]);
    let waiting = keepline(&mut world, &token);
    let answers = world.settle();
    let answer = answers.iter().find(|answer| answer.line == waiting).expect("what was said");
    assert_eq!(done(answer)["MessageId"], id);
    assert_eq!(done(answer)["SendTime"], "Tue, 14 Nov 2023 22:13:20 GMT");

    let answer = post(&mut world, &[("Action", "Offline"), ("PassWord", &token)]);
    assert_eq!(done(&answer), &Value::Null);
    refused(
        &post(&mut world, &[("Action", "Keepline"), ("PassWord", &token)]),
        401,
        "unauthorized",
    );
}

#[test]
fn messages_come_one_by_one_and_what_comes_between_two_keeplines_comes_with_the_next() {
    let mut world = world();
    let (anna, _, conversation) = world.friends();
    let ben = online(&mut world, "ben");
    let line = keepline(&mut world, &ben);
    world.settle();
    for body in ["one", "two", "three"] {
        world.say(&anna, conversation, body);
    }
    assert_eq!(told(&world.settle(), line), Some(&json!("one")));
    for body in ["two", "three"] {
        again(&mut world, line, &ben);
        assert_eq!(told(&world.settle(), line), Some(&json!(body)));
    }
    // Between two Keeplines: in 2013 this one was lost.
    said(&mut world, &anna, conversation, "four");
    again(&mut world, line, &ben);
    assert_eq!(told(&world.settle(), line), Some(&json!("four")));
    again(&mut world, line, &ben);
    assert_eq!(told(&world.settle(), line), None, "nothing twice");
    world.say(&anna, conversation, "five");
    assert_eq!(told(&world.settle(), line), Some(&json!("five")));
}

#[test]
fn an_answer_on_a_connection_that_broke_is_given_again() {
    let mut world = world();
    let (anna, _, conversation) = world.friends();
    let ben = online(&mut world, "ben");
    let line = keepline(&mut world, &ben);
    world.settle();
    world.say(&anna, conversation, "hello");
    assert_eq!(told(&world.settle(), line), Some(&json!("hello")));
    world.hang_up(line);
    let line = keepline(&mut world, &ben);
    assert_eq!(told(&world.settle(), line), Some(&json!("hello")), "it may not have arrived");
    world.half_close(line);
    let line = keepline(&mut world, &ben);
    assert_eq!(told(&world.settle(), line), None, "it ended in order");
}

#[test]
fn who_comes_online_with_the_token_is_given_the_last_answer_again() {
    let mut world = world();
    let (anna, _, conversation) = world.friends();
    let ben = online(&mut world, "ben");
    let line = keepline(&mut world, &ben);
    world.settle();
    world.say(&anna, conversation, "hello");
    assert_eq!(told(&world.settle(), line), Some(&json!("hello")));
    let answer = post(&mut world, &[("Action", "Online"), ("UserId", "ben"), ("PassWord", &ben)]);
    assert_eq!(done(&answer)["PassWord"], ben.as_str(), "the same session");
    let line = keepline(&mut world, &ben);
    assert_eq!(told(&world.settle(), line), Some(&json!("hello")));
    again(&mut world, line, &ben);
    assert_eq!(told(&world.settle(), line), None);
}

#[test]
fn a_server_that_was_killed_tells_everything_since_the_login() {
    let mut world = world();
    let (anna, _, conversation) = world.friends();
    said(&mut world, &anna, conversation, "before");
    let ben = online(&mut world, "ben");
    let line = keepline(&mut world, &ben);
    world.settle();
    world.say(&anna, conversation, "one");
    assert_eq!(told(&world.settle(), line), Some(&json!("one")));
    world.restart();
    said(&mut world, &anna, conversation, "two");
    let line = keepline(&mut world, &ben);
    assert_eq!(told(&world.settle(), line), Some(&json!("one")));
    again(&mut world, line, &ben);
    assert_eq!(told(&world.settle(), line), Some(&json!("two")));
}

#[test]
fn what_is_no_message_to_the_page_does_not_end_its_keepline() {
    let mut world = world();
    let (anna, ben, conversation) = world.friends();
    let group = world.group(&anna, "all", &[&ben]);
    let token = online(&mut world, "ben");
    let line = keepline(&mut world, &token);
    world.settle();
    said(&mut world, &ben, conversation, "mine");
    world.say(&anna, group, "to all");
    world.post(&format!("/api/conversations/{conversation}/typing"), &anna, &json!({}));
    assert_eq!(told(&world.settle(), line), None);
    assert_eq!(world.chat().held(), 1);
    world.say(&anna, conversation, "yours");
    assert_eq!(told(&world.settle(), line), Some(&json!("yours")));
}

#[test]
fn a_keepline_that_nobody_speaks_to_is_asked_again() {
    let mut world = world();
    let (anna, _, conversation) = world.friends();
    let ben = online(&mut world, "ben");
    let line = keepline(&mut world, &ben);
    let answers = world.pass(Duration::from_secs(26));
    let answer = answers.iter().find(|answer| answer.line == line).expect("its time is over");
    assert_eq!(answer.status, 200);
    assert_eq!(answer.body, json!({ "ResponseStatus": 0, "ResponseData": null }));
    said(&mut world, &anna, conversation, "hello");
    again(&mut world, line, &ben);
    assert_eq!(told(&world.settle(), line), Some(&json!("hello")));
}

#[test]
fn a_session_has_one_keepline_and_the_older_loop_ends() {
    let mut world = world();
    let (anna, _, conversation) = world.friends();
    let ben = online(&mut world, "ben");
    let older = keepline(&mut world, &ben);
    world.settle();
    let newer = keepline(&mut world, &ben);
    let answers = world.settle();
    let answer = answers.iter().find(|answer| answer.line == older).expect("an end");
    refused(answer, 409, "released");
    world.say(&anna, conversation, "hello");
    assert_eq!(told(&world.settle(), newer), Some(&json!("hello")));
    // Two sessions are two pages: both are told.
    let other = online(&mut world, "ben");
    let (one, two) = (keepline(&mut world, &ben), keepline(&mut world, &other));
    world.settle();
    world.say(&anna, conversation, "both");
    let answers = world.settle();
    for line in [one, two] {
        assert_eq!(told(&answers, line), Some(&json!("both")));
    }
}

#[test]
fn the_end_of_a_session_ends_its_loop() {
    let mut world = world();
    world.friends();
    let ben = online(&mut world, "ben");
    let line = keepline(&mut world, &ben);
    world.settle();
    let offline = world.connect();
    world.send(offline, form(&[("Action", "Offline"), ("PassWord", &ben)]).as_bytes());
    let answers = world.settle();
    let answer = answers.iter().find(|answer| answer.line == line).expect("an end");
    refused(answer, 401, "unauthorized");
}

#[test]
fn nobody_is_believed_to_be_whom_they_name() {
    let mut world = world();
    let (anna, _, _) = world.friends();
    let ben = online(&mut world, "ben");
    // In 2013 this was enough to speak as anna.
    for forged in [&[("UserId", "anna")][..], &[("UserId", "anna"), ("PassWord", "secret")]] {
        for action in ["SendMsg", "Keepline", "GetFriends", "Offline"] {
            let mut fields = vec![("Action", action), ("ReciveUserId", "ben"), ("Content", "hi")];
            fields.extend_from_slice(forged);
            refused(&post(&mut world, &fields), 401, "unauthorized");
        }
    }
    let fields = [("Action", "SendMsg"), ("UserId", "anna"), ("PassWord", &ben)];
    let to = [("ReciveUserId", "anna"), ("Content", "hi")];
    let answer = post(&mut world, &[&fields[..], &to].concat());
    assert_eq!(done(&answer)["SendUserId"], "ben", "the token says who it is");
    // A page that sends no password keeps the token as its id.
    let fields = [("Action", "SendMsg"), ("UserId", ben.as_str())];
    let answer = post(&mut world, &[&fields[..], &to].concat());
    assert_eq!(done(&answer)["SendUserId"], "ben");
    let wrong = [("Action", "Online"), ("UserId", "anna"), ("PassWord", "wrong")];
    refused(&post(&mut world, &wrong), 401, "bad_credentials");
    assert!(!anna.token.is_empty());
}

#[test]
fn what_is_wrong_is_said_with_its_status() {
    let mut world = world();
    world.friends();
    world.register("cleo");
    let ben = online(&mut world, "ben");
    let with = |fields: &[(&'static str, &'static str)]| {
        let mut all: Vec<(&str, &str)> = vec![("PassWord", &ben)];
        all.extend_from_slice(fields);
        form(&all)
    };
    let cases = [
        (with(&[]), 422, "invalid_field"),
        (with(&[("Action", "Fly")]), 422, "invalid_field"),
        (with(&[("Action", "SendMsg"), ("ReciveUserId", "anna")]), 422, "invalid_field"),
        (
            with(&[("Action", "SendMsg"), ("ReciveUserId", "anna"), ("Content", " ")]),
            422,
            "invalid_body",
        ),
        (
            with(&[("Action", "SendMsg"), ("ReciveUserId", "cleo"), ("Content", "x")]),
            403,
            "not_friends",
        ),
        (
            with(&[("Action", "SendMsg"), ("ReciveUserId", "nobody"), ("Content", "x")]),
            403,
            "not_friends",
        ),
        (
            form(&[("Action", "Register"), ("UserId", "ben"), ("PassWord", "secret")]),
            409,
            "name_taken",
        ),
        (
            form(&[("Action", "Register"), ("UserId", "dora"), ("PassWord", "x")]),
            422,
            "invalid_password",
        ),
    ];
    for (bytes, status, code) in cases {
        refused(&world.exchange(HERE, bytes.as_bytes()), status, code);
    }
    let path = "/comet_broadcast.asyn";
    let all = body(&[("Action", "GetFriends"), ("PassWord", &ben)]);
    let query = format!("{path}?{all}");
    let get = world.exchange(HERE, request("GET", &query, "", "").as_bytes());
    refused(&get, 405, "method_not_allowed");
    assert_eq!(get.field("Allow"), Some("POST"));
    let in_url = world.exchange(HERE, request("POST", &query, "", "").as_bytes());
    refused(&in_url, 422, "invalid_field");
    let json = world.ask("POST", path, "", Some(&json!({ "Action": "Keepline" })));
    let answers = world.settle();
    let answer = answers.iter().find(|answer| answer.line == json).expect("an answer");
    refused(answer, 415, "unsupported_media_type");
    for (site, status) in [("cross-site", 403), ("same-site", 403), ("same-origin", 200)] {
        let line = format!("Sec-Fetch-Site: {site}\r\n");
        let answer = world.exchange(HERE, request("POST", path, &line, &all).as_bytes());
        assert_eq!(answer.status, status, "{site}");
    }
}

#[test]
fn a_server_that_stops_answers_a_keepline_and_lets_no_other_in() {
    let mut world = world();
    world.friends();
    let ben = online(&mut world, "ben");
    let line = keepline(&mut world, &ben);
    world.settle();
    world.input(Input::Drain);
    let answers = world.settle();
    let answer = answers.iter().find(|answer| answer.line == line).expect("an answer");
    assert_eq!(answer.body, json!({ "ResponseStatus": 0, "ResponseData": null }));
    refused(&post(&mut world, &[("Action", "Keepline"), ("PassWord", &ben)]), 503, "unavailable");
}

#[test]
fn the_limits_of_today_hold() {
    let mut world = World::with(|config| {
        config.seed_facade = true;
        config.messages_burst_max = 2;
    });
    world.friends();
    let ben = online(&mut world, "ben");
    let fields =
        [("Action", "SendMsg"), ("PassWord", &*ben), ("ReciveUserId", "anna"), ("Content", "x")];
    for _ in 0..2 {
        done(&post(&mut world, &fields));
    }
    let answer = post(&mut world, &fields);
    refused(&answer, 429, "rate_limited");
    assert!(answer.field("Retry-After").is_some());
}
