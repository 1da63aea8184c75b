//! The health page (I6): what a monitor polls, and the first thing a person looks at.
//!
//! A provider's loss is detail (`degraded`): the server still browses, answers about orders and finishes sales. The
//! loss of its own store is its own failure: without it nothing may be sold.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::journal::JournalError;
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
    let (store, sagas, checkout) = match of_store(app).await {
        Ok((sagas, checkout)) => (StoreState::Ok, Some(sagas), Some(checkout)),
        Err(_) => (StoreState::Unavailable, None, None),
    };
    let provider_down =
        [&providers.payment, &providers.catalog, &providers.inventory].iter().any(|state| *state == "down");
    let degraded = provider_down || store != StoreState::Ok || checkout != Some(Checkout::On);
    Health {
        status: if degraded { Status::Degraded } else { Status::Ok },
        mcp: "ok".into(),
        time: app.ports().clock.now(),
        store,
        providers,
        sagas,
        checkout,
    }
}

async fn of_store(app: &App) -> Result<(Sagas, Checkout), JournalError> {
    let counts = app.saga_counts().await?;
    let checkout = if app.checkout_on().await? { Checkout::On } else { Checkout::Off };
    Ok((Sagas { open: counts.open, parked: counts.parked }, checkout))
}
