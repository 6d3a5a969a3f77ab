//! Decides what kind of run a seed is: how many people, which faults, which limits.
//!
//! Each fault is left out of about half of the runs (swarm testing: Groce and others, 2012). With
//! everything going on at once, faults hide each other: where each poll is cut off soon, none ever
//! expires.

use std::time::Duration;

use lovejoy::config::Config;

use crate::random::Random;

/// What a run is like. Chances are per mille.
#[derive(Clone, Debug)]
pub struct Plan {
    pub people: usize,
    pub tabs_each: usize,
    /// Turns with faults, before the calm.
    pub turns: u64,
    /// A tab that could do something does.
    pub busy: u64,
    /// What arrives in a turn arrives in pieces.
    pub split: u64,
    /// What is on its way arrives in a later turn.
    pub delay: u64,
    /// A socket takes nothing for a while.
    pub stall: u64,
    /// A tab hangs up.
    pub hang_up: u64,
    /// A tab asks again, and hangs up what it asked before only later.
    pub abandon: u64,
    /// A tab closes its side behind a request.
    pub half_close: u64,
    /// A tab sends more before it is answered.
    pub pipeline: u64,
    /// A tab asks for a stream, and not for one answer.
    pub stream: u64,
    /// A tab falls asleep.
    pub sleep: u64,
    /// A message is sent twice, or again, or another one under its nonce.
    pub repeat: u64,
    /// A tab logs out.
    pub log_out: u64,
    /// Somebody is typing.
    pub typing: u64,
    /// A tab blocks somebody, or no longer.
    pub block: u64,
    /// Somebody takes another out of a group, and in again.
    pub expel: u64,
    /// A tab tries passwords, its own person's and others', or makes accounts for nobody.
    pub guess: u64,
    /// Somebody changes their password.
    pub change_password: u64,
    /// Somebody deletes their account.
    pub delete_account: u64,
    /// A tab says how far it has got, or says the cursor of another.
    pub acknowledge: u64,
    /// The process is killed.
    pub crash: u64,
    /// The process is told to stop.
    pub drain: u64,
    /// The store is full for a while.
    pub full: u64,
    /// For a while the disk gives errors to whatever is committed, or written.
    pub fault: u64,
    /// Somebody sets the clock.
    pub set_clock: u64,
    /// The server is woken later than it wanted.
    pub oversleep: u64,
    pub config: Config,
}

/// So long does a token live that ends within a run.
const SHORT_LIFETIME: Duration = Duration::from_secs(60);

impl Plan {
    pub fn new(random: &mut Random) -> Self {
        let mut sometimes = |per_mille| if random.chance(500) { per_mille } else { 0 };
        let (split, delay, stall) = (sometimes(300), sometimes(300), sometimes(15));
        let (hang_up, half_close, pipeline) = (sometimes(30), sometimes(25), sometimes(40));
        let (sleep, repeat, log_out) = (sometimes(6), sometimes(150), sometimes(10));
        let (crash, drain, full) = (sometimes(8), sometimes(12), sometimes(12));
        let (set_clock, oversleep) = (sometimes(10), sometimes(50));
        let typing = sometimes(200);
        let (stream, abandon, fault) = (sometimes(500), sometimes(30), sometimes(12));
        let (block, change_password) = (sometimes(40), sometimes(25));
        let (delete_account, acknowledge) = (sometimes(10), sometimes(60));
        let expel = sometimes(100);
        let mut config = config(random);
        // Those who need a new account, or try in vain to make one, would be kept out for too long.
        let guess = if delete_account + full + fault == 0 && config.rate_limits { 150 } else { 0 };
        if guess > 0 {
            (config.failed_passwords_max, config.registrations_max) = (15, 6);
            // So many are tried at once.
            config.hashing_per_address_max = 1000;
            config.hashing_max = if config.hashing_max == 1 { 1 } else { 1000 };
        }
        // Who starts anew or sets the clock does not know how old things are.
        if crash + drain + set_clock == 0 {
            config.token_lifetime = SHORT_LIFETIME;
        }
        Self {
            people: random.index(3) + 2,
            tabs_each: random.index(2) + 1,
            turns: random.between(60, 240),
            busy: random.pick(&[30, 100, 300]),
            split,
            delay,
            stall,
            hang_up,
            abandon,
            half_close,
            pipeline,
            stream,
            typing,
            block,
            expel,
            guess,
            change_password,
            delete_account,
            acknowledge,
            sleep,
            repeat,
            log_out,
            crash,
            drain,
            full,
            fault,
            set_clock,
            oversleep,
            config,
        }
    }

    /// Whether a token ends within a run.
    pub fn are_tokens_short(&self) -> bool {
        self.config.token_lifetime == SHORT_LIFETIME
    }
}

/// Limits that are reached within a run, and some that are not.
fn config(random: &mut Random) -> Config {
    let mut config = Config {
        password_iterations: random.pick(&[1, 1, 1, 2500]),
        events_page_max: random.pick(&[1, 3, 200]),
        polls_per_user_max: random.pick(&[2, 16]),
        polls_per_turn_max: random.pick(&[1, 2, 256]),
        requests_per_turn_max: random.pick(&[1, 3, 64]),
        live_events_per_user_max: random.pick(&[2, 5, 1024]),
        hashing_max: random.pick(&[1, 64]),
        pipelined_bytes_max: random.pick(&[300, 600, 16 * 1024]),
        index_batch: random.pick(&[1, 3, 1000]),
        tail_messages_max: random.pick(&[1, 4, 1000]),
        cache_entries_max: random.pick(&[1, 3, 1000]),
        rate_limits: random.chance(400),
        // Whoever is not let in again for half an hour is no use.
        registrations_max: 100_000,
        failed_passwords_max: 100_000,
        messages_burst_max: random.pick(&[2, 50]),
        friend_requests_max: random.pick(&[2, 30]),
        ..Config::default()
    };
    config.presence_grace = Duration::from_secs(10);
    config
}
