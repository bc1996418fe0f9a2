//! A server of its own for each test, services on it, and eyes on what is stored.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use async_nats::jetstream::consumer::PullConsumer;
use async_nats::jetstream::{self, message::StreamMessage};
use async_trait::async_trait;
use proto::consumer::Consumer;
use proto::{Data, Event, User};
use runtime::{Config, Context, Handler, Message, Step, Trouble};
use servers::Nats;
use servers::nats::{Access, Options};
use store::journal::{Cell, Settled};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::events::moved;

/// How long a condition may take to come true.
const PATIENCE: Duration = Duration::from_secs(30);

/// Names without `LANDFALL_`, and values.
type Settings<'a> = &'a [(&'a str, &'a str)];

pub(crate) struct Bed {
    pub(crate) nats: Nats,
    folder: TempDir,
    settings: Vec<(String, String)>,
}

impl Bed {
    /// A server with the contract's users, set up.
    pub(crate) async fn new(settings: Settings<'_>) -> Self {
        let bed = Self::bare(Access::Users(HashMap::new()), settings).await;
        bed.set_up().await;
        bed
    }

    /// A server on which the test may do what no user may, set up.
    pub(crate) async fn open(settings: Settings<'_>) -> Self {
        let bed = Self::bare(Access::Open, settings).await;
        bed.set_up().await;
        bed
    }

    /// A server with nothing on it.
    pub(crate) async fn bare(access: Access, settings: Settings<'_>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = Options {
            access,
            ..Options::default()
        };
        Self::with(folder, options, settings).await
    }

    /// A server with nothing on it, whose files are in `folder`.
    pub(crate) async fn with(folder: TempDir, options: Options, settings: Settings<'_>) -> Self {
        let _ = tracing_subscriber::fmt()
            .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
            .with_test_writer()
            .try_init();
        let nats = Nats::start(&folder.path().join("nats"), options)
            .await
            .unwrap();
        Self {
            nats,
            folder,
            settings: settings
                .iter()
                .map(|(name, text)| (format!("LANDFALL_{name}"), (*text).to_owned()))
                .collect(),
        }
    }

    pub(crate) async fn set_up(&self) -> Vec<String> {
        runtime::setup(&self.config(User::Setup)).await.unwrap()
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The settings of one user, as environment variables.
    pub(crate) fn variables(&self, user: User) -> Vec<(String, String)> {
        let store = self.folder.path().join("store");
        let mut variables: Vec<(String, String)> = [
            ("STORE__FOLDER", store.to_str().unwrap()),
            ("NATS__URL", &self.nats.url()),
            ("NATS__DUPLICATE_WINDOW", "100ms"),
            ("NATS__ACK_WAIT", "400ms"),
            ("NATS__MAX_DELIVER", "3"),
            ("SERVICE__TRIES", "2"),
            ("SERVICE__RETRY_AFTER", "50ms"),
            (
                "NATS__PASSWORD",
                self.nats.password(user).unwrap_or_default(),
            ),
        ]
        .map(|(name, text)| (format!("LANDFALL_{name}"), text.to_owned()))
        .to_vec();
        for (name, text) in &self.settings {
            variables.retain(|(other, _)| other != name);
            variables.push((name.clone(), text.clone()));
        }
        variables
    }

    pub(crate) fn config(&self, user: User) -> Config {
        Config::read(Path::new("none.toml"), "", self.variables(user))
            .unwrap_or_else(|wrong| panic!("{wrong}"))
    }

    /// JetStream as `user` sees it.
    pub(crate) async fn jetstream(&self, user: User) -> jetstream::Context {
        let mut options = async_nats::ConnectOptions::new()
            .custom_inbox_prefix(user.inbox())
            .request_timeout(Some(Duration::from_secs(5)));
        if let Some(password) = self.nats.password(user) {
            options = options.user_and_password(user.name().to_owned(), password.to_owned());
        }
        jetstream::new(options.connect(self.nats.url()).await.unwrap())
    }

    /// Everything in a stream.
    pub(crate) async fn stored(&self, stream: &str) -> Vec<StreamMessage> {
        let stream = self
            .jetstream(User::Operator)
            .await
            .get_stream(stream)
            .await
            .unwrap();
        let state = &stream.cached_info().state;
        let mut stored = vec![];
        for sequence in state.first_sequence..=state.last_sequence {
            if let Ok(message) = stream.direct_get(sequence).await {
                stored.push(message);
            }
        }
        stored
    }

    /// The events in `FILES` on one kind of subject.
    pub(crate) async fn events(&self, what: &str) -> Vec<Event> {
        let messages = self.stored("FILES").await;
        messages
            .iter()
            .filter(|message| message.subject.split('.').nth(2) == Some(what))
            .map(|message| serde_json::from_slice(&message.payload).unwrap())
            .collect()
    }

    /// The dead letters of a service.
    pub(crate) async fn dead(&self, user: User) -> Vec<StreamMessage> {
        let subject = format!("dead.{user}");
        let mut messages = self.stored("DEAD").await;
        messages.retain(|message| message.subject.as_str() == subject);
        messages
    }

    pub(crate) async fn wait_for_events(&self, what: &str, count: usize) -> Vec<Event> {
        until(&format!("{count} {what}"), async || {
            let events = self.events(what).await;
            (events.len() >= count).then_some(events)
        })
        .await
    }

    /// Waits until a consumer has nothing left, delivered or not.
    pub(crate) async fn wait_until_done(&self, consumer: &Consumer) {
        let jetstream = self.jetstream(User::Operator).await;
        until("everything is acknowledged", async || {
            let consumer: PullConsumer = jetstream
                .get_consumer_from_stream(consumer.name(), consumer.stream.name)
                .await
                .ok()?;
            let info = consumer.cached_info();
            (info.num_ack_pending == 0 && info.num_pending == 0).then_some(())
        })
        .await;
    }

    /// Waits until so many files were moved and nothing is left to do, then stops the mover;
    /// answers what it said.
    pub(crate) async fn stop_when_moved(&self, mover: Running, files: usize) -> Vec<Event> {
        let moved = self.wait_for_events("moved", files).await;
        self.wait_until_done(&proto::consumer::mover()).await;
        mover.stop().await.unwrap();
        moved
    }

    /// Waits until a service has answered all advisories about its work.
    pub(crate) async fn wait_until_advised(&self, user: User) {
        let advisories = proto::consumer::advisories(user).unwrap();
        self.wait_until_done(&advisories).await;
    }

    /// The journal's cell of a service that is not running.
    pub(crate) async fn settled(&self, user: User, cell: Cell) -> Option<Settled> {
        let path = self.folder.path().join(format!("store/{user}.db"));
        let journal = store::sqlite::Journal::open(&path).await.unwrap();
        store::Journal::settled(&journal, cell).await.unwrap()
    }

    /// Starts a service.
    pub(crate) fn start<F>(&self, user: User, start: F) -> Running
    where
        F: AsyncFn(&Context) -> Result<(), Trouble> + Send + 'static,
    {
        self.start_with(self.config(user), user, start)
    }

    /// Starts a service with a configuration of its own.
    pub(crate) fn start_with<F>(&self, mut config: Config, user: User, start: F) -> Running
    where
        F: AsyncFn(&Context) -> Result<(), Trouble> + Send + 'static,
    {
        let port = servers::Port::free().unwrap();
        config.service.listen = ([127, 0, 0, 1], port.number()).into();
        let stop = CancellationToken::new();
        let asked = stop.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build()
                .unwrap();
            let outcome = runtime.block_on(runtime::run(user, config, asked, start));
            runtime.shutdown_background();
            outcome
        });
        Running {
            stop,
            port,
            thread: Some(thread),
        }
    }

    /// Starts the mover with one step.
    pub(crate) fn mover(&self, step: Arc<dyn Step>) -> Running {
        self.start(User::Mover, async move |context: &Context| {
            context.steps(proto::consumer::mover(), Arc::clone(&step));
            Ok(())
        })
    }
}

/// A service in a thread of its own.
pub(crate) struct Running {
    stop: CancellationToken,
    port: servers::Port,
    thread: Option<JoinHandle<Result<(), Trouble>>>,
}

impl Running {
    /// Asks it to stop and waits until it has.
    pub(crate) async fn stop(mut self) -> Result<(), Trouble> {
        self.stop.cancel();
        self.ended().await
    }

    /// Waits until it ends.
    pub(crate) async fn ended(&mut self) -> Result<(), Trouble> {
        let thread = self.thread.take().unwrap();
        tokio::task::spawn_blocking(|| thread.join().unwrap())
            .await
            .unwrap()
    }

    /// The answer to `GET path`: status and body; none if nobody listens.
    pub(crate) async fn get(&self, path: &str) -> Option<(u16, String)> {
        get(self.port.number(), path).await
    }

    pub(crate) async fn wait_until_ready(&self) {
        until("ready", async || {
            let (status, _) = self.get("/readyz").await?;
            (status == 200).then_some(())
        })
        .await;
    }

    /// Waits until `/readyz` says something.
    pub(crate) async fn wait_until_it_says(&self, line: &str) -> (u16, String) {
        until(&format!("/readyz says {line}"), async || {
            let answer = self.get("/readyz").await?;
            answer.1.contains(line).then_some(answer)
        })
        .await
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

pub(crate) async fn get(port: u16, path: &str) -> Option<(u16, String)> {
    let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", port))
        .await
        .ok()?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.ok()?;
    let status = answer.split(' ').nth(1)?.parse().ok()?;
    let (_, body) = answer.split_once("\r\n\r\n")?;
    Some((status, body.to_owned()))
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

/// A step from a function, that counts how often it is run.
pub(crate) struct Does<F> {
    does: F,
    pub(crate) runs: AtomicUsize,
}

impl<F> Does<F> {
    pub(crate) fn new(does: F) -> Arc<Self> {
        Arc::new(Self {
            does,
            runs: AtomicUsize::new(0),
        })
    }

    pub(crate) fn runs(&self) -> usize {
        self.runs.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl<F> Step for Does<F>
where
    F: AsyncStep,
{
    async fn run(&self, event: &Event, _: &Message) -> Result<Option<Data>, Trouble> {
        let run = self.runs.fetch_add(1, Ordering::SeqCst) + 1;
        self.does.run(event.clone(), run).await
    }
}

#[async_trait]
impl<F> Handler for Does<F>
where
    F: AsyncStep,
{
    async fn handle(&self, message: &Message) -> Result<(), Trouble> {
        let run = self.runs.fetch_add(1, Ordering::SeqCst) + 1;
        let event = serde_json::from_slice(&message.payload).unwrap();
        self.does.run(event, run).await.map(drop)
    }
}

/// A function of the event and the number of the run.
#[async_trait]
pub(crate) trait AsyncStep: Send + Sync + 'static {
    async fn run(&self, event: Event, run: usize) -> Result<Option<Data>, Trouble>;
}

#[async_trait]
impl<F, Fut> AsyncStep for F
where
    F: Fn(Event, usize) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Option<Data>, Trouble>> + Send,
{
    async fn run(&self, event: Event, run: usize) -> Result<Option<Data>, Trouble> {
        self(event, run).await
    }
}

/// A step each of whose runs needs a permit to come to its end, and the permits.
pub(crate) fn held() -> (Arc<Does<impl AsyncStep>>, Arc<Semaphore>) {
    let permits = Arc::new(Semaphore::new(0));
    let gate = Arc::clone(&permits);
    let step = Does::new(move |event: Event, _| {
        let gate = Arc::clone(&gate);
        async move {
            gate.acquire().await.unwrap().forget();
            Ok(Some(moved(&event)))
        }
    });
    (step, permits)
}

pub(crate) fn outage() -> Trouble {
    Trouble::Outage {
        dependency: "s3",
        reason: "unplugged".to_owned(),
    }
}

pub(crate) fn retry(reason: &str) -> Trouble {
    Trouble::Retry {
        reason: reason.to_owned(),
    }
}

pub(crate) fn reject(reason: &str) -> Trouble {
    Trouble::Reject {
        reason: reason.to_owned(),
    }
}
