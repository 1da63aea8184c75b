//! README, ARCHITECTURE and CONTRIBUTING, held to what is there: paths, modules, commands and numbered steps.

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use misrule::fixable::listing::listings;
use misrule::scenario::Known;
use misrule::scenario::find::{find, load};
use misrule::scenario::model::WorldKind;
use misrule::{defect, oracle};

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

/// The number before these words, without its groups.
fn counted(document: &str, before: &str, after: &str) -> usize {
    let start = document.find(before).unwrap_or_else(|| panic!("README does not say `{before}…`")) + before.len();
    let number = document[start..].split(after).next().expect("what follows");
    number.replace(',', "").trim().parse().unwrap_or_else(|_| panic!("no number: {before}{number}{after}"))
}

#[test]
fn the_counts_in_readme_are_those_of_the_product() {
    let readme = read("README.md");
    let known = Known::of_giftgenius();
    let found = find(&root().join("scenarios"), &[]).expect("scenarios");
    let scenarios: Vec<_> = found.iter().map(|found| load(found, &known).expect("a good scenario")).collect();
    let on_the_wire = scenarios.iter().filter(|scenario| scenario.worlds.contains(&WorldKind::Wire)).count();
    let tools = listings(&[]).expect("the published tools");
    let calls = tools.iter().map(|tool| tool.cases.len()).sum();
    let frames = tools.iter().flat_map(|tool| &tool.cases).filter(|case| case.label.starts_with("envelope:")).count();
    for (before, after, right) in [
        ("| scenarios / of them on the wire too | ", " / ", scenarios.len()),
        (&format!("| scenarios / of them on the wire too | {} / ", scenarios.len()), " |", on_the_wire),
        ("in it the proof: ", " planted bugs", defect::ALL.len()),
        ("every malformed call of the nine tools (", ")", calls),
        ("judged and mended, ", " of them as frames", frames),
    ] {
        assert_eq!(counted(&readme, before, after), right, "write {right}: {before}…{after}");
    }
    assert_eq!(tools.len(), 9, "README and ARCHITECTURE speak of nine tools");
    assert_eq!(misrule::scenario::policy::PROFILES.len(), 4, "README speaks of four payment profiles");
}

#[test]
fn the_table_of_oracles_has_each_of_them_once() {
    let architecture = read("ARCHITECTURE.md");
    let table =
        architecture.split("\n## Oracles\n").nth(1).expect("the oracles").split("\n## ").next().expect("a part");
    for oracle in oracle::ALL {
        let rows = table.lines().filter(|line| line.starts_with(&format!("| `{}` |", oracle.id))).count();
        assert_eq!(rows, 1, "{}", oracle.id);
    }
    let rows = table.lines().filter(|line| line.starts_with("| `")).count();
    assert_eq!(rows, oracle::ALL.len());
}

/// Of a proof's table each planted bug with its rule and its smallest plan: how many runs it took hangs on every menu.
fn caught(table: &str) -> Vec<[String; 3]> {
    let rows = table.split("\ndefect ").last().expect("a table").lines().skip(1);
    let mut found: Vec<[String; 3]> = Vec::new();
    for row in rows.take_while(|row| !row.is_empty() && !row.contains(" caught; ")) {
        if let (Some(more), Some([.., plan])) = (row.strip_prefix("    "), found.last_mut()) {
            plan.push_str(if plan.is_empty() { "" } else { " " });
            plan.push_str(more.trim());
        } else {
            let words: Vec<_> = row.split_whitespace().collect();
            // The name, the rule, the runs, and a time with its unit.
            let [id, rule, _, _, _, plan @ ..] = words.as_slice() else { panic!("no row: {row}") };
            found.push([(*id).to_owned(), (*rule).to_owned(), plan.join(" ")]);
        }
    }
    found
}

#[test]
fn the_proof_that_readme_shows_is_what_the_command_prints() {
    let readme = read("README.md");
    let sample = readme.split("\ndefect ").nth(1).expect("the sample").split("```").next().expect("a block");
    let shown = caught(&format!("\ndefect {sample}"));
    assert!(shown.len() >= 3, "{sample}");
    let folder = folder(&[]);
    let own = root().join("scenarios").display().to_string();
    let ids: Vec<_> = shown.iter().map(|[id, ..]| id.as_str()).collect();
    let printed = misrule(folder.path(), &[&["prove", "--scenarios", &own], ids.as_slice()].concat());
    assert_eq!(printed.status.code(), Some(0), "{}", text(&printed.stderr));
    assert_eq!(shown, caught(&format!("\n{}", text(&printed.stdout))));
}

#[test]
fn the_record_of_a_sale_is_described_with_every_field() {
    let source = read("giftgenius/src/checkout/state.rs");
    let record = source.split("pub struct Saga {").nth(1).expect("the record").split("\n}").next().expect("its end");
    let fields = record.lines().filter_map(|line| line.trim().strip_prefix("pub ")?.split(':').next());
    let architecture = read("ARCHITECTURE.md");
    let told =
        architecture.split("\nThe record: ").nth(1).expect("the record").split("\n\n").next().expect("a paragraph");
    // The document calls three of them by what they are about.
    let named = |field: &str| match field {
        "reserve" => "stock".to_owned(),
        "charge" => "money".to_owned(),
        "commit" => "sale".to_owned(),
        "refund_begun" => "begun".to_owned(),
        other => other.replace('_', " "),
    };
    let fields: Vec<_> = fields.collect();
    assert!(fields.len() >= 10, "{fields:?}");
    for field in fields {
        assert!(
            told.replace('\n', " ").contains(&format!("*{}*", named(field)))
                || told.contains(&format!("the *{}*", named(field))),
            "{field}\n{told}"
        );
    }
}
