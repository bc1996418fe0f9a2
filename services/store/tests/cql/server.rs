//! The server of all tests.

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use servers::Cassandra;
use servers::cassandra::Options;
use store::cql::Access;
use tokio::sync::OnceCell;

/// Names a server that is there already.
const RUNNING: &str = "LANDFALL_TEST_CQL";

struct Server {
    address: String,
    _started: Option<(File, Cassandra)>,
}

/// How the server is reached that all tests of this process share.
pub(crate) async fn access() -> Access {
    static SERVER: OnceCell<Server> = OnceCell::const_new();
    let server = SERVER.get_or_init(|| async {
        if let Ok(address) = std::env::var(RUNNING) {
            return Server {
                address,
                _started: None,
            };
        }
        let (lock, cassandra) = start().await;
        Server {
            address: cassandra.address(),
            _started: Some((lock, cassandra)),
        }
    });
    access_to(&server.await.address)
}

/// How a server at this address is reached.
pub(crate) fn access_to(address: &str) -> Access {
    Access {
        nodes: vec![address.to_owned()],
        ..Access::default()
    }
}

/// In the same folder each time, since nobody is there to remove it when the process ends, which
/// ends the server. Another process that tests at the same time waits; so does the next test of this
/// one if it does not start, but for no longer than that.
async fn start() -> (File, Cassandra) {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cassandra");
    let lock = File::create(folder.with_extension("lock")).unwrap();
    let locked = tokio::task::spawn_blocking(move || {
        lock.lock().unwrap();
        lock
    });
    let lock = locked.await.unwrap();
    let _ = std::fs::remove_dir_all(&folder);
    let options = Options {
        careless: true,
        ..Options::default()
    };
    let started =
        tokio::time::timeout(Duration::from_secs(180), Cassandra::start(&folder, options));
    (lock, started.await.unwrap().unwrap())
}
