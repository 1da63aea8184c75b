//! `alert-fits`: a person is called for what a person must see, and for nothing else.

use std::time::Duration;

use giftgenius::error::ErrorType;
use giftgenius::ports::Provider;
use giftgenius::step_log::{Alert, AlertKind, LogLine};

use super::conversations::ends_of;
use super::evidence::{Evidence, ExchangeView, OrderView};
use super::{Findings, Oracle, Verdict, alerts_once, alerts_owed, codes, money_paged};
use crate::fault::{Circumstance, Fault, Moment};
use crate::provider::ledger::EffectKind;
use crate::provider::operations::LOOK_UP;
use crate::scenario::model::WorldKind;
use crate::trace::{EventKind, HostReply, Seen};

/// The rule.
pub static ALERT_FITS: Oracle = Oracle {
    id: "alert-fits",
    rule: "What is critical calls a person, once: a provider that fails five attempts in a row (again once it has \
           answered), a tool whose calls keep \
           failing, attempts that keep timing out, a store that takes no write for ten seconds, webhooks that do not come, \
           a handler that panics, an order left to a person, money taken twice or in another amount. Money that has stood \
           for a parked order without a sale for late_max and 15 minutes is a page, once whichever process sends it. Of two \
           alerts for one cause the one that says more is sent. Business as usual (declined, sold out, promo invalid, nothing found, \
           interrupted) never calls anybody.",
    explanation: "Whoever is on call stops reading alerts that cry wolf, and cannot help where none comes. A breach is an \
                  alert for which nothing in the run speaks, or a critical failure without one. Each process counts for \
                  itself, replicas too, and one that dies may take the count of failures with it, so each is judged by \
                  what it saw and what it logged.",
    requirements: &["F16"],
    check,
};

/// So many failed attempts at a provider in a row are a lost provider.
pub(super) const IN_A_ROW: usize = 5;

fn check(evidence: &Evidence<'_>) -> Verdict {
    let mut findings = Findings::of(ALERT_FITS.id);
    let alerts: Vec<(usize, u32, &Alert)> = evidence
        .lines
        .iter()
        .filter_map(|(index, line)| match line {
            LogLine::Alert(alert) => Some((*index, evidence.trace.events[*index].incarnation, alert)),
            LogLine::Step(_)
            | LogLine::CheckoutResult(_)
            | LogLine::Webhook(_)
            | LogLine::Call(_)
            | LogLine::Attempt(_)
            | LogLine::Service(_) => None,
        })
        .collect();
    for (index, incarnation, alert) in &alerts {
        if !is_called_for(evidence, alert, *index, *incarnation) {
            let why = business(evidence, alert).map_or_else(
                || String::from("nothing in the run speaks for it"),
                |code| format!("all that happened was {code}"),
            );
            let message = format!("a person was called ({}: {}), and {why}", kind(alert.kind), alert.message);
            findings.add(message, [*index]);
        }
    }
    let alerted = |wanted: AlertKind, order: Option<&str>, life: Option<u32>| {
        alerts.iter().any(|(_, incarnation, alert)| {
            alert.kind == wanted
                && life.is_none_or(|life| life == *incarnation)
                && order.is_none_or(|order| alert.order_id.as_ref().is_some_and(|id| id.as_str() == order))
        })
    };
    let of_loss = |provider: Provider, life: u32| {
        let is_it = |(_, its, alert): &&(usize, u32, &Alert)| {
            alert.kind == AlertKind::ProviderDown && *its == life && alert.dedup_key.ends_with(provider.name())
        };
        alerts.iter().filter(is_it).count()
    };
    for (provider, life, losses) in lost_providers(evidence) {
        if let Some(events) = losses.into_iter().nth(of_loss(provider, life)) {
            let message = format!(
                "{IN_A_ROW} attempts at the {} provider failed in a row, and nobody was called",
                provider.name()
            );
            findings.add(message, events);
        }
    }
    for parked in &evidence.rest.parked {
        if !alerted(AlertKind::OrderParked, Some(&parked.order_id), None) {
            findings.add(format!("order {} waits for a person, and nobody was called", parked.order_id), []);
        }
    }
    for order in evidence.orders.iter().filter(|_| evidence.deaths.is_empty()) {
        if let Some(seen) = seen_twice(evidence, order)
            && !alerted(AlertKind::DoubleCharge, Some(order.id), None)
        {
            let message =
                format!("a look-up showed two charges that stand for order {}, and nobody was called", order.id);
            findings.add(message, [seen]);
        }
    }
    alerts_owed::judge(evidence, &alerts, &mut findings);
    alerts_once::judge(evidence, &alerts, &mut findings);
    money_paged::judge(evidence, &alerts, &mut findings);
    findings.verdict()
}

const fn kind(kind: AlertKind) -> &'static str {
    match kind {
        AlertKind::OrderParked => "an order is parked",
        AlertKind::MoneyStands => "money stands without a sale",
        AlertKind::AmountMismatch => "another amount was taken",
        AlertKind::DoubleCharge => "two charges stand",
        AlertKind::ProviderDown => "a provider is lost",
        AlertKind::UnknownPayment => "a payment that is no order's",
        AlertKind::WebhooksMissing => "cards are charged and no event comes",
        AlertKind::StepFailing => "one step keeps failing",
        AlertKind::TimeOuts => "attempts keep timing out",
        AlertKind::StoreDown => "the own store refuses every write",
        AlertKind::HandlerPanicked => "a handler panicked",
    }
}

/// Whether something in the run speaks for an alert.
fn is_called_for(evidence: &Evidence<'_>, alert: &Alert, index: usize, incarnation: u32) -> bool {
    let order = alert.order_id.as_ref().and_then(|id| evidence.order_of(id.as_str()));
    let order = order.map(|order| &evidence.orders[order]);
    match alert.kind {
        AlertKind::OrderParked => {
            alert.order_id.as_ref().is_some_and(|id| evidence.rest.parked.iter().any(|it| it.order_id == id.as_str()))
        }
        AlertKind::MoneyStands => order.is_some_and(|order| money_paged::is_called_for(evidence, order, index)),
        AlertKind::AmountMismatch => order.is_some_and(|order| amounts_differ(evidence, order)),
        AlertKind::DoubleCharge => order.is_some_and(|order| {
            evidence.effects_of(order).filter(|(_, effect)| effect.kind == EffectKind::Charge).count() > 1
                || mangled(evidence, order)
        }),
        AlertKind::ProviderDown => Provider::ALL.into_iter().any(|provider| {
            let own = || attempts(evidence, provider, incarnation);
            let denied = |exchange: &&ExchangeView<'_>| {
                matches!(exchange.answer, Some((_, _, Seen::Reply { status: 401 | 403, intact: true, .. })))
            };
            own().any(|exchange| denied(&exchange)) || own().filter(|exchange| !reached(exchange)).count() >= IN_A_ROW
        }),
        AlertKind::UnknownPayment => evidence.trace.webhooks().next().is_some(),
        AlertKind::StepFailing => alerts_owed::step_was_failing(evidence, incarnation, alert),
        AlertKind::TimeOuts => alerts_owed::attempts_timed_out(evidence, incarnation, alert),
        AlertKind::StoreDown => alerts_owed::store_was_down(evidence, incarnation),
        AlertKind::HandlerPanicked => alerts_once::panicked(evidence, incarnation, alert),
        AlertKind::WebhooksMissing => {
            let charged =
                |order: &OrderView<'_>| evidence.effects_of(order).any(|(_, effect)| effect.kind == EffectKind::Charge);
            evidence.orders.iter().any(charged)
        }
    }
}

/// The business's code that was told under an alert's correlation id, or of its order.
fn business(evidence: &Evidence<'_>, alert: &Alert) -> Option<&'static str> {
    evidence.calls.iter().find_map(|call| {
        let told = call.told.as_ref().filter(|told| told.is_error)?;
        let code = codes::parse(told.code?)?;
        let of_it = *call.started.correlation == *alert.correlation_id.as_str()
            || told.order_id.is_some()
                && told.order_id == alert.order_id.as_ref().map(giftgenius::ids::OrderId::as_str);
        (of_it && matches!(code.kind(), ErrorType::Business | ErrorType::Interrupted)).then_some(code.as_str())
    })
}

fn exchanges<'e, 'a>(
    evidence: &'e Evidence<'a>,
    order: &'e OrderView<'a>,
) -> impl Iterator<Item = &'e ExchangeView<'a>> {
    order.exchanges.iter().map(|index| &evidence.exchanges[*index])
}

/// Whether a reply of the order's may have told anything.
fn mangled(evidence: &Evidence<'_>, order: &OrderView<'_>) -> bool {
    exchanges(evidence, order).any(|it| it.sent.faults.any(|fault| fault.moment() == Moment::Reply))
}

fn amounts_differ(evidence: &Evidence<'_>, order: &OrderView<'_>) -> bool {
    let taken =
        |exchange: &ExchangeView<'_>| exchange.sent.faults.has(&Fault::Circumstance(Circumstance::WrongAmountCharged));
    let quote = order.quote.map(|quote| quote.0);
    mangled(evidence, order)
        || exchanges(evidence, order).any(taken)
        || evidence.effects_of(order).any(|(_, effect)| {
            effect.kind == EffectKind::Charge && effect.amount.map(|amount| amount.minor_units) != quote
        })
}

fn attempts<'e, 'a>(
    evidence: &'e Evidence<'a>,
    provider: Provider,
    life: u32,
) -> impl Iterator<Item = &'e ExchangeView<'a>> {
    let all = evidence.exchanges.iter();
    all.filter(move |exchange| exchange.sent.operation.provider == provider && exchange.incarnation == life)
}

/// Whether the provider was there, as far as the system could see in time.
pub(super) fn reached(exchange: &ExchangeView<'_>) -> bool {
    match exchange.answer {
        Some((_, _, Seen::Reply { status: 200..=299, .. })) => true,
        Some((_, _, Seen::Reply { status, retry_after, intact: true })) => match status {
            408 => false,
            409 => retry_after.is_none(),
            status => *status < 500 || *status == 501,
        },
        // What is not in the provider's own words does not show that it is there.
        Some((_, _, Seen::Reply { .. } | Seen::Silence | Seen::Broken | Seen::Cut | Seen::Refused)) | None => false,
    }
}

/// How an attempt ended, as far as its process could see.
pub(super) struct Ended {
    sent: usize,
    /// The end of time for one that ran into its time-out.
    seen: usize,
    pub(super) at: Duration,
    pub(super) reached: bool,
}

impl Ended {
    /// The end of an attempt, if its process was there to see it: `last` is what that did last.
    fn of(evidence: &Evidence<'_>, exchange: &ExchangeView<'_>, last: (usize, Duration)) -> Option<Self> {
        let (seen, at, was_there) = match exchange.answer {
            Some((event, at, Seen::Reply { .. } | Seen::Broken | Seen::Cut | Seen::Refused)) => {
                (event, at, event < last.0)
            }
            Some((_, _, Seen::Silence)) | None => {
                let at = exchange.start + evidence.policy.retry.attempt_timeout;
                (usize::MAX, at, at < last.1)
            }
        };
        was_there.then(|| Self { sent: exchange.sent_event, seen, at, reached: reached(exchange) })
    }

    /// Whether it is not known which of two attempts, both under way at once, ended first.
    pub(super) fn is_blurred_with(&self, other: &Self, evidence: &Evidence<'_>) -> bool {
        let at_once = self.sent < other.seen && other.sent < self.seen;
        let in_order =
            evidence.world == WorldKind::Sim && self.seen.max(other.seen) < usize::MAX && self.seen != other.seen;
        at_once && !in_order && self.at.abs_diff(other.at) <= evidence.tolerance(Duration::from_millis(250))
    }
}

/// How the attempts of a process at a provider ended, in order, as far as it could see: those whose caller was gone, which
/// nobody saw answered, are left out.
pub(super) fn ended_attempts<'e, 'a>(
    evidence: &'e Evidence<'a>,
    provider: Provider,
    life: u32,
) -> Vec<(Ended, &'e ExchangeView<'a>)> {
    let Some(last) = last_deed(evidence, life) else { return Vec::new() };
    let mut ended: Vec<_> = attempts(evidence, provider, life)
        .filter_map(|exchange| {
            let ended = Ended::of(evidence, exchange, last)?;
            let is_seen = !(ended.reached && is_given_up(evidence, exchange, &ended));
            is_seen.then_some((ended, exchange))
        })
        .collect();
    ended.sort_by_key(|(it, _)| (it.at, it.seen));
    ended
}

/// Whether the call that an attempt was made for was over before the attempt was. What is asked for an order goes on when
/// its caller is gone, and so does a call that its host gave up, until its own line.
fn is_given_up(evidence: &Evidence<'_>, exchange: &ExchangeView<'_>, ended: &Ended) -> bool {
    let Some(call) = exchange.call.filter(|_| exchange.order.is_none()).map(|call| &evidence.calls[call]) else {
        return false;
    };
    let went_on_until = || {
        let own = ends_of(evidence, call).map(|(event, _)| event).find(|event| *event > call.start_event)?;
        matches!(call.reply, Some(HostReply::Cancelled)).then(|| evidence.trace.events[own].at)
    };
    call.end.is_some_and(|(_, at)| at < ended.at && went_on_until().is_none_or(|until| until < ended.at))
}

/// What a process did last, as far as anybody saw, and when.
fn last_deed(evidence: &Evidence<'_>, life: u32) -> Option<(usize, Duration)> {
    let deeds = evidence.trace.events.iter().enumerate().rev();
    let mut own = deeds.filter(|(_, event)| event.incarnation == life && is_deed(&event.kind));
    own.next().map(|(index, event)| (index, event.at))
}

/// The providers that failed so many attempts in a row in one life, with that life and, for each time, the attempts. They are
/// counted as they end; where it is not known whether one that was answered ended later, the count begins again. It is another
/// time only once the process has certainly had an answer.
fn lost_providers(evidence: &Evidence<'_>) -> Vec<(Provider, u32, Vec<Vec<usize>>)> {
    let lives = evidence.exchanges.iter().map(|exchange| exchange.incarnation).max().unwrap_or(0);
    let mut found = Vec::new();
    for life in 1..=lives {
        for provider in Provider::ALL {
            if attempts(evidence, provider, life).filter(|exchange| !reached(exchange)).nth(IN_A_ROW - 1).is_none() {
                continue;
            }
            let Some(last) = last_deed(evidence, life) else { continue };
            let mut ended: Vec<(Ended, bool)> = attempts(evidence, provider, life)
                .filter_map(|exchange| {
                    let ended = Ended::of(evidence, exchange, last)?;
                    let is_given_up = is_given_up(evidence, exchange, &ended);
                    let is_plain = matches!(exchange.answer, Some((_, _, Seen::Reply { intact: true, .. })));
                    (ended.reached || !is_given_up).then_some((ended, is_plain && !is_given_up))
                })
                .collect();
            ended.sort_by_key(|(it, _)| (it.at, it.seen));
            let is_blurred = |it: &Ended| {
                ended.iter().any(|(other, _)| other.reached != it.reached && it.is_blurred_with(other, evidence))
            };
            let (mut row, mut is_lost, mut losses) = (Vec::new(), false, Vec::new());
            for (it, is_plain) in &ended {
                if it.reached || is_blurred(it) {
                    row.clear();
                    is_lost &= !(it.reached && *is_plain && !is_blurred(it));
                } else {
                    row.push(it.sent);
                }
                if row.len() == IN_A_ROW && !std::mem::replace(&mut is_lost, true) {
                    losses.push(row.clone());
                }
            }
            found.push((provider, life, losses));
        }
    }
    found
}

/// Something that only a living process does, and that is recorded as its own.
fn is_deed(kind: &EventKind) -> bool {
    matches!(kind, EventKind::Log(_) | EventKind::Sent(_))
}

/// A look-up that nothing was wrong with and that was answered while two charges of the order stood.
fn seen_twice(evidence: &Evidence<'_>, order: &OrderView<'_>) -> Option<usize> {
    let charges = || evidence.effects_of(order).filter(|(_, effect)| effect.kind == EffectKind::Charge);
    if charges().count() < 2 {
        return None;
    }
    exchanges(evidence, order)
        .filter(|exchange| exchange.is(&LOOK_UP) && exchange.sent.faults.is_none() && exchange.succeeded())
        .find_map(|exchange| {
            let at = exchange.delivered?;
            let standing =
                charges().filter(|(index, _)| evidence.event_of(*index) < at && evidence.stands_at(*index, at)).count();
            (standing > 1).then_some(exchange.sent_event)
        })
}

#[cfg(test)]
mod tests;
