//! What a copy carries to be known again: whose it is.

use std::collections::BTreeMap;

use objects::Head;
use proto::File;

/// The file's id.
pub const FILE_ID: &str = "landfall-file-id";
/// Which replay moved it.
pub const REPLAY: &str = "landfall-replay";
/// The key it was uploaded under, percent-encoded; [`objects::original_key`] reads it.
pub const KEY: &str = "landfall-key";

/// Bytes of user metadata, names and values, that AWS takes.
const LIMIT: usize = 2048;

/// The copy's user metadata: the source's, and Landfall's over it. Where a long key of mostly
/// non-ASCII characters would not fit the store's limit, it is left out: the events have it.
pub fn metadata(source: &Head, file: &File, replay: u32) -> BTreeMap<String, String> {
    let mut metadata = source.metadata.clone();
    metadata.insert(FILE_ID.to_owned(), file.id.to_string());
    metadata.insert(REPLAY.to_owned(), replay.to_string());
    metadata.insert(KEY.to_owned(), objects::metadata_value(&file.key));
    let bytes: usize = metadata
        .iter()
        .map(|(name, value)| name.len() + value.len())
        .sum();
    if bytes > LIMIT {
        metadata.remove(KEY);
    }
    metadata
}

/// Whether an object is this file's copy of this replay.
pub fn is_of(head: &Head, file: &File, replay: u32) -> bool {
    let says = |name: &str, value: &str| head.metadata.get(name).is_some_and(|said| said == value);
    says(FILE_ID, &file.id.to_string()) && says(REPLAY, &replay.to_string())
}
