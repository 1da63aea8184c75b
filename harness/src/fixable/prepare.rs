//! What each tool of GiftGenius needs before it can be called well: the calls that come first, and the valid call
//! itself, with every field that it can have.

use std::sync::Arc;

use serde_json::{Value, json};

use super::house::House;
use crate::malform::Stranger;
use crate::provider::ledger::{EffectKind, Ledger};
use crate::provider::payment;
use crate::trace::HostReply;

/// Whom the calls are made for, and who has things of their own.
pub(super) const USER: &str = "ada";
const SOMEBODY_ELSE: &str = "bob";

/// What comes before the valid call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Before {
    /// Nothing: the house is empty.
    Nothing,
    /// What the valid call needs.
    Needs,
    /// That, and what another user has, and what has expired.
    Strangers,
}

/// A valid call, ready to be made.
#[derive(Clone, Debug)]
pub(super) struct Prepared {
    pub(super) valid: Value,
    pub(super) strangers: Vec<Stranger>,
}

/// What stands of money after a call was accepted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Books {
    /// Charges that were made.
    pub(super) charges: usize,
    /// Charges that were given back.
    pub(super) refunds: usize,
}

impl Books {
    /// What a ledger holds.
    pub(super) fn of(ledger: &Ledger) -> Self {
        let count = |kind| ledger.effects.iter().filter(|effect| effect.kind == kind).count();
        Self { charges: count(EffectKind::Charge), refunds: count(EffectKind::Refund) }
    }
}

/// What an accepted call of a tool adds to the books.
pub(super) fn adds(tool: &str) -> Books {
    match tool {
        "create_order" => Books { charges: 1, refunds: 0 },
        "cancel_order" => Books { charges: 0, refunds: 1 },
        _ => Books::default(),
    }
}

/// A place where calls are made, one after the other.
pub(super) trait Calls {
    /// Makes a call.
    fn call(&self, user: &str, tool: &str, arguments: Value) -> HostReply;

    /// What stands of money.
    fn books(&self) -> Books;
}

/// Makes a call that must be accepted. The error is a sentence.
pub(super) fn must(calls: &dyn Calls, user: &str, tool: &str, arguments: Value) -> Result<Value, String> {
    match calls.call(user, tool, arguments) {
        HostReply::Tool { structured, is_error: false } => Ok(Arc::unwrap_or_clone(structured)),
        other => Err(format!("{tool} should be accepted before anything is malformed, but answered {other:?}")),
    }
}

/// What `user` has when the calls before the valid one are made.
#[derive(Default)]
struct Made {
    workflow: String,
    session: String,
    order: String,
}

/// Makes the calls that come before. The error is a sentence.
pub(super) fn prepare(house: &House, tool: &str, before: Before) -> Result<Prepared, String> {
    let needs = Needs::of(tool);
    let mut strangers = Vec::new();
    if before == Before::Strangers {
        let theirs = make(house, SOMEBODY_ELSE, Needs::ORDER, "")?;
        let late = make(house, USER, Needs::SESSION, "")?;
        house.wait_out_the_quote();
        let stranger = |pointer: &str, variant, value: String| Stranger {
            pointer: pointer.to_owned(),
            variant,
            value: json!(value),
        };
        strangers = vec![
            stranger("/workflow_id", "foreign", theirs.workflow),
            stranger("/checkout_session_id", "foreign", theirs.session),
            stranger("/order_id", "foreign", theirs.order),
            stranger("/checkout_session_id", "expired", late.session),
            stranger("/promo_code", "expired", String::from("EXPIRED20")),
        ];
    }
    let made = if before == Before::Nothing { Made::default() } else { make(house, USER, needs, "")? };
    Ok(Prepared { valid: valid(tool, &made, ""), strangers })
}

/// Makes the calls that a tool's valid one needs, in a place where others were made before, and gives the valid one.
/// `mark` tells its keys from those before.
pub(super) fn prepare_anew(calls: &dyn Calls, tool: &str, mark: &str) -> Result<Value, String> {
    let made = make(calls, USER, Needs::of(tool), mark)?;
    Ok(valid(tool, &made, mark))
}

/// The valid call of a tool, with every field that it can have.
fn valid(tool: &str, made: &Made, mark: &str) -> Value {
    match tool {
        "search_products" => json!({
            "query": "tea", "category": "home", "budget": 9_900, "currency": "EUR", "limit": 7,
        }),
        "suggest_gifts" => json!({
            "occasion": "new-baby", "recipient": "baby", "interests": ["fashion", "tea"], "budget": 2_500,
            "currency": "EUR", "limit": 7, "workflow_id": made.workflow, "idempotency_key": format!("ideas-for-ada{mark}"),
        }),
        "create_checkout_session" => json!({
            "items": [{"sku": "tea-set", "quantity": 2}], "currency": "EUR", "promo_code": "WELCOME10",
            "budget": 99_900, "workflow_id": made.workflow, "idempotency_key": format!("a-quote-for-ada{mark}"),
        }),
        "create_order" => json!({
            "checkout_session_id": made.session, "payment_method_id": "pm_visa",
            "idempotency_key": format!("a-purchase-by-ada{mark}"),
        }),
        "get_order" => json!({ "order_id": made.order }),
        "cancel_order" => json!({ "order_id": made.order, "idempotency_key": format!("a-change-of-mind{mark}") }),
        "user_navigated_to_step" => json!({
            "workflow_id": made.workflow, "step": "generate_ideas", "idempotency_key": format!("a-step-back{mark}"),
        }),
        "get_workflow" => json!({ "workflow_id": made.workflow }),
        // Without fields; or a tool that nobody has described here yet: what it publishes as an example is tried.
        _ => example(tool).unwrap_or_else(|| json!({})),
    }
}

/// The example that a tool publishes.
fn example(tool: &str) -> Option<Value> {
    let known = giftgenius::tools::table().iter().find(|known| known.spec.name == tool)?;
    known.spec.input_schema.pointer("/examples/0").cloned()
}

/// How far the purchase has to have come.
#[derive(Clone, Copy)]
struct Needs {
    workflow: bool,
    session: bool,
    order: bool,
}

impl Needs {
    const NOTHING: Self = Self { workflow: false, session: false, order: false };
    const WORKFLOW: Self = Self { workflow: true, ..Self::NOTHING };
    // A quote begins a workflow implicitly.
    const SESSION: Self = Self { session: true, ..Self::NOTHING };
    const ORDER: Self = Self { order: true, ..Self::SESSION };

    fn of(tool: &str) -> Self {
        match tool {
            "search_products" | "get_payment_methods" => Self::NOTHING,
            // A workflow is enough for a quote; one that was begun with a quote was made without looking through the catalog.
            "create_order" | "create_checkout_session" => Self::SESSION,
            "get_order" | "cancel_order" => Self::ORDER,
            _ => Self::WORKFLOW,
        }
    }
}

fn make(calls: &dyn Calls, user: &str, needs: Needs, mark: &str) -> Result<Made, String> {
    let mut made = Made::default();
    let told = |answer: &Value, field: &str| answer.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
    if needs.workflow {
        // Few ideas: what is found is of no concern here, and costs its time.
        let few = json!({"occasion": "new-baby", "recipient": "baby", "budget": 2_000, "limit": 1});
        let answer = must(calls, user, "suggest_gifts", few)?;
        made.workflow = told(&answer, "workflow_id");
    }
    if needs.session {
        let quote = json!({"items": [{"sku": "tea-set", "quantity": 1}], "currency": "EUR"});
        let answer = must(calls, user, "create_checkout_session", quote)?;
        (made.session, made.workflow) = (told(&answer, "checkout_session_id"), told(&answer, "workflow_id"));
    }
    if needs.order {
        let pay = json!({
            "checkout_session_id": made.session, "payment_method_id": payment::visa_of(user),
            "idempotency_key": format!("first-{user}{mark}"),
        });
        made.order = told(&must(calls, user, "create_order", pay)?, "order_id");
    }
    Ok(made)
}
