//! The catalog: products found by words and filters, and quotes. It has no effects.
//!
//! Its prices are the fixture's. A stale catalog tells yesterday's, and a shelf as it was then. Once a price change has
//! struck, everything costs more for the rest of the run.

use std::collections::BTreeMap;
use std::hash::{Hash as _, Hasher};
use std::sync::Arc;

use giftgenius::money::Currency;

use super::http::{self, Refused};
use super::{Now, ProviderReply, ProviderRequest};
use crate::provider::Circumstance;

mod fixture;
mod index;
mod wire;

#[cfg(test)]
mod tests;

pub use fixture::{Fixture, FixtureError, Product, PromoCode, Shop, Source};

use wire::{Filter, FoundProduct, Line, QuoteReply, QuoteRequest, SearchReply};

/// The catalog's state: the fixture, and stock that differs from it.
#[derive(Debug)]
pub struct Catalog {
    fixture: Arc<Fixture>,
    stock: BTreeMap<String, u32>,
    /// Whether prices have gone up.
    dearer: bool,
}

/// Which prices and shelves are told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Told {
    /// Today's.
    Today,
    /// Yesterday's.
    Yesterday,
}

impl Told {
    const fn under(circumstance: Option<&Circumstance>) -> Self {
        match circumstance {
            Some(Circumstance::Stale) => Self::Yesterday,
            None
            | Some(
                Circumstance::Declined(_)
                | Circumstance::OutOfStock
                | Circumstance::PartialReserve
                | Circumstance::PriceChanged
                | Circumstance::ReservationExpired
                | Circumstance::Processing
                | Circumstance::RequiresAction
                | Circumstance::WrongAmountCharged
                | Circumstance::RefundFailsLater
                | Circumstance::KeyExpired
                | Circumstance::InFlight,
            ) => Self::Today,
        }
    }

    /// The price told for today's price. Yesterday everything was ten percent cheaper, in whole units.
    fn price(self, today: i64) -> i64 {
        match self {
            Self::Today => today,
            Self::Yesterday => {
                let cheaper = (today - today / 10) / 100 * 100;
                // What costs less than a whole unit has no cheaper one: it was dearer.
                if cheaper > 0 { cheaper } else { today + 100 }
            }
        }
    }
}

impl Catalog {
    /// The fixture's products, prices and stock.
    pub const fn new(fixture: Arc<Fixture>) -> Self {
        Self { fixture, stock: BTreeMap::new(), dearer: false }
    }

    /// Writes all that is not the fixture's.
    pub(super) fn write_state(&self, out: &mut impl Hasher) {
        let Self { fixture: _, stock, dearer } = self;
        (stock, dearer).hash(out);
    }

    /// What the shelf holds, as the catalog knows it, where that differs from the fixture.
    pub fn set_stock(&mut self, sku: &str, quantity: u32) {
        self.stock.insert(sku.to_owned(), quantity);
    }

    /// Takes one delivery of a request in and answers.
    pub fn handle(
        &mut self,
        request: &ProviderRequest,
        circumstance: Option<&Circumstance>,
        now: Now,
    ) -> ProviderReply {
        self.dearer |= circumstance == Some(&Circumstance::PriceChanged);
        match request.operation.label {
            "catalog.search" => self.search(request, Told::under(circumstance)),
            "catalog.quote" => self.quote(request, circumstance, now),
            _ => Err(http::unknown_operation()),
        }
        .unwrap_or_else(|refusal| refusal)
    }

    fn search(&self, request: &ProviderRequest, told: Told) -> Result<ProviderReply, ProviderReply> {
        let filter = Filter::of(&request.path).map_err(http::invalid)?;
        let currency = filter.currency;
        let mut found: Vec<(u32, i64, &Product)> = self
            .fixture
            .answering(&filter)
            .filter_map(|(score, product)| {
                let price = told.price(self.today(*product.prices.get(&currency)?));
                (price <= filter.max_amount).then_some((score, price, product))
            })
            .collect();
        // Products come ordered by SKU, and a stable sort keeps that among equals.
        found.sort_by_key(|(score, ..)| std::cmp::Reverse(*score));
        found.truncate(filter.limit);
        let products = found
            .into_iter()
            .map(|(_, amount, product)| {
                let in_stock = told == Told::Yesterday || self.on_shelf(product) > 0;
                FoundProduct::new(product, amount, currency, in_stock)
            })
            .collect();
        Ok(http::reply(200, &SearchReply { products }))
    }

    fn quote(
        &self,
        request: &ProviderRequest,
        circumstance: Option<&Circumstance>,
        now: Now,
    ) -> Result<ProviderReply, ProviderReply> {
        let asked: QuoteRequest<'_> = http::body(request)?;
        let told = Told::under(circumstance);
        if asked.items.is_empty() || asked.items.iter().any(|item| item.quantity == 0) {
            return Err(http::invalid("A quote has items, each at least once."));
        }
        let mut none_left = circumstance == Some(&Circumstance::OutOfStock);
        let mut lines = Vec::with_capacity(asked.items.len());
        let mut sum: i64 = 0;
        for item in &asked.items {
            let sku: &str = &item.sku;
            let Some(product) = self.fixture.product(sku) else {
                let refused = Refused::sku("unknown_product", "There is no such product.", sku, None);
                return Err(refused.reply(404));
            };
            let Some(&price) = product.prices.get(&asked.currency) else {
                let refused = Refused::new("currency_unsupported", "It is not sold in this currency.");
                return Err(refused.reply(422));
            };
            let short = told == Told::Today && self.on_shelf(product) < item.quantity;
            if none_left || short {
                let refused = Refused::sku("out_of_stock", "The product is out of stock.", sku, None);
                return Err(refused.reply(409));
            }
            none_left = false;
            let unit_amount = told.price(self.today(price));
            sum = unit_amount
                .checked_mul(i64::from(item.quantity))
                .and_then(|amount| amount.checked_add(sum))
                .ok_or_else(|| http::invalid("That is more than can be counted."))?;
            lines.push(Line { sku, title: &product.title, quantity: item.quantity, unit_amount });
        }
        let discount = match asked.promo_code.as_deref() {
            None => 0,
            Some(code) => self.discount(code, sum, asked.currency, now)?,
        };
        Ok(http::reply(200, &QuoteReply { currency: asked.currency, lines, discount, total: sum - discount }))
    }

    /// What a promo code takes off a sum: never all of it, since nothing can be charged 0.
    fn discount(&self, code: &str, sum: i64, currency: Currency, now: Now) -> Result<i64, ProviderReply> {
        self.fixture
            .promo_code(code)
            .and_then(|promo_code| promo_code.discount(sum, currency, now.utc))
            .filter(|discount| *discount < sum)
            .ok_or_else(|| Refused::new("promo_invalid", "The promo code cannot be used.").reply(422))
    }

    /// Today's price, for the fixture's: ten percent more once prices have gone up, in whole units.
    fn today(&self, price: i64) -> i64 {
        if self.dearer { price + (price / 1000 * 100).max(100) } else { price }
    }

    fn on_shelf(&self, product: &Product) -> u32 {
        self.stock.get(&product.sku).copied().unwrap_or(product.stock)
    }
}
