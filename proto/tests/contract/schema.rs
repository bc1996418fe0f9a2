use std::collections::BTreeSet;

use jsonschema::Validator;
use proto::{Event, What, example, schema};
use serde_json::Value;

fn validator(what: What) -> Validator {
    let (_, schema) = schema::all()
        .into_iter()
        .find(|(event_type, _)| *event_type == what.event_type())
        .unwrap();
    jsonschema::options()
        .should_validate_formats(true)
        .build(&schema)
        .unwrap()
}

#[test]
fn every_schema_is_one_of_draft_2020_12() {
    for (event_type, schema) in schema::all() {
        assert_eq!(
            schema["$schema"], "https://json-schema.org/draft/2020-12/schema",
            "{event_type}"
        );
        jsonschema::meta::validate(&schema).unwrap();
    }
}

#[test]
fn every_example_fits_the_schema_of_its_type_and_no_other() {
    for (name, event) in example::all() {
        let json = serde_json::to_value(&event).unwrap();
        for what in What::ALL {
            let errors: Vec<String> = validator(what)
                .iter_errors(&json)
                .map(|error| error.to_string())
                .collect();
            assert_eq!(
                errors.is_empty(),
                what == event.data.what(),
                "{name} against {what:?}: {errors:?}"
            );
        }
    }
}

#[test]
fn a_schema_refuses_what_the_code_refuses() {
    let validator = validator(What::Moved);
    let good = example("moved-archived");
    for (pointer, wrong) in [
        ("/specversion", "0.3"),
        ("/subject", "6B868EFA810FC1917DF3F3D5E1DEBFFC"),
        ("/time", "yesterday"),
        ("/data/outcome", "burnt"),
        ("/data/replay", "0"),
        ("/data/file/order", "2026-11-22 09:00"),
    ] {
        let mut bad = good.clone();
        *bad.pointer_mut(pointer).unwrap() = wrong.into();
        assert!(!validator.is_valid(&bad), "{pointer} = {wrong}");
        assert!(
            Event::parse(bad.to_string().as_bytes()).is_err(),
            "{pointer} = {wrong}"
        );
    }
    for missing in [
        "id",
        "source",
        "subject",
        "time",
        "type",
        "data",
        "datacontenttype",
    ] {
        let mut bad = good.clone();
        bad.as_object_mut().unwrap().remove(missing);
        assert!(!validator.is_valid(&bad), "{missing}");
        assert!(
            Event::parse(bad.to_string().as_bytes()).is_err(),
            "{missing}"
        );
    }
}

#[test]
fn the_examples_show_every_value_that_a_choice_can_have() {
    let shown: BTreeSet<String> = example::all()
        .iter()
        .flat_map(|(_, event)| strings(&serde_json::to_value(event).unwrap()))
        .collect();
    for (event_type, schema) in schema::all() {
        for (name, definition) in schema["$defs"].as_object().unwrap() {
            // A user is no outcome, and not every one of them can fail.
            if name == "User" {
                continue;
            }
            for choice in choices(definition) {
                assert!(
                    shown.contains(&choice),
                    "{event_type}: no example of {name} `{choice}`"
                );
            }
        }
    }
    for what in What::ALL {
        assert!(shown.contains(what.event_type()), "no example of {what:?}");
    }
}

fn example(wanted: &str) -> Value {
    let (_, event) = example::all()
        .into_iter()
        .find(|(name, _)| *name == wanted)
        .unwrap();
    serde_json::to_value(event).unwrap()
}

fn choices(definition: &Value) -> Vec<String> {
    let described = definition["oneOf"].as_array().into_iter().flatten();
    let plain = definition["enum"].as_array().into_iter().flatten();
    described
        .map(|choice| &choice["const"])
        .chain(plain)
        .filter_map(|choice| choice.as_str().map(str::to_owned))
        .collect()
}

fn strings(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Array(items) => items.iter().flat_map(strings).collect(),
        Value::Object(members) => members.values().flat_map(strings).collect(),
        _ => vec![],
    }
}
