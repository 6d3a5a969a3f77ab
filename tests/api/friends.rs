//! Friends: who asks, who accepts, what each of the two sees of it.

use serde_json::{Value, json};

use super::support::{Answer, Person, World};
use super::{assert_done, assert_good, assert_refused, assert_wrong, members, said};

fn ask(world: &mut World, person: &Person, name: &str) -> Answer {
    world.post("/api/friends", person, &json!({ "name": name }))
}

fn accept(world: &mut World, person: &Person, other: &Person) -> Answer {
    world.call("POST", &format!("/api/friends/{}/accept", other.id), &person.token, None)
}

fn remove(world: &mut World, person: &Person, other: &Person) -> Answer {
    world.delete(&format!("/api/friends/{}", other.id), person)
}

/// `(name, state)` of everybody in the list of friends.
fn list(world: &mut World, person: &Person) -> Vec<(String, String)> {
    let answer = world.get("/api/friends", person);
    assert_good(&answer, 200, "friends");
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let friends = answer.body["friends"].as_array().expect("a list");
    friends.iter().map(|friend| (text(&friend["user"]["name"]), text(&friend["state"]))).collect()
}

#[track_caller]
fn assert_state(world: &mut World, one: (&Person, &str), other: (&Person, &str)) {
    for ((person, state), name) in [(one, "ben"), (other, "anna")] {
        let expected = match state {
            "" => vec![],
            state => vec![(name.to_owned(), state.to_owned())],
        };
        assert_eq!(list(world, person), expected);
    }
}

#[test]
fn a_request_is_outgoing_here_and_incoming_there_until_it_is_accepted() {
    let mut world = World::new();
    let (anna, ben) = (world.register("anna"), world.register("ben"));
    assert_state(&mut world, (&anna, ""), (&ben, ""));

    let asked = ask(&mut world, &anna, "BEN");
    assert_good(&asked, 201, "friend");
    let stranger = json!({ "id": ben.id, "name": "ben", "display_name": "ben" });
    let expected = json!({ "user": stranger, "state": "outgoing", "conversation_id": null });
    assert_eq!(asked.body["friend"], expected);
    assert_state(&mut world, (&anna, "outgoing"), (&ben, "incoming"));

    let again = ask(&mut world, &anna, "ben");
    assert_good(&again, 200, "friend");
    assert_eq!(again.body, asked.body);

    let accepted = accept(&mut world, &ben, &anna);
    assert_good(&accepted, 200, "friend");
    let friend = &accepted.body["friend"];
    assert_eq!(members(friend), "conversation_id state user");
    assert_eq!(members(&friend["user"]), "display_name id last_seen_at name online");
    assert_eq!(friend["state"], "friends");
    assert_eq!(
        (&friend["user"]["online"], &friend["user"]["last_seen_at"]),
        (&json!(false), &json!(null))
    );
    assert!(friend["conversation_id"].is_i64());
    assert_state(&mut world, (&anna, "friends"), (&ben, "friends"));

    assert_eq!(accept(&mut world, &ben, &anna).body, accepted.body, "also the second time");
    assert_eq!(accept(&mut world, &anna, &ben).status, 200, "whoever asked");
    assert_refused(&ask(&mut world, &anna, "ben"), 409, "already_friends");
    assert_refused(&ask(&mut world, &ben, "anna"), 409, "already_friends");
}

#[test]
fn two_requests_that_cross_make_friends() {
    let mut world = World::new();
    let (anna, ben) = (world.register("anna"), world.register("ben"));
    ask(&mut world, &anna, "ben");
    let crossing = ask(&mut world, &ben, "anna");
    assert_good(&crossing, 201, "friend");
    assert_eq!(crossing.body["friend"]["state"], "friends");
    assert!(crossing.body["friend"]["conversation_id"].is_i64());
    assert_state(&mut world, (&anna, "friends"), (&ben, "friends"));

    // In one turn, too.
    let (carl, dora) = (world.register("carl"), world.register("dora"));
    world.ask("POST", "/api/friends", &carl.token, Some(&json!({ "name": "dora" })));
    world.ask("POST", "/api/friends", &dora.token, Some(&json!({ "name": "carl" })));
    let answers = world.settle();
    let states: Vec<_> = answers.iter().map(|answer| &answer.body["friend"]["state"]).collect();
    assert_eq!(states, ["outgoing", "friends"]);
}

#[test]
fn only_users_other_than_oneself_can_be_asked() {
    let mut world = World::new();
    let anna = world.register("anna");
    for name in ["nobody", "", "no name", "\0", &"x".repeat(100)] {
        assert_refused(&ask(&mut world, &anna, name), 404, "no_such_user");
    }
    assert_wrong(&ask(&mut world, &anna, "Anna"), "invalid_field", "name");
    assert!(list(&mut world, &anna).is_empty());
}

#[test]
fn only_a_request_can_be_accepted() {
    let mut world = World::new();
    let (anna, ben) = (world.register("anna"), world.register("ben"));
    ask(&mut world, &anna, "ben");
    assert_refused(&accept(&mut world, &anna, &ben), 404, "no_such_request");
    assert_refused(&accept(&mut world, &anna, &anna), 404, "no_such_request");
    for id in ["0", "-1", "99", "9223372036854775807"] {
        let path = format!("/api/friends/{id}/accept");
        assert_refused(&world.call("POST", &path, &anna.token, None), 404, "no_such_request");
    }
    assert_state(&mut world, (&anna, "outgoing"), (&ben, "incoming"));
}

#[test]
fn a_request_can_be_declined_and_withdrawn() {
    for withdrawn in [true, false] {
        let mut world = World::new();
        let (anna, ben) = (world.register("anna"), world.register("ben"));
        assert_refused(&remove(&mut world, &anna, &ben), 404, "not_found");
        ask(&mut world, &anna, "ben");
        let (who, whom) = if withdrawn { (&anna, &ben) } else { (&ben, &anna) };
        assert_done(&remove(&mut world, who, whom));
        assert_state(&mut world, (&anna, ""), (&ben, ""));
        assert_refused(&remove(&mut world, who, whom), 404, "not_found");
        assert_refused(&accept(&mut world, &ben, &anna), 404, "no_such_request");
        assert_eq!(ask(&mut world, &anna, "ben").status, 201, "asked anew");
    }
    let mut world = World::new();
    let anna = world.register("anna");
    assert_refused(&remove(&mut world, &anna, &anna), 404, "not_found");
    assert_refused(&world.delete("/api/friends/99", &anna), 404, "not_found");
}

#[test]
fn who_are_friends_no_more_may_read_what_was_but_not_write() {
    let mut world = World::new();
    let (anna, ben, conversation) = world.friends();
    let message = said(&mut world, &anna, conversation, "hello");
    assert_done(&remove(&mut world, &ben, &anna));
    assert_state(&mut world, (&anna, ""), (&ben, ""));
    let path = format!("/api/conversations/{conversation}/messages");
    let read = format!("/api/conversations/{conversation}/read");
    for person in [&anna, &ben] {
        let refused = world.post(&path, person, &json!({ "body": "still there?" }));
        assert_refused(&refused, 403, "not_friends");
        let history = world.get(&path, person);
        assert_eq!(history.body["messages"][0]["id"], message);
        let listed = world.get("/api/conversations", person);
        assert_eq!(listed.body["conversations"][0]["id"], conversation);
        assert_done(&world.put(&read, person, &json!({ "message_id": message })));
    }
    assert_refused(&remove(&mut world, &anna, &ben), 404, "not_found");
}

#[test]
fn who_become_friends_again_go_on_in_the_same_conversation() {
    let mut world = World::new();
    let (anna, ben, conversation) = world.friends();
    said(&mut world, &anna, conversation, "hello");
    remove(&mut world, &anna, &ben);
    let asked = ask(&mut world, &ben, "anna");
    assert_eq!(asked.body["friend"]["state"], "outgoing");
    assert_eq!(asked.body["friend"]["user"].get("online"), None, "not a friend yet");
    let path = format!("/api/conversations/{conversation}/messages");
    assert_eq!(world.post(&path, &ben, &json!({ "body": "x" })).status, 403, "not yet");
    let accepted = accept(&mut world, &anna, &ben);
    assert_eq!(accepted.body["friend"]["conversation_id"], conversation);
    assert_eq!(world.post(&path, &ben, &json!({ "body": "again" })).status, 201);
    let history = world.get(&path, &anna);
    assert_eq!(history.body["messages"].as_array().map(Vec::len), Some(2));
}

#[test]
fn friends_see_of_each_other_who_is_there() {
    let mut world = World::new();
    let (anna, ben, _) = world.friends();
    world.poll(&ben, "", 25);
    world.settle();
    let seen_at = world.now().wall.0;
    let friends = world.get("/api/friends", &anna);
    let user = &friends.body["friends"][0]["user"];
    assert_eq!((&user["online"], &user["last_seen_at"]), (&json!(true), &json!(seen_at)));
}

#[test]
fn names_of_any_script_can_be_asked() {
    let mut world = World::new();
    let anna = world.register("anna");
    for name in ["漠然", "हिन्दी", "Amélie"] {
        world.register(name);
        assert_eq!(ask(&mut world, &anna, name).status, 201);
    }
    assert_eq!(ask(&mut world, &anna, "AME\u{301}LIE").status, 200, "the same in another form");
    assert_eq!(list(&mut world, &anna).len(), 3);
}

#[test]
fn strangers_learn_nothing_of_each_others_friends() {
    let mut world = World::new();
    let (anna, _, _) = world.friends();
    let carl = world.register("carl");
    ask(&mut world, &anna, "carl");
    let state = world.get("/api/state", &carl);
    let friends = state.body["friends"].as_array().expect("a list");
    assert_eq!(friends.len(), 1);
    assert_eq!(members(&friends[0]["user"]), "display_name id name", "no presence");
}
