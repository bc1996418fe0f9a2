//! Where a sensor has no readings for long. Pure.

use jiff::{SignedDuration, Timestamp};
use store::readings::Stored;

/// How many times what usually lies between two readings is a gap.
pub(crate) const TIMES: i32 = 5;

/// A time without readings: between two of them, or a bound of the query and one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Gap {
    pub(crate) from: Timestamp,
    pub(crate) until: Timestamp,
}

impl Gap {
    pub(crate) fn length(&self) -> SignedDuration {
        self.until.duration_since(self.from)
    }
}

/// Finds the gaps between times that come newest first.
pub(crate) struct Gaps {
    longer_than: SignedDuration,
    /// Where a gap would end.
    later: Option<Timestamp>,
}

impl Gaps {
    /// Up to `until`, where there is a bound.
    pub(crate) fn new(longer_than: SignedDuration, until: Option<Timestamp>) -> Self {
        let later = until;
        Self { longer_than, later }
    }

    /// The gap that lies behind the next earlier time.
    pub(crate) fn next(&mut self, earlier: Timestamp) -> Option<Gap> {
        let until = self.later.replace(earlier)?;
        let gap = Gap {
            from: earlier,
            until,
        };
        (gap.length() > self.longer_than).then_some(gap)
    }
}

/// What usually lies between two readings: the median. Of fewer than three it cannot be told.
pub(crate) fn usual(newest_first: &[Stored]) -> Option<SignedDuration> {
    let pairs = newest_first.windows(2);
    let between = |pair: &[Stored]| pair[0].time.duration_since(pair[1].time);
    let mut between: Vec<SignedDuration> = pairs.map(between).collect();
    between.sort_unstable();
    (between.len() > 1).then(|| between[between.len() / 2])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn found(times: &[i64], from: Option<i64>, until: Option<i64>) -> Vec<(i64, i64)> {
        let mut gaps = Gaps::new(SignedDuration::from_secs(10), until.map(at));
        let times = times.iter().copied().chain(from);
        let found = times.filter_map(|time| gaps.next(at(time)));
        let bounds = |gap: Gap| (gap.from.as_second(), gap.until.as_second());
        found.map(bounds).collect()
    }

    #[test]
    fn a_gap_is_longer_than_asked_for_and_ends_at_readings_or_at_the_bounds() {
        let times = [100, 90, 79, -5, -6];
        assert_eq!(found(&times, None, None), [(79, 90), (-5, 79)]);
        assert_eq!(found(&times, Some(-16), Some(110)), [(79, 90), (-5, 79)]);
        assert_eq!(
            found(&times, Some(-17), Some(111)),
            [(100, 111), (79, 90), (-5, 79), (-17, -6)]
        );
        assert_eq!(found(&[], Some(0), Some(11)), [(0, 11)]);
        assert_eq!(found(&[], Some(0), None), []);
        assert_eq!(found(&[7], None, None), []);
    }

    #[test]
    fn the_usual_is_what_lies_between_most_of_them() {
        let stored = |second: &i64| Stored {
            time: at(*second),
            metric: "value".to_owned(),
            value: 0.0,
            file: proto::FileId::from_bytes([0; 16]),
        };
        let usual = |times: &[i64]| {
            let times: Vec<Stored> = times.iter().map(stored).collect();
            usual(&times).map(|usual| usual.as_secs())
        };
        assert_eq!(usual(&[1_000, 700, 690, 680, 670, 0]), Some(10));
        assert_eq!(usual(&[20, 10]), None);
        assert_eq!(usual(&[]), None);
    }
}
