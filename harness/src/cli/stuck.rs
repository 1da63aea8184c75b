//! A run without an end: names it, lets the command write what was done until then, and ends the process.

use std::io::{self, Write as _};
use std::path::Path;
use std::process;
use std::thread;
use std::time::Duration;

use super::{COULD_NOT_RUN, Console, Ended, OnInterrupt};
use crate::report::build::replay;
use crate::report::files;
use crate::report::terminal::{width, wrap};
use crate::scenario::model::{Narrowing, Scenario, WorldKind};
use crate::scenario::write::write as write_scenario;
use crate::undivided::undivided;
use crate::visible::{visible_but_colours, visible_lines};
use crate::watchdog::{self, BOUNDS, Named, Stuck, Watch};

/// How long the reports may take. They make further runs, which may be stuck as well.
const REPORTS_MAX: Duration = Duration::from_secs(8);

/// From now on a run without an end ends the process: it is named, `conclude` writes what there is and gives the exit code.
pub(super) fn watch(console: &Console<'_>, conclude: impl FnOnce(&Stuck) -> u8 + Send + 'static) -> Option<Watch> {
    let end = move |stuck: Stuck| {
        let lines: Vec<String> = stuck.runs.iter().map(|run| format!("  {}\n", replay_line(run))).collect();
        let lines = lines.concat();
        let said = wrap(&visible_lines(&format!("error: {stuck}")), width());
        let _ = write!(io::stderr(), "\n{said}{lines}");
        let _ = thread::Builder::new().name("last resort".to_owned()).spawn(|| {
            thread::sleep(REPORTS_MAX);
            process::exit(COULD_NOT_RUN.into());
        });
        let code = conclude(&stuck);
        undivided(|| process::exit(code.into()));
    };
    (console.on_interrupt == OnInterrupt::Say).then(|| watchdog::watch(BOUNDS, end))
}

/// Prints an end that comes from another thread than the command's own; the exit code.
pub(super) fn print(printed: &str, ended: Ended) -> u8 {
    let _ = write!(io::stdout(), "{}", visible_but_colours(printed));
    ended.unwrap_or_else(|refusal| {
        let _ = write!(io::stderr(), "{}", refusal.text);
        refusal.code
    })
}

/// The line that repeats it.
fn replay_line(run: &Named) -> String {
    match run {
        Named::Run { scenario, plan, seed } => replay(scenario, WorldKind::Sim, plan, *seed),
        Named::Malformed { tool, label } => format!("misrule malform {tool} {label}"),
    }
}

/// Leaves a scenario file behind for each run of one that is stuck; the lines that repeat all that is.
pub(super) fn leave_behind(stuck: &Stuck, folder: &Path) -> Vec<String> {
    let file = |(number, run): (usize, &Named)| {
        let Some((scenario, plan, seed)) = run.run() else { return replay_line(run) };
        let mut scenario = Scenario::clone(scenario).without_expectations();
        scenario.plan = plan.clone();
        scenario.seed = seed;
        // It repeats one run; the gate need not explore it too.
        scenario.explore = Narrowing::default();
        let path = folder.join(format!("stuck-{}.toml", number + 1));
        let mut line = replay_line(run);
        let text = format!(
            "# Left behind by a run without an end; it ends misrule, and is repeated with\n# {line}\n\n{}",
            write_scenario(&scenario)
        );
        if files::write(&path, text.as_bytes()).is_ok() {
            scenario.path = path;
            line = replay(&scenario, WorldKind::Sim, plan, seed);
        }
        line
    };
    stuck.runs.iter().enumerate().map(file).collect()
}
