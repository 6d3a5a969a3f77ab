//! Reads whole responses, and the heads of streams.

use std::fmt;

use serde_json::{Value, json};

use super::{Manner, field, find, shortened};

/// A whole response.
#[derive(Clone, Debug, PartialEq)]
pub struct Response {
    pub status: u16,
    /// Whether it says that the connection ends with it.
    pub closes: bool,
    /// In how many seconds to come back.
    pub retry_after: Option<u64>,
    /// Its body comes in pieces, of which `body` is none.
    pub stream: Option<Manner>,
    pub body: Value,
}

impl Response {
    /// Reads the response at the front of `bytes`, and says how long it is. The server writes each
    /// as a whole, so that a part of one is a fault like any other. Of a stream it is the head.
    pub fn read(bytes: &[u8]) -> Result<(Self, usize), String> {
        let end = find(bytes, b"\r\n\r\n").ok_or("a response whose head does not end")? + 4;
        let head = str::from_utf8(&bytes[..end]).map_err(|_| "a head that is no text")?;
        let status = head.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3));
        let status: u16 = status.and_then(|text| text.parse().ok()).ok_or("no status line")?;
        let closes = field(head, "Connection").is_some_and(|value| value == "close");
        if field(head, "Cache-Control") != Some("no-store") {
            return Err("an answer that may be kept in a cache".into());
        }
        let is_chunked = field(head, "Transfer-Encoding") == Some("chunked");
        let length = match field(head, "Content-Length") {
            Some(length) => length.parse().map_err(|_| "a length that is no number")?,
            None if status == 204 => 0,
            // Without chunks its end is that of the connection.
            None if is_chunked || closes => {
                let media_type = field(head, "Content-Type");
                let streams = [Manner::EventStream, Manner::Lines].into_iter();
                let mut stream = streams.filter(|manner| media_type == Some(manner.media_type()));
                let stream = Some(stream.next().ok_or("a stream of another kind")?);
                return Ok((Self { stream, ..Self::new(status, closes) }, end));
            }
            None => return Err("a response without a length".into()),
        };
        let body = bytes.get(end..end + length).ok_or("a body that is shorter than it says")?;
        let is_json = field(head, "Content-Type").is_some_and(|value| value.contains("json"));
        let body = match (length, is_json) {
            (0, _) => Value::Null,
            (_, true) => serde_json::from_slice(body).map_err(|error| error.to_string())?,
            (_, false) => return Err("an answer of the web service that is no JSON".into()),
        };
        let retry_after = field(head, "Retry-After").map(str::parse);
        let retry_after = retry_after.transpose().map_err(|_| "a time that is no number")?;
        if matches!(status, 429 | 503) && retry_after.is_none() {
            return Err("a refusal for now that does not say for how long".into());
        }
        Ok((Self { retry_after, body, ..Self::new(status, closes) }, end + length))
    }

    /// What comes behind the last frame of a stream.
    pub fn stream_end(code: &str) -> Self {
        Self { body: json!({ "code": code }), ..Self::new(200, false) }
    }

    fn new(status: u16, closes: bool) -> Self {
        Self { status, closes, retry_after: None, stream: None, body: Value::Null }
    }

    pub fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or("")
    }

    pub fn events(&self) -> &[Value] {
        self.body["events"].as_array().map_or(&[], Vec::as_slice)
    }
}

impl fmt::Display for Response {
    /// For the trace.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.status, shortened(&self.body.to_string()))
    }
}
