//! The canonical order of a run: what happened in an order that nothing had to keep is put into one that both worlds
//! can keep.
//!
//! - *Calls that began at once* (`concurrent`, `double_click`) are alike but for a fresh key, and which of them the system
//!   takes first is nobody's promise: over sockets it is a race. So they may change places: they are sorted by all that
//!   became of them, whose own names left out, and numbered anew. That is a renaming, as that of identifiers is: two
//!   runs that look the same in this order are the same run but for which of two like calls was called first.
//!   A call that finds the other one's answer written is told that it is a replay, one that finds it at work waits for the same
//!   answer: that, too, is a race, and `replayed` and `as_of` are left out of what calls that began at once are told.
//! - *Requests* are sorted by the order they are for (by the call, where they are for none): for one order the system
//!   does one thing after another, and that succession is kept; between two orders nothing is promised. Sites are counted
//!   anew, so that `payment.charge#2` is the second in this order.
//! - *Log lines* are sorted by their call for the same reason, *effects* by their order.
//! - *Replicas* are alike, and which of them is first to take up what nobody works on is a race too: where there are
//!   several, a request is not told by the life of the system that sent it.
//!
//! A script's steps come one after another, so where nothing began at once this changes little.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use giftgenius::step_log::{AlertKind, LogLine};

use super::channels;
use crate::fault::site::{Place, Site};
use crate::provider::ledger::{Effect, EffectId, Ledger, order_of_reference};
use crate::report::normalise::Names;
use crate::trace::{CallId, Event, EventKind, ExchangeId, HostReply, Record, Sent};
use crate::world::stage::CORRELATION_PREFIX;

/// A run in canonical order, and what its calls are called.
pub struct Canonical {
    /// The same events and effects; each channel separately, one after the other.
    pub record: Record,
    names: Names,
    /// Correlation id → `call 2`.
    calls: BTreeMap<String, String>,
}

impl Canonical {
    /// Brings a run of so many replicas into its order.
    pub fn of(record: &Record, replicas: u32) -> Self {
        let run = Run::gather(record);
        let groups = run.calls();
        let raced: BTreeSet<CallId> = groups.iter().filter(|group| group.len() > 1).flatten().copied().collect();
        let calls = groups.concat();
        let place = |correlation: &str| {
            calls.iter().position(|call| run.correlation(*call) == Some(correlation)).unwrap_or(usize::MAX)
        };
        let mut events = run.host(&calls);
        events.extend(run.requests(place));
        events.extend(run.webhooks(place));
        events.extend(run.log_lines(place));
        let mut ordered = Record::default();
        ordered.trace.events = events.into_iter().cloned().collect();
        number_sites(&mut ordered);
        let correlations = raced.iter().filter_map(|call| run.correlation(*call)).collect();
        forget_replays(&mut ordered, &raced, &correlations);
        if replicas > 1 {
            ordered.trace.events.iter_mut().for_each(|event| event.incarnation = ANY_LIFE);
        }
        ordered.ledger = books(&record.ledger, &ordered);
        let calls = calls.iter().zip(1_u32..).filter_map(|(call, number)| {
            run.correlation(*call).map(|correlation| (correlation.to_owned(), format!("call {number}")))
        });
        Self { names: Names::of(&ordered), calls: calls.collect(), record: ordered }
    }

    /// A text with identifiers and calls as they are called in this order.
    pub fn rename(&self, text: &str) -> String {
        self.names.rename(&rename_calls(text, &self.calls))
    }
}

/// Stands for the life of the system where it is not told; the first is 1.
pub const ANY_LIFE: u32 = 0;

/// Leaves out whether an answer to one of these calls is a replay.
fn forget_replays(record: &mut Record, calls: &BTreeSet<CallId>, correlations: &BTreeSet<&str>) {
    for event in &mut record.trace.events {
        match &mut event.kind {
            EventKind::CallEnded { call, reply: HostReply::Tool { structured, .. } } if calls.contains(call) => {
                if let Some(fields) = Arc::make_mut(structured).as_object_mut() {
                    fields.remove("replayed");
                    fields.remove("as_of");
                }
            }
            EventKind::Log(line) => {
                if let LogLine::CheckoutResult(result) = &mut **line
                    && correlations.contains(result.request_id.as_str())
                {
                    result.replayed = false;
                }
            }
            _ => {}
        }
    }
}

/// Renumbers arrivals, so that they follow this order.
fn number_sites(record: &mut Record) {
    let mut arrivals = BTreeMap::new();
    for event in &mut record.trace.events {
        if let EventKind::Sent(sent) = &mut event.kind {
            let arrival = arrivals.entry(sent.operation.label).or_insert(0);
            *arrival += 1;
            sent.site.arrival = *arrival;
        }
    }
}

/// The books, order after order as the requests of `record` have them, effects renumbered.
fn books(ledger: &Ledger, record: &Record) -> Ledger {
    let place = |effect: &Effect| {
        let order = Some(Ledger::order_of(effect));
        record.trace.sent().position(|(_, _, sent)| order_of(sent) == order).unwrap_or(usize::MAX)
    };
    let mut effects: Vec<_> = ledger.effects.iter().map(|effect| Effect::clone(effect)).collect();
    effects.sort_by_cached_key(|effect| place(effect));
    let numbers: BTreeMap<_, _> = effects.iter().map(|effect| effect.id).zip((0..).map(EffectId)).collect();
    for effect in &mut effects {
        effect.id = numbers[&effect.id];
        effect.undoes = effect.undoes.map(|undone| numbers[&undone]);
    }
    Ledger { effects: effects.into_iter().map(Arc::new).collect(), ..ledger.clone() }
}

fn order_of(sent: &Sent) -> Option<&str> {
    sent.reference.as_deref().map(order_of_reference)
}

/// `step-2.3` becomes what call 3 is called.
fn rename_calls(text: &str, calls: &BTreeMap<String, String>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(CORRELATION_PREFIX) {
        let tail = &rest[start + CORRELATION_PREFIX.len()..];
        let length = tail.find(|letter: char| !letter.is_ascii_digit() && letter != '.').unwrap_or(tail.len());
        let end = start + CORRELATION_PREFIX.len() + length;
        let correlation = rest[start..end].trim_end_matches('.');
        out.push_str(&rest[..start]);
        out.push_str(calls.get(correlation).map_or(correlation, String::as_str));
        rest = &rest[start + correlation.len()..];
    }
    out.push_str(rest);
    out
}

/// A run, its events by what they are about.
struct Run<'a> {
    record: &'a Record,
    names: Names,
    /// Start and end of each call.
    calls: BTreeMap<CallId, Vec<&'a Event>>,
    /// Everything of each exchange, in order.
    exchanges: BTreeMap<ExchangeId, Vec<&'a Event>>,
    log: Vec<(&'a Event, &'a LogLine)>,
}

impl<'a> Run<'a> {
    fn gather(record: &'a Record) -> Self {
        let mut run = Self {
            record,
            names: Names::of(record),
            calls: BTreeMap::new(),
            exchanges: BTreeMap::new(),
            log: Vec::new(),
        };
        for event in &record.trace.events {
            match &event.kind {
                EventKind::CallStarted(started) => run.calls.entry(started.call).or_default().push(event),
                EventKind::CallEnded { call, .. } => run.calls.entry(*call).or_default().push(event),
                EventKind::Sent(sent) => run.exchanges.entry(sent.exchange).or_default().push(event),
                EventKind::Delivered { exchange, .. } | EventKind::Answered { exchange, .. } => {
                    run.exchanges.entry(*exchange).or_default().push(event);
                }
                EventKind::Effect(effect) => {
                    // What happens without a request is only in the books.
                    if let Some(exchange) = effect.exchange {
                        run.exchanges.entry(exchange).or_default().push(event);
                    }
                }
                // What happens to the service itself differs by world: only a process is started.
                EventKind::Log(line) if matches!(**line, LogLine::Service(_)) => {}
                // For a page that is due after a quarter of an hour no run on the wire lives long enough.
                EventKind::Log(line) if matches!(&**line, LogLine::Alert(alert) if alert.kind == AlertKind::MoneyStands) =>
                    {}
                EventKind::Log(line) => run.log.push((event, line)),
                EventKind::Struck { .. }
                | EventKind::Webhook(_)
                | EventKind::Crashed
                | EventKind::Restarted
                | EventKind::Switched { .. } => {}
            }
        }
        run
    }

    fn correlation(&self, call: CallId) -> Option<&'a str> {
        self.calls.get(&call)?.iter().find_map(|event| match &event.kind {
            EventKind::CallStarted(started) => Some(&*started.correlation),
            _ => None,
        })
    }

    /// The calls: as they began, those that were open at once as a group, by what became of them.
    fn calls(&self) -> Vec<Vec<CallId>> {
        let mut groups: Vec<Vec<CallId>> = Vec::new();
        let mut open = BTreeSet::new();
        for event in &self.record.trace.events {
            match &event.kind {
                EventKind::CallStarted(started) => {
                    match groups.last_mut() {
                        Some(group) if !open.is_empty() => group.push(started.call),
                        _ => groups.push(vec![started.call]),
                    }
                    open.insert(started.call);
                }
                EventKind::CallEnded { call, .. } => _ = open.remove(call),
                _ => {}
            }
        }
        for group in groups.iter_mut().filter(|group| group.len() > 1) {
            group.sort_by_cached_key(|call| self.fate(*call));
        }
        groups
    }

    /// All that became of a call, without the names of anybody. The busiest comes first: it is the one that the system
    /// took, and the others joined it.
    fn fate(&self, call: CallId) -> (Reverse<usize>, String) {
        let Some(correlation) = self.correlation(call) else { return (Reverse(0), String::new()) };
        let call = self.calls[&call].iter();
        let requests: Vec<_> =
            self.exchanges.values().filter(|exchange| sent(exchange).correlation == correlation).flatten().collect();
        let lines = self.log.iter().filter(|(_, line)| correlation_of(line) == correlation).map(|(event, _)| event);
        (Reverse(requests.len()), self.nameless(&channels::text(call.chain(requests).chain(lines).copied())))
    }

    /// A text without what tells one like thing from another: identifiers by their kind alone, and no number.
    fn nameless(&self, text: &str) -> String {
        self.names.rename(text).replace(|letter: char| letter.is_ascii_digit(), "")
    }

    /// The host's channel: calls with their ends, and what the host did to the system between them.
    fn host(&self, calls: &[CallId]) -> Vec<&'a Event> {
        let mut events = Vec::new();
        let mut calls = calls.iter();
        for event in &self.record.trace.events {
            match &event.kind {
                EventKind::CallStarted(_) => events.extend(calls.next().into_iter().flat_map(|call| &self.calls[call])),
                EventKind::Struck { site, .. } if site.place == Place::Webhook => {}
                EventKind::Struck { .. } | EventKind::Crashed | EventKind::Restarted | EventKind::Switched { .. } => {
                    events.push(event);
                }
                _ => {}
            }
        }
        events
    }

    fn requests(&self, place: impl Fn(&str) -> usize) -> Vec<&'a Event> {
        let mut threads: BTreeMap<&str, Vec<&Vec<&'a Event>>> = BTreeMap::new();
        for exchange in self.exchanges.values() {
            let sent = sent(exchange);
            threads.entry(order_of(sent).unwrap_or(&sent.correlation)).or_default().push(exchange);
        }
        let mut threads: Vec<_> = threads.into_values().collect();
        threads.sort_by_cached_key(|thread| {
            let text = channels::text(thread.iter().copied().flatten().copied());
            (thread.first().map(|first| place(&sent(first).correlation)), self.nameless(&text))
        });
        threads.into_iter().flatten().flatten().copied().collect()
    }

    /// Deliveries of events, and what struck them: by the call whose request caused each, and by event. Copies come at
    /// once, so what they are answered counts and not which came first.
    fn webhooks(&self, place: impl Fn(&str) -> usize) -> Vec<&'a Event> {
        let call = |site: &Site| {
            // A site knows its script step; of the calls of a step the first stands for all.
            let (step, _) = site.for_step?;
            let prefix = format!("{CORRELATION_PREFIX}{step}.");
            let calls = self.calls.keys().filter_map(|call| self.correlation(*call));
            calls.filter(|correlation| correlation.starts_with(&prefix)).map(&place).min()
        };
        let site_of = |event: &'a Event| match &event.kind {
            EventKind::Webhook(delivery) => Some(&delivery.site),
            EventKind::Struck { site, .. } if site.place == Place::Webhook => Some(site),
            _ => None,
        };
        let mut events: Vec<_> =
            self.record.trace.events.iter().filter_map(|event| Some((event, site_of(event)?))).collect();
        events.sort_by_cached_key(|(event, site)| (call(site), site.arrival, channels::text([*event])));
        events.into_iter().map(|(event, _)| event).collect()
    }

    fn log_lines(&self, place: impl Fn(&str) -> usize) -> Vec<&'a Event> {
        let mut lines = self.log.clone();
        // What became of an event belongs to no call; two deliveries at once are logged in either order.
        let webhook = |event: &'a Event, line: &LogLine| match line {
            LogLine::Webhook(_) => self.nameless(&channels::text([event])),
            LogLine::Step(_)
            | LogLine::CheckoutResult(_)
            | LogLine::Alert(_)
            | LogLine::Call(_)
            | LogLine::Attempt(_)
            | LogLine::Service(_) => String::new(),
        };
        lines.sort_by_cached_key(|(event, line)| (place(correlation_of(line)), webhook(event, line)));
        lines.into_iter().map(|(event, _)| event).collect()
    }
}

/// An exchange's first event is its request.
fn sent<'a>(exchange: &[&'a Event]) -> &'a Sent {
    match exchange.first().map(|event| &event.kind) {
        Some(EventKind::Sent(sent)) => sent,
        _ => unreachable!("the stage records a request before anything that comes of it"),
    }
}

fn correlation_of(line: &LogLine) -> &str {
    match line {
        LogLine::Step(step) => step.correlation_id.as_str(),
        LogLine::CheckoutResult(result) => result.request_id.as_str(),
        LogLine::Alert(alert) => alert.correlation_id.as_str(),
        LogLine::Call(line) => line.correlation_id.as_str(),
        LogLine::Attempt(line) => line.correlation_id.as_str(),
        LogLine::Webhook(_) | LogLine::Service(_) => "",
    }
}
