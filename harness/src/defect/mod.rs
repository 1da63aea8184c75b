//! Defects: GiftGenius with one broken part wired in from outside, to prove that the gate notices.
//!
//! GiftGenius has no switch for any of this. It reaches the world through its ports, decides by its policy and is called
//! through one door, so a defect is a decorator around one of these ([`parts`], [`door`]): production code runs, and one
//! thing around it lies. Each file holds the defects of one kind; [`ALL`] is the table. Who hunts them is `prove`.

pub mod acts;
pub mod alerts;
pub mod asked;
pub mod door;
pub mod endless;
pub mod health;
pub mod hints;
pub mod keys;
pub mod lagging;
pub mod leaks;
pub mod lease;
pub mod limits;
pub mod log;
pub mod loops;
pub mod messages;
pub mod misread;
pub mod money;
pub mod near;
pub mod owed;
pub mod parts;
pub mod provider_keys;
pub mod recovery;
pub mod retries;
pub mod sessions;
pub mod steps;
pub mod told;
pub mod undo;
pub mod webhooks;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use giftgenius::policy::PaymentProfile;

use crate::system::wiring::{Wired, Wiring};

/// Where a defect is looked for: a scenario under its own plan, and under every plan of few faults more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Hunt {
    /// The scenario's name.
    pub scenario: &'static str,
    /// What the payment provider promises; `None`: what the scenario says.
    pub profile: Option<PaymentProfile>,
    /// The one kind of place that is struck there, by its label; `None`: every kind.
    pub place: Option<&'static str>,
}

/// On a scenario as it is.
const fn on(scenario: &'static str) -> Hunt {
    Hunt { scenario, profile: None, place: None }
}

impl Hunt {
    /// Under another payment profile.
    const fn with(self, profile: PaymentProfile) -> Self {
        Self { profile: Some(profile), ..self }
    }

    /// With faults at one kind of place only: for bugs that show elsewhere too, in a way that is not theirs.
    const fn at(self, place: &'static str) -> Self {
        Self { place: Some(place), ..self }
    }
}

/// A planted bug.
pub struct Defect {
    /// Its name, as reports have it.
    pub id: &'static str,
    /// Which bug of real systems it stands for, in one line.
    pub about: &'static str,
    /// The oracle whose rule it breaks: this one is among those that give it away.
    pub caught_by: &'static str,
    /// Where it is looked for, in this order.
    pub hunted_on: &'static [Hunt],
    /// Makes the wiring of one run. What it keeps outlives the system's lives, and nothing else does.
    pub wiring: fn() -> Arc<dyn Wiring>,
}

impl fmt::Debug for Defect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id)
    }
}

/// Every defect, in the order in which they are shown.
pub static ALL: &[&Defect] = &[
    &keys::NO_IDEMPOTENCY_STORE,
    &keys::STORE_WRITTEN_AFTER_THE_EFFECT,
    &keys::CHECK_AND_SET_NOT_ATOMIC,
    &keys::KEY_IGNORED_BY_ONE_TOOL,
    &keys::PARAMETERS_NOT_COMPARED,
    &keys::PARAMETERS_COMPARED_AS_TEXT,
    &keys::KEY_SHARED_BETWEEN_USERS,
    &keys::KEY_LOST_AT_RESTART,
    &keys::KEY_FORGOTTEN_TOO_EARLY,
    &keys::FAILURE_CACHED_FOR_EVER,
    &keys::QUOTE_KEY_IN_META_IGNORED,
    &keys::JOINED_KEY_KEEPS_THE_FAILURE,
    &keys::JOINED_CANCELLATION_BINDS_NO_KEY,
    &sessions::SESSION_PAID_ONCE_A_KEY,
    &provider_keys::KEY_NOT_SENT_TO_PROVIDER,
    &provider_keys::FRESH_PROVIDER_KEY_ON_EACH_ATTEMPT,
    &provider_keys::ONE_PROVIDER_KEY_FOR_ALL_STEPS,
    &provider_keys::PROVIDER_KEY_NOT_RENEWED,
    &provider_keys::REFUND_KEY_NOT_RENEWED,
    &retries::RETRY_OF_4XX,
    &retries::NO_BOUND,
    &retries::ONE_ROUND_TOO_MANY,
    &retries::ROUNDS_WITHOUT_GROWING_DELAYS,
    &retries::BUDGET_WITHOUT_A_LIMIT,
    &retries::BUDGET_TOO_SMALL,
    &retries::RETRY_GIVEN_UP_EARLY,
    &retries::NO_BACKOFF,
    &retries::NO_BACKOFF_IN_ONE_REPLICA,
    &retries::SEARCH_REPEATED_AT_ONCE,
    &retries::NO_JITTER,
    &retries::RETRY_AFTER_IGNORED,
    &retries::ODD_RETRY_AFTER_IGNORED,
    &retries::RETRIES_NESTED_IN_TWO_LAYERS,
    &retries::DEADLINE_IGNORED,
    &near::ORDER_ID_TRIMMED,
    &near::ORDER_ID_IN_ANY_CASE,
    &misread::TIMEOUT_TAKEN_FOR_REFUSAL,
    &misread::SERVER_ERROR_TAKEN_FOR_REFUSAL,
    &misread::FOREIGN_REFUSAL_BELIEVED,
    &misread::FOREIGN_SUCCESS_BELIEVED,
    &misread::GARBLED_REPLY_TAKEN_FOR_REFUSAL,
    &misread::STATUS_TAKEN_AT_ITS_WORD,
    &misread::CHARGE_IN_ANOTHER_CURRENCY_BELIEVED,
    &misread::REFUND_IN_ANOTHER_CURRENCY_BELIEVED,
    &misread::LISTING_IN_ANOTHER_CURRENCY_BELIEVED,
    &misread::CHARGE_IN_ANOTHER_CURRENCY_OVERLOOKED,
    &misread::MORE_RESERVED_TAKEN_FOR_WHOLE,
    &misread::LOOK_UP_MISS_TAKEN_FOR_PROOF,
    &money::AMBIGUOUS_CHARGE_CHARGED_AGAIN,
    &money::BLIND_CHARGE_HIDDEN_BY_DEDUPLICATION,
    &money::STALE_PRICE_CHARGED,
    &money::WRONG_AMOUNT_ACCEPTED,
    &asked::SEARCH_REPLY_PASSED_ON,
    &asked::CARD_NUMBER_PASSED_ON,
    &asked::CARD_NUMBER_PASSED_ON_AS_A_NUMBER,
    &asked::FREE_TOTAL_CHARGED,
    &asked::BUDGET_IN_ANOTHER_CURRENCY_DROPPED,
    &asked::EVERY_CURRENCY_WITH_TWO_DECIMALS,
    &asked::EMPTY_LIST_WITHOUT_A_REASON,
    &asked::SUCCESS_OFF_ITS_SCHEMA,
    &undo::NO_COMPENSATION,
    &undo::REPLAYED_REFUND_BELIEVED,
    &undo::LISTING_BELIEVED_AGAINST_THE_CHARGE,
    &undo::LATE_COPY_THOUGHT_IMPOSSIBLE,
    &undo::ANOTHER_AMOUNT_GIVEN_BACK_AT_ONCE,
    &undo::FAILED_REFUND_UNHEARD_WHILE_RELEASING,
    &undo::COMPENSATION_IN_FORWARD_ORDER,
    &undo::COMPENSATION_NOT_REPEATED,
    &undo::UNDO_STOPS_WITH_THE_RETRY_BUDGET,
    &undo::UNDO_GIVEN_UP_A_ROUND_EARLY,
    &undo::UNDO_ROUNDS_TOO_FAR_APART,
    &undo::COMPENSATION_OF_A_STEP_THAT_NEVER_RAN,
    &undo::COMPENSATION_FAILURE_SWALLOWED,
    &undo::REFUND_TWICE,
    &undo::RELEASE_FORGOTTEN_WHEN_THE_REFUND_FAILS,
    &undo::RELEASE_WHILE_THE_CHARGE_IS_UNKNOWN,
    &undo::PARTIAL_QUANTITIES_RELEASED,
    &undo::PARK_OF_EVERYTHING,
    &recovery::RECOVERY_DOES_NOTHING,
    &recovery::RECOVERY_RERUNS_A_FINISHED_SAGA,
    &lagging::JOURNAL_WRITTEN_AFTER_THE_CALL,
    &lease::LEASE_NEVER_EXPIRES,
    &lease::LEASE_ENDS_LATE,
    &lease::NOBODY_IS_FENCED,
    &owed::BUDGET_HAS_TO_EXCEED_THE_TOTAL,
    &owed::ONLY_THE_FIRST_LINE_RESERVED,
    &owed::ANOTHER_PRODUCT_NAMED,
    &owed::RATE_LIMIT_TAKEN_FOR_REFUSAL,
    &owed::DECLINE_CODE_REPLACED,
    &owed::DECLINE_CODE_UNTOLD,
    &owed::STOLEN_CARD_TOLD,
    &owed::CHARGED_TOLD_AS_UNKNOWN,
    &owed::UNKNOWN_TOLD_AS_CHARGED,
    &owed::SENTENCES_SWAPPED,
    &owed::SENTENCE_LOST,
    &owed::REPLAY_UNMARKED,
    &told::SUCCESS_TOLD_BEFORE_COMMIT,
    &told::FAILURE_TOLD_AFTER_SUCCESS,
    &told::CANCELLED_FOR_EVER,
    &told::RETRYABLE_ALWAYS_TRUE,
    &told::RETRYABLE_ALWAYS_FALSE,
    &told::OPAQUE_ERROR,
    &told::CORRELATION_ID_OF_ANOTHER_CALL,
    &told::REPLAY_THAT_IS_FROZEN,
    &told::REPLAY_OF_TODAYS_PRICE,
    &messages::ONLY_THE_FIRST_VIOLATION_TOLD,
    &messages::WRONG_FIELD_NAMED,
    &messages::NO_FIELD_NAMED,
    &messages::EXPECTATION_WITH_A_HOLE,
    &messages::EXAMPLE_INVALID,
    &messages::UNKNOWN_FIELD_ACCEPTED,
    &messages::RANGE_NOT_ENFORCED,
    &messages::PANIC_WITHOUT_AN_ANSWER,
    &messages::MESSAGE_WITHOUT_END,
    &messages::ANOTHER_TOOLS_FIELD_NAMED,
    &messages::SUGGESTION_MISSING_FOR_QUOTED_VALUES,
    &messages::BUSINESS_ERROR_MARKED_TECHNICAL,
    &leaks::STACK_TRACE_IN_THE_ERROR,
    &leaks::SECRET_IN_THE_LOG,
    &leaks::CARD_NUMBER_TOLD_BACK,
    &leaks::CARD_NUMBER_KEPT_AS_KEY,
    &leaks::CARD_NUMBER_IN_A_TOOLS_NAME,
    &log::LOG_LINE_MISSING,
    &log::ORDER_BEGIN_NOT_LOGGED,
    &log::METHOD_NOT_LOGGED,
    &log::LOG_WITHOUT_DURATIONS,
    &log::LOG_WITHOUT_WORKFLOW,
    &log::REFUSED_CALL_WITHOUT_WORKFLOW,
    &log::KEY_CONFLICT_WITHOUT_WORKFLOW,
    &log::RETRY_NOT_LOGGED,
    &log::WAIT_NOT_LOGGED,
    &log::PROVIDER_KEY_NOT_LOGGED,
    &log::EVERY_ATTEMPT_LOGGED_AS_THE_CALLERS,
    &log::NO_ATTEMPT_LOGGED_AS_THE_CALLERS,
    &log::RETRY_AFTER_NOT_LOGGED,
    &log::FAILED_ATTEMPTS_WITHOUT_DURATION,
    &log::FOUND_NOTHING_LOGGED_AS_FOUND,
    &log::UNKNOWN_TOOL_NOT_LOGGED,
    &log::DELIVERY_NOT_LOGGED,
    &log::DELIVERY_LOGGED_WITHOUT_ITS_ORDER,
    &log::CALL_BEGIN_NOT_LOGGED,
    &log::SUCCESS_LOGGED_TWICE,
    &log::BUSINESS_LOGGED_AS_ERROR,
    &log::ATTEMPT_OUTCOME_UNTRUE,
    &log::STORE_FAILURE_NOT_LOGGED,
    &log::SWITCH_NOT_LOGGED,
    &log::PARKED_WITHOUT_AN_ALERT,
    &log::PANIC_WITHOUT_A_LINE,
    &sessions::REFUND_NOT_BOOKED,
    &sessions::ORDER_VISIBLE_TO_ANOTHER_USER,
    &sessions::CHARGE_WITHOUT_THE_CUSTOMER,
    &sessions::CUSTOMER_TAKEN_FROM_THE_METHOD,
    &sessions::FOREIGN_METHOD_TOLD_APART,
    &sessions::FOREIGN_METHOD_TOLD_APART_IN_A_REPLAY,
    &sessions::DEGRADED_MODE_THAT_STILL_CHARGES,
    &webhooks::DUPLICATE_WEBHOOK_APPLIED_TWICE,
    &webhooks::LATE_WEBHOOK_APPLIED_AFTER_THE_REFUND,
    &webhooks::OLD_SIGNATURE_ACCEPTED,
    &webhooks::SIGNATURE_COMPARED_BY_ITS_BEGINNING,
    &webhooks::SIGNATURE_WITH_MORE_BEHIND_IT_ACCEPTED,
    &webhooks::SIGNATURE_OF_A_TIME_TO_COME_ACCEPTED,
    &webhooks::LATER_OF_TWO_TIMES_BELIEVED,
    &webhooks::EVENT_ANSWERED_ONCE_IT_IS_WRITTEN,
    &webhooks::EVENT_OF_NO_CONCERN_REFUSED,
    &webhooks::EVENT_WITHOUT_REFERENCE_REFUSED,
    &webhooks::EVENT_OF_NO_CONCERN_ACTED_ON,
    &acts::REFUND_IN_THE_DASHBOARD_IGNORED,
    &acts::EVENT_OF_AN_ACT_NOT_LOOKED_INTO,
    &acts::OLD_LISTING_AFTER_AN_EVENT_BELIEVED,
    &acts::REFUND_IN_PART_TAKEN_FOR_WHOLE,
    &acts::REFUND_IN_PART_NOT_TOLD,
    &acts::REFUND_BESIDE_A_DISPUTE,
    &acts::CLOSING_TAKEN_FOR_PROOF,
    &acts::CANCELLED_RESERVATION_SOLD,
    &steps::GATING_ONLY_IN_THE_DESCRIPTION,
    &steps::STEP_MOVED_BY_A_REFUSED_CALL,
    &steps::STALE_PRICE_AFTER_GOING_BACK,
    &steps::PRICE_FROZEN_AFTER_A_MOVE,
    &steps::PAID_WORKFLOW_SOLD_AGAIN,
    &steps::DECLINED_PRICE_OPEN_AGAIN,
    &steps::CARD_NOT_ON_FILE_LEAVES_THE_CHECKOUT,
    &steps::LEFT_ALTHOUGH_PAID_MEANWHILE,
    &steps::UNTOLD_PAYMENT_LEFT_BEHIND,
    &steps::REPEATED_MOVE_TAKEN_FOR_A_NEW_ONE,
    &steps::NAVIGATION_WHILE_THE_CHARGE_IS_UNSETTLED,
    &steps::EXPIRED_PRICE_AFTER_RESUMING,
    &steps::EXPIRED_PRICE_IN_ONE_REPLICA,
    &steps::WORKFLOW_VISIBLE_TO_ANOTHER_USER,
    &loops::LOOP_THAT_NEVER_ENDS,
    &loops::ENDING_FORGETS_THE_WAY_OUT,
    &loops::LOOP_GUARD_DODGED_BY_A_FRESH_KEY,
    &loops::LOOP_GUARD_SWALLOWS_A_SAVED_RESULT,
    &loops::RETRYABLE_ENDED_AS_A_LOOP,
    &loops::LOOP_GUARD_REFUSES_A_REPAIRED_KEY,
    &loops::READS_WITHOUT_A_PAUSE,
    &endless::PRICE_ASKED_WITHOUT_A_PAUSE,
    &endless::WORK_WAITED_FOR_IN_A_CIRCLE,
    &endless::LINE_LOGGED_WITHOUT_END,
    &endless::WORK_THAT_PANICS,
    &limits::CALLS_WITHOUT_A_LIMIT,
    &limits::SESSIONS_WITHOUT_A_LIMIT,
    &limits::HELD_OFF_TOO_EARLY,
    &limits::UNKNOWN_TOOLS_WITHOUT_A_LIMIT,
    &limits::UNKNOWN_TOOLS_HELD_OFF_UNSAID,
    &hints::READ_ONLY_TOOL_THAT_RESERVES,
    &hints::READ_ONLY_TOOL_THAT_WRITES,
    &hints::IDEMPOTENT_TOOL_THAT_IS_NOT,
    &hints::LOST_PROVIDER_WITHOUT_AN_ALERT,
    &hints::LOST_PROVIDER_WITHOUT_AN_ALERT_IN_ONE_REPLICA,
    &hints::ALERT_FOR_A_DECLINED_CARD,
    &alerts::FAILING_STEP_WITHOUT_AN_ALERT,
    &alerts::ALERT_AT_EVERY_FAILURE,
    &alerts::TIME_OUTS_WITHOUT_AN_ALERT,
    &alerts::LOST_STORE_WITHOUT_AN_ALERT,
    &alerts::MISSING_WEBHOOKS_WITHOUT_AN_ALERT,
    &alerts::WRONG_AMOUNT_WITHOUT_AN_ALERT,
    &alerts::DOUBLE_CHARGE_WITHOUT_AN_ALERT,
    &alerts::PANIC_WITHOUT_AN_ALERT,
    &alerts::ALERT_AT_EVERY_PANIC,
    &alerts::ONE_CAUSE_TOLD_TWICE,
    &alerts::SECOND_LOSS_IS_SILENT,
    &alerts::ALERT_AT_EVERY_LOST_ATTEMPT,
    &alerts::MONEY_STANDS_WITHOUT_A_PAGE,
    &alerts::PAGE_AT_EVERY_ROUND,
    &alerts::PAGE_BY_EACH_REPLICA,
    &alerts::PAGE_FOR_STOCK_THAT_STANDS,
    &alerts::PAGE_AS_SOON_AS_IT_IS_PARKED,
    &log::PAGE_LOGGED_AS_A_TICKET,
    &health::HEALTH_FROM_A_READ,
    &health::REPLICA_LOST_FOR_EVER,
    &health::DEGRADED_UNTOLD,
    &health::PROVIDER_DOWN_AFTER_ONE_FAILURE,
    &health::HEALTH_OF_A_STALE_SWITCH,
    &health::HEALTH_OF_STALE_COUNTS,
    &health::HEALTH_USES_THE_JOURNAL,
    &health::HEALTH_WAITS_FOR_THE_STORE,
];

/// Defects that end misrule itself, by its watchdog: a proof hunts them only where they are named.
pub static FATAL: &[&Defect] = &[&endless::LOCK_SPUN_ON_FOR_EVER, &endless::REPLY_KEPT_WITHOUT_END];

/// The defect of an id.
pub fn by_id(id: &str) -> Option<&'static Defect> {
    ALL.iter().chain(FATAL).copied().find(|defect| defect.id == id)
}

/// A wiring that breaks each life in the same way and keeps nothing between them.
fn each_life(breaking: fn(Wired) -> Wired) -> Arc<dyn Wiring> {
    Arc::new(breaking)
}

/// A wiring that breaks the second process that is started, in simulation that of the second replica, and no other.
fn one_replica(breaking: fn(Wired) -> Wired) -> Arc<dyn Wiring> {
    let started = AtomicU32::new(0);
    Arc::new(move |wired| if started.fetch_add(1, Ordering::Relaxed) == 1 { breaking(wired) } else { wired })
}

#[cfg(test)]
mod tests;
