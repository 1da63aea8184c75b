//! `error-honest`: `retryable` says what comes of the identical call.

use std::time::Duration;

use giftgenius::error::{Code, ErrorType};

use super::conversations::{apart, jumped};
use super::evidence::{CallView, Evidence, ExchangeView};
use super::json::same_parameters;
use super::keyed::{is_remembered, sent_for, share_a_key};
use super::{Findings, Oracle, Verdict, codes};
use crate::fault::{Fault, Moment};
use crate::trace::{Event, EventKind, HostReply};

/// The rule.
pub static ERROR_HONEST: Oracle = Oracle {
    id: "error-honest",
    rule: "After an error that says `retryable: true`, the identical call with the same key does not fail in the same \
           way, or in another technical one, once nothing goes wrong any more; after a sale's error that says \
           `retryable: false` it does not succeed while the key is remembered, and after any tool's that is the \
           caller's own mistake not at once.",
    explanation: "The model decides by this one word whether it tries again. A `true` that is none makes it knock at a \
                  closed door until its turns are used up; a `false` that is none loses a sale that the next call \
                  would have made. Judged where the run repeats a call: it must come no sooner than `retry_after_ms` \
                  asks, and, for a `true`, nothing may have gone wrong since the error. What the identical call finds \
                  instead (sold out meanwhile, another refusal) is no lie. Nor is it one that a loop ended (REPEATED_CALL) \
                  and a process that has counted nothing lets the call through.",
    requirements: &["F13"],
    check,
};

fn check(evidence: &Evidence<'_>) -> Verdict {
    let mut findings = Findings::of(ERROR_HONEST.id);
    for (place, earlier) in evidence.calls.iter().enumerate() {
        let Some(error) = error_of(earlier) else { continue };
        let Some((end, ended)) = earlier.end else { continue };
        let later = evidence.calls[place + 1..].iter().find(|later| {
            later.start_event > end && later.start >= ended + error.retry_after && is_identical(earlier, later)
        });
        if let Some(later) = later
            && let Some(what) = contradicts(evidence, &error, earlier, (end, ended), later)
        {
            let message = format!(
                "{} of script step {} was told {} with `retryable: {}`, and the identical call {what}",
                earlier.started.tool, earlier.started.step, error.name, error.retryable
            );
            let later_end = later.end.map(|(event, _)| event);
            findings.add(message, [end, later.start_event].into_iter().chain(later_end));
        }
    }
    findings.verdict()
}

/// An error as far as it promises something.
struct Promise<'a> {
    name: &'a str,
    code: Code,
    retryable: bool,
    retry_after: Duration,
    /// The order that it was about.
    order: Option<&'a str>,
}

fn error_of<'a>(call: &CallView<'a>) -> Option<Promise<'a>> {
    let told = call.told.as_ref().filter(|told| told.is_error)?;
    let after = told.structured.pointer("/error/retry_after_ms").and_then(serde_json::Value::as_u64).unwrap_or(0);
    Some(Promise {
        name: told.code?,
        code: codes::parse(told.code?)?,
        retryable: told.retryable?,
        retry_after: Duration::from_millis(after),
        order: told.order_id,
    })
}

fn is_identical(one: &CallView<'_>, other: &CallView<'_>) -> bool {
    one.started.tool == other.started.tool
        && one.started.user == other.started.user
        && one.started.key == other.started.key
        && same_parameters(&one.started.arguments, &other.started.arguments)
}

/// How the identical call gave the error the lie, if it did.
fn contradicts(
    evidence: &Evidence<'_>,
    error: &Promise<'_>,
    earlier: &CallView<'_>,
    (since, ended): (usize, Duration),
    later: &CallView<'_>,
) -> Option<String> {
    let (until, _) = later.end?;
    let Some(HostReply::Tool { is_error, .. }) = later.reply else { return None };
    if error.retryable {
        // What is not settled yet takes its time, and whoever turned checkout off turns it on again.
        // A limit is reached again by what the same user calls meanwhile, and in another process by what they called before.
        let limit_again = || {
            calls_between(evidence, since, later)
                || may_be_anothers(evidence, since, until)
                || may_be_the_other_limit(evidence, earlier, later)
        };
        let waits = codes::leaves_the_sale_open(error.code)
            || error.code == Code::CheckoutDisabled
            || (error.code == Code::LimitReached && limit_again());
        let code = later.told.as_ref().filter(|told| told.is_error).and_then(|told| told.code);
        let same = code == Some(error.name);
        let anew = code.is_some_and(fails_technically) && !tells_an_earlier_order(evidence, error, later, since);
        if !*is_error || waits || !(same || anew) || disturbed(evidence, since, until) {
            return None;
        }
        let way = if same { "in the same way" } else { "technically again" };
        return Some(format!("failed {way} although nothing went wrong any more"));
    }
    // Each process counts for itself how often a call has failed.
    let counts_anew = error.code == Code::RepeatedCall && may_be_anothers(evidence, since, until);
    let is_over = match ended_for(evidence, error, earlier) {
        Code::KeyConflict => key_is_free(evidence, earlier, later),
        // A price that has run out on one clock is there on another.
        Code::OutOfStep | Code::SessionExpired => {
            !apart(evidence, until).is_zero() || !jumped(evidence, since, until).is_zero()
        }
        _ => false,
    };
    let own_mistake = error.code.kind() == ErrorType::Logical && !counts_anew && !is_over;
    // What a provider's answer garbled or an old one told of is no mistake of the caller's.
    let was_misled = || {
        let own = |exchange: &&ExchangeView<'_>| sent_for(exchange.sent, earlier) || sent_for(exchange.sent, later);
        let misleads = |fault: &Fault| matches!(fault.moment(), Moment::Reply | Moment::Circumstance);
        evidence.exchanges.iter().filter(own).any(|exchange| exchange.sent.faults.any(misleads))
    };
    if own_mistake && !is_error && at_once(evidence, (since, ended), later) && !was_misled() {
        return Some(String::from("succeeded at once"));
    }
    let of_a_sale = later.is("create_order") || later.is("cancel_order");
    let for_good = !codes::before_the_claim(error.code) && !codes::leaves_the_sale_open(error.code);
    // An unexpected end says nothing about what the sale came to.
    (of_a_sale && for_good && error.code != Code::Internal && !is_error && is_remembered(evidence, earlier, later))
        .then(|| String::from("succeeded"))
}

/// Whether an answer tells what became of an order that was begun before: its cause lies there, and was not promised to be
/// gone. Not so where the promise was about that order itself.
fn tells_an_earlier_order(evidence: &Evidence<'_>, error: &Promise<'_>, call: &CallView<'_>, since: usize) -> bool {
    let id = call.told.as_ref().and_then(|told| told.order_id).filter(|id| error.order != Some(id));
    let order = id.and_then(|id| evidence.order_of(id));
    let begun_before =
        |order: usize| evidence.orders[order].begun_by.is_none_or(|begun| evidence.calls[begun].start_event < since);
    order.is_some_and(begun_before)
}

/// Whether a code is of a failure that nobody asked for: neither of a sale that takes its time, nor of the user's own calls.
fn fails_technically(code: &str) -> bool {
    codes::parse(code).is_some_and(|code| {
        code.kind() == ErrorType::Technical
            && !codes::leaves_the_sale_open(code)
            && !matches!(code, Code::CheckoutDisabled | Code::LimitReached)
    })
}

/// Whether the user called anything else between an error and a later call.
fn calls_between(evidence: &Evidence<'_>, since: usize, later: &CallView<'_>) -> bool {
    evidence
        .calls
        .iter()
        .any(|call| call.started.user == later.started.user && (since..later.start_event).contains(&call.start_event))
}

/// Whether of two refusals of a price one may be for the user's calls, and the other for the prices that are open.
fn may_be_the_other_limit(evidence: &Evidence<'_>, earlier: &CallView<'_>, later: &CallView<'_>) -> bool {
    let users = evidence.policy.users;
    let calls_used_up = |refused: &CallView<'_>| {
        let in_window = |call: &&CallView<'_>| {
            call.started.user == refused.started.user
                && call.start_event < refused.start_event
                && refused.start < call.end.map_or(call.start, |(_, ended)| ended) + users.calls_window
        };
        evidence.calls.iter().filter(in_window).count() >= usize::try_from(users.calls_max).unwrap_or(usize::MAX)
    };
    later.is("create_checkout_session") && (calls_used_up(earlier) || calls_used_up(later))
}

/// Whether a call followed an error at once, with nothing done between them that could have mended what was wrong.
fn at_once(evidence: &Evidence<'_>, (since, ended): (usize, Duration), later: &CallView<'_>) -> bool {
    let between = |other: &&CallView<'_>| {
        !std::ptr::eq(*other, later)
            && other.end.is_none_or(|(end, _)| end > since)
            && later.end.is_none_or(|(end, _)| other.start_event < end)
    };
    later.start <= ended + Duration::from_secs(1) && !evidence.calls.iter().any(|other| between(&other))
}

/// The error's own code; for `REPEATED_CALL`, the code of the last identical call before it, which is the cause of the loop.
fn ended_for(evidence: &Evidence<'_>, error: &Promise<'_>, ended: &CallView<'_>) -> Code {
    let calls = evidence.calls.iter().filter(|call| call.start_event < ended.start_event && is_identical(call, ended));
    let mut codes = calls.filter_map(|call| codes::parse(call.told.as_ref().filter(|told| told.is_error)?.code?));
    match error.code {
        Code::RepeatedCall => codes.rfind(|code| *code != Code::RepeatedCall).unwrap_or(Code::RepeatedCall),
        code => code,
    }
}

/// Whether no call that had bound the key of a conflict to other arguments need be remembered any more.
fn key_is_free(evidence: &Evidence<'_>, refused: &CallView<'_>, later: &CallView<'_>) -> bool {
    let holds = |call: &&CallView<'_>| {
        call.start_event < refused.start_event && share_a_key(call, refused) && !is_identical(call, refused)
    };
    !evidence.calls.iter().filter(holds).any(|holder| is_remembered(evidence, holder, later))
}

/// Whether another process of the system may answer at one event than did at an earlier one.
fn may_be_anothers(evidence: &Evidence<'_>, since: usize, until: usize) -> bool {
    let is_end = |event: &Event| matches!(event.kind, EventKind::Crashed | EventKind::Restarted);
    evidence.replicas.count > 1 || evidence.trace.events[since..until].iter().any(is_end)
}

/// Whether anything went wrong between two events: in the network, in the store, with the clock, or to the process.
fn disturbed(evidence: &Evidence<'_>, since: usize, until: usize) -> bool {
    evidence.trace.events[since..until].iter().any(|event| match &event.kind {
        EventKind::Sent(sent) => sent.faults.is_some(),
        EventKind::Struck { .. } | EventKind::Crashed | EventKind::Restarted => true,
        EventKind::CallStarted(_)
        | EventKind::CallEnded { .. }
        | EventKind::Delivered { .. }
        | EventKind::Effect(_)
        | EventKind::Answered { .. }
        | EventKind::Log(_)
        | EventKind::Webhook(_)
        | EventKind::Switched { .. } => false,
    })
}

#[cfg(test)]
mod tests {
    use giftgenius::error::Effects;
    use serde_json::json;

    use super::*;
    use crate::fault::site::Place;
    use crate::fault::{Expiry, Fault};
    use crate::oracle::testing::Run;
    use crate::provider::operations::CHARGE;

    /// A call that fails with a code, told retryable or not.
    fn failed(run: &mut Run, code: Code, retryable: bool) {
        let call = run.create_order("cs_1", "k1");
        let mut error = run.error(code, Some(("ord_1", Effects::None)));
        error["error"]["retryable"] = json!(retryable);
        run.fail(call, error);
    }

    fn run() -> Run {
        let mut run = Run::new();
        run.session("cs_1");
        run
    }

    #[test]
    fn a_true_that_is_followed_by_success_and_a_false_that_fails_again_are_honest() {
        let mut run = run();
        failed(&mut run, Code::PaymentUnavailable, true);
        let call = run.create_order("cs_1", "k1");
        run.tell_success(call, "cs_1", "ord_2");
        run.kept(&ERROR_HONEST);
        let mut run = self::run();
        failed(&mut run, Code::PaymentDeclined, false);
        failed(&mut run, Code::PaymentDeclined, false);
        run.kept(&ERROR_HONEST);
    }

    #[test]
    fn a_true_that_fails_again_for_nothing_is_a_lie() {
        let mut run = run();
        failed(&mut run, Code::PaymentDeclined, true);
        failed(&mut run, Code::PaymentDeclined, true);
        let said = run.broken(&ERROR_HONEST);
        assert!(said.contains("PAYMENT_DECLINED with `retryable: true`"), "{said}");
    }

    #[test]
    fn a_false_that_succeeds_is_a_lie() {
        let mut run = run();
        failed(&mut run, Code::PaymentUnavailable, false);
        let call = run.create_order("cs_1", "k1");
        run.tell_success(call, "cs_1", "ord_2");
        assert!(run.broken(&ERROR_HONEST).contains("succeeded"));
    }

    #[test]
    fn a_false_is_kept_as_long_as_its_key_is_remembered() {
        let retention = giftgenius::policy::Policy::default().entry_retention;
        let repeated_after = |span: Duration| {
            let mut run = run();
            failed(&mut run, Code::PaymentDeclined, false);
            run.wait_ms(u64::try_from(span.as_millis()).expect("some days at most"));
            let call = run.create_order("cs_1", "k1");
            run.tell_success(call, "cs_1", "ord_2");
            run
        };
        repeated_after(retention.saturating_sub(Duration::from_secs(1))).broken(&ERROR_HONEST);
        repeated_after(retention).kept(&ERROR_HONEST);
        let jumped = |expiry: Expiry| {
            let mut run = run();
            failed(&mut run, Code::PaymentDeclined, false);
            run.strike(Place::JournalWrite, Fault::Jump(expiry));
            let call = run.create_order("cs_1", "k1");
            run.tell_success(call, "cs_1", "ord_2");
            run
        };
        jumped(Expiry::Key).kept(&ERROR_HONEST);
        jumped(Expiry::Quote).broken(&ERROR_HONEST);
    }

    #[test]
    fn a_loop_that_was_ended_is_let_through_by_another_process_alone() {
        let repeated = |code: Code, between: &dyn Fn(&mut Run)| {
            let mut run = run();
            let call = run.create_order("cs_1", "k1");
            run.fail_with(call, code, None);
            between(&mut run);
            let call = run.create_order("cs_1", "k1");
            run.tell_success(call, "cs_1", "ord_1");
            run
        };
        repeated(Code::RepeatedCall, &|_| {}).broken(&ERROR_HONEST);
        repeated(Code::RepeatedCall, &|run| run.die(2)).kept(&ERROR_HONEST);
        repeated(Code::RepeatedCall, &|run| run.replicas.count = 2).kept(&ERROR_HONEST);
        repeated(Code::SessionNotFound, &|run| run.die(2)).broken(&ERROR_HONEST);
    }

    #[test]
    fn a_loop_over_a_refused_key_is_over_once_the_key_is_free() {
        let looped = |code: Code, jump: Expiry| {
            let mut run = run();
            // The key is another call's.
            let call = run.create_order("cs_2", "k1");
            run.tell_success(call, "cs_2", "ord_2");
            let call = run.create_order("cs_1", "k1");
            run.fail_with(call, code, None);
            let call = run.create_order("cs_1", "k1");
            run.fail_with(call, Code::RepeatedCall, None);
            run.strike(Place::JournalWrite, Fault::Jump(jump));
            let call = run.create_order("cs_1", "k1");
            run.tell_success(call, "cs_1", "ord_1");
            run
        };
        looped(Code::KeyConflict, Expiry::Key).kept(&ERROR_HONEST);
        looped(Code::KeyConflict, Expiry::Quote).broken(&ERROR_HONEST);
        looped(Code::SessionNotFound, Expiry::Key).broken(&ERROR_HONEST);
    }

    #[test]
    fn a_step_is_left_by_a_price_that_runs_out_as_the_calendar_jumps() {
        let repeated = |between: &dyn Fn(&mut Run)| {
            let mut run = run();
            let call = run.call("suggest_gifts", json!({"workflow_id": "wf_1"}));
            run.fail_with(call, Code::OutOfStep, None);
            between(&mut run);
            let call = run.call("suggest_gifts", json!({"workflow_id": "wf_1"}));
            run.answer(call, json!({"ideas": []}));
            run
        };
        repeated(&|_| {}).broken(&ERROR_HONEST);
        repeated(&|run| run.strike(Place::HostCall, Fault::Jump(Expiry::Lease))).kept(&ERROR_HONEST);
    }

    #[test]
    fn a_conflict_is_one_until_the_key_of_the_other_call_is_forgotten() {
        let repeated = |between: &dyn Fn(&mut Run)| {
            let mut run = run();
            let call = run.create_order("cs_0", "k1");
            run.tell_success(call, "cs_0", "ord_1");
            let call = run.create_order("cs_1", "k1");
            run.fail_with(call, Code::KeyConflict, None);
            between(&mut run);
            let call = run.create_order("cs_1", "k1");
            run.tell_success(call, "cs_1", "ord_2");
            run
        };
        repeated(&|_| {}).broken(&ERROR_HONEST);
        repeated(&|run| run.strike(Place::HostCall, Fault::Jump(Expiry::Quote))).broken(&ERROR_HONEST);
        repeated(&|run| run.strike(Place::HostCall, Fault::Jump(Expiry::Key))).kept(&ERROR_HONEST);
    }

    #[test]
    fn a_price_that_ran_out_on_one_clock_is_there_on_another() {
        let repeated = |skew_ms: u32| {
            let mut run = run();
            (run.replicas.count, run.replicas.skew_ms) = (2, skew_ms);
            let call = run.call("user_navigated_to_step", json!({"workflow_id": "wf_1", "step": "checkout"}));
            run.fail_with(call, Code::OutOfStep, None);
            let call = run.call("user_navigated_to_step", json!({"workflow_id": "wf_1", "step": "checkout"}));
            run.answer(call, json!({"workflow_id": "wf_1", "step": "checkout"}));
            run
        };
        repeated(0).broken(&ERROR_HONEST);
        repeated(40_000).kept(&ERROR_HONEST);
    }

    #[test]
    fn a_true_that_fails_technically_in_another_way_is_a_lie_too() {
        let mut run = run();
        failed(&mut run, Code::PaymentUnavailable, true);
        failed(&mut run, Code::InventoryUnavailable, true);
        assert!(run.broken(&ERROR_HONEST).contains("failed technically again"));
    }

    #[test]
    fn a_limit_is_reached_again_by_what_is_called_meanwhile_and_by_nothing_else() {
        let mut run = run();
        failed(&mut run, Code::PaymentUnavailable, true);
        failed(&mut run, Code::LimitReached, true);
        run.kept(&ERROR_HONEST);
        let other = run.call("get_workflow", json!({"workflow_id": "wf_1"}));
        run.answer(other, json!({"workflow_id": "wf_1", "step": "checkout"}));
        failed(&mut run, Code::LimitReached, true);
        run.kept(&ERROR_HONEST);
        failed(&mut run, Code::LimitReached, true);
        assert!(run.broken(&ERROR_HONEST).contains("in the same way"));
        // Another process has counted calls of its own.
        run.replicas.count = 2;
        run.kept(&ERROR_HONEST);
    }

    #[test]
    fn a_price_may_be_held_off_for_calls_and_then_for_prices() {
        for (calls_max, may) in [(1, true), (9, false)] {
            let mut run = run();
            run.policy.users.calls_max = calls_max;
            let call = run.call("get_payment_methods", json!({}));
            run.answer(call, json!({"payment_methods": []}));
            for number in 0..2 {
                let call = run.call("create_checkout_session", json!({"n": 1}));
                run.fail_with(call, Code::LimitReached, None);
                if number == 0 {
                    run.wait_ms(100);
                }
            }
            if may { run.kept(&ERROR_HONEST) } else { drop(run.broken(&ERROR_HONEST)) }
        }
    }

    #[test]
    fn what_became_of_an_order_that_was_begun_before_is_no_new_failure() {
        let mut run = run();
        let call = run.create_order("cs_1", "k1");
        run.fail_with(call, Code::InventoryRefused, Some(("ord_1", Effects::None)));
        let call = run.create_order("cs_1", "k1");
        run.fail_with(call, Code::StoreUnavailable, None);
        let call = run.create_order("cs_1", "k1");
        run.fail_with(call, Code::InventoryRefused, Some(("ord_1", Effects::None)));
        run.kept(&ERROR_HONEST);
    }

    #[test]
    fn a_mistake_of_the_callers_own_does_not_mend_itself() {
        for mended in [false, true] {
            let mut run = run();
            let call = run.call("get_workflow", json!({"workflow_id": "wf_1"}));
            run.fail_with(call, Code::WorkflowNotFound, None);
            if mended {
                run.session("cs_2");
            }
            let call = run.call("get_workflow", json!({"workflow_id": "wf_1"}));
            run.answer(call, json!({"workflow_id": "wf_1", "step": "checkout"}));
            if mended {
                run.kept(&ERROR_HONEST);
            } else {
                assert!(run.broken(&ERROR_HONEST).contains("succeeded at once"));
            }
        }
    }

    #[test]
    fn while_things_go_wrong_a_true_may_fail_again() {
        let mut run = run();
        failed(&mut run, Code::PaymentUnavailable, true);
        let charge = run.send_faulty(&CHARGE, Some("ord_2"), Some("k"), Some(Fault::LostRequest));
        run.silence(charge);
        failed(&mut run, Code::PaymentUnavailable, true);
        run.kept(&ERROR_HONEST);
        // And no longer than that.
        failed(&mut run, Code::PaymentUnavailable, true);
        run.broken(&ERROR_HONEST);
    }

    #[test]
    fn another_failure_than_before_is_no_lie_nor_is_what_comes_too_soon() {
        let mut run = run();
        failed(&mut run, Code::PaymentUnavailable, true);
        failed(&mut run, Code::PaymentDeclined, false);
        run.kept(&ERROR_HONEST);
        let mut run = self::run();
        let call = run.create_order("cs_1", "k1");
        let mut error = run.error(Code::PaymentUnavailable, None);
        error["error"]["retry_after_ms"] = json!(5_000);
        run.fail(call, error);
        run.wait_ms(4_000);
        failed(&mut run, Code::PaymentUnavailable, true);
        run.kept(&ERROR_HONEST);
        run.wait_ms(4_000);
        failed(&mut run, Code::PaymentUnavailable, true);
        run.broken(&ERROR_HONEST);
    }

    #[test]
    fn another_key_is_another_call() {
        let mut run = run();
        failed(&mut run, Code::PaymentDeclined, true);
        let call = run.create_order("cs_1", "k2");
        run.tell_failure(call, "cs_1", "ord_2", Code::PaymentDeclined);
        run.kept(&ERROR_HONEST);
    }
}
