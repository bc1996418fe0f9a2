//! A file version: what it is called, and how it is told from every other.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// One version of one object, as `HEAD` described it when it was first seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct File {
    /// First 128 bits of SHA-256 over bucket, key and version; the trace id as well.
    pub id: FileId,
    /// Bucket the file was uploaded to.
    pub bucket: String,
    /// Object key, decoded, exactly as the store names it: up to 1,024 bytes of any UTF-8.
    pub key: String,
    /// Which version of that key.
    pub version: Version,
    /// Size in bytes.
    pub size: u64,
    /// `Content-Type` as the store gave it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// `Content-Encoding` as the store gave it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_encoding: Option<String>,
    /// Order time: whole seconds, strictly increasing over the versions of one key.
    /// Later order time wins where two files hold the same reading.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub order: Timestamp,
    /// Name of the profile that says how to read it: `[a-z0-9-]`, at most 64.
    #[schemars(extend("pattern" = "^[a-z0-9-]{1,64}$"))]
    pub profile: String,
}

/// What tells two versions of one key apart.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Version {
    /// Entity tag without quotes.
    pub etag: String,
    /// `Last-Modified`, in whole seconds: `LIST` and `HEAD` disagree below that.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub last_modified: Timestamp,
    /// Version id, in a versioned bucket only (never `null`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
}

impl Version {
    /// Normalises what a store said: quotes off the tag, whole seconds, `null` is no version id.
    pub fn new(etag: &str, last_modified: Timestamp, id: Option<&str>) -> Self {
        let seconds = last_modified.as_second();
        Self {
            etag: etag.trim_matches('"').to_owned(),
            last_modified: Timestamp::from_second(seconds).unwrap_or(last_modified),
            id: id
                .filter(|id| !id.is_empty() && *id != "null")
                .map(str::to_owned),
        }
    }
}

/// Identity of one file version: 128 bits, written as 32 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileId([u8; 16]);

impl FileId {
    /// Derives the id of a version. Each field goes in with its length before it, so that no two
    /// different triples share a byte string. A version id alone decides; without one the entity
    /// tag and `Last-Modified` do.
    pub fn of(bucket: &str, key: &str, version: &Version) -> Self {
        let mut hash = Sha256::new();
        let mut field = |bytes: &[u8]| {
            hash.update((bytes.len() as u64).to_be_bytes());
            hash.update(bytes);
        };
        field(bucket.as_bytes());
        field(key.as_bytes());
        match &version.id {
            Some(id) => {
                field(b"version");
                field(id.as_bytes());
            }
            None => {
                field(b"etag");
                field(version.etag.as_bytes());
                field(&version.last_modified.as_second().to_be_bytes());
            }
        }
        let digest = hash.finalize();
        let mut id = [0; 16];
        id.copy_from_slice(&digest[..16]);
        Self(id)
    }

    /// The 16 bytes, most significant first.
    pub fn bytes(self) -> [u8; 16] {
        self.0
    }

    /// From 16 bytes, most significant first.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// First 16 hex digits: what a name carries where the whole id would be too long.
    pub fn short(self) -> String {
        self.to_string()[..16].to_owned()
    }
}

impl fmt::Display for FileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for FileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is not 32 lower-case hex digits.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("a file id has 32 lower-case hex digits, not `{0}`")]
pub struct NotAFileId(String);

impl FromStr for FileId {
    type Err = NotAFileId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let plain = text.len() == 32
            && text
                .bytes()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        match u128::from_str_radix(text, 16) {
            Ok(number) if plain => Ok(Self(number.to_be_bytes())),
            _ => Err(NotAFileId(text.to_owned())),
        }
    }
}

impl Serialize for FileId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for FileId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for FileId {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "FileId".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "pattern": "^[0-9a-f]{32}$",
            "description": "First 128 bits of SHA-256 over bucket, key and version, as hex; the trace id as well.",
        })
    }
}
