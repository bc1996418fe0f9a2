//! Claims of destinations in the journal. Two files that want one name are told apart here, so no
//! feature of the store is needed for it.

use std::sync::Arc;

use proto::FileId;
use proto::event::Location;
use runtime::Trouble;
use serde::{Deserialize, Serialize};
use store::Journal;
use store::journal::Register;

/// The mover's claims: one register a destination, created if absent.
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

/// What a register holds.
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

    /// Claims a destination for a file, if it is free. Safe to repeat: who came first has it, and
    /// is told so each time.
    pub async fn claim(&self, at: &Location, file: FileId, replay: u32) -> Result<Claim, Trouble> {
        let wanted = Claimed {
            file,
            replay,
            passed_over: false,
        };
        let created = self.0.create(&register(at), &write(&wanted)?).await?;
        let claimed = read(at, &created.entry.value)?;
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
        while let Some(entry) = self.0.read(&register(at)).await? {
            let mut claimed = read(at, &entry.value)?;
            if claimed.passed_over {
                return Ok(());
            }
            claimed.passed_over = true;
            let written = write(&claimed)?;
            let revision = entry.revision;
            if let Some(_) = self.0.replace(&register(at), revision, &written).await? {
                return Ok(());
            }
        }
        Ok(())
    }
}

/// `<bucket>/<key>`: no bucket's name has a slash, so no two destinations share a register.
fn register(at: &Location) -> Register {
    Register::new("destination", format!("{}/{}", at.bucket, at.key))
}

fn write(claimed: &Claimed) -> Result<Vec<u8>, Trouble> {
    serde_json::to_vec(claimed).map_err(|error| Trouble::Retry {
        reason: format!("cannot write the claim: {error}"),
    })
}

fn read(at: &Location, value: &[u8]) -> Result<Claimed, Trouble> {
    serde_json::from_slice(value).map_err(|error| Trouble::Reject {
        reason: format!(
            "the journal's claim of {:?} in bucket `{}` cannot be read: {error}",
            at.key, at.bucket
        ),
    })
}
