//! Works with a service manager that follows systemd's two protocols: it may hand down sockets that
//! listen already, and may want to know when the server is ready.
//!
//! The manager goes on holding the sockets while one server ends and the next begins. Whoever
//! connects in between waits, and is not refused.
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
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener};

use listenfd::ListenFd;

/// A socket that was handed down, and listens already.
#[derive(Debug)]
pub enum Inherited {
    /// At an address.
    Tcp(TcpListener),
    /// At a file.
    Unix(UnixListener),
}

/// The sockets that were handed down, in order. Something else among them is an error.
pub fn inherited() -> io::Result<Vec<Inherited>> {
    let mut handed = ListenFd::from_env();
    let mut inherited = Vec::new();
    for index in 0..handed.len() {
        if let Ok(listener) = handed.take_tcp_listener(index) {
            inherited.extend(listener.map(Inherited::Tcp));
        } else {
            inherited.extend(handed.take_unix_listener(index)?.map(Inherited::Unix));
        }
    }
    Ok(inherited)
}

/// Tells the manager, if there is one that wants to know. That it cannot be told is no reason not
/// to serve.
pub fn notify(state: &str) {
    let Some(path) = env::var_os("NOTIFY_SOCKET") else { return };
    let told = address(path.as_bytes())
        .and_then(|address| UnixDatagram::unbound()?.send_to_addr(state.as_bytes(), &address));
    if let Err(error) = told {
        log::warn!("the service manager could not be told: {error}");
    }
}

/// A path, or after an `@` a name in Linux's abstract space.
fn address(path: &[u8]) -> io::Result<SocketAddr> {
    match path.strip_prefix(b"@") {
        #[cfg(target_os = "linux")]
        Some(name) => SocketAddr::from_abstract_name(name),
        _ => SocketAddr::from_pathname(OsStr::from_bytes(path)),
    }
}
