//! Three providers with their books, and a short way to ask them something.

use std::collections::BTreeMap;
use std::time::Duration;

use giftgenius::policy::PaymentProfile;
use jiff::Timestamp;
use serde_json::{Value, json};
use smol_str::{SmolStr, format_smolstr};

use super::catalog::Fixture;
use super::ledger::{Effect, EffectKind};
use super::operations::{CANCEL, CHARGE, COMMIT, LOOK_UP, QUOTE, REFUND, RELEASE, RESERVE, RESTOCK, SEARCH};
use super::{Now, OperationSpec, Promises, ProviderReply, ProviderRequest, Providers};
use crate::provider::Circumstance;
use crate::trace::Record;

/// How late anything can still take effect.
pub(super) const LATE_MAX: Duration = Duration::from_secs(120);

pub(super) struct Shop {
    pub(super) providers: Providers,
    pub(super) record: Record,
    pub(super) since_start: Duration,
    /// Holds for the next request only.
    pub(super) circumstance: Option<Circumstance>,
}

impl Shop {
    pub(super) fn new(profile: PaymentProfile) -> Self {
        Self {
            providers: Providers::new(Promises { profile, late_max: LATE_MAX }, &Fixture::embedded()),
            record: Record::default(),
            since_start: Duration::ZERO,
            circumstance: None,
        }
    }

    pub(super) fn under(&mut self, circumstance: Circumstance) -> &mut Self {
        self.circumstance = Some(circumstance);
        self
    }

    pub(super) fn wait(&mut self, seconds: u64) -> &mut Self {
        self.since_start += Duration::from_secs(seconds);
        self
    }

    pub(super) fn now(&self) -> Now {
        let start: Timestamp = "2026-01-01T00:00:00Z".parse().expect("a time");
        Now { since_start: self.since_start, utc: start + self.since_start }
    }

    pub(super) fn raw(
        &mut self,
        operation: &'static OperationSpec,
        query: &str,
        key: &str,
        body: &[u8],
    ) -> ProviderReply {
        let request = ProviderRequest {
            operation,
            path: format_smolstr!("{}{query}", operation.path),
            key: (!key.is_empty()).then(|| key.into()),
            correlation: "step-1.1".into(),
            body: bytes::Bytes::copy_from_slice(body),
            exchange: self.record.next_exchange(),
        };
        let (now, circumstance) = (self.now(), self.circumstance.take());
        self.providers.handle(&request, circumstance.as_ref(), now, &mut self.record)
    }

    pub(super) fn get(&mut self, operation: &'static OperationSpec, query: &str) -> (u16, Value) {
        let reply = self.raw(operation, query, "", b"");
        (reply.status, json_of(&reply))
    }

    pub(super) fn post(&mut self, operation: &'static OperationSpec, key: &str, body: &Value) -> (u16, Value) {
        let reply = self.raw(operation, "", key, body.to_string().as_bytes());
        (reply.status, json_of(&reply))
    }

    pub(super) fn charge(&mut self, key: &str, reference: &str, amount: i64) -> (u16, Value) {
        let body = json!({"reference": reference, "amount": amount, "currency": "EUR", "customer": "ada", "payment_method": "pm_visa"});
        self.post(&CHARGE, key, &body)
    }

    pub(super) fn refund(&mut self, key: &str, charge: &str, amount: i64) -> (u16, Value) {
        let body = json!({"charge": charge, "reference": "ord_1", "amount": amount, "currency": "EUR"});
        self.post(&REFUND, key, &body)
    }

    pub(super) fn cancel(&mut self, key: &str, reference: &str) -> (u16, Value) {
        self.post(&CANCEL, key, &json!({"reference": reference}))
    }

    pub(super) fn look_up(&mut self, reference: &str) -> Value {
        let (status, body) = self.get(&LOOK_UP, &format!("?reference={reference}"));
        assert_eq!(status, 200);
        body["charges"].clone()
    }

    pub(super) fn reserve(&mut self, key: &str, reference: &str, items: &Value) -> (u16, Value) {
        let body = json!({"reference": reference, "items": items, "ttl_s": 60});
        self.post(&RESERVE, key, &body)
    }

    pub(super) fn release(&mut self, key: &str, reference: &str) -> (u16, Value) {
        self.post(&RELEASE, key, &json!({"reference": reference}))
    }

    pub(super) fn commit(&mut self, key: &str, reference: &str) -> (u16, Value) {
        self.post(&COMMIT, key, &json!({"reference": reference}))
    }

    pub(super) fn restock(&mut self, key: &str, reference: &str) -> (u16, Value) {
        self.post(&RESTOCK, key, &json!({"reference": reference}))
    }

    pub(super) fn search(&mut self, query: &str) -> Vec<Value> {
        let (status, body) = self.get(&SEARCH, query);
        assert_eq!(status, 200, "{body}");
        body["products"].as_array().expect("a list").clone()
    }

    pub(super) fn quote(&mut self, body: &Value) -> (u16, Value) {
        self.post(&QUOTE, "", body)
    }

    /// What has taken effect, in order.
    pub(super) fn effects(&self) -> Vec<EffectKind> {
        self.record.ledger.effects.iter().map(|effect| effect.kind).collect()
    }

    pub(super) fn effect(&self, index: usize) -> &Effect {
        &self.record.ledger.effects[index]
    }

    /// Opening and closing stock of the SKUs touched, at this moment.
    pub(super) fn stock(&mut self) -> BTreeMap<SmolStr, (u32, u32)> {
        let now = self.now();
        self.providers.settle(now, &mut self.record);
        let ledger = &self.record.ledger;
        ledger
            .opening_stock
            .iter()
            .zip(&ledger.closing_stock)
            .map(|((sku, opening), (same, closing))| {
                assert_eq!(sku, same);
                (sku.clone(), (*opening, *closing))
            })
            .collect()
    }
}

fn json_of(reply: &ProviderReply) -> Value {
    serde_json::from_slice(&reply.body).expect("a provider answers JSON")
}

/// The code of an error body.
pub(super) fn code(answer: &(u16, Value)) -> (u16, &str) {
    (answer.0, answer.1["error"]["code"].as_str().unwrap_or("none"))
}
