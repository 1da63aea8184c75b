//! What may stand against a sale.

use std::time::Duration;

use giftgenius::error::Code;

use super::{Reason, lines};
use crate::oracle::evidence::{CallView, Evidence};
use crate::oracle::taken;
use crate::provider::ledger::EffectKind;
use crate::provider::operations::RESERVE;
use crate::provider::payment::card_of;

/// The reasons that a `create_order` may be refused for; `None` where an earlier call may have begun an order for its session
/// that did not fail.
pub(super) fn sale(evidence: &Evidence<'_>, call: &CallView<'_>) -> Option<Vec<Reason>> {
    let mut reasons = Vec::new();
    if !taken::surely(call) {
        reasons.push(Reason::of(Code::InvalidArguments));
    }
    let (session, method) = (call.text("checkout_session_id"), call.text("payment_method_id"));
    let opened = evidence.sessions.iter().find(|known| Some(known.id) == session).map(|known| {
        let opened = &evidence.calls[known.call];
        (opened, opened.started.user == call.started.user)
    });
    let Some((opened, true)) = opened else {
        reasons.push(Reason::of(Code::SessionNotFound));
        return Some(reasons);
    };
    let (end, ended) = call.end?;
    let age = ended.saturating_sub(opened.start) + evidence.replicas.skew_max() + tolerance(evidence);
    if age >= evidence.policy.quote_ttl {
        reasons.push(Reason::of(Code::SessionExpired));
    }
    if age >= evidence.policy.quote_ttl + evidence.policy.retention {
        reasons.push(Reason::of(Code::SessionNotFound));
    }
    for earlier in evidence.calls.iter().filter(|earlier| earlier.start_event < call.start_event) {
        if !earlier.is("create_order")
            || earlier.started.user != call.started.user
            || earlier.text("checkout_session_id") != session
        {
            continue;
        }
        let told = earlier.told.as_ref().filter(|_| earlier.end.is_some_and(|(end, _)| end < call.start_event))?;
        if !told.is_error || told.effects != Some("none") {
            return None;
        }
        if told.code == Some(Code::OrderCancelled.as_str()) {
            reasons.push(Reason::of(Code::SessionExpired));
        }
    }
    if moved_on(evidence, opened, end) {
        reasons.push(Reason::of(Code::OutOfStep));
    }
    match card_of(&call.started.user, method.unwrap_or_default()) {
        None => reasons.push(Reason::of(Code::PaymentMethodNotFound)),
        Some(card) if card.is_declined => reasons.push(Reason::of(Code::PaymentDeclined)),
        Some(_) => {}
    }
    reasons.extend(short(evidence, call, opened));
    let of_it = call.order.map(|order| &evidence.orders[order]);
    let ran_out = |order| evidence.effects_of(order).any(|(_, effect)| effect.kind == EffectKind::Expire);
    if of_it.is_some_and(ran_out) {
        reasons.push(Reason::of(Code::ReservationLost));
    }
    Some(reasons)
}

/// How far clocks and timers may be off.
fn tolerance(evidence: &Evidence<'_>) -> Duration {
    evidence.tolerance(Duration::from_millis(250))
}

/// Whether the person may have left a price since it was frozen: a call of its workflow can have moved on.
fn moved_on(evidence: &Evidence<'_>, opened: &CallView<'_>, end: usize) -> bool {
    let moves = |call: &&CallView<'_>| {
        ["user_navigated_to_step", "create_checkout_session", "suggest_gifts"].iter().any(|tool| call.is(tool))
    };
    let since = |call: &&CallView<'_>| (opened.start_event + 1..end).contains(&call.start_event);
    opened.workflow.is_some()
        && evidence
            .calls
            .iter()
            .filter(moves)
            .filter(since)
            .any(|call| call.text("workflow_id").or(call.workflow) == opened.workflow)
}

/// The first line that the shelf did not hold when its reservation arrived.
fn short(evidence: &Evidence<'_>, call: &CallView<'_>, opened: &CallView<'_>) -> Option<Reason> {
    let order = &evidence.orders[call.order?];
    let mut asked = order.exchanges.iter().map(|index| &evidence.exchanges[*index]);
    let arrived = asked.find(|exchange| exchange.is(&RESERVE))?.delivered?;
    let (sku, _) = lines(opened).find(|(sku, wanted)| evidence.on_shelf(sku, arrived) < i64::from(*wanted))?;
    Some(Reason::about(Code::OutOfStock, sku))
}
