//! What the engine decides without asking anybody.

use super::*;
use crate::checkout::answer::tests::order;
use crate::checkout::state::Saga;

#[test]
fn an_outcome_that_cannot_be_ends_with_a_person() {
    let mut order = order(Saga::new());
    let before = order.saga.clone();
    let ending = taken(&mut order, &Action::Settle, Outcome::Committed);
    let Some(Ending::Parked { note }) = ending else { panic!("{ending:?}") };
    assert!(note.contains("Settle cannot come to Committed"), "{note}");
    assert_eq!(order.saga, before, "nothing is guessed");
    assert_eq!(taken(&mut order, &Action::Reserve { epoch: 1 }, Outcome::Held), None);
}

#[test]
fn looks_between_two_releases_have_a_count_of_their_own() {
    let mut order = order(Saga::new());
    order.saga.direction = Direction::Back(Cause::CancelledByUser);
    order.saga.reserve = Reserve::Held { epoch: 1 };
    order.saga.charge = Charge::GivenBack { done: true };
    let release = Action::Release { epoch: 1 };
    let mut rounds_of = |action: &Action, had: u32| {
        order.background_rounds += had;
        order.count_rounds_of(action);
        order.background_rounds
    };
    assert_eq!(rounds_of(&release, 3), 3);
    assert_eq!(rounds_of(&Action::ConfirmRefund, 0), 0, "another action");
    assert_eq!(rounds_of(&Action::ConfirmRefund, 1), 1);
    assert_eq!(rounds_of(&Action::ConfirmRefund, 1), 2, "they are counted like any other's");
    assert_eq!(rounds_of(&release, 0), 3, "where it was left");
    assert_eq!(rounds_of(&release, 1), 4);
}

#[test]
fn a_sale_turns_back_before_its_charge_and_never_after() {
    let early = jiff::Timestamp::UNIX_EPOCH;
    let late = crate::time::add(early, std::time::Duration::from_secs(60));
    for (pay_by, cancelled, charge, expected) in [
        (late, false, Charge::NotSent, Direction::Forward),
        (early, false, Charge::NotSent, Direction::Back(Cause::QuoteExpired)),
        (late, true, Charge::NotSent, Direction::Back(Cause::CancelledByUser)),
        (early, true, Charge::Sending, Direction::Forward),
    ] {
        let mut order = order(Saga::new());
        order.pay_by = pay_by;
        order.saga.charge = charge;
        order.cancel_entry = cancelled.then(|| order.entry.clone());
        turn_back(&mut order, early);
        assert_eq!(order.saga.direction, expected);
    }
}
