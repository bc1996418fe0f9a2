//! The floor: a bare loop over the driver, a process of its own. It writes the same columns with
//! write timestamps, in batches of 100 rows of a partition, 64 at once, from files in memory, and
//! knows nothing of events, decisions, doubled readings, refused rows, or bounds of memory.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result};
use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;
use scylla::statement::batch::{Batch, BatchStatement, BatchType};
use scylla::statement::prepared::PreparedStatement;
use scylla::value::CqlTimestamp;
use tokio::sync::Semaphore;
use uuid::Uuid;

use crate::cost::Cost;
use crate::input::METRIC;

const BATCH: usize = 100;
const AT_ONCE: u32 = 64;

/// Sensor and bucket.
type Partition = (Arc<str>, i64);

struct Loop {
    session: Session,
    insert: PreparedStatement,
    room: Semaphore,
    file: Uuid,
    timestamp: i64,
}

/// Loads files in the form of the table. The clock runs once it is connected and has the files.
pub(crate) async fn load(server: &str, table: &str, files: &[String]) -> Result<Cost> {
    let session = SessionBuilder::new().known_node(server).build().await?;
    let insert = format!(
        "INSERT INTO {table} (sensor_id, metric, bucket, ts, value, file)
         VALUES (?, ?, ?, ?, ?, ?) USING TIMESTAMP ?"
    );
    let bare = Arc::new(Loop {
        insert: session.prepare(insert).await?,
        session,
        room: Semaphore::new(AT_ONCE as usize),
        file: Uuid::from_u128(1),
        timestamp: jiff::Timestamp::now().as_microsecond(),
    });
    let texts: Vec<Vec<u8>> = files.iter().map(std::fs::read).collect::<Result<_, _>>()?;
    let began = Instant::now();
    bare.load(&texts).await?;
    Cost::of_this_process(began.elapsed().as_secs_f64())
}

impl Loop {
    async fn load(self: &Arc<Self>, texts: &[Vec<u8>]) -> Result<()> {
        let mut partitions = HashMap::<Partition, Vec<(i64, f64)>>::new();
        let mut names = HashMap::<Vec<u8>, Arc<str>>::new();
        for text in texts {
            let mut reader = csv::Reader::from_reader(&text[..]);
            let mut record = csv::ByteRecord::new();
            while reader.read_byte_record(&mut record)? {
                let sensor = match names.get(&record[0]) {
                    Some(name) => Arc::clone(name),
                    None => {
                        let name: Arc<str> = std::str::from_utf8(&record[0])?.into();
                        names.insert(record[0].to_vec(), Arc::clone(&name));
                        name
                    }
                };
                let number = |at: usize| std::str::from_utf8(&record[at]);
                let (bucket, time): (i64, i64) = (number(2)?.parse()?, number(3)?.parse()?);
                let partition = (sensor, bucket);
                let rows = partitions.entry(partition.clone()).or_default();
                rows.push((time, number(4)?.parse()?));
                if rows.len() == BATCH {
                    let rows = std::mem::take(rows);
                    self.send(partition, rows).await?;
                }
            }
        }
        for (partition, rows) in partitions {
            if !rows.is_empty() {
                self.send(partition, rows).await?;
            }
        }
        // All that are under way.
        let _all = self.room.acquire_many(AT_ONCE).await?;
        Ok(())
    }

    async fn send(self: &Arc<Self>, partition: Partition, rows: Vec<(i64, f64)>) -> Result<()> {
        self.room.acquire().await?.forget();
        let bare = Arc::clone(self);
        tokio::spawn(async move {
            let written = bare.write(&partition, &rows).await;
            // Nothing is told of what was not written: the process ends.
            written.expect("the database takes it");
            bare.room.add_permits(1);
        });
        Ok(())
    }

    async fn write(&self, (sensor, bucket): &Partition, rows: &[(i64, f64)]) -> Result<()> {
        let statements = vec![BatchStatement::from(self.insert.clone()); rows.len()];
        let batch = Batch::new_with_statements(BatchType::Unlogged, statements);
        let rows = rows.iter().map(|(time, value)| {
            let (bucket, time) = (CqlTimestamp(*bucket), CqlTimestamp(*time));
            (
                &**sensor,
                METRIC,
                bucket,
                time,
                *value,
                self.file,
                self.timestamp,
            )
        });
        let rows: Vec<_> = rows.collect();
        self.session.batch(&batch, &rows).await.context("a batch")?;
        Ok(())
    }
}
