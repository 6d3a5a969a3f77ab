//! Judges and splits request targets: origin form, absolute form and `*` (RFC 9112 section 3.2, RFC
//! 3986).
//!
//! Does not know which paths exist. Percent escapes are decoded once, and only after splitting. A
//! target that got through has these properties, so that nobody after it checks them again:
//!
//! 1. Every escape is two hexadecimal digits, and path and query, decoded, are well-formed UTF-8;
//!    an overlong form is not.
//! 2. No segment of the path, decoded, holds a slash, a backslash or a control character: `%2f`,
//!    `%5c` and `%00` are refused, since a proxy may well have seen another path in them.
//! 3. No segment is `.` or `..`, escaped or not. RFC 3986 section 5.2.4 has the client resolve
//!    them.
//! 4. There is no fragment; no byte outside printable ASCII; none of `"`, `<`, `>` and `\`. Other
//!    bytes that RFC 3986 wants escaped, such as `|` or `{`, are let through: browsers send them
//!    bare in a query.
//!
//! A query, decoded, may hold anything, NUL included: it is a value, and whoever reads it judges
//! it.

use std::borrow::Cow;

use super::authority;
use super::error::ParseError;
use super::request::Method;
use super::scan;

/// What a request asks for. The scheme and authority of an absolute form are judged and left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target<'a> {
    path: &'a str,
    query: Option<&'a str>,
    /// Whether anything in it reads differently once it is decoded.
    is_escaped: bool,
}

/// What was found out about a target when it was judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Judged {
    /// How long the scheme and the authority are, which are left out.
    pub(super) skipped: usize,
    /// Whether anything in the rest reads differently once it is decoded.
    pub(super) is_escaped: bool,
}

impl<'a> Target<'a> {
    /// Refuses what is not a target for `method`.
    pub(super) fn judge(text: &'a [u8], method: Method) -> Result<Judged, ParseError> {
        let (mut has_query, mut has_dots, mut is_escaped) = (false, false, false);
        for &byte in text {
            match byte {
                _ if scan::is_plain_in_target(byte) => {}
                b'?' => has_query = true,
                b'.' => has_dots |= !has_query,
                b'%' | b'+' => is_escaped = true,
                _ => return Err(ParseError::Target),
            }
        }
        // By far the most frequent case: there is nothing more to judge.
        if text.starts_with(b"/") && !has_dots && !is_escaped {
            return Ok(Judged { skipped: 0, is_escaped });
        }
        let text = str::from_utf8(text).map_err(|_| ParseError::Target)?;
        if text == "*" && method == Method::Options {
            return Ok(Judged { skipped: 0, is_escaped });
        }
        let mut skipped = 0;
        if !text.starts_with('/') {
            let rest = after_scheme(text).ok_or(ParseError::Target)?;
            let authority = &rest[..authority_end(rest)];
            if !authority::is_authority(authority.as_bytes()) {
                return Err(ParseError::Host);
            }
            skipped = text.len() - rest.len() + authority.len();
        }
        let target = Self::split(&text[skipped..], is_escaped);
        judge_escapes(target.path, |byte| {
            !byte.is_ascii_control() && byte != b'/' && byte != b'\\'
        })?;
        if target.segments().any(|segment| matches!(&*segment, "." | "..")) {
            return Err(ParseError::TargetDotSegment);
        }
        judge_escapes(target.query.unwrap_or(""), |_| true)?;
        Ok(Judged { skipped, is_escaped })
    }

    /// Splits a text that was judged before, without what is left out of it.
    pub(super) fn split(text: &'a str, is_escaped: bool) -> Self {
        let (path, query) = cut(text, b'?');
        // An absolute form may have no path at all, which is "/" (RFC 9110 section 4.2.3).
        Self { path: if path.is_empty() { "/" } else { path }, query, is_escaped }
    }

    /// The path as it was sent, escapes and all: it starts with a slash, or it is `*`.
    pub fn path(&self) -> &'a str {
        self.path
    }

    /// The path with its escapes decoded. That is safe as a whole, since no segment can hold a
    /// slash.
    pub fn decoded_path(&self) -> Cow<'a, str> {
        self.decode(self.path)
    }

    /// The decoded segments: `/a/b%20c` has `a` and `b c`, `/a/` has `a` and an empty one, `/` an
    /// empty one.
    pub fn segments(&self) -> impl Iterator<Item = Cow<'a, str>> + use<'a> {
        let target = *self;
        let path = self.path.strip_prefix('/').unwrap_or(self.path);
        path.split('/').map(move |segment| target.decode(segment))
    }

    /// Whether the target is the server as a whole: `OPTIONS *`.
    pub fn is_asterisk(&self) -> bool {
        self.path == "*"
    }

    /// What stands after the first question mark, as it was sent.
    pub fn query(&self) -> Option<&'a str> {
        self.query
    }

    /// The decoded `name=value` pairs of the query in their order; `+` is a space, a missing value
    /// is empty.
    pub fn query_pairs(&self) -> impl Iterator<Item = (Cow<'a, str>, Cow<'a, str>)> + use<'a> {
        pairs(self.query.unwrap_or(""), self.is_escaped)
    }

    fn decode(&self, part: &'a str) -> Cow<'a, str> {
        if self.is_escaped { decode(part, false) } else { Cow::Borrowed(part) }
    }
}

/// The decoded `name=value` pairs of a body of `application/x-www-form-urlencoded`.
pub fn form_pairs(text: &str) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> + use<'_> {
    pairs(text, is_escaped(text))
}

fn pairs(
    text: &str,
    is_escaped: bool,
) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> + use<'_> {
    let decode = move |part| if is_escaped { decode(part, true) } else { Cow::Borrowed(part) };
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        loop {
            let (pair, behind) = cut(rest?, b'&');
            rest = behind;
            if !pair.is_empty() {
                let (name, value) = cut(pair, b'=');
                return Some((decode(name), decode(value.unwrap_or(""))));
            }
        }
    })
}

/// Whether anything in a target or a form has to be decoded.
fn is_escaped(text: &str) -> bool {
    has(text, b'%') || has(text, b'+')
}

/// What stands before the first of an ASCII character, and after it if it is there.
fn cut(text: &str, character: u8) -> (&str, Option<&str>) {
    match scan::find(character, text.as_bytes()) {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    }
}

fn has(text: &str, character: u8) -> bool {
    scan::find(character, text.as_bytes()).is_some()
}

/// What follows `http://`, the only scheme that this server is an origin of.
fn after_scheme(text: &str) -> Option<&str> {
    let (scheme, rest) = text.split_at_checked("http://".len())?;
    scheme.eq_ignore_ascii_case("http://").then_some(rest)
}

fn authority_end(text: &str) -> usize {
    text.find(['/', '?']).unwrap_or(text.len())
}

/// Refuses malformed escapes, those of bytes that are not allowed, and what is not UTF-8 once
/// decoded.
fn judge_escapes(text: &str, allowed: impl Fn(u8) -> bool) -> Result<(), ParseError> {
    let (plain, Some(rest)) = cut(text, b'%') else { return Ok(()) };
    let mut decoded = Vec::with_capacity(text.len());
    decoded.extend_from_slice(plain.as_bytes());
    for part in rest.split('%') {
        let byte = escaped(part).filter(|&byte| allowed(byte)).ok_or(ParseError::TargetEscape)?;
        decoded.push(byte);
        decoded.extend_from_slice(&part.as_bytes()[2..]);
    }
    str::from_utf8(&decoded).map(drop).map_err(|_| ParseError::TargetEscape)
}

/// The byte whose two digits `part` starts with.
fn escaped(part: &str) -> Option<u8> {
    match part.as_bytes() {
        [high, low, ..] => Some(scan::hex(*high)? << 4 | scan::hex(*low)?),
        _ => None,
    }
}

/// Decodes text whose escapes were judged; any that were not are left as they are rather than
/// guessed at.
fn decode(text: &str, plus_is_space: bool) -> Cow<'_, str> {
    let is_escaped = has(text, b'%') || (plus_is_space && has(text, b'+'));
    if !is_escaped {
        return Cow::Borrowed(text);
    }
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(&first) = rest.as_bytes().first() {
        let (byte, length) = match (first, rest.get(1..).and_then(escaped)) {
            (b'%', Some(byte)) => (byte, 3),
            (b'+', _) if plus_is_space => (b' ', 1),
            (byte, _) => (byte, 1),
        };
        decoded.push(byte);
        rest = rest.get(length..).unwrap_or("");
    }
    String::from_utf8(decoded).map_or(Cow::Borrowed(text), Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(text: &str) -> Result<Target<'_>, ParseError> {
        let Judged { skipped, is_escaped } = Target::judge(text.as_bytes(), Method::Get)?;
        Ok(Target::split(&text[skipped..], is_escaped))
    }

    #[test]
    fn forms_are_split_into_path_and_query() {
        let cases = [
            ("/", "/", None),
            ("/a/b?c=d?e", "/a/b", Some("c=d?e")),
            ("/?", "/", Some("")),
            ("//a//", "//a//", None),
            ("http://h/a?b", "/a", Some("b")),
            ("HTTP://h:80", "/", None),
            ("http://[::1]?q", "/", Some("q")),
            ("/http://a/b", "/http://a/b", None),
        ];
        for (text, path, query) in cases {
            let target = get(text).unwrap();
            assert_eq!((target.path(), target.query()), (path, query), "{text}");
        }
    }

    #[test]
    fn what_is_no_target_is_refused() {
        use ParseError::{Host, Target, TargetDotSegment, TargetEscape};
        let cases = [
            ("", Target),
            ("*", Target),
            ("a", Target),
            ("host:80", Target),
            ("https://h/", Target),
            ("/a#b", Target),
            ("/ä", Target),
            ("/a\\b", Target),
            ("/a\tb", Target),
            ("http://", Host),
            ("http:///a", Host),
            ("http://u@h/", Host),
            ("/%", TargetEscape),
            ("/%4", TargetEscape),
            ("/%g0", TargetEscape),
            ("/%+1", TargetEscape),
            ("/%00", TargetEscape),
            ("/%0d%0a", TargetEscape),
            ("/a%2fb", TargetEscape),
            ("/a%5Cb", TargetEscape),
            ("/%c0%ae", TargetEscape),
            ("/%ed%a0%80", TargetEscape),
            ("/%e6", TargetEscape),
            ("/?a=%", TargetEscape),
            ("/?a=%ff", TargetEscape),
            ("/?%e6=%bc%a0", TargetEscape),
            ("/..", TargetDotSegment),
            ("/a/./b", TargetDotSegment),
            ("/a/%2E%2e/b", TargetDotSegment),
            ("http://h/a/..", TargetDotSegment),
        ];
        for (text, error) in cases {
            assert_eq!(get(text), Err(error), "{text}");
        }
    }

    #[test]
    fn asterisk_is_for_options_alone() {
        let judged = Judged { skipped: 0, is_escaped: false };
        assert_eq!(Target::judge(b"*", Method::Options), Ok(judged));
        assert!(Target::split("*", false).is_asterisk());
        assert_eq!(Target::judge(b"*a", Method::Options), Err(ParseError::Target));
    }

    #[test]
    fn segments_are_decoded_once_and_after_splitting() {
        let target = get("/a%20b/%E6%BC%A0%E7%84%B6/%252f/.../x+y/").unwrap();
        let segments: Vec<_> = target.segments().collect();
        assert_eq!(segments, ["a b", "漠然", "%2f", "...", "x+y", ""]);
        assert_eq!(target.decoded_path(), "/a b/漠然/%2f/.../x+y/");
    }

    #[test]
    fn query_pairs_are_decoded_after_splitting() {
        let target = get("/?q=%E6%BC%A0+%2B%26&&empty=&bare&=x&nul=%00&a=b=c").unwrap();
        let pairs: Vec<_> = target.query_pairs().collect();
        let expected =
            [("q", "漠 +&"), ("empty", ""), ("bare", ""), ("", "x"), ("nul", "\0"), ("a", "b=c")];
        assert_eq!(pairs, expected.map(|(name, value)| (name.into(), value.into())));
    }
}
