//! Runs the fuzz targets of `fuzz/` without a fuzzer: all seeds, and of each some mutations, which
//! are the same every time. `LOVEJOY_MUTATIONS=100000` looks longer.

#[path = "../fuzz/src/lib.rs"]
#[allow(dead_code, unreachable_pub, missing_docs, reason = "it is a crate of its own")]
mod targets;

use std::env;
use std::panic;

use targets::{TARGETS, Target};

/// Mutations of a target, unless the environment says otherwise.
const MUTATIONS: u64 = 3_000;

#[test]
fn any_head_is_read_the_same_in_any_pieces() {
    run("head", MUTATIONS);
}

#[test]
fn any_chunked_body_is_read_the_same_in_any_pieces() {
    run("chunked", MUTATIONS);
}

#[test]
fn any_target_keeps_its_promises() {
    run("target", MUTATIONS);
}

#[test]
fn any_conditions_and_ranges_lead_to_an_answer_that_agrees_with_itself() {
    run("fields", MUTATIONS);
}

#[test]
fn any_bytes_on_any_connections_get_one_answer_for_each_request() {
    run("server", MUTATIONS);
}

#[test]
fn the_chat_answers_any_bytes_too() {
    // Each of them makes a database.
    run("chat", MUTATIONS / 10);
}

fn run(name: &str, mutations: u64) {
    let named = TARGETS.iter().find(|target| target.name == name);
    let target = named.expect("a target of this name");
    let mutations =
        env::var("LOVEJOY_MUTATIONS").map_or(mutations, |n| n.parse().expect("a number"));
    for input in inputs(target, mutations) {
        let outcome = panic::catch_unwind(|| (target.run)(&input));
        assert!(outcome.is_ok(), "{name}: b\"{}\"", input.escape_ascii());
    }
}

/// The seeds as they are, and then what becomes of them.
fn inputs(target: &Target, mutations: u64) -> impl Iterator<Item = Vec<u8>> + use<> {
    let (seeds, words) = (target.seeds(), target.words());
    let untouched = seeds.clone();
    let mutated = (0..mutations).map(move |number| {
        let mut dice = Dice(number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let mut bytes = dice.pick(&seeds).clone();
        for _ in 0..=dice.below(4) {
            mutate(&mut bytes, &mut dice, &seeds, &words);
        }
        bytes
    });
    untouched.into_iter().chain(mutated)
}

fn mutate(bytes: &mut Vec<u8>, dice: &mut Dice, seeds: &[Vec<u8>], words: &[Vec<u8>]) {
    let from = dice.below(bytes.len() + 1);
    let to = (from + dice.below(8)).min(bytes.len());
    let insertion = match dice.below(6) {
        0 => Vec::new(),
        1 => vec![dice.byte()],
        2 | 3 => dice.pick(words).clone(),
        4 => bytes[from..].to_vec(),
        _ => {
            let other = dice.pick(seeds);
            other[dice.below(other.len() + 1)..].to_vec()
        }
    };
    let to = if dice.below(2) == 0 { from } else { to };
    bytes.splice(from..to, insertion);
    bytes.truncate(4_096);
}

/// Xorshift: random enough, and the same everywhere.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: usize) -> usize {
        // invariant: below a number that is a usize.
        usize::try_from(self.roll() % bound.max(1) as u64).expect("below a usize")
    }

    fn byte(&mut self) -> u8 {
        self.roll().to_le_bytes()[3]
    }

    fn pick<'a>(&mut self, list: &'a [Vec<u8>]) -> &'a Vec<u8> {
        &list[self.below(list.len())]
    }
}
