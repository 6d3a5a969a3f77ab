//! Asks for a password: without showing it if a person types it, as a plain line if a program
//! writes it.
//!
//! Never takes one from the command line, which others on the machine can read.

use std::io::{self, IsTerminal, Read as _, Write as _};
use std::thread;

use nix::sys::termios::{LocalFlags, SetArg, Termios, tcgetattr, tcsetattr};

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
struct Silence {
    /// How the terminal was before.
    terminal: Termios,
}

impl Silence {
    fn begin() -> io::Result<Self> {
        let terminal = tcgetattr(io::stdin())?;
        let silence = Self { terminal: terminal.clone() };
        // Before the echo is off: whoever interrupts must get it back.
        let mut signals = system::signals()?;
        signals.set_nonblocking(false)?;
        let interrupted = Self { terminal: terminal.clone() };
        thread::spawn(move || {
            if let Ok(1..) = signals.read(&mut [0]) {
                drop(interrupted);
                std::process::exit(130);
            }
        });
        let mut silent = terminal;
        silent.local_flags.remove(LocalFlags::ECHO);
        tcsetattr(io::stdin(), SetArg::TCSADRAIN, &silent)?;
        Ok(silence)
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        if let Err(error) = tcsetattr(io::stdin(), SetArg::TCSADRAIN, &self.terminal) {
            let _ = writeln!(io::stderr(), "lovejoy: the terminal shows nothing: {error}");
        }
    }
}
