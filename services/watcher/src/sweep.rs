//! The sweep: lists what lies where files arrive, and sees to it that each is on its way.
//!
//! Stores lose notifications (SeaweedFS loses all of them while the endpoint refuses connections),
//! so the sweep runs at start, by the clock (of each bucket), and when the watcher notices that it
//! was away. One replica at a time does it. What it finds:
//!
//! - *Unknown*: looked at, exactly as if a notification had come.
//! - *Known, and its outcome without mark*: the runtime publishes it.
//! - *Stuck* ([`verdict`]): said again, [`AGAIN`] times at most.
//! - *Ended, and still there* (`failed`): noted once, passed over then; its rows are renewed every
//!   day, so that the journal never takes it for something new.
//! - Everything else waits, and costs a line of a listing and a row of the journal.
//!
//! Memory: a page of the listing, a batch of `FILES`, and up to [`SUSPECTS`] small entries.

mod history;
mod lease;
mod note;
mod pass;
pub(crate) mod verdict;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use runtime::Trouble;
use runtime::config::watcher::Config as Settings;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub(crate) use self::history::History;
use self::lease::Taken;
pub(crate) use self::lease::{LEASE, Lease};
use self::pass::Pass;
pub(crate) use self::pass::Tally;
use crate::connected::Connected;
use crate::measure;

/// How often a stuck file is said again; with the first time, `arrived` is published three times.
pub(crate) const AGAIN: u32 = 2;
/// How many suspects are held at once, at about a hundred bytes each.
const SUSPECTS: usize = 50_000;
/// The shortest pause between two sweeps that were wanted.
const PAUSE: Duration = Duration::from_secs(1);
/// Waits after a sweep that failed: these, and the last from then on.
const RETRY: [u64; 5] = [1, 2, 5, 10, 30];
/// How often the journal's rows of what has ended and still lies there are renewed, so that the
/// journal does not forget it while it is there: rows live seven days at least.
const RENEW: Duration = Duration::from_secs(24 * 60 * 60);

/// The wish for a sweep, before the clock wants one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wanted(Arc<Notify>);

impl Wanted {
    /// Notifications may have been lost. A wish during a sweep is for the next one.
    pub(crate) fn sweep(&self) {
        self.0.notify_one();
    }

    async fn wait(&self) {
        self.0.notified().await;
    }
}

/// The sweep of one watcher.
pub(crate) struct Sweep {
    /// What the watcher is connected to.
    pub connected: Arc<Connected>,
    /// What `FILES` says.
    pub history: History,
    /// Who sweeps.
    pub lease: Lease,
    /// `[watcher]`
    pub settings: Settings,
    /// When this process listed each bucket last.
    pub listed: Listed,
    /// When a sweep last renewed what it saw.
    pub renewed: Renewed,
}

/// When each bucket was listed last.
#[derive(Debug, Default)]
pub(crate) struct Listed(Mutex<HashMap<String, Instant>>);

impl Listed {
    fn is_due(&self, bucket: &str, every: Duration) -> bool {
        is_due(self.last(bucket).map(|last| last.elapsed()), every)
    }

    fn last(&self, bucket: &str) -> Option<Instant> {
        let listed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        listed.get(bucket).copied()
    }

    fn note(&self, bucket: &str, when: Instant) {
        let mut listed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        listed.insert(bucket.to_owned(), when);
    }
}

/// Whether a bucket is to be listed that was listed so long ago; nearly so is enough, as the next
/// look may come much later.
fn is_due(ago: Option<Duration>, every: Duration) -> bool {
    ago.is_none_or(|ago| ago + every / 10 >= every)
}

/// When something was last renewed by this process.
#[derive(Debug, Default)]
pub(crate) struct Renewed(Mutex<Option<Instant>>);

impl Renewed {
    fn is_due(&self) -> bool {
        let when = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        when.is_none_or(|when| when.elapsed() >= RENEW)
    }

    fn note(&self, when: Instant) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(when);
    }
}

impl Sweep {
    /// Sweeps until asked to stop.
    pub(crate) async fn run(self, wanted: Wanted, stop: CancellationToken) -> Result<(), Trouble> {
        // The first is for the time before the start.
        wanted.sweep();
        let mut due = self.next(Instant::now());
        let mut finished = None;
        let mut failures = 0;
        loop {
            let by_the_clock = tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = wanted.wait() => false,
                () = tokio::time::sleep_until(due) => true,
            };
            let began = Instant::now();
            let outcome = self.turn(by_the_clock, &mut finished, &stop).await;
            due = self.next(began);
            let pause = match outcome {
                _ if stop.is_cancelled() => return Ok(()),
                Ok(()) => {
                    if failures > 0 {
                        tracing::info!("the sweep works again");
                    }
                    failures = 0;
                    PAUSE.max(began.elapsed())
                }
                Err(trouble) => {
                    if failures == 0 {
                        tracing::warn!(reason = %trouble, "the sweep stopped; it is tried again until it gets through");
                    }
                    wanted.sweep();
                    let wait = RETRY[failures.min(RETRY.len() - 1)];
                    failures += 1;
                    Duration::from_secs(wait)
                }
            };
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// When the next bucket is to be listed by the clock, after a sweep that began then.
    fn next(&self, began: Instant) -> Instant {
        let buckets = self.connected.watched.buckets().map(|(bucket, _)| bucket);
        let due = buckets.map(|bucket| {
            let every = self.settings.sweep_every(bucket);
            self.listed.last(bucket).unwrap_or(began) + every
        });
        let due = due.min().unwrap_or(began + self.settings.sweep_every);
        due.max(began + PAUSE)
    }

    /// Another watcher has listed every bucket.
    fn note_all(&self) {
        for (bucket, _) in self.connected.watched.buckets() {
            self.listed.note(bucket, Instant::now());
        }
    }

    /// A sweep, unless another watcher's does as well.
    async fn turn(
        &self,
        by_the_clock: bool,
        finished: &mut Option<u64>,
        stop: &CancellationToken,
    ) -> Result<(), Trouble> {
        let before = self.lease.finished().await?;
        // Another's sweep since the last look is as good as one by our clock.
        if by_the_clock && finished.replace(before) != Some(before) {
            self.note_all();
            return Ok(());
        }
        match self.once(by_the_clock, stop).await? {
            Some(tally) if by_the_clock => {
                for (bucket, missed) in &tally.missed {
                    measure::missed(*missed);
                    self.connected.missed.judge(bucket, *missed);
                }
            }
            Some(_) => {}
            None => self.note_all(),
        }
        *finished = Some(self.lease.finished().await?);
        Ok(())
    }

    /// One sweep under the lease. Answers what it found; none: another watcher's sweep, begun
    /// after this was called, has done it.
    async fn once(
        &self,
        by_the_clock: bool,
        stop: &CancellationToken,
    ) -> Result<Option<Tally>, Trouble> {
        let mut held = match stop.run_until_cancelled(self.lease.take()).await {
            Some(taken) => match taken? {
                Taken::Ours(held) => held,
                Taken::Done => return Ok(None),
            },
            None => return Ok(None),
        };
        let began = Instant::now();
        let outcome = tokio::select! {
            tally = Pass::run(self, by_the_clock) => tally,
            trouble = self.lease.keep(&mut held) => Err(trouble),
            () = stop.cancelled() => Err(Trouble::Retry {
                reason: "the watcher stops".to_owned(),
            }),
        };
        // One that has passed over a bucket is nobody's who wanted all of them listed.
        let whole = outcome.as_ref().is_ok_and(|tally| tally.whole);
        self.lease.give_back(held, whole).await?;
        let tally = outcome?;
        let took = began.elapsed();
        measure::swept(took);
        tally.tell(took);
        Ok(Some(tally))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_is_listed_at_first_and_when_its_time_is_over_or_nearly_so() {
        let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
        assert!(is_due(None, minutes(60)));
        for (ago, due) in [(0, false), (5, false), (53, false), (55, true), (600, true)] {
            assert_eq!(is_due(Some(minutes(ago)), minutes(60)), due, "{ago}");
        }
    }
}
