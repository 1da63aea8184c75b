//! That runs made side by side come to what they come to alone: over scenarios with tasks, events, replicas and calls at
//! once, under single faults and pairs of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::tests::scenario;
use crate::defect::{self, Defect};
use crate::error::RunError;
use crate::fault::menu::full;
use crate::fault::plan::{Address, Plan, Planned};
use crate::run::{Printable, Printed, TOGETHER, simulate_together};
use crate::scenario::model::Scenario;
use crate::system::wiring::{Wired, Wiring};

fn made(scenario: &Arc<Scenario>, plans: &[Plan]) -> Vec<Printable> {
    let runs: Vec<_> = plans.iter().map(|plan| (scenario, plan, scenario.seed)).collect();
    let made = simulate_together(&runs, &|| None, Printed::Yes);
    made.into_iter().map(|run| run.unwrap_or_else(|error| panic!("{error}"))).collect()
}

/// Everything that a run shows, but for its time.
fn shown((outcome, print): &Printable) -> String {
    let verdicts: Vec<_> = outcome.verdicts.iter().map(|(oracle, verdict)| (oracle.id, verdict)).collect();
    let asked: Vec<_> = outcome.asked.iter().map(|asked| (asked.site, &asked.chosen)).collect();
    format!("{:?} {:?} {verdicts:?} {:?} {asked:?} {print:?}", outcome.record, outcome.rest, outcome.unfired)
}

/// The scenario's own plan; with each fault of the full menu more; and with two of them, far apart in the menu.
fn plans(scenario: &Arc<Scenario>) -> Vec<Plan> {
    let own = &scenario.plan;
    let plain = made(scenario, std::slice::from_ref(own)).pop().expect("one plan was given");
    let single = plain.0.asked.iter().flat_map(|asked| {
        let at = Address { place: asked.site.place, step: None, number: asked.site.arrival };
        full(asked.site.place).iter().map(move |fault| (at, fault.clone()))
    });
    let is_own = |at| own.faults.iter().any(|planned| matches!(planned, Planned::At(known, _) if *known == at));
    let single: Vec<_> = single.filter(|(at, _)| !is_own(*at)).collect();
    let with = |more: &[&(Address, crate::fault::Fault)]| {
        let more = more.iter().map(|(at, fault)| Planned::At(*at, fault.clone()));
        Plan { faults: own.faults.iter().cloned().chain(more).collect() }
    };
    let pairs = single.iter().zip(single.iter().cycle().skip(single.len() / 3)).filter(|(one, other)| one.0 != other.0);
    let mut plans = vec![own.clone()];
    plans.extend(single.iter().map(|fault| with(&[fault])));
    plans.extend(pairs.map(|(one, other)| with(&[one, other])));
    plans
}

#[test]
fn runs_made_side_by_side_come_to_what_they_come_to_alone() {
    let names = [
        "checkout/happy_path",
        "webhooks/twice_at_once",
        "replicas/both_get_the_same_call",
        "steps/two_payments_at_once",
        "crash/dies_again_while_it_recovers",
    ];
    for name in names {
        let scenario = Arc::new(scenario(name));
        let plans = plans(&scenario);
        // Far apart, so that neighbours have little in common.
        let mixed: Vec<Plan> = (0..plans.len()).map(|index| plans[index * 37 % plans.len()].clone()).collect();
        // So many that their tasks outnumber what the runtime goes through before it looks elsewhere, if it is not told.
        for plans in mixed.chunks(200) {
            for (together, plan) in made(&scenario, plans).iter().zip(plans) {
                let alone = made(&scenario, std::slice::from_ref(plan));
                let (one, other) = (shown(together), shown(&alone[0]));
                let at = one.bytes().zip(other.bytes()).position(|(one, other)| one != other);
                let near =
                    |text: &str| at.map(|at| text.chars().skip(at.saturating_sub(400)).take(800).collect::<String>());
                assert!(one == other, "{name} under {plan}\ntogether: {:?}\nalone: {:?}", near(&one), near(&other));
            }
        }
    }
}

/// Sixteen runs side by side, into one of which something is wired.
fn beside(scenario: &Arc<Scenario>, plans: &[Plan], at: usize, wiring: &dyn Fn() -> Arc<dyn Wiring>) -> Vec<Made> {
    let runs: Vec<_> = plans.iter().map(|plan| (scenario, plan, scenario.seed)).collect();
    let begun = AtomicUsize::new(0);
    let only_there = || (begun.fetch_add(1, Ordering::Relaxed) == at).then(wiring);
    simulate_together(&runs, &only_there, Printed::Yes)
}

type Made = Result<Printable, RunError>;

const ONE_OF_THEM: usize = 5;

/// What comes of the one; the others come to what they come to alone.
fn the_one(wiring: &dyn Fn() -> Arc<dyn Wiring>) -> Made {
    let scenario = Arc::new(scenario("checkout/happy_path"));
    let plans: Vec<Plan> = plans(&scenario).into_iter().step_by(7).take(TOGETHER).collect();
    let mut together = beside(&scenario, &plans, ONE_OF_THEM, wiring);
    let one = together.remove(ONE_OF_THEM);
    let others = plans.iter().enumerate().filter(|(index, _)| *index != ONE_OF_THEM).map(|(_, plan)| plan);
    for (together, plan) in together.into_iter().zip(others) {
        let together = together.unwrap_or_else(|error| panic!("{plan}: {error}"));
        let alone = made(&scenario, std::slice::from_ref(plan));
        assert!(shown(&together) == shown(&alone[0]), "under {plan}");
    }
    one
}

#[test]
fn a_run_that_runs_away_ends_and_none_beside_it_does() {
    for (id, last) in [
        ("price_asked_without_a_pause", "catalog.quote"),
        ("work_waited_for_in_a_circle", "saga polled"),
        ("line_logged_without_end", "log line"),
    ] {
        let defect: &Defect = defect::by_id(id).expect("it is planted");
        let (outcome, print) = the_one(&defect.wiring).unwrap_or_else(|error| panic!("{id}: {error}"));
        let broken: Vec<_> = outcome.violations().map(|broken| (broken.oracle, &*broken.message)).collect();
        let [("runs-away", message)] = broken[..] else { panic!("{id}: {broken:?}") };
        assert!(message.contains(last), "{id}: {message}");
        assert!(print.is_none(), "nothing else has its future");
        let kept = outcome.record.trace.events.len();
        assert!(kept <= 300, "{id}: {kept} events are kept");
    }
}

#[test]
fn a_run_in_which_something_panics_ends_and_none_beside_it_does() {
    let bug = || -> Arc<dyn Wiring> { Arc::new(|_: Wired| -> Wired { std::panic::resume_unwind(Box::new("a bug")) }) };
    let error = the_one(&bug).err().expect("misrule's own failure is no outcome");
    assert_eq!(error.to_string(), "misrule itself failed: a bug");
    let at_the_door = || -> Arc<dyn Wiring> {
        Arc::new(|mut wired: Wired| {
            wired.door = Some(Arc::new(|_, _| Box::pin(async { std::panic::resume_unwind(Box::new("at the door")) })));
            wired
        })
    };
    let error = the_one(&at_the_door).err().expect("nobody takes a panic for an answer");
    assert_eq!(error.to_string(), "misrule itself failed: at the door");
    let defect = defect::by_id("work_that_panics").expect("it is planted");
    let (outcome, _) = the_one(&defect.wiring).expect("a task's panic is the task's");
    assert!(outcome.violations().all(|broken| broken.oracle != "runs-away"), "it ends by itself");
}
