//! Defects of the log: lines that are missing when somebody reads it at night.

use giftgenius::step_log::{AlertKind, LogLine};

use super::{Defect, each_life, on};

/// See `about`.
pub static LOG_LINE_MISSING: Defect = Defect {
    id: "log_line_missing",
    about: "a step that went well leaves no line, so that conversion cannot be counted",
    caught_by: "logged",
    hunted_on: &[on("checkout/happy_path")],
    wiring: || {
        each_life(|wired| {
            wired.logging(|line| match &line {
                LogLine::Step(step) if step.step_id == "charge" => None,
                LogLine::Step(_) | LogLine::CheckoutResult(_) | LogLine::Alert(_) | LogLine::Webhook(_) => Some(line),
            })
        })
    },
};

/// See `about`.
pub static PARKED_WITHOUT_AN_ALERT: Defect = Defect {
    id: "parked_without_an_alert",
    about: "what waits for a person waits without anybody being called",
    caught_by: "parked-minimal",
    hunted_on: &[on("saga/a_refund_that_is_refused_is_parked")],
    wiring: || {
        each_life(|wired| {
            wired.logging(|line| match &line {
                LogLine::Alert(alert) if alert.kind == AlertKind::OrderParked => None,
                LogLine::Step(_) | LogLine::CheckoutResult(_) | LogLine::Alert(_) | LogLine::Webhook(_) => Some(line),
            })
        })
    },
};
