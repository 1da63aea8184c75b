//! `create_checkout_session`: freezes a quote and opens the checkout step.

use std::sync::Arc;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use smol_str::SmolStr;

use super::keyed::{Bound, under_key};
use super::{About, Call, InStep, Tool};
use crate::app::{Annotations, App};
use crate::checkout::answer::{Standing, failed_reply, standing};
use crate::checkout::buy::in_progress;
use crate::checkout::entry::SavedReply;
use crate::checkout::order::Item;
use crate::checkout::session::{Session, SessionState};
use crate::error::{Code, ToolError};
use crate::ids::{SessionId, WorkflowId};
use crate::journal::{Batch, CommitError, JournalError, Key, Record};
use crate::limits::place_for_session;
use crate::money::{Currency, Money};
use crate::providers::catalog::QuoteLine;
use crate::validate::Violation;
use crate::workflow::{Step, Workflow};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Input {
    /// What is bought; each product once.
    #[schemars(length(min = 1, max = 20))]
    items: Vec<InputItem>,
    /// The currency to pay in, ISO 4217; the shop sells in EUR, and much of it in USD.
    #[schemars(with = "String", regex(pattern = "^[A-Z]{3}$"), example = &"EUR")]
    currency: Currency,
    /// A promo code, if the person has one.
    #[serde(default)]
    #[schemars(length(min = 1, max = 40))]
    promo_code: Option<String>,
    /// The most the whole may cost, in minor units of `currency` (5000 is 50.00 EUR, and 5000 JPY).
    #[serde(default)]
    #[schemars(range(min = 1, max = 100_000_000))]
    budget: Option<i64>,
    /// The workflow to go on with; left out, a new one begins.
    #[serde(default)]
    #[schemars(length(min = 1, max = 80))]
    workflow_id: Option<String>,
    /// Makes a repeat of this call answer the same session.
    #[serde(default)]
    #[schemars(length(min = 8, max = 128))]
    idempotency_key: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct InputItem {
    /// The product, as `search_products` or `suggest_gifts` told it.
    #[schemars(with = "String", length(min = 1, max = 80), example = &"tea-set")]
    sku: SmolStr,
    /// How many.
    #[schemars(range(min = 1, max = 99))]
    quantity: u32,
}

pub(super) fn default_currency() -> Currency {
    Currency::EUR
}

/// A frozen quote.
#[derive(Serialize, JsonSchema)]
struct Output {
    /// To name in `create_order`.
    #[schemars(with = "String")]
    checkout_session_id: SessionId,
    /// Of this conversation.
    #[schemars(with = "String")]
    workflow_id: WorkflowId,
    /// What will be charged: `minor_units` of `currency`.
    #[schemars(with = "Value")]
    amount: Money,
    /// What it is made of.
    lines: Vec<QuoteLine>,
    /// What the promo code takes off, in minor units.
    discount: i64,
    /// Until when it can be paid, RFC 3339.
    #[schemars(with = "String")]
    expires_at: Timestamp,
}

pub(super) fn tool() -> Tool {
    let about = About {
        name: "create_checkout_session",
        title: "Create a checkout session",
        description: "Freezes the price of items and opens the checkout. Nothing is reserved or charged. Show the amount \
                      to the person, then pay with create_order. A session can be paid once.",
        annotations: Annotations { read_only: false, destructive: false, idempotent: false, open_world: true },
        example: json!({"items": [{"sku": "tea-set", "quantity": 1}], "currency": "EUR"}),
    };
    super::tool::<Input, Output>(about, |app, call| Box::pin(create(app, call)))
}

async fn create(app: Arc<App>, call: Call) -> SavedReply {
    let mut input: Input = match call.input() {
        Ok(input) => input,
        Err(error) => return failed_reply(&error),
    };
    let key = input.idempotency_key.take();
    under_key(&app, &call, key.as_deref(), async |bound| quote(&app, &call, input, bound).await).await
}

async fn quote(app: &App, call: &Call, input: Input, bound: Option<Bound>) -> Result<Output, Box<ToolError>> {
    let items: Arc<[_]> = input.items.into_iter().map(|item| Item { sku: item.sku, quantity: item.quantity }).collect();
    if let Some(violation) = listed_twice(call, &items) {
        return Err(call.refuse(violation));
    }
    let currency = call.known_currency(input.currency)?;
    let from = match &input.workflow_id {
        Some(id) => Some(call.in_step(app, id).await?),
        None => None,
    };
    if let Some(from) = &from {
        refuse_while_paying(app, call, from).await?;
    }
    let store = |error| App::store_error(&error, &call.correlation);
    if !app.checkout_on().await.map_err(store)? {
        return Err(call.fail(Code::CheckoutDisabled, "checkout is switched off; nothing was begun"));
    }
    // What the call says of the budget counts before what an earlier one said.
    let said_before = || from.as_ref().and_then(|from| from.workflow.budget);
    let budget = input.budget.map(|budget| Money::new(budget, currency)).or_else(said_before);
    if let Some(budget) = budget.filter(|budget| budget.currency != currency) {
        return Err(in_another_currency(call, budget, currency));
    }
    if let Some((_, Session { id, state: SessionState::Open, .. })) =
        from.as_ref().and_then(|from| from.session.as_ref())
    {
        // The new price takes its place.
        app.limits.forget(&call.user, id);
    }
    let place = place_for_session(app, &call.user, &call.correlation).await?;
    let urgency = call.urgency(app);
    let quote = app
        .caller()
        .quote(&items, currency, input.promo_code.as_deref(), &call.correlation, urgency)
        .await
        .map_err(|failed| call.catalog_failed(failed))?;
    let amount = quote.amount();
    if amount.minor_units == 0 {
        return Err(free(call));
    }
    if let Some(budget) = budget.filter(|budget| amount.minor_units > budget.minor_units) {
        return Err(
            call.fail(Code::BudgetTooSmall, format!("the items cost {amount}, more than the budget of {budget}"))
        );
    }
    let workflow_id = from.as_ref().map(|from| from.workflow.id.clone());
    let session = Session {
        id: SessionId::from(app.ports().new_id("cs_")),
        user: call.user.clone(),
        workflow_id: Some(workflow_id.clone().unwrap_or_else(|| WorkflowId::from(app.ports().new_id("wf_")))),
        items,
        amount,
        expires_at: app.ports().after(app.policy().quote_ttl),
        state: SessionState::Open,
        declined: false,
        drop_after: Some(app.ports().after(app.policy().quote_ttl + app.policy().retention)),
    };
    let output = Output {
        checkout_session_id: session.id.clone(),
        workflow_id: session.workflow_id.clone().expect("set above"),
        amount,
        lines: quote.lines,
        discount: quote.discount,
        expires_at: session.expires_at,
    };
    keep(app, call, session, bound, &output, from).await?;
    place.taken_by(output.checkout_session_id.clone(), output.expires_at);
    Ok(output)
}

/// The budget that was named before is in another currency than the purchase: an amount in one says nothing of the other.
fn in_another_currency(call: &Call, budget: Money, currency: Currency) -> Box<ToolError> {
    let its = budget.currency;
    let message = format!(
        "the budget of {budget} cannot be held to prices in {currency}; pay in {its}, or name a budget in {currency}"
    );
    let expected = format!("{its}, the currency of the workflow's budget; or this currency with a `budget` in it");
    let mut violation = call.at("/currency", "not_accepted", &expected).meaning(Some(json!(its)));
    violation.allowed_values = vec![json!(its)];
    call.fail_at(Code::BudgetCurrency, message, violation)
}

/// A promotion takes the whole price off: nothing can be charged 0.
fn free(call: &Call) -> Box<ToolError> {
    let message = "a promotion takes off the whole price, and nothing can be charged 0; buy without it";
    if call.arguments.get("promo_code").is_some_and(Value::is_string) {
        let expected = "a promo code that leaves something to pay, or no such field";
        call.fail_at(Code::PromoInvalid, message, call.at("/promo_code", "not_accepted", expected))
    } else {
        call.fail(Code::PromoInvalid, message)
    }
}

/// A product that is listed more than once: what is meant may be the sum or a slip, so it is asked for once.
fn listed_twice(call: &Call, items: &[Item]) -> Option<Violation> {
    let again = items.iter().enumerate().find(|(index, item)| items[..*index].iter().any(|one| one.sku == item.sku));
    let (index, item) = again?;
    let mut merged: Vec<Item> = Vec::with_capacity(items.len());
    for item in items {
        match merged.iter_mut().find(|one| one.sku == item.sku) {
            Some(one) => one.quantity = one.quantity.saturating_add(item.quantity),
            None => merged.push(item.clone()),
        }
    }
    let whole: Vec<Value> = merged.iter().map(|item| json!({ "sku": item.sku, "quantity": item.quantity })).collect();
    let expected =
        format!("each product once; {} is listed again at {index}, list it once with the whole quantity", item.sku);
    Some(call.at("/items", "duplicate", &expected).meaning(Some(Value::from(whole))))
}

/// A workflow whose gift is being paid, or is paid, has no other price frozen beside it: the person has to move first.
async fn refuse_while_paying(app: &App, call: &Call, from: &InStep) -> Result<(), Box<ToolError>> {
    let Some((_, Session { state: SessionState::Taken(order), .. })) = &from.session else { return Ok(()) };
    let order = app.order(order).await.map_err(|error| App::store_error(&error, &call.correlation))?;
    let Some((_, order)) = order else { return Ok(()) };
    match standing(&order) {
        Standing::Pending(effects, _) => {
            Err(in_progress(app, Some(&order), &call.correlation).about(&order.id, effects))
        }
        Standing::Success => {
            let why = format!(" and its gift is paid with order {}", order.id);
            Err(ToolError::out_of_step(call.tool, from.step, &why, &call.correlation))
        }
        Standing::Failed(_) | Standing::Cancelled => Ok(()),
    }
}

/// Journals session, workflow and the key's entry together; a price that was frozen before and not paid is left behind. A
/// workflow that another call changed meanwhile is read again, so that no two of its prices can be paid; one that the
/// person moved stays where they moved it, and a key that another call has bound ends it.
async fn keep(
    app: &App,
    call: &Call,
    session: Session,
    bound: Option<Bound>,
    output: &Output,
    mut from: Option<InStep>,
) -> Result<(), Box<ToolError>> {
    /// Lost races before the store is called unavailable: nobody changes one workflow that often at once.
    const RACES_MAX: u32 = 8;
    let store = |error| App::store_error(&error, &call.correlation);
    let (session_id, gift) = (session.id.clone(), session.items.first().map(|item| item.sku.clone()));
    let mut fixed = Batch::default().put(None, Record::Session(session)).until(call.deadline);
    if let Some(bound) = &bound {
        fixed = bound.bind(app, fixed, output);
    }
    for _ in 0..RACES_MAX {
        let mut batch = fixed.clone();
        let moves = from.as_ref().map_or(0, |from| from.workflow.moves);
        let (version, mut workflow) = match from.take() {
            Some(InStep { version, workflow, session, .. }) => {
                if let Some((version, earlier)) = session {
                    let state = earlier.state.left();
                    if state != earlier.state {
                        batch = batch.put(Some(version), Record::Session(Session { state, ..earlier }));
                    }
                }
                (Some(version), workflow)
            }
            None => (None, Workflow::begin(output.workflow_id.clone(), call.user.clone())),
        };
        workflow.step = Step::Checkout;
        workflow.session = Some(session_id.clone());
        workflow.drop_after = Some(app.dropped_after());
        workflow.selected_gift.clone_from(&gift);
        match app.commit(batch.put(version, Record::Workflow(workflow))).await {
            Ok(()) => return Ok(()),
            Err(CommitError::Store(error)) => return Err(store(error)),
            Err(CommitError::Conflict(Key::Workflow(_) | Key::Session(_))) => {
                // Boxed: a race is rare, and every quote would be made with the room for it.
                let again = Box::pin(call.in_step(app, output.workflow_id.as_str())).await?;
                Box::pin(refuse_while_paying(app, call, &again)).await?;
                call.refuse_if_moved(moves, &again.workflow, again.step)?;
                from = Some(again);
            }
            Err(CommitError::Conflict(_)) => break,
        }
    }
    Err(store(JournalError::Busy))
}
