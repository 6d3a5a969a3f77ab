//! Measures what a flood costs those who have no part in it: how long a message takes to the poll
//! that waits for it, while one user or one address does as much as it can, and while nobody does.
//! The release binary with its default limits, in turns within one run.
//!
//! ```text
//! cargo bench --bench flood                  every flood
//! cargo bench --bench flood -- passwords     that one
//! ```
//!
//! The flood is a process of its own, of low priority, so that it does not take the processor from
//! the one who measures; both share one, and the server has the other. A flood that is refused costs
//! the server the refusals: the table says how many it had to write.

use std::fs;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use support::Server;

#[path = "support/mod.rs"]
mod support;

/// What one can do too much of.
const FLOODS: [(&str, &str); 4] = [
    ("messages", "one user sends messages"),
    ("passwords", "one address guesses passwords"),
    ("strangers", "one address asks without a token"),
    ("connections", "one address connects and goes"),
];

/// Others, in pairs; so many that none of them says too much.
const PAIRS: usize = 40;
const MESSAGES_EACH: usize = 10;
const ROUNDS: usize = 3;

/// Connections of a flood, and requests on each at a time.
const LINES: usize = 64;
const AT_A_TIME: usize = 8;

const PATIENCE: Duration = Duration::from_secs(120);

/// Between two messages, so that each is alone.
const PAUSE: Duration = Duration::from_millis(2);

fn main() -> io::Result<()> {
    let words: Vec<String> = std::env::args().skip(1).filter(|it| !it.starts_with('-')).collect();
    if let [word, kind, address, token] = &words[..]
        && word == "flooder"
    {
        return flood(kind, address, token);
    }
    // Not in /tmp, which is often in memory.
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("flood");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder)?;
    let (people, flooder) = register(&folder)?;
    let server = Server::lovejoy(&folder, &[])?;
    pin(server.process.id(), "0")?;
    pin(std::process::id(), "1")?;
    let mut pairs = people.chunks(2).map(|two| Pair::new(&server.address, two));
    let mut pairs = pairs.by_ref().collect::<io::Result<Vec<_>>>()?;
    let quiet: Vec<_> = FLOODS
        .iter()
        .filter(|flood| words.is_empty() || words.iter().any(|word| word == flood.0))
        .collect();
    println!(
        "| others hear a message after | refusals a second | p50 | p99 | to nothing: p50 | p99 |"
    );
    println!("|---|---|---|---|---|---|");
    for (kind, what) in quiet {
        let (mut alone, mut beside, mut answers) = (Vec::new(), Vec::new(), 0);
        for _ in 0..ROUNDS {
            alone.extend(latencies(&mut pairs)?);
            let flood = Flooder::start(kind, &server.address, &flooder)?;
            beside.extend(latencies(&mut pairs)?);
            answers += flood.end()?;
        }
        let [alone, beside] = [alone, beside].map(Quantiles::of);
        let rate = answers / ROUNDS as u64;
        println!(
            "| while {what} | {rate} | {:.0} us | {:.0} us | {:.2} | {:.2} |",
            beside.p50,
            beside.p99,
            beside.p50 / alone.p50,
            beside.p99 / alone.p99
        );
    }
    drop(server);
    fs::remove_dir_all(&folder)
}

/// In microseconds.
struct Quantiles {
    p50: f64,
    p99: f64,
}

impl Quantiles {
    fn of(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        let at = |rank: usize| times[times.len() * rank / 100].as_secs_f64() * 1e6;
        Self { p50: at(50), p99: at(99) }
    }
}

/// Everybody says so many things, one after the other. How long each took.
fn latencies(pairs: &mut [Pair]) -> io::Result<Vec<Duration>> {
    let mut times = Vec::new();
    for _ in 0..MESSAGES_EACH {
        for pair in pairs.iter_mut() {
            thread::sleep(PAUSE);
            times.push(pair.say()?);
        }
    }
    Ok(times)
}

// The others.

/// Somebody who writes, and somebody whose poll is held.
struct Pair {
    sender: Line,
    receiver: Line,
    message: Vec<u8>,
    token: String,
}

/// Somebody with an account: a token, and the conversation with the other one of the pair.
struct Person {
    token: String,
    conversation: String,
}

impl Pair {
    fn new(address: &str, two: &[Person]) -> io::Result<Self> {
        let [sender, receiver] = two else { return Err(ErrorKind::InvalidInput.into()) };
        let path = format!("/api/conversations/{}/messages", sender.conversation);
        let message = request("POST", &path, &sender.token, r#"{"body":"hello"}"#);
        let token = receiver.token.clone();
        let mut pair =
            Self { sender: Line::new(address)?, receiver: Line::new(address)?, message, token };
        let state = request("GET", "/api/state", &pair.token, "");
        let answer = pair.receiver.ask(&state)?;
        pair.poll(&answer)?;
        Ok(pair)
    }

    fn poll(&mut self, answer: &str) -> io::Result<()> {
        let cursor = member(answer, "cursor").ok_or(ErrorKind::InvalidData)?;
        let path = format!("/api/events?wait=60&cursor={cursor}");
        self.receiver.send(&request("GET", &path, &self.token, ""))
    }

    /// From just before a message is written until the poll that waits for it is answered with it.
    fn say(&mut self) -> io::Result<Duration> {
        let begin = Instant::now();
        self.sender.send(&self.message)?;
        loop {
            let answer = self.receiver.receive()?;
            let elapsed = begin.elapsed();
            self.poll(&answer)?;
            if answer.contains(r#""type":"message""#) {
                self.sender.receive()?;
                return Ok(elapsed);
            }
        }
    }
}

/// Makes the accounts, with passwords that cost little, and befriends each two of them.
fn register(folder: &Path) -> io::Result<(Vec<Person>, String)> {
    let options = ["--password-iterations", "1000", "--rate-limits", "off"];
    let server = Server::lovejoy(folder, &options)?;
    let mut line = Line::new(&server.address)?;
    let account = |line: &mut Line, name: &str| -> io::Result<(String, String)> {
        let body = format!(r#"{{"name":"{name}","password":"secret"}}"#);
        let answer = line.ask(&request("POST", "/api/users", "", &body))?;
        let found = [member(&answer, "id"), member(&answer, "token")];
        let [Some(id), Some(token)] = found else { return Err(io::Error::other(answer)) };
        Ok((id.to_owned(), token.to_owned()))
    };
    let mut people = Vec::new();
    for number in 0..PAIRS {
        let (sender, token) = account(&mut line, &format!("sender{number}"))?;
        let receiver = account(&mut line, &format!("receiver{number}"))?.1;
        let ask = format!(r#"{{"name":"receiver{number}"}}"#);
        line.ask(&request("POST", "/api/friends", &token, &ask))?;
        let accept = format!("/api/friends/{sender}/accept");
        let answer = line.ask(&request("POST", &accept, &receiver, ""))?;
        let conversation = member(&answer, "conversation_id").ok_or(ErrorKind::InvalidData)?;
        let conversation = conversation.to_owned();
        people.push(Person { token, conversation: conversation.clone() });
        people.push(Person { token: receiver, conversation });
    }
    let flooder = account(&mut line, "flooder")?.1;
    Ok((people, flooder))
}

// The flood.

/// The process that floods, until it is told to end.
struct Flooder {
    process: Child,
    said: BufReader<ChildStdout>,
}

impl Flooder {
    fn start(kind: &str, address: &str, token: &str) -> io::Result<Self> {
        let mut process = Command::new("nice")
            .args(["-n", "19"])
            .arg(std::env::current_exe()?)
            .args(["flooder", kind, address, token])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let said = BufReader::new(process.stdout.take().expect("piped"));
        let mut flooder = Self { process, said };
        // It is in full flow.
        flooder.line()?;
        Ok(flooder)
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        self.said.read_line(&mut line)?;
        Ok(line)
    }

    /// How many answers a second it got.
    fn end(mut self) -> io::Result<u64> {
        drop(self.process.stdin.take());
        let line = self.line()?;
        self.process.wait()?;
        line.trim().parse().map_err(|_| io::Error::other("the flood has failed"))
    }
}

/// Asks the same on many connections, as fast as it is answered, until nobody listens.
fn flood(kind: &str, address: &str, token: &str) -> io::Result<()> {
    let answers = AtomicU32::new(0);
    let (told, first) = mpsc::channel();
    thread::scope(|scope| {
        for line in 0..LINES {
            let (answers, told) = (&answers, told.clone());
            scope.spawn(move || {
                let error = keep_asking(kind, address, token, line, || {
                    answers.fetch_add(1, Ordering::Relaxed);
                    // Who has ended has heard enough.
                    let _ = told.send(());
                });
                eprintln!("the flood ends: {error:?}");
            });
        }
        // It is in full flow.
        first.recv().map_err(io::Error::other)?;
        println!("begun");
        answers.store(0, Ordering::Relaxed);
        let begin = Instant::now();
        let _ = io::stdin().read(&mut [0])?;
        let rate = f64::from(answers.load(Ordering::Relaxed)) / begin.elapsed().as_secs_f64();
        println!("{rate:.0}");
        std::process::exit(0)
    })
}

/// What one connection of a flood does, until it fails.
fn keep_asking(
    kind: &str,
    address: &str,
    token: &str,
    line: usize,
    mut answered: impl FnMut(),
) -> io::Result<()> {
    let mut connection = Line::new(address)?;
    for round in 0.. {
        if kind == "connections" {
            // A port that was used comes back slowly.
            thread::sleep(10 * PAUSE);
            connection = Line::new(address)?;
            answered();
            continue;
        }
        let number = |place: usize| (line * 1_000_000 + round) * AT_A_TIME + place;
        let requests = (0..AT_A_TIME).flat_map(|place| flood_request(kind, token, number(place)));
        connection.send(&requests.collect::<Vec<u8>>())?;
        for _ in 0..AT_A_TIME {
            connection.receive()?;
            answered();
        }
    }
    Ok(())
}

fn flood_request(kind: &str, token: &str, number: usize) -> Vec<u8> {
    match kind {
        "messages" => {
            request("POST", "/api/conversations/1/messages", token, r#"{"body":"flood"}"#)
        }
        "passwords" => {
            // Always another name: else the eleventh guess would cost nothing.
            let body = format!(r#"{{"name":"name{number}","password":"guess"}}"#);
            request("POST", "/api/sessions", "", &body)
        }
        _ => request("GET", "/api/state", "nonsense", ""),
    }
}

// HTTP, as little of it as is needed.

fn request(method: &str, path: &str, token: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "{method} {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {token}\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

/// A kept connection.
struct Line(BufReader<TcpStream>);

impl Line {
    fn new(address: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self(BufReader::new(stream)))
    }

    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.get_mut().write_all(bytes)
    }

    fn ask(&mut self, bytes: &[u8]) -> io::Result<String> {
        self.send(bytes)?;
        self.receive()
    }

    /// The body of the next answer.
    fn receive(&mut self) -> io::Result<String> {
        let (mut length, mut line) = (0, String::new());
        loop {
            line.clear();
            if self.0.read_line(&mut line)? == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            if let Some(value) = line.strip_prefix("Content-Length: ") {
                length = value.trim().parse().map_err(|_| ErrorKind::InvalidData)?;
            }
            if line == "\r\n" {
                break;
            }
        }
        let mut body = vec![0; length];
        self.0.read_exact(&mut body)?;
        String::from_utf8(body).map_err(|_| ErrorKind::InvalidData.into())
    }
}

/// The first member of this name in a JSON text, without its quotes.
fn member<'a>(json: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = json.split_once(&format!("\"{name}\":"))?;
    rest.split([',', '}']).next().map(|value| value.trim_matches('"'))
}

/// Ties a process to a processor, where there are several.
fn pin(process: u32, cpu: &str) -> io::Result<()> {
    if thread::available_parallelism()?.get() == 1 {
        return Ok(());
    }
    let mut command = Command::new("taskset");
    command.args(["-apc", cpu, &process.to_string()]).stdout(Stdio::null());
    let status = command.status()?;
    if status.success() { Ok(()) } else { Err(io::Error::other("taskset failed")) }
}
