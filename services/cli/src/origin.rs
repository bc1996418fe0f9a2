//! Which upload a file was: bucket and key, from the watcher's journal.

use std::collections::HashMap;
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};
use proto::{Data, FileId, User};
use runtime::Config;
use runtime::config::store::Kind;
use store::Journal;
use store::journal::Cell;

use crate::failure::Failure;

/// Files that are remembered; one more, and all are forgotten.
const REMEMBERED: usize = 10_000;
/// Files that are looked up at once.
const AT_ONCE: usize = 16;

/// Where a file was uploaded.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Origin {
    pub(crate) bucket: String,
    pub(crate) key: String,
}

/// Uploads by file. The journal forgets them after its retention: then there is none.
pub(crate) struct Origins {
    journal: Option<Arc<dyn Journal>>,
    known: HashMap<FileId, Option<Origin>>,
}

impl Origins {
    pub(crate) async fn open(config: &Config) -> Result<Self, Failure> {
        let store = &config.store;
        let path = store.folder.join(format!("{}.db", User::Watcher));
        // Whoever opens a journal that is not there makes it.
        let journal = match store.kind {
            Kind::Sqlite if !path.is_file() => None,
            _ => Some(runtime::journal(store, User::Watcher).await),
        };
        Ok(Self {
            journal: journal.transpose().map_err(Failure::failed)?,
            known: HashMap::new(),
        })
    }

    /// Looks up those of them that are not known yet.
    pub(crate) async fn find(
        &mut self,
        files: impl Iterator<Item = FileId>,
    ) -> Result<(), Failure> {
        let Some(journal) = &self.journal else {
            return Ok(());
        };
        if self.known.len() > REMEMBERED {
            self.known.clear();
        }
        let mut unknown: Vec<FileId> = files
            .filter(|file| !self.known.contains_key(file))
            .collect();
        unknown.sort_unstable();
        unknown.dedup();
        let found = stream::iter(unknown).map(|file| async move {
            let first_way = Cell { file, replay: 0 };
            let settled = journal.settled(first_way).await?;
            let origin = match settled.map(|settled| settled.event.data) {
                Some(Data::Arrived(arrived)) => Some(Origin {
                    bucket: arrived.file.bucket,
                    key: arrived.file.key,
                }),
                _ => None,
            };
            Ok::<_, store::Error>((file, origin))
        });
        let found = found.buffer_unordered(AT_ONCE).try_collect::<Vec<_>>();
        self.known.extend(found.await.map_err(Failure::failed)?);
        Ok(())
    }

    /// Where a file that was looked up was uploaded.
    pub(crate) fn of(&self, file: FileId) -> Option<&Origin> {
        self.known.get(&file)?.as_ref()
    }
}
