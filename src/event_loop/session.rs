//! Our side of a TLS connection, without its socket: records in, bytes out, and the other way
//! round.
//!
//! ```text
//!                 hello               the client's "finished"
//! [Expecting] ------------> [Shaking] -----------------------> [Open] ---> [Ended]  the client has said
//!      | no TLS at all         |                                 |                  that no more comes
//!      +-----------------------+------ what is wrong ------------+---> [Broken]  the connection is closed
//! ```
//!
//! The server may write until it closes its side, whatever the client has said.
//!
//! rustls does the cryptography and keeps no buffers here: the loop's own buffer is decrypted in
//! place. It must be given all that has come of a record at each call, and not be called after an
//! error, or it panics. Rules:
//! 1. Between two reads a session keeps at most the beginning of a record ([`RECORD_BYTES_MAX`]),
//!    and of what is to be sent at most a record and what the handshake adds. When idle, neither
//!    has memory. Both count in the pool that all connections share.
//! 2. Nothing is sealed before the handshake is over: until then the socket counts as full.

use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::{fmt, mem};

use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{
    AppDataRecord, ConnectionState, EncodeError, EncodeTlsData, UnbufferedStatus,
};
use rustls::{AlertDescription, Error, ServerConfig};

use crate::pool::Part;
use crate::system::Mono;

/// See the head of this file.
pub(super) struct Session {
    connection: UnbufferedServerConnection,
    /// The beginning of a record whose rest has not come.
    begun: Vec<u8>,
    /// Records that were not sent yet.
    sealed: Vec<u8>,
    stage: Stage,
    /// The last read did not fill the buffer.
    had_room: bool,
    /// Our side is closed.
    closed: bool,
    /// Until when the handshake may last.
    shaking_until: Mono,
    /// The part of the pool for the two buffers.
    part: Part,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// For the first byte.
    Expecting,
    Shaking,
    Open,
    Ended,
    /// Something was wrong. rustls is asked for nothing more.
    Broken,
}

/// The longest record: its head, 2^14 bytes, and what encryption may add (RFC 8446, section 5.2).
const RECORD_BYTES_MAX: usize = 5 + (1 << 14) + 256;

/// How much is sealed at a time: it makes one record.
const SEALED_AT_ONCE_MAX: usize = 1 << 14;

/// By how much a record is longer than its content, and some to spare.
const OVERHEAD: usize = 64;

/// The first byte of every handshake (RFC 8446, section 5.1).
const HANDSHAKE: u8 = 22;

/// For whoever came by `http://`. It is the only answer that they can read.
const PLAIN_ANSWER: &[u8] = b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\n\
    Content-Length: 45\r\nConnection: close\r\n\r\nThis port speaks HTTPS: begin with https://.\n";

impl Session {
    pub(super) fn new(
        config: Arc<ServerConfig>,
        shaking_until: Mono,
        part: Part,
    ) -> Result<Self, Error> {
        Ok(Self {
            connection: UnbufferedServerConnection::new(config)?,
            begun: Vec::new(),
            sealed: Vec::new(),
            stage: Stage::Expecting,
            had_room: true,
            closed: false,
            shaking_until,
            part,
        })
    }

    /// Tells the pool how much there is. An error if that is too much.
    pub(super) fn count(&mut self) -> io::Result<()> {
        let is_over = self.part.set(self.begun.capacity() + self.sealed.capacity());
        if is_over { Err(ErrorKind::OutOfMemory.into()) } else { Ok(()) }
    }

    /// Until when the handshake may last, if it goes on.
    pub(super) fn shaking_until(&self) -> Option<Mono> {
        self.is_shaking_hands().then_some(self.shaking_until)
    }

    fn is_shaking_hands(&self) -> bool {
        matches!(self.stage, Stage::Expecting | Stage::Shaking)
    }

    /// Whether the client has said that no more will come.
    pub(super) fn has_ended(&self) -> bool {
        self.stage == Stage::Ended
    }

    pub(super) fn note_room(&mut self, room: usize) {
        self.had_room = room > 0;
    }

    pub(super) fn had_room(&self) -> bool {
        self.had_room
    }

    /// Puts the beginning of a record at the front of a buffer, so that the rest is read after it.
    /// Returns how long it is.
    pub(super) fn put_back(&mut self, buffer: &mut [u8]) -> usize {
        let begun = mem::take(&mut self.begun);
        buffer[..begun.len()].copy_from_slice(&begun);
        begun.len()
    }

    /// Takes it back: there was no rest.
    pub(super) fn keep(&mut self, begun: &[u8]) {
        self.begun = begun.to_vec();
    }

    /// Opens the records in a buffer, and returns what is in them. It is destroyed.
    pub(super) fn open(&mut self, buffer: &mut [u8]) -> io::Result<Vec<u8>> {
        if self.stage == Stage::Broken {
            return Err(ErrorKind::BrokenPipe.into());
        }
        if self.stage == Stage::Expecting {
            self.begin(buffer.first())?;
        }
        let mut plain = Vec::new();
        let mut done = 0;
        loop {
            let UnbufferedStatus { mut discard, state } =
                self.connection.process_tls_records(&mut buffer[done..]);
            let mut goes_on = true;
            match state {
                Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                    while let Some(record) = traffic.next_record() {
                        // It is opened already.
                        let AppDataRecord { discard: further, payload } =
                            record.map_err(io::Error::other)?;
                        plain.extend_from_slice(payload);
                        discard += further;
                    }
                }
                Ok(ConnectionState::EncodeTlsData(mut data)) => {
                    encode(&mut self.sealed, &mut data)?;
                }
                Ok(ConnectionState::TransmitTlsData(data)) => data.done(),
                Ok(ConnectionState::PeerClosed) => self.stage = Stage::Ended,
                Ok(ConnectionState::WriteTraffic(_)) => {
                    if self.stage == Stage::Shaking {
                        self.stage = Stage::Open;
                    }
                    goes_on = false;
                }
                Ok(_) => goes_on = false,
                Err(error) => return Err(self.fail(error)),
            }
            done += discard;
            if !goes_on {
                break;
            }
        }
        let begun = &buffer[done..];
        if begun.len() > RECORD_BYTES_MAX {
            self.stage = Stage::Broken;
            return Err(io::Error::new(ErrorKind::InvalidData, "a handshake without end"));
        }
        self.begun = begun.to_vec();
        Ok(plain)
    }

    /// Judges the first byte. Whoever seems to speak HTTP without TLS is told so.
    fn begin(&mut self, first: Option<&u8>) -> io::Result<()> {
        match first {
            Some(&HANDSHAKE) | None => {
                self.stage = Stage::Shaking;
                Ok(())
            }
            Some(first) => {
                if first.is_ascii_uppercase() {
                    self.sealed.extend_from_slice(PLAIN_ANSWER);
                }
                self.stage = Stage::Broken;
                Err(io::Error::new(ErrorKind::InvalidData, "no TLS"))
            }
        }
    }

    /// Seals some of what is to be sent, and returns how much of it.
    pub(super) fn seal(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let bytes = &bytes[..bytes.len().min(SEALED_AT_ONCE_MAX)];
        self.write(Some(bytes))?;
        Ok(bytes.len())
    }

    /// Seals that nothing more comes, once.
    pub(super) fn close(&mut self) {
        if !mem::replace(&mut self.closed, true) && !self.is_shaking_hands() {
            // Those who cannot be told find out by the end of the connection.
            let _ = self.write(None);
        }
    }

    /// What is to be sent.
    pub(super) fn sealed(&self) -> &[u8] {
        &self.sealed
    }

    /// So much of it was sent.
    pub(super) fn sent(&mut self, count: usize) {
        if count == self.sealed.len() {
            self.sealed = Vec::new();
        } else {
            self.sealed.drain(..count);
        }
    }

    /// Nothing more is done. The client is told why, as long as it can be told unencrypted.
    fn fail(&mut self, error: Error) -> io::Error {
        if self.is_shaking_hands() {
            self.sealed.extend_from_slice(&alert(&error));
        }
        self.stage = Stage::Broken;
        io::Error::new(ErrorKind::InvalidData, error)
    }

    /// Appends a record with these bytes to what is to be sent; or, without any, the alert that no
    /// more comes.
    fn write(&mut self, bytes: Option<&[u8]>) -> io::Result<()> {
        loop {
            if self.stage == Stage::Broken {
                return Err(ErrorKind::BrokenPipe.into());
            }
            // What has come of a record has to be there at each call.
            let UnbufferedStatus { discard, state } =
                self.connection.process_tls_records(&mut self.begun);
            let done = match state {
                Ok(ConnectionState::EncodeTlsData(mut data)) => {
                    encode(&mut self.sealed, &mut data)?;
                    false
                }
                Ok(ConnectionState::TransmitTlsData(data)) => {
                    data.done();
                    false
                }
                // It was seen when the records were opened.
                Ok(ConnectionState::PeerClosed) => false,
                Ok(ConnectionState::WriteTraffic(mut traffic)) => {
                    let start = self.sealed.len();
                    self.sealed.resize(start + bytes.map_or(0, <[u8]>::len) + OVERHEAD, 0);
                    let room = &mut self.sealed[start..];
                    let written = match bytes {
                        Some(bytes) => traffic.encrypt(bytes, room),
                        None => traffic.queue_close_notify(room),
                    };
                    self.sealed.truncate(start + written.as_ref().copied().unwrap_or(0));
                    written.map_err(io::Error::other)?;
                    true
                }
                Ok(ConnectionState::BlockedHandshake) => return Err(ErrorKind::WouldBlock.into()),
                Ok(_) => return Err(ErrorKind::BrokenPipe.into()),
                Err(error) => return Err(self.fail(error)),
            };
            self.begun.drain(..discard);
            if done {
                return Ok(());
            }
        }
    }
}

impl fmt::Debug for Session {
    /// Says nothing of keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("stage", &self.stage).finish_non_exhaustive()
    }
}

/// Appends a part of the handshake to what is to be sent.
fn encode(
    sealed: &mut Vec<u8>,
    data: &mut EncodeTlsData<'_, ServerConnectionData>,
) -> io::Result<()> {
    let start = sealed.len();
    let mut result = data.encode(&mut []);
    if let Err(EncodeError::InsufficientSize(needed)) = result {
        sealed.resize(start + needed.required_size, 0);
        result = data.encode(&mut sealed[start..]);
    }
    result.map(drop).map_err(io::Error::other)
}

/// The alert for an error (RFC 8446, section 6), as a record that is not encrypted: during the
/// handshake that is understood.
fn alert(error: &Error) -> [u8; 7] {
    let description = match error {
        Error::PeerIncompatible(_) => AlertDescription::ProtocolVersion,
        Error::NoApplicationProtocol => AlertDescription::NoApplicationProtocol,
        Error::InvalidMessage(_) => AlertDescription::DecodeError,
        _ => AlertDescription::HandshakeFailure,
    };
    [21, 3, 3, 0, 2, 2, u8::from(description)]
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::path::Path;

    use rustls::client::ClientConnection;
    use rustls::crypto::ring;
    use rustls::pki_types::pem::PemObject as _;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
    use rustls::{ClientConfig, RootCertStore};

    use super::*;
    use crate::pool::Pool;

    fn pair(fragment: usize) -> (ClientConnection, Session) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/tls");
        let certificate = CertificateDer::from_pem_file(folder.join("one.crt")).unwrap();
        let key = PrivateKeyDer::from_pem_file(folder.join("one.key")).unwrap();
        let provider = Arc::new(ring::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(certificate.clone()).unwrap();
        let client = ClientConfig::builder_with_provider(Arc::clone(&provider));
        let client = client.with_safe_default_protocol_versions().unwrap();
        let mut client = client.with_root_certificates(roots).with_no_client_auth();
        client.max_fragment_size = Some(fragment);
        let server = ServerConfig::builder_with_provider(provider);
        let server = server.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
        let server = Arc::new(server.with_single_cert(vec![certificate], key).unwrap());
        let name = ServerName::try_from("localhost").unwrap();
        let client = ClientConnection::new(Arc::new(client), name).unwrap();
        let part = Part::new(&Pool::new(1024 * 1024));
        (client, Session::new(server, Mono(7), part).unwrap())
    }

    /// Gives the server some bytes, as the wire does.
    fn give(session: &mut Session, bytes: &[u8]) -> io::Result<Vec<u8>> {
        let mut buffer = vec![0; 64 * 1024];
        let begun = session.put_back(&mut buffer);
        buffer[begun..begun + bytes.len()].copy_from_slice(bytes);
        session.open(&mut buffer[..begun + bytes.len()])
    }

    fn take(client: &mut ClientConnection, session: &mut Session) -> Vec<u8> {
        let sealed = session.sealed().to_vec();
        session.sent(sealed.len());
        let mut sealed = &sealed[..];
        let mut plain = Vec::new();
        while !sealed.is_empty() {
            client.read_tls(&mut sealed).unwrap();
            client.process_new_packets().unwrap();
            let _ = client.reader().read_to_end(&mut plain);
        }
        plain
    }

    fn is_broken(error: &io::Error) -> bool {
        error.kind() == ErrorKind::BrokenPipe
    }

    fn records(client: &mut ClientConnection) -> Vec<u8> {
        let mut records = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut records).unwrap();
        }
        records
    }

    #[test]
    fn records_may_come_in_any_pieces_and_idle_nothing_is_kept() {
        for (fragment, piece) in [(32, 1), (32, 50), (16_384, 1), (16_384, 7), (16_384, 60_000)] {
            let (mut client, mut session) = pair(fragment);
            client.writer().write_all(&[b'x'; 5000]).unwrap();
            let mut plain = Vec::new();
            while plain.len() < 5000 {
                let records = records(&mut client);
                assert!(!records.is_empty());
                for piece in records.chunks(piece) {
                    if session.shaking_until() == Some(Mono(7)) {
                        let early = session.seal(b"early").unwrap_err();
                        assert_eq!(early.kind(), ErrorKind::WouldBlock);
                    }
                    plain.extend(give(&mut session, piece).unwrap());
                }
                take(&mut client, &mut session);
            }
            assert_eq!((plain, session.shaking_until()), (vec![b'x'; 5000], None));
            let long = vec![b'y'; 40_000];
            assert_eq!(session.seal(&long).unwrap(), SEALED_AT_ONCE_MAX);
            session.close();
            session.close();
            assert_eq!(take(&mut client, &mut session), &long[..SEALED_AT_ONCE_MAX]);
            client.send_close_notify();
            assert_eq!(give(&mut session, &records(&mut client)).unwrap(), b"");
            assert!(session.has_ended());
            let kept = [session.begun.capacity(), session.sealed.capacity()];
            assert_eq!(kept, [0, 0]);
        }
    }

    /// A flipped bit anywhere is an error, which the client is told; never a panic, nor a wrong
    /// byte.
    #[test]
    fn what_was_changed_on_its_way_is_refused() {
        let (mut client, mut session) = pair(64);
        let hello = records(&mut client);
        for index in 0..hello.len() {
            for piece in [hello.len(), 40] {
                let mut changed = hello.clone();
                changed[index] ^= 1 << (index % 8);
                let (_, mut session) = pair(64);
                let mut refused = false;
                for piece in changed.chunks(piece) {
                    refused |= session.seal(b"early").is_err_and(|error| is_broken(&error));
                    refused |= give(&mut session, piece).is_err();
                }
                session.close();
                // Or nothing is wrong so far: the rest of it is waited for, or its key exchange
                // will fail.
                assert!(refused || session.shaking_until().is_some());
                assert!(!refused || matches!(session.sealed(), [] | [21, 3, 3, 0, 2, 2, _]));
            }
        }
        give(&mut session, &hello).unwrap();
        take(&mut client, &mut session);
        client.writer().write_all(b"some words").unwrap();
        let mut words = records(&mut client);
        *words.last_mut().unwrap() ^= 1;
        assert_eq!(give(&mut session, &words).unwrap_err().kind(), ErrorKind::InvalidData);
        assert_eq!(session.seal(b"more").unwrap_err().kind(), ErrorKind::BrokenPipe);
    }

    #[test]
    fn who_comes_without_tls_is_told_in_whole() {
        let (_, mut session) = pair(64);
        assert!(give(&mut session, b"GET / HTTP/1.1\r\n").is_err());
        let answer = str::from_utf8(session.sealed()).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("Content-Length: {}\r\n", body.len())), "{answer}");
    }
}
