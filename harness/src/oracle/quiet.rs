//! How far nothing has gone wrong in a run: as long as it has not, what is owed can be said exactly.

use super::conversations::over;
use super::evidence::{CallView, Evidence};
use crate::fault::{Fault, HostFault};
use crate::provider::ledger::EffectKind;
use crate::trace::{Event, EventKind, Seen};

/// The first event that disturbed the system; the end of time if none did. A host that calls otherwise than it should disturbs
/// nobody: what it calls is judged for itself.
pub(super) fn disturbed_from(evidence: &Evidence<'_>) -> usize {
    evidence.trace.events.iter().position(disturbs).unwrap_or(usize::MAX)
}

fn disturbs(event: &Event) -> bool {
    match &event.kind {
        EventKind::Sent(sent) => sent.faults.is_some(),
        EventKind::Answered { seen, .. } => !matches!(seen, Seen::Reply { intact: true, .. }),
        EventKind::Struck { fault, .. } => match &**fault {
            Fault::Host(how) => *how == HostFault::Resume,
            Fault::Malformed(_) => false,
            _ => true,
        },
        EventKind::Crashed | EventKind::Restarted | EventKind::Switched { .. } => true,
        // What a provider does on its own, but for a reservation that runs out: that is as agreed.
        EventKind::Effect(effect) => effect.exchange.is_none() && effect.kind != EffectKind::Expire,
        EventKind::CallStarted(_)
        | EventKind::CallEnded { .. }
        | EventKind::Delivered { .. }
        | EventKind::Log(_)
        | EventKind::Webhook(_) => false,
    }
}

/// Whether a user had a call in flight beside this one that may change what it finds: any but a read.
pub(super) fn was_crossed(evidence: &Evidence<'_>, call: &CallView<'_>) -> bool {
    evidence.calls.iter().any(|other| {
        !std::ptr::eq(other, call)
            && other.started.user == call.started.user
            && !reads(other)
            && other.start_event < over(evidence, call)
            && call.start_event < over(evidence, other)
    })
}

fn reads(call: &CallView<'_>) -> bool {
    ["search_products", "get_payment_methods", "get_order", "get_workflow"].iter().any(|tool| call.is(tool))
}
