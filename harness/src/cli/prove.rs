//! `misrule prove`: the gate, tried against planted bugs.

use std::path::PathBuf;
use std::thread;

use clap::{Args, ValueEnum};

use super::explore::Menu;
use super::progress::Progress;
use super::{COULD_NOT_RUN, Common, Console, Ended, Refusal, load};
use crate::defect::{self, Defect};
use crate::prove::document::Proof;
use crate::prove::{Means, markdown, prove, terminal};
use crate::report::document::Word;
use crate::report::files::{self, FileError};
use crate::suggest;

#[derive(Args, Debug)]
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
    files::prepare(&arguments.out)
        .map_err(|error| Refusal::unusable(&format!("{error}; name another folder with --out")))?;
    let progress = Progress::start(defects.len() + 1, console.progress);
    let done = |what: &str, well: bool| progress.done(what, !well);
    let means = Means {
        scenarios: &scenarios,
        menu: arguments.menu.breadth(),
        threads: thread::available_parallelism().map_or(1, usize::from),
        done: &done,
    };
    let proof = prove(&defects, means).map_err(|error| Refusal::unusable(&error.to_string()))?;
    drop(progress);
    let written = write_all(&proof, arguments);
    console.say(&match arguments.format {
        Format::Terminal => terminal::write(&proof),
        Format::Json => proof.to_json(),
        Format::Markdown => markdown::write(&proof),
    });
    match written {
        Ok(()) => Ok(proof.verdict.exit_code()),
        Err(error) => {
            let code = if proof.verdict == Word::Broken { Word::Broken.exit_code() } else { COULD_NOT_RUN };
            Err(Refusal::saying(&error.to_string(), "the report above is all there is", code))
        }
    }
}

fn chosen(ids: &[String]) -> Result<Vec<&'static Defect>, Refusal> {
    if ids.is_empty() {
        return Ok(defect::ALL.to_vec());
    }
    ids.iter().map(|id| defect::by_id(id).ok_or_else(|| Refusal::unusable(&unknown(id)))).collect()
}

fn unknown(id: &str) -> String {
    let hint = suggest::nearest(id, defect::ALL.iter().map(|defect| defect.id)).map_or_else(
        || "`misrule list --defects` shows what there is".to_owned(),
        |near| format!("did you mean `{near}`?"),
    );
    format!("`{id}` is no defect; {hint}")
}

fn write_all(proof: &Proof, arguments: &Arguments) -> Result<(), FileError> {
    files::write(&arguments.out.join("prove.json"), proof.to_json().as_bytes())?;
    files::write(&arguments.out.join("prove.md"), markdown::write(proof).as_bytes())
}
