//! What is done about each class of failure at each stage (F1), as data: printed by `giftgenius policy`, and held to
//! behaviour by `tests/checkout/answers.rs`, which provokes every cell.

use crate::error::ErrorType;

/// Where a call or its work is when something goes wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stage {
    /// Looking for gifts and payment methods.
    Browse,
    /// Freezing a price.
    Quote,
    /// Holding the stock of an order.
    Reserve,
    /// Charging the card.
    Charge,
    /// Booking the sale.
    Commit,
    /// Giving money and stock back.
    Undo,
    /// Asking how an order or a workflow stands.
    Ask,
    /// Moving to another step.
    Navigate,
}

impl Stage {
    /// Every stage, in the order of a purchase.
    pub const ALL: [Self; 8] =
        [Self::Browse, Self::Quote, Self::Reserve, Self::Charge, Self::Commit, Self::Undo, Self::Ask, Self::Navigate];

    /// In words.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Browse => "look for a gift",
            Self::Quote => "freeze the price",
            Self::Reserve => "reserve the stock",
            Self::Charge => "charge the card",
            Self::Commit => "book the sale",
            Self::Undo => "take it back",
            Self::Ask => "ask how it stands",
            Self::Navigate => "move to a step",
        }
    }
}

/// Every class, in the order of the table.
pub const CLASSES: [ErrorType; 4] =
    [ErrorType::Technical, ErrorType::Logical, ErrorType::Business, ErrorType::Interrupted];

/// What is done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answer {
    /// Asked again, boundedly, with the same key.
    Retry,
    /// Told as retryable, with nothing standing.
    TellRetryable,
    /// Refused with all that has to be mended, and nothing changed.
    Mend,
    /// What was done, or may have been, is undone in reverse.
    RollBack,
    /// Told with what the person can choose now.
    AskPerson,
    /// Looked up until it is known, and never simply done again; meanwhile `pending`.
    Settle,
    /// Goes on in the background to its good end; meanwhile `pending`.
    GoForward,
    /// Repeated in the background, then left to a person, who is called.
    Park,
    /// Goes on without the caller.
    GoOn,
    /// Logged, and that is all: nothing was begun.
    End,
    /// Cannot happen there.
    Never,
}

impl Answer {
    /// Every answer.
    pub const ALL: [Self; 11] = [
        Self::Retry,
        Self::TellRetryable,
        Self::Mend,
        Self::RollBack,
        Self::AskPerson,
        Self::Settle,
        Self::GoForward,
        Self::Park,
        Self::GoOn,
        Self::End,
        Self::Never,
    ];

    /// In two words.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::TellRetryable => "tell retryable",
            Self::Mend => "say what to mend",
            Self::RollBack => "roll back",
            Self::AskPerson => "ask the person",
            Self::Settle => "settle",
            Self::GoForward => "go forward",
            Self::Park => "park",
            Self::GoOn => "go on",
            Self::End => "log and end",
            Self::Never => "–",
        }
    }

    /// What that means.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Retry => "asked again, boundedly, with the same key",
            Self::TellRetryable => "told as retryable, with nothing standing",
            Self::Mend => "refused with all that has to be mended; nothing is changed",
            Self::RollBack => "what was done, or may have been, is undone in reverse",
            Self::AskPerson => "told with what the person can choose now",
            Self::Settle => "looked up until it is known, never simply done again; pending meanwhile",
            Self::GoForward => "goes on in the background to its good end; pending meanwhile",
            Self::Park => "repeated in the background, then left to a person, who is called",
            Self::GoOn => "goes on without the caller",
            Self::End => "logged, and that is all: nothing was begun",
            Self::Never => "cannot happen there",
        }
    }
}

/// What is done about a class of failure at a stage, in order.
pub const fn answers(stage: Stage, class: ErrorType) -> &'static [Answer] {
    use Answer::{AskPerson, End, GoForward, GoOn, Mend, Never, Park, Retry, RollBack, Settle, TellRetryable};
    use ErrorType::{Business, Interrupted, Logical, Technical};
    match (stage, class) {
        (Stage::Browse | Stage::Quote, Technical) => &[Retry, TellRetryable],
        (Stage::Browse | Stage::Quote | Stage::Reserve | Stage::Ask | Stage::Navigate, Logical) => &[Mend],
        (Stage::Browse | Stage::Quote, Business) => &[AskPerson],
        (Stage::Browse | Stage::Quote | Stage::Ask, Interrupted) => &[End],
        (Stage::Reserve, Technical) => &[Retry, RollBack, TellRetryable],
        (Stage::Reserve | Stage::Charge | Stage::Commit, Business) | (Stage::Charge, Logical) => &[RollBack, AskPerson],
        (Stage::Reserve | Stage::Navigate, Interrupted) => &[RollBack],
        (Stage::Charge, Technical) => &[Settle],
        (Stage::Charge | Stage::Commit | Stage::Undo, Interrupted) => &[GoOn],
        (Stage::Commit, Technical) => &[Retry, GoForward],
        (Stage::Undo, Technical | Business) => &[Park],
        (Stage::Ask | Stage::Navigate, Technical) => &[TellRetryable],
        (Stage::Commit | Stage::Undo, Logical) | (Stage::Ask | Stage::Navigate, Business) => &[Never],
    }
}
