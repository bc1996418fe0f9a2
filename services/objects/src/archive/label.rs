//! What a copy carries to be known again: whose it is.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use percent_encoding::percent_decode_str;
use proto::File;

use crate::{Head, metadata_value};

/// The file's id.
pub const FILE_ID: &str = "landfall-file-id";
/// Which replay moved it.
pub const REPLAY: &str = "landfall-replay";
/// The key it was uploaded under, percent-encoded.
pub const KEY: &str = "landfall-key";
/// The same in base64 (URL-safe, unpadded), where percent-encoding makes it too long.
pub const KEY_BASE64: &str = "landfall-key-base64";

/// What all of these begin with.
const OURS: &str = "landfall-";

/// Bytes of user metadata, names and values, that AWS takes.
const LIMIT: usize = 2048;

/// The copy's user metadata: the source's, and Landfall's over it. The id always goes in, the key
/// as far as the source's own metadata leaves room. Where that leaves none even for the id, its
/// largest entries stay behind, and the log says which: a file that could not be moved at all would
/// be worse.
pub fn metadata(source: &Head, file: &File, replay: u32) -> BTreeMap<String, String> {
    let ours = BTreeMap::from([
        (FILE_ID.to_owned(), file.id.to_string()),
        (REPLAY.to_owned(), replay.to_string()),
    ]);
    let mut metadata = source.metadata.clone();
    metadata.retain(|name, _| !name.starts_with(OURS));
    while size(&ours) + size(&metadata) > LIMIT
        && let Some(name) = largest(&metadata)
        && let Some(value) = metadata.remove(&name)
    {
        let bytes = value.len();
        tracing::warn!(
            file = %file.id, key = ?file.key, ?name, bytes,
            "the object's own metadata leaves no room for Landfall's: its copy goes without this"
        );
    }
    metadata.extend(ours);
    let taken = size(&metadata);
    let percent = metadata_value(&file.key);
    let base64 = URL_SAFE_NO_PAD.encode(&file.key);
    let fitting = [(KEY, percent), (KEY_BASE64, base64)]
        .into_iter()
        .find(|(name, value)| taken + name.len() + value.len() <= LIMIT);
    metadata.extend(fitting.map(|(name, value)| (name.to_owned(), value)));
    metadata
}

/// Bytes as the store counts them.
fn size(metadata: &BTreeMap<String, String>) -> usize {
    let entries = metadata.iter();
    entries.map(|(name, value)| name.len() + value.len()).sum()
}

fn largest(metadata: &BTreeMap<String, String>) -> Option<String> {
    let largest = metadata
        .iter()
        .max_by_key(|(name, value)| name.len() + value.len());
    largest.map(|(name, _)| name.clone())
}

/// The key that a copy's file was uploaded under.
pub fn original_key(metadata: &BTreeMap<String, String>) -> Option<String> {
    if let Some(percent) = metadata.get(KEY) {
        let key = percent_decode_str(percent).decode_utf8().ok()?;
        return Some(key.into_owned());
    }
    let bytes = URL_SAFE_NO_PAD.decode(metadata.get(KEY_BASE64)?).ok()?;
    String::from_utf8(bytes).ok()
}

/// Whether an object is this file's copy of this replay.
pub fn is_of(head: &Head, file: &File, replay: u32) -> bool {
    let says = |name: &str, value: &str| head.metadata.get(name).is_some_and(|said| said == value);
    says(FILE_ID, &file.id.to_string()) && says(REPLAY, &replay.to_string())
}

/// Which replay of the file an object is the copy of, if it is one.
pub fn replay_of(head: &Head, file: &File) -> Option<u32> {
    let id = head.metadata.get(FILE_ID)?;
    let replay = head.metadata.get(REPLAY)?.parse().ok()?;
    (*id == file.id.to_string()).then_some(replay)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use proptest::prelude::*;
    use proto::{FileId, Version};

    use super::*;

    fn file(key: &str) -> File {
        let version = Version::new("tag", Timestamp::UNIX_EPOCH, None);
        File {
            id: FileId::of("b", key, &version),
            bucket: "b".to_owned(),
            key: key.to_owned(),
            version,
            size: 0,
            content_type: None,
            content_encoding: None,
            order: Timestamp::UNIX_EPOCH,
            profile: "default".to_owned(),
        }
    }

    fn head(metadata: &[(&str, &str)]) -> Head {
        Head {
            version: Version::new("tag", Timestamp::UNIX_EPOCH, None),
            size: 0,
            content_type: None,
            content_encoding: None,
            content_language: None,
            content_disposition: None,
            cache_control: None,
            expires: None,
            metadata: metadata
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            digests: BTreeMap::new(),
            kms: None,
        }
    }

    #[test]
    fn a_plain_key_stays_readable() {
        let metadata = metadata(&head(&[]), &file("in/a b%.csv"), 3);
        assert_eq!(metadata[KEY], "in/a%20b%25.csv");
        assert_eq!(metadata[REPLAY], "3");
    }

    #[test]
    fn the_longest_key_of_any_script_fits_what_the_store_takes() {
        for character in ["x", "ü", "漢", "😀"] {
            let key = character.repeat(1024 / character.len());
            let metadata = metadata(&head(&[]), &file(&key), 0);
            assert!(size(&metadata) <= LIMIT);
            assert_eq!(original_key(&metadata), Some(key));
        }
    }

    #[test]
    fn metadata_of_the_sources_own_that_fills_the_limit_leaves_room_for_the_id() {
        let own = "x".repeat(1900);
        let file = file(&"k".repeat(1000));
        let metadata = metadata(&head(&[("own", &own)]), &file, 0);
        assert!(size(&metadata) <= LIMIT);
        assert_eq!(metadata["own"], own);
        assert_eq!(metadata[FILE_ID], file.id.to_string());
        assert_eq!(original_key(&metadata), None);
    }

    #[test]
    fn where_there_is_no_room_for_the_id_the_largest_of_the_sources_own_stay_behind() {
        // Without Landfall's 64 bytes they are what a store takes.
        let (long, longer) = ("x".repeat(900), "y".repeat(1_100));
        let own = head(&[("a", &long), ("b", &longer), ("c", "small")]);
        assert!(size(&own.metadata) > LIMIT - 64 && size(&own.metadata) <= LIMIT);
        let file = file("in/a.csv");
        let metadata = metadata(&own, &file, 0);
        assert!(size(&metadata) <= LIMIT);
        assert_eq!(metadata[FILE_ID], file.id.to_string());
        assert_eq!(metadata.get("b"), None);
        assert_eq!((&metadata["a"], metadata["c"].as_str()), (&long, "small"));
        assert_eq!(original_key(&metadata).as_deref(), Some("in/a.csv"));
    }

    #[test]
    fn a_copy_that_somebody_uploads_again_is_not_taken_for_the_first_files() {
        let (first, again) = (file("in/a.csv"), file("in/b.csv"));
        let copied = metadata(&head(&[]), &first, 0);
        let mut source = head(&[]);
        source.metadata = copied;
        let mut copy = head(&[]);
        copy.metadata = metadata(&source, &again, 0);
        assert!(is_of(&copy, &again, 0));
        assert!(!is_of(&copy, &first, 0));
        assert!(!is_of(&copy, &again, 1));
        assert_eq!(original_key(&copy.metadata).as_deref(), Some("in/b.csv"));
    }

    proptest! {
        #[test]
        fn any_key_survives_as_printable_ascii(key in "\\PC{0,400}|[\u{0}-\u{2ff}]{0,400}") {
            let metadata = metadata(&head(&[]), &file(&key), 0);
            let ascii = |value: &String| value.bytes().all(|byte| (0x21..=0x7e).contains(&byte));
            prop_assert!(metadata.values().all(ascii));
            prop_assert_eq!(original_key(&metadata), Some(key));
        }
    }
}
