//! `misrule run`: the gate. Runs scenarios, judges them, writes the reports and ends with the exit code.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use clap::{Args, CommandFactory as _};

use super::interrupt::{self, INTERRUPTED};
use super::progress::Progress;
use super::{
    COULD_NOT_RUN, Cli, Common, Console, Ended, OnInterrupt, Refusal, Runner, Store, World, beyond, gate, load, stuck,
};
use crate::report::build::{add_beyond, hold_to_codes};
use crate::report::document::{Beyond, Extent, Report, Word};
use crate::report::files::{self, FileError};
use crate::report::terminal::{self, Style};
use crate::report::units::count;
use crate::report::{Ran, build, json, junit, markdown};
use crate::scenario::model::{Narrowing, Scenario, WorldKind};
use crate::scenario::write::write as write_scenario;
use crate::watchdog::Stuck;
use crate::world::sim::fuel;
use crate::{defect, prove, suggest};

/// The folder for the scenarios that failing runs leave behind.
const FAILURES: &str = "failures";

/// The reports.
const REPORTS: [&str; 3] = ["report.json", "junit.xml", "report.md"];

#[derive(Args, Clone, Debug)]
pub(super) struct Arguments {
    /// Scenarios by name (`checkout/happy_path`), file or folder; all unless named.
    #[arg(value_name = "SCENARIO")]
    names: Vec<String>,
    /// Only in this world.
    #[arg(long)]
    world: Option<World>,
    /// The system's store in simulation
    ///
    /// `memory` keeps records, `sqlite` the rows of its SQLite journal, which takes several times
    /// as long. On the wire it is always that journal.
    #[arg(long, verbatim_doc_comment, hide_possible_values = true, value_name = "STORE", default_value = "memory")]
    journal: Store,
    /// The folder for the reports.
    #[arg(long, value_name = "DIR", default_value = "target/misrule")]
    out: PathBuf,
    #[command(flatten)]
    common: Common,
}

pub(super) fn run(arguments: &Arguments, runner: Runner<'_>, console: &mut Console<'_>) -> Ended {
    let failures = arguments.out.join(FAILURES);
    let further = |scenarios: &[_], progress: &_, done: &mut dyn FnMut(_)| {
        beyond::beyond(scenarios, progress, &failures, done);
    };
    gate(arguments, runner, &further, console)
}

/// What is done beyond the scenarios when everything is run; it tells what came of each part.
pub(super) type Further<'a> = &'a dyn Fn(&[Arc<Scenario>], &Progress, &mut dyn FnMut((Beyond, Duration)));

/// The gate with its two parts: what makes a run, and what is done beyond them.
pub(super) fn gate(
    arguments: &Arguments,
    runner: Runner<'_>,
    further: Further<'_>,
    console: &mut Console<'_>,
) -> Ended {
    let common = &arguments.common;
    let colour_err = console.colour_err && !common.no_color;
    let scenarios = load::scenarios(common, &arguments.names, colour_err)
        .map_err(|refusal| mistyped(&arguments.names).unwrap_or(refusal))?;
    let scenarios = load::kept_in(scenarios, arguments.journal);
    let work = gate::work(&scenarios, arguments.world.map(World::kind));
    if work.is_empty() {
        let place = arguments.world.map_or("in any world", |world| world.kind().place());
        return Err(Refusal::unusable(&format!(
            "none of the scenarios runs {place}; `misrule list` shows where each does"
        )));
    }
    let failures = arguments.out.join(FAILURES);
    let usable = files::make_ready(&arguments.out, &failures, &REPORTS);
    usable.map_err(|error| Refusal::unusable(&format!("{error}; name another folder with --out")))?;

    let colour = console.colour && !common.no_color;
    let whole = arguments.names.is_empty() && arguments.world.is_none();
    let ending = Arc::new(Gate {
        arguments: arguments.clone(),
        scenarios,
        whole,
        began: Instant::now(),
        colour,
        called: console.called,
        ran: gate::Slots::default(),
        beyond: Mutex::default(),
        is_concluded: AtomicBool::new(false),
    });
    let progress = Progress::start(work.len(), console.progress);
    if console.on_interrupt == OnInterrupt::Say {
        let (ending, tally) = (ending.clone(), progress.tally());
        interrupt::watch_and_conclude(move || {
            let said = tally.lock().map_or_else(|_| INTERRUPTED.to_owned(), |tally| tally.said());
            let Concluded { printed, ended } = ending.conclude(Some(&Cut::Interrupted(said)));
            stuck::print(&printed, ended)
        });
    }
    let concluding = ending.clone();
    let watch = stuck::watch(console, move |stuck| {
        let Concluded { printed, ended } = concluding.conclude(Some(&Cut::Stuck(stuck)));
        stuck::print(&printed, ended)
    });
    gate::play(&work, runner, &progress, &ending.ran);
    if whole {
        further(&ending.scenarios, &progress, &mut |done| lock(&ending.beyond).push(done));
    }
    drop(progress);
    drop(watch);
    let Concluded { printed, ended } = ending.conclude(None);
    console.say_coloured(&printed);
    ended
}

/// A gate that goes on, and what it has come to. Whoever ends it finds all that its report takes.
struct Gate {
    arguments: Arguments,
    scenarios: Vec<Arc<Scenario>>,
    /// Whether everything is run.
    whole: bool,
    began: Instant,
    colour: bool,
    called: &'static str,
    ran: gate::Slots,
    beyond: Mutex<Vec<(Beyond, Duration)>>,
    is_concluded: AtomicBool,
}

/// Why a gate ends in the middle.
enum Cut<'a> {
    /// A run had no end.
    Stuck(&'a Stuck),
    /// Somebody interrupted it; how far it had come.
    Interrupted(String),
}

/// The end of a gate.
struct Concluded {
    printed: String,
    ended: Ended,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Gate {
    /// Writes the reports of what was run, once: a second caller waits for the process to end.
    fn conclude(&self, cut: Option<&Cut<'_>>) -> Concluded {
        while self.is_concluded.swap(true, Ordering::Relaxed) {
            thread::park();
        }
        let mut slots = lock(&self.ran);
        let ran: Vec<Ran> = slots.iter_mut().filter_map(Option::take).collect();
        let unrun = slots.len() - ran.len();
        let mut further = std::mem::take(&mut *lock(&self.beyond));
        let Arguments { out, world, .. } = &self.arguments;
        let failures = out.join(FAILURES);
        let extent = match cut {
            Some(Cut::Interrupted(_)) => Extent::Interrupted,
            None if self.whole => Extent::Whole,
            Some(Cut::Stuck(_)) | None => Extent::Part,
        };
        let beyond: Duration = further.iter().map(|(_, took)| *took).sum();
        let elapsed = self.began.elapsed();
        let mut report = build(&ran, extent, elapsed.saturating_sub(beyond));
        report.measured.most_uses = fuel::most_taken();
        further.extend(cut.map(|cut| (cut.told(&failures), Duration::ZERO)));
        if !further.is_empty() {
            add_beyond(&mut report, further, elapsed);
        }
        // A folder of a few scenarios lacks nothing; the own ones, which the proof knows too, are to reach everything.
        if self.whole && cut.is_none() && prove::check(defect::ALL, &self.scenarios).is_ok() {
            hold_to_codes(&mut report);
        }
        report.left_out = world.map_or_else(Vec::new, |world| left_out(world, &self.scenarios, &self.arguments));
        if cut.is_some() && unrun > 0 {
            report.left_out.push(format!("{} not run any more", count(unrun, "scenario and world")));
        }
        let written = leave_behind(&mut report, &ran, &failures).and_then(|()| write_all(&report, out));
        let style = Style {
            called: self.called,
            colour: self.colour,
            written: &match &written {
                Ok(()) => format!("{}/report.md · junit.xml · report.json", out.display()),
                Err(_) => String::new(),
            },
        };
        let code = terminal::exit_code(&report);
        let printed = terminal::write(&report, style);
        let ended = match written {
            Ok(()) => Ok(code),
            // A rule that was broken outranks a report that could not be kept.
            Err(error) => {
                let code = if report.verdict == Word::Broken { Word::Broken.exit_code() } else { COULD_NOT_RUN };
                Err(Refusal::saying(&error.to_string(), "the report above is all there is", code))
            }
        };
        Concluded { printed, ended }
    }
}

impl Cut<'_> {
    /// As a part of the report.
    fn told(&self, failures: &Path) -> Beyond {
        let said = match self {
            Self::Interrupted(said) => format!("by a signal: {said}"),
            Self::Stuck(stuck) => {
                let lines = stuck::leave_behind(stuck, failures);
                let lines: Vec<_> = lines.iter().map(|line| format!("`{line}`")).collect();
                format!("because {stuck}; repeated by {}", lines.join(", "))
            }
        };
        Beyond { what: "ended".to_owned(), verdict: Word::NotRun, said, findings: Vec::new() }
    }
}

/// What a gate of one world leaves out.
fn left_out(world: World, scenarios: &[Arc<Scenario>], arguments: &Arguments) -> Vec<String> {
    let (name, other) = match world {
        World::Sim => ("sim", WorldKind::Wire),
        World::Wire => ("wire", WorldKind::Sim),
    };
    let runs = count(gate::work(scenarios, Some(other)).len(), "scenario");
    let beyond = if arguments.names.is_empty() {
        ", and all that the whole gate does beyond its scenarios: exploration, generated scenarios, malformed calls, the proof on planted bugs, the journal's file and GiftGenius's own command line"
    } else {
        ""
    };
    vec![format!("--world {name} leaves out {runs} {}{beyond}", other.place())]
}

/// A first word that is no scenario may be a mistyped command: without a command the words name scenarios.
fn mistyped(words: &[String]) -> Option<Refusal> {
    let word = words.first()?;
    let commands = Cli::command();
    let near = suggest::nearest(word, commands.get_subcommands().map(clap::Command::get_name))?;
    let named = word.contains(['/', '.']) || commands.find_subcommand(word).is_some();
    (!named).then(|| {
        Refusal::unusable(&format!("`{word}` is neither a command nor a scenario; did you mean the command `{near}`?"))
    })
}

/// Leaves a scenario file behind for each run that broke a rule, named after the first one; it replays the run and can be
/// moved in among the others.
fn leave_behind(report: &mut Report, ran: &[Ran], folder: &Path) -> Result<(), FileError> {
    let mut counts: BTreeMap<String, u32> = BTreeMap::new();
    for scenario in &mut report.scenarios {
        for run in &mut scenario.runs {
            let outcome = ran
                .iter()
                .filter(|ran| ran.scenario.name == scenario.name && ran.world.name() == run.world)
                .flat_map(|ran| ran.outcomes.iter().flatten().map(|outcome| ran.shown(outcome)))
                .find(|outcome| outcome.seed == run.seed);
            let Some(outcome) = outcome else { continue };
            let mut failing = Arc::unwrap_or_clone(outcome.scenario.clone());
            if !failing.expects_of(&outcome.plan) {
                failing = failing.without_expectations();
            }
            let failing = Scenario {
                plan: outcome.plan.clone(),
                seed: outcome.seed,
                // It repeats one run; the gate need not explore it too.
                explore: Narrowing::default(),
                ..failing
            };
            let text = format!(
                "# Left behind by a run that broke a rule; repeat it with\n# {}\n\n{}",
                run.replay,
                write_scenario(&failing)
            );
            let Some(first) = run.findings.first() else { continue };
            let count = counts.entry(first.rule.clone()).or_insert(0);
            let path = loop {
                *count += 1;
                let path = folder.join(format!("{}-{count}.toml", first.rule));
                // What is still there was not misrule's to remove.
                if !path.exists() {
                    break path;
                }
            };
            files::write(&path, text.as_bytes())?;
            for finding in &mut run.findings {
                finding.written_to = Some(path.display().to_string());
            }
        }
    }
    Ok(())
}

fn write_all(report: &Report, out: &Path) -> Result<(), FileError> {
    let [json, junit, markdown] = REPORTS;
    let texts = [(json, json::write(report)), (junit, junit::write(report)), (markdown, markdown::write(report))];
    files::write_reports(out, &texts)
}
