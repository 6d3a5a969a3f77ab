//! Lists every setting once: its field, what it takes, what it is for.
//!
//! Knows neither where a value comes from nor how an error is reported. Rules:
//! 1. Options, environment variables, lines of a file, help and the table in `docs/settings.md`
//!    follow from this one, so none of them knows a setting that another does not.
//! 2. A setting has the name of its field, and its default is that of `Config::default()`.

use std::ops::RangeInclusive;

use super::Config;
use super::values::Value;

/// One thing that can be set.
pub(super) struct Setting {
    /// The name of its field.
    name: &'static str,
    /// The field itself.
    pub(super) field: fn(&mut Config) -> &mut dyn Value,
    /// What numbers and times (in milliseconds) are allowed; other types have no use for it.
    pub(super) range: RangeInclusive<u64>,
    /// Whether naming the option is enough to turn it on.
    pub(super) is_flag: bool,
    /// What it is for, in one line.
    pub(super) help: &'static str,
}

impl Setting {
    /// The setting with this option, given with its dashes.
    pub(super) fn by_option(option: &str) -> Option<&'static Self> {
        Self::all().find(|setting| setting.option() == option)
    }

    /// The whole table.
    pub(super) fn all() -> impl Iterator<Item = &'static Self> {
        GROUPS.iter().flat_map(|(_, settings)| settings.iter())
    }

    /// As on the command line: `--connections-max`.
    pub(super) fn option(&self) -> String {
        format!("--{}", self.line())
    }

    /// As in a file: `connections-max`.
    pub(super) fn line(&self) -> String {
        self.name.replace('_', "-")
    }

    /// Where in the table it is.
    pub(super) fn place(&self) -> usize {
        // invariant: every setting comes from the table.
        Self::all().position(|other| other.name == self.name).expect("a setting of the table")
    }

    /// As in the environment: `LOVEJOY_CONNECTIONS_MAX`.
    pub(super) fn variable(&self) -> String {
        format!("{VARIABLE_PREFIX}{}", self.name.to_ascii_uppercase())
    }
}

/// What every variable of ours begins with.
pub(super) const VARIABLE_PREFIX: &str = "LOVEJOY_";

/// Makes an entry: field, help, and for numbers and times what is allowed.
macro_rules! setting {
    ($name:ident, flag, $help:literal) => {
        Setting { is_flag: true, ..setting!($name, $help) }
    };
    ($name:ident, $help:literal) => {
        setting!($name, 0..=0, $help)
    };
    ($name:ident, $range:expr, $help:literal) => {
        Setting {
            name: stringify!($name),
            field: |config| &mut config.$name,
            range: $range,
            is_flag: false,
            help: $help,
        }
    };
}

/// The settings in groups, as help shows them; the first is what most people need.
pub(super) static GROUPS: [(&str, &[Setting]); 4] =
    [("Options", OPTIONS), ("More options", MORE), ("Times", TIMES), ("Limits", LIMITS)];

const OPTIONS: &[Setting] = &[
    setting!(listen, "where to accept connections"),
    setting!(data, "folder of data, or :memory:"),
    setting!(trusted_proxy, "believe these when they say who asks"),
    setting!(name, "what the pages call the server"),
    setting!(registration, "who may make an account"),
    setting!(durability, "full survives a power failure"),
    setting!(retention, 0..=36_500 * DAY, "forget messages this old; 0s means never"),
    setting!(memory_max, 0..=1 << 50, "never use more memory; 0 means no bound"),
    setting!(demo, flag, "make two accounts to try the server with"),
    setting!(log, "how much to say on stderr"),
];

const MORE: &[Setting] = &[
    setting!(metrics_listen, "where to serve /metrics, not in public"),
    setting!(log_format, "lines for people, or of JSON"),
    setting!(lab, flag, "serve the lab, which shows how it works"),
    setting!(lab_admin, "who sees all connections there"),
    setting!(seed_facade, flag, "answer the chat page of 2013, too"),
    #[cfg(feature = "tls")]
    setting!(tls_certificate, "speak TLS with this certificate and chain"),
    #[cfg(feature = "tls")]
    setting!(tls_key, "the certificate's key"),
    setting!(www, "serve the pages from this folder"),
    setting!(rate_limits, "off for a trusted network or a load test"),
    setting!(password_iterations, 1_000..=10_000_000, "rounds of PBKDF2 for new passwords"),
    setting!(retention_bytes, 0..=1 << 50, "forget the oldest beyond; 0 means never"),
];

const TIMES: &[Setting] = &[
    setting!(wait_default, 0..=HOUR, "hold a poll that does not say how long"),
    setting!(wait_max, 0..=HOUR, "hold any poll at most"),
    setting!(keep_alive, 1_000..=HOUR, "give a sign of life on a silent stream"),
    setting!(presence_grace, 0..=HOUR, "stay online after the last poll"),
    setting!(token_lifetime, SECOND..=3_650 * DAY, "keep a login that nobody uses"),
    setting!(head_time_max, 100..=HOUR, "wait for the head of a request"),
    setting!(body_time_max, 100..=HOUR, "wait for its body"),
    setting!(idle_time_max, 100..=HOUR, "wait for the next request"),
    setting!(write_time_max, 100..=HOUR, "wait for a peer that takes nothing"),
    setting!(linger_time_max, 0..=HOUR, "let a peer read its last answer"),
    setting!(drain_time_max, 0..=HOUR, "let answers leave at the end"),
];

const LIMITS: &[Setting] = &[
    setting!(connections_max, 1..=4_000_000, "connections at a time"),
    setting!(connections_per_address_max, 1..=4_000_000, "of them from one address"),
    setting!(polls_per_user_max, 1..=1_000_000, "polls and streams of one user"),
    setting!(live_events_per_user_max, 1..=MILLION, "unstored events kept for one user"),
    setting!(live_events_max, 64..=1 << 32, "of them for all"),
    setting!(users_remembered_max, 16..=100 * MILLION, "users remembered when they leave"),
    setting!(hashing_max, 1..=10_000, "passwords being hashed"),
    setting!(hashing_per_address_max, 1..=10_000, "of them for one address"),
    setting!(searches_max, 1..=10_000, "searches in progress"),
    setting!(failed_passwords_max, 1..=MILLION, "wrong passwords in five minutes"),
    setting!(registrations_max, 1..=MILLION, "new accounts per address and hour"),
    setting!(friend_requests_max, 1..=MILLION, "friend requests per user and hour"),
    setting!(messages_per_second_max, 1..=MILLION, "messages per user and second"),
    setting!(messages_burst_max, 1..=MILLION, "messages per user at once"),
    setting!(typing_per_second_max, 1..=MILLION, "signs of typing per user and second"),
    setting!(rate_limit_entries_max, 64..=MILLION, "places for each of these"),
    setting!(head_bytes_max, 1_024..=MIB, "bytes of a request's head"),
    setting!(request_line_bytes_max, 256..=MIB, "bytes of its first line"),
    setting!(fields_max, 16..=1_000, "fields in it"),
    setting!(body_bytes_max, 1_024..=16 * MIB, "bytes of a request's body"),
    setting!(chunk_line_bytes_max, 20..=65_536, "bytes of a line before a chunk"),
    setting!(chunk_extension_bytes_max, 0..=1_048_576, "bytes of chunk extensions in a body"),
    setting!(trailer_bytes_max, 0..=1_048_576, "bytes of fields after a chunked body"),
    setting!(buffers_bytes_max, 65_536..=1 << 50, "bytes kept for all connections"),
    setting!(pipelined_bytes_max, 1_024..=MIB, "bytes waiting after a request"),
    setting!(group_members_max, 2..=10_000, "members of a group"),
    setting!(users_page_default, 1..=1_000, "users found unless asked"),
    setting!(users_page_max, 1..=1_000, "users found in an answer"),
    setting!(search_page_default, 1..=1_000, "messages found unless asked"),
    setting!(search_page_max, 1..=1_000, "messages found in an answer"),
    setting!(history_page_default, 1..=1_000, "messages of history unless asked"),
    setting!(history_page_max, 1..=1_000, "messages of history in an answer"),
    setting!(events_page_max, 1..=1_000, "messages in the answer to a poll"),
    setting!(events_page_bytes_max, 1..=16_777_216, "bytes of them"),
    setting!(tail_messages_max, 0..=1_000_000, "newest messages kept in memory"),
    setting!(tail_bytes_max, 0..=1 << 50, "bytes of them"),
    setting!(cache_entries_max, 1..=10_000_000, "tokens, and conversations, remembered"),
    setting!(notes_max, 0..=10_000_000, "notes that wait for a write"),
    setting!(index_batch, 1..=1_000_000, "messages indexed on the disk together"),
    setting!(backup_log_bytes_max, 0..=1 << 40, "of the log while a backup is made"),
    setting!(requests_per_turn_max, 1..=MILLION, "requests read in a turn"),
    setting!(turn_bytes_max, 1_024..=1 << 50, "bytes to be written in a turn"),
    setting!(polls_per_turn_max, 1..=MILLION, "polls asked about in a turn"),
    setting!(reads_per_turn_max, 1..=1_000, "reads from a connection in a turn"),
    setting!(accepts_per_turn_max, 1..=10_000, "connections accepted in a turn"),
];

const MILLION: u64 = 1_000_000;
const SECOND: u64 = 1_000;
const HOUR: u64 = 3_600 * SECOND;
const DAY: u64 = 24 * HOUR;
const MIB: u64 = 1024 * 1024;

// The page shows what everybody has.
#[cfg(all(test, not(feature = "tls")))]
mod page;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_is_allowed_and_reads_back_as_it_is_shown() {
        for setting in Setting::all() {
            let mut config = Config::default();
            let Some(shown) = (setting.field)(&mut config).shown() else { continue };
            let taken = (setting.field)(&mut config).set(shown.as_ref(), &setting.range);
            assert!(taken, "{} {shown}", setting.option());
            assert_eq!(config, Config::default(), "{}", setting.option());
        }
    }

    #[test]
    fn every_field_of_the_configuration_can_be_set() {
        let fields = format!("{:#?}", Config::default());
        let top_level =
            fields.lines().filter_map(|line| line.strip_prefix("    ")?.split_once(": "));
        let names: Vec<&str> =
            top_level.map(|(name, _)| name).filter(|name| !name.starts_with(' ')).collect();
        let listed: Vec<&str> = Setting::all().map(|setting| setting.name).collect();
        assert_eq!(names, listed, "in the same order, too");
    }
}
