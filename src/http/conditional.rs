//! Judges conditions and ranges of a request for something that has validators (RFC 9110 sections
//! 8.8, 13, 14).
//!
//! Knows the order of precedence; does not know what the bytes are. Dates decide only if the peer
//! sent no entity tags, and never about ranges: without a clock, which this layer lacks, a date is
//! not a strong validator.

use std::ops::Range;

use super::date;
use super::parse::Singleton;
use super::request::{Method, Request};
use super::scan;

/// What tells one version of a representation from another.
#[derive(Clone, Copy, Debug)]
pub(super) struct Validators<'a> {
    /// A strong entity tag with its quotes.
    pub(super) etag: &'a str,
    /// Unix time in seconds.
    pub(super) modified: u64,
}

/// What follows from the conditions of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// 200, all of it.
    Whole,
    /// 206, these bytes of it.
    Part(Range<usize>),
    /// 416.
    Unsatisfiable,
    /// 304.
    NotModified,
    /// 412.
    Failed,
}

/// Evaluates the conditions of a GET or HEAD in the order of RFC 9110 section 13.2.2.
pub(super) fn judge(request: &Request<'_>, validators: Validators<'_>, length: usize) -> Verdict {
    let date = |name| {
        let mut values = request.values(name);
        // If there are several dates, none counts (section 13.1.3).
        let value = values.next().filter(|_| values.next().is_none());
        value.and_then(date::parse_http_date)
    };
    let mut if_match = request.values("if-match").peekable();
    let mut if_none_match = request.values("if-none-match").peekable();
    if if_match.peek().is_some() {
        if !if_match.any(|value| names(value, validators.etag, Comparison::Strong)) {
            return Verdict::Failed;
        }
    } else if date("if-unmodified-since").is_some_and(|date| validators.modified > date) {
        return Verdict::Failed;
    }
    if if_none_match.peek().is_some() {
        if if_none_match.any(|value| names(value, validators.etag, Comparison::Weak)) {
            return Verdict::NotModified;
        }
    } else if date("if-modified-since").is_some_and(|date| validators.modified <= date) {
        return Verdict::NotModified;
    }
    match request.singleton(Singleton::Range) {
        Some(value) if request.method == Method::Get && may_be_partial(request, validators) => {
            range(value, length)
        }
        _ => Verdict::Whole,
    }
}

/// RFC 9110 section 13.1.5.
fn may_be_partial(request: &Request<'_>, validators: Validators<'_>) -> bool {
    request.singleton(Singleton::IfRange).is_none_or(|value| value == validators.etag.as_bytes())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Strong,
    Weak,
}

/// Whether a list of entity tags, or `*`, names this one (RFC 9110 section 8.8.3.2). Tags may have
/// commas in them.
fn names(value: &[u8], etag: &str, comparison: Comparison) -> bool {
    if value == b"*" {
        return true;
    }
    let mut rest = value;
    loop {
        while let [b' ' | b'\t' | b',', after @ ..] = rest {
            rest = after;
        }
        let (weak, tag) = match rest.strip_prefix(b"W/") {
            Some(tag) => (true, tag),
            None => (false, rest),
        };
        let Some(end) = tag.strip_prefix(b"\"").and_then(|tag| scan::find(b'"', tag)) else {
            return false;
        };
        let (tag, after) = tag.split_at(end + 2);
        if tag == etag.as_bytes() && (!weak || comparison == Comparison::Weak) {
            return true;
        }
        rest = after;
    }
}

/// One range of bytes (RFC 9110 section 14.1.2). What is malformed, in another unit or more than
/// one range is ignored, as section 14.2 allows: the whole is never wrong.
fn range(value: &[u8], length: usize) -> Verdict {
    match range_spec(value, length) {
        None => Verdict::Whole,
        Some(part) if part.is_empty() => Verdict::Unsatisfiable,
        Some(part) => Verdict::Part(part),
    }
}

fn range_spec(value: &[u8], length: usize) -> Option<Range<usize>> {
    let (unit, spec) = value.split_at(scan::find(b'=', value)?);
    let spec = scan::trim(spec.strip_prefix(b"=")?);
    let (first, last) = spec.split_at(scan::find(b'-', spec)?);
    match (first, last.strip_prefix(b"-")?) {
        _ if !unit.eq_ignore_ascii_case(b"bytes") => None,
        ([], suffix) => Some(length.saturating_sub(position(suffix)?)..length),
        (first, []) => Some(position(first)?..length),
        (first, last) => {
            let (first, last) = (position(first)?, position(last)?);
            (first <= last).then(|| first..length.min(last.saturating_add(1)))
        }
    }
}

/// A position in digits. One beyond all memory is as good as the end.
fn position(digits: &[u8]) -> Option<usize> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let position = scan::decimal(digits).and_then(|number| usize::try_from(number).ok());
    Some(position.unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn etags_are_compared_weakly_or_strongly() {
        use Comparison::{Strong, Weak};
        let cases = [
            ("\"a\"", true, true),
            ("W/\"a\"", true, false),
            ("\"b\", \"a\"", true, true),
            ("\"b,\",\"a\"", true, true),
            ("*", true, true),
            (", ,\"a\",", true, true),
            ("\"b\"", false, false),
            ("a", false, false),
            ("\"a", false, false),
            ("w/\"a\"", false, false),
            ("\"b\" a \"a\"", false, false),
            ("", false, false),
        ];
        for (value, weak, strong) in cases {
            assert_eq!(names(value.as_bytes(), "\"a\"", Weak), weak, "{value}");
            assert_eq!(names(value.as_bytes(), "\"a\"", Strong), strong, "{value}");
        }
    }

    #[test]
    fn single_ranges_are_cut_to_the_length() {
        use Verdict::{Part, Unsatisfiable, Whole};
        let cases = [
            ("bytes=0-0", Part(0..1)),
            ("bytes=2-4", Part(2..5)),
            ("bytes=2-", Part(2..10)),
            ("bytes=-3", Part(7..10)),
            ("bytes=-99", Part(0..10)),
            ("bytes=9-99999999999999999999999", Part(9..10)),
            ("bytes=10-", Unsatisfiable),
            ("bytes=10-12", Unsatisfiable),
            ("bytes=-0", Unsatisfiable),
            ("bytes=4-2", Whole),
            ("bytes=-", Whole),
            ("bytes=a-b", Whole),
            ("bytes=0-1,3-4", Whole),
            ("lines=0-1", Whole),
            ("bytes", Whole),
            ("bytes=+1-2", Whole),
        ];
        for (value, verdict) in cases {
            assert_eq!(range(value.as_bytes(), 10), verdict, "{value}");
        }
        assert_eq!(range(b"bytes=-1", 0), Unsatisfiable);
    }
}
