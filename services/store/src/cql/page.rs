//! One page of a sensor's readings: newest first, at one time by metric.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use jiff::Timestamp;
use proto::FileId;
use scylla::response::PagingState;
use scylla::statement::prepared::PreparedStatement;
use scylla::value::CqlTimestamp;
use uuid::Uuid;

use super::cluster::Cluster;
use super::readings::bucket_of;
use super::schema::Plan;
use crate::range::Range;
use crate::readings::{Query, Stored};
use crate::{Error, Result};

/// Statements that read a sensor's readings.
pub(super) struct Reader {
    buckets: PreparedStatement,
    buckets_of_metric: PreparedStatement,
    readings: PreparedStatement,
    /// Milliseconds.
    width: i64,
}

impl Reader {
    pub(super) async fn prepare(cluster: &Cluster, plan: &Plan, width: i64) -> Result<Self> {
        let keyspace = &plan.readings;
        let buckets = format!("SELECT metric, bucket FROM {keyspace}.buckets WHERE sensor_id = ?");
        let of_metric = format!("{buckets} AND metric = ? AND bucket >= ? AND bucket <= ?");
        let readings = format!(
            "SELECT ts, value, file FROM {keyspace}.readings
             WHERE sensor_id = ? AND metric = ? AND bucket = ? AND ts >= ? AND ts <= ? LIMIT ?"
        );
        Ok(Self {
            buckets: cluster.prepare(&buckets).await?,
            buckets_of_metric: cluster.prepare(&of_metric).await?,
            readings: cluster.prepare(&readings).await?,
            width,
        })
    }

    /// Buckets do not overlap: one after the other, the newest first, until the page is full.
    pub(super) async fn page(
        &self,
        cluster: &Cluster,
        query: &Query,
        after: Option<&Stored>,
        limit: usize,
    ) -> Result<Vec<Stored>> {
        let mut range = Range::of(query);
        let after = after.map(|last| (last.time.as_millisecond(), last.metric.clone()));
        if let Some((time, _)) = after {
            range.last = range.last.min(time);
        }
        let mut page = vec![];
        for (bucket, metrics) in self.buckets(cluster, query, range).await?.into_iter().rev() {
            if page.len() >= limit {
                break;
            }
            let mut rows = vec![];
            for metric in metrics {
                let range = range.after(after.as_ref(), &metric);
                let series = (query.sensor.as_str(), metric.as_str(), bucket);
                let room = limit - page.len();
                rows.extend(self.series(cluster, series, range, room).await?);
                // Stable: at one time, metrics stay in the order in which they come.
                rows.sort_by_key(|row: &Stored| Reverse(row.time));
                rows.truncate(room);
            }
            page.extend(rows);
        }
        Ok(page)
    }

    /// The buckets in a range, each with its metrics in their order.
    async fn buckets(
        &self,
        cluster: &Cluster,
        query: &Query,
        range: Range,
    ) -> Result<BTreeMap<i64, Vec<String>>> {
        let (first, last) = (
            bucket_of(range.first, self.width),
            bucket_of(range.last, self.width),
        );
        let mut found = BTreeMap::<i64, Vec<String>>::new();
        let mut from = Some(PagingState::start());
        while let Some(state) = from {
            let (rows, next) = match &query.metric {
                Some(metric) => {
                    let (first, last) = (CqlTimestamp(first), CqlTimestamp(last));
                    let values = (&query.sensor, metric, first, last);
                    cluster
                        .page::<(String, CqlTimestamp)>(&self.buckets_of_metric, values, state)
                        .await?
                }
                None => {
                    cluster
                        .page::<(String, CqlTimestamp)>(&self.buckets, (&query.sensor,), state)
                        .await?
                }
            };
            for (metric, CqlTimestamp(bucket)) in rows {
                if (first..=last).contains(&bucket) {
                    found.entry(bucket).or_default().push(metric);
                }
            }
            from = next;
        }
        Ok(found)
    }

    /// The newest rows of one partition in a range.
    async fn series(
        &self,
        cluster: &Cluster,
        (sensor, metric, bucket): (&str, &str, i64),
        range: Range,
        limit: usize,
    ) -> Result<Vec<Stored>> {
        let mut rows = vec![];
        let values = (
            sensor,
            metric,
            CqlTimestamp(bucket),
            CqlTimestamp(range.first),
            CqlTimestamp(range.last),
            i32::try_from(limit).unwrap_or(i32::MAX),
        );
        let mut from = Some(PagingState::start());
        while let Some(state) = from {
            let (found, next) = cluster
                .page::<(CqlTimestamp, f64, Uuid)>(&self.readings, values, state)
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
