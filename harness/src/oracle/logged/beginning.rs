//! The `order`/`started` line of each order: logged once, and before its other lines.

use giftgenius::step_log::{LogLine, StepStatus};

use crate::fault::site::Place;
use crate::oracle::Findings;
use crate::oracle::evidence::Evidence;
use crate::scenario::model::WorldKind;
use crate::trace::EventKind;

/// Skipped after a death or a store fault: the process that wrote the order may have died before it logged the line, and a
/// write that failed for its caller may have been committed. On the wire the order of lines is not checked, because the lines of
/// two processes are read independently.
pub(super) fn judge(evidence: &Evidence<'_>, findings: &mut Findings) {
    let is_store = |place: Place| matches!(place, Place::JournalRead | Place::JournalWrite);
    let is_struck = |kind: &EventKind| matches!(kind, EventKind::Struck { site, .. } if is_store(site.place));
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
