//! Says what can be set, and why each limit and timeout is what it is.
//!
//! [`Config`] is what the server is given. Below it, `settings` is the one table from which
//! options, variables, lines of a file and help are made, `values` how each type is written, `commands`
//! the table of what the operator can have done; `command_line` reads what was given, `file` what a
//! line is, and `shown` writes what is in force. Knows nothing of what is done with a setting. Rules:
//! 1. Every limit of the server is a field here, named with what it counts and `_max`. What the
//!    contract of the web service fixes for good (the length of a name or a message) belongs to the
//!    types in `entity::text`.
//! 2. Each field tells why its default is what it is. A limit exists so that no peer decides how
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
    /// Where to accept connections, perhaps in several places. This machine alone, until somebody decides
    /// otherwise: without TLS before it, passwords cross the network as they are. A socket in the file
    /// system is for a proxy on this machine: whoever comes by it comes from 127.0.0.1.
    pub listen: Vec<Listen>,
    /// The folder of the database. One visible folder where the server was started, like its log:
    /// a service manager sets the working directory, and nothing depends on a home directory. Where it
    /// is `:memory:`, no file is written at all, and what was said is gone with the server.
    pub data: PathBuf,
    /// Which proxies are believed about whom they ask for. None, until somebody has put one there:
    /// whoever is believed decides which address a rate limit counts and a log shows.
    pub trusted_proxy: Vec<Network>,
    /// How the server is called on its pages.
    pub name: String,
    /// Who may make an account.
    pub registration: Registration,
    /// When a message counts as written.
    pub durability: Durability,
    /// How old messages get before they are forgotten; 0 means for ever, as people expect of a chat.
    pub retention: Duration,
    /// The most memory that the server may ever use; 0 means no bound but that of the limits. Where these
    /// allow more, they are made smaller: fewer connections, smaller caches.
    pub memory_max: Bytes,
    /// Whether to make two accounts to try the server with.
    pub demo: bool,
    /// How much to say on stderr.
    pub log: LevelFilter,
    /// Where `/metrics` is to be read, and nothing else but `/healthz`. It is not public then.
    pub metrics_listen: Vec<Listen>,
    /// How the log is written.
    pub log_format: LogFormat,
    /// Whether to serve the lab, where one sees how this server works. Off, since it is for studying and
    /// not for chatting; `demo` turns it on, too. See [`Config::has_lab`].
    pub lab: bool,
    /// Who sees everybody's connections in the lab; all others see their own. Names of accounts, since
    /// the server knows no other kind of administrator.
    pub lab_admin: Vec<UserName>,
    /// Whether to answer the chat page of 2013 as well: see `docs/2013.md`. Off, since nobody needs it to
    /// chat, and since forms can be sent by the pages of other sites; what they carry is checked all the
    /// same.
    pub seed_facade: bool,
    /// The certificate by which to speak TLS, and those above it: a file in PEM. None is plain HTTP.
    #[cfg(feature = "tls")]
    pub tls_certificate: Option<PemFile>,
    /// The key of the certificate, in PEM; it may be the same file.
    #[cfg(feature = "tls")]
    pub tls_key: Option<PemFile>,
    /// Serve the pages from this folder instead of from the binary, to work on them.
    pub www: Option<PathBuf>,
    /// Whether failed passwords, registrations and messages are limited in rate. Off is for
    /// networks in which everybody is trusted, and for measuring.
    pub rate_limits: bool,
    /// Rounds of PBKDF2 for new passwords; old ones follow when they are next used. 600,000 is what
    /// OWASP recommends, and takes a processor with SHA extensions about a tenth of a second.
    pub password_iterations: u32,
    /// Bytes that the database may hold before the oldest messages are forgotten; 0 means no bound.
    pub retention_bytes: usize,

    /// How long a poll is held that does not say. Shorter than the 30 s after which some
    /// intermediaries give up (RFC 6202, section 5.5).
    pub wait_default: Duration,
    /// How long a poll is held at most, whatever it says: proxies cut a silent connection after
    /// 60 s (nginx, load balancers), home routers before long. It bounds `wait_default` too.
    pub wait_max: Duration,
    /// How long a stream stays silent: after this time it says that it is there. Proxies that cut
    /// silent connections wait 30 s and more; the HTML standard advises 15, which this keeps with some room.
    pub keep_alive: Duration,
    /// How long a user stays online after the last poll ended. The gap between two polls and a
    /// page's reload fit into it, so that friends see no flicker.
    pub presence_grace: Duration,
    /// How long a login lasts that is not used, to a 720th part in favour of its user: so exactly
    /// is the last use known.
    pub token_lifetime: Duration,
    /// How long the head of a request may take to arrive, from its first byte. One that trickles
    /// in holds a connection and a buffer; an honest one comes in a packet or two.
    pub head_time_max: Duration,
    /// How long a body may take: 64 KiB in 30 s is a bad mobile connection's 20 kbit/s.
    pub body_time_max: Duration,
    /// How long a connection may wait for its next request. Longer than browsers and proxies keep
    /// theirs (nginx 60 s), so that it is them who close and no request meets a closing socket.
    pub idle_time_max: Duration,
    /// How long a peer may take nothing of what is written to it.
    pub write_time_max: Duration,
    /// How long to go on reading after the last answer, so that a peer that is still sending gets
    /// to read the answer before its connection is reset (RFC 9112, section 9.6).
    pub linger_time_max: Duration,
    /// How long a shutdown waits for answers to leave. Service managers kill after 10 s and more.
    pub drain_time_max: Duration,

    /// Connections at a time. The limit on descriptors is usually lower and then decides, see
    /// [`Config::fit_into`]; a router has it at 1024, and who sets it to a million means it.
    pub connections_max: usize,
    /// Connections at a time from one address, so that one peer cannot take all places. An office
    /// behind one address needs some hundred. Loopback is exempt: there a proxy on this machine
    /// speaks for everybody.
    pub connections_per_address_max: usize,
    /// Polls and streams one user may hold; past it the oldest is answered. Some browsers with some
    /// tabs each.
    pub polls_per_user_max: usize,
    /// Events kept in memory for one user between two polls (presence, typing). What is stored does
    /// not count; past the limit, the user's next poll says `reset`.
    pub live_events_per_user_max: usize,
    /// The same for all users together; past it, those who have most lose their oldest. At some hundred
    /// bytes each.
    pub live_events_max: usize,
    /// Users who are remembered while they are here and some minutes longer, so that they find what they
    /// have missed: at some 300 bytes each. Past it, whoever is away for longest is told `reset`. There are
    /// no more connections than this.
    pub users_remembered_max: usize,
    /// Password hashes in progress; past it logging in is 503. At a tenth of a second each, who is
    /// the last of 64 waits some seconds.
    pub hashing_max: usize,
    /// Of them for one address, so that none takes all places. Who speaks for others, a proxy on this
    /// machine say, has no such bound.
    pub hashing_per_address_max: usize,
    /// Searches in progress; past it searching is 503. Each keeps what it has found so far.
    pub searches_max: usize,
    /// Wrong passwords for one account from one address in five minutes. A person has tried all
    /// they know by then; who guesses gets through less than three thousand a day.
    pub failed_passwords_max: u32,
    /// Accounts made from one address in an hour: a school class behind one address signs up within
    /// a lesson or two. Behind a proxy that is everybody's address: it had better limit by itself.
    pub registrations_max: u32,
    /// Requests for friendship of one user in an hour: whoever has just come asks all they know.
    pub friend_requests_max: u32,
    /// Messages of one user in a second, for long. Nobody types faster; scripts may be this fast.
    pub messages_per_second_max: u32,
    /// Messages of one user at once: what an outbox has collected without a network.
    pub messages_burst_max: u32,
    /// How often a second one user says that they are typing; clients say so every few seconds.
    pub typing_per_second_max: u32,
    /// Users or addresses remembered for each limit on a rate; past it the one who waits least is
    /// forgotten. At some 300 bytes in each of six kinds, 30 MiB if somebody tries very hard.
    pub rate_limit_entries_max: usize,
    /// Bytes of a request's head. Browsers send less than 2 KiB; servers commonly take 8 to 16.
    pub head_bytes_max: usize,
    /// Bytes of a request's first line: RFC 9112, section 3, wants at least 8000.
    pub request_line_bytes_max: usize,
    /// Fields in a request's head, as in many servers: each costs a comparison with each name
    /// asked.
    pub fields_max: usize,
    /// Bytes of a request's body. The longest message, each byte escaped as `\u00xx`, takes 48 KiB.
    pub body_bytes_max: usize,
    /// Bytes of the line before a chunk of a body: a size needs 18, and nobody sends extensions.
    pub chunk_line_bytes_max: usize,
    /// Bytes of all such extensions in a body, as RFC 9112, section 7.1.1, asks for.
    pub chunk_extension_bytes_max: usize,
    /// Bytes of the fields behind a chunked body, which are read and thrown away.
    pub trailer_bytes_max: usize,
    /// Bytes that are kept for all connections together: of requests that have begun, and of answers that
    /// a socket did not take yet. A quarter of a connection's bound for each of many would be gigabytes;
    /// but most have none. Past it, a request that does not come in one piece is refused (503), and who
    /// reads too slowly is cut off.
    pub buffers_bytes_max: usize,
    /// Bytes that may follow a request that is held or not yet answered, kept unread otherwise.
    pub pipelined_bytes_max: usize,
    /// Members of a group: each message is pushed to all of them within one turn.
    pub group_members_max: usize,
    /// Users that are found where no number is asked for: a screen.
    pub users_page_default: usize,
    /// Users that are found at most: whoever sees more has to type more of the name.
    pub users_page_max: usize,
    /// Messages that a search gives where no number is asked for.
    pub search_page_default: usize,
    /// Messages in one answer to a search.
    pub search_page_max: usize,
    /// Messages of history that are given where no number is asked for: some screens.
    pub history_page_default: usize,
    /// Messages of history in one answer.
    pub history_page_max: usize,
    /// Messages in one answer to a poll; the rest follows in the next.
    pub events_page_max: usize,
    /// Bytes of messages in one answer to a poll, one piece of a stream or a page of history: what a slow
    /// reader may make the server keep for it. One message always fits.
    pub events_page_bytes_max: usize,
    /// The newest messages that are kept in memory, for polls that are not far behind; the longest
    /// have 8 KiB, most less than 100 bytes.
    pub tail_messages_max: usize,
    /// Bytes of them, and of what is known of those whom they concern.
    pub tail_bytes_max: usize,
    /// Tokens, and conversations, that are remembered between requests: some hundred bytes each. Every
    /// four members of a conversation count as another one.
    pub cache_entries_max: usize,
    /// Things that are worth a note but no write of their own, and wait for one (who was last seen
    /// when, how far a message has come): at some 100 bytes each 800 KiB. Past it they are written.
    pub notes_max: usize,
    /// Messages that are entered into the index on the disk together; until then their entries are in
    /// memory, each message's in some 200 bytes. The more at a time, the less is written.
    pub index_batch: usize,
    /// How long the log of the database may become while a backup copies both, since it cannot be brought
    /// into the database then. Past it the backup fails: what has gathered has to be brought in at once,
    /// and everybody waits for that.
    pub backup_log_bytes_max: usize,
    /// Requests read in a turn, before those who are not known to ask much have theirs: at some ten
    /// microseconds each, a fifth of a millisecond. A turn that waits for the disk anyway takes up to 32
    /// times as many, one of each client, since they share its commit.
    pub requests_per_turn_max: usize,
    /// Bytes that are to be written in a turn, before further requests and polls wait for the next: what
    /// many answers at once may take. One answer always fits.
    pub turn_bytes_max: usize,
    /// Polls asked for in a turn, before the others are served: at some microseconds each, a
    /// millisecond.
    pub polls_per_turn_max: usize,
    /// Reads from one connection in a turn, before the others have theirs.
    pub reads_per_turn_max: usize,
    /// Connections accepted in a turn, before those that are there are served.
    pub accepts_per_turn_max: usize,
}

impl Config {
    /// Whether nothing is kept on the disk.
    pub fn is_in_memory(&self) -> bool {
        self.data.as_os_str() == ":memory:"
    }

    /// Whether the lab is there.
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

    /// What addresses of the server begin with.
    pub fn scheme(&self) -> &'static str {
        #[cfg(feature = "tls")]
        if self.tls_certificate.is_some() {
            return "https";
        }
        "http"
    }

    /// Lowers `connections_max` to what a limit on open descriptors leaves, where one is known:
    /// a peer too many is then told so, instead of left waiting because `accept` fails. And to as many
    /// users as are remembered: who is connected and not remembered would be told `reset` by each poll.
    pub fn fit_into(&mut self, descriptors_max: usize) {
        let left = descriptors_max.saturating_sub(DESCRIPTORS_RESERVED).max(1);
        self.connections_max = self.connections_max.min(left).min(self.users_remembered_max);
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
            drain_time_max: seconds(2),
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

/// A file that is read by TLS.
#[cfg(feature = "tls")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PemFile(pub PathBuf);

/// A number of bytes; in settings with K, M or G behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bytes(pub usize);

/// Who may make an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registration {
    /// Everybody who can reach the server.
    Open,
    /// Whoever was given a code by the operator.
    Invite,
    /// Nobody; the accounts that there are stay.
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
}
