//! A trace → rows in three columns: host – giftgenius – providers, with the identifiers renamed.
//!
//! [`columns`](super::columns) lays them out. A request, what the provider did and what came back share a row where nothing else happened in between.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use giftgenius::money::{Currency, Money};
use giftgenius::step_log::{LogLine, StepStatus, WebhookStatus};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::normalise::Names;
use super::told::told;
use super::units;
use crate::provider::ledger::{Effect, EffectKind};
use crate::trace::{CallId, CallStarted, EventKind, ExchangeId, Record, Seen, Sent, WebhookDelivery};
use crate::visible::visible;

/// A wait for an answer that is shorter goes without saying.
const WORTH_TELLING: Duration = Duration::from_millis(100);

/// How much is shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Detail {
    /// Without the log lines of steps.
    Brief,
    /// Everything.
    Full,
}

/// One row.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Row {
    /// When, since the run began, with its unit: virtual time in simulation, real time on the wire.
    pub at: String,
    /// What the host did or was told.
    pub host: String,
    /// What the system did.
    pub system: String,
    /// What the providers did, and what came back of it.
    pub providers: String,
    /// Whether the finding that the timeline belongs to points here.
    pub marked: bool,
}

/// The rows of a run; those of `marked` events (indices into the trace) are marked.
pub fn rows(record: &Record, names: &Names, detail: Detail, marked: &[usize]) -> Vec<Row> {
    let mut table =
        Table { detail, marked, rows: Vec::new(), calls: BTreeMap::new(), sent: BTreeMap::new(), open: None };
    for (index, event) in record.trace.events.iter().enumerate() {
        table.event(index, event.at, &event.kind);
    }
    for row in &mut table.rows {
        row.host = names.rename(&row.host);
        row.system = names.rename(&row.system);
        row.providers = names.rename(&row.providers);
    }
    table.rows
}

struct Table<'a> {
    detail: Detail,
    marked: &'a [usize],
    rows: Vec<Row>,
    calls: BTreeMap<CallId, &'a CallStarted>,
    sent: BTreeMap<ExchangeId, &'a Sent>,
    /// The exchange that the last row began, while nothing else has come after it.
    open: Option<Open>,
}

/// An exchange whose row can still be added to.
#[derive(Clone, Copy)]
struct Open {
    exchange: ExchangeId,
    since: Duration,
    /// What the provider answered, once it has.
    status: Option<u16>,
}

impl<'a> Table<'a> {
    fn push(&mut self, index: usize, at: Duration, row: Row) {
        self.open = None;
        let shown = |cell: String| match visible(&cell) {
            Cow::Borrowed(_) => cell,
            Cow::Owned(shown) => shown,
        };
        self.rows.push(Row {
            at: units::instant(at),
            host: shown(row.host),
            system: shown(row.system),
            providers: shown(row.providers),
            marked: self.marked.contains(&index),
        });
    }

    fn event(&mut self, index: usize, at: Duration, kind: &'a EventKind) {
        match kind {
            EventKind::CallStarted(call) => {
                self.calls.insert(call.call, call);
                self.push(index, at, host(started(call)));
            }
            EventKind::CallEnded { call, reply } => {
                let step = self.calls.get(call).map_or(0, |call| call.step);
                self.push(index, at, host(format!("◀─ {step}: {}", told(reply))));
            }
            EventKind::Sent(sent) => {
                self.sent.insert(sent.exchange, sent);
                self.push(index, at, system(request(sent)));
                self.open = Some(Open { exchange: sent.exchange, since: at, status: None });
            }
            EventKind::Delivered { exchange, status, replay_of } => {
                let replayed = replay_of.map(|first| match self.sent.get(&first) {
                    Some(sent) => format!(" (replayed: key of {})", sent.site),
                    None => " (replayed)".to_owned(),
                });
                let text = format!("{status}{}", replayed.unwrap_or_default());
                self.at_provider(index, at, Some(*exchange), &text);
                if let Some(open) = &mut self.open {
                    open.status = Some(*status);
                }
            }
            EventKind::Effect(effect) => {
                self.at_provider(index, at, effect.exchange, &took_hold(effect));
            }
            EventKind::Answered { exchange, seen } => self.answered(index, at, *exchange, seen),
            EventKind::Log(line) => {
                if let Some(text) = self.log(line) {
                    self.push(index, at, system(text));
                }
            }
            EventKind::Struck { site, fault } => self.push(index, at, system(format!("⚡ {site}: {fault}"))),
            EventKind::Webhook(delivery) => self.push(index, at, webhook(delivery)),
            EventKind::Crashed => self.push(index, at, system("── killed ──".to_owned())),
            EventKind::Restarted => self.push(index, at, system("── started again ──".to_owned())),
            EventKind::Switched { checkout } => {
                let word = if *checkout { "on" } else { "off" };
                self.push(index, at, system(format!("── checkout switched {word} ──")));
            }
        }
    }

    /// The row that an exchange began, as long as it is the last one.
    fn open_row(&mut self, exchange: Option<ExchangeId>) -> Option<(&mut Row, Open)> {
        let open = self.open.filter(|open| Some(open.exchange) == exchange)?;
        Some((self.rows.last_mut()?, open))
    }

    fn at_provider(&mut self, index: usize, at: Duration, exchange: Option<ExchangeId>, text: &str) {
        let marked = self.marked.contains(&index);
        if let Some((row, _)) = self.open_row(exchange) {
            if !row.providers.is_empty() {
                row.providers.push_str(", ");
            }
            row.providers.push_str(&visible(text));
            row.marked |= marked;
            return;
        }
        let sent = exchange.and_then(|exchange| self.sent.get(&exchange));
        let of = sent.map_or_else(|| "on its own".to_owned(), |sent| sent.site.to_string());
        self.push(index, at, Row { providers: format!("{text} ({of})"), ..Row::default() });
    }

    fn answered(&mut self, index: usize, at: Duration, exchange: ExchangeId, seen: &Seen) {
        let marked = self.marked.contains(&index);
        let text = what_was_seen(seen);
        if let Some((row, open)) = self.open_row(Some(exchange)) {
            let as_answered = open.status.is_some_and(|status| is_plain(seen, status));
            if row.providers.is_empty() {
                row.providers.push_str("not applied");
            }
            if !as_answered {
                row.providers.push_str(" ─▶ ");
                row.providers.push_str(&text);
            }
            let waited = at.saturating_sub(open.since);
            if waited >= WORTH_TELLING {
                row.providers.push_str(" after ");
                row.providers.push_str(&units::instant(waited));
            }
            row.marked |= marked;
            self.open = None;
            return;
        }
        let site = self.sent.get(&exchange).map_or_else(String::new, |sent| sent.site.to_string());
        self.push(index, at, system(format!("◀─ {site}: {text}")));
    }

    fn log(&self, line: &LogLine) -> Option<String> {
        match line {
            LogLine::Alert(alert) => Some(format!("alert: {}", alert.message)),
            LogLine::Step(step) => {
                let word = match step.status {
                    StepStatus::Started => "started",
                    StepStatus::Success => "succeeded",
                    StepStatus::Failed => "failed",
                    StepStatus::Retry => "will be retried",
                    StepStatus::RolledBack => "rolled back",
                };
                let code = step.error_code.map_or_else(String::new, |code| format!(" {}", code.as_str()));
                (self.detail == Detail::Full).then(|| format!("log: {} {word}{code}", step.step_id))
            }
            LogLine::CheckoutResult(result) => {
                let status = match result.status {
                    giftgenius::step_log::CheckoutStatus::Success => "success",
                    giftgenius::step_log::CheckoutStatus::Failed => "failed",
                    giftgenius::step_log::CheckoutStatus::Pending => "pending",
                    giftgenius::step_log::CheckoutStatus::Cancelled => "cancelled",
                };
                let code = result.error_code.map_or_else(String::new, |code| format!(" {}", code.as_str()));
                (self.detail == Detail::Full).then(|| format!("log: checkout {status}{code}"))
            }
            LogLine::Webhook(webhook) => {
                let status = match webhook.status {
                    WebhookStatus::Accepted => "accepted",
                    WebhookStatus::Duplicate => "a duplicate",
                    WebhookStatus::Ignored => "ignored",
                    WebhookStatus::Parked => "parked",
                    WebhookStatus::Refused => "refused",
                    WebhookStatus::Failed => "not taken in",
                };
                (self.detail == Detail::Full).then(|| format!("log: webhook {status}"))
            }
            // The call and the exchange are rows of their own, and `logged` holds these lines to them.
            LogLine::Call(_) | LogLine::Attempt(_) => None,
            LogLine::Service(line) => {
                let what = serde_json::to_value(line.event).ok()?;
                let error = line.error.as_deref().map_or_else(String::new, |error| format!(": {error}"));
                (self.detail == Detail::Full)
                    .then(|| format!("log: {}{error}", what.as_str().unwrap_or_default().replace('_', " ")))
            }
        }
    }
}

fn host(text: String) -> Row {
    Row { host: text, ..Row::default() }
}

fn system(text: String) -> Row {
    Row { system: text, ..Row::default() }
}

/// From right to left: the provider tells, the system answers.
fn webhook(delivery: &WebhookDelivery) -> Row {
    let again = if delivery.attempt > 1 { format!(", attempt {}", delivery.attempt) } else { String::new() };
    let forged = delivery.forged.map_or_else(String::new, |forgery| format!(" ✗forged({})", forgery.name()));
    let answer = delivery.status.map_or_else(|| "nobody answers".to_owned(), |status| status.to_string());
    let gap = if delivery.reference.is_empty() { "" } else { " " };
    Row {
        system: format!("◀─ {}{gap}{}{forged}: {answer}", delivery.kind.name(), delivery.reference),
        providers: format!("{}{again}", delivery.site),
        ..Row::default()
    }
}

fn started(call: &CallStarted) -> String {
    let key = call.key.as_deref().map_or_else(String::new, |key| format!(" {key}"));
    format!("{}: {} {}{key} ─▶", call.step, call.user, call.tool)
}

fn request(sent: &Sent) -> String {
    let reference = sent.reference.as_deref().unwrap_or_default();
    let amount = sent.amount.map_or_else(String::new, |amount| format!(" {}", in_units(amount, sent.currency)));
    let gap = if reference.is_empty() { "" } else { " " };
    let key = sent.key.as_deref().map_or_else(String::new, |key| format!(" {key}"));
    let fault = if sent.faults.is_none() { String::new() } else { format!(" ✗{}", sent.faults) };
    format!("{}{gap}{reference}{amount}{key} ─▶{fault}", sent.site)
}

/// An amount with the decimals of its currency, which itself stands with the effect.
fn in_units(minor_units: i64, currency: Option<Currency>) -> String {
    let money =
        currency.filter(|currency| currency.exponent().is_some()).map(|it| Money::new(minor_units, it).to_string());
    let number = money.as_deref().and_then(|money| money.rsplit_once(' '));
    number.map_or_else(|| minor_units.to_string(), |(number, _)| number.to_owned())
}

fn took_hold(effect: &Effect) -> String {
    let done = match effect.kind {
        EffectKind::Charge => "charged",
        EffectKind::Refund => "refunded",
        EffectKind::Dispute => "disputed",
        EffectKind::RefundFailed => "refund failed",
        EffectKind::Close => "closed",
        EffectKind::Reserve => "reserved",
        EffectKind::Release => "released",
        EffectKind::Expire => "expired",
        EffectKind::Commit => "committed",
        EffectKind::Restock => "restocked",
    };
    let what = effect.amount.map_or_else(
        || {
            let stock = effect.stock.iter();
            let items: Vec<_> = stock.map(|(sku, quantity)| format!("{quantity} {sku}")).collect();
            items.join(" + ")
        },
        |amount| amount.to_string(),
    );
    let gap = if what.is_empty() { "" } else { " " };
    format!("✔ {done} {}{gap}{what}", effect.subject)
}

/// Whether the system saw just what the provider answered.
fn is_plain(seen: &Seen, answered: u16) -> bool {
    matches!(seen, Seen::Reply { status, retry_after: None, intact: true } if *status == answered)
}

fn what_was_seen(seen: &Seen) -> String {
    match seen {
        Seen::Reply { status, retry_after, intact } => {
            let after =
                retry_after.map_or_else(String::new, |after| format!(" (retry after {})", units::instant(after)));
            let body = if *intact { "" } else { " mangled" };
            format!("{status}{after}{body}")
        }
        Seen::Silence => "no reply".to_owned(),
        Seen::Broken => "connection reset".to_owned(),
        Seen::Cut => "reply cut".to_owned(),
        Seen::Refused => "connection refused".to_owned(),
    }
}
