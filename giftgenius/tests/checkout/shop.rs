//! The providers as one scripted transport: a payment provider, an inventory and a catalog in a few lines, which do what
//! the next scripted fault of an operation says, and note every request that came before its intent was journalled.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt as _;
use giftgenius::checkout::state::{Charge, Commit, Direction, Reserve};
use giftgenius::journal::memory::MemoryJournal;
use giftgenius::journal::{Key, Record};
use giftgenius::ports::{BoxFuture, Journal as _, Request, Response, Transport, TransportError};
use serde_json::{Value, json};
use smol_str::SmolStr;

use crate::fuse::Fuse;

/// What happens to one request.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// Nothing, in its turn.
    Fine,
    /// No connection.
    NotSent,
    /// It is applied and the reply is lost.
    LostReply,
    /// It is lost on its way.
    LostRequest,
    /// It is not applied and answered with this status, code and Retry-After.
    Status(u16, &'static str, Option<&'static str>),
    /// It is applied, and what stands in between answers this status and body.
    Between(u16, &'static str),
    /// It is applied, and never answered.
    Silence,
    /// It is applied twice, whatever the key.
    Twice,
    /// It is applied twice, whatever the key, and the reply is lost.
    TwiceAndLost,
    /// It is applied, for another amount, in minor units.
    Amount(i64),
    /// It is applied after this long, and then answered.
    Slow(Duration),
    /// The reservation that it names has run out by then.
    RunOut,
    /// It is applied, and this field of the reply (by JSON pointer) says something else.
    Says(&'static str, &'static str),
    /// The same, with a number.
    Counts(&'static str, i64),
}

/// A charge that was taken.
#[derive(Clone, Debug)]
pub(crate) struct Taken {
    id: String,
    reference: String,
    amount: i64,
    refunded: i64,
    disputed: i64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Reservation {
    Held,
    Sold,
    Over,
}

#[derive(Default)]
struct Books {
    script: BTreeMap<&'static str, VecDeque<Fault>>,
    seen: Vec<&'static str>,
    charges: Vec<Taken>,
    /// Replies by key, where the provider keeps them.
    kept: BTreeMap<SmolStr, (u16, Value)>,
    closed: BTreeSet<String>,
    reservations: BTreeMap<String, Reservation>,
    /// Requests whose intent was not in the journal.
    unjournalled: Vec<String>,
}

/// All providers.
pub(crate) struct Shop {
    books: Mutex<Books>,
    deduplicates: bool,
    journal: Arc<MemoryJournal>,
    fuse: Arc<Fuse>,
}

pub(crate) const PRICE: i64 = 4200;

impl Shop {
    pub(crate) fn new(deduplicates: bool, journal: Arc<MemoryJournal>, fuse: Arc<Fuse>) -> Self {
        Self { books: Mutex::default(), deduplicates, journal, fuse }
    }

    /// What happens to the next requests of an operation; afterwards nothing does.
    pub(crate) fn script(&self, operation: &'static str, faults: &[Fault]) {
        self.books.lock().unwrap().script.insert(operation, faults.iter().cloned().collect());
    }

    /// A charge that nobody here asked for lands under a reference.
    pub(crate) fn charge_by_itself(&self, reference: &str) {
        let mut books = self.books.lock().unwrap();
        let id = format!("ch_{}", books.charges.len() + 1);
        books.charges.push(Taken { id, reference: reference.to_owned(), amount: PRICE, refunded: 0, disputed: 0 });
    }

    /// How often an operation was asked for.
    pub(crate) fn count(&self, operation: &str) -> usize {
        self.books.lock().unwrap().seen.iter().filter(|seen| **seen == operation).count()
    }

    /// What stands of the person's money, in minor units.
    pub(crate) fn money(&self) -> i64 {
        self.books.lock().unwrap().charges.iter().map(|charge| charge.amount - charge.refunded).sum()
    }

    /// Somebody gives so much of every charge back in the provider's dashboard, in minor units.
    pub(crate) fn give_back(&self, minor_units: i64) {
        for charge in &mut self.books.lock().unwrap().charges {
            charge.refunded += minor_units;
        }
    }

    /// The person disputes every charge at their bank.
    pub(crate) fn dispute(&self) {
        for charge in &mut self.books.lock().unwrap().charges {
            charge.disputed = charge.amount - charge.refunded;
        }
    }

    /// Every refund so far fails: the money stands again.
    pub(crate) fn fail_refunds(&self) {
        for charge in &mut self.books.lock().unwrap().charges {
            charge.refunded = 0;
        }
    }

    /// How many reservations are held, and how many are sold.
    pub(crate) fn stock(&self) -> (usize, usize) {
        let books = self.books.lock().unwrap();
        let of = |wanted| books.reservations.values().filter(|standing| **standing == wanted).count();
        (of(Reservation::Held), of(Reservation::Sold))
    }

    /// Requests that were sent before their intent was journalled: never any.
    pub(crate) fn unjournalled(&self) -> Vec<String> {
        self.books.lock().unwrap().unjournalled.clone()
    }

    fn check_intent(&self, operation: &str, order: &str) {
        let stored =
            self.journal.get(&Key::Order(order.into())).now_or_never().expect("memory answers at once").unwrap();
        let told = stored.is_some_and(|stored| {
            let Record::Order(order) = &*stored.record else { return false };
            let saga = &order.saga;
            match operation {
                "inventory.reserve" => matches!(saga.reserve, Reserve::Sending { .. }),
                "payment.charge" => matches!(saga.charge, Charge::Sending),
                "inventory.commit" => saga.commit == Commit::Sending,
                // The engine gives back late copies of a charge that it keeps, too.
                "payment.refund" => saga.commit == Commit::Done || saga.direction != Direction::Forward,
                _ => saga.direction != Direction::Forward,
            }
        });
        if !told {
            self.books.lock().unwrap().unjournalled.push(format!("{operation} of {order}"));
        }
    }

    fn apply(&self, request: &Request, amount: Option<i64>) -> (u16, Value) {
        let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let reference = body["reference"].as_str().unwrap_or_default().to_owned();
        if request.idempotency_key.is_some() {
            self.check_intent(request.operation, reference.split('/').next().expect("a first part"));
        }
        let mut books = self.books.lock().unwrap();
        let key = request.idempotency_key.clone().filter(|_| self.deduplicates && amount.is_none());
        if let Some(kept) = key.as_ref().and_then(|key| books.kept.get(key)) {
            return kept.clone();
        }
        let reply = books.handle(request, &body, &reference, amount);
        if let Some(key) = key {
            books.kept.insert(key, reply.clone());
        }
        reply
    }
}

fn refused(status: u16, code: &str) -> (u16, Value) {
    (status, json!({"error": {"code": code, "message": "a provider's free text"}}))
}

impl Books {
    fn listing(&self, reference: &str) -> Vec<Value> {
        let of_order = self.charges.iter().filter(|charge| charge.reference == reference);
        of_order
            .map(|charge| {
                let status = match (charge.disputed, charge.refunded) {
                    (1.., _) => "disputed",
                    (_, 0) => "captured",
                    (_, refunded) if refunded < charge.amount => "partially_refunded",
                    _ => "refunded",
                };
                json!({"id": charge.id, "reference": charge.reference, "amount": charge.amount, "currency": "EUR",
                    "status": status, "refunded": charge.refunded, "disputed": charge.disputed})
            })
            .collect()
    }

    fn handle(&mut self, request: &Request, body: &Value, reference: &str, amount: Option<i64>) -> (u16, Value) {
        match request.operation {
            "payment.methods" => {
                (200, json!({"payment_methods": [{"id": "pm_visa", "brand": "visa", "last4": "4242"}]}))
            }
            "payment.charge" => {
                if self.closed.contains(reference) {
                    return refused(409, "reference_closed");
                }
                let amount = amount.unwrap_or_else(|| body["amount"].as_i64().expect("an amount"));
                let id = format!("ch_{}", self.charges.len() + 1);
                let charge =
                    Taken { id: id.clone(), reference: reference.to_owned(), amount, refunded: 0, disputed: 0 };
                self.charges.push(charge);
                let charge = json!({"id": id, "reference": reference, "amount": amount, "currency": "EUR",
                    "status": "captured"});
                (200, charge)
            }
            "payment.look_up" => {
                let reference = request.path.split('=').next_back().expect("a query");
                (200, json!({"charges": self.listing(reference)}))
            }
            "payment.cancel" => {
                self.closed.insert(reference.to_owned());
                (200, json!({"reference": reference, "status": "closed", "charges": self.listing(reference)}))
            }
            "payment.refund" => {
                let amount = body["amount"].as_i64().expect("an amount");
                let charge = self.charges.iter_mut().find(|charge| body["charge"] == *charge.id).expect("a charge");
                if charge.amount - charge.refunded < amount {
                    return refused(400, "exceeds_charge");
                }
                charge.refunded += amount;
                (
                    200,
                    json!({"id": "re_1", "charge": body["charge"], "amount": amount, "currency": body["currency"], "status": "succeeded"}),
                )
            }
            "catalog.search" => {
                let product = json!({"sku": "tea-set", "title": "Tea set", "description": "For two.", "category": "home",
                    "tags": ["tea"], "amount": PRICE, "currency": "EUR", "in_stock": true});
                (200, json!({"products": [product]}))
            }
            "catalog.quote" => {
                let line = json!({"sku": "tea-set", "title": "Tea set", "quantity": 1, "unit_amount": PRICE});
                (200, json!({"currency": "EUR", "lines": [line], "discount": 0, "total": PRICE}))
            }
            _ => self.inventory(request.operation, body, reference),
        }
    }

    fn inventory(&mut self, operation: &str, body: &Value, reference: &str) -> (u16, Value) {
        let standing = self.reservations.get(reference).copied();
        match (operation, standing) {
            ("inventory.reserve", None | Some(Reservation::Held)) => {
                self.reservations.insert(reference.to_owned(), Reservation::Held);
                (200, json!({"reference": reference, "status": "held", "items": body["items"]}))
            }
            ("inventory.reserve", _) => refused(409, "reference_closed"),
            ("inventory.commit", Some(Reservation::Held | Reservation::Sold)) => {
                self.reservations.insert(reference.to_owned(), Reservation::Sold);
                (200, json!({"reference": reference, "status": "committed"}))
            }
            ("inventory.commit", _) => refused(410, "reservation_gone"),
            ("inventory.release", Some(Reservation::Sold)) => refused(409, "committed"),
            ("inventory.release", _) => {
                self.reservations.insert(reference.to_owned(), Reservation::Over);
                (200, json!({"reference": reference, "status": "released"}))
            }
            ("inventory.restock", standing) => {
                if standing == Some(Reservation::Sold) {
                    self.reservations.insert(reference.to_owned(), Reservation::Over);
                }
                (200, json!({"reference": reference, "status": "restocked"}))
            }
            _ => panic!("{operation} is none of the inventory's"),
        }
    }
}

impl Transport for Shop {
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Response, TransportError>> {
        Box::pin(async move {
            self.fuse.burn().await;
            let fault = {
                let mut books = self.books.lock().unwrap();
                books.seen.push(request.operation);
                books.script.get_mut(request.operation).and_then(VecDeque::pop_front).unwrap_or(Fault::Fine)
            };
            let answer = |(status, body): (u16, Value)| {
                Ok(Response { status, date: None, retry_after: None, body: body.to_string().into_bytes().into() })
            };
            let reply = match fault {
                Fault::Fine => answer(self.apply(&request, None)),
                Fault::NotSent => Err(TransportError::NotSent),
                Fault::LostRequest => Err(TransportError::Broken),
                Fault::LostReply => {
                    self.apply(&request, None);
                    Err(TransportError::Broken)
                }
                Fault::Status(status, code, retry_after) => {
                    let body = refused(status, code).1.to_string().into_bytes().into();
                    Ok(Response { status, date: None, retry_after: retry_after.map(str::to_owned), body })
                }
                Fault::Between(status, body) => {
                    self.apply(&request, None);
                    Ok(Response { status, date: None, retry_after: None, body: body.into() })
                }
                Fault::Silence => {
                    self.apply(&request, None);
                    std::future::pending().await
                }
                Fault::Twice => {
                    self.apply(&request, Some(PRICE));
                    answer(self.apply(&request, Some(PRICE)))
                }
                Fault::TwiceAndLost => {
                    self.apply(&request, Some(PRICE));
                    self.apply(&request, Some(PRICE));
                    Err(TransportError::Broken)
                }
                Fault::Says(field, other) => {
                    let (status, mut body) = self.apply(&request, None);
                    *body.pointer_mut(field).expect("the reply has the field") = json!(other);
                    answer((status, body))
                }
                Fault::Counts(field, other) => {
                    let (status, mut body) = self.apply(&request, None);
                    *body.pointer_mut(field).expect("the reply has the field") = json!(other);
                    answer((status, body))
                }
                Fault::RunOut => {
                    let body: Value = serde_json::from_slice(&request.body).expect("a body");
                    let reference = body["reference"].as_str().expect("a reference").to_owned();
                    self.books.lock().unwrap().reservations.insert(reference, Reservation::Over);
                    answer(self.apply(&request, None))
                }
                Fault::Amount(amount) => answer(self.apply(&request, Some(amount))),
                Fault::Slow(delay) => {
                    tokio::time::sleep(delay).await;
                    answer(self.apply(&request, None))
                }
            };
            self.fuse.burn().await;
            reply
        })
    }
}
