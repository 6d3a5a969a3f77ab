//! Waits until nobody reads what this process writes any more.

use std::io;
use std::os::fd::{AsFd, AsRawFd as _};

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll as Selector, Token};

/// Returns when the other end of a pipe, a socket or a terminal is closed. A write would tell, too,
/// but there may be nothing to write for days. An error if it cannot be known: a file has no other
/// end.
pub fn wait_for_hangup(output: impl AsFd) -> io::Result<()> {
    let mut selector = Selector::new()?;
    let mut events = Events::with_capacity(1);
    let descriptor = output.as_fd().as_raw_fd();
    // A hang-up is reported unasked, but something has to be asked for.
    let interest = Interest::READABLE;
    selector.registry().register(&mut SourceFd(&descriptor), Token(0), interest)?;
    loop {
        match selector.poll(&mut events, None) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        if events.iter().any(|event| event.is_error() || event.is_write_closed()) {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    #[test]
    fn a_pipe_is_waited_for_until_its_reader_is_gone() {
        let (reader, writer) = io::pipe().unwrap();
        let waiting = std::thread::spawn(move || wait_for_hangup(writer));
        drop(reader);
        waiting.join().unwrap().unwrap();
        assert!(wait_for_hangup(File::open("Cargo.toml").unwrap()).is_err());
    }
}
