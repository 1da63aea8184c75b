//! Defects of retries: too many, too early, too regular, of the wrong thing, or in two places at once.

use std::sync::Arc;
use std::time::Duration;

use giftgenius::policy::Policy;

use super::parts::{made_up, succeeded};
use super::{Defect, each_life, on, one_replica};
use crate::system::wiring::{Wired, Wiring};

/// See `about`.
pub static BUDGET_WITHOUT_A_LIMIT: Defect = Defect {
    id: "budget_without_a_limit",
    about: "the retry budget is full again at once, so that many calls, each within its bounds, keep a provider down",
    caught_by: "budget-kept",
    hunted_on: &[on("operations/a_provider_is_down_for_many_calls")],
    wiring: || {
        each_life(|mut wired| {
            wired.policy.budget.window = Duration::ZERO;
            wired
        })
    },
};

/// See `about`.
pub static BUDGET_TOO_SMALL: Defect = Defect {
    id: "budget_too_small",
    about: "the retry budget is spent before its minimum is: a call fails that one more attempt would have saved",
    caught_by: "retry-owed",
    hunted_on: &[on("retries/payment_is_down_for_the_call"), on("checkout/happy_path")],
    wiring: || {
        with_policy(|policy| {
            policy.budget.retries_min = 1;
            policy.budget.retries_percent = 0;
        })
    },
};

/// See `about`.
pub static RETRY_GIVEN_UP_EARLY: Defect = Defect {
    id: "retry_given_up_early",
    about: "the last attempt that the policy promises is not made, although budget and time are left",
    caught_by: "retry-owed",
    hunted_on: &[on("retries/payment_is_down_for_the_call"), on("checkout/happy_path")],
    wiring: || with_policy(|policy| policy.retry.attempts_max -= 1),
};

/// See `about`.
pub static RETRY_OF_4XX: Defect = Defect {
    id: "retry_of_4xx",
    about: "a refusal is repeated as if it were a failure",
    caught_by: "bounded",
    hunted_on: &[on("checkout/happy_path")],
    wiring: || {
        each_life(|wired| {
            wired.sending(|next, request| async move {
                match next.send(request).await {
                    Ok(response) if is_a_no(response.status) => Ok(made_up(503, "")),
                    other => other,
                }
            })
        })
    },
};

/// See `about`.
pub static NO_BOUND: Defect = Defect {
    id: "no_bound",
    about: "a provider that is down is asked again and again",
    caught_by: "bounded",
    hunted_on: &[on("retries/payment_is_down_for_good"), on("saga/the_inventory_never_comes_back")],
    wiring: || {
        with_policy(|policy| {
            policy.retry.attempts_max = 100;
            policy.retry.delay_cap = policy.retry.delay_base;
            policy.budget.retries_min = 1000;
            policy.background.attempts_max = 100;
        })
    },
};

/// See `about`.
pub static ONE_ROUND_TOO_MANY: Defect = Defect {
    id: "one_round_too_many",
    about: "the rounds in the background are counted from the second one on",
    caught_by: "bounded",
    hunted_on: &[on("saga/the_inventory_never_comes_back")],
    wiring: || with_policy(|policy| policy.background.attempts_max += 1),
};

/// See `about`.
pub static ROUNDS_WITHOUT_GROWING_DELAYS: Defect = Defect {
    id: "rounds_without_growing_delays",
    about: "the rounds in the background follow each other at the first delay for ever",
    caught_by: "backoff",
    hunted_on: &[on("saga/the_inventory_never_comes_back")],
    wiring: || with_policy(|policy| policy.background.delay_cap = policy.background.delay_base),
};

/// See `about`.
pub static NO_BACKOFF: Defect = Defect {
    id: "no_backoff",
    about: "a failed request is repeated at once",
    caught_by: "backoff",
    hunted_on: &[on("checkout/happy_path")],
    wiring: || with_policy(without_backoff),
};

/// See `about`.
pub static NO_BACKOFF_IN_ONE_REPLICA: Defect = Defect {
    id: "no_backoff_in_one_replica",
    about: "one of two replicas was deployed with other numbers, and repeats a failed request at once",
    caught_by: "backoff",
    hunted_on: &[on("replicas/both_get_the_same_call")],
    wiring: || {
        one_replica(|mut wired| {
            without_backoff(&mut wired.policy);
            wired
        })
    },
};

/// See `about`.
pub static SEARCH_REPEATED_AT_ONCE: Defect = Defect {
    id: "search_repeated_at_once",
    about: "a search that failed is sent again at once, as if it were the next question",
    caught_by: "backoff",
    hunted_on: &[on("checkout/nothing_fits")],
    wiring: || {
        each_life(|wired| {
            wired.sending(|next, request| async move {
                let sent = next.send(request.clone()).await;
                let failed = sent.as_ref().map_or(true, |response| response.status >= 500);
                if failed && request.operation == "catalog.search" { next.send(request).await } else { sent }
            })
        })
    },
};

/// See `about`.
pub static NO_JITTER: Defect = Defect {
    id: "no_jitter",
    about: "all clients that failed together come back together",
    caught_by: "backoff",
    hunted_on: &[on("retries/payment_is_down_for_the_call")],
    wiring: || with_policy(|policy| policy.retry.jitter_max = Duration::ZERO),
};

/// See `about`.
pub static RETRY_AFTER_IGNORED: Defect = Defect {
    id: "retry_after_ignored",
    about: "a provider says when to come back, and nobody reads it",
    caught_by: "backoff",
    hunted_on: &[on("checkout/happy_path")],
    wiring: || {
        each_life(|wired| {
            wired.sending(|next, request| async move {
                let mut response = next.send(request).await?;
                response.retry_after = None;
                Ok(response)
            })
        })
    },
};

/// See `about`.
pub static ODD_RETRY_AFTER_IGNORED: Defect = Defect {
    id: "odd_retry_after_ignored",
    about: "of Retry-After only plain seconds and dates are read: a fraction is no wait at all",
    caught_by: "backoff",
    hunted_on: &[on("retries/retry_after_as_no_standard_knows_it")],
    wiring: || {
        each_life(|wired| {
            wired.sending(|next, request| async move {
                let mut response = next.send(request).await?;
                response.retry_after = response.retry_after.filter(|text| !text.contains(['.', ',']) || is_date(text));
                Ok(response)
            })
        })
    },
};

/// See `about`.
pub static RETRIES_NESTED_IN_TWO_LAYERS: Defect = Defect {
    id: "retries_nested_in_two_layers",
    about: "the HTTP client retries too, below the layer that does",
    caught_by: "backoff",
    hunted_on: &[on("checkout/happy_path")],
    wiring: || each_life(retry_below),
};

/// See `about`.
pub static DEADLINE_IGNORED: Defect = Defect {
    id: "deadline_ignored",
    about: "a tool call waits for its providers longer than the platform waits for it",
    caught_by: "in-time",
    hunted_on: &[on("retries/retry_after_beyond_the_deadline")],
    wiring: || with_policy(|policy| policy.tool_deadline *= 4),
};

fn is_date(text: &str) -> bool {
    text.ends_with("GMT")
}

const fn without_backoff(policy: &mut Policy) {
    policy.retry.delay_base = Duration::ZERO;
    policy.retry.jitter_max = Duration::ZERO;
}

/// Whether a status refuses for good: not one that says "later" or "too slow".
const fn is_a_no(status: u16) -> bool {
    matches!(status, 400..=499) && !matches!(status, 408 | 409 | 429)
}

/// GiftGenius under other numbers than the scenario's.
pub(super) fn with_policy(change: fn(&mut Policy)) -> Arc<dyn Wiring> {
    Arc::new(move |mut wired: Wired| {
        change(&mut wired.policy);
        wired
    })
}

fn retry_below(wired: Wired) -> Wired {
    /// As HTTP clients have it by default.
    const TIMES: u32 = 2;
    let delay = wired.policy.retry.delay_base;
    wired.sending(move |next, request| async move {
        let mut sent = next.send(request.clone()).await;
        for _ in 0..TIMES {
            let again = match &sent {
                Ok(response) => response.status >= 500,
                Err(_) => true,
            };
            if succeeded(&sent) || !again {
                break;
            }
            tokio::time::sleep(delay).await;
            sent = next.send(request.clone()).await;
        }
        sent
    })
}
