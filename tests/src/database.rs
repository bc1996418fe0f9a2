//! Where an installation keeps readings and journals, read by plain SQL or CQL.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Result, bail};
use futures::TryStreamExt;
use proto::FileId;
use rusqlite::{Connection, OpenFlags};
use scylla::client::session::Session;
use scylla::value::CqlTimestamp;
use toml::Value;
use uuid::Uuid;

use crate::rows::Rows;

/// This machine.
pub(crate) const HERE: &str = "127.0.0.1";

/// Names the kind of database that installations have.
const CHOICE: &str = "LANDFALL_TEST_STORE";

/// The kinds of databases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Files in the installation's folder.
    Sqlite,
    /// Keyspaces of its own in a server of all tests.
    Cql,
}

impl Kind {
    /// What `LANDFALL_TEST_STORE` says (`sqlite` or `cql`); `sqlite` unless set.
    pub fn chosen() -> Result<Self> {
        match std::env::var(CHOICE) {
            Err(_) => Ok(Self::Sqlite),
            Ok(text) => match text.as_str() {
                "sqlite" => Ok(Self::Sqlite),
                "cql" => Ok(Self::Cql),
                _ => bail!("{CHOICE}={text}: expected `sqlite` or `cql`"),
            },
        }
    }
}

/// An installation's database.
#[derive(Debug)]
pub(crate) enum Database {
    Sqlite(PathBuf),
    Cql(Keyspaces),
}

/// Keyspaces that nobody else has.
#[derive(Debug)]
pub struct Keyspaces {
    /// A way to ask the server.
    pub session: Arc<Session>,
    host: String,
    port: u16,
    name: String,
}

impl Keyspaces {
    /// In the server that listens there; `landfall setup` makes them.
    pub(crate) fn new(session: Arc<Session>, host: &str, port: u16) -> Self {
        Self {
            session,
            host: host.to_owned(),
            port,
            name: format!("test_{}", servers::random_secret()[..12].to_lowercase()),
        }
    }

    /// Where its server listens: on this machine, where wires are before it.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// That of the readings.
    pub fn readings(&self) -> String {
        format!("{}_readings", self.name)
    }

    /// That of the journals.
    pub fn journals(&self) -> String {
        format!("{}_journals", self.name)
    }

    async fn drop(&self) {
        for keyspace in [self.readings(), self.journals()] {
            let drop = format!("DROP KEYSPACE IF EXISTS {keyspace}");
            // What stays goes with the server.
            let _ = self.session.query_unpaged(drop, ()).await;
        }
    }

    async fn all(&self) -> Result<Rows> {
        let query = format!(
            "SELECT sensor_id, metric, ts, value FROM {}.readings",
            self.readings()
        );
        let rows = self.session.query_iter(query, ()).await?;
        let rows = rows.rows_stream::<(String, String, CqlTimestamp, f64)>()?;
        let rows = rows.map_ok(|(sensor, metric, time, value)| ((sensor, metric, time.0), value));
        Ok(rows.try_collect().await?)
    }

    async fn count(&self, file: FileId) -> Result<u64> {
        let query = format!("SELECT file FROM {}.readings", self.readings());
        let rows = self.session.query_iter(query, ()).await?;
        let mut rows = rows.rows_stream::<(Uuid,)>()?;
        let mut count = 0;
        while let Some((of,)) = rows.try_next().await? {
            count += u64::from(of.as_bytes() == &file.bytes());
        }
        Ok(count)
    }
}

impl Database {
    /// How services are told of it: paths of settings, and their values.
    pub(crate) fn settings(&self) -> Vec<(&'static str, Value)> {
        match self {
            Self::Sqlite(folder) => {
                vec![("store.folder", folder.display().to_string().into())]
            }
            Self::Cql(keyspaces) => vec![
                ("store.kind", "cql".into()),
                ("store.cql.nodes", nodes(&keyspaces.host, keyspaces.port)),
                ("store.cql.readings", keyspaces.readings().into()),
                ("store.cql.journals", keyspaces.journals().into()),
            ],
        }
    }

    /// Every reading.
    pub(crate) fn rows(&self) -> Result<Rows> {
        match self {
            Self::Sqlite(folder) => all(&open(folder)?),
            Self::Cql(keyspaces) => wait(keyspaces.all()),
        }
    }

    /// How many of the readings a file wrote.
    pub(crate) fn count(&self, file: FileId) -> Result<u64> {
        match self {
            Self::Sqlite(folder) => count(&open(folder)?, file),
            Self::Cql(keyspaces) => wait(keyspaces.count(file)),
        }
    }

    /// Removes what does not go with the installation's folder.
    pub(crate) async fn remove(&self) {
        match self {
            Self::Sqlite(_) => {}
            Self::Cql(keyspaces) => keyspaces.drop().await,
        }
    }
}

/// A node, as a setting.
pub(crate) fn nodes(host: &str, port: u16) -> Value {
    vec![format!("{host}:{port}")].into()
}

/// Waits within a test, whose thread may block.
pub(crate) fn wait<T>(what: impl Future<Output = T>) -> T {
    tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(what))
}

fn all(database: &Connection) -> Result<Rows> {
    let query = "SELECT sensor, metric, time, value FROM reading JOIN series ON series.id = series";
    let mut statement = database.prepare(query)?;
    let rows = statement.query_map([], |row| {
        let key = (row.get(0)?, row.get(1)?, row.get(2)?);
        Ok((key, row.get(3)?))
    })?;
    Ok(rows.collect::<Result<Rows, _>>()?)
}

fn count(database: &Connection, file: FileId) -> Result<u64> {
    let query = "SELECT count(*) FROM reading WHERE file = ?1";
    let bytes = file.bytes();
    let count: i64 = database.query_row(query, [&bytes[..]], |row| row.get(0))?;
    Ok(u64::try_from(count)?)
}

fn open(folder: &std::path::Path) -> Result<Connection> {
    // Not read-only: a reader of a WAL may have to create its shared memory.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let database = Connection::open_with_flags(folder.join("readings.db"), flags)?;
    database.busy_timeout(std::time::Duration::from_secs(10))?;
    Ok(database)
}
