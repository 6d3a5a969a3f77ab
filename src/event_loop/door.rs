//! Lets connections in by doors of three kinds: for everybody, for whoever reads the figures, and
//! for the operator alone (the control socket, a file that nobody else can open). Each is an
//! address or a file.
//!
//! From then on all connections are treated alike, so one type holds the sockets of all.

use std::fmt;
use std::fs::{self, Permissions};
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use mio::event::Source;
use mio::net::{TcpListener, TcpStream, UnixListener};
use mio::{Interest, Registry, Token};

use crate::config::Listen;
use crate::service::Inherited;

/// Where connections come in.
#[derive(Debug)]
pub(super) struct Door {
    listener: Listener,
    kind: Kind,
}

#[derive(Debug)]
enum Listener {
    Tcp(TcpListener),
    /// With its file, if that is removed when it closes.
    Unix(UnixListener, Option<PathBuf>),
}

/// For whom a door is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Public,
    Metrics,
    Control,
}

/// Who has come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Visitor {
    /// Anybody, from there.
    Peer(IpAddr),
    /// Somebody who reads the figures.
    Monitor,
    Operator,
}

impl Door {
    /// Lets in whoever connects to a socket that listens already. Its file stays when it closes:
    /// whoever made it goes on listening.
    pub(super) fn inherited(
        listener: Inherited,
        registry: &Registry,
        token: Token,
    ) -> io::Result<Self> {
        let listener = match listener {
            Inherited::Tcp(listener) => {
                listener.set_nonblocking(true)?;
                Listener::Tcp(TcpListener::from_std(listener))
            }
            Inherited::Unix(listener) => {
                listener.set_nonblocking(true)?;
                Listener::Unix(UnixListener::from_std(listener), None)
            }
        };
        Self::register(listener, Kind::Public, registry, token)
    }

    /// Listens, for everybody or for whoever reads the figures.
    pub(super) fn open(
        at: &Listen,
        kind: Kind,
        registry: &Registry,
        token: Token,
    ) -> io::Result<Self> {
        let listener = match at {
            Listen::Tcp(address) => Listener::Tcp(TcpListener::bind(*address)?),
            Listen::Unix(path) => {
                remove_stale(path)?;
                // As open as a port of this machine: its folder says who may reach it.
                bind(path, 0o666)?
            }
        };
        Self::register(listener, kind, registry, token)
    }

    /// Listens for the operator at a file, in place of one that a killed server may have left.
    pub(super) fn control(at: &Path, registry: &Registry, token: Token) -> io::Result<Self> {
        remove(at)?;
        Self::register(bind(at, 0o600)?, Kind::Control, registry, token)
    }

    fn register(
        mut listener: Listener,
        kind: Kind,
        registry: &Registry,
        token: Token,
    ) -> io::Result<Self> {
        let source: &mut dyn Source = match &mut listener {
            Listener::Tcp(listener) => listener,
            Listener::Unix(listener, _) => listener,
        };
        registry.register(source, token, Interest::READABLE)?;
        Ok(Self { listener, kind })
    }

    /// Where it is, if it is for everybody.
    pub(super) fn public(&self) -> Option<io::Result<Listen>> {
        (self.kind == Kind::Public).then(|| match &self.listener {
            Listener::Tcp(listener) => listener.local_addr().map(Listen::Tcp),
            Listener::Unix(listener, _) => listener.local_addr().map(|address| {
                // Without a path it is a name in Linux's abstract space.
                Listen::Unix(address.as_pathname().unwrap_or(Path::new("@")).to_owned())
            }),
        })
    }

    /// Whether anybody can come in by it from other machines: the other doors need no secrets.
    #[cfg(feature = "tls")]
    pub(super) fn is_of_the_network(&self) -> bool {
        self.kind == Kind::Public && matches!(self.listener, Listener::Tcp(_))
    }

    /// Accepts a connection, and says who it is.
    pub(super) fn accept(&self) -> io::Result<(TcpStream, Visitor)> {
        let (stream, address) = match &self.listener {
            Listener::Tcp(listener) => {
                let (stream, peer) = listener.accept()?;
                // Each answer is one write, and should leave at once. If that cannot be set, the
                // connection is gone already.
                stream
                    .set_nodelay(true)
                    .map_err(|error| io::Error::new(ErrorKind::ConnectionAborted, error))?;
                (stream, peer.ip().to_canonical())
            }
            Listener::Unix(listener, _) => {
                let (stream, _) = listener.accept()?;
                // The system calls are the same, whatever the family of the socket. Whoever has
                // come is on this machine.
                let stream = std::net::TcpStream::from(OwnedFd::from(stream));
                (TcpStream::from_std(stream), IpAddr::V4(Ipv4Addr::LOCALHOST))
            }
        };
        let visitor = match self.kind {
            Kind::Public => Visitor::Peer(address),
            Kind::Metrics => Visitor::Monitor,
            Kind::Control => Visitor::Operator,
        };
        Ok((stream, visitor))
    }
}

fn bind(at: &Path, mode: u32) -> io::Result<Listener> {
    let listener = UnixListener::bind(at)?;
    fs::set_permissions(at, Permissions::from_mode(mode))?;
    Ok(Listener::Unix(listener, Some(at.to_owned())))
}

/// Removes a socket at which nobody listens, left by a server that was killed. What is not a socket
/// stays, and so does one that somebody listens at.
fn remove_stale(at: &Path) -> io::Result<()> {
    match fs::symlink_metadata(at) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
        Ok(found) if !found.file_type().is_socket() => {
            return Err(io::Error::new(
                ErrorKind::AlreadyExists,
                "there is a file that is no socket",
            ));
        }
        Ok(_) => {}
    }
    match UnixStream::connect(at) {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => remove(at),
        Err(error) => Err(error),
        Ok(_) => Err(io::Error::new(ErrorKind::AddrInUse, "another process listens there")),
    }
}

fn remove(at: &Path) -> io::Result<()> {
    match fs::remove_file(at) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        if let Listener::Unix(_, Some(path)) = &self.listener
            && let Err(error) = fs::remove_file(path)
        {
            log::debug!("{} is left behind: {error}", path.display());
        }
    }
}

/// Why the server could not listen, and on which address, if one is to blame.
#[derive(Debug)]
pub struct BindError {
    pub(super) at: Option<Listen>,
    pub(super) error: io::Error,
}

impl From<io::Error> for BindError {
    fn from(error: io::Error) -> Self {
        Self { at: None, error }
    }
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.at {
            Some(at) => write!(f, "cannot listen on {at}: {}", self.error),
            None => self.error.fmt(f),
        }
    }
}

impl std::error::Error for BindError {}
