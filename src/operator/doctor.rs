//! Looks for what would keep a server from doing well, on its machine and on the way to it, and
//! says in plain words what to change.
//!
//! Each thing examined is one line, printed as soon as it is known: `ok`, or `MEND` with what to
//! do. What takes long says so first. Nothing is changed on the machine, except for a file in the
//! data folder that is removed at once. On the way, through a URL, the doctor is a client like any
//! other: the operator's door gives it an account of its own, which is deleted at the end, and a
//! number by which the server tells it what has become of its requests (see
//! [`crate::web::tell_probe`]).

mod machine;
mod way;

use std::error::Error;
use std::io::{self, Write as _};

use crate::config::Config;

/// Looks at the machine, and at the way through a URL if one is given. An error if something has to
/// be mended.
pub(super) fn run(config: &Config, url: Option<&str>) -> Result<(), Box<dyn Error>> {
    let mut findings = Findings { out: io::stdout(), to_mend: 0 };
    let url = url.map(way::Url::parse).transpose()?;
    machine::look(config, &mut findings)?;
    if let Some(url) = url {
        way::look(config, &url, &mut findings)?;
    }
    match findings.to_mend {
        0 => Ok(()),
        1 => Err("one thing is to be mended".into()),
        many => Err(format!("{many} things are to be mended").into()),
    }
}

/// What was found so far.
#[derive(Debug)]
struct Findings {
    out: io::Stdout,
    to_mend: usize,
}

impl Findings {
    /// This is well.
    fn ok(&mut self, what: &str) -> io::Result<()> {
        writeln!(self.out, "ok    {what}")
    }

    /// This is not well, and here is how it would be.
    fn mend(&mut self, what: &str, how: &str) -> io::Result<()> {
        self.to_mend += 1;
        writeln!(self.out, "MEND  {what}\n      {how}")
    }

    /// Prints either.
    fn tell(&mut self, is_ok: bool, what: &str, how: &str) -> io::Result<()> {
        if is_ok { self.ok(what) } else { self.mend(what, how) }
    }

    /// Says that something takes a while.
    fn wait(&mut self, what: &str) -> io::Result<()> {
        writeln!(self.out, "...   {what}")
    }
}
