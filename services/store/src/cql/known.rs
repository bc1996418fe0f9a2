//! Which buckets a sensor is known to have, so that they are not written with every file.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::fingerprint::Fingerprint;
use super::gather::Partition;

/// Buckets that are remembered, as many as a hash table with 2^17 places takes; one more, and all
/// are forgotten.
const REMEMBERED: usize = 114_688;
/// How long they are remembered: far shorter than the day by which they outlive their readings.
const FOR: Duration = Duration::from_hours(1);

/// Buckets that were written a short time ago. Losing them costs writing them again.
pub(super) struct Known {
    /// Which, and since when.
    prints: Mutex<(HashSet<u128>, Instant)>,
    fingerprint: Fingerprint,
    /// How long they are remembered.
    period: Duration,
}

impl Known {
    pub(super) fn new() -> Self {
        Self::with(FOR)
    }

    fn with(period: Duration) -> Self {
        Self {
            prints: Mutex::new((HashSet::new(), Instant::now())),
            fingerprint: Fingerprint::new(),
            period,
        }
    }

    /// Which of them are not known.
    pub(super) fn unknown<'a>(
        &self,
        buckets: impl Iterator<Item = &'a Partition>,
    ) -> Vec<&'a Partition> {
        let printed: Vec<_> = buckets
            .map(|bucket| (self.fingerprint.of(bucket), bucket))
            .collect();
        let known = self.prints.lock().unwrap_or_else(PoisonError::into_inner);
        let (known, since) = &*known;
        // Whether or not anything new has come meanwhile.
        let forgotten = since.elapsed() > self.period;
        let unknown = printed.into_iter();
        let unknown = unknown.filter(|(print, _)| forgotten || !known.contains(print));
        unknown.map(|(_, bucket)| bucket).collect()
    }

    /// Remembers what has been written by now.
    pub(super) fn remember(&self, buckets: &[&Partition]) {
        let prints = buckets.iter().map(|bucket| self.fingerprint.of(*bucket));
        let prints: Vec<_> = prints.collect();
        let mut known = self.prints.lock().unwrap_or_else(PoisonError::into_inner);
        let (known, since) = &mut *known;
        if since.elapsed() > self.period || known.len() + prints.len() > REMEMBERED {
            known.clear();
            *since = Instant::now();
        }
        known.extend(prints.into_iter().take(REMEMBERED));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_is_known_for_its_time_and_no_longer_though_nothing_new_comes() {
        let bucket = Partition {
            sensor: "s".into(),
            metric: "value".into(),
            bucket: 0,
        };
        let unknown = |known: &Known| known.unknown([&bucket].into_iter()).len();
        let known = Known::new();
        assert_eq!(unknown(&known), 1);
        known.remember(&[&bucket]);
        assert_eq!(unknown(&known), 0);
        // Its time is over at once.
        let known = Known::with(Duration::ZERO);
        known.remember(&[&bucket]);
        assert_eq!(unknown(&known), 1);
    }
}
