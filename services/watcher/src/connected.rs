//! The world as it is: journal, object storage, outbox.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use objects::{Head, Objects};
use proto::event::Arrived;
use proto::{Data, FileId};
use runtime::{Outbox, Trouble};
use store::Journal;
use store::journal::{Cell, Register, Settled};

use crate::look::World;
use crate::missed::Missed;
use crate::order::Row;
use crate::watched::Watched;

/// What the watcher is connected to.
pub(crate) struct Connected {
    /// The watcher's own journal.
    pub journal: Arc<dyn Journal>,
    /// Object storage.
    pub objects: Objects,
    /// Settles and publishes.
    pub outbox: Outbox,
    /// What is watched.
    pub watched: Arc<Watched>,
    /// Whether notifications come.
    pub missed: Missed,
}

/// The register of a key's row. Bucket names have no `/`.
fn register(bucket: &str, key: &str) -> Register {
    Register::new("key", format!("{bucket}/{key}"))
}

/// The first way of a file.
pub(crate) fn first_way(file: FileId) -> Cell {
    Cell { file, replay: 0 }
}

#[async_trait]
impl World for Connected {
    async fn row(&self, bucket: &str, key: &str) -> Result<Option<(Row, u64)>, Trouble> {
        let Some(entry) = self.journal.read(&register(bucket, key)).await? else {
            return Ok(None);
        };
        let row = serde_json::from_slice(&entry.value).map_err(|error| Trouble::Reject {
            reason: format!(
                "the journal's row of {bucket}/{} cannot be read: {error}",
                key.escape_debug()
            ),
        })?;
        Ok(Some((row, entry.revision)))
    }

    async fn head(&self, bucket: &str, key: &str) -> Result<Option<Head>, Trouble> {
        Ok(self.objects.head(bucket, key).await?)
    }

    async fn settled(&self, file: FileId) -> Result<Option<Settled>, Trouble> {
        Ok(self.journal.settled(first_way(file)).await?)
    }

    async fn write_row(
        &self,
        bucket: &str,
        key: &str,
        revision: Option<u64>,
        row: &Row,
    ) -> Result<bool, Trouble> {
        let register = register(bucket, key);
        let value = serde_json::to_vec(row).map_err(|error| Trouble::Reject {
            reason: format!("a row cannot be written as JSON: {error}"),
        })?;
        match revision {
            None => Ok(self.journal.create(&register, &value).await?.ours),
            Some(revision) => Ok(self
                .journal
                .replace(&register, revision, &value)
                .await?
                .is_some()),
        }
    }

    async fn settle(&self, arrived: Arrived) -> Result<Settled, Trouble> {
        self.outbox.settle(Data::Arrived(arrived)).await
    }

    async fn repeat(&self, file: FileId) -> Result<(), Trouble> {
        self.outbox.repeat(first_way(file)).await?;
        Ok(())
    }

    fn profile(&self, bucket: &str, key: &str) -> &str {
        self.watched.profile(bucket, key)
    }

    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}
