//! Copies, replaces and examines the database as a whole.
//!
//! A running server is not stopped for that, and does no more for it than leave its file alone
//! while this process copies it: see [`crate::data::back_up`].

use std::error::Error;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::link::{Holder, Link, Need};
use crate::config::Config;
use crate::data;
use crate::system::{self, DataLock, DataLockError};
use crate::web::Said;

pub(super) fn back_up(config: &Config, file: &Path) -> Result<String, Box<dyn Error>> {
    if is_same(file, &config.database()) {
        return Err(format!("{} is the database itself", file.display()).into());
    }
    copy(config, file)?;
    let bytes = fs::metadata(file)?.len();
    Ok(format!("{} is a whole copy, of {bytes} bytes\n", file.display()))
}

/// Copies the database while nobody uses it, or while its server leaves it alone.
fn copy(config: &Config, file: &Path) -> Result<(), Box<dyn Error>> {
    match Link::find(config, Need::Database)? {
        Holder::Nobody(_lock) => data::back_up(&config.database(), file, || Ok(()))?,
        Holder::Server(mut link) => {
            let number = hold_still(&mut link, 0).map_err(io::Error::other)?;
            // The link ends with the copying, and the server goes on.
            data::back_up(&config.database(), file, move || {
                if hold_still(&mut link, number).map_err(io::Error::other)? == number {
                    return Ok(());
                }
                Err(io::Error::other(
                    "the server could not leave its database alone for so long; try again, or with a \
                     larger --backup-log-bytes-max",
                ))
            })?;
        }
    }
    Ok(())
}

/// Asks the server to leave its file alone, or to go on doing so. The answer changes if it could
/// not.
fn hold_still(link: &mut Link, number: u64) -> Result<u64, String> {
    let answer = link.call("POST", "/control/copy", &[("copy", Said::Number(number))]);
    let answer = answer.map_err(|error| error.to_string())?;
    answer["copy"].as_u64().ok_or_else(|| "the server is of another version".to_owned())
}

pub(super) fn restore(config: &Config, file: &Path) -> Result<String, Box<dyn Error>> {
    let database = config.database();
    // Checked before anything is made: a wrong path is the usual mistake.
    fs::metadata(file).map_err(|error| format!("cannot read {}: {error}", file.display()))?;
    if is_same(file, &database) {
        return Err(format!("{} is the database itself", file.display()).into());
    }
    let _lock = DataLock::acquire(&config.data).map_err(|error| match error {
        DataLockError::InUse { .. } => Box::<dyn Error>::from(format!(
            "a server is using {}; stop it before its database is replaced",
            config.data.display()
        )),
        error @ DataLockError::Unusable { .. } => error.into(),
    })?;
    let kept = data::restore(file, &database, system::wall())?;
    let kept = kept.filter(|kept| kept.exists());
    let kept = kept.map(|kept| format!("what was there before is {}\n", kept.display()));
    Ok(format!("{} is in place\n{}", file.display(), kept.unwrap_or_default()))
}

pub(super) fn check(config: &Config, file: Option<&Path>) -> Result<String, Box<dyn Error>> {
    let database = config.database();
    let faults = match file {
        Some(file) => data::check(file)?,
        None => match Link::find(config, Need::Database)? {
            Holder::Nobody(_lock) => data::check(&database)?,
            Holder::Server(link) => {
                drop(link);
                check_copy(config)?
            }
        },
    };
    let shown = file.unwrap_or(&database).display();
    if faults.is_empty() { Ok(format!("{shown} is whole\n")) } else { Err(Faulty(faults).into()) }
}

/// A running server has its database for itself; a copy tells just as much.
fn check_copy(config: &Config) -> Result<Vec<String>, Box<dyn Error>> {
    let copied = Temporary(config.data.join("lovejoy.db.check"));
    copy(config, &copied.0)?;
    Ok(data::check(&copied.0)?)
}

/// A file that is removed when it is no longer needed.
struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn is_same(one: &Path, other: &Path) -> bool {
    matches!((fs::canonicalize(one), fs::canonicalize(other)), (Ok(one), Ok(other)) if one == other)
}

/// What was found, one line each.
#[derive(Debug)]
struct Faulty(Vec<String>);

impl fmt::Display for Faulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("\nlovejoy: "))
    }
}

impl Error for Faulty {}
