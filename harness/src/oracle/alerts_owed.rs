//! A part of `alert-fits`: what is critical because it goes wrong often, for long or with money, and calls a person once.

use std::collections::BTreeMap;
use std::time::Duration;

use giftgenius::error::{Code, ErrorType};
use giftgenius::operations::alerts::WEBHOOK_SILENCE_MAX;
use giftgenius::operations::rates::{BAD_MIN, IN_A_ROW, VALID_MIN, WINDOW};
use giftgenius::step_log::{
    Alert, AlertKind, AttemptOutcome, CheckoutStatus, LogLine, StepLine, StepStatus, WebhookStatus,
};

use super::evidence::Evidence;
use super::{Findings, alerts_once};
use crate::fault::Fault;
use crate::fault::site::Place;
use crate::scenario::model::WorldKind;
use crate::trace::{Event, EventKind};

/// So long may a store take no write before a person is called.
const STORE_DOWN: Duration = Duration::from_secs(10);

/// What is counted by slots of time may be off by one of them.
const SLOT: Duration = Duration::from_secs(10);

/// An event of one process.
#[derive(Clone, Copy)]
struct Noted {
    event: usize,
    at: Duration,
    bad: bool,
}

/// The series of one process and thing.
type Series<'a> = BTreeMap<(u32, &'a str), Vec<Noted>>;

/// Holds the alerts of rates, of the own store, of amounts and of silence to what each process saw.
pub(super) fn judge(evidence: &Evidence<'_>, alerts: &[(usize, u32, &Alert)], findings: &mut Findings) {
    // Nearly every run has nothing to judge here.
    let is_noted = |(_, line): &(usize, &LogLine)| match line {
        LogLine::Step(line) => line.error_code.is_some(),
        LogLine::Attempt(line) => line.outcome == AttemptOutcome::TimedOut,
        LogLine::Alert(_) => true,
        LogLine::CheckoutResult(_) | LogLine::Webhook(_) | LogLine::Call(_) | LogLine::Service(_) => false,
    };
    let is_struck = |event: &Event| matches!(event.kind, EventKind::Struck { .. });
    if !evidence.lines.iter().any(is_noted) && !evidence.trace.events.iter().any(is_struck) {
        return;
    }
    let of = |kind: AlertKind, process: u32, about: &str| {
        let is_it = move |(_, its_process, alert): &&(usize, u32, &Alert)| {
            alert.kind == kind && *its_process == process && (about.is_empty() || alert.dedup_key.ends_with(about))
        };
        alerts.iter().filter(is_it).count()
    };
    let left = |process: u32, code: Code| alerts_once::has_own_alert(evidence, alerts, process, code);
    for ((process, tool), calls) in &calls(evidence, &left) {
        let count = of(AlertKind::StepFailing, *process, tool);
        let row = calls.windows(IN_A_ROW as usize).find(|row| row.iter().all(|it| it.bad));
        // On the wire the lines of calls that overlap may stand in another order than they were counted in.
        let row = row.filter(|_| evidence.world == WorldKind::Sim);
        if count == 0
            && let Some(row) = row.or_else(|| mass(calls))
        {
            let message = format!(
                "{} of {} calls of {tool} failed for technical reasons, and nobody was called",
                bad(row),
                row.len()
            );
            findings.add(message, row.iter().map(|it| it.event));
        }
        too_many(count, calls, &format!("calls of {tool} that fail"), findings);
    }
    for ((process, provider), attempts) in &attempts(evidence) {
        let count = of(AlertKind::TimeOuts, *process, provider);
        // Its loss says more than that it is slow.
        if count == 0
            && of(AlertKind::ProviderDown, *process, provider) == 0
            && let Some(of_them) = mass(attempts)
        {
            let message = format!(
                "{} of {} attempts at the {provider} provider ran into their time-out, and nobody was called",
                bad(of_them),
                of_them.len()
            );
            findings.add(message, of_them.iter().filter(|it| it.bad).map(|it| it.event));
        }
        too_many(count, attempts, &format!("time-outs of the {provider} provider"), findings);
    }
    for (process, writes) in &writes(evidence) {
        let count = of(AlertKind::StoreDown, *process, "");
        let refused = refused_for(writes, STORE_DOWN + evidence.tolerance(Duration::from_millis(500)));
        if count == 0
            && let Some(refused) = refused
            && lived_on(evidence, *process, refused[refused.len() - 1].event)
        {
            let message =
                format!("the store refused every write for {} s, and nobody was called", STORE_DOWN.as_secs());
            findings.add(message, refused.iter().map(|it| it.event));
        }
        let episodes = writes.split(|it| !it.bad).filter(|failed| !failed.is_empty()).count();
        if count > episodes {
            findings.add(format!("a person was called {count} times for {episodes} losses of the store"), []);
        }
    }
    if evidence.deaths.is_empty() {
        amounts(evidence, alerts, findings);
    }
    silence(evidence, alerts, findings);
}

/// Whether the store refused every write of a process for so long that an alert of it is no false one.
pub(super) fn store_was_down(evidence: &Evidence<'_>, process: u32) -> bool {
    let writes = writes(evidence);
    let slack = evidence.tolerance(Duration::from_millis(500));
    writes.get(&process).is_some_and(|writes| refused_for(writes, STORE_DOWN.saturating_sub(slack)).is_some())
}

/// Whether so much of a tool's calls failed in a process that an alert of it is no false one.
pub(super) fn step_was_failing(evidence: &Evidence<'_>, process: u32, alert: &Alert) -> bool {
    let calls = calls(evidence, &|_, _| false);
    calls.iter().any(|((its_process, tool), calls)| {
        *its_process == process && alert.dedup_key.ends_with(tool) && bad(calls) >= IN_A_ROW as usize
    })
}

/// Whether so many attempts at a provider timed out in a process that an alert of it is no false one.
pub(super) fn attempts_timed_out(evidence: &Evidence<'_>, process: u32, alert: &Alert) -> bool {
    let attempts = attempts(evidence);
    attempts.iter().any(|((its_process, provider), attempts)| {
        *its_process == process
            && alert.dedup_key.ends_with(provider)
            && bad(attempts) >= BAD_MIN as usize
            && attempts.len() >= VALID_MIN as usize
    })
}

fn bad(noted: &[Noted]) -> usize {
    noted.iter().filter(|it| it.bad).count()
}

/// The first stretch, safely within the window, in which enough of enough went wrong.
fn mass(noted: &[Noted]) -> Option<&[Noted]> {
    noted.iter().enumerate().filter(|(_, it)| it.bad).find_map(|(end, last)| {
        let begin = noted.iter().position(|it| it.at + WINDOW > last.at + SLOT)?;
        let stretch = noted.get(begin..=end)?;
        (stretch.len() >= VALID_MIN as usize && bad(stretch) >= BAD_MIN as usize).then_some(stretch)
    })
}

/// An alert comes once, and again only after so long without a failure.
fn too_many(count: usize, noted: &[Noted], what: &str, findings: &mut Findings) {
    let failed: Vec<_> = noted.iter().filter(|it| it.bad).collect();
    let pauses = failed.windows(2).filter(|pair| pair[0].at + WINDOW <= pair[1].at + Duration::from_secs(1)).count();
    if count > pauses + 1 {
        let message = format!("a person was called {count} times for {what}, which went on without a pause");
        findings.add(message, failed.iter().map(|it| it.event));
    }
}

/// How the calls of each tool went in each process, by their lines: what the business refused, the caller got wrong or is
/// not settled yet says nothing, nor does what is left to another alert.
fn calls<'a>(evidence: &Evidence<'a>, left: &dyn Fn(u32, Code) -> bool) -> Series<'a> {
    let mut calls = Series::new();
    for &(event, line) in &evidence.lines {
        if let LogLine::Step(line) = line
            && line.asked.is_some()
            && !is_pending(evidence, line)
        {
            let bad = match line.error_code {
                None => false,
                Some(Code::CheckoutDisabled | Code::OrderInProgress | Code::LimitReached) => continue,
                Some(code) if left(evidence.trace.events[event].incarnation, code) => continue,
                Some(code) if code.kind() == ErrorType::Technical => true,
                Some(_) => continue,
            };
            let happened = &evidence.trace.events[event];
            calls.entry((happened.incarnation, &*line.step_id)).or_default().push(Noted {
                event,
                at: happened.at,
                bad,
            });
        }
    }
    calls
}

fn is_pending(evidence: &Evidence<'_>, step: &StepLine) -> bool {
    step.step_id == "create_order"
        && step.error_code.is_none()
        && evidence.lines.iter().any(|(_, line)| {
            matches!(line, LogLine::CheckoutResult(result)
                if result.request_id == step.correlation_id && result.status == CheckoutStatus::Pending)
        })
}

/// How the attempts at each provider went in each process, as to their time-outs.
fn attempts<'a>(evidence: &Evidence<'a>) -> Series<'a> {
    let mut attempts = Series::new();
    for &(event, line) in &evidence.lines {
        if let LogLine::Attempt(line) = line
            && line.outcome != AttemptOutcome::Abandoned
        {
            let provider = line.operation.split('.').next().unwrap_or_default();
            let happened = &evidence.trace.events[event];
            // Its line is written when it is known what follows.
            let bad = line.outcome == AttemptOutcome::TimedOut;
            attempts.entry((happened.incarnation, provider)).or_default().push(Noted { event, at: happened.at, bad });
        }
    }
    attempts
}

/// How each process's writes to its store went.
fn writes(evidence: &Evidence<'_>) -> BTreeMap<u32, Vec<Noted>> {
    let events = &evidence.trace.events;
    let mut writes: BTreeMap<u32, Vec<Noted>> = BTreeMap::new();
    for (event, it) in events.iter().enumerate() {
        if let EventKind::Struck { site, fault } = &it.kind
            && site.place == Place::JournalWrite
        {
            // One that was held up is among those that were made, in simulation; on the wire it is made when its wait is over.
            let waits = match **fault {
                Fault::Busy | Fault::Full => None,
                _ if evidence.world == WorldKind::Sim => continue,
                Fault::Slow(span) => Some(span),
                Fault::Yield | Fault::Jump(_) | Fault::HangUp => Some(Duration::ZERO),
                _ => continue,
            };
            let at = it.at + waits.unwrap_or_default();
            let event = if waits.is_some_and(|span| !span.is_zero()) {
                events.partition_point(|other| other.at <= at).saturating_sub(1)
            } else {
                event
            };
            writes.entry(it.incarnation).or_default().push(Noted { event, at, bad: waits.is_none() });
        }
    }
    for write in &evidence.trace.writes {
        // It came after the events that there were.
        let event = write.at.saturating_sub(1);
        let at = events.get(event).map_or(Duration::ZERO, |it| it.at);
        writes.entry(write.incarnation).or_default().push(Noted { event, at, bad: false });
    }
    // What a health page tries is a write too.
    for probe in &evidence.trace.probes {
        let event = probe.after.saturating_sub(1);
        writes.entry(probe.incarnation).or_default().push(Noted { event, at: probe.at, bad: !probe.taken });
    }
    for writes in writes.values_mut() {
        writes.sort_by_key(|it| (it.event, it.bad));
    }
    writes
}

/// The first row of refused writes that is this long.
fn refused_for(writes: &[Noted], span: Duration) -> Option<&[Noted]> {
    writes
        .split(|it| !it.bad)
        .find(|row| row.first().zip(row.last()).is_some_and(|(first, last)| last.at.saturating_sub(first.at) >= span))
}

/// Whether a process did anything after an event.
fn lived_on(evidence: &Evidence<'_>, process: u32, after: usize) -> bool {
    let later = evidence.trace.events.iter().skip(after + 1);
    later
        .into_iter()
        .any(|event| event.incarnation == process && matches!(event.kind, EventKind::Log(_) | EventKind::Sent(_)))
}

/// An order whose step says that another amount was taken calls a person.
fn amounts(evidence: &Evidence<'_>, alerts: &[(usize, u32, &Alert)], findings: &mut Findings) {
    for &(event, line) in &evidence.lines {
        if let LogLine::Step(line) = line
            && line.asked.is_none()
            && line.error_code == Some(Code::AmountMismatch)
            && let Some(order) = &line.order_id
            && !alerts
                .iter()
                .any(|(_, _, it)| it.kind == AlertKind::AmountMismatch && it.order_id.as_ref() == Some(order))
        {
            findings.add(format!("another amount was taken for order {order}, and nobody was called"), [event]);
        }
    }
}

/// Whether a process takes an event in whose line comes within the time that a call has: it may have heard it before.
fn hears_an_event(evidence: &Evidence<'_>, process: u32, event: usize) -> bool {
    let events = &evidence.trace.events;
    let until = events[event].at + evidence.policy.tool_deadline;
    let mut later = evidence.lines.iter().filter(|(at, _)| *at > event && events[*at].at <= until);
    later.any(|(at, line)| {
        events[*at].incarnation == process
            && matches!(line, LogLine::Webhook(line) if line.status != WebhookStatus::Refused)
    })
}

/// Cards are charged for so long without an event: the charge that shows it calls a person.
fn silence(evidence: &Evidence<'_>, alerts: &[(usize, u32, &Alert)], findings: &mut Findings) {
    // A provider that sends every event is not silent.
    let is_untold =
        |event: &Event| matches!(&event.kind, EventKind::Struck { site, .. } if site.place == Place::Webhook);
    if !evidence.trace.events.iter().any(is_untold) {
        return;
    }
    let mut since: BTreeMap<u32, Noted> = BTreeMap::new();
    for &(event, line) in &evidence.lines {
        let happened = &evidence.trace.events[event];
        let process = happened.incarnation;
        match line {
            LogLine::Webhook(line) if line.status != WebhookStatus::Refused => {
                since.remove(&process);
            }
            LogLine::Step(line) if line.step_id == "charge" && line.status == StepStatus::Success => {
                let first = *since.entry(process).or_insert(Noted { event, at: happened.at, bad: false });
                let overdue =
                    happened.at >= first.at + WEBHOOK_SILENCE_MAX + evidence.tolerance(Duration::from_secs(1));
                let called = alerts
                    .iter()
                    .any(|(_, its_process, alert)| alert.kind == AlertKind::WebhooksMissing && *its_process == process);
                if overdue && !called && !hears_an_event(evidence, process, event) {
                    let message = format!(
                        "cards were charged for {} minutes without an event, and nobody was called",
                        WEBHOOK_SILENCE_MAX.as_secs() / 60
                    );
                    findings.add(message, [first.event, event]);
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::Expiry;
    use crate::oracle::alert_fits::ALERT_FITS;
    use crate::oracle::testing::Run;

    /// Writes that are refused for more than ten seconds, with another one between them, which is made so much later.
    fn refused(between: Option<(Fault, u64)>) -> Run {
        let mut run = Run::new();
        run.call("get_workflow", serde_json::json!({"workflow_id": "wf_1"}));
        run.strike(Place::JournalWrite, Fault::Full);
        if let Some((fault, held_up)) = between {
            let is_made = !matches!(fault, Fault::Full);
            run.strike(Place::JournalWrite, fault);
            run.wait_ms(held_up);
            if is_made {
                run.write();
            }
        }
        run.wait_ms(3_000);
        run.strike(Place::JournalWrite, Fault::Busy);
        run.wait_ms(8_000);
        run.strike(Place::JournalWrite, Fault::Full);
        run.step("get_workflow", StepStatus::Failed, Some(Code::StoreUnavailable));
        run
    }

    #[test]
    fn a_store_that_refuses_everything_for_ten_seconds_calls_a_person() {
        let said = refused(None).broken(&ALERT_FITS);
        assert!(said.contains("the store refused every write for 10 s, and nobody was called"), "{said}");
        refused(Some((Fault::Full, 2_000))).broken(&ALERT_FITS);
    }

    #[test]
    fn a_write_that_went_through_ends_the_loss_once_it_is_made() {
        for fault in [Fault::HangUp, Fault::Yield, Fault::Jump(Expiry::Lease), Fault::Slow(Duration::from_secs(1))] {
            refused(Some((fault, 1_000))).kept(&ALERT_FITS);
        }
        let on_the_wire = |waits: u64| {
            let mut run = refused(None);
            run.world = WorldKind::Wire;
            for event in &mut run.record.trace.events {
                if let EventKind::Struck { fault, .. } = &mut event.kind
                    && **fault == Fault::Busy
                {
                    **fault = Fault::Slow(Duration::from_secs(waits));
                }
            }
            run
        };
        on_the_wire(5).kept(&ALERT_FITS);
        // One that is still waiting has not been taken.
        on_the_wire(60).broken(&ALERT_FITS);
    }
}
