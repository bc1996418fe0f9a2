//! The database that all loaders load into.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;
use scylla::statement::Statement;
use scylla::value::CqlTimestamp;
use servers::Cassandra;
use servers::cassandra::Options;
use tests::Usage;

use crate::input::{Input, METRIC};

/// Keyspace of the readings.
pub(crate) const KEYSPACE: &str = "landfall";
/// Where they are.
pub(crate) const READINGS: &str = "landfall.readings";

/// How many partitions are counted after a load, about.
const COUNTED: u64 = 500;
/// Whoever works less than this share of a core does nothing.
const IDLE: f64 = 0.05;

/// The database, and a connection to it.
pub(crate) struct Database {
    cassandra: Cassandra,
    session: Session,
}

impl Database {
    pub(crate) async fn start(folder: &Path) -> Result<Self> {
        let options = Options {
            careless: true,
            fast: true,
            ..Options::default()
        };
        let cassandra = Cassandra::start(folder, options).await?;
        let node = cassandra.address();
        let session = SessionBuilder::new().known_node(node).build().await?;
        Ok(Self { cassandra, session })
    }

    pub(crate) fn address(&self) -> String {
        self.cassandra.address()
    }

    pub(crate) fn port(&self) -> u16 {
        self.cassandra.port()
    }

    /// Seconds of CPU so far.
    pub(crate) fn cpu(&self) -> Result<f64> {
        Ok(Usage::of(self.cassandra.pid())?.seconds)
    }

    /// Removes all readings, and waits until the server has nothing left to do.
    pub(crate) async fn clear(&self) -> Result<()> {
        for table in ["readings", "buckets", "files"] {
            let mut truncate = Statement::new(format!("TRUNCATE {KEYSPACE}.{table}"));
            truncate.set_request_timeout(Some(Duration::from_secs(120)));
            self.session.query_unpaged(truncate, ()).await?;
        }
        for _ in 0..120 {
            let before = self.cpu()?;
            tokio::time::sleep(Duration::from_secs(1)).await;
            if self.cpu()? - before < IDLE {
                return Ok(());
            }
        }
        // Somebody else's work on this machine, or much of its own: the spread will show it.
        Ok(())
    }

    /// Whether it has the readings of an input, by some of its partitions.
    pub(crate) async fn check(&self, input: Input) -> Result<()> {
        let count = format!(
            "SELECT count(*) FROM {READINGS} WHERE sensor_id = ? AND metric = ? AND bucket = ?"
        );
        let count = self.session.prepare(count).await?;
        for (sensor, bucket, expected) in input.partitions(COUNTED) {
            let key = (&sensor, METRIC, CqlTimestamp(bucket.as_millisecond()));
            let answer = self.session.execute_unpaged(&count, key).await?;
            let (rows,): (i64,) = answer.into_rows_result()?.single_row()?;
            ensure!(
                rows == expected,
                "{sensor} has {rows} readings from {bucket} on, and not {expected}"
            );
        }
        Ok(())
    }

    /// What it has logged last.
    pub(crate) fn last_lines(&self) -> String {
        self.cassandra.process().last_lines(20)
    }

    /// Runs a load, and counts what it costs here too.
    pub(crate) async fn counting<F>(&self, load: F) -> Result<crate::cost::Cost>
    where
        F: Future<Output = Result<crate::cost::Cost>>,
    {
        let before = self.cpu()?;
        let cost = load.await.with_context(|| self.last_lines())?;
        let database = Some(self.cpu()? - before);
        Ok(crate::cost::Cost { database, ..cost })
    }
}
