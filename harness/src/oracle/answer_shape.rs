//! A quick look whether a value fits a schema, for the many that do: a hundredth of what a whole validator costs.
//!
//! It knows the few keywords that the schemas of answers are made of, and says *surely* or nothing: of what it does not know,
//! or what does not fit, the validator has the word.

use serde_json::{Map, Value};

/// A schema, or the part of one that is understood.
#[derive(Debug)]
pub(super) enum Shape {
    /// Whatever stands there.
    Anything,
    /// One of these values.
    OneOf(Vec<Value>),
    /// A value of these kinds.
    Kind(Kind),
    /// Fits where one of these does.
    Either(Vec<Shape>),
    /// Not understood.
    Unsure,
}

/// What a value of each kind has to be; `None` where a value of the kind does not fit.
#[derive(Debug, Default)]
pub(super) struct Kind {
    null: bool,
    boolean: bool,
    /// From so many characters to so many.
    string: Option<(usize, usize)>,
    number: bool,
    /// From, to.
    integer: Option<(i64, i64)>,
    array: Option<Box<Shape>>,
    object: Option<Fields>,
}

#[derive(Debug, Default)]
struct Fields {
    known: Vec<(String, Shape, bool)>,
    required: usize,
}

impl Shape {
    /// What is understood of a schema.
    pub(super) fn of(schema: &Value) -> Self {
        match schema {
            Value::Bool(true) => Self::Anything,
            Value::Object(keywords) => Self::of_keywords(keywords).unwrap_or(Self::Unsure),
            Value::Bool(false) | Value::Null | Value::Number(_) | Value::String(_) | Value::Array(_) => Self::Unsure,
        }
    }

    fn of_keywords(keywords: &Map<String, Value>) -> Option<Self> {
        // Of these nothing follows for a value.
        const SAID_BESIDE: [&str; 6] = ["$schema", "title", "description", "default", "examples", "format"];
        const UNDERSTOOD: [&str; 11] = [
            "type",
            "properties",
            "required",
            "items",
            "minimum",
            "maximum",
            "minLength",
            "maxLength",
            "enum",
            "const",
            "additionalProperties",
        ];
        let telling: Vec<&str> =
            keywords.keys().map(String::as_str).filter(|keyword| !SAID_BESIDE.contains(keyword)).collect();
        match telling.as_slice() {
            [] => return Some(Self::Anything),
            ["anyOf"] => {
                return Some(Self::Either(keywords["anyOf"].as_array()?.iter().map(Self::of).collect()));
            }
            // Of constants, each another one, at most one fits.
            ["oneOf"] => {
                let values = keywords["oneOf"].as_array()?.iter().map(|one| one.get("const").cloned());
                return Some(Self::OneOf(values.collect::<Option<_>>()?));
            }
            _ => {}
        }
        if telling.iter().any(|keyword| !UNDERSTOOD.contains(keyword))
            || keywords.get("additionalProperties").is_some_and(|others| *others != true)
        {
            return None;
        }
        if let Some(values) = keywords.get("enum") {
            return Some(Self::OneOf(values.as_array()?.clone()));
        }
        if let Some(value) = keywords.get("const") {
            return Some(Self::OneOf(vec![value.clone()]));
        }
        let kinds: Vec<&str> = match keywords.get("type")? {
            Value::String(kind) => vec![kind],
            Value::Array(kinds) => kinds.iter().map(Value::as_str).collect::<Option<_>>()?,
            _ => return None,
        };
        let mut kind = Kind::default();
        for name in kinds {
            match name {
                "null" => kind.null = true,
                "boolean" => kind.boolean = true,
                "string" => {
                    let bound = |keyword: &str, open: usize| match keywords.get(keyword) {
                        Some(length) => usize::try_from(length.as_u64()?).ok(),
                        None => Some(open),
                    };
                    kind.string = Some((bound("minLength", 0)?, bound("maxLength", usize::MAX)?));
                }
                "number" => kind.number = true,
                "integer" => {
                    let bound = |keyword: &str, open: i64| keywords.get(keyword).map_or(Some(open), Value::as_i64);
                    kind.integer = Some((bound("minimum", i64::MIN)?, bound("maximum", i64::MAX)?));
                }
                "array" => kind.array = Some(Box::new(keywords.get("items").map_or(Self::Anything, Self::of))),
                "object" => kind.object = Some(Fields::of(keywords)?),
                _ => return None,
            }
        }
        (!kind.number || !telling.iter().any(|keyword| ["minimum", "maximum"].contains(keyword)))
            .then_some(Self::Kind(kind))
    }

    /// Whether a value fits for certain.
    pub(super) fn surely_fits(&self, value: &Value) -> bool {
        match self {
            Self::Anything => true,
            Self::OneOf(values) => values.contains(value),
            Self::Either(shapes) => shapes.iter().any(|shape| shape.surely_fits(value)),
            Self::Unsure => false,
            Self::Kind(kind) => match value {
                Value::Null => kind.null,
                Value::Bool(_) => kind.boolean,
                Value::String(text) => kind.string.is_some_and(|(from, to)| {
                    (from, to) == (0, usize::MAX) || (from..=to).contains(&text.chars().count())
                }),
                Value::Number(number) => {
                    kind.number
                        || kind.integer.is_some_and(|(from, to)| {
                            number.as_i64().is_some_and(|number| (from..=to).contains(&number))
                        })
                }
                Value::Array(items) => {
                    kind.array.as_ref().is_some_and(|shape| items.iter().all(|item| shape.surely_fits(item)))
                }
                Value::Object(members) => kind.object.as_ref().is_some_and(|fields| fields.surely_fit(members)),
            },
        }
    }
}

impl Fields {
    fn of(keywords: &Map<String, Value>) -> Option<Self> {
        let required: Vec<&str> = match keywords.get("required") {
            Some(required) => required.as_array()?.iter().map(Value::as_str).collect::<Option<_>>()?,
            None => Vec::new(),
        };
        let properties = keywords.get("properties").and_then(Value::as_object);
        let known: Vec<_> = properties
            .into_iter()
            .flatten()
            .map(|(name, schema)| (name.clone(), Shape::of(schema), required.contains(&name.as_str())))
            .collect();
        let described = known.iter().filter(|(.., required)| *required).count();
        // One that is required and not described is rare enough to be left to the validator.
        (described == required.len()).then_some(Self { known, required: described })
    }

    fn surely_fit(&self, members: &Map<String, Value>) -> bool {
        let mut required = 0;
        for (name, value) in members {
            if let Some((_, shape, is_required)) = self.known.iter().find(|(known, ..)| known == name) {
                if !shape.surely_fits(value) {
                    return false;
                }
                required += usize::from(*is_required);
            }
        }
        required == self.required
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_surely_fits_is_what_the_validator_takes() {
        let schema = json!({
            "type": "object",
            "required": ["id", "list"],
            "properties": {
                "id": {"type": "string", "maxLength": 3},
                "count": {"type": ["integer", "null"], "minimum": 1},
                "list": {"type": "array", "items": {"type": "object", "required": ["a"], "properties": {"a": {"type": "number"}}}},
                "word": {"oneOf": [{"const": "x"}, {"const": "y", "description": "why"}]},
                "either": {"anyOf": [{"enum": ["p"]}, {"type": "null"}]},
            },
        });
        let (shape, validator) = (Shape::of(&schema), jsonschema::validator_for(&schema).expect("a schema"));
        let whole = json!({"id": "i", "count": 2, "list": [{"a": 1.5}], "word": "y", "either": "p", "other": []});
        for (pointer, value) in [
            ("/id", json!("j")),
            ("/id", json!("four")),
            ("/id", json!(7)),
            ("/count", json!(null)),
            ("/count", json!(0)),
            ("/count", json!("2")),
            ("/list", json!([])),
            ("/list", json!([{}])),
            ("/list", json!({})),
            ("/word", json!("z")),
            ("/either", json!(null)),
            ("/either", json!("q")),
            ("/other", json!({"deep": [1]})),
        ] {
            let mut changed = whole.clone();
            *changed.pointer_mut(pointer).expect("a place") = value;
            assert_eq!(shape.surely_fits(&changed), validator.is_valid(&changed), "{changed}");
        }
        assert!(!shape.surely_fits(&json!({"id": "i"})) && !shape.surely_fits(&json!([])));
    }

    #[test]
    fn what_is_not_understood_is_left_to_the_validator() {
        for schema in
            [json!({"not": {}}), json!({"type": "string", "pattern": "x"}), json!(false), json!({"$ref": "#"})]
        {
            assert!(!Shape::of(&schema).surely_fits(&json!("x")), "{schema}");
        }
    }

    #[test]
    fn every_published_answer_is_understood() {
        for tool in giftgenius::tools::table() {
            let shape = Shape::of(&tool.spec.output_schema);
            assert!(!format!("{shape:?}").contains("Unsure"), "{}: {shape:?}", tool.spec.name);
        }
    }
}
