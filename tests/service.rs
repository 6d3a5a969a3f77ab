//! The real binary under a service manager that holds its socket and wants to know when it is ready.

mod process;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use process::{Folder, Server, request};
use serde_json::json;

/// Longer than everything that a test waits for: it fails a test instead of hanging it.
const SILENCE_MAX: Duration = Duration::from_secs(50);

/// How many restarts there are under load.
const RESTARTS: usize = 3;

/// A service manager, which holds two sockets, and has one to be told at.
struct Manager {
    address: TcpListener,
    file: UnixListener,
    told: UnixDatagram,
}

impl Manager {
    fn new(folder: &Folder) -> Self {
        let told = UnixDatagram::bind(folder.path("notify")).expect("a socket");
        told.set_read_timeout(Some(SILENCE_MAX)).expect("a timeout");
        let address = TcpListener::bind("127.0.0.1:0").expect("a port");
        Self { address, file: UnixListener::bind(folder.path("public")).expect("a socket"), told }
    }

    fn start(&self, folder: &Folder) -> Server {
        let address = self.address.try_clone().expect("a descriptor");
        let file = self.file.try_clone().expect("a descriptor");
        Server::start_managed(folder, [address.into(), file.into()], &folder.path("notify"))
    }
}

#[test]
fn a_server_takes_the_sockets_that_it_is_handed_and_says_when_it_is_ready() {
    let folder = Folder::new();
    let manager = Manager::new(&folder);
    let address = manager.address.local_addr().expect("an address");
    let path = folder.path("public");
    // Who comes before there is a server waits for it.
    let early = TcpStream::connect(address).expect("accepted");
    let locally = UnixStream::connect(&path).expect("accepted");
    let mut server = manager.start(&folder);
    assert_eq!(server.address, address);
    assert_eq!(server.printed(), format!("Lovejoy is listening on unix:{}", path.display()));
    let mut state = [0; 100];
    let count = manager.told.recv(&mut state).expect("it tells");
    assert_eq!(&state[..count], b"READY=1");
    let asked = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
    early.set_read_timeout(Some(SILENCE_MAX)).expect("a timeout");
    assert_eq!(exchange(early, asked), Some(200));
    locally.set_read_timeout(Some(SILENCE_MAX)).expect("a timeout");
    assert_eq!(exchange(locally, asked), Some(200));
    server.signal("TERM");
    assert_eq!(server.exit().code(), Some(0));
    assert!(UnixStream::connect(&path).is_ok(), "the file is the manager's, and so stays");
}

/// Sends a request on a connection, and reads the status of the answer; `None` where the connection
/// ends without one.
fn exchange(mut stream: impl Read + Write, request: &str) -> Option<u16> {
    let mut head = [0; 12];
    // What a server that stops has not read is no loss: it did not happen.
    stream.write_all(request.as_bytes()).and_then(|()| stream.read_exact(&mut head)).ok()?;
    let status = str::from_utf8(&head).ok().and_then(|head| head.get(9..12)?.parse().ok());
    Some(status.expect("a status line"))
}

/// Says a message again and again under its nonce until it is on the disk. Whoever does not get that
/// far is served by the next server; nobody may be refused.
fn say(address: SocketAddr, path: &str, token: &str, text: &str) {
    let body = json!({ "body": text, "nonce": text });
    let request = request("POST", path, token, Some(&body));
    loop {
        let stream = TcpStream::connect(address).expect("no connection is refused");
        stream.set_read_timeout(Some(SILENCE_MAX)).expect("a timeout");
        match exchange(stream, &request) {
            Some(200 | 201) => return,
            Some(503) | None => {}
            Some(other) => panic!("{other} for {text}"),
        }
    }
}

#[test]
fn restarts_under_load_refuse_no_connection_and_lose_no_message() {
    let folder = Folder::new();
    let manager = Manager::new(&folder);
    let address = manager.address.local_addr().expect("an address");
    let mut server = manager.start(&folder);
    let (anna, ben, room) = server.friends();
    let path = format!("/api/conversations/{room}/messages");
    let is_over = AtomicBool::new(false);

    let said = std::thread::scope(|scope| {
        let talkers: Vec<_> = ["a", "b", "c", "d"]
            .map(|name| {
                let (path, token, is_over) = (&path, &anna.token, &is_over);
                scope.spawn(move || {
                    let mut said = Vec::new();
                    while !is_over.load(Ordering::Relaxed) {
                        said.push(format!("{name}{}", said.len()));
                        say(address, path, token, said.last().expect("a text"));
                    }
                    said
                })
            })
            .into();
        for _ in 0..RESTARTS {
            // Something goes on when the server is told to stop.
            server.catch_up();
            server.signal("TERM");
            assert_eq!(server.exit().code(), Some(0));
            server = manager.start(&folder);
        }
        is_over.store(true, Ordering::Relaxed);
        let all = talkers.into_iter().flat_map(|talker| talker.join().expect("it talked"));
        all.collect::<Vec<String>>()
    });
    let mut heard = server.whole_history(&ben, room);
    let mut said = said;
    said.sort_unstable();
    heard.sort_unstable();
    assert_eq!(said, heard, "each once");
    assert!(said.len() >= RESTARTS, "there was something to lose");
}

#[test]
fn a_server_in_memory_writes_no_file_and_serves_all_the_same() {
    let folder = Folder::new();
    let here = folder.path("here");
    std::fs::create_dir_all(&here).expect("a folder");
    let server = Server::start_in(&here, &folder, &["--data", ":memory:"]);
    let (anna, ben, room) = server.friends();
    let cursor = server.cursor(&ben);
    let mut poll = server.hold(&ben, &cursor);
    assert_eq!(server.say(&anna, room, &"word ".repeat(1000)).status, 201);
    assert_eq!(poll.answer().status, 200);
    assert_eq!(std::fs::read_dir(&here).expect("a folder").count(), 0);
    // Nor one without a name.
    let files = server.open_files();
    assert!(
        files.iter().all(|file| !file.contains("deleted") && !file.contains("lovejoy.db")),
        "{files:?}"
    );
    let refused = process::operate(&folder, &["--data", ":memory:", "user", "list"], "");
    refused.assert_failed(1, ":memory: has no folder");
}

/// More than the turns of a server that stops take at once.
const HELD: usize = 2_000;

#[test]
fn thousands_who_wait_are_answered_when_the_server_stops_each_with_a_time_to_come_back() {
    lovejoy::system::raise_descriptors_max().expect("descriptors");
    let folder = Folder::new();
    // More time than the defaults, since a machine that tests is busy; and nobody goes offline, which
    // would be news.
    let times = ["--drain-time-max", "30s", "--presence-grace", "1h"];
    let mut server =
        Server::start(&folder, &[&times[..], &["--polls-per-user-max", "100000"]].concat());
    let (_, ben, _) = server.friends();
    let cursor = server.cursor(&ben);
    let polls: Vec<_> = (0..HELD).map(|_| server.poll(&ben, &cursor, 60)).collect();
    // So many are not read in one turn, and who has not been read is told 503.
    let held = format!("\nlovejoy_held_polls {HELD}\n");
    let are_held = |page: &[u8]| page.windows(held.len()).any(|part| part == held.as_bytes());
    while !are_held(&server.call("GET", "/metrics", "", None).body) {}
    server.signal("TERM");
    // Whoever is not answered by then is cut off, and fails.
    let mut retries: Vec<i64> = polls
        .into_iter()
        .map(|mut poll| {
            let answer = poll.answer();
            assert_eq!((answer.status, answer.field("Connection")), (200, Some("close")));
            answer.json()["retry_ms"].as_i64().expect("a time to come back")
        })
        .collect();
    assert_eq!(server.exit().code(), Some(0));
    retries.sort_unstable();
    assert!(retries[0] >= 500 && retries[HELD - 1] <= 6_000, "{retries:?}");
    retries.dedup();
    assert!(retries.len() > HELD / 2, "they come back one after the other");
}

/// A log that grows has to be written down by the file system with each commit.
#[test]
fn the_log_has_its_length_from_the_start() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]);
    let length = || std::fs::metadata(folder.log()).expect("a log").len();
    let before = length();
    assert!(before > 128 * 2048, "{before}");
    let (anna, _, room) = server.friends();
    for number in 0..20 {
        assert_eq!(server.say(&anna, room, &number.to_string()).status, 201);
    }
    assert_eq!(length(), before);
}
