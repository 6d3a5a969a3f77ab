//! Old messages are forgotten, where the operator wants it: the oldest first, and history ends there.

use std::time::Duration;

use lovejoy::entity::MessageId;
use serde_json::{Value, json};

use super::support::{Person, World};
use super::{assert_refused, said};

const HOUR: Duration = Duration::from_secs(3600);
const MINUTE: Duration = Duration::from_secs(60);

fn history(world: &mut World, person: &Person, conversation: i64) -> Vec<i64> {
    let path = format!("/api/conversations/{conversation}/messages?limit=200");
    let answer = world.get(&path, person);
    let messages = answer.body["messages"].as_array().expect("messages");
    messages.iter().map(|message| message["id"].as_i64().expect("an id")).collect()
}

fn listed(world: &mut World, person: &Person) -> Value {
    world.get("/api/conversations", person).body["conversations"][0].clone()
}

#[test]
fn what_is_too_old_is_forgotten_and_what_is_newer_stays() {
    let mut world = World::with(|config| config.retention = 3 * HOUR);
    let (anna, ben, conversation) = world.friends();
    let cursor = world.cursor(&ben);
    let path = format!("/api/conversations/{conversation}/messages");
    let old = json!({ "body": "old", "nonce": "n" });
    assert_eq!(world.post(&path, &anna, &old).status, 201);
    let edited = said(&mut world, &anna, conversation, "to be edited");
    world.pass(2 * HOUR);
    let edit = json!({ "body": "edited" });
    let change = format!("/api/messages/{edited}");
    assert_eq!(world.call("PATCH", &change, &anna.token, Some(&edit)).status, 200);
    let young = said(&mut world, &anna, conversation, "young");
    assert_eq!(history(&mut world, &ben, conversation), [1, 2, young]);
    world.pass(HOUR + 2 * MINUTE);
    for _ in 0..2 {
        assert_eq!(history(&mut world, &ben, conversation), [young]);
        let listed = listed(&mut world, &ben);
        assert_eq!((&listed["unread"], &listed["last_message"]["id"]), (&json!(1), &json!(young)));
        let line = world.poll(&ben, &cursor, 0);
        let answers = world.settle();
        let answer = answers.iter().find(|answer| answer.line == line).expect("an answer");
        let messages: Vec<_> =
            answer.events().into_iter().filter(|event| event.starts_with("message")).collect();
        assert_eq!(messages, [r#"message "young""#], "history simply begins there");
        for (words, ids) in [("young", vec![young]), ("edited", vec![]), ("old", vec![])] {
            let found = world.get(&format!("/api/search?q={words}"), &ben).body.clone();
            let messages = found["messages"].as_array().expect("messages");
            let found: Vec<_> = messages.iter().filter_map(|found| found["id"].as_i64()).collect();
            assert_eq!(found, ids, "{words}");
        }
        assert_refused(&world.call("PATCH", &change, &anna.token, Some(&edit)), 404, "not_found");
        world.restart();
    }
    let again = world.post(&path, &anna, &old);
    assert_eq!(again.status, 201, "the nonce is forgotten, too");
}

#[test]
fn the_newest_stays_and_no_number_is_given_again() {
    let mut world = World::with(|config| config.retention = HOUR);
    let (anna, ben, conversation) = world.friends();
    let ids: Vec<i64> = (0..3).map(|_| said(&mut world, &anna, conversation, "x")).collect();
    world.pass(9 * HOUR);
    assert_eq!(history(&mut world, &ben, conversation), ids[2..]);
    world.restart();
    let next = said(&mut world, &anna, conversation, "y");
    assert_eq!(next, ids[2] + 1);
    world.pass(2 * MINUTE);
    assert_eq!(history(&mut world, &ben, conversation), [next]);
}

#[test]
fn where_the_operator_says_nothing_all_is_kept() {
    let mut world = World::new();
    let (anna, ben, conversation) = world.friends();
    let id = said(&mut world, &anna, conversation, "x");
    said(&mut world, &anna, conversation, "y");
    world.pass(10 * HOUR);
    assert_eq!(history(&mut world, &ben, conversation)[0], id);
}

#[test]
fn beyond_a_size_the_oldest_are_forgotten_a_few_at_a_time() {
    let mut world = World::with(|config| {
        config.rate_limits = false;
        config.retention_bytes = 900_000;
        config.index_batch = 64;
    });
    let (anna, ben, conversation) = world.friends();
    let body = "x".repeat(1000);
    let ids: Vec<i64> = (0..800).map(|_| said(&mut world, &anna, conversation, &body)).collect();
    let exists = |world: &mut World, id: i64| {
        world.chat().store().message(MessageId(id)).expect("readable").is_some()
    };
    assert!(exists(&mut world, ids[0]), "not while something else is to be done");
    // One slice each time, when it is quiet.
    world.pass(Duration::from_millis(49));
    assert!(exists(&mut world, ids[0]));
    world.pass(Duration::from_millis(1));
    let gone = ids.iter().take_while(|id| !exists(&mut world, **id)).count();
    assert!(gone > 0 && gone % 256 == 0, "{gone}");
    world.pass(2 * MINUTE);
    let newest = history(&mut world, &ben, conversation);
    assert_eq!(newest.last(), ids.last());
    let kept = ids.iter().filter(|id| exists(&mut world, **id)).count();
    assert!((100..400).contains(&kept), "{kept} are kept");
    assert!(ids[800 - kept..].iter().all(|id| exists(&mut world, *id)), "the newest");
    world.restart();
    assert_eq!(history(&mut world, &ben, conversation), newest);
    said(&mut world, &anna, conversation, "on and on");
}
