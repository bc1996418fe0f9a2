//! Reading exactly one version, whatever happens to the connection or the object meanwhile.

use std::time::Duration;

use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;
use proto::Version;
use proto::event::{Location, Vanished};
use tokio::time::{sleep, timeout};

use crate::blame::blamed;
use crate::call::{Call, Failure, Operation, causes};
use crate::head::{size, version};
use crate::{Error, Objects, Result};

/// How often a body is resumed in a row without a byte in between.
const RESUMES: u32 = 5;

/// The first pause before a body is resumed; it doubles each time.
const PAUSE: Duration = Duration::from_millis(100);

/// The bytes of one version. A connection that breaks or stalls is resumed where it broke, with
/// the same precondition, so that what is read is always one version's. Holds what the connection
/// buffers (under 1 MiB), no more.
#[derive(Debug)]
pub struct Body {
    objects: Objects,
    location: Location,
    version: Version,
    size: u64,
    /// How many bytes have been handed out.
    offset: u64,
    /// None between a break and its resumption, and after the last byte.
    stream: Option<ByteStream>,
    /// Breaks since the last byte.
    breaks: u32,
    /// Whether another object could be read meanwhile.
    suspected: bool,
}

impl Objects {
    /// Reads exactly `version`. [`Error::Vanished`] if it is not there any more, also in the
    /// middle of the read.
    pub async fn get(&self, bucket: &str, key: &str, version: &Version, size: u64) -> Result<Body> {
        let mut body = Body {
            objects: self.clone(),
            location: Location {
                bucket: bucket.to_owned(),
                key: key.to_owned(),
            },
            version: version.clone(),
            size,
            offset: 0,
            stream: None,
            breaks: 0,
            suspected: false,
        };
        body.stream = Some(body.open().await?);
        Ok(body)
    }

    /// Whether the first byte of an object can be read.
    pub(crate) async fn can_read(&self, call: Call<'_>) -> bool {
        let request = self
            .client
            .get_object()
            .bucket(call.bucket)
            .key(call.key)
            .range("bytes=0-0")
            .send();
        match self.call(call, self.timeout, Box::pin(request)).await {
            Ok(mut output) => {
                let byte = timeout(self.timeout, output.body.next()).await;
                matches!(byte, Ok(Some(Ok(_))))
            }
            Err(_) => false,
        }
    }
}

impl Body {
    /// The next bytes, none at the end. May be dropped and called again.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>> {
        loop {
            let broken = match self.next().await {
                Ok(Some(bytes)) if bytes.is_empty() => continue,
                Ok(Some(bytes)) => return self.advance(bytes).map(Some),
                Ok(None) if self.offset == self.size => {
                    if self.size > 0 {
                        self.objects.worked.note(self.call());
                    }
                    return Ok(None);
                }
                Ok(None) => "it ended early".to_owned(),
                Err(broken) => broken,
            };
            self.stream = None;
            self.resume(broken).await?;
        }
    }

    /// The next bytes of the connection at hand, or how it broke.
    async fn next(&mut self) -> Result<Option<Bytes>, String> {
        let Some(stream) = &mut self.stream else {
            return Ok(None);
        };
        match timeout(self.objects.timeout, stream.next()).await {
            Ok(Some(Ok(bytes))) => Ok(Some(bytes)),
            Ok(None) => Ok(None),
            Ok(Some(Err(error))) => Err(causes(&error)),
            Err(_) => Err(format!("no byte within {:?}", self.objects.timeout)),
        }
    }

    fn advance(&mut self, bytes: Bytes) -> Result<Bytes> {
        (self.breaks, self.suspected) = (0, false);
        self.offset += bytes.len() as u64;
        if self.offset > self.size {
            return Err(Error::Refused(format!(
                "{}: more than the {} bytes it should have",
                self.call(),
                self.size
            )));
        }
        Ok(bytes)
    }

    /// Opens a connection again where the last one broke, after a pause. Where that helps nothing,
    /// the object is to blame if another can be read, and if it breaks as often again after that.
    async fn resume(&mut self, mut broken: String) -> Result<()> {
        loop {
            while self.breaks < RESUMES {
                sleep(PAUSE * 2u32.pow(self.breaks)).await;
                self.breaks += 1;
                match self.open().await {
                    Ok(stream) => {
                        self.stream = Some(stream);
                        metrics::counter!("landfall_objects_resumed_total").increment(1);
                        return Ok(());
                    }
                    Err(Error::Away(reason)) => broken = reason,
                    Err(error) => return Err(error),
                }
            }
            self.breaks = 0;
            let error = Error::Away(format!(
                "{}: broke at byte {} of {}: {broken}",
                self.call(),
                self.offset,
                self.size
            ));
            if self.suspected {
                return Err(blamed(&error));
            }
            self.suspected = self.objects.works_for_another(self.call(), &error).await;
            if !self.suspected {
                return Err(error);
            }
        }
    }

    /// One `GET` of the rest, under the precondition.
    async fn open(&self) -> Result<ByteStream> {
        match self.objects.judged(self.call(), || self.ask()).await {
            Ok(output) => {
                self.check(&output)?;
                Ok(output.body)
            }
            // Believed only of a store that has the bucket: see `head`.
            Err(Failure::Missing) => {
                self.objects.must_exist(&self.location.bucket).await?;
                Err(Error::Vanished(Vanished::Gone))
            }
            Err(Failure::Unmet) => self.why_unmet().await,
            Err(failure) => Err(failure.into_error(self.call())),
        }
    }

    async fn ask(&self) -> Result<GetObjectOutput, Failure> {
        let Self {
            objects,
            location,
            version,
            offset,
            ..
        } = self;
        let mut request = objects
            .client
            .get_object()
            .bucket(&location.bucket)
            .key(&location.key);
        // A version id names exactly one version; without one, the tag must still be the same.
        request = match &version.id {
            Some(id) => request.version_id(id),
            None => request.if_match(format!("\"{}\"", version.etag)),
        };
        if *offset > 0 {
            request = request.range(format!("bytes={offset}-"));
        }
        objects
            .call(self.call(), objects.timeout, Box::pin(request.send()))
            .await
    }

    /// The answer must be about this version and go on at this byte, whether or not the store
    /// looked at the precondition: the same bytes uploaded again are another version with the same
    /// tag.
    fn check(&self, output: &GetObjectOutput) -> Result<()> {
        let answered = version(
            self.call(),
            output.e_tag(),
            output.last_modified(),
            output.version_id(),
        )?;
        let same = match &self.version.id {
            Some(id) => answered.id.as_ref().is_none_or(|answered| answered == id),
            None => {
                answered.etag == self.version.etag
                    && answered.last_modified == self.version.last_modified
            }
        };
        if !same {
            return Err(Error::Vanished(Vanished::Replaced));
        }
        let starts_right = self.offset == 0
            || output
                .content_range()
                .is_some_and(|range| range.starts_with(&format!("bytes {}-", self.offset)));
        let rest = size(self.call(), output.content_length())?;
        if !starts_right || rest != self.size - self.offset {
            return Err(Error::Refused(format!(
                "{}: asked for bytes {} to {}, got {rest} bytes of {}",
                self.call(),
                self.offset,
                self.size,
                output.content_range().unwrap_or("the whole")
            )));
        }
        Ok(())
    }

    /// `If-Match` was not met: the object is gone or replaced. Or it was so for a moment only
    /// (409), and is tried again.
    async fn why_unmet(&self) -> Result<ByteStream> {
        let Location { bucket, key } = &self.location;
        match self.objects.head(bucket, key).await? {
            None => Err(Error::Vanished(Vanished::Gone)),
            Some(head) if head.version != self.version => Err(Error::Vanished(Vanished::Replaced)),
            Some(_) => Err(Error::Away(format!(
                "{}: the store refuses the precondition and then says that nothing changed",
                self.call()
            ))),
        }
    }

    fn call(&self) -> Call<'_> {
        Call {
            operation: Operation::Get,
            bucket: &self.location.bucket,
            key: &self.location.key,
        }
    }
}
