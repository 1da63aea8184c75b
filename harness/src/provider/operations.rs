//! The table of operations: what a provider can be asked, how it is recognised, and what can go wrong with it.
//!
//! Fault menus come from here: only an effectful operation can be applied twice, only one with an amount can answer a
//! wrong one, and a provider can refuse only what its business can refuse.

use std::hash::{Hash, Hasher};

use giftgenius::ports::{Method, Provider};

/// One operation of a provider.
#[derive(PartialEq, Eq, Debug)]
pub struct OperationSpec {
    /// The label: `payment.charge`.
    pub label: &'static str,
    /// Its place in [`ALL`].
    pub index: usize,
    /// Whose.
    pub provider: Provider,
    /// The HTTP method.
    pub method: Method,
    /// The path, without query.
    pub path: &'static str,
    /// Whether it changes the provider's books.
    pub effectful: bool,
    /// The fields of a successful reply that a client cannot do without, by JSON pointer.
    pub reply_fields: &'static [&'static str],
    /// The field of a successful reply that holds the amount, by JSON pointer.
    pub amount_field: Option<&'static str>,
    /// The field of a successful reply by which a client can know that it is about its request, by JSON pointer.
    pub subject_field: Option<&'static str>,
    /// What the provider's business can refuse.
    pub refusals: &'static [Refusal],
}

impl Hash for OperationSpec {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.index.hash(hasher);
    }
}

/// A refusal, or another turn, that a provider's business can take.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// The card is declined.
    Declined,
    /// Nothing is on the shelf.
    OutOfStock,
    /// Less is reserved than was asked for.
    PartialReserve,
    /// An old price, old stock or an old listing is told.
    Stale,
    /// The price goes up.
    PriceChanged,
    /// The reservation runs out.
    ReservationExpired,
    /// It is done only a while later.
    Processing,
    /// The person has to confirm it first.
    RequiresAction,
    /// Another amount is taken.
    WrongAmountCharged,
    /// It fails after it was done.
    RefundFailsLater,
    /// The key is forgotten.
    KeyExpired,
    /// An earlier copy of the request is still being worked on.
    InFlight,
}

macro_rules! operation {
    ($index:literal, $name:ident, $label:literal, $provider:ident, $method:ident, $path:literal, $effectful:literal, [$($field:literal),*], $amount:expr, $subject:expr, [$($refusal:ident),*]) => {
        #[doc = concat!("`", $label, "`")]
        pub static $name: OperationSpec = OperationSpec {
            label: $label,
            index: $index,
            provider: Provider::$provider,
            method: Method::$method,
            path: $path,
            effectful: $effectful,
            reply_fields: &[$($field),*],
            amount_field: $amount,
            subject_field: $subject,
            refusals: &[$(Refusal::$refusal),*],
        };
    };
}

operation!(
    0,
    PAYMENT_METHODS,
    "payment.methods",
    Payment,
    Get,
    "/v1/payment_methods",
    false,
    ["/payment_methods"],
    None,
    None,
    []
);
operation!(
    1,
    CHARGE,
    "payment.charge",
    Payment,
    Post,
    "/v1/charges",
    true,
    ["/id", "/amount", "/currency", "/status"],
    Some("/amount"),
    Some("/reference"),
    [Declined, Processing, RequiresAction, WrongAmountCharged, KeyExpired, InFlight]
);
operation!(
    2,
    LOOK_UP,
    "payment.look_up",
    Payment,
    Get,
    "/v1/charges",
    false,
    ["/charges"],
    Some("/charges/0/amount"),
    Some("/charges/0/reference"),
    [Stale]
);
operation!(
    3,
    REFUND,
    "payment.refund",
    Payment,
    Post,
    "/v1/refunds",
    true,
    ["/id", "/amount", "/currency", "/status"],
    Some("/amount"),
    Some("/charge"),
    [Processing, RefundFailsLater, KeyExpired, InFlight]
);
operation!(
    4,
    CANCEL,
    "payment.cancel",
    Payment,
    Post,
    "/v1/references/cancel",
    true,
    ["/status", "/charges"],
    None,
    Some("/reference"),
    [KeyExpired, InFlight]
);
operation!(5, SEARCH, "catalog.search", Catalog, Get, "/v1/products", false, ["/products"], None, None, [Stale]);
operation!(
    6,
    QUOTE,
    "catalog.quote",
    Catalog,
    Post,
    "/v1/quotes",
    false,
    ["/lines", "/total", "/currency"],
    Some("/total"),
    Some("/lines/0/sku"),
    [OutOfStock, Stale, PriceChanged]
);
operation!(
    7,
    RESERVE,
    "inventory.reserve",
    Inventory,
    Post,
    "/v1/reservations",
    true,
    ["/status", "/items"],
    None,
    Some("/reference"),
    [OutOfStock, PartialReserve, KeyExpired]
);
operation!(
    8,
    RELEASE,
    "inventory.release",
    Inventory,
    Post,
    "/v1/reservations/release",
    true,
    ["/status"],
    None,
    Some("/reference"),
    [KeyExpired]
);
operation!(
    9,
    COMMIT,
    "inventory.commit",
    Inventory,
    Post,
    "/v1/reservations/commit",
    true,
    ["/status"],
    None,
    Some("/reference"),
    [ReservationExpired, KeyExpired]
);
operation!(
    10,
    RESTOCK,
    "inventory.restock",
    Inventory,
    Post,
    "/v1/reservations/restock",
    true,
    ["/status"],
    None,
    Some("/reference"),
    [KeyExpired]
);

/// Every operation, in the order in which they are shown.
pub static ALL: [&OperationSpec; 11] =
    [&PAYMENT_METHODS, &CHARGE, &LOOK_UP, &REFUND, &CANCEL, &SEARCH, &QUOTE, &RESERVE, &RELEASE, &COMMIT, &RESTOCK];

/// The operation behind a request; `path` may carry a query.
pub fn find(provider: Provider, method: Method, path: &str) -> Option<&'static OperationSpec> {
    let path = path.split_once('?').map_or(path, |(path, _)| path);
    ALL.iter().copied().find(|spec| spec.provider == provider && spec.method == method && spec.path == path)
}

/// The operation of a label.
pub fn by_label(label: &str) -> Option<&'static OperationSpec> {
    ALL.iter().copied().find(|spec| spec.label == label)
}
