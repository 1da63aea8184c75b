//! The tools, a file each: input type, schema, handler. [`table`] is what is published and called.
//!
//! Raw arguments come in, are validated against the published schema, and only then become the tool's input type; so what
//! is enforced is what is told, and every violation is told at once.

pub mod cancel_order;
pub mod create_checkout_session;
pub mod create_order;
pub mod get_order;
pub mod get_payment_methods;
pub mod get_workflow;
mod keyed;
mod nothing_fits;
pub mod search_products;
pub mod suggest_gifts;
pub mod user_navigated_to_step;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, LazyLock};

use futures_util::FutureExt as _;
use jsonschema::Validator;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use smol_str::SmolStr;
use tokio::time::Instant;

use crate::app::{Annotations, App, ToolSpec};
use crate::checkout::answer::failed_reply;
use crate::checkout::entry::SavedReply;
use crate::checkout::idempotency::canonical_hash;
use crate::checkout::session::Session;
use crate::error::{Code, Effects, ToolError};
use crate::ids::{CorrelationId, UserId, WorkflowId};
use crate::journal::Version;
use crate::limits::too_many_calls;
use crate::money::Currency;
use crate::ports::BoxFuture;
use crate::retry::{CallFailed, Failure, Urgency};
use crate::step_log::{Asked, Notes};
use crate::validate::{Violation, is_harmless, is_own_id, violations, with_whole_numbers};
use crate::workflow::{Step, Workflow};

/// A call whose arguments have been validated.
#[derive(Clone, Debug)]
pub struct Call {
    /// The tool's name.
    pub tool: &'static str,
    /// Who calls.
    pub user: UserId,
    /// Of the call.
    pub correlation: CorrelationId,
    /// The arguments.
    pub arguments: Arc<Value>,
    /// The caller's key, where they hold one.
    pub key: Option<SmolStr>,
    /// When it began.
    pub begun: Instant,
    /// When it must have been answered.
    pub deadline: Instant,
    /// What it asks for, once its arguments were validated.
    pub asked: Option<Arc<Asked>>,
    /// What its line is to say.
    pub notes: Arc<Notes>,
}

impl Call {
    /// The arguments as the tool's input type. What the schema admits, the type takes.
    fn input<T: DeserializeOwned>(&self) -> Result<T, Box<ToolError>> {
        T::deserialize(&*self.arguments).map_err(|_| {
            ToolError::new(Code::InvalidArguments, "the arguments do not fit the tool's schema", &self.correlation)
        })
    }

    /// The hash of the arguments as canonical JSON.
    fn parameters(&self) -> SmolStr {
        self.asked.as_ref().map_or_else(|| canonical_hash(&self.arguments), |asked| asked.arguments_hash.clone())
    }

    /// The arguments are refused for a reason that no schema can state.
    fn refuse(&self, violation: Violation) -> Box<ToolError> {
        invalid(vec![violation], &self.correlation)
    }

    /// A failure of this call that is one argument's: `code` says more of it than *invalid*.
    fn fail_at(&self, code: Code, message: impl Into<String>, violation: Violation) -> Box<ToolError> {
        let mut error = self.fail(code, message);
        error.violations = vec![violation];
        error
    }

    /// A failure of this call.
    fn fail(&self, code: Code, message: impl Into<String>) -> Box<ToolError> {
        ToolError::new(code, message, &self.correlation)
    }

    /// The pace of provider calls made for this call's caller.
    fn urgency(&self, app: &App) -> Urgency {
        Urgency::Caller { deadline: app.answer_by(self.deadline) }
    }

    /// There is no such workflow, or it is somebody else's.
    fn unknown_workflow(&self, id: &str) -> Box<ToolError> {
        let from = "suggest_gifts or create_checkout_session";
        let mut error = ToolError::unknown_id(Code::WorkflowNotFound, "/workflow_id", id, from, &self.correlation);
        if matches!(self.tool, "suggest_gifts" | "create_checkout_session") {
            // These two begin one; the others need one.
            error.message.push_str(", or leave the field out to begin a new workflow");
            for violation in &mut error.violations {
                violation.expected.push_str(", or no such field, which begins a new workflow");
            }
        }
        error
    }

    /// The workflow that a call names, if this tool may act at its step (F10). A foreign one is as unknown as any.
    async fn in_step(&self, app: &App, id: &str) -> Result<InStep, Box<ToolError>> {
        let store = |error| App::store_error(&error, &self.correlation);
        let found = app.workflow(&WorkflowId::from(id)).await.map_err(store)?;
        let Some((version, workflow)) = found.filter(|(_, workflow)| workflow.user == self.user) else {
            return Err(self.unknown_workflow(id));
        };
        let session = match &workflow.session {
            Some(session) if workflow.step.is_paying() => app.session(session).await.map_err(store)?,
            _ => None,
        };
        let step = workflow.standing_step(session.as_ref().map(|(_, session)| session), app.now());
        if step.allows(self.tool) {
            return Ok(InStep { version, workflow, session, step });
        }
        Err(ToolError::out_of_step(self.tool, step, "", &self.correlation))
    }

    /// Refuses a workflow that the person moved since it had been moved `moves` times: what they see now is not what this
    /// call is for.
    fn refuse_if_moved(&self, moves: u32, workflow: &Workflow, step: Step) -> Result<(), Box<ToolError>> {
        if workflow.moves == moves {
            return Ok(());
        }
        Err(ToolError::out_of_step(self.tool, step, ", where the person moved meanwhile", &self.correlation))
    }

    /// The item that the catalog speaks of and its place, if it is one of this call's: nothing else that it names is
    /// passed on.
    fn item_named(&self, sku: Option<String>) -> (String, String) {
        let items = self.arguments.get("items").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let index = |sku: &str| items.iter().position(|item| item.get("sku").and_then(Value::as_str) == Some(sku));
        match sku.and_then(|sku| index(&sku).map(|index| (sku, index))) {
            Some((sku, index)) => {
                let named = if is_harmless(&sku) { sku } else { String::from("one of the products") };
                (named, format!("/items/{index}/sku"))
            }
            None => (String::from("one of the products"), String::from("/items")),
        }
    }

    /// A violation at `place`, with what stands there.
    fn at(&self, place: &str, error_type: &str, expected: &str) -> Violation {
        let violation = Violation::new(place, error_type, expected);
        match self.arguments.pointer(place) {
            Some(value) => violation.received(value),
            None => violation,
        }
    }

    /// A currency that prices can be told in. A code that ISO 4217 does not know has no decimals, so that nobody could say
    /// how much an amount in it is.
    fn known_currency(&self, currency: Currency) -> Result<Currency, Box<ToolError>> {
        if currency.exponent().is_some() {
            return Ok(currency);
        }
        let violation = self.at("/currency", "not_accepted", "a currency code of ISO 4217; EUR always works");
        let message = format!("{currency} is no currency of ISO 4217; EUR always works");
        Err(self.fail_at(Code::CurrencyUnsupported, message, violation.meaning(Some(Value::from("EUR")))))
    }

    /// What a failed catalog call means to the caller.
    fn catalog_failed(&self, failed: CallFailed) -> Box<ToolError> {
        let retry_after = failed.retry_after();
        match failed.last {
            Failure::Refused(refusal) => match refusal.code.as_str() {
                "unknown_product" => {
                    let (which, place) = self.item_named(refusal.detail);
                    let violation =
                        self.at(&place, "unknown_id", "a sku that search_products or suggest_gifts answered");
                    self.fail_at(
                        Code::ProductNotFound,
                        format!("{which} is not in the catalog; search_products tells what is"),
                        violation,
                    )
                }
                "out_of_stock" => {
                    let (which, _) = self.item_named(refusal.detail);
                    self.fail(Code::OutOfStock, format!("{which} is out of stock"))
                }
                "promo_invalid" => self.fail_at(
                    Code::PromoInvalid,
                    "the promo_code is not valid; leave it out or use another",
                    self.at("/promo_code", "not_accepted", "a valid promo code, or no such field"),
                ),
                "currency_unsupported" => self.fail_at(
                    Code::CurrencyUnsupported,
                    "one of the products is not sold in this currency; EUR always works",
                    self.at(
                        "/currency",
                        "not_accepted",
                        "a currency that all the products are sold in; EUR always works",
                    )
                    .meaning(Some(Value::from("EUR"))),
                ),
                _ => self.fail(Code::CatalogRefused, "the catalog refused the request"),
            },
            Failure::NotNow { .. } | Failure::Denied | Failure::NotSent | Failure::Unclear { .. } => {
                self.fail(Code::CatalogUnavailable, "the catalog did not answer").retry_after(retry_after)
            }
        }
    }
}

/// A workflow at whose step a tool may act, as it was then.
struct InStep {
    version: Version,
    workflow: Workflow,
    /// Its session, while the step is one of paying.
    session: Option<(Version, Session)>,
    /// Where the workflow stands, its session considered.
    step: Step,
}

type Handler = fn(Arc<App>, Call) -> BoxFuture<'static, SavedReply>;

/// A tool: what is published, what is enforced, and what it does.
pub struct Tool {
    /// As published.
    pub spec: ToolSpec,
    validator: Validator,
    example: Value,
    handler: Handler,
    /// Takes note of the answer as it is told, the loop guard's word included.
    told: fn(&App, &Call, &SavedReply),
}

impl Tool {
    /// Calls the tool with raw arguments.
    pub async fn call(&self, app: &Arc<App>, mut call: Call) -> SavedReply {
        // A call that is not taken is none that the loop guard has to know of.
        let untaken = self.over_the_limit(app, &call);
        if let Some(reply) = untaken.or_else(|| Some(guarded(app, &call, self.refused(&call)?))) {
            let arguments_hash = canonical_hash(&call.arguments);
            call.asked = Some(Arc::new(Asked { arguments_hash, ..Asked::default() }));
            call.notes.in_workflow(named_workflow(&call.arguments).as_ref());
            app.log_begin(&call);
            app.log_call(&call, 0, &reply, false);
            return reply;
        }
        with_whole_numbers(&mut call.arguments);
        call.asked = Some(Arc::new(Asked::of(&call.arguments, canonical_hash(&call.arguments))));
        app.log_begin(&call);
        let watch = app.caller().counts.watch(&call.correlation);
        // For the loop guard and the log, which ask once the handler has taken the call.
        let asked = call.clone();
        // A bug in a handler takes down its call, not the server. The panic hook logs what and where; the answer and the line of
        // the call say which call it was.
        let handled = AssertUnwindSafe((self.handler)(app.clone(), call)).catch_unwind().await;
        // What takes note of the answer is caught too: the line of the call is written whatever happens before it.
        let told = catch_unwind(AssertUnwindSafe(|| {
            let panicked = handled.is_err();
            let reply = handled.unwrap_or_else(|_panic| self.panicked(&asked.correlation));
            let reply = guarded(app, &asked, reply);
            (self.told)(app, &asked, &reply);
            (reply, panicked)
        }));
        let (reply, panicked) = told.unwrap_or_else(|_panic| (self.panicked(&asked.correlation), true));
        app.log_call(&asked, watch.sent(), &reply, panicked);
        reply
    }

    /// What a user is answered who has made too many calls of late; `None` if this one is taken.
    fn over_the_limit(&self, app: &App, call: &Call) -> Option<SavedReply> {
        let policy = app.policy().users;
        let wait = app.limits.admit(&call.user, call.begun, policy).err()?;
        let mut error = too_many_calls(policy, wait, &call.correlation);
        if self.spec.annotations.destructive {
            // An earlier call under the same key may have bought; this one has not looked.
            error.effects = Effects::Unknown;
        }
        Some(failed_reply(&error))
    }

    /// The answer of a call whose handler panicked: what it had done by then is not known, unless it does nothing.
    fn panicked(&self, correlation: &CorrelationId) -> SavedReply {
        let mut error = ToolError::new(Code::Internal, "the server failed inside this call", correlation);
        error.effects = if self.spec.annotations.read_only { Effects::None } else { Effects::Unknown };
        failed_reply(&error)
    }

    /// What the tool answers to arguments that its schema does not admit; `None` if it does.
    fn refused(&self, call: &Call) -> Option<SavedReply> {
        let mut violations = violations(&self.validator, &self.spec.input_schema, &call.arguments);
        violations.extend(self.card_as_key(call));
        if violations.is_empty() {
            return None;
        }
        let mut error = invalid(violations, &call.correlation);
        error.example = Some(self.example.clone());
        Some(failed_reply(&error))
    }

    /// What is wrong with a key that holds a card's number: keys stand in the log and come back in every answer.
    fn card_as_key(&self, call: &Call) -> Option<Violation> {
        let key = call.arguments.get("idempotency_key").filter(|key| call.key.is_none() && key.is_string())?;
        self.spec.input_schema.pointer("/properties/idempotency_key")?;
        let expected = "a value that you make up, such as a new UUID; this one may hold the number of a card";
        Some(Violation::new("/idempotency_key", "not_accepted", expected).received(key))
    }
}

/// The reply, or what the loop guard says instead.
fn guarded(app: &App, call: &Call, reply: SavedReply) -> SavedReply {
    match app.loops.note(&call.user, call.tool, &call.arguments, &call.correlation, &reply) {
        Some(error) => failed_reply(&error),
        None => reply,
    }
}

/// The workflow that arguments name which were not taken, where it has the form of one.
fn named_workflow(arguments: &Value) -> Option<WorkflowId> {
    let id = arguments.get("workflow_id")?.as_str()?;
    (id.starts_with("wf_") && is_own_id(id)).then(|| WorkflowId::from(id))
}

/// Arguments that are not valid, with each place and what would be right there.
fn invalid(violations: Vec<Violation>, correlation: &CorrelationId) -> Box<ToolError> {
    /// So many are named in the message; all are in the violations.
    const NAMED_MAX: usize = 3;
    let named: Vec<String> = violations
        .iter()
        .take(NAMED_MAX)
        .map(|violation| {
            let place = if violation.field.is_empty() { "the arguments" } else { &violation.field };
            format!("{place} ({}): {}", violation.error_type, violation.expected)
        })
        .collect();
    let more = match violations.len().saturating_sub(NAMED_MAX) {
        0 => String::new(),
        more => format!("; and {more} more, see violations"),
    };
    let mut error =
        ToolError::new(Code::InvalidArguments, format!("not valid: {}{more}", named.join("; ")), correlation);
    error.violations = violations;
    error
}

/// Words and promises of a tool.
struct About {
    name: &'static str,
    title: &'static str,
    description: &'static str,
    annotations: Annotations,
    /// A minimal valid call; it never holds a usable key.
    example: Value,
}

fn tool<Input: JsonSchema, Output: JsonSchema>(about: About, handler: Handler) -> Tool {
    let mut input_schema = schema_of::<Input>();
    input_schema["examples"] = json!([about.example]);
    let validator = jsonschema::options()
        .should_validate_formats(true)
        .build(&input_schema)
        .expect("a schema generated from a type is a valid schema");
    let spec = ToolSpec {
        name: about.name,
        title: about.title,
        description: about.description,
        input_schema: Arc::new(input_schema),
        output_schema: Arc::new(schema_of::<Output>()),
        annotations: about.annotations,
    };
    Tool { spec, validator, example: about.example, handler, told: |_, _, _| {} }
}

fn schema_of<T: JsonSchema>() -> Value {
    // Inlined: many clients do not follow references.
    let generator = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true).into_generator();
    generator.into_root_schema_for::<T>().to_value()
}

/// Wraps a typed result as a reply.
fn reply<T: Serialize>(result: Result<T, Box<ToolError>>) -> SavedReply {
    match result {
        Ok(output) => SavedReply { structured: json!(output), is_error: false },
        Err(error) => failed_reply(&error),
    }
}

/// Every tool, in the order in which they are published. Built once a process: it depends on nothing but the code.
pub fn table() -> &'static [Tool] {
    static TABLE: LazyLock<Vec<Tool>> = LazyLock::new(|| {
        vec![
            search_products::tool(),
            suggest_gifts::tool(),
            get_payment_methods::tool(),
            create_checkout_session::tool(),
            create_order::tool(),
            get_order::tool(),
            cancel_order::tool(),
            user_navigated_to_step::tool(),
            get_workflow::tool(),
        ]
    });
    &TABLE
}

#[cfg(test)]
mod tests;
