//! Search: what is found, by whom, in which order, and in how many pages.

use std::time::Duration;

use lovejoy::data::NewMessage;
use lovejoy::entity::{ConversationId, UserId};
use serde_json::json;

use super::support::{Answer, Person, World};
use super::{assert_done, assert_good, assert_refused, assert_wrong, said};

const NOTHING: [i64; 0] = [];

fn search(world: &mut World, person: &Person, query: &str) -> Answer {
    world.get(&format!("/api/search?{query}"), person)
}

fn ids(answer: &Answer) -> Vec<i64> {
    let messages = answer.body["messages"].as_array().expect("a list");
    messages.iter().map(|message| message["id"].as_i64().expect("an id")).collect()
}

fn found(world: &mut World, person: &Person, query: &str) -> Vec<i64> {
    let answer = search(world, person, query);
    assert_good(&answer, 200, "messages more");
    assert_eq!(answer.body["more"], false);
    ids(&answer)
}

#[test]
fn what_is_said_is_found_newest_first_whatever_its_case() {
    let mut world = World::new();
    let (anna, ben, conversation) = world.friends();
    let hello = said(&mut world, &anna, conversation, "Hello, World");
    let chinese = said(&mut world, &ben, conversation, "漠然たる不安");
    let shell = said(&mut world, &ben, conversation, "in a nutSHELL");
    for (query, expected) in [
        ("q=hell", vec![shell, hello]),
        ("q=HELLO,%20w", vec![hello]),
        ("q=l", vec![shell, hello]),
        ("q=%E7%84%B6", vec![chinese]),
        ("q=%E6%BC%A0%E7%84%B6", vec![chinese]),
        ("q=%E7%84%B6%E6%BC%A0", vec![]),
        ("q=+hello+", vec![hello]),
        ("q=%25", vec![]),
        ("q=", vec![]),
        ("", vec![]),
        ("q=+", vec![]),
    ] {
        assert_eq!(found(&mut world, &anna, query), expected, "{query}");
        assert_eq!(found(&mut world, &ben, query), expected, "{query}");
    }
}

#[test]
fn a_found_message_is_like_any_other_with_the_nonce_for_its_sender_alone() {
    let mut world = World::new();
    let (anna, ben, conversation) = world.friends();
    let path = format!("/api/conversations/{conversation}/messages");
    let mut message = world.post(&path, &anna, &json!({ "body": "hello", "nonce": "n" })).body;
    assert_eq!(search(&mut world, &anna, "q=he").body["messages"][0], message["message"]);
    message["message"].as_object_mut().expect("an object").remove("nonce");
    assert_eq!(search(&mut world, &ben, "q=he").body["messages"][0], message["message"]);
}

#[test]
fn nobody_finds_what_they_may_not_see() {
    let mut world = World::new();
    let (anna, ben, conversation) = world.friends();
    let carl = world.register("carl");
    world.befriend(&anna, &carl);
    said(&mut world, &ben, conversation, "a secret");
    assert_eq!(found(&mut world, &carl, "q=secret"), NOTHING);
    let group = world.group(&anna, "crew", &[&ben]);
    said(&mut world, &ben, group, "another secret");
    let members = format!("/api/conversations/{group}/members");
    world.post(&members, &anna, &json!({ "user_id": carl.id }));
    let told = said(&mut world, &ben, group, "no secret");
    assert_eq!(found(&mut world, &carl, "q=secret"), [told], "from the joining on");
    assert_eq!(found(&mut world, &anna, "q=secret").len(), 3);
    assert_done(&world.delete(&format!("{members}/{}", carl.id), &carl));
    assert_eq!(found(&mut world, &carl, "q=secret"), NOTHING);
}

#[test]
fn an_edited_message_is_found_by_what_it_says_now_and_a_deleted_one_by_nothing() {
    // Small batches: these messages are signed already.
    let mut world = World::with(|config| config.index_batch = 1);
    let (anna, ben, conversation) = world.friends();
    let edited = said(&mut world, &anna, conversation, "before");
    let deleted = said(&mut world, &anna, conversation, "before");
    fill(&mut world, &ben, conversation, (0..3000).map(|number| format!("number {number}")));
    world.pass(Duration::from_secs(60));
    assert_eq!(found(&mut world, &ben, "q=before"), [deleted, edited]);
    let path = |id: i64| format!("/api/messages/{id}");
    world.patch(&path(edited), &anna, &json!({ "body": "afterwards" }));
    world.delete(&path(deleted), &anna);
    assert_eq!(found(&mut world, &ben, "q=before"), NOTHING);
    assert_eq!(found(&mut world, &ben, "q=wards"), [edited]);
    assert_eq!(found(&mut world, &ben, "q=number%201234").len(), 1);
    world.restart();
    assert_eq!(found(&mut world, &ben, "q=wards"), [edited]);
}

#[test]
fn pages_go_on_before_the_last_message() {
    let mut world = World::new();
    let (anna, _, conversation) = world.friends();
    let mut all: Vec<i64> =
        (0..5).map(|_| said(&mut world, &anna, conversation, "hello")).collect();
    all.reverse();
    let first = search(&mut world, &anna, "q=hello&limit=2");
    assert_good(&first, 200, "messages more");
    assert_eq!((ids(&first), &first.body["more"]), (all[..2].to_vec(), &json!(true)));
    let query = format!("q=hello&limit=3&before={}", all[1]);
    assert_eq!(found(&mut world, &anna, &query), all[2..]);
    assert_eq!(found(&mut world, &anna, "q=hello&limit=5"), all);
    assert_eq!(ids(&search(&mut world, &anna, "q=hello&limit=0")).len(), 1, "one at least");
    assert_eq!(found(&mut world, &anna, "q=hello&before=-1"), NOTHING);
}

#[test]
fn what_cannot_be_searched_for_is_named() {
    let mut world = World::new();
    let (anna, ..) = world.friends();
    let long = search(&mut world, &anna, &format!("q={}", "a".repeat(65)));
    assert_wrong(&long, "invalid_parameter", "q");
    assert_wrong(&search(&mut world, &anna, "q=a&before=x"), "invalid_parameter", "before");
    assert_wrong(&search(&mut world, &anna, "q=a&limit=x"), "invalid_parameter", "limit");
    assert_refused(&world.call("GET", "/api/search?q=a", "", None), 401, "unauthorized");
}

/// Messages that are said in one turn, by nobody's hand.
fn fill(
    world: &mut World,
    sender: &Person,
    conversation: i64,
    bodies: impl Iterator<Item = String>,
) {
    for body in bodies {
        let new = NewMessage {
            conversation_id: ConversationId(conversation),
            sender_id: UserId(sender.id),
            body: &body,
            nonce: None,
            sent_at: world.now().wall,
        };
        world.chat().store().add_message(&new).expect("written");
    }
    world.chat().store().commit().expect("committed");
}

#[test]
fn a_search_takes_several_turns_and_answers_with_what_it_has_when_its_time_is_over() {
    // What is not signed is read through.
    let mut world = World::with(|config| config.index_batch = 1_000_000);
    let (anna, ben, conversation) = world.friends();
    let needle = said(&mut world, &anna, conversation, "a needle");
    fill(&mut world, &ben, conversation, (0..7000).map(|_| "hay".to_owned()));
    let newest = needle + 7000;
    let line = world.ask("GET", "/api/search?q=needle", &anna.token, None);
    assert!(world.turn().is_empty(), "nobody is kept waiting by it");
    let other = world.ask("GET", "/api/me", &ben.token, None);
    let answers = world.turn();
    assert_eq!((answers.len(), answers[0].line), (1, other));
    let again = world.ask("GET", "/api/search?q=needle", &anna.token, None);
    let answers = world.settle();
    assert_eq!([answers[0].line, answers[1].line], [again, line]);
    assert_refused(&answers[0], 429, "rate_limited");
    assert_eq!(ids(&answers[1]), [needle]);

    let line = world.ask("GET", "/api/search?q=needle", &anna.token, None);
    assert!(world.turn().is_empty());
    world.stall(Duration::from_secs(1));
    let answers = world.turn();
    assert_eq!(answers[0].line, line);
    assert_good(&answers[0], 200, "before messages more");
    assert_eq!((ids(&answers[0]), &answers[0].body["more"]), (vec![], &json!(true)));
    let before = answers[0].body["before"].as_i64().expect("a number");
    assert!(needle < before && before < newest);
    let query = format!("q=needle&before={before}");
    assert_eq!(found(&mut world, &anna, &query), [needle]);
}
