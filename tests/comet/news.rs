//! How those who wait are told: in the turn in which it is written, all of it, in order, and nothing
//! that is not committed.

use crate::support;
use crate::{SECOND, come_online, friends, held_poll, strings, told};

#[test]
fn a_held_poll_is_answered_in_the_turn_in_which_a_message_is_written() {
    let (mut world, anna, ben, conversation) = friends();
    let poll = held_poll(&mut world, &ben, 25);
    let post = world.say(&anna, conversation, "hello");
    assert_eq!(
        told(&world.turn()),
        [(post, 201, vec![]), (poll, 200, strings([r#"message "hello""#]))]
    );
    assert_eq!(told(&world.turn()), []);
    assert_eq!(world.chat().held(), 0);
}

#[test]
fn what_is_written_between_two_polls_answers_the_second_at_once() {
    let (mut world, anna, ben, conversation) = friends();
    let cursor = world.cursor(&ben);
    world.say(&anna, conversation, "one");
    world.turn();
    world.say(&anna, conversation, "two");
    world.turn();
    let poll = world.poll(&ben, &cursor, 25);
    let expected = strings([r#"message "one""#, r#"message "two""#]);
    assert_eq!(told(&world.turn()), [(poll, 200, expected)]);
}

#[test]
fn a_message_written_in_the_same_turn_as_the_poll_is_not_missed() {
    for poll_first in [true, false] {
        let (mut world, anna, ben, conversation) = friends();
        let cursor = world.cursor(&ben);
        let (poll, post);
        if poll_first {
            poll = world.poll(&ben, &cursor, 25);
            post = world.say(&anna, conversation, "now");
        } else {
            post = world.say(&anna, conversation, "now");
            poll = world.poll(&ben, &cursor, 25);
        }
        assert_eq!(
            told(&world.turn()),
            [(post, 201, vec![]), (poll, 200, strings([r#"message "now""#]))],
            "poll first: {poll_first}"
        );
    }
}

#[test]
fn several_messages_of_one_turn_come_in_one_answer_in_the_order_of_their_ids() {
    let (mut world, anna, ben, conversation) = friends();
    let poll = held_poll(&mut world, &ben, 25);
    world.say(&anna, conversation, "one");
    world.say(&ben, conversation, "two");
    world.say(&anna, conversation, "three");
    let answers = world.turn();
    let answer = answers.iter().find(|answer| answer.line == poll).expect("an answer");
    let expected = [r#"message "one""#, r#"message "two""#, r#"message "three""#];
    assert_eq!(answer.events(), expected);
    let ids: Vec<_> = (0..3).map(|n| answer.body["events"][n]["message"]["id"].as_i64()).collect();
    assert!(ids.is_sorted(), "{ids:?}");
}

#[test]
fn two_tabs_of_one_user_are_both_answered() {
    let (mut world, anna, ben, conversation) = friends();
    let older = world.cursor(&ben);
    world.say(&anna, conversation, "one");
    world.turn();
    let newer = world.cursor(&ben);
    let late_tab = world.poll(&ben, &older, 25);
    let early_tab = world.poll(&ben, &newer, 25);
    let answers = world.turn();
    // By its cursor the other tab says that the message has arrived.
    let expected = strings([&format!("delivered {} 1", ben.id), r#"message "one""#]);
    assert_eq!(told(&answers), [(late_tab, 200, expected)]);
    let late_tab = world.poll(&ben, &answers[0].cursor(), 25);
    world.turn();
    let post = world.say(&anna, conversation, "two");
    let two = strings([r#"message "two""#]);
    assert_eq!(
        told(&world.turn()),
        [(post, 201, vec![]), (early_tab, 200, two.clone()), (late_tab, 200, two)]
    );
}

#[test]
fn the_senders_own_polls_are_answered_and_carry_the_nonce_which_others_do_not() {
    let (mut world, anna, ben, conversation) = friends();
    come_online(&mut world, [&anna, &ben]);
    let of_anna = held_poll(&mut world, &anna, 25);
    let of_ben = held_poll(&mut world, &ben, 25);
    let path = format!("/api/conversations/{conversation}/messages");
    let body = serde_json::json!({ "body": "hi", "nonce": "n1" });
    world.ask("POST", &path, &anna.token, Some(&body));
    for answer in world.turn() {
        let nonce = &answer.body["events"][0]["message"]["nonce"];
        if answer.line == of_anna {
            assert_eq!(nonce, "n1");
        } else if answer.line == of_ben {
            assert!(nonce.is_null());
        } else {
            assert_eq!(answer.body["message"]["nonce"], "n1");
        }
    }
}

#[test]
fn a_hang_up_in_the_turn_of_the_message_loses_nothing() {
    let (mut world, anna, ben, conversation) = friends();
    let cursor = world.cursor(&ben);
    let poll = world.poll(&ben, &cursor, 25);
    world.turn();
    let post = world.say(&anna, conversation, "hello");
    world.hang_up(poll);
    assert_eq!(told(&world.turn()), [(post, 201, vec![])]);
    let poll = world.poll(&ben, &cursor, 25);
    assert_eq!(told(&world.turn()), [(poll, 200, strings([r#"message "hello""#]))]);
}

#[test]
fn a_request_behind_a_held_poll_is_answered_after_it() {
    let (mut world, anna, ben, conversation) = friends();
    let poll = held_poll(&mut world, &ben, 25);
    world.send(poll, support::request("GET", "/api/me", &ben.token, None).as_bytes());
    assert_eq!(told(&world.settle()), [], "not before its turn");
    let post = world.say(&anna, conversation, "hello");
    let answers = world.turn();
    let hello = strings([r#"message "hello""#]);
    assert_eq!(told(&answers), [(post, 201, vec![]), (poll, 200, hello), (poll, 200, vec![])]);
    assert_eq!(answers[2].body["user"]["name"], "ben");
}

#[test]
fn a_turn_that_is_not_committed_answers_503_and_pushes_nothing() {
    let (mut world, anna, ben, conversation) = friends();
    let poll = held_poll(&mut world, &ben, 25);
    world.chat().store().set_pages_max(Some(1));
    let long = "x".repeat(8000);
    let post = world.say(&anna, conversation, &long);
    let read = world.ask("GET", "/api/server", "", None);
    let answers = world.turn();
    let statuses: Vec<_> = answers.iter().map(|answer| (answer.line, answer.status)).collect();
    assert!(statuses.contains(&(post, 503)), "{statuses:?}");
    assert!(!statuses.iter().any(|(line, _)| *line == poll), "nothing is pushed");
    assert_eq!(statuses.len(), 2, "{statuses:?} and {read:?}");
    let history = world.get(&format!("/api/conversations/{conversation}/messages"), &ben);
    assert_eq!(history.body["messages"], serde_json::json!([]), "reading goes on");

    let health = world.call("GET", "/healthz", "", None);
    assert_eq!(health.status, 503, "the disk takes nothing yet");

    world.chat().store().set_pages_max(None);
    let health = world.call("GET", "/healthz", "", None);
    assert_eq!(health.status, 200, "the disk takes something again");
    let post = world.say(&anna, conversation, "again");
    assert_eq!(
        told(&world.turn()),
        [(post, 201, vec![]), (poll, 200, strings([r#"message "again""#]))],
        "the poll waited through it"
    );
}

#[test]
fn friends_see_each_other_come_at_once_and_go_after_the_grace_time() {
    let (mut world, anna, ben, _) = friends();
    let of_anna = held_poll(&mut world, &anna, 60);
    let cursor = world.cursor(&ben);
    let of_ben = world.poll(&ben, &cursor, 5);
    let came = format!("presence {} online", ben.id);
    let answers = world.turn();
    assert_eq!(told(&answers), [(of_anna, 200, vec![came])]);
    let of_anna = world.poll(&anna, &answers[0].cursor(), 60);

    // The next poll of Ben's comes within the grace time: no flicker.
    let answers = world.pass(6 * SECOND);
    assert_eq!(told(&answers), [(of_ben, 200, vec![])]);
    world.pass(8 * SECOND);
    let of_ben = world.poll(&ben, &answers[0].cursor(), 5);
    assert_eq!(told(&world.turn()), []);

    assert_eq!(told(&world.pass(6 * SECOND)), [(of_ben, 200, vec![])]);
    let went = format!("presence {} offline", ben.id);
    assert_eq!(told(&world.pass(11 * SECOND)), [(of_anna, 200, vec![went])]);
}
