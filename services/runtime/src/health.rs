//! Whether the service is alive and ready, and why not.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use async_nats::Client;
use async_nats::connection::State;
use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::outage::Outages;
use crate::{Trouble, metering};

/// What the service still waits for before it is ready.
#[derive(Debug)]
pub(crate) struct Health {
    unmet: Mutex<BTreeMap<String, String>>,
    client: OnceLock<Client>,
    outages: Arc<Outages>,
}

impl Health {
    pub(crate) fn new(outages: Arc<Outages>) -> Self {
        let unmet = [("start", "connecting")]
            .map(|(what, why)| (what.to_owned(), why.to_owned()))
            .into();
        Self {
            unmet: Mutex::new(unmet),
            client: OnceLock::new(),
            outages,
        }
    }

    /// Watches the state of this connection from now on.
    pub(crate) fn watch(&self, client: Client) {
        // A second client would be a second service.
        let _ = self.client.set(client);
    }

    /// Notes why `what` is not ready. Answers whether that is news.
    pub(crate) fn unmet(&self, what: &str, why: &str) -> bool {
        let mut unmet = self.unmet.lock().unwrap_or_else(PoisonError::into_inner);
        unmet
            .insert(what.to_owned(), why.to_owned())
            .is_none_or(|before| before != why)
    }

    /// Notes that `what` is ready.
    pub(crate) fn met(&self, what: &str) {
        let mut unmet = self.unmet.lock().unwrap_or_else(PoisonError::into_inner);
        unmet.remove(what);
    }

    /// Why the service is not ready; nothing if it is.
    fn reasons(&self) -> Vec<String> {
        let unmet = self.unmet.lock().unwrap_or_else(PoisonError::into_inner);
        let mut reasons: Vec<String> = unmet
            .iter()
            .map(|(what, why)| format!("{what}: {why}"))
            .collect();
        if self
            .client
            .get()
            .is_some_and(|client| client.connection_state() != State::Connected)
        {
            reasons.push("nats: not connected".to_owned());
        }
        reasons
    }

    /// An outage of another dependency is told, and makes nothing unready: what the service
    /// answers for (taking notifications, probes) it still does.
    fn readyz(&self) -> (StatusCode, String) {
        let reasons = self.reasons();
        let (status, first) = if reasons.is_empty() {
            (StatusCode::OK, "ready")
        } else {
            (StatusCode::SERVICE_UNAVAILABLE, "not ready")
        };
        let mut body = format!("{first}\n");
        for line in reasons.iter().chain(&self.outages.lines()) {
            body.push_str(line);
            body.push('\n');
        }
        (status, body)
    }
}

/// Serves `/livez`, `/readyz` and `/metrics` until `until` is cancelled.
pub(crate) async fn serve(
    listener: TcpListener,
    health: Arc<Health>,
    until: CancellationToken,
) -> Result<(), Trouble> {
    let router = Router::new()
        .route("/livez", get(async || "alive\n"))
        .route(
            "/readyz",
            get(move || {
                let answer = health.readyz();
                async move { answer }
            }),
        )
        .route("/metrics", get(async || metering::render()));
    axum::serve(listener, router)
        .with_graceful_shutdown(async move { until.cancelled().await })
        .await
        .map_err(|error| Trouble::Retry {
            reason: format!("the probes' listener failed: {error}"),
        })
}
