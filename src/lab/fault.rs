//! Defines what can be made to go wrong with the answers of a session. `chat/faults.rs` does it.

use std::time::Duration;

use crate::system::Mono;

/// How long a fault stays set.
pub const LASTS: Duration = Duration::from_secs(60);

/// How many times it strikes at most.
pub const TIMES_MAX: u32 = 20;

/// How late it can make an answer.
pub const DELAY_MAX: Duration = Duration::from_secs(10);

/// What is done to an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It waits in a buffer, as in a proxy: pieces of a stream until they are many, or it is late.
    Buffer,
    /// Half of it leaves.
    Cut,
    /// It leaves later.
    Delay,
    /// Its head leaves, and none of its body.
    Drop,
    /// It is also the answer to the next poll, as from a cache.
    Twice,
}

impl Fault {
    /// All of them, and what programs call them.
    pub const ALL: [(&'static str, Self); 5] = [
        ("buffer", Self::Buffer),
        ("cut", Self::Cut),
        ("delay", Self::Delay),
        ("drop", Self::Drop),
        ("twice", Self::Twice),
    ];
}

/// Which answers are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// Those to polls.
    Polls,
    /// Those to messages that are sent.
    Sends,
    /// The pieces of streams.
    Streams,
}

impl Target {
    /// All of them, and what programs call them.
    pub const ALL: [(&'static str, Self); 3] =
        [("polls", Self::Polls), ("sends", Self::Sends), ("streams", Self::Streams)];
}

/// A fault as it is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting {
    /// What is done.
    pub fault: Fault,
    /// To what.
    pub target: Target,
    /// How many more times.
    pub times: u32,
    /// How late, if lateness is what it does.
    pub delay: Duration,
    /// Until when it is set.
    pub until: Mono,
}
