//! One `SeaweedFS` for all tests, each with a bucket of its own.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_s3::primitives::DateTime;
use aws_sdk_s3::types::{BucketVersioningStatus, VersioningConfiguration};
use bytes::Bytes;
use objects::{Head, Objects};
use proto::Version;
use proto::event::Location;
use runtime::config::objects::Config;
use runtime::config::secret::Secret;
use servers::SeaweedFs;
use servers::seaweedfs::Options;
use tempfile::TempDir;
use tokio::sync::OnceCell;

static STORE: OnceCell<(SeaweedFs, TempDir)> = OnceCell::const_new();
static BUCKETS: AtomicUsize = AtomicUsize::new(0);

/// A bucket of a test's own.
pub(crate) struct Bucket {
    pub(crate) name: String,
    pub(crate) config: Config,
    pub(crate) objects: Objects,
    /// Amazon's client without anything of ours, to set things up and to look at them.
    pub(crate) s3: Client,
}

pub(crate) async fn bucket() -> Bucket {
    let (store, _) = STORE
        .get_or_init(async || {
            let folder = tempfile::tempdir().unwrap();
            let store = SeaweedFs::start(folder.path(), Options::default());
            (store.await.unwrap(), folder)
        })
        .await;
    let config = Config {
        endpoint: Some(store.endpoint()),
        access_key: Some(Secret::new(store.access_key())),
        secret_key: Some(Secret::new(store.secret_key())),
        timeout: Duration::from_secs(20),
        ..Config::default()
    };
    let s3 = Client::from_conf(
        aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .endpoint_url(store.endpoint())
            .force_path_style(true)
            .region(Region::new("us-east-1"))
            .credentials_provider(Credentials::new(
                store.access_key(),
                store.secret_key(),
                None,
                None,
                "test",
            ))
            .build(),
    );
    let name = format!("bucket-{}", BUCKETS.fetch_add(1, Ordering::Relaxed));
    s3.create_bucket().bucket(&name).send().await.unwrap();
    Bucket {
        objects: Objects::new(&config).await.unwrap(),
        name,
        config,
        s3,
    }
}

pub(crate) async fn versioned_bucket() -> Bucket {
    let bucket = bucket().await;
    let enabled = VersioningConfiguration::builder()
        .status(BucketVersioningStatus::Enabled)
        .build();
    bucket
        .s3
        .put_bucket_versioning()
        .bucket(&bucket.name)
        .versioning_configuration(enabled)
        .send()
        .await
        .unwrap();
    bucket
}

impl Bucket {
    pub(crate) fn at(&self, key: &str) -> Location {
        Location {
            bucket: self.name.clone(),
            key: key.to_owned(),
        }
    }

    pub(crate) async fn put(&self, key: &str, body: impl Into<Bytes>) {
        self.objects
            .put(&self.at(key), body.into(), None, &BTreeMap::new())
            .await
            .unwrap();
    }

    pub(crate) async fn head(&self, key: &str) -> Option<Head> {
        self.objects.head(&self.name, key).await.unwrap()
    }

    pub(crate) async fn version(&self, key: &str) -> (Version, u64) {
        let head = self.head(key).await.unwrap();
        (head.version, head.size)
    }

    /// The bytes of the newest version, read with Amazon's client.
    pub(crate) async fn bytes(&self, key: &str) -> Option<Bytes> {
        let request = self.s3.get_object().bucket(&self.name).key(key);
        let answer = request.send().await.ok()?;
        Some(answer.body.collect().await.unwrap().into_bytes())
    }

    /// Uploads an object that has everything that can be said of one.
    pub(crate) async fn put_described(&self, key: &str, bytes: Vec<u8>) {
        let put = self.s3.put_object().bucket(&self.name).key(key);
        put.content_type("text/csv; charset=utf-8")
            .content_encoding("gzip")
            .content_language("de")
            .content_disposition("attachment; filename=\"a.csv\"")
            .cache_control("max-age=60")
            .expires(DateTime::from_secs(2_000_000_000))
            .metadata("station", "north")
            .tagging("team=sea&pier=north%20pier")
            .body(bytes.into())
            .send()
            .await
            .unwrap();
    }

    /// An object has these bytes, the headers and tags of [`Self::put_described`], and the user
    /// metadata `landfall-file-id` alone.
    pub(crate) async fn is_described(&self, key: &str, bytes: &[u8]) {
        let get = self.s3.get_object().bucket(&self.name).key(key);
        let answer = get.send().await.unwrap();
        for (found, expected) in [
            (answer.content_type(), "text/csv; charset=utf-8"),
            (answer.content_encoding(), "gzip"),
            (answer.content_language(), "de"),
            (
                answer.content_disposition(),
                "attachment; filename=\"a.csv\"",
            ),
            (answer.cache_control(), "max-age=60"),
            (answer.expires_string(), "Wed, 18 May 2033 03:33:20 GMT"),
        ] {
            assert_eq!(found, Some(expected));
        }
        let metadata = answer.metadata().unwrap();
        assert_eq!(metadata.len(), 1);
        assert_eq!(metadata["landfall-file-id"], "0f");
        assert!(answer.body.collect().await.unwrap().to_vec() == bytes);
        let tags = self.s3.get_object_tagging().bucket(&self.name).key(key);
        let tags = tags.send().await.unwrap();
        let tags = tags.tag_set().iter().map(|tag| (tag.key(), tag.value()));
        let expected = BTreeMap::from([("team", "sea"), ("pier", "north pier")]);
        assert_eq!(tags.collect::<BTreeMap<_, _>>(), expected);
    }

    pub(crate) async fn delete(&self, key: &str) {
        let request = self.s3.delete_object().bucket(&self.name).key(key);
        request.send().await.unwrap();
    }
}
