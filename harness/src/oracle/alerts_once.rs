//! A part of `alert-fits`: one cause calls a person once, by the alert that says most of it.

use std::time::Duration;

use giftgenius::error::Code;
use giftgenius::operations::rates::WINDOW;
use giftgenius::ports::Provider;
use giftgenius::step_log::{Alert, AlertKind, LogLine, WebhookStatus};

use super::Findings;
use super::alert_fits::{self, ended_attempts, reached};
use super::evidence::Evidence;
use super::parked_minimal::may_call_again;
use crate::fault::Fault;
use crate::trace::{EventKind, Seen};

/// An alert, with its place in the trace and the process that sent it.
pub(super) type Sent<'a> = (usize, u32, &'a Alert);

/// What a call that fails with a code has failed of, where that has an alert of its own.
pub(super) fn provider_of(code: Code) -> Option<Provider> {
    match code {
        Code::PaymentUnavailable => Some(Provider::Payment),
        Code::CatalogUnavailable => Some(Provider::Catalog),
        Code::InventoryUnavailable => Some(Provider::Inventory),
        _ => None,
    }
}

/// Whether a process ever sent an alert of its own for what calls with this code have failed of, or owes one for each of
/// them.
pub(super) fn has_own_alert(evidence: &Evidence<'_>, alerts: &[Sent<'_>], process: u32, code: Code) -> bool {
    match code {
        Code::Internal | Code::AmountMismatch | Code::OrderNeedsAttention => true,
        Code::StoreUnavailable => evidence.trace.events.iter().any(|event| {
            event.incarnation == process
                && matches!(&event.kind, EventKind::Struck { fault, .. } if matches!(**fault, Fault::Busy | Fault::Full))
        }),
        _ => provider_of(code).is_some_and(|provider| {
            [AlertKind::ProviderDown, AlertKind::TimeOuts]
                .into_iter()
                .any(|kind| sent(alerts, process, kind, provider.name()).next().is_some())
        }),
    }
}

fn sent<'e, 'a>(
    alerts: &'e [Sent<'a>],
    process: u32,
    kind: AlertKind,
    about: &'e str,
) -> impl Iterator<Item = &'e Sent<'a>> {
    alerts
        .iter()
        .filter(move |(_, its, alert)| *its == process && alert.kind == kind && alert.dedup_key.ends_with(about))
}

/// Holds alerts to each other, and those of panics to what panicked.
pub(super) fn judge(evidence: &Evidence<'_>, alerts: &[Sent<'_>], findings: &mut Findings) {
    for one in alerts {
        if let Some((earlier, what)) = told_before(evidence, alerts, one) {
            let message = format!(
                "a person was called for {}, and had been called for its cause before: {what}",
                one.2.dedup_key
            );
            findings.add(message, [earlier, one.0]);
        }
    }
    panics(evidence, alerts, findings);
    repeats(evidence, alerts, findings);
}

/// Holds each alert to the one before it of the same kind about the same thing, of the same process.
fn repeats(evidence: &Evidence<'_>, alerts: &[Sent<'_>], findings: &mut Findings) {
    for (place, (index, process, alert)) in alerts.iter().enumerate() {
        let is_same = |(_, its, other): &&Sent<'_>| its == process && other.dedup_key == alert.dedup_key;
        let Some((earlier, ..)) = alerts[..place].iter().rfind(is_same) else { continue };
        let is_news = match alert.kind {
            // That a person was called is in the process's memory.
            AlertKind::DoubleCharge => false,
            AlertKind::AmountMismatch | AlertKind::UnknownPayment => {
                let is_between = |write: &usize| (*earlier..*index).contains(write);
                may_call_again(evidence, *earlier, *index) || evidence.lost_writes.iter().any(is_between)
            }
            AlertKind::WebhooksMissing => heard(evidence, *process, *earlier..*index),
            AlertKind::ProviderDown => {
                match Provider::ALL.into_iter().find(|it| alert.dedup_key.ends_with(it.name())) {
                    Some(provider) => {
                        let count = alerts[..=place].iter().filter(is_same).count();
                        count <= losses(evidence, provider, *process, *index)
                    }
                    None => true,
                }
            }
            // Judged with what they are about.
            AlertKind::OrderParked
            | AlertKind::MoneyStands
            | AlertKind::StepFailing
            | AlertKind::TimeOuts
            | AlertKind::StoreDown
            | AlertKind::HandlerPanicked => true,
        };
        if !is_news {
            let message = format!(
                "a person was called for {} again, and nothing had come between: {}",
                alert.dedup_key, alert.message
            );
            findings.add(message, [*earlier, *index]);
        }
    }
}

/// Whether the payment provider told a process of anything meanwhile.
fn heard(evidence: &Evidence<'_>, process: u32, within: std::ops::Range<usize>) -> bool {
    evidence.trace.events[within].iter().any(|event| match &event.kind {
        EventKind::Webhook(delivery) => delivery.forged.is_none(),
        EventKind::Log(line) => {
            event.incarnation == process
                && matches!(&**line, LogLine::Webhook(line) if line.status != WebhookStatus::Refused)
        }
        _ => false,
    })
}

/// How often a process may have lost a provider by an event: by so many failed attempts in a row, or by a key that is
/// denied, which is a cause of its own and lasts until another answer comes.
fn losses(evidence: &Evidence<'_>, provider: Provider, process: u32, by: usize) -> usize {
    let until = evidence.trace.events[by].at + evidence.tolerance(Duration::from_millis(250));
    let ended = ended_attempts(evidence, provider, process);
    let (mut losses, mut row, mut is_denied) = (0, 0, false);
    for (it, exchange) in ended.iter().filter(|(it, _)| it.at <= until) {
        if !it.reached {
            row += 1;
            losses += usize::from(row == alert_fits::IN_A_ROW);
            continue;
        }
        row = 0;
        match exchange.answer {
            Some((_, _, Seen::Reply { status: 401 | 403, intact: true, .. })) => {
                losses += usize::from(!std::mem::replace(&mut is_denied, true));
            }
            Some((_, _, Seen::Reply { intact: true, .. })) => is_denied = false,
            // What is mangled may be either.
            _ => {
                is_denied = false;
                losses += 1;
            }
        }
        // Where it is not known which ended first, it may have ended a row that it seems to break.
        losses += usize::from(ended.iter().any(|(other, _)| !other.reached && it.is_blurred_with(other, evidence)));
    }
    losses
}

/// The alert that had told of an alert's cause already.
fn told_before(evidence: &Evidence<'_>, alerts: &[Sent<'_>], one: &Sent<'_>) -> Option<(usize, String)> {
    let (index, process, alert) = one;
    let (provider, kinds) = match alert.kind {
        AlertKind::StepFailing => {
            let code = evidence.lines.iter().find_map(|(_, line)| match line {
                LogLine::Step(line) if line.asked.is_some() && line.correlation_id == alert.correlation_id => {
                    line.error_code
                }
                _ => None,
            })?;
            (provider_of(code)?, &[AlertKind::ProviderDown, AlertKind::TimeOuts][..])
        }
        AlertKind::TimeOuts => {
            let provider = Provider::ALL.into_iter().find(|provider| alert.dedup_key.ends_with(provider.name()))?;
            (provider, &[AlertKind::ProviderDown][..])
        }
        _ => return None,
    };
    let at = |index: usize| evidence.trace.events[index].at;
    // The window's edge is another one on the wire.
    let recent = WINDOW.saturating_sub(evidence.tolerance(Duration::from_secs(1)));
    kinds.iter().flat_map(|kind| sent(alerts, *process, *kind, provider.name())).find_map(|(earlier, _, told)| {
        let lasts =
            told.kind == AlertKind::ProviderDown && !was_reached(evidence, *process, provider, *earlier..*index);
        (earlier < index && (at(*index) < at(*earlier) + recent || lasts)).then(|| (*earlier, told.message.clone()))
    })
}

fn was_reached(evidence: &Evidence<'_>, process: u32, provider: Provider, within: std::ops::Range<usize>) -> bool {
    evidence.exchanges.iter().any(|exchange| {
        exchange.incarnation == process
            && exchange.sent.operation.provider == provider
            && reached(exchange)
            && exchange.answer.is_some_and(|(event, ..)| within.contains(&event))
    })
}

/// The calls of a tool that panicked in a process: the lines of their answers, and when.
struct Panics<'a> {
    process: u32,
    tool: &'a str,
    calls: Vec<(usize, Duration)>,
}

/// A handler that panicked calls a person, once and again only after so long without.
fn panics(evidence: &Evidence<'_>, alerts: &[Sent<'_>], findings: &mut Findings) {
    let struck = |process: u32| {
        evidence.trace.events.iter().any(|event| {
            event.incarnation == process
                && matches!(&event.kind, EventKind::Struck { fault, .. } if **fault == Fault::Panic)
        })
    };
    let mut seen: Vec<Panics<'_>> = Vec::new();
    for &(index, line) in &evidence.lines {
        let LogLine::Step(line) = line else { continue };
        let event = &evidence.trace.events[index];
        if line.asked.is_none() || line.error_code != Some(Code::Internal) || !struck(event.incarnation) {
            continue;
        }
        let known = seen.iter().position(|it| it.process == event.incarnation && it.tool == line.step_id);
        let place = known.unwrap_or_else(|| {
            seen.push(Panics { process: event.incarnation, tool: &line.step_id, calls: Vec::new() });
            seen.len() - 1
        });
        seen[place].calls.push((index, event.at));
    }
    for Panics { process, tool, calls } in seen {
        let count = sent(alerts, process, AlertKind::HandlerPanicked, tool).count();
        let events = || calls.iter().map(|(index, _)| *index);
        let pauses = calls.windows(2).filter(|pair| pair[0].1 + WINDOW <= pair[1].1 + Duration::from_secs(1)).count();
        if count == 0 {
            findings.add(format!("the handler of {tool} panicked, and nobody was called"), events());
        } else if count > pauses + 1 {
            findings.add(format!("a person was called {count} times for panics of {tool}, without a pause"), events());
        }
    }
}

/// Whether a handler panicked in a process, so that an alert of it is no false one.
pub(super) fn panicked(evidence: &Evidence<'_>, process: u32, alert: &Alert) -> bool {
    evidence.lines.iter().any(|&(index, line)| {
        matches!(line, LogLine::Step(line) if line.asked.is_some()
            && line.error_code == Some(Code::Internal)
            && alert.dedup_key.ends_with(&*line.step_id))
            && evidence.trace.events[index].incarnation == process
    })
}

#[cfg(test)]
mod tests {
    use giftgenius::step_log::StepStatus;

    use super::*;
    use crate::fault::Forgery;
    use crate::fault::site::{Place, Site};
    use crate::oracle::alert_fits::ALERT_FITS;
    use crate::oracle::testing::Run;
    use crate::provider::event::EventType;
    use crate::trace::{HostReply, WebhookDelivery};

    fn alert(run: &mut Run, kind: AlertKind, about: &str) {
        let line = Alert::new(kind, about, "m", &run.correlation.as_str().into(), jiff::Timestamp::UNIX_EPOCH);
        run.log(LogLine::Alert(line));
    }

    /// A call of `search_products` that fails, with the line of its answer.
    fn failed(run: &mut Run, code: Code) {
        run.call("search_products", serde_json::json!({ "query": "tea" }));
        let mut line = run.line("search_products", StepStatus::Failed, Some(code));
        line.asked = Some(std::sync::Arc::default());
        run.log(LogLine::Step(line));
    }

    #[test]
    fn the_loss_of_a_provider_is_not_told_again_as_a_failing_tool() {
        let losses = |told_again: bool, kind: AlertKind| {
            let mut run = Run::new();
            run.call("search_products", serde_json::json!({}));
            for _ in 0..5 {
                let search = run.send(&crate::provider::operations::SEARCH, None, None);
                run.silence(search);
                run.wait_ms(10_000);
            }
            alert(&mut run, AlertKind::ProviderDown, "catalog");
            for _ in 0..6 {
                failed(&mut run, Code::CatalogUnavailable);
            }
            if told_again {
                alert(&mut run, kind, if kind == AlertKind::StepFailing { "search_products" } else { "catalog" });
            }
            run
        };
        losses(false, AlertKind::StepFailing).kept(&ALERT_FITS);
        let said = losses(true, AlertKind::StepFailing).broken(&ALERT_FITS);
        assert!(said.contains("had been called for its cause before"), "{said}");
    }

    /// A call that sends so many searches, each with this answer, and an alert after those at these places.
    fn searched(answers: &[&Seen], alerts: &[usize]) -> Run {
        let mut run = Run::new();
        run.call("search_products", serde_json::json!({}));
        for (place, seen) in answers.iter().enumerate() {
            let search = run.send(&crate::provider::operations::SEARCH, None, None);
            run.see(search, (*seen).clone());
            if alerts.contains(&place) {
                alert(&mut run, AlertKind::ProviderDown, "catalog");
            }
            run.wait_ms(1000);
        }
        run.step("get_order", StepStatus::Success, None);
        run
    }

    #[test]
    fn a_provider_that_stays_lost_calls_a_person_once_for_each_cause() {
        let reply = |status| Seen::Reply { status, retry_after: None, intact: true };
        let (lost, denied, there) = (&Seen::Refused, &reply(401), &reply(404));
        let again = "was called for provider_down:catalog again";
        searched(&[lost; 8], &[4]).kept(&ALERT_FITS);
        assert!(searched(&[lost; 8], &[4, 5]).broken(&ALERT_FITS).contains(again));
        assert!(searched(&[lost; 12], &[4, 9]).broken(&ALERT_FITS).contains(again));
        // An answer ends the loss, and the next row is another one.
        let twice = [lost, lost, lost, lost, lost, there, lost, lost, lost, lost, lost];
        searched(&twice, &[4, 10]).kept(&ALERT_FITS);
        assert!(searched(&twice, &[4, 9, 10]).broken(&ALERT_FITS).contains(again));
        // A denied key is a cause of its own.
        searched(&[lost, lost, lost, lost, lost, denied], &[4, 5]).kept(&ALERT_FITS);
        searched(&[denied, lost, lost, lost, lost, lost], &[0, 5]).kept(&ALERT_FITS);
        assert!(searched(&[denied, denied], &[0, 1]).broken(&ALERT_FITS).contains(again));
        searched(&[denied, there, denied], &[0, 2]).kept(&ALERT_FITS);
    }

    #[test]
    fn an_answer_to_a_call_that_its_host_gave_up_ends_a_loss_if_the_call_went_on() {
        for went_on in [true, false] {
            let mut run = Run::new();
            let losses = |run: &mut Run| {
                for _ in 0..5 {
                    let search = run.send(&crate::provider::operations::SEARCH, None, None);
                    run.see(search, Seen::Refused);
                    run.wait_ms(1000);
                }
                alert(run, AlertKind::ProviderDown, "catalog");
            };
            run.call("search_products", serde_json::json!({}));
            losses(&mut run);
            let given_up = run.call("search_products", serde_json::json!({}));
            let search = run.send(&crate::provider::operations::SEARCH, None, None);
            run.reply(given_up, HostReply::Cancelled);
            run.wait_ms(10);
            run.ok(search);
            if went_on {
                run.step("search_products", StepStatus::Success, None);
            }
            run.call("search_products", serde_json::json!({}));
            losses(&mut run);
            let again = "was called for provider_down:catalog again";
            run.kept_unless(&ALERT_FITS, (!went_on).then_some(again));
        }
    }

    #[test]
    fn an_order_and_a_payment_call_a_person_once_but_for_a_note_that_was_lost() {
        for kind in [AlertKind::AmountMismatch, AlertKind::DoubleCharge, AlertKind::UnknownPayment] {
            let again = |between: fn(&mut Run)| {
                let mut run = Run::sale();
                alert(&mut run, kind, "ord_1");
                between(&mut run);
                alert(&mut run, kind, "ord_1");
                let said = run.broken(&ALERT_FITS);
                said.contains(":ord_1 again")
            };
            assert!(again(|_| {}), "{kind:?}");
            assert!(!again(|run| run.process += 1), "another process may not know of it: {kind:?}");
            let is_noted = kind != AlertKind::DoubleCharge;
            assert_eq!(again(|run| run.strike(Place::JournalWrite, Fault::Full)), !is_noted, "{kind:?}");
        }
    }

    #[test]
    fn a_silence_calls_a_person_once() {
        let silent = |heard: Option<Option<Forgery>>| {
            let mut run = Run::sale();
            alert(&mut run, AlertKind::WebhooksMissing, "");
            if let Some(forged) = heard {
                run.push(EventKind::Webhook(Box::new(WebhookDelivery {
                    site: Site { place: Place::Webhook, arrival: 1, for_step: None },
                    id: "evt_1".into(),
                    kind: EventType::ChargeCaptured,
                    reference: "ord_1".into(),
                    object: "ch_1".into(),
                    copy: 0,
                    attempt: 1,
                    forged,
                    status: Some(200),
                })));
            }
            alert(&mut run, AlertKind::WebhooksMissing, "");
            run
        };
        let again = |heard| silent(heard).broken(&ALERT_FITS).contains("webhooks_missing again");
        assert!(again(None) && again(Some(Some(Forgery::Signature))));
        silent(Some(None)).kept(&ALERT_FITS);
    }

    #[test]
    fn a_panic_calls_a_person_once() {
        let panics = |alerts: usize| {
            let mut run = Run::new();
            run.strike(Place::JournalRead, Fault::Panic);
            failed(&mut run, Code::Internal);
            failed(&mut run, Code::Internal);
            for _ in 0..alerts {
                alert(&mut run, AlertKind::HandlerPanicked, "search_products");
            }
            run
        };
        assert!(panics(0).broken(&ALERT_FITS).contains("search_products panicked, and nobody was called"));
        panics(1).kept(&ALERT_FITS);
        assert!(panics(2).broken(&ALERT_FITS).contains("2 times for panics of search_products"));
        let mut run = Run::new();
        alert(&mut run, AlertKind::HandlerPanicked, "search_products");
        assert!(run.broken(&ALERT_FITS).contains("nothing in the run speaks for it"));
    }
}
