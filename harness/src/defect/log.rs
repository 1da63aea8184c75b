//! Defects of the log: lines that are missing, or not true.

use std::sync::Arc;

use giftgenius::error::Code;
use giftgenius::step_log::{
    AlertKind, Asked, AttemptLine, AttemptOutcome, AttemptUrgency, Level, LogLine, ServiceEvent, Severity, StepLine,
    StepStatus, UNKNOWN_TOOL,
};

use super::{Defect, each_life, on};
use crate::system::wiring::Wired;

/// See `about`.
pub static LOG_LINE_MISSING: Defect = Defect {
    id: "log_line_missing",
    about: "a step that went well leaves no line, so that conversion cannot be counted",
    caught_by: "logged",
    hunted_on: &[on("checkout/happy_path")],
    wiring: || {
        each_life(|wired| without(wired, |line| matches!(line, LogLine::Step(step) if step.step_id == "charge")))
    },
};

/// See `about`.
pub static ORDER_BEGIN_NOT_LOGGED: Defect = Defect {
    id: "order_begin_not_logged",
    about: "no line is logged when an order starts, so an order whose process dies at once leaves no trace",
    caught_by: "logged",
    hunted_on: &[on("checkout/happy_path")],
    wiring: || {
        each_life(|wired| {
            without(wired, |line| matches!(line, LogLine::Step(step) if step.status == StepStatus::Started))
        })
    },
};

/// See `about`.
pub static METHOD_NOT_LOGGED: Defect = Defect {
    id: "method_not_logged",
    about: "the log line of a purchase lacks its payment method, so the call cannot be reproduced",
    caught_by: "logged",
    hunted_on: &[on("checkout/happy_path")],
    wiring: || {
        each_life(|wired| {
            steps(wired, |step| {
                if let Some(asked) = &step.asked {
                    step.asked = Some(Arc::new(Asked { method: None, ..Asked::clone(asked) }));
                }
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
            without(wired, |line| matches!(line, LogLine::Alert(alert) if alert.kind == AlertKind::OrderParked))
        })
    },
};

/// See `about`.
pub static PAGE_LOGGED_AS_A_TICKET: Defect = Defect {
    id: "page_logged_as_a_ticket",
    about: "the page for blocked money is logged like any parked order, and waits for working hours",
    caught_by: "logged",
    hunted_on: &[on("operations/parked_money_is_paged")],
    wiring: || {
        each_life(|wired| {
            wired.altering(|line| {
                if let LogLine::Alert(alert) = line
                    && alert.kind == AlertKind::MoneyStands
                {
                    (alert.severity, alert.level) = (Severity::Ticket, Level::Warn);
                }
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
            steps(wired, |step| {
                step.duration_ms = 0;
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
            steps(wired, |step| {
                if step.step_id == "create_order" {
                    step.workflow_id = None;
                }
            })
        })
    },
};

/// See `about`.
pub static REFUSED_CALL_WITHOUT_WORKFLOW: Defect = Defect {
    id: "refused_call_without_workflow",
    about: "a call whose arguments are refused leaves a line of no workflow, so that nobody sees where models fail",
    caught_by: "logged",
    hunted_on: &[on("steps/a_step_that_there_is_not")],
    wiring: || each_life(|wired| without_workflow(wired, Code::InvalidArguments)),
};

/// See `about`.
pub static KEY_CONFLICT_WITHOUT_WORKFLOW: Defect = Defect {
    id: "key_conflict_without_workflow",
    about: "a purchase that is refused for its key leaves a line of no workflow",
    caught_by: "logged",
    hunted_on: &[on("duplicates/one_key_for_two_purchases")],
    wiring: || each_life(|wired| without_workflow(wired, Code::KeyConflict)),
};

fn without_workflow(wired: Wired, code: Code) -> Wired {
    steps(wired, move |step| {
        if step.error_code == Some(code) {
            step.workflow_id = None;
        }
    })
}

/// See `about`.
pub static RETRY_NOT_LOGGED: Defect = Defect {
    id: "retry_not_logged",
    about: "only the last attempt at a provider leaves a line, so that retries cannot be counted",
    caught_by: "logged",
    hunted_on: &[on("retries/retry_after_in_seconds")],
    wiring: || {
        each_life(|wired| without(wired, |line| matches!(line, LogLine::Attempt(attempt) if attempt.wait_ms.is_some())))
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
            attempts(wired, |attempt| {
                attempt.wait_ms = None;
            })
        })
    },
};

/// See `about`.
pub static PROVIDER_KEY_NOT_LOGGED: Defect = Defect {
    id: "provider_key_not_logged",
    about: "the lines of attempts do not say under which key, so that nobody can ask the provider about one",
    caught_by: "logged",
    hunted_on: &[on("checkout/happy_path")],
    wiring: || {
        each_life(|wired| {
            attempts(wired, |attempt| {
                attempt.provider_key = None;
            })
        })
    },
};

/// See `about`.
pub static EVERY_ATTEMPT_LOGGED_AS_THE_CALLERS: Defect = Defect {
    id: "every_attempt_logged_as_the_callers",
    about: "what goes on in the background for minutes is logged as if somebody waited for it",
    caught_by: "logged",
    hunted_on: &[on("operations/parked_stock_is_no_page")],
    wiring: || {
        each_life(|wired| {
            attempts(wired, |attempt| {
                attempt.urgency = AttemptUrgency::Caller;
            })
        })
    },
};

/// See `about`.
pub static NO_ATTEMPT_LOGGED_AS_THE_CALLERS: Defect = Defect {
    id: "no_attempt_logged_as_the_callers",
    about: "every attempt is logged as background work, so that nobody sees what a caller waits for",
    caught_by: "logged",
    hunted_on: &[on("checkout/happy_path")],
    wiring: || {
        each_life(|wired| {
            attempts(wired, |attempt| {
                attempt.urgency = AttemptUrgency::Background;
            })
        })
    },
};

/// See `about`.
pub static RETRY_AFTER_NOT_LOGGED: Defect = Defect {
    id: "retry_after_not_logged",
    about: "the lines of attempts do not say how long the provider asked to be left alone",
    caught_by: "logged",
    hunted_on: &[on("retries/retry_after_in_seconds")],
    wiring: || {
        each_life(|wired| {
            attempts(wired, |attempt| {
                attempt.retry_after_ms = None;
            })
        })
    },
};

/// See `about`.
pub static FAILED_ATTEMPTS_WITHOUT_DURATION: Defect = Defect {
    id: "failed_attempts_without_duration",
    about: "only attempts that go well are timed, so that a provider that fails slowly looks fast",
    caught_by: "logged",
    hunted_on: &[on("retries/slower_than_the_time_out")],
    wiring: || {
        each_life(|wired| {
            attempts(wired, |attempt| {
                if attempt.outcome != AttemptOutcome::Ok {
                    attempt.duration_ms = 0;
                }
            })
        })
    },
};

/// See `about`.
pub static FOUND_NOTHING_LOGGED_AS_FOUND: Defect = Defect {
    id: "found_nothing_logged_as_found",
    about: "a search without a match is logged as any other success",
    caught_by: "logged",
    hunted_on: &[on("checkout/nothing_fits")],
    wiring: || {
        each_life(|wired| {
            steps(wired, |step| {
                if step.found == Some(0) {
                    step.found = None;
                }
            })
        })
    },
};

/// See `about`.
pub static UNKNOWN_TOOL_NOT_LOGGED: Defect = Defect {
    id: "unknown_tool_not_logged",
    about: "a tool that the model made up leaves no line, so that nobody counts how often it does",
    caught_by: "logged",
    hunted_on: &[on("steps/a_hallucinated_tool")],
    wiring: || {
        each_life(|wired| without(wired, |line| matches!(line, LogLine::Step(step) if step.step_id == UNKNOWN_TOOL)))
    },
};

/// See `about`.
pub static DELIVERY_NOT_LOGGED: Defect = Defect {
    id: "delivery_not_logged",
    about: "an event that is taken in leaves no line",
    caught_by: "logged",
    hunted_on: &[on("webhooks/once_after_the_reply")],
    wiring: || each_life(|wired| without(wired, |line| matches!(line, LogLine::Webhook(_)))),
};

/// See `about`.
pub static DELIVERY_LOGGED_WITHOUT_ITS_ORDER: Defect = Defect {
    id: "delivery_logged_without_its_order",
    about: "the lines of events do not say of which order they tell",
    caught_by: "logged",
    hunted_on: &[on("webhooks/once_after_the_reply")],
    wiring: || {
        each_life(|wired| {
            wired.altering(|line| {
                if let LogLine::Webhook(webhook) = line {
                    webhook.order_id = None;
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
    wiring: || each_life(|wired| without(wired, |line| matches!(line, LogLine::Call(_)))),
};

/// See `about`.
pub static SUCCESS_LOGGED_TWICE: Defect = Defect {
    id: "success_logged_twice",
    about: "a sale counts as a success when it is begun and when it is done, so that conversion is twice what it is",
    caught_by: "logged",
    hunted_on: &[on("checkout/happy_path")],
    wiring: || {
        each_life(|wired| {
            steps(wired, |step| {
                if step.status == StepStatus::Started {
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
            steps(wired, |step| {
                if step.status == StepStatus::Failed {
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
            attempts(wired, |attempt| {
                attempt.outcome = AttemptOutcome::Ok;
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

pub(super) fn without_service(wired: Wired, event: ServiceEvent) -> Wired {
    without(wired, move |line| matches!(line, LogLine::Service(service) if service.event == event))
}

/// Leaves out the lines for which this holds.
fn without(wired: Wired, is_left_out: impl Fn(&LogLine) -> bool + Send + Sync + 'static) -> Wired {
    wired.logging(move |line| (!is_left_out(&line)).then_some(line))
}

/// Changes each line of a step.
fn steps(wired: Wired, change: impl Fn(&mut StepLine) + Send + Sync + 'static) -> Wired {
    wired.logging(move |mut line| {
        if let LogLine::Step(step) = &mut line {
            change(step);
        }
        Some(line)
    })
}

/// Changes each line of an attempt.
fn attempts(wired: Wired, change: fn(&mut AttemptLine)) -> Wired {
    wired.logging(move |mut line| {
        if let LogLine::Attempt(attempt) = &mut line {
            change(attempt);
        }
        Some(line)
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
            without(wired, |line| matches!(line, LogLine::Step(step) if step.error_code == Some(Code::Internal)))
        })
    },
};
