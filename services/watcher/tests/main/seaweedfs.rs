//! One SeaweedFS for all tests of this binary. It has one webhook; what it says about a bucket goes
//! on to that bucket's watcher, if it has one, and is lost otherwise.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use servers::SeaweedFs;
use servers::seaweedfs::{Options, Webhook};
use tempfile::TempDir;
use tokio::sync::{Mutex as AsyncMutex, OnceCell};

use crate::http;

pub(crate) const TOKEN: &str = "a token of these tests";

pub(crate) struct Store {
    pub(crate) endpoint: String,
    pub(crate) access_key: String,
    pub(crate) secret_key: String,
    seaweedfs: AsyncMutex<SeaweedFs>,
    watchers: Watchers,
    _folder: TempDir,
}

/// The port of each bucket's watcher.
type Watchers = Arc<Mutex<HashMap<String, u16>>>;

static STORE: OnceCell<Store> = OnceCell::const_new();

/// The store, started by whoever comes first. It dies with the process.
pub(crate) async fn store() -> &'static Store {
    STORE.get_or_init(start).await
}

impl Store {
    pub(crate) async fn make_bucket(&self, name: &str) {
        self.seaweedfs.lock().await.make_bucket(name).await.unwrap();
    }

    /// From now on, what is said about `bucket` goes to `port`, or nowhere.
    pub(crate) fn connect(&self, bucket: &str, port: Option<u16>) {
        let mut watchers = self.watchers.lock().unwrap();
        match port {
            Some(port) => watchers.insert(bucket.to_owned(), port),
            None => watchers.remove(bucket),
        };
    }
}

async fn start() -> Store {
    let watchers = Watchers::default();
    let port = relay(Arc::clone(&watchers));
    let folder = tempfile::tempdir().unwrap();
    let options = Options {
        webhook: Some(Webhook {
            url: format!("http://127.0.0.1:{port}/"),
            token: TOKEN.to_owned(),
            paths: vec![],
        }),
        ..Options::default()
    };
    let seaweedfs = SeaweedFs::start(folder.path(), options).await.unwrap();
    Store {
        endpoint: seaweedfs.endpoint(),
        access_key: seaweedfs.access_key().to_owned(),
        secret_key: seaweedfs.secret_key().to_owned(),
        seaweedfs: AsyncMutex::new(seaweedfs),
        watchers,
        _folder: folder,
    }
}

/// Serves in a thread of its own: the tests' runtimes come and go.
fn relay(watchers: Watchers) -> u16 {
    static PORT: OnceLock<u16> = OnceLock::new();
    *PORT.get_or_init(|| {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Runtime::new().unwrap();
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                let routes = Router::new().route("/", post(pass_on)).with_state(watchers);
                axum::serve(listener, routes).await.unwrap();
            });
        });
        port
    })
}

/// Bytes and token as they came, the answer as it comes back.
async fn pass_on(State(watchers): State<Watchers>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let said: serde_json::Value = serde_json::from_slice(&body).unwrap();
    let bucket = said["key"]
        .as_str()
        .and_then(|key| key.split('/').nth(2))
        .unwrap_or_default();
    let port = watchers.lock().unwrap().get(bucket).copied();
    let token = headers["authorization"].to_str().unwrap();
    let token = token.strip_prefix("Bearer ").unwrap();
    // Lost without the sender's noticing: it would try again otherwise.
    let Some(port) = port else {
        return StatusCode::OK;
    };
    match http::post(port, token, &body).await {
        Some(answer) => StatusCode::from_u16(answer.status).unwrap(),
        None => StatusCode::BAD_GATEWAY,
    }
}
