//! SeaweedFS's webhook: one entry of the filer a body. Keys stand raw, as paths of the filer.

use std::borrow::Cow;
use std::collections::HashMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::Deserialize;

use super::{Announced, Created, Other, Record, Said, Sender, said, single};

/// Where the filer keeps buckets.
const BUCKETS: &str = "/buckets/";
/// Where parts wait until a multipart upload is completed, in each bucket.
const UPLOADS: &str = ".uploads";

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    event_type: Cow<'a, str>,
    #[serde(borrow, default)]
    key: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    message: Option<Message<'a>>,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow, default)]
    new_entry: Option<Entry<'a>>,
}

#[derive(Deserialize)]
struct Entry<'a> {
    #[serde(default)]
    is_directory: bool,
    #[serde(borrow, default)]
    attributes: Option<Attributes<'a>>,
    /// Attributes that S3 knows and a file system does not; each in base64.
    #[serde(borrow, default)]
    extended: Option<HashMap<Cow<'a, str>, Cow<'a, str>>>,
}

#[derive(Deserialize)]
struct Attributes<'a> {
    #[serde(default)]
    mtime: Option<i64>,
    #[serde(borrow, default)]
    md5: Option<Cow<'a, str>>,
}

pub(super) fn record(body: &[u8]) -> Record {
    single(Sender::SeaweedFs, body, read)
}

fn read(body: Body<'_>) -> Result<Said, String> {
    match &*body.event_type {
        "create" | "update" => {}
        "delete" => return Ok(Said::Other(Other::Removal)),
        "rename" => return Ok(Said::Other(Other::Rename)),
        _ => return Ok(Said::Other(Other::Unrelated)),
    }
    let Some(entry) = body.message.and_then(|message| message.new_entry) else {
        return Err("SeaweedFS's webhook has no `message.new_entry`".to_owned());
    };
    if entry.is_directory {
        return Ok(Said::Other(Other::Directory));
    }
    if entry.extended("Seaweed-X-Amz-Delete-Marker").is_some() {
        return Ok(Said::Other(Other::Removal));
    }
    let Some(path) = body.key else {
        return Err("SeaweedFS's webhook has no `key`".to_owned());
    };
    let Some((bucket, key)) = path
        .strip_prefix(BUCKETS)
        .and_then(|path| path.split_once('/'))
        .filter(|(bucket, key)| !bucket.is_empty() && !key.is_empty())
    else {
        // The filer has entries of its own outside of the buckets.
        return Ok(Said::Other(Other::Unrelated));
    };
    if key.starts_with(UPLOADS) && key[UPLOADS.len()..].starts_with('/') {
        return Ok(Said::Other(Other::Upload));
    }
    let version_id = entry.extended("Seaweed-X-Amz-Version-Id");
    Ok(Said::Created(Created {
        bucket: bucket.to_owned(),
        key: without_version(key, version_id.as_deref()).to_owned(),
        announced: Announced {
            etag: entry.etag(),
            version_id: version_id.filter(|id| id != "null"),
            time: entry
                .attributes
                .and_then(|attributes| attributes.mtime)
                .and_then(|seconds| Timestamp::from_second(seconds).ok()),
        },
    }))
}

/// In a versioned bucket the version `v` of `key` is the entry `key.versions/v_v`.
fn without_version<'a>(key: &'a str, version_id: Option<&str>) -> &'a str {
    version_id
        .and_then(|id| key.strip_suffix(id))
        .and_then(|rest| rest.strip_suffix(".versions/v_"))
        .unwrap_or(key)
}

impl Entry<'_> {
    fn extended(&self, name: &str) -> Option<String> {
        let text = self.extended.as_ref()?.get(name)?;
        let bytes = STANDARD.decode(text.as_bytes()).ok()?;
        said(String::from_utf8(bytes).ok().map(Cow::Owned))
    }

    /// The entity tag that the S3 interface gave the object, or the MD5 that it will give one that
    /// was put into the filer by other means.
    fn etag(&self) -> Option<String> {
        self.extended("Seaweed-X-Amz-ETag").or_else(|| {
            let md5 = self.attributes.as_ref()?.md5.as_ref()?;
            let bytes = STANDARD.decode(md5.as_bytes()).ok()?;
            let hex = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            (bytes.len() == 16).then_some(hex)
        })
    }
}
