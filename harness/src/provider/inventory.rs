//! The inventory: shelves, and reservations named by the client's reference.
//!
//! A reference lives once: held, then released, expired or committed, and a commit can be taken back. What is over is
//! never held again, whatever key asks for it. Reservations run out by themselves: this is noticed before each request
//! and when the run ends, and entered in the ledger at that time.

use std::collections::BTreeMap;
use std::hash::{Hash as _, Hasher};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use smol_str::{SmolStr, format_smolstr};

use super::books::{self, Change};
use super::catalog::Fixture;
use super::http::{self, Refused};
use super::keys::Keys;
use super::ledger::{EffectId, EffectKind};
use super::{Now, ProviderReply, ProviderRequest};
use crate::provider::Circumstance;
use crate::trace::Record;

mod wire;

#[cfg(test)]
mod tests;

use wire::{HeldReply, Item, ReferenceRequest, ReserveRequest, StatusReply};

/// How long a reservation may be asked for: a year.
const TTL_MAX_S: u64 = 366 * 24 * 60 * 60;

/// What a SKU's shelf holds: neither reserved nor sold.
#[derive(Clone, Copy, Hash, Debug)]
struct Shelf {
    opening: u32,
    free: u32,
}

/// Where a reference stands.
#[derive(Hash, Debug)]
enum Standing {
    /// Stock is set aside for it; `effect` is the reserve.
    Held { expires_at: Timestamp, effect: EffectId },
    /// It ran out.
    Expired,
    /// It was released, or closed before anything was held.
    Released,
    /// It became a sale; `effect` is the commit.
    Committed { effect: EffectId },
    /// The sale was taken back.
    Restocked,
}

#[derive(Hash, Debug)]
struct Reservation {
    /// `rsv_1` and so on; 0 for a reference that was closed before anything was held.
    number: u32,
    items: Vec<(SmolStr, u32)>,
    standing: Standing,
}

/// The inventory's state; grows with what a run touches, not with the fixture.
#[derive(Debug)]
pub struct Inventory {
    fixture: Arc<Fixture>,
    /// Stock that differs from the fixture's.
    stock: BTreeMap<SmolStr, u32>,
    shelves: BTreeMap<SmolStr, Shelf>,
    reservations: BTreeMap<SmolStr, Reservation>,
    /// No reservation runs out before this.
    next_expiry: Option<Timestamp>,
    held: u32,
    keys: Keys,
}

impl Inventory {
    /// The fixture's stock, nothing reserved.
    pub fn new(fixture: Arc<Fixture>) -> Self {
        Self {
            fixture,
            stock: BTreeMap::new(),
            shelves: BTreeMap::new(),
            reservations: BTreeMap::new(),
            next_expiry: None,
            held: 0,
            keys: Keys::default(),
        }
    }

    /// Writes all that is not the fixture's.
    pub(super) fn write_state(&self, out: &mut impl Hasher) {
        let Self { fixture: _, stock, shelves, reservations, next_expiry, held, keys } = self;
        (stock, shelves, reservations, next_expiry, held, keys).hash(out);
    }

    /// What the shelf holds when the run begins, where that differs from the fixture. Call it before any request.
    pub fn set_stock(&mut self, sku: &str, quantity: u32) {
        self.stock.insert(sku.into(), quantity);
    }

    /// Whether a circumstance changes nothing about a request, as things stand before it is handled: a key that was used
    /// before has its answer, and of one that was not there is nothing to forget.
    pub(super) fn is_indifferent(&self, request: &ProviderRequest, circumstance: &Circumstance) -> bool {
        self.keys.know(request) != (*circumstance == Circumstance::KeyExpired)
    }

    /// Takes one delivery of a request in: changes the books, answers.
    pub fn handle(
        &mut self,
        request: &ProviderRequest,
        circumstance: Option<&Circumstance>,
        now: Now,
        record: &mut Record,
    ) -> ProviderReply {
        self.settle(now, record);
        if circumstance == Some(&Circumstance::KeyExpired) {
            self.keys.forget(request);
        }
        if let Some(reply) = self.keys.answer(request) {
            return reply;
        }
        let reply = match request.operation.label {
            "inventory.reserve" => self.reserve(request, circumstance, now, record),
            "inventory.release" => self.release(request, now, record),
            "inventory.commit" => self.commit(request, circumstance, now, record),
            "inventory.restock" => self.restock(request, now, record),
            _ => Err(http::unknown_operation()),
        }
        .unwrap_or_else(|refusal| refusal);
        if reply.status != 400 {
            self.keys.save(request, &reply);
        }
        reply
    }

    /// Lets reservations run out whose time has passed, the earliest first.
    pub fn settle(&mut self, now: Now, record: &mut Record) {
        if self.next_expiry.is_none_or(|next| next > now.utc) {
            return;
        }
        let mut over: Vec<(Timestamp, EffectId, &str, &mut Reservation)> = Vec::new();
        let mut next_expiry = None;
        for (reference, reservation) in &mut self.reservations {
            if let Standing::Held { expires_at, effect } = reservation.standing {
                if expires_at <= now.utc {
                    over.push((expires_at, effect, reference, reservation));
                } else {
                    next_expiry = Some(next_expiry.map_or(expires_at, |next: Timestamp| next.min(expires_at)));
                }
            }
        }
        self.next_expiry = next_expiry;
        over.sort_by_key(|(expires_at, effect, ..)| (*expires_at, *effect));
        for (_, effect, reference, reservation) in over {
            expire(&mut self.shelves, reference, reservation, effect, now, record);
        }
    }

    /// Writes down what the touched shelves held when the run began and hold now, ordered by SKU.
    pub fn take_stock(&self, record: &mut Record) {
        let of = |quantity: fn(&Shelf) -> u32| {
            let shelves = self.shelves.iter();
            shelves.map(|(sku, shelf)| (sku.clone(), quantity(shelf))).collect()
        };
        record.ledger.opening_stock = of(|shelf| shelf.opening);
        record.ledger.closing_stock = of(|shelf| shelf.free);
    }

    /// The latest reservation that is held (or the one of this reference, if it is).
    pub(super) fn held(&mut self, reference: Option<&str>, now: Now, record: &mut Record) -> Option<SmolStr> {
        self.settle(now, record);
        let held = self.reservations.iter().filter(|(known, reservation)| {
            matches!(reservation.standing, Standing::Held { .. })
                && reference.is_none_or(|reference| known.as_str() == reference)
        });
        held.max_by_key(|(_, reservation)| reservation.number).map(|(known, _)| known.clone())
    }

    /// The warehouse takes the stock of a reservation back.
    pub(super) fn withdraw(&mut self, reference: &str, now: Now, record: &mut Record) {
        let Some(reservation) = self.reservations.get_mut(reference) else { return };
        let Standing::Held { effect, .. } = reservation.standing else { return };
        reservation.standing = Standing::Released;
        put_back(&mut self.shelves, &reservation.items);
        books::enter(record, now, None, change(EffectKind::Release, reference, reservation, Some(effect)));
    }

    fn reserve(
        &mut self,
        request: &ProviderRequest,
        circumstance: Option<&Circumstance>,
        now: Now,
        record: &mut Record,
    ) -> Result<ProviderReply, ProviderReply> {
        let asked: ReserveRequest<'_> = http::body(request)?;
        let reference: &str = &asked.reference;
        let [first, ..] = &asked.items[..] else {
            return Err(http::invalid("A reservation has items."));
        };
        if reference.is_empty() || asked.items.iter().any(|item| item.quantity == 0) {
            return Err(http::invalid("A reservation has a reference, and each item at least once."));
        }
        if let Some(reservation) = self.reservations.get(reference) {
            return again(reference, reservation);
        }
        if circumstance == Some(&Circumstance::OutOfStock) {
            return Err(out_of_stock(&first.sku, 0));
        }
        let mut items = self.found(&asked.items)?;
        if circumstance == Some(&Circumstance::PartialReserve) {
            items[0].1 -= 1;
            items.retain(|(_, quantity)| *quantity > 0);
        }
        for (sku, quantity) in &items {
            let place = self.shelves.get_mut(sku);
            place.expect("what was found has its shelf").free -= quantity;
        }
        let ttl_s = asked.ttl_s.min(TTL_MAX_S);
        let ttl = SignedDuration::from_secs(i64::try_from(ttl_s).expect("a year of seconds fits"));
        let expires_at = now.utc.saturating_add(ttl).expect("a span of seconds has no calendar units");
        self.next_expiry = Some(self.next_expiry.map_or(expires_at, |next| next.min(expires_at)));
        self.held += 1;
        let mut reservation = Reservation { number: self.held, items, standing: Standing::Released };
        let change = change(EffectKind::Reserve, reference, &reservation, None);
        let effect = books::enter(record, now, Some(request), change);
        reservation.standing = Standing::Held { expires_at, effect };
        let reply = held(reference, &reservation.items, expires_at);
        self.reservations.insert(reference.into(), reservation);
        Ok(reply)
    }

    fn release(
        &mut self,
        request: &ProviderRequest,
        now: Now,
        record: &mut Record,
    ) -> Result<ProviderReply, ProviderReply> {
        let asked: ReferenceRequest<'_> = ReferenceRequest::of(request)?;
        let reference: &str = &asked.reference;
        let reservation = self.reservations.entry(reference.into()).or_insert(Reservation {
            number: 0,
            items: Vec::new(),
            standing: Standing::Released,
        });
        match reservation.standing {
            Standing::Held { effect, .. } => {
                reservation.standing = Standing::Released;
                put_back(&mut self.shelves, &reservation.items);
                let change = change(EffectKind::Release, reference, reservation, Some(effect));
                books::enter(record, now, Some(request), change);
            }
            Standing::Committed { .. } => {
                let refused = Refused::new("committed", "The reservation has become a sale.");
                return Err(refused.reply(409));
            }
            Standing::Expired | Standing::Released | Standing::Restocked => {}
        }
        Ok(StatusReply::of(reference, "released"))
    }

    fn commit(
        &mut self,
        request: &ProviderRequest,
        circumstance: Option<&Circumstance>,
        now: Now,
        record: &mut Record,
    ) -> Result<ProviderReply, ProviderReply> {
        let asked: ReferenceRequest<'_> = ReferenceRequest::of(request)?;
        let reference: &str = &asked.reference;
        let gone = || Refused::new("reservation_gone", "Nothing is reserved for that.").reply(410);
        let reservation = self.reservations.get_mut(reference).ok_or_else(gone)?;
        if let (Standing::Held { effect, .. }, Some(Circumstance::ReservationExpired)) =
            (&reservation.standing, circumstance)
        {
            let effect = *effect;
            expire(&mut self.shelves, reference, reservation, effect, now, record);
        }
        match reservation.standing {
            Standing::Held { effect, .. } => {
                let change = change(EffectKind::Commit, reference, reservation, Some(effect));
                let effect = books::enter(record, now, Some(request), change);
                reservation.standing = Standing::Committed { effect };
            }
            Standing::Committed { .. } => {}
            Standing::Expired | Standing::Released | Standing::Restocked => return Err(gone()),
        }
        Ok(StatusReply::of(reference, "committed"))
    }

    fn restock(
        &mut self,
        request: &ProviderRequest,
        now: Now,
        record: &mut Record,
    ) -> Result<ProviderReply, ProviderReply> {
        let asked: ReferenceRequest<'_> = ReferenceRequest::of(request)?;
        let reference: &str = &asked.reference;
        if let Some(reservation) = self.reservations.get_mut(reference)
            && let Standing::Committed { effect } = reservation.standing
        {
            reservation.standing = Standing::Restocked;
            put_back(&mut self.shelves, &reservation.items);
            let change = change(EffectKind::Restock, reference, reservation, Some(effect));
            books::enter(record, now, Some(request), change);
        }
        Ok(StatusReply::of(reference, "restocked"))
    }

    /// The items asked for, each SKU once, if the shelves hold them all; else a refusal that names the first that lacks.
    fn found(&mut self, asked: &[Item<'_>]) -> Result<Vec<(SmolStr, u32)>, ProviderReply> {
        let mut items: Vec<(SmolStr, u32)> = Vec::with_capacity(asked.len());
        for item in asked {
            let free = self.free(&item.sku);
            let earlier = items.iter_mut().find(|(sku, _)| *sku == *item.sku);
            let wanted = earlier.as_ref().map_or(0, |(_, quantity)| *quantity);
            let wanted = wanted.saturating_add(item.quantity);
            if free < wanted {
                return Err(out_of_stock(&item.sku, free));
            }
            if let Some((_, quantity)) = earlier {
                *quantity = wanted;
            } else {
                items.push((SmolStr::new(&item.sku), wanted));
            }
        }
        Ok(items)
    }

    /// What the shelf of a SKU holds, from now on a touched one; nothing if there is no such product.
    fn free(&mut self, sku: &str) -> u32 {
        if let Some(place) = self.shelves.get(sku) {
            return place.free;
        }
        let Some(product) = self.fixture.product(sku) else {
            return 0;
        };
        let opening = self.stock.get(sku).copied().unwrap_or(product.stock);
        let free = opening;
        self.shelves.insert(sku.into(), Shelf { opening, free });
        free
    }
}

fn out_of_stock(sku: &str, available: u32) -> ProviderReply {
    let available = Some(available);
    Refused::sku("out_of_stock", "Less than that is left.", sku, available).reply(409)
}

/// The answer to another reserve under a reference that is known: what is held, or that it is over.
fn again(reference: &str, reservation: &Reservation) -> Result<ProviderReply, ProviderReply> {
    match reservation.standing {
        Standing::Held { expires_at, .. } => Ok(held(reference, &reservation.items, expires_at)),
        Standing::Expired | Standing::Released | Standing::Committed { .. } | Standing::Restocked => {
            let refused = Refused::new("reference_closed", "The reference takes no more reservations.");
            Err(refused.reply(409))
        }
    }
}

fn held(reference: &str, items: &[(SmolStr, u32)], expires_at: Timestamp) -> ProviderReply {
    let items = items.iter().map(|(sku, quantity)| Item::new(sku, *quantity)).collect();
    http::reply(200, &HeldReply::new(reference, items, expires_at))
}

fn change<'a>(kind: EffectKind, reference: &'a str, reservation: &Reservation, undoes: Option<EffectId>) -> Change<'a> {
    Change {
        kind,
        reference,
        subject: format_smolstr!("rsv_{}", reservation.number),
        amount: None,
        stock: reservation.items.clone(),
        undoes,
    }
}

/// A reservation runs out.
fn expire(
    shelves: &mut BTreeMap<SmolStr, Shelf>,
    reference: &str,
    reservation: &mut Reservation,
    reserve: EffectId,
    now: Now,
    record: &mut Record,
) {
    reservation.standing = Standing::Expired;
    put_back(shelves, &reservation.items);
    books::enter(record, now, None, change(EffectKind::Expire, reference, reservation, Some(reserve)));
}

fn put_back(shelves: &mut BTreeMap<SmolStr, Shelf>, items: &[(SmolStr, u32)]) {
    for (sku, quantity) in items {
        let place = shelves.get_mut(sku);
        place.expect("what was reserved has its shelf").free += quantity;
    }
}
