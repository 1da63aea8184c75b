//! Driving an order and waiting for it: how a driver begins, and how callers learn its outcome.
//!
//! A caller may go away between any two lines (the platform cancels, the connection breaks), so the journal write that
//! gives this process an order is made by the task that then drives it: there is no instant at which an order is
//! journalled as begun without a driver.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::answer::{Standing, standing};
use super::order::KeptOrder;
use super::recovery::take_over;
use super::saga::{Held, drive};
use super::waiters::Phase;
use crate::app::{App, Took};
use crate::ids::OrderId;
use crate::journal::{Batch, CommitError, JournalError};
use crate::step_log::StepStatus;

/// Writes the batch that gives this process an order, and drives the order in a task of its own from there. Answers once
/// the batch is written. `held` is the order as written.
pub async fn begin_driving(
    app: &Arc<App>,
    batch: Batch,
    held: Held,
    deadline: Option<Instant>,
) -> Result<(), CommitError> {
    let (told, written) = oneshot::channel();
    let until = batch.until;
    let app_of_task = app.clone();
    let work = Box::pin(async move {
        let app = app_of_task;
        if let Err(error) = app.ports().journal.commit(batch).await {
            // A caller that is gone needs no answer, here and below.
            let _ = told.send(Err(error));
            return;
        }
        let driver = app.waiters.begin(&held.order.id);
        let is_new = held.version == 1;
        if is_new {
            app.log_step(&held.order, "order", StepStatus::Started, None, Took::default());
        }
        let _ = told.send(Ok(()));
        drive(&app, held, deadline, &driver).await;
    });
    app.ports().tasks.spawn("saga", work);
    let written = async {
        written.await.unwrap_or_else(|_| Err(JournalError::Other(String::from("the writing task was stopped")).into()))
    };
    app.while_awaited(until, written).await
}

/// How often a caller without an owner in this process asks the journal.
const POLL: Duration = Duration::from_millis(500);

/// Waits until an order has ended, goes on in the background, or the caller's time is up; answers the order as it is
/// then. An order whose owner has been silent for a lease is taken over on the way.
pub async fn wait(app: &Arc<App>, id: &OrderId, answer_by: Instant) -> Result<Option<KeptOrder>, JournalError> {
    loop {
        // Subscribed before the record is read, so that no news falls between. Who has ended an order and is still there has
        // no news of one that is open: another process has opened it again, and that one's record is all there is to ask.
        let news = app.waiters.wait(id).filter(|news| !news.has_ended());
        let Some((version, order)) = app.order(id).await? else { return Ok(None) };
        if !order.is_open() {
            return Ok(Some(order));
        }
        let goes_on = if let Some(news) = news {
            match tokio::time::timeout_at(answer_by, news.past_working()).await {
                Ok(Some(phase)) => phase != Phase::Background,
                // Its driver is gone: read the record.
                Ok(None) => true,
                Err(_) => false,
            }
        } else if Instant::now() >= answer_by || !matches!(standing(&order), Standing::Pending(..)) {
            false
        } else if order.lease_until <= app.now() {
            // Boxed: it is rare, and every caller would wait with the room for it. The write is made by a task of its own:
            // where the store takes longer than the caller can wait, the order is taken over all the same.
            let taken = Box::pin(take_over(app, version, order.to_order()));
            match tokio::time::timeout_at(answer_by, taken).await {
                Ok(taken) => taken.map(|()| true)?,
                Err(_) => false,
            }
        } else {
            tokio::time::timeout_at(answer_by, tokio::time::sleep(POLL)).await.is_ok()
        };
        if !goes_on || Instant::now() >= answer_by {
            return Ok(app.order(id).await?.map(|(_, order)| order));
        }
    }
}
