//! Errors for two audiences (F11): a structured one that lets a model repair its call, and one plain sentence for the person.

use std::borrow::Cow;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::ids::{CorrelationId, OrderId};
use crate::validate::{Violation, shown};
use crate::workflow::{EVERYWHERE, Step};

/// The four classes of failure (F1).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ErrorType {
    /// Network, providers, store.
    Technical,
    /// The caller's own: arguments, keys, order of calls.
    Logical,
    /// The business said no.
    Business,
    /// The person changed their mind.
    Interrupted,
}

/// What stands at the providers, as far as the person's money goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Effects {
    /// Nothing stands.
    None,
    /// A charge may stand.
    Unknown,
    /// A charge stands.
    Charged,
}

/// What can be done now.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Next {
    /// The identical call again, with the same key.
    SameKeyAgain,
    /// The same call with the arguments mended.
    FixArguments,
    /// Ask `get_order` about the order.
    AskGetOrder,
    /// Another payment method, with a new key.
    OtherCard,
    /// A cheaper gift.
    LowerAmount,
    /// Another item.
    OtherItem,
    /// A new checkout session.
    NewSession,
    /// `user_navigated_to_step`, if the person wants to be at another step.
    NavigateFirst,
    /// Ask the person.
    AskPerson,
    /// Nothing more can be done by a tool.
    GiveUp,
}

/// A language of the messages for people. Another one is another column of the table of codes: the compiler
/// asks for each sentence.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Language {
    /// English.
    English,
}

impl Language {
    /// Every language.
    pub const ALL: [Self; 1] = [Self::English];
}

macro_rules! codes {
    ($($variant:ident = $text:literal, $kind:ident, $retryable:literal, [$($next:ident),*], $person:literal;)*) => {
        /// The stable code of a failure.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize, schemars::JsonSchema)]
        pub enum Code {
            $(
                #[doc = $person]
                #[serde(rename = $text)]
                $variant,
            )*
        }

        impl Code {
            /// Every code, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The code as callers see it.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// Its class.
            pub const fn kind(self) -> ErrorType {
                match self { $(Self::$variant => ErrorType::$kind,)* }
            }

            /// Whether the identical call with the same key succeeds once the cause is gone (F13).
            pub const fn retryable(self) -> bool {
                match self { $(Self::$variant => $retryable,)* }
            }

            /// What can be done.
            pub const fn next(self) -> &'static [Next] {
                match self { $(Self::$variant => &[$(Next::$next),*],)* }
            }

            /// The sentence for the person.
            pub const fn sentence_in(self, language: Language) -> &'static str {
                match language {
                    Language::English => match self { $(Self::$variant => $person,)* },
                }
            }
        }
    };
}

codes! {
    InvalidArguments = "INVALID_ARGUMENTS", Logical, false, [FixArguments],
        "Something in the request was not understood and nothing was bought; say it again in other words.";
    ProductNotFound = "PRODUCT_NOT_FOUND", Logical, false, [OtherItem],
        "That product is not in the shop; pick another one.";
    PaymentMethodNotFound = "PAYMENT_METHOD_NOT_FOUND", Logical, false, [OtherCard],
        "That payment method is not on file; choose one from your list.";
    SessionNotFound = "SESSION_NOT_FOUND", Logical, false, [NewSession],
        "This checkout does not exist; start a new one.";
    SessionExpired = "SESSION_EXPIRED", Business, false, [NewSession],
        "The price offer has expired; start the checkout again for a fresh price.";
    OrderNotFound = "ORDER_NOT_FOUND", Logical, false, [AskPerson],
        "There is no such order; check the order number.";
    WorkflowNotFound = "WORKFLOW_NOT_FOUND", Logical, false, [AskPerson],
        "This conversation's gift search is not known; start a new one.";
    KeyConflict = "IDEMPOTENCY_KEY_CONFLICT", Logical, false, [FixArguments],
        "This was already asked for with other details, so nothing new was done; check what came of it before you go on.";
    OrderInProgress = "ORDER_IN_PROGRESS", Technical, true, [SameKeyAgain, AskGetOrder],
        "Your order is still being processed; wait a moment.";
    OutOfStock = "OUT_OF_STOCK", Business, false, [OtherItem],
        "This item is out of stock and you were not charged; choose another gift.";
    PromoInvalid = "PROMO_INVALID", Business, false, [FixArguments, AskPerson],
        "This promo code is not valid; leave it out or use another.";
    BudgetTooSmall = "BUDGET_TOO_SMALL", Business, false, [LowerAmount, AskPerson],
        "The gift costs more than your budget; choose a cheaper one or raise the budget.";
    BudgetCurrency = "BUDGET_CURRENCY", Business, false, [FixArguments, AskPerson],
        "The budget is in another currency than the price; pay in the budget's currency or name a budget in this one.";
    CurrencyUnsupported = "CURRENCY_UNSUPPORTED", Business, false, [FixArguments],
        "The shop does not sell this in that currency; pay in euros or choose another gift.";
    PaymentDeclined = "PAYMENT_DECLINED", Business, false, [OtherCard, LowerAmount, GiveUp],
        "Your card was declined and you were not charged; use another card, choose a cheaper gift, or stop here.";
    PaymentRefused = "PAYMENT_REFUSED", Technical, false, [OtherCard, GiveUp],
        "The payment could not be accepted and you were not charged; use another card or stop here.";
    PaymentUnavailable = "PAYMENT_UNAVAILABLE", Technical, true, [SameKeyAgain],
        "The payment service does not answer and you were not charged; you can try again in a while.";
    InventoryUnavailable = "INVENTORY_UNAVAILABLE", Technical, true, [SameKeyAgain],
        "The stock service does not answer and you were not charged; you can try again in a while.";
    InventoryRefused = "INVENTORY_REFUSED", Technical, false, [OtherItem, GiveUp],
        "The stock service did not accept the order, so nothing is bought or charged; choose another gift.";
    CatalogRefused = "CATALOG_REFUSED", Technical, false, [OtherItem, GiveUp],
        "The catalog did not accept the request; try other words or another gift.";
    CatalogUnavailable = "CATALOG_UNAVAILABLE", Technical, true, [SameKeyAgain],
        "The catalog does not answer at the moment; you can try again in a while.";
    AmountMismatch = "AMOUNT_MISMATCH", Technical, false, [NewSession, GiveUp],
        "The amount was not the agreed one, so any money taken was given back; start a new checkout or stop here.";
    ReservationLost = "RESERVATION_LOST", Business, false, [OtherItem, NewSession],
        "The item sold out while you were paying and your money was given back; choose another gift.";
    OrderCancelled = "ORDER_CANCELLED", Interrupted, false, [NewSession],
        "The order was cancelled and nothing was charged; start a new checkout if you want it after all.";
    OrderPaid = "ORDER_PAID", Interrupted, false, [AskPerson],
        "Your payment went through before you left the checkout; ask to cancel the order if you no longer want it.";
    OrderNeedsAttention = "ORDER_NEEDS_ATTENTION", Technical, false, [AskPerson, AskGetOrder],
        "Something went wrong with this order and a person is looking at it; do not pay again.";
    CheckoutDisabled = "CHECKOUT_TEMPORARILY_DISABLED", Technical, true, [SameKeyAgain, AskPerson],
        "Buying is switched off for the moment; you can go on looking for gifts, and nothing was charged.";
    StoreUnavailable = "STORE_UNAVAILABLE", Technical, true, [SameKeyAgain],
        "The shop cannot reach its order book at the moment; you can try again in a while.";
    LimitReached = "LIMIT_REACHED", Technical, true, [SameKeyAgain],
        "That was more at once than the shop takes from one person; wait a moment before you try again.";
    OutOfStep = "OUT_OF_STEP", Logical, false, [NavigateFirst, AskPerson],
        "That does not fit where you are in your purchase and nothing was changed; go to the step you want first.";
    RepeatedCall = "REPEATED_CALL", Logical, false, [FixArguments, AskPerson, GiveUp],
        "The same request failed several times, so it was not tried again; change something about it or stop here.";
    Internal = "INTERNAL", Technical, false, [AskGetOrder, AskPerson],
        "Something went wrong on our side; ask about your orders before you buy again.";
}

impl Code {
    /// The sentence for the person, in the language that is spoken today.
    pub const fn sentence(self) -> &'static str {
        self.sentence_in(Language::English)
    }
}

/// A tool's failure, for both audiences. Boxed where it travels: it is larger than most successes.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ToolError {
    /// The stable code.
    pub code: Code,
    /// The class (F1).
    #[serde(rename = "type")]
    pub kind: ErrorType,
    /// Short and technical, for the model.
    pub message: String,
    /// One plain sentence for the person.
    pub user_message: String,
    /// Whether the identical call with the same key succeeds once the cause is gone.
    pub retryable: bool,
    /// Not before this many milliseconds, where that is known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub retry_after_ms: Option<u64>,
    /// What stands at the providers.
    pub effects: Effects,
    /// The order it concerns, where there is one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[schemars(with = "Option<String>")]
    pub order_id: Option<OrderId>,
    /// At which step the workflow is, where the call did not fit it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub step: Option<Step>,
    /// The tools that may act at that step.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    #[schemars(with = "Vec<String>")]
    pub allowed_tools: Vec<Cow<'static, str>>,
    /// Every violation of the input schema at once.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub violations: Vec<Violation>,
    /// A minimal valid call, for invalid arguments; never holds a usable key.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub example: Option<serde_json::Value>,
    /// What can be done.
    pub next: Vec<Next>,
    /// Ties the failure to the logs.
    #[schemars(with = "String")]
    pub correlation_id: CorrelationId,
}

impl ToolError {
    /// The failure `code`, saying `message`, with nothing standing. Cold, and with it all that words a failure: what a call
    /// goes through that succeeds lies closer together.
    #[cold]
    pub fn new(code: Code, message: impl Into<String>, correlation_id: &CorrelationId) -> Box<Self> {
        Box::new(Self {
            code,
            kind: code.kind(),
            message: message.into(),
            user_message: code.sentence().to_owned(),
            retryable: code.retryable(),
            retry_after_ms: None,
            effects: Effects::None,
            order_id: None,
            step: None,
            allowed_tools: Vec::new(),
            violations: Vec::new(),
            example: None,
            next: code.next().to_vec(),
            correlation_id: correlation_id.clone(),
        })
    }

    /// The failure `code` because the identifier at `field` is unknown, or another user's, with the same answer. `from`
    /// says which tool answers real ones.
    pub fn unknown_id(code: Code, field: &str, id: &str, from: &str, correlation_id: &CorrelationId) -> Box<Self> {
        let id = serde_json::Value::from(id);
        let message = format!("{} at {field} is unknown; use one that {from} answered", shown(&id));
        let mut error = Self::new(code, message, correlation_id);
        error.violations =
            vec![Violation::new(field, "unknown_id", format!("an id that {from} answered")).received(&id)];
        error
    }

    /// A tool was called that may not act at the workflow's step (F10); nothing was changed.
    pub fn out_of_step(tool: &str, step: Step, why: &str, correlation_id: &CorrelationId) -> Box<Self> {
        let allowed = step.tools();
        let message = format!(
            "{tool} does not fit: the workflow is at {}{why}; here {} can act, and user_navigated_to_step moves it",
            step.as_str(),
            allowed.join(" and "),
        );
        let mut error = Self::new(Code::OutOfStep, message, correlation_id);
        error.step = Some(step);
        error.allowed_tools = allowed.iter().chain(&EVERYWHERE).map(|tool| Cow::Borrowed(*tool)).collect();
        error
    }

    /// The same, not to be repeated before `delay`; at most an hour is returned.
    #[must_use]
    pub fn retry_after(mut self: Box<Self>, delay: Option<Duration>) -> Box<Self> {
        let told = delay.map(crate::retry::told);
        self.retry_after_ms = told.map(|delay| u64::try_from(delay.as_millis()).unwrap_or(u64::MAX));
        self
    }

    /// The same, with this standing.
    #[must_use]
    pub fn with_effects(mut self: Box<Self>, effects: Effects) -> Box<Self> {
        self.effects = effects;
        self
    }

    /// The same, about `order`.
    #[must_use]
    pub fn about(mut self: Box<Self>, order: &OrderId, effects: Effects) -> Box<Self> {
        self.order_id = Some(order.clone());
        self.effects = effects;
        self
    }
}

#[cfg(test)]
mod tests;
