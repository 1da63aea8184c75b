//! How an answer is read: what it says of a sale, and what it quotes.

use serde_json::Value;

use crate::trace::HostReply;

/// How a sale was told to stand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ToldStatus {
    /// Paid and committed.
    Success,
    /// Nothing stands.
    Failed,
    /// Not settled yet.
    Pending,
    /// (Of `get_order` and `cancel_order`.) It was cancelled, nothing stands.
    Cancelled,
}

impl ToldStatus {
    /// As it is written in answers.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failed => "failed",
            Self::Pending => "pending",
            Self::Cancelled => "cancelled",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::Success, Self::Failed, Self::Pending, Self::Cancelled].into_iter().find(|status| status.name() == text)
    }
}

/// What an answer says about a sale, or about an error.
#[derive(Clone, Debug)]
pub struct Told<'a> {
    /// The status; for a tool error `Failed`.
    pub status: ToldStatus,
    /// Whether it was a tool error.
    pub is_error: bool,
    /// `none`, `unknown` or `charged`, where it is said.
    pub effects: Option<&'a str>,
    /// The order, where it is said.
    pub order_id: Option<&'a str>,
    /// The error's code.
    pub code: Option<&'a str>,
    /// The error's `retryable`.
    pub retryable: Option<bool>,
    /// The amount told, in minor units, and its currency.
    pub amount: Option<(i64, &'a str)>,
    /// The whole structured content.
    pub structured: &'a Value,
}

impl<'a> Told<'a> {
    /// Reads an answer; `None` where it speaks neither of a sale nor of an error.
    pub fn read(reply: &'a HostReply) -> Option<Self> {
        let HostReply::Tool { structured, is_error } = reply else {
            return None;
        };
        let body = structured.as_object()?;
        if *is_error {
            let error = body.get("error")?;
            let text = |field: &str| error.get(field).and_then(Value::as_str);
            return Some(Self {
                status: ToldStatus::Failed,
                is_error: true,
                effects: text("effects"),
                order_id: text("order_id"),
                code: text("code"),
                retryable: error.get("retryable").and_then(Value::as_bool),
                amount: None,
                structured,
            });
        }
        let text = |field: &str| body.get(field).and_then(Value::as_str);
        let order_id = text("order_id")?;
        let status = ToldStatus::parse(text("status")?)?;
        Some(Self {
            status,
            is_error: false,
            effects: text("effects"),
            order_id: Some(order_id),
            code: text("error_code"),
            retryable: None,
            amount: body.get("amount").and_then(amount),
            structured,
        })
    }
}

/// An amount as answers carry it: `{"minor_units": 4200, "currency": "EUR"}`.
pub fn amount(value: &Value) -> Option<(i64, &str)> {
    Some((value.get("minor_units")?.as_i64()?, value.get("currency")?.as_str()?))
}

/// The session and the amount that a `create_checkout_session` answer quotes.
pub fn quote(reply: &HostReply) -> Option<(&str, (i64, &str))> {
    let HostReply::Tool { structured, is_error: false } = reply else {
        return None;
    };
    Some((structured.get("checkout_session_id")?.as_str()?, amount(structured.get("amount")?)?))
}
