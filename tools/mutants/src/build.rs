//! Builds misrule against the rewritten GiftGenius: rounds of the compiler, each without the mutants that the last one refused.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::blame::{Complaint, Guards, Place, blamed};
use crate::error::Error;
use crate::key::Key;
use crate::rewrite::Mutant;
use crate::uncompiled::Uncompiled;
use crate::workspace::{Places, Subject, lay_out, read, rewritten, subject, write, write_code};

/// The compiler finds errors by stages: each stage needs a round or two.
const ROUNDS_MAX: usize = 12;

/// What was built.
#[derive(Serialize, Deserialize, Debug)]
pub(crate) struct Built {
    /// Those that compile.
    pub(crate) mutants: Vec<Mutant>,
    /// Those that do not, which are no mutants.
    pub(crate) refused: BTreeSet<Key>,
    /// What was learnt of which functions have to stay `const`.
    #[serde(default)]
    constant: BTreeSet<String>,
    /// Of which code that was learnt.
    #[serde(default)]
    code: u64,
}

impl Built {
    /// What the last `build` left.
    pub(crate) fn load(places: &Places) -> Result<Self, Error> {
        let path = places.list();
        if !places.misrule().is_file() || !path.is_file() {
            return Err(Error::NotBuilt(format!("there is no build in {}", places.folder.display())));
        }
        serde_json::from_str(&read(&path)?).map_err(|error| Error::Content { path, said: error.to_string() })
    }
}

/// Every mutant that there could be.
pub(crate) fn candidates(places: &Places) -> Result<Vec<Mutant>, Error> {
    Ok(rewritten(&subject(&places.root)?, BTreeSet::new()).1.mutants)
}

/// Rewrites, checks until the rest compiles, builds, and leaves the list. What did not compile in an earlier build is left out
/// from the beginning; `kept` is where that is committed, and is found out and written anew if it is to be saved.
pub(crate) fn build(places: &Places, kept: &Path, save: bool, said: &mut dyn Write) -> Result<Built, Error> {
    lay_out(places)?;
    let subject = subject(&places.root)?;
    let constant = subject.constant.clone();
    // A list that is to be saved is found out from nothing: an entry that compiles by now has to leave it.
    let known = if save { Uncompiled::default() } else { Uncompiled::load(kept)? };
    let built = rounds(places, subject, &known, said)?;
    let mut command = cargo(places);
    command.args(["build", "-p", "misrule", "--bin", "misrule"]);
    let ended = command.status().map_err(|source| Error::NotStarted { command: "cargo build".to_owned(), source })?;
    if !ended.success() {
        return Err(Error::NoBuild(format!("cd {} && cargo build -p misrule", places.folder.display())));
    }
    write(&places.list(), &serde_json::to_string_pretty(&built).expect("a list is JSON"))?;
    if save {
        let learnt = built.constant.difference(&constant).cloned().collect();
        Uncompiled::new(learnt, &built.refused).save(kept)?;
    }
    Ok(built)
}

fn rounds(places: &Places, mut subject: Subject, kept: &Uncompiled, said: &mut dyn Write) -> Result<Built, Error> {
    let code = subject.hash();
    subject.constant.extend(kept.constant().iter().cloned());
    // Where only misrule has changed since, what does not compile is known exactly.
    let known = Built::load(places).ok().filter(|built| built.code == code);
    let mut refused = match &known {
        Some(built) => built.refused.clone(),
        None => kept.of(rewritten(&subject, BTreeSet::new()).1.mutants.iter().map(|mutant| &mutant.key)),
    };
    // Where it is, nothing is left to be found out by checks, which cost a third of the build.
    let mut by = if known.is_none() && kept.is_empty() { "check" } else { "build" };
    subject.constant.extend(known.into_iter().flat_map(|built| built.constant));
    for round in 1..=ROUNDS_MAX {
        let (files, book) = rewritten(&subject, refused.clone());
        write_code(places, &files, &book.mutants)?;
        let complaints = compile(places, by)?;
        by = "check";
        let _ = writeln!(
            said,
            "round {round}: {} mutants, {} errors",
            book.mutants.len() - refused.len(),
            complaints.len()
        );
        if complaints.is_empty() {
            let mutants = book.mutants.into_iter().filter(|mutant| !refused.contains(&mutant.key)).collect();
            return Ok(Built { mutants, refused, constant: subject.constant, code });
        }
        let guards = guards(&files)?;
        let mut changed = false;
        let mut unexplained = Vec::new();
        for complaint in &complaints {
            // A function that had to stay `const` after all.
            if let Some(name) = constant(&complaint.said) {
                changed |= subject.constant.insert(name);
                continue;
            }
            let ids = blamed(complaint, &guards);
            if ids.is_empty() {
                unexplained.push(complaint.said.clone());
            }
            for id in ids {
                let mutant = &book.mutants[id as usize - 1];
                changed |= refused.insert(mutant.key.clone());
            }
        }
        if !changed {
            return Err(Error::Unexplained(unexplained.join("\n")));
        }
    }
    Err(Error::TooManyRounds(ROUNDS_MAX))
}

fn guards(files: &[(String, String)]) -> Result<BTreeMap<String, Guards>, Error> {
    let mut found = BTreeMap::new();
    for (file, code) in files {
        let of = Guards::of(code).map_err(|error| Error::Content { path: file.into(), said: error.to_string() })?;
        found.insert(file.clone(), of);
    }
    Ok(found)
}

/// The last name of the function that E0015 is about: `cannot call non-const function … in constants`.
fn constant(said: &str) -> Option<String> {
    let rest = said.split_once("cannot call non-const ")?.1;
    let path = rest.split('`').nth(1)?;
    let name = path.rsplit("::").next()?;
    Some(name.chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect())
}

fn cargo(places: &Places) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(&places.folder).env("CARGO_TARGET_DIR", places.build());
    command
}

/// The errors of GiftGenius, and of misrule once that has none, `by` a check or a build.
fn compile(places: &Places, by: &str) -> Result<Vec<Complaint>, Error> {
    let mut command = cargo(places);
    command.args([by, "-p", "misrule", "--bin", "misrule", "--message-format=json"]).stderr(Stdio::inherit());
    let output = command.output().map_err(|source| Error::NotStarted { command: format!("cargo {by}"), source })?;
    let complaints = complaints(&String::from_utf8_lossy(&output.stdout));
    if complaints.is_empty() && !output.status.success() {
        return Err(Error::Unexplained(format!("cargo {by} failed without an error of the compiler")));
    }
    Ok(complaints)
}

/// The errors in cargo's messages.
fn complaints(messages: &str) -> Vec<Complaint> {
    messages.lines().filter_map(|line| complaint(&serde_json::from_str(line).ok()?)).collect()
}

fn complaint(message: &Value) -> Option<Complaint> {
    let message = message.get("message").filter(|message| message["level"] == "error")?;
    let spans = message["spans"].as_array()?;
    let mut places: Vec<(bool, (String, Place))> = spans.iter().filter_map(place).collect();
    for child in message["children"].as_array().into_iter().flatten() {
        places.extend(child["spans"].as_array().into_iter().flatten().filter_map(place).map(|(_, at)| (false, at)));
    }
    let said = message["rendered"].as_str().unwrap_or_default().to_owned();
    if places.is_empty() && constant(&said).is_none() {
        // Such as the count of errors at the end.
        return None;
    }
    places.sort_by_key(|(primary, _)| !primary);
    Some(Complaint { said, places: places.into_iter().map(|(_, at)| at).collect() })
}

fn place(span: &Value) -> Option<(bool, (String, Place))> {
    let number = |name: &str| usize::try_from(span[name].as_u64()?).ok();
    let file = span["file_name"].as_str()?.split_once("giftgenius/src/")?.1.to_owned();
    let place = Place { line: number("line_start")?, column: number("column_start")? };
    Some((span["is_primary"] == true, (file, place)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_read_with_their_places_the_main_one_first() {
        let span = |line: u32, primary: bool| serde_json::json!({"file_name": "giftgenius/src/retry.rs", "line_start": line, "column_start": 5, "is_primary": primary});
        let error = serde_json::json!({"reason": "compiler-message", "message": {
            "level": "error", "rendered": "error[E0308]: mismatched types", "spans": [span(3, false), span(9, true)], "children": []}});
        let end = serde_json::json!({"reason": "compiler-message", "message": {
            "level": "error", "rendered": "aborting", "spans": [], "children": []}});
        let found = complaints(&format!("{error}\nno JSON\n{end}\n"));
        let lines: Vec<_> =
            found.iter().map(|it| it.places.iter().map(|(_, at)| at.line).collect::<Vec<_>>()).collect();
        assert_eq!(lines, [[9, 3]]);
    }

    #[test]
    fn a_function_that_must_stay_const_is_read_from_the_error() {
        let said = "error[E0015]: cannot call non-const associated function `error::Code::as_str` in constants";
        assert_eq!(constant(said).as_deref(), Some("as_str"));
        assert_eq!(constant("error[E0308]: mismatched types"), None);
    }
}
