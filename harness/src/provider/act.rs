//! What a provider does on its own, without a request of the system's: the acts of its people, its fraud check, the
//! person's bank.

/// One kind of act.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Act {
    /// All that is left of a charge is given back, by a person in the provider's dashboard or by its fraud check.
    Refund,
    /// Half of what is left of a charge is given back.
    PartialRefund,
    /// The person disputes a charge at their bank, which takes all that is left of it back.
    Dispute,
    /// The warehouse cancels a reservation.
    CancelReservation,
}

impl Act {
    /// Every kind, in the order in which they are shown.
    pub const ALL: [Self; 4] = [Self::Refund, Self::PartialRefund, Self::Dispute, Self::CancelReservation];

    /// The word in a plan.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Refund => "refund",
            Self::PartialRefund => "partial_refund",
            Self::Dispute => "dispute",
            Self::CancelReservation => "cancel_reservation",
        }
    }

    /// Whether the provider has an event for it; the inventory has none.
    pub const fn has_event(self) -> bool {
        match self {
            Self::Refund | Self::PartialRefund | Self::Dispute => true,
            Self::CancelReservation => false,
        }
    }
}
