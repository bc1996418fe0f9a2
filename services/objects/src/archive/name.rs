//! Where a file is filed: two names, the second for when the first is not to be had.

use proto::FileId;

/// Bytes of a key, in every store.
const KEY: usize = 1024;

/// Bytes of a key between two slashes, in stores that keep objects as files.
const SEGMENT: usize = 255;

/// Which of a file's two names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Name {
    /// `<prefix><key>`
    Whole,
    /// `<prefix><key>~<first 16 digits of the file id>`
    Tagged,
}

impl Name {
    /// The other one.
    pub fn other(self) -> Self {
        match self {
            Self::Whole => Self::Tagged,
            Self::Tagged => Self::Whole,
        }
    }
}

/// `<prefix><whole key>`; none where that is longer than a store's keys.
pub fn whole(prefix: &str, key: &str) -> Option<String> {
    (prefix.len() + key.len() <= KEY).then(|| format!("{prefix}{key}"))
}

/// `<prefix><key>~<first 16 digits of the file id>`, where the key gives up as much of its end as
/// the store's limits ask for: 1,024 bytes in all, 255 after the last slash. No two files share
/// one, as the digits are a hash of bucket, key and version; the whole key is in the copy's
/// metadata.
pub fn tagged(prefix: &str, key: &str, file: FileId) -> String {
    let tag = format!("~{}", file.short());
    let mut name = format!("{prefix}{key}");
    shorten(&mut name, KEY - tag.len());
    let last = name.rfind('/').map_or(0, |slash| slash + 1);
    shorten(&mut name, last + SEGMENT - tag.len());
    name + &tag
}

/// Cuts `text` to at most `bytes`, between two characters.
fn shorten(text: &mut String, bytes: usize) {
    if text.len() > bytes {
        text.truncate(text.floor_char_boundary(bytes));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn id(byte: u8) -> FileId {
        FileId::from_bytes([byte; 16])
    }

    #[test]
    fn names_keep_the_whole_key() {
        assert_eq!(
            whole("processed/", "incoming/a b.csv").as_deref(),
            Some("processed/incoming/a b.csv")
        );
        assert_eq!(
            tagged("processed/", "incoming/a.csv", id(0xab)),
            "processed/incoming/a.csv~abababababababab"
        );
    }

    #[test]
    fn a_key_of_1024_bytes_is_shortened_to_fit() {
        let key = format!("in/{}/x.csv", "ü".repeat(507));
        assert_eq!(key.len(), 1024 - 1);
        assert_eq!(whole("processed/", &key), None);
        let name = tagged("processed/", &key, id(1));
        assert!(name.starts_with("processed/in/üüü"), "{name}");
        assert!(name.ends_with("ü~0101010101010101"), "{name}");
        // 13 bytes of prefix and `in/`, 119 times two bytes, 17 bytes of tag.
        assert_eq!(name.len(), 13 + 238 + 17);
    }

    #[test]
    fn a_last_segment_that_fills_its_limit_makes_room_for_the_tag() {
        let key = format!("in/{}", "n".repeat(255));
        let name = tagged("processed/", &key, id(1));
        assert_eq!(name.rsplit('/').next().unwrap().len(), 255);
    }

    proptest! {
        #[test]
        fn names_fit_the_store_and_tell_files_apart(
            prefix in "[a-z]{0,8}/?",
            key in proptest::collection::vec(any::<char>(), 1..1024),
            one in any::<[u8; 16]>(),
            two in any::<[u8; 16]>(),
        ) {
            let key: String = key.into_iter().collect();
            let (one, two) = (FileId::from_bytes(one), FileId::from_bytes(two));
            let name = tagged(&prefix, &key, one);
            prop_assert!(name.len() <= KEY);
            prop_assert!(name.rsplit('/').next().unwrap().len() <= SEGMENT);
            prop_assert!(whole(&prefix, &key).is_none_or(|name| name.len() <= KEY));
            prop_assert_eq!(&name, &tagged(&prefix, &key, one));
            if one.short() != two.short() {
                prop_assert_ne!(name, tagged(&prefix, &key, two));
            }
        }
    }
}
