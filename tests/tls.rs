//! The real binary, spoken to by TLS: `cargo test --features tls --test tls`.
//!
//! The certificates in `tests/data/tls` are for these tests alone, and signed by themselves; they expire
//! in a hundred years.

mod process;

use std::fs;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use process::{Folder, Server, credentials, poll_path, request};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, ProtocolVersion, RootCertStore, StreamOwned};
use serde_json::{Value, json};

/// Longer than everything that a test waits for.
const SILENCE_MAX: Duration = Duration::from_secs(50);

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/tls").join(name)
}

/// A server by a certificate that is its own to change.
fn start(folder: &Folder, options: &[&str]) -> Server {
    renew(folder, "one");
    let [certificate, key] = ["crt", "key"].map(|name| folder.path(name).display().to_string());
    let usual = ["--tls-certificate", &certificate, "--tls-key", &key];
    Server::start(folder, &[&usual, options].concat())
}

fn renew(folder: &Folder, name: &str) {
    for kind in ["crt", "key"] {
        fs::copy(data(&format!("{name}.{kind}")), folder.path(kind)).expect("a file");
    }
}

fn certificate(name: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_file(data(&format!("{name}.crt"))).expect("a certificate")
}

/// A client that believes in both certificates.
fn client() -> ClientConnection {
    let mut roots = RootCertStore::empty();
    for name in ["one", "two"] {
        roots.add(certificate(name)).expect("a certificate");
    }
    let provider = Arc::new(ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider);
    let config = config.with_safe_default_protocol_versions().expect("some");
    let mut config = config.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let name = ServerName::try_from("localhost").expect("a name");
    ClientConnection::new(Arc::new(config), name).expect("a client")
}

fn tcp(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("it accepts connections");
    stream.set_read_timeout(Some(SILENCE_MAX)).expect("a timeout");
    stream.set_write_timeout(Some(SILENCE_MAX)).expect("a timeout");
    stream
}

/// A connection with TLS on it.
struct Line(BufReader<StreamOwned<ClientConnection, TcpStream>>);

impl Line {
    fn to(server: &Server) -> Self {
        Self(BufReader::new(StreamOwned::new(client(), tcp(server.address))))
    }

    fn send(&mut self, text: &str) {
        self.0.get_mut().write_all(text.as_bytes()).expect("it takes what is sent");
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).expect("a line");
        line.trim_end().to_owned()
    }

    /// Status and body of the next answer.
    fn answer(&mut self) -> (u16, Vec<u8>) {
        let status = self.line()[9..12].parse().expect("a status");
        let mut body = Vec::new();
        loop {
            let line = self.line();
            if let Some(length) = line.strip_prefix("Content-Length: ") {
                body.resize(length.parse().expect("a number"), 0);
            }
            if line.is_empty() {
                break;
            }
        }
        self.0.read_exact(&mut body).expect("a whole body");
        (status, body)
    }

    fn ask(&mut self, method: &str, path: &str, token: &str, body: Option<&Value>) -> Value {
        self.send(&request(method, path, token, body));
        let (status, body) = self.answer();
        assert!((200..300).contains(&status), "{status} {path}");
        serde_json::from_slice(&body).unwrap_or_default()
    }

    /// Whoever is there on the other side.
    fn certificate(&mut self) -> CertificateDer<'static> {
        self.ask("GET", "/api/server", "", None);
        let chain = self.0.get_ref().conn.peer_certificates().expect("a certificate");
        chain[0].clone()
    }

    /// Whether it ends by TLS, too, and not by being cut off.
    fn ends_well(&mut self) -> bool {
        matches!(self.0.read(&mut [0]), Ok(0))
    }
}

fn register(line: &mut Line, name: &str) -> (Value, String) {
    let answer = line.ask("POST", "/api/users", "", Some(&credentials(name, "secret")));
    (answer["user"]["id"].clone(), answer["token"].as_str().expect("a token").to_owned())
}

/// Anna and Ben, friends, by their tokens, and where they talk.
fn friends(line: &mut Line) -> (String, String, String) {
    let ((anna_id, anna), (_, ben)) = (register(line, "anna"), register(line, "ben"));
    line.ask("POST", "/api/friends", &anna, Some(&json!({ "name": "ben" })));
    let accepted = line.ask("POST", &format!("/api/friends/{anna_id}/accept"), &ben, None);
    let room = &accepted["friend"]["conversation_id"];
    (anna, ben, format!("/api/conversations/{room}/messages"))
}

#[test]
fn polls_and_streams_are_answered_over_tls() {
    let folder = Folder::new();
    let mut server = start(&folder, &[]);
    let mut line = Line::to(&server);
    let (anna, ben, room) = friends(&mut line);
    let connection = &line.0.get_ref().conn;
    assert_eq!(connection.protocol_version(), Some(ProtocolVersion::TLSv1_3));
    assert_eq!(connection.alpn_protocol(), Some(&b"http/1.1"[..]));

    let cursor = line.ask("GET", "/api/state", &ben, None)["cursor"].clone();
    let cursor = cursor.as_str().expect("a cursor");
    let mut poll = Line::to(&server);
    poll.send(&request("GET", &poll_path(cursor, 60), &ben, None));
    let mut stream = Line::to(&server);
    stream.send(&format!(
        "GET /api/events?cursor={cursor} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ben}\r\n\
         Accept: application/x-ndjson\r\n\r\n"
    ));
    while !stream.line().is_empty() {}
    // Over the same connection as before: it is kept.
    line.ask("POST", &room, &anna, Some(&json!({ "body": "sealed" })));
    let (status, body) = poll.answer();
    let body = String::from_utf8(body).expect("UTF-8");
    assert!(status == 200 && body.contains(r#""body":"sealed""#), "{body}");
    while !stream.line().contains(r#""body":"sealed""#) {}

    let cursor = line.ask("GET", "/api/state", &ben, None)["cursor"].clone();
    poll.send(&request("GET", &poll_path(cursor.as_str().expect("a cursor"), 60), &ben, None));
    // The server has seen the poll when it has answered what was sent later.
    line.ask("GET", "/api/server", "", None);
    server.signal("TERM");
    let (status, body) = poll.answer();
    let body = String::from_utf8(body).expect("UTF-8");
    assert!(status == 200 && body.contains(r#""events":[]"#), "{body}");
    assert!(poll.ends_well());
    while !stream.line().contains("draining") {}
    assert_eq!(server.exit().code(), Some(0));
}

#[test]
fn whatever_the_sizes_are_in_which_it_comes_and_goes() {
    let folder = Folder::new();
    let server = start(&folder, &[]);
    // One byte at a time, from the first of the handshake on.
    let mut connection = client();
    let mut stream = tcp(server.address);
    stream.set_nodelay(true).expect("no delay");
    let asked = request("GET", "/api/server", "", None);
    connection.writer().write_all(asked.as_bytes()).expect("room");
    let mut answer = Vec::new();
    while !answer.ends_with(b"}") {
        let mut records = Vec::new();
        while connection.wants_write() {
            connection.write_tls(&mut records).expect("a Vec takes everything");
        }
        for byte in records {
            stream.write_all(&[byte]).expect("it reads");
        }
        connection.read_tls(&mut stream).expect("it answers");
        connection.process_new_packets().expect("TLS");
        let _ = connection.reader().read_to_end(&mut answer);
    }
    assert!(answer.starts_with(b"HTTP/1.1 200 "));

    // More than sockets hold, and nobody reads it until all is asked for.
    let mut line = Line::to(&server);
    line.send(&request("GET", "/openapi.json", "", None));
    let (_, page) = line.answer();
    assert!(page.len() > 10_000);
    let asked = request("GET", "/openapi.json", "", None);
    let count = 500;
    let mut sender = Line::to(&server);
    let (connection, stream) = {
        let owned = sender.0.get_mut();
        owned.conn.complete_io(&mut owned.sock).expect("a handshake");
        (&mut owned.conn, &mut owned.sock)
    };
    connection.set_buffer_limit(None);
    for _ in 0..count {
        connection.writer().write_all(asked.as_bytes()).expect("room");
    }
    let mut reader = stream.try_clone().expect("a second handle");
    let mut records = Vec::new();
    while connection.wants_write() {
        connection.write_tls(&mut records).expect("a Vec takes everything");
    }
    std::thread::scope(|scope| {
        scope.spawn(|| stream.write_all(&records).expect("it reads in the end"));
        let mut expected = page.iter().cycle();
        let (mut bytes, mut answers, mut buffer) = (Vec::new(), 0, vec![0; 65_536]);
        while answers < count {
            assert_ne!(connection.read_tls(&mut reader).expect("it answers"), 0);
            connection.process_new_packets().expect("TLS");
            while let Ok(read @ 1..) = connection.reader().read(&mut buffer) {
                bytes.extend_from_slice(&buffer[..read]);
            }
            while let Some(head) = bytes.windows(4).position(|four| four == b"\r\n\r\n")
                && bytes.len() >= head + 4 + page.len()
            {
                let body: Vec<u8> = bytes.drain(..head + 4 + page.len()).skip(head + 4).collect();
                assert!(body.iter().eq(expected.by_ref().take(page.len())));
                answers += 1;
            }
        }
    });
}

#[test]
fn who_closes_their_side_is_still_answered() {
    let folder = Folder::new();
    let server = start(&folder, &[]);
    let mut line = Line::to(&server);
    line.send(&request("GET", "/api/server", "", None));
    let owned = line.0.get_mut();
    owned.conn.send_close_notify();
    owned.conn.write_tls(&mut owned.sock).expect("room");
    owned.sock.shutdown(Shutdown::Write).expect("open until now");
    assert_eq!(line.answer().0, 200);
    assert!(line.ends_well());

    let mut line = Line::to(&server);
    line.send("GET /api/server HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    assert_eq!(line.answer().0, 200);
    assert!(line.ends_well());
}

#[test]
fn who_speaks_no_tls_is_told_so_or_sent_away() {
    let folder = Folder::new();
    let server = start(&folder, &[]);
    let mut stream = tcp(server.address);
    stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").expect("it reads");
    let mut told = String::new();
    stream.read_to_string(&mut told).expect("an answer, and the end");
    let (head, body) = told.split_once("\r\n\r\n").expect("a head");
    assert!(head.starts_with("HTTP/1.1 400 ") && body.contains("HTTPS"), "{told}");
    assert!(head.contains(&format!("\r\nContent-Length: {}\r\n", body.len())), "{told}");

    // No handshake; one of a client that knows no TLS 1.3; one that never ends; an early "finished".
    let hello = |version: u8| [&[22, 3, 1, 0, 5, 1, 0, 0, 1, version][..], &[0; 64]].concat();
    let endless = [&[22, 3, 1, 64, 0, 1, 255, 255, 255][..], &vec![0; 1 << 17]].concat();
    for bytes in [&[0; 100][..], b"\x16garbage of any kind", &hello(0), &hello(3), &endless] {
        let mut stream = tcp(server.address);
        let _ = stream.write_all(bytes);
        let mut told = Vec::new();
        // The end, or a reset: some of it was not read.
        let _ = stream.read_to_end(&mut told);
        assert!(told.is_empty() || told[0] == 21, "an alert: {told:?}");
    }
    assert_eq!(Line::to(&server).certificate(), certificate("one"));
}

#[test]
fn a_handshake_that_takes_too_long_is_cut() {
    let folder = Folder::new();
    let server = start(&folder, &["--head-time-max", "1s"]);
    let (mut silent, mut slow) = (tcp(server.address), tcp(server.address));
    let mut hello = Vec::new();
    client().write_tls(&mut hello).expect("a Vec takes everything");
    slow.write_all(&hello[..hello.len() - 1]).expect("it reads");
    let mut open = Line::to(&server);
    assert_eq!(open.certificate(), certificate("one"));
    for stream in [&mut silent, &mut slow] {
        assert_eq!(stream.read(&mut [0]).expect("the end, in time"), 0);
    }
    assert_eq!(open.certificate(), certificate("one"), "its handshake is over");
}

#[test]
fn one_connection_too_many_is_told_so_after_its_handshake() {
    let folder = Folder::new();
    let server = start(&folder, &["--connections-max", "1"]);
    let mut first = Line::to(&server);
    assert_eq!(first.certificate(), certificate("one"));
    let mut second = Line::to(&server);
    second.send(&request("GET", "/api/server", "", None));
    assert_eq!(second.answer().0, 503);
    drop(second);
    assert_eq!(first.certificate(), certificate("one"));
}

#[test]
fn another_certificate_is_taken_at_sighup_and_a_bad_one_is_not() {
    let folder = Folder::new();
    let server = start(&folder, &[]);
    let mut old = Line::to(&server);
    assert_eq!(old.certificate(), certificate("one"));
    let logged = |text: &str| {
        while !server.log().contains(text) {
            std::thread::yield_now();
        }
    };
    renew(&folder, "two");
    server.signal("HUP");
    logged("in use from now on");
    assert_eq!(Line::to(&server).certificate(), certificate("two"));

    fs::write(folder.path("crt"), "no certificate").expect("a file");
    server.signal("HUP");
    logged("the old certificate stays in use");
    assert_eq!(Line::to(&server).certificate(), certificate("two"));
    assert_eq!(old.certificate(), certificate("one"), "it goes on as it began");
}

#[test]
fn a_server_without_a_good_certificate_does_not_start() {
    let folder = Folder::new();
    let [one, two, key, other] =
        ["one.crt", "two.crt", "one.key", "two.key"].map(|name| data(name).display().to_string());
    let nowhere = folder.path("nowhere").display().to_string();
    for (options, why) in [
        (&["--tls-certificate", &one][..], "go together"),
        (&["--tls-key", &key], "go together"),
        (&["--tls-certificate", &nowhere, "--tls-key", &key], "nowhere cannot be used: "),
        (&["--tls-certificate", &one, "--tls-key", &other], "one.crt cannot be used: "),
        (&["--tls-certificate", &two, "--tls-key", &two], "two.crt cannot be used: "),
        (&["--tls-certificate", &key, "--tls-key", &key], "one.key cannot be used: "),
    ] {
        let failure = Server::fail_to_start(&folder, options);
        assert_eq!(failure.code, Some(1), "{options:?}: {}", failure.stderr);
        let line = failure.stderr.lines().last().expect("a line");
        assert!(line.contains(why), "{line}");
    }
}

/// The commands of the operator come by the control socket, where there is no TLS.
#[test]
fn the_operator_needs_no_certificate() {
    let folder = Folder::new();
    let server = start(&folder, &[]);
    process::operate(&folder, &["user", "add", "anna"], "secret\n").printed();
    let mut line = Line::to(&server);
    let session = line.ask("POST", "/api/sessions", "", Some(&credentials("anna", "secret")));
    assert_eq!(session["user"]["name"], "anna");
    let error = tcp(server.address).read(&mut []).map_err(|error| error.kind());
    assert_ne!(error, Err(ErrorKind::ConnectionRefused));
}
