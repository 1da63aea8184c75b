//! The health page (I6): what a monitor polls, and the first thing a person looks at.
//!
//! A provider's loss is detail (`degraded`): the server still browses, answers about orders and finishes sales. The
//! loss of its own store is its own failure: without it nothing may be sold.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::journal::watched::STORE_DOWN_AFTER;
use crate::journal::{JournalError, Overview};
use crate::operations::switches;
use crate::ports::Provider;

/// The whole in one word.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Everything works.
    Ok,
    /// Something below does not.
    Degraded,
}

/// Whether the store answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StoreState {
    /// It does.
    Ok,
    /// It does not; no sale begins.
    Unavailable,
}

/// How the providers were last seen: `ok`, `down`, or `unknown` before the first call.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ProviderStates {
    /// Charges, refunds, payment methods.
    pub payment: String,
    /// Products, prices, promo codes.
    pub catalog: String,
    /// Reservations of stock.
    pub inventory: String,
}

/// How many sagas there are.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Sagas {
    /// With work left.
    pub open: usize,
    /// Waiting for a person.
    pub parked: usize,
}

/// Whether sales may begin.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Checkout {
    /// They may.
    On,
    /// Switched off: recommendations only.
    Off,
}

/// The health page's document.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Health {
    /// The whole in one word.
    pub status: Status,
    /// `ok`: whoever reads this was answered by the process that serves `/mcp`.
    pub mcp: String,
    /// When, in UTC.
    pub time: Timestamp,
    /// The store.
    pub store: StoreState,
    /// The providers.
    pub providers: ProviderStates,
    /// How many lines of the log were dropped in this process's life because nobody read them.
    #[serde(default)]
    pub log_lines_dropped: u64,
    /// The sagas; absent where the store cannot be asked.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub sagas: Option<Sagas>,
    /// The switch; absent where the store cannot be asked.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub checkout: Option<Checkout>,
}

impl Health {
    /// 200, or 503 where this server itself cannot work.
    pub const fn http_status(&self) -> u16 {
        match self.store {
            StoreState::Ok => 200,
            StoreState::Unavailable => 503,
        }
    }
}

/// How long a question to the store may take; a probe may first wait as long for another one. A monitor is answered within
/// a second.
const ANSWER_MAX: Duration = Duration::from_millis(400);

/// From so many failed attempts in a row on, a provider counts as down: one or two are everyday noise.
const DOWN_FAILURES: u32 = 3;

/// How the providers were last seen.
pub fn provider_states(app: &App) -> [(Provider, &'static str); 3] {
    Provider::ALL.map(|provider| {
        let state = match app.caller().budgets.failures_in_a_row(provider) {
            None => "unknown",
            Some(DOWN_FAILURES..) => "down",
            Some(_) => "ok",
        };
        (provider, state)
    })
}

/// How everything stands now.
pub async fn health(app: &App) -> Health {
    let [payment, catalog, inventory] = provider_states(app).map(|(_, state)| state.to_owned());
    let providers = ProviderStates { payment, catalog, inventory };
    let reading = tokio::time::timeout(ANSWER_MAX, of_store(app));
    let ((), read) = tokio::join!(probe(app), reading);
    let (sagas, checkout) = match read {
        Ok(Ok((sagas, checkout))) => (Some(sagas), Some(checkout)),
        Ok(Err(_)) | Err(_) => (None, None),
    };
    // What can be read is worth little where nothing can be written; a store that writes is up, also while it is slow.
    let lost = app.store().is_lost() || (sagas.is_none() && !app.store().took_a_write(STORE_DOWN_AFTER));
    let store = if lost { StoreState::Unavailable } else { StoreState::Ok };
    let provider_down =
        [&providers.payment, &providers.catalog, &providers.inventory].iter().any(|state| *state == "down");
    let degraded = provider_down || store != StoreState::Ok || checkout != Some(Checkout::On);
    Health {
        status: if degraded { Status::Degraded } else { Status::Ok },
        mcp: "ok".into(),
        time: app.ports().clock.now(),
        store,
        providers,
        log_lines_dropped: app.ports().log.dropped(),
        sagas,
        checkout,
    }
}

/// How often a server looks whether it knows how its store is.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Keeps what is known of the store recent, for ever: an idle server writes to it too. So ten seconds without a write are
/// ten seconds in which the store was tried and took none, and the page does not take a moment's lock for its loss.
pub async fn keep_probing(app: Arc<App>) {
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        probe(&app).await;
    }
}

/// Writes, where no write has succeeded of late: a store that can only be read sells nothing. All who ask at once wait for
/// the same probe.
async fn probe(app: &App) {
    let Ok(_turn) = tokio::time::timeout(ANSWER_MAX, app.store().turn_to_probe()).await else { return };
    if !app.store().takes_a_probe() {
        return;
    }
    match tokio::time::timeout(ANSWER_MAX, app.ports().journal.probe()).await {
        Ok(Ok(())) => app.store().wrote(),
        Ok(Err(error)) => app.store().refused(&error),
        Err(_) => app.store().refused(&JournalError::Busy),
    }
}

async fn of_store(app: &App) -> Result<(Sagas, Checkout), JournalError> {
    let Overview { open, parked, switches } = app.ports().journal.overview().await?;
    let on = switches::of_record(switches.as_ref())?.checkout;
    app.note_switch(on);
    Ok((Sagas { open, parked }, if on { Checkout::On } else { Checkout::Off }))
}
