//! A real NATS server with the contract's users, and the notifier on it.

use std::path::Path;
use std::time::Duration;

use async_nats::jetstream::message::StreamMessage;
use async_nats::{Client, ConnectOptions, jetstream};
use futures::StreamExt;
use jiff::Timestamp;
use proto::event::Notified;
use proto::{Data, Event, FileId, User, subject};
use runtime::Config;
use runtime::config::secret::Secret;
use servers::nats::{Access, Options};
use servers::{MailCatcher, Nats};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::fixtures;

/// Long enough for a busy machine; whoever waits for it has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// The servers, and a configuration of a notifier on them.
pub(crate) struct Stage {
    pub(crate) nats: Nats,
    pub(crate) config: Config,
    operator: Client,
    mover: Client,
    said: tokio::sync::Mutex<async_nats::Subscriber>,
    _folder: tempfile::TempDir,
}

/// A running notifier.
pub(crate) struct Replica {
    stop: CancellationToken,
    done: JoinHandle<Result<(), runtime::Trouble>>,
}

impl Stage {
    /// With a delay of a second, and a mail server at `port`.
    pub(crate) async fn set(port: u16) -> Self {
        Self::with(port, Access::Users(Default::default())).await
    }

    /// Where everybody may do everything: for what no user of the contract may do.
    pub(crate) async fn open(port: u16) -> Self {
        Self::with(port, Access::Open).await
    }

    async fn with(port: u16, access: Access) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = Options {
            access,
            ..Options::default()
        };
        let nats = Nats::start(&folder.path().join("nats"), options)
            .await
            .unwrap();
        let mut config = fixtures::config(port);
        config.nats.url = nats.url();
        config.nats.duplicate_window = Duration::from_millis(100);
        config.store.folder = folder.path().join("store");
        config.notifier.delay = Duration::from_secs(1);
        config.notifier.retry_after = Duration::from_millis(200);
        runtime::setup(&as_user(&config, &nats, User::Setup))
            .await
            .unwrap();
        let operator = connect(&nats, User::Operator).await;
        let said = operator.subscribe("files.*.notified.*").await.unwrap();
        operator.flush().await.unwrap();
        Self {
            config: as_user(&config, &nats, User::Notifier),
            mover: connect(&nats, User::Mover).await,
            said: tokio::sync::Mutex::new(said),
            operator,
            nats,
            _folder: folder,
        }
    }

    /// Makes streams and consumers as the configuration has them now.
    pub(crate) async fn mend(&self) {
        runtime::setup(&as_user(&self.config, &self.nats, User::Setup))
            .await
            .unwrap();
    }

    /// A notifier that runs in this process.
    pub(crate) fn notifier(&self) -> Replica {
        let stop = CancellationToken::new();
        let running = runtime::run(
            User::Notifier,
            self.config.clone(),
            stop.clone(),
            async |context: &runtime::Context| crate::start(context).await,
        );
        Replica {
            done: tokio::spawn(running),
            stop,
        }
    }

    /// Publishes what a step says, and answers `JetStream`'s sequence.
    pub(crate) async fn say(&self, event: &Event) -> u64 {
        let (file, _) = event.about();
        let subject = subject::files(file.id, event.data.what(), &file.profile);
        self.publish(subject, event).await
    }

    pub(crate) async fn publish(&self, subject: String, event: &Event) -> u64 {
        let payload = serde_json::to_vec(event).unwrap();
        let context = jetstream::new(self.mover.clone());
        let acknowledged = context
            .publish(subject, payload.into())
            .await
            .unwrap()
            .await;
        acknowledged.unwrap().sequence
    }

    /// The next `notified`.
    pub(crate) async fn notified(&self) -> Notified {
        let mut said = self.said.lock().await;
        let message = timeout(PATIENCE, said.next())
            .await
            .expect("nobody was notified")
            .unwrap();
        let event: Event = serde_json::from_slice(&message.payload).unwrap();
        match event.data {
            Data::Notified(notified) => notified,
            other => panic!("{other:?}"),
        }
    }

    /// The schedule of a mail, once there is one.
    pub(crate) async fn schedule(&self, file: FileId) -> StreamMessage {
        let subject = subject::delay_wait(file, 0);
        let query = serde_json::json!({ "last_by_subj": subject }).to_string();
        until(async || self.stored("DELAY", &query).await).await
    }

    /// The message of a stream with this sequence.
    pub(crate) async fn message(&self, stream: &str, sequence: u64) -> StreamMessage {
        let query = serde_json::json!({ "seq": sequence }).to_string();
        until(async || self.stored(stream, &query).await).await
    }

    async fn stored(&self, stream: &str, query: &str) -> Option<StreamMessage> {
        let subject = format!("$JS.API.DIRECT.GET.{stream}");
        let answer = self
            .operator
            .request(subject, query.to_owned().into())
            .await
            .unwrap();
        StreamMessage::try_from(answer).ok()
    }

    /// How many messages a stream holds.
    pub(crate) async fn count(&self, stream: &str) -> u64 {
        let context = jetstream::new(self.operator.clone());
        let mut stream = context.get_stream(stream).await.unwrap();
        stream.info().await.unwrap().state.messages
    }
}

impl Replica {
    /// Asks it to end, and waits for that: with nothing in its hands it does so at once, not at
    /// the end of the drain.
    pub(crate) async fn stop(self) {
        const AT_ONCE: Duration = Duration::from_secs(10);
        self.stop.cancel();
        timeout(AT_ONCE, self.done)
            .await
            .expect("it does not end")
            .unwrap()
            .unwrap();
    }
}

pub(crate) async fn catcher(folder: &Path) -> MailCatcher {
    MailCatcher::start(&folder.join("mail"), None)
        .await
        .unwrap()
}

fn as_user(config: &Config, nats: &Nats, user: User) -> Config {
    let mut config = config.clone();
    config.nats.password = nats.password(user).map(Secret::new);
    config
}

async fn connect(nats: &Nats, user: User) -> Client {
    let mut options = ConnectOptions::new().custom_inbox_prefix(user.inbox());
    if let Some(password) = nats.password(user) {
        options = options.user_and_password(user.name().to_owned(), password.to_owned());
    }
    options.connect(nats.url()).await.unwrap()
}

/// Waits for a condition.
pub(crate) async fn until<T>(condition: impl AsyncFn() -> Option<T>) -> T {
    let met = timeout(PATIENCE, async {
        loop {
            match condition().await {
                Some(value) => return value,
                None => sleep(Duration::from_millis(20)).await,
            }
        }
    });
    met.await.expect("the condition was not met")
}

pub(crate) fn stored_at(message: &StreamMessage) -> Timestamp {
    Timestamp::from_nanosecond(message.time.unix_timestamp_nanos()).unwrap()
}
