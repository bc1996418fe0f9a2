//! Where spans go.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::secret::Secret;

/// `[tracing]`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where a collector takes OTLP over HTTP, as `http://host:4318`; nothing is traced unless set.
    pub endpoint: Option<String>,
    /// The share of the files that are traced, from 0 to 1. A file's id decides, so that every
    /// service traces the same ones.
    pub ratio: f64,
    /// PEM file of the authority that signed the collector's certificate, where it is not a public
    /// one.
    pub ca_file: Option<std::path::PathBuf>,
    /// What each request to the collector bears, such as `authorization`.
    pub headers: BTreeMap<String, Secret>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            endpoint: None,
            ratio: 1.0,
            ca_file: None,
            headers: BTreeMap::new(),
        }
    }
}
