//! What was counted in a file.

use super::cells::{Cell, Put};
use super::time::Time;

/// Counts of lines and readings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Lines with something in them, the header apart.
    pub lines: u64,
    /// Lines that were refused.
    pub rejected_lines: u64,
    /// Readings: `stored + rejected + duplicated`.
    pub read: u64,
    /// Readings, each with a sensor, metric and time of its own within its part.
    pub stored: u64,
    /// Readings that stand in refused lines.
    pub rejected: u64,
    /// Readings that a later line of the same part overrode.
    pub duplicated: u64,
    /// Times that were written finer than a millisecond.
    pub truncated_times: u64,
    /// The earliest and the latest time, in milliseconds since 1970.
    pub span: Option<(i64, i64)>,
    /// Sums all of it up: whether a second pass reads the same as the first.
    pub digest: u64,
}

impl Counts {
    /// Counts a reading that was taken.
    pub fn note(&mut self, put: Put, cell: Cell) {
        self.read += 1;
        match put {
            Put::Overrode => self.duplicated += 1,
            Put::New | Put::Full => self.stored += 1,
        }
        self.mix(u64::from(cell.sensor) << 32 | u64::from(cell.metric));
        self.mix(cell.time.cast_unsigned());
        self.mix(cell.value.to_bits());
    }

    /// Counts the time of a row that was taken.
    pub fn note_time(&mut self, time: Time) {
        let at = time.milliseconds;
        self.truncated_times += u64::from(time.truncated);
        self.span = match self.span {
            Some((first, last)) => Some((first.min(at), last.max(at))),
            None => Some((at, at)),
        };
    }

    /// Counts a row that was refused.
    pub fn refuse(&mut self, lines: u64, readings: u64) {
        self.lines += lines;
        self.rejected_lines += lines;
        self.read += readings;
        self.rejected += readings;
        self.mix(self.lines);
    }

    /// A hash that stays the same over processes, machines and versions.
    pub fn mix(&mut self, number: u64) {
        self.digest = (self.digest ^ number)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .rotate_left(29);
    }
}
