//! Writes down what happens in a run, so that people can read it and runs can be compared.
//!
//! A run that goes well is only hashed: everything that the server sends goes into one number, and
//! the same seed must give the same number. The lines of the trace are put together only where
//! somebody will read them, since a run can be had again from its seed.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

/// How many lines lead up to a failure.
const LAST_LINES: usize = 40;

/// What becomes of the lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lines {
    /// Nothing: they are not even made.
    Dropped,
    /// The last ones are kept.
    Kept,
    /// All are printed.
    Printed,
}

/// The record of one run. Clones write into the same one.
#[derive(Clone, Debug)]
pub struct Trace {
    lines: Lines,
    state: Rc<RefCell<State>>,
}

#[derive(Debug)]
struct State {
    hash: u64,
    now: u64,
    kept: VecDeque<String>,
    counts: Counts,
}

/// How often what has happened.
pub type Counts = BTreeMap<&'static str, u64>;

impl Trace {
    pub fn new(lines: Lines) -> Self {
        // The offset basis of FNV-1a.
        let hash = 0xcbf2_9ce4_8422_2325;
        let state = State { hash, now: 0, kept: VecDeque::new(), counts: Counts::new() };
        Self { lines, state: Rc::new(RefCell::new(state)) }
    }

    /// Further lines are of this time, in microseconds.
    pub fn at(&self, now: u64) {
        self.state.borrow_mut().now = now;
    }

    /// One line, if somebody will read it.
    pub fn line(&self, text: impl FnOnce() -> String) {
        if self.lines == Lines::Dropped {
            return;
        }
        let mut state = self.state.borrow_mut();
        let (seconds, micros) = (state.now / 1_000_000, state.now % 1_000_000);
        let line = format!("{seconds:>5}.{micros:06} {}", text());
        if self.lines == Lines::Printed {
            println!("{line}");
        } else {
            if state.kept.len() == LAST_LINES {
                state.kept.pop_front();
            }
            state.kept.push_back(line);
        }
    }

    /// Something that must be the same in each run of a seed.
    pub fn hash(&self, bytes: &[u8]) {
        let mut state = self.state.borrow_mut();
        // FNV-1a, a word at a time: it has to notice differences, not to withstand anybody.
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            let mixed = state.hash ^ u64::from_le_bytes(word);
            state.hash = mixed.wrapping_mul(0x0100_0000_01b3).rotate_left(23);
        }
    }

    /// Something that a simulator must come across, or it simulates too little.
    pub fn count(&self, what: &'static str) {
        *self.state.borrow_mut().counts.entry(what).or_insert(0) += 1;
    }

    /// What has happened, and how often.
    pub fn counts(&self) -> Counts {
        self.state.borrow().counts.clone()
    }

    /// The number that stands for the run so far.
    pub fn digest(&self) -> u64 {
        self.state.borrow().hash
    }

    /// The lines that led up to this moment.
    pub fn last_lines(&self) -> String {
        let state = self.state.borrow();
        state.kept.iter().fold(String::new(), |lines, line| lines + line + "\n")
    }
}
