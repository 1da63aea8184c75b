//! What happens at the mock shop, as it happens: a row for each request once it was answered, for each event that was
//! delivered, and for what a provider does later.

use std::collections::BTreeMap;

use super::columns;
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
                    events.first().filter(|first| matches!(&first.kind, EventKind::Sent(s) if s.faults.is_some()));
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

/// So much of a key is shown: enough to tell it from others and to find it.
const KEY_SHOWN: usize = 8;

fn rows(mut events: Vec<Event>) -> Vec<Row> {
    for event in &mut events {
        if let EventKind::Sent(sent) = &mut event.kind
            && let Some(key) = &mut sent.key
            && let Some((end, _)) = key.char_indices().nth(KEY_SHOWN)
        {
            *key = format!("{}…", &key[..end]).into();
        }
    }
    let mut record = Record::default();
    record.trace.events = events;
    // Names as they are: they are looked for in logs and in the journal.
    timeline::rows(&record, &Names::default(), Detail::Brief, &[])
}

/// A row as text, in lines of at most `width` characters.
pub fn text(row: &Row, width: usize) -> String {
    const AT: usize = 8;
    const SYSTEM: usize = 56;
    let at = AT.max(row.at.chars().count());
    let left = width.saturating_sub(at + 2);
    let system = SYSTEM.min(left * 5 / 8);
    columns::beside(row, system, left.saturating_sub(system + 2))
        .enumerate()
        .map(|(index, cells)| {
            format!("{:>at$}  {cells}", if index == 0 { &*row.at } else { "" }).trim_end().to_owned() + "\n"
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_no_wider_than_it_may_be() {
        let row = Row {
            at: "12 min 5 s".to_owned(),
            system: "inventory.reserve#1 ord_727df6d6f32c4e61/1 f8db1097… ─▶ ✗refuse".to_owned(),
            providers: "✔ reserved rsv_1 1 tea-set, 200 ─▶ no reply after 2.00 s".to_owned(),
            ..Row::default()
        };
        for width in [60, 80, 100] {
            let shown = text(&row, width);
            assert!(shown.lines().all(|line| line.chars().count() <= width), "{width}: {shown}");
            assert!(shown.lines().count() > 1, "{shown}");
        }
    }
}
