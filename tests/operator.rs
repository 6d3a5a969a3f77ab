//! The operator's commands, by the real binary: beside a server that runs, and without one.

mod process;

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::process::{Child, ChildStderr, Stdio};

use nix::pty::openpty;
use nix::sys::signal::{Signal, kill};
use nix::sys::termios::{LocalFlags, tcgetattr};
use nix::unistd::Pid;
use process::{Folder, Server, command, credentials, operate};
use serde_json::{Value, json};

fn log_in(server: &Server, name: &str, password: &str) -> u16 {
    server.call("POST", "/api/sessions", "", Some(&credentials(name, password))).status
}

/// The names in the list of accounts.
fn names(folder: &Folder) -> Vec<String> {
    let list = operate(folder, &["user", "list"], "").printed();
    let mut lines = list.lines().map(|line| line.split('\t').collect::<Vec<_>>());
    let head = ["id", "name", "display name", "created", "last seen", "sessions"];
    assert_eq!(lines.next().expect("a head"), head);
    lines.map(|fields| fields[1].to_owned()).collect()
}

#[test]
fn accounts_are_made_listed_changed_and_removed_while_the_server_runs() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]);
    let added = operate(&folder, &["user", "add", "漠然", "Mo Ran"], "first secret\nmore\n");
    assert_eq!(added.printed(), "漠然 is added, with id 1\n");
    assert_eq!(log_in(&server, "漠然", "first secret"), 201);
    let ben = server.register("ben");
    assert_eq!(names(&folder), ["漠然", "ben"]);
    let list = operate(&folder, &["user", "list"], "").printed();
    let row: Vec<&str> = list.lines().nth(1).expect("a row").split('\t').collect();
    assert_eq!((row[0], row[2], row[4], row[5]), ("1", "Mo Ran", "never", "1"));

    let anna = server.log_in("漠然", "first secret");
    let mut poll = server.hold(&anna, &server.cursor(&anna));
    let list = operate(&folder, &["user", "list"], "").printed();
    assert!(list.lines().nth(1).expect("a row").contains("\tnow\t2"), "{list}");
    let changed = operate(&folder, &["user", "passwd", "漠然"], "second secret\r\n");
    assert!(changed.printed().contains("signed in nowhere"));
    assert_eq!((poll.answer().status, server.get("/api/me", &anna).status), (401, 401));
    assert_eq!(log_in(&server, "漠然", "first secret"), 401);
    assert_eq!(log_in(&server, "漠然", "second secret"), 201);

    let mut poll = server.hold(&ben, &server.cursor(&ben));
    assert_eq!(operate(&folder, &["user", "remove", "BEN"], "").printed(), "BEN is removed\n");
    assert_eq!((poll.answer().status, server.get("/api/me", &ben).status), (401, 401));
    assert_eq!(names(&folder), ["漠然"]);
}

#[test]
fn the_same_is_done_where_no_server_runs() {
    let folder = Folder::new();
    operate(&folder, &["user", "list"], "").assert_failed(1, "there is no database in");
    assert!(!folder.path("data").exists(), "nothing was made");
    operate(&folder, &["user", "add", "anna"], "secret\n").printed();
    operate(&folder, &["user", "add", "ben"], "secret").printed();
    operate(&folder, &["user", "passwd", "anna"], "another\n").printed();
    operate(&folder, &["user", "remove", "ben"], "").printed();
    assert_eq!(names(&folder), ["anna"]);
    let server = Server::start(&folder, &[]);
    assert_eq!(log_in(&server, "anna", "another"), 201);
    assert_eq!(log_in(&server, "ben", "secret"), 401);
}

#[test]
fn what_cannot_be_done_is_one_line_and_an_exit_code() {
    let folder = Folder::new();
    let server = Server::start(&folder, &["--registration", "closed"]);
    operate(&folder, &["user", "add", "anna"], "secret\n").printed();
    for (words, stdin, code, line) in [
        (&["user", "add", "Anna"][..], "secret\n", 1, "The name Anna is taken."),
        (&["user", "add", "two words"], "secret\n", 1, "A name has"),
        (&["user", "add", "ben", ""], "secret\n", 1, "A display name has"),
        (&["user", "add", "ben"], "1234\n", 1, "A password has"),
        (&["user", "add", "ben"], "", 1, "A password has"),
        (&["user", "passwd", "nobody"], "secret\n", 1, "There is no user of this name."),
        (&["user", "remove", "nobody"], "", 1, "There is no user of this name."),
        (&["user", "add"], "", 2, "user add takes NAME [DISPLAY_NAME]"),
        (&["user", "add", "a", "b", "c"], "", 2, "user add takes NAME [DISPLAY_NAME]"),
        (&["user", "list", "all"], "", 2, "user list takes nothing more"),
        (&["user", "delete", "anna"], "", 2, "unknown command user delete"),
        (&["user", "ad", "anna"], "", 2, "did you mean user add?"),
        (&["invites"], "", 2, "did you mean invite?"),
        (&["invite", "soon"], "", 2, "invite takes a time from"),
        (&["registration", "shut"], "", 2, "registration takes one of open, invite, closed"),
    ] {
        operate(&folder, words, stdin).assert_failed(code, line);
    }
    assert_eq!(names(&folder), ["anna"]);
    drop(server);
    operate(&folder, &["registration"], "").assert_failed(1, "no server is running on");
}

/// A command at a terminal, where no other program can be called.
struct Typing {
    process: Child,
    terminal: File,
    stderr: ChildStderr,
}

impl Typing {
    fn begin(folder: &Folder, words: &[&str]) -> Self {
        let terminal = openpty(None, None).expect("a terminal");
        let mut command = command(folder, words);
        command.stdin(terminal.slave).stderr(Stdio::piped()).env("PATH", "");
        let mut process = command.spawn().expect("it runs");
        let stderr = process.stderr.take().expect("piped");
        Self { process, terminal: terminal.master.into(), stderr }
    }

    /// Waits until something is asked, and no more than that.
    fn expect(&mut self, prompt: &str) {
        let mut asked = vec![0; prompt.len()];
        self.stderr.read_exact(&mut asked).expect("a question");
        assert_eq!(String::from_utf8_lossy(&asked), prompt);
    }

    fn type_in(&mut self, line: &str) {
        self.terminal.write_all(line.as_bytes()).expect("it listens");
    }

    /// Whether what is typed is shown.
    fn is_shown(&self) -> bool {
        tcgetattr(&self.terminal).expect("settings").local_flags.contains(LocalFlags::ECHO)
    }

    fn exit_code(&mut self) -> Option<i32> {
        self.process.wait().expect("it ends").code()
    }
}

#[test]
fn a_password_that_is_typed_is_not_shown() {
    let folder = Folder::new();
    operate(&folder, &["user", "add", "anna"], "secret\n").printed();
    let mut typing = Typing::begin(&folder, &["user", "passwd", "anna"]);
    typing.expect("New password for anna: ");
    assert!(!typing.is_shown());
    typing.type_in("another\n");
    typing.expect("\nThe same again: ");
    assert!(!typing.is_shown());
    typing.type_in("another\n");
    assert_eq!(typing.exit_code(), Some(0));
    assert!(typing.is_shown());
    let server = Server::start(&folder, &[]);
    assert_eq!(log_in(&server, "anna", "another"), 201);

    let mut typing = Typing::begin(&folder, &["user", "add", "ben"]);
    typing.expect("New password for ben: ");
    typing.type_in("secret\n");
    typing.expect("\nThe same again: ");
    typing.type_in("secrte\n");
    typing.expect("\nlovejoy: those were two passwords\n");
    assert_eq!(typing.exit_code(), Some(1));
    assert!(typing.is_shown());
}

#[test]
fn whoever_interrupts_sees_again_what_is_typed() {
    let folder = Folder::new();
    let mut typing = Typing::begin(&folder, &["user", "add", "anna"]);
    typing.expect("New password for anna: ");
    assert!(!typing.is_shown());
    let id = i32::try_from(typing.process.id()).expect("a number of a process");
    kill(Pid::from_raw(id), Signal::SIGINT).expect("it runs");
    assert_eq!(typing.exit_code(), Some(130));
    assert!(typing.is_shown());
}

fn register(server: &Server, name: &str, invite: &Value) -> (u16, String) {
    let body = json!({ "name": name, "password": "secret", "invite": invite });
    let answer = server.call("POST", "/api/users", "", Some(&body));
    let code = answer.json()["code"].as_str().unwrap_or_default().to_owned();
    (answer.status, code)
}

fn registration(server: &Server) -> Value {
    server.call("GET", "/api/server", "", None).json()["registration"].clone()
}

#[test]
fn a_code_is_good_for_one_account_until_its_time_is_over() {
    let folder = Folder::new();
    let early = operate(&folder, &["invite"], "").printed();
    let server = Server::start(&folder, &["--registration", "invite"]);
    assert_eq!(registration(&server), "invite");
    let invite = |words: &[&str]| {
        let line = operate(&folder, words, "").printed();
        let (code, until) = line.trim_end().split_once('\t').expect("two fields");
        assert!(until.starts_with("until 2"), "{line}");
        code.to_owned()
    };
    let closed = (403, "registration_closed".to_owned());
    for wrong in [json!(null), json!(""), json!("0000-0000-0000-0000")] {
        assert_eq!(register(&server, "anna", &wrong), closed, "{wrong}");
    }
    let body = json!({ "name": "anna", "password": "secret", "invite": 7 });
    let wrong = server.call("POST", "/api/users", "", Some(&body)).json();
    assert_eq!((&wrong["status"], &wrong["field"]), (&json!(422), &json!("invite")));

    let (early, _) = early.split_once('\t').expect("two fields");
    let code = invite(&["invite", "2d"]);
    assert_ne!(code, early);
    assert_eq!(register(&server, "anna", &json!(early)).0, 201);
    assert_eq!(register(&server, "ben", &json!(early)), closed, "used");
    assert_eq!(register(&server, "anna", &json!(code)).0, 409);
    let typed = code.to_uppercase().replace('-', " ");
    assert_eq!(register(&server, "ben", &json!(typed)).0, 201, "not used up by what failed");
    assert_eq!(register(&server, "carl", &json!(code)), closed);
    let short = invite(&["invite", "1s"]);
    let mut outcome = register(&server, "Carl", &json!(short));
    if outcome.0 == 201 {
        // This machine is fast; the next one is too late in any case.
        let short = invite(&["invite", "1s"]);
        let anna = server.log_in("anna", "secret");
        assert_eq!(server.poll(&anna, "", 2).answer().status, 200);
        outcome = register(&server, "dora", &json!(short));
    }
    assert_eq!(outcome, closed);
}

#[test]
fn who_may_register_is_changed_at_once() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]);
    let closed = (403, "registration_closed".to_owned());
    assert_eq!(operate(&folder, &["registration"], "").printed(), "open\n");
    assert_eq!(register(&server, "anna", &Value::Null).0, 201);
    assert_eq!(operate(&folder, &["registration", "closed"], "").printed(), "closed\n");
    assert_eq!(registration(&server), "closed");
    let code = operate(&folder, &["invite"], "").printed();
    let code = json!(code.split_once('\t').expect("two fields").0);
    assert_eq!(register(&server, "ben", &code), closed);
    assert_eq!(operate(&folder, &["registration", "invite"], "").printed(), "invite\n");
    assert_eq!(register(&server, "ben", &Value::Null), closed);
    assert_eq!(operate(&folder, &["registration", "open"], "").printed(), "open\n");
    assert_eq!(register(&server, "ben", &code).0, 201);
    operate(&folder, &["registration", "invite"], "").printed();
    assert_eq!(register(&server, "carl", &code).0, 201, "an open door needs no code");
}

#[test]
fn the_control_socket_is_the_operators_alone() {
    let folder = Folder::new();
    let mut server = Server::start(&folder, &[]);
    let path = folder.path("data").join("control");
    let metadata = fs::metadata(&path).expect("it is there");
    assert!(metadata.file_type().is_socket());
    assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
    let data = fs::metadata(folder.path("data")).expect("it is there");
    assert_eq!(data.permissions().mode() & 0o777, 0o700);
    for (method, path) in [
        ("GET", "/control/users"),
        ("POST", "/control/users"),
        ("OPTIONS", "/control/users"),
        ("POST", "/control/users/remove"),
        ("PUT", "/control/registration"),
    ] {
        let answer = server.call(method, path, "", Some(&json!({ "name": "anna" })));
        assert_eq!(answer.status, 404, "{method} {path}");
    }
    server.signal("TERM");
    server.exit();
    assert!(!path.exists(), "gone with the server");
    let mut server = Server::start(&folder, &[]);
    server.kill();
    assert!(path.exists(), "left behind");
    let _server = Server::start(&folder, &[]);
    operate(&folder, &["user", "list"], "").printed();
}

#[test]
fn help_lists_the_commands() {
    let folder = Folder::new();
    let help = operate(&folder, &["--help"], "").printed();
    for words in ["user add NAME", "user passwd NAME", "user list", "user remove NAME", "invite"] {
        assert!(help.contains(&format!("\n  {words}")), "{words} in {help}");
    }
    let about = operate(&folder, &["user", "add", "--help"], "").printed();
    assert!(about.starts_with("lovejoy user add NAME [DISPLAY_NAME]\n"), "{about}");
}
