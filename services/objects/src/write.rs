//! Writing, copying and deleting, with preconditions.

use std::collections::BTreeMap;

use aws_sdk_s3::operation::copy_object::CopyObjectOutput;
use aws_sdk_s3::operation::delete_object::DeleteObjectOutput;
use aws_sdk_s3::operation::put_object::PutObjectOutput;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{BucketVersioningStatus, MetadataDirective};
use bytes::Bytes;
use proto::Version;
use proto::event::Location;

use crate::call::{Call, Failure, Operation};
use crate::encoding::copy_source;
use crate::{Error, Head, Objects, Result};

/// A copy within the store.
#[derive(Clone, Copy, Debug)]
pub struct Copy<'a> {
    /// The object to copy.
    pub source: &'a Location,
    /// Exactly which version of it.
    pub version: &'a Version,
    /// What `HEAD` said of it: its headers go with the copy.
    pub head: &'a Head,
    /// Where to.
    pub destination: &'a Location,
    /// The copy's whole user metadata.
    pub metadata: &'a BTreeMap<String, String>,
    /// Whether the store is to look at the source's entity tag once more. A version id alone names
    /// one version; without one, nothing else does.
    pub if_match: bool,
    /// Whether nothing may be there yet.
    pub if_absent: bool,
}

/// Which version a delete is about.
#[derive(Clone, Copy, Debug)]
pub enum Removal<'a> {
    /// The one with this version id.
    Version(&'a str),
    /// The newest, if it has this entity tag.
    IfMatch(&'a str),
    /// The newest, whatever it is.
    Newest,
}

impl Objects {
    /// Writes an object, over whatever has its name.
    pub async fn put(
        &self,
        location: &Location,
        body: Bytes,
        content_type: Option<&str>,
        metadata: &BTreeMap<String, String>,
    ) -> Result<()> {
        self.write(location, body, content_type, metadata)
            .await
            .map(drop)
            .map_err(|failure| failure.into_error(call(Operation::Put, location)))
    }

    pub(crate) async fn write(
        &self,
        location: &Location,
        body: Bytes,
        content_type: Option<&str>,
        metadata: &BTreeMap<String, String>,
    ) -> Result<PutObjectOutput, Failure> {
        let timeout = self.timeout_for(body.len() as u64);
        let request = self
            .client
            .put_object()
            .bucket(&location.bucket)
            .key(&location.key)
            .set_content_type(content_type.map(str::to_owned))
            .set_metadata(Some(metadata.clone().into_iter().collect()))
            .body(ByteStream::from(body))
            .send();
        self.call(call(Operation::Put, location), timeout, Box::pin(request))
            .await
    }

    /// Copies with the source's headers, tags and key of KMS's and the metadata given: in one
    /// request, or in parts above `[objects] copy_above` bytes. `false`: a
    /// precondition was not met (the source is not this version any more, or the destination is
    /// taken), or the store cannot say; only a look at both tells.
    pub async fn copy(&self, copy: Copy<'_>) -> Result<bool> {
        let call = call(Operation::Copy, copy.destination);
        let copied = if copy.head.size > self.copy_above {
            Box::pin(self.copy_in_parts(copy)).await
        } else {
            Box::pin(self.transfer(copy, &copy.version.etag))
                .await
                .map(drop)
        };
        match copied {
            Ok(()) => Ok(true),
            Err(Failure::Missing | Failure::Unmet) => Ok(false),
            Err(failure) => match failure.into_error(call) {
                // Some stores say of a missing bucket that they have an internal error.
                away @ Error::Away(_) => match self.must_exist(&copy.destination.bucket).await {
                    Err(denied @ Error::Denied(_)) => Err(denied),
                    _ => Err(away),
                },
                error => Err(error),
            },
        }
    }

    pub(crate) async fn transfer(
        &self,
        copy: Copy<'_>,
        etag: &str,
    ) -> Result<CopyObjectOutput, Failure> {
        let Copy {
            source,
            version,
            head,
            destination,
            ..
        } = copy;
        let mut request = self
            .client
            .copy_object()
            .copy_source(copy_source(
                &source.bucket,
                &source.key,
                version.id.as_deref(),
            ))
            .bucket(&destination.bucket)
            .key(&destination.key)
            .metadata_directive(MetadataDirective::Replace)
            .set_metadata(Some(copy.metadata.clone().into_iter().collect()))
            .set_content_type(head.content_type.clone())
            .set_content_encoding(head.content_encoding.clone())
            .set_content_language(head.content_language.clone())
            .set_content_disposition(head.content_disposition.clone())
            .set_cache_control(head.cache_control.clone())
            .set_expires(head.expires());
        if let Some(kms) = &head.kms {
            request = request
                .server_side_encryption(kms.algorithm.clone())
                .set_ssekms_key_id(kms.key.clone())
                .set_bucket_key_enabled(kms.bucket_key);
        }
        if copy.if_match {
            request = request.copy_source_if_match(format!("\"{etag}\""));
        }
        if copy.if_absent {
            request = request.if_none_match("*");
        }
        let call = call(Operation::Copy, destination);
        self.call(call, self.timeout_for(head.size), Box::pin(request.send()))
            .await
    }

    /// Deletes one version. `false`: the precondition was not met, or there was nothing to delete.
    /// (Most stores answer `true` to an unconditional delete of nothing.)
    pub async fn delete(&self, location: &Location, removal: Removal<'_>) -> Result<bool> {
        match self.erase(location, removal).await {
            Ok(_) => Ok(true),
            Err(Failure::Missing | Failure::Unmet) => Ok(false),
            Err(failure) => Err(failure.into_error(call(Operation::Delete, location))),
        }
    }

    pub(crate) async fn erase(
        &self,
        location: &Location,
        removal: Removal<'_>,
    ) -> Result<DeleteObjectOutput, Failure> {
        let request = self
            .client
            .delete_object()
            .bucket(&location.bucket)
            .key(&location.key);
        let request = match removal {
            Removal::Version(id) => request.version_id(id),
            Removal::IfMatch(etag) => request.if_match(format!("\"{etag}\"")),
            Removal::Newest => request,
        };
        let call = call(Operation::Delete, location);
        self.call(call, self.timeout, Box::pin(request.send()))
            .await
    }

    /// Whether a bucket keeps versions. Where the store knows nothing of versions, it does not.
    pub async fn is_versioned(&self, bucket: &str) -> Result<bool> {
        let call = Call {
            operation: Operation::Versioning,
            bucket,
            key: "",
        };
        let request = self.client.get_bucket_versioning().bucket(bucket).send();
        match self.call(call, self.timeout, Box::pin(request)).await {
            Ok(output) => Ok(output.status() == Some(&BucketVersioningStatus::Enabled)),
            Err(Failure::Missing) => Ok(false),
            Err(failure) => Err(failure.into_error(call)),
        }
    }
}

fn call(operation: Operation, location: &Location) -> Call<'_> {
    Call {
        operation,
        bucket: &location.bucket,
        key: &location.key,
    }
}
