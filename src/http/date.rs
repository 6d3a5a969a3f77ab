//! Writes `Date` values (RFC 9110 section 5.6.7) without formatting one for every answer.
//!
//! Does not know what time it is: whoever asks says so.

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

/// The last second of the year 9999, beyond which the format has no room.
const SECONDS_MAX: u64 = 253_402_300_799;

/// The text of one second, kept until another is asked for.
#[derive(Debug, Default)]
pub struct DateCache {
    second: u64,
    text: String,
}

impl DateCache {
    /// A cache that holds no text yet.
    pub const fn new() -> Self {
        Self { second: 0, text: String::new() }
    }

    /// The date at this Unix time in milliseconds, as `Sun, 06 Nov 1994 08:49:37 GMT`.
    pub fn at(&mut self, unix_ms: i64) -> &str {
        let second = u64::try_from(unix_ms / 1000).unwrap_or(0);
        if second != self.second || self.text.is_empty() {
            self.second = second;
            self.text = http_date(second);
        }
        &self.text
    }
}

/// The date at this Unix time in seconds.
pub(super) fn http_date(second: u64) -> String {
    httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + Duration::from_secs(second.min(SECONDS_MAX)))
}

/// The date at this Unix time in seconds, but not after `now`, itself such a date: nothing that is
/// sent was changed after it was sent (RFC 9110 section 8.8.2.1).
pub(super) fn http_date_until(second: u64, now: &str) -> Cow<'_, str> {
    match parse_http_date(now.as_bytes()) {
        Some(now_second) if now_second < second => Cow::Borrowed(now),
        _ => Cow::Owned(http_date(second)),
    }
}

/// The Unix time in seconds of a date in any of the three formats that RFC 9110 section 5.6.7 asks
/// to read. Unix time has no leap seconds: one is the second before it.
pub(super) fn parse_http_date(text: &[u8]) -> Option<u64> {
    let text = str::from_utf8(text).ok()?.replace("23:59:60", "23:59:59");
    let date = httpdate::parse_http_date(&text).ok()?;
    Some(date.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_changes_with_the_second() {
        let mut dates = DateCache::new();
        assert_eq!(dates.at(784_111_777_000), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(dates.at(784_111_777_999), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(dates.at(784_111_778_000), "Sun, 06 Nov 1994 08:49:38 GMT");
    }

    #[test]
    fn times_out_of_range_are_clamped() {
        let mut dates = DateCache::new();
        assert_eq!(dates.at(0), "Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(dates.at(i64::MIN), "Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(dates.at(i64::MAX), "Fri, 31 Dec 9999 23:59:59 GMT");
    }

    #[test]
    fn a_leap_second_is_the_second_before_it() {
        for date in [
            "Sat, 31 Dec 2016 23:59:60 GMT",
            "Saturday, 31-Dec-16 23:59:60 GMT",
            "Sat Dec 31 23:59:60 2016",
        ] {
            assert_eq!(parse_http_date(date.as_bytes()), Some(1_483_228_799), "{date}");
        }
    }

    #[test]
    fn what_was_changed_in_the_future_was_changed_now() {
        let now = "Sun, 06 Nov 1994 08:49:37 GMT";
        assert_eq!(http_date_until(784_111_777, now), now);
        assert_eq!(http_date_until(784_111_778, now), now);
        assert_eq!(http_date_until(784_111_776, now), "Sun, 06 Nov 1994 08:49:36 GMT");
    }

    #[test]
    fn all_three_formats_are_read() {
        let formats = [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
        ];
        for text in formats {
            assert_eq!(parse_http_date(text.as_bytes()), Some(784_111_777), "{text}");
        }
        assert_eq!(parse_http_date(b"yesterday"), None);
    }
}
