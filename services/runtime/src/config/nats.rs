//! NATS.

use std::time::Duration;

use super::secret::Secret;
use serde::{Deserialize, Serialize};

use super::period;

/// `[nats]`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// `nats://host:port` or `tls://host:port`, several with commas.
    pub url: String,
    /// User name; the service's own name unless set.
    pub user: Option<String>,
    /// Password of that user.
    pub password: Option<Secret>,
    /// PEM file of the authority that signed the server's certificate, where it is not a public one.
    pub ca_file: Option<std::path::PathBuf>,
    /// How many servers hold each stream (`landfall setup`).
    pub replicas: usize,
    /// How long `JetStream` remembers message ids (`landfall setup`). Only saves work.
    #[serde(with = "period")]
    pub duplicate_window: Duration,
    /// How long a message may be worked on without a sign of life (`landfall setup`).
    #[serde(with = "period")]
    pub ack_wait: Duration,
    /// How often a message is delivered before it counts as a crash loop (`landfall setup`).
    pub max_deliver: i64,
}

impl Config {
    /// Whether nothing may go over a connection that is not encrypted.
    pub(crate) fn wants_tls(&self) -> bool {
        let tls = |url: &str| url.trim().starts_with("tls://");
        self.ca_file.is_some() || self.url.split(',').any(tls)
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            url: "nats://127.0.0.1:4222".to_owned(),
            user: None,
            password: None,
            ca_file: None,
            replicas: 1,
            duplicate_window: Duration::from_secs(120),
            ack_wait: Duration::from_secs(30),
            max_deliver: 16,
        }
    }
}
