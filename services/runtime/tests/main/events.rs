//! Events for the tests.

use async_nats::jetstream;
use async_nats::jetstream::message::PublishMessage;
use jiff::Timestamp;
use proto::event::{Ingested, MoveOutcome, Moved, Report};
use proto::{Data, Event, File, FileId, User, Version};
use store::journal::Cell;

pub(crate) fn file(key: &str) -> File {
    let version = Version::new("tag", Timestamp::UNIX_EPOCH, None);
    File {
        id: FileId::of("bucket", key, &version),
        bucket: "bucket".to_owned(),
        key: key.to_owned(),
        version,
        size: 1,
        content_type: None,
        content_encoding: None,
        order: Timestamp::UNIX_EPOCH,
        profile: "default".to_owned(),
    }
}

pub(crate) fn cell(key: &str, replay: u32) -> Cell {
    Cell {
        file: file(key).id,
        replay,
    }
}

pub(crate) fn ingested(key: &str) -> Event {
    ingested_again(key, 0)
}

pub(crate) fn ingested_again(key: &str, replay: u32) -> Event {
    let data = Data::Ingested(Ingested {
        file: file(key),
        replay,
        report: Report::default(),
        replayed: None,
    });
    Event::new(User::Ingest, data, Timestamp::now())
}

/// What the mover says of an event of ingest.
pub(crate) fn moved(event: &Event) -> Data {
    moved_as(event, MoveOutcome::Archived)
}

pub(crate) fn moved_as(event: &Event, outcome: MoveOutcome) -> Data {
    let (file, replay) = event.about();
    Data::Moved(Moved {
        file: file.clone(),
        replay,
        outcome,
        destination: None,
        rejected: None,
        report: Report::default(),
        replayed: None,
    })
}

/// Publishes an event of ingest's; answers its sequence.
pub(crate) async fn publish(jetstream: &jetstream::Context, event: &Event) -> u64 {
    let payload = serde_json::to_vec(event).unwrap();
    publish_raw(jetstream, &payload).await
}

/// Publishes bytes where ingest's events go.
pub(crate) async fn publish_raw(jetstream: &jetstream::Context, payload: &[u8]) -> u64 {
    let message = PublishMessage::build()
        .payload(payload.to_vec().into())
        .header("Nats-Own", "of the server")
        .header("X-Own", "one")
        .header(
            "traceparent",
            "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01",
        );
    let acknowledgement = jetstream.send_publish("files.0.ingested.default", message);
    acknowledgement.await.unwrap().await.unwrap().sequence
}
