//! The spans that events are published in.

use std::time::SystemTime;

use opentelemetry::trace::{Link, Span as _, SpanKind, TraceContextExt};
use opentelemetry::{Context, KeyValue};
use proto::{Event, FileId, User, What, stream};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

use super::{TRACER, id};

/// W3C Trace Context of an event: the trace is the file's, the span that of its publication.
pub(crate) fn traceparent(file: FileId, event: &str) -> String {
    let sampled = TRACER
        .get()
        .is_some_and(|tracing| id::is_sampled(tracing.ratio, file));
    let (trace, span) = (id::trace_of(file), id::span_of(event));
    format!("00-{trace}-{span}-{:02x}", u8::from(sampled))
}

/// The event that a file's trace begins with.
pub(super) fn root(file: FileId) -> opentelemetry::trace::SpanContext {
    id::elsewhere(id::trace_of(file), id::span_of(&arrived(file)))
}

/// The id of the first event about a file.
fn arrived(file: FileId) -> String {
    format!("{file}/0/{}", User::Watcher)
}

/// An event was published for the first time; that began at `began`.
///
/// Exported afterwards, so that of two who publish it only the first has the span.
pub(crate) fn published(event: &Event, subject: &str, began: SystemTime) {
    let Some(tracing) = TRACER.get() else {
        return;
    };
    let (file, _) = event.about();
    let here = Span::current().context();
    let trace = id::trace_of(file.id);
    let around = id::span_in(&here).filter(|span| span.trace_id() == trace);
    let root = root(file.id);
    let begins = event.id == arrived(file.id);
    let (parent, links) = match around {
        Some(_) => (here.clone(), vec![]),
        None if begins => {
            Span::current().add_link(root.clone());
            let notification = id::span_in(&here);
            let links = notification.map(|span| Link::new(span, vec![], 0));
            (Context::new(), links.into_iter().collect())
        }
        None => (Context::new().with_remote_span_context(root), vec![]),
    };
    let template = template(event.data.what());
    let builder = opentelemetry::trace::SpanBuilder::from_name(format!("publish {template}"))
        .with_kind(SpanKind::Producer)
        .with_start_time(began)
        .with_links(links)
        .with_attributes(
            [
                KeyValue::new("messaging.system", "nats"),
                KeyValue::new("messaging.operation.name", "publish"),
                KeyValue::new("messaging.operation.type", "send"),
                KeyValue::new("messaging.destination.name", subject.to_owned()),
                KeyValue::new("messaging.destination.template", template),
                KeyValue::new("messaging.message.id", event.id.clone()),
                KeyValue::new("messaging.nats.stream", stream::FILES.name),
            ]
            .into_iter()
            .chain(about(event)),
        );
    let mut span = id::Ids::choosing(trace, id::span_of(&event.id), || {
        builder.start_with_context(&tracing.tracer, &parent)
    });
    span.end();
}

/// Where events of a kind are published.
pub(super) fn template(what: What) -> String {
    format!("files.{{partition}}.{}.{{profile}}", what.token())
}

/// What a span says of the file.
pub(super) fn about(event: &Event) -> [KeyValue; 5] {
    let (file, replay) = event.about();
    [
        KeyValue::new("landfall.file.id", file.id.to_string()),
        KeyValue::new("landfall.file.bucket", file.bucket.clone()),
        KeyValue::new("landfall.file.key", file.key.clone()),
        KeyValue::new("landfall.file.profile", file.profile.clone()),
        KeyValue::new("landfall.file.replay", i64::from(replay)),
    ]
}
