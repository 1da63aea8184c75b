//! One scenario, one plan, one seed → one outcome. The one place where worlds, host and oracles come together.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use giftgenius::adapters::SystemClock;

use crate::canary::CANARIES;
use crate::choice::Choices;
use crate::error::RunError;
use crate::expectation::unmet;
use crate::fault::plan::Plan;
use crate::host::play;
use crate::oracle::evidence::Setting;
use crate::oracle::{Evidence, judge};
use crate::outcome::Outcome;
use crate::provider::catalog::Fixture;
use crate::provider::{Now, Providers};
use crate::scenario::model::{Scenario, WorldKind};
use crate::trace::Recorder;
use crate::world::World;
use crate::world::sim::SimWorld;
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
        WorldKind::Sim => run_sim(scenario, plan, seed),
        WorldKind::Wire => run_wire(scenario, plan, seed, program),
    }
}

fn run_sim(scenario: &Arc<Scenario>, plan: &Plan, seed: u64) -> Result<Outcome, RunError> {
    let began = Instant::now();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without I/O needs nothing from the system");
    runtime.block_on(async {
        let world = SimWorld::start(scenario, Choices::replay(plan.clone()), seed);
        conclude(scenario, WorldKind::Sim, plan, seed, &world, began).await
    })
}

fn run_wire(scenario: &Arc<Scenario>, plan: &Plan, seed: u64, program: &Path) -> Result<Outcome, RunError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(RunError::Runtime)?;
    runtime.block_on(async {
        let mut providers = Providers::new(scenario.policy.payment_profile, &Fixture::embedded());
        for (sku, quantity) in &scenario.stock {
            providers.set_stock(sku, *quantity);
        }
        let stage =
            Arc::new(Stage::new(providers, Choices::replay(plan.clone()), Recorder::start(), Arc::new(SystemClock)));
        let set_up =
            SetUp { program: program.to_owned(), policy: scenario.policy.clone(), seed, users: scenario.users() };
        let world = WireWorld::start(stage, set_up).await?;
        // What is measured is the run, not the start of a process.
        let began = Instant::now();
        conclude(scenario, WorldKind::Wire, plan, seed, &world, began).await
    })
}

/// Plays the script in a world, takes stock, and lets the oracles judge.
pub async fn conclude(
    scenario: &Arc<Scenario>,
    kind: WorldKind,
    plan: &Plan,
    seed: u64,
    world: &dyn World,
    began: Instant,
) -> Result<Outcome, RunError> {
    play(scenario, world).await?;
    let rest = world.finish().await?;
    let stage = world.stage();
    let recorder = stage.recorder();
    let now = Now { since_start: recorder.now(), utc: stage.utc() };
    stage.with_providers(|providers| providers.settle(now, &mut recorder.lock()));
    let record = recorder.finish();
    let (unfired, asked) = stage.with_choices(|choices| (choices.unfired(), choices.asked().to_vec()));
    let setting =
        Setting { policy: &scenario.policy, world: kind, canaries: CANARIES, plan, checkout_on_at_start: true };
    let verdicts = judge(&Evidence::new(&record.trace, &record.ledger, &rest, setting));
    let unmet = unmet(scenario, &record, &rest);
    Ok(Outcome {
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
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    fn all() -> Vec<Arc<Scenario>> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios");
        let known = crate::scenario::Known {
            oracles: crate::oracle::ALL.iter().map(|o| o.id).collect(),
            skus: Fixture::embedded().products().iter().map(|p| p.sku.to_string()).collect(),
        };
        crate::scenario::find::find(&root, &[])
            .unwrap()
            .iter()
            .map(|f| crate::scenario::find::load(f, &known).unwrap_or_else(|e| panic!("{}", e.render(false))))
            .collect()
    }
    #[test]
    fn try_it() {
        let want = std::env::var("ONLY").ok();
        for scenario in all() {
            if want.as_ref().is_some_and(|w| !scenario.name.contains(w.as_str())) {
                continue;
            }
            let plan = std::env::var("PLAN").map_or(scenario.plan.clone(), |p| p.parse().unwrap());
            let outcome = run(&scenario, WorldKind::Sim, &plan, 1, Path::new("")).unwrap();
            let outcome2 = run(&scenario, WorldKind::Sim, &plan, 1, Path::new("")).unwrap();
            println!("{:60} {:?} {:?}", scenario.name, outcome.status(), outcome2.elapsed);
            for v in outcome.violations() {
                println!("    {} {}", v.oracle, v.message)
            }
            for v in &outcome.unmet {
                println!("    unmet {v}")
            }
            for v in &outcome.unfired {
                println!("    unfired {v}")
            }
            if want.is_some() {
                println!("{}", crate::report::snapshot::text(&outcome));
            }
        }
    }
    #[test]
    fn explore_it() {
        let depth: usize = std::env::var("DEPTH").map_or(1, |d| d.parse().unwrap());
        let name = std::env::var("ONLY").unwrap_or("checkout/happy_path".into());
        let profile = std::env::var("PROFILE").unwrap_or("stripe".into());
        let mut scenario = (**all().iter().find(|s| s.name == name).unwrap()).clone();
        scenario.expect = Default::default();
        for step in &mut scenario.script {
            if let crate::scenario::model::Step::Call(c) = step {
                c.expect = None
            }
        }
        scenario.policy.payment_profile = serde_json::from_value(serde_json::Value::String(profile)).unwrap();
        let scenario = Arc::new(scenario);
        let mut queue = vec![(Plan::default(), 0usize)];
        let mut runs = 0;
        let began = Instant::now();
        let mut found: std::collections::BTreeMap<String, (usize, String, String)> = Default::default();
        for level in 0..=depth {
            let mut next = Vec::new();
            for (plan, from) in &queue {
                let outcome = run(&scenario, WorldKind::Sim, plan, 1, Path::new("")).unwrap();
                runs += 1;
                for v in outcome.violations() {
                    let e = found
                        .entry(format!(
                            "{} {}",
                            v.oracle,
                            v.message.chars().filter(|c| !c.is_ascii_digit()).take(60).collect::<String>()
                        ))
                        .or_insert((0, plan.to_string(), v.message.clone()));
                    e.0 += 1;
                }
                for v in &outcome.unfired {
                    found.entry(format!("unfired {v}")).or_insert((0, plan.to_string(), String::new())).0 += 1;
                }
                if level < depth {
                    for (i, asked) in outcome.asked.iter().enumerate().skip(*from) {
                        for fault in crate::fault::menu::full(asked.site.operation) {
                            let mut p = plan.clone();
                            p.faults.push(crate::fault::plan::Planned::At(
                                crate::fault::plan::Address {
                                    operation: asked.site.operation,
                                    step: None,
                                    number: asked.site.arrival,
                                },
                                fault.clone(),
                            ));
                            next.push((p, i + 1));
                        }
                    }
                }
            }
            queue = next;
        }
        println!("{runs} runs, {:?}, {:.0}/s", began.elapsed(), f64::from(runs) / began.elapsed().as_secs_f64());
        for (k, (n, plan, m)) in found {
            println!("{n:6} {k}\n        {plan}\n        {m}");
        }
    }
}
