//! `degraded-honest`: with checkout switched off no sale begins, and everything else goes on.

use giftgenius::error::Code;

use super::evidence::{CallView, Evidence};
use super::keyed::{sent_for, share_a_key, taken_down, told_session};
use super::{Findings, Oracle, Verdict, codes};
use crate::provider::operations::{CHARGE, QUOTE, RESERVE};
use crate::trace::{EventKind, HostReply};

/// The rule.
pub static DEGRADED_HONEST: Oracle = Oracle {
    id: "degraded-honest",
    rule: "While checkout is off no sale begins and the answer is CHECKOUT_TEMPORARILY_DISABLED; saved answers, \
           undo and reads go on; while it is on nobody is told that it is off.",
    explanation: "The switch is the first thing an operator reaches for when money goes wrong, so it has to work at \
                  once, and honestly: nothing is bought, nothing is promised, and what was begun before is finished \
                  or undone. The switch is read when a key is claimed, so a call is judged by its start; one during \
                  which the switch was turned may go either way.",
    requirements: &["I5"],
    check,
};

fn check(evidence: &Evidence<'_>) -> Verdict {
    let mut findings = Findings::of(DEGRADED_HONEST.id);
    let switched: Vec<(usize, bool)> = evidence
        .trace
        .events
        .iter()
        .enumerate()
        .filter_map(|(index, event)| match event.kind {
            EventKind::Switched { checkout } => Some((index, checkout)),
            _ => None,
        })
        .collect();
    for call in &evidence.calls {
        let end = call.end.map_or(usize::MAX, |(event, _)| event);
        let before = switched
            .iter()
            .rev()
            .find(|(event, _)| *event < call.start_event)
            .map_or(evidence.checkout_on_at_start, |(_, on)| *on);
        let turned = switched.iter().any(|(event, on)| (call.start_event..end).contains(event) && *on != before);
        let ever_off = !evidence.checkout_on_at_start || switched.iter().any(|(event, on)| !on && *event < end);
        let begins_sales = call.is("create_order") || call.is("create_checkout_session");
        let disabled = call.told.as_ref().is_some_and(|told| told.code == Some(Code::CheckoutDisabled.as_str()));
        // An order that was taken up while checkout was off is undone before its charge, and says why to whoever asks.
        let of_its_order = call.order.is_some() && call.told.as_ref().is_some_and(|told| !told.is_error);
        if disabled && !begins_sales && !of_its_order {
            add(call, "was told that checkout is switched off, which does not concern it", &mut findings);
        } else if disabled && !ever_off {
            add(call, "was told that checkout is switched off, although it never was", &mut findings);
        } else if begins_sales && !before && !turned {
            while_off(evidence, call, &mut findings);
        }
    }
    findings.verdict()
}

fn add(call: &CallView<'_>, what: &str, findings: &mut Findings) {
    let message = format!("{} of script step {} {what}", call.started.tool, call.started.step);
    let end = call.end.map(|(event, _)| event);
    findings.add(message, [call.start_event].into_iter().chain(end));
}

/// A call that would begin a sale, while checkout is off from its start to its end.
fn while_off(evidence: &Evidence<'_>, call: &CallView<'_>, findings: &mut Findings) {
    let place = evidence.call_of(&call.started.correlation);
    let begun = evidence.orders.iter().find(|order| order.begun_by == place && place.is_some());
    let first = begun.and_then(|order| {
        order
            .exchanges
            .iter()
            .map(|index| &evidence.exchanges[*index])
            .find(|exchange| exchange.is(&RESERVE) || exchange.is(&CHARGE))
    });
    if let Some(exchange) = first {
        let message = format!(
            "{} was sent for a sale that {} of script step {} began while checkout was switched off",
            exchange.sent.site, call.started.tool, call.started.step
        );
        findings.add(message, [call.start_event, exchange.sent_event]);
        return;
    }
    if call.is("create_checkout_session") {
        if told_session(call).is_some() && !told_again(evidence, call) {
            add(call, "opened a checkout session while checkout was switched off", findings);
        }
        return;
    }
    let Some(told) = call.told.as_ref().filter(|_| !taken_down(evidence, call)) else {
        return;
    };
    // What was begun before may be answered: its saved answer, its state, or that it is being worked on.
    let of_before = call.order.is_some_and(|order| {
        let order = &evidence.orders[order];
        order.begun_by != place
            && order.begun_by.is_some_and(|begun| evidence.calls[begun].start_event < call.start_event)
    });
    let asked_before = evidence.calls.iter().any(|earlier| {
        earlier.start_event < call.start_event
            && earlier.is("create_order")
            && earlier.started.user == call.started.user
            && (earlier.started.key == call.started.key
                || earlier.text("checkout_session_id") == call.text("checkout_session_id"))
            && earlier.told.as_ref().is_none_or(|told| {
                !told.is_error || told.code.and_then(codes::parse).is_none_or(|code| !codes::before_the_claim(code))
            })
    });
    if of_before || asked_before {
        return;
    }
    match told.code {
        _ if !told.is_error => {
            let what = format!("was told `{}` while checkout was switched off", told.status.name());
            add(call, &what, findings);
        }
        Some(code) if codes::parse(code).is_some_and(codes::before_the_claim) => {
            if code == Code::CheckoutDisabled.as_str() && told.effects != Some("none") {
                add(call, "was told that checkout is switched off, but not that nothing stands", findings);
            }
        }
        code => {
            let what = format!(
                "was answered {} while checkout was switched off, instead of {}",
                code.unwrap_or("an error without a code"),
                Code::CheckoutDisabled.as_str()
            );
            add(call, &what, findings);
        }
    }
}

/// Whether the session that a call was answered with is the saved answer of its key: it asked for no price, and an earlier
/// call under the key was answered with it, or its answer was not heard.
fn told_again(evidence: &Evidence<'_>, call: &CallView<'_>) -> bool {
    let earlier = |earlier: &CallView<'_>| {
        let unheard = !matches!(earlier.reply, Some(HostReply::Tool { .. } | HostReply::Protocol { .. }));
        earlier.start_event < call.start_event
            && share_a_key(earlier, call)
            && (unheard || told_session(earlier) == told_session(call))
    };
    let priced = evidence.exchanges.iter().any(|exchange| exchange.is(&QUOTE) && sent_for(exchange.sent, call));
    call.started.key.is_some() && !priced && evidence.calls.iter().any(earlier)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::fault::Fault;
    use crate::fault::site::Place;
    use crate::oracle::testing::{Run, order_answer, session_answer};
    use crate::provider::ledger::EffectKind;
    use crate::provider::operations::{REFUND, RESTOCK};

    #[test]
    fn with_checkout_on_nothing_is_disabled() {
        let mut run = Run::sale();
        run.kept(&DEGRADED_HONEST);
        let call = run.create_order("cs_2", "k2");
        run.fail_with(call, Code::CheckoutDisabled, None);
        assert!(run.broken(&DEGRADED_HONEST).contains("never was"));
    }

    #[test]
    fn off_is_off_for_new_sales_and_new_sessions() {
        let mut run = Run::new();
        run.checkout_on = false;
        let call = run.create_order("cs_1", "k1");
        run.fail_with(call, Code::CheckoutDisabled, None);
        let call = run.call("create_checkout_session", json!({}));
        run.fail_with(call, Code::CheckoutDisabled, None);
        run.kept(&DEGRADED_HONEST);
        let call = run.call("create_checkout_session", json!({}));
        run.answer(call, session_answer("cs_1", 100));
        assert!(run.broken(&DEGRADED_HONEST).contains("opened a checkout session"));
    }

    #[test]
    fn a_saved_session_is_told_again_while_it_is_off_and_no_other_is() {
        let asked = |key: Option<&str>| match key {
            Some(key) => json!({"currency": "EUR", "idempotency_key": key}),
            None => json!({"currency": "EUR"}),
        };
        // What the first call is told, under which key the second one comes, and whether it asks for a price.
        for (heard, key, session, priced, broken) in [
            (true, Some("k1"), "cs_1", false, false),
            (false, Some("k1"), "cs_1", false, false),
            (true, Some("k1"), "cs_1", true, true),
            (true, Some("k1"), "cs_2", false, true),
            (true, Some("k2"), "cs_1", false, true),
            (true, None, "cs_1", false, true),
        ] {
            let mut run = Run::new();
            let call = run.call("create_checkout_session", asked(Some("k1")));
            let quote = run.send(&QUOTE, None, None);
            run.ok(quote);
            if heard {
                run.answer(call, session_answer("cs_1", 100));
            } else {
                run.reply(call, HostReply::Cancelled);
            }
            run.push(EventKind::Switched { checkout: false });
            let call = run.call("create_checkout_session", asked(key));
            if priced {
                let quote = run.send(&QUOTE, None, None);
                run.ok(quote);
            }
            run.answer(call, session_answer(session, 100));
            if broken {
                assert!(run.broken(&DEGRADED_HONEST).contains("opened a checkout session"));
            } else {
                run.kept(&DEGRADED_HONEST);
            }
        }
    }

    #[test]
    fn a_sale_that_begins_while_it_is_off_is_a_breach_whatever_is_told() {
        let mut run = Run::new();
        run.session("cs_1");
        run.push(EventKind::Switched { checkout: false });
        let call = run.create_order("cs_1", "k1");
        run.reserve("ord_1");
        run.fail_with(call, Code::CheckoutDisabled, None);
        assert!(run.broken(&DEGRADED_HONEST).contains("inventory.reserve#1"));
    }

    #[test]
    fn what_was_begun_before_goes_on() {
        let mut run = Run::new();
        let (charge, commit) = run.buy();
        run.push(EventKind::Switched { checkout: false });
        let call = run.create_order("cs_1", "k1");
        run.tell_success(call, "cs_1", "ord_1");
        let call = run.create_order("cs_1", "k2");
        run.tell_success(call, "cs_1", "ord_1");
        run.get_order("ord_1", "success");
        let call = run.call("cancel_order", json!({"order_id": "ord_1"}));
        run.done(&RESTOCK, EffectKind::Restock, "ord_1/1", Some(commit));
        run.done(&REFUND, EffectKind::Refund, "ord_1", Some(charge));
        run.answer(call, order_answer("ord_1", "cancelled"));
        run.kept(&DEGRADED_HONEST);
    }

    #[test]
    fn a_sale_in_flight_when_it_is_switched_off_may_be_finished() {
        let mut run = Run::new();
        run.session("cs_1");
        let call = run.create_order("cs_1", "k1");
        let reserve = run.reserve("ord_1");
        run.push(EventKind::Switched { checkout: false });
        run.charge("ord_1");
        run.commit("ord_1", reserve);
        run.tell_success(call, "cs_1", "ord_1");
        run.kept(&DEGRADED_HONEST);
    }

    #[test]
    fn another_answer_while_it_is_off_is_not_honest() {
        for (code, broken) in [
            (Code::PaymentUnavailable, true),
            (Code::OutOfStock, true),
            (Code::InvalidArguments, false),
            (Code::SessionNotFound, false),
        ] {
            let mut run = Run::new();
            run.checkout_on = false;
            let call = run.create_order("cs_1", "k1");
            run.fail_with(call, code, None);
            if broken {
                run.broken(&DEGRADED_HONEST);
            } else {
                run.kept(&DEGRADED_HONEST);
            }
        }
    }

    #[test]
    fn a_call_that_fails_inside_the_server_is_excused_where_that_is_planned() {
        for planned in [true, false] {
            let mut run = Run::new();
            run.checkout_on = false;
            let call = run.create_order("cs_1", "k1");
            if planned {
                run.strike(Place::JournalRead, Fault::Panic);
            }
            run.fail_with(call, Code::Internal, None);
            if planned { run.kept(&DEGRADED_HONEST) } else { drop(run.broken(&DEGRADED_HONEST)) }
        }
    }

    #[test]
    fn reading_is_never_switched_off() {
        let mut run = Run::new();
        run.checkout_on = false;
        let call = run.call("get_order", json!({"order_id": "ord_1"}));
        run.fail_with(call, Code::CheckoutDisabled, None);
        assert!(run.broken(&DEGRADED_HONEST).contains("does not concern it"));
    }

    #[test]
    fn an_order_that_was_undone_as_it_was_off_says_so_where_it_ever_was() {
        for ever_off in [true, false] {
            let mut run = Run::new();
            run.session("cs_1");
            let begun = run.create_order("cs_1", "k1");
            run.reserve("ord_1");
            run.answer(begun, order_answer("ord_1", "pending"));
            if ever_off {
                run.push(EventKind::Switched { checkout: false });
            }
            let call = run.call("get_order", json!({"order_id": "ord_1"}));
            let mut failed = order_answer("ord_1", "failed");
            failed["error_code"] = json!(Code::CheckoutDisabled.as_str());
            run.answer(call, failed);
            if ever_off {
                run.kept(&DEGRADED_HONEST);
            } else {
                assert!(run.broken(&DEGRADED_HONEST).contains("never was"));
            }
        }
    }

    #[test]
    fn switched_on_again_it_sells_again() {
        let mut run = Run::new();
        run.checkout_on = false;
        run.push(EventKind::Switched { checkout: true });
        run.buy();
        run.kept(&DEGRADED_HONEST);
    }
}
