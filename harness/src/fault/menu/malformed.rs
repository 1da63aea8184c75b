//! The malformed calls that exploration tries: one or two of each class, at the fields of a purchase. One that a call
//! has no field for does not happen to it.

use std::sync::LazyLock;

use crate::fault::Fault;
use crate::fault::site::Place;

use super::core;

/// The labels, by class.
const LABELS: [&str; 17] = [
    "missing:/currency:absent",
    "missing:/idempotency_key:absent",
    "name:/currency:upper_case",
    "name:/items/0/quantity:as_qty",
    "name:/checkout_session_id:camel_case",
    "name:/order_id:without_id",
    "name::extra_notes",
    "type:/items/0/quantity:stringified",
    "type:/items:stringified",
    "type:/payment_method_id:in_a_list",
    "value:/currency:lower_case",
    "value:/items/0/quantity:zero",
    "redundant:/checkout_session_id:beside",
    "nesting::in_arguments",
    "tool::letter_dropped",
    "repeat:/payment_method_id:same_key_other_value",
    "repeat:/idempotency_key:other_key",
];

/// The core menu, but before a call of the host's the malformed ones: so that pairs of a call that has to be mended and of a
/// fault under it are tried.
pub(super) fn menu(place: Place) -> &'static [Fault] {
    static AT_CALLS: LazyLock<Vec<Fault>> = LazyLock::new(|| {
        let label = |text: &&str| Fault::Malformed(text.parse().expect("a label of this file"));
        LABELS.iter().map(label).collect()
    });
    match place {
        Place::HostCall => &AT_CALLS,
        Place::Request(_) | Place::JournalRead | Place::JournalWrite | Place::Webhook => core(place),
    }
}
