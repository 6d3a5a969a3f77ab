//! Holds very many polls on the real core, a user and a connection each: what one costs in memory, and
//! that a turn does not do more because of them.
//!
//! ```text
//! cargo test --test held                                                     20,000
//! HELD_POLLS=1000000 cargo test --release --test held -- --nocapture         a million
//! ```
//!
//! Memory is this process's own, before and after; it includes what the played network keeps of a
//! connection. Work is what the server counts: polls asked for, answers, turns. Time is only printed.

mod support;

use std::fs;
use std::time::{Duration, Instant};

use lovejoy::comet::{ConnectionId, Left};
use lovejoy::data::NewAccount;
use lovejoy::metrics::{Counter, Metrics};
use lovejoy::server::Input;
use sha2::{Digest, Sha256};
use support::{Answer, Line, Person, World, request};

/// How many where nobody says.
const POLLS: u32 = 20_000;

/// How many come in a turn: none of them has to wait for another.
const A_TURN: u32 = 50;

/// What a held poll may cost, in bytes.
const BYTES_MAX: u64 = 300;

const SECOND: Duration = Duration::from_secs(1);

/// Memory of this process alone.
fn private_bytes() -> u64 {
    let rollup = fs::read_to_string("/proc/self/smaps_rollup").expect("a Linux");
    let private = rollup.lines().filter_map(|line| {
        let (name, value) = line.split_once(':')?;
        let value = name.starts_with("Private_").then(|| value.trim().strip_suffix(" kB"))?;
        value?.parse::<u64>().ok()
    });
    private.sum::<u64>() * 1024
}

fn token(number: u32) -> String {
    format!("token of number {number}")
}

/// Accounts with a session each, made as if by an older start of the server.
fn make_accounts(world: &mut World, count: u32) {
    let now = world.now().wall;
    let store = world.chat().store();
    for number in 0..count {
        let name = format!("user-{number}");
        let account = NewAccount {
            name: &name,
            name_key: &name,
            display_name: &name,
            display_key: &name,
            salt: &[0; 16],
            iterations: 1,
            password: &[0; 32],
        };
        let user = store.add_account(&account, now).expect("an account");
        let hash: [u8; 32] = Sha256::digest(token(number)).into();
        store.add_session(user, &hash, "", now).expect("a session");
        if number % 10_000 == 0 {
            store.commit().expect("on the disk");
        }
    }
    store.commit().expect("on the disk");
}

/// A poll for each account, each on a connection of its own. The first of these connections.
fn hold(world: &mut World, count: u32) -> Line {
    let mut first = None;
    for number in 0..count {
        let line = world.connect();
        first.get_or_insert(line);
        let poll = request("GET", "/api/events?wait=60", &token(number), None);
        world.input(Input::Received { connection: line, bytes: poll.as_bytes() });
        if number % A_TURN == A_TURN - 1 || number + 1 == count {
            assert!(world.settle().is_empty(), "nothing to tell");
        }
    }
    first.expect("one at least")
}

/// What is done for a message between two, from the request on until there is nothing left to do.
fn work_of_a_message(
    world: &mut World,
    anna: &Person,
    ben: &Person,
    conversation: i64,
) -> [u64; 4] {
    let cursor = world.cursor(ben);
    let poll = world.poll(ben, &cursor, 60);
    assert!(world.settle().is_empty());
    let counted = |world: &mut World| {
        let metrics: &Metrics = world.server().metrics();
        [&metrics.turns, &metrics.wake_ups, &metrics.requests]
            .map(Counter::get)
            .into_iter()
            .chain([metrics.count_left(Left::News)])
            .collect::<Vec<_>>()
    };
    let before = counted(world);
    world.say(anna, conversation, "hello");
    let answers = world.settle();
    assert_eq!(answers.len(), 2);
    assert_eq!(answers[1].line, poll);
    let after = counted(world);
    std::array::from_fn(|index| after[index] - before[index])
}

#[test]
fn very_many_polls_cost_little_memory_and_no_work() {
    let given = std::env::var("HELD_POLLS").ok();
    let count = given.map_or(POLLS, |text| text.parse().expect("a number"));
    let mut world = World::with(|config| {
        config.connections_max = usize::MAX;
        config.users_remembered_max = usize::MAX;
        config.rate_limits = false;
    });
    let (anna, ben, conversation) = world.friends();
    make_accounts(&mut world, count);
    for person in [&anna, &ben] {
        world.poll(person, "", 0);
    }
    world.settle();
    let alone = work_of_a_message(&mut world, &anna, &ben, conversation);

    let before = private_bytes();
    let begun = Instant::now();
    let first = hold(&mut world, count);
    let each = begun.elapsed() / count;
    let bytes = private_bytes().saturating_sub(before) / u64::from(count);
    println!("{count} polls are held, at {bytes} bytes and in {each:?} each");
    assert_eq!(world.chat().held(), count as usize);
    assert!(bytes <= BYTES_MAX, "{bytes} bytes a poll");

    let begun = Instant::now();
    let among_many = work_of_a_message(&mut world, &anna, &ben, conversation);
    println!(
        "a message took {among_many:?} turns, wake-ups, requests and releases: {:?}",
        begun.elapsed()
    );
    assert_eq!(among_many, alone, "a message among {count} is a message between two");

    // All expire at about the same time; each once, in portions.
    let turns = world.server().metrics().turns.get();
    let begun = Instant::now();
    let expired = world.pass(70 * SECOND).len();
    let turns = world.server().metrics().turns.get() - turns;
    println!("all expired in {turns} turns: {:?}", begun.elapsed());
    assert_eq!((expired, world.chat().held()), (count as usize, 0));
    assert!(turns <= u64::from(count) / 100 + 200, "{turns} turns");

    for number in 0..count {
        world.hang_up(ConnectionId(first.0 + number));
    }
    world.turn();
    assert!(world.server().connections() < 100, "nobody is forgotten");
}

/// How many wait when the server is told to stop.
const DRAINED: u32 = 5_000;

/// No time passes meanwhile: that is what the two seconds are for which sockets have to take it all.
#[test]
fn a_server_that_stops_answers_very_many_in_turns_without_a_pause() {
    let mut world = World::with(|config| {
        config.connections_max = usize::MAX;
        config.users_remembered_max = usize::MAX;
        config.rate_limits = false;
    });
    make_accounts(&mut world, DRAINED);
    hold(&mut world, DRAINED);
    assert_eq!(world.chat().held(), DRAINED as usize);
    let begun = Instant::now();
    let (now, before) = (world.now().mono, world.server().metrics().turns.get());
    world.input(Input::Drain);
    let mut answered = 0;
    while world.chat().held() > 0 {
        let answers = world.turn();
        assert!(!answers.is_empty(), "{answered} are answered, and no more");
        let told = |answer: &Answer| answer.status == 200 && answer.body["retry_ms"].is_u64();
        assert!(answers.iter().all(told), "each with a time to come back");
        answered += answers.len();
    }
    let turns = world.server().metrics().turns.get() - before;
    println!("{answered} were answered in {turns} turns: {:?}", begun.elapsed());
    assert_eq!((answered, world.now().mono), (DRAINED as usize, now));
    assert!(turns <= u64::from(DRAINED) / 256 + 2, "{turns} turns");
}
