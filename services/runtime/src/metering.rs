//! What is counted and measured, by Prometheus' conventions.

use std::sync::OnceLock;
use std::time::Duration;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use proto::User;

static HANDLE: OnceLock<Option<PrometheusHandle>> = OnceLock::new();

/// From what a step takes in memory to a large file's whole way.
const SECONDS: [f64; 14] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0, 120.0, 600.0,
];

/// Measurements wait in a list without a bound until they are counted into their buckets, and
/// nobody may ever ask for them.
const UPKEEP: Duration = Duration::from_secs(5);

/// Starts collecting, within tokio; the second call of a process changes nothing.
pub(crate) fn start(user: User) {
    HANDLE.get_or_init(|| {
        let handle = PrometheusBuilder::new()
            .add_global_label("service", user.name())
            .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)
            .and_then(PrometheusBuilder::install_recorder);
        match handle {
            Ok(handle) => {
                describe();
                tokio::spawn(keep_up(handle.clone()));
                Some(handle)
            }
            Err(error) => {
                tracing::warn!(%error, "metrics cannot be collected");
                None
            }
        }
    });
}

async fn keep_up(handle: PrometheusHandle) {
    let mut clock = tokio::time::interval(UPKEEP);
    loop {
        clock.tick().await;
        handle.run_upkeep();
    }
}

/// Everything, in Prometheus' text format.
pub(crate) fn render() -> String {
    match HANDLE.get() {
        Some(Some(handle)) => {
            handle.run_upkeep();
            handle.render()
        }
        _ => String::new(),
    }
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Handled and acknowledged.
    Done,
    /// Failed, and will be tried again.
    Retried,
    /// Given up on: a dead letter.
    Rejected,
    /// Handed back when the service stopped.
    Returned,
}

impl Outcome {
    fn label(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Retried => "retried",
            Self::Rejected => "rejected",
            Self::Returned => "returned",
        }
    }
}

pub(crate) fn message(stream: &'static str, outcome: Outcome, took: Duration) {
    let outcome = outcome.label();
    metrics::counter!("landfall_messages_total", "stream" => stream, "outcome" => outcome)
        .increment(1);
    metrics::histogram!("landfall_message_duration_seconds", "stream" => stream)
        .record(took.as_secs_f64());
}

pub(crate) fn in_progress(stream: &'static str) -> metrics::Gauge {
    metrics::gauge!("landfall_messages_in_progress", "stream" => stream)
}

pub(crate) fn dead_letter(stream: &'static str) {
    metrics::counter!("landfall_dead_letters_total", "stream" => stream).increment(1);
}

pub(crate) fn published(what: &'static str) {
    metrics::counter!("landfall_events_published_total", "what" => what).increment(1);
}

fn describe() {
    use metrics::Unit::{Count, Seconds};
    metrics::describe_counter!(
        "landfall_messages_total",
        Count,
        "Messages by what became of them: done, retried, rejected, returned"
    );
    metrics::describe_histogram!(
        "landfall_message_duration_seconds",
        Seconds,
        "From a message's delivery to its answer, outages included"
    );
    metrics::describe_gauge!(
        "landfall_messages_in_progress",
        Count,
        "Messages that are held now"
    );
    metrics::describe_counter!(
        "landfall_dead_letters_total",
        Count,
        "Messages that were given up on, by the stream they came from"
    );
    metrics::describe_counter!(
        "landfall_events_published_total",
        Count,
        "Events that JetStream acknowledged, repetitions included"
    );
    metrics::describe_counter!(
        "landfall_outages_total",
        Count,
        "Outages of dependencies that have begun"
    );
    metrics::describe_gauge!(
        "landfall_outage",
        Count,
        "1 while somebody waits for this dependency"
    );
    metrics::describe_counter!(
        "landfall_spans_exported_total",
        Count,
        "Spans that the collector took"
    );
    metrics::describe_counter!(
        "landfall_spans_dropped_total",
        Count,
        "Spans that were dropped: the `queue` was full, or the `collector` did not take them"
    );
}
