//! Defects of the health page: what it says is not how things stand, or asking is not free.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use giftgenius::app::App;
use giftgenius::journal::Key;
use giftgenius::operations::health::{Checkout, Health, Sagas, Status, StoreState, health};
use giftgenius::ports::{BoxFuture, Provider};

use super::{Defect, each_life, on};
use crate::system::wiring::Wired;

/// See `about`.
pub static HEALTH_FROM_A_READ: Defect = Defect {
    id: "health_from_a_read",
    about: "the health page reads the store and never writes, so that a full disk is healthy",
    caught_by: "health-true",
    hunted_on: &[on("operations/what_the_health_page_says")],
    wiring: || each_life(|wired| wired.healthy(read_only)),
};

fn read_only(app: Arc<App>) -> BoxFuture<'static, Health> {
    Box::pin(async move { Health { store: StoreState::Ok, ..health(&app).await } })
}

/// See `about`.
pub static REPLICA_LOST_FOR_EVER: Defect = Defect {
    id: "replica_lost_for_ever",
    about: "the health page stays red after the store takes writes again, so that the replica never comes back",
    caught_by: "health-true",
    hunted_on: &[on("operations/what_the_health_page_says")],
    wiring: || {
        each_life(|wired| {
            let was_lost = Arc::new(AtomicBool::new(false));
            wired.healthy(move |app| {
                let was_lost = Arc::clone(&was_lost);
                Box::pin(async move {
                    let mut page = health(&app).await;
                    if was_lost.fetch_or(page.store == StoreState::Unavailable, Ordering::Relaxed) {
                        page.store = StoreState::Unavailable;
                    }
                    page
                })
            })
        })
    },
};

/// See `about`.
pub static DEGRADED_UNTOLD: Defect = Defect {
    id: "degraded_untold",
    about: "the word for the whole is `ok` whatever stands below it, and a monitor reads no further",
    caught_by: "health-true",
    hunted_on: &[on("operations/what_the_health_page_says")],
    wiring: || each_life(|wired| wired.healthy(always_ok)),
};

fn always_ok(app: Arc<App>) -> BoxFuture<'static, Health> {
    Box::pin(async move { Health { status: Status::Ok, ..health(&app).await } })
}

/// See `about`.
pub static PROVIDER_DOWN_AFTER_ONE_FAILURE: Defect = Defect {
    id: "provider_down_after_one_failure",
    about: "one attempt that fails makes a provider `down`, so that a monitor is red on any day",
    caught_by: "health-true",
    hunted_on: &[on("operations/what_the_health_page_says")],
    wiring: || each_life(|wired| wired.healthy(down_at_once)),
};

fn down_at_once(app: Arc<App>) -> BoxFuture<'static, Health> {
    Box::pin(async move {
        let mut page = health(&app).await;
        let states = [&mut page.providers.payment, &mut page.providers.catalog, &mut page.providers.inventory];
        for (provider, state) in [Provider::Payment, Provider::Catalog, Provider::Inventory].into_iter().zip(states) {
            if app.caller().budgets.failures_in_a_row(provider).is_some_and(|failures| failures > 0) {
                "down".clone_into(state);
            }
        }
        page
    })
}

/// See `about`.
pub static HEALTH_OF_A_STALE_SWITCH: Defect = Defect {
    id: "health_of_a_stale_switch",
    about: "the health page remembers how the switch was at the start, so that nobody sees that nothing is sold",
    caught_by: "health-true",
    hunted_on: &[on("operations/what_the_health_page_says")],
    wiring: || {
        each_life(|wired| {
            wired.healthy(|app| Box::pin(async move { Health { checkout: Some(Checkout::On), ..health(&app).await } }))
        })
    },
};

/// See `about`.
pub static HEALTH_OF_STALE_COUNTS: Defect = Defect {
    id: "health_of_stale_counts",
    about: "the health page counts orders once, so that what waits for a person is not seen",
    caught_by: "health-true",
    hunted_on: &[on("operations/what_the_health_page_says")],
    wiring: || {
        each_life(|wired| {
            wired.healthy(|app| {
                Box::pin(async move { Health { sagas: Some(Sagas { open: 0, parked: 0 }), ..health(&app).await } })
            })
        })
    },
};

/// See `about`.
pub static HEALTH_USES_THE_JOURNAL: Defect = Defect {
    id: "health_uses_the_journal",
    about: "each look at the health page is a read of the store, on the thread that sales wait for",
    caught_by: "health-true",
    hunted_on: &[on("operations/what_the_health_page_says")],
    wiring: || each_life(|wired| wired.healthy(reading)),
};

fn reading(app: Arc<App>) -> BoxFuture<'static, Health> {
    Box::pin(async move {
        // Whatever it reads.
        let _ = app.ports().journal.get(&Key::Switches).await;
        health(&app).await
    })
}

/// See `about`.
pub static HEALTH_WAITS_FOR_THE_STORE: Defect = Defect {
    id: "health_waits_for_the_store",
    about: "the health page waits as long as a call does, so that a monitor's own time-out takes the replica out",
    caught_by: "health-true",
    hunted_on: &[on("operations/what_the_health_page_says")],
    wiring: || each_life(|wired| wired.healthy(slowly)),
};

fn slowly(app: Arc<App>) -> BoxFuture<'static, Health> {
    Box::pin(async move {
        tokio::time::sleep(Duration::from_secs(5)).await;
        health(&app).await
    })
}

impl Wired {
    /// A health page of its own.
    fn healthy(mut self, page: impl Fn(Arc<App>) -> BoxFuture<'static, Health> + Send + Sync + 'static) -> Self {
        self.health = Some(Arc::new(page));
        self
    }
}
