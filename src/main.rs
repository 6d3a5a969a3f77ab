//! Starts Lovejoy: command line, logger, then the server or the operator's command; and turns a
//! failure into a line and an exit code.
//!
//! Exit codes: 0 after a signal or when what was asked for is done, 1 if the server cannot start or
//! go on, 2 if the command line is wrong.

use std::error::Error;
use std::fmt::{Display, Write as _};
use std::fs;
use std::io::{self, Write as _};
use std::process::ExitCode;
use std::rc::Rc;

use log::LevelFilter;
use lovejoy::chat::Chat;
use lovejoy::config::{self, Ceiling, Command, Config, Listen, LogFormat};
use lovejoy::data::Store;
use lovejoy::event_loop::EventLoop;
use lovejoy::http::Pages;
use lovejoy::logic::DEMO_ACCOUNTS;
use lovejoy::server::Server;
use lovejoy::system::{self, Clock, DataLock, Entropy};
use lovejoy::{logger, operator, service};

fn main() -> ExitCode {
    let command = config::parse(std::env::args_os().skip(1), std::env::vars_os(), |file| {
        fs::read_to_string(file)
    });
    match command {
        Ok(Command::Serve(config)) => match serve(*config) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(error.as_ref(), 1),
        },
        Ok(Command::Operate(config, operation)) => {
            logger::start(config.log.min(LevelFilter::Warn), LogFormat::Text);
            match operator::run(&config, &operation) {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => fail(error.as_ref(), 1),
            }
        }
        Ok(Command::Show(settings)) => print(&settings.shown()),
        Ok(Command::Print(text)) => print(&text),
        Err(error) => fail(&error, 2),
    }
}

/// Runs the server until a signal ends it.
fn serve(mut config: Config) -> Result<(), Box<dyn Error>> {
    logger::start(config.log, config.log_format);
    let descriptors_max = system::raise_descriptors_max();
    if let Err(error) = &descriptors_max {
        log::warn!("how many descriptors there may be is not known: {error}");
    }
    config.fit(descriptors_max.ok())?;
    let config = Rc::new(config);
    let clock = Clock::new();
    let mut entropy = Entropy::system()?;
    let in_memory = config.is_in_memory();
    let _lock = if in_memory { None } else { Some(DataLock::acquire_soon(&config.data)?) };
    let signals = system::signals()?;

    let store = Store::of(&config, u64::from_le_bytes(entropy.bytes()))?;
    let pages = match &config.www {
        Some(folder) => {
            Pages::folder(folder).map_err(|error| cannot("serve", folder.display(), &error))?
        }
        None => Pages::embedded(),
    };
    let chat = Chat::new(Rc::clone(&config), store, pages, entropy, clock.now())?;
    let server = Server::new(Rc::clone(&config), chat);
    let inherited = service::inherited()?;
    let mut event_loop = EventLoop::inherit(server, clock, signals, &config, inherited)?;
    #[cfg(feature = "tls")]
    event_loop.reload_at(system::reloads()?)?;
    if !in_memory && let Err(error) = event_loop.open_control(&config.control_socket()) {
        log::warn!("the operator's commands will not work: {error}");
    }
    greet(&config, &event_loop.listens_at()?);
    let ceiling = Ceiling::of(&config);
    log::info!("at most {} connections at a time, and {ceiling} of memory", config.connections_max);
    service::notify("READY=1");
    Ok(event_loop.run()?)
}

/// Tells whoever started the server where it listens, one line for each place. For programs that
/// read this: the place is the last word of its line.
fn greet(config: &Config, places: &[Listen]) {
    let mut text = String::new();
    for at in places {
        // Writing to a String cannot fail.
        let _ = match at {
            Listen::Tcp(address) => {
                writeln!(text, "{} is listening on {}://{address}", config.name, config.scheme())
            }
            Listen::Unix(_) => writeln!(text, "{} is listening on {at}", config.name),
        };
    }
    if config.demo {
        text.push_str("Demo accounts, friends of each other, to be tried in two tabs:\n");
        for account in DEMO_ACCOUNTS {
            let _ = writeln!(text, "    {}, password {}", account.name, account.password);
        }
    }
    // A server that nobody listens to is a server all the same.
    let _ = io::stdout().write_all(text.as_bytes());
}

fn cannot(what: &str, whom: impl Display, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("cannot {what} {whom}: {error}"))
}

/// Prints what was asked for. A reader of only its first lines (`lovejoy --help | head`) is no
/// error.
fn print(text: &str) -> ExitCode {
    let _ = io::stdout().write_all(text.as_bytes());
    ExitCode::SUCCESS
}

/// Says in one line what went wrong; not through the log, whose level may be `off`.
fn fail(error: &(impl Display + ?Sized), code: u8) -> ExitCode {
    let _ = writeln!(io::stderr(), "lovejoy: {error}");
    ExitCode::from(code)
}
