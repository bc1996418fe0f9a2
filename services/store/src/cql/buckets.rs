//! The table `buckets` as it is read: which sensors there are, and where their readings lie.

use std::collections::BTreeSet;

use scylla::response::PagingState;
use scylla::statement::prepared::PreparedStatement;
use scylla::value::CqlTimestamp;

use super::cluster::Cluster;
use super::schema::Plan;
use crate::Result;
use crate::range::Range;

/// From which end something is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Oldest,
    Newest,
}

/// Statements that read the table. It has a row for each bucket that has, or had, readings: what
/// lies between two of them costs nothing.
pub(super) struct Buckets {
    sensors: PreparedStatement,
    metric: PreparedStatement,
    oldest: PreparedStatement,
    newest: PreparedStatement,
}

impl Buckets {
    pub(super) async fn prepare(cluster: &Cluster, plan: &Plan) -> Result<Self> {
        let table = format!("{}.buckets", plan.readings);
        let sensors = format!("SELECT DISTINCT sensor_id FROM {table}");
        let metric =
            format!("SELECT metric FROM {table} WHERE sensor_id = ? AND metric >= ? LIMIT 1");
        let newest = format!(
            "SELECT bucket FROM {table}
             WHERE sensor_id = ? AND metric = ? AND bucket >= ? AND bucket <= ?"
        );
        let oldest = format!("{newest} ORDER BY metric DESC, bucket ASC LIMIT ?");
        let newest = format!("{newest} LIMIT ?");
        Ok(Self {
            sensors: cluster.prepare(&sensors).await?,
            metric: cluster.prepare(&metric).await?,
            oldest: cluster.prepare(&oldest).await?,
            newest: cluster.prepare(&newest).await?,
        })
    }

    /// The first sensors from `from` on, in the order of their names. The database has them in an
    /// order of its own, so that each call looks at them all, and keeps so many.
    pub(super) async fn sensors(
        &self,
        cluster: &Cluster,
        from: &str,
        limit: usize,
    ) -> Result<Vec<String>> {
        let mut first = BTreeSet::new();
        let mut position = Some(PagingState::start());
        while let Some(state) = position {
            let (names, next) = cluster.page::<(String,)>(&self.sensors, (), state).await?;
            for (name,) in names {
                if name.as_str() >= from {
                    first.insert(name);
                }
                if first.len() > limit {
                    first.pop_last();
                }
            }
            position = next;
        }
        Ok(first.into_iter().collect())
    }

    /// A sensor's metrics in their order: one after the other, so that their buckets are not read.
    pub(super) async fn metrics(&self, cluster: &Cluster, sensor: &str) -> Result<Vec<String>> {
        let mut metrics: Vec<String> = vec![];
        loop {
            // Nothing comes between a name and the same with a zero behind it.
            let from = metrics.last().map(|last| format!("{last}\0"));
            let values = (sensor, from.unwrap_or_default());
            let next = cluster.rows::<(String,)>(&self.metric, values).await?;
            match next.into_iter().next() {
                Some((metric,)) => metrics.push(metric),
                None => return Ok(metrics),
            }
        }
    }

    /// The first buckets from one end of a range of buckets.
    pub(super) async fn some(
        &self,
        cluster: &Cluster,
        (sensor, metric): (&str, &str),
        range: Range,
        end: End,
        limit: i32,
    ) -> Result<Vec<i64>> {
        let statement = match end {
            End::Oldest => &self.oldest,
            End::Newest => &self.newest,
        };
        let (first, last) = (CqlTimestamp(range.first), CqlTimestamp(range.last));
        let values = (sensor, metric, first, last, limit);
        let rows = cluster.rows::<(CqlTimestamp,)>(statement, values).await?;
        Ok(rows
            .into_iter()
            .map(|(CqlTimestamp(bucket),)| bucket)
            .collect())
    }
}
