//! Reads streams: server-sent events, as a browser does (WHATWG HTML, section 9.2.6), and lines of
//! JSON.
//!
//! What a frame is, its content alone says: chunks of the transfer coding (RFC 9112, section 7.1)
//! may end anywhere, though this server ends them behind a frame. A frame arrives when its last byte
//! does, so each comes with the number of bytes up to there.

use std::fmt;
use std::rc::Rc;

use serde_json::Value;

use super::{Manner, find, shortened};

/// Something of a stream that means something by itself.
#[derive(Clone, Debug, PartialEq)]
pub enum Frame {
    /// An event, and the place behind it; the last event has none.
    Event { event: Value, cursor: Option<Rc<str>> },
    /// A sign of life.
    KeepAlive,
}

/// What was read at the front of some bytes, all of which it takes.
#[derive(Debug, PartialEq)]
pub struct Piece {
    /// Each with the byte at which it ends.
    pub frames: Vec<(usize, Frame)>,
    /// The stream is over.
    pub is_last: bool,
    pub len: usize,
}

impl Frame {
    /// Why there will be no more, where it says so.
    pub fn end(&self) -> Option<&str> {
        match self {
            Self::Event { event, .. } if event["type"] == "end" => event["code"].as_str(),
            _ => None,
        }
    }
}

impl fmt::Display for Frame {
    /// For the trace.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Event { event, cursor } => {
                write!(f, "{} {}", cursor.as_deref().unwrap_or("-"), shortened(&event.to_string()))
            }
            Self::KeepAlive => f.write_str("a sign of life"),
        }
    }
}

impl Piece {
    /// Reads what ends with the connection: no chunks, but whole frames.
    pub fn read_whole(manner: Manner, bytes: &[u8], is_last: bool) -> Result<Self, String> {
        let frames = read_frames(manner, bytes)?;
        Ok(Self { frames, is_last, len: bytes.len() })
    }

    /// Reads one chunk.
    pub fn read(manner: Manner, bytes: &[u8]) -> Result<Self, String> {
        let line = find(bytes, b"\r\n").ok_or("a chunk without a size")?;
        let size = str::from_utf8(&bytes[..line]).ok();
        let size = size.and_then(|size| usize::from_str_radix(size, 16).ok());
        let size = size.ok_or("a chunk whose size is no number")?;
        let (start, end) = (line + 2, line + 2 + size);
        let data = bytes.get(start..end).ok_or("a chunk that is shorter than it says")?;
        if bytes.get(end..end + 2) != Some(b"\r\n") {
            return Err("a chunk without an end".into());
        }
        let frames = read_frames(manner, data)?.into_iter();
        let frames = frames.map(|(end, frame)| (start + end, frame)).collect();
        Ok(Self { frames, is_last: size == 0, len: end + 2 })
    }
}

/// Each with the byte at which it ends.
fn read_frames(manner: Manner, data: &[u8]) -> Result<Vec<(usize, Frame)>, String> {
    let (mark, read): (&[u8], fn(&str) -> _) = match manner {
        Manner::EventStream => (b"\n\n", read_event),
        _ => (b"\n", read_line),
    };
    let (mut frames, mut taken) = (Vec::new(), 0);
    while taken < data.len() {
        let rest = &data[taken..];
        let len = find(rest, mark).ok_or("a piece that ends within a frame")?;
        let text = str::from_utf8(&rest[..len]).map_err(|_| "a frame that is no text")?;
        taken += len + mark.len();
        frames.push((taken, read(text)?));
    }
    Ok(frames)
}

fn read_event(text: &str) -> Result<Frame, String> {
    let (mut id, mut kind, mut data) = (None, "message", None);
    for line in text.lines().filter(|line| !line.starts_with(':')) {
        match line.split_once(": ") {
            Some(("id", value)) => id = Some(Rc::from(value)),
            Some(("event", value)) => kind = value,
            Some(("data", value)) => data = Some(value),
            _ => return Err(format!("an event with the line {line:?}")),
        }
    }
    let Some(data) = data else { return Ok(Frame::KeepAlive) };
    let event: Value = serde_json::from_str(data).map_err(|error| error.to_string())?;
    if event["type"] == kind { Ok(Frame::Event { event, cursor: id }) } else { Err(text.into()) }
}

fn read_line(text: &str) -> Result<Frame, String> {
    if text.is_empty() {
        return Ok(Frame::KeepAlive);
    }
    let event: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let cursor = event["cursor"].as_str().map(Rc::from);
    Ok(Frame::Event { event, cursor })
}
