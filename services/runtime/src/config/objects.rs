//! Object storage.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::period;
use super::secret::Secret;

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
    /// Access key; the AWS credential chain where neither is set.
    pub access_key: Option<String>,
    /// Secret key.
    pub secret_key: Option<Secret>,
    /// How long one request may take, from connecting to its answer's headers.
    #[serde(with = "period")]
    pub timeout: Duration,
    /// Requests under way at once.
    pub connections: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            endpoint: None,
            region: "us-east-1".to_owned(),
            path_style: true,
            access_key: None,
            secret_key: None,
            timeout: Duration::from_secs(30),
            connections: 64,
        }
    }
}
