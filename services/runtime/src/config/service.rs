//! How every service runs.

use std::net::SocketAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{address, period};

/// `[service]`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where `/livez`, `/readyz` and `/metrics` are served; port 0 takes a free one.
    #[serde(with = "address")]
    pub listen: SocketAddr,
    /// How many messages are worked on at once.
    pub slots: usize,
    /// How often a message may fail, outages apart, before it becomes a dead letter.
    pub tries: u32,
    /// How long after its first failure a message is tried again. Each wait is four times the one
    /// before, up to five minutes.
    #[serde(with = "period")]
    pub retry_after: Duration,
    /// How long work in progress may go on after SIGTERM.
    #[serde(with = "period")]
    pub drain: Duration,
    /// `human` or `json`.
    pub log: Log,
    /// Which log lines are written, in the syntax of `RUST_LOG`.
    pub log_level: String,
    /// How long journal rows are kept. Never shorter than the object lies at the source, events
    /// lie in `FILES`, and the longest delay.
    #[serde(with = "period")]
    pub journal_retention: Duration,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Log {
    /// For people.
    #[default]
    Human,
    /// One JSON object a line.
    Json,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            slots: 32,
            tries: 5,
            retry_after: Duration::from_secs(1),
            drain: Duration::from_secs(25),
            log: Log::Human,
            log_level: "info".to_owned(),
            journal_retention: Duration::from_secs(90 * 24 * 60 * 60),
        }
    }
}
