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
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

use support::Server;

mod support;

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
    let lovejoy = Server::lovejoy(&folder, &[])?;
    let nginx = nginx(&folder);
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
        let (processor, begin) = (self.server.processor_time()?, Instant::now());
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
        let processor = self.server.processor_time()?.saturating_sub(processor);
        let (per_second, micros) =
            (count as f64 / elapsed, processor.as_secs_f64() * 1e6 / count as f64);
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

/// With the settings that serve a small file best.
fn nginx(folder: &Path) -> Option<Server> {
    let http = "sendfile on;\ntcp_nopush on;\nopen_file_cache max=100;\ntypes { text/html html; }";
    Server::nginx(folder, "", http, concat!("root ", env!("CARGO_MANIFEST_DIR"), "/www;"))
}
