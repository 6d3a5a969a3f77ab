//! Checks that `docs/http.md` speaks of code and tests that are there: what moves or is renamed has
//! to be so in the table too.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

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
