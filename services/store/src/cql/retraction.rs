//! Taking readings out, so that they stay out: each is deleted with its own write timestamp, so
//! that later ones stay, and earlier ones that come later do not show. The database remembers that
//! for its `gc_grace_seconds`.

use futures::FutureExt;
use futures::future::BoxFuture;
use proto::FileId;
use scylla::response::PagingState;
use scylla::statement::prepared::PreparedStatement;
use scylla::value::CqlTimestamp;
use uuid::Uuid;

use super::batches::{BATCH, Batches};
use super::cluster::Cluster;
use super::schema::Plan;
use super::together::each;
use super::written::Partition;
use crate::Result;

/// Rows of one page, of which many are in memory at once.
const PAGE: i32 = 1_000;

/// Statements that retract.
pub(super) struct Retraction {
    written: PreparedStatement,
    delete: Batches,
}

impl Retraction {
    pub(super) async fn prepare(cluster: &Cluster, plan: &Plan) -> Result<Self> {
        let keyspace = &plan.readings;
        let written = format!(
            "SELECT ts, file, WRITETIME(value) FROM {keyspace}.readings
             WHERE sensor_id = ? AND metric = ? AND bucket = ?"
        );
        let delete = format!(
            "DELETE FROM {keyspace}.readings USING TIMESTAMP ?
             WHERE sensor_id = ? AND metric = ? AND bucket = ? AND ts = ?"
        );
        let mut written = cluster.prepare(&written).await?;
        written.set_page_size(PAGE);
        Ok(Self {
            written,
            delete: Batches::new(cluster.prepare(&delete).await?),
        })
    }

    /// Takes out of one partition what a file wrote before a write timestamp, a page at a time;
    /// answers how many readings that were.
    pub(super) async fn retract(
        &self,
        cluster: &Cluster,
        file: FileId,
        before: i64,
        partition: Partition,
    ) -> Result<u64> {
        let file = Uuid::from_bytes(file.bytes());
        let mut retracted = 0;
        let mut from = Some(PagingState::start());
        while let Some(state) = from {
            let (rows, next) = cluster
                .page::<(CqlTimestamp, Uuid, i64)>(&self.written, &partition, state)
                .await?;
            let own = rows.into_iter();
            let own = own.filter(|(_, of, written)| *of == file && *written < before);
            let own: Vec<_> = own.map(|(time, _, written)| (written, time)).collect();
            let batches = own.chunks(BATCH);
            each(batches.map(|rows| self.delete(cluster, &partition, rows))).await?;
            retracted += own.len() as u64;
            from = next;
        }
        Ok(retracted)
    }

    /// Deletes rows, given by write timestamp and time.
    fn delete<'a>(
        &'a self,
        cluster: &'a Cluster,
        (sensor, metric, bucket): &'a Partition,
        rows: &[(i64, CqlTimestamp)],
    ) -> BoxFuture<'a, Result<()>> {
        let rows: Vec<_> = rows
            .iter()
            .map(|(written, time)| (*written, sensor, metric, *bucket, *time))
            .collect();
        async move { cluster.batch(self.delete.of(rows.len()), &rows).await }.boxed()
    }
}
