//! What the mover's journal holds beside outcomes: where each file goes, and who has which
//! destination. Two files that want one name are told apart here, so no feature of the store is
//! needed for it; and every try of a move goes to one place, also when the configuration changes
//! between two of them.

use std::sync::Arc;

use proto::FileId;
use proto::event::Location;
use runtime::Trouble;
use runtime::config::mover::After;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use store::Journal;
use store::journal::Register;

/// The mover's claims: a register for each file's shelf and one for each destination, created if
/// absent.
#[derive(Clone)]
pub struct Claims(Arc<dyn Journal>);

/// Who has a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// This file, and it is filed there.
    Ours,
    /// This file, but an object that is not Landfall's was there first.
    PassedOver,
    /// Another file.
    Taken(FileId),
}

/// Where a file goes, and whether it does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shelf {
    /// What becomes of the object.
    pub after: After,
    /// The bucket.
    pub bucket: String,
    /// What stands before their keys.
    pub prefix: String,
}

/// What a destination's register holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Claimed {
    file: FileId,
    replay: u32,
    #[serde(default)]
    passed_over: bool,
}

impl Claims {
    /// Claims in this journal.
    pub fn new(journal: Arc<dyn Journal>) -> Self {
        Self(journal)
    }

    /// The shelf that a move goes to: the one of its first try. Safe to repeat.
    pub async fn shelf(&self, file: FileId, replay: u32, wanted: &Shelf) -> Result<Shelf, Trouble> {
        let register = shelf(file, replay);
        let created = self.0.create(&register, &write(wanted)?).await?;
        read(&register, &created.entry.value)
    }

    /// The shelf of a move that was tried before; none if it never was.
    pub async fn known_shelf(&self, file: FileId, replay: u32) -> Result<Option<Shelf>, Trouble> {
        let register = shelf(file, replay);
        let entry = self.0.read(&register).await?;
        entry.map(|entry| read(&register, &entry.value)).transpose()
    }

    /// Whether somebody was about to delete a file's source on this way.
    pub async fn is_to_be_deleted(&self, file: FileId, replay: u32) -> Result<bool, Trouble> {
        Ok(self.0.read(&deletion(file, replay)).await?.is_some())
    }

    /// Notes that a file's source is about to be deleted on this way. Safe to repeat.
    pub async fn note_to_be_deleted(&self, file: FileId, replay: u32) -> Result<(), Trouble> {
        self.0.create(&deletion(file, replay), b"{}").await?;
        Ok(())
    }

    /// Claims a destination for a file, if it is free. Safe to repeat: who came first has it, and
    /// is told so each time.
    pub async fn claim(&self, at: &Location, file: FileId, replay: u32) -> Result<Claim, Trouble> {
        let wanted = Claimed {
            file,
            replay,
            passed_over: false,
        };
        let register = destination(at);
        let created = self.0.create(&register, &write(&wanted)?).await?;
        let claimed: Claimed = read(&register, &created.entry.value)?;
        Ok(match claimed {
            Claimed { file: other, .. } if other != file => Claim::Taken(other),
            Claimed {
                passed_over: true, ..
            } => Claim::PassedOver,
            Claimed { .. } => Claim::Ours,
        })
    }

    /// Notes, for good, that a claimed destination is not used, as something else is there: so that
    /// a later try goes the same way even if the name is free again by then. Safe to repeat.
    pub async fn pass_over(&self, at: &Location) -> Result<(), Trouble> {
        let register = destination(at);
        while let Some(entry) = self.0.read(&register).await? {
            let mut claimed: Claimed = read(&register, &entry.value)?;
            if claimed.passed_over {
                return Ok(());
            }
            claimed.passed_over = true;
            let value = write(&claimed)?;
            let replaced = self.0.replace(&register, entry.revision, &value).await?;
            if replaced.is_some() {
                return Ok(());
            }
        }
        Ok(())
    }
}

/// `<bucket>/<key>`: no bucket's name has a slash, so no two destinations share a register.
fn destination(at: &Location) -> Register {
    Register::new("destination", format!("{}/{}", at.bucket, at.key))
}

fn shelf(file: FileId, replay: u32) -> Register {
    Register::new("shelf", format!("{file}/{replay}"))
}

fn deletion(file: FileId, replay: u32) -> Register {
    Register::new("deletion", format!("{file}/{replay}"))
}

fn write(value: &impl Serialize) -> Result<Vec<u8>, Trouble> {
    serde_json::to_vec(value).map_err(|error| Trouble::Retry {
        reason: format!("cannot write to the journal: {error}"),
    })
}

fn read<T: DeserializeOwned>(register: &Register, value: &[u8]) -> Result<T, Trouble> {
    serde_json::from_slice(value).map_err(|error| Trouble::Reject {
        reason: format!(
            "the journal's {} {:?} cannot be read: {error}",
            register.kind, register.name
        ),
    })
}
