//! One run as text that is the same on every machine: what `misrule replay` prints and what is kept under `reports/`.
//!
//! Nothing measured stands in it; identifiers are renamed by first appearance.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::normalise::Names;
use super::timeline::{self, Detail};
use super::told::told;
use super::units;
use super::{columns, terminal};
use crate::defect::Defect;
use crate::oracle::Verdict;
use crate::outcome::Outcome;
use crate::provider::ledger::EffectKind;
use crate::provider::operations;
use crate::trace::{CallId, EventKind};
use crate::visible::visible;

/// How wide a timeline is where output goes to no terminal.
pub const WIDTH: usize = 120;

/// The text of a run.
pub fn text(outcome: &Outcome) -> String {
    let names = Names::of(&outcome.record);
    let mut out = String::new();
    write(&mut out, outcome, &names, Showing { defect: None, width: WIDTH })
        .expect("writing to a string does not fail");
    out
}

/// The same for a person, on a terminal this wide; a planted bug is named at the head.
pub fn shown(outcome: &Outcome, defect: Option<&Defect>, terminal: Option<usize>) -> String {
    let names = Names::of(&outcome.record);
    let mut out = String::new();
    let width = terminal.unwrap_or(WIDTH);
    write(&mut out, outcome, &names, Showing { defect, width }).expect("writing to a string does not fail");
    if terminal.is_none() {
        return out;
    }
    // Lines that are too long go on below, set in further.
    let line = |line: &str| {
        let set_in = line.len() - line.trim_start().len();
        let (first, rest) = line.split_at(set_in);
        let rest = terminal::wrap(rest, width.saturating_sub(set_in + 2).max(1));
        rest.lines().enumerate().fold(String::new(), |text, (index, part)| {
            format!("{text}{first}{}{part}\n", if index == 0 { "" } else { "  " })
        })
    };
    out.lines().map(|text| if text.chars().count() <= width { format!("{text}\n") } else { line(text) }).collect()
}

/// How a run is shown.
#[derive(Clone, Copy)]
struct Showing<'a> {
    defect: Option<&'a Defect>,
    width: usize,
}

fn write(out: &mut String, outcome: &Outcome, names: &Names, showing: Showing<'_>) -> std::fmt::Result {
    head(out, outcome, showing.defect)?;
    writeln!(out, "\ntold")?;
    write_told(out, outcome, names)?;
    writeln!(out, "\ntimeline")?;
    let rows = timeline::rows(&outcome.record, names, Detail::Full, &[]);
    out.push_str(&columns::text(&rows, showing.width));
    writeln!(out, "\nledger")?;
    ledger(out, outcome, names)?;
    writeln!(out, "\nat rest")?;
    rest(out, outcome, names)?;
    writeln!(out, "\noracles")?;
    oracles(out, outcome, names)?;
    writeln!(out, "\nexpectations")?;
    if !outcome.scenario.expects_of(&outcome.plan) {
        writeln!(out, "  left out: they belong to the scenario's own plan")?;
    } else if outcome.unmet.is_empty() {
        writeln!(out, "  all met")?;
    }
    for unmet in &outcome.unmet {
        writeln!(out, "  not met: {}", names.rename(unmet))?;
    }
    writeln!(out, "\ncoverage")?;
    coverage(out, outcome)
}

fn head(out: &mut String, outcome: &Outcome, defect: Option<&Defect>) -> std::fmt::Result {
    let scenario = &outcome.scenario;
    writeln!(out, "{}", scenario.name)?;
    writeln!(out, "  {}", visible(&scenario.title))?;
    writeln!(out, "  {}", visible(&scenario.lesson))?;
    if !scenario.covers.is_empty() {
        writeln!(out, "  covers: {}", scenario.covers.join(", "))?;
    }
    let plan = if outcome.plan.faults.is_empty() { "nothing goes wrong".to_owned() } else { outcome.plan.to_string() };
    writeln!(out, "  plan: {plan}")?;
    if let Some(defect) = defect {
        writeln!(out, "  planted bug: {} ({})", defect.id, defect.about)?;
    }
    writeln!(out, "  world: {}, seed {}", outcome.world.name(), outcome.seed)?;
    writeln!(out, "  verdict: {}", outcome.status().name())?;
    for doubt in outcome.doubts() {
        writeln!(out, "  {doubt}")?;
    }
    Ok(())
}

fn write_told(out: &mut String, outcome: &Outcome, names: &Names) -> std::fmt::Result {
    let mut calls = BTreeMap::new();
    for event in &outcome.record.trace.events {
        match &event.kind {
            EventKind::CallStarted(call) => {
                calls.insert(call.call, (call, None));
            }
            EventKind::CallEnded { call, reply } => {
                if let Some((_, answer)) = calls.get_mut(call) {
                    *answer = Some(reply);
                }
            }
            EventKind::Sent(_)
            | EventKind::Delivered { .. }
            | EventKind::Effect(_)
            | EventKind::Answered { .. }
            | EventKind::Log(_)
            | EventKind::Struck { .. }
            | EventKind::Webhook(_)
            | EventKind::Crashed
            | EventKind::Restarted
            | EventKind::Switched { .. } => {}
        }
    }
    for (CallId(_), (call, reply)) in calls {
        let answer = reply.map_or_else(|| "(the run ended first)".to_owned(), told);
        let line = format!("  {}: {} ─▶ {answer}", call.step, call.tool);
        writeln!(out, "{}", names.rename(&line))?;
    }
    Ok(())
}

fn ledger(out: &mut String, outcome: &Outcome, names: &Names) -> std::fmt::Result {
    let ledger = &outcome.record.ledger;
    if ledger.effects.is_empty() {
        writeln!(out, "  no effect")?;
    }
    for effect in &ledger.effects {
        let amount = effect.amount.map_or_else(String::new, |amount| format!(" {amount}"));
        let stock = effect.stock.iter().fold(String::new(), |text, (sku, quantity)| format!("{text} {quantity} {sku}"));
        // A commit takes the place of what it commits; everything else that names an earlier effect undoes it.
        let undoes = effect.undoes.map_or_else(String::new, |undone| match effect.kind {
            EffectKind::Commit => format!(", takes the place of #{}", undone.0),
            EffectKind::Charge
            | EffectKind::Refund
            | EffectKind::Dispute
            | EffectKind::RefundFailed
            | EffectKind::Close
            | EffectKind::Reserve
            | EffectKind::Release
            | EffectKind::Expire
            | EffectKind::Restock => format!(", undoes #{}", undone.0),
        });
        let stands = if ledger.stands_at(effect, std::time::Duration::MAX) { "" } else { " (no longer stands)" };
        let line = format!(
            "  #{} {} {} {}{amount}{stock}{stands}{undoes}",
            effect.id.0,
            effect.kind.name(),
            effect.reference,
            effect.subject,
        );
        writeln!(out, "{}", names.rename(&line))?;
    }
    for ((sku, opening), (_, closing)) in ledger.opening_stock.iter().zip(&ledger.closing_stock) {
        writeln!(out, "  stock of {sku}: {opening} ─▶ {closing}")?;
    }
    Ok(())
}

fn rest(out: &mut String, outcome: &Outcome, names: &Names) -> std::fmt::Result {
    let rest = &outcome.rest;
    writeln!(out, "  {} open, {} parked", units::count(rest.open, "order"), rest.parked.len())?;
    for order in &rest.orders {
        let line = format!("  {} {}, money: {}", order.order_id, order.status, order.money);
        writeln!(out, "{}", names.rename(&line))?;
    }
    for parked in &rest.parked {
        let line = format!("  parked {}: {}", parked.order_id, parked.note);
        writeln!(out, "{}", names.rename(&line))?;
    }
    Ok(())
}

fn oracles(out: &mut String, outcome: &Outcome, names: &Names) -> std::fmt::Result {
    let mut kept = Vec::new();
    for (oracle, verdict) in &outcome.verdicts {
        if let Some(reason) = outcome.scenario.excused.get(oracle.id) {
            writeln!(out, "  excused: {}: {}", oracle.id, visible(reason))?;
            continue;
        }
        match verdict {
            Verdict::Kept => kept.push(oracle.id),
            Verdict::Broken(violations) => {
                let expected = if outcome.is_expected(oracle) { " (as expected)" } else { "" };
                for violation in violations {
                    let message = names.rename(&violation.message);
                    writeln!(out, "  BROKEN{expected}: {}: {message}", oracle.id)?;
                }
            }
            Verdict::NoVerdict(reason) => {
                writeln!(out, "  no verdict: {}: {}", oracle.id, names.rename(reason))?;
            }
        }
    }
    if kept.is_empty() {
        return Ok(());
    }
    writeln!(out, "  kept: {}", kept.join(", "))
}

fn coverage(out: &mut String, outcome: &Outcome) -> std::fmt::Result {
    for operation in operations::ALL {
        let asked = outcome.asked.iter().filter(|asked| asked.site.place == operation.into()).count();
        if asked > 0 {
            writeln!(out, "  {}: {}", operation.label, units::count(asked, "request"))?;
        }
    }
    for asked in &outcome.asked {
        if asked.chosen.is_some() {
            writeln!(out, "  fired: {}: {}", asked.site, asked.chosen)?;
        }
    }
    for planned in &outcome.unfired {
        writeln!(out, "  never fired: {planned}")?;
    }
    Ok(())
}
