//! A scenario file = a test: its run in simulation is repeated, also on the SQLite journal, ends well, and is the one that is
//! kept under `reports/`.
//!
//! To accept changed runs: `INSTA_UPDATE=always cargo test -p misrule --test scenarios`, then read the diff.

use std::path::Path;
use std::sync::Arc;

use libtest_mimic::{Arguments, Failed, Trial};
use misrule::outcome::Status;
use misrule::report::snapshot;
use misrule::run::run;
use misrule::scenario::Known;
use misrule::scenario::find::{Found, find, load};
use misrule::scenario::model::{Scenario, StoreKind, WorldKind};

fn main() {
    let arguments = Arguments::from_args();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join("scenarios");
    let trials = find(&root, &[]).expect("scenarios").into_iter().map(trial).collect();
    libtest_mimic::run(&arguments, trials).exit();
}

fn trial(found: Found) -> Trial {
    Trial::test(found.name.clone(), move || {
        let known = Known::of_giftgenius();
        let scenario = load(&found, &known).map_err(|error| error.render(false))?;
        judge(&scenario)
    })
}

fn judge(scenario: &Arc<Scenario>) -> Result<(), Failed> {
    let once = |scenario: &Arc<Scenario>| {
        run(scenario, WorldKind::Sim, &scenario.plan, scenario.seed, Path::new(env!("CARGO_BIN_EXE_misrule")))
            .map(|outcome| (snapshot::text(&outcome), outcome.status()))
            .map_err(|error| error.to_string())
    };
    let (text, status) = once(scenario)?;
    if once(scenario)?.0 != text {
        return Err(format!("two runs of {} differ", scenario.name).into());
    }
    if misrule::canary::CANARIES.iter().any(|canary| text.contains(canary)) {
        return Err(format!("what is told of {} holds a planted secret", scenario.name).into());
    }
    let on_sqlite = Arc::new(Scenario { store: StoreKind::Sqlite, ..Scenario::clone(scenario) });
    let there = once(&on_sqlite)?.0;
    if there != text {
        return Err(format!("{} goes another way on the SQLite journal:\n{there}", scenario.name).into());
    }
    keep(&scenario.name, &text);
    if status == Status::Ok { Ok(()) } else { Err(text.into()) }
}

/// Compares a run with the one under `reports/`; panics with the difference.
fn keep(name: &str, text: &str) {
    let (theme, name) = name.rsplit_once('/').unwrap_or(("", name));
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join("reports").join(theme));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, text));
}
