//! Checks what must hold for whatever bytes a peer sends. Each function here is a fuzz target: it
//! takes any bytes, and panics where a rule is broken.
//!
//! libFuzzer calls them from `fuzz_targets/`; `tests/fuzz_corpus.rs` of the server calls them with
//! the seeds and some thousand mutations in every `cargo test`, so nothing but the server and the
//! standard library is used here.

mod playful;
mod reading;
mod seeds;
mod serving;

pub use reading::{chunked, fields, head, target};
pub use seeds::{TARGETS, Target};
pub use serving::{chat, server};
