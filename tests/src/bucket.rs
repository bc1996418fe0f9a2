//! A bucket of a test's own in the shared store, by a client that shares nothing with Landfall's.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result};
use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region, RequestChecksumCalculation};
use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use aws_sdk_s3::types::{
    BucketVersioningStatus, CompletedMultipartUpload, CompletedPart, EncodingType,
    VersioningConfiguration,
};
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// The bucket of every page of `deploy/storage/`.
pub(crate) const PAGES_BUCKET: &str = "sensors";

/// A bucket.
#[derive(Clone, Debug)]
pub struct Bucket {
    /// Its name.
    pub name: String,
    client: Client,
    log: Arc<Mutex<Vec<Value>>>,
}

/// An upload, as the store answered it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upload {
    /// Bucket.
    pub bucket: String,
    /// Key.
    pub key: String,
    /// Entity tag without quotes.
    pub etag: String,
    /// Version id, in a versioned bucket.
    pub version: Option<String>,
}

impl Upload {
    /// Whether `file` is this version of this object.
    pub fn is(&self, file: &proto::File) -> bool {
        (&file.bucket, &file.key, &file.version.etag) == (&self.bucket, &self.key, &self.etag)
            && (self.version.is_none() || file.version.id == self.version)
    }

    /// A notification of it, as most stores write it.
    pub fn notification(&self) -> Value {
        json!({ "Records": [{
            "eventVersion": "2.1",
            "eventSource": "aws:s3",
            "eventName": "ObjectCreated:Put",
            "s3": {
                "bucket": { "name": self.bucket },
                "object": { "key": self.key, "eTag": self.etag },
            },
        }] })
    }
}

/// A client for the store at `endpoint`.
pub(crate) fn client(endpoint: &str, access_key: &str, secret_key: &str) -> Client {
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(endpoint)
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new(
            access_key, secret_key, None, None, "tests",
        ))
        .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
        .force_path_style(true)
        .build();
    Client::from_conf(config)
}

impl Bucket {
    /// Creates a bucket.
    pub(crate) async fn create(client: Client, name: String) -> Result<Self> {
        client.create_bucket().bucket(&name).send().await?;
        Ok(Self {
            name,
            client,
            log: Arc::default(),
        })
    }

    /// The bucket that a page of `deploy/storage/` has created.
    pub(crate) fn of_the_page(client: &Client) -> Self {
        Self {
            name: PAGES_BUCKET.to_owned(),
            client: client.clone(),
            log: Arc::default(),
        }
    }

    /// Creates another bucket beside this one, which nobody watches.
    pub async fn sibling(&self, name: &str) -> Result<Self> {
        Self::create(self.client.clone(), format!("{}-{name}", self.name)).await
    }

    /// From now on every version is kept.
    pub async fn keep_versions(&self) -> Result<()> {
        let on = VersioningConfiguration::builder()
            .status(BucketVersioningStatus::Enabled)
            .build();
        self.client
            .put_bucket_versioning()
            .bucket(&self.name)
            .versioning_configuration(on)
            .send()
            .await?;
        Ok(())
    }

    /// Uploads an object.
    pub async fn put(&self, key: &str, content: impl AsRef<[u8]>) -> Result<Upload> {
        self.put_with(key, content, &[]).await
    }

    /// Uploads an object with user metadata.
    pub async fn put_with(
        &self,
        key: &str,
        content: impl AsRef<[u8]>,
        metadata: &[(&str, &str)],
    ) -> Result<Upload> {
        let metadata = metadata.iter();
        let metadata = metadata.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let answer = self
            .client
            .put_object()
            .bucket(&self.name)
            .key(key)
            .content_type("text/csv")
            .set_metadata(Some(metadata.collect()))
            .body(content.as_ref().to_vec().into())
            .send()
            .await?;
        let sha256 = hex(&Sha256::digest(content));
        Ok(self.noted(key, answer.e_tag(), answer.version_id(), sha256))
    }

    /// Uploads an object of any size in pieces of at least 5 MiB (the last may be smaller), which
    /// are made while it goes.
    pub async fn put_pieces(
        &self,
        key: &str,
        pieces: impl IntoIterator<Item = Vec<u8>>,
    ) -> Result<Upload> {
        let upload = self.client.create_multipart_upload();
        let upload = upload.bucket(&self.name).key(key).send().await?;
        let mut parts = vec![];
        let mut digest = Sha256::new();
        for (number, piece) in (1..).zip(pieces) {
            digest.update(&piece);
            let part = self
                .client
                .upload_part()
                .bucket(&self.name)
                .key(key)
                .set_upload_id(upload.upload_id.clone())
                .part_number(number)
                .body(piece.into())
                .send()
                .await?;
            let part = CompletedPart::builder()
                .part_number(number)
                .set_e_tag(part.e_tag)
                .build();
            parts.push(part);
        }
        let parts = CompletedMultipartUpload::builder().set_parts(Some(parts));
        let answer = self
            .client
            .complete_multipart_upload()
            .bucket(&self.name)
            .key(key)
            .set_upload_id(upload.upload_id)
            .multipart_upload(parts.build())
            .send()
            .await?;
        let sha256 = hex(&digest.finalize());
        Ok(self.noted(key, answer.e_tag(), answer.version_id(), sha256))
    }

    /// Has the store copy an object of this bucket to another key.
    pub async fn copy(&self, from: &str, key: &str) -> Result<Upload> {
        let source = utf8_percent_encode(from, NON_ALPHANUMERIC);
        let answer = self
            .client
            .copy_object()
            .bucket(&self.name)
            .key(key)
            .copy_source(format!("{}/{source}", self.name))
            .send()
            .await?;
        let etag = answer.copy_object_result().and_then(|copy| copy.e_tag());
        let sha256 = {
            let log = self.log();
            let original = log.iter().rev().find(|line| line["key"] == from);
            original.context("it was uploaded by this client")?["sha256"].clone()
        };
        Ok(self.noted(key, etag, answer.version_id(), sha256))
    }

    /// Notes what was uploaded just now.
    fn noted(
        &self,
        key: &str,
        etag: Option<&str>,
        version: Option<&str>,
        sha256: impl Into<Value>,
    ) -> Upload {
        let upload = Upload {
            bucket: self.name.clone(),
            key: key.to_owned(),
            etag: etag.unwrap_or_default().trim_matches('"').to_owned(),
            version: version.map(str::to_owned),
        };
        self.log().push(json!({
            "bucket": upload.bucket,
            "key": key,
            "etag": upload.etag,
            "version": upload.version,
            "sha256": sha256.into(),
        }));
        upload
    }

    /// Every upload so far under keys that begin with `prefix`, as `landfall audit --uploads`
    /// takes it; what was deleted since by this client is marked so.
    pub fn uploads(&self, prefix: &str) -> Vec<Value> {
        let log = self.log();
        let under = |line: &&Value| {
            line["key"]
                .as_str()
                .is_some_and(|key| key.starts_with(prefix))
        };
        log.iter().filter(under).cloned().collect()
    }

    fn log(&self) -> MutexGuard<'_, Vec<Value>> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The bytes of an object; none if there is no such object.
    pub async fn get(&self, key: &str) -> Result<Option<Vec<u8>>> {
        match self
            .client
            .get_object()
            .bucket(&self.name)
            .key(key)
            .send()
            .await
        {
            Ok(answer) => Ok(Some(answer.body.collect().await?.to_vec())),
            Err(error) if is_missing(error.as_service_error()) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// What the store says of an object; none if there is no such object.
    pub async fn head(&self, key: &str) -> Result<Option<HeadObjectOutput>> {
        match self
            .client
            .head_object()
            .bucket(&self.name)
            .key(key)
            .send()
            .await
        {
            Ok(answer) => Ok(Some(answer)),
            Err(error) if is_missing(error.as_service_error()) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Deletes an object.
    pub async fn delete(&self, key: &str) -> Result<()> {
        for line in self.log().iter_mut().filter(|line| line["key"] == key) {
            line["deleted"] = true.into();
        }
        self.client
            .delete_object()
            .bucket(&self.name)
            .key(key)
            .send()
            .await?;
        Ok(())
    }

    /// Whether the store lists exactly this key among the first thousand: some make another key of
    /// what they are given, and answer to both.
    pub async fn lists(&self, key: &str) -> Result<bool> {
        let answer = self
            .client
            .list_objects_v2()
            .bucket(&self.name)
            // XML has no way to write every character.
            .encoding_type(EncodingType::Url)
            .send()
            .await?;
        Ok(answer
            .contents()
            .iter()
            .filter_map(|object| object.key())
            .any(|listed| {
                // Stores differ in whether a space is a plus.
                let plain = percent_decode_str(listed).decode_utf8_lossy().into_owned();
                let form = percent_decode_str(&listed.replace('+', " "))
                    .decode_utf8_lossy()
                    .into_owned();
                plain == key || form == key
            }))
    }

    /// Every key, sorted.
    pub async fn keys(&self) -> Result<Vec<String>> {
        let mut pages = self
            .client
            .list_objects_v2()
            .bucket(&self.name)
            .into_paginator()
            .send();
        let mut keys = Vec::new();
        while let Some(page) = pages.next().await {
            keys.extend(
                page?
                    .contents()
                    .iter()
                    .filter_map(|object| object.key().map(str::to_owned)),
            );
        }
        keys.sort();
        Ok(keys)
    }
}

fn is_missing(error: Option<&impl ProvideErrorMetadata>) -> bool {
    error.is_some_and(|error| matches!(error.code(), Some("NoSuchKey" | "NotFound")))
}

/// In hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
