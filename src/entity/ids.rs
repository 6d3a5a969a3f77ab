//! Names the numbers that everything uses: whose they are and what they count.
//!
//! A bare `i64` may be a user, a message or a time, and nothing stops one from being passed as
//! another; these newtypes do. They know neither where their numbers come from (the store gives
//! ids, the clock gives times) nor how they travel (the web service writes them as JSON integers,
//! with `.0`).

use std::fmt;

use crate::map::{Key, mix};

/// Makes a newtype over the 64-bit integer that the store keeps as a row id.
macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, Hash, PartialEq, Eq, PartialOrd, Ord)]
        pub struct $name(pub i64);

        impl Key for $name {
            fn hash(&self) -> u64 {
                mix(self.0.cast_unsigned())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id! {
    /// A person with an account; never reused, so that old messages never change hands.
    UserId
}
id! {
    /// A conversation, direct or group.
    ConversationId
}
id! {
    /// A message; grows in the order of commit over the whole server.
    MessageId
}
id! {
    /// A login: one token, one row.
    SessionId
}

/// A moment of civil time: milliseconds since 1970-01-01T00:00:00Z, as on the wire and in the
/// store.
///
/// Its `Display` is for people and logs, `2026-11-23T10:02:03.456Z`; JSON wants the number.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// The moment that many milliseconds later, or the last one that there is.
    #[must_use]
    pub fn plus_millis(self, millis: i64) -> Self {
        Self(self.0.saturating_add(millis))
    }

    /// The moment that many milliseconds earlier, or the first one that there is.
    #[must_use]
    pub fn minus_millis(self, millis: i64) -> Self {
        Self(self.0.saturating_sub(millis))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, millis) = (self.0.div_euclid(MILLIS_A_DAY), self.0.rem_euclid(MILLIS_A_DAY));
        let (year, month, day) = civil_from_days(days);
        let (seconds, millis) = (millis / 1000, millis % 1000);
        let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
    }
}

/// Turns days since 1970-01-01 into year, month and day of the Gregorian calendar.
///
/// Years are counted from March: leap days then fall at a year's end, where they disturb nothing,
/// and the months' lengths follow the line (153 m + 2) / 5. The calendar repeats after 400 years,
/// an era.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + DAYS_FROM_MARCH_0000_TO_1970;
    let (era, day_of_era) = (days.div_euclid(DAYS_AN_ERA), days.rem_euclid(DAYS_AN_ERA));
    let leap_days = day_of_era / 1460 - day_of_era / 36_524 + day_of_era / 146_096;
    let year_of_era = (day_of_era - leap_days) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let months_since_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * months_since_march + 2) / 5 + 1;
    let month = (months_since_march + 2) % 12 + 1;
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    (year, month, day)
}

const MILLIS_A_DAY: i64 = 86_400_000;
const DAYS_AN_ERA: i64 = 146_097;
const DAYS_FROM_MARCH_0000_TO_1970: i64 = 719_468;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_reads_as_rfc_3339_in_utc() {
        for (millis, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_709_251_199_999, "2024-02-29T23:59:59.999Z"),
            (1_709_251_200_000, "2024-03-01T00:00:00.000Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
            (1_795_428_123_456, "2026-11-23T10:02:03.456Z"),
        ] {
            assert_eq!(Timestamp(millis).to_string(), text);
        }
    }

    #[test]
    fn every_day_of_an_era_follows_the_day_before() {
        let mut before = civil_from_days(-1);
        for days in 0..DAYS_AN_ERA {
            let day = civil_from_days(days);
            let (year, month, next) = (before.0, before.1, before.2 + 1);
            let new_month =
                (day.0 * 12 + day.1 == year * 12 + month + 1) && day.2 == 1 && next > 28;
            assert!(day == (year, month, next) || new_month, "{before:?} then {day:?}");
            before = day;
        }
        assert_eq!(before, (2369, 12, 31));
    }

    #[test]
    fn arithmetic_and_display_survive_both_ends_of_time() {
        assert_eq!(Timestamp(i64::MAX).plus_millis(1), Timestamp(i64::MAX));
        assert_eq!(Timestamp(i64::MIN).minus_millis(1), Timestamp(i64::MIN));
        assert!(Timestamp(i64::MAX).to_string().ends_with('Z'));
        assert!(Timestamp(i64::MIN).to_string().ends_with('Z'));
    }
}
