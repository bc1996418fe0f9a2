//! The way of readings to the database: through a bounded buffer, in which the rows of all files
//! are gathered by partition, in so many requests at once.

#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc::{self, UnboundedSender};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use uuid::Uuid;

use super::batches::BATCH;
use super::cluster::AT_ONCE;
use super::fault;
use super::gather::{self, Gather, Partition};
use crate::{Error, Result};

/// Bytes that rows may take while they wait and are sent. Who finds no room waits, and reads no
/// more meanwhile.
const ROOM: usize = 5 << 20;
/// What rows that come together take, beside each row: at worst they are all of a partition.
const RUN: usize = 448;

/// A row, but for its partition and its file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    /// Milliseconds since 1970.
    pub(super) time: i64,
    pub(super) value: f64,
    pub(super) write_timestamp: i64,
}

/// Rows of one write in one partition.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) file: Uuid,
    pub(super) rows: Vec<Row>,
    /// Tells who waits how many rows are durable.
    tell: UnboundedSender<Result<usize>>,
    _room: OwnedSemaphorePermit,
}

impl gather::Run for Run {
    fn rows(&self) -> usize {
        self.rows.len()
    }

    fn is_forsaken(&self) -> bool {
        self.tell.is_closed()
    }
}

/// Where the way leads.
pub(super) trait Database: Send + Sync + 'static {
    /// What people know it by.
    fn name(&self) -> &str;

    /// Writes a batch of one partition; all of it is durable when it returns, or it is an error.
    fn insert(
        &self,
        partition: &Partition,
        runs: &[Run],
    ) -> impl Future<Output = Result<()>> + Send;
}

/// The way. There are as many senders as may be of use, and none while there is nothing to send.
pub(super) struct Pipeline<D> {
    database: D,
    room: Arc<Semaphore>,
    /// Senders, at most.
    at_once: usize,
    state: Mutex<State>,
}

struct State {
    gather: Gather<Run>,
    senders: usize,
}

impl<D: Database> Pipeline<D> {
    pub(super) fn new(database: D) -> Arc<Self> {
        Self::bounded(database, ROOM, AT_ONCE)
    }

    /// With room for so many bytes, and so many requests at once.
    fn bounded(database: D, room: usize, at_once: usize) -> Arc<Self> {
        Arc::new(Self {
            database,
            room: Arc::new(Semaphore::new(room)),
            at_once,
            state: Mutex::new(State {
                gather: Gather::new(BATCH),
                senders: 0,
            }),
        })
    }

    /// Writes rows of a file. All of them are durable when it returns, or it is an error. What is
    /// still waiting when whoever called goes away, or after an error, is not sent.
    pub(super) async fn write(
        self: &Arc<Self>,
        file: Uuid,
        partitions: Vec<(Partition, Vec<Row>)>,
    ) -> Result<()> {
        let (tell, mut told) = mpsc::unbounded_channel();
        let mut missing = 0;
        for (partition, rows) in partitions {
            missing += rows.len();
            if rows.len() <= BATCH {
                self.put(&partition, file, rows, &tell).await?;
                continue;
            }
            for rows in rows.chunks(BATCH) {
                self.put(&partition, file, rows.to_vec(), &tell).await?;
            }
        }
        drop(tell);
        while missing > 0 {
            missing -= told.recv().await.ok_or_else(|| self.given_up())??;
        }
        Ok(())
    }

    async fn room(&self, rows: usize) -> Result<OwnedSemaphorePermit> {
        let bytes = u32::try_from(RUN + rows * size_of::<Row>()).unwrap_or(u32::MAX);
        let room = Arc::clone(&self.room).acquire_many_owned(bytes).await;
        room.map_err(|_| self.given_up())
    }

    fn given_up(&self) -> Error {
        fault::away(self.database.name(), "sending readings ended early")
    }

    /// Puts rows where they are sent from, as soon as there is room for them.
    async fn put(
        self: &Arc<Self>,
        partition: &Partition,
        file: Uuid,
        rows: Vec<Row>,
        tell: &UnboundedSender<Result<usize>>,
    ) -> Result<()> {
        let room = self.room(rows.len()).await?;
        let mut state = self.state();
        let run = Run {
            file,
            rows,
            tell: tell.clone(),
            _room: room,
        };
        state.gather.put(partition, run);
        if state.senders < self.at_once {
            state.senders += 1;
            tokio::spawn(Arc::clone(self).send_all());
        }
        Ok(())
    }

    /// Sends batches until there are none.
    async fn send_all(self: Arc<Self>) {
        while let Some((partition, runs)) = self.next() {
            let sent = self.database.insert(&partition, &runs).await;
            for run in runs {
                // Whoever has gone away need not know.
                let _ = run.tell.send(sent.clone().map(|()| run.rows.len()));
            }
        }
    }

    /// What a sender does next. It ends where there is nothing, in one step with looking, so that
    /// nothing is put for a sender that is just about to end.
    fn next(&self) -> Option<(Partition, Vec<Run>)> {
        let mut state = self.state();
        let next = state.gather.take();
        if next.is_none() {
            state.senders -= 1;
        }
        next
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
