//! Whether notifications come. A file that only the listing finds, though it has lain there for a
//! while, is one whose notification was lost.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

/// How often it is said again while it goes on.
const SAID_EVERY: Duration = Duration::from_secs(60 * 60);

/// What this watcher has heard of, and what was missed.
#[derive(Debug)]
pub(crate) struct Missed {
    /// `[watcher] missed_share`
    share: f64,
    buckets: Mutex<HashMap<String, Bucket>>,
}

/// One bucket.
#[derive(Debug, Default)]
struct Bucket {
    /// New files that notifications led to, since the last listing by the clock.
    heard: u64,
    /// When it was said that notifications are lost, unless they have come since.
    said: Option<Instant>,
}

/// What is to be said of a listing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Say {
    Broken,
    Works,
    Nothing,
}

impl Missed {
    /// Nothing was heard yet.
    pub(crate) fn new(share: f64) -> Self {
        Self {
            share,
            buckets: Mutex::default(),
        }
    }

    fn buckets(&self) -> MutexGuard<'_, HashMap<String, Bucket>> {
        self.buckets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A notification led to a new file.
    pub(crate) fn heard(&self, bucket: &str) {
        let mut buckets = self.buckets();
        match buckets.get_mut(bucket) {
            Some(bucket) => bucket.heard += 1,
            None => {
                let heard = Bucket {
                    heard: 1,
                    said: None,
                };
                buckets.insert(bucket.to_owned(), heard);
            }
        }
    }

    /// A listing by the clock has found so many new files in a bucket whose notifications should
    /// have come. (One that was wanted, at start or after the watcher was away, finds what nobody
    /// could have heard of.) Where several watchers share the work, each knows only of its own
    /// notifications: the share is that of the missed ones at most.
    pub(crate) fn judge(&self, name: &str, missed: u64) {
        let mut buckets = self.buckets();
        let bucket = buckets.entry(name.to_owned()).or_default();
        let new = std::mem::take(&mut bucket.heard) + missed;
        match say(
            self.share,
            missed,
            new,
            bucket.said.map(|when| when.elapsed()),
        ) {
            Say::Broken => {
                bucket.said = Some(Instant::now());
                tracing::warn!(
                    bucket = name,
                    missed,
                    new,
                    "new files were found by the listing alone, long after their upload: the \
                     store's notifications of this bucket do not arrive, or not all of them; check \
                     the store's settings (deploy/storage), or set `[watcher] missed_share = 1` \
                     where the listing is all there is"
                );
            }
            Say::Works => {
                bucket.said = None;
                tracing::info!(bucket = name, "the store's notifications arrive again");
            }
            Say::Nothing => {}
        }
    }
}

fn say(share: f64, missed: u64, all: u64, said: Option<Duration>) -> Say {
    if all == 0 {
        return Say::Nothing;
    }
    #[expect(clippy::cast_precision_loss, reason = "a share")]
    let broken = missed > 0 && missed as f64 / all as f64 > share;
    match said {
        Some(_) if !broken => Say::Works,
        Some(ago) if ago < SAID_EVERY => Say::Nothing,
        _ if broken => Say::Broken,
        _ => Say::Nothing,
    }
}

/// Whether the notification of what was uploaded then should have come by now.
pub(crate) fn is_late(uploaded: Timestamp, now: Timestamp, notified_within: Duration) -> bool {
    let grace = SignedDuration::try_from(notified_within);
    grace.is_ok_and(|grace| now.duration_since(uploaded) > grace)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn more_than_the_share_is_said_once_an_hour_and_that_it_is_over_once() {
        for (missed, all, said, expected) in [
            (0, 0, None, Say::Nothing),
            (0, 9, None, Say::Nothing),
            (1, 10, None, Say::Nothing),
            (2, 10, None, Say::Broken),
            (1, 1, None, Say::Broken),
            (9, 10, Some(MINUTE), Say::Nothing),
            (9, 10, Some(60 * MINUTE), Say::Broken),
            // Where nothing comes at all there is nothing to say.
            (0, 0, Some(MINUTE), Say::Nothing),
            (0, 5, Some(MINUTE), Say::Works),
            (1, 10, Some(MINUTE), Say::Works),
        ] {
            let found = say(0.1, missed, all, said);
            assert_eq!(found, expected, "{missed} of {all}, {said:?}");
        }
        assert_eq!(say(1.0, 7, 7, None), Say::Nothing);
        assert_eq!(say(0.0, 1, 1000, None), Say::Broken);
    }

    #[test]
    fn what_was_just_uploaded_may_be_heard_of_yet() {
        let now = Timestamp::from_second(1_000).unwrap();
        let ago = |seconds: i64| Timestamp::from_second(1_000 - seconds).unwrap();
        assert!(!is_late(ago(0), now, MINUTE));
        assert!(!is_late(ago(60), now, MINUTE));
        assert!(is_late(ago(61), now, MINUTE));
        // A store whose clock is ahead.
        assert!(!is_late(ago(-500), now, MINUTE));
    }
}
