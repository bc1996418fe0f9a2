//! The buckets, and what somebody else does to them past every client.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;

use crate::multipart::Upload;
use crate::{Content, Flavour, Object};

/// Everything that is stored.
#[derive(Debug)]
pub struct Store {
    pub(crate) flavour: Flavour,
    pub(crate) clock: Timestamp,
    pub(crate) buckets: BTreeMap<String, Bucket>,
    /// Versions and uploads so far: their ids are numbers.
    made: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Bucket {
    pub(crate) versioned: bool,
    /// The versions of each key, the newest last.
    pub(crate) objects: BTreeMap<String, Vec<Object>>,
    /// By their ids.
    pub(crate) uploads: BTreeMap<String, Upload>,
}

/// A version with bytes, where it lies.
#[derive(Clone, Copy, Debug)]
pub struct Lying<'a> {
    /// Bucket.
    pub bucket: &'a str,
    /// Key.
    pub key: &'a str,
    /// Whether it is what the key shows.
    pub newest: bool,
    /// Version id and time.
    pub object: &'a Object,
    /// Its bytes, and what is with them.
    pub content: &'a Content,
}

impl Store {
    /// A store without a bucket. Its clock stands at noon of the first day of 2026.
    pub fn new(flavour: Flavour) -> Self {
        Self {
            flavour,
            clock: Timestamp::from_second(1_767_268_800).unwrap_or_default(),
            buckets: BTreeMap::new(),
            made: 0,
        }
    }

    /// Which store it is taken for.
    pub fn flavour(&self) -> Flavour {
        self.flavour
    }

    /// Makes a bucket; one that is there stays as it is.
    pub fn create_bucket(&mut self, name: &str) {
        self.buckets.entry(name.to_owned()).or_default();
    }

    /// From now on the bucket keeps every version, where this store can do that.
    pub fn keep_versions(&mut self, bucket: &str) {
        let can = self.flavour.knows_versions();
        if let Some(bucket) = self.buckets.get_mut(bucket) {
            bucket.versioned = can;
        }
    }

    /// Moves the clock on.
    pub fn pass(&mut self, time: Duration) {
        self.clock = self.clock.checked_add(time).unwrap_or(self.clock);
    }

    /// Writes an object over whatever has its name; none where there is no such bucket.
    pub fn put(
        &mut self,
        bucket: &str,
        key: &str,
        bytes: impl Into<Bytes>,
        metadata: BTreeMap<String, String>,
    ) -> Option<Object> {
        let content = Content {
            metadata,
            ..Content::new(bytes.into())
        };
        self.write(bucket, key, Some(content))
    }

    /// Deletes an object, as a request without a precondition does: with a version's id that
    /// version, else the key (which in a versioned bucket gets a marker).
    pub fn delete(&mut self, bucket: &str, key: &str, version: Option<&str>) {
        if let Some(id) = version {
            self.delete_version(bucket, key, id);
        } else {
            self.cover(bucket, key);
        }
    }

    /// Everything with bytes: older versions as well, delete markers not.
    pub fn lying(&self) -> impl Iterator<Item = Lying<'_>> {
        self.buckets.iter().flat_map(|(bucket, inside)| {
            inside.objects.iter().flat_map(move |(key, versions)| {
                let last = versions.len().saturating_sub(1);
                versions
                    .iter()
                    .enumerate()
                    .filter_map(move |(index, object)| {
                        Some(Lying {
                            bucket,
                            key,
                            newest: index == last,
                            object,
                            content: object.content.as_ref()?,
                        })
                    })
            })
        })
    }

    /// Removes every object and every upload; the buckets stay.
    pub fn clear(&mut self) {
        for bucket in self.buckets.values_mut() {
            bucket.objects.clear();
            bucket.uploads.clear();
        }
    }

    /// A new id.
    pub(crate) fn next_id(&mut self) -> String {
        self.made += 1;
        format!("{:016x}", self.made)
    }

    /// Writes a version, or a delete marker.
    pub(crate) fn write(
        &mut self,
        bucket: &str,
        key: &str,
        content: Option<Content>,
    ) -> Option<Object> {
        let id = self.next_id();
        let bucket = self.buckets.get_mut(bucket)?;
        let object = Object {
            id: bucket.versioned.then_some(id),
            modified: self.clock,
            content,
        };
        let versions = bucket.objects.entry(key.to_owned()).or_default();
        if object.id.is_none() {
            // Without versions there is one; it is the one without an id.
            versions.retain(|version| version.id.is_some());
        }
        versions.push(object.clone());
        Some(object)
    }

    /// Without versions the object goes; with them a marker covers it. Answers the marker.
    pub(crate) fn cover(&mut self, bucket: &str, key: &str) -> Option<Object> {
        if self.buckets.get(bucket)?.versioned {
            return self.write(bucket, key, None);
        }
        self.buckets.get_mut(bucket)?.objects.remove(key);
        None
    }

    /// Answers what was removed, if there was anything.
    pub(crate) fn delete_version(&mut self, bucket: &str, key: &str, id: &str) -> Option<Object> {
        let objects = &mut self.buckets.get_mut(bucket)?.objects;
        let versions = objects.get_mut(key)?;
        let index = versions.iter().position(|version| is_called(version, id))?;
        let removed = versions.remove(index);
        if versions.is_empty() {
            objects.remove(key);
        }
        Some(removed)
    }
}

impl Bucket {
    /// What a key shows; none where that is nothing or a delete marker.
    pub(crate) fn shown(&self, key: &str) -> Option<(&Object, &Content)> {
        let newest = self.objects.get(key)?.last()?;
        Some((newest, newest.content.as_ref()?))
    }

    pub(crate) fn version(&self, key: &str, id: &str) -> Option<&Object> {
        let mut versions = self.objects.get(key)?.iter();
        versions.find(|version| is_called(version, id))
    }
}

/// What was written while the bucket kept no versions is called `null`.
fn is_called(object: &Object, id: &str) -> bool {
    object.id.as_deref().unwrap_or("null") == id
}
