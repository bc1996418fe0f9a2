//! The reading connections: a few, opened when they are first needed.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::Semaphore;

use super::database::{Database, PATIENCE, is_busy};
use crate::Result;

/// Reads of one file at once.
const CONNECTIONS: usize = 4;

/// A pool of connections, each used by one read at a time.
pub(super) struct Readers {
    pool: Arc<Pool>,
    permits: Arc<Semaphore>,
}

struct Pool {
    database: Arc<Database>,
    idle: Mutex<Vec<Connection>>,
}

impl Readers {
    pub(super) fn new(database: Arc<Database>) -> Self {
        Self {
            pool: Arc::new(Pool {
                database,
                idle: Mutex::default(),
            }),
            permits: Arc::new(Semaphore::new(CONNECTIONS)),
        }
    }

    /// Reads a row on the spot: that takes microseconds, and handing it to another thread and back
    /// takes ten times as many. Where it would have to wait, it is handed over all the same.
    pub(super) async fn run_short<T, F>(&self, read: F) -> Result<T>
    where
        T: Send + 'static,
        F: Fn(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        // So that a task that only reads lets others run.
        tokio::task::coop::consume_budget().await;
        if let Ok(_permit) = self.permits.try_acquire()
            && let Some(answer) = self.pool.try_read(&read)
        {
            return answer;
        }
        self.run(read).await
    }

    /// Reads, beside the tasks of the runtime.
    pub(super) async fn run<T, F>(&self, read: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        let away = |reason| self.pool.database.away(reason);
        let permit = Arc::clone(&self.permits).acquire_owned().await;
        let permit = permit.map_err(|_| away("it is closed".to_owned()))?;
        let pool = Arc::clone(&self.pool);
        let task = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            pool.read(read)
        });
        match task.await {
            Ok(answer) => answer,
            Err(error) => Err(away(format!("the read was given up: {error}"))),
        }
    }
}

impl Pool {
    fn idle(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for locks. A connection that failed is closed.
    fn read<T>(&self, read: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T> {
        let idle = self.idle().pop();
        let connection = match idle {
            Some(connection) => connection,
            None => self.database.reader()?,
        };
        let value = connection
            .busy_timeout(PATIENCE)
            .and_then(|()| read(&connection))
            .map_err(|error| self.database.fault(&error))?;
        self.idle().push(connection);
        Ok(value)
    }

    /// Waits for nothing. None where no connection is open and free, or another process holds the
    /// file (to recover it, say).
    fn try_read<T>(&self, read: impl Fn(&Connection) -> rusqlite::Result<T>) -> Option<Result<T>> {
        let connection = self.idle().pop()?;
        let answer = connection
            .busy_timeout(Duration::ZERO)
            .and_then(|()| read(&connection));
        match answer {
            Ok(value) => {
                self.idle().push(connection);
                Some(Ok(value))
            }
            Err(error) if is_busy(&error) => None,
            Err(error) => Some(Err(self.database.fault(&error))),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use rusqlite::ffi;

    use super::super::database::Schema;
    use super::*;

    static SCHEMA: Schema = Schema {
        name: "numbers",
        application: 7,
        version: 1,
        sql: "CREATE TABLE number (number INTEGER NOT NULL) STRICT",
        upgrades: &[],
        cache_kib: 64,
    };

    async fn readers(folder: &std::path::Path) -> Readers {
        let path = folder.join("numbers.db");
        let (database, connection) = Database::open(&path, &SCHEMA).await.unwrap();
        connection
            .execute("INSERT INTO number VALUES (7)", [])
            .unwrap();
        Readers::new(database)
    }

    fn number(connection: &Connection) -> rusqlite::Result<i64> {
        connection.query_row("SELECT number FROM number", [], |row| row.get(0))
    }

    #[tokio::test]
    async fn a_short_read_that_meets_a_lock_is_handed_over() {
        let folder = tempfile::tempdir().unwrap();
        let readers = readers(folder.path()).await;
        readers.run(number).await.unwrap();
        let tries = Arc::new(AtomicU32::new(0));
        let of_read = Arc::clone(&tries);
        let locked_at_first = move |connection: &Connection| {
            if of_read.fetch_add(1, Ordering::Relaxed) == 0 {
                let busy = ffi::Error::new(ffi::SQLITE_BUSY_RECOVERY);
                return Err(rusqlite::Error::SqliteFailure(busy, None));
            }
            number(connection)
        };
        assert_eq!(readers.run_short(locked_at_first).await.unwrap(), 7);
        assert_eq!(tries.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn no_more_connections_are_opened_than_read_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let readers = readers(folder.path()).await;
        for _ in 0..10 {
            assert_eq!(readers.run_short(number).await.unwrap(), 7);
        }
        assert_eq!(readers.pool.idle().len(), 1);
        let all = (0..100).map(|_| readers.run(number));
        for read in futures::future::join_all(all).await {
            assert_eq!(read.unwrap(), 7);
        }
        assert!(readers.pool.idle().len() <= CONNECTIONS);
        assert_eq!(readers.permits.available_permits(), CONNECTIONS);
    }

    #[tokio::test]
    async fn a_connection_that_failed_is_not_used_again() {
        let folder = tempfile::tempdir().unwrap();
        let readers = readers(folder.path()).await;
        let fail =
            |connection: &Connection| connection.execute_batch("BEGIN; SELECT nothing FROM number");
        readers.run(fail).await.unwrap_err();
        assert_eq!(readers.pool.idle().len(), 0);
        assert_eq!(readers.run_short(number).await.unwrap(), 7);
        readers.run_short(fail).await.unwrap_err();
        assert_eq!(readers.pool.idle().len(), 0);
        assert_eq!(readers.run_short(number).await.unwrap(), 7);
    }
}
