//! The payment provider: charges, refunds, and references that can be closed.
//!
//! A few lines over 500: keys, charges, refunds and references share one state. Pure: what is asked, the circumstance and the
//! time decide everything. A request is worked on at once; what is done only later ([`later`]) is noticed before each request
//! and when the run ends. Keys are forgotten only where a circumstance says so: no run lasts the 24 hours of real providers.

use std::collections::BTreeMap;
use std::hash::{Hash as _, Hasher};
use std::sync::Arc;
use std::time::Duration;

use giftgenius::money::Money;
use giftgenius::policy::PaymentProfile;
use smol_str::{SmolStr, format_smolstr};

use super::books::{self, Change};
use super::event::{EventType, ProviderEvent};
use super::http::{self, Refused};
use super::keys::Keys;
use super::ledger::{Effect, EffectId, EffectKind};
use super::{Now, Promises, ProviderReply, ProviderRequest};
use crate::fault::mangle::WRONG_BY;
use crate::provider::Circumstance;
use crate::trace::Record;

mod acts;
mod later;
mod methods;
mod wire;

#[cfg(test)]
mod tests;

pub use methods::{Card, card_of, holder, methods_of, visa_of};

use later::{Due, Later};
use wire::{
    ChargeReply, ChargeRequest, ChargeStatus, CloseReply, CloseRequest, ListReply, ListedCharge, MethodsReply,
    RefundReply, RefundRequest, RefundStatus,
};

/// Where a charge stands.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Standing {
    /// Accepted, and captured later unless its reference is closed before.
    Pending(Pending),
    /// Accepted, and called off before it was captured.
    Cancelled,
    /// The money was taken; `effect` is the charge in the books.
    Captured { effect: EffectId },
}

/// What a charge that was accepted waits for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Pending {
    /// The provider.
    Processing,
    /// The person, at their bank.
    Action,
}

/// A charge, how much of it was given back, and how much is being given back besides.
#[derive(Hash, Debug)]
struct Charge {
    reference: SmolStr,
    amount: Money,
    refunded: i64,
    refunding: i64,
    /// What the person's bank has taken back.
    disputed: i64,
    standing: Standing,
}

impl Charge {
    /// As it is told, with so much of it given back, and so much taken back.
    const fn status(&self, refunded: i64, disputed: i64) -> ChargeStatus {
        match self.standing {
            Standing::Pending(Pending::Processing) => ChargeStatus::Processing,
            Standing::Pending(Pending::Action) => ChargeStatus::RequiresAction,
            Standing::Cancelled => ChargeStatus::Cancelled,
            Standing::Captured { .. } if disputed > 0 => ChargeStatus::Disputed,
            Standing::Captured { .. } => ChargeStatus::of(self.amount.minor_units, refunded),
        }
    }

    /// What can still be given back, with the charge in the books.
    const fn left(&self) -> Option<(EffectId, i64)> {
        match self.standing {
            Standing::Captured { effect } => {
                Some((effect, self.amount.minor_units - self.refunded - self.refunding - self.disputed))
            }
            Standing::Pending(_) | Standing::Cancelled => None,
        }
    }
}

/// A change to what a listing shows.
#[derive(Clone, Copy, Hash, Debug)]
enum Latest {
    Charged { charge: usize },
    Refunded { charge: usize, minor_units: i64 },
    Refunding { charge: usize, minor_units: i64 },
    Disputed { charge: usize, minor_units: i64 },
}

/// A merchant reference: its charges (indices into `Payment::charges`), whether it takes more, and its latest change.
#[derive(Hash, Debug, Default)]
struct Reference {
    closed: bool,
    charges: Vec<usize>,
    latest: Option<(Duration, Latest)>,
}

/// The payment provider's state.
#[derive(Debug)]
pub struct Payment {
    promises: Promises,
    /// `ch_1` is the first, and so on.
    charges: Vec<Charge>,
    references: BTreeMap<SmolStr, Reference>,
    refunds: u32,
    disputes: u32,
    due: Vec<Due>,
    keys: Keys,
    /// Events that were not taken to the post yet; `None` for a provider that sends none.
    events: Option<Vec<ProviderEvent>>,
    events_sent: u32,
}

impl Payment {
    /// A provider that has seen no request.
    pub fn new(promises: Promises) -> Self {
        Self {
            promises,
            charges: Vec::new(),
            references: BTreeMap::new(),
            refunds: 0,
            disputes: 0,
            due: Vec::new(),
            keys: Keys::default(),
            events: None,
            events_sent: 0,
        }
    }

    /// Writes all that it remembers; its promises are the scenario's.
    pub(super) fn write_state(&self, out: &mut impl Hasher) {
        let Self { promises: _, charges, references, refunds, disputes, due, keys, events, events_sent } = self;
        (charges, references, refunds, disputes, due, keys, events, events_sent).hash(out);
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
            id: format_smolstr!("evt_{}", self.events_sent),
            kind,
            reference: reference.into(),
            object: object.into(),
            money,
            created: now.utc,
        });
    }

    /// What has been entered in the books is told.
    fn tell_of(&mut self, effects: &[Arc<Effect>], now: Now) {
        for effect in effects {
            let kind = match effect.kind {
                EffectKind::Charge => EventType::ChargeCaptured,
                EffectKind::Refund => EventType::ChargeRefunded,
                EffectKind::RefundFailed => EventType::RefundFailed,
                EffectKind::Dispute => EventType::ChargeDisputed,
                EffectKind::Close
                | EffectKind::Reserve
                | EffectKind::Release
                | EffectKind::Expire
                | EffectKind::Commit
                | EffectKind::Restock => continue,
            };
            if let Some(money) = effect.amount {
                self.tell(kind, &effect.reference, &effect.subject, money, now);
            }
        }
    }

    /// Takes one delivery of a request in: changes the books, answers.
    pub fn handle(
        &mut self,
        request: &ProviderRequest,
        circumstance: Option<&Circumstance>,
        now: Now,
        record: &mut Record,
    ) -> ProviderReply {
        self.told_of_what_follows(now, record, |this, now, record| this.answer(request, circumstance, now, record))
    }

    /// Does something, and tells of all that it brings about.
    fn told_of_what_follows<T>(
        &mut self,
        now: Now,
        record: &mut Record,
        work: impl FnOnce(&mut Self, Now, &mut Record) -> T,
    ) -> T {
        let known = record.ledger.effects.len();
        let done = work(self, now, record);
        if self.events.is_some() {
            self.tell_of(&record.ledger.effects[known..], now);
        }
        done
    }

    /// Whether a circumstance changes nothing about a request, as things stand before it is handled.
    pub(super) fn is_indifferent(&self, request: &ProviderRequest, circumstance: &Circumstance, now: Now) -> bool {
        let keyed = self.promises.profile.deduplicates() && request.operation.effectful && request.key.is_some();
        let known = keyed && self.keys.know(request);
        match circumstance {
            Circumstance::KeyExpired => !known,
            Circumstance::InFlight => !keyed || known,
            Circumstance::Stale => http::query(&request.path)
                .find(|(name, _)| *name == "reference")
                .is_none_or(|(_, reference)| self.missed(&reference, now).is_none()),
            // What was answered before is answered again.
            Circumstance::Declined(_)
            | Circumstance::OutOfStock
            | Circumstance::PartialReserve
            | Circumstance::PriceChanged
            | Circumstance::ReservationExpired
            | Circumstance::Processing
            | Circumstance::RequiresAction
            | Circumstance::WrongAmountCharged
            | Circumstance::RefundFailsLater => known,
        }
    }

    fn answer(
        &mut self,
        request: &ProviderRequest,
        circumstance: Option<&Circumstance>,
        now: Now,
        record: &mut Record,
    ) -> ProviderReply {
        self.catch_up(now, record);
        if circumstance == Some(&Circumstance::KeyExpired) {
            self.keys.forget(request);
        }
        let profile = self.promises.profile;
        let keyed = profile.deduplicates() && request.operation.effectful;
        if keyed && let Some(reply) = self.keys.answer(request) {
            return reply;
        }
        let reply = match request.operation.label {
            "payment.methods" => list_methods(request),
            "payment.charge" => self.charge(request, circumstance, now, record),
            "payment.look_up" => Ok(self.look_up(request, circumstance, now)),
            "payment.refund" => self.refund(request, circumstance, now, record),
            "payment.cancel" => self.cancel(request, now, record),
            _ => Err(http::unknown_operation()),
        }
        .unwrap_or_else(|refusal| refusal);
        if keyed && saves(profile, reply.status) {
            self.keys.save(request, &reply);
        }
        // What was just done is the earlier copy's work.
        if circumstance == Some(&Circumstance::InFlight) && keyed && request.key.is_some() {
            in_flight()
        } else {
            reply
        }
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
        // Another customer's is refused as one that there is not: the difference would tell that it exists.
        let Some(card) = methods::card_of(&asked.customer, &asked.payment_method) else {
            let refused = Refused::new("unknown_payment_method", "There is no such payment method.");
            return Err(refused.reply(404));
        };
        if self.references.get(&*asked.reference).is_some_and(|reference| reference.closed) {
            let refused = Refused::new("reference_closed", "The reference takes no more charges.");
            return Err(refused.reply(409));
        }
        let turn = Turn::of(circumstance, card);
        let taken = match turn {
            Turn::Declined(code) => {
                let declined = Money::new(asked.amount, asked.currency);
                self.tell(EventType::ChargeFailed, &asked.reference, "", declined, now);
                return Err(Refused::declined(code).reply(402));
            }
            Turn::AnotherAmount => asked.amount.saturating_add(WRONG_BY),
            Turn::Captured | Turn::Pending(_) => asked.amount,
        };
        let (index, amount) = (self.charges.len(), Money::new(taken, asked.currency));
        let standing = match turn {
            Turn::Pending(pending) => {
                self.later(Later::Capture { charge: index }, request, now);
                Standing::Pending(pending)
            }
            Turn::Captured | Turn::AnotherAmount | Turn::Declined(_) => {
                Standing::Captured { effect: capture(record, now, request, index, &asked.reference, amount) }
            }
        };
        let reference = SmolStr::new(&asked.reference);
        let charge = Charge { reference: reference.clone(), amount, refunded: 0, refunding: 0, disputed: 0, standing };
        let status = charge.status(0, 0);
        let reply = http::reply(200, &ChargeReply::new(&wire::charge_id(index), &reference, amount, status));
        let known = self.references.entry(reference).or_default();
        known.charges.push(index);
        known.latest = Some((now.since_start, Latest::Charged { charge: index }));
        self.charges.push(charge);
        Ok(reply)
    }

    fn look_up(&self, request: &ProviderRequest, circumstance: Option<&Circumstance>, now: Now) -> ProviderReply {
        let Some((_, reference)) = http::query(&request.path).find(|(name, _)| *name == "reference") else {
            return http::invalid("A look-up names a reference.");
        };
        let stale = circumstance == Some(&Circumstance::Stale);
        let charges = self.listed(&reference, self.missed(&reference, now).filter(|_| stale));
        http::reply(200, &ListReply { charges })
    }

    /// The latest change to a reference, if a stale listing does not show it yet.
    fn missed(&self, reference: &str, now: Now) -> Option<Latest> {
        let (at, latest) = self.references.get(reference)?.latest?;
        // A listing lags behind for a tenth of the bound: what was sent shows within the whole of it.
        (now.since_start < at + self.promises.late_max / 10).then_some(latest)
    }

    /// The charges of a reference, as they were before a change that the listing misses.
    fn listed<'a>(&self, reference: &'a str, missed: Option<Latest>) -> Vec<ListedCharge<'a>> {
        let charges = self.references.get(reference).map_or(&[][..], |found| &found.charges);
        let mut listed = Vec::with_capacity(charges.len());
        for &index in charges {
            let charge = &self.charges[index];
            let (mut refunded, mut refunding, mut disputed) = (charge.refunded, charge.refunding, charge.disputed);
            match missed {
                Some(Latest::Charged { charge: missed }) if missed == index => continue,
                Some(Latest::Refunded { charge: missed, minor_units }) if missed == index => refunded -= minor_units,
                Some(Latest::Refunding { charge: missed, minor_units }) if missed == index => refunding -= minor_units,
                Some(Latest::Disputed { charge: missed, minor_units }) if missed == index => disputed -= minor_units,
                None
                | Some(
                    Latest::Charged { .. }
                    | Latest::Refunded { .. }
                    | Latest::Refunding { .. }
                    | Latest::Disputed { .. },
                ) => {}
            }
            listed.push(ListedCharge {
                id: wire::charge_id(index),
                reference,
                amount: charge.amount.minor_units,
                currency: charge.amount.currency,
                status: charge.status(refunded, disputed),
                refunded,
                refunding,
                disputed,
            });
        }
        listed
    }

    fn refund(
        &mut self,
        request: &ProviderRequest,
        circumstance: Option<&Circumstance>,
        now: Now,
        record: &mut Record,
    ) -> Result<ProviderReply, ProviderReply> {
        let asked: RefundRequest<'_> = http::body(request)?;
        let index = wire::charge_index(&asked.charge)
            .filter(|index| self.charges.get(*index).is_some_and(|charge| *charge.reference == *asked.reference))
            .ok_or_else(|| Refused::new("unknown_charge", "The reference has no such charge.").reply(404))?;
        let charge = &mut self.charges[index];
        if asked.amount <= 0 || asked.currency != charge.amount.currency {
            return Err(http::invalid("A refund has an amount above 0 in the charge's currency."));
        }
        let Some((effect, _)) = charge.left().filter(|(_, left)| asked.amount <= *left) else {
            let refused = Refused::new("exceeds_charge", "Less than that is left of the charge.");
            return Err(refused.reply(409));
        };
        self.refunds += 1;
        let id = format_smolstr!("re_{}", self.refunds);
        let given_back = Money::new(asked.amount, asked.currency);
        let processing = circumstance == Some(&Circumstance::Processing);
        let (status, latest) = if processing {
            charge.refunding += asked.amount;
            (RefundStatus::Processing, Latest::Refunding { charge: index, minor_units: asked.amount })
        } else {
            charge.refunded += asked.amount;
            (RefundStatus::Succeeded, Latest::Refunded { charge: index, minor_units: asked.amount })
        };
        let reply = http::reply(200, &RefundReply::new(&id, &asked.charge, given_back, status));
        if let Some(reference) = self.references.get_mut(&*asked.reference) {
            reference.latest = Some((now.since_start, latest));
        }
        if processing {
            self.later(Later::Refund { charge: index, id, amount: given_back }, request, now);
            return Ok(reply);
        }
        let refund = give_back(record, now, Some(request), &asked.reference, &id, given_back, effect);
        if circumstance == Some(&Circumstance::RefundFailsLater) {
            self.later(Later::RefundFails { charge: index, id, amount: given_back, refund }, request, now);
        }
        Ok(reply)
    }

    fn cancel(
        &mut self,
        request: &ProviderRequest,
        now: Now,
        record: &mut Record,
    ) -> Result<ProviderReply, ProviderReply> {
        if !self.promises.profile.can_close_reference() {
            let refused = Refused::new("unsupported", "References cannot be closed here.");
            return Err(refused.reply(501));
        }
        let asked: CloseRequest<'_> = http::body(request)?;
        if asked.reference.is_empty() {
            return Err(http::invalid("A cancellation names a reference."));
        }
        let reference = self.references.entry(SmolStr::new(&asked.reference)).or_default();
        if !reference.closed {
            reference.closed = true;
            for index in &reference.charges {
                let charge = &mut self.charges[*index];
                if let Standing::Pending(_) = charge.standing {
                    charge.standing = Standing::Cancelled;
                }
            }
            books::enter(
                record,
                now,
                Some(request),
                Change {
                    kind: EffectKind::Close,
                    reference: &asked.reference,
                    subject: SmolStr::new(&asked.reference),
                    amount: None,
                    stock: Vec::new(),
                    undoes: None,
                },
            );
        }
        let charges = self.listed(&asked.reference, None);
        Ok(http::reply(200, &CloseReply::new(&asked.reference, charges)))
    }
}

/// A customer's payment methods.
fn list_methods(request: &ProviderRequest) -> Result<ProviderReply, ProviderReply> {
    http::query(&request.path)
        .find(|(name, customer)| *name == "customer" && !customer.is_empty())
        .map(|(_, customer)| http::reply(200, &MethodsReply::of(&customer)))
        .ok_or_else(|| http::invalid("Payment methods are a customer's."))
}

/// How a charge turns out.
#[derive(Clone, Copy)]
enum Turn<'a> {
    /// The agreed amount is captured.
    Captured,
    /// It is not captured at once.
    Pending(Pending),
    /// Another amount is captured.
    AnotherAmount,
    /// The card is declined, with this code.
    Declined(&'a str),
}

impl<'a> Turn<'a> {
    fn of(circumstance: Option<&'a Circumstance>, card: &methods::Card) -> Self {
        match circumstance {
            Some(Circumstance::Declined(code)) => Self::Declined(code),
            _ if card.is_declined => Self::Declined("insufficient_funds"),
            Some(Circumstance::Processing) => Self::Pending(Pending::Processing),
            Some(Circumstance::RequiresAction) => Self::Pending(Pending::Action),
            Some(Circumstance::WrongAmountCharged) => Self::AnotherAmount,
            None
            | Some(
                Circumstance::OutOfStock
                | Circumstance::PartialReserve
                | Circumstance::Stale
                | Circumstance::PriceChanged
                | Circumstance::ReservationExpired
                | Circumstance::RefundFailsLater
                | Circumstance::KeyExpired
                | Circumstance::InFlight,
            ) => Self::Captured,
        }
    }
}

/// Enters a charge that is captured.
fn capture(
    record: &mut Record,
    now: Now,
    request: &ProviderRequest,
    index: usize,
    reference: &str,
    amount: Money,
) -> EffectId {
    let change = Change {
        kind: EffectKind::Charge,
        reference,
        subject: wire::charge_id(index),
        amount: Some(amount),
        stock: Vec::new(),
        undoes: None,
    };
    books::enter(record, now, Some(request), change)
}

/// Enters a refund that is done.
fn give_back(
    record: &mut Record,
    now: Now,
    request: Option<&ProviderRequest>,
    reference: &str,
    id: &SmolStr,
    amount: Money,
    undone: EffectId,
) -> EffectId {
    let change = Change {
        kind: EffectKind::Refund,
        reference,
        subject: id.clone(),
        amount: Some(amount),
        stock: Vec::new(),
        undoes: Some(undone),
    };
    books::enter(record, now, request, change)
}

fn in_flight() -> ProviderReply {
    let refused = Refused::new("in_flight", "A request with this key is being worked on.");
    ProviderReply { retry_after_s: Some(1), ..refused.reply(409) }
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
