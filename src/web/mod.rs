//! Translates between HTTP and the logic: a request into a [`Call`](crate::logic::Call), a
//! [`Reply`](crate::logic::Reply) or a refusal into a response.
//!
//! Knows paths, JSON, status codes and error codes: the public contract of the web service. Never
//! touches the store, and decides nothing about users.
//! `openapi.json`, beside this file, describes all of it for programs, and is served; every answer
//! in the tests is compared with it.
//!
//! What is wrong with a request is checked in a fixed order, so that clients can rely on it:
//!
//! | step | refusals | where |
//! |---|---|---|
//! | framing | 400 414 417 431 501 505 | `http` |
//! | path and method | 404 405 | [`route()`] |
//! | the server stops | 503 | `chat` |
//! | token | 401 | [`bearer_token`], then the logic |
//! | rate | 429 | [`Route::limited`], then the logic; that of passwords after the body, for the name |
//! | body, then parameters | 413 415 400 406 422 | [`read_call`] |
//! | what it asks for | 400 `bad_cursor`, 403 404 409 503 | the logic |

mod control;
pub mod facade;
mod fields;
mod json;
mod lab;
mod metrics;
mod probe;
mod problem;
mod recording;
mod reply;
mod request;
mod route;
mod stream;

pub use control::{OrderRoute, Said, order_body, read_order};
pub use lab::{LabRoute, LabView, fault, lab_door, read_fault, read_lab_poll};
pub use metrics::{Gauges, metrics};
pub use probe::{CONNECTION as PROBE_CONNECTION, read_probe, tell_probe};
pub use problem::Problem;
pub use recording::{changes_after, lane, recording};
pub use reply::{health, respond};
pub use request::{Proof, bearer_token, proof, read_call, wants_json};
pub use route::{Match, Reach, Route, check_page_method, options, route, routes};
pub use stream::{begin_stream, end_stream, keep_alive, stream_events};
