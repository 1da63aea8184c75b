//! README, ARCHITECTURE and CONTRIBUTING, held to what is there: paths, modules, commands and numbered steps.

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use support::{folder, misrule, text};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the repository").to_owned()
}

fn read(name: &str) -> String {
    fs::read_to_string(root().join(name)).expect(name)
}

/// Every file and folder of the repository that is no build output, as a path below the root; folders end with `/`.
fn tree() -> Vec<String> {
    fn walk(folder: &Path, root: &Path, found: &mut Vec<String>) {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let name = path.strip_prefix(root).expect("below the root").display().to_string();
            if path.is_dir() {
                if !path.ends_with("target") && !path.ends_with(".git") {
                    found.push(format!("/{name}/"));
                    walk(&path, root, found);
                }
            } else {
                found.push(format!("/{name}"));
            }
        }
    }
    let mut found = Vec::new();
    walk(&root(), &root(), &mut found);
    found
}

/// What stands between backticks outside of blocks of code.
fn quoted(document: &str) -> Vec<String> {
    let outside = document.split("```").step_by(2).collect::<String>();
    outside.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Whether a word is a path: of a file with an ending that this repository has, or of a folder.
fn is_path(word: &str) -> bool {
    let ends = [".rs", ".md", ".toml", ".snap", ".yml", "/"].iter().any(|end| word.ends_with(end));
    let letters = word.chars().all(|letter| letter.is_ascii_alphanumeric() || "_-./".contains(letter));
    // In capitals stands what is to be filled in.
    let filled_in =
        !word.split(['/', '.']).any(|part| part.len() > 1 && part.chars().all(|it| it.is_ascii_uppercase()));
    ends && letters && filled_in && word.len() > 1
}

#[test]
fn every_path_that_a_document_names_is_there() {
    // What the commands write.
    let written = ["report.md", "exploration.md", "prove.md"];
    let tree = tree();
    let mut missing = Vec::new();
    for name in ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "fixtures/README.md", "fixtures/providers.md"] {
        let document = read(name);
        // The last section of ARCHITECTURE says where things will be.
        let document = document.split("\n## Not there yet").next().expect("a document");
        for word in quoted(document).into_iter().filter(|word| is_path(word)) {
            let known = written.contains(&&*word) || word.starts_with("target/") || word.contains("what_happens");
            if !known && !tree.iter().any(|path| path.ends_with(&format!("/{word}"))) {
                missing.push(format!("{name}: {word}"));
            }
        }
    }
    // Snapshots stand beside the tests that keep them.
    missing.retain(|it| it != "CONTRIBUTING.md: snapshots/");
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn the_map_names_every_module() {
    let architecture = read("ARCHITECTURE.md");
    let mut missing = Vec::new();
    for source in ["giftgenius/src", "harness/src"] {
        for entry in fs::read_dir(root().join(source)).expect("a folder") {
            let path = entry.expect("an entry").path();
            let module = path.file_stem().expect("a name").to_string_lossy().into_owned();
            let named = [format!("`{module}.rs`"), format!("`{module}/`")].iter().any(|it| architecture.contains(it));
            if !named && !["lib", "main"].contains(&&*module) {
                missing.push(format!("{source}/{module}"));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn numbered_steps_count_up_from_one() {
    for name in ["README.md", "CONTRIBUTING.md"] {
        let mut last = 0;
        for line in read(name).lines() {
            let step = line.split_once(". ").and_then(|(number, _)| number.parse::<u32>().ok());
            match step {
                Some(step) => {
                    assert!(step == last + 1 || step == 1, "{name}: {line}");
                    last = step;
                }
                None if line.starts_with('#') => last = 0,
                None => {}
            }
        }
    }
}

#[test]
fn readme_tells_of_every_command_and_of_its_common_options() {
    let readme = read("README.md");
    let folder = folder(&[]);
    let help = text(&misrule(folder.path(), &["--help"]).stdout);
    let listed = help.split("Commands:").nth(1).expect("commands").split("\n\n").next().expect("a list");
    let commands: Vec<_> = listed.lines().filter_map(|line| line.strip_prefix("  ")?.split(' ').next()).collect();
    let commands: Vec<_> = commands.into_iter().filter(|name| !name.is_empty() && *name != "help").collect();
    assert!(commands.len() >= 11, "{help}");
    let sentence = readme.split("The commands that read scenarios (").nth(1).expect("the sentence on common options");
    let said: BTreeSet<_> = sentence.split(')').next().expect("a list").split('`').skip(1).step_by(2).collect();
    for command in commands {
        let of_run = command == "run" && readme.contains("`misrule [run]");
        assert!(of_run || readme.contains(&format!("`misrule {command}")), "README does not tell of `{command}`");
        let own = text(&misrule(folder.path(), &[command, "--help"]).stdout);
        assert_eq!(own.contains("--scenarios"), said.contains(command), "README on the options of `{command}`");
    }
}
