//! `openapi.json`: it is served, it names every route, and all that it names occurs. That everything
//! which occurs is named is checked with each answer that any test asks for (see `support::openapi`).

use std::collections::BTreeSet;

use lovejoy::config::Registration;
use lovejoy::server::Input;
use lovejoy::web;
use serde_json::{Value, json};

use super::support::openapi::{self, OPENAPI};
use super::support::{Answer, Person, World};
use super::{HERE, matrix, said};

/// Each operation with its method and the template of its path.
fn operations() -> Vec<(String, &'static str, &'static Value)> {
    let mut operations = Vec::new();
    for (template, item) in OPENAPI["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("an item") {
            if method != "parameters" {
                operations.push((method.to_ascii_uppercase(), template.as_str(), operation));
            }
        }
    }
    operations
}

#[test]
fn every_route_is_described_and_nothing_else() {
    let described: BTreeSet<_> =
        operations().into_iter().map(|(method, path, _)| (method, path)).collect();
    let routes: BTreeSet<_> =
        web::routes().map(|(method, path)| (method.as_str().to_owned(), path)).collect();
    assert_eq!(described, routes);
}

#[test]
fn the_description_is_sound() {
    let text = OPENAPI.to_string();
    for reference in text.split(r##""$ref":"#"##).skip(1) {
        let pointer = reference.split('"').next().unwrap_or("");
        assert!(OPENAPI.pointer(pointer).is_some(), "there is no {pointer}");
    }
    for (kind, components) in OPENAPI["components"].as_object().expect("components") {
        for name in components.as_object().expect("an object").keys() {
            let used = format!("#/components/{kind}/{name}");
            assert!(kind == "securitySchemes" || text.contains(&used), "nobody needs {used}");
        }
    }
    let mut ids = BTreeSet::new();
    for (method, path, operation) in operations() {
        assert!(ids.insert(operation["operationId"].as_str()), "{method} {path}");
        let parameters = OPENAPI["paths"][path]["parameters"].as_array().map_or(0, Vec::len);
        assert_eq!(parameters, path.matches('{').count(), "{path} has its parameters");
    }
}

#[test]
fn it_is_served_as_a_page_is() {
    let mut world = World::new();
    let nobody = Person { id: 0, token: String::new() };
    let answer = world.get("/openapi.json", &nobody);
    assert_eq!((answer.status, &answer.body), (200, &*OPENAPI));
    assert_eq!(answer.field("Content-Type"), Some("application/json"));
    let tag = answer.field("ETag").expect("a tag").to_owned();
    let fields =
        |fields: &str| format!("GET /openapi.json HTTP/1.1\r\nHost: test\r\n{fields}\r\n\r\n");
    let again = world.exchange(HERE, fields(&format!("If-None-Match: {tag}")).as_bytes());
    assert_eq!((again.status, again.field("ETag")), (304, Some(tag.as_str())));
    assert_eq!(world.call("POST", "/openapi.json", "", Some(&json!({}))).status, 405);
}

/// An answer that is not as described does not pass.
#[test]
fn what_is_not_described_is_noticed() {
    let mut world = World::new();
    let (anna, _, _) = world.friends();
    let good = world.get("/api/state", &anna);
    let check = |change: &dyn Fn(&mut Answer)| {
        let mut answer = good.clone();
        change(&mut answer);
        openapi::check("GET", "/api/state", None, &answer).is_ok()
    };
    assert!(check(&|_| {}));
    assert!(!check(&|answer| answer.status = 201), "a status that is not named");
    assert!(!check(&|answer| answer.status = 404), "of other operations, but not of this");
    assert!(!check(&|answer| answer.head = answer.head.replace("/json", "/x")), "a type");
    assert!(!check(&|answer| answer.body["new"] = json!(1)), "a member");
    assert!(!check(&|answer| answer.body["user"]["id"] = json!("1")), "another type");
    assert!(!check(&|answer| answer.body["friends"][0]["state"] = json!("foe")), "a value");
    assert!(!check(&|answer| drop(answer.body.as_object_mut().unwrap().remove("cursor"))));
    let refused = world.get("/api/me", &Person { id: 0, token: String::new() });
    let mut other = refused.clone();
    other.body["code"] = json!("wrong_password");
    assert!(openapi::check("GET", "/api/me", None, &refused).is_ok());
    assert!(openapi::check("GET", "/api/me", None, &other).is_err(), "a code");
}

/// What of the description is seen at work.
#[derive(Default)]
struct Seen(BTreeSet<String>);

impl Seen {
    fn see(&mut self, method: &str, path: &str, sent: Option<&Value>, answer: &Answer) {
        let seen = openapi::check(method, path, sent, answer);
        self.0.extend(seen.unwrap_or_else(|why| panic!("{why}")));
    }

    fn call(&mut self, world: &mut World, request: (&str, &str), who: &Person, body: &Value) {
        let (method, path) = request;
        let answer = world.call(method, path, &who.token, Some(body));
        self.see(method, path, Some(body), &answer);
    }

    fn raw(&mut self, world: &mut World, request: (&str, &str), fields: &str, body: &str) {
        let (method, path) = request;
        let bytes = format!("{method} {path} HTTP/1.1\r\nHost: test\r\n{fields}\r\n\r\n{body}");
        let answer = world.exchange(HERE, bytes.as_bytes());
        self.see(method, path, None, &answer);
    }
}

#[test]
fn all_that_is_named_occurs() {
    let mut seen = Seen::default();
    matrix::walk(|method, path, sent, answer| seen.see(method, path, sent, answer));
    faults_of_form(&mut seen);
    faults_of_parameters(&mut seen);
    too_often(&mut seen);
    while_it_stops(&mut seen);
    what_is_said_twice(&mut seen);
    let mut named = BTreeSet::new();
    for (method, path, operation) in operations() {
        let statuses = operation["responses"].as_object().expect("responses").keys();
        let statuses = statuses.filter(|status| *status != "default");
        named.extend(statuses.map(|status| format!("{method} {path} {status}")));
    }
    let unseen: Vec<_> = named.difference(&seen.0).collect();
    assert!(unseen.is_empty(), "named, and not seen: {unseen:#?}");
}

/// A path of each template that is well-formed.
fn sample(template: &str) -> String {
    template.replace("{id}", "1").replace("{user_id}", "2")
}

/// Too large, of another type, not JSON, not an object.
fn faults_of_form(seen: &mut Seen) {
    let mut world = World::new();
    let anna = world.register("anna");
    let token = format!("Authorization: Bearer {}", anna.token);
    for (method, template, operation) in operations() {
        let path = sample(template);
        let request = (method.as_str(), path.as_str());
        seen.raw(&mut world, request, &format!("{token}\r\nContent-Length: 99999"), "");
        if operation.get("requestBody").is_some() {
            let text = format!("{token}\r\nContent-Type: text/plain\r\nContent-Length: 2");
            seen.raw(&mut world, request, &text, "{}");
            seen.raw(&mut world, request, &format!("{token}\r\nContent-Length: 1"), "{");
            seen.raw(&mut world, request, &format!("{token}\r\nContent-Length: 2"), "[]");
        }
    }
}

fn faults_of_parameters(seen: &mut Seen) {
    let mut world = World::new();
    let anna = world.register("anna");
    let token = format!("Authorization: Bearer {}", anna.token);
    for path in [
        "/api/users?limit=x",
        "/api/conversations/1/messages?limit=x",
        "/api/events?wait=x",
        "/api/search?limit=x",
    ] {
        seen.raw(&mut world, ("GET", path), &token, "");
    }
    seen.raw(&mut world, ("GET", "/api/events"), &format!("{token}\r\nAccept: text/html"), "");
    let nobody = Person { id: 0, token: String::new() };
    let account = json!({ "name": "anna", "password": "secret", "invite": "none" });
    for registration in [Registration::Open, Registration::Invite, Registration::Closed] {
        let mut world = World::with(|config| config.registration = registration);
        seen.call(&mut world, ("GET", "/api/server"), &nobody, &json!({}));
        seen.call(&mut world, ("POST", "/api/users"), &nobody, &account);
    }
}

fn too_often(seen: &mut Seen) {
    let mut world = World::with(|config| {
        config.failed_passwords_max = 1;
        config.friend_requests_max = 1;
        config.messages_burst_max = 1;
        config.registrations_max = 2;
    });
    let (anna, ben, conversation) = world.friends();
    let wrong = json!({
        "name": "anna", "password": "wrong", "current": "wrong", "new": "other", "body": "x",
    });
    let conversation = format!("/api/conversations/{conversation}");
    for path in ["/messages", "/typing"].map(|rest| format!("{conversation}{rest}")) {
        for _ in 0..2 {
            seen.call(&mut world, ("POST", &path), &anna, &wrong);
        }
    }
    let requests = [
        ("PATCH", "/api/messages/1", &anna),
        ("POST", "/api/conversations", &anna),
        ("PATCH", "/api/conversations/1", &anna),
        ("POST", "/api/conversations/1/members", &anna),
        ("DELETE", "/api/conversations/1/members/1", &anna),
        ("POST", "/api/friends", &ben),
        ("POST", "/api/friends", &ben),
        ("POST", "/api/users", &anna),
        ("POST", "/api/sessions", &anna),
        ("POST", "/api/sessions", &anna),
        ("PUT", "/api/me/password", &anna),
        ("POST", "/api/me/delete", &anna),
    ];
    for (method, path, who) in requests {
        seen.call(&mut world, (method, path), who, &wrong);
    }
    // One search at a time.
    world.ask("GET", "/api/search?q=x", &anna.token, None);
    world.ask("GET", "/api/search?q=y", &anna.token, None);
    for answer in world.settle() {
        seen.see("GET", "/api/search", None, &answer);
    }
}

/// Who is in the middle of a request when the server is told to stop, is answered that it does.
fn while_it_stops(seen: &mut Seen) {
    let mut world = World::new();
    let lines: Vec<_> = operations()
        .into_iter()
        .map(|(method, template, _)| {
            let line = world.connect();
            let path = sample(template);
            world.send(line, format!("{method} {path} HTTP/1.1\r\n").as_bytes());
            (line, method, path)
        })
        .collect();
    world.input(Input::Drain);
    for (line, ..) in &lines {
        world.send(*line, b"Host: test\r\n\r\n");
    }
    let answers = world.settle();
    for (line, method, path) in &lines {
        let answer = answers.iter().find(|answer| answer.line == *line).expect("an answer");
        assert_eq!(answer.status, 503);
        seen.see(method, path, None, answer);
    }
}

fn what_is_said_twice(seen: &mut Seen) {
    let mut world = World::new();
    let (anna, _, conversation) = world.friends();
    world.register("carl");
    let messages = format!("/api/conversations/{conversation}/messages");
    for body in ["x", "x", "y"] {
        let body = json!({ "body": body, "nonce": "n" });
        seen.call(&mut world, ("POST", &messages), &anna, &body);
        seen.call(&mut world, ("POST", "/api/friends"), &anna, &json!({ "name": "carl" }));
    }
    let id = said(&mut world, &anna, conversation, "hello");
    let message = format!("/api/messages/{id}");
    world.delete(&message, &anna);
    seen.call(&mut world, ("PATCH", &message), &anna, &json!({ "body": "x" }));
}
