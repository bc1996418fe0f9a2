//! What is generated from this crate and checked in beside it. `cargo run -p proto --example
//! generate` writes it; a test fails when what is checked in differs.

use serde::Serialize;

use crate::{asyncapi, example, nats, schema};

/// A generated file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Artefact {
    /// Where it belongs, from this crate's folder.
    pub path: String,
    /// What it holds.
    pub content: String,
}

/// Folders that hold generated files and nothing else.
pub const FOLDERS: [&str; 3] = ["examples", "nats", "schemas"];

/// Every generated file.
pub fn all() -> Vec<Artefact> {
    let schemas = schema::all()
        .into_iter()
        .map(|(event_type, schema)| json(format!("schemas/{event_type}.json"), &schema));
    let examples = example::all()
        .into_iter()
        .map(|(name, event)| json(format!("examples/{name}.json"), &event));
    let single = [
        json("asyncapi.json".to_owned(), &asyncapi::document()),
        Artefact {
            path: "nats/permissions.conf".to_owned(),
            content: nats::permissions_conf(),
        },
    ];
    schemas.chain(examples).chain(single).collect()
}

fn json(path: String, content: &impl Serialize) -> Artefact {
    // These values are built from strings and numbers: there is nothing that JSON cannot hold.
    let mut content = serde_json::to_value(content).unwrap_or_default();
    // Another crate of the same build may have asked `serde_json` to keep the order of insertion.
    content.sort_all_objects();
    let content = format!("{content:#}\n");
    Artefact { path, content }
}
