//! Taking an event in: refused if it is not the provider's, durable before it is answered, and never twice.
//!
//! An event changes one thing only: its order's count of what was heard, in the batch that notes the event. Whoever
//! drives the order then looks at what is charged under it. An order that has ended is driven for that look alone: its
//! ending stays, and what should not stand is given back.

use std::sync::Arc;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::event::{Body, Event, EventType};
use super::record::{SeenEvent, UnknownPayment};
use super::signature::SignatureError;
use crate::app::App;
use crate::attempts::span;
use crate::checkout::driving::begin_driving;
use crate::checkout::order::Order;
use crate::checkout::recovery::take_over;
use crate::checkout::saga::Held;
use crate::ids::{CorrelationId, EventId, OrderId};
use crate::journal::{Batch, CommitError, JournalError, Key, Record, Version};
use crate::money::Money;
use crate::operations::parked::call_to_a_payment;
use crate::providers::payment::ChargeRecord;
use crate::retry::Urgency;
use crate::step_log::{Level, LogLine, WebhookLine, WebhookStatus};

/// How often a lost race is run again: each time somebody else's batch went through.
const RACES_MAX: u32 = 8;

/// What a delivery is answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answer {
    /// Taken in, and durable.
    Accepted,
    /// Taken in earlier; nothing was changed.
    Duplicate,
    /// Nothing that a checkout has to know of.
    Ignored,
    /// Its reference is no order's: left to a person.
    Parked,
    /// Not the provider's, or not signed just now.
    Refused(SignatureError),
    /// Signed, and no event.
    Malformed,
    /// This server has no secret, so it takes nothing in.
    NotSetUp,
    /// The store failed: nothing is known to have been taken in, and the provider sends it again.
    StoreFailed,
    /// It takes longer than the provider waits. It goes on, and the provider sends it again.
    Late,
}

impl Answer {
    /// 2xx only for what is durable; 4xx for what no redelivery makes right; 5xx so that the provider sends it again.
    pub const fn http_status(self) -> u16 {
        match self {
            Self::Accepted | Self::Duplicate | Self::Ignored | Self::Parked => 200,
            Self::Malformed | Self::Refused(SignatureError::Malformed) => 400,
            Self::Refused(SignatureError::Wrong | SignatureError::Stale) => 401,
            Self::NotSetUp => 404,
            Self::StoreFailed | Self::Late => 503,
        }
    }

    /// The word in the reply and in the log.
    pub const fn status(self) -> WebhookStatus {
        match self {
            Self::Accepted => WebhookStatus::Accepted,
            Self::Duplicate => WebhookStatus::Duplicate,
            Self::Ignored => WebhookStatus::Ignored,
            Self::Parked => WebhookStatus::Parked,
            Self::Malformed | Self::Refused(_) | Self::NotSetUp => WebhookStatus::Refused,
            Self::StoreFailed | Self::Late => WebhookStatus::Failed,
        }
    }
}

impl App {
    /// Takes one delivery of the payment provider's in, with the signature header it came with. Answers within the policy's
    /// time; what was begun goes on after that, and if the future is dropped.
    pub async fn payment_webhook(self: &Arc<Self>, signature: Option<&str>, body: &[u8]) -> Answer {
        let answer_by = Instant::now() + self.policy().webhooks.answer_within;
        let answer = |answer, event: Option<&Event>| {
            log(self, answer, event.map(|event| (&event.id, event.kind, Some(&event.reference))));
            answer
        };
        let Some(secret) = self.webhook_secret() else { return Answer::NotSetUp };
        let tolerance = self.policy().webhooks.tolerance;
        if let Err(error) = secret.verify(signature.unwrap_or_default(), body, self.now(), tolerance) {
            return answer(Answer::Refused(error), None);
        }
        self.caller().heard_event();
        let event = match Body::read(body) {
            Body::OfACharge(event) => event,
            Body::OfNoConcern(id, kind) => {
                log(self, Answer::Ignored, Some((&id, kind, None)));
                return Answer::Ignored;
            }
            Body::Malformed => return answer(Answer::Malformed, None),
        };
        let (told, taken) = oneshot::channel();
        let (app, of_task) = (Arc::clone(self), event.clone());
        let work = async move {
            let result = take_in(&app, &of_task).await;
            // A provider that has hung up needs no answer: it delivers again.
            let _ = told.send(result);
        };
        self.ports().tasks.spawn("webhook", Box::pin(work));
        let Ok(taken) = tokio::time::timeout_at(answer_by, taken).await else {
            tracing::error!(event = %event.id, "an event is not taken in yet, and its answer is due");
            return answer(Answer::Late, Some(&event));
        };
        let result = taken.unwrap_or_else(|_| Err(JournalError::Other(String::from("the writing task was stopped"))));
        let result = result.unwrap_or_else(|error| {
            tracing::error!(%error, event = %event.id, "the journal failed under an event");
            Answer::StoreFailed
        });
        answer(result, Some(&event))
    }
}

/// One line an event; nothing of what was refused but that it was, and of many refusals only how many.
fn log(app: &App, answer: Answer, event: Option<(&EventId, EventType, Option<&OrderId>)>) {
    let status = answer.status();
    let mut count = None;
    if status == WebhookStatus::Refused {
        count = app.refused_deliveries();
        if count.is_none() {
            return;
        }
    }
    let level = match status {
        WebhookStatus::Accepted | WebhookStatus::Duplicate | WebhookStatus::Ignored => Level::Info,
        WebhookStatus::Refused | WebhookStatus::Parked => Level::Warn,
        WebhookStatus::Failed => Level::Error,
    };
    app.ports().log.record(LogLine::Webhook(WebhookLine {
        event: status.event().into(),
        level,
        status,
        event_id: event.map(|(id, ..)| id.clone()),
        kind: event.map(|(_, kind, _)| kind),
        order_id: event.and_then(|(.., reference)| reference.cloned()),
        count,
        time: app.now(),
    }));
}

/// Takes a signed event in.
async fn take_in(app: &Arc<App>, event: &Event) -> Result<Answer, JournalError> {
    for _ in 0..RACES_MAX {
        if app.ports().journal.get(&Key::Event(event.id.clone())).await?.is_some() {
            return Ok(Answer::Duplicate);
        }
        let taken = match app.order(&event.reference).await? {
            None => park(app, event).await,
            Some((version, order)) => hear(app, event, version, order.to_order()).await,
        };
        match taken {
            Ok(answer) => return Ok(answer),
            // Another delivery of it, or the order's owner, was faster.
            Err(CommitError::Conflict(_)) => {}
            Err(CommitError::Store(error)) => return Err(error),
        }
    }
    Err(JournalError::Busy)
}

fn seen(app: &App, event: &Event) -> Batch {
    let record = SeenEvent {
        id: event.id.clone(),
        kind: event.kind,
        reference: event.reference.clone(),
        seen_at: app.now(),
        drop_after: app.ports().after(app.policy().webhooks.event_retention),
    };
    Batch::default().put(None, Record::Event(record))
}

/// An order is told that something was heard of it, and is looked at.
async fn hear(app: &Arc<App>, event: &Event, version: Version, mut order: Order) -> Result<Answer, CommitError> {
    let batch = seen(app, event);
    if order.is_parked() {
        // A person has it, and looks at the provider anyway.
        app.ports().journal.commit(batch).await?;
        return Ok(Answer::Accepted);
    }
    let driven = order.has_work();
    order.heard = order.heard.saturating_add(1);
    order.heard_of_money_back |= event.kind.is_of_money_back();
    if !driven {
        // Ended, and nobody's: ours from here.
        order.fence += 1;
        order.background_rounds = 0;
        order.lease_until = app.ports().after(app.policy().lease);
        let batch = batch.put(Some(version), Record::Order(order.clone()));
        begin_driving(app, batch, Held { version: version + 1, order: Box::new(order) }, None).await?;
        return Ok(Answer::Accepted);
    }
    app.ports().journal.commit(batch.put(Some(version), Record::Order(order.clone()))).await?;
    // Its driver finds the count at its next write at the latest. Without one here it is somebody else's, or nobody's
    // until its lease runs out.
    if !app.waiters.wake(&order.id)
        && order.lease_until <= app.now()
        && let Err(error) = take_over(app, version + 1, order).await
    {
        // What was heard is durable, and recovery goes on with it.
        tracing::warn!(%error, order = %event.reference, "an order was not taken up");
    }
    Ok(Answer::Accepted)
}

/// A reference that is no order's: left to a person, who is called once, unless the provider says that nothing stands.
async fn park(app: &Arc<App>, event: &Event) -> Result<Answer, CommitError> {
    let known = app.ports().journal.get(&Key::Payment(event.reference.clone())).await?.is_some();
    let correlation = CorrelationId::from(event.id.as_str());
    let note = if known { None } else { note(app, &event.reference, &correlation).await };
    let mut batch = seen(app, event);
    let payment =
        note.map(|note| UnknownPayment { reference: event.reference.clone(), since: app.now(), note, alerted: false });
    if let Some(payment) = payment.clone() {
        batch = batch.put(None, Record::Payment(payment));
    }
    app.ports().journal.commit(batch).await?;
    match payment {
        Some(payment) => {
            call_to_a_payment(app, 1, &payment).await;
            Ok(Answer::Parked)
        }
        None if known => Ok(Answer::Parked),
        None => Ok(Answer::Accepted),
    }
}

/// What stands under a reference that is no order's; `None` if nothing does.
async fn note(app: &App, reference: &OrderId, correlation: &CorrelationId) -> Option<String> {
    const TODO: &str = "this server has no such order; find out whose it is, or refund it at the payment provider";
    let standing = |charge: &ChargeRecord| {
        (charge.standing() > 0)
            .then(|| format!("{} of charge {}", Money::new(charge.standing(), charge.currency), charge.id))
    };
    // One attempt, whose line is written like any other's.
    match span(Urgency::Round, app.caller().look_up_once(reference, correlation)).await {
        Ok(charges) => {
            let standing: Vec<_> = charges.iter().filter_map(standing).collect();
            (!standing.is_empty()).then(|| format!("{} stands under {reference}; {TODO}", standing.join(" and ")))
        }
        Err(_) => Some(format!("a charge may stand under {reference}, and the provider did not answer; {TODO}")),
    }
}
