//! Schedules: messages that `JetStream` delivers later (ADR-51). They only wake; they carry the
//! event so that the wake says which mail it is about, and nothing is read from them but that.

use async_nats::HeaderMap;
use async_nats::header::{NATS_SCHEDULE, NATS_SCHEDULE_TARGET};
use async_nats::jetstream::message::PublishMessage;
use async_trait::async_trait;
use failpoint::{Call, Subject};
use jiff::Timestamp;
use proto::{Event, header, subject};
use runtime::{Publisher, Trouble, telemetry};
use tracing::Instrument;

/// Where wakes are ordered.
#[async_trait]
pub(crate) trait Schedules: Send + Sync + 'static {
    /// Orders a wake about `event` at `due`; it is durable when this returns. There is one
    /// schedule a mail: the last one ordered counts, and one whose time has passed is due at once.
    async fn order(&self, event: &Event, due: Timestamp) -> Result<(), Trouble>;
}

/// The stream `DELAY`.
pub(crate) struct JetStream(pub(crate) Publisher);

#[async_trait]
impl Schedules for JetStream {
    async fn order(&self, event: &Event, due: Timestamp) -> Result<(), Trouble> {
        let (file, replay) = event.about();
        let payload = serde_json::to_vec(event).map_err(|error| Trouble::Reject {
            reason: format!("the event cannot be written as JSON: {error}"),
        })?;
        let subject = subject::delay_wait(file.id, replay);
        let span = tracing::info_span!(
            target: telemetry::TARGET,
            "schedule",
            otel.name = "schedule delay.wait.{file}.{replay}",
            otel.kind = "producer",
            messaging.system = "nats",
            messaging.operation.name = "schedule",
            messaging.operation.r#type = "send",
            messaging.destination.name = subject,
            messaging.destination.template = "delay.wait.{file}.{replay}",
            landfall.due = %due,
        );
        let mut headers = headers(due);
        if let Some(carried) = telemetry::carried(&span) {
            headers.insert(header::TRACEPARENT, carried);
        }
        let message = PublishMessage::build()
            .headers(headers)
            .payload(payload.into());
        let point = (Call::ScheduleOrder, Subject::named(&file.key));
        let published = self.0.publish(point, &subject, message);
        published.instrument(span).await
    }
}

/// No `Nats-Msg-Id`: within the duplicate window it would drop the schedule that replaces another.
fn headers(due: Timestamp) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(NATS_SCHEDULE, format!("@at {due:.3}"));
    headers.insert(NATS_SCHEDULE_TARGET, subject::DELAY_DUE);
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_names_its_time_to_the_millisecond_and_where_it_goes() {
        let due: Timestamp = "2026-11-22T09:00:00Z".parse().unwrap();
        let headers = headers(due);
        let value = |name: &str| headers.get(name).map(|value| value.as_str().to_owned());
        assert_eq!(
            value("Nats-Schedule").unwrap(),
            "@at 2026-11-22T09:00:00.000Z"
        );
        assert_eq!(value("Nats-Schedule-Target").unwrap(), "delay.due");
        assert_eq!(value("Nats-Msg-Id"), None);
        assert_eq!(headers.len(), 2);
    }
}
