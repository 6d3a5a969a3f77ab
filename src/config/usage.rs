//! Says in one line what is wrong with what was given, and what may have been meant.

use std::ffi::OsString;
use std::fmt;

use super::Config;
use super::commands::{OWN_OPTIONS, SERVE, VERBS};
use super::settings::Setting;

/// What is wrong with the command line, the environment or the file, in one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UsageError {
    /// There is no such option, variable, setting or command.
    Unknown {
        /// What it would be, if it existed.
        what: &'static str,
        /// As it was given.
        name: String,
        /// What may have been meant.
        suggestion: Option<String>,
    },
    /// An option wants a value and got none.
    MissingValue {
        /// The option.
        name: String,
        /// What values it takes.
        allowed: String,
    },
    /// A value is not allowed.
    BadValue {
        /// The option, variable or setting.
        name: String,
        /// What it was given.
        value: String,
        /// What values it takes.
        allowed: String,
    },
    /// The file cannot be read.
    Unreadable {
        /// Which.
        file: String,
        /// What the system says.
        error: String,
    },
    /// A line of the file is not written as lines are.
    Malformed(String),
    /// One of the above, in a line of the file.
    Line {
        /// The file, as it was given.
        file: String,
        /// The line, counted from 1.
        line: usize,
        /// What is wrong there.
        error: Box<UsageError>,
    },
}

impl UsageError {
    /// There is no such option.
    pub(super) fn unknown_option(name: String) -> Self {
        let own = OWN_OPTIONS.iter().map(|(own, _)| *own).filter(|own| *own != name);
        let known = ["--config", "--help", "--help-all", "--version"].into_iter().chain(own);
        let known = known.map(str::to_owned);
        let suggestion = nearest(&name, Setting::all().map(Setting::option).chain(known));
        Self::Unknown { what: "option", name, suggestion }
    }

    /// These words are not a command. No command has more than two words; what follows is not part
    /// of its name.
    pub(super) fn unknown_command(words: &[OsString]) -> Self {
        let words: Vec<_> = words.iter().take(2).map(|word| word.to_string_lossy()).collect();
        let name = words.join(" ");
        let others = [SERVE, "config", "help"];
        let known = || VERBS.iter().map(|verb| verb.words).chain(others).map(str::to_owned);
        let suggestion = nearest(&name, known()).or_else(|| nearest(words.first()?, known()));
        Self::Unknown { what: "command", name, suggestion }
    }
}

impl From<lexopt::Error> for UsageError {
    fn from(error: lexopt::Error) -> Self {
        match error {
            lexopt::Error::MissingValue { option } => {
                let name = option.unwrap_or_default();
                let other = if name == "--config" { "a file" } else { "a value" };
                let allowed = Setting::by_option(&name).map_or_else(
                    || other.to_owned(),
                    |setting| (setting.field)(&mut Config::default()).allowed(&setting.range),
                );
                Self::MissingValue { name, allowed }
            }
            lexopt::Error::UnexpectedValue { option, .. } => {
                Self::MissingValue { name: option, allowed: "no value".to_owned() }
            }
            // The others come from parts of the parser that are not used here.
            other => Self::Unknown { what: "argument", name: other.to_string(), suggestion: None },
        }
    }
}

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown { what, name, suggestion: Some(suggestion) } => {
                write!(f, "unknown {what} {name}; did you mean {suggestion}?")
            }
            Self::Unknown { what, name, suggestion: None } => {
                write!(f, "unknown {what} {name}; --help-all lists what there is")
            }
            Self::MissingValue { name, allowed } => write!(f, "{name} takes {allowed}"),
            Self::BadValue { name, value, allowed } => {
                write!(f, "{name} takes {allowed}, not \"{}\"", value.escape_debug())
            }
            Self::Unreadable { file, error } => write!(f, "cannot read {file}: {error}"),
            Self::Malformed(what) => f.write_str(what),
            Self::Line { file, line, error } => write!(f, "{file}:{line}: {error}"),
        }
    }
}

impl std::error::Error for UsageError {}

/// The known name that a typo was most likely meant to be; none, if it is too far from all.
pub(super) fn nearest(name: &str, known: impl Iterator<Item = String>) -> Option<String> {
    let by_distance = known.map(|known| (edit_distance(name, &known), known));
    let likely = by_distance.filter(|(distance, known)| *distance <= 1 + known.len() / 8);
    likely.min().map(|(_, known)| known)
}

/// How many letters must be put in, left out or replaced to make one word of the other
/// (Levenshtein), row by row: `row[i]` is the distance to the first `i` letters of `to`.
fn edit_distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (done, letter) in from.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], done + 1);
        for (i, other) in to.iter().enumerate() {
            let replaced = diagonal + usize::from(letter != *other);
            diagonal = row[i + 1];
            row[i + 1] = replaced.min(diagonal + 1).min(row[i] + 1);
        }
    }
    row[to.len()]
}
