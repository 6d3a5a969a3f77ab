//! Holds one request that has been read: method, target, fields and body, borrowed from where its
//! bytes lie.
//!
//! Relies on what the parser has made sure of. The parser also remembers where the fields are that
//! may be here only once, and `Accept`; the others are looked up by a second pass over the head
//! rather than in a table, since hardly any request is asked for one. So no field costs an allocation. Does not know
//! what the fields mean to the chat.

use super::negotiate;
use super::parse::{Head, Places, Singleton};
use super::scan;
use super::target::Target;

/// The registered methods that this server knows (RFC 9110 section 9.3, RFC 5789). CONNECT is never
/// handed up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "their names say it")]
pub enum Method {
    Get,
    Head,
    Post,
    Put,
    Delete,
    Patch,
    Options,
    Trace,
}

impl Method {
    /// The method of this name; case counts (RFC 9110 section 9.1).
    pub(super) fn parse(token: &[u8]) -> Option<Self> {
        Some(match token {
            b"GET" => Self::Get,
            b"HEAD" => Self::Head,
            b"POST" => Self::Post,
            b"PUT" => Self::Put,
            b"DELETE" => Self::Delete,
            b"PATCH" => Self::Patch,
            b"OPTIONS" => Self::Options,
            b"TRACE" => Self::Trace,
            _ => return None,
        })
    }

    /// The name, as in `Allow`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
            Self::Patch => "PATCH",
            Self::Options => "OPTIONS",
            Self::Trace => "TRACE",
        }
    }
}

/// The two versions whose framing differs. HTTP/1.2, should it come, is treated as 1.1 (RFC 9110
/// section 2.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// No chunked coding, no `Expect`, and the connection closes unless asked otherwise.
    Http10,
    /// The connection stays open unless asked otherwise.
    Http11,
}

/// What came after the head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body<'a> {
    /// All of it, decoded; empty if there was none.
    Bytes(&'a [u8]),
    /// More than the limit. It was not read, so the connection closes after the answer, which is
    /// 413 unless something else is wrong first.
    TooLarge,
}

/// One field line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    /// A token, in the case in which it was sent; case does not count.
    pub name: &'a str,
    /// Without white space around it; no control characters but HTAB, and perhaps not UTF-8.
    pub value: &'a [u8],
}

/// A complete, well-framed request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request<'a> {
    /// What to do.
    pub method: Method,
    /// To what.
    pub target: Target<'a>,
    /// How the answer is framed.
    pub version: Version,
    /// The content.
    pub body: Body<'a>,
    /// Whether another request may follow on the connection (RFC 9112 section 9.3).
    pub keep_alive: bool,
    /// The field lines, each with its CRLF.
    field_lines: &'a [u8],
    places: Places,
}

impl<'a> Request<'a> {
    /// `bytes` holds the request from where the parser started to the end of its body, which is
    /// decoded there, or left out if it is too large.
    pub(super) fn new(head: &Head, bytes: &'a [u8], too_large: bool) -> Self {
        Self {
            method: head.method,
            target: Target::split(ascii(&bytes[head.target.clone()]), head.is_escaped),
            version: head.version,
            body: if too_large { Body::TooLarge } else { Body::Bytes(&bytes[head.end()..]) },
            keep_alive: head.keep_alive && !too_large,
            field_lines: &bytes[head.fields.clone()],
            places: head.places,
        }
    }

    /// All field lines in the order they were sent.
    pub fn fields(&self) -> Fields<'a> {
        Fields { lines: Lines(self.field_lines) }
    }

    /// The value of a field that cannot be here twice, since a second value would be a trap. The
    /// parser has remembered where it is.
    pub fn singleton(&self, which: Singleton) -> Option<&'a [u8]> {
        self.places.find(which, self.field_lines)
    }

    /// The same, if it is UTF-8.
    pub fn singleton_text(&self, which: Singleton) -> Option<&'a str> {
        self.singleton(which).and_then(|value| str::from_utf8(value).ok())
    }

    /// The value of a field that has one; the first of several.
    pub fn field(&self, name: &str) -> Option<&'a [u8]> {
        self.values(name).next()
    }

    /// The value of a field, if it is UTF-8.
    pub fn field_text(&self, name: &str) -> Option<&'a str> {
        self.field(name).and_then(|value| str::from_utf8(value).ok())
    }

    /// The values of all lines with this name, which together are one list (RFC 9110 section 5.3).
    pub fn values<'n>(&self, name: &'n str) -> impl Iterator<Item = &'a [u8]> + use<'a, 'n> {
        values(self.field_lines, name)
    }

    /// Which of `offers` the peer likes best, by `Accept` (RFC 9110 section 12.5.1); the earlier if
    /// it does not care, `None` if it takes none of them.
    pub fn prefers(&self, offers: &[&str]) -> Option<usize> {
        let lines = self.places.accept(self.field_lines);
        negotiate::prefers(values(lines, "Accept"), offers)
    }

    /// Whether the peer takes this media type, by `Accept`.
    pub fn accepts(&self, media_type: &str) -> bool {
        self.prefers(&[media_type]).is_some()
    }

    /// Whether the peer asked for gzip, by `Accept-Encoding` (RFC 9110 section 12.5.3).
    pub fn accepts_gzip(&self) -> bool {
        negotiate::accepts_gzip(self.values("accept-encoding"))
    }
}

/// The field lines of a request; see [`Request::fields`].
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    lines: Lines<'a>,
}

impl<'a> Iterator for Fields<'a> {
    type Item = Field<'a>;

    fn next(&mut self) -> Option<Field<'a>> {
        let line = self.lines.next()?;
        let (name, value) = line.split_at(scan::find(b':', line)?);
        Some(Field { name: ascii(name), value: scan::trim(&value[1..]) })
    }
}

/// Field lines, without their CRLF. Within a line the parser lets no CR through.
#[derive(Clone, Debug)]
struct Lines<'a>(&'a [u8]);

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let (line, rest) = self.0.split_at(scan::find(b'\r', self.0)?);
        self.0 = rest.get(b"\r\n".len()..)?;
        Some(line)
    }
}

/// The values of the lines with this name.
fn values<'a, 'n>(
    lines: &'a [u8],
    name: &'n str,
) -> impl Iterator<Item = &'a [u8]> + Clone + use<'a, 'n> {
    Lines(lines).filter_map(move |line| value_of(line, name))
}

/// The value in a field line, if the field has this name. Hardly any other name ends at the same
/// place, so the end is checked first.
fn value_of<'a>(line: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let is_it = line.get(name.len()) == Some(&b':')
        && line[..name.len()].eq_ignore_ascii_case(name.as_bytes());
    is_it.then(|| scan::trim(&line[name.len() + 1..]))
}

fn ascii(bytes: &[u8]) -> &str {
    // invariant: the parser lets nothing but ASCII into targets and field names.
    str::from_utf8(bytes).expect("targets and field names are ASCII")
}
