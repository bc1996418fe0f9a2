//! What a folder keeps from one start to the next, so that other programs' settings stay right.

use std::path::Path;

use anyhow::Context;
use serde::{Deserialize, Serialize};

const FILE: &str = "state.json";

/// Ports, where they are still free, and secrets.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct State {
    pub(crate) access_key: String,
    pub(crate) secret_key: String,
    /// The bearer token with which the store tells of uploads.
    pub(crate) token: String,
    /// The password of the NATS user for people.
    pub(crate) operator: String,
    #[serde(default)]
    pub(crate) ports: Ports,
}

/// Ports of the last start.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Ports {
    pub(crate) nats: Option<u16>,
    pub(crate) store: Option<u16>,
    pub(crate) mail: Option<u16>,
    pub(crate) watcher: Option<u16>,
}

impl State {
    /// What `folder` has kept; new secrets in a new folder.
    pub(crate) fn read(folder: &Path) -> anyhow::Result<Self> {
        let file = folder.join(FILE);
        match std::fs::read_to_string(&file) {
            Ok(text) => serde_json::from_str(&text)
                .with_context(|| format!("{} is damaged: remove it", file.display())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self {
                access_key: servers::random_secret(),
                secret_key: servers::random_secret(),
                token: servers::random_secret(),
                operator: servers::random_secret(),
                ports: Ports::default(),
            }),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", file.display())),
        }
    }

    /// Keeps it.
    pub(crate) fn write(&self, folder: &Path) -> anyhow::Result<()> {
        let text = serde_json::to_string_pretty(self)?;
        servers::process::write(&folder.join(FILE), &text)
    }
}
