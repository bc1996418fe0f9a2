//! The stream `FILES`, as a person may read it: by direct gets, woken by a subscription.
#![expect(
    clippy::disallowed_methods,
    reason = "a person looks, and nothing follows from it"
)]

use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use async_nats::jetstream::message::StreamMessage;
use async_nats::jetstream::stream::{DirectGetErrorKind, Stream};
use async_nats::{Client, Subscriber};
use bytes::Bytes;
use futures::{FutureExt, StreamExt};
use jiff::Timestamp;
use proto::event::Unreadable;
use proto::{Event, stream};
use runtime::Config;

use crate::nats::{self, Denied};

const EVERY_SUBJECT: &str = "files.>";

/// How long a wake may be missed: subscriptions are lost and renewed with the connection.
const LOOKS_EVERY: Duration = Duration::from_secs(1);

/// A message of `FILES`.
#[derive(Debug)]
pub(crate) struct Seen {
    /// The event, unless it is of a later contract.
    pub(crate) event: Result<Event, Unreadable>,
    /// What the message holds.
    pub(crate) payload: Bytes,
    /// Its place in the stream.
    pub(crate) sequence: u64,
    /// When it was stored there.
    pub(crate) stored: Timestamp,
}

/// Reads `FILES` in its order, and waits at its end.
#[derive(Debug)]
pub(crate) struct Files {
    client: Client,
    stream: Stream,
    wakes: Subscriber,
    denied: Denied,
    next: u64,
}

impl Files {
    /// At the end of what is there.
    pub(crate) async fn connect(config: &Config) -> anyhow::Result<Self> {
        let (client, denied) = nats::connect(&config.nats).await?;
        let wakes = client.subscribe(EVERY_SUBJECT).await?;
        let jetstream = async_nats::jetstream::new(client.clone());
        let name = stream::FILES.name;
        let stream = match jetstream.get_stream(name).await {
            Ok(stream) => stream,
            Err(error) => bail!(match denied.what() {
                Some(what) => anyhow!("nats refuses: {what}"),
                None => anyhow!("cannot read the stream {name}: {error}; run `landfall setup`"),
            }),
        };
        let next = stream.cached_info().state.last_sequence + 1;
        Ok(Self {
            client,
            stream,
            wakes,
            denied,
            next,
        })
    }

    /// The connection.
    pub(crate) fn client(&self) -> Client {
        self.client.clone()
    }

    /// What the server refuses.
    pub(crate) fn denied(&self) -> &Denied {
        &self.denied
    }

    /// The sequence that the next event will have at least.
    pub(crate) fn position(&self) -> u64 {
        self.next
    }

    /// Goes back to the first event that was stored at `time` or later.
    pub(crate) async fn rewind(&mut self, time: Timestamp) -> anyhow::Result<()> {
        let first = self.stream.cached_info().state.first_sequence;
        // Everything before `low` was stored before `time`, everything from `high` on was not.
        let (mut low, mut high) = (first.max(1), self.next);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.get(middle).await? {
                Some(message) if stored(&message)? < time => low = message.sequence + 1,
                _ => high = middle,
            }
        }
        self.next = low;
        Ok(())
    }

    /// The next event, as soon as there is one.
    pub(crate) async fn next(&mut self) -> anyhow::Result<Seen> {
        loop {
            if let Some(message) = self.get(self.next).await? {
                self.next = message.sequence + 1;
                return Ok(Seen {
                    stored: stored(&message)?,
                    sequence: message.sequence,
                    event: Event::parse(&message.payload),
                    payload: message.payload,
                });
            }
            let _ = tokio::time::timeout(LOOKS_EVERY, self.wakes.next()).await;
            // One look serves all that have come.
            while self.wakes.next().now_or_never().flatten().is_some() {}
        }
    }

    /// The message with `sequence`, or the first after it. However long the server is away.
    async fn get(&self, sequence: u64) -> anyhow::Result<Option<StreamMessage>> {
        loop {
            let asked = self
                .stream
                .direct_get_next_for_subject(EVERY_SUBJECT, Some(sequence));
            let error = match asked.await {
                Ok(message) => return Ok(Some(message)),
                Err(error) if error.kind() == DirectGetErrorKind::NotFound => return Ok(None),
                Err(error) => error,
            };
            if let Some(what) = self.denied.what() {
                bail!("nats refuses: {what}");
            }
            if matches!(
                error.kind(),
                DirectGetErrorKind::InvalidSubject | DirectGetErrorKind::ErrorResponse(..)
            ) {
                return Err(error).context("cannot read the stream FILES");
            }
            tokio::time::sleep(LOOKS_EVERY).await;
        }
    }
}

fn stored(message: &StreamMessage) -> anyhow::Result<Timestamp> {
    Ok(Timestamp::from_nanosecond(
        message.time.unix_timestamp_nanos(),
    )?)
}
