//! Conversations: their list, their history, what was read of them, and who may know of them.

use serde_json::{Value, json};

use super::support::{Person, World};
use super::{assert_done, assert_good, assert_refused, members, said};

fn list(world: &mut World, person: &Person) -> Vec<Value> {
    let answer = world.get("/api/conversations", person);
    assert_good(&answer, 200, "conversations");
    answer.body["conversations"].as_array().expect("a list").clone()
}

fn unread(world: &mut World, person: &Person) -> Value {
    list(world, person)[0]["unread"].clone()
}

fn mark(world: &mut World, person: &Person, conversation: i64, message: i64) {
    let path = format!("/api/conversations/{conversation}/read");
    assert_done(&world.put(&path, person, &json!({ "message_id": message })));
}

/// The read mark of a member, as another one sees it.
fn read_mark(world: &mut World, viewer: &Person, member: &Person) -> Value {
    let conversation = list(world, viewer).remove(0);
    let members = conversation["members"].as_array().expect("a list");
    let found = members.iter().find(|one| one["user"]["id"] == member.id);
    found.expect("a member")["last_read_id"].clone()
}

#[test]
fn a_conversation_has_exactly_the_members_of_the_contract() {
    let mut world = World::new();
    let (anna, ben, conversation) = world.friends();
    assert!(world.register("carl").id > ben.id);
    let before = list(&mut world, &anna).remove(0);
    let member = |id: i64, name: &str, read: i64| {
        json!({
            "user": { "id": id, "name": name, "display_name": name },
            "role": "member",
            "last_read_id": read,
            "last_delivered_id": read,
        })
    };
    let expected = json!({
        "id": conversation,
        "kind": "direct",
        "title": null,
        "members": [member(anna.id, "anna", 0), member(ben.id, "ben", 0)],
        "former_members": [],
        "last_message": null,
        "unread": 0,
    });
    assert_eq!(before, expected);
    let id = said(&mut world, &anna, conversation, "hello");
    let after = list(&mut world, &ben).remove(0);
    assert_eq!(
        members(&after["last_message"]),
        "body conversation_id deleted_at edited_at id sender_id sent_at"
    );
    assert_eq!((&after["last_message"]["id"], &after["unread"]), (&json!(id), &json!(1)));
    assert_eq!(after["members"], json!([member(anna.id, "anna", id), member(ben.id, "ben", 0)]));
}

#[test]
fn the_conversation_with_the_newest_message_comes_first() {
    let mut world = World::new();
    let (anna, _, one) = world.friends();
    let (carl, dora) = (world.register("carl"), world.register("dora"));
    let two = world.befriend(&anna, &carl);
    let silent = world.befriend(&dora, &anna);
    let ids = |world: &mut World| -> Vec<_> {
        list(world, &anna).iter().map(|conversation| conversation["id"].as_i64().unwrap()).collect()
    };
    said(&mut world, &anna, one, "first");
    said(&mut world, &carl, two, "second");
    assert_eq!(ids(&mut world), [two, one, silent]);
    said(&mut world, &anna, one, "third");
    assert_eq!(ids(&mut world), [one, two, silent]);
}

#[test]
fn unread_is_what_others_said_after_the_mark() {
    let mut world = World::new();
    let (anna, ben, conversation) = world.friends();
    let one = said(&mut world, &anna, conversation, "one");
    let two = said(&mut world, &anna, conversation, "two");
    assert_eq!((unread(&mut world, &anna), unread(&mut world, &ben)), (json!(0), json!(2)));
    mark(&mut world, &ben, conversation, one);
    assert_eq!(unread(&mut world, &ben), 1);
    mark(&mut world, &ben, conversation, two);
    assert_eq!(unread(&mut world, &ben), 0);
    said(&mut world, &anna, conversation, "three");
    assert_eq!(unread(&mut world, &ben), 1);
    let four = said(&mut world, &ben, conversation, "sending moves the mark");
    assert_eq!(unread(&mut world, &ben), 0);
    assert_eq!(read_mark(&mut world, &anna, &ben), four);
    assert_eq!(unread(&mut world, &anna), 1);
}

#[test]
fn a_read_mark_is_clamped_to_the_newest_and_never_goes_back() {
    let mut world = World::new();
    let (anna, ben, conversation) = world.friends();
    mark(&mut world, &ben, conversation, 5);
    assert_eq!(read_mark(&mut world, &anna, &ben), 0, "there is nothing to read yet");
    let one = said(&mut world, &anna, conversation, "one");
    let two = said(&mut world, &anna, conversation, "two");
    mark(&mut world, &ben, conversation, i64::MAX);
    assert_eq!(read_mark(&mut world, &anna, &ben), two);
    for earlier in [one, 0, -1, i64::MIN] {
        mark(&mut world, &ben, conversation, earlier);
        assert_eq!(read_mark(&mut world, &anna, &ben), two);
    }
    said(&mut world, &anna, conversation, "three");
    assert_eq!(unread(&mut world, &ben), 1, "the clamped mark is no mark for the future");
}

#[test]
fn the_others_and_ones_own_polls_hear_of_a_mark_once() {
    let mut world = World::new();
    let (anna, ben, conversation) = world.friends();
    let message = said(&mut world, &anna, conversation, "one");
    let cursors = [world.cursor(&anna), world.cursor(&ben)];
    for _ in 0..2 {
        mark(&mut world, &ben, conversation, message);
    }
    for (person, cursor) in [&anna, &ben].into_iter().zip(&cursors) {
        let line = world.poll(person, cursor, 0);
        let answers = world.settle();
        let answer = answers.iter().find(|answer| answer.line == line).expect("an answer");
        let reads: Vec<_> =
            answer.events().into_iter().filter(|event| event.starts_with("read")).collect();
        assert_eq!(reads, [format!("read {} {message}", ben.id)]);
    }
}

#[test]
fn history_comes_in_pages_in_both_directions() {
    let mut world = World::with(|config| config.rate_limits = false);
    let (anna, ben, conversation) = world.friends();
    let carl = world.register("carl");
    let other = world.befriend(&ben, &carl);
    let mut ids = Vec::new();
    for number in 0..60 {
        ids.push(said(&mut world, &anna, conversation, &number.to_string()));
        said(&mut world, &carl, other, "elsewhere");
    }
    let path = format!("/api/conversations/{conversation}/messages");
    let cases = [
        (String::new(), &ids[10..], true),
        ("?limit=200".to_owned(), &ids[..], false),
        ("?limit=60".to_owned(), &ids[..], false),
        ("?limit=59".to_owned(), &ids[1..], true),
        (format!("?limit=5&before={}", ids[30]), &ids[25..30], true),
        (format!("?limit=30&before={}", ids[30]), &ids[..30], false),
        (format!("?before={}", ids[0]), &ids[..0], false),
        (format!("?limit=5&after={}", ids[30]), &ids[31..36], true),
        (format!("?limit=5&after={}", ids[54]), &ids[55..], false),
        (format!("?limit=5&after={}", ids[30] + 1), &ids[31..36], true),
        (format!("?after={}", ids[59]), &ids[..0], false),
        ("?limit=2&after=0".to_owned(), &ids[..2], true),
    ];
    for (query, expected, more) in cases {
        let answer = world.get(&format!("{path}{query}"), &ben);
        assert_good(&answer, 200, "messages more");
        let messages = answer.body["messages"].as_array().expect("a list");
        let found: Vec<_> = messages.iter().filter_map(|message| message["id"].as_i64()).collect();
        assert_eq!((found.as_slice(), &answer.body["more"]), (expected, &json!(more)), "{query}");
    }
}

#[test]
fn a_page_of_history_has_at_most_200_messages() {
    let mut world = World::with(|config| config.rate_limits = false);
    let (anna, _, conversation) = world.friends();
    for _ in 0..201 {
        world.say(&anna, conversation, "x");
    }
    world.settle();
    let path = format!("/api/conversations/{conversation}/messages?limit=1000");
    let answer = world.get(&path, &anna);
    let count = answer.body["messages"].as_array().map(Vec::len);
    assert_eq!((count, &answer.body["more"]), (Some(200), &json!(true)));
}

#[test]
fn a_conversation_of_others_does_not_exist() {
    let mut world = World::new();
    let (anna, _, conversation) = world.friends();
    let message = said(&mut world, &anna, conversation, "between us");
    let carl = world.register("carl");
    // To be the friend of one of them changes nothing.
    world.befriend(&anna, &carl);
    for id in [conversation, 0, -1, 99, i64::MAX] {
        let messages = format!("/api/conversations/{id}/messages");
        let bodies = json!({ "body": "me too", "message_id": message });
        for (method, path) in [
            ("GET", messages.clone()),
            ("GET", format!("{messages}?after={message}")),
            ("POST", messages.clone()),
            ("PUT", format!("/api/conversations/{id}/read")),
        ] {
            let answer = world.call(method, &path, &carl.token, Some(&bodies));
            assert_refused(&answer, 404, "not_found");
            let nothing = world.call(
                method,
                &path.replace(&id.to_string(), "98"),
                &carl.token,
                Some(&bodies),
            );
            assert_eq!((nothing.status, nothing.body), (404, answer.body), "{method} {path}");
        }
        assert_eq!(world.call("HEAD", &messages, &carl.token, None).status, 404);
    }
    let carls = list(&mut world, &carl);
    assert!(carls.iter().all(|one| one["id"] != conversation));
    let state = world.get("/api/state", &carl).body.to_string();
    assert!(!state.contains("between us"));
    world.poll(&carl, "", 0);
    assert!(!world.settle()[0].body.to_string().contains("between us"));
}
