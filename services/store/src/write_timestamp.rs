//! Write timestamps: 64-bit microseconds that decide which of two readings with one sensor, metric
//! and time stays.
//!
//! ```text
//! order time in whole seconds × 1,000,000
//!                    + replay × 100,000       0..=9
//!                       + tie × parts         tie = file id mod slots, slots = ⌊100,000 / parts⌋
//!                            + part           0..parts
//! ```
//!
//! - A later order second beats everything earlier: all below it is less than 1,000,000.
//! - Of one file, a later replay beats an earlier one whatever `parts` either has: all below the
//!   replay is less than 100,000.
//! - Of one replay of one file, a later part beats an earlier one.
//! - Two files with the same order second are in an arbitrary but fixed order, which the tie
//!   decides. They tie (two readings of theirs have the same write timestamp) with a probability
//!   of at most 1 in `slots` of the one with more parts: 1 in 100,000 for files read in one part,
//!   1 in 1,000 for files read in 100 parts. [`crate::Readings`] says what happens then.
//! - Nothing is ever a whole second above its order time, so that with order times at most a day
//!   ahead the databases' limit for the future (3 days in `ScyllaDB`) is never met.

use jiff::{SignedDuration, Timestamp};
use proto::FileId;

use crate::{Error, Result};

/// Highest replay there is room for.
pub const MAX_REPLAY: u32 = 9;
/// Most parts there is room for.
pub const MAX_PARTS: u32 = 100_000;
/// How far ahead of the clock an order time may be.
pub const MAX_AHEAD: SignedDuration = SignedDuration::from_hours(24);

/// The write timestamps of one replay of one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WriteTimestamps {
    base: i64,
    parts: u32,
}

impl WriteTimestamps {
    /// For a file that is read in `parts` consecutive parts, within each of which later lines
    /// override earlier ones in memory. `now` is what the order time must not be far ahead of.
    pub fn new(
        order: Timestamp,
        file: FileId,
        replay: u32,
        parts: u32,
        now: Timestamp,
    ) -> Result<Self> {
        if replay > MAX_REPLAY {
            return Err(Error::Broken(format!(
                "replay {replay} of file {file}: there is room for replays 0 to {MAX_REPLAY}; \
                 upload the file again instead"
            )));
        }
        if !(1..=MAX_PARTS).contains(&parts) {
            return Err(Error::Broken(format!(
                "file {file} in {parts} parts: it can be read in 1 to {MAX_PARTS}; \
                 split the file"
            )));
        }
        if order.subsec_nanosecond() != 0 {
            return Err(Error::Broken(format!(
                "order time {order} of file {file} is not in whole seconds"
            )));
        }
        if order.duration_since(now) > MAX_AHEAD {
            return Err(Error::Broken(format!(
                "order time {order} of file {file} is more than a day ahead of this machine's \
                 clock, {now}; set the clocks of this machine and of the object store right"
            )));
        }
        let slots = u128::from(MAX_PARTS / parts);
        let tie = u128::from_be_bytes(file.bytes()) % slots;
        // Less than 100,000, since `slots * parts` is at most that.
        let tie = i64::try_from(tie).unwrap_or_default() * i64::from(parts);
        Ok(Self {
            base: order.as_second() * 1_000_000 + i64::from(replay) * 100_000 + tie,
            parts,
        })
    }

    /// The write timestamp of everything in part `part`, counted from 0.
    pub fn part(self, part: u32) -> Result<i64> {
        if part < self.parts {
            Ok(self.base + i64::from(part))
        } else {
            Err(Error::Broken(format!(
                "part {} of a file that has {}: it is not what it was when it was first read",
                part + 1,
                self.parts
            )))
        }
    }
}
