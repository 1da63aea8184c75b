//! `words-true`: the sentence for the person says what the answer says, and nothing beyond it.

use std::sync::LazyLock;

use giftgenius::error::Code;
use serde_json::Value;

use super::evidence::{CallView, Evidence};
use super::phrases::{Phrases, Subset};
use super::told::{Told, ToldStatus};
use super::{Findings, Oracle, Verdict, codes};
use crate::provider::ledger::EffectKind;

/// The rule.
pub static WORDS_TRUE: Oracle = Oracle {
    id: "words-true",
    rule: "The sentence for the person is one that the answer's code, status, effects and `retryable` allow: it tells of \
           that failure and no other, says *try again* only where that can help, *not charged* only where nothing stands, \
           and *given back* only where something was.",
    explanation: "The person reads one sentence and nothing else. Two sentences that were swapped, or one that was lost, \
                  leave every field right and the person wrong: they pay again, or wait for money that was never taken. \
                  Judged by what a sentence claims and by the words that its failure cannot be told without, so that it \
                  can be worded anew. The technical message is held to the same claims, and to having no holes.",
    requirements: &["F11", "F13"],
    check,
};

fn check(evidence: &Evidence<'_>) -> Verdict {
    let mut findings = Findings::of(WORDS_TRUE.id);
    for call in &evidence.calls {
        let (Some(told), Some((end, _))) = (&call.told, call.end) else { continue };
        if let Some(what) = wrong(evidence, call, told, end) {
            let message = format!("{} of script step {} {what}", call.started.tool, call.started.step);
            findings.add(message, [call.start_event, end]);
        }
    }
    findings.verdict()
}

/// Every phrase that says something here, and what each group of them says.
struct Lexicon {
    phrases: Phrases,
    /// By code, in the order of [`Code::ALL`].
    topics: Vec<Subset>,
    is_paid: Subset,
    is_pending: Subset,
    may_be_repeated: Subset,
    nothing_stands: Subset,
    stands: Subset,
    given_back: Subset,
    if_at_all: Subset,
}

static LEXICON: LazyLock<Lexicon> = LazyLock::new(|| {
    const IS_PAID: &[&str] = &["is paid"];
    const IS_PENDING: &[&str] = &["still being confirmed", "do not pay again"];
    const MAY_BE_REPEATED: &[&str] = &["try again", "again in a while"];
    const NOTHING_STANDS: &[&str] = &["not charged", "nothing was charged", "nothing is charged", "bought or charged"];
    const STANDS: &[&str] = &["is paid", "went through"];
    const GIVEN_BACK: &[&str] = &["was given back", "were given back", "gave the charge back"];
    const IF_AT_ALL: &[&str] = &["any money taken"];
    let claims = [IS_PAID, IS_PENDING, MAY_BE_REPEATED, NOTHING_STANDS, STANDS, GIVEN_BACK, IF_AT_ALL];
    let topics = Code::ALL.iter().map(|code| topic(*code));
    let phrases = Phrases::new(claims.into_iter().chain(topics.clone()).flatten().copied());
    Lexicon {
        topics: topics.map(|topic| phrases.these(topic)).collect(),
        is_paid: phrases.these(IS_PAID),
        is_pending: phrases.these(IS_PENDING),
        may_be_repeated: phrases.these(MAY_BE_REPEATED),
        nothing_stands: phrases.these(NOTHING_STANDS),
        stands: phrases.these(STANDS),
        given_back: phrases.these(GIVEN_BACK),
        if_at_all: phrases.these(IF_AT_ALL),
        phrases,
    }
});

impl Lexicon {
    /// The words that tell a failure from every other one.
    fn topic(&self, code: Code) -> Subset {
        let place = Code::ALL.iter().position(|known| *known == code).expect("every code is in the list of all");
        self.topics[place]
    }
}

fn wrong(evidence: &Evidence<'_>, call: &CallView<'_>, told: &Told<'_>, end: usize) -> Option<String> {
    let sentence = call.said.sentence.unwrap_or_default();
    let found = LEXICON.phrases.found_in(sentence);
    let code = told.code.and_then(codes::parse);
    if !found.all(demanded(told, code)?) {
        let name = told.code.unwrap_or_else(|| told.status.name());
        return Some(format!("told `{name}` with the words \"{sentence}\", which do not tell of it"));
    }
    if let Some(claim) = false_claim(evidence, call, told, found, Reader::Person, end) {
        return Some(format!("said \"{sentence}\" {claim}"));
    }
    if !told.is_error {
        return None;
    }
    let message = call.said.message.unwrap_or_default();
    let found = LEXICON.phrases.found_in(message);
    if let Some(claim) = false_claim(evidence, call, told, found, Reader::Model, end) {
        return Some(format!("said \"{message}\" {claim}"));
    }
    let violations = told.structured.pointer("/error/violations").and_then(Value::as_array).into_iter().flatten();
    let expected = violations.filter_map(|violation| violation.get("expected").and_then(Value::as_str));
    let holed = std::iter::once(message).chain(expected).find(|words| has_a_hole(words));
    holed.map(|words| format!("said \"{words}\", where a word is missing"))
}

/// Whom a text is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reader {
    Person,
    /// Its message can speak of another order.
    Model,
}

/// What a text claims and is not so.
fn false_claim(
    evidence: &Evidence<'_>,
    call: &CallView<'_>,
    told: &Told<'_>,
    says: Subset,
    to: Reader,
    end: usize,
) -> Option<&'static str> {
    let lexicon = &*LEXICON;
    let effects = told.effects.unwrap_or_default();
    // What an order has failed with is told of without that word.
    let retryable = || told.retryable.or_else(|| told.code.and_then(codes::parse).map(codes::may_be_repeated));
    if says.any(lexicon.may_be_repeated) && retryable() != Some(true) {
        return Some("although the same call cannot help");
    }
    if says.any(lexicon.nothing_stands) && effects != "none" {
        return Some("although something may stand");
    }
    if to == Reader::Person && says.any(lexicon.stands) && effects != "charged" {
        return Some("although it is not told as charged");
    }
    let given_back = says.any(lexicon.given_back) && !says.any(lexicon.if_at_all);
    (given_back && !was_given_back(evidence, call, end)).then_some("although nothing was given back")
}

/// Whether anything of the order's money had been given back by an event.
fn was_given_back(evidence: &Evidence<'_>, call: &CallView<'_>, end: usize) -> bool {
    call.order.is_some_and(|order| {
        evidence.effects_of(&evidence.orders[order]).any(|(index, effect)| {
            matches!(effect.kind, EffectKind::Refund | EffectKind::Dispute) && evidence.event_of(index) < end
        })
    })
}

/// Whether something was put together from parts one of which is empty. What stands in quotes is somebody else's.
fn has_a_hole(message: &str) -> bool {
    let own: Vec<&str> = message.split(['"', '`', '\'']).step_by(2).collect();
    let holes = ["  ", "()", " ,", " ;", " .", ": ;", ": ,"];
    own.iter().any(|part| holes.iter().any(|hole| part.contains(hole)))
        || message.ends_with([' ', ':', ','])
        || message.starts_with(' ')
}

/// The words without which an answer cannot be told; `None` for an answer that has no sentence, or the code of another
/// server.
fn demanded(told: &Told<'_>, code: Option<Code>) -> Option<Subset> {
    let lexicon = &*LEXICON;
    if told.is_error {
        return Some(lexicon.topic(code?));
    }
    let for_a_person = || told.structured.get("needs_attention").and_then(Value::as_bool) == Some(true);
    Some(match told.status {
        ToldStatus::Success => lexicon.is_paid,
        ToldStatus::Pending if for_a_person() => lexicon.topic(Code::OrderNeedsAttention),
        ToldStatus::Pending => lexicon.is_pending,
        ToldStatus::Cancelled => lexicon.topic(Code::OrderCancelled),
        ToldStatus::Failed => lexicon.topic(code?),
    })
}

/// The words that tell a failure from every other one.
const fn topic(code: Code) -> &'static [&'static str] {
    match code {
        Code::InvalidArguments => &["not understood"],
        Code::ProductNotFound => &["product", "not in the shop"],
        Code::PaymentMethodNotFound => &["payment method", "not on file"],
        Code::SessionNotFound => &["checkout does not exist"],
        Code::SessionExpired => &["expired", "fresh price"],
        Code::OrderNotFound => &["no such order"],
        Code::WorkflowNotFound => &["gift search", "not known"],
        Code::KeyConflict => &["already asked for", "other details"],
        Code::OrderInProgress => &["still being processed"],
        Code::OutOfStock => &["item is out of stock"],
        Code::PromoInvalid => &["promo code", "not valid"],
        Code::BudgetTooSmall => &["more than your budget"],
        Code::BudgetCurrency => &["budget is in another currency"],
        Code::CurrencyUnsupported => &["not sell", "in that currency"],
        Code::PaymentDeclined => &["card was declined"],
        Code::PaymentRefused => &["payment", "not be accepted"],
        Code::PaymentUnavailable => &["payment service", "not answer"],
        Code::InventoryUnavailable => &["stock service", "not answer"],
        Code::InventoryRefused => &["stock service", "not accept"],
        Code::CatalogRefused => &["catalog", "not accept"],
        Code::CatalogUnavailable => &["catalog", "not answer"],
        Code::AmountMismatch => &["amount was not the agreed one"],
        Code::ReservationLost => &["sold out while you were paying"],
        Code::OrderCancelled => &["order was cancelled"],
        Code::OrderPaid => &["payment went through"],
        Code::OrderNeedsAttention => &["a person is looking at it", "do not pay again"],
        Code::CheckoutDisabled => &["switched off"],
        Code::StoreUnavailable => &["order book"],
        Code::LimitReached => &["more at once"],
        Code::OutOfStep => &["not fit where you are"],
        Code::RepeatedCall => &["same request", "failed several times"],
        Code::Internal => &["went wrong on our side"],
    }
}

#[cfg(test)]
mod tests {
    use giftgenius::error::Effects;
    use serde_json::json;

    use super::*;
    use crate::oracle::testing::{Run, order_answer};
    use crate::provider::operations::REFUND;

    fn failed(code: Code, change: impl FnOnce(&mut Value)) -> Run {
        let mut run = Run::new();
        let call = run.create_order("cs_1", "k1");
        let mut error = run.error(code, Some(("ord_1", Effects::None)));
        change(&mut error["error"]);
        run.fail(call, error);
        run
    }

    #[test]
    fn no_sentence_passes_for_another() {
        for code in Code::ALL {
            for other in Code::ALL {
                let passes = LEXICON.phrases.found_in(other.sentence()).all(LEXICON.topic(*code));
                assert_eq!(passes, code == other, "{} for {}", other.sentence(), code.as_str());
            }
        }
    }

    #[test]
    fn a_sentence_of_another_failure_or_none_at_all_is_none_of_this_one() {
        failed(Code::PaymentDeclined, |_| ()).kept(&WORDS_TRUE);
        for words in [Code::OutOfStock.sentence(), ""] {
            let said = failed(Code::PaymentDeclined, |error| error["user_message"] = json!(words)).broken(&WORDS_TRUE);
            assert!(said.contains("do not tell of it"), "{said}");
        }
    }

    #[test]
    fn only_what_may_be_repeated_is_told_to_be_tried_again() {
        failed(Code::PaymentUnavailable, |_| ()).kept(&WORDS_TRUE);
        let said = failed(Code::PaymentUnavailable, |error| error["retryable"] = json!(false)).broken(&WORDS_TRUE);
        assert!(said.contains("although the same call cannot help"), "{said}");
    }

    #[test]
    fn nothing_is_told_as_not_charged_that_may_stand() {
        for field in ["user_message", "message"] {
            let run = |effects: &str| {
                failed(Code::OutOfStock, |error| {
                    error["effects"] = json!(effects);
                    error[field] = json!("This item is out of stock and you were not charged");
                })
            };
            run("none").kept(&WORDS_TRUE);
            assert!(run("unknown").broken(&WORDS_TRUE).contains("although something may stand"));
        }
    }

    #[test]
    fn what_is_told_as_given_back_was() {
        for refunded in [true, false] {
            let mut run = Run::new();
            let (charge, _) = run.buy();
            let call = run.call("cancel_order", json!({"order_id": "ord_1", "idempotency_key": "c1"}));
            if refunded {
                run.done(&REFUND, EffectKind::Refund, "ord_1", Some(charge));
            }
            let mut answer = order_answer("ord_1", "cancelled");
            answer["user_message"] = json!("The order was cancelled and your money was given back.");
            run.answer(call, answer);
            run.kept_unless(&WORDS_TRUE, (!refunded).then_some("although nothing was given back"));
        }
    }

    #[test]
    fn the_sentence_follows_from_the_status() {
        for (status, words, broken) in [
            ("success", "Your order is paid and on its way.", false),
            ("pending", "Your order is paid and on its way.", true),
            ("success", "The order was cancelled and nothing was charged.", true),
            ("success", "", true),
        ] {
            let mut run = Run::sale();
            let call = run.call("get_order", json!({"order_id": "ord_1"}));
            let mut answer = order_answer("ord_1", status);
            answer["user_message"] = json!(words);
            run.answer(call, answer);
            run.kept_if(&WORDS_TRUE, !broken);
        }
    }

    #[test]
    fn a_message_has_no_holes_of_its_own() {
        for (message, broken) in [
            ("\"cs_1\" is unknown; use one that  answered", true),
            ("the card was declined (); nothing is charged", true),
            ("\"two  blanks\" at /query is unknown; use one that search_products answered", false),
        ] {
            failed(Code::PaymentDeclined, |error| error["message"] = json!(message)).kept_if(&WORDS_TRUE, !broken);
            let violation = json!([{"field": "/query", "error_type": "unknown_id", "expected": message}]);
            failed(Code::PaymentDeclined, |error| error["violations"] = violation).kept_if(&WORDS_TRUE, !broken);
        }
    }
}
