//! What the journal keeps of a file that was suspected.

use proto::{FileId, What};
use runtime::Trouble;
use serde::{Deserialize, Serialize};
use store::Journal;
use store::journal::Register;

/// One line about a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Note {
    /// It has ended, thus.
    Ended(What),
    /// It was said again so often.
    Again(u32),
    /// It was said again to no effect.
    GivenUp,
}

/// The notes of a journal.
pub(super) struct Notes<'a>(pub(super) &'a dyn Journal);

/// Where the note about a file is.
pub(super) fn register(file: FileId) -> Register {
    Register::new("sweep", file.to_string())
}

impl Notes<'_> {
    /// The note about a file, and its revision.
    pub(super) async fn read(&self, file: FileId) -> Result<Option<(Note, u64)>, Trouble> {
        let Some(entry) = self.0.read(&register(file)).await? else {
            return Ok(None);
        };
        let note = serde_json::from_slice(&entry.value).map_err(|error| Trouble::Retry {
            reason: format!("the journal's note about file {file} cannot be read: {error}"),
        })?;
        Ok(Some((note, entry.revision)))
    }

    /// Writes a note over whatever is there.
    pub(super) async fn write(&self, file: FileId, note: Note) -> Result<(), Trouble> {
        loop {
            let revision = self.read(file).await?.map(|(_, revision)| revision);
            if self.replace(file, revision, note).await? {
                return Ok(());
            }
        }
    }

    /// Writes a note if the one there has still this revision, or none is there. Answers whether
    /// it did.
    pub(super) async fn replace(
        &self,
        file: FileId,
        revision: Option<u64>,
        note: Note,
    ) -> Result<bool, Trouble> {
        let value = serde_json::to_vec(&note).map_err(|error| Trouble::Retry {
            reason: format!("a note cannot be written as JSON: {error}"),
        })?;
        let register = register(file);
        Ok(match revision {
            None => self.0.create(&register, &value).await?.ours,
            Some(revision) => self.0.replace(&register, revision, &value).await?.is_some(),
        })
    }
}
