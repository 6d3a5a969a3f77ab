//! Starts the servers that are measured, each a process of its own with one thread at work, and ends
//! them.
#![allow(dead_code, reason = "each bench uses its part")]

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::io::{self, BufRead, BufReader, Read};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::Duration;

/// A server of one process. It is killed when this is dropped.
pub(crate) struct Server {
    pub(crate) process: Child,
    pub(crate) address: String,
    /// It would die of a closed one.
    _log: Option<BufReader<ChildStderr>>,
}

impl Server {
    /// This build, or that of `LOVEJOY_BINARY`, with a database in the folder; one that is there
    /// already goes on.
    pub(crate) fn lovejoy(folder: &Path, options: &[&str]) -> io::Result<Self> {
        let binary = env::var_os("LOVEJOY_BINARY");
        let binary = binary.unwrap_or(env!("CARGO_BIN_EXE_lovejoy").into());
        Self::lovejoy_of(&binary, folder, options)
    }

    /// The same of any build.
    pub(crate) fn lovejoy_of(binary: &OsStr, folder: &Path, options: &[&str]) -> io::Result<Self> {
        let mut command = Command::new(binary);
        command
            .args(["--listen", "127.0.0.1:0", "--log", "warn", "--data"])
            .arg(folder.join("data"))
            .args(options)
            // For benches, and no settings.
            .env_remove("LOVEJOY_BINARY")
            .env_remove("LOVEJOY_BESIDE");
        Self::announced(&mut command)
    }

    /// A server whose first line on its standard output ends with where it listens.
    pub(crate) fn announced(command: &mut Command) -> io::Result<Self> {
        let mut process = command.stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        BufReader::new(process.stdout.take().expect("piped")).read_line(&mut line)?;
        let Some((_, address)) = line.trim().rsplit_once("http://") else {
            let _ = process.wait();
            return Err(io::Error::other("the server did not start"));
        };
        Ok(Self { process, address: address.to_owned(), _log: None })
    }

    /// `None` where it is not installed. What is given goes to the beginning of its configuration,
    /// into `http`, and into its only `server`.
    pub(crate) fn nginx(folder: &Path, main: &str, http: &str, server: &str) -> Option<Self> {
        let path = env::var_os("PATH").unwrap_or_default();
        let folders = env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
        let program = folders.map(|folder| folder.join("nginx")).find(|path| path.is_file())?;
        let address = TcpListener::bind("127.0.0.1:0").ok()?.local_addr().ok()?;
        let folder = folder.display();
        let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|name| format!("{name}_temp_path {folder}/{name};\n"))
            .concat();
        // One process, so that `/proc` tells of all of it.
        let config = format!(
            "{main}\ndaemon off;\nmaster_process off;\npid {folder}/nginx.pid;\n\
             error_log stderr notice;\nevents {{ worker_connections 19900; }}\n\
             http {{\n{temporary}access_log off;\nkeepalive_requests 1000000000;\n{http}\n\
             server {{ listen {address} backlog=4096;\n{server}\n}}\n}}\n"
        );
        let file = format!("{folder}/nginx.conf");
        fs::write(&file, config).ok()?;
        let mut process = Command::new(program)
            .args(["-e", "stderr", "-c", &file])
            .stderr(Stdio::piped())
            .spawn()
            .ok()?;
        // It listens before it says how it waits for events.
        let mut log = BufReader::new(process.stderr.take()?);
        if !log.by_ref().lines().map_while(Result::ok).any(|line| line.contains("event method")) {
            let _ = process.wait();
            return None;
        }
        Some(Self { process, address: address.to_string(), _log: Some(log) })
    }

    /// User and system time so far. `/proc/PID/stat` has the same, but counts hundredths of seconds.
    pub(crate) fn processor_time(&self) -> io::Result<Duration> {
        let times = self.proc("schedstat")?;
        let nanoseconds = times.split(' ').next().and_then(|field| field.parse().ok());
        nanoseconds.map(Duration::from_nanos).ok_or(io::ErrorKind::InvalidData.into())
    }

    /// Of that, hundredths of a second in the program itself and in the kernel. A tick goes to where
    /// the program is at that moment, so only the share of many ticks says something.
    pub(crate) fn ticks(&self) -> io::Result<[f64; 2]> {
        let times = self.proc("stat")?;
        // The name before them ends with the last parenthesis, whatever is in it.
        let fields = times.rsplit(')').next().unwrap_or_default();
        let mut fields = fields.split_whitespace().skip(11);
        let mut next = || fields.next()?.parse().ok();
        next().zip(next()).map(<[f64; 2]>::from).ok_or(io::ErrorKind::InvalidData.into())
    }

    fn proc(&self, file: &str) -> io::Result<String> {
        fs::read_to_string(format!("/proc/{}/{file}", self.process.id()))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
