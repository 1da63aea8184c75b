//! `suggest_gifts`: ideas for a person and an occasion, within a budget; begins a workflow.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::keyed::{Bound, under_key};
use super::nothing_fits::NothingFits;
use super::{About, Call, InStep, Tool};
use crate::app::{Annotations, App};
use crate::checkout::answer::failed_reply;
use crate::checkout::entry::SavedReply;
use crate::error::{Code, ToolError};
use crate::ids::WorkflowId;
use crate::journal::Batch;
use crate::money::{Currency, Money};
use crate::providers::catalog::{Product, Search};
use crate::workflow::{Step, Workflow};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Input {
    /// What the gift is for.
    #[serde(default)]
    #[schemars(length(min = 1, max = 60), example = &"birthday")]
    occasion: Option<String>,
    /// Whom it is for.
    #[serde(default)]
    #[schemars(length(min = 1, max = 60), example = &"friend")]
    recipient: Option<String>,
    /// What the person likes; a gift that fits more of it comes first.
    #[serde(default)]
    #[schemars(length(max = 10), inner(length(min = 1, max = 60)))]
    interests: Vec<String>,
    /// The most it may cost, in minor units of `currency` (5000 is 50.00 EUR, and 5000 JPY).
    #[serde(default)]
    #[schemars(range(min = 1, max = 100_000_000))]
    budget: Option<i64>,
    /// The currency of prices, ISO 4217.
    #[serde(default = "super::create_checkout_session::default_currency")]
    #[schemars(with = "String", regex(pattern = "^[A-Z]{3}$"), example = &"EUR")]
    currency: Currency,
    /// How many ideas at the most.
    #[serde(default = "default_ideas")]
    #[schemars(range(min = 1, max = 20))]
    limit: u32,
    /// The workflow to go on with; left out, a new one begins.
    #[serde(default)]
    #[schemars(length(min = 1, max = 80))]
    workflow_id: Option<String>,
    /// Makes a repeat of this call answer the same ideas, and begin no second workflow.
    #[serde(default)]
    #[schemars(length(min = 8, max = 128))]
    idempotency_key: Option<String>,
}

fn default_ideas() -> u32 {
    5
}

/// Ideas, the best first.
#[derive(Serialize, JsonSchema)]
struct Output {
    /// To name in later calls of this conversation.
    #[schemars(with = "String")]
    workflow_id: WorkflowId,
    /// The ideas; none if nothing fits.
    ideas: Vec<Product>,
    /// Why there are none, and what comes nearest; only where nothing fits.
    #[serde(skip_serializing_if = "Option::is_none")]
    nothing_fits: Option<NothingFits>,
}

pub(super) fn tool() -> Tool {
    let about = About {
        name: "suggest_gifts",
        title: "Suggest gifts",
        description: "Suggests gifts for an occasion, a recipient and interests, within a budget. Answers a workflow_id \
                      to pass on in the later calls of the same conversation.",
        annotations: Annotations { read_only: false, destructive: false, idempotent: false, open_world: true },
        example: json!({"occasion": "birthday", "recipient": "friend", "budget": 5000}),
    };
    super::tool::<Input, Output>(about, |app, call| Box::pin(keyed(app, call)))
}

/// How many products are looked at to choose from.
const POOL: u32 = 50;

async fn keyed(app: Arc<App>, call: Call) -> SavedReply {
    let input: Input = match call.input() {
        Ok(input) => input,
        Err(error) => return failed_reply(&error),
    };
    let key = input.idempotency_key.as_deref();
    under_key(&app, &call, key, async |bound| suggest(&app, &call, &input, bound).await).await
}

async fn suggest(app: &App, call: &Call, input: &Input, bound: Option<Bound>) -> Result<Output, Box<ToolError>> {
    let currency = call.known_currency(input.currency)?;
    let from = match &input.workflow_id {
        Some(id) => Some(call.in_step(app, id).await?),
        None => None,
    };
    let search = Search {
        occasion: input.occasion.as_deref(),
        recipient: input.recipient.as_deref(),
        max_amount: input.budget,
        limit: POOL,
        ..Search::default()
    };
    let urgency = call.urgency(app);
    let found = app.caller().search(&search, currency, &call.correlation, urgency).await;
    let mut ideas = found.map_err(|failed| call.catalog_failed(failed))?;
    let interests: Vec<String> = input.interests.iter().map(|interest| interest.to_lowercase()).collect();
    let score = |product: &Product| {
        let fits = |interest: &&String| {
            product.tags.iter().any(|tag| tag.eq_ignore_ascii_case(interest))
                || product.title.to_lowercase().contains(interest.as_str())
        };
        interests.iter().filter(fits).count()
    };
    // What is in stock and fits more interests comes first; the catalog's own order decides the rest.
    ideas.sort_by_key(|product| (std::cmp::Reverse(product.in_stock), std::cmp::Reverse(score(product))));
    ideas.truncate(usize::try_from(input.limit).unwrap_or(usize::MAX));
    let nothing_fits =
        if ideas.is_empty() { Some(NothingFits::find(app, call, &search, currency).await) } else { None };
    let workflow_id =
        from.as_ref().map_or_else(|| WorkflowId::from(app.ports().new_id("wf_")), |from| from.workflow.id.clone());
    let output = Output { workflow_id, ideas, nothing_fits };
    let budget = input.budget.map(|budget| Money::new(budget, currency));
    note_ideas(app, call, from, budget, &output, bound).await?;
    Ok(output)
}

/// Moves the workflow to the step where ideas are on the table, or begins one there.
async fn note_ideas(
    app: &App,
    call: &Call,
    mut from: Option<InStep>,
    budget: Option<Money>,
    output: &Output,
    bound: Option<Bound>,
) -> Result<(), Box<ToolError>> {
    loop {
        let refused = match move_to_ideas(app, call, from.as_ref(), budget, output, bound.as_ref()).await {
            Err(error) if error.code == Code::OutOfStep => error,
            noted => return noted,
        };
        let Some(before) = from else { return Err(refused) };
        // Another call moved it while the catalog was asked. The price that it froze may have run out already.
        match call.in_step(app, output.workflow_id.as_str()).await {
            Ok(again) if again.workflow.moves == before.workflow.moves => from = Some(again),
            Err(error) if error.code != Code::OutOfStep => return Err(error),
            Ok(_) | Err(_) => return Err(refused),
        }
    }
}

async fn move_to_ideas(
    app: &App,
    call: &Call,
    from: Option<&InStep>,
    budget: Option<Money>,
    output: &Output,
    bound: Option<&Bound>,
) -> Result<(), Box<ToolError>> {
    let id = &output.workflow_id;
    let with_key = |batch: Batch| match bound {
        Some(bound) => bound.bind(app, batch.until(call.deadline), output),
        None => batch.until(call.deadline),
    };
    app.change_workflow(id, &call.correlation, with_key, |found| {
        let mut workflow = match (found, from) {
            (Some(workflow), None) => workflow,
            (Some(workflow), Some(from)) => {
                call.refuse_if_moved(from.workflow.moves, &workflow, workflow.step)?;
                // Another call moved it while the catalog was asked: what was allowed then may not be now.
                if (workflow.step, &workflow.session) != (from.workflow.step, &from.workflow.session)
                    && !workflow.step.allows(call.tool)
                {
                    return Err(ToolError::out_of_step(call.tool, workflow.step, "", &call.correlation));
                }
                Workflow { step: from.step, ..workflow }
            }
            (None, None) => Workflow::begin(id.clone(), call.user.clone()),
            (None, Some(_)) => return Err(call.unknown_workflow(id.as_str())),
        };
        workflow.step = workflow.step.max(Step::GenerateIdeas);
        workflow.budget = budget.or(workflow.budget);
        Ok(workflow)
    })
    .await
    .map(drop)
}
