//! The alert lines: whether each one's severity, level and key fit its kind.

use giftgenius::step_log::{Alert, AlertKind, Level, Severity};

/// How urgent an alert is. What waits for a person without losing anything meanwhile is a ticket; what breaks, and money
/// that stands without a sale for too long, is a page.
const fn severity(kind: AlertKind) -> Severity {
    match kind {
        AlertKind::OrderParked | AlertKind::UnknownPayment => Severity::Ticket,
        AlertKind::MoneyStands
        | AlertKind::AmountMismatch
        | AlertKind::DoubleCharge
        | AlertKind::ProviderDown
        | AlertKind::WebhooksMissing
        | AlertKind::StepFailing
        | AlertKind::TimeOuts
        | AlertKind::StoreDown
        | AlertKind::HandlerPanicked => Severity::Page,
    }
}

/// What is wrong with the fields of an alert: severity, level and the key by which a pager joins alerts of one cause.
pub(super) fn wrong_alert(alert: &Alert) -> Option<String> {
    let severity = severity(alert.kind);
    let level = match severity {
        Severity::Page => Level::Error,
        Severity::Ticket => Level::Warn,
    };
    if alert.event != "alert" {
        return Some(format!("has the event {}", alert.event));
    }
    if alert.severity != severity || alert.level != level {
        return Some(format!(
            "is a {:?} at level {:?}, and has to be a {severity:?} at {level:?}",
            alert.severity, alert.level
        ));
    }
    // One cause is one kind about one thing: its order, where it is about one.
    let about = alert.dedup_key.strip_prefix(alert.kind.name());
    let about = about.and_then(|rest| if rest.is_empty() { Some(rest) } else { rest.strip_prefix(':') });
    match (about, &alert.order_id) {
        (None, _) => Some(format!("has a dedup_key that is not of {}", alert.kind.name())),
        (Some(about), Some(order)) if about != order.as_str() => Some(format!("is about order {order}")),
        (Some(_), _) => None,
    }
}
