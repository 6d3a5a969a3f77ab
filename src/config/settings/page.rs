//! Writes `docs/settings.md`: what the table of settings and the comments in [`Config`] say, as a
//! page.
//!
//! `UPDATE=1 cargo test --lib settings::page` writes it anew; without that, the test checks that it
//! is true.

use std::fmt::Write as _;
use std::path::Path;

use super::{GROUPS, Setting};
use crate::config::Config;

const HEAD: &str = "\
# Settings

Written from `src/config.rs` and the table in `src/config/settings.rs`; `UPDATE=1 cargo test --lib settings::page` writes it anew.

Each can be given as an option (`--wait-max 50s`), as a variable of the environment (`LOVEJOY_WAIT_MAX=50s`), or as
a line of the file that `--config` or `LOVEJOY_CONFIG` names (`wait-max = 50s`). Later wins: default, file, variable,
option. `lovejoy config` prints what is in force, and where each value came from. A time is a number with `ms`, `s`, `m`,
`h` or `d`; without a unit it means seconds. A server that was built with TLS has two settings more:
[`tls-certificate` and `tls-key`](operations.md#tls-without-a-proxy).
";

fn page() -> String {
    let mut config = Config::default();
    let mut page = HEAD.to_owned();
    for (group, settings) in GROUPS {
        write!(page, "\n## {group}\n\n| setting | default | takes | what for, and why so |\n|---|---|---|---|\n")
            .expect("a String");
        for setting in settings {
            let field = (setting.field)(&mut config);
            let default =
                field.shown().map_or_else(|| "none".to_owned(), |shown| format!("`{shown}`"));
            let allowed = field.allowed(&setting.range);
            let cells = [
                format!("`{}`", setting.line()),
                default,
                // How a time is written is said once, at the top.
                allowed.split_once(", in ms").map_or(&*allowed, |cut| cut.0).to_owned(),
                why(setting),
            ];
            writeln!(page, "| {} |", cells.map(|cell| cell.replace('|', "\\|")).join(" | "))
                .expect("a String");
        }
    }
    page
}

/// The comment at its field.
fn why(setting: &Setting) -> String {
    let source = include_str!("../../config.rs");
    let (before, _) = source.split_once(&format!("\n    pub {}: ", setting.name)).expect("a field");
    let comment = before.lines().rev().map_while(|line| line.strip_prefix("    /// "));
    let mut lines: Vec<&str> = comment.collect();
    lines.reverse();
    // Links work only in the documentation of the code.
    lines.join(" ").replace("[`", "`").replace("`]", "`")
}

#[test]
fn the_page_of_settings_is_what_the_table_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/settings.md");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, page()).expect("a page");
    }
    let written = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        written == page(),
        "UPDATE=1 cargo test --lib settings::page writes docs/settings.md anew"
    );
}
