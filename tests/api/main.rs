//! Holds the web service to its contract, one request after the other, over the real router.
//!
//! Each file has one chapter of it. Shapes are compared whole: an answer has the members named
//! there and no others.

mod accounts;
mod blocks;
mod changes;
mod conversations;
mod crowds;
mod deletion;
mod description;
mod events;
mod facade;
mod faults;
mod friends;
mod groups;
mod lab;
mod limits;
mod lookup;
mod matrix;
mod messages;
mod own;
mod passwords;
mod recording;
mod refusals;
mod retention;
mod search;
mod store;
#[path = "../support/mod.rs"]
mod support;
mod tarpit;
mod typing;

use std::net::{IpAddr, Ipv4Addr};

use serde_json::Value;
use support::{Answer, Person, World};

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// The names of an object's members, in alphabetical order.
fn members(value: &Value) -> String {
    let object = value.as_object().unwrap_or_else(|| panic!("{value} is no object"));
    object.keys().map(String::as_str).collect::<Vec<_>>().join(" ")
}

/// Asserts that an answer is a refusal, whole and in form.
#[track_caller]
fn assert_refused(answer: &Answer, status: u16, code: &str) {
    assert_eq!(answer.outcome(), (status, code), "{}", answer.body);
    let expected = match status {
        422 => "code detail field status title type",
        _ => "code detail status title type",
    };
    assert_eq!(members(&answer.body), expected);
    assert_eq!(answer.body["type"], "about:blank");
    assert_eq!(answer.body["status"], status);
    assert!(answer.body["title"].as_str().is_some_and(|title| !title.is_empty()));
    assert!(answer.body["detail"].as_str().is_some_and(|detail| !detail.is_empty()));
    assert_eq!(answer.field("Content-Type"), Some("application/problem+json"));
    assert_eq!(answer.field("Cache-Control"), Some("no-store"));
    assert_eq!(answer.field("X-Content-Type-Options"), Some("nosniff"));
    let challenge = if status == 401 { Some("Bearer") } else { None };
    assert_eq!(answer.field("WWW-Authenticate"), challenge);
    let retry = answer.field("Retry-After").map(str::parse::<u32>);
    match status {
        429 | 503 => assert!(matches!(retry, Some(Ok(1..))), "{retry:?}"),
        _ => assert_eq!(retry, None),
    }
}

/// The same for one that names what is wrong.
#[track_caller]
fn assert_wrong(answer: &Answer, code: &str, field: &str) {
    assert_refused(answer, 422, code);
    assert_eq!(answer.body["field"], field);
}

/// Asserts that an answer is a good one in JSON.
#[track_caller]
fn assert_good(answer: &Answer, status: u16, expected: &str) {
    assert_eq!(answer.status, status, "{}", answer.body);
    assert_eq!(members(&answer.body), expected);
    assert_eq!(answer.field("Content-Type"), Some("application/json"));
    assert_eq!(answer.field("Cache-Control"), Some("no-store"));
    assert_eq!(answer.field("X-Content-Type-Options"), Some("nosniff"));
}

/// Asserts that an answer says that it is done, and nothing else.
#[track_caller]
fn assert_done(answer: &Answer) {
    assert_eq!((answer.status, &answer.body), (204, &Value::from("")));
    assert_eq!(answer.field("Cache-Control"), Some("no-store"));
    assert_eq!(answer.field("X-Content-Type-Options"), Some("nosniff"));
    assert_eq!(answer.field("Content-Length"), None, "RFC 9110, section 8.6");
}

/// Says something and returns its id.
fn said(world: &mut World, person: &Person, conversation: i64, body: &str) -> i64 {
    let line = world.say(person, conversation, body);
    let answers = world.settle();
    let answer = answers.iter().find(|answer| answer.line == line).expect("an answer");
    answer.body["message"]["id"].as_i64().expect("an id")
}
