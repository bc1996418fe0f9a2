//! Doing what is asked, by the preconditions that the flavour honours.

use std::ops::Range;

use bytes::Bytes;
use hyper::Response;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::answer::{head, http_date, iso_date, leaf, quoted, with_status, xml};
use crate::object::KEPT;
use crate::store::Bucket;
use crate::{Call, Content, Object, Operation, Refusal, Store};

/// What a copy has read; nothing of other requests.
#[derive(Debug)]
pub struct Read(Result<Option<Content>, Refusal>);

/// How a listing writes keys with `encoding-type=url`: as forms do, slashes left.
const IN_LISTING: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'*')
    .remove(b'/')
    .remove(b' ');

/// Keys of a page, unless fewer are asked for.
const PAGE: usize = 1000;

impl Store {
    /// Does what is asked, at one moment.
    pub fn perform(&mut self, call: &Call) -> Response<Bytes> {
        let read = self.read(call);
        self.finish(call, read)
    }

    /// What a copy reads: its first half.
    pub fn read(&self, call: &Call) -> Read {
        Read(self.source(call))
    }

    /// The rest, with what was read before.
    pub fn finish(&mut self, call: &Call, read: Read) -> Response<Bytes> {
        self.answer(call, read)
            .unwrap_or_else(|refusal| refusal.answer(call))
    }

    fn answer(&mut self, call: &Call, read: Read) -> Result<Response<Bytes>, Refusal> {
        if call.operation == Operation::CreateBucket {
            return self.make_bucket(call);
        }
        self.bucket(call)?;
        let source = read.0?;
        match call.operation {
            Operation::CreateBucket | Operation::HeadBucket => Ok(with_status(200, Bytes::new())),
            Operation::GetBucketVersioning => self.versioning(call),
            Operation::PutBucketVersioning => self.turn_on_versioning(call),
            Operation::ListObjects => self.list(call),
            Operation::HeadObject => self.look(call),
            Operation::GetObject => self.get(call),
            Operation::GetObjectTagging => self.tagging(call),
            Operation::PutObject => self.put_object(call),
            Operation::CopyObject => self.copy(call, source.ok_or(Refusal::InvalidArgument)?),
            Operation::DeleteObject => self.remove(call),
            Operation::CreateMultipartUpload => self.begin_upload(call),
            Operation::UploadPart => self.upload_part(call),
            Operation::UploadPartCopy => {
                self.upload_part_copy(call, &source.ok_or(Refusal::InvalidArgument)?)
            }
            Operation::CompleteMultipartUpload => self.complete_upload(call),
            Operation::AbortMultipartUpload => self.abort_upload(call),
        }
    }

    fn bucket(&self, call: &Call) -> Result<&Bucket, Refusal> {
        self.buckets.get(&call.bucket).ok_or(Refusal::NoSuchBucket)
    }

    pub(crate) fn inside(&mut self, call: &Call) -> Result<&mut Bucket, Refusal> {
        let bucket = self.buckets.get_mut(&call.bucket);
        bucket.ok_or(Refusal::NoSuchBucket)
    }

    fn make_bucket(&mut self, call: &Call) -> Result<Response<Bytes>, Refusal> {
        if self.buckets.contains_key(&call.bucket) {
            return Err(Refusal::BucketAlreadyOwnedByYou);
        }
        self.create_bucket(&call.bucket);
        Ok(with_status(200, Bytes::new()))
    }

    fn versioning(&self, call: &Call) -> Result<Response<Bytes>, Refusal> {
        if !self.flavour.knows_versions() {
            return Err(Refusal::VersioningNotConfigured);
        }
        let versioned = self.bucket(call)?.versioned;
        Ok(xml("VersioningConfiguration", |configuration| {
            if versioned {
                leaf(configuration, "Status", "Enabled");
            }
        }))
    }

    fn turn_on_versioning(&mut self, call: &Call) -> Result<Response<Bytes>, Refusal> {
        if !self.flavour.knows_versions() {
            return Err(Refusal::VersioningNotConfigured);
        }
        let text = String::from_utf8_lossy(&call.body);
        // Suspended is a third state, and no test's.
        if !text.contains("<Status>Enabled</Status>") {
            return Err(Refusal::NotImplemented);
        }
        self.keep_versions(&call.bucket);
        Ok(with_status(200, Bytes::new()))
    }

    fn list(&self, call: &Call) -> Result<Response<Bytes>, Refusal> {
        let milliseconds = self.flavour.lists_milliseconds();
        let bucket = self.bucket(call)?;
        let prefix = call.parameter("prefix").unwrap_or_default();
        let after = call.parameter("continuation-token").map(decode_token);
        let most = call.parameter("max-keys").map(str::parse::<usize>);
        let most = most.transpose().map_err(|_| Refusal::InvalidArgument)?;
        let most = most.unwrap_or(PAGE).min(PAGE);
        let mut keys = bucket
            .objects
            .keys()
            .filter(|key| key.starts_with(prefix))
            .filter(|key| after.as_ref().is_none_or(|after| *key > after))
            .filter_map(|key| Some((key, bucket.shown(key)?)));
        let page: Vec<_> = keys.by_ref().take(most).collect();
        let last = page.last().filter(|_| keys.next().is_some());
        let encoded = call.parameter("encoding-type") == Some("url");
        Ok(xml("ListBucketResult", |result| {
            leaf(result, "Name", &call.bucket);
            leaf(
                result,
                "IsTruncated",
                if last.is_some() { "true" } else { "false" },
            );
            if encoded {
                leaf(result, "EncodingType", "url");
            }
            if let Some((key, _)) = last {
                leaf(result, "NextContinuationToken", &encode_key(key));
            }
            for (key, (object, content)) in &page {
                let mut line = result.start_el("Contents").finish();
                let key = if encoded {
                    encode_key(key)
                } else {
                    (*key).clone()
                };
                leaf(&mut line, "Key", &key);
                leaf(
                    &mut line,
                    "LastModified",
                    &iso_date(object.modified, milliseconds),
                );
                leaf(&mut line, "ETag", &quoted(&content.etag));
                leaf(&mut line, "Size", &content.bytes.len().to_string());
                line.finish();
            }
        }))
    }

    /// The version that a request names, or what its key shows.
    fn found(&self, call: &Call) -> Result<(&Object, &Content), Refusal> {
        let bucket = self.bucket(call)?;
        let Some(id) = call.version() else {
            return bucket.shown(&call.key).ok_or(Refusal::NoSuchKey);
        };
        let object = bucket
            .version(&call.key, id)
            .ok_or(Refusal::NoSuchVersion)?;
        let content = object.content.as_ref().ok_or(Refusal::MethodNotAllowed)?;
        Ok((object, content))
    }

    fn look(&self, call: &Call) -> Result<Response<Bytes>, Refusal> {
        let versioned = self.bucket(call)?.versioned;
        let (object, content) = self.found(call)?;
        is_met(call, "if-match", &content.etag)?;
        let mut answer = described(call, versioned, object, content);
        head(
            &mut answer,
            "content-length",
            &content.bytes.len().to_string(),
        );
        Ok(answer)
    }

    fn get(&self, call: &Call) -> Result<Response<Bytes>, Refusal> {
        let versioned = self.bucket(call)?.versioned;
        let (object, content) = self.found(call)?;
        is_met(call, "if-match", &content.etag)?;
        let mut answer = described(call, versioned, object, content);
        let size = content.bytes.len();
        match call.header("range") {
            None => *answer.body_mut() = content.bytes.clone(),
            Some(wanted) => {
                let part = range(&wanted, size)?;
                let said = format!("bytes {}-{}/{size}", part.start, part.end - 1);
                head(&mut answer, "content-range", &said);
                *answer.status_mut() = hyper::StatusCode::PARTIAL_CONTENT;
                *answer.body_mut() = content.bytes.slice(part);
            }
        }
        Ok(answer)
    }

    fn tagging(&self, call: &Call) -> Result<Response<Bytes>, Refusal> {
        let (_, content) = self.found(call)?;
        Ok(xml("Tagging", |tagging| {
            let mut set = tagging.start_el("TagSet").finish();
            for pair in content.tags.split('&').filter(|pair| !pair.is_empty()) {
                let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                let mut tag = set.start_el("Tag").finish();
                leaf(&mut tag, "Key", &decode_token(name));
                leaf(&mut tag, "Value", &decode_token(value));
                tag.finish();
            }
            set.finish();
        }))
    }

    fn put_object(&mut self, call: &Call) -> Result<Response<Bytes>, Refusal> {
        let content = call.content(call.body.clone())?;
        if let Some(claimed) = &content.sha256
            && !content.has_sha256(claimed)
        {
            return Err(Refusal::BadDigest);
        }
        let bucket = self.inside(call)?;
        absent(call, bucket)?;
        if call.header("if-match").is_some() {
            let (_, there) = bucket.shown(&call.key).ok_or(Refusal::NoSuchKey)?;
            is_met(call, "if-match", &there.etag)?;
        }
        let etag = quoted(&content.etag);
        let written = self.write(&call.bucket, &call.key, Some(content));
        let mut answer = with_status(200, Bytes::new());
        head(&mut answer, "etag", &etag);
        say_version(&mut answer, written.as_ref());
        Ok(answer)
    }

    /// What a copy reads, on its conditions on the source.
    fn source(&self, call: &Call) -> Result<Option<Content>, Refusal> {
        let Some(source) = call.source()? else {
            return Ok(None);
        };
        let bucket = self.buckets.get(&source.bucket);
        let bucket = bucket.ok_or(Refusal::NoSuchBucket)?;
        let content = match &source.version {
            None => bucket.shown(&source.key).map(|(_, content)| content),
            Some(id) => {
                let object = bucket.version(&source.key, id);
                let object = object.ok_or(Refusal::NoSuchVersion)?;
                object.content.as_ref()
            }
        };
        let content = content.ok_or(Refusal::NoSuchKey)?;
        is_met(call, "x-amz-copy-source-if-match", &content.etag)?;
        Ok(Some(content.clone()))
    }

    fn copy(&mut self, call: &Call, source: Content) -> Result<Response<Bytes>, Refusal> {
        let honours = self.flavour.honours_copy_if_absent();
        let bucket = self.inside(call)?;
        if honours {
            absent(call, bucket)?;
        }
        let asked = call.content(Bytes::new())?;
        let replaces = |directive: &str| call.header(directive).as_deref() == Some("REPLACE");
        // The tag of parts does not outlive a copy.
        let mut content = Content {
            sha256: source.sha256,
            ..Content::new(source.bytes)
        };
        (content.metadata, content.headers) = if replaces("x-amz-metadata-directive") {
            (asked.metadata, asked.headers)
        } else {
            (source.metadata, source.headers)
        };
        content.tags = if replaces("x-amz-tagging-directive") {
            asked.tags
        } else {
            source.tags
        };
        let etag = quoted(&content.etag);
        let written = self.write(&call.bucket, &call.key, Some(content));
        let modified = iso_date(self.clock, false);
        let mut answer = xml("CopyObjectResult", |result| {
            leaf(result, "LastModified", &modified);
            leaf(result, "ETag", &etag);
        });
        say_version(&mut answer, written.as_ref());
        Ok(answer)
    }

    fn remove(&mut self, call: &Call) -> Result<Response<Bytes>, Refusal> {
        self.may_remove(call)?;
        let mut answer = with_status(204, Bytes::new());
        let (marker, id) = match call.version() {
            Some(id) => {
                let removed = self.delete_version(&call.bucket, &call.key, id);
                let marker = removed.is_some_and(|removed| removed.content.is_none());
                (marker, Some(id.to_owned()))
            }
            None => {
                let marker = self.cover(&call.bucket, &call.key);
                (marker.is_some(), marker.and_then(|marker| marker.id))
            }
        };
        if marker {
            head(&mut answer, "x-amz-delete-marker", "true");
        }
        if let Some(id) = id {
            head(&mut answer, "x-amz-version-id", &id);
        }
        Ok(answer)
    }

    fn may_remove(&self, call: &Call) -> Result<(), Refusal> {
        let flavour = self.flavour;
        let conditional = call.header("if-match").is_some();
        if conditional && call.version().is_some() && !flavour.takes_version_and_tag() {
            return Err(Refusal::NotImplemented);
        }
        if !conditional || !flavour.honours_delete_if_match() {
            return Ok(());
        }
        match self.found(call) {
            Ok((_, content)) => is_met(call, "if-match", &content.etag),
            Err(_) if flavour.deletes_nothing_gladly() => Ok(()),
            Err(_) => Err(Refusal::PreconditionFailed),
        }
    }
}

impl Call {
    /// What is to be stored with `bytes`.
    pub(crate) fn content(&self, bytes: Bytes) -> Result<Content, Refusal> {
        let mut content = Content::new(bytes);
        for name in KEPT {
            if let Some(value) = self.header(name) {
                content.headers.insert(name.to_owned(), value);
            }
        }
        // Bodies in signed pieces are no test's.
        let pieces = content.headers.get("content-encoding");
        if pieces.is_some_and(|encoding| encoding.contains("aws-chunked")) {
            return Err(Refusal::NotImplemented);
        }
        content.metadata = self.headers_after("x-amz-meta-");
        content.tags = self.header("x-amz-tagging").unwrap_or_default();
        content.sha256 = self.header("x-amz-checksum-sha256");
        Ok(content)
    }
}

/// `If-None-Match: *`: nothing may be there.
pub(crate) fn absent(call: &Call, bucket: &Bucket) -> Result<(), Refusal> {
    match call.header("if-none-match") {
        Some(_) if bucket.shown(&call.key).is_some() => Err(Refusal::PreconditionFailed),
        _ => Ok(()),
    }
}

/// `If-Match`, or what a copy has in its place: the tag must be this one.
fn is_met(call: &Call, condition: &str, etag: &str) -> Result<(), Refusal> {
    match call.header(condition) {
        Some(wanted) if wanted != "*" && wanted.trim_matches('"') != etag => {
            Err(Refusal::PreconditionFailed)
        }
        _ => Ok(()),
    }
}

/// `bytes=1-2`, `bytes=1-` and `bytes=-2`.
pub(crate) fn range(wanted: &str, size: usize) -> Result<Range<usize>, Refusal> {
    let ends = wanted.strip_prefix("bytes=");
    let (first, last) = ends
        .and_then(|ends| ends.split_once('-'))
        .ok_or(Refusal::InvalidRange)?;
    let number = |text: &str| text.parse::<usize>().map_err(|_| Refusal::InvalidRange);
    let range = match (first, last) {
        ("", last) => size.saturating_sub(number(last)?)..size,
        (first, "") => number(first)?..size,
        (first, last) => number(first)?..size.min(number(last)?.saturating_add(1)),
    };
    if range.is_empty() {
        return Err(Refusal::InvalidRange);
    }
    Ok(range)
}

/// What `HEAD` and `GET` say in headers.
fn described(call: &Call, versioned: bool, object: &Object, content: &Content) -> Response<Bytes> {
    let mut answer = with_status(200, Bytes::new());
    head(&mut answer, "etag", &quoted(&content.etag));
    head(&mut answer, "last-modified", &http_date(object.modified));
    for (name, value) in &content.headers {
        head(&mut answer, name, value);
    }
    for (name, value) in &content.metadata {
        head(&mut answer, &format!("x-amz-meta-{name}"), value);
    }
    let asked = call.header("x-amz-checksum-mode").is_some();
    if let Some(sha256) = content.sha256.as_ref().filter(|_| asked) {
        head(&mut answer, "x-amz-checksum-sha256", sha256);
    }
    if versioned {
        let id = object.id.as_deref().unwrap_or("null");
        head(&mut answer, "x-amz-version-id", id);
    }
    answer
}

fn say_version(answer: &mut Response<Bytes>, written: Option<&Object>) {
    if let Some(id) = written.and_then(|written| written.id.as_deref()) {
        head(answer, "x-amz-version-id", id);
    }
}

fn encode_key(key: &str) -> String {
    utf8_percent_encode(key, IN_LISTING)
        .to_string()
        .replace(' ', "+")
}

/// The reverse, which is how tags are written too.
fn decode_token(token: &str) -> String {
    let spaced = token.replace('+', " ");
    percent_decode_str(&spaced).decode_utf8_lossy().into_owned()
}
