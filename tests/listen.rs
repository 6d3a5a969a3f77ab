//! Where the real binary listens besides an address: at sockets in the file system, and at one place for
//! the figures alone.

mod process;

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use process::{Folder, Server};

/// Longer than any answer takes: it fails a test instead of hanging it.
const SILENCE_MAX: Duration = Duration::from_secs(50);

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

/// The status and the body of what is answered at a socket.
fn ask(at: &Path, path: &str) -> (u16, String) {
    let mut stream = UnixStream::connect(at).expect("it listens");
    stream.set_read_timeout(Some(SILENCE_MAX)).expect("a timeout");
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("it takes what is sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    (head[9..12].parse().expect("a status"), body.to_owned())
}

#[test]
fn a_socket_is_listened_at_beside_an_address_and_is_gone_with_the_server() {
    let folder = Folder::new();
    let path = folder.path("public");
    let option = format!("unix:{}", text(&path));
    let mut server = Server::start(&folder, &["--listen", &option]);
    assert_eq!(server.printed(), format!("Lovejoy is listening on {option}"));
    assert_eq!(fs::metadata(&path).expect("a socket").permissions().mode() & 0o777, 0o666);
    assert_eq!(ask(&path, "/healthz").0, 200);
    assert_eq!(server.call("GET", "/healthz", "", None).status, 200);
    // As on loopback, there are as many connections as come.
    let many: Vec<_> = (0..600).map(|_| UnixStream::connect(&path).expect("it listens")).collect();
    assert_eq!(ask(&path, "/healthz").0, 200);
    drop(many);

    let other = Folder::new();
    let refused = Server::fail_to_start(&other, &["--listen", &option]);
    let line = format!("cannot listen on {option}: another process listens there\n");
    assert!(refused.code == Some(1) && refused.stderr.ends_with(&line), "{}", refused.stderr);
    assert_eq!(ask(&path, "/healthz").0, 200, "it was left alone");

    server.kill();
    assert!(path.exists(), "left behind");
    let mut server = Server::start(&folder, &["--listen", &option]);
    assert_eq!(ask(&path, "/healthz").0, 200);
    server.signal("TERM");
    server.exit();
    assert!(!path.exists(), "gone with the server");
}

#[test]
fn a_file_that_is_no_socket_is_left_alone() {
    let folder = Folder::new();
    let path = folder.path("file");
    fs::write(&path, "mine").expect("a file");
    let refused = Server::fail_to_start(&folder, &["--listen", &format!("unix:{}", text(&path))]);
    assert!(refused.stderr.contains("there is a file that is no socket"), "{}", refused.stderr);
    assert_eq!(fs::read_to_string(&path).expect("still there"), "mine");
}

#[test]
fn figures_are_read_at_a_place_of_their_own_and_not_in_public() {
    let folder = Folder::new();
    let path = folder.path("figures");
    let server = Server::start(&folder, &["--metrics-listen", &format!("unix:{}", text(&path))]);
    let (status, figures) = ask(&path, "/metrics");
    assert_eq!(status, 200);
    assert!(figures.contains("lovejoy_connections "), "{figures}");
    assert_eq!(ask(&path, "/healthz").0, 200);
    for elsewhere in ["/", "/api/server", "/control/users"] {
        assert_eq!(ask(&path, elsewhere).0, 404, "{elsewhere}");
    }
    assert_eq!(server.call("GET", "/metrics", "", None).status, 404);
    assert_eq!(server.call("GET", "/healthz", "", None).status, 200);
    let operator = folder.path("data").join("control");
    assert_eq!(ask(&operator, "/metrics").0, 200);
}
