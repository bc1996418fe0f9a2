//! What a bucket's store makes of preconditions. Documentation and version numbers do not tell;
//! trying does.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};

use bytes::Bytes;
use proto::event::Location;

use crate::call::{Call, Failure, Operation};
use crate::write::Copy;
use crate::{Error, Objects, Removal, Result};

/// Where the probe's objects are, for less than a second. Nobody's files: the watcher ignores it.
pub const PROBE_PREFIX: &str = ".landfall-probe/";

/// An entity tag that no object has.
const WRONG: &str = "00000000000000000000000000000000";

/// Which preconditions a bucket's store honours, and whether the bucket keeps versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preconditions {
    /// `PutObject` with `If-None-Match: *`.
    pub put_if_absent: bool,
    /// `CopyObject` with `If-None-Match: *`.
    pub copy_if_absent: bool,
    /// `CopyObject` with `x-amz-copy-source-if-match`.
    pub copy_source_if_match: bool,
    /// `DeleteObject` with `If-Match`.
    pub delete_if_match: bool,
    /// Whether an overwritten object stays as an older version.
    pub versioned: bool,
}

impl Objects {
    /// Tries every precondition on two small objects under [`PROBE_PREFIX`] with random names, and
    /// removes them again, also when it fails half way. Safe to repeat, and for many at once. What
    /// a crash leaves behind are two objects of five bytes.
    pub async fn probe(&self, bucket: &str) -> Result<Preconditions> {
        let random = RandomState::new().hash_one(std::process::id());
        // The leading dot makes it a hidden file too, for whoever ignores those.
        let at = |which: &str| Location {
            bucket: bucket.to_owned(),
            key: format!("{PROBE_PREFIX}.{random:016x}-{which}"),
        };
        // Some stores make a bucket of any name that is written to.
        self.must_exist(bucket).await?;
        let probe = Probe {
            objects: self,
            one: at("1"),
            two: at("2"),
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
}

impl Probe<'_> {
    async fn try_all(&self) -> Result<Preconditions> {
        let Self { objects, one, two } = self;
        let versioned = self.write(one, None).await?.unwrap_or_default();
        self.write(two, None).await?;
        Ok(Preconditions {
            versioned,
            put_if_absent: self.write(one, Some("*")).await?.is_none(),
            copy_source_if_match: !self.copy(WRONG, false).await?,
            copy_if_absent: !self.copy(&self.etag().await?, true).await?,
            // Last: where it is ignored, the object is gone.
            delete_if_match: !objects.delete(one, Removal::IfMatch(WRONG)).await?,
        })
    }

    /// Whether the bucket gave the object a version id; none if a precondition refused it.
    async fn write(&self, at: &Location, if_none_match: Option<&str>) -> Result<Option<bool>> {
        let body = Bytes::from_static(b"probe");
        match self
            .objects
            .write(at, body, None, &BTreeMap::new(), if_none_match)
            .await
        {
            Ok(output) => Ok(Some(
                output
                    .version_id()
                    .is_some_and(|id| !id.is_empty() && id != "null"),
            )),
            Err(Failure::Unmet) => Ok(None),
            Err(failure) => Err(self.unexpected(failure)),
        }
    }

    /// Whether the first object could be copied over the second.
    async fn copy(&self, etag: &str, if_absent: bool) -> Result<bool> {
        let head = self.head().await?;
        let copy = Copy {
            source: &self.one,
            version: &head.version,
            head: &head,
            destination: &self.two,
            metadata: &BTreeMap::new(),
            if_absent,
        };
        match self.objects.transfer(copy, etag).await {
            Ok(()) => Ok(true),
            Err(Failure::Unmet) => Ok(false),
            Err(failure) => Err(self.unexpected(failure)),
        }
    }

    async fn etag(&self) -> Result<String> {
        Ok(self.head().await?.version.etag)
    }

    async fn head(&self) -> Result<crate::Head> {
        let Location { bucket, key } = &self.one;
        self.objects
            .head(bucket, key)
            .await?
            .ok_or_else(|| self.unexpected(Failure::Missing))
    }

    fn unexpected(&self, failure: Failure) -> Error {
        match failure {
            Failure::Other(error) => error,
            Failure::Missing | Failure::Unmet => Error::Away(format!(
                "bucket `{}`: an object that was just written under `{PROBE_PREFIX}` is not there",
                self.one.bucket
            )),
        }
    }

    /// Removes every version of both objects. Three at most were written of each.
    async fn clean(&self) -> Result<()> {
        for at in [&self.one, &self.two] {
            while let Some(head) = self.objects.head(&at.bucket, &at.key).await? {
                let removal = match &head.version.id {
                    Some(id) => Removal::Version(id),
                    None => Removal::Newest,
                };
                self.objects.delete(at, removal).await?;
            }
        }
        Ok(())
    }
}
