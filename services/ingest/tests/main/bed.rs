//! Real object storage and real databases for ingest's step, and eyes on both.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use ingest::Ingest;
use jiff::Timestamp;
use objects::{Objects, Removal};
use proto::event::{Arrived, FoundBy, Ingested, Location, Rejected, Report, Superseded};
use proto::{Data, Event, File, FileId, User};
use runtime::config::secret::Secret;
use runtime::{Config, Message, Step, Trouble};
use servers::SeaweedFs;
use servers::seaweedfs::Options;
use store::readings::{Query, Reading, Series, Stored};
use store::{Journal, Readings, sqlite};
use tempfile::TempDir;
use tokio::sync::OnceCell;

use crate::reading::profile;

/// Where files arrive.
pub(crate) const BUCKET: &str = "files";
/// Another bucket.
pub(crate) const ARCHIVE: &str = "archive";

/// One store for all tests: each has a prefix of its own.
static STORE: OnceCell<(SeaweedFs, TempDir)> = OnceCell::const_new();

/// What one test works with.
pub(crate) struct Bed {
    pub(crate) config: Config,
    pub(crate) objects: Objects,
    pub(crate) journal: Arc<dyn Journal>,
    pub(crate) readings: Arc<dyn Readings>,
    folder: TempDir,
    prefix: &'static str,
}

impl Bed {
    /// `prefix` keeps the test's keys apart from the others'.
    pub(crate) async fn new(prefix: &'static str) -> Self {
        let (store, _) = STORE
            .get_or_init(async || {
                let folder = tempfile::tempdir().unwrap();
                let options = Options {
                    buckets: vec![BUCKET.to_owned(), ARCHIVE.to_owned()],
                    ..Options::default()
                };
                let store = SeaweedFs::start(folder.path(), options).await.unwrap();
                (store, folder)
            })
            .await;
        let mut config = Config::default();
        config.objects.endpoint = Some(store.endpoint());
        config.objects.access_key = Some(Secret::new(store.access_key()));
        config.objects.secret_key = Some(Secret::new(store.secret_key()));
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        Self {
            objects: Objects::new(&config.objects).await.unwrap(),
            journal: Arc::new(sqlite::Journal::open(&at("ingest.db")).await.unwrap()),
            readings: Arc::new(sqlite::Readings::open(&at("readings.db")).await.unwrap()),
            config,
            folder,
            prefix,
        }
    }

    pub(crate) fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// Adds a profile, before those that are there.
    pub(crate) fn add_profile(&mut self, name: &str, settings: &serde_json::Value) {
        let mut profile = profile(settings);
        name.clone_into(&mut profile.name);
        self.config.profiles.insert(0, profile);
    }

    /// Ingest as it is configured now, as after a start.
    pub(crate) fn ingest(&self) -> Ingest {
        self.ingest_into(Arc::clone(&self.readings))
    }

    pub(crate) fn ingest_into(&self, readings: Arc<dyn Readings>) -> Ingest {
        let journal = Arc::clone(&self.journal);
        Ingest::new(&self.config, self.objects.clone(), journal, readings)
    }

    /// The key that a name has in this test.
    pub(crate) fn key(&self, name: &str) -> String {
        format!("{}/{name}", self.prefix)
    }

    /// Uploads a file for the default profile; answers what the watcher says of it.
    pub(crate) async fn upload(&self, name: &str, bytes: impl Into<Vec<u8>>) -> Arrived {
        self.upload_for("default", name, bytes).await
    }

    pub(crate) async fn upload_for(
        &self,
        profile: &str,
        name: &str,
        bytes: impl Into<Vec<u8>>,
    ) -> Arrived {
        let key = self.key(name);
        self.put(BUCKET, &key, bytes).await;
        let head = self.objects.head(BUCKET, &key).await.unwrap().unwrap();
        let file = File {
            id: FileId::of(BUCKET, &key, &head.version),
            bucket: BUCKET.to_owned(),
            order: head.version.last_modified,
            key,
            version: head.version,
            size: head.size,
            content_type: None,
            content_encoding: None,
            profile: profile.to_owned(),
        };
        Arrived {
            file,
            replay: 0,
            found_by: FoundBy::Sweep,
        }
    }

    pub(crate) async fn put(&self, bucket: &str, key: &str, bytes: impl Into<Vec<u8>>) {
        let at = location(bucket, key);
        let bytes: Vec<u8> = bytes.into();
        let metadata = BTreeMap::new();
        self.objects
            .put(&at, bytes.into(), None, &metadata)
            .await
            .unwrap();
    }

    pub(crate) async fn delete(&self, bucket: &str, key: &str) {
        let at = location(bucket, key);
        self.objects.delete(&at, Removal::Newest).await.unwrap();
    }

    /// The bytes of an object, if it is there.
    pub(crate) async fn bytes(&self, at: &Location) -> Option<Vec<u8>> {
        let head = self.objects.head(&at.bucket, &at.key).await.unwrap()?;
        let body = self
            .objects
            .get(&at.bucket, &at.key, &head.version, head.size);
        let mut body = body.await.unwrap();
        let mut bytes = vec![];
        while let Some(chunk) = body.chunk().await.unwrap() {
            bytes.extend_from_slice(&chunk);
        }
        Some(bytes)
    }

    /// What is stored of a sensor, by metric and time, as (metric, milliseconds, value).
    pub(crate) async fn stored(&self, sensor: &str) -> Vec<(String, i64, f64)> {
        let query = Query {
            sensor: sensor.to_owned(),
            ..Query::default()
        };
        let mut stored: Vec<Stored> = vec![];
        loop {
            let page = self
                .readings
                .page(&query, stored.last(), 1000)
                .await
                .unwrap();
            if page.is_empty() {
                break;
            }
            stored.extend(page);
        }
        let plain = |stored: Stored| (stored.metric, stored.time.as_millisecond(), stored.value);
        let mut stored: Vec<_> = stored.into_iter().map(plain).collect();
        stored.sort_by(|one, other| (&one.0, one.1).cmp(&(&other.0, other.1)));
        stored
    }
}

pub(crate) fn location(bucket: &str, key: &str) -> Location {
    Location {
        bucket: bucket.to_owned(),
        key: key.to_owned(),
    }
}

/// Lets ingest work on a file, once.
pub(crate) async fn run(ingest: &Ingest, arrived: &Arrived) -> Result<Data, Trouble> {
    let data = Data::Arrived(arrived.clone());
    hear(ingest, &Event::new(User::Watcher, data, Timestamp::now())).await
}

/// Lets ingest work on an event, once.
pub(crate) async fn hear(ingest: &Ingest, event: &Event) -> Result<Data, Trouble> {
    let message = Message {
        subject: String::new(),
        headers: async_nats::HeaderMap::new(),
        payload: serde_json::to_vec(event).unwrap().into(),
        sequence: 1,
        stored: Timestamp::now(),
        delivered: 1,
    };
    ingest.run(event, &message).await.map(Option::unwrap)
}

pub(crate) fn ingested(outcome: Result<Data, Trouble>) -> Report {
    match outcome {
        Ok(Data::Ingested(Ingested { report, .. })) => {
            assert_eq!(
                report.read,
                report.stored + report.rejected + report.duplicated
            );
            report
        }
        other => panic!("{other:?}"),
    }
}

pub(crate) fn rejected(outcome: Result<Data, Trouble>) -> (String, Report) {
    match outcome {
        Ok(Data::Rejected(Rejected { reason, report, .. })) => (reason, report),
        other => panic!("{other:?}"),
    }
}

pub(crate) fn superseded(outcome: Result<Data, Trouble>) -> Superseded {
    match outcome {
        Ok(Data::Superseded(superseded)) => superseded,
        other => panic!("{other:?}"),
    }
}

/// Readings that are lost from a certain write on, as when the database goes away; a retraction is
/// done, and its answer lost.
pub(crate) struct Failing {
    inner: Arc<dyn Readings>,
    left: AtomicUsize,
}

impl Failing {
    pub(crate) fn after(writes: usize, inner: &Arc<dyn Readings>) -> Arc<Self> {
        Arc::new(Self {
            inner: Arc::clone(inner),
            left: AtomicUsize::new(writes),
        })
    }
}

#[async_trait]
impl Readings for Failing {
    async fn write(&self, file: FileId, readings: Vec<Reading>) -> store::Result<()> {
        let less = |left: usize| left.checked_sub(1);
        let left = self
            .left
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, less);
        if left.is_err() {
            return Err(store::Error::Away {
                store: "readings".to_owned(),
                reason: "unplugged".to_owned(),
            });
        }
        self.inner.write(file, readings).await
    }

    async fn page(
        &self,
        query: &Query,
        after: Option<&Stored>,
        limit: usize,
    ) -> store::Result<Vec<Stored>> {
        self.inner.page(query, after, limit).await
    }

    async fn sensors(&self, from: &str, limit: usize) -> store::Result<Vec<String>> {
        self.inner.sensors(from, limit).await
    }

    async fn series(&self, sensor: &str) -> store::Result<Vec<Series>> {
        self.inner.series(sensor).await
    }

    async fn count(&self, file: FileId) -> store::Result<u64> {
        self.inner.count(file).await
    }

    async fn retract(&self, file: FileId, before: i64) -> store::Result<u64> {
        self.inner.retract(file, before).await?;
        Err(store::Error::Away {
            store: "readings".to_owned(),
            reason: "unplugged".to_owned(),
        })
    }
}
