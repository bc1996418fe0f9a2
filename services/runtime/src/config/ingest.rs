//! Ingest.

use serde::{Deserialize, Serialize};

/// `[ingest]`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Prefix of the objects that hold refused rows.
    pub rejected_rows: String,
    /// Objects up to this many bytes are read once and kept in memory; larger ones are read twice.
    pub in_memory: u64,
    /// The longest line, in bytes.
    pub longest_line: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            rejected_rows: "rejected-rows/".to_owned(),
            in_memory: 4 * 1024 * 1024,
            longest_line: 1024 * 1024,
        }
    }
}
