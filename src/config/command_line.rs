//! Reads the command line and the environment into a [`Config`], and tells what is wrong with them.
//!
//! Knows neither what settings there are (the table does) nor how a process gets its arguments:
//! both come as arguments. Rules:
//! 1. An option wins over its variable, the last of several over the others; lists take several.
//! 2. A typo is an error with a suggestion. Of the environment that holds for what is nearly a name
//!    of ours; other variables that begin with `LOVEJOY_` may be somebody else's: container
//!    orchestrators make such for a service called lovejoy.
//! 3. A variable that is empty counts as not there, as compose files leave them.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fmt;

use lexopt::Arg;

use super::Config;
use super::commands::{self, Operation, VERBS, Verb};
use super::settings::{GROUPS, Setting, VARIABLE_PREFIX};
use super::values::Value;

/// What the command line asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Run the server.
    Serve(Box<Config>),
    /// Do something to a server, or to its data.
    Operate(Box<Config>, Operation),
    /// Print what can be set.
    Help,
    /// Print the version.
    Version,
}

/// Reads the arguments after the program's name, and the environment's variables.
pub fn parse(
    arguments: impl IntoIterator<Item = OsString>,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Command, UsageError> {
    let mut config = Config::default();
    // What is wrong with the environment is told last: `--help` must help there too.
    let environment = read_environment(environment, &mut config);
    let mut parser = lexopt::Parser::from_args(arguments);
    let mut given = BTreeSet::new();
    let mut words = Vec::new();
    while let Some(argument) = parser.next()? {
        match argument {
            Arg::Short('h') | Arg::Long("help") => return Ok(Command::Help),
            Arg::Short('V') | Arg::Long("version") => return Ok(Command::Version),
            Arg::Value(word) => words.push(word),
            Arg::Short(letter) => return Err(unknown_option(format!("-{letter}"))),
            Arg::Long(name) => {
                let option = format!("--{name}");
                let Some(setting) = Setting::by_option(&option) else {
                    return Err(unknown_option(option));
                };
                let value = if setting.is_flag { ON.into() } else { parser.value()? };
                let is_first = given.insert(option.clone());
                set(&mut config, setting, option, &value, is_first)?;
            }
        }
    }
    let serves = words.iter().all(|word| word == SERVE);
    let operation = if serves { None } else { Some(commands::read(words)?) };
    environment?;
    Ok(match operation {
        None => Command::Serve(Box::new(config)),
        Some(operation) => Command::Operate(Box::new(config), operation),
    })
}

/// What can be set, for people.
pub fn help() -> String {
    let mut text = HELP_HEAD.to_owned();
    for Verb { words, takes, help, .. } in VERBS {
        text += &columns(&format!("  lovejoy {words} {takes}"), help);
    }
    text += HELP_COMMANDS;
    let mut config = Config::default();
    for (group, settings) in GROUPS {
        text.extend(["\n", group, ":\n"]);
        text.extend(settings.iter().map(|setting| help_line(setting, &mut config)));
    }
    text + HELP_FOOT
}

fn help_line(setting: &Setting, config: &mut Config) -> String {
    let field = (setting.field)(config);
    let (placeholder, default) = match field.shown() {
        _ if setting.is_flag => (String::new(), String::new()),
        Some(default) => (field.placeholder(), format!(" [{default}]")),
        None => (field.placeholder(), String::new()),
    };
    let usage = format!("  {} {placeholder}", setting.option());
    columns(&usage, &format!("{}{default}", setting.help))
}

/// A line of help. What is too long for its column has its help on the next line.
fn columns(usage: &str, help: &str) -> String {
    if usage.len() + 2 > HELP_COLUMN {
        format!("{usage}\n{:HELP_COLUMN$}{help}\n", "")
    } else {
        format!("{usage:<HELP_COLUMN$}{help}\n")
    }
}

fn read_environment(
    environment: impl IntoIterator<Item = (OsString, OsString)>,
    config: &mut Config,
) -> Result<(), UsageError> {
    for (name, value) in environment {
        let Some(name) = name.to_str().filter(|name| name.starts_with(VARIABLE_PREFIX)) else {
            continue;
        };
        if let Some(setting) = Setting::all().find(|setting| setting.variable() == name) {
            if !value.is_empty() {
                set(config, setting, name.to_owned(), &value, true)?;
            }
        } else if let Some(suggestion) = nearest(name, Setting::all().map(Setting::variable)) {
            let suggestion = Some(suggestion);
            return Err(UsageError::Unknown {
                what: "variable",
                name: name.to_owned(),
                suggestion,
            });
        }
    }
    Ok(())
}

/// Sets what was named as `name`, an option or a variable, or adds to it.
fn set(
    config: &mut Config,
    setting: &Setting,
    name: String,
    value: &OsStr,
    is_first: bool,
) -> Result<(), UsageError> {
    let field = (setting.field)(config);
    let take = if is_first { Value::set } else { Value::add };
    if take(field, value, &setting.range) {
        return Ok(());
    }
    let value = value.to_string_lossy().into_owned();
    Err(UsageError::BadValue { name, value, allowed: field.allowed(&setting.range) })
}

fn unknown_option(name: String) -> UsageError {
    let known = ["--help", "--version"].map(str::to_owned);
    let suggestion = nearest(&name, Setting::all().map(Setting::option).chain(known));
    UsageError::Unknown { what: "option", name, suggestion }
}

impl UsageError {
    /// These words are no command. No command has more than two words; what follows is not its name.
    pub(super) fn unknown_command(words: &[OsString]) -> Self {
        let words: Vec<_> = words.iter().take(2).map(|word| word.to_string_lossy()).collect();
        let name = words.join(" ");
        let known = || VERBS.iter().map(|verb| verb.words).chain([SERVE]).map(str::to_owned);
        let suggestion = nearest(&name, known()).or_else(|| nearest(words.first()?, known()));
        Self::Unknown { what: "command", name, suggestion }
    }
}

/// The known name that a typo was most likely meant to be; none, if it is too far from all.
fn nearest(name: &str, known: impl Iterator<Item = String>) -> Option<String> {
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

/// What is wrong with the command line or the environment, in one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UsageError {
    /// There is no such option, variable or command.
    Unknown {
        /// What it would be, if there were.
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
    /// An option takes no value and got one.
    UnexpectedValue {
        /// The option.
        name: String,
    },
    /// A value is not allowed.
    BadValue {
        /// The option or variable.
        name: String,
        /// What it was given.
        value: String,
        /// What values it takes.
        allowed: String,
    },
}

impl From<lexopt::Error> for UsageError {
    fn from(error: lexopt::Error) -> Self {
        match error {
            lexopt::Error::MissingValue { option } => {
                let name = option.unwrap_or_default();
                let allowed = Setting::by_option(&name).map_or_else(String::new, |setting| {
                    (setting.field)(&mut Config::default()).allowed(&setting.range)
                });
                Self::MissingValue { name, allowed }
            }
            lexopt::Error::UnexpectedValue { option, .. } => Self::UnexpectedValue { name: option },
            // The others come of parts of the parser that are not used here.
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
                write!(f, "unknown {what} {name}; --help lists what there is")
            }
            Self::MissingValue { name, allowed } => write!(f, "{name} takes {allowed}"),
            Self::UnexpectedValue { name } => write!(f, "{name} takes no value"),
            Self::BadValue { name, value, allowed } => {
                write!(f, "{name} takes {allowed}, not \"{}\"", value.escape_debug())
            }
        }
    }
}

impl std::error::Error for UsageError {}

/// The command that may be left out.
const SERVE: &str = "serve";
/// What naming a flag sets it to.
const ON: &str = "on";

/// Where help for an option begins.
const HELP_COLUMN: usize = 35;

const HELP_HEAD: &str = "\
Lovejoy, a comet chat server.

Usage:
  lovejoy [serve] [OPTIONS]        run the server
";

const HELP_COMMANDS: &str = "
The others take the same options, of which they need --data; they work while the
server runs and while none does. Passwords are asked for, or read from stdin.
";

const HELP_FOOT: &str = "
  -h, --help                       print this
  -V, --version                    print the version

A TIME is a number with ms, s, m, h or d; without a unit it means seconds.
Each option can be set in the environment too, as LOVEJOY_LISTEN for --listen,
or LOVEJOY_DEMO=on; the command line wins.
";

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(arguments: &[&str], environment: &[(&str, &str)]) -> Result<Config, String> {
        let environment = environment.iter().map(|(name, value)| (name.into(), value.into()));
        match parse(arguments.iter().map(OsString::from), environment) {
            Ok(Command::Serve(config)) => Ok(*config),
            Ok(other) => panic!("{other:?}"),
            Err(error) => Err(error.to_string()),
        }
    }

    fn refused(arguments: &[&str]) -> String {
        parsed(arguments, &[]).unwrap_err()
    }

    #[test]
    fn nothing_given_is_the_default() {
        assert_eq!(parsed(&[], &[]), Ok(Config::default()));
        assert_eq!(parsed(&["serve"], &[("PATH", "/bin")]), Ok(Config::default()));
    }

    #[test]
    fn options_are_taken_with_and_without_an_equals_sign() {
        let config = parsed(&["--demo", "--listen", "[::1]:9", "--wait-max=2m"], &[]).unwrap();
        assert!(config.demo);
        assert_eq!(config.listen.to_string(), "[::1]:9");
        assert_eq!(config.wait_max.as_secs(), 120);
    }

    #[test]
    fn an_option_wins_over_its_variable_and_the_last_over_the_first() {
        let environment = [("LOVEJOY_NAME", "A"), ("LOVEJOY_DEMO", "on"), ("LOVEJOY_LOG", "")];
        let config = parsed(&[], &environment).unwrap();
        assert_eq!((config.name.as_str(), config.demo), ("A", true));
        let config = parsed(&["--name", "B", "--name", "C"], &environment).unwrap();
        assert_eq!(config.name, "C");
    }

    #[test]
    fn a_list_takes_several_and_an_option_still_wins_over_its_variable() {
        let environment = [("LOVEJOY_TRUSTED_PROXY", "10.0.0.0/8,::1")];
        let shown = |arguments: &[&str]| {
            let networks = parsed(arguments, &environment).unwrap().trusted_proxy;
            networks.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(shown(&[]), ["10.0.0.0/8", "::1/128"]);
        let twice = ["--trusted-proxy", "127.0.0.1", "--trusted-proxy=fd00::/8,192.0.2.1"];
        assert_eq!(shown(&twice), ["127.0.0.1/32", "fd00::/8", "192.0.2.1/32"]);
    }

    #[test]
    fn a_typo_is_answered_with_what_was_meant() {
        for (arguments, error) in [
            (&["--lissten", "x"][..], "unknown option --lissten; did you mean --listen?"),
            (&["--halp"], "unknown option --halp; did you mean --help?"),
            (
                &["--connection-max=9"],
                "unknown option --connection-max; did you mean --connections-max?",
            ),
            (&["sevre"], "unknown command sevre; --help lists what there is"),
            (&["serv"], "unknown command serv; did you mean serve?"),
            (&["--password", "x"], "unknown option --password; --help lists what there is"),
            (&["-x"], "unknown option -x; --help lists what there is"),
        ] {
            assert_eq!(refused(arguments), error);
        }
    }

    #[test]
    fn a_wrong_value_names_the_option_and_what_is_allowed() {
        for (arguments, error) in [
            (&["--rate-limits", "no"][..], "--rate-limits takes one of on, off, not \"no\""),
            (
                &["--password-iterations=999"],
                "--password-iterations takes a number from 1000 to 10000000, not \"999\"",
            ),
            (
                &["--listen"],
                "--listen takes an address and a port, such as 127.0.0.1:8080 or [::]:80",
            ),
            (&["--demo=on"], "--demo takes no value"),
            (&["--data", ""], "--data takes a folder, not \"\""),
        ] {
            assert_eq!(refused(arguments), error);
        }
    }

    #[test]
    fn of_the_environment_only_what_is_nearly_ours_is_refused() {
        let kubernetes =
            [("LOVEJOY_PORT", "tcp://10.0.0.1:80"), ("LOVEJOY_SERVICE_HOST", "10.0.0.1")];
        assert_eq!(parsed(&[], &kubernetes), Ok(Config::default()));
        assert_eq!(
            parsed(&[], &[("LOVEJOY_LISTN", "x")]).unwrap_err(),
            "unknown variable LOVEJOY_LISTN; did you mean LOVEJOY_LISTEN?"
        );
        assert_eq!(
            parsed(&[], &[("LOVEJOY_DEMO", "maybe")]).unwrap_err(),
            "LOVEJOY_DEMO takes one of on, off, not \"maybe\""
        );
    }

    #[test]
    fn commands_have_words_and_take_options_anywhere() {
        let operation = |arguments: &[&str]| match parse(arguments.iter().map(OsString::from), []) {
            Ok(Command::Operate(config, operation)) => {
                assert_eq!(config.data.to_str(), Some("there"), "{arguments:?}");
                operation
            }
            other => panic!("{other:?}"),
        };
        let name = "add".to_owned();
        let display_name = Some("--data".to_owned());
        assert_eq!(
            operation(&["--data", "there", "user", "add", "add", "--", "--data"]),
            Operation::AddUser { name, display_name }
        );
        assert_eq!(operation(&["user", "--data=there", "list"]), Operation::ListUsers);
        let lifetime = std::time::Duration::from_secs(90);
        assert_eq!(
            operation(&["invite", "90s", "--data", "there"]),
            Operation::Invite { lifetime }
        );
        for (arguments, error) in [
            (&["user"][..], "unknown command user; --help lists what there is"),
            (&["user", "lst"], "unknown command user lst; did you mean user list?"),
            (&["invit", "2d"], "unknown command invit 2d; did you mean invite?"),
            (&["serve", "now"], "unknown command serve now; did you mean serve?"),
            (&["user", "remove"], "user remove takes NAME"),
            (&["user", "list", "x"], "user list takes nothing more"),
        ] {
            assert_eq!(refused(arguments), error);
        }
    }

    #[test]
    fn help_and_version_are_asked_for() {
        let asked = |word: &str| parse([OsString::from(word)], []);
        assert_eq!((asked("-h"), asked("--help")), (Ok(Command::Help), Ok(Command::Help)));
        let typo = [(OsString::from("LOVEJOY_LISTN"), OsString::new())];
        assert_eq!(parse(["--help".into()], typo), Ok(Command::Help));
        assert_eq!((asked("-V"), asked("--version")), (Ok(Command::Version), Ok(Command::Version)));
    }

    #[test]
    fn help_shows_every_setting_with_its_default_in_eighty_columns() {
        let help = help();
        for setting in Setting::all() {
            assert!(help.contains(&format!("\n  {} ", setting.option())), "{}", setting.option());
        }
        assert!(help.contains("[127.0.0.1:8080]") && help.contains("[30d]"));
        for line in help.lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
    }
}
