//! A proof for a pull request: the verdict first, then the table.

use std::fmt::{self, Write as _};

use super::document::Proof;
use super::terminal::summary;
use crate::report::columns;

/// The widest line of a timeline.
const WIDTH: usize = 120;

/// The document.
pub fn write(proof: &Proof) -> String {
    let mut out = String::new();
    document(&mut out, proof).expect("writing to a string does not fail");
    out
}

fn document(out: &mut String, proof: &Proof) -> fmt::Result {
    writeln!(out, "# misrule prove: {}\n", proof.verdict.as_str())?;
    writeln!(out, "{}\n", summary(proof))?;
    if let Some(why) = &proof.ended {
        writeln!(out, "It was ended in the middle: {}.\n", escape(why))?;
    }
    for finding in &proof.unchanged.findings {
        let rules = if finding.rules.is_empty() { "not run".to_owned() } else { finding.rules.join("`, `") };
        writeln!(out, "GiftGenius is accused: `{rules}` in `{}`, plan `{}`\n", finding.scenario, finding.plan)?;
        writeln!(out, "{}\n", escape(&finding.message))?;
        writeln!(out, "```sh\n{}\n```\n", finding.replay)?;
        if !finding.timeline.is_empty() {
            writeln!(out, "```text\n{}```\n", columns::text(&finding.timeline, WIDTH))?;
        }
    }
    writeln!(out, "| defect | which bug it is | caught by | runs | smallest plan | in |")?;
    writeln!(out, "|---|---|---|--:|---|---|")?;
    for defect in &proof.defects {
        let (by, plan, scenario) = match &defect.caught {
            None => ("**ESCAPED**".to_owned(), String::new(), String::new()),
            Some(caught) => {
                let plan = if caught.plan.is_empty() { "(none)".to_owned() } else { format!("`{}`", caught.plan) };
                (format!("`{}`", caught.oracles.join("`, `")), plan, format!("`{}`", caught.scenario))
            }
        };
        let about = escape(&defect.about);
        writeln!(out, "| `{}` | {about} | {by} | {} | {plan} | {scenario} |", defect.id, defect.runs)?;
    }
    Ok(())
}

/// Text in which nothing is markup.
fn escape(text: &str) -> String {
    crate::visible::markdown(text)
}
