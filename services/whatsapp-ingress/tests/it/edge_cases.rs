//! docs/edge-cases.md names the test of every case; each of them exists.

use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The text of every source below a folder.
fn sources(folder: &Path, text: &mut String) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, text);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            text.push_str(&std::fs::read_to_string(path).unwrap());
        }
    }
}

#[test]
fn every_test_that_the_table_of_edge_cases_names_exists() {
    let mut text = String::new();
    sources(&root().join("crates"), &mut text);
    sources(&root().join("services"), &mut text);
    let document = std::fs::read_to_string(root().join("docs/edge-cases.md")).unwrap();
    let rows: Vec<_> = document.lines().filter(|line| line.starts_with("| ")).collect();
    assert!(rows.len() > 20, "the tables are not read");

    for row in rows.iter().filter(|row| row.contains('`')) {
        let cell = row.trim_end_matches(" |").rsplit(" | ").next().unwrap();
        for name in cell.split('`').skip(1).step_by(2) {
            let is_there = text.contains(&format!("fn {name}("));
            assert!(is_there, "docs/edge-cases.md names {name}, which is no test");
        }
    }
}
