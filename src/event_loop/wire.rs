//! A connection's socket, with TLS on it or, as usual, without.
//!
//! Without the feature `tls` it is the socket and nothing else. With it, what is read is decrypted
//! and what is written is encrypted, and the reader and writer do not notice: while TLS has
//! something to do first, the socket seems empty, or full.

#[cfg(not(feature = "tls"))]
use std::io::IoSlice;
use std::io::{self, Read as _, Write as _};
use std::net::Shutdown;

use mio::net::TcpStream;

#[cfg(feature = "tls")]
use super::session::Session;
#[cfg(feature = "tls")]
use crate::system::Mono;

/// One socket.
#[derive(Debug)]
pub(super) struct Wire {
    stream: TcpStream,
    #[cfg(feature = "tls")]
    session: Option<Box<Session>>,
}

#[cfg(not(feature = "tls"))]
impl Wire {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self { stream }
    }

    /// Reads what there is, into a buffer that takes at least a record of TLS.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.read(buffer)
    }

    /// Whether such a read has left nothing to be read.
    #[expect(clippy::unused_self, reason = "with TLS on it, what was read tells less")]
    pub(super) fn is_emptied_by(&self, count: usize, buffer: usize) -> bool {
        count < buffer
    }

    /// Writes some of the first, or of both.
    pub(super) fn write(&mut self, bytes: &[u8], tail: &[u8]) -> io::Result<usize> {
        if tail.is_empty() {
            self.stream.write(bytes)
        } else {
            self.stream.write_vectored(&[IoSlice::new(bytes), IoSlice::new(tail)])
        }
    }

    /// Hands over what was written. An error of kind `WouldBlock` if there is no room for it.
    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "TLS has something to do")]
    pub(super) fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }

    /// Closes our side.
    pub(super) fn shut_down(&mut self) -> io::Result<()> {
        self.stream.shutdown(Shutdown::Write)
    }
}

#[cfg(feature = "tls")]
impl Wire {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self { stream, session: None }
    }

    /// A socket on which the client begins with a handshake.
    pub(super) fn secured(stream: TcpStream, session: Session) -> Self {
        Self { stream, session: Some(Box::new(session)) }
    }

    /// Until when the handshake may last, if one goes on.
    pub(super) fn shaking_until(&self) -> Option<Mono> {
        self.session.as_ref()?.shaking_until()
    }

    /// Reads what there is, into a buffer that takes at least a record of TLS. An error of the kind
    /// `Interrupted` where what came is of no concern to HTTP.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(session) = &mut self.session else { return self.stream.read(buffer) };
        if session.has_ended() {
            return Ok(0);
        }
        let begun = session.put_back(buffer);
        let count = match self.stream.read(&mut buffer[begun..]) {
            Ok(count) => count,
            Err(error) => {
                session.keep(&buffer[..begun]);
                return Err(error);
            }
        };
        // The end of the connection without a word of TLS before it: each request says how long it
        // is, so nothing can be cut off unnoticed.
        if count == 0 {
            return Ok(0);
        }
        session.note_room(buffer.len() - begun - count);
        let opened = session.open(&mut buffer[..begun + count]);
        // An answer to the handshake, or what is wrong.
        let sent = send(&mut self.stream, session);
        let plain = match opened {
            Ok(plain) => plain,
            Err(error) => {
                let _ = self.stream.shutdown(Shutdown::Write);
                return Err(error);
            }
        };
        sent.or_else(|error| is_full(&error).then_some(()).ok_or(error))?;
        session.count()?;
        match plain.len() {
            0 if session.has_ended() => Ok(0),
            0 => Err(io::ErrorKind::Interrupted.into()),
            count => {
                buffer[..count].copy_from_slice(&plain);
                Ok(count)
            }
        }
    }

    /// Whether such a read has left nothing to be read.
    pub(super) fn is_emptied_by(&self, count: usize, buffer: usize) -> bool {
        match &self.session {
            None => count < buffer,
            Some(session) => session.had_room() && !session.has_ended(),
        }
    }

    /// Writes some of the first, or of the second.
    pub(super) fn write(&mut self, bytes: &[u8], tail: &[u8]) -> io::Result<usize> {
        let bytes = if bytes.is_empty() { tail } else { bytes };
        let Some(session) = &mut self.session else { return self.stream.write(bytes) };
        // No more than a record waits here; the rest is the caller's to keep.
        send(&mut self.stream, session)?;
        let sealed = session.seal(bytes)?;
        match send(&mut self.stream, session) {
            Err(error) if !is_full(&error) => Err(error),
            _ => session.count().map(|()| sealed),
        }
    }

    /// Hands over what was written. An error of kind `WouldBlock` if there is no room for it.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        let Some(session) = &mut self.session else { return Ok(()) };
        send(&mut self.stream, session)?;
        session.count()
    }

    /// Closes our side.
    pub(super) fn shut_down(&mut self) -> io::Result<()> {
        self.say_goodbye();
        self.stream.shutdown(Shutdown::Write)
    }

    /// Says in TLS, too, that nothing more comes, if there is room for it.
    fn say_goodbye(&mut self) {
        if let Some(session) = &mut self.session {
            session.close();
            let _ = send(&mut self.stream, session);
        }
    }
}

#[cfg(feature = "tls")]
impl Drop for Wire {
    fn drop(&mut self) {
        self.say_goodbye();
    }
}

/// Sends what is sealed.
#[cfg(feature = "tls")]
fn send(stream: &mut TcpStream, session: &mut Session) -> io::Result<()> {
    while !session.sealed().is_empty() {
        match stream.write(session.sealed()) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => session.sent(count),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(feature = "tls")]
fn is_full(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock
}
