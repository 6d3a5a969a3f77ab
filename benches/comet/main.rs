//! Measures the comet: what a held poll costs, how long news take, and how much of them there can
//! be. The release binary with its defaults (every message is on the disk before it is answered or
//! delivered), and where they are installed nginx and nchan with one worker, which keep messages in
//! memory, in turns within one run. Beside them the floor: the least that can be done with every
//! message on the disk.
//!
//! ```text
//! cargo bench --bench comet                              everything
//! cargo bench --bench comet -- pairs 50 lovejoy          only that
//! LOVEJOY_BESIDE=BINARY cargo bench --bench comet        with another build instead of the others
//! ```
//!
//! The words are `memory`, `latency`, `pairs`, `crowd`, `stop`, `lovejoy`, `nchan`, `floor`, and
//! numbers of pairs.
//!
//! The load is one thread, tied to one processor, and the server to another, or to the same where
//! the table says so. Everything stays within this machine; polls come from many of its addresses.
//! Every figure is the middle of some rounds.

use std::fs::{self, File};
use std::io::{self, Seek, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use load::{ADDRESSES, Crowd, Line, PAUSE, Pair, hold, run_pairs, stop};
use peers::{BE_THE_FLOOR, Build, FLOOR, Peer};
use table::Table;

mod floor;
mod load;
mod peers;
#[path = "../support/mod.rs"]
mod support;
mod table;

/// Polls that are only held while something else is measured, or wait for one message.
const HELD: usize = 10_000;

/// Polls whose memory is measured: nearly as many as the descriptors that a process usually gets.
const MOST: usize = 18_000;

/// Descriptors for everything else.
const RESERVED: usize = 1_200;

const PAIRS: [usize; 3] = [1, 50, 500];

/// Polls that a server holds when it is told to stop.
const STOPPED: usize = 4_000;

const ROUNDS: usize = 3;
const LATENCIES: usize = 400;
const RUN: Duration = Duration::from_secs(1);
const CROWD_RUNS: usize = 3;

/// The processors that the server and the load are tied to.
const SERVER_CPU: &str = "0";
const LOAD_CPU: &str = "1";

fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [option, log] = arguments.as_slice()
        && option == BE_THE_FLOOR
    {
        return floor::serve(Path::new(log));
    }
    let words: Vec<String> = arguments.into_iter().filter(|it| !it.starts_with('-')).collect();
    let chosen = |word: &str, among: &[&str]| {
        let none = !words.iter().any(|other| among.contains(&other.as_str()));
        none || words.iter().any(|other| other == word)
    };
    let (names, phases) =
        (["lovejoy", "nchan", FLOOR], ["memory", "latency", "pairs", "crowd", "stop"]);
    let mut pairs: Vec<usize> = words.iter().filter_map(|word| word.parse().ok()).collect();
    if pairs.is_empty() {
        pairs.extend(PAIRS);
    }
    // One more for the latencies.
    let most_pairs = pairs.iter().copied().max().unwrap_or(0).max(1);
    let most = MOST.min(descriptors()?.saturating_sub(RESERVED.max(2 * most_pairs)));
    let held = HELD.min(most);
    let needs_idle = ["memory", "latency"].iter().any(|phase| chosen(phase, &phases));
    let idle = match needs_idle {
        true if chosen("memory", &phases) => most,
        true => held,
        false => 0,
    };

    // Not in /tmp, which is often in memory.
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("comet");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder)?;
    let mut peers = Vec::new();
    if held == 0 {
        return Err(io::Error::other("too few descriptors are allowed"));
    }
    let builds = Build::all();
    for build in builds.iter().filter(|_| chosen("lovejoy", &names)) {
        peers.push(Peer::lovejoy(build, &folder, idle, most_pairs, held)?);
    }
    if chosen("nchan", &names) && builds.len() == 1 {
        peers.extend(Peer::nchan(&folder, idle, most_pairs));
    }
    if chosen(FLOOR, &names) && builds.len() == 1 {
        peers.push(Peer::floor(&folder, idle, most_pairs)?);
    }
    for peer in &peers {
        eprintln!("{}: process {}", peer.name, peer.pid());
    }
    // Memory that each has before it holds anything.
    let mut fresh = Vec::new();
    for peer in &peers {
        peer.settle()?;
        fresh.push(peer.private_bytes()?);
    }
    let (mut fsyncs, mut paused_fsyncs) = (Vec::new(), Vec::new());
    let mut table = Table::default();
    for round in 0..ROUNDS {
        fsyncs.push(fsync_time(&folder, Duration::ZERO)?);
        paused_fsyncs.push(fsync_time(&folder, PAUSE)?);
        for (peer, fresh) in peers.iter().zip(&fresh) {
            if chosen("memory", &phases) {
                measure_memory(peer, &mut table, *fresh, round)?;
            }
            if chosen("latency", &phases) {
                measure_latency(peer, &mut table)?;
            }
        }
        for &count in &pairs {
            for peer in peers.iter().filter(|_| chosen("pairs", &phases)) {
                measure_pairs(peer, &mut table, count)?;
            }
        }
        for peer in peers.iter().filter(|_| chosen("crowd", &phases)) {
            measure_crowd(peer, &mut table, held)?;
        }
        for build in builds.iter().filter(|_| chosen("stop", &phases)) {
            measure_stop(build, &mut table, &folder)?;
        }
    }
    table.print();
    let [fsync, paused_fsync] = [fsyncs, paused_fsyncs].map(|mut times| {
        times.sort_unstable();
        times[ROUNDS / 2].as_secs_f64() * 1e6
    });
    println!("A write of 4 KiB and its fdatasync took {fsync:.0} us, one after another;");
    println!("{paused_fsync:.0} us when nothing else goes on: a lone message pays that.");
    if builds.len() == 1 && !peers.iter().any(|peer| peer.name == "nchan") {
        println!("Nginx with nchan was not measured.");
    }
    drop(peers);
    fs::remove_dir_all(&folder)
}

/// Each poll has a user, or a channel, of its own. `fresh` is what the process had before the first.
/// In later rounds everything else has been measured meanwhile: what grew then, and stays, counts.
#[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52")]
fn measure_memory(peer: &Peer, table: &mut Table, fresh: f64, round: usize) -> io::Result<()> {
    let each_its_own = u32::try_from(peer.idle.len()).unwrap_or(u32::MAX);
    let first = [
        ("bytes of memory for a held poll", ADDRESSES),
        ("the same, all released and held again", ADDRESSES),
        ("the same, each from an address of its own", each_its_own),
    ];
    let later = [("the same, after all of the above", ADDRESSES)];
    let measured = if round == 0 { first.as_slice() } else { &later };
    for &(label, addresses) in measured {
        let lines = hold(peer.idle.iter(), &peer.server.address, addresses)?;
        peer.settle()?;
        let each = (peer.private_bytes()? - fresh) / lines.len() as f64;
        for line in &lines {
            assert!(line.is_held()?, "{} holds every poll", peer.name);
        }
        table.less(peer, label.to_owned(), each);
        drop(lines);
        peer.settle()?;
    }
    Ok(())
}

/// From just before a message is written until the one poll that waits for it is answered.
fn measure_latency(peer: &Peer, table: &mut Table) -> io::Result<()> {
    let idle = hold(peer.idle.iter().take(HELD), &peer.server.address, ADDRESSES)?;
    let mut pair = Pair::new(&peer.server.address, &peer.pairs[0])?;
    for (place, load_cpu) in [("same core", SERVER_CPU), ("other core", LOAD_CPU)] {
        pin(peer.pid(), SERVER_CPU)?;
        pin(std::process::id(), load_cpu)?;
        peer.settle()?;
        let mut latencies = pair.latencies(LATENCIES)?;
        latencies.sort_unstable();
        for (name, rank) in [("p50", 50), ("p99", 99)] {
            let latency = latencies[latencies.len() * rank / 100].as_secs_f64() * 1e6;
            let label = format!("us to delivery, {} held, {place}, {name}", idle.len());
            table.less(peer, label, latency);
        }
    }
    drop((idle, pair));
    peer.settle()
}

/// Everybody writes as fast as they are answered and heard.
fn measure_pairs(peer: &Peer, table: &mut Table, count: usize) -> io::Result<()> {
    let channels = peer.pairs[..count].iter();
    let pairs: io::Result<Vec<Pair>> =
        channels.map(|channel| Pair::new(&peer.server.address, channel)).collect();
    let mut pairs = pairs?;
    pin(peer.pid(), SERVER_CPU)?;
    pin(std::process::id(), LOAD_CPU)?;
    peer.settle()?;
    let (before, [program_before, kernel_before]) =
        (peer.server.processor_time()?, peer.server.ticks()?);
    let (messages, seconds) = run_pairs(&mut pairs, RUN)?;
    let processor = peer.server.processor_time()?.saturating_sub(before).as_secs_f64();
    let [program, kernel] = peer.server.ticks()?;
    let [program, kernel] = [program - program_before, kernel - kernel_before];
    table.more(peer, format!("messages a second, pairs: {count}"), f64::from(messages) / seconds);
    let each = processor * 1e6 / f64::from(messages);
    table.less(peer, format!("us of processor time each, pairs: {count}"), each);
    let ours = each * program / (program + kernel).max(1.0);
    table.less(peer, format!("of it in the program, not the kernel, pairs: {count}"), ours);
    drop(pairs);
    peer.settle()
}

/// One message, until the last poll is answered.
fn measure_crowd(peer: &Peer, table: &mut Table, polls: usize) -> io::Result<()> {
    let mut crowd = Crowd::new(&peer.server.address, &peer.crowd, polls)?;
    pin(peer.pid(), SERVER_CPU)?;
    pin(std::process::id(), LOAD_CPU)?;
    for _ in 0..CROWD_RUNS {
        peer.settle()?;
        let milliseconds = crowd.tell_all()?.as_secs_f64() * 1e3;
        table.less(peer, format!("ms until one message reached {polls} polls"), milliseconds);
    }
    drop(crowd);
    peer.settle()
}

/// From the signal that stops a server until it is gone, with so many polls answered before.
fn measure_stop(build: &Build, table: &mut Table, folder: &Path) -> io::Result<()> {
    let (server, channel) = build.stopping(folder, STOPPED)?;
    pin(server.process.id(), SERVER_CPU)?;
    pin(std::process::id(), LOAD_CPU)?;
    let lines = hold((0..STOPPED).map(|_| &channel), &server.address, ADDRESSES)?;
    // What was sent before this is held when it is answered.
    Line::connect(&server.address)?.ask(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
    let milliseconds = stop(server, lines)?.as_secs_f64() * 1e3;
    let label = format!("ms until a server with {STOPPED} polls has stopped");
    table.add(build.name, label, milliseconds, false);
    fs::remove_dir_all(folder.join("stopping"))
}

/// Ties a process to a processor, where there are several.
fn pin(process: u32, cpu: &str) -> io::Result<()> {
    if std::thread::available_parallelism()?.get() == 1 && cpu != SERVER_CPU {
        return Ok(());
    }
    let mut command = Command::new("taskset");
    command.args(["-apc", cpu, &process.to_string()]).stdout(Stdio::null());
    let status = command.status()?;
    if status.success() { Ok(()) } else { Err(io::Error::other("taskset failed")) }
}

/// How many descriptors this process, and each that it starts, may have: as many as they are allowed
/// to ask for.
fn descriptors() -> io::Result<usize> {
    const ENOUGH: usize = 20_000;
    let limits = fs::read_to_string("/proc/self/limits")?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    let mut limits = line.unwrap_or_default().split_whitespace();
    // What is no number is `unlimited`.
    let mut next = || limits.next().and_then(|limit| limit.parse().ok()).unwrap_or(usize::MAX);
    let (soft, hard) = (next(), next());
    if soft >= ENOUGH || soft >= hard {
        return Ok(soft);
    }
    let raised = hard.min(ENOUGH);
    let (pid, limit) = (std::process::id().to_string(), format!("--nofile={raised}:"));
    let status = Command::new("prlimit").args(["--pid", &pid, &limit]).status()?;
    Ok(if status.success() { raised } else { soft })
}

/// How long a message waits for the disk if it is the only one: after a pause, when the processor and the
/// disk sleep, it is longer.
fn fsync_time(folder: &Path, pause: Duration) -> io::Result<Duration> {
    let mut file = File::create(folder.join("fsync"))?;
    // Over what is there already, as SQLite does in its log.
    let block = [1; 4096];
    let mut times = Vec::new();
    file.write_all(&block.repeat(4))?;
    file.sync_all()?;
    for _ in 0..100 {
        thread::sleep(pause);
        file.rewind()?;
        let begin = Instant::now();
        file.write_all(&block)?;
        file.sync_data()?;
        times.push(begin.elapsed());
    }
    times.sort_unstable();
    Ok(times[times.len() / 2])
}
