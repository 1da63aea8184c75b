//! What may stand against a price.

use std::time::Duration;

use giftgenius::error::Code;
use giftgenius::money::{Currency, Money};
use giftgenius::step_log::LogLine;
use jiff::Timestamp;

use super::{Reason, lines};
use crate::oracle::evidence::{CallView, Evidence};
use crate::oracle::taken;

/// The reasons that a `create_checkout_session` may be refused for.
pub(super) fn reasons(evidence: &Evidence<'_>, call: &CallView<'_>) -> Vec<Reason> {
    let mut reasons = Vec::new();
    let twice = lines(call).enumerate().any(|(place, (sku, _))| lines(call).take(place).any(|(one, _)| one == sku));
    if twice || !taken::surely(call) {
        reasons.push(Reason::of(Code::InvalidArguments));
    }
    let Some(currency) = call.text("currency").and_then(|text| text.parse::<Currency>().ok()) else {
        return reasons;
    };
    if currency.exponent().is_none() {
        reasons.push(Reason::of(Code::CurrencyUnsupported));
    }
    let mut budgets = Vec::new();
    if let Some(workflow) = call.text("workflow_id") {
        in_workflow(evidence, call, workflow, &mut reasons);
        budgets = named_before(evidence, call, workflow);
    }
    if let Some(budget) = call.started.arguments.get("budget").and_then(serde_json::Value::as_f64) {
        #[expect(clippy::cast_possible_truncation, reason = "the schema bounds it")]
        let budget = budget as i64;
        budgets = vec![Money::new(budget, currency)];
    }
    if budgets.iter().any(|budget| budget.currency != currency) {
        reasons.push(Reason::of(Code::BudgetCurrency));
    }
    let mut sum = 0;
    for (sku, quantity) in lines(call) {
        let Some(product) = evidence.shop.fixture.product(sku) else {
            reasons.push(Reason::about(Code::ProductNotFound, sku));
            continue;
        };
        match product.prices.get(&currency) {
            Some(price) => sum += price * i64::from(quantity),
            None => reasons.push(Reason::of(Code::CurrencyUnsupported)),
        }
        if evidence.shop.opening(sku) < i64::from(quantity) {
            reasons.push(Reason::about(Code::OutOfStock, sku));
        }
    }
    let mut total = sum;
    if let Some(code) = call.text("promo_code") {
        let known = evidence.shop.fixture.promo_code(code);
        let at = |time: Timestamp| {
            known.and_then(|promo| promo.discount(sum, currency, time)).filter(|discount| *discount < sum)
        };
        // It may run out during the call.
        let discounts = asked_between(evidence, call).map(at);
        if discounts.contains(&None) {
            reasons.push(Reason::of(Code::PromoInvalid));
        }
        total -= discounts.into_iter().flatten().max().unwrap_or_default();
    }
    if budgets.iter().any(|budget| budget.currency == currency && total > budget.minor_units) {
        reasons.push(Reason::of(Code::BudgetTooSmall));
    }
    reasons
}

/// What stands against a call for a workflow, which may be unknown, or be somewhere else.
fn in_workflow(evidence: &Evidence<'_>, call: &CallView<'_>, workflow: &str, reasons: &mut Vec<Reason>) {
    let of_the_user =
        |other: &&CallView<'_>| other.started.user == call.started.user && other.start_event < call.start_event;
    let earlier = || evidence.calls.iter().filter(of_the_user);
    let told = earlier().filter(|other| other.workflow == Some(workflow)).filter_map(|other| other.end).next_back();
    let (_, ended) = call.end.unwrap_or_default();
    let is_kept = |(_, told): (usize, Duration)| ended.saturating_sub(told) < evidence.policy.retention;
    if !told.is_some_and(is_kept) {
        reasons.push(Reason::of(Code::WorkflowNotFound));
    }
    let opened = |session: &str| {
        let opened = evidence.sessions.iter().find(|known| known.id == session);
        opened.is_some_and(|known| evidence.calls[known.call].workflow == Some(workflow))
    };
    let paid = earlier().any(|other| other.is("create_order") && other.text("checkout_session_id").is_some_and(opened));
    if paid {
        reasons.extend([Code::OrderPaid, Code::OrderInProgress].map(Reason::of));
    }
    let moved =
        || earlier().any(|other| other.is("user_navigated_to_step") && other.text("workflow_id") == Some(workflow));
    if paid || moved() {
        reasons.push(Reason::of(Code::OutOfStep));
    }
}

/// The budgets that may have been named for a workflow before.
fn named_before(evidence: &Evidence<'_>, call: &CallView<'_>, workflow: &str) -> Vec<Money> {
    let earlier = evidence.calls.iter().filter(|other| {
        other.is("suggest_gifts")
            && other.start_event < call.start_event
            && other.text("workflow_id").or(other.workflow) == Some(workflow)
    });
    let budget = |other: &CallView<'_>| {
        let currency = other.text("currency").unwrap_or("EUR").parse().ok()?;
        #[expect(clippy::cast_possible_truncation, reason = "the schema bounds it")]
        Some(Money::new(other.started.arguments.get("budget")?.as_f64()? as i64, currency))
    };
    earlier.filter_map(budget).collect()
}

/// The provider's calendar at the earliest and at the latest moment at which it may have been asked.
fn asked_between(evidence: &Evidence<'_>, call: &CallView<'_>) -> [Timestamp; 2] {
    let begun = evidence.lines.iter().find_map(|(_, line)| match line {
        LogLine::Call(line) if line.correlation_id.as_str() == &*call.started.correlation => Some(line.time),
        _ => None,
    });
    let begun = begun.unwrap_or(Timestamp::MIN);
    let off = evidence.replicas.skew_max() + evidence.tolerance(Duration::from_secs(1));
    let lasted = call.end.map_or(Duration::ZERO, |(_, ended)| ended.saturating_sub(call.start));
    let moved = |time: Timestamp, by: Duration, back: bool| {
        let moved = if back { time.checked_sub(by) } else { time.checked_add(by) };
        moved.unwrap_or(time)
    };
    [moved(begun, off, true), moved(begun, lasted + off, false)]
}
