//! `misrule explore`: every plan of up to so many faults, and random ones beyond.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use clap::builder::PossibleValue;
use clap::{Args, ValueEnum};
use giftgenius::policy::PaymentProfile;

use super::progress::Rate;
use super::written::{Words, faults, shard, sites, span};
use super::{COULD_NOT_RUN, Common, Console, Ended, OnInterrupt, Refusal, Runner, Store, interrupt, load, stuck};
use crate::explore::{
    Control, Draw, Explored, Generated, Generating, Kept, Profiles, Settings, Shard, Simulated, Space, Spaces, Telling,
    Wanted, estimate, explore, generate, spaces, tell, tell_generated, tell_generated_stuck, tell_stuck, threads,
    undisturbed,
};
use crate::fault::menu::Breadth;
use crate::report::document::Word;
use crate::report::exploration::document::{Exploration, FORMAT, LeftOut, Measured, Named, Part, SpaceReport};
use crate::report::exploration::{self, junit, markdown, terminal};
use crate::report::files::{self, FileError};
use crate::report::terminal::Style;
use crate::scenario::model::{Narrowing, Scenario, WorldKind};
use crate::scenario::parse::SEED_DEFAULT;
use crate::scenario::policy::profile_name;
use crate::watchdog::{Stuck, Watch};
use crate::world::sim::fuel;

/// The folder for the scenarios that findings leave behind.
const FAILURES: &str = "failures";

/// The reports of an exploration.
const REPORTS: [&str; 3] = ["exploration.json", "exploration.xml", "exploration.md"];

#[derive(Args, Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub(super) struct Arguments {
    /// Scenarios by name (`checkout/happy_path`), file or folder.
    #[arg(value_name = "SCENARIO", required_unless_present_any = ["all", "generate"])]
    names: Vec<String>,
    /// Every scenario.
    #[arg(long, conflicts_with = "names")]
    all: bool,
    /// The most faults of a plan, beside the scenario's own
    ///
    /// 2 unless given, or 1 with --random or several scenarios.
    #[arg(long, verbatim_doc_comment, value_name = "N", value_parser = clap::value_parser!(u8).range(0..=6))]
    depth: Option<u8>,
    /// Which menu of faults; the scenario's own unless given, and `full` where it names none.
    #[arg(long)]
    menu: Option<Menu>,
    /// Only at these places and providers, in place of the scenario's own
    ///
    /// Such as `payment.charge,provider.catalog`.
    #[arg(long, verbatim_doc_comment, value_name = "SITES", value_parser = sites)]
    sites: Vec<Words>,
    /// Only these faults, in place of the scenario's own
    ///
    /// Such as `lost_reply,status(499)`. A name stands for every fault of that name on the
    /// menu, a fault with arguments for itself, on the menu or not.
    #[arg(long, value_name = "FAULTS", value_parser = faults, verbatim_doc_comment)]
    faults: Vec<Words>,
    /// What the payment provider promises; as the scenario says unless given
    ///
    /// Under another profile than the file's own the oracles judge alone. A profile under
    /// which faults of the scenario's own plan never strike makes no sense, and is left out.
    #[arg(long, verbatim_doc_comment)]
    profile: Option<Asked>,
    /// The system's store in simulation
    ///
    /// `memory` keeps records, `sqlite` the rows of its SQLite journal, which takes several times
    /// as long. On the wire it is always that journal.
    #[arg(long, verbatim_doc_comment, hide_possible_values = true, value_name = "STORE", default_value = "memory")]
    journal: Store,
    /// Threads that share the runs; as many as there are cores unless given.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// The seed of all runs and of random plans; the scenario's own unless given.
    #[arg(long, value_parser = super::replay::seed, allow_negative_numbers = true)]
    seed: Option<u64>,
    /// End once there are so many different findings.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    max_findings: Option<u32>,
    /// Run only this part of the plans, as in `2/4`; `misrule merge` joins the reports.
    #[arg(long, value_name = "K/N", value_parser = shard, conflicts_with = "random")]
    shard: Option<Shard>,
    /// Go on beyond the depth with random plans.
    #[arg(long, group = "drawn")]
    random: bool,
    /// Generate whole scenarios: shop, policy, script and plan
    ///
    /// Nothing that is written is run. --seed and --runs say which; a finding is made smaller in
    /// every part and leaves a scenario file behind.
    #[arg(
        long,
        verbatim_doc_comment,
        group = "drawn",
        conflicts_with_all = ["names", "all", "depth", "menu", "sites", "faults", "shard", "no_reduction", "confirm", "max_findings"]
    )]
    generate: bool,
    /// For so long, as in `60s` or `5m`
    ///
    /// Without --random the plans that are not tried by then are left.
    #[arg(long = "for", verbatim_doc_comment, value_name = "TIME", value_parser = span, conflicts_with = "runs")]
    span: Option<Duration>,
    /// So many random plans, shared evenly by all scenarios; 100,000 unless given
    ///
    /// With --generate so many runs.
    #[arg(long, verbatim_doc_comment, value_name = "N", requires = "drawn")]
    runs: Option<u64>,
    /// Extend every plan, also those that have the same future as another.
    #[arg(long)]
    no_reduction: bool,
    /// Repeat each finding on the wire.
    #[arg(long)]
    confirm: bool,
    /// The folder for the reports.
    #[arg(long, value_name = "DIR", default_value = "target/misrule")]
    out: PathBuf,
    #[command(flatten)]
    common: Common,
}

/// A menu, as it is written.
#[derive(ValueEnum, Clone, Copy, Debug)]
pub(super) enum Menu {
    /// Every variant of every fault: for one fault at a time.
    All,
    /// One fault for each class that a client can tell apart.
    Full,
    /// One fault for each moment and each way in which a client can take it.
    Core,
    /// Nothing but the ways in which the host misbehaves.
    Host,
    /// The core menu, with calls that the host malforms in place of its other ways.
    Malformed,
}

impl Menu {
    pub(super) const fn breadth(self) -> Breadth {
        match self {
            Self::All => Breadth::All,
            Self::Full => Breadth::Full,
            Self::Core => Breadth::Core,
            Self::Host => Breadth::Host,
            Self::Malformed => Breadth::Malformed,
        }
    }
}

/// A payment profile, as it is written.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
#[value(rename_all = "snake_case")]
pub(super) enum Profile {
    /// Replays stored results, errors of its own included.
    Stripe,
    /// Runs the same key afresh after an error of its own.
    Acp,
    /// Ignores keys.
    Keyless,
    /// Ignores keys and cannot cancel by order.
    KeylessNoCancel,
}

impl Profile {
    /// The profile, with its name.
    pub(super) fn named(self) -> (&'static str, PaymentProfile) {
        let profile = match self {
            Self::Stripe => PaymentProfile::Stripe,
            Self::Acp => PaymentProfile::Acp,
            Self::Keyless => PaymentProfile::Keyless,
            Self::KeylessNoCancel => PaymentProfile::KeylessNoCancel,
        };
        (profile_name(profile), profile)
    }
}

/// One payment profile, or all of them.
#[derive(Clone, Copy, Debug)]
enum Asked {
    One(Profile),
    All,
}

impl ValueEnum for Asked {
    fn value_variants<'a>() -> &'a [Self] {
        const EACH: [Asked; 5] = [
            Asked::One(Profile::Stripe),
            Asked::One(Profile::Acp),
            Asked::One(Profile::Keyless),
            Asked::One(Profile::KeylessNoCancel),
            Asked::All,
        ];
        &EACH
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        match self {
            Self::One(profile) => profile.to_possible_value(),
            Self::All => Some(PossibleValue::new("all").help("Each of them, one after the other")),
        }
    }
}

const RUNS_DEFAULT: u64 = 100_000;

pub(super) fn run(arguments: &Arguments, runner: Runner<'_>, console: &mut Console<'_>) -> Ended {
    if arguments.generate {
        return generated(arguments, console);
    }
    let common = &arguments.common;
    let scenarios = load::scenarios(common, &arguments.names, console.colour_err && !common.no_color)?;
    let scenarios = load::kept_in(scenarios, arguments.journal);
    let pool = threads(arguments.threads()).map_err(|error| Refusal::could_not_run(&error))?;
    let simulated = Simulated::default();
    let exploring = Arc::new(Exploring::new(arguments, console));
    let watch = exploring.watch(console, Exploring::explored_until);
    let Spaces { spaces, left_out } = spaces(&scenarios, &wanted(arguments), &simulated, &pool);
    if spaces.iter().all(Space::is_empty) {
        return Err(Refusal::unusable(&nothing_can_go_wrong(arguments, &scenarios)));
    }
    exploring.make_ready()?;
    let spaces = exploring.spaces.get_or_init(|| spaces);

    let settings = settings(arguments, scenarios.len());
    let on_the_wire = |scenario: &Arc<Scenario>, plan: &_, seed| runner(scenario, WorldKind::Wire, plan, seed);
    let stop = Arc::new(AtomicBool::new(false));
    if console.on_interrupt == OnInterrupt::Say {
        interrupt::ask_to_stop(stop.clone());
    }
    if settings.depth >= DEEP && settings.time.is_none() {
        let estimate = estimate(spaces, &settings, &simulated, &pool, &stop);
        console.warn(&format!("{}\n", estimate.said(settings.depth)));
    }
    let began = Instant::now();
    let rate = Rate::start(console.progress);
    let report_progress = |progress: &_| rate.show(progress);
    let control = Control { stop: &stop, until: None, watch: &report_progress, kept: Some(&exploring.explored) };
    let explored = explore(spaces, &simulated, &settings, &pool, &control);
    let running = began.elapsed();
    rate.say("writing the report");
    let confirm: Option<&crate::explore::Confirm<'_>> = arguments.confirm.then_some(&on_the_wire);
    let telling = Telling { runner: &simulated, confirm };
    let told = spaces.iter().zip(&explored).map(|(space, explored)| tell(space, explored, &telling)).collect();
    // When all is done, so that it has a core to itself and everything it needs is at hand.
    let undisturbed = match spaces.as_slice() {
        [space] => undisturbed(space, &simulated, running),
        _ => None,
    };
    drop(rate);
    drop(watch);
    let mut report = exploring.report(told, began.elapsed(), running);
    report.left_out = left_out.into_iter().map(left).collect();
    report.measured.undisturbed_ns = undisturbed.map(|span| u64::try_from(span.as_nanos()).unwrap_or(u64::MAX));
    report.settle();
    conclude(&mut report, &arguments.out, common, console)
}

/// Runs generated scenarios.
fn generated(arguments: &Arguments, console: &mut Console<'_>) -> Ended {
    let pool = threads(arguments.threads()).map_err(|error| Refusal::could_not_run(&error))?;
    let exploring = Arc::new(Exploring::new(arguments, console));
    exploring.make_ready()?;
    let generating = Generating {
        seed: arguments.seed.unwrap_or(SEED_DEFAULT),
        runs: if arguments.span.is_some() { None } else { Some(arguments.runs.unwrap_or(RUNS_DEFAULT)) },
        profile: match arguments.profile {
            None | Some(Asked::All) => None,
            Some(Asked::One(profile)) => Some(profile.named().1),
        },
        store: arguments.journal.kind(),
    };
    let stop = Arc::new(AtomicBool::new(false));
    if console.on_interrupt == OnInterrupt::Say {
        interrupt::ask_to_stop(stop.clone());
    }
    let watch = exploring.watch(console, Exploring::generated_until);
    let simulated = Simulated::default();
    let began = Instant::now();
    let rate = Rate::start(console.progress);
    let report_progress = |progress: &_| rate.show(progress);
    let until = arguments.span.map(|span| began + span);
    let control = Control { stop: &stop, until, watch: &report_progress, kept: None };
    let generated = generate(generating, &simulated, &pool, &control, &exploring.generated);
    let running = began.elapsed();
    rate.say("writing the report");
    let told = tell_generated(&generated, &simulated, &exploring.failures);
    drop(rate);
    drop(watch);
    let mut report = exploring.report(vec![told], began.elapsed(), running);
    report.named = Named::default();
    report.settle();
    conclude(&mut report, &arguments.out, &arguments.common, console)
}

/// An exploration that goes on. Whoever has to end it finds here all that its report takes.
struct Exploring {
    arguments: Arguments,
    failures: PathBuf,
    began: Instant,
    called: &'static str,
    colour: bool,
    spaces: OnceLock<Vec<Space>>,
    explored: Kept<Vec<Explored>>,
    generated: Kept<Generated>,
}

impl Exploring {
    fn new(arguments: &Arguments, console: &Console<'_>) -> Self {
        Self {
            arguments: arguments.clone(),
            failures: arguments.out.join(FAILURES),
            began: Instant::now(),
            called: console.called,
            colour: console.colour && !arguments.common.no_color,
            spaces: OnceLock::new(),
            explored: Kept::default(),
            generated: Kept::default(),
        }
    }

    fn make_ready(&self) -> Result<(), Refusal> {
        let usable = files::make_ready(&self.arguments.out, &self.failures, &REPORTS);
        usable.map_err(|error| Refusal::unusable(&format!("{error}; name another folder with --out")))
    }

    /// From now on a run without an end ends the exploration, with a report of the spaces that `until` gives.
    fn watch(
        self: &Arc<Self>,
        console: &Console<'_>,
        until: fn(&Self, &Stuck) -> Option<Vec<SpaceReport>>,
    ) -> Option<Watch> {
        let exploring = self.clone();
        stuck::watch(console, move |stuck| {
            let Some(told) = until(&exploring, stuck) else { return COULD_NOT_RUN };
            let elapsed = exploring.began.elapsed();
            let mut report = exploring.report(told, elapsed, elapsed);
            report.settle();
            let (printed, ended) = concluded(&mut report, &exploring.arguments.out, exploring.called, exploring.colour);
            stuck::print(&printed, ended)
        })
    }

    /// What was explored before a run had no end; nothing where it had not begun.
    fn explored_until(&self, stuck: &Stuck) -> Option<Vec<SpaceReport>> {
        let (spaces, explored) = (self.spaces.get()?, self.explored.take()?);
        stuck::leave_behind(stuck, &self.failures);
        let simulated = Simulated::default();
        let told = |(space, explored)| tell_stuck(space, explored, &simulated, stuck);
        Some(spaces.iter().zip(&explored).map(told).collect())
    }

    /// What was generated before a run had no end.
    fn generated_until(&self, stuck: &Stuck) -> Option<Vec<SpaceReport>> {
        let generated = self.generated.take()?;
        let lines = stuck::leave_behind(stuck, &self.failures);
        let line = lines.into_iter().next().unwrap_or_default();
        Some(vec![tell_generated_stuck(&generated, &Simulated::default(), &self.failures, stuck, &line)])
    }

    fn report(&self, spaces: Vec<SpaceReport>, elapsed: Duration, running: Duration) -> Exploration {
        let Narrowing { sites, faults, .. } = wanted(&self.arguments).narrowing;
        Exploration {
            format: FORMAT,
            misrule: env!("CARGO_PKG_VERSION").to_owned(),
            verdict: Word::Ok,
            shard: self.arguments.shard.map(|shard| Part { number: shard.number, of: shard.of }),
            spaces,
            left_out: Vec::new(),
            coverage: None,
            named: Named { sites, faults },
            doubts: Vec::new(),
            measured: Measured {
                elapsed_us: micros(elapsed),
                running_us: micros(running),
                threads: self.arguments.threads(),
                undisturbed_ns: None,
                most_uses: fuel::most_taken(),
            },
        }
    }
}

impl Arguments {
    fn threads(&self) -> usize {
        self.threads.map_or_else(cores, usize::from)
    }
}

fn left(left_out: crate::explore::LeftOut) -> LeftOut {
    LeftOut { scenario: left_out.scenario, profile: left_out.profile.to_owned(), unfired: left_out.unfired }
}

/// From this depth on the number of plans and the time are said before it begins.
const DEEP: usize = 3;

/// Writes the files of a report, prints it, and gives the exit code.
pub(super) fn conclude(report: &mut Exploration, out: &Path, common: &Common, console: &mut Console<'_>) -> Ended {
    let (printed, ended) = concluded(report, out, console.called, console.colour && !common.no_color);
    console.say_coloured(&printed);
    ended
}

/// Writes the files of a report; what is printed of it, and the exit code.
fn concluded(report: &mut Exploration, out: &Path, called: &'static str, colour: bool) -> (String, Ended) {
    let written = leave_behind(&mut report.spaces, &out.join(FAILURES)).and_then(|()| write_all(report, out));
    let files = match &written {
        Ok(()) => format!("{}/exploration.md · exploration.xml · exploration.json", out.display()),
        Err(_) => String::new(),
    };
    let printed = terminal::write(report, Style { called, colour, written: &files });
    let ended = match written {
        Ok(()) => Ok(terminal::exit_code(report)),
        // A rule that was broken outranks a report that could not be kept.
        Err(error) => {
            let code = if report.verdict == Word::Broken { Word::Broken.exit_code() } else { COULD_NOT_RUN };
            Err(Refusal::saying(&error.to_string(), "the report above is all there is", code))
        }
    };
    (printed, ended)
}

/// Leaves the scenario file of each finding behind, named after the rule.
pub(super) fn leave_behind(spaces: &mut [SpaceReport], folder: &Path) -> Result<(), FileError> {
    let mut counts: std::collections::BTreeMap<String, u32> = std::collections::BTreeMap::new();
    for finding in spaces.iter_mut().flat_map(|space| &mut space.findings) {
        let Some(shown) = finding.shown.as_mut().filter(|shown| !shown.scenario.is_empty()) else { continue };
        let count = counts.entry(finding.rule.clone()).or_insert(0);
        *count += 1;
        let path = folder.join(format!("{}-{count}.toml", finding.rule));
        files::write(&path, shown.scenario.as_bytes())?;
        shown.written_to = Some(path.display().to_string());
    }
    Ok(())
}

fn write_all(report: &Exploration, out: &Path) -> Result<(), FileError> {
    let [json, junit, markdown] = REPORTS;
    let texts = [(json, exploration::json(report)), (junit, junit::write(report)), (markdown, markdown::write(report))];
    files::write_reports(out, &texts)
}

/// What is to be tried, as the command line says it.
fn wanted(arguments: &Arguments) -> Wanted {
    let words = |lists: &[Words]| lists.iter().flat_map(|list| list.0.clone()).collect();
    Wanted {
        profiles: match arguments.profile {
            None => Profiles::Own,
            Some(Asked::All) => Profiles::All,
            Some(Asked::One(profile)) => Profiles::Only(profile.named().1),
        },
        narrowing: Narrowing {
            menu: arguments.menu.map(Menu::breadth),
            sites: words(&arguments.sites),
            faults: words(&arguments.faults),
            gate_depth: 0,
        },
        seed: arguments.seed,
    }
}

fn nothing_can_go_wrong(arguments: &Arguments, scenarios: &[Arc<Scenario>]) -> String {
    if !arguments.sites.is_empty() || !arguments.faults.is_empty() {
        return "nothing can go wrong there: none of these faults is on the menu of one of these sites; \
                `misrule list --sites` shows what is"
            .to_owned();
    }
    let first = scenarios.first().map(|scenario| scenario.path.display().to_string()).unwrap_or_default();
    format!("{first}: nothing can go wrong there: [explore] of the scenario leaves no fault at any of its sites")
}

fn settings(arguments: &Arguments, scenarios: usize) -> Settings {
    let runs = if arguments.span.is_some() { None } else { Some(arguments.runs.unwrap_or(RUNS_DEFAULT)) };
    let draw = arguments.random.then_some(Draw { seed: arguments.seed, runs });
    let depth = arguments.depth.unwrap_or(if arguments.random || scenarios > 1 { 1 } else { 2 });
    Settings {
        depth: depth.into(),
        draw,
        time: arguments.span,
        shard: arguments.shard,
        reduction: !arguments.no_reduction,
        findings_max: arguments.max_findings.and_then(|most| usize::try_from(most).ok()),
    }
}

/// How many threads this machine runs at once.
pub(super) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}
