//! One scenario, one plan, one seed → one outcome. The one place where worlds, host and oracles come together.

use std::cell::Cell;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll};
use std::time::Instant;

use futures_util::stream::FuturesOrdered;
use futures_util::{FutureExt as _, StreamExt};
use giftgenius::adapters::SystemClock;
use smol_str::SmolStr;
use tokio::task::coop;

use crate::canary::CANARIES;
use crate::choice::{Asked, Choices};
use crate::defect::Defect;
use crate::error::RunError;
use crate::expectation::unmet;
use crate::fault::plan::{Plan, Planned};
use crate::fault::{Fault, HostFault};
use crate::host::misbehaving::STRANGERS;
use crate::host::play;
use crate::oracle::evidence::Setting;
use crate::oracle::needles::Needles;
use crate::oracle::{Evidence, Rest, Shelves, judge};
use crate::outcome::Outcome;

use crate::provider::{Now, Providers};
use crate::scenario::model::{Scenario, WorldKind};
use crate::system::wiring::Wiring;
use crate::trace::{Record, Recorder, Trace};
use crate::watchdog::{Batch, Named};
use crate::world::World;
use crate::world::print::Print;
use crate::world::sim::{self, SimWorld};
use crate::world::stage::Stage;
use crate::world::wire::{SetUp, WireWorld};

/// Runs a scenario under a plan. In simulation the outcome is a pure function of the arguments, but for `elapsed`.
/// `program` is misrule's own executable, which becomes the system's process on the wire.
pub fn run(
    scenario: &Arc<Scenario>,
    world: WorldKind,
    plan: &Plan,
    seed: u64,
    program: &Path,
) -> Result<Outcome, RunError> {
    match world {
        WorldKind::Sim => simulate(scenario, plan, seed, None),
        WorldKind::Wire => run_wire(scenario, plan, seed, program, None),
    }
}

/// The same with a planted bug wired in.
pub fn run_broken(
    scenario: &Arc<Scenario>,
    world: WorldKind,
    plan: &Plan,
    seed: u64,
    program: &Path,
    defect: &'static Defect,
) -> Result<Outcome, RunError> {
    match world {
        WorldKind::Sim => simulate(scenario, plan, seed, Some(&(defect.wiring)())),
        WorldKind::Wire => run_wire(scenario, plan, seed, program, Some(defect.id)),
    }
}

/// A run in simulation; `wiring` puts parts into the system that are not production's.
pub fn simulate(
    scenario: &Arc<Scenario>,
    plan: &Plan,
    seed: u64,
    wiring: Option<&Arc<dyn Wiring>>,
) -> Result<Outcome, RunError> {
    let mut alone = simulate_together(&[(scenario, plan, seed)], &|| wiring.cloned(), Printed::No);
    alone.pop().expect("one run was asked for").map(|(outcome, _)| outcome)
}

/// A run that is asked for: scenario, plan and seed.
pub type Asking<'a> = (&'a Arc<Scenario>, &'a Plan, u64);

/// Several runs, in their order, of one scenario or of many. Each comes to what it comes to alone, but for `elapsed`, which
/// is that of all of them: they are made side by side, in one virtual time, so that what the processor has just fetched
/// for one serves the next as well. `wiring` is asked once a run. One that panics or runs away ends, and none beside it.
///
/// With `Printed::Yes` each has its print: two runs with the same print after their last faults have the same future.
/// There is none where that cannot be told.
pub fn simulate_together(
    runs: &[Asking<'_>],
    wiring: &dyn Fn() -> Option<Arc<dyn Wiring>>,
    printed: Printed,
) -> Vec<Result<Printable, RunError>> {
    let began = Instant::now();
    let (runtime, standing) = sim::runtime();
    let batch = Batch::begin(runs.iter().map(named));
    let one = async |number: usize, (scenario, plan, seed): Asking<'_>| {
        let run = async {
            let (choices, seat) = (Choices::replay(plan.clone()), batch.seat(number));
            let parts = wiring();
            let is_planted = parts.is_some();
            let world = SimWorld::start(scenario, choices, seed, parts, standing.clone(), seat);
            if printed == Printed::Yes {
                world.stage().ask_for_print();
            }
            match world.fuel().lasts(play_out(scenario, &world)).await {
                Some(played) => {
                    if !is_planted {
                        world.fuel().note_most_taken();
                    }
                    Ok((played?, world.stage().print()))
                }
                None => Ok((run_away(&world), None)),
            }
        };
        AssertUnwindSafe(run).catch_unwind().await.unwrap_or_else(|panic| Err(RunError::panicked(&*panic)))
    };
    let round = Cell::new(0);
    let all = runs.iter().enumerate().map(|(number, run)| SideBySide::new(one(number, *run), &round));
    let mut all = all.collect::<FuturesOrdered<_>>().collect();
    let rounds = poll_fn(|context| {
        round.set(round.get() + 1);
        Pin::new(&mut all).poll(context)
    });
    let played: Vec<Result<_, RunError>> = runtime.block_on(rounds);
    drop(runtime);
    // One after the other, with nothing else in between: the oracles of one run find the code of the last one's at hand.
    let played = runs.iter().zip(played).enumerate();
    let outcomes = played.map(|(number, (run, played))| {
        batch.seat(number).is_alive();
        let (scenario, plan, seed) = *run;
        let (played, print) = played?;
        let judge = || judged(scenario, WorldKind::Sim, plan, seed, played, began);
        let outcome = catch_unwind(AssertUnwindSafe(judge)).map_err(|panic| RunError::panicked(&*panic))?;
        Ok((outcome, print))
    });
    outcomes.collect()
}

/// A run as the watchdog names it.
fn named((scenario, plan, seed): &Asking<'_>) -> Named {
    Named::Run { scenario: Arc::clone(scenario), plan: Plan::clone(plan), seed: *seed }
}

/// A run among others, which goes on exactly when it would if it were alone.
struct SideBySide<'a, F> {
    run: coop::Unconstrained<Pin<Box<F>>>,
    /// How often the tasks of all runs have come to a halt.
    round: &'a Cell<u64>,
    /// The round in which this one went on last.
    last: u64,
}

impl<'a, F: Future> SideBySide<'a, F> {
    /// Tokio's budget is that of all runs together: a run that finds it spent would go on later than it does alone.
    fn new(run: F, round: &'a Cell<u64>) -> Self {
        Self { run: coop::unconstrained(Box::pin(run)), round, last: 0 }
    }
}

impl<F: Future> Future for SideBySide<'_, F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        // One that woke itself waits until its tasks have come to a halt, as it does alone.
        if self.last == self.round.get() {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.last = self.round.get();
        Pin::new(&mut self.run).poll(context)
    }
}

/// So many runs are best given to [`simulate_together`]: with more, what the runs remember outgrows a core's cache.
pub const TOGETHER: usize = 16;

/// An outcome, with its print where one was asked for and could be made.
pub type Printable = (Outcome, Option<Print>);

/// Whether a run is printed, which costs a quarter more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Printed {
    /// It is.
    Yes,
    /// It is not.
    No,
}

fn run_wire(
    scenario: &Arc<Scenario>,
    plan: &Plan,
    seed: u64,
    program: &Path,
    defect: Option<&'static str>,
) -> Result<Outcome, RunError> {
    if let Some(planned) = plan.only_simulated() {
        return Err(RunError::OnlySimulated { planned: planned.to_string() });
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(RunError::Runtime)?;
    runtime.block_on(async {
        let mut providers = Providers::new((&scenario.policy).into(), &scenario.shop.fixture);
        for (sku, quantity) in &scenario.stock {
            providers.set_stock(sku, *quantity);
        }
        let stage = Stage::new(providers, Choices::replay(plan.clone()), Recorder::start(), Arc::new(SystemClock));
        let stage = if scenario.webhooks { stage.with_webhooks(scenario.policy.webhooks.tolerance) } else { stage };
        let stage = Arc::new(stage);
        let set_up = SetUp {
            program: program.to_owned(),
            policy: scenario.policy.clone(),
            seed,
            users: callers(scenario, plan),
            webhooks: scenario.webhooks,
            replicas: scenario.replicas,
            script_waits: scenario.script_waits(),
            calls: scenario.calls(),
            defect,
        };
        let world = WireWorld::start(stage, set_up).await?;
        // What is measured is the run, not the start of a process.
        let began = Instant::now();
        let played = tokio::select! {
            biased;
            played = play_out(scenario, &world) => played?,
            overdue = world.overdue() => return Err(overdue),
        };
        Ok(judged(scenario, WorldKind::Wire, plan, seed, played, began))
    })
}

/// Everybody who calls, and under a plan that wants one a stranger.
fn callers(scenario: &Scenario, plan: &Plan) -> Vec<SmolStr> {
    let mut users = scenario.users();
    let foreign = |planned: &Planned| matches!(planned, Planned::At(_, Fault::Host(HostFault::Foreign)));
    if plan.faults.iter().any(foreign) {
        users.extend(STRANGERS.map(SmolStr::from));
        users.sort();
        users.dedup();
    }
    users
}

/// What a run leaves behind for the oracles.
struct Played {
    record: Record,
    rest: Rest,
    unfired: Vec<Planned>,
    asked: Vec<Asked>,
}

/// Plays the script in a world and takes stock.
async fn play_out(scenario: &Scenario, world: &dyn World) -> Result<Played, RunError> {
    play(scenario, world).await?;
    let rest = world.finish().await?;
    let stage = world.stage();
    let recorder = stage.recorder();
    let now = Now { since_start: recorder.now(), utc: stage.utc() };
    stage.with_providers(|providers| providers.settle(now, &mut recorder.lock()));
    let record = recorder.finish();
    let (unfired, asked) = (stage.with_choices(Choices::unfired), stage.take_asked());
    Ok(Played { record, rest, unfired, asked })
}

/// The most events that are kept of a run without an end: how it came there.
const EVENTS_OF_A_RUN_AWAY: usize = 300;

/// What a run leaves behind whose fuel is out.
fn run_away(world: &SimWorld) -> Played {
    let stage = world.stage();
    let ran_away = Some(world.fuel().ran_away());
    let mut record = stage.recorder().finish();
    record.trace.events.truncate(EVENTS_OF_A_RUN_AWAY);
    record.trace = Trace { events: record.trace.events, ran_away, ..Trace::default() };
    let (unfired, asked) = (stage.with_choices(Choices::unfired), stage.take_asked());
    Played { record, rest: Rest::default(), unfired, asked }
}

/// What is planted is the same in every run: how it is looked for is worked out once.
static PLANTED: LazyLock<Option<Needles<'static>>> = LazyLock::new(|| Needles::new(CANARIES));

/// Lets the oracles judge.
fn judged(
    scenario: &Arc<Scenario>,
    kind: WorldKind,
    plan: &Plan,
    seed: u64,
    played: Played,
    began: Instant,
) -> Outcome {
    let Played { record, rest, unfired, asked } = played;
    let setting = Setting {
        policy: &scenario.policy,
        world: kind,
        canaries: PLANTED.as_ref(),
        plan,
        checkout_on_at_start: true,
        replicas: scenario.replicas,
        shop: Shelves { fixture: &scenario.shop.fixture, stock: &scenario.stock },
    };
    let verdicts = judge(&Evidence::new(&record.trace, &record.ledger, &rest, setting));
    let unmet = if scenario.expects_of(plan) && record.trace.ran_away.is_none() {
        unmet(scenario, &record, &rest)
    } else {
        Vec::new()
    };
    Outcome {
        scenario: scenario.clone(),
        world: kind,
        plan: plan.clone(),
        seed,
        record,
        rest,
        verdicts,
        unmet,
        unfired,
        asked,
        elapsed: began.elapsed(),
    }
}
