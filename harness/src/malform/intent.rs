//! The call is valid and not what was meant. Named, so that nobody takes a green gate for more than it is: no server
//! can tell such a call from the right one, so none is sent.

use serde_json::Value;

use super::maker::{Maker, Unlabelled};
use super::{Class, Expected, Remedy, Sent, When};

const CLASS: Class = Class::Intent;
const WHY: &str = "no server can tell it from the call that was meant; the person has to be shown what is bought";

pub(super) fn make(maker: &mut Maker<'_>) {
    let fields = maker.each_field(CLASS);
    for field in fields.iter().filter(|field| !matches!(field.value, Value::Array(_) | Value::Object(_))) {
        maker.add(CLASS, &field.at, "another_valid_value", |_| {
            Some(Unlabelled {
                when: When::Ready,
                sent: Sent::Nothing,
                expected: Expected::None(WHY),
                remedy: Remedy::Beyond(WHY),
            })
        });
    }
}
