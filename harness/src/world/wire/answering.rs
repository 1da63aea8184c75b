//! Whether the system still answers a call that its host has given up. By then its order may not be in the journal yet, so
//! that nothing else shows that the system is at work.

use std::time::Duration;

use giftgenius::step_log::{CallLine, LogLine};

use crate::trace::{Event, EventKind, Trace};

/// Whether a call has begun by the log that is not answered there, in a process that lives. One that began `patience` ago
/// or earlier is left to the rules.
pub(super) fn is_answering(trace: &Trace, now: Duration, patience: Duration) -> bool {
    let begun = trace.events.iter().enumerate().filter_map(|(index, event)| match &event.kind {
        EventKind::Log(line) => match &**line {
            LogLine::Call(call) => Some((index, event, call)),
            _ => None,
        },
        _ => None,
    });
    begun
        .filter(|(_, event, _)| event.at + patience > now)
        .any(|(index, event, call)| !trace.events[index..].iter().any(|later| ends(event, call, later)))
}

/// Whether a later event ends a call that has begun.
fn ends(begun: &Event, call: &CallLine, later: &Event) -> bool {
    later.incarnation == begun.incarnation
        && match &later.kind {
            EventKind::Crashed => true,
            EventKind::Log(line) => matches!(&**line, LogLine::Step(line)
                if line.asked.is_some() && line.step_id == call.step_id && line.correlation_id == call.correlation_id),
            _ => false,
        }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;
    use std::sync::Arc;

    use giftgenius::step_log::{Level, StepLine, StepStatus};
    use jiff::Timestamp;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(6);

    fn begun(incarnation: u32, correlation: &str) -> Event {
        let line = LogLine::Call(CallLine {
            event: Cow::Borrowed("tool_call_begun"),
            level: Level::Info,
            user_id: "ada".into(),
            step_id: Cow::Borrowed("create_order"),
            idempotency_key: None,
            correlation_id: correlation.into(),
            asked: Arc::default(),
            time: Timestamp::UNIX_EPOCH,
        });
        Event { at: Duration::from_secs(1), incarnation, kind: EventKind::Log(Box::new(line)) }
    }

    fn answered(incarnation: u32, correlation: &str, of_a_call: bool) -> Event {
        let line = LogLine::Step(StepLine {
            event: Cow::Borrowed(StepStatus::Success.event()),
            level: Level::Info,
            user_id: "ada".into(),
            workflow_id: None,
            step_id: Cow::Borrowed("create_order"),
            status: StepStatus::Success,
            error_code: None,
            idempotency_key: None,
            correlation_id: correlation.into(),
            order_id: None,
            duration_ms: 0,
            attempts: 0,
            wait_ms: None,
            found: None,
            asked: of_a_call.then(Arc::default),
            time: Timestamp::UNIX_EPOCH,
        });
        Event { at: Duration::from_secs(2), incarnation, kind: EventKind::Log(Box::new(line)) }
    }

    #[test]
    fn a_call_is_answered_by_its_own_line_or_by_the_death_of_its_process() {
        let crashed = |incarnation| Event { at: Duration::from_secs(2), incarnation, kind: EventKind::Crashed };
        let two = Duration::from_secs(2);
        for (later, now, answering) in [
            (None, two, true),
            (None, Duration::from_secs(7), false),
            (Some(answered(1, "step-2.1", true)), two, false),
            (Some(answered(1, "step-2.1", false)), two, true),
            (Some(answered(1, "step-2.2", true)), two, true),
            (Some(crashed(1)), two, false),
            (Some(crashed(2)), two, true),
        ] {
            let trace = Trace { events: [begun(1, "step-2.1")].into_iter().chain(later).collect(), ..Trace::default() };
            assert_eq!(is_answering(&trace, now, PATIENCE), answering, "{trace:?} at {now:?}");
        }
        assert!(!is_answering(&Trace::default(), two, PATIENCE));
    }
}
