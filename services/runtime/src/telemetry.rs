//! Traces, by OpenTelemetry: what is done for a file, as spans of a trace whose id is the file's.
//!
//! - An event's *publish* span has an id that follows from the event's. Whoever publishes the event
//!   first exports it; the one of `arrived` is the trace's root. So its children know their parent
//!   before it is there, also where another process, or a later one, publishes what is stored.
//! - A *process* span is the child of the publish span it came from. None is held open while a mail
//!   waits: a schedule has a span, and its delivery another.
//! - A notification belongs to no file yet when it is taken. It has a trace of its own, linked with
//!   that of its file.
//! - Calls to other servers are children of the process span they are made for, and nothing where
//!   they are made for none.
//!
//! Those spans are `tracing`'s, with the target [`TARGET`], which the log leaves out; what is logged
//! while one is open is an event of it. Names and attributes are those of the semantic conventions
//! (messaging, RPC, database); Landfall's own begin with `landfall.`.
//!
//! A collector that is slow, wrong or absent costs nothing but the spans ([`export`]).

mod collector;
mod export;
mod file;
mod id;
mod message;

use std::sync::OnceLock;
use std::time::Duration;

use opentelemetry::trace::{Status, TracerProvider};
use opentelemetry::{KeyValue, Value};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use proto::User;
use tracing::{Level, Metadata, Span, Subscriber};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::Layer;
use tracing_subscriber::registry::LookupSpan;

use crate::config::tracing::Config;

pub(crate) use export::Exporting;
pub(crate) use file::{published, traceparent};
pub(crate) use message::process;

/// The target of the spans that are exported.
pub const TARGET: &str = "landfall::span";

/// Whose log lines become events of the span they are written in.
const OWN: [&str; 7] = [
    "runtime", "objects", "store", "watcher", "ingest", "mover", "notifier",
];

/// How long the last spans may take, of a service's drain.
pub(crate) const LAST_SPANS: Duration = Duration::from_secs(3);

static TRACER: OnceLock<Tracing> = OnceLock::new();

/// What a process traces with.
struct Tracing {
    tracer: SdkTracer,
    ratio: f64,
    /// Ends with the process.
    _provider: SdkTracerProvider,
}

/// Starts tracing, within tokio, where a collector is configured: what the subscriber needs, and
/// what has to be ended. An error is one line that names the setting.
pub(crate) fn start<S>(
    user: User,
    config: &Config,
) -> Result<Option<(impl Layer<S> + use<S>, Exporting)>, String>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let Some(endpoint) = &config.endpoint else {
        return Ok(None);
    };
    let resource = Resource::builder_empty()
        .with_attributes([
            KeyValue::new("service.namespace", "landfall"),
            KeyValue::new("service.name", format!("landfall-{user}")),
            KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
            KeyValue::new("service.instance.id", instance()),
        ])
        .build();
    let exporter = collector::exporter(endpoint, config, &resource)?;
    let (queue, exporting) = export::start(exporter);
    let provider = SdkTracerProvider::builder()
        .with_resource(resource)
        .with_id_generator(id::Ids)
        .with_sampler(id::sampler(config.ratio))
        .with_span_processor(queue)
        .build();
    let tracer = provider.tracer("landfall");
    let layer = tracing_opentelemetry::layer()
        .with_tracer(tracer.clone())
        .with_location(false)
        .with_threads(false)
        .with_target(false)
        .with_tracked_inactivity(false)
        .with_error_events_to_status(false)
        .with_filter(tracing_subscriber::filter::filter_fn(is_exported));
    let _ = TRACER.set(Tracing {
        tracer,
        ratio: config.ratio,
        _provider: provider,
    });
    Ok(Some((layer, exporting)))
}

/// Tells the replicas of a service apart: a pod's name, or the machine's, and the process.
fn instance() -> String {
    let name = std::env::var("HOSTNAME").unwrap_or_default();
    format!("{name}-{}", std::process::id())
}

fn is_exported(metadata: &Metadata<'_>) -> bool {
    if metadata.is_span() {
        return metadata.target() == TARGET;
    }
    let own = metadata.target().split("::").next().unwrap_or_default();
    // The log tells of an outage once, whoever waits; each span is told of its own wait.
    let is_said_apart = metadata.target() == "runtime::outage";
    *metadata.level() <= Level::INFO && OWN.contains(&own) && !is_said_apart
}

/// Marks a span as failed, where it happened. `kind` is one of a few words.
pub fn failed(span: &Span, kind: &'static str, reason: &str) {
    span.set_attribute("error.type", kind);
    span.set_status(Status::error(reason.to_owned()));
}

/// Says something of the span that is open.
pub fn note(attribute: &'static str, value: impl Into<Value>) {
    Span::current().set_attribute(attribute, value);
}

/// Something happens in the span that is open, beside what is logged.
pub(crate) fn event<const N: usize>(name: &'static str, attributes: [(&'static str, &str); N]) {
    let attributes = attributes.map(|(key, value)| KeyValue::new(key, value.to_owned()));
    Span::current().add_event(name, attributes.into());
}

/// What a message says of the span that publishes it; none where that is not exported.
pub fn carried(span: &Span) -> Option<String> {
    let span = id::span_in(&span.context())?;
    let flags = span.trace_flags().to_u8();
    Some(format!(
        "00-{}-{}-{flags:02x}",
        span.trace_id(),
        span.span_id()
    ))
}
