//! Nothing imports upwards: each module of the library names only modules of its own floor and of those below.

use std::fs;
use std::path::{Path, PathBuf};

/// The floors, from the top; a module stands on exactly one.
const FLOORS: [&[&str]; 17] = [
    &["cli"],
    &["prove"],
    &["explore"],
    &["durable", "faces", "fixable", "parity"],
    &["report"],
    &["run"],
    &["outcome", "expectation", "known"],
    &["host"],
    &["world"],
    &["defect"],
    &["system"],
    &["oracle"],
    &["scenario", "watchdog"],
    &["choice"],
    // What all of them speak about: a trace holds faults and effects, and a provider writes into it.
    &["fault", "provider", "trace", "rest"],
    // From a schema alone, so that any server's calls can be malformed and mended.
    &["malform", "repair"],
    &["canary", "requirement", "suggest", "error", "screen", "stopwatch", "undivided", "visible", "vitals"],
];

fn floor(module: &str) -> usize {
    let found = FLOORS.iter().position(|floor| floor.contains(&module));
    found.unwrap_or_else(|| panic!("`{module}` stands on no floor; give it one in this test and in ARCHITECTURE.md"))
}

#[test]
fn nothing_imports_upwards() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    walk(&root, &mut files);
    let mut upwards = Vec::new();
    for file in files {
        let below = file.strip_prefix(&root).expect("below the root");
        let module = below.components().next().expect("a name").as_os_str().to_string_lossy();
        let module = module.trim_end_matches(".rs");
        if ["lib", "main"].contains(&module) || is_test(below) {
            continue;
        }
        let text = fs::read_to_string(&file).expect("a source file");
        // Tests may look wherever they like.
        let text = text.split("#[cfg(test)]\nmod tests {").next().expect("text before the tests");
        for imported in imports(text) {
            if floor(&imported) < floor(module) {
                upwards.push(format!("{} imports {imported}", below.display()));
            }
        }
    }
    assert!(upwards.is_empty(), "{}", upwards.join("\n"));
}

/// Whether a file is compiled for tests only: it is one of these modules, or a part of one.
fn is_test(path: &Path) -> bool {
    path.with_extension("").iter().any(|part| {
        let name = part.to_string_lossy();
        name.ends_with("tests") || ["testing", "testkit", "whole_runs"].contains(&&*name)
    })
}

/// Every module of this crate that a text names.
fn imports(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices("crate::") {
        let rest = &text[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            Some(group) => {
                let group = group.split('}').next().unwrap_or_default();
                found.extend(group.split(',').map(first_word).filter(|word| !word.is_empty()));
            }
            None => found.push(first_word(rest)),
        }
    }
    found
}

fn first_word(text: &str) -> String {
    text.trim_start().chars().take_while(|letter| letter.is_ascii_lowercase() || *letter == '_').collect()
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            walk(&path, files);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            files.push(path);
        }
    }
}
