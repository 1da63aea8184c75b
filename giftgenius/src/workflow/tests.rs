//! Where a workflow stands, and which tools may act there.

use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::money::{Currency, Money};

fn session(state: SessionState) -> Session {
    Session {
        drop_after: None,
        id: "cs_1".into(),
        user: "anna".into(),
        workflow_id: Some("wf_1".into()),
        items: Arc::new([]),
        amount: Money::new(4200, Currency::EUR),
        expires_at: at(10),
        state,
        declined: false,
    }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn at_step(step: Step) -> Workflow {
    Workflow { step, ..Workflow::begin("wf_1".into(), "anna".into()) }
}

#[test]
fn every_tool_may_act_somewhere_and_is_named_as_it_is_published() {
    for tool in crate::tools::table() {
        let name = tool.spec.name;
        assert!(Step::ALL.iter().any(|step| step.allows(name)), "{name}");
        let moves_on = Step::ALL.iter().any(|step| step.tools().contains(&name));
        assert_ne!(moves_on, EVERYWHERE.contains(&name), "{name} is of a step or of all of them");
    }
    for name in Step::ALL.iter().flat_map(|step| step.tools()).chain(&EVERYWHERE) {
        assert!(crate::tools::table().iter().any(|tool| tool.spec.name == *name), "{name}");
    }
}

#[test]
fn a_step_is_written_as_it_is_published() {
    for step in Step::ALL {
        assert_eq!(serde_json::json!(step), step.as_str());
    }
}

#[test]
fn before_the_checkout_a_step_is_what_was_recorded() {
    for step in [Step::GatherInformation, Step::GenerateIdeas, Step::ChooseGift] {
        assert_eq!(at_step(step).standing_step(Some(&session(SessionState::Open)), at(0)), step);
    }
}

#[test]
fn a_checkout_is_where_its_session_is() {
    let order = || "ord_1".into();
    let declined = Session { declined: true, ..session(SessionState::Open) };
    let (before, after) = (at(9), at(10) + Duration::ZERO);
    let cases = [
        (Some(session(SessionState::Open)), before, Step::Checkout),
        (Some(session(SessionState::Open)), after, Step::ChooseGift),
        (Some(declined.clone()), before, Step::ChoosePaymentMethod),
        (Some(declined), after, Step::ChooseGift),
        (Some(session(SessionState::Taken(order()))), after, Step::Checkout),
        (Some(session(SessionState::Left(order()))), before, Step::ChooseGift),
        (Some(session(SessionState::Closed(order()))), before, Step::ChooseGift),
        (Some(session(SessionState::Abandoned)), before, Step::ChooseGift),
        (None, before, Step::ChooseGift),
    ];
    for (session, now, expected) in cases {
        let step = at_step(Step::Checkout).standing_step(session.as_ref(), now);
        assert_eq!(step, expected, "{session:?} at {now}");
    }
    let open = session(SessionState::Open);
    assert_eq!(at_step(Step::ChoosePaymentMethod).standing_step(Some(&open), before), Step::ChoosePaymentMethod);
}
