//! Holds the documents to the truth: `docs/http.md` and `docs/tour` speak of code and tests that are
//! there, `docs/guide.md` and `docs/operations.md` of commands that work.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use process::{Folder, Server, operate};
use serde_json::{Value, json};

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

/// Each pitfall names the code that answers it and a test that shows it: both are there.
#[test]
fn every_pitfall_is_answered_by_code_and_shown_by_a_test_that_exist() {
    let page = read("docs/tour/pitfalls.md");
    let (mut rows, mut numbers) = (0, Vec::new());
    for row in page.lines().filter(|line| line.starts_with("| ") && line.contains("` |")) {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let &[number, wrong, code, test] = &cells[..] else { panic!("four cells: {row}") };
        assert!(wrong.len() > 20, "{row}");
        numbers.extend(number.parse::<usize>());
        let (path, name) = quoted_pair(code);
        assert!(has_word(&read(path), name), "{path} has no {name}: {row}");
        let (path, name) = quoted_pair(test);
        let source = read(path);
        let is_there = match Path::new(path).extension().and_then(|it| it.to_str()) {
            Some("rs") => has_function(&source, name, true),
            _ => source.contains(name),
        };
        assert!(is_there, "{path} has no test {name}: {row}");
        rows += 1;
    }
    assert_eq!(numbers, (1..=44).collect::<Vec<_>>(), "in order, none left out");
    assert!(rows > 44);
}

/// What the pages of the tour point to is there; and of "`name` in [`file`](…)" the name is in the file.
#[test]
fn the_links_of_the_tour_hold() {
    let (mut links, mut names) = (0, 0);
    for path in tour().into_iter().chain(["docs/2013.md".into(), "docs/lab.md".into()]) {
        let page = read(&path);
        let folder = Path::new(&path).parent().expect("a folder");
        let pieces: Vec<&str> = page.split("](").collect();
        for (before, behind) in pieces.iter().zip(&pieces[1..]) {
            let (target, _) = behind.split_once(')').expect("the end of a link");
            if target.starts_with("https://") {
                continue;
            }
            let (file, place) = target.split_once('#').unwrap_or((target, ""));
            let file = if file.is_empty() { path.clone() } else { resolved(folder, file) };
            let there = Path::new(env!("CARGO_MANIFEST_DIR")).join(&file);
            assert!(there.exists(), "{path} points to {target}");
            assert!(place.is_empty() || has_heading(&read(&file), place), "{path}: {target}");
            links += 1;
            // "`name` in [`file`" stands before the target.
            if let Some((name, shown)) = before.rsplit_once("` in [`")
                && shown.strip_suffix('`') == Some(&file)
            {
                let name = name.rsplit(['`', ':']).next().expect("a name");
                assert!(has_word(&read(&file), name), "{path}: {file} has no {name}");
                names += 1;
            }
        }
    }
    assert!(links > 60 && names > 15, "they are found: {links} {names}");
}

/// Each exercise plants a bug that is there and fits the sources, gives a hint, and is answered.
#[test]
fn every_exercise_plants_a_bug_that_fits_the_sources() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = read("docs/tour/exercises.md");
    let mut exercises: Vec<&str> = page.split("\n## ").skip(1).collect();
    let own = exercises.pop().expect("the last is one's own");
    assert!(own.contains("Your own"));
    assert!(exercises.len() >= 9, "{}", exercises.len());
    let said = read("tests/sim/README.md");
    for (index, exercise) in exercises.iter().enumerate() {
        assert!(exercise.starts_with(&format!("{}. ", index + 1)), "{exercise}");
        for part in ["*Symptom.*", "<summary>A hint</summary>", "<summary>The answer</summary>"] {
            assert_eq!(exercise.matches(part).count(), 1, "{part}: {exercise}");
        }
        let (_, answer) = exercise.split_once("<summary>The answer</summary>").expect("an answer");
        let name = answer.split('`').nth(1).expect("its name");
        assert!(!exercise[..exercise.len() - answer.len()].contains(name), "{name} is told early");
        assert!(said.contains(&format!("| `{name}` ")), "{name} is in the table of bugs");
        let patch = root.join(format!("tests/sim/mutations/{name}.patch"));
        let file = fs::File::open(&patch).unwrap_or_else(|error| panic!("{name}: {error}"));
        let mut command = Command::new("patch");
        let command = command.args(["-p1", "-s", "-f", "--dry-run"]).current_dir(root).stdin(file);
        let fits = command.output().expect("patch runs");
        let why = String::from_utf8_lossy(&fits.stdout);
        assert!(fits.status.success(), "{name} does not fit: {why}");
    }
}

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The pages of the tour.
fn tour() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/tour");
    let entries = fs::read_dir(folder).expect("the tour");
    let name = |entry: fs::DirEntry| entry.file_name().into_string().expect("UTF-8");
    entries.map(|entry| format!("docs/tour/{}", name(entry.expect("an entry")))).collect()
}

/// A path that is told from a folder.
fn resolved(folder: &Path, target: &str) -> String {
    let mut parts: Vec<&str> = folder.iter().map(|part| part.to_str().expect("UTF-8")).collect();
    for part in target.split('/') {
        match part {
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// The path and the name in "`path` `name`".
fn quoted_pair(cell: &str) -> (&str, &str) {
    let quoted: Vec<&str> = cell.split('`').skip(1).step_by(2).collect();
    let &[path, name] = &quoted[..] else { panic!("`file` `name`: {cell}") };
    (path, name)
}

/// Whether a name stands somewhere as a word of its own.
fn has_word(source: &str, name: &str) -> bool {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    source.match_indices(name).any(|(at, _)| {
        let bytes = source.as_bytes();
        let before = at.checked_sub(1).and_then(|at| bytes.get(at));
        !before.is_some_and(is_part) && !bytes.get(at + name.len()).is_some_and(is_part)
    })
}

/// Whether a page has a heading that is linked to by this name.
fn has_heading(page: &str, place: &str) -> bool {
    let headings = page.lines().filter(|line| line.starts_with('#'));
    let mut names = headings.map(|line| {
        let text = line.trim_start_matches('#').trim().to_lowercase();
        let kept = text.chars().filter(|it| it.is_alphanumeric() || matches!(it, ' ' | '-' | '_'));
        kept.map(|it| if it == ' ' { '-' } else { it }).collect::<String>()
    });
    names.any(|name| name == place)
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

/// The commands for scripts, one after the other in one shell, do what is said beside them.
#[test]
fn the_examples_for_scripts_work() {
    let folder = Folder::new();
    let mut server = Server::start(&folder, &[]);
    let (anna, ben, _) = server.friends();
    operate(&folder, &["user", "add", "backup"], "to be removed\n").printed();
    operate(&folder, &["user", "remove", "backup"], "").printed();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("docs/operations.md")).expect("the page");
    let (_, section) = page.split_once("## From scripts\n").expect("the section");
    let (_, block) = blocks(section).swap_remove(0);
    let lines: Vec<&str> = block.lines().collect();
    let [add, befriend, rest @ ..] = &lines[..] else { panic!("{block}") };
    let run = |lines: &[&str]| {
        let script = format!("set -eu -o pipefail\n{}\n", lines.join("\n"));
        let lovejoy = "lovejoy() { \"$BINARY\" --data data --password-iterations 1000 \"$@\"; }\n";
        let mut shell = Command::new("bash");
        shell.arg("-c").arg(lovejoy.to_owned() + &script).current_dir(folder.path(""));
        shell.env("BINARY", env!("CARGO_BIN_EXE_lovejoy"));
        let done = shell.output().expect("bash runs");
        assert!(done.status.success(), "{script}\n{}", text(&done.stderr));
        text(&done.stdout).to_owned()
    };
    assert!(run(&[add, befriend]).ends_with("backup and anna are friends\n"));
    let user = server.get("/api/users?q=backup", &anna).json()["users"][0]["id"].clone();
    let group = json!({ "title": "Night shift", "member_ids": [user, ben.id] });
    let group = server.call("POST", "/api/conversations", &anna.token, Some(&group)).json();
    let printed = run(rest);
    let (first, events) = printed.split_once('\n').expect("a line of tail");
    assert!(first.contains("\tbackup\tbackup\tFilesystem"), "{printed}");
    let said: Vec<_> = values(&events[events.find("{\"").expect("JSON")..]);
    let said: Vec<_> = said.iter().map(|event| &event["message"]["body"]).collect();
    assert_eq!(said[1..], ["The backup is done.", "The disk is nearly full."], "{printed}");
    let night_shift = group["conversation"]["id"].as_i64().expect("an id");
    assert_eq!(server.history(&ben, night_shift), ["The backup is done."]);
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
