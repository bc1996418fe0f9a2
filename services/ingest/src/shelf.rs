//! The objects of refused rows: what they are called, and putting them there.

use std::collections::BTreeMap;
use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use objects::{Error, Objects, metadata_value};
use proto::event::{Location, REASONS};
use proto::{File, FileId};
use runtime::Trouble;

use crate::decision::Shelf;
use crate::journal::Journal;
use crate::table::rejects::Rejects;
use crate::way::Way;

/// What the list's name has behind the rows' name.
pub const LIST: &str = REASONS;

/// Bytes of a key, in every store.
const KEY: usize = 1024;
/// Bytes of a key between two slashes, in stores that keep objects as files.
const SEGMENT: usize = 255;
/// Bytes of user metadata, names and values, that AWS takes.
const METADATA: usize = 2048;

const FILE_ID: &str = "landfall-file-id";
const REPLAY: &str = "landfall-replay";
const SOURCE: &str = "landfall-key";

/// Puts refused rows where they belong.
pub struct Shelves<'a> {
    /// The store.
    pub objects: &'a Objects,
    /// Where names are claimed.
    pub journal: &'a Journal,
    /// What this is about.
    pub way: &'a Way,
    /// Where to.
    pub shelf: &'a Shelf,
}

impl Shelves<'_> {
    /// Where the rows of this replay are, if they are there already, with their list.
    pub async fn find(&self) -> Result<Option<Location>, Trouble> {
        for name in self.names() {
            // The list is put last.
            let head = self.head(&format!("{name}{LIST}")).await?;
            if head.is_some_and(|metadata| metadata == self.metadata()) {
                return Ok(Some(self.at(name)));
            }
        }
        Ok(None)
    }

    /// Puts the rows and the list of them, unless they are there; answers where the rows are. Safe
    /// to repeat: the name is claimed for the file, and what an earlier try has put under another
    /// name is found there.
    pub async fn put(&self, rejects: &Rejects, gzip: bool) -> Result<Location, Trouble> {
        if let Some(location) = self.find().await? {
            return Ok(location);
        }
        let mut refused = None;
        for name in self.names() {
            if !self.is_ours(&name).await? {
                continue;
            }
            match self.put_at(&name, rejects, gzip).await {
                Ok(()) => return Ok(self.at(name)),
                // Some stores take fewer characters than others.
                Err(error @ Error::BadKey(_)) => refused = Some(error),
                Err(error) => return Err(error.into()),
            }
        }
        Err(refused.map_or_else(
            || Trouble::Retry {
                reason: format!(
                    "every name for the refused rows of {} is taken: remove what is in the way at {}{} in bucket {}",
                    self.way.file.id,
                    self.shelf.prefix,
                    self.way.file.key,
                    self.shelf.bucket
                ),
            },
            Trouble::from,
        ))
    }

    fn names(&self) -> Vec<String> {
        names(&self.shelf.prefix, &self.way.file)
    }

    fn at(&self, key: String) -> Location {
        Location {
            bucket: self.shelf.bucket.clone(),
            key,
        }
    }

    /// Claims a name, for the rows and for their list. It is another's where the journal says so,
    /// or where something lies there that is not this file's.
    async fn is_ours(&self, name: &str) -> Result<bool, Trouble> {
        let id = self.way.file.id;
        for key in [name.to_owned(), format!("{name}{LIST}")] {
            let owner = self.journal.claim(&self.shelf.bucket, &key, id).await?;
            if owner != id {
                return Ok(false);
            }
            let there = self.head(&key).await?;
            let ours = Some(id.to_string());
            if there.is_some_and(|metadata| metadata.get(FILE_ID).cloned() != ours) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The metadata of what has a name; none if nothing has it.
    async fn head(&self, key: &str) -> Result<Option<BTreeMap<String, String>>, Trouble> {
        match self.objects.head(&self.shelf.bucket, key).await {
            Ok(head) => Ok(head.map(|head| head.metadata)),
            // A name that the store does not take is nobody's.
            Err(Error::BadKey(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    async fn put_at(&self, name: &str, rejects: &Rejects, gzip: bool) -> Result<(), Error> {
        let metadata = self.metadata();
        let rows = rejects.rows();
        let (rows, kind) = if gzip {
            (packed(&rows)?, "application/gzip")
        } else {
            (rows, "text/csv")
        };
        let at = self.at(name.to_owned());
        self.objects
            .put(&at, rows.into(), Some(kind), &metadata)
            .await?;
        let at = self.at(format!("{name}{LIST}"));
        let list = rejects.list().into();
        self.objects
            .put(&at, list, Some("text/csv; charset=utf-8"), &metadata)
            .await
    }

    fn metadata(&self) -> BTreeMap<String, String> {
        let Way { file, replay, .. } = self.way;
        let mut metadata = BTreeMap::from([
            (FILE_ID.to_owned(), file.id.to_string()),
            (REPLAY.to_owned(), replay.to_string()),
        ]);
        let key = metadata_value(&file.key);
        if key.len() + 128 < METADATA {
            metadata.insert(SOURCE.to_owned(), key);
        }
        metadata
    }
}

/// The names that refused rows may have, the best first: `<prefix><key>`; and, where that is
/// another file's or too long, `<prefix><key>~<first 16 digits of the file id>`, whose key gives
/// up as much of its end as the store's limits ask for.
fn names(prefix: &str, file: &File) -> Vec<String> {
    let whole = format!("{prefix}{}", file.key);
    let tagged = tagged(whole.clone(), file.id);
    let last = whole.len() - whole.rfind('/').map_or(0, |slash| slash + 1);
    let fits = whole.len() + LIST.len() <= KEY && last + LIST.len() <= SEGMENT;
    if fits {
        vec![whole, tagged]
    } else {
        vec![tagged]
    }
}

fn tagged(mut name: String, file: FileId) -> String {
    let tag = format!("~{}", file.short());
    let end = tag.len() + LIST.len();
    shorten(&mut name, KEY - end);
    let last = name.rfind('/').map_or(0, |slash| slash + 1);
    shorten(&mut name, last + SEGMENT - end);
    name + &tag
}

/// Cuts `text` to at most `bytes`, between two characters.
fn shorten(text: &mut String, bytes: usize) {
    if text.len() > bytes {
        text.truncate(text.floor_char_boundary(bytes));
    }
}

/// Packed as the file was, so that name and content agree.
fn packed(rows: &[u8]) -> Result<Vec<u8>, Error> {
    let mut packer = GzEncoder::new(vec![], Compression::default());
    let written = packer.write_all(rows).and_then(|()| packer.finish());
    written.map_err(|error| Error::Refused(format!("refused rows cannot be packed: {error}")))
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use proptest::prelude::*;
    use proto::Version;

    use super::*;

    fn file(key: &str, tag: &str) -> File {
        let version = Version::new(tag, Timestamp::UNIX_EPOCH, None);
        File {
            id: FileId::of("bucket", key, &version),
            bucket: "bucket".to_owned(),
            key: key.to_owned(),
            version,
            size: 1,
            content_type: None,
            content_encoding: None,
            order: Timestamp::UNIX_EPOCH,
            profile: "default".to_owned(),
        }
    }

    #[test]
    fn the_first_name_is_the_key_and_the_second_has_the_id() {
        let file = file("incoming/a b.csv", "1");
        let whole = "rejected-rows/incoming/a b.csv".to_owned();
        let tagged = format!("{whole}~{}", file.id.short());
        assert_eq!(names("rejected-rows/", &file), [whole, tagged]);
    }

    proptest! {
        #[test]
        fn every_key_has_names_that_a_store_takes(key in "[a-z/ü🌡]{1,500}") {
            prop_assume!(key.len() <= KEY);
            let (one, other) = (file(&key, "1"), file(&key, "2"));
            let (ours, theirs) = (names("rejected-rows/", &one), names("rejected-rows/", &other));
            prop_assert!(!ours.is_empty());
            for name in &ours {
                prop_assert!(name.starts_with("rejected-rows/"));
                prop_assert!(name.len() + LIST.len() <= KEY);
            }
            for name in &ours {
                let segment = name.rsplit('/').next().unwrap();
                prop_assert!(segment.len() + LIST.len() <= SEGMENT);
            }
            prop_assert_ne!(ours.last().unwrap(), theirs.last().unwrap());
        }
    }
}
