//! Writes requests and reads responses, as strictly as the contract allows.
//!
//! A second, small implementation of both sides' HTTP: it shares nothing with the server's, so that
//! the one checks the other.

mod request;
mod response;
mod stream;

pub use request::{Manner, Poll, Request, What};
pub use response::Response;
pub use stream::{Frame, Piece};

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = head.lines().skip(1).filter_map(|line| line.split_once(": "));
    lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

/// Long texts are mostly the padding of messages.
fn shortened(text: &str) -> String {
    let mut short = String::new();
    let (mut last, mut run) = (' ', 0);
    for c in text.chars() {
        run = if c == last { run + 1 } else { 0 };
        last = c;
        if run < 8 {
            short.push(c);
        }
    }
    short
}
