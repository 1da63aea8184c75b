//! What is read of an event: its id, what kind of thing happened, and under which merchant reference. The rest of it is
//! never looked at, and of a kind that is no concern of a checkout not even the reference. An account may take money
//! elsewhere too, such as on invoices: what happens to that comes without a reference, or under one that cannot be ours.

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
    /// A person disputed a charge at their bank, which took the money back.
    #[serde(rename = "charge.disputed")]
    ChargeDisputed,
    /// A refund that had been accepted came to nothing.
    #[serde(rename = "refund.failed")]
    RefundFailed,
    /// Something that is no concern of a checkout.
    #[serde(other, rename = "other")]
    Other,
}

impl EventType {
    /// Whether it tells of money that went back, or did not after all.
    pub const fn is_of_money_back(self) -> bool {
        match self {
            Self::ChargeRefunded | Self::ChargeDisputed | Self::RefundFailed => true,
            Self::ChargeCaptured | Self::ChargeFailed | Self::Other => false,
        }
    }
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

/// A body as it was read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Body {
    /// Something happened to a charge.
    OfACharge(Event),
    /// An event of a kind that this server does not act on, or of money that no order of its can have taken. Providers send
    /// everything to every address, and switch an address off that goes on refusing it.
    OfNoConcern(EventId, EventType),
    /// Nothing that the provider would send.
    Malformed,
}

#[derive(Deserialize)]
struct Head {
    id: EventId,
    #[serde(rename = "type")]
    kind: EventType,
}

impl Body {
    /// Reads a body.
    pub fn read(body: &[u8]) -> Self {
        match serde_json::from_slice::<Head>(body) {
            Ok(Head { id, .. }) if !is_name(id.as_str()) => Self::Malformed,
            Ok(Head { id, kind: EventType::Other }) => Self::OfNoConcern(id, EventType::Other),
            Ok(Head { id, kind }) => match serde_json::from_slice::<Event>(body) {
                Ok(event) if is_name(event.reference.as_str()) => Self::OfACharge(event),
                Ok(_) | Err(_) => Self::OfNoConcern(id, kind),
            },
            Err(_) => Self::Malformed,
        }
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
        let Body::OfACharge(event) = Body::read(body) else { panic!("it is one") };
        assert_eq!((event.id.as_str(), event.kind), ("evt_1", EventType::ChargeCaptured));
        assert_eq!(event.reference.as_str(), "ord_1");
    }

    #[test]
    fn what_is_of_no_concern_needs_an_id_and_a_type_only() {
        for body in [
            r#"{"id":"evt_1","type":"payout.paid","reference":"po_1"}"#,
            r#"{"id":"evt_1","type":"payout.paid","created":1767225600,"object":"po_1","amount":999,"currency":"EUR"}"#,
            r#"{"id":"evt_1","type":"ping","created":1767225600}"#,
            r#"{"id":"evt_1","type":"customer.updated","reference":null}"#,
            r#"{"id":"evt_1","type":"customer.updated","reference":{"id":7}}"#,
            r#"{"id":"evt_1","type":"payout.paid","reference":""}"#,
        ] {
            assert_eq!(Body::read(body.as_bytes()), Body::OfNoConcern("evt_1".into(), EventType::Other), "{body}");
        }
    }

    #[test]
    fn money_that_is_no_orders_is_of_no_concern() {
        let long = format!(r#","reference":"{}""#, "x".repeat(129));
        for reference in [
            "",
            r#","reference":null"#,
            r#","reference":7"#,
            r#","reference":"""#,
            r#","reference":"Invoice 77""#,
            r#","reference":{"id":"ord_1"}"#,
            &long,
        ] {
            let body = format!(r#"{{"id":"evt_1","type":"charge.refunded","amount":4200,"object":"ch_1"{reference}}}"#);
            let read = Body::read(body.as_bytes());
            assert_eq!(read, Body::OfNoConcern("evt_1".into(), EventType::ChargeRefunded), "{body}");
        }
    }

    #[test]
    fn what_is_no_event_is_not_read() {
        let long = format!(r#"{{"id":"{}","type":"charge.captured","reference":"ord_1"}}"#, "x".repeat(129));
        let twice = r#"{"id":"evt_1","id":"evt_2","type":"charge.captured"}"#;
        for body in [
            "",
            "[]",
            "{",
            r#"{"type":"charge.captured","reference":"ord_1"}"#,
            r#"{"type":"ping"}"#,
            r#"{"id":"evt_1","reference":"ord_1"}"#,
            r#"{"id":"evt_1"}"#,
            r#"{"id":"","type":"charge.captured","reference":"ord_1"}"#,
            r#"{"id":"","type":"ping"}"#,
            r#"{"id":1,"type":"charge.captured","reference":"ord_1"}"#,
            &long,
            twice,
        ] {
            assert_eq!(Body::read(body.as_bytes()), Body::Malformed, "{body}");
        }
        assert_eq!(Body::read(b"\xff"), Body::Malformed);
    }
}
