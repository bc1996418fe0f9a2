//! The watcher.

use std::net::SocketAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::secret::Secret;
use super::{address, glob, period};

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
    /// How often the watched prefixes are listed. This, `ignore` and `stuck_after` may be set for a
    /// bucket apart.
    #[serde(with = "period")]
    pub sweep_every: Duration,
    /// How long after an upload its notification should have come.
    #[serde(with = "period")]
    pub notified_within: Duration,
    /// Which share of a bucket's new files the listing may find, though their notifications should
    /// have come, before it is said that notifications are lost; 0 to 1. 1 says it never.
    pub missed_share: f64,
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
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bucket {
    /// Its name.
    pub name: String,
    /// Prefixes in which files arrive; `""` is the whole bucket.
    #[serde(default = "incoming")]
    pub prefixes: Vec<String>,
    /// Before `[watcher] ignore`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ignore: Option<Vec<String>>,
    /// Before `[watcher] sweep_every`.
    #[serde(
        default,
        with = "period::optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub sweep_every: Option<Duration>,
    /// Before `[watcher] stuck_after`.
    #[serde(
        default,
        with = "period::optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub stuck_after: Option<Duration>,
}

fn incoming() -> Vec<String> {
    vec!["incoming/".to_owned()]
}

impl Config {
    fn bucket(&self, name: &str) -> Option<&Bucket> {
        self.buckets.iter().find(|bucket| bucket.name == name)
    }

    /// How often a bucket is listed.
    pub fn sweep_every(&self, bucket: &str) -> Duration {
        let own = self.bucket(bucket).and_then(|bucket| bucket.sweep_every);
        own.unwrap_or(self.sweep_every)
    }

    /// How long after its last event a file of a bucket counts as stuck.
    pub fn stuck_after(&self, bucket: &str) -> Duration {
        let own = self.bucket(bucket).and_then(|bucket| bucket.stuck_after);
        own.unwrap_or(self.stuck_after)
    }

    /// Whether an object is nobody's file yet.
    pub fn ignores(&self, bucket: &str, key: &str) -> bool {
        let name = key.rsplit('/').next().unwrap_or(key);
        let own = self
            .bucket(bucket)
            .and_then(|bucket| bucket.ignore.as_ref());
        own.unwrap_or(&self.ignore).iter().any(|pattern| {
            let of = if pattern.contains('/') { key } else { name };
            glob::matches(pattern, of)
        })
    }
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
            notified_within: Duration::from_secs(60),
            missed_share: 0.1,
            stuck_after: Duration::from_secs(15 * 60),
        }
    }
}
