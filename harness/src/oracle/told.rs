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

/// An answer, read in one walk over its fields: nearly every rule asks for some of them.
#[derive(Clone, Debug, Default)]
pub struct Said<'a> {
    /// What it says of a sale or an error; `None` where it speaks of neither.
    pub told: Option<Told<'a>>,
    /// The session that a success names.
    pub session: Option<&'a str>,
    /// The amount that a success names, in minor units, and its currency.
    pub amount: Option<(i64, &'a str)>,
    /// The workflow that a success names.
    pub workflow: Option<&'a str>,
    /// The step at which the workflow is, as a success or an error tells it.
    pub step: Option<&'a str>,
    /// The error's message, for the model.
    pub message: Option<&'a str>,
    /// The sentence for the person, of a success or an error.
    pub sentence: Option<&'a str>,
    /// What a search that found nothing says of it.
    pub nothing_fits: Option<&'a Value>,
    /// What a search found.
    pub found: Option<&'a Vec<Value>>,
    /// Whether a success holds an `error` all the same.
    pub holds_an_error: bool,
}

impl<'a> Said<'a> {
    /// Reads an answer.
    pub fn read(reply: &'a HostReply) -> Self {
        let HostReply::Tool { structured, is_error } = reply else { return Self::default() };
        let Some(body) = structured.as_object() else { return Self::default() };
        let mut said = Self::default();
        let fields = if *is_error { body.get("error").and_then(Value::as_object) } else { Some(body) };
        let mut told = Told {
            status: ToldStatus::Failed,
            is_error: *is_error,
            effects: None,
            order_id: None,
            code: None,
            retryable: None,
            amount: None,
            structured,
        };
        let mut status = None;
        for (name, value) in fields.into_iter().flatten() {
            match name.as_str() {
                "effects" => told.effects = value.as_str(),
                "order_id" => told.order_id = value.as_str(),
                "step" => said.step = value.as_str(),
                "user_message" => said.sentence = value.as_str(),
                "code" if *is_error => told.code = value.as_str(),
                "retryable" if *is_error => told.retryable = value.as_bool(),
                "message" if *is_error => said.message = value.as_str(),
                "error" if !is_error => said.holds_an_error = true,
                "nothing_fits" if !is_error => said.nothing_fits = Some(value),
                "ideas" | "products" if !is_error => said.found = value.as_array(),
                "error_code" if !is_error => told.code = value.as_str(),
                "amount" if !is_error => told.amount = amount(value),
                "status" if !is_error => status = value.as_str().and_then(ToldStatus::parse),
                "workflow_id" if !is_error => said.workflow = value.as_str(),
                "checkout_session_id" if !is_error => said.session = value.as_str(),
                _ => {}
            }
        }
        said.amount = told.amount;
        let speaks = if *is_error { body.contains_key("error") } else { told.order_id.is_some() && status.is_some() };
        told.status = status.unwrap_or(ToldStatus::Failed);
        said.told = speaks.then_some(told);
        said
    }
}

/// An amount as answers carry it: `{"minor_units": 4200, "currency": "EUR"}`.
pub fn amount(value: &Value) -> Option<(i64, &str)> {
    Some((value.get("minor_units")?.as_i64()?, value.get("currency")?.as_str()?))
}
