//! The invariants of docs/architecture.md, read off the source.

#![allow(clippy::expect_used, clippy::unwrap_used)] // a test that cannot go on says why and ends

use std::fs;
use std::path::{Path, PathBuf};

/// Longest file, in lines: past it there are two nouns in it.
const LONGEST_FILE: usize = 450;

fn sources() -> Vec<(String, String)> {
    fn walk(directory: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(directory).expect("the source is here") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    walk(&root, &mut found);
    let relative = |path: &PathBuf| path.strip_prefix(&root).expect("below src").display().to_string();
    let read = |path: &PathBuf| (relative(path), fs::read_to_string(path).expect("text"));
    let sources: Vec<_> = found.iter().map(read).collect();
    assert!(sources.len() > 30, "only {} source files were found", sources.len());
    sources
}

/// The code of a file: without comments, and without what tests need.
fn code(text: &str) -> String {
    let without_tests = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    without_tests
        .lines()
        .map(|line| line.split("//").next().unwrap_or_default())
        .collect::<Vec<_>>()
        .join("\n")
}

/// The source files outside `allowed` whose code names `word`.
fn who_names(word: &str, allowed: &str) -> Vec<String> {
    let is_outside = |path: &str| !path.starts_with(allowed) && !path.contains("/tests/");
    let named = |(path, text): &(String, String)| is_outside(path) && code(text).contains(word);
    sources().iter().filter(|source| named(source)).map(|(path, _)| path.clone()).collect()
}

#[test]
fn only_the_edges_name_their_crates() {
    let nobody: [String; 0] = [];
    assert_eq!(who_names("warp::", "server/"), nobody);
    assert_eq!(who_names("hyper", "server/"), nobody);
    assert_eq!(who_names("rtnetlink", "kernel/"), nobody);
    assert_eq!(who_names("netlink_packet_route", "kernel/"), nobody);
    // The socket's file and a container's namespace are no records, nor is what arms a failpoint.
    let others = ["server/socket", "kernel/netlink/", "failpoint.rs"];
    let is_other = |path: &String| others.iter().any(|other| path.starts_with(other));
    assert_eq!(who_names("std::fs", "store/").iter().filter(|path| !is_other(path)).count(), 0);
}

#[test]
fn the_model_is_pure() {
    for (path, text) in sources().iter().filter(|(path, _)| path.starts_with("model/")) {
        let code = code(text);
        for module in ["cli", "driver", "kernel", "server", "store"] {
            assert!(!code.contains(&format!("crate::{module}")), "{path} names {module}");
        }
        for effect in ["std::fs", "std::process", "std::env", "tokio", "std::time::SystemTime", "println!"] {
            assert!(!code.contains(effect), "{path} uses {effect}");
        }
    }
}

#[test]
fn nothing_calls_the_engine() {
    for word in ["docker.sock", "docker_socket", "/var/run/docker.sock"] {
        assert_eq!(who_names(word, "cli/").len(), 0, "{word}");
    }
}

#[test]
fn files_have_one_noun() {
    for (path, text) in sources() {
        let lines = text.lines().count();
        assert!(lines <= LONGEST_FILE, "{path} has {lines} lines");
    }
}

#[test]
fn the_readme_has_every_option() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = fs::read_to_string(readme).expect("README.md");
    let rows: Vec<&str> =
        readme.lines().filter(|line| line.starts_with("| `") && !line.starts_with("| `-o`")).collect();
    let expected: Vec<String> = trunkline::model::option_table::OPTIONS
        .iter()
        .map(|row| {
            let aliases: Vec<_> = row.aliases.iter().map(|alias| format!("`{alias}`")).collect();
            let aliases = if aliases.is_empty() { String::new() } else { format!("{} ", aliases.join(", ")) };
            format!("| `{}` | {aliases}| {} | {} |", row.key, row.values, row.default)
        })
        .collect();
    assert_eq!(rows, expected, "README.md and src/model/option_table.rs differ");
}

/// The words between backquotes of a page.
fn quoted(page: &str) -> Vec<String> {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(page)).expect(page);
    text.lines().flat_map(|line| line.split('`').skip(1).step_by(2)).map(str::to_owned).collect()
}

#[test]
fn the_scenarios_that_the_docs_name_exist() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lab/scenarios");
    let files = fs::read_dir(directory).expect("the scenarios are here");
    let scenarios: String =
        files.map(|file| fs::read_to_string(file.expect("an entry").path()).expect("text")).collect();
    let is_name = |word: &String| {
        word.contains('_') && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
    };
    let mut named = 0;
    for list in ["core", "slow"] {
        let names = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lab").join(list))
            .expect("a list");
        for name in names.lines().filter(|line| !line.starts_with('#')) {
            assert!(
                scenarios.contains(&format!("scenario_{name}() {{")),
                "tests/lab/{list} names {name}, which is no scenario"
            );
        }
    }
    for page in ["docs/cases.md", "docs/compared.md"] {
        for name in quoted(page).iter().filter(|word| is_name(word)) {
            assert!(
                scenarios.contains(&format!("scenario_{name}() {{")),
                "{page} names {name}, which is no scenario"
            );
            named += 1;
        }
    }
    assert!(named > 40, "only {named} scenarios are named");
}
