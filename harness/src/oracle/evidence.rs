//! What an oracle is shown of a run: trace and ledger, the host's calls decoded, and how things stood at rest.
//!
//! [`Evidence::new`] walks the trace once and ties everything together, so that no oracle has to search: a request to
//! its answer, its order and the call it was sent for; an order to its requests, effects, session and purchase.

use std::collections::BTreeMap;
use std::time::Duration;

use giftgenius::money::Money;
use giftgenius::policy::Policy;
use giftgenius::step_log::LogLine;

use super::acts::{TakenBack, failure_was_shown};
pub use super::calls::{CallView, Named};
use super::needles::Needles;
use crate::fault::plan::Plan;
use crate::provider::OperationSpec;
use crate::provider::catalog::Fixture;
use crate::provider::ledger::{Effect, EffectKind, Ledger};
pub use crate::rest::{OrderAtRest, ParkedOrder, Rest};
use crate::scenario::model::{Replicas, WorldKind};
use crate::trace::{EventKind, Seen, Sent, Trace};

/// A provider request with what the system saw of it.
#[derive(Clone, Debug)]
pub struct ExchangeView<'a> {
    /// The request.
    pub sent: &'a Sent,
    /// Its index in the trace.
    pub sent_event: usize,
    /// When it was sent.
    pub start: Duration,
    /// Which process of the system sent it.
    pub incarnation: u32,
    /// What the system saw within the attempt's time-out: the event, when, and what. `None` also for an answer that
    /// came after the time-out.
    pub answer: Option<(usize, Duration, &'a Seen)>,
    /// When the provider first took it in, as an index into the trace.
    pub delivered: Option<usize>,
    /// The order its reference names: index into [`Evidence::orders`].
    pub order: Option<usize>,
    /// The call whose correlation id it carries: index into [`Evidence::calls`].
    pub call: Option<usize>,
}

impl ExchangeView<'_> {
    /// Whether it asks for this operation.
    pub fn is(&self, operation: &'static OperationSpec) -> bool {
        std::ptr::eq(self.sent.operation, operation)
    }

    /// Whether a whole 2xx reply with the body that the provider meant was seen.
    pub fn succeeded(&self) -> bool {
        matches!(self.answer, Some((_, _, Seen::Reply { status: 200..=299, intact: true, .. })))
    }

    /// The status of a refusal that forbids to repeat the request: the contract's 4xx or 501, but not one that turns
    /// it away for now, nor a 409 that says when to ask again (in flight).
    pub fn refusal(&self) -> Option<u16> {
        // What is not in the provider's own words proves nothing.
        let (_, _, Seen::Reply { status, retry_after, intact: true }) = self.answer? else {
            return None;
        };
        match status {
            401 | 403 | 408 | 421 | 425 | 429 => None,
            409 if retry_after.is_some() => None,
            400..=499 | 501 => Some(*status),
            _ => None,
        }
    }

    /// Whether the provider's own reply says that this request was turned away before anything was done, to be asked
    /// again later, or once our API key is good.
    pub fn turned_away(&self) -> bool {
        matches!(self.answer, Some((_, _, Seen::Reply { status: 401 | 403 | 421 | 425 | 429 | 503, intact: true, .. })))
    }
}

/// An order, as all channels together show it.
#[derive(Clone, Debug)]
pub struct OrderView<'a> {
    /// Its id.
    pub id: &'a str,
    /// The `create_order` call that began it, as its first request's correlation id says: index into
    /// [`Evidence::calls`].
    pub begun_by: Option<usize>,
    /// The checkout session it pays.
    pub session: Option<&'a str>,
    /// What was quoted for the session: minor units and currency.
    pub quote: Option<(i64, &'a str)>,
    /// Which purchase it belongs to: orders of one workflow (or, without, of one session) share the number.
    pub purchase: usize,
    /// Its requests, in order: indices into [`Evidence::exchanges`].
    pub exchanges: Vec<usize>,
    /// Its effects, in order: indices into the ledger.
    pub effects: Vec<usize>,
    /// The event from which on a `cancel_order` about it ran that was not refused.
    pub cancelled_from: Option<usize>,
    /// How the system's own record has it at rest.
    pub at_rest: Option<&'a OrderAtRest>,
    /// How a person can list it as parked.
    pub parked: Option<&'a ParkedOrder>,
}

/// A checkout session, as it was quoted.
#[derive(Clone, Copy, Debug)]
pub struct SessionView<'a> {
    /// Its id.
    pub id: &'a str,
    /// The amount, in minor units, and its currency.
    pub quote: (i64, &'a str),
    /// The call that opened it: index into [`Evidence::calls`].
    pub call: usize,
}

/// What a run sells: the products, and stock that differs from theirs when it begins.
#[derive(Clone, Copy, Debug)]
pub struct Shelves<'a> {
    /// Products and promo codes.
    pub fixture: &'a Fixture,
    /// SKU and quantity.
    pub stock: &'a BTreeMap<String, u32>,
}

impl Shelves<'_> {
    /// How many of a product are there when the run begins.
    pub fn opening(&self, sku: &str) -> i64 {
        let as_made = || self.fixture.product(sku).map_or(0, |product| product.stock);
        i64::from(self.stock.get(sku).copied().unwrap_or_else(as_made))
    }
}

/// What a run was set up with, as far as oracles need it.
#[derive(Clone, Copy, Debug)]
pub struct Setting<'a> {
    /// The numbers that the system runs under.
    pub policy: &'a Policy,
    /// Where the run happened.
    pub world: WorldKind,
    /// Texts planted where they must not come out again; `None`: none were.
    pub canaries: Option<&'a Needles<'a>>,
    /// The plan.
    pub plan: &'a Plan,
    /// Whether the checkout switch was on when the run began.
    pub checkout_on_at_start: bool,
    /// How many processes share the journal, and how far their clocks are apart.
    pub replicas: Replicas,
    /// What is sold.
    pub shop: Shelves<'a>,
}

/// A run, as oracles see it.
pub struct Evidence<'a> {
    /// What happened.
    pub trace: &'a Trace,
    /// What took effect.
    pub ledger: &'a Ledger,
    /// The host's calls, in the order in which they were begun.
    pub calls: Vec<CallView<'a>>,
    /// The provider requests, in the order in which they were sent.
    pub exchanges: Vec<ExchangeView<'a>>,
    /// The orders, in the order in which they first appeared.
    pub orders: Vec<OrderView<'a>>,
    /// How many purchases [`OrderView::purchase`] tells apart.
    pub purchases: usize,
    /// The sessions, in the order in which they were opened.
    pub sessions: Vec<SessionView<'a>>,
    /// The log's lines, with their places in the trace.
    pub lines: Vec<(usize, &'a LogLine)>,
    /// For each of the lines, the call whose correlation id it carries: index into [`Self::calls`].
    pub(super) line_calls: Vec<Option<usize>>,
    /// Where a process died: indices into the trace.
    pub deaths: Vec<usize>,
    /// Where the store refused a write, or work died of a bug before it could write: indices into the trace.
    pub lost_writes: Vec<usize>,
    /// How things stood at rest.
    pub rest: &'a Rest,
    /// The numbers that the system runs under.
    pub policy: &'a Policy,
    /// Where the run happened; timing rules have a tolerance on the wire.
    pub world: WorldKind,
    /// Texts planted where they must not come out again: secrets, card numbers, internal addresses, stack frames.
    pub canaries: Option<&'a Needles<'a>>,
    /// The plan, for rules that depend on what was made impossible.
    pub plan: &'a Plan,
    /// Whether the checkout switch was on when the run began.
    pub checkout_on_at_start: bool,
    /// How many processes share the journal, and how far their clocks are apart.
    pub replicas: Replicas,
    /// What is sold.
    pub shop: Shelves<'a>,
    /// Where each effect stands in the trace, by its index in the ledger; the end of time for one that is not there.
    pub(super) effect_events: Vec<usize>,
    /// For each effect of the ledger, what has been given back of it (a charge, in minor units, refunds that failed left
    /// out), or 1 if it has been undone or replaced.
    pub(super) undone: Vec<i64>,
    /// What the payment provider gave or took back on its own.
    pub(super) taken_back: Vec<TakenBack>,
    /// The requests with repeats side by side: sorted by operation, reference, key, correlation id, and then in order.
    pub(super) repeats: Vec<usize>,
    /// The calls by their correlation ids.
    pub(super) correlations: Names<'a>,
    /// The orders by their ids.
    pub(super) order_ids: Names<'a>,
}

/// Names with a number each, found by bisection.
#[derive(Clone, Debug, Default)]
pub(super) struct Names<'a>(Vec<(&'a str, usize)>);

impl<'a> Names<'a> {
    pub(super) fn get(&self, name: &str) -> Option<usize> {
        self.0.binary_search_by(|(known, _)| (*known).cmp(name)).ok().map(|place| self.0[place].1)
    }

    /// The name's number; `number` is taken for a new one.
    pub(super) fn get_or_add(&mut self, name: &'a str, number: usize) -> usize {
        match self.0.binary_search_by(|(known, _)| (*known).cmp(name)) {
            Ok(place) => self.0[place].1,
            Err(place) => {
                self.0.insert(place, (name, number));
                number
            }
        }
    }
}

impl<'a> Evidence<'a> {
    /// The call that a correlation id names: index into [`Self::calls`].
    pub fn call_of(&self, correlation: &str) -> Option<usize> {
        self.correlations.get(correlation)
    }

    /// The order of an id: index into [`Self::orders`].
    pub fn order_of(&self, id: &str) -> Option<usize> {
        self.order_ids.get(id)
    }

    /// Whether something went wrong with a request, or with the one whose saved reply it was answered with.
    pub fn went_wrong(&self, exchange: &ExchangeView<'_>) -> bool {
        let replay_of = exchange.delivered.and_then(|delivered| match self.trace.events[delivered].kind {
            EventKind::Delivered { replay_of, .. } => replay_of,
            _ => None,
        });
        let first = replay_of.and_then(|first| self.exchanges.get(first.0 as usize));
        exchange.sent.faults.is_some() || first.is_some_and(|first| first.sent.faults.is_some())
    }

    /// How often a process died, or the store refused a write, between two events: what was done meanwhile may not have been
    /// noted, and is done once more.
    pub fn unnoted_between(&self, from: usize, to: usize) -> usize {
        let within = |event: &&usize| (from..to).contains(*event);
        self.deaths.iter().chain(&self.lost_writes).filter(within).count()
    }

    /// The effects of an order, with their place in the ledger.
    pub fn effects_of(&self, order: &OrderView<'a>) -> impl Iterator<Item = (usize, &'a Effect)> {
        order.effects.iter().map(|index| (*index, &*self.ledger.effects[*index]))
    }

    /// Where an effect stands in the trace.
    pub fn event_of(&self, effect: usize) -> usize {
        self.effect_events[effect]
    }

    /// Whether a charge, reserve or commit stands at rest (for a charge: any part of it).
    pub fn stands(&self, effect: usize) -> bool {
        let it = &self.ledger.effects[effect];
        match it.kind {
            EffectKind::Charge => it.amount.map_or(0, |amount| amount.minor_units) > self.undone[effect],
            EffectKind::Reserve | EffectKind::Commit | EffectKind::Refund => self.undone[effect] == 0,
            EffectKind::Dispute
            | EffectKind::RefundFailed
            | EffectKind::Close
            | EffectKind::Release
            | EffectKind::Expire
            | EffectKind::Restock => true,
        }
    }

    /// Whether the system is held to an effect that had taken place: to what the payment provider gave or took back on its
    /// own once it was shown that.
    fn is_known(&self, effect: usize, event: usize) -> bool {
        self.taken_back.iter().all(|act| act.effect != effect || act.is_known_by(event))
    }

    /// Whether the system may know of an effect that had taken place.
    fn is_shown(&self, effect: usize, event: usize) -> bool {
        self.taken_back.iter().all(|act| act.effect != effect || act.is_shown_by(event))
    }

    /// Whether an effect that had taken place still stood just after an event, as far as the system could know: a refund that
    /// has failed without a word gave the money back until somebody is shown.
    pub fn stands_at(&self, effect: usize, event: usize) -> bool {
        self.stands_but_for(effect, event, |_| true)
    }

    /// The same, but of what the payment provider gave or took back on its own only what the system is held to counts.
    pub fn stands_as_known(&self, effect: usize, event: usize) -> bool {
        self.stands_but_for(effect, event, |undo| self.is_known(undo, event))
    }

    fn stands_but_for(&self, effect: usize, event: usize, counts: impl Fn(usize) -> bool) -> bool {
        let it = &self.ledger.effects[effect];
        let undone: i64 = self
            .ledger
            .effects
            .iter()
            .enumerate()
            .filter(|(index, other)| {
                other.undoes == Some(it.id) && self.effect_events[*index] <= event && counts(*index)
            })
            .map(|(_, other)| match other.kind {
                EffectKind::Refund if self.has_failed(other, event) => 0,
                EffectKind::Refund | EffectKind::Dispute => other.amount.map_or(0, |amount| amount.minor_units),
                EffectKind::Charge
                | EffectKind::RefundFailed
                | EffectKind::Close
                | EffectKind::Reserve
                | EffectKind::Release
                | EffectKind::Expire
                | EffectKind::Commit
                | EffectKind::Restock => i64::MAX,
            })
            .fold(0, i64::saturating_add);
        undone < it.amount.map_or(1, |amount| amount.minor_units)
    }

    /// Whether a refund had failed by an event, and the system had been shown that.
    fn has_failed(&self, refund: &Effect, event: usize) -> bool {
        self.ledger.effects.iter().enumerate().any(|(index, other)| {
            other.undoes == Some(refund.id)
                && self.effect_events[index] <= event
                && failure_was_shown(self, index, event)
        })
    }

    /// How many effects of a kind stand for an order at rest.
    pub fn standing(&self, order: &OrderView<'a>, kind: EffectKind) -> usize {
        self.effects_of(order).filter(|(index, effect)| effect.kind == kind && self.stands(*index)).count()
    }

    /// The money taken for an order and not given back, in minor units, as it stood just after an event;
    /// `usize::MAX` for at rest. What the provider gave or took back on its own counts from when the system is held to it.
    pub fn money_at(&self, order: &OrderView<'a>, event: usize) -> i64 {
        self.money_of(order, event, |effect| self.is_known(effect, event))
    }

    /// The same, but what the provider gave or took back on its own counts as soon as the system may know of it.
    pub fn least_money_at(&self, order: &OrderView<'a>, event: usize) -> i64 {
        self.money_of(order, event, |effect| self.is_shown(effect, event))
    }

    /// The same as the provider's books had it, whatever the system may know.
    pub fn booked_money_at(&self, order: &OrderView<'a>, event: usize) -> i64 {
        self.money_of(order, event, |_| true)
    }

    /// What the system's own requests gave back of a charge, in minor units, refunds that failed left out.
    pub fn refunded_by_the_system(&self, charge: usize) -> i64 {
        let id = self.ledger.effects[charge].id;
        let acts = self.taken_back.iter().map(|act| &self.ledger.effects[act.effect]);
        let by_acts = acts.filter(|act| act.undoes == Some(id)).filter_map(|act| act.amount);
        self.undone[charge] - by_acts.map(|amount| amount.minor_units).sum::<i64>()
    }

    fn money_of(&self, order: &OrderView<'a>, event: usize, counts: impl Fn(usize) -> bool) -> i64 {
        self.effects_of(order)
            .filter(|(index, _)| self.effect_events[*index] <= event && counts(*index))
            .filter_map(|(_, effect)| {
                let minor_units = effect.amount?.minor_units;
                match effect.kind {
                    EffectKind::Charge | EffectKind::RefundFailed => Some(minor_units),
                    EffectKind::Refund | EffectKind::Dispute => Some(-minor_units),
                    EffectKind::Close
                    | EffectKind::Reserve
                    | EffectKind::Release
                    | EffectKind::Expire
                    | EffectKind::Commit
                    | EffectKind::Restock => None,
                }
            })
            .sum()
    }

    /// How many of a product the shelf held just before an event.
    pub fn on_shelf(&self, sku: &str, event: usize) -> i64 {
        let moved = |effect: &Effect| -> i64 {
            let quantity =
                effect.stock.iter().filter(|(moved, _)| moved == sku).map(|(_, quantity)| i64::from(*quantity));
            let quantity: i64 = quantity.sum();
            match effect.kind {
                EffectKind::Reserve => -quantity,
                EffectKind::Release | EffectKind::Expire | EffectKind::Restock => quantity,
                EffectKind::Charge
                | EffectKind::Refund
                | EffectKind::Dispute
                | EffectKind::RefundFailed
                | EffectKind::Close
                | EffectKind::Commit => 0,
            }
        };
        let before = self.ledger.effects.iter().zip(&self.effect_events).filter(|(_, place)| **place < event);
        self.shop.opening(sku) + before.map(|(effect, _)| moved(effect)).sum::<i64>()
    }

    /// Whether a sale of the order was booked in the inventory and not taken back, just after an event.
    pub fn committed_at(&self, order: &OrderView<'a>, event: usize) -> bool {
        self.effects_of(order).any(|(index, effect)| {
            effect.kind == EffectKind::Commit
                && self.effect_events[index] <= event
                && !self
                    .effects_of(order)
                    .any(|(later, undo)| undo.undoes == Some(effect.id) && self.effect_events[later] <= event)
        })
    }

    /// How long the tolerance of a timing rule is here: nothing to speak of in simulation (timers round up to whole
    /// milliseconds), `wire` on the wire.
    pub fn tolerance(&self, wire: Duration) -> Duration {
        match self.world {
            WorldKind::Sim => Duration::from_millis(1),
            WorldKind::Wire => wire,
        }
    }

    /// The currency of an order's money, for messages.
    pub fn money(&self, order: &OrderView<'a>, minor_units: i64) -> String {
        let currency =
            self.effects_of(order).find_map(|(_, effect)| effect.amount).map(|amount| amount.currency.to_string());
        let currency = currency.as_deref().or(order.quote.map(|quote| quote.1));
        money(minor_units, currency.unwrap_or("(unknown currency)"))
    }
}

/// An amount for messages: `42.00 EUR`.
pub(super) fn money(minor_units: i64, currency: &str) -> String {
    match currency.parse() {
        Ok(currency) => Money::new(minor_units, currency).to_string(),
        Err(_) => format!("{minor_units} minor units of {currency}"),
    }
}
