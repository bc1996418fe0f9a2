//! How lengths of time are spread.

use std::fmt;

use jiff::SignedDuration;

/// Half, 99 of 100, and all of them are not longer than.
pub(crate) struct Spread {
    half: SignedDuration,
    most: SignedDuration,
    all: SignedDuration,
}

impl Spread {
    pub(crate) fn of(times: impl Iterator<Item = SignedDuration>) -> Self {
        let mut times: Vec<SignedDuration> = times.collect();
        times.sort();
        let at = |hundredths: usize| {
            let rank = (times.len() * hundredths).div_ceil(100).max(1);
            times.get(rank - 1).copied().unwrap_or_default()
        };
        Self {
            half: at(50),
            most: at(99),
            all: at(100),
        }
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [half, most, all] =
            [self.half, self.most, self.all].map(|time| time.as_secs_f64() * 1e3);
        write!(
            f,
            "p50 {half:7.0} ms, p99 {most:7.0} ms, at most {all:7.0} ms"
        )
    }
}
