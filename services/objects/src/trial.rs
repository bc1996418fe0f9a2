//! Trying the requests of [`rights`](crate::rights), for `landfall doctor`, on objects of one's own
//! and on names that nobody has. Nobody's object is read, written or deleted.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_sdk_s3::config::interceptors::BeforeDeserializationInterceptorContextRef;
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::BoxError;
use aws_sdk_s3::primitives::{DateTime, DateTimeFormat};
use aws_sdk_s3::types::BucketVersioningStatus;
use bytes::Bytes;
use jiff::Timestamp;
use proto::event::Location;

use crate::call::{Call, Failure, Operation};
use crate::probe::PROBE_NAME;
use crate::rights::{Area, Need, Place, Step};
use crate::write::Copy;
use crate::{Error, Objects, PROBE_PREFIX, Removal};

/// Tries requests, and removes what it has written.
pub struct Trial {
    objects: Objects,
    /// Stands in the names of its objects, and in no others.
    mark: String,
    written: Mutex<Vec<Written>>,
}

/// Why a step cannot be taken: one line each, which says how to mend it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// A right is missing, or whatever else is about this step alone.
    Step(String),
    /// There is something wrong with the bucket, or with who asks.
    Bucket(String),
    /// The store does not answer as it should.
    Store(String),
}

/// An object, or a version of one, or a delete marker: whatever a request left.
#[derive(Clone, Debug)]
struct Written {
    at: Location,
    version: Option<String>,
}

impl Trial {
    /// Nothing is written yet.
    pub fn new(objects: Objects) -> Self {
        Self {
            objects,
            mark: format!("{:016x}", RandomState::new().hash_one(std::process::id())),
            written: Mutex::default(),
        }
    }

    /// Takes a step. Where it needs an object that no step before has written, on a name that nobody
    /// has: a store says that it is missing only to whom it would have given it. Answers whether it
    /// could be tried: a copy needs something that can be copied.
    pub async fn take(&self, step: &Step) -> Result<bool, Obstacle> {
        let at = self.name(&step.at);
        let call = Call {
            operation: operation(step.need),
            bucket: &at.bucket,
            key: match step.need {
                Need::List(_) => &step.at.prefix,
                Need::Versioning(_) => "",
                _ => &at.key,
            },
        };
        let answer = match step.need {
            Need::List(_) => self.list(call).await,
            Need::Versioning(_) => self.versioning(call).await,
            Need::Put(_) | Need::Upload(_) => self.put(&at).await,
            Need::Head(_) => self.head(call).await,
            Need::Get(_) => self.get(call).await,
            Need::Copy(..) => match self.copyable(step.source()) {
                Some(from) => self.copy(&from, &at).await,
                None => return Ok(false),
            },
            Need::Delete(_) => self.delete(&at).await,
        };
        match answer {
            Ok(()) => Ok(true),
            // Nobody has the name, and that is what was said.
            Err(Failure::Missing) if !self.has(&at) => Ok(true),
            Err(Failure::Missing) => Err(Obstacle::Step(format!(
                "{call}: the object was written a moment ago, and is not there"
            ))),
            Err(Failure::Suspect(Error::Denied(_))) => {
                Err(Obstacle::Step(format!("{call}: {}", missing(step))))
            }
            Err(failure) => Err(match failure.into_error(call) {
                Error::Away(why) => Obstacle::Store(why),
                Error::Denied(why) => Obstacle::Bucket(why),
                error => Obstacle::Step(error.to_string()),
            }),
        }
    }

    /// The store's clock, by the `Date` of an answer, whatever that is; none if it has none.
    pub async fn clock(&self, bucket: &str) -> Option<Timestamp> {
        let dated = Dated::default();
        let call = Call {
            operation: Operation::Bucket,
            bucket,
            key: "",
        };
        let request = self.objects.client.head_bucket().bucket(bucket);
        let request = request.customize().interceptor(dated.clone()).send();
        let asked = self
            .objects
            .call(call, self.objects.timeout, Box::pin(request));
        // It may be refused: that it is answered is enough.
        let _ = asked.await;
        *dated.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes one more object at a place, for which the store should send a notification. Answers
    /// what stands in its key and in no other; every encoding of keys leaves that as it is.
    pub async fn upload(&self, place: &Place, number: usize) -> Result<String, String> {
        let mark = format!("{}-{number}-upload", self.mark);
        let at = Location {
            bucket: place.bucket.clone(),
            key: format!("{}{PROBE_NAME}{mark}", place.prefix),
        };
        let call = Call {
            operation: Operation::Put,
            bucket: &at.bucket,
            key: &at.key,
        };
        match self.put(&at).await {
            Ok(()) => Ok(mark),
            Err(failure) => Err(failure.into_error(call).to_string()),
        }
    }

    /// Removes what it has written and not deleted. The errors are lines that say what lies there
    /// still, and why.
    pub async fn clean(&self) -> Vec<String> {
        let mut left = vec![];
        let all = std::mem::take(&mut *self.written());
        for written in all {
            if let Err(error) = self.objects.delete(&written.at, written.removal()).await {
                let Location { bucket, key } = &written.at;
                left.push(format!(
                    "{key:?} in bucket `{bucket}` stays behind: {error}"
                ));
            }
        }
        left
    }

    /// Where its object is at a place.
    fn name(&self, place: &Place) -> Location {
        let key = match place.area {
            Area::Probes => format!("{PROBE_PREFIX}.{}", self.mark),
            _ => format!("{}{PROBE_NAME}{}", place.prefix, self.mark),
        };
        Location {
            bucket: place.bucket.clone(),
            key,
        }
    }

    async fn list(&self, call: Call<'_>) -> Result<(), Failure> {
        let request = self
            .objects
            .client
            .list_objects_v2()
            .bucket(call.bucket)
            .prefix(call.key)
            .max_keys(1)
            .send();
        self.ask(call, Box::pin(request)).await
    }

    async fn versioning(&self, call: Call<'_>) -> Result<(), Failure> {
        let request = self.objects.client.get_bucket_versioning();
        let request = request.bucket(call.bucket).send();
        let timeout = self.objects.timeout;
        let answer = self.objects.call(call, timeout, Box::pin(request)).await?;
        if answer.status() != Some(&BucketVersioningStatus::Enabled) {
            return Ok(());
        }
        let call = Call {
            operation: Operation::ListVersions,
            ..call
        };
        let request = self.objects.client.list_object_versions();
        let request = request.bucket(call.bucket).max_keys(1).send();
        self.ask(call, Box::pin(request)).await
    }

    async fn head(&self, call: Call<'_>) -> Result<(), Failure> {
        self.objects.ask(call, None, None).await.map(drop)
    }

    async fn get(&self, call: Call<'_>) -> Result<(), Failure> {
        let request = self.objects.client.get_object();
        let request = request.bucket(call.bucket).key(call.key).send();
        self.ask(call, Box::pin(request)).await
    }

    async fn put(&self, at: &Location) -> Result<(), Failure> {
        let (body, metadata) = (Bytes::from_static(b"probe"), BTreeMap::new());
        let put = self.objects.write(at, body, None, &metadata);
        let answer = Box::pin(put).await;
        self.wrote(at, answer.map(|output| output.version_id))
    }

    /// What there is to be copied: the object at `source`, or else the one under [`PROBE_PREFIX`],
    /// which shows whether the copy may be written.
    fn copyable(&self, source: &Place) -> Option<Location> {
        let at_hand = Place {
            area: Area::Probes,
            ..source.clone()
        };
        let mut names = [source, &at_hand].map(|place| self.name(place)).into_iter();
        names.find(|name| self.has(name))
    }

    async fn copy(&self, from: &Location, to: &Location) -> Result<(), Failure> {
        let head = self.objects.head(&from.bucket, &from.key).await;
        let Some(head) = head.map_err(Failure::Other)? else {
            return Err(Failure::Missing);
        };
        let copy = Copy {
            source: from,
            version: &head.version,
            head: &head,
            destination: to,
            metadata: &BTreeMap::new(),
            if_match: false,
            if_absent: false,
        };
        let answer = Box::pin(self.objects.transfer(copy, &head.version.etag)).await;
        self.wrote(to, answer.map(|output| output.version_id))
    }

    /// Deletes everything that was written under a name; nothing else can be there.
    async fn delete(&self, at: &Location) -> Result<(), Failure> {
        let all = self.written().clone();
        let (ours, others): (Vec<Written>, Vec<Written>) =
            all.into_iter().partition(|written| written.at == *at);
        if ours.is_empty() {
            let output = Box::pin(self.objects.erase(at, Removal::Newest)).await?;
            // In a bucket with versions that left a marker.
            if let Some(id) = output.version_id() {
                self.note(at, Some(id));
            }
            return Ok(());
        }
        for written in &ours {
            Box::pin(self.objects.erase(at, written.removal())).await?;
        }
        *self.written() = others;
        Ok(())
    }

    async fn ask<O, E>(
        &self,
        call: Call<'_>,
        request: crate::call::Request<'_, O, E>,
    ) -> Result<(), Failure>
    where
        E: aws_sdk_s3::error::ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        let answer = self.objects.call(call, self.objects.timeout, request);
        answer.await.map(drop)
    }

    /// Notes what a request has written, or may have where its answer is lost.
    fn wrote(&self, at: &Location, answer: Result<Option<String>, Failure>) -> Result<(), Failure> {
        match &answer {
            Ok(version) => self.note(at, version.as_deref()),
            Err(Failure::Other(Error::Away(_))) => self.note(at, None),
            Err(_) => {}
        }
        answer.map(drop)
    }

    fn note(&self, at: &Location, version: Option<&str>) {
        let version = version.filter(|id| !id.is_empty() && *id != "null");
        self.written().push(Written {
            at: at.clone(),
            version: version.map(str::to_owned),
        });
    }

    fn has(&self, at: &Location) -> bool {
        self.written().iter().any(|written| written.at == *at)
    }

    fn written(&self) -> MutexGuard<'_, Vec<Written>> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Written {
    fn removal(&self) -> Removal<'_> {
        match &self.version {
            Some(id) => Removal::Version(id),
            None => Removal::Newest,
        }
    }
}

fn operation(need: Need) -> Operation {
    match need {
        Need::List(_) => Operation::List,
        Need::Versioning(_) => Operation::Versioning,
        Need::Put(_) | Need::Upload(_) => Operation::Put,
        Need::Head(_) => Operation::Head,
        Need::Get(_) => Operation::Get,
        Need::Copy(..) => Operation::Copy,
        Need::Delete(_) => Operation::Delete,
    }
}

/// What to allow, in words.
fn missing(step: &Step) -> String {
    let rights: Vec<String> = step.rights().iter().map(ToString::to_string).collect();
    format!("access denied; allow {}", rights.join(", and "))
}

/// Notes the `Date` of an answer.
#[derive(Clone, Debug, Default)]
struct Dated(Arc<Mutex<Option<Timestamp>>>);

impl Intercept for Dated {
    fn name(&self) -> &'static str {
        "date"
    }

    fn read_after_transmit(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let date = context.response().headers().get("date");
        let date = date.and_then(|text| DateTime::from_str(text, DateTimeFormat::HttpDate).ok());
        let date = date.and_then(|date| Timestamp::from_second(date.secs()).ok());
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = date;
        Ok(())
    }
}
