//! A NATS server and a bucket of its own for each test, watchers on them, and eyes on what is
//! stored.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use async_nats::jetstream::consumer::PullConsumer;
use async_nats::jetstream::{self, message::StreamMessage};
use bytes::Bytes;
use objects::Objects;
use proto::event::{Arrived, Location};
use proto::{Data, Event, User};
use runtime::{Config, Trouble};
use servers::nats::{Access, Options};
use servers::{Nats, Port};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::http::{self, Answer};
use crate::seaweedfs::{Store, TOKEN, store};

/// How long a condition may take to come true.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Bed {
    pub(crate) nats: Nats,
    pub(crate) bucket: String,
    pub(crate) objects: Objects,
    store: &'static Store,
    folder: TempDir,
    settings: String,
    /// Where the store is for the watchers, if it is elsewhere than for the test.
    pub(crate) endpoint: Option<String>,
}

impl Bed {
    /// With further lines of configuration.
    pub(crate) async fn new(settings: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let _ = tracing_subscriber::fmt()
            .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
            .with_test_writer()
            .try_init();
        let store = store().await;
        let bucket = format!("bucket-{}", COUNT.fetch_add(1, Ordering::Relaxed));
        store.make_bucket(&bucket).await;
        let folder = tempfile::tempdir().unwrap();
        let options = Options {
            access: Access::Users(HashMap::new()),
            ..Options::default()
        };
        let nats = Nats::start(&folder.path().join("nats"), options)
            .await
            .unwrap();
        let mut bed = Self {
            nats,
            bucket,
            objects: Objects::new(&runtime::config::objects::Config::default())
                .await
                .unwrap(),
            store,
            folder,
            settings: settings.to_owned(),
            endpoint: None,
        };
        bed.objects = Objects::new(&bed.config(User::Watcher).objects)
            .await
            .unwrap();
        bed.set_up().await;
        bed
    }

    pub(crate) async fn set_up(&self) {
        runtime::setup(&self.config(User::Setup)).await.unwrap();
    }

    /// The configuration file of everything.
    pub(crate) fn toml(&self) -> String {
        let Store {
            endpoint,
            access_key,
            secret_key,
            ..
        } = self.store;
        let endpoint = self.endpoint.as_ref().unwrap_or(endpoint);
        format!(
            "nats.url = '{}'\nnats.duplicate_window = '100ms'\n\
             objects.endpoint = '{endpoint}'\nobjects.access_key = '{access_key}'\n\
             objects.secret_key = '{secret_key}'\n\
             store.folder = '{}'\n\
             watcher.tokens = ['{TOKEN}', 'another token']\n\
             watcher.buckets = [{{ name = '{}' }}]\n{}",
            self.nats.url(),
            self.folder.path().join("store").display(),
            self.bucket,
            self.settings,
        )
    }

    pub(crate) fn config(&self, user: User) -> Config {
        let password = self.nats.password(user).unwrap().to_owned();
        let variables = [("LANDFALL_NATS__PASSWORD".to_owned(), password)];
        Config::read(Path::new("test.toml"), &self.toml(), variables)
            .unwrap_or_else(|wrong| panic!("{wrong}"))
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn access(&self) -> (&str, &str, &str) {
        let store = self.store;
        (&store.endpoint, &store.access_key, &store.secret_key)
    }

    /// A watcher that hears of the bucket, ready.
    pub(crate) async fn watch(&self) -> Watcher {
        let watcher = self.watch_deafly().await;
        self.store
            .connect(&self.bucket, Some(watcher.events.number()));
        watcher
    }

    /// A watcher that hears nothing, ready, with the sweep of its start behind it.
    pub(crate) async fn watch_deafly(&self) -> Watcher {
        let before = self.sweeps().await;
        let watcher = self.start();
        watcher.wait_until_ready().await;
        until("the first sweep", async || {
            (self.sweeps().await > before).then_some(())
        })
        .await;
        watcher
    }

    fn start(&self) -> Watcher {
        let (events, probes) = (Port::free().unwrap(), Port::free().unwrap());
        let mut config = self.config(User::Watcher);
        config.watcher.listen = ([127, 0, 0, 1], events.number()).into();
        config.service.listen = ([127, 0, 0, 1], probes.number()).into();
        let stop = CancellationToken::new();
        let asked = stop.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build()
                .unwrap();
            let run = runtime::run(User::Watcher, config, asked, watcher::start);
            let outcome = runtime.block_on(run);
            runtime.shutdown_background();
            outcome
        });
        Watcher {
            events,
            probes,
            stop,
            thread: Some(thread),
        }
    }

    /// From now on, what the store says about the bucket is lost.
    pub(crate) fn lose_notifications(&self) {
        self.store.connect(&self.bucket, None);
    }

    pub(crate) async fn upload(&self, key: &str, body: &str) {
        let location = Location {
            bucket: self.bucket.clone(),
            key: key.to_owned(),
        };
        let body = Bytes::from(body.to_owned());
        let metadata = BTreeMap::new();
        self.objects
            .put(&location, body, Some("text/csv"), &metadata)
            .await
            .unwrap();
    }

    /// A webhook of SeaweedFS's about a key, with no more in it than has to be.
    pub(crate) fn webhook(&self, key: &str) -> Vec<u8> {
        let bucket = &self.bucket;
        serde_json::to_vec(&serde_json::json!({
            "event_type": "create",
            "key": format!("/buckets/{bucket}/{key}"),
            "message": {"new_entry": {"attributes": {}}},
        }))
        .unwrap()
    }

    /// JetStream as `user` sees it.
    pub(crate) async fn jetstream(&self, user: User) -> jetstream::Context {
        let password = self.nats.password(user).unwrap().to_owned();
        let client = async_nats::ConnectOptions::new()
            .custom_inbox_prefix(user.inbox())
            .user_and_password(user.name().to_owned(), password)
            .connect(self.nats.url())
            .await
            .unwrap();
        jetstream::new(client)
    }

    /// Everything in a stream.
    pub(crate) async fn stored(&self, stream: &str) -> Vec<StreamMessage> {
        let jetstream = self.jetstream(User::Operator).await;
        let stream = jetstream.get_stream(stream).await.unwrap();
        let state = &stream.cached_info().state;
        let mut stored = vec![];
        for sequence in state.first_sequence..=state.last_sequence {
            if let Ok(message) = stream.direct_get(sequence).await {
                stored.push(message);
            }
        }
        stored
    }

    /// How many messages a stream has taken.
    pub(crate) async fn last_sequence(&self, stream: &str) -> u64 {
        let jetstream = self.jetstream(User::Operator).await;
        let stream = jetstream.get_stream(stream).await.unwrap();
        stream.cached_info().state.last_sequence
    }

    /// Everything that was said, in order.
    pub(crate) async fn arrived(&self) -> Vec<Arrived> {
        let messages = self.stored("FILES").await;
        messages
            .iter()
            .filter_map(|message| {
                let event: Event = serde_json::from_slice(&message.payload).unwrap();
                match event.data {
                    Data::Arrived(arrived) => Some(arrived),
                    _ => None,
                }
            })
            .collect()
    }

    /// Waits for so many files, with everything that was notified worked off. Two who see a file
    /// at the same time may both say it: counted are files.
    pub(crate) async fn wait_for_arrived(&self, count: usize) -> Vec<Arrived> {
        let mut found = vec![];
        let outcome = tokio::time::timeout(PATIENCE, async {
            loop {
                let mut seen = HashSet::new();
                found = self.arrived().await;
                found.retain(|arrived| seen.insert(arrived.file.id));
                if found.len() >= count {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        });
        if outcome.await.is_err() {
            let keys: Vec<&str> = found.iter().map(|a| a.file.key.as_str()).collect();
            panic!("waited in vain for {count} files; there are {keys:?}");
        }
        self.wait_until_worked_off().await;
        found
    }

    /// Waits until every notification that was taken is acknowledged.
    pub(crate) async fn wait_until_worked_off(&self) {
        let jetstream = self.jetstream(User::Operator).await;
        until("every notification is worked off", async || {
            let consumer: PullConsumer = jetstream
                .get_consumer_from_stream("watcher", "STORAGE")
                .await
                .ok()?;
            let info = consumer.cached_info();
            (info.num_ack_pending == 0 && info.num_pending == 0).then_some(())
        })
        .await;
    }

    /// The watcher's journal.
    pub(crate) async fn journal(&self) -> store::sqlite::Journal {
        let path = self.folder().join("store/watcher.db");
        store::sqlite::Journal::open(&path).await.unwrap()
    }

    /// How many sweeps have come to their end.
    pub(crate) async fn sweeps(&self) -> u64 {
        use store::journal::{Journal, Register};
        let lease = Register::new("lease", "sweep");
        match self.journal().await.read(&lease).await.unwrap() {
            None => 0,
            Some(entry) => {
                let lease: serde_json::Value = serde_json::from_slice(&entry.value).unwrap();
                lease["finished"].as_u64().unwrap()
            }
        }
    }

    /// Waits until a sweep that began after now has come to its end.
    pub(crate) async fn wait_for_a_sweep(&self) {
        let before = self.sweeps().await;
        until("a whole sweep", async || {
            (self.sweeps().await >= before + 2).then_some(())
        })
        .await;
    }
}

/// A watcher in a thread of its own.
pub(crate) struct Watcher {
    pub(crate) events: Port,
    probes: Port,
    stop: CancellationToken,
    thread: Option<JoinHandle<Result<(), Trouble>>>,
}

impl Watcher {
    /// `POST /events`
    pub(crate) async fn post(&self, token: &str, body: &[u8]) -> Answer {
        http::post(self.events.number(), token, body).await.unwrap()
    }

    /// A notification, taken.
    pub(crate) async fn notify(&self, body: &[u8]) {
        assert_eq!(self.post(TOKEN, body).await.status, 200);
    }

    /// Asks it to stop and waits until it has.
    pub(crate) async fn stop(mut self) {
        self.stop.cancel();
        let thread = self.thread.take().unwrap();
        let outcome = tokio::task::spawn_blocking(|| thread.join().unwrap());
        outcome.await.unwrap().unwrap();
    }

    async fn wait_until_ready(&self) {
        let request = b"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        until("the watcher is ready", async || {
            let answer = http::send(self.probes.number(), request).await?;
            (answer.status == 200).then_some(())
        })
        .await;
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Waits until `condition` answers something.
pub(crate) async fn until<T>(what: &str, mut condition: impl AsyncFnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(answer) = condition().await {
            return answer;
        }
        assert!(began.elapsed() < PATIENCE, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
