//! What a scenario may name of a shop and of misrule's oracles. It stands above both, so that reading a scenario needs
//! neither.

use crate::oracle;
use crate::provider::catalog::Shop;
use crate::scenario::Known;

impl Known {
    /// The names that scenarios for GiftGenius may refer to: the oracles, and the built-in shop's products.
    pub fn of_giftgenius() -> Self {
        Self::with_shop(Shop::default())
    }

    /// The same with another shop.
    pub fn with_shop(shop: Shop) -> Self {
        Self { oracles: oracle::ALL.iter().map(|oracle| oracle.id).collect(), shop }
    }
}
