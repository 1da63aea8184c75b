//! `key-conflict`: a key that was claimed for one thing is refused for another.

use giftgenius::error::Code;

use super::evidence::{CallView, Evidence};
use super::json::same_parameters;
use super::keyed::{acted, has_claimed, is_remembered, keyed_calls, sent_for, share_a_key, taken_down};
use super::{Findings, Oracle, Verdict, codes};

/// The rule.
pub static KEY_CONFLICT: Oracle = Oracle {
    id: "key-conflict",
    rule: "A call whose key was claimed with other parameters is refused as IDEMPOTENCY_KEY_CONFLICT and causes \
           nothing; no other call is refused so.",
    explanation: "A model that reuses a key for another purchase must not be told that the other purchase succeeded, \
                  nor buy it. Parameters are compared in canonical form: the order of keys is irrelevant, 1.0 is 1, \
                  null is not absent. A call that was refused before it claimed its key (invalid arguments, unknown \
                  session, checkout switched off) binds nothing, so that a repaired call does not conflict. A key is \
                  its user's and its tool's: whoever never used it before cannot be in conflict.",
    requirements: &["F4"],
    check,
};

fn check(evidence: &Evidence<'_>) -> Verdict {
    let mut findings = Findings::of(KEY_CONFLICT.id);
    let keyed = keyed_calls(evidence);
    for group in keyed.chunk_by(|left, right| share_a_key(left, right)) {
        for (place, later) in group.iter().enumerate() {
            without_cause(group, later, &mut findings);
            let bound = group[..place].iter().find(|earlier| {
                !same_parameters(&earlier.started.arguments, &later.started.arguments)
                    && has_claimed(evidence, earlier)
                    && is_remembered(evidence, earlier, later)
            });
            if let Some(bound) = bound {
                judge_later(evidence, bound, later, &mut findings);
            }
        }
    }
    findings.verdict()
}

/// A conflict with nothing: nobody has used the key otherwise.
fn without_cause(group: &[&CallView<'_>], call: &CallView<'_>, findings: &mut Findings) {
    let told = call.told.as_ref().and_then(|told| told.code).and_then(codes::parse);
    let end = call.end.map_or(usize::MAX, |(event, _)| event);
    let has_cause = group
        .iter()
        .any(|other| other.start_event < end && !same_parameters(&other.started.arguments, &call.started.arguments));
    if told == Some(Code::KeyConflict) && !has_cause {
        let message = format!(
            "{} of script step {} was answered IDEMPOTENCY_KEY_CONFLICT, but {} never used the key {} otherwise",
            call.started.tool,
            call.started.step,
            call.started.user,
            call.started.key.as_deref().unwrap_or_default()
        );
        findings.add(message, [call.start_event].into_iter().chain(call.end.map(|(event, _)| event)));
    }
}

fn judge_later(evidence: &Evidence<'_>, bound: &CallView<'_>, later: &CallView<'_>, findings: &mut Findings) {
    let key = later.started.key.as_deref().unwrap_or_default();
    let after = bound.end.is_some_and(|(end, _)| end < later.start_event);
    let answer = match &later.told {
        None => None,
        Some(_) if taken_down(evidence, later) => None,
        Some(told) if !told.is_error => Some(told.status.name()),
        Some(told) => match told.code {
            Some(code) => match codes::parse(code) {
                // Refused before the key was looked at, or not to be told apart from that.
                Some(Code::KeyConflict | Code::OrderInProgress | Code::OrderNeedsAttention) => None,
                Some(known) if codes::before_the_claim(known) => None,
                // Two calls that overlap: the other one may have claimed the key.
                Some(_) | None if !after => None,
                Some(_) | None => Some(code),
            },
            None => Some("an error without a code"),
        },
    };
    let acts = acted(evidence, later);
    if answer.is_none() && !acts {
        return;
    }
    let mut what = Vec::new();
    if let Some(answer) = answer {
        what.push(format!("was answered `{answer}` instead of IDEMPOTENCY_KEY_CONFLICT"));
    }
    if acts {
        what.push(String::from("acted"));
    }
    let message = format!(
        "{} of script step {} with key {key}, which step {} had claimed with other parameters, {}",
        later.started.tool,
        later.started.step,
        bound.started.step,
        what.join(" and ")
    );
    let requests = evidence
        .exchanges
        .iter()
        .filter(|exchange| exchange.sent.operation.effectful && sent_for(exchange.sent, later))
        .map(|exchange| exchange.sent_event);
    let end = later.end.map(|(event, _)| event);
    findings.add(message, requests.chain([bound.start_event, later.start_event]).chain(end));
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::fault::Fault;
    use crate::fault::site::Place;
    use crate::oracle::testing::{Run, order_arguments};

    #[test]
    fn a_conflict_that_is_refused_is_fine() {
        let mut run = Run::sale();
        let call = run.create_order("cs_2", "k1");
        run.fail_with(call, Code::KeyConflict, None);
        run.kept(&KEY_CONFLICT);
    }

    #[test]
    fn a_conflict_that_is_answered_or_acted_upon_is_not() {
        let mut run = Run::sale();
        let call = run.create_order("cs_2", "k1");
        run.tell_success(call, "cs_1", "ord_1");
        assert!(run.broken(&KEY_CONFLICT).contains("answered `success`"));

        let mut run = Run::sale();
        let call = run.create_order("cs_2", "k1");
        run.reserve("ord_2");
        run.fail_with(call, Code::KeyConflict, None);
        assert!(run.broken(&KEY_CONFLICT).contains("acted"));

        let mut run = Run::sale();
        let call = run.create_order("cs_2", "k1");
        run.fail_with(call, Code::PaymentDeclined, None);
        run.broken(&KEY_CONFLICT);
    }

    #[test]
    fn null_is_not_absent_and_one_is_one() {
        for (value, conflicts) in [(json!(null), true), (json!(2), true), (json!(1.0), false)] {
            let mut run = Run::new();
            let mut arguments = order_arguments("cs_1", "k1");
            arguments["quantity"] = json!(1);
            let call = run.call("create_order", arguments.clone());
            run.tell_success(call, "cs_1", "ord_1");
            arguments["quantity"] = value;
            let call = run.call("create_order", arguments);
            run.tell_success(call, "cs_1", "ord_1");
            if conflicts {
                run.broken(&KEY_CONFLICT);
            } else {
                run.kept(&KEY_CONFLICT);
            }
        }
    }

    #[test]
    fn a_repaired_call_does_not_conflict() {
        for code in [Code::InvalidArguments, Code::SessionNotFound, Code::PaymentMethodNotFound, Code::CheckoutDisabled]
        {
            let mut run = Run::new();
            let call = run.create_order("cs_0", "k1");
            run.fail_with(call, code, None);
            let call = run.create_order("cs_1", "k1");
            run.tell_success(call, "cs_1", "ord_1");
            run.kept(&KEY_CONFLICT);
        }
    }

    #[test]
    fn of_two_at_once_one_conflicts() {
        let mut run = Run::new();
        let first = run.create_order("cs_1", "k1");
        let second = run.create_order("cs_2", "k1");
        run.fail_with(first, Code::KeyConflict, None);
        run.tell_success(second, "cs_2", "ord_1");
        run.kept(&KEY_CONFLICT);

        let mut run = Run::new();
        let first = run.create_order("cs_1", "k1");
        let second = run.create_order("cs_2", "k1");
        run.tell_success(first, "cs_1", "ord_1");
        run.tell_success(second, "cs_2", "ord_2");
        run.broken(&KEY_CONFLICT);
    }

    #[test]
    fn a_conflict_that_fails_inside_the_server_is_excused_where_that_is_planned() {
        for planned in [true, false] {
            let mut run = Run::sale();
            let call = run.create_order("cs_2", "k1");
            if planned {
                run.strike(Place::JournalRead, Fault::Panic);
            }
            run.fail_with(call, Code::Internal, None);
            if planned { run.kept(&KEY_CONFLICT) } else { drop(run.broken(&KEY_CONFLICT)) }
        }
    }

    #[test]
    fn another_users_key_is_another_key() {
        let mut run = Run::sale();
        run.user = "bob";
        let call = run.create_order("cs_2", "k1");
        run.tell_success(call, "cs_2", "ord_2");
        run.kept(&KEY_CONFLICT);
    }

    #[test]
    fn a_conflict_with_nothing_is_a_breach() {
        for (user, broken) in [("ben", true), ("ada", false)] {
            let mut run = Run::sale();
            run.user = user;
            let call = run.create_order("cs_2", "k1");
            run.fail_with(call, Code::KeyConflict, None);
            if broken {
                assert!(run.broken(&KEY_CONFLICT).contains("ben never used the key k1 otherwise"));
            } else {
                run.kept(&KEY_CONFLICT);
            }
        }
    }
}
