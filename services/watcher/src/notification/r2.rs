//! Cloudflare R2: one message of its queue a body, as a forwarder passes it on; its key raw.
//!
//! <https://developers.cloudflare.com/r2/buckets/event-notifications/>

use std::borrow::Cow;

use serde::Deserialize;

use super::{Announced, Other, Record, Said, Sender, creation, said, single};

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    action: Cow<'a, str>,
    #[serde(borrow)]
    bucket: Cow<'a, str>,
    #[serde(borrow, default)]
    object: Option<Object<'a>>,
    #[serde(rename = "eventTime", borrow, default)]
    time: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Object<'a> {
    #[serde(borrow)]
    key: Cow<'a, str>,
    #[serde(rename = "eTag", borrow, default)]
    etag: Option<Cow<'a, str>>,
}

pub(super) fn record(body: &[u8]) -> Record {
    single(Sender::R2, body, read)
}

fn read(message: Message<'_>) -> Result<Said, String> {
    match &*message.action {
        "PutObject" | "CopyObject" | "CompleteMultipartUpload" => {}
        "DeleteObject" | "LifecycleDeletion" => return Ok(Said::Other(Other::Removal)),
        _ => return Ok(Said::Other(Other::Unrelated)),
    }
    let Some(object) = message.object else {
        return Err("the message of R2 has no `object`".to_owned());
    };
    creation(
        message.bucket,
        object.key,
        Announced {
            etag: said(object.etag),
            version_id: None,
            time: message.time.and_then(|time| time.parse().ok()),
        },
    )
}
