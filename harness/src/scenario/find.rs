//! Finds scenario files: all under a folder, or those that a person names.
//!
//! A name is theme and file name without ending, below the root (`checkout/happy_path`); a path to a file or a folder
//! works too, also outside the root.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::mistake::ScenarioError;
use super::model::Scenario;
use super::parse::{Known, parse};
use crate::suggest;
use crate::visible::visible;

/// Where scenarios are looked for by default.
pub const ROOT: &str = "scenarios";

/// The largest file that is read.
const BYTES_MAX: u64 = 1 << 20;

/// A scenario file.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Found {
    /// Theme and file name without ending.
    pub name: String,
    /// The file.
    pub path: PathBuf,
}

/// Why no scenarios were found.
#[derive(Debug, thiserror::Error)]
pub enum FindError {
    /// A folder cannot be listed.
    #[error("the folder {path} cannot be listed: {cause}; name the folder that holds the scenarios", path = path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// A folder holds none.
    #[error("no scenario (*.toml) under {path}; write one, or name the folder that holds them", path = path.display())]
    Empty {
        /// The folder.
        path: PathBuf,
    },
    /// Neither a name, nor a file, nor a folder.
    #[error("unknown scenario `{word}`; {hint}")]
    Unknown {
        /// What was asked for.
        word: String,
        /// What may have been meant.
        hint: String,
    },
}

/// Every scenario under a root, or those that `words` name, each once, sorted by name.
pub fn find(root: &Path, words: &[String]) -> Result<Vec<Found>, FindError> {
    if words.is_empty() {
        return under(root, root);
    }
    let mut found = Vec::new();
    for word in words {
        found.extend(one(root, word)?);
    }
    found.sort();
    found.dedup();
    Ok(found)
}

fn one(root: &Path, word: &str) -> Result<Vec<Found>, FindError> {
    for path in [PathBuf::from(word), root.join(word)] {
        if path.is_dir() {
            return under(root, &path);
        }
        if path.is_file() {
            return Ok(vec![named(root, path)]);
        }
    }
    let with_ending = root.join(format!("{word}.toml"));
    if with_ending.is_file() {
        return Ok(vec![named(root, with_ending)]);
    }
    let known = under(root, root).unwrap_or_default();
    let names = known.iter().map(|found| found.name.as_str());
    let wanted = word.trim_end_matches(".toml");
    let wanted = Path::new(wanted).strip_prefix(root).map_or_else(|_| wanted.to_owned(), slashes);
    let hint = match suggest::nearest(&wanted, names) {
        Some(near) => format!("did you mean `{near}`?"),
        None if known.is_empty() => format!("there is none under {}", root.display()),
        None => "`misrule list` shows them all".to_owned(),
    };
    Err(FindError::Unknown { word: word.to_owned(), hint })
}

fn under(root: &Path, folder: &Path) -> Result<Vec<Found>, FindError> {
    let mut files = Vec::new();
    walk(folder, &mut files, &mut BTreeSet::new())?;
    if files.is_empty() {
        return Err(FindError::Empty { path: folder.to_owned() });
    }
    let mut found: Vec<_> = files.into_iter().map(|path| named(root, path)).collect();
    found.sort();
    Ok(found)
}

/// Every file once: a link may lead back up, or to what was seen by another way.
fn walk(folder: &Path, files: &mut Vec<PathBuf>, seen: &mut BTreeSet<PathBuf>) -> Result<(), FindError> {
    let failed = |cause| FindError::Folder { path: folder.to_owned(), cause };
    let mut entries = fs::read_dir(folder)
        .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>())
        .map_err(failed)?;
    // What stands there itself before what only leads there, so that it has its own name.
    entries.sort_by_key(|path| (path.is_symlink(), path.clone()));
    if let Ok(real) = folder.canonicalize() {
        seen.insert(real);
    }
    for path in entries {
        if path.canonicalize().is_ok_and(|real| !seen.insert(real)) {
            continue;
        }
        if path.is_dir() {
            walk(&path, files, seen)?;
        } else if path.extension().is_some_and(|ending| ending == "toml") {
            files.push(path);
        }
    }
    Ok(())
}

fn named(root: &Path, path: PathBuf) -> Found {
    let below = path.strip_prefix(root).unwrap_or(&path);
    Found { name: slashes(&below.with_extension("")), path }
}

/// A path with forward slashes, so that names are the same on every machine.
fn slashes(path: &Path) -> String {
    path.to_string_lossy().replace('\\', "/")
}

/// Reads and checks a file.
pub fn load(found: &Found, known: &Known) -> Result<Arc<Scenario>, ScenarioError> {
    if matches!(visible(&found.name), Cow::Owned(_)) {
        return Err(ScenarioError::NameActs { path: found.path.clone() });
    }
    let unreadable = |cause| ScenarioError::Unreadable { path: found.path.clone(), cause };
    let file = fs::metadata(&found.path).map_err(unreadable)?;
    if !file.is_file() {
        return Err(unreadable(io::Error::other("it is no regular file")));
    }
    if file.len() > BYTES_MAX {
        return Err(ScenarioError::TooLarge { path: found.path.clone(), bytes: file.len(), bytes_max: BYTES_MAX });
    }
    let bytes = fs::read(&found.path).map_err(unreadable)?;
    let text = String::from_utf8(bytes)
        .map_err(|error| ScenarioError::NotText { path: found.path.clone(), at: error.utf8_error().valid_up_to() })?;
    parse(&text, &found.name, &found.path, known).map(Arc::new)
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_link_that_leads_back_up_shows_no_scenario_twice() {
        let root = tempfile::tempdir().expect("a folder");
        let folder = root.path().join("theme");
        fs::create_dir(&folder).expect("a folder");
        fs::write(folder.join("one.toml"), "").expect("a file");
        symlink(root.path(), folder.join("again")).expect("a link");
        symlink(folder.join("one.toml"), root.path().join("also_one.toml")).expect("a link");
        symlink(root.path().join("nowhere"), root.path().join("broken.toml")).expect("a link");
        let found = find(root.path(), &[]).expect("there is one");
        let names: Vec<_> = found.iter().map(|found| &*found.name).collect();
        assert_eq!(names, ["broken", "theme/one"]);
    }
}
