//! The reading connections: a few, opened when they are first needed.

use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use tokio::sync::Semaphore;

use super::database::Database;
use crate::Result;

/// Reads of one file at once.
const CONNECTIONS: usize = 4;

/// A pool of connections, each used by one blocking task at a time.
pub(super) struct Readers {
    database: Arc<Database>,
    idle: Arc<Mutex<Vec<Connection>>>,
    permits: Arc<Semaphore>,
}

impl Readers {
    pub(super) fn new(database: Arc<Database>) -> Self {
        Self {
            database,
            idle: Arc::default(),
            permits: Arc::new(Semaphore::new(CONNECTIONS)),
        }
    }

    /// Reads, beside the tasks of the runtime.
    pub(super) async fn run<T, F>(&self, read: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        let permit = Arc::clone(&self.permits).acquire_owned().await;
        let permit = permit.map_err(|_| self.database.away("it is closed"))?;
        let database = Arc::clone(&self.database);
        let idle = Arc::clone(&self.idle);
        let task = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            let connection = idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let connection = match connection {
                Some(connection) => connection,
                None => database.reader()?,
            };
            // A connection that failed is closed.
            let value = read(&connection).map_err(|error| database.fault(&error))?;
            idle.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(connection);
            Ok(value)
        });
        match task.await {
            Ok(answer) => answer,
            Err(error) => Err(self
                .database
                .away(format!("the read was given up: {error}"))),
        }
    }
}
