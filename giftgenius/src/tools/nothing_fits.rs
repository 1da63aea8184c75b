//! Nothing fits: which constraint is the one that nothing meets, and what comes nearest (F20).
//!
//! The catalog is asked again with one constraint left out at a time. The first question that finds something names it. What
//! the catalog does not answer any more costs the hint and not the call.

use schemars::JsonSchema;
use serde::Serialize;

use super::Call;
use crate::app::App;
use crate::money::{Currency, Money};
use crate::providers::catalog::{Product, Search};

/// A constraint of a search.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Constraint {
    /// The most it may cost.
    Budget,
    /// The shelf.
    Category,
    /// What the gift is for.
    Occasion,
    /// Whom it is for.
    Recipient,
    /// No single one: they do not go together, or the words occur nowhere.
    All,
}

/// Why nothing fits, and what comes nearest.
#[derive(Clone, PartialEq, Debug, Serialize, JsonSchema)]
pub(super) struct NothingFits {
    /// The constraint to give up.
    constraint: Constraint,
    /// The reason and what to do, in one sentence.
    message: String,
    /// What fits without that constraint: the cheapest first where it is the budget, else as the catalog orders them.
    nearest: Vec<Product>,
}

/// The most products returned as the nearest.
const NEAREST_MAX: usize = 3;
/// So many are looked at to find the cheapest.
const POOL: u32 = 50;
/// So many constraints are tried, so that one call makes a bounded number of searches.
const TRIES_MAX: usize = 3;

impl NothingFits {
    /// Asks the catalog why a search found nothing.
    pub(super) async fn find(app: &App, call: &Call, search: &Search<'_>, currency: Currency) -> Self {
        let relaxed = [
            (search.max_amount.is_some(), Constraint::Budget, Search { max_amount: None, ..search.clone() }),
            (search.category.is_some(), Constraint::Category, Search { category: None, ..search.clone() }),
            (search.occasion.is_some(), Constraint::Occasion, Search { occasion: None, ..search.clone() }),
            (search.recipient.is_some(), Constraint::Recipient, Search { recipient: None, ..search.clone() }),
        ];
        for (_, constraint, search) in relaxed.into_iter().filter(|(given, ..)| *given).take(TRIES_MAX) {
            let search = Search { limit: POOL, ..search };
            let found = app.caller().search(&search, currency, &call.correlation, call.urgency(app)).await;
            match found {
                Ok(products) if products.is_empty() => {}
                Ok(products) => return Self::without(constraint, products),
                Err(_) => break,
            }
        }
        let message = "nothing in the catalog fits all of this; use other words, or fewer constraints";
        Self { constraint: Constraint::All, message: message.to_owned(), nearest: Vec::new() }
    }

    fn without(constraint: Constraint, mut products: Vec<Product>) -> Self {
        let message = match constraint {
            Constraint::Budget => {
                // What can be bought comes before what is cheap.
                products.sort_by_key(|product| (!product.in_stock, product.amount));
                let cheapest = products.first().map(|product| Money::new(product.amount, product.currency));
                let cheapest = cheapest.map_or_else(String::new, |cheapest| format!("; the cheapest costs {cheapest}"));
                format!("nothing that fits is within the budget{cheapest}")
            }
            Constraint::Category => {
                let mut others: Vec<&str> = Vec::new();
                for product in &products {
                    if others.len() < NEAREST_MAX && !others.contains(&product.category.as_str()) {
                        others.push(&product.category);
                    }
                }
                format!("nothing that fits is in this category; there is something in {}", others.join(", "))
            }
            Constraint::Occasion => {
                String::from("nothing that fits is for this occasion; without it there is something")
            }
            Constraint::Recipient => {
                String::from("nothing that fits is for this recipient; without it there is something")
            }
            Constraint::All => String::from("nothing fits"),
        };
        products.truncate(NEAREST_MAX);
        Self { constraint, message, nearest: products }
    }
}
