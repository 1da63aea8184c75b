//! Defects of the log: lines that are missing when somebody reads it at night.

use giftgenius::error::Code;
use giftgenius::step_log::{AlertKind, AttemptOutcome, Level, LogLine, ServiceEvent, StepStatus};

use super::{Defect, each_life, on};
use crate::system::wiring::Wired;

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
                _ => Some(line),
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
                _ => Some(line),
            })
        })
    },
};

/// See `about`.
pub static LOG_WITHOUT_DURATIONS: Defect = Defect {
    id: "log_without_durations",
    about: "every line says that it took no time, so that latency cannot be read from the log",
    caught_by: "logged",
    hunted_on: &[on("checkout/happy_path")],
    wiring: || {
        each_life(|wired| {
            wired.altering(|line| {
                if let LogLine::Step(step) = line {
                    step.duration_ms = 0;
                }
            })
        })
    },
};

/// See `about`.
pub static LOG_WITHOUT_WORKFLOW: Defect = Defect {
    id: "log_without_workflow",
    about: "the lines of paying do not say in which workflow, so that its conversion cannot be counted",
    caught_by: "logged",
    hunted_on: &[on("checkout/browse_choose_pay")],
    wiring: || {
        each_life(|wired| {
            wired.altering(|line| {
                if let LogLine::Step(step) = line
                    && step.step_id == "create_order"
                {
                    step.workflow_id = None;
                }
            })
        })
    },
};

/// See `about`.
pub static RETRY_NOT_LOGGED: Defect = Defect {
    id: "retry_not_logged",
    about: "only the last attempt at a provider leaves a line, so that retries cannot be counted",
    caught_by: "logged",
    hunted_on: &[on("retries/retry_after_in_seconds")],
    wiring: || {
        each_life(|wired| {
            wired.logging(|line| match &line {
                LogLine::Attempt(attempt) if attempt.wait_ms.is_some() => None,
                _ => Some(line),
            })
        })
    },
};

/// See `about`.
pub static WAIT_NOT_LOGGED: Defect = Defect {
    id: "wait_not_logged",
    about: "the lines of attempts do not say how long is waited before the next",
    caught_by: "logged",
    hunted_on: &[on("retries/retry_after_in_seconds")],
    wiring: || {
        each_life(|wired| {
            wired.altering(|line| {
                if let LogLine::Attempt(attempt) = line {
                    attempt.wait_ms = None;
                }
            })
        })
    },
};

/// See `about`.
pub static CALL_BEGIN_NOT_LOGGED: Defect = Defect {
    id: "call_begin_not_logged",
    about: "a call leaves its first line when it is answered, so that one whose process dies leaves none",
    caught_by: "logged",
    hunted_on: &[on("checkout/happy_path")],
    wiring: || {
        each_life(|wired| {
            wired.logging(|line| match &line {
                LogLine::Call(_) => None,
                _ => Some(line),
            })
        })
    },
};

/// See `about`.
pub static SUCCESS_LOGGED_TWICE: Defect = Defect {
    id: "success_logged_twice",
    about: "a sale counts as a success when it is begun and when it is done, so that conversion is twice what it is",
    caught_by: "logged",
    hunted_on: &[on("checkout/happy_path")],
    wiring: || {
        each_life(|wired| {
            wired.altering(|line| {
                if let LogLine::Step(step) = line
                    && step.status == StepStatus::Started
                {
                    step.status = StepStatus::Success;
                    step.event = StepStatus::Success.event().into();
                }
            })
        })
    },
};

/// See `about`.
pub static BUSINESS_LOGGED_AS_ERROR: Defect = Defect {
    id: "business_logged_as_error",
    about: "a declined card is an error in the log, so that error shares count the business",
    caught_by: "logged",
    hunted_on: &[on("steps/another_card_after_a_decline")],
    wiring: || {
        each_life(|wired| {
            wired.altering(|line| {
                if let LogLine::Step(step) = line
                    && step.status == StepStatus::Failed
                {
                    step.level = Level::Error;
                }
            })
        })
    },
};

/// See `about`.
pub static ATTEMPT_OUTCOME_UNTRUE: Defect = Defect {
    id: "attempt_outcome_untrue",
    about: "every attempt is logged as one that went well",
    caught_by: "logged",
    hunted_on: &[on("retries/retry_after_in_seconds"), on("checkout/happy_path")],
    wiring: || {
        each_life(|wired| {
            wired.altering(|line| {
                if let LogLine::Attempt(attempt) = line {
                    attempt.outcome = AttemptOutcome::Ok;
                }
            })
        })
    },
};

/// See `about`.
pub static STORE_FAILURE_NOT_LOGGED: Defect = Defect {
    id: "store_failure_not_logged",
    about: "the store refuses a write, the caller is told to come back, and the log says nothing of it",
    caught_by: "logged",
    hunted_on: &[on("store/busy_when_the_sale_begins")],
    wiring: || each_life(|wired| without_service(wired, ServiceEvent::StoreFailed)),
};

/// See `about`.
pub static SWITCH_NOT_LOGGED: Defect = Defect {
    id: "switch_not_logged",
    about: "checkout is switched off, and nobody can see in the log when",
    caught_by: "logged",
    hunted_on: &[on("degraded/checkout_is_off")],
    wiring: || each_life(|wired| without_service(wired, ServiceEvent::CheckoutSwitched)),
};

fn without_service(wired: Wired, event: ServiceEvent) -> Wired {
    wired.logging(move |line| match &line {
        LogLine::Service(service) if service.event == event => None,
        _ => Some(line),
    })
}

/// See `about`.
pub static PANIC_WITHOUT_A_LINE: Defect = Defect {
    id: "panic_without_a_line",
    about: "a call that a bug in its handler took down leaves no line, so that the bug is found by its victims",
    caught_by: "logged",
    hunted_on: &[on("errors/a_handler_panics")],
    wiring: || {
        each_life(|wired| {
            wired.logging(|line| match &line {
                LogLine::Step(step) if step.error_code == Some(Code::Internal) => None,
                _ => Some(line),
            })
        })
    },
};
