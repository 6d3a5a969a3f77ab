//! Copies, restores and examines databases, by the real binary, beside a server and without one.

mod process;

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use process::{Done, Folder, Server, operate, request, write_files};
use rusqlite::Connection;
use serde_json::{Value, json};

fn back_up(folder: &Folder, file: &Path) -> Done {
    operate(folder, &["backup", text(file)], "")
}

fn restore(folder: &Folder, file: &Path) -> Done {
    operate(folder, &["restore", text(file)], "")
}

fn check(folder: &Folder) -> Done {
    operate(folder, &["check"], "")
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

/// The names of the files in the data folder.
fn files(folder: &Folder) -> Vec<String> {
    let entries = fs::read_dir(folder.path("data")).expect("a folder");
    let name = |entry: std::io::Result<fs::DirEntry>| entry.expect("an entry").file_name();
    let mut names: Vec<_> =
        entries.map(|entry| name(entry).into_string().expect("UTF-8")).collect();
    names.sort();
    names
}

/// Does something to a database with the tool of everybody.
fn tamper(file: &Path, sql: &str) {
    let connection = Connection::open(file).expect("a database");
    connection.pragma_update(None, "foreign_keys", false).expect("a setting");
    connection.execute_batch(sql).expect(sql);
}

#[test]
fn a_server_is_copied_while_it_works() {
    let folder = Folder::new();
    let server = Server::start(&folder, &["--index-batch", "64"]);
    let (anna, ben, conversation) = server.friends();
    let (acknowledged, done) = (AtomicUsize::new(0), AtomicBool::new(false));
    let copies: Vec<(PathBuf, usize)> = thread::scope(|scope| {
        scope.spawn(|| {
            let mut line = server.connect();
            let path = format!("/api/conversations/{conversation}/messages");
            for number in 0.. {
                if done.load(Ordering::SeqCst) {
                    return;
                }
                let body = json!({ "body": format!("{number} {}", "x".repeat(1 + number % 5000)) });
                line.send(request("POST", &path, &anna.token, Some(&body)).as_bytes());
                assert_eq!(line.answer().status, 201);
                acknowledged.fetch_add(1, Ordering::SeqCst);
            }
        });
        let copies = (0..6).map(|number| {
            // Some hundred messages each time, and now and then a checkpoint.
            let enough = 200 * (number + 1);
            while acknowledged.load(Ordering::SeqCst) < enough {
                server.catch_up();
            }
            let file = folder.path(&format!("copy{number}"));
            back_up(&folder, &file).printed();
            (file, enough)
        });
        let copies = copies.collect();
        done.store(true, Ordering::SeqCst);
        copies
    });
    drop(server);
    for (file, at_least) in copies {
        operate(&folder, &["check", text(&file)], "").printed();
        let other = Folder::new();
        restore(&other, &file).printed();
        let server = Server::start(&other, &[]);
        let history = server.whole_history(&ben, conversation);
        assert!(history.len() >= at_least, "{} of {at_least}", history.len());
        for (number, body) in history.iter().enumerate() {
            assert_eq!(body.split_once(' ').expect("a number").0, number.to_string());
        }
    }
    assert!(!folder.path("copy0.tmp").exists());
    assert!(!folder.path("copy0.tmp-wal").exists());
}

#[test]
fn what_was_only_in_the_log_of_a_killed_server_is_copied_too() {
    let folder = Folder::new();
    let mut server = Server::start(&folder, &[]);
    let (anna, ben, conversation) = server.friends();
    server.say(&anna, conversation, "hello");
    server.kill();
    assert!(fs::metadata(folder.log()).expect("a log").len() > 0);
    let file = folder.path("copy");
    fs::write(&file, "an older copy").expect("a file");
    assert!(back_up(&folder, &file).printed().contains("is a whole copy"));
    let other = Folder::new();
    restore(&other, &file).printed();
    let server = Server::start(&other, &[]);
    assert_eq!(server.history(&ben, conversation), ["hello"]);
}

#[test]
fn a_copy_that_cannot_be_made_changes_nothing() {
    let folder = Folder::new();
    back_up(&folder, &folder.path("copy")).assert_failed(1, "there is no database");
    let server = Server::start(&folder, &[]);
    let nowhere = folder.path("nowhere").join("copy");
    back_up(&folder, &nowhere).assert_failed(1, text(&nowhere));
    back_up(&folder, &folder.database()).assert_failed(1, "is the database itself");
    operate(&folder, &["backup"], "").assert_failed(2, "backup takes FILE");
    drop(server);
    back_up(&folder, &folder.database()).assert_failed(1, "is the database itself");
    check(&folder).printed();
}

#[test]
fn a_restored_database_takes_the_place_of_another_which_is_kept() {
    let folder = Folder::new();
    let mut server = Server::start(&folder, &[]);
    let (anna, ben, conversation) = server.friends();
    server.say(&anna, conversation, "before");
    let copied = folder.path("copy");
    back_up(&folder, &copied).printed();
    restore(&folder, &copied).assert_failed(1, "stop it before");
    server.say(&anna, conversation, "after");
    server.kill();
    let kept = folder.path("data").join("lovejoy.db.before-restore");
    for number in 1..=2 {
        let printed = restore(&folder, &copied).printed();
        let kept = if number == 1 { kept.clone() } else { kept.with_extension("before-restore-2") };
        assert!(printed.contains(text(&kept)), "{printed}");
        assert!(kept.exists());
        let server = Server::start(&folder, &[]);
        assert_eq!(server.history(&ben, conversation), ["before"]);
    }
    // What was kept is whole, with the log that it had.
    let other = Folder::new();
    restore(&other, &kept).printed();
    let server = Server::start(&other, &[]);
    assert_eq!(server.history(&ben, conversation), ["before", "after"]);
    assert!(copied.exists());
}

/// A client has seen more than the copy knows. It must hear of everything that is said from then on, and
/// no number is given again, however many were given since the copy.
#[test]
fn a_cursor_from_a_future_that_is_forgotten_is_reset_and_misses_nothing() {
    let folder = Folder::new();
    let mut server = Server::start(&folder, &[]);
    let (anna, ben, conversation) = server.friends();
    server.say(&anna, conversation, "one");
    let old = server.cursor(&ben);
    let copied = folder.path("copy");
    back_up(&folder, &copied).printed();
    for body in ["two", "three", "four"] {
        server.say(&anna, conversation, body);
    }
    let same_start = server.cursor(&ben);
    server.kill();
    let server = Server::start(&folder, &[]);
    server.say(&anna, conversation, "five");
    let later_start = server.cursor(&ben);
    drop(server);
    restore(&folder, &copied).printed();
    let mut server = Server::start(&folder, &[]);
    server.say(&anna, conversation, "another two");
    let newest = |server: &Server| server.messages(&ben, conversation).last().expect("one").0;
    let id = newest(&server);
    assert!(id > 1 << 40, "{id} may have been given before");
    for (cursor, expected) in [
        (&old, &["reset", "message another two"][..]),
        (&same_start, &["reset", "message another two"]),
        (&later_start, &["reset", "message another two"]),
    ] {
        let answer = server.poll(&ben, cursor, 60).answer();
        let events = answer.events();
        assert_eq!(events[events.len() - 2..], *expected, "{events:?}");
        assert_eq!(events.first().map(String::as_str), Some("reset"), "{events:?}");
        assert_eq!(server.poll(&ben, &answer.cursor(), 0).answer().events(), [""; 0]);
    }
    // From then on there are no gaps.
    for next in 1..=2 {
        server.say(&anna, conversation, "on");
        assert_eq!(newest(&server), id + next);
        server.kill();
        server = Server::start(&folder, &[]);
    }
    operate(&folder, &["user", "list"], "").printed();
    drop(server);
    check(&folder).printed();
}

/// The same copy has two futures, of as many starts each. Clients of the first have seen as many
/// numbers as the second has given.
#[test]
fn a_client_of_another_future_of_the_same_copy_misses_nothing() {
    type Restore = fn(&Folder, &Path);
    let by_command: Restore = |folder, copied| {
        restore(folder, copied).printed();
    };
    let onto_a_new_disk: Restore = |folder, copied| {
        fs::remove_file(folder.database()).expect("removed");
        restore(folder, copied).printed();
    };
    let by_hand: Restore = |folder, copied| {
        let _ = fs::remove_file(folder.path("data").join("lovejoy.db-wal"));
        fs::copy(copied, folder.database()).map(drop).expect("a copy");
    };
    for (restore, again, is_command) in
        [(by_command, false, true), (onto_a_new_disk, true, true), (by_hand, true, false)]
    {
        let folder = Folder::new();
        let server = Server::start(&folder, &[]);
        let (anna, ben, conversation) = server.friends();
        server.say(&anna, conversation, "before");
        let copied = folder.path("copy");
        back_up(&folder, &copied).printed();
        drop(server);
        let live_on = |bodies: &[&str]| {
            restore(&folder, &copied);
            let server = Server::start(&folder, &[]);
            for body in bodies {
                server.say(&anna, conversation, body);
            }
            let cursor = server.cursor(&ben);
            drop(server);
            (Server::start(&folder, &[]), cursor)
        };
        let (server, earlier) = live_on(&["one", "two", "three"]);
        let later = server.cursor(&ben);
        let known = server.messages(&ben, conversation);
        drop(server);
        let (server, _) = live_on(&["four", "five", "six"]);
        for cursor in [earlier, later] {
            let events = server.poll(&ben, &cursor, 60).answer().events();
            let all = ["reset", "message before", "message four", "message five", "message six"];
            let new = all.iter().filter(|event| again || **event != "message before");
            assert!(events.iter().eq(new), "{events:?}");
        }
        let new = server.messages(&ben, conversation);
        assert_eq!(new[1].0 > known[3].0, is_command, "{known:?} {new:?}");
    }
}

/// A command that is killed, say. What goes on is looked at by another.
#[test]
fn whoever_copies_and_is_gone_leaves_nothing_waiting() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]);
    let control = folder.path("data").join("control");
    let copy = |stream: &mut UnixStream, copy: i64| -> i64 {
        let body = json!({ "copy": copy });
        let request = request("POST", "/control/copy", "", Some(&body));
        stream.write_all(request.as_bytes()).expect("sent");
        let mut bytes = [0; 1000];
        let mut count = 0;
        while !bytes[..count].ends_with(b"}") {
            count += stream.read(&mut bytes[count..]).expect("an answer");
        }
        let answer = str::from_utf8(&bytes[..count]).expect("UTF-8");
        let (_, body) = answer.split_once("\r\n\r\n").expect("a head");
        let body: Value = serde_json::from_str(body).expect("JSON");
        body["copy"].as_i64().expect("a number")
    };
    let connect = || UnixStream::connect(&control).expect("a server");
    let mut gone = connect();
    let number = copy(&mut gone, 0);
    let mut other = connect();
    assert_eq!(copy(&mut other, number), number, "it holds still");
    drop((gone, other));
    server.catch_up();
    assert_eq!(copy(&mut connect(), number), 0, "and not any more");
    back_up(&folder, &folder.path("copy")).printed();
}

#[test]
fn what_is_no_whole_database_of_ours_is_not_restored() {
    let folder = Folder::new();
    let mut server = Server::start(&folder, &[]);
    let (anna, ben, conversation) = server.friends();
    server.say(&anna, conversation, "hello");
    let copied = folder.path("copy");
    back_up(&folder, &copied).printed();
    server.kill();

    let spoiled = |name: &str, sql: &str| {
        let file = folder.path(name);
        fs::copy(&copied, &file).expect("a copy");
        tamper(&file, sql);
        file
    };
    let truncated = folder.path("truncated");
    let bytes = fs::read(&copied).expect("readable");
    fs::write(&truncated, &bytes[..bytes.len() / 2]).expect("a file");
    let torn = folder.path("torn");
    let mut bytes = bytes;
    let middle = bytes.len() / 2;
    bytes[middle..middle + 4096].fill(0xff);
    fs::write(&torn, &bytes).expect("a file");
    let foreign = folder.path("foreign");
    tamper(&foreign, "CREATE TABLE t (x)");
    write_files(&folder.path("."), &[("text", &"no database ".repeat(500)), ("empty", "")]);
    for (file, words) in [
        (folder.path("missing"), "cannot read"),
        (folder.path("text"), "is not a database of Lovejoy"),
        (folder.path("empty"), "is not a database of Lovejoy"),
        (foreign, "is not a database of Lovejoy"),
        (spoiled("newer", "PRAGMA user_version = 99"), "newer than this lovejoy knows"),
        (truncated, "truncated"),
        (torn, "torn"),
        (folder.database(), "is the database itself"),
    ] {
        restore(&folder, &file).assert_failed(1, words);
    }
    assert!(!files(&folder).iter().any(|name| name.contains("restor")), "{:?}", files(&folder));
    let server = Server::start(&folder, &[]);
    assert_eq!(server.history(&ben, conversation), ["hello"]);
}

/// From the renaming on that makes it `lovejoy.db.restoring`, the new database is the one that counts,
/// wherever the rest is broken off.
#[test]
fn a_restore_that_was_broken_off_is_finished_at_the_next_start() {
    let folder = Folder::new();
    let mut server = Server::start(&folder, &[]);
    let (anna, ben, conversation) = server.friends();
    server.say(&anna, conversation, "before");
    let copied = folder.path("copy");
    back_up(&folder, &copied).printed();
    server.say(&anna, conversation, "after");
    server.kill();
    let path = |name: &str| folder.path("data").join(name);
    for (broken_off, expected) in [
        (&[][..], "as it was begun"),
        (&[("lovejoy.db-wal", "lovejoy.db.before-restore-wal")], "the log is away"),
        (
            &[
                ("lovejoy.db-wal", "lovejoy.db.before-restore-wal"),
                ("lovejoy.db", "lovejoy.db.before-restore"),
            ],
            "the database is away",
        ),
    ] {
        let other = Folder::new();
        fs::create_dir_all(other.path("data")).expect("a folder");
        let there = |name: &str| other.path("data").join(name);
        for name in ["lovejoy.db", "lovejoy.db-wal"] {
            fs::copy(path(name), there(name)).expect("a copy");
        }
        fs::copy(&copied, there("lovejoy.db.restoring")).expect("a copy");
        for (from, to) in broken_off {
            fs::rename(there(from), there(to)).expect("renamed");
        }
        let server = Server::start(&other, &[]);
        assert_eq!(server.history(&ben, conversation), ["before"], "{expected}");
        drop(server);
        let kept = there("lovejoy.db.before-restore");
        let third = Folder::new();
        restore(&third, &kept).printed();
        let server = Server::start(&third, &[]);
        assert_eq!(server.history(&ben, conversation), ["before", "after"], "{expected}");
    }
}

#[test]
fn a_database_is_examined_while_the_server_runs_and_when_none_does() {
    let folder = Folder::new();
    check(&folder).assert_failed(1, "there is no database");
    let mut server = Server::start(&folder, &[]);
    let (anna, _, conversation) = server.friends();
    server.say(&anna, conversation, "hello");
    assert!(check(&folder).printed().ends_with("lovejoy.db is whole\n"));
    assert_eq!(files(&folder), ["control", "lovejoy.db", "lovejoy.db-wal", "lovejoy.lock"]);
    server.kill();
    let before = fs::read(folder.database()).expect("readable");
    check(&folder).printed();
    assert_eq!(fs::read(folder.database()).expect("readable"), before, "only looked at");
    let server = Server::start(&folder, &[]);
    assert_eq!(server.history(&anna, conversation), ["hello"]);
}

/// SQLite's page as our databases have it.
const PAGE_BYTES: usize = 2048;

#[test]
fn what_cannot_be_true_is_found() {
    let folder = Folder::new();
    let mut server = Server::start(&folder, &[]);
    let (anna, ben, conversation) = server.friends();
    for body in ["one", "two"] {
        server.say(&anna, conversation, body);
    }
    server.signal("TERM");
    server.exit();
    let copied = folder.path("copy");
    back_up(&folder, &copied).printed();
    let (anna, ben) = (anna.id, ben.id);
    for (sql, fault) in [
        ("UPDATE messages SET conversation_id = 99 WHERE id = 1", "message 1 is said in a conv"),
        ("UPDATE messages SET sender_id = 99 WHERE id = 1", "message 1 is said by a user"),
        ("UPDATE messages SET changes = 7, body = '' WHERE id = 2", "message 2 notes a change"),
        ("UPDATE messages SET sent_at = 5 WHERE id = 2", "message 2 was sent before"),
        ("UPDATE messages SET nonce = 'n'", "message 1 has the nonce of another"),
        ("UPDATE messages SET deleted_at = 5 WHERE id = 2", "message 2 is deleted, and still"),
        ("DELETE FROM members WHERE user_id = 1", "direct conversation 1 has not its two"),
        ("DELETE FROM relations WHERE user_id = 1", "user 2 is the friend of somebody"),
        ("UPDATE users SET deleted_at = 5 WHERE id = 1", "user 1 is deleted, and has a name"),
        ("UPDATE users SET name_key = 'other' WHERE id = 2", "user 2 has names that are not"),
        ("UPDATE users SET display_name = 'Other' WHERE id = 2", "user 2 has names that are not"),
        ("UPDATE sessions SET user_id = 99 WHERE id = 1", "a row of sessions points to one of"),
        (
            "INSERT INTO conversations (kind, title, created_at) VALUES ('group', 'g', 0);
             INSERT INTO members (conversation_id, user_id, role, after_id, place)
             VALUES (2, 1, 'member', 0, 0)",
            "group 2 has members and no owner",
        ),
    ] {
        assert_eq!((anna, ben, conversation), (1, 2, 1));
        let file = folder.path("tampered");
        fs::copy(&copied, &file).expect("a copy");
        tamper(&file, sql);
        let done = operate(&folder, &["check", text(&file)], "");
        assert_eq!((done.code, done.stdout.as_str()), (Some(1), ""), "{sql}");
        assert!(done.stderr.contains(fault), "{fault} in {}", done.stderr);
    }
    let mut bytes = fs::read(&copied).expect("readable");
    let page = bytes.len() / 2 / PAGE_BYTES * PAGE_BYTES;
    bytes[page..page + 512].fill(0xff);
    fs::write(folder.path("torn"), bytes).expect("a file");
    let torn = operate(&folder, &["check", text(&folder.path("torn"))], "");
    assert_eq!((torn.code, torn.stdout.as_str()), (Some(1), ""), "{}", torn.stderr);
}
