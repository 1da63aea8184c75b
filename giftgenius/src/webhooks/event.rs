//! What is read of an event: its id, what kind of thing happened, and under which merchant reference. The rest of it is
//! never looked at.

use serde::{Deserialize, Serialize};

use crate::ids::{EventId, OrderId};

/// The longest id or reference that is taken; they become keys of the journal and stand in the log.
const NAME_BYTES_MAX: usize = 128;

/// What happened, as the provider calls it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum EventType {
    /// Money was taken.
    #[serde(rename = "charge.captured")]
    ChargeCaptured,
    /// A charge came to nothing.
    #[serde(rename = "charge.failed")]
    ChargeFailed,
    /// Money was given back.
    #[serde(rename = "charge.refunded")]
    ChargeRefunded,
    /// A refund that had been accepted came to nothing.
    #[serde(rename = "refund.failed")]
    RefundFailed,
    /// Something that is no concern of a checkout.
    #[serde(other, rename = "other")]
    Other,
}

/// An event, as far as it is read.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub struct Event {
    /// The same on every delivery.
    pub id: EventId,
    /// What happened.
    #[serde(rename = "type")]
    pub kind: EventType,
    /// The merchant reference that it happened under: an order's id.
    pub reference: OrderId,
}

impl Event {
    /// Reads a body; `None` if it is none that the provider would send.
    pub fn read(body: &[u8]) -> Option<Self> {
        let event: Self = serde_json::from_slice(body).ok()?;
        (is_name(event.id.as_str()) && is_name(event.reference.as_str())).then_some(event)
    }
}

fn is_name(text: &str) -> bool {
    (1..=NAME_BYTES_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_read_as_far_as_it_counts() {
        let body = br#"{"id":"evt_1","type":"charge.captured","reference":"ord_1","amount":4200,"card_number":"4242"}"#;
        let event = Event::read(body).unwrap();
        assert_eq!((event.id.as_str(), event.kind), ("evt_1", EventType::ChargeCaptured));
        assert_eq!(event.reference.as_str(), "ord_1");
        let other = Event::read(br#"{"id":"evt_2","type":"payout.paid","reference":"po_1"}"#).unwrap();
        assert_eq!(other.kind, EventType::Other);
    }

    #[test]
    fn what_is_no_event_is_not_read() {
        let long = format!(r#"{{"id":"{}","type":"charge.captured","reference":"ord_1"}}"#, "x".repeat(129));
        for body in [
            "",
            "[]",
            "{",
            r#"{"type":"charge.captured","reference":"ord_1"}"#,
            r#"{"id":"evt_1","reference":"ord_1"}"#,
            r#"{"id":"evt_1","type":"charge.captured"}"#,
            r#"{"id":"","type":"charge.captured","reference":"ord_1"}"#,
            r#"{"id":"evt_1","type":"charge.captured","reference":"ord 1\n"}"#,
            r#"{"id":1,"type":"charge.captured","reference":"ord_1"}"#,
            &long,
        ] {
            assert_eq!(Event::read(body.as_bytes()), None, "{body}");
        }
        assert_eq!(Event::read(b"\xff"), None);
    }
}
