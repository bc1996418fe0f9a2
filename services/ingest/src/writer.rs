//! Writes the readings of parts.

use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use proto::FileId;
use runtime::Trouble;
use store::Readings;
use store::write_timestamp::WriteTimestamps;
use tokio::runtime::Handle;

use crate::table::{Part, Stop};
use crate::way::Way;

/// Readings of one write.
const BATCH: usize = 5_000;
/// Writes under way at once.
const AT_ONCE: usize = 4;
/// Readings whose preparation does not hold an async thread up.
const FEW: usize = 5_000;

/// Writes the readings of one replay of one file. Safe to repeat: the same readings get the same
/// write timestamps each time.
#[derive(Clone)]
pub struct Writer {
    readings: Arc<dyn Readings>,
    file: FileId,
    timestamps: WriteTimestamps,
}

impl Writer {
    /// For a file that is read in `parts` parts, as decided at `now`.
    pub fn new(
        readings: Arc<dyn Readings>,
        way: &Way,
        parts: u32,
        now: Timestamp,
    ) -> Result<Self, Trouble> {
        let file = &way.file;
        Ok(Self {
            readings,
            file: file.id,
            timestamps: WriteTimestamps::new(file.order, file.id, way.replay, parts, now)?,
        })
    }

    /// Writes a part. Its readings are durable when it returns.
    pub async fn write(&self, mut part: Part) -> Result<(), Trouble> {
        if part.cells.len() <= FEW {
            return self.write_all(&mut part).await;
        }
        let (writer, handle) = (self.clone(), Handle::current());
        let written =
            tokio::task::spawn_blocking(move || handle.block_on(writer.write_all(&mut part)));
        written.await.map_err(|error| Trouble::Retry {
            reason: format!("writing readings ended early: {error}"),
        })?
    }

    /// Writes the parts that a pass completes, on the pass's own thread: nothing is read meanwhile.
    pub(crate) fn taker(
        self,
        handle: Handle,
        trouble: &mut Option<Trouble>,
    ) -> impl FnMut(&mut Part) -> Result<(), Stop> {
        move |part| {
            handle.block_on(self.write_all(part)).map_err(|error| {
                *trouble = Some(error);
                Stop::Aborted
            })
        }
    }

    async fn write_all(&self, part: &mut Part) -> Result<(), Trouble> {
        let timestamp = self.timestamps.part(part.number)?;
        let batches = stream::iter(part.batches(BATCH, timestamp));
        batches
            .map(|batch| self.readings.write(self.file, batch))
            .buffer_unordered(AT_ONCE)
            .try_collect::<()>()
            .await?;
        Ok(())
    }
}
