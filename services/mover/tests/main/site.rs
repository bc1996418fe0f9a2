//! Where a test takes place: buckets of its own on one `SeaweedFS` or another store, a journal, a
//! mover behind a relay.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_s3::types::{BucketVersioningStatus, VersioningConfiguration};
use futures::StreamExt;
use jiff::Timestamp;
use mover::Mover;
use objects::Objects;
use objects::archive::label;
use proto::event::{Ingested, MoveOutcome, Moved, Rejected, Report};
use proto::{Data, Event, File, FileId, User};
use runtime::config::secret::Secret;
use runtime::config::watcher;
use runtime::{Config, Message, Step, Trouble};
use servers::SeaweedFs;
use servers::publishing::{self, Kind};
use servers::seaweedfs::Options;
use store::Journal;
use tempfile::TempDir;
use tokio::sync::OnceCell;

use crate::relay::{Held, Relay};

static STORE: OnceCell<(SeaweedFs, TempDir)> = OnceCell::const_new();
static MINIO: OnceCell<(publishing::Store, TempDir)> = OnceCell::const_new();
static VERSITYGW: OnceCell<(publishing::Store, TempDir)> = OnceCell::const_new();
static BUCKETS: AtomicUsize = AtomicUsize::new(0);

pub(crate) struct Site {
    pub(crate) bucket: String,
    pub(crate) config: Config,
    pub(crate) relay: Relay,
    pub(crate) journal: Arc<dyn Journal>,
    /// Straight to the store, past the relay.
    pub(crate) objects: Objects,
    /// Amazon's client without anything of ours, straight to the store.
    pub(crate) s3: Client,
    _folder: TempDir,
}

/// An object as Amazon's client sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) bytes: Vec<u8>,
    pub(crate) metadata: BTreeMap<String, String>,
}

async fn store() -> &'static SeaweedFs {
    let start = async || {
        let folder = tempfile::tempdir().unwrap();
        let store = SeaweedFs::start(folder.path(), Options::default());
        (store.await.unwrap(), folder)
    };
    &STORE.get_or_init(start).await.0
}

fn client(endpoint: &str, access: &str, secret: &str) -> Client {
    Client::from_conf(
        aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .endpoint_url(endpoint)
            .force_path_style(true)
            .region(Region::new("us-east-1"))
            .credentials_provider(Credentials::new(access, secret, None, None, "test"))
            .build(),
    )
}

pub(crate) async fn site() -> Site {
    let store = store().await;
    site_on(&store.endpoint(), store.access_key(), store.secret_key()).await
}

/// The same on a store that is there for `make test-stores` alone. On `MinIO` the bucket keeps
/// versions: without them the mover refuses it.
pub(crate) async fn site_on_a(kind: Kind) -> Site {
    let cell = match kind {
        Kind::Minio => &MINIO,
        Kind::Versitygw => &VERSITYGW,
    };
    let start = async || {
        let folder = tempfile::tempdir().unwrap();
        let store = publishing::Store::start(kind, folder.path(), vec![]);
        (store.await.unwrap(), folder)
    };
    let store = &cell.get_or_init(start).await.0;
    let site = site_on(&store.endpoint(), store.access_key(), store.secret_key()).await;
    if kind == Kind::Minio {
        site.version_bucket(&site.bucket).await;
    }
    site
}

/// The same on another store.
async fn site_on(endpoint: &str, access_key: &str, secret_key: &str) -> Site {
    let relay = Relay::before(endpoint).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mover.db");
    let mut config = Config::default();
    config.objects.endpoint = Some(endpoint.to_owned());
    config.objects.access_key = Some(Secret::new(access_key));
    config.objects.secret_key = Some(Secret::new(secret_key));
    config.objects.timeout = Duration::from_secs(60);
    let objects = Objects::new(&config.objects).await.unwrap();
    config.objects.endpoint = Some(relay.endpoint());
    let mut site = Site {
        bucket: String::new(),
        config,
        relay,
        journal: Arc::new(store::sqlite::Journal::open(&file).await.unwrap()),
        objects,
        s3: client(endpoint, access_key, secret_key),
        _folder: folder,
    };
    site.bucket = site.another_bucket().await;
    site.config.watcher.buckets = vec![watcher::Bucket {
        name: site.bucket.clone(),
        prefixes: vec!["in/".to_owned()],
        ..watcher::Bucket::default()
    }];
    site
}

impl Site {
    pub(crate) async fn another_bucket(&self) -> String {
        let name = format!("bucket-{}", BUCKETS.fetch_add(1, Ordering::Relaxed));
        self.s3.create_bucket().bucket(&name).send().await.unwrap();
        name
    }

    pub(crate) async fn version_bucket(&self, bucket: &str) {
        let enabled = VersioningConfiguration::builder()
            .status(BucketVersioningStatus::Enabled)
            .build();
        let request = self.s3.put_bucket_versioning().bucket(bucket);
        let request = request.versioning_configuration(enabled);
        request.send().await.unwrap();
    }

    pub(crate) async fn mover(&self) -> Arc<Mover> {
        let mover = Mover::start(&self.config, Arc::clone(&self.journal)).await;
        Arc::new(mover.unwrap())
    }

    /// Uploads an object past the relay.
    pub(crate) async fn put(&self, key: &str, body: &str) {
        self.put_labelled(&self.bucket, key, body, &[]).await;
    }

    pub(crate) async fn put_labelled(
        &self,
        bucket: &str,
        key: &str,
        body: &str,
        metadata: &[(&str, String)],
    ) {
        let mut request = self.s3.put_object().bucket(bucket).key(key);
        for (name, value) in metadata {
            request = request.metadata(*name, value);
        }
        let body = body.as_bytes().to_vec();
        request.body(body.into()).send().await.unwrap();
    }

    pub(crate) async fn delete(&self, key: &str) {
        let request = self.s3.delete_object().bucket(&self.bucket).key(key);
        request.send().await.unwrap();
    }

    /// Uploads an object and says what the watcher would say of it.
    pub(crate) async fn upload(&self, key: &str, body: &str) -> File {
        self.put(key, body).await;
        self.file(&self.bucket, key).await
    }

    /// The file that the newest version of an object is.
    pub(crate) async fn file(&self, bucket: &str, key: &str) -> File {
        file(&self.objects, bucket, key).await
    }

    /// What lies under a key.
    pub(crate) async fn seen(&self, bucket: &str, key: &str) -> Option<Seen> {
        let answer = self.s3.get_object().bucket(bucket).key(key).send().await;
        let answer = answer.ok()?;
        let metadata = answer.metadata().cloned().unwrap_or_default();
        Some(Seen {
            metadata: metadata.into_iter().collect(),
            bytes: answer.body.collect().await.unwrap().to_vec(),
        })
    }

    pub(crate) async fn bytes(&self, key: &str) -> Option<String> {
        let seen = self.seen(&self.bucket, key).await?;
        Some(String::from_utf8(seen.bytes).unwrap())
    }

    /// Every key of the bucket.
    pub(crate) async fn keys(&self, bucket: &str) -> Vec<String> {
        let listing = self.objects.list(bucket, "");
        listing
            .map(|line| line.unwrap().unwrap().key)
            .collect()
            .await
    }
}

/// The file that the newest version of an object is to the watcher.
pub(crate) async fn file(objects: &Objects, bucket: &str, key: &str) -> File {
    let head = objects.head(bucket, key).await.unwrap().unwrap();
    File {
        id: FileId::of(bucket, key, &head.version),
        bucket: bucket.to_owned(),
        key: key.to_owned(),
        order: head.version.last_modified,
        size: head.size,
        version: head.version,
        content_type: head.content_type,
        content_encoding: head.content_encoding,
        profile: "default".to_owned(),
    }
}

pub(crate) fn ingested(file: &File) -> Event {
    let data = Data::Ingested(Ingested {
        file: file.clone(),
        replay: 0,
        report: Report::default(),
        replayed: None,
    });
    Event::new(User::Ingest, data, Timestamp::UNIX_EPOCH)
}

pub(crate) fn rejected(file: &File, reason: &str) -> Event {
    let data = Data::Rejected(Rejected {
        file: file.clone(),
        replay: 0,
        reason: reason.to_owned(),
        report: Report::default(),
        replayed: None,
    });
    Event::new(User::Ingest, data, Timestamp::UNIX_EPOCH)
}

/// A message, of which the mover looks at nothing but the event.
pub(crate) fn message() -> Message {
    Message {
        subject: String::new(),
        headers: Default::default(),
        payload: Default::default(),
        sequence: 1,
        stored: Timestamp::UNIX_EPOCH,
        delivered: 1,
    }
}

/// What the mover answers to an event; nothing of it is settled.
pub(crate) async fn run(mover: &Mover, event: &Event) -> Result<Moved, Trouble> {
    match mover.run(event, &message()).await? {
        Some(Data::Moved(moved)) => Ok(moved),
        other => panic!("the mover says {other:?}"),
    }
}

/// The mover dies over an event, at a request that is held, and stays so.
pub(crate) async fn die(mover: &Mover, event: &Event, at: &mut Held) {
    tokio::select! {
        moved = run(mover, event) => panic!("it came to its end: {moved:?}"),
        () = at.reached() => {}
    }
}

/// What a copy of a file's first way is labelled with.
pub(crate) fn labels(file: &File) -> [(&'static str, String); 2] {
    [
        (label::FILE_ID, file.id.to_string()),
        (label::REPLAY, "0".to_owned()),
    ]
}

/// Where the file was archived.
pub(crate) fn archived(moved: &Moved) -> &str {
    assert_eq!(moved.outcome, MoveOutcome::Archived);
    &moved.destination.as_ref().unwrap().key
}
