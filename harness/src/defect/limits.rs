//! Defects of limits: one user gets more than there is for each.

use giftgenius::step_log::ServiceEvent;

use super::log::without_service;
use super::{Defect, each_life, on};

/// See `about`.
pub static CALLS_WITHOUT_A_LIMIT: Defect = Defect {
    id: "calls_without_a_limit",
    about: "one client that runs wild makes as many calls as it likes",
    caught_by: "limits-kept",
    hunted_on: &[on("errors/more_calls_than_are_taken")],
    wiring: || {
        each_life(|mut wired| {
            wired.policy.users.calls_max = u32::MAX;
            wired
        })
    },
};

/// See `about`.
pub static SESSIONS_WITHOUT_A_LIMIT: Defect = Defect {
    id: "sessions_without_a_limit",
    about: "one user freezes as many prices as they like, and each is a record that is kept",
    caught_by: "limits-kept",
    hunted_on: &[on("errors/more_prices_than_may_be_open")],
    wiring: || {
        each_life(|mut wired| {
            wired.policy.users.sessions_max = u32::MAX;
            wired
        })
    },
};

/// See `about`.
pub static HELD_OFF_TOO_EARLY: Defect = Defect {
    id: "held_off_too_early",
    about: "the limit counts one call too many, so that a client within it is held off",
    caught_by: "limits-kept",
    hunted_on: &[on("errors/more_calls_than_are_taken")],
    wiring: || {
        each_life(|mut wired| {
            wired.policy.users.calls_max = wired.policy.users.calls_max.saturating_sub(1).max(1);
            wired
        })
    },
};

/// See `about`.
pub static UNKNOWN_TOOLS_WITHOUT_A_LIMIT: Defect = Defect {
    id: "unknown_tools_without_a_limit",
    about: "a tool that the model made up is nobody's call, and a thousand of them are a thousand lines",
    caught_by: "limits-kept",
    hunted_on: &[on("errors/more_tools_made_up_than_calls_are_taken")],
    wiring: || {
        each_life(|wired| {
            wired.taking(|app, mut call| async move {
                if app.tools().all(|tool| tool.name != call.name) {
                    call.user = "nobody".into();
                }
                app.call_tool(call).await
            })
        })
    },
};

/// See `about`.
pub static UNKNOWN_TOOLS_HELD_OFF_UNSAID: Defect = Defect {
    id: "unknown_tools_held_off_unsaid",
    about: "calls of tools that there are not leave no word once there are too many, so that the loop looks over",
    caught_by: "logged",
    hunted_on: &[on("errors/more_tools_made_up_than_calls_are_taken")],
    wiring: || each_life(|wired| without_service(wired, ServiceEvent::UnknownToolsHeldOff)),
};
