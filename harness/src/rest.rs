//! How things stand at rest: what a world reads from the system's own record when nothing is left to happen. Oracles and
//! expectations compare it with the providers' books.

/// How things stood when nothing was left to do.
#[derive(Clone, Debug, Default)]
pub struct Rest {
    /// Orders whose saga has work left.
    pub open: usize,
    /// Orders that wait for a person, as a person can list them: order id, what stands, and whether money stands.
    pub parked: Vec<ParkedOrder>,
    /// Every order in the journal with its ending, where the world can read it; for `conserved`.
    pub orders: Vec<OrderAtRest>,
    /// The delivered events that the journal remembers, by id.
    pub events: Vec<SmolStr>,
}

/// A parked order, as listed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ParkedOrder {
    /// The order.
    pub order_id: SmolStr,
    /// What stands and what to do, as told to the person.
    pub note: String,
}

/// An order as the system's own record has it at rest.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OrderAtRest {
    /// The order.
    pub order_id: SmolStr,
    /// `paid`, `cancelled`, `parked` or `open`.
    pub status: &'static str,
    /// Whether the record says that a charge stands: `charged`, `unknown` or `none`.
    pub money: &'static str,
}

use smol_str::SmolStr;
