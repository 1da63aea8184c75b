//! The proof itself: every planted bug is caught by the rule that it breaks, every rule catches one, and GiftGenius as it
//! is is found well where they were hunted.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::Mutex;

use misrule::defect::{self, Defect, Hunt};
use misrule::fault::menu::Breadth;
use misrule::oracle;
use misrule::prove::document::{Proof, ProofMeasured};
use misrule::prove::{Hunts, Means, markdown, prove, terminal};
use misrule::report::document::Word;
use misrule::scenario::Known;
use misrule::scenario::find::{find, load};
use misrule::scenario::model::Scenario;

fn scenarios() -> Vec<Arc<Scenario>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios");
    let known = Known::of_giftgenius();
    let found = find(&root, &[]).expect("scenarios");
    found.iter().map(|found| load(found, &known).unwrap_or_else(|error| panic!("{}", error.render(false)))).collect()
}

/// A proof over the core menu, without what was measured.
fn proof(defects: &[&'static Defect], threads: usize) -> Proof {
    let scenarios = scenarios();
    let told = Mutex::new(Vec::new());
    let done = |what: &str, well| told.lock().expect("nobody panics").push((what.to_owned(), well));
    let means = Means { scenarios: &scenarios, menu: Breadth::Core, threads, done: &done, hunted: &Hunts::default() };
    let proved = prove(defects, means).expect("every scenario is there");
    let told = told.into_inner().expect("nobody panics");
    assert_eq!(told.len(), defects.len() + 1, "each defect is told when it is done, and GiftGenius itself");
    assert_eq!(proved.shown.len(), proved.proof.caught());
    Proof { measured: ProofMeasured::default(), ..proved.proof }
}

fn by_id(id: &str) -> &'static Defect {
    defect::by_id(id).expect("a defect")
}

#[test]
fn every_defect_is_caught_by_the_rule_that_it_breaks_and_every_rule_catches_one() {
    let proof = proof(defect::ALL, std::thread::available_parallelism().map_or(1, usize::from));
    let mut table = String::new();
    for defect in &proof.defects {
        let caught = defect.caught.as_ref().unwrap_or_else(|| panic!("{}", terminal::write(&proof, "misrule")));
        assert!(caught.as_expected, "{} should break `{}`: {caught:?}", defect.id, defect.expected);
        let plan = if caught.plan.is_empty() { "(none)" } else { &caught.plan };
        // Not how many runs it took: that hangs on every menu.
        writeln!(table, "{}: {}\n    {plan}\n    in {}", defect.id, caught.oracles.join(", "), caught.scenario)
            .expect("writing to a string does not fail");
    }
    insta::assert_snapshot!("what_gave_each_defect_away", table);
    assert!(proof.unchanged.findings.is_empty(), "{}", terminal::write(&proof, "misrule"));
    assert!(proof.unchanged.runs > 1_000, "only {} runs were made", proof.unchanged.runs);
    assert_eq!(proof.verdict, Word::Ok);
    let caught_by: BTreeSet<_> = proof.defects.iter().filter_map(Proof::caught_by).collect();
    let idle: Vec<_> = oracle::ALL.iter().map(|oracle| oracle.id).filter(|id| !caught_by.contains(id)).collect();
    assert!(idle.is_empty(), "nothing proves {idle:?}");
}

#[test]
fn what_is_found_does_not_hang_on_the_number_of_threads() {
    let some =
        ["fresh_provider_key_on_each_attempt", "no_bound", "garbled_reply_taken_for_refusal", "lease_never_expires"];
    let some = some.map(by_id);
    assert_eq!(proof(&some, 1), proof(&some, 3));
}

/// Nothing is broken.
static HARMLESS: Defect = Defect {
    id: "harmless",
    about: "nothing at all",
    caught_by: "in-time",
    hunted_on: &[Hunt { scenario: "errors/the_budget_is_too_small", profile: None, place: None }],
    wiring: || Arc::new(|wired| wired),
};

/// Something is broken, but not what it says.
static MISTAKEN: Defect = Defect {
    id: "mistaken",
    about: "providers are asked without a key",
    caught_by: "in-time",
    hunted_on: &[Hunt { scenario: "checkout/happy_path", profile: None, place: None }],
    wiring: || (by_id("key_not_sent_to_provider").wiring)(),
};

#[test]
fn a_defect_that_nothing_gives_away_is_named_with_what_is_missing() {
    let proof = proof(&[&HARMLESS, by_id("key_not_sent_to_provider")], 2);
    assert_eq!((proof.verdict, proof.caught()), (Word::Broken, 1));
    assert!(proof.defects[0].runs > 10, "{:?}", proof.defects[0]);
    let said = terminal::write(&proof, "misrule");
    assert!(said.contains("ESCAPED harmless\n"), "{said}");
    assert!(said.contains("It should have been `in-time`"), "{said}");
    assert!(said.contains("1 of 2 caught; GiftGenius itself: nothing found in "), "{said}");
    assert!(said.trim_end().ends_with("exit 1"), "{said}");
    assert!(markdown::write(&proof).contains("| `harmless` | nothing at all | **ESCAPED** |"));
}

#[test]
fn a_defect_that_is_caught_by_another_rule_than_its_own_is_told_so() {
    let proof = proof(&[&MISTAKEN], 1);
    let said = terminal::write(&proof, "misrule");
    assert!(said.contains("and not `in-time`, whose rule it breaks: key-carried"), "{said}");
}

#[test]
fn a_scenario_that_is_not_there_is_named() {
    let means = Means { scenarios: &[], menu: Breadth::Core, threads: 1, done: &|_, _| {}, hunted: &Hunts::default() };
    let error = prove(&[&HARMLESS], means).err().expect("there is no scenario");
    assert_eq!(
        error.to_string(),
        "`harmless` is hunted on the scenario `errors/the_budget_is_too_small`, which is not there"
    );
}
