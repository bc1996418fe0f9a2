//! Google Cloud Storage: a push of Pub/Sub a body, as a forwarder passes it on; its key raw.
//!
//! The attributes say it all. Generations and entity tags of Google's own interface are not those
//! of its S3 interface, so none is announced.
//!
//! <https://cloud.google.com/storage/docs/pubsub-notifications>

use std::borrow::Cow;

use serde::Deserialize;

use super::{Announced, Other, Record, Said, Sender, creation, single};

#[derive(Deserialize)]
struct Push<'a> {
    #[serde(borrow)]
    message: Message<'a>,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow, default)]
    attributes: Attributes<'a>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Attributes<'a> {
    #[serde(borrow, default)]
    event_type: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    bucket_id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    object_id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    event_time: Option<Cow<'a, str>>,
}

pub(super) fn record(body: &[u8]) -> Record {
    single(Sender::Gcs, body, |push: Push<'_>| {
        read(push.message.attributes)
    })
}

fn read(attributes: Attributes<'_>) -> Result<Said, String> {
    match attributes.event_type.as_deref() {
        Some("OBJECT_FINALIZE") => {}
        Some("OBJECT_DELETE" | "OBJECT_ARCHIVE") => return Ok(Said::Other(Other::Removal)),
        Some(_) => return Ok(Said::Other(Other::Unrelated)),
        None => return Err("the push of Pub/Sub has no attribute `eventType`".to_owned()),
    }
    creation(
        attributes.bucket_id.unwrap_or_default(),
        attributes.object_id.unwrap_or_default(),
        Announced {
            time: attributes.event_time.and_then(|time| time.parse().ok()),
            ..Announced::default()
        },
    )
}
