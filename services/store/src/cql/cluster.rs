//! The connection to a cluster, and how requests are made: so many at once, again for a while
//! where they may work the next time, and with their errors understood.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use scylla::client::execution_profile::ExecutionProfile;
use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;
use scylla::deserialize::row::DeserializeRow;
use scylla::errors::ExecutionError;
use scylla::policies::load_balancing::{NodeIdentifier, SingleTargetLoadBalancingPolicy};
use scylla::policies::retry::FallthroughRetryPolicy;
use scylla::response::query_result::{QueryResult, QueryRowsResult};
use scylla::response::{PagingState, PagingStateResponse};
use scylla::serialize::batch::BatchValues;
use scylla::serialize::row::SerializeRow;
use scylla::statement::batch::Batch;
use scylla::statement::prepared::PreparedStatement;
use scylla::statement::{Consistency, SerialConsistency, Statement};
use scylla::value::{CqlValue, Row};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_rustls::rustls::ClientConfig;

use super::fault;
use crate::{Error, Result};

/// Requests under way at once.
pub(super) const AT_ONCE: usize = 64;
/// How long an answer is waited for; longer than the server's own limits.
const PATIENCE: Duration = Duration::from_secs(15);
/// The same where the schema changes.
const PATIENCE_FOR_SCHEMA: Duration = Duration::from_secs(60);
/// The same for all that it takes to connect, and to prepare a statement. The driver itself has no
/// limit.
const PATIENCE_FOR_CONNECTING: Duration = Duration::from_secs(30);
/// How long a connection may be silent before its other end is asked whether it is there, and how
/// long that may take.
const SILENCE: Duration = Duration::from_secs(10);
/// How often a request is made before it is an outage.
const TRIES: u32 = 7;
/// What is waited before the second try, on average; then each time twice as long.
const PAUSE: Duration = Duration::from_millis(50);
/// Rows of one page of an answer.
const PAGE: i32 = 5_000;

/// How a cluster is reached.
#[derive(Clone, Default)]
pub struct Access {
    /// `host:port` of some of its nodes; the others are asked of them.
    pub nodes: Vec<String>,
    /// The nodes of which data center are asked. Needed where there are several: majorities, and who
    /// comes first, are matters of one data center, which has to be the same for all.
    pub datacenter: Option<String>,
    /// User and password, where it wants them.
    pub login: Option<(String, String)>,
    /// TLS, where it is spoken.
    pub tls: Option<Arc<ClientConfig>>,
}

/// A connection.
pub(super) struct Cluster {
    session: Session,
    name: String,
    room: Semaphore,
}

/// The answer to a conditional write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Condition {
    /// It held, and was written.
    Held,
    /// It did not hold.
    Failed,
    /// It may or may not have been written: a read with [`serial`] consistency tells.
    Unknown,
}

impl Cluster {
    /// Connects, for the data of one keyspace.
    #[expect(
        clippy::disallowed_methods,
        reason = "the runtime has its failpoints around this"
    )]
    pub(super) async fn connect(access: &Access, keyspace: &str) -> Result<Self> {
        let name = format!("{} (keyspace {keyspace})", access.nodes.join(","));
        let profile = ExecutionProfile::builder()
            .consistency(Consistency::LocalQuorum)
            .serial_consistency(Some(SerialConsistency::LocalSerial))
            .request_timeout(Some(PATIENCE))
            // The driver does not know what was asked for, so it does not ask again.
            .retry_policy(Arc::new(FallthroughRetryPolicy::new()))
            .build();
        let mut builder = SessionBuilder::new()
            .known_nodes(&access.nodes)
            .keyspaces_to_fetch([keyspace])
            .fetch_full_schema_metadata(false)
            .schema_agreement_interval(Duration::from_millis(20))
            .keepalive_interval(SILENCE)
            .keepalive_timeout(SILENCE)
            .tls_context(access.tls.clone())
            .default_execution_profile_handle(profile.into_handle());
        if let Some((user, password)) = &access.login {
            builder = builder.user(user, password);
        }
        if let Some(datacenter) = &access.datacenter {
            builder = builder.prefer_datacenter(datacenter.clone());
        }
        let session = timeout(PATIENCE_FOR_CONNECTING, builder.build()).await;
        let session = session.map_err(|_| fault::away(&name, "no node lets us connect in time"))?;
        let plain = access.tls.is_none();
        let session = session.map_err(|error| fault::of_connecting(&name, plain, &error))?;
        let state = session.get_cluster_state();
        let nodes = state.get_nodes_info().iter();
        let datacenters = nodes
            .filter_map(|node| node.datacenter.as_deref())
            .collect();
        if let Some(reason) = undecided(access.datacenter.as_deref(), &datacenters) {
            return Err(fault::away(&name, &reason));
        }
        Ok(Self {
            session,
            name,
            room: Semaphore::new(AT_ONCE),
        })
    }

    /// For messages.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Whether this is `ScyllaDB`: only that says how it shards.
    pub(super) fn is_scylla(&self) -> bool {
        let state = self.session.get_cluster_state();
        let mut nodes = state.get_nodes_info().iter();
        nodes.any(|node| node.sharder().is_some())
    }

    /// How many nodes there are.
    pub(super) fn nodes(&self) -> usize {
        self.session.get_cluster_state().get_nodes_info().len()
    }

    /// Prepares a statement. It is safe to repeat.
    pub(super) async fn prepare(&self, cql: &str) -> Result<PreparedStatement> {
        let prepared = timeout(PATIENCE_FOR_CONNECTING, self.session.prepare(cql)).await;
        let unanswered = |_| fault::away(&self.name, "statements are not prepared in time");
        let prepared = prepared.map_err(unanswered)?;
        let mut prepared = prepared.map_err(|error| fault::of_preparation(&self.name, &error))?;
        prepared.set_is_idempotent(true);
        prepared.set_page_size(PAGE);
        Ok(prepared)
    }

    /// Changes the schema. All such changes go to one node, so that two who make the same table
    /// make one.
    pub(super) async fn define(&self, cql: String) -> Result<()> {
        let state = self.session.get_cluster_state();
        let nodes = state.get_nodes_info().iter();
        let first = nodes
            .filter(|node| node.is_connected())
            .min_by_key(|node| node.host_id);
        let mut statement = Statement::new(cql);
        statement.set_request_timeout(Some(PATIENCE_FOR_SCHEMA));
        let node = first.map(|node| NodeIdentifier::HostId(node.host_id));
        statement.set_load_balancing_policy(
            node.map(|node| SingleTargetLoadBalancingPolicy::new(node, None)),
        );
        self.insist(|| self.session.query_unpaged(statement.clone(), ()))
            .await?;
        Ok(())
    }

    /// Executes what is safe to repeat.
    pub(super) async fn execute(
        &self,
        statement: &PreparedStatement,
        values: impl SerializeRow,
    ) -> Result<QueryResult> {
        self.insist(|| self.session.execute_unpaged(statement, &values))
            .await
    }

    /// The rows of a short answer.
    pub(super) async fn rows<R>(
        &self,
        statement: &PreparedStatement,
        values: impl SerializeRow,
    ) -> Result<Vec<R>>
    where
        R: for<'frame, 'metadata> DeserializeRow<'frame, 'metadata>,
    {
        let result = self.execute(statement, values).await?;
        let rows = result.into_rows_result();
        self.understood(&rows.map_err(|error| self.unreadable(&error))?)
    }

    /// The next rows of a long answer, and where those after them begin.
    pub(super) async fn page<R>(
        &self,
        statement: &PreparedStatement,
        values: impl SerializeRow,
        from: PagingState,
    ) -> Result<(Vec<R>, Option<PagingState>)>
    where
        R: for<'frame, 'metadata> DeserializeRow<'frame, 'metadata>,
    {
        let (result, next) = self
            .insist(|| {
                self.session
                    .execute_single_page(statement, &values, from.clone())
            })
            .await?;
        let rows = result.into_rows_result();
        let rows = self.understood(&rows.map_err(|error| self.unreadable(&error))?)?;
        Ok(match next {
            PagingStateResponse::HasMorePages { state } => (rows, Some(state)),
            PagingStateResponse::NoMorePages => (rows, None),
        })
    }

    /// Writes a batch that is safe to repeat.
    pub(super) async fn batch(&self, batch: &Batch, values: &impl BatchValues) -> Result<()> {
        self.insist(|| self.session.batch(batch, values)).await?;
        Ok(())
    }

    /// Makes a conditional write, once.
    pub(super) async fn condition(
        &self,
        statement: &PreparedStatement,
        values: impl SerializeRow,
    ) -> Result<Condition> {
        let permit = self.room.acquire().await;
        let result = self.session.execute_unpaged(statement, values).await;
        drop(permit);
        let result = match result {
            Ok(result) => result,
            Err(error) if fault::passes(&error) => return Ok(Condition::Unknown),
            Err(error) => return Err(fault::of_request(&self.name, &error)),
        };
        let rows = result.into_rows_result();
        let rows = rows.map_err(|error| self.unreadable(&error))?;
        // `[applied]`, and what was there instead: which columns of it is the server's to choose.
        let row: Row = rows.first_row().map_err(|error| self.unreadable(&error))?;
        match row.columns.first() {
            Some(Some(CqlValue::Boolean(true))) => Ok(Condition::Held),
            Some(Some(CqlValue::Boolean(false))) => Ok(Condition::Failed),
            _ => Err(self.unreadable(&"a conditional write was not answered with `[applied]`")),
        }
    }

    /// Makes a conditional write until it is known what became of it; answers whether its condition
    /// held. Where its answer is lost, `done` looks whether the row has what the write was for.
    pub(super) async fn decide<F>(
        &self,
        statement: &PreparedStatement,
        values: impl SerializeRow,
        done: impl Fn() -> F,
    ) -> Result<bool>
    where
        F: Future<Output = Result<bool>>,
    {
        let mut tries = Tries::new();
        loop {
            match self.condition(statement, &values).await? {
                Condition::Held => return Ok(true),
                Condition::Failed => return Ok(false),
                Condition::Unknown => {}
            }
            if done().await? {
                return Ok(true);
            }
            if !tries.again().await {
                return Err(self.unanswered());
            }
        }
    }

    /// Each time the answer was lost and nothing was written.
    pub(super) fn unanswered(&self) -> Error {
        fault::away(&self.name, "conditional writes are not answered")
    }

    /// Makes a request until it is answered, or has failed too often, or for good.
    async fn insist<T, F>(&self, request: impl Fn() -> F) -> Result<T>
    where
        F: Future<Output = Result<T, ExecutionError>>,
    {
        let mut tries = Tries::new();
        loop {
            let permit = self.room.acquire().await;
            let answer = request().await;
            drop(permit);
            match answer {
                Ok(answer) => return Ok(answer),
                Err(error) if fault::passes(&error) && tries.again().await => {
                    metrics::counter!("landfall_store_retries_total").increment(1);
                }
                Err(error) => return Err(fault::of_request(&self.name, &error)),
            }
        }
    }

    fn understood<R>(&self, rows: &QueryRowsResult) -> Result<Vec<R>>
    where
        R: for<'frame, 'metadata> DeserializeRow<'frame, 'metadata>,
    {
        let rows = rows.rows::<R>().map_err(|error| self.unreadable(&error))?;
        rows.map(|row| row.map_err(|error| self.unreadable(&error)))
            .collect()
    }

    fn unreadable(&self, error: &dyn std::fmt::Display) -> Error {
        Error::Broken(format!(
            "{}: an answer cannot be read: {error}; is the schema another Landfall's?",
            self.name
        ))
    }
}

/// Why it is not clear whose majority counts; none where it is.
fn undecided(chosen: Option<&str>, there: &BTreeSet<&str>) -> Option<String> {
    let all = || there.iter().copied().collect::<Vec<_>>().join(", ");
    match chosen {
        None if there.len() > 1 => Some(format!(
            "it has the data centers {}: set `store.cql.datacenter` to one of them, the same for \
             all services",
            all()
        )),
        Some(name) if !there.is_empty() && !there.contains(name) => Some(format!(
            "it has no data center `{name}`; set `store.cql.datacenter` to one that it has: {}",
            all()
        )),
        _ => None,
    }
}

/// How often something was tried, with a pause before each time but the first.
pub(super) struct Tries {
    left: u32,
    pause: Duration,
}

impl Tries {
    pub(super) fn new() -> Self {
        Self {
            left: TRIES - 1,
            pause: PAUSE,
        }
    }

    /// Whether to try again, after a pause.
    pub(super) async fn again(&mut self) -> bool {
        let Some(left) = self.left.checked_sub(1) else {
            return false;
        };
        self.left = left;
        tokio::time::sleep(self.pause.mul_f64(0.5 + fastrand::f64())).await;
        self.pause *= 2;
        true
    }
}

/// Has a read see every conditional write that may still come to be, or keep it from coming.
pub(super) fn serial(mut statement: PreparedStatement) -> PreparedStatement {
    statement.set_consistency(Consistency::LocalSerial);
    statement
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_several_data_centers_one_has_to_be_chosen_that_is_there() {
        let one = BTreeSet::from(["east"]);
        let two = BTreeSet::from(["east", "west"]);
        assert_eq!(undecided(None, &one), None);
        assert_eq!(undecided(Some("west"), &two), None);
        let why = undecided(None, &two).unwrap();
        assert!(
            why.contains("east, west: set `store.cql.datacenter`"),
            "{why}"
        );
        let why = undecided(Some("north"), &one).unwrap();
        assert!(why.contains("no data center `north`"), "{why}");
        // An older node may not say where it is.
        assert_eq!(undecided(Some("east"), &BTreeSet::new()), None);
    }
}
