//! The streams, read message by message with the rights of a person who looks.
#![expect(
    clippy::disallowed_methods,
    reason = "a person looks, and nothing follows from it"
)]

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, anyhow};
use async_nats::jetstream::message::StreamMessage;
use async_nats::jetstream::stream::DirectGetErrorKind;
use async_nats::jetstream::{self, stream};
use futures::{StreamExt, TryStreamExt};
use jiff::Timestamp;

use crate::event::{Event, File, Ordered, Place};
use crate::facts::{Buried, Cell, Heard, Stream};

/// Messages that are asked for at once.
const AT_ONCE: usize = 64;

/// What `FILES` holds. Never the payloads: they are read one by one.
pub(crate) async fn files(jetstream: &jetstream::Context) -> anyhow::Result<Stream<Heard>> {
    read(jetstream, proto::stream::FILES.name, |message| {
        Some(match Event::read(&message.payload) {
            Ok(event) => Heard::Event {
                cell: (event.file.id, event.replay),
                step: event.step,
                word: event.said.word(),
                sum: event.sum,
                name: Place {
                    bucket: event.file.bucket,
                    key: event.file.key,
                },
            },
            Err(_) if Ordered::read(&message.payload).is_ok() => Heard::Ordered,
            Err(reason) => Heard::Unreadable(reason),
        })
    })
    .await
}

/// What `DEAD` holds of messages that were given up on; not the server's advisories.
pub(crate) async fn dead(jetstream: &jetstream::Context) -> anyhow::Result<Stream<Buried>> {
    read(jetstream, proto::stream::DEAD.name, |message| {
        let by = message.subject.strip_prefix("dead.")?.to_owned();
        let event = Event::read(&message.payload).ok();
        let about = event.map(|event| (event.file, event.replay)).or_else(|| {
            let ordered = Ordered::read(&message.payload).ok()?;
            Some((ordered.file, ordered.replay))
        });
        let about = about.map(|(file, replay)| {
            let File {
                id, bucket, key, ..
            } = file;
            ((id, replay), Place { bucket, key })
        });
        let stored = message.time.unix_timestamp_nanos();
        Some(Buried {
            by,
            about,
            stored: Timestamp::from_nanosecond(stored).unwrap_or_default(),
        })
    })
    .await
}

/// The ways that `DELAY` will wake somebody for.
pub(crate) async fn wakes(jetstream: &jetstream::Context) -> anyhow::Result<BTreeSet<Cell>> {
    let wakes = read(jetstream, proto::stream::DELAY.name, |message| {
        let event = Event::read(&message.payload).ok()?;
        Some((event.file.id, event.replay))
    });
    Ok(wakes.await?.messages.into_values().collect())
}

async fn read<T>(
    jetstream: &jetstream::Context,
    name: &str,
    understand: impl Fn(&StreamMessage) -> Option<T>,
) -> anyhow::Result<Stream<T>> {
    let missing = |error| anyhow!("cannot read the stream {name}: {error}; run `landfall setup`");
    let stream = jetstream.get_stream(name).await.map_err(missing)?;
    let state = &stream.cached_info().state;
    let (first, last) = (state.first_sequence.max(1), state.last_sequence);
    let messages: BTreeMap<u64, T> = futures::stream::iter(first..=last)
        .map(|sequence| get(&stream, sequence))
        .buffered(AT_ONCE)
        .try_filter_map(|message| {
            let known = message.and_then(|message| Some((message.sequence, understand(&message)?)));
            std::future::ready(Ok(known))
        })
        .try_collect()
        .await
        .with_context(|| format!("cannot read the stream {name}"))?;
    // What was too old at the end of reading may have been too old to be read.
    let now = jetstream.get_stream(name).await.map_err(missing)?;
    let first = now.cached_info().state.first_sequence.max(first);
    Ok(Stream {
        first,
        last,
        messages,
    })
}

/// A message; none if the stream does not have it any more.
async fn get(stream: &stream::Stream, sequence: u64) -> anyhow::Result<Option<StreamMessage>> {
    match stream.direct_get(sequence).await {
        Ok(message) => Ok(Some(message)),
        Err(error) if error.kind() == DirectGetErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}
