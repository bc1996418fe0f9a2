//! What a store says when it does not do what it was asked.

use bytes::Bytes;
use hyper::Response;

use crate::answer::{self, leaf};
use crate::{Call, Operation};

/// An error code of S3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// 400: a part or a whole has other bytes than its checksum says.
    BadDigest,
    /// 409: the bucket is there already.
    BucketAlreadyOwnedByYou,
    /// 409: another request was at it in the same moment.
    ConditionalRequestConflict,
    /// 500
    InternalError,
    /// 400: what is asked makes no sense.
    InvalidArgument,
    /// 400: an upload is completed with a part that is not there.
    InvalidPart,
    /// 416
    InvalidRange,
    /// 400: the body cannot be read.
    MalformedXml,
    /// 405: the version is a delete marker.
    MethodNotAllowed,
    /// 404
    NoSuchBucket,
    /// 404
    NoSuchKey,
    /// 404
    NoSuchUpload,
    /// 404
    NoSuchVersion,
    /// 501
    NotImplemented,
    /// 412
    PreconditionFailed,
    /// 503
    SlowDown,
    /// 501: this store knows no versions.
    VersioningNotConfigured,
}

impl Refusal {
    /// Status and code.
    fn parts(self) -> (u16, &'static str) {
        match self {
            Self::BadDigest => (400, "BadDigest"),
            Self::BucketAlreadyOwnedByYou => (409, "BucketAlreadyOwnedByYou"),
            Self::ConditionalRequestConflict => (409, "ConditionalRequestConflict"),
            Self::InternalError => (500, "InternalError"),
            Self::InvalidArgument => (400, "InvalidArgument"),
            Self::InvalidPart => (400, "InvalidPart"),
            Self::InvalidRange => (416, "InvalidRange"),
            Self::MalformedXml => (400, "MalformedXML"),
            Self::MethodNotAllowed => (405, "MethodNotAllowed"),
            Self::NoSuchBucket => (404, "NoSuchBucket"),
            Self::NoSuchKey => (404, "NoSuchKey"),
            Self::NoSuchUpload => (404, "NoSuchUpload"),
            Self::NoSuchVersion => (404, "NoSuchVersion"),
            Self::NotImplemented => (501, "NotImplemented"),
            Self::PreconditionFailed => (412, "PreconditionFailed"),
            Self::SlowDown => (503, "SlowDown"),
            Self::VersioningNotConfigured => (501, "VersioningNotConfigured"),
        }
    }

    /// The answer to `call`; `HEAD` has no body to say why.
    pub(crate) fn answer(self, call: &Call) -> Response<Bytes> {
        let (status, code) = self.parts();
        let bodiless = matches!(
            call.operation,
            Operation::HeadBucket | Operation::HeadObject
        );
        let body = if bodiless { Bytes::new() } else { body(code) };
        answer::with_status(status, body)
    }

    /// `200` around the error: a store that began its answer before it was done.
    pub(crate) fn within_success(self) -> Response<Bytes> {
        answer::with_status(200, body(self.parts().1))
    }

    /// The answer to what is no request of S3's.
    pub(crate) fn bare(self) -> Response<Bytes> {
        let (status, code) = self.parts();
        answer::with_status(status, body(code))
    }
}

fn body(code: &str) -> Bytes {
    answer::document("Error", None, |error| {
        leaf(error, "Code", code);
        leaf(error, "Message", "said by a store for tests");
    })
}
