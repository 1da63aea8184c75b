//! The line with which an order begins: there once, and before every other line of its steps.

use giftgenius::step_log::{LogLine, StepStatus};

use crate::fault::site::Place;
use crate::oracle::Findings;
use crate::oracle::evidence::Evidence;
use crate::scenario::model::WorldKind;
use crate::trace::EventKind;

/// On the wire the lines of two processes may come in another order than they were written in. Not judged where a process died or its store was struck: whoever wrote the order may have gone before the line, and a
/// write that failed for its caller may have been made.
pub(super) fn judge(evidence: &Evidence<'_>, findings: &mut Findings) {
    let is_struck = |kind: &EventKind| matches!(kind, EventKind::Struck { site, .. } if matches!(site.place, Place::JournalRead | Place::JournalWrite));
    if !evidence.deaths.is_empty() || evidence.trace.events.iter().any(|event| is_struck(&event.kind)) {
        return;
    }
    let mut begun = vec![false; evidence.orders.len()];
    for (index, line) in &evidence.lines {
        let LogLine::Step(line) = line else { continue };
        let Some(order) = line.order_id.as_ref().and_then(|id| evidence.order_of(id.as_str())) else { continue };
        let is_beginning = line.step_id == "order" && line.status == StepStatus::Started;
        let id = evidence.orders[order].id;
        if is_beginning && begun[order] {
            findings.add(format!("the beginning of order {id} is logged twice"), [*index]);
        } else if !is_beginning && !begun[order] && evidence.world == WorldKind::Sim {
            findings.add(
                format!("order {id} has a line of step {}, and none before it that it began", line.step_id),
                [*index],
            );
        }
        begun[order] |= is_beginning || evidence.world == WorldKind::Sim;
    }
}
