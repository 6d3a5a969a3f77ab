//! Speaks HTTP/1.1: turns a peer's bytes into requests, and responses into bytes.
//!
//! Knows RFC 9110 (semantics) and RFC 9112 (syntax and framing). Does not know sockets, clocks, the
//! chat or what any path means: bytes and dates are arguments, and whoever calls decides when to
//! read and write.
//!
//! ```text
//! bytes --> reader --> parse (head) --> target, authority     what is asked, judged line by line
//!              \-----> chunked (body)                         where it ends
//!                         |
//!                      Request  --> negotiate, conditional    what the peer would accept
//!                               \-> forwarded, network        who asks, behind proxies
//!                      Response --> bytes                     pages: the files under www/
//! ```
//!
//! Rules:
//! 1. *Framing is judged before anything else.* A request whose end two implementations could see
//!    in two places never leaves this layer; the connection is answered and closed (RFC 9112
//!    section 11.2).
//! 2. *Incomplete is not an error*, and how the bytes were cut up on their way changes nothing.
//! 3. *Every error is the peer's* and knows its status; no bytes whatever make this layer panic.
//! 4. *Whatever grows has a limit*; the limits that somebody may want to set are in [`Limits`].
//! 5. *What is refused here need not be checked again*: a [`Target`] has clean segments, a value
//!    has no control characters.

mod authority;
mod chunked;
mod conditional;
mod date;
mod error;
mod forwarded;
mod inflate;
mod media;
mod negotiate;
mod network;
mod pages;
mod parse;
mod reader;
mod request;
mod response;
mod scan;
mod target;

pub use date::DateCache;
pub use error::ParseError;
pub use forwarded::client_address;
pub use network::{Network, NotANetwork};
pub use pages::{Page, Pages};
pub use parse::Singleton;
pub use reader::{Phase, Reader, Step};
pub use request::{Body, Field, Fields, Method, Request, Version};
pub use response::{Framing, Payload, Response, Stream, reason};
pub use target::{Target, form_pairs};

/// The interim answer to `Expect: 100-continue` (RFC 9110 section 15.2.1); see [`Step::Continue`].
pub const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// How much of a request is read before it is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Request line with its CRLF; beyond it 414. RFC 9112 section 3 recommends at least 8,000
    /// (nginx, Apache: 8 KiB).
    pub request_line_bytes_max: usize,
    /// Request line and all field lines; beyond it 431. Node and h11: 16 KiB, Apache: 8 KiB for
    /// each line.
    pub head_bytes_max: usize,
    /// Field lines in the head, and in the trailers of a chunked body; beyond it 431. Apache: 100.
    pub fields_max: usize,
    /// Body, decoded; beyond it the request is handed up with [`Body::TooLarge`]. nginx: 1 MiB, but
    /// a chat needs far less.
    pub body_bytes_max: usize,
    /// One chunk-size line with its extensions and CRLF; beyond it 400. Nobody sends extensions
    /// (hyper: 16 KiB for all).
    pub chunk_line_bytes_max: usize,
    /// All chunk extensions of a body together, as RFC 9112 section 7.1.1 asks; beyond it 400.
    pub chunk_extension_bytes_max: usize,
    /// All trailer lines of a chunked body together; beyond it 431. hyper: 16 KiB.
    pub trailer_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            request_line_bytes_max: 8 * 1024,
            head_bytes_max: 16 * 1024,
            fields_max: 100,
            body_bytes_max: 64 * 1024,
            chunk_line_bytes_max: 256,
            chunk_extension_bytes_max: 4 * 1024,
            trailer_bytes_max: 4 * 1024,
        }
    }
}
