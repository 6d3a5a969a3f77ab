//! What a cursor is good for: whatever happens between two polls, the second goes on where the first
//! ended.

use crate::support::World;
use crate::{SECOND, friends, strings, told};

#[test]
fn an_answer_that_was_lost_is_given_again() {
    let (mut world, anna, ben, conversation) = friends();
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
    let (mut world, anna, ben, conversation) = friends();
    let cursor = world.cursor(&ben);
    world.say(&anna, conversation, "hello");
    world.turn();
    world.poll(&ben, &cursor, 25);
    let cursor = world.turn()[0].cursor();
    let poll = world.poll(&ben, &cursor, 0);
    assert_eq!(told(&world.turn()), [(poll, 200, vec![])]);
}

#[test]
fn what_a_snapshot_shows_does_not_come_again_and_what_it_does_not_comes_once() {
    let (mut world, anna, ben, conversation) = friends();
    let state = |world: &mut World| world.ask("GET", "/api/state", &ben.token, None);
    let begin = state(&mut world);
    world.say(&anna, conversation, "hello");
    let middle = state(&mut world);
    world.say(&anna, conversation, "again");
    let end = state(&mut world);
    let answers = world.turn();
    let mut after = |line| {
        let answer = answers.iter().find(|answer| answer.line == line).expect("an answer");
        world.events_after(&ben, &answer.cursor())
    };
    let of_anna = |line| {
        let answer = answers.iter().find(|answer| answer.line == line).expect("an answer");
        let members = answer.body["conversations"][0]["members"].as_array().expect("members");
        let anna = members.iter().find(|member| member["user"]["name"] == "anna").expect("anna");
        anna["last_read_id"].as_i64().expect("a mark")
    };
    assert_eq!([begin, middle, end].map(of_anna), [0, 1, 2], "who says something has read it");
    let [hello, again] = [r#"message "hello""#, r#"message "again""#];
    assert_eq!(after(begin), [hello, again]);
    assert_eq!(after(middle), [again]);
    assert!(after(end).is_empty());
}

#[test]
fn without_a_cursor_a_poll_begins_now() {
    let (mut world, anna, ben, conversation) = friends();
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
    let (mut world, anna, ben, conversation) = friends();
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
fn after_a_restart_an_old_cursor_is_reset_and_loses_no_message() {
    let (mut world, anna, ben, conversation) = friends();
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
    let (mut world, anna, ben, _) = friends();
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
    let (mut world, anna, ben, conversation) = friends();
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
    let (mut world, anna, ben, conversation) = friends();
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
fn a_crash_does_not_take_back_that_one_has_read_what_one_answered() {
    let (mut world, anna, ben, conversation) = friends();
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
