//! Asks for a password: without showing it if a person types it, as a plain line if a program
//! writes it.
//!
//! Never takes one from the command line, which others on the machine can read. The echo of a
//! terminal is turned off by `stty`, which every system has, since doing it here would take
//! `unsafe`.

use std::io::{self, IsTerminal, Read as _, Write as _};
use std::process::{Command, Stdio};
use std::thread;

use crate::system;

/// More than the longest password.
const LINE_BYTES_MAX: usize = 4096;

/// A password for somebody; typed twice, since nobody sees it.
pub(super) fn new_password(name: &str) -> io::Result<String> {
    if !io::stdin().is_terminal() {
        return read_line();
    }
    let _echo = Silence::begin()?;
    let password = ask(&format!("New password for {name}: "))?;
    if ask("The same again: ")? != password {
        return Err(io::Error::other("those were two passwords"));
    }
    Ok(password)
}

fn ask(prompt: &str) -> io::Result<String> {
    let mut stderr = io::stderr();
    stderr.write_all(prompt.as_bytes())?;
    let line = read_line();
    stderr.write_all(b"\n")?;
    line
}

/// A line, without its end.
fn read_line() -> io::Result<String> {
    let mut line = Vec::new();
    let mut byte = [0];
    // Not one byte more: what follows is for somebody else.
    while line.len() < LINE_BYTES_MAX && io::stdin().lock().read(&mut byte)? == 1 {
        if byte == *b"\n" {
            break;
        }
        line.push(byte[0]);
    }
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    String::from_utf8(line).map_err(|_| io::Error::other("the password is not UTF-8"))
}

/// What is typed is not shown until this is dropped, or a signal ends the process.
struct Silence;

impl Silence {
    fn begin() -> io::Result<Self> {
        // Before the echo is off: whoever interrupts must get it back.
        let mut signals = system::signals()?;
        signals.set_nonblocking(false)?;
        thread::spawn(move || {
            if let Ok(1..) = signals.read(&mut [0]) {
                let _ = stty("echo");
                std::process::exit(130);
            }
        });
        stty("-echo")?;
        Ok(Self)
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        if let Err(error) = stty("echo") {
            let _ = writeln!(io::stderr(), "lovejoy: the terminal shows nothing: {error}");
        }
    }
}

fn stty(setting: &str) -> io::Result<()> {
    let status = Command::new("stty").arg(setting).stdin(Stdio::inherit()).status()?;
    if status.success() { Ok(()) } else { Err(io::Error::other("stty has failed")) }
}
