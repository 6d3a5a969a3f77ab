//! Writes help: a screen with what most people need, all of it, or everything about one command.
//! Knows neither what was given nor what is in force.

use std::ffi::OsString;
use std::fmt::Write as _;

use super::Config;
use super::commands::{SERVE, VERBS, Verb};
use super::settings::{GROUPS, Setting};
use super::usage::UsageError;

/// What most people need.
pub(super) fn short() -> String {
    let mut text = commands();
    text += &group(0);
    text + FOOT
}

/// Everything.
pub(super) fn all() -> String {
    let mut text = commands();
    text.extend((0..GROUPS.len()).map(group));
    text + FOOT_OF_ALL
}

/// Everything about the command that these words begin, or about all commands.
pub(super) fn about(words: &[OsString]) -> Result<String, UsageError> {
    let given: Vec<_> = words.iter().map(|word| word.to_string_lossy()).collect();
    let given = given.join(" ");
    if given.is_empty() || given == SERVE {
        return Ok(short());
    }
    if given == "config" {
        return Ok(ABOUT_CONFIG.to_owned());
    }
    let begins = |text: &str, with: &str| {
        text.strip_prefix(with).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
    };
    let is_meant = |verb: &&Verb| begins(verb.words, &given) || begins(&given, verb.words);
    let mut text = String::new();
    for Verb { words, takes, about, .. } in VERBS.iter().filter(is_meant) {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{}\n\n{about}\n", format!("lovejoy {words} {takes}").trim_end());
    }
    if text.is_empty() {
        return Err(UsageError::unknown_command(words));
    }
    Ok(text + ABOUT_COMMANDS)
}

fn commands() -> String {
    let mut text = HEAD.to_owned();
    for Verb { words, takes, help, .. } in VERBS {
        text += &columns(&format!("  {words} {takes}"), help);
    }
    text
}

fn group(index: usize) -> String {
    let (group, settings) = GROUPS[index];
    let mut config = Config::default();
    let lines = settings.iter().map(|setting| line(setting, &mut config));
    format!("\n{group}:\n") + &lines.collect::<String>()
}

fn line(setting: &Setting, config: &mut Config) -> String {
    let field = (setting.field)(config);
    let (placeholder, default) = match field.shown() {
        _ if setting.is_flag => (String::new(), String::new()),
        Some(default) => (field.placeholder(), format!(" [{default}]")),
        None => (field.placeholder(), String::new()),
    };
    let usage = format!("  {} {placeholder}", setting.option());
    columns(&usage, &format!("{}{default}", setting.help))
}

/// A line of help. If a usage is too long for its column, its help follows after it, or on the next
/// line.
fn columns(usage: &str, help: &str) -> String {
    if usage.len() + 2 <= COLUMN {
        format!("{usage:<COLUMN$}{help}\n")
    } else if usage.len() + 2 + help.len() <= WIDTH {
        format!("{usage}  {help}\n")
    } else {
        format!("{usage}\n{:COLUMN$}{help}\n", "")
    }
}

/// The column in which the help for an option begins.
const COLUMN: usize = 35;

/// The width of a screen.
const WIDTH: usize = 80;

const HEAD: &str = "\
Lovejoy, a comet chat server.

Usage: lovejoy [COMMAND] [OPTIONS]

Commands:
  serve                            run the server; may be left out
  config                           print what is in force, and why
";

const FOOT: &str = "
A variable LOVEJOY_LISTEN or a line `listen = ...` of the file that --config
names sets the same; options win over variables, and these over the file.

  lovejoy COMMAND --help           more about a command
  lovejoy --help-all               all options: times, limits
  lovejoy --version
";

const FOOT_OF_ALL: &str = "
  --config FILE                    read settings from this file, too
  -h, --help                       print the most important
  -V, --version                    print the version

A TIME is a number with ms, s, m, h or d; without a unit it means seconds.
Each option can be set by a variable, as LOVEJOY_LISTEN for --listen, or by a
line of the file that --config or LOVEJOY_CONFIG names, as `listen = \"[::]:80\"`.
Later wins: default, file, variable, option.
";

const ABOUT_CONFIG: &str = "\
lovejoy config

Prints every setting that is in force, and where it came from: a default, a line
of the file, a variable or an option. What is printed can be read as a file
again: lovejoy config > lovejoy.toml; lovejoy --config lovejoy.toml
";

const ABOUT_COMMANDS: &str = "\
Give it the options that the server has: --data or --config tells which is meant.
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_short_help_fits_a_screen_and_the_long_one_has_every_setting() {
        let (short, all) = (short(), all());
        assert!((24..=40).contains(&short.lines().count()), "{short}");
        for setting in Setting::all() {
            assert!(all.contains(&format!("\n  {} ", setting.option())), "{}", setting.option());
        }
        assert!(short.contains("[127.0.0.1:8080]") && all.contains("[30d]"));
        for line in short.lines().chain(all.lines()) {
            assert!(line.chars().count() <= WIDTH, "{line}");
        }
    }

    #[test]
    fn there_is_help_about_every_command_alone_and_about_those_of_a_kind() {
        let about = |words: &str| about(&words.split(' ').map(OsString::from).collect::<Vec<_>>());
        for Verb { words, takes, .. } in VERBS {
            let text = about(words).expect("help");
            assert!(text.starts_with(format!("lovejoy {words} {takes}").trim_end()), "{text}");
            assert!(text.lines().all(|line| line.chars().count() <= WIDTH + 1), "{text}");
            assert_eq!(text.matches("lovejoy ").count(), 1, "{text}");
        }
        assert_eq!(about("user").expect("help").matches("lovejoy user ").count(), 5);
        assert!(about("user add anna").expect("help").starts_with("lovejoy user add NAME"));
        assert_eq!((about("serve"), about("config").is_ok()), (Ok(short()), true));
        let unknown = about("usr add").unwrap_err().to_string();
        assert_eq!(unknown, "unknown command usr add; did you mean user add?");
    }
}
