//! Recovery (F8): takes up every order that an earlier life left open, once its owner has been silent for a lease.

use std::sync::Arc;
use std::time::Duration;

use super::driving::begin_driving;
use super::order::Order;
use super::saga::Held;
use super::state::{Cause, Charge, Direction};
use super::steps::background_delay;
use crate::app::App;
use crate::ids::OrderId;
use crate::journal::{Batch, CommitError, JournalError, Record, RecordState, Version};
use crate::operations::parked::call_people;
use crate::resting::rest_for;
use crate::time;

/// Takes up all open orders, each when its lease has run out; returns how many there are. Sends the alerts of parked
/// orders that are still missing.
pub async fn recover(app: &Arc<App>) -> Result<usize, JournalError> {
    let open = app.ports().journal.list(RecordState::OrderOpen).await?;
    for stored in &open {
        let Record::Order(order) = &*stored.record else { continue };
        app.ports().tasks.spawn("recovery", Box::pin(take_up(app.clone(), order.id.clone())));
    }
    call_people(app).await?;
    Ok(open.len())
}

/// Takes up the open orders whose owner has been silent for a lease; answers how many. Asked again and again it finds what
/// another process left when it died, or this one when the store failed under a sale.
pub async fn take_up_abandoned(app: &Arc<App>) -> Result<usize, JournalError> {
    call_people(app).await?;
    let mut taken = 0;
    for stored in app.ports().journal.list(RecordState::OrderOpen).await? {
        if let Record::Order(order) = &*stored.record
            && order.lease_until <= app.now()
            && app.waiters.wait(&order.id).is_none()
        {
            take_over(app, stored.version, order.clone()).await?;
            taken += 1;
        }
    }
    Ok(taken)
}

/// Waits for as long as an order's owner lives and renews its lease, then takes the order over.
async fn take_up(app: Arc<App>, id: OrderId) {
    let mut failures = 0;
    loop {
        match look(&app, &id).await {
            Ok(None) => return,
            Ok(Some(wait)) => rest_for(wait).await,
            Err(error) => {
                tracing::error!(%error, order = %id, "recovery could not take an order up");
                failures += 1;
                if failures > app.policy().background.attempts_max {
                    return;
                }
                rest_for(background_delay(app.policy(), failures, None)).await;
            }
        }
    }
}

/// Takes an order over if its lease has run out; else answers how long it still holds. `None`: nothing is left to do here.
async fn look(app: &Arc<App>, id: &OrderId) -> Result<Option<Duration>, JournalError> {
    let Some((version, order)) = app.order(id).await?.filter(|(_, order)| order.has_work()) else { return Ok(None) };
    // A caller was faster, and this process drives it, whatever a calendar that was set makes of its lease: a second
    // driver would send again what the first is waiting to repeat. If that one gives up, housekeeping finds the order.
    if app.waiters.wait(id).is_some() {
        return Ok(None);
    }
    let wait = time::until(app.now(), order.lease_until);
    if wait.is_zero() {
        take_over(app, version, order.to_order()).await?;
        return Ok(None);
    }
    Ok(Some(wait))
}

/// Takes an order over by compare-and-set on its version, and drives it in the background. Losing the race is no error:
/// another process drives it then.
pub async fn take_over(app: &Arc<App>, version: Version, mut order: Order) -> Result<(), JournalError> {
    order.fence += 1;
    order.lease_until = app.ports().after(app.policy().lease);
    // In degraded mode a sale that has not reached its charge goes back; after it, it goes forward.
    if order.saga.direction == Direction::Forward && order.saga.charge == Charge::NotSent && !app.checkout_on().await? {
        order.saga.direction = Direction::Back(Cause::CheckoutDisabled);
    }
    let batch = Batch::default().put(Some(version), Record::Order(order.clone()));
    match begin_driving(app, batch, Held { version: version + 1, order: Box::new(order) }, None).await {
        Ok(()) | Err(CommitError::Conflict(_)) => Ok(()),
        Err(CommitError::Store(error)) => Err(error),
    }
}
