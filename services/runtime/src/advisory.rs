//! The server's advisories about this service's own messages: deliveries that ran out because
//! whoever worked on the message crashed or hung each time. Nobody else sees those.

use std::sync::Arc;

use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::context::GetStreamErrorKind;
use async_nats::jetstream::stream::DirectGetErrorKind;
use async_trait::async_trait;
use failpoint::{Call, Subject, around};
use jiff::Timestamp;
use proto::consumer::{self, Consumer};
use proto::stream::Retention;
use proto::{Event, What};
use serde::Deserialize;
use store::journal::Cell;

use crate::nats::NATS;
use crate::service::Service;
use crate::{Handler, Message, Trouble};

/// Turns each advisory into a dead letter and a `failed`.
///
/// Safe against the slow replica that is still at work when deliveries run out: `failed` is
/// created if absent in the step's own cell, so that whichever comes first is what both publish.
/// Safe to repeat for the same reason.
pub(crate) struct Advisories {
    service: Arc<Service>,
}

/// What is read of `io.nats.jetstream.advisory.v1.max_deliver` and `….terminated`.
#[derive(Debug, Deserialize)]
struct Advisory {
    #[serde(rename = "type")]
    kind: String,
    stream: String,
    consumer: String,
    stream_seq: u64,
    #[serde(default)]
    deliveries: u64,
    #[serde(default)]
    reason: Option<String>,
}

impl Advisories {
    pub(crate) fn new(service: Arc<Service>) -> Self {
        Self { service }
    }

    /// The message that an advisory is about; none if its stream does not have it any more.
    #[expect(clippy::disallowed_methods, reason = "its failpoint is around it")]
    async fn original(
        &self,
        about: &Consumer,
        advisory: &Advisory,
    ) -> Result<Option<Message>, Trouble> {
        let away = |reason: String| Trouble::Outage {
            dependency: NATS,
            reason,
        };
        let name = about.stream.name;
        let stream = match self.service.jetstream.get_stream(name).await {
            Ok(stream) => stream,
            Err(error) => match error.kind() {
                GetStreamErrorKind::JetStream(error)
                    if error.error_code() == ErrorCode::STREAM_NOT_FOUND =>
                {
                    return Ok(None);
                }
                _ => return Err(away(format!("cannot look at stream {name}: {error}"))),
            },
        };
        match stream.direct_get(advisory.stream_seq).await {
            Ok(message) => Ok(Some(Message {
                subject: message.subject.into_string(),
                headers: message.headers,
                payload: message.payload,
                sequence: message.sequence,
                stored: Timestamp::from_nanosecond(message.time.unix_timestamp_nanos())
                    .unwrap_or_default(),
                delivered: advisory.deliveries,
            })),
            Err(error) if error.kind() == DirectGetErrorKind::NotFound => Ok(None),
            Err(error) => Err(away(format!(
                "cannot read message {} of stream {name}: {error}",
                advisory.stream_seq
            ))),
        }
    }
}

#[async_trait]
impl Handler for Advisories {
    async fn handle(&self, message: &Message) -> Result<(), Trouble> {
        let service = &self.service;
        let advisory: Advisory =
            serde_json::from_slice(&message.payload).map_err(|error| Trouble::Reject {
                reason: format!("an advisory that cannot be read: {error}"),
            })?;
        let about = consumer::of(service.user).into_iter().find(|consumer| {
            consumer.stream.name == advisory.stream && consumer.name() == advisory.consumer
        });
        let Some(about) = about else {
            return Err(Trouble::Reject {
                reason: format!(
                    "an advisory about consumer {} of stream {}, which is not this service's",
                    advisory.consumer, advisory.stream
                ),
            });
        };
        let reason = advisory.line(service.user.name());
        let original = self.original(&about, &advisory);
        let original = around(Call::AdvisoryOriginal, Subject::NONE, original).await?;
        let Some(original) = original else {
            if about.stream.retention == Retention::WorkQueue {
                // Only an acknowledgement takes a message out of it. A server that was killed may
                // have kept that and forgotten the delivery, and then says that it was terminated.
                return Ok(());
            }
            return Err(Trouble::Reject {
                reason: format!(
                    "message {} of stream {} {reason}; it is gone from the stream",
                    advisory.stream_seq, advisory.stream
                ),
            });
        };
        // Anybody may post an event to `STORAGE`; only a step's input has an outcome.
        let is_step = service.user.says().contains(&What::Failed);
        let event = Event::parse(&original.payload).ok().filter(|_| is_step);
        if let Some(event) = &event
            && let Some(settled) = service.journal.settled(Cell::of(event)).await?
        {
            // It was done after all; only its acknowledgement never came.
            service.outbox.finish(settled).await?;
            return Ok(());
        }
        let letter = service
            .bury(about.stream.name, &original, event.as_ref(), &reason)
            .await?;
        tracing::error!(
            stream = about.stream.name,
            sequence = original.sequence,
            dead_letter = letter.sequence,
            reason,
            "given up"
        );
        if let Some(event) = &event {
            let settled = service.fail(event, &reason, letter).await?;
            service.outbox.finish(settled).await?;
        }
        Ok(())
    }
}

impl Advisory {
    fn line(&self, service: &str) -> String {
        if self.kind.ends_with(".terminated") {
            let why = self.reason.as_deref().unwrap_or("no reason given");
            return format!("was terminated: {why}");
        }
        format!(
            "was delivered {} times and never answered: {service} crashes or hangs on it each time \
             (crash loop)",
            self.deliveries
        )
    }
}
