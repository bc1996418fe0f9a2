//! S3-style `Records`: AWS itself, and the stores that speak its language with an accent.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::{Announced, Other, Record, Said, Sender, creation, key, said};

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(rename = "Records", borrow)]
    records: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written<'a> {
    #[serde(borrow, default)]
    event_version: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    event_source: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    event_name: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    event_time: Option<Cow<'a, str>>,
    #[serde(default)]
    user_identity: Option<Identity>,
    #[serde(borrow, default)]
    s3: Option<Subject<'a>>,
}

#[derive(Deserialize)]
struct Identity {
    /// With a small `p` nearly everywhere.
    #[serde(rename = "PrincipalId")]
    capital: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Subject<'a> {
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
#[serde(rename_all = "camelCase")]
struct Object<'a> {
    #[serde(borrow)]
    key: Cow<'a, str>,
    #[serde(borrow, default)]
    e_tag: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    version_id: Option<Cow<'a, str>>,
}

/// Each record by itself, so that one that cannot be read spoils no other.
pub(super) fn records(body: &[u8]) -> Result<Vec<Record>, String> {
    let body: Body<'_> = serde_json::from_slice(body)
        .map_err(|error| format!("has `Records` that are no list ({error})"))?;
    Ok(body.records.into_iter().map(record).collect())
}

/// What is said once, to try whether anybody is there.
#[derive(Deserialize)]
struct Trial<'a> {
    #[serde(rename = "Service", borrow)]
    service: Cow<'a, str>,
    #[serde(rename = "Event", borrow)]
    event: Cow<'a, str>,
}

pub(super) fn test(body: &[u8]) -> Result<Record, String> {
    let trial: Trial<'_> = serde_json::from_slice(body)
        .map_err(|error| format!("has an `Event` that looks different ({error})"))?;
    let sender = match (&*trial.service, &*trial.event) {
        ("Amazon S3", "s3:TestEvent") => Sender::Aws,
        ("S3", "s3:TestEvent") => Sender::Versitygw,
        (service, event) => {
            return Err(format!(
                "says the event `{}` of the service `{}`, which nobody known here does",
                event.escape_debug(),
                service.escape_debug()
            ));
        }
    };
    let said = Said::Other(Other::Test);
    Ok(Record { sender, said })
}

fn record(raw: &RawValue) -> Record {
    let written: Written<'_> = match serde_json::from_str(raw.get()) {
        Ok(written) => written,
        Err(error) => {
            return Record {
                sender: Sender::Unknown,
                said: Said::Unreadable(format!("the record looks different: {error}")),
            };
        }
    };
    let (sender, said) = match sender(&written) {
        Ok(sender) => (
            sender,
            read(sender, written).unwrap_or_else(Said::Unreadable),
        ),
        Err(reason) => (Sender::Unknown, Said::Unreadable(reason)),
    };
    Record { sender, said }
}

/// By the marks that each leaves. Wrongly told, a key with a `+` or a `%` would be another key, so
/// what fits nobody is nobody's: the sweep finds the file.
fn sender(written: &Written<'_>) -> Result<Sender, String> {
    let name = written.event_name.as_deref().unwrap_or_default();
    let capital = written
        .user_identity
        .as_ref()
        .is_some_and(|identity| identity.capital.is_some());
    match written.event_source.as_deref().unwrap_or_default() {
        "aws:s3" if capital && name.starts_with("s3:") => Ok(Sender::Versitygw),
        "aws:s3" if !capital && !name.starts_with("s3:") => Ok(Sender::Aws),
        "aws:s3" => Err(format!(
            "the record says `aws:s3`, but its event `{}` and user are written neither as AWS nor as versitygw does",
            name.escape_debug()
        )),
        "minio:s3" => Ok(Sender::Minio),
        "rustfs:s3" => Ok(Sender::RustFs),
        "ceph:s3" => Ok(Sender::Ceph),
        other => Err(format!(
            "the record's eventSource is `{}`; known are aws:s3, minio:s3, rustfs:s3 and ceph:s3",
            other.escape_debug()
        )),
    }
}

fn read(sender: Sender, written: Written<'_>) -> Result<Said, String> {
    if let Some(version) = &written.event_version
        && version.split('.').next() != Some("2")
    {
        return Err(format!(
            "the record has eventVersion `{}`; only 2.x is known",
            version.escape_debug()
        ));
    }
    let name = written.event_name.as_deref().unwrap_or_default();
    let name = name.strip_prefix("s3:").unwrap_or(name);
    match name.split_once(':') {
        Some(("ObjectCreated", "Put" | "Post" | "Copy" | "CompleteMultipartUpload")) => {}
        Some(("ObjectRemoved" | "LifecycleExpiration", _)) => {
            return Ok(Said::Other(Other::Removal));
        }
        _ if name == "TestEvent" => return Ok(Said::Other(Other::Test)),
        _ => return Ok(Said::Other(Other::Unrelated)),
    }
    let Some(Subject { bucket, object }) = written.s3 else {
        return Err("the record has no `s3`".to_owned());
    };
    let key = match sender {
        Sender::Aws | Sender::Minio | Sender::RustFs => key::from_form(&object.key)?.into(),
        _ => object.key,
    };
    creation(
        bucket.name,
        key,
        Announced {
            etag: said(object.e_tag).map(|etag| etag.trim_matches('"').to_owned()),
            version_id: said(object.version_id).filter(|id| id != "null"),
            time: written.event_time.and_then(|time| time.parse().ok()),
        },
    )
}
