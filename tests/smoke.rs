//! Runs the real binary on a real port: starts, signals and ends; what clients do to a connection
//! that no script can; what must survive `kill -9`.
//!
//! Nothing here sleeps or looks at a clock: order is told by who was answered before whom.

mod process;

use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::thread;

use process::{
    Answer, Folder, Line, Server, credentials, operate, poll_path, request, write_files,
};
use serde_json::{Value, json};

// Start and end.

fn a_signal_ends_it_with_manners(signal: &str) {
    let folder = Folder::new();
    let mut server = Server::start(&folder, &[]);
    let (anna, ben, _) = server.friends();
    let mut polls = [
        server.hold(&anna, &server.cursor(&anna)),
        server.hold(&ben, &server.cursor(&ben)),
        server.hold(&ben, &server.cursor(&ben)),
    ];
    server.signal(signal);
    for poll in &mut polls {
        let answer = poll.answer();
        assert_eq!(answer.status, 200);
        assert_eq!(answer.json()["events"], json!([]));
        assert!(answer.json()["retry_ms"].is_u64(), "{answer:?}");
        assert_eq!(answer.field("Connection"), Some("close"));
        assert!(poll.is_closed());
    }
    assert_eq!(server.exit().code(), Some(0), "{}", server.log());
}

#[test]
fn sigterm_answers_held_polls_and_ends_the_process_with_success() {
    a_signal_ends_it_with_manners("TERM");
}

#[test]
fn sigint_answers_held_polls_and_ends_the_process_with_success() {
    a_signal_ends_it_with_manners("INT");
}

#[test]
fn clients_that_keep_their_connections_do_not_keep_a_stopping_server() {
    let folder = Folder::new();
    let mut server = Server::start(&folder, &["--drain-time-max", "100ms"]);
    let mut half_a_request = server.connect();
    half_a_request.send(b"GET / HTTP/1.1\r\n");
    let idle = server.connect();
    server.catch_up();
    server.signal("TERM");
    assert_eq!(server.exit().code(), Some(0));
    drop(idle);
}

/// One line that says what is wrong, and nothing else.
fn assert_fails_with(folder: &Folder, options: &[&str], words: &[&str]) {
    let failure = Server::fail_to_start(folder, options);
    assert!(failure.code.is_some_and(|code| code > 0), "{:?}", failure.code);
    assert_eq!(failure.stderr.lines().count(), 1, "{}", failure.stderr);
    for word in words {
        assert!(failure.stderr.contains(word), "{word} in {}", failure.stderr);
    }
}

#[test]
fn a_port_in_use_is_one_clear_line() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("bound").to_string();
    assert_fails_with(&Folder::new(), &["--listen", &address], &[&address, "in use"]);
}

#[test]
fn a_data_folder_that_is_a_file_is_one_clear_line() {
    let folder = Folder::new();
    fs::write(folder.path("data"), "no folder").expect("a file");
    let path = folder.path("data");
    assert_fails_with(&folder, &[], &[path.to_str().expect("UTF-8")]);
    assert_eq!(fs::read_to_string(path).expect("still there"), "no folder");
}

#[test]
fn a_foreign_file_in_place_of_the_database_is_one_clear_line_and_stays_as_it_was() {
    let folder = Folder::new();
    let content = "This is no database. ".repeat(100);
    write_files(&folder.path("data"), &[("lovejoy.db", &content)]);
    assert_fails_with(&folder, &[], &["lovejoy.db", "not a database of Lovejoy"]);
    let path = folder.path("data").join("lovejoy.db");
    assert_eq!(fs::read_to_string(path).expect("still there"), content);
}

#[test]
fn an_unknown_option_is_one_clear_line() {
    let folder = Folder::new();
    assert_fails_with(&folder, &["--no-such-option"], &["--no-such-option"]);
    assert!(!folder.path("data").exists(), "nothing was begun");
}

#[test]
fn a_file_of_settings_is_read_and_what_is_in_force_is_printed() {
    let folder = Folder::new();
    let file = folder.path("lovejoy.toml");
    fs::write(&file, "name = 'From a file'\nlog = off # quiet\n").expect("a file");
    let path = file.to_str().expect("UTF-8");
    let server = Server::start(&folder, &["serve", "--config", path]);
    let about = server.call("GET", "/api/server", "", None).json();
    assert_eq!(about["name"], "From a file");
    let shown = operate(&folder, &["config", "--config", path], "").printed();
    let line = format!("# {path}:1");
    assert!(shown.lines().any(|shown| shown.starts_with("name =") && shown.ends_with(&line)));
    assert!(shown.lines().any(|line| line.starts_with("listen =") && line.ends_with("# --listen")));
    fs::write(&file, "# Mine.\nlissten = '[::]:80'\n").expect("a file");
    let place = format!("{path}:2: unknown setting lissten; did you mean listen?");
    assert_fails_with(&folder, &["--config", path], &[&place]);
    fs::remove_file(&file).expect("a file");
    assert_fails_with(&folder, &["--config", path], &["cannot read", path]);
}

#[test]
fn a_second_process_on_the_same_data_is_refused_until_the_first_is_gone() {
    let folder = Folder::new();
    let mut first = Server::start(&folder, &[]);
    assert_fails_with(&folder, &[], &["another lovejoy is using"]);
    first.catch_up();
    first.kill();
    Server::start(&folder, &[]).catch_up();
}

#[test]
fn the_demo_accounts_are_announced_made_once_and_friends() {
    let folder = Folder::new();
    for start in 1..=2 {
        let mut server = Server::start(&folder, &["--demo"]);
        let announced = [server.printed(), server.printed(), server.printed()].join("\n");
        for words in ["liger_zql, password 12345", "漠然, password 12345"] {
            assert!(announced.contains(words), "{announced}");
        }
        let people = [("liger_zql", "漠然"), ("漠然", "liger_zql")];
        for (name, friend) in people {
            let person = server.log_in(name, "12345");
            let friends = server.get("/api/friends", &person).json()["friends"].clone();
            assert_eq!(friends.as_array().map(Vec::len), Some(1), "start {start}: {friends}");
            assert_eq!(friends[0]["user"]["name"], friend);
            assert_eq!(friends[0]["state"], "friends");
            let conversations = server.get("/api/conversations", &person).json();
            assert_eq!(conversations["conversations"].as_array().map(Vec::len), Some(1));
        }
        server.signal("TERM");
        server.exit();
    }
}

// The comet.

#[test]
fn a_message_is_pushed_to_a_held_poll() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]);
    let (anna, ben, conversation) = server.friends();
    let mut poll = server.hold(&ben, &server.cursor(&ben));
    assert!(poll.is_silent());
    assert_eq!(server.say(&anna, conversation, "hello").status, 201);
    let answer = poll.answer();
    assert_eq!((answer.status, answer.events()), (200, vec!["message hello".to_owned()]));
    // The connection goes on, and so does the cursor.
    poll.send(request("GET", &poll_path(&answer.cursor(), 60), &ben.token, None).as_bytes());
    server.catch_up();
    assert!(poll.is_silent());
    server.say(&anna, conversation, "again");
    assert_eq!(poll.answer().events(), ["message again"]);
}

#[test]
fn commits_and_deliveries_are_measured() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]);
    let (anna, ben, conversation) = server.friends();
    let mut poll = server.hold(&ben, &server.cursor(&ben));
    server.say(&anna, conversation, "hello");
    poll.answer();
    let answer = server.call("GET", "/metrics", "", None);
    let page = String::from_utf8(answer.body).expect("a text");
    let value = |name: &str| {
        let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.expect(name)
    };
    let seconds = |name| value(name).parse::<f64>().expect("a number");
    assert_eq!(value("lovejoy_commit_seconds_count"), value("lovejoy_commits_total"));
    assert!(seconds("lovejoy_commit_seconds_sum") > 0.0);
    assert_ne!(value("lovejoy_delivery_seconds_count"), "0");
    assert!(seconds("lovejoy_delivery_seconds_sum") > 0.0);
}

#[test]
fn what_was_acknowledged_survives_kill_9_and_reaches_an_old_cursor_once() {
    let folder = Folder::new();
    let mut server = Server::start(&folder, &[]);
    let (anna, ben, conversation) = server.friends();
    let cursor = server.cursor(&ben);
    assert_eq!(server.say(&anna, conversation, "hello").status, 201);
    server.kill();

    let server = Server::start(&folder, &[]);
    assert_eq!(server.history(&ben, conversation), ["hello"]);
    for _ in 0..2 {
        let answer = server.poll(&ben, &cursor, 60).answer();
        assert_eq!(answer.events(), ["reset", "message hello"]);
        let next = server.poll(&ben, &answer.cursor(), 0).answer();
        assert_eq!(next.events(), Vec::<String>::new(), "not a second time");
    }
}

#[test]
fn an_answer_that_nobody_read_is_given_again() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]);
    let (anna, ben, conversation) = server.friends();
    let cursor = server.cursor(&ben);
    let poll = server.hold(&ben, &cursor);
    server.say(&anna, conversation, "hello");
    // The answer is in the socket; closing it unread resets the connection.
    drop(poll);
    for _ in 0..2 {
        let answer = server.poll(&ben, &cursor, 60).answer();
        assert_eq!(answer.events(), ["message hello"]);
    }
}

#[test]
fn a_poll_whose_client_hangs_up_is_held_no_more() {
    let folder = Folder::new();
    let server = Server::start(&folder, &["--presence-grace", "0"]);
    let (anna, ben, _) = server.friends();
    let poll = server.hold(&ben, &server.cursor(&ben));
    let is_online = |answer: &Answer| answer.json()["friends"][0]["user"]["online"] == true;
    assert!(is_online(&server.get("/api/friends", &anna)));
    let mut told = server.poll(&anna, &server.cursor(&anna), 60);
    drop(poll);
    let answer = told.answer();
    assert_eq!(answer.events(), ["presence"]);
    assert_eq!(answer.json()["events"][0]["online"], false);
    assert!(!is_online(&server.get("/api/friends", &anna)));
}

#[test]
fn logging_out_answers_the_polls_of_that_session_alone() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]);
    let (anna, ben, conversation) = server.friends();
    let other_session = server.log_in("ben", "secret");
    let cursor = server.cursor(&ben);
    let mut ended = server.hold(&ben, &cursor);
    let mut stays = server.hold(&other_session, &cursor);
    let answer = server.call("DELETE", "/api/sessions/current", &ben.token, None);
    assert_eq!(answer.status, 204);
    let answer = ended.answer();
    assert_eq!((answer.status, answer.code()), (401, "unauthorized".to_owned()));
    assert_eq!(answer.field("WWW-Authenticate"), Some("Bearer"));
    assert_eq!(server.get("/api/me", &ben).status, 401);
    assert!(stays.is_silent());
    server.say(&anna, conversation, "hello");
    assert_eq!(stays.answer().events(), ["message hello"]);
}

#[test]
fn twenty_logins_at_once_do_not_delay_a_poll() {
    let folder = Folder::new();
    let mut server = Server::start(&folder, &[]);
    let (anna, ben, conversation) = server.friends();
    server.kill();
    // Passwords of unknown names are worth this much work; those of Anna and Ben are as before.
    let server = Server::start(&folder, &["--password-iterations", "2000000"]);
    let mut poll = server.hold(&ben, &server.cursor(&ben));
    let body = credentials("nobody", "secret");
    let mut logins: Vec<Line> =
        (0..20).map(|_| server.ask("POST", "/api/sessions", "", Some(&body))).collect();
    server.catch_up();
    server.say(&anna, conversation, "hello");
    assert_eq!(poll.answer().events(), ["message hello"]);
    assert!(logins.iter_mut().all(Line::is_silent), "all of them are still being looked at");
}

// Connections.

#[test]
fn a_body_that_comes_in_pieces_is_read_up_to_the_limit() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]);
    let (anna, _, conversation) = server.friends();
    let mut body = json!({ "body": "hello", "padding": "" });
    let padding = 64 * 1024 - body.to_string().len();
    body["padding"] = Value::String("x".repeat(padding));
    let path = format!("/api/conversations/{conversation}/messages");
    let bytes = request("POST", &path, &anna.token, Some(&body));
    let mut line = server.connect();
    let (head, body) = bytes.split_at(bytes.len() - 64 * 1024);
    for piece in [&head[..20], &head[20..], &body[..1], &body[1..40_000], &body[40_000..]] {
        server.catch_up();
        assert!(line.is_silent());
        line.send(piece.as_bytes());
    }
    assert_eq!(line.answer().status, 201);
    assert_eq!(server.history(&anna, conversation), ["hello"]);
}

#[test]
fn a_client_that_is_still_sending_reads_why_its_body_is_too_large() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]);
    let body = credentials(&"x".repeat(4 << 20), "secret");
    let mut line = server.connect();
    line.send(request("POST", "/api/users", "", Some(&body)).as_bytes());
    let answer = line.answer();
    assert_eq!((answer.status, answer.code()), (413, "too_large".to_owned()));
    assert_eq!(answer.field("Connection"), Some("close"));
    assert!(line.is_closed());
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]);
    let anna = server.register("anna");
    let mut line = server.connect();
    let paths = ["/api/me", "/api/nothing", "/api/friends", "/healthz"];
    for path in paths.iter().cycle().take(40) {
        line.send(request("GET", path, &anna.token, None).as_bytes());
    }
    for turn in 0..10 {
        assert_eq!(line.answer().json()["user"]["name"], "anna", "{turn}");
        assert_eq!(line.answer().status, 404);
        assert_eq!(line.answer().json()["friends"], json!([]));
        assert_eq!(line.answer().body, b"ok\n");
    }
}

#[test]
fn a_request_behind_a_held_poll_is_answered_after_it() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]);
    let (anna, ben, conversation) = server.friends();
    let mut line = server.hold(&ben, &server.cursor(&ben));
    line.send(request("GET", "/api/me", &ben.token, None).as_bytes());
    server.catch_up();
    assert!(line.is_silent());
    server.say(&anna, conversation, "hello");
    assert_eq!(line.answer().events(), ["message hello"]);
    assert_eq!(line.answer().json()["user"]["name"], "ben");
}

#[test]
fn who_sends_no_more_still_gets_every_answer() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]);
    let anna = server.register("anna");
    let mut line = server.connect();
    line.send(request("GET", "/api/me", &anna.token, None).as_bytes());
    let body = credentials("anna", "secret");
    line.send(request("POST", "/api/sessions", "", Some(&body)).as_bytes());
    line.send(request("GET", "/healthz", "", None).as_bytes());
    line.end();
    assert_eq!(line.answer().status, 200);
    assert_eq!(line.answer().status, 201);
    assert_eq!(line.answer().body, b"ok\n");
    assert!(line.is_closed());
}

#[test]
fn a_slow_reader_gets_all_of_a_large_answer_and_delays_nobody() {
    let folder = Folder::new();
    let server = Server::start(&folder, &["--durability", "normal"]);
    let (anna, ben, conversation) = server.friends();
    // Control characters take six bytes each on the wire: 1.5 MB a page, and 18 MB of them, more than any
    // socket takes.
    let body = "\u{1}".repeat(8 * 1024);
    let path = format!("/api/conversations/{conversation}/messages");
    let post = request("POST", &path, &anna.token, Some(&json!({ "body": body })));
    let mut sender = server.connect();
    for _ in 0..200 {
        sender.send(post.as_bytes());
        assert_eq!(sender.answer().status, 201);
    }
    let path = format!("/api/conversations/{conversation}/messages?limit=200");
    let mut reader = server.connect();
    for _ in 0..12 {
        reader.send(request("GET", &path, &ben.token, None).as_bytes());
    }
    for _ in 0..10 {
        server.catch_up();
    }
    for _ in 0..12 {
        let answer = reader.answer().json();
        let messages = answer["messages"].as_array().expect("messages");
        assert!(messages.len() >= 32, "{}", messages.len());
        assert!(messages.iter().all(|message| message["body"] == body));
    }
}

#[test]
fn head_is_answered_like_get_without_the_body() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]);
    let mut line = server.connect();
    for path in ["/", "/api/server", "/api/nothing", "/api/me", "/healthz"] {
        for method in ["GET", "HEAD"] {
            line.send(request(method, path, "", None).as_bytes());
        }
        let (get, head) = (line.answer(), line.answer_to("HEAD"));
        let without_date = |answer: &Answer| {
            let lines = answer.head.lines().filter(|line| !line.starts_with("Date:"));
            lines.map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(without_date(&head), without_date(&get), "{path}");
        assert!(!get.body.is_empty(), "{path}");
    }
}

#[test]
fn what_is_no_request_is_answered_400_and_the_connection_ends() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]);
    let handshake = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 and so on\r\n";
    let cases: [&[u8]; 5] = [
        handshake,
        b"\0\0\0\0\r\n\r\n",
        b"HELO example.org\r\n",
        b"GET / HTTP/1.1\r\nNo colon\r\n\r\n",
        b"GET /%00 HTTP/1.1\r\nHost: a\r\n\r\n",
    ];
    for bytes in cases {
        let mut line = server.connect();
        line.send(bytes);
        line.send(request("GET", "/healthz", "", None).as_bytes());
        let answer = line.answer();
        assert_eq!((answer.status, answer.code()), (400, "bad_request".to_owned()), "{bytes:?}");
        assert_eq!(answer.field("Connection"), Some("close"));
        assert!(line.is_closed(), "{bytes:?}");
    }
}

#[test]
fn a_burst_of_connections_leaves_nothing_behind() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]);
    let anna = server.register("anna");
    let cursor = server.cursor(&anna);
    let before = server.descriptors();
    for _ in 0..5 {
        let mut answered = Vec::new();
        for number in 0..100 {
            match number % 4 {
                0 => drop(server.connect()),
                1 => server.connect().send(b"GET / HTTP/1.1\r\nHo"),
                2 => drop(server.poll(&anna, &cursor, 60)),
                _ => answered.push(server.ask("GET", "/healthz", "", None)),
            }
        }
        for mut line in answered {
            assert_eq!(line.answer().status, 200);
        }
    }
    // The ends arrive in their own time; each further request is a turn in which they can.
    while server.descriptors() > before {
        server.catch_up();
    }
}

#[test]
fn a_client_that_pipelines_without_end_fills_no_memory() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]);
    server.catch_up();
    let Some(before) = server.memory_peak() else { return };
    let padding = format!("X-Padding: {}\r\n\r\n", "x".repeat(8_000));
    let one = request("GET", "/healthz", "", None).replacen("\r\n\r\n", "\r\n", 1) + &padding;
    let count = 6_000;
    let mut line = server.connect();
    let mut sender = line.sender();
    let sending = thread::spawn(move || {
        for _ in 0..count / 100 {
            sender.write_all(one.repeat(100).as_bytes()).expect("it takes all of them in the end");
        }
    });
    for _ in 0..count {
        assert_eq!(line.answer().status, 200);
    }
    sending.join().expect("all is sent");
    let grown = server.memory_peak().expect("as before").saturating_sub(before);
    assert!(grown < 8 * 1024, "{grown} KiB for 48 MB of requests");
}

// Pages and the log.

#[test]
fn pages_come_from_a_folder_and_from_nowhere_else() {
    let folder = Folder::new();
    let www = folder.path("www");
    write_files(&www, &[("index.html", "<p>first"), ("sub/漠然.js", "let a;")]);
    write_files(&folder.path("outside"), &[("secret.txt", "secret")]);
    std::os::unix::fs::symlink(folder.path("outside"), www.join("link")).expect("a link");
    let server = Server::start(&folder, &["--www", www.to_str().expect("UTF-8")]);
    assert_eq!(server.call("GET", "/", "", None).body, b"<p>first");
    write_files(&www, &[("index.html", "<p>second")]);
    assert_eq!(server.call("GET", "/", "", None).body, b"<p>second", "read anew each time");
    let script = server.call("GET", "/sub/%E6%BC%A0%E7%84%B6.js", "", None);
    assert_eq!((script.status, &script.body[..]), (200, &b"let a;"[..]));
    for path in [
        "/../outside/secret.txt",
        "/%2e%2e/outside/secret.txt",
        "/..%2foutside/secret.txt",
        "/sub/..%5c../outside/secret.txt",
        "//outside/secret.txt",
        "/link/secret.txt",
        "/link/",
        "/sub",
        "/sub/",
        "/nothing.html",
        // Part of the program, and not of this folder.
        "/main.js",
    ] {
        let answer = server.call("GET", path, "", None);
        assert!(matches!(answer.status, 400 | 404), "{path}: {answer:?}");
    }
    assert_eq!(server.call("GET", "/api/server", "", None).status, 200);
}

#[test]
fn a_folder_of_pages_that_is_not_there_is_one_clear_line() {
    let folder = Folder::new();
    let missing = folder.path("missing");
    let missing = missing.to_str().expect("UTF-8");
    assert_fails_with(&folder, &["--www", missing], &[missing]);
}

#[test]
fn the_log_holds_no_password_token_or_message() {
    let folder = Folder::new();
    let mut server = Server::start(&folder, &["--log", "trace"]);
    let (anna, ben, conversation) = server.friends();
    server.log_in("anna", "secret");
    let wrong = credentials("anna", "wrong-password");
    assert_eq!(server.call("POST", "/api/sessions", "", Some(&wrong)).status, 401);
    let mut poll = server.hold(&ben, &server.cursor(&ben));
    server.say(&anna, conversation, "confidential");
    poll.answer();
    let spoiled = "{\"body\": \"confidential\", \"password\": \"secret\"";
    let head = "POST /api/users HTTP/1.1\r\nHost: confidential\r\nContent-Length:";
    let mut line = server.connect();
    line.send(format!("{head} {}\r\n\r\n{spoiled}", spoiled.len()).as_bytes());
    assert_eq!(line.answer().code(), "bad_json");
    line.send(format!("confidential {}\r\n\r\n", anna.token).as_bytes());
    assert_eq!(line.answer().status, 400);
    server.signal("TERM");
    server.exit();

    let log = server.log();
    assert!(log.contains("TRACE") || log.contains("DEBUG"), "it says something: {log}");
    for word in ["secret", "wrong-password", "confidential", &anna.token, &ben.token] {
        assert!(!log.contains(word), "{word} in {log}");
    }
}
