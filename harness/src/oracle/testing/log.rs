//! The lines of the step log.

use std::sync::Arc;

use giftgenius::error::Code;
use giftgenius::ids::CorrelationId;
use giftgenius::step_log::{
    Alert, AlertKind, Asked, CheckoutResult, CheckoutStatus, Level, LogLine, StepLine, StepStatus,
};

use super::Run;
use crate::trace::{Event, EventKind};

impl Run {
    pub(in crate::oracle) fn log(&mut self, line: LogLine) {
        self.push(EventKind::Log(Box::new(line)));
    }

    pub(in crate::oracle) fn line(&self, step: &str, status: StepStatus, code: Option<Code>) -> StepLine {
        let (event, level) = match status {
            StepStatus::Success => ("workflow_step_succeeded", Level::Info),
            StepStatus::Failed => ("workflow_step_failed", Level::Error),
            StepStatus::Retry => ("workflow_step_retried", Level::Warn),
            StepStatus::RolledBack => ("workflow_step_rolled_back", Level::Info),
            StepStatus::Started => ("workflow_step_started", Level::Info),
        };
        let level = code.map_or(level, Level::of);
        let call = self.record.trace.events.iter().find_map(|event| match &event.kind {
            EventKind::CallStarted(started) if *started.correlation == self.correlation => Some(started),
            _ => None,
        });
        let key = call.and_then(|call| call.key.clone());
        let method = call.and_then(|call| call.arguments.get("payment_method_id")?.as_str()).map(Into::into);
        StepLine {
            event: event.to_owned().into(),
            level,
            user_id: self.user.into(),
            workflow_id: None,
            step_id: step.to_owned().into(),
            status,
            error_code: code,
            idempotency_key: key,
            correlation_id: self.correlation.as_str().into(),
            order_id: None,
            duration_ms: u64::try_from(self.now.saturating_sub(self.called).as_millis()).expect("short"),
            attempts: self.sent_since_the_call(),
            wait_ms: None,
            found: None,
            asked: Some(Arc::new(Asked { method, ..Asked::default() })),
            time: jiff::Timestamp::UNIX_EPOCH,
        }
    }

    fn sent_since_the_call(&self) -> u32 {
        let sent = self.record.trace.sent().filter(|(_, _, sent)| *sent.correlation == self.correlation).count();
        u32::try_from(sent).expect("a handful of requests")
    }

    pub(in crate::oracle) fn step(&mut self, step: &str, status: StepStatus, code: Option<Code>) {
        let line = self.line(step, status, code);
        self.log(LogLine::Step(line));
    }

    /// A line of an order; the first one of a step comes after the line with which the order begins.
    pub(in crate::oracle) fn order_step(&mut self, step: &str, status: StepStatus, order: &str) {
        let is_of_it = |event: &Event| {
            matches!(&event.kind, EventKind::Log(line)
                if matches!(&**line, LogLine::Step(line) if line.order_id.as_ref().is_some_and(|id| id.as_str() == order)))
        };
        let is_of_a_call = giftgenius::tools::table().iter().any(|tool| tool.spec.name == step);
        let begins = (step, status) == ("order", StepStatus::Started);
        if !begins && !is_of_a_call && !self.record.trace.events.iter().any(is_of_it) {
            self.order_step("order", StepStatus::Started, order);
        }
        let mut line = self.line(step, status, None);
        line.order_id = Some(order.into());
        self.log(LogLine::Step(line));
    }

    pub(in crate::oracle) fn result(&mut self, session: &str, status: CheckoutStatus, code: Option<Code>) {
        let line = CheckoutResult {
            event: "checkout_result".into(),
            level: code.map_or(Level::Info, Level::of),
            order_id: None,
            workflow_id: None,
            amount: None,
            replayed: false,
            duration_ms: 0,
            request_id: self.correlation.as_str().into(),
            user_id: self.user.into(),
            checkout_session_id: session.into(),
            status,
            error_code: code,
            time: jiff::Timestamp::UNIX_EPOCH,
        };
        self.log(LogLine::CheckoutResult(line));
    }

    pub(in crate::oracle) fn alert(&mut self, kind: AlertKind, order: &str) {
        let correlation = CorrelationId::from(self.correlation.as_str());
        let line = Alert::new(kind, order, "look at it", &correlation, jiff::Timestamp::UNIX_EPOCH);
        self.log(LogLine::Alert(line.of_order(Some(&order.into()))));
    }

    /// One about something that is no order.
    pub(in crate::oracle) fn alert_about(&mut self, kind: AlertKind, about: &str) {
        let correlation = CorrelationId::from(self.correlation.as_str());
        let line = Alert::new(kind, about, "look at it", &correlation, jiff::Timestamp::UNIX_EPOCH);
        self.log(LogLine::Alert(line));
    }
}
