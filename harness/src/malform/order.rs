//! The call comes before what it needs: the arguments are valid, and name what does not exist yet.

use super::maker::{Maker, Unlabelled};
use super::{Class, Expected, Remedy, Sent, When};

const CLASS: Class = Class::Order;

pub(super) fn make(maker: &mut Maker<'_>) {
    if !maker.wants(CLASS) {
        return;
    }
    let needs = maker.fields.iter().find(|field| field.is_made_elsewhere()).map(|field| field.at.clone());
    if let Some(at) = needs {
        maker.add(CLASS, &at, "too_early", |maker| {
            Some(Unlabelled {
                when: When::First,
                sent: Sent::Arguments(maker.valid.clone()),
                expected: Expected::Failed,
                remedy: Remedy::Beyond("the call that makes what it needs has to come first"),
            })
        });
    }
}
