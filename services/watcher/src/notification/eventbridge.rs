//! Amazon EventBridge: one event of S3 a body, its key raw.
//!
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html>

use std::borrow::Cow;

use serde::Deserialize;

use super::{Announced, Other, Record, Said, Sender, creation, said, single};

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow)]
    source: Cow<'a, str>,
    #[serde(rename = "detail-type", borrow)]
    detail_type: Cow<'a, str>,
    #[serde(borrow, default)]
    time: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    detail: Option<Detail<'a>>,
}

#[derive(Deserialize)]
struct Detail<'a> {
    #[serde(borrow)]
    bucket: Bucket<'a>,
    #[serde(borrow)]
    object: Object<'a>,
}

#[derive(Deserialize)]
struct Bucket<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Object<'a> {
    #[serde(borrow)]
    key: Cow<'a, str>,
    #[serde(borrow, default)]
    etag: Option<Cow<'a, str>>,
    #[serde(rename = "version-id", borrow, default)]
    version_id: Option<Cow<'a, str>>,
}

pub(super) fn record(body: &[u8]) -> Record {
    single(Sender::EventBridge, body, read)
}

fn read(event: Event<'_>) -> Result<Said, String> {
    if event.source != "aws.s3" {
        return Err(format!(
            "the event's source is `{}`, and not `aws.s3`: mend the rule's pattern",
            event.source.escape_debug()
        ));
    }
    match &*event.detail_type {
        "Object Created" => {}
        "Object Deleted" => return Ok(Said::Other(Other::Removal)),
        _ => return Ok(Said::Other(Other::Unrelated)),
    }
    let Some(Detail { bucket, object }) = event.detail else {
        return Err(
            "the event has no `detail`: send it whole, without an input transformer".to_owned(),
        );
    };
    creation(
        bucket.name,
        object.key,
        Announced {
            etag: said(object.etag),
            version_id: said(object.version_id).filter(|id| id != "null"),
            time: event.time.and_then(|time| time.parse().ok()),
        },
    )
}
