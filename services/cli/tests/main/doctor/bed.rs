//! An installation without its services: NATS, a bucket behind a gate, a mail server, databases.

use std::process::Output;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::TryStreamExt;
use objects::Objects;
use proto::User;
use runtime::Config;
use servers::seaweedfs::Options;
use servers::{MailCatcher, SeaweedFs};
use tempfile::TempDir;
use tokio::sync::{Mutex, OnceCell};

use super::gate::Gate;
use crate::landfall::{Place, run, stdout};

static STORE: OnceCell<(Mutex<SeaweedFs>, TempDir)> = OnceCell::const_new();
static MAIL: OnceCell<(MailCatcher, TempDir)> = OnceCell::const_new();
static BUCKETS: AtomicUsize = AtomicUsize::new(0);

/// Where `landfall doctor` is run.
pub(crate) struct Bed {
    pub(crate) place: Place,
    pub(crate) gate: Gate,
    pub(crate) bucket: String,
    objects: Objects,
}

/// What a check printed.
pub(crate) struct Told {
    output: Output,
    text: String,
}

impl Bed {
    /// Everything is as it should be.
    pub(crate) async fn new() -> Self {
        let bed = Self::unwired().await;
        let user = User::Storage;
        let tells = async_nats::ConnectOptions::with_user_and_password(
            user.to_string(),
            bed.place.nats.password(user).unwrap().to_owned(),
        );
        let tells = tells.connect(bed.place.nats.url()).await.unwrap();
        bed.gate.set(|rules| rules.tells = Some(tells));
        bed
    }

    /// The store tells nobody of uploads.
    pub(crate) async fn unwired() -> Self {
        let store = STORE.get_or_init(async || {
            let folder = tempfile::tempdir().unwrap();
            let store = SeaweedFs::start(folder.path(), Options::default()).await;
            (Mutex::new(store.unwrap()), folder)
        });
        let mail = MAIL.get_or_init(async || {
            let folder = tempfile::tempdir().unwrap();
            (
                MailCatcher::start(folder.path(), None).await.unwrap(),
                folder,
            )
        });
        let mut store = store.await.0.lock().await;
        let bucket = format!("bucket-{}", BUCKETS.fetch_add(1, Ordering::Relaxed));
        store.make_bucket(&bucket).await.unwrap();
        let gate = Gate::before(format!("127.0.0.1:{}", store.port())).await;
        let more = format!(
            "objects = {{ endpoint = \"http://{}\", access_key = \"{}\", secret_key = \"{}\" }}\n\
             watcher = {{ tokens = [\"t\"], buckets = [{{ name = \"{bucket}\" }}] }}\n\
             [notifier]\nto = [\"lab@example.org\"]\n\
             smtp = {{ host = \"127.0.0.1\", port = {}, tls = \"none\" }}\n",
            gate.address,
            store.access_key(),
            store.secret_key(),
            mail.await.0.port(),
        );
        let place = Place::new(&more).await;
        let config = Config::load(Some(&place.config)).unwrap();
        Self {
            objects: Objects::new(&config.objects).await.unwrap(),
            place,
            gate,
            bucket,
        }
    }

    /// Changes the configuration.
    pub(crate) fn edit(&self, from: &str, to: &str) {
        let text = std::fs::read_to_string(&self.place.config).unwrap();
        assert!(text.contains(from), "{from:?} is not in {text}");
        std::fs::write(&self.place.config, text.replacen(from, to, 1)).unwrap();
    }

    pub(crate) async fn doctor(&self, arguments: &[&str]) -> Told {
        let arguments = [&["doctor"], arguments].concat();
        let output = run(self.place.folder.path(), &arguments).await;
        let text = stdout(&output);
        Told { output, text }
    }

    /// The keys of everything in the bucket.
    pub(crate) async fn keys(&self) -> Vec<String> {
        let listed = self.objects.list(&self.bucket, "");
        let listed: Vec<_> = listed.try_collect().await.unwrap();
        listed.into_iter().map(|line| line.unwrap().key).collect()
    }

    /// How many messages a stream holds.
    pub(crate) async fn stored(&self, stream: &str) -> u64 {
        let jetstream = self.jetstream(User::Setup).await;
        let mut stream = jetstream.get_stream(stream).await.unwrap();
        stream.info().await.unwrap().state.messages
    }

    /// With the rights of a user.
    pub(crate) async fn jetstream(&self, user: User) -> async_nats::jetstream::Context {
        let password = self.place.nats.password(user).unwrap().to_owned();
        let options =
            async_nats::ConnectOptions::with_user_and_password(user.to_string(), password);
        let options = options.custom_inbox_prefix(user.inbox());
        let client = options.connect(self.place.nats.url()).await.unwrap();
        async_nats::jetstream::new(client)
    }
}

impl Told {
    /// All is well.
    #[track_caller]
    pub(crate) fn is_well(&self) -> &Self {
        assert_eq!(self.output.status.code(), Some(0), "{}", self.all());
        assert!(self.lines("wrong").is_empty(), "{}", self.all());
        self
    }

    /// This alone is wrong: one line, with each of these words.
    #[track_caller]
    pub(crate) fn is_wrong(&self, words: &[&str]) -> &Self {
        let wrong = self.lines("wrong");
        assert_eq!(wrong.len(), 1, "{}", self.all());
        self.names(words)
    }

    /// One of the lines of what is wrong has each of these words.
    #[track_caller]
    pub(crate) fn names(&self, words: &[&str]) -> &Self {
        assert_eq!(self.output.status.code(), Some(1), "{}", self.all());
        let fits = |line: &&str| words.iter().all(|word| line.contains(word));
        assert!(
            self.lines("wrong").iter().any(fits),
            "{words:?}: {}",
            self.all()
        );
        self
    }

    /// A line with this verdict has each of these words.
    #[track_caller]
    pub(crate) fn says(&self, verdict: &str, words: &[&str]) -> &Self {
        let fits = |line: &&str| words.iter().all(|word| line.contains(word));
        assert!(
            self.lines(verdict).iter().any(fits),
            "{words:?}: {}",
            self.all()
        );
        self
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    fn lines(&self, verdict: &str) -> Vec<&str> {
        let begins = |line: &&str| line.split_whitespace().next() == Some(verdict);
        // The last line sums up.
        let sum = self.text.lines().count().saturating_sub(1);
        self.text.lines().take(sum).filter(begins).collect()
    }

    fn all(&self) -> String {
        let said = String::from_utf8_lossy(&self.output.stderr);
        format!("{}\n{}{said}", self.output.status, self.text)
    }
}
