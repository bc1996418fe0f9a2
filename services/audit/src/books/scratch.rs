//! Readings of a file, or of some, for the time that they are being counted.

#![expect(
    clippy::disallowed_methods,
    reason = "an audit is no service, and has no failpoints"
)]

use rusqlite::{Connection, OptionalExtension, params};

use super::Key;

/// Readings, each once: on disk, so that there may be any number of them.
pub(crate) struct Scratch {
    database: Connection,
}

impl Scratch {
    /// An empty one, which is gone when it is dropped. Holds 32 MiB in memory at most.
    pub(crate) fn new() -> anyhow::Result<Self> {
        let database = Connection::open("")?;
        database.pragma_update(None, "cache_size", -32 * 1024)?;
        database.pragma_update(None, "journal_mode", "off")?;
        database.pragma_update(None, "synchronous", "off")?;
        database.execute_batch(
            "CREATE TABLE cell (
                sensor TEXT NOT NULL, metric TEXT NOT NULL, time INTEGER NOT NULL,
                value INTEGER NOT NULL, PRIMARY KEY (sensor, metric, time)
            ) STRICT, WITHOUT ROWID;
            BEGIN;",
        )?;
        Ok(Self { database })
    }

    /// Puts a reading in; a later one overrides an earlier one.
    pub(crate) fn put(&self, (sensor, metric, time): Key<'_>, value: u64) -> anyhow::Result<()> {
        let query = "INSERT OR REPLACE INTO cell VALUES (?1, ?2, ?3, ?4)";
        let mut statement = self.database.prepare_cached(query)?;
        statement.execute(params![sensor, metric, time, value.cast_signed()])?;
        Ok(())
    }

    /// What was put in with a reading, if there is such a one.
    pub(crate) fn get(&self, (sensor, metric, time): Key<'_>) -> anyhow::Result<Option<u64>> {
        let query = "SELECT value FROM cell WHERE sensor = ?1 AND metric = ?2 AND time = ?3";
        let mut statement = self.database.prepare_cached(query)?;
        let found = statement.query_row(params![sensor, metric, time], |row| row.get(0));
        Ok(found.optional()?.map(i64::cast_unsigned))
    }

    /// Every reading and its value's bits.
    pub(crate) fn each(
        &self,
        each: &mut dyn FnMut(Key<'_>, u64) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let query = "SELECT sensor, metric, time, value FROM cell ORDER BY 1, 2, 3";
        let mut statement = self.database.prepare(query)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let (sensor, metric) = (row.get_ref(0)?.as_str()?, row.get_ref(1)?.as_str()?);
            let value: i64 = row.get(3)?;
            each((sensor, metric, row.get(2)?), value.cast_unsigned())?;
        }
        Ok(())
    }
}
