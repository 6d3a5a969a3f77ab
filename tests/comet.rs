//! Scripts of the comet: what happens, in which turn, and exactly what leaves.
//!
//! The real server runs on a fake network and a fake clock (see `support`), so every interleaving
//! that matters can be written down.

mod support;

use std::time::Duration;

use lovejoy::connection::Then;
use lovejoy::server::Input;
use support::{Answer, Line, Person, World};

const SECOND: Duration = Duration::from_secs(1);

/// Who was answered, with which status and events.
fn told(answers: &[Answer]) -> Vec<(Line, u16, Vec<String>)> {
    let events = |answer: &Answer| {
        if answer.body["events"].is_array() { answer.events() } else { Vec::new() }
    };
    answers.iter().map(|answer| (answer.line, answer.status, events(answer))).collect()
}

fn strings<const N: usize>(texts: [&str; N]) -> Vec<String> {
    texts.map(str::to_owned).to_vec()
}

/// A poll that is held, behind everything that has happened.
fn held_poll(world: &mut World, person: &Person, wait: u32) -> Line {
    let cursor = world.cursor(person);
    let line = world.poll(person, &cursor, wait);
    assert_eq!(told(&world.turn()), [], "nothing to say yet");
    line
}

/// Friends are told who comes online; here they know it already.
fn come_online<const N: usize>(world: &mut World, people: [&Person; N]) {
    for person in people {
        world.poll(person, "", 0);
        world.turn();
    }
}

#[test]
fn a_held_poll_is_answered_in_the_turn_in_which_a_message_is_written() {
    let mut world = World::new();
    let (anna, ben, conversation) = world.friends();
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
    let mut world = World::new();
    let (anna, ben, conversation) = world.friends();
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
        let mut world = World::new();
        let (anna, ben, conversation) = world.friends();
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
    let mut world = World::new();
    let (anna, ben, conversation) = world.friends();
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
fn an_answer_that_was_lost_is_given_again() {
    let mut world = World::new();
    let (anna, ben, conversation) = world.friends();
    let cursor = world.cursor(&ben);
    world.say(&anna, conversation, "hello");
    world.turn();
    let first = world.poll(&ben, &cursor, 25);
    let first_answer = world.turn();
    world.hang_up(first);
    let second = world.poll(&ben, &cursor, 25);
    let second_answer = world.turn();
    assert_eq!((second_answer[0].line, second_answer[0].status), (second, 200));
    assert_eq!(first_answer[0].body, second_answer[0].body);
}

#[test]
fn nothing_comes_twice_behind_the_answers_cursor() {
    let mut world = World::new();
    let (anna, ben, conversation) = world.friends();
    let cursor = world.cursor(&ben);
    world.say(&anna, conversation, "hello");
    world.turn();
    world.poll(&ben, &cursor, 25);
    let cursor = world.turn()[0].cursor();
    let poll = world.poll(&ben, &cursor, 0);
    assert_eq!(told(&world.turn()), [(poll, 200, vec![])]);
}

#[test]
fn two_tabs_of_one_user_are_both_answered() {
    let mut world = World::new();
    let (anna, ben, conversation) = world.friends();
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
    let mut world = World::new();
    let (anna, ben, conversation) = world.friends();
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
fn a_poll_expires_at_its_deadline_and_not_before() {
    let mut world = World::new();
    let (_, ben, _) = world.friends();
    let cursor = world.cursor(&ben);
    let poll = world.poll(&ben, &cursor, 2);
    assert_eq!(told(&world.pass(Duration::from_millis(1_999))), []);
    let answers = world.pass(Duration::from_millis(51));
    assert_eq!(told(&answers), [(poll, 200, vec![])]);
    assert_eq!(answers[0].body["wait"], 2);
    assert_eq!(answers[0].body["more"], false);
    assert_eq!(answers[0].then, Then::Keep);
}

#[test]
fn a_short_poll_is_answered_in_its_turn() {
    let mut world = World::new();
    let (_, ben, _) = world.friends();
    let cursor = world.cursor(&ben);
    let poll = world.poll(&ben, &cursor, 0);
    assert_eq!(told(&world.turn()), [(poll, 200, vec![])]);
}

#[test]
fn without_a_cursor_a_poll_begins_now() {
    let mut world = World::new();
    let (anna, ben, conversation) = world.friends();
    world.say(&anna, conversation, "before");
    world.turn();
    let poll = world.ask("GET", "/api/events", &ben.token, None);
    assert_eq!(told(&world.turn()), []);
    let post = world.say(&anna, conversation, "after");
    assert_eq!(
        told(&world.turn()),
        [(post, 201, vec![]), (poll, 200, strings([r#"message "after""#]))]
    );
}

#[test]
fn an_empty_first_answer_has_a_cursor_behind_which_nothing_is_missed() {
    let mut world = World::new();
    let (anna, ben, conversation) = world.friends();
    let poll = world.ask("GET", "/api/events?wait=2", &ben.token, None);
    let answers = world.pass(3 * SECOND);
    assert_eq!(told(&answers), [(poll, 200, vec![])]);
    // Ben drops off, and comes back later.
    world.hang_up(poll);
    world.say(&anna, conversation, "meanwhile");
    world.turn();
    let poll = world.poll(&ben, &answers[0].cursor(), 25);
    assert_eq!(told(&world.turn()), [(poll, 200, strings([r#"message "meanwhile""#]))]);
}

#[test]
fn a_client_that_hangs_up_frees_its_place_and_nobody_else_notices() {
    let mut world = World::new();
    let (anna, ben, conversation) = world.friends();
    let poll = held_poll(&mut world, &ben, 25);
    assert_eq!(world.chat().held(), 1);
    world.hang_up(poll);
    assert_eq!(world.chat().held(), 0);
    let post = world.say(&anna, conversation, "anybody there?");
    assert_eq!(told(&world.turn()), [(post, 201, vec![])]);
}

#[test]
fn a_hang_up_in_the_turn_of_the_message_loses_nothing() {
    let mut world = World::new();
    let (anna, ben, conversation) = world.friends();
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
fn a_held_client_that_closes_its_side_counts_as_gone() {
    let mut world = World::new();
    let (_, ben, _) = world.friends();
    let poll = held_poll(&mut world, &ben, 25);
    world.half_close(poll);
    assert_eq!(told(&world.turn()), []);
    assert_eq!(world.chat().held(), 0);
    assert_eq!(world.server().connections(), connections_of_friends(&mut world));
}

/// Every call of the support leaves its connection open, idle.
fn connections_of_friends(world: &mut World) -> usize {
    let before = world.server().connections();
    world.pass(80 * SECOND);
    assert_eq!(world.server().connections(), 0, "idle connections are closed");
    before
}

#[test]
fn a_short_poll_that_closes_its_side_is_answered_all_the_same() {
    let mut world = World::new();
    let (_, ben, _) = world.friends();
    let cursor = world.cursor(&ben);
    let poll = world.poll(&ben, &cursor, 0);
    world.half_close(poll);
    let answers = world.turn();
    assert_eq!(told(&answers), [(poll, 200, vec![])]);
    assert_eq!(answers[0].then, Then::Close);
}

#[test]
fn a_request_behind_a_held_poll_is_answered_after_it() {
    let mut world = World::new();
    let (anna, ben, conversation) = world.friends();
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
fn too_much_behind_a_held_poll_ends_it() {
    let mut world = World::new();
    let (_, ben, _) = world.friends();
    let poll = held_poll(&mut world, &ben, 25);
    world.send(poll, &vec![b'x'; 100_000]);
    assert_eq!(told(&world.turn()), []);
    assert_eq!(world.chat().held(), 0);
}

#[test]
fn after_a_restart_an_old_cursor_is_reset_and_loses_no_message() {
    let mut world = World::new();
    let (anna, ben, conversation) = world.friends();
    let cursor = world.cursor(&ben);
    world.say(&anna, conversation, "before");
    world.turn();
    world.restart();
    world.say(&anna, conversation, "after");
    world.turn();
    let poll = world.poll(&ben, &cursor, 25);
    let answers = world.turn();
    let expected = strings(["reset", r#"message "before""#, r#"message "after""#]);
    assert_eq!(told(&answers), [(poll, 200, expected)]);
    let poll = world.poll(&ben, &answers[0].cursor(), 25);
    assert_eq!(told(&world.turn()), [], "reset comes once");
    assert_eq!(world.chat().held(), 1, "{poll:?} is held");
}

#[test]
fn many_messages_come_in_pages_and_each_once() {
    let mut world = World::with(|config| config.events_page_max = 3);
    let (anna, ben, conversation) = world.friends();
    let mut cursor = world.cursor(&ben);
    for number in 0..8 {
        world.say(&anna, conversation, &number.to_string());
        world.turn();
    }
    world.restart();
    let mut pages = Vec::new();
    loop {
        world.poll(&ben, &cursor, 25);
        let answer = world.turn().remove(0);
        cursor = answer.cursor();
        pages.push(answer.events());
        if answer.body["more"] == false {
            break;
        }
    }
    let message = |number| format!("message \"{number}\"");
    let first = vec!["reset".to_owned(), message(0), message(1), message(2)];
    assert_eq!(pages, [first, (3..6).map(message).collect(), (6..8).map(message).collect()]);
}

#[test]
fn the_cursor_of_somebody_else_is_refused() {
    let mut world = World::new();
    let (anna, ben, _) = world.friends();
    let cursor = world.cursor(&anna);
    for cursor in [cursor.as_str(), "nonsense", "0"] {
        let poll = world.poll(&ben, cursor, 25);
        let answers = world.turn();
        assert_eq!(told(&answers), [(poll, 400, vec![])]);
        assert_eq!(answers[0].code(), "bad_cursor");
    }
}

#[test]
fn a_cursor_beyond_what_there_is_is_reset_and_misses_nothing() {
    let mut world = World::new();
    let (anna, ben, conversation) = world.friends();
    let cursor = world.cursor(&ben);
    let parts: Vec<&str> = cursor.split('-').collect();
    let beyond = format!("{}-{}-1000-{}", parts[0], parts[1], parts[3]);
    let poll = world.poll(&ben, &beyond, 25);
    let answers = world.turn();
    assert_eq!(told(&answers), [(poll, 200, strings(["reset"]))]);
    world.say(&anna, conversation, "hello");
    world.turn();
    world.poll(&ben, &answers[0].cursor(), 25);
    assert_eq!(world.turn()[0].events(), [r#"message "hello""#]);
}

#[test]
fn logging_out_answers_the_polls_of_that_session_alone() {
    let mut world = World::new();
    let (anna, ben, conversation) = world.friends();
    let ben_elsewhere = world.log_in("ben");
    let here = held_poll(&mut world, &ben, 25);
    let elsewhere = held_poll(&mut world, &ben_elsewhere, 25);
    let bye = world.ask("DELETE", "/api/sessions/current", &ben.token, None);
    assert_eq!(told(&world.turn()), [(bye, 204, vec![]), (here, 401, vec![])]);
    let again = world.poll(&ben, "", 25);
    assert_eq!(told(&world.turn()), [(again, 401, vec![])], "the token is dead at once");
    let post = world.say(&anna, conversation, "still there?");
    let expected = strings([r#"message "still there?""#]);
    assert_eq!(told(&world.turn()), [(post, 201, vec![]), (elsewhere, 200, expected)]);
}

#[test]
fn one_poll_too_many_releases_the_oldest() {
    let mut world = World::with(|config| config.polls_per_user_max = 2);
    let (_, ben, _) = world.friends();
    let oldest = held_poll(&mut world, &ben, 25);
    held_poll(&mut world, &ben, 25);
    let cursor = world.cursor(&ben);
    world.poll(&ben, &cursor, 25);
    let answers = world.turn();
    assert_eq!(told(&answers), [(oldest, 200, vec![])]);
    assert_eq!(answers[0].body["released"], true);
    assert!(answers[0].body["retry_ms"].as_i64().is_some_and(|ms| ms > 0));
    assert_eq!(world.chat().held(), 2);
}

#[test]
fn a_server_that_stops_answers_everybody_and_sends_them_back_at_different_times() {
    let mut world = World::new();
    let (anna, ben, _) = world.friends();
    come_online(&mut world, [&anna, &ben]);
    let of_ben = held_poll(&mut world, &ben, 25);
    let of_anna = held_poll(&mut world, &anna, 25);
    world.input(Input::Drain);
    let answers = world.turn();
    assert_eq!(told(&answers), [(of_ben, 200, vec![]), (of_anna, 200, vec![])]);
    let mut retries = Vec::new();
    for answer in &answers {
        assert_eq!(answer.then, Then::Close);
        assert!(answer.head.contains("Connection: close"), "{}", answer.head);
        retries.push(answer.body["retry_ms"].as_i64().expect("a time to come back"));
    }
    retries.dedup();
    assert_eq!(retries.len(), 2, "spread: {retries:?}");
    assert_eq!(world.chat().held(), 0);
    let late = world.ask("GET", "/api/me", &ben.token, None);
    let answers = world.turn();
    assert_eq!(told(&answers), [(late, 503, vec![])]);
    assert_eq!(answers[0].code(), "unavailable");
    assert!(answers[0].head.contains("Retry-After"));
}

#[test]
fn a_turn_that_is_not_committed_answers_503_and_pushes_nothing() {
    let mut world = World::new();
    let (anna, ben, conversation) = world.friends();
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
    let mut world = World::new();
    let (anna, ben, _) = world.friends();
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

#[test]
fn a_snapshot_and_the_first_poll_leave_no_hole_between_them() {
    let mut world = World::new();
    let (anna, ben) = (world.register("anna"), world.register("ben"));
    let cursor = world.cursor(&ben);
    let conversation = world.befriend(&anna, &ben);
    world.say(&anna, conversation, "hello");
    world.turn();
    let poll = world.poll(&ben, &cursor, 25);
    let expected = strings([
        r#"friend "anna" "friends""#,
        &format!("conversation {conversation}"),
        r#"message "hello""#,
    ]);
    assert_eq!(told(&world.turn()), [(poll, 200, expected)]);
}

#[test]
fn one_who_was_away_for_long_is_reset_but_not_one_who_lost_the_network_for_a_minute() {
    let mut world = World::new();
    let (anna, ben, conversation) = world.friends();
    let cursor = world.cursor(&ben);
    world.pass(60 * SECOND);
    world.say(&anna, conversation, "soon");
    world.turn();
    world.poll(&ben, &cursor, 25);
    let answers = world.turn();
    assert_eq!(answers[0].events(), [r#"message "soon""#]);
    world.pass(3600 * SECOND);
    world.say(&anna, conversation, "late");
    world.turn();
    world.poll(&ben, &answers[0].cursor(), 25);
    assert_eq!(world.turn()[0].events(), ["reset", r#"message "late""#]);
}

#[test]
fn an_idle_server_sleeps_until_the_next_expiry() {
    let mut world = World::new();
    let (_, ben, _) = world.friends();
    world.pass(1000 * SECOND);
    assert_eq!(world.server().next_deadline(), None, "nobody is there");
    let cursor = world.cursor(&ben);
    let start = world.now().mono;
    world.poll(&ben, &cursor, 25);
    world.turn();
    let deadline = world.server().next_deadline().expect("the poll expires");
    let sleep = deadline.since(start);
    assert!(sleep >= 25 * SECOND && sleep <= 25 * SECOND + Duration::from_millis(50), "{sleep:?}");
}

#[test]
fn a_crash_does_not_take_back_that_one_has_read_what_one_answered() {
    let mut world = World::new();
    let (anna, ben, conversation) = world.friends();
    world.say(&anna, conversation, "how are you?");
    world.turn();
    world.say(&ben, conversation, "fine");
    world.turn();
    let unread = |world: &mut World| {
        let conversations = world.get("/api/conversations", &ben);
        conversations.body["conversations"][0]["unread"].clone()
    };
    assert_eq!(unread(&mut world), 0);
    world.restart();
    assert_eq!(unread(&mut world), 0);
}

// What was wrong once.

/// A client may send the head with `Expect: 100-continue` and its body so fast that both are read in
/// one turn. When its socket then does not take the interim response, the request is with the
/// handler already. The server took that for impossible, and stopped.
#[test]
fn a_socket_may_be_too_full_for_the_interim_response_to_a_request_that_is_complete() {
    let mut world = World::new();
    let (_, ben, _) = world.friends();
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
    let mut world = World::new();
    let (_, ben, _) = world.friends();
    let poll = held_poll(&mut world, &ben, 25);
    world.input(Input::Drain);
    world.hang_up(poll);
    assert_eq!(told(&world.turn()), []);
}

/// It was held for somebody who could not be seen to leave.
#[test]
fn a_poll_behind_another_request_of_a_client_that_has_closed_its_side_is_not_held() {
    let mut world = World::new();
    let (_, ben, _) = world.friends();
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
    let mut world = World::new();
    let (anna, ben, _) = world.friends();
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
    let mut world = World::new();
    let (anna, ben, conversation) = world.friends();
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
    let mut world = World::new();
    let (_, ben, _) = world.friends();
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
