//! Lets connections in, by two doors: the address that everybody knows, and the control socket, a file
//! that only the operator can open.
//!
//! What is done to a connection from then on is the same, so one type holds the sockets of both.

use std::fs::{self, Permissions};
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use mio::net::{TcpListener, TcpStream, UnixListener};
use mio::{Interest, Registry, Token};

/// Where connections come in.
#[derive(Debug)]
pub(super) enum Door {
    /// For everybody.
    Public(TcpListener),
    /// For the operator, and the file that is removed when it closes.
    Control(UnixListener, PathBuf),
}

impl Door {
    /// Lets in whoever connects to a socket that listens.
    pub(super) fn public(
        mut listener: TcpListener,
        registry: &Registry,
        token: Token,
    ) -> io::Result<Self> {
        registry.register(&mut listener, token, Interest::READABLE)?;
        Ok(Self::Public(listener))
    }

    /// Listens by a file, in place of one that may be left from a server that was killed.
    pub(super) fn control(at: PathBuf, registry: &Registry, token: Token) -> io::Result<Self> {
        match fs::remove_file(&at) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut listener = UnixListener::bind(&at)?;
        fs::set_permissions(&at, Permissions::from_mode(0o600))?;
        registry.register(&mut listener, token, Interest::READABLE)?;
        Ok(Self::Control(listener, at))
    }

    /// Where it is, if everybody may know.
    pub(super) fn address(&self) -> Option<io::Result<SocketAddr>> {
        match self {
            Self::Public(listener) => Some(listener.local_addr()),
            Self::Control(..) => None,
        }
    }

    /// A connection, and from where it comes, unless from the operator.
    pub(super) fn accept(&self) -> io::Result<(TcpStream, Option<IpAddr>)> {
        match self {
            Self::Public(listener) => {
                let (stream, peer) = listener.accept()?;
                // Each answer is one write, and should leave at once. Where that cannot be had, the
                // connection is gone already.
                stream
                    .set_nodelay(true)
                    .map_err(|error| io::Error::new(ErrorKind::ConnectionAborted, error))?;
                Ok((stream, Some(peer.ip().to_canonical())))
            }
            Self::Control(listener, _) => {
                let (stream, _) = listener.accept()?;
                // The system calls are the same, whatever the family of the socket.
                let stream = std::net::TcpStream::from(OwnedFd::from(stream));
                Ok((TcpStream::from_std(stream), None))
            }
        }
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        if let Self::Control(_, path) = self
            && let Err(error) = fs::remove_file(&path)
        {
            log::debug!("{} is left behind: {error}", path.display());
        }
    }
}
