//! What an error code says about how far the call got.

use giftgenius::error::Code;

/// The code of a text; `None` for a code of somebody else's.
pub(super) fn parse(code: &str) -> Option<Code> {
    Code::ALL.iter().copied().find(|known| known.as_str() == code)
}

/// Whether the answer may have been given before the caller's key was claimed: it binds no key, and says nothing about
/// any sale.
pub(super) const fn before_the_claim(code: Code) -> bool {
    match code {
        Code::InvalidArguments
        | Code::ProductNotFound
        | Code::PaymentMethodNotFound
        | Code::SessionNotFound
        | Code::SessionExpired
        | Code::OrderNotFound
        | Code::WorkflowNotFound
        | Code::KeyConflict
        | Code::PromoInvalid
        | Code::BudgetTooSmall
        | Code::BudgetCurrency
        | Code::CurrencyUnsupported
        | Code::CatalogRefused
        | Code::CatalogUnavailable
        | Code::CheckoutDisabled
        | Code::LimitReached
        | Code::OutOfStep
        | Code::OrderPaid
        | Code::RepeatedCall
        | Code::StoreUnavailable => true,
        Code::OrderInProgress
        | Code::OutOfStock
        | Code::PaymentDeclined
        | Code::PaymentRefused
        | Code::PaymentUnavailable
        | Code::InventoryUnavailable
        | Code::InventoryRefused
        | Code::AmountMismatch
        | Code::ReservationLost
        | Code::OrderCancelled
        | Code::OrderNeedsAttention
        | Code::Internal => false,
    }
}

/// Whether the answer says that the sale is not decided yet, or not by a tool.
pub(super) const fn leaves_the_sale_open(code: Code) -> bool {
    matches!(code, Code::OrderInProgress | Code::OrderNeedsAttention)
}

/// Whether the identical call may succeed once what struck is gone.
pub(super) const fn may_be_repeated(code: Code) -> bool {
    match code {
        Code::OrderInProgress
        | Code::PaymentUnavailable
        | Code::InventoryUnavailable
        | Code::CatalogUnavailable
        | Code::CheckoutDisabled
        | Code::StoreUnavailable
        | Code::LimitReached => true,
        Code::InvalidArguments
        | Code::ProductNotFound
        | Code::PaymentMethodNotFound
        | Code::SessionNotFound
        | Code::SessionExpired
        | Code::OrderNotFound
        | Code::WorkflowNotFound
        | Code::KeyConflict
        | Code::OutOfStock
        | Code::PromoInvalid
        | Code::BudgetTooSmall
        | Code::BudgetCurrency
        | Code::CurrencyUnsupported
        | Code::PaymentDeclined
        | Code::PaymentRefused
        | Code::InventoryRefused
        | Code::CatalogRefused
        | Code::AmountMismatch
        | Code::ReservationLost
        | Code::OrderCancelled
        | Code::OrderPaid
        | Code::OrderNeedsAttention
        | Code::OutOfStep
        | Code::RepeatedCall
        | Code::Internal => false,
    }
}
