//! Defects of alerts: what is critical and wakes nobody, and what wakes somebody again and again.

use giftgenius::app::App;
use giftgenius::error::{Code, ErrorType};
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
