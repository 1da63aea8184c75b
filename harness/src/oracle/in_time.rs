//! `in-time`: every tool call is answered within its deadline.

use std::time::Duration;

use super::evidence::{CallView, Evidence};
use super::{Findings, Oracle, Verdict};
use crate::trace::{EventKind, HostReply};

/// How much later than the deadline an answer may be on the wire: sockets, and a busy machine.
pub const TOLERANCE_ON_THE_WIRE: Duration = Duration::from_millis(500);

/// The rule.
pub static IN_TIME: Oracle = Oracle {
    id: "in-time",
    rule: "Every tool call answers within its deadline, whatever the plan; a call during which the system was stopped \
           is excepted.",
    explanation: "A platform gives a tool call tens of seconds and then repeats it or tells the person that the app \
                  is broken. A provider that stays silent must therefore cost the call no more than the deadline; what \
                  is not known by then is told as pending. A breach names the call and how long it took.",
    requirements: &["F2"],
    check,
};

fn check(evidence: &Evidence<'_>) -> Verdict {
    let mut findings = Findings::of(IN_TIME.id);
    let deadline = evidence.policy.tool_deadline;
    let latest = deadline + evidence.tolerance(TOLERANCE_ON_THE_WIRE);
    for call in &evidence.calls {
        let late = match (call.end, call.reply) {
            (Some((_, end)), Some(HostReply::NoAnswer)) => {
                Some(format!("was not answered within {} ms", end.saturating_sub(call.start).as_millis()))
            }
            (Some((_, end)), _) if end.saturating_sub(call.start) > latest => {
                Some(format!("was answered after {} ms", end.saturating_sub(call.start).as_millis()))
            }
            (Some(_), _) => None,
            (None, _) => Some(String::from("was never answered")),
        };
        if let Some(what) = late
            && !interrupted(evidence, call)
        {
            let message = format!(
                "{} of script step {} {what}; the deadline is {} ms",
                call.started.tool,
                call.started.step,
                deadline.as_millis()
            );
            let end = call.end.map(|(event, _)| event);
            findings.add(message, [call.start_event].into_iter().chain(end));
        }
    }
    findings.verdict()
}

/// Whether the system was stopped while the call ran.
fn interrupted(evidence: &Evidence<'_>, call: &CallView<'_>) -> bool {
    let end = call.end.map_or(evidence.trace.events.len(), |(event, _)| event);
    evidence.trace.events[call.start_event..end].iter().any(|event| matches!(event.kind, EventKind::Restarted))
}

#[cfg(test)]
mod tests {
    use giftgenius::error::Code;

    use super::*;
    use crate::oracle::testing::Run;

    #[test]
    fn an_answer_just_within_the_deadline_is_in_time() {
        let mut run = Run::new();
        let call = run.create_order("cs_1", "k1");
        run.wait_ms(25_000);
        run.fail_with(call, Code::OrderInProgress, None);
        run.kept(&IN_TIME);
    }

    #[test]
    fn an_answer_after_the_deadline_is_late() {
        let mut run = Run::new();
        let call = run.create_order("cs_1", "k1");
        run.wait_ms(25_100);
        run.fail_with(call, Code::OrderInProgress, None);
        assert!(run.broken(&IN_TIME).contains("25100 ms"));
        run.world = crate::scenario::model::WorldKind::Wire;
        run.kept(&IN_TIME);
    }

    #[test]
    fn no_answer_is_never_in_time() {
        let mut run = Run::new();
        let call = run.create_order("cs_1", "k1");
        run.reply(call, HostReply::NoAnswer);
        run.create_order("cs_1", "k1");
        let said = run.broken(&IN_TIME);
        assert!(said.contains("never answered") && said.contains("not answered within"));
    }

    #[test]
    fn a_call_that_the_system_died_under_is_excepted() {
        let mut run = Run::new();
        let call = run.create_order("cs_1", "k1");
        run.push(EventKind::Restarted);
        run.reply(call, HostReply::NoAnswer);
        run.kept(&IN_TIME);
    }

    #[test]
    fn a_call_that_the_host_cancelled_needs_no_answer() {
        let mut run = Run::new();
        let call = run.create_order("cs_1", "k1");
        run.reply(call, HostReply::Cancelled);
        run.kept(&IN_TIME);
    }
}
