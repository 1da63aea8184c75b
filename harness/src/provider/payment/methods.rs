//! Payment methods, customer by customer. A method belongs to one customer; to everybody else it is as unknown as one that
//! was never there.
//!
//! Every customer has the same three cards, each under an id of their own. The ids of [`FIRST_CUSTOMER`] are short, since
//! nearly every scenario pays with them.

use smol_str::{SmolStr, format_smolstr};

/// Whose methods are `pm_visa`, `pm_mastercard` and `pm_declined`; another customer's carry the customer's name:
/// `pm_ben_visa`.
const FIRST_CUSTOMER: &str = "ada";

/// A card that every customer has.
#[derive(Debug)]
pub struct Card {
    name: &'static str,
    /// The network that issued it.
    pub brand: &'static str,
    /// The end of its number.
    pub last4: &'static str,
    /// Whether nothing can be paid with it.
    pub is_declined: bool,
}

/// Every customer has these.
pub(super) const CARDS: [Card; 3] = [
    Card { name: "visa", brand: "visa", last4: "4242", is_declined: false },
    Card { name: "mastercard", brand: "mastercard", last4: "4444", is_declined: false },
    Card { name: "declined", brand: "visa", last4: "9995", is_declined: true },
];

impl Card {
    /// The id of a customer's card.
    pub(super) fn of(&self, customer: &str) -> SmolStr {
        if customer == FIRST_CUSTOMER {
            format_smolstr!("pm_{}", self.name)
        } else {
            format_smolstr!("pm_{customer}_{}", self.name)
        }
    }
}

/// The customer and the card of a method; `None` if it is not a method of any customer.
fn find(method: &str) -> Option<(&str, &'static Card)> {
    let rest = method.strip_prefix("pm_")?;
    let (customer, name) = rest.rsplit_once('_').unwrap_or((FIRST_CUSTOMER, rest));
    let card = CARDS.iter().find(|card| card.name == name)?;
    (card.of(customer) == method).then_some((customer, card))
}

/// The customer that a method belongs to; `None` if it belongs to no customer that there can be.
pub fn holder(method: &str) -> Option<&str> {
    find(method).map(|(customer, _)| customer)
}

/// A method that a customer can pay with.
pub fn visa_of(customer: &str) -> SmolStr {
    CARDS[0].of(customer)
}

/// A customer's methods, with the card behind each.
pub fn methods_of(customer: &str) -> [(SmolStr, &'static Card); 3] {
    [0, 1, 2].map(|index| (CARDS[index].of(customer), &CARDS[index]))
}

/// The card behind a customer's method.
pub fn card_of(customer: &str, method: &str) -> Option<&'static Card> {
    find(method).filter(|(holder, _)| *holder == customer).map(|(_, card)| card)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_method_belongs_to_one_customer() {
        for (method, customer) in [
            ("pm_visa", Some("ada")),
            ("pm_ben_visa", Some("ben")),
            ("pm_mary_ann_declined", Some("mary_ann")),
            ("pm_ada_visa", None),
            ("pm_gold", None),
            ("pm__visa", Some("")),
            ("visa", None),
        ] {
            assert_eq!(holder(method), customer, "{method}");
        }
        assert!(card_of("ben", "pm_ben_visa").is_some());
        assert!(card_of("ben", "pm_visa").is_none());
        assert!(card_of("ada", "pm_ben_visa").is_none());
    }
}
