//! Runs the tests of `tests/browser/` in a real Chromium against the real binary on a real port.
//!
//! Knows how to start, stop and kill the server, and lets the tests ask for that over a line each on a local
//! socket; what people see in the browser is for `browser.mjs` to say. Where Chromium or Node is missing the
//! tests are skipped, loudly; with `CI=true` that is a failure.

use std::env;
use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;

#[test]
fn the_web_app_works_in_a_real_browser() {
    let Some(chromium) = chromium() else { return skip("no Chromium was found (set CHROMIUM)") };
    if !runs("node") || !runs("npm") {
        return skip("node or npm was not found");
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser");
    if !is_installed(&folder) {
        let status =
            command("npm").args(["ci", "--no-audit", "--no-fund"]).current_dir(&folder).status();
        assert!(status.expect("npm runs").success(), "npm ci failed");
    }

    let server = Server::start();
    let control = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let control_address = control.local_addr().expect("bound").to_string();
    let url = format!("http://{}", server.address);
    thread::spawn(move || obey(&control, server));

    let status = command("node")
        .arg("browser.mjs")
        .current_dir(&folder)
        .env("LOVEJOY_URL", url)
        .env("LOVEJOY_CONTROL", &control_address)
        .env("CHROMIUM", chromium)
        .status()
        .expect("node runs");
    ask(&control_address, "end");
    assert!(status.success(), "the browser tests failed");
}

/// Whether npm has installed what is asked for now, not what was asked for some time ago.
fn is_installed(folder: &Path) -> bool {
    let changed =
        |name: &str| fs::metadata(folder.join(name)).and_then(|file| file.modified()).ok();
    let installed = changed("node_modules/.package-lock.json");
    installed.is_some() && installed >= changed("package-lock.json")
}

/// The server under test, with its data in a folder of its own.
struct Server {
    process: Child,
    /// Where it listens: chosen by the system at first, the same after a restart.
    address: String,
    data: PathBuf,
}

impl Server {
    fn start() -> Self {
        let data = env::temp_dir().join(format!("lovejoy-browser-{}", std::process::id()));
        let _ = fs::remove_dir_all(&data);
        let (process, address) = spawn(&data, "127.0.0.1:0");
        Self { process, address, data }
    }

    fn restart(&mut self) {
        (self.process, self.address) = spawn(&self.data, &self.address);
    }

    /// Power off: nothing of the process gets a say.
    fn kill(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    /// Puts into the data of a server that does not run what would take long to say to one that does.
    fn seed(&self, sql: &str) {
        let store = rusqlite::Connection::open(self.data.join("lovejoy.db")).expect("the database");
        store.execute_batch(sql).expect("statements that the schema allows");
    }

    /// SIGTERM: it may answer its held polls before it goes.
    fn stop(&mut self) {
        let status = command("kill").args(["-TERM", &self.process.id().to_string()]).status();
        assert!(status.expect("kill runs").success());
        let _ = self.process.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        let _ = fs::remove_dir_all(&self.data);
    }
}

/// Starts the binary and waits until it says where it listens.
fn spawn(data: &Path, listen: &str) -> (Child, String) {
    let mut process = command(env!("CARGO_BIN_EXE_lovejoy"))
        .args(["--demo", "--seed-facade", "--password-iterations", "1000", "--rate-limits", "off"])
        .args(["--listen", listen, "--data"])
        .arg(data)
        .stdout(Stdio::piped())
        .spawn()
        .expect("the server starts");
    let mut lines = BufReader::new(process.stdout.take().expect("piped")).lines();
    let address = lines
        .by_ref()
        .map_while(Result::ok)
        .find_map(|line| {
            Some(line.split_once("listening on http://")?.1.trim_end_matches('/').to_owned())
        })
        .expect("the server says where it listens");
    thread::spawn(move || lines.for_each(drop));
    (process, address)
}

/// Carries out what the tests ask for, one line a connection, until they are over.
fn obey(control: &TcpListener, mut server: Server) {
    for stream in control.incoming() {
        let mut stream = stream.expect("a local connection");
        let mut line = String::new();
        BufReader::new(&stream).read_line(&mut line).expect("a line");
        let (command, rest) = line.trim().split_once(' ').unwrap_or((line.trim(), ""));
        match command {
            "kill" => server.kill(),
            "stop" => server.stop(),
            "start" => server.restart(),
            "sql" => server.seed(rest),
            "end" => {
                drop(server);
                let _ = stream.write_all(b"ok\n");
                return;
            }
            other => panic!("no such command: {other}"),
        }
        let _ = stream.write_all(b"ok\n");
    }
}

fn ask(control: &str, line: &str) {
    let mut stream = TcpStream::connect(control).expect("the control socket");
    writeln!(stream, "{line}").expect("a line goes out");
    BufReader::new(stream).read_line(&mut String::new()).expect("an answer");
}

fn chromium() -> Option<PathBuf> {
    if let Some(path) = env::var_os("CHROMIUM") {
        return Some(path.into());
    }
    let names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
    let mac = "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome";
    names
        .iter()
        .map(|name| Path::new("/usr/bin").join(name))
        .chain([mac.into()])
        .find(|path| path.exists())
}

fn runs(program: &str) -> bool {
    let version = command(program).arg("--version").stdout(Stdio::null()).status();
    version.is_ok_and(|status| status.success())
}

fn command(program: &str) -> Command {
    let mut command = Command::new(program);
    command.stdin(Stdio::null());
    command
}

/// Not by `eprintln!`: the test harness would swallow it.
fn skip(why: &str) {
    assert!(env::var("CI").as_deref() != Ok("true"), "{why}");
    let _ = writeln!(io::stderr(), "browser tests SKIPPED: {why}");
}
