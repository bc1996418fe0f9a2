//! Reads partitions of readings.

use jiff::Timestamp;
use proto::FileId;
use scylla::response::PagingState;
use scylla::statement::prepared::PreparedStatement;
use scylla::value::CqlTimestamp;
use uuid::Uuid;

use super::buckets::{Buckets, End};
use super::cluster::Cluster;
use super::schema::Plan;
use crate::range::Range;
use crate::readings::Stored;
use crate::{Error, Result};

/// Sensor, metric, bucket.
pub(super) type Partition<'a> = (&'a str, &'a str, i64);

/// Statements that read readings, and where they lie.
pub(super) struct Reader {
    pub(super) buckets: Buckets,
    oldest: PreparedStatement,
    newest: PreparedStatement,
    /// Of a bucket, in milliseconds.
    pub(super) width: i64,
}

impl Reader {
    pub(super) async fn prepare(cluster: &Cluster, plan: &Plan, width: i64) -> Result<Self> {
        let newest = format!(
            "SELECT ts, value, file FROM {}.readings
             WHERE sensor_id = ? AND metric = ? AND bucket = ? AND ts >= ? AND ts <= ?",
            plan.readings
        );
        let oldest = format!("{newest} ORDER BY ts ASC LIMIT ?");
        let newest = format!("{newest} LIMIT ?");
        Ok(Self {
            buckets: Buckets::prepare(cluster, plan).await?,
            oldest: cluster.prepare(&oldest).await?,
            newest: cluster.prepare(&newest).await?,
            width,
        })
    }

    /// The first rows from one end of a range of times.
    pub(super) async fn rows(
        &self,
        cluster: &Cluster,
        (sensor, metric, bucket): Partition<'_>,
        range: Range,
        end: End,
        limit: usize,
    ) -> Result<Vec<Stored>> {
        let statement = match end {
            End::Oldest => &self.oldest,
            End::Newest => &self.newest,
        };
        let values = (
            sensor,
            metric,
            CqlTimestamp(bucket),
            CqlTimestamp(range.first),
            CqlTimestamp(range.last),
            i32::try_from(limit).unwrap_or(i32::MAX),
        );
        let mut rows = vec![];
        let mut from = Some(PagingState::start());
        while let Some(state) = from {
            let (found, next) = cluster
                .page::<(CqlTimestamp, f64, Uuid)>(statement, values, state)
                .await?;
            for (CqlTimestamp(time), value, file) in found {
                rows.push(Stored {
                    time: timestamp(cluster, time)?,
                    metric: metric.to_owned(),
                    value,
                    file: FileId::from_bytes(file.into_bytes()),
                });
            }
            from = next;
        }
        Ok(rows)
    }
}

fn timestamp(cluster: &Cluster, milliseconds: i64) -> Result<Timestamp> {
    // `from_millisecond` refuses the last second there is.
    Timestamp::from_nanosecond(i128::from(milliseconds) * 1_000_000).map_err(|error| {
        Error::Broken(format!(
            "{}: a reading has time {milliseconds} ms: {error}",
            cluster.name()
        ))
    })
}
