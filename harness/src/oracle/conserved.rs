//! `conserved`: money and stock add up.

use super::evidence::{Evidence, OrderView};
use super::{Findings, Oracle, Verdict};
use crate::provider::ledger::EffectKind;

/// The rule.
pub static CONSERVED: Oracle = Oracle {
    id: "conserved",
    rule: "At rest, for each order what stands is what was captured less what was refunded, and never negative; the \
           shelf and what is reserved and sold make the opening stock; no order is recorded without its effects, and \
           no effect without its order.",
    explanation: "The books have to balance without asking the system. A breach in money is a refund of something \
                  never charged, or too much of one; in stock, goods that vanished; in the record, an order that says \
                  one thing while the providers' books say another, or money at the provider of which the system \
                  knows nothing.",
    requirements: &["F6", "F8"],
    check,
};

fn check(evidence: &Evidence<'_>) -> Verdict {
    let mut findings = Findings::of(CONSERVED.id);
    refunds(evidence, &mut findings);
    let counted = stock(evidence, &mut findings);
    for order in &evidence.orders {
        recorded(evidence, order, &mut findings);
    }
    if !findings.is_empty() {
        return findings.verdict();
    }
    if !counted {
        return Verdict::NoVerdict(String::from("stock moved, but the shelf was not counted"));
    }
    if evidence.rest.orders.is_empty() && !evidence.ledger.effects.is_empty() {
        return Verdict::NoVerdict(String::from(
            "the books balance, but the system's own record of its orders could not be read",
        ));
    }
    Verdict::Kept
}

/// Each refund gives back a charge, and no charge is given back more than once over.
fn refunds(evidence: &Evidence<'_>, findings: &mut Findings) {
    for (index, effect) in evidence.ledger.effects.iter().enumerate() {
        let Some(amount) = effect.amount else {
            continue;
        };
        match effect.kind {
            EffectKind::Charge if amount.minor_units < evidence.undone[index] => {
                let message = format!(
                    "{} was charged {amount} for order {}, and {} minor units were given back",
                    effect.subject, effect.reference, evidence.undone[index]
                );
                let undos = evidence
                    .ledger
                    .of_kind(EffectKind::Refund)
                    .filter(|refund| refund.undoes == Some(effect.id))
                    .map(|refund| evidence.event_of(refund.id.0 as usize));
                findings.add(message, undos.chain([evidence.event_of(index)]));
            }
            EffectKind::Refund => {
                let charge = effect.undoes.and_then(|charge| evidence.ledger.effects.get(charge.0 as usize));
                let fits = charge.is_some_and(|charge| {
                    charge.kind == EffectKind::Charge
                        && charge.reference == effect.reference
                        && charge.amount.is_some_and(|charged| charged.currency == amount.currency)
                });
                if !fits {
                    let message = format!(
                        "{} gave {amount} back for order {}, but belongs to no charge of it in that currency",
                        effect.subject, effect.reference
                    );
                    findings.add(message, [evidence.event_of(index)]);
                }
            }
            EffectKind::Charge
            | EffectKind::Dispute
            | EffectKind::RefundFailed
            | EffectKind::Close
            | EffectKind::Reserve
            | EffectKind::Release
            | EffectKind::Expire
            | EffectKind::Commit
            | EffectKind::Restock => {}
        }
    }
}

/// Opening stock = closing stock + reserved + sold, per SKU; whether it was counted.
fn stock(evidence: &Evidence<'_>, findings: &mut Findings) -> bool {
    let ledger = evidence.ledger;
    let moved = ledger.effects.iter().any(|effect| !effect.stock.is_empty());
    if moved && ledger.opening_stock.is_empty() {
        return false;
    }
    let mut counted = true;
    for (sku, opening) in &ledger.opening_stock {
        let closing = ledger.closing_stock.iter().find(|(other, _)| other == sku);
        let Some((_, closing)) = closing else {
            counted = false;
            continue;
        };
        let mut away: u64 = 0;
        for (index, effect) in ledger.effects.iter().enumerate() {
            if matches!(effect.kind, EffectKind::Reserve | EffectKind::Commit) && evidence.stands(index) {
                let of_it = effect.stock.iter().filter(|(other, _)| other == sku);
                away += of_it.map(|(_, quantity)| u64::from(*quantity)).sum::<u64>();
            }
        }
        if u64::from(*opening) != u64::from(*closing) + away {
            let message = format!(
                "of {opening} {sku} on the shelf at first, {closing} are left and {away} are reserved or sold: {} do \
                 not add up",
                i64::from(*opening) - i64::from(*closing) - i64::try_from(away).unwrap_or(i64::MAX)
            );
            let on_this_sku = ledger
                .effects
                .iter()
                .enumerate()
                .filter(|(_, effect)| effect.stock.iter().any(|(other, _)| other == sku))
                .map(|(index, _)| evidence.event_of(index));
            findings.add(message, on_this_sku);
        }
    }
    counted
}

/// The system's own record of an order agrees with the books.
fn recorded(evidence: &Evidence<'_>, order: &OrderView<'_>, findings: &mut Findings) {
    let events = || order.effects.iter().map(|effect| evidence.event_of(*effect));
    let charged = evidence.money_at(order, usize::MAX);
    let Some(record) = order.at_rest else {
        let stands = order.effects.iter().any(|effect| {
            let kind = evidence.ledger.effects[*effect].kind;
            matches!(kind, EffectKind::Charge | EffectKind::Reserve | EffectKind::Commit) && evidence.stands(*effect)
        });
        if stands && !evidence.rest.orders.is_empty() {
            findings.add(
                format!(
                    "effects stand for order {} ({} charged), of which the system has no record",
                    order.id,
                    evidence.money(order, charged)
                ),
                events(),
            );
        }
        return;
    };
    let sold = evidence.standing(order, EffectKind::Commit) > 0;
    let held = evidence.standing(order, EffectKind::Reserve) > 0;
    let wrong = match record.status {
        "paid" if charged <= 0 => "no charge stands",
        "paid" if !sold => "the sale is not booked in the inventory",
        "cancelled" if evidence.least_money_at(order, usize::MAX) > 0 => "a charge stands",
        "cancelled" if sold => "the sale is booked in the inventory",
        "cancelled" if held => "stock is reserved",
        "paid" if record.money != "charged" => "its money is not recorded as charged",
        "cancelled" if record.money != "none" => "its money is not recorded as given back",
        _ => return,
    };
    findings.add(
        format!("order {} is recorded as {} (money: {}), but {wrong}", order.id, record.status, record.money),
        events(),
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::testing::{PRICE, Run};

    #[test]
    fn a_sale_balances() {
        Run::sale().kept(&CONSERVED);
    }

    #[test]
    fn a_refund_of_nothing_and_one_too_many_are_breaches() {
        let mut run = Run::new();
        let (charge, _) = run.buy();
        run.effect(EffectKind::Refund, "ord_1", None, None);
        assert!(run.broken(&CONSERVED).contains("belongs to no charge"));

        let mut run = Run::new();
        let (again, _) = run.buy();
        assert_eq!(again, charge);
        run.effect_of(EffectKind::Refund, "ord_1", None, Some(charge), Some(PRICE));
        run.effect_of(EffectKind::Refund, "ord_1", None, Some(charge), Some(PRICE));
        assert!(run.broken(&CONSERVED).contains("8400 minor units"));
    }

    #[test]
    fn stock_that_vanished_is_a_breach() {
        let mut run = Run::sale();
        run.with_evidence(|_| ());
        run.record.ledger.closing_stock[0].1 = 8;
        assert!(run.broken(&CONSERVED).contains("1 do not add up"));
        run.record.ledger.closing_stock.clear();
        let verdict = run.with_evidence(CONSERVED.check);
        assert!(matches!(verdict, Verdict::NoVerdict(_)));
    }

    #[test]
    fn a_record_that_contradicts_the_books_is_a_breach() {
        for (status, money) in [("cancelled", "none"), ("paid", "none")] {
            let mut run = Run::sale();
            run.rest.orders.clear();
            run.at_rest("ord_1", status, money);
            assert!(run.broken(&CONSERVED).contains("order ord_1 is recorded as"));
        }
        let mut run = Run::sale();
        run.at_rest("ord_2", "paid", "charged");
        assert!(run.broken(&CONSERVED).contains("no charge stands"));
    }

    #[test]
    fn money_for_an_order_without_a_record_is_a_breach() {
        let mut run = Run::sale();
        run.charge("ord_2");
        assert!(run.broken(&CONSERVED).contains("no record"));
    }

    #[test]
    fn without_the_record_there_is_no_verdict_on_it() {
        let mut run = Run::sale();
        run.rest.orders.clear();
        let verdict = run.with_evidence(CONSERVED.check);
        assert!(matches!(verdict, Verdict::NoVerdict(_)));
    }

    #[test]
    fn a_cancelled_order_has_nothing_and_a_parked_one_may_have_anything() {
        let mut run = Run::new();
        run.create_order("cs_1", "k1");
        let reserve = run.reserve("ord_1");
        run.at_rest("ord_1", "cancelled", "none");
        assert!(run.broken(&CONSERVED).contains("stock is reserved"));
        run.record.ledger.opening_stock.clear();
        run.effect(EffectKind::Release, "ord_1/1", None, Some(reserve));
        run.kept(&CONSERVED);
        let mut run = Run::new();
        run.create_order("cs_1", "k1");
        run.reserve("ord_1");
        run.park("ord_1", "unknown");
        run.kept(&CONSERVED);
    }
}
