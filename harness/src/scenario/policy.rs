//! The numbers of the system's policy that a scenario may set: one table for the reader, the writer and the schema.

use std::ops::RangeInclusive;
use std::time::Duration;

use giftgenius::policy::{Disagreement, PaymentProfile, Policy};

use super::fields::Fields;
use super::mistake::Mistakes;
use crate::suggest;

/// The key of the payment profile.
pub(super) const PROFILE_KEY: &str = "payment_profile";

/// What the payment provider promises, by the word for it.
pub const PROFILES: [(&str, PaymentProfile); 4] = [
    ("stripe", PaymentProfile::Stripe),
    ("acp", PaymentProfile::Acp),
    ("keyless", PaymentProfile::Keyless),
    ("keyless_no_cancel", PaymentProfile::KeylessNoCancel),
];

/// How long an attempt may take in a scenario for the wire. A lost reply costs this much real time; and a machine that is
/// busy with other things holds a process up for some hundred milliseconds, which must not look like a lost reply.
pub const WIRE_ATTEMPT_TIMEOUT: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_millis(1500);

/// One number.
pub(super) struct Setting {
    /// Its key; the unit is its ending.
    pub(super) key: &'static str,
    /// What it decides.
    pub(super) about: &'static str,
    /// What it may be.
    pub(super) range: RangeInclusive<u32>,
    /// Reads it.
    pub(super) get: fn(&Policy) -> u32,
    set: fn(&mut Policy, u32),
}

const DAY_MS: u32 = 24 * 60 * 60 * 1000;

macro_rules! settings {
    ($(ms $ms_key:literal $ms_min:literal $ms_about:literal [$($ms_field:ident).+];)* $(count $key:literal $min:literal $max:literal $about:literal [$($field:ident).+];)*) => {
        /// Every number, in the order in which they are shown.
        pub(super) static SETTINGS: &[Setting] = &[
            $(Setting {
                key: $ms_key,
                about: $ms_about,
                range: $ms_min..=DAY_MS,
                get: |policy| u32::try_from(policy.$($ms_field).+.as_millis()).unwrap_or(u32::MAX),
                set: |policy, value| policy.$($ms_field).+ = Duration::from_millis(value.into()),
            },)*
            $(Setting {
                key: $key,
                about: $about,
                range: $min..=$max,
                get: |policy| policy.$($field).+,
                set: |policy, value| policy.$($field).+ = value,
            },)*
        ];
    };
}

settings! {
    ms "attempt_timeout_ms" 1 "How long one attempt at a provider may take." [retry.attempt_timeout];
    ms "delay_base_ms" 0 "The delay before the first retry; doubles with each further one." [retry.delay_base];
    ms "delay_cap_ms" 0 "The delay's cap, jitter apart." [retry.delay_cap];
    ms "jitter_max_ms" 0 "The most that jitter adds to a delay." [retry.jitter_max];
    ms "retry_after_cap_ms" 0 "A longer Retry-After is cut to this." [retry.retry_after_cap];
    ms "background_delay_base_ms" 0 "The delay before the second round of background work." [background.delay_base];
    ms "background_delay_cap_ms" 0 "That delay's cap." [background.delay_cap];
    ms "budget_window_ms" 1 "How long it takes until the smallest retry budget is there again." [budget.window];
    ms "tool_deadline_ms" 1 "Each tool call answers within this." [tool_deadline];
    ms "lease_ms" 1 "How long an owner of an order may be silent before another takes over." [lease];
    ms "quote_ttl_ms" 1 "How long a quote can be paid." [quote_ttl];
    ms "reservation_ttl_ms" 1 "How long a reservation of stock is asked for." [reservation_ttl];
    ms "late_max_ms" 0 "The payment provider's bound on how late a request can still take effect." [late_max];
    ms "calls_window_ms" 1 "In what time a user's calls are counted." [users.calls_window];
    count "attempts_max" 1 20 "Attempts in all, the first included." [retry.attempts_max];
    count "background_attempts_max" 1 50 "Rounds of background work before an order is parked." [background.attempts_max];
    count "budget_retries_min" 0 1000 "Retries a provider may always cost." [budget.retries_min];
    count "calls_max" 1 1000 "Calls of one user in that time." [users.calls_max];
    count "sessions_max" 1 1000 "Checkout sessions of one user that are open at the same time." [users.sessions_max];
}

/// The keys of `[policy]`.
pub(super) fn keys() -> Vec<&'static str> {
    SETTINGS.iter().map(|setting| setting.key).chain([PROFILE_KEY]).collect()
}

/// The word for a profile.
pub fn profile_name(profile: PaymentProfile) -> &'static str {
    match profile {
        PaymentProfile::Stripe => "stripe",
        PaymentProfile::Acp => "acp",
        PaymentProfile::Keyless => "keyless",
        PaymentProfile::KeylessNoCancel => "keyless_no_cancel",
    }
}

/// Reads `[policy]` over the defaults.
pub(super) fn read(fields: &Fields<'_>, mistakes: &mut Mistakes) -> Policy {
    let mut policy = Policy::default();
    for setting in SETTINGS {
        if let Some(field) = fields.get(setting.key)
            && let Some(value) = field.number(setting.range.clone(), mistakes)
        {
            (setting.set)(&mut policy, value);
        }
    }
    if let Some(field) = fields.get(PROFILE_KEY)
        && let Some(word) = field.text(mistakes)
    {
        match PROFILES.iter().find(|(name, _)| *name == word) {
            Some((_, profile)) => policy.payment_profile = *profile,
            None => mistakes.suggest(
                &field.span,
                format!("unknown payment profile `{word}`"),
                suggest::hint(word, &PROFILES.map(|(name, _)| name)),
            ),
        }
    }
    contradictions(&policy, fields, mistakes);
    policy
}

/// Pairs of which the first must not be longer than the second.
const ORDERED: [(&str, &str); 3] = [
    ("attempt_timeout_ms", "tool_deadline_ms"),
    ("delay_base_ms", "delay_cap_ms"),
    ("background_delay_base_ms", "background_delay_cap_ms"),
];

fn contradictions(policy: &Policy, fields: &Fields<'_>, mistakes: &mut Mistakes) {
    let value =
        |key: &str| SETTINGS.iter().find(|setting| setting.key == key).map_or(0, |setting| (setting.get)(policy));
    let mut in_order = true;
    for (shorter, longer) in ORDERED {
        let (low, high) = (value(shorter), value(longer));
        if low <= high {
            continue;
        }
        in_order = false;
        // The defaults agree, so at least one of the two stands in the file.
        if let Some(field) = fields.get(shorter).or_else(|| fields.get(longer)) {
            mistakes.suggest(
                &field.span,
                format!("`{shorter}` ({low}) is longer than `{longer}` ({high})"),
                Some(format!("set both so that `{shorter}` is at most `{longer}`")),
            );
        }
    }
    // What the server would refuse to start with is no server of anybody's: what it did would accuse the file, not it.
    if in_order && let Err(disagreement) = policy.check() {
        refused(disagreement, fields, mistakes);
    }
}

/// Names a pair of numbers with which the system does not start, at the first of them that stands in the file.
fn refused(disagreement: Disagreement, fields: &Fields<'_>, mistakes: &mut Mistakes) {
    let keys: &[&str] = match disagreement {
        Disagreement::Lease { .. } => &["lease_ms", "tool_deadline_ms", "attempt_timeout_ms"],
        Disagreement::Reservation { .. } => &["reservation_ttl_ms", "late_max_ms", "tool_deadline_ms"],
        Disagreement::Quote { .. } => &["quote_ttl_ms", "tool_deadline_ms"],
        // No key of a scenario reaches these, or its range keeps them out.
        Disagreement::Retention { .. }
        | Disagreement::NoAttempts
        | Disagreement::NoUse
        | Disagreement::NoConnections => &[],
    };
    if let Some(field) = keys.iter().find_map(|key| fields.get(key)) {
        mistakes.suggest(
            &field.span,
            format!("the system does not start with this policy: {disagreement}"),
            Some(format!("the numbers that count are {}", suggest::list(keys.iter().copied()))),
        );
    }
}
