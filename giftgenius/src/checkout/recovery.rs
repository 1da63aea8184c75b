//! Recovery (F8): takes up every order that an earlier life left open, once its owner has been silent for a lease.

use std::sync::Arc;

use super::driving::begin_driving;
use super::order::Order;
use super::saga::Held;
use super::state::{Cause, Charge, Direction};
use crate::app::App;
use crate::journal::{Batch, CommitError, JournalError, Record, RecordState, Version};
use crate::time;

/// Takes up all open orders, each when its lease has run out; answers how many there are.
pub async fn recover(app: &Arc<App>) -> Result<usize, JournalError> {
    let open = app.ports().journal.list(RecordState::OrderOpen).await?;
    for stored in &open {
        let Record::Order(order) = &*stored.record else { continue };
        let (app, id) = (app.clone(), order.id.clone());
        let tasks = app.ports().tasks.clone();
        tasks.spawn(
            "recovery",
            Box::pin(async move {
                // An owner that lives renews its lease: wait for as long as the record, read again, says.
                loop {
                    match app.order(&id).await {
                        Ok(Some((version, order))) if order.is_open() => {
                            let wait = time::until(app.now(), order.lease_until);
                            if wait.is_zero() {
                                if let Err(error) = take_over(&app, version, order).await {
                                    tracing::error!(%error, order = %id, "recovery could not take an order up");
                                }
                                return;
                            }
                            tokio::time::sleep(wait).await;
                        }
                        Ok(_) => return,
                        Err(error) => {
                            tracing::error!(%error, order = %id, "recovery cannot read an order");
                            return;
                        }
                    }
                }
            }),
        );
    }
    Ok(open.len())
}

/// Takes an order over by compare-and-set on its version, and drives it in the background. Losing the race is no error:
/// somebody else drives it then.
pub async fn take_over(app: &Arc<App>, version: Version, mut order: Order) -> Result<(), JournalError> {
    order.fence += 1;
    order.lease_until = app.ports().after(app.policy().lease);
    // In degraded mode a sale that has not reached its charge goes back; after it, it goes forward.
    if order.saga.direction == Direction::Forward && order.saga.charge == Charge::NotSent && !app.checkout_on().await? {
        order.saga.direction = Direction::Back(Cause::CheckoutDisabled);
    }
    let batch = Batch::default().put(Some(version), Record::Order(order.clone()));
    match begin_driving(app, batch, Held { version: version + 1, order }, None).await {
        Ok(()) | Err(CommitError::Conflict(_)) => Ok(()),
        Err(CommitError::Store(error)) => Err(error),
    }
}
