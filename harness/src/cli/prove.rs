//! `misrule prove`: the gate, tried against planted bugs.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use clap::{Args, ValueEnum};

use super::explore::{Menu, cores};
use super::interrupt::{self, INTERRUPTED};
use super::progress::Progress;
use super::{COULD_NOT_RUN, Common, Console, Ended, OnInterrupt, Refusal, load, stuck};
use crate::defect::{self, Defect};
use crate::prove::document::Proof;
use crate::prove::{CannotProve, Hunts, Means, Proved, check, markdown, prove, proved_until, terminal};
use crate::report::document::Word;
use crate::report::files::{self, FileError};
use crate::scenario::write::write as write_scenario;
use crate::suggest;
use crate::watchdog::Stuck;

/// The folder for the scenarios that show what was caught.
const SHOWN: &str = "prove";

/// The reports of a proof.
const REPORTS: [&str; 2] = ["prove.json", "prove.md"];

#[derive(Args, Clone, Debug)]
pub(super) struct Arguments {
    /// Defects by name; all unless named.
    #[arg(value_name = "DEFECT")]
    ids: Vec<String>,
    /// Which faults are tried.
    #[arg(long, default_value = "full")]
    menu: Menu,
    /// The form of what is printed.
    #[arg(long, default_value = "terminal")]
    format: Format,
    /// The folder for the reports.
    #[arg(long, value_name = "DIR", default_value = "target/misrule")]
    out: PathBuf,
    #[command(flatten)]
    common: Common,
}

#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
enum Format {
    /// For a person.
    Terminal,
    /// The document.
    Json,
    /// For a pull request.
    Markdown,
}

pub(super) fn run(arguments: &Arguments, console: &mut Console<'_>) -> Ended {
    let defects = chosen(&arguments.ids)?;
    let common = &arguments.common;
    let colour_err = console.colour_err && !common.no_color;
    let scenarios = load::scenarios(common, &[], colour_err)?;
    let unusable = |error: CannotProve| Refusal::unusable(&error.to_string());
    check(&defects, &scenarios).map_err(unusable)?;
    let folder = arguments.out.join(SHOWN);
    let usable = files::make_ready(&arguments.out, &folder, &REPORTS);
    usable.map_err(|error| Refusal::unusable(&format!("{error}; name another folder with --out")))?;
    let progress = Progress::start(defects.len() + 1, console.progress);
    if console.on_interrupt == OnInterrupt::Say {
        let tally = progress.tally();
        interrupt::watch(move || tally.lock().map_or_else(|_| INTERRUPTED.to_owned(), |tally| tally.hunted()));
    }
    let done = |what: &str, well: bool| progress.done(what, !well);
    let proving = Arc::new(Proving {
        arguments: arguments.clone(),
        defects,
        hunted: Hunts::default(),
        called: console.called,
        began: Instant::now(),
    });
    let concluding = proving.clone();
    let watch = stuck::watch(console, move |stuck| concluding.conclude_until(stuck));
    let menu = arguments.menu.breadth();
    let means = Means { scenarios: &scenarios, menu, threads: cores(), done: &done, hunted: &proving.hunted };
    let proved = prove(&proving.defects, means).map_err(unusable)?;
    drop(progress);
    drop(watch);
    let (printed, ended) = proving.conclude(proved);
    match arguments.format {
        Format::Json => console.say_json(&printed),
        Format::Terminal | Format::Markdown => console.say(&printed),
    }
    ended
}

/// A proof that goes on. Whoever has to end it finds here all that its report takes.
struct Proving {
    arguments: Arguments,
    defects: Vec<&'static Defect>,
    hunted: Hunts,
    called: &'static str,
    began: Instant,
}

impl Proving {
    /// Writes the reports; what is printed, and the exit code.
    fn conclude(&self, mut proved: Proved) -> (String, Ended) {
        let folder = self.arguments.out.join(SHOWN);
        let written = leave_behind(&mut proved, &folder).and_then(|()| write_all(&proved.proof, &self.arguments));
        let proof = proved.proof;
        let printed = match self.arguments.format {
            Format::Terminal => terminal::write(&proof, self.called),
            Format::Json => proof.to_json(),
            Format::Markdown => markdown::write(&proof),
        };
        let ended = written.map(|()| proof.verdict.exit_code()).map_err(|error| {
            let code = if proof.verdict == Word::Broken { Word::Broken.exit_code() } else { COULD_NOT_RUN };
            Refusal::saying(&error.to_string(), "the report above is all there is", code)
        });
        (printed, ended)
    }

    /// The same of what was hunted before a run had no end.
    fn conclude_until(&self, stuck: &Stuck) -> u8 {
        let (menu, elapsed) = (self.arguments.menu.breadth(), self.began.elapsed());
        let proved = proved_until(&self.defects, &self.hunted, menu, elapsed, stuck.to_string());
        let (printed, ended) = self.conclude(proved);
        stuck::print(&printed, ended)
    }
}

fn chosen(ids: &[String]) -> Result<Vec<&'static Defect>, Refusal> {
    if ids.is_empty() { Ok(defect::ALL.to_vec()) } else { ids.iter().map(|id| one(id)).collect() }
}

/// The defect of a name.
pub(super) fn one(id: &str) -> Result<&'static Defect, Refusal> {
    defect::by_id(id).ok_or_else(|| Refusal::unusable(&unknown(id)))
}

fn unknown(id: &str) -> String {
    let hint = suggest::nearest(id, defect::ALL.iter().map(|defect| defect.id)).map_or_else(
        || "`misrule list --defects` shows what there is".to_owned(),
        |near| format!("did you mean `{near}`?"),
    );
    format!("`{id}` is no defect; {hint}")
}

/// Leaves a scenario file behind for each defect that was caught, which shows it.
fn leave_behind(proved: &mut Proved, folder: &Path) -> Result<(), FileError> {
    for report in &mut proved.proof.defects {
        let (Some(scenario), Some(caught)) = (proved.shown.get(&*report.id), &mut report.caught) else { continue };
        let path = folder.join(format!("{}.toml", report.id));
        let replay = format!("misrule replay {} --defect {}", path.display(), report.id);
        let text = format!(
            "# Left behind by a proof, to show a planted bug: {}\n# {replay}\n\n{}",
            report.about,
            write_scenario(scenario)
        );
        files::write(&path, text.as_bytes())?;
        caught.replay = Some(replay);
    }
    Ok(())
}

fn write_all(proof: &Proof, arguments: &Arguments) -> Result<(), FileError> {
    let [json, markdown] = REPORTS;
    files::write_reports(&arguments.out, &[(json, proof.to_json()), (markdown, markdown::write(proof))])
}
