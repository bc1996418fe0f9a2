//! A database that somebody else keeps for himself.

use std::path::Path;

use anyhow::Result;
use proto::User;
use rusqlite::Connection;

/// What keeps a service from its database.
#[derive(Debug)]
#[must_use]
pub enum Lock {
    /// A transaction of another's.
    File(File),
    /// The wire of this service is cut.
    Wire(User),
}

/// Holds a database: nobody else can write to it. Dropped, it is free.
#[derive(Debug)]
pub struct File {
    _transaction: Connection,
}

impl File {
    /// Takes the database at `path`, when nobody is writing to it.
    pub(crate) fn take(path: &Path) -> Result<Self> {
        let connection = Connection::open(path)?;
        connection.busy_timeout(std::time::Duration::from_secs(10))?;
        connection.execute_batch("BEGIN EXCLUSIVE")?;
        Ok(Self {
            _transaction: connection,
        })
    }
}
