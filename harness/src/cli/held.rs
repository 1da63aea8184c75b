//! Output of the checks that have no scenario (`journal`, `faces`): a sentence for each finding, and a summary line.

use super::Console;
use crate::report::document::{Beyond, BeyondFinding, Word};
use crate::report::terminal::{width, with_exit, wrap};
use crate::report::units;

/// Findings that are shown.
const SHOWN_MAX: usize = 12;

fn verdict(broken: &[String]) -> Word {
    if broken.is_empty() { Word::Ok } else { Word::Broken }
}

/// How many breaches there are, or what it means that there is none.
pub(super) fn found(broken: &[String], none: &str) -> String {
    match broken.len() {
        0 => none.to_owned(),
        found => units::count(found, "finding"),
    }
}

/// Prints it, and answers the exit code.
pub(super) fn tell(said: &str, broken: &[String], console: &mut Console<'_>) -> u8 {
    let verdict = verdict(broken);
    let mut out = String::new();
    for sentence in broken.iter().take(SHOWN_MAX) {
        out.push_str(&wrap(sentence, width()));
        out.push('\n');
    }
    let last = if broken.is_empty() { format!("all is well: {said}") } else { said.to_owned() };
    out.push_str(&with_exit(&last, verdict.exit_code(), width()));
    out.push('\n');
    console.say(&out);
    verdict.exit_code()
}

/// The same as a part of the gate. `rule` names it, and the command that shows it.
pub(super) fn part(what: &str, rule: &str, command: &str, said: String, broken: Vec<String>) -> Beyond {
    let finding = |message: String| BeyondFinding {
        rule: rule.to_owned(),
        message,
        replay: command.to_owned(),
        timeline: Vec::new(),
    };
    Beyond {
        what: what.to_owned(),
        verdict: verdict(&broken),
        said,
        findings: broken.into_iter().map(finding).collect(),
    }
}
