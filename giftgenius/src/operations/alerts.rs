//! Alerts: what calls a person (F16), each once and not with every attempt that shows it again.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use tokio::time::Instant;

use super::rates::{self, Mass, OwnAlert, Rate};
use crate::checkout::order::Order;
use crate::error::{Code, ErrorType};
use crate::ids::{CorrelationId, OrderId};
use crate::ports::Provider;
use crate::providers::Caller;
use crate::providers::payment::ChargeRecord;
use crate::step_log::{Alert, AlertKind, LogLine};

/// So many failed attempts in a row make a provider's loss an alert.
const PROVIDER_DOWN_FAILURES: u32 = 5;

/// So long may cards be charged without a word from the payment provider; providers tell within seconds.
pub const WEBHOOK_SILENCE_MAX: Duration = Duration::from_secs(10 * 60);

/// So long may an alert take to leave the process before it counts as not sent.
const ALERT_PATIENCE: Duration = Duration::from_secs(2);

/// Since when the payment provider owes an event.
#[derive(Debug, Default)]
struct Silence {
    since: Option<Instant>,
    alerted: bool,
}

/// What a person has been called for in this process's life.
#[derive(Debug, Default)]
pub struct Alerts {
    silence: Mutex<Silence>,
    /// Orders that were seen charged more than once. Few: each is a provider's broken promise.
    charged_twice: Mutex<BTreeSet<OrderId>>,
    /// Which providers do not accept our API key.
    key_denied: [AtomicBool; 3],
    /// When a person was last called for each provider's loss.
    lost: Mutex<[Option<Instant>; 3]>,
    /// When a handler of each tool last panicked.
    panics: Mutex<Vec<(&'static str, Instant)>>,
    /// How the calls of each tool go.
    tools: Mutex<Vec<(&'static str, Rate)>>,
    /// How the attempts at each provider go, as to their time-outs.
    time_outs: Mutex<[Rate; 3]>,
}

/// Where a provider stands in a list of all of them.
const fn place(provider: Provider) -> usize {
    match provider {
        Provider::Payment => 0,
        Provider::Catalog => 1,
        Provider::Inventory => 2,
    }
}

impl Caller {
    /// Calls a person.
    pub fn alert(
        &self,
        kind: AlertKind,
        order_id: Option<&OrderId>,
        correlation_id: &CorrelationId,
        message: impl Into<String>,
    ) {
        let about = order_id.map_or("", OrderId::as_str);
        self.alert_about(kind, about, order_id, correlation_id, message);
    }

    /// Calls a person; alerts of one kind about one thing are one cause.
    #[cold]
    fn alert_about(
        &self,
        kind: AlertKind,
        about: &str,
        order_id: Option<&OrderId>,
        correlation_id: &CorrelationId,
        message: impl Into<String>,
    ) {
        let alert = Alert::new(kind, about, message, correlation_id, self.ports.clock.now());
        self.ports.log.record(LogLine::Alert(alert.of_order(order_id)));
    }

    /// Whether every alert so far has left the process. A log that nobody reads is not waited for long.
    pub async fn alerts_are_written(&self) -> bool {
        tokio::time::timeout(ALERT_PATIENCE, self.ports.log.written()).await.is_ok()
    }

    /// Calls a person when the attempts at a provider have failed often enough in a row; not again before it answers.
    pub fn alert_of_failures(&self, provider: Provider, failures: u32, correlation: &CorrelationId) {
        if failures == PROVIDER_DOWN_FAILURES {
            let message = format!("{failures} attempts at the {} provider failed in a row", provider.name());
            self.alert_of_loss(provider, correlation, message);
        }
    }

    /// Calls a person at once when a provider does not accept our API key: no attempt will succeed before somebody has
    /// seen to it. Not again before the provider has answered otherwise.
    pub fn alert_of_key(&self, provider: Provider, denied: bool, answered: bool, correlation: &CorrelationId) {
        let known = &self.alerts.key_denied[place(provider)];
        if denied {
            if !known.swap(true, Ordering::Relaxed) {
                let message = format!(
                    "the {} provider does not accept our API key; give the configuration a valid one",
                    provider.name()
                );
                self.alert_of_loss(provider, correlation, message);
            }
        } else if answered {
            known.store(false, Ordering::Relaxed);
        }
    }

    fn alert_of_loss(&self, provider: Provider, correlation: &CorrelationId, message: String) {
        self.alerts.lost.lock().expect("no holder of the times panics")[place(provider)] = Some(Instant::now());
        self.alert_about(AlertKind::ProviderDown, provider.name(), None, correlation, message);
    }

    /// Whether a person was called for a provider's loss, and it lasts or is over for less than the window.
    fn is_known_lost(&self, provider: Provider) -> bool {
        let place = place(provider);
        let of_late = |at: Instant| at.elapsed() < rates::WINDOW;
        self.alerts.key_denied[place].load(Ordering::Relaxed)
            || self.budgets.failures_in_a_row(provider).is_some_and(|failures| failures >= PROVIDER_DOWN_FAILURES)
            || self.alerts.lost.lock().expect("no holder of the times panics")[place].is_some_and(of_late)
    }

    /// Whether calls that fail with this code have a cause with an alert of its own.
    fn own_alert(&self, code: Code, store: OwnAlert) -> OwnAlert {
        let provider = match code {
            Code::PaymentUnavailable => Provider::Payment,
            Code::CatalogUnavailable => Provider::Catalog,
            Code::InventoryUnavailable => Provider::Inventory,
            Code::StoreUnavailable => return store,
            // Each order of these calls a person.
            Code::AmountMismatch | Code::OrderNeedsAttention => return OwnAlert::Sent,
            Code::InvalidArguments
            | Code::ProductNotFound
            | Code::PaymentMethodNotFound
            | Code::SessionNotFound
            | Code::SessionExpired
            | Code::OrderNotFound
            | Code::WorkflowNotFound
            | Code::KeyConflict
            | Code::OrderInProgress
            | Code::OutOfStock
            | Code::PromoInvalid
            | Code::BudgetTooSmall
            | Code::BudgetCurrency
            | Code::CurrencyUnsupported
            | Code::PaymentDeclined
            | Code::PaymentRefused
            | Code::InventoryRefused
            | Code::CatalogRefused
            | Code::ReservationLost
            | Code::OrderCancelled
            | Code::OrderPaid
            | Code::CheckoutDisabled
            | Code::LimitReached
            | Code::OutOfStep
            | Code::RepeatedCall
            | Code::Internal => return OwnAlert::None,
        };
        let times_out = || {
            let rates = self.alerts.time_outs.lock().expect("no holder of the rates panics");
            rates[place(provider)].is_alerted()
        };
        if self.is_known_lost(provider) || times_out() { OwnAlert::Sent } else { OwnAlert::None }
    }

    /// Calls a person when a tool's handler panics: once, and again only after five minutes in which it did not.
    pub fn note_panic(&self, tool: &'static str, now: Instant, correlation: &CorrelationId) {
        let is_news = {
            let mut panics = self.alerts.panics.lock().expect("no holder of the panics panics");
            if let Some((_, last)) = panics.iter_mut().find(|(name, _)| *name == tool) {
                now.duration_since(std::mem::replace(last, now)) >= rates::WINDOW
            } else {
                panics.push((tool, now));
                true
            }
        };
        if is_news {
            let message = format!(
                "a bug in the handler of {tool} took a call down; the line `panicked` before says where. What the call had \
                 done by then is not known"
            );
            self.alert_about(AlertKind::HandlerPanicked, tool, None, correlation, message);
        }
    }

    /// Takes note of how a tool's call ended, and calls a person when too many fail for technical reasons. What the
    /// business refused, the caller got wrong or is not settled yet says nothing about that. One cause calls once: what has
    /// an alert of its own (`store`: what the own store's is at) is left to that.
    pub fn note_call(
        &self,
        tool: &'static str,
        code: Option<Code>,
        store: OwnAlert,
        now: Instant,
        correlation: &CorrelationId,
    ) {
        let bad = match code {
            None => false,
            // Switched off, more than a user may have, or another call is at it: an answer, and no failure.
            Some(Code::CheckoutDisabled | Code::OrderInProgress | Code::LimitReached) => return,
            Some(code) if code.kind() == ErrorType::Technical => true,
            Some(_) => return,
        };
        let mass = {
            let mut tools = self.alerts.tools.lock().expect("no holder of the rates panics");
            let known = tools.iter().position(|(name, _)| *name == tool);
            let place = known.unwrap_or_else(|| {
                tools.push((tool, Rate::default()));
                tools.len() - 1
            });
            let own = code.map_or(OwnAlert::None, |code| self.own_alert(code, store));
            tools[place].1.note(bad, true, own, now)
        };
        if let Some(Mass { valid, bad, in_a_row }) = mass {
            let message = format!(
                "{bad} of {valid} calls of {tool} in {} minutes failed for technical reasons, {in_a_row} in a row; look at \
                 the lines of its attempts",
                rates::WINDOW.as_secs() / 60
            );
            self.alert_about(AlertKind::StepFailing, tool, None, correlation, message);
        }
    }

    /// Takes note of whether an attempt ran into its time-out, and calls a person when too many do. Five in a row are a
    /// lost provider, which is an alert of its own.
    pub fn note_attempt(&self, provider: Provider, timed_out: bool, now: Instant, correlation: &CorrelationId) {
        let mass = {
            let mut rates = self.alerts.time_outs.lock().expect("no holder of the rates panics");
            // Of an attempt that was answered nobody is told.
            let is_left = timed_out && self.is_known_lost(provider);
            let own = if is_left { OwnAlert::Sent } else { OwnAlert::None };
            rates[place(provider)].note(timed_out, false, own, now)
        };
        if let Some(Mass { valid, bad, .. }) = mass {
            let message = format!(
                "{bad} of {valid} attempts at the {} provider in {} minutes ran into their time-out",
                provider.name(),
                rates::WINDOW.as_secs() / 60
            );
            self.alert_about(AlertKind::TimeOuts, provider.name(), None, correlation, message);
        }
    }

    /// Calls a person when more than one of an order's charges stands; once an order.
    pub fn alert_of_charges(&self, order: &Order, charges: &[ChargeRecord]) {
        let standing = charges.iter().filter(|charge| charge.standing() > 0).count();
        if standing > 1 && self.is_news(order) {
            let message = format!("{standing} charges stand for one order; see that all but one are given back");
            self.alert(AlertKind::DoubleCharge, Some(&order.id), &order.correlation_id, message);
        }
    }

    /// A card was charged: the provider owes an event of that.
    pub fn expect_event(&self, correlation: &CorrelationId) {
        let since = *self.silence().since.get_or_insert_with(Instant::now);
        if since.elapsed() >= WEBHOOK_SILENCE_MAX {
            self.alert_of_silence(correlation);
        }
    }

    /// An event came, of whatever: the provider speaks.
    pub fn heard_event(&self) {
        *self.silence() = Silence::default();
    }

    /// Calls a person when the provider has owed an event for too long; not again before one comes.
    pub fn alert_of_silence(&self, correlation: &CorrelationId) {
        let overdue = {
            let mut silence = self.silence();
            let overdue = !silence.alerted && silence.since.is_some_and(|since| since.elapsed() >= WEBHOOK_SILENCE_MAX);
            silence.alerted |= overdue;
            overdue
        };
        if overdue {
            let message = format!(
                "cards have been charged for {} minutes and no webhook came; look at the payment provider's deliveries and \
                 at the secret. Sales are looked up meanwhile",
                WEBHOOK_SILENCE_MAX.as_secs() / 60
            );
            self.alert(AlertKind::WebhooksMissing, None, correlation, message);
        }
    }

    fn silence(&self) -> MutexGuard<'_, Silence> {
        self.alerts.silence.lock().expect("no holder of the silence panics")
    }

    fn is_news(&self, order: &Order) -> bool {
        self.alerts.charged_twice.lock().expect("no holder of the set panics").insert(order.id.clone())
    }
}
