//! A part of `logged`: what happens to the service itself leaves a line.

use std::collections::BTreeMap;
use std::time::Duration;

use giftgenius::step_log::{LogLine, ServiceEvent};

use super::Findings;
use super::evidence::Evidence;
use crate::fault::Fault;
use crate::scenario::model::WorldKind;
use crate::trace::EventKind;

/// Holds the lines of the service to what struck its store and to what it told of its switch.
pub(super) fn judge(evidence: &Evidence<'_>, findings: &mut Findings) {
    // On the wire the log is another channel than the store, and a process that dies takes its last lines with it.
    if evidence.world == WorldKind::Sim && evidence.deaths.is_empty() {
        store(evidence, findings);
    }
    switch(evidence, findings);
    held_off(evidence, findings);
}

/// Calls of unknown tools share a line, so that a model in a loop does not fill the log.
const SUMMED_UP_EVERY: Duration = Duration::from_secs(60);

fn held_off(evidence: &Evidence<'_>, findings: &mut Findings) {
    let lines = evidence
        .lines
        .iter()
        .filter(|(_, line)| matches!(line, LogLine::Service(line) if line.event == ServiceEvent::UnknownToolsHeldOff));
    let mut last: BTreeMap<u32, (usize, Duration)> = BTreeMap::new();
    for (index, _) in lines {
        let event = &evidence.trace.events[*index];
        let before = last.insert(event.incarnation, (*index, event.at));
        if let Some((before, at)) = before
            && event.at + evidence.tolerance(Duration::from_secs(1)) < at + SUMMED_UP_EVERY
        {
            let message = "calls of unknown tools are summarised more than once a minute".to_owned();
            findings.add(message, [before, *index]);
        }
    }
}

fn store(evidence: &Evidence<'_>, findings: &mut Findings) {
    let mut failures: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for (index, event) in evidence.trace.events.iter().enumerate() {
        if let EventKind::Struck { fault, .. } = &event.kind
            && matches!(**fault, Fault::Busy | Fault::Full | Fault::Corrupt)
        {
            failures.entry(event.incarnation).or_default().push(index);
        }
    }
    for (process, failures) in failures {
        let lines = evidence.lines.iter().filter(|(index, line)| {
            matches!(line, LogLine::Service(line) if line.event == ServiceEvent::StoreFailed && line.error.is_some())
                && evidence.trace.events[*index].incarnation == process
        });
        let lines = lines.count();
        if lines < failures.len() {
            findings
                .add(format!("the store failed {} times, and the log says so {lines} times", failures.len()), failures);
        }
    }
}

fn switch(evidence: &Evidence<'_>, findings: &mut Findings) {
    let Some(call) = evidence.calls.iter().find(|call| {
        call.told.as_ref().is_some_and(|told| told.code == Some(giftgenius::error::Code::CheckoutDisabled.as_str()))
    }) else {
        return;
    };
    let Some((end, _)) = call.end else { return };
    let is_off = |(index, line): &(usize, &LogLine)| {
        *index < end && matches!(line, LogLine::Service(line) if line.checkout.as_deref() == Some("off"))
    };
    // The log of the wire's processes may come later than the answer, but it comes.
    let said = evidence.lines.iter().any(|line| match evidence.world {
        WorldKind::Sim => is_off(line),
        WorldKind::Wire => is_off(&(0, line.1)),
    });
    if !said {
        findings.add("checkout was told to be off, and the log does not say that it was switched".to_owned(), [end]);
    }
}
