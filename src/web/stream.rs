//! Writes what streams consist of: server-sent events (WHATWG HTML, section 9.2) or lines of JSON.
//!
//! Both are framed by their content, a blank line or the end of a line, so it does not matter how
//! the pieces are cut up on their way. Each event carries the cursor after it, with which a client
//! that was cut off goes on.

use super::json::{Object, event, event_members};
use crate::http::Response;
use crate::logic::{Batch, Manner};

/// The head of a stream, and the bytes that it begins with, so that an intermediary that waits for
/// the first bytes lets the head through.
pub fn begin_stream(manner: Manner) -> (Response, Vec<u8>) {
    let media_type = match manner {
        Manner::EventStream => "text/event-stream",
        Manner::Lines | Manner::Poll | Manner::Keepline | Manner::Watch => "application/x-ndjson",
    };
    let head = Response::new(200)
        .body(media_type, crate::http::Payload::Empty)
        .cache_control("no-store")
        // nginx would otherwise collect the pieces.
        .with("X-Accel-Buffering", "no");
    (head, keep_alive(manner))
}

/// Some events.
pub fn stream_events(manner: Manner, batch: &Batch) -> Vec<u8> {
    let mut out = Vec::with_capacity(256 * batch.events.len());
    for (news, place) in &batch.events {
        match manner {
            Manner::EventStream => {
                out.extend_from_slice(b"id: ");
                place.push(batch.tag, &mut out);
                out.extend_from_slice(b"\nevent: ");
                out.extend_from_slice(news.name().as_bytes());
                out.extend_from_slice(b"\ndata: ");
                // JSON has no line breaks of its own.
                event(&mut out, news);
                out.extend_from_slice(b"\n\n");
            }
            Manner::Lines | Manner::Poll | Manner::Keepline | Manner::Watch => {
                let mut object = Object::begin(&mut out);
                event_members(&mut object, news);
                object.cursor(*place, batch.tag);
                object.end();
                out.push(b'\n');
            }
        }
    }
    out
}

/// A sign of life.
pub fn keep_alive(manner: Manner) -> Vec<u8> {
    match manner {
        Manner::EventStream => b": keep-alive\n\n".to_vec(),
        Manner::Lines | Manner::Poll | Manner::Keepline | Manner::Watch => b"\n".to_vec(),
    }
}

/// The last event: why there will be no more.
pub fn end_stream(manner: Manner, code: &str) -> Vec<u8> {
    let mut out = Vec::new();
    if manner == Manner::EventStream {
        out.extend_from_slice(b"event: end\ndata: ");
    }
    let mut object = Object::begin(&mut out);
    object.text("type", "end");
    object.text("code", code);
    object.end();
    out.extend_from_slice(if manner == Manner::EventStream { b"\n\n" } else { b"\n" });
    out
}
