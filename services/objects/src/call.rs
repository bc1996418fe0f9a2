//! One request: bounded, timed, measured, and its failure put into words.

use std::error::Error as _;
use std::pin::Pin;
use std::time::{Duration, Instant};

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use failpoint::Subject;
use metrics::{counter, histogram};
use runtime::telemetry;
use tracing::{Instrument, Span};

use crate::{Error, Objects};

/// What is measured of requests.
pub(crate) fn describe() {
    use metrics::Unit::{Count, Seconds};
    metrics::describe_histogram!(
        "landfall_objects_request_duration_seconds",
        Seconds,
        "How long the object store took to answer, by operation; waiting for a turn not counted"
    );
    metrics::describe_counter!(
        "landfall_objects_requests_failed_total",
        Count,
        "Requests that the object store did not do, by operation and kind: `unmet` preconditions \
         and `missing` objects are answers, not errors"
    );
    metrics::describe_counter!(
        "landfall_objects_resumed_total",
        Count,
        "Reads that were resumed after their connection broke or stalled"
    );
}

/// What is asked of the store, and about which object. Printed it is safe in a line of a log.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call<'a> {
    pub(crate) operation: Operation,
    pub(crate) bucket: &'a str,
    pub(crate) key: &'a str,
}

/// A request of the SDK's, on the heap: such a future has some 18 KiB.
pub(crate) type Request<'a, O, E> =
    Pin<Box<dyn Future<Output = Result<O, SdkError<E, HttpResponse>>> + Send + 'a>>;

/// The requests that Landfall makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Operation {
    Head,
    Get,
    List,
    ListVersions,
    Put,
    Copy,
    Delete,
    Versioning,
    Bucket,
    Tags,
    BeginUpload,
    SendPart,
    CopyPart,
    CompleteUpload,
    AbortUpload,
}

/// How a request can fail, before anybody knows what that means for the caller.
#[derive(Debug)]
pub(crate) enum Failure {
    /// There is no such object, version or setting of a bucket (404).
    Missing,
    /// A precondition was not met (412), or another request was at it in the same moment (409).
    Unmet,
    /// What a store in trouble says, and what it says of one object that is in trouble: access
    /// denied, or an internal error. [`Objects::judged`] finds out.
    Suspect(Error),
    /// The rest.
    Other(Error),
}

impl Failure {
    /// For callers who set no precondition and ask for no object in particular.
    pub(crate) fn into_error(self, call: Call<'_>) -> Error {
        match self {
            Self::Missing => Error::Refused(format!("{call}: not found")),
            Self::Unmet => Error::Refused(format!("{call}: a precondition was not met")),
            Self::Suspect(error) | Self::Other(error) => error,
        }
    }

    /// What the request's span says of it: what is an answer to its caller is no error.
    fn mark(&self, span: &Span) {
        match self {
            Self::Missing | Self::Unmet => span.record("landfall.answer", self.label()),
            Self::Suspect(error) | Self::Other(error) => {
                telemetry::failed(span, self.label(), &error.to_string());
                span
            }
        };
    }

    fn label(&self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Unmet => "unmet",
            Self::Suspect(error) | Self::Other(error) => error.label(),
        }
    }
}

impl Objects {
    /// Makes one request. At most `[objects] connections` are under way at once; a body that is
    /// read afterwards does not count, so that reading one object while writing another cannot
    /// lock up.
    pub(crate) async fn call<O, E>(
        &self,
        call: Call<'_>,
        timeout: Duration,
        request: Request<'_, O, E>,
    ) -> Result<O, Failure>
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        let Ok(_permit) = self.under_way.acquire().await else {
            let reason = format!("{call}: the client is closed");
            return Err(Failure::Other(Error::Away(reason)));
        };
        let operation = call.operation.name();
        let span = tracing::info_span!(
            target: telemetry::TARGET,
            "request",
            otel.name = format_args!("S3/{operation}"),
            otel.kind = "client",
            rpc.system = "aws-api",
            rpc.service = "S3",
            rpc.method = operation,
            aws.s3.bucket = call.bucket,
            aws.s3.key = call.key,
            server.address = &*self.endpoint,
            landfall.answer = tracing::field::Empty,
        );
        let start = Instant::now();
        let asked = tokio::time::timeout(timeout, request);
        let point = call.operation.failpoint();
        let asked = failpoint::around(point, Subject::named(call.key), asked);
        let answer = asked.instrument(span.clone()).await;
        let result = match answer {
            Ok(Ok(output)) => Ok(output),
            Ok(Err(error)) => Err(classify(call, &self.endpoint, &error)),
            Err(_) => Err(Failure::Other(Error::Away(format!(
                "{call}: no answer from {} within {timeout:?}",
                self.endpoint
            )))),
        };
        histogram!("landfall_objects_request_duration_seconds", "operation" => operation)
            .record(start.elapsed().as_secs_f64());
        if let Err(failure) = &result {
            counter!("landfall_objects_requests_failed_total", "operation" => operation, "kind" => failure.label())
                .increment(1);
            failure.mark(&span);
        }
        result
    }
}

fn classify<E>(call: Call<'_>, endpoint: &str, error: &SdkError<E, HttpResponse>) -> Failure
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    let Some(response) = error.raw_response() else {
        return Failure::Other(without_answer(call, endpoint, error));
    };
    let status = response.status().as_u16();
    match error.as_service_error() {
        Some(service) => of_answer(
            call,
            status,
            service.code().unwrap_or_default(),
            service.message().unwrap_or_default(),
        ),
        None if status == 500 => Failure::Suspect(Error::Away(format!("{call}: status {status}"))),
        None if status >= 500 => Failure::Other(Error::Away(format!("{call}: status {status}"))),
        None => Failure::Other(Error::Refused(format!(
            "{call}: the answer (status {status}) cannot be read: {}; check `[objects] endpoint`",
            causes(error)
        ))),
    }
}

/// No answer came: nobody listens, the connection broke, or there was nothing to sign with.
fn without_answer<E>(call: Call<'_>, endpoint: &str, error: &SdkError<E, HttpResponse>) -> Error
where
    E: std::error::Error + Send + Sync + 'static,
{
    // The outermost names a part of the SDK only.
    let causes = error.source().map_or_else(|| causes(error), causes);
    match error {
        SdkError::ConstructionFailure(_) => Error::Refused(format!("{call}: {causes}")),
        _ if causes.contains("credential") => Error::Denied(format!(
            "{call}: no credentials ({causes}): set `[objects] access_key` and `secret_key`"
        )),
        _ if causes.contains("certificate") => Error::Denied(format!(
            "{call}: {endpoint} is not trusted ({causes}): let `[objects] ca_file` be the authority \
             that signed its certificate"
        )),
        _ => Error::Away(format!("{call}: no answer from {endpoint}: {causes}")),
    }
}

/// What a status and an S3 error code mean. The code goes first: some errors come with status 200.
fn of_answer(call: Call<'_>, status: u16, code: &str, message: &str) -> Failure {
    let Call {
        operation, bucket, ..
    } = call;
    let said = || match (code, message) {
        ("", "") => format!("status {status}"),
        (code, "") => format!("{code} (status {status})"),
        (code, message) => format!("{code}: {} (status {status})", one_line(message)),
    };
    let away = || Failure::Other(Error::Away(format!("{call}: {}", said())));
    let denied = |why: &str| Failure::Other(Error::Denied(format!("{call}: {why}")));
    match code {
        "InternalError" => Failure::Suspect(Error::Away(format!("{call}: {}", said()))),
        "SlowDown"
        | "ServiceUnavailable"
        | "RequestTimeout"
        | "Throttling"
        | "ThrottlingException"
        | "TooManyRequests"
        | "RequestLimitExceeded" => away(),
        "NoSuchBucket" => denied(&format!(
            "there is no bucket `{bucket}`: create it, or correct its name in the configuration"
        )),
        "InvalidAccessKeyId" => {
            denied("the store does not know the access key: check `[objects] access_key`")
        }
        "SignatureDoesNotMatch" => {
            denied("the store refuses the signature: check `[objects] secret_key`")
        }
        "RequestTimeTooSkewed" => {
            denied("the store's clock and this machine's differ too much: set them right")
        }
        "ExpiredToken" | "InvalidToken" | "TokenRefreshRequired" => {
            denied("the temporary credentials are not valid any more: renew them")
        }
        "PermanentRedirect" | "AuthorizationHeaderMalformed" | "TemporaryRedirect" => {
            denied(&format!(
                "bucket `{bucket}` is in another region: check `[objects] region` ({})",
                said()
            ))
        }
        "KeyTooLongError" | "KeyTooLong" | "XMinioInvalidObjectName" | "InvalidObjectName" => {
            Failure::Other(Error::BadKey(format!("{call}: {}", said())))
        }
        // What versitygw says, with status 501.
        "VersioningNotConfigured" => Failure::Missing,
        // An object in an archive tier: the credentials are right, the object cannot be read.
        "InvalidObjectState" => Failure::Other(Error::Refused(format!("{call}: {}", said()))),
        _ => match status {
            404 => Failure::Missing,
            409 | 412 => Failure::Unmet,
            401 | 403 => Failure::Suspect(Error::Denied(format!(
                "{call}: access denied: the credentials need {} ({})",
                operation.rights(),
                said()
            ))),
            400 if operation == Operation::Bucket => denied(
                "the store refuses what it is asked: check `[objects] region`, `access_key` and \
                 `secret_key`, and whether temporary credentials have expired",
            ),
            301 | 307 => denied(&format!(
                "bucket `{bucket}` is in another region: check `[objects] region`"
            )),
            408 | 429 => away(),
            501 if matches!(operation, Operation::Versioning | Operation::Tags) => Failure::Missing,
            500 => Failure::Suspect(Error::Away(format!("{call}: {}", said()))),
            501 => Failure::Other(Error::Refused(format!("{call}: {}", said()))),
            502.. => away(),
            _ => Failure::Other(Error::Refused(format!("{call}: {}", said()))),
        },
    }
}

impl Operation {
    /// As S3 calls it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Head => "HeadObject",
            Self::Get => "GetObject",
            Self::List => "ListObjectsV2",
            Self::ListVersions => "ListObjectVersions",
            Self::Put => "PutObject",
            Self::Copy => "CopyObject",
            Self::Delete => "DeleteObject",
            Self::Versioning => "GetBucketVersioning",
            Self::Bucket => "HeadBucket",
            Self::Tags => "GetObjectTagging",
            Self::BeginUpload => "CreateMultipartUpload",
            Self::SendPart => "UploadPart",
            Self::CopyPart => "UploadPartCopy",
            Self::CompleteUpload => "CompleteMultipartUpload",
            Self::AbortUpload => "AbortMultipartUpload",
        }
    }

    fn failpoint(self) -> failpoint::Call {
        match self {
            Self::Head => failpoint::Call::ObjectsHead,
            Self::Get => failpoint::Call::ObjectsGet,
            Self::List | Self::ListVersions => failpoint::Call::ObjectsList,
            Self::Put | Self::SendPart => failpoint::Call::ObjectsPut,
            Self::Copy => failpoint::Call::ObjectsCopy,
            Self::Tags => failpoint::Call::ObjectsTags,
            Self::BeginUpload => failpoint::Call::ObjectsBeginUpload,
            Self::CopyPart => failpoint::Call::ObjectsCopyPart,
            Self::CompleteUpload => failpoint::Call::ObjectsCompleteUpload,
            Self::AbortUpload => failpoint::Call::ObjectsAbortUpload,
            Self::Delete => failpoint::Call::ObjectsDelete,
            Self::Versioning => failpoint::Call::ObjectsVersioning,
            Self::Bucket => failpoint::Call::ObjectsBucket,
        }
    }

    /// The rights it needs, as policies call them.
    fn rights(self) -> &'static str {
        match self {
            Self::Head => {
                "`s3:GetObject` (`s3:GetObjectVersion` in a versioned bucket, `kms:Decrypt` where \
                 KMS encrypts it) on the object, and `s3:ListBucket` on the bucket, without which \
                 a missing object looks forbidden"
            }
            Self::Get => {
                "`s3:GetObject` (`s3:GetObjectVersion` in a versioned bucket, `kms:Decrypt` where \
                 KMS encrypts it)"
            }
            Self::List | Self::Bucket => "`s3:ListBucket`",
            Self::ListVersions => "`s3:ListBucketVersions`",
            Self::Put | Self::SendPart | Self::CompleteUpload => "`s3:PutObject`",
            Self::BeginUpload => {
                "`s3:PutObject`, and `s3:PutObjectTagging` for a copy of what has tags"
            }
            Self::AbortUpload => "`s3:AbortMultipartUpload`",
            Self::Tags => {
                "`s3:GetObjectTagging` (`s3:GetObjectVersionTagging` in a versioned bucket)"
            }
            Self::CopyPart => {
                "`s3:GetObject` (`s3:GetObjectVersion` in a versioned bucket) on the source, \
                 `s3:PutObject` on the destination"
            }
            Self::Copy => {
                "`s3:GetObject` and `s3:GetObjectTagging` (`s3:GetObjectVersion`, \
                 `s3:GetObjectVersionTagging` in a versioned bucket) on the source, \
                 `s3:PutObject` and `s3:PutObjectTagging` on the destination"
            }
            Self::Delete => "`s3:DeleteObject` (`s3:DeleteObjectVersion` in a versioned bucket)",
            Self::Versioning => "`s3:GetBucketVersioning`",
        }
    }
}

impl std::fmt::Display for Call<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Keys are whatever somebody uploaded: escaped, so that a line stays a line.
        write!(
            f,
            "{} of {:?} in bucket `{}`",
            self.operation.name(),
            self.key,
            self.bucket
        )
    }
}

/// An error and its causes in one line, without saying the same twice.
pub(crate) fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut line = one_line(&error.to_string());
    let mut next = error.source();
    while let Some(cause) = next {
        let text = one_line(&cause.to_string());
        if !line.contains(&text) {
            line = format!("{line}: {text}");
        }
        next = cause.source();
    }
    line
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALL: Call<'static> = Call {
        operation: Operation::Get,
        bucket: "sensors",
        key: "in/a\nb.csv",
    };

    fn line(status: u16, code: &str, message: &str) -> (&'static str, String) {
        let failure = of_answer(CALL, status, code, message);
        (failure.label(), failure.into_error(CALL).to_string())
    }

    #[test]
    fn a_missing_right_names_action_bucket_and_key_in_one_line() {
        let (kind, line) = line(403, "AccessDenied", "Access\nDenied.");
        assert_eq!(kind, "denied");
        assert_eq!(
            line,
            "GetObject of \"in/a\\nb.csv\" in bucket `sensors`: access denied: the credentials need \
             `s3:GetObject` (`s3:GetObjectVersion` in a versioned bucket, `kms:Decrypt` where KMS \
             encrypts it) (AccessDenied: Access Denied. (status 403))"
        );
    }

    #[test]
    fn what_passes_by_itself_is_an_outage_whatever_its_status() {
        for (status, code) in [
            (200, "InternalError"),
            (400, "RequestTimeout"),
            (408, ""),
            (429, ""),
            (500, ""),
            (502, ""),
            (503, "SlowDown"),
            (507, "StorageFull"),
        ] {
            assert_eq!(line(status, code, "").0, "away", "{status} {code}");
        }
    }

    #[test]
    fn what_a_person_must_mend_names_the_setting() {
        for (status, code, setting) in [
            (403, "InvalidAccessKeyId", "`[objects] access_key`"),
            (403, "SignatureDoesNotMatch", "`[objects] secret_key`"),
            (404, "NoSuchBucket", "bucket `sensors`"),
            (301, "", "`[objects] region`"),
            (400, "AuthorizationHeaderMalformed", "`[objects] region`"),
            (403, "RequestTimeTooSkewed", "clock"),
            (400, "ExpiredToken", "temporary credentials"),
        ] {
            let (kind, line) = line(status, code, "");
            assert_eq!(kind, "denied", "{code}");
            assert!(line.contains(setting), "{line}");
        }
    }

    #[test]
    fn a_missing_object_is_not_a_missing_bucket() {
        assert_eq!(line(404, "NoSuchKey", "").0, "missing");
        assert_eq!(line(404, "NoSuchVersion", "").0, "missing");
        assert_eq!(line(404, "", "").0, "missing");
    }

    #[test]
    fn what_will_not_change_is_refused() {
        assert_eq!(line(400, "InvalidArgument", "").0, "refused");
        assert_eq!(line(501, "NotImplemented", "").0, "refused");
        assert_eq!(line(403, "InvalidObjectState", "").0, "refused");
        assert_eq!(line(400, "KeyTooLongError", "").0, "bad_key");
    }
}
