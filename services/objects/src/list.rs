//! Listings.

use std::collections::VecDeque;

use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::primitives::DateTime;
use aws_sdk_s3::types::EncodingType;
use futures::Stream;
use futures::stream::try_unfold;
use proto::Version;

use crate::call::{Call, Operation, Request};
use crate::encoding::listed_key;
use crate::head::{size, version};
use crate::{Error, Objects, Result};

/// One line of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Key.
    pub key: String,
    /// Entity tag and `Last-Modified`; the version id only where that was asked for.
    pub version: Version,
    /// Bytes.
    pub size: u64,
}

/// Where a listing is.
struct Position {
    objects: Objects,
    bucket: String,
    prefix: String,
    versioned: bool,
    page: VecDeque<Result<Listed>>,
    next: Next,
}

/// How a listing goes on after its page.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Next {
    Start,
    /// `ContinuationToken`; of versions `KeyMarker` and `VersionIdMarker`.
    After(String, Option<String>),
    End,
}

/// An object as a listing has it.
struct Line<'a> {
    key: Option<&'a str>,
    etag: Option<&'a str>,
    last_modified: Option<&'a DateTime>,
    size: Option<i64>,
    version: Option<&'a str>,
}

impl Objects {
    /// Every object under `prefix`, in the store's order, a page at a time. An error in place of an
    /// object is about this line of the listing only, and others follow; an error of the stream ends
    /// it.
    ///
    /// `ListObjectsV2` knows no version ids: in a bucket with versions only `HEAD` tells the file id.
    pub fn list(
        &self,
        bucket: &str,
        prefix: &str,
    ) -> impl Stream<Item = Result<Result<Listed>>> + Send + use<> {
        self.list_with_versions(bucket, prefix, false)
    }

    /// What [`list`](Self::list) lists, with version ids if the bucket is `versioned`
    /// (`ListObjectVersions`, of which older versions and delete markers are left out).
    pub fn list_with_versions(
        &self,
        bucket: &str,
        prefix: &str,
        versioned: bool,
    ) -> impl Stream<Item = Result<Result<Listed>>> + Send + use<> {
        let start = Position {
            objects: self.clone(),
            bucket: bucket.to_owned(),
            prefix: prefix.to_owned(),
            versioned,
            page: VecDeque::new(),
            next: Next::Start,
        };
        Box::pin(try_unfold(start, |mut position| async move {
            loop {
                if let Some(line) = position.page.pop_front() {
                    return Ok(Some((line, position)));
                }
                if matches!(position.next, Next::End) {
                    return Ok(None);
                }
                let (page, next) = if position.versioned {
                    position.of_versions().await?
                } else {
                    position.of_objects().await?
                };
                if next == position.next {
                    return Err(Error::Refused(format!(
                        "{}: the listing does not go on: {next:?} comes after itself",
                        position.call()
                    )));
                }
                (position.page, position.next) = (page, next);
            }
        }))
    }
}

type Page = (VecDeque<Result<Listed>>, Next);

impl Position {
    fn call(&self) -> Call<'_> {
        Call {
            operation: if self.versioned {
                Operation::ListVersions
            } else {
                Operation::List
            },
            bucket: &self.bucket,
            key: &self.prefix,
        }
    }

    /// Where the next page begins.
    fn after(&self) -> (Option<String>, Option<String>) {
        match &self.next {
            Next::After(key, version) => (Some(key.clone()), version.clone()),
            Next::Start | Next::End => (None, None),
        }
    }

    async fn ask<O, E>(&self, request: Request<'_, O, E>) -> Result<O>
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        let call = self.call();
        let answer = self.objects.call(call, self.objects.timeout, request);
        answer.await.map_err(|failure| failure.into_error(call))
    }

    /// The next page.
    async fn of_objects(&self) -> Result<Page> {
        let (token, _) = self.after();
        let request = self
            .objects
            .client
            .list_objects_v2()
            .bucket(&self.bucket)
            .prefix(&self.prefix)
            .encoding_type(EncodingType::Url)
            .set_continuation_token(token);
        let output = self.ask(Box::pin(request.send())).await?;
        let encoded = output.encoding_type() == Some(&EncodingType::Url);
        let token = output.next_continuation_token().map(str::to_owned);
        let next = next(self.call(), output.is_truncated(), token, None)?;
        let lines = output.contents().iter().map(|object| Line {
            key: object.key(),
            etag: object.e_tag(),
            last_modified: object.last_modified(),
            size: object.size(),
            version: None,
        });
        let page = lines.map(|line| listed(self.call(), &line, encoded));
        Ok((page.collect(), next))
    }

    /// The next page of versions, and of these the newest.
    async fn of_versions(&self) -> Result<Page> {
        let (key, version) = self.after();
        let request = self
            .objects
            .client
            .list_object_versions()
            .bucket(&self.bucket)
            .prefix(&self.prefix)
            .encoding_type(EncodingType::Url)
            .set_key_marker(key)
            .set_version_id_marker(version);
        let output = self.ask(Box::pin(request.send())).await?;
        let encoded = output.encoding_type() == Some(&EncodingType::Url);
        let marker = output.next_key_marker();
        let marker = marker.map(|marker| decoded(self.call(), marker, encoded));
        let version = output.next_version_id_marker().map(str::to_owned);
        let next = next(
            self.call(),
            output.is_truncated(),
            marker.transpose()?,
            version,
        )?;
        let newest = output.versions().iter();
        // What a store does not say is looked at, and not passed over.
        let newest = newest.filter(|version| version.is_latest() != Some(false));
        let lines = newest.map(|version| Line {
            key: version.key(),
            etag: version.e_tag(),
            last_modified: version.last_modified(),
            size: version.size(),
            version: version.version_id(),
        });
        let page = lines.map(|line| listed(self.call(), &line, encoded));
        Ok((page.collect(), next))
    }
}

fn next(
    call: Call<'_>,
    is_truncated: Option<bool>,
    after: Option<String>,
    version: Option<String>,
) -> Result<Next> {
    match (is_truncated, after) {
        (Some(true), Some(after)) => Ok(Next::After(after, version)),
        // Ending here would hide the rest of the bucket.
        (Some(true), None) => Err(Error::Refused(format!(
            "{call}: the listing is cut off and does not say how it goes on"
        ))),
        _ => Ok(Next::End),
    }
}

fn listed(call: Call<'_>, line: &Line<'_>, encoded: bool) -> Result<Listed> {
    let written = line.key.unwrap_or_default();
    let of_line = Call {
        key: written,
        ..call
    };
    let version = version(of_line, line.etag, line.last_modified, line.version)?;
    let size = size(of_line, line.size)?;
    let key = decoded(call, written, encoded)?;
    Ok(Listed { key, version, size })
}

/// A key as it is.
fn decoded(call: Call<'_>, written: &str, encoded: bool) -> Result<String> {
    if !encoded {
        return Ok(written.to_owned());
    }
    listed_key(written)
        .ok_or_else(|| Error::Refused(format!("{call}: the key {written:?} is not UTF-8")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALL: Call<'static> = Call {
        operation: Operation::List,
        bucket: "b",
        key: "in/",
    };

    #[test]
    fn a_line_that_cannot_be_read_is_refused_by_its_key() {
        let at = DateTime::from_secs(1);
        let line = |key, last_modified| Line {
            key: Some(key),
            etag: Some("\"a\""),
            last_modified,
            size: Some(1),
            version: None,
        };
        let untimed = line("in/untimed", None);
        let torn = line("in/%ff", Some(&at));
        let whole = line("in/a+b", Some(&at));
        for (object, named) in [(untimed, "\"in/untimed\""), (torn, "\"in/%ff\"")] {
            let error = listed(CALL, &object, true).unwrap_err();
            assert!(matches!(error, Error::Refused(_)), "{error:?}");
            assert!(error.to_string().contains(named), "{error}");
        }
        assert_eq!(listed(CALL, &whole, true).unwrap().key, "in/a b");
    }
}
