use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_nats::jetstream;
use async_nats::jetstream::message::PublishMessage;
use failpoint::{Call, Subject, around};
use futures::{StreamExt, stream};
use jiff::Timestamp;
use proto::stream::FILES;
use proto::{Data, Event, FileId, User, header, subject};
use store::Journal;
use store::journal::{Cell, Position, Register, Settled};

use crate::nats::{self, Link, NATS};
use crate::{Trouble, metering, telemetry};

/// What the journal remembers of `FILES`: when the stream was made that its marks are about.
pub(crate) fn note() -> Register {
    Register::new("stream", FILES.name)
}

/// How many outcomes are looked at in one go when those without a mark are published again.
const PAGE: usize = 256;
/// How many of them are published at once.
const AT_ONCE: usize = 64;
/// An outcome that was settled this short a time ago is still in its own handler's hands.
const GRACE: Duration = Duration::from_secs(30);

/// When `FILES` was made, and its last sequence.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Extent {
    created: Timestamp,
    last: u64,
}

/// Settles outcomes in the journal and publishes what is stored, in this order.
///
/// Safe to repeat at any line: *create if absent* decides which outcome counts, what is published
/// is what is stored, and an outcome without the mark of its publication is published again at
/// start and by the sweep.
#[derive(Clone)]
pub struct Outbox {
    user: User,
    journal: Arc<dyn Journal>,
    jetstream: jetstream::Context,
    link: Arc<Link>,
}

impl Outbox {
    pub(crate) fn new(
        user: User,
        journal: Arc<dyn Journal>,
        jetstream: jetstream::Context,
        link: Arc<Link>,
    ) -> Self {
        Self {
            user,
            journal,
            jetstream,
            link,
        }
    }

    /// Settles `data` as this service's outcome, publishes what is stored now, and marks it.
    /// Answers what is stored, which may be an earlier outcome.
    pub async fn settle(&self, data: Data) -> Result<Settled, Trouble> {
        let settled = self.decide(data).await?;
        self.finish(settled).await
    }

    /// Publishes the outcome of `cell` again if it has one; answers it.
    pub async fn repeat(&self, cell: Cell) -> Result<Option<Settled>, Trouble> {
        match self.journal.settled(cell).await? {
            Some(settled) => Ok(Some(self.publish(settled).await?)),
            None => Ok(None),
        }
    }

    /// Settles `data` and answers what is stored, without publishing it.
    pub(crate) async fn decide(&self, data: Data) -> Result<Settled, Trouble> {
        let event = Event::new(self.user, data, Timestamp::now());
        self.fits(&event)?;
        Ok(self.journal.settle(&event).await?)
    }

    /// Publishes an outcome that has no mark yet.
    pub(crate) async fn finish(&self, settled: Settled) -> Result<Settled, Trouble> {
        match settled.published {
            Some(_) => Ok(settled),
            None => self.publish(settled).await,
        }
    }

    /// Publishes again what was settled at such a time and has no mark; answers how many outcomes
    /// that were. What cannot be published is logged, and does not keep what comes after it.
    pub(crate) async fn sweep(&self, settled: &Range<Timestamp>) -> Result<usize, Trouble> {
        let first = Cell {
            file: FileId::from_bytes([0; 16]),
            replay: 0,
        };
        let mut published = 0;
        let mut after = Some(Position {
            settled: settled.start,
            cell: first,
        });
        loop {
            let page = self.journal.unpublished(settled.end, after, PAGE).await?;
            let publications = page.outcomes.into_iter().map(|one| self.publish(one));
            let mut results = stream::iter(publications).buffer_unordered(AT_ONCE);
            while let Some(result) = results.next().await {
                match result {
                    Ok(_) => published += 1,
                    outage @ Err(Trouble::Outage { .. }) => return outage.map(|_| published),
                    Err(trouble) => {
                        let reason = trouble.to_string();
                        tracing::error!(reason, "an outcome cannot be published");
                    }
                }
            }
            after = page.next;
            if after.is_none() {
                return Ok(published);
            }
        }
    }

    /// Takes back the marks of outcomes that `FILES` has lost, so that they are published again;
    /// answers how the stream is now. `before` is what it answered last: only a stream that was
    /// made anew or set back since has lost anything.
    ///
    /// By `JetStream`'s clock alone: the journal remembers when the stream was made that its marks
    /// are about. Two replicas may both find it made anew; what is published twice is one to
    /// whoever reads it.
    #[expect(clippy::disallowed_methods, reason = "its failpoint is around it")]
    pub(crate) async fn recover(&self, before: Option<Extent>) -> Result<Extent, Trouble> {
        let away = |reason: String| Trouble::Outage {
            dependency: NATS,
            reason: format!("cannot look at stream {}: {reason}", FILES.name),
        };
        let stream = self.jetstream.get_stream(FILES.name);
        let stream = around(Call::NatsExtent, Subject::NONE, stream).await;
        let stream = stream.map_err(|error| away(error.to_string()))?;
        let info = stream.cached_info();
        let now = Extent {
            created: Timestamp::from_nanosecond(info.created.unix_timestamp_nanos())
                .unwrap_or_default(),
            last: info.state.last_sequence,
        };
        if before.is_none_or(|before| before.created != now.created || before.last > now.last) {
            let unmarked = self.unmark(&now).await?;
            if unmarked > 0 {
                tracing::warn!(
                    outcomes = unmarked,
                    "FILES has lost what was published in it"
                );
            }
        }
        Ok(now)
    }

    /// Takes back the marks that this stream did not make, and remembers that the others are its.
    async fn unmark(&self, now: &Extent) -> Result<u64, Trouble> {
        let register = note();
        let made = now.created.to_string().into_bytes();
        let known = self.journal.read(&register).await?;
        let others_before = match &known {
            Some(known) if known.value == made => Timestamp::MIN,
            Some(_) => Timestamp::MAX,
            // Nothing was published yet.
            None => now.created,
        };
        let unmarked = self.journal.unmark(others_before, now.last).await?;
        match known {
            Some(known) if known.value == made => {}
            Some(known) => {
                let replaced = self.journal.replace(&register, known.revision, &made);
                replaced.await?;
            }
            None => {
                self.journal.create(&register, &made).await?;
            }
        }
        Ok(unmarked)
    }

    /// What the regular sweep looks at: nothing that a handler may be publishing right now. What a
    /// clock that was ahead has put into the future is not waited for.
    pub(crate) fn settled_elsewhen(now: Timestamp) -> [Range<Timestamp>; 2] {
        let long_ago = now.checked_sub(GRACE).unwrap_or(Timestamp::MIN);
        let ahead = now.checked_add(GRACE).unwrap_or(Timestamp::MAX);
        [Timestamp::MIN..long_ago, ahead..Timestamp::MAX]
    }

    async fn publish(&self, mut settled: Settled) -> Result<Settled, Trouble> {
        let event = &settled.event;
        let (file, _) = event.about();
        let what = event.data.what();
        let subject = subject::files(file.id, what, token(&file.profile));
        let message = PublishMessage::build()
            .message_id(&event.id)
            .header("Content-Type", "application/cloudevents+json")
            .header(
                header::TRACEPARENT,
                telemetry::traceparent(file.id, &event.id).as_str(),
            )
            .payload(encode(event)?.into());
        // No lock and no queue of our own: whoever publishes waits for its own acknowledgement,
        // so that as many are under way as there are handlers.
        let point = (
            Call::Publish,
            Subject {
                kind: what.token(),
                name: &file.key,
            },
        );
        let began = SystemTime::now();
        let stored = nats::publish(point, &self.jetstream, &self.link, &subject, message).await?;
        metering::published(what.token());
        if settled.published.is_none() && !stored.duplicate {
            telemetry::published(event, &subject, began);
        }
        self.journal
            .mark_published(Cell::of(event), stored.sequence)
            .await?;
        settled.published = Some(stored.sequence);
        Ok(settled)
    }

    /// An outcome that no server will take must not become the outcome.
    fn fits(&self, event: &Event) -> Result<(), Trouble> {
        const HEADERS: usize = 1024;
        let size = encode(event)?.len() + HEADERS;
        let limit = self.jetstream.client().max_payload();
        if limit == 0 || size <= limit {
            return Ok(());
        }
        Err(Trouble::Reject {
            reason: format!(
                "the event has {size} bytes and the NATS server takes {limit}: raise its `max_payload`"
            ),
        })
    }
}

fn encode(event: &Event) -> Result<Vec<u8>, Trouble> {
    serde_json::to_vec(event).map_err(|error| Trouble::Reject {
        reason: format!("event {} cannot be written as JSON: {error}", event.id),
    })
}

/// A profile's name as a subject token. Only what somebody else published has another.
fn token(profile: &str) -> &str {
    if subject::is_profile_name(profile) {
        profile
    } else {
        "unknown"
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    #[test]
    fn the_sweep_leaves_out_what_may_be_under_way_and_nothing_else() {
        let now = Timestamp::now();
        let swept = |seconds| {
            let settled = now + SignedDuration::from_secs(seconds);
            let all = Outbox::settled_elsewhen(now);
            all.iter().any(|times| times.contains(&settled))
        };
        assert!(swept(-7_200) && swept(-31) && swept(31) && swept(7_200));
        assert!(!swept(-29) && !swept(0) && !swept(29));
    }
}
