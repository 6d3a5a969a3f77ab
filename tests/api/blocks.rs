//! Blocks: who wants to hear nothing of whom, and how little the other one notices.

use serde_json::{Value, json};

use super::support::{Answer, Person, World};
use super::{assert_done, assert_refused, assert_wrong, said};

fn path(other: &Person) -> String {
    format!("/api/blocks/{}", other.id)
}

fn block(world: &mut World, person: &Person, other: &Person) {
    let answer = world.call("PUT", &path(other), &person.token, None);
    assert_done(&answer);
}

fn unblock(world: &mut World, person: &Person, other: &Person) {
    assert_done(&world.delete(&path(other), person));
}

fn ask(world: &mut World, person: &Person, name: &str) -> Answer {
    world.post("/api/friends", person, &json!({ "name": name }))
}

/// The list of friends, of which the state has the same.
fn friends(world: &mut World, person: &Person) -> Value {
    let list = world.get("/api/friends", person).body["friends"].clone();
    assert_eq!(world.get("/api/state", person).body["friends"], list);
    list
}

fn states(world: &mut World, person: &Person) -> Vec<String> {
    let list = friends(world, person);
    let rows = list.as_array().expect("a list").iter();
    rows.map(|friend| format!("{} {}", friend["user"]["name"], friend["state"])).collect()
}

/// What has come behind a cursor, and the next one.
fn news(world: &mut World, person: &Person, cursor: &mut String) -> Vec<String> {
    let line = world.poll(person, cursor, 0);
    let answers = world.settle();
    let answer = answers.into_iter().find(|answer| answer.line == line).expect("an answer");
    *cursor = answer.cursor();
    answer.events()
}

#[test]
fn who_blocks_a_friend_sees_the_block_and_the_friend_an_end() {
    let mut world = World::new();
    let (anna, ben, conversation) = world.friends();
    let message = said(&mut world, &ben, conversation, "hello");
    let (mut annas, mut bens) = (world.cursor(&anna), world.cursor(&ben));
    // The message has reached both.
    for _ in 0..2 {
        news(&mut world, &anna, &mut annas);
        news(&mut world, &ben, &mut bens);
    }
    block(&mut world, &anna, &ben);
    block(&mut world, &anna, &ben);
    let user = json!({ "id": ben.id, "name": "ben", "display_name": "ben" });
    let expected = json!([{ "user": user, "state": "blocked", "conversation_id": conversation }]);
    assert_eq!(friends(&mut world, &anna), expected);
    assert_eq!(friends(&mut world, &ben), json!([]));
    assert_eq!(news(&mut world, &anna, &mut annas), [r#"friend "ben" "blocked""#]);
    assert_eq!(news(&mut world, &ben, &mut bens), [format!("friend_removed {}", anna.id)]);

    let messages = format!("/api/conversations/{conversation}/messages");
    for person in [&anna, &ben] {
        let refused = world.post(&messages, person, &json!({ "body": "x" }));
        assert_refused(&refused, 403, "not_friends");
        let history = world.get(&messages, person);
        assert_eq!(history.body["messages"][0]["id"], message);
    }
    assert_refused(&ask(&mut world, &anna, "ben"), 409, "blocked");
    let accept = format!("/api/friends/{}/accept", anna.id);
    assert_refused(&world.call("POST", &accept, &ben.token, None), 404, "no_such_request");
    let remove = |world: &mut World, person: &Person, other: &Person| {
        world.delete(&format!("/api/friends/{}", other.id), person)
    };
    assert_refused(&remove(&mut world, &ben, &anna), 404, "not_found");
    assert_refused(&remove(&mut world, &anna, &ben), 404, "not_found");
}

#[test]
fn friends_who_are_blocked_see_no_presence_and_show_none() {
    let mut world = World::new();
    let (anna, ben, _) = world.friends();
    let (mut annas, mut bens) = (world.cursor(&anna), world.cursor(&ben));
    block(&mut world, &anna, &ben);
    news(&mut world, &anna, &mut annas);
    news(&mut world, &ben, &mut bens);
    world.pass(std::time::Duration::from_secs(60));
    assert_eq!(news(&mut world, &anna, &mut annas), [""; 0]);
    assert_eq!(news(&mut world, &ben, &mut bens), [""; 0]);
}

/// Everything that a user can see of another, who has or has not blocked them, is the same: the
/// answers, the lists and the events.
#[test]
fn the_blocked_may_ask_and_notice_nothing() {
    let seen_by_ben = |blocked: bool| {
        let mut world = World::new();
        let (anna, ben) = (world.register("anna"), world.register("ben"));
        let (mut annas, mut bens) = (world.cursor(&anna), world.cursor(&ben));
        if blocked {
            block(&mut world, &anna, &ben);
            assert_eq!(news(&mut world, &anna, &mut annas), [r#"friend "ben" "blocked""#]);
        }
        let mut seen = Vec::new();
        seen.extend(news(&mut world, &ben, &mut bens));
        for _ in 0..2 {
            let asked = ask(&mut world, &ben, "anna");
            seen.push(format!("{} {}", asked.status, asked.body));
            seen.extend(states(&mut world, &ben));
            seen.extend(news(&mut world, &ben, &mut bens));
            seen.push(world.get("/api/users?q=anna", &ben).body.to_string());
            seen.push(world.get("/api/conversations", &ben).body.to_string());
        }
        let heard = news(&mut world, &anna, &mut annas);
        assert_eq!(heard, if blocked { vec![] } else { vec![r#"friend "ben" "incoming""#] });
        let withdrawn = world.delete(&format!("/api/friends/{}", anna.id), &ben);
        seen.push(withdrawn.status.to_string());
        seen.extend(states(&mut world, &ben));
        seen.extend(news(&mut world, &ben, &mut bens));
        let heard = news(&mut world, &anna, &mut annas);
        let removed = format!("friend_removed {}", ben.id);
        assert_eq!(heard, if blocked { vec![] } else { vec![removed] });
        seen
    };
    assert_eq!(seen_by_ben(true), seen_by_ben(false));
}

#[test]
fn a_request_is_withdrawn_by_blocking_and_one_that_came_still_waits() {
    let mut world = World::new();
    let (anna, ben, carl) = (world.register("anna"), world.register("ben"), world.register("carl"));
    ask(&mut world, &anna, "ben");
    ask(&mut world, &carl, "anna");
    let (mut bens, mut carls) = (world.cursor(&ben), world.cursor(&carl));
    block(&mut world, &anna, &ben);
    block(&mut world, &anna, &carl);
    assert_eq!(states(&mut world, &anna), [r#""ben" "blocked""#, r#""carl" "blocked""#]);
    assert_eq!(states(&mut world, &ben), [""; 0]);
    assert_eq!(states(&mut world, &carl), [r#""anna" "outgoing""#]);
    assert_eq!(news(&mut world, &ben, &mut bens), [format!("friend_removed {}", anna.id)]);
    assert_eq!(news(&mut world, &carl, &mut carls), [""; 0]);
    let accept = format!("/api/friends/{}/accept", carl.id);
    assert_refused(&world.call("POST", &accept, &anna.token, None), 404, "no_such_request");
}

#[test]
fn unblocking_does_not_befriend_but_shows_what_was_asked_meanwhile() {
    let mut world = World::new();
    let (anna, ben, conversation) = world.friends();
    let carl = world.register("carl");
    block(&mut world, &anna, &ben);
    block(&mut world, &anna, &carl);
    ask(&mut world, &carl, "anna");
    let mut annas = world.cursor(&anna);
    let (mut bens, mut carls) = (world.cursor(&ben), world.cursor(&carl));
    for _ in 0..2 {
        unblock(&mut world, &anna, &ben);
        unblock(&mut world, &anna, &carl);
    }
    let removed = format!("friend_removed {}", ben.id);
    let heard = news(&mut world, &anna, &mut annas);
    assert_eq!(heard, [removed.as_str(), r#"friend "carl" "incoming""#]);
    assert_eq!(news(&mut world, &ben, &mut bens), [""; 0]);
    assert_eq!(news(&mut world, &carl, &mut carls), [""; 0]);
    assert_eq!(states(&mut world, &anna), [r#""carl" "incoming""#]);
    assert_eq!(states(&mut world, &ben), [""; 0]);
    let messages = format!("/api/conversations/{conversation}/messages");
    let refused = world.post(&messages, &ben, &json!({ "body": "x" }));
    assert_refused(&refused, 403, "not_friends");
    assert_eq!(ask(&mut world, &ben, "anna").status, 201);
    assert_eq!(ask(&mut world, &anna, "ben").body["friend"]["state"], "friends");
    assert_eq!(world.post(&messages, &ben, &json!({ "body": "x" })).status, 201);
}

#[test]
fn two_who_block_each_other_see_their_own_blocks() {
    let mut world = World::new();
    let (anna, ben, _) = world.friends();
    block(&mut world, &anna, &ben);
    let mut annas = world.cursor(&anna);
    block(&mut world, &ben, &anna);
    assert_eq!(news(&mut world, &anna, &mut annas), [""; 0]);
    assert_eq!(states(&mut world, &anna), [r#""ben" "blocked""#]);
    assert_eq!(states(&mut world, &ben), [r#""anna" "blocked""#]);
    unblock(&mut world, &anna, &ben);
    assert_eq!(states(&mut world, &anna), [""; 0]);
    assert_eq!(states(&mut world, &ben), [r#""anna" "blocked""#]);
    assert_eq!(ask(&mut world, &anna, "ben").status, 201, "as if there were nothing");
    assert_refused(&ask(&mut world, &ben, "anna"), 409, "blocked");
}

#[test]
fn oneself_and_nobody_cannot_be_blocked() {
    let mut world = World::new();
    let (anna, ben, _) = world.friends();
    for method in ["PUT", "DELETE"] {
        let answer = world.call(method, &path(&anna), &anna.token, None);
        assert_wrong(&answer, "invalid_parameter", "user_id");
        for id in ["0", "-1", "99"] {
            let answer = world.call(method, &format!("/api/blocks/{id}"), &anna.token, None);
            assert_refused(&answer, 404, "not_found");
        }
        assert_done(&world.call("DELETE", &path(&ben), &anna.token, None));
    }
    assert_eq!(states(&mut world, &anna), [r#""ben" "friends""#]);
}

#[test]
fn a_block_survives_a_restart() {
    let mut world = World::new();
    let (anna, ben, _) = world.friends();
    block(&mut world, &anna, &ben);
    world.restart();
    assert_eq!(states(&mut world, &anna), [r#""ben" "blocked""#]);
    assert_eq!(states(&mut world, &ben), [""; 0]);
}
