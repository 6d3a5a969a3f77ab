//! What is one's own: how one is shown, the password, the sessions.

use std::net::IpAddr;
use std::time::Duration;

use serde_json::{Value, json};

use super::support::{Answer, Person, World};
use super::{HERE, assert_done, assert_good, assert_refused, assert_wrong, members};

fn rename(world: &mut World, person: &Person, display_name: &Value) -> Answer {
    let body = json!({ "display_name": display_name });
    world.call("PATCH", "/api/me", &person.token, Some(&body))
}

fn change(world: &mut World, person: &Person, current: &str, new: &str) -> Answer {
    world.put("/api/me/password", person, &json!({ "current": current, "new": new }))
}

fn log_in(world: &mut World, name: &str, password: &str) -> Answer {
    let body = json!({ "name": name, "password": password });
    world.call("POST", "/api/sessions", "", Some(&body))
}

fn sessions(world: &mut World, person: &Person) -> Vec<Value> {
    let answer = world.get("/api/sessions", person);
    assert_good(&answer, 200, "sessions");
    answer.body["sessions"].as_array().expect("a list").clone()
}

/// The `user_updated` events behind a cursor.
fn updates(world: &mut World, person: &Person, cursor: &str) -> Vec<Value> {
    let line = world.poll(person, cursor, 0);
    let answers = world.settle();
    let answer = answers.iter().find(|answer| answer.line == line).expect("an answer");
    let events = answer.body["events"].as_array().expect("a list");
    events.iter().filter(|event| event["type"] == "user_updated").cloned().collect()
}

#[test]
fn a_display_name_can_be_changed() {
    let mut world = World::new();
    let (anna, ben, _) = world.friends();
    let answer = rename(&mut world, &anna, &json!(" Anna  Ł "));
    assert_good(&answer, 200, "user");
    let expected = json!({ "id": anna.id, "name": "anna", "display_name": "Anna  Ł" });
    assert_eq!(answer.body["user"], expected);
    assert_eq!(world.get("/api/me", &anna).body["user"], expected);
    let friends = world.get("/api/friends", &ben);
    assert_eq!(friends.body["friends"][0]["user"]["display_name"], "Anna  Ł");
    for body in [json!({}), json!({ "display_name": null }), json!({ "name": "other" })] {
        let answer = world.call("PATCH", "/api/me", &anna.token, Some(&body));
        assert_good(&answer, 200, "user");
        assert_eq!(answer.body["user"], expected, "nothing else can");
    }
    for wrong in [json!(""), json!(" "), json!(7), json!("a\nb"), json!("x".repeat(65))] {
        assert_wrong(&rename(&mut world, &anna, &wrong), "invalid_field", "display_name");
    }
}

#[test]
fn friends_and_fellow_members_hear_of_a_new_display_name_and_nobody_else() {
    let mut world = World::new();
    let (anna, ben, _) = world.friends();
    let former = world.register("former");
    world.befriend(&anna, &former);
    world.delete(&format!("/api/friends/{}", former.id), &anna);
    let (asked, stranger) = (world.register("asked"), world.register("stranger"));
    world.post("/api/friends", &anna, &json!({ "name": "asked" }));
    let everybody = [&ben, &former, &asked, &stranger, &anna];
    let cursors = everybody.map(|person| world.cursor(person));
    rename(&mut world, &anna, &json!("Anna"));
    rename(&mut world, &anna, &json!("Anna"));
    let user = json!({ "id": anna.id, "name": "anna", "display_name": "Anna" });
    let event = json!({ "type": "user_updated", "user": user });
    let expected = [vec![event.clone()], vec![event], vec![], vec![], vec![]];
    for ((person, cursor), expected) in everybody.into_iter().zip(&cursors).zip(expected) {
        assert_eq!(updates(&mut world, person, cursor), expected);
    }
    let cursor = world.cursor(&ben);
    rename(&mut world, &anna, &json!("Anna"));
    assert!(updates(&mut world, &ben, &cursor).is_empty(), "nothing has changed");
}

#[test]
fn a_new_password_ends_every_other_session() {
    let mut world = World::new();
    let (anna, ben, _) = world.friends();
    let other = world.log_in("anna");
    let poll = world.poll(&other, "", 25);
    let own = world.poll(&anna, "", 25);
    assert!(world.settle().is_empty());
    let body = json!({ "current": "secret", "new": "новый пароль" });
    let line = world.ask("PUT", "/api/me/password", &anna.token, Some(&body));
    let answers = world.settle();
    let of = |line| answers.iter().find(|answer| answer.line == line);
    assert_done(of(line).expect("an answer"));
    assert_refused(of(poll).expect("an answer"), 401, "unauthorized");
    assert!(of(own).is_none(), "one's own polls go on");
    assert_refused(&world.get("/api/me", &other), 401, "unauthorized");
    assert_eq!(world.get("/api/me", &anna).status, 200);
    assert_eq!(world.get("/api/me", &ben).status, 200);
    assert_refused(&log_in(&mut world, "anna", "secret"), 401, "bad_credentials");
    world.restart();
    assert_eq!(log_in(&mut world, "anna", "новый пароль").status, 201);
    assert_eq!(log_in(&mut world, "ben", "secret").status, 201);
}

#[test]
fn a_new_password_needs_the_present_one_and_has_to_be_one() {
    let mut world = World::with(|config| config.rate_limits = false);
    let (anna, _, _) = world.friends();
    let other = world.log_in("anna");
    for current in ["", "Secret", "secret ", &"x".repeat(300)] {
        assert_refused(&change(&mut world, &anna, current, "new one"), 403, "wrong_password");
    }
    for new in ["", "1234", &"x".repeat(257)] {
        let answer = change(&mut world, &anna, "wrong", new);
        assert_wrong(&answer, "invalid_password", "new");
    }
    for (body, field) in [
        (json!({ "new": "new one" }), "current"),
        (json!({ "current": 7, "new": "new one" }), "current"),
        (json!({ "current": "secret" }), "new"),
        (json!({ "current": "secret", "new": [] }), "new"),
    ] {
        let answer = world.put("/api/me/password", &anna, &body);
        assert_wrong(&answer, "invalid_field", field);
    }
    assert_eq!(world.get("/api/me", &other).status, 200, "nothing has happened");
    assert_eq!(log_in(&mut world, "anna", "secret").status, 201);
}

#[test]
fn wrong_passwords_count_wherever_they_are_typed() {
    let mut world = World::new();
    let (anna, _, _) = world.friends();
    for _ in 0..5 {
        assert_eq!(change(&mut world, &anna, "wrong", "new one").status, 403);
        assert_eq!(log_in(&mut world, "anna", "wrong").status, 401);
    }
    assert_refused(&change(&mut world, &anna, "secret", "new one"), 429, "rate_limited");
    assert_refused(&log_in(&mut world, "anna", "secret"), 429, "rate_limited");
    let elsewhere: IpAddr = "192.0.2.7".parse().expect("an address");
    let body = json!({ "current": "secret", "new": "new one" });
    let answer = world.call_from(elsewhere, "PUT", "/api/me/password", &anna.token, Some(&body));
    assert_eq!(answer.status, 204);
}

#[test]
fn of_two_new_passwords_at_once_the_later_is_refused() {
    let mut world = World::with(|config| config.password_iterations = 5000);
    let (anna, _, _) = world.friends();
    let mut lines = ["one way", "another way"].map(|new| {
        let body = json!({ "current": "secret", "new": new });
        (world.ask("PUT", "/api/me/password", &anna.token, Some(&body)), new)
    });
    let answers = world.settle();
    let status = |line| answers.iter().find(|answer| answer.line == line).map(|it| it.status);
    lines.sort_by_key(|&(line, _)| status(line));
    let [(set, new), (refused, other)] = lines;
    assert_eq!((status(set), status(refused)), (Some(204), Some(403)));
    assert_eq!(log_in(&mut world, "anna", new).status, 201);
    assert_refused(&log_in(&mut world, "anna", other), 401, "bad_credentials");
}

#[test]
fn a_session_that_ends_meanwhile_changes_no_password() {
    // Hashing takes some turns, so that something can come in between.
    let mut world = World::with(|config| config.password_iterations = 5000);
    let (anna, _, _) = world.friends();
    let body = json!({ "current": "secret", "new": "new one" });
    let line = world.ask("PUT", "/api/me/password", &anna.token, Some(&body));
    assert!(world.turn().is_empty());
    world.ask("DELETE", "/api/sessions/current", &anna.token, None);
    let answers = world.settle();
    let answer = answers.iter().find(|answer| answer.line == line).expect("an answer");
    assert_refused(answer, 401, "unauthorized");
    assert_eq!(log_in(&mut world, "anna", "secret").status, 201);
}

#[test]
fn sessions_are_listed_with_what_tells_them_apart() {
    let mut world = World::new();
    let (anna, _, _) = world.friends();
    let began = world.now().wall.0;
    world.pass(Duration::from_secs(7_200));
    let body = r#"{"name":"anna","password":"secret"}"#;
    let request = format!(
        "POST /api/sessions HTTP/1.1\r\nHost: test\r\nUser-Agent: Phone/1 \u{6f20}\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let answer = world.exchange(HERE, request.as_bytes());
    let phone =
        Person { id: anna.id, token: answer.body["token"].as_str().expect("a token").to_owned() };
    let now = world.now().wall.0;
    let listed = sessions(&mut world, &phone);
    assert_eq!(listed.len(), 2);
    assert_eq!(members(&listed[0]), "created_at current id last_used_at user_agent");
    let summary = |session: &Value| {
        ["created_at", "last_used_at", "user_agent", "current"].map(|name| session[name].clone())
    };
    assert_eq!(summary(&listed[0]), [json!(began), json!(began), json!(""), json!(false)]);
    let agent = json!("Phone/1 \u{6f20}");
    assert_eq!(summary(&listed[1]), [json!(now), json!(now), agent, json!(true)]);
    let seen_by_the_other = sessions(&mut world, &anna);
    assert_eq!(seen_by_the_other[0]["current"], true);
    assert_eq!(seen_by_the_other[0]["last_used_at"], now);
    assert!(!world.get("/api/sessions", &anna).body.to_string().contains(&anna.token));
}

#[test]
fn a_session_that_has_expired_is_listed_no_more() {
    let mut world = World::with(|config| config.token_lifetime = Duration::from_secs(60));
    let anna = world.register("anna");
    world.pass(Duration::from_secs(120));
    let again = world.log_in("anna");
    assert_eq!(sessions(&mut world, &again).len(), 1);
    assert_eq!(world.get("/api/me", &anna).status, 401);
}

#[test]
fn one_of_ones_sessions_can_be_ended_and_its_polls_with_it() {
    let mut world = World::new();
    let (anna, ben, _) = world.friends();
    let phone = world.log_in("anna");
    let poll = world.poll(&phone, "", 25);
    assert!(world.settle().is_empty());
    let listed = sessions(&mut world, &anna);
    let other = listed.iter().find(|session| session["current"] == false).expect("the phone's");
    let path = format!("/api/sessions/{}", other["id"]);
    assert_refused(&world.delete(&path, &ben), 404, "not_found");
    world.ask("DELETE", &path, &anna.token, None);
    let answers = world.settle();
    let of = |line| answers.iter().find(|answer| answer.line == line).expect("an answer");
    assert_refused(of(poll), 401, "unauthorized");
    assert!(answers.iter().any(|answer| answer.status == 204));
    assert_refused(&world.get("/api/me", &phone), 401, "unauthorized");
    assert_refused(&world.delete(&path, &anna), 404, "not_found");
    for id in ["0", "-1", "99"] {
        let answer = world.delete(&format!("/api/sessions/{id}"), &anna);
        assert_refused(&answer, 404, "not_found");
    }
    let own = sessions(&mut world, &anna).remove(0)["id"].clone();
    assert_done(&world.delete(&format!("/api/sessions/{own}"), &anna));
    assert_refused(&world.get("/api/me", &anna), 401, "unauthorized");
}
