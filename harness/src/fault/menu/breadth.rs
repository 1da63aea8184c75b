//! How much of each menu exploration tries, as scenario files and the command line say it.

use super::{all, core, full, host, malformed};
use crate::fault::site::Place;
use crate::fault::{Fault, ProviderFault};

/// One of the menus that every place has.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Breadth {
    /// Every variant of every fault.
    All,
    /// One fault for each class that a client can tell apart.
    Full,
    /// One fault for each moment and each way in which a client can take it.
    Core,
    /// Nothing but the ways in which the host misbehaves.
    Host,
    /// The core menu, with calls that the host malforms in place of its other ways.
    Malformed,
}

impl Breadth {
    /// Every one.
    pub const ALL: [Self; 5] = [Self::All, Self::Full, Self::Core, Self::Host, Self::Malformed];

    /// The word for files and the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Full => "full",
            Self::Core => "core",
            Self::Host => "host",
            Self::Malformed => "malformed",
        }
    }

    /// What it has at a place.
    pub fn at(self, place: Place) -> &'static [Fault] {
        match self {
            Self::All => all(place),
            Self::Full => full(place),
            Self::Core => core(place),
            Self::Host => host(place),
            Self::Malformed => malformed::menu(place),
        }
    }
}

/// The faults over time that exploration tries, one at a time, at a provider: the same for each. Two last for good, as
/// far as one sale goes.
pub const fn over_time(extent: Breadth) -> &'static [ProviderFault] {
    const FOR_GOOD: u32 = 1000;
    match extent {
        Breadth::All | Breadth::Full => &[
            ProviderFault::Outage { from: 1, calls: 1 },
            ProviderFault::Outage { from: 1, calls: 4 },
            ProviderFault::Outage { from: 2, calls: 3 },
            ProviderFault::Outage { from: 1, calls: FOR_GOOD },
            ProviderFault::Outage { from: 2, calls: FOR_GOOD },
            ProviderFault::Brownout { percent: 50, from: 1, calls: 8 },
            ProviderFault::Flap { from: 1, up: 1, down: 2, calls: 9 },
            ProviderFault::RateLimit { from: 1, calls: 4, retry_after: 1 },
            ProviderFault::RateLimit { from: 2, calls: 4, retry_after: 60 },
            ProviderFault::Maintenance { from: 1, calls: 4, retry_after: 5 },
            ProviderFault::Maintenance { from: 2, calls: FOR_GOOD, retry_after: 1 },
        ],
        Breadth::Core | Breadth::Malformed => &[
            ProviderFault::Outage { from: 1, calls: 4 },
            ProviderFault::Outage { from: 2, calls: FOR_GOOD },
            ProviderFault::Brownout { percent: 50, from: 1, calls: 8 },
            ProviderFault::RateLimit { from: 1, calls: 4, retry_after: 1 },
        ],
        Breadth::Host => &[],
    }
}
