//! One scenario, one plan, one seed → one outcome. The one place where worlds, host and oracles come together.

use std::sync::Arc;
use std::time::Instant;

use crate::choice::Choices;
use crate::error::RunError;
use crate::expectation::unmet;
use crate::fault::plan::Plan;
use crate::host::play;
use crate::outcome::Outcome;
use crate::provider::Now;
use crate::scenario::model::{Scenario, WorldKind};
use crate::world::World;
use crate::world::sim::SimWorld;

/// Runs a scenario under a plan. In simulation the outcome is a pure function of the arguments, but for `elapsed`.
pub fn run(scenario: &Arc<Scenario>, world: WorldKind, plan: &Plan, seed: u64) -> Result<Outcome, RunError> {
    match world {
        WorldKind::Sim => run_sim(scenario, plan, seed),
        WorldKind::Wire => todo!(),
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
    let verdicts = Vec::new();
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

    #[test]
    fn try_it() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios");
        let found = crate::scenario::find::find(&root, &["checkout/happy_path".to_owned()]).unwrap();
        let known = crate::scenario::Known::default();
        let mut known = known; known.skus = vec!["tea-set".into()];
        let scenario = crate::scenario::find::load(&found[0], &known).map_err(|e| e.render(false)).unwrap();
        for plan in std::env::var("PLANS").unwrap_or_default().split('|') {
            let mut p = Plan::default();
            for part in plan.split(';').filter(|p| !p.trim().is_empty()) {
                let (site, fault) = part.split_once(':').unwrap();
                let (op, n) = site.trim().split_once('#').unwrap();
                let spec = crate::provider::operations::by_label(op).unwrap();
                use crate::fault::{Fault, Circumstance};
                let fault = match fault.trim() { "lost_reply" => Fault::LostReply, "lost_request" => Fault::LostRequest, "garbage" => Fault::Garbage, "status400" => Fault::Status(400, None), "status503" => Fault::Status(503, None), "declined" => Fault::Circumstance(Circumstance::Declined("insufficient_funds".into())), "refuse" => Fault::Refuse, "wrong_amount" => Fault::WrongAmount, "late" => Fault::LateDuplicate, _ => panic!() };
                p.faults.push(crate::fault::plan::Planned::At(crate::fault::plan::Address { operation: spec, step: None, number: n.parse().unwrap() }, fault));
            }
            let outcome = run(&scenario, WorldKind::Sim, &p, 1).unwrap();
            println!("{}", crate::report::snapshot::text(&outcome));
            println!("{:?}", outcome.elapsed);
        }
    }
}
