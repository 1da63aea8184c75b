//! Housekeeping: dropping records that are past their time to live (F4), so that a journal does not grow for ever.

use std::sync::Arc;
use std::time::Duration;

use crate::app::App;

/// How often. Expiry is counted in days; what counts is that it happens.
const EVERY: Duration = Duration::from_secs(60 * 60);

/// Drops expired records now and every hour, for ever. A store that fails is asked again the next time.
pub async fn housekeeping(app: Arc<App>) {
    loop {
        match app.ports().journal.drop_expired(app.ports().clock.now()).await {
            Ok(0) => {}
            Ok(records) => tracing::info!(records, "dropped expired records"),
            Err(error) => tracing::warn!(%error, "expired records were not dropped"),
        }
        tokio::time::sleep(EVERY).await;
    }
}
