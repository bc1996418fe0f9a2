//! The readings as they lie in the database, by plain SQL.

#![allow(
    clippy::disallowed_methods,
    reason = "a test speaks to the servers itself"
)]

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Result;
use rusqlite::{Connection, OpenFlags};

/// Sensor, metric, milliseconds since 1970.
pub type Key = (String, String, i64);

/// Readings by what tells them apart.
pub type Rows = BTreeMap<Key, f64>;

/// The name of a reading.
pub fn key(sensor: &str, metric: &str, ms: i64) -> Key {
    (sensor.to_owned(), metric.to_owned(), ms)
}

/// Every reading in the database at `path`.
pub fn all(path: &Path) -> Result<Rows> {
    let query = "SELECT sensor, metric, time, value FROM reading JOIN series ON series.id = series";
    let database = open(path)?;
    let mut statement = database.prepare(query)?;
    let rows = statement.query_map([], |row| {
        let key = (row.get(0)?, row.get(1)?, row.get(2)?);
        Ok((key, row.get(3)?))
    })?;
    Ok(rows.collect::<Result<Rows, _>>()?)
}

/// How many readings in the database at `path` a file wrote.
pub fn count(path: &Path, file: proto::FileId) -> Result<u64> {
    let query = "SELECT count(*) FROM reading WHERE file = ?1";
    let bytes = file.bytes();
    let count: i64 = open(path)?.query_row(query, [&bytes[..]], |row| row.get(0))?;
    Ok(u64::try_from(count)?)
}

fn open(path: &Path) -> Result<Connection> {
    // Not read-only: a reader of a WAL may have to create its shared memory.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let database = Connection::open_with_flags(path, flags)?;
    database.busy_timeout(std::time::Duration::from_secs(10))?;
    Ok(database)
}

/// What tells two sets of readings apart, in a few lines; empty if they are the same, to the bit.
pub fn difference(found: &Rows, expected: &Rows) -> String {
    let mut lines = Vec::new();
    for (key, value) in expected {
        match found.get(key) {
            None => lines.push(format!("missing: {key:?} = {value:?}")),
            Some(other) if other.to_bits() != value.to_bits() => {
                lines.push(format!("{key:?} is {other:?}, not {value:?}"));
            }
            Some(_) => {}
        }
    }
    for (key, value) in found {
        if !expected.contains_key(key) {
            lines.push(format!("nobody's: {key:?} = {value:?}"));
        }
    }
    let more = lines.len().saturating_sub(10);
    lines.truncate(10);
    if more > 0 {
        lines.push(format!("and {more} more"));
    }
    lines.join("\n")
}
