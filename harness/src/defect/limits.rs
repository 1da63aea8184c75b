//! Defects of limits: one user gets more than there is for each.

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
