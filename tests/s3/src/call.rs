//! Requests, understood as far as it takes to tell what is asked.

use std::collections::BTreeMap;
use std::fmt;

use bytes::Bytes;
use hyper::{HeaderMap, Request};
use percent_encoding::percent_decode_str;

use crate::Refusal;

/// What S3 calls a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "S3's own names")]
pub enum Operation {
    HeadBucket,
    CreateBucket,
    GetBucketVersioning,
    PutBucketVersioning,
    ListObjects,
    HeadObject,
    GetObject,
    GetObjectTagging,
    PutObject,
    CopyObject,
    DeleteObject,
    CreateMultipartUpload,
    UploadPart,
    UploadPartCopy,
    CompleteMultipartUpload,
    AbortMultipartUpload,
}

/// Parameters that are understood; a request with another is not.
const PARAMETERS: [&str; 12] = [
    "continuation-token",
    "encoding-type",
    "list-type",
    "max-keys",
    "partNumber",
    "prefix",
    "tagging",
    "uploadId",
    "uploads",
    "versionId",
    "versioning",
    "x-id",
];

/// A request.
#[derive(Clone, Debug)]
pub struct Call {
    /// The access key that it is signed with; empty where it is not signed.
    pub who: String,
    /// What it asks for.
    pub operation: Operation,
    /// The bucket.
    pub bucket: String,
    /// The key; empty where it is about the bucket.
    pub key: String,
    pub(crate) body: Bytes,
    parameters: BTreeMap<String, String>,
    headers: HeaderMap,
}

/// What a copy reads from.
pub(crate) struct Source {
    pub(crate) bucket: String,
    pub(crate) key: String,
    pub(crate) version: Option<String>,
}

impl Call {
    /// A request with the bucket in its path.
    pub(crate) fn read(request: Request<Bytes>) -> Result<Self, Refusal> {
        let (parts, body) = request.into_parts();
        let path = parts.uri.path().trim_start_matches('/');
        let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
        let parameters = parameters(parts.uri.query().unwrap_or_default())?;
        let copies = parts.headers.contains_key(COPY_SOURCE);
        let asks = |name: &str| parameters.contains_key(name);
        let operation = operation(parts.method.as_str(), !key.is_empty(), copies, asks)
            .ok_or(Refusal::NotImplemented)?;
        Ok(Self {
            who: signer(&parts.headers),
            operation,
            bucket: decoded(bucket)?,
            key: decoded(key)?,
            body,
            parameters,
            headers: parts.headers,
        })
    }

    pub(crate) fn header(&self, name: &str) -> Option<String> {
        let value = self.headers.get(name)?;
        Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
    }

    /// Headers that begin with `prefix`, without it.
    pub(crate) fn headers_after(&self, prefix: &str) -> BTreeMap<String, String> {
        let headers = self.headers.iter().filter_map(|(name, value)| {
            let name = name.as_str().strip_prefix(prefix)?;
            let value = String::from_utf8_lossy(value.as_bytes());
            Some((name.to_owned(), value.into_owned()))
        });
        headers.collect()
    }

    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.get(name).map(String::as_str)
    }

    /// The version that it names.
    pub(crate) fn version(&self) -> Option<&str> {
        self.parameter("versionId")
    }

    /// Whether it copies, and so reads before it writes.
    pub fn is_copy(&self) -> bool {
        matches!(
            self.operation,
            Operation::CopyObject | Operation::UploadPartCopy
        )
    }

    /// What it copies from, if it copies.
    pub(crate) fn source(&self) -> Result<Option<Source>, Refusal> {
        let Some(header) = self.header(COPY_SOURCE) else {
            return Ok(None);
        };
        let (path, version) = match header.split_once("?versionId=") {
            Some((path, version)) => (path, Some(decoded(version)?)),
            None => (header.as_str(), None),
        };
        let path = path.trim_start_matches('/');
        let (bucket, key) = path.split_once('/').ok_or(Refusal::InvalidArgument)?;
        Ok(Some(Source {
            bucket: decoded(bucket)?,
            key: decoded(key)?,
            version,
        }))
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {}/{:?}", self.operation, self.bucket, self.key)?;
        match self.version() {
            Some(version) => write!(f, " version {version}"),
            None => Ok(()),
        }
    }
}

const COPY_SOURCE: &str = "x-amz-copy-source";

fn operation(
    method: &str,
    has_key: bool,
    copies: bool,
    asks: impl Fn(&str) -> bool,
) -> Option<Operation> {
    Some(match (method, has_key) {
        ("HEAD", false) => Operation::HeadBucket,
        ("GET", false) if asks("versioning") => Operation::GetBucketVersioning,
        ("GET", false) if asks("list-type") => Operation::ListObjects,
        ("PUT", false) if asks("versioning") => Operation::PutBucketVersioning,
        ("PUT", false) => Operation::CreateBucket,
        ("HEAD", true) => Operation::HeadObject,
        ("GET", true) if asks("tagging") => Operation::GetObjectTagging,
        ("GET", true) => Operation::GetObject,
        ("PUT", true) if asks("tagging") => return None,
        ("PUT", true) if asks("uploadId") && copies => Operation::UploadPartCopy,
        ("PUT", true) if asks("uploadId") => Operation::UploadPart,
        ("PUT", true) if copies => Operation::CopyObject,
        ("PUT", true) => Operation::PutObject,
        ("POST", true) if asks("uploads") => Operation::CreateMultipartUpload,
        ("POST", true) if asks("uploadId") => Operation::CompleteMultipartUpload,
        ("DELETE", true) if asks("uploadId") => Operation::AbortMultipartUpload,
        ("DELETE", true) if !asks("tagging") => Operation::DeleteObject,
        _ => return None,
    })
}

fn parameters(query: &str) -> Result<BTreeMap<String, String>, Refusal> {
    let mut parameters = BTreeMap::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        if !PARAMETERS.contains(&name) {
            return Err(Refusal::NotImplemented);
        }
        parameters.insert(name.to_owned(), decoded(value)?);
    }
    Ok(parameters)
}

fn decoded(text: &str) -> Result<String, Refusal> {
    let decoded = percent_decode_str(text).decode_utf8();
    let decoded = decoded.map_err(|_| Refusal::InvalidArgument)?;
    Ok(decoded.into_owned())
}

/// `Authorization: AWS4-HMAC-SHA256 Credential=<access key>/…`
fn signer(headers: &HeaderMap) -> String {
    let signature = headers.get("authorization").map(|value| value.as_bytes());
    let signature = String::from_utf8_lossy(signature.unwrap_or_default());
    let credential = signature.split_once("Credential=");
    let who = credential.and_then(|(_, rest)| rest.split('/').next());
    who.unwrap_or_default().to_owned()
}
