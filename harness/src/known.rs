//! What a scenario may name of GiftGenius's shop and of misrule's oracles. It stands above both, so that reading a scenario
//! needs neither.

use crate::oracle;
use crate::provider::catalog::Fixture;
use crate::scenario::Known;

impl Known {
    /// The names that scenarios for GiftGenius may refer to: the oracles, and the built-in fixture's products.
    pub fn of_giftgenius() -> Self {
        Self {
            oracles: oracle::ALL.iter().map(|oracle| oracle.id).collect(),
            skus: Fixture::embedded().products().iter().map(|product| product.sku.clone()).collect(),
        }
    }
}
