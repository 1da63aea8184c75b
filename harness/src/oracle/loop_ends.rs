//! `loop-ends`: an identical call that keeps failing for good comes to an end, and nothing else does.

use giftgenius::error::Code;
use giftgenius::loops::{FAILURES_MAX, WINDOW};
use serde_json::Value;

use super::conversations::{end, overlap};
use super::evidence::{CallView, Evidence};
use super::json::same_parameters;
use super::keyed::acted;
use super::{Findings, Oracle, Verdict, codes};
use crate::trace::{EventKind, HostReply};

/// The rule.
pub static LOOP_ENDS: Oracle = Oracle {
    id: "loop-ends",
    rule: "Of one user's identical calls (the idempotency_key apart) that fail for good, three within ten minutes are \
           answered as they are; the further ones are answered finally, with what to do instead. Saved answers, pending \
           sales and what may be retried are never replaced by that, and a key that was refused does not count against \
           a call with another one.",
    explanation: "A model in a loop makes the same mistake until its turns are used up, and a fresh key each time makes \
                  it look like another call. A breach is a fourth answer of the same kind, an ending that does not say \
                  what to do instead or says *the same again*, or an ending where there was no loop: fewer than three \
                  final failures before it, or an answer that the key already stood for.",
    requirements: &["F14"],
    check,
};

fn check(evidence: &Evidence<'_>) -> Verdict {
    let mut findings = Findings::of(LOOP_ENDS.id);
    let failures = evidence.calls.iter().filter(|call| is_final(call) || ends_a_loop(call)).count();
    // A single failure is no loop.
    if failures == 0 {
        return Verdict::Kept;
    }
    for call in &evidence.calls {
        let Some((ended, at)) = call.end else { continue };
        let identical: Vec<&CallView<'_>> =
            evidence.calls.iter().filter(|other| !std::ptr::eq(*other, call) && is_identical(call, other)).collect();
        if ends_a_loop(call) {
            let failed_before = |of_key: bool| {
                let before = identical.iter().filter(|other| {
                    ((is_final(other) && refuses_the_key(other) == of_key) || went_unheard(other))
                        && end(other) <= ended
                        && other.end.is_some_and(|(_, then)| then + WINDOW >= at)
                });
                before.count()
            };
            // A key that was used for something else need not have been bound to that.
            let failed = if refuses_the_key(call) {
                failed_before(true)
            } else if is_taken(evidence, call) {
                failed_before(true).max(failed_before(false))
            } else {
                failed_before(false)
            };
            if failed < FAILURES_MAX as usize {
                let message =
                    format!("{} was told that it had failed too often, after {failed} final failures", what(call));
                findings.add(message, [call.start_event, ended]);
            }
            if let Some(saved) = identical.iter().find(|other| is_saved(evidence, other, call)) {
                let message =
                    format!("{} has a saved answer under its key, and was told that it was a loop", what(call));
                findings.add(message, [end(saved), call.start_event, ended]);
            }
            let before = || identical.iter().copied().filter(|other| end(other) <= call.start_event);
            if let Some(wrong) = misleads(call).or_else(|| forgets(call, &before().collect::<Vec<_>>())) {
                findings.add(format!("{} was told that it had failed too often, {wrong}", what(call)), [ended]);
            }
        } else if is_final(call) {
            // Each process counts for itself, and a process that begins has counted nothing.
            let most = FAILURES_MAX as usize * evidence.replicas.count as usize;
            let failed = in_a_row(evidence, &identical, call);
            let saved = identical.iter().any(|other| is_saved(evidence, other, call) || overlap(other, call));
            if failed.len() >= most && !saved && !tells_anothers_order(evidence, call) {
                let message = format!(
                    "{} has failed for good {} times, and was answered {} once more instead of what to do",
                    what(call),
                    failed.len(),
                    code_of(call).map_or("an error", Code::as_str)
                );
                findings.add(message, failed.into_iter().chain([call.start_event, ended]));
            }
        }
    }
    findings.verdict()
}

fn what(call: &CallView<'_>) -> String {
    format!("{} of script step {}", call.started.tool, call.started.step)
}

fn is_identical(one: &CallView<'_>, other: &CallView<'_>) -> bool {
    one.started.tool == other.started.tool
        && one.started.user == other.started.user
        && same_parameters(&one.started.arguments, &other.started.arguments)
}

fn code_of(call: &CallView<'_>) -> Option<Code> {
    call.told.as_ref().filter(|told| told.is_error).and_then(|told| codes::parse(told.code?))
}

fn ends_a_loop(call: &CallView<'_>) -> bool {
    code_of(call) == Some(Code::RepeatedCall)
}

/// A failure that the identical call cannot outlive.
fn is_final(call: &CallView<'_>) -> bool {
    call.told.as_ref().is_some_and(|told| {
        told.is_error && told.retryable == Some(false) && told.effects == Some("none") && !ends_a_loop(call)
    })
}

/// Whether an answer refuses the key alone, so that another one repairs the call.
fn refuses_the_key(call: &CallView<'_>) -> bool {
    let Some(told) = call.told.as_ref().filter(|told| told.is_error) else { return false };
    let violations = || told.structured.pointer("/error/violations").and_then(Value::as_array).into_iter().flatten();
    let of_key = |violation: &Value| violation.get("field").and_then(Value::as_str) == Some("/idempotency_key");
    code_of(call) == Some(Code::KeyConflict) || (violations().next().is_some() && violations().all(of_key))
}

/// Whether a call's key had been used for something else.
fn is_taken(evidence: &Evidence<'_>, call: &CallView<'_>) -> bool {
    let uses = |other: &CallView<'_>| {
        other.started.tool == call.started.tool
            && other.started.user == call.started.user
            && other.started.key == call.started.key
            && other.start_event < call.start_event
    };
    call.started.key.is_some() && evidence.calls.iter().any(|other| uses(other) && !is_identical(other, call))
}

/// Whether nobody heard what became of a call: it may have failed like the others.
fn went_unheard(call: &CallView<'_>) -> bool {
    matches!(call.reply, Some(HostReply::Broken | HostReply::Cancelled | HostReply::NoAnswer))
}

/// Whether a later call's key already stood for an answer: the same key, finished before.
fn is_saved(evidence: &Evidence<'_>, earlier: &CallView<'_>, later: &CallView<'_>) -> bool {
    later.started.key.is_some()
        && earlier.started.key == later.started.key
        && end(earlier) <= later.start_event
        && super::keyed::finished(evidence, earlier)
        && super::keyed::is_remembered(evidence, earlier, later)
        && !ends_a_loop(earlier)
        // A call that a bug took down saved nothing.
        && !super::keyed::taken_down(evidence, earlier)
}

/// Whether an answer is only told: about an order that another call began, and that nothing was done for now.
fn tells_anothers_order(evidence: &Evidence<'_>, call: &CallView<'_>) -> bool {
    let order = call.told.as_ref().and_then(|told| evidence.order_of(told.order_id?));
    let begun = order.and_then(|order| evidence.orders[order].begun_by);
    begun.is_some_and(|begun| evidence.calls[begun].start_event != call.start_event) && !acted(evidence, call)
}

/// The ends of the identical calls that failed for good one after the other, just before a call and within the window.
fn in_a_row(evidence: &Evidence<'_>, identical: &[&CallView<'_>], call: &CallView<'_>) -> Vec<usize> {
    // It is answered by the process that is there at its end.
    let began = evidence.trace.events[..end(call).min(evidence.trace.events.len())]
        .iter()
        .rposition(|event| matches!(event.kind, EventKind::Restarted | EventKind::Crashed))
        .unwrap_or(0);
    let mut ended: Vec<(usize, &CallView<'_>)> = identical
        .iter()
        .filter(|other| !is_final(other) || refuses_the_key(other) == refuses_the_key(call))
        .map(|other| (end(other), *other))
        .filter(|(ended, _)| (began..call.start_event).contains(ended))
        .collect();
    ended.sort_unstable_by_key(|(ended, _)| *ended);
    let mut row: Vec<(usize, std::time::Duration)> = Vec::new();
    for (ended, other) in ended {
        let at = other.end.map_or(call.start, |(_, at)| at);
        if !is_final(other) {
            if !ends_a_loop(other) {
                row.clear();
            }
            continue;
        }
        if row.first().is_some_and(|(_, since)| at >= *since + WINDOW) {
            row.clear();
        }
        row.push((ended, at));
    }
    let tolerance = evidence.tolerance(std::time::Duration::from_secs(1));
    let answered = call.end.map_or(call.start, |(_, at)| at);
    if row.first().is_some_and(|(_, since)| answered + tolerance >= *since + WINDOW) {
        return Vec::new();
    }
    row.into_iter().map(|(ended, _)| ended).collect()
}

/// What is wrong with an answer that ends a loop.
fn misleads(call: &CallView<'_>) -> Option<String> {
    let Some(HostReply::Tool { structured, .. }) = call.reply else { return None };
    let next = structured.pointer("/error/next").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    if next.is_empty() {
        return Some(String::from("and not what to do instead"));
    }
    if next.iter().any(|next| next == "same_key_again") {
        return Some(String::from("and to make the same call again"));
    }
    (structured.pointer("/error/retryable") != Some(&Value::Bool(false)))
        .then(|| String::from("and that it may be retried"))
}

/// Whether an ending leaves nothing but to ask the person or to give up, although each failure before it said what else could be
/// done. One that nobody heard may have said nothing else either.
fn forgets(ending: &CallView<'_>, before: &[&CallView<'_>]) -> Option<String> {
    let says_more = |call: &CallView<'_>| {
        let told = call.told.as_ref().and_then(|told| told.structured.pointer("/error/next"));
        let next = told.and_then(Value::as_array).into_iter().flatten();
        next.into_iter().any(|next| next != "ask_person" && next != "give_up")
    };
    let mut failures = before.iter().filter(|other| is_final(other)).peekable();
    let forgets = !says_more(ending)
        && before.iter().all(|other| !went_unheard(other))
        && failures.peek().is_some()
        && failures.all(|failure| says_more(failure));
    forgets.then(|| String::from("and not what the failures before it had said could be done"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::oracle::testing::Run;

    fn declined(run: &mut Run, key: &str) {
        let call = run.create_order("cs_1", key);
        run.reserve(key);
        run.fail_with(call, Code::PaymentDeclined, Some((key, giftgenius::error::Effects::None)));
    }

    fn stopped(run: &mut Run, key: &str) {
        let call = run.create_order("cs_1", key);
        run.fail_with(call, Code::RepeatedCall, None);
    }

    fn looping(times: usize) -> Run {
        let mut run = Run::new();
        for key in ["k1", "k2", "k3", "k4", "k5"].into_iter().take(times) {
            declined(&mut run, key);
        }
        run
    }

    #[test]
    fn three_failures_and_an_ending_are_right_and_a_fourth_failure_is_not() {
        let mut run = looping(3);
        run.kept(&LOOP_ENDS);
        stopped(&mut run, "k4");
        run.kept(&LOOP_ENDS);
        assert!(looping(4).broken(&LOOP_ENDS).contains("once more instead of what to do"));
    }

    #[test]
    fn a_refused_key_does_not_count_against_a_call_with_another_one() {
        let refused = |run: &mut Run, code: Code, key: &str| {
            let call = run.create_order("cs_1", key);
            let mut error = run.error(code, None);
            if code == Code::InvalidArguments {
                error["error"]["violations"] = json!([{"field": "/idempotency_key", "error_type": "length"}]);
            }
            run.fail(call, error);
        };
        for code in [Code::InvalidArguments, Code::KeyConflict] {
            let mut run = Run::new();
            if code == Code::KeyConflict {
                for key in ["k1", "k2", "k3", "k4", "k5"] {
                    let call = run.create_order("cs_2", key);
                    run.answer(call, json!({"status": "success"}));
                }
            }
            for key in ["k1", "k2", "k3"] {
                refused(&mut run, code, key);
            }
            run.kept(&LOOP_ENDS);
            declined(&mut run, "k9");
            run.kept(&LOOP_ENDS);
            if code == Code::KeyConflict {
                stopped(&mut run, "k4");
                run.kept(&LOOP_ENDS);
            }
            stopped(&mut run, "k8");
            assert!(run.broken(&LOOP_ENDS).contains("after 1 final failures"), "{code:?}");
        }
        let mut run = Run::new();
        for key in ["k1", "k2", "k3", "k4"] {
            refused(&mut run, Code::InvalidArguments, key);
        }
        assert!(run.broken(&LOOP_ENDS).contains("once more instead of what to do"));
    }

    #[test]
    fn a_key_that_bound_nothing_counts_for_nothing() {
        let mut run = Run::new();
        let call = run.create_order("cs_2", "k1");
        run.fail_with(call, Code::SessionNotFound, None);
        for key in ["k2", "k3", "k4"] {
            declined(&mut run, key);
        }
        stopped(&mut run, "k1");
        run.kept(&LOOP_ENDS);
    }

    #[test]
    fn a_saved_answer_is_given_again_and_is_never_replaced() {
        let mut run = looping(3);
        let call = run.create_order("cs_1", "k1");
        run.fail_with(call, Code::PaymentDeclined, Some(("k1", giftgenius::error::Effects::None)));
        run.kept(&LOOP_ENDS);
        stopped(&mut run, "k1");
        assert!(run.broken(&LOOP_ENDS).contains("has a saved answer"));
    }

    #[test]
    fn an_order_that_is_there_is_told_however_often() {
        let mut run = looping(3);
        let call = run.create_order("cs_1", "k4");
        run.fail_with(call, Code::PaymentDeclined, Some(("k3", giftgenius::error::Effects::None)));
        run.kept(&LOOP_ENDS);
    }

    #[test]
    fn an_ending_without_a_loop_is_a_breach() {
        let mut run = looping(2);
        stopped(&mut run, "k3");
        assert!(run.broken(&LOOP_ENDS).contains("after 2 final failures"));
        let mut run = Run::new();
        for _ in 0..4 {
            let call = run.call("search_products", json!({"query": "tea"}));
            run.fail_with(call, Code::CatalogUnavailable, None);
        }
        run.kept(&LOOP_ENDS);
        let call = run.call("search_products", json!({"query": "tea"}));
        run.fail_with(call, Code::RepeatedCall, None);
        run.broken(&LOOP_ENDS);
    }

    #[test]
    fn an_ending_names_what_the_failures_before_had_named() {
        let ended = |said: &[&str], unheard: bool| {
            let mut run = Run::new();
            for key in ["k1", "k2", "k3"] {
                let call = run.create_order("cs_1", key);
                run.reserve(key);
                let mut error = run.error(Code::PaymentDeclined, Some((key, giftgenius::error::Effects::None)));
                error["error"]["next"] = json!(["another_payment_method"]);
                run.fail(call, error);
            }
            if unheard {
                let call = run.create_order("cs_1", "k4");
                run.reply(call, HostReply::Broken);
            }
            let call = run.create_order("cs_1", "k5");
            let mut error = run.error(Code::RepeatedCall, None);
            error["error"]["next"] = json!(said);
            run.fail(call, error);
            run
        };
        ended(&["another_payment_method", "ask_person"], false).kept(&LOOP_ENDS);
        // Another process or a jump of the clock may have given it another cause, with remedies of its own.
        ended(&["new_checkout_session"], false).kept(&LOOP_ENDS);
        assert!(ended(&["ask_person"], false).broken(&LOOP_ENDS).contains("what the failures before it had said"));
        ended(&["ask_person"], true).kept(&LOOP_ENDS);
    }

    #[test]
    fn an_ending_says_what_to_do_instead() {
        let mut run = looping(3);
        let call = run.create_order("cs_1", "k4");
        let mut error = run.error(Code::RepeatedCall, None);
        error["error"]["next"] = json!([]);
        run.fail(call, error);
        assert!(run.broken(&LOOP_ENDS).contains("not what to do instead"));
    }

    #[test]
    fn a_process_that_began_under_the_call_has_counted_nothing() {
        let under_the_call = |die: &dyn Fn(&mut Run)| {
            let mut run = looping(3);
            let call = run.create_order("cs_1", "k4");
            die(&mut run);
            run.reserve("k4");
            run.fail_with(call, Code::PaymentDeclined, Some(("k4", giftgenius::error::Effects::None)));
            run
        };
        under_the_call(&|run| run.die(2)).kept(&LOOP_ENDS);
        under_the_call(&|_| {}).broken(&LOOP_ENDS);
    }

    #[test]
    fn after_the_window_it_may_be_tried_again() {
        let mut run = looping(3);
        run.wait_ms(u64::try_from(WINDOW.as_millis()).expect("minutes"));
        declined(&mut run, "k4");
        run.kept(&LOOP_ENDS);
    }
}
