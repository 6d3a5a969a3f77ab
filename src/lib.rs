//! A comet chat server in one small binary.
pub mod chat;
pub mod comet;
pub mod config;
pub mod connection;
pub mod data;
pub mod entity;
pub mod event_loop;
pub mod http;
pub mod logger;
pub mod logic;
pub mod presence;
pub mod server;
pub mod system;
pub mod timers;
pub mod web;
