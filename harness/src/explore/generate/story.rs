//! A story: a whole generated purchase, held so that every part of it can be removed or made plainer.
//!
//! It is flat. Products, users, purchases and keys are indices that wrap, so that no part has to fit another one: a story with
//! an act taken out is a story.

use giftgenius::policy::PaymentProfile;

use crate::fault::Fault;
use crate::fault::ProviderFault;
use crate::fault::site::Place;
use crate::scenario::model::{Manner, StoreKind};

/// Shop, policy, script and plan.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Story {
    /// What is sold; at least one.
    pub(super) goods: Vec<Good>,
    pub(super) promos: Vec<Promo>,
    pub(super) numbers: Numbers,
    pub(super) profile: PaymentProfile,
    /// Processes on one journal, and how far each one's clock is ahead of the one before it, in milliseconds.
    pub(super) replicas: (u32, u32),
    /// What they share it in; not drawn.
    pub(super) store: StoreKind,
    pub(super) webhooks: bool,
    /// How many people buy; at least one.
    pub(super) users: u8,
    pub(super) acts: Vec<Act>,
    pub(super) faults: Vec<Struck>,
    /// The seed of identifiers and jitter.
    pub(super) seed: u64,
}

/// The currencies that things are sold in: with two decimals, with none, with three.
pub(super) const CURRENCIES: [&str; 3] = ["EUR", "JPY", "KWD"];

/// A product.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Good {
    /// In the first currency, and in the others where it is sold in them.
    pub(super) price: i64,
    pub(super) others: [Option<i64>; 2],
    pub(super) stock: u32,
}

/// A promo code.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Promo {
    Percent(u8),
    /// Minor units, in every currency.
    Amount(i64),
    /// Percent, until so many milliseconds after the run began.
    Until(u8, u32),
}

/// Numbers of the policy, in milliseconds where they are times. They are made to agree when the story is lowered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Numbers {
    pub(super) attempt_timeout: u32,
    pub(super) attempts_max: u32,
    pub(super) delay_base: u32,
    pub(super) delay_cap: u32,
    pub(super) jitter_max: u32,
    pub(super) retry_after_cap: u32,
    pub(super) background_base: u32,
    pub(super) background_cap: u32,
    pub(super) background_attempts_max: u32,
    pub(super) retries_min: u32,
    pub(super) budget_window: u32,
    pub(super) tool_deadline: u32,
    /// Beyond the least that agrees with the others.
    pub(super) lease_more: u32,
    pub(super) quote_more: u32,
    pub(super) reservation_more: u32,
    pub(super) late_max: u32,
    pub(super) calls_max: u32,
    pub(super) sessions_max: u32,
}

/// One step of the script.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Act {
    /// Stays the same whatever is left out around it.
    pub(super) id: u16,
    /// How long the host waits before it.
    pub(super) pause: Pause,
    /// The purchase, which belongs to one user.
    pub(super) intent: u8,
    /// Whether somebody else than the purchase's owner calls.
    pub(super) stranger: bool,
    pub(super) doing: Doing,
    /// Whether the host sends the key, where there is one, in `_meta`.
    pub(super) key_in_meta: bool,
    /// One that needs a key which the host makes is another where there is none.
    pub(super) manner: Manner,
}

/// A wait before an act.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Pause {
    None,
    Millis(u32),
    /// Around a window of the policy: which, and a millisecond less, none, or one more.
    Window(u8, i8),
}

/// What is done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Doing {
    Search { word: u8, budget: Option<u32> },
    Suggest { budget: Option<u32>, key: Option<Key> },
    Methods,
    Quote { lines: Vec<(u8, u8)>, currency: u8, budget: Budget, promo: Option<u8>, key: Option<Key>, goes_on: bool },
    Order { method: u8, key: Key },
    Get,
    Cancel { key: Option<Key> },
    Navigate { step: u8, key: Option<Key> },
    Workflow,
    Rest,
    Restart,
    Switch { on: bool },
    Health,
}

/// What the person can spend.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Budget {
    None,
    /// So much beside the total before any promotion.
    Near(i64),
    /// So much beside the total after it.
    NearAfter(i64),
}

/// A caller's key: which of the story's, and how it is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Key {
    pub(super) slot: u8,
    /// 0 is a plain one that the host makes.
    pub(super) writing: u8,
}

/// A fault where it struck.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Struck {
    At {
        place: Place,
        /// The act that it was asked for; none for what belongs to no act.
        act: Option<u16>,
        /// Which time, of that act where there is one, else of all.
        number: u32,
        fault: Fault,
    },
    Over(giftgenius::ports::Provider, ProviderFault),
}
