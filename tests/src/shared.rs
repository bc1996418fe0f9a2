//! What all tests of this process share: the runtime, the store, the relay of its notifications.
//! (A test that breaks the store has one of its own.)

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use anyhow::Result;
use aws_sdk_s3::Client;
use servers::seaweedfs::{self, SeaweedFs, Webhook};
use tokio::runtime::Runtime;
use tokio::sync::{OnceCell, Semaphore};

use crate::bucket;
use crate::relay::Relay;

/// Outlives every test, so that shared clients and servers do.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().expect("a runtime"));

/// An installation is seven processes: no more of them at once than there are cores.
static ROOM: LazyLock<Semaphore> = LazyLock::new(|| {
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    Semaphore::new(cores)
});

/// Runs a test.
pub fn run<T>(test: impl Future<Output = Result<T>>) -> T {
    let outcome = RUNTIME.block_on(async {
        let _room = ROOM.acquire().await?;
        test.await
    });
    outcome.unwrap_or_else(|error| panic!("{error:#}"))
}

/// A store and what belongs to it.
#[derive(Debug)]
pub(crate) struct Storage {
    pub(crate) store: SeaweedFs,
    pub(crate) client: Client,
    pub(crate) relay: Relay,
}

/// The store of all tests. It is started at the first call, and ends with this process.
pub(crate) async fn shared() -> Result<&'static Storage> {
    static SHARED: OnceCell<Storage> = OnceCell::const_new();
    SHARED
        .get_or_try_init(async || Storage::start(&scratch()?.join("seaweedfs")).await)
        .await
}

impl Storage {
    /// Starts a store whose files are in `folder`.
    pub(crate) async fn start(folder: &Path) -> Result<Self> {
        let relay = Relay::start().await?;
        let webhook = Webhook {
            url: format!("http://{}/", relay.address),
            token: "the relay takes any".to_owned(),
            paths: vec![],
        };
        let options = seaweedfs::Options {
            webhook: Some(webhook),
            ..seaweedfs::Options::default()
        };
        let store = SeaweedFs::start(folder, options).await?;
        let client = bucket::client(&store.endpoint(), store.access_key(), store.secret_key());
        Ok(Self {
            store,
            client,
            relay,
        })
    }
}

/// A folder for this process. What is shared is never dropped, so folders are removed by the next
/// process that finds their owner gone.
pub(crate) fn scratch() -> Result<PathBuf> {
    let parent = std::env::temp_dir().join("landfall-tests");
    std::fs::create_dir_all(&parent)?;
    for entry in std::fs::read_dir(&parent)? {
        let entry = entry?;
        let owner = entry.file_name();
        if !Path::new("/proc").join(&owner).exists() {
            // Another process may be removing it as well.
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
    let own = parent.join(std::process::id().to_string());
    std::fs::create_dir_all(&own)?;
    Ok(own)
}
