//! What the agent reads of an error.

use serde_json::Value;

/// A violation, as it was told.
#[derive(Clone, PartialEq, Debug)]
pub struct Violation {
    /// JSON pointer to the place.
    pub field: String,
    /// Which kind of mistake.
    pub kind: String,
    /// What is allowed, where that is listed.
    pub allowed: Vec<Value>,
    /// What was probably meant: for an unknown field the pointer to where its value should go, else the value to send.
    pub suggestion: Option<Value>,
}

/// An error, as far as it helps.
#[derive(Clone, PartialEq, Debug)]
pub struct Told {
    /// Its code.
    pub code: String,
    /// Every violation.
    pub violations: Vec<Violation>,
    /// A valid call.
    pub example: Option<Value>,
}

/// Reads a structured error; `None` if it is none.
pub fn read(structured: &Value) -> Option<Told> {
    let error = structured.get("error")?;
    let violations = error.get("violations").and_then(Value::as_array).into_iter().flatten();
    Some(Told {
        code: error.get("code")?.as_str()?.to_owned(),
        violations: violations.filter_map(violation).collect(),
        example: error.get("example").cloned(),
    })
}

fn violation(told: &Value) -> Option<Violation> {
    let text = |name: &str| told.get(name).and_then(Value::as_str).map(str::to_owned);
    Some(Violation {
        field: text("field")?,
        kind: text("error_type")?,
        allowed: told.get("allowed_values").and_then(Value::as_array).cloned().unwrap_or_default(),
        suggestion: told.get("suggestion").cloned(),
    })
}
