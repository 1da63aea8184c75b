//! That generated scenarios are what they are meant to be: the same for a seed, runnable, wide, and small once they are shrunk.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use giftgenius::policy::PaymentProfile;

use super::draw::draw;
use super::lower::lower;
use super::*;
use crate::defect::by_id;
use crate::explore::{Runs as _, Simulated, threads};
use crate::scenario::model::{Step, StoreKind};
use crate::scenario::write::write;
use crate::scenario::{Known, parse};

fn generated(runs: u64, seed: u64, count: usize, simulated: &Simulated) -> Generated {
    let generating = Generating { seed, runs: Some(runs), profile: None, store: StoreKind::Memory };
    let control = Control { stop: &AtomicBool::new(false), until: None, watch: &|_| {}, kept: None };
    generate(generating, simulated, &threads(count).expect("threads"), &control, &Kept::default())
}

#[test]
fn every_story_has_a_scenario_whose_file_reads_back_to_it() {
    let known = Known::of_giftgenius();
    for number in 0..600 {
        let (story, _) = draw(7, number, None);
        let scenario = lower(&story, number).scenario;
        let text = write(&scenario);
        let name = scenario.name.clone();
        let read = parse(&text, &name, &scenario.path, &known)
            .unwrap_or_else(|error| panic!("story {number}: {}\n{text}", error.render(false)));
        assert_eq!(read, scenario, "{text}");
    }
}

#[test]
fn a_story_hangs_on_seed_and_number_alone() {
    assert_eq!(draw(3, 41, None), draw(3, 41, None));
    assert_ne!(draw(3, 41, None), draw(3, 42, None));
    assert_ne!(draw(3, 41, None), draw(4, 41, None));
    assert_eq!(draw(3, 41, Some(PaymentProfile::Acp)).0.profile, PaymentProfile::Acp);
}

#[test]
fn stories_go_to_the_edges() {
    let mut seen: BTreeSet<String> = BTreeSet::new();
    for number in 0..2000 {
        let (story, picks) = draw(1, number, None);
        let scenario = lower(&story, number).scenario;
        seen.insert(format!("{:?}", scenario.policy.payment_profile));
        seen.insert(format!("{} replicas", scenario.replicas.count));
        seen.insert(format!("{} users", scenario.users().len()));
        seen.insert(format!("faults {}", !picks.is_empty()));
        for step in &scenario.script {
            let Step::Call(call) = step else { continue };
            seen.insert(call.tool.to_string());
            let text = |name: &str| call.arguments.get(name).and_then(serde_json::Value::as_str);
            seen.extend(call.key_in_meta.then(|| "a key in `_meta`".to_owned()));
            seen.extend(text("currency").map(str::to_owned));
            seen.extend(text("promo_code").map(|_| "a promo code".to_owned()));
            seen.extend(text("idempotency_key").map(|key| format!("a key of {} bytes", key.len())));
            if let Some(lines) = call.arguments.get("items").and_then(serde_json::Value::as_array) {
                seen.insert(format!("{} products", lines.len()));
            }
        }
    }
    for wanted in [
        "Stripe",
        "Acp",
        "Keyless",
        "KeylessNoCancel",
        "3 replicas",
        "3 users",
        "faults true",
        "faults false",
        "EUR",
        "JPY",
        "KWD",
        "a promo code",
        "a key in `_meta`",
        "a key of 8 bytes",
        "a key of 128 bytes",
        "1 products",
        "3 products",
        "search_products",
        "suggest_gifts",
        "get_payment_methods",
        "create_checkout_session",
        "create_order",
        "get_order",
        "cancel_order",
        "user_navigated_to_step",
        "get_workflow",
    ] {
        assert!(seen.contains(wanted), "no story has {wanted}; there are {seen:?}");
    }
}

#[test]
fn the_result_is_the_same_for_any_number_of_threads_and_accuses_nobody() {
    let simulated = Simulated::default();
    let tell = |count| tell_generated(&generated(1500, 5, count, &simulated), &simulated, Path::new("failures"));
    let (one, three) = (tell(1), tell(3));
    assert_eq!(one, three);
    assert!(one.findings.is_empty(), "{:?}", one.findings);
    let report = one.generated.expect("of generated scenarios");
    assert!(report.runs >= 1500 && report.scenarios > 300 && report.planned - report.dropped > 500, "{report:?}");
}

#[test]
fn a_bug_is_found_by_purchases_that_nobody_wrote_and_left_small() {
    let bug = by_id("key_shared_between_users").expect("it is planted");
    let simulated = Simulated { wiring: Some(bug.wiring) };
    let generated = generated(3000, 1, 2, &simulated);
    let report = tell_generated(&generated, &simulated, Path::new("failures"));
    let scenarios: Vec<&str> =
        report.findings.iter().filter_map(|finding| finding.shown.as_ref()).map(|shown| &*shown.scenario).collect();
    assert!(scenarios.iter().any(|text| text.contains("user = \"ben\"")), "{scenarios:?}");
    for text in scenarios {
        assert!(text.matches("[[script]]").count() <= 5 && !text.contains("[policy]"), "{text}");
    }
}

#[test]
fn stories_that_are_tried_side_by_side_come_to_what_they_come_to_alone() {
    let menus = Menus::new();
    let simulated = Simulated::default();
    let generating = Generating { seed: 9, runs: None, profile: None, store: StoreKind::Memory };
    let said = |tried: &Tried| {
        let Tried { runs, planned, dropped, broken, not_run } = tried;
        (*runs, *planned, *dropped, broken.is_some(), not_run.clone())
    };
    let mixed: Vec<u64> = (0..96).collect();
    let together = try_stories(generating, &mixed, &menus, &simulated);
    for (number, one) in mixed.iter().zip(&together) {
        let alone = try_stories(generating, &[*number], &menus, &simulated);
        assert_eq!(said(one), said(&alone[0]), "story {number}");
    }
    let stories: Vec<_> = mixed.iter().map(|number| lower(&draw(9, *number, None).0, *number)).collect();
    let spaces: Vec<Space> = stories.iter().map(|lowered| menus.of(lowered, 0)).collect();
    let plan = Plan::default();
    let runs: Vec<_> = spaces.iter().map(|space| space.asking(&plan)).collect();
    for (run, made) in runs.iter().zip(simulated.run_together(&runs, Printed::No)) {
        let (made, _) = made.expect("it is made");
        let alone = simulated.run(run.0, run.1, run.2).expect("it is made");
        assert_eq!(format!("{:?}", made.record), format!("{:?}", alone.record), "{}", run.0.name);
    }
}
