//! `words-true`: the sentence for the person says what the answer says, and nothing beyond it.

use giftgenius::error::Code;
use serde_json::Value;

use super::evidence::{CallView, Evidence};
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

fn wrong(evidence: &Evidence<'_>, call: &CallView<'_>, told: &Told<'_>, end: usize) -> Option<String> {
    let body = if told.is_error { told.structured.get("error")? } else { told.structured };
    let text = |field: &str| body.get(field).and_then(Value::as_str).unwrap_or_default();
    let sentence = text("user_message");
    let code = told.code.and_then(codes::parse);
    if !topics(told, code, body)?.iter().any(|topic| has_all(sentence, topic)) {
        let name = told.code.unwrap_or_else(|| told.status.name());
        return Some(format!("told `{name}` with the words \"{sentence}\", which do not tell of it"));
    }
    let message = if told.is_error { text("message") } else { "" };
    for words in [sentence, message] {
        if let Some(claim) = false_claim(evidence, call, told, words, end) {
            return Some(format!("said \"{words}\" {claim}"));
        }
    }
    has_a_hole(message).then(|| format!("said \"{message}\", where a word is missing"))
}

/// What a sentence claims and is not so.
fn false_claim(
    evidence: &Evidence<'_>,
    call: &CallView<'_>,
    told: &Told<'_>,
    words: &str,
    end: usize,
) -> Option<&'static str> {
    let says = |claims: &[&str]| claims.iter().any(|claim| words.contains(claim));
    let effects = told.effects.unwrap_or_default();
    // What an order has failed with is told of without that word.
    let retryable = told.retryable.or_else(|| told.code.and_then(codes::parse).map(codes::may_be_repeated));
    if says(&["try again", "again in a while"]) && retryable != Some(true) {
        return Some("although the same call cannot help");
    }
    if says(&["not charged", "nothing was charged", "nothing is charged", "bought or charged"]) && effects != "none" {
        return Some("although something may stand");
    }
    // A message can speak of another order.
    let of_the_person = told.structured.pointer("/error/message").and_then(Value::as_str) != Some(words);
    if of_the_person && says(&["is paid", "went through"]) && effects != "charged" {
        return Some("although it is not told as charged");
    }
    let given_back =
        says(&["was given back", "were given back", "gave the charge back"]) && !says(&["any money taken"]);
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

fn has_all(sentence: &str, topic: &[&str]) -> bool {
    topic.iter().all(|words| sentence.contains(words))
}

/// Whether something was put together from parts one of which is empty. What stands in quotes is somebody else's.
fn has_a_hole(message: &str) -> bool {
    let own: Vec<&str> = message.split(['"', '`', '\'']).step_by(2).collect();
    let holes = ["  ", "()", " ,", " ;", " .", ": ;", ": ,"];
    own.iter().any(|part| holes.iter().any(|hole| part.contains(hole)))
        || message.ends_with([' ', ':', ','])
        || message.starts_with(' ')
}

/// The words without which an answer cannot be told, in each of the ways in which it can be; `None` for an answer that has
/// no sentence, or the code of another server.
fn topics(told: &Told<'_>, code: Option<Code>, body: &Value) -> Option<Vec<&'static [&'static str]>> {
    if told.is_error {
        return Some(vec![topic(code?)]);
    }
    let for_a_person = body.get("needs_attention").and_then(Value::as_bool) == Some(true);
    Some(match told.status {
        ToldStatus::Success => vec![&["is paid"]],
        ToldStatus::Pending if for_a_person => vec![topic(Code::OrderNeedsAttention)],
        ToldStatus::Pending => vec![&["still being confirmed", "do not pay again"]],
        ToldStatus::Cancelled => vec![topic(Code::OrderCancelled)],
        ToldStatus::Failed => vec![topic(code?)],
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
                let passes = has_all(other.sentence(), topic(*code));
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
        }
    }
}
