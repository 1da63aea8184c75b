//! The JSON Schema of the scenario format, for editors and checks; made from the tables that the reader uses.

use giftgenius::error::Code;
use serde_json::{Map, Value, json};

use super::answer::ANSWERS;
use super::expect::STANDING;
use super::manner::CALLS_MAX;
use super::model::WorldKind;
use super::parse::{COUNT_MAX, WORLDS};
use super::policy::{PROFILE_KEY, PROFILES, SETTINGS};
use super::script::{ACTIONS, HALLUCINATED, STEPS_MAX, TOOLS, USER_DEFAULT, WAIT_MS_MAX};
use super::shop::STOCK_DEFAULT;
use super::{expect, explore};
use crate::fault::menu::Breadth;
use crate::provider::operations;
use crate::requirement;

/// The schema (JSON Schema 2020-12).
pub fn schema() -> Value {
    let requirements: Vec<_> = requirement::ALL.iter().map(|requirement| requirement.id).collect();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "misrule scenario",
        "description": "A script of the host, a world set-up, a fault plan and expectations.",
        "type": "object",
        "additionalProperties": false,
        "required": ["title", "lesson", "script"],
        "properties": {
            "title": {"description": "What happens, in one line.", "type": "string", "pattern": "^[^\\r\\n]*\\S[^\\r\\n]*$"},
            "lesson": {"description": "What it teaches, in one sentence.", "type": "string", "pattern": "^[^\\r\\n]*\\S[^\\r\\n]*$"},
            "covers": {"description": "Ids of the requirements that it covers.", "type": "array", "uniqueItems": true, "items": {"enum": requirements}},
            "worlds": {"description": "Where it runs; `sim` is always among them.", "type": "array", "uniqueItems": true, "default": ["sim"], "contains": {"const": "sim"}, "items": {"enum": WORLDS.map(WorldKind::name)}},
            "replicas": {
                "description": "Processes of the system on one journal; calls go to them in turn.",
                "type": "object",
                "additionalProperties": false,
                "properties": {
                    "count": {"type": "integer", "minimum": 1, "maximum": 4, "default": 1},
                    "skew_ms": {"description": "How far the calendar clock of each is ahead of the one before it.", "type": "integer", "minimum": 0, "maximum": 86_400_000, "default": 0}
                }
            },
            "webhooks": {"description": "The payment provider tells the system by itself what happened.", "const": true},
            "seed": {"description": "The seed for identifiers and jitter.", "type": "integer", "minimum": 0, "maximum": i64::MAX, "default": 1},
            "policy": policy(),
            "shop": shop(),
            "stock": {"description": "Stock that differs from the fixture's, by SKU.", "type": "object", "additionalProperties": count()},
            "script": {"description": "What the host does, in order; steps are counted from 1.", "type": "array", "minItems": 1, "maxItems": STEPS_MAX, "contains": {"required": ["call"]}, "items": step()},
            "faults": {
                "description": "What goes wrong: a site (`payment.charge#1`, the first charge request to arrive; `payment.charge@3#1`, the first on behalf of step 3; `provider.payment`, over time) and a fault (`lost_reply`, `status(503, retry_after=2)`).",
                "type": "object",
                "propertyNames": {"pattern": "^(provider\\.[a-z]+|[a-z_]+\\.[a-z_]+(@[0-9]+)?#[0-9]+)$"},
                "additionalProperties": {"anyOf": [{"type": "string"}, {"description": "Several faults over time.", "type": "array", "minItems": 1, "items": {"type": "string"}}]}
            },
            "expect": expect(),
            "excused": {"description": "Oracles that do not judge this scenario, with the reason.", "type": "object", "additionalProperties": {"type": "string", "pattern": "\\S"}},
            "explore": explore()
        }
    })
}

fn explore() -> Value {
    let some_of = |about: &str, items: Value| json!({"description": about, "type": "array", "minItems": 1, "uniqueItems": true, "items": items});
    let with_arguments = json!({"type": "string", "pattern": r"^[a-z_]+\(.*\)$"});
    json!({
        "description": "What `misrule explore` tries, where that is less than everything.",
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "menu": {"description": "How much of each menu; `--menu` says otherwise.", "enum": Breadth::ALL.map(Breadth::name), "default": Breadth::Full.name()},
            "sites": some_of("Only at these places, and over time only at these providers.", json!({"enum": explore::sites()})),
            "gate_depth": {"description": "Up to how many faults at a time the gate explores it by itself.", "type": "integer", "minimum": 1, "maximum": 3},
            "faults": some_of("Only these faults; one with its arguments also where no menu has it.", json!({"anyOf": [{"enum": explore::faults()}, with_arguments]}))
        }
    })
}

fn count() -> Value {
    json!({"type": "integer", "minimum": 0, "maximum": COUNT_MAX})
}

fn policy() -> Value {
    let mut properties: Map<_, _> = SETTINGS
        .iter()
        .map(|setting| {
            let schema = json!({
                "description": setting.about,
                "type": "integer",
                "minimum": setting.range.start(),
                "maximum": setting.range.end(),
            });
            (setting.key.to_owned(), schema)
        })
        .collect();
    properties.insert(
        PROFILE_KEY.to_owned(),
        json!({"description": "What the payment provider promises about repeated requests.", "enum": PROFILES.map(|(name, _)| name)}),
    );
    json!({
        "description": "The system's numbers where they differ from production's.",
        "type": "object",
        "additionalProperties": false,
        "properties": properties,
    })
}

fn shop() -> Value {
    let line = |about: &str| json!({"description": about, "type": "string", "pattern": "^[^\\r\\n]*\\S[^\\r\\n]*$"});
    let words = |about: &str| json!({"description": about, "type": "array", "items": {"type": "string"}});
    let amounts = |about: &str| {
        json!({
            "description": about,
            "type": "object",
            "minProperties": 1,
            "propertyNames": {"pattern": "^[A-Z]{3}$"},
            "additionalProperties": {"type": "integer", "minimum": 1, "maximum": i64::MAX},
        })
    };
    json!({
        "description": "Products and promo codes of the scenario's own, in place of the built-in ones.",
        "type": "object",
        "additionalProperties": false,
        "required": ["products"],
        "properties": {
            "products": {
                "description": "What is sold, by SKU.",
                "type": "object",
                "minProperties": 1,
                "propertyNames": {"pattern": "^[a-z0-9-]+$"},
                "additionalProperties": {
                    "type": "object",
                    "additionalProperties": false,
                    "required": ["prices"],
                    "properties": {
                        "title": line("What it is called; its SKU unless given."),
                        "description": line("One or two sentences; its SKU unless given."),
                        "category": line("Its category; `gifts` unless given."),
                        "tags": words("Occasions and interests."),
                        "recipients": words("Whom it suits."),
                        "prices": amounts("Its price in minor units, by currency."),
                        "stock": {"description": "How many are on the shelf when a run begins.", "type": "integer", "minimum": 0, "maximum": COUNT_MAX, "default": STOCK_DEFAULT}
                    }
                }
            },
            "promo_codes": {
                "description": "Codes that lower a total, by what a person types.",
                "type": "object",
                "additionalProperties": {
                    "type": "object",
                    "additionalProperties": false,
                    "properties": {
                        "description": line("What it is; the code unless given."),
                        "percent_off": {"description": "Percent of the total, rounded down.", "type": "integer", "minimum": 1, "maximum": 99},
                        "amount_off": amounts("Minor units, by currency."),
                        "valid_until": {"description": "The last instant at which it counts; for ever unless given. Runs begin on 2026-01-01.", "type": "string", "format": "date-time"}
                    }
                }
            }
        }
    })
}

fn answer(about: &str) -> Value {
    let codes = Code::ALL.iter().map(|code| code.as_str());
    let answers: Vec<_> = ANSWERS.into_iter().chain(codes).collect();
    json!({"description": about, "enum": answers})
}

fn step() -> Value {
    let name = "^[A-Za-z0-9_-]+$";
    let times = |about: &str| json!({"description": about, "type": "integer", "minimum": 2, "maximum": CALLS_MAX});
    json!({
        "type": "object",
        "additionalProperties": false,
        "oneOf": ACTIONS.map(|action| json!({"required": [action]})),
        "if": {"required": [HALLUCINATED]},
        "then": {"properties": {"call": {"not": {"enum": TOOLS}}}},
        "else": {"properties": {"call": {"enum": TOOLS}}},
        "properties": {
            "call": {"description": "The host calls this tool.", "type": "string"},
            "hallucinated": {"description": "The tool does not exist, on purpose: a model has made it up.", "const": true},
            "wait_ms": {"description": "The host waits this long.", "type": "integer", "minimum": 1, "maximum": WAIT_MS_MAX},
            "wait": {"description": "The host waits until the system has nothing left to do.", "const": "rest"},
            "restart": {"description": "The system is stopped in good order and started again on the same journal.", "const": true},
            "health": {"description": "A monitor asks the system for its health.", "const": true},
            "switch": {"description": "Somebody turns the checkout switch.", "enum": ["on", "off"]},
            "intent": {"description": "The purchase that the call is for.", "type": "string", "pattern": name},
            "user": {"description": "Who calls.", "type": "string", "pattern": name, "default": USER_DEFAULT},
            "args": {"description": "The arguments. In texts `{key:NAME}` is a key made at first use, `{session:INTENT}`, `{order:INTENT}` and `{workflow:INTENT}` are what an earlier step opened.", "type": "object"},
            "key_in_meta": {"description": "The host sends the `idempotency_key` of `args` in the request's `_meta`, not among the arguments.", "const": true},
            "expect": answer("What the (last) answer must be."),
            "repeat": times("This many calls in a row, each after the answer to the one before."),
            "concurrent": times("This many calls at once."),
            "double_click": {"description": "Two calls at once, each with a fresh key.", "const": true},
            "regenerate": {"description": "Again after the answer, with a fresh key.", "const": true},
            "retry": times("As a model would: again while the answer is retryable or pending, at most this many calls in all."),
            "cancel_after_ms": {"description": "Cancelled after this long if not answered by then.", "type": "integer", "minimum": 0, "maximum": WAIT_MS_MAX}
        }
    })
}

fn expect() -> Value {
    let counts = |about: &str, keys: &[&str]| {
        let properties: Map<_, _> = keys.iter().map(|key| ((*key).to_owned(), count())).collect();
        json!({"description": about, "type": "object", "additionalProperties": false, "properties": properties})
    };
    json!({
        "description": "What is expected beyond the oracles.",
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "answer": answer("The answer of the last `create_order`, or of the last call where there is none."),
            "requests": counts("How many requests each operation sees, in all.", &operations::ALL.map(|operation| operation.label)),
            "standing": counts("How many effects of a kind stand at rest.", &STANDING.map(crate::provider::ledger::EffectKind::name)),
            "parked": {"description": "How many orders are parked at rest.", "anyOf": [{"type": "integer", "minimum": 0, "maximum": COUNT_MAX}, {"const": expect::ANY}], "default": 0},
            "broken": {"description": "Oracles that must be broken.", "type": "array", "items": {"type": "string"}}
        }
    })
}

/// The schema as a file.
pub fn text() -> String {
    let mut text = serde_json::to_string_pretty(&schema()).expect("JSON values can be written");
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{expect, explore, manner, parse, policy as policy_file, script, shop};

    fn keys(schema: &Value) -> Vec<String> {
        let properties = schema["properties"].as_object().expect("an object schema");
        let mut keys: Vec<_> = properties.keys().cloned().collect();
        keys.sort();
        keys
    }

    fn sorted<'a>(words: impl IntoIterator<Item = &'a str>) -> Vec<String> {
        let mut words: Vec<_> = words.into_iter().map(str::to_owned).collect();
        words.sort();
        words
    }

    #[test]
    fn the_schema_knows_the_keys_that_the_reader_knows() {
        let schema = schema();
        let properties = &schema["properties"];
        assert_eq!(keys(&schema), sorted(parse::KEYS));
        assert_eq!(keys(&properties["expect"]), sorted(expect::EXPECT_KEYS));
        assert_eq!(keys(&properties["explore"]), sorted(explore::EXPLORE_KEYS));
        assert_eq!(keys(&properties["policy"]), sorted(policy_file::keys()));
        let of_shop = &properties["shop"]["properties"];
        assert_eq!(keys(&properties["shop"]), sorted(shop::SHOP_KEYS));
        assert_eq!(keys(&of_shop["products"]["additionalProperties"]), sorted(shop::PRODUCT_KEYS));
        assert_eq!(keys(&of_shop["promo_codes"]["additionalProperties"]), sorted(shop::PROMO_CODE_KEYS));
        let step = ACTIONS.into_iter().chain(script::CALL_KEYS).chain(manner::MANNERS);
        assert_eq!(keys(&properties["script"]["items"]), sorted(step));
    }

    #[test]
    fn the_schema_is_one() {
        jsonschema::meta::validate(&schema()).expect("a valid schema");
    }
}
