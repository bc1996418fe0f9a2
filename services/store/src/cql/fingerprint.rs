//! What stands for a thing that is too large to be kept.

use std::hash::{BuildHasher, Hash, RandomState};

/// Makes fingerprints of 128 bits, by hashers that nobody outside can know: no two things have the
/// same.
pub(super) struct Fingerprint([RandomState; 2]);

impl Fingerprint {
    pub(super) fn new() -> Self {
        Self([RandomState::new(), RandomState::new()])
    }

    pub(super) fn of(&self, thing: &impl Hash) -> u128 {
        let [high, low] = &self.0;
        u128::from(high.hash_one(thing)) << 64 | u128::from(low.hash_one(thing))
    }
}
