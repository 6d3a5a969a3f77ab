//! Writes and reads the values of settings: how each type is given, shown and refused.
//!
//! Knows no setting by name. Rules:
//! 1. `set` takes what `shown` gives, and changes nothing by it.
//! 2. A refused value changes nothing, and `allowed` says what would have been right.

use std::ffi::OsStr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use log::LevelFilter;

#[cfg(feature = "tls")]
use super::PemFile;
use super::{Bytes, Durability, Listen, LogFormat, Registration};
use crate::entity::{Title, UserName};
use crate::http::Network;

/// A type of field that can be set by words. The range is that of the setting.
pub(super) trait Value {
    /// What stands for a value in help.
    fn placeholder(&self) -> String;

    /// What values are allowed, to follow "takes".
    fn allowed(&self, range: &RangeInclusive<u64>) -> String;

    /// Takes the value over; false, and nothing done, if it is not allowed.
    fn set(&mut self, text: &OsStr, range: &RangeInclusive<u64>) -> bool;

    /// Takes one more value, if the option is given again: lists grow, others are replaced.
    fn add(&mut self, text: &OsStr, range: &RangeInclusive<u64>) -> bool {
        self.set(text, range)
    }

    /// Whether there may be several values, separated by commas if they are in one text.
    fn is_list(&self) -> bool {
        false
    }

    /// The value as `set` takes it; `None` if none is set.
    fn shown(&self) -> Option<String>;
}

impl Value for PathBuf {
    fn placeholder(&self) -> String {
        "DIR".to_owned()
    }

    fn allowed(&self, _: &RangeInclusive<u64>) -> String {
        "a folder".to_owned()
    }

    fn set(&mut self, text: &OsStr, _: &RangeInclusive<u64>) -> bool {
        replace(self, (!text.is_empty()).then(|| text.into()))
    }

    fn shown(&self) -> Option<String> {
        Some(self.display().to_string())
    }
}

#[cfg(feature = "tls")]
impl Value for Option<PemFile> {
    fn placeholder(&self) -> String {
        "FILE".to_owned()
    }

    fn allowed(&self, _: &RangeInclusive<u64>) -> String {
        "a file".to_owned()
    }

    fn set(&mut self, text: &OsStr, _: &RangeInclusive<u64>) -> bool {
        replace(self, (!text.is_empty()).then(|| Some(PemFile(text.into()))))
    }

    fn shown(&self) -> Option<String> {
        self.as_ref().map(|file| file.0.display().to_string())
    }
}

impl Value for Option<PathBuf> {
    fn placeholder(&self) -> String {
        PathBuf::new().placeholder()
    }

    fn allowed(&self, range: &RangeInclusive<u64>) -> String {
        PathBuf::new().allowed(range)
    }

    fn set(&mut self, text: &OsStr, range: &RangeInclusive<u64>) -> bool {
        let mut path = PathBuf::new();
        let taken = path.set(text, range);
        taken && replace(self, Some(Some(path)))
    }

    fn shown(&self) -> Option<String> {
        self.as_ref().and_then(Value::shown)
    }
}

/// A type of which a list can be given.
trait Item: Sized {
    /// What stands for a list in help.
    const PLACEHOLDER: &str;
    /// What is allowed, to follow "takes".
    const ALLOWED: &str;

    fn read(text: &str) -> Option<Self>;

    fn written(&self) -> String;
}

impl Item for Network {
    const PLACEHOLDER: &str = "CIDR,...";
    const ALLOWED: &str = "addresses and networks, such as 127.0.0.1,10.0.0.0/8,fd00::/8";

    fn read(text: &str) -> Option<Self> {
        text.parse().ok()
    }

    fn written(&self) -> String {
        self.to_string()
    }
}

impl Item for Listen {
    const PLACEHOLDER: &str = "ADDRESS,...";
    const ALLOWED: &str =
        "an address and a port, such as 127.0.0.1:8080 or [::]:80, or unix:PATH; or several";

    fn read(text: &str) -> Option<Self> {
        text.parse().ok()
    }

    fn written(&self) -> String {
        self.to_string()
    }
}

impl Item for UserName {
    const PLACEHOLDER: &str = "NAME,...";
    const ALLOWED: &str = "names of accounts";

    fn read(text: &str) -> Option<Self> {
        Self::parse(text).ok()
    }

    fn written(&self) -> String {
        self.as_str().to_owned()
    }
}

impl<T: Item> Value for Vec<T> {
    fn placeholder(&self) -> String {
        T::PLACEHOLDER.to_owned()
    }

    fn allowed(&self, _: &RangeInclusive<u64>) -> String {
        T::ALLOWED.to_owned()
    }

    fn set(&mut self, text: &OsStr, _: &RangeInclusive<u64>) -> bool {
        let items = |text: &str| text.split(',').map(|item| T::read(item.trim())).collect();
        replace(self, text.to_str().and_then(items))
    }

    fn add(&mut self, text: &OsStr, range: &RangeInclusive<u64>) -> bool {
        let mut more = Self::new();
        let taken = more.set(text, range);
        self.append(&mut more);
        taken
    }

    fn is_list(&self) -> bool {
        true
    }

    fn shown(&self) -> Option<String> {
        let items: Vec<String> = self.iter().map(T::written).collect();
        (!items.is_empty()).then(|| items.join(","))
    }
}

/// A line of text that people see.
impl Value for String {
    fn placeholder(&self) -> String {
        "TEXT".to_owned()
    }

    fn allowed(&self, _: &RangeInclusive<u64>) -> String {
        "a line of 1 to 64 characters".to_owned()
    }

    fn set(&mut self, text: &OsStr, _: &RangeInclusive<u64>) -> bool {
        let title = text.to_str().and_then(|text| Title::parse(text).ok());
        replace(self, title.map(|title| title.as_str().to_owned()))
    }

    fn shown(&self) -> Option<String> {
        Some(self.clone())
    }
}

/// Implements `Value` for a type with few values, each of which has a word.
macro_rules! words {
    ($type:ty: $($word:literal => $value:expr),+) => {
        impl Value for $type {
            fn placeholder(&self) -> String {
                [$($word),+].join("|")
            }

            fn allowed(&self, _: &RangeInclusive<u64>) -> String {
                format!("one of {}", [$($word),+].join(", "))
            }

            fn set(&mut self, text: &OsStr, _: &RangeInclusive<u64>) -> bool {
                let mut words = [$(($word, $value)),+].into_iter();
                replace(self, words.find(|(word, _)| text == *word).map(|(_, value)| value))
            }

            fn shown(&self) -> Option<String> {
                let mut words = [$(($word, $value)),+].into_iter();
                words.find(|(_, value)| self == value).map(|(word, _)| word.to_owned())
            }
        }
    };
}

words! { bool: "on" => true, "off" => false }
words! { Registration:
    "open" => Registration::Open, "invite" => Registration::Invite,
    "closed" => Registration::Closed
}
words! { Durability: "full" => Durability::Full, "normal" => Durability::Normal }
words! { LogFormat: "text" => LogFormat::Text, "json" => LogFormat::Json }
words! { LevelFilter:
    "off" => LevelFilter::Off, "error" => LevelFilter::Error, "warn" => LevelFilter::Warn,
    "info" => LevelFilter::Info, "debug" => LevelFilter::Debug, "trace" => LevelFilter::Trace
}

/// Implements `Value` for a type of whole numbers.
macro_rules! numbers {
    ($type:ty) => {
        impl Value for $type {
            fn placeholder(&self) -> String {
                "N".to_owned()
            }

            fn allowed(&self, range: &RangeInclusive<u64>) -> String {
                format!("a number from {} to {}", range.start(), range.end())
            }

            fn set(&mut self, text: &OsStr, range: &RangeInclusive<u64>) -> bool {
                let number = text.to_str().and_then(|text| text.parse().ok());
                let number = number.filter(|number| range.contains(number));
                replace(self, number.and_then(|number| Self::try_from(number).ok()))
            }

            fn shown(&self) -> Option<String> {
                Some(self.to_string())
            }
        }
    };
}

numbers! { u32 }
numbers! { usize }

impl Value for Bytes {
    fn placeholder(&self) -> String {
        "BYTES".to_owned()
    }

    fn allowed(&self, _: &RangeInclusive<u64>) -> String {
        "a number of bytes, such as 8M, in K, M or G".to_owned()
    }

    fn set(&mut self, text: &OsStr, range: &RangeInclusive<u64>) -> bool {
        let read = |text: &str| {
            let unit = BYTE_UNITS
                .iter()
                .find_map(|(unit, bytes)| Some((text.strip_suffix(*unit)?, bytes)));
            let (number, bytes) = unit.unwrap_or((text, &1));
            let bytes = number.parse::<u64>().ok()?.checked_mul(*bytes)?;
            usize::try_from(bytes).ok().filter(|_| range.contains(&bytes)).map(Self)
        };
        replace(self, text.to_str().and_then(read))
    }

    fn shown(&self) -> Option<String> {
        let bytes = self.0 as u64;
        let fits = |&&(_, unit): &&(char, u64)| bytes > 0 && bytes.is_multiple_of(unit);
        Some(match BYTE_UNITS.iter().find(fits) {
            Some((name, unit)) => format!("{}{name}", bytes / unit),
            None => bytes.to_string(),
        })
    }
}

/// Units of bytes, the largest first.
const BYTE_UNITS: [(char, u64); 3] = [('G', 1 << 30), ('M', 1 << 20), ('K', 1 << 10)];

impl Value for Duration {
    fn placeholder(&self) -> String {
        "TIME".to_owned()
    }

    fn allowed(&self, range: &RangeInclusive<u64>) -> String {
        let (from, to) = (time_text(*range.start()), time_text(*range.end()));
        format!("a time from {from} to {to}, in ms, s, m, h or d, such as 90s")
    }

    fn set(&mut self, text: &OsStr, range: &RangeInclusive<u64>) -> bool {
        let millis = text.to_str().and_then(time_millis);
        let millis = millis.filter(|millis| range.contains(millis));
        replace(self, millis.map(Self::from_millis))
    }

    fn shown(&self) -> Option<String> {
        u64::try_from(self.as_millis()).ok().map(time_text)
    }
}

/// Reads a time into milliseconds; a number without a unit means seconds.
fn time_millis(text: &str) -> Option<u64> {
    let end = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let unit = if unit.is_empty() { "s" } else { unit };
    let (_, millis) = TIME_UNITS.iter().find(|(name, _)| *name == unit)?;
    number.parse::<u64>().ok()?.checked_mul(*millis)
}

/// Writes a time in the largest unit that leaves no rest.
fn time_text(millis: u64) -> String {
    let fits = |&(name, unit): &(&str, u64)| {
        millis.is_multiple_of(unit).then(|| format!("{}{name}", millis / unit))
    };
    if millis == 0 { "0s".to_owned() } else { TIME_UNITS.iter().find_map(fits).unwrap_or_default() }
}

/// Units of time in milliseconds, the largest first.
const TIME_UNITS: [(&str, u64); 5] =
    [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Puts a new value in place of the old one, if there is one.
fn replace<T>(field: &mut T, value: Option<T>) -> bool {
    value.map(|value| *field = value).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken<T: Value + Clone>(old: &T, text: &str) -> Option<T> {
        let mut value = old.clone();
        value.set(text.as_ref(), &(10..=7_200_000)).then_some(value)
    }

    #[test]
    fn addresses_have_a_port_and_sockets_a_path() {
        for text in ["[::1]:80", "127.0.0.1:0", "unix:/run/x.sock", "127.0.0.1:0,unix:x"] {
            let listen = taken(&Vec::<Listen>::new(), text).expect(text);
            assert_eq!(listen.shown().as_deref(), Some(text));
        }
        let local = taken(&Vec::<Listen>::new(), "localhost:0").expect("an address");
        assert_eq!(local.shown().as_deref(), Some("127.0.0.1:0"));
        for text in ["", "8080", "localhost", "example.org:80", "127.0.0.1:99999", "unix:"] {
            assert_eq!(taken(&Vec::<Listen>::new(), text), None, "{text}");
        }
    }

    #[test]
    fn times_have_units_and_mean_seconds_without() {
        for (text, millis) in [("10", 10_000), ("500ms", 500), ("90s", 90_000), ("2h", 7_200_000)] {
            assert_eq!(taken(&Duration::ZERO, text), Some(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "s", "-1s", "1.5s", "10 s", "3h", "9ms", "1w", "99999999999999999999d"] {
            assert_eq!(taken(&Duration::ZERO, text), None, "{text}");
        }
        let texts = [(0, "0s"), (1_500, "1500ms"), (90_000, "90s"), (2_592_000_000, "30d")];
        for (millis, text) in texts {
            assert_eq!(time_text(millis), text);
        }
    }

    #[test]
    fn numbers_keep_to_their_range() {
        assert_eq!(taken(&0usize, "10"), Some(10));
        for text in ["9", "7200001", "x", "-10", "10.5", "99999999999999999999"] {
            assert_eq!(taken(&0usize, text), None, "{text}");
        }
    }

    #[test]
    fn bytes_have_units_or_none() {
        let range = 0..=1 << 40;
        for (text, bytes, shown) in
            [("8M", 8 << 20, "8M"), ("1024", 1024, "1K"), ("1025", 1025, "1025"), ("0", 0, "0")]
        {
            let mut value = Bytes(7);
            assert!(value.set(text.as_ref(), &range), "{text}");
            assert_eq!((value.0, value.shown().as_deref()), (bytes, Some(shown)));
        }
        for text in ["", "M", "8 M", "8m", "8MB", "-1", "9999999G", "1.5G"] {
            assert!(!Bytes(7).set(text.as_ref(), &range), "{text}");
        }
    }

    #[test]
    fn words_are_taken_as_they_are_written() {
        assert_eq!(taken(&true, "off"), Some(false));
        assert_eq!(taken(&Registration::Open, "closed"), Some(Registration::Closed));
        assert_eq!(taken(&LevelFilter::Off, "verbose"), None);
        assert_eq!(LevelFilter::Off.placeholder(), "off|error|warn|info|debug|trace");
    }

    #[test]
    fn networks_are_a_list_that_grows() {
        let list = taken(&Vec::<Network>::new(), "127.0.0.1, 10.0.0.0/8").expect("two networks");
        assert_eq!(list.shown().as_deref(), Some("127.0.0.1/32,10.0.0.0/8"));
        let mut longer = list.clone();
        assert!(longer.add("::1".as_ref(), &(0..=0)));
        assert_eq!(longer.shown().as_deref(), Some("127.0.0.1/32,10.0.0.0/8,::1/128"));
        for text in ["", "10.0.0.1/8", "127.0.0.1,", "127.0.0.1 ::1", "localhost"] {
            assert_eq!(taken(&list, text), None, "{text}");
            assert!(!longer.add(text.as_ref(), &(0..=0)) && longer.len() == 3, "{text}");
        }
    }

    #[test]
    fn a_shown_name_is_a_visible_line() {
        assert_eq!(taken(&String::new(), " 漠然 "), Some("漠然".to_owned()));
        assert_eq!(taken(&String::new(), "a\nb"), None);
    }
}
