//! Starts, signals and kills the real binary, and speaks HTTP to it over real sockets.
//!
//! Whatever a test waits for, it waits for by reading: a socket that stays silent longer than any
//! answer can take fails the test.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]

#[path = "../support/request.rs"]
mod request;

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

pub use request::request;

/// Longer than everything that a test waits for: it fails a test instead of hanging it.
const SILENCE_MAX: Duration = Duration::from_secs(50);

/// A folder of its own, gone with the test.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Self {
        static FOLDERS: AtomicU32 = AtomicU32::new(0);
        let number = FOLDERS.fetch_add(1, Ordering::Relaxed);
        let name = format!("lovejoy-smoke-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// The database of the servers on it.
    pub fn database(&self) -> PathBuf {
        self.path("data").join("lovejoy.db")
    }

    /// The log of that.
    pub fn log(&self) -> PathBuf {
        self.path("data").join("lovejoy.db-wal")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A running server.
pub struct Server {
    process: Child,
    pub address: SocketAddr,
    stdout: BufReader<ChildStdout>,
    log: PathBuf,
}

/// What a process that did not start left behind.
pub struct Failure {
    pub code: Option<i32>,
    pub stderr: String,
}

/// Somebody with an account and a token.
#[derive(Clone, Debug)]
pub struct Person {
    pub id: i64,
    pub token: String,
}

/// The binary of this build, or that of `LOVEJOY_BINARY`: one for another machine, under an emulator.
fn binary() -> OsString {
    std::env::var_os("LOVEJOY_BINARY").unwrap_or_else(|| env!("CARGO_BIN_EXE_lovejoy").into())
}

/// The binary, without the variables that are for tests or for another server.
pub fn lovejoy() -> Command {
    let mut command = Command::new(binary());
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| name.starts_with("LOVEJOY_")) {
            command.env_remove(name);
        }
    }
    command
}

/// The same with these options and words, on the data of a folder.
pub fn command(folder: &Folder, options: &[&str]) -> Command {
    let mut command = lovejoy();
    let usual =
        ["--listen", "127.0.0.1:0", "--password-iterations", "1000", "--rate-limits", "off"];
    command.args(usual).arg("--data").arg(folder.path("data")).args(options);
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    command
}

/// What a command of the operator has left behind.
#[derive(Debug)]
pub struct Done {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// Runs a command of the operator on the data of a folder.
pub fn operate(folder: &Folder, words: &[&str], stdin: &str) -> Done {
    operate_bytes(folder, words, stdin.as_bytes())
}

/// The same, with bytes that need not be text.
pub fn operate_bytes(folder: &Folder, words: &[&str], stdin: &[u8]) -> Done {
    let mut command = command(folder, words);
    command.stdin(Stdio::piped()).stderr(Stdio::piped());
    let mut process = command.spawn().expect("it runs");
    // A command that reads nothing may be gone already.
    let _ = process.stdin.take().expect("piped").write_all(stdin);
    let output = process.wait_with_output().expect("it ends");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    Done { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

impl Done {
    /// What it has printed, if all went well.
    #[track_caller]
    pub fn printed(self) -> String {
        assert_eq!((self.code, self.stderr.as_str()), (Some(0), ""));
        self.stdout
    }

    /// Asserts that it has failed with one line that has these words.
    #[track_caller]
    pub fn assert_failed(&self, code: i32, words: &str) {
        assert_eq!((self.code, self.stdout.as_str()), (Some(code), ""), "{}", self.stderr);
        assert_eq!(self.stderr.lines().count(), 1, "{}", self.stderr);
        assert!(self.stderr.contains(words), "{words} in {}", self.stderr);
    }
}

impl Server {
    /// A server on the data of a folder. Options that are given win over the usual ones.
    pub fn start(folder: &Folder, options: &[&str]) -> Self {
        Self::run(folder, command(folder, options))
    }

    /// The same, with another folder to begin in.
    pub fn start_in(here: &Path, folder: &Folder, options: &[&str]) -> Self {
        let mut command = command(folder, options);
        command.current_dir(here);
        Self::run(folder, command)
    }

    /// The same by a service manager, which hands down sockets that listen, and has one to be told at.
    pub fn start_managed(folder: &Folder, listeners: [OwnedFd; 2], notify: &Path) -> Self {
        // As systemd does it: the sockets are descriptors 3 and 4, and the variables are for this process.
        let hand_down = r#"exec 3<&0 4<&2 </dev/null 2>>"$0"
            export LISTEN_PID=$$ LISTEN_FDS=2; exec "$@""#;
        let server = command(folder, &[]);
        let mut command = Command::new("sh");
        command.args(["-c", hand_down]).arg(folder.path("log"));
        command.arg(server.get_program()).args(server.get_args()).env("NOTIFY_SOCKET", notify);
        let [first, second] = listeners;
        command.stdin(first).stderr(second).stdout(Stdio::piped());
        Self::wait_for(folder, command)
    }

    fn run(folder: &Folder, mut command: Command) -> Self {
        let log = File::options().create(true).append(true).open(folder.path("log"));
        command.stderr(log.expect("a file"));
        Self::wait_for(folder, command)
    }

    /// Until it has said where it listens.
    fn wait_for(folder: &Folder, mut command: Command) -> Self {
        let log = folder.path("log");
        let mut process = command.spawn().expect("it runs");
        let mut stdout = BufReader::new(process.stdout.take().expect("piped"));
        let mut line = String::new();
        stdout.read_line(&mut line).expect("a line on stdout");
        let address = line.trim_end().rsplit_once("://").map(|(_, address)| address.parse());
        let Some(Ok(address)) = address else {
            let _ = process.kill();
            let _ = process.wait();
            panic!("no address in {line:?}; {}", fs::read_to_string(&log).unwrap_or_default());
        };
        Self { process, address, stdout, log }
    }

    /// A start that must fail.
    pub fn fail_to_start(folder: &Folder, options: &[&str]) -> Failure {
        let mut process = command(folder, options).stderr(Stdio::piped()).spawn().expect("it runs");
        let mut stdout = BufReader::new(process.stdout.take().expect("piped"));
        let mut line = String::new();
        stdout.read_line(&mut line).expect("stdout ends");
        if !line.is_empty() {
            let _ = process.kill();
        }
        let output = process.wait_with_output().expect("it ends");
        assert_eq!(line, "", "it started");
        let stderr = String::from_utf8(output.stderr).expect("UTF-8");
        Failure { code: output.status.code(), stderr }
    }

    /// A further line that it printed.
    pub fn printed(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).expect("a line on stdout");
        line.trim().to_owned()
    }

    /// Everything it has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    pub fn signal(&self, name: &str) {
        let id = self.process.id().to_string();
        let status = Command::new("kill").args(["-s", name, &id]).status().expect("kill runs");
        assert!(status.success());
    }

    /// Waits for the end, which a signal has brought about.
    pub fn exit(&mut self) -> ExitStatus {
        self.process.wait().expect("it ends")
    }

    /// Power off: nothing of the process gets a say.
    pub fn kill(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    /// The number of its process.
    pub fn process_id(&self) -> u32 {
        self.process.id()
    }

    /// How many descriptors it has open, where the system tells.
    pub fn descriptors(&self) -> Option<usize> {
        let folder = format!("/proc/{}/fd", self.process.id());
        Some(fs::read_dir(folder).ok()?.count())
    }

    /// What they are.
    pub fn open_files(&self) -> Vec<String> {
        let folder = format!("/proc/{}/fd", self.process.id());
        let links = fs::read_dir(folder).into_iter().flatten().flatten();
        let targets = links.filter_map(|link| fs::read_link(link.path()).ok());
        targets.map(|target| target.display().to_string()).collect()
    }

    /// The memory that it has for itself alone at the moment, in bytes, where the system tells.
    pub fn memory_private(&self) -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
        let kilobytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
        Some(kilobytes * 1024)
    }

    /// The most memory it has ever used, in KiB, where the system tells.
    pub fn memory_peak(&self) -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        line.trim().strip_suffix(" kB")?.parse().ok()
    }

    pub fn connect(&self) -> Line {
        let stream = TcpStream::connect(self.address).expect("it accepts connections");
        stream.set_read_timeout(Some(SILENCE_MAX)).expect("a timeout");
        stream.set_write_timeout(Some(SILENCE_MAX)).expect("a timeout");
        stream.set_nodelay(true).expect("no delay");
        Line { stream: BufReader::new(stream) }
    }

    /// A request on a connection of its own.
    pub fn ask(&self, method: &str, path: &str, token: &str, body: Option<&Value>) -> Line {
        let mut line = self.connect();
        line.send(request(method, path, token, body).as_bytes());
        line
    }

    /// The same, whose answer is waited for.
    pub fn call(&self, method: &str, path: &str, token: &str, body: Option<&Value>) -> Answer {
        self.ask(method, path, token, body).answer()
    }

    pub fn get(&self, path: &str, person: &Person) -> Answer {
        self.call("GET", path, &person.token, None)
    }

    /// When this returns, the server has seen everything that was sent before, as long as it is no more
    /// than a turn reads: it takes in all sockets that are ready before it answers any.
    pub fn catch_up(&self) {
        assert_eq!(self.call("GET", "/api/server", "", None).status, 200);
    }

    /// A poll of which the server knows.
    pub fn hold(&self, person: &Person, cursor: &str) -> Line {
        let line = self.poll(person, cursor, 60);
        self.catch_up();
        line
    }

    pub fn poll(&self, person: &Person, cursor: &str, wait: u32) -> Line {
        self.ask("GET", &poll_path(cursor, wait), &person.token, None)
    }

    pub fn register(&self, name: &str) -> Person {
        person(&self.call("POST", "/api/users", "", Some(&credentials(name, "secret"))))
    }

    pub fn log_in(&self, name: &str, password: &str) -> Person {
        person(&self.call("POST", "/api/sessions", "", Some(&credentials(name, password))))
    }

    /// Anna and Ben, friends who know each other to be there, and their conversation.
    pub fn friends(&self) -> (Person, Person, i64) {
        let (anna, ben) = (self.register("anna"), self.register("ben"));
        let asked = self.call("POST", "/api/friends", &anna.token, Some(&json!({ "name": "ben" })));
        assert_eq!(asked.status, 201);
        let path = format!("/api/friends/{}/accept", anna.id);
        let accepted = self.call("POST", &path, &ben.token, None).json();
        let conversation = accepted["friend"]["conversation_id"].as_i64().expect("an id");
        for person in [&anna, &ben] {
            self.poll(person, "", 0).answer();
        }
        (anna, ben, conversation)
    }

    /// The place behind everything that has happened.
    pub fn cursor(&self, person: &Person) -> String {
        self.get("/api/state", person).cursor()
    }

    pub fn say(&self, person: &Person, conversation: i64, body: &str) -> Answer {
        let path = format!("/api/conversations/{conversation}/messages");
        self.call("POST", &path, &person.token, Some(&json!({ "body": body })))
    }

    /// What was said in a conversation, as one of its members sees it.
    pub fn history(&self, person: &Person, conversation: i64) -> Vec<String> {
        let answer = self.get(&format!("/api/conversations/{conversation}/messages"), person);
        let bodies = answer.json()["messages"].as_array().expect("messages").clone();
        bodies.iter().map(|message| text(&message["body"])).collect()
    }

    /// All messages of a conversation, in order, however many.
    pub fn whole_history(&self, person: &Person, conversation: i64) -> Vec<String> {
        self.messages(person, conversation).into_iter().map(|(_, body)| body).collect()
    }

    /// The same, with their ids.
    pub fn messages(&self, person: &Person, conversation: i64) -> Vec<(i64, String)> {
        let mut messages = Vec::new();
        let mut after = 0;
        loop {
            let path =
                format!("/api/conversations/{conversation}/messages?limit=200&after={after}");
            let page = self.get(&path, person).json();
            for message in page["messages"].as_array().expect("messages") {
                after = message["id"].as_i64().expect("an id");
                messages.push((after, text(&message["body"])));
            }
            if page["more"] != true {
                return messages;
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let end = self.process.try_wait();
            eprintln!("the server (ended: {end:?}) has logged:\n{}", self.log());
        }
        self.kill();
    }
}

/// A connection.
pub struct Line {
    stream: BufReader<TcpStream>,
}

impl Line {
    pub fn send(&mut self, bytes: &[u8]) {
        self.stream.get_mut().write_all(bytes).expect("it takes what is sent");
    }

    /// The other half, for a thread that sends while this one reads.
    pub fn sender(&self) -> TcpStream {
        self.stream.get_ref().try_clone().expect("a second handle")
    }

    /// Says that nothing more will be sent.
    pub fn end(&mut self) {
        self.stream.get_mut().shutdown(Shutdown::Write).expect("open until now");
    }

    /// The next answer.
    pub fn answer(&mut self) -> Answer {
        self.answer_to("GET")
    }

    /// The next answer, to a request by this method: after HEAD there is no body.
    pub fn answer_to(&mut self, method: &str) -> Answer {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            let count = self.stream.read_line(&mut head).expect("an answer");
            assert_ne!(count, 0, "the connection ended instead of an answer: {head:?}");
        }
        let mut answer = Answer {
            status: head[9..12].parse().expect("a status"),
            head: head.trim_end().to_owned(),
            body: Vec::new(),
        };
        if method != "HEAD" && answer.status != 204 {
            let length = answer.field("Content-Length").expect("a length").parse().expect("digits");
            answer.body.resize(length, 0);
            self.stream.read_exact(&mut answer.body).expect("a whole body");
        }
        answer
    }

    /// Whether nothing has come.
    pub fn is_silent(&mut self) -> bool {
        assert!(self.stream.buffer().is_empty());
        let stream = self.stream.get_mut();
        stream.set_nonblocking(true).expect("a mode");
        let seen = stream.peek(&mut [0]);
        stream.set_nonblocking(false).expect("a mode");
        seen.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    }

    /// Waits for the end; there may be nothing before it.
    pub fn is_closed(&mut self) -> bool {
        matches!(self.stream.read(&mut [0]), Ok(0))
    }
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn field(&self, name: &str) -> Option<&str> {
        let mut fields = self.head.lines().filter_map(|line| line.split_once(": "));
        fields.find(|field| field.0.eq_ignore_ascii_case(name)).map(|field| field.1)
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("a body in JSON")
    }

    pub fn code(&self) -> String {
        text(&self.json()["code"])
    }

    pub fn cursor(&self) -> String {
        text(&self.json()["cursor"])
    }

    /// The events, each by its type, messages with their bodies.
    pub fn events(&self) -> Vec<String> {
        let json = self.json();
        let events = json["events"].as_array().expect("events");
        let summary = |event: &Value| match event["message"]["body"].as_str() {
            Some(body) => format!("{} {body}", text(&event["type"])),
            None => text(&event["type"]),
        };
        events.iter().map(summary).collect()
    }
}

pub fn poll_path(cursor: &str, wait: u32) -> String {
    format!("/api/events?cursor={cursor}&wait={wait}")
}

pub fn credentials(name: &str, password: &str) -> Value {
    json!({ "name": name, "password": password })
}

/// Writes files into a folder, which need not be there: each by its path in it and its content.
pub fn write_files(folder: &Path, files: &[(&str, &str)]) {
    for (name, content) in files {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, content).expect("a file");
    }
}

fn person(answer: &Answer) -> Person {
    assert_eq!(answer.status, 201, "{answer:?}");
    let json = answer.json();
    Person { id: json["user"]["id"].as_i64().expect("an id"), token: text(&json["token"]) }
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}
