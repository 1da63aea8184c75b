//! A part of `alert-fits`: money that stands for a parked order and pays for no sale becomes a page in time, once, and not
//! before.

use std::time::Duration;

use giftgenius::operations::parked::UNSOLD_MAX;
use giftgenius::step_log::{AlertKind, LogLine, StepStatus};

use super::Findings;
use super::acts::{is_overtaken, lists, noted};
use super::alerts_once::Sent;
use super::evidence::{Evidence, ExchangeView, OrderView};
use super::parked_minimal::may_call_again;
use crate::fault::Fault;
use crate::provider::ledger::EffectKind;
use crate::provider::operations::{CHARGE, COMMIT, LOOK_UP, RESTOCK};
use crate::trace::EventKind;

/// Holds the pages for money that stands to the books.
pub(super) fn judge(evidence: &Evidence<'_>, alerts: &[Sent<'_>], findings: &mut Findings) {
    let pages = |order: &str| -> Vec<usize> {
        let is_it = |(_, _, alert): &&Sent<'_>| {
            alert.kind == AlertKind::MoneyStands && alert.order_id.as_ref().is_some_and(|id| id.as_str() == order)
        };
        alerts.iter().filter(is_it).map(|(index, ..)| *index).collect()
    };
    if evidence.rest.parked.is_empty() {
        return;
    }
    for parked in &evidence.rest.parked {
        let Some(order) = evidence.order_of(&parked.order_id).map(|order| &evidence.orders[order]) else { continue };
        let pages = pages(&parked.order_id);
        if let [first, second, ..] = pages[..]
            && !may_call_again(evidence, first, second)
        {
            let message = format!("a person was paged {} times for the money of order {}", pages.len(), order.id);
            findings.add(message, pages.iter().copied());
        }
        if calendar_jumped(evidence) || is_overtaken(evidence, order, usize::MAX) {
            continue;
        }
        let page = pages.first().copied();
        if let Some(page) = page
            && let Some(wrong) = too_early(evidence, order, page)
        {
            findings.add(format!("a person was paged for the money of order {}, {wrong}", order.id), [page]);
        }
        if let Some((due, since)) = due(evidence, alerts, order)
            && let Some(kept) =
                evidence.trace.houses_kept.iter().find(|kept| kept.at >= due && is_free(evidence, kept.at))
            && page.is_none_or(|page| page >= kept.until)
        {
            let message = format!(
                "{} of order {} stood without a sale for {} s, and nobody was paged in time",
                evidence.money(order, unsold_at(evidence, order, usize::MAX)),
                order.id,
                (kept.at.saturating_sub(evidence.trace.events[since].at)).as_secs()
            );
            findings.add(message, [since].into_iter().chain(page));
        }
    }
}

/// Whether no process can have died with the page in its hands so lately that it is still that process's.
fn is_free(evidence: &Evidence<'_>, at: Duration) -> bool {
    let mut died = evidence.deaths.iter().map(|death| evidence.trace.events[*death].at);
    let held = evidence.policy.lease + evidence.tolerance(Duration::from_secs(1));
    died.all(|died| at < died || at > died + held)
}

/// Whether anything in the run speaks for a page about this order at all.
pub(super) fn is_called_for(evidence: &Evidence<'_>, order: &OrderView<'_>, page: usize) -> bool {
    // What stands for a sale that was to be taken back is owed, whether that was booked still or not.
    let to_be_taken_back = exchanges(evidence, order).any(|it| it.is(&RESTOCK) && it.sent_event < page);
    let stands_at = |event| {
        if to_be_taken_back { evidence.money_at(order, event) } else { unsold_at(evidence, order, event) }
    };
    let is_gone = stands_at(page) <= 0 && was_shown_gone(evidence, order, page, stands_at);
    // What the record calls unknown may stand, and so may what an event told of once nothing had stood.
    let may_stand = order.at_rest.is_some_and(|rest| rest.money != "none")
        || unsold(evidence, order).is_some()
        || ending_before(evidence, order, page) == Some(StepStatus::RolledBack);
    order.parked.is_some() && may_stand && !is_gone
}

fn exchanges<'e, 'a>(
    evidence: &'e Evidence<'a>,
    order: &'e OrderView<'a>,
) -> impl Iterator<Item = &'e ExchangeView<'a>> {
    order.exchanges.iter().map(|index| &evidence.exchanges[*index])
}

/// Whether the last listing of an act of the provider's before an event, or of the charges without it, showed the system
/// that what it had taken was gone by that act. `stands_at` counts the money that is owed just after an event.
fn was_shown_gone(
    evidence: &Evidence<'_>,
    order: &OrderView<'_>,
    before: usize,
    stands_at: impl Fn(usize) -> i64,
) -> bool {
    let acts = || evidence.taken_back.iter().filter(|act| order.effects.contains(&act.effect));
    let since = acts().map(|act| evidence.event_of(act.effect)).min();
    // What only a process saw that died before it wrote is not known to the next one.
    let is_noted = |exchange: &&ExchangeView<'_>| {
        let seen = exchange.answer.map(|(seen, ..)| seen);
        seen.and_then(|seen| noted(evidence, exchange, seen)).is_some_and(|noted| noted <= before)
    };
    let is_listing = |exchange: &&ExchangeView<'_>| exchange.is(&LOOK_UP) && exchange.succeeded();
    let listings = exchanges(evidence, order).filter(is_listing).filter(is_noted);
    // Where keys are ignored, a copy of a charge may come in after the listing. A process that took the order up knows only
    // that the charge was not sent later.
    let no_copy_comes = |listing: &ExchangeView<'_>, at: usize| {
        let taken_up = exchanges(evidence, order).find(|it| it.incarnation == listing.incarnation);
        let known = |charge: &ExchangeView<'_>| match taken_up {
            Some(own) if charge.incarnation != listing.incarnation => own.start,
            Some(_) | None => charge.start,
        };
        let mut charges = exchanges(evidence, order).filter(|it| it.is(&CHARGE) && it.sent_event < at);
        evidence.policy.payment_profile.deduplicates()
            || charges.all(|charge| known(charge) + evidence.policy.late_max <= evidence.trace.events[at].at)
    };
    // What an event told of after a listing was asked for, that need not show.
    let told_since = |listing: &ExchangeView<'_>| {
        evidence.trace.events[listing.sent_event..before].iter().any(|event| match &event.kind {
            EventKind::Webhook(event) => *event.reference == *order.id && matches!(event.status, Some(200..=299)),
            _ => false,
        })
    };
    listings
        .filter_map(|exchange| {
            let at = exchange.delivered.filter(|at| *at < before && since.is_some_and(|since| since < *at))?;
            let mut made = acts().filter(|act| evidence.event_of(act.effect) < at);
            if exchange.sent.faults.is_none() {
                return Some((at, stands_at(at) <= 0 && no_copy_comes(exchange, at) && !told_since(exchange)));
            }
            made.any(|act| !lists(evidence, exchange, act.effect)).then_some((at, false))
        })
        .max()
        .is_some_and(|(_, is_gone)| is_gone)
}

/// How an order had ended, if it had, before it became a person's.
fn ending_before(evidence: &Evidence<'_>, order: &OrderView<'_>, event: usize) -> Option<StepStatus> {
    let lines = evidence.lines.iter().take_while(|(index, _)| *index < event);
    lines
        .filter_map(|(_, line)| match line {
            LogLine::Step(line)
                if line.step_id == "order"
                    && matches!(line.status, StepStatus::Success | StepStatus::RolledBack)
                    && line.order_id.as_ref().is_some_and(|id| id.as_str() == order.id) =>
            {
                Some(line.status)
            }
            _ => None,
        })
        .last()
}

/// Calendars that jump, or that differ between processes, say nothing about how long anything stood.
pub(super) fn calendar_jumped(evidence: &Evidence<'_>) -> bool {
    let jumps = |fault: &Fault| fault.jumps().is_some();
    evidence.replicas.clocks_ms().any(|ms| ms != 0)
        || evidence.trace.events.iter().any(|event| match &event.kind {
            EventKind::Struck { fault, .. } => jumps(fault),
            EventKind::Sent(sent) => sent.faults.any(jumps),
            _ => false,
        })
}

fn span(evidence: &Evidence<'_>) -> Duration {
    evidence.policy.late_max + UNSOLD_MAX
}

/// The money that stands for an order just after an event and pays for no sale.
fn unsold_at(evidence: &Evidence<'_>, order: &OrderView<'_>, event: usize) -> i64 {
    let sold = if evidence.committed_at(order, event) { order.quote.map_or(0, |quote| quote.0) } else { 0 };
    evidence.money_at(order, event) - sold
}

/// The event since which money has stood for an order without a sale, if it does so at rest.
fn unsold(evidence: &Evidence<'_>, order: &OrderView<'_>) -> Option<usize> {
    let mut since = None;
    for (index, _) in evidence.effects_of(order) {
        let event = evidence.event_of(index);
        since = if unsold_at(evidence, order, event) > 0 { since.or(Some(event)) } else { None };
    }
    since.filter(|_| unsold_at(evidence, order, usize::MAX) > 0)
}

/// When a page is due for the money of an order, and the event since which that stands: a span after it, but not before
/// the order is a person's. What turned up once the order had ended, a refund had failed or a process had died may only be
/// known from then.
fn due(evidence: &Evidence<'_>, alerts: &[Sent<'_>], order: &OrderView<'_>) -> Option<(Duration, usize)> {
    let since = unsold(evidence, order)?;
    let (parked, ..) = alerts.iter().find(|(_, _, alert)| {
        alert.kind == AlertKind::OrderParked && alert.order_id.as_ref().is_some_and(|id| id.as_str() == order.id)
    })?;
    let at = |event: usize| evidence.trace.events[event].at;
    // While a sale was booked the charge paid for it, and that it is not any more is known once a reply has told it.
    let taken_back = evidence.effects_of(order).filter(|(_, effect)| effect.kind == EffectKind::Restock);
    let told: Option<Vec<Duration>> = taken_back.map(|(index, _)| told_of(evidence, order, index)).collect();
    let came_back = evidence.effects_of(order).any(|(_, effect)| effect.kind == EffectKind::RefundFailed);
    let is_before = |event: &usize| event < parked;
    let known_late = told.is_none()
        || came_back
        || evidence.committed_at(order, *parked)
        || ending_before(evidence, order, *parked).is_some()
        || evidence.deaths.iter().chain(&evidence.lost_writes).any(is_before);
    let taken_back = told.into_iter().flatten().max().unwrap_or(Duration::ZERO);
    let counted_from = if known_late { at(*parked) } else { at(since).max(taken_back) };
    // What a driver learns it notes at its next turn, which may wait for the longest round there is.
    let noted = evidence.policy.retry.attempt_timeout + evidence.tolerance(Duration::from_secs(1));
    Some(((counted_from + span(evidence) + noted).max(at(*parked)), since))
}

/// When a reply first told the system that a sale was taken back.
fn told_of(evidence: &Evidence<'_>, order: &OrderView<'_>, restock: usize) -> Option<Duration> {
    let event = evidence.event_of(restock);
    let told = exchanges(evidence, order).filter(|exchange| exchange.is(&RESTOCK) && exchange.succeeded());
    told.filter_map(|exchange| exchange.answer).filter(|(seen, ..)| *seen > event).map(|(_, at, _)| at).min()
}

/// Whether the system knew before an event that a sale of an order was booked: a reply told it, and who saw that wrote it
/// down. To one that does not know, the money may pay for nothing all the while.
fn knew_of_sale(evidence: &Evidence<'_>, order: &OrderView<'_>, before: usize) -> bool {
    exchanges(evidence, order).filter(|exchange| exchange.is(&COMMIT) && exchange.succeeded()).any(|exchange| {
        let seen = exchange.answer.map(|(seen, ..)| seen);
        seen.and_then(|seen| noted(evidence, exchange, seen)).is_some_and(|noted| noted < before)
    })
}

/// How a page came before its time.
fn too_early(evidence: &Evidence<'_>, order: &OrderView<'_>, page: usize) -> Option<String> {
    let charged = exchanges(evidence, order).find(|it| it.is(&CHARGE));
    // A charge that was journalled may have been sent, although it was not.
    let charged = charged.or_else(|| order.exchanges.first().map(|index| &evidence.exchanges[*index]))?;
    // The latest end of a sale that was known is where its money begins to stand for nothing.
    let taken_back = evidence.effects_of(order).filter(|(_, effect)| effect.kind == EffectKind::Restock);
    let taken_back = taken_back
        .last()
        .filter(|(index, _)| knew_of_sale(evidence, order, evidence.event_of(*index)))
        .filter(|_| unsold(evidence, order).is_some());
    let since = taken_back.map_or(charged.start, |(_, effect)| effect.at);
    let stood = evidence.trace.events[page].at.saturating_sub(since);
    (stood + evidence.tolerance(Duration::from_secs(1)) < span(evidence))
        .then(|| format!("which stood for {} s only", stood.as_secs()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::site::{Place, Site};
    use crate::oracle::alert_fits::ALERT_FITS;
    use crate::oracle::testing::Run;
    use crate::provider::event::EventType;
    use crate::trace::{Kept, WebhookDelivery};

    const MINUTE: u64 = 60_000;

    /// An order that was charged, never sold and parked; house is kept at each of these minutes, and a person paged at each
    /// of those.
    fn parked(money: &'static str, kept: &[u64], paged: &[u64]) -> Run {
        let mut run = Run::new();
        run.create_order("cs_1", "k1");
        if money != "none" {
            run.charge("ord_1");
        }
        run.park("ord_1", money);
        passes(&mut run, kept, paged);
        run
    }

    fn passes(run: &mut Run, kept: &[u64], paged: &[u64]) {
        for minute in 0..60 {
            if paged.contains(&minute) {
                run.alert(AlertKind::MoneyStands, "ord_1");
            }
            if kept.contains(&minute) {
                let until = run.record.trace.events.len();
                let at = run.now;
                run.record.trace.houses_kept.push(Kept { at, until });
            }
            run.wait_ms(MINUTE);
        }
    }

    /// An order that was charged and booked, and whose sale was taken back two minutes later, and again two minutes after
    /// that, before it was parked; the first of the requests may have been answered.
    fn taken_back(commit_is_answered: bool, restock_is_answered: bool, kept: &[u64], paged: &[u64]) -> Run {
        let mut run = Run::new();
        run.create_order("cs_1", "k1");
        let reserve = run.reserve("ord_1");
        run.charge("ord_1");
        let request = run.send(&COMMIT, Some("ord_1/1"), Some("c"));
        let commit = run.effect(EffectKind::Commit, "ord_1/1", Some(request), Some(reserve));
        if commit_is_answered {
            run.ok(request);
        } else {
            run.silence(request);
        }
        run.wait_ms(2 * MINUTE);
        let request = run.send(&RESTOCK, Some("ord_1/1"), Some("r"));
        run.effect(EffectKind::Restock, "ord_1/1", Some(request), Some(commit));
        if restock_is_answered {
            run.ok(request);
        } else {
            run.silence(request);
        }
        run.wait_ms(2 * MINUTE);
        let request = run.send(&RESTOCK, Some("ord_1/1"), Some("r"));
        run.ok(request);
        run.park("ord_1", "charged");
        passes(&mut run, kept, paged);
        run
    }

    #[test]
    fn money_that_stands_is_paged_in_time_and_once() {
        parked("charged", &[16], &[]).kept(&ALERT_FITS);
        assert!(parked("charged", &[16, 18], &[]).broken(&ALERT_FITS).contains("nobody was paged in time"));
        parked("charged", &[16, 18], &[18]).kept(&ALERT_FITS);
        assert!(parked("charged", &[18, 20], &[19]).broken(&ALERT_FITS).contains("nobody was paged in time"));
        assert!(parked("charged", &[18], &[18, 30]).broken(&ALERT_FITS).contains("paged 2 times"));
        assert!(parked("charged", &[18], &[10]).broken(&ALERT_FITS).contains("stood for 600 s only"));
    }

    #[test]
    fn money_stands_from_when_its_sale_was_known_to_be_taken_back() {
        assert!(taken_back(true, true, &[16], &[]).broken(&ALERT_FITS).contains("nobody was paged in time"));
        taken_back(true, false, &[16], &[]).kept(&ALERT_FITS);
        assert!(taken_back(true, false, &[18], &[]).broken(&ALERT_FITS).contains("nobody was paged in time"));
        assert!(taken_back(true, true, &[], &[14]).broken(&ALERT_FITS).contains("stood for 960 s only"));
        taken_back(false, true, &[], &[14]).kept(&ALERT_FITS);
        assert!(taken_back(false, true, &[], &[12]).broken(&ALERT_FITS).contains("stood for 962 s only"));
    }

    #[test]
    fn a_listing_that_was_asked_for_before_an_event_does_not_show_what_that_tells_of() {
        // A paid order of which the provider gives a part back, and whether it tells of it after the last listing.
        for (told_since, broken) in [(true, false), (false, true)] {
            let mut run = Run::new();
            let (charge, _) = run.buy();
            run.rest.orders.clear();
            run.wait_ms(3 * MINUTE);
            let refund = EventKind::Webhook(Box::new(WebhookDelivery {
                site: Site { place: Place::Webhook, arrival: 1, for_step: None },
                id: "evt_1".into(),
                kind: EventType::ChargeRefunded,
                reference: "ord_1".into(),
                object: "re_1".into(),
                copy: 0,
                attempt: 1,
                forged: None,
                status: Some(200),
            }));
            run.effect_of(EffectKind::Refund, "ord_1", None, Some(charge), Some(2100));
            if !told_since {
                run.push(refund.clone());
            }
            let listing = run.send(&LOOK_UP, Some("ord_1"), None);
            run.ok(listing);
            if told_since {
                run.push(refund);
            }
            run.park("ord_1", "charged");
            passes(&mut run, &[], &[18]);
            if broken {
                assert!(run.broken(&ALERT_FITS).contains("nothing in the run speaks for it"));
            } else {
                run.kept(&ALERT_FITS);
            }
        }
    }

    #[test]
    fn what_is_parked_without_money_is_no_page() {
        parked("none", &[18, 30], &[]).kept(&ALERT_FITS);
        assert!(parked("none", &[18], &[18]).broken(&ALERT_FITS).contains("nothing in the run speaks for it"));
    }
}
