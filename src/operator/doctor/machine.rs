//! Looks at the machine: descriptors, memory, the data folder, its disk, the clock.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::time::Duration;

use nix::sys::statvfs::statvfs;

use super::Findings;
use crate::config::{Ceiling, Config};
use crate::entity::Timestamp;
use crate::system::{self, Clock};

/// How many connections are enough for a family and its tabs.
const CONNECTIONS: usize = 500;

/// A message waits for the disk; people do not notice a wait this short.
const SYNC_MAX: Duration = Duration::from_millis(50);

/// How often it is tried.
const SYNCS: usize = 10;

/// Free space for a few hundred thousand messages.
const FREE_BYTES: u64 = 100 * 1024 * 1024;

/// What helps who may not look.
const AS_THE_SERVER: &str = "run the doctor as the user of the server";

/// A clock that is behind this was never set: 2026-01-01.
const RELEASED: Timestamp = Timestamp(1_767_225_600_000);

pub(super) fn look(config: &Config, findings: &mut Findings) -> io::Result<()> {
    let mut config = config.clone();
    descriptors(&mut config, findings)?;
    memory(config.clone(), findings)?;
    clock(&config, findings)?;
    if config.is_in_memory() {
        return findings.ok("nothing is kept on the disk, as --data :memory: says");
    }
    if !config.data.is_dir() {
        let what = format!("there is no data folder {} yet", config.data.display());
        return findings.ok(&what);
    }
    permissions(&config.data, findings)?;
    space(&config.data, findings)?;
    disk(&config.data, findings)
}

fn descriptors(config: &mut Config, findings: &mut Findings) -> io::Result<()> {
    let descriptors = system::raise_descriptors_max()?;
    // If there is too little memory, `memory` tells.
    let _ = config.fit_memory();
    let wanted = config.connections_max;
    config.fit_into(descriptors);
    let what =
        format!("{descriptors} descriptors, so {} connections at most", config.connections_max);
    let how = "allow more: LimitNOFILE= in the unit of systemd, or ulimit -Hn";
    findings.tell(config.connections_max >= wanted.min(CONNECTIONS), &what, how)
}

fn memory(mut config: Config, findings: &mut Findings) -> io::Result<()> {
    if let Err(error) = config.fit_memory() {
        return findings.mend(&error.to_string(), "give it more, or take it away");
    }
    let ceiling = Ceiling::of(&config);
    let Some(available) = available_bytes() else {
        return findings.ok(&format!("{ceiling} of memory at most"));
    };
    let megabytes = available / (1024 * 1024);
    let what = format!("{ceiling} of memory at most, where {megabytes} MiB are to be had");
    let how = format!("--memory-max {}M makes its limits fit", (megabytes / 2).max(8));
    findings.tell(ceiling.bytes() as u64 <= available, &what, &how)
}

/// Memory that is available without taking any from others, if the system tells.
fn available_bytes() -> Option<u64> {
    let memory = fs::read_to_string("/proc/meminfo").ok()?;
    let line = memory.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kilobytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    // A container may have less.
    let group = fs::read_to_string("/sys/fs/cgroup/memory.max").ok();
    let group = group.and_then(|text| text.trim().parse().ok()).unwrap_or(u64::MAX);
    Some((kilobytes * 1024).min(group))
}

fn clock(config: &Config, findings: &mut Findings) -> io::Result<()> {
    let now = system::wall();
    let written = fs::metadata(config.database()).and_then(|metadata| metadata.modified());
    let is_behind = written.is_ok_and(|written| system::timestamp(written).0 > now.0 + 60_000);
    let what = format!("the clock says {now}");
    let how = "set it, and keep it set by NTP: messages bear the time at which they were sent";
    findings.tell(now >= RELEASED && !is_behind, &what, how)
}

fn permissions(folder: &Path, findings: &mut Findings) -> io::Result<()> {
    let mode = fs::metadata(folder)?.permissions().mode() & 0o777;
    let shown = folder.display();
    let what = format!("the data folder {shown} is open to its owner alone");
    if mode.is_multiple_of(0o100) {
        return findings.ok(&what);
    }
    let what = format!("others can enter the data folder {shown}: its mode is {mode:o}");
    findings.mend(&what, &format!("chmod 700 {shown}"))
}

fn space(folder: &Path, findings: &mut Findings) -> io::Result<()> {
    let disk = match statvfs(folder) {
        Ok(disk) => disk,
        Err(error) => {
            let what = format!("{} cannot be looked at: {error}", folder.display());
            return findings.mend(&what, AS_THE_SERVER);
        }
    };
    #[allow(clippy::useless_conversion, reason = "some systems count in 32 bits")]
    let free = u64::from(disk.blocks_available()).saturating_mul(disk.fragment_size().into());
    let what = format!("{} MiB are free in {}", free >> 20, folder.display());
    let how =
        "make room: on a full disk nobody can say anything. --retention-bytes bounds the database";
    findings.tell(free >= FREE_BYTES, &what, how)
}

fn disk(folder: &Path, findings: &mut Findings) -> io::Result<()> {
    let path = folder.join("lovejoy.doctor");
    let times = sync_times(&path);
    let _ = fs::remove_file(&path);
    let times = match times {
        Ok(times) => times,
        Err(error) => {
            let what = format!("{} cannot be written to: {error}", folder.display());
            return findings.mend(&what, AS_THE_SERVER);
        }
    };
    let (median, longest) = (times[SYNCS / 2], times[SYNCS - 1]);
    let what = format!("the disk syncs in {median:.1?}, {longest:.1?} at the longest");
    let how = "a message waits so long: use another disk, or --durability normal";
    findings.tell(median <= SYNC_MAX, &what, how)
}

/// How long it takes until a page is on the disk; sorted.
fn sync_times(path: &Path) -> io::Result<Vec<Duration>> {
    let mut options = OpenOptions::new();
    let mut file: File = options.write(true).create(true).truncate(true).mode(0o600).open(path)?;
    let (clock, mut times) = (Clock::new(), Vec::new());
    for _ in 0..SYNCS {
        let begin = clock.now().mono;
        file.write_all(&[0; 2048])?;
        file.sync_data()?;
        times.push(clock.now().mono.since(begin));
    }
    times.sort_unstable();
    Ok(times)
}
