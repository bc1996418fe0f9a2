//! What ingest's journal holds beside outcomes: decisions, and the profiles that they were made
//! with.

use std::sync::Arc;

use proto::FileId;
use runtime::Trouble;
use runtime::config::Profile;
use serde::de::DeserializeOwned;
use store::journal::Register;

use crate::decision::Decision;

/// Ingest's journal.
#[derive(Clone)]
pub struct Journal(Arc<dyn store::Journal>);

impl Journal {
    /// In this store.
    pub fn new(journal: Arc<dyn store::Journal>) -> Self {
        Self(journal)
    }

    /// The decision about a replay of a file, if there is one.
    pub async fn decision(&self, file: FileId, replay: u32) -> Result<Option<Decision>, Trouble> {
        let register = decision(file, replay);
        let entry = self.0.read(&register).await?;
        entry.map(|entry| read(&register, &entry.value)).transpose()
    }

    /// Keeps a decision unless there is one; answers the one that counts. The profile that it was
    /// made with is there before it.
    pub async fn decide(
        &self,
        file: FileId,
        replay: u32,
        wanted: &Decision,
        profile: &Profile,
    ) -> Result<Decision, Trouble> {
        let canonical = profile.canonical();
        let hash = Register::new("profile", profile.hash());
        self.0.create(&hash, canonical.as_bytes()).await?;
        let register = decision(file, replay);
        let value = serde_json::to_vec(wanted).map_err(|error| Trouble::Reject {
            reason: format!("a decision cannot be written as JSON: {error}"),
        })?;
        let created = self.0.create(&register, &value).await?;
        read(&register, &created.entry.value)
    }

    /// The profile with this hash, as it was when it was used, called `name`.
    pub async fn profile(&self, hash: &str, name: &str) -> Result<Option<Profile>, Trouble> {
        let register = Register::new("profile", hash);
        let Some(entry) = self.0.read(&register).await? else {
            return Ok(None);
        };
        let mut profile: serde_json::Value = read(&register, &entry.value)?;
        // What a profile is called does not decide how it reads, so it is not kept.
        profile["name"] = name.into();
        let profile = serde_json::from_value(profile);
        profile
            .map(Some)
            .map_err(|error| unreadable(&register, &error))
    }

    /// Who has a name for refused rows: `file`, if nobody had it.
    pub async fn claim(&self, bucket: &str, key: &str, file: FileId) -> Result<FileId, Trouble> {
        let register = Register::new("rejects", format!("{bucket}/{key}"));
        let created = self
            .0
            .create(&register, file.to_string().as_bytes())
            .await?;
        let owner = String::from_utf8_lossy(&created.entry.value);
        owner.parse().map_err(|error| unreadable(&register, &error))
    }
}

fn decision(file: FileId, replay: u32) -> Register {
    Register::new("decision", format!("{file}/{replay}"))
}

fn read<T: DeserializeOwned>(register: &Register, value: &[u8]) -> Result<T, Trouble> {
    serde_json::from_slice(value).map_err(|error| unreadable(register, &error))
}

fn unreadable(register: &Register, error: &dyn std::fmt::Display) -> Trouble {
    Trouble::Reject {
        reason: format!(
            "ingest's journal: the {} `{}` cannot be read: {error}",
            register.kind, register.name
        ),
    }
}
