//! Measures what a flood costs those who have no part in it: how long a message takes to the poll
//! that waits for it, and a small question to its answer, while one user or one address does as much as
//! it can, and while nobody does. The release binary with its default limits, in turns within one run.
//!
//! ```text
//! cargo bench --bench flood                  every flood
//! cargo bench --bench flood -- passwords     that one
//! ```
//!
//! The flood is a process of its own, of low priority, so that it does not take the processor from
//! the one who measures; both share one, and the server has the other. What the machine does besides
//! is in the latencies. In the last column it is not: how much processor time the server spends in a
//! turn, on average, which is what somebody who has just come has to wait for.

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

/// Something that one can do too much of.
#[derive(Clone, Copy)]
struct Flood {
    name: &'static str,
    what: &'static str,
    /// On so many connections.
    lines: usize,
    /// So many requests on each, without waiting for the answer to the first.
    at_a_time: usize,
}

const FLOODS: [Flood; 9] = [
    flood("messages", "one user sends messages", 64, 8),
    flood("passwords", "one address guesses passwords", 64, 8),
    flood("strangers", "one address asks without a token", 64, 8),
    flood("pipeline", "the same by one connection", 1, 200),
    flood("many", "the same by 512 connections", 512, 1),
    flood("history", "one user loads pages of history", 64, 8),
    flood("search", "one user searches", 64, 8),
    flood("pages", "one address loads the pages", 64, 8),
    flood("connections", "one address connects and goes", 64, 1),
];

const fn flood(name: &'static str, what: &'static str, lines: usize, at_a_time: usize) -> Flood {
    Flood { name, what, lines, at_a_time }
}

/// Others, in pairs; so many that none of them says too much.
const PAIRS: usize = 40;
const MESSAGES_EACH: usize = 10;
const ROUNDS: usize = 3;

/// Threads of a flood, at most.
const THREADS: usize = 64;

/// Messages of the user who floods: some pages of history.
const MESSAGES: usize = 500;

const PATIENCE: Duration = Duration::from_secs(120);

/// Between two messages, so that each is alone.
const PAUSE: Duration = Duration::from_millis(2);

fn main() -> io::Result<()> {
    let words: Vec<String> = std::env::args().skip(1).filter(|it| !it.starts_with('-')).collect();
    if let [word, name, address, token] = &words[..]
        && word == "flooder"
    {
        let flood = FLOODS.iter().find(|flood| flood.name == name);
        return do_too_much(*flood.ok_or(ErrorKind::InvalidInput)?, address, token);
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
    let mut turns = Turns { line: Line::new(&server.address)?, server: &server };
    println!(
        "| others, while | answers a second | a message: p50 | p99 | to nothing: p50 | p99 \
         | a question: p50 | p99 | to nothing: p50 | p99 | a turn, processor time |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|");
    let is_wanted = |name: &str| words.is_empty() || words.iter().any(|word| word == name);
    for Flood { name, what, .. } in FLOODS.into_iter().filter(|flood| is_wanted(flood.name)) {
        let (mut alone, mut beside) = (Latencies::default(), Latencies::default());
        let (mut answers, mut spent) = (0, (0.0, 0));
        for _ in 0..ROUNDS {
            alone.measure(&mut pairs)?;
            let flood = Flooder::start(name, &server.address, &flooder)?;
            let before = turns.count()?;
            beside.measure(&mut pairs)?;
            let after = turns.count()?;
            spent = (spent.0 + after.0 - before.0, spent.1 + after.1 - before.1);
            answers += flood.end()?;
        }
        let [message, question] =
            [(&alone.messages, &beside.messages), (&alone.questions, &beside.questions)]
                .map(|(alone, beside)| compare(alone, beside));
        let rate = answers / ROUNDS as u64;
        let turn = spent.0 * 1e6 / f64::from(spent.1.max(1));
        println!("| {what} | {rate} | {message} | {question} | {turn:.0} us |");
    }
    drop(server);
    fs::remove_dir_all(&folder)
}

/// Counts the server's turns, and what they cost.
struct Turns<'a> {
    line: Line,
    server: &'a Server,
}

impl Turns<'_> {
    /// Until now: seconds of processor time, and turns.
    fn count(&mut self) -> io::Result<(f64, u32)> {
        let page = self.line.ask(&request("GET", "/metrics", "", ""))?;
        let turns = page.lines().find_map(|line| line.strip_prefix("lovejoy_turns_total "));
        let turns = turns.and_then(|turns| turns.parse().ok()).ok_or(ErrorKind::InvalidData)?;
        Ok((self.server.processor_time()?.as_secs_f64(), turns))
    }
}

/// How long others had to wait.
#[derive(Default)]
struct Latencies {
    messages: Vec<Duration>,
    questions: Vec<Duration>,
}

impl Latencies {
    /// Everybody says so many things, one after the other, and asks as many questions.
    fn measure(&mut self, pairs: &mut [Pair]) -> io::Result<()> {
        for _ in 0..MESSAGES_EACH {
            for pair in pairs.iter_mut() {
                thread::sleep(PAUSE);
                self.messages.push(pair.say()?);
                thread::sleep(PAUSE);
                self.questions.push(pair.ask()?);
            }
        }
        Ok(())
    }
}

/// Beside a flood, and how many times as long as alone.
fn compare(alone: &[Duration], beside: &[Duration]) -> String {
    let [alone, beside] = [alone, beside].map(Quantiles::of);
    let ratios = (beside.p50 / alone.p50, beside.p99 / alone.p99);
    format!("{:.0} us | {:.0} us | {:.2} | {:.2}", beside.p50, beside.p99, ratios.0, ratios.1)
}

/// In microseconds.
struct Quantiles {
    p50: f64,
    p99: f64,
}

impl Quantiles {
    fn of(times: &[Duration]) -> Self {
        let mut times = times.to_vec();
        times.sort_unstable();
        let at = |rank: usize| times[times.len() * rank / 100].as_secs_f64() * 1e6;
        Self { p50: at(50), p99: at(99) }
    }
}

// The others.

/// Somebody who writes, and somebody whose poll is held.
struct Pair {
    sender: Line,
    receiver: Line,
    message: Vec<u8>,
    question: Vec<u8>,
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
        let question = request("GET", "/api/me", &sender.token, "");
        let [sender, receiver] = [Line::new(address)?, Line::new(address)?];
        let mut pair = Self { sender, receiver, message, question, token };
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

    /// A small question.
    fn ask(&mut self) -> io::Result<Duration> {
        let begin = Instant::now();
        self.sender.ask(&self.question)?;
        Ok(begin.elapsed())
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
    // The flooder talks to the first of them.
    let (flooder, token) = account(&mut line, "flooder")?;
    line.ask(&request("POST", "/api/friends", &token, r#"{"name":"sender0"}"#))?;
    let accept = format!("/api/friends/{flooder}/accept");
    let answer = line.ask(&request("POST", &accept, &people[0].token, ""))?;
    let conversation = member(&answer, "conversation_id").ok_or(ErrorKind::InvalidData)?;
    let path = format!("/api/conversations/{conversation}/messages");
    let body = format!(r#"{{"body":"{}"}}"#, "Something was said. ".repeat(5));
    for _ in 0..MESSAGES {
        line.ask(&request("POST", &path, &token, &body))?;
    }
    Ok((people, token))
}

// The flood.

/// The process that floods, until it is told to end.
struct Flooder {
    process: Child,
    said: BufReader<ChildStdout>,
}

impl Flooder {
    fn start(name: &str, address: &str, token: &str) -> io::Result<Self> {
        let mut process = Command::new("nice")
            .args(["-n", "19"])
            .arg(std::env::current_exe()?)
            .args(["flooder", name, address, token])
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
fn do_too_much(flood: Flood, address: &str, token: &str) -> io::Result<()> {
    let answers = AtomicU32::new(0);
    let (told, first) = mpsc::channel();
    let threads = flood.lines.min(THREADS);
    thread::scope(|scope| {
        for number in 0..threads {
            let (answers, told) = (&answers, told.clone());
            let part = Flood { lines: flood.lines / threads, ..flood };
            scope.spawn(move || {
                let error = keep_asking(part, address, token, number, || {
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

/// What one thread of a flood does, until it fails.
fn keep_asking(
    flood: Flood,
    address: &str,
    token: &str,
    thread: usize,
    mut answered: impl FnMut(),
) -> io::Result<()> {
    let connect = || (0..flood.lines).map(|_| Line::new(address)).collect::<io::Result<Vec<_>>>();
    let mut lines = connect()?;
    let mut number = thread * 1_000_000_000;
    loop {
        if flood.name == "connections" {
            // A port that was used comes back slowly.
            thread::sleep(10 * PAUSE);
            lines = connect()?;
            for _ in &lines {
                answered();
            }
            continue;
        }
        for line in &mut lines {
            let numbers = number..number + flood.at_a_time;
            number = numbers.end;
            let requests = numbers.flat_map(|number| flood_request(flood.name, token, number));
            line.send(&requests.collect::<Vec<u8>>())?;
        }
        for line in &mut lines {
            for _ in 0..flood.at_a_time {
                line.receive()?;
                answered();
            }
        }
    }
}

fn flood_request(name: &str, token: &str, number: usize) -> Vec<u8> {
    let conversation = PAIRS + 1;
    let path = format!("/api/conversations/{conversation}/messages");
    match name {
        "messages" => request("POST", &path, token, r#"{"body":"flood"}"#),
        "passwords" => {
            // Always another name: else the eleventh guess would cost nothing.
            let body = format!(r#"{{"name":"name{number}","password":"guess"}}"#);
            request("POST", "/api/sessions", "", &body)
        }
        "history" => request("GET", &format!("{path}?limit=200"), token, ""),
        "search" => request("GET", "/api/search?q=nowhere", token, ""),
        "pages" => request("GET", "/style.css", "", ""),
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
