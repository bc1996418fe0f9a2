//! What a sensor has: the first and the latest reading of each metric.

use futures::FutureExt;

use super::buckets::End;
use super::cluster::Cluster;
use super::reader::Reader;
use super::together::all;
use crate::Result;
use crate::range::Range;
use crate::readings::{Series, Stored};

/// Buckets that are looked up at once: mostly the first has a reading.
const BUCKETS: i32 = 8;

impl Reader {
    /// Of each metric that has readings, in their order.
    pub(super) async fn series(&self, cluster: &Cluster, sensor: &str) -> Result<Vec<Series>> {
        let metrics = self.buckets.metrics(cluster, sensor).await?;
        let series = metrics.iter().map(|metric| {
            let of_metric = async move {
                let ends = futures::try_join!(
                    self.end(cluster, sensor, metric, End::Oldest),
                    self.end(cluster, sensor, metric, End::Newest),
                );
                let (first, latest) = ends?;
                Ok(first.zip(latest))
            };
            of_metric.boxed()
        });
        let series = all(series.collect()).await?.into_iter().flatten();
        let series = series.map(|(first, latest)| Series {
            first: first.time,
            latest,
        });
        Ok(series.collect())
    }

    /// The first or the latest reading of a metric. Readings may be gone (retracted, or at the end
    /// of their time) from buckets that are still listed.
    async fn end(
        &self,
        cluster: &Cluster,
        sensor: &str,
        metric: &str,
        end: End,
    ) -> Result<Option<Stored>> {
        let mut rest = Range::ALL;
        loop {
            let buckets = self
                .buckets
                .some(cluster, (sensor, metric), rest, end, BUCKETS);
            let buckets = buckets.await?;
            for bucket in &buckets {
                let partition = (sensor, metric, *bucket);
                let rows = self.rows(cluster, partition, Range::ALL, end, 1).await?;
                if let Some(row) = rows.into_iter().next() {
                    return Ok(Some(row));
                }
            }
            let Some(last) = buckets.last() else {
                return Ok(None);
            };
            match end {
                End::Oldest => rest.first = last + 1,
                End::Newest => rest.last = last - 1,
            }
        }
    }
}
