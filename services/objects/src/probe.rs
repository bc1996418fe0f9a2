//! What a bucket's store makes of preconditions. Documentation and version numbers do not tell;
//! trying does.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};

use bytes::Bytes;
use proto::Version;
use proto::event::Location;

use crate::call::{Call, Failure, Operation};
use crate::write::Copy;
use crate::{Error, Head, Objects, Removal, Result};

/// Where the probe's objects are, for less than a second. Nobody's files: the watcher ignores it.
pub const PROBE_PREFIX: &str = ".landfall-probe/";

/// Whether an object is a probe of the store and nobody's file: below [`PROBE_PREFIX`], or by such a
/// name elsewhere ([`crate::Trial`]).
pub fn is_probe(key: &str) -> bool {
    let name = key.rsplit('/').next().unwrap_or(key);
    key.starts_with(PROBE_PREFIX) || name.starts_with(PROBE_NAME)
}

/// How the names of probes begin that lie among files.
pub(crate) const PROBE_NAME: &str = ".landfall-probe-";

/// An entity tag that no object has.
const WRONG: &str = "00000000000000000000000000000000";

/// Which preconditions a bucket's store honours, and whether the bucket keeps versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preconditions {
    /// `CopyObject` with `If-None-Match: *`.
    pub copy_if_absent: bool,
    /// `CopyObject` with `x-amz-copy-source-if-match`.
    pub copy_source_if_match: bool,
    /// `DeleteObject` with `If-Match`.
    pub delete_if_match: bool,
    /// Whether an overwritten object stays as an older version.
    pub versioned: bool,
}

impl Preconditions {
    /// How exactly this version is deleted, as far as the store can.
    pub fn removal<'a>(&self, version: &'a Version) -> Removal<'a> {
        match &version.id {
            Some(id) => Removal::Version(id),
            None if self.delete_if_match => Removal::IfMatch(&version.etag),
            None => Removal::Newest,
        }
    }
}

impl Objects {
    /// Tries every precondition on two small objects under [`PROBE_PREFIX`] with random names, and
    /// removes them again, also when it fails half way. Safe to repeat, and for many at once. What
    /// a crash leaves behind are two objects of five bytes. That something is ignored is believed
    /// only where a second look says the same: a store in trouble ignores now and then what it
    /// honours else.
    pub async fn probe(&self, bucket: &str) -> Result<Preconditions> {
        let found = self.probe_once(bucket).await?;
        if found.copy_if_absent && found.copy_source_if_match && found.delete_if_match {
            return Ok(found);
        }
        self.probe_once(bucket).await
    }

    async fn probe_once(&self, bucket: &str) -> Result<Preconditions> {
        let random = RandomState::new().hash_one(std::process::id());
        // The leading dot makes it a hidden file too, for whoever ignores those.
        let at = |which: &str| Location {
            bucket: bucket.to_owned(),
            key: format!("{PROBE_PREFIX}.{random:016x}-{which}"),
        };
        // Some stores make a bucket of any name that is written to.
        self.must_exist(bucket).await?;
        let mut probe = Probe {
            objects: self,
            one: at("1"),
            two: at("2"),
            written: vec![],
        };
        let found = probe.try_all().await;
        let cleaned = probe.clean().await;
        let found = found?;
        cleaned?;
        Ok(found)
    }

    pub(crate) async fn must_exist(&self, bucket: &str) -> Result<()> {
        let call = Call {
            operation: Operation::Bucket,
            bucket,
            key: "",
        };
        let request = self.client.head_bucket().bucket(bucket).send();
        match self.call(call, self.timeout, Box::pin(request)).await {
            Ok(_) => Ok(()),
            Err(Failure::Missing) => Err(Error::Denied(format!(
                "there is no bucket `{bucket}`: create it, or correct its name in the configuration"
            ))),
            Err(failure) => Err(failure.into_error(call)),
        }
    }
}

struct Probe<'a> {
    objects: &'a Objects,
    one: Location,
    two: Location,
    /// Everything that was written, delete markers too: where, and the version's id if it has one.
    written: Vec<(Location, Option<String>)>,
}

impl Probe<'_> {
    async fn try_all(&mut self) -> Result<Preconditions> {
        let one = self.one.clone();
        let versioned = self.put(&one).await?.is_some();
        let head = self.head().await?;
        // First without any: what is wrong then is not the preconditions' doing. And there has to
        // be something at the destination.
        if let Err(failure) = self.copy(&head, None, false).await {
            return Err(self.unexpected(failure));
        }
        let copy_source_if_match = self.copy(&head, Some(WRONG), false).await;
        let copy_if_absent = self.copy(&head, None, true).await;
        // Last: where it is ignored, the object is gone.
        let delete_if_match = self.delete(WRONG).await;
        Ok(Preconditions {
            versioned,
            copy_source_if_match: self.is_honoured(copy_source_if_match)?,
            copy_if_absent: self.is_honoured(copy_if_absent)?,
            delete_if_match: self.is_honoured(delete_if_match)?,
        })
    }

    /// What the answer to a request says of the precondition, which was not met. A store that
    /// does not take the request with it (501) cannot be asked so, any more than one that ignores
    /// it.
    fn is_honoured(&self, answer: Result<(), Failure>) -> Result<bool> {
        match answer {
            Ok(()) => Ok(false),
            Err(Failure::Unmet) => Ok(true),
            Err(Failure::Other(Error::Refused(_))) => Ok(false),
            Err(failure) => Err(self.unexpected(failure)),
        }
    }

    /// The version's id, if the bucket gave it one.
    async fn put(&mut self, at: &Location) -> Result<Option<String>> {
        let (body, metadata) = (Bytes::from_static(b"probe"), BTreeMap::new());
        let put = self.objects.write(at, body, None, &metadata);
        match Box::pin(put).await {
            Ok(output) => Ok(self.note(at, output.version_id())),
            Err(failure) => Err(self.unexpected(failure)),
        }
    }

    /// Copies the first object over the second.
    async fn copy(
        &mut self,
        head: &Head,
        etag: Option<&str>,
        if_absent: bool,
    ) -> Result<(), Failure> {
        let copy = Copy {
            source: &self.one,
            version: &head.version,
            head,
            destination: &self.two,
            metadata: &BTreeMap::new(),
            if_match: etag.is_some(),
            if_absent,
        };
        let etag = etag.unwrap_or(&head.version.etag);
        let output = Box::pin(self.objects.transfer(copy, etag)).await?;
        let two = self.two.clone();
        self.note(&two, output.version_id());
        Ok(())
    }

    /// Deletes the first object.
    async fn delete(&mut self, etag: &str) -> Result<(), Failure> {
        let output = Box::pin(self.objects.erase(&self.one, Removal::IfMatch(etag))).await?;
        let one = self.one.clone();
        self.note(&one, output.version_id());
        Ok(())
    }

    fn note(&mut self, at: &Location, id: Option<&str>) -> Option<String> {
        let id = id
            .filter(|id| !id.is_empty() && *id != "null")
            .map(str::to_owned);
        self.written.push((at.clone(), id.clone()));
        id
    }

    async fn head(&self) -> Result<Head> {
        let Location { bucket, key } = &self.one;
        self.objects
            .head(bucket, key)
            .await?
            .ok_or_else(|| self.unexpected(Failure::Missing))
    }

    fn unexpected(&self, failure: Failure) -> Error {
        match failure {
            Failure::Suspect(error) | Failure::Other(error) => error,
            Failure::Missing | Failure::Unmet => Error::Away(format!(
                "bucket `{}`: an object that was just written under `{PROBE_PREFIX}` is not there",
                self.one.bucket
            )),
        }
    }

    async fn clean(&self) -> Result<()> {
        for (at, id) in &self.written {
            let removal = match id {
                Some(id) => Removal::Version(id),
                None => Removal::Newest,
            };
            self.objects.delete(at, removal).await?;
        }
        Ok(())
    }
}
