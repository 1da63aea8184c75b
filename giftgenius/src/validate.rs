//! Validation of raw arguments against a tool's published schema, into violations a model can mend (F11).

use serde::{Deserialize, Serialize};

/// One way in which the arguments break the schema.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Violation {
    /// JSON pointer (RFC 6901) to the offending place; empty for the whole.
    pub field: String,
    /// `missing`, `unknown_field`, `type`, `enum`, `range`, `length`, `format`, `pattern`, `items` or `other`.
    pub error_type: String,
    /// What was expected, in words.
    pub expected: String,
    /// What is allowed, where that is a finite list.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub allowed_values: Vec<serde_json::Value>,
}
