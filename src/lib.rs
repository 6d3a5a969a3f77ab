//! A comet chat server in one small binary.
//!
//! *Comet* is a web server that speaks without being asked: the browser keeps one request open, and
//! the server answers it the moment there is something to say. This crate is a chat built on that,
//! from the socket to the disk, with one thread and without a framework; and it is meant to be read.
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
//! | [`comet`] | **who waits**: polls are held and released here | HTTP, SQL |
//! | [`web`] | paths, JSON, status codes | the store, the rules |
//! | [`logic`], [`presence`] | what a user may do, and who is told | HTTP, SQL |
//! | [`data`] | SQLite: one transaction a turn | the rules |
//! | [`entity`] | ids, texts, messages, events, cursors | everything else |
//! | [`http`] | bytes to requests, responses to bytes, static pages | the chat, sockets |
//! | [`operator`] | the operator's commands, for a server that runs or none | how they are done |
//! | [`system`], [`timers`], [`config`], [`logger`] | clock, entropy, signals; deadlines; settings; log | |
//! | [`metrics`] | counts what is done, for `/metrics` | how it is written |
//! | [`chunks`], [`map`] | many small things, at the cost of those that are there | what they are |
//!
//! Imports point downwards only. Time, randomness and bytes are arguments: [`server::Server`] opens no
//! socket and reads no clock, so a test is its network and its time.
//!
//! # Reading order
//!
//! Ten minutes for the comet: `www/poll.js` (the client that asks), [`comet`] (the server that waits),
//! [`chat`] (the turn around it), [`server`] and [`connection`] (the sockets' states), [`event_loop`]
//! (the only file that touches them). Then `logic/events.rs` for what a poll is answered with, and
//! [`entity::Cursor`] for why nothing is lost between two of them.
//!
//! # Use as a library
//!
//! The binary is twenty lines over [`chat::Chat`], [`server::Server`] and
//! [`event_loop::EventLoop`]; `examples/echo.rs` puts another [`server::Handler`] on the same loop.

pub mod chat;
pub mod chunks;
pub mod comet;
pub mod config;
pub mod connection;
pub mod data;
mod embed;
pub mod entity;
pub mod event_loop;
pub mod http;
pub mod logger;
pub mod logic;
pub mod map;
pub mod metrics;
pub mod operator;
pub mod presence;
pub mod server;
pub mod system;
pub mod timers;
pub mod web;

pub use config::Config;
pub use data::Store;
pub use embed::{
    Asked, BuildError, Builder, CallError, ChatServer, Events, Handle, History, LocalUser, Pending,
    Running, State, Step,
};
pub use entity::{ConversationId, Event};
pub use http::{Payload, Response};
pub use logic::Refusal;
