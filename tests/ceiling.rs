//! The real binary under `--memory-max`, filled with whatever peers can fill it with: it stays below what
//! it has said to be the most, and serves all the same.

mod process;

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use process::{Folder, Line, Person, Server, credentials, operate, request};

const MIB: u64 = 1024 * 1024;

/// What it is given; and what it says to be the most, which is not more.
fn ceiling(memory_max: &str) -> u64 {
    let shown = operate(&Folder::new(), &["config", "--memory-max", memory_max], "").printed();
    let line = shown
        .lines()
        .find_map(|line| line.strip_prefix("# The most memory that a server can use so is "));
    let mebibytes = line.and_then(|line| line.strip_suffix(" MiB:")).expect("a ceiling");
    let tenths: u64 = mebibytes.replace('.', "").parse().expect("a number");
    tenths * MIB / 10
}

#[track_caller]
fn assert_below(server: &Server, ceiling: u64, when: &str) {
    let Some(used) = server.memory_private() else {
        return eprintln!("SKIPPED: this system does not tell how much memory a process has");
    };
    eprintln!("{:>8} KiB of {} KiB {when}", used / 1024, ceiling / 1024);
    assert!(used <= ceiling, "{used} of {ceiling} bytes {when}");
}

/// Connections with the head and almost all of the body of a request. Those for whom there is no room are
/// refused, and closed.
fn begin_requests(server: &Server, count: usize) -> Vec<TcpStream> {
    let head = "POST /api/users HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
                Content-Length: 65000\r\n\r\n";
    let request = head.to_owned() + &" ".repeat(64_000);
    let begin = |_| {
        let mut stream = TcpStream::connect(server.address).expect("it accepts");
        // What is refused may be closed before all of it is written.
        let _ = stream.write_all(request.as_bytes());
        stream
    };
    (0..count).map(begin).collect()
}

/// Asks for much again and again, and reads nothing of it.
fn read_nothing(
    server: &Server,
    person: &Person,
    conversation: i64,
    count: usize,
) -> Vec<TcpStream> {
    let path = format!("/api/conversations/{conversation}/messages?limit=200");
    let requests = request("GET", &path, &person.token, None).repeat(20);
    let ask = |_| {
        let mut stream = TcpStream::connect(server.address).expect("it accepts");
        let _ = stream.write_all(requests.as_bytes());
        stream
    };
    (0..count).map(ask).collect()
}

fn log_in_at_once(server: &Server, count: usize) -> Vec<Line> {
    let body = credentials("anna", "wrong password");
    (0..count).map(|_| server.ask("POST", "/api/sessions", "", Some(&body))).collect()
}

/// Where there is no room for a request at all its connection is closed; who asks again is answered.
fn be_answered(server: &Server) {
    let asked = request("GET", "/healthz", "", None);
    let is_answered = |_| {
        let mut stream = TcpStream::connect(server.address).expect("it accepts");
        let _ = stream.write_all(asked.as_bytes());
        let mut start = [0; 12];
        stream.read_exact(&mut start).is_ok() && start == *b"HTTP/1.1 200"
    };
    assert!((0..100).any(is_answered), "nobody is answered any more");
}

#[test]
fn whatever_is_filled_it_stays_below_what_it_has_said() {
    lovejoy::system::raise_descriptors_max().expect("descriptors");
    let ceiling = ceiling("12M");
    assert!((11 * MIB..=12 * MIB).contains(&ceiling), "{ceiling}");
    let folder = Folder::new();
    let options =
        ["--memory-max", "12M", "--polls-per-user-max", "100000", "--body-time-max", "1h"];
    let server = Server::start(&folder, &[&options[..], &["--write-time-max", "1h"]].concat());
    assert_below(&server, ceiling, "at rest");

    let (anna, ben, room) = server.friends();
    let long = "\u{1}".repeat(8_000);
    for _ in 0..300 {
        assert_eq!(server.say(&anna, room, &long).status, 201);
    }
    assert_below(&server, ceiling, "with long messages in memory");

    // Everybody below would be a message further, if they could be.
    let cursor = server.cursor(&ben);
    let polls: Vec<_> = (0..300).map(|_| server.poll(&ben, &cursor, 60)).collect();
    server.catch_up();
    assert_below(&server, ceiling, "with polls that are held");

    let begun = begin_requests(&server, 200);
    server.catch_up();
    assert_below(&server, ceiling, "with requests that have begun");

    let slow = read_nothing(&server, &ben, room, 60);
    be_answered(&server);
    assert_below(&server, ceiling, "with readers that read nothing");

    let logins = log_in_at_once(&server, 100);
    be_answered(&server);
    assert_below(&server, ceiling, "with passwords being hashed");

    // Some were refused, and others were not.
    let refused = begun.iter().filter(|stream| is_over(stream)).count();
    assert!((1..200).contains(&refused), "{refused} of 200");
    drop((begun, slow, logins));
    be_answered(&server);

    assert_eq!(server.say(&anna, room, &long).status, 201);
    server.catch_up();
    assert_below(&server, ceiling, "after all polls were answered at once");
    let told = polls.into_iter().map(|mut poll| poll.answer().status == 200);
    assert!(told.filter(|is_told| *is_told).count() == 300, "each poll is answered");

    assert_eq!(server.say(&ben, room, "And now?").status, 201);
    assert_below(&server, ceiling, "afterwards");
    assert!(server.log().contains(" MiB of memory"), "{}", server.log());
}

/// Whether something came back: no answer is due before the request is whole.
fn is_over(mut stream: &TcpStream) -> bool {
    stream.set_nonblocking(true).expect("a mode");
    !matches!(stream.read(&mut [0; 12]), Err(error) if error.kind() == std::io::ErrorKind::WouldBlock)
}

#[test]
fn what_cannot_be_had_is_refused_and_says_how_much_it_takes() {
    let folder = Folder::new();
    let failure = Server::fail_to_start(&folder, &["--memory-max", "1M"]);
    assert_eq!(failure.code, Some(1));
    assert!(
        failure.stderr.contains("--memory-max is too little: a server needs"),
        "{}",
        failure.stderr
    );
    assert!(!fs::exists(folder.path("data")).expect("told"), "nothing was begun");
    let shown = operate(&folder, &["config", "--memory-max", "1M"], "").printed();
    assert!(shown.contains("# --memory-max is too little"), "{shown}");
}
