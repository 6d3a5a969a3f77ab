//! Writes what a session has recorded of itself in the lab; see [`crate::lab::tape`]. Does not know
//! what is worth keeping.
//!
//! The bytes are written as text, each as the character with its number (an *isomorphic decoding*,
//! in the words of the WHATWG), since they need not be UTF-8, but JSON must be.

use std::borrow::Cow;
use std::io::Write as _;

use super::Problem;
use super::fields::{number, parameter};
use super::json::Object;
use crate::http::{Request, Response};
use crate::lab::tape::{Ended, Exchange, Lane, Tape, Track};
use crate::system::Mono;

/// The lane that a request says it belongs to, or nothing.
pub fn lane<'a>(request: &Request<'a>) -> Cow<'a, str> {
    parameter(request, "lane").unwrap_or_default()
}

/// After which change of the tape to begin.
pub fn changes_after(request: &Request<'_>) -> Result<u64, Problem> {
    Ok(number(request, "after")?.unwrap_or(0).max(0).cast_unsigned())
}

/// The tape, as far as it has changed since.
pub fn recording(tape: &Tape, after: u64) -> Response {
    let mut body = Vec::with_capacity(4096);
    let mut object = Object::begin(&mut body);
    let exchanges: Vec<&Exchange> = tape.changed_after(after).collect();
    object.array("exchanges", &exchanges, |out, each| exchange(out, each));
    object.array("lanes", tape.lanes(), lane_counts);
    object.integer("begun", tape.begun().cast_signed());
    object.integer("changes", tape.changes().cast_signed());
    object.end();
    Response::new(200).json(body)
}

fn exchange(out: &mut Vec<u8>, exchange: &Exchange) {
    let begun = exchange.begun.mono;
    let mut object = Object::begin(out);
    object.integer("id", exchange.id.cast_signed());
    object.integer("connection", i64::from(exchange.connection.0));
    object.text("lane", &exchange.lane);
    object.integer("begun_at", exchange.begun.wall.0);
    object.integer("begun_us", begun.0.cast_signed());
    track(object.member("request"), &exchange.request, begun);
    track(object.member("response"), &exchange.response, begun);
    match exchange.ended {
        Some((at, how)) => {
            object.text("ended", if how == Ended::Answered { "answered" } else { "cut" });
            object.integer("ended_us", after(at, begun));
        }
        None => object.null("ended"),
    }
    object.end();
}

fn track(out: &mut Vec<u8>, track: &Track, begun: Mono) {
    let mut object = Object::begin(out);
    object.text("bytes", &track.bytes.iter().copied().map(char::from).collect::<String>());
    object.size("length", track.len);
    object.array("pieces", &track.pieces, |out, &(at, len)| {
        write!(out, "[{},{len}]", after(at, begun)).expect("a Vec takes everything");
    });
    object.end();
}

fn after(at: Mono, begun: Mono) -> i64 {
    i64::try_from(at.since(begun).as_micros()).unwrap_or(i64::MAX)
}

fn lane_counts(out: &mut Vec<u8>, lane: &Lane) {
    let mut object = Object::begin(out);
    object.text("lane", &lane.name);
    for (name, count) in [
        ("requests", lane.requests),
        ("head_bytes_up", lane.head_up),
        ("body_bytes_up", lane.body_up),
        ("head_bytes_down", lane.head_down),
        ("framing_bytes_down", lane.framing_down),
        ("body_bytes_down", lane.body_down),
        ("writes", lane.writes),
        ("empty_answers", lane.empty_answers),
        ("wake_ups", lane.wake_ups),
    ] {
        object.size(name, count);
    }
    object.end();
}
