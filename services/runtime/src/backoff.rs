//! How long to wait before something is tried again. Pure.

use std::time::Duration;

/// Waits that grow by a factor from one try to the next, up to a cap, each shortened at random by
/// up to half so that many who failed together do not come back together.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Backoff {
    first: Duration,
    factor: u32,
    cap: Duration,
}

impl Backoff {
    /// While a dependency is away: soon at first, and every few seconds at last.
    pub(crate) const OUTAGE: Self = Self {
        first: Duration::from_millis(100),
        factor: 2,
        cap: Duration::from_secs(4),
    };

    /// Between the tries of one message. Time mends little of what a message brings with it, so
    /// the waits grow fast.
    pub(crate) fn of_tries(first: Duration) -> Self {
        Self {
            first,
            factor: 4,
            cap: Duration::from_secs(5 * 60).max(first),
        }
    }

    /// The wait after failure number `failures` (from 1). `share` in 0..=1 decides how much of the
    /// random half is waited.
    pub(crate) fn after(self, failures: u32, share: f64) -> Duration {
        let growth = self.factor.saturating_pow(failures.saturating_sub(1));
        let whole = self.first.saturating_mul(growth).min(self.cap);
        whole.mul_f64(0.5 + share.clamp(0.0, 1.0) / 2.0)
    }

    /// [`Backoff::after`], with the random half from the thread's generator.
    pub(crate) fn jittered(self, failures: u32) -> Duration {
        self.after(failures, fastrand::f64())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_waits_of_an_outage_double_up_to_four_seconds() {
        let waits: Vec<u128> = [1, 2, 3, 6, 7, 100, u32::MAX]
            .map(|failures| Backoff::OUTAGE.after(failures, 1.0).as_millis())
            .to_vec();
        assert_eq!(waits, [100, 200, 400, 3200, 4000, 4000, 4000]);
    }

    #[test]
    fn the_waits_between_tries_start_where_the_setting_says() {
        let tries = Backoff::of_tries(Duration::from_secs(1));
        let waits: Vec<u64> = [1, 2, 3, 4, 5, 6]
            .map(|failures| tries.after(failures, 1.0).as_secs())
            .to_vec();
        assert_eq!(waits, [1, 4, 16, 64, 256, 300]);
    }

    proptest! {
        #[test]
        fn a_wait_is_at_least_half_of_what_it_may_be_and_never_shrinks(
            first in 1_u64..600_000,
            failures in 1_u32..1000,
            share in 0.0..=1.0,
        ) {
            let tries = Backoff::of_tries(Duration::from_millis(first));
            let longest = tries.after(failures, 1.0);
            let wait = tries.after(failures, share);
            prop_assert!(wait <= longest);
            prop_assert!(wait + Duration::from_nanos(1) >= longest / 2);
            prop_assert!(tries.after(failures + 1, share) >= wait);
        }
    }
}
