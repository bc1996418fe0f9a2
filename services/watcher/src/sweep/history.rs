//! What `FILES` says, read without a consumer; and how far the readers of streams have come.

use std::time::Duration;

use async_nats::jetstream::message::StreamMessage;
use async_nats::jetstream::{self, consumer, stream};
use async_nats::{StatusCode, Subscriber};
use bytes::Bytes;
use failpoint::{Call, Subject, around};
use futures::StreamExt;
use jiff::Timestamp;
use proto::consumer::Consumer;
use proto::{FileId, What};
use runtime::Trouble;
use serde::Deserialize;
use serde_json::json;

use super::verdict::{Heard, Horizon};

/// How many messages are asked for at once, and how many bytes of them: as much memory as a scan
/// takes.
const BATCH: u64 = 500;
const BATCH_BYTES: u64 = 2 << 20;
/// How long the server may take for the next message of a batch.
const PATIENCE: Duration = Duration::from_secs(5);

/// The stream `FILES`.
#[derive(Clone)]
pub(crate) struct History {
    jetstream: jetstream::Context,
}

/// What of an event matters here; it may be of a newer version than ours.
#[derive(Deserialize)]
struct Event {
    subject: FileId,
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    replay: u32,
}

impl History {
    /// Over the watcher's own connection.
    pub(crate) fn new(jetstream: jetstream::Context) -> Self {
        Self { jetstream }
    }

    /// How far the stream and its readers have come. The order of the questions matters: what the
    /// readers have acknowledged, and what came of it, is not after `last`.
    pub(crate) async fn horizon(&self) -> Result<Horizon, Trouble> {
        let before = self.last().await?;
        let ingest = self
            .acknowledged(&proto::consumer::ingest(), before)
            .await?;
        let mover = self.acknowledged(&proto::consumer::mover(), before).await?;
        Ok(Horizon {
            last: self.last().await?,
            ingest,
            mover,
        })
    }

    /// The sequence of the stream's last message.
    pub(crate) async fn last(&self) -> Result<u64, Trouble> {
        Ok(self.state().await?.last_sequence)
    }

    #[expect(clippy::disallowed_methods, reason = "its failpoint is around it")]
    async fn state(&self) -> Result<stream::State, Trouble> {
        let stream = self.stream(proto::stream::FILES.name).await?;
        let info = around(Call::FilesInfo, Subject::NONE, stream.get_info());
        Ok(info.await.map_err(away)?.state)
    }

    #[expect(clippy::disallowed_methods, reason = "it asks nobody")]
    async fn stream(&self, name: &str) -> Result<stream::Stream<()>, Trouble> {
        self.jetstream.get_stream_no_info(name).await.map_err(away)
    }

    /// Whether no notification waits to be worked on.
    pub(crate) async fn is_heard_out(&self) -> Result<bool, Trouble> {
        Ok(is_idle(&self.info(&proto::consumer::watcher()).await?))
    }

    /// The sequence up to which a consumer has acknowledged everything that is for it. Its floor
    /// stays behind at the last message *for it*; with nothing left to deliver and nothing under
    /// way, it has come as far as the stream had `before` it was asked.
    async fn acknowledged(&self, consumer: &Consumer, before: u64) -> Result<u64, Trouble> {
        let info = self.info(consumer).await?;
        let floor = info.ack_floor.stream_sequence;
        Ok(if is_idle(&info) {
            floor.max(before)
        } else {
            floor
        })
    }

    #[expect(clippy::disallowed_methods, reason = "its failpoint is around it")]
    async fn info(&self, consumer: &Consumer) -> Result<consumer::Info, Trouble> {
        let stream = self.stream(consumer.stream.name).await?;
        let info = stream.consumer_info(consumer.name());
        around(Call::FilesInfo, Subject::NONE, info)
            .await
            .map_err(away)
    }

    /// Reads the events of first ways from sequence `from` up to `to`. Answers whether it came
    /// that far: a replica of the stream that lags behind does not.
    #[expect(clippy::disallowed_methods, reason = "its failpoint is around it")]
    pub(crate) async fn read(
        &self,
        from: u64,
        to: u64,
        mut hear: impl FnMut(FileId, Heard),
    ) -> Result<bool, Trouble> {
        let client = self.jetstream.client();
        let inbox = client.new_inbox();
        let mut answers = client.subscribe(inbox.clone()).await.map_err(away)?;
        let subject = format!("$JS.API.DIRECT.GET.{}", proto::stream::FILES.name);
        let mut next = from.max(1);
        while next <= to {
            let request = json!({"seq": next, "batch": BATCH, "max_bytes": BATCH_BYTES});
            client
                .publish_with_reply(
                    subject.clone(),
                    inbox.clone(),
                    Bytes::from(request.to_string()),
                )
                .await
                .map_err(away)?;
            let read = batch(&mut answers, &mut hear);
            let Some(last) = around(Call::FilesRead, Subject::NONE, read).await? else {
                break;
            };
            next = last + 1;
        }
        // Where the rest of the stream is gone by age there is nothing to come to.
        Ok(next > to || self.is_empty_from(next).await?)
    }

    async fn is_empty_from(&self, sequence: u64) -> Result<bool, Trouble> {
        let state = self.state().await?;
        Ok(state.messages == 0 || state.last_sequence < sequence)
    }
}

/// Whether a consumer has nothing left to deliver, and nothing under way.
fn is_idle(info: &consumer::Info) -> bool {
    info.num_pending == 0 && info.num_ack_pending == 0
}

/// Takes in one batch. Answers the sequence of its last message; none: there are no more.
async fn batch(
    answers: &mut Subscriber,
    hear: &mut impl FnMut(FileId, Heard),
) -> Result<Option<u64>, Trouble> {
    let mut last = None;
    loop {
        let message = tokio::time::timeout(PATIENCE, answers.next())
            .await
            .map_err(|_| outage("the server does not answer a batched direct get"))?
            .ok_or_else(|| outage("the connection was closed"))?;
        match message.status {
            None => {}
            Some(StatusCode::NOT_FOUND) => return Ok(last),
            // The end of a batch.
            Some(status) if status.as_u16() == 204 => return Ok(last),
            Some(status) => {
                let description = message.description.unwrap_or_default();
                return Err(outage(&format!("FILES: {status} {description}")));
            }
        }
        let message = StreamMessage::try_from(message).map_err(away)?;
        last = Some(message.sequence);
        if let Some((file, heard)) = heard(&message) {
            hear(file, heard);
        }
    }
}

/// The event of a message; none where it is about a replay, or none that we know.
fn heard(message: &StreamMessage) -> Option<(FileId, Heard)> {
    let token = message.subject.split('.').nth(2)?;
    let what = What::ALL.into_iter().find(|what| what.token() == token)?;
    let event: Event = serde_json::from_slice(&message.payload).ok()?;
    let time = Timestamp::from_nanosecond(message.time.unix_timestamp_nanos()).ok()?;
    let heard = Heard {
        what,
        sequence: message.sequence,
        time,
    };
    (event.data.replay == 0).then_some((event.subject, heard))
}

fn away(error: impl std::fmt::Display) -> Trouble {
    outage(&error.to_string())
}

fn outage(reason: &str) -> Trouble {
    Trouble::Outage {
        dependency: "nats",
        reason: reason.to_owned(),
    }
}
