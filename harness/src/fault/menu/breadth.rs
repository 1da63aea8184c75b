//! How much of each menu exploration tries, as scenario files and the command line say it.

use super::{core, full};
use crate::fault::Fault;
use crate::fault::site::Place;

/// One of the two menus that every place has.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Breadth {
    /// Every fault there is.
    Full,
    /// One fault for each moment and each way in which a client can take it.
    Core,
}

impl Breadth {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Full, Self::Core];

    /// The word for files and the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Core => "core",
        }
    }

    /// What it has at a place.
    pub fn at(self, place: Place) -> &'static [Fault] {
        match self {
            Self::Full => full(place),
            Self::Core => core(place),
        }
    }
}
