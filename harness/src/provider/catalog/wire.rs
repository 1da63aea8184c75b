//! The catalog's bodies and query, as the contract has them. Texts are borrowed from the request and the fixture.

use std::borrow::Cow;

use giftgenius::money::Currency;
use serde::{Deserialize, Serialize};

use super::Product;
use crate::provider::http;

/// How many products are found unless the query says so.
const LIMIT_DEFAULT: usize = 10;
/// How many products are found at most.
const LIMIT_MAX: usize = 100;

/// What a search is narrowed by.
#[derive(Debug)]
pub(super) struct Filter<'a> {
    pub(super) text: Cow<'a, str>,
    pub(super) category: Option<Cow<'a, str>>,
    /// Among a product's tags.
    pub(super) occasion: Option<Cow<'a, str>>,
    pub(super) recipient: Option<Cow<'a, str>>,
    pub(super) max_amount: i64,
    pub(super) currency: Currency,
    pub(super) limit: usize,
}

impl<'a> Filter<'a> {
    /// Reads a query; an empty parameter is as good as none, one that the catalog does not know is passed over.
    pub(super) fn of(path: &'a str) -> Result<Self, &'static str> {
        let mut filter = Self {
            text: Cow::Borrowed(""),
            category: None,
            occasion: None,
            recipient: None,
            max_amount: i64::MAX,
            currency: Currency::EUR,
            limit: LIMIT_DEFAULT,
        };
        for (name, value) in http::query(path).filter(|(_, value)| !value.is_empty()) {
            match name {
                "text" => filter.text = value,
                "category" => filter.category = Some(value),
                "occasion" => filter.occasion = Some(value),
                "recipient" => filter.recipient = Some(value),
                "max_amount" => {
                    filter.max_amount = value.parse().map_err(|_| "max_amount is in minor units.")?;
                }
                "currency" => {
                    filter.currency = value.parse().map_err(|_| "currency is three upper-case letters.")?;
                }
                "limit" => {
                    let limit: usize = value.parse().map_err(|_| "limit is a number.")?;
                    filter.limit = limit.min(LIMIT_MAX);
                }
                _ => {}
            }
        }
        Ok(filter)
    }
}

/// A product as a search tells it.
#[derive(Debug, Serialize)]
pub(super) struct FoundProduct<'a> {
    sku: &'a str,
    title: &'a str,
    description: &'a str,
    category: &'a str,
    tags: &'a [String],
    amount: i64,
    currency: Currency,
    in_stock: bool,
}

impl<'a> FoundProduct<'a> {
    pub(super) fn new(product: &'a Product, amount: i64, currency: Currency, in_stock: bool) -> Self {
        Self {
            sku: &product.sku,
            title: &product.title,
            description: &product.description,
            category: &product.category,
            tags: &product.tags,
            amount,
            currency,
            in_stock,
        }
    }
}

#[derive(Debug, Serialize)]
pub(super) struct SearchReply<'a> {
    pub(super) products: Vec<FoundProduct<'a>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct QuoteRequest<'a> {
    #[serde(borrow)]
    pub(super) items: Vec<QuotedItem<'a>>,
    pub(super) currency: Currency,
    #[serde(borrow, default)]
    pub(super) promo_code: Option<Cow<'a, str>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct QuotedItem<'a> {
    #[serde(borrow)]
    pub(super) sku: Cow<'a, str>,
    pub(super) quantity: u32,
}

#[derive(Debug, Serialize)]
pub(super) struct Line<'a> {
    pub(super) sku: &'a str,
    pub(super) title: &'a str,
    pub(super) quantity: u32,
    pub(super) unit_amount: i64,
}

#[derive(Debug, Serialize)]
pub(super) struct QuoteReply<'a> {
    pub(super) currency: Currency,
    pub(super) lines: Vec<Line<'a>>,
    pub(super) discount: i64,
    pub(super) total: i64,
}
