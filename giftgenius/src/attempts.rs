//! The attempts at providers, as the log tells of them: one line each, written once it is known what follows.
//!
//! Who paces a series of attempts opens a [`span`] around it; who sends, judges or waits inside reports to the span of the
//! running task. The pacing and the clients stay free of the log that way.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::Instant;

use crate::ids::CorrelationId;
use crate::ports::{Clock, Ports};
use crate::providers::Call;
use crate::retry::{Failure, Urgency};
use crate::step_log::{AttemptLine, AttemptOutcome, AttemptUrgency, Level, LogLine, StepLog};

/// How many operations one span asks for at most; further ones share the last count.
const OPERATIONS_MAX: usize = 4;

tokio::task_local! {
    /// The span that the running task is in.
    static SPAN: RefCell<Span>;
}

/// One paced series of attempts. The line of the last attempt waits until its successor, a wait or the end is known.
struct Span {
    urgency: AttemptUrgency,
    numbers: [(&'static str, u32); OPERATIONS_MAX],
    pending: Option<Box<Pending>>,
}

/// The line of an attempt, and where it goes. The span itself holds neither log nor clock: many a span is around another one
/// and sends nothing.
struct Pending {
    line: AttemptLine,
    begun: Instant,
    log: Arc<dyn StepLog>,
    clock: Arc<dyn Clock>,
}

/// Runs `work` as one series of attempts: each attempt in it leaves one line, also where the work is dropped on its way.
pub fn span<F: Future>(urgency: Urgency, work: F) -> impl Future<Output = F::Output> + use<F> {
    let span = Span { urgency: urgency.into(), numbers: [("", 0); OPERATIONS_MAX], pending: None };
    SPAN.scope(RefCell::new(span), work)
}

/// From now on attempts are this urgent.
pub fn urgent(urgency: Urgency) {
    with(|span| span.urgency = urgency.into());
}

/// An attempt is made. Until [`ended`] it counts as abandoned: whoever waits for it may go away meanwhile.
pub fn begin(ports: &Ports, call: &Call<'_>, now: Instant) {
    with(|span| span.begin(ports, call, now));
}

/// The attempt is over.
pub fn ended(outcome: AttemptOutcome, status: Option<u16>, failure: Option<&Failure>, now: Instant) {
    with(|span| span.ended(outcome, status, failure, now));
}

/// The reply of the last attempt contradicts the request or itself: it is believed in nothing.
pub fn contradicts() {
    with(|span| {
        if let Some(pending) = &mut span.pending {
            pending.line.outcome = AttemptOutcome::Contradicts;
            pending.line.level = Level::Warn;
        }
    });
}

/// The next attempt follows after `delay`.
pub fn waits(delay: Duration) {
    with(|span| span.flush(Some(delay)));
}

fn with(act: impl FnOnce(&mut Span)) {
    // A client that is used outside of any span, as tests do, leaves no line.
    let _ = SPAN.try_with(|span| act(&mut span.borrow_mut()));
}

impl From<Urgency> for AttemptUrgency {
    fn from(urgency: Urgency) -> Self {
        match urgency {
            Urgency::Caller { .. } => Self::Caller,
            Urgency::Undo { .. } => Self::Undo,
            Urgency::Round => Self::Background,
        }
    }
}

impl Span {
    fn begin(&mut self, ports: &Ports, call: &Call<'_>, now: Instant) {
        self.flush(None);
        let line = AttemptLine {
            event: Cow::Borrowed("provider_attempt"),
            level: Level::Warn,
            operation: Cow::Borrowed(call.operation),
            number: self.number_of(call.operation),
            urgency: self.urgency,
            outcome: AttemptOutcome::Abandoned,
            status: None,
            duration_ms: 0,
            retry_after_ms: None,
            wait_ms: None,
            provider_key: call.key.cloned(),
            correlation_id: call.correlation.clone(),
            time: jiff::Timestamp::UNIX_EPOCH,
        };
        let (log, clock) = (Arc::clone(&ports.log), Arc::clone(&ports.clock));
        self.pending = Some(Box::new(Pending { line, begun: now, log, clock }));
    }

    fn number_of(&mut self, operation: &'static str) -> u32 {
        let place = self.numbers.iter().position(|(known, _)| *known == operation || known.is_empty());
        let slot = &mut self.numbers[place.unwrap_or(OPERATIONS_MAX - 1)];
        *slot = (operation, slot.1 + 1);
        slot.1
    }

    fn ended(&mut self, outcome: AttemptOutcome, status: Option<u16>, failure: Option<&Failure>, now: Instant) {
        let retry_after = match failure {
            Some(Failure::NotNow { retry_after } | Failure::Unclear { retry_after }) => *retry_after,
            Some(_) | None => None,
        };
        if let Some(pending) = &mut self.pending {
            let line = &mut pending.line;
            line.level = if outcome == AttemptOutcome::Ok { Level::Info } else { Level::Warn };
            line.outcome = outcome;
            line.status = status;
            line.duration_ms = millis(now.duration_since(pending.begun));
            line.retry_after_ms = retry_after.map(millis);
            line.time = pending.clock.now();
        }
    }

    /// Writes the line of the last attempt, with how long is waited before the next.
    fn flush(&mut self, wait: Option<Duration>) {
        if let Some(pending) = self.pending.take() {
            let Pending { mut line, begun, log, clock } = *pending;
            if line.outcome == AttemptOutcome::Abandoned {
                line.duration_ms = millis(begun.elapsed());
                line.time = clock.now();
            }
            line.wait_ms = wait.map(millis);
            log.record(LogLine::Attempt(line));
        }
    }
}

impl Drop for Span {
    fn drop(&mut self) {
        self.flush(None);
    }
}

/// A duration in whole milliseconds, as log lines have it.
pub fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// How many requests were sent under the correlation ids of what is under way.
#[derive(Debug, Default)]
pub struct Counts(Mutex<BTreeMap<CorrelationId, Counted>>);

#[derive(Debug, Default)]
struct Counted {
    /// By how many calls and drivers.
    watched: u32,
    sent: Arc<AtomicU32>,
}

/// Counts the requests under one correlation id while it lives.
#[derive(Debug)]
pub struct Watch<'a> {
    counts: &'a Counts,
    correlation: CorrelationId,
    /// Shared, because it is asked several times a turn: asking takes neither the lock nor a look-up.
    sent: Arc<AtomicU32>,
    before: u32,
}

impl Counts {
    /// Counts from now on.
    pub fn watch(&self, correlation: &CorrelationId) -> Watch<'_> {
        let sent = self.with(|counts| {
            let counted = counts.entry(correlation.clone()).or_default();
            counted.watched += 1;
            Arc::clone(&counted.sent)
        });
        let before = sent.load(Ordering::Relaxed);
        Watch { counts: self, correlation: correlation.clone(), sent, before }
    }

    /// A request is sent.
    pub fn count(&self, correlation: &CorrelationId) {
        self.with(|counts| {
            if let Some(counted) = counts.get(correlation) {
                // Nobody else writes under the lock: a plain write will do.
                counted.sent.store(counted.sent.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
            }
        });
    }

    fn with<T>(&self, act: impl FnOnce(&mut BTreeMap<CorrelationId, Counted>) -> T) -> T {
        act(&mut self.0.lock().expect("no holder of the counts panics"))
    }
}

impl Watch<'_> {
    /// How many requests were sent since it began.
    pub fn sent(&self) -> u32 {
        self.sent.load(Ordering::Relaxed).wrapping_sub(self.before)
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        self.counts.with(|counts| {
            if let Some(counted) = counts.get_mut(&self.correlation) {
                counted.watched -= 1;
                if counted.watched == 0 {
                    counts.remove(&self.correlation);
                }
            }
        });
    }
}
