//! The committed schemas are those that misrule prints, and every committed scenario is read and fits its schema.
//!
//! To bring a committed schema up to date: `misrule schema scenario > scenarios/scenario.schema.json`, and so on:
//! `report`, `exploration`, `proof` and `errors` stand as `reports/FORMAT.schema.json`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use misrule::scenario::find::{find, load};
use misrule::scenario::{Known, ScenarioError, schema, write};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

#[test]
fn committed_schemas_are_as_printed() {
    for (format, path) in [
        ("scenario", "scenarios/scenario.schema.json"),
        ("report", "reports/report.schema.json"),
        ("exploration", "reports/exploration.schema.json"),
        ("proof", "reports/proof.schema.json"),
        ("errors", "reports/errors.schema.json"),
    ] {
        let output =
            Command::new(env!("CARGO_BIN_EXE_misrule")).args(["schema", format]).output().expect("the binary runs");
        let printed = String::from_utf8(output.stdout).expect("text");
        let committed = fs::read_to_string(root().join(path)).expect("a committed schema");
        assert!(committed == printed, "{path} is out of date; write it anew with `misrule schema {format}`");
    }
}

#[test]
fn every_committed_scenario_is_read_fits_the_schema_and_can_be_written() {
    let Ok(found) = find(&root().join("scenarios"), &[]) else {
        return;
    };
    let validator = jsonschema::validator_for(&schema::schema()).expect("a schema");
    let known = Known::of_giftgenius();
    for found in &found {
        let scenario = load(found, &known).unwrap_or_else(|error: ScenarioError| panic!("{}", error.render(false)));
        let text = fs::read_to_string(&found.path).expect("it was read before");
        let value: serde_json::Value = toml::from_str(&text).expect("it was read before");
        let errors: Vec<_> = validator.iter_errors(&value).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{}: {errors:?}", found.name);
        let again = misrule::scenario::parse(&write::write(&scenario), &found.name, &found.path, &known)
            .unwrap_or_else(|error| panic!("{}", error.render(false)));
        assert_eq!(again, *scenario, "{}", found.name);
    }
}
