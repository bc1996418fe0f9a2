//! What is stored.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use jiff::Timestamp;
use md5::{Digest, Md5};
use sha2::Sha256;

/// Headers that are kept with an object.
pub(crate) const KEPT: [&str; 6] = [
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-type",
    "expires",
];

/// One version of an object, or a marker that it was deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// Version id; none where it was written while its bucket kept no versions.
    pub id: Option<String>,
    /// When it was written; `HEAD` says it in whole seconds.
    pub modified: Timestamp,
    /// None is a delete marker.
    pub content: Option<Content>,
}

/// Bytes, and what is kept with them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// The bytes.
    pub bytes: Bytes,
    /// Entity tag without quotes: MD5, or that of parts.
    pub etag: String,
    /// User metadata, names in lower case without `x-amz-meta-`.
    pub metadata: BTreeMap<String, String>,
    /// `Content-Type` and the like, names in lower case.
    pub headers: BTreeMap<String, String>,
    /// Tags, as `x-amz-tagging` has them.
    pub tags: String,
    /// SHA-256 in base64, where the upload gave it.
    pub sha256: Option<String>,
}

impl Content {
    /// Bytes with nothing beside them.
    pub(crate) fn new(bytes: Bytes) -> Self {
        Self {
            etag: hex(&Md5::digest(&bytes)),
            bytes,
            metadata: BTreeMap::new(),
            headers: BTreeMap::new(),
            tags: String::new(),
            sha256: None,
        }
    }

    /// The content of parts in their order: its tag tells how many they were.
    pub(crate) fn of_parts<'a>(parts: impl Iterator<Item = &'a Bytes>) -> Self {
        let (mut bytes, mut digests, mut count) = (vec![], vec![], 0);
        for part in parts {
            bytes.extend_from_slice(part);
            digests.extend_from_slice(&Md5::digest(part));
            count += 1;
        }
        let etag = format!("{}-{count}", hex(&Md5::digest(&digests)));
        Self {
            etag,
            ..Self::new(bytes.into())
        }
    }

    pub(crate) fn has_sha256(&self, claimed: &str) -> bool {
        STANDARD.encode(Sha256::digest(&self.bytes)) == claimed
    }
}

/// In lower case.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
