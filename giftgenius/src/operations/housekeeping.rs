//! Housekeeping: what has to be done again and again while a server runs. Records that are past their time to live are
//! dropped (F4), so that a journal does not grow for ever; orders whose owner died or lost its store are taken up (F8), so
//! that none waits for a restart.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;

use crate::app::App;
use crate::checkout::recovery::take_up_abandoned;
use crate::ids::CorrelationId;
use crate::operations::retention;

/// How often orders are looked through; an order is abandoned for a lease before it counts as such.
const EVERY: Duration = Duration::from_secs(60);

/// Records are dropped once in so many rounds. Expiry is counted in days; what counts is that it happens.
const DROP_ROUNDS: u32 = 60;

/// Keeps house for ever. A store that fails is asked again the next time, and so is what a bug takes down.
pub async fn housekeeping(app: Arc<App>) {
    for round in (0..DROP_ROUNDS).cycle() {
        if round == 0 {
            match AssertUnwindSafe(retention::drop_expired(&app)).catch_unwind().await {
                Ok(Ok(0)) => {}
                Ok(Ok(records)) => tracing::info!(records, "dropped expired records"),
                Ok(Err(error)) => tracing::warn!(%error, "expired records were not dropped"),
                Err(_panic) => tracing::error!("a bug kept expired records from being dropped"),
            }
        }
        tokio::time::sleep(EVERY).await;
        app.caller().alert_of_silence(&CorrelationId::from("housekeeping"));
        match AssertUnwindSafe(take_up_abandoned(&app)).catch_unwind().await {
            Ok(Ok(0)) => {}
            Ok(Ok(orders)) => tracing::warn!(orders, "took up abandoned orders"),
            Ok(Err(error)) => tracing::warn!(%error, "abandoned orders were not looked for"),
            Err(_panic) => tracing::error!("a bug kept abandoned orders from being looked for"),
        }
    }
}
