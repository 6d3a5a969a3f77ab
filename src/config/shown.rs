//! Writes what is in force, as a file that could be read again, with where each value came from.
//! Does not know how a value came to be set, only from where.

use std::fmt::Write as _;

use super::Ceiling;
use super::ceiling::written_a_day;
use super::command_line::Settings;
use super::file::written;
use super::settings::GROUPS;

/// The column where the comment after a line begins, if the line is shorter.
const COLUMN: usize = 44;

impl Settings {
    /// What is in force, one line for each setting.
    pub fn shown(&self) -> String {
        let mut text = "# Later wins: default, file, variable, option.\n".to_owned();
        let (mut given, mut config) = (self.config.clone(), self.config.clone());
        let fitted = config.fit_memory();
        let settings = GROUPS.iter().flat_map(|(group, settings)| {
            settings.iter().enumerate().map(move |(index, setting)| (group, index == 0, setting))
        });
        for ((group, is_first, setting), &origin) in settings.zip(&self.origins) {
            if is_first {
                // Writing to a String cannot fail.
                let _ = write!(text, "\n# {group}\n");
            }
            let (name, mut origin) = (setting.line(), self.told(setting, origin));
            let field = (setting.field)(&mut config);
            let shown = field.shown();
            if shown != (setting.field)(&mut given).shown() {
                origin += ", less for memory-max";
            }
            let line = match shown {
                _ if field.is_list() => {
                    let shown = shown.unwrap_or_default();
                    let values = shown.split(',').filter(|value| !value.is_empty()).map(written);
                    format!("{name} = [{}]", values.collect::<Vec<_>>().join(", "))
                }
                Some(shown) => format!("{name} = {}", written(&shown)),
                None => format!("# {name} is not set"),
            };
            let _ = writeln!(text, "{line:<COLUMN$}# {origin}");
        }
        if let Err(least) = fitted {
            let _ = writeln!(text, "\n# {least}");
        }
        text += &Ceiling::of(&config).commented();
        let gigabytes = written_a_day(&config).div_ceil(1_000_000_000);
        let _ =
            writeln!(text, "# A user who says as much as they may writes {gigabytes} GB a day.");
        text
    }
}
