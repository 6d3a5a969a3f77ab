//! Reads the command line, the environment and the settings file into a [`Config`], and remembers
//! where each value came from.
//!
//! Knows neither what settings there are (the table does) nor how a process gets its arguments, nor
//! how a file is read: all of this is passed in. Rules:
//! 1. Later wins: default, file, variable, option; of several options, the last. Lists take several
//!    values from one place.
//! 2. An unknown name is an error with a suggestion, in each of the three places. In the
//!    environment that means names that begin with `LOVEJOY_`, except those that container
//!    orchestrators make for a service called lovejoy.
//! 3. An empty variable counts as missing: compose files leave such.
//! 4. A file is read only if one is named, by `--config` or `LOVEJOY_CONFIG`: what a server does
//!    never depends on a file that nobody thought of.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};

use lexopt::Arg;

use super::commands::{self, OWN_OPTIONS, Operation, OwnOptions, SERVE};
use super::file::{self, Given};
use super::settings::{Setting, VARIABLE_PREFIX};
use super::usage::{UsageError, nearest};
use super::values::Value;
use super::{Config, help};

/// What the command line asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Run the server.
    Serve(Box<Config>),
    /// Do something to a server, or to its data.
    Operate(Box<Config>, Operation),
    /// Print what is in force.
    Show(Box<Settings>),
    /// Print this, which was asked for.
    Print(String),
}

/// A configuration, and where each of its values came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// What is in force.
    pub config: Config,
    /// In the order of the table.
    pub(super) origins: Vec<Origin>,
    /// The file, if there is one.
    file: Option<PathBuf>,
}

/// Where a value came from; the later, the stronger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    Default,
    Line(usize),
    Variable,
    Option,
}

/// Reads the arguments after the program's name, and the environment's variables. If they name a
/// file, it is read by `read_file`.
pub fn parse(
    arguments: impl IntoIterator<Item = OsString>,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
    read_file: impl FnOnce(&Path) -> io::Result<String>,
) -> Result<Command, UsageError> {
    let given = match read_arguments(arguments)? {
        Line::Act(given) => given,
        Line::Print(text) => return Ok(Command::Print(text)),
    };
    let CommandLine { options, words, own, file } = given;
    let shows = words.len() == 1 && words[0] == "config";
    let serves = words.iter().all(|word| word == SERVE);
    if let Some((name, _)) = own.first()
        && (serves || shows)
    {
        return Err(UsageError::unknown_option((*name).to_owned()));
    }
    let operation = if serves || shows { None } else { Some(commands::read(words, own)?) };

    let (variables, file_variable) = read_environment(environment)?;
    let file = file.or(file_variable).map(PathBuf::from);
    let mut settings = Settings::new(file);
    settings.read_file(read_file)?;
    for (setting, name, value) in variables {
        settings.take(setting, Origin::Variable, name, &value)?;
    }
    for (setting, name, value) in options {
        settings.take(setting, Origin::Option, name, &value)?;
    }
    Ok(match operation {
        _ if shows => Command::Show(Box::new(settings)),
        None => Command::Serve(Box::new(settings.config)),
        Some(operation) => Command::Operate(Box::new(settings.config), operation),
    })
}

fn version() -> String {
    concat!("lovejoy ", env!("CARGO_PKG_VERSION"), "\n").to_owned()
}

/// What a command line comes to.
enum Line {
    /// This is to be printed, and nothing done.
    Print(String),
    /// Something is to be done.
    Act(CommandLine),
}

/// What was given, in order.
struct CommandLine {
    options: Vec<Named>,
    /// The words of a command, and what follows them.
    words: Vec<OsString>,
    /// The options that only some commands have.
    own: OwnOptions,
    file: Option<OsString>,
}

/// Reads the arguments, without a look at what they mean together.
fn read_arguments(arguments: impl IntoIterator<Item = OsString>) -> Result<Line, UsageError> {
    let mut parser = lexopt::Parser::from_args(arguments);
    let mut options = Vec::new();
    let mut words = Vec::new();
    let mut own = Vec::new();
    let mut file = None;
    while let Some(argument) = parser.next()? {
        match argument {
            Arg::Short('h') | Arg::Long("help") => return help::about(&words).map(Line::Print),
            Arg::Long("help-all") => return Ok(Line::Print(help::all())),
            Arg::Short('V') | Arg::Long("version") => return Ok(Line::Print(version())),
            Arg::Long("config") => file = Some(parser.value()?),
            Arg::Value(word) => words.push(word),
            Arg::Short(letter) => return Err(UsageError::unknown_option(format!("-{letter}"))),
            Arg::Long(name) => {
                let option = format!("--{name}");
                let Some(setting) = Setting::by_option(&option) else {
                    let known = OWN_OPTIONS.iter().find(|(own, _)| *own == option);
                    let &(name, has_value) =
                        known.ok_or_else(|| UsageError::unknown_option(option))?;
                    let value = if has_value { parser.value()? } else { OsString::new() };
                    own.push((name, value));
                    continue;
                };
                // What is turned on by its mere name may still be turned off.
                let value = if setting.is_flag {
                    parser.optional_value().unwrap_or_else(|| "on".into())
                } else {
                    parser.value()?
                };
                options.push((setting, option, value));
            }
        }
    }
    if words.first().is_some_and(|word| word == "help") {
        return help::about(&words[1..]).map(Line::Print);
    }
    Ok(Line::Act(CommandLine { options, words, own, file }))
}

/// A setting, the name by which it was given, and its value.
type Named = (&'static Setting, String, OsString);

/// The variables that are ours, and the one of them that names a file.
fn read_environment(
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<(Vec<Named>, Option<OsString>), UsageError> {
    let mut variables = Vec::new();
    let mut file = None;
    for (name, value) in environment {
        let Some(name) = name.to_str().filter(|name| name.starts_with(VARIABLE_PREFIX)) else {
            continue;
        };
        if let Some(setting) = Setting::all().find(|setting| setting.variable() == name) {
            if !value.is_empty() {
                variables.push((setting, name.to_owned(), value));
            }
        } else if name == FILE_VARIABLE {
            file = Some(value).filter(|file| !file.is_empty());
        } else if !is_of_an_orchestrator(name) {
            let known = Setting::all().map(Setting::variable).chain([FILE_VARIABLE.to_owned()]);
            let suggestion = nearest(name, known);
            let name = name.to_owned();
            return Err(UsageError::Unknown { what: "variable", name, suggestion });
        }
    }
    Ok((variables, file))
}

/// Whether an orchestrator such as Kubernetes has made it, to tell every container where a service
/// called lovejoy is.
fn is_of_an_orchestrator(name: &str) -> bool {
    ["PORT", "SERVICE_HOST", "SERVICE_PORT"].iter().any(|made| {
        let rest = name[VARIABLE_PREFIX.len()..].strip_prefix(made);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
    })
}

impl Settings {
    /// The defaults, before that file is read over them.
    pub(super) fn new(file: Option<PathBuf>) -> Self {
        let origins = Setting::all().map(|_| Origin::Default).collect();
        Self { config: Config::default(), origins, file }
    }

    /// Where a value came from, for people.
    pub(super) fn told(&self, setting: &Setting, origin: Origin) -> String {
        match (origin, &self.file) {
            (Origin::Line(line), Some(file)) => format!("{}:{line}", file.display()),
            (Origin::Variable, _) => setting.variable(),
            (Origin::Option, _) => setting.option(),
            _ => "default".to_owned(),
        }
    }

    /// Sets what was given as `name`, an option, a variable or a line; or adds to it, if the value
    /// before came from the same place.
    fn take(
        &mut self,
        setting: &'static Setting,
        origin: Origin,
        name: String,
        value: &OsStr,
    ) -> Result<(), UsageError> {
        let before = std::mem::replace(&mut self.origins[setting.place()], origin);
        let field = (setting.field)(&mut self.config);
        let take = if before == origin { Value::add } else { Value::set };
        if take(field, value, &setting.range) {
            return Ok(());
        }
        let value = value.to_string_lossy().into_owned();
        Err(UsageError::BadValue { name, value, allowed: field.allowed(&setting.range) })
    }

    fn read_file(
        &mut self,
        read: impl FnOnce(&Path) -> io::Result<String>,
    ) -> Result<(), UsageError> {
        let Some(path) = self.file.clone() else { return Ok(()) };
        let file = path.display().to_string();
        let text = read(&path).map_err(|error| {
            let error = error.to_string();
            UsageError::Unreadable { file: file.clone(), error }
        })?;
        for line in file::lines(&text) {
            let (number, done) = match line {
                Ok(line) => (line.number, self.take_line(line)),
                Err((number, wrong)) => (number, Err(UsageError::Malformed(wrong))),
            };
            done.map_err(|error| {
                let error = Box::new(error);
                UsageError::Line { file: file.clone(), line: number, error }
            })?;
        }
        Ok(())
    }

    fn take_line(&mut self, line: file::Line) -> Result<(), UsageError> {
        let file::Line { number, name, value } = line;
        let Some(setting) = Setting::all().find(|setting| setting.line() == name) else {
            let suggestion = nearest(&name, Setting::all().map(Setting::line));
            return Err(UsageError::Unknown { what: "setting", name, suggestion });
        };
        if let Origin::Line(before) = self.origins[setting.place()] {
            return Err(UsageError::Malformed(format!("{name} is set in line {before} already")));
        }
        let values = match value {
            Given::One(value) => vec![value],
            Given::List(_) if !(setting.field)(&mut self.config).is_list() => {
                return Err(UsageError::Malformed(format!("{name} takes one value, and no list")));
            }
            Given::List(values) => values,
        };
        for value in values {
            self.take(setting, Origin::Line(number), name.clone(), value.as_ref())?;
        }
        Ok(())
    }
}

/// Names the file of settings.
const FILE_VARIABLE: &str = "LOVEJOY_CONFIG";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Since;

    fn parsed(arguments: &[&str], environment: &[(&str, &str)]) -> Result<Config, String> {
        let environment = environment.iter().map(|(name, value)| (name.into(), value.into()));
        match parse(arguments.iter().map(OsString::from), environment, no_file) {
            Ok(Command::Serve(config)) => Ok(*config),
            Ok(other) => panic!("{other:?}"),
            Err(error) => Err(error.to_string()),
        }
    }

    fn no_file(path: &Path) -> io::Result<String> {
        panic!("{} is to be read", path.display())
    }

    /// What is in force, given a file with this text.
    fn shown(
        text: &str,
        arguments: &[&str],
        environment: &[(&str, &str)],
    ) -> Result<String, String> {
        let arguments = ["config", "--config", "x.toml"].iter().chain(arguments);
        let environment = environment.iter().map(|(name, value)| (name.into(), value.into()));
        let file = |path: &Path| {
            assert_eq!(path, Path::new("x.toml"));
            Ok(text.to_owned())
        };
        match parse(arguments.map(OsString::from), environment, file) {
            Ok(Command::Show(settings)) => Ok(settings.shown()),
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
        assert_eq!(config.listen, ["[::1]:9".parse().unwrap()]);
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
            (&["sevre"], "unknown command sevre; --help-all lists what there is"),
            (&["serv"], "unknown command serv; did you mean serve?"),
            (&["--password", "x"], "unknown option --password; --help-all lists what there is"),
            (&["-x"], "unknown option -x; --help-all lists what there is"),
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
                "--listen takes an address and a port, such as 127.0.0.1:8080 or [::]:80, or \
                 unix:PATH; or several",
            ),
            (&["--demo=yes"], "--demo takes one of on, off, not \"yes\""),
            (&["--config"], "--config takes a file"),
            (&["--data", ""], "--data takes a folder, not \"\""),
        ] {
            assert_eq!(refused(arguments), error);
        }
    }

    #[test]
    fn of_the_environment_all_is_refused_that_is_neither_known_nor_of_an_orchestrator() {
        let kubernetes = [
            ("LOVEJOY_PORT", "tcp://10.0.0.1:80"),
            ("LOVEJOY_PORT_80_TCP", "tcp://10.0.0.1:80"),
            ("LOVEJOY_SERVICE_HOST", "10.0.0.1"),
            ("LOVEJOY_SERVICE_PORT_HTTP", "80"),
        ];
        assert_eq!(parsed(&[], &kubernetes), Ok(Config::default()));
        assert_eq!(
            parsed(&[], &[("LOVEJOY_PORTS", "80")]).unwrap_err(),
            "unknown variable LOVEJOY_PORTS; --help-all lists what there is"
        );
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
        let given = |arguments: &[&str]| parse(arguments.iter().map(OsString::from), [], no_file);
        let operation = |arguments: &[&str]| match given(arguments) {
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
        let (user, whom) = ("anna".to_owned(), "ben".to_owned());
        assert_eq!(
            operation(&["send", "--as=anna", "ben", "--nonce", "n", "--data", "there"]),
            Operation::Send { user: user.clone(), whom, text: None, nonce: Some("n".to_owned()) }
        );
        assert_eq!(
            operation(&["tail", "--json", "--since", "90s", "--as", "anna", "--data", "there"]),
            Operation::Tail { user, whom: None, since: Some(Since::Ago(lifetime)), json: true }
        );
        assert_eq!(
            operation(&["invite", "90s", "--data", "there"]),
            Operation::Invite { lifetime }
        );
        for (arguments, error) in [
            (&["user"][..], "unknown command user; --help-all lists what there is"),
            (&["user", "lst"], "unknown command user lst; did you mean user list?"),
            (&["invit", "2d"], "unknown command invit 2d; did you mean invite?"),
            (&["serve", "now"], "unknown command serve now; did you mean serve?"),
            (&["user", "remove"], "user remove takes NAME"),
            (&["user", "list", "x"], "user list takes nothing more"),
            (&["user", "list", "--json"], "user list takes nothing more"),
            (&["send", "ben"], "send takes --as NAME [--nonce TEXT] WHOM [TEXT]"),
            (
                &["send", "--as", "anna", "--as", "carl", "ben"],
                "send takes --as NAME [--nonce TEXT] WHOM [TEXT]",
            ),
            (&["send", "--as"], "--as takes a value"),
            (&["serve", "--as", "anna"], "unknown option --as; --help-all lists what there is"),
            (
                &["tail", "--as", "anna", "--since", "soon"],
                "--since takes a time from 0s to 36500d, in ms, s, m, h or d, such as 90s, \
                 or a cursor, not \"soon\"",
            ),
        ] {
            assert_eq!(refused(arguments), error);
        }
    }

    #[test]
    fn help_and_version_are_asked_for_whatever_else_is_wrong() {
        let printed = |words: &[&str]| {
            let typo = [(OsString::from("LOVEJOY_LISTN"), OsString::new())];
            match parse(words.iter().map(OsString::from), typo, no_file) {
                Ok(Command::Print(text)) => text,
                other => panic!("{other:?}"),
            }
        };
        let help = printed(&["--help"]);
        for words in [&["-h"][..], &["help"], &["serve", "--help"], &["--config", "no", "-h"]] {
            assert_eq!(printed(words), help);
        }
        assert!(printed(&["--help-all"]).len() > help.len());
        assert_eq!(printed(&["help", "user", "add"]), printed(&["user", "add", "--help"]));
        assert_eq!((printed(&["-V"]), printed(&["--version"])), (version(), version()));
    }

    #[test]
    fn later_wins_and_what_is_in_force_tells_where_it_came_from() {
        let text = "name = 'A'\nlog = warn\nwait-max = 50s\ndemo = true\n\ntrusted-proxy = [10.0.0.1, '::1']";
        let environment = [("LOVEJOY_NAME", "B"), ("LOVEJOY_LOG", "error")];
        let shown = shown(text, &["--log", "off", "--demo=off"], &environment).unwrap();
        let line = |name: &str| {
            let line = shown.lines().find(|line| line.starts_with(&format!("{name} =")));
            line.unwrap().split_whitespace().collect::<Vec<_>>().join(" ")
        };
        assert_eq!(line("listen"), "listen = [\"127.0.0.1:8080\"] # default");
        assert_eq!(line("data"), "data = \"lovejoy-data\" # default");
        assert_eq!(line("wait-max"), "wait-max = \"50s\" # x.toml:3");
        assert_eq!(line("name"), "name = \"B\" # LOVEJOY_NAME");
        assert_eq!(line("log"), "log = \"off\" # --log");
        assert_eq!(line("demo"), "demo = \"off\" # --demo");
        let proxies = "trusted-proxy = [\"10.0.0.1/32\", \"::1/128\"] # x.toml:6";
        assert_eq!(line("trusted-proxy"), proxies);
        assert!(shown.contains("\n# www is not set "), "{shown}");
    }

    #[test]
    fn what_is_in_force_is_a_file_that_sets_the_same() {
        let text = "name = '\"\\'\ntrusted-proxy = ['::1', 10.0.0.1]\nretention = 30d";
        let first = shown(text, &["--data", "a b", "--www=/tmp"], &[]).unwrap();
        let second = shown(&first, &[], &[]).unwrap();
        let without_origin = |shown: &str| {
            let lines = shown.lines().map(|line| line.rsplit_once("# ").map_or(line, |cut| cut.0));
            lines.map(|line| line.trim().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(without_origin(&first), without_origin(&second));
    }

    #[test]
    fn a_wrong_line_is_told_with_its_place() {
        for (text, error) in [
            ("\nlisten 1", "x.toml:2: a line is NAME = VALUE"),
            ("lisen = '[::]:80'", "x.toml:1: unknown setting lisen; did you mean listen?"),
            ("wait_max = 5", "x.toml:1: unknown setting wait_max; did you mean wait-max?"),
            ("config = x", "x.toml:1: unknown setting config; --help-all lists what there is"),
            ("demo = 1", "x.toml:1: demo takes one of on, off, not \"1\""),
            ("log = info\nlog = off", "x.toml:2: log is set in line 1 already"),
            ("log = [info]", "x.toml:1: log takes one value, and no list"),
        ] {
            assert_eq!(shown(text, &[], &[]).unwrap_err(), error);
        }
        let gone = |_: &Path| Err(io::Error::from(io::ErrorKind::NotFound));
        let refused = parse(["--config=x".into()], [], gone).unwrap_err().to_string();
        assert_eq!(refused, "cannot read x: entity not found");
    }

    #[test]
    fn a_variable_names_the_file_unless_an_option_does() {
        let variable = [(OsString::from("LOVEJOY_CONFIG"), OsString::from("y.toml"))];
        for (arguments, path) in [(&[][..], "y.toml"), (&["--config", "x.toml"], "x.toml")] {
            let mut read = String::new();
            let file = |path: &Path| {
                read = path.display().to_string();
                Ok("demo = on".to_owned())
            };
            let command = parse(arguments.iter().map(OsString::from), variable.clone(), file);
            assert!(matches!(command, Ok(Command::Serve(config)) if config.demo));
            assert_eq!(read, path);
        }
    }
}
