//! A file's trace in a real Jaeger, which `make test-trace` installs.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use servers::Jaeger;
use tests::{Installation, run, sample};

/// As Jaeger shows it: which service did what, and for whom.
struct Span<'a> {
    service: &'a str,
    name: &'a str,
    parent: Option<&'a str>,
    tags: BTreeMap<&'a str, String>,
}

fn spans(trace: &Value) -> Result<BTreeMap<&str, Span<'_>>> {
    let list = trace["spans"].as_array().context("it has no spans")?;
    let text = |value: &'_ Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let mut spans = BTreeMap::new();
    for span in list {
        let id = span["spanID"].as_str().context("it has no id")?;
        let references = span["references"].as_array();
        let parent = references
            .and_then(|references| references.first())
            .filter(|reference| reference["refType"] == "CHILD_OF")
            .and_then(|reference| reference["spanID"].as_str());
        let process = span["processID"].as_str().context("it has no process")?;
        let tags = span["tags"].as_array().into_iter().flatten();
        let span = Span {
            service: trace["processes"][process]["serviceName"]
                .as_str()
                .context("its process has no name")?,
            name: span["operationName"].as_str().context("it has no name")?,
            parent,
            tags: tags
                .filter_map(|tag| Some((tag["key"].as_str()?, text(&tag["value"]))))
                .collect(),
        };
        ensure!(
            spans.insert(id, span).is_none(),
            "two spans are called {id}"
        );
    }
    Ok(spans)
}

#[test]
#[ignore = "needs Jaeger; `make test-trace` runs it"]
fn jaeger_shows_a_file_by_its_id_as_one_trace_of_all_services() {
    run(async {
        let folder = tempfile::tempdir()?;
        let jaeger = Jaeger::start(folder.path()).await?;
        let builder = Installation::builder().set("tracing.endpoint", jaeger.endpoint());
        let landfall = builder.start().await?;
        let key = "incoming/pump 7ü%.csv";
        let upload = landfall.put(key, sample::csv("pump", 20, 1.0)).await?;
        let file = landfall.ended(&upload).await?.file().id.to_string();
        landfall.finish().await?;

        let trace = tests::until(tests::PATIENCE, || async {
            let trace = jaeger.trace(&file).await.ok()??;
            let told = trace.to_string().contains("notified");
            told.then_some(trace)
        });
        let trace = trace.await.context("Jaeger does not have it all")?;
        ensure!(trace["traceID"] == file.as_str(), "{}", trace["traceID"]);
        ensure!(trace["warnings"].is_null(), "{}", trace["warnings"]);
        let spans = spans(&trace)?;
        let roots = spans.values().filter(|span| span.parent.is_none());
        let roots: Vec<&str> = roots.map(|span| span.name).collect();
        ensure!(
            roots == ["publish files.{partition}.arrived.{profile}"],
            "{roots:?}"
        );
        for span in spans.values() {
            let there = span.parent.is_none_or(|parent| spans.contains_key(parent));
            ensure!(there, "the parent of {} is missing", span.name);
        }
        let services: BTreeSet<&str> = spans.values().map(|span| span.service).collect();
        let all = ["ingest", "mover", "notifier", "watcher"].map(|name| format!("landfall-{name}"));
        ensure!(services.iter().copied().eq(all.iter()), "{services:?}");
        let entries = spans
            .values()
            .filter(|span| span.name.starts_with("process"));
        for entry in entries {
            ensure!(
                entry
                    .tags
                    .get("landfall.file.key")
                    .is_some_and(|tag| tag == key)
            );
            ensure!(entry.tags.get("landfall.file.id") == Some(&file));
        }
        Ok(())
    });
}
