//! The generator over a made-up tool and over GiftGenius's: every class, every field, labels that parse back, and
//! expectations that follow from the schema.

use std::collections::BTreeSet;

use serde_json::json;

use super::*;

fn schema() -> Value {
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["files", "folder_id", "mode"],
        "properties": {
            "files": {"type": "array", "minItems": 1, "maxItems": 3, "items": {"$ref": "#/$defs/file"}},
            "folder_id": {"type": "string", "minLength": 1},
            "mode": {"enum": ["copy_all", "move_all"]},
            "dry_run": {"type": "boolean"},
            "target_id": {"anyOf": [{"type": "string", "maxLength": 9}, {"type": "null"}]},
            "when": {"type": "string", "format": "date"},
        },
        "$defs": {"file": {
            "type": "object",
            "additionalProperties": false,
            "required": ["path", "size"],
            "properties": {"path": {"type": "string", "minLength": 1}, "size": {"type": "integer", "minimum": 0}},
        }},
    })
}

fn valid() -> Value {
    json!({
        "files": [{"path": "/a", "size": 3}], "folder_id": "dir_77", "mode": "copy_all", "dry_run": true, "target_id": "t_1", "when": "2026-01-01",
    })
}

fn all() -> Vec<Case> {
    cases(&Published::new("move_files", &schema()), &valid(), &[])
}

fn found(label: &str) -> Case {
    let label: Label = label.parse().expect("a label");
    all().into_iter().find(|case| case.label == label).unwrap_or_else(|| panic!("no case {label}"))
}

#[test]
fn every_class_has_cases_and_labels_parse_back() {
    let all = all();
    let classes: BTreeSet<Class> = all.iter().map(|case| case.label.class).collect();
    assert_eq!(classes.len(), Class::ALL.len(), "{classes:?}");
    let mut labels = BTreeSet::new();
    for case in &all {
        assert_eq!(case.label.to_string().parse(), Ok(case.label.clone()));
        assert!(labels.insert(&case.label), "{} stands twice", case.label);
    }
}

#[test]
fn every_field_is_left_out_renamed_and_mistyped() {
    let all = all();
    for place in ["/files", "/files/0/path", "/files/0/size", "/mode", "/dry_run", "/target_id", "/when"] {
        for class in [Class::Missing, Class::Name, Class::Type] {
            let hit = all.iter().any(|case| case.label.class == class && case.label.pointer == place);
            assert!(hit, "{} at {place}", class.name());
        }
    }
}

#[test]
fn what_is_owed_follows_from_the_schema() {
    let refused = |place: &str| Expected::Refused(vec![place.to_owned()]);
    let table = [
        ("missing:/files/0/size:absent", refused("/files/0/size")),
        ("missing:/dry_run:absent", Expected::Accepted("the field may be left out")),
        ("name:/files/0/path:upper_case", refused("/files/0/PATH")),
        ("type:/files/0/size:stringified", refused("/files/0/size")),
        ("type:/files/0/size:whole_fraction", Expected::Accepted("JSON Schema counts 5.0 as an integer")),
        ("type:/target_id:null", Expected::Accepted("the schema takes null")),
        ("type:/files:stringified", refused("/files")),
        ("value:/files/0/size:below_the_range", refused("/files/0/size")),
        ("value:/mode:upper_case", refused("/mode")),
        ("value:/when:against_the_format", refused("/when")),
        ("value:/target_id:too_long", refused("/target_id")),
        ("identifier:/target_id:unknown", Expected::Failed),
        ("redundant:/files:item_twice", Expected::Open("/files".into())),
        ("nesting:/files/0/path:one_level_higher", refused("/path")),
        ("nesting:/mode:one_level_lower", refused("/files/0/mode")),
        ("nesting::in_arguments", refused("/arguments")),
        ("order:/folder_id:too_early", Expected::Failed),
        ("tool::letter_dropped", Expected::Protocol(ProtocolError::InvalidParams)),
    ];
    for (label, expected) in table {
        assert_eq!(found(label).expected, expected, "{label}");
    }
    let several = found("missing:/files:with_mode");
    assert_eq!(several.expected, Expected::Refused(vec!["/files".into(), "/mode".into()]));
}

#[test]
fn what_an_error_can_tell_follows_from_what_is_left() {
    assert_eq!(found("type:/files/0/size:stringified").remedy, Remedy::Restored);
    assert_eq!(found("type:/files/0/size:in_words").remedy, Remedy::Replaced(vec!["/files/0/size".into()]));
    assert!(matches!(found("identifier:/target_id:unknown").remedy, Remedy::Beyond(_)));
}

#[test]
fn a_case_is_found_by_its_label_and_no_other_is_made() {
    let (schema, valid) = (schema(), valid());
    let tool = Published::new("move_files", &schema);
    for made in all() {
        let again = case(&tool, &valid, &made.label);
        assert_eq!(again.as_ref(), Some(&made), "{}", made.label);
    }
    let other: Label = "type:/nowhere:stringified".parse().expect("a label");
    assert_eq!(case(&tool, &valid, &other), None);
}

#[test]
fn frames_are_bytes_that_are_broken_as_they_say() {
    let frames: Vec<frames::Frame> = all()
        .into_iter()
        .filter_map(|case| match case.sent {
            Sent::Frame(frame) => Some(frame),
            _ => None,
        })
        .collect();
    assert_eq!(frames.len(), 26);
    for frame in &frames {
        let bytes = frame.bytes(5);
        let parsed = serde_json::from_slice::<Value>(&bytes).ok();
        let whole = parsed.as_ref().is_some_and(|frame| frame.pointer("/params/arguments") == Some(&valid()));
        let envelope_only = [
            "JSON-RPC of version 1.0",
            "null for the request's id",
            "an object for the request's id",
            "a number for the tool's name",
            "no tool's name",
            "the valid call twice at once, under one id",
            "the valid call, and again with the members of every object the other way round",
        ];
        assert!(!whole || envelope_only.contains(&frame.about()), "{}", frame.about());
    }
}

#[test]
fn what_comes_again_in_another_order_is_the_same_in_other_bytes() {
    let again = all().into_iter().find_map(|case| match case.sent {
        Sent::Frame(frame) if frame.comes_again() => Some(frame.bytes(5)),
        _ => None,
    });
    let text = String::from_utf8(again.expect("it is made")).expect("text");
    let places: Vec<_> = ["\"when\"", "\"mode\"", "\"files\"", "\"dry_run\""].map(|name| text.find(name)).into();
    assert!(places.is_sorted() && places.iter().all(Option::is_some), "{text}");
    let parsed: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(parsed.pointer("/params/arguments"), Some(&valid()));
}

#[test]
fn every_tool_of_giftgenius_is_covered_from_its_published_example() {
    for tool in giftgenius::tools::table() {
        let published = Published::new(tool.spec.name, &tool.spec.input_schema);
        let valid = tool.spec.input_schema["examples"][0].clone();
        let made = cases(&published, &valid, &[]);
        assert!(made.len() > 20, "{}: {}", tool.spec.name, made.len());
    }
}
