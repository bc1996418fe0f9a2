//! The server of all tests.

use std::fs::File;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;
use scylla::cluster::Node;
use servers::Cassandra;
use servers::cassandra::Options;
use store::cql::Access;
use tokio::sync::OnceCell;

/// Names a server that is there already.
const RUNNING: &str = "LANDFALL_TEST_CQL";

/// How the server is reached that all tests of this process share.
pub(crate) async fn access() -> Access {
    match std::env::var(RUNNING) {
        Ok(address) => access_to(&address),
        Err(_) => own().await,
    }
}

/// The same of a server that wires can be before: drivers find it at 127.0.0.1, and are told of no
/// other ports, as they are by `ScyllaDB` of one for each shard. Another that the environment names
/// is passed by for a Cassandra of the tests' own.
pub(crate) async fn access_for_wires() -> Access {
    let access = access().await;
    let session = session().await;
    let state = session.get_cluster_state();
    let takes_wires =
        |node: &Arc<Node>| node.address.ip() == Ipv4Addr::LOCALHOST && node.sharder().is_none();
    if state.get_nodes_info().iter().all(takes_wires) {
        access
    } else {
        own().await
    }
}

/// Plain CQL, on the server of all tests.
pub(crate) async fn session() -> Session {
    let session = SessionBuilder::new().known_nodes(access().await.nodes);
    session.build().await.unwrap()
}

/// Whether that is `ScyllaDB`.
pub(crate) async fn is_scylla() -> bool {
    let state = session().await.get_cluster_state();
    let mut nodes = state.get_nodes_info().iter();
    nodes.any(|node| node.sharder().is_some())
}

async fn own() -> Access {
    static OWN: OnceCell<(File, Cassandra)> = OnceCell::const_new();
    access_to(&OWN.get_or_init(start).await.1.address())
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
