//! Defects of alerts: critical failures without one, and alerts that are repeated.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use giftgenius::app::App;
use giftgenius::checkout::order::{Order, Page};
use giftgenius::error::{Code, ErrorType};
use giftgenius::journal::{Record, Stored};
use giftgenius::operations::rates::IN_A_ROW;
use giftgenius::step_log::{Alert, AlertKind, LogLine};
use serde_json::Value;

use super::{Defect, each_life, on};
use crate::system::wiring::Wired;

/// See `about`.
pub static FAILING_STEP_WITHOUT_AN_ALERT: Defect = Defect {
    id: "failing_step_without_an_alert",
    about: "the payment provider refuses every sale, which is no outage, and nobody is woken",
    caught_by: "alert-fits",
    hunted_on: &[on("operations/every_sale_is_refused")],
    wiring: || each_life(|wired| silent(wired, AlertKind::StepFailing)),
};

/// See `about`.
pub static ALERT_AT_EVERY_FAILURE: Defect = Defect {
    id: "alert_at_every_failure",
    about: "each call that fails wakes somebody, until nobody listens any more",
    caught_by: "alert-fits",
    hunted_on: &[on("operations/every_sale_is_refused")],
    wiring: || {
        each_life(|wired| {
            wired.taking(|app, call| async move {
                let name = call.name.clone();
                let reply = app.call_tool(call).await?;
                let code = reply.structured.pointer("/error/code");
                let code = code.and_then(|code| serde_json::from_value::<Code>(Value::clone(code)).ok());
                if code.is_some_and(|code| code.kind() == ErrorType::Technical) {
                    wake(&app, AlertKind::StepFailing, &name);
                }
                Ok(reply)
            })
        })
    },
};

/// See `about`.
pub static TIME_OUTS_WITHOUT_AN_ALERT: Defect = Defect {
    id: "time_outs_without_an_alert",
    about: "every fifth attempt runs into its time-out, the repeats hide it, and nobody is woken",
    caught_by: "alert-fits",
    hunted_on: &[on("operations/the_catalog_is_often_too_slow")],
    wiring: || each_life(|wired| silent(wired, AlertKind::TimeOuts)),
};

/// See `about`.
pub static LOST_STORE_WITHOUT_AN_ALERT: Defect = Defect {
    id: "lost_store_without_an_alert",
    about: "the disk is full, no sale begins, and nobody is woken",
    caught_by: "alert-fits",
    hunted_on: &[on("operations/the_store_takes_nothing")],
    wiring: || each_life(|wired| silent(wired, AlertKind::StoreDown)),
};

/// See `about`.
pub static MISSING_WEBHOOKS_WITHOUT_AN_ALERT: Defect = Defect {
    id: "missing_webhooks_without_an_alert",
    about: "the payment provider's events stopped, sales are looked up one by one, and nobody is woken",
    caught_by: "alert-fits",
    hunted_on: &[on("operations/no_event_comes")],
    wiring: || each_life(|wired| silent(wired, AlertKind::WebhooksMissing)),
};

/// See `about`.
pub static WRONG_AMOUNT_WITHOUT_AN_ALERT: Defect = Defect {
    id: "wrong_amount_without_an_alert",
    about: "another amount was taken than agreed; it is given back, and nobody asks why",
    caught_by: "alert-fits",
    hunted_on: &[on("unknown/another_amount_is_taken")],
    wiring: || each_life(|wired| silent(wired, AlertKind::AmountMismatch)),
};

/// See `about`.
pub static DOUBLE_CHARGE_WITHOUT_AN_ALERT: Defect = Defect {
    id: "double_charge_without_an_alert",
    about: "two charges stood for one order; one is given back, and nobody asks why",
    caught_by: "alert-fits",
    hunted_on: &[on("unknown/keyless_charges_twice")],
    wiring: || each_life(|wired| silent(wired, AlertKind::DoubleCharge)),
};

/// See `about`.
pub static PANIC_WITHOUT_AN_ALERT: Defect = Defect {
    id: "panic_without_an_alert",
    about: "a bug in a handler takes calls down, the log has their lines, and nobody is woken",
    caught_by: "alert-fits",
    hunted_on: &[on("operations/a_handler_keeps_panicking")],
    wiring: || each_life(|wired| silent(wired, AlertKind::HandlerPanicked)),
};

/// See `about`.
pub static ALERT_AT_EVERY_PANIC: Defect = Defect {
    id: "alert_at_every_panic",
    about: "each call that a bug takes down wakes somebody, until nobody listens any more",
    caught_by: "alert-fits",
    hunted_on: &[on("operations/a_handler_keeps_panicking")],
    wiring: || {
        each_life(|wired| {
            wired.taking(|app, call| async move {
                let name = call.name.clone();
                let reply = app.call_tool(call).await?;
                if reply.structured.pointer("/error/code").is_some_and(|code| code == "INTERNAL") {
                    wake(&app, AlertKind::HandlerPanicked, &name);
                }
                Ok(reply)
            })
        })
    },
};

/// See `about`.
pub static ONE_CAUSE_TOLD_TWICE: Defect = Defect {
    id: "one_cause_told_twice",
    about: "a provider is down, which somebody was woken for, and its calls that fail wake somebody once more",
    caught_by: "alert-fits",
    hunted_on: &[on("operations/a_provider_is_down_for_many_calls")],
    wiring: || {
        each_life(|wired| {
            let failed = Arc::new(AtomicU32::new(0));
            wired.taking(move |app, call| {
                let failed = Arc::clone(&failed);
                async move {
                    let (name, correlation) = (call.name.clone(), call.correlation_id.clone());
                    let reply = app.call_tool(call).await?;
                    let code = reply.structured.pointer("/error/code");
                    let lost = code.is_some_and(|code| code == "CATALOG_UNAVAILABLE");
                    if lost && failed.fetch_add(1, Ordering::Relaxed) + 1 == IN_A_ROW {
                        let correlation = correlation.unwrap_or_else(|| "alert".into());
                        let alert =
                            Alert::new(AlertKind::StepFailing, &name, "calls keep failing", &correlation, app.now());
                        app.ports().log.record(LogLine::Alert(alert));
                    }
                    Ok(reply)
                }
            })
        })
    },
};

/// See `about`.
pub static SECOND_LOSS_IS_SILENT: Defect = Defect {
    id: "second_loss_is_silent",
    about: "the first loss of a provider raises an alert; losses after it has answered again raise none",
    caught_by: "alert-fits",
    hunted_on: &[on("operations/a_provider_is_lost_twice")],
    wiring: || {
        each_life(|wired| {
            let told = AtomicU32::new(0);
            wired.logging(move |line| match &line {
                LogLine::Alert(alert) if alert.kind == AlertKind::ProviderDown => {
                    (told.fetch_add(1, Ordering::Relaxed) == 0).then_some(line)
                }
                _ => Some(line),
            })
        })
    },
};

/// See `about`.
pub static ALERT_AT_EVERY_LOST_ATTEMPT: Defect = Defect {
    id: "alert_at_every_lost_attempt",
    about: "a provider is down, and each further attempt that fails wakes somebody, until nobody listens any more",
    caught_by: "alert-fits",
    hunted_on: &[on("operations/a_provider_is_down_for_many_calls")],
    wiring: || {
        each_life(|wired| {
            let ports = (Arc::clone(&wired.ports.log), Arc::clone(&wired.ports.clock), Arc::new(AtomicU32::new(0)));
            wired.sending(move |next, request| {
                let (log, clock, failed) = ports.clone();
                async move {
                    let sent = next.send(request).await;
                    if sent.as_ref().is_ok_and(|response| response.status < 500) {
                        failed.store(0, Ordering::Relaxed);
                    } else if failed.fetch_add(1, Ordering::Relaxed) >= IN_A_ROW {
                        let message = "one more attempt has failed";
                        let alert =
                            Alert::new(AlertKind::ProviderDown, "catalog", message, &"alert".into(), clock.now());
                        log.record(LogLine::Alert(alert));
                    }
                    sent
                }
            })
        })
    },
};

/// See `about`.
pub static MONEY_STANDS_WITHOUT_A_PAGE: Defect = Defect {
    id: "money_stands_without_a_page",
    about: "an order waits for a person as a ticket, its money is blocked for days, and nobody is woken",
    caught_by: "alert-fits",
    hunted_on: &[on("operations/parked_money_is_paged")],
    wiring: || each_life(|wired| silent(wired, AlertKind::MoneyStands)),
};

/// See `about`.
pub static PAGE_AT_EVERY_ROUND: Defect = Defect {
    id: "page_at_every_round",
    about: "that a person was paged for blocked money is not noted, so each round of housekeeping pages again",
    caught_by: "alert-fits",
    hunted_on: &[on("operations/parked_money_is_paged")],
    wiring: || each_life(|wired| wired.reading(|_, stored| Some(changed(stored, |order| order.page = Page::None)))),
};

/// See `about`.
pub static PAGE_BY_EACH_REPLICA: Defect = Defect {
    id: "page_by_each_replica",
    about: "each replica keeps in memory for which blocked money it has paged, and does not look into the journal",
    caught_by: "alert-fits",
    hunted_on: &[on("replicas/parked_money_is_paged_once")],
    wiring: || {
        each_life(|wired| {
            let paged = Arc::new(AtomicU32::new(0));
            let seen = Arc::clone(&paged);
            wired
                .reading(move |_, stored| {
                    let page = if seen.load(Ordering::Relaxed) == 0 { Page::None } else { Page::Sent };
                    Some(changed(stored, |order| order.page = page))
                })
                .logging(move |line| {
                    if matches!(&line, LogLine::Alert(alert) if alert.kind == AlertKind::MoneyStands) {
                        paged.fetch_add(1, Ordering::Relaxed);
                    }
                    Some(line)
                })
        })
    },
};

/// See `about`.
pub static PAGE_FOR_STOCK_THAT_STANDS: Defect = Defect {
    id: "page_for_stock_that_stands",
    about: "whatever is parked for long wakes somebody, although no money stands",
    caught_by: "alert-fits",
    hunted_on: &[on("operations/parked_stock_is_no_page")],
    wiring: || {
        each_life(|wired| {
            wired.reading(|_, stored| {
                Some(changed(stored, |order| order.unsold_since = order.unsold_since.or(Some(order.created_at))))
            })
        })
    },
};

/// See `about`.
pub static PAGE_AS_SOON_AS_IT_IS_PARKED: Defect = Defect {
    id: "page_as_soon_as_it_is_parked",
    about: "what may settle within minutes wakes somebody at once",
    caught_by: "alert-fits",
    hunted_on: &[on("operations/parked_money_is_paged")],
    wiring: || {
        each_life(|wired| {
            wired.reading(|_, stored| {
                let before = |at: jiff::Timestamp| at - jiff::SignedDuration::from_mins(17);
                Some(changed(stored, |order| order.unsold_since = order.unsold_since.map(before)))
            })
        })
    },
};

/// An order that waits for a person, as it is read.
fn changed(stored: Stored, change: impl FnOnce(&mut Order)) -> Stored {
    match &*stored.record {
        Record::Order(order) if order.is_parked() => {
            let mut order = order.clone();
            change(&mut order);
            Stored { record: Arc::new(Record::Order(order)), ..stored }
        }
        _ => stored,
    }
}

fn silent(wired: Wired, kind: AlertKind) -> Wired {
    wired.logging(move |line| match &line {
        LogLine::Alert(alert) if alert.kind == kind => None,
        _ => Some(line),
    })
}

fn wake(app: &App, kind: AlertKind, about: &str) {
    let alert = Alert::new(kind, about, "a call failed", &"alert".into(), app.now());
    app.ports().log.record(LogLine::Alert(alert));
}
