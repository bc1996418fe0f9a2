//! A notification of Landfall's own.

use serde::{Deserialize, Serialize};

/// What `landfall backfill` publishes to [`crate::subject::STORAGE_BACKFILL`], an object each:
/// `{"backfill": {"bucket": …, "key": …, "etag": …, "by": …}}`. A person wants the object taken,
/// wherever it lies; like every notification it only makes the watcher look.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notification {
    /// What is wanted.
    pub backfill: Backfill,
}

/// An object that a person wants taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backfill {
    /// Bucket.
    pub bucket: String,
    /// Key, as it is.
    pub key: String,
    /// Entity tag in the listing, without quotes.
    pub etag: String,
    /// Who wants it.
    pub by: String,
}
