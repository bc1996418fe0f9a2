//! Copies of more than one request takes: in parts, within the store.
//!
//! Nothing of the object passes through here. What `CopyObject` carries over by itself is carried
//! by hand: headers, user metadata, tags, and the key of KMS's. The object appears as a whole or
//! not at all. What a crash leaves of it lies there until the bucket's rule for unfinished uploads
//! removes it (`AbortIncompleteMultipartUpload`).
//!
//! Source: "Copying an object using multipart upload", Amazon S3 User Guide.

use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aws_sdk_s3::types::{ChecksumAlgorithm, ChecksumType, CompletedMultipartUpload, CompletedPart};
use futures::{StreamExt, stream};

use crate::call::{Call, Failure, Operation};
use crate::encoding::{copy_source, form};
use crate::write::Copy;
use crate::{Error, Objects};

/// Parts of one copy that are under way at once.
const AT_ONCE: usize = 8;

/// Waits before a part is tried again.
const WAITS: [Duration; 4] = [
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
];

/// As many parts an upload may have.
const PARTS: u64 = 10_000;

/// An upload that was begun and has not ended.
struct Upload<'a> {
    objects: &'a Objects,
    copy: Copy<'a>,
    id: String,
}

impl Objects {
    /// What a copy of one request does, in parts.
    pub(crate) async fn copy_in_parts(&self, copy: Copy<'_>) -> Result<(), Failure> {
        let tags = self.tags(copy).await?;
        let digests: Vec<&str> = copy.head.digests.keys().copied().collect();
        let checksum = whole(&digests);
        let asks = checksum.is_some();
        match self.attempt(copy, tags.clone(), checksum).await {
            // MinIO wants the checksum of each part from whoever copies it, and nobody has that.
            Err(Failure::Other(Error::Refused(_))) if asks => self.attempt(copy, tags, None).await,
            done => done,
        }
    }

    /// `checksum`: what the source has of its whole content, and the copy is to have as well.
    async fn attempt(
        &self,
        copy: Copy<'_>,
        tags: Option<String>,
        checksum: Option<ChecksumAlgorithm>,
    ) -> Result<(), Failure> {
        let upload = Upload {
            objects: self,
            copy,
            id: self.begin(copy, tags, checksum).await?,
        };
        let done = upload.finish().await;
        if done.is_err() {
            upload.abort().await;
        }
        done
    }

    async fn begin(
        &self,
        copy: Copy<'_>,
        tags: Option<String>,
        checksum: Option<ChecksumAlgorithm>,
    ) -> Result<String, Failure> {
        let Copy {
            head, destination, ..
        } = copy;
        let call = of(Operation::BeginUpload, copy);
        let mut request = self
            .client
            .create_multipart_upload()
            .bucket(&destination.bucket)
            .key(&destination.key)
            .set_metadata(Some(copy.metadata.clone().into_iter().collect()))
            .set_content_type(head.content_type.clone())
            .set_content_encoding(head.content_encoding.clone())
            .set_content_language(head.content_language.clone())
            .set_content_disposition(head.content_disposition.clone())
            .set_cache_control(head.cache_control.clone())
            .set_expires(head.expires())
            .set_tagging(tags)
            .set_checksum_type(checksum.as_ref().map(|_| ChecksumType::FullObject))
            .set_checksum_algorithm(checksum);
        if let Some(kms) = &head.kms {
            request = request
                .server_side_encryption(kms.algorithm.clone())
                .set_ssekms_key_id(kms.key.clone())
                .set_bucket_key_enabled(kms.bucket_key);
        }
        let begun = self
            .call(call, self.timeout, Box::pin(request.send()))
            .await?;
        begun.upload_id.ok_or_else(|| {
            let reason = format!("{call}: the store begins an upload without an id");
            Failure::Other(Error::Refused(reason))
        })
    }

    /// The source's tags, as a header has them; none where there are none, or the store knows none.
    async fn tags(&self, copy: Copy<'_>) -> Result<Option<String>, Failure> {
        let call = Call {
            operation: Operation::Tags,
            bucket: &copy.source.bucket,
            key: &copy.source.key,
        };
        let request = self
            .client
            .get_object_tagging()
            .bucket(&copy.source.bucket)
            .key(&copy.source.key)
            .set_version_id(copy.version.id.clone())
            .send();
        match self.call(call, self.timeout, Box::pin(request)).await {
            Ok(output) if output.tag_set.is_empty() => Ok(None),
            Ok(output) => {
                let tags = output.tag_set.iter();
                Ok(Some(form(tags.map(|tag| (tag.key(), tag.value())))))
            }
            // `NoSuchTagSet`, and stores that do not take the question (501). A version that is
            // not there any more is noticed by the first part.
            Err(Failure::Missing) => Ok(None),
            Err(failure) => Err(failure),
        }
    }
}

impl Upload<'_> {
    async fn finish(&self) -> Result<(), Failure> {
        let mut done = self.parts().await?;
        done.sort_by_key(CompletedPart::part_number);
        self.is_still_there().await?;
        let Copy {
            destination, head, ..
        } = self.copy;
        let parts = CompletedMultipartUpload::builder().set_parts(Some(done));
        let mut request = self
            .objects
            .client
            .complete_multipart_upload()
            .bucket(&destination.bucket)
            .key(&destination.key)
            .upload_id(&self.id)
            .multipart_upload(parts.build());
        if self.copy.if_absent {
            request = request.if_none_match("*");
        }
        let call = of(Operation::CompleteUpload, self.copy);
        let timeout = self.objects.timeout_for(head.size);
        let request = Box::pin(request.send());
        self.objects.call(call, timeout, request).await.map(drop)
    }

    /// Copies every part. After one has failed no other is begun, and those under way come to their
    /// end: a part that is stored after the upload was aborted would stay.
    async fn parts(&self) -> Result<Vec<CompletedPart>, Failure> {
        let ranges = ranges(self.copy.head.size, self.objects.copy_part);
        let failed = AtomicBool::new(false);
        let mut parts = pin!(
            stream::iter(ranges)
                .take_while(|_| std::future::ready(!failed.load(Ordering::Relaxed)))
                .map(|(number, range)| self.part(number, range))
                .buffer_unordered(AT_ONCE)
        );
        let mut done = Ok(vec![]);
        while let Some(part) = parts.next().await {
            match (part, &mut done) {
                (Ok(part), Ok(done)) => done.push(part),
                (Ok(_), Err(_)) => {}
                (Err(failure), done) => {
                    failed.store(true, Ordering::Relaxed);
                    *done = Err(failure);
                }
            }
        }
        done
    }

    /// A part, tried again where the store is busy: a large object would never come to its end.
    async fn part(&self, number: i32, range: (u64, u64)) -> Result<CompletedPart, Failure> {
        for wait in WAITS {
            match self.copy_part(number, range).await {
                Err(Failure::Other(Error::Away(_)) | Failure::Suspect(Error::Away(_))) => {
                    tokio::time::sleep(wait).await;
                }
                answer => return answer,
            }
        }
        self.copy_part(number, range).await
    }

    /// Without a version's id each part is of whatever has the key, on stores that ignore the
    /// condition: what has the key now had it all the time, since no version comes back.
    async fn is_still_there(&self) -> Result<(), Failure> {
        let Copy {
            source, version, ..
        } = self.copy;
        if version.id.is_some() {
            return Ok(());
        }
        let there = self.objects.head(&source.bucket, &source.key).await;
        match there.map_err(Failure::Other)? {
            Some(head) if head.version == *version => Ok(()),
            _ => Err(Failure::Unmet),
        }
    }

    async fn copy_part(&self, number: i32, range: (u64, u64)) -> Result<CompletedPart, Failure> {
        let Copy {
            source,
            version,
            destination,
            ..
        } = self.copy;
        let (first, last) = range;
        let mut request = self
            .objects
            .client
            .upload_part_copy()
            .bucket(&destination.bucket)
            .key(&destination.key)
            .upload_id(&self.id)
            .part_number(number)
            .copy_source(copy_source(
                &source.bucket,
                &source.key,
                version.id.as_deref(),
            ))
            .copy_source_range(format!("bytes={first}-{last}"));
        if self.copy.if_match {
            request = request.copy_source_if_match(format!("\"{}\"", version.etag));
        }
        let call = of(Operation::CopyPart, self.copy);
        let timeout = self.objects.timeout_for(last - first);
        let request = Box::pin(request.send());
        let answer = self.objects.call(call, timeout, request).await?;
        let done = CompletedPart::builder().part_number(number);
        Ok(match answer.copy_part_result {
            Some(part) => done
                .set_e_tag(part.e_tag)
                .set_checksum_crc32(part.checksum_crc32)
                .set_checksum_crc32_c(part.checksum_crc32_c)
                .set_checksum_crc64_nvme(part.checksum_crc64_nvme)
                .build(),
            // Completing the upload will say what it lacks.
            None => done.build(),
        })
    }

    /// Gives the parts back. That it failed is the log's to say: the copy has failed already.
    async fn abort(&self) {
        let destination = self.copy.destination;
        let request = self
            .objects
            .client
            .abort_multipart_upload()
            .bucket(&destination.bucket)
            .key(&destination.key)
            .upload_id(&self.id)
            .send();
        let call = of(Operation::AbortUpload, self.copy);
        let timeout = self.objects.timeout;
        match self.objects.call(call, timeout, Box::pin(request)).await {
            // Missing: it was completed, and the answer was lost; or somebody else has ended it.
            Ok(_) | Err(Failure::Missing) => {}
            Err(failure) => {
                let error = failure.into_error(call);
                tracing::warn!(
                    %error,
                    "the parts of a copy that failed could not be given back: the bucket's rule for \
                     unfinished uploads (`AbortIncompleteMultipartUpload`) removes them"
                );
            }
        }
    }
}

fn of(operation: Operation, copy: Copy<'_>) -> Call<'_> {
    Call {
        operation,
        bucket: &copy.destination.bucket,
        key: &copy.destination.key,
    }
}

/// The first algorithm among those of the source that parts have a checksum of the whole content by.
fn whole(digests: &[&str]) -> Option<ChecksumAlgorithm> {
    [
        ("crc64nvme", ChecksumAlgorithm::Crc64Nvme),
        ("crc32c", ChecksumAlgorithm::Crc32C),
        ("crc32", ChecksumAlgorithm::Crc32),
    ]
    .into_iter()
    .find(|(name, _)| digests.contains(name))
    .map(|(_, algorithm)| algorithm)
}

/// Numbers of parts, from 1, and the first and last byte of each: all of `part` bytes, or more
/// where there would be more parts than an upload may have, but for the last one.
fn ranges(size: u64, part: u64) -> impl Iterator<Item = (i32, (u64, u64))> {
    let part = part.max(size.div_ceil(PARTS)).max(1);
    (1..).zip((0..size.div_ceil(part)).map(move |index| {
        let first = index * part;
        (first, size.min(first.saturating_add(part)) - 1)
    }))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn parts_are_the_whole_object_in_order(size in 1..50_u64 << 40, part in 5_u64 << 20..5 << 30) {
            let parts: Vec<_> = ranges(size, part).collect();
            prop_assert!(parts.len() <= 10_000);
            let mut next = 0;
            for (index, (number, (first, last))) in parts.iter().enumerate() {
                prop_assert_eq!(usize::try_from(*number).unwrap(), index + 1);
                prop_assert_eq!(*first, next);
                prop_assert!(last >= first);
                // All are of one size (R2 wants that), but for the last, which is not larger.
                let length = last + 1 - first;
                let one = parts[0].1.1 + 1;
                prop_assert!(length == one || index + 1 == parts.len() && length < one);
                next = last + 1;
            }
            prop_assert_eq!(next, size);
        }
    }

    #[test]
    fn a_checksum_of_the_whole_is_asked_for_where_the_source_has_one() {
        assert_eq!(whole(&["crc32", "md5"]), Some(ChecksumAlgorithm::Crc32));
        assert_eq!(
            whole(&["crc32", "crc64nvme"]),
            Some(ChecksumAlgorithm::Crc64Nvme)
        );
        // These are of parts only.
        assert_eq!(whole(&["md5", "sha256"]), None);
    }
}
