//! What ingest's journal holds beside outcomes: commands, decisions, and the profiles that these
//! were made with.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use proto::{Data, Event, FileId};
use runtime::Trouble;
use runtime::config::Profile;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use store::journal::{Cell, Register};
use tokio::time::Instant;

use crate::decision::Decision;

/// How often a profile in use is kept from being forgotten: journals remember for seven days at
/// least.
const RENEW: Duration = Duration::from_secs(24 * 60 * 60);

/// Ingest's journal.
#[derive(Clone)]
pub struct Journal {
    store: Arc<dyn store::Journal>,
    /// When each profile was last kept from being forgotten, by its hash.
    renewed: Arc<Mutex<HashMap<String, Instant>>>,
}

/// A retraction that was decided.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Retraction {
    /// How many readings there were.
    readings: u64,
}

impl Journal {
    /// In this store.
    pub fn new(journal: Arc<dyn store::Journal>) -> Self {
        Self {
            store: journal,
            renewed: Arc::default(),
        }
    }

    /// Keeps a command for a way of a file, unless there is one; answers the one that counts. The
    /// command line reads it here, to tell people whose command that is.
    pub async fn command(&self, event: &Event) -> Result<Event, Trouble> {
        let Cell { file, replay } = Cell::of(event);
        let register = Register::new("command", format!("{file}/{replay}"));
        let created = self.store.create(&register, &write(event)?).await?;
        let stored = Event::parse(&created.entry.value);
        stored.map_err(|error| unreadable(&register, &error))
    }

    /// What ingest said of the way before this one.
    pub async fn before(&self, file: FileId, replay: u32) -> Result<Option<Data>, Trouble> {
        let Some(replay) = replay.checked_sub(1) else {
            return Ok(None);
        };
        let settled = self.store.settled(Cell { file, replay }).await?;
        Ok(settled.map(|settled| settled.event.data))
    }

    /// The profile that a file was last read with before this replay, called `name`; none if it was
    /// never read, or that is forgotten.
    pub async fn profile_before(
        &self,
        file: FileId,
        replay: u32,
        name: &str,
    ) -> Result<Option<Profile>, Trouble> {
        for lower in (0..replay).rev() {
            let decision = self.decision(file, lower).await?;
            if let Some(Decision::Ingest(plan) | Decision::Reject { plan, .. }) = decision {
                return self.profile(&plan.report.profile_hash, name).await;
            }
        }
        Ok(None)
    }

    /// How many readings there were when a retraction was decided, if it was.
    pub async fn retraction(&self, file: FileId, replay: u32) -> Result<Option<u64>, Trouble> {
        let register = retraction(file, replay);
        let Some(entry) = self.store.read(&register).await? else {
            return Ok(None);
        };
        let Retraction { readings } = read(&register, &entry.value)?;
        Ok(Some(readings))
    }

    /// Keeps how many readings a retraction found, unless that is kept; answers what counts.
    pub async fn decide_retraction(
        &self,
        file: FileId,
        replay: u32,
        readings: u64,
    ) -> Result<u64, Trouble> {
        let register = retraction(file, replay);
        let value = write(&Retraction { readings })?;
        let created = self.store.create(&register, &value).await?;
        let Retraction { readings } = read(&register, &created.entry.value)?;
        Ok(readings)
    }

    /// The decision about a replay of a file, if there is one.
    pub async fn decision(&self, file: FileId, replay: u32) -> Result<Option<Decision>, Trouble> {
        let register = decision(file, replay);
        let entry = self.store.read(&register).await?;
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
        self.keep(profile).await?;
        let register = decision(file, replay);
        let created = self.store.create(&register, &write(wanted)?).await?;
        read(&register, &created.entry.value)
    }

    /// Keeps a profile for as long as what was decided with it. Safe to repeat.
    async fn keep(&self, profile: &Profile) -> Result<(), Trouble> {
        let hash = profile.hash();
        let due = |kept: &HashMap<String, Instant>| {
            kept.get(&hash).is_none_or(|when| when.elapsed() >= RENEW)
        };
        if !due(&self.renewed.lock().unwrap_or_else(PoisonError::into_inner)) {
            return Ok(());
        }
        let now = Instant::now();
        let register = Register::new("profile", hash.clone());
        let canonical = profile.canonical();
        if !self
            .store
            .create(&register, canonical.as_bytes())
            .await?
            .ours
        {
            self.store.renew(&[], &[register]).await?;
        }
        let mut renewed = self.renewed.lock().unwrap_or_else(PoisonError::into_inner);
        renewed.insert(hash, now);
        Ok(())
    }

    /// The profile with this hash, as it was when it was used, called `name`.
    pub async fn profile(&self, hash: &str, name: &str) -> Result<Option<Profile>, Trouble> {
        let register = Register::new("profile", hash);
        let Some(entry) = self.store.read(&register).await? else {
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
            .store
            .create(&register, file.to_string().as_bytes())
            .await?;
        let owner = String::from_utf8_lossy(&created.entry.value);
        owner.parse().map_err(|error| unreadable(&register, &error))
    }
}

fn decision(file: FileId, replay: u32) -> Register {
    Register::new("decision", format!("{file}/{replay}"))
}

fn retraction(file: FileId, replay: u32) -> Register {
    Register::new("retraction", format!("{file}/{replay}"))
}

fn write(value: &impl Serialize) -> Result<Vec<u8>, Trouble> {
    serde_json::to_vec(value).map_err(|error| Trouble::Reject {
        reason: format!("what is to be journalled cannot be written as JSON: {error}"),
    })
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
