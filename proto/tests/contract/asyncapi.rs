use std::fs;
use std::path::Path;

use proto::{asyncapi, consumer};
use serde_json::Value;

/// What AsyncAPI 3.0 requires of a document, its channels, messages and operations.
/// <https://www.asyncapi.com/docs/reference/specification/v3.0.0>
#[test]
fn the_document_has_what_asyncapi_3_requires() {
    let document = asyncapi::document();
    assert_eq!(document["asyncapi"], "3.0.0");
    assert!(document["info"]["title"].is_string());
    assert!(document["info"]["version"].is_string());
    let channels = document["channels"].as_object().unwrap();
    for (name, channel) in channels {
        let address = channel["address"].as_str().unwrap();
        assert!(channel["messages"].is_object(), "{name}");
        let in_address = address.matches('{').count();
        let described = channel["parameters"].as_object().map_or(0, |all| all.len());
        assert_eq!(in_address, described, "{address}");
    }
    let operations = document["operations"].as_object().unwrap();
    assert!(!operations.is_empty());
    for (name, operation) in operations {
        let action = operation["action"].as_str().unwrap();
        assert!(["send", "receive"].contains(&action), "{name}: {action}");
        let channel = operation["channel"]["$ref"].as_str().unwrap();
        let channel = channel.strip_prefix("#/channels/").unwrap();
        assert!(channels.contains_key(channel), "{name}: {channel}");
    }
}

#[test]
fn every_reference_leads_somewhere() {
    let document = asyncapi::document();
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let references = references(&document);
    assert!(
        references.len() > 50,
        "only {} references",
        references.len()
    );
    for reference in references {
        match reference.strip_prefix('#') {
            Some(pointer) => assert!(document.pointer(pointer).is_some(), "{reference}"),
            None => assert!(fs::exists(here.join(&reference)).unwrap(), "{reference}"),
        }
    }
}

#[test]
fn the_document_names_every_consumer_where_its_service_receives() {
    let document = asyncapi::document();
    let operations = document["operations"].as_object().unwrap();
    for consumer in consumer::all() {
        let found = operations.values().any(|operation| {
            operation["action"] == "receive"
                && operation["x-jetstream"]["stream"] == consumer.stream.name
                && operation["x-jetstream"]["consumer"] == consumer.name()
        });
        assert!(found, "{} on {}", consumer.name(), consumer.stream.name);
    }
}

#[test]
fn the_document_says_who_sends_and_who_receives() {
    let document = asyncapi::document();
    let operations: Vec<&str> = document["operations"]
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    for expected in [
        "watcherSendsArrived",
        "ingestReceivesArrived",
        "moverReceivesRejected",
        "notifierSendsDelayWait",
        "notifierReceivesDelayDue",
        "operatorReceivesNotified",
    ] {
        assert!(operations.contains(&expected), "{expected} is missing");
    }
    for wrong in [
        "ingestSendsArrived",
        "watcherReceivesMoved",
        "operatorSendsArrived",
    ] {
        assert!(!operations.contains(&wrong), "{wrong}");
    }
}

fn references(value: &Value) -> Vec<String> {
    match value {
        Value::Object(members) => members
            .iter()
            .flat_map(|(keyword, value)| match value.as_str() {
                Some(target) if keyword == "$ref" => vec![target.to_owned()],
                _ => references(value),
            })
            .collect(),
        Value::Array(items) => items.iter().flat_map(references).collect(),
        _ => vec![],
    }
}
