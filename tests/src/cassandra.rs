//! Cassandra, for installations that keep their data in CQL.

#![allow(
    clippy::disallowed_methods,
    reason = "a test speaks to the servers itself"
)]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use scylla::client::execution_profile::ExecutionProfile;
use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;
use servers::cassandra::Options;
use tokio::sync::OnceCell;

use crate::shared::scratch;

/// Names a server that is there already.
const RUNNING: &str = "LANDFALL_TEST_CQL";
/// How long a change of the schema may take on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server, and a way for tests to ask it.
pub(crate) struct Cassandra {
    pub(crate) port: u16,
    pub(crate) session: Arc<Session>,
    /// None, if it was there already.
    pub(crate) server: Option<servers::Cassandra>,
}

/// The server of all tests. It is started at the first call, and ends with this process.
pub(crate) async fn shared() -> Result<&'static Cassandra> {
    static SHARED: OnceCell<Cassandra> = OnceCell::const_new();
    let careless = Options {
        careless: true,
        ..Options::default()
    };
    let start = async || Cassandra::start(&scratch()?.join("cassandra"), careless).await;
    SHARED.get_or_try_init(start).await
}

impl Cassandra {
    /// Starts a server whose files are in `folder`; or takes the one on this machine that the
    /// environment names.
    pub(crate) async fn start(folder: &Path, options: Options) -> Result<Self> {
        if let Ok(address) = std::env::var(RUNNING) {
            return Self::running(&address).await;
        }
        let server = servers::Cassandra::start(folder, options).await?;
        Ok(Self {
            port: server.port(),
            session: connect(&server.address()).await?,
            server: Some(server),
        })
    }

    async fn running(address: &str) -> Result<Self> {
        let port = ["127.0.0.1:", "localhost:"]
            .iter()
            .find_map(|host| address.strip_prefix(host)?.parse().ok());
        let port = port.with_context(|| {
            format!("{RUNNING}={address}: whole systems are tested on this machine: 127.0.0.1:port")
        })?;
        Ok(Self {
            port,
            session: connect(address).await?,
            server: None,
        })
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
        write!(f, "Cassandra at port {}", self.port)
    }
}
