//! How often anything can be asked under a policy: the worst case, as a figure (F3).

use giftgenius::policy::Policy;

/// The worst case of provider requests, under any plan.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bounds {
    /// Of one effectful operation under one key: the attempts of one loop in the foreground, then one a round in the
    /// background.
    pub per_key: u32,
    /// Of `payment.cancel` for one order: once before each refund.
    pub cancels: u32,
    /// Of `payment.look_up` for one order: between the attempts of the charge, each such look-up a loop of its own, then
    /// to settle, and before and after each refund.
    pub look_ups: u32,
    /// Of `payment.look_up` for one order besides, for each event of the payment provider's about it: one a background
    /// round, and a second one where the first tells something odd.
    pub look_ups_per_event: u32,
    /// Of `catalog.quote` or `payment.methods` for one tool call.
    pub reads_per_call: u32,
    /// Of `catalog.search` for one tool call, which may search with several words.
    pub searches_per_call: u32,
    /// Of all operations together for one order from its quote to its end, the undo of everything included. An intent
    /// whose sale failed and is tried again under a new order costs this once more.
    pub per_intent: u32,
}

/// How many different searches one tool call may make.
const SEARCHES_MAX: u32 = 4;

/// How many reservations one order may ask for: a second one after the first was gone when it was to be sold.
const EPOCHS_MAX: u32 = 2;

/// How often a charge may be given back: a refund that was done can fail.
const REFUNDS_MAX: u32 = 3;

impl Bounds {
    /// The bounds under a policy.
    pub const fn of(policy: &Policy) -> Self {
        let loop_max = policy.retry.attempts_max;
        let per_key = loop_max + policy.background.attempts_max;
        let cancels = REFUNDS_MAX * per_key;
        let look_ups = loop_max * loop_max.saturating_sub(1) + (1 + 2 * REFUNDS_MAX) * per_key;
        // reserve, commit, release a reservation; restock and charge once; a refund and those after it that failed.
        let keyed = (3 * EPOCHS_MAX + 2 + REFUNDS_MAX) * per_key;
        // One quote, and one look whether the payment method is on file.
        let reads = 2 * loop_max;
        Self {
            per_key,
            cancels,
            look_ups,
            look_ups_per_event: 2 * (policy.background.attempts_max + 1),
            reads_per_call: loop_max,
            searches_per_call: SEARCHES_MAX * loop_max,
            per_intent: reads + keyed + cancels + look_ups,
        }
    }
}

/// A part of the worst case per intent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Part {
    /// What is asked, and how often.
    pub what: String,
    /// How many requests that is.
    pub requests: u32,
}

/// What the worst case per intent is made of, in words; the parts add up to [`Bounds::per_intent`].
pub fn parts(policy: &Policy) -> [Part; 5] {
    let bounds = Bounds::of(policy);
    let (attempts, rounds) = (policy.retry.attempts_max, policy.background.attempts_max);
    let per_key = bounds.per_key;
    let part = |requests: u32, what: String| Part { what, requests };
    [
        part(2 * bounds.reads_per_call, format!("reads: the quote and the payment methods, {attempts} attempts each")),
        part(
            3 * EPOCHS_MAX * per_key,
            format!(
                "stock: reserve, commit and release, for {EPOCHS_MAX} reservations at most, each under a key of its \
                 own: {attempts} attempts in the foreground and {rounds} rounds in the background, {per_key} a key"
            ),
        ),
        part(
            (2 + REFUNDS_MAX) * per_key,
            format!("sale and money: charge, restock and {REFUNDS_MAX} refunds at most, {per_key} each"),
        ),
        part(bounds.cancels, format!("closing the order's reference, before each refund, {per_key} each")),
        part(
            bounds.look_ups,
            format!(
                "look-ups: {} at most around the attempts of the charge; then to settle, and before and after each \
                 refund, {per_key} each",
                attempts * attempts.saturating_sub(1)
            ),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_come_to_a_known_figure() {
        let bounds = Bounds::of(&Policy::default());
        assert_eq!(bounds.per_key, 12);
        assert_eq!(bounds.look_ups, 96);
        assert_eq!(bounds.per_intent, 8 + 11 * 12 + 36 + 96);
    }

    #[test]
    fn the_parts_add_up_under_any_policy() {
        for (attempts, rounds) in [(1, 1), (4, 8), (7, 50)] {
            let mut policy = Policy::default();
            policy.retry.attempts_max = attempts;
            policy.background.attempts_max = rounds;
            let sum: u32 = parts(&policy).iter().map(|part| part.requests).sum();
            assert_eq!(sum, Bounds::of(&policy).per_intent);
        }
    }
}
