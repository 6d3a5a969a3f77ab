//! A comet chat server in one small binary.
//!
//! *Comet* is a web server that speaks without being asked: the browser keeps one request open, and
//! the server answers it the moment there is something to say. This crate is a chat built on that,
//! from the socket to the disk, with one thread and without a framework; and it is meant to be
//! read.
//!
//! # The tour
//!
//! ```text
//! socket -bytes-> event_loop -Input-> server -Request-> chat -> web -Call-> logic -SQL-> data
//!                                                        |                    |
//!                              answer at once <----------+--------- Reply <---+
//!                              or wait: comet.hold <-----+
//!                              commit, comet.release, ask again
//! socket <-bytes- event_loop <-Output- server <-Response- chat <- web <- Reply
//! ```
//!
//! | layer | what it is | what it does not know |
//! |---|---|---|
//! | [`event_loop`] | sockets, readiness, `mio` | HTTP |
//! | [`server`], [`connection`] | HTTP connections and their deadlines, turn by turn | sockets, the chat |
//! | [`chat`] | the phases of a turn: decide, commit, release | bytes, SQL, JSON |
//! | [`web`] | paths, JSON, status codes | the store, the rules |
//! | [`comet`] | **who waits**: polls are held and released here | HTTP, SQL |
//! | [`logic`], [`presence`] | what a user may do, and who is told | HTTP, SQL |
//! | [`data`] | SQLite: one transaction per turn | the rules |
//! | [`entity`] | ids, texts, messages, events, cursors | everything else |
//! | [`http`] | bytes to requests, responses to bytes, static pages | the chat, sockets |
//! | [`operator`] | the operator's commands, whether a server runs or not | how they are done |
//! | [`system`], [`service`], [`timers`], [`pool`], [`config`], [`logger`] | clock, entropy, signals; service managers; deadlines; bytes kept for peers; settings; log | |
//! | [`lab`] | what the lab shows of the inside, and the faults one can ask for there | HTTP, SQL |
//! | [`metrics`] | counts what is done, for `/metrics` | how it is written |
//! | [`chunks`], [`map`] | many small things; only those that exist cost memory | what they are |
//! | [`digits`] | numbers, written out | what they count |
//!
//! Among the first eight rows imports point downwards, with one exception: the chat implements the
//! [`server::Handler`] that the server asks. The rows below serve all of them. Time, randomness and
//! bytes are arguments: [`server::Server`] opens no socket and reads no clock, so a test can play
//! its network and its clock.
//!
//! # Reading order
//!
//! Ten minutes for the comet: `www/poll.js` (the client that asks), [`comet`] (the server that
//! waits), [`chat`] (the turn around it), [`server`] and [`connection`] (the sockets' states),
//! [`event_loop`] (which, with its folder, is all that touches sockets). Then `logic/events.rs` for
//! what a poll is answered with, and [`entity::Cursor`] for why nothing is lost between two polls.
//! `docs/tour` takes that way step by step, with the pitfalls and with exercises.
//!
//! # In your own program
//!
//! The chat runs inside another program: on a thread of its own, or step by step in the program's
//! own loop. The program can be any user in it, and can answer requests itself.
//!
//! ```
//! use lovejoy::{Builder, Config, Event, Store};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let config = Config { listen: vec!["127.0.0.1:0".parse()?], ..Config::default() };
//! let server = Builder::new(config).store(Store::in_memory()?).spawn()?;
//! println!("People come by the browser, to http://{}", server.address());
//!
//! // Two who live in this program.
//! let sensor = server.handle().user("sensor").wait()?;
//! let keeper = server.handle().user("keeper").wait()?;
//! sensor.befriend("keeper").wait()?;
//! let room = keeper.befriend("sensor").wait()?.conversation_id.expect("friends have one");
//!
//! let mut events = keeper.events();
//! sensor.send(room, "21.5 °C").wait()?; // It is stored now.
//! let heard = events.find_map(|event| match event {
//!     Ok(Event::Message(message)) => Some(message.body.clone()),
//!     _ => None,
//! });
//! assert_eq!(heard.as_deref(), Some("21.5 °C"));
//! server.stop()?;
//! # Ok(())
//! # }
//! ```
//!
//! | to | there is |
//! |---|---|
//! | put a server together | [`Builder`], from a [`Config`] and a [`Store`] |
//! | run it on a thread of its own, or on this one | [`Builder::spawn`], [`ChatServer::run`] |
//! | let it take part in a loop (`mio`, or any other) | [`ChatServer::step`] |
//! | be somebody in it: say something, hear everything | [`Handle::user`], [`LocalUser`], [`Events`] |
//! | answer requests below a path of one's own | [`Builder::route`] |
//! | stop it | [`Handle::stop`] |
//! | hold and release polls of one's own | [`comet`], without a server |
//! | serve something else with the loop and its HTTP | [`server::Handler`] |
//!
//! In `examples/`: `embed.rs` is a sensor that chats its readings, `own_loop.rs` runs the chat
//! beside another socket on one thread, `echo.rs` puts another handler on the loop.
//!
//! A program that wants SQLite as small as in the binary copies `.cargo/config.toml`.
//!
//! # What is promised
//!
//! What is named at the root of the crate is its public interface and follows [semantic
//! versioning](https://semver.org): while the version is 0.x, only a new x may break it. So do the
//! web service (`docs/api.md`), the options, and the database: a version opens the database of
//! every earlier one. New fields of [`Config`] and new kinds of [`Event`] and of errors break
//! nothing; a `Config` is made with `..Config::default()`. `mio` 1 is part of the interface.
//!
//! The modules are the layers of the tour. They are there to be read, tested and, at your own risk,
//! built upon; they may change with any version.

pub mod chat;
pub mod chunks;
pub mod comet;
pub mod config;
pub mod connection;
pub mod data;
pub mod digits;
mod embed;
pub mod entity;
pub mod event_loop;
pub mod http;
pub mod lab;
pub mod logger;
pub mod logic;
pub mod map;
pub mod metrics;
pub mod operator;
pub mod pool;
pub mod presence;
pub mod server;
pub mod service;
pub mod system;
pub mod timers;
pub mod web;

pub use config::{Config, Durability, Registration};
pub use data::{OpenError, Store, StoreError};
pub use embed::{
    Asked, BuildError, Builder, CallError, ChatServer, Events, Handle, History, LocalUser, Pending,
    Running, State, Step,
};
pub use entity::{
    Conversation, ConversationId, Event, Friend, FriendState, Kind, LastSeen, Member, Message,
    MessageId, Role, TextError, Timestamp, User, UserId,
};
pub use http::{Body, Method, Payload, Request, Response};
pub use logic::Refusal;
pub use system::DataLockError;
