//! What stores say about their objects: raw bodies in, creations out.
//!
//! The body tells the sender by its marks, and the sender tells how keys are written; nothing is
//! tried out. A sender is one small module with a `records` function; [`decode`] chooses it. What
//! a notification says is a hint: `HEAD` decides what is there.

mod key;
mod s3;
mod seaweedfs;

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
    Minio,
    RustFs,
    Ceph,
    Versitygw,
    /// None of them, as far as its marks go.
    Unknown,
}

impl Sender {
    /// The label of metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::SeaweedFs => "seaweedfs",
            Self::Aws => "aws",
            Self::Minio => "minio",
            Self::RustFs => "rustfs",
            Self::Ceph => "ceph",
            Self::Versitygw => "versitygw",
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
    /// The sender tries whether we are there.
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

/// The marks that tell senders apart. Whatever else stands in the body is passed over unread.
#[derive(Deserialize)]
struct Marks<'a> {
    #[serde(rename = "Records")]
    records: Option<IgnoredAny>,
    event_type: Option<IgnoredAny>,
    #[serde(rename = "Service", borrow, default)]
    service: Option<Cow<'a, str>>,
    #[serde(rename = "Event", borrow, default)]
    event: Option<Cow<'a, str>>,
}

/// Reads a raw notification. Memory stays in proportion to the body.
pub fn decode(body: &[u8]) -> Result<Vec<Record>, Unreadable> {
    // A list would be taken for the fields in their order.
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Err(unreadable(body, "is no JSON object"));
    }
    let marks: Marks<'_> = serde_json::from_slice(body)
        .map_err(|error| unreadable(body, &format!("is no JSON object ({error})")))?;
    if marks.records.is_some() {
        s3::records(body).map_err(|error| unreadable(body, &error))
    } else if marks.event_type.is_some() {
        Ok(vec![seaweedfs::record(body)])
    } else if marks.event.as_deref() == Some("s3:TestEvent") {
        let sender = match marks.service.as_deref() {
            Some("Amazon S3") => Sender::Aws,
            Some("S3") => Sender::Versitygw,
            _ => Sender::Unknown,
        };
        let said = Said::Other(Other::Test);
        Ok(vec![Record { sender, said }])
    } else {
        Err(unreadable(
            body,
            "is from no sender that is known here: SeaweedFS says `event_type`, S3-style stores say `Records`",
        ))
    }
}

fn unreadable(body: &[u8], why: &str) -> Unreadable {
    const SHOWN: usize = 80;
    let start = String::from_utf8_lossy(&body[..body.len().min(SHOWN)]);
    Unreadable(format!("the notification `{}` {why}", start.escape_debug()))
}

/// A text that says something: neither missing nor empty.
fn said(text: Option<Cow<'_, str>>) -> Option<String> {
    text.filter(|text| !text.is_empty()).map(Cow::into_owned)
}

#[cfg(test)]
mod tests;
