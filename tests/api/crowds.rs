//! Groups of very many, whose members are told together how far messages have reached the others.

use std::collections::BTreeSet;
use std::time::Duration;

use lovejoy::data::Fault;
use serde_json::json;

use super::support::{Line, Person, World};

/// So many users, the first of whom owns a group that all are in.
fn crowd(world: &mut World, count: usize) -> (Person, Vec<Person>, i64) {
    let mut people: Vec<Person> =
        (0..count).map(|number| world.register(&format!("user{number}"))).collect();
    let owner = people.remove(0);
    for person in &people {
        world.befriend(&owner, person);
    }
    let crowd = world.group(&owner, "crowd", &people.iter().collect::<Vec<_>>());
    (owner, people, crowd)
}

/// In a crowd all get a message at once, and each is to be told of each. One by one that would be an answer
/// to everybody for everybody.
#[test]
fn what_has_reached_them_is_told_together() {
    const CROWD: usize = 40;
    let mut world = World::with(|config| config.rate_limits = false);
    let (owner, people, crowd) = crowd(&mut world, CROWD);
    let mut marks = vec![BTreeSet::new(); people.len()];
    let mut lines: Vec<Line> = Vec::new();
    for person in &people {
        let cursor = world.cursor(person);
        lines.push(world.poll(person, &cursor, 60));
    }
    world.settle();
    world.say(&owner, crowd, "hello");
    let (mut answers, mut told) = (world.settle(), 0);
    for _ in 0..20 {
        // Each comes back, and so says what it has got, in a turn of its own; first who was told last.
        while let Some(answer) = answers.pop() {
            let Some(place) = lines.iter().position(|line| *line == answer.line) else { continue };
            let before = marks[place].len();
            let events = answer.events().into_iter();
            marks[place].extend(events.filter(|event| event.starts_with("delivered")));
            told += usize::from(marks[place].len() > before);
            lines[place] = world.poll(&people[place], &answer.cursor(), 60);
            answers.extend(world.settle());
        }
        answers.extend(world.pass(Duration::from_millis(50)));
    }
    for marks in &marks {
        assert!(marks.len() >= people.len() - 1, "of all others: {marks:?}");
    }
    assert!(told <= 6 * CROWD, "{told} answers");
}

/// What waits to be told is taken away only when it is known to whom it is told.
#[test]
fn what_has_reached_them_is_told_though_the_store_cannot_be_read_for_a_while() {
    // There is room for one conversation in memory: to look at another is to forget the crowd.
    let mut world = World::with(|config| config.cache_entries_max = 1);
    let (owner, people, crowd) = crowd(&mut world, 20);
    let other = world.group(&owner, "other", &[]);
    let before = world.cursor(&owner);
    world.pass(Duration::from_secs(1));
    world.say(&owner, crowd, "hello");
    world.settle();
    for person in &people {
        let cursor = world.cursor(person);
        let answer = world.post("/api/events/ack", person, &json!({ "cursor": cursor }));
        assert_eq!(answer.status, 204);
    }
    let told = |world: &mut World| {
        let events = world.events_after(&owner, &before).into_iter();
        events.filter(|event| event.starts_with("delivered")).count()
    };
    assert_eq!(told(&mut world), 1, "the others wait for each other");
    world.get(&format!("/api/conversations/{other}/messages"), &owner);
    world.chat().store().set_fault(Some(Fault::Read));
    world.pass(Duration::from_millis(120));
    world.chat().store().set_fault(None);
    assert_eq!(told(&mut world), 1, "whom to tell could not be read");
    world.pass(Duration::from_millis(60));
    assert_eq!(told(&mut world), people.len());
}
