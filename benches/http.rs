//! Measures what one request costs over a kept connection: the release binary, and where it is
//! installed nginx with one worker and the same page, in turns within one run.
//!
//! `cargo bench --bench http`. The load is one thread that writes on some connections, and then reads
//! on all of them, so that a server has always some requests before it and never more. Requests a
//! second depend on how many processors the load leaves to the server; processor time a request,
//! which `/proc` tells, does not, and is what to compare.

use std::env;
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Connections that ask at the same time.
const CONNECTIONS: usize = 32;

/// How long each case runs at a time, and how often; the middle of its results counts.
const RUN: Duration = Duration::from_millis(600);
const ROUNDS: usize = 5;

/// Requests that are sent at once on a connection.
const PIPELINED: usize = 16;

fn main() -> io::Result<()> {
    let folder = env::temp_dir().join(format!("lovejoy-bench-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    let lovejoy = Server::lovejoy(&folder)?;
    let nginx = Server::nginx(&folder);
    let mut cases = Vec::new();
    for depth in [1, PIPELINED] {
        cases.push(Case::new("lovejoy", &lovejoy, "/", depth));
        cases.extend(nginx.as_ref().map(|nginx| Case::new("nginx", nginx, "/", depth)));
        cases.push(Case::new("lovejoy", &lovejoy, "/api/server", depth));
    }
    for _ in 0..ROUNDS {
        for case in &mut cases {
            let result = case.run()?;
            case.results.push(result);
        }
    }
    print(&mut cases);
    if nginx.is_none() {
        println!("nginx was not found: there is nothing to compare with.");
    }
    drop((lovejoy, nginx));
    fs::remove_dir_all(&folder)
}

/// What is asked of whom.
struct Case<'a> {
    name: &'static str,
    server: &'a Server,
    path: &'static str,
    depth: usize,
    results: Vec<Figures>,
}

/// What came of one run.
#[derive(Clone, Copy)]
struct Figures {
    per_second: f64,
    /// Processor time of the server for each.
    micros: f64,
    bytes: usize,
}

impl<'a> Case<'a> {
    fn new(name: &'static str, server: &'a Server, path: &'static str, depth: usize) -> Self {
        Self { name, server, path, depth, results: Vec::new() }
    }

    #[expect(clippy::cast_precision_loss, reason = "far fewer requests than 2^52")]
    fn run(&self) -> io::Result<Figures> {
        let request = format!("GET {} HTTP/1.1\r\nHost: localhost\r\n\r\n", self.path);
        let mut lines = Vec::new();
        for _ in 0..CONNECTIONS {
            let line = TcpStream::connect(&self.server.address)?;
            line.set_nodelay(true)?;
            lines.push(line);
        }
        // All answers are of the same length: nothing in them changes but the date.
        let bytes = answer_bytes(&mut lines[0], request.as_bytes())?;
        let requests = request.repeat(self.depth);
        let mut answers = vec![0; bytes * self.depth];
        let (processor, begin) = (self.server.processor_seconds()?, Instant::now());
        let mut count = 0;
        while begin.elapsed() < RUN {
            for line in &mut lines {
                line.write_all(requests.as_bytes())?;
            }
            for line in &mut lines {
                line.read_exact(&mut answers)?;
                assert!(answers.starts_with(b"HTTP/1.1 200 "), "an answer where one begins");
            }
            count += lines.len() * self.depth;
        }
        let elapsed = begin.elapsed().as_secs_f64();
        let processor = self.server.processor_seconds()? - processor;
        let (per_second, micros) = (count as f64 / elapsed, processor * 1e6 / count as f64);
        Ok(Figures { per_second, micros, bytes })
    }

    /// The middle of all runs, by what a request costs.
    fn median(&mut self) -> Figures {
        self.results.sort_by(|one, other| one.micros.total_cmp(&other.micros));
        self.results[self.results.len() / 2]
    }
}

/// Asks once, and tells how long the answer is.
fn answer_bytes(line: &mut TcpStream, request: &[u8]) -> io::Result<usize> {
    line.write_all(request)?;
    let mut reader = BufReader::new(line);
    let (mut head, mut length) = (0, 0);
    loop {
        let mut field = String::new();
        head += reader.read_line(&mut field)?;
        if let Some(value) = field.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().expect("a number");
        }
        if field == "\r\n" {
            break;
        }
    }
    reader.read_exact(&mut vec![0; length])?;
    Ok(head + length)
}

fn print(cases: &mut [Case<'_>]) {
    let medians: Vec<Figures> = cases.iter_mut().map(Case::median).collect();
    println!(
        "{:<9}{:<13}{:>5}{:>8}{:>13}{:>13}{:>16}",
        "server", "path", "deep", "bytes", "requests/s", "us each", "nginx's time"
    );
    for (case, figures) in cases.iter().zip(&medians) {
        let same_depth =
            |(other, _): &(&Case<'_>, &Figures)| other.name == "nginx" && other.depth == case.depth;
        let nginx = cases.iter().zip(&medians).find(same_depth);
        let ratio = nginx
            .map_or("-".to_owned(), |(_, nginx)| format!("{:.2}", figures.micros / nginx.micros));
        println!(
            "{:<9}{:<13}{:>5}{:>8}{:>13.0}{:>13.2}{ratio:>16}",
            case.name, case.path, case.depth, figures.bytes, figures.per_second, figures.micros,
        );
    }
}

/// A server of one process.
struct Server {
    process: Child,
    address: String,
}

impl Server {
    fn lovejoy(folder: &Path) -> io::Result<Self> {
        let mut process = Command::new(env!("CARGO_BIN_EXE_lovejoy"))
            .args(["--listen", "127.0.0.1:0", "--log", "warn", "--data"])
            .arg(folder.join("data"))
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        BufReader::new(process.stdout.take().expect("piped")).read_line(&mut line)?;
        let address = line.trim().rsplit_once("http://").expect("an address").1.to_owned();
        Ok(Self { process, address })
    }

    /// With the settings that serve a small file best.
    fn nginx(folder: &Path) -> Option<Self> {
        let path = env::var_os("PATH").unwrap_or_default();
        let folders = env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
        let program = folders.map(|folder| folder.join("nginx")).find(|path| path.is_file())?;
        let address = TcpListener::bind("127.0.0.1:0").ok()?.local_addr().ok()?;
        let (root, folder) = (concat!(env!("CARGO_MANIFEST_DIR"), "/www"), folder.display());
        let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|name| format!("{name}_temp_path {folder}/{name};\n"))
            .concat();
        // One process, so that `/proc` tells of all of it.
        let config = format!(
            "daemon off;\nmaster_process off;\npid {folder}/nginx.pid;\nerror_log stderr notice;\n\
             events {{ }}\nhttp {{\n{temporary}access_log off;\nsendfile on;\n\
             keepalive_requests 1000000000;\nopen_file_cache max=100;\n\
             types {{ text/html html; }}\nserver {{ listen {address}; root {root}; }}\n}}\n"
        );
        let file = format!("{folder}/nginx.conf");
        fs::write(&file, config).ok()?;
        let mut process = Command::new(program)
            .args(["-e", "stderr", "-c", &file])
            .stderr(Stdio::piped())
            .spawn()
            .ok()?;
        // It listens before it says how it waits for events.
        let mut lines = BufReader::new(process.stderr.take()?).lines().map_while(Result::ok);
        if !lines.any(|line| line.contains("event method")) {
            let _ = process.wait();
            return None;
        }
        std::thread::spawn(move || lines.for_each(drop));
        Some(Self { process, address: address.to_string() })
    }

    /// User and system time so far, of the 14th and 15th field of `/proc/PID/stat`.
    fn processor_seconds(&self) -> io::Result<f64> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.process.id()))?;
        // The second field is a name in parentheses, which may have spaces in it.
        let fields = stat.rsplit_once(") ").map_or("", |(_, fields)| fields).split(' ');
        let ticks: f64 =
            fields.skip(11).take(2).filter_map(|field| field.parse::<f64>().ok()).sum();
        // A tick is a hundredth of a second on every Linux there is.
        Ok(ticks / 100.0)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
