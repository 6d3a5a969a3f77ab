//! Scripts of the comet: what happens, in which turn, and exactly what leaves.
//!
//! Each file shows one side of it. The real server runs on a fake network and a fake clock (see
//! `support`), so every interleaving that matters can be written down.

mod cursors;
mod exits;
mod news;
mod regressions;
#[path = "../support/mod.rs"]
mod support;

use std::time::Duration;

use support::{Answer, Line, Person, World};

const SECOND: Duration = Duration::from_secs(1);

/// A server, and two who are friends in it, with their conversation.
fn friends() -> (World, Person, Person, i64) {
    let mut world = World::new();
    let (anna, ben, conversation) = world.friends();
    (world, anna, ben, conversation)
}

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

/// A poll that is held, after everything that has happened.
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
