//! The times that a query asks for, as databases keep them.

use jiff::Timestamp;

use crate::readings::Query;

/// Times in milliseconds, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) first: i64,
    pub(crate) last: i64,
}

impl Range {
    /// Every time there is.
    pub(crate) const ALL: Self = Self {
        first: i64::MIN,
        last: i64::MAX,
    };

    /// What a query asks for.
    pub(crate) fn of(query: &Query) -> Self {
        Self {
            first: query.from.map_or(i64::MIN, milliseconds_up),
            last: query
                .until
                .map_or(i64::MAX, |until| milliseconds_up(until) - 1),
        }
    }

    /// What of it comes after the last row (time, metric) of the page before, in `metric`.
    pub(crate) fn after(self, before: Option<&(i64, String)>, metric: &str) -> Self {
        let last = match before {
            Some((time, passed)) if metric <= passed.as_str() => time - 1,
            Some((time, _)) => *time,
            None => return self,
        };
        Self {
            last: self.last.min(last),
            ..self
        }
    }
}

/// The first whole millisecond that is not before `time`.
fn milliseconds_up(time: Timestamp) -> i64 {
    let floor = time.as_nanosecond().div_euclid(1_000_000);
    let up = floor + i128::from(time.as_nanosecond().rem_euclid(1_000_000) != 0);
    // A timestamp's range is far smaller.
    i64::try_from(up).unwrap_or(i64::MAX)
}
