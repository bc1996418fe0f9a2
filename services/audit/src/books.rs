//! Journals and readings as they lie in the `SQLite` files, by plain SQL and without a right to
//! write. Nothing here goes through the code by which services read and write them.

#![expect(
    clippy::disallowed_methods,
    reason = "an audit is no service, and reads past their code"
)]

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, ensure};
use proto::FileId;
use runtime::config::store::{Config, Kind};
use rusqlite::{Connection, OpenFlags, OptionalExtension, params};

use crate::event::Step;
use crate::facts::Rows;
use crate::recount::Row;

/// How long a lock is waited for: readers of a write-ahead log meet one in rare moments only.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where the databases are.
pub(crate) struct Books {
    folder: PathBuf,
}

/// A row of a journal's outcomes.
pub(crate) struct Entry {
    pub(crate) file: FileId,
    pub(crate) replay: u32,
    pub(crate) event: String,
    pub(crate) published: Option<u64>,
}

impl Books {
    pub(crate) fn new(config: &Config) -> Self {
        match config.kind {
            Kind::Sqlite => Self {
                folder: config.folder.clone(),
            },
        }
    }

    /// Hands every row of a step's journal over, as of one moment.
    pub(crate) fn journal(
        &self,
        step: Step,
        outcome: &mut dyn FnMut(Entry),
        register: &mut dyn FnMut(&str, &str, &[u8]),
    ) -> anyhow::Result<()> {
        let database = open(&self.folder.join(format!("{}.db", step.name())))?;
        let snapshot = database.unchecked_transaction()?;
        let mut outcomes =
            snapshot.prepare("SELECT file, replay, event, published FROM outcome")?;
        let mut rows = outcomes.query([])?;
        while let Some(row) = rows.next()? {
            let published: Option<i64> = row.get(3)?;
            outcome(Entry {
                file: file(row.get_ref(0)?.as_blob()?)?,
                replay: row.get(1)?,
                event: row.get(2)?,
                published: published.map(i64::cast_unsigned),
            });
        }
        let mut registers = snapshot.prepare("SELECT kind, name, value FROM register")?;
        let mut rows = registers.query([])?;
        while let Some(row) = rows.next()? {
            let (kind, name) = (row.get_ref(0)?.as_str()?, row.get_ref(1)?.as_str()?);
            register(kind, name, row.get_ref(2)?.as_blob()?);
        }
        Ok(())
    }

    /// The readings, as of one moment.
    pub(crate) fn readings(&self) -> anyhow::Result<Readings> {
        let database = open(&self.folder.join("readings.db"))?;
        // Every query until the end sees the same rows; the services write on meanwhile.
        database.execute_batch("BEGIN")?;
        Ok(Readings { database })
    }
}

/// The readings.
pub(crate) struct Readings {
    database: Connection,
}

/// A reading's sensor, metric and milliseconds since 1970.
pub(crate) type Key<'a> = (&'a str, &'a str, i64);

impl Readings {
    /// How many each file wrote.
    pub(crate) fn by_file(&self) -> anyhow::Result<HashMap<FileId, Rows>> {
        let query = "SELECT file, count(*), max(write_timestamp) FROM reading GROUP BY file";
        let mut statement = self.database.prepare(query)?;
        let mut rows = statement.query([])?;
        let mut found = HashMap::new();
        while let Some(row) = rows.next()? {
            let count: i64 = row.get(1)?;
            let rows = Rows {
                count: count.unsigned_abs(),
                newest: row.get(2)?,
            };
            found.insert(file(row.get_ref(0)?.as_blob()?)?, rows);
        }
        Ok(found)
    }

    /// The reading with this sensor, metric and time.
    pub(crate) fn at(&self, (sensor, metric, time): Key<'_>) -> anyhow::Result<Option<Row>> {
        let query = "SELECT value, file, write_timestamp FROM reading WHERE time = ?3 AND series =
            (SELECT id FROM series WHERE sensor = ?1 AND metric = ?2)";
        let mut statement = self.database.prepare_cached(query)?;
        let mut rows = statement.query(params![sensor, metric, time])?;
        let Some(row) = rows.next()? else {
            return Ok(None);
        };
        let value: f64 = row.get(0)?;
        Ok(Some(Row {
            value: value.to_bits(),
            file: file(row.get_ref(1)?.as_blob()?)?,
            write_timestamp: row.get(2)?,
        }))
    }

    /// The write timestamp of the reading that was retracted there, if one was.
    pub(crate) fn retracted(&self, (sensor, metric, time): Key<'_>) -> anyhow::Result<Option<i64>> {
        let query = "SELECT write_timestamp FROM retraction WHERE time = ?3 AND series =
            (SELECT id FROM series WHERE sensor = ?1 AND metric = ?2)";
        let mut statement = self.database.prepare_cached(query)?;
        let found = statement.query_row(params![sensor, metric, time], |row| row.get(0));
        Ok(found.optional()?)
    }

    /// Every reading that a file wrote. Looks at all there are.
    pub(crate) fn of(
        &self,
        file: FileId,
        each: &mut dyn FnMut(Key<'_>) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let query = "SELECT sensor, metric, time FROM reading JOIN series ON series.id = series
            WHERE file = ?1";
        let mut statement = self.database.prepare(query)?;
        let mut rows = statement.query([&file.bytes()[..]])?;
        while let Some(row) = rows.next()? {
            let (sensor, metric) = (row.get_ref(0)?.as_str()?, row.get_ref(1)?.as_str()?);
            each((sensor, metric, row.get(2)?))?;
        }
        Ok(())
    }
}

/// The readings of one file, each once: on disk, so that a file may have any number of them.
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

    /// Whether there is such a reading.
    pub(crate) fn has(&self, (sensor, metric, time): Key<'_>) -> anyhow::Result<bool> {
        let query = "SELECT 1 FROM cell WHERE sensor = ?1 AND metric = ?2 AND time = ?3";
        let mut statement = self.database.prepare_cached(query)?;
        let found = statement.query_row(params![sensor, metric, time], |_| Ok(()));
        Ok(found.optional()?.is_some())
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

fn open(path: &Path) -> anyhow::Result<Connection> {
    let shown = path.display();
    ensure!(
        path.is_file(),
        "`store.folder`: there is no {shown}; name the folder of the installation, or run \
         `landfall setup`"
    );
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let open = || {
        let database = Connection::open_with_flags(path, flags)?;
        database.busy_timeout(PATIENCE)?;
        database.pragma_update(None, "query_only", true)?;
        Ok::<_, rusqlite::Error>(database)
    };
    open().with_context(|| format!("{shown} cannot be read"))
}

fn file(bytes: &[u8]) -> anyhow::Result<FileId> {
    let bytes = bytes.try_into().context("a file id has 16 bytes")?;
    Ok(FileId::from_bytes(bytes))
}
