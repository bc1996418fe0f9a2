//! Journals and readings as they lie in the `SQLite` files, by plain SQL and without a right to
//! write.

#![expect(
    clippy::disallowed_methods,
    reason = "an audit is no service, and reads past their code"
)]

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, ensure};
use proto::FileId;
use rusqlite::{Connection, OpenFlags, OptionalExtension, params};

use super::{Entry, Key, Retracted};
use crate::event::Step;
use crate::facts::Rows;
use crate::recount::Row;

/// How long a lock is waited for: readers of a write-ahead log meet one in rare moments only.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where the files are.
pub(super) struct Books {
    folder: PathBuf,
}

impl Books {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }
}

impl super::Books for Books {
    /// As of one moment.
    fn journal(
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

    /// As of one moment.
    fn readings(&self) -> anyhow::Result<Box<dyn super::Readings>> {
        let database = open(&self.folder.join("readings.db"))?;
        // Every query until the end sees the same rows; the services write on meanwhile.
        database.execute_batch("BEGIN")?;
        Ok(Box::new(Readings { database }))
    }
}

/// The readings.
struct Readings {
    database: Connection,
}

impl super::Readings for Readings {
    fn by_file(&self) -> anyhow::Result<HashMap<FileId, Rows>> {
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

    fn at(&self, (sensor, metric, time): Key<'_>) -> anyhow::Result<Option<Row>> {
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

    fn retracted(&self, (sensor, metric, time): Key<'_>) -> anyhow::Result<Retracted> {
        let query = "SELECT write_timestamp FROM retraction WHERE time = ?3 AND series =
            (SELECT id FROM series WHERE sensor = ?1 AND metric = ?2)";
        let mut statement = self.database.prepare_cached(query)?;
        let found = statement.query_row(params![sensor, metric, time], |row| row.get(0));
        Ok(found.optional()?.map_or(Retracted::No, Retracted::At))
    }

    /// Looks at all there are.
    fn of(
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
