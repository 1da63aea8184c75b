//! `[shop]`: products and promo codes of the scenario's own, in place of the built-in ones.
//!
//! ```toml
//! [shop.products.mug]
//! prices = { EUR = 4200, JPY = 5000 }
//! stock  = 3
//!
//! [shop.promo_codes.HALF]
//! percent_off = 50
//! ```

use std::collections::BTreeMap;

use giftgenius::money::Currency;
use jiff::Timestamp;

use super::fields::{Field, Fields};
use super::mistake::Mistakes;
use super::parse::COUNT_MAX;
use crate::provider::catalog::{Fixture, Product, PromoCode, Shop};

/// The keys of `[shop]`.
pub(super) const SHOP_KEYS: [&str; 2] = ["products", "promo_codes"];
/// The keys of a product.
pub(super) const PRODUCT_KEYS: [&str; 7] =
    ["title", "description", "category", "tags", "recipients", "prices", "stock"];
/// The keys of a promo code.
pub(super) const PROMO_CODE_KEYS: [&str; 4] = ["description", "percent_off", "amount_off", "valid_until"];

/// What is on the shelf where a product does not say.
pub(super) const STOCK_DEFAULT: u32 = 10;
/// The category of a product that does not name one.
pub(super) const CATEGORY_DEFAULT: &str = "gifts";

/// Reads `[shop]`; `None` where it does not make a shop, for reasons that are among the mistakes.
pub(super) fn read(field: &Field<'_>, mistakes: &mut Mistakes) -> Option<Shop> {
    let table = field.table_of("[shop]", &SHOP_KEYS, mistakes)?;
    let entries = |key: &str, mistakes: &mut Mistakes| table.get(key).and_then(|field| field.table(mistakes));
    let mut products = Vec::new();
    for field in entries("products", mistakes).iter().flat_map(Fields::iter) {
        let read = field.table_of(&format!("product `{}`", field.key), &PRODUCT_KEYS, mistakes);
        let product = read.and_then(|fields| product(field.key, &fields, mistakes));
        products.extend(product.and_then(|product| sound(field, product.flaw(true), product, mistakes)));
    }
    let mut promo_codes = Vec::new();
    for field in entries("promo_codes", mistakes).iter().flat_map(Fields::iter) {
        let read = field.table_of(&format!("promo code `{}`", field.key), &PROMO_CODE_KEYS, mistakes);
        let promo_code = read.map(|fields| promo_code(field.key, &fields, mistakes));
        promo_codes.extend(promo_code.and_then(|code| sound(field, code.flaw(), code, mistakes)));
    }
    let are_named = table.get("products").and_then(|field| field.value.as_table()).is_some_and(|all| !all.is_empty());
    if !are_named {
        let hint = Some("add `[shop.products.NAME]` with `prices = { EUR = 4200 }`".to_owned());
        mistakes.suggest(&field.key_span, "`[shop]` sells nothing", hint);
    }
    (!products.is_empty()).then(|| Shop::of(Fixture::new(products, promo_codes)))
}

fn sound<T>(field: &Field<'_>, flaw: Option<String>, entry: T, mistakes: &mut Mistakes) -> Option<T> {
    match flaw {
        None => Some(entry),
        Some(flaw) => {
            mistakes.add(&field.key_span, flaw);
            None
        }
    }
}

fn product(sku: &str, fields: &Fields<'_>, mistakes: &mut Mistakes) -> Option<Product> {
    let line = |key: &str, default: &str, mistakes: &mut Mistakes| {
        fields.get(key).and_then(|field| field.line(mistakes)).unwrap_or(default).to_owned()
    };
    let prices = match fields.get("prices") {
        Some(field) => amounts(field, mistakes),
        None => BTreeMap::new(),
    };
    let stock = fields.get("stock").map_or(Some(STOCK_DEFAULT), |field| field.number(0..=COUNT_MAX, mistakes))?;
    Some(Product {
        sku: sku.to_owned(),
        title: line("title", sku, mistakes),
        description: line("description", sku, mistakes),
        category: line("category", CATEGORY_DEFAULT, mistakes),
        tags: words(fields, "tags", mistakes),
        recipients: words(fields, "recipients", mistakes),
        prices,
        stock,
    })
}

fn words(fields: &Fields<'_>, key: &str, mistakes: &mut Mistakes) -> Vec<String> {
    let elements = fields.get(key).and_then(|field| field.elements(mistakes)).unwrap_or_default();
    elements.iter().filter_map(|element| element.text(mistakes)).map(str::to_owned).collect()
}

fn promo_code(code: &str, fields: &Fields<'_>, mistakes: &mut Mistakes) -> PromoCode {
    let percent_off = fields.get("percent_off").and_then(|field| field.number(1..=99, mistakes));
    let valid_until = fields.get("valid_until").and_then(|field| {
        let text = field.text(mistakes)?;
        let until = text.parse::<Timestamp>().ok();
        if until.is_none() {
            let hint = Some("an instant such as \"2026-01-01T00:30:00Z\", in quotes".to_owned());
            mistakes.suggest(&field.span, format!("`{text}` is no instant"), hint);
        }
        until
    });
    PromoCode {
        code: code.to_owned(),
        description: fields.get("description").and_then(|field| field.line(mistakes)).unwrap_or(code).to_owned(),
        percent_off: percent_off.and_then(|percent| u8::try_from(percent).ok()),
        amount_off: fields.get("amount_off").map(|field| amounts(field, mistakes)),
        valid_until,
    }
}

/// Minor units by currency.
fn amounts(field: &Field<'_>, mistakes: &mut Mistakes) -> BTreeMap<Currency, i64> {
    let mut amounts = BTreeMap::new();
    for field in field.table(mistakes).iter().flat_map(Fields::iter) {
        let amount = field.integer(1..=i64::MAX, mistakes).and_then(|amount| i64::try_from(amount).ok());
        match field.key.parse::<Currency>() {
            Ok(currency) => amounts.extend(amount.map(|amount| (currency, amount))),
            Err(error) => {
                let hint = Some("three capital letters of ISO 4217, such as EUR".to_owned());
                mistakes.suggest(&field.key_span, format!("`{}`: {error}", field.key), hint);
            }
        }
    }
    amounts
}
