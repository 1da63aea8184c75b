//! `hints-true`: what a tool promises about itself is so.

use std::ops::Range;

use giftgenius::app::Annotations;
use giftgenius::tools;

use super::conversations::{accepted, end, overlap, wrote_during};
use super::evidence::{CallView, Evidence};
use super::in_step::is_looked_after;
use super::json::canonically_equal;
use super::keyed::{is_remembered, sent_for};
use super::{Findings, Oracle, ToldStatus, Verdict};
use crate::fault::Fault;
use crate::fault::site::Place;
use crate::trace::EventKind;

/// The rule.
pub static HINTS_TRUE: Oracle = Oracle {
    id: "hints-true",
    rule: "A tool that is published with readOnlyHint changes nothing, at a provider or in the journal; of a tool with \
           idempotentHint the identical call again, after it succeeded, changes nothing more.",
    explanation: "Clients ask the person before a tool that is not read-only, and repeat an idempotent one by \
                  themselves: a hint is a promise that others act on. A breach names the tool, and the request or the \
                  write that it should not have made. Writes are told apart in simulation only, and only where nothing \
                  else was at work and the store failed under none that is now caught up on.",
    requirements: &["F4", "F5"],
    check,
};

fn check(evidence: &Evidence<'_>) -> Verdict {
    let mut findings = Findings::of(HINTS_TRUE.id);
    for (place, call) in evidence.calls.iter().enumerate() {
        let Some(hints) = hints(call) else { continue };
        if hints.read_only {
            let what =
                format!("{} is published as read-only, and in script step {}", call.started.tool, call.started.step);
            changes(evidence, call, &what, &mut findings);
        } else if hints.idempotent
            && let Some(earlier) =
                evidence.calls[..place].iter().rev().find(|earlier| done_before(evidence, earlier, call))
        {
            let what = format!(
                "{} is published as idempotent, and its identical call in script step {}",
                call.started.tool, call.started.step
            );
            let span = earlier.start_event..end(call);
            let refused = evidence.lost_writes.iter().any(|lost| span.contains(lost));
            if refused
                || is_looked_after(evidence, earlier)
                || failed_to_read(evidence, span)
                || evidence.calls.iter().any(|other| is_between(earlier, other, call))
            {
                // What else was done meanwhile may be what the call now changes, a sale that was not over may have ended,
                // and what the store refused is caught up on; at providers it changes nothing for that.
                requests(evidence, call, &what, &mut findings);
            } else {
                changes(evidence, call, &what, &mut findings);
            }
        }
    }
    findings.verdict()
}

/// Whether the store failed to show something: what hung on it was not written down, and is caught up on.
fn failed_to_read(evidence: &Evidence<'_>, span: Range<usize>) -> bool {
    let events = &evidence.trace.events;
    events[span.start..span.end.min(events.len())].iter().any(|event| {
        matches!(&event.kind, EventKind::Struck { site, fault }
            if site.place == Place::JournalRead && matches!(**fault, Fault::Busy | Fault::Corrupt))
    })
}

/// What a tool's published annotations say.
fn hints(call: &CallView<'_>) -> Option<Annotations> {
    tools::table().iter().find(|tool| tool.spec.name == &*call.started.tool).map(|tool| tool.spec.annotations)
}

/// Whether an earlier call was identical, key included, and has succeeded for good.
fn done_before(evidence: &Evidence<'_>, earlier: &CallView<'_>, call: &CallView<'_>) -> bool {
    earlier.started.tool == call.started.tool
        && earlier.started.user == call.started.user
        && earlier.started.key == call.started.key
        && end(earlier) <= call.start_event
        && accepted(earlier)
        && !earlier.told.as_ref().is_some_and(|told| told.status == ToldStatus::Pending)
        && canonically_equal(&earlier.started.arguments, &call.started.arguments)
        && (call.started.key.is_none() || is_remembered(evidence, earlier, call))
}

fn is_between(earlier: &CallView<'_>, other: &CallView<'_>, call: &CallView<'_>) -> bool {
    let apart = !std::ptr::eq(other, earlier) && !std::ptr::eq(other, call);
    let reads = hints(other).is_some_and(|hints| hints.read_only);
    apart
        && !reads
        && (overlap(other, call)
            || overlap(other, earlier)
            || (earlier.start_event..call.start_event).contains(&other.start_event))
}

fn changes(evidence: &Evidence<'_>, call: &CallView<'_>, what: &str, findings: &mut Findings) {
    requests(evidence, call, what, findings);
    if wrote_during(evidence, call) {
        let events = [Some(call.start_event), call.end.map(|(event, _)| event)];
        findings.add(format!("{what} it wrote to the journal"), events.into_iter().flatten());
    }
}

fn requests(evidence: &Evidence<'_>, call: &CallView<'_>, what: &str, findings: &mut Findings) {
    let effectful = evidence.exchanges.iter().filter(|exchange| exchange.sent.operation.effectful);
    for exchange in effectful.filter(|exchange| sent_for(exchange.sent, call)) {
        let message = format!("{what} it sent {}", exchange.sent.operation.label);
        findings.add(message, [call.start_event, exchange.sent_event]);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use giftgenius::error::Code;
    use serde_json::json;

    use super::*;
    use crate::oracle::testing::{Run, order_answer};
    use crate::provider::operations::{LOOK_UP, SEARCH};

    fn reading(run: &mut Run, writes: bool) {
        let call = run.call("get_order", json!({"order_id": "ord_1"}));
        if writes {
            run.write();
        }
        run.answer(call, order_answer("ord_1", "success"));
    }

    #[test]
    fn reading_sends_and_writes_nothing() {
        let mut run = Run::sale();
        let call = run.call("search_products", json!({}));
        let search = run.send(&SEARCH, None, None);
        run.ok(search);
        run.answer(call, json!({"products": []}));
        reading(&mut run, false);
        run.kept(&HINTS_TRUE);
        reading(&mut run, true);
        assert!(run.broken(&HINTS_TRUE).contains("get_order is published as read-only"));
    }

    #[test]
    fn a_read_that_reserves_is_a_lie() {
        let mut run = Run::new();
        let call = run.call("search_products", json!({}));
        run.reserve("ord_1");
        run.answer(call, json!({"products": []}));
        assert!(run.broken(&HINTS_TRUE).contains("it sent inventory.reserve"));
    }

    #[test]
    fn the_identical_call_again_changes_nothing_more() {
        for again in [false, true] {
            let mut run = Run::sale();
            let started = run.with_evidence(|evidence| {
                let sale = evidence.calls.iter().find(|call| call.is("create_order")).expect("it bought");
                (*sale.started.arguments).clone()
            });
            let call = run.call("create_order", started);
            if again {
                run.reserve("ord_2");
            }
            run.tell_success(call, "cs_1", "ord_1");
            if again {
                assert!(run.broken(&HINTS_TRUE).contains("published as idempotent"));
            } else {
                run.kept(&HINTS_TRUE);
            }
        }
    }

    #[test]
    fn a_key_that_was_answered_from_is_remembered_no_longer_for_that() {
        let retention = u64::try_from(giftgenius::policy::Policy::default().entry_retention.as_millis()).expect("fits");
        let used_at = |pauses: &[u64]| {
            let mut run = Run::new();
            run.replicas.count = 2;
            run.session("cs_1");
            for (use_, pause) in pauses.iter().enumerate() {
                run.wait_ms(*pause);
                let call = run.create_order("cs_1", "k1");
                if use_ + 1 == pauses.len() {
                    run.write();
                }
                run.tell_success(call, "cs_1", "ord_1");
            }
            run
        };
        // Bound by the first, answered from by the second, forgotten at the third.
        used_at(&[0, retention - 60_000, 60_000]).kept(&HINTS_TRUE);
        // Bound again by the second.
        used_at(&[0, retention, 60_000]).broken(&HINTS_TRUE);
        used_at(&[0, 60_000, 60_000]).broken(&HINTS_TRUE);
    }

    #[test]
    fn a_key_is_bound_to_the_end_of_a_sale_that_was_not_over() {
        let repeated = |looked_at: bool| {
            let mut run = Run::new();
            run.session("cs_1");
            let call = run.create_order("cs_1", "k1");
            run.tell_success(call, "cs_1", "ord_1");
            if looked_at {
                let look_up = run.send(&LOOK_UP, Some("ord_1"), None);
                run.ok(look_up);
            }
            let call = run.create_order("cs_1", "k1");
            run.write();
            run.tell_success(call, "cs_1", "ord_1");
            run
        };
        repeated(true).kept(&HINTS_TRUE);
        repeated(false).broken(&HINTS_TRUE);
    }

    #[test]
    fn a_write_that_the_store_refused_is_caught_up_on_and_a_request_is_not() {
        type Fails = fn(&mut Run);
        let (nothing, write): (Fails, Fails) = (|_| {}, Run::lost_write);
        let (read, yields): (Fails, Fails) =
            (|run| run.strike(Place::JournalRead, Fault::Busy), |run| run.strike(Place::JournalRead, Fault::Yield));
        for (fail, requests, broken) in [
            (nothing, false, true),
            (write, false, false),
            (write, true, true),
            (read, false, false),
            (read, true, true),
            (yields, false, true),
        ] {
            let mut run = Run::new();
            run.session("cs_1");
            let cancel = |run: &mut Run| run.call("cancel_order", json!({"order_id": "ord_1", "idempotency_key": "x"}));
            let call = cancel(&mut run);
            fail(&mut run);
            run.answer(call, order_answer("ord_1", "cancelled"));
            let call = cancel(&mut run);
            if requests {
                run.reserve("ord_1");
            }
            run.write();
            run.answer(call, order_answer("ord_1", "cancelled"));
            if broken {
                assert!(run.broken(&HINTS_TRUE).contains("cancel_order is published as idempotent"));
            } else {
                run.kept(&HINTS_TRUE);
            }
        }
    }

    #[test]
    fn what_a_look_that_was_on_its_way_shows_is_written_down_by_its_order() {
        // Whose write it is, whether somebody's request was on its way before the call, and whether it is told of.
        for (order, looking, broken) in
            [(None, false, true), (None, true, false), (Some("ord_1"), false, false), (Some("ord_1"), true, false)]
        {
            let mut run = Run::sale();
            run.wait_ms(120_000);
            run.correlation = String::from("look-1");
            let look = looking.then(|| run.send(&LOOK_UP, Some("ord_1"), None));
            let call = run.call("get_payment_methods", json!({}));
            if let Some(look) = look {
                run.ok(look);
            }
            match order {
                Some(order) => run.write_of(order),
                None => run.write(),
            }
            run.answer(call, json!({"payment_methods": []}));
            if broken {
                assert!(run.broken(&HINTS_TRUE).contains("get_payment_methods is published as read-only"));
            } else {
                run.kept(&HINTS_TRUE);
            }
        }
        let mut run = Run::sale();
        let call = run.call("get_order", json!({"order_id": "ord_1"}));
        run.write_of("ord_1");
        run.answer(call, order_answer("ord_1", "success"));
        run.broken(&HINTS_TRUE);
    }

    #[test]
    fn what_a_slow_store_writes_late_is_of_the_call_that_gave_up_on_it() {
        // How slow it is, and whether the write is the read's.
        for (slow_ms, broken) in [(1000, false), (900, true)] {
            let mut run = Run::new();
            let call = run.call("suggest_gifts", json!({"budget": 1000}));
            run.strike(Place::JournalWrite, Fault::Slow(Duration::from_millis(slow_ms)));
            run.wait_ms(980);
            run.fail_with(call, Code::StoreUnavailable, None);
            let call = run.call("get_payment_methods", json!({}));
            run.wait_ms(100);
            run.write();
            run.answer(call, json!({"payment_methods": []}));
            if broken {
                assert!(run.broken(&HINTS_TRUE).contains("get_payment_methods is published as read-only"));
            } else {
                run.kept(&HINTS_TRUE);
            }
        }
    }

    #[test]
    fn what_is_at_work_meanwhile_is_not_the_calls() {
        let mut run = Run::sale();
        let sale = run.create_order("cs_2", "k2");
        reading(&mut run, true);
        run.tell_success(sale, "cs_2", "ord_2");
        run.kept(&HINTS_TRUE);
    }
}
