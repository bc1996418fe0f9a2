//! Which buckets a sensor is known to have, so that they are not written with every file.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Buckets that are remembered; one more, and all are forgotten.
const REMEMBERED: usize = 65_536;
/// Names that are longer (together, in bytes) are not remembered.
const LONGEST: usize = 256;
/// How long they are remembered: far shorter than the day by which they outlive their readings.
const FOR: Duration = Duration::from_hours(1);

type Bucket = (Arc<str>, Arc<str>, i64);

/// Buckets that were written a short time ago. Losing them costs writing them again.
pub(super) struct Known(Mutex<(HashSet<Bucket>, Instant)>);

impl Known {
    pub(super) fn new() -> Self {
        Self(Mutex::new((HashSet::new(), Instant::now())))
    }

    /// Which of them are not known.
    pub(super) fn unknown(&self, buckets: impl Iterator<Item = Bucket>) -> Vec<Bucket> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = &known.0;
        buckets.filter(|bucket| !known.contains(bucket)).collect()
    }

    /// Remembers what has been written by now.
    pub(super) fn remember(&self, buckets: Vec<Bucket>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (known, since) = &mut *known;
        if since.elapsed() > FOR || known.len() + buckets.len() > REMEMBERED {
            known.clear();
            *since = Instant::now();
        }
        let short = |(sensor, metric, _): &Bucket| sensor.len() + metric.len() <= LONGEST;
        known.extend(buckets.into_iter().filter(short).take(REMEMBERED));
    }
}
