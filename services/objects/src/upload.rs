//! Uploading what may be larger than memory.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use bytes::Bytes;
use proto::event::Location;
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::call::{Call, Failure, Operation};
use crate::{Error, Objects, Result};

/// What is kept in memory of an upload, unless it is so large that its parts have to be larger.
const PART: u64 = 16 << 20;

/// A store takes 10,000 parts; some are left for a file that grows meanwhile.
const PARTS: u64 = 9_000;

/// Which version the store made of an upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uploaded {
    /// Entity tag without quotes.
    pub etag: String,
    /// Version id, in a versioned bucket.
    pub version_id: Option<String>,
}

impl Objects {
    /// Writes what `source` yields to its end as an object, over whatever has its name; the object
    /// appears as a whole or not at all. `size` is how much is expected. `progress` hears of the
    /// bytes that the store has taken.
    pub async fn upload(
        &self,
        location: &Location,
        mut source: impl AsyncRead + Unpin,
        size: u64,
        content_type: Option<&str>,
        progress: impl Fn(u64),
    ) -> Result<Uploaded> {
        let call = of(Operation::Put, location);
        let length = PART.max(size.div_ceil(PARTS));
        let first = part(&mut source, length)
            .await
            .map_err(|error| unread(&error))?;
        let size = first.len() as u64;
        if size < length {
            let output = self
                .write(location, first, content_type, &BTreeMap::new())
                .await
                .map_err(|failure| failure.into_error(call))?;
            progress(size);
            return Ok(uploaded(output.e_tag, output.version_id));
        }
        let request = self
            .client
            .create_multipart_upload()
            .bucket(&location.bucket)
            .key(&location.key)
            .set_content_type(content_type.map(str::to_owned))
            .send();
        let begin = of(Operation::BeginUpload, location);
        let created = self.asked(begin, self.timeout, Box::pin(request)).await?;
        let id = created.upload_id.unwrap_or_default();
        let parts = Parts {
            objects: self,
            location,
            id: &id,
        };
        let outcome = parts.send(first, &mut source, length, progress).await;
        if outcome.is_err() {
            parts.abandon().await;
        }
        outcome
    }

    async fn asked<O, E>(
        &self,
        call: Call<'_>,
        timeout: Duration,
        request: crate::call::Request<'_, O, E>,
    ) -> Result<O>
    where
        E: aws_sdk_s3::error::ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        self.call(call, timeout, request)
            .await
            .map_err(|failure: Failure| failure.into_error(call))
    }
}

/// An upload in parts, begun and not yet ended.
struct Parts<'a> {
    objects: &'a Objects,
    location: &'a Location,
    id: &'a str,
}

impl Parts<'_> {
    async fn send(
        &self,
        first: Bytes,
        source: &mut (impl AsyncRead + Unpin),
        length: u64,
        progress: impl Fn(u64),
    ) -> Result<Uploaded> {
        let mut sent = CompletedMultipartUpload::builder();
        let (mut number, mut bytes) = (1, first);
        while !bytes.is_empty() {
            let size = bytes.len() as u64;
            let etag = self.send_one(number, bytes).await?;
            sent = sent.parts(
                CompletedPart::builder()
                    .part_number(number)
                    .set_e_tag(etag)
                    .build(),
            );
            progress(size);
            bytes = part(source, length).await.map_err(|error| unread(&error))?;
            number += 1;
        }
        let request = self
            .objects
            .client
            .complete_multipart_upload()
            .bucket(&self.location.bucket)
            .key(&self.location.key)
            .upload_id(self.id)
            .multipart_upload(sent.build())
            .send();
        let timeout = self
            .objects
            .timeout_for(u64::from(number.unsigned_abs()) * length);
        let done = self
            .objects
            .asked(
                of(Operation::CompleteUpload, self.location),
                timeout,
                Box::pin(request),
            )
            .await?;
        Ok(uploaded(done.e_tag, done.version_id))
    }

    async fn send_one(&self, number: i32, bytes: Bytes) -> Result<Option<String>> {
        let timeout = self.objects.timeout_for(bytes.len() as u64);
        let request = self
            .objects
            .client
            .upload_part()
            .bucket(&self.location.bucket)
            .key(&self.location.key)
            .upload_id(self.id)
            .part_number(number)
            .body(ByteStream::from(bytes))
            .send();
        let call = of(Operation::SendPart, self.location);
        let output = self.objects.asked(call, timeout, Box::pin(request)).await?;
        Ok(output.e_tag)
    }

    /// Gives the parts back. If that fails, they lie there until the bucket's rule for unfinished
    /// uploads removes them.
    async fn abandon(&self) {
        let request = self
            .objects
            .client
            .abort_multipart_upload()
            .bucket(&self.location.bucket)
            .key(&self.location.key)
            .upload_id(self.id)
            .send();
        let call = of(Operation::AbortUpload, self.location);
        let timeout = self.objects.timeout;
        let _ = self.objects.asked(call, timeout, Box::pin(request)).await;
    }
}

/// The next `length` bytes; fewer only at the end.
async fn part(source: &mut (impl AsyncRead + Unpin), length: u64) -> std::io::Result<Bytes> {
    let mut bytes = Vec::new();
    source.take(length).read_to_end(&mut bytes).await?;
    Ok(bytes.into())
}

fn unread(error: &std::io::Error) -> Error {
    Error::Refused(format!("what is uploaded cannot be read: {error}"))
}

fn uploaded(etag: Option<String>, version_id: Option<String>) -> Uploaded {
    Uploaded {
        etag: etag.unwrap_or_default().trim_matches('"').to_owned(),
        version_id: version_id.filter(|id| id != "null"),
    }
}

fn of(operation: Operation, location: &Location) -> Call<'_> {
    Call {
        operation,
        bucket: &location.bucket,
        key: &location.key,
    }
}
