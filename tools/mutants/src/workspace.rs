//! The folder `target/mutants`: a workspace with the rewritten GiftGenius and, by links, all else as it is.
//!
//! misrule is built there from its own unmodified files. The checkout itself is never written to.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::key::{Key, hash};
use crate::rewrite::{Book, Mutant, rewrite};
use crate::source::{self, Source};
use crate::switch;

/// What has a copy of its own in the folder, or no business there.
const NOT_LINKED: [&str; 6] = ["Cargo.toml", "Cargo.lock", "giftgenius", "target", "tools", ".git"];

/// Compiler complaints about code that a person would not write. Some are errors by default.
const ALLOWED: &str =
    "#![allow(warnings, arithmetic_overflow, overflowing_literals, unconditional_panic, unconditional_recursion)]\n";

/// The folders that the tool works with.
pub(crate) struct Places {
    /// The checkout.
    pub(crate) root: PathBuf,
    /// `target/mutants`.
    pub(crate) folder: PathBuf,
}

impl Places {
    pub(crate) fn of(root: &Path) -> Self {
        Self { root: root.to_owned(), folder: root.join("target/mutants") }
    }

    /// Where cargo builds; `CARGO_TARGET_DIR` is for the checkout's own.
    pub(crate) fn build(&self) -> PathBuf {
        self.folder.join("build")
    }

    pub(crate) fn misrule(&self) -> PathBuf {
        self.build().join("debug/misrule")
    }

    pub(crate) fn list(&self) -> PathBuf {
        self.folder.join("list.json")
    }
}

/// The crate's files, and the names that must stay `const`.
pub(crate) struct Subject {
    pub(crate) sources: Vec<Source>,
    pub(crate) constant: BTreeSet<String>,
}

impl Subject {
    /// Of its code, and of nothing else.
    pub(crate) fn hash(&self) -> u64 {
        let code =
            self.sources.iter().map(|source| format!("{}\n{}", source.file, prettyplease::unparse(&source.code)));
        hash(code.collect::<String>().as_bytes())
    }
}

/// Reads what is mutated and what uses it.
pub(crate) fn subject(root: &Path) -> Result<Subject, Error> {
    let sources = source::read(&root.join("giftgenius/src"))?;
    let users = source::files(&root.join("harness/src"))?
        .iter()
        .map(|path| source::parsed(path))
        .collect::<Result<Vec<_>, Error>>()?;
    let constant = source::constant(sources.iter().map(|source| &source.code), users.iter());
    Ok(Subject { sources, constant })
}

/// Every mutant, and the rewritten files with those of them that were not refused.
pub(crate) fn rewritten(subject: &Subject, refused: BTreeSet<Key>) -> (Vec<(String, String)>, Book) {
    let mut book = Book::without(refused);
    let files = subject
        .sources
        .iter()
        .map(|source| {
            let mut code = source.code.clone();
            if source.mutated {
                rewrite(&mut code, &source.file, &source.module, &subject.constant, &mut book);
            }
            (source.file.clone(), prettyplease::unparse(&code))
        })
        .collect();
    (files, book)
}

/// Lays the folder out, without the rewritten files.
pub(crate) fn lay_out(places: &Places) -> Result<(), Error> {
    fs::create_dir_all(&places.folder).map_err(|error| Error::read(&places.folder, error))?;
    let entries = fs::read_dir(&places.root).map_err(|error| Error::read(&places.root, error))?;
    for entry in entries.flatten() {
        let name = entry.file_name();
        let link = places.folder.join(&name);
        if !NOT_LINKED.iter().any(|not| name == *not) && !link.exists() {
            symlink(entry.path(), &link).map_err(|error| Error::read(&link, error))?;
        }
    }
    let manifest = places.root.join("Cargo.toml");
    write(&places.folder.join("Cargo.toml"), &of_two(&read(&manifest)?, &manifest)?)?;
    let lock = places.folder.join("Cargo.lock");
    if !lock.exists() {
        write(&lock, &read(&places.root.join("Cargo.lock"))?)?;
    }
    // All files, tests among them: nothing but the code is written afterwards.
    copy(&places.root.join("giftgenius"), &places.folder.join("giftgenius"))
}

/// The workspace's manifest with the two crates only, and without lints: they are for code that people wrote.
fn of_two(manifest: &str, path: &Path) -> Result<String, Error> {
    let wrong = |said: String| Error::Content { path: path.to_owned(), said };
    let mut table: toml::Table = manifest.parse().map_err(|error: toml::de::Error| wrong(error.to_string()))?;
    let workspace = table.get_mut("workspace").and_then(toml::Value::as_table_mut);
    let workspace = workspace.ok_or_else(|| wrong("no [workspace]".to_owned()))?;
    workspace.insert("members".to_owned(), vec!["giftgenius", "harness"].into());
    workspace.insert("lints".to_owned(), toml::Table::new().into());
    // The profile that is built is the one for tests. A gate that runs a thousand times is compiled as the released one is, but for
    // what only takes the compiler longer.
    let profiles = table.entry("profile").or_insert_with(|| toml::Table::new().into());
    let profiles = profiles.as_table_mut().ok_or_else(|| wrong("no [profile]".to_owned()))?;
    profiles.insert("dev".to_owned(), toml::Value::Table(profile()));
    toml::to_string(&table).map_err(|error| wrong(error.to_string()))
}

fn profile() -> toml::Table {
    let mut profile = toml::Table::new();
    profile.insert("opt-level".to_owned(), 2.into());
    // Line tables of code that nobody reads cost time and disk.
    profile.insert("debug".to_owned(), false.into());
    profile.insert("debug-assertions".to_owned(), false.into());
    profile.insert("overflow-checks".to_owned(), false.into());
    profile
}

/// Writes the rewritten files and the switch beside them.
pub(crate) fn write_code(places: &Places, files: &[(String, String)], mutants: &[Mutant]) -> Result<(), Error> {
    let src = places.folder.join("giftgenius/src");
    for (file, code) in files {
        let code = if file == "lib.rs" { format!("{ALLOWED}{code}\nmod mutants;\n") } else { code.clone() };
        write(&src.join(file), &code)?;
    }
    write(&src.join("mutants.rs"), &switch::code(mutants.len()))
}

fn copy(from: &Path, to: &Path) -> Result<(), Error> {
    fs::create_dir_all(to).map_err(|error| Error::read(to, error))?;
    for entry in fs::read_dir(from).map_err(|error| Error::read(from, error))?.flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            let content = fs::read(entry.path()).map_err(|error| Error::read(&entry.path(), error))?;
            write_bytes(&target, &content)?;
        }
    }
    Ok(())
}

pub(crate) fn read(path: &Path) -> Result<String, Error> {
    fs::read_to_string(path).map_err(|error| Error::read(path, error))
}

/// Writes a file unless it says the same already: what is not touched is not built again.
pub(crate) fn write(path: &Path, text: &str) -> Result<(), Error> {
    write_bytes(path, text.as_bytes())
}

fn write_bytes(path: &Path, content: &[u8]) -> Result<(), Error> {
    if fs::read(path).is_ok_and(|there| there == content) {
        return Ok(());
    }
    fs::write(path, content).map_err(|error| Error::read(path, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_of_giftgenius_is_written_with_every_guard_and_no_key_twice() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("the checkout");
        let subject = subject(root).expect("GiftGenius");
        let (files, book) = rewritten(&subject, BTreeSet::new());
        let asked: usize = files.iter().map(|(_, code)| code.matches("crate::mutants::on(").count()).sum();
        assert_eq!(asked, book.mutants.len());
        for (file, code) in &files {
            crate::blame::Guards::of(code).unwrap_or_else(|error| panic!("{file}: {error}"));
        }
        let keys: BTreeSet<_> = book.mutants.iter().map(|mutant| &mutant.key).collect();
        assert_eq!(keys.len(), book.mutants.len());
        let modules: BTreeSet<_> = keys.iter().map(|key| key.module()).collect();
        assert!(["checkout", "journal", "retry", "webhooks"].iter().all(|module| modules.contains(module)));
        assert!(!["cli", "config", "main"].iter().any(|module| modules.contains(module)), "{modules:?}");
    }

    #[test]
    fn the_manifest_keeps_dependencies_and_loses_tools_and_lints() {
        let manifest = "[workspace]\nmembers = [\"giftgenius\", \"harness\", \"tools/x\"]\n[workspace.lints.rust]\nunsafe_code = \"deny\"\n[workspace.dependencies]\nbytes = \"1\"\n";
        insta::assert_snapshot!(of_two(manifest, Path::new("Cargo.toml")).expect("a manifest"));
    }
}
