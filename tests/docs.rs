//! Holds the documents to the truth: `docs/http.md` speaks of code and tests that are there, and
//! `docs/guide.md` of commands that work.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use process::{Folder, Server};
use serde_json::Value;

mod process;

#[test]
fn the_table_of_requirements_names_files_functions_and_tests_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("docs/http.md")).expect("the page");
    let mut sources = BTreeMap::new();
    let mut rows = 0;
    for row in page.lines().filter(|line| line.starts_with("| ") && line.contains('`')) {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        assert_eq!(cells.len(), 5, "{row}");
        assert!(matches!(cells[1], "M" | "S" | "o"), "{row}");
        for (cell, is_test) in [(cells[3], false), (cells[4], true)] {
            let quoted: Vec<&str> = cell.split('`').skip(1).step_by(2).collect();
            let &[path, function] = &quoted[..] else { panic!("`file` `function`: {row}") };
            let source = sources
                .entry(path.to_owned())
                .or_insert_with(|| fs::read_to_string(root.join(path)).unwrap_or_default());
            assert!(!source.is_empty(), "there is no {path}");
            assert!(has_function(source, function, is_test), "{path} has no {function}: {row}");
        }
        rows += 1;
    }
    assert!(rows > 50, "the table is found: {rows} rows");
}

/// Whether a function of this name is there; a test, if it has to be one.
fn has_function(source: &str, name: &str, is_test: bool) -> bool {
    let lines: Vec<&str> = source.lines().map(str::trim_start).collect();
    lines.iter().enumerate().any(|(index, line)| {
        let declared = line.split_once("fn ").map_or("", |(_, rest)| rest);
        let is_name = declared.strip_prefix(name).is_some_and(|rest| rest.starts_with(['(', '<']));
        let is_marked = index > 0 && lines[index - 1] == "#[test]";
        is_name && (is_marked || !is_test)
    })
}

/// Every command of the guide does what the guide says: it is run, all of them in one shell, against
/// the real binary; and what it prints is what the guide shows, but for times and the like.
#[test]
fn every_line_of_the_guide_works_and_is_answered_as_it_says() {
    if Command::new("curl").arg("--version").output().is_err() {
        assert!(std::env::var_os("CI").is_none(), "there is no curl");
        return eprintln!("SKIPPED: there is no curl to follow the guide with");
    }
    let folder = Folder::new();
    let mut server = Server::start(&folder, &["--demo"]);
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let guide = fs::read_to_string(root.join("docs/guide.md")).expect("the guide");
    let blocks = blocks(&guide);
    let commands = blocks.iter().filter(|(language, _)| language == "sh");
    let script = commands.fold("set -eu -o pipefail\n".to_owned(), |script, (_, block)| {
        script + block + "printf '\\036'\n"
    });
    let script = script.replace("127.0.0.1:8080", &server.address.to_string());
    let mut shell = Command::new("bash");
    let shell = shell.arg("-c").arg(script).current_dir(folder.path(""));
    let done = shell.output().expect("bash runs");
    let (printed, errors) = (text(&done.stdout), text(&done.stderr));
    assert!(done.status.success(), "{printed}\n{errors}");
    let mut printed = printed.split('\u{1e}');
    let mut last = "";
    let mut compared = 0;
    for (language, block) in &blocks {
        match language.as_str() {
            "sh" => last = printed.next().expect("what each block has printed"),
            "json" => {
                let (shown, got) = (values(block), values(last));
                assert_eq!(shown.len(), got.len(), "as many answers as are shown: {last}");
                for (shown, got) in shown.iter().zip(&got) {
                    assert!(is_like(shown, got, ""), "the guide shows {shown}, and it is {got}");
                    compared += 1;
                }
            }
            _ => {}
        }
    }
    assert!(compared > 10, "the answers are found");
    server.kill();
}

/// The fenced blocks of a page, with their languages.
fn blocks(page: &str) -> Vec<(String, String)> {
    let parts: Vec<&str> = page.split("```").collect();
    let fenced = parts.iter().skip(1).step_by(2);
    let block = |part: &&str| {
        let (language, text) = part.split_once('\n').expect("a language, perhaps none");
        (language.to_owned(), text.to_owned())
    };
    fenced.map(block).collect()
}

fn text(bytes: &[u8]) -> &str {
    str::from_utf8(bytes).expect("UTF-8")
}

/// JSON texts one after the other.
fn values(text: &str) -> Vec<Value> {
    let values = serde_json::Deserializer::from_str(text).into_iter();
    values.map(|value| value.unwrap_or_else(|error| panic!("{error}: {text}"))).collect()
}

/// Whether something is what is shown of it. Of a list, the beginning may be enough; what differs from
/// run to run has only to be of one type.
fn is_like(shown: &Value, got: &Value, name: &str) -> bool {
    match (shown, got) {
        (Value::Object(shown), Value::Object(got)) => {
            let alike = |(name, value): (&String, &Value)| {
                got.get(name).is_some_and(|got| is_like(value, got, name))
            };
            shown.len() == got.len() && shown.iter().all(alike)
        }
        (Value::Array(shown), Value::Array(got)) => {
            let same = shown.iter().zip(got).all(|(shown, got)| is_like(shown, got, name));
            shown.is_empty() == got.is_empty() && shown.len() <= got.len() && same
        }
        (Value::String(_), Value::String(_)) if matches!(name, "cursor" | "version") => true,
        (Value::Number(_), Value::Number(_)) if name.ends_with("_at") => true,
        _ => shown == got,
    }
}
