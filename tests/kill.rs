//! Kills the real binary under load, again and again: what was acknowledged is there once, and clients
//! see each message once.
//!
//! `cargo test --test kill -- --ignored` does it a hundred times, `LOVEJOY_KILLS=1000` as often as one likes.

mod process;

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use process::{Folder, Person, Server, operate, request};
use serde_json::{Value, json};

const SENDERS: usize = 3;

/// What one sender knows of what it has said: by nonce, the id once it was told.
type Said = BTreeMap<String, Option<i64>>;

/// Sends until the server is gone. What was not answered is in doubt.
fn send_until_killed(
    address: std::net::SocketAddr,
    person: &Person,
    path: &str,
    prefix: &str,
    acknowledged: &AtomicUsize,
) -> Said {
    let mut said = Said::new();
    let Ok(stream) = TcpStream::connect(address) else { return said };
    let mut stream = BufReader::new(stream);
    for number in 0.. {
        let nonce = format!("{prefix}-{number}");
        let body = json!({ "body": nonce, "nonce": nonce });
        let bytes = request("POST", path, &person.token, Some(&body));
        if stream.get_mut().write_all(bytes.as_bytes()).is_err() {
            return said;
        }
        said.insert(nonce.clone(), None);
        let Some((status, answer)) = read_answer(&mut stream) else { return said };
        assert_eq!(status, 201, "{answer}");
        said.insert(nonce, answer["message"]["id"].as_i64());
        acknowledged.fetch_add(1, Ordering::SeqCst);
    }
    said
}

/// An answer, if a whole one comes.
fn read_answer(stream: &mut BufReader<TcpStream>) -> Option<(u16, Value)> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "))?;
    let mut body = vec![0; length.parse().ok()?];
    stream.read_exact(&mut body).ok()?;
    Some((head[9..12].parse().ok()?, serde_json::from_slice(&body).ok()?))
}

/// Polls on from a cursor until there is nothing more; the messages, in order.
fn catch_up(server: &Server, person: &Person, cursor: &mut String) -> Vec<(i64, String)> {
    let mut seen = Vec::new();
    loop {
        let answer = server.poll(person, cursor, 0).answer();
        assert_eq!(answer.status, 200, "{answer:?}");
        let json = answer.json();
        let events = json["events"].as_array().expect("events");
        for event in events.iter().filter(|event| event["type"] == "message") {
            let message = &event["message"];
            let body = message["body"].as_str().expect("a body").to_owned();
            seen.push((message["id"].as_i64().expect("an id"), body));
        }
        *cursor = answer.cursor();
        if events.iter().all(|event| event["type"] != "message") && json["more"] != true {
            return seen;
        }
    }
}

/// Reads along while the server runs, as far as it gets.
fn read_until_killed(
    address: std::net::SocketAddr,
    person: &Person,
    mut cursor: String,
) -> (String, Vec<(i64, String)>) {
    let mut seen = Vec::new();
    let Ok(stream) = TcpStream::connect(address) else { return (cursor, seen) };
    let mut stream = BufReader::new(stream);
    loop {
        let path = process::poll_path(&cursor, 60);
        let bytes = request("GET", &path, &person.token, None);
        if stream.get_mut().write_all(bytes.as_bytes()).is_err() {
            return (cursor, seen);
        }
        let Some((_, answer)) = read_answer(&mut stream) else { return (cursor, seen) };
        for event in answer["events"].as_array().expect("events") {
            if event["type"] == "message" {
                let message = &event["message"];
                let body = message["body"].as_str().expect("a body").to_owned();
                seen.push((message["id"].as_i64().expect("an id"), body));
            }
        }
        answer["cursor"].as_str().expect("a cursor").clone_into(&mut cursor);
    }
}

#[test]
fn what_was_acknowledged_survives_every_kill_once() {
    kill(20);
}

#[test]
#[ignore = "takes minutes"]
fn what_was_acknowledged_survives_a_hundred_kills_once() {
    let kills = std::env::var("LOVEJOY_KILLS").ok().and_then(|kills| kills.parse().ok());
    kill(kills.unwrap_or(100));
}

fn kill(kills: usize) {
    let folder = Folder::new();
    // Small levels, so that the index is busy, too.
    let options = ["--index-batch", "64"];
    let mut server = Server::start(&folder, &options);
    let (anna, ben, conversation) = server.friends();
    let path = format!("/api/conversations/{conversation}/messages");
    let mut cursor = server.cursor(&ben);
    let (mut said, mut seen) = (Said::new(), Vec::new());
    for round in 0..kills {
        let acknowledged = AtomicUsize::new(0);
        // After another number of messages each time.
        let enough = 1 + (round * 37) % 90;
        let address = server.address;
        let (told, read) = thread::scope(|scope| {
            let senders: Vec<_> = (0..SENDERS)
                .map(|sender| {
                    let prefix = format!("{round}-{sender}");
                    let (anna, path, acknowledged) = (&anna, &path, &acknowledged);
                    scope.spawn(move || {
                        send_until_killed(address, anna, path, &prefix, acknowledged)
                    })
                })
                .collect();
            let reader = scope.spawn(|| read_until_killed(address, &ben, cursor.clone()));
            while acknowledged.load(Ordering::SeqCst) < enough {
                thread::yield_now();
            }
            server.kill();
            let told: Vec<Said> =
                senders.into_iter().map(|sender| sender.join().expect("it ends")).collect();
            (told, reader.join().expect("it ends"))
        });
        said.extend(told.into_iter().flatten());
        seen.extend(read.1);
        cursor = read.0;
        server = Server::start(&folder, &options);
        if round % 2 == 0 {
            seen.extend(catch_up(&server, &ben, &mut cursor));
        }
    }
    seen.extend(catch_up(&server, &ben, &mut cursor));
    let history = server.messages(&ben, conversation);
    assert!(history.is_sorted_by(|one, next| one.0 < next.0), "in order, each id once");
    assert_eq!(seen, history, "a client with its cursor sees each message once, in order");
    let stored: BTreeMap<&str, i64> =
        history.iter().map(|(id, body)| (body.as_str(), *id)).collect();
    assert_eq!(stored.len(), history.len(), "nothing is there twice");
    for (nonce, id) in &said {
        match (id, stored.get(nonce.as_str())) {
            (Some(id), Some(stored)) => assert_eq!(id, stored, "{nonce}"),
            (Some(_), None) => panic!("{nonce} was acknowledged and is lost"),
            // What is in doubt is there or not; sending it again says it once.
            (None, before) => {
                let body = json!({ "body": nonce, "nonce": nonce });
                let answer = server.call("POST", &path, &anna.token, Some(&body));
                assert_eq!(answer.status, if before.is_some() { 200 } else { 201 });
                let id = answer.json()["message"]["id"].as_i64().expect("an id");
                assert!(before.is_none_or(|before| *before == id), "{nonce}");
            }
        }
    }
    assert!(stored.keys().all(|body| said.contains_key(*body)), "nothing that nobody said");
    server.kill();
    operate(&folder, &["check"], "").printed();
    println!("{kills} kills, {} messages", history.len());
}

/// A mark that was set is there; one that only tells how far something has come may be gone for a moment.
#[test]
fn marks_survive_a_kill_or_come_again() {
    let folder = Folder::new();
    let mut server = Server::start(&folder, &[]);
    let (anna, ben, conversation) = server.friends();
    let old = server.cursor(&ben);
    for body in ["one", "two", "three"] {
        assert_eq!(server.say(&anna, conversation, body).status, 201);
    }
    let ids: Vec<i64> = server.messages(&ben, conversation).iter().map(|(id, _)| *id).collect();
    let path = format!("/api/conversations/{conversation}/read");
    let body = json!({ "message_id": ids[1] });
    assert_eq!(server.call("PUT", &path, &ben.token, Some(&body)).status, 204);
    let cursor = server.poll(&ben, &old, 0).answer().cursor();
    server.poll(&ben, &cursor, 0).answer();
    let marks = |server: &Server| {
        let conversation =
            server.get("/api/conversations", &ben).json()["conversations"][0].clone();
        let members = conversation["members"].as_array().expect("members");
        let own = members.iter().find(|member| member["user"]["id"] == ben.id).expect("Ben");
        let mark = |name: &str| own[name].as_i64().expect("a mark");
        let unread = conversation["unread"].as_i64().expect("a number");
        (mark("last_read_id"), mark("last_delivered_id"), unread)
    };
    assert_eq!(marks(&server), (ids[1], ids[2], 1));
    server.kill();
    let server = Server::start(&folder, &[]);
    let (read, delivered, unread) = marks(&server);
    assert_eq!((read, unread), (ids[1], 1), "what was answered");
    assert!(delivered >= ids[1], "at least that");
    server.poll(&ben, &cursor, 0).answer();
    assert_eq!(marks(&server), (ids[1], ids[2], 1));
}
