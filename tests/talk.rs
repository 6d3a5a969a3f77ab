//! `lovejoy send` and `lovejoy tail`, by the real binary: what scripts say and hear.

mod process;

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Child, ChildStdout, Stdio};

use lovejoy::system::DataLock;
use process::{Folder, Person, Server, command, operate, operate_bytes};
use serde_json::{Value, json};

/// Says something to Ben as Anna; from stdin.
fn send(folder: &Folder, said: &str) {
    assert_eq!(operate(folder, &["send", "--as", "anna", "ben"], said).printed(), "");
}

#[test]
fn what_a_script_says_is_stored_where_a_server_runs_and_where_none_does() {
    let folder = Folder::new();
    let mut server = Server::start(&folder, &[]);
    let (anna, ben, direct) = server.friends();
    let members = json!({ "title": "Crew", "member_ids": [ben.id] });
    let group = server.call("POST", "/api/conversations", &anna.token, Some(&members)).json();
    let group = group["conversation"]["id"].as_i64().expect("an id");

    let mut poll = server.hold(&ben, &server.cursor(&ben));
    send(&folder, "\n  Filesystem  Use%\n  /dev/sda1   漠然 93%\n\n");
    assert_eq!(poll.answer().events(), ["message   Filesystem  Use%\n  /dev/sda1   漠然 93%"]);
    for words in [&["Crew", "given"][..], &[&format!("id:{group}"), "by number"]] {
        let words = [&["send", "--as", "Anna"], words].concat();
        assert_eq!(operate(&folder, &words, "not read").printed(), "");
    }
    for _ in 0..3 {
        let words = ["send", "--nonce", "2026-11-23", "BEN", "once a day", "--as", "anna"];
        assert_eq!(operate(&folder, &words, "").printed(), "");
    }
    assert_eq!(server.history(&ben, group), ["given", "by number"]);
    server.kill();

    send(&folder, "nobody is there");
    let server = Server::start(&folder, &[]);
    let said = ["  Filesystem  Use%\n  /dev/sda1   漠然 93%", "once a day", "nobody is there"];
    assert_eq!(server.history(&ben, direct), said);
}

#[test]
fn who_may_write_to_each_other_is_the_operators_to_say() {
    let folder = Folder::new();
    operate(&folder, &["user", "add", "backup"], "secret\n").printed();
    operate(&folder, &["user", "add", "anna"], "secret\n").printed();
    let refused = operate(&folder, &["send", "--as", "backup", "anna"], "text");
    refused.assert_failed(1, "`lovejoy user befriend backup anna` makes them friends");
    for _ in 0..2 {
        let done = operate(&folder, &["user", "befriend", "backup", "anna"], "").printed();
        assert_eq!(done, "backup and anna are friends\n");
    }
    operate(&folder, &["send", "--as", "backup", "anna"], "text").printed();
    for (names, why) in [
        (["backup", "nobody"], "There is no user of this name."),
        (["nobody", "backup"], "There is no user of this name."),
        (["anna", "anna"], "You cannot be your own friend."),
    ] {
        let words = ["user", "befriend", names[0], names[1]];
        operate(&folder, &words, "").assert_failed(1, why);
    }
}

#[test]
fn what_cannot_be_said_is_one_line_and_an_exit_code() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]);
    let (anna, ben, direct) = server.friends();
    let friendship = format!("/api/friends/{}", ben.id);
    let to_ben = ["send", "--as", "anna", "ben"];
    operate(&folder, &[&to_ben[..], &["--nonce", "n"]].concat(), "one").printed();
    for (words, stdin, code, line) in [
        (&to_ben[..], "", 1, "A message has something in it"),
        (&to_ben, " \n", 1, "A message has something in it"),
        (&to_ben, "a\0b", 1, "A message has no NUL characters"),
        (&["send", "--as", "nobody", "ben"], "text", 1, "There is no user of this name."),
        (&["send", "--as", "anna", "nobody"], "text", 1, "anna is in no group called nobody"),
        (&["send", "--as", "anna", "id:99"], "text", 1, "anna has no conversation id:99"),
        (&["send", "--as", "anna", "--nonce", "n", "ben"], "two", 1, "nonce"),
        (&["send", "--as", "anna", "ben", "text", "more"], "", 2, "send takes --as NAME"),
        (&["send", "--as", "not a name", "ben"], "text", 2, "send takes --as NAME"),
    ] {
        operate(&folder, words, stdin).assert_failed(code, line);
    }
    let long = format!("{}\n", "漠然\n".repeat(1171));
    operate(&folder, &to_ben, &long)
        .assert_failed(1, "at most 8192 bytes of UTF-8. This one has 8196");
    let latin = operate_bytes(&folder, &to_ben, b"gr\xfc\xdfe");
    latin.assert_failed(1, "not UTF-8, from byte 2 on");
    assert_eq!(server.call("DELETE", &friendship, &anna.token, None).status, 204);
    operate(&folder, &to_ben, "text").assert_failed(1, "friends");
    assert_eq!(server.history(&anna, direct), ["one"]);
}

/// The server is gone when it has got the message, and the next one gets it under the same nonce.
#[test]
fn what_was_not_answered_is_said_again_under_its_nonce() {
    let folder = Folder::new();
    operate(&folder, &["user", "add", "anna"], "secret\n").printed();
    let data = folder.path("data");
    let lock = DataLock::acquire(&data).expect("nobody has it");
    let listener = UnixListener::bind(data.join("control")).expect("a socket");
    let mut sending = command(&folder, &["send", "--as", "anna", "id:7", "heard?"]);
    let sending = sending.stderr(Stdio::piped()).spawn().expect("it runs");

    let mut heard = Vec::new();
    for status in ["", "503 Service Unavailable", "201 Created"] {
        let (mut stream, _) = listener.accept().expect("it comes");
        let request = read_request(&mut stream);
        assert!(request.starts_with("GET /api/state "), "{request}");
        assert!(request.contains("\r\nAuthorization: User anna\r\n"), "{request}");
        answer(&mut stream, "200 OK", &json!({ "conversations": [{ "id": 7 }] }));
        let request = read_request(&mut stream);
        assert!(request.starts_with("POST /api/conversations/7/messages "), "{request}");
        heard.push(request);
        if !status.is_empty() {
            answer(&mut stream, status, &json!({}));
        }
    }
    let output = sending.wait_with_output().expect("it ends");
    assert_eq!((output.status.code(), output.stderr), (Some(0), Vec::new()));
    assert_eq!((&heard[1], &heard[2]), (&heard[0], &heard[0]));
    assert!(heard[0].contains(r#""body":"heard?","nonce":""#), "{}", heard[0]);
    drop(lock);
}

fn read_request(stream: &mut UnixStream) -> String {
    let mut bytes = Vec::new();
    loop {
        let request = str::from_utf8(&bytes).expect("UTF-8");
        if let Some((head, body)) = request.split_once("\r\n\r\n") {
            let length = head.split_once("Content-Length: ").expect("a length").1;
            if body.len() == length.trim().parse::<usize>().expect("a number") {
                return request.to_owned();
            }
        }
        let mut buffer = [0; 1024];
        let count = stream.read(&mut buffer).expect("a request");
        assert_ne!(count, 0, "{request}");
        bytes.extend_from_slice(&buffer[..count]);
    }
}

fn answer(stream: &mut UnixStream, status: &str, body: &Value) {
    let body = body.to_string();
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n", body.len());
    stream.write_all((head + &body).as_bytes()).expect("it reads");
}

/// A `lovejoy tail` that runs.
struct Tail {
    process: Child,
    stdout: Option<BufReader<ChildStdout>>,
}

impl Tail {
    fn start(folder: &Folder, words: &[&str]) -> Self {
        let words = [&["tail", "--as", "ben"], words].concat();
        let mut process = command(folder, &words).stderr(Stdio::null()).spawn().expect("it runs");
        let stdout = BufReader::new(process.stdout.take().expect("piped"));
        Self { process, stdout: Some(stdout) }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        let stdout = self.stdout.as_mut().expect("open");
        assert_ne!(stdout.read_line(&mut line).expect("UTF-8"), 0, "it has ended");
        line.trim_end_matches('\n').to_owned()
    }

    /// A line without its time.
    fn fields(&mut self) -> String {
        let line = self.line();
        let (time, fields) = line.split_once('\t').expect("fields");
        assert!(time.starts_with("20") && time.ends_with('Z'), "{line}");
        fields.to_owned()
    }

    fn json(&mut self) -> Value {
        serde_json::from_str(&self.line()).expect("JSON")
    }

    /// Nobody reads it any more.
    fn hang_up(mut self) -> Option<i32> {
        self.stdout = None;
        self.process.wait().expect("it ends").code()
    }
}

impl Drop for Tail {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A server, Anna and Ben, and their conversation.
fn talk(folder: &Folder) -> (Server, Person, Person, i64) {
    let server = Server::start(folder, &[]);
    let (anna, ben, direct) = server.friends();
    (server, anna, ben, direct)
}

#[test]
fn messages_are_printed_as_they_come_over_a_restart_of_the_server() {
    let folder = Folder::new();
    let (mut server, anna, ben, direct) = talk(&folder);
    server.say(&anna, direct, "before\nand \u{1b}[2J after");
    let mut tail = Tail::start(&folder, &["--since", "1h", "ANNA"]);
    assert_eq!(tail.fields(), "anna\tanna\tbefore");
    assert_eq!(tail.line(), "\tand \\u{1b}[2J after");
    let said = server.say(&ben, direct, "to anna").json();
    assert_eq!(tail.fields(), "anna\tben\tto anna");

    let path = format!("/api/messages/{}", said["message"]["id"]);
    server.call("PATCH", &path, &ben.token, Some(&json!({ "body": "to Anna" })));
    assert_eq!(tail.fields(), "anna\tben\t(edited) to Anna");
    server.call("DELETE", &path, &ben.token, None);
    assert_eq!(tail.fields(), "anna\tben\t(deleted)");

    // Another conversation, in which Ben is told more than is listened to.
    let group = json!({ "title": "Crew", "member_ids": [ben.id] });
    let group = server.call("POST", "/api/conversations", &anna.token, Some(&group)).json();
    let group = group["conversation"]["id"].as_i64().expect("an id");
    let mut all = Tail::start(&folder, &["--since", "1h"]);
    assert_eq!(all.fields(), "anna\tanna\tbefore");
    assert_eq!(
        (all.line().as_str(), all.fields().as_str()),
        ("\tand \\u{1b}[2J after", "anna\tben\t(deleted)")
    );
    server.say(&anna, group, "to all");
    assert_eq!(all.fields(), "Crew\tanna\tto all");

    server.signal("TERM");
    server.exit();
    send(&folder, "while none runs");
    let mut server = Server::start(&folder, &[]);
    server.say(&anna, direct, "on the next");
    for tail in [&mut tail, &mut all] {
        assert_eq!(tail.fields(), "anna\tanna\twhile none runs");
        assert_eq!(tail.fields(), "anna\tanna\ton the next");
    }
    server.kill();
    let server = Server::start(&folder, &[]);
    server.say(&anna, direct, "after a crash");
    assert_eq!(tail.fields(), "anna\tanna\tafter a crash");
    assert_eq!(tail.hang_up(), Some(0), "without a further line");
    // Each looks for the server in its own time; who is gone by then is told nothing.
    assert_eq!(all.fields(), "anna\tanna\tafter a crash");
    operate(&folder, &["user", "remove", "ben"], "").printed();
    assert_eq!(all.process.wait().expect("it ends").code(), Some(1));
}

#[test]
fn lines_of_json_tell_where_to_go_on() {
    let folder = Folder::new();
    let (server, anna, ben, direct) = talk(&folder);
    for body in ["one", "two"] {
        server.say(&anna, direct, body);
    }
    let mut tail = Tail::start(&folder, &["--since", "1h", "--json"]);
    let (one, two) = (tail.json(), tail.json());
    assert_eq!((&one["type"], &one["message"]["body"]), (&json!("message"), &json!("one")));
    assert_eq!((&two["message"]["body"], one.get("cursor")), (&json!("two"), None));
    let cursor = two["cursor"].as_str().expect("a place behind both").to_owned();
    assert_eq!(tail.hang_up(), Some(0));

    server.say(&anna, direct, "three");
    let mut tail = Tail::start(&folder, &["--json", "--since", &cursor, "anna"]);
    let three = loop {
        let event = tail.json();
        if event["type"] == "message" {
            break event;
        }
    };
    assert_eq!(three["message"]["body"], "three");
    // It is a client of Ben's: he is there, and has got it.
    let state = server.get("/api/state", &anna).json();
    assert_eq!(state["friends"][0]["user"]["online"], true, "{state}");
    drop(tail);
    let wrong = operate(&folder, &["tail", "--as", "anna", "--since", &cursor], "");
    wrong.assert_failed(1, "cursor");
    drop((server, ben));
}

#[test]
fn there_is_nothing_to_hear_where_no_server_runs() {
    let folder = Folder::new();
    let listen = ["tail", "--as", "ben"];
    operate(&folder, &listen, "").assert_failed(1, "no server is running on");
    assert!(!folder.path("data").exists(), "nothing was made");
    let (mut server, ..) = talk(&folder);
    operate(&folder, &["tail", "--as", "carl"], "").assert_failed(1, "There is no user");
    operate(&folder, &["tail", "--as", "ben", "carl"], "").assert_failed(1, "called carl");
    server.kill();
    operate(&folder, &listen, "").assert_failed(1, "no server is running on");
}

/// To be anybody takes the control socket.
#[test]
fn nobody_else_speaks_for_a_user() {
    let folder = Folder::new();
    let (server, ..) = talk(&folder);
    let mut line = server.connect();
    line.send(b"GET /api/me HTTP/1.1\r\nHost: x\r\nAuthorization: User anna\r\n\r\n");
    assert_eq!(line.answer().status, 401);
    let mut stream = UnixStream::connect(folder.path("data").join("control")).expect("there");
    let request = "GET /api/me HTTP/1.0\r\nAuthorization: User anna\r\n\r\n";
    stream.write_all(request.as_bytes()).expect("it reads");
    let mut told = String::new();
    stream.read_to_string(&mut told).expect("an answer");
    assert!(told.starts_with("HTTP/1.1 200 ") && told.contains(r#""name":"anna""#), "{told}");
}
