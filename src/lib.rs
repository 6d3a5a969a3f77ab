//! A comet chat server in one small binary.
pub mod config;
pub mod data;
pub mod entity;
pub mod http;
pub mod logger;
pub mod logic;
pub mod presence;
pub mod system;
pub mod timers;
pub mod web;
