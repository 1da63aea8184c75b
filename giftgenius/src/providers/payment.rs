//! The payment provider's client.

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use super::{Call, Caller, NO_BODY, query_value};
use crate::ids::{CorrelationId, OrderId, UserId};
use crate::money::{Currency, Money};
use crate::ports::Provider;
use crate::retry::{CallFailed, Failure, Urgency};
use crate::validate::is_harmless;

#[derive(Serialize)]
struct ChargeRequest<'a> {
    reference: &'a OrderId,
    customer: &'a UserId,
    amount: i64,
    currency: Currency,
    payment_method: &'a str,
}

#[derive(Deserialize)]
struct ChargeReply {
    id: SmolStr,
    reference: SmolStr,
    amount: i64,
    currency: Currency,
    status: ChargeStatus,
}

/// A charge's status in the provider's words.
#[derive(Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "snake_case")]
pub enum ChargeStatus {
    /// Accepted; captured or refused later.
    Processing,
    /// The person has to confirm it first.
    RequiresAction,
    /// Called off before it was captured.
    Cancelled,
    /// The money was taken.
    Captured,
    /// Taken, and given back in part.
    PartiallyRefunded,
    /// Taken, and given back.
    Refunded,
    /// Taken, and taken back by the person's bank until it is decided whose it is.
    Disputed,
}

/// What a charge request was answered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Charged {
    /// The money was taken.
    Captured {
        /// The provider's id.
        charge_id: SmolStr,
        /// How much, as the provider says.
        amount: Money,
    },
    /// It is being worked on.
    Processing,
    /// The person has to confirm it first.
    RequiresAction,
}

/// A charge in the reply to a look-up.
#[derive(Deserialize, Clone, PartialEq, Eq, Debug)]
pub struct ChargeRecord {
    /// The provider's id.
    pub id: SmolStr,
    /// The merchant reference.
    reference: SmolStr,
    /// What is taken, in minor units.
    pub amount: i64,
    /// In which currency.
    pub currency: Currency,
    /// Where it stands.
    pub status: ChargeStatus,
    /// What was given back, in minor units.
    #[serde(default)]
    pub refunded: i64,
    /// What is being given back besides, in minor units.
    #[serde(default)]
    pub refunding: i64,
    /// What a dispute has taken back, in minor units.
    #[serde(default)]
    pub disputed: i64,
}

impl ChargeRecord {
    /// What still stands and is not being given back, in minor units.
    pub const fn standing(&self) -> i64 {
        match self.status {
            ChargeStatus::Processing | ChargeStatus::RequiresAction | ChargeStatus::Cancelled => 0,
            ChargeStatus::Captured
            | ChargeStatus::PartiallyRefunded
            | ChargeStatus::Refunded
            | ChargeStatus::Disputed => self.amount - self.refunded - self.refunding - self.disputed,
        }
    }

    /// Whether a dispute is open: a refund beside it would pay the person twice.
    pub const fn is_disputed(&self) -> bool {
        matches!(self.status, ChargeStatus::Disputed) || self.disputed > 0
    }

    /// Whether it was taken and all of it was given back since.
    pub const fn is_given_back(&self) -> bool {
        matches!(self.status, ChargeStatus::Refunded) && self.refunded >= self.amount && !self.is_disputed()
    }

    /// Whether its figures can be true together. A charge that contradicts itself says nothing: money is not moved by it.
    fn can_be(&self) -> bool {
        let sums = [self.refunding, self.disputed].iter().try_fold(self.refunded, |sum, more| sum.checked_add(*more));
        let in_range = [self.refunded, self.refunding, self.disputed].iter().all(|figure| *figure >= 0)
            && self.amount > 0
            && sums.is_some_and(|back| back <= self.amount);
        let nothing_moved = self.refunded == 0 && self.refunding == 0 && self.disputed == 0;
        in_range
            && match self.status {
                ChargeStatus::Processing | ChargeStatus::RequiresAction | ChargeStatus::Cancelled => nothing_moved,
                ChargeStatus::Captured => self.refunded == 0,
                ChargeStatus::PartiallyRefunded => self.refunded > 0 && self.refunded < self.amount,
                ChargeStatus::Refunded => self.refunded == self.amount,
                ChargeStatus::Disputed => true,
            }
    }

    /// Whether it may be captured later.
    pub const fn is_pending(&self) -> bool {
        matches!(self.status, ChargeStatus::Processing | ChargeStatus::RequiresAction)
    }
}

/// A reply that contradicts the request or itself proves nothing.
fn contradiction() -> Failure {
    crate::attempts::contradicts();
    Failure::Unclear { retry_after: None }
}

/// A listing that is about the order and can be true. A reply to another request, or one that contradicts itself, proves
/// nothing.
fn of_order(order: &OrderId, charges: Vec<ChargeRecord>) -> Result<Vec<ChargeRecord>, Failure> {
    let counts = |(index, charge): (usize, &ChargeRecord)| {
        charge.reference == order.as_str()
            && charge.can_be()
            && charges[..index].iter().all(|earlier| earlier.id != charge.id)
    };
    if charges.iter().enumerate().all(counts) { Ok(charges) } else { Err(contradiction()) }
}

#[derive(Deserialize)]
struct LookUpReply {
    charges: Vec<ChargeRecord>,
}

#[derive(Serialize)]
struct RefundRequest<'a> {
    charge: &'a str,
    reference: &'a OrderId,
    amount: i64,
    currency: Currency,
}

#[derive(Deserialize)]
struct RefundReply {
    #[serde(rename = "id")]
    _id: SmolStr,
    charge: SmolStr,
    amount: i64,
    currency: Currency,
    status: RefundStatus,
}

/// What a refund request was answered.
#[derive(Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "snake_case")]
pub enum RefundStatus {
    /// Accepted, and done later.
    Processing,
    /// Done; it can still fail.
    Succeeded,
}

#[derive(Serialize)]
struct CancelRequest<'a> {
    reference: &'a OrderId,
}

#[derive(Deserialize)]
struct CancelReply {
    reference: SmolStr,
    status: CancelStatus,
    charges: Vec<ChargeRecord>,
}

#[derive(Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum CancelStatus {
    Closed,
}

/// A payment method, reduced to what a person may see of it.
#[derive(Serialize, Deserialize, Clone, PartialEq, Eq, Debug, schemars::JsonSchema)]
pub struct PaymentMethod {
    /// To name in `create_order`.
    pub id: String,
    /// `visa`, `mastercard`, …
    pub brand: String,
    /// The card number's last four digits, where the provider told four.
    #[serde(default, deserialize_with = "four_digits", skip_serializing_if = "Option::is_none")]
    #[schemars(extend("type" = "string"), length(equal = 4))]
    pub last4: Option<String>,
}

/// Four digits; whatever else stands there (a whole card number, say) is left out.
fn four_digits<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let told = serde_json::Value::deserialize(deserializer)?;
    let is_last4 = |text: &&str| text.len() == 4 && text.bytes().all(|byte| byte.is_ascii_digit());
    Ok(told.as_str().filter(is_last4).map(str::to_owned))
}

#[derive(Deserialize)]
struct MethodsReply {
    payment_methods: Vec<PaymentMethod>,
}

impl Caller {
    /// One charge request. It names the customer, so that the provider refuses a payment method of another one as it refuses
    /// an unknown one. The reply's amount is what the provider says, for the caller to compare with the quote; a reply about
    /// another order is `Unclear`.
    pub async fn charge_once(
        &self,
        order: &OrderId,
        customer: &UserId,
        key: &SmolStr,
        amount: Money,
        payment_method: &str,
        correlation: &CorrelationId,
    ) -> Result<Charged, Failure> {
        let call = Call {
            provider: Provider::Payment,
            operation: "payment.charge",
            path: "/v1/charges",
            key: Some(key),
            correlation,
        };
        let Money { minor_units: amount, currency } = amount;
        let body = ChargeRequest { reference: order, customer, amount, currency, payment_method };
        let reply: ChargeReply = self.once(&call, Some(&body)).await?;
        if reply.reference != order.as_str() {
            return Err(contradiction());
        }
        match reply.status {
            ChargeStatus::Captured => {
                Ok(Charged::Captured { charge_id: reply.id, amount: Money::new(reply.amount, reply.currency) })
            }
            ChargeStatus::Processing => Ok(Charged::Processing),
            ChargeStatus::RequiresAction => Ok(Charged::RequiresAction),
            // A new charge cannot have been given back or called off already: whatever this is about, it proves nothing.
            ChargeStatus::PartiallyRefunded
            | ChargeStatus::Refunded
            | ChargeStatus::Disputed
            | ChargeStatus::Cancelled => Err(contradiction()),
        }
    }

    /// One look-up of the charges under an order.
    pub async fn look_up_once(
        &self,
        order: &OrderId,
        correlation: &CorrelationId,
    ) -> Result<Vec<ChargeRecord>, Failure> {
        let path = format!("/v1/charges?reference={}", query_value(order.as_str()));
        let call =
            Call { provider: Provider::Payment, operation: "payment.look_up", path: &path, key: None, correlation };
        let reply: LookUpReply = self.once(&call, NO_BODY).await?;
        of_order(order, reply.charges)
    }

    /// One request to close an order's reference against later charges; answers the charges under it.
    pub async fn cancel_once(
        &self,
        order: &OrderId,
        key: &SmolStr,
        correlation: &CorrelationId,
    ) -> Result<Vec<ChargeRecord>, Failure> {
        let call = Call {
            provider: Provider::Payment,
            operation: "payment.cancel",
            path: "/v1/references/cancel",
            key: Some(key),
            correlation,
        };
        let reply: CancelReply = self.once(&call, Some(&CancelRequest { reference: order })).await?;
        match reply.status {
            CancelStatus::Closed if reply.reference == order.as_str() => of_order(order, reply.charges),
            CancelStatus::Closed => Err(contradiction()),
        }
    }

    /// One refund request.
    pub async fn refund_once(
        &self,
        order: &OrderId,
        charge: &str,
        amount: Money,
        key: &SmolStr,
        correlation: &CorrelationId,
    ) -> Result<RefundStatus, Failure> {
        let call = Call {
            provider: Provider::Payment,
            operation: "payment.refund",
            path: "/v1/refunds",
            key: Some(key),
            correlation,
        };
        let body = RefundRequest { charge, reference: order, amount: amount.minor_units, currency: amount.currency };
        let reply: RefundReply = self.once(&call, Some(&body)).await?;
        let is_ours = reply.charge == charge && Money::new(reply.amount, reply.currency) == amount;
        if is_ours { Ok(reply.status) } else { Err(contradiction()) }
    }

    /// A person's payment methods.
    pub async fn payment_methods(
        &self,
        user: &UserId,
        correlation: &CorrelationId,
        urgency: Urgency,
    ) -> Result<Vec<PaymentMethod>, CallFailed> {
        let path = format!("/v1/payment_methods?customer={}", query_value(user.as_str()));
        let call =
            Call { provider: Provider::Payment, operation: "payment.methods", path: &path, key: None, correlation };
        let MethodsReply { mut payment_methods } = self.read(&call, NO_BODY, urgency, |_| true).await?;
        // A method whose id or brand may be a card's number is left out, and so cannot be used.
        payment_methods.retain(|method| is_harmless(&method.id) && is_harmless(&method.brand));
        Ok(payment_methods)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn is_believed(changes: &[(&str, Value)]) -> bool {
        let mut charge =
            json!({"id": "ch_1", "reference": "ord_1", "amount": 4200, "currency": "EUR", "status": "captured"});
        for (field, value) in changes {
            charge[*field] = value.clone();
        }
        let listing = vec![serde_json::from_value(charge).unwrap()];
        of_order(&OrderId::from("ord_1"), listing).is_ok()
    }

    #[test]
    fn a_listing_that_can_be_is_believed() {
        for changes in [
            vec![],
            vec![("refunding", json!(4200))],
            vec![("status", json!("partially_refunded")), ("refunded", json!(1)), ("refunding", json!(4199))],
            vec![("status", json!("refunded")), ("refunded", json!(4200))],
            vec![("status", json!("disputed")), ("disputed", json!(4200))],
            vec![("status", json!("processing"))],
            vec![("status", json!("cancelled"))],
        ] {
            assert!(is_believed(&changes), "{changes:?}");
        }
    }

    #[test]
    fn a_listing_that_contradicts_itself_says_nothing() {
        for changes in [
            vec![("refunded", json!(-4200))],
            vec![("refunding", json!(-1))],
            vec![("disputed", json!(-1))],
            vec![("amount", json!(0))],
            vec![("amount", json!(-4200)), ("refunded", json!(-4200))],
            vec![("refunded", json!(4200))],
            vec![("refunding", json!(4201))],
            vec![("refunding", json!(i64::MAX)), ("disputed", json!(i64::MAX))],
            vec![("status", json!("refunded"))],
            vec![("status", json!("refunded")), ("refunded", json!(4199))],
            vec![("status", json!("refunded")), ("refunded", json!(4300))],
            vec![("status", json!("partially_refunded"))],
            vec![("status", json!("partially_refunded")), ("refunded", json!(4200))],
            vec![("status", json!("partially_refunded")), ("refunded", json!(4000)), ("refunding", json!(201))],
            vec![("status", json!("processing")), ("refunding", json!(1))],
            vec![("status", json!("cancelled")), ("refunded", json!(4200))],
            vec![("reference", json!("ord_2"))],
        ] {
            assert!(!is_believed(&changes), "{changes:?}");
        }
    }

    #[test]
    fn one_charge_is_listed_once() {
        let charge =
            json!({"id": "ch_1", "reference": "ord_1", "amount": 4200, "currency": "EUR", "status": "captured"});
        let charge: ChargeRecord = serde_json::from_value(charge).unwrap();
        assert!(of_order(&OrderId::from("ord_1"), vec![charge.clone(), charge]).is_err());
    }
}
