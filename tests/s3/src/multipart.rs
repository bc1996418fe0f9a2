//! Uploads in parts.

use std::collections::BTreeMap;

use aws_smithy_xml::decode::{Document, try_data};
use bytes::Bytes;
use hyper::Response;

use crate::answer::{head, leaf, quoted, with_status, xml};
use crate::perform::{absent, range};
use crate::store::Bucket;
use crate::{Call, Content, Refusal, Store};

/// An upload that is not complete.
#[derive(Clone, Debug)]
pub(crate) struct Upload {
    key: String,
    /// What will be with the bytes.
    content: Content,
    /// By their numbers.
    parts: BTreeMap<u32, Content>,
}

impl Store {
    pub(crate) fn begin_upload(&mut self, call: &Call) -> Result<Response<Bytes>, Refusal> {
        let upload = Upload {
            key: call.key.clone(),
            content: call.content(Bytes::new())?,
            parts: BTreeMap::new(),
        };
        let id = self.next_id();
        self.inside(call)?.uploads.insert(id.clone(), upload);
        Ok(xml("InitiateMultipartUploadResult", |result| {
            leaf(result, "Bucket", &call.bucket);
            leaf(result, "Key", &call.key);
            leaf(result, "UploadId", &id);
        }))
    }

    pub(crate) fn upload_part(&mut self, call: &Call) -> Result<Response<Bytes>, Refusal> {
        let part = Content::new(call.body.clone());
        let mut answer = with_status(200, Bytes::new());
        head(&mut answer, "etag", &quoted(&part.etag));
        self.inside(call)?.keep_part(call, part)?;
        Ok(answer)
    }

    pub(crate) fn upload_part_copy(
        &mut self,
        call: &Call,
        source: &Content,
    ) -> Result<Response<Bytes>, Refusal> {
        let bytes = match call.header("x-amz-copy-source-range") {
            Some(wanted) => source.bytes.slice(range(&wanted, source.bytes.len())?),
            None => source.bytes.clone(),
        };
        let part = Content::new(bytes);
        let etag = quoted(&part.etag);
        self.inside(call)?.keep_part(call, part)?;
        Ok(xml("CopyPartResult", |result| leaf(result, "ETag", &etag)))
    }

    pub(crate) fn complete_upload(&mut self, call: &Call) -> Result<Response<Bytes>, Refusal> {
        let bucket = self.inside(call)?;
        let id = call.parameter("uploadId").unwrap_or_default();
        let upload = bucket.upload(call)?;
        let parts = listed(&call.body)?
            .iter()
            .map(|(number, etag)| upload.part(*number, etag))
            .collect::<Result<Vec<_>, _>>()?;
        let whole = Content::of_parts(parts.into_iter().map(|part| &part.bytes));
        let content = Content {
            bytes: whole.bytes,
            etag: whole.etag,
            ..upload.content.clone()
        };
        absent(call, bucket)?;
        bucket.uploads.remove(id);
        let etag = quoted(&content.etag);
        let written = self.write(&call.bucket, &call.key, Some(content));
        let mut answer = xml("CompleteMultipartUploadResult", |result| {
            leaf(result, "Bucket", &call.bucket);
            leaf(result, "Key", &call.key);
            leaf(result, "ETag", &etag);
        });
        if let Some(id) = written.and_then(|written| written.id) {
            head(&mut answer, "x-amz-version-id", &id);
        }
        Ok(answer)
    }

    pub(crate) fn abort_upload(&mut self, call: &Call) -> Result<Response<Bytes>, Refusal> {
        let bucket = self.inside(call)?;
        bucket.upload(call)?;
        let id = call.parameter("uploadId").unwrap_or_default();
        bucket.uploads.remove(id);
        Ok(with_status(204, Bytes::new()))
    }
}

impl Bucket {
    fn upload(&self, call: &Call) -> Result<&Upload, Refusal> {
        let id = call.parameter("uploadId").unwrap_or_default();
        let upload = self.uploads.get(id);
        upload
            .filter(|upload| upload.key == call.key)
            .ok_or(Refusal::NoSuchUpload)
    }

    fn keep_part(&mut self, call: &Call, part: Content) -> Result<(), Refusal> {
        self.upload(call)?;
        let number = call.parameter("partNumber").unwrap_or_default();
        let number = number.parse().map_err(|_| Refusal::InvalidArgument)?;
        let id = call.parameter("uploadId").unwrap_or_default();
        if let Some(upload) = self.uploads.get_mut(id) {
            upload.parts.insert(number, part);
        }
        Ok(())
    }
}

impl Upload {
    fn part(&self, number: u32, etag: &str) -> Result<&Content, Refusal> {
        let part = self.parts.get(&number);
        part.filter(|part| part.etag == etag)
            .ok_or(Refusal::InvalidPart)
    }
}

/// Number and tag of each part, as the document lists them: in the order of their numbers.
fn listed(body: &Bytes) -> Result<Vec<(u32, String)>, Refusal> {
    let text = std::str::from_utf8(body).map_err(|_| Refusal::MalformedXml)?;
    let mut document = Document::new(text);
    let mut root = document.root_element().map_err(|_| Refusal::MalformedXml)?;
    let mut parts = vec![];
    while let Some(mut part) = root.next_tag() {
        let (mut number, mut etag) = (None, None);
        while let Some(mut field) = part.next_tag() {
            let name = field.start_el().local().to_owned();
            let text = try_data(&mut field).map_err(|_| Refusal::MalformedXml)?;
            match name.as_str() {
                "PartNumber" => number = text.trim().parse().ok(),
                "ETag" => etag = Some(text.trim().trim_matches('"').to_owned()),
                _ => {}
            }
        }
        parts.push(number.zip(etag).ok_or(Refusal::MalformedXml)?);
    }
    if parts.is_empty() || !parts.is_sorted_by(|one, two| one.0 < two.0) {
        return Err(Refusal::InvalidPart);
    }
    Ok(parts)
}
