//! The payment provider: charges, refunds, and references that can be closed.
//!
//! Pure: what is asked, the circumstance and the time decide everything; the books are the ledger. It works on a request
//! from beginning to end at once, so that no request ever finds another with its key in the works: 409 `in_flight` is
//! not answered here. Keys are never forgotten: no run lasts as long as the 24 hours that a real provider keeps them.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use giftgenius::money::Money;
use giftgenius::policy::PaymentProfile;

use super::books::{self, Change};
use super::event::{EventType, ProviderEvent};
use super::http::{self, Refused};
use super::keys::Keys;
use super::ledger::{EffectId, EffectKind};
use super::{Now, ProviderReply, ProviderRequest};
use crate::provider::Circumstance;
use crate::trace::Record;

mod wire;

#[cfg(test)]
mod tests;

use wire::{
    ChargeReply, ChargeRequest, ChargeStatus, CloseReply, CloseRequest, ListReply, ListedCharge, METHODS, MethodsReply,
    RefundReply, RefundRequest,
};

/// The one payment method that is always declined.
const ALWAYS_DECLINED: &str = "pm_declined";

/// What was captured, and how much of it was given back.
#[derive(Debug)]
struct Charge {
    reference: String,
    captured: Money,
    refunded: i64,
    effect: EffectId,
}

impl Charge {
    const fn status(&self) -> ChargeStatus {
        if self.refunded == 0 {
            ChargeStatus::Captured
        } else if self.refunded < self.captured.minor_units {
            ChargeStatus::PartiallyRefunded
        } else {
            ChargeStatus::Refunded
        }
    }
}

/// A merchant reference: its charges (indices into `Payment::charges`) and whether it takes more.
#[derive(Debug, Default)]
struct Reference {
    closed: bool,
    charges: Vec<usize>,
}

/// The payment provider's state.
#[derive(Debug)]
pub struct Payment {
    profile: PaymentProfile,
    /// `ch_1` is the first, and so on.
    charges: Vec<Charge>,
    references: BTreeMap<String, Reference>,
    refunds: u32,
    keys: Keys,
    /// Events that were not taken to the post yet; `None` for a provider that sends none.
    events: Option<Vec<ProviderEvent>>,
    events_sent: u32,
}

impl Payment {
    /// A provider that has seen no request.
    pub fn new(profile: PaymentProfile) -> Self {
        Self {
            profile,
            charges: Vec::new(),
            references: BTreeMap::new(),
            refunds: 0,
            keys: Keys::default(),
            events: None,
            events_sent: 0,
        }
    }

    /// From now on there is an event for each thing that happens to a charge.
    pub fn send_events(&mut self) {
        self.events.get_or_insert_default();
    }

    /// Takes out the events that happened since the last time.
    pub fn take_events(&mut self) -> Vec<ProviderEvent> {
        self.events.as_mut().map_or_else(Vec::new, std::mem::take)
    }

    fn tell(&mut self, kind: EventType, reference: &str, object: &str, money: Money, now: Now) {
        let Some(events) = &mut self.events else { return };
        self.events_sent += 1;
        events.push(ProviderEvent {
            id: format!("evt_{}", self.events_sent),
            kind,
            reference: reference.to_owned(),
            object: object.to_owned(),
            money,
            created: now.utc,
        });
    }

    /// Takes one delivery of a request in: changes the books, answers.
    pub fn handle(
        &mut self,
        request: &ProviderRequest,
        circumstance: Option<&Circumstance>,
        now: Now,
        record: &mut Record,
    ) -> ProviderReply {
        let keyed = self.profile.deduplicates() && request.operation.effectful;
        if keyed && let Some(reply) = self.keys.answer(request) {
            return reply;
        }
        let reply = match request.operation.label {
            "payment.methods" => methods(request),
            "payment.charge" => self.charge(request, circumstance, now, record),
            "payment.look_up" => Ok(self.look_up(request)),
            "payment.refund" => self.refund(request, now, record),
            "payment.cancel" => self.cancel(request, now, record),
            _ => Err(http::unknown_operation()),
        }
        .unwrap_or_else(|refusal| refusal);
        if keyed && saves(self.profile, reply.status) {
            self.keys.save(request, &reply);
        }
        reply
    }

    fn charge(
        &mut self,
        request: &ProviderRequest,
        circumstance: Option<&Circumstance>,
        now: Now,
        record: &mut Record,
    ) -> Result<ProviderReply, ProviderReply> {
        let asked: ChargeRequest<'_> = http::body(request)?;
        if asked.amount <= 0 || asked.reference.is_empty() {
            return Err(http::invalid("A charge has an amount above 0 and a reference."));
        }
        if !METHODS.iter().any(|method| method.id == asked.payment_method) {
            let refused = Refused::new("unknown_payment_method", "There is no such payment method.");
            return Err(refused.reply(404));
        }
        if self.references.get(&*asked.reference).is_some_and(|reference| reference.closed) {
            let refused = Refused::new("reference_closed", "The reference takes no more charges.");
            return Err(refused.reply(409));
        }
        let captured = Money::new(asked.amount, asked.currency);
        if let Some(code) = declined(circumstance, &asked.payment_method) {
            self.tell(EventType::ChargeFailed, &asked.reference, "", captured, now);
            return Err(Refused::declined(code).reply(402));
        }
        let id = wire::charge_id(self.charges.len());
        let effect = books::enter(
            record,
            now,
            Some(request),
            Change {
                kind: EffectKind::Charge,
                reference: &asked.reference,
                subject: id.clone(),
                amount: Some(captured),
                stock: Vec::new(),
                undoes: None,
            },
        );
        self.tell(EventType::ChargeCaptured, &asked.reference, &id, captured, now);
        let reference = asked.reference.into_owned();
        let reply = http::reply(200, &ChargeReply::new(&id, &reference, captured));
        self.references.entry(reference.clone()).or_default().charges.push(self.charges.len());
        self.charges.push(Charge { reference, captured, refunded: 0, effect });
        Ok(reply)
    }

    fn look_up(&self, request: &ProviderRequest) -> ProviderReply {
        let Some((_, reference)) = http::query(&request.path).find(|(name, _)| *name == "reference") else {
            return http::invalid("A look-up names a reference.");
        };
        let charges = self.listed(&reference);
        http::reply(200, &ListReply { charges })
    }

    fn listed<'a>(&self, reference: &'a str) -> Vec<ListedCharge<'a>> {
        let charges = self.references.get(reference).map_or(&[][..], |found| &found.charges);
        charges
            .iter()
            .map(|&index| {
                let charge = &self.charges[index];
                ListedCharge {
                    id: wire::charge_id(index),
                    reference,
                    amount: charge.captured.minor_units,
                    currency: charge.captured.currency,
                    status: charge.status(),
                    refunded: charge.refunded,
                }
            })
            .collect()
    }

    fn refund(
        &mut self,
        request: &ProviderRequest,
        now: Now,
        record: &mut Record,
    ) -> Result<ProviderReply, ProviderReply> {
        let asked: RefundRequest<'_> = http::body(request)?;
        let charge = wire::charge_index(&asked.charge)
            .and_then(|index| self.charges.get_mut(index))
            .filter(|charge| charge.reference == asked.reference)
            .ok_or_else(|| Refused::new("unknown_charge", "The reference has no such charge.").reply(404))?;
        if asked.amount <= 0 || asked.currency != charge.captured.currency {
            return Err(http::invalid("A refund has an amount above 0 in the charge's currency."));
        }
        if asked.amount > charge.captured.minor_units - charge.refunded {
            let refused = Refused::new("exceeds_charge", "Less than that is left of the charge.");
            return Err(refused.reply(409));
        }
        charge.refunded += asked.amount;
        self.refunds += 1;
        let id = format!("re_{}", self.refunds);
        let given_back = Money::new(asked.amount, asked.currency);
        let reply = http::reply(200, &RefundReply::new(&id, &asked.charge, given_back));
        books::enter(
            record,
            now,
            Some(request),
            Change {
                kind: EffectKind::Refund,
                reference: &asked.reference,
                subject: id.clone(),
                amount: Some(given_back),
                stock: Vec::new(),
                undoes: Some(charge.effect),
            },
        );
        self.tell(EventType::ChargeRefunded, &asked.reference, &id, given_back, now);
        Ok(reply)
    }

    fn cancel(
        &mut self,
        request: &ProviderRequest,
        now: Now,
        record: &mut Record,
    ) -> Result<ProviderReply, ProviderReply> {
        if !self.profile.can_close_reference() {
            let refused = Refused::new("unsupported", "References cannot be closed here.");
            return Err(refused.reply(501));
        }
        let asked: CloseRequest<'_> = http::body(request)?;
        if asked.reference.is_empty() {
            return Err(http::invalid("A cancellation names a reference."));
        }
        let reference = self.references.entry(asked.reference.to_string()).or_default();
        if !reference.closed {
            reference.closed = true;
            books::enter(
                record,
                now,
                Some(request),
                Change {
                    kind: EffectKind::Close,
                    reference: &asked.reference,
                    subject: asked.reference.to_string(),
                    amount: None,
                    stock: Vec::new(),
                    undoes: None,
                },
            );
        }
        let charges = self.listed(&asked.reference);
        Ok(http::reply(200, &CloseReply::new(&asked.reference, charges)))
    }
}

/// The payment methods: the same for every customer, so they are written once.
fn methods(request: &ProviderRequest) -> Result<ProviderReply, ProviderReply> {
    static REPLY: LazyLock<ProviderReply> = LazyLock::new(|| http::reply(200, &MethodsReply::ALL));
    http::query(&request.path)
        .any(|(name, customer)| name == "customer" && !customer.is_empty())
        .then(|| REPLY.clone())
        .ok_or_else(|| http::invalid("Payment methods are a customer's."))
}

/// The decline code, where the card is declined.
fn declined<'a>(circumstance: Option<&'a Circumstance>, payment_method: &str) -> Option<&'a str> {
    match circumstance {
        Some(Circumstance::Declined(code)) => Some(code),
        None | Some(Circumstance::OutOfStock | Circumstance::PartialReserve | Circumstance::Stale) => {
            (payment_method == ALWAYS_DECLINED).then_some("insufficient_funds")
        }
    }
}

/// Whether a profile saves a reply of this status under the request's key.
const fn saves(profile: PaymentProfile, status: u16) -> bool {
    match profile {
        // Stripe: "regardless of whether it succeeds or fails", but nothing is saved for what fails validation.
        PaymentProfile::Stripe => status != 400,
        PaymentProfile::Acp => status != 400 && status < 500,
        PaymentProfile::Keyless | PaymentProfile::KeylessNoCancel => false,
    }
}
