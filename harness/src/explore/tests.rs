//! Exploration over real simulated runs, judged by a further rule that GiftGenius rightly breaks: that nothing is ever
//! asked of a provider twice. So there is something to find, to group and to shrink.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use giftgenius::ports::Provider;

use super::{
    Budget, Control, Draw, Ending, Explored, Settings, Shard, Simulated, Space, Telling, explore, first_finding, tell,
    threads, undisturbed,
};
use crate::fault::menu::Breadth;
use crate::fault::plan::{Plan, Planned};
use crate::oracle::{Oracle, Verdict, Violation};
use crate::outcome::Outcome;
use crate::provider::operations::{CHARGE, RESERVE};
use crate::report::document::Word;
use crate::report::exploration::document::{
    Exploration, FORMAT, LevelReport, Measured, Named, Part, SpaceReport, WireWord,
};
use crate::report::exploration::json;
use crate::report::exploration::merge::{Unjoinable, merge};
use crate::run::{TOGETHER, run};
use crate::scenario::find::{find, load};
use crate::scenario::model::{Narrowing, Scenario, WorldKind};
use crate::scenario::{Known, parse};

static ASKED_ONCE: Oracle = Oracle {
    id: "charged-in-one-go",
    rule: "a charge is asked for once",
    explanation: "made up",
    requirements: &[],
    check: |_| Verdict::Kept,
};
static NEVER_BOTH: Oracle = Oracle {
    id: "never-both",
    rule: "reserve and charge are not both asked for twice",
    explanation: "made up",
    requirements: &[],
    check: |_| Verdict::Kept,
};

/// A real run, judged by two rules more.
fn strict(scenario: &Arc<Scenario>, plan: &Plan, seed: u64) -> Result<Outcome, String> {
    let mut outcome = run(scenario, WorldKind::Sim, plan, seed, Path::new("")).map_err(|error| error.to_string())?;
    let asked = |operation: &crate::provider::OperationSpec| {
        outcome.record.trace.sent().filter(|(_, _, sent)| sent.operation == operation).count()
    };
    let (charges, reserves) = (asked(&CHARGE), asked(&RESERVE));
    let judge = |oracle: &'static Oracle, broken: bool| {
        let violation = || Violation { oracle: oracle.id, message: format!("{charges} charges."), events: Vec::new() };
        (oracle, if broken { Verdict::Broken(vec![violation()]) } else { Verdict::Kept })
    };
    let further = [judge(&ASKED_ONCE, charges > 1), judge(&NEVER_BOTH, charges > 1 && reserves > 1)];
    outcome.verdicts.extend(further);
    Ok(outcome)
}

pub(super) fn scenario(name: &str) -> Scenario {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios");
    let found = find(&root, &[name.to_owned()]).expect("a scenario of this name");
    let scenario = load(&found[0], &Known::of_giftgenius()).unwrap_or_else(|error| panic!("{}", error.render(false)));
    Scenario::clone(&scenario)
}

/// The plain checkout, with few faults at few places.
fn space() -> Space {
    let faults = ["refuse", "status", "lost_reply", "duplicate", "outage"];
    narrowed(Breadth::Core, &["payment.charge", "inventory.reserve", "provider.catalog"], &faults)
}

/// The plain checkout, with every fault where it is about money.
fn payments() -> Space {
    let sites = ["payment.charge", "payment.look_up", "payment.refund", "inventory.commit", "provider.payment"];
    narrowed(Breadth::Full, &sites, &[])
}

fn narrowed(menu: Breadth, sites: &[&str], faults: &[&str]) -> Space {
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    let explore = Narrowing { menu: None, sites: words(sites), faults: words(faults), gate_depth: 0 };
    Space::new(Arc::new(Scenario { explore, ..scenario("checkout/happy_path") }), Some(menu), 1)
}

fn settings(depth: usize) -> Settings {
    Settings { depth, draw: None, time: None, shard: None, findings_max: None, reduction: true }
}

fn explored(space: &Space, runner: super::Runner<'_>, settings: &Settings, count: usize) -> Explored {
    let control = Control { stop: &AtomicBool::new(false), until: None, watch: &|_| {}, kept: None };
    let spaces = std::slice::from_ref(space);
    explore(spaces, runner, settings, &threads(count).expect("threads"), &control).remove(0)
}

fn told(space: &Space, settings: &Settings, count: usize) -> SpaceReport {
    let explored = explored(space, &strict, settings, count);
    tell(space, &explored, &Telling { runner: &strict, confirm: None })
}

/// The document, without what is measured.
fn document(space: SpaceReport, shard: Option<Shard>) -> Exploration {
    Exploration {
        format: FORMAT,
        misrule: "0.1.0".to_owned(),
        verdict: space.verdict,
        shard: shard.map(|shard| Part { number: shard.number, of: shard.of }),
        spaces: vec![space],
        left_out: Vec::new(),
        coverage: None,
        named: Named::default(),
        doubts: Vec::new(),
        measured: Measured { elapsed_us: 0, running_us: 0, threads: 0, undisturbed_ns: None, most_uses: 0 },
    }
}

#[test]
fn every_combination_is_run_exactly_once() {
    let space = space();
    let runs = Mutex::new(Vec::new());
    let noting = |scenario: &Arc<Scenario>, plan: &Plan, seed| {
        let outcome = strict(scenario, plan, seed)?;
        let doubts = outcome.doubts();
        let over = |planned: &Planned| {
            let indifferent = format!("The planned fault `{planned}` never fired: it would have changed nothing");
            matches!(planned, Planned::Over(..)) || doubts.iter().any(|doubt| doubt.starts_with(&indifferent))
        };
        assert!(outcome.unfired.iter().all(over), "a fault at a site that the shorter plan reached strikes: {plan}");
        runs.lock().unwrap().push((plan.faults.len(), plan.to_string()));
        Ok(outcome)
    };
    let explored = explored(&space, &noting, &settings(2), 2);
    let runs = runs.into_inner().unwrap();
    let different: BTreeSet<_> = runs.iter().cloned().collect();
    assert_eq!(different.len(), runs.len(), "no plan is run twice");
    for (faults, level) in explored.levels.iter().enumerate() {
        let of_level = runs.iter().filter(|(length, _)| *length == faults).count() as u64;
        assert_eq!((level.plans, level.run), (of_level, of_level), "{faults} faults");
    }
    // Each pair of a fault at the first reserve and one at the first charge, where the former lets the latter come.
    let menu = Breadth::Core.at((&CHARGE).into());
    let names = ["refuse", "status", "lost_reply", "duplicate"];
    for fault in menu.iter().filter(|fault| names.contains(&fault.name())) {
        let plan = format!("inventory.reserve#1: refuse; payment.charge#1: {fault}");
        assert!(different.contains(&(2, plan.clone())), "{plan}");
    }
    assert_eq!(explored.ending, Ending::Whole);
}

#[test]
fn the_number_of_plans_of_one_fault_more_is_known_before_they_are_run() {
    let space = space();
    let (one, two) = (explored(&space, &strict, &settings(1), 1), explored(&space, &strict, &settings(2), 2));
    assert_eq!(one.further.same, two.levels[2].plans);
    assert_eq!(one.further.core, two.levels[2].plans, "all of this menu is core");
}

#[test]
fn findings_and_counts_hang_on_nothing_but_the_space() {
    let space = space();
    let model = json(&document(told(&space, &settings(2), 1), None));
    assert!(model.contains("charged-in-one-go"));
    for count in [1, 2, 5] {
        assert!(model == json(&document(told(&space, &settings(2), count), None)), "{count} threads");
    }
    let draw = Settings { draw: Some(Draw { seed: Some(7), runs: Some(700) }), ..settings(1) };
    let model = json(&document(told(&space, &draw, 1), None));
    assert!(model == json(&document(told(&space, &draw, 3), None)), "random plans on 3 threads");
}

#[test]
fn a_finding_is_shown_by_its_smallest_plan_and_counts_every_plan_that_shows_it() {
    let space = space();
    let failing = AtomicU64::new(0);
    let counting = |scenario: &Arc<Scenario>, plan: &Plan, seed| {
        let outcome = strict(scenario, plan, seed)?;
        failing.fetch_add(outcome.violations().count() as u64, Ordering::Relaxed);
        Ok(outcome)
    };
    let explored = explored(&space, &counting, &settings(2), 2);
    let report = tell(&space, &explored, &Telling { runner: &strict, confirm: None });
    assert_eq!(report.verdict, Word::Broken);
    let of = |rule: &str| report.findings.iter().filter(|finding| finding.rule == rule).collect::<Vec<_>>();
    let (once, both) = (of("charged-in-one-go"), of("never-both"));
    assert!(!once.is_empty() && !both.is_empty());
    assert!(once.iter().all(|finding| finding.level == 1 && finding.cause.len() == 1), "one fault repeats a charge");
    assert!(both.iter().all(|finding| finding.level == 2), "it takes two to repeat both");
    let all: u64 = report.findings.iter().map(crate::report::exploration::document::Finding::plans_all).sum();
    assert_eq!(all, failing.load(Ordering::Relaxed), "every failing plan is counted, with one finding each rule");
    for finding in &report.findings {
        let shown = finding.shown.as_ref().expect("there are few");
        let own = parse(&shown.scenario, "a/finding", Path::new("a/finding.toml"), &Known::of_giftgenius())
            .unwrap_or_else(|error| panic!("{}", error.render(false)));
        let again = strict(&Arc::new(own.clone()), &own.plan, own.seed).expect("it runs");
        assert!(again.violations().any(|violation| violation.oracle == finding.rule), "{}", shown.plan);
        assert!(again.unfired.is_empty() && own.plan.to_string() == shown.plan);
        assert!(shown.replay.contains(&shown.plan) && !shown.timeline.is_empty() && !shown.messages.is_empty());
    }
}

#[test]
fn a_random_finding_is_shrunk_to_what_it_takes() {
    let space = space();
    let draw = Settings { draw: Some(Draw { seed: Some(3), runs: Some(1000) }), ..settings(0) };
    let explored = explored(&space, &strict, &draw, 2);
    let (_, drawn) = explored.drawn.as_ref().expect("plans were drawn");
    assert_eq!((drawn.run, explored.runs()), (1000, 1001));
    assert!(drawn.dropped > 0 && drawn.dropped < drawn.planned, "{drawn:?}");
    let report = tell(&space, &explored, &Telling { runner: &strict, confirm: None });
    let faults = |rule: &str| {
        let of_rule = report.findings.iter().filter(|finding| finding.rule == rule);
        of_rule.map(|finding| finding.shown.as_ref().unwrap().plan.split(';').count()).collect::<BTreeSet<_>>()
    };
    assert_eq!(faults("charged-in-one-go"), BTreeSet::from([1]));
    assert_eq!(faults("never-both"), BTreeSet::from([2]));
}

#[test]
fn the_first_finding_is_a_smallest_one_after_the_same_number_of_runs_on_any_number_of_threads() {
    let space = space();
    let first = |depth, count, rule: &'static str| {
        let pool = threads(count).expect("threads");
        first_finding(
            &space,
            &strict,
            Budget { depth, runs_max: u64::MAX, reduction: true },
            &|broken| broken == rule,
            &pool,
        )
    };
    let model = first(2, 1, "never-both");
    assert_eq!(model, first(2, 4, "never-both"));
    let (plan, rules) = model.found.expect("there is one");
    assert_eq!((plan.faults.len(), rules), (2, vec!["never-both"]));
    let one = explored(&space, &strict, &settings(1), 1);
    assert!(model.runs > one.runs(), "all plans of one fault came before");
    let none = first(1, 2, "never-both");
    assert_eq!((none.runs, none.found), (one.runs(), None));
}

#[test]
fn shards_join_into_what_a_single_machine_would_have_made() {
    let space = space();
    for depth in 1..=2 {
        let whole = document(told(&space, &settings(depth), 2), None);
        for of in [1, 2, 7] {
            let mut shards: Vec<_> = (1..=of)
                .map(|number| {
                    let shard = Some(Shard { number, of });
                    let told = told(&space, &Settings { shard, ..settings(depth) }, 2);
                    (format!("shard {number}"), document(told, shard))
                })
                .collect();
            // Whatever order they come in.
            shards.rotate_left(1);
            let joined = merge(shards).expect("all shards of one space");
            assert!(json(&joined) == json(&whole), "{of} shards at depth {depth}");
        }
    }
}

#[test]
fn shards_join_into_the_whole_also_where_plans_are_merged() {
    let space = payments();
    let simulated = Simulated::default();
    let told = |shard| {
        let explored = explored(&space, &simulated, &Settings { shard, ..settings(2) }, 2);
        document(tell(&space, &explored, &Telling { runner: &simulated, confirm: None }), shard)
    };
    let whole = told(None);
    let level = &whole.spaces[0].levels[2];
    assert!(level.merged_observed > 0 && level.run + level.merged_observed == level.plans, "{level:?}");
    let shards = (1..=3).map(|number| (format!("shard {number}"), told(Some(Shard { number, of: 3 })))).collect();
    assert_eq!(merge(shards).expect("all shards of one space"), whole);
}

#[test]
fn how_often_a_provider_came_is_told_of_one_run() {
    let space = payments();
    let most = AtomicU64::new(0);
    let noting = |scenario: &Arc<Scenario>, plan: &Plan, seed| {
        let outcome = run(scenario, WorldKind::Sim, plan, seed, Path::new("")).map_err(|error| error.to_string())?;
        let sent = outcome.record.trace.sent().filter(|(_, _, sent)| sent.operation.provider == Provider::Payment);
        most.fetch_max(sent.count() as u64, Ordering::Relaxed);
        Ok(outcome)
    };
    let explored = explored(&space, &noting, &settings(2), 2);
    let report = tell(&space, &explored, &Telling { runner: &noting, confirm: None });
    let coverage = report.coverage.as_ref().expect("that of the scenario");
    let place = coverage.places.iter().find(|place| place.place == "provider.payment").expect("a place");
    assert_eq!(place.times_max, most.into_inner());
}

#[test]
fn what_does_not_belong_together_is_not_joined() {
    let space = space();
    let shard = |number, of| {
        let shard = Some(Shard { number, of });
        document(told(&space, &Settings { shard, ..settings(1) }, 2), shard)
    };
    let (one, two) = (shard(1, 2), shard(2, 2));
    let named = |documents: Vec<Exploration>| {
        let named = documents.into_iter().enumerate();
        named.map(|(index, document)| (format!("{index}.json"), document)).collect::<Vec<_>>()
    };
    let refused = |documents: Vec<Exploration>| merge(named(documents)).expect_err("no whole").to_string();
    let changed = |change: fn(&mut Exploration)| {
        let mut changed = two.clone();
        change(&mut changed);
        refused(vec![one.clone(), changed])
    };
    assert_eq!(merge(Vec::new()), Err(Unjoinable::None));
    insta::assert_snapshot!(
        [
            refused(vec![one.clone()]),
            refused(vec![one.clone(), two.clone(), one.clone()]),
            refused(vec![one.clone(), shard(2, 3)]),
            changed(|document| document.format = 99),
            changed(|document| document.misrule = "9.9.9".to_owned()),
            changed(|document| document.shard = None),
            changed(|document| document.spaces[0].seed = 5),
            changed(|document| document.spaces[0].print.clear()),
            changed(|document| document.spaces[0].levels[0].broken = 5),
            changed(|document| document.spaces.clear()),
            changed(
                |document| document.spaces[0].ending = crate::report::exploration::document::EndingWord::Interrupted
            ),
        ]
        .join("\n")
    );
}

#[test]
fn an_interrupted_exploration_keeps_a_whole_beginning() {
    let space = space();
    let stop = AtomicBool::new(false);
    let watch = |_: &super::Progress| stop.store(true, Ordering::Relaxed);
    let control = Control { stop: &stop, until: None, watch: &watch, kept: None };
    let spaces = std::slice::from_ref(&space);
    let explored = explore(spaces, &strict, &settings(2), &threads(2).expect("threads"), &control).remove(0);
    assert_eq!((explored.ending, explored.runs()), (Ending::Interrupted, 1));
}

#[test]
fn enough_findings_end_an_exploration() {
    let space = space();
    let explored = explored(&space, &strict, &Settings { findings_max: Some(1), ..settings(2) }, 2);
    assert_eq!((explored.ending, explored.levels.len()), (Ending::Enough, 2), "one fault is enough");
}

#[test]
fn what_a_run_costs_without_faults_is_measured_where_one_can_be_made() {
    let space = space();
    let plans = Mutex::new(Vec::new());
    let noting = |scenario: &Arc<Scenario>, plan: &Plan, seed| {
        plans.lock().unwrap().push(plan.to_string());
        strict(scenario, plan, seed)
    };
    let cost = undisturbed(&space, &noting, Duration::ZERO).expect("the plain checkout can be made");
    assert!(cost > Duration::ZERO, "{cost:?}");
    let plans = plans.into_inner().unwrap();
    assert!(
        plans.len() % TOGETHER == 0 && plans.iter().all(String::is_empty),
        "whole batches of the scenario's own plan"
    );
    let refusing = |_: &Arc<Scenario>, _: &Plan, _| -> Result<Outcome, String> { Err("on purpose".to_owned()) };
    assert_eq!(undisturbed(&space, &refusing, Duration::ZERO), None);
    let panicking = |_: &Arc<Scenario>, _: &Plan, _| -> Result<Outcome, String> { panic!("on purpose") };
    assert_eq!(undisturbed(&space, &panicking, Duration::ZERO), None);
}

#[test]
fn a_run_that_panics_is_told_and_ends_nothing() {
    let space = space();
    let panicking = |scenario: &Arc<Scenario>, plan: &Plan, seed| {
        assert!(plan.to_string() != "payment.charge#1: refuse", "on purpose");
        strict(scenario, plan, seed)
    };
    let explored = explored(&space, &panicking, &settings(2), 2);
    let report = tell(&space, &explored, &Telling { runner: &panicking, confirm: None });
    assert_eq!(report.not_run.counts, [0, 1]);
    assert!(report.not_run.first[0].why.contains("on purpose"), "{:?}", report.not_run);
    assert!(report.levels[2].run > 0);
}

/// What may not hang on whether plans are merged.
#[derive(PartialEq, Eq, Debug)]
struct Essence {
    /// Of each number of faults: how many plans there are, and how many fail.
    levels: Vec<(u64, u64)>,
    /// By rule: its smallest plan, and how many plans break it.
    rules: BTreeMap<String, (String, u64)>,
}

impl Essence {
    fn of(report: &SpaceReport) -> Self {
        let levels = report.levels.iter().map(|level| (level.plans, level.broken)).collect();
        let mut rules: BTreeMap<String, (String, u64)> = BTreeMap::new();
        for finding in &report.findings {
            // Of many rules that one defect breaks, the last ones are not shown in full.
            let smallest =
                || finding.shown.as_ref().map_or_else(|| finding.cause.join(", "), |shown| shown.plan.clone());
            rules.entry(finding.rule.clone()).or_insert_with(|| (smallest(), 0)).1 += finding.plans_all();
        }
        Self { levels, rules }
    }
}

/// A defect, the scenario's own plan, the sites and the faults, and the depth.
type Case = (&'static str, &'static str, &'static [&'static str], &'static [&'static str], usize);

/// A scenario with few enough faults that every plan of two can be run, and extended, in a test.
fn narrow(name: &str, plan: &str, sites: &[&str], faults: &[&str]) -> Space {
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    let explore = Narrowing { menu: None, sites: words(sites), faults: words(faults), gate_depth: 0 };
    let scenario = Scenario { explore, plan: plan.parse().expect("a plan"), ..scenario(name).without_expectations() };
    Space::new(Arc::new(scenario), Some(Breadth::Full), 1)
}

#[test]
fn merging_loses_no_plan_and_no_finding_of_a_broken_system() {
    const OWN: &[&str] = &["journal.write", "payment.charge"];
    const REQUESTS: &[&str] = &["payment.charge", "payment.look_up", "inventory.commit"];
    const FAILURES: &[&str] =
        &["garbage", "status", "status_after", "lost_reply", "lost_request", "reset", "reset_after"];
    // A commit that was done is asked for again: what strikes the repetition before or after the effect is the same.
    const DONE_ALREADY: &str = "inventory.commit#1: lost_reply";
    // One that crashes forgets which of several bad replies it had.
    const BAD: &[&str] = &["crash", "garbage", "html_page"];
    let table: [Case; 4] = [
        ("garbled_reply_taken_for_refusal", DONE_ALREADY, REQUESTS, FAILURES, 2),
        ("ambiguous_charge_charged_again", DONE_ALREADY, REQUESTS, FAILURES, 2),
        ("success_told_before_commit", "", OWN, BAD, 2),
        ("", "", OWN, BAD, 3),
    ];
    for (defect, plan, sites, faults, depth) in table {
        let wiring = crate::defect::by_id(defect).map(|defect| defect.wiring);
        assert!(wiring.is_some() || defect.is_empty(), "{defect} is a defect");
        let simulated = Simulated { wiring };
        let space = narrow("checkout/happy_path", plan, sites, faults);
        let run = |reduction| {
            let explored = explored(&space, &simulated, &Settings { reduction, ..settings(depth) }, 2);
            tell(&space, &explored, &Telling { runner: &simulated, confirm: None })
        };
        let (merged, all) = (run(true), run(false));
        assert_eq!(Essence::of(&merged), Essence::of(&all), "{defect}");
        assert_eq!(all.findings.is_empty(), defect.is_empty(), "{defect}");
        let spared = |report: &SpaceReport| {
            let of = |count: fn(&LevelReport) -> u64| report.levels.iter().map(count).sum::<u64>();
            (of(|level| level.merged_observed), of(|level| level.merged_restart))
        };
        assert_eq!(spared(&all), (0, 0));
        let (by_observation, by_restart) = spared(&merged);
        // What is wired in may remember something over a restart, so that there nothing is merged.
        assert_eq!((by_observation > 0, by_restart > 0), (!plan.is_empty(), defect.is_empty()), "{defect}");
        assert_eq!(merged.plans(), merged.runs() + by_observation + by_restart, "{defect}");
    }
}

/// A plan, the worlds of its scenario, who repeats it, and what that comes to.
type Confirmed<'a> = (&'a str, &'a [WorldKind], &'a super::Confirm<'a>, WireWord, Option<&'a str>);

#[test]
fn a_finding_is_held_to_what_the_wire_says() {
    let space = space();
    let plain = |scenario: &Arc<Scenario>, plan: &Plan, seed| {
        run(scenario, WorldKind::Sim, plan, seed, Path::new("")).map_err(|error| error.to_string())
    };
    let dead = |_: &Arc<Scenario>, _: &Plan, _| Err("no port is free".to_owned());
    let simulated = |plan: &str, worlds: &[WorldKind]| {
        let worlds = worlds.to_vec();
        let scenario = Arc::new(Scenario { worlds, ..Scenario::clone(&space.scenario) });
        strict(&scenario, &plan.parse().expect("a plan"), 1).expect("it runs")
    };
    let both = [WorldKind::Sim, WorldKind::Wire];
    let refused = "payment.charge#1: refuse";
    let table: [Confirmed<'_>; 5] = [
        (refused, &both, &strict, WireWord::Confirmed, None),
        (refused, &both, &plain, WireWord::Disagrees, Some("charged-in-one-go")),
        (refused, &both, &dead, WireWord::NotRun, Some("no port is free")),
        (refused, &both[..1], &strict, WireWord::Impossible, Some("does not run on the wire")),
        ("payment.charge#1: refuse; journal.write#1: yield", &both, &strict, WireWord::Impossible, Some("yield")),
    ];
    for (plan, worlds, on_the_wire, word, why) in table {
        let said = super::confirm::confirm(on_the_wire, &simulated(plan, worlds), "charged-in-one-go");
        assert_eq!(said.word, word, "{said:?}");
        assert_eq!(said.why.is_some(), why.is_some(), "{said:?}");
        assert!(said.why.unwrap_or_default().contains(why.unwrap_or_default()), "{why:?}");
    }
}
