//! Turns responses into bytes: status line, fields and the framing of the body (RFC 9112 sections
//! 4, 6 and 7).
//!
//! Knows how a body ends for each status, method and version. Does not know what it says, nor the
//! time: the date is an argument. The usual answer, 200 with JSON that nobody may store, takes a
//! handful of copies.
//!
//! Rules:
//! 1. 1xx and 204 have no body and no `Content-Length`; 304 has neither here, an answer to HEAD has
//!    only the latter (RFC 9110 section 8.6).
//! 2. Every other response says how long it is, or is chunked, or ends with the connection
//!    (HTTP/1.0 streams).
//! 3. No field value can end its line: control characters become spaces.

use super::date;
use super::request::Version;
use super::scan;
use crate::digits::{push_decimal, push_hexadecimal};

/// A body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// None, or an empty one.
    Empty,
    /// Bytes made for this response.
    Owned(Vec<u8>),
    /// Bytes that are part of the program, and are never copied.
    Static(&'static [u8]),
}

/// An answer, except for what the connection adds to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    status: u16,
    /// It is JSON, which nobody may store, and nothing else is said about it.
    is_just_json: bool,
    /// What is said about any other. A box, since that is rare, and answers are handed on from one
    /// to the other.
    fields: Option<Box<Fields>>,
    payload: Payload,
}

/// The fields that answers differ in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Fields {
    content_type: Option<&'static str>,
    cache_control: Option<&'static str>,
    /// Unix time in seconds.
    last_modified: Option<u64>,
    /// Further field lines, each with its CRLF.
    lines: Vec<u8>,
}

/// What the request and the connection decide about the bytes of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Framing<'a> {
    /// The version of the request. What is sent always says HTTP/1.1 (RFC 9110 section 2.5).
    pub version: Version,
    /// Whether the request was HEAD, so that the body is left out.
    pub head_only: bool,
    /// Whether the connection stays open after this response.
    pub keep_alive: bool,
    /// The value of `Date`.
    pub date: &'a str,
}

/// How the pieces of a streamed body are framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Each is a chunk, and a last one ends the body.
    Chunked,
    /// They are sent as they are, and the connection closes after them.
    UntilClose,
    /// There are none, as after HEAD.
    Nothing,
}

impl Payload {
    fn as_slice(&self) -> &[u8] {
        match self {
            Self::Empty => &[],
            Self::Owned(bytes) => bytes,
            Self::Static(bytes) => bytes,
        }
    }
}

impl Fields {
    /// What [`JSON_LINES`] says.
    fn are_for_json(&mut self) {
        self.content_type = Some("application/json");
        self.cache_control = Some("no-store");
    }
}

impl Response {
    /// A response of this status, without a body.
    pub const fn new(status: u16) -> Self {
        Self { status, is_just_json: false, fields: None, payload: Payload::Empty }
    }

    /// Adds a body in JSON, which nobody may store.
    #[must_use]
    pub fn json(mut self, bytes: Vec<u8>) -> Self {
        self.payload = Payload::Owned(bytes);
        match &mut self.fields {
            None => self.is_just_json = true,
            Some(fields) => fields.are_for_json(),
        }
        self
    }

    /// Adds a body of this media type.
    #[must_use]
    pub fn body(mut self, content_type: &'static str, payload: Payload) -> Self {
        self.fields().content_type = Some(content_type);
        self.payload = payload;
        self
    }

    /// Says who may keep this, and for how long.
    #[must_use]
    pub fn cache_control(mut self, directives: &'static str) -> Self {
        self.fields().cache_control = Some(directives);
        self
    }

    /// Says when what is sent was last changed: a Unix time in seconds.
    #[must_use]
    pub(super) fn last_modified(mut self, second: u64) -> Self {
        self.fields().last_modified = Some(second);
        self
    }

    /// Adds a field. Framing, `Content-Type`, `Cache-Control` and `Date` are set in other ways.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: &str) -> Self {
        debug_assert!(scan::is_token(name.as_bytes()), "a field name: {name}");
        debug_assert!(scan::is_field_value(value.as_bytes()), "a field value: {value:?}");
        let clean = |byte| if scan::is_field_value_byte(byte) { byte } else { b' ' };
        let lines = &mut self.fields().lines;
        lines.extend_from_slice(name.as_bytes());
        lines.extend_from_slice(b": ");
        lines.extend(value.bytes().map(clean));
        lines.extend_from_slice(b"\r\n");
        self
    }

    /// Adds field lines that are written out already.
    pub(super) fn with_static_lines(mut self, lines: &'static str) -> Self {
        let all = &mut self.fields().lines;
        all.reserve(lines.len() + HEAD_BYTES_USUAL);
        all.extend_from_slice(lines.as_bytes());
        self
    }

    fn fields(&mut self) -> &mut Fields {
        let fields = self.fields.get_or_insert_default();
        if std::mem::take(&mut self.is_just_json) {
            fields.are_for_json();
        }
        fields
    }

    /// The status code.
    pub const fn status(&self) -> u16 {
        self.status
    }

    /// The field lines that were added, as text; for tests of who adds them.
    #[cfg(test)]
    pub(super) fn field_lines(&self) -> &str {
        self.fields.as_ref().map_or("", |fields| str::from_utf8(&fields.lines).unwrap())
    }

    /// The body.
    pub fn payload(&self) -> &[u8] {
        self.payload.as_slice()
    }

    /// How many bytes of memory its body takes.
    pub fn made_bytes(&self) -> usize {
        match &self.payload {
            Payload::Owned(bytes) => bytes.len(),
            Payload::Empty | Payload::Static(_) => 0,
        }
    }

    /// Appends the response to `out`, except for a body that is part of the program: what is
    /// returned, perhaps nothing, has to be sent right after it.
    pub fn encode(&self, framing: &Framing<'_>, out: &mut Vec<u8>) -> &'static [u8] {
        let payload = self.payload.as_slice();
        let owned = if matches!(self.payload, Payload::Owned(_)) { payload.len() } else { 0 };
        let lines = self.fields.as_ref().map_or(0, |fields| fields.lines.len());
        out.reserve(HEAD_BYTES_USUAL + lines + owned);
        self.encode_fields(framing, framing.keep_alive, out);
        if may_have_body(self.status) {
            out.extend_from_slice(b"Content-Length: ");
            push_decimal(payload.len() as u64, out);
            out.extend_from_slice(b"\r\n\r\n");
        } else {
            out.extend_from_slice(b"\r\n");
        }
        if framing.head_only || !may_have_body(self.status) {
            return &[];
        }
        match &self.payload {
            Payload::Empty => &[],
            Payload::Owned(bytes) => {
                out.extend_from_slice(bytes);
                &[]
            }
            Payload::Static(bytes) => bytes,
        }
    }

    /// Appends the head of a response whose body comes in pieces, and says how to send those. The
    /// payload is not looked at. For HTTP/1.0 the connection closes after the body, whatever
    /// `framing` says.
    pub fn encode_stream_head(&self, framing: &Framing<'_>, out: &mut Vec<u8>) -> Stream {
        let chunked = framing.version == Version::Http11;
        let has_end = chunked || framing.head_only;
        self.encode_fields(framing, framing.keep_alive && has_end, out);
        if chunked {
            out.extend_from_slice(b"Transfer-Encoding: chunked\r\n");
        }
        out.extend_from_slice(b"\r\n");
        match (framing.head_only, chunked) {
            (true, _) => Stream::Nothing,
            (false, true) => Stream::Chunked,
            (false, false) => Stream::UntilClose,
        }
    }

    /// Status line and fields, without those about the length.
    fn encode_fields(&self, framing: &Framing<'_>, keep_alive: bool, out: &mut Vec<u8>) {
        push_status_line(self.status, out);
        out.extend_from_slice(framing.date.as_bytes());
        out.extend_from_slice(b"\r\nX-Content-Type-Options: nosniff\r\n");
        if !keep_alive {
            out.extend_from_slice(b"Connection: close\r\n");
        } else if framing.version == Version::Http10 {
            out.extend_from_slice(b"Connection: keep-alive\r\n");
        }
        if self.is_just_json {
            out.extend_from_slice(JSON_LINES);
        }
        let Some(fields) = &self.fields else { return };
        if let Some(directives) = fields.cache_control {
            push_field(b"Cache-Control: ", directives, out);
        }
        if let Some(content_type) = fields.content_type {
            push_field(b"Content-Type: ", content_type, out);
        }
        if let Some(second) = fields.last_modified {
            let date = date::http_date_until(second, framing.date);
            push_field(b"Last-Modified: ", &date, out);
        }
        out.extend_from_slice(&fields.lines);
    }
}

impl Stream {
    /// Appends a piece of the body to `out`. Returns how many bytes of the body that was, without
    /// what frames them.
    pub fn piece(self, bytes: &[u8], out: &mut Vec<u8>) -> usize {
        match self {
            Self::Nothing => return 0,
            Self::UntilClose => out.extend_from_slice(bytes),
            // A chunk of no bytes would be the last one.
            Self::Chunked if bytes.is_empty() => {}
            Self::Chunked => {
                push_hexadecimal(bytes.len() as u64, 1, out);
                out.extend_from_slice(b"\r\n");
                out.extend_from_slice(bytes);
                out.extend_from_slice(b"\r\n");
            }
        }
        bytes.len()
    }

    /// Appends what ends the body.
    pub fn end(self, out: &mut Vec<u8>) {
        if self == Self::Chunked {
            out.extend_from_slice(b"0\r\n\r\n");
        }
    }

    /// Whether the connection has to close after the body.
    pub fn closes(self) -> bool {
        self == Self::UntilClose
    }
}

/// What is said about JSON.
const JSON_LINES: &[u8] = b"Cache-Control: no-store\r\nContent-Type: application/json\r\n";

/// Room for status line and the fields of every answer.
const HEAD_BYTES_USUAL: usize = 256;

/// RFC 9110 sections 6.4.1 and 8.6.
const fn may_have_body(status: u16) -> bool {
    status >= 200 && status != 204 && status != 304
}

fn push_field(name: &[u8], value: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(name);
    out.extend_from_slice(value.as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// The status line, and the name of the first field. Most answers are of two kinds.
fn push_status_line(status: u16, out: &mut Vec<u8>) {
    match status {
        200 => out.extend_from_slice(b"HTTP/1.1 200 OK\r\nDate: "),
        201 => out.extend_from_slice(b"HTTP/1.1 201 Created\r\nDate: "),
        _ => {
            out.extend_from_slice(b"HTTP/1.1 ");
            push_decimal(u64::from(status), out);
            out.push(b' ');
            out.extend_from_slice(reason(status).as_bytes());
            out.extend_from_slice(b"\r\nDate: ");
        }
    }
}

/// The reason phrase of a status (RFC 9110 section 15), which is also the title of an error; empty
/// if unknown.
pub const fn reason(status: u16) -> &'static str {
    match status {
        100 => "Continue",
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        206 => "Partial Content",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        411 => "Length Required",
        412 => "Precondition Failed",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        416 => "Range Not Satisfiable",
        417 => "Expectation Failed",
        421 => "Misdirected Request",
        422 => "Unprocessable Content",
        426 => "Upgrade Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        505 => "HTTP Version Not Supported",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const FIELDS: &str =
        "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nX-Content-Type-Options: nosniff\r\n";

    const OPEN: Framing<'_> =
        Framing { version: Version::Http11, head_only: false, keep_alive: true, date: DATE };

    fn encode(response: &Response, framing: &Framing<'_>) -> (String, &'static [u8]) {
        let mut out = Vec::new();
        let rest = response.encode(framing, &mut out);
        (String::from_utf8(out).unwrap(), rest)
    }

    #[test]
    fn json_is_framed_by_its_length_and_stored_by_nobody() {
        let (text, rest) = encode(&Response::new(200).json(b"{}".to_vec()), &OPEN);
        let expected = format!(
            "HTTP/1.1 200 OK\r\n{FIELDS}Cache-Control: no-store\r\n\
             Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{{}}"
        );
        assert_eq!((text, rest), (expected, &[][..]));
    }

    #[test]
    fn what_is_said_last_holds_for_json_too() {
        let json = || Response::new(200).cache_control("no-cache").json(b"{}".to_vec());
        let fields = |response| {
            let (text, _) = encode(&response, &OPEN);
            let (_, fields) = text.split_once("nosniff\r\n").unwrap();
            fields.split_once("Content-Length").unwrap().0.to_owned()
        };
        let type_line = "Content-Type: application/json\r\n";
        assert_eq!(fields(json()), format!("Cache-Control: no-store\r\n{type_line}"));
        let plain = Response::new(200).json(b"{}".to_vec());
        assert_eq!(fields(plain.clone()), fields(json()));
        let kept = fields(plain.clone().cache_control("max-age=5"));
        assert_eq!(kept, format!("Cache-Control: max-age=5\r\n{type_line}"));
        let more = fields(plain.with("X-A", "b"));
        assert_eq!(more, format!("Cache-Control: no-store\r\n{type_line}X-A: b\r\n"));
    }

    #[test]
    fn embedded_bytes_are_handed_back_and_not_copied() {
        static PAGE: &[u8] = b"<p>";
        let (text, rest) =
            encode(&Response::new(200).body("text/html", Payload::Static(PAGE)), &OPEN);
        assert!(text.ends_with("Content-Type: text/html\r\nContent-Length: 3\r\n\r\n"));
        assert!(std::ptr::eq(rest, PAGE));
    }

    #[test]
    fn head_says_the_length_and_sends_nothing() {
        let framing = Framing { head_only: true, ..OPEN };
        for payload in [Payload::Static(b"12345"), Payload::Owned(b"12345".to_vec())] {
            let (text, rest) = encode(&Response::new(200).body("a/b", payload), &framing);
            assert!(text.ends_with("Content-Length: 5\r\n\r\n") && rest.is_empty(), "{text}");
        }
    }

    #[test]
    fn statuses_without_body_have_no_length_either() {
        for status in [101, 204, 304] {
            let response = Response::new(status).body("a/b", Payload::Static(b"x"));
            let (text, rest) = encode(&response, &OPEN);
            assert!(!text.contains("Content-Length") && text.ends_with("\r\n\r\n"), "{text}");
            assert!(rest.is_empty());
        }
        let (text, _) = encode(&Response::new(404), &OPEN);
        assert_eq!(text, format!("HTTP/1.1 404 Not Found\r\n{FIELDS}Content-Length: 0\r\n\r\n"));
    }

    #[test]
    fn the_connection_is_spoken_of_where_it_is_not_as_usual() {
        let connection = |version, keep_alive| {
            let (text, _) = encode(&Response::new(200), &Framing { version, keep_alive, ..OPEN });
            text.lines().find_map(|line| line.strip_prefix("Connection: ").map(String::from))
        };
        assert_eq!(connection(Version::Http11, true), None);
        assert_eq!(connection(Version::Http11, false).as_deref(), Some("close"));
        assert_eq!(connection(Version::Http10, true).as_deref(), Some("keep-alive"));
        assert_eq!(connection(Version::Http10, false).as_deref(), Some("close"));
    }

    #[test]
    fn streams_are_chunked_or_end_with_the_connection() {
        let send = |framing: &Framing<'_>| {
            let mut out = Vec::new();
            let stream = Response::new(200).encode_stream_head(framing, &mut out);
            let head = String::from_utf8(std::mem::take(&mut out)).unwrap();
            stream.piece(b"hello, stream 1!", &mut out);
            stream.piece(b"", &mut out);
            stream.end(&mut out);
            (stream, head, String::from_utf8(out).unwrap())
        };
        let (stream, head, body) = send(&OPEN);
        assert!(stream == Stream::Chunked && !stream.closes());
        assert!(head.ends_with("Transfer-Encoding: chunked\r\n\r\n") && !head.contains("Length"));
        assert_eq!(body, "10\r\nhello, stream 1!\r\n0\r\n\r\n");

        let (stream, head, body) = send(&Framing { version: Version::Http10, ..OPEN });
        assert!(stream.closes() && head.contains("Connection: close\r\n"));
        assert_eq!((head.contains("Transfer-Encoding"), &*body), (false, "hello, stream 1!"));

        for version in [Version::Http10, Version::Http11] {
            let (stream, head, body) = send(&Framing { head_only: true, version, ..OPEN });
            assert_eq!((stream, &*body), (Stream::Nothing, ""));
            assert!(!stream.closes() && !head.contains("close"), "{head}");
        }
    }
}
