//! Alerts that are called for, and those that are not or are missing.

use giftgenius::error::Code;
use giftgenius::step_log::StepStatus;

use super::*;
use crate::oracle::testing::Run;
use crate::provider::operations::{CHARGE, SEARCH};

fn failing(times: usize) -> Run {
    let mut run = Run::new();
    run.create_order("cs_1", "k1");
    for _ in 0..times {
        let charge = run.send(&CHARGE, Some("ord_1"), Some("k"));
        run.silence(charge);
    }
    run.wait_ms(60_000);
    run.step("get_order", StepStatus::Success, None);
    run
}

/// Two processes on one journal, each of which fails so many attempts, by turns.
fn failing_by_turns(times: usize) -> Run {
    let mut run = Run::new();
    run.replicas.count = 2;
    run.create_order("cs_1", "k1");
    for _ in 0..times {
        for (process, order) in [(1, "ord_1"), (2, "ord_2")] {
            run.process = process;
            let charge = run.send(&CHARGE, Some(order), Some(order));
            run.see(charge, Seen::Refused);
        }
    }
    for process in [1, 2] {
        run.process = process;
        run.step("get_order", StepStatus::Success, None);
    }
    run
}

#[test]
fn each_process_counts_for_itself() {
    failing_by_turns(4).kept(&ALERT_FITS);
    let mut run = failing_by_turns(5);
    assert_eq!(run.broken(&ALERT_FITS).lines().count(), 2);
    run.process = 1;
    run.alert_about(AlertKind::ProviderDown, "payment");
    assert_eq!(run.broken(&ALERT_FITS).lines().count(), 1);
    run.process = 2;
    run.alert_about(AlertKind::ProviderDown, "payment");
    run.kept(&ALERT_FITS);
}

#[test]
fn a_process_does_not_call_for_what_another_one_saw() {
    let mut run = failing(5);
    run.process = 2;
    run.alert_about(AlertKind::ProviderDown, "payment");
    let said = run.broken(&ALERT_FITS);
    assert!(said.contains("nothing in the run speaks for it") && said.contains("nobody was called"), "{said}");
}

#[test]
fn a_lost_provider_calls_a_person_and_less_does_not() {
    failing(4).kept(&ALERT_FITS);
    let mut run = failing(5);
    assert!(run.broken(&ALERT_FITS).contains("failed in a row, and nobody was called"));
    run.alert_about(AlertKind::ProviderDown, "catalog");
    run.broken(&ALERT_FITS);
    run.alert_about(AlertKind::ProviderDown, "payment");
    run.kept(&ALERT_FITS);
    let mut run = failing(4);
    run.alert_about(AlertKind::ProviderDown, "payment");
    assert!(run.broken(&ALERT_FITS).contains("nothing in the run speaks for it"));
}

#[test]
fn attempts_are_counted_as_they_end() {
    // One that was sent before the failures and answered after the first of them.
    let answered_amid = |failures: u32| {
        let mut run = Run::new();
        run.call("search_products", serde_json::json!({}));
        let slow = run.send(&SEARCH, None, None);
        let first = run.send(&SEARCH, None, None);
        run.see(first, Seen::Refused);
        run.ok(slow);
        for _ in 0..failures {
            let search = run.send(&SEARCH, None, None);
            run.see(search, Seen::Refused);
        }
        run.step("get_order", StepStatus::Success, None);
        run
    };
    answered_amid(4).kept(&ALERT_FITS);
    assert!(answered_amid(5).broken(&ALERT_FITS).contains("failed in a row, and nobody was called"));
    // Five at once that fail one by one.
    let mut run = Run::new();
    run.call("search_products", serde_json::json!({}));
    let all: Vec<_> = (0..5).map(|_| run.send(&SEARCH, None, None)).collect();
    for search in all {
        run.wait_ms(10);
        run.see(search, Seen::Refused);
    }
    run.step("get_order", StepStatus::Success, None);
    run.broken(&ALERT_FITS);
}

#[test]
fn a_provider_that_is_lost_again_calls_a_person_again_once_it_has_answered() {
    for (answers, alerts, is_kept) in [(true, 2, true), (true, 1, false), (false, 1, true)] {
        let mut run = Run::new();
        run.create_order("cs_1", "k1");
        for episode in 0..2 {
            for _ in 0..IN_A_ROW {
                let charge = run.send(&CHARGE, Some("ord_1"), Some("k"));
                run.see(charge, Seen::Refused);
            }
            if episode < alerts {
                run.alert_about(AlertKind::ProviderDown, "payment");
            }
            if answers {
                let charge = run.send(&CHARGE, Some("ord_1"), Some("k"));
                run.status(charge, 402);
            }
        }
        run.step("get_order", StepStatus::Success, None);
        run.kept_if(&ALERT_FITS, is_kept);
    }
}

#[test]
fn a_declined_card_is_business() {
    let mut run = Run::new();
    let call = run.create_order("cs_1", "k1");
    run.tell_failure(call, "cs_1", "ord_1", Code::PaymentDeclined);
    run.kept(&ALERT_FITS);
    run.alert_about(AlertKind::ProviderDown, "payment");
    assert!(run.broken(&ALERT_FITS).contains("all that happened was PAYMENT_DECLINED"));
}

#[test]
fn two_charges_that_were_seen_call_a_person() {
    let mut run = Run::new();
    run.create_order("cs_1", "k1");
    run.charge("ord_1");
    run.charge("ord_1");
    run.kept(&ALERT_FITS);
    let look_up = run.send(&LOOK_UP, Some("ord_1"), None);
    run.ok(look_up);
    assert!(run.broken(&ALERT_FITS).contains("two charges that stand"));
    run.alert(AlertKind::DoubleCharge, "ord_1");
    run.kept(&ALERT_FITS);
}

#[test]
fn an_order_that_waits_for_a_person_calls_one() {
    let mut run = Run::new();
    run.create_order("cs_1", "k1");
    run.alert(AlertKind::OrderParked, "ord_1");
    run.broken(&ALERT_FITS);
    run.park("ord_1", "charged");
    run.kept(&ALERT_FITS);
}

#[test]
fn another_amount_calls_a_person_for_a_reason() {
    let mut run = Run::sale();
    run.alert(AlertKind::AmountMismatch, "ord_1");
    assert!(run.broken(&ALERT_FITS).contains("another amount was taken"));
}
