//! One page of a sensor's readings: newest first, at one time by metric.

use std::cmp::Reverse;

use futures::FutureExt;

use super::buckets::End;
use super::cluster::Cluster;
use super::reader::Reader;
use super::readings::bucket_of;
use super::together::all;
use crate::Result;
use crate::range::Range;
use crate::readings::{Query, Stored};

/// Buckets of a metric that are looked up at once.
const BUCKETS: i32 = 128;
/// Partitions that are read at once, where those before them did not fill the page.
const AT_ONCE: usize = 32;

impl Reader {
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
        let metrics = match &query.metric {
            Some(metric) => vec![metric.clone()],
            None => self.buckets.metrics(cluster, &query.sensor).await?,
        };
        let mut page = Page::new(limit, self.width);
        while page.rows.len() < limit && range.first <= range.last {
            let newest = self.newest(cluster, &query.sensor, &metrics, range);
            let (newest, before) = newest.await?;
            // One by one at first: the newest bucket may well fill the page.
            let mut at_once = 1;
            let mut partitions = newest.as_slice();
            while let Some((bucket, _)) = partitions.first()
                && page.room(*bucket) > 0
            {
                let (next, others) = partitions.split_at(at_once.min(partitions.len()));
                let next = next.iter().filter(|(bucket, _)| page.room(*bucket) > 0);
                let rows = next.map(|(bucket, metric)| {
                    let metric = metrics[*metric].as_str();
                    let partition = (query.sensor.as_str(), metric, *bucket);
                    let range = range.after(after.as_ref(), metric);
                    let room = page.room(*bucket);
                    self.rows(cluster, partition, range, End::Newest, room)
                        .boxed()
                });
                for rows in all(rows.collect()).await? {
                    page.merge(rows);
                }
                partitions = others;
                at_once = (at_once * 2).min(AT_ONCE);
            }
            let Some(before) = before else { break };
            range.last = before;
        }
        Ok(page.rows)
    }

    /// The newest partitions in a range of times, in the order of the page: bucket, and which of
    /// the metrics. Where there may be more, up to which time.
    async fn newest(
        &self,
        cluster: &Cluster,
        sensor: &str,
        metrics: &[String],
        range: Range,
    ) -> Result<(Vec<(i64, usize)>, Option<i64>)> {
        let buckets = Range {
            first: bucket_of(range.first, self.width),
            last: bucket_of(range.last, self.width),
        };
        let mut newest = vec![];
        // Up to here every metric's buckets are known.
        let mut known = i64::MIN;
        for (number, metric) in metrics.iter().enumerate() {
            let series = (sensor, metric.as_str());
            let of_metric = self
                .buckets
                .some(cluster, series, buckets, End::Newest, BUCKETS);
            let of_metric = of_metric.await?;
            if of_metric.len() == BUCKETS as usize {
                known = of_metric.last().copied().unwrap_or(known).max(known);
            }
            newest.extend(of_metric.into_iter().map(|bucket| (bucket, number)));
            newest.retain(|(bucket, _)| *bucket >= known);
        }
        newest.sort_unstable_by_key(|(bucket, metric)| (Reverse(*bucket), *metric));
        Ok((newest, known.checked_sub(1)))
    }
}

/// The newest rows of the partitions merged so far, at most `limit`.
struct Page {
    rows: Vec<Stored>,
    limit: usize,
    /// Of a bucket, in milliseconds.
    width: i64,
}

impl Page {
    fn new(limit: usize, width: i64) -> Self {
        let rows = vec![];
        Self { rows, limit, width }
    }

    /// How many rows of a bucket can be in the page: what is newer stands before them.
    fn room(&self, bucket: i64) -> usize {
        let end = bucket.saturating_add(self.width);
        let newer = |row: &Stored| row.time.as_millisecond() >= end;
        self.limit - self.rows.partition_point(newer)
    }

    /// Adds the rows of the next partition, and keeps the newest.
    fn merge(&mut self, rows: Vec<Stored>) {
        self.rows.extend(rows);
        // Stable: at one time, metrics stay in the order in which they are merged.
        self.rows.sort_by_key(|row| Reverse(row.time));
        self.rows.truncate(self.limit);
    }
}
