//! Whether the arguments of a call are certainly taken: they fit the schema that the tool publishes, and hold nothing that
//! is refused wherever it stands.

use std::sync::LazyLock;

use jsonschema::Validator;
use serde_json::Value;

use super::evidence::CallView;
use super::json::KEY;
use super::nothing_leaked::holds_a_card_number;

/// The published input schemas, compiled once a process.
static PUBLISHED: LazyLock<Vec<(&'static str, Validator)>> = LazyLock::new(|| {
    let compiled = |schema: &Value| jsonschema::validator_for(schema).expect("a published schema is a valid one");
    giftgenius::tools::table().iter().map(|tool| (tool.spec.name, compiled(&tool.spec.input_schema))).collect()
});

/// Whether nothing is wrong with a call's arguments, its key put where the schema has it.
pub(super) fn surely(call: &CallView<'_>) -> bool {
    let Some((_, published)) = PUBLISHED.iter().find(|(tool, _)| call.is(tool)) else { return false };
    let key = call.started.key.as_deref();
    if key.is_some_and(holds_a_card_number) {
        return false;
    }
    let mut arguments = (*call.started.arguments).clone();
    if let (Value::Object(arguments), Some(key)) = (&mut arguments, key) {
        arguments.entry(KEY).or_insert_with(|| Value::from(key));
    }
    published.is_valid(&arguments)
}
