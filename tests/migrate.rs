//! Starts the real binary on databases of every version of the schema that there ever was.
//!
//! `tests/data/version-N.db` was written by the last Lovejoy whose schema was N, and never changes. What was
//! not released may: until then the file of the newest version is made anew by
//!
//! ```text
//! UPDATE=1 cargo test --test migrate
//! ```

mod process;

use std::fs;
use std::path::{Path, PathBuf};

use process::{Folder, Person, Server, operate};
use rusqlite::Connection;
use serde_json::json;

/// The newest version of the schema.
const NEWEST: i64 = 1;

/// More than fit into memory, so that there is something of everything.
const MESSAGES: i64 = 1200;

const OPTIONS: [&str; 2] = ["--index-batch", "64"];

fn stored(version: i64) -> PathBuf {
    let name = format!("tests/data/version-{version}.db");
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// What is in all of them. What comes is said in the conversation of the two who are friends.
fn write(server: &Server) -> (Person, Person, i64) {
    let (anna, ben, conversation) = server.friends();
    let carl = server.register("carl");
    let group = json!({ "title": "crew", "member_ids": [ben.id] });
    let group = server.call("POST", "/api/conversations", &anna.token, Some(&group));
    assert_eq!(group.status, 201);
    for number in 1..=MESSAGES {
        assert_eq!(server.say(&anna, conversation, &format!("漠然 {number}")).status, 201);
    }
    let edit = json!({ "body": "edited" });
    assert_eq!(server.call("PATCH", "/api/messages/2", &anna.token, Some(&edit)).status, 200);
    assert_eq!(server.call("DELETE", "/api/messages/3", &anna.token, None).status, 200);
    let path = format!("/api/blocks/{}", carl.id);
    assert_eq!(server.call("PUT", &path, &anna.token, None).status, 204);
    (anna, ben, conversation)
}

/// What is told of it, and that it goes on.
fn read(server: &Server) {
    let (anna, ben) = (server.log_in("anna", "secret"), server.log_in("ben", "secret"));
    let state = server.get("/api/state", &ben).json();
    assert_eq!(state["friends"][0]["user"]["name"], "anna");
    let conversations = state["conversations"].as_array().expect("conversations");
    let direct = conversations.iter().find(|one| one["kind"] == "direct").expect("the two's");
    let group = conversations.iter().find(|one| one["kind"] == "group").expect("the group");
    assert_eq!((&group["title"], &group["members"][0]["role"]), (&json!("crew"), &json!("owner")));
    assert_eq!(direct["unread"], MESSAGES - 1);
    let conversation = direct["id"].as_i64().expect("an id");
    let history = server.messages(&ben, conversation);
    let expected = |number: i64| match number {
        2 => (2, "edited".to_owned()),
        3 => (3, String::new()),
        _ => (number, format!("漠然 {number}")),
    };
    assert_eq!(history, (1..=MESSAGES).map(expected).collect::<Vec<_>>());
    let found = server.get("/api/search?q=%E7%84%B6%2017&limit=200", &ben).json();
    let found = found["messages"].as_array().expect("messages");
    assert_eq!(found.len(), 1 + 10, "17, and 170 to 179");
    let refused = server.call("PUT", "/api/blocks/1", &ben.token, None);
    assert_eq!(refused.status, 204);
    assert_eq!(server.say(&anna, conversation, "on").status, 403, "he has blocked her");
    let body = json!({ "body": "on" });
    let path = format!("/api/conversations/{}/messages", group["id"]);
    let said = server.call("POST", &path, &anna.token, Some(&body)).json();
    assert!(said["message"]["id"].as_i64() > Some(MESSAGES + 2), "{said}");
}

#[test]
fn a_database_of_every_version_is_brought_to_the_newest_and_goes_on() {
    if std::env::var_os("UPDATE").is_some() {
        let folder = Folder::new();
        let mut server = Server::start(&folder, &OPTIONS);
        write(&server);
        server.signal("TERM");
        server.exit();
        operate(&folder, &["backup", stored(NEWEST).to_str().expect("UTF-8")], "").printed();
    }
    for version in 1..=NEWEST {
        let folder = Folder::new();
        fs::create_dir_all(folder.path("data")).expect("a folder");
        fs::copy(stored(version), folder.database()).expect("a copy");
        let mut server = Server::start(&folder, &OPTIONS);
        read(&server);
        server.signal("TERM");
        server.exit();
        operate(&folder, &["check"], "").printed();
        let kept = folder.path("data").join(format!("lovejoy.db.v{version}"));
        assert_eq!(kept.exists(), version < NEWEST, "it is kept as it was");
    }
}

/// What a database is made of, in words.
fn schema(file: &Path) -> Vec<String> {
    let connection = Connection::open(file).expect("a database");
    let sql =
        "SELECT coalesce(sql, name) FROM sqlite_schema WHERE name NOT LIKE 'sqlite%' ORDER BY name";
    let mut statement = connection.prepare(sql).expect("a query");
    let rows = statement.query_map([], |row| row.get(0)).expect("rows");
    rows.collect::<rusqlite::Result<_>>().expect("texts")
}

#[test]
fn the_schema_of_a_version_does_not_change() {
    let folder = Folder::new();
    let mut server = Server::start(&folder, &[]);
    server.signal("TERM");
    server.exit();
    let stored = stored(NEWEST);
    assert_eq!(
        schema(&stored),
        schema(&folder.database()),
        "a schema that was released takes a further step; before that, see the head of this file"
    );
}
