//! Holds what the lab shows of the server's inside, for those who study it; see `docs/lab.md`.
//! Knows neither HTTP nor SQL.

pub mod fault;
pub mod observer;
pub mod recorder;
pub mod tape;
mod timeline;
