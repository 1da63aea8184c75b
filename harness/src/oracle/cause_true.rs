//! `cause-true`: the cause that is told is the cause.

use giftgenius::error::Code;

use super::conversations::{apart, jumped};
use super::evidence::{CallView, Evidence, ExchangeView, OrderView};
use super::keyed::share_a_key;
use super::told::Told;
use super::{Findings, Oracle, Verdict, codes};
use crate::fault::mangle::OTHER_SKU;
use crate::fault::site::Place;
use crate::fault::{Circumstance, Fault, Unasked};
use crate::provider::OperationSpec;
use crate::provider::operations::{CANCEL, CHARGE, COMMIT, LOOK_UP, PAYMENT_METHODS, QUOTE, RESERVE, SEARCH};
use crate::trace::EventKind;

/// The rule.
pub static CAUSE_TRUE: Oracle = Oracle {
    id: "cause-true",
    rule: "The code that a failure is told with follows from what was seen: a refusal from a refusal with that meaning, a \
           failure of a provider from attempts that ended without one, the store's from a fault of the store; a decline \
           tells the bank's own reason where it helps, and no other; a shortage names a product that was ordered; \
           `retryable` is that of the cause.",
    explanation: "What is told decides what is done next: another card after a decline, another gift after a shortage, the \
                  same call again after an outage. A wrong cause sends the person the wrong way, and saved under a key it \
                  is repeated for ever, so that no second call gives it the lie. Judged by what the system saw of the \
                  order's requests, whoever asks for it; where several things went wrong, any of them may be told.",
    requirements: &["F1", "F11", "F13"],
    check,
};

fn check(evidence: &Evidence<'_>) -> Verdict {
    let mut findings = Findings::of(CAUSE_TRUE.id);
    for (index, call) in evidence.calls.iter().enumerate() {
        let (Some(told), Some((end, _))) = (&call.told, call.end) else { continue };
        let Some(code) = told.code.and_then(codes::parse) else { continue };
        if let Some(what) = wrong(evidence, index, told, (code, end)) {
            let message = format!(
                "{} of script step {} was told `{}`{what}",
                call.started.tool,
                call.started.step,
                code.as_str()
            );
            findings.add(message, [call.start_event, end]);
        }
    }
    findings.verdict()
}

fn wrong(evidence: &Evidence<'_>, index: usize, told: &Told<'_>, (code, end): (Code, usize)) -> Option<String> {
    let call = &evidence.calls[index];
    if let Some(retryable) = told.retryable.filter(|retryable| *retryable != codes::may_be_repeated(code)) {
        return Some(format!(" with `retryable: {retryable}`, which does not follow from it"));
    }
    let order = call.order.map(|order| &evidence.orders[order]);
    let seen = Requests { evidence, index, order, end };
    if !seen.explain(code) {
        return Some(String::from(", and nothing that was seen says so"));
    }
    let message = told.structured.pointer("/error/message").and_then(serde_json::Value::as_str)?;
    match code {
        Code::PaymentDeclined => seen.another_reason(message),
        Code::OutOfStock => seen.another_product(message),
        _ => None,
    }
}

/// Reasons of a bank that help the person to choose what to do next. Whatever else it says is between the two of them.
const HELPS: [&str; 11] = [
    "authentication_required",
    "card_not_supported",
    "card_velocity_exceeded",
    "currency_not_supported",
    "expired_card",
    "incorrect_cvc",
    "incorrect_number",
    "insufficient_funds",
    "invalid_expiry",
    "issuer_not_available",
    "withdrawal_count_limit_exceeded",
];

/// What had been seen when a call was answered: of its order's requests, or of its own.
struct Requests<'e, 'a> {
    evidence: &'e Evidence<'a>,
    index: usize,
    order: Option<&'e OrderView<'a>>,
    end: usize,
}

impl<'e, 'a> Requests<'e, 'a> {
    /// The requests of the call, and those of its order, sent before it was answered.
    fn sent(&self) -> impl Iterator<Item = &'e ExchangeView<'a>> + use<'e, 'a> {
        let (order, index, end) = (self.order, self.index, self.end);
        let is_of_it = move |at: usize, exchange: &ExchangeView<'_>| {
            exchange.call == Some(index) || order.is_some_and(|order| order.exchanges.binary_search(&at).is_ok())
        };
        let exchanges = self.evidence.exchanges.iter().enumerate();
        exchanges
            .filter(move |(at, exchange)| exchange.sent_event < end && is_of_it(*at, exchange))
            .map(|(_, exchange)| exchange)
    }

    fn of(&self, operation: &'static OperationSpec) -> impl Iterator<Item = &'e ExchangeView<'a>> + use<'e, 'a> {
        self.sent().filter(move |exchange| exchange.is(operation))
    }

    /// Whether a request was refused with one of these statuses, or with any.
    fn refused(&self, operation: &'static OperationSpec, with: &[u16]) -> bool {
        self.of(operation).filter_map(ExchangeView::refusal).any(|status| with.is_empty() || with.contains(&status))
    }

    /// Whether the last of these requests that a process sent ended neither in a success nor in a refusal.
    fn failed_last(&self, operations: &[&'static OperationSpec]) -> bool {
        let ours = |exchange: &&ExchangeView<'_>| operations.iter().any(|operation| exchange.is(operation));
        // What is told again from a key tells again what went wrong at first.
        let failed =
            |sent: &ExchangeView<'_>| sent.refusal().is_none() && (self.evidence.went_wrong(sent) || !sent.succeeded());
        self.sent().filter(ours).any(|sent| {
            failed(sent)
                && !self
                    .sent()
                    .filter(ours)
                    .any(|later| later.incarnation == sent.incarnation && later.sent_event > sent.sent_event)
        })
    }

    /// Whether something went wrong with the store, or in the code, while the call ran; what was slow lasts.
    fn struck(&self, counts: fn(&Fault) -> bool) -> bool {
        let from = self.evidence.calls[self.index].start_event;
        let events = self.evidence.trace.events[..self.end].iter().enumerate();
        events.into_iter().any(|(at, event)| match &event.kind {
            EventKind::Struck { site, fault } => {
                matches!(site.place, Place::JournalRead | Place::JournalWrite)
                    && counts(fault)
                    // What a jump outdates stays outdated, and a slow store is slow for long.
                    && (at >= from || matches!(**fault, Fault::Slow(_) | Fault::Jump(_)))
            }
            _ => false,
        })
    }

    /// Whether another call of the user's before this one was answered is of one of these tools.
    fn called_before(&self, tools: &[&str]) -> bool {
        let call = &self.evidence.calls[self.index];
        let others = self.evidence.calls.iter().enumerate().filter(|(other, _)| *other != self.index);
        others.into_iter().any(|(_, other)| {
            other.start_event < self.end
                && other.started.user == call.started.user
                && tools.iter().any(|tool| other.is(tool))
        })
    }

    fn explain(&self, code: Code) -> bool {
        match code {
            Code::OutOfStock => self.refused(&QUOTE, &[409]) || self.of(&RESERVE).any(|sent| self.is_short(sent)),
            Code::PaymentDeclined => {
                let asks = Fault::Circumstance(Circumstance::RequiresAction);
                self.refused(&CHARGE, &[402])
                    || self.of(&CHARGE).any(|sent| sent.sent.faults.has(&asks))
                    || self.was_taken_back()
            }
            Code::PaymentMethodNotFound => self.refused(&CHARGE, &[404]),
            Code::PaymentRefused => self.refused(&CHARGE, &[400, 409, 422]) || self.refused(&PAYMENT_METHODS, &[]),
            // What a process saw that could not write it down is lost, and so may be that it sent the charge at all.
            Code::PaymentUnavailable => {
                self.failed_last(&[&CHARGE]) || self.failed_last(&[&PAYMENT_METHODS]) || self.has_lost_something()
            }
            Code::InventoryUnavailable => self.failed_last(&[&RESERVE]),
            Code::InventoryRefused => {
                self.of(&RESERVE).any(|sent| sent.refusal().is_some() && !self.is_short(sent))
                    || self.refused(&COMMIT, &[400, 422])
            }
            Code::CatalogRefused => self.refused(&QUOTE, &[]) || self.refused(&SEARCH, &[]),
            Code::CatalogUnavailable => self.failed_last(&[&QUOTE, &SEARCH]),
            Code::ProductNotFound => self.refused(&QUOTE, &[404]),
            Code::PromoInvalid => {
                let free = Fault::Unasked(Unasked::Free);
                self.refused(&QUOTE, &[422]) || self.of(&QUOTE).any(|sent| sent.sent.faults.has(&free))
            }
            Code::AmountMismatch => {
                let moves_money = [&CHARGE, &LOOK_UP, &CANCEL];
                self.sent().any(|sent| sent.sent.faults.is_some() && moves_money.iter().any(|it| sent.is(it)))
            }
            Code::ReservationLost => self.refused(&COMMIT, &[410]),
            Code::OrderCancelled => {
                self.called_before(&[
                    "cancel_order",
                    "user_navigated_to_step",
                    "create_checkout_session",
                    "suggest_gifts",
                ]) || self.evidence.calls[self.index].is("cancel_order")
            }
            Code::SessionExpired => {
                self.has_run_out() || self.called_before(&["cancel_order", "user_navigated_to_step"])
            }
            Code::OrderInProgress => self.called_before(&["create_order", "cancel_order"]) || self.has_died(),
            Code::StoreUnavailable => {
                self.struck(|fault| {
                    // A record that a jump outdates while it is in use is as good as lost.
                    matches!(fault, Fault::Busy | Fault::Full | Fault::Slow(_) | Fault::Corrupt | Fault::Jump(_))
                })
            }
            Code::Internal => self.struck(|fault| *fault == Fault::Panic),
            // These follow from the calls alone, and have rules of their own.
            Code::InvalidArguments
            | Code::SessionNotFound
            | Code::OrderNotFound
            | Code::WorkflowNotFound
            | Code::KeyConflict
            | Code::BudgetTooSmall
            | Code::BudgetCurrency
            | Code::CurrencyUnsupported
            | Code::OrderPaid
            | Code::OrderNeedsAttention
            | Code::CheckoutDisabled
            | Code::LimitReached
            | Code::OutOfStep
            | Code::RepeatedCall => true,
        }
    }

    /// Whether the answer to a reservation said that a product is short: in a refusal, or by holding less.
    fn is_short(&self, sent: &ExchangeView<'_>) -> bool {
        if sent.sent.faults.has(&Fault::Circumstance(Circumstance::PartialReserve)) {
            return true;
        }
        let Some(delivered) = sent.delivered.filter(|_| sent.refusal() == Some(409)) else { return false };
        let EventKind::Delivered { replay_of, .. } = self.evidence.trace.events[delivered].kind else { return false };
        // A key that was used before has the answer that it had then.
        let first = replay_of.and_then(|first| self.of(&RESERVE).find(|sent| sent.sent.exchange == first));
        let (sent, delivered) = match first {
            Some(first) => (first, first.delivered.unwrap_or(delivered)),
            None => (sent, delivered),
        };
        if sent.sent.faults.has(&Fault::Circumstance(Circumstance::OutOfStock)) {
            return true;
        }
        let session = self.order.and_then(|order| order.session);
        let opened = self.evidence.sessions.iter().find(|known| Some(known.id) == session);
        // Where it is not known what was ordered, the refusal is believed.
        opened.is_none_or(|opened| {
            super::sale_owed::lines(&self.evidence.calls[opened.call])
                .any(|(sku, wanted)| self.evidence.on_shelf(sku, delivered) < i64::from(wanted))
        })
    }

    /// A known SKU in the message of a shortage that is not in the order.
    fn another_product(&self, message: &str) -> Option<String> {
        let session = self.order.and_then(|order| order.session);
        let opened = self.evidence.sessions.iter().find(|known| Some(known.id) == session)?;
        let is_ordered =
            |sku: &str| super::sale_owed::lines(&self.evidence.calls[opened.call]).any(|(ordered, _)| ordered == sku);
        let is_known = |word: &str| word == OTHER_SKU || self.evidence.shop.fixture.product(word).is_some();
        let words = message.split(|letter: char| !(letter.is_alphanumeric() || letter == '-' || letter == '_'));
        let mut named = words.filter(|word| is_known(word));
        named.find(|sku| !is_ordered(sku)).map(|sku| format!(" for {sku}, which is not what was ordered"))
    }

    /// Whether the provider gave or took the order's money back on its own.
    fn was_taken_back(&self) -> bool {
        let acts = &self.evidence.taken_back;
        self.order.is_some_and(|order| acts.iter().any(|act| order.effects.contains(&act.effect)))
    }

    /// Whether the order's price may have run out on any clock.
    fn has_run_out(&self) -> bool {
        let call = &self.evidence.calls[self.index];
        let session = self.order.and_then(|order| order.session).or_else(|| call.text("checkout_session_id"));
        let Some(known) = self.evidence.sessions.iter().find(|known| Some(known.id) == session) else { return true };
        let told = &self.evidence.calls[known.call];
        // The price may have been frozen by an earlier call under the key, of which nothing was heard.
        let is_of_the_key = |other: &&CallView<'_>| told.started.key.is_some() && share_a_key(other, told);
        let opened = self.evidence.calls.iter().find(is_of_the_key).unwrap_or(told);
        let lasted = self.evidence.trace.events[self.end].at.saturating_sub(opened.start);
        let jumped = jumped(self.evidence, opened.start_event, self.end) + apart(self.evidence, self.end);
        lasted + jumped + self.evidence.tolerance(std::time::Duration::from_millis(250))
            >= self.evidence.policy.quote_ttl
    }

    fn has_died(&self) -> bool {
        self.evidence.deaths.iter().any(|death| *death < self.end)
    }

    fn has_lost_something(&self) -> bool {
        self.has_died() || self.evidence.lost_writes.iter().any(|write| *write < self.end)
    }

    /// What is wrong with the reason that a decline is told with.
    fn another_reason(&self, message: &str) -> Option<String> {
        let told = message.split_once('(').and_then(|(_, rest)| rest.split_once(')')).map(|(reason, _)| reason);
        let declined = self.of(&CHARGE).find(|sent| sent.refusal() == Some(402))?;
        // Of another request's decline the reason is not known here.
        let said = declined.sent.faults.iter().find_map(|fault| match fault {
            Fault::Circumstance(Circumstance::Declined(reason)) => Some(reason.as_str()),
            _ => None,
        })?;
        match told {
            Some(told) if told != said => Some(format!(" for the reason `{told}`, where the bank said `{said}`")),
            Some(told) if !HELPS.contains(&told) => {
                Some(format!(" for the reason `{told}`, which is not the person's to know"))
            }
            None if HELPS.contains(&said) => Some(format!(" without the bank's reason, `{said}`, which would help")),
            Some(_) | None => None,
        }
    }
}

#[cfg(test)]
mod tests;
