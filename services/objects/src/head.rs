//! What `HEAD` says of an object.

use std::collections::BTreeMap;

use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use aws_sdk_s3::primitives::{DateTime, DateTimeFormat};
use aws_sdk_s3::types::{ChecksumMode, ChecksumType, ServerSideEncryption};
use jiff::Timestamp;
use proto::Version;

use crate::call::{Call, Failure, Operation};
use crate::{Error, Objects, Result};

/// What `HEAD` says of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Which version it is.
    pub version: Version,
    /// Bytes.
    pub size: u64,
    /// `Content-Type`.
    pub content_type: Option<String>,
    /// `Content-Encoding`.
    pub content_encoding: Option<String>,
    /// `Content-Language`.
    pub content_language: Option<String>,
    /// `Content-Disposition`.
    pub content_disposition: Option<String>,
    /// `Cache-Control`.
    pub cache_control: Option<String>,
    /// `Expires`.
    pub expires: Option<String>,
    /// User metadata, names in lower case.
    pub metadata: BTreeMap<String, String>,
    /// The key of a key management service's that encrypts it, if one does.
    pub kms: Option<Kms>,
    /// What tells of the whole content, by algorithm: checksums (only [`Objects::examine`] asks
    /// for them) and the entity tag where it is an MD5.
    pub digests: BTreeMap<&'static str, String>,
}

/// Encryption with a key of a key management service's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kms {
    /// `aws:kms` or `aws:kms:dsse`.
    pub algorithm: ServerSideEncryption,
    /// Which key.
    pub key: Option<String>,
    /// Whether the bucket has a key of its own for it.
    pub bucket_key: Option<bool>,
}

impl Head {
    /// `Expires`, where it is a date as HTTP has them.
    pub(crate) fn expires(&self) -> Option<DateTime> {
        let text = self.expires.as_deref()?;
        DateTime::from_str(text, DateTimeFormat::HttpDate).ok()
    }

    /// Whether two objects hold the same bytes, as far as size and digests tell. `None`: the sizes
    /// are equal, and there is no digest that both have (parts and some encryptions leave none).
    pub fn same_content(&self, other: &Self) -> Option<bool> {
        if self.size != other.size {
            return Some(false);
        }
        let mut common = self
            .digests
            .iter()
            .filter_map(|(algorithm, digest)| Some((digest, other.digests.get(algorithm)?)))
            .peekable();
        common.peek()?;
        Some(common.all(|(ours, theirs)| ours == theirs))
    }
}

impl Objects {
    /// What the newest version of an object is; none if there is no such object, which is believed
    /// only of a store that has the bucket: whatever stands between us and the store (an ingress
    /// without its backend) answers 404 too.
    pub async fn head(&self, bucket: &str, key: &str) -> Result<Option<Head>> {
        self.look(bucket, key, None, None).await
    }

    /// What an object is, with its checksums: its newest version, or the one with the id `version`.
    /// None is as certain as that of [`Self::head`].
    pub async fn examine(
        &self,
        bucket: &str,
        key: &str,
        version: Option<&str>,
    ) -> Result<Option<Head>> {
        self.look(bucket, key, version, Some(ChecksumMode::Enabled))
            .await
    }

    async fn look(
        &self,
        bucket: &str,
        key: &str,
        version: Option<&str>,
        checksums: Option<ChecksumMode>,
    ) -> Result<Option<Head>> {
        let call = Call {
            operation: Operation::Head,
            bucket,
            key,
        };
        let ask = || self.ask(call, version, checksums.clone());
        match self.judged(call, ask).await {
            Ok(output) => {
                self.worked.note(call);
                head(call, output).map(Some)
            }
            // The answer has no body to say what it is that is not found.
            Err(Failure::Missing) => self.must_exist(bucket).await.map(|()| None),
            // Nor why it is refused. Where the bucket refuses too, it is not the object's doing.
            Err(Failure::Other(refused @ Error::Refused(_))) => {
                self.must_exist(bucket).await?;
                Err(refused)
            }
            Err(failure) => Err(failure.into_error(call)),
        }
    }

    pub(crate) async fn ask(
        &self,
        call: Call<'_>,
        version: Option<&str>,
        checksums: Option<ChecksumMode>,
    ) -> Result<HeadObjectOutput, Failure> {
        let request = self
            .client
            .head_object()
            .bucket(call.bucket)
            .key(call.key)
            .set_version_id(version.map(str::to_owned))
            .set_checksum_mode(checksums)
            .send();
        self.call(call, self.timeout, Box::pin(request)).await
    }
}

fn head(call: Call<'_>, output: HeadObjectOutput) -> Result<Head> {
    let version = version(
        call,
        output.e_tag(),
        output.last_modified(),
        output.version_id(),
    )?;
    Ok(Head {
        size: size(call, output.content_length())?,
        digests: digests(&output, &version),
        kms: kms(&output),
        version,
        expires: output.expires_string().map(str::to_owned),
        content_type: output.content_type,
        content_encoding: output.content_encoding,
        content_language: output.content_language,
        content_disposition: output.content_disposition,
        cache_control: output.cache_control,
        metadata: output
            .metadata
            .unwrap_or_default()
            .into_iter()
            .map(|(name, value)| (name.to_lowercase(), value))
            .collect(),
    })
}

fn kms(output: &HeadObjectOutput) -> Option<Kms> {
    let algorithm = output.server_side_encryption()?;
    matches!(
        algorithm,
        ServerSideEncryption::AwsKms | ServerSideEncryption::AwsKmsDsse
    )
    .then(|| Kms {
        algorithm: algorithm.clone(),
        key: output.ssekms_key_id().map(str::to_owned),
        bucket_key: output.bucket_key_enabled(),
    })
}

fn digests(output: &HeadObjectOutput, version: &Version) -> BTreeMap<&'static str, String> {
    let mut digests = BTreeMap::new();
    // A checksum of checksums (of parts) depends on how the object was uploaded.
    if output.checksum_type() != Some(&ChecksumType::Composite) {
        for (algorithm, digest) in [
            ("crc32", output.checksum_crc32()),
            ("crc32c", output.checksum_crc32_c()),
            ("crc64nvme", output.checksum_crc64_nvme()),
            ("sha1", output.checksum_sha1()),
            ("sha256", output.checksum_sha256()),
        ] {
            if let Some(digest) = digest.filter(|digest| !digest.contains('-')) {
                digests.insert(algorithm, digest.to_owned());
            }
        }
    }
    // With keys of one's own or of KMS the tag has the form of an MD5 and is none.
    let plain = matches!(
        output.server_side_encryption(),
        None | Some(ServerSideEncryption::Aes256)
    ) && output.sse_customer_algorithm().is_none();
    let md5 = version.etag.len() == 32 && version.etag.bytes().all(|b| b.is_ascii_hexdigit());
    if plain && md5 {
        digests.insert("md5", version.etag.to_lowercase());
    }
    digests
}

/// The version that an answer is about; without a tag and a time there is no telling two apart.
pub(crate) fn version(
    call: Call<'_>,
    etag: Option<&str>,
    modified: Option<&DateTime>,
    id: Option<&str>,
) -> Result<Version> {
    let modified = modified.and_then(|time| Timestamp::from_second(time.secs()).ok());
    match (etag, modified) {
        (Some(etag), Some(modified)) => Ok(Version::new(etag, modified, id)),
        _ => Err(Error::Refused(format!(
            "{call}: the store answers without `ETag` or `Last-Modified`"
        ))),
    }
}

/// A length that is there and not negative.
pub(crate) fn size(call: Call<'_>, length: Option<i64>) -> Result<u64> {
    length
        .and_then(|length| u64::try_from(length).ok())
        .ok_or_else(|| Error::Refused(format!("{call}: the store answers without a length")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALL: Call<'static> = Call {
        operation: Operation::Head,
        bucket: "b",
        key: "k",
    };
    const MD5: &str = "\"0cc175b9c0f1b6a831c399e269772661\"";

    fn answer(
        size: i64,
        etag: &str,
    ) -> aws_sdk_s3::operation::head_object::builders::HeadObjectOutputBuilder {
        HeadObjectOutput::builder()
            .content_length(size)
            .e_tag(etag)
            .last_modified(DateTime::from_secs(1))
    }

    fn read(output: HeadObjectOutput) -> Head {
        head(CALL, output).unwrap()
    }

    #[test]
    fn content_is_compared_by_what_both_sides_have() {
        let plain = read(answer(1, MD5).build());
        let other = read(answer(1, "\"92eb5ffee6ae2fec3ad71c777531578f\"").build());
        let parts = read(answer(1, "\"0cc175b9c0f1b6a831c399e269772661-1\"").build());
        let longer = read(answer(2, MD5).build());
        assert_eq!(plain.same_content(&plain), Some(true));
        assert_eq!(plain.same_content(&other), Some(false));
        assert_eq!(plain.same_content(&parts), None);
        assert_eq!(plain.same_content(&longer), Some(false));
    }

    #[test]
    fn one_differing_checksum_is_enough() {
        let of = |sum: &str| read(answer(1, MD5).checksum_sha256(sum).build());
        assert_eq!(of("x").same_content(&of("x")), Some(true));
        assert_eq!(of("x").same_content(&of("y")), Some(false));
    }

    #[test]
    fn tags_of_encrypted_objects_and_checksums_of_parts_say_nothing() {
        let kms = answer(1, MD5)
            .server_side_encryption(ServerSideEncryption::AwsKms)
            .build();
        let parts = answer(1, "\"x-2\"")
            .checksum_sha256("abc")
            .checksum_type(ChecksumType::Composite)
            .build();
        assert_eq!(read(kms).digests, BTreeMap::new());
        assert_eq!(read(parts).digests, BTreeMap::new());
    }
}
