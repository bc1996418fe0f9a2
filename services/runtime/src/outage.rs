//! Dependencies that are away: who waits for which, since when, and when it is over.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::backoff::Backoff;
use crate::{Trouble, telemetry};

/// How often the log says that an outage is still on, and why by now.
const REMINDER: Duration = Duration::from_secs(60);

/// The outages that are on, of one service. An outage begins with the first who meets it and ends
/// with the last who gets through: one log line each, and one a minute in between.
#[derive(Debug, Default)]
pub(crate) struct Outages {
    open: Mutex<BTreeMap<&'static str, Open>>,
    /// Somebody got through: whoever waits may try at once.
    over: Notify,
}

#[derive(Debug)]
struct Open {
    waiting: usize,
    since: Instant,
    said: Instant,
    reason: String,
}

/// What an attempt came to that is no outage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Counts as a try.
    Retry(String),
    /// Will never work.
    Reject(String),
}

impl From<Fault> for Trouble {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Retry(reason) => Self::Retry { reason },
            Fault::Reject(reason) => Self::Reject { reason },
        }
    }
}

impl Outages {
    /// Notes that somebody waits for `dependency` from now on, until the answer is dropped.
    pub(crate) fn begin(self: &Arc<Self>, dependency: &'static str, reason: &str) -> Waiting {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let outage = open.entry(dependency).or_insert_with(|| {
            tracing::warn!(dependency, reason, "outage: waiting for it to end");
            metrics::counter!("landfall_outages_total", "dependency" => dependency).increment(1);
            metrics::gauge!("landfall_outage", "dependency" => dependency).set(1.0);
            Open {
                waiting: 0,
                since: Instant::now(),
                said: Instant::now(),
                reason: reason.to_owned(),
            }
        });
        outage.waiting += 1;
        Waiting {
            outages: Arc::clone(self),
            dependency,
            over: false,
        }
    }

    /// One line for each outage that is on.
    pub(crate) fn lines(&self) -> Vec<String> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.iter()
            .map(|(dependency, outage)| {
                let seconds = outage.since.elapsed().as_secs();
                format!("{dependency} is away for {seconds} s: {}", outage.reason)
            })
            .collect()
    }

    fn end(&self, dependency: &'static str, over: bool) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(outage) = open.get_mut(dependency) {
            outage.waiting -= 1;
            if outage.waiting == 0 {
                let seconds = outage.since.elapsed().as_secs_f64();
                if over {
                    tracing::info!(dependency, seconds, "outage over");
                }
                metrics::gauge!("landfall_outage", "dependency" => dependency).set(0.0);
                open.remove(dependency);
            }
        }
        drop(open);
        if over {
            self.over.notify_waiters();
        }
    }

    /// Runs `attempt` until it meets no outage, however long that takes. None: `stop` came first,
    /// in the middle of an outage.
    ///
    /// `gate` counts those who wait, for whoever must not take on more work meanwhile.
    pub(crate) async fn outlast<T, F>(
        self: &Arc<Self>,
        stop: &CancellationToken,
        gate: &Gate,
        mut attempt: impl FnMut() -> F,
    ) -> Option<Result<T, Fault>>
    where
        F: Future<Output = Result<T, Trouble>>,
    {
        let mut waiting: Option<(Waiting, Closed)> = None;
        let mut failures = 0;
        loop {
            let (dependency, reason) = match attempt().await {
                Ok(done) => return Some(through(waiting, Ok(done))),
                Err(Trouble::Retry { reason }) => {
                    return Some(through(waiting, Err(Fault::Retry(reason))));
                }
                Err(Trouble::Reject { reason }) => {
                    return Some(through(waiting, Err(Fault::Reject(reason))));
                }
                Err(Trouble::Outage { .. }) if stop.is_cancelled() => return None,
                Err(Trouble::Outage { dependency, reason }) => (dependency, reason),
            };
            match &waiting {
                Some((waiting, _)) if waiting.dependency == dependency => {
                    waiting.still(&reason);
                }
                // Whether the other one is back is not known: it may not have been asked.
                _ => {
                    telemetry::event("outage", [("dependency", dependency), ("reason", &reason)]);
                    waiting = Some((self.begin(dependency, &reason), gate.close()));
                }
            }
            failures += 1;
            tokio::select! {
                () = stop.cancelled() => return None,
                () = tokio::time::sleep(Backoff::OUTAGE.jittered(failures)) => {}
                () = self.over.notified() => {}
            }
        }
    }
}

/// Somebody got through, and what was waited for is back.
fn through<T>(waiting: Option<(Waiting, Closed)>, answer: T) -> T {
    if let Some((waiting, _)) = waiting {
        telemetry::event("outage over", [("dependency", waiting.dependency)]);
        waiting.over();
    }
    answer
}

/// Somebody waits for a dependency; dropped, nobody waits any more, and whether it is back is not
/// known.
#[derive(Debug)]
pub(crate) struct Waiting {
    outages: Arc<Outages>,
    dependency: &'static str,
    over: bool,
}

impl Waiting {
    /// It is back.
    pub(crate) fn over(mut self) {
        self.over = true;
    }

    /// It is still away, for a reason that may be another by now; answers whether it is another.
    pub(crate) fn still(&self, reason: &str) -> bool {
        let mut open = self
            .outages
            .open
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let Some(outage) = open.get_mut(self.dependency) else {
            return false;
        };
        if outage.said.elapsed() >= REMINDER {
            outage.said = Instant::now();
            let seconds = outage.since.elapsed().as_secs();
            tracing::warn!(
                dependency = self.dependency,
                seconds,
                reason,
                "still waiting"
            );
        }
        let news = outage.reason != reason;
        if news {
            tracing::debug!(dependency = self.dependency, reason, "still away");
            reason.clone_into(&mut outage.reason);
        }
        news
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.outages.end(self.dependency, self.over);
    }
}

/// Open while nobody waits for a dependency; closed, no more work is taken on.
#[derive(Clone, Debug)]
pub(crate) struct Gate(watch::Sender<usize>);

impl Gate {
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(0))
    }

    /// Returns once the gate is open.
    pub(crate) async fn opened(&self) {
        let mut gate = self.0.subscribe();
        // The sender lives in `self`, so this cannot end early.
        let _ = gate.wait_for(|closed| *closed == 0).await;
    }

    fn close(&self) -> Closed {
        self.0.send_modify(|closed| *closed += 1);
        Closed(self.clone())
    }
}

#[derive(Debug)]
struct Closed(Gate);

impl Drop for Closed {
    fn drop(&mut self) {
        self.0.0.send_modify(|closed| *closed -= 1);
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::Arc;

    use super::*;

    /// Log lines.
    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Lines {
        fn with(&self, words: &str) -> usize {
            let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
            text.matches(words).count()
        }
    }

    fn away<T>(dependency: &'static str) -> Result<T, Trouble> {
        Err(Trouble::Outage {
            dependency,
            reason: "gone".to_owned(),
        })
    }

    /// What is logged from now on in this thread, until the guard is dropped.
    fn log() -> (Lines, tracing::subscriber::DefaultGuard) {
        let lines = Lines::default();
        let writer = lines.clone();
        let log = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_writer(move || writer.clone());
        (lines, tracing::subscriber::set_default(log.finish()))
    }

    #[tokio::test(start_paused = true)]
    async fn an_outage_that_lasts_is_said_again_each_minute_with_its_reason_of_then() {
        let (lines, _log) = log();
        let (outages, gate) = (Arc::new(Outages::default()), Gate::new());
        let begin = Instant::now();
        let attempt = || {
            let passed = begin.elapsed().as_secs();
            let reason = format!("gone in minute {}", passed / 60);
            std::future::ready(match passed {
                200.. => Ok(()),
                _ => Err(Trouble::Outage {
                    dependency: "s3",
                    reason,
                }),
            })
        };
        let stop = CancellationToken::new();
        let done = outages.outlast(&stop, &gate, attempt).await;
        assert_eq!(done, Some(Ok(())));
        assert_eq!(lines.with("waiting for it to end"), 1);
        assert_eq!(lines.with("still waiting"), 3);
        for minute in 1..=3 {
            assert_eq!(
                lines.with(&format!("gone in minute {minute}")),
                1,
                "{minute}"
            );
        }
        assert_eq!(lines.with("outage over"), 1);
    }

    #[tokio::test]
    async fn an_outage_is_over_when_somebody_gets_through_and_not_when_a_service_stops() {
        let (lines, _log) = log();
        let (outages, gate) = (Arc::new(Outages::default()), Gate::new());
        let stop = CancellationToken::new();
        let mut answers = [away("s3"), away("s3"), away("smtp"), Ok(7)].into_iter();
        let done = outages.outlast(&stop, &gate, || std::future::ready(answers.next().unwrap()));
        assert_eq!(done.await, Some(Ok(7)));
        assert_eq!(lines.with("waiting for it to end"), 2);
        assert_eq!(lines.with("outage over"), 1);

        let done = outages.outlast(&stop, &gate, || {
            stop.cancel();
            std::future::ready(away::<()>("s3"))
        });
        assert_eq!(done.await, None);
        let stop = CancellationToken::new();
        let done = outages.outlast(&stop, &gate, || std::future::ready(away::<()>("s3")));
        let stopping = async {
            while outages.lines().is_empty() {
                tokio::task::yield_now().await;
            }
            stop.cancel();
        };
        assert_eq!(tokio::join!(done, stopping).0, None);
        assert_eq!(lines.with("waiting for it to end"), 3);
        assert_eq!(lines.with("outage over"), 1);
        assert!(outages.lines().is_empty());
    }
}
