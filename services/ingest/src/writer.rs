//! Writes the readings of parts.

use std::ops::Range;
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use proto::FileId;
use runtime::Trouble;
use store::Readings;
use store::write_timestamp::WriteTimestamps;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::task::{JoinError, JoinSet};

use crate::table::Part;
use crate::way::Way;

/// Readings of one write.
const BATCH: usize = 5_000;
/// Writes of one file under way at once.
const AT_ONCE: usize = 4;
/// Writes of all files: enough that a CQL store has many files' readings to gather batches from.
/// Those that wait for it take memory.
const OF_ALL: usize = 32;
/// Readings whose preparation does not hold an async thread up.
const FEW: usize = 5_000;

/// Whose turn it is to write, among all files.
#[derive(Clone, Debug)]
pub struct Turns(Arc<Semaphore>);

impl Default for Turns {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(OF_ALL)))
    }
}

/// Writes the readings of one replay of one file. Safe to repeat: the same readings get the same
/// write timestamps each time.
#[derive(Clone)]
pub struct Writer {
    readings: Arc<dyn Readings>,
    turns: Turns,
    file: FileId,
    timestamps: WriteTimestamps,
}

impl Writer {
    /// For a file that is read in `parts` parts, as decided at `now`.
    pub fn new(
        readings: Arc<dyn Readings>,
        turns: Turns,
        way: &Way,
        parts: u32,
        now: Timestamp,
    ) -> Result<Self, Trouble> {
        let file = &way.file;
        Ok(Self {
            readings,
            turns,
            file: file.id,
            timestamps: WriteTimestamps::new(file.order, file.id, way.replay, parts, now)?,
        })
    }

    /// Writes a part. Its readings are durable when it returns.
    pub async fn write(&self, mut part: Part) -> Result<(), Trouble> {
        if part.cells.len() > FEW {
            let sorting = tokio::task::spawn_blocking(move || {
                part.cells.sort();
                part
            });
            part = sorting.await.map_err(|error| ended_early(&error))?;
        } else {
            part.cells.sort();
        }
        self.write_sorted(part).await
    }

    async fn write_sorted(&self, part: Part) -> Result<(), Trouble> {
        let timestamp = self.timestamps.part(part.number)?;
        let (part, count) = (&part, part.cells.len());
        let batches = stream::iter((0..count).step_by(BATCH));
        batches
            .map(|from| self.write_some(part, from..count.min(from + BATCH), timestamp))
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await
    }

    /// Writes some of a part's readings, when it is their turn.
    async fn write_some(
        &self,
        part: &Part,
        cells: Range<usize>,
        timestamp: i64,
    ) -> Result<(), Trouble> {
        // Nobody closes them.
        let _turn = self.turns.0.acquire().await;
        let readings = part.readings(cells, timestamp);
        Ok(self.readings.write(self.file, readings).await?)
    }
}

/// Writes the parts that a pass completes, each while the next is read. What is not written when
/// this is dropped is given up.
pub(crate) struct Behind {
    writer: Writer,
    handle: Handle,
    /// One part, or none.
    writing: JoinSet<Result<(), Trouble>>,
}

impl Behind {
    /// For a pass on a thread of its own.
    pub(crate) fn new(writer: Writer, handle: Handle) -> Self {
        Self {
            writer,
            handle,
            writing: JoinSet::new(),
        }
    }

    /// Takes a complete part, and leaves room for the next. It waits until the one before is
    /// durable: there is memory for two.
    pub(crate) fn take(&mut self, part: &mut Part) -> Result<(), Trouble> {
        part.cells.sort();
        self.finish()?;
        let part = part.take();
        let writer = self.writer.clone();
        let writing = async move { writer.write_sorted(part).await };
        self.writing.spawn_on(writing, &self.handle);
        Ok(())
    }

    /// Waits until all that was taken is durable.
    pub(crate) fn finish(&mut self) -> Result<(), Trouble> {
        while let Some(written) = self.handle.block_on(self.writing.join_next()) {
            written.map_err(|error| ended_early(&error))??;
        }
        Ok(())
    }
}

fn ended_early(error: &JoinError) -> Trouble {
    Trouble::Retry {
        reason: format!("writing readings ended early: {error}"),
    }
}
