//! Listings.

use std::collections::VecDeque;

use aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Output;
use aws_sdk_s3::types::{EncodingType, Object};
use futures::Stream;
use futures::stream::try_unfold;
use proto::Version;

use crate::call::{Call, Operation};
use crate::encoding::listed_key;
use crate::head::{size, version};
use crate::{Error, Objects, Result};

/// One line of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Key.
    pub key: String,
    /// Entity tag and `Last-Modified`. `LIST` knows no version ids: in a versioned bucket only
    /// `HEAD` tells the file id.
    pub version: Version,
    /// Bytes.
    pub size: u64,
}

/// Where a listing is.
struct Position {
    objects: Objects,
    bucket: String,
    prefix: String,
    page: VecDeque<Result<Listed>>,
    next: Next,
}

/// How a listing goes on after its page.
enum Next {
    Start,
    After(String),
    End,
}

impl Objects {
    /// Every object under `prefix`, in the store's order, a page at a time. An error in place of an
    /// object is about this line of the listing only, and others follow; an error of the stream ends
    /// it.
    pub fn list(
        &self,
        bucket: &str,
        prefix: &str,
    ) -> impl Stream<Item = Result<Result<Listed>>> + Send + use<> {
        let start = Position {
            objects: self.clone(),
            bucket: bucket.to_owned(),
            prefix: prefix.to_owned(),
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
                position.turn().await?;
            }
        }))
    }
}

impl Position {
    /// Fetches the next page.
    async fn turn(&mut self) -> Result<()> {
        let call = Call {
            operation: Operation::List,
            bucket: &self.bucket,
            key: &self.prefix,
        };
        let token = match &self.next {
            Next::After(token) => Some(token.clone()),
            Next::Start | Next::End => None,
        };
        let request = self
            .objects
            .client
            .list_objects_v2()
            .bucket(&self.bucket)
            .prefix(&self.prefix)
            .encoding_type(EncodingType::Url)
            .set_continuation_token(token)
            .send();
        let output = self
            .objects
            .call(call, self.objects.timeout, Box::pin(request))
            .await
            .map_err(|failure| failure.into_error(call))?;
        let encoded = output.encoding_type() == Some(&EncodingType::Url);
        let next = next(call, &output)?;
        self.page = output
            .contents()
            .iter()
            .map(|object| listed(call, object, encoded))
            .collect();
        self.next = next;
        Ok(())
    }
}

fn next(call: Call<'_>, output: &ListObjectsV2Output) -> Result<Next> {
    match (output.is_truncated(), output.next_continuation_token()) {
        (Some(true), Some(token)) => Ok(Next::After(token.to_owned())),
        // Ending here would hide the rest of the bucket.
        (Some(true), None) => Err(Error::Refused(format!(
            "{call}: the listing is cut off and does not say how it goes on"
        ))),
        _ => Ok(Next::End),
    }
}

fn listed(call: Call<'_>, object: &Object, encoded: bool) -> Result<Listed> {
    let written = object.key().unwrap_or_default();
    let line = Call {
        key: written,
        ..call
    };
    let version = version(line, object.e_tag(), object.last_modified(), None)?;
    let size = size(line, object.size())?;
    let key = if encoded {
        listed_key(written)
            .ok_or_else(|| Error::Refused(format!("{call}: the key {written:?} is not UTF-8")))?
    } else {
        written.to_owned()
    };
    Ok(Listed { key, version, size })
}

#[cfg(test)]
mod tests {
    use aws_sdk_s3::primitives::DateTime;

    use super::*;

    const CALL: Call<'static> = Call {
        operation: Operation::List,
        bucket: "b",
        key: "in/",
    };

    #[test]
    fn a_line_that_cannot_be_read_is_refused_by_its_key() {
        let line = || Object::builder().size(1).e_tag("\"a\"");
        let at = DateTime::from_secs(1);
        let untimed = line().key("in/untimed").build();
        let torn = line().key("in/%ff").last_modified(at).build();
        let whole = line().key("in/a+b").last_modified(at).build();
        for (object, named) in [(untimed, "\"in/untimed\""), (torn, "\"in/%ff\"")] {
            let error = listed(CALL, &object, true).unwrap_err();
            assert!(matches!(error, Error::Refused(_)), "{error:?}");
            assert!(error.to_string().contains(named), "{error}");
        }
        assert_eq!(listed(CALL, &whole, true).unwrap().key, "in/a b");
    }
}
