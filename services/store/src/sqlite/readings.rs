use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use proto::FileId;
use rusqlite::{Connection, params};

use super::database::{Database, Schema};
use super::page::{self, Page};
use super::readers::Readers;
use super::retraction;
use super::series::{self, Known};
use super::writer::Writer;
use crate::range::Range;
use crate::readings::{Query, Reading, Series, Stored};
use crate::{Error, Result};

static SCHEMA: Schema = Schema {
    name: "readings",
    application: 0x4c46_5231,
    version: 2,
    sql: concat!(include_str!("readings.sql"), include_str!("retraction.sql")),
    upgrades: &[include_str!("retraction.sql")],
    cache_kib: 16_384,
};

/// Readings written in one transaction: more are written in several, one after the other.
const WRITTEN_AT_ONCE: usize = 10_000;
/// Readings looked at in one go when a file's are looked for: a long read would keep the log.
const LOOKED_AT_AT_ONCE: u16 = 50_000;

/// Keeps the row that is greater by (write timestamp, value, file), where values are compared as
/// CQL does: by their bytes, so that negative ones are greater than positive ones.
const UPSERT: &str = "
    INSERT INTO reading (series, time, value, file, write_timestamp) VALUES (?1, ?2, ?3, ?4, ?5)
    ON CONFLICT (series, time) DO UPDATE
    SET value = excluded.value, file = excluded.file, write_timestamp = excluded.write_timestamp
    WHERE excluded.write_timestamp > write_timestamp
       OR (excluded.write_timestamp = write_timestamp
           AND (excluded.value < 0, abs(excluded.value), excluded.file)
             > (value < 0, abs(value), file))";

/// Readings in a `SQLite` file.
#[derive(Clone)]
pub struct Readings {
    database: Arc<Database>,
    writer: Arc<Writer<Known>>,
    readers: Arc<Readers>,
}

impl Readings {
    /// Opens the file, creating it and its schema if they are not there.
    pub async fn open(path: &Path) -> Result<Self> {
        let (database, connection) = Database::open(path, &SCHEMA).await?;
        Ok(Self {
            writer: Arc::new(Writer::start(Arc::clone(&database), connection)?),
            readers: Arc::new(Readers::new(Arc::clone(&database))),
            database,
        })
    }
}

#[async_trait]
impl crate::Readings for Readings {
    async fn write(&self, file: FileId, readings: Vec<Reading>) -> Result<()> {
        for reading in &readings {
            reading.check()?;
        }
        let mut rest = readings.into_iter();
        while rest.len() > 0 {
            let part: Vec<Reading> = rest.by_ref().take(WRITTEN_AT_ONCE).collect();
            let rows = part.len();
            let upsert = move |connection: &Connection, known: &mut Known| {
                upsert(connection, known, file, &part)
            };
            self.writer.run(rows, upsert).await?;
        }
        Ok(())
    }

    async fn page(
        &self,
        query: &Query,
        after: Option<&Stored>,
        limit: usize,
    ) -> Result<Vec<Stored>> {
        let range = Range::of(query);
        let after = after.map(|stored| (stored.time.as_millisecond(), stored.metric.clone()));
        let Query { sensor, metric, .. } = query.clone();
        let rows = self.readers.run(move |connection| {
            let moment = connection.unchecked_transaction()?;
            let mut page = Page::new(limit);
            for (series, metric) in series::of(&moment, &sensor, metric.as_deref())? {
                let range = range.after(after.as_ref(), &metric);
                page.merge(&moment, series, &metric.into(), range)?;
            }
            Ok(page.rows)
        });
        rows.await?
            .into_iter()
            .map(|row| self.stored(&row))
            .collect()
    }

    async fn sensors(&self, from: &str, limit: usize) -> Result<Vec<String>> {
        let from = from.to_owned();
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let names = move |connection: &Connection| series::sensors(connection, &from, limit);
        self.readers.run(names).await
    }

    async fn series(&self, sensor: &str) -> Result<Vec<Series>> {
        let sensor = sensor.to_owned();
        let ends = self.readers.run(move |connection| {
            let moment = connection.unchecked_transaction()?;
            let mut ends = vec![];
            for (series, metric) in series::of(&moment, &sensor, None)? {
                ends.extend(page::ends(&moment, series, &metric.into())?);
            }
            Ok(ends)
        });
        let series = |(first, latest)| {
            Ok(Series {
                first: self.time(first)?,
                latest: self.stored(&latest)?,
            })
        };
        ends.await?.into_iter().map(series).collect()
    }

    async fn count(&self, file: FileId) -> Result<u64> {
        let mut count = 0;
        let mut from = Some((0, i64::MIN));
        while let Some(start) = from {
            let (found, next) = self
                .readers
                .run(move |connection| count_some(connection, file, start))
                .await?;
            count += found;
            from = next;
        }
        Ok(count)
    }

    async fn retract(&self, file: FileId, before: i64) -> Result<u64> {
        let mut retracted = 0;
        let mut from = Some((0, i64::MIN));
        while let Some(start) = from {
            let find = move |connection: &Connection| {
                retraction::find_some(connection, file, before, start, LOOKED_AT_AT_ONCE)
            };
            let page = self.readers.run(find).await?;
            for part in page.written.chunks(WRITTEN_AT_ONCE) {
                let part = part.to_vec();
                let rows = part.len();
                let retract = move |connection: &Connection, _: &mut Known| {
                    retraction::retract(connection, file, &part)
                };
                retracted += self.writer.run(rows, retract).await?;
            }
            from = page.next;
        }
        Ok(retracted)
    }
}

impl Readings {
    fn stored(&self, row: &page::Row) -> Result<Stored> {
        Ok(Stored {
            time: self.time(row.time)?,
            metric: row.metric.to_string(),
            value: row.value,
            file: row.file,
        })
    }

    fn time(&self, milliseconds: i64) -> Result<Timestamp> {
        // `from_millisecond` refuses the last second there is.
        Timestamp::from_nanosecond(i128::from(milliseconds) * 1_000_000).map_err(|error| {
            Error::Broken(format!(
                "{}: a reading has time {milliseconds} ms: {error}",
                self.database.path().display()
            ))
        })
    }
}

fn upsert(
    connection: &Connection,
    known: &mut Known,
    file: FileId,
    readings: &[Reading],
) -> rusqlite::Result<()> {
    let mut rows = Vec::with_capacity(readings.len());
    for reading in readings {
        let series = known.id(connection, &reading.sensor, &reading.metric)?;
        rows.push((series, reading.time.as_millisecond(), reading));
    }
    // In the order of the table, so that each of its pages is visited once.
    rows.sort_unstable_by_key(|(series, time, _)| (*series, *time));
    let retracted = retraction::is_any(connection)?;
    let mut upsert = connection.prepare_cached(UPSERT)?;
    for (series, time, reading) in rows {
        let timestamp = reading.write_timestamp;
        if retracted && retraction::holds(connection, (series, time), timestamp)? {
            continue;
        }
        upsert.execute(params![
            series,
            time,
            reading.value,
            file.bytes(),
            timestamp
        ])?;
    }
    Ok(())
}

/// Counts a file's readings among the next ones from `start` (series, time) on; answers where to
/// go on.
fn count_some(
    connection: &Connection,
    file: FileId,
    start: (i64, i64),
) -> rusqlite::Result<(u64, Option<(i64, i64)>)> {
    let mut select = connection.prepare_cached(
        "SELECT series, time, file = ?1 FROM reading
         WHERE (series, time) > (?2, ?3) ORDER BY series, time LIMIT ?4",
    )?;
    let mut rows = select.query(params![file.bytes(), start.0, start.1, LOOKED_AT_AT_ONCE])?;
    let (mut seen, mut found, mut last) = (0_u16, 0, None);
    while let Some(row) = rows.next()? {
        seen += 1;
        found += u64::from(row.get::<_, bool>(2)?);
        last = Some((row.get(0)?, row.get(1)?));
    }
    Ok((found, last.filter(|_| seen == LOOKED_AT_AT_ONCE)))
}
