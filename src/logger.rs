//! Writes the log to stderr, one line per record: `2026-11-23T10:02:03.456Z INFO lovejoy::server:
//! text`, or the same as an object of JSON: `{"time":"…","level":"info","module":"…","text":"…"}`.
//!
//! Does not know what is said; whoever logs must see to it that no password, token or message body
//! is. Rules:
//! 1. A record is one line and one write, so that the lines of several processes on one stderr do
//!    not mix.
//! 2. Nothing that a peer sent can end a line, begin another or steer a terminal: such characters
//!    are escaped.
//! 3. A log that cannot be written is no reason to stop serving.

use std::fmt::Write as _;
use std::io::{self, Write as _};

use log::{LevelFilter, Log, Metadata, Record};

use crate::config::LogFormat;
use crate::entity::Timestamp;
use crate::entity::characters::{breaks_line, turns_direction};
use crate::system;

/// Sends the records of this level and worse to stderr from now on. Called once, at the start.
pub fn start(level: LevelFilter, format: LogFormat) {
    static TEXT: StderrLogger = StderrLogger { line };
    static JSON: StderrLogger = StderrLogger { line: json_line };
    let logger = match format {
        LogFormat::Text => &TEXT,
        LogFormat::Json => &JSON,
    };
    // Only a second call can fail, and the logger that it finds is this one.
    let _ = log::set_logger(logger);
    log::set_max_level(level);
}

struct StderrLogger {
    line: fn(Timestamp, &Record<'_>) -> String,
}

impl Log for StderrLogger {
    /// The crate `log` has compared levels already, and there is no filter besides.
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        let _ = io::stderr().write_all((self.line)(system::wall(), record).as_bytes());
    }

    /// Stderr keeps nothing back.
    fn flush(&self) {}
}

fn line(at: Timestamp, record: &Record<'_>) -> String {
    let mut line = format!("{at} {:<5} {}: ", record.level(), record.target());
    for character in record.args().to_string().chars() {
        if breaks_line(character) || turns_direction(character) {
            // Writing to a string does not fail.
            let _ = write!(line, "{}", character.escape_default());
        } else {
            line.push(character);
        }
    }
    line.push('\n');
    line
}

fn json_line(at: Timestamp, record: &Record<'_>) -> String {
    let (level, module) = (record.level().as_str().to_ascii_lowercase(), record.target());
    let mut line = format!(r#"{{"time":"{at}","level":"{level}","module":"{module}","text":""#);
    for character in record.args().to_string().chars() {
        if breaks_line(character) || turns_direction(character) {
            for unit in character.encode_utf16(&mut [0; 2]) {
                // Writing to a string does not fail.
                let _ = write!(line, "\\u{unit:04x}");
            }
        } else {
            if matches!(character, '"' | '\\') {
                line.push('\\');
            }
            line.push(character);
        }
    }
    line.push_str("\"}\n");
    line
}

#[cfg(test)]
mod tests {
    use log::Level;

    use super::*;

    fn logged(level: Level, text: &str) -> String {
        written(line, level, text)
    }

    fn written(line: fn(Timestamp, &Record<'_>) -> String, level: Level, text: &str) -> String {
        let at = Timestamp(1_795_428_123_456);
        let mut record = Record::builder();
        line(
            at,
            &record.level(level).target("lovejoy::server").args(format_args!("{text}")).build(),
        )
    }

    #[test]
    fn a_record_of_json_is_read_back_as_it_was_and_steers_nothing() {
        let text = "GET /\r\n\"\\\u{1b}[31m\u{202e}漠然\u{2028}\u{85}\0";
        let line = written(json_line, Level::Warn, text);
        assert_eq!(line.matches('\n').count(), 1);
        assert!(!line.contains(['\r', '\u{1b}', '\u{202e}', '\u{2028}', '\u{85}', '\0']), "{line}");
        let read: serde_json::Value = serde_json::from_str(&line).expect("JSON");
        assert_eq!(read["text"], text);
        assert_eq!(
            (&read["time"], &read["level"]),
            (&"2026-11-23T10:02:03.456Z".into(), &"warn".into())
        );
        assert_eq!(read["module"], "lovejoy::server");
    }

    #[test]
    fn a_record_is_one_line_with_time_level_and_module() {
        let line = logged(Level::Info, "listening on 127.0.0.1:8080");
        assert_eq!(
            line,
            "2026-11-23T10:02:03.456Z INFO  lovejoy::server: listening on 127.0.0.1:8080\n"
        );
        assert!(logged(Level::Error, "x").contains("Z ERROR lovejoy::server: x\n"));
    }

    #[test]
    fn what_a_peer_sent_cannot_forge_a_line_or_steer_a_terminal() {
        let line = logged(Level::Warn, "GET /\r\n2026 ERROR \u{1b}[31m\u{202e}漠然\u{2028}\u{85}");
        assert!(line.ends_with("GET /\\r\\n2026 ERROR \\u{1b}[31m\\u{202e}漠然\\u{2028}\\u{85}\n"));
        assert_eq!(line.matches('\n').count(), 1);
    }
}
