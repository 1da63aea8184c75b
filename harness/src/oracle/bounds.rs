//! How often anything can be asked under a policy: the worst case, as a figure (F3).

use giftgenius::policy::Policy;

/// The worst case of provider requests, under any plan.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bounds {
    /// Of one effectful operation under one key: the attempts of one loop in the foreground, then one a round in the
    /// background.
    pub per_key: u32,
    /// Of `payment.cancel` for one order: once to settle, once to undo.
    pub cancels: u32,
    /// Of `payment.look_up` for one order: between the attempts of the charge, each such look-up a loop of its own, then
    /// to settle, to undo and to sweep.
    pub look_ups: u32,
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

impl Bounds {
    /// The bounds under a policy.
    pub const fn of(policy: &Policy) -> Self {
        let loop_max = policy.retry.attempts_max;
        let per_key = loop_max + policy.background.attempts_max;
        let cancels = 2 * per_key;
        let look_ups = loop_max * loop_max.saturating_sub(1) + 3 * per_key;
        // reserve, commit, release a reservation; restock, charge and refund once.
        let keyed = (3 * EPOCHS_MAX + 3) * per_key;
        // One quote, and one look whether the payment method is on file.
        let reads = 2 * loop_max;
        Self {
            per_key,
            cancels,
            look_ups,
            reads_per_call: loop_max,
            searches_per_call: SEARCHES_MAX * loop_max,
            per_intent: reads + keyed + cancels + look_ups,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_come_to_a_known_figure() {
        let bounds = Bounds::of(&Policy::default());
        assert_eq!(bounds.per_key, 12);
        assert_eq!(bounds.look_ups, 48);
        assert_eq!(bounds.per_intent, 8 + 9 * 12 + 24 + 48);
    }
}
