//! The catalog's client.

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use super::{Call, Caller, NO_BODY, query_value};
use crate::checkout::order::Item;
use crate::ids::CorrelationId;
use crate::money::{Currency, Money};
use crate::ports::Provider;
use crate::retry::{CallFailed, Urgency};

/// A product as a search tells it.
#[derive(Serialize, Deserialize, Clone, PartialEq, Eq, Debug, schemars::JsonSchema)]
pub struct Product {
    /// To name in a checkout.
    pub sku: String,
    /// For people.
    pub title: String,
    /// One sentence.
    pub description: String,
    /// The shelf.
    pub category: String,
    /// Occasions and interests.
    pub tags: Vec<String>,
    /// The price in minor units of `currency`.
    pub amount: i64,
    /// The price's currency, ISO 4217.
    #[schemars(with = "String")]
    pub currency: Currency,
    /// Whether it can be bought now, as far as the catalog knows.
    pub in_stock: bool,
}

/// What to look for; everything that is given must fit.
#[derive(Clone, Debug, Default)]
pub struct Search<'a> {
    /// Words.
    pub text: Option<&'a str>,
    /// A shelf.
    pub category: Option<&'a str>,
    /// What the gift is for.
    pub occasion: Option<&'a str>,
    /// Whom it is for.
    pub recipient: Option<&'a str>,
    /// The most it may cost, in minor units.
    pub max_amount: Option<i64>,
    /// How many products at the most.
    pub limit: u32,
}

#[derive(Deserialize)]
struct SearchReply {
    products: Vec<Product>,
}

#[derive(Serialize)]
struct QuoteRequest<'a> {
    items: &'a [Item],
    currency: Currency,
    promo_code: Option<&'a str>,
}

/// One line of a quote.
#[derive(Serialize, Deserialize, Clone, PartialEq, Eq, Debug, schemars::JsonSchema)]
pub struct QuoteLine {
    /// The product.
    #[schemars(with = "String")]
    pub sku: SmolStr,
    /// For people.
    pub title: String,
    /// How many.
    pub quantity: u32,
    /// What one costs, in minor units.
    pub unit_amount: i64,
}

/// A quote, checked: its lines add up to its total.
#[derive(Deserialize, Clone, PartialEq, Eq, Debug)]
pub struct Quote {
    /// Of all amounts.
    pub currency: Currency,
    /// The items.
    pub lines: Vec<QuoteLine>,
    /// What the promo code takes off, in minor units.
    pub discount: i64,
    /// What is to be paid, in minor units.
    pub total: i64,
}

impl Quote {
    /// Whether it is for these items in this currency, at prices above 0, and adds up: a quote that does not is a garbled
    /// reply. A total of 0 is not: a promotion may take the whole price off.
    fn fits(&self, items: &[Item], currency: Currency) -> bool {
        let same_items = self.lines.len() == items.len()
            && self
                .lines
                .iter()
                .zip(items)
                .all(|(line, item)| line.sku == item.sku && line.quantity == item.quantity && line.unit_amount > 0);
        let sum = self
            .lines
            .iter()
            .try_fold(0_i64, |sum, line| sum.checked_add(line.unit_amount.checked_mul(i64::from(line.quantity))?));
        self.currency == currency
            && same_items
            && self.discount >= 0
            && self.total >= 0
            && sum.and_then(|sum| sum.checked_sub(self.discount)) == Some(self.total)
    }

    /// What is to be paid.
    pub const fn amount(&self) -> Money {
        Money::new(self.total, self.currency)
    }
}

impl Caller {
    /// Products that fit: what the catalog answers besides (more than `limit`, dearer, in another currency) is left out. A
    /// product that costs nothing, or less, is a garbled reply.
    pub async fn search(
        &self,
        search: &Search<'_>,
        currency: Currency,
        correlation: &CorrelationId,
        urgency: Urgency,
    ) -> Result<Vec<Product>, CallFailed> {
        let mut path = format!("/v1/products?currency={currency}&limit={}", search.limit);
        let words = [
            ("text", search.text),
            ("category", search.category),
            ("occasion", search.occasion),
            ("recipient", search.recipient),
        ];
        for (name, value) in words {
            if let Some(value) = value {
                path.extend(["&", name, "=", &query_value(value)]);
            }
        }
        if let Some(max) = search.max_amount {
            path.extend(["&max_amount=", &max.to_string()]);
        }
        let call =
            Call { provider: Provider::Catalog, operation: "catalog.search", path: &path, key: None, correlation };
        let priced = |reply: &SearchReply| reply.products.iter().all(|product| product.amount > 0);
        let SearchReply { mut products } = self.read(&call, NO_BODY, urgency, priced).await?;
        let affordable = |amount| search.max_amount.is_none_or(|max| amount <= max);
        products.retain(|product| product.currency == currency && affordable(product.amount));
        products.truncate(usize::try_from(search.limit).unwrap_or(usize::MAX));
        Ok(products)
    }

    /// A price for these items.
    pub async fn quote(
        &self,
        items: &[Item],
        currency: Currency,
        promo_code: Option<&str>,
        correlation: &CorrelationId,
        urgency: Urgency,
    ) -> Result<Quote, CallFailed> {
        let call = Call {
            provider: Provider::Catalog,
            operation: "catalog.quote",
            path: "/v1/quotes",
            key: None,
            correlation,
        };
        let body = QuoteRequest { items, currency, promo_code };
        self.read(&call, Some(&body), urgency, |quote: &Quote| quote.fits(items, currency)).await
    }
}
