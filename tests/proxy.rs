//! Puts a real nginx and a real Caddy before the real binary, configured by the very samples in
//! `docs/proxies.md`, and sees that pages, polls and hang-ups come through them.
//!
//! Where one of them is missing its test is skipped, loudly; with `CI=true` that is a failure. Whatever
//! is waited for is an answer or a closed connection, never a time.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use lovejoy::config::Config;
use serde_json::{Value, json};

/// What does not happen by then does not happen at all. Polls are held for longer, so that none of
/// them ends the wait by itself.
const TIME_MAX: Duration = Duration::from_secs(20);

#[test]
fn a_real_nginx_passes_everything_on() {
    passes_everything_on(&NGINX);
}

#[test]
fn a_real_caddy_passes_everything_on() {
    passes_everything_on(&CADDY);
}

fn passes_everything_on(proxy: &Proxy) {
    let Some(program) = program(proxy.name) else {
        return skip(&format!("{} was not found", proxy.name));
    };
    let site = Site::start(&program, proxy, "good", &[], str::to_owned);
    pages_load(&site);
    requests_in_a_row_are_answered_in_order(&site);
    let people = ["liger_zql", "漠然"].map(|name| log_in(&site, name));
    large_bodies_get_through(&site, &people[0]);
    a_message_answers_a_held_poll(&site, &people);
    a_stream_is_not_held_back(&site, &people);
    a_poll_ends_when_its_client_leaves(&site, &people);
    nobody_chooses_their_own_address(&site);
}

#[test]
fn a_real_nginx_reaches_a_socket_in_the_file_system() {
    let Some(nginx) = program(NGINX.name) else { return skip("nginx was not found") };
    let folder = env::temp_dir().join(format!("lovejoy-nginx-{}-socket", std::process::id()));
    let socket = format!("unix:{}", folder.join("socket").display());
    let through = |config: &str| {
        let start = config.find("server 127.0.0.1:").expect("an upstream");
        let end = start + config[start..].find(';').expect("its end");
        format!("{}server {socket}{}", &config[..start], &config[end..])
    };
    let site = Site::start(&nginx, &NGINX, "socket", &["--listen", &socket], through);
    pages_load(&site);
    nobody_chooses_their_own_address(&site);
}

/// What the doctor says of a site, and how it ends.
fn doctor(site: &Site, address: &str) -> (String, Option<i32>) {
    let output = Command::new(env!("CARGO_BIN_EXE_lovejoy"))
        .args(["doctor", &format!("http://{address}"), "--data"])
        .arg(site.folder.join("data"))
        .output()
        .expect("it runs");
    let said = String::from_utf8(output.stdout).expect("UTF-8");
    eprintln!("{said}{}", String::from_utf8_lossy(&output.stderr));
    (said, output.status.code())
}

/// What the machine is like is no matter here: each test says what the doctor has to find on the way.
#[test]
fn the_doctor_finds_nothing_wrong_with_the_sample_nor_without_a_proxy() {
    let Some(nginx) = program(NGINX.name) else { return skip("nginx was not found") };
    let site = Site::start(&nginx, &NGINX, "well", &["--wait-max", "3s"], str::to_owned);
    for (address, who) in [
        (&site.address, "ok    the server sees who asks behind the proxy: 127.0.0.1"),
        (&site.lovejoy_address, "ok    no proxy stands between; the server sees 127.0.0.1"),
    ] {
        let (said, code) = doctor(&site, address);
        let fine = [
            "ok    answers come as they were made",
            who,
            "ok    a stream flows",
            "ok    a poll was held",
        ];
        for line in fine {
            assert!(said.contains(line), "{line}");
        }
        assert_eq!(code, Some(i32::from(said.contains("MEND"))));
    }
    // Nothing is left of it but the place of a deleted account.
    let listed = Command::new(env!("CARGO_BIN_EXE_lovejoy"))
        .args(["user", "list", "--data"])
        .arg(site.folder.join("data"))
        .output()
        .expect("it runs");
    assert!(!String::from_utf8_lossy(&listed.stdout).contains("doctor"), "{listed:?}");
}

#[test]
fn the_doctor_says_what_is_to_be_mended_about_a_bad_proxy() {
    let Some(nginx) = program(NGINX.name) else { return skip("nginx was not found") };
    let worse = |config: &str| {
        let hasty =
            "proxy_read_timeout 5s; proxy_buffering on; proxy_ignore_headers X-Accel-Buffering;";
        config
            .replace("proxy_read_timeout 75s;", hasty)
            .replace("proxy_set_header X-Forwarded-For $remote_addr;", "")
    };
    let site = Site::start(&nginx, &NGINX, "bad", &["--wait-max", "15s"], worse);
    let (said, code) = doctor(&site, &site.address);
    for line in [
        "MEND  the proxy at 127.0.0.1 does not say who asks",
        "proxy_set_header X-Forwarded-For $remote_addr;",
        "MEND  a poll was answered 504 after 5s instead of 15s",
        "proxy_read_timeout 30s",
        "--wait-max 4s",
    ] {
        assert!(said.contains(line), "{line}");
    }
    assert_eq!(code, Some(1));
}

/// nginx passes on what comes in chunks, whatever it is told about buffering; other things do not.
#[test]
fn the_doctor_finds_out_that_streams_are_held_back() {
    let Some(nginx) = program(NGINX.name) else { return skip("nginx was not found") };
    let site = Site::start(&nginx, &NGINX, "held", &["--wait-max", "1s"], str::to_owned);
    let (said, code) = doctor(&site, &hold_streams_back(site.lovejoy_address.clone()));
    assert!(said.contains("MEND  streams are held back: nothing came within 3s"), "{said}");
    assert_eq!(code, Some(1));
}

/// Passes on everything but what a stream says. Where it listens.
fn hold_streams_back(server: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound").to_string();
    let pass_on = |mut client: TcpStream, mut upstream: TcpStream| -> io::Result<()> {
        let mut head = [0; 4096];
        let count = client.read(&mut head)?;
        upstream.write_all(&head[..count])?;
        let is_stream = String::from_utf8_lossy(&head[..count]).contains("text/event-stream");
        let (mut down, mut up) = (client.try_clone()?, upstream.try_clone()?);
        thread::spawn(move || io::copy(&mut client, &mut upstream));
        if is_stream {
            io::copy(&mut up, &mut io::sink())?;
        } else {
            io::copy(&mut up, &mut down)?;
        }
        down.shutdown(Shutdown::Write)
    };
    thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let upstream = TcpStream::connect(&server).expect("the server");
            thread::spawn(move || pass_on(client, upstream));
        }
    });
    address
}

#[test]
fn the_samples_fit_the_limits_they_depend_on() {
    let config = Config::default();
    let sample = sample("nginx");
    let seconds = |directive: &str| {
        let value = sample.split_once(directive).expect(directive).1.split_once("s;").unwrap().0;
        Duration::from_secs(value.trim().parse().expect(directive))
    };
    assert!(seconds("proxy_read_timeout") > config.wait_max);
    assert!(seconds("keepalive_timeout") < config.idle_time_max);
    assert!(sample.contains("server 127.0.0.1:8080;"), "{:?}", config.listen);
    assert!(self::sample("caddyfile").contains("reverse_proxy 127.0.0.1:8080"));
    assert_eq!(config.listen, ["127.0.0.1:8080".parse().expect("an address")]);
}

fn pages_load(site: &Site) {
    let mut line = site.connect();
    let page = line.ask("GET", "/", "", "");
    assert_eq!((page.status, page.field("content-type")), (200, "text/html; charset=utf-8"));
    assert!(page.field("content-security-policy").contains("frame-ancestors 'none'"));
    assert!(page.text().contains("<script"));

    let head = line.ask("HEAD", "/", "", "");
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(head.field("content-length"), page.body.len().to_string());

    let condition = format!("If-None-Match: {}\r\n", page.field("etag"));
    let known = line.ask("GET", "/", &condition, "");
    assert_eq!((known.status, known.body.len()), (304, 0));
    assert_eq!(known.field("etag"), page.field("etag"));

    let script = line.ask("GET", "/poll.js", "Accept-Encoding: gzip\r\n", "");
    assert_eq!((script.status, script.field("content-encoding")), (200, "gzip"));
    let part = line.ask("GET", "/", "Range: bytes=0-3\r\n", "");
    assert_eq!((part.status, &part.body[..]), (206, &page.body[..4]));
    assert_eq!(line.ask("GET", "/nowhere", "", "").status, 404);
}

fn requests_in_a_row_are_answered_in_order(site: &Site) {
    let mut line = site.connect();
    let requests: String = ["/api/server", "/nowhere", "/healthz", "/api/server"]
        .iter()
        .map(|path| request("GET", path, "", ""))
        .collect();
    line.send(&requests);
    let answers: [Answer; 4] = std::array::from_fn(|_| line.answer("GET"));
    assert_eq!(answers.each_ref().map(|answer| answer.status), [200, 404, 200, 200]);
    assert_eq!(answers[0].json(), answers[3].json());
}

fn large_bodies_get_through(site: &Site, person: &Person) {
    let post = |length: usize| {
        // Members that nobody knows are ignored, so that a body may be as long as is allowed.
        let frame = json!({ "message_id": 0, "padding": "" }).to_string().len();
        let body = json!({ "message_id": 0, "padding": "x".repeat(length - frame) });
        let path = format!("/api/conversations/{}/read", person.conversation);
        let answer = site.connect().ask("PUT", &path, &person.field, &body.to_string());
        (answer.status, answer.text())
    };
    let limit = Config::default().body_bytes_max;
    assert_eq!(post(limit), (204, String::new()));
    assert_eq!(post(limit + 1).0, 413);
    assert_eq!(post(10 * limit).0, 413);
}

fn a_message_answers_a_held_poll(site: &Site, people: &[Person; 2]) {
    let [anna, ben] = people;
    let mut line = site.connect();
    let cursor = anna.cursor(&mut line);
    line.send(&request("GET", &events(&cursor, 60), &anna.field, ""));
    ben.wait_until_friend_is(site, true);

    let path = format!("/api/conversations/{}/messages", anna.conversation);
    let body = json!({ "body": "through the proxy" }).to_string();
    assert_eq!(site.connect().ask("POST", &path, &ben.field, &body).status, 201);
    // A read fails long before the poll would have ended by itself.
    let answer = line.answer("GET").json();
    assert_eq!(answer["events"][0]["message"]["body"], "through the proxy", "{answer}");
}

fn a_stream_is_not_held_back(site: &Site, people: &[Person; 2]) {
    let [anna, ben] = people;
    let mut line = site.connect();
    let fields = format!("{}Accept: text/event-stream\r\n", anna.field);
    line.send(&request("GET", "/api/events", &fields, ""));
    ben.wait_until_friend_is(site, true);
    let path = format!("/api/conversations/{}/messages", anna.conversation);
    let body = json!({ "body": "down the stream" }).to_string();
    assert_eq!(site.connect().ask("POST", &path, &ben.field, &body).status, 201);
    // The stream goes on behind it: what waited in a buffer would not come in time.
    let begin = Instant::now();
    while !line.line().contains("down the stream") {
        assert!(begin.elapsed() < TIME_MAX, "the message does not come");
    }
    // Else it would still be open when the next one wants to see its owner leave.
    drop(line);
    ben.wait_until_friend_is(site, false);
}

fn a_poll_ends_when_its_client_leaves(site: &Site, people: &[Person; 2]) {
    let [anna, ben] = people;
    let mut line = site.connect();
    let cursor = anna.cursor(&mut line);
    line.send(&request("GET", &events(&cursor, 60), &anna.field, ""));
    ben.wait_until_friend_is(site, true);
    drop(line);
    ben.wait_until_friend_is(site, false);
}

/// Failed passwords are counted by address: who could choose one would never be stopped.
fn nobody_chooses_their_own_address(site: &Site) {
    let body = json!({ "name": "liger_zql", "password": "wrong" }).to_string();
    let claim = |number: usize| {
        format!("X-Forwarded-For: 192.0.2.{number}\r\nForwarded: for=192.0.2.{number}\r\n")
    };
    let fail =
        |line: &mut Line, number| line.ask("POST", "/api/sessions", &claim(number), &body).status;
    let statuses: Vec<u16> = (1..=11).map(|number| fail(&mut site.connect(), number)).collect();
    assert_eq!((statuses[0], statuses[10]), (401, 429), "{statuses:?}");
    // Past the proxy the claims are those of a trusted proxy, and each is another client.
    let statuses: Vec<u16> =
        (1..=11).map(|number| fail(&mut Line::to(&site.lovejoy_address), number)).collect();
    assert_eq!(statuses, [401; 11]);
}

fn events(cursor: &str, wait: u32) -> String {
    format!("/api/events?cursor={cursor}&wait={wait}")
}

/// Somebody who is logged in.
struct Person {
    /// The field line with the token.
    field: String,
    conversation: i64,
}

fn log_in(site: &Site, name: &str) -> Person {
    let body = json!({ "name": name, "password": "12345" }).to_string();
    let mut line = site.connect();
    let session = line.ask("POST", "/api/sessions", "", &body);
    assert_eq!(session.status, 201, "{}", session.text());
    let session = session.json();
    let token = session["token"].as_str().expect("a token");
    let field = format!("Authorization: Bearer {token}\r\n");
    let state = line.ask("GET", "/api/state", &field, "").json();
    Person {
        field,
        conversation: state["friends"][0]["conversation_id"].as_i64().expect("a conversation"),
    }
}

impl Person {
    fn cursor(&self, line: &mut Line) -> String {
        let state = line.ask("GET", "/api/state", &self.field, "").json();
        state["cursor"].as_str().expect("a cursor").to_owned()
    }

    /// Looks, past the proxy, until the friend is online or offline. Not by a poll, which would be news
    /// to the friend's own poll and end it.
    fn wait_until_friend_is(&self, site: &Site, online: bool) {
        let mut line = Line::to(&site.lovejoy_address);
        let begin = Instant::now();
        loop {
            let state = line.ask("GET", "/api/state", &self.field, "").json();
            if state["friends"][0]["user"]["online"] == online {
                return;
            }
            assert!(begin.elapsed() < TIME_MAX, "the friend is not online={online}");
        }
    }
}

/// What stands before the server.
struct Proxy {
    name: &'static str,
    /// Its configuration, for a folder, the address to listen at, and that of the server.
    configure: fn(&Path, &str, &str) -> String,
    /// How it is run with it, in the folder.
    arguments: &'static [&'static str],
    /// What it says on stderr when it listens.
    listens: &'static str,
}

const NGINX: Proxy = Proxy {
    name: "nginx",
    configure: configure_nginx,
    arguments: &["-e", "stderr", "-p", ".", "-c", "proxy.conf"],
    // It says how it waits for events when it listens already.
    listens: "event method",
};

const CADDY: Proxy = Proxy {
    name: "caddy",
    configure: configure_caddy,
    arguments: &["run", "--adapter", "caddyfile", "--config", "proxy.conf"],
    listens: "serving initial configuration",
};

/// A server with a proxy before it, in a folder that goes with them.
struct Site {
    lovejoy: Child,
    lovejoy_address: String,
    proxy: Child,
    address: String,
    folder: PathBuf,
}

impl Site {
    /// With these further options, and what `change` makes of the configuration of the proxy.
    fn start(
        program: &Path,
        proxy: &Proxy,
        name: &str,
        options: &[&str],
        change: impl Fn(&str) -> String,
    ) -> Self {
        let name = format!("lovejoy-{}-{}-{name}", proxy.name, std::process::id());
        let folder = env::temp_dir().join(name);
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).expect("a folder");
        let (lovejoy, lovejoy_address) = lovejoy(&folder, options);
        // The first port that the proxy gets: another program may be quicker now and then.
        for _ in 0..10 {
            let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
            let address = free.local_addr().expect("bound").to_string();
            drop(free);
            let config = (proxy.configure)(&folder, &address, &lovejoy_address);
            fs::write(folder.join("proxy.conf"), change(&config)).expect("a file");
            if let Some(proxy) = start_proxy(program, proxy, &folder) {
                return Self { lovejoy, lovejoy_address, proxy, address, folder };
            }
        }
        panic!("it does not start: {:?}", fs::read_to_string(folder.join("proxy.conf")));
    }

    fn connect(&self) -> Line {
        Line::to(&self.address)
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        for child in [&mut self.proxy, &mut self.lovejoy] {
            let _ = child.kill();
            let _ = child.wait();
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Starts the binary, and waits until it says where it listens.
fn lovejoy(folder: &Path, options: &[&str]) -> (Child, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_lovejoy"))
        .args(["--demo", "--password-iterations", "1000", "--listen", "127.0.0.1:0"])
        // Who leaves is offline at once, which is how the test learns of it.
        .args(["--presence-grace", "0", "--trusted-proxy", "127.0.0.1", "--data"])
        .arg(folder.join("data"))
        .args(options)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the server starts");
    let mut line = String::new();
    let mut output = BufReader::new(child.stdout.take().expect("piped"));
    output.read_line(&mut line).expect("a line");
    thread::spawn(move || io::copy(&mut output, &mut io::sink()));
    let address = line.trim().rsplit_once("http://").expect("an address").1;
    (child, address.trim_end_matches('/').to_owned())
}

/// The sample from the page, with nothing changed but both addresses, and around it what every
/// `nginx.conf` has.
fn configure_nginx(folder: &Path, address: &str, lovejoy: &str) -> String {
    let sample = place(&sample("nginx"), "listen 80;", &format!("listen {address};"));
    let sample = place(&sample, "server 127.0.0.1:8080;", &format!("server {lovejoy};"));
    let folder = folder.display();
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|name| format!("{name}_temp_path {folder}/{name};\n"))
        .concat();
    // One process, so that to kill it is to kill all of nginx.
    format!(
        "daemon off;\nmaster_process off;\npid {folder}/nginx.pid;\nerror_log stderr notice;\n\
         events {{ }}\nhttp {{\naccess_log off;\n{temporary}{sample}}}\n"
    )
}

/// The same for Caddy, which would get a certificate for the name of the sample, and keep it at home.
fn configure_caddy(_: &Path, address: &str, lovejoy: &str) -> String {
    let (ip, port) = address.rsplit_once(':').expect("a port");
    let here = format!("http://:{port} {{\n\tbind {ip}");
    let sample = place(&sample("caddyfile"), "chat.example.org {", &here);
    let sample = place(&sample, "127.0.0.1:8080", lovejoy);
    format!("{{\n\tadmin off\n\tauto_https off\n}}\n\n{sample}")
}

fn place(sample: &str, from: &str, to: &str) -> String {
    assert_eq!(sample.matches(from).count(), 1, "{from}");
    sample.replace(from, to)
}

/// Starts the proxy, and waits until it listens.
fn start_proxy(program: &Path, proxy: &Proxy, folder: &Path) -> Option<Child> {
    let mut child = Command::new(program)
        .args(proxy.arguments)
        .current_dir(folder)
        .env("HOME", folder)
        .env("XDG_DATA_HOME", folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    let mut output = BufReader::new(child.stderr.take().expect("piped")).lines();
    let listens = output.by_ref().map_while(Result::ok).any(|line| {
        if line.contains("[emerg]") || line.contains("[error]") || line.contains("Error:") {
            let _ = writeln!(io::stderr(), "{line}");
        }
        line.contains(proxy.listens)
    });
    if !listens {
        let _ = child.wait();
        return None;
    }
    thread::spawn(move || output.for_each(drop));
    Some(child)
}

/// The sample in this language from `docs/proxies.md`.
fn sample(language: &str) -> String {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/proxies.md");
    let page = fs::read_to_string(page).expect("the page");
    let (_, after) = page.split_once(&format!("```{language}\n")).expect("a sample");
    after.split_once("```").expect("its end").0.to_owned()
}

/// A client's connection.
struct Line(BufReader<TcpStream>);

/// What came back.
struct Answer {
    status: u16,
    /// By name in lower case.
    fields: BTreeMap<String, String>,
    body: Vec<u8>,
}

impl Line {
    fn to(address: &str) -> Self {
        let stream = TcpStream::connect(address).expect("a connection");
        stream.set_read_timeout(Some(TIME_MAX)).expect("a time");
        Self(BufReader::new(stream))
    }

    fn ask(&mut self, method: &str, path: &str, fields: &str, body: &str) -> Answer {
        self.send(&request(method, path, fields, body));
        self.answer(method)
    }

    fn send(&mut self, text: &str) {
        // Where a body is refused before all of it is sent, the answer is there nonetheless.
        let _ = self.0.get_mut().write_all(text.as_bytes());
    }

    fn answer(&mut self, method: &str) -> Answer {
        let status = self.line();
        let status = status.split(' ').nth(1).and_then(|code| code.parse().ok());
        let status = status.expect("a status");
        let mut fields = BTreeMap::new();
        while let Some((name, value)) = self.line().split_once(": ") {
            fields.insert(name.to_ascii_lowercase(), value.to_owned());
        }
        let mut body = Vec::new();
        if method != "HEAD" && !matches!(status, 204 | 304) {
            let length = fields.get("content-length").expect("a length");
            body.resize(length.parse().expect("a number"), 0);
            self.0.read_exact(&mut body).expect("a body");
        }
        Answer { status, fields, body }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).expect("a line in time");
        line.trim_end().to_owned()
    }
}

impl Answer {
    fn field(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", String::as_str)
    }

    fn text(&self) -> String {
        String::from_utf8(self.body.clone()).expect("text")
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }
}

fn request(method: &str, path: &str, fields: &str, body: &str) -> String {
    let length = match body.len() {
        0 => String::new(),
        length => format!("Content-Type: application/json\r\nContent-Length: {length}\r\n"),
    };
    format!("{method} {path} HTTP/1.1\r\nHost: chat.example.org\r\n{fields}{length}\r\n{body}")
}

fn program(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    folders.map(|folder| folder.join(name)).find(|program| program.is_file())
}

/// Not by `eprintln!`: the test harness would swallow it.
fn skip(why: &str) {
    assert!(env::var("CI").as_deref() != Ok("true"), "{why}");
    let _ = writeln!(io::stderr(), "proxy tests SKIPPED: {why}");
}
