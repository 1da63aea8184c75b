//! `effects-exact`: what is told of the person's money is the most that is known, and no more.

use giftgenius::error::Code;

use super::evidence::{CallView, Evidence, ExchangeView, OrderView};
use super::settlement::unsettled_charge;
use super::{Findings, Oracle, Verdict, codes};
use crate::fault::Fault;
use crate::provider::ledger::EffectKind;
use crate::provider::operations::{CANCEL, CHARGE, COMMIT, LOOK_UP, REFUND, RELEASE, RESERVE, RESTOCK};
use crate::trace::{EventKind, Seen};

/// The rule.
pub static EFFECTS_EXACT: Oracle = Oracle {
    id: "effects-exact",
    rule: "`effects` is the most exact word that is known: `charged` once the charge was seen and as long as nothing may \
           have given it back, and never before; `none` only once each charge that was sent is proved not to stand or \
           given back; `unknown` only between.",
    explanation: "The model tells the person what became of their money by this one word. `unknown` where the charge was \
                  seen sends them to their bank for nothing; `none` before there is a proof makes them pay twice. A \
                  teller who had no look at the order (its store failed, it was held off, an earlier call is at work) may \
                  say `unknown`, and so may one after a death or a lost write, which took with it what had been seen. On \
                  the way back the money may have been given back at any moment.",
    requirements: &["F5", "F7", "F11"],
    check,
};

fn check(evidence: &Evidence<'_>) -> Verdict {
    let mut findings = Findings::of(EFFECTS_EXACT.id);
    for call in &evidence.calls {
        let (Some(told), Some(order), Some((end, _))) = (&call.told, call.order, call.end) else { continue };
        let code = told.code.and_then(codes::parse).filter(|_| told.is_error);
        if told.order_id.is_none() || code.is_some_and(had_no_look) {
            continue;
        }
        let view = &evidence.orders[order];
        let wrong = match told.effects {
            Some("unknown") if is_known_to_be_charged(evidence, call, view, end) => {
                "although the charge was seen to stand"
            }
            Some("charged") if !was_seen(evidence, view, end) => "although no charge had been seen",
            Some("none") if unsettled_charge(evidence, order, end).is_some() => {
                "although a charge was not proved not to stand"
            }
            _ => continue,
        };
        let message = format!(
            "{} of script step {} told `effects: {}` for order {}, {wrong}",
            call.started.tool,
            call.started.step,
            told.effects.unwrap_or_default(),
            view.id
        );
        let charges = sent_before(evidence, view, end).filter(|sent| sent.is(&CHARGE)).map(|sent| sent.sent_event);
        findings.add(message, charges.chain([end]));
    }
    findings.verdict()
}

/// Whether who answers with a code need not have looked at the order.
const fn had_no_look(code: Code) -> bool {
    matches!(
        code,
        Code::OrderInProgress | Code::StoreUnavailable | Code::Internal | Code::LimitReached | Code::OutOfStep
    )
}

fn sent_before<'e, 'a>(
    evidence: &'e Evidence<'a>,
    order: &'e OrderView<'a>,
    end: usize,
) -> impl Iterator<Item = &'e ExchangeView<'a>> {
    order.exchanges.iter().map(|index| &evidence.exchanges[*index]).filter(move |sent| sent.sent_event < end)
}

/// Whether an answer of a provider's was there before an event, whole and good.
fn succeeded_before(exchange: &ExchangeView<'_>, event: usize) -> bool {
    exchange.succeeded() && exchange.answer.is_some_and(|(at, ..)| at < event)
}

/// Whether a charge's own answer says that the money was taken: what is still processed, or waits for an action, says so
/// later, also where it is answered again from its key.
fn captured_before(evidence: &Evidence<'_>, order: &OrderView<'_>, exchange: &ExchangeView<'_>, event: usize) -> bool {
    let is_taken = |delivered: usize| {
        let mut effects = evidence.effects_of(order);
        effects.any(|(index, effect)| effect.kind == EffectKind::Charge && evidence.event_of(index) < delivered)
    };
    exchange.is(&CHARGE) && succeeded_before(exchange, event) && exchange.delivered.is_some_and(is_taken)
}

/// Whether a charge had been seen by an event: in its own answer, or in a listing.
fn was_seen(evidence: &Evidence<'_>, order: &OrderView<'_>, end: usize) -> bool {
    let taken_by = |event: usize| {
        evidence
            .effects_of(order)
            .any(|(index, effect)| effect.kind == EffectKind::Charge && evidence.event_of(index) < event)
    };
    sent_before(evidence, order, end).any(|sent| {
        let told = matches!(sent.answer, Some((at, _, Seen::Reply { status: 200, .. })) if at < end);
        captured_before(evidence, order, sent, end)
            || (told && (sent.is(&LOOK_UP) || sent.is(&CANCEL)) && sent.delivered.is_some_and(taken_by))
    })
}

/// Whether it was known all through a call that the money was taken, with nothing under way that could give it back.
fn is_known_to_be_charged(evidence: &Evidence<'_>, call: &CallView<'_>, order: &OrderView<'_>, end: usize) -> bool {
    let sent = || sent_before(evidence, order, end);
    let Some(captured) =
        sent().find(|sent| captured_before(evidence, order, sent, call.start_event.max(first_write(call))))
    else {
        return false;
    };
    let from = captured.sent_event;
    let goes_back = order.cancelled_from.is_some_and(|from| from < end)
        || sent().any(|sent| [&CANCEL, &REFUND, &RELEASE, &RESTOCK].iter().any(|undo| sent.is(undo)))
        || sent()
            .any(|sent| sent.sent_event > from && (sent.is(&COMMIT) || sent.is(&RESERVE)) && sent.refusal().is_some());
    let acts = evidence.taken_back.iter().any(|act| order.effects.contains(&act.effect));
    let lost = evidence.trace.events[from..end].iter().any(|event| match &event.kind {
        EventKind::Crashed | EventKind::Restarted => true,
        EventKind::Struck { fault, .. } => !matches!(**fault, Fault::Host(_) | Fault::Malformed(_)),
        _ => false,
    });
    let is_another_amount = evidence.went_wrong(captured);
    !goes_back && !acts && !lost && !is_another_amount
}

/// From when on a call's answer can tell what was seen: its own sale is told once the driver has written down how it goes on.
fn first_write(call: &CallView<'_>) -> usize {
    if call.is("create_order") { call.end.map_or(0, |(end, _)| end) } else { 0 }
}

#[cfg(test)]
mod tests {
    use giftgenius::error::Effects;
    use serde_json::json;

    use super::*;
    use crate::fault::site::Place;
    use crate::oracle::testing::{Run, order_answer, pending};

    /// A sale whose booking does not come about, up to its answer.
    fn charged(between: impl FnOnce(&mut Run), effects: &str) -> Run {
        let mut run = Run::new();
        run.session("cs_1");
        let call = run.create_order("cs_1", "k1");
        run.reserve("ord_1");
        run.charge("ord_1");
        between(&mut run);
        let commit = run.send_faulty(&COMMIT, Some("ord_1/1"), Some("commit"), Some(Fault::LostReply));
        run.silence(commit);
        run.answer(call, pending("cs_1", "ord_1", effects));
        run
    }

    #[test]
    fn a_charge_that_was_seen_is_told_unless_it_may_be_given_back() {
        charged(|_| (), "charged").kept(&EFFECTS_EXACT);
        let said = charged(|_| (), "unknown").broken(&EFFECTS_EXACT);
        assert!(said.contains("although the charge was seen to stand"), "{said}");
        charged(|run| run.strike(Place::JournalWrite, Fault::Busy), "unknown").kept(&EFFECTS_EXACT);
        let undone = |run: &mut Run| {
            run.send(&CANCEL, Some("ord_1"), Some("close"));
        };
        charged(undone, "unknown").kept(&EFFECTS_EXACT);
    }

    #[test]
    fn nothing_is_told_as_charged_or_as_free_while_the_charge_is_open() {
        for (effects, broken) in [
            ("unknown", None),
            ("charged", Some("although no charge had been seen")),
            ("none", Some("although a charge was not proved not to stand")),
        ] {
            let mut run = Run::new();
            run.session("cs_1");
            let call = run.create_order("cs_1", "k1");
            run.reserve("ord_1");
            let charge = run.send_faulty(&CHARGE, Some("ord_1"), Some("charge"), Some(Fault::LostReply));
            run.silence(charge);
            run.answer(call, pending("cs_1", "ord_1", "unknown"));
            let call = run.call("get_order", json!({"order_id": "ord_1"}));
            let mut answer = order_answer("ord_1", "pending");
            answer["effects"] = json!(effects);
            run.answer(call, answer);
            run.kept_unless(&EFFECTS_EXACT, broken);
        }
    }

    #[test]
    fn a_charge_that_was_refused_stands_for_nothing() {
        let mut run = Run::new();
        run.session("cs_1");
        let call = run.create_order("cs_1", "k1");
        run.reserve("ord_1");
        let charge = run.send(&CHARGE, Some("ord_1"), Some("charge"));
        run.deliver(charge);
        run.status(charge, 402);
        run.fail_with(call, Code::PaymentDeclined, Some(("ord_1", Effects::None)));
        run.kept(&EFFECTS_EXACT);
    }

    #[test]
    fn who_had_no_look_at_the_order_may_say_so() {
        for (code, kept) in [(Code::OrderInProgress, true), (Code::StoreUnavailable, true), (Code::OrderPaid, false)] {
            let mut run = Run::sale();
            let call = run.create_order("cs_1", "k2");
            run.fail_with(call, code, Some(("ord_1", Effects::Unknown)));
            run.kept_if(&EFFECTS_EXACT, kept);
        }
    }
}
