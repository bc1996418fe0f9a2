//! Answers, and their XML.

use aws_smithy_xml::encode::{ScopeWriter, XmlWriter};
use bytes::Bytes;
use hyper::header::{HeaderName, HeaderValue};
use hyper::{Response, StatusCode};
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimePrinter;

/// The namespace of S3's documents.
pub(crate) const NAMESPACE: &str = "http://s3.amazonaws.com/doc/2006-03-01/";

pub(crate) fn with_status(status: u16, body: Bytes) -> Response<Bytes> {
    let mut answer = Response::new(body);
    *answer.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    answer
}

/// `200` and a document.
pub(crate) fn xml(root: &str, fill: impl FnOnce(&mut ScopeWriter<'_, '_>)) -> Response<Bytes> {
    with_status(200, document(root, Some(NAMESPACE), fill))
}

pub(crate) fn document(
    root: &str,
    namespace: Option<&str>,
    fill: impl FnOnce(&mut ScopeWriter<'_, '_>),
) -> Bytes {
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let mut writer = XmlWriter::new(&mut text);
    let mut element = writer.start_el(root);
    if let Some(namespace) = namespace {
        element = element.write_ns(namespace, None);
    }
    let mut scope = element.finish();
    fill(&mut scope);
    scope.finish();
    text.into()
}

/// `<name>text</name>`
pub(crate) fn leaf(within: &mut ScopeWriter<'_, '_>, name: &str, text: &str) {
    let mut element = within.start_el(name).finish();
    element.data(text);
    element.finish();
}

/// Adds a header; one that HTTP has no way to write is left out.
pub(crate) fn head(answer: &mut Response<Bytes>, name: &str, value: &str) {
    let name = HeaderName::from_bytes(name.as_bytes());
    if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(value.as_bytes())) {
        answer.headers_mut().insert(name, value);
    }
}

/// As a header says it: in whole seconds.
pub(crate) fn http_date(time: Timestamp) -> String {
    let printed = DateTimePrinter::new().timestamp_to_rfc9110_string(&time);
    printed.unwrap_or_default()
}

/// As a document says it.
pub(crate) fn iso_date(time: Timestamp, milliseconds: bool) -> String {
    let time = if milliseconds {
        time
    } else {
        Timestamp::from_second(time.as_second()).unwrap_or(time)
    };
    time.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

pub(crate) fn quoted(etag: &str) -> String {
    format!("\"{etag}\"")
}
