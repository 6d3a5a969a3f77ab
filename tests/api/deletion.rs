//! Deleting an account: what is gone, what stays, who is told.

use serde_json::{Value, json};

use super::support::{Answer, Person, World};
use super::{assert_done, assert_refused, said};

fn delete(world: &mut World, person: &Person, password: &str) -> Answer {
    world.post("/api/me/delete", person, &json!({ "password": password }))
}

fn log_in(world: &mut World, name: &str, password: &str) -> Answer {
    let body = json!({ "name": name, "password": password });
    world.call("POST", "/api/sessions", "", Some(&body))
}

fn tombstone(person: &Person) -> Value {
    json!({ "id": person.id, "name": "", "display_name": "", "deleted": true })
}

/// The events behind a cursor.
fn events(world: &mut World, person: &Person, cursor: &str) -> Vec<Value> {
    let line = world.poll(person, cursor, 0);
    let answers = world.settle();
    let answer = answers.iter().find(|answer| answer.line == line).expect("an answer");
    answer.body["events"].as_array().expect("a list").clone()
}

#[test]
fn a_deleted_account_leaves_its_messages_and_nothing_else() {
    let mut world = World::new();
    let (anna, ben, conversation) = world.friends();
    let message = said(&mut world, &anna, conversation, "hello");
    assert_done(&delete(&mut world, &anna, "secret"));
    for _ in 0..2 {
        assert_refused(&world.get("/api/me", &anna), 401, "unauthorized");
        assert_refused(&log_in(&mut world, "anna", "secret"), 401, "bad_credentials");
        assert_refused(&log_in(&mut world, "", ""), 401, "bad_credentials");
        assert_eq!(world.get("/api/friends", &ben).body["friends"], json!([]));
        assert_eq!(world.get("/api/users?q=anna", &ben).body["users"], json!([]));
        let listed = world.get("/api/conversations", &ben).body["conversations"][0].clone();
        assert_eq!(listed["id"], conversation);
        assert_eq!(listed["members"][0]["user"], tombstone(&anna));
        let messages = format!("/api/conversations/{conversation}/messages");
        let history = world.get(&messages, &ben);
        let last = &history.body["messages"][0];
        assert_eq!((&last["id"], &last["sender_id"]), (&json!(message), &json!(anna.id)));
        assert_eq!(last["body"], "hello");
        let refused = world.post(&messages, &ben, &json!({ "body": "x" }));
        assert_refused(&refused, 403, "not_friends");
        let ask = world.post("/api/friends", &ben, &json!({ "name": "anna" }));
        assert_refused(&ask, 404, "no_such_user");
        for path in [format!("/api/blocks/{}", anna.id), format!("/api/friends/{}", anna.id)] {
            assert_refused(&world.delete(&path, &ben), 404, "not_found");
        }
        world.restart();
    }
}

#[test]
fn the_name_is_free_again_and_belongs_to_somebody_else() {
    let mut world = World::new();
    let (anna, ben, conversation) = world.friends();
    assert_done(&delete(&mut world, &anna, "secret"));
    let next = world.register("ANNA");
    assert_ne!(next.id, anna.id);
    assert_eq!(world.get("/api/conversations", &next).body["conversations"], json!([]));
    assert_ne!(world.befriend(&next, &ben), conversation);
}

#[test]
fn all_sessions_end_with_their_polls_and_streams() {
    let mut world = World::new();
    let (anna, ben, _) = world.friends();
    let phone = world.log_in("anna");
    // Ben is there already when the others come.
    world.poll(&ben, "", 0);
    world.settle();
    let polls = [world.poll(&anna, "", 25), world.poll(&phone, "", 25)];
    let stream = world.connect();
    let request = format!(
        "GET /api/events HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer {}\r\n\
         Accept: application/x-ndjson\r\n\r\n",
        phone.token
    );
    world.send(stream, request.as_bytes());
    world.settle();
    let cursor = world.cursor(&ben);
    let bens = world.poll(&ben, &cursor, 25);
    world.settle();
    let line =
        world.ask("POST", "/api/me/delete", &anna.token, Some(&json!({ "password": "secret" })));
    let answers = world.settle();
    let of = |line| answers.iter().find(|answer| answer.line == line).expect("an answer");
    assert_done(of(line));
    for poll in polls {
        assert_refused(of(poll), 401, "unauthorized");
    }
    let end = of(stream).body.as_str().expect("lines");
    assert!(end.contains(r#"{"type":"end","code":"unauthorized"}"#), "{end}");
    let told = [format!("friend_removed {}", anna.id), "user_updated".to_owned()];
    assert_eq!(of(bens).events(), told);
    assert_eq!(world.chat().held(), 0);
    assert_refused(&world.get("/api/me", &phone), 401, "unauthorized");
}

#[test]
fn whoever_had_to_do_with_them_is_told_and_nobody_else() {
    let mut world = World::new();
    let anna = world.register("anna");
    let names = ["friend", "former", "invited", "fan", "blocked", "hater", "stranger"];
    let people = names.map(|name| world.register(name));
    let [friend, former, invited, fan, blocked, hater, stranger] = &people;
    world.befriend(&anna, friend);
    world.befriend(&anna, former);
    world.delete(&format!("/api/friends/{}", former.id), &anna);
    world.post("/api/friends", &anna, &json!({ "name": "invited" }));
    world.post("/api/friends", fan, &json!({ "name": "anna" }));
    world.call("PUT", &format!("/api/blocks/{}", blocked.id), &anna.token, None);
    world.call("PUT", &format!("/api/blocks/{}", anna.id), &hater.token, None);
    let cursors = people.each_ref().map(|person| world.cursor(person));
    assert_done(&delete(&mut world, &anna, "secret"));
    let removed = json!({ "type": "friend_removed", "user_id": anna.id });
    let updated = json!({ "type": "user_updated", "user": tombstone(&anna) });
    let expected = [
        (friend, vec![removed.clone(), updated.clone()]),
        (former, vec![updated]),
        (invited, vec![removed.clone()]),
        (fan, vec![removed.clone()]),
        (blocked, vec![]),
        (hater, vec![removed]),
        (stranger, vec![]),
    ];
    for ((person, told), cursor) in expected.into_iter().zip(&cursors) {
        assert_eq!(events(&mut world, person, cursor), told, "{}", person.id);
        assert_eq!(world.get("/api/friends", person).body["friends"], json!([]));
    }
}

#[test]
fn the_password_is_asked_for_and_wrong_ones_count() {
    let mut world = World::new();
    let (anna, _, _) = world.friends();
    for round in 0..10 {
        let password = if round % 2 == 0 { "wrong" } else { "" };
        assert_refused(&delete(&mut world, &anna, password), 403, "wrong_password");
    }
    assert_refused(&delete(&mut world, &anna, "secret"), 429, "rate_limited");
    assert_refused(&log_in(&mut world, "anna", "secret"), 429, "rate_limited");
    assert_eq!(world.get("/api/me", &anna).status, 200, "nothing has happened");
}

/// Hashing takes some turns, in which other things happen.
#[test]
fn what_is_on_its_way_meets_no_deleted_account() {
    let mut world = World::with(|config| config.password_iterations = 5000);
    let (anna, ben, _) = world.friends();
    let phone = world.log_in("anna");
    let password = json!({ "password": "secret" });
    let deleted = world.ask("POST", "/api/me/delete", &anna.token, Some(&password));
    let credentials = json!({ "name": "anna", "password": "secret" });
    let log_in = world.ask("POST", "/api/sessions", "", Some(&credentials));
    let change = json!({ "current": "secret", "new": "new one" });
    let change = world.ask("PUT", "/api/me/password", &phone.token, Some(&change));
    let again = world.ask("POST", "/api/me/delete", &phone.token, Some(&password));
    let answers = world.settle();
    let of = |line| answers.iter().find(|answer| answer.line == line).expect("an answer");
    assert_done(of(deleted));
    assert_refused(of(log_in), 401, "bad_credentials");
    assert_refused(of(change), 401, "unauthorized");
    assert_refused(of(again), 401, "unauthorized");
    assert_eq!(world.get("/api/me", &ben).status, 200);
    let anna = world.register("anna");
    assert_eq!(world.get("/api/friends", &anna).body["friends"], json!([]));
}

#[test]
fn a_session_that_ends_meanwhile_deletes_nothing() {
    let mut world = World::with(|config| config.password_iterations = 5000);
    let (anna, _, _) = world.friends();
    let password = json!({ "password": "secret" });
    let line = world.ask("POST", "/api/me/delete", &anna.token, Some(&password));
    assert!(world.turn().is_empty());
    world.ask("DELETE", "/api/sessions/current", &anna.token, None);
    let answers = world.settle();
    let answer = answers.iter().find(|answer| answer.line == line).expect("an answer");
    assert_refused(answer, 401, "unauthorized");
    assert_eq!(log_in(&mut world, "anna", "secret").status, 201);
}

#[test]
fn a_password_that_was_changed_meanwhile_begins_no_session() {
    let mut world = World::with(|config| config.password_iterations = 5000);
    let (anna, _, _) = world.friends();
    let change = json!({ "current": "secret", "new": "new one" });
    let changed = world.ask("PUT", "/api/me/password", &anna.token, Some(&change));
    // Late enough to be answered after the change.
    let mut answers = Vec::new();
    for _ in 0..5 {
        answers.extend(world.turn());
    }
    let credentials = json!({ "name": "anna", "password": "secret" });
    let log_in = world.ask("POST", "/api/sessions", "", Some(&credentials));
    answers.extend(world.settle());
    let place = |line| answers.iter().position(|answer| answer.line == line).expect("an answer");
    assert!(place(changed) < place(log_in));
    assert_eq!(answers[place(changed)].status, 204);
    assert_refused(&answers[place(log_in)], 401, "bad_credentials");
}
