//! Circumstances: states of a provider's business, handed to it with a request. A fault may bring one about.

/// Codes with which banks decline cards, the commonest first: those that help the person to go on, and those that are between
/// them and their bank.
pub const DECLINES: [&str; 17] = [
    "insufficient_funds",
    "expired_card",
    "authentication_required",
    "card_not_supported",
    "card_velocity_exceeded",
    "currency_not_supported",
    "incorrect_cvc",
    "incorrect_number",
    "invalid_expiry",
    "issuer_not_available",
    "withdrawal_count_limit_exceeded",
    "do_not_honor",
    "fraudulent",
    "generic_decline",
    "lost_card",
    "pickup_card",
    "stolen_card",
];

/// A state of the provider's business that a fault brings about: handed to the provider, not made up.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Circumstance {
    /// The card is declined, with this decline code.
    Declined(String),
    /// The first item is out of stock.
    OutOfStock,
    /// One less of the first item is reserved than was asked for.
    PartialReserve,
    /// What is told is old: yesterday's price, a shelf that has changed since, a listing without its latest change.
    Stale,
    /// The price has just gone up: told from now on, and what was told before holds no longer.
    PriceChanged,
    /// The reservation runs out just before it is asked about.
    ReservationExpired,
    /// What is asked for is accepted and done only a while later.
    Processing,
    /// The person has to confirm the charge at their bank first, and does so a while later.
    RequiresAction,
    /// Another amount is taken than was asked for.
    WrongAmountCharged,
    /// The refund is done, and a while later it fails: the money stands again.
    RefundFailsLater,
    /// The provider has forgotten the request's key.
    KeyExpired,
    /// An earlier copy of this very request is still being worked on.
    InFlight,
}

impl Circumstance {
    /// Those without a parameter.
    pub const PLAIN: [Self; 11] = [
        Self::OutOfStock,
        Self::PartialReserve,
        Self::Stale,
        Self::PriceChanged,
        Self::ReservationExpired,
        Self::Processing,
        Self::RequiresAction,
        Self::WrongAmountCharged,
        Self::RefundFailsLater,
        Self::KeyExpired,
        Self::InFlight,
    ];

    /// Whether a reply of this status can be one that it has made a difference to.
    pub const fn shows_in(&self, status: u16) -> bool {
        match self {
            Self::Declined(_) => status == 402,
            Self::OutOfStock => status == 409,
            Self::ReservationExpired => status == 410,
            Self::Processing
            | Self::RequiresAction
            | Self::WrongAmountCharged
            | Self::RefundFailsLater
            | Self::PartialReserve => status == 200,
            Self::Stale | Self::PriceChanged | Self::KeyExpired | Self::InFlight => true,
        }
    }

    /// The word for the circumstance, without its parameters.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Declined(_) => "declined",
            Self::OutOfStock => "out_of_stock",
            Self::PartialReserve => "partial_reserve",
            Self::Stale => "stale",
            Self::PriceChanged => "price_changed",
            Self::ReservationExpired => "reservation_expired",
            Self::Processing => "processing",
            Self::RequiresAction => "requires_action",
            Self::WrongAmountCharged => "wrong_amount_charged",
            Self::RefundFailsLater => "refund_fails_later",
            Self::KeyExpired => "key_expired",
            Self::InFlight => "in_flight",
        }
    }
}
