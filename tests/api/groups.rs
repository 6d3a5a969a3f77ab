//! Groups: who is in them, who may change that, who is told, and who sees what.

use std::time::Duration;

use serde_json::{Value, json};

use super::support::{Answer, Person, World};
use super::{assert_done, assert_good, assert_refused, assert_wrong, members, said};

/// Anna, who is a friend of Ben, of Carl and of Dora, who do not know each other.
fn circle(world: &mut World) -> [Person; 4] {
    let people = ["anna", "ben", "carl", "dora"].map(|name| world.register(name));
    for other in &people[1..] {
        world.befriend(&people[0], other);
    }
    people
}

fn path(group: i64) -> String {
    format!("/api/conversations/{group}")
}

fn add(world: &mut World, owner: &Person, group: i64, user_id: i64) -> Answer {
    world.post(&format!("{}/members", path(group)), owner, &json!({ "user_id": user_id }))
}

fn remove(world: &mut World, person: &Person, group: i64, user: &Person) -> Answer {
    world.delete(&format!("{}/members/{}", path(group), user.id), person)
}

/// A conversation as somebody sees it in their list.
fn seen(world: &mut World, person: &Person, group: i64) -> Option<Value> {
    let list = world.get("/api/conversations", person).body["conversations"].take();
    let list = list.as_array().expect("a list");
    list.iter().find(|conversation| conversation["id"] == group).cloned()
}

/// The ids of the members in their order, the owners' with a minus.
fn roles(conversation: &Value) -> Vec<i64> {
    let members = conversation["members"].as_array().expect("a list");
    let role = |member: &Value| {
        let id = member["user"]["id"].as_i64().expect("an id");
        if member["role"] == "owner" { -id } else { id }
    };
    members.iter().map(role).collect()
}

fn bodies(world: &mut World, person: &Person, group: i64) -> Vec<String> {
    let answer = world.get(&format!("{}/messages", path(group)), person);
    let messages = answer.body["messages"].as_array().expect("a list");
    messages.iter().map(|message| message["body"].as_str().expect("a body").to_owned()).collect()
}

#[test]
fn a_group_has_exactly_the_members_of_the_contract() {
    let mut world = World::new();
    let [anna, ben, carl, _] = circle(&mut world);
    let body = json!({ "title": " The\u{301} crew ", "member_ids": [carl.id, ben.id] });
    let answer = world.post("/api/conversations", &anna, &body);
    assert_good(&answer, 201, "conversation");
    let member = |id: i64, name: &str, role: &str| {
        json!({
            "user": { "id": id, "name": name, "display_name": name },
            "role": role,
            "last_read_id": 0,
            "last_delivered_id": 0,
        })
    };
    let group = answer.body["conversation"]["id"].clone();
    let expected = json!({
        "id": group,
        "kind": "group",
        "title": "Th\u{e9} crew",
        "members": [
            member(anna.id, "anna", "owner"),
            member(carl.id, "carl", "member"),
            member(ben.id, "ben", "member"),
        ],
        "former_members": [],
        "last_message": null,
        "unread": 0,
    });
    assert_eq!(answer.body["conversation"], expected);
    let group = group.as_i64().expect("an id");
    assert_eq!(seen(&mut world, &ben, group), Some(expected));
}

#[test]
fn only_friends_are_taken_into_a_group_and_each_once() {
    let mut world = World::new();
    let [anna, ben, carl, _] = circle(&mut world);
    let stranger = world.register("erik");
    let create = |world: &mut World, person: &Person, ids: Value| {
        world.post("/api/conversations", person, &json!({ "title": "x", "member_ids": ids }))
    };
    for ids in [json!([stranger.id]), json!([ben.id, stranger.id]), json!([99]), json!([-1, 0])] {
        assert_refused(&create(&mut world, &anna, ids), 403, "not_friends");
    }
    assert_refused(&create(&mut world, &ben, json!([carl.id])), 403, "not_friends");
    // Somebody who has only asked is no friend.
    world.post("/api/friends", &stranger, &json!({ "name": "anna" }));
    assert_refused(&create(&mut world, &anna, json!([stranger.id])), 403, "not_friends");
    let repeated = json!([ben.id, anna.id, ben.id, anna.id]);
    let answer = create(&mut world, &anna, repeated);
    assert_eq!(roles(&answer.body["conversation"]), [-anna.id, ben.id]);
    let alone = create(&mut world, &anna, json!([]));
    assert_eq!((alone.status, roles(&alone.body["conversation"])), (201, vec![-anna.id]));
    let group = answer.body["conversation"]["id"].as_i64().expect("an id");
    for id in [stranger.id, 99, -1] {
        assert_refused(&add(&mut world, &anna, group, id), 403, "not_friends");
    }
    for id in [ben.id, anna.id] {
        assert_refused(&add(&mut world, &anna, group, id), 409, "already_member");
    }
}

#[test]
fn a_group_has_as_many_members_as_the_server_says_and_no_more() {
    let mut world = World::with(|config| config.group_members_max = 3);
    let [anna, ben, carl, dora] = circle(&mut world);
    assert_eq!(world.get("/api/server", &anna).body["limits"]["group_members"], 3);
    let four = json!({ "title": "x", "member_ids": [ben.id, carl.id, dora.id] });
    assert_wrong(&world.post("/api/conversations", &anna, &four), "invalid_field", "member_ids");
    let many: Vec<i64> = (1000..1300).collect();
    let many = json!({ "title": "x", "member_ids": many });
    let answer = world.post("/api/conversations", &anna, &many);
    assert_wrong(&answer, "invalid_field", "member_ids");
    let repeated = json!({ "title": "x", "member_ids": vec![ben.id; 1000] });
    let answer = world.post("/api/conversations", &anna, &repeated);
    let group = answer.body["conversation"]["id"].as_i64().expect("an id");
    assert_good(&add(&mut world, &anna, group, carl.id), 201, "conversation");
    assert_wrong(&add(&mut world, &anna, group, dora.id), "invalid_field", "user_id");
    assert_done(&remove(&mut world, &anna, group, &carl));
    assert_eq!(add(&mut world, &anna, group, dora.id).status, 201);
}

#[test]
fn a_title_is_one_line_of_visible_text() {
    let mut world = World::new();
    let anna = world.register("anna");
    let group = world.group(&anna, "x", &[]);
    for title in ["", " ", &"x".repeat(65), "a\nb", "\u{202e}x", "\u{200b}", "a\u{0}"] {
        let body = json!({ "title": title, "member_ids": [] });
        let created = world.post("/api/conversations", &anna, &body);
        assert_wrong(&created, "invalid_field", "title");
        assert_wrong(&world.patch(&path(group), &anna, &body), "invalid_field", "title");
    }
    let longest = "漠".repeat(64);
    let answer = world.patch(&path(group), &anna, &json!({ "title": longest }));
    assert_good(&answer, 200, "conversation");
    assert_eq!(answer.body["conversation"]["title"], *longest);
}

#[test]
fn owners_manage_and_others_do_not() {
    let mut world = World::new();
    let [anna, ben, carl, dora] = circle(&mut world);
    let group = world.group(&anna, "x", &[&ben, &carl]);
    world.befriend(&ben, &dora);
    let rename = world.patch(&path(group), &ben, &json!({ "title": "y" }));
    assert_refused(&rename, 403, "not_owner");
    assert_refused(&add(&mut world, &ben, group, dora.id), 403, "not_owner");
    assert_refused(&remove(&mut world, &ben, group, &carl), 403, "not_owner");
    assert_refused(&remove(&mut world, &ben, group, &dora), 403, "not_owner");
    assert_refused(&remove(&mut world, &anna, group, &dora), 404, "not_found");
    assert_eq!(seen(&mut world, &ben, group).expect("it is there")["title"], "x");
    assert_done(&remove(&mut world, &anna, group, &carl));
    assert_eq!(add(&mut world, &anna, group, dora.id).status, 201);
    let rename = world.patch(&path(group), &anna, &json!({ "title": "y" }));
    assert_eq!(rename.body["conversation"]["title"], "y");
    let group = seen(&mut world, &ben, group).expect("it is there");
    assert_eq!((roles(&group), &group["title"]), (vec![-anna.id, ben.id, dora.id], &json!("y")));
}

#[test]
fn the_longest_standing_member_inherits() {
    let mut world = World::new();
    let [anna, ben, carl, dora] = circle(&mut world);
    let group = world.group(&anna, "x", &[&dora, &ben]);
    assert_eq!(add(&mut world, &anna, group, carl.id).status, 201);
    // Who goes and comes again, stands behind those who stayed.
    assert_done(&remove(&mut world, &dora, group, &dora));
    assert_eq!(add(&mut world, &anna, group, dora.id).status, 201);
    assert_done(&remove(&mut world, &anna, group, &anna));
    let roles_seen_by = |world: &mut World, person: &Person| {
        seen(world, person, group).map(|conversation| roles(&conversation))
    };
    assert_eq!(roles_seen_by(&mut world, &dora), Some(vec![-ben.id, carl.id, dora.id]));
    assert_done(&remove(&mut world, &ben, group, &carl));
    assert_done(&remove(&mut world, &ben, group, &ben));
    assert_eq!(roles_seen_by(&mut world, &dora), Some(vec![-dora.id]));
    assert_done(&remove(&mut world, &dora, group, &dora));
    assert_eq!(roles_seen_by(&mut world, &dora), None, "nobody is left");
    assert_refused(&remove(&mut world, &dora, group, &dora), 404, "not_found");
}

#[test]
fn a_conversation_of_two_is_no_group() {
    let mut world = World::new();
    let (anna, ben, direct) = world.friends();
    let carl = world.register("carl");
    world.befriend(&anna, &carl);
    let rename = world.patch(&path(direct), &anna, &json!({ "title": "x" }));
    assert_refused(&rename, 409, "not_a_group");
    assert_refused(&add(&mut world, &anna, direct, carl.id), 409, "not_a_group");
    assert_refused(&remove(&mut world, &anna, direct, &ben), 409, "not_a_group");
    assert_refused(&remove(&mut world, &anna, direct, &anna), 409, "not_a_group");
}

#[test]
fn a_new_member_sees_what_comes_after_joining_and_nothing_before() {
    let mut world = World::new();
    let [anna, ben, carl, _] = circle(&mut world);
    let group = world.group(&anna, "x", &[&ben]);
    let early = said(&mut world, &anna, group, "before");
    said(&mut world, &ben, group, "before, too");
    let carls = add(&mut world, &anna, group, carl.id);
    let conversation = seen(&mut world, &carl, group).expect("it is there");
    assert_eq!((&conversation["last_message"], &conversation["unread"]), (&json!(null), &json!(0)));
    assert_eq!(carls.body["conversation"]["last_message"]["body"], "before, too", "Anna's view");
    assert_eq!(bodies(&mut world, &carl, group), [""; 0]);
    let after = format!("{}/messages?after=0", path(group));
    assert_eq!(world.get(&after, &carl).body["messages"], json!([]));
    let cursor = world.cursor(&carl);
    said(&mut world, &ben, group, "after");
    let conversation = seen(&mut world, &carl, group).expect("it is there");
    assert_eq!(
        (&conversation["last_message"]["body"], &conversation["unread"]),
        (&json!("after"), &json!(1))
    );
    assert_eq!(bodies(&mut world, &carl, group), ["after"]);
    assert_eq!(bodies(&mut world, &ben, group), ["before", "before, too", "after"]);
    assert_eq!(world.news_after(&carl, &cursor), ["message \"after\""]);
    // What is read is clamped to what is seen.
    let read = format!("{}/read", path(group));
    assert_done(&world.put(&read, &carl, &json!({ "message_id": early })));
    assert_eq!(seen(&mut world, &carl, group).expect("it is there")["unread"], 1);
}

#[test]
fn who_comes_again_sees_what_comes_after_the_last_joining() {
    let mut world = World::new();
    let [anna, ben, ..] = circle(&mut world);
    let group = world.group(&anna, "x", &[&ben]);
    let old = said(&mut world, &ben, group, "first stay");
    assert_done(&remove(&mut world, &ben, group, &ben));
    said(&mut world, &anna, group, "between");
    add(&mut world, &anna, group, ben.id);
    said(&mut world, &anna, group, "second stay");
    assert_eq!(bodies(&mut world, &ben, group), ["second stay"]);
    assert_eq!(seen(&mut world, &ben, group).expect("it is there")["unread"], 1);
    // One's own old messages are out of sight, too.
    let old = format!("/api/messages/{old}");
    assert_refused(&world.patch(&old, &ben, &json!({ "body": "new" })), 404, "not_found");
    assert_refused(&world.delete(&old, &ben), 404, "not_found");
    world.restart();
    assert_eq!(bodies(&mut world, &ben, group), ["second stay"]);
    assert_eq!(seen(&mut world, &ben, group).expect("it is there")["unread"], 1);
}

/// Whoever was not asking meanwhile cannot know otherwise that what they have of the group is of
/// their earlier stay.
#[test]
fn who_left_and_came_back_is_told_both() {
    let mut world = World::new();
    let [anna, ben, ..] = circle(&mut world);
    let group = world.group(&anna, "x", &[&ben]);
    let before = world.cursor(&ben);
    said(&mut world, &anna, group, "first stay");
    for _ in 0..2 {
        assert_done(&remove(&mut world, &anna, group, &ben));
        add(&mut world, &anna, group, ben.id);
    }
    said(&mut world, &anna, group, "second stay");
    let (removed, changed) =
        (format!("conversation_removed {group}"), format!("conversation {group}"));
    let told = [&*removed, &*changed, "message \"second stay\""];
    assert_eq!(world.news_after(&ben, &before), told);
    // Nor does it come again for each change.
    world.patch(&path(group), &anna, &json!({ "title": "y" }));
    assert_eq!(world.news_after(&ben, &before), told);
    let after = world.cursor(&ben);
    world.patch(&path(group), &anna, &json!({ "title": "z" }));
    assert_eq!(world.news_after(&ben, &after), [&*changed]);
}

/// Neither what came after leaving nor what came before, whichever cursor is shown, from memory or
/// from the store, in the same turn or a later one.
#[test]
fn a_former_member_is_told_nothing_more() {
    for tail in [0, 1000] {
        let mut world = World::with(|config| config.tail_messages_max = tail);
        let [anna, ben, carl, _] = circle(&mut world);
        let group = world.group(&anna, "x", &[&ben, &carl]);
        let before = world.cursor(&ben);
        said(&mut world, &anna, group, "not read in time");
        // All in one turn.
        world.say(&anna, group, "at the last moment");
        let remove = format!("{}/members/{}", path(group), ben.id);
        world.ask("DELETE", &remove, &anna.token, None);
        world.say(&carl, group, "behind his back");
        assert!(world.settle().iter().all(|answer| answer.status < 300));
        let removed = format!("conversation_removed {group}");
        assert_eq!(world.news_after(&ben, &before), [removed.as_str()]);
        said(&mut world, &anna, group, "later");
        let typing = format!("{}/typing", path(group));
        assert_eq!(world.call("POST", &typing, &carl.token, None).status, 204);
        assert_eq!(world.news_after(&ben, &before), [removed.as_str()]);
        world.restart();
        assert_eq!(world.news_after(&ben, &before), ["reset"]);
    }
}

#[test]
fn for_a_former_member_the_group_does_not_exist() {
    let mut world = World::new();
    let [anna, ben, ..] = circle(&mut world);
    let group = world.group(&anna, "x", &[&ben]);
    let message = said(&mut world, &ben, group, "mine");
    assert_done(&remove(&mut world, &anna, group, &ben));
    let group = path(group);
    let all = json!({ "title": "y", "body": "y", "user_id": anna.id, "message_id": message });
    for (method, path) in [
        ("PATCH", group.clone()),
        ("POST", format!("{group}/members")),
        ("DELETE", format!("{group}/members/{}", ben.id)),
        ("DELETE", format!("{group}/members/{}", anna.id)),
        ("GET", format!("{group}/messages")),
        ("POST", format!("{group}/messages")),
        ("PUT", format!("{group}/read")),
        ("POST", format!("{group}/typing")),
        ("PATCH", format!("/api/messages/{message}")),
        ("DELETE", format!("/api/messages/{message}")),
    ] {
        let answer = world.call(method, &path, &ben.token, Some(&all));
        assert_refused(&answer, 404, "not_found");
    }
    let state = world.get("/api/state", &ben).body.to_string();
    assert!(!state.contains("mine"), "{state}");
}

/// The contract confirms what was said "also when sending is no longer allowed".
#[test]
fn what_a_former_member_said_is_confirmed_and_nothing_else() {
    let mut world = World::new();
    let [anna, ben, ..] = circle(&mut world);
    let group = world.group(&anna, "x", &[&ben]);
    let messages = format!("{}/messages", path(group));
    let body = json!({ "body": "mine", "nonce": "n" });
    let first = world.post(&messages, &ben, &body);
    remove(&mut world, &anna, group, &ben);
    let again = world.post(&messages, &ben, &body);
    assert_eq!((again.status, again.body), (200, first.body));
    let other = json!({ "body": "another", "nonce": "n" });
    assert_refused(&world.post(&messages, &ben, &other), 404, "not_found");
    assert_eq!(bodies(&mut world, &anna, group), ["mine"]);
}

#[test]
fn former_members_are_those_who_left_messages_behind() {
    let mut world = World::new();
    let [anna, ben, carl, dora] = circle(&mut world);
    let group = world.group(&anna, "x", &[&ben, &carl]);
    said(&mut world, &ben, group, "one");
    said(&mut world, &ben, group, "two");
    remove(&mut world, &anna, group, &ben);
    remove(&mut world, &anna, group, &carl);
    let former =
        |world: &mut World| seen(world, &anna, group).expect("a group")["former_members"].clone();
    let user = json!([{ "id": ben.id, "name": "ben", "display_name": "ben" }]);
    assert_eq!(former(&mut world), user);
    add(&mut world, &anna, group, ben.id);
    assert_eq!(former(&mut world), json!([]), "he is a member again");
    remove(&mut world, &anna, group, &ben);
    world.restart();
    assert_eq!(former(&mut world), user, "his messages are still there");
    let answer = add(&mut world, &anna, group, dora.id);
    assert_eq!(answer.body["conversation"]["former_members"], user);
}

#[test]
fn exactly_those_who_may_know_are_told() {
    let mut world = World::new();
    let [anna, ben, carl, dora] = circle(&mut world);
    let people = [&anna, &ben, &carl, &dora];
    let expect = |world: &mut World, what: &dyn Fn(&mut World), expected: [&[&str]; 4]| {
        let cursors = people.map(|person| world.cursor(person));
        what(world);
        for ((person, cursor), expected) in people.into_iter().zip(cursors).zip(expected) {
            assert_eq!(world.news_after(person, &cursor), expected, "{}", person.id);
        }
    };
    let group = world.group(&anna, "before", &[]);
    remove(&mut world, &anna, group, &anna);
    let group = group + 1;
    let (changed, removed) =
        (format!("conversation {group}"), format!("conversation_removed {group}"));
    let (changed, removed) = ([changed.as_str()], [removed.as_str()]);
    let create = |world: &mut World| {
        assert_eq!(world.group(&anna, "x", &[&ben]), group);
    };
    expect(&mut world, &create, [&changed, &changed, &[], &[]]);
    let rename = |world: &mut World| {
        world.patch(&path(group), &anna, &json!({ "title": "y" }));
    };
    expect(&mut world, &rename, [&changed, &changed, &[], &[]]);
    expect(&mut world, &rename, [&[], &[], &[], &[]]);
    let join = |world: &mut World| {
        add(world, &anna, group, carl.id);
    };
    expect(&mut world, &join, [&changed, &changed, &changed, &[]]);
    let go = |world: &mut World| {
        remove(world, &ben, group, &ben);
    };
    expect(&mut world, &go, [&changed, &removed, &changed, &[]]);
    let owner_goes = |world: &mut World| {
        remove(world, &anna, group, &anna);
    };
    expect(&mut world, &owner_goes, [&removed, &[], &changed, &[]]);
    let last_goes = |world: &mut World| {
        remove(world, &carl, group, &carl);
    };
    expect(&mut world, &last_goes, [&[], &[], &removed, &[]]);
}

#[test]
fn the_event_shows_each_member_what_is_theirs() {
    let mut world = World::new();
    let [anna, ben, carl, _] = circle(&mut world);
    let group = world.group(&anna, "x", &[&ben]);
    let body = json!({ "body": "hello", "nonce": "secret" });
    world.post(&format!("{}/messages", path(group)), &anna, &body);
    let cursors = [&anna, &ben, &carl].map(|person| world.cursor(person));
    add(&mut world, &anna, group, carl.id);
    let mut told = Vec::new();
    for (person, cursor) in [&anna, &ben, &carl].into_iter().zip(&cursors) {
        let line = world.poll(person, cursor, 0);
        let answers = world.settle();
        let answer = answers.iter().find(|answer| answer.line == line).expect("an answer");
        let events = answer.body["events"].as_array().expect("a list");
        let event = events.iter().find(|event| event["type"] == "conversation").expect("one");
        let mut conversation = event["conversation"].clone();
        assert_eq!(Some(&conversation), seen(&mut world, person, group).as_ref());
        told.push([conversation["unread"].take(), conversation["last_message"].take()]);
    }
    assert_eq!(members(&told[0][1]).split(' ').count(), 8, "with her nonce");
    assert_eq!(members(&told[1][1]).split(' ').count(), 7);
    assert_eq!(told[0][0], 0);
    assert_eq!(told[1][0], 1);
    assert_eq!(told[2], [json!(0), json!(null)]);
}

#[test]
fn marks_of_a_group_are_told_to_all_its_members_and_to_nobody_else() {
    let mut world = World::new();
    let [anna, ben, carl, dora] = circle(&mut world);
    let group = world.group(&anna, "x", &[&ben, &carl]);
    let start = world.cursor(&ben);
    let message = said(&mut world, &anna, group, "hello");
    let cursors = [&anna, &carl, &dora].map(|person| world.cursor(person));
    let answer = world.poll(&ben, &start, 0);
    let behind = world.settle().into_iter().find(|a| a.line == answer).expect("an answer").cursor();
    world.poll(&ben, &behind, 0);
    world.settle();
    world.put(&format!("{}/read", path(group)), &ben, &json!({ "message_id": message }));
    let marks = [format!("delivered {} {message}", ben.id), format!("read {} {message}", ben.id)];
    for (person, cursor) in [&anna, &carl].into_iter().zip(&cursors) {
        let told = world.events_after(person, cursor);
        let of_ben: Vec<_> = told.iter().filter(|event| marks.contains(event)).collect();
        assert_eq!(of_ben, [&marks[0], &marks[1]]);
    }
    assert!(!world.events_after(&dora, &cursors[2]).iter().any(|event| marks.contains(event)));
    let conversation = seen(&mut world, &carl, group).expect("a group");
    let bens = &conversation["members"][1];
    assert_eq!(
        (&bens["last_read_id"], &bens["last_delivered_id"]),
        (&json!(message), &json!(message))
    );
}

#[test]
fn groups_without_messages_come_last_the_newest_first() {
    let mut world = World::new();
    let (anna, ben, direct) = world.friends();
    let groups = ["one", "two", "three"].map(|title| world.group(&anna, title, &[&ben]));
    said(&mut world, &ben, groups[0], "hello");
    said(&mut world, &ben, direct, "hello");
    let answer = world.get("/api/conversations", &anna);
    let list = answer.body["conversations"].as_array().expect("a list");
    let ids: Vec<_> = list.iter().filter_map(|conversation| conversation["id"].as_i64()).collect();
    assert_eq!(ids, [direct, groups[0], groups[2], groups[1]]);
}

#[test]
fn a_group_goes_on_whoever_is_whose_friend() {
    let mut world = World::new();
    let [anna, ben, carl, _] = circle(&mut world);
    let group = world.group(&anna, "x", &[&ben, &carl]);
    world.delete(&format!("/api/friends/{}", ben.id), &anna);
    said(&mut world, &ben, group, "still here");
    assert_eq!(bodies(&mut world, &anna, group), ["still here"]);
    assert_done(&remove(&mut world, &anna, group, &ben));
    assert_refused(&add(&mut world, &anna, group, ben.id), 403, "not_friends");
}

#[test]
fn what_becomes_of_a_group_survives_a_restart_and_not_a_full_disk() {
    let mut world = World::new();
    let [anna, ben, carl, _] = circle(&mut world);
    let group = world.group(&anna, "x", &[&ben]);
    said(&mut world, &ben, group, "hello");
    world.chat().store().set_pages_max(Some(1));
    let (mut full, mut cursor) = (false, String::new());
    for _ in 0..60 {
        cursor = world.cursor(&ben);
        let line = world.say(&anna, group, &"x".repeat(8000));
        let leaving =
            world.ask("DELETE", &format!("{}/members/{}", path(group), ben.id), &ben.token, None);
        let answers = world.settle();
        let status = |line| answers.iter().find(|answer| answer.line == line).expect("one").status;
        full = status(line) == 503;
        assert_eq!(status(leaving), if full { 503 } else { 204 }, "both or none");
        if full {
            break;
        }
        add(&mut world, &anna, group, ben.id);
    }
    assert!(full, "the disk was never full");
    world.chat().store().set_pages_max(None);
    let told = world.news_after(&ben, &cursor);
    assert!(!told.contains(&format!("conversation_removed {group}")), "{told:?}");
    let before = seen(&mut world, &anna, group).expect("a group");
    assert_eq!(roles(&before), [-anna.id, ben.id]);
    add(&mut world, &anna, group, carl.id);
    world.restart();
    let after = seen(&mut world, &anna, group).expect("a group");
    assert_eq!(roles(&after), [-anna.id, ben.id, carl.id]);
}

#[test]
fn a_deleted_account_leaves_its_groups_and_what_it_owned_passes_on() {
    let mut world = World::new();
    let [anna, ben, carl, _] = circle(&mut world);
    let group = world.group(&anna, "x", &[&ben, &carl]);
    let silent = world.group(&ben, "y", &[&anna]);
    said(&mut world, &anna, group, "goodbye");
    let cursor = world.cursor(&ben);
    assert_done(&world.post("/api/me/delete", &anna, &json!({ "password": "secret" })));
    let told = world.news_after(&ben, &cursor);
    for id in [group, silent] {
        assert!(told.contains(&format!("conversation {id}")), "{told:?}");
    }
    let conversation = seen(&mut world, &ben, group).expect("it is there");
    assert_eq!(roles(&conversation), [-ben.id, carl.id]);
    let tombstone = json!([{ "id": anna.id, "name": "", "display_name": "", "deleted": true }]);
    assert_eq!(conversation["former_members"], tombstone);
    assert_eq!(bodies(&mut world, &carl, group), ["goodbye"]);
    let conversation = seen(&mut world, &ben, silent).expect("it is there");
    assert_eq!(
        (roles(&conversation), &conversation["former_members"]),
        (vec![-ben.id], &json!([]))
    );
}

/// All members are told of it, so it counts as a message.
#[test]
fn what_changes_a_group_is_limited_in_its_rate() {
    let mut world = World::with(|config| config.messages_burst_max = 4);
    let [anna, ben, ..] = circle(&mut world);
    let group = world.group(&anna, "x", &[&ben]);
    let rename = |world: &mut World| world.patch(&path(group), &anna, &json!({ "title": "y" }));
    assert_eq!(rename(&mut world).status, 200);
    assert_done(&remove(&mut world, &anna, group, &ben));
    assert_eq!(add(&mut world, &anna, group, ben.id).status, 201);
    let refused = rename(&mut world);
    assert_refused(&refused, 429, "rate_limited");
    assert_eq!(refused.field("Retry-After"), Some("1"));
    let create = json!({ "title": "z", "member_ids": [] });
    assert_eq!(world.post("/api/conversations", &anna, &create).status, 429);
    assert_done(&remove(&mut world, &ben, group, &ben));
    world.pass(Duration::from_secs(1));
    assert_eq!(rename(&mut world).status, 200);
}

/// What is told to many at once is looked up for all of them together, and still each one's own.
#[test]
fn each_member_is_told_how_much_is_unread_for_them() {
    let mut world = World::new();
    let [anna, ben, carl, dora] = circle(&mut world);
    let people = [&anna, &ben, &carl, &dora];
    let groups = ["one", "two"].map(|title| world.group(&anna, title, &[&ben, &carl, &dora]));
    for group in groups {
        let first = said(&mut world, &anna, group, "one");
        said(&mut world, &ben, group, "two");
        said(&mut world, &anna, group, "three");
        let read = format!("{}/read", path(group));
        world.put(&read, &dora, &json!({ "message_id": first }));
    }
    let cursors = people.map(|person| world.cursor(person));
    // In one turn, and so is what they ask.
    for group in groups {
        world.ask("PATCH", &path(group), &anna.token, Some(&json!({ "title": "new" })));
    }
    let mut lines = Vec::new();
    for (person, cursor) in people.into_iter().zip(&cursors) {
        lines.push(world.poll(person, cursor, 25));
    }
    let answers = world.settle();
    for (line, unread) in lines.into_iter().zip([0, 1, 3, 2]) {
        let answer = answers.iter().find(|answer| answer.line == line).expect("an answer");
        let events = answer.body["events"].as_array().expect("a list");
        let told = events.iter().filter(|event| event["type"] == "conversation");
        let told: Vec<_> = told.map(|event| event["conversation"]["unread"].clone()).collect();
        assert_eq!(told, [unread, unread]);
    }
}
