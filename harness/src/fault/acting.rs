//! A provider that acts on its own, as a fault: what it does, when, and whether an event reports it.

pub use crate::provider::Act;

/// When a provider acts, where that is at a request.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ActsWhen {
    /// Just before it handles the request.
    Before,
    /// As soon as it has handled the request, before the reply leaves; between two calls: now.
    After,
}

/// An act of a provider's.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Acting {
    /// What it does.
    pub act: Act,
    /// When.
    pub when: ActsWhen,
    /// Whether an event reports it, if the provider sends events at all.
    pub told: bool,
}

impl Acting {
    /// As soon as the request has been handled, and told of.
    pub const fn after(act: Act) -> Self {
        Self { act, when: ActsWhen::After, told: true }
    }

    /// Just before the request is handled, and told of.
    pub const fn before(act: Act) -> Self {
        Self { act, when: ActsWhen::Before, told: true }
    }

    /// The same, without an event.
    #[must_use]
    pub const fn untold(self) -> Self {
        Self { told: false, ..self }
    }
}
