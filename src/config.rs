//! Says what can be set, and why each limit and timeout is what it is.
//!
//! [`Config`] is what the server is given. Below it, `settings` is the one table from which
//! options, variables, lines of a file and help are made, `values` says how each type is written,
//! and `commands` is the table of what the operator can have done; `command_line` reads what was
//! given, `file` reads a file's lines, and `shown` writes what is in force. Knows nothing of what
//! is done with a setting. Rules:
//! 1. Every limit of the server is a field here, named with what it counts and `_max`. What the
//!    contract of the web service fixes for good (the length of a name or a message) belongs to the
//!    types in `entity::text`.
//! 2. Each field says why its default is what it is. A limit exists so that no peer decides how
//!    much memory or time the server spends; its size follows from who must not be hindered.
//! 3. Nothing secret is a setting: a command line and an environment are readable by others.

mod ceiling;
mod command_line;
mod commands;
mod file;
mod help;
mod listen;
mod settings;
mod shown;
mod usage;
mod values;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use log::LevelFilter;

use crate::entity::UserName;
use crate::http::{Limits, Network};

pub use ceiling::{Ceiling, TooLittle};
pub use command_line::{Command, Settings, parse};
pub use commands::{Operation, Since};
pub use listen::{Listen, ListenError};
pub use usage::UsageError;

/// Everything that can be set about a server.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub struct Config {
    /// Where to accept connections, perhaps in several places. Only this machine, until somebody
    /// decides otherwise: without TLS in front of it, passwords cross the network in the clear. A
    /// socket in the file system is for a proxy on this machine: whoever comes by it counts as
    /// coming from 127.0.0.1.
    pub listen: Vec<Listen>,
    /// The folder of the database. One visible folder where the server was started, like its log: a
    /// service manager sets the working directory, and nothing depends on a home directory. With
    /// `:memory:` no file is written at all, and what was said ends with the server.
    pub data: PathBuf,
    /// Which proxies are believed when they say for whom they ask. None, until somebody names one:
    /// whoever is believed decides which address a rate limit counts and a log shows.
    pub trusted_proxy: Vec<Network>,
    /// What the server is called on its pages.
    pub name: String,
    /// Who may make an account.
    pub registration: Registration,
    /// When a message counts as written.
    pub durability: Durability,
    /// How old messages get before they are forgotten; 0 means never, as people expect of a chat.
    pub retention: Duration,
    /// The most memory that the server may ever use; 0 means no bound but that of the limits. If
    /// those allow more, they are made smaller: fewer connections, smaller caches.
    pub memory_max: Bytes,
    /// Whether to make two accounts to try the server with.
    pub demo: bool,
    /// How much to say on stderr.
    pub log: LevelFilter,
    /// Where to serve `/metrics`, and nothing else but `/healthz`. It is then not public.
    pub metrics_listen: Vec<Listen>,
    /// How the log is written.
    pub log_format: LogFormat,
    /// Whether to serve the lab, which shows how this server works. Off, since it is for studying
    /// and not for chatting; `demo` turns it on, too. See [`Config::has_lab`].
    pub lab: bool,
    /// Who sees everybody's connections in the lab; all others see their own. Names of accounts,
    /// since the server knows no other kind of administrator.
    pub lab_admin: Vec<UserName>,
    /// Whether to answer the chat page of 2013 as well: see `docs/2013.md`. Off, since nobody needs
    /// it to chat, and since other sites' pages can send forms; what those carry is checked all the
    /// same.
    pub seed_facade: bool,
    /// The certificate to speak TLS with, and those above it: a file in PEM. None means plain HTTP.
    #[cfg(feature = "tls")]
    pub tls_certificate: Option<PemFile>,
    /// The key of the certificate, in PEM; it may be the same file.
    #[cfg(feature = "tls")]
    pub tls_key: Option<PemFile>,
    /// Serve the pages from this folder instead of from the binary, to work on them.
    pub www: Option<PathBuf>,
    /// Whether failed passwords, registrations and messages are limited in rate. Turn it off in
    /// networks where everybody is trusted, and for measuring.
    pub rate_limits: bool,
    /// Rounds of PBKDF2 for new passwords; old ones follow when they are next used. 600,000 is what
    /// OWASP recommends, and takes a processor with SHA extensions about a tenth of a second.
    pub password_iterations: u32,
    /// Bytes that the database may hold before the oldest messages are forgotten; 0 means no bound.
    pub retention_bytes: usize,

    /// How long a poll is held if it does not say. Shorter than the 30 s after which some
    /// intermediaries give up (RFC 6202, section 5.5).
    pub wait_default: Duration,
    /// How long a poll is held at most, whatever it says: proxies cut a silent connection after 60
    /// s (nginx, load balancers), home routers soon after. It bounds `wait_default`, too.
    pub wait_max: Duration,
    /// How long a stream stays silent before it gives a sign of life. Proxies that cut silent
    /// connections wait 30 s and more; the HTML standard advises 15 s, and this stays below that
    /// with some room.
    pub keep_alive: Duration,
    /// How long a user stays online after their last poll has ended. The gap between two polls and
    /// the reload of a page fit into it, so that friends see no flicker.
    pub presence_grace: Duration,
    /// How long a login lasts without being used, give or take a 720th part in favour of its user:
    /// the last use is not known more exactly than that.
    pub token_lifetime: Duration,
    /// How long the head of a request may take to arrive, from its first byte. One that trickles in
    /// occupies a connection and a buffer; an honest one comes in a packet or two.
    pub head_time_max: Duration,
    /// How long a body may take: 64 KiB in 30 s is a bad mobile connection's 20 kbit/s.
    pub body_time_max: Duration,
    /// How long a connection may wait for its next request. Longer than browsers and proxies keep
    /// theirs (nginx 60 s), so that they are the ones to close and no request meets a closing
    /// socket.
    pub idle_time_max: Duration,
    /// How long a peer may go without taking any of what is written to it.
    pub write_time_max: Duration,
    /// How long to go on reading after the last answer, so that a peer that is still sending gets
    /// to read the answer before its connection is reset (RFC 9112, section 9.6).
    pub linger_time_max: Duration,
    /// How long a shutdown waits for answers to leave: with the rest of it, less than two seconds.
    /// Service managers kill after 10 s or more.
    pub drain_time_max: Duration,

    /// Connections at a time. The limit on descriptors is usually lower and then decides, see
    /// [`Config::fit_into`]; on a router it is 1024, and whoever sets it to a million means it.
    pub connections_max: usize,
    /// Connections at a time from one address, so that one peer cannot take all places. An office
    /// behind one address needs a few hundred. Loopback is exempt: there a proxy on this machine
    /// speaks for everybody.
    pub connections_per_address_max: usize,
    /// Polls and streams one user may hold; past that the oldest is answered. Enough for several
    /// browsers with several tabs each.
    pub polls_per_user_max: usize,
    /// Events kept in memory for one user between two polls (presence, typing). What is stored does
    /// not count; past the limit, the user's next poll says `reset`.
    pub live_events_per_user_max: usize,
    /// The same for all users together; past it, those who have most lose their oldest. They take
    /// up to 200 bytes each.
    pub live_events_max: usize,
    /// Users who are remembered while they are here and for some minutes longer, so that they find
    /// what they have missed: about 300 bytes each. Past this, whoever has been away longest is
    /// told `reset`. There are never more connections than this.
    pub users_remembered_max: usize,
    /// Password hashes in progress; past that logging in is answered 503. At a tenth of a second
    /// each, the last of 64 waits some seconds.
    pub hashing_max: usize,
    /// How many of those one address may have, so that none takes all places. An address that
    /// speaks for others, such as a proxy on this machine, has no such bound.
    pub hashing_per_address_max: usize,
    /// Searches in progress; past that searching is answered 503. Each keeps what it has found so
    /// far.
    pub searches_max: usize,
    /// Wrong passwords for one account from one address in five minutes. By then a person has tried
    /// all they know; somebody who guesses gets through fewer than three thousand a day.
    pub failed_passwords_max: u32,
    /// Accounts made from one address in an hour: a school class behind one address signs up within
    /// a lesson or two. If a proxy's address is everybody's address, the proxy had better limit
    /// this itself.
    pub registrations_max: u32,
    /// Requests for friendship of one user in an hour: a newcomer asks everybody they know.
    pub friend_requests_max: u32,
    /// Messages of one user per second, sustained. Nobody types faster; scripts may be this fast.
    pub messages_per_second_max: u32,
    /// Messages of one user at once: what an outbox has collected while there was no network.
    pub messages_burst_max: u32,
    /// How often per second one user may say that they are typing; clients say so every few
    /// seconds.
    pub typing_per_second_max: u32,
    /// Users or addresses remembered for each limit on a rate; past that, whoever has least to wait
    /// is forgotten. At about 300 bytes in each of six kinds, 30 MiB if somebody tries very hard.
    pub rate_limit_entries_max: usize,
    /// Bytes of a request's head. Browsers send less than 2 KiB; servers commonly take 8 to 16.
    pub head_bytes_max: usize,
    /// Bytes of a request's first line: RFC 9112, section 3, wants at least 8000.
    pub request_line_bytes_max: usize,
    /// Fields in a request's head, as in many servers: each costs a comparison with each name that
    /// is looked up.
    pub fields_max: usize,
    /// Bytes of a request's body. The longest message, each byte escaped as `\u00xx`, takes 48 KiB.
    pub body_bytes_max: usize,
    /// Bytes of the line before a chunk of a body: a size needs 18, and nobody sends extensions.
    pub chunk_line_bytes_max: usize,
    /// Bytes of all such extensions in a body, as RFC 9112, section 7.1.1, asks.
    pub chunk_extension_bytes_max: usize,
    /// Bytes of the fields after a chunked body, which are read and thrown away.
    pub trailer_bytes_max: usize,
    /// Bytes that are kept for all connections together: of requests that have begun, and of
    /// answers that a socket has not taken yet. Even a quarter of its own bound for each of many
    /// connections would be gigabytes; but most have none. Past this, a request that does not come
    /// in one piece is refused (503), and clients that read too slowly are cut off.
    pub buffers_bytes_max: usize,
    /// Bytes that may follow a request that is held or not yet answered. More is left unread until
    /// the answer has left; behind a held request it ends the connection, since that is read on.
    pub pipelined_bytes_max: usize,
    /// Members of a group: each message is pushed to all of them within one turn.
    pub group_members_max: usize,
    /// Users that are found if no number is asked for: a screen.
    pub users_page_default: usize,
    /// Users that are found at most: whoever needs another one has to type more of the name.
    pub users_page_max: usize,
    /// Messages that a search returns if no number is asked for.
    pub search_page_default: usize,
    /// Messages in one answer to a search.
    pub search_page_max: usize,
    /// Messages of history that are returned if no number is asked for: a few screens.
    pub history_page_default: usize,
    /// Messages of history in one answer.
    pub history_page_max: usize,
    /// Messages in one answer to a poll; the rest follows in the next.
    pub events_page_max: usize,
    /// Bytes of messages in one answer to a poll, one piece of a stream or one page of history:
    /// what a slow reader may make the server keep for it. One message always fits.
    pub events_page_bytes_max: usize,
    /// The newest messages that are kept in memory, for polls that are not far behind; the longest
    /// have 8 KiB, most less than 100 bytes.
    pub tail_messages_max: usize,
    /// Bytes of these messages, and of what is known about those whom they concern.
    pub tail_bytes_max: usize,
    /// Tokens and conversations that are remembered between requests: a few hundred bytes each.
    /// Every four members of a conversation count as one more.
    pub cache_entries_max: usize,
    /// Things that are worth noting but not worth a write of their own, and wait for one (who was
    /// last seen when, how far a message has come): at about 100 bytes each, 800 KiB. Past this
    /// they are written.
    pub notes_max: usize,
    /// Messages that are entered into the index on the disk together; until then their entries are
    /// in memory, in about 200 bytes per message. The more at a time, the less is written.
    pub index_batch: usize,
    /// How long the log of the database may become while a backup copies both, since it cannot be
    /// brought into the database then. Past this the backup fails: what has accumulated has to be
    /// brought in at once, and everybody waits for that.
    pub backup_log_bytes_max: usize,
    /// Requests read in a turn, before it is the turn of clients that ask little: at about ten
    /// microseconds each, a fifth of a millisecond. A turn that waits for the disk anyway takes up
    /// to 32 times as many, one from each client, since they share its commit.
    pub requests_per_turn_max: usize,
    /// Bytes to be written in a turn, before further requests and polls wait for the next: what
    /// many answers at once may take. One answer always fits.
    pub turn_bytes_max: usize,
    /// Polls asked about in a turn, before others are served: at a few microseconds each, a
    /// millisecond.
    pub polls_per_turn_max: usize,
    /// Reads from one connection in a turn, before it is the others' turn.
    pub reads_per_turn_max: usize,
    /// Connections accepted in a turn, before those that exist are served.
    pub accepts_per_turn_max: usize,
}

impl Config {
    /// Whether nothing is kept on the disk.
    pub fn is_in_memory(&self) -> bool {
        self.data.as_os_str() == ":memory:"
    }

    /// Whether the lab is served.
    pub fn has_lab(&self) -> bool {
        self.lab || self.demo
    }

    /// The file of the database.
    pub fn database(&self) -> PathBuf {
        self.data.join("lovejoy.db")
    }

    /// The file by which the operator reaches the server.
    pub fn control_socket(&self) -> PathBuf {
        self.data.join("control")
    }

    /// What URLs of the server begin with.
    pub fn scheme(&self) -> &'static str {
        #[cfg(feature = "tls")]
        if self.tls_certificate.is_some() {
            return "https";
        }
        "http"
    }

    /// Lowers `connections_max` to what a limit on open descriptors leaves, if one is known: a peer
    /// too many is then told so, instead of being left waiting because `accept` fails. And to the
    /// number of users who are remembered: a user who is connected but not remembered would be told
    /// `reset` by each poll.
    pub fn fit_into(&mut self, descriptors_max: usize) {
        let left = descriptors_max.saturating_sub(DESCRIPTORS_RESERVED).max(1);
        self.connections_max = self.connections_max.min(left).min(self.users_remembered_max);
    }

    /// Makes limits fit into the memory that may be used, and then into the descriptors that there
    /// are, if that is known. In this order: few descriptors are no reason for even fewer
    /// connections, and what `lovejoy config` prints is what holds, wherever descriptors allow it.
    pub fn fit(&mut self, descriptors_max: Option<usize>) -> Result<(), TooLittle> {
        self.fit_memory()?;
        if let Some(descriptors_max) = descriptors_max {
            self.fit_into(descriptors_max);
        }
        Ok(())
    }

    /// Whether many people may stand behind an address: a proxy on this machine, or a trusted one.
    pub fn speaks_for_others(&self, address: IpAddr) -> bool {
        let trusts = |network: &Network| network.contains(address);
        address.is_loopback() || self.trusted_proxy.iter().any(trusts)
    }

    /// What of it concerns the reading of requests.
    pub fn http_limits(&self) -> Limits {
        Limits {
            request_line_bytes_max: self.request_line_bytes_max,
            head_bytes_max: self.head_bytes_max,
            fields_max: self.fields_max,
            body_bytes_max: self.body_bytes_max,
            chunk_line_bytes_max: self.chunk_line_bytes_max,
            chunk_extension_bytes_max: self.chunk_extension_bytes_max,
            trailer_bytes_max: self.trailer_bytes_max,
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            listen: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)).into()],
            data: PathBuf::from("lovejoy-data"),
            trusted_proxy: Vec::new(),
            memory_max: Bytes(0),
            demo: false,
            lab: false,
            lab_admin: Vec::new(),
            seed_facade: false,
            #[cfg(feature = "tls")]
            tls_certificate: None,
            #[cfg(feature = "tls")]
            tls_key: None,
            www: None,
            log: LevelFilter::Info,
            metrics_listen: Vec::new(),
            log_format: LogFormat::Text,
            name: "Lovejoy".to_owned(),
            registration: Registration::Open,
            rate_limits: true,
            password_iterations: 600_000,
            durability: Durability::Full,
            retention: Duration::ZERO,
            retention_bytes: 0,
            wait_default: seconds(25),
            wait_max: seconds(60),
            keep_alive: seconds(14),
            presence_grace: seconds(10),
            token_lifetime: seconds(30 * 24 * 60 * 60),
            head_time_max: seconds(10),
            body_time_max: seconds(30),
            idle_time_max: seconds(75),
            write_time_max: seconds(10),
            linger_time_max: seconds(2),
            drain_time_max: Duration::from_millis(1900),
            connections_max: 100_000,
            connections_per_address_max: 512,
            polls_per_user_max: 16,
            live_events_per_user_max: 1024,
            live_events_max: 64 * 1024,
            users_remembered_max: 200_000,
            hashing_max: 64,
            hashing_per_address_max: 16,
            searches_max: 64,
            failed_passwords_max: 10,
            registrations_max: 20,
            friend_requests_max: 30,
            messages_per_second_max: 10,
            messages_burst_max: 50,
            typing_per_second_max: 1,
            rate_limit_entries_max: 16 * 1024,
            head_bytes_max: 16 * 1024,
            request_line_bytes_max: 8 * 1024,
            fields_max: 100,
            body_bytes_max: 64 * 1024,
            chunk_line_bytes_max: 256,
            chunk_extension_bytes_max: 4 * 1024,
            trailer_bytes_max: 4 * 1024,
            buffers_bytes_max: 64 * 1024 * 1024,
            pipelined_bytes_max: 16 * 1024,
            group_members_max: 256,
            users_page_default: 20,
            users_page_max: 50,
            search_page_default: 20,
            search_page_max: 50,
            history_page_default: 50,
            history_page_max: 200,
            events_page_max: 200,
            events_page_bytes_max: 256 * 1024,
            tail_messages_max: 1024,
            tail_bytes_max: 4 * 1024 * 1024,
            cache_entries_max: 4096,
            notes_max: 8192,
            index_batch: 4096,
            backup_log_bytes_max: 64 * 1024 * 1024,
            requests_per_turn_max: 16,
            turn_bytes_max: 4 * 1024 * 1024,
            polls_per_turn_max: 256,
            reads_per_turn_max: 16,
            accepts_per_turn_max: 64,
        }
    }
}

/// A file that TLS reads.
#[cfg(feature = "tls")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PemFile(pub PathBuf);

/// A number of bytes; in settings perhaps followed by K, M or G.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bytes(pub usize);

/// Who may make an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registration {
    /// Everybody who can reach the server.
    Open,
    /// Whoever was given a code by the operator.
    Invite,
    /// Nobody; existing accounts stay.
    Closed,
}

impl Registration {
    /// As it is written in settings and answers.
    pub fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Invite => "invite",
            Self::Closed => "closed",
        }
    }

    /// What such a word stands for.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Open, Self::Invite, Self::Closed].into_iter().find(|mode| mode.word() == word)
    }
}

/// What a record of the log looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people: time, level, module and text, separated by spaces.
    Text,
    /// For programs: an object of JSON with the same.
    Json,
}

/// When a write counts as done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// When it is on the disk: what was acknowledged survives a power failure.
    Full,
    /// When the kernel has it: it survives a crash of the server, and spares the flash memory of
    /// small boards.
    Normal,
}

/// Descriptors that are not connections: standard streams, selector, listener, signals, the
/// database and its companions, the lock, a page read from disk, and some to spare.
const DESCRIPTORS_RESERVED: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_fit_into_the_descriptors_there_are() {
        for (descriptors, connections) in
            [(1024, 992), (20_000, 19_968), (usize::MAX, 100_000), (3, 1)]
        {
            let mut config = Config::default();
            config.fit_into(descriptors);
            assert_eq!(config.connections_max, connections);
        }
        let mut config = Config { users_remembered_max: 70, ..Config::default() };
        config.fit_into(1024);
        assert_eq!(config.connections_max, 70, "whoever is here is remembered");
    }

    /// On a router there is little of both.
    #[test]
    fn few_descriptors_make_little_memory_no_smaller() {
        let config = Config { memory_max: Bytes(8 << 20), ..Config::default() };
        let connections = |descriptors_max| {
            let mut config = config.clone();
            config.fit(descriptors_max).expect("a server can run");
            assert!(Ceiling::of(&config).bytes() <= 8 << 20);
            config.connections_max
        };
        let by_memory = connections(None);
        assert!(by_memory > 1_000, "{by_memory}");
        assert_eq!(connections(Some(20_000)), by_memory);
        assert_eq!(connections(Some(1024)), 992);
    }
}
