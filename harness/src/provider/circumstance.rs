//! Circumstances: states of a provider's business, handed to it with a request. A fault may bring one about.

/// A state of the provider's business that a fault brings about: handed to the provider, not made up.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Circumstance {
    /// The card is declined, with this decline code.
    Declined(String),
    /// The first item is out of stock.
    OutOfStock,
    /// One less of the first item is reserved than was asked for.
    PartialReserve,
    /// What is told is old: yesterday's price, a shelf that has changed since.
    Stale,
}

impl Circumstance {
    /// The word for the circumstance, without its parameters.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Declined(_) => "declined",
            Self::OutOfStock => "out_of_stock",
            Self::PartialReserve => "partial_reserve",
            Self::Stale => "stale",
        }
    }
}
