//! A part of `logged`: each delivery of an event has one line, which says what became of it.

use std::collections::BTreeMap;

use giftgenius::ids::EventId;
use giftgenius::step_log::{LogLine, WebhookLine, WebhookStatus};

use super::Findings;
use super::evidence::Evidence;
use crate::scenario::model::WorldKind;
use crate::trace::{EventKind, WebhookDelivery};

/// Holds the lines of deliveries to what was delivered and answered. A process that dies takes its lines with it.
pub(super) fn judge(evidence: &Evidence<'_>, findings: &mut Findings) {
    if !evidence.deaths.is_empty() {
        return;
    }
    let mut lines: BTreeMap<Option<&str>, Vec<(usize, &WebhookLine)>> = BTreeMap::new();
    for &(index, line) in &evidence.lines {
        if let LogLine::Webhook(line) = line {
            lines.entry(line.event_id.as_ref().map(EventId::as_str)).or_default().push((index, line));
        }
    }
    let mut answered: BTreeMap<Option<&str>, Vec<(usize, &WebhookDelivery)>> = BTreeMap::new();
    for (index, event) in evidence.trace.events.iter().enumerate() {
        if let EventKind::Webhook(delivery) = &event.kind
            && let Some(status) = delivery.status
        {
            // Of what is refused nothing is repeated.
            let id = (!(400..500).contains(&status)).then_some(&*delivery.id);
            answered.entry(id).or_default().push((index, delivery));
        }
    }
    for (id, deliveries) in &answered {
        let own = lines.get(id).map_or(&[][..], Vec::as_slice);
        let what = id.unwrap_or("deliveries that were refused");
        let events = || deliveries.iter().map(|it| it.0).chain(own.iter().map(|it| it.0));
        // Many refusals share lines; on the wire an answer may get lost that the system gave.
        let (least, most) = match (id, evidence.world) {
            (None, _) => (1, deliveries.len()),
            (Some(_), WorldKind::Sim) => (deliveries.len(), deliveries.len()),
            (Some(_), WorldKind::Wire) => (deliveries.len(), usize::MAX),
        };
        if own.len() < least || own.len() > most {
            let message = format!("{what}: {} answered, and the log has {} lines", deliveries.len(), own.len());
            findings.add(message, events());
        }
        let told: u64 = own.iter().map(|(_, line)| line.count.unwrap_or(1)).sum();
        if id.is_none() && usize::try_from(told).is_ok_and(|told| told > deliveries.len()) {
            findings.add(format!("{} deliveries were refused, and the log counts {told}", deliveries.len()), events());
        }
        for (index, line) in own {
            if let Some(wrong) = wrong(line, deliveries) {
                findings.add(format!("the log line of {what} {wrong}"), [*index]);
            }
        }
    }
}

/// How a line disagrees with every delivery that it may be of.
fn wrong(line: &WebhookLine, deliveries: &[(usize, &WebhookDelivery)]) -> Option<String> {
    if line.event != line.status.event() {
        return Some(format!("says `{}` for a status that is `{}`", line.event, line.status.event()));
    }
    let status = match line.status {
        WebhookStatus::Accepted | WebhookStatus::Duplicate | WebhookStatus::Ignored | WebhookStatus::Parked => 200,
        WebhookStatus::Refused => return None,
        WebhookStatus::Failed => 503,
    };
    let mut of_it = deliveries.iter().map(|(_, delivery)| *delivery);
    if !of_it.clone().any(|delivery| delivery.status == Some(status)) {
        return Some(format!("says {:?}, which is not what was answered", line.status));
    }
    let names = |delivery: &WebhookDelivery| {
        line.status == WebhookStatus::Ignored
            || line.order_id.as_ref().is_some_and(|id| *id.as_str() == *delivery.reference)
    };
    (!of_it.any(names)).then(|| String::from("does not name the order"))
}

#[cfg(test)]
mod tests {
    use giftgenius::step_log::Level;

    use super::*;
    use crate::fault::site::{Place, Site};
    use crate::oracle::logged::LOGGED;
    use crate::oracle::testing::Run;
    use crate::provider::event::EventType;

    /// A delivery that is answered like this, and its line if there is one.
    fn delivered(status: u16, line: Option<(WebhookStatus, Option<&str>, Option<&str>)>) -> Run {
        let mut run = Run::sale();
        run.push(EventKind::Webhook(Box::new(WebhookDelivery {
            site: Site { place: Place::Webhook, arrival: 1, for_step: None },
            id: "evt_1".into(),
            kind: EventType::ChargeCaptured,
            reference: "ord_1".into(),
            object: "ch_1".into(),
            copy: 0,
            attempt: 1,
            forged: None,
            status: Some(status),
        })));
        if let Some((status, event_id, order)) = line {
            run.log(LogLine::Webhook(WebhookLine {
                event: status.event().into(),
                level: Level::Info,
                status,
                event_id: event_id.map(Into::into),
                kind: None,
                order_id: order.map(Into::into),
                count: None,
                time: jiff::Timestamp::UNIX_EPOCH,
            }));
        }
        run
    }

    #[test]
    fn each_delivery_has_a_line_that_says_what_became_of_it() {
        let whole = Some((WebhookStatus::Accepted, Some("evt_1"), Some("ord_1")));
        delivered(200, whole).kept(&LOGGED);
        delivered(401, Some((WebhookStatus::Refused, None, None))).kept(&LOGGED);
        assert!(delivered(200, None).broken(&LOGGED).contains("evt_1: 1 answered, and the log has 0 lines"));
        assert!(delivered(401, None).broken(&LOGGED).contains("refused: 1 answered, and the log has 0 lines"));
        let without_order = Some((WebhookStatus::Accepted, Some("evt_1"), None));
        assert!(delivered(200, without_order).broken(&LOGGED).contains("does not name the order"));
        let failed = Some((WebhookStatus::Failed, Some("evt_1"), Some("ord_1")));
        assert!(delivered(200, failed).broken(&LOGGED).contains("says Failed, which is not what was answered"));
    }
}
