//! A file: opening it, its schema, and what its errors mean.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, OpenFlags, Transaction, TransactionBehavior, ffi};

use crate::{Error, Result};

/// How long a lock that another process holds is waited for.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// What a file holds.
#[derive(Debug)]
pub(super) struct Schema {
    /// For messages.
    pub(super) name: &'static str,
    /// `application_id`: tells Landfall's files from each other and from others.
    pub(super) application: i32,
    /// `user_version`
    pub(super) version: i32,
    /// Creates it.
    pub(super) sql: &'static str,
    /// What makes the next version of each earlier one, from version 1 on.
    pub(super) upgrades: &'static [&'static str],
    /// Page cache of the writing connection.
    pub(super) cache_kib: u32,
}

/// A file that was opened once, and which file that was.
#[derive(Debug)]
pub(super) struct Database {
    path: PathBuf,
    schema: &'static Schema,
    inode: Inode,
}

impl Database {
    /// Opens the file for writing, creating it, its folder and its schema where they are not
    /// there. Safe to repeat and to do by two processes at once: the schema is created in a
    /// transaction that looks first.
    pub(super) async fn open(
        path: &Path,
        schema: &'static Schema,
    ) -> Result<(Arc<Self>, Connection)> {
        let started = Instant::now();
        loop {
            let to_open = path.to_owned();
            let task = tokio::task::spawn_blocking(move || set_up(&to_open, schema));
            match task.await {
                Ok(Ok((connection, inode))) => {
                    let database = Self {
                        path: path.to_owned(),
                        schema,
                        inode,
                    };
                    return Ok((Arc::new(database), connection));
                }
                // Switching to the write-ahead log does not wait for locks by itself.
                Ok(Err(Opening::Sqlite(error)))
                    if is_busy(&error) && started.elapsed() < PATIENCE =>
                {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                Ok(Err(Opening::Sqlite(error))) => return Err(fault_of_opening(path, &error)),
                Ok(Err(Opening::Other(error))) => return Err(error),
                Err(error) => return Err(away(path, format!("opening was given up: {error}"))),
            }
        }
    }

    /// Another connection, for reading.
    #[expect(
        clippy::disallowed_methods,
        reason = "the runtime has it behind failpoints"
    )]
    pub(super) fn reader(&self) -> Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let open = || {
            let connection = Connection::open_with_flags(&self.path, flags)?;
            connection.pragma_update(None, "query_only", true)?;
            Ok(connection)
        };
        let connection = open().map_err(|error| self.fault(&error))?;
        self.check_in_place()?;
        Ok(connection)
    }

    /// The file's name without its extension: a label of metrics.
    pub(super) fn name(&self) -> String {
        let name = self.path.file_stem().unwrap_or_default();
        name.to_string_lossy().into_owned()
    }

    /// For messages.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Away, for a reason.
    pub(super) fn away(&self, reason: impl Into<String>) -> Error {
        away(&self.path, reason)
    }

    /// Whether the path still leads to the file that is open: `SQLite` would go on writing to one
    /// that was deleted.
    pub(super) fn check_in_place(&self) -> Result<()> {
        match inode(&self.path) {
            Ok(inode) if inode == self.inode => Ok(()),
            _ => Err(self.away(
                "the file was moved, removed or replaced while it was open; put it back, or \
                 restart the services that use it",
            )),
        }
    }

    /// What a failure means to who asked. What is wrong with the file as a whole is an outage, so
    /// that the services wait until it is mended instead of giving up on one file after the other.
    pub(super) fn fault(&self, error: &rusqlite::Error) -> Error {
        match error.sqlite_error_code() {
            Some(ErrorCode::ConstraintViolation | ErrorCode::TooBig | ErrorCode::TypeMismatch)
            | None => Error::Broken(format!("{}: {error}", self.path.display())),
            Some(_) => self.away(advised(error)),
        }
    }

    /// A row that is there and cannot be understood.
    pub(super) fn unreadable(
        &self,
        row: impl std::fmt::Display,
        error: &serde_json::Error,
    ) -> Error {
        Error::Broken(format!(
            "{}: {row} of the {} cannot be read: {error}; was it written by a newer Landfall?",
            self.path.display(),
            self.schema.name
        ))
    }
}

enum Opening {
    Sqlite(rusqlite::Error),
    Other(Error),
}

impl From<rusqlite::Error> for Opening {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the runtime has it behind failpoints"
)]
fn set_up(path: &Path, schema: &Schema) -> Result<(Connection, Inode), Opening> {
    create_folder(path)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(PATIENCE)?;
    // In a transaction: another process may create it between two looks.
    let is_ours = check_schema(path, &connection.transaction()?, schema)?;
    set_pragmas(path, &connection, schema)?;
    if !is_ours {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        if !check_schema(path, &transaction, schema)? {
            match version(&transaction)? {
                0 => transaction.execute_batch(schema.sql)?,
                earlier => {
                    for (_, upgrade) in (1..)
                        .zip(schema.upgrades)
                        .skip_while(|(of, _)| *of < earlier)
                    {
                        transaction.execute_batch(upgrade)?;
                    }
                }
            }
            transaction.pragma_update(None, "application_id", schema.application)?;
            transaction.pragma_update(None, "user_version", schema.version)?;
        }
        transaction.commit()?;
    }
    let inode = inode(path).map_err(|error| Opening::Other(away(path, error.to_string())))?;
    Ok((connection, inode))
}

fn set_pragmas(path: &Path, connection: &Connection, schema: &Schema) -> Result<(), Opening> {
    let mode: String =
        connection.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))?;
    if mode != "wal" {
        return Err(Opening::Other(Error::Broken(format!(
            "{}: its file system cannot share memory between processes; set [store] folder to one \
             on a disk of this machine",
            path.display()
        ))));
    }
    // Every commit reaches the disk, on macOS too.
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "fullfsync", true)?;
    connection.pragma_update(None, "checkpoint_fullfsync", true)?;
    connection.pragma_update(None, "cache_size", -i64::from(schema.cache_kib))?;
    connection.pragma_update(None, "temp_store", "memory")?;
    // `Log` does it instead.
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    connection.pragma_update(None, "journal_size_limit", 64 << 20)?;
    connection.set_prepared_statement_cache_capacity(32);
    Ok(())
}

fn create_folder(path: &Path) -> Result<(), Opening> {
    let Some(folder) = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
    else {
        return Ok(());
    };
    std::fs::create_dir_all(folder).map_err(|error| {
        Opening::Other(Error::Broken(format!(
            "{}: cannot create the folder: {error}; create it, or set [store] folder to one that \
             can be written",
            folder.display()
        )))
    })
}

/// 0: nothing is there.
fn version(connection: &Connection) -> rusqlite::Result<i32> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// Whether the schema is there; an error if another one is that does not become it by upgrades.
fn check_schema(
    path: &Path,
    connection: &Transaction<'_>,
    schema: &Schema,
) -> Result<bool, Opening> {
    let number = |pragma| connection.pragma_query_value(None, pragma, |row| row.get::<_, i32>(0));
    let (application, version) = (number("application_id")?, number("user_version")?);
    let path = path.display();
    if application == schema.application && version == schema.version {
        return Ok(true);
    }
    if application == schema.application && (1..schema.version).contains(&version) {
        return Ok(false);
    }
    if application == schema.application {
        return Err(Opening::Other(Error::Broken(format!(
            "{path}: its schema is version {version}, this Landfall has version {}; run the \
             Landfall that wrote it, or move the file away to start anew",
            schema.version
        ))));
    }
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if application != 0 || version != 0 || tables != 0 {
        return Err(Opening::Other(Error::Broken(format!(
            "{path}: it is a SQLite file, but not of Landfall's {}; move it away, or set [store] \
             folder to another one",
            schema.name
        ))));
    }
    Ok(false)
}

/// What stands in the way when a service starts is told at once: nobody else will mend it.
fn fault_of_opening(path: &Path, error: &rusqlite::Error) -> Error {
    let advice = match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => "move it away, or set [store] folder to another one",
        Some(ErrorCode::DatabaseCorrupt) => "restore it from a backup, or move it away",
        Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
            "give this user the right to write the file and its folder"
        }
        _ => return away(path, advised(error)),
    };
    Error::Broken(format!("{}: {error}; {advice}", path.display()))
}

/// An error, and how to mend it.
fn advised(error: &rusqlite::Error) -> String {
    match error.sqlite_error().and_then(advice) {
        Some(advice) => format!("{error}; {advice}"),
        None => error.to_string(),
    }
}

fn advice(error: &ffi::Error) -> Option<&'static str> {
    match error.code {
        // Where a full disk has no room for the log's index, it is no more than an I/O error.
        _ if error.extended_code == ffi::SQLITE_IOERR_SHMSIZE => Some("make room on its disk"),
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => {
            Some("another process has held the file for 5 seconds")
        }
        ErrorCode::DiskFull => Some("make room on its disk"),
        ErrorCode::SystemIoFailure => Some("look at its disk and the kernel's log"),
        ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen => {
            Some("give this user the right to write the file and its folder")
        }
        ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => {
            Some("stop the services and restore it from a backup")
        }
        _ => None,
    }
}

/// Whether another connection is in the way.
pub(super) fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)
    )
}

fn away(path: &Path, reason: impl Into<String>) -> Error {
    Error::Away {
        store: path.display().to_string(),
        reason: reason.into(),
    }
}

/// Device and inode number.
type Inode = (u64, u64);

fn inode(path: &Path) -> std::io::Result<Inode> {
    let metadata = std::fs::metadata(path)?;
    Ok((metadata.dev(), metadata.ino()))
}
