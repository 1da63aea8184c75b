//! `output-schema`: every answer fits the output schema that its tool publishes.

use std::sync::LazyLock;

use jsonschema::Validator;
use serde_json::Value;

use super::answer_shape::Shape;
use super::evidence::Evidence;
use super::{Findings, Oracle, Verdict};
use crate::trace::HostReply;

/// The rule.
pub static OUTPUT_SCHEMA: Oracle = Oracle {
    id: "output-schema",
    rule: "The structured content of every answer, success or error, fits the output schema that the tool publishes.",
    explanation: "A client holds what a tool answers to the schema that the tool publishes, and throws away what does not \
                  fit (MCP, Tools: output schema): the model gets nothing, and the purchase that succeeded looks like one \
                  that failed. A breach names the place that does not fit.",
    requirements: &["F21"],
    check,
};

/// The published schemas of a tool: of its successes, and of everything that it answers.
struct Published {
    tool: &'static str,
    /// Of its successes, told quickly: nearly every answer fits.
    shape: Shape,
    success: Validator,
    any: Validator,
}

/// Compiled once a process.
static PUBLISHED: LazyLock<Vec<Published>> = LazyLock::new(|| {
    let compiled = |schema: &Value| jsonschema::validator_for(schema).expect("a published schema is a valid one");
    giftgenius::tools::table()
        .iter()
        .map(|tool| Published {
            tool: tool.spec.name,
            shape: Shape::of(&tool.spec.output_schema),
            success: compiled(&tool.spec.output_schema),
            any: compiled(&giftgenius::mcp::with_errors(&tool.spec.output_schema)),
        })
        .collect()
});

fn check(evidence: &Evidence<'_>) -> Verdict {
    let mut findings = Findings::of(OUTPUT_SCHEMA.id);
    for call in &evidence.calls {
        let (Some(HostReply::Tool { structured, is_error }), Some((end, _))) = (call.reply, call.end) else {
            continue;
        };
        let Some(published) = PUBLISHED.iter().find(|published| call.is(published.tool)) else { continue };
        if !is_error && published.shape.surely_fits(structured) {
            continue;
        }
        let validator = if *is_error { &published.any } else { &published.success };
        if validator.is_valid(structured) && (!is_error || structured.get("error").is_some()) {
            continue;
        }
        let why = validator.iter_errors(structured).next();
        let why = why.map_or_else(
            || String::from("it is an error without `error`"),
            |error| format!("{}: {}", place(&error.instance_path().to_string()), kind(&error)),
        );
        let what = if *is_error { "error" } else { "success" };
        let message = format!(
            "the {what} of {} of script step {} does not fit its schema: {why}",
            published.tool, call.started.step
        );
        findings.add(message, [call.start_event, end]);
    }
    findings.verdict()
}

fn place(pointer: &str) -> &str {
    if pointer.is_empty() { "as a whole" } else { pointer }
}

/// What is wrong, by the word of the schema that is not met: the value itself may be a secret.
fn kind(error: &jsonschema::ValidationError<'_>) -> String {
    format!("`{}` is not met", error.schema_path())
}

#[cfg(test)]
mod tests {
    use giftgenius::error::Code;
    use serde_json::json;

    use super::*;
    use crate::oracle::testing::Run;

    fn answered(answer: Value) -> Run {
        let mut run = Run::new();
        let call = run.call("get_payment_methods", json!({}));
        run.answer(call, answer);
        run
    }

    #[test]
    fn an_answer_fits_its_schema() {
        answered(json!({"payment_methods": [{"id": "pm_1", "brand": "visa", "last4": "4242"}]})).kept(&OUTPUT_SCHEMA);
        answered(json!({"payment_methods": [{"id": "pm_1", "brand": "visa"}]})).kept(&OUTPUT_SCHEMA);
        for answer in [json!({}), json!({"payment_methods": {}}), json!({"payment_methods": [{"id": 1}]}), json!([])] {
            let said = answered(answer).broken(&OUTPUT_SCHEMA);
            assert!(said.contains("the success of get_payment_methods"), "{said}");
        }
    }

    #[test]
    fn an_error_fits_it_too() {
        let mut run = Run::new();
        let call = run.call("get_payment_methods", json!({}));
        run.fail_with(call, Code::PaymentUnavailable, None);
        run.kept(&OUTPUT_SCHEMA);
        for error in [json!({"error": {"code": 7}}), json!({"payment_methods": []})] {
            let mut run = Run::new();
            let call = run.call("get_payment_methods", json!({}));
            run.fail(call, error);
            assert!(run.broken(&OUTPUT_SCHEMA).contains("the error of get_payment_methods"));
        }
    }
}
