//! The measurement and the listing as a person sees them.

use std::fmt::Write as _;

use super::document::{Bar, Errors, Row};
use super::listing::{Listed, Listing};
use super::shown::Turn;
use super::wire::Shown;
use crate::malform::Class;
use crate::report::document::Word;
use crate::report::terminal::{beside, width, with_exit, wrap};
use crate::report::units;

/// Messages that are shown; the document has all.
const WORST_SHOWN: usize = 12;
/// Labels that are named of what no message can repair; the document has all.
const BEYOND_SHOWN: usize = 3;

/// The measurement.
pub fn write(errors: &Errors, called: &str) -> String {
    let mut out = String::new();
    table(&mut out, errors);
    for worst in errors.worst.iter().take(WORST_SHOWN) {
        put(&mut out, "");
        put(&mut out, &format!("{} {}", worst.tool, worst.label));
        for (what, text) in
            [("sent", &worst.sent), ("answer", &worst.answered), ("lacks", &worst.lacks), ("advice", &worst.advice)]
        {
            let text = format!("{what:8}{text}");
            for (index, line) in wrap(&text, width() - 12).lines().enumerate() {
                put(&mut out, &format!("  {}{line}", if index == 0 { "" } else { "        " }));
            }
        }
    }
    if errors.worst.len() > WORST_SHOWN {
        put(&mut out, &format!("\n… and {} more, see --json", errors.worst.len() - WORST_SHOWN));
    }
    put(&mut out, "");
    put(&mut out, "beyond any message:");
    for beyond in &errors.beyond {
        let shown: Vec<&str> = beyond.cases.iter().take(BEYOND_SHOWN).map(String::as_str).collect();
        let more = match beyond.cases.len().saturating_sub(BEYOND_SHOWN) {
            0 => String::new(),
            more => format!("; {more} more"),
        };
        let line = format!("{}: {} ({}{more})", units::count(beyond.cases.len(), "call"), beyond.why, shown.join("; "));
        for (index, line) in wrap(&line, width() - 4).lines().enumerate() {
            put(&mut out, &format!("{}{line}", if index == 0 { "  " } else { "    " }));
        }
    }
    put(&mut out, "");
    for line in wrap(&summary(errors), width()).lines() {
        put(&mut out, line);
    }
    let code = errors.verdict.exit_code();
    let last = match errors.verdict {
        Word::Ok => "all is well: every error can be repaired from".to_owned(),
        _ => format!("next: mend the messages above, worst first; `{called} malform TOOL LABEL` shows one"),
    };
    put(&mut out, &with_exit(&last, code, width()));
    out
}

/// What it came to, in a line.
pub fn summary(errors: &Errors) -> String {
    let bars: Vec<String> = errors.bars.iter().map(bar).collect();
    let rate = errors
        .cases_per_second()
        .filter(|rate| *rate > 0)
        .map_or_else(String::new, |rate| format!("; {} simulated cases/s on one core", units::grouped(rate)));
    format!("{}; {}{rate}", said(errors), bars.join(", "))
}

/// What it came to without what was measured.
pub fn said(errors: &Errors) -> String {
    let otherwise = match errors.answered_otherwise {
        0 => String::from("all answered as is owed"),
        some => format!("{} answered otherwise than is owed", units::grouped(some)),
    };
    let frames = match errors.frames {
        0 => String::new(),
        frames => format!(", {} of them as raw frames on stdio and over HTTP", units::grouped(frames)),
    };
    format!(
        "{} malformed calls, {} sent{frames}: {otherwise}",
        units::grouped(errors.cases),
        units::grouped(errors.sent)
    )
}

/// A bar in words.
pub fn bar(bar: &Bar) -> String {
    let missed = if bar.is_met() { String::new() } else { format!(" (should be {} %)", bar.least_percent) };
    format!("{} {}{missed}", bar.what, percent(bar.reached, bar.of))
}

/// A share, never rounded up to the whole.
fn percent(part: u64, of: u64) -> String {
    (part * 100).checked_div(of).map_or_else(|| String::from("–"), |percent| format!("{percent} %"))
}

fn table(out: &mut String, errors: &Errors) {
    const HEAD: [&str; 7] = ["tool", "class", "cases", "repaired", "one turn", "intent kept", "worst message lacks"];
    let cells = |row: &Row| {
        [
            row.tool.clone(),
            row.class.clone(),
            row.cases.to_string(),
            percent(row.repaired, row.mendable),
            percent(row.one_turn, row.mendable),
            percent(row.intent_kept, row.mendable),
            row.lacks.clone().unwrap_or_else(|| String::from("–")),
        ]
    };
    let rows: Vec<[String; 7]> = errors.rows.iter().map(cells).collect();
    lines(out, &HEAD, &rows, &[2, 3, 4, 5]);
}

/// The malformed calls of one tool.
pub fn list(listing: &Listing) -> String {
    let mut out = String::new();
    let rows: Vec<[String; 3]> =
        listing.cases.iter().map(|case| [case.label.clone(), case.sent_short(), case.expected.clone()]).collect();
    for [label, sent, expected] in &rows {
        put(&mut out, label);
        put(&mut out, &format!("    {sent}"));
        put(&mut out, &format!("    → {expected}"));
    }
    put(&mut out, &format!("{} of {}", units::count(rows.len(), "malformed call"), listing.tool));
    out
}

/// One malformed call and how it was mended: each call on a line, its answer laid out below.
pub fn turns(turns: &[Turn]) -> String {
    let mut out = String::new();
    for turn in turns {
        put(&mut out, &format!("{} {}", turn.tool, turn.arguments));
        for line in format!("{:#}", turn.answer).lines() {
            put(&mut out, &format!("    {line}"));
        }
    }
    let repairs = turns.len().saturating_sub(1);
    let failed = turns.last().is_none_or(|last| last.answer.get("error").is_some() || last.answer.is_string());
    put(
        &mut out,
        &match (failed, repairs) {
            (false, 0) => String::from("accepted as it is"),
            (false, repairs) => format!("mended in {}", units::count(repairs, "turn")),
            (true, _) => String::from("not mended: nothing more can be read from the error"),
        },
    );
    out
}

/// One frame with its answers over both transports, what mended it, and what it is owed.
pub fn frame(listed: &Listed, shown: &[Shown]) -> String {
    let mut out = String::new();
    put(&mut out, &format!("{}: {}", listed.label, listed.sent_short()));
    put(&mut out, &format!("owed: {}", listed.expected));
    put(&mut out, &format!("its error can tell: {}", listed.remedy));
    for shown in shown {
        put(&mut out, "");
        put(&mut out, &format!("over {}", shown.transport.name()));
        let laid_out = if shown.turns.is_empty() { String::from("no answer\n") } else { turns(&shown.turns) };
        for line in laid_out.lines() {
            put(&mut out, &format!("  {line}"));
        }
        if let Some(wrong) = &shown.wrong {
            put(&mut out, &format!("  not as is owed: {wrong}"));
        }
    }
    out
}

/// How many malformed calls each tool has, by class.
pub fn counts(listings: &[Listing]) -> String {
    let classes: Vec<Class> =
        Class::ALL.into_iter().filter(|class| listings.iter().any(|listing| listing.count(*class) > 0)).collect();
    let mut out = String::new();
    for listing in listings {
        put(&mut out, &format!("{}  {}", listing.tool, units::count(listing.cases.len(), "malformed call")));
        let counts: Vec<String> = classes
            .iter()
            .filter(|class| listing.count(**class) > 0)
            .map(|class| format!("{} {}", class.name(), listing.count(*class)))
            .collect();
        for line in wrap(&counts.join(", "), width() - 4).lines() {
            put(&mut out, &format!("    {line}"));
        }
    }
    out.push_str(&beside("", "`misrule malform TOOL` lists them, `misrule errors` sends them", width()));
    out
}

/// The room that the last column of a table needs.
const LAST: usize = 20;

/// A table; what does not fit into the last column goes on below. Where a terminal is too narrow for the others, each row
/// is two lines.
fn lines<const N: usize>(out: &mut String, head: &[&str; N], rows: &[[String; N]], right: &[usize]) {
    let of = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([head[column].chars().count()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..N - 1).map(of).collect();
    let narrow = widths.iter().map(|width| width + 2).sum::<usize>() + LAST > width();
    let line = |cells: Vec<&str>| {
        let (mut first, mut text) = (String::new(), String::new());
        for (index, (cell, width)) in cells.iter().zip(&widths).enumerate() {
            if narrow && index == 1 {
                first = std::mem::replace(&mut text, String::from("  "));
            }
            if right.contains(&index) { write!(text, "{cell:>width$}  ") } else { write!(text, "{cell:width$}  ") }
                .expect("writing to a string does not fail");
        }
        let last = cells.last().copied().unwrap_or_default();
        if narrow {
            let before = format!("{}\n{}\n", first.trim_end(), text.trim_end());
            format!("{before}{}", beside("    ", last, width()))
        } else {
            beside(&text, last, width())
        }
    };
    out.push_str(&line(head.to_vec()));
    for row in rows {
        out.push_str(&line(row.iter().map(String::as_str).collect()));
    }
}

fn put(out: &mut String, line: &str) {
    writeln!(out, "{line}").expect("writing to a string does not fail");
}
