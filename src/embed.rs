//! Runs the chat inside another program.
//!
//! A [`Builder`] makes a server from a configuration and a store. It runs on a thread of its own
//! ([`Builder::spawn`]), on the present one ([`ChatServer::run`]), or step by step in the program's
//! own loop ([`ChatServer::step`]). The program talks to it through a [`Handle`]: it can be any
//! user ([`LocalUser`]), and can stop the server. Requests below paths of its own it answers itself
//! ([`Builder::route`]).
//!
//! The layers below know nothing of all this: [`handler`] stands between the
//! [`Server`] and the [`Chat`], and the binary has none of it.
//!
//! ```text
//!    Handle, LocalUser, Events            any thread
//!         | Letter      ^ answer
//!         v             |
//!    [ mailbox ] --> Embedded --> Chat    the server's thread, within its turns
//!                       ^
//!    sockets --> EventLoop + Server
//! ```

mod events;
mod handler;
mod mailbox;
mod routes;
mod user;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, RawFd};
use std::rc::Rc;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use mio::event::Source;
use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};

use crate::chat::Chat;
use crate::config::Config;
use crate::data::{OpenError, Store, StoreError};
use crate::event_loop::{BindError, EventLoop};
use crate::http::{Pages, Response};
use crate::server::Server;
use crate::system::{self, Clock, DataLock, DataLockError, Entropy};
use handler::Embedded;
use mailbox::{LETTERS_MAX, Mailbox};
use routes::Routes;

pub use events::Events;
pub use mailbox::{CallError, Pending};
pub use routes::Asked;
pub use user::{Handle, History, LocalUser, State};

/// Puts a server together.
///
/// ```
/// use lovejoy::{Builder, Config, Store};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let config = Config { listen: vec!["127.0.0.1:0".parse()?], ..Config::default() };
/// let server = Builder::new(config).store(Store::in_memory()?).spawn()?;
/// println!("http://{}", server.address());
/// server.stop()?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "it is not there until `bind` or `spawn`"]
pub struct Builder {
    config: Config,
    store: Option<Store>,
    routes: Routes,
    stop_at_signals: bool,
}

impl Builder {
    /// A server with these settings, on the store in its data folder.
    pub fn new(config: Config) -> Self {
        Self { config, store: None, routes: Routes::default(), stop_at_signals: false }
    }

    /// On another store, such as [`Store::in_memory`]. The data folder is then not touched.
    pub fn store(mut self, store: Store) -> Self {
        self.store = Some(store);
        self
    }

    /// Lets requests for this path, and everything below it, be answered by the program.
    ///
    /// They are answered on the server's thread, while everybody else waits: what takes more than a
    /// millisecond belongs on another thread, so that its outcome is at hand when it is asked for.
    ///
    /// ```
    /// use lovejoy::{Builder, Config, Payload, Response};
    ///
    /// let builder = Builder::new(Config::default()).route("/sensor", |asked| match asked.user {
    ///     Some(_) => Response::new(200).body("text/plain", Payload::Static(b"21.5")),
    ///     None => Response::new(401).with("WWW-Authenticate", "Bearer"),
    /// });
    /// ```
    pub fn route(
        mut self,
        prefix: &str,
        answer: impl FnMut(&Asked<'_>) -> Response + Send + 'static,
    ) -> Self {
        self.routes.add(prefix, Box::new(answer));
        self
    }

    /// Stops the server at SIGINT and SIGTERM, as the binary does. Unless this is asked for, the
    /// program's signals are its own.
    pub fn stop_at_signals(mut self) -> Self {
        self.stop_at_signals = true;
        self
    }

    /// Makes the server, and listens. From now on it belongs to this thread, and answers when it is
    /// run or stepped.
    pub fn bind(self) -> Result<ChatServer, BuildError> {
        let Self { mut config, store, routes, stop_at_signals } = self;
        if let Some(prefix) = routes.unusable() {
            return Err(BuildError::Route(prefix.to_owned()));
        }
        // Raising the limit itself is up to the program.
        config.fit(Some(system::descriptors_max()?)).map_err(io::Error::other)?;
        let config = Rc::new(config);
        let clock = Clock::new();
        let mut entropy = Entropy::system()?;
        let folder = (store.is_none() && !config.is_in_memory()).then_some(&config.data);
        let lock = folder.map(|folder| DataLock::acquire(folder)).transpose()?;
        let store = match store {
            Some(store) => store,
            None => Store::of(&config, u64::from_le_bytes(entropy.bytes()))?,
        };
        let pages = match &config.www {
            Some(folder) => Pages::folder(folder)?,
            None => Pages::embedded(),
        };
        let chat = Chat::new(Rc::clone(&config), store, pages, entropy, clock.now())?;

        let (stops, stop) = system::stop_stream()?;
        if stop_at_signals {
            system::stop_at_signals(stop.try_clone()?)?;
        }
        let (letters, receiver) = mpsc::sync_channel(LETTERS_MAX);
        let handler = Embedded::new(chat, Rc::clone(&config), routes, receiver);
        let server = Server::new(Rc::clone(&config), handler);
        let event_loop =
            EventLoop::bind(server, clock, stops, &config).map_err(BuildError::Listen)?;
        let mailbox = Mailbox::new(letters, event_loop.waker()?, stop);
        let handle = Handle::new(mailbox);
        Ok(ChatServer { event_loop, handle, has_ended: false, _lock: lock })
    }

    /// Makes the server on a thread of its own, and runs it there.
    pub fn spawn(self) -> Result<Running, BuildError> {
        let (sender, receiver) = mpsc::sync_channel(1);
        let serve = move || {
            let server = match self.bind() {
                Ok(server) => server,
                Err(error) => {
                    // invariant: `spawn` waits for it.
                    sender.send(Err(error)).expect("somebody waits");
                    return Ok(());
                }
            };
            let begun = server.address().map(|address| (server.handle(), address));
            sender.send(begun.map_err(BuildError::from)).expect("somebody waits");
            server.run()
        };
        let thread = thread::Builder::new().name("lovejoy".to_owned()).spawn(serve)?;
        // invariant: the thread sends, whatever happens.
        let (handle, address) = receiver.recv().expect("the server began, or says why not")?;
        Ok(Running { handle, address, thread: Some(thread) })
    }
}

/// A server that belongs to the thread that made it.
///
/// Either it has the thread to itself ([`run`](Self::run)), or it takes part in a loop: it is a
/// [`Source`] for `mio`, and for any other loop a descriptor ([`AsRawFd`]) that is readable when
/// there is something to do. Then, and when the time that the last step named is over, the program
/// calls [`step`](Self::step).
#[derive(Debug)]
pub struct ChatServer {
    event_loop: EventLoop<Embedded>,
    handle: Handle,
    has_ended: bool,
    _lock: Option<DataLock>,
}

/// What a server needs next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The next step is due when the server becomes readable, or after this time.
    Wait(Option<Duration>),
    /// It has stopped, and everybody who waited has been answered.
    Stopped,
}

impl ChatServer {
    /// To talk to it, from any thread.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Where it listens: the port is the system's choice where 0 was asked for.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.event_loop.local_address()
    }

    /// Serves until it is stopped.
    pub fn run(self) -> io::Result<()> {
        self.event_loop.run()
    }

    /// Does what there is to do, and does not wait.
    pub fn step(&mut self) -> io::Result<Step> {
        self.has_ended = self.has_ended || !self.event_loop.turn(Some(Duration::ZERO))?;
        Ok(if self.has_ended { Step::Stopped } else { Step::Wait(self.event_loop.timeout()) })
    }
}

impl AsRawFd for ChatServer {
    fn as_raw_fd(&self) -> RawFd {
        self.event_loop.as_raw_fd()
    }
}

impl Source for ChatServer {
    fn register(
        &mut self,
        registry: &Registry,
        token: Token,
        interest: Interest,
    ) -> io::Result<()> {
        SourceFd(&self.as_raw_fd()).register(registry, token, interest)
    }

    fn reregister(
        &mut self,
        registry: &Registry,
        token: Token,
        interest: Interest,
    ) -> io::Result<()> {
        SourceFd(&self.as_raw_fd()).reregister(registry, token, interest)
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        SourceFd(&self.as_raw_fd()).deregister(registry)
    }
}

/// A server on a thread of its own. It stops when this is dropped.
#[derive(Debug)]
pub struct Running {
    handle: Handle,
    address: SocketAddr,
    /// `None` once it has ended.
    thread: Option<JoinHandle<io::Result<()>>>,
}

impl Running {
    /// To talk to it, from any thread.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops it, and waits until everybody is answered.
    pub fn stop(self) -> io::Result<()> {
        self.handle.stop();
        self.wait()
    }

    /// Waits until it is stopped: by its handle, or by a signal.
    pub fn wait(mut self) -> io::Result<()> {
        self.join()
    }

    fn join(&mut self) -> io::Result<()> {
        let Some(thread) = self.thread.take() else { return Ok(()) };
        thread.join().unwrap_or_else(|_| Err(io::Error::other("the server has panicked")))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.thread.is_none() {
            return;
        }
        self.handle.stop();
        if let Err(error) = self.join() {
            log::error!("the server ended badly: {error}");
        }
    }
}

/// Why there is no server.
#[derive(Debug)]
#[non_exhaustive]
pub enum BuildError {
    /// Its address is not available.
    Listen(BindError),
    /// Its data folder is not available.
    Data(DataLockError),
    /// Its database cannot be opened.
    Open(OpenError),
    /// Its database cannot be read or written.
    Store(StoreError),
    /// A route is not a path, is there twice, or is the server's own.
    Route(String),
    /// The system refuses something else.
    System(io::Error),
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listen(error) => error.fmt(f),
            Self::Data(error) => error.fmt(f),
            Self::Open(error) => error.fmt(f),
            Self::Store(error) => error.fmt(f),
            Self::Route(prefix) => write!(f, "{prefix:?} cannot be a route of one's own"),
            Self::System(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for BuildError {}

impl From<DataLockError> for BuildError {
    fn from(error: DataLockError) -> Self {
        Self::Data(error)
    }
}

impl From<OpenError> for BuildError {
    fn from(error: OpenError) -> Self {
        Self::Open(error)
    }
}

impl From<StoreError> for BuildError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<io::Error> for BuildError {
    fn from(error: io::Error) -> Self {
        Self::System(error)
    }
}
