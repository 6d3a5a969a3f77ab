//! Parses the head of a request, one line at a time (RFC 9112 sections 2 to 6).
//!
//! Knows the grammar of request line and field lines, and works out how the body is framed. Does
//! not know where the lines come from: it remembers no bytes, only offsets, counted from the first
//! byte it was given.
//!
//! Strict wherever two implementations are known to differ: every line ends in CRLF, nothing is
//! folded, a single SP stands between the parts of the request line, and a field that can have one
//! value has one.

use std::ops::Range;

use super::Limits;
use super::authority;
use super::error::ParseError;
use super::request::{Method, Version};
use super::scan;
use super::target::{Judged, Target};

/// How many empty lines are skipped before a request; RFC 9112 section 2.2 asks for at least one.
const EMPTY_LINES_MAX: u8 = 4;

/// What a complete head says. The ranges count from where the parser began.
#[derive(Clone, Debug)]
pub(super) struct Head {
    pub(super) method: Method,
    /// Without the scheme and the authority.
    pub(super) target: Range<usize>,
    pub(super) is_escaped: bool,
    pub(super) version: Version,
    pub(super) fields: Range<usize>,
    pub(super) places: Places,
    pub(super) length: Length,
    pub(super) keep_alive: bool,
    pub(super) expects_continue: bool,
}

impl Head {
    /// Where the body begins: after the empty line.
    pub(super) fn end(&self) -> usize {
        self.fields.end + b"\r\n".len()
    }
}

/// How the end of the body is found (RFC 9112 section 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Length {
    Known(u64),
    Chunked,
}

/// The state between two lines.
#[derive(Debug, Default)]
pub(super) struct HeadParser {
    /// Bytes of all lines so far.
    bytes: usize,
    empty_lines: u8,
    request_line: Option<RequestLine>,
    fields: usize,
    fields_start: usize,
    places: Places,
    content_length: Option<u64>,
    close: bool,
    keep_alive: bool,
    expects_continue: bool,
}

#[derive(Debug)]
struct RequestLine {
    method: Method,
    target: Range<usize>,
    is_escaped: bool,
    version: Version,
}

impl HeadParser {
    /// Takes the next line with its LF; returns whether that was the empty line at the end.
    pub(super) fn line(&mut self, line: &[u8], limits: &Limits) -> Result<bool, ParseError> {
        self.fits(line, limits)?;
        let start = self.bytes;
        self.bytes += line.len();
        let [text @ .., b'\r', b'\n'] = line else { return Err(ParseError::BareLineFeed) };
        match (&self.request_line, text) {
            (None, []) => self.empty_line()?,
            (None, _) => {
                self.request_line = Some(request_line(text, start)?);
                self.fields_start = self.bytes;
            }
            (Some(_), []) => return Ok(true),
            (Some(_), _) => self.field(text, start, limits)?,
        }
        Ok(false)
    }

    /// Refuses what cannot become a good line, complete or not: one that is too long, or one that
    /// should begin with a method and does not. So a client that speaks TLS to this port hears of
    /// it at once.
    #[expect(clippy::inline_always, reason = "six in a hundred of what a browser's head takes")]
    #[inline(always)]
    pub(super) fn fits(&self, line: &[u8], limits: &Limits) -> Result<(), ParseError> {
        if self.request_line.is_none() {
            fits_before_fields(line, limits)?;
        }
        if self.bytes + line.len() > limits.head_bytes_max {
            return Err(ParseError::HeadTooLarge);
        }
        Ok(())
    }

    /// Whether there was nothing but empty lines in all of `bytes`.
    pub(super) fn is_idle(&self, bytes: &[u8]) -> bool {
        self.request_line.is_none() && self.bytes == bytes.len()
    }

    /// How many bytes the lines so far have taken.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    fn empty_line(&mut self) -> Result<(), ParseError> {
        self.empty_lines += 1;
        if self.empty_lines > EMPTY_LINES_MAX { Err(ParseError::TooManyEmptyLines) } else { Ok(()) }
    }

    fn field(&mut self, text: &[u8], start: usize, limits: &Limits) -> Result<(), ParseError> {
        self.fields += 1;
        if self.fields > limits.fields_max {
            return Err(ParseError::TooManyFields);
        }
        let (name, value) = field_line(text)?;
        match known(name) {
            Some(Known::Once(which)) => {
                self.places.note(which, start - self.fields_start + name.len() + 1)?;
                self.singleton(which, value)?;
            }
            Some(Known::Accept) => {
                let line = start - self.fields_start;
                self.places.note_accept(line, line + text.len() + b"\r\n".len());
            }
            Some(Known::Connection) => {
                let says =
                    |option: &[u8]| scan::list(value).any(|said| said.eq_ignore_ascii_case(option));
                self.close |= says(b"close");
                self.keep_alive |= says(b"keep-alive");
            }
            Some(Known::Expect) => self.expects_continue |= self.expect(value)?,
            None => {}
        }
        Ok(())
    }

    fn singleton(&mut self, which: Singleton, value: &[u8]) -> Result<(), ParseError> {
        match which {
            Singleton::Host if !authority::is_authority(value) => return Err(ParseError::Host),
            Singleton::ContentLength => {
                self.content_length = Some(content_length(value).ok_or(ParseError::ContentLength)?);
            }
            Singleton::TransferEncoding => transfer_encoding(value)?,
            _ => {}
        }
        Ok(())
    }

    /// RFC 9110 section 10.1.1: HTTP/1.0 has no expectations, and 1.1 has this one.
    fn expect(&self, value: &[u8]) -> Result<bool, ParseError> {
        if self.request_line.as_ref().is_some_and(|line| line.version == Version::Http10) {
            return Ok(false);
        }
        if !scan::list(value).all(|element| element.eq_ignore_ascii_case(b"100-continue")) {
            return Err(ParseError::Expectation);
        }
        Ok(scan::list(value).next().is_some())
    }

    /// The head, once its last line has been taken. Judges what only the whole head shows.
    pub(super) fn head(&mut self) -> Result<Head, ParseError> {
        // invariant: the request line comes before the last line.
        let RequestLine { method, target, is_escaped, version } =
            self.request_line.take().expect("a request line");
        if version == Version::Http11 && !self.places.saw(Singleton::Host) {
            return Err(ParseError::HostMissing);
        }
        if method == Method::Put && self.places.saw(Singleton::ContentRange) {
            return Err(ParseError::PartialPut);
        }
        let is_coded = self.places.saw(Singleton::TransferEncoding);
        let length = match (is_coded, self.content_length) {
            (true, Some(_)) => return Err(ParseError::LengthAndCoding),
            // RFC 9112 section 6.1: framing of an HTTP/1.0 request with a transfer coding is
            // faulty.
            (true, None) if version == Version::Http10 => return Err(ParseError::TransferEncoding),
            (true, None) => Length::Chunked,
            (false, length) => Length::Known(length.unwrap_or(0)),
        };
        let persists = version == Version::Http11 || self.keep_alive;
        Ok(Head {
            method,
            target,
            is_escaped,
            version,
            fields: self.fields_start..self.bytes - b"\r\n".len(),
            places: self.places,
            length,
            keep_alive: persists && !self.close,
            expects_continue: self.expects_continue,
        })
    }
}

/// The same for a request line, or an empty line before it.
fn fits_before_fields(line: &[u8], limits: &Limits) -> Result<(), ParseError> {
    match line {
        [] | [b'\n' | b'\r'] | [b'\r', b'\n', ..] => {}
        [first, ..] if scan::is_token(&[*first]) => {}
        _ => return Err(ParseError::RequestLine),
    }
    if line.len() <= limits.request_line_bytes_max {
        return Ok(());
    }
    // The target is to blame if one has begun; otherwise it is a method longer than any there is
    // (RFC 9112 section 3), or not a request line.
    let begins = &line[..limits.request_line_bytes_max];
    Err(match scan::find(b' ', begins) {
        Some(_) => ParseError::RequestLineTooLong,
        None if scan::is_token(begins) => ParseError::MethodUnknown,
        None => ParseError::RequestLine,
    })
}

/// Splits a field line, in the head or in the trailers, into its name and its trimmed value.
#[expect(clippy::inline_always, reason = "three in a hundred of what a browser's head takes")]
#[inline(always)]
pub(super) fn field_line(text: &[u8]) -> Result<(&[u8], &[u8]), ParseError> {
    if matches!(text, [b' ' | b'\t', ..]) {
        return Err(ParseError::FieldFolded);
    }
    let (name @ [_, ..], [b':', value @ ..]) = text.split_at(scan::token_length(text)) else {
        return Err(ParseError::FieldName);
    };
    if !scan::is_field_value(value) {
        return Err(ParseError::FieldValue);
    }
    Ok((name, scan::trim(value)))
}

/// Whether a field of this name decides about framing, routing, conditions or the caller, so that
/// it can be there only once, and never in the trailers (RFC 9110 sections 5.3 and 6.5.1).
pub(super) fn is_singleton(name: &[u8]) -> bool {
    matches!(known(name), Some(Known::Once(_)))
}

fn request_line(text: &[u8], start: usize) -> Result<RequestLine, ParseError> {
    let parts = || {
        let (method, rest) = scan::cut(text, b' ')?;
        let (target, version) = scan::cut(rest, b' ')?;
        (scan::is_token(method) && !version.contains(&b' ')).then_some((method, target, version))
    };
    let (method, target, version) = parts().ok_or(ParseError::RequestLine)?;
    let version = http_version(version)?;
    let target_start = start + method.len() + 1;
    let target_end = target_start + target.len();
    let method = Method::parse(method).ok_or(ParseError::MethodUnknown)?;
    let Judged { skipped, is_escaped } = Target::judge(target, method)?;
    Ok(RequestLine { method, target: target_start + skipped..target_end, is_escaped, version })
}

fn http_version(text: &[u8]) -> Result<Version, ParseError> {
    match text {
        b"HTTP/1.1" => Ok(Version::Http11),
        b"HTTP/1.0" => Ok(Version::Http10),
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
            if major.is_ascii_digit() && minor.is_ascii_digit() =>
        {
            if *major == b'1' {
                Ok(Version::Http11)
            } else {
                Err(ParseError::VersionUnsupported)
            }
        }
        _ => Err(ParseError::Version),
    }
}

/// One number in digits, without the leading zeros that some read as octal, and below 2^64: past
/// that, an implementation that wraps around would see the end elsewhere.
fn content_length(value: &[u8]) -> Option<u64> {
    if matches!(value, [b'0', _, ..]) { None } else { scan::decimal(value) }
}

/// Accepts only `chunked`. With other codings before it the body has an end but cannot be decoded;
/// with any other list the end is in doubt (RFC 9112 section 6.3).
fn transfer_encoding(value: &[u8]) -> Result<(), ParseError> {
    let is_chunked = |coding: &[u8]| coding.eq_ignore_ascii_case(b"chunked");
    if is_chunked(value) {
        return Ok(());
    }
    let mut codings = scan::list(value);
    let mut others = codings.clone().filter(|coding| !is_chunked(coding));
    let chunked_once = codings.clone().filter(|coding| is_chunked(coding)).count() == 1;
    let chunked_last = codings.clone().last().is_some_and(is_chunked);
    if chunked_once && chunked_last && others.next().is_some() && codings.all(scan::is_token) {
        return Err(ParseError::TransferCodingUnknown);
    }
    Err(ParseError::TransferEncoding)
}

/// A field that may be there only once: because it has one value, or because with a second one two
/// readers could see two different requests. So the parser can remember where it is.
///
/// Not the conditional dates: of several, RFC 9110 section 13.1.3 says to ignore them all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "their names say it")]
pub enum Singleton {
    Authorization,
    ContentEncoding,
    ContentLength,
    ContentRange,
    ContentType,
    Host,
    IfRange,
    LastEventId,
    MaxForwards,
    Origin,
    Range,
    TransferEncoding,
}

/// A field that means something to the parser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    Once(Singleton),
    Accept,
    Connection,
    Expect,
}

/// The longest name of them has so many bytes.
const KNOWN_BYTES_MAX: usize = 17;

/// Which of them has this name.
fn known(name: &[u8]) -> Option<Known> {
    let mut lower = [0; KNOWN_BYTES_MAX];
    let lower = lower.get_mut(..name.len())?;
    for (lower, byte) in lower.iter_mut().zip(name) {
        // In a token this bit makes a letter lower-case, and makes nothing else a letter or hyphen.
        *lower = byte | 0x20;
    }
    Some(match &*lower {
        b"accept" => Known::Accept,
        b"authorization" => Known::Once(Singleton::Authorization),
        b"connection" => Known::Connection,
        b"content-encoding" => Known::Once(Singleton::ContentEncoding),
        b"content-length" => Known::Once(Singleton::ContentLength),
        b"content-range" => Known::Once(Singleton::ContentRange),
        b"content-type" => Known::Once(Singleton::ContentType),
        b"expect" => Known::Expect,
        b"host" => Known::Once(Singleton::Host),
        b"if-range" => Known::Once(Singleton::IfRange),
        b"last-event-id" => Known::Once(Singleton::LastEventId),
        b"max-forwards" => Known::Once(Singleton::MaxForwards),
        b"origin" => Known::Once(Singleton::Origin),
        b"range" => Known::Once(Singleton::Range),
        b"transfer-encoding" => Known::Once(Singleton::TransferEncoding),
        _ => return None,
    })
}

/// Where the fields are that somebody will ask for, in the field lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Places {
    /// Where the value of each singleton begins; 0, where none can begin, for those that are
    /// missing.
    singletons: [u32; Singleton::TransferEncoding as usize + 1],
    /// All lines of `Accept` are between these.
    accept: [u32; 2],
}

impl Places {
    fn note(&mut self, which: Singleton, start: usize) -> Result<(), ParseError> {
        if self.saw(which) {
            return Err(ParseError::FieldRepeated);
        }
        self.singletons[which as usize] = place(start);
        Ok(())
    }

    fn note_accept(&mut self, start: usize, end: usize) {
        if self.accept == [0, 0] {
            self.accept[0] = place(start);
        }
        self.accept[1] = place(end);
    }

    fn saw(&self, which: Singleton) -> bool {
        self.singletons[which as usize] > 0
    }

    /// The field lines among which all of `Accept` are.
    pub(super) fn accept<'a>(&self, field_lines: &'a [u8]) -> &'a [u8] {
        let [start, end] = self.accept;
        &field_lines[start as usize..end as usize]
    }

    /// The value of one, in the field lines.
    pub(super) fn find<'a>(&self, which: Singleton, field_lines: &'a [u8]) -> Option<&'a [u8]> {
        let start = Some(self.singletons[which as usize] as usize).filter(|&start| start > 0)?;
        let (value, _) = scan::cut(&field_lines[start..], b'\r')?;
        Some(scan::trim(value))
    }
}

fn place(at: usize) -> u32 {
    // invariant: no head is longer than 4 GiB.
    u32::try_from(at).expect("a place in a head")
}
