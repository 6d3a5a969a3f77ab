//! Writes as much to a socket as it takes, and keeps the rest for when it takes more. Does not know
//! whose bytes they are, nor what they say.

use std::io::ErrorKind;

use super::wire::Wire;
use crate::connection::Then;
use crate::pool::Part;

/// What is still to be written.
#[derive(Debug)]
pub(super) struct Rest {
    pub(super) bytes: Vec<u8>,
    /// How many of the bytes are written.
    pub(super) sent: usize,
    pub(super) tail: &'static [u8],
    pub(super) then: Then,
    /// The part of the pool for the bytes.
    pub(super) part: Part,
}

/// How far one write went.
pub(super) enum Progress {
    Done,
    Blocked { moved: bool },
    Broken,
}

impl Rest {
    /// Whether that is too much.
    pub(super) fn append(&mut self, bytes: &[u8], tail: &'static [u8], then: Then) -> bool {
        // `sent` counts over bytes and tail, so it goes on counting when the tail becomes bytes.
        self.bytes.extend_from_slice(self.tail);
        self.bytes.extend_from_slice(bytes);
        self.tail = tail;
        self.then = then;
        self.count()
    }

    /// Tells the pool how much it is. Returns whether that is too much.
    pub(super) fn count(&mut self) -> bool {
        self.part.set(size_of::<Self>() + self.bytes.capacity())
    }
}

/// Writes what comes after the first `sent` bytes of `bytes` and `tail` together.
pub(super) fn write_all(wire: &mut Wire, bytes: &[u8], tail: &[u8], sent: &mut usize) -> Progress {
    let before = *sent;
    loop {
        let in_bytes = (*sent).min(bytes.len());
        let (bytes, tail) = (&bytes[in_bytes..], &tail[*sent - in_bytes..]);
        let is_last = bytes.is_empty() && tail.is_empty();
        let written = if is_last { wire.flush().map(|()| 0) } else { wire.write(bytes, tail) };
        match written {
            Ok(_) if is_last => return Progress::Done,
            Ok(0) => return Progress::Broken,
            Ok(count) => *sent += count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                return Progress::Blocked { moved: *sent > before };
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return Progress::Broken,
        }
    }
}
