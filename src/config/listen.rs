//! Names where connections are accepted: an address with a port, or a socket in the file system.
//! Does not know how to listen there.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

/// Where connections are accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    /// An address and a port; 0 is any that is free.
    Tcp(SocketAddr),
    /// A file, for a proxy on this machine.
    Unix(PathBuf),
}

/// What a path begins with, to distinguish it from an address.
const UNIX: &str = "unix:";

impl FromStr for Listen {
    type Err = ListenError;

    fn from_str(text: &str) -> Result<Self, ListenError> {
        if let Some(path) = text.strip_prefix(UNIX) {
            return if path.is_empty() { Err(ListenError) } else { Ok(Self::Unix(path.into())) };
        }
        let local = |text: &str| {
            Some((Ipv4Addr::LOCALHOST, text.strip_prefix("localhost:")?.parse().ok()?))
        };
        let address = text.parse().ok().or_else(|| Some(SocketAddr::from(local(text)?)));
        address.map(Self::Tcp).ok_or(ListenError)
    }
}

impl From<SocketAddr> for Listen {
    fn from(address: SocketAddr) -> Self {
        Self::Tcp(address)
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "{UNIX}{}", path.display()),
        }
    }
}

/// It is neither of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListenError;

impl fmt::Display for ListenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("neither an address with a port, such as 127.0.0.1:8080, nor unix:PATH")
    }
}

impl std::error::Error for ListenError {}
