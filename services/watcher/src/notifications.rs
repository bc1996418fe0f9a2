//! Raw notifications of `STORAGE`, one after the other.

use std::sync::Arc;

use async_trait::async_trait;
use proto::event::FoundBy;
use proto::subject;
use runtime::{Handler, Message, Trouble};

use crate::connected::Connected;
use crate::look::{self, Seen};
use crate::measure;
use crate::notification::{self, Created, Said, Sender};

/// Why a backfill, or what is none, is not believed.
const MISPLACED: &str = "only `landfall backfill` may publish to `storage.backfill`, and its \
                         notifications are believed nowhere else";

/// How many reasons of one message are told.
const REASONS: usize = 3;

/// Handles raw notifications. Safe to repeat: a notification only makes the watcher look, and
/// looking again finds what is settled.
pub(crate) struct Notifications {
    connected: Arc<Connected>,
}

impl Notifications {
    /// Over what the watcher is connected to.
    pub(crate) fn new(connected: Arc<Connected>) -> Self {
        Self { connected }
    }

    /// Looks at the key that a record is about. Answers what metrics call it.
    async fn created(&self, created: &Created, found_by: FoundBy) -> Result<&'static str, Trouble> {
        let Created {
            bucket,
            key,
            announced,
        } = created;
        let watched = &self.connected.watched;
        let judged = match found_by {
            FoundBy::Backfill => watched.judge_anywhere(bucket, key),
            FoundBy::Notification | FoundBy::Sweep => watched.judge(bucket, key),
        };
        if let Err(unwatched) = judged {
            return Ok(unwatched.name());
        }
        let look = look::look(&*self.connected, bucket, key, announced, found_by).await?;
        if let Seen::Arrived(_) = look.seen {
            measure::arrived(found_by);
            if found_by == FoundBy::Notification {
                self.connected.missed.heard(bucket);
            }
        }
        Ok(match look.seen {
            _ if look.past => "past",
            Seen::Gone => "gone",
            Seen::Known(_) => "known",
            Seen::Arrived(_) => "arrived",
        })
    }
}

#[async_trait]
impl Handler for Notifications {
    async fn handle(&self, message: &Message) -> Result<(), Trouble> {
        let records = notification::decode(&message.payload).map_err(|unreadable| {
            measure::notification(Sender::Unknown, "unreadable");
            Trouble::Reject {
                reason: unreadable.to_string(),
            }
        })?;
        // The server lets nobody but a person publish there.
        let by_a_person = message.subject == subject::STORAGE_BACKFILL;
        let mut again = None;
        let mut rejected = Rejected::default();
        let count = records.len();
        for (index, record) in records.into_iter().enumerate() {
            let found_by = match record.sender {
                Sender::Backfill => FoundBy::Backfill,
                _ => FoundBy::Notification,
            };
            let outcome = match record.said {
                _ if (found_by == FoundBy::Backfill) != by_a_person => {
                    rejected.note(index, count, MISPLACED);
                    "misplaced"
                }
                Said::Other(other) => other.name(),
                Said::Unreadable(reason) => {
                    rejected.note(index, count, &reason);
                    "unreadable"
                }
                Said::Created(created) => match self.created(&created, found_by).await {
                    Ok(outcome) => outcome,
                    Err(Trouble::Reject { reason }) => {
                        rejected.note(index, count, &reason);
                        "rejected"
                    }
                    // The other records must not wait for this one.
                    Err(trouble @ Trouble::Retry { .. }) => {
                        again = Some(trouble);
                        "retried"
                    }
                    Err(outage @ Trouble::Outage { .. }) => return Err(outage),
                },
            };
            measure::notification(record.sender, outcome);
        }
        again.map_or_else(|| rejected.into_result(), Err)
    }
}

/// Records that will never work.
#[derive(Default)]
struct Rejected {
    reasons: Vec<String>,
    more: usize,
}

impl Rejected {
    fn note(&mut self, index: usize, count: usize, reason: &str) {
        if self.reasons.len() == REASONS {
            self.more += 1;
        } else if count == 1 {
            self.reasons.push(reason.to_owned());
        } else {
            let number = index + 1;
            let reason = format!("record {number} of {count}: {reason}");
            self.reasons.push(reason);
        }
    }

    fn into_result(self) -> Result<(), Trouble> {
        if self.reasons.is_empty() {
            return Ok(());
        }
        let mut reason = self.reasons.join("; ");
        if self.more > 0 {
            reason.push_str(&format!("; and {} records more", self.more));
        }
        Err(Trouble::Reject { reason })
    }
}
