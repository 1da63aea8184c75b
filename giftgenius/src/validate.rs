//! Validation of raw arguments against a tool's published schema, into violations a model can mend (F11, F12).
//!
//! What is enforced is what is published: the same schema document does both. All violations are told at once, each with
//! its place, what would be right, what came instead and, where that can be known, what was meant. [`meant`] guesses
//! that, [`names`] knows which names are near to which, [`shown`] cuts and scrubs what is echoed, [`card`] finds the
//! numbers of cards.

mod card;
mod meant;
mod names;
mod shown;

use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::{ValidationError, Validator};
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub(crate) use card::holds_a_card_number;
pub(crate) use meant::with_whole_numbers;
pub use names::nearest;
pub(crate) use shown::{is_harmless, is_own_id, scrubbed, shown};

use names::{Names, escape};
use shown::{may_be_shown, name_shown};

/// Violations told at once, at most: a model mends what it reads, and an answer stays an answer.
pub const VIOLATIONS_MAX: usize = 20;
/// How deep arguments may be nested; the deepest published schema has 3 levels.
pub const DEPTH_MAX: usize = 32;
/// How many values arguments may hold, all levels together; the widest published schema takes about 100.
pub const VALUES_MAX: usize = 1_000;

/// One way in which the arguments break the schema.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Violation {
    /// JSON pointer (RFC 6901) to the offending place; empty for the whole.
    pub field: String,
    /// `missing`, `unknown_field`, `type`, `stringified`, `enum`, `range`, `length`, `format`, `pattern`, `duplicate`,
    /// `unknown_id`, `not_accepted`, `too_large` or `other`.
    pub error_type: String,
    /// What was expected, in words.
    pub expected: String,
    /// What came, as JSON, cut and scrubbed; nothing where nothing came.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub received: Option<String>,
    /// What is allowed, where that is a finite list.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub allowed_values: Vec<Value>,
    /// What was probably meant: for an unknown field the pointer to the field it should be, else the value to send.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub suggestion: Option<Value>,
}

impl Violation {
    /// The value at `field` breaks a rule that no schema can state.
    pub(crate) fn new(field: impl Into<String>, error_type: &str, expected: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            error_type: error_type.to_owned(),
            expected: expected.into(),
            received: None,
            allowed_values: Vec::new(),
            suggestion: None,
        }
    }

    /// The same, saying what came.
    #[must_use]
    pub(crate) fn received(mut self, value: &Value) -> Self {
        self.received = Some(shown(value));
        self
    }

    /// The same, with the values that are allowed.
    #[must_use]
    pub(crate) fn allowing(mut self, values: Vec<Value>) -> Self {
        self.allowed_values = values;
        self
    }

    /// The same, with what was probably meant, unless nobody should see that twice.
    #[must_use]
    pub(crate) fn meaning(mut self, suggestion: Option<Value>) -> Self {
        self.suggestion = suggestion.filter(may_be_shown);
        self
    }
}

/// Everything in which `arguments` break the schema, [`VIOLATIONS_MAX`] at most; empty if nothing does.
pub fn violations(validator: &Validator, schema: &Value, arguments: &Value) -> Vec<Violation> {
    if let Some(too_large) = too_large(arguments) {
        return vec![too_large];
    }
    if validator.is_valid(arguments) {
        return Vec::new();
    }
    let names = Names::of(schema);
    let described = |error: ValidationError<'_>| {
        let mut told = describe(&error, schema, arguments, &names);
        if is_empty(error.instance()) && is_optional(schema, &error) {
            for violation in &mut told {
                let sentence = violation.expected.trim_end_matches('.').len();
                violation.expected.truncate(sentence);
                violation.expected.push_str("; or leave the field out");
            }
        }
        told
    };
    let mut found: Vec<_> = validator.iter_errors(arguments).flat_map(described).collect();
    found.sort_by(|left, right| left.field.cmp(&right.field).then_with(|| left.error_type.cmp(&right.error_type)));
    found.dedup();
    found.truncate(VIOLATIONS_MAX);
    found
}

/// Whether the arguments hold more than any call needs. Told alone: nobody reads on.
fn too_large(arguments: &Value) -> Option<Violation> {
    if fits(arguments, 1, &mut 0) {
        return None;
    }
    let expected = format!("at most {VALUES_MAX} values, nested at most {DEPTH_MAX} deep");
    Some(Violation::new("", "too_large", expected))
}

/// Whether a value at this depth and all within it keep to the bounds; `values` counts them.
fn fits(value: &Value, depth: usize, values: &mut usize) -> bool {
    *values += 1;
    if depth > DEPTH_MAX || *values > VALUES_MAX {
        return false;
    }
    match value {
        Value::Array(items) => items.iter().all(|item| fits(item, depth + 1, values)),
        Value::Object(members) => members.values().all(|member| fits(member, depth + 1, values)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
    }
}

fn describe(error: &ValidationError<'_>, schema: &Value, arguments: &Value, names: &Names) -> Vec<Violation> {
    let at = error.instance_path().as_str();
    let value = error.instance().as_ref();
    let rule = rule_of(schema, error);
    let here = |error_type: &str, expected: String| Violation::new(at, error_type, expected).received(value);
    match error.kind() {
        ValidationErrorKind::Required { property } => {
            let name = property.as_str().unwrap_or_default();
            let field = rule.pointer(&format!("/properties/{}", escape(name))).unwrap_or(&Value::Null);
            let expected = format!("the field `{name}` is required: {}", expected_of(field));
            vec![
                Violation::new(format!("{at}/{}", escape(name)), "missing", expected)
                    .meaning(field.get("default").cloned()),
            ]
        }
        ValidationErrorKind::AdditionalProperties { unexpected } => unexpected
            .iter()
            .take(VIOLATIONS_MAX)
            .map(|name| unknown_field(at, name, value, rule, arguments, names))
            .collect(),
        // Where an object takes no field at all, the library does not say which came.
        ValidationErrorKind::FalseSchema if names::properties(rule).is_empty() => {
            let object = arguments.pointer(at).unwrap_or(&Value::Null);
            let came = object.as_object().into_iter().flat_map(serde_json::Map::keys).take(VIOLATIONS_MAX);
            came.map(|name| unknown_field(at, name, object, rule, arguments, names)).collect()
        }
        ValidationErrorKind::Type { kind } => {
            let suggestion = meant::of_type(value, rule);
            // A container or a number inside a string is a mistake of its own: the remedy is to unquote it.
            if let (Value::String(_), Some(unquoted)) = (value, suggestion.as_ref().filter(|meant| !meant.is_string()))
                && !unquoted.as_array().is_some_and(|items| items.first() == Some(value))
            {
                let expected = format!("{}, not a string that holds it; send it without the quotes", kinds(kind));
                return vec![here("stringified", expected).meaning(suggestion)];
            }
            let purpose = rule.get("description").and_then(Value::as_str);
            let expected = purpose.map_or_else(|| kinds(kind), |purpose| format!("{}: {purpose}", kinds(kind)));
            vec![here("type", expected).meaning(suggestion)]
        }
        ValidationErrorKind::Enum { .. }
        | ValidationErrorKind::Constant { .. }
        | ValidationErrorKind::OneOfNotValid { .. }
        | ValidationErrorKind::OneOfMultipleValid { .. }
        | ValidationErrorKind::AnyOf { .. } => {
            let allowed = meant::allowed(rule);
            if allowed.is_empty() {
                return vec![here("other", String::from("a value as the tool's schema describes it"))];
            }
            let suggestion = meant::of_list(value, &allowed);
            vec![here("enum", String::from("one of the allowed values")).allowing(allowed).meaning(suggestion)]
        }
        ValidationErrorKind::Minimum { .. }
        | ValidationErrorKind::Maximum { .. }
        | ValidationErrorKind::ExclusiveMinimum { .. }
        | ValidationErrorKind::ExclusiveMaximum { .. } => vec![here("range", expected_of(rule))],
        ValidationErrorKind::MinLength { .. }
        | ValidationErrorKind::MaxLength { .. }
        | ValidationErrorKind::MinItems { .. }
        | ValidationErrorKind::MaxItems { .. } => vec![here("length", expected_of(rule))],
        ValidationErrorKind::Format { .. } => vec![here("format", expected_of(rule))],
        ValidationErrorKind::Pattern { .. } => {
            vec![here("pattern", expected_of(rule)).meaning(meant::of_pattern(value, rule))]
        }
        // The remaining keywords stand in none of our schemas; told with their place rather than not at all.
        _ => vec![here("other", String::from("a value as the tool's schema describes it"))],
    }
}

/// A field that the tool does not have.
fn unknown_field(at: &str, name: &str, object: &Value, rule: &Value, arguments: &Value, names: &Names) -> Violation {
    let known = names::properties(rule);
    let meant = meant::field(at, name, object, rule, arguments, names);
    let expected = match &meant {
        Some(place) if place == at => {
            let whole = if at.is_empty() { "the arguments themselves" } else { at };
            format!("no field of this name; send what it holds as {whole}, without this field around it")
        }
        Some(place) => format!("no field of this name; did you mean `{place}`?"),
        None => match names::meant(name, &known).filter(|known| object.get(known).is_some()) {
            Some(given) => format!("no field of this name; `{given}` is given already, so leave this one out"),
            None => String::from("no field of this name; leave it out"),
        },
    };
    let received = object.get(name).map(shown);
    let mut violation = Violation::new(format!("{at}/{}", escape(&name_shown(name))), "unknown_field", expected)
        .allowing(known.iter().map(|name| Value::from(name.as_str())).collect())
        .meaning(meant.map(Value::from));
    violation.received = received;
    violation
}

/// The part of the schema whose keyword an error is about.
fn rule_of<'a>(schema: &'a Value, error: &ValidationError<'_>) -> &'a Value {
    let keyword = error.schema_path().as_str();
    let parent = keyword.rsplit_once('/').map_or("", |(parent, _)| parent);
    schema.pointer(parent).unwrap_or(&Value::Null)
}

/// Whether a value is how models write *nothing*: null, a blank text, or a word for it.
fn is_empty(value: &Value) -> bool {
    const WORDS: [&str; 7] = ["", "null", "none", "nil", "undefined", "n/a", "-"];
    match value {
        Value::Null => true,
        Value::String(text) if text.len() <= 20 => WORDS.contains(&text.trim().to_ascii_lowercase().as_str()),
        Value::String(_) | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => false,
    }
}

/// Whether the value that an error is about stands in a field that need not be there.
fn is_optional(schema: &Value, error: &ValidationError<'_>) -> bool {
    let keyword = error.schema_path().as_str();
    let field = keyword.rsplit_once('/').and_then(|(field, _)| field.rsplit_once('/'));
    let object = field.and_then(|(properties, name)| Some((properties.strip_suffix("/properties")?, name)));
    object.is_some_and(|(object, name)| {
        let required = schema.pointer(object).and_then(|object| object.get("required")).and_then(Value::as_array);
        required.is_none_or(|required| !required.iter().any(|known| known == name))
    })
}

/// What a part of the schema asks for, in words: its type, its bounds and its purpose.
fn expected_of(rule: &Value) -> String {
    let mut words = names::types(rule).first().map_or_else(|| String::from("a value"), |kind| with_article(kind));
    let number = |keyword: &str| rule.get(keyword).filter(|limit| limit.is_number());
    for (from, to, of) in
        [("minimum", "maximum", ""), ("minLength", "maxLength", " characters"), ("minItems", "maxItems", " items")]
    {
        let text = match (number(from), number(to)) {
            (Some(from), Some(to)) if of.is_empty() => format!(" from {from} to {to}"),
            (Some(from), Some(to)) => format!(" of {from} to {to}{of}"),
            (Some(from), None) => format!(" of at least {from}{of}"),
            (None, Some(to)) => format!(" of at most {to}{of}"),
            (None, None) => continue,
        };
        words.push_str(&text);
    }
    if let Some(pattern) = rule.get("pattern").and_then(Value::as_str) {
        words.push_str(" that matches ");
        words.push_str(pattern);
    }
    // The formats of numbers are a compiler's words: their bounds are told above.
    let is_text = names::types(rule).contains(&"string");
    if let Some(format) = rule.get("format").and_then(Value::as_str).filter(|_| is_text) {
        words.push_str(" in the format ");
        words.push_str(format);
    }
    if let Some(example) = rule.get("examples").and_then(|examples| examples.get(0)) {
        words.push_str(", such as ");
        words.push_str(&example.to_string());
    }
    if let Some(purpose) = rule.get("description").and_then(Value::as_str) {
        words.push_str(": ");
        words.push_str(purpose);
    }
    words
}

fn kinds(kind: &TypeKind) -> String {
    match kind {
        TypeKind::Single(kind) => with_article(&kind.to_string()),
        TypeKind::Multiple(kinds) => kinds.iter().map(|kind| kind.to_string()).collect::<Vec<_>>().join(" or "),
    }
}

fn with_article(word: &str) -> String {
    if word == "null" {
        return word.to_owned();
    }
    let article = if word.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
    format!("{article} {word}")
}

#[cfg(test)]
mod tests;
