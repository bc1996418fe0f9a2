//! The mover.

use serde::{Deserialize, Serialize};

/// `[mover]`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Bucket for the files that are done with; the one they came from unless set.
    /// A profile's `target_bucket` goes before it.
    pub target_bucket: Option<String>,
    /// Prefix of files that were ingested.
    pub processed: String,
    /// Prefix of files that were rejected.
    pub rejected: String,
    /// Accept a store that ignores conditional deletes in an unversioned bucket: an upload that
    /// replaces the file between the last look and the delete is then lost.
    pub accept_unconditional_delete: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            target_bucket: None,
            processed: "processed/".to_owned(),
            rejected: "rejected/".to_owned(),
            accept_unconditional_delete: false,
        }
    }
}
