//! Defects of messages: errors that no caller could repair its call from, or that should have been one and are none.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Defect, each_life, on};
use crate::system::wiring::{Wired, Wiring};

/// See `about`.
pub static ONLY_THE_FIRST_VIOLATION_TOLD: Defect = Defect {
    id: "only_the_first_violation_told",
    about: "arguments are checked one by one, and the first mistake ends it",
    caught_by: "error-fixable",
    hunted_on: &[on("model/two_fields_left_out")],
    wiring: || {
        each_error(|error| {
            if let Some(violations) = error.get_mut("violations").and_then(Value::as_array_mut) {
                violations.truncate(1);
            }
        })
    },
};

/// See `about`.
pub static WRONG_FIELD_NAMED: Defect = Defect {
    id: "wrong_field_named",
    about: "the error names what holds the field instead of the field",
    caught_by: "error-fixable",
    hunted_on: &[on("model/a_quantity_in_quotes")],
    wiring: || {
        each_violation(|violation| {
            if let Some((parent, _)) = violation["field"].as_str().and_then(|field| field.rsplit_once('/')) {
                violation["field"] = json!(parent);
            }
        })
    },
};

/// See `about`.
pub static NO_FIELD_NAMED: Defect = Defect {
    id: "no_field_named",
    about: "an identifier is unknown, and the error does not say which of those that were sent",
    caught_by: "error-shape",
    hunted_on: &[on("errors/an_invented_workflow")],
    wiring: || {
        each_violation(|violation| {
            if violation["error_type"] == "unknown_id" {
                violation["field"] = json!("");
            }
        })
    },
};

/// See `about`.
pub static EXPECTATION_WITH_A_HOLE: Defect = Defect {
    id: "expectation_with_a_hole",
    about: "the name of the tool that answers what is wanted is missing in the sentence",
    caught_by: "words-true",
    hunted_on: &[on("errors/an_invented_product")],
    wiring: || {
        each_violation(|violation| {
            if let Some(expected) = violation["expected"].as_str() {
                violation["expected"] = json!(expected.replace("search_products", ""));
            }
        })
    },
};

/// See `about`.
pub static EXAMPLE_INVALID: Defect = Defect {
    id: "example_invalid",
    about: "the example in the error was written before the schema changed",
    caught_by: "error-fixable",
    hunted_on: &[on("model/two_fields_left_out")],
    wiring: || {
        each_error(|error| {
            if let Some(currency) = error.pointer_mut("/example/currency") {
                *currency = json!("euro");
            }
        })
    },
};

/// See `about`.
pub static UNKNOWN_FIELD_ACCEPTED: Defect = Defect {
    id: "unknown_field_accepted",
    about: "a field that the tool does not have is dropped, and nobody is told that it had no effect",
    caught_by: "error-fixable",
    hunted_on: &[on("model/a_field_that_there_is_not")],
    wiring: || {
        lenient(|arguments| {
            if let Some(members) = arguments.as_object_mut() {
                members.remove("notes");
            }
        })
    },
};

/// See `about`.
pub static RANGE_NOT_ENFORCED: Defect = Defect {
    id: "range_not_enforced",
    about: "the published range is not enforced: a quantity of 0 is taken for 1",
    caught_by: "error-fixable",
    hunted_on: &[on("model/a_quantity_out_of_range")],
    wiring: || {
        lenient(|arguments| {
            if let Some(quantity) = arguments.pointer_mut("/items/0/quantity").filter(|quantity| **quantity == 0) {
                *quantity = json!(1);
            }
        })
    },
};

/// See `about`.
pub static PANIC_WITHOUT_AN_ANSWER: Defect = Defect {
    id: "panic_without_an_answer",
    about: "a value of another type makes the handler panic, and the call is never answered",
    caught_by: "in-time",
    hunted_on: &[on("model/a_quantity_in_quotes")],
    wiring: || {
        each_life(|wired| {
            wired.taking(|app, call| async move {
                if call.arguments.pointer("/items/0/quantity").is_some_and(Value::is_string) {
                    // What is left of a task that panicked answers nobody as long as anybody waits.
                    tokio::time::sleep(LONGER_THAN_ANYBODY_WAITS).await;
                }
                app.call_tool(call).await
            })
        })
    },
};

/// See `about`.
pub static MESSAGE_WITHOUT_END: Defect = Defect {
    id: "message_without_end",
    about: "the message repeats the whole schema, five thousand characters of it",
    caught_by: "error-shape",
    hunted_on: &[on("errors/an_invented_product")],
    wiring: || each_error(|error| error["message"] = json!("as the schema says, ".repeat(250))),
};

/// See `about`.
pub static ANOTHER_TOOLS_FIELD_NAMED: Defect = Defect {
    id: "another_tools_field_named",
    about: "the field that is suggested is one of another tool",
    caught_by: "error-fixable",
    hunted_on: &[on("model/a_field_by_another_name")],
    wiring: || {
        each_violation(|violation| {
            if violation["suggestion"] == "/items/0/quantity" {
                violation["suggestion"] = json!("/limit");
            }
        })
    },
};

/// See `about`.
pub static SUGGESTION_MISSING_FOR_QUOTED_VALUES: Defect = Defect {
    id: "suggestion_missing_for_quoted_values",
    about: "a value in quotes is refused without a word of what it would be without them",
    caught_by: "error-fixable",
    hunted_on: &[on("model/a_quantity_in_quotes")],
    wiring: || {
        each_violation(|violation| {
            if let Some(told) = violation.as_object_mut().filter(|told| told["error_type"] == "stringified") {
                told.remove("suggestion");
            }
        })
    },
};

/// See `about`.
pub static BUSINESS_ERROR_MARKED_TECHNICAL: Defect = Defect {
    id: "business_error_marked_technical",
    about: "a card that was declined is told as if the network had failed",
    caught_by: "error-shape",
    hunted_on: &[on("checkout/bank_declines_once")],
    wiring: || {
        each_error(|error| {
            if error["type"] == "business" {
                error["type"] = json!("technical");
            }
        })
    },
};

/// And yet not for ever, so that a run ends.
const LONGER_THAN_ANYBODY_WAITS: Duration = Duration::from_secs(3600);

/// Every error is changed before it is told.
fn each_error(change: fn(&mut Value)) -> Arc<dyn Wiring> {
    Arc::new(move |wired: Wired| {
        wired.taking(move |app, call| async move {
            let mut reply = app.call_tool(call).await?;
            if let Some(error) = reply.structured.get_mut("error") {
                change(error);
            }
            Ok(reply)
        })
    })
}

/// Every violation is changed before it is told.
fn each_violation(change: fn(&mut Value)) -> Arc<dyn Wiring> {
    Arc::new(move |wired: Wired| {
        wired.taking(move |app, call| async move {
            let mut reply = app.call_tool(call).await?;
            let violations = reply.structured.pointer_mut("/error/violations").and_then(Value::as_array_mut);
            violations.into_iter().flatten().for_each(change);
            Ok(reply)
        })
    })
}

/// The arguments are changed before anybody looks at them.
fn lenient(change: fn(&mut Value)) -> Arc<dyn Wiring> {
    Arc::new(move |wired: Wired| {
        wired.taking(move |app, mut call| async move {
            change(Arc::make_mut(&mut call.arguments));
            app.call_tool(call).await
        })
    })
}
