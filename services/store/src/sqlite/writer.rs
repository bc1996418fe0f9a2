//! The writing connection: one thread that commits many requests together.
//!
//! While one transaction waits for the disk, requests queue up; the next transaction takes all of
//! them, up to a bound. So a disk that syncs 1,000 times a second settles many more files than
//! that, and a single request waits for nobody.

use std::sync::Arc;
use std::time::Instant;

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::database::Database;
use super::log::Log;
use crate::{Error, Result};

/// Requests that are queued; one more waits for room.
const QUEUE: usize = 256;
/// Requests and rows after which a transaction takes no more: bounds the log, and how long the
/// next request waits.
const REQUESTS: usize = 256;
const ROWS: usize = 20_000;

/// Hands requests to the thread. `S` is what the thread knows of the file; it is reset whenever
/// something is rolled back.
pub(super) struct Writer<S> {
    queue: mpsc::Sender<Box<dyn Job<S>>>,
    database: Arc<Database>,
}

impl<S: Default + 'static> Writer<S> {
    /// Starts the thread. It ends when the last handle is dropped and its queue is done.
    pub(super) fn start(database: Arc<Database>, connection: Connection) -> Result<Self> {
        let (queue, requests) = mpsc::channel(QUEUE);
        let thread = Thread {
            database: Arc::clone(&database),
            connection,
        };
        std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || thread.run(requests))
            .map_err(|error| database.away(format!("cannot start a thread: {error}")))?;
        Ok(Self { queue, database })
    }

    /// Does `work`, which writes about `rows` rows, in a transaction, wholly or not at all, and
    /// answers once it is durable. A caller that goes away before the thread came to its request
    /// has asked nothing; one that goes away later has it done all the same.
    pub(super) async fn run<T, F>(&self, rows: usize, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection, &mut S) -> rusqlite::Result<T> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let request = Request {
            rows,
            work: Some(work),
            done: None,
            reply,
        };
        let gone = || self.database.away("its writer has ended");
        let sent = self.queue.send(Box::new(request)).await;
        sent.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }
}

/// A request, whatever its answer is.
trait Job<S>: Send {
    fn rows(&self) -> usize;
    fn is_abandoned(&self) -> bool;
    /// Does the work, and keeps the answer. The error is why it could not.
    fn work(&mut self, connection: &Connection, known: &mut S) -> Result<(), &rusqlite::Error>;
    /// Answers. `failed` is why the transaction as a whole was not committed.
    fn answer(self: Box<Self>, database: &Database, failed: Option<&Error>);
}

struct Request<T, F> {
    rows: usize,
    work: Option<F>,
    done: Option<rusqlite::Result<T>>,
    reply: oneshot::Sender<Result<T>>,
}

impl<S, T, F> Job<S> for Request<T, F>
where
    T: Send,
    F: FnOnce(&Connection, &mut S) -> rusqlite::Result<T> + Send,
{
    fn rows(&self) -> usize {
        self.rows
    }

    fn is_abandoned(&self) -> bool {
        self.reply.is_closed()
    }

    fn work(&mut self, connection: &Connection, known: &mut S) -> Result<(), &rusqlite::Error> {
        let Some(work) = self.work.take() else {
            return Ok(());
        };
        let done = self.done.insert(work(connection, known));
        done.as_ref().map(|_| ())
    }

    fn answer(self: Box<Self>, database: &Database, failed: Option<&Error>) {
        let answer = match (failed, self.done) {
            (Some(failed), _) => Err(failed.clone()),
            (None, Some(done)) => done.map_err(|error| database.fault(&error)),
            // Abandoned before its turn.
            (None, None) => return,
        };
        // Nobody may be waiting any more; it is done all the same.
        let _ = self.reply.send(answer);
    }
}

struct Thread {
    database: Arc<Database>,
    connection: Connection,
}

impl Thread {
    fn run<S: Default>(self, mut requests: mpsc::Receiver<Box<dyn Job<S>>>) {
        let mut known = S::default();
        let mut log = Log::new(&self.database);
        let name = self.database.name();
        let seconds = metrics::histogram!("landfall_store_commit_seconds", "file" => name.clone());
        let requests_at_once =
            metrics::histogram!("landfall_store_commit_requests", "file" => name);
        while let Some(first) = requests.blocking_recv() {
            let mut rows = first.rows();
            let mut group = vec![first];
            while rows < ROWS
                && group.len() < REQUESTS
                && let Ok(next) = requests.try_recv()
            {
                rows += next.rows();
                group.push(next);
            }
            let started = Instant::now();
            let failed = self.commit(&mut group, &mut known).err();
            seconds.record(started.elapsed());
            requests_at_once.record(group.len() as f64);
            if failed.is_some() {
                known = S::default();
            }
            for job in group {
                job.answer(&self.database, failed.as_ref());
            }
            log.tidy(&self.connection, &self.database);
        }
    }

    /// Commits the group in one transaction. A request that fails is taken back alone.
    fn commit<S: Default>(&self, group: &mut [Box<dyn Job<S>>], known: &mut S) -> Result<()> {
        self.database.check_in_place()?;
        self.execute("BEGIN IMMEDIATE")?;
        for job in group.iter_mut().filter(|job| !job.is_abandoned()) {
            self.execute("SAVEPOINT request")?;
            if let Err(error) = job.work(&self.connection, known) {
                *known = S::default();
                // Some errors (a full disk) take the whole transaction back.
                if self.connection.is_autocommit() {
                    return Err(self.database.fault(error));
                }
                self.execute("ROLLBACK TO request")?;
            }
            self.execute("RELEASE request")?;
        }
        self.execute("COMMIT")
    }

    /// Runs a statement of transaction control; if that fails, nothing of the transaction stays.
    fn execute(&self, sql: &str) -> Result<()> {
        let run = || self.connection.prepare_cached(sql)?.execute([]);
        match run() {
            Ok(_) => Ok(()),
            Err(error) => {
                if !self.connection.is_autocommit() {
                    // If even this fails, the next BEGIN says so.
                    let _ = self.connection.execute_batch("ROLLBACK");
                }
                Err(self.database.fault(&error))
            }
        }
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test opens the file itself")]
mod tests {
    use std::path::Path;
    use std::sync::mpsc as blocking;
    use std::time::Duration;

    use tokio::task::JoinHandle;

    use super::super::database::Schema;
    use super::*;

    static SCHEMA: Schema = Schema {
        name: "numbers",
        application: 7,
        version: 1,
        sql: "CREATE TABLE number (number INTEGER NOT NULL UNIQUE, payload BLOB) STRICT",
        upgrades: &[],
        cache_kib: 64,
    };

    async fn start(folder: &Path) -> Arc<Writer<Vec<i64>>> {
        let path = folder.join("numbers.db");
        let (database, connection) = Database::open(&path, &SCHEMA).await.unwrap();
        Arc::new(Writer::start(database, connection).unwrap())
    }

    /// Holds the thread in the middle of a transaction until the sender is dropped.
    async fn hold(
        writer: &Arc<Writer<Vec<i64>>>,
    ) -> (blocking::Sender<()>, JoinHandle<Result<()>>) {
        let (release, held) = blocking::channel::<()>();
        let (entered, inside) = oneshot::channel();
        let writer = Arc::clone(writer);
        let task = tokio::spawn(async move {
            let work = move |_: &Connection, _: &mut Vec<i64>| {
                entered.send(()).unwrap();
                let _ = held.recv();
                Ok(())
            };
            writer.run(1, work).await
        });
        inside.await.unwrap();
        (release, task)
    }

    fn insert(writer: &Arc<Writer<Vec<i64>>>, numbers: &[i64]) -> JoinHandle<Result<usize>> {
        let (numbers, writer) = (numbers.to_vec(), Arc::clone(writer));
        tokio::spawn(async move {
            let work = move |connection: &Connection, known: &mut Vec<i64>| {
                for number in &numbers {
                    connection.execute("INSERT INTO number (number) VALUES (?1)", [number])?;
                    known.push(*number);
                }
                Ok(known.len())
            };
            writer.run(1, work).await
        })
    }

    /// The same, while the thread is held: it is in the queue when this returns. On one worker only:
    /// among several, another sees that there is less room a moment before the request is there.
    async fn queue(writer: &Arc<Writer<Vec<i64>>>, numbers: &[i64]) -> JoinHandle<Result<usize>> {
        let before = writer.queue.capacity();
        let task = insert(writer, numbers);
        while writer.queue.capacity() == before {
            tokio::task::yield_now().await;
        }
        task
    }

    fn numbers(folder: &Path) -> Vec<i64> {
        let connection = Connection::open(folder.join("numbers.db")).unwrap();
        let mut select = connection
            .prepare("SELECT number FROM number ORDER BY number")
            .unwrap();
        let rows = select.query_map([], |row| row.get(0)).unwrap();
        rows.map(Result::unwrap).collect()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn every_commit_is_logged_and_synced() {
        let folder = tempfile::tempdir().unwrap();
        let writer = start(folder.path()).await;
        let settings = |connection: &Connection, _: &mut Vec<i64>| {
            let pragma = "SELECT synchronous, fullfsync, journal_mode
                 FROM pragma_synchronous, pragma_fullfsync, pragma_journal_mode";
            connection.query_row(pragma, [], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })
        };
        let settings: (i64, bool, String) = writer.run(1, settings).await.unwrap();
        assert_eq!(settings, (2, true, "wal".to_owned()));
    }

    #[tokio::test]
    async fn a_bad_request_fails_alone_and_wholly() {
        let folder = tempfile::tempdir().unwrap();
        let writer = start(folder.path()).await;
        let (release, held) = hold(&writer).await;
        let first = queue(&writer, &[1, 2]).await;
        let bad = queue(&writer, &[3, 1]).await;
        let last = queue(&writer, &[4]).await;
        drop(release);
        held.await.unwrap().unwrap();
        assert_eq!(first.await.unwrap().unwrap(), 2);
        let error = bad.await.unwrap().unwrap_err();
        assert!(matches!(error, Error::Broken(_)), "{error}");
        // What the thread knew may have been of the request that was taken back.
        assert_eq!(last.await.unwrap().unwrap(), 1);
        assert_eq!(numbers(folder.path()), [1, 2, 4]);
    }

    #[tokio::test]
    async fn a_caller_that_leaves_before_its_turn_has_asked_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let writer = start(folder.path()).await;
        let (release, held) = hold(&writer).await;
        let leaving = queue(&writer, &[1]).await;
        let staying = queue(&writer, &[2]).await;
        leaving.abort();
        assert!(leaving.await.unwrap_err().is_cancelled());
        drop(release);
        held.await.unwrap().unwrap();
        staying.await.unwrap().unwrap();
        assert_eq!(numbers(folder.path()), [2]);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_caller_that_leaves_later_has_it_done() {
        let folder = tempfile::tempdir().unwrap();
        let writer = start(folder.path()).await;
        let (entered, inside) = oneshot::channel();
        let (release, held) = blocking::channel::<()>();
        let of_task = Arc::clone(&writer);
        let leaving = tokio::spawn(async move {
            let work = move |connection: &Connection, _: &mut Vec<i64>| {
                entered.send(()).unwrap();
                let _ = held.recv();
                connection.execute("INSERT INTO number (number) VALUES (1)", [])
            };
            of_task.run(1, work).await
        });
        inside.await.unwrap();
        leaving.abort();
        assert!(leaving.await.unwrap_err().is_cancelled());
        drop(release);
        insert(&writer, &[2]).await.unwrap().unwrap();
        assert_eq!(numbers(folder.path()), [1, 2]);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_full_queue_makes_callers_wait() {
        let folder = tempfile::tempdir().unwrap();
        let writer = start(folder.path()).await;
        let (release, held) = hold(&writer).await;
        let mut tasks = vec![];
        for number in 0..i64::try_from(QUEUE).unwrap() {
            tasks.push(queue(&writer, &[number]).await);
        }
        assert_eq!(writer.queue.capacity(), 0);
        let work = |_: &Connection, _: &mut Vec<i64>| Ok(());
        let mut one_more = Box::pin(writer.run(1, work));
        assert!(futures::poll!(&mut one_more).is_pending());
        drop(release);
        one_more.await.unwrap();
        held.await.unwrap().unwrap();
        for task in tasks {
            task.await.unwrap().unwrap();
        }
        assert_eq!(numbers(folder.path()).len(), QUEUE);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_full_disk_is_an_outage_that_ends_when_there_is_room() {
        let folder = tempfile::tempdir().unwrap();
        let writer = start(folder.path()).await;
        let room = |pages: u32| {
            move |connection: &Connection, _: &mut Vec<i64>| {
                connection.pragma_update(None, "max_page_count", pages)
            }
        };
        let big = |connection: &Connection, _: &mut Vec<i64>| {
            let insert = "INSERT INTO number VALUES (1, zeroblob(1000000))";
            connection.execute(insert, [])
        };
        writer.run(1, room(20)).await.unwrap();
        let error = writer.run(1, big).await.unwrap_err();
        assert!(matches!(error, Error::Away { .. }), "{error}");
        assert!(error.to_string().contains("numbers.db"), "{error}");
        assert!(error.to_string().contains("make room"), "{error}");
        insert(&writer, &[2]).await.unwrap().unwrap();
        writer.run(1, room(2_000)).await.unwrap();
        writer.run(1, big).await.unwrap();
        assert_eq!(numbers(folder.path()), [1, 2]);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_thread_ends_with_its_last_handle() {
        let folder = tempfile::tempdir().unwrap();
        let writer = start(folder.path()).await;
        insert(&writer, &[1]).await.unwrap().unwrap();
        let log = folder.path().join("numbers.db-wal");
        assert!(log.exists());
        drop(writer);
        // The last connection that is closed takes the log along.
        let gone = async {
            while log.exists() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), gone)
            .await
            .unwrap();
        assert_eq!(numbers(folder.path()), [1]);
    }
}
