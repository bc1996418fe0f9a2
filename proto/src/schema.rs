//! JSON Schemas (draft 2020-12): one for each type of event, envelope included.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::{Event, What};

/// Each type of event and its schema.
pub fn all() -> Vec<(&'static str, Value)> {
    let event = schemars::schema_for!(Event).to_value();
    What::ALL
        .into_iter()
        .map(|what| (what.event_type(), one(&event, what)))
        .collect()
}

/// Narrows the schema of [`Event`], which is one of all types, to a single type.
fn one(event: &Value, what: What) -> Value {
    let mut schema = event.as_object().cloned().unwrap_or_default();
    let branch = variants(&mut schema)
        .into_iter()
        .find(|branch| branch["properties"]["type"]["const"] == what.event_type())
        .unwrap_or_default();

    merge(&mut schema, "properties", &branch["properties"]);
    if let (Some(Value::Array(all)), Value::Array(more)) =
        (schema.get_mut("required"), &branch["required"])
    {
        all.extend(more.iter().cloned());
    }
    schema.insert(
        "$id".to_owned(),
        json!(format!("urn:{}", what.event_type())),
    );
    schema.insert("title".to_owned(), json!(what.event_type()));
    schema.insert("description".to_owned(), branch["description"].clone());
    keep_referenced(&mut schema);
    Value::Object(schema)
}

fn variants(schema: &mut Map<String, Value>) -> Vec<Value> {
    match schema.remove("oneOf") {
        Some(Value::Array(variants)) => variants,
        _ => vec![],
    }
}

fn merge(schema: &mut Map<String, Value>, keyword: &str, more: &Value) {
    if let (Some(Value::Object(all)), Value::Object(more)) = (schema.get_mut(keyword), more) {
        all.extend(more.clone());
    }
}

/// Drops the definitions that only other types of event need.
fn keep_referenced(schema: &mut Map<String, Value>) {
    let Some(Value::Object(definitions)) = schema.remove("$defs") else {
        return;
    };
    let mut wanted = BTreeSet::new();
    let mut open = references(&Value::Object(schema.clone()));
    while let Some(name) = open.pop() {
        if let Some(definition) = definitions.get(&name)
            && wanted.insert(name)
        {
            open.extend(references(definition));
        }
    }
    let kept: Map<String, Value> = definitions
        .into_iter()
        .filter(|(name, _)| wanted.contains(name))
        .collect();
    schema.insert("$defs".to_owned(), Value::Object(kept));
}

/// Names of the definitions that a schema refers to.
fn references(schema: &Value) -> Vec<String> {
    match schema {
        Value::Object(members) => members
            .iter()
            .flat_map(|(keyword, value)| match value.as_str() {
                Some(target) if keyword == "$ref" => target
                    .strip_prefix("#/$defs/")
                    .map(str::to_owned)
                    .into_iter()
                    .collect(),
                _ => references(value),
            })
            .collect(),
        Value::Array(items) => items.iter().flat_map(references).collect(),
        _ => vec![],
    }
}
