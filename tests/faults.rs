//! What the disk can do to a server, by the real binary: it is full, gives errors, is read-only, has
//! lost or spoiled what was on it.

mod process;

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use process::{Folder, Person, Server, operate};
use rusqlite::Connection;
use serde_json::Value;

/// Says something long; the status, and what was said.
fn say(server: &Server, person: &Person, conversation: i64, number: usize) -> (u16, String) {
    let body = format!("{number} {}", "x".repeat(4000));
    (server.say(person, conversation, &body).status, body)
}

/// The bodies of the messages in an answer to a poll.
fn told(server: &Server, person: &Person, cursor: &mut String) -> Vec<String> {
    let mut bodies = Vec::new();
    loop {
        let answer = server.poll(person, cursor, 0).answer();
        assert_eq!(answer.status, 200);
        *cursor = answer.cursor();
        let json = answer.json();
        let events = json["events"].as_array().expect("events");
        let messages = events.iter().filter(|event| event["type"] == "message");
        bodies.extend(messages.map(|event| text(&event["message"]["body"])));
        if json["more"] != true {
            return bodies;
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

/// While nothing can be written: commands are refused, nothing of them is seen, and reading goes on.
/// Then there is room again, and all is as before, without a restart.
fn stops_writing_and_goes_on(server: &Server, spoil: impl FnOnce(), mend: impl FnOnce()) {
    let (anna, ben, conversation) = server.friends();
    let mut cursor = server.cursor(&ben);
    let mut said = Vec::new();
    for number in 0..5 {
        let (status, body) = say(server, &anna, conversation, number);
        assert_eq!(status, 201);
        said.push(body);
    }
    assert_eq!(told(server, &ben, &mut cursor), said);
    spoil();
    let mut refused = 0;
    for number in 5..2000 {
        let answer = say(server, &anna, conversation, number);
        match answer {
            (201, body) => {
                assert_eq!(refused, 0, "no room has come");
                said.push(body);
            }
            (status, _) => {
                assert_eq!(status, 503);
                refused += 1;
                if refused == 3 {
                    break;
                }
            }
        }
    }
    assert_eq!(refused, 3, "the disk was never full");
    let refusal = server.say(&anna, conversation, &"x".repeat(4000));
    assert_eq!((refusal.status, refusal.code().as_str()), (503, "unavailable"));
    assert!(refusal.field("Retry-After").is_some());
    assert_eq!(server.call("GET", "/healthz", "", None).status, 503);

    for path in ["/api/state", "/api/friends", "/api/conversations", "/api/me", "/api/sessions"] {
        assert_eq!(server.get(path, &ben).status, 200, "{path}");
    }
    // A poll is held, and tells what is no matter of the disk.
    let mut poll = server.poll(&anna, &server.cursor(&anna), 0);
    assert_eq!(poll.answer().status, 200);
    let heard = told(server, &ben, &mut cursor);
    assert_eq!(heard, said[5..], "what was acknowledged, and nothing else");
    let held = server.hold(&ben, &cursor);

    mend();
    assert_eq!(server.call("GET", "/healthz", "", None).status, 200, "it finds out by itself");
    let mut held = held;
    let (status, body) = say(server, &anna, conversation, 9_999);
    assert_eq!(status, 201);
    said.push(body);
    assert_eq!(held.answer().events().last(), Some(&format!("message {}", said[said.len() - 1])));
    let history = server.whole_history(&ben, conversation);
    assert_eq!(history, said, "each once");
}

/// A small disk of its own, where the system lets us have one.
struct Disk(PathBuf);

impl Disk {
    fn mount(at: &Path, kib: u32) -> Option<Self> {
        fs::create_dir_all(at).expect("a folder");
        let size = format!("size={kib}k,mode=0700");
        let output =
            Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(at).output();
        let mounted = output.is_ok_and(|output| output.status.success());
        if !mounted {
            eprintln!("nothing can be mounted here: not tested");
        }
        mounted.then(|| Self(at.to_owned()))
    }

    fn make_read_only(&self) {
        let options = ["-o", "remount,ro"];
        let done = Command::new("mount").args(options).arg(&self.0).status().expect("mount runs");
        assert!(done.success());
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_refuses_what_is_said_and_nothing_else() {
    let folder = Folder::new();
    let Some(_disk) = Disk::mount(&folder.path("data"), 1024) else { return };
    let filler = folder.path("data").join("filler");
    let mut server = Server::start(&folder, &[]);
    let fill = || {
        let mut file = File::create(&filler).expect("a file");
        while file.write_all(&[0; 4096]).is_ok() {}
    };
    stops_writing_and_goes_on(&server, fill, || fs::remove_file(&filler).expect("removed"));
    server.kill();
    operate(&folder, &["check"], "").printed();
}

/// The same by the limit of the process on the size of files, which is an I/O error to SQLite.
#[test]
fn errors_of_the_disk_refuse_what_is_said_and_nothing_else() {
    let folder = Folder::new();
    let mut server = Server::start(&folder, &[]);
    let limit = |bytes: &str| {
        let process = server.process_id().to_string();
        let limit = format!("--fsize={bytes}:unlimited");
        Command::new("prlimit").args(["--pid", &process, &limit]).output()
    };
    if !limit("unlimited").is_ok_and(|output| output.status.success()) {
        eprintln!("there is no prlimit here: not tested");
        return;
    }
    let spoil = || drop(limit("300000").expect("it has run before"));
    stops_writing_and_goes_on(&server, spoil, || drop(limit("unlimited").expect("as before")));
    server.kill();
    operate(&folder, &["check"], "").printed();
}

/// All files of a folder, with what is in them.
fn contents(folder: &Folder) -> Vec<(PathBuf, Vec<u8>)> {
    let entries = fs::read_dir(folder.path("data")).expect("a folder");
    let mut files: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.retain(|file| !file.ends_with("lovejoy.lock"));
    files.sort();
    files.into_iter().map(|file| (file.clone(), fs::read(&file).expect("readable"))).collect()
}

/// A folder with the database of a server that was stopped, or killed.
fn used(kill: bool) -> (Folder, Person, i64) {
    let folder = Folder::new();
    let mut server = Server::start(&folder, &[]);
    let (anna, _, conversation) = server.friends();
    for number in 0..20 {
        assert_eq!(say(&server, &anna, conversation, number).0, 201);
    }
    if kill {
        server.kill();
        // It is of no use to anybody.
        fs::remove_file(folder.path("data").join("control")).expect("left behind");
    } else {
        server.signal("TERM");
        server.exit();
    }
    (folder, anna, conversation)
}

#[test]
fn a_file_that_is_no_good_is_one_clear_line_and_stays_as_it_was() {
    type Spoil = fn(&Path);
    let cases: [(&str, Spoil, &str); 6] = [
        ("its head is gone", |file| overwrite(file, 0, 100), "not a database of Lovejoy"),
        ("its first page is torn", |file| overwrite(file, 100, 1900), "lovejoy.db"),
        ("its end is gone", |file| truncate(file, 5000), "lovejoy.db"),
        ("it is another program's", |file| pragma(file, "application_id", 7), "not a database"),
        ("it is from the future", |file| pragma(file, "user_version", 99), "version 99"),
        (
            "it is a folder",
            |file| {
                fs::remove_file(file).expect("removed");
                fs::create_dir(file).expect("a folder");
                fs::write(file.join("file"), "").expect("a file");
            },
            "lovejoy.db",
        ),
    ];
    for (what, spoil, words) in cases {
        let (folder, _, _) = used(false);
        spoil(&folder.database());
        if folder.database().is_dir() {
            let failure = Server::fail_to_start(&folder, &[]);
            assert_eq!(failure.code, Some(1), "{what}");
            assert!(folder.database().join("file").exists(), "{what}");
            continue;
        }
        let before = contents(&folder);
        for _ in 0..2 {
            let failure = Server::fail_to_start(&folder, &[]);
            assert_eq!(failure.code, Some(1), "{what}");
            assert_eq!(failure.stderr.lines().count(), 1, "{what}: {}", failure.stderr);
            assert!(failure.stderr.contains(words), "{what}: {}", failure.stderr);
            assert!(contents(&folder) == before, "{what}: something has changed");
        }
        operate(&folder, &["check"], "").assert_failed(1, words);
        assert!(contents(&folder) == before, "{what}: checking has changed something");
    }
}

/// The same for one whose newest messages are in its log still.
#[test]
fn a_log_is_left_alone_beside_a_file_that_is_no_good() {
    let (folder, _, _) = used(true);
    // Longer than it was, so that its log does not make up for it.
    let bytes = fs::read(folder.log()).expect("a log");
    assert!(bytes.len() > 10_000);
    fs::write(folder.database(), "This is no database. ".repeat(1000)).expect("a file");
    let mut log = bytes;
    log.truncate(20);
    fs::write(folder.log(), log).expect("a log");
    let before = contents(&folder);
    let failure = Server::fail_to_start(&folder, &[]);
    assert!(failure.stderr.contains("not a database of Lovejoy"), "{}", failure.stderr);
    assert!(contents(&folder) == before);
}

fn overwrite(file: &Path, from: usize, to: usize) {
    let mut bytes = fs::read(file).expect("readable");
    bytes[from..to].fill(0xa5);
    fs::write(file, bytes).expect("written");
}

fn truncate(file: &Path, bytes: u64) {
    File::options().write(true).open(file).expect("a file").set_len(bytes).expect("cut");
}

fn pragma(file: &Path, name: &str, value: i64) {
    let connection = Connection::open(file).expect("a database");
    connection.pragma_update(None, name, value).expect("a setting");
    connection.pragma_update_and_check(None, "journal_mode", "DELETE", |_| Ok(())).expect("a mode");
}

#[test]
fn a_log_that_ends_too_early_is_read_as_far_as_it_is_whole() {
    let (folder, anna, conversation) = used(true);
    // Behind it are zeros, which are room for more.
    let log = fs::read(folder.log()).expect("a log");
    let whole = log.iter().rposition(|byte| *byte != 0).expect("something is in it") as u64 + 1;
    for (length, at_least) in [
        (Some(whole - 1), 19),
        (Some(whole - 9000), 15),
        (Some(whole / 2), 0),
        (Some(100), 0),
        (Some(0), 0),
        (None, 0),
    ] {
        let other = Folder::new();
        fs::create_dir_all(other.path("data")).expect("a folder");
        for (from, to) in [(folder.database(), other.database()), (folder.log(), other.log())] {
            fs::copy(from, to).expect("a copy");
        }
        match length {
            Some(length) => truncate(&other.log(), length),
            None => fs::remove_file(other.log()).expect("removed"),
        }
        let server = Server::start(&other, &[]);
        let answer = server.get("/api/me", &anna);
        if answer.status == 200 {
            let history = server.whole_history(&anna, conversation);
            assert!(history.len() >= at_least, "{length:?}: {}", history.len());
            for (number, body) in history.iter().enumerate() {
                assert!(body.starts_with(&format!("{number} ")), "a gap before {number}");
            }
            assert_eq!(say(&server, &anna, conversation, history.len()).0, 201);
        } else {
            assert_eq!((answer.status, at_least), (401, 0), "nothing of it was left");
            server.register("anna");
        }
        drop(server);
        operate(&other, &["check"], "").printed();
    }
}

/// With relaxed durability a power cut takes what was not synced: here all of the log that was written
/// after the start.
#[test]
fn numbers_that_a_power_cut_has_taken_are_not_given_again() {
    let folder = Folder::new();
    let options = ["--durability", "normal"];
    let mut server = Server::start(&folder, &options);
    let (anna, ben, conversation) = server.friends();
    server.say(&anna, conversation, "kept");
    server.kill();
    let mut server = Server::start(&folder, &options);
    let synced = fs::read(folder.log()).expect("a log");
    let id = |server: &Server, body: &str| {
        let answer = server.say(&anna, conversation, body).json();
        answer["message"]["id"].as_i64().expect("an id")
    };
    let lost: Vec<i64> = (0..5).map(|number| id(&server, &format!("lost {number}"))).collect();
    let cursor = server.cursor(&ben);
    server.kill();
    fs::write(folder.log(), &synced).expect("written");

    let mut server = Server::start(&folder, &options);
    let synced = fs::read(folder.log()).expect("a log");
    assert_eq!(server.history(&ben, conversation), ["kept"], "the rest is lost");
    let next = id(&server, "next");
    assert!(next > lost[4], "{next} was given before");
    // Who knew of the lost ones misses nothing of what came after.
    let answer = server.poll(&ben, &cursor, 60).answer();
    assert_eq!(answer.events(), ["reset", "message next"]);
    server.kill();
    fs::write(folder.log(), &synced).expect("written");

    // Once more, from the same place.
    let mut server = Server::start(&folder, &options);
    let again = id(&server, "again");
    assert!(again > next, "{again} was given before");
    let answer = server.poll(&ben, &cursor, 60).answer();
    assert_eq!(answer.events(), ["reset", "message again"]);
    // The gap costs neither room nor time: it is quiet for as long as this poll is held.
    let mut quiet = server.poll(&ben, &answer.cursor(), 1);
    assert_eq!(quiet.answer().status, 200);
    let bytes = |file: PathBuf| fs::metadata(file).expect("a file").len();
    assert!(bytes(folder.database()) + bytes(folder.log()) < 2_000_000);
    for (words, count) in [("kept", 1), ("again", 1), ("lost", 0)] {
        let found = server.get(&format!("/api/search?q={words}"), &ben).json();
        assert_eq!(found["messages"].as_array().map(Vec::len), Some(count), "{words}: {found}");
        assert_eq!(found["more"], false);
    }
    server.signal("TERM");
    server.exit();
    let mut server = Server::start(&folder, &options);
    assert_eq!(id(&server, "without a gap"), again + 1, "nothing was forgotten");
    server.signal("TERM");
    server.exit();
    operate(&folder, &["check"], "").printed();
}

#[test]
fn a_disk_that_is_read_only_is_one_clear_line() {
    let folder = Folder::new();
    let Some(disk) = Disk::mount(&folder.path("data"), 1024) else { return };
    let mut server = Server::start(&folder, &[]);
    server.register("anna");
    server.signal("TERM");
    server.exit();
    disk.make_read_only();
    let failure = Server::fail_to_start(&folder, &[]);
    assert_eq!((failure.code, failure.stderr.lines().count()), (Some(1), 1), "{}", failure.stderr);
    assert!(failure.stderr.contains("Read-only"), "{}", failure.stderr);
    let done = operate(&folder, &["user", "remove", "anna"], "");
    done.assert_failed(1, "Read-only");
}
