//! The writing connection: one thread that commits many requests together.
//!
//! While one transaction waits for the disk, requests queue up; the next transaction takes all of
//! them, up to a bound. So a disk that syncs 1,000 times a second settles many more files than
//! that, and a single request waits for nobody.

use std::sync::Arc;

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
        let mut log = Log::default();
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
            let failed = self.commit(&mut group, &mut known).err();
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
