//! A comet chat server in one small binary.
pub mod entity;
