//! What is published of the tools: that a client can read it, and that it says what the tools are.

use serde_json::{Value, json};

use super::client::{Request, ask};
use super::served::Served;
use super::{Faces, TOKEN};

pub(super) fn hold(served: &Served, told: &mut Faces) {
    let reply = match ask(served.address(), &Request::rpc("tools/list", &json!({})).of(TOKEN)) {
        Ok(reply) => reply,
        Err(why) => {
            told.broken.push(format!("the tools are not listed: {why}"));
            return;
        }
    };
    let listed = reply.json()["result"]["tools"].as_array().cloned().unwrap_or_default();
    let names: Vec<&str> = listed.iter().filter_map(|tool| tool["name"].as_str()).collect();
    let own: Vec<&str> = giftgenius::tools::table().iter().map(|tool| tool.spec.name).collect();
    told.hold(names == own, || format!("these tools are listed: {names:?}, and there are {own:?}"));
    for (tool, spec) in listed.iter().zip(giftgenius::tools::table().iter().map(|tool| &tool.spec)) {
        let name = spec.name;
        let owed = json!({
            "title": spec.title,
            "readOnlyHint": spec.annotations.read_only,
            "destructiveHint": spec.annotations.destructive,
            "idempotentHint": spec.annotations.idempotent,
            "openWorldHint": spec.annotations.open_world,
        });
        told.hold(tool["annotations"] == owed, || format!("{name} is published with {}", tool["annotations"]));
        told.hold(tool["inputSchema"] == *spec.input_schema, || format!("{name}: another schema than it is held to"));
        for wrong in wrong(tool) {
            told.broken.push(format!("{name}: {wrong}"));
        }
        told.asked += 1;
    }
}

/// How a published tool cannot be read by a client.
fn wrong(tool: &Value) -> Vec<String> {
    let mut wrong = Vec::new();
    for field in ["name", "title", "description"] {
        if tool[field].as_str().is_none_or(|text| text.trim().len() < 3) {
            wrong.push(format!("its {field} says nothing"));
        }
    }
    for schema in ["inputSchema", "outputSchema"] {
        let whole = &tool[schema];
        if whole["type"] != "object" {
            wrong.push(format!("its {schema} is of no object"));
        }
        unresolved(whole, whole, &mut |reference| wrong.push(format!("its {schema} has no `{reference}`")));
        silent(whole, "", &mut |place| wrong.push(format!("its {schema} does not describe `{place}`")));
    }
    wrong
}

/// References that lead nowhere.
fn unresolved(part: &Value, whole: &Value, tell: &mut impl FnMut(&str)) {
    if let Some(reference) = part["$ref"].as_str()
        && reference.strip_prefix('#').is_none_or(|pointer| whole.pointer(pointer).is_none())
    {
        tell(reference);
    }
    each(part, &mut |_, part| unresolved(part, whole, tell));
}

/// Descriptions that are there and empty.
fn silent(part: &Value, place: &str, tell: &mut impl FnMut(&str)) {
    if part["description"].as_str().is_some_and(|text| text.trim().is_empty()) {
        tell(place);
    }
    each(part, &mut |name, part| silent(part, &format!("{place}/{name}"), tell));
}

fn each(part: &Value, visit: &mut impl FnMut(&str, &Value)) {
    match part {
        Value::Object(members) => members.iter().for_each(|(name, member)| visit(name, member)),
        Value::Array(items) => items.iter().for_each(|item| visit("-", item)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tool_that_a_client_cannot_read_is_told_of() {
        let schema = |reference: &str, description: &str| json!({"type": "object", "properties": {"a": {"$ref": reference, "description": description}}, "$defs": {"A": {}}});
        let tool = |reference, description, title| {
            json!({"name": "buy", "title": title, "description": "Buys.", "inputSchema": schema("#/$defs/A", "An a."),
                "outputSchema": schema(reference, description)})
        };
        assert_eq!(wrong(&tool("#/$defs/A", "An a.", "Buy")), Vec::<String>::new());
        assert_eq!(wrong(&tool("#/$defs/B", "An a.", "Buy")), ["its outputSchema has no `#/$defs/B`"]);
        assert_eq!(wrong(&tool("#/$defs/A", "", "Buy")), ["its outputSchema does not describe `/properties/a`"]);
        assert_eq!(wrong(&tool("#/$defs/A", "An a.", "")), ["its title says nothing"]);
    }
}
