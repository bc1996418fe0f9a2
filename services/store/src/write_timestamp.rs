//! Write timestamps: 64-bit microseconds that decide which of two readings with one sensor, metric
//! and time stays.

use jiff::Timestamp;
use proto::FileId;

/// The write timestamps of one replay of one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WriteTimestamps {
    base: i64,
}

impl WriteTimestamps {
    /// For a file that is read in `parts` consecutive parts, within each of which later lines
    /// override earlier ones in memory.
    pub fn new(order: Timestamp, file: FileId, replay: u32, parts: u32) -> crate::Result<Self> {
        let _ = (order, file, replay, parts);
        unimplemented!()
    }

    /// The write timestamp of everything in part `part`, counted from 0.
    pub fn part(self, part: u32) -> i64 {
        self.base + i64::from(part)
    }
}
