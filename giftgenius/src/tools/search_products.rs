//! `search_products`: products by words, shelf and price.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::nothing_fits::NothingFits;
use super::{About, Call, Tool, reply};
use crate::app::{Annotations, App};
use crate::error::ToolError;
use crate::money::Currency;
use crate::providers::catalog::{Product, Search};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Input {
    /// Words to look for in title, description and tags; all must occur.
    #[schemars(length(min = 1, max = 200))]
    query: String,
    /// A shelf, such as `home` or `games`.
    #[serde(default)]
    #[schemars(length(min = 1, max = 60))]
    category: Option<String>,
    /// The most it may cost, in minor units of `currency` (5000 is 50.00 EUR, and 5000 JPY).
    #[serde(default)]
    #[schemars(range(min = 1, max = 100_000_000))]
    budget: Option<i64>,
    /// The currency of prices, ISO 4217.
    #[serde(default = "super::create_checkout_session::default_currency")]
    #[schemars(with = "String", regex(pattern = "^[A-Z]{3}$"), example = &"EUR")]
    currency: Currency,
    /// How many products at the most.
    #[serde(default = "default_limit")]
    #[schemars(range(min = 1, max = 50))]
    limit: u32,
}

pub(super) fn default_limit() -> u32 {
    10
}

/// Products that fit, the best match first.
#[derive(Serialize, JsonSchema)]
pub(super) struct Output {
    /// The products.
    products: Vec<Product>,
    /// Why there are none, and what comes nearest; only where nothing fits.
    #[serde(skip_serializing_if = "Option::is_none")]
    nothing_fits: Option<NothingFits>,
}

pub(super) fn tool() -> Tool {
    let about = About {
        name: "search_products",
        title: "Search products",
        description: "Finds products by words, category and budget. Prices and stock are as of now and change nothing; \
                      only create_checkout_session freezes a price.",
        annotations: Annotations { read_only: true, destructive: false, idempotent: true, open_world: true },
        example: json!({"query": "tea"}),
    };
    super::tool::<Input, Output>(about, |app, call| Box::pin(async move { reply(search(app, call).await) }))
}

async fn search(app: Arc<App>, call: Call) -> Result<Output, Box<ToolError>> {
    let input: Input = call.input()?;
    let currency = call.known_currency(input.currency)?;
    let search = Search {
        text: Some(&input.query),
        category: input.category.as_deref(),
        max_amount: input.budget,
        limit: input.limit,
        ..Search::default()
    };
    let urgency = call.urgency(&app);
    let products = app.caller().search(&search, currency, &call.correlation, urgency).await;
    let products = products.map_err(|failed| call.catalog_failed(failed))?;
    let nothing_fits =
        if products.is_empty() { Some(NothingFits::find(&app, &call, &search, currency).await) } else { None };
    Ok(Output { products, nothing_fits })
}
