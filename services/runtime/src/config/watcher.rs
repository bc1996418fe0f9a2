//! The watcher.

use std::net::SocketAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::secret::Secret;
use super::{address, period};

/// `[watcher]`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where `POST /events` is served.
    #[serde(with = "address")]
    pub listen: SocketAddr,
    /// Bearer tokens that may post; several while one is being replaced.
    pub tokens: Vec<Secret>,
    /// Amazon SNS, which signs what it posts and has no token.
    pub sns: Sns,
    /// What is watched.
    pub buckets: Vec<Bucket>,
    /// Key globs that are nobody's file yet: uploads in progress, editors' left-overs. One without
    /// `/` is for the key's last part, one with it for the whole key.
    pub ignore: Vec<String>,
    /// How often the watched prefixes are listed.
    #[serde(with = "period")]
    pub sweep_every: Duration,
    /// How long after its last event a file counts as stuck, if nothing is working on it.
    #[serde(with = "period")]
    pub stuck_after: Duration,
}

/// `[watcher.sns]`
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Sns {
    /// Topics that may post, by their whole names (`arn:aws:sns:REGION:ACCOUNT:NAME`).
    pub topics: Vec<String>,
}

/// One watched bucket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bucket {
    /// Its name.
    pub name: String,
    /// Prefixes in which files arrive; `""` is the whole bucket.
    #[serde(default = "incoming")]
    pub prefixes: Vec<String>,
}

fn incoming() -> Vec<String> {
    vec!["incoming/".to_owned()]
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8780)),
            tokens: vec![],
            sns: Sns::default(),
            buckets: vec![],
            ignore: [
                "*.tmp",
                "*.part",
                "*.partial",
                "*.filepart",
                "*.swp",
                "*~",
                "**/.*",
            ]
            .map(str::to_owned)
            .to_vec(),
            sweep_every: Duration::from_secs(5 * 60),
            stuck_after: Duration::from_secs(15 * 60),
        }
    }
}
