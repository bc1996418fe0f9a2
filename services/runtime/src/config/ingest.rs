//! Ingest.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::period;

/// `[ingest]`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Prefix of the objects that hold refused rows, in the bucket where the mover files files.
    pub rejected_rows: String,
    /// Bytes of refused rows, and of the list that says what is wrong with them, that are kept of
    /// one file. The list says how many more there were.
    pub refused_rows: usize,
    /// The longest line, in bytes.
    pub longest_line: usize,
    /// How far in the future a reading may lie.
    #[serde(with = "period")]
    pub future: Duration,
    /// Distinct readings of one file that are kept in memory at once (40 bytes each). A file with
    /// more is read twice, in parts of so many, of which one is written while the next is read (24
    /// bytes each beside); and doubled readings in it are counted exactly only where its series
    /// are sorted by time.
    pub in_memory: u32,
    /// Bytes that all files together may take in memory at once. Files wait for each other.
    pub memory: u64,
    /// How many times its own size a gzip file may unpack to, once that is more than 64 MiB.
    pub gzip_ratio: u64,
    /// Bytes that a gzip file may unpack to at most.
    pub unpacked: u64,
}

/// Bytes that a distinct reading takes in memory.
pub const READING: u64 = 40;

/// Bytes that one takes that is being written while the next part is read.
pub const BEHIND: u64 = 24;

/// Bytes that names of sensors and metrics take in memory at most.
pub const NAMES: u64 = 8 << 20;

impl Config {
    /// Bytes that one file may take in memory at most: its distinct readings, those of the part
    /// before, the names of both, refused rows (twice, when they are written), the longest line (as it stands, and its cells), and
    /// what is under way to the store.
    pub fn most_of_one_file(&self) -> u64 {
        const UNDER_WAY: u64 = 4 << 20;
        let refused = 2 * bytes(self.refused_rows);
        let lines = 3 * bytes(self.longest_line);
        u64::from(self.in_memory) * (READING + BEHIND) + 2 * NAMES + refused + lines + UNDER_WAY
    }
}

fn bytes(size: usize) -> u64 {
    u64::try_from(size).unwrap_or(u64::MAX / 8)
}

impl Default for Config {
    fn default() -> Self {
        Self {
            rejected_rows: "rejected-rows/".to_owned(),
            refused_rows: 4 << 20,
            longest_line: 1 << 20,
            future: Duration::from_secs(24 * 60 * 60),
            // As many as a hash table with 2^18 places takes.
            in_memory: 229_376,
            memory: 256 << 20,
            gzip_ratio: 200,
            unpacked: 64 << 30,
        }
    }
}
