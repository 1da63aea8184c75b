//! Sites: the labelled places of a run where something can go wrong.

use std::fmt;
use std::hash::{Hash, Hasher};

use crate::provider::{OperationSpec, operations};

/// A kind of place in a run.
#[derive(Clone, Copy, Debug)]
pub enum Place {
    /// A request arrives at a provider: `payment.charge`.
    Request(&'static OperationSpec),
    /// The system reads its journal: `journal.read`.
    JournalRead,
    /// The system writes a batch to its journal: `journal.write`.
    JournalWrite,
    /// The host is about to call a tool: `host.call`.
    HostCall,
    /// The payment provider is about to deliver an event: `webhook.event`.
    Webhook,
}

impl Place {
    /// The places that no request arrives at, in the order in which they are shown.
    pub const OWN: [Self; 4] = [Self::HostCall, Self::JournalRead, Self::JournalWrite, Self::Webhook];

    /// How many places there are.
    pub const COUNT: usize = operations::ALL.len() + Self::OWN.len();

    /// Every place, in the order in which they are shown.
    pub fn all() -> impl Iterator<Item = Self> {
        operations::ALL.into_iter().map(Self::Request).chain(Self::OWN)
    }

    /// The word before `#` in a site's name.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Request(operation) => operation.label,
            Self::JournalRead => "journal.read",
            Self::JournalWrite => "journal.write",
            Self::HostCall => "host.call",
            Self::Webhook => "webhook.event",
        }
    }

    /// The place of a label.
    pub fn by_label(label: &str) -> Option<Self> {
        Self::all().find(|place| place.label() == label)
    }

    /// Its index among [`Self::all`].
    pub fn index(self) -> usize {
        match self {
            Self::Request(operation) => operation.index,
            Self::HostCall => operations::ALL.len(),
            Self::JournalRead => operations::ALL.len() + 1,
            Self::JournalWrite => operations::ALL.len() + 2,
            Self::Webhook => operations::ALL.len() + 3,
        }
    }

    /// The operation, where it is a request's.
    pub const fn operation(self) -> Option<&'static OperationSpec> {
        match self {
            Self::Request(operation) => Some(operation),
            Self::JournalRead | Self::JournalWrite | Self::HostCall | Self::Webhook => None,
        }
    }
}

impl From<&'static OperationSpec> for Place {
    fn from(operation: &'static OperationSpec) -> Self {
        Self::Request(operation)
    }
}

impl PartialEq for Place {
    fn eq(&self, other: &Self) -> bool {
        self.index() == other.index()
    }
}

impl Eq for Place {}

impl Hash for Place {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.index().hash(hasher);
    }
}

/// A place at one moment of a run, told apart in two ways that name the same event: by arrival (`payment.charge#2`, the
/// second to arrive) and, where it carries a script step's correlation id, by step (`payment.charge@3#1`, the first on
/// behalf of step 3).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Site {
    /// Where.
    pub place: Place,
    /// Which time, from 1.
    pub arrival: u32,
    /// The script step, and which time at this place for it, from 1.
    pub for_step: Option<(u32, u32)>,
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.place.label(), self.arrival)
    }
}
