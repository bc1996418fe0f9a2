//! Object storage.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::period;
use super::secret::Secret;

/// What one `CopyObject` takes of AWS: 5 GiB.
pub(super) const MOST_COPIED: u64 = 5 << 30;

/// As small a part may be, unless it is the last.
pub(super) const LEAST_PART: u64 = 5 << 20;

/// `[objects]`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// `http://host:port` of the store; AWS itself where it is not set.
    pub endpoint: Option<String>,
    /// Region; any name does for stores that know none.
    pub region: String,
    /// Whether the bucket stands in the path (`true` for nearly everything but AWS).
    pub path_style: bool,
    /// Access key; the AWS credential chain where neither is set (environment, shared files, web
    /// identity, container, instance).
    pub access_key: Option<Secret>,
    /// Secret key.
    pub secret_key: Option<Secret>,
    /// The authority that signed the endpoint's certificate, as PEM; what this machine trusts
    /// unless set.
    pub ca_file: Option<PathBuf>,
    /// How long one request may take, from connecting to its answer's headers. One about many
    /// bytes may take a second more for every 4 MiB.
    #[serde(with = "period")]
    pub timeout: Duration,
    /// How often a request is sent at most, where the connection breaks or the store is busy.
    pub attempts: u32,
    /// Requests under way at once.
    pub connections: usize,
    /// Objects of more bytes are copied in parts, however few. At most 5 GiB, which one request of
    /// AWS's takes.
    pub copy_above: u64,
    /// Bytes of a part; more where an object would have more than 10,000.
    pub copy_part: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            endpoint: None,
            region: "us-east-1".to_owned(),
            path_style: true,
            access_key: None,
            secret_key: None,
            ca_file: None,
            timeout: Duration::from_secs(30),
            attempts: 2,
            connections: 64,
            copy_above: MOST_COPIED,
            copy_part: 128 << 20,
        }
    }
}
