//! Who sweeps: a lease in the journal, taken and kept by compare-and-set.
//!
//! No clock is compared with another's. Who wants the lease watches its register: as long as the
//! revision changes, the holder lives; when it has not changed for [`LEASE`] *by one's own clock*,
//! the holder is dead. Should two sweep at once all the same (one was suspended), it costs work
//! and no more: everything that a sweep does is safe to do twice.

use std::sync::Arc;
use std::time::Duration;

use runtime::Trouble;
use serde::{Deserialize, Serialize};
use store::Journal;
use store::journal::{Entry, Register};
use tokio::time::Instant;

/// How long a holder may be silent.
pub(crate) const LEASE: Duration = Duration::from_secs(5);
/// How often the holder shows that it lives.
const RENEW: Duration = Duration::from_secs(1);
/// How often one who waits looks.
const LOOK: Duration = Duration::from_millis(500);

/// The lease of one watcher.
pub(crate) struct Lease {
    journal: Arc<dyn Journal>,
    /// This watcher, told from its peers.
    me: String,
    /// After how long a silence a holder counts as dead.
    silence: Duration,
}

/// What the register holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Value {
    /// Who sweeps now.
    holder: Option<String>,
    /// How many sweeps have begun.
    begun: u64,
    /// Which of them came to its end last.
    finished: u64,
}

/// How it came out to want the lease.
pub(crate) enum Taken {
    /// It is ours.
    Ours(Held),
    /// Another's sweep began after we wanted one, and came to its end.
    Done,
}

/// The lease, held.
pub(crate) struct Held {
    value: Value,
    revision: u64,
}

fn register() -> Register {
    Register::new("lease", "sweep")
}

impl Lease {
    /// For the watcher `me`.
    pub(crate) fn new(journal: Arc<dyn Journal>, me: String, silence: Duration) -> Self {
        Self {
            journal,
            me,
            silence,
        }
    }

    /// How many sweeps have come to their end.
    pub(crate) async fn finished(&self) -> Result<u64, Trouble> {
        let entry = self.journal.read(&register()).await?;
        Ok(match entry {
            Some(entry) => parse(&entry)?.finished,
            None => 0,
        })
    }

    /// Waits until the lease is ours, or somebody else has done a sweep that began after now.
    pub(crate) async fn take(&self) -> Result<Taken, Trouble> {
        let mut begun_before = None;
        let mut seen: Option<(u64, Instant)> = None;
        loop {
            let entry = self.entry().await?;
            let (value, revision) = (parse(&entry)?, entry.revision);
            let before = *begun_before.get_or_insert(value.begun);
            if value.finished > before {
                return Ok(Taken::Done);
            }
            let since = match seen {
                Some((seen, since)) if seen == revision => since,
                _ => Instant::now(),
            };
            seen = Some((revision, since));
            if value.holder.is_none() || since.elapsed() >= self.silence {
                let next = Value {
                    holder: Some(self.me.clone()),
                    begun: value.begun + 1,
                    ..value
                };
                if let Some(revision) = self.write(revision, &next).await? {
                    return Ok(Taken::Ours(Held {
                        value: next,
                        revision,
                    }));
                }
                continue;
            }
            tokio::time::sleep(LOOK.min(self.silence / 4)).await;
        }
    }

    /// Shows again and again that the holder lives. Ends, with the reason, when it must not go on.
    pub(crate) async fn keep(&self, held: &mut Held) -> Trouble {
        loop {
            tokio::time::sleep(RENEW.min(self.silence / 4)).await;
            match self.write(held.revision, &held.value).await {
                Ok(Some(revision)) => held.revision = revision,
                Ok(None) => {
                    return Trouble::Retry {
                        reason: "another watcher has taken the sweep over".to_owned(),
                    };
                }
                Err(trouble) => return trouble,
            }
        }
    }

    /// Gives the lease back, with or without the sweep done.
    pub(crate) async fn give_back(&self, held: Held, done: bool) -> Result<(), Trouble> {
        let Held {
            value: ours,
            mut revision,
        } = held;
        let next = Value {
            holder: None,
            finished: if done { ours.begun } else { ours.finished },
            ..ours.clone()
        };
        while self.write(revision, &next).await?.is_none() {
            // A renewal that was cut off may have been written. Another's lease stays as it is.
            let entry = self.entry().await?;
            if parse(&entry)? != ours {
                break;
            }
            revision = entry.revision;
        }
        Ok(())
    }

    async fn entry(&self) -> Result<Entry, Trouble> {
        if let Some(entry) = self.journal.read(&register()).await? {
            return Ok(entry);
        }
        let value = encode(&Value::default())?;
        Ok(self.journal.create(&register(), &value).await?.entry)
    }

    async fn write(&self, revision: u64, value: &Value) -> Result<Option<u64>, Trouble> {
        let value = encode(value)?;
        Ok(self.journal.replace(&register(), revision, &value).await?)
    }
}

fn parse(entry: &Entry) -> Result<Value, Trouble> {
    serde_json::from_slice(&entry.value).map_err(|error| Trouble::Retry {
        reason: format!("the journal's lease of the sweep cannot be read: {error}"),
    })
}

fn encode(value: &Value) -> Result<Vec<u8>, Trouble> {
    serde_json::to_vec(value).map_err(|error| Trouble::Retry {
        reason: format!("the lease cannot be written as JSON: {error}"),
    })
}

#[cfg(test)]
mod tests;
