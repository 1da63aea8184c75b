//! `no-blind-charge`: nobody charges again before knowing what became of the last charge.

use super::evidence::{Evidence, ExchangeView};
use super::settlement::{looked_up_between, settled_before};
use super::{Findings, Oracle, Verdict};
use crate::provider::ledger::EffectKind;
use crate::provider::operations::CHARGE;
use crate::trace::Seen;
use giftgenius::policy::PaymentProfile;

/// The rule.
pub static NO_BLIND_CHARGE: Oracle = Oracle {
    id: "no-blind-charge",
    rule: "While a charge of a purchase is unsettled or stands, no charge request is sent that could take effect besides \
           it.",
    explanation: "A charge whose reply was lost may have taken the money. Until it is settled (a definite answer, a \
                  look-up that shows it, a closed reference, or a look-up after the provider's bound on late effects) \
                  a request under another key could charge a second time, and so could one under the same key at a \
                  provider that ignores keys, or at one that runs a key afresh after a server error. A provider that \
                  deduplicates can hide this from the books, so the requests themselves are judged. The same holds for \
                  a charge that is known to stand: whatever is found and given back later, it was asked for twice.",
    requirements: &["F4", "F7"],
    check,
};

fn check(evidence: &Evidence<'_>) -> Verdict {
    let mut findings = Findings::of(NO_BLIND_CHARGE.id);
    let mut charges = evidence.exchanges.iter().filter(|it| it.is(&CHARGE));
    if charges.nth(1).is_none() {
        // A lone charge request cannot be a second one.
        return Verdict::Kept;
    }
    let mut unnamed = 0_usize;
    for (place, later) in evidence.exchanges.iter().enumerate() {
        if !later.is(&CHARGE) {
            continue;
        }
        let Some(purchase) = purchase_of(evidence, later) else {
            unnamed += 1;
            continue;
        };
        let blind = evidence.exchanges[..place]
            .iter()
            .filter(|earlier| earlier.is(&CHARGE) && purchase_of(evidence, earlier) == Some(purchase))
            .find_map(|earlier| danger(evidence, earlier, later).map(|(why, stands)| (earlier, why, stands)));
        if let Some((earlier, why, stands)) = blind {
            let message = format!(
                "{} was sent {} while {} {}, and this one could take it again (order {})",
                later.sent.site,
                why,
                earlier.sent.site,
                if stands { "had taken the money" } else { "was unsettled: it may have taken the money" },
                later.sent.reference.as_deref().unwrap_or("unknown"),
            );
            findings.add(message, [earlier.sent_event, later.sent_event]);
        }
    }
    if findings.is_empty() && unnamed > 0 {
        return Verdict::NoVerdict(format!(
            "{unnamed} charge requests name no merchant reference, so it cannot be told which purchase they are for"
        ));
    }
    findings.verdict()
}

fn purchase_of(evidence: &Evidence<'_>, charge: &ExchangeView<'_>) -> Option<usize> {
    Some(evidence.orders[charge.order?].purchase)
}

/// How `later` could take effect besides `earlier`, if it could, and whether that one is known to stand.
fn danger(
    evidence: &Evidence<'_>,
    earlier: &ExchangeView<'_>,
    later: &ExchangeView<'_>,
) -> Option<(&'static str, bool)> {
    let stands = settled_before(evidence, earlier, later.sent_event);
    if stands && !stands_before(evidence, earlier, later.sent_event) {
        return None;
    }
    how(evidence, earlier, later).map(|how| (how, stands))
}

/// Whether the system had seen a charge succeed, and it had not been given back, just before an event.
fn stands_before(evidence: &Evidence<'_>, charge: &ExchangeView<'_>, event: usize) -> bool {
    let seen = charge.succeeded() && charge.answer.is_some_and(|(answered, _, _)| answered < event);
    let effect = evidence
        .ledger
        .effects
        .iter()
        .position(|effect| effect.kind == EffectKind::Charge && effect.exchange == Some(charge.sent.exchange));
    seen && effect.is_some_and(|effect| evidence.event_of(effect) < event && evidence.stands_as_known(effect, event))
}

fn how(evidence: &Evidence<'_>, earlier: &ExchangeView<'_>, later: &ExchangeView<'_>) -> Option<&'static str> {
    let same_request = earlier.sent.key.is_some() && earlier.sent.key == later.sent.key && earlier.order == later.order;
    match evidence.policy.payment_profile {
        PaymentProfile::Stripe if same_request => None,
        PaymentProfile::Acp if same_request => match earlier.answer {
            Some((answered, _, Seen::Reply { status: 500.., .. }))
                if answered < later.sent_event && !earlier.turned_away() =>
            {
                let looked =
                    later.order.is_some_and(|order| looked_up_between(evidence, order, answered, later.sent_event));
                (!looked).then_some("under the same key, which the provider runs afresh after a server error, without a look-up in between,")
            }
            _ => None,
        },
        PaymentProfile::Stripe | PaymentProfile::Acp => Some("under another key"),
        PaymentProfile::Keyless | PaymentProfile::KeylessNoCancel => Some("to a provider that ignores keys"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::testing::Run;
    use crate::provider::ledger::EffectKind;
    use crate::provider::operations::{CANCEL, LOOK_UP, REFUND};

    /// A charge of `ord_1` under `k` whose reply is lost; it takes effect if `lands`.
    fn lost(profile: PaymentProfile, lands: bool) -> Run {
        let mut run = Run::with_profile(profile);
        run.session("cs_1");
        run.create_order("cs_1", "k1");
        let charge = run.send(&CHARGE, Some("ord_1"), Some("k"));
        if lands {
            run.deliver(charge);
            run.effect(EffectKind::Charge, "ord_1", Some(charge), None);
        }
        run.silence(charge);
        run
    }

    fn again(run: &mut Run, order: &str, key: &str) {
        let charge = run.send(&CHARGE, Some(order), Some(key));
        run.ok(charge);
    }

    #[test]
    fn one_charge_is_never_blind() {
        Run::sale().kept(&NO_BLIND_CHARGE);
    }

    #[test]
    fn another_key_while_the_first_charge_is_unknown_is_blind() {
        for profile in [PaymentProfile::Stripe, PaymentProfile::Acp, PaymentProfile::Keyless] {
            let mut run = lost(profile, true);
            again(&mut run, "ord_1", "other");
            let said = run.broken(&NO_BLIND_CHARGE);
            assert!(said.contains("payment.charge#2"), "{said}");
            let mut run = lost(profile, false);
            again(&mut run, "ord_2", "other");
            run.broken(&NO_BLIND_CHARGE);
        }
    }

    #[test]
    fn the_same_key_may_be_repeated_where_the_provider_deduplicates() {
        for (profile, blind) in [
            (PaymentProfile::Stripe, false),
            (PaymentProfile::Acp, false),
            (PaymentProfile::Keyless, true),
            (PaymentProfile::KeylessNoCancel, true),
        ] {
            let mut run = lost(profile, true);
            again(&mut run, "ord_1", "k");
            if blind {
                run.broken(&NO_BLIND_CHARGE);
            } else {
                run.kept(&NO_BLIND_CHARGE);
            }
        }
    }

    #[test]
    fn a_look_up_that_found_the_charge_settles_it_and_one_that_found_nothing_does_not() {
        let mut run = lost(PaymentProfile::Keyless, true);
        let look_up = run.send(&LOOK_UP, Some("ord_1"), None);
        run.ok(look_up);
        again(&mut run, "ord_2", "other");
        run.kept(&NO_BLIND_CHARGE);

        let mut run = lost(PaymentProfile::Keyless, false);
        let look_up = run.send(&LOOK_UP, Some("ord_1"), None);
        run.ok(look_up);
        again(&mut run, "ord_2", "other");
        run.broken(&NO_BLIND_CHARGE);
    }

    #[test]
    fn a_look_up_after_the_bound_on_late_effects_settles() {
        let mut run = lost(PaymentProfile::Keyless, false);
        run.wait_ms(120_000);
        let look_up = run.send(&LOOK_UP, Some("ord_1"), None);
        run.ok(look_up);
        again(&mut run, "ord_2", "other");
        run.kept(&NO_BLIND_CHARGE);
    }

    #[test]
    fn a_closed_reference_settles_unless_its_answer_was_lost() {
        let mut run = lost(PaymentProfile::Keyless, false);
        let cancel = run.send(&CANCEL, Some("ord_1"), Some("x"));
        run.ok(cancel);
        again(&mut run, "ord_2", "other");
        run.kept(&NO_BLIND_CHARGE);

        let mut run = lost(PaymentProfile::Keyless, false);
        let cancel = run.send(&CANCEL, Some("ord_1"), Some("x"));
        run.silence(cancel);
        again(&mut run, "ord_2", "other");
        run.broken(&NO_BLIND_CHARGE);
    }

    #[test]
    fn a_refused_connection_a_decline_and_a_rate_limit_are_definite() {
        for (seen, blind) in [
            (Seen::Refused, false),
            (Seen::Reply { status: 402, retry_after: None, intact: true }, false),
            (Seen::Reply { status: 409, retry_after: None, intact: true }, false),
            (Seen::Reply { status: 429, retry_after: None, intact: true }, false),
            (Seen::Reply { status: 408, retry_after: None, intact: true }, true),
            (Seen::Reply { status: 200, retry_after: None, intact: false }, true),
            (Seen::Broken, true),
            (Seen::Cut, true),
        ] {
            let mut run = Run::with_profile(PaymentProfile::Keyless);
            run.create_order("cs_1", "k1");
            let charge = run.send(&CHARGE, Some("ord_1"), Some("k"));
            run.see(charge, seen.clone());
            again(&mut run, "ord_1", "k");
            if blind {
                run.broken(&NO_BLIND_CHARGE);
            } else {
                run.kept(&NO_BLIND_CHARGE);
            }
        }
    }

    #[test]
    fn a_key_that_is_run_afresh_after_a_server_error_is_looked_up_first() {
        for (profile, look, blind) in [
            (PaymentProfile::Acp, false, true),
            (PaymentProfile::Acp, true, false),
            (PaymentProfile::Stripe, false, false),
        ] {
            let mut run = Run::with_profile(profile);
            run.create_order("cs_1", "k1");
            let charge = run.send(&CHARGE, Some("ord_1"), Some("k"));
            run.status(charge, 500);
            if look {
                let look_up = run.send(&LOOK_UP, Some("ord_1"), None);
                run.ok(look_up);
            }
            again(&mut run, "ord_1", "k");
            if blind {
                assert!(run.broken(&NO_BLIND_CHARGE).contains("afresh"));
            } else {
                run.kept(&NO_BLIND_CHARGE);
            }
        }
    }

    #[test]
    fn a_definite_answer_to_a_repetition_settles_both_where_the_provider_deduplicates() {
        for (profile, blind) in [(PaymentProfile::Stripe, false), (PaymentProfile::Keyless, true)] {
            let mut run = Run::with_profile(profile);
            run.create_order("cs_1", "k1");
            for status in [408, 402] {
                let charge = run.send(&CHARGE, Some("ord_1"), Some("k"));
                run.status(charge, status);
            }
            again(&mut run, "ord_2", "other");
            if blind {
                run.broken(&NO_BLIND_CHARGE);
            } else {
                run.kept(&NO_BLIND_CHARGE);
            }
        }
    }

    #[test]
    fn charges_without_a_reference_cannot_be_judged() {
        let mut run = Run::new();
        run.create_order("cs_1", "k1");
        for _ in 0..2 {
            let charge = run.send(&CHARGE, None, Some("k"));
            run.silence(charge);
        }
        let verdict = run.with_evidence(NO_BLIND_CHARGE.check);
        assert!(matches!(verdict, Verdict::NoVerdict(_)));
    }

    #[test]
    fn a_charge_that_stands_is_not_asked_for_again_unless_the_provider_knows_the_key() {
        for (profile, key, blind) in [
            (PaymentProfile::Stripe, "k", false),
            (PaymentProfile::Acp, "k", false),
            (PaymentProfile::Stripe, "other", true),
            (PaymentProfile::Keyless, "k", true),
        ] {
            for given_back in [false, true] {
                let mut run = Run::with_profile(profile);
                run.create_order("cs_1", "k1");
                let charge = run.send(&CHARGE, Some("ord_1"), Some("k"));
                let effect = run.effect(EffectKind::Charge, "ord_1", Some(charge), None);
                run.ok(charge);
                if given_back {
                    run.done(&REFUND, EffectKind::Refund, "ord_1", Some(effect));
                }
                again(&mut run, "ord_1", key);
                if blind && !given_back {
                    let said = run.broken(&NO_BLIND_CHARGE);
                    assert!(said.contains("payment.charge#1 had taken the money"), "{said}");
                } else {
                    run.kept(&NO_BLIND_CHARGE);
                }
            }
        }
    }
}
