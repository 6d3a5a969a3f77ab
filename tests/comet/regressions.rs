//! What was wrong once: most of it was found by the simulator.

use lovejoy::data::Fault;
use lovejoy::server::Input;

use crate::support::{self, World};
use crate::{SECOND, come_online, friends, held_poll, strings, told};

/// A client may send the head with `Expect: 100-continue` and its body so fast that both are read in
/// one turn. When its socket then does not take the interim response, the request is with the
/// handler already. The server took that for impossible, and stopped.
#[test]
fn a_socket_may_be_too_full_for_the_interim_response_to_a_request_that_is_complete() {
    let (mut world, _, ben, _) = friends();
    let poll = world.connect();
    let head = format!(
        "GET /api/events HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer {}\r\n\
         Content-Length: 1\r\nExpect: 100-continue\r\n\r\n",
        ben.token
    );
    world.send(poll, head.as_bytes());
    world.send(poll, b"x");
    world.turn();
    world.input(Input::Blocked { connection: poll });
    assert_eq!(world.chat().held(), 1);
}

/// The polls left the comet when the signal came and their connections at the end of the turn; a
/// client that hung up in between was to leave the comet a second time.
#[test]
fn a_client_may_hang_up_in_the_turn_in_which_the_server_is_told_to_stop() {
    let (mut world, _, ben, _) = friends();
    let poll = held_poll(&mut world, &ben, 25);
    world.input(Input::Drain);
    world.hang_up(poll);
    assert_eq!(told(&world.turn()), []);
}

/// It was held for somebody who could not be seen to leave.
#[test]
fn a_poll_behind_another_request_of_a_client_that_has_closed_its_side_is_not_held() {
    let (mut world, _, ben, _) = friends();
    let line = world.connect();
    let me = support::request("GET", "/api/me", &ben.token, None);
    let poll = support::request("GET", "/api/events?wait=60", &ben.token, None);
    world.send(line, format!("{me}{poll}").as_bytes());
    world.half_close(line);
    assert_eq!(told(&world.settle()), [(line, 200, vec![])]);
    assert_eq!(world.chat().held(), 0);
}

/// The place of a poll that had left was taken by another in the same turn, which was closed in its
/// stead.
#[test]
fn what_is_meant_for_a_poll_that_has_left_does_not_meet_its_successor() {
    let (mut world, anna, ben, _) = friends();
    come_online(&mut world, [&anna, &ben]);
    let cursor = world.cursor(&anna);
    let of_ben = held_poll(&mut world, &ben, 25);
    world.half_close(of_ben);
    world.hang_up(of_ben);
    world.poll(&anna, &cursor, 25);
    world.turn();
    assert_eq!(world.chat().held(), 1);
}

#[test]
fn a_message_of_the_turn_in_which_the_server_stops_is_told_with_a_time_to_come_back() {
    let (mut world, anna, ben, conversation) = friends();
    let poll = held_poll(&mut world, &ben, 25);
    let post = world.say(&anna, conversation, "hello");
    world.input(Input::Drain);
    let answers = world.turn();
    let expected = strings([r#"message "hello""#]);
    assert_eq!(told(&answers), [(post, 201, vec![]), (poll, 200, expected)]);
    assert!(answers[1].body["retry_ms"].is_u64(), "{}", answers[1].body);
    world.restart();
    let again = world.poll(&ben, &answers[1].cursor(), 0);
    assert_eq!(told(&world.turn()), [(again, 200, strings(["reset"]))]);
}

/// Who is told that somebody came was decided with what the turn wrote, also when that was taken back:
/// so one who was no friend was told, and one who still was one was not.
#[test]
fn who_comes_in_a_turn_that_fails_is_seen_by_those_who_are_friends_then() {
    let (mut world, anna, ben, _) = friends();
    let cara = world.register("cara");
    let asks = serde_json::json!({ "name": "anna" });
    assert_eq!(world.call("POST", "/api/friends", &cara.token, Some(&asks)).status, 201);
    let of_ben = held_poll(&mut world, &ben, 60);
    let of_cara = held_poll(&mut world, &cara, 60);

    let cursor = world.cursor(&anna);

    world.chat().store().set_fault(Some(Fault::Commit));
    world.ask("DELETE", &format!("/api/friends/{}", ben.id), &anna.token, None);
    world.ask("POST", &format!("/api/friends/{}/accept", cara.id), &anna.token, None);
    world.poll(&anna, &cursor, 60);
    let answers = world.turn();
    let came = strings([&format!("presence {} online", anna.id)]);
    assert!(told(&answers).contains(&(of_ben, 200, came)), "{answers:?}");
    assert!(answers.iter().all(|answer| answer.line != of_cara), "{answers:?}");
}

/// Whom to tell that somebody came is asked of the store. If it could not be read just then, nobody was
/// told, and who had come was away for everybody else until they left and came again.
#[test]
fn who_comes_while_the_store_cannot_be_read_is_told_of_when_it_can() {
    let mut world = World::new();
    let (anna, ben, _) = world.friends();
    let of_ben = held_poll(&mut world, &ben, 60);
    let cursor = world.cursor(&anna);
    world.chat().store().set_fault(Some(Fault::Read));
    world.poll(&anna, &cursor, 60);
    assert!(world.turn().iter().all(|answer| answer.line != of_ben));
    world.chat().store().set_fault(None);
    let came = strings([&format!("presence {} online", anna.id)]);
    assert!(told(&world.settle()).contains(&(of_ben, 200, came)));
}

/// A client that sends a lot ahead is not read any further; but a poll among what it sent must be, or
/// nobody would see it hang up.
#[test]
fn too_much_behind_a_poll_ends_it_also_when_it_all_came_at_once() {
    let mut world = World::with(|config| config.pipelined_bytes_max = 300);
    let (_, ben, _) = world.friends();
    let line = world.connect();
    let me = support::request("GET", "/api/me", &ben.token, None);
    let poll = support::request("GET", "/api/events", &ben.token, None);
    world.send(line, format!("{me}{poll}{me}{me}{me}").as_bytes());
    assert_eq!(told(&world.settle()), [(line, 200, vec![])]);
    assert_eq!(world.chat().held(), 0);
}

/// A poll was held behind an answer that its client did not read, and nothing ended that.
#[test]
fn a_client_that_reads_nothing_is_not_held_for_either() {
    let (mut world, _, ben, _) = friends();
    let line = world.connect();
    let me = support::request("GET", "/api/me", &ben.token, None);
    let poll = support::request("GET", "/api/events?wait=60", &ben.token, None);
    world.send(line, format!("{me}{poll}").as_bytes());
    world.turn();
    world.input(Input::Blocked { connection: line });
    assert_eq!(world.chat().held(), 1);
    world.input(Input::Flushed { connection: line });
    world.pass(11 * SECOND);
    assert_eq!(world.chat().held(), 1, "it has read after all");
    world.input(Input::Blocked { connection: line });
    world.pass(11 * SECOND);
    assert_eq!(world.chat().held(), 0);
}
