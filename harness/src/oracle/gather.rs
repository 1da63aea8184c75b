//! How evidence is gathered: one walk over the trace, then everything is tied together by id.

use std::time::Duration;

use giftgenius::error::Code;
use giftgenius::step_log::LogLine;

use super::acts;
use super::conversations::step;
use super::evidence::{CallView, Evidence, ExchangeView, Named, Names, OrderView, Rest, SessionView, Setting};
use super::json::same_parameters;
use super::keyed::share_a_key;
use super::told::Said;
use super::{ToldStatus, codes};
use crate::fault::Fault;
use crate::fault::site::Place;
use crate::provider::ledger::{EffectKind, Ledger, order_of_reference};
use crate::trace::{CallId, Event, EventKind, ExchangeId, HostReply, Trace};

/// The correlation id that a line of the log carries.
fn correlation_of(line: &LogLine) -> Option<&str> {
    match line {
        LogLine::Step(line) => Some(line.correlation_id.as_str()),
        LogLine::Call(line) => Some(line.correlation_id.as_str()),
        LogLine::CheckoutResult(line) => Some(line.request_id.as_str()),
        LogLine::Attempt(line) => Some(line.correlation_id.as_str()),
        LogLine::Alert(line) => Some(line.correlation_id.as_str()),
        LogLine::Webhook(_) | LogLine::Service(_) => None,
    }
}

impl<'a> Evidence<'a> {
    /// Ties a run together.
    pub fn new(trace: &'a Trace, ledger: &'a Ledger, rest: &'a Rest, setting: Setting<'a>) -> Self {
        let mut gathered = Self {
            trace,
            ledger,
            calls: Vec::with_capacity(4),
            exchanges: Vec::with_capacity(8),
            orders: Vec::new(),
            purchases: 0,
            sessions: Vec::new(),
            lines: Vec::with_capacity(16),
            line_calls: Vec::new(),
            deaths: Vec::new(),
            lost_writes: Vec::new(),
            rest,
            policy: setting.policy,
            world: setting.world,
            canaries: setting.canaries,
            plan: setting.plan,
            checkout_on_at_start: setting.checkout_on_at_start,
            replicas: setting.replicas,
            shop: setting.shop,
            effect_events: vec![usize::MAX; ledger.effects.len()],
            undone: vec![0; ledger.effects.len()],
            taken_back: Vec::new(),
            repeats: Vec::new(),
            correlations: Names::default(),
            order_ids: Names::default(),
        };
        for (index, event) in trace.events.iter().enumerate() {
            gathered.take(index, event);
        }
        gathered.tie_lines();
        let ids = gathered.find_orders();
        gathered.tie_effects(&ids);
        gathered.taken_back = acts::taken_back(&gathered);
        gathered.tie_calls(&ids);
        gathered.order_ids = ids;
        gathered.tie_purchases();
        gathered.tie_repeats();
        gathered
    }

    fn take(&mut self, index: usize, event: &'a Event) {
        match &event.kind {
            EventKind::CallStarted(started) => {
                let call = self.calls.len();
                self.correlations.get_or_add(&started.correlation, call);
                self.calls.push(CallView {
                    started,
                    start_event: index,
                    start: event.at,
                    end: None,
                    reply: None,
                    told: None,
                    workflow: None,
                    said: Said::default(),
                    named: Named::of(started),
                    order: None,
                });
            }
            EventKind::CallEnded { call, reply } => {
                let Some(at) = self.place_of(*call) else {
                    return;
                };
                let view = &mut self.calls[at];
                view.end = Some((index, event.at));
                view.reply = Some(reply);
                view.said = Said::read(reply);
                (view.told, view.workflow) = (view.said.told.take(), view.said.workflow);
                if view.is("create_checkout_session")
                    && let Some((id, quote)) = view.said.session.zip(view.said.amount)
                {
                    self.sessions.push(SessionView { id, quote, call: at });
                }
            }
            EventKind::Sent(sent) => {
                let call = self.correlations.get(&sent.correlation);
                self.exchanges.push(ExchangeView {
                    sent,
                    sent_event: index,
                    start: event.at,
                    incarnation: event.incarnation,
                    answer: None,
                    delivered: None,
                    order: None,
                    call,
                });
            }
            EventKind::Delivered { exchange, .. } => {
                if let Some(view) = self.exchange_mut(*exchange) {
                    view.delivered.get_or_insert(index);
                }
            }
            EventKind::Effect(effect) => {
                if let Some(place) = self.effect_events.get_mut(effect.id.0 as usize) {
                    *place = index;
                }
            }
            EventKind::Answered { exchange, seen } => {
                let latest = self.policy.retry.attempt_timeout + self.tolerance(Duration::from_millis(100));
                if let Some(view) = self.exchange_mut(*exchange)
                    && event.at <= view.start + latest
                {
                    view.answer.get_or_insert((index, event.at, seen));
                }
            }
            EventKind::Log(line) => self.lines.push((index, line)),
            EventKind::Crashed => self.deaths.push(index),
            EventKind::Struck { site, fault } => {
                let refused = site.place == Place::JournalWrite && matches!(**fault, Fault::Busy | Fault::Full);
                // Work that a bug takes down never writes what it had learnt.
                if refused || **fault == Fault::Panic {
                    self.lost_writes.push(index);
                }
            }
            EventKind::Webhook(_) | EventKind::Restarted | EventKind::Switched { .. } => {}
        }
    }

    /// Ties the log's lines to calls. Most lines are of the same call as the one before.
    fn tie_lines(&mut self) {
        let mut before = None;
        let of = |&(_, line): &(usize, &LogLine)| {
            let correlation = correlation_of(line)?;
            if before.is_none_or(|call: usize| *self.calls[call].started.correlation != *correlation) {
                before = self.correlations.get(correlation);
            }
            before
        };
        self.line_calls = self.lines.iter().map(of).collect();
    }

    /// Where a call stands in `calls`: at its number, unless calls were begun while others were being numbered.
    fn place_of(&self, call: CallId) -> Option<usize> {
        let number = call.0 as usize;
        match self.calls.get(number) {
            Some(view) if view.started.call == call => Some(number),
            _ => self.calls.iter().rposition(|view| view.started.call == call),
        }
    }

    fn exchange_mut(&mut self, exchange: ExchangeId) -> Option<&mut ExchangeView<'a>> {
        self.exchanges.get_mut(exchange.0 as usize).filter(|view| view.sent.exchange == exchange)
    }

    fn order_named(&mut self, id: &'a str, ids: &mut Names<'a>) -> usize {
        let order = ids.get_or_add(id, self.orders.len());
        if order == self.orders.len() {
            self.orders.push(OrderView {
                id,
                begun_by: None,
                session: None,
                quote: None,
                purchase: 0,
                exchanges: Vec::new(),
                effects: Vec::new(),
                cancelled_from: None,
                at_rest: None,
                parked: None,
            });
        }
        order
    }

    /// Every order that is named anywhere: by requests, effects, answers, and the system's own record.
    fn find_orders(&mut self) -> Names<'a> {
        let mut ids = Names::default();
        for index in 0..self.exchanges.len() {
            let sent = self.exchanges[index].sent;
            let Some(reference) = sent.reference.as_deref() else {
                continue;
            };
            let id = order_of_reference(reference);
            let order = self.order_named(id, &mut ids);
            self.exchanges[index].order = Some(order);
            let begun_by = self.exchanges[index].call.filter(|call| self.calls[*call].is("create_order"));
            let view = &mut self.orders[order];
            if view.exchanges.is_empty() {
                view.begun_by = begun_by;
            }
            view.exchanges.push(index);
        }
        let ledger = self.ledger;
        for effect in &ledger.effects {
            self.order_named(Ledger::order_of(effect), &mut ids);
        }
        for call in 0..self.calls.len() {
            if let Some(id) = self.calls[call].told.as_ref().and_then(|told| told.order_id) {
                let order = self.order_named(id, &mut ids);
                self.calls[call].order = Some(order);
                if self.orders[order].begun_by.is_none() && self.calls[call].is("create_order") {
                    let began = self.logged_under(id, call).or_else(|| self.unheard_under_the_key_of(call));
                    let began = began.unwrap_or(call);
                    let earlier = self.unheard_before_it_was_named(id, began);
                    self.orders[order].begun_by = Some(earlier.unwrap_or(began));
                }
            }
        }
        let rest = self.rest;
        for at_rest in &rest.orders {
            let order = self.order_named(&at_rest.order_id, &mut ids);
            self.orders[order].at_rest = Some(at_rest);
        }
        for parked in &rest.parked {
            let order = self.order_named(&parked.order_id, &mut ids);
            self.orders[order].parked = Some(parked);
        }
        ids
    }

    /// The call for the same session under which the system's log tells of an order for which nothing was sent. The first
    /// call that is told of an order need not have begun it: the one that did may have ended without a word of it, and may
    /// have been made later, while the first one waited.
    fn logged_under(&self, order: &str, told: usize) -> Option<usize> {
        let told = &self.calls[told];
        let of_the_sale = self.lines.iter().find_map(|&(event, line)| match line {
            LogLine::Step(line) if line.order_id.as_ref().is_some_and(|id| id.as_str() == order) => {
                let call = self.correlations.get(line.correlation_id.as_str())?;
                // A tool's own line is of the call that was answered.
                (*line.step_id != *self.calls[call].started.tool).then_some((event, call))
            }
            _ => None,
        });
        let (event, call) = of_the_sale?;
        let began = &self.calls[call];
        let session = |call: &CallView<'a>| call.text("checkout_session_id");
        let fits = began.is("create_order")
            && began.start_event < event
            && began.start_event < told.end.map_or(usize::MAX, |(end, _)| end)
            && began.started.user == told.started.user
            && session(began) == session(told);
        fits.then_some(call)
    }

    /// The first call for the session of the one that is taken for an order's first which may have begun the order, where
    /// the order was named before that one was made.
    fn unheard_before_it_was_named(&self, order: &str, taken: usize) -> Option<usize> {
        let is_of_it = |call: &&CallView<'_>| call.told.as_ref().and_then(|told| told.order_id) == Some(order);
        let named = self.calls.iter().filter(is_of_it).filter_map(|call| call.end).map(|(event, _)| event).min()?;
        let taken = &self.calls[taken];
        if taken.start_event < named {
            return None;
        }
        self.calls.iter().position(|call| call.start_event < named && may_have_begun_unheard(call, taken))
    }

    /// The first identical call with the key of the one that was told of an order, if that one may have begun it without a
    /// word: it was not heard to its end, or could not say how the sale stands. What is told under its key now is saved.
    fn unheard_under_the_key_of(&self, told: usize) -> Option<usize> {
        let told = &self.calls[told];
        told.started.key.as_ref()?;
        self.calls.iter().position(|earlier| {
            earlier.start_event < told.start_event
                && share_a_key(earlier, told)
                && is_unheard(earlier)
                && same_parameters(&earlier.started.arguments, &told.started.arguments)
        })
    }

    fn tie_effects(&mut self, ids: &Names<'a>) {
        for (index, effect) in self.ledger.effects.iter().enumerate() {
            if let Some(order) = ids.get(Ledger::order_of(effect)) {
                self.orders[order].effects.push(index);
            }
            let Some(undone) = effect.undoes else {
                continue;
            };
            if let Some(place) = self.undone.get_mut(undone.0 as usize) {
                *place += match (effect.kind, effect.amount) {
                    (EffectKind::Refund | EffectKind::Dispute, Some(amount)) => amount.minor_units,
                    _ => 1,
                };
            }
            let charge = self.ledger.effects.get(undone.0 as usize).and_then(|refund| refund.undoes);
            if let (EffectKind::RefundFailed, Some(amount), Some(charge)) = (effect.kind, effect.amount, charge)
                && let Some(place) = self.undone.get_mut(charge.0 as usize)
            {
                *place -= amount.minor_units;
            }
        }
    }

    /// Ties orders to the calls that began or cancelled them.
    fn tie_calls(&mut self, ids: &Names<'a>) {
        for order in 0..self.orders.len() {
            let Some(begun_by) = self.orders[order].begun_by else {
                continue;
            };
            let session = self.calls[begun_by].text("checkout_session_id");
            let quote = self.sessions.iter().find(|known| Some(known.id) == session).map(|known| known.quote);
            let view = &mut self.orders[order];
            view.session = session;
            view.quote = quote;
            // An error that names no order speaks of the one that its call began.
            self.calls[begun_by].order.get_or_insert(order);
        }
        for call in &self.calls {
            if call.is("cancel_order")
                && may_have_been_accepted(call)
                && let Some(order) = call.text("order_id").and_then(|id| ids.get(id))
            {
                self.orders[order].cancelled_from.get_or_insert(call.start_event);
            }
        }
    }

    /// An intent is a workflow, else a session: orders of one workflow are one purchase, those of a session without one too;
    /// else each is its own. A person who moves away from a gift that they know to be paid, and pays a new price, buys another one.
    fn tie_purchases(&mut self) {
        self.purchases = self.orders.len();
        // A lone order is a purchase of its own, whatever it is for.
        if self.orders.len() < 2 {
            return;
        }
        self.purchases = 0;
        let mut workflows = Names::default();
        let mut sessions = Names::default();
        let mut further: Vec<(&str, usize, usize)> = Vec::new();
        let paid = self.told_paid();
        for order in &mut self.orders {
            let fresh = self.purchases;
            let session = self.sessions.iter().find(|known| Some(known.id) == order.session);
            let workflow = session.and_then(|session| Some((self.calls[session.call].workflow?, session.call)));
            order.purchase = match (workflow, order.session) {
                (Some((workflow, opened)), _) => {
                    match bought_before(&self.calls, &self.sessions, &paid, workflow, opened) {
                        0 => workflows.get_or_add(workflow, fresh),
                        bought => {
                            let known = further.iter().find(|(of, after, _)| (*of, *after) == (workflow, bought));
                            if let Some((_, _, purchase)) = known {
                                *purchase
                            } else {
                                further.push((workflow, bought, fresh));
                                fresh
                            }
                        }
                    }
                }
                (None, Some(session)) => sessions.get_or_add(session, fresh),
                (None, None) => fresh,
            };
            if order.purchase == fresh {
                self.purchases += 1;
            }
        }
    }

    /// The answers that tell an order paid: to its sale, to a question about it, or to a move that is refused for it.
    fn told_paid(&self) -> Vec<ToldPaid<'a>> {
        let tells = |call: &CallView<'a>| {
            let told = call.told.as_ref()?;
            let refused = told.code == Some(Code::OrderPaid.as_str());
            let paid = told.status == ToldStatus::Success || refused;
            Some((call.end?.0, self.orders[call.order.filter(|_| paid)?].session?, refused))
        };
        self.calls.iter().filter_map(tells).collect()
    }

    fn tie_repeats(&mut self) {
        let mut repeats: Vec<usize> = (0..self.exchanges.len()).collect();
        repeats.sort_unstable_by_key(|index| {
            let sent = self.exchanges[*index].sent;
            (sent.operation.label, sent.reference.as_deref(), sent.key.as_deref(), sent.correlation.as_str(), *index)
        });
        self.repeats = repeats;
    }
}

/// Whether a call was not heard to its end, or could not say how its sale stands.
fn is_unheard(call: &CallView<'_>) -> bool {
    match call.reply {
        Some(HostReply::Tool { .. }) => call.told.as_ref().is_some_and(|it| it.effects == Some("unknown")),
        Some(HostReply::Protocol { .. }) => false,
        Some(HostReply::Cancelled | HostReply::Broken | HostReply::NoAnswer) | None => true,
    }
}

/// Whether a call may have begun, without a word, the sale of the session that another one pays.
pub(super) fn may_have_begun_unheard(call: &CallView<'_>, other: &CallView<'_>) -> bool {
    const SESSION: &str = "checkout_session_id";
    call.is("create_order")
        && is_unheard(call)
        && call.started.user == other.started.user
        && call.text(SESSION).is_some_and(|session| other.text(SESSION) == Some(session))
}

/// An answer that tells an order paid: where it ends, the order's session, and whether it refuses a move.
type ToldPaid<'a> = (usize, &'a str, bool);

/// How many gifts of a workflow the person had known to be paid and moved away from before a price was frozen.
fn bought_before(
    calls: &[CallView<'_>],
    sessions: &[SessionView<'_>],
    paid: &[ToldPaid<'_>],
    workflow: &str,
    opened: usize,
) -> usize {
    let frozen = calls[opened].start_event;
    let leaves = |call: &&CallView<'_>| {
        call.is("user_navigated_to_step")
            && call.text("workflow_id") == Some(workflow)
            && call.text("step").and_then(step).is_some_and(|step| !step.is_paying())
            && match &call.reply {
                Some(HostReply::Tool { is_error: false, .. }) => call.end.is_some_and(|(end, _)| end < frozen),
                // What nobody heard, or failed at the store, may have moved the workflow all the same.
                Some(HostReply::Tool { .. }) => {
                    call.told.as_ref().is_some_and(|told| told.code == Some(Code::StoreUnavailable.as_str()))
                        && call.start_event < frozen
                }
                Some(HostReply::Protocol { .. }) => false,
                Some(HostReply::Cancelled | HostReply::Broken | HostReply::NoAnswer) | None => {
                    call.start_event < frozen
                }
            }
    };
    // Of two moves at once the one that is made may have been decided after the other was refused.
    let knew = |(told, _, refused): &ToldPaid<'_>| {
        calls.iter().filter(leaves).any(|call| match call.end {
            Some((end, _)) if *refused => *told < end,
            Some(_) | None => *told < call.start_event,
        })
    };
    let of_it =
        |id: &str| sessions.iter().any(|session| session.id == id && calls[session.call].workflow == Some(workflow));
    let mut known: Vec<&str> = paid.iter().filter(|it| of_it(it.1) && knew(it)).map(|(_, id, _)| *id).collect();
    known.sort_unstable();
    known.dedup();
    known.len()
}

/// Whether a `cancel_order` may have been accepted: everything but a plain refusal.
fn may_have_been_accepted(call: &CallView<'_>) -> bool {
    match &call.told {
        None => true,
        Some(told) => match told.status {
            ToldStatus::Success | ToldStatus::Pending | ToldStatus::Cancelled => true,
            ToldStatus::Failed if !told.is_error => true,
            ToldStatus::Failed => {
                let settles_nothing = told
                    .code
                    .and_then(codes::parse)
                    .is_some_and(|code| codes::leaves_the_sale_open(code) || codes::before_the_claim(code));
                // A store that failed in the act may have taken the cancellation in all the same, and the caller is told so.
                let lost = told.code == Some(Code::StoreUnavailable.as_str()) && told.effects == Some("unknown");
                lost || (!settles_nothing && (told.retryable == Some(true) || told.effects == Some("unknown")))
            }
        },
    }
}
