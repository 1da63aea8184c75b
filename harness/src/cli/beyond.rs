//! What the gate does beyond its scenarios, when everything is run: it tries every fault alone in every scenario, explores
//! the scenarios that ask for more (`gate_depth` of `[explore]`), makes generated scenarios, makes every malformed call and mends it
//! from its error, and proves on planted bugs that it would notice one, where the scenarios for that are there. Beside that it holds
//! the journal's file and GiftGenius's own command line to what they promise.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::{Duration, Instant};

use super::explore::{cores, leave_behind};
use super::progress::Progress;
use super::{held, journal, program};
use crate::explore::{
    Control, Generating, Kept, Profiles, Settings, Shard, Simulated, Space, Spaces, Telling, Wanted, explore, generate,
    spaces, tell, tell_generated, threads,
};
use crate::fault::menu::Breadth;
use crate::fixable::{self, Errors, Measuring, Wire, measure};
use crate::prove::document::Proof;
use crate::prove::{self, Hunts, Means, prove};
use crate::report::document::{Beyond, BeyondFinding, Word};
use crate::report::exploration::document::{LevelReport, SpaceReport};
use crate::report::units;
use crate::scenario::model::{Narrowing, Scenario, StoreKind};
use crate::scenario::parse::SEED_DEFAULT;
use crate::{defect, durable, faces};

/// The runs of generated scenarios; a build with debug assertions is an order of magnitude slower, and makes fewer.
const GENERATED: u64 = if cfg!(debug_assertions) { GENERATED_IN_RELEASE / 10 } else { GENERATED_IN_RELEASE };
const GENERATED_IN_RELEASE: u64 = 60_000;

/// What is done, in order; `done` is told what came of each part. Scenario files of generated findings are left in
/// `failures`.
pub(super) fn beyond(
    scenarios: &[Arc<Scenario>],
    progress: &Progress,
    failures: &Path,
    done: &mut dyn FnMut((Beyond, Duration)),
) {
    let is_whole = prove::check(defect::ALL, scenarios).is_ok();
    thread::scope(|scope| {
        let beside = is_whole.then(|| scope.spawn(|| beside(scenarios)));
        one_by_one(scenarios, is_whole, progress, failures, done);
        let panicked = |_| vec![timed("held", || Err("the parts beside the others panicked".to_owned()))];
        beside.into_iter().flat_map(|beside| beside.join().unwrap_or_else(panicked)).for_each(done);
    });
}

fn one_by_one(
    scenarios: &[Arc<Scenario>],
    is_whole: bool,
    progress: &Progress,
    failures: &Path,
    done: &mut dyn FnMut((Beyond, Duration)),
) {
    progress.begin("every fault alone in every scenario");
    done(timed("explored", || alone(scenarios, Profiles::Own, Breadth::All)));
    progress.begin("every scenario under the other payment profiles");
    done(timed("explored", || alone(scenarios, Profiles::Others, Breadth::Core)));
    let store = scenarios.first().map_or_else(StoreKind::default, |scenario| scenario.store);
    if store == StoreKind::Memory {
        progress.begin("a sample on the SQLite journal");
        done(timed("explored", || on_sqlite(scenarios)));
    }
    for scenario in scenarios.iter().filter(|scenario| scenario.explore.gate_depth > 0) {
        progress.begin(&format!("every combination of faults in {}", scenario.name));
        done(timed("explored", || explored(scenario)));
    }
    if is_whole {
        progress.begin("generated scenarios");
        done(timed("generated", || generated(store, failures)));
        progress.begin("malformed calls");
        done(timed("mended", mended));
        progress.begin("planted bugs");
        done(timed("proved", || proved(scenarios)));
    }
}

fn timed(what: &str, act: impl FnOnce() -> Result<Beyond, String>) -> (Beyond, Duration) {
    let began = Instant::now();
    let done = act().unwrap_or_else(|why| Beyond {
        what: what.to_owned(),
        verdict: Word::NotRun,
        said: why,
        findings: Vec::new(),
    });
    (done, began.elapsed())
}

/// Every scenario under every single fault of a menu.
fn alone(scenarios: &[Arc<Scenario>], profiles: Profiles, menu: Breadth) -> Result<Beyond, String> {
    let left_out = |left_out: usize| match profiles {
        Profiles::Own => String::new(),
        Profiles::Only(_) | Profiles::All | Profiles::Others => {
            format!("; {left_out} left out, where its own faults never strike")
        }
    };
    let where_ = match profiles {
        Profiles::Own => "",
        Profiles::Only(_) | Profiles::All | Profiles::Others => " and other payment profile",
    };
    every_fault(scenarios, profiles, menu, None, &|plans, found, left| {
        format!(
            "every scenario{where_} under every fault alone, {} menu: {plans}, {found}{}",
            menu.name(),
            left_out(left)
        )
    })
}

/// Of so many single faults one is tried on the SQLite journal, in which a run takes several times as long.
const ON_SQLITE: u64 = 64;

/// A part of the same where the system's store is the rows of its SQLite journal.
fn on_sqlite(scenarios: &[Arc<Scenario>]) -> Result<Beyond, String> {
    let kept: Vec<_> =
        scenarios.iter().map(|it| Arc::new(Scenario { store: StoreKind::Sqlite, ..Scenario::clone(it) })).collect();
    let part = Shard { number: 1, of: ON_SQLITE };
    every_fault(&kept, Profiles::Own, Breadth::All, Some(part), &|plans, found, _| {
        format!("every scenario on the SQLite journal, one of {ON_SQLITE} faults alone: {plans}, {found}")
    })
}

/// Scenarios under every single fault of a menu, or a part of those. What is said of it is made of the plans that were tried,
/// what was found, and the number of scenarios that were left out.
fn every_fault(
    scenarios: &[Arc<Scenario>],
    profiles: Profiles,
    menu: Breadth,
    shard: Option<Shard>,
    said: &dyn Fn(String, String, usize) -> String,
) -> Result<Beyond, String> {
    let narrowing = Narrowing { menu: Some(menu), ..Narrowing::default() };
    let pool = threads(cores())?;
    let simulated = Simulated::default();
    let Spaces { spaces, left_out } = spaces(scenarios, &Wanted { profiles, narrowing, seed: None }, &simulated, &pool);
    let settings = Settings { depth: 1, draw: None, time: None, shard, reduction: true, findings_max: None };
    let control = Control { stop: &AtomicBool::new(false), until: None, watch: &|_| {}, kept: None };
    let explored = explore(&spaces, &simulated, &settings, &pool, &control);
    let telling = Telling { runner: &simulated, confirm: None };
    let told: Vec<_> = spaces.iter().zip(&explored).map(|(space, explored)| tell(space, explored, &telling)).collect();
    // Of a part only that part is run.
    let tried = |level: &LevelReport| if shard.is_some() { level.run } else { level.plans };
    let plans: u64 = told.iter().flat_map(|report| &report.levels).map(tried).sum();
    let findings: Vec<_> = told.iter().flat_map(of_space).collect();
    Ok(Beyond {
        what: "explored".to_owned(),
        verdict: told.iter().map(|report| report.verdict).max().unwrap_or(Word::Ok),
        said: said(units::counted(plans, "plan"), found(findings.len()), left_out.len()),
        findings,
    })
}

fn found(findings: usize) -> String {
    match findings {
        0 => "nothing broken".to_owned(),
        found => units::count(found, "finding"),
    }
}

fn explored(scenario: &Arc<Scenario>) -> Result<Beyond, String> {
    let space = Space::new(scenario.clone(), None, scenario.seed);
    let depth = scenario.explore.gate_depth.into();
    let settings = Settings { depth, draw: None, time: None, shard: None, reduction: true, findings_max: None };
    let control = Control { stop: &AtomicBool::new(false), until: None, watch: &|_| {}, kept: None };
    let simulated = Simulated::default();
    let explored = explore(std::slice::from_ref(&space), &simulated, &settings, &threads(cores())?, &control).remove(0);
    let report = tell(&space, &explored, &Telling { runner: &simulated, confirm: None });
    let plans: u64 = report.levels.iter().map(|level| level.plans).sum();
    let found = found(report.findings.len());
    Ok(Beyond {
        what: "explored".to_owned(),
        verdict: report.verdict,
        said: format!(
            "{} under every plan of up to {depth} faults: {}, {found}",
            scenario.name,
            units::counted(plans, "plan")
        ),
        findings: of_space(&report),
    })
}

/// Generated scenarios, the same with every run.
fn generated(store: StoreKind, failures: &Path) -> Result<Beyond, String> {
    let simulated = Simulated::default();
    let control = Control { stop: &AtomicBool::new(false), until: None, watch: &|_| {}, kept: None };
    let generating = Generating { seed: SEED_DEFAULT, runs: Some(GENERATED), profile: None, store };
    let made = generate(generating, &simulated, &threads(cores())?, &control, &Kept::default());
    let mut report = tell_generated(&made, &simulated, failures);
    leave_behind(std::slice::from_mut(&mut report), failures).map_err(|error| error.to_string())?;
    let told = report.generated.as_ref().ok_or("nothing was generated")?;
    let fewer = if GENERATED < GENERATED_IN_RELEASE {
        format!(" (a release build makes {})", units::counted(GENERATED_IN_RELEASE, "run"))
    } else {
        String::new()
    };
    Ok(Beyond {
        what: "generated".to_owned(),
        verdict: report.verdict,
        said: format!(
            "{}: {}{fewer}, {} fired, {}",
            units::counted(told.scenarios, "scenario"),
            units::counted(told.runs, "run"),
            units::counted(told.planned - told.dropped, "fault"),
            found(report.findings.len()),
        ),
        findings: of_space(&report),
    })
}

fn of_space(report: &SpaceReport) -> Vec<BeyondFinding> {
    let finding = |finding: &crate::report::exploration::document::Finding| {
        let shown = finding.shown.as_ref();
        BeyondFinding {
            rule: finding.rule.clone(),
            message: shown.map_or_else(
                || finding.cause.join("; "),
                |shown| format!("{}: {}", shown.money, shown.messages.join(" ")),
            ),
            timeline: shown.map_or_else(Vec::new, |shown| shown.timeline.clone()),
            replay: shown.map_or_else(|| format!("misrule explore {}", report.scenario), |shown| shown.replay.clone()),
        }
    };
    report.findings.iter().map(finding).collect()
}

/// The journal's file in every state that it may be left in, and GiftGenius's own command line. They wait more than they work, so
/// they are done beside the rest.
fn beside(scenarios: &[Arc<Scenario>]) -> Vec<(Beyond, Duration)> {
    let kept = || {
        let told = durable::check(scenarios, &durable::production)?;
        Ok(held::part("kept", "durable", "misrule journal", journal::said(&told), told.broken))
    };
    let served = || {
        let told = faces::check(&program())?;
        Ok(held::part("served", "faces", "misrule faces", super::faces::said(&told), told.broken))
    };
    vec![timed("kept", kept), timed("served", served)]
}

/// Every malformed call of every tool, frames on the wire included, held to what it is owed and mended from its error.
fn mended() -> Result<Beyond, String> {
    let errors = measure(&Measuring { wire: Some(Wire::of(program())), ..Measuring::default() })?;
    let bars: Vec<String> = errors.bars.iter().map(fixable::terminal::bar).collect();
    Ok(Beyond {
        what: "mended".to_owned(),
        verdict: errors.verdict,
        said: format!("{}; {}", fixable::terminal::said(&errors), bars.join(", ")),
        findings: of_errors(&errors),
    })
}

fn of_errors(errors: &Errors) -> Vec<BeyondFinding> {
    let worst = errors.worst.iter().filter(|_| errors.verdict != Word::Ok).map(|worst| BeyondFinding {
        rule: "error-fixable".to_owned(),
        message: format!("{} {}: {} It was answered `{}`.", worst.tool, worst.label, worst.lacks, worst.answered),
        replay: format!("misrule malform {} {}", worst.tool, worst.label),
        timeline: Vec::new(),
    });
    worst.collect()
}

fn proved(scenarios: &[Arc<Scenario>]) -> Result<Beyond, String> {
    let means = Means { scenarios, menu: Breadth::Full, threads: cores(), done: &|_, _| {}, hunted: &Hunts::default() };
    let proof = prove(defect::ALL, means).map_err(|error| error.to_string())?.proof;
    Ok(Beyond {
        what: "proved".to_owned(),
        verdict: proof.verdict,
        said: format!("planted bugs: {}", prove::terminal::summary(&proof)),
        findings: of_proof(&proof),
    })
}

fn of_proof(proof: &Proof) -> Vec<BeyondFinding> {
    let escaped = proof.escaped().map(|defect| BeyondFinding {
        rule: "prove".to_owned(),
        message: format!("no oracle noticed the planted bug `{}`: {}", defect.id, defect.about),
        replay: format!("misrule prove {}", defect.id),
        timeline: Vec::new(),
    });
    let accused = proof.unchanged.findings.iter().map(|finding| BeyondFinding {
        rule: finding.rules.first().cloned().unwrap_or_else(|| "not run".to_owned()),
        message: finding.message.clone(),
        replay: finding.replay.clone(),
        timeline: finding.timeline.clone(),
    });
    escaped.chain(accused).collect()
}
