//! What is sent to the providers, what comes back, and what is in the books after it.

use std::sync::Arc;

use giftgenius::money::{Currency, Money};
use giftgenius::step_log::{AttemptLine, AttemptOutcome, AttemptUrgency, Level, LogLine, StepStatus};
use smol_str::{SmolStr, format_smolstr};

use super::{PRICE, Run};
use crate::fault::Fault;
use crate::fault::site::Site;
use crate::provider::OperationSpec;
use crate::provider::ledger::{Effect, EffectId, EffectKind};
use crate::provider::operations::{CHARGE, COMMIT, RESERVE};
use crate::trace::{EventKind, ExchangeId, Seen, Sent};

impl Run {
    /// A request under the current correlation id.
    pub(in crate::oracle) fn send(
        &mut self,
        operation: &'static OperationSpec,
        reference: Option<&str>,
        key: Option<&str>,
    ) -> ExchangeId {
        self.send_faulty(operation, reference, key, None)
    }

    pub(in crate::oracle) fn send_faulty(
        &mut self,
        operation: &'static OperationSpec,
        reference: Option<&str>,
        key: Option<&str>,
        fault: Option<Fault>,
    ) -> ExchangeId {
        let arrival =
            1 + self.record.trace.sent().filter(|(_, _, sent)| std::ptr::eq(sent.operation, operation)).count();
        let exchange = self.record.next_exchange();
        let sent = Sent {
            exchange,
            site: Site {
                place: operation.into(),
                arrival: u32::try_from(arrival).expect("a handful of requests"),
                for_step: None,
            },
            operation,
            key: key.map(Into::into),
            correlation: self.correlation.as_str().into(),
            step: crate::world::stage::step_of(&self.correlation),
            reference: reference.map(Into::into),
            amount: (operation.label == CHARGE.label).then_some(PRICE),
            currency: (operation.label == CHARGE.label).then_some(Currency::EUR),
            customer: (operation.label == CHARGE.label).then(|| self.user.into()),
            question: self.question,
            faults: fault.into_iter().collect(),
        };
        self.push(EventKind::Sent(Box::new(sent)));
        exchange
    }

    /// The provider takes it in and says so.
    pub(in crate::oracle) fn deliver(&mut self, exchange: ExchangeId) {
        self.push(EventKind::Delivered { exchange, status: 200, replay_of: None });
    }

    pub(in crate::oracle) fn see(&mut self, exchange: ExchangeId, seen: Seen) {
        let sent = self.record.trace.sent().find(|(_, _, sent)| sent.exchange == exchange);
        let (begun, sent) = sent.map(|(_, event, sent)| (event.at, sent)).expect("it was sent");
        let (operation, correlation, provider_key) = (sent.operation.label, sent.correlation.clone(), sent.key.clone());
        let took =
            if seen == Seen::Silence { self.policy.retry.attempt_timeout } else { self.now.saturating_sub(begun) };
        let retry_after_ms = match &seen {
            Seen::Reply { retry_after: Some(after), .. } => u64::try_from(after.as_millis()).ok(),
            _ => None,
        };
        let (outcome, status) = match &seen {
            Seen::Reply { status: status @ 200..=299, .. } => (AttemptOutcome::Ok, Some(*status)),
            Seen::Reply { status, .. } => (AttemptOutcome::Status, Some(*status)),
            Seen::Silence => (AttemptOutcome::TimedOut, None),
            Seen::Broken => (AttemptOutcome::Broken, None),
            Seen::Cut => (AttemptOutcome::Cut, None),
            Seen::Refused => (AttemptOutcome::NotSent, None),
        };
        self.push(EventKind::Answered { exchange, seen });
        let line = self.attempt(operation, 1, outcome);
        let is_waited_for = self.now <= self.called + self.policy.tool_deadline;
        self.log(LogLine::Attempt(AttemptLine {
            urgency: if is_waited_for { AttemptUrgency::Caller } else { AttemptUrgency::Background },
            status,
            provider_key,
            retry_after_ms,
            duration_ms: u64::try_from(took.as_millis()).expect("short"),
            correlation_id: correlation.as_str().into(),
            ..line
        }));
    }

    /// The line of an attempt that a caller waits for.
    pub(in crate::oracle) fn attempt(
        &self,
        operation: &'static str,
        number: u32,
        outcome: AttemptOutcome,
    ) -> AttemptLine {
        AttemptLine {
            event: "provider_attempt".into(),
            level: if outcome == AttemptOutcome::Ok { Level::Info } else { Level::Warn },
            operation: operation.into(),
            number,
            urgency: AttemptUrgency::Caller,
            outcome,
            status: None,
            duration_ms: 0,
            retry_after_ms: None,
            wait_ms: None,
            provider_key: None,
            correlation_id: self.correlation.as_str().into(),
            time: jiff::Timestamp::UNIX_EPOCH,
        }
    }

    /// Delivered, and a whole 200 seen.
    pub(in crate::oracle) fn ok(&mut self, exchange: ExchangeId) {
        self.deliver(exchange);
        self.status(exchange, 200);
    }

    pub(in crate::oracle) fn status(&mut self, exchange: ExchangeId, status: u16) {
        self.see(exchange, Seen::Reply { status, retry_after: None, intact: true });
    }

    /// Silence, and the time-out it costs.
    pub(in crate::oracle) fn silence(&mut self, exchange: ExchangeId) {
        self.see(exchange, Seen::Silence);
        self.now += self.policy.retry.attempt_timeout;
    }

    /// An effect, as brought by an exchange.
    pub(in crate::oracle) fn effect(
        &mut self,
        kind: EffectKind,
        reference: &str,
        exchange: Option<ExchangeId>,
        undoes: Option<EffectId>,
    ) -> EffectId {
        let money = match kind {
            EffectKind::Charge | EffectKind::Refund | EffectKind::Dispute | EffectKind::RefundFailed => Some(PRICE),
            EffectKind::Close
            | EffectKind::Reserve
            | EffectKind::Release
            | EffectKind::Expire
            | EffectKind::Commit
            | EffectKind::Restock => None,
        };
        self.effect_of(kind, reference, exchange, undoes, money)
    }

    pub(in crate::oracle) fn effect_of(
        &mut self,
        kind: EffectKind,
        reference: &str,
        exchange: Option<ExchangeId>,
        undoes: Option<EffectId>,
        minor_units: Option<i64>,
    ) -> EffectId {
        let number = u32::try_from(self.record.ledger.effects.len()).expect("a handful of effects");
        let sent = exchange.and_then(|exchange| {
            self.record
                .trace
                .sent()
                .find(|(_, _, sent)| sent.exchange == exchange)
                .map(|(_, _, sent)| (sent.key.clone(), sent.correlation.clone()))
        });
        let (key, correlation) = sent.unwrap_or_default();
        let stock = match kind {
            EffectKind::Charge
            | EffectKind::Refund
            | EffectKind::Dispute
            | EffectKind::RefundFailed
            | EffectKind::Close => Vec::new(),
            EffectKind::Reserve
            | EffectKind::Release
            | EffectKind::Expire
            | EffectKind::Commit
            | EffectKind::Restock => vec![(SmolStr::new("tea-set"), 1)],
        };
        let effect = Arc::new(Effect {
            id: EffectId(number),
            at: self.now,
            exchange,
            kind,
            reference: reference.into(),
            subject: format_smolstr!("{}_{number}", kind.name()),
            amount: minor_units.map(|minor_units| Money::new(minor_units, Currency::EUR)),
            stock,
            undoes,
            key,
            correlation,
        });
        self.record.ledger.effects.push(effect.clone());
        self.push(EventKind::Effect(effect));
        EffectId(number)
    }

    /// A request that is applied, answered whole, and logged as a step: `reserve`, `charge`, …
    pub(in crate::oracle) fn done(
        &mut self,
        operation: &'static OperationSpec,
        kind: EffectKind,
        reference: &str,
        undoes: Option<EffectId>,
    ) -> EffectId {
        let key = format!("{} {reference}", kind.name());
        let exchange = self.send(operation, Some(reference), Some(&key));
        let effect = self.effect(kind, reference, Some(exchange), undoes);
        self.ok(exchange);
        let order = reference.replace("/1", "");
        self.order_step(kind.name(), StepStatus::Success, &order);
        effect
    }

    pub(in crate::oracle) fn reserve(&mut self, order: &str) -> EffectId {
        self.done(&RESERVE, EffectKind::Reserve, &format!("{order}/1"), None)
    }

    pub(in crate::oracle) fn charge(&mut self, order: &str) -> EffectId {
        self.done(&CHARGE, EffectKind::Charge, order, None)
    }

    pub(in crate::oracle) fn commit(&mut self, order: &str, reserve: EffectId) -> EffectId {
        let reference = format!("{order}/1");
        self.done(&COMMIT, EffectKind::Commit, &reference, Some(reserve))
    }
}
