//! The statement that inserts readings.

use std::sync::Arc;

use scylla::statement::prepared::PreparedStatement;
use scylla::value::CqlTimestamp;

use super::batches::Batches;
use super::cluster::Cluster;
use super::gather::Partition;
use super::pipeline::{Database, Run};
use crate::Result;

/// Inserts readings in batches of one partition, which the database writes as one.
pub(super) struct Inserts {
    cluster: Arc<Cluster>,
    batches: Batches,
}

impl Inserts {
    /// Of sensor, metric, bucket, time, value, file, write timestamp.
    pub(super) fn new(cluster: Arc<Cluster>, insert: PreparedStatement) -> Self {
        Self {
            cluster,
            batches: Batches::new(insert),
        }
    }
}

impl Database for Inserts {
    fn name(&self) -> &str {
        self.cluster.name()
    }

    async fn insert(&self, partition: &Partition, runs: &[Run]) -> Result<()> {
        let (sensor, metric) = (&*partition.sensor, &*partition.metric);
        let bucket = CqlTimestamp(partition.bucket);
        let rows = runs.iter().flat_map(|run| {
            run.rows.iter().map(move |row| {
                let time = CqlTimestamp(row.time);
                let timestamp = row.write_timestamp;
                (sensor, metric, bucket, time, row.value, run.file, timestamp)
            })
        });
        let rows: Vec<_> = rows.collect();
        self.cluster.batch(self.batches.of(rows.len()), &rows).await
    }
}
