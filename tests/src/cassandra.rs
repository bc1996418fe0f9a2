//! Cassandra, for installations that keep their data in CQL.

use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use scylla::client::execution_profile::ExecutionProfile;
use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;
use servers::cassandra::Options;
use tokio::sync::OnceCell;

use crate::database::HERE;
use crate::shared::scratch;

/// Names a server that is there already.
const RUNNING: &str = "LANDFALL_TEST_CQL";
/// How long a change of the schema may take on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server, and a way for tests to ask it.
pub(crate) struct Cassandra {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) session: Arc<Session>,
    /// None, if it was there already.
    pub(crate) server: Option<servers::Cassandra>,
}

/// The server of all tests: the one that the environment names, or else one that is started at the
/// first call and ends with this process. `wired`: there are going to be wires before it.
pub(crate) async fn shared(wired: bool) -> Result<&'static Cassandra> {
    static NAMED: OnceCell<Option<Cassandra>> = OnceCell::const_new();
    static OWN: OnceCell<Cassandra> = OnceCell::const_new();
    let named = NAMED.get_or_try_init(Cassandra::named).await?;
    if let Some(named) = named
        && (!wired || named.takes_wires())
    {
        return Ok(named);
    }
    let careless = Options {
        careless: true,
        ..Options::default()
    };
    let start = async || Cassandra::start(&scratch()?.join("cassandra"), careless).await;
    OWN.get_or_try_init(start).await
}

/// The data center of the server of all tests.
pub async fn datacenter() -> Result<String> {
    let state = shared(false).await?.session.get_cluster_state();
    let node = state.get_nodes_info().first().context("it has a node")?;
    node.datacenter
        .clone()
        .context("its data center has a name")
}

impl Cassandra {
    /// One that wires can be before: that which the environment names, if it takes them, or else one
    /// that is started, whose files are in `folder`.
    pub(crate) async fn for_wires(folder: &Path, options: Options) -> Result<Self> {
        match Self::named().await? {
            Some(named) if named.takes_wires() => Ok(named),
            _ => Self::start(folder, options).await,
        }
    }

    async fn start(folder: &Path, options: Options) -> Result<Self> {
        let server = servers::Cassandra::start(folder, options).await?;
        Ok(Self {
            host: HERE.to_owned(),
            port: server.port(),
            session: connect(&server.address()).await?,
            server: Some(server),
        })
    }

    /// The one that the environment names, if it names one.
    async fn named() -> Result<Option<Self>> {
        let Ok(address) = std::env::var(RUNNING) else {
            return Ok(None);
        };
        let place = address.rsplit_once(':');
        let place = place.and_then(|(host, port)| Some((host.to_owned(), port.parse().ok()?)));
        let (host, port) =
            place.with_context(|| format!("{RUNNING}={address}: expected `host:port`"))?;
        Ok(Some(Self {
            host,
            port,
            session: connect(&address).await?,
            server: None,
        }))
    }

    /// Whether wires can be before it. Who comes by a wire is told where the nodes are, and connects
    /// to them there: at the port of the wire, unless it is `ScyllaDB`, which names one for each shard.
    fn takes_wires(&self) -> bool {
        let state = self.session.get_cluster_state();
        let mut nodes = state.get_nodes_info().iter();
        nodes.all(|node| node.address.ip() == Ipv4Addr::LOCALHOST && node.sharder().is_none())
    }
}

async fn connect(address: &str) -> Result<Arc<Session>> {
    let profile = ExecutionProfile::builder().request_timeout(Some(PATIENCE));
    let session = SessionBuilder::new()
        .known_node(address)
        .default_execution_profile_handle(profile.build().into_handle());
    let session = session.build().await.with_context(|| address.to_owned())?;
    Ok(Arc::new(session))
}

impl std::fmt::Debug for Cassandra {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Cassandra at {}:{}", self.host, self.port)
    }
}
