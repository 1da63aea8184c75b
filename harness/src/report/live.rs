//! What happens at the mock shop, as it happens: a row for each request once it was answered, for each event that was
//! delivered, and for what a provider does later.

use std::collections::BTreeMap;

use super::normalise::Names;
use super::timeline::{self, Detail, Row};
use crate::trace::{Event, EventKind, ExchangeId, Record};

/// What was begun and is not shown yet.
#[derive(Default, Debug)]
pub struct Live {
    /// The requests that were not answered yet, each with all that happened of it.
    begun: BTreeMap<ExchangeId, Vec<Event>>,
    /// The requests with a fault that were answered: some are applied again later.
    struck: BTreeMap<ExchangeId, Event>,
}

impl Live {
    /// Takes what happened since the last time, in order; gives the rows that it completes.
    pub fn take(&mut self, events: Vec<Event>) -> Vec<Row> {
        events.into_iter().flat_map(|event| self.completed(event)).collect()
    }

    fn completed(&mut self, event: Event) -> Vec<Row> {
        let of = match &event.kind {
            EventKind::Sent(sent) => {
                self.begun.insert(sent.exchange, vec![event]);
                return Vec::new();
            }
            EventKind::Delivered { exchange, .. } => Some(*exchange),
            EventKind::Effect(effect) => effect.exchange,
            EventKind::Answered { exchange, .. } => {
                let Some(mut events) = self.begun.remove(exchange) else { return rows(vec![event]) };
                let sent =
                    events.first().filter(|first| matches!(&first.kind, EventKind::Sent(s) if s.fault.is_some()));
                self.struck.extend(sent.cloned().map(|sent| (*exchange, sent)));
                events.push(event);
                return rows(events);
            }
            EventKind::CallStarted(_)
            | EventKind::CallEnded { .. }
            | EventKind::Log(_)
            | EventKind::Struck { .. }
            | EventKind::Webhook(_)
            | EventKind::Crashed
            | EventKind::Restarted
            | EventKind::Switched { .. } => None,
        };
        if let Some(begun) = of.and_then(|exchange| self.begun.get_mut(&exchange)) {
            begun.push(event);
            return Vec::new();
        }
        let sent = of.and_then(|exchange| self.struck.get(&exchange)).cloned();
        rows(sent.into_iter().chain([event]).collect())
    }
}

fn rows(events: Vec<Event>) -> Vec<Row> {
    let mut record = Record::default();
    record.trace.events = events;
    // Names as they are: they are looked for in logs and in the journal.
    timeline::rows(&record, &Names::default(), Detail::Brief, &[])
}

/// A row in one line.
pub fn line(row: &Row) -> String {
    const SYSTEM: usize = 52;
    format!("{:>8}  {:SYSTEM$}  {}", row.at, row.system, row.providers).trim_end().to_owned() + "\n"
}
