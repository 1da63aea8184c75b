use super::*;
use crate::fault::site::Place;
use crate::fault::{Expiry, Fault, RetryAfter};
use crate::oracle::testing::Run;
use crate::provider::operations::{QUOTE, RELEASE, RESERVE, SEARCH};
use crate::scenario::model::WorldKind;

/// Requests of `ord_1/1`'s release, each failing with 500, sent after these gaps.
fn releases(gaps_ms: &[u64]) -> Run {
    let mut run = Run::new();
    run.create_order("cs_1", "k1");
    for gap in gaps_ms {
        run.wait_ms(*gap);
        let release = run.send(&RELEASE, Some("ord_1/1"), Some("r"));
        run.status(release, 500);
    }
    run
}

/// A reservation that the provider turns away with this `Retry-After`.
fn reserve_is_put_off(run: &mut Run, asked_s: u64) {
    let reserve = run.send(&RESERVE, Some("ord_1/1"), Some("r"));
    run.see(reserve, Seen::Reply { status: 429, retry_after: Some(Duration::from_secs(asked_s)), intact: true });
}

#[test]
fn the_envelope_of_the_foreground_is_kept() {
    releases(&[0, 200, 400, 801]).kept(&BACKOFF);
    releases(&[0, 400, 600, 1000]).kept(&BACKOFF);
}

#[test]
fn too_early_too_late_and_too_often_are_breaches() {
    for gaps in [&[0, 100][..], &[0, 500], &[0, 200, 200], &[0, 200, 400, 1100], &[0, 200, 400, 800, 1600], &[0, 0]] {
        let said = releases(gaps).broken(&BACKOFF);
        assert!(said.contains("the policy waits"), "{said}");
    }
}

/// Requests of `ord_1/1`'s release by two processes by turns, each failing with 500.
fn releases_of_two(processes: &[u32], gap_ms: u64) -> Run {
    let mut run = Run::new();
    run.replicas.count = 2;
    run.create_order("cs_1", "k1");
    for process in processes {
        run.process = *process;
        let release = run.send(&RELEASE, Some("ord_1/1"), Some("r"));
        run.status(release, 500);
        run.wait_ms(gap_ms);
    }
    run
}

#[test]
fn each_process_is_held_to_its_own_attempts() {
    // 100 ms after the other's, 200 ms after its own.
    releases_of_two(&[1, 2, 1, 2], 100).kept(&BACKOFF);
    // 200 ms after the other's, 400 ms after its own first: neither the first repeat nor the second.
    let said = releases_of_two(&[1, 2, 1], 250).broken(&BACKOFF);
    assert!(said.contains("inventory.release#3 was sent 500 ms after inventory.release#1 had ended"), "{said}");
}

#[test]
fn one_process_that_does_not_wait_is_told_from_one_that_does() {
    let mut run = releases_of_two(&[1, 2, 1, 2], 100);
    run.process = 1;
    let release = run.send(&RELEASE, Some("ord_1/1"), Some("r"));
    run.status(release, 500);
    let said = run.broken(&BACKOFF);
    assert!(said.contains("inventory.release#5 was sent 200 ms after inventory.release#3"), "{said}");
}

#[test]
fn what_takes_over_counts_from_its_first_attempt() {
    let mut run = releases(&[0]);
    run.die(2);
    run.wait_ms(10);
    let release = run.send(&RELEASE, Some("ord_1/1"), Some("r"));
    run.status(release, 500);
    run.kept(&BACKOFF);
}

#[test]
fn what_could_not_be_written_down_ends_the_series_of_its_own_process_only() {
    for (before, between, process, broken) in
        [(false, false, 1, true), (true, false, 1, true), (false, true, 1, false), (false, true, 2, true)]
    {
        let mut run = Run::new();
        run.replicas.count = 2;
        run.create_order("cs_1", "k1");
        let lose = |run: &mut Run| {
            run.process = process;
            run.lost_write();
            run.process = 1;
        };
        if before {
            lose(&mut run);
        }
        reserve_is_put_off(&mut run, 1);
        if between {
            lose(&mut run);
        }
        run.wait_ms(300);
        let reserve = run.send(&RESERVE, Some("ord_1/1"), Some("r"));
        run.ok(reserve);
        run.kept_unless(&BACKOFF, broken.then_some("not before the 1000 ms that Retry-After asked for"));
    }
}

#[test]
fn a_lost_write_may_be_anothers_and_then_the_series_goes_on() {
    for (gap_ms, broken) in [(400, false), (200, false), (100, true)] {
        let mut run = releases(&[0]);
        run.lost_write();
        for gap in [200, gap_ms] {
            run.wait_ms(gap);
            let release = run.send(&RELEASE, Some("ord_1/1"), Some("r"));
            run.status(release, 500);
        }
        run.kept_if(&BACKOFF, !broken);
    }
}

#[test]
fn background_rounds_keep_their_own_delays() {
    releases(&[0, 200, 401, 800, 5_000, 10_000, 20_000]).kept(&BACKOFF);
    releases(&[0, 5_000, 10_000]).kept(&BACKOFF);
    releases(&[0, 200, 400, 800, 5_000, 5_000]).broken(&BACKOFF);
}

#[test]
fn a_pause_longer_than_any_delay_begins_the_count_again() {
    for (gaps_ms, kept) in [
        ([0, 20_500, 5_000], true),
        ([0, 20_000, 5_000], false),
        ([0, 5_000, 5_000], false),
        ([0, 5_000, 10_000], true),
    ] {
        let mut run = releases(&gaps_ms);
        run.policy.background.delay_cap = Duration::from_secs(20);
        run.kept_if(&BACKOFF, kept);
    }
}

#[test]
fn a_time_out_ends_an_attempt() {
    let mut run = Run::new();
    run.create_order("cs_1", "k1");
    for gap in [0, 300, 500] {
        run.wait_ms(gap);
        let release = run.send(&RELEASE, Some("ord_1/1"), Some("r"));
        run.silence(release);
    }
    run.kept(&BACKOFF);
    let release = run.send(&RELEASE, Some("ord_1/1"), Some("r"));
    run.silence(release);
    run.broken(&BACKOFF);
}

#[test]
fn a_retry_after_past_the_deadline_is_told_to_the_caller() {
    for (asked_s, told_ms, broken) in [(40, None, true), (40, Some(40_000), false), (2, None, false)] {
        let mut run = Run::new();
        let call = run.create_order("cs_1", "k1");
        reserve_is_put_off(&mut run, asked_s);
        let mut error = run.error(giftgenius::error::Code::InventoryUnavailable, None);
        if let Some(told_ms) = told_ms {
            error["error"]["retry_after_ms"] = serde_json::json!(told_ms);
        }
        run.fail(call, error);
        run.kept_unless(&BACKOFF, broken.then_some("was told INVENTORY_UNAVAILABLE without it"));
    }
}

#[test]
fn a_process_that_is_handed_the_call_anew_has_its_whole_time() {
    // The attempt is made 20 s after the call began; the deadline is 25 s after it, and after the start in between.
    for (dies, next, asked_s, broken) in [(false, 1, 10, true), (true, 2, 10, false), (true, 2, 26, true)] {
        let mut run = Run::new();
        let call = run.create_order("cs_1", "k1");
        run.wait_ms(20_000);
        if dies {
            run.die(next);
        }
        reserve_is_put_off(&mut run, asked_s);
        run.fail_with(call, giftgenius::error::Code::InventoryUnavailable, None);
        run.kept_unless(&BACKOFF, broken.then_some("was told INVENTORY_UNAVAILABLE without it"));
    }
}

#[test]
fn what_a_provider_asks_of_one_who_lost_the_order_is_not_told() {
    for (ended_by, broken) in [(None, true), (Some(1), true), (Some(2), false)] {
        let mut run = Run::new();
        run.replicas.count = 2;
        let call = run.create_order("cs_1", "k1");
        let reserve = run.send(&RESERVE, Some("ord_1/1"), Some("r"));
        if let Some(process) = ended_by {
            run.process = process;
            run.order_step("order", giftgenius::step_log::StepStatus::Failed, "ord_1");
            run.process = 1;
        }
        run.see(reserve, Seen::Reply { status: 429, retry_after: Some(Duration::from_secs(40)), intact: true });
        run.fail_with(call, giftgenius::error::Code::InventoryUnavailable, None);
        run.kept_unless(&BACKOFF, broken.then_some("was told INVENTORY_UNAVAILABLE without it"));
    }
}

#[test]
fn retry_after_is_respected_up_to_its_cap() {
    for (asked_s, gap_ms, broken) in [
        (2, 2_000, false),
        (2, 2_200, false),
        (2, 300, true),
        (2, 1_900, true),
        (60, 30_000, false),
        (60, 29_000, true),
    ] {
        let mut run = Run::new();
        run.create_order("cs_1", "k1");
        let release = run.send(&RELEASE, Some("ord_1/1"), Some("r"));
        run.see(release, Seen::Reply { status: 429, retry_after: Some(Duration::from_secs(asked_s)), intact: true });
        run.wait_ms(gap_ms);
        run.send(&RELEASE, Some("ord_1/1"), Some("r"));
        run.kept_unless(&BACKOFF, broken.then_some("Retry-After"));
    }
}

#[test]
fn a_look_up_between_two_charges_takes_its_time() {
    for (delay_ms, broken) in [(300, false), (900, true)] {
        let mut run = Run::new();
        run.create_order("cs_1", "k1");
        let charge = run.send(&CHARGE, Some("ord_1"), Some("c"));
        run.silence(charge);
        let look_up = run.send(&LOOK_UP, Some("ord_1"), None);
        run.silence(look_up);
        run.wait_ms(delay_ms);
        run.send(&CHARGE, Some("ord_1"), Some("c"));
        run.kept_if(&BACKOFF, !broken);
    }
}

#[test]
fn an_attempt_that_ended_with_its_look_up_counts_among_those_of_the_charge() {
    for (gap_ms, broken) in [(800, false), (1_000, false), (400, true), (1_300, true)] {
        let mut run = Run::new();
        run.create_order("cs_1", "k1");
        let charge = run.send(&CHARGE, Some("ord_1"), Some("c"));
        run.status(charge, 500);
        run.wait_ms(300);
        let look_up = run.send(&LOOK_UP, Some("ord_1"), None);
        run.status(look_up, 503);
        run.wait_ms(500);
        let look_up = run.send(&LOOK_UP, Some("ord_1"), None);
        run.ok(look_up);
        let charge = run.send(&CHARGE, Some("ord_1"), Some("c"));
        run.status(charge, 503);
        run.wait_ms(gap_ms);
        run.send(&CHARGE, Some("ord_1"), Some("c"));
        run.kept_if(&BACKOFF, !broken);
    }
}

#[test]
fn a_refund_whose_reference_is_closed_first_takes_its_time() {
    let mut run = Run::new();
    run.create_order("cs_1", "k1");
    for gap in [0, 300] {
        run.wait_ms(gap);
        let close = run.send(&CANCEL, Some("ord_1"), Some("x"));
        run.wait_ms(500);
        run.ok(close);
        let refund = run.send(&REFUND, Some("ord_1"), Some("r"));
        run.status(refund, 500);
    }
    run.kept(&BACKOFF);
    run.wait_ms(600);
    run.send(&REFUND, Some("ord_1"), Some("r"));
    run.wait_ms(900);
    run.send(&REFUND, Some("ord_1"), Some("r"));
    run.broken(&BACKOFF);
}

#[test]
fn a_refund_in_the_second_attempt_waits_as_the_third() {
    for (gap_ms, broken) in [(400, false), (600, false), (300, false), (1_200, true), (100, true)] {
        let mut run = Run::new();
        run.create_order("cs_1", "k1");
        let close = run.send(&CANCEL, Some("ord_1"), Some("x"));
        run.status(close, 500);
        run.wait_ms(300);
        let close = run.send(&CANCEL, Some("ord_1"), Some("x"));
        run.ok(close);
        let refund = run.send(&REFUND, Some("ord_1"), Some("r"));
        run.status(refund, 500);
        run.wait_ms(gap_ms);
        run.send(&REFUND, Some("ord_1"), Some("r"));
        run.kept_if(&BACKOFF, !broken);
    }
}

#[test]
fn a_date_is_only_good_to_a_second() {
    for (gap_ms, broken) in [(2_000, false), (2_980, false), (4_180, false), (1_000, true), (4_500, true)] {
        let mut run = Run::new();
        run.create_order("cs_1", "k1");
        let fault = Some(Fault::Status(503, Some(RetryAfter::Date(2))));
        let release = run.send_faulty(&RELEASE, Some("ord_1/1"), Some("r"), fault);
        let retry_after = Some(Duration::from_millis(2_980));
        run.see(release, Seen::Reply { status: 503, retry_after, intact: true });
        run.wait_ms(gap_ms);
        run.send(&RELEASE, Some("ord_1/1"), Some("r"));
        run.kept_if(&BACKOFF, !broken);
    }
}

#[test]
fn other_calls_and_readings_that_succeeded_are_no_retries() {
    let mut run = Run::new();
    for _ in 0..2 {
        run.call("create_checkout_session", serde_json::json!({}));
        let quote = run.send(&QUOTE, None, None);
        run.status(quote, 503);
    }
    run.kept(&BACKOFF);
    let quote = run.send(&QUOTE, None, None);
    run.status(quote, 200);
    assert!(run.broken(&BACKOFF).contains("catalog.quote#3"));
}

#[test]
fn another_search_after_one_that_failed_is_no_retry() {
    let mut run = Run::new();
    run.call("suggest_gifts", serde_json::json!({}));
    for (gap, status) in [(0, 500), (300, 400), (0, 500)] {
        run.wait_ms(gap);
        let search = run.send(&SEARCH, None, None);
        run.status(search, status);
    }
    run.kept(&BACKOFF);
    run.send(&SEARCH, None, None);
    run.broken(&BACKOFF);
}

#[test]
fn a_search_for_something_else_is_no_retry() {
    for (question, broken) in [(0, true), (1, false)] {
        let mut run = Run::new();
        run.call("suggest_gifts", serde_json::json!({}));
        let search = run.send(&SEARCH, None, None);
        // More was answered than was asked for, which is left out.
        run.see(search, Seen::Reply { status: 200, retry_after: None, intact: false });
        run.question = question;
        run.send(&SEARCH, None, None);
        run.kept_unless(&BACKOFF, broken.then_some("catalog.search#2 was sent 0 ms after catalog.search#1 had ended"));
    }
}

/// Searches for the same, by one or two callers at once, sent after these gaps; each fails with 500.
fn searches(callers: usize, gaps_ms: &[u64]) -> Run {
    let mut run = Run::new();
    run.call("search_products", serde_json::json!({}));
    for _ in 1..callers {
        run.call_again("search_products", serde_json::json!({}));
    }
    for gap in gaps_ms {
        run.wait_ms(*gap);
        let search = run.send(&SEARCH, None, None);
        run.status(search, 500);
    }
    run
}

#[test]
fn two_callers_who_ask_the_same_at_once_each_wait_for_themselves() {
    // At 0 and 100 ms, and again 250 and 350 ms after each.
    let of_two = [0, 100, 150, 200];
    searches(2, &of_two).kept(&BACKOFF);
    assert!(searches(1, &of_two).broken(&BACKOFF).contains("catalog.search#3 was sent 150 ms after"));
    // One of them does not wait, whichever it is.
    assert!(searches(2, &[0, 100, 50]).broken(&BACKOFF).contains("catalog.search#3 was sent 50 ms after"));
    searches(2, &[0, 100, 150, 40]).broken(&BACKOFF);
    // The second caller begins with its call.
    let mut run = searches(1, &[0, 100]);
    run.call_again("search_products", serde_json::json!({}));
    run.broken(&BACKOFF);
}

#[test]
fn how_many_repeats_there_were_may_show_only_later() {
    // After a lost write a wait that was asked for fits the first repeat, the second and the third.
    for (gap_ms, broken) in [(400, false), (800, false), (200, true), (700, true)] {
        let mut run = Run::new();
        run.create_order("cs_1", "k1");
        reserve_is_put_off(&mut run, 1);
        run.lost_write();
        run.wait_ms(1100);
        reserve_is_put_off(&mut run, 1);
        run.wait_ms(1100);
        let reserve = run.send(&RESERVE, Some("ord_1/1"), Some("r"));
        run.status(reserve, 500);
        run.wait_ms(gap_ms);
        let reserve = run.send(&RESERVE, Some("ord_1/1"), Some("r"));
        run.ok(reserve);
        run.kept_unless(&BACKOFF, broken.then_some("inventory.reserve#4 was sent"));
    }
}

#[test]
fn an_order_that_another_process_had_in_between_counts_from_the_first_attempt_again() {
    for (writer, order, kept) in [(2, "ord_1", true), (1, "ord_1", false), (2, "ord_2", false)] {
        let mut run = Run::new();
        run.replicas.count = 2;
        run.create_order("cs_1", "k1");
        reserve_is_put_off(&mut run, 60);
        run.process = writer;
        run.write_of(order);
        run.process = 1;
        let reserve = run.send(&RESERVE, Some("ord_1/1"), Some("r"));
        run.ok(reserve);
        run.kept_unless(&BACKOFF, (!kept).then_some("that Retry-After asked for"));
    }
}

#[test]
fn a_process_whose_calendar_jumped_may_take_an_order_from_itself() {
    for (jumps, answered, kept) in [(true, false, true), (false, false, false), (true, true, false)] {
        let mut run = Run::new();
        run.create_order("cs_1", "k1");
        let release = run.send(&RELEASE, Some("ord_1/1"), Some("r"));
        if answered {
            run.status(release, 500);
        }
        if jumps {
            run.strike(Place::JournalWrite, Fault::Jump(Expiry::Lease));
        }
        let again = run.send(&RELEASE, Some("ord_1/1"), Some("r"));
        run.ok(again);
        if !answered {
            run.status(release, 500);
        }
        run.kept_unless(&BACKOFF, (!kept).then_some("inventory.release#2 was sent"));
    }
}

#[test]
fn the_wire_has_a_tolerance() {
    let mut run = releases(&[0, 600]);
    run.broken(&BACKOFF);
    run.world = WorldKind::Wire;
    run.kept(&BACKOFF);
}

#[test]
fn delays_without_jitter_are_a_breach_where_chance_cannot_explain_them() {
    let said = releases(&[0, 200, 400, 800]).broken(&BACKOFF);
    assert!(said.contains("3 repeats left at the very end of their delay"), "{said}");
    // They may be rounds in the background.
    let mut run = releases(&[0, 200, 400, 800]);
    run.policy.background.delay_base = Duration::ZERO;
    run.kept(&BACKOFF);
    releases(&[0, 200, 400]).kept(&BACKOFF);
    let mut run = releases(&[0, 200, 400, 800]);
    run.policy.retry.jitter_max = Duration::ZERO;
    run.kept(&BACKOFF);
    run.policy.retry.jitter_max = Duration::from_millis(200);
    run.world = WorldKind::Wire;
    run.kept(&BACKOFF);
}
