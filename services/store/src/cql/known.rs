//! Which buckets a sensor is known to have, so that they are not written with every file.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::gather::Partition;

/// Buckets that are remembered, as many as a hash table with 2^17 places takes; one more, and all
/// are forgotten.
const REMEMBERED: usize = 114_688;
/// How long they are remembered: far shorter than the day by which they outlive their readings.
const FOR: Duration = Duration::from_hours(1);

/// Buckets that were written a short time ago. Losing them costs writing them again.
pub(super) struct Known {
    /// Of 128 bits, by hashers that nobody outside can know: no two buckets have the same.
    hashes: Mutex<(HashSet<u128>, Instant)>,
    hashers: [RandomState; 2],
}

impl Known {
    pub(super) fn new() -> Self {
        Self {
            hashes: Mutex::new((HashSet::new(), Instant::now())),
            hashers: [RandomState::new(), RandomState::new()],
        }
    }

    /// Which of them are not known.
    pub(super) fn unknown<'a>(
        &self,
        buckets: impl Iterator<Item = &'a Partition>,
    ) -> Vec<&'a Partition> {
        let hashed: Vec<_> = buckets.map(|bucket| (self.hash(bucket), bucket)).collect();
        let known = self.hashes.lock().unwrap_or_else(PoisonError::into_inner);
        let unknown = hashed.into_iter();
        let unknown = unknown.filter(|(hash, _)| !known.0.contains(hash));
        unknown.map(|(_, bucket)| bucket).collect()
    }

    /// Remembers what has been written by now.
    pub(super) fn remember(&self, buckets: &[&Partition]) {
        let hashes: Vec<_> = buckets.iter().map(|bucket| self.hash(bucket)).collect();
        let mut known = self.hashes.lock().unwrap_or_else(PoisonError::into_inner);
        let (known, since) = &mut *known;
        if since.elapsed() > FOR || known.len() + hashes.len() > REMEMBERED {
            known.clear();
            *since = Instant::now();
        }
        known.extend(hashes.into_iter().take(REMEMBERED));
    }

    fn hash(&self, bucket: &Partition) -> u128 {
        let [high, low] = &self.hashers;
        u128::from(high.hash_one(bucket)) << 64 | u128::from(low.hash_one(bucket))
    }
}
