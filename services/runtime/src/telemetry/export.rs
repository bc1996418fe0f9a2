//! Finished spans, on their way to the collector.
//!
//! They wait in a queue that is bounded, and nothing ever waits for it: what finds it full, or what
//! the collector does not take, is dropped and counted.

use std::time::Duration;

use opentelemetry::Context;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Span, SpanData, SpanExporter, SpanProcessor};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Spans that may wait; one has a kilobyte or two.
const QUEUE: usize = 4096;
/// Spans of one request.
const BATCH: usize = 512;
/// How long a span waits for others to go with.
const LINGER: Duration = Duration::from_millis(500);
/// How long the collector may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where finished spans wait.
#[derive(Debug)]
pub(super) struct Queue(mpsc::Sender<SpanData>);

impl SpanProcessor for Queue {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        if span.span_context.is_sampled() && self.0.try_send(span).is_err() {
            dropped("queue", 1);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

/// Spans are being exported.
#[derive(Debug)]
pub(crate) struct Exporting {
    task: JoinHandle<()>,
    end: CancellationToken,
}

impl Exporting {
    /// Exports what has ended by now, if that takes no longer than `most`.
    pub(crate) async fn end(self, most: Duration) {
        self.end.cancel();
        if tokio::time::timeout(most, self.task).await.is_err() {
            tracing::warn!("the collector took the last spans too slowly: they are dropped");
        }
    }
}

/// Begins to export, within tokio.
pub(super) fn start<E: SpanExporter + 'static>(exporter: E) -> (Queue, Exporting) {
    let (sender, receiver) = mpsc::channel(QUEUE);
    let end = CancellationToken::new();
    let task = tokio::spawn(run(receiver, exporter, end.clone()));
    (Queue(sender), Exporting { task, end })
}

async fn run<E: SpanExporter>(
    mut queue: mpsc::Receiver<SpanData>,
    exporter: E,
    end: CancellationToken,
) {
    let mut away = false;
    loop {
        let mut batch = Vec::with_capacity(BATCH);
        tokio::select! {
            more = queue.recv_many(&mut batch, BATCH) => if more == 0 { return },
            () = end.cancelled(), if !queue.is_closed() => {
                queue.close();
                continue;
            }
        }
        if batch.len() < BATCH {
            end.run_until_cancelled(tokio::time::sleep(LINGER)).await;
            while batch.len() < BATCH
                && let Ok(span) = queue.try_recv()
            {
                batch.push(span);
            }
        }
        let count = batch.len();
        let exported = tokio::time::timeout(PATIENCE, exporter.export(batch)).await;
        let failure = match exported {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(_) => Some("no answer in time".to_owned()),
        };
        match &failure {
            Some(reason) => {
                dropped("collector", count);
                if !away {
                    tracing::warn!(
                        reason,
                        "spans are dropped: the collector does not take them"
                    );
                }
            }
            None => {
                metrics::counter!("landfall_spans_exported_total").increment(as_u64(count));
                if away {
                    tracing::info!("spans are exported again");
                }
            }
        }
        away = failure.is_some();
    }
}

fn dropped(reason: &'static str, spans: usize) {
    metrics::counter!("landfall_spans_dropped_total", "reason" => reason).increment(as_u64(spans));
}

fn as_u64(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use opentelemetry::trace::{SpanBuilder, SpanKind, TracerProvider};
    use opentelemetry_sdk::error::OTelSdkError;
    use opentelemetry_sdk::trace::SdkTracerProvider;
    use tokio::time::Instant;

    use super::*;

    /// A collector that takes so long, and then takes the spans or does not.
    #[derive(Clone, Debug)]
    struct Collector {
        takes: Duration,
        willing: bool,
        requests: Arc<Mutex<Vec<usize>>>,
    }

    impl Collector {
        fn new(takes: Duration, willing: bool) -> Self {
            Self {
                takes,
                willing,
                requests: Arc::default(),
            }
        }

        fn spans(&self) -> usize {
            self.requests.lock().unwrap().iter().sum()
        }
    }

    impl SpanExporter for Collector {
        async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
            tokio::time::sleep(self.takes).await;
            if !self.willing {
                return Err(OTelSdkError::InternalFailure("no".to_owned()));
            }
            self.requests.lock().unwrap().push(batch.len());
            Ok(())
        }
    }

    fn provider(queue: Queue) -> SdkTracerProvider {
        SdkTracerProvider::builder()
            .with_span_processor(queue)
            .build()
    }

    fn spans(provider: &SdkTracerProvider, count: usize) {
        let tracer = provider.tracer("test");
        for _ in 0..count {
            let span = SpanBuilder::from_name("a span").with_kind(SpanKind::Consumer);
            drop(span.start(&tracer));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn spans_go_together_and_soon_and_the_last_ones_at_once() {
        let collector = Collector::new(Duration::ZERO, true);
        let (queue, exporting) = start(collector.clone());
        let provider = provider(queue);
        spans(&provider, 3);
        tokio::time::sleep(2 * LINGER).await;
        assert_eq!(*collector.requests.lock().unwrap(), [3]);
        spans(&provider, BATCH + 5);
        let began = Instant::now();
        exporting.end(Duration::from_secs(3)).await;
        assert!(began.elapsed() < LINGER);
        assert_eq!(*collector.requests.lock().unwrap(), [3, BATCH, 5]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_collector_that_says_nothing_holds_nobody_up_and_no_more_than_the_queue() {
        let collector = Collector::new(Duration::from_secs(3600), true);
        let (queue, exporting) = start(collector.clone());
        let provider = provider(queue);
        for _ in 0..4 {
            spans(&provider, QUEUE);
            tokio::task::yield_now().await;
        }
        let began = Instant::now();
        exporting.end(Duration::from_secs(3)).await;
        assert_eq!(began.elapsed(), Duration::from_secs(3));
        assert_eq!(collector.spans(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_collector_refuses_is_not_kept_for_it() {
        let mut collector = Collector::new(Duration::ZERO, false);
        let (queue, exporting) = start(collector.clone());
        let provider = provider(queue);
        spans(&provider, 10);
        tokio::time::sleep(2 * LINGER).await;
        exporting.end(Duration::from_secs(3)).await;
        assert_eq!(collector.spans(), 0);

        collector.willing = true;
        let (queue, exporting) = start(collector.clone());
        let provider = self::provider(queue);
        spans(&provider, 1);
        exporting.end(Duration::from_secs(3)).await;
        assert_eq!(collector.spans(), 1);
    }
}
