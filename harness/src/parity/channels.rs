//! A run as lines of text, channel by channel, that are the same in both worlds.

use std::fmt::{self, Write as _};

use giftgenius::step_log::LogLine;
use serde_json::Value;

use super::order::{ANY_LIFE, Canonical};
use crate::fault::site::{Place, Site};
use crate::oracle::Verdict;
use crate::outcome::Outcome;
use crate::provider::ledger::Effect;
use crate::report::normalise::log_value;
use crate::trace::{CallStarted, Event, EventKind, HostReply, Seen, Sent, WebhookDelivery};

/// One side of a run, as it is compared.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Channel {
    /// What it is called in a difference.
    pub name: &'static str,
    /// In canonical order, identifiers renamed.
    pub lines: Vec<String>,
}

/// The channels of a run. The providers come first: what differs there mostly explains what differs elsewhere.
pub fn channels(outcome: &Outcome) -> [Channel; 6] {
    let canonical = Canonical::of(&outcome.record, outcome.scenario.replicas.count);
    let events =
        |wanted: Side| text(canonical.record.trace.events.iter().filter(|event| Side::of(&event.kind) == wanted));
    let mut verdict = String::new();
    let mut rest = String::new();
    write_verdict(&mut verdict, outcome).and_then(|()| write_rest(&mut rest, outcome, &canonical)).expect(NO_FAILURE);
    let sides = [
        ("providers", events(Side::Providers)),
        ("log", events(Side::Log)),
        ("webhooks", events(Side::Webhooks)),
        ("host", events(Side::Host)),
        ("at rest", rest),
        ("verdict", verdict),
    ];
    sides.map(|(name, text)| Channel { name, lines: canonical.rename(&text).lines().map(str::to_owned).collect() })
}

const NO_FAILURE: &str = "writing to a string does not fail";

/// From where something was seen.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Host,
    Providers,
    Webhooks,
    Log,
}

impl Side {
    const fn of(kind: &EventKind) -> Self {
        match kind {
            EventKind::Webhook(_) | EventKind::Struck { site: Site { place: Place::Webhook, .. }, .. } => {
                Self::Webhooks
            }
            EventKind::CallStarted(_)
            | EventKind::CallEnded { .. }
            | EventKind::Struck { .. }
            | EventKind::Crashed
            | EventKind::Restarted
            | EventKind::Switched { .. } => Self::Host,
            EventKind::Sent(_) | EventKind::Delivered { .. } | EventKind::Effect(_) | EventKind::Answered { .. } => {
                Self::Providers
            }
            EventKind::Log(_) => Self::Log,
        }
    }
}

/// Events as lines, identifiers as they are.
pub(super) fn text<'a>(events: impl IntoIterator<Item = &'a Event>) -> String {
    let mut out = String::new();
    for event in events {
        write_event(&mut out, event).expect(NO_FAILURE);
    }
    out
}

fn write_event(out: &mut String, event: &Event) -> fmt::Result {
    match &event.kind {
        EventKind::CallStarted(started) => write_call(out, started),
        EventKind::CallEnded { reply, .. } => write_reply(out, reply),
        EventKind::Sent(sent) => write_sent(out, sent, event.incarnation),
        EventKind::Delivered { status, .. } => writeln!(out, "  taken in, answered {status}"),
        EventKind::Effect(effect) => {
            write!(out, "  ✔ ")?;
            write_effect(out, effect)?;
            writeln!(out)
        }
        EventKind::Answered { seen, .. } => writeln!(out, "  seen: {}", seen_text(seen)),
        EventKind::Log(line) => write_log(out, line),
        EventKind::Struck { site, fault } => writeln!(out, "{site}: {fault}"),
        EventKind::Webhook(delivery) => write_webhook(out, delivery),
        EventKind::Crashed => writeln!(out, "the system is killed"),
        EventKind::Restarted => writeln!(out, "the system is started again"),
        EventKind::Switched { checkout } => {
            writeln!(out, "checkout is switched {}", if *checkout { "on" } else { "off" })
        }
    }
}

fn write_webhook(out: &mut String, delivery: &WebhookDelivery) -> fmt::Result {
    let WebhookDelivery { site, kind, reference, forged, status, .. } = delivery;
    let forged = forged.map_or_else(String::new, |forgery| format!(", forged ({})", forgery.name()));
    let answer = status.map_or_else(|| "nobody answers".to_owned(), |status| status.to_string());
    writeln!(out, "{site} {} {reference}{forged}: {answer}", kind.name())
}

fn write_call(out: &mut String, call: &CallStarted) -> fmt::Result {
    let intent = call.intent.as_deref().map_or_else(String::new, |intent| format!(" for {intent}"));
    writeln!(out, "{}: {} calls {} in step {}{intent}", call.correlation, call.user, call.tool, call.step)?;
    write_json(out, &call.arguments)
}

fn write_reply(out: &mut String, reply: &HostReply) -> fmt::Result {
    match reply {
        HostReply::Tool { structured, is_error } => {
            writeln!(out, "  ◀─ {}", if *is_error { "tool error" } else { "result" })?;
            write_json(out, structured)
        }
        HostReply::Protocol { code, message } => writeln!(out, "  ◀─ protocol error {code}: {message}"),
        HostReply::Cancelled => writeln!(out, "  cancelled by the host"),
        HostReply::Broken => writeln!(out, "  the connection broke"),
        HostReply::NoAnswer => writeln!(out, "  no answer"),
    }
}

/// A field a line, so that a difference is a short one.
fn write_json(out: &mut String, value: &Value) -> fmt::Result {
    let text = serde_json::to_string_pretty(value).expect("a JSON value can be written");
    text.lines().try_for_each(|line| writeln!(out, "    {line}"))
}

fn write_sent(out: &mut String, sent: &Sent, incarnation: u32) -> fmt::Result {
    write!(out, "{} of {}", sent.site, sent.correlation)?;
    if incarnation != ANY_LIFE {
        write!(out, " in life {incarnation}")?;
    }
    if let Some(reference) = &sent.reference {
        write!(out, ", {reference}")?;
    }
    if let Some(amount) = sent.amount {
        write!(out, ", amount {amount}")?;
    }
    if let Some(key) = &sent.key {
        write!(out, ", key {key}")?;
    }
    if sent.faults.is_none() {
        return writeln!(out);
    }
    writeln!(out, ", fault: {}", sent.faults)
}

fn write_effect(out: &mut String, effect: &Effect) -> fmt::Result {
    write!(out, "{} {} {}", effect.kind.name(), effect.reference, effect.subject)?;
    if let Some(amount) = effect.amount {
        write!(out, " {amount}")?;
    }
    effect.stock.iter().try_for_each(|(sku, quantity)| write!(out, " {quantity} {sku}"))
}

fn seen_text(seen: &Seen) -> String {
    match seen {
        Seen::Reply { status, retry_after, intact } => {
            // A date is good to a second, and how much of the second is left depends on when it was written.
            let after = retry_after.map_or_else(String::new, |after| format!(", retry after {} s", after.as_secs()));
            format!("{status}{after}{}", if *intact { "" } else { ", mangled" })
        }
        Seen::Silence => "nothing".to_owned(),
        Seen::Broken => "connection reset".to_owned(),
        Seen::Cut => "reply cut".to_owned(),
        Seen::Refused => "connection refused".to_owned(),
    }
}

fn write_log(out: &mut String, line: &LogLine) -> fmt::Result {
    let mut fields = log_value(line);
    if let Some(fields) = fields.as_object_mut() {
        // What is measured differs by world.
        for measured in ["time", "duration_ms", "wait_ms", "retry_after_ms"] {
            fields.remove(measured);
        }
        // A call counts what was sent under its correlation id until it is answered. Whether a look that an event asked
        // for comes before that is a matter of microseconds; the attempts themselves are lines of their own.
        if let Some(asked) = fields.get_mut("asked").and_then(Value::as_object_mut) {
            // It covers a fresh key, and so tells apart two calls at once that are alike; the arguments are the host's lines.
            asked.remove("arguments_hash");
            fields.remove("attempts");
        }
    }
    writeln!(out, "{fields}")
}

fn write_verdict(out: &mut String, outcome: &Outcome) -> fmt::Result {
    writeln!(out, "{}", outcome.status().name())?;
    for unmet in &outcome.unmet {
        writeln!(out, "not met: {unmet}")?;
    }
    for unfired in &outcome.unfired {
        writeln!(out, "never fired: {unfired}")?;
    }
    for (oracle, verdict) in &outcome.verdicts {
        // A breach may be told with times, so how many there are has to do.
        match verdict {
            Verdict::Kept => writeln!(out, "{}: kept", oracle.id)?,
            Verdict::Broken(violations) => writeln!(out, "{}: broken, {}", oracle.id, violations.len())?,
            Verdict::NoVerdict(_) => writeln!(out, "{}: no verdict", oracle.id)?,
        }
    }
    Ok(())
}

fn write_rest(out: &mut String, outcome: &Outcome, canonical: &Canonical) -> fmt::Result {
    let rest = &outcome.rest;
    writeln!(out, "{} open", rest.open)?;
    let orders = rest.orders.iter().map(|order| format!("{} {}, money: {}", order.order_id, order.status, order.money));
    let parked = rest.parked.iter().map(|parked| format!("parked {}: {}", parked.order_id, parked.note));
    // By the names they have here: what they are listed by is drawn at random.
    let mut lines: Vec<_> = orders.chain(parked).map(|line| canonical.rename(&line)).collect();
    lines.sort();
    for line in lines {
        writeln!(out, "{line}")?;
    }
    let ledger = &canonical.record.ledger;
    for effect in &ledger.effects {
        write!(out, "#{} ", effect.id.0)?;
        write_effect(out, effect)?;
        match effect.undoes {
            Some(undone) => writeln!(out, ", of #{}", undone.0)?,
            None => writeln!(out)?,
        }
    }
    for ((sku, opening), (_, closing)) in ledger.opening_stock.iter().zip(&ledger.closing_stock) {
        writeln!(out, "stock of {sku}: {opening} ─▶ {closing}")?;
    }
    Ok(())
}
