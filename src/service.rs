//! Gets on with a service manager that follows systemd's two protocols: it may hand down a socket that
//! listens already, and may want to know when the server is ready.
//!
//! The manager goes on holding the socket while one server ends and the next begins. Who connects in
//! between waits, and is not refused.
//!
//! Both are environment variables: `LISTEN_FDS` with `LISTEN_PID` (`sd_listen_fds(3)`), and
//! `NOTIFY_SOCKET` (`sd_notify(3)`). Without them nothing happens.

use std::env;
use std::ffi::OsStr;
use std::io;
use std::net::TcpListener;
#[cfg(target_os = "linux")]
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use listenfd::ListenFd;

/// The socket that was handed down, if one was: the first, if there are several.
pub fn inherited_listener() -> io::Result<Option<TcpListener>> {
    ListenFd::from_env().take_tcp_listener(0)
}

/// Tells the manager, if there is one that wants to know. One that cannot be told is no reason not to
/// serve.
pub fn notify(state: &str) {
    let Some(path) = env::var_os("NOTIFY_SOCKET") else { return };
    let told = address(path.as_bytes())
        .and_then(|address| UnixDatagram::unbound()?.send_to_addr(state.as_bytes(), &address));
    if let Err(error) = told {
        log::warn!("the service manager could not be told: {error}");
    }
}

/// A path, or behind an `@` a name in Linux's abstract space.
fn address(path: &[u8]) -> io::Result<SocketAddr> {
    match path.strip_prefix(b"@") {
        #[cfg(target_os = "linux")]
        Some(name) => SocketAddr::from_abstract_name(name),
        _ => SocketAddr::from_pathname(OsStr::from_bytes(path)),
    }
}
