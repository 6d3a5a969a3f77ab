//! Picks what a peer likes best from `Accept` and `Accept-Encoding` (RFC 9110 sections 12.4.2 and
//! 12.5).
//!
//! Knows the syntax of ranges and weights; does not know what the server has to offer. These fields
//! are wishes, so nothing in them is an error. Weights are thousandths, 0 to 1,000.

use super::scan;

/// Which of the media types `offers` is liked best: by weight, then by how exactly it was named,
/// then by order. Without an `Accept` field, or with an empty one, that is the first; `None` if all
/// are refused.
pub(super) fn prefers<'a>(
    accept: impl Iterator<Item = &'a [u8]> + Clone,
    offers: &[&str],
) -> Option<usize> {
    let first = offers.first()?.as_bytes();
    let mut values = accept.clone();
    let Some(value) = values.next() else { return Some(0) };
    // What most clients send needs no taking apart.
    if (value == b"*/*" || value == first) && values.next().is_none() {
        return Some(0);
    }
    let ranges: Vec<_> = accept.flat_map(scan::list).map(weighted).collect();
    if ranges.is_empty() {
        return Some(0);
    }
    let judged = offers.iter().enumerate().filter_map(|(index, offer)| {
        let matching = ranges.iter().filter_map(|&(range, weight)| {
            specificity(range, offer.as_bytes()).map(|specificity| (specificity, weight))
        });
        // The most specific range that matches decides, whatever the others weigh.
        let (specificity, weight) = matching.max_by_key(|&(specificity, _)| specificity)?;
        (weight > 0).then_some((weight, specificity, std::cmp::Reverse(index)))
    });
    judged.max().map(|(_, _, std::cmp::Reverse(index))| index)
}

/// Whether gzip is welcome, and no less than the plain bytes if those are named. If the field is
/// missing, so is any proof that the peer can read gzip.
pub(super) fn accepts_gzip<'a>(accept_encoding: impl Iterator<Item = &'a [u8]>) -> bool {
    let mut any = None;
    let mut gzip = None;
    let mut identity = None;
    for (coding, weight) in accept_encoding.flat_map(scan::list).map(weighted) {
        if coding.eq_ignore_ascii_case(b"gzip") || coding.eq_ignore_ascii_case(b"x-gzip") {
            gzip = gzip.max(Some(weight));
        } else if coding.eq_ignore_ascii_case(b"identity") {
            identity = Some(weight);
        } else if coding == b"*" {
            any = Some(weight);
        }
    }
    gzip.or(any).is_some_and(|weight| weight > 0 && identity.is_none_or(|plain| plain <= weight))
}

/// An element without its parameters, and its weight.
fn weighted(element: &[u8]) -> (&[u8], u16) {
    let mut parts = element.split(|&byte| byte == b';').map(scan::trim);
    let range = parts.next().unwrap_or_default();
    let weight = parts.find_map(|parameter| {
        parameter.strip_prefix(b"q=").or_else(|| parameter.strip_prefix(b"Q="))
    });
    (range, weight.map_or(1000, thousandths))
}

/// `0.5` is 500, and so is the `.5` of old clients; more than three places are cut off. What is no
/// number counts as a refusal, since a weight asks for less than everything.
fn thousandths(weight: &[u8]) -> u16 {
    let point = weight.iter().position(|&byte| byte == b'.').unwrap_or(weight.len());
    let (whole, fraction) = weight.split_at(point);
    let fraction = fraction.get(1..).unwrap_or_default();
    let is_number = [whole, fraction].iter().all(|digits| digits.iter().all(u8::is_ascii_digit));
    if !is_number || (whole.is_empty() && fraction.is_empty()) {
        return 0;
    }
    if whole.iter().any(|&digit| digit != b'0') {
        return 1000;
    }
    let digits = fraction.iter().chain(b"000").take(3);
    digits.fold(0, |sum, &digit| sum * 10 + u16::from(digit - b'0'))
}

/// How exactly `range` names `offer`: 2 for the type itself, 1 for `type/*`, 0 for `*/*`.
fn specificity(range: &[u8], offer: &[u8]) -> Option<u8> {
    if range.eq_ignore_ascii_case(offer) {
        return Some(2);
    }
    let prefix = range.strip_suffix(b"*")?;
    let of_type = prefix.ends_with(b"/")
        && offer.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix));
    match (range, of_type) {
        (b"*/*", _) => Some(0),
        (_, true) => Some(1),
        (_, false) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OFFERS: [&str; 3] = ["application/json", "text/event-stream", "application/x-ndjson"];

    fn best(accept: &str) -> Option<usize> {
        prefers([accept.as_bytes()].into_iter(), &OFFERS)
    }

    #[test]
    fn the_best_offer_is_taken() {
        let cases = [
            ("*/*", Some(0)),
            ("text/event-stream", Some(1)),
            ("text/event-stream, */*", Some(1)),
            ("TEXT/*;q=0.5, application/*;q=0.4", Some(1)),
            ("application/*", Some(0)),
            ("application/json;q=0, */*", Some(1)),
            ("application/json;q=0.1, application/x-ndjson; Q=0.9", Some(2)),
            ("text/html, image/*", None),
            ("application/json;q=0", None),
            ("application/json;q=nonsense", None),
            // What Java's HttpURLConnection sends.
            ("text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2", Some(0)),
            ("*", None),
            ("", Some(0)),
            (", ,", Some(0)),
        ];
        for (accept, expected) in cases {
            assert_eq!(best(accept), expected, "{accept}");
        }
        assert_eq!(prefers(std::iter::empty(), &OFFERS), Some(0));
    }

    #[test]
    fn gzip_is_for_those_who_ask() {
        let yes = "gzip|GZIP|x-gzip|br, gzip;q=0.2|*|identity;q=0, *|gzip, *;q=0|gzip, identity|\
                   identity;q=0.5, gzip;q=0.6";
        let no = "|br|gzip;q=0|gzip;q=0, *|*;q=0|gzipped|gzip;q=0.000|identity|\
                  gzip;q=0.1, identity;q=0.5|Identity, *;q=0.5";
        for field in yes.split('|') {
            assert!(accepts_gzip([field.as_bytes()].into_iter()), "{field}");
        }
        for field in no.split('|') {
            assert!(!accepts_gzip([field.as_bytes()].into_iter()), "{field}");
        }
        assert!(!accepts_gzip(std::iter::empty()));
    }

    #[test]
    fn weights_are_read_to_three_places() {
        let weights = [
            ("1", 1000),
            ("0", 0),
            ("0.5", 500),
            ("0.123", 123),
            ("1.000", 1000),
            ("0.", 0),
            (".2", 200),
            ("0.12345", 123),
            ("1.5", 1000),
            ("00.5", 500),
            ("10", 1000),
        ];
        for (text, expected) in weights {
            assert_eq!(thousandths(text.as_bytes()), expected, "{text}");
        }
        for malformed in ["", ".", "x", "-1", "0,5", "0.x", "0.5.5"] {
            assert_eq!(thousandths(malformed.as_bytes()), 0, "{malformed}");
        }
    }
}
