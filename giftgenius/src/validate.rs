//! Validation of raw arguments against a tool's published schema, into violations a model can mend (F11).
//!
//! What is enforced is what is published: the same schema document does both. All violations are told at once, each with
//! its place and what would be right.

use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::{ValidationError, Validator};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One way in which the arguments break the schema.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Violation {
    /// JSON pointer (RFC 6901) to the offending place; empty for the whole.
    pub field: String,
    /// `missing`, `unknown_field`, `type`, `enum`, `range`, `length`, `format`, `pattern` or `other`.
    pub error_type: String,
    /// What was expected, in words.
    pub expected: String,
    /// What is allowed, where that is a finite list.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub allowed_values: Vec<Value>,
}

/// Everything in which `arguments` break the schema; empty if nothing does.
pub fn violations(validator: &Validator, schema: &Value, arguments: &Value) -> Vec<Violation> {
    if validator.is_valid(arguments) {
        return Vec::new();
    }
    let mut found: Vec<_> = validator.iter_errors(arguments).flat_map(|error| describe(&error, schema)).collect();
    found.sort_by(|left, right| left.field.cmp(&right.field).then_with(|| left.error_type.cmp(&right.error_type)));
    found.dedup();
    found
}

fn describe(error: &ValidationError<'_>, schema: &Value) -> Vec<Violation> {
    let at = error.instance_path().as_str();
    let one = |field: String, error_type: &str, expected: String, allowed_values: Vec<Value>| {
        vec![Violation { field, error_type: error_type.to_owned(), expected, allowed_values }]
    };
    let here = at.to_owned();
    match error.kind() {
        ValidationErrorKind::Required { property } => {
            let name = property.as_str().unwrap_or_default();
            one(format!("{at}/{}", escape(name)), "missing", format!("the field `{name}` is required"), Vec::new())
        }
        ValidationErrorKind::AdditionalProperties { unexpected } => {
            let known = properties_at(schema, error);
            unexpected
                .iter()
                .map(|name| {
                    let near = nearest(name, &known);
                    let hint = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
                    Violation {
                        field: format!("{at}/{}", escape(name)),
                        error_type: String::from("unknown_field"),
                        expected: format!("no field of this name{hint}"),
                        allowed_values: known.iter().map(|name| Value::from(name.as_str())).collect(),
                    }
                })
                .collect()
        }
        ValidationErrorKind::Type { kind } => {
            let expected = match kind {
                TypeKind::Single(kind) => format!("{} {kind}", article(&kind.to_string())),
                TypeKind::Multiple(kinds) => kinds.iter().map(|kind| kind.to_string()).collect::<Vec<_>>().join(" or "),
            };
            one(here, "type", expected, Vec::new())
        }
        ValidationErrorKind::Enum { options } => {
            let allowed = options.as_array().cloned().unwrap_or_default();
            one(here, "enum", String::from("one of the allowed values"), allowed)
        }
        ValidationErrorKind::Minimum { limit } => one(here, "range", format!("at least {limit}"), Vec::new()),
        ValidationErrorKind::Maximum { limit } => one(here, "range", format!("at most {limit}"), Vec::new()),
        ValidationErrorKind::ExclusiveMinimum { limit } => one(here, "range", format!("more than {limit}"), Vec::new()),
        ValidationErrorKind::ExclusiveMaximum { limit } => one(here, "range", format!("less than {limit}"), Vec::new()),
        ValidationErrorKind::MinLength { limit } => {
            one(here, "length", format!("at least {limit} characters"), Vec::new())
        }
        ValidationErrorKind::MaxLength { limit } => {
            one(here, "length", format!("at most {limit} characters"), Vec::new())
        }
        ValidationErrorKind::MinItems { limit } => one(here, "length", format!("at least {limit} items"), Vec::new()),
        ValidationErrorKind::MaxItems { limit } => one(here, "length", format!("at most {limit} items"), Vec::new()),
        ValidationErrorKind::Format { format } => one(here, "format", format!("the format {format}"), Vec::new()),
        ValidationErrorKind::Pattern { pattern } => {
            one(here, "pattern", format!("text that matches {pattern}"), Vec::new())
        }
        // The remaining keywords stand in none of our schemas; told with their place rather than not at all.
        _ => one(here, "other", String::from("a value as the tool's schema describes it"), Vec::new()),
    }
}

/// The names that the object at an error's place may have.
fn properties_at(schema: &Value, error: &ValidationError<'_>) -> Vec<String> {
    let keyword = error.schema_path().as_str();
    let object = keyword.strip_suffix("/additionalProperties").unwrap_or(keyword);
    let mut names: Vec<String> = schema
        .pointer(object)
        .and_then(|object| object.get("properties"))
        .and_then(Value::as_object)
        .map(|properties| properties.keys().cloned().collect())
        .unwrap_or_default();
    names.sort();
    names
}

/// The nearest known name, if it is near enough to have been meant.
pub fn nearest<'a>(name: &str, known: &'a [String]) -> Option<&'a str> {
    let wanted = name.to_ascii_lowercase().replace('-', "_");
    known
        .iter()
        .map(|candidate| (strsim::damerau_levenshtein(&wanted, candidate), candidate.as_str()))
        .filter(|(distance, candidate)| *distance <= 1 + candidate.len() / 4)
        .min()
        .map(|(_, candidate)| candidate)
}

fn article(word: &str) -> &'static str {
    if word.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" }
}

fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests;
