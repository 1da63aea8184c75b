//! The measurement itself: the bars hold for GiftGenius, and would not hold for worse messages.

use super::*;
use crate::defect::messages;
use crate::report::document::Word;

#[test]
fn every_error_of_giftgenius_can_be_repaired_from() {
    let errors = measure(&Measuring::default()).expect("it runs");
    assert!(errors.sent > 900, "only {} were sent", errors.sent);
    assert_eq!(errors.verdict, Word::Ok, "{}", terminal::write(&errors, "misrule"));
}

#[test]
fn what_is_measured_is_the_same_each_time() {
    let once = || {
        let tools = vec![String::from("create_checkout_session")];
        let errors = measure(&Measuring { tools, ..Measuring::default() }).expect("it runs");
        Errors { measured: document::Measured { elapsed_us: 0 }, ..errors }
    };
    assert_eq!(once(), once());
}

#[test]
fn messages_that_are_worse_are_found_and_named() {
    let table = [
        (&messages::SUGGESTION_MISSING_FOR_QUOTED_VALUES, "type:/items/0/quantity:stringified"),
        (&messages::ONLY_THE_FIRST_VIOLATION_TOLD, "missing:/currency:with_items"),
        (&messages::WRONG_FIELD_NAMED, "value:/items/0/quantity:zero"),
        (&messages::RANGE_NOT_ENFORCED, "value:/items/0/quantity:zero"),
        (&messages::UNKNOWN_FIELD_ACCEPTED, "name::extra_notes"),
    ];
    for (defect, label) in table {
        let tools = vec![String::from("create_checkout_session")];
        let errors =
            measure(&Measuring { tools, wiring: Some(defect.wiring), ..Measuring::default() }).expect("it runs");
        assert_eq!(errors.verdict, Word::Broken, "{}", defect.id);
        assert!(errors.worst.iter().any(|worst| worst.label == label), "{}: {:#?}", defect.id, errors.worst);
    }
}

#[test]
fn one_call_is_shown_to_its_end() {
    let label = "type:/items/0/quantity:stringified".parse().expect("a label");
    let turns = shown::show("create_checkout_session", &label).expect("it runs");
    assert_eq!(turns.len(), 2);
    assert_eq!(turns[0].arguments["items"][0]["quantity"], "2");
    assert_eq!(turns[1].arguments["items"][0]["quantity"], 2);
    assert!(turns[1].answer.get("checkout_session_id").is_some(), "{}", turns[1].answer);
}
