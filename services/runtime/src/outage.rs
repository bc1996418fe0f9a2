//! Dependencies that are away: who waits for which, since when, and when it is over.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::Trouble;
use crate::backoff::Backoff;

/// The outages that are on, of one service. An outage begins with the first who meets it and ends
/// with the last: one log line each.
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
                reason: reason.to_owned(),
            }
        });
        outage.waiting += 1;
        Waiting {
            outages: Arc::clone(self),
            dependency,
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

    fn end(&self, dependency: &'static str) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(outage) = open.get_mut(dependency) {
            outage.waiting -= 1;
            if outage.waiting == 0 {
                let seconds = outage.since.elapsed().as_secs_f64();
                tracing::info!(dependency, seconds, "outage over");
                metrics::gauge!("landfall_outage", "dependency" => dependency).set(0.0);
                open.remove(dependency);
            }
        }
        drop(open);
        self.over.notify_waiters();
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
                Ok(done) => return Some(Ok(done)),
                Err(Trouble::Retry { reason }) => return Some(Err(Fault::Retry(reason))),
                Err(Trouble::Reject { reason }) => return Some(Err(Fault::Reject(reason))),
                Err(Trouble::Outage { .. }) if stop.is_cancelled() => return None,
                Err(Trouble::Outage { dependency, reason }) => (dependency, reason),
            };
            match &waiting {
                Some((waiting, _)) if waiting.dependency == dependency => {
                    waiting.still(&reason);
                }
                _ => waiting = Some((self.begin(dependency, &reason), gate.close())),
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

/// Somebody waits for a dependency; dropped, it is back or nobody waits any more.
#[derive(Debug)]
pub(crate) struct Waiting {
    outages: Arc<Outages>,
    dependency: &'static str,
}

impl Waiting {
    /// It is still away, for a reason that may be another by now; answers whether it is.
    pub(crate) fn still(&self, reason: &str) -> bool {
        let mut open = self
            .outages
            .open
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(outage) = open.get_mut(self.dependency)
            && outage.reason != reason
        {
            tracing::debug!(dependency = self.dependency, reason, "still away");
            reason.clone_into(&mut outage.reason);
            return true;
        }
        false
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.outages.end(self.dependency);
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
