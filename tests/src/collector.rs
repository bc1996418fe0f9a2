//! A collector of spans, as `[tracing] endpoint` names one.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Result, anyhow};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::trace::v1::{self, span::SpanKind, status::StatusCode as Code};
use prost::Message;
use tokio::net::TcpListener;

use crate::wait::{PATIENCE, until};

/// A collector that keeps what it is sent.
#[derive(Debug)]
pub struct Collector {
    /// Its endpoint.
    pub endpoint: String,
    got: Arc<Got>,
}

#[derive(Debug)]
struct Got {
    mood: Mood,
    spans: Mutex<Vec<Span>>,
    requests: Mutex<Vec<HeaderMap>>,
}

/// What a collector does with what it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    /// It takes it.
    Willing,
    /// It says 500.
    Failing,
    /// It says nothing at all.
    Silent,
}

/// A finished span.
#[derive(Clone, Debug)]
pub struct Span {
    /// `service.name`.
    pub service: String,
    /// Its trace, as hex digits.
    pub trace: String,
    /// Its id, as hex digits.
    pub id: String,
    /// The id of its parent; empty for a root.
    pub parent: String,
    /// Name.
    pub name: String,
    /// Kind.
    pub kind: SpanKind,
    /// Attributes, as text.
    pub attributes: BTreeMap<String, String>,
    /// Events: name and attributes.
    pub events: Vec<(String, BTreeMap<String, String>)>,
    /// The traces and spans that it is linked with.
    pub links: Vec<(String, String)>,
    /// Why it failed, if it did.
    pub error: Option<String>,
    /// Begin and end, in nanoseconds since 1970.
    pub time: (u64, u64),
}

impl Collector {
    /// Starts one in this process.
    pub async fn start(mood: Mood) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let endpoint = format!("http://{}", listener.local_addr()?);
        let got = Arc::new(Got {
            mood,
            spans: Mutex::default(),
            requests: Mutex::default(),
        });
        let router = Router::new()
            .route("/v1/traces", post(take))
            .with_state(Arc::clone(&got));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(Self { endpoint, got })
    }

    /// The spans of a trace, once `fits` is content with them.
    pub async fn trace(&self, trace: &str, fits: impl Fn(&[Span]) -> bool) -> Result<Vec<Span>> {
        let found = until(PATIENCE, || async {
            let spans = self.spans(trace);
            fits(&spans).then_some(spans)
        });
        found.await.ok_or_else(|| {
            let names: Vec<String> = self
                .spans(trace)
                .into_iter()
                .map(|span| span.name)
                .collect();
            anyhow!("trace {trace} has only {names:?}")
        })
    }

    /// What there is of a trace by now.
    pub fn spans(&self, trace: &str) -> Vec<Span> {
        let mut spans = self.all();
        spans.retain(|span| span.trace == trace);
        spans
    }

    /// Everything that it was sent.
    pub fn all(&self) -> Vec<Span> {
        lock(&self.got.spans).clone()
    }

    /// The headers of what it was sent.
    pub fn requests(&self) -> Vec<HeaderMap> {
        lock(&self.got.requests).clone()
    }
}

async fn take(State(got): State<Arc<Got>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    lock(&got.requests).push(headers);
    match got.mood {
        Mood::Willing => got.keep(body),
        Mood::Failing => StatusCode::INTERNAL_SERVER_ERROR,
        Mood::Silent => std::future::pending().await,
    }
}

impl Got {
    fn keep(&self, body: Bytes) -> StatusCode {
        let Ok(request) = ExportTraceServiceRequest::decode(body) else {
            return StatusCode::BAD_REQUEST;
        };
        let mut spans = lock(&self.spans);
        for resource in request.resource_spans {
            let about = resource.resource.unwrap_or_default();
            let service = attributes(&about.attributes).remove("service.name");
            let service = service.unwrap_or_default();
            let scopes = resource.scope_spans.into_iter();
            let exported = scopes.flat_map(|scope| scope.spans);
            spans.extend(exported.map(|span| Span::new(&service, span)));
        }
        StatusCode::OK
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Span {
    fn new(service: &str, span: v1::Span) -> Self {
        let failed = span.status.clone().unwrap_or_default();
        Self {
            service: service.to_owned(),
            trace: hex(&span.trace_id),
            id: hex(&span.span_id),
            parent: hex(&span.parent_span_id),
            kind: span.kind(),
            attributes: attributes(&span.attributes),
            events: span
                .events
                .iter()
                .map(|event| (event.name.clone(), attributes(&event.attributes)))
                .collect(),
            links: span
                .links
                .iter()
                .map(|link| (hex(&link.trace_id), hex(&link.span_id)))
                .collect(),
            error: (failed.code() == Code::Error).then_some(failed.message),
            time: (span.start_time_unix_nano, span.end_time_unix_nano),
            name: span.name,
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn attributes(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |value: &Option<AnyValue>| match value.as_ref().and_then(|any| any.value.clone()) {
        Some(any_value::Value::StringValue(text)) => text,
        Some(any_value::Value::IntValue(number)) => number.to_string(),
        Some(any_value::Value::DoubleValue(number)) => number.to_string(),
        Some(any_value::Value::BoolValue(yes)) => yes.to_string(),
        other => format!("{other:?}"),
    };
    let pairs = attributes.iter();
    pairs
        .map(|pair| (pair.key.clone(), text(&pair.value)))
        .collect()
}
