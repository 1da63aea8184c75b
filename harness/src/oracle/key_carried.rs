//! `key-carried`: every request that changes something carries a key of its own, the same on each attempt.

use super::acts::{both_tell_another_amount, is_listing};
use super::evidence::{Evidence, ExchangeView};
use super::{Findings, Oracle, Verdict};
use crate::provider::ledger::EffectKind;
use crate::provider::operations::{CANCEL, CHARGE, LOOK_UP, REFUND};

/// The rule.
pub static KEY_CARRIED: Oracle = Oracle {
    id: "key-carried",
    rule: "Every effectful request carries an idempotency key and a correlation id; the key is the same on every \
           attempt of one step of one order, and different across steps, undos, reservations and orders.",
    explanation: "A provider can only recognise a repeated request by its key, so a missing or a fresh key on a retry \
                  switches the provider's protection off, and one key for two different requests makes the second one \
                  get the first one's answer. A new key for the same thing is allowed only after the request under \
                  the old one was refused for good, or the refund under it failed after it was done, or a look-up that cannot be older than it has shown what is still \
                  due. Refunds of several charges of one order have a key each; closing \
                  a reference is harmless and may carry any.",
    requirements: &["F4"],
    check,
};

fn check(evidence: &Evidence<'_>) -> Verdict {
    let mut findings = Findings::of(KEY_CARRIED.id);
    let mut subjects: Vec<&ExchangeView<'_>> = Vec::with_capacity(evidence.repeats.len());
    for index in &evidence.repeats {
        let exchange = &evidence.exchanges[*index];
        let sent = exchange.sent;
        if !sent.operation.effectful {
            continue;
        }
        let missing = match (sent.key.as_deref(), sent.correlation.as_str()) {
            (None | Some(""), _) => "no idempotency key",
            (Some(_), "") => "no correlation id",
            (Some(_), _) => {
                if subjects.last().is_none_or(|last| !same_subject(last, exchange) || last.sent.key != sent.key) {
                    subjects.push(exchange);
                }
                continue;
            }
        };
        let message = format!(
            "{} for {} was sent with {missing}",
            sent.site,
            sent.reference.as_deref().unwrap_or("nothing named")
        );
        findings.add(message, [exchange.sent_event]);
    }
    for pair in subjects.windows(2) {
        if same_subject(pair[0], pair[1]) && !pair[0].is(&CANCEL) {
            changed(evidence, pair[0], pair[1], &mut findings);
        }
    }
    subjects.sort_by_key(|exchange| exchange.sent.key.as_deref());
    for pair in subjects.windows(2) {
        if pair[0].sent.key == pair[1].sent.key && !same_subject(pair[0], pair[1]) {
            let message = format!(
                "{} for {} and {} for {} were sent under one key, {}",
                pair[0].sent.site,
                reference(pair[0]),
                pair[1].sent.site,
                reference(pair[1]),
                pair[0].sent.key.as_deref().unwrap_or_default()
            );
            findings.add(message, [pair[0].sent_event, pair[1].sent_event]);
        }
    }
    findings.verdict()
}

fn reference<'a>(exchange: &ExchangeView<'a>) -> &'a str {
    exchange.sent.reference.as_deref().unwrap_or("nothing named")
}

fn same_subject(left: &ExchangeView<'_>, right: &ExchangeView<'_>) -> bool {
    std::ptr::eq(left.sent.operation, right.sent.operation) && left.sent.reference == right.sent.reference
}

/// Two keys for one thing: whether the older one had been refused for good before the newer one was used.
fn changed(evidence: &Evidence<'_>, one: &ExchangeView<'_>, other: &ExchangeView<'_>, findings: &mut Findings) {
    let (older, newer) = if one.sent_event < other.sent_event { (one, other) } else { (other, one) };
    if older.is(&REFUND) && (charges(evidence, older) > 1 || has_failed(evidence, older, newer)) {
        return;
    }
    if older.is(&REFUND) && looked_later(evidence, older, newer) {
        return;
    }
    let under_older = || {
        evidence.exchanges.iter().filter(|exchange| {
            same_subject(exchange, older)
                && exchange.sent.key == older.sent.key
                && exchange.sent_event < newer.sent_event
        })
    };
    if under_older().all(|exchange| exchange.refusal().is_some()) {
        return;
    }
    let message = format!(
        "{} for {} was sent under another key than {} ({} after {}), although what became of that was not a refusal",
        newer.sent.site,
        reference(newer),
        older.sent.site,
        newer.sent.key.as_deref().unwrap_or_default(),
        older.sent.key.as_deref().unwrap_or_default()
    );
    findings.add(message, under_older().map(|it| it.sent_event).chain([newer.sent_event]));
}

/// Whether a refund that was done under the older key had failed when the newer one was used.
fn has_failed(evidence: &Evidence<'_>, older: &ExchangeView<'_>, newer: &ExchangeView<'_>) -> bool {
    let effects = &evidence.ledger.effects;
    effects.iter().enumerate().any(|(index, failure)| {
        let refund = failure.undoes.and_then(|refund| effects.get(refund.0 as usize));
        failure.kind == EffectKind::RefundFailed
            && evidence.event_of(index) < newer.sent_event
            && refund.is_some_and(|refund| refund.key == older.sent.key)
    })
}

/// Whether a listing that cannot be older than the last request under the older key was seen before the newer one was used:
/// it decides what is still due. So does one that tells another amount than was taken, where two listings in a row agree on
/// that amount and nothing but listings has told of the charge.
fn looked_later(evidence: &Evidence<'_>, older: &ExchangeView<'_>, newer: &ExchangeView<'_>) -> bool {
    let requests = || {
        let own = older.order.map(|place| evidence.orders[place].exchanges.as_slice()).unwrap_or_default();
        own.iter().map(|index| &evidence.exchanges[*index]).filter(|it| it.sent_event < newer.sent_event)
    };
    let last =
        requests().filter(|it| same_subject(it, older) && it.sent.key == older.sent.key).map(|it| it.start).max();
    let Some(fresh_from) = last.map(|last| last + evidence.policy.late_max / LISTING_LAG) else { return false };
    let seen = |it: &ExchangeView<'_>| it.answer.is_some_and(|(event, _, _)| event < newer.sent_event);
    let is_fresh = |it: &ExchangeView<'_>| it.is(&LOOK_UP) && seen(it) && it.start >= fresh_from;
    // The charge's own reply says what was taken.
    let is_known = || requests().any(|it| it.is(&CHARGE) && it.succeeded());
    let agreed = |told: &ExchangeView<'_>| {
        let mut listings = requests().filter(|it| is_listing(it) && seen(it)).peekable();
        std::iter::from_fn(|| listings.next().map(|it| (it, listings.peek().copied()))).any(|(one, next)| {
            told.sent.faults == one.sent.faults && next.is_some_and(|next| both_tell_another_amount(one, next))
        })
    };
    requests().any(|it| is_fresh(it) && (it.succeeded() || (agreed(it) && !is_known())))
}

/// A listing lags at most this part of the provider's bound on late effects behind.
const LISTING_LAG: u32 = 10;

fn charges(evidence: &Evidence<'_>, refund: &ExchangeView<'_>) -> usize {
    refund.order.map_or(0, |order| {
        evidence.effects_of(&evidence.orders[order]).filter(|(_, effect)| effect.kind == EffectKind::Charge).count()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::{Contradiction, Fault};
    use crate::oracle::testing::Run;
    use crate::provider::operations::RESERVE;
    use crate::trace::Seen;

    #[test]
    fn a_sale_carries_its_keys() {
        Run::sale().kept(&KEY_CARRIED);
    }

    #[test]
    fn a_request_without_a_key_or_a_correlation_id_is_a_breach() {
        let mut run = Run::new();
        run.create_order("cs_1", "k1");
        run.send(&CHARGE, Some("ord_1"), None);
        assert!(run.broken(&KEY_CARRIED).contains("no idempotency key"));

        let mut run = Run::new();
        run.send(&CHARGE, Some("ord_1"), Some("k"));
        assert!(run.broken(&KEY_CARRIED).contains("no correlation id"));
    }

    #[test]
    fn reading_needs_no_key() {
        let mut run = Run::new();
        run.call("get_order", serde_json::json!({}));
        run.send(&LOOK_UP, Some("ord_1"), None);
        run.kept(&KEY_CARRIED);
    }

    #[test]
    fn a_retry_carries_the_same_key() {
        let mut run = Run::new();
        run.create_order("cs_1", "k1");
        for key in ["a", "a", "b"] {
            run.kept(&KEY_CARRIED);
            let charge = run.send(&CHARGE, Some("ord_1"), Some(key));
            run.silence(charge);
        }
        assert!(run.broken(&KEY_CARRIED).contains("another key"));
    }

    #[test]
    fn after_a_refusal_for_good_the_key_may_change() {
        let mut run = Run::new();
        run.create_order("cs_1", "k1");
        let charge = run.send(&CHARGE, Some("ord_1"), Some("a"));
        run.status(charge, 402);
        run.send(&CHARGE, Some("ord_1"), Some("b"));
        run.kept(&KEY_CARRIED);
    }

    #[test]
    fn after_a_refund_that_failed_the_key_may_change_and_not_before() {
        for failed in [false, true] {
            let mut run = Run::new();
            run.create_order("cs_1", "k1");
            let charge = run.charge("ord_1");
            let sent = run.send(&REFUND, Some("ord_1"), Some("a"));
            run.ok(sent);
            let refund = run.effect(EffectKind::Refund, "ord_1", Some(sent), Some(charge));
            if failed {
                run.effect(EffectKind::RefundFailed, "ord_1", Some(sent), Some(refund));
            }
            run.send(&REFUND, Some("ord_1"), Some("b"));
            if failed {
                run.kept(&KEY_CARRIED);
            } else {
                assert!(run.broken(&KEY_CARRIED).contains("another key"));
            }
        }
    }

    #[test]
    fn after_an_unclear_refund_a_listing_that_cannot_be_older_lets_the_key_change() {
        let fresh_ms = u64::try_from(Run::new().policy.late_max.as_millis() / 10).expect("a short time");
        for (wait_ms, looks, kept) in [(fresh_ms, true, true), (fresh_ms - 1, true, false), (fresh_ms, false, false)] {
            let mut run = Run::new();
            run.create_order("cs_1", "k1");
            run.charge("ord_1");
            let refund = run.send(&REFUND, Some("ord_1"), Some("a"));
            run.status(refund, 502);
            run.wait_ms(wait_ms);
            if looks {
                let look_up = run.send(&LOOK_UP, Some("ord_1"), None);
                run.ok(look_up);
            }
            run.send(&REFUND, Some("ord_1"), Some("b"));
            if kept {
                run.kept(&KEY_CARRIED);
            } else {
                assert!(run.broken(&KEY_CARRIED).contains("another key"));
            }
        }
    }

    #[test]
    fn after_a_refund_a_listing_in_another_amount_lets_the_key_change_once_two_in_a_row_agree() {
        let amount = || Some(Fault::WrongAmount);
        let currency = || Some(Fault::Contradicting(Contradiction::Currency));
        for (before, later, kept) in [
            (vec![], vec![], false),
            (vec![], vec![amount()], false),
            (vec![], vec![amount(), amount()], true),
            (vec![], vec![currency(), currency()], true),
            (vec![], vec![amount(), currency()], false),
            (vec![amount(), amount()], vec![amount()], true),
            (vec![amount(), amount()], vec![currency()], false),
            (vec![amount(), amount()], vec![], false),
            (vec![amount(), None], vec![amount()], false),
        ] {
            for heard in [false, true] {
                let mut run = Run::new();
                run.create_order("cs_1", "k1");
                let sent = run.send(&CHARGE, Some("ord_1"), Some("c"));
                if heard {
                    run.ok(sent);
                } else {
                    run.silence(sent);
                }
                let charge = run.effect(EffectKind::Charge, "ord_1", Some(sent), None);
                let listed = |run: &mut Run, faults: &[Option<Fault>]| {
                    for fault in faults {
                        let intact = fault.is_none();
                        let look_up = run.send_faulty(&LOOK_UP, Some("ord_1"), None, fault.clone());
                        run.see(look_up, Seen::Reply { status: 200, retry_after: None, intact });
                    }
                };
                listed(&mut run, &before);
                let sent = run.send(&REFUND, Some("ord_1"), Some("a"));
                run.ok(sent);
                run.effect(EffectKind::Refund, "ord_1", Some(sent), Some(charge));
                run.wait_ms(u64::try_from(run.policy.late_max.as_millis() / 10).expect("a short time"));
                listed(&mut run, &later);
                run.send(&REFUND, Some("ord_1"), Some("b"));
                if kept && !heard {
                    run.kept(&KEY_CARRIED);
                } else {
                    assert!(run.broken(&KEY_CARRIED).contains("another key"), "{before:?} {later:?}");
                }
            }
        }
    }

    #[test]
    fn one_key_for_two_things_is_a_breach() {
        for (operation, reference) in [(&CHARGE, "ord_1"), (&CHARGE, "ord_2"), (&RESERVE, "ord_1/2")] {
            let mut run = Run::new();
            run.create_order("cs_1", "k1");
            let reserve = run.send(&RESERVE, Some("ord_1/1"), Some("a"));
            run.see(reserve, Seen::Refused);
            run.send(operation, Some(reference), Some("a"));
            assert!(run.broken(&KEY_CARRIED).contains("under one key, a"));
        }
    }

    #[test]
    fn each_of_two_refunds_of_two_charges_has_its_key() {
        let mut run = Run::new();
        run.create_order("cs_1", "k1");
        run.charge("ord_1");
        for key in ["a", "b"] {
            let refund = run.send(&REFUND, Some("ord_1"), Some(key));
            run.silence(refund);
        }
        run.broken(&KEY_CARRIED);
        run.charge("ord_1");
        run.kept(&KEY_CARRIED);
    }
}
