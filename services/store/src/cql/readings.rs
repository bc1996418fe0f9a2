use std::sync::Arc;

use async_trait::async_trait;
use futures::FutureExt;
use hashbrown::HashMap;
use proto::FileId;
use scylla::response::PagingState;
use scylla::statement::prepared::PreparedStatement;
use scylla::value::CqlTimestamp;
use tokio::sync::Semaphore;
use uuid::Uuid;

use super::batches::{BATCH, Batches};
use super::cluster::{Access, Cluster};
use super::gather::Partition;
use super::inserts::Inserts;
use super::known::Known;
use super::pipeline::{Pipeline, Row};
use super::reader::Reader;
use super::retraction::Retraction;
use super::schema::{self, Plan};
use super::together::each;
use super::written::{self, Written};
use crate::Result;
use crate::readings::{Query, Reading, Series, Stored};

/// Rows of one page where files are counted.
const PAGE: i32 = 1_000;
/// Files that are counted or taken out at once: each has many pages in memory.
const COUNTED: usize = 2;

/// Readings in a CQL database.
///
/// Rows are written with the write timestamps of their files and nothing is read before, so that
/// the database itself resolves whatever comes in whatever order. Each batch is of one partition,
/// which the database writes as one.
pub struct Readings {
    cluster: Arc<Cluster>,
    pipeline: Arc<Pipeline<Inserts>>,
    bucket: Batches,
    written: Written,
    reader: Reader,
    retraction: Retraction,
    files: PreparedStatement,
    known: Known,
    /// Who may count or take out.
    counting: Semaphore,
    /// Whose turn it is to write buckets.
    turn: tokio::sync::Mutex<()>,
    /// Of a bucket, in milliseconds.
    width: i64,
}

impl Readings {
    /// Creates keyspace and tables where they are not there. Safe to repeat and to do by several
    /// at once. What is there and differs is an error.
    pub async fn set_up(access: &Access, plan: &Plan) -> Result<()> {
        schema::set_up_readings(access, plan).await
    }

    /// Connects. There must have been [`Self::set_up`].
    pub async fn open(access: &Access, plan: &Plan) -> Result<Self> {
        plan.check()?;
        let cluster = Arc::new(Cluster::connect(access, &plan.readings).await?);
        schema::verify(&cluster, &plan.tables_of_readings()).await?;
        let keyspace = &plan.readings;
        let width = i64::try_from(plan.bucket.as_millis()).unwrap_or(i64::MAX);
        let reading = format!(
            "INSERT INTO {keyspace}.readings (sensor_id, metric, bucket, ts, value, file)
             VALUES (?, ?, ?, ?, ?, ?) USING TIMESTAMP ?"
        );
        let reading = cluster.prepare(&reading).await?;
        let bucket =
            format!("INSERT INTO {keyspace}.buckets (sensor_id, metric, bucket) VALUES (?, ?, ?)");
        let files = format!(
            "SELECT file FROM {keyspace}.readings
             WHERE sensor_id = ? AND metric = ? AND bucket = ?"
        );
        let mut files = cluster.prepare(&files).await?;
        files.set_page_size(PAGE);
        Ok(Self {
            pipeline: Pipeline::new(Inserts::new(Arc::clone(&cluster), reading)),
            bucket: Batches::new(cluster.prepare(&bucket).await?),
            written: Written::prepare(&cluster, plan).await?,
            reader: Reader::prepare(&cluster, plan, width).await?,
            retraction: Retraction::prepare(&cluster, plan).await?,
            files,
            known: Known::new(),
            counting: Semaphore::new(COUNTED),
            turn: tokio::sync::Mutex::new(()),
            width,
            cluster,
        })
    }

    /// Notes in which buckets the sensors have readings.
    async fn write_buckets(&self, partitions: &[(Partition, Vec<Row>)]) -> Result<()> {
        let all = || partitions.iter().map(|(partition, _)| partition);
        if self.known.unknown(all()).is_empty() {
            return Ok(());
        }
        // Files that come together are often of the same sensors: one of them is enough to say so.
        let _turn = self.turn.lock().await;
        let unknown = self.known.unknown(all());
        let mut by_sensor = HashMap::<&str, Vec<_>>::new();
        for partition in &unknown {
            let bucket = CqlTimestamp(partition.bucket);
            let row = (&*partition.sensor, &*partition.metric, bucket);
            by_sensor.entry(row.0).or_default().push(row);
        }
        let batches = by_sensor.values().flat_map(|rows| rows.chunks(BATCH));
        each(batches.map(|rows| {
            let batch = self.bucket.of(rows.len());
            async move { self.cluster.batch(batch, &rows).await }.boxed()
        }))
        .await?;
        self.known.remember(&unknown);
        Ok(())
    }

    /// Rows by their partitions. Readings of one partition stand together where they are sorted,
    /// so that few are looked up.
    fn by_partition(&self, readings: &[Reading]) -> Vec<(Partition, Vec<Row>)> {
        let mut partitions = HashMap::<Partition, Vec<Row>>::new();
        let bucket = |reading: &Reading| bucket_of(reading.time.as_millisecond(), self.width);
        let together = readings.chunk_by(|a, b| {
            a.sensor == b.sensor && a.metric == b.metric && bucket(a) == bucket(b)
        });
        for readings in together {
            let partition = Partition {
                sensor: Arc::clone(&readings[0].sensor),
                metric: Arc::clone(&readings[0].metric),
                bucket: bucket(&readings[0]),
            };
            let rows = readings.iter().map(|reading| Row {
                time: reading.time.as_millisecond(),
                value: reading.value,
                write_timestamp: reading.write_timestamp,
            });
            partitions.entry(partition).or_default().extend(rows);
        }
        partitions.into_iter().collect()
    }

    /// How many readings of one partition are the file's.
    async fn count_in(&self, file: Uuid, partition: written::Partition) -> Result<u64> {
        let mut count = 0;
        let mut from = Some(PagingState::start());
        while let Some(state) = from {
            let (rows, next) = self
                .cluster
                .page::<(Uuid,)>(&self.files, &partition, state)
                .await?;
            count += rows.iter().filter(|(of,)| *of == file).count() as u64;
            from = next;
        }
        Ok(count)
    }
}

#[async_trait]
impl crate::Readings for Readings {
    async fn write(&self, file: FileId, readings: Vec<Reading>) -> Result<()> {
        readings.iter().try_for_each(Reading::check)?;
        let partitions = self.by_partition(&readings);
        drop(readings);
        let file = Uuid::from_bytes(file.bytes());
        // What says where they are first, so that no reading is ever out of sight.
        futures::try_join!(
            self.write_buckets(&partitions),
            self.written.note(
                &self.cluster,
                file,
                partitions.iter().map(|(partition, _)| partition)
            )
        )?;
        self.pipeline.write(file, partitions).await
    }

    async fn page(
        &self,
        query: &Query,
        after: Option<&Stored>,
        limit: usize,
    ) -> Result<Vec<Stored>> {
        self.reader.page(&self.cluster, query, after, limit).await
    }

    async fn sensors(&self, from: &str, limit: usize) -> Result<Vec<String>> {
        let buckets = &self.reader.buckets;
        buckets.sensors(&self.cluster, from, limit).await
    }

    async fn series(&self, sensor: &str) -> Result<Vec<Series>> {
        self.reader.series(&self.cluster, sensor).await
    }

    async fn count(&self, file: FileId) -> Result<u64> {
        // Nobody closes it.
        let _turn = self.counting.acquire().await;
        let id = Uuid::from_bytes(file.bytes());
        let count = |partition| self.count_in(id, partition).boxed();
        self.written.sum(&self.cluster, file, count).await
    }

    async fn retract(&self, file: FileId, before: i64) -> Result<u64> {
        let _turn = self.counting.acquire().await;
        let retract = |partition| {
            let cluster = &self.cluster;
            let retracted = self.retraction.retract(cluster, file, before, partition);
            retracted.boxed()
        };
        self.written.sum(&self.cluster, file, retract).await
    }
}

/// The first millisecond of the bucket in which a time is.
pub(super) fn bucket_of(milliseconds: i64, width: i64) -> i64 {
    milliseconds.saturating_sub(milliseconds.rem_euclid(width))
}
