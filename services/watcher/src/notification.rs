//! What stores say about their objects: raw bodies in, creations out.
//!
//! The body tells the sender by its marks, and the sender tells how keys are written; nothing is
//! tried out. A sender is one small module with a `records` function; [`decode`] chooses it. What
//! a notification says is a hint: `HEAD` decides what is there.

mod backfill;
mod eventbridge;
mod gcs;
mod key;
mod r2;
mod s3;
mod seaweedfs;
mod sns;

use std::borrow::Cow;

use jiff::Timestamp;
use serde::Deserialize;
use serde::de::IgnoredAny;

/// Who says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each is the name of a store")]
pub enum Sender {
    SeaweedFs,
    Aws,
    EventBridge,
    Minio,
    RustFs,
    Ceph,
    Versitygw,
    R2,
    Gcs,
    /// `landfall backfill`.
    Backfill,
    /// None of them, as far as its marks go.
    Unknown,
}

impl Sender {
    /// The label of metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::SeaweedFs => "seaweedfs",
            Self::Aws => "aws",
            Self::EventBridge => "eventbridge",
            Self::Minio => "minio",
            Self::RustFs => "rustfs",
            Self::Ceph => "ceph",
            Self::Versitygw => "versitygw",
            Self::R2 => "r2",
            Self::Gcs => "gcs",
            Self::Backfill => "backfill",
            Self::Unknown => "unknown",
        }
    }
}

/// One record of a notification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Who says it.
    pub sender: Sender,
    /// What.
    pub said: Said,
}

/// What a record says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// An object was created or overwritten.
    Created(Created),
    /// Something else, which is no concern of ours.
    Other(Other),
    /// The record lacks what it must have: one line for a person.
    Unreadable(String),
}

/// An object was created or overwritten.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Created {
    /// Bucket.
    pub bucket: String,
    /// Key, decoded exactly once.
    pub key: String,
    /// What is said of the version.
    pub announced: Announced,
}

/// What a notification says of the version that it is about; each may be missing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Announced {
    /// Entity tag, without quotes.
    pub etag: Option<String>,
    /// Version id.
    pub version_id: Option<String>,
    /// When it happened, by the sender's clock.
    pub time: Option<Timestamp>,
}

/// What is no creation of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Other {
    /// An object was removed.
    Removal,
    /// An entry was renamed.
    Rename,
    /// A directory, not an object.
    Directory,
    /// A part of an upload that is not completed yet.
    Upload,
    /// Tags, retention, restores and whatever else happens to objects.
    Unrelated,
    /// The sender tries whether we are there, or wants to know whether to send at all.
    Test,
}

impl Other {
    /// The label of metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Removal => "removal",
            Self::Rename => "rename",
            Self::Directory => "directory",
            Self::Upload => "upload",
            Self::Unrelated => "unrelated",
            Self::Test => "test",
        }
    }
}

/// A body that is no notification of a sender we know: one line for a person.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unreadable(String);

/// The marks that tell shapes apart. Whatever else stands in the body is passed over unread.
#[derive(Deserialize)]
struct Marks {
    #[serde(rename = "Records")]
    records: Option<IgnoredAny>,
    event_type: Option<IgnoredAny>,
    #[serde(rename = "TopicArn")]
    topic: Option<IgnoredAny>,
    #[serde(rename = "detail-type")]
    detail_type: Option<IgnoredAny>,
    action: Option<IgnoredAny>,
    bucket: Option<IgnoredAny>,
    message: Option<IgnoredAny>,
    subscription: Option<IgnoredAny>,
    backfill: Option<IgnoredAny>,
    #[serde(rename = "Event")]
    event: Option<IgnoredAny>,
    #[serde(rename = "Service")]
    service: Option<IgnoredAny>,
}

/// How a body looks; each is one module's.
#[derive(Clone, Copy)]
enum Shape {
    S3,
    S3Test,
    Sns,
    EventBridge,
    SeaweedFs,
    R2,
    Gcs,
    Backfill,
}

impl Shape {
    fn of(body: &[u8]) -> Result<Self, String> {
        // A list would be taken for the fields in their order.
        if body.trim_ascii_start().first() != Some(&b'{') {
            return Err("is no JSON object".to_owned());
        }
        let marks: Marks =
            serde_json::from_slice(body).map_err(|error| format!("is no JSON object ({error})"))?;
        Ok(match marks {
            Marks { topic: Some(_), .. } => Self::Sns,
            Marks {
                records: Some(_), ..
            } => Self::S3,
            Marks {
                event_type: Some(_),
                ..
            } => Self::SeaweedFs,
            Marks {
                detail_type: Some(_),
                ..
            } => Self::EventBridge,
            Marks {
                action: Some(_),
                bucket: Some(_),
                ..
            } => Self::R2,
            Marks {
                message: Some(_),
                subscription: Some(_),
                ..
            } => Self::Gcs,
            Marks {
                backfill: Some(_), ..
            } => Self::Backfill,
            Marks {
                event: Some(_),
                service: Some(_),
                ..
            } => Self::S3Test,
            _ => {
                return Err(
                    "is from no sender that is known here: S3-style stores say `Records`, \
                     SeaweedFS `event_type`, SNS `TopicArn`, EventBridge `detail-type`, R2 `action` \
                     and `bucket`, Google's Pub/Sub `message` and `subscription`"
                        .to_owned(),
                );
            }
        })
    }
}

/// Reads a raw notification. Memory stays in proportion to the body.
pub fn decode(body: &[u8]) -> Result<Vec<Record>, Unreadable> {
    let read = match Shape::of(body) {
        Ok(Shape::Sns) => sns::message(body).and_then(|told| match told {
            Some(told) => within(told.as_bytes()),
            None => Ok(vec![sns::SUBSCRIPTION]),
        }),
        Ok(shape) => records(shape, body),
        Err(reason) => Err(reason),
    };
    read.map_err(|reason| unreadable(body, &reason))
}

/// What SNS was told by somebody else.
fn within(body: &[u8]) -> Result<Vec<Record>, String> {
    Shape::of(body)
        .and_then(|shape| records(shape, body))
        .map_err(|reason| format!("is of SNS, and its `Message` {reason}"))
}

fn records(shape: Shape, body: &[u8]) -> Result<Vec<Record>, String> {
    Ok(match shape {
        Shape::S3 => s3::records(body)?,
        Shape::S3Test => vec![s3::test(body)?],
        Shape::EventBridge => vec![eventbridge::record(body)],
        Shape::SeaweedFs => vec![seaweedfs::record(body)],
        Shape::R2 => vec![r2::record(body)],
        Shape::Gcs => vec![gcs::record(body)],
        Shape::Backfill => vec![backfill::record(body)],
        Shape::Sns => return Err("is of SNS again".to_owned()),
    })
}

fn unreadable(body: &[u8], why: &str) -> Unreadable {
    const SHOWN: usize = 80;
    let start = String::from_utf8_lossy(&body[..body.len().min(SHOWN)]);
    Unreadable(format!("the notification `{}` {why}", start.escape_debug()))
}

/// What a record says that names what was created.
fn creation(bucket: Cow<'_, str>, key: Cow<'_, str>, announced: Announced) -> Result<Said, String> {
    if bucket.is_empty() || key.is_empty() {
        return Err("the record names no bucket or no key".to_owned());
    }
    Ok(Said::Created(Created {
        bucket: bucket.into_owned(),
        key: key.into_owned(),
        announced,
    }))
}

/// The record of a sender whose bodies hold one each.
fn single<'a, B: Deserialize<'a>>(
    sender: Sender,
    body: &'a [u8],
    read: impl FnOnce(B) -> Result<Said, String>,
) -> Record {
    let said = serde_json::from_slice(body)
        .map_err(|error| format!("the body of {} looks different: {error}", sender.name()))
        .and_then(read)
        .unwrap_or_else(Said::Unreadable);
    Record { sender, said }
}

/// A text that says something: neither missing nor empty.
fn said(text: Option<Cow<'_, str>>) -> Option<String> {
    text.filter(|text| !text.is_empty()).map(Cow::into_owned)
}

#[cfg(test)]
mod tests;
