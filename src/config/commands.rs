//! Lists the operator's commands once: their words, what they take, what they are for.
//!
//! Knows neither the options, which are the same for all of them, nor how a command is carried out.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use super::values::Value;
use super::{Registration, UsageError};
use crate::entity::UserName;

/// What the operator wants done to a server or its data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Make an account.
    AddUser {
        /// To log in with.
        name: String,
        /// To be shown; the name, if it is missing.
        display_name: Option<String>,
    },
    /// Give a user another password.
    SetPassword {
        /// Whose.
        name: String,
    },
    /// Print all accounts.
    ListUsers,
    /// Delete an account.
    RemoveUser {
        /// Whose.
        name: String,
    },
    /// Print a code with which one person may make an account.
    Invite {
        /// How long it is valid.
        lifetime: Duration,
    },
    /// Make one whole file of the database.
    Backup {
        /// Where.
        file: PathBuf,
    },
    /// Put such a file in the place of the database.
    Restore {
        /// Where it is.
        file: PathBuf,
    },
    /// Check whether a database is whole, and can be true.
    Check {
        /// The one in the data folder, if it is missing.
        file: Option<PathBuf>,
    },
    /// Make two users friends of each other.
    Befriend {
        /// The one.
        name: String,
        /// The other.
        other: String,
    },
    /// Say something as a user.
    Send {
        /// Who says it.
        user: String,
        /// To whom: a user, a group by its title, or a conversation by its number.
        whom: String,
        /// What; read from stdin if it is missing.
        text: Option<String>,
        /// The sender's own name for it; a random one, if it is missing.
        nonce: Option<String>,
    },
    /// Print what a user is told, as it comes.
    Tail {
        /// Who listens.
        user: String,
        /// In which conversation, as in `Send`; in all of them, if it is missing.
        whom: Option<String>,
        /// From where on; from now on, if it is missing.
        since: Option<Since>,
        /// Everything, as lines of JSON; otherwise messages, for people.
        json: bool,
    },
    /// Look for what keeps a server from doing well.
    Doctor {
        /// The one by which clients reach it, if that way is to be examined, too.
        url: Option<String>,
    },
    /// Say or change who may make an account, for as long as the server runs.
    Registration {
        /// If it is missing, nothing changes.
        mode: Option<Registration>,
    },
}

/// Where [`Operation::Tail`] begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Since {
    /// With what was said that long ago.
    Ago(Duration),
    /// After a place that an earlier one has printed.
    Cursor(String),
}

/// One command.
pub(super) struct Verb {
    /// What it is called.
    pub(super) words: &'static str,
    /// What follows the words, for people.
    pub(super) takes: &'static str,
    /// What it is for, in one line.
    pub(super) help: &'static str,
    /// Everything there is to say about it, in lines that fit a screen.
    pub(super) about: &'static str,
    /// Reads what follows the words.
    read: fn(&mut Arguments) -> Result<Operation, UsageError>,
}

/// The command that may be left out.
pub(super) const SERVE: &str = "serve";

/// All of them, as help shows them.
pub(super) static VERBS: &[Verb] = &[
    Verb {
        words: "user add",
        takes: "NAME [DISPLAY_NAME]",
        help: "make an account, with a password that is read",
        about: "\
Makes an account. The password is asked for, or read as a line from stdin. Works
while the server runs and while none does.",
        read: |arguments| {
            Ok(Operation::AddUser { name: arguments.text()?, display_name: arguments.option()? })
        },
    },
    Verb {
        words: "user passwd",
        takes: "NAME",
        help: "change a password, and end all sessions",
        about: "\
Gives somebody another password, which is asked for, or read as a line from
stdin. All their sessions end.",
        read: |arguments| Ok(Operation::SetPassword { name: arguments.text()? }),
    },
    Verb {
        words: "user list",
        takes: "",
        help: "print all accounts, one per line",
        about: "\
Prints all accounts, one per line, separated by tabs: id, name, display name,
created, last seen, sessions.",
        read: |_| Ok(Operation::ListUsers),
    },
    Verb {
        words: "user remove",
        takes: "NAME",
        help: "delete an account; what it has said stays",
        about: "\
Deletes an account at once. What it has said stays, said by a user without a
name.",
        read: |arguments| Ok(Operation::RemoveUser { name: arguments.text()? }),
    },
    Verb {
        words: "user befriend",
        takes: "NAME NAME",
        help: "make two users friends",
        about: "\
Makes two users friends, who may write to each other, as if one had asked and
the other had agreed.",
        read: |arguments| {
            Ok(Operation::Befriend { name: arguments.name()?, other: arguments.name()? })
        },
    },
    Verb {
        words: "send",
        takes: "--as NAME [--nonce TEXT] WHOM [TEXT]",
        help: "say something as a user",
        about: "\
Says TEXT, or what stdin has, as the user NAME: to a friend by name, a group by
title, or a conversation by id:NUMBER. Prints nothing once it is stored. While
there is no answer it tries again, for half a minute, and still says it only
once; with --nonce that holds for further runs. Text that is longer than 8,192
bytes, not UTF-8 or empty is refused. Works while no server runs, too.",
        read: |arguments| {
            Ok(Operation::Send {
                user: arguments.user()?,
                nonce: arguments.own_text("--nonce")?,
                whom: arguments.text()?,
                text: arguments.option()?,
            })
        },
    },
    Verb {
        words: "tail",
        takes: "--as NAME [--since TIME|CURSOR] [--json] [WHOM]",
        help: "print what a user is told, as it comes",
        about: "\
Prints the messages that the user NAME is told, one per line, separated by tabs:
time, conversation, sender, text; of all conversations, or of one, named as for
`send`. --json prints all events of the web service, one object per line. Begins
now, or --since a time ago, or after the \"cursor\" of a line of JSON. Goes on
across restarts of the server, until nobody reads it. NAME is online meanwhile.",
        read: |arguments| {
            Ok(Operation::Tail {
                user: arguments.user()?,
                since: arguments.since()?,
                json: arguments.own("--json").is_some(),
                whom: arguments.option()?,
            })
        },
    },
    Verb {
        words: "invite",
        takes: "[TIME]",
        help: "print a code for one new account, good for 7d",
        about: "\
Prints a code with which one person may make an account, even if registration is
by invitation only; good for 7d unless TIME says otherwise.",
        read: |arguments| {
            let mut lifetime = Duration::from_secs(7 * 24 * 3600);
            arguments.value(&mut lifetime, 1_000, 3_650 * 86_400_000)?;
            Ok(Operation::Invite { lifetime })
        },
    },
    Verb {
        words: "backup",
        takes: "FILE",
        help: "copy the database into one file",
        about: "\
Copies the database into one whole file, readable only by its owner, whether a
server is running or not.",
        read: |arguments| Ok(Operation::Backup { file: arguments.file()? }),
    },
    Verb {
        words: "restore",
        takes: "FILE",
        help: "put such a file in the database's place",
        about: "\
Puts a copy in the place of the database, while no server runs. What was there
is kept beside it as lovejoy.db.before-restore.",
        read: |arguments| Ok(Operation::Restore { file: arguments.file()? }),
    },
    Verb {
        words: "check",
        takes: "[FILE]",
        help: "check that it, or a copy, is whole",
        about: "\
Checks that the database, or a copy of it, is whole and can be true. Prints what
is wrong, one line each, and then ends with 1.",
        read: |arguments| Ok(Operation::Check { file: arguments.rest.next().map(PathBuf::from) }),
    },
    Verb {
        words: "doctor",
        takes: "[URL]",
        help: "look for what has to be mended",
        about: "\
Looks at the machine: descriptors, memory, clock, the data folder and its disk.
With a URL, such as http://chat.example.org, it asks through that, and whatever
proxy is there: whether answers come as they were made, whether the server sees
who asks, whether a stream flows, how long a poll may be held. That needs a
running server, takes a little longer than --wait-max, and makes an account,
which is deleted at the end. Prints a line for each thing; ends with 1 if
something has to be mended.",
        read: |arguments| Ok(Operation::Doctor { url: arguments.option()? }),
    },
    Verb {
        words: "registration",
        takes: "[open|invite|closed]",
        help: "say or change who may make an account",
        about: "\
Says who may make an account, or changes that until the server is restarted.
A server must be running.",
        read: |arguments| {
            let mut mode = Registration::Open;
            let given = arguments.value(&mut mode, 0, 0)?;
            Ok(Operation::Registration { mode: given.then_some(mode) })
        },
    },
];

/// The options that only some commands have, and whether a value follows.
pub(super) const OWN_OPTIONS: [(&str, bool); 4] =
    [("--as", true), ("--json", false), ("--nonce", true), ("--since", true)];

/// Those that were given, with their values.
pub(super) type OwnOptions = Vec<(&'static str, OsString)>;

/// Finds the command that words begin with, and reads the rest of them, and its own options.
pub(super) fn read(words: Vec<OsString>, own: OwnOptions) -> Result<Operation, UsageError> {
    let is_named = |verb: &&Verb| {
        verb.words
            .split(' ')
            .enumerate()
            .all(|(index, word)| words.get(index).is_some_and(|given| given == word))
    };
    let Some(verb) = VERBS.iter().find(is_named) else {
        return Err(UsageError::unknown_command(&words));
    };
    let mut rest = words.into_iter();
    rest.nth(verb.words.split(' ').count() - 1);
    let mut arguments = Arguments { verb, rest, own };
    let operation = (verb.read)(&mut arguments)?;
    match arguments.rest.next() {
        None if arguments.own.is_empty() => Ok(operation),
        _ => Err(arguments.wrong()),
    }
}

/// What follows the words of a command.
struct Arguments {
    verb: &'static Verb,
    rest: std::vec::IntoIter<OsString>,
    own: OwnOptions,
}

impl Arguments {
    /// A text that must be there.
    fn text(&mut self) -> Result<String, UsageError> {
        self.option()?.ok_or_else(|| self.wrong())
    }

    /// A text that may be there.
    fn option(&mut self) -> Result<Option<String>, UsageError> {
        self.rest.next().map(|word| word.into_string().map_err(|_| self.wrong())).transpose()
    }

    /// A path that must be there.
    fn file(&mut self) -> Result<PathBuf, UsageError> {
        match self.rest.next() {
            Some(file) if !file.is_empty() => Ok(file.into()),
            _ => Err(self.wrong()),
        }
    }

    /// The value of an option, if it was given. One that is given twice is left over, like one that
    /// the command does not have.
    fn own(&mut self, name: &str) -> Option<OsString> {
        let index = self.own.iter().position(|(given, _)| *given == name)?;
        Some(self.own.remove(index).1)
    }

    fn own_text(&mut self, name: &str) -> Result<Option<String>, UsageError> {
        self.own(name).map(|value| value.into_string().map_err(|_| self.wrong())).transpose()
    }

    /// The user on whose behalf something is done.
    fn user(&mut self) -> Result<String, UsageError> {
        let name = self.own_text("--as")?;
        name.filter(|name| UserName::parse(name).is_ok()).ok_or_else(|| self.wrong())
    }

    /// What can be the name of a user.
    fn name(&mut self) -> Result<String, UsageError> {
        let name = self.text()?;
        if UserName::parse(&name).is_ok() { Ok(name) } else { Err(self.wrong()) }
    }

    /// A time, or what looks like a cursor: no time has a hyphen in it.
    fn since(&mut self) -> Result<Option<Since>, UsageError> {
        let Some(given) = self.own_text("--since")? else { return Ok(None) };
        let is_of_cursors = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
        if given.contains('-') && given.bytes().all(is_of_cursors) {
            return Ok(Some(Since::Cursor(given)));
        }
        let mut time = Duration::ZERO;
        let range = 0..=36_500 * 86_400_000;
        if time.set(given.as_ref(), &range) {
            return Ok(Some(Since::Ago(time)));
        }
        let allowed = format!("{}, or a cursor", time.allowed(&range));
        Err(UsageError::BadValue { name: "--since".to_owned(), value: given, allowed })
    }

    /// Takes over a value that may be there, within a range if it is a number or a time. Returns
    /// whether it was there.
    fn value(&mut self, value: &mut dyn Value, from: u64, to: u64) -> Result<bool, UsageError> {
        let Some(word) = self.rest.next() else { return Ok(false) };
        let range = from..=to;
        if value.set(&word, &range) {
            return Ok(true);
        }
        Err(UsageError::BadValue {
            name: self.verb.words.to_owned(),
            value: word.to_string_lossy().into_owned(),
            allowed: value.allowed(&range),
        })
    }

    fn wrong(&self) -> UsageError {
        let Verb { words, takes, .. } = self.verb;
        let allowed = if takes.is_empty() { "nothing more" } else { takes };
        UsageError::MissingValue { name: (*words).to_owned(), allowed: allowed.to_owned() }
    }
}
