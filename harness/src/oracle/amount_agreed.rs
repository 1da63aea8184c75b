//! `amount-agreed`: what was quoted is what is charged and what is told.

use super::evidence::{Evidence, ExchangeView, OrderView, money};
use super::told::ToldStatus;
use super::{Findings, Oracle, Verdict, money_told};
use crate::fault::{Contradiction, Fault};
use crate::provider::OperationSpec;
use crate::provider::ledger::EffectKind;
use crate::provider::operations::{CANCEL, CHARGE, COMMIT, LOOK_UP, REFUND, RELEASE, RESERVE};
use crate::trace::Seen;

/// The rule.
pub static AMOUNT_AGREED: Oracle = Oracle {
    id: "amount-agreed",
    rule: "The quote, the amount asked for, the amount charged and every amount told are one, currency included, and a \
           charge asks for more than 0. A reply in another currency, or of more than was asked for, is looked into before \
           anything is built on it. Money that is told in words has the decimals of its currency.",
    explanation: "A checkout session freezes a quote; from then on the amount never changes, whatever a provider \
                  answers. A provider that took another amount has it given back in full. A breach names the two \
                  amounts that differ and where each comes from. 14800 JPY has no decimals and 29.500 KWD three (ISO 4217): \
                  148.00 JPY is another price.",
    requirements: &["F6", "I1"],
    check,
};

fn check(evidence: &Evidence<'_>) -> Verdict {
    let mut findings = Findings::of(AMOUNT_AGREED.id);
    let mut unquoted = None;
    for order in &evidence.orders {
        match order.quote {
            Some(quote) => {
                asked(evidence, order, quote, &mut findings);
                charged(evidence, order, quote, &mut findings);
                looked_into(evidence, order, &mut findings);
            }
            None if evidence.money_at(order, usize::MAX) != 0 => unquoted = Some(order.id),
            None => {}
        }
    }
    money_told::judge(evidence, &mut findings);
    for call in &evidence.calls {
        let (Some(told), Some(order), Some((end, _))) = (&call.told, call.order, call.end) else {
            continue;
        };
        let order = &evidence.orders[order];
        let Some(quote) = order.quote else {
            continue;
        };
        if let Some(amount) = told.amount
            && amount != quote
        {
            let message = format!(
                "{} told {} for order {}, but {} was quoted",
                call.started.tool,
                money(amount.0, amount.1),
                order.id,
                money(quote.0, quote.1)
            );
            findings.add(message, [end]);
        }
        if told.status == ToldStatus::Success && order.cancelled_from.is_none() && order.parked.is_none() {
            let stands = evidence.money_at(order, usize::MAX);
            if stands != quote.0 && stands != 0 && !keeps_one_charge(evidence, order) {
                let message = format!(
                    "order {} was told to be paid, but at rest {} of the quoted {} stand",
                    order.id,
                    money(stands, quote.1),
                    money(quote.0, quote.1)
                );
                findings.add(message, [end]);
            }
        }
    }
    match unquoted {
        Some(order) if findings.is_empty() => {
            Verdict::NoVerdict(format!("money moved for order {order}, but the run shows no quote for its session"))
        }
        Some(_) | None => findings.verdict(),
    }
}

/// Whether the system has given nothing back of one charge and all others are gone, or has given back all that was taken:
/// what the provider did on its own it need not have made good.
fn keeps_one_charge(evidence: &Evidence<'_>, order: &OrderView<'_>) -> bool {
    let charges = || evidence.effects_of(order).filter(|(_, effect)| effect.kind == EffectKind::Charge);
    let all_went_back = charges().all(|(charge, effect)| {
        effect.amount.is_none_or(|amount| evidence.refunded_by_the_system(charge) == amount.minor_units)
    });
    all_went_back
        || charges().any(|(kept, _)| {
            evidence.refunded_by_the_system(kept) == 0
                && charges().all(|(other, _)| other == kept || !evidence.stands(other))
        })
}

/// Every charge request asks for the quote.
fn asked(evidence: &Evidence<'_>, order: &OrderView<'_>, quote: (i64, &str), findings: &mut Findings) {
    for index in &order.exchanges {
        let exchange = &evidence.exchanges[*index];
        let Some(amount) = exchange.sent.amount.filter(|_| exchange.is(&CHARGE)) else { continue };
        if amount <= 0 {
            let message = format!("{} asked for {} for order {}", exchange.sent.site, money(amount, quote.1), order.id);
            findings.add(message, [exchange.sent_event]);
        } else if amount != quote.0 {
            let message = format!(
                "{} asked for {} for order {}, but {} was quoted",
                exchange.sent.site,
                money(amount, quote.1),
                order.id,
                money(quote.0, quote.1)
            );
            findings.add(message, [exchange.sent_event]);
        }
    }
}

/// What contradicts the request proves nothing: the money is asked about before the sale is booked or its undoing ends, and
/// the stock before the money is asked for.
fn looked_into(evidence: &Evidence<'_>, order: &OrderView<'_>, findings: &mut Findings) {
    let requests = || order.exchanges.iter().map(|index| &evidence.exchanges[*index]);
    for exchange in requests() {
        let contradicts = exchange.sent.faults.iter().find_map(|fault| match fault {
            Fault::Contradicting(how @ (Contradiction::Currency | Contradiction::MoreHeld)) => Some(*how),
            _ => None,
        });
        let Some(how) = contradicts else { continue };
        let Some((seen, _, Seen::Reply { status: 200..=299, .. })) = exchange.answer else { continue };
        let later = || requests().filter(|it| it.sent_event > seen);
        let asked: &[&OperationSpec] = match how {
            Contradiction::MoreHeld => &[&RESERVE, &RELEASE],
            _ => &[&LOOK_UP, &CANCEL, &CHARGE, &REFUND],
        };
        let is_asked = |it: &&ExchangeView<'_>| asked.iter().any(|spec| it.is(spec));
        // What is built on it: a charge on stock, a sale on a charge, and on a refund that nothing stands any more.
        // Another process knows by its own requests.
        let own = |spec| later().find(|it| it.is(spec) && it.incarnation == exchange.incarnation);
        let built_on = match how {
            Contradiction::MoreHeld => own(&CHARGE).map(|it| it.sent_event),
            _ if exchange.is(&REFUND) => told_nothing_stands(evidence, order, seen),
            _ => own(&COMMIT).map(|it| it.sent_event),
        };
        let looked = later().find(is_asked).map(|it| it.sent_event);
        if let Some(built_on) = built_on
            && looked.is_none_or(|looked| built_on < looked)
        {
            let message = format!(
                "{} was answered with what contradicts it ({}), and that was believed for order {}",
                exchange.sent.site,
                how.name(),
                order.id
            );
            findings.add(message, [exchange.sent_event, seen, built_on]);
        }
    }
}

/// The first answer after an event that tells of the order that nothing of the person's money stands.
fn told_nothing_stands(evidence: &Evidence<'_>, order: &OrderView<'_>, after: usize) -> Option<usize> {
    evidence.calls.iter().find_map(|call| {
        let told = call.told.as_ref().filter(|told| told.order_id == Some(order.id))?;
        let (end, _) = call.end?;
        (end > after && told.effects == Some("none")).then_some(end)
    })
}

/// Every charge took the quote, or was given back in full.
fn charged(evidence: &Evidence<'_>, order: &OrderView<'_>, quote: (i64, &str), findings: &mut Findings) {
    for (index, effect) in evidence.effects_of(order) {
        let Some(amount) = effect.amount else {
            continue;
        };
        if effect.kind == EffectKind::Charge
            && (amount.minor_units, amount.currency.as_str()) != quote
            && evidence.stands(index)
            && order.parked.is_none()
        {
            let message = format!(
                "{} took {amount} for order {} and keeps it, but {} was quoted",
                effect.subject,
                order.id,
                money(quote.0, quote.1)
            );
            findings.add(message, [evidence.event_of(index)]);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::oracle::testing::{PRICE, Run, order_answer};
    use crate::trace::EventKind;

    #[test]
    fn what_the_provider_gives_back_on_its_own_is_counted_for_each_charge() {
        // A copy of which the provider gave back so much, and half of the order's own.
        let copied = |back: i64| {
            let mut run = Run::new();
            let (charge, _) = run.buy();
            let copy = run.effect(EffectKind::Charge, "ord_1", None, None);
            run.effect_of(EffectKind::Refund, "ord_1", None, Some(copy), Some(back));
            run.effect_of(EffectKind::Refund, "ord_1", None, Some(charge), Some(PRICE / 2));
            run
        };
        copied(PRICE).kept(&AMOUNT_AGREED);
        assert!(copied(PRICE / 2).broken(&AMOUNT_AGREED).contains("of the quoted 42.00 EUR stand"));
    }

    #[test]
    fn a_sale_agrees_everywhere() {
        let mut run = Run::sale();
        run.get_order("ord_1", "success");
        run.kept(&AMOUNT_AGREED);
    }

    #[test]
    fn another_amount_or_currency_told_is_a_breach() {
        for amount in [json!({"minor_units": 4300, "currency": "EUR"}), json!({"minor_units": 4200, "currency": "USD"})]
        {
            let mut run = Run::sale();
            let call = run.call("get_order", json!({"order_id": "ord_1"}));
            let mut answer = order_answer("ord_1", "success");
            answer["amount"] = amount;
            run.answer(call, answer);
            assert!(run.broken(&AMOUNT_AGREED).contains("but 42.00 EUR was quoted"));
        }
    }

    #[test]
    fn another_amount_asked_for_is_a_breach() {
        let mut run = Run::sale();
        for event in &mut run.record.trace.events {
            if let EventKind::Sent(sent) = &mut event.kind
                && sent.amount.is_some()
            {
                sent.amount = Some(42);
            }
        }
        assert!(run.broken(&AMOUNT_AGREED).contains("asked for 0.42 EUR"));
    }

    #[test]
    fn another_amount_taken_is_given_back() {
        let mut run = Run::new();
        run.session("cs_1");
        run.create_order("cs_1", "k1");
        let exchange = run.send(&CHARGE, Some("ord_1"), Some("k"));
        let charge = run.effect_of(EffectKind::Charge, "ord_1", Some(exchange), None, Some(PRICE + 100));
        run.ok(exchange);
        assert!(run.broken(&AMOUNT_AGREED).contains("took 43.00 EUR"));
        run.effect_of(EffectKind::Refund, "ord_1", None, Some(charge), Some(PRICE + 100));
        run.kept(&AMOUNT_AGREED);
    }

    #[test]
    fn paid_with_half_of_it_refunded_is_a_breach_unless_the_provider_did_it_on_its_own() {
        let mut run = Run::new();
        let (charge, _) = run.buy();
        run.effect_of(EffectKind::Refund, "ord_1", None, Some(charge), Some(PRICE / 2));
        run.kept(&AMOUNT_AGREED);
        let refund = run.send(&REFUND, Some("ord_1"), Some("r"));
        run.effect_of(EffectKind::Refund, "ord_1", Some(refund), Some(charge), Some(PRICE / 2));
        assert!(run.broken(&AMOUNT_AGREED).contains("21.00 EUR of the quoted 42.00 EUR"));
    }

    #[test]
    fn a_reply_in_another_currency_is_looked_into() {
        let charged = |look: bool| {
            let mut run = Run::new();
            run.session("cs_1");
            run.create_order("cs_1", "k1");
            let reserve = run.reserve("ord_1");
            let fault = Fault::Contradicting(Contradiction::Currency);
            let charge = run.send_faulty(&CHARGE, Some("ord_1"), Some("k"), Some(fault));
            run.effect(EffectKind::Charge, "ord_1", Some(charge), None);
            run.ok(charge);
            if look {
                let look_up = run.send(&LOOK_UP, Some("ord_1"), None);
                run.ok(look_up);
            }
            run.commit("ord_1", reserve);
            run
        };
        charged(true).kept(&AMOUNT_AGREED);
        assert!(charged(false).broken(&AMOUNT_AGREED).contains("(currency), and that was believed"));
    }

    #[test]
    fn without_a_quote_there_is_nothing_to_compare_with() {
        let mut run = Run::new();
        run.create_order("cs_1", "k1");
        run.charge("ord_1");
        let verdict = run.with_evidence(AMOUNT_AGREED.check);
        assert!(matches!(verdict, Verdict::NoVerdict(_)));
    }
}
