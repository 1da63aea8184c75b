//! Undos that are repeated as often and as soon as promised, and those that are not.

use giftgenius::step_log::LogLine;

use AttemptUrgency::{Background, Caller, Undo};

use super::*;
use crate::oracle::testing::Run;
use crate::provider::OperationSpec;
use crate::trace::CallId;

/// A sale that has to be undone, with its caller waiting.
fn failing() -> (Run, CallId) {
    let mut run = Run::new();
    run.session("cs_1");
    let call = run.create_order("cs_1", "k1");
    run.reserve("ord_1");
    (run, call)
}

/// A failed attempt with this urgency, so long after the one before it.
fn attempt(run: &mut Run, operation: &'static OperationSpec, urgency: AttemptUrgency, after_ms: u64) {
    run.wait_ms(after_ms);
    let reference = if operation.label == RELEASE.label { "ord_1/1" } else { "ord_1" };
    let sent = run.send(operation, Some(reference), Some(operation.label));
    run.status(sent, 503);
    let last = run.record.trace.events.last_mut().map(|event| &mut event.kind);
    if let Some(EventKind::Log(line)) = last
        && let LogLine::Attempt(line) = &mut **line
    {
        line.urgency = urgency;
    }
}

/// Four attempts while the caller waits, and as many rounds in the background.
fn undone(rounds: u32) -> Run {
    let (mut run, call) = failing();
    for after in [0, 350, 500, 900] {
        attempt(&mut run, &RELEASE, Undo, after);
    }
    run.tell_pending(call, "cs_1", "ord_1");
    for round in 0..rounds {
        let delay = (5_000 << round).min(600_000);
        attempt(&mut run, &RELEASE, Background, delay);
    }
    run
}

#[test]
fn an_undo_is_owed_all_its_rounds() {
    undone(8).kept(&UNDO_OWED);
    let said = undone(7).broken(&UNDO_OWED);
    assert!(said.contains("nothing was asked for order ord_1 afterwards") && said.contains("7 rounds of 8"), "{said}");
    undone(0).broken(&UNDO_OWED);
}

#[test]
fn an_undo_is_repeated_while_its_caller_waits() {
    for (after, broken) in [(350, None), (401, None), (402, Some("due within 400 ms")), (5_000, Some("5000 ms later"))]
    {
        let (mut run, _) = failing();
        attempt(&mut run, &RELEASE, Undo, 0);
        run.wait_ms(after);
        let release = run.send(&RELEASE, Some("ord_1/1"), Some(RELEASE.label));
        run.ok(release);
        run.kept_unless(&UNDO_OWED, broken);
    }
}

#[test]
fn a_commit_that_the_budget_cannot_pay_for_goes_on_in_the_background() {
    for (operation, urgency, after, is_kept) in [
        (&COMMIT, Caller, 5_000, true),
        (&COMMIT, Caller, 5_002, false),
        (&LOOK_UP, Caller, 5_000, true),
        (&LOOK_UP, Caller, 6_000, false),
        (&RELEASE, Background, 5_000, true),
        (&RELEASE, Background, 12_000, false),
    ] {
        let (mut run, _) = failing();
        attempt(&mut run, operation, urgency, 0);
        run.wait_ms(after);
        let again = run.send(operation, Some("ord_1/1"), Some(operation.label));
        run.ok(again);
        run.kept_if(&UNDO_OWED, is_kept);
    }
}

#[test]
fn retry_after_is_waited_for_and_no_longer() {
    for (after, is_kept) in [(7_200, true), (7_300, false)] {
        let (mut run, _) = failing();
        let release = run.send(&RELEASE, Some("ord_1/1"), Some(RELEASE.label));
        run.see(release, Seen::Reply { status: 503, retry_after: Some(Duration::from_secs(7)), intact: true });
        if let Some(EventKind::Log(line)) = run.record.trace.events.last_mut().map(|event| &mut event.kind)
            && let LogLine::Attempt(line) = &mut **line
        {
            line.urgency = Undo;
        }
        run.wait_ms(after);
        let release = run.send(&RELEASE, Some("ord_1/1"), Some(RELEASE.label));
        run.ok(release);
        run.kept_if(&UNDO_OWED, is_kept);
    }
}

#[test]
fn no_caller_is_told_pending_while_the_undo_still_has_attempts() {
    let (mut run, call) = failing();
    attempt(&mut run, &RELEASE, Undo, 0);
    run.wait_ms(100);
    // Its sale is to be undone.
    run.tell_pending(call, "cs_1", "ord_1");
    run.wait_ms(200);
    let release = run.send(&RELEASE, Some("ord_1/1"), Some(RELEASE.label));
    run.ok(release);
    assert!(run.broken(&UNDO_OWED).contains("tried 1 times of 4"));
}

#[test]
fn near_the_end_of_the_call_the_background_takes_over() {
    let (mut run, _) = failing();
    run.wait_ms(24_400);
    attempt(&mut run, &RELEASE, Undo, 0);
    run.wait_ms(5_000);
    let release = run.send(&RELEASE, Some("ord_1/1"), Some(RELEASE.label));
    run.ok(release);
    run.kept(&UNDO_OWED);
}

#[test]
fn nothing_is_owed_by_a_process_that_had_lost_the_order_to_another() {
    for is_lost in [true, false] {
        let (mut run, _) = failing();
        run.replicas.count = 2;
        run.process = if is_lost { 2 } else { 1 };
        run.write_of("ord_1");
        run.process = 1;
        attempt(&mut run, &RELEASE, Background, 0);
        run.kept_if(&UNDO_OWED, is_lost);
    }
}

#[test]
fn a_call_that_is_made_while_nothing_runs_has_its_time_from_the_next_start() {
    for (later, broken) in [(24_400, None), (20_000, Some("the next attempt while a caller waits"))] {
        let mut run = Run::new();
        run.session("cs_1");
        run.push(EventKind::Crashed);
        run.create_order("cs_1", "k1");
        run.wait_ms(20_000);
        run.process = 2;
        run.push(EventKind::Restarted);
        run.reserve("ord_1");
        run.wait_ms(2_000);
        // It joins the work of the call before.
        run.create_order("cs_1", "k1");
        run.wait_ms(later - 2_000);
        attempt(&mut run, &RELEASE, Undo, 0);
        run.wait_ms(5_000);
        let release = run.send(&RELEASE, Some("ord_1/1"), Some(RELEASE.label));
        run.ok(release);
        run.kept_unless(&UNDO_OWED, broken);
    }
}

#[test]
fn nothing_is_owed_by_who_died_or_lost_its_store_or_was_refused_for_good() {
    let (mut run, _) = failing();
    attempt(&mut run, &RELEASE, Undo, 0);
    run.die(2);
    run.kept(&UNDO_OWED);

    let (mut run, _) = failing();
    attempt(&mut run, &RELEASE, Undo, 0);
    run.lost_write();
    run.kept(&UNDO_OWED);

    let (mut run, _) = failing();
    let release = run.send(&RELEASE, Some("ord_1/1"), Some(RELEASE.label));
    run.status(release, 400);
    run.kept(&UNDO_OWED);
}

#[test]
fn a_key_that_is_not_accepted_is_tried_again_in_the_background() {
    let (mut run, _) = failing();
    let release = run.send(&RELEASE, Some("ord_1/1"), Some(RELEASE.label));
    run.status(release, 401);
    run.wait_ms(5_000);
    let release = run.send(&RELEASE, Some("ord_1/1"), Some(RELEASE.label));
    run.ok(release);
    run.kept(&UNDO_OWED);
}

#[test]
fn on_the_wire_a_round_may_be_as_late_as_the_machine_is_busy_but_comes() {
    for comes in [true, false] {
        let (mut run, _) = failing();
        run.world = WorldKind::Wire;
        attempt(&mut run, &RELEASE, Undo, 0);
        run.wait_ms(60_000);
        if comes {
            let release = run.send(&RELEASE, Some("ord_1/1"), Some(RELEASE.label));
            run.ok(release);
        }
        run.kept_if(&UNDO_OWED, comes);
    }
}
