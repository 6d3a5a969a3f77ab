//! Runs the real server through days of trouble in seconds, and checks that nobody notices.
//!
//! Everything in a run follows from its seed: who says what to whom, how the network cuts it into
//! pieces, when the disk is full, when the process is killed. The server, its rules and SQLite are
//! the real ones; sockets and clocks are played (`world.rs`, `network.rs`), people and their
//! browsers too (`people.rs`, `tab.rs`). `checks.rs` says what must be true.
//!
//! A run has two phases. In the first everything goes wrong that the seed wants (`plan.rs`), and
//! nothing false may be said. In the second nothing goes wrong any more, and everybody must soon
//! see the same.
//!
//! ```text
//! cargo test --test sim                                                 400 seeds
//! SIM_SEEDS=100000 CARGO_PROFILE_DEV_OPT_LEVEL=2 cargo test --test sim  many
//! SIM_FROM=400 SIM_SEEDS=1000 cargo test --test sim                     those behind the 400
//! SIM_SEED=17 cargo test --test sim -- --nocapture                      one, with all that happens in it
//! ```

#![allow(unreachable_pub, reason = "a test is nobody's library")]

mod calm;
mod checks;
mod network;
mod people;
mod plan;
mod random;
mod tab;
mod trace;
mod view;
mod wire;
mod world;

use std::panic::{self, AssertUnwindSafe};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use people::People;
use plan::Plan;
use random::Random;
use trace::{Counts, Lines, Trace};
use world::World;

/// How many seeds are tried where nobody says.
const SEEDS: u64 = 400;

/// Runs one seed to its end; panics where something is not as it must be.
fn run(seed: u64, trace: &Trace) {
    let mut random = Random::new(seed);
    let plan = Plan::new(&mut random);
    trace.line(|| format!("seed {seed}: {plan:?}"));
    let mut world = World::new(&plan, Random::new(random.next()), trace.clone());
    let mut people = People::new(plan.clone(), Random::new(random.next()), trace.clone());
    for _ in 0..plan.turns {
        step(&mut world, &mut people);
    }
    calm::check(&mut world, &mut people);
}

/// A turn of the server, then one of the people, and some time.
fn step(world: &mut World, people: &mut People) {
    let gently = people.calm;
    world.turn(gently);
    let now = world.now;
    world.network.asleep = people.asleep(now);
    for (link, seen) in world.network.deliver(&mut world.random, gently) {
        people.see(link, seen, now);
    }
    people.act(&mut world.network, now);
    world.pass(people.next_deadline(now), gently);
}

/// What went wrong in a run.
fn failure(seed: u64, trace: &Trace) -> Option<String> {
    let result = panic::catch_unwind(AssertUnwindSafe(|| run(seed, trace)));
    let payload = result.err()?;
    let text = payload.downcast_ref::<String>().cloned();
    Some(
        text.or_else(|| payload.downcast_ref::<&str>().map(|s| (*s).to_owned()))
            .unwrap_or_default(),
    )
}

#[test]
fn whatever_happens_everybody_sees_the_same_in_the_end() {
    if let Some(seed) = number("SIM_SEED") {
        let trace = Trace::new(Lines::Printed);
        run(seed, &trace);
        println!("all is well; digest {:016x}", trace.digest());
        return;
    }
    let (first, seeds) = (number("SIM_FROM").unwrap_or(0), number("SIM_SEEDS").unwrap_or(SEEDS));
    let end = first + seeds;
    let (began, next, failed) = (Instant::now(), AtomicU64::new(first), Mutex::new(None));
    let counts = Mutex::new(Counts::new());
    // A failure is told once, with its trace, and not where it happens.
    let hook = panic::take_hook();
    panic::set_hook(Box::new(|_| {}));
    let workers = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end {
                        return;
                    }
                    let trace = Trace::new(Lines::Dropped);
                    let failure = failure(seed, &trace);
                    let mut counts = counts.lock().expect("no panic before");
                    for (what, times) in trace.counts() {
                        *counts.entry(what).or_insert(0) += times;
                    }
                    if failure.is_some() {
                        next.store(end, Ordering::Relaxed);
                        let mut failed = failed.lock().expect("no panic before");
                        *failed = Some(failed.map_or(seed, |other: u64| other.min(seed)));
                    }
                }
            });
        }
    });
    let told = failed.into_inner().expect("no panic before").map(|seed| {
        let trace = Trace::new(Lines::Kept);
        let why = failure(seed, &trace);
        (seed, trace.last_lines(), why.unwrap_or_else(|| "nothing, the second time".into()))
    });
    panic::set_hook(hook);
    if let Some((seed, lines, why)) = told {
        panic!("SIM_SEED={seed} fails: {why}\n\n{lines}\nSIM_SEED={seed} fails: {why}");
    }
    println!("{seeds} seeds in {:.1} s", began.elapsed().as_secs_f64());
    for (what, times) in counts.into_inner().expect("no panic before") {
        println!("{times:>12} {what}");
    }
}

#[test]
fn a_seed_decides_everything() {
    for seed in 0..5 {
        let digests = [(); 2].map(|()| {
            let trace = Trace::new(Lines::Dropped);
            let _ = failure(seed, &trace);
            trace.digest()
        });
        assert_eq!(digests[0], digests[1], "seed {seed} is not always the same run");
    }
}

/// A number from the environment.
fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}
