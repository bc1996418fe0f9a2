//! The spans that messages are processed in.

use std::borrow::Cow;

use async_nats::HeaderMap;
use opentelemetry::Context;
use opentelemetry::propagation::{Extractor, TextMapPropagator};
use opentelemetry::trace::TraceContextExt;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use proto::consumer::Consumer;
use proto::{Event, stream};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

use super::{TARGET, TRACER, file, id};
use crate::Message;

/// A message is processed: child of the span that published it. The log's span, which is open, is
/// told of it.
pub(crate) fn process(consumer: &Consumer, message: &Message, event: Option<&Event>) -> Span {
    if TRACER.get().is_none() {
        return Span::none();
    }
    let template = match event {
        Some(event) if consumer.stream == stream::FILES => file::template(event.data.what()).into(),
        _ => Cow::Borrowed(match consumer.filters.as_slice() {
            [one] => one.as_str(),
            _ => consumer.stream.name,
        }),
    };
    let span = tracing::info_span!(
        target: TARGET,
        "process",
        otel.name = format_args!("process {template}"),
        otel.kind = "consumer",
        messaging.system = "nats",
        messaging.operation.name = "process",
        messaging.operation.r#type = "process",
        messaging.destination.name = message.subject,
        messaging.destination.template = %template,
        messaging.consumer.group.name = consumer.name(),
        messaging.nats.stream = consumer.stream.name,
        messaging.nats.sequence = message.sequence,
        messaging.nats.delivered = message.delivered,
    );
    if let Some(parent) = parent(message, event) {
        // It has not begun yet.
        let _ = span.set_parent(parent);
    }
    for attribute in event.into_iter().flat_map(file::about) {
        span.set_attribute(attribute.key, attribute.value);
    }
    if let Some(name) = message.headers.get(async_nats::header::NATS_MESSAGE_ID) {
        span.set_attribute("messaging.message.id", name.as_str().to_owned());
    }
    if let Some(own) = id::span_in(&span.context()) {
        let log = Span::current();
        log.record("trace_id", tracing::field::display(own.trace_id()));
        log.record("span_id", tracing::field::display(own.span_id()));
    }
    span
}

/// The span that a message came from. An event's is in the trace of its file, whatever the message
/// says; what came without one belongs under its root.
fn parent(message: &Message, event: Option<&Event>) -> Option<Context> {
    let said = TraceContextPropagator::new()
        .extract_with_context(&Context::new(), &Headers(&message.headers));
    let span = id::span_in(&said);
    let Some(event) = event else {
        return span.map(|_| said);
    };
    let (file, _) = event.about();
    if span.is_some_and(|span| span.trace_id() == id::trace_of(file.id)) {
        return Some(said);
    }
    Some(Context::new().with_remote_span_context(file::root(file.id)))
}

struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(|value| value.as_str())
    }

    fn keys(&self) -> Vec<&str> {
        self.0.iter().map(|(name, _)| name.as_ref()).collect()
    }
}
