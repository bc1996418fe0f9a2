use std::collections::BTreeMap;

use bytes::Bytes;
use futures::Stream;
use proto::Version;
use proto::event::Location;

use crate::Result;

/// A client of one store. Cheap to clone; all clones share one pool.
#[derive(Clone, Debug)]
pub struct Objects {}

/// What `HEAD` says of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Which version it is.
    pub version: Version,
    /// Bytes.
    pub size: u64,
    /// `Content-Type`.
    pub content_type: Option<String>,
    /// `Content-Encoding`.
    pub content_encoding: Option<String>,
    /// User metadata, names in lower case.
    pub metadata: BTreeMap<String, String>,
}

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

/// The bytes of one version. A connection that breaks is resumed where it broke, with the same
/// precondition, so that what is read is always one version's.
#[derive(Debug)]
pub struct Body {}

impl Objects {
    /// A client for the configured store. Does not connect yet.
    pub async fn new(config: &runtime::config::objects::Config) -> Result<Self> {
        let _ = config;
        unimplemented!()
    }

    /// What the newest version of an object is; none if there is no such object.
    pub async fn head(&self, bucket: &str, key: &str) -> Result<Option<Head>> {
        let _ = (bucket, key);
        unimplemented!()
    }

    /// Reads exactly `version`. [`crate::Error::Vanished`] if it is not there any more, also in
    /// the middle of the read.
    pub async fn get(&self, bucket: &str, key: &str, version: &Version, size: u64) -> Result<Body> {
        let _ = (bucket, key, version, size);
        unimplemented!()
    }

    /// Every object under `prefix`, in the store's order, a page at a time.
    pub fn list(&self, bucket: &str, prefix: &str) -> impl Stream<Item = Result<Listed>> + Send {
        let _ = (bucket, prefix);
        futures::stream::empty()
    }

    /// Writes an object, over whatever has its name.
    pub async fn put(
        &self,
        location: &Location,
        body: Bytes,
        content_type: Option<&str>,
        metadata: &BTreeMap<String, String>,
    ) -> Result<()> {
        let _ = (location, body, content_type, metadata);
        unimplemented!()
    }

    /// Whether a bucket keeps versions.
    pub async fn is_versioned(&self, bucket: &str) -> Result<bool> {
        let _ = bucket;
        unimplemented!()
    }
}

impl Body {
    /// The next bytes, none at the end.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>> {
        unimplemented!()
    }
}

