//! The collector, over HTTP.

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SpanExporter as _;

use crate::config::tracing::Config;
use crate::tls;

/// Bytes of an answer: it says what was refused.
const LARGEST: usize = 64 * 1024;
/// How long one request may take.
const PATIENCE: Duration = Duration::from_secs(4);

/// What takes spans to the collector at `endpoint`.
pub(super) fn exporter(
    endpoint: &str,
    config: &Config,
    resource: &Resource,
) -> Result<SpanExporter, String> {
    let headers = config.headers.iter();
    let headers: HashMap<String, String> = headers
        .map(|(name, value)| (name.clone(), value.expose().to_owned()))
        .collect();
    let mut exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(Http::new(config)?)
        .with_endpoint(format!("{}/v1/traces", endpoint.trim_end_matches('/')))
        .with_headers(headers)
        .with_timeout(PATIENCE)
        .build()
        .map_err(|error| format!("`tracing.endpoint`: {error}"))?;
    exporter.set_resource(resource);
    Ok(exporter)
}

/// The client that Landfall has anyway; the exporter's own ones are whole other stacks.
#[derive(Debug)]
struct Http(Client<HttpsConnector<HttpConnector>, Full<Bytes>>);

impl Http {
    fn new(config: &Config) -> Result<Self, String> {
        let ca_file = config.ca_file.as_deref();
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls::client("tracing.ca_file", ca_file)?)
            .https_or_http()
            .enable_http1()
            .build();
        Ok(Self(Client::builder(TokioExecutor::new()).build(connector)))
    }
}

#[async_trait]
impl HttpClient for Http {
    #[expect(
        clippy::disallowed_methods,
        reason = "spans are not what a kill may lose"
    )]
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let answer = self.0.request(request.map(Full::new)).await?;
        let (head, body) = answer.into_parts();
        let body = Limited::new(body, LARGEST).collect().await?;
        Ok(Response::from_parts(head, body.to_bytes()))
    }
}
