//! Knows how each of the measured servers is spoken to.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::load::{ask_all, field};
use crate::support::Server;
use crate::table::OURS;

/// What the least that can be done is called.
pub(crate) const FLOOR: &str = "floor";

/// With this, and the path of its log, this program is the floor.
pub(crate) const BE_THE_FLOOR: &str = "--floor";

/// What is said. As long as most chat messages are.
const BODY: &str = r#"{"body":"A message of about the length that people write to each other."}"#;

/// How long polls wait: long enough that none expires while something is measured, and not so long that
/// its deadline is kept otherwise than that of a usual poll, which waits 60 seconds at most.
const WAIT: &str = "100";

/// A server, and whom to speak to there.
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    pub(crate) server: Server,
    /// Where polls are only held.
    pub(crate) idle: Vec<Channel>,
    /// Where messages are sent, to one poll each.
    pub(crate) pairs: Vec<Channel>,
    /// Where one message is sent to many polls.
    pub(crate) crowd: Channel,
}

/// What one can write to, and its poll.
pub(crate) struct Channel {
    /// The request that writes a message to it.
    pub(crate) publish: Vec<u8>,
    kind: Kind,
    /// The poll, but for what says how far one is, which goes between the two.
    poll: (String, String),
}

#[derive(Clone, Copy)]
enum Kind {
    Lovejoy,
    Nchan,
    Floor,
}

impl Channel {
    /// From now on.
    pub(crate) fn first_poll(&self) -> Vec<u8> {
        [self.poll.0.as_bytes(), self.poll.1.as_bytes()].concat()
    }

    /// From behind that answer on.
    pub(crate) fn next_poll(&self, answer: &[u8]) -> Vec<u8> {
        let (before, after) = (self.poll.0.as_bytes(), self.poll.1.as_bytes());
        match self.kind {
            Kind::Lovejoy => [before, b"&cursor=", cursor(answer), after].concat(),
            Kind::Nchan => {
                let value = |name| field(answer, name).expect("it tells the place of a message");
                let (time, tag) = (value("last-modified").as_bytes(), value("etag").as_bytes());
                let since = [before, b"If-Modified-Since: ", time, b"\r\nIf-None-Match: ", tag];
                [since.concat().as_slice(), b"\r\n", after].concat()
            }
            Kind::Floor => self.first_poll(),
        }
    }

    /// The floor understands what is said to nchan, too.
    fn named(kind: Kind, name: usize) -> Self {
        Self {
            publish: post(&format!("/pub?id={name}"), "", BODY),
            kind,
            poll: (format!("GET /sub?id={name} HTTP/1.1\r\nHost: localhost\r\n"), "\r\n".into()),
        }
    }

    fn lovejoy(sender: &str, receiver: &str, conversation: i64) -> Self {
        let path = format!("/api/conversations/{conversation}/messages");
        let authorization = bearer(receiver);
        Self {
            publish: post(&path, &bearer(sender), BODY),
            kind: Kind::Lovejoy,
            poll: (
                format!("GET /api/events?wait={WAIT}"),
                format!(" HTTP/1.1\r\nHost: localhost\r\n{authorization}\r\n"),
            ),
        }
    }
}

impl Peer {
    /// With one account for each idle poll and two for each pair, made beforehand and kept on the
    /// disk: the process that is measured has only just begun.
    pub(crate) fn lovejoy(
        build: &Build,
        folder: &Path,
        idle: usize,
        pairs: usize,
        crowd: usize,
    ) -> io::Result<Self> {
        let folder = &folder.join(build.name);
        let users = 2 * (pairs + 1) + idle;
        let making = build.start(folder, 1, "normal")?;
        let accounts = ask_all(&making.address, (0..users).map(register))?;
        let accounts: Vec<Value> = accounts.iter().map(|answer| json(answer)).collect();
        let token = |index: usize| accounts[index]["token"].as_str().expect("a token");
        let couples = 0..=pairs;
        let asking = couples.clone().map(|couple| {
            let body = format!(r#"{{"name":"user_{}"}}"#, 2 * couple + 1);
            post("/api/friends", &bearer(token(2 * couple)), &body)
        });
        ask_all(&making.address, asking)?;
        let accepting = couples.map(|couple| {
            let friend = &accounts[2 * couple]["user"]["id"];
            let path = format!("/api/friends/{friend}/accept");
            post(&path, &bearer(token(2 * couple + 1)), "")
        });
        let friends = ask_all(&making.address, accepting)?;
        let mut pairs: Vec<Channel> = (friends.iter().enumerate())
            .map(|(couple, friend)| {
                let conversation = json(friend)["friend"]["conversation_id"].as_i64();
                let (sender, receiver) = (token(2 * couple), token(2 * couple + 1));
                Channel::lovejoy(sender, receiver, conversation.expect("a conversation"))
            })
            .collect();
        let crowd_channel = pairs.pop().expect("one more was made");
        let idle = (users - idle..users).map(|user| Channel::lovejoy("", token(user), 0)).collect();
        drop(making);
        let server = build.start(folder, crowd, "full")?;
        Ok(Self { name: build.name, server, idle, pairs, crowd: crowd_channel })
    }

    /// Nginx with nchan, if both are installed: one worker, messages in memory.
    pub(crate) fn nchan(folder: &Path, idle: usize, pairs: usize) -> Option<Self> {
        let module = ["/usr/share/nginx/modules", "/usr/lib/nginx/modules"]
            .map(|folder| format!("{folder}/ngx_nchan_module.so"))
            .into_iter()
            .find(|path| fs::exists(path).unwrap_or(false))?;
        let main = format!("load_module {module};");
        let http = "keepalive_timeout 3600s;\nnchan_shared_memory_size 512M;";
        let locations = "location = /pub { nchan_publisher; nchan_channel_id $arg_id; }\n\
             location = /sub { nchan_subscriber longpoll; nchan_channel_id $arg_id; \
             nchan_subscriber_first_message newest; }";
        let server = Server::nginx(folder, &main, http, locations)?;
        Some(Self::of_channels("nchan", Kind::Nchan, server, idle, pairs))
    }

    /// The least that can be done, as another process of this program.
    pub(crate) fn floor(folder: &Path, idle: usize, pairs: usize) -> io::Result<Self> {
        let mut command = Command::new(env::current_exe()?);
        command.arg(BE_THE_FLOOR).arg(folder.join(FLOOR));
        let server = Server::announced(&mut command)?;
        Ok(Self::of_channels(FLOOR, Kind::Floor, server, idle, pairs))
    }

    fn of_channels(
        name: &'static str,
        kind: Kind,
        server: Server,
        idle: usize,
        pairs: usize,
    ) -> Self {
        Self {
            name,
            server,
            idle: (0..idle).map(|name| Channel::named(kind, name)).collect(),
            pairs: (idle..idle + pairs).map(|name| Channel::named(kind, name)).collect(),
            crowd: Channel::named(kind, idle + pairs),
        }
    }

    /// Waits until the server has nothing to do: then it holds what it was sent.
    pub(crate) fn settle(&self) -> io::Result<()> {
        const CALM: Duration = Duration::from_millis(40);
        let mut before = self.server.processor_time()?;
        for _ in 0..250 {
            thread::sleep(CALM);
            let now = self.server.processor_time()?;
            // Some looks at the clock may be needed even so.
            if now.saturating_sub(before) < Duration::from_micros(400) {
                return Ok(());
            }
            before = now;
        }
        Err(io::Error::other(format!("{} does not come to rest", self.name)))
    }

    pub(crate) fn pid(&self) -> u32 {
        self.server.process.id()
    }

    /// Bytes that are of this process alone.
    pub(crate) fn private_bytes(&self) -> io::Result<f64> {
        let rollup = fs::read_to_string(format!("/proc/{}/smaps_rollup", self.pid()))?;
        let private = rollup.lines().filter_map(|line| {
            let line = line.strip_prefix("Private_")?;
            let value = line.strip_prefix("Clean:").or_else(|| line.strip_prefix("Dirty:"))?;
            value.trim().strip_suffix(" kB")?.parse::<f64>().ok()
        });
        Ok(private.sum::<f64>() * 1024.0)
    }
}

/// A build of Lovejoy.
pub(crate) struct Build {
    pub(crate) name: &'static str,
    binary: OsString,
}

impl Build {
    /// This one, or that of `LOVEJOY_BINARY`; and beside it that of `LOVEJOY_BESIDE`.
    pub(crate) fn all() -> Vec<Self> {
        let this = env::var_os("LOVEJOY_BINARY");
        let this = this.unwrap_or(env!("CARGO_BIN_EXE_lovejoy").into());
        let beside = env::var_os("LOVEJOY_BESIDE");
        let beside = beside.map(|binary| Self { name: "beside", binary });
        [Self { name: OURS, binary: this }].into_iter().chain(beside).collect()
    }

    fn start(&self, folder: &Path, polls_of_user: usize, durability: &str) -> io::Result<Server> {
        let polls = polls_of_user.to_string();
        let options = [
            ["--rate-limits", "off"],
            ["--password-iterations", "1000"],
            ["--polls-per-user-max", &polls],
            ["--durability", durability],
            ["--wait-max", WAIT],
        ];
        fs::create_dir_all(folder)?;
        Server::lovejoy_of(&self.binary, folder, options.as_flattened())
    }

    /// A server that is to stop, and a user whose polls it is to hold until then.
    pub(crate) fn stopping(&self, folder: &Path, polls: usize) -> io::Result<(Server, Channel)> {
        let server = self.start(&folder.join("stopping"), polls, "full")?;
        let user = ask_all(&server.address, [register(0)].into_iter())?;
        let token = json(&user[0])["token"].as_str().expect("a token").to_owned();
        Ok((server, Channel::lovejoy("", &token, 0)))
    }
}

fn register(user: usize) -> Vec<u8> {
    post("/api/users", "", &format!(r#"{{"name":"user_{user}","password":"12345"}}"#))
}

fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}\r\n")
}

fn post(path: &str, fields: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\n{fields}Content-Length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

/// The cursor in the answer to a poll, behind all of its events.
fn cursor(answer: &[u8]) -> &[u8] {
    const NAME: &[u8] = br#""cursor":""#;
    let place = answer.windows(NAME.len()).rposition(|window| window == NAME);
    let value = &answer[place.expect("a cursor") + NAME.len()..];
    value.split(|byte| *byte == b'"').next().expect("a string")
}

fn json(answer: &[u8]) -> Value {
    let head = answer.windows(4).position(|end| end == b"\r\n\r\n").expect("a head") + 4;
    serde_json::from_slice(&answer[head..]).expect("an answer is JSON")
}
